/* SPDX-License-Identifier: BSD-3-Clause */
/* The whole synthetic path in one thread: our guest driver and applications, VMBus server and backend,
 * NetVSP, the switch. The guest's memory is the test's; its pages can be shuffled. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/err.h"
#include "guest/apps/gen.h"
#include "guest/apps/l2fwd.h"
#include "guest/apps/sink.h"
#include "guest/netvsc/nvsc.h"
#include "netvsp/netvsp.h"
#include "tests/support/eal.h"
#include "tests/support/fakeport.h"
#include "tests/support/vmbus_loop.h"
#include "vswitch/vswitch.h"

#define PAGE	  4096ul
#define AREAS_MAX 64
#define TIMEOUT	  100000000ull /* 10 s */

TestSuite(e2e, .init = eal_up, .timeout = 110);

/* Memory that the guest allocated: where it lies for it and for the host. */
struct area {
	uint8_t *va;
	uint32_t nr_pages;
	uint64_t *pfn;
};

struct world {
	struct vsw *sw;
	struct netvsp *nv;
	struct netvsp_nic *vnic[2];
	struct loop *loop;
	bool is_shuffled;
	struct area area[AREAS_MAX];
	unsigned int nr_areas;
	uint64_t rng;
	struct nvsc_bus bus;
	struct nvsc_nic nic[2];
};

/* What a test varies. */
struct setting {
	uint32_t vmbus, nvsp;
	bool is_shuffled;
	uint16_t mtu;
	uint16_t queues;
	uint32_t ring_pages[2]; /* of each adapter */
};

/* ---- The guest's platform ------------------------------------------------------------------ */

static int host_post(void *ctx, uint32_t conn_id, const void *payload, uint32_t len)
{
	struct world *w = ctx;
	int rc = vmbus_server_post(loop_server(w->loop), 0, conn_id, VMBUS_MSG_TYPE_CHANNEL,
				   payload, len);

	if (rc == VMBUS_POST_NO_BUFFERS)
		return NVSC_E_AGAIN;
	if (rc == VMBUS_POST_BAD_CONNECTION)
		return NVSC_E_NODEV;
	return rc ? NVSC_E_IO : 0;
}

static int host_next_message(void *ctx, void *buf)
{
	struct world *w = ctx;

	return (int)loop_next_msg(w->loop, buf);
}

static void host_signal(void *ctx, uint32_t conn_id)
{
	struct world *w = ctx;

	loop_doorbell(w->loop, conn_id & 0xfff);
}

/* A random order of the area's pages, each of them mapped where the guest sees it. */
static void shuffle(struct world *w, struct area *a)
{
	uint32_t i, k;
	uint64_t t;
	void *at;

	for (i = a->nr_pages; i-- > 1;) {
		w->rng = w->rng * 6364136223846793005ull + 1442695040888963407ull;
		k = (uint32_t)(w->rng >> 33) % (i + 1);
		t = a->pfn[i];
		a->pfn[i] = a->pfn[k];
		a->pfn[k] = t;
	}
	a->va = mmap(NULL, a->nr_pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(a->va, MAP_FAILED);
	for (i = 0; i < a->nr_pages; i++) { /* old size 0: maps the shared page once more */
		at = mremap(loop_mem(w->loop, a->pfn[i] * PAGE), 0, PAGE,
			    MREMAP_MAYMOVE | MREMAP_FIXED, a->va + i * PAGE);
		cr_assert_eq(at, a->va + i * PAGE);
	}
}

static void *host_alloc(void *ctx, uint32_t nr_pages)
{
	struct world *w = ctx;
	struct area *a = &w->area[w->nr_areas++];
	uint64_t first = loop_alloc(w->loop, nr_pages);
	uint32_t i;

	cr_assert_leq(w->nr_areas, AREAS_MAX);
	a->nr_pages = nr_pages;
	a->pfn = calloc(nr_pages, sizeof(*a->pfn));
	for (i = 0; i < nr_pages; i++)
		a->pfn[i] = first + i;
	a->va = loop_mem(w->loop, first * PAGE);
	if (w->is_shuffled)
		shuffle(w, a);
	return a->va;
}

static uint64_t host_gpa(void *ctx, const void *ptr)
{
	struct world *w = ctx;
	const uint8_t *p = ptr;
	struct area *a;

	for (a = w->area; a < w->area + w->nr_areas; a++) {
		if (p >= a->va && p < a->va + a->nr_pages * PAGE)
			return a->pfn[(uint64_t)(p - a->va) / PAGE] * PAGE +
			       (uint64_t)(p - a->va) % PAGE;
	}
	cr_assert_fail("not guest memory");
	return 0;
}

static void host_relax(void *ctx)
{
	struct world *w = ctx;

	loop_pump(w->loop);
	fake_switch_poll(w->sw);
}

static uint64_t host_now(void *ctx)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 10000000u + (uint64_t)t.tv_nsec / 100;
}

