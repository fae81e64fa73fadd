/* SPDX-License-Identifier: BSD-3-Clause */
/* Logarithmic histogram. */
#include "guest/apps/hist.h"

#define SUB_BITS 5u

static unsigned int bucket_of(uint64_t v)
{
	unsigned int shift;

	if (v < 1u << SUB_BITS)
		return (unsigned int)v;
	shift = 63u - (unsigned int)__builtin_clzll(v) - SUB_BITS;
	return (shift + 1) << SUB_BITS | ((v >> shift) & ((1u << SUB_BITS) - 1));
}

/* The largest value that falls into bucket @b. */
static uint64_t upper_end(unsigned int b)
{
	unsigned int shift = b >> SUB_BITS;

	if (!shift)
		return b;
	return (((1ull << SUB_BITS) | (b & ((1u << SUB_BITS) - 1))) + 1) * (1ull << (shift - 1)) -
	       1;
}

void hist_add(struct hist *h, uint64_t value)
{
	if (!h->count || value < h->min)
		h->min = value;
	h->count++;
	h->bucket[bucket_of(value)]++;
}

uint64_t hist_quantile(const struct hist *h, unsigned int ppm)
{
	uint64_t want = (h->count * ppm + 999999) / 1000000, sum = 0;
	unsigned int i;

	for (i = 0; h->count && i < HIST_BUCKETS; i++) {
		sum += h->bucket[i];
		if (sum >= want && sum)
			return upper_end(i);
	}
	return 0;
}

bool hist_next(const struct hist *h, unsigned int *i, uint64_t *upper, uint64_t *count)
{
	while (*i < HIST_BUCKETS && !h->bucket[*i])
		++*i;
	if (*i == HIST_BUCKETS)
		return false;
	*upper = upper_end(*i);
	*count = h->bucket[(*i)++];
	return true;
}
