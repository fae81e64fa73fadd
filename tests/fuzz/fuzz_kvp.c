/* SPDX-License-Identifier: BSD-3-Clause */
/* A key-value answer: what comes out is bounded, terminated, valid UTF-8 without control characters.
 * Input: struct ic_kvp_enumerate from its value type on. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmbus/vsp/services.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Bytes of the character at @s, 0 when it is none. */
static size_t utf8_len(const uint8_t *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;

	if (s[0] > 0xF4 || s[0] < 0x20 || s[0] == 0x7F)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xC0) != 0x80)
			return 0;
	}
	if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) ||
	    (s[0] == 0xF0 && s[1] < 0x90) || (s[0] == 0xF4 && s[1] > 0x8F) ||
	    (s[0] == 0xC2 && s[1] < 0xA0))
		return 0;
	return n;
}

static void check(const char *text, size_t size)
{
	const uint8_t *s = (const uint8_t *)text;

	if (strnlen(text, size) == size)
		abort();
	while (*s) {
		size_t n = utf8_len(s);

		if (!n)
			abort();
		s += n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ic_kvp_enumerate m = {0};
	size_t room = sizeof(m) - offsetof(struct ic_kvp_enumerate, value_type);
	struct vsp_kvp_pair p;

	memcpy(&m.value_type, data, size < room ? size : room);
	memset(&p, 0xAA, sizeof(p));
	if (kvp_decode(&p, &m))
		return 0;
	check(p.key, sizeof(p.key));
	check(p.value, sizeof(p.value));
	return 0;
}
