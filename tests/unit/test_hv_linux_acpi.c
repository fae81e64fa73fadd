/* SPDX-License-Identifier: BSD-3-Clause */
/* The ACPI tables: found from the RSDP on as a kernel does it, sums and lengths, the DSDT's ranges, and
 * that iasl reads all of them. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "hv/hv.h"
#include "hv/linux/acpi.h"
#include "hv/linux/acpi_tables.h"
#include "hv/linux/machine.h"
#include "tests/support/scratch.h"

#define MMIO_HIGH 0x3000000000ull
#define SIZE	  (HV_PC_ACPI_END - HV_PC_ACPI)

static uint8_t buf[SIZE];
static size_t used;

static void build(unsigned int nr_vps)
{
	const struct hv_acpi_cfg cfg = {.nr_vps = nr_vps, .mmio_high = MMIO_HIGH};

	memset(buf, 0xee, sizeof(buf));
	cr_assert_eq(hv_acpi_build(&cfg, HV_PC_ACPI, buf, sizeof(buf), &used), 0, "%s", err_text());
}

static uint8_t sum(const void *p, size_t len)
{
	const uint8_t *b = p;
	uint8_t s = 0;

	while (len--)
		s += *b++;
	return s;
}

/* The table at a GPA, with its length and sum checked. */
static const struct acpi_header *table(uint64_t at, const char *signature)
{
	const struct acpi_header *h = (const void *)(buf + (at - HV_PC_ACPI));

	cr_assert(at >= HV_PC_ACPI && at + sizeof(*h) <= HV_PC_ACPI + used, "%s at %#llx",
		  signature, (unsigned long long)at);
	cr_assert_eq(memcmp(h->signature, signature, 4), 0, "%s", signature);
	cr_assert_leq(at + h->length, HV_PC_ACPI + used, "%s", signature);
	cr_assert_eq(sum(h, h->length), 0, "sum of %s", signature);
	cr_assert_eq(memcmp(h->oem_id, "NETHV ", 6), 0);
	return h;
}

static const struct acpi_header *from_xsdt(unsigned int i, const char *signature)
{
	const struct acpi_rsdp *r = (const void *)buf;
	const struct acpi_header *x = table(r->xsdt, "XSDT");
	uint64_t at;

	cr_assert_lt(sizeof(*x) + i * sizeof(at), x->length);
	memcpy(&at, (const uint8_t *)(x + 1) + i * sizeof(at), sizeof(at));
	return table(at, signature);
}

static const struct acpi_header *dsdt(void)
{
	return table(((const struct acpi_fadt *)from_xsdt(0, "FACP"))->x_dsdt, "DSDT");
}

Test(hv_linux_acpi, rsdp_has_both_sums)
{
	const struct acpi_rsdp *r = (const void *)buf;

	build(1);
	cr_expect_eq(memcmp(r->signature, "RSD PTR ", 8), 0);
	cr_expect_eq(r->revision, 2);
	cr_expect_eq(r->length, 36);
	cr_expect_eq(sum(r, 20), 0);
	cr_expect_eq(sum(r, 36), 0);
	cr_expect_eq(HV_PC_ACPI % 16, 0, "where a kernel looks without being told");
}

Test(hv_linux_acpi, fadt_is_reduced_hardware_without_legacy)
{
	const struct acpi_fadt *f;
	unsigned int i;

	build(2);
	f = (const void *)from_xsdt(0, "FACP");
	cr_expect_eq(f->h.length, 276);
	cr_expect_eq(f->h.revision, 6);
	cr_expect(f->flags & ACPI_FADT_HW_REDUCED);
	cr_expect(f->flags & ACPI_FADT_RESET_REG);
	cr_expect_eq(f->boot_arch & 2, 0, "no 8042");
	cr_expect(f->boot_arch & ACPI_BOOT_NO_VGA);
	cr_expect(f->boot_arch & ACPI_BOOT_NO_RTC);
	cr_expect_eq(f->reset_reg.space, 1);
	cr_expect_eq(f->reset_reg.address, HV_PORT_RESET);
	cr_expect_eq(f->reset_value, HV_RESET_VALUE);
	cr_expect_eq(f->sleep_control.address, HV_PORT_SLEEP_CONTROL);
	cr_expect_eq(f->sleep_control.space, 1);
	cr_expect_eq(f->sleep_status.address, HV_PORT_SLEEP_STATUS);
	cr_expect_eq(f->dsdt, f->x_dsdt);
	for (i = 0; i < sizeof(f->legacy_blocks); i++)
		cr_expect_eq(f->legacy_blocks[i], 0);
}

