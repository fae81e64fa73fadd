/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch of the offline bench. Its lcores have no threads: their loops run here, one round at a time,
 * so that what happens is the same each time. */
#include "mgmt/ext/bed.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>

#include "base/err.h"
#include "vswitch/offload.h"
#include "vswitch/priv.h" /* an lcore's round */

#define MEMORY_MB "64"

struct bed_port {
	struct bed *bed;
	struct vsw_port *port;
	struct bed_backing how;
	unsigned int no;
	/* What the next round receives. */
	const struct bed_in *in;
	unsigned int n;
};

struct bed {
	struct vsw *sw;
	struct bed_port *port[BED_PORTS_MAX];
	bed_sink_fn sink;
	void *ctx;
	/* The burst at hand. */
	const struct bed_in *in;
	unsigned int n, lcore;
	uint8_t frame[VSW_LSO_MAX + NETHV_PRIVATE_MAX];
};

int bed_eal(void)
{
	char lcores[128] = "0@(",
	     *argv[] = {"nethv-ext",	  "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry",
			"--iova-mode=va", "-m",	       MEMORY_MB,  "--log-level", "*:critical",
			"--lcores",	  lcores,      NULL};
	int argc = sizeof(argv) / sizeof(argv[0]) - 1;
	size_t n = strlen(lcores);
	cpu_set_t may;

	CPU_ZERO(&may);
	if (sched_getaffinity(0, sizeof(may), &may))
		return err_sys(-errno, "which CPUs may be used");
	for (int cpu = 0; cpu < CPU_SETSIZE && n < sizeof(lcores) - 8; cpu++)
		if (CPU_ISSET(cpu, &may))
			n += (size_t)snprintf(lcores + n, sizeof(lcores) - n, "%s%d",
					      lcores[n - 1] == '(' ? "" : ",", cpu);
	snprintf(lcores + n, sizeof(lcores) - n, ")");
	if (rte_eal_init(argc, argv) < 0)
		return err_set(-rte_errno, "DPDK does not start: %s", rte_strerror(rte_errno));
	return 0;
}

/* ---- Ports on memory ------------------------------------------------------------------------ */

static void slot_back(const struct bed_port *bp, struct vsw_vec *v, struct vsw_slot *s,
		      const struct bed_in *in)
{
	uint32_t at;

	s->data = in->bytes;
	if (bp->how.piece == 0)
		return;
	s->sg_first = (uint16_t)v->nr_sg;
	s->sg_off = 0;
	s->sg_count = 0;
	for (at = 0; at < in->len && v->nr_sg < VSW_SG_MAX; at += bp->how.piece) {
		uint32_t len = in->len - at < bp->how.piece ? in->len - at : bp->how.piece;

		v->sg[v->nr_sg++] = (struct vsw_sg){in->bytes + at, len};
		s->sg_count++;
	}
	if (at >= in->len)
		s->data = NULL; /* else there is no room for so many pieces */
}

static void slot_fill(const struct bed_port *bp, struct vsw_vec *v, uint16_t i,
		      const struct bed_in *in)
{
	uint32_t max = bp->how.hdr_max ? bp->how.hdr_max : VSW_SNAP_SIZE - bp->how.hdr_off;
	struct vsw_slot *s = &v->slot[i];

	memset(&s->pkt, 0, sizeof(s->pkt));
	s->mbuf = NULL;
	s->token = i;
	s->pkt.hdr_off = (uint16_t)(VSW_SNAP_OFF + bp->how.hdr_off);
	s->pkt.len = in->len;
	s->pkt.hdr_len = (uint16_t)(in->len < max ? in->len : max);
	s->pkt.flags = in->flags;
	s->pkt.vlan_tci = in->tci;
	s->pkt.l3_off = in->l3_off;
	s->pkt.l4_off = in->l4_off;
	s->pkt.csum = in->csum;
	s->pkt.lso_mss = in->lso_mss;
	memcpy(vsw_hdr(&s->pkt), in->bytes, s->pkt.hdr_len);
	slot_back(bp, v, s, in);
}

