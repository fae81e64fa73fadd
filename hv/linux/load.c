/* SPDX-License-Identifier: BSD-3-Clause */
/* Puts an unmodified kernel and what it wants to know into a new partition's memory. Files are read
 * straight into guest memory; only headers are looked at, as private copies. */
#include "hv/linux/load.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "hv/linux/acpi.h"
#include "hv/linux/bzimage.h"
#include "hv/linux/layout.h"
#include "hv/linux/pvh.h"
#include "hv/priv.h"

#define FILE_MAX	(2ull << 30) /* vmlinux with debugging information: under 1 GiB */
#define HEAD_MAX	4096u
#define CPUID_ADDRESSES 0x80000008u /* EAX, 7:0: physical address bits */
#define CPUID_LEAVES	256u /* with all sub-leaves there can be more than a boot record holds */

_Static_assert(HEAD_MAX >= HV_BZIMAGE_HEAD && HEAD_MAX >= HV_PVH_HEAD, "one head for both");

typedef unsigned long long ull;

struct file {
	const char *path;
	int fd;
	uint64_t len;
};

/* One load: what is known so far. */
struct load {
	struct hv_partition *p;
	const struct hv_cfg *cfg;
	struct file kernel, initrd;
	uint8_t head[HEAD_MAX];
	size_t head_len;
	struct hv_linux_plan plan;
};

static int file_open(struct file *f, const char *path, const char *what)
{
	struct stat st;

	f->path = path;
	f->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0)
		return err_sys(-errno, "%s %s", what, path);
	if (fstat(f->fd, &st) < 0)
		return err_sys(-errno, "%s %s", what, path);
	if (!S_ISREG(st.st_mode) || st.st_size == 0 || (uint64_t)st.st_size > FILE_MAX)
		return err_set(-ENOEXEC, "%s %s: want a file of 1 byte to %llu MiB", what, path,
			       FILE_MAX >> 20);
	f->len = (uint64_t)st.st_size;
	return 0;
}

