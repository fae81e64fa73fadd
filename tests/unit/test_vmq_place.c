/* SPDX-License-Identifier: BSD-3-Clause */
/* Placement of queues on lcores. */
#include "vmq/place.h"

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#define NONE  VMQ_NODE_ANY
#define MOVES 8u

static struct vmq_placer placer;
static struct vmq_move out[MOVES];

static void up(void)
{
	vmq_placer_init(&placer, &(struct vmq_place_cfg){0});
}

TestSuite(vmq_place, .init = up);

/* A queue that has long been where it is. */
static struct vmq_load queue(uint16_t q, uint16_t lcore, uint32_t load)
{
	return (struct vmq_load){q, lcore, false, NONE, NONE, load, 100};
}

static struct vmq_load on_nodes(struct vmq_load q, int16_t nic, int16_t part)
{
	q.nic_node = nic;
	q.part_node = part;
	return q;
}

#define NR(a)	       ((uint16_t)(sizeof(a) / sizeof((a)[0])))
#define PLAN(l, q)     vmq_place_plan(&placer, l, NR(l), q, NR(q), out, MOVES)
#define ROUND_OF(l, q) vmq_place_round(&placer, l, NR(l), q, NR(q), out, MOVES)

static bool is_move(const struct vmq_move *m, uint16_t q, uint16_t from, uint16_t to)
{
	return m->q == q && m->from == from && m->to == to;
}

/* ---- New queues ------------------------------------------------------------------------------------ */

Test(vmq_place, a_new_queue_goes_to_the_nearest_lcore_and_there_to_the_idlest)
{
	static const struct vmq_lcore l[] = {{1, 0, 900}, {2, 0, 100}, {3, 1, 0}, {4, 2, 0}};
	static const struct {
		int16_t nic, part;
		uint16_t lcore;
	} rows[] = {
		{0, 0, 2},    {1, 1, 3}, {0, 1, 2}, {1, 0, 3},	     {NONE, 1, 3},
		{2, NONE, 4}, {3, 2, 4}, {3, 3, 3}, {NONE, NONE, 3}, {0, 5, 2},
	};

	for (size_t i = 0; i < NR(rows); i++)
		cr_expect_eq(vmq_place_new(l, NR(l), NULL, 0, rows[i].nic, rows[i].part),
			     rows[i].lcore, "row %zu", i);
}

Test(vmq_place, a_new_queue_takes_an_lcore_of_unknown_node_for_a_near_one)
{
	static const struct vmq_lcore l[] = {{1, 1, 0}, {2, NONE, 500}};

	cr_expect_eq(vmq_place_new(l, 2, NULL, 0, 0, 0), 2);
}

Test(vmq_place, new_queues_that_were_not_measured_yet_spread)
{
	struct vmq_lcore l[] = {{1, 0, 3}, {2, 0, 9}, {3, 0, 0}};
	struct vmq_load q[9];
	unsigned int on[4] = {0};

	for (uint16_t i = 0; i < 9; i++) {
		q[i] = queue((uint16_t)(i + 1), vmq_place_new(l, 3, q, i, 0, 0), 0);
		on[q[i].lcore]++;
	}
	cr_expect(on[1] == 3 && on[2] == 3 && on[3] == 3, "%u %u %u", on[1], on[2], on[3]);
}

Test(vmq_place, a_new_queue_without_lcores_has_none)
{
	cr_expect_eq(vmq_place_new(NULL, 0, NULL, 0, 0, 0), VMQ_CPU_ANY);
}

/* ---- What is moved ---------------------------------------------------------------------------------- */

Test(vmq_place, vmq_10_moves_a_queue_off_a_busy_lcore)
{
	static const struct vmq_lcore l[] = {{1, 0, 900}, {2, 0, 600}, {3, 0, 100}};
	struct vmq_load q[] = {queue(1, 1, 600), queue(2, 1, 300), queue(3, 2, 600)};

	cr_expect_eq(PLAN(l, q), 1);
	cr_expect(is_move(&out[0], 2, 1, 3), "queue %u to %u", out[0].q, out[0].to);
	cr_expect_str_eq(out[0].why, "lcore 1 90.0 % busy, lcore 3 10.0 %: then 40.0 %");
}

