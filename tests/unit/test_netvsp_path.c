/* SPDX-License-Identifier: BSD-3-Clause */
/* The data path's state machine: a table of each event in each state, and all states that can be reached. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "netvsp/path.h"

#define STOP	NETVSP_PATH_STOP
#define ASK_VF	NETVSP_PATH_ASK_VF
#define ASK_SYN NETVSP_PATH_ASK_SYNTHETIC
#define START	NETVSP_PATH_START
#define ANSWER	NETVSP_PATH_COMPLETE
#define TELL	NETVSP_PATH_ASSOCIATE
#define REMOVE	NETVSP_PATH_REMOVE

static struct netvsp_path p;

static unsigned int step(enum netvsp_path_event ev)
{
	return netvsp_path_step(&p, ev, 7, 1000);
}

/* A guest that knows VF 7, in @state; going there it waits for an answer. */
static void be(enum netvsp_path_state state)
{
	netvsp_path_init(&p, 0, 0, 0);
	cr_assert_eq(step(NETVSP_PATH_VF_ADDED), TELL);
	if (state == NETVSP_PATH_SYNTHETIC)
		return;
	cr_assert_eq(step(NETVSP_PATH_GUEST_VF), STOP | ASK_VF);
	if (state == NETVSP_PATH_TO_VF)
		return;
	cr_assert_eq(step(NETVSP_PATH_DONE), ANSWER);
	if (state == NETVSP_PATH_VF)
		return;
	cr_assert_eq(step(NETVSP_PATH_GUEST_SYNTHETIC), ASK_SYN);
	cr_assert_eq(p.state, NETVSP_PATH_TO_SYNTHETIC);
}

static const struct {
	enum netvsp_path_state from;
	enum netvsp_path_event ev;
	enum netvsp_path_state to;
	unsigned int todo;
} table[] = {
#define S NETVSP_PATH_SYNTHETIC
	{S, NETVSP_PATH_GUEST_VF, NETVSP_PATH_TO_VF, STOP | ASK_VF},
	{S, NETVSP_PATH_GUEST_SYNTHETIC, S, ANSWER},
	{S, NETVSP_PATH_GUEST_CLOSED, S, 0},
	{S, NETVSP_PATH_GUEST_RESET, S, 0},
	{S, NETVSP_PATH_DONE, S, 0},
	{S, NETVSP_PATH_FAILED, S, 0},
	{S, NETVSP_PATH_VF_ADDED, S, 0},
	{S, NETVSP_PATH_VF_REMOVED, S, ASK_SYN | TELL},
	{S, NETVSP_PATH_POLICY_ON, S, TELL | REMOVE},
	{S, NETVSP_PATH_POLICY_OFF, S, 0},
	{S, NETVSP_PATH_EXTENSION, S, TELL | REMOVE},
	{S, NETVSP_PATH_TICK, S, 0},
	{S, NETVSP_PATH_LOST, S, TELL},
#define A NETVSP_PATH_TO_VF
	{A, NETVSP_PATH_GUEST_VF, A, 0},
	{A, NETVSP_PATH_GUEST_SYNTHETIC, NETVSP_PATH_TO_SYNTHETIC, ASK_SYN},
	{A, NETVSP_PATH_GUEST_CLOSED, A, 0},
	{A, NETVSP_PATH_GUEST_RESET, NETVSP_PATH_TO_SYNTHETIC, ASK_SYN},
	{A, NETVSP_PATH_DONE, NETVSP_PATH_VF, ANSWER},
	{A, NETVSP_PATH_FAILED, S, ASK_SYN | START | ANSWER},
	{A, NETVSP_PATH_VF_ADDED, A, 0},
	{A, NETVSP_PATH_VF_REMOVED, NETVSP_PATH_TO_SYNTHETIC, ASK_SYN},
	{A, NETVSP_PATH_POLICY_ON, NETVSP_PATH_TO_SYNTHETIC, ASK_SYN | REMOVE},
	{A, NETVSP_PATH_POLICY_OFF, A, 0},
	{A, NETVSP_PATH_EXTENSION, NETVSP_PATH_TO_SYNTHETIC, ASK_SYN | REMOVE},
	{A, NETVSP_PATH_TICK, A, 0},
	{A, NETVSP_PATH_LOST, S, START | TELL},
#define V NETVSP_PATH_VF
	{V, NETVSP_PATH_GUEST_VF, V, ANSWER},
	{V, NETVSP_PATH_GUEST_SYNTHETIC, NETVSP_PATH_TO_SYNTHETIC, ASK_SYN},
	{V, NETVSP_PATH_GUEST_CLOSED, V, 0},
	{V, NETVSP_PATH_GUEST_RESET, NETVSP_PATH_TO_SYNTHETIC, ASK_SYN},
	{V, NETVSP_PATH_DONE, V, 0},
	{V, NETVSP_PATH_FAILED, V, 0},
	{V, NETVSP_PATH_VF_ADDED, V, 0},
	{V, NETVSP_PATH_VF_REMOVED, NETVSP_PATH_TO_SYNTHETIC, ASK_SYN},
	{V, NETVSP_PATH_POLICY_ON, NETVSP_PATH_TO_SYNTHETIC, ASK_SYN | REMOVE},
	{V, NETVSP_PATH_POLICY_OFF, V, 0},
	{V, NETVSP_PATH_EXTENSION, NETVSP_PATH_TO_SYNTHETIC, ASK_SYN | REMOVE},
	{V, NETVSP_PATH_TICK, V, 0},
	{V, NETVSP_PATH_LOST, S, START | TELL},
#define B NETVSP_PATH_TO_SYNTHETIC
	{B, NETVSP_PATH_GUEST_VF, B, 0},
	{B, NETVSP_PATH_GUEST_SYNTHETIC, B, 0},
	{B, NETVSP_PATH_GUEST_CLOSED, B, 0},
	{B, NETVSP_PATH_GUEST_RESET, B, 0},
	{B, NETVSP_PATH_DONE, S, START | ANSWER},
	{B, NETVSP_PATH_FAILED, S, START | ANSWER},
	{B, NETVSP_PATH_VF_ADDED, B, 0},
	{B, NETVSP_PATH_VF_REMOVED, B, 0},
	{B, NETVSP_PATH_POLICY_ON, B, REMOVE},
	{B, NETVSP_PATH_POLICY_OFF, B, 0},
	{B, NETVSP_PATH_EXTENSION, B, REMOVE},
	{B, NETVSP_PATH_TICK, B, 0},
	{B, NETVSP_PATH_LOST, S, START | TELL},
};

