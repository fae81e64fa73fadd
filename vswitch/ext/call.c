/* SPDX-License-Identifier: BSD-3-Clause */
/* Calling the extensions of one class over a vector: the burst that they see, the guard, and what is done
 * with their results afterwards. */
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_cycles.h>

#include "vswitch/ext/priv.h"
#include "vswitch/overlay/overlay.h"
#include "vswitch/priv.h"
#include "vswitch/see/tap.h"

/* One call of so many is timed: reading the clock twice costs as much as a small extension. A prime, so that
 * a vector's calls take turns. */
#define TIMED 11u

static inline const void *read_only(const struct vsw_lcore *lc, const void *p)
{
	return (const char *)p + lc->ro;
}

static inline bool in_mask(const uint64_t *mask, uint16_t port)
{
	return port < VSW_PORTS_MAX && (mask[port >> 6] >> (port & 63) & 1);
}

static bool goes_to(const struct vsw_run *r, const struct nethv_pkt *p, const uint64_t *mask)
{
	uint32_t d;

	for (d = p->dst_first; d < p->dst_first + p->ndst; d++)
		if (in_mask(mask, r->lc->dstv[d].port))
			return true;
	return false;
}

/* The packets that concern the extension: on ingress all of the vector or none, by its source. */
static void choose(struct vsw_run *r)
{
	const struct vsw_ext_view *x = r->x;
	bool is_ours = !x->ports || in_mask(x->ports, r->src_id);
	uint16_t k;

	if (likely(r->is_whole && !x->ports)) {
		r->nr_sub = r->n;
		r->sub = vsw_in_order;
		r->pkt = r->lc->ro_pkt;
		return;
	}
	r->sub = r->sub_room;
	r->pkt = r->pkt_room;
	r->nr_sub = 0;
	for (k = 0; k < r->n; k++) {
		const struct nethv_pkt *p = &r->v->slot[r->live[k]].pkt;

		if (!is_ours && !(r->is_egress && goes_to(r, p, x->ports)))
			continue;
		r->pkt_room[r->nr_sub] = read_only(r->lc, p);
		r->sub_room[r->nr_sub++] = r->live[k];
	}
}

static void burst_fill(struct vsw_run *r)
{
	struct vsw_lcore *lc = r->lc;
	const struct vsw_ext_view *x = r->x;
	struct nethv_burst *b = &r->burst;
	const struct vsw_ext_out *out = x->cls == NETHV_CAPTURE ? lc->no_out : lc->out;

	memset(b, 0, sizeof(*b));
	b->size = sizeof(*b);
	b->n = r->nr_sub;
	b->lcore = lc->index;
	b->flags = (r->is_egress ? NETHV_BURST_EGRESS : 0) | NETHV_BURST_SINGLE_SOURCE;
	b->src_port = r->src_id;
	b->now_tsc = lc->vec.now_tsc;
	b->now_ns = vsw_tsc_ns(lc->sw, b->now_tsc);
	b->pkt = r->pkt;
	b->verdict = (uint16_t *)(uintptr_t)out->verdict;
	b->lcore_data = x->e->lane[lc->index].data;
	b->host = &x->e->host;
	if (r->is_egress) {
		b->dst = read_only(lc, lc->dstv);
		b->exclude = (uint8_t *)(uintptr_t)out->exclude;
	} else if (x->cls == NETHV_FORWARD) {
		b->route = lc->out->route;
	}
	r->nr_ops = r->nr_places = 0;
	r->gone = 0;
	if (x->cls == NETHV_CAPTURE)
		return;
	memset(lc->out->verdict, 0, (b->n + 3u) / 4 * 8);
	if (b->route)
		memset(lc->out->route, 0, b->n * sizeof(lc->out->route[0]));
	if (b->exclude)
		memset(lc->out->exclude, 0, (r->nr_dst + 7) & ~7u);
}

/* ---- Results ------------------------------------------------------------------------------- */

static const char *reason_text(const struct vsw_ext *e, uint16_t reason)
{
	return reason < e->code->desc.nr_reasons ? e->code->desc.reasons[reason] : NULL;
}

static void drop_one(struct vsw_run *r, uint16_t k, uint16_t reason)
{
	struct vsw_ext_counts *c = &r->x->e->lane[r->lc->index].c;

	stat_add(&c->dropped, 1);
	if (reason < NETHV_REASONS_MAX)
		stat_add(&c->drops[reason], 1);
	vsw_stage_drop(r, r->sub[k], VSW_DROP_filtered, r->x, reason_text(r->x->e, reason));
}

