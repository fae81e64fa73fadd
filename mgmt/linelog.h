/* SPDX-License-Identifier: BSD-3-Clause */
/* Makes lines that are safe to print of what a guest writes: no control characters, no escape
 * sequences, and no more lines than people can bear; what is left out is counted. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define LINELOG_LINE	256u
#define LINELOG_BURST	2000u /* lines at once: a kernel's boot */
#define LINELOG_PER_SEC 100u  /* and after that */

/* ctl.  A line without its end; or, with @line NULL, @lost lines were left out here. */
typedef void (*linelog_fn)(void *ctx, const char *line, uint64_t lost);

struct linelog {
	linelog_fn print;
	void *ctx;
	char line[LINELOG_LINE + 1];
	size_t len;
	int escape;	 /* how far into an escape sequence */
	uint32_t tokens; /* lines that may be printed now */
	int64_t filled_ms;
	uint64_t lost;
};

/* All: ctl.  @now_ms is any clock in milliseconds that does not go back. */
void linelog_init(struct linelog *l, linelog_fn print, void *ctx, int64_t now_ms);
void linelog_feed(struct linelog *l, const void *buf, size_t n, int64_t now_ms);
/* Prints what has no end yet, and how many lines were left out. */
void linelog_flush(struct linelog *l, int64_t now_ms);
