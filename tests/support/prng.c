/* SPDX-License-Identifier: BSD-3-Clause */
/* Repeatable randomness for tests. */
#include "tests/support/prng.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void prng_init(struct prng *p)
{
	const char *env = getenv("SEED");
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	p->s = env ? strtoull(env, NULL, 0) : (uint64_t)ts.tv_sec << 30 ^ (uint64_t)ts.tv_nsec;
	fprintf(stderr, "# SEED=%llu\n", (unsigned long long)p->s);
}

unsigned int prng_steps(unsigned int def)
{
	const char *env = getenv("STEPS");

	return env ? (unsigned int)strtoul(env, NULL, 0) : def;
}
