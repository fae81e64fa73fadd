/* SPDX-License-Identifier: BSD-3-Clause */
/* Histogram of times with logarithmic buckets: eight to a doubling, so a value is known to 12 %. */
#pragma once

#include <stdint.h>

#define HIST_BUCKETS 512u

struct hist {
	uint64_t count;
	uint64_t min;
	uint64_t bucket[HIST_BUCKETS];
};

void hist_add(struct hist *h, uint64_t value);
/* The value below which @permille of all lie (upper end of the bucket); 0 when empty. */
uint64_t hist_quantile(const struct hist *h, unsigned int permille);
