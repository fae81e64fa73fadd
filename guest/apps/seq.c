/* SPDX-License-Identifier: BSD-3-Clause */
/* Sequence checker: a bitmap over the last SEQ_WINDOW numbers. */
#include "guest/apps/seq.h"

static uint64_t bit_of(uint64_t number)
{
	return 1ull << (number % 64);
}

static uint64_t *word_of(struct seq *s, uint64_t number)
{
	return &s->seen[number % SEQ_WINDOW / 64];
}

void seq_init(struct seq *s)
{
	__builtin_memset(s, 0, sizeof(*s));
}

/* The window moves up to @number: what enters it was not seen yet. */
static void advance(struct seq *s, uint64_t number)
{
	uint64_t i = s->next;

	if (number - s->next >= SEQ_WINDOW) {
		__builtin_memset(s->seen, 0, sizeof(s->seen));
		i = number;
	}
	for (; i <= number; i++)
		*word_of(s, i) &= ~bit_of(i);
	s->next = number + 1;
}

void seq_add(struct seq *s, uint64_t number)
{
	if (number >= s->next) {
		advance(s, number);
	} else if (s->next - number > SEQ_WINDOW || (*word_of(s, number) & bit_of(number))) {
		s->duplicated++;
		return;
	} else {
		s->reordered++;
	}
	*word_of(s, number) |= bit_of(number);
	s->unique++;
}

uint64_t seq_lost(const struct seq *s, uint64_t total)
{
	uint64_t end = total > s->next ? total : s->next;

	return end - s->unique;
}
