/* SPDX-License-Identifier: BSD-3-Clause */
/* The commit records, killed between any two stores. A toy device takes numbered packets from a
 * guest->host ring and answers each in the host->guest ring, as NetVSP does: fill the idle slot,
 * flip the selector, store the shared index. Each of its stores to shared state is a step; the
 * device is stopped after step n, for every n, and a new one goes on from the state alone. The guest
 * must see each answer exactly once, or, for what was taken in the burst that died, a completion
 * that says so; and never a packet twice. */
#include <criterion/criterion.h>
#include <setjmp.h>
#include <string.h>

#include <nethv/abi/vmbus.h>

#include "tests/support/prng.h"
#include "vmbus/ring.h"
#include "vmbus/state.h"

#define SIZE  4096u
#define TOTAL 200u /* packets the guest sends */
#define BURST 8u

struct pages {
	struct vmbus_ring_ctrl ctrl;
	_Alignas(4096) uint8_t data[SIZE];
};

static struct pages g2h, h2g;
static struct vmbus_chan_state cs;

/* The guest: completions seen by id. */
static struct vmbus_ring tx, rx;
static uint32_t sent, answered[TOTAL], total_answers;

/* The device dies when its steps are used up. */
static jmp_buf dead;
static uint32_t steps_left;

static void step(void)
{
	if (steps_left-- == 0)
		longjmp(dead, 1);
}

/* ---- The device --------------------------------------------------------------------------- */

struct device {
	struct vmbus_ring in, out;
	uint64_t burst; /* last taken */
};

/* Writes completions of @ids beyond the write index, then commits and publishes them. */
static void complete(struct device *d, const uint64_t *ids, uint32_t n, uint64_t burst)
{
	struct vmbus_pkt_desc desc = {.type = VMBUS_PKT_COMPLETION, .offset8 = 2, .len8 = 3};
	uint32_t i;

	for (i = 0; i < n; i++) {
		desc.trans_id = ids[i];
		step();
		vmbus_ring_put(&d->out, &desc, NULL, 0, &ids[i], 8);
	}
	step();
	vmbus_state_h2g_commit(&cs, d->out.own, 0, burst);
	step();
	vmbus_ring_publish_write(&d->out);
}

/* Takes a burst. Returns false when there was nothing. */
static bool serve(struct device *d)
{
	int32_t avail = vmbus_ring_avail(&d->in), space = vmbus_ring_space(&d->out), n;
	struct vmbus_g2h_slot *slot = vmbus_state_g2h_next(&cs);
	struct vmbus_pkt_desc desc;
	uint32_t taken = 0;

	while (avail > 0 && taken < BURST && space >= (int32_t)(taken + 1) * 32) {
		n = vmbus_ring_peek(&d->in, (uint32_t)avail, &desc);
		cr_assert_gt(n, 0);
		step();
		slot->taken[taken++] = desc.trans_id;
		vmbus_ring_skip(&d->in, (uint32_t)n);
		avail -= n;
	}
	if (!taken)
		return false;
	step();
	slot->burst = d->burst + 1;
	slot->nr_taken = (uint16_t)taken;
	slot->read_index = d->in.own;
	step();
	vmbus_state_g2h_commit(&cs);
	d->burst++;
	step();
	vmbus_ring_publish_read(&d->in);
	complete(d, slot->taken, taken, d->burst);
	return true;
}

/* From the state alone. */
static void resume(struct device *d)
{
	const struct vmbus_g2h_slot *g = vmbus_state_g2h(&cs);
	const struct vmbus_h2g_slot *h = vmbus_state_h2g(&cs);

	vmbus_ring_init(&d->in, &g2h.ctrl, g2h.data, SIZE, g->read_index);
	vmbus_ring_init(&d->out, &h2g.ctrl, h2g.data, SIZE, h->write_index);
	d->burst = g->burst;
	step();
	vmbus_ring_publish_read(&d->in);
	step();
	vmbus_ring_publish_write(&d->out);
	if (h->burst_done == g->burst)
		return;
	cr_assert_eq(h->burst_done + 1, g->burst, "at most one burst is open");
	cr_assert_geq(vmbus_ring_space(&d->out), g->nr_taken * 32);
	complete(d, g->taken, g->nr_taken, g->burst);
}