static void expect_madt(unsigned int nr_vps)
{
	const struct acpi_madt *m;
	const uint8_t *at;
	unsigned int i;

	build(nr_vps);
	m = (const void *)from_xsdt(1, "APIC");
	cr_expect_eq(m->lapic, HV_PC_LAPIC);
	cr_expect_eq(m->flags, 0, "no 8259s");
	cr_assert_eq(m->h.length, 44 + nr_vps * 8 + 12);
	at = (const uint8_t *)(m + 1);
	for (i = 0; i < nr_vps; i++, at += 8) {
		const struct acpi_madt_lapic *l = (const void *)at;

		cr_expect(l->type == 0 && l->length == 8 && l->flags == 1);
		cr_expect_eq(l->apic_id, i);
		cr_expect_eq(l->processor_uid, i);
	}
	cr_expect_eq(at[0], 1);
	cr_expect_eq(at[1], 12);
	cr_expect_eq(((const struct acpi_madt_ioapic *)at)->address, HV_PC_IOAPIC);
	cr_expect_eq(((const struct acpi_madt_ioapic *)at)->gsi_base, 0);
	cr_expect_eq(((const struct acpi_madt_ioapic *)at)->id, HV_PC_IOAPIC_ID);
}

Test(hv_linux_acpi, madt_has_a_local_apic_for_each_vp)
{
	expect_madt(1);
	expect_madt(3);
	expect_madt(HV_VPS_MAX);
}

/* The @i-th descriptor in the DSDT that begins with these bytes. */
static const uint8_t *descriptor(const void *begin, size_t n, unsigned int i)
{
	const struct acpi_header *d = dsdt();
	const uint8_t *at = (const uint8_t *)d, *end = at + d->length;

	for (at = memmem(at, (size_t)(end - at), begin, n); at && i; i--)
		at = memmem(at + 1, (size_t)(end - at - 1), begin, n);
	return at;
}

static uint64_t le64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void expect_window(unsigned int i, uint64_t from, uint64_t len)
{
	static const uint8_t qword_memory[] = {0x8a, 0x2b, 0x00, 0x00};
	const uint8_t *q = descriptor(qword_memory, sizeof(qword_memory), i);

	cr_assert_not_null(q, "window %u", i);
	cr_expect_eq(q[4] & 0x0d, 0x0c, "producer, both ends fixed");
	cr_expect_eq(le64(q + 6), 0, "granularity");
	cr_expect_eq(le64(q + 14), from, "%#llx", (unsigned long long)le64(q + 14));
	cr_expect_eq(le64(q + 22), from + len - 1);
	cr_expect_eq(le64(q + 30), 0, "translation");
	cr_expect_eq(le64(q + 38), len);
}

Test(hv_linux_acpi, dsdt_has_the_windows_of_vmbus)
{
	build(1);
	expect_window(0, HV_PC_MMIO_LOW, HV_PC_MMIO_LOW_END - HV_PC_MMIO_LOW);
	expect_window(1, MMIO_HIGH, HV_PC_MMIO_HIGH_SIZE);
	cr_expect_not_null(descriptor("VMBus", 6, 0));
	cr_expect_not_null(descriptor("ACPI0004", 9, 0));
}

Test(hv_linux_acpi, dsdt_has_the_serial_port_and_its_interrupt)
{
	static const uint8_t io[] = {
		0x47, 0x01, HV_PC_COM1 & 0xff, HV_PC_COM1 >> 8, HV_PC_COM1 & 0xff, HV_PC_COM1 >> 8,
		0x00, 8};
	/* Consumer, edge, active high, exclusive, one number. */
	static const uint8_t irq[] = {0x89, 0x06, 0x00, 0x03, 0x01, HV_PC_COM1_GSI, 0, 0, 0};

	build(1);
	cr_expect_not_null(descriptor(io, sizeof(io), 0));
	cr_expect_not_null(descriptor(irq, sizeof(irq), 0));
	cr_expect_null(descriptor(irq, 3, 1), "VMBus has no interrupt, it fails to probe with one");
}

Test(hv_linux_acpi, dsdt_switches_off_by_the_sleep_type_of_the_ports)
{
	/* Name (_S5_, Package (4) {5, 0, 0, 0}) */
	static const uint8_t s5[] = {'_', 'S', '5', '_', 0x12, 0x07, 4, 0x0a, HV_SLEEP_TYPE_S5,
				     0,	  0,   0};

	build(1);
	cr_expect_not_null(descriptor(s5, sizeof(s5), 0));
	cr_expect_eq(HV_SLEEP_TYPE(HV_SLEEP_ENABLE | HV_SLEEP_TYPE_S5 << 2), HV_SLEEP_TYPE_S5);
}

