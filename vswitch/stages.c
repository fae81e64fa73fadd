/* SPDX-License-Identifier: BSD-3-Clause */
/* The long way of a vector: each stage once over the packets that are still alive. Extensions are called
 * in ext/call.c. Packets made on the way follow as vectors of their own, before the vector at hand is
 * given back. */
#include "vswitch/stages.h"

#include <string.h>

#include <rte_branch_prediction.h>

#include "vswitch/offload.h"
#include "vswitch/overlay/overlay.h"
#include "vswitch/policy/policy.h"
#include "vswitch/priv.h"
#include "vswitch/see/tap.h"

#define VID_MASK 0x0FFFu

static inline struct nethv_pkt *pkt_of(const struct vsw_run *r, uint16_t i)
{
	return &r->v->slot[i].pkt;
}

/* ---- What may happen to a packet ----------------------------------------------------------- */

static void tell_drop(const struct vsw_run *r, uint16_t i, uint16_t port, uint16_t why,
		      const struct vsw_ext_view *x, const char *text)
{
	const struct vsw_tap_drop d = {
		.v = r->v,
		.i = i,
		.port = port,
		.reason = why,
		.ext = x ? x->name : NULL,
		.ext_reason = text,
	};

	if (r->sn->tap)
		vsw_tap_drop(r->sn->tap, &d);
}

static uint32_t nr_left(const struct vsw_run *r, const struct nethv_pkt *p)
{
	uint32_t d, left = 0;

	for (d = p->dst_first; d < p->dst_first + p->ndst; d++)
		left += !(r->lc->dstv[d].flags & NETHV_DST_EXCLUDED);
	return left;
}

/* Once for each packet: it may have some destinations less already. */
void vsw_stage_drop(struct vsw_run *r, uint16_t i, uint16_t why, const struct vsw_ext_view *x,
		    const char *text)
{
	struct nethv_pkt *p = pkt_of(r, i);
	uint32_t left = p->ndst ? nr_left(r, p) : 1;

	if (left)
		stat_add(&r->st->drops[why], left);
	if (unlikely(r->sn->mirror != NULL) && !p->drop_reason)
		vsw_stage_mirror_drop(r, i, VSW_DST_NONE);
	p->drop_reason = why;
	r->has_gone = true;
	tell_drop(r, i, VSW_PORT_NONE, why, x, text);
}

void vsw_stage_moved(struct vsw_run *r, uint16_t i)
{
	pkt_of(r, i)->drop_reason = VSW_MOVED;
	r->has_gone = true;
}

void vsw_stage_exclude(struct vsw_run *r, uint16_t i, uint32_t d, uint16_t why,
		       const struct vsw_ext_view *x)
{
	struct nethv_dst *dst = &r->lc->dstv[d];

	if (dst->flags & NETHV_DST_EXCLUDED)
		return;
	if (unlikely(r->sn->mirror != NULL))
		vsw_stage_mirror_drop(r, i, d);
	dst->flags |= NETHV_DST_EXCLUDED;
	stat_add(&r->st->drops[why], 1);
	tell_drop(r, i, dst->port, why, x, NULL);
}

void vsw_stage_lose(struct vsw_run *r, uint16_t i, uint16_t port, uint16_t why)
{
	stat_add(&r->st->drops[why], 1);
	tell_drop(r, i, port, why, NULL, NULL);
}

/* Takes from live[] those whose why[] is not 0. */
static void compact(struct vsw_run *r)
{
	uint16_t k, n = 0;

	for (k = 0; k < r->n; k++) {
		r->live[n] = r->live[k];
		n += r->why[k] == 0;
	}
	r->is_whole &= n == r->n;
	r->n = n;
}

void vsw_stage_sweep(struct vsw_run *r)
{
	uint16_t k;

	if (likely(!r->has_gone))
		return;
	r->has_gone = false;
	for (k = 0; k < r->n; k++)
		r->why[k] = pkt_of(r, r->live[k])->drop_reason;
	compact(r);
}

static void drop_marked(struct vsw_run *r)
{
	uint16_t k;

	for (k = 0; k < r->n; k++)
		if (r->why[k])
			vsw_stage_drop(r, r->live[k], r->why[k], NULL, NULL);
	compact(r);
}

static void tap_station(const struct vsw_run *r, enum vsw_station station)
{
	const struct vsw_tap_at at = {
		.v = r->v,
		.station = station,
		.idx = r->live,
		.n = r->n,
		.dstv = station >= VSW_AT_forward ? r->lc->dstv : NULL,
	};

	if (unlikely(r->sn->tap != NULL) && r->n)
		vsw_tap_station(r->sn->tap, &at);
}

