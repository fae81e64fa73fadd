/* SPDX-License-Identifier: BSD-3-Clause */
/* The sorter against a list of filters that is gone through from the start: any filters of any queues that may
 * stand beside each other, set, cleared and moved between frames of every form.
 *
 * Then with queues that are spread, against a memory of flows that knows nothing of a hash: where a flow's first frame
 * went all of its frames go until that changes, which is a queue of the group; without a flow it is the first one. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/prng.h"
#include "tests/support/sortbed.h"
#include "vmq/queue.h"
#include "vswitch/packet.h"

#define QUEUES	9u
#define FILTERS 96u
#define DEPTH	64u

struct naive_filter {
	struct vmq_filter f;
	uint16_t q;
};

static const struct vmq_provider_ops *const ops = &vmq_software;
static struct sort_bed bed;
static struct naive_filter naive[FILTERS];
static uint32_t nr_naive;
static uint32_t want[QUEUES][DEPTH], nr_want[QUEUES];

static void setup(void)
{
	eal_up();
	sort_bed_up(&bed, QUEUES, DEPTH);
}

static uint16_t naive_queue(const struct sort_frame *f)
{
	uint16_t vlan = f->tag == SORT_UNTAGGED ? 0 : f->tci & 0xFFF;
	uint32_t i;

	if (f->mac & 1 || f->len < 14 || (f->tag == SORT_IN_BAND && f->len < 18))
		return 0;
	for (i = 0; i < nr_naive; i++) {
		if (vmq_filter_passes(&naive[i].f, (const uint8_t *)&f->mac, vlan))
			return naive[i].q;
	}
	return 0;
}

/* Few enough that frames meet filters, and that one address has many of them. */
static uint64_t any_mac(struct prng *p)
{
	return 2 | (uint64_t)prng_below(p, 6) << 40 | (prng_below(p, 10) == 0);
}

static uint16_t any_vlan(struct prng *p)
{
	static const uint16_t odd[] = {0, 1, 4094, 4095};

	return prng_below(p, 4) ? (uint16_t)prng_below(p, 24) : odd[prng_below(p, 4)];
}

static void filter_add(struct prng *p)
{
	uint16_t vlan = any_vlan(p) % 4095, q = (uint16_t)(1 + prng_below(p, QUEUES - 1));
	struct vmq_filter f;
	uint32_t i;

	if (prng_below(p, 6) == 0)
		f = sort_filter(any_mac(p) & ~1ull, VMQ_VLAN_ANY, 0);
	else
		f = sort_filter(any_mac(p) & ~1ull, vlan ? VMQ_VLAN_IS : VMQ_VLAN_UNTAGGED, vlan);
	for (i = 0; i < nr_naive; i++) {
		if (vmq_filter_overlaps(&f, &naive[i].f))
			return;
	}
	if (nr_naive == FILTERS)
		return;
	cr_assert_eq(ops->filter_set(bed.pv, q, &f), 0, "%s", err_text());
	naive[nr_naive++] = (struct naive_filter){f, q};
}

static void filter_move(struct prng *p, uint32_t i)
{
	uint16_t to = (uint16_t)(1 + prng_below(p, QUEUES - 1));

	cr_assert_eq(ops->filter_move(bed.pv, naive[i].q, to, &naive[i].f), 0);
	naive[i].q = to;
}

static void filter_clear(uint32_t i)
{
	cr_assert_eq(ops->filter_clear(bed.pv, naive[i].q, &naive[i].f), 0);
	naive[i] = naive[--nr_naive];
}

static void filters_change(struct prng *p)
{
	uint32_t what = prng_below(p, 8);

	if (what < 4 || nr_naive == 0)
		filter_add(p);
	else if (what < 6)
		filter_move(p, prng_below(p, nr_naive));
	else
		filter_clear(prng_below(p, nr_naive));
}

/* Frames go into the device; where each is to come out is noted, or that it is to be lost. */
static void send(struct prng *p, uint32_t *seq, uint64_t *nr_missed)
{
	struct sort_frame f = {.mac = any_mac(p), .tag = (uint8_t)prng_below(p, 3)};
	uint32_t run = 1 + prng_below(p, 4), i;
	uint16_t q;

	f.tci = (uint16_t)(any_vlan(p) | prng_below(p, 16) << 12);
	f.len = (uint16_t)(22 + prng_below(p, 200));
	f.piece = prng_below(p, 8) ? 0 : (uint16_t)(4 + prng_below(p, 40));
	q = naive_queue(&f);
	for (i = 0; i < run; i++) {
		f.seq = (*seq)++;
		sort_send(&bed, &f);
		if (nr_want[q] < DEPTH)
			want[q][nr_want[q]++] = f.seq;
		else
			nr_missed[q]++;
	}
}

static void take(uint16_t q)
{
	struct rte_mbuf *m[VSW_VEC_SIZE];
	uint16_t n = sort_rx(&bed, q, m, VSW_VEC_SIZE), i;

	cr_assert_eq(n, nr_want[q], "queue %u gives %u frames, not %u", q, n, nr_want[q]);
	for (i = 0; i < n; i++)
		cr_assert_eq(sort_frame_seq(m[i]), want[q][i], "queue %u, frame %u", q, i);
	rte_pktmbuf_free_bulk(m, n);
	nr_want[q] = 0;
}

