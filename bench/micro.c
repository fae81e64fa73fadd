/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/micro.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void micro_sort(double *slices, size_t n)
{
	qsort(slices, n, sizeof(slices[0]), by_value);
}

void micro_must(bool is_so)
{
	if (is_so)
		return;
	fprintf(stderr, "%s\n", err_text());
	exit(1);
}
