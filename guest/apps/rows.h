/* SPDX-License-Identifier: BSD-3-Clause */
/* What became of the frames of each second. A frame belongs to the second in which it was sent, so that what is lost has
 * its second, too. */
#pragma once

#include <stdint.h>

#define ROWS_MAX 3600u

struct row {
	uint64_t sent, received;
	uint64_t latency; /* the longest */
};

struct rows {
	uint64_t hz;	/* 0: none are kept */
	uint64_t begin; /* of the second that was asked for last */
	uint32_t at;
	struct row row[ROWS_MAX];
};

/* The row of what was sent @t after the start; of all that is beyond the last one, that. Times are in units of 1/hz s. */
struct row *rows_at(struct rows *r, uint64_t t);
void rows_sent(struct rows *r, uint64_t t, unsigned int n);
void rows_received(struct rows *r, uint64_t t, uint64_t latency);
