/* SPDX-License-Identifier: BSD-3-Clause */
/* The sorter against a list of filters that is gone through from the start: any filters of any queues that may
 * stand beside each other, set, cleared and moved between frames of every form. */
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
