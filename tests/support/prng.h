/* SPDX-License-Identifier: BSD-3-Clause */
/* Repeatable randomness for tests: SEED= and STEPS= come from the environment, the seed is printed
 * so that a failure can be run again. */
#pragma once

#include <stdint.h>

struct prng {
	uint64_t s;
};

/* Seeds from SEED= or from the clock, and prints the seed on stderr. */
void prng_init(struct prng *p);

/* STEPS= or @def. */
unsigned int prng_steps(unsigned int def);

static inline uint64_t prng_next(struct prng *p)
{
	uint64_t z = (p->s += 0x9E3779B97F4A7C15ull); /* splitmix64 */

	z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
	z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
	return z ^ (z >> 31);
}

/* 0 .. n-1; n > 0. */
static inline uint32_t prng_below(struct prng *p, uint32_t n)
{
	return (uint32_t)(prng_next(p) % n);
}
