/* SPDX-License-Identifier: BSD-3-Clause */
/* The self-test image, inside. */
#pragma once

#include "guest/runtime/rt.h"

#define MS 10000ull /* of reference time */

#define CHECK(cond)                                                            \
	do {                                                                   \
		if (!(cond))                                                   \
			rt_panic("%s:%d: %s", __FILE_NAME__, __LINE__, #cond); \
	} while (0)

void selftest_pass(const char *name);

/* selftest_hv.c */
void selftest_sints(void);
void selftest_eom(void);
void selftest_stimers(void);
void selftest_connections(void);
void selftest_clock(void);

/* selftest_hostile.c: runs the hostile test @name if it has it; many never return. */
bool hostile_run(const char *name);
