/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the program headers of a guest image: ELF, 64-bit, x86-64, static, not position
 * independent. A pure function over a byte buffer: nothing is loaded here. */
#pragma once

#include "hv/elf.h"

struct hv_image {
	uint64_t entry; /* lies in a segment */
	struct hv_elf_map map;
};

/* any.  Segments must lie in [@min, @max), in the file, and apart from each other. 0 or -ENOEXEC
 * (text set: which field, found and wanted). */
int hv_image_parse(const uint8_t *buf, size_t len, uint64_t min, uint64_t max,
		   struct hv_image *out);