#define NR_ROWS (sizeof(table) / sizeof(table[0]))

Test(netvsp_path, each_event_in_each_state)
{
	unsigned int i, todo;

	cr_assert_eq(NR_ROWS, NETVSP_PATH_STATES * NETVSP_PATH_EVENTS);
	for (i = 0; i < NR_ROWS; i++) {
		be(table[i].from);
		todo = step(table[i].ev);
		cr_expect_eq(todo, table[i].todo, "%s, event %u: todo %#x, want %#x",
			     netvsp_path_word(table[i].from), table[i].ev, todo, table[i].todo);
		cr_expect_eq(p.state, table[i].to, "%s, event %u: %s, want %s",
			     netvsp_path_word(table[i].from), table[i].ev,
			     netvsp_path_word(p.state), netvsp_path_word(table[i].to));
	}
}

/* ---- All that can be reached ---------------------------------------------------------------- */

/* What the world outside looks like after all actions so far. */
struct world {
	struct netvsp_path p;
	bool is_stopped; /* the port */
	uint8_t asked;	 /* of the NIC, the last time: 1 VF, 0 uplink */
	bool is_open;	 /* the request: not answered yet */
	bool nic_is_vf;	 /* what the NIC does, as far as it said */
	bool waits;	 /* the guest */
	bool told;	 /* it has a VF */
};

#define WORLDS_MAX 200000u

static struct world *seen;
static unsigned int nr_seen, max_seen;

