/* SPDX-License-Identifier: BSD-3-Clause */
/* The last line that a guest wrote: why it hangs or has died is often told there, and nowhere else. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LASTLINE_MAX 120u /* bytes, with the end */

/* Zeroed, it has none. One thread at a time. */
struct lastline {
	char last[LASTLINE_MAX]; /* printable, cut to fit; "": none */
	char line[LASTLINE_MAX];
	uint32_t len; /* of line, which has not ended yet */
	bool has_panic;
};

/* Takes what the guest wrote. Empty lines do not count; once a Linux kernel has told of its panic, that
 * line stays, until it tells of another. */
void lastline_feed(struct lastline *l, const char *buf, size_t n);
