/* SPDX-License-Identifier: BSD-3-Clause */
#include "vmq/place.h"

#include <stdio.h>
#include <string.h>

#define BUSY_AT	      700u
#define MARGIN	      150u
#define ROUNDS	      3u
#define SETTLE_ROUNDS 10u
#define MOVES_MAX     1u

/* A queue counts as at least that when a place for another one is looked for: it may be idle only for now, or
 * too new to have been measured. */
#define LOAD_MIN 50u

/* What does less than that is not worth a move. So little that as many queues as there can be do not keep an lcore
 * busy with it. */
#define LOAD_MOVED 5u

#define NOWHERE UINT16_MAX

/* Lcores are meant by their place in l[] here. */
struct plan {
	const struct vmq_place_cfg *cfg;
	struct vmq_lcore l[VMQ_LCORES_MAX]; /* busy as the moves so far leave them */
	uint16_t nr_l;
	const struct vmq_load *q;
	uint16_t nr_q;
	bool is_moved[VMQ_QUEUES_MAX]; /* by number, in this plan */
};

struct option {
	const struct vmq_load *q; /* NULL: none */
	uint16_t from, to;
	int saved;	/* crossings */
	uint32_t gain;	/* of the busier of the two */
	uint32_t there; /* how busy the other is then */
};

static uint32_t max_u32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

void vmq_placer_init(struct vmq_placer *p, const struct vmq_place_cfg *cfg)
{
	*p = (struct vmq_placer){.cfg = *cfg};
	if (!p->cfg.busy_at)
		p->cfg.busy_at = BUSY_AT;
	if (!p->cfg.margin)
		p->cfg.margin = MARGIN;
	if (!p->cfg.rounds)
		p->cfg.rounds = ROUNDS;
	if (!p->cfg.settle_rounds)
		p->cfg.settle_rounds = SETTLE_ROUNDS;
	if (!p->cfg.moves_max)
		p->cfg.moves_max = MOVES_MAX;
}

/* ---- Nodes -------------------------------------------------------------------------------------- */

static int is_crossing(int16_t a, int16_t b)
{
	return a != VMQ_NODE_ANY && b != VMQ_NODE_ANY && a != b;
}

static int crossings(const struct vmq_lcore *l, const struct vmq_load *q)
{
	return is_crossing(l->node, q->nic_node) + is_crossing(l->node, q->part_node);
}

/* ---- A new queue -------------------------------------------------------------------------------- */

static uint32_t expected(const struct vmq_lcore *l, const struct vmq_load *others, uint16_t nr_q)
{
	uint32_t sum = l->busy;

	for (uint16_t i = 0; i < nr_q; i++)
		if (others[i].lcore == l->index && others[i].load < LOAD_MIN)
			sum += LOAD_MIN - others[i].load;
	return sum;
}

uint16_t vmq_place_new(const struct vmq_lcore *l, uint16_t nr_l, const struct vmq_load *others,
		       uint16_t nr_q, int16_t nic_node, int16_t part_node)
{
	uint16_t best = VMQ_CPU_ANY;
	int best_far = 0;
	uint32_t best_load = 0;

	for (uint16_t i = 0; i < nr_l; i++) {
		/* Between the two nodes of a queue it is the NIC's: the descriptors are there. */
		int far = 2 * is_crossing(l[i].node, nic_node) + is_crossing(l[i].node, part_node);
		uint32_t load = expected(&l[i], others, nr_q);

		if (best != VMQ_CPU_ANY &&
		    (far > best_far || (far == best_far && load >= best_load)))
			continue;
		best = l[i].index;
		best_far = far;
		best_load = load;
	}
	return best;
}

/* ---- What a move brings ------------------------------------------------------------------------- */

static uint16_t find_lcore(const struct plan *p, uint16_t index)
{
	for (uint16_t i = 0; i < p->nr_l; i++)
		if (p->l[i].index == index)
			return i;
	return NOWHERE;
}

