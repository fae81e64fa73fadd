/* SPDX-License-Identifier: BSD-3-Clause */
/* Linux' bzImage. */
#include "hv/linux/bzimage.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

#define BAD(...) err_set(-ENOEXEC, __VA_ARGS__)

#define HEADER_AT      0x1f1u	   /* struct setup_header in the file and in boot_params */
#define HEADER_FROM    0x202u	   /* the header's length byte, at 0x201, counts from here */
#define HEADER_NEED    0x268u	   /* end of handover_offset: all that protocol 2.12 has */
#define MAGIC	       0x53726448u /* "HdrS" */
#define BOOT_FLAG      0xaa55u
#define PROTOCOL_MIN   0x020cu
#define SECTOR	       512u
#define SETUP_SECTS    4u /* what 0 means */
#define PARAGRAPH      16u
#define LOADER_UNKNOWN 0xffu
#define VGA_NORMAL     0xffffu

_Static_assert(offsetof(struct boot_params, hdr) == HEADER_AT, "boot protocol");
_Static_assert(sizeof(struct boot_params) == 4096, "boot protocol");
_Static_assert(HEADER_AT + sizeof(struct setup_header) <= HV_BZIMAGE_HEAD, "head holds the header");

typedef unsigned long long ull;

static int magic_check(const struct setup_header *h)
{
	if (h->boot_flag != BOOT_FLAG || h->header != MAGIC)
		return BAD(
			"kernel: neither a bzImage (boot flag %#x, magic %#x: want %#x, %#x) nor "
			"an ELF file",
			h->boot_flag, h->header, BOOT_FLAG, MAGIC);
	if (h->version < PROTOCOL_MIN)
		return BAD("kernel: boot protocol %u.%u, want 2.12 or newer (Linux 3.8)",
			   h->version >> 8, h->version & 0xff);
	if (!(h->loadflags & LOADED_HIGH))
		return BAD("kernel: a zImage (load flags %#x), want a bzImage", h->loadflags);
	if (!(h->xloadflags & XLF_KERNEL_64))
		return BAD("kernel: without a 64-bit entry (xloadflags %#x): a 32-bit kernel?",
			   h->xloadflags);
	return 0;
}

static int sizes_check(const struct setup_header *h, struct hv_bzimage *out, uint64_t file_len)
{
	unsigned int sects = h->setup_sects ? h->setup_sects : SETUP_SECTS;

	out->file_off = (uint64_t)(sects + 1) * SECTOR;
	out->file_len = (uint64_t)h->syssize * PARAGRAPH;
	out->init_size = h->init_size;
	if (out->file_len <= HV_BZIMAGE_ENTRY64)
		return BAD("kernel: %llu bytes of code, the entry lies at byte %u",
			   (ull)out->file_len, HV_BZIMAGE_ENTRY64);
	if (out->file_off > file_len || out->file_len > file_len - out->file_off)
		return BAD("kernel: truncated: %llu bytes of setup and %llu of code, the file has "
			   "%llu",
			   (ull)out->file_off, (ull)out->file_len, (ull)file_len);
	if (out->init_size < out->file_len)
		return BAD("kernel: init_size of %llu bytes is less than its %llu bytes of code",
			   (ull)out->init_size, (ull)out->file_len);
	return 0;
}

int hv_bzimage_parse(const uint8_t *head, size_t len, uint64_t file_len, struct hv_bzimage *out)
{
	size_t end;
	int rc;

	memset(out, 0, sizeof(*out));
	if (len < HEADER_NEED)
		return BAD("kernel: a file of %zu bytes, a bzImage's header alone ends at %u", len,
			   HEADER_NEED);
	memcpy(&out->hdr, head + HEADER_AT, HEADER_NEED - HEADER_AT);
	rc = magic_check(&out->hdr);
	if (rc)
		return rc;
	end = HEADER_FROM + head[HEADER_FROM - 1];
	if (end < HEADER_NEED || end > len)
		return BAD(
			"kernel: header ends at byte %zu, want %u or more, and the file has %llu",
			end, HEADER_NEED, (ull)file_len);
	if (end > HEADER_AT + sizeof(out->hdr))
		end = HEADER_AT + sizeof(out->hdr);
	memcpy(&out->hdr, head + HEADER_AT, end - HEADER_AT);
	return sizes_check(&out->hdr, out, file_len);
}

static void e820_fill(const struct hv_linux_plan *plan, struct boot_params *bp)
{
	struct hv_linux_range r[HV_LINUX_RANGES_MAX];
	unsigned int i, n = hv_linux_ranges(plan->mem_bytes, r);

	for (i = 0; i < n; i++)
		bp->e820_table[i] = (struct boot_e820_entry){r[i].base, r[i].len, r[i].type};
	bp->e820_entries = n;
}

void hv_bzimage_boot_params(const struct hv_bzimage *bz, const struct hv_linux_plan *plan,
			    struct boot_params *bp)
{
	memset(bp, 0, sizeof(*bp));
	bp->hdr = bz->hdr;
	bp->hdr.type_of_loader = LOADER_UNKNOWN;
	bp->hdr.ext_loader_type = 0;
	bp->hdr.ext_loader_ver = 0;
	bp->hdr.loadflags = LOADED_HIGH;
	bp->hdr.heap_end_ptr = 0;
	bp->hdr.vid_mode = VGA_NORMAL;
	bp->hdr.code32_start = (uint32_t)plan->kernel;
	bp->hdr.cmd_line_ptr = HV_PC_CMDLINE;
	bp->hdr.ramdisk_image = (uint32_t)plan->initrd;
	bp->hdr.ramdisk_size = (uint32_t)plan->initrd_len;
	bp->hdr.setup_data = 0;
	bp->acpi_rsdp_addr = plan->rsdp;
	e820_fill(plan, bp);
}
