/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a guest image: refused with one line, or segments that lie in file and memory. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "hv/image.h"

#define MIN 0x200000ull
#define MAX 0x10000000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hv_image e;
	unsigned int i;

	if (hv_image_parse(data, size, MIN, MAX, &e)) {
		if (!err_text()[0])
			abort();
		return 0;
	}
	for (i = 0; i < e.map.nr_segments; i++) {
		const struct hv_elf_segment *s = &e.map.segment[i];

		if (s->gpa < MIN || s->mem_len > MAX - s->gpa || s->file_len > s->mem_len ||
		    s->file_off > size || s->file_len > size - s->file_off)
			abort();
	}
	return e.map.low > e.entry || e.map.high <= e.entry ? abort(), 0 : 0;
}
