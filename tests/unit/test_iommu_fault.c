/* SPDX-License-Identifier: BSD-3-Clause */
/* DMA fault lines as kernels of many years print them, lines that only look so, and the log itself. */
#include "iommu/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "tests/support/scratch.h"

static const struct row {
	const char *line;
	struct iommu_bdf bdf;
	enum iommu_fault_kind kind;
	uint64_t address;
	int reason; /* -1: none */
	int64_t pasid;
	const char *text;
} rows[] = {
	{"DMAR: [DMA Write NO_PASID] Request device [01:10.0] fault addr 0x2800000000 [fault reason "
	 "0x05] PTE Write access is not set",
	 {0, 1, 0x10, 0},
	 IOMMU_FAULT_WRITE,
	 0x2800000000,
	 5,
	 -1,
	 "PTE Write access is not set"},
	{"DMAR: [DMA Read NO_PASID] Request device [bc:00.7] fault addr 0x3ffc0000 [fault reason "
	 "0x71] SM: Present bit in first-level paging entry is clear",
	 {0, 0xbc, 0, 7},
	 IOMMU_FAULT_READ,
	 0x3ffc0000,
	 0x71,
	 -1,
	 "SM: Present bit in first-level paging entry is clear"},
	{"DMAR: [DMA Read PASID 0x1f] Request device [0x04:0x1f.3] fault addr 0x1000 [fault reason "
	 "0x06] PTE Read access is not set",
	 {0, 4, 0x1f, 3},
	 IOMMU_FAULT_READ,
	 0x1000,
	 6,
	 0x1f,
	 "PTE Read access is not set"},
	{"DMAR: [DMA Write] Request device [04:00.0] PASID ffffffff fault addr 69974000 [fault "
	 "reason 05] PTE Write access is not set",
	 {0, 4, 0, 0},
	 IOMMU_FAULT_WRITE,
	 0x69974000,
	 5,
	 -1,
	 "PTE Write access is not set"},
	{"DMAR: [DMA Write] Request device [04:00.0] PASID 2a fault addr 69974000 [fault reason 12] "
	 "text",
	 {0, 4, 0, 0},
	 IOMMU_FAULT_WRITE,
	 0x69974000,
	 12,
	 0x2a,
	 "text"},
	{"DMAR:[DMA Write] Request device [00:02.0] fault addr 6df084000 ",
	 {0, 0, 2, 0},
	 IOMMU_FAULT_WRITE,
	 0x6df084000,
	 -1,
	 -1,
	 ""},
	{"DMAR: [INTR-REMAP] Request device [01:00.0] fault index 0x2c [fault reason 0x26] Blocked an "
	 "interrupt request due to source-id verification failure",
	 {0, 1, 0, 0},
	 IOMMU_FAULT_INTERRUPT,
	 0x2c,
	 0x26,
	 -1,
	 "Blocked an interrupt request due to source-id verification failure"},
	{"DMAR: [DMA Write NO_PASID] Request device [0001:01:10.0] fault addr 0x0 [fault reason 0x05] "
	 "x",
	 {1, 1, 0x10, 0},
	 IOMMU_FAULT_WRITE,
	 0,
	 5,
	 -1,
	 "x"},
	{"AMD-Vi: Event logged [IO_PAGE_FAULT device=0a:00.0 domain=0x001d address=0x000000000637c000 "
	 "flags=0x0020]",
	 {0, 0x0a, 0, 0},
	 IOMMU_FAULT_WRITE,
	 0x637c000,
	 0x20,
	 -1,
	 "IO page fault"},
	{"AMD-Vi: Event logged [IO_PAGE_FAULT device=0002:0a:00.1 domain=0x001d address=0x637c000 "
	 "flags=0x0000]",
	 {2, 0x0a, 0, 1},
	 IOMMU_FAULT_READ,
	 0x637c000,
	 0,
	 -1,
	 "IO page fault"},
	{"vfio-pci 0000:04:10.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0037 address=0x7b657064 "
	 "flags=0x0008]",
	 {0, 4, 0x10, 0},
	 IOMMU_FAULT_INTERRUPT,
	 0x7b657064,
	 8,
	 -1,
	 "IO page fault"},
};

