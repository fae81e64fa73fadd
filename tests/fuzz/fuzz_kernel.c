/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a kernel, or as the notes of one: refused with one line, or all that was found lies in
 * the file. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "hv/linux/bzimage.h"
#include "hv/linux/pvh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void refused(void)
{
	if (!err_text()[0])
		abort();
}

static bool outside(uint64_t off, uint64_t len, uint64_t size)
{
	return off > size || len > size - off;
}

static void bzimage(const uint8_t *data, size_t size, uint64_t file_len)
{
	struct hv_linux_plan plan = {.mem_bytes = 256 << 20};
	struct boot_params bp;
	struct hv_bzimage bz;

	if (hv_bzimage_parse(data, size < HV_BZIMAGE_HEAD ? size : HV_BZIMAGE_HEAD, file_len,
			     &bz)) {
		refused();
		return;
	}
	if (outside(bz.file_off, bz.file_len, file_len) || bz.init_size < bz.file_len ||
	    bz.file_len <= HV_BZIMAGE_ENTRY64)
		abort();
	if (hv_linux_place_kernel(&plan, bz.hdr.pref_address, bz.init_size))
		return;
	if (!hv_linux_place_initrd(&plan, 1 << 20, bz.hdr.initrd_addr_max) &&
	    (plan.initrd < plan.kernel_end ||
	     outside(plan.initrd, plan.initrd_len, plan.mem_bytes)))
		abort();
	hv_bzimage_boot_params(&bz, &plan, &bp);
}

static void pvh(const uint8_t *data, size_t size, uint64_t file_len)
{
	struct hv_pvh k;
	unsigned int i;

	if (hv_pvh_parse(data, size < HV_PVH_HEAD ? size : HV_PVH_HEAD, file_len, &k)) {
		refused();
		return;
	}
	for (i = 0; i < k.map.nr_segments; i++) {
		const struct hv_elf_segment *s = &k.map.segment[i];

		if (outside(s->file_off, s->file_len, file_len) || s->file_len > s->mem_len ||
		    s->gpa < k.map.low || s->gpa + s->mem_len > k.map.high)
			abort();
	}
	for (i = 0; i < k.nr_notes; i++) {
		if (outside(k.notes[i].file_off, k.notes[i].len, file_len))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t entry;

	bzimage(data, size, size);
	bzimage(data, size, 64 << 20);
	pvh(data, size, size);
	pvh(data, size, 64 << 20);
	if (hv_pvh_note(data, size, &entry) == -ENOEXEC)
		refused();
	return 0;
}
