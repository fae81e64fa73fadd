/* SPDX-License-Identifier: BSD-3-Clause */
/* Histogram of times with logarithmic buckets: 32 to a doubling, so a value is known to 3 %. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define HIST_BUCKETS 1920u

struct hist {
	uint64_t count;
	uint64_t min;
	uint64_t bucket[HIST_BUCKETS];
};

void hist_add(struct hist *h, uint64_t value);
/* The value below which @ppm millionths of all lie (upper end of the bucket); 0 when empty. */
uint64_t hist_quantile(const struct hist *h, unsigned int ppm);
/* The next bucket from *@i on that is not empty: true, with its upper end and count, and *@i behind it. */
bool hist_next(const struct hist *h, unsigned int *i, uint64_t *upper, uint64_t *count);