/* @n is rounded up to 8: behind what was written lies zero, or what nobody looks at. */
static bool is_zero(const void *at, size_t n)
{
	const uint64_t *w = at;
	uint64_t any = 0;
	size_t i;

	for (i = 0; i < (n + 7) / 8; i++)
		any |= w[i];
	return any == 0;
}

/* Verdicts are numbers that we do not trust: one without a reason still drops, and is noted. */
static void take_verdicts(struct vsw_run *r)
{
	const uint16_t *verdict = r->lc->out->verdict;
	uint16_t k;

	if (likely(is_zero(verdict, r->nr_sub * sizeof(verdict[0]))))
		return;
	for (k = 0; k < r->nr_sub; k++) {
		uint16_t v = verdict[k];

		if (likely(v == 0) || r->v->slot[r->sub[k]].pkt.drop_reason)
			continue;
		if (v > r->x->e->code->desc.nr_reasons)
			vsw_rule_broken(r->x->e, r->lc->index, VSW_RULE_reason);
		drop_one(r, k, v - 1u);
	}
}

/* Returns how many destinations are left. */
static uint32_t exclude_some(struct vsw_run *r, uint16_t i, const uint8_t *exclude)
{
	const struct nethv_pkt *p = &r->v->slot[i].pkt;
	uint32_t d, left = 0;

	for (d = p->dst_first; d < p->dst_first + p->ndst; d++) {
		if (r->lc->dstv[d].flags & NETHV_DST_EXCLUDED)
			continue;
		if (likely(!exclude[d])) {
			left++;
			continue;
		}
		stat_add(&r->x->e->lane[r->lc->index].c.excluded, 1);
		vsw_stage_exclude(r, i, d, VSW_DROP_excluded, r->x);
	}
	return left;
}

/* A packet without a destination is gone: each was counted when it was excluded (EX-1). Those that were
 * dropped are counted already, those that are held keep what they have. */
static void take_exclusions(struct vsw_run *r)
{
	uint16_t k;

	if (likely(is_zero(r->lc->out->exclude, r->nr_dst)))
		return;
	r->is_whole = false;
	for (k = 0; k < r->nr_sub; k++) {
		struct nethv_pkt *p = &r->v->slot[r->sub[k]].pkt;

		if (p->drop_reason) /* all of it is counted, or goes on elsewhere */
			continue;
		if (!exclude_some(r, r->sub[k], r->lc->out->exclude))
			vsw_stage_moved(r, r->sub[k]);
	}
}

static bool is_among(const struct nethv_dst *dst, uint16_t n, uint16_t port)
{
	uint16_t k;

	for (k = 0; k < n; k++)
		if (dst[k].port == port)
			return true;
	return false;
}

/* The destinations of one packet as the forwarder wrote them: ports that are not there are left out, and a
 * port that is named twice gets it once. */
static void take_ports(struct vsw_run *r, uint16_t i, const struct nethv_route *ro)
{
	const struct nethv_pkt *p = &r->v->slot[i].pkt;
	bool is_free = r->x->flags & NETHV_EXT_VLAN;
	struct nethv_dst dst[NETHV_ROUTE_DSTS];
	uint16_t k, n = 0, nr = ro->n < NETHV_ROUTE_DSTS ? ro->n : NETHV_ROUTE_DSTS, denied = 0;

	for (k = 0; k < nr; k++) {
		uint16_t port = ro->dst[k].port;
		const struct vsw_port *to = port < VSW_PORTS_MAX ? r->sn->port[port] : NULL;

		if (!to) {
			vsw_rule_broken(r->x->e, r->lc->index, VSW_RULE_dst);
			continue;
		}
		if (is_among(dst, n, port))
			continue;
		if ((!is_free && !vsw_port_in_vlan(to, p->vlan)) ||
		    (r->sn->overlay && vsw_overlay_is_native(r->sn->overlay, port))) {
			denied++;
			continue;
		}
		dst[n] = ro->dst[k];
		dst[n++].flags &= NETHV_DST_KEEP_VLAN | NETHV_DST_KEEP_PRIORITY;
	}
	if (n)
		vsw_stage_route(r, i, dst, n);
	else
		vsw_stage_drop(r, i, denied ? VSW_DROP_vlan_denied : VSW_DROP_no_route, r->x, NULL);
}

/* Where a native packet goes is not the forwarder's to say; it may drop it. */
static void refuse_route(struct vsw_run *r, const struct nethv_route *ro)
{
	if (ro->kind == NETHV_ROUTE_PORTS || ro->kind == NETHV_ROUTE_FLOOD)
		vsw_rule_broken(r->x->e, r->lc->index, VSW_RULE_native);
}