static uint16_t port_rx(void *be, uint16_t q, struct vsw_vec *v)
{
	struct bed_port *bp = be;
	uint16_t n = 0;

	while (bp->n && v->n < VSW_VEC_SIZE) {
		slot_fill(bp, v, v->n++, bp->in++);
		bp->n--;
		n++;
	}
	return n;
}

static void port_rx_done(void *be, uint16_t q, struct vsw_vec *v)
{
}

/* Whose bytes it has, its time; what an extension made has the burst's. */
static uint64_t time_of(const struct bed *b, const struct vsw_slot *s)
{
	const struct bed_in *in = s->token < b->n ? &b->in[s->token] : NULL;

	if (in && s->data >= in->bytes && s->data <= in->bytes + in->len)
		return in->ts_ns;
	return b->n ? b->in[b->n - 1].ts_ns : 0;
}

static void show(struct bed_port *bp, const struct vsw_vec *v, const struct vsw_slot *s,
		 uint64_t ts)
{
	struct bed *b = bp->bed;
	const struct bed_out o = {
		.port = bp->no,
		.bytes = b->frame,
		.len = s->pkt.len,
		.tci = s->pkt.flags & NETHV_PKT_VLAN ? s->pkt.vlan_tci : -1,
		.ts_ns = ts,
	};

	vsw_slot_copy_frame(v, s, b->frame);
	if (s->pkt.flags & NETHV_PKT_CSUM)
		vsw_csum_finish(&s->pkt, b->frame);
	b->sink(b->ctx, &o);
}

static uint8_t show_segments(struct bed_port *bp, struct vsw_vec *v, const struct vsw_slot *s)
{
	uint32_t nr = vsw_lso_segments(&s->pkt);
	uint64_t bytes = 0, ts = time_of(bp->bed, s);
	struct vsw_seg g;

	vsw_seg_begin(&g, v, s);
	while (vsw_seg_next(&g)) {
		if (bp->bed->sink)
			show(bp, v, &g.slot, ts);
		bytes += g.slot.pkt.len;
	}
	return vsw_cut_add(v, &s->pkt, nr, nr, bytes, VSW_DROP_none);
}

static uint16_t port_tx(void *be, struct vsw_vec *v, const uint16_t *idx, uint16_t n,
			uint8_t *reason)
{
	struct bed_port *bp = be;
	uint16_t i;

	for (i = 0; i < n; i++) {
		const struct vsw_slot *s = &v->slot[idx[i]];

		if (s->pkt.flags & NETHV_PKT_LSO)
			reason[i] = show_segments(bp, v, s);
		else if (bp->bed->sink)
			show(bp, v, s, time_of(bp->bed, s));
	}
	return n;
}

static const struct vsw_port_ops port_ops = {
	.rx = port_rx,
	.rx_done = port_rx_done,
	.tx = port_tx,
};

static int port_number(const struct bed *b)
{
	for (unsigned int i = 0; i < BED_PORTS_MAX; i++)
		if (!b->port[i])
			return (int)i;
	return err_set(-ENOSPC, "more than %u ports", BED_PORTS_MAX);
}

int bed_port_add(struct bed *b, const struct vsw_port_cfg *cfg)
{
	struct vsw_port_cfg c = *cfg;
	struct bed_port *bp;
	int rc, no = port_number(b);

	if (no < 0)
		return no;
	bp = calloc(1, sizeof(*bp));
	if (!bp)
		return err_set(-ENOMEM, "port %s", cfg->name);
	bp->bed = b;
	bp->no = (unsigned int)no;
	c.nr_queues = (uint16_t)b->sw->nr_lcores;
	b->port[no] = bp;
	rc = vsw_port_create(&bp->port, b->sw, &c, &port_ops, bp);
	if (!rc)
		rc = vsw_port_attach(bp->port);
	if (!rc)
		return no;
	vsw_port_destroy(bp->port);
	b->port[no] = NULL;
	free(bp);
	return rc;
}