Test(vmq_place, moves_nothing_off_an_lcore_that_is_not_busy)
{
	static const struct vmq_lcore l[] = {{1, 0, 699}, {2, 0, 0}};
	struct vmq_load q[] = {queue(1, 1, 350), queue(2, 1, 349)};

	cr_expect_eq(PLAN(l, q), 0);
}

Test(vmq_place, moves_nothing_when_nothing_is_gained)
{
	static const struct {
		uint32_t busy1, busy2, load;
		uint16_t moves;
	} rows[] = {
		{1000, 0, 1000, 0}, /* it is all of it */
		{900, 850, 100, 0}, /* both are busy */
		{900, 600, 150, 1}, /* the margin */
		{900, 601, 150, 0}, /* below it */
		{900, 0, 750, 1},
		{900, 0, 751, 0},
		{900, 0, 5, 1}, /* the other queues of the lcore may be as small */
		{900, 0, 4, 0},
		{800, 1000, 500, 0}, /* to the busier one */
		{900, 0, 0, 0},	     /* an idle queue */
		{900, 900, 0, 0},
		{700, 0, 5000, 0}, /* loads and lcores are not measured at one instant */
	};

	for (size_t i = 0; i < NR(rows); i++) {
		struct vmq_lcore l[] = {{1, 0, rows[i].busy1}, {2, 0, rows[i].busy2}};
		struct vmq_load q[] = {queue(1, 1, rows[i].load)};

		cr_expect_eq(PLAN(l, q), rows[i].moves, "row %zu", i);
	}
}

Test(vmq_place, vmq_10_leaves_pinned_and_static_queues)
{
	static const struct vmq_lcore l[] = {{1, 0, 900}, {2, 0, 0}};
	struct vmq_load q[] = {queue(1, 1, 450), queue(2, 1, 400)};

	q[0].is_pinned = true;
	cr_expect_eq(PLAN(l, q), 1);
	cr_expect(is_move(&out[0], 2, 1, 2));
	q[1].is_pinned = true;
	cr_expect_eq(PLAN(l, q), 0);
	for (int i = 0; i < 50; i++)
		cr_expect_eq(ROUND_OF(l, q), 0);
}

Test(vmq_place, prefers_the_nearest_lcore_to_the_idlest)
{
	static const struct vmq_lcore l[] = {{1, 0, 900}, {2, 1, 0}, {3, 0, 400}};
	struct vmq_load q[] = {on_nodes(queue(1, 1, 300), 0, 0)};

	cr_expect_eq(PLAN(l, q), 1);
	cr_expect(is_move(&out[0], 1, 1, 3));
}

Test(vmq_place, crosses_to_no_other_node_for_an_even_load)
{
	static const struct vmq_lcore l[] = {{1, 0, 1000}, {2, 1, 0}};
	struct vmq_load q[] = {on_nodes(queue(1, 1, 500), 0, 0)};

	cr_expect_eq(PLAN(l, q), 0);
	q[0].part_node = 1; /* one crossing here, one there */
	cr_expect_eq(PLAN(l, q), 1);
}

Test(vmq_place, moves_first_what_is_on_the_wrong_node)
{
	static const struct vmq_lcore l[] = {{1, 0, 900}, {2, 0, 0}, {3, 1, 500}};
	struct vmq_load q[] = {on_nodes(queue(1, 1, 450), 0, 0), on_nodes(queue(2, 1, 200), 1, 1)};

	cr_expect_eq(PLAN(l, q), 1);
	cr_expect(is_move(&out[0], 2, 1, 3));
	cr_expect(strstr(out[0].why, "on a nearer node"), "%s", out[0].why);
}

Test(vmq_place, leaves_queues_that_are_on_no_lcore_of_the_list)
{
	static const struct vmq_lcore l[] = {{1, 0, 900}, {2, 0, 0}};
	struct vmq_load q[] = {queue(1, VMQ_CPU_ANY, 400), queue(2, 7, 400),
			       queue(VMQ_QUEUES_MAX, 1, 400)};

	for (int i = 0; i < 50; i++)
		cr_expect_eq(ROUND_OF(l, q), 0);
}

