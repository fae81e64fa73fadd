/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest memory map against a table of bytes. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/gmem.h"
#include "tests/support/prng.h"

#define PAGES 64u

/* naive: for each guest page, the host page or -1 */
static int naive[PAGES];
static uint8_t ram[PAGES * GMEM_PAGE_SIZE] __attribute__((aligned(4096)));

static const void *naive_map(uint64_t at, uint64_t len)
{
	uint64_t i, end = PAGES * (uint64_t)GMEM_PAGE_SIZE;
	int first = at < end ? naive[at / GMEM_PAGE_SIZE] : -1;

	if (first < 0 || len == 0 || len > end - at)
		return NULL;
	for (i = at / GMEM_PAGE_SIZE; i <= (at + len - 1) / GMEM_PAGE_SIZE; i++) {
		if (naive[i] != first + (int)(i - at / GMEM_PAGE_SIZE))
			return NULL;
	}
	return ram + (uint64_t)first * GMEM_PAGE_SIZE + at % GMEM_PAGE_SIZE;
}

Test(gmem, agrees_with_a_page_table)
{
	unsigned int step, steps = prng_steps(10000), i, host = 0;
	struct gmem gm = {0};
	struct prng p;

	prng_init(&p);
	for (i = 0; i < PAGES; i++)
		naive[i] = -1;
	/* A gap on each side keeps host-contiguous neighbours in regions of their own apart. */
	for (i = 1; i + 6 < PAGES && gm.nr_regions < GMEM_REGIONS_MAX;) {
		unsigned int n = 1 + prng_below(&p, 4), k;

		cr_assert_eq(gmem_add(&gm, gpa(i * GMEM_PAGE_SIZE), n * GMEM_PAGE_SIZE,
				      ram + host * GMEM_PAGE_SIZE),
			     0);
		for (k = 0; k < n; k++)
			naive[i + k] = (int)(host + k);
		host += n;
		i += n + 1 + prng_below(&p, 3);
	}
	for (step = 0; step < steps; step++) {
		uint64_t at = prng_below(&p, (PAGES + 1) * GMEM_PAGE_SIZE);
		uint64_t len = prng_below(&p, 3 * GMEM_PAGE_SIZE);

		if (prng_below(&p, 50) == 0)
			len = prng_next(&p);
		cr_assert_eq(gmem_map(&gm, gpa(at), len), naive_map(at, len), "at %lx len %lx", at,
			     len);
	}
}