Test(iommu_fault, reads_the_lines_of_all_kernels)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *r = &rows[i];
		struct iommu_fault f;

		cr_assert(iommu_fault_parse(r->line, strlen(r->line), &f), "row %zu", i);
		cr_expect(iommu_bdf_equal(f.bdf, r->bdf), "row %zu", i);
		cr_expect_eq(f.kind, r->kind, "row %zu", i);
		cr_expect_eq(f.address, r->address, "row %zu: %llx", i,
			     (unsigned long long)f.address);
		cr_expect_eq(f.has_reason ? (int)f.reason : -1, r->reason, "row %zu", i);
		cr_expect_eq(f.has_pasid ? (int64_t)f.pasid : -1, r->pasid, "row %zu", i);
		cr_expect_str_eq(f.text, r->text, "row %zu", i);
	}
}

Test(iommu_fault, takes_no_other_line_for_a_fault)
{
	static const char *const lines[] = {
		"",
		"DMAR: DRHD: handling fault status reg 2",
		"DMAR: IOMMU enabled",
		"DMAR: [DMA Write NO_PASID] Request device [zz:10.0] fault addr 0x1000",
		"DMAR: [DMA Write NO_PASID] Request device [01:20.0] fault addr 0x1000",
		"DMAR: [DMA Write NO_PASID] Request device [01:10.8] fault addr 0x1000",
		"DMAR: [DMA Write NO_PASID] Request device [01:10.0] fault addr",
		"DMAR: [DMA Write NO_PASID] Request device [01:10.0] fault addr 0x",
		"DMAR: [DMA Write NO_PASID] Request device [01:10.0] fault addr 0x11112222333344445",
		"[DMA Write NO_PASID] Request device [01:10.0] fault addr 0x1000",
		"AMD-Vi: Interrupt remapping enabled",
		"AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0037 address=0x1000 flags=0x0]",
		"AMD-Vi: Event logged [IO_PAGE_FAULT device=0a:00.0 domain=0x001d flags=0x0]",
		"AMD-Vi: Event logged [ILLEGAL_DEV_TABLE_ENTRY device=0a:00.0 address=0x1000]",
	};
	struct iommu_fault f;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		cr_expect_not(iommu_fault_parse(lines[i], strlen(lines[i]), &f), "%s", lines[i]);
}

/* A length is a length: bytes behind it are not looked at, and a cut line gives less or nothing. */
Test(iommu_fault, never_looks_behind_the_end_of_a_line)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t len = strlen(rows[i].line);

		for (size_t n = 0; n <= len; n++) {
			char *copy = malloc(n ? n : 1); /* so that ASan sees one byte too many */
			struct iommu_fault f;

			memcpy(copy, rows[i].line, n);
			if (iommu_fault_parse(copy, n, &f))
				cr_expect(iommu_bdf_equal(f.bdf, rows[i].bdf), "row %zu, %zu", i,
					  n);
			free(copy);
		}
	}
}

Test(iommu_fault, text_of_the_log_is_made_printable)
{
	static const char line[] = "DMAR: [DMA Write NO_PASID] Request device [01:10.0] fault addr "
				   "0x1000 [fault reason 0x05] a\033[31mb\x80";
	struct iommu_fault f;
	char buf[200];

	cr_assert(iommu_fault_parse(line, sizeof(line) - 1, &f));
	cr_expect_str_eq(f.text, "a?[31mb?");
	cr_expect_str_eq(iommu_fault_line(&f, buf, sizeof(buf)),
			 "0000:01:10.0: a write to 0x1000 was stopped: a?[31mb?");
}

static struct seen {
	unsigned int nr;
	struct iommu_fault last;
} seen;

static void see(const struct iommu_fault *f, void *ctx)
{
	struct seen *s = ctx;

	s->nr++;
	s->last = *f;
}

/* A pipe in packet mode gives one record a read, as /dev/kmsg does. */
static void put(int fd, const char *rec)
{
	cr_assert_eq(write(fd, rec, strlen(rec)), (ssize_t)strlen(rec));
}

Test(iommu_fault, follows_the_log_record_by_record)
{
	struct iommu_fault_log l = {.fd = -1, .read = read};
	int p[2];

	cr_assert_eq(pipe2(p, O_DIRECT | O_NONBLOCK | O_CLOEXEC), 0);
	l.fd = p[0];
	cr_expect_eq(iommu_fault_log_read(&l, see, &seen), 0);
	put(p[1], "3,1201,18446744073,-;DMAR: DRHD: handling fault status reg 2\n");
	put(p[1],
	    "3,1202,18446744074,-;DMAR: [DMA Write NO_PASID] Request device [01:10.2] fault addr "
	    "0xdead000 [fault reason 0x05] PTE Write access is not set\n SUBSYSTEM=pci\n "
	    "DEVICE=+pci:0000:01:10.2\n");
	put(p[1], "no record");
	put(p[1], "3,1203,18446744075,-;AMD-Vi: Event logged [IO_PAGE_FAULT device=0a:00.0 "
		  "domain=0x001d address=0x1000 flags=0x0020]\n");
	cr_expect_eq(iommu_fault_log_read(&l, see, &seen), 2);
	cr_expect_eq(seen.nr, 2);
	cr_expect_eq(seen.last.address, 0x1000);
	cr_expect_eq(l.records, 4);
	cr_expect_eq(l.faults, 2);
	close(p[1]);
	iommu_fault_log_close(&l);
	iommu_fault_log_close(&l);
}