/* ---- Entry --------------------------------------------------------------------------------- */

static void fresh(struct vsw_run *r, struct nethv_pkt *p)
{
	memset((uint8_t *)p + VSW_CONTEXT_AT, 0, VSW_CONTEXT_LEN);
	p->src_port = r->src_id;
	p->flags &= NETHV_PKT_VLAN | NETHV_PKT_CSUM | NETHV_PKT_LSO | NETHV_PKT_CSUM_OK;
	if (r->src->cfg.kind == VSW_PORT_UPLINK)
		p->flags |= NETHV_PKT_SAFE;
	p->vlan = VLAN_UNKNOWN;
	p->ndst = 0;
	p->drop_reason = 0;
}

static void find_vlan(const struct vsw_run *r, struct nethv_pkt *p)
{
	if (p->vlan != VLAN_UNKNOWN)
		return;
	if (r->src)
		p->vlan = vsw_source_vlan(r->src, p);
	else
		p->vlan = p->flags & NETHV_PKT_VLAN ? p->vlan_tci & VID_MASK : 0;
}

/* A copy for a monitor port is shown as it was: it is not judged again. */
static bool is_shown(const struct vsw_run *r, const struct nethv_pkt *p)
{
	return p->ndst == 1 && r->lc->dstv[p->dst_first].flags & NETHV_DST_MIRROR;
}

static uint16_t admit(struct vsw_run *r, struct vsw_slot *s, bool is_fresh)
{
	return !is_fresh && is_shown(r, &s->pkt) ? VSW_DROP_none : vsw_admit(r->v, s);
}

/* Fills live[] with what can be looked at. What was lost before it came may have no bytes. */
static void enter(struct vsw_run *r, bool is_fresh)
{
	struct vsw_vec *v = r->v;
	uint64_t bytes = 0;
	uint16_t i;

	r->n = 0;
	for (i = 0; i < v->n; i++) {
		struct nethv_pkt *p = &v->slot[i].pkt;
		uint16_t came_lost = p->drop_reason, lost = admit(r, &v->slot[i], is_fresh);

		bytes += p->len;
		if (is_fresh)
			fresh(r, p);
		if (unlikely(lost)) {
			p->drop_reason = came_lost;
			vsw_stage_drop(r, i, lost, NULL, NULL);
			continue;
		}
		vsw_parse(p);
		find_vlan(r, p);
		r->live[r->n++] = i;
	}
	if (is_fresh)
		stat_add(&r->st->in_bytes, bytes);
}

/* ---- Offloads done before ------------------------------------------------------------------ */

/* A guest that rewrites its bytes meanwhile gets a wrong checksum, and nothing else. */
static void finish_csum(struct vsw_run *r, struct vsw_slot *s)
{
	struct vsw_lcore *lc = r->lc;
	uint32_t used = lc->inj.scratch_used;
	uint8_t *copy = vsw_scratch(lc, s->pkt.len);
	uint32_t at = s->pkt.l4_off + (s->pkt.csum & NETHV_CSUM_TCP ? 16u : 6u);

	if (!copy)
		return;
	vsw_slot_copy_frame(r->v, s, copy);
	vsw_csum_finish(&s->pkt, copy);
	memcpy(vsw_hdr(&s->pkt) + at, copy + at, 2);
	s->pkt.flags &= (uint16_t)~NETHV_PKT_CSUM;
	lc->inj.scratch_used = used;
}

/* Makes room by letting those go that wait; they are older. */
static struct vsw_inj *put_back(struct vsw_lcore *lc, const struct vsw_snap *sn,
				const struct vsw_slot *s, uint16_t acct)
{
	const struct vsw_resume at = {VSW_AT_in, 0};
	struct vsw_inj *e = vsw_inj_put(lc, s, &lc->vec, at, acct);

	if (e)
		return e;
	vsw_stages_drain(lc, sn);
	return vsw_inj_put(lc, s, &lc->vec, at, acct);
}

static void cut(struct vsw_lcore *lc, const struct vsw_snap *sn, const struct vsw_slot *s,
		uint16_t acct)
{
	struct vsw_port_stats *st = &lc->sw->stats->port[acct].lcore[lc->index];
	uint32_t n = 0;
	struct vsw_seg g;

	vsw_seg_begin(&g, &lc->vec, s);
	while (vsw_seg_next(&g)) {
		struct vsw_inj *e = put_back(lc, sn, &g.slot, acct);

		if (!e)
			break;
		e->slot.pkt.flags |= s->pkt.flags & (NETHV_PKT_PARSED | NETHV_PKT_SAFE);
		if (n++)
			stat_add(&st->copies, 1);
	}
	if (n == 0)
		stat_add(&st->drops[VSW_DROP_no_room], 1);
}

