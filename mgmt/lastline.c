/* SPDX-License-Identifier: BSD-3-Clause */
/* The last line that a guest wrote. */
#include "mgmt/lastline.h"

#include <string.h>

static void end_line(struct lastline *l)
{
	bool is_panic;

	l->line[l->len] = '\0';
	is_panic = strstr(l->line, "Kernel panic - not syncing") != NULL;
	if (l->line[strspn(l->line, " ")] && (is_panic || !l->has_panic))
		memcpy(l->last, l->line, l->len + 1);
	l->has_panic |= is_panic;
	l->len = 0;
}

void lastline_feed(struct lastline *l, const char *buf, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (buf[i] == '\n')
			end_line(l);
		else if (buf[i] >= ' ' && buf[i] <= '~' && l->len + 1 < LASTLINE_MAX)
			l->line[l->len++] = buf[i];
	}
}
