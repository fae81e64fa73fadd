/* SPDX-License-Identifier: BSD-3-Clause */
/* The image: app=echo|l2fwd|pktgen|sink|revoke|trial, and each application's arguments. Common ones: nic=N or
 * nics=N,M, queues=N, poll=1, mtu=, rxbuf=, txbuf=, ring_pages=, vmbus=VERSION, messages=N (in a packet sent).
 *	echo	ip=A.B.C.D[/LEN] [vlan=VID]
 *	l2fwd	nics=0,1 mode=bridge|mac [copy=1] [peer0=MAC peer1=MAC] [inject=N size=S]
 *	pktgen	nic=0 dst=MAC [size=S count=N window=W burst=B rate=PPS]
 *	sink	nic=0 [flows=N]
 *	revoke	nic=0 [cycles=N frames=N wait=MICROSECONDS place=BYTES]
 *	trial	nics=0,1	and orders (trial.h)
 * Sizes are those on a wire, with the 4 bytes of FCS that nobody stores. */
#include "guest/apps/app.h"
#include "guest/apps/echo.h"
#include "guest/apps/gen.h"
#include "guest/apps/l2fwd.h"
#include "guest/apps/pkt.h"
#include "guest/apps/revoke.h"
#include "guest/apps/sink.h"

static struct app app;

/* size=, as the length of a frame without FCS. */
static uint32_t arg_len(const struct nvsc_nic *nic)
{
	uint64_t size = rt_arg_u64("size", 64);

	if (size < FLOW_LEN_MIN + PKT_FCS || size > nic->cfg.mtu + PKT_ETH_HDR + PKT_FCS)
		rt_panic("size=%lu: 64 to %u", (unsigned long)size,
			 nic->cfg.mtu + PKT_ETH_HDR + PKT_FCS);
	return (uint32_t)size - PKT_FCS;
}

/* ---- echo ---------------------------------------------------------------------------------- */

static struct echo echo[APP_WORKERS_MAX];

static void echo_setup(struct app *a)
{
	struct echo e = {0};
	uint32_t prefix;
	char text[32];
	unsigned int i;

	if (rt_arg("ip", text, sizeof(text)) < 0)
		rt_panic("ip=A.B.C.D is missing");
	if (!pkt_parse_ip(text, &e.ip, &prefix))
		rt_panic("ip=%s is not an address", text);
	e.tci = (uint16_t)rt_arg_u64("vlan", 0);
	e.has_vlan = e.tci != 0;
	memcpy(e.mac, a->nic[0].mac, 6);
	for (i = 0; i < APP_WORKERS_MAX; i++)
		echo[i] = e;
}

static unsigned int echo_round(struct app_worker *w, uint64_t tsc)
{
	return echo_poll(&echo[w->id], app_queue(w, 0));
}

static void echo_report(struct app *a, struct app_totals *t)
{
	struct echo sum = {0};
	unsigned int i;

	for (i = 0; i < a->nr_workers; i++) {
		sum.rx_packets += echo[i].rx_packets;
		sum.arp_replies += echo[i].arp_replies;
		sum.icmp_replies += echo[i].icmp_replies;
		sum.udp_replies += echo[i].udp_replies;
		sum.ignored += echo[i].ignored;
		sum.bad_checksum += echo[i].bad_checksum;
	}
	t->packets = sum.arp_replies + sum.icmp_replies + sum.udp_replies;
	app_report("rx_packets", sum.rx_packets);
	app_report("tx_packets", t->packets);
	app_report("arp_replies", sum.arp_replies);
	app_report("icmp_replies", sum.icmp_replies);
	app_report("udp_replies", sum.udp_replies);
	app_report("ignored", sum.ignored);
	app_report("bad_checksum", sum.bad_checksum);
}

const struct app_ops app_echo = {.name = "echo",
				 .nr_nics = 1,
				 .setup = echo_setup,
				 .poll = echo_round,
				 .report = echo_report};

/* ---- l2fwd --------------------------------------------------------------------------------- */

static struct l2fwd l2fwd[APP_WORKERS_MAX];

static bool is_bridge(void)
{
	char text[16];

	if (rt_arg("mode", text, sizeof(text)) < 0 || rt_arg_is("mode", "bridge"))
		return true;
	if (!rt_arg_is("mode", "mac"))
		rt_panic("mode=%s: bridge or mac", text);
	return false;
}

static uint32_t l2fwd_filter(void)
{
	return is_bridge() ? NDIS_FILTER_PROMISCUOUS : 0;
}

static void l2fwd_setup(struct app *a)
{
	struct l2fwd_cfg cfg = {.mode = is_bridge() ? L2FWD_BRIDGE : L2FWD_MAC,
				.is_copying = rt_arg_u64("copy", 0) != 0,
				.len = arg_len(&a->nic[0])};
	uint32_t inject = (uint32_t)rt_arg_u64("inject", 0);
	unsigned int i;

	memcpy(cfg.mac[0], a->nic[0].mac, 6);
	memcpy(cfg.mac[1], a->nic[1].mac, 6);
	if (cfg.mode == L2FWD_MAC || inject) {
		app_arg_mac("peer0", cfg.peer[0]);
		app_arg_mac("peer1", cfg.peer[1]);
	}
	for (i = 0; i < a->nr_workers; i++) {
		cfg.inject = inject / a->nr_workers + (i < inject % a->nr_workers);
		l2fwd_init(&l2fwd[i], &cfg);
	}
}