static void take_routes(struct vsw_run *r)
{
	uint16_t k;

	for (k = 0; k < r->nr_sub; k++) {
		const struct nethv_route ro = r->lc->out->route[k];
		uint16_t i = r->sub[k];

		if (r->v->slot[i].pkt.drop_reason)
			continue;
		if (unlikely(r->v->slot[i].pkt.flags & NETHV_PKT_NATIVE)) {
			refuse_route(r, &ro);
			continue;
		}
		switch (ro.kind) {
		case NETHV_ROUTE_PORTS: take_ports(r, i, &ro); break;
		case NETHV_ROUTE_FLOOD: vsw_stage_flood(r, i); break;
		case NETHV_ROUTE_NORMAL: vsw_stage_normal(r, i); break;
		default: vsw_stage_drop(r, i, VSW_DROP_no_route, r->x, NULL);
		}
	}
}

static void tell_tap(const struct vsw_run *r)
{
	static const uint16_t passed[VSW_VEC_SIZE];
	const struct vsw_tap_at at = {
		.v = r->v,
		.station = r->station,
		.idx = r->sub,
		.n = r->nr_sub,
		.dstv = r->is_egress ? r->lc->dstv : NULL,
	};

	vsw_tap_ext(r->sn->tap, &at, r->x->name,
		    r->x->cls == NETHV_CAPTURE ? passed : r->lc->out->verdict, r->tsc);
}

static void count(struct vsw_run *r)
{
	struct vsw_ext_counts *c = &r->x->e->lane[r->lc->index].c;

	stat_add(&c->packets, r->nr_sub);
	stat_add(&c->bursts, 1);
	if (r->is_timed) {
		stat_add(&c->timed, r->nr_sub);
		stat_add(&c->tsc, r->tsc);
	}
}

/* In the order in which they depend on each other: what changes packets, what takes them away, where the
 * rest goes. */
static void results(struct vsw_run *r)
{
	count(r);
	if (unlikely(r->sn->tap != NULL))
		tell_tap(r);
	if (r->nr_ops)
		vsw_ops_do(r);
	if (r->x->cls == NETHV_CAPTURE)
		return;
	take_verdicts(r);
	if (r->is_egress)
		take_exclusions(r);
	else if (r->x->cls == NETHV_FORWARD)
		take_routes(r);
	vsw_stage_sweep(r);
}

/* ---- Calls --------------------------------------------------------------------------------- */

/* A faulted one lets packets pass, unless it is to fail closed. */
static void pass_by(struct vsw_run *r)
{
	uint16_t k;

	if (!r->x->is_fail_closed)
		return;
	for (k = 0; k < r->nr_sub; k++)
		vsw_stage_drop(r, r->sub[k], VSW_DROP_filtered, r->x,
			       "faulted: the extension is detached and fails closed");
	vsw_stage_sweep(r);
}

static bool is_timed(struct vsw_run *r)
{
	if (likely(r->lc->untimed) && likely(r->sn->tap == NULL)) {
		r->lc->untimed--;
		return false;
	}
	r->lc->untimed = TIMED - 1;
	return true;
}

static void call_one(struct vsw_run *r, struct vsw_guard *g)
{
	void (*fn)(void *, struct nethv_burst *) = r->is_egress ? r->x->out : r->x->in;
	uint64_t t;

	if (!fn && !(r->x->is_fail_closed && !r->is_egress))
		return;
	choose(r);
	if (r->nr_sub == 0)
		return;
	if (unlikely(__atomic_load_n(&r->x->e->is_faulted, __ATOMIC_RELAXED))) {
		pass_by(r);
		return;
	}
	if (!fn)
		return;
	burst_fill(r);
	r->is_timed = is_timed(r);
	t = r->is_timed ? rte_rdtsc() : 0;
	vsw_guard_enter(g, r->x->e, r->is_egress ? "egress" : "ingress", r->x->budget_ns);
	fn(r->x->inst, &r->burst);
	vsw_guard_leave(g);
	if (r->is_timed)
		r->tsc = rte_rdtsc() - t;
	results(r);
}

static const struct vsw_ext_view *view_at(const struct vsw_run *r)
{
	return &r->list->x[r->is_egress ? r->list->n - 1u - r->pos : r->pos];
}

