/* SPDX-License-Identifier: BSD-3-Clause */
/* How long a frame waits for cores that are away, from stalls that are given. A tick is a microsecond here, and a watch
 * lasts 1000. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "bench/stalls.h"

#define WATCH	1000
#define LIST(x) ((struct stall_list){x, sizeof(x) / sizeof((x)[0])})
#define NONE	((struct stall_list){0})
#define NR_LOTS 200
#define EPSILON 1e-9

static const double shares[] = {0, 0.5, 0.9, 0.95, 0.99, 0.999, 1};

static struct stall_waits *waits(struct stall_list sw, struct stall_list guest)
{
	struct stall_watch w = {sw, guest, 0, WATCH};
	struct stall_waits *s = NULL;

	cr_assert_eq(stalls_waits_create(&s, &w), 0);
	return s;
}

static void expect(struct stall_list sw, struct stall_list guest, double share, uint64_t want)
{
	struct stall_waits *s = waits(sw, guest);
	uint64_t got = stalls_waits_quantile(s, share);

	stalls_waits_destroy(s);
	cr_assert_eq(got, want, "p%g: %lu, not %lu", share * 100, got, want);
}

Test(bench_stalls, without_stalls_nothing_waits)
{
	size_t i;

	for (i = 0; i < sizeof(shares) / sizeof(shares[0]); i++)
		expect(NONE, NONE, shares[i], 0);
	cr_assert_float_eq(stalls_beyond(&NONE, 0, WATCH, 0), 0, EPSILON);
	stalls_waits_destroy(NULL);
}

/* 100 of 1000 moments wait, 100 down to 1. */
Test(bench_stalls, a_stall_of_the_switchs_core_lasts_the_shorter_the_later_a_frame_comes)
{
	static const struct stall sw[] = {{300, 400}};

	expect(LIST(sw), NONE, 1, 100);
	expect(LIST(sw), NONE, 0.95, 50);
	expect(LIST(sw), NONE, 0.9, 0);
	expect(LIST(sw), NONE, 0.5, 0);
}

Test(bench_stalls, the_part_of_moments_that_are_far_from_a_stalls_end)
{
	static const struct stall l[] = {{0, 5}, {300, 400}, {950, 1100}};

	cr_assert_float_eq(stalls_beyond(&LIST(l), 0, WATCH, 0), 0.155, EPSILON);
	cr_assert_float_eq(stalls_beyond(&LIST(l), 0, WATCH, 10), 0.140, EPSILON);
	cr_assert_float_eq(stalls_beyond(&LIST(l), 0, WATCH, 200), 0, EPSILON);
	cr_assert_float_eq(stalls_beyond(&LIST(l), 350, 450, 10), 0.4, EPSILON);
	cr_assert_float_eq(stalls_beyond(&LIST(l), 10, 10, 0), 0, EPSILON);
}

Test(bench_stalls, the_part_of_moments_in_which_not_both_cores_are_there)
{
	static const struct stall sw[] = {{300, 400}, {990, 1100}},
				  guest[] = {{350, 450}, {500, 501}};
	struct stall_watch w = {LIST(sw), LIST(guest), 0, WATCH};

	cr_assert_float_eq(stalls_away(&w), 0.161, EPSILON);
	w.sw = w.guest = NONE;
	cr_assert_float_eq(stalls_away(&w), 0, EPSILON);
	w.to = 0;
	cr_assert_float_eq(stalls_away(&w), 0, EPSILON);
}

/* The guest's core stamps what it sends, so what is due while it is away has not waited. */
Test(bench_stalls, a_frame_is_not_sent_while_the_guests_core_is_away)
{
	static const struct stall guest[] = {{300, 400}};

	expect(NONE, LIST(guest), 1, 0);
}

/* Both away at once, and back at once: nobody has seen anything. */
Test(bench_stalls, what_takes_both_cores_at_once_is_not_seen)
{
	static const struct stall both[] = {{300, 400}};

	expect(LIST(both), LIST(both), 1, 0);
}