/* ---- The guest ---------------------------------------------------------------------------- */

static void guest_send(uint32_t n)
{
	struct vmbus_pkt_desc d = {.type = VMBUS_PKT_INBAND,
				   .offset8 = 2,
				   .len8 = 3,
				   .flags = VMBUS_PKT_FLAG_COMPLETION_REQUESTED};

	while (n-- && sent < TOTAL && vmbus_ring_space(&tx) >= 32) {
		uint64_t body = sent;

		d.trans_id = sent++;
		vmbus_ring_put(&tx, &d, NULL, 0, &body, 8);
	}
	vmbus_ring_publish_write(&tx);
}

static void guest_receive(void)
{
	int32_t avail = vmbus_ring_avail(&rx), n;
	struct vmbus_pkt_desc d;

	while (avail > 0) {
		n = vmbus_ring_peek(&rx, (uint32_t)avail, &d);
		cr_assert_gt(n, 0);
		cr_assert_lt(d.trans_id, sent, "an answer to nothing");
		cr_assert_eq(answered[d.trans_id]++, 0, "packet %u is answered twice",
			     (unsigned int)d.trans_id);
		total_answers++;
		vmbus_ring_skip(&rx, (uint32_t)n);
		avail -= n;
	}
	vmbus_ring_publish_read(&rx);
}

static void start(void)
{
	memset(&g2h, 0, sizeof(g2h));
	memset(&h2g, 0, sizeof(h2g));
	memset(answered, 0, sizeof(answered));
	sent = total_answers = 0;
	vmbus_state_chan_reset(&cs);
	vmbus_ring_init(&tx, &g2h.ctrl, g2h.data, SIZE, 0);
	vmbus_ring_init(&rx, &h2g.ctrl, h2g.data, SIZE, 0);
}

static struct device dev;

/* Lives for @life steps at most. Returns true when all is answered. */
static bool live(struct prng *rng, uint32_t life)
{
	steps_left = life;
	if (setjmp(dead))
		return false;
	resume(&dev);
	while (total_answers < TOTAL) {
		guest_send(prng_below(rng, 12));
		serve(&dev);
		if (prng_below(rng, 3))
			guest_receive();
	}
	return true;
}

/* A dead device's ring indices in guest memory may be anything the guest likes: they are not read
 * back, so the guest of this test scribbles over those that are not its own. */
static void scribble(struct prng *rng)
{
	g2h.ctrl.read_index = prng_below(rng, SIZE / 8) * 8;
	h2g.ctrl.write_index = h2g.ctrl.read_index;
}

Test(prop_vmbus_commit, killed_once_after_any_step_nothing_is_lost_or_doubled, .timeout = 120)
{
	struct prng rng;
	uint32_t n;

	prng_init(&rng);
	for (n = 0; n < 400; n++) {
		start();
		if (!live(&rng, n)) {
			if (n % 2)
				scribble(&rng);
			cr_assert(live(&rng, UINT32_MAX));
		}
		guest_receive();
		cr_assert_eq(total_answers, TOTAL, "after a death at step %u", n);
	}
}

Test(prop_vmbus_commit, killed_again_and_again_nothing_is_lost_or_doubled, .timeout = 120)
{
	unsigned int i, runs = prng_steps(300), deaths = 0;
	struct prng rng;

	prng_init(&rng);
	for (i = 0; i < runs; i++) {
		start();
		while (!live(&rng, 1 + prng_below(&rng, 60))) {
			deaths++;
			guest_receive();
		}
		cr_assert_eq(total_answers, TOTAL);
	}
	cr_assert_gt(deaths, runs, "the test did kill");
}