/* All packets of the vector go on as injected ones, so that segments keep their place among them. */
static void cut_all(struct vsw_run *r)
{
	struct vsw_lcore *lc = r->lc;
	const struct vsw_snap *sn = r->sn;
	uint16_t live[VSW_VEC_SIZE], k, n = r->n, acct = r->acct;
	struct vsw_port_stats *st = r->st;

	memcpy(live, r->live, n * sizeof(live[0]));
	for (k = 0; k < n; k++) {
		const struct vsw_slot *s = &lc->vec.slot[live[k]];

		if (s->pkt.flags & NETHV_PKT_LSO)
			cut(lc, sn, s, acct);
		else if (!put_back(lc, sn, s, acct))
			stat_add(&st->drops[VSW_DROP_no_room], 1);
	}
	r->n = 0;
}

/* False: the packets went another way. */
static bool make_plain(struct vsw_run *r)
{
	uint16_t k, flags = 0;

	for (k = 0; k < r->n; k++)
		flags |= pkt_of(r, r->live[k])->flags;
	if (flags & NETHV_PKT_LSO) {
		cut_all(r);
		return false;
	}
	for (k = 0; (flags & NETHV_PKT_CSUM) && k < r->n; k++) {
		struct vsw_slot *s = &r->v->slot[r->live[k]];

		if (s->pkt.flags & NETHV_PKT_CSUM)
			finish_csum(r, s);
	}
	return true;
}

/* ---- Ingress policies ---------------------------------------------------------------------- */

static void policy_in(struct vsw_run *r)
{
	struct vsw_policy *pol = r->src ? r->sn->policy[r->src->id] : NULL;

	if (!pol || !r->n || !vsw_policy_has(pol, VSW_POLICY_INGRESS))
		return;
	memset(r->why, 0, r->n * sizeof(r->why[0]));
	vsw_policy_run(pol, VSW_POLICY_INGRESS, r->v, r->live, r->n, r->why);
	drop_marked(r);
}

/* ---- Forwarding ---------------------------------------------------------------------------- */

void vsw_stage_route(struct vsw_run *r, uint16_t i, const struct nethv_dst *dst, uint16_t n)
{
	struct nethv_pkt *p = pkt_of(r, i);

	p->dst_first = r->nr_dst;
	p->ndst = n;
	memcpy(&r->lc->dstv[r->nr_dst], dst, n * sizeof(*dst));
	r->nr_dst += n;
	if (n > 1)
		stat_add(&r->st->copies, n - 1u);
}

void vsw_stage_flood(struct vsw_run *r, uint16_t i)
{
	struct nethv_pkt *p = pkt_of(r, i);
	const struct vsw_flood *fl = r->sn->flood[p->vlan & VID_MASK];
	struct nethv_dst *dst = &r->lc->dstv[r->nr_dst];
	uint16_t k, n = 0;

	for (k = 0; fl && k < fl->nr_ports; k++)
		if (fl->port[k] != r->src_id)
			dst[n++] = (struct nethv_dst){.port = fl->port[k]};
	p->dst_first = r->nr_dst;
	p->ndst = n;
	r->nr_dst += n;
	if (n > 1)
		stat_add(&r->st->copies, n - 1u);
	if (n == 0)
		vsw_stage_drop(r, i, VSW_DROP_no_destination, NULL, NULL);
}

static void take(struct vsw_run *r, uint16_t i, uint16_t decided)
{
	struct nethv_dst dst = {.port = decided};

	if (decided < VSW_PORTS_MAX && r->sn->overlay &&
	    vsw_overlay_is_native(r->sn->overlay, decided))
		decided = DST_FLOOD; /* its address is one of a subnet, and nobody's here */
	if (decided < VSW_PORTS_MAX)
		vsw_stage_route(r, i, &dst, 1);
	else if (decided == DST_FLOOD)
		vsw_stage_flood(r, i);
	else
		vsw_stage_drop(r, i, decided - DST_DROP, NULL, NULL);
}

static uint16_t decide(const struct vsw_run *r, const struct nethv_pkt *p)
{
	if (p->vlan == VLAN_NONE)
		return DST_DROP + VSW_DROP_vlan_denied;
	return vsw_decide(r->lc, r->sn, r->src, p, p->vlan);
}