static int script[8], script_at;

static ssize_t scripted_read(int fd, void *buf, size_t len)
{
	static const char rec[] =
		"3,1,1,-;DMAR: [DMA Read NO_PASID] Request device [02:00.0] fault "
		"addr 0x5000 [fault reason 0x06] x\n";
	int e = script[script_at++];

	(void)fd;
	if (e) {
		errno = e;
		return -1;
	}
	memcpy(buf, rec, sizeof(rec) - 1);
	return sizeof(rec) - 1;
}

Test(iommu_fault, goes_on_behind_records_that_were_overwritten)
{
	struct iommu_fault_log l = {.fd = -1, .read = scripted_read};

	memcpy(script, (int[]){EPIPE, 0, EINTR, 0, EPIPE, EAGAIN}, 6 * sizeof(int));
	cr_expect_eq(iommu_fault_log_read(&l, see, &seen), 2);
	cr_expect_eq(l.lost, 2);
	script_at = 0;
	script[0] = EIO;
	cr_expect_eq(iommu_fault_log_read(&l, see, &seen), -EIO);
	cr_expect(strstr(err_text(), "log"));
}

static ssize_t endless_read(int fd, void *buf, size_t len)
{
	script_at = 0;
	script[0] = 0;
	return scripted_read(fd, buf, len);
}

Test(iommu_fault, a_storm_does_not_keep_the_control_thread)
{
	struct iommu_fault_log l = {.fd = -1, .read = endless_read};

	cr_expect_gt(iommu_fault_log_read(&l, see, &seen), 0);
	cr_expect_leq(l.records, 1000);
}

Test(iommu_fault, begins_behind_what_is_in_the_log_already)
{
	char path[SCRATCH_PATH];
	int fd = scratch_file(path, "kmsg");
	struct iommu_fault_log l;

	put(fd, "3,1,1,-;DMAR: [DMA Read NO_PASID] Request device [02:00.0] fault addr 0x5000\n");
	cr_assert_eq(iommu_fault_log_open(&l, path), 0);
	cr_expect_eq(iommu_fault_log_read(&l, see, &seen), 0);
	put(fd, "3,2,1,-;DMAR: [DMA Read NO_PASID] Request device [02:00.1] fault addr 0x6000\n");
	cr_expect_eq(iommu_fault_log_read(&l, see, &seen), 1);
	cr_expect_eq(seen.last.bdf.fn, 1);
	iommu_fault_log_close(&l);
	close(fd);
	unlink(path);
	cr_expect_eq(iommu_fault_log_open(&l, path), -ENOENT);
	cr_expect(strstr(err_text(), path));
}

Test(iommu_bdf, reads_what_people_write)
{
	struct iommu_bdf b;
	char text[IOMMU_BDF_TEXT];

	cr_assert_eq(iommu_bdf_parse("0000:01:10.0", &b), 0);
	cr_expect_str_eq(iommu_bdf_text(b, text), "0000:01:10.0");
	cr_assert_eq(iommu_bdf_parse("ff:1f.7", &b), 0);
	cr_expect_str_eq(iommu_bdf_text(b, text), "0000:ff:1f.7");
	cr_assert_eq(iommu_bdf_parse("FFFF:0A:00.1", &b), 0);
	cr_expect_str_eq(iommu_bdf_text(b, text), "ffff:0a:00.1");
}

Test(iommu_bdf, refuses_what_is_none)
{
	static const char *const texts[] = {
		"",	    "eth0",	     "01:20.0",	    "01:10.8",	     "01:10",
		"01.10.0",  "0000:01:10.0x", "0000:01:10.", "10000:01:10.0", "0000:001:10.0",
		":01:10.0", "0000::10.0",    "../../x:1.0"};
	struct iommu_bdf b;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cr_expect_eq(iommu_bdf_parse(texts[i], &b), -EINVAL, "%s", texts[i]);
		cr_expect(strstr(err_text(), "0000:01:10.0"), "%s", texts[i]);
	}
}
