/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest's sequence checker against a table of all numbers, under loss, doubles and displacement. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "guest/apps/seq.h"
#include "tests/support/prng.h"

#define NUMBERS (1u << 20)

struct model {
	uint8_t seen[NUMBERS];
	uint64_t next, unique, duplicated, reordered;
};

static void model_add(struct model *m, uint64_t n)
{
	if (m->seen[n] || n + SEQ_WINDOW < m->next) {
		m->duplicated++;
		return;
	}
	m->seen[n] = 1;
	m->unique++;
	if (n < m->next)
		m->reordered++;
	else
		m->next = n + 1;
}

static uint64_t model_lost(const struct model *m, uint64_t total)
{
	uint64_t end = total > m->next ? total : m->next, i, lost = 0;

	for (i = 0; i < end; i++)
		lost += !m->seen[i];
	return lost;
}

/* The next number of a stream at @at: usually @at itself. */
static uint64_t pick(struct prng *p, uint64_t at)
{
	uint64_t back;

	switch (prng_below(p, 40)) {
	case 0: back = 1 + prng_below(p, 4); break;
	case 1: back = 1 + prng_below(p, 300); break;
	case 2: back = 1 + prng_below(p, SEQ_WINDOW + 64); break;
	default: return at;
	}
	return back > at ? 0 : at - back;
}

static uint64_t step_on(struct prng *p)
{
	switch (prng_below(p, 200)) {
	case 0: return 2 + prng_below(p, 100);
	case 1: return prng_below(p, 20) ? 2 : 1 + prng_below(p, 2 * SEQ_WINDOW);
	default: return 1;
	}
}

static struct model m;
static struct seq s;

Test(seq, judges_any_stream_as_a_full_table_does)
{
	unsigned int steps, run, i;
	uint64_t at, n;
	struct prng p;

	prng_init(&p);
	steps = prng_steps(20);
	for (run = 0; run < steps; run++) {
		memset(&m, 0, sizeof(m));
		seq_init(&s);
		for (i = 0, at = 0; i < 100000 && at < NUMBERS - 1; i++) {
			n = pick(&p, at);
			if (n == at)
				at += step_on(&p);
			model_add(&m, n);
			seq_add(&s, n);
			cr_assert_eq(s.unique, m.unique, "step %u number %lu", i, n);
			cr_assert_eq(s.duplicated, m.duplicated, "step %u number %lu", i, n);
			cr_assert_eq(s.reordered, m.reordered, "step %u number %lu", i, n);
		}
		cr_assert_eq(s.next, m.next);
		cr_assert_eq(seq_lost(&s, 0), model_lost(&m, 0));
		cr_assert_eq(seq_lost(&s, m.next + 9), model_lost(&m, m.next + 9));
	}
}
