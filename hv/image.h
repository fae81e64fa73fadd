/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the program headers of a guest image: ELF, 64-bit, x86-64, static, not position
 * independent. A pure function over a byte buffer: nothing is loaded here. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HV_ELF_SEGMENTS_MAX 16u

struct hv_elf_segment {
	uint64_t gpa;
	uint64_t file_off;
	uint64_t file_len;
	uint64_t mem_len; /* >= file_len; the rest is zero */
};

struct hv_elf {
	uint64_t entry;	    /* lies in a segment */
	uint64_t low, high; /* of all segments: [low, high) */
	unsigned int nr_segments;
	struct hv_elf_segment segment[HV_ELF_SEGMENTS_MAX];
};

/* any.  Segments must lie in [@min, @max), in the file, and apart from each other. 0 or -ENOEXEC
 * (text set: which field, found and wanted). */
int hv_elf_parse(const uint8_t *buf, size_t len, uint64_t min, uint64_t max, struct hv_elf *out);