Test(vmq_place, does_nothing_without_queues_lcores_or_room)
{
	static const struct vmq_lcore l[] = {{1, 0, 900}, {2, 0, 0}};
	struct vmq_load q[] = {queue(1, 1, 450)};

	for (int i = 0; i < 50; i++) {
		cr_expect_eq(vmq_place_round(&placer, l, 2, NULL, 0, out, MOVES), 0);
		cr_expect_eq(vmq_place_round(&placer, NULL, 0, q, 1, out, MOVES), 0);
		cr_expect_eq(vmq_place_round(&placer, l, 1, q, 1, out, MOVES), 0);
		cr_expect_eq(vmq_place_round(&placer, l, 2, q, 1, NULL, 0), 0);
		cr_expect_eq(vmq_place_plan(&placer, l, 2, NULL, 0, out, MOVES), 0);
		cr_expect_eq(vmq_place_plan(&placer, NULL, 0, q, 1, out, MOVES), 0);
		cr_expect_eq(vmq_place_plan(&placer, l, 2, q, 1, NULL, 0), 0);
	}
}

Test(vmq_place, looks_at_no_more_lcores_than_there_can_be)
{
	struct vmq_lcore l[VMQ_LCORES_MAX + 1];
	struct vmq_load q[] = {queue(1, 0, 450)};

	for (uint16_t i = 0; i <= VMQ_LCORES_MAX; i++)
		l[i] = (struct vmq_lcore){i, 0, i < VMQ_LCORES_MAX ? 900 : 0};
	cr_expect_eq(PLAN(l, q), 0);
	q[0].lcore = VMQ_LCORES_MAX;
	cr_expect_eq(PLAN(l, q), 0);
}

Test(vmq_place, a_plan_counts_on_the_moves_before)
{
	static const struct vmq_lcore l[] = {{1, 0, 1000}, {2, 0, 0}, {3, 0, 100}};
	struct vmq_load q[] = {queue(1, 1, 350), queue(2, 1, 330), queue(3, 1, 320)};

	placer.cfg.moves_max = 5;
	cr_expect_eq(PLAN(l, q), 1, "then none is busy any more");
	placer.cfg.busy_at = 500;
	cr_expect_eq(PLAN(l, q), 2);
	cr_expect(is_move(&out[0], 1, 1, 2) && is_move(&out[1], 3, 1, 3), "%u to %u, %u to %u",
		  out[0].q, out[0].to, out[1].q, out[1].to);
}

/* ---- Hysteresis -------------------------------------------------------------------------------------- */

static const struct vmq_lcore busy[] = {{1, 0, 900}, {2, 0, 0}};

Test(vmq_place, hysteresis_waits_for_some_rounds_in_a_row)
{
	struct vmq_load q[] = {queue(1, 1, 450)};

	cr_expect_eq(ROUND_OF(busy, q), 0);
	cr_expect_eq(ROUND_OF(busy, q), 0);
	cr_expect_eq(PLAN(busy, q), 1, "a plan does not wait");
	cr_expect_eq(ROUND_OF(busy, q), 1);
	cr_expect(is_move(&out[0], 1, 1, 2));
}

Test(vmq_place, hysteresis_does_not_follow_a_load_that_flaps)
{
	static const struct vmq_lcore calm[] = {{1, 0, 300}, {2, 0, 0}};
	struct vmq_load q[] = {queue(1, 1, 450)};

	for (int i = 0; i < 300; i++) {
		bool is_calm = i % 3 == 2;

		cr_expect_eq(is_calm ? ROUND_OF(calm, q) : ROUND_OF(busy, q), 0, "round %d", i);
	}
}

Test(vmq_place, hysteresis_is_not_disturbed_by_lcores_that_are_idle_in_turn)
{
	struct vmq_lcore l[] = {{1, 0, 900}, {2, 0, 0}, {3, 0, 0}};
	struct vmq_load q[] = {queue(1, 1, 450)};
	uint16_t n = 0;

	for (uint32_t i = 0; i < 3; i++) {
		l[1].busy = i % 2 ? 20 : 0;
		l[2].busy = i % 2 ? 0 : 20;
		n = ROUND_OF(l, q);
	}
	cr_expect_eq(n, 1);
	cr_expect(is_move(&out[0], 1, 1, 2));
}

