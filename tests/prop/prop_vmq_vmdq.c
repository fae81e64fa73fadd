/* SPDX-License-Identifier: BSD-3-Clause */
/* Random filters on an 82576 made of an array: after each write of a register each frame of a small universe goes to
 * the one queue that it went to before the operation, or to the one that the naive model names after it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_ethdev.h>

#include "base/err.h"
#include "tests/support/fakeigb.h"
#include "tests/support/prng.h"

#define MACS  5u
#define VLANS 6 /* no tag, 0, 1 .. 4 */
#define RULES 64u
#define HEARD 4 /* a VLAN that groups need */

struct frame_map {
	uint8_t pools[MACS + 2][VLANS];
};

struct bed {
	struct prng rnd;
	void *pv;
	struct igb_rule rule[RULES];
	uint32_t nr, done, refused;
	struct frame_map before, after;
};

static void address(unsigned int i, uint8_t a[6])
{
	static const uint8_t all[6] = {255, 255, 255, 255, 255, 255},
			     group[6] = {1, 0, 94, 0, 0, 7};
	const uint8_t one[6] = {2, 0, 0, 0, 0, (uint8_t)i};

	memcpy(a, i == MACS ? all : i > MACS ? group : one, 6);
}

static void naive(const struct bed *b, struct frame_map *m)
{
	uint8_t a[6];

	for (unsigned int i = 0; i < MACS + 2; i++)
		for (int v = 0; v < VLANS; v++) {
			address(i, a);
			m->pools[i][v] = 1;
			for (uint32_t r = 0; r < b->nr; r++)
				if (vmq_filter_passes(&b->rule[r].f, a, (uint16_t)(v ? v - 1 : 0)))
					m->pools[i][v] = (uint8_t)(1u << b->rule[r].q);
		}
}

static void look(struct fake_igb *f, void *ctx)
{
	struct bed *b = ctx;
	uint8_t a[6];

	for (unsigned int i = 0; i < MACS + 2; i++)
		for (int v = 0; v < VLANS; v++) {
			uint8_t is;

			address(i, a);
			is = fake_igb_pools(f, a, v - 1);
			/* Groups are heard in VLAN HEARD, without one, and in the filters' VLANs. */
			if (i >= MACS && v - 1 > 0 && v - 1 != HEARD && is == 0)
				continue;
			cr_assert(is == b->before.pools[i][v] || is == b->after.pools[i][v],
				  "address %u vid %d: pools %02x, not %02x or %02x", i, v - 1, is,
				  b->before.pools[i][v], b->after.pools[i][v]);
		}
}

static bool overlaps(const struct bed *b, const struct vmq_filter *f)
{
	for (uint32_t i = 0; i < b->nr; i++)
		if (vmq_filter_overlaps(&b->rule[i].f, f))
			return true;
	return false;
}

static int try(struct bed *b, const struct igb_rule *old, const struct igb_rule *new)
{
	if (!old)
		return vmq_vmdq.filter_set(b->pv, new->q, &new->f);
	if (!new)
		return vmq_vmdq.filter_clear(b->pv, old->q, &old->f);
	return vmq_vmdq.filter_move(b->pv, old->q, new->q, &new->f);
}

/* The model has it already: the provider does it too, or refuses and nothing changed. */
static void finish(struct bed *b, const struct igb_rule *old, const struct igb_rule *new,
		   const struct bed *was)
{
	int rc;

	naive(b, &b->after);
	rc = try(b, old, new);
	if (rc) {
		cr_assert(new && (rc == -ENOSPC || rc == -ENOTSUP), "%d %s", rc, err_text());
		memcpy(b->rule, was->rule, sizeof(b->rule));
		b->nr = was->nr;
		b->after = b->before;
		b->refused++;
	} else {
		b->done++;
	}
	b->before = b->after;
	look(&fake_igb, b);
}

static void step(struct bed *b)
{
	struct bed was = *b;
	uint32_t i = b->nr ? prng_below(&b->rnd, b->nr) : 0;
	uint16_t q = (uint16_t)(1 + prng_below(&b->rnd, 7));
	struct igb_rule r = {.q = q};

	if (b->nr && prng_below(&b->rnd, 5) == 0) {
		r = b->rule[i];
		b->rule[i] = b->rule[--b->nr];
		finish(b, &r, NULL, &was);
		return;
	}
	if (b->nr && prng_below(&b->rnd, 2)) {
		b->rule[i].q = q;
		r = b->rule[i];
		finish(b, &was.rule[i], &r, &was);
		return;
	}
	address(prng_below(&b->rnd, MACS), r.f.mac);
	r.f.vlan_test = (uint8_t)(prng_below(&b->rnd, 12) ? 1 + prng_below(&b->rnd, 2) : 0);
	r.f.vlan = r.f.vlan_test == VMQ_VLAN_IS ? (uint16_t)(1 + prng_below(&b->rnd, 3)) : 0;
	if (b->nr == RULES || overlaps(b, &r.f))
		return;
	b->rule[b->nr++] = r;
	finish(b, NULL, &r, &was);
}

static void prove_all(const struct bed *b)
{
	for (uint32_t i = 0; i < b->nr; i++) {
		int rc = vmq_vmdq.prove(b->pv, b->rule[i].q);

		cr_assert_eq(rc, b->rule[i].f.vlan_test ? 0 : -ENOTSUP, "%s", err_text());
	}
}

Test(vmq_vmdq, each_frame_goes_to_one_queue_at_each_instant)
{
	static struct bed b;
	struct vmq_provider_cfg cfg = {.name = "up", .dev = FAKE_DEV, .nr_queues = 8};
	struct rte_eth_dev_info info = {
		.driver_name = "net_e1000_igb", .max_vmdq_pools = 8, .max_rx_queues = 16};
	struct rte_eth_conf conf = {0};
	uint64_t heard[64] = {1u << HEARD};

	prng_init(&b.rnd);
	fake_igb.id = 0x808610c9;
	fake_igb.listed[0][0] = fake_igb.own[0] = 2;
	fake_igb.listed[0][4] = fake_igb.own[4] = 9;
	cr_assert_eq(vmdq_create_by(&fake_igb_calls, &b.pv, &cfg), 0);
	cr_assert_eq(vmq_vmdq.configure(b.pv, &info, &conf), 8);
	fake_igb_start();
	cr_assert_eq(vmq_vmdq.started(b.pv), 0, "%s", err_text());
	cr_assert_eq(vmq_vmdq.hear(b.pv, heard), 0);
	naive(&b, &b.before);
	b.after = b.before;
	fake_igb.ctx = &b;
	fake_igb.watch = look;
	for (unsigned int i = prng_steps(20000); i; i--) {
		step(&b);
		prove_all(&b);
	}
	fprintf(stderr, "# %u done, %u refused\n", b.done, b.refused);
	cr_assert(b.done > 100 && b.refused > 10);
	fake_igb.watch = NULL;
	vmq_vmdq.destroy(b.pv);
}