static const struct nvsc_transport_ops host_ops = {
	.post = host_post,
	.next_message = host_next_message,
	.signal = host_signal,
	.alloc = host_alloc,
	.gpa = host_gpa,
	.relax = host_relax,
	.now = host_now,
};

/* ---- The world ----------------------------------------------------------------------------- */

static void world_up(struct world *w, const struct setting *s)
{
	struct vsw_cfg sc = {.nr_lcores = 1, .lcore_id = {1}, .poll = VSW_POLL_BUSY};
	struct netvsp_nic_cfg nc = {.partition = "loop",
				    .mtu = s->mtu,
				    .max_channels = 8,
				    .max_version = s->nvsp,
				    .allow_spoofing = true};
	struct loop_cfg lc = {.mem_bytes = 256ull << 20};
	unsigned int i;

	memset(w, 0, sizeof(*w));
	w->is_shuffled = s->is_shuffled;
	w->rng = 42;
	cr_assert_eq(vsw_create(&w->sw, &sc), 0, "%s", err_text());
	cr_assert_eq(netvsp_create(&w->nv, w->sw), 0, "%s", err_text());
	for (i = 0; i < 2; i++) {
		snprintf(nc.name, sizeof(nc.name), "vnic%u", i);
		nc.index = (uint8_t)i;
		memcpy(nc.mac, (uint8_t[6]){2, 0, 0, 0, 0, (uint8_t)(i + 1)}, 6);
		cr_assert_eq(netvsp_nic_create(&w->vnic[i], w->nv, &nc), 0, "%s", err_text());
	}
	lc.backend = netvsp_backend(w->nv);
	w->loop = loop_create(&lc);
	loop_pump(w->loop);
}

static void world_down(struct world *w)
{
	unsigned int i;

	loop_destroy(w->loop);
	for (i = 0; i < 2; i++)
		netvsp_nic_destroy(w->vnic[i]);
	netvsp_destroy(w->nv);
	vsw_destroy(w->sw);
	for (i = 0; i < w->nr_areas; i++)
		free(w->area[i].pfn);
}

static void guest_up(struct world *w, const struct setting *s)
{
	struct nvsc_bus_cfg bc = {
		.transport = {&host_ops, w}, .max_version = s->vmbus, .timeout = TIMEOUT};
	struct nvsc_cfg nc = {.mtu = s->mtu,
			      .nr_queues = s->queues,
			      .nr_vps = 2,
			      .max_version = s->nvsp,
			      .rx_bytes = 2u << 20,
			      .tx_bytes = 256u << 10};
	struct nvsc_chan *ch;
	unsigned int i;
	int rc = nvsc_bus_connect(&w->bus, &bc);

	cr_assert_eq(rc, 0, "connect: %d", rc);
	for (i = 0; i < 2; i++) {
		ch = nvsc_bus_nic(&w->bus, i);
		cr_assert_not_null(ch);
		nc.ring_pages = s->ring_pages[i];
		rc = nvsc_open(&w->nic[i], &w->bus, ch, &nc);
		cr_assert_eq(rc, 0, "open %u: %d", i, rc);
	}
}

static void guest_down(struct world *w)
{
	unsigned int i;
	int rc;

	for (i = 0; i < 2; i++) {
		rc = nvsc_close(&w->nic[i]);
		cr_assert_eq(rc, 0, "close %u: %d", i, rc);
	}
	rc = nvsc_bus_unload(&w->bus);
	cr_assert_eq(rc, 0, "unload: %d", rc);
	cr_assert_eq(w->bus.bad_messages, 0);
}

static struct gen gen;
static struct sink sink;
static uint16_t epoch;

static void drain(struct nvsc_nic *nic)
{
	struct nvsc_frame f[64];
	unsigned int q;

	for (q = 0; q < nic->nr_queues; q++) {
		nvsc_rx_drop(&nic->queue[q], f, nvsc_rx_burst(&nic->queue[q], f, 64));
		nvsc_flush(&nic->queue[q]);
	}
}

/* Rounds for which the sink does not poll yet, or its adapter drops everything. */
static uint64_t sink_sleeps;

