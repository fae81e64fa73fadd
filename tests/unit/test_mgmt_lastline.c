/* SPDX-License-Identifier: BSD-3-Clause */
/* The last line that a guest wrote. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "mgmt/lastline.h"

static struct lastline l;

static void feed(const char *text)
{
	lastline_feed(&l, text, strlen(text));
}

Test(lastline, the_last_whole_line_counts)
{
	feed("one\r\ntwo\nthr");
	cr_expect_str_eq(l.last, "two");
	feed("ee\r\n\r\n  \n");
	cr_expect_str_eq(l.last, "three", "empty lines do not count");
}

Test(lastline, what_a_terminal_would_obey_is_left_out)
{
	feed("\x1b[2Jred\a\x7f\xff line\n");
	cr_expect_str_eq(l.last, "[2Jred line");
}

Test(lastline, long_lines_are_cut)
{
	static char text[1000];

	memset(text, 'x', sizeof(text) - 1);
	feed(text);
	feed("\n");
	cr_expect_eq(strlen(l.last), LASTLINE_MAX - 1);
	feed("short\n");
	cr_expect_str_eq(l.last, "short");
}

Test(lastline, a_panic_stays_until_the_next)
{
	feed("[1.0] Kernel panic - not syncing: one\nCPU: 0\nCall Trace:\n");
	cr_expect_str_eq(l.last, "[1.0] Kernel panic - not syncing: one");
	feed("---[ end Kernel panic - not syncing: one ]---\nRebooting\n");
	cr_expect_str_eq(l.last, "---[ end Kernel panic - not syncing: one ]---");
}

Test(lastline, any_cut_gives_the_same)
{
	static const char text[] = "alpha\nbeta \n\ngamma\nde";
	size_t cut;

	for (cut = 0; cut < sizeof(text); cut++) {
		memset(&l, 0, sizeof(l));
		lastline_feed(&l, text, cut);
		lastline_feed(&l, text + cut, sizeof(text) - 1 - cut);
		cr_expect_str_eq(l.last, "gamma", "cut at %zu", cut);
	}
}