void vsw_stage_normal(struct vsw_run *r, uint16_t i)
{
	take(r, i, decide(r, pkt_of(r, i)));
}

/* As long as addresses and VLAN repeat, so does the decision. */
static void forward_normal(struct vsw_run *r)
{
	const uint8_t *last = NULL;
	uint16_t k, vlan = 0, decided = 0;

	for (k = 0; k < r->n; k++) {
		const struct nethv_pkt *p = pkt_of(r, r->live[k]);

		if (p->ndst || p->drop_reason)
			continue;
		if (unlikely(p->flags & NETHV_PKT_NATIVE)) { /* the overlay went meanwhile */
			vsw_stage_drop(r, r->live[k], VSW_DROP_overlay, NULL, NULL);
			continue;
		}
		if (!last || p->vlan != vlan || memcmp(last, vsw_hdr(p), 12) != 0) {
			decided = decide(r, p);
			last = vsw_hdr(p);
			vlan = p->vlan;
		}
		take(r, r->live[k], decided);
	}
}

/* What no forwarder may let pass: the source's own VLANs and address (POL-2). */
static void guard_source(struct vsw_run *r, bool forwarder_has_vlan)
{
	uint16_t k;

	for (k = 0; k < r->n; k++) {
		const struct nethv_pkt *p = pkt_of(r, r->live[k]);
		uint64_t smac = vsw_mac_num(vsw_hdr(p) + 6);

		r->why[k] = 0;
		if (p->vlan == VLAN_NONE && !forwarder_has_vlan && !p->vsid)
			r->why[k] = VSW_DROP_vlan_denied;
		else if (r->src && r->src->is_guarded && smac != r->src->mac)
			r->why[k] = VSW_DROP_spoofed_mac;
	}
	drop_marked(r);
}

static void forward(struct vsw_run *r)
{
	const struct vsw_ext_list *l = &r->sn->ext.forward;

	if (l->n) {
		guard_source(r, l->x[0].flags & NETHV_EXT_VLAN);
		if (r->n)
			vsw_ext_run(r, l, false, 0, VSW_AT_forward);
	}
	if (r->sn->overlay)
		vsw_stage_overlay_route(r);
	forward_normal(r);
	vsw_stage_sweep(r);
	if (unlikely(r->sn->mirror != NULL))
		vsw_stage_mirror(r);
}

/* ---- Egress -------------------------------------------------------------------------------- */

/* False: the packet is in it already. */
static bool group_add(struct vsw_work *w, uint16_t port, uint16_t i, uint32_t d)
{
	struct vsw_group *g;

	if (w->group_of[port] == 0) {
		w->group[w->nr_groups].port = port;
		w->group[w->nr_groups].n = 0;
		w->group_of[port] = (uint8_t)++w->nr_groups;
	}
	g = &w->group[w->group_of[port] - 1];
	if (g->n && g->idx[g->n - 1] == i)
		return false;
	g->dst[g->n] = d;
	g->idx[g->n++] = i;
	return true;
}

/* A monitor port that is the packet's destination, too. */
static void drop_second(struct vsw_run *r, uint32_t d)
{
	r->lc->dstv[d].flags |= NETHV_DST_EXCLUDED;
	stat_add(&r->st->drops[VSW_DROP_excluded], 1);
}

/* By destination port, in the order of arrival. No packet names a port twice. */
static void group(struct vsw_run *r)
{
	struct vsw_work *w = &r->lc->work;
	uint16_t k;

	w->nr_groups = 0;
	for (k = 0; k < r->n; k++) {
		const struct nethv_pkt *p = pkt_of(r, r->live[k]);
		uint32_t d;

		for (d = p->dst_first; d < p->dst_first + p->ndst; d++)
			if (!(r->lc->dstv[d].flags & NETHV_DST_EXCLUDED) &&
			    !group_add(w, r->lc->dstv[d].port, r->live[k], d))
				drop_second(r, d);
	}
	for (k = 0; k < w->nr_groups; k++)
		w->group_of[w->group[k].port] = 0;
}