Test(bench_stalls, a_stall_of_the_guests_core_after_one_of_the_switchs_is_waited_for_too)
{
	static const struct stall sw[] = {{300, 400}}, at_once[] = {{400, 450}},
				  before[] = {{390, 450}};
	static const struct stall later[] = {{401, 450}};

	expect(LIST(sw), LIST(at_once), 1, 150);
	/* 100 moments wait, 150 down to 51. */
	expect(LIST(sw), LIST(at_once), 0.95, 100);
	/* 90 wait, 150 down to 61. */
	expect(LIST(sw), LIST(before), 0.95, 100);
	expect(LIST(sw), LIST(before), 0.91, 0);
	expect(LIST(sw), LIST(later), 1, 100);
}

/* All that was due meanwhile is sent at 350, and waits for 50 as one. */
Test(bench_stalls, frames_that_are_sent_late_meet_the_same_stall_of_the_switchs_core)
{
	static const struct stall guest[] = {{200, 350}}, sw[] = {{340, 400}};

	expect(LIST(sw), LIST(guest), 1, 50);
	/* 150 wait 50 and 50 wait 50 down to 1. */
	expect(LIST(sw), LIST(guest), 0.85, 50);
	expect(LIST(sw), LIST(guest), 0.81, 10);
	expect(LIST(sw), LIST(guest), 0.80, 0);
}

Test(bench_stalls, a_stall_counts_beyond_the_watchs_end_and_from_before_its_begin)
{
	static const struct stall sw[] = {{900, 1200}}, later[] = {{1200, 1300}};
	struct stall_watch w = {LIST(sw), LIST(later), 950, 1000};
	struct stall_waits *s = NULL;

	cr_assert_eq(stalls_waits_create(&s, &w), 0);
	cr_assert_eq(stalls_waits_quantile(s, 1), 350);
	/* 50 moments, 350 down to 301. */
	cr_assert_eq(stalls_waits_quantile(s, 0.02), 301);
	stalls_waits_destroy(s);
}

static uint64_t naive_there(struct stall_list l, uint64_t t)
{
	size_t i;

	for (i = 0; i < l.nr; i++)
		if (l.at[i].from <= t && t < l.at[i].to)
			return l.at[i].to;
	return t;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Of each moment on its own. */
static void naive_waits(struct stall_list sw, struct stall_list guest, uint64_t *wait)
{
	uint64_t t, sent;

	for (t = 0; t < WATCH; t++) {
		sent = naive_there(guest, t);
		wait[t] = naive_there(guest, naive_there(sw, sent)) - sent;
	}
	qsort(wait, WATCH, sizeof(wait[0]), by_value);
}

static struct stall_list drawn(struct stall *at, uint32_t *seed)
{
	uint64_t t = 0;
	size_t nr = 0;

	while (nr < NR_LOTS && t < WATCH) {
		*seed = *seed * 1664525u + 1013904223u;
		at[nr].from = t + 1 + (*seed >> 8) % 30;
		at[nr].to = at[nr].from + 1 + (*seed >> 20) % 20;
		t = at[nr++].to;
	}
	return (struct stall_list){at, nr};
}

Test(bench_stalls, lots_of_stalls_are_as_each_moment_on_its_own)
{
	struct stall a[NR_LOTS], b[NR_LOTS];
	struct stall_list sw, guest;
	uint64_t wait[WATCH];
	uint32_t seed, i;

	for (seed = 1; seed <= 200; seed++) {
		i = seed;
		sw = drawn(a, &i);
		guest = drawn(b, &i);
		naive_waits(sw, guest, wait);
		/* All but the k longest do not exceed it. Half a moment aside: shares are not exact. */
		for (i = 0; i < WATCH; i += 37)
			expect(sw, guest, (i + 0.5) / WATCH, wait[i]);
		expect(sw, guest, 1, wait[WATCH - 1]);
	}
}