void bed_port_remove(struct bed *b, unsigned int port)
{
	struct bed_port *bp = b->port[port];

	if (!bp)
		return;
	vsw_port_detach(bp->port);
	vsw_port_destroy(bp->port);
	b->port[port] = NULL;
	free(bp);
}

struct vsw_port *bed_port(const struct bed *b, unsigned int port)
{
	return b->port[port] ? b->port[port]->port : NULL;
}

const char *bed_port_name(const struct bed *b, unsigned int port)
{
	return vsw_port_cfg(b->port[port]->port)->name;
}

void bed_port_backing(struct bed *b, unsigned int port, const struct bed_backing *how)
{
	b->port[port]->how = *how;
}

/* ---- The switch ----------------------------------------------------------------------------- */

int bed_create(struct bed **out, unsigned int nr_lcores)
{
	struct vsw_cfg cfg = {.nr_lcores = nr_lcores, .poll = VSW_POLL_BUSY, .fdb_size = 1024};
	struct bed *b = calloc(1, sizeof(*b));
	int rc;

	if (!b)
		return err_set(-ENOMEM, "no memory for a switch");
	for (unsigned int i = 0; i < nr_lcores; i++)
		cfg.lcore_id[i] = i + 1;
	rc = vsw_create(&b->sw, &cfg);
	if (rc) {
		free(b);
		return rc;
	}
	*out = b;
	return 0;
}

void bed_destroy(struct bed *b)
{
	if (!b)
		return;
	for (unsigned int i = 0; i < BED_PORTS_MAX; i++)
		bed_port_remove(b, i);
	vsw_destroy(b->sw);
	free(b);
}

struct vsw *bed_switch(struct bed *b)
{
	return b->sw;
}

void bed_sink(struct bed *b, bed_sink_fn fn, void *ctx)
{
	b->sink = fn;
	b->ctx = ctx;
}

/* Which of an lcore's queues brings the frames does not matter: all of a port are on one list. */
void bed_send(struct bed *b, unsigned int lcore, unsigned int port, const struct bed_in *in,
	      unsigned int n)
{
	struct bed_port *bp = b->port[port];

	bp->in = b->in = in;
	bp->n = b->n = n < BED_BURST_MAX ? n : BED_BURST_MAX;
	vsw_lcore_poll(b->sw->lcore[lcore], b->sw->snap, rte_rdtsc());
	bp->n = b->n = 0;
	vsw_event_process(b->sw);
}

void bed_idle(struct bed *b)
{
	for (unsigned int i = 0; i < b->sw->nr_lcores; i++)
		vsw_lcore_poll(b->sw->lcore[i], b->sw->snap, rte_rdtsc());
	vsw_event_process(b->sw);
}

static bool is_learned(const struct vsw_fdb_rec *r, void *ctx)
{
	return !r->is_static;
}

void bed_forget(struct bed *b)
{
	if (vsw_fdb_unlink_if(b->sw->fdb, is_learned, NULL))
		vsw_fdb_reclaim(b->sw->fdb); /* nobody reads it now: lcores have no threads */
}

bool bed_is_balanced(const struct bed *b)
{
	struct vsw_port_stats s;
	struct vsw_totals t;

	for (unsigned int i = 0; i < VSW_PORTS_MAX; i++) {
		uint64_t drops = 0;

		vsw_port_stats_get(b->sw, (uint16_t)i, &s);
		for (unsigned int r = 0; r < VSW_DROP_COUNT; r++)
			drops += s.drops[r];
		if (s.in_packets + s.copies != s.delivered + drops)
			return false;
	}
	vsw_totals_get(b->sw, &t);
	return t.in + t.copies == t.out + t.drops;
}