static void policy_out(struct vsw_run *r)
{
	struct vsw_work *w = &r->lc->work;
	uint16_t why[VSW_VEC_SIZE], g, k;

	if (!r->sn->has_policy_out || !r->src)
		return;
	group(r);
	for (g = 0; g < w->nr_groups; g++) {
		struct vsw_group *gr = &w->group[g];
		struct vsw_policy *pol = r->sn->policy[gr->port];

		if (!pol || !vsw_policy_has(pol, VSW_POLICY_EGRESS))
			continue;
		memset(why, 0, gr->n * sizeof(why[0]));
		vsw_policy_run(pol, VSW_POLICY_EGRESS, r->v, gr->idx, gr->n, why);
		for (k = 0; k < gr->n; k++)
			if (why[k])
				vsw_stage_exclude(r, gr->idx[k], gr->dst[k], why[k], NULL);
	}
}

/* Those of which nothing is left; each destination was counted when it was excluded (EX-1). */
static void drop_excluded(struct vsw_run *r)
{
	uint16_t k;

	for (k = 0; k < r->n; k++)
		r->why[k] = nr_left(r, pkt_of(r, r->live[k])) == 0;
	compact(r);
}

/* Tags that an extension wants kept leave as they came, one packet after the other. */
static void deliver_kept(struct vsw_run *r, const struct vsw_port *to, uint16_t i, uint8_t flags)
{
	struct vsw_work *w = &r->lc->work;
	struct nethv_pkt *p = pkt_of(r, i);

	p->vlan_tci = w->tci[i];
	if (!(flags & NETHV_DST_KEEP_VLAN))
		p->vlan_tci &= 0xF000; /* a priority tag */
	p->flags = (uint16_t)((p->flags & ~NETHV_PKT_VLAN) | (p->vlan_tci ? NETHV_PKT_VLAN : 0));
	w->keeps_tags = true;
	vsw_deliver(r->lc, r->v, r->st, to, &i, 1);
	w->keeps_tags = false;
}

static void deliver_group(struct vsw_run *r, const struct vsw_group *g)
{
	const struct vsw_port *to = r->sn->port[g->port];
	uint8_t keep = 0;
	uint16_t k;

	if (!to) {
		stat_add(&r->st->drops[VSW_DROP_port_down], g->n);
		for (k = 0; k < g->n; k++)
			tell_drop(r, g->idx[k], g->port, VSW_DROP_port_down, NULL, NULL);
		return;
	}
	for (k = 0; k < g->n; k++)
		keep |= r->lc->dstv[g->dst[k]].flags;
	if (likely(!(keep & (NETHV_DST_KEEP_VLAN | NETHV_DST_KEEP_PRIORITY)))) {
		vsw_deliver(r->lc, r->v, r->st, to, g->idx, g->n);
		return;
	}
	for (k = 0; k < g->n; k++) {
		uint8_t flags = r->lc->dstv[g->dst[k]].flags;

		if (flags & (NETHV_DST_KEEP_VLAN | NETHV_DST_KEEP_PRIORITY))
			deliver_kept(r, to, g->idx[k], flags);
		else
			vsw_deliver(r->lc, r->v, r->st, to, &g->idx[k], 1);
	}
}

static void deliver(struct vsw_run *r)
{
	struct vsw_work *w = &r->lc->work;
	uint16_t k;

	if (unlikely(r->sn->has_via))
		vsw_stage_place(r);

	for (k = 0; k < r->n; k++) {
		const struct nethv_pkt *p = pkt_of(r, r->live[k]);

		w->tci[r->live[k]] =
			(uint16_t)((p->flags & NETHV_PKT_VLAN ? p->vlan_tci & 0xF000 : 0) |
				   (p->vlan & VID_MASK));
	}
	w->is_uniform = false;
	w->has_tags = true;
	w->keeps_tags = false;
	w->tap = r->sn->tap;
	group(r);
	for (k = 0; k < w->nr_groups; k++)
		deliver_group(r, &w->group[k]);
	w->tap = NULL;
}

/* ---- The way ------------------------------------------------------------------------------- */

static uint16_t below_at(const struct vsw_run *r, enum vsw_station station)
{
	return r->from == station ? r->below : 0;
}

static void ingress(struct vsw_run *r)
{
	const struct vsw_ext_set *x = &r->sn->ext;

	if (r->from <= VSW_AT_capture_in) {
		if (x->capture.has_in && r->n)
			vsw_ext_run(r, &x->capture, false, below_at(r, VSW_AT_capture_in),
				    VSW_AT_capture_in);
		tap_station(r, VSW_AT_capture_in);
	}
	if (r->from <= VSW_AT_filter_in) {
		if (x->filter.has_in && r->n)
			vsw_ext_run(r, &x->filter, false, below_at(r, VSW_AT_filter_in),
				    VSW_AT_filter_in);
		tap_station(r, VSW_AT_filter_in);
	}
	if (r->from < VSW_AT_policy_in) {
		policy_in(r);
		tap_station(r, VSW_AT_policy_in);
	}
	if (r->from < VSW_AT_forward && r->n) {
		forward(r);
		tap_station(r, VSW_AT_forward);
	}
}