Test(hv_linux_acpi, dsdt_without_one_placeholder_is_refused)
{
	uint8_t aml[1024] = {0};
	struct acpi_header *h = (void *)aml;
	const uint64_t hole[5] = {0, 0x4e45544856000000, 0x4e45544856ffffff, 0, 0x1000000};

	memcpy(h->signature, "DSDT", 4);
	h->length = sizeof(aml);
	cr_expect_eq(hv_acpi_patch_dsdt(aml, sizeof(aml), MMIO_HIGH), -EINVAL);
	cr_expect(strstr(err_text(), "no place"), "%s", err_text());
	memcpy(aml + 101, hole, sizeof(hole));
	memcpy(aml + 301, hole, sizeof(hole));
	cr_expect_eq(hv_acpi_patch_dsdt(aml, sizeof(aml), MMIO_HIGH), -EINVAL);
	cr_expect(strstr(err_text(), "more than one"), "%s", err_text());
	memset(aml + 301, 0, sizeof(hole));
	cr_expect_eq(hv_acpi_patch_dsdt(aml, sizeof(aml) - 1, MMIO_HIGH), -EINVAL);
	cr_expect_eq(hv_acpi_patch_dsdt(aml, 8, MMIO_HIGH), -EINVAL);
	cr_expect_eq(hv_acpi_patch_dsdt(aml, sizeof(aml), MMIO_HIGH), 0, "%s", err_text());
	cr_expect_eq(sum(aml, sizeof(aml)), 0);
	cr_expect_eq(le64(aml + 101 + 8), MMIO_HIGH);
}

Test(hv_linux_acpi, too_little_room_is_refused)
{
	const struct hv_acpi_cfg cfg = {.nr_vps = 4, .mmio_high = MMIO_HIGH};
	size_t n, len;

	build(4);
	for (n = 0; n < used; n += n < used - 16 ? 16 : 1)
		cr_expect_eq(hv_acpi_build(&cfg, HV_PC_ACPI, buf, n, &len), -ENOSPC, "%zu", n);
	cr_expect_eq(hv_acpi_build(&cfg, HV_PC_ACPI, buf, used, &len), 0);
}

static void table_write(const char *dir, const struct acpi_header *h)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%.4s.dat", dir, h->signature);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, h, h->length), (ssize_t)h->length);
	close(fd);
}

/* iasl's text of table @name must have all of @words. */
static void expect_text(const char *dir, const char *name, const char *const *words)
{
	static char text[1 << 16];
	char cmd[256];
	FILE *f;
	size_t n;

	snprintf(cmd, sizeof(cmd), "cd %s && iasl -d %s.dat >%s.log 2>&1", dir, name, name);
	cr_assert_eq(system(cmd), 0, "iasl -d %s", name);
	snprintf(cmd, sizeof(cmd), "%s/%s.dsl", dir, name);
	f = fopen(cmd, "r");
	cr_assert_not_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	for (; *words; words++)
		cr_expect(strstr(text, *words), "%s: no \"%s\"", name, *words);
	cr_expect_null(strstr(text, "Incorrect checksum"));
	cr_expect_null(strstr(text, "Invalid"));
}

Test(hv_linux_acpi, iasl_reads_all_tables)
{
	static const char *const facp[] = {"Hardware Reduced (V5) : 1",
					   "Reset Register Supported (V2) : 1",
					   "8042 Present on ports 60/64 (V2) : 0",
					   "CMOS RTC Not Present (V5) : 1",
					   "VGA Not Present (V4) : 1",
					   NULL};
	static const char *const apic[] = {"Local Apic ID : 03", "I/O Apic ID",
					   "PC-AT Compatibility : 0", NULL};
	static const char *const aml[] = {"Device (VMBS)",
					  "\"VMBus\"",
					  "0x0000003000000000",
					  "0x0000003FFFFFFFFF",
					  "0x00000000FEBFFFFF",
					  "PNP0501",
					  NULL};
	char dir[SCRATCH_PATH];

	if (system("command -v iasl >/dev/null"))
		cr_skip_test("no iasl");
	build(4);
	scratch_dir(dir, "acpi");
	table_write(dir, from_xsdt(0, "FACP"));
	table_write(dir, from_xsdt(1, "APIC"));
	table_write(dir, dsdt());
	expect_text(dir, "FACP", facp);
	expect_text(dir, "APIC", apic);
	expect_text(dir, "DSDT", aml);
	scratch_remove(dir);
}