static unsigned int l2fwd_round(struct app_worker *w, uint64_t tsc)
{
	return l2fwd_poll(&l2fwd[w->id], app_queue(w, 0), app_queue(w, 1));
}

static void l2fwd_report(struct app *a, struct app_totals *t)
{
	uint64_t out[2] = {0}, copies = 0, bursts = 0;
	unsigned int i;

	for (i = 0; i < a->nr_workers; i++) {
		out[0] += l2fwd[i].forwarded[0];
		out[1] += l2fwd[i].forwarded[1];
		copies += l2fwd[i].copies;
		bursts += l2fwd[i].bursts;
	}
	t->packets = out[0] + out[1];
	app_report("forwarded", t->packets);
	app_report("forwarded_0", out[0]);
	app_report("forwarded_1", out[1]);
	app_report("copies", copies);
	app_report("bursts", bursts);
}

const struct app_ops app_l2fwd = {.name = "l2fwd",
				  .nr_nics = 2,
				  .filter = l2fwd_filter,
				  .setup = l2fwd_setup,
				  .poll = l2fwd_round,
				  .report = l2fwd_report};

/* ---- pktgen -------------------------------------------------------------------------------- */

static struct gen gen[APP_WORKERS_MAX];

/* Addresses whose answers come to the queue of the same number: then no credit has to be passed on. */
static void pick_addresses(const struct nvsc_nic *nic, struct flow_id *id)
{
	id->src_ip = 0x0a630001u; /* 10.99.0.1 to 10.99.1.x */
	for (id->dst_ip = 0x0a630101u; id->dst_ip < 0x0a6301ffu; id->dst_ip++) {
		if (nvsc_rss_queue(nic, id->dst_ip, id->src_ip) == id->flow)
			return;
	}
}

static void pktgen_setup(struct app *a)
{
	struct gen_cfg cfg = {.len = arg_len(&a->nic[0]),
			      .id.epoch = (uint16_t)rt_random(),
			      .window = (uint32_t)rt_arg_u64("window", 512),
			      .burst = (uint32_t)rt_arg_u64("burst", 32),
			      .rate = rt_arg_u64("rate", 0) / a->nr_workers,
			      .tsc_hz = rt_tsc_hz()};
	uint64_t count = rt_arg_u64("count", 0);
	unsigned int i;

	if (!cfg.window || cfg.window > SEQ_WINDOW / 2 || !cfg.burst || cfg.burst > cfg.window)
		rt_panic("window=%u burst=%u: 1 <= burst <= window <= %u", cfg.window, cfg.burst,
			 SEQ_WINDOW / 2);
	flow_init();
	app_arg_mac("dst", cfg.id.dst);
	memcpy(cfg.id.src, a->nic[0].mac, 6);
	for (i = 0; i < a->nr_workers; i++) {
		cfg.id.flow = (uint8_t)i;
		pick_addresses(&a->nic[0], &cfg.id);
		cfg.count = count / a->nr_workers + (i < count % a->nr_workers);
		gen_init(&gen[i], &cfg);
	}
	gen_join(gen, a->nr_workers);
}

static unsigned int pktgen_round(struct app_worker *w, uint64_t tsc)
{
	return gen_poll(&gen[w->id], app_queue(w, 0), tsc);
}

static void pktgen_report(struct app *a, struct app_totals *t)
{
	uint64_t sent = 0, acked = 0, timeouts = 0, corrupted = 0, done = 0, confirmed = 0;
	struct flow_report sum = {0};
	unsigned int i;

	for (i = 0; i < a->nr_workers; i++) {
		sent += gen[i].seq;
		acked += gen[i].acked;
		timeouts += gen[i].credits_timeouts;
		corrupted += gen[i].corrupted + gen[i].report.corrupted;
		sum.unique += gen[i].report.unique;
		sum.lost += gen[i].report.lost;
		sum.duplicated += gen[i].report.duplicated;
		sum.reordered += gen[i].report.reordered;
		done += gen[i].state == GEN_DONE;
		confirmed += gen[i].has_report;
	}
	t->packets = sent;
	t->is_done = done == a->nr_workers;
	app_report("tx_packets", sent);
	app_report("acked", acked);
	app_report("rx_packets", sum.unique); /* at the sink, as it last said */
	app_report("lost", sum.lost);
	app_report("duplicated", sum.duplicated);
	app_report("reordered", sum.reordered);
	app_report("corrupted", corrupted);
	app_report("credits_timeouts", timeouts);
	app_report("rtt_min_ns", app_to_ns(gen[0].rtt.min));
	app_report("rtt_p50_ns", app_to_ns(hist_quantile(&gen[0].rtt, 500000)));
	app_report("rtt_p99_ns", app_to_ns(hist_quantile(&gen[0].rtt, 990000)));
	app_report("confirmed", confirmed);
	app_report("done", t->is_done);
}