/* Time stands still, and the history is as long as it matters. */
static bool is_same(const struct world *a, const struct world *b)
{
	uint32_t x = a->p.nr_history < 3 ? a->p.nr_history : 3,
		 y = b->p.nr_history < 3 ? b->p.nr_history : 3;

	return a->p.state == b->p.state && a->p.wants_vf == b->p.wants_vf &&
	       a->p.is_owed == b->p.is_owed && a->p.is_allocated == b->p.is_allocated &&
	       a->p.serial == b->p.serial && a->p.denied == b->p.denied &&
	       a->p.is_dirty == b->p.is_dirty && a->p.is_associated == b->p.is_associated &&
	       a->p.told_serial == b->p.told_serial && x == y && a->is_stopped == b->is_stopped &&
	       a->asked == b->asked && a->is_open == b->is_open && a->nic_is_vf == b->nic_is_vf &&
	       a->waits == b->waits && a->told == b->told;
}

static bool may_come(const struct world *w, enum netvsp_path_event ev)
{
	switch (ev) {
	case NETVSP_PATH_DONE:
	case NETVSP_PATH_FAILED: return w->is_open;
	case NETVSP_PATH_GUEST_VF:
	case NETVSP_PATH_GUEST_SYNTHETIC: return !w->waits; /* one at a time */
	default: return true;
	}
}

static void before(struct world *w, enum netvsp_path_event ev)
{
	switch (ev) {
	case NETVSP_PATH_DONE: w->nic_is_vf = w->asked; /* fall through */
	case NETVSP_PATH_FAILED: w->is_open = false; break;
	case NETVSP_PATH_GUEST_VF:
	case NETVSP_PATH_GUEST_SYNTHETIC: w->waits = true; break;
	case NETVSP_PATH_LOST: w->is_open = false; w->nic_is_vf = false; /* fall through */
	case NETVSP_PATH_GUEST_CLOSED:
	case NETVSP_PATH_GUEST_RESET: w->waits = false; break;
	default: break;
	}
}

static void obey(struct world *w, unsigned int todo, enum netvsp_path_event ev)
{
	if (todo & STOP) {
		cr_assert_not(w->is_stopped);
		w->is_stopped = true;
	}
	cr_assert_neq(todo & (ASK_VF | ASK_SYN), ASK_VF | ASK_SYN, "one request at a time");
	if (todo & ASK_VF) {
		cr_assert(w->is_stopped, "nothing comes by the port when the NIC is asked");
		w->asked = 1;
		w->is_open = true;
	}
	if (todo & ASK_SYN) {
		w->asked = 0;
		w->is_open = true;
	}
	if (todo & START) {
		cr_assert(w->is_stopped);
		cr_assert(!w->nic_is_vf || ev == NETVSP_PATH_FAILED,
			  "the NIC delivers to the uplink, or what it does nobody knows");
		w->is_stopped = false;
	}
	if (todo & ANSWER) {
		cr_assert(w->waits, "answered once, and only who asked");
		w->waits = false;
	}
	if (todo & TELL) {
		cr_assert(w->p.state == NETVSP_PATH_SYNTHETIC ||
			  (w->p.state == NETVSP_PATH_TO_VF && w->p.is_associated));
		w->told = w->p.is_associated;
	}
}

static void judge(const struct world *w)
{
	bool is_stable = w->p.state == NETVSP_PATH_SYNTHETIC || w->p.state == NETVSP_PATH_VF;

	cr_assert_eq(w->is_stopped, w->p.state != NETVSP_PATH_SYNTHETIC);
	cr_assert_eq(w->waits, w->p.is_owed);
	cr_assert(!is_stable || !w->waits, "nobody waits for nothing");
	cr_assert(is_stable || w->is_open, "on the way, an answer is to come");
	cr_assert_eq(w->told, w->p.is_associated);
	if (w->p.state == NETVSP_PATH_VF) {
		cr_assert(w->nic_is_vf && w->p.is_allocated && w->p.wants_vf && !w->p.denied);
		cr_assert(w->told && w->p.told_serial == w->p.serial);
	}
}

static void visit(struct world w)
{
	unsigned int i;

	for (i = 0; i < nr_seen; i++)
		if (is_same(&seen[i], &w))
			return;
	cr_assert_lt(nr_seen, WORLDS_MAX);
	if (nr_seen == max_seen) {
		max_seen = max_seen ? 2 * max_seen : 1024;
		seen = realloc(seen, max_seen * sizeof(*seen));
	}
	seen[nr_seen++] = w;
}