Test(vmq_sort, agrees_with_a_list_of_filters, .init = setup, .timeout = 200)
{
	uint32_t i, k, steps = prng_steps(10000), seq = 0;
	uint64_t nr_missed[QUEUES] = {0};
	struct prng p;

	prng_init(&p);
	for (i = 0; i < steps; i++) {
		for (k = prng_below(&p, 3); k > 0; k--)
			filters_change(&p);
		for (k = prng_below(&p, 12); k > 0; k--)
			send(&p, &seq, nr_missed);
		take(0);
		for (k = 1; k < QUEUES; k++) { /* some are late, and overflow */
			if (prng_below(&p, 3) == 0)
				take((uint16_t)k);
			cr_assert_eq(ops->missed(bed.pv, (uint16_t)k), nr_missed[k]);
		}
	}
	cr_assert(sort_bed_down(&bed), "mbufs are missing");
}

/* ---- Spread queues ------------------------------------------------------------------------------ */

#define GROUPS	3u /* of three queues: 1 .. 3, 4 .. 6, 7 .. 9 */
#define FLOWS	40u
#define NOWHERE 0u

struct naive_group {
	uint16_t qs[3], n;
	uint16_t flow[FLOWS]; /* its queue; NOWHERE: not known yet */
};

static struct naive_group group[GROUPS];

static void groups_setup(void)
{
	eal_up();
	sort_bed_up(&bed, 1 + 3 * GROUPS, 256);
	for (uint16_t g = 0; g < GROUPS; g++) {
		const struct vmq_filter f = sort_filter(2 | (uint64_t)g << 40, VMQ_VLAN_ANY, 0);

		group[g] = (struct naive_group){.qs = {(uint16_t)(1 + 3 * g)}, .n = 1};
		cr_assert_eq(ops->filter_set(bed.pv, group[g].qs[0], &f), 0);
	}
}

/* The first stays, any others of the group follow in any order. */
static void group_change(struct prng *p, uint16_t g)
{
	const uint16_t swap = (uint16_t)prng_below(p, 2), first = (uint16_t)(1 + 3 * g);

	group[g] = (struct naive_group){
		.qs = {first, (uint16_t)(first + 1 + swap), (uint16_t)(first + 2 - swap)},
		.n = (uint16_t)(1 + prng_below(p, 3)),
	};
	cr_assert_eq(ops->spread(bed.pv, first, group[g].qs, group[g].n), 0, "%s", err_text());
}

/* Even ones have ports, every eighth is of pieces, every tenth is of none at all. */
static void flow_fill(struct sort_frame *f, uint32_t flow)
{
	if (flow % 10 == 9)
		return;
	f->flow = (struct sort_flow){
		.version = flow % 3 ? 4 : 6,
		.proto = flow % 2 ? 1 : (flow % 4 ? 6 : 17),
		.src = flow * 77,
		.dst = 5,
		.ports = {(uint16_t)(flow + 1000), 80},
	};
	if (flow % 8 == 7 && f->flow.version == 4) {
		f->flow.piece = 0x2000;
		f->flow.proto = 17;
	}
}

/* What is not of the flow changes from frame to frame. */
static struct sort_frame any_of(struct prng *p, uint16_t g, uint32_t flow)
{
	struct sort_frame f = {.mac = 2 | (uint64_t)g << 40, .tag = (uint8_t)prng_below(p, 3)};

	flow_fill(&f, flow);
	f.tci = (uint16_t)prng_below(p, 0x10000);
	f.len = (uint16_t)(100 + prng_below(p, 200));
	f.piece = prng_below(p, 4) ? 0 : (uint16_t)(4 + prng_below(p, 80));
	if (f.flow.version == 4)
		f.flow.options = (uint8_t)prng_below(p, 11);
	if (f.flow.version == 4 && f.flow.piece)
		f.flow.ports[0] = (uint16_t)prng_below(p, 0x10000);
	f.seq = flow;
	return f;
}

static void is_where_it_may_be(struct naive_group *g, uint32_t flow, uint16_t q)
{
	bool is_member = false;

	for (uint16_t i = 0; i < g->n; i++)
		is_member = is_member || g->qs[i] == q;
	cr_assert(is_member, "flow %u on queue %u", flow, q);
	if (flow % 10 == 9)
		cr_assert_eq(q, g->qs[0]);
	if (g->flow[flow] != NOWHERE)
		cr_assert_eq(g->flow[flow], q, "flow %u left queue %u for %u", flow, g->flow[flow],
			     q);
	g->flow[flow] = q;
}

static uint32_t look(uint16_t q)
{
	struct rte_mbuf *m[VSW_VEC_SIZE];
	uint16_t n = sort_rx(&bed, q, m, VSW_VEC_SIZE), i;

	for (i = 0; i < n; i++) {
		uint8_t mac[6];

		memcpy(mac, rte_pktmbuf_read(m[i], 0, 6, mac), 6);
		cr_assert_lt(mac[5], GROUPS);
		is_where_it_may_be(&group[mac[5]], sort_frame_seq(m[i]), q);
	}
	rte_pktmbuf_free_bulk(m, n);
	return n;
}

Test(vmq_sort, keeps_flows_together_whatever_the_hash_is, .init = groups_setup, .timeout = 200)
{
	uint32_t i, k, steps = prng_steps(10000), got, sent;
	struct prng p;

	prng_init(&p);
	for (i = 0; i < steps; i++) {
		if (prng_below(&p, 8) == 0)
			group_change(&p, (uint16_t)prng_below(&p, GROUPS));
		sent = prng_below(&p, 60);
		for (k = 0; k < sent; k++) {
			const struct sort_frame f =
				any_of(&p, (uint16_t)prng_below(&p, GROUPS), prng_below(&p, FLOWS));

			sort_send(&bed, &f);
		}
		cr_assert_eq(look(0), 0);
		for (got = 0, k = 1; k <= 3 * GROUPS; k++)
			got += look((uint16_t)k);
		cr_assert_eq(got, sent);
	}
	cr_assert(sort_bed_down(&bed), "mbufs are missing");
}