Test(vmq_place, hysteresis_begins_anew_when_another_lcore_is_the_only_one)
{
	struct vmq_lcore l[] = {{1, 0, 900}, {2, 0, 0}, {3, 0, 900}};
	struct vmq_load q[] = {queue(1, 1, 450)};

	cr_expect_eq(ROUND_OF(l, q), 0);
	cr_expect_eq(ROUND_OF(l, q), 0);
	l[1].busy = 900;
	l[2].busy = 0;
	cr_expect_eq(ROUND_OF(l, q), 0);
	cr_expect_eq(ROUND_OF(l, q), 0);
	cr_expect_eq(ROUND_OF(l, q), 1);
	cr_expect(is_move(&out[0], 1, 1, 3));
}

Test(vmq_place, hysteresis_begins_anew_when_an_lcore_on_a_nearer_node_is_to_be_had)
{
	struct vmq_lcore l[] = {{1, 1, 900}, {2, 1, 0}, {3, 0, 900}};
	struct vmq_load q[] = {on_nodes(queue(1, 1, 450), 0, 0)};

	cr_expect_eq(ROUND_OF(l, q), 0);
	cr_expect_eq(ROUND_OF(l, q), 0);
	l[2].busy = 200;
	cr_expect_eq(ROUND_OF(l, q), 0);
	cr_expect_eq(ROUND_OF(l, q), 0);
	cr_expect_eq(ROUND_OF(l, q), 1);
	cr_expect(is_move(&out[0], 1, 1, 3));
}

Test(vmq_place, hysteresis_lets_a_queue_settle)
{
	struct vmq_load q[] = {queue(1, 1, 450)};

	for (q[0].settled = 0; q[0].settled < 10; q[0].settled++)
		cr_expect_eq(ROUND_OF(busy, q), 0, "round %u", q[0].settled);
	cr_expect_eq(ROUND_OF(busy, q), 1);
}

Test(vmq_place, hysteresis_does_not_inherit_the_wish_of_a_queue_that_is_gone)
{
	struct vmq_load q[] = {queue(1, 1, 450)};

	cr_expect_eq(ROUND_OF(busy, q), 0);
	cr_expect_eq(ROUND_OF(busy, q), 0);
	cr_expect_eq(vmq_place_round(&placer, busy, 2, q, 0, out, MOVES), 0);
	cr_expect_eq(ROUND_OF(busy, q), 0);
}

Test(vmq_place, hysteresis_measures_anew_after_a_move)
{
	struct vmq_load q[] = {queue(1, 1, 300), queue(2, 1, 300), queue(3, 1, 300)};

	ROUND_OF(busy, q);
	ROUND_OF(busy, q);
	cr_assert_eq(ROUND_OF(busy, q), 1);
	cr_expect(is_move(&out[0], 1, 1, 2));
	q[0].lcore = 2;
	q[0].settled = 0;
	cr_expect_eq(ROUND_OF(busy, q), 0, "as if nothing had changed");
	cr_expect_eq(ROUND_OF(busy, q), 0);
	cr_expect_eq(ROUND_OF(busy, q), 1);
	cr_expect(is_move(&out[0], 2, 1, 2));
}

/* A world whose loads are what its queues are: it comes to rest, and what is moved never comes back. */
Test(vmq_place, comes_to_rest)
{
	struct vmq_lcore l[] = {{1, 0, 0}, {2, 0, 0}, {3, 0, 0}};
	struct vmq_load q[12];
	unsigned int moves = 0, late = 0;

	for (uint16_t i = 0; i < 12; i++)
		q[i] = queue((uint16_t)(i + 1), 1, 80);
	for (unsigned int round = 0; round < 500; round++) {
		for (int k = 0; k < 3; k++)
			l[k].busy = 0;
		for (int i = 0; i < 12; i++, q[i - 1].settled++)
			l[q[i].lcore - 1].busy += q[i].load;
		if (ROUND_OF(l, q) == 0)
			continue;
		cr_assert_neq(out[0].to, 1, "it comes back");
		q[out[0].q - 1].lcore = out[0].to;
		q[out[0].q - 1].settled = 0;
		moves++;
		late += round > 100;
	}
	cr_expect(moves > 0 && late == 0, "%u moves, %u of them late", moves, late);
	cr_expect_lt(l[0].busy, 700);
}
