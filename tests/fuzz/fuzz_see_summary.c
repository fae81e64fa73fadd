/* SPDX-License-Identifier: BSD-3-Clause */
/* A packet in words: any bytes, cut anywhere, give one line of printable text within its room. The first
 * byte says how much room there is, the second how much longer than these bytes the frame is. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vswitch/see/see.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned int n, i;
	size_t room;
	char *text;

	if (size < 2 || size > 65536)
		return 0;
	room = data[0] + 1u;
	text = malloc(room); /* a sanitizer sees one byte too many */
	if (!text)
		abort();
	n = vsw_see_summary(data + 2, (uint32_t)size - 2, (uint32_t)size - 2 + data[1], text, room);
	if (n >= room || strlen(text) != n)
		abort();
	for (i = 0; i < n; i++) {
		if (text[i] < ' ' || text[i] > '~')
			abort();
	}
	free(text);
	return 0;
}