static void egress(struct vsw_run *r)
{
	const struct vsw_ext_set *x = &r->sn->ext;

	if (r->from <= VSW_AT_forward && x->forward.n && x->forward.x[0].out && r->n)
		vsw_ext_run(r, &x->forward, true, below_at(r, VSW_AT_forward), VSW_AT_forward);
	if (r->from < VSW_AT_policy_out) {
		policy_out(r);
		drop_excluded(r);
		tap_station(r, VSW_AT_policy_out);
	}
	if (r->from <= VSW_AT_filter_out) {
		if (x->filter.has_out && r->n)
			vsw_ext_run(r, &x->filter, true, below_at(r, VSW_AT_filter_out),
				    VSW_AT_filter_out);
		drop_excluded(r);
		tap_station(r, VSW_AT_filter_out);
	}
	if (r->from <= VSW_AT_capture_out) {
		if (x->capture.has_out && r->n)
			vsw_ext_run(r, &x->capture, true, below_at(r, VSW_AT_capture_out),
				    VSW_AT_capture_out);
		tap_station(r, VSW_AT_capture_out);
	}
	if (r->n) {
		tap_station(r, VSW_AT_out);
		deliver(r);
	}
}

void vsw_stages_from(struct vsw_run *r, enum vsw_station station)
{
	uint16_t k;

	for (k = 0; k < r->n && !r->sn->ext.wants_parsed; k++)
		vsw_parse(pkt_of(r, r->live[k]));
	r->from = station;
	r->below = VSW_EXTS_MAX;
	ingress(r);
	egress(r);
}

/* What comes before the first extension. False: the packets went another way. */
static bool begin(struct vsw_run *r)
{
	if (r->sn->ext.wants_plain && !make_plain(r))
		return false;
	if (r->sn->overlay && r->n)
		vsw_stage_overlay_in(r);
	return true;
}

/* Their port is gone: without it nobody can say what they may. */
static void drop_orphans(struct vsw_run *r)
{
	uint16_t k;

	for (k = 0; k < r->n; k++)
		r->why[k] = VSW_DROP_port_down;
	drop_marked(r);
}

void vsw_stages_drain(struct vsw_lcore *lc, const struct vsw_snap *sn)
{
	struct vsw_run *r = &lc->run;

	r->lc = lc;
	r->sn = sn;
	while (vsw_inj_next(lc, r)) {
		r->src = r->src_id < VSW_PORTS_MAX ? sn->port[r->src_id] : NULL;
		r->st = &lc->sw->stats->port[r->acct].lcore[lc->index];
		enter(r, false);
		if (!r->src && r->src_id < VSW_PORTS_MAX)
			drop_orphans(r);
		if (unlikely(r->sn->overlay != NULL) && r->from > VSW_AT_in)
			vsw_stage_overlay_again(r);
		if (r->from > VSW_AT_in || begin(r)) {
			ingress(r);
			egress(r);
		}
	}
}

void vsw_stages_finish(struct vsw_lcore *lc, const struct vsw_snap *sn)
{
	vsw_stages_drain(lc, sn);
	lc->inj.scratch_used = 0;
	if (lc->hold.nr_late)
		vsw_hold_after(lc);
}

static void run(struct vsw_run *r)
{
	enter(r, true);
	if (unlikely(r->sn->tap != NULL))
		vsw_tap_enter(r->sn->tap, r->v, r->live, r->n);
	tap_station(r, VSW_AT_in);
	if (begin(r)) {
		ingress(r);
		egress(r);
	}
}

void vsw_stages_run(struct vsw_lcore *lc, const struct vsw_snap *sn, const struct vsw_port *src)
{
	struct vsw_run *r = &lc->run;

	r->lc = lc;
	r->sn = sn;
	r->v = &lc->vec;
	r->src = src;
	r->src_id = r->acct = src->id;
	r->st = &src->stats[lc->index];
	r->from = VSW_AT_in;
	r->below = 0;
	r->nr_dst = 0;
	r->has_gone = false;
	r->is_whole = false;
	lc->inj.made = 0;
	if (!sn->is_quick || !vsw_stages_quick(r))
		run(r);
	vsw_stages_finish(lc, sn);
}