/* pktgen on adapter 0, sink on adapter 1, until the last report came. */
static void transfer(struct world *w, uint32_t len, uint64_t count, uint32_t window)
{
	struct gen_cfg gc = {.len = len,
			     .id.epoch = ++epoch,
			     .count = count,
			     .window = window,
			     .burst = 32,
			     .tsc_hz = 1000000000};
	uint64_t rounds = 0, tsc = 1000;
	unsigned int q;

	flow_init();
	memcpy(gc.id.src, w->nic[0].mac, 6);
	memcpy(gc.id.dst, w->nic[1].mac, 6);
	gen_init(&gen, &gc);
	sink_init(&sink);
	while (gen.state != GEN_DONE) {
		tsc += 100;
		for (q = 0; q < w->nic[0].nr_queues; q++)
			gen_poll(&gen, &w->nic[0].queue[q], tsc);
		fake_switch_poll(w->sw);
		for (q = 0; q < w->nic[1].nr_queues && rounds >= sink_sleeps; q++)
			sink_poll(&sink, &w->nic[1].queue[q]);
		if (rounds < sink_sleeps)
			drain(&w->nic[1]);
		cr_assert_lt(++rounds, 100 * count + 100000, "stuck at %lu of %lu", gen.acked,
			     count);
	}
	cr_assert(gen.has_report);
	cr_assert_eq(gen.report.unique, count);
	cr_assert_eq(gen.report.lost, 0);
	cr_assert_eq(gen.report.duplicated, 0);
	cr_assert_eq(gen.report.corrupted + gen.corrupted + sink.corrupted, 0);
	cr_assert_eq(gen.credits_timeouts, 0);
	if (w->nic[0].nr_queues == 1)
		cr_assert_eq(gen.report.reordered, 0);
	cr_assert(fake_is_balanced(w->sw));
}

/* No buffer may be missing after traffic. */
static void nothing_is_kept(struct world *w)
{
	struct netvsp_nic_status st;
	const struct nvsc_queue *q;
	unsigned int i, k;

	for (i = 0; i < 64; i++) {
		drain(&w->nic[0]);
		drain(&w->nic[1]);
		fake_switch_poll(w->sw);
	}
	for (i = 0; i < 2; i++) {
		netvsp_nic_status(w->vnic[i], &st);
		cr_assert_eq(st.nr_sections_free, st.nr_sections, "vnic%u: %u of %u free", i,
			     st.nr_sections_free, st.nr_sections);
		for (k = 0; k < w->nic[i].nr_queues; k++) {
			q = &w->nic[i].queue[k];
			cr_assert_eq(nvsc_tx_pending(q), 0);
			cr_assert_eq(q->stats.bad_ids, 0);
			cr_assert_eq(q->stats.rx_bad, 0);
			cr_assert_eq(q->stats.tx_failed, 0);
			cr_assert_eq(q->stats.tx_lost, 0);
			cr_assert_eq(q->fault, 0);
		}
	}
}

static void whole_life(const struct setting *s, uint32_t len, uint64_t count)
{
	static struct world w;

	world_up(&w, s);
	guest_up(&w, s);
	transfer(&w, len, count, 256);
	nothing_is_kept(&w);
	guest_down(&w);
	world_down(&w);
}

/* ---- Tests --------------------------------------------------------------------------------- */

Test(e2e, small_frames_arrive_once_each_and_in_order)
{
	whole_life(&(struct setting){0}, 60, 300000);
}

Test(e2e, a_sink_that_is_not_up_yet_costs_no_frame)
{
	sink_sleeps = 10;
	whole_life(&(struct setting){0}, 60, 5000);
}

Test(e2e, every_vmbus_version_carries_traffic)
{
	static const uint32_t v[] = {VMBUS_V5_3, VMBUS_V5_2, VMBUS_V5_1, VMBUS_V5_0,
				     VMBUS_V4_1, VMBUS_V4_0, VMBUS_V3_0, VMBUS_V2_4};
	unsigned int i;

	for (i = 0; i < sizeof(v) / sizeof(v[0]); i++)
		whole_life(&(struct setting){.vmbus = v[i]}, 60, 2000);
}

Test(e2e, every_nvsp_version_carries_traffic)
{
	static const uint32_t v[] = {NVSP_V6_1, NVSP_V6, NVSP_V5, NVSP_V4, NVSP_V2, NVSP_V1};
	static struct world w;
	unsigned int i;

	for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		struct setting s = {.nvsp = v[i]};

		world_up(&w, &s);
		guest_up(&w, &s);
		cr_assert_eq(w.nic[0].version, v[i]);
		transfer(&w, 1514, 2000, 256);
		guest_down(&w);
		world_down(&w);
	}
}

Test(e2e, shuffled_pages_make_no_difference)
{
	whole_life(&(struct setting){.is_shuffled = true}, 1514, 50000);
}

