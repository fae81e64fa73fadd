/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/linelog.h"

#include <stdbool.h>
#include <string.h>

#define ESC	   0x1b
#define FILL_MS	   (1000 / LINELOG_PER_SEC)
#define FINAL(c)   ((c) >= 0x40 && (c) <= 0x7e)
#define VISIBLE(c) ((c) >= ' ' && (c) <= '~')

enum { TEXT, AFTER_ESC, IN_CSI };

void linelog_init(struct linelog *l, linelog_fn print, void *ctx, int64_t now_ms)
{
	memset(l, 0, sizeof(*l));
	l->print = print;
	l->ctx = ctx;
	l->tokens = LINELOG_BURST;
	l->filled_ms = now_ms;
}

static void refill(struct linelog *l, int64_t now_ms)
{
	int64_t add = (now_ms - l->filled_ms) / FILL_MS;

	if (add <= 0)
		return;
	l->filled_ms += add * FILL_MS;
	l->tokens = add < LINELOG_BURST - l->tokens ? l->tokens + (uint32_t)add : LINELOG_BURST;
}

static void tell_lost(struct linelog *l)
{
	if (!l->lost)
		return;
	l->print(l->ctx, NULL, l->lost);
	l->lost = 0;
}

static void end_line(struct linelog *l, int64_t now_ms)
{
	refill(l, now_ms);
	if (!l->tokens) {
		l->lost++;
	} else {
		l->tokens--;
		tell_lost(l);
		l->line[l->len] = '\0';
		l->print(l->ctx, l->line, 0);
	}
	l->len = 0;
}

/* True when @c belongs to an escape sequence. ESC [ ends with a letter, others are two bytes. */
static bool is_escape(struct linelog *l, uint8_t c)
{
	if (c == ESC) {
		l->escape = AFTER_ESC;
		return true;
	}
	if (l->escape == TEXT || c == '\n') {
		l->escape = TEXT;
		return false;
	}
	if (l->escape == AFTER_ESC)
		l->escape = c == '[' ? IN_CSI : TEXT;
	else if (FINAL(c))
		l->escape = TEXT;
	return true;
}

static void feed_byte(struct linelog *l, uint8_t c, int64_t now_ms)
{
	if (is_escape(l, c) || c == '\r')
		return;
	if (c == '\n') {
		end_line(l, now_ms);
		return;
	}
	l->line[l->len++] = VISIBLE(c) ? (char)c : '.';
	if (l->len == LINELOG_LINE)
		end_line(l, now_ms);
}

void linelog_feed(struct linelog *l, const void *buf, size_t n, int64_t now_ms)
{
	const uint8_t *c = buf;

	for (size_t i = 0; i < n; i++)
		feed_byte(l, c[i], now_ms);
}

void linelog_flush(struct linelog *l, int64_t now_ms)
{
	if (l->len)
		end_line(l, now_ms);
	tell_lost(l);
}