static bool pktgen_finish(struct app *a, uint64_t tsc)
{
	bool is_done = true;
	unsigned int i;

	for (i = 0; i < a->nr_workers; i++) {
		__atomic_store_n(&gen[i].is_stop_wanted, true, __ATOMIC_RELAXED);
		is_done &= gen[i].state == GEN_DONE;
	}
	return is_done;
}

const struct app_ops app_pktgen = {.name = "pktgen",
				   .nr_nics = 1,
				   .setup = pktgen_setup,
				   .poll = pktgen_round,
				   .report = pktgen_report,
				   .finish = pktgen_finish};

/* ---- sink ---------------------------------------------------------------------------------- */

#define LINGER_LOOKS 200u /* a second, to answer the last questions again */

static struct sink sink[APP_WORKERS_MAX];
static uint64_t sink_flows, sink_linger;

static void sink_setup(struct app *a)
{
	unsigned int i;

	flow_init();
	sink_flows = rt_arg_u64("flows", 0);
	for (i = 0; i < a->nr_workers; i++)
		sink_init(&sink[i]);
}

static unsigned int sink_round(struct app_worker *w, uint64_t tsc)
{
	return sink_poll(&sink[w->id], app_queue(w, 0));
}

static void sink_report(struct app *a, struct app_totals *t)
{
	uint64_t rx = 0, bytes = 0, corrupted = 0, strange = 0, credits = 0, finished = 0;
	struct sink_totals sum = {0}, one;
	unsigned int i;

	for (i = 0; i < a->nr_workers; i++) {
		sink_totals(&sink[i], &one);
		sum.lost += one.lost;
		sum.duplicated += one.duplicated;
		sum.reordered += one.reordered;
		rx += sink[i].rx_packets;
		bytes += sink[i].rx_bytes;
		corrupted += sink[i].corrupted;
		strange += sink[i].strange;
		credits += sink[i].credits;
		finished += sink[i].finished;
	}
	t->packets = rx;
	t->is_done = sink_flows && finished >= sink_flows && ++sink_linger > LINGER_LOOKS;
	app_report("rx_packets", rx);
	app_report("rx_bytes", bytes);
	app_report("tx_packets", credits);
	app_report("lost", sum.lost);
	app_report("duplicated", sum.duplicated);
	app_report("reordered", sum.reordered);
	app_report("corrupted", corrupted);
	app_report("strange", strange);
	app_report("flows_finished", finished);
	app_report("done", sink_flows && finished >= sink_flows);
}

const struct app_ops app_sink = {.name = "sink",
				 .nr_nics = 1,
				 .setup = sink_setup,
				 .poll = sink_round,
				 .report = sink_report};

/* ---- revoke -------------------------------------------------------------------------------- */

static struct revoke revoke;

static void revoke_setup(struct app *a)
{
	if (a->nr_workers != 1)
		rt_panic("queues=%u: the buffer is revoked by one", a->nr_workers);
	revoke.cycles_max = rt_arg_u64("cycles", 1000);
	revoke.frames_each = (uint32_t)rt_arg_u64("frames", 64);
	revoke.place = (uint32_t)rt_arg_u64("place", 0);
	revoke.wait = rt_arg_u64("wait", 2000) * 10;
}

static unsigned int revoke_round(struct app_worker *w, uint64_t tsc)
{
	int rc = revoke_poll(&revoke, app_queue(w, 0));

	if (rc < 0)
		rt_panic("cycle %lu: error %d", (unsigned long)revoke.cycles, rc);
	return (unsigned int)rc;
}

static void revoke_report(struct app *a, struct app_totals *t)
{
	t->packets = revoke.rx_packets;
	t->is_done = revoke.cycles == revoke.cycles_max;
	app_report("cycles", revoke.cycles);
	app_report("rx_packets", revoke.rx_packets);
	app_report("placed", revoke.placed);
	app_report("placed_cycles", revoke.placed_cycles);
	app_report("numbered", revoke.numbered);
	app_report("late", revoke.late);
	app_report("corrupted", revoke.corrupted);
	app_report("compared_bytes", revoke.compared);
	app_report("damaged_bytes", revoke.damaged);
	app_report("damaged_cycles", revoke.damaged_cycles);
	app_report("damaged_at", revoke.damaged_at);
	app_report("done", t->is_done);
}

const struct app_ops app_revoke = {.name = "revoke",
				   .nr_nics = 1,
				   .setup = revoke_setup,
				   .poll = revoke_round,
				   .report = revoke_report};

/* ---- Start --------------------------------------------------------------------------------- */

int app_main(void)
{
	static const struct app_ops *const apps[] = {&app_echo, &app_l2fwd,  &app_pktgen,
						     &app_sink, &app_revoke, &app_trial};
	unsigned int i;

	for (i = 0; i < sizeof(apps) / sizeof(apps[0]); i++) {
		if (rt_arg_is("app", apps[i]->name))
			return app_run(&app, apps[i]);
	}
	rt_panic("app=: echo, l2fwd, pktgen, sink, revoke or trial");
}