Test(e2e, shuffled_pages_make_no_difference_to_jumbo_frames)
{
	whole_life(&(struct setting){.is_shuffled = true, .mtu = 9000}, 9014, 5000);
}

Test(e2e, rings_wrap_at_every_frame_size)
{
	static struct world w;
	struct setting s = {.ring_pages = {3, 3}};
	uint32_t len;

	world_up(&w, &s);
	guest_up(&w, &s);
	for (len = 60; len <= 1514; len += len < 200 ? 1 : 13)
		transfer(&w, len, 1000, 128);
	nothing_is_kept(&w);
	guest_down(&w);
	world_down(&w);
}

Test(e2e, jumbo_frames_go_from_pages_of_the_guests_own)
{
	whole_life(&(struct setting){.mtu = 9000}, 9014, 20000);
}

Test(e2e, sub_channels_are_granted_and_used)
{
	static struct world w;
	struct setting s = {.queues = 4};

	world_up(&w, &s);
	guest_up(&w, &s);
	cr_assert_eq(w.nic[0].nr_queues, 4);
	cr_assert_eq(w.nic[1].nr_queues, 4);
	transfer(&w, 60, 20000, 256);
	cr_assert_gt(w.nic[0].queue[3].stats.tx_frames, 1000);
	nothing_is_kept(&w);
	guest_down(&w);
	world_down(&w);
}

/* Four flows, each on a queue of its own at the sender; wherever the answers come. */
static void transfer_flows(struct world *w, bool is_steered)
{
	struct gen_cfg gc = {.len = 60,
			     .id = {.epoch = 1, .src_ip = 0x0a000001, .dst_ip = 0x0a000002},
			     .count = 20000,
			     .window = 128,
			     .burst = 32,
			     .tsc_hz = 1000000000};
	static struct sink sinks[4];
	static struct gen gens[4];
	unsigned int i, done = 0, rounds_left = 1000000;
	uint64_t tsc = 1000;

	flow_init();
	memcpy(gc.id.src, w->nic[0].mac, 6);
	memcpy(gc.id.dst, w->nic[1].mac, 6);
	for (i = 0; i < 4; i++) {
		gc.id.flow = (uint8_t)i;
		for (; is_steered; gc.id.dst_ip++) {
			if (nvsc_rss_queue(&w->nic[0], gc.id.dst_ip, gc.id.src_ip) == i)
				break;
		}
		gen_init(&gens[i], &gc);
		sink_init(&sinks[i]);
	}
	gen_join(gens, 4);
	while (done < 4) {
		cr_assert_gt(rounds_left--, 0);
		tsc += 100;
		for (i = done = 0; i < 4; i++) {
			gen_poll(&gens[i], &w->nic[0].queue[i], tsc);
			sink_poll(&sinks[i], &w->nic[1].queue[i]);
			done += gens[i].state == GEN_DONE;
		}
		fake_switch_poll(w->sw);
	}
	for (i = 0; i < 4; i++) {
		cr_assert(gens[i].has_report);
		cr_assert_eq(gens[i].report.unique, gc.count);
		cr_assert_eq(gens[i].report.duplicated + gens[i].report.reordered, 0);
		cr_assert_eq(gens[i].credits_timeouts, 0);
		cr_assert_eq(gens[i].strange, 0);
		if (is_steered)
			cr_assert_gt(w->nic[0].queue[i].stats.rx_frames, 100, "queue %u", i);
	}
}

Test(e2e, flows_on_several_queues_get_their_credits)
{
	struct setting s = {.queues = 4};
	static struct world w;

	world_up(&w, &s);
	guest_up(&w, &s);
	transfer_flows(&w, false);
	transfer_flows(&w, true);
	nothing_is_kept(&w);
	guest_down(&w);
	world_down(&w);
}

Test(e2e, an_adapter_opens_again_after_unload)
{
	static struct world w;
	struct setting s = {.queues = 2};
	unsigned int i;

	world_up(&w, &s);
	for (i = 0; i < 4; i++) {
		s.queues = (uint16_t)(1 + i % 2);
		guest_up(&w, &s);
		transfer(&w, 128, 2000, 64);
		guest_down(&w);
	}
	world_down(&w);
}

