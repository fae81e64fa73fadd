/* SPDX-License-Identifier: BSD-3-Clause */
/* What micro-benchmarks share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Slices by what they cost, cheapest first. */
void micro_sort(double *slices, size_t n);

/* Else says err_text(), and ends the program. */
void micro_must(bool is_so);

/* 24 bits, the same after the same seeds: nothing that is measured differs from start to start. */
static inline uint32_t micro_draw(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}
