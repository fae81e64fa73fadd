/* SPDX-License-Identifier: BSD-3-Clause */
/* Judges a stream of sequence numbers that began with 0: which are missing, late, or twice there.
 * Numbers older than the window cannot be told apart and count as duplicates. */
#pragma once

#include <stdint.h>

#define SEQ_WINDOW 16384u /* power of two */

struct seq {
	uint64_t next;	 /* one more than the highest number seen */
	uint64_t unique; /* numbers seen */
	uint64_t duplicated;
	uint64_t reordered; /* came after a higher one */
	uint64_t seen[SEQ_WINDOW / 64];
};

void seq_init(struct seq *s);
void seq_add(struct seq *s, uint64_t number);

/* Numbers below @total (0: below the highest seen) that did not come. */
uint64_t seq_lost(const struct seq *s, uint64_t total);