/* Where @q is, if it may be moved at all; else NOWHERE. */
static uint16_t movable_from(const struct plan *p, const struct vmq_load *q)
{
	if (q->is_pinned || q->q >= VMQ_QUEUES_MAX || p->is_moved[q->q])
		return NOWHERE;
	return find_lcore(p, q->lcore);
}

/* It pays when the lcore that it goes to is then less busy, by the margin, than the one that it leaves was. So it
 * does not pay to go back, and many small queues of an lcore go one by one, though none of them is worth the
 * margin. A busy lcore alone is never a reason to cross to another node: the same work would cost more there. */
static bool pays(const struct plan *p, const struct vmq_load *q, uint16_t from, uint16_t to,
		 struct option *out)
{
	const struct vmq_lcore *a = &p->l[from], *b = &p->l[to];
	uint32_t load = q->load < a->busy ? q->load : a->busy;
	uint32_t there = b->busy + load;
	int saved = crossings(a, q) - crossings(b, q);

	if (from == to || a->busy < p->cfg->busy_at || saved < 0)
		return false;
	if (load < LOAD_MOVED || there + p->cfg->margin > a->busy)
		return false;
	*out = (struct option){q, from, to, saved, a->busy - max_u32(a->busy - load, there), there};
	return true;
}

static bool is_better(const struct option *a, const struct option *b)
{
	if (!b->q)
		return true;
	if (a->saved != b->saved)
		return a->saved > b->saved;
	if (a->gain != b->gain)
		return a->gain > b->gain;
	return a->there < b->there;
}

/* The best move of @q, without a queue when there is none. */
static struct option best_of(const struct plan *p, const struct vmq_load *q)
{
	struct option best = {NULL}, o;
	uint16_t from = movable_from(p, q);

	for (uint16_t to = 0; from != NOWHERE && to < p->nr_l; to++)
		if (pays(p, q, from, to, &o) && is_better(&o, &best))
			best = o;
	return best;
}

/* ---- Plans -------------------------------------------------------------------------------------- */

static void plan_init(struct plan *p, const struct vmq_place_cfg *cfg, const struct vmq_lcore *l,
		      uint16_t nr_l)
{
	*p = (struct plan){.cfg = cfg};
	p->nr_l = nr_l < VMQ_LCORES_MAX ? nr_l : VMQ_LCORES_MAX;
	if (p->nr_l > 0)
		memcpy(p->l, l, p->nr_l * sizeof(*l));
}

static void say_why(const struct plan *p, const struct option *o, char *why, size_t room)
{
	uint32_t a = p->l[o->from].busy, b = p->l[o->to].busy;

	snprintf(why, room, "lcore %u %u.%u %% busy, lcore %u %u.%u %%: then %u.%u %%%s",
		 p->l[o->from].index, a / 10, a % 10, p->l[o->to].index, b / 10, b % 10,
		 o->there / 10, o->there % 10, o->saved > 0 ? ", on a nearer node" : "");
}

static void apply(struct plan *p, const struct option *o, struct vmq_move *out)
{
	struct vmq_lcore *a = &p->l[o->from], *b = &p->l[o->to];
	uint32_t load = o->q->load < a->busy ? o->q->load : a->busy;

	*out = (struct vmq_move){.q = o->q->q, .from = a->index, .to = b->index};
	say_why(p, o, out->why, sizeof(out->why));
	a->busy -= load;
	b->busy += load;
	p->is_moved[o->q->q] = true;
}

static uint16_t at_most(const struct vmq_placer *p, uint16_t room)
{
	return p->cfg.moves_max < room ? (uint16_t)p->cfg.moves_max : room;
}

uint16_t vmq_place_plan(const struct vmq_placer *p, const struct vmq_lcore *l, uint16_t nr_l,
			const struct vmq_load *q, uint16_t nr_q, struct vmq_move *out,
			uint16_t room)
{
	struct plan plan;
	uint16_t n = 0;

	plan_init(&plan, &p->cfg, l, nr_l);
	for (; n < at_most(p, room); n++) {
		struct option best = {NULL};

		for (uint16_t i = 0; i < nr_q; i++) {
			struct option o = best_of(&plan, &q[i]);

			if (o.q && is_better(&o, &best))
				best = o;
		}
		if (!best.q)
			break;
		apply(&plan, &best, &out[n]);
	}
	return n;
}

