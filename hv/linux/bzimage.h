/* SPDX-License-Identifier: BSD-3-Clause */
/* Linux' bzImage: its header, and the boot_params that its 64-bit entry wants. Pure functions over
 * private bytes (Documentation/arch/x86/boot.rst of the kernel). */
#pragma once

#include <asm/bootparam.h>
#include <stddef.h>
#include <stdint.h>

#include "hv/linux/layout.h"

#define HV_BZIMAGE_HEAD	   1024u  /* that many bytes of the file hold all of the header */
#define HV_BZIMAGE_ENTRY64 0x200u /* from the load address */

struct hv_bzimage {
	struct setup_header hdr; /* as in the file; what the file's header does not have is 0 */
	uint64_t file_off;	 /* the protected-mode part: where it begins in the file, */
	uint64_t file_len;	 /* and its length */
	uint64_t init_size;	 /* room that it wants from its load address on */
};

/* any.  @head: the file's first @len bytes (HV_BZIMAGE_HEAD, or all of a shorter file); @file_len: the
 * whole file's length. 0 or -ENOEXEC (text set: which field, found and wanted). */
int hv_bzimage_parse(const uint8_t *head, size_t len, uint64_t file_len, struct hv_bzimage *out);

/* any.  Fills @bp for a kernel at plan->kernel, its command line at HV_PC_CMDLINE. */
void hv_bzimage_boot_params(const struct hv_bzimage *bz, const struct hv_linux_plan *plan,
			    struct boot_params *bp);