Test(e2e, an_adapter_opens_again_on_the_same_connection_with_another_mtu)
{
	static struct world w;
	struct setting s = {.mtu = 9000, .queues = 3};
	struct nvsc_cfg nc = {.mtu = 4000, .rx_bytes = 2u << 20, .nr_queues = 2};
	struct nvsc_chan *ch;
	unsigned int i;

	world_up(&w, &s);
	guest_up(&w, &s);
	for (i = 0; i < 2; i++) {
		ch = w.nic[i].ch;
		cr_assert_eq(nvsc_close(&w.nic[i]), 0);
		cr_assert_eq(nvsc_open(&w.nic[i], &w.bus, ch, &nc), 0);
		cr_assert_eq(w.nic[i].nr_queues, 2);
	}
	transfer(&w, 4014, 2000, 64);
	nothing_is_kept(&w);
	guest_down(&w);
	world_down(&w);
}

/* Guest and switch take @turns turns each: so much comes at once. */
static void rounds(struct world *w, struct l2fwd *l, unsigned int n, unsigned int turns)
{
	unsigned int i;

	while (n--) {
		for (i = 0; i < turns; i++)
			l2fwd_poll(l, &w->nic[0].queue[0], &w->nic[1].queue[0]);
		for (i = 0; i < turns; i++)
			fake_switch_poll(w->sw);
	}
}

/* Frames circle through l2fwd and the switch: their number never changes. */
static void circulate(struct setting s, bool is_copying, uint32_t frames, unsigned int turns)
{
	struct l2fwd_cfg lc = {
		.mode = L2FWD_MAC, .is_copying = is_copying, .inject = frames, .len = 60};
	static struct world w;
	struct vsw_totals t;
	uint64_t seen, waiting;
	struct l2fwd l;
	unsigned int i;

	world_up(&w, &s);
	guest_up(&w, &s);
	for (i = 0; i < 2; i++) {
		memcpy(lc.mac[i], w.nic[i].mac, 6);
		memcpy(lc.peer[i], w.nic[!i].mac, 6);
	}
	l2fwd_init(&l, &lc);
	rounds(&w, &l, 5000, turns);
	cr_assert_eq(l.to_inject, 0);
	seen = l.forwarded[0] + l.forwarded[1];
	rounds(&w, &l, 20000, turns);
	vsw_totals_get(w.sw, &t);
	cr_assert_eq(t.drops, 0);
	seen = l.forwarded[0] + l.forwarded[1] - seen;
	cr_assert_gt(seen, 20000);
	waiting = w.nic[0].queue[0].backlog_nr + w.nic[1].queue[0].backlog_nr +
		  w.nic[0].queue[0].batch_nr + w.nic[1].queue[0].batch_nr;
	cr_assert_leq(t.in, l.forwarded[0] + l.forwarded[1] + frames - waiting);
	cr_assert_geq(t.in, l.forwarded[0] + l.forwarded[1] - waiting);
	cr_assert_eq(l.copies != 0, is_copying);
	nothing_is_kept(&w);
	vsw_totals_get(w.sw, &t);
	cr_assert_eq(t.in, l.forwarded[0] + l.forwarded[1] + frames);
	guest_down(&w);
	world_down(&w);
}

Test(e2e, frames_circle_in_place_without_loss)
{
	circulate((struct setting){0}, false, 256, 1);
}

Test(e2e, frames_circle_in_place_over_shuffled_pages)
{
	circulate((struct setting){.is_shuffled = true}, false, 100, 1);
}

Test(e2e, frames_circle_by_copying)
{
	circulate((struct setting){0}, true, 256, 3);
}

/* All circle one way: they come by a large ring and leave by a small one. */
Test(e2e, frames_that_find_a_full_ring_wait_and_are_not_lost)
{
	struct setting s = {.ring_pages = {32, 2}};
	struct l2fwd_cfg lc = {.mode = L2FWD_MAC};
	struct nvsc_queue *q;
	static struct world w;
	struct vsw_totals t;
	unsigned int sent = 0;
	struct l2fwd l;
	uint8_t *p;

	world_up(&w, &s);
	guest_up(&w, &s);
	memcpy(lc.mac[1], w.nic[1].mac, 6);
	memcpy(lc.peer[1], w.nic[0].mac, 6);
	l2fwd_init(&l, &lc);
	q = &w.nic[1].queue[0];
	while (sent < 700) {
		p = nvsc_tx_alloc(q, 60, 0, 0);
		if (p) {
			memcpy(p, l.macs[1], 12);
			sent++;
			continue;
		}
		nvsc_flush(q);
		rounds(&w, &l, 1, 16);
	}
	rounds(&w, &l, 5000, 16);
	cr_assert_gt(q->stats.backlog, 1000);
	nothing_is_kept(&w);
	vsw_totals_get(w.sw, &t);
	cr_assert_eq(t.drops, 0);
	cr_assert_eq(t.in, l.forwarded[1] + sent);
	guest_down(&w);
	world_down(&w);
}