Test(netvsp_path, whatever_comes_in_whatever_order_the_invariants_hold, .timeout = 100)
{
	static const uint64_t at[] = {1000, 1000000}; /* or long after */
	bool in_state[NETVSP_PATH_STATES] = {false};
	struct world w = {0};
	unsigned int i, ev, t, serial;

	netvsp_path_init(&w.p, 2, 500, 500);
	visit(w);
	for (i = 0; i < nr_seen; i++) {
		in_state[seen[i].p.state] = true;
		for (ev = 0; ev < NETVSP_PATH_EVENTS; ev++) {
			for (t = 0; t < 4; t++) {
				serial = 7 + (t & 1);
				w = seen[i];
				if (!may_come(&w, ev) || (ev != NETVSP_PATH_VF_ADDED && (t & 1)))
					continue;
				before(&w, ev);
				obey(&w, netvsp_path_step(&w.p, ev, serial, at[t >> 1]), ev);
				judge(&w);
				/* The clock is set back, so that the history stays near. */
				memset(w.p.history_ms, 0, sizeof(w.p.history_ms));
				w.p.history_ms[0] = w.p.history_ms[1] = w.p.history_ms[2] = 900;
				if (w.p.nr_history > 3)
					w.p.nr_history = 3;
				w.p.quiet_until_ms = w.p.quiet_until_ms ? 1500 : 0;
				visit(w);
			}
		}
	}
	for (i = 0; i < NETVSP_PATH_STATES; i++)
		cr_assert(in_state[i]);
	cr_assert_gt(nr_seen, 200);
	free(seen);
}

/* ---- Single stories ------------------------------------------------------------------------- */

Test(netvsp_path, a_vf_that_goes_is_left_before_the_guest_hears_of_it)
{
	be(NETVSP_PATH_VF);
	cr_assert_eq(step(NETVSP_PATH_VF_REMOVED), ASK_SYN);
	cr_assert(p.is_associated);
	cr_assert_eq(step(NETVSP_PATH_DONE), START | TELL);
	cr_assert_not(p.is_associated);
}

Test(netvsp_path, a_failure_lasts_until_the_guest_asks_again)
{
	be(NETVSP_PATH_TO_VF);
	cr_assert_eq(step(NETVSP_PATH_FAILED), ASK_SYN | START | ANSWER);
	cr_assert_eq(step(NETVSP_PATH_DONE), 0);
	cr_assert_eq(step(NETVSP_PATH_TICK), 0);
	cr_assert_eq(step(NETVSP_PATH_GUEST_VF), STOP | ASK_VF);
}

Test(netvsp_path, filters_that_could_not_be_set_back_are_tried_again)
{
	be(NETVSP_PATH_TO_SYNTHETIC);
	cr_assert_eq(step(NETVSP_PATH_FAILED), START | ANSWER);
	cr_assert_eq(step(NETVSP_PATH_TICK), ASK_SYN);
	cr_assert_eq(step(NETVSP_PATH_FAILED), 0);
	cr_assert_eq(step(NETVSP_PATH_TICK), ASK_SYN);
	cr_assert_eq(step(NETVSP_PATH_DONE), 0);
	cr_assert_eq(step(NETVSP_PATH_TICK), 0);
}

Test(netvsp_path, what_the_guest_wants_meanwhile_comes_next)
{
	be(NETVSP_PATH_VF);
	step(NETVSP_PATH_POLICY_ON);
	cr_assert_eq(step(NETVSP_PATH_POLICY_OFF), 0);
	cr_assert_eq(p.state, NETVSP_PATH_TO_SYNTHETIC);
	cr_assert_eq(step(NETVSP_PATH_GUEST_VF), 0);
	cr_assert_eq(step(NETVSP_PATH_DONE), ASK_VF, "the port need not start");
	cr_assert_eq(step(NETVSP_PATH_DONE), ANSWER);
}

