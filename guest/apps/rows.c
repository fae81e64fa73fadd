/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames by seconds. */
#include "guest/apps/rows.h"

struct row *rows_at(struct rows *r, uint64_t t)
{
	uint64_t n;

	if (t - r->begin >= r->hz) {
		n = t / r->hz;
		r->begin = n * r->hz;
		r->at = n < ROWS_MAX ? (uint32_t)n : ROWS_MAX - 1;
	}
	return &r->row[r->at];
}

void rows_sent(struct rows *r, uint64_t t, unsigned int n)
{
	rows_at(r, t)->sent += n;
}

void rows_received(struct rows *r, uint64_t t, uint64_t latency)
{
	struct row *row = rows_at(r, t);

	row->received++;
	if (latency > row->latency)
		row->latency = latency;
}