/* ---- Rounds ------------------------------------------------------------------------------------- */

/* Where it wants to go it goes on wanting to go while that still pays: of lcores that are equally idle each
 * is the best one now and then, and the rounds would never add up. Yet a nearer node is another matter. */
static void note_wish(struct vmq_placer *p, const struct plan *plan, const struct vmq_load *q)
{
	struct option best = best_of(plan, q), o;
	uint16_t to = find_lcore(plan, p->wanted_to[q->q]);

	if (!best.q) {
		p->wanted[q->q] = 0;
		return;
	}
	if (p->wanted[q->q] > 0 && to != NOWHERE && pays(plan, q, best.from, to, &o) &&
	    o.saved == best.saved) {
		if (p->wanted[q->q] < UINT32_MAX)
			p->wanted[q->q]++;
		return;
	}
	p->wanted[q->q] = 1;
	p->wanted_to[q->q] = plan->l[best.to].index;
}

/* A queue that is not there has no wish: another may get its number. */
static void note_wishes(struct vmq_placer *p, const struct plan *plan, const struct vmq_load *q,
			uint16_t nr_q)
{
	bool is_there[VMQ_QUEUES_MAX] = {false};

	for (uint16_t i = 0; i < nr_q; i++) {
		if (q[i].q >= VMQ_QUEUES_MAX)
			continue;
		is_there[q[i].q] = true;
		note_wish(p, plan, &q[i]);
	}
	for (uint16_t i = 0; i < VMQ_QUEUES_MAX; i++)
		if (!is_there[i])
			p->wanted[i] = 0;
}

static bool is_due(const struct vmq_placer *p, const struct vmq_load *q)
{
	return q->q < VMQ_QUEUES_MAX && p->wanted[q->q] >= p->cfg.rounds &&
	       q->settled >= p->cfg.settle_rounds;
}

/* The best of what has been wanted for long enough and still pays after the moves of this plan. */
static struct option best_due(const struct vmq_placer *p, const struct plan *plan,
			      const struct vmq_load *q, uint16_t nr_q)
{
	struct option best = {NULL}, o;

	for (uint16_t i = 0; i < nr_q; i++) {
		uint16_t from, to;

		if (!is_due(p, &q[i]))
			continue;
		from = movable_from(plan, &q[i]);
		to = find_lcore(plan, p->wanted_to[q[i].q]);
		if (from != NOWHERE && to != NOWHERE && pays(plan, &q[i], from, to, &o) &&
		    is_better(&o, &best))
			best = o;
	}
	return best;
}

/* What was measured before a move says nothing about its two lcores after it. */
static void forget_wishes(struct vmq_placer *p, const struct vmq_move *m, const struct vmq_load *q,
			  uint16_t nr_q)
{
	for (uint16_t i = 0; i < nr_q; i++) {
		uint16_t to, at = q[i].lcore;

		if (q[i].q >= VMQ_QUEUES_MAX)
			continue;
		to = p->wanted_to[q[i].q];
		if (at == m->from || at == m->to || to == m->from || to == m->to)
			p->wanted[q[i].q] = 0;
	}
}

uint16_t vmq_place_round(struct vmq_placer *p, const struct vmq_lcore *l, uint16_t nr_l,
			 const struct vmq_load *q, uint16_t nr_q, struct vmq_move *out,
			 uint16_t room)
{
	struct plan plan;
	uint16_t n = 0;

	plan_init(&plan, &p->cfg, l, nr_l);
	note_wishes(p, &plan, q, nr_q);
	for (; n < at_most(p, room); n++) {
		struct option best = best_due(p, &plan, q, nr_q);

		if (!best.q)
			break;
		apply(&plan, &best, &out[n]);
	}
	for (uint16_t i = 0; i < n; i++)
		forget_wishes(p, &out[i], q, nr_q);
	return n;
}