Test(netvsp_path, another_vf_has_to_come_up_first)
{
	be(NETVSP_PATH_VF);
	cr_assert_eq(netvsp_path_step(&p, NETVSP_PATH_VF_ADDED, 8, 0), ASK_SYN);
	cr_assert_eq(step(NETVSP_PATH_DONE), START | TELL);
	cr_assert_eq(p.told_serial, 8);
	cr_assert_eq(p.state, NETVSP_PATH_SYNTHETIC);
}

Test(netvsp_path, a_vf_that_comes_under_a_policy_goes_again)
{
	netvsp_path_init(&p, 0, 0, 0);
	cr_assert_eq(step(NETVSP_PATH_POLICY_ON), 0);
	cr_assert_eq(step(NETVSP_PATH_VF_ADDED), REMOVE);
	cr_assert_eq(step(NETVSP_PATH_GUEST_VF), ANSWER);
	cr_assert_eq(step(NETVSP_PATH_POLICY_OFF), TELL | STOP | ASK_VF);
}

static unsigned int at(enum netvsp_path_event ev, uint64_t ms)
{
	return netvsp_path_step(&p, ev, 7, ms);
}

static void there_and_back(uint64_t ms)
{
	cr_assert_eq(at(NETVSP_PATH_GUEST_VF, ms), STOP | ASK_VF);
	cr_assert_eq(at(NETVSP_PATH_DONE, ms), ANSWER);
	cr_assert_eq(at(NETVSP_PATH_GUEST_SYNTHETIC, ms), ASK_SYN);
	cr_assert_eq(at(NETVSP_PATH_DONE, ms), START | ANSWER);
}

Test(netvsp_path, a_vf_that_flaps_is_left_in_peace_until_it_was_quiet)
{
	netvsp_path_init(&p, 3, 1000, 5000);
	at(NETVSP_PATH_VF_ADDED, 0);
	there_and_back(100);
	there_and_back(200);
	there_and_back(300);
	cr_assert_eq(at(NETVSP_PATH_GUEST_VF, 1099), ANSWER, "the fourth within a second");
	cr_assert(p.denied & NETVSP_PATH_BY_FLAPPING);
	cr_assert(p.is_associated, "what the guest knows stays");
	cr_assert_eq(at(NETVSP_PATH_TICK, 6098), 0);
	cr_assert_eq(at(NETVSP_PATH_GUEST_SYNTHETIC, 6098), ANSWER);
	cr_assert_eq(at(NETVSP_PATH_GUEST_VF, 6098), ANSWER, "and the time begins anew");
	cr_assert_eq(at(NETVSP_PATH_TICK, 11097), 0);
	cr_assert_eq(at(NETVSP_PATH_TICK, 11098), STOP | ASK_VF, "what it wants still");
	cr_assert_eq(p.switches, 4);
}

Test(netvsp_path, switches_far_from_each_other_are_no_flapping)
{
	unsigned int i;

	netvsp_path_init(&p, 3, 1000, 5000);
	at(NETVSP_PATH_VF_ADDED, 0);
	for (i = 0; i < 200; i++)
		there_and_back(1000 + i * 334);
}

Test(netvsp_path, a_vf_that_comes_back_while_it_flaps_is_told_of_afterwards)
{
	netvsp_path_init(&p, 1, 1000, 5000);
	at(NETVSP_PATH_VF_ADDED, 0);
	there_and_back(10);
	cr_assert_eq(at(NETVSP_PATH_GUEST_VF, 20), ANSWER);
	cr_assert_eq(at(NETVSP_PATH_VF_REMOVED, 30), ASK_SYN | TELL);
	cr_assert_eq(at(NETVSP_PATH_VF_ADDED, 40), 0, "not yet");
	cr_assert_eq(at(NETVSP_PATH_TICK, 5019), 0);
	cr_assert_eq(at(NETVSP_PATH_TICK, 5020), TELL);
	cr_assert(p.is_associated);
}

Test(netvsp_path, a_successor_goes_on_where_the_path_was_left)
{
	static const unsigned int want[] = {ASK_SYN, STOP | ASK_VF, STOP, STOP | ASK_SYN};
	unsigned int i;

	for (i = 0; i < NETVSP_PATH_STATES; i++) {
		be(i);
		cr_assert_eq(netvsp_path_resume(&p), want[i]);
	}
}