/* After a fault we are here again by a jump: what lives in *r is as it was. */
static void fault(struct vsw_run *r, const struct vsw_guard *g)
{
	vsw_hold_undo(r);
	r->nr_ops = 0;
	vsw_ext_faulted(r->x->e, g, r->lc->index, r->nr_sub);
	pass_by(r);
}

void vsw_ext_run(struct vsw_run *r, const struct vsw_ext_list *list, bool is_egress, uint16_t below,
		 enum vsw_station station)
{
	struct vsw_guard *g = &r->lc->guard;

	if (unlikely(vsw_guard_mine() != g))
		vsw_guard_attach(g);
	vsw_watchdog_need(r->sn->watchdog);
	r->list = list;
	r->is_egress = is_egress;
	r->is_poll = false;
	r->station = station;
	r->pos = below;
	if (sigsetjmp(g->env, 0)) {
		fault(r, g);
		r->pos++;
	}
	for (; r->pos < r->list->n && r->n; r->pos++) {
		r->x = view_at(r);
		call_one(r, g);
	}
}

/* ---- Without packets ----------------------------------------------------------------------- */

static void poll_fill(struct vsw_run *r, const struct vsw_ext_view *x)
{
	r->x = x;
	r->n = r->nr_sub = 0;
	r->is_poll = true;
	r->is_egress = false;
	r->src = NULL;
	r->src_id = NETHV_PORT_DEFAULT;
	r->acct = VSW_ACCT_SELF;
	r->st = &r->lc->sw->stats->port[VSW_ACCT_SELF].lcore[r->lc->index];
	r->nr_dst = 0;
	burst_fill(r);
	r->burst.flags |= NETHV_BURST_POLL;
}

static void poll_call(struct vsw_run *r, struct vsw_guard *g, const char *name,
		      void (*fn)(void *, struct nethv_burst *))
{
	uint64_t t = rte_rdtsc();

	vsw_guard_enter(g, r->x->e, name, r->x->budget_ns);
	fn(r->x->inst, &r->burst);
	vsw_guard_leave(g);
	stat_add(&r->x->e->lane[r->lc->index].c.tsc_poll, rte_rdtsc() - t);
	if (r->nr_ops)
		vsw_ops_do(r);
}

/* A flush is over when nothing is held any more. Who forgets some, or faulted, gets ours. */
static void flush(struct vsw_run *r, struct vsw_guard *g, uint32_t wanted)
{
	struct vsw_ext *e = r->x->e;
	struct vsw_ext_lane *lane = &e->lane[r->lc->index];

	if (e->code->desc.flush && !__atomic_load_n(&e->is_faulted, __ATOMIC_RELAXED))
		poll_call(r, g, "flush", e->code->desc.flush);
	if (vsw_hold_release_all(r))
		__atomic_store_n(&lane->flushed, wanted, __ATOMIC_RELEASE);
}

static void poll_one(struct vsw_run *r, struct vsw_guard *g)
{
	struct vsw_ext *e = r->x->e;
	uint32_t wanted = __atomic_load_n(&e->flush_wanted, __ATOMIC_ACQUIRE);

	poll_fill(r, r->x);
	if (unlikely((wanted & 1) && wanted != e->lane[r->lc->index].flushed))
		flush(r, g, wanted);
	else if (r->x->poll && !__atomic_load_n(&e->is_faulted, __ATOMIC_RELAXED))
		poll_call(r, g, "poll", r->x->poll);
	else if (__atomic_load_n(&e->is_faulted, __ATOMIC_RELAXED))
		vsw_hold_release_all(r);
}

void vsw_ext_poll(struct vsw_lcore *lc, const struct vsw_snap *sn)
{
	const struct vsw_ext_list *l = &sn->ext.filter;
	struct vsw_guard *g = &lc->guard;
	struct vsw_run *r = &lc->run;

	if (unlikely(vsw_guard_mine() != g))
		vsw_guard_attach(g);
	vsw_watchdog_need(sn->watchdog);
	r->lc = lc;
	r->sn = sn;
	r->v = &lc->more;
	r->list = l;
	r->station = VSW_AT_filter_in;
	lc->inj.made = 0;
	r->pos = 0;
	if (sigsetjmp(g->env, 0)) {
		r->nr_ops = 0;
		vsw_ext_faulted(r->x->e, g, lc->index, 0);
		r->pos++;
	}
	for (; r->pos < r->list->n; r->pos++) {
		r->x = &r->list->x[r->pos];
		if (r->x->flags & NETHV_EXT_HOLDS)
			poll_one(r, g);
	}
	vsw_stages_finish(lc, sn);
}
