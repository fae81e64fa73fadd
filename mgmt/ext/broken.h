/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules that an instance broke since the last look. */
#pragma once

#include <stdint.h>

struct vsw_ext;

struct broken_seen {
	uint64_t lcore, ctl;
};

struct broken_news {
	const char *id;	  /* "EXT-1"; for ever */
	const char *text; /* its sentence; as long as the instance */
	uint64_t times;
};

/* ctl.  Fills up to two: of lcores, of ctl. When different rules were broken in between, all count for the
 * last one: look after each burst. Returns how many. */
unsigned int broken_look(const struct vsw_ext *e, struct broken_seen *seen,
			 struct broken_news news[2]);