static int file_read(const struct file *f, uint64_t off, void *dst, uint64_t len)
{
	uint8_t *at = dst;
	ssize_t n;

	while (len) {
		n = pread(f->fd, at, len, (off_t)off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(-errno, "%s: cannot read it", f->path);
		if (n == 0)
			return err_set(-ENOEXEC, "%s: became shorter while it was read", f->path);
		at += n;
		off += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

static int file_to_guest(const struct load *l, const struct file *f, uint64_t off, uint64_t at,
			 uint64_t len)
{
	void *dst;

	if (!len)
		return 0;
	dst = gmem_map(&l->p->gm, gpa(at), len);
	if (!dst)
		return err_set(-ENOMEM, "%s: %llu bytes at %#llx are not in memory", f->path,
			       (ull)len, (ull)at);
	return file_read(f, off, dst, len);
}

static int cmdline_load(const struct load *l, uint64_t max)
{
	const char *text = l->cfg->cmdline ? l->cfg->cmdline : "";
	size_t len = strlen(text);

	if (len > max)
		return err_set(-EINVAL,
			       "%s: command line of %zu bytes, this kernel takes at most %llu",
			       l->p->name, len, (ull)max);
	return gmem_write(&l->p->gm, gpa(HV_PC_CMDLINE), text, len + 1);
}

/* The guest's addresses end where its processors say; the window above RAM must be reachable. */
static int address_bits_check(const struct load *l, uint64_t end)
{
	struct nethv_cpuid t[CPUID_LEAVES];
	unsigned int i, bits, n = l->p->eng->cpuid(l->p->vm, t, CPUID_LEAVES);

	for (i = 0; i < n; i++) {
		bits = t[i].eax & 0xff;
		if (t[i].leaf == CPUID_ADDRESSES && bits < 64 && end > 1ull << bits)
			return err_set(-EINVAL,
				       "%s: %llu MiB of memory and the MMIO window above it end at "
				       "%#llx, the processors have %u address bits",
				       l->p->name, (ull)(l->cfg->mem_bytes >> 20), (ull)end, bits);
	}
	return 0;
}

/* What stands for firmware: a reset by the ACPI port, and a halt in case that nobody listens. */
static int reset_vector_write(const struct load *l)
{
	static const uint8_t code[] = {
		0xba,
		HV_PORT_RESET & 0xff,
		HV_PORT_RESET >> 8, /* mov $port, %dx */
		0xb0,
		HV_RESET_VALUE, /* mov $value, %al */
		0xee,		/* out %al, (%dx) */
		0xfa,
		0xf4,
		0xeb,
		0xfd, /* cli; 1: hlt; jmp 1b */
	};

	_Static_assert(sizeof(code) <= HV_PC_LOW_1M - HV_PC_RESET, "the rest of the segment");
	return gmem_write(&l->p->gm, gpa(HV_PC_RESET), code, sizeof(code));
}

static int acpi_load(struct load *l)
{
	const struct hv_acpi_cfg ac = {
		.nr_vps = l->p->nr_vps,
		.mmio_high = hv_linux_mmio_high(l->cfg->mem_bytes),
	};
	uint8_t *tables = gmem_map(&l->p->gm, gpa(HV_PC_ACPI), HV_PC_ACPI_END - HV_PC_ACPI);
	size_t len;
	int rc;

	rc = address_bits_check(l, ac.mmio_high + HV_PC_MMIO_HIGH_SIZE);
	if (rc)
		return rc;
	l->plan.rsdp = HV_PC_ACPI;
	return hv_acpi_build(&ac, HV_PC_ACPI, tables, HV_PC_ACPI_END - HV_PC_ACPI, &len);
}

/* @max: highest address of the initrd's last byte. */
static int initrd_load(struct load *l, uint64_t max)
{
	int rc;

	if (!l->cfg->initrd_path)
		return 0;
	rc = file_open(&l->initrd, l->cfg->initrd_path, "initrd");
	if (!rc)
		rc = hv_linux_place_initrd(&l->plan, l->initrd.len, max);
	if (!rc)
		rc = file_to_guest(l, &l->initrd, 0, l->plan.initrd, l->initrd.len);
	return rc;
}

static int bzimage_load(struct load *l, struct hv_vp_start *start)
{
	struct hv_bzimage bz;
	struct boot_params bp;
	int rc;

	rc = hv_bzimage_parse(l->head, l->head_len, l->kernel.len, &bz);
	if (!rc)
		rc = cmdline_load(l, bz.hdr.cmdline_size);
	if (!rc)
		rc = hv_linux_place_kernel(&l->plan, bz.hdr.pref_address, bz.init_size);
	if (!rc)
		rc = file_to_guest(l, &l->kernel, bz.file_off, l->plan.kernel, bz.file_len);
	if (!rc)
		rc = initrd_load(l, bz.hdr.initrd_addr_max);
	if (rc)
		return rc;
	hv_bzimage_boot_params(&bz, &l->plan, &bp);
	*start = (struct hv_vp_start){
		.kind = HV_START_LINUX,
		.entry = l->plan.kernel + HV_BZIMAGE_ENTRY64,
		.boot_gpa = HV_PC_BOOT_PARAMS,
		.area_gpa = HV_PC_SCRATCH,
	};
	return gmem_write(&l->p->gm, gpa(HV_PC_BOOT_PARAMS), &bp, sizeof(bp));
}

static int pvh_entry(const struct load *l, const struct hv_pvh *k, uint64_t *entry)
{
	uint8_t *buf = malloc(HV_PVH_NOTE_BYTES);
	int rc = -ENOENT;
	unsigned int i;

	if (!buf)
		return err_set(-ENOMEM, "kernel: its notes");
	for (i = 0; rc == -ENOENT && i < k->nr_notes; i++) {
		size_t n =
			k->notes[i].len < HV_PVH_NOTE_BYTES ? k->notes[i].len : HV_PVH_NOTE_BYTES;

		rc = file_read(&l->kernel, k->notes[i].file_off, buf, n);
		if (!rc)
			rc = hv_pvh_note(buf, n, entry);
	}
	free(buf);
	if (rc == -ENOENT)
		return err_set(-ENOEXEC, "kernel: an ELF file without a PVH note (CONFIG_PVH): "
					 "want that, or a bzImage");
	return rc ? rc : hv_pvh_check_entry(k, *entry);
}

static int pvh_segments(const struct load *l, const struct hv_pvh *k)
{
	unsigned int i;
	int rc = 0;

	for (i = 0; !rc && i < k->map.nr_segments; i++)
		rc = file_to_guest(l, &l->kernel, k->map.segment[i].file_off, k->map.segment[i].gpa,
				   k->map.segment[i].file_len);
	return rc;
}

static int pvh_load(struct load *l, struct hv_vp_start *start)
{
	struct hv_pvh_start si;
	struct hv_pvh k;
	uint64_t entry;
	int rc;

	rc = hv_pvh_parse(l->head, l->head_len, l->kernel.len, &k);
	if (!rc)
		rc = pvh_entry(l, &k, &entry);
	if (!rc)
		rc = cmdline_load(l, HV_LINUX_CMDLINE_MAX);
	if (!rc)
		rc = hv_linux_place_kernel(&l->plan, k.map.low, k.map.high - k.map.low);
	if (!rc)
		rc = pvh_segments(l, &k);
	if (!rc)
		rc = initrd_load(l, UINT32_MAX);
	if (rc)
		return rc;
	hv_pvh_start_info(&l->plan, HV_PC_BOOT_PARAMS, &si);
	*start = (struct hv_vp_start){
		.kind = HV_START_PVH,
		.entry = entry,
		.boot_gpa = HV_PC_BOOT_PARAMS,
		.area_gpa = HV_PC_SCRATCH,
	};
	return gmem_write(&l->p->gm, gpa(HV_PC_BOOT_PARAMS), &si, sizeof(si));
}

static int kernel_load(struct load *l, struct hv_vp_start *start)
{
	int rc;

	rc = file_open(&l->kernel, l->cfg->kernel_path, "kernel");
	if (rc)
		return rc;
	l->head_len = l->kernel.len < HEAD_MAX ? l->kernel.len : HEAD_MAX;
	rc = file_read(&l->kernel, 0, l->head, l->head_len);
	if (rc)
		return rc;
	if (l->head_len >= SELFMAG && !memcmp(l->head, ELFMAG, SELFMAG))
		return pvh_load(l, start);
	return bzimage_load(l, start);
}

int hv_linux_load(struct hv_partition *p, const struct hv_cfg *cfg, struct hv_vp_start *start)
{
	struct load l = {
		.p = p,
		.cfg = cfg,
		.kernel.fd = -1,
		.initrd.fd = -1,
		.plan.mem_bytes = cfg->mem_bytes,
	};
	int rc;

	rc = acpi_load(&l);
	if (!rc)
		rc = reset_vector_write(&l);
	if (!rc)
		rc = kernel_load(&l, start);
	fd_close(&l.kernel.fd);
	fd_close(&l.initrd.fd);
	return rc;
}
