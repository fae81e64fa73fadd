/* SPDX-License-Identifier: BSD-3-Clause */
/* The overlay's part of the long way: the calls of vswitch/overlay/ around a vector. A copy for another host
 * is a packet of its own behind forwarding, with the uplink as its destination. */
#include <string.h>

#include "vswitch/overlay/overlay.h"
#include "vswitch/priv.h"

_Static_assert(VSW_INJ_QUEUE >= VSW_VEC_SIZE * VSW_OVERLAY_REMOTES_MAX, "room for broadcasts");

static void set_uplink(struct vsw_run *r, struct vsw_inj *e)
{
	e->ndst = 1;
	e->dst[0] = (struct nethv_dst){.port = vsw_overlay_uplink(r->sn->overlay)};
	e->slot.pkt.vlan = vsw_overlay_vlan(r->sn->overlay);
	e->slot.pkt.vsid = 0;
	e->slot.pkt.flags &= (uint16_t) ~(NETHV_PKT_NATIVE | NETHV_PKT_VLAN);
}

/* The uplink may have been taken out of the underlay's VLAN: then nothing may leave there. */
static uint16_t why_not_out(const struct vsw_run *r)
{
	const struct vsw_port *to = r->sn->port[vsw_overlay_uplink(r->sn->overlay)];

	if (!to)
		return VSW_DROP_port_down;
	return vsw_port_in_vlan(to, vsw_overlay_vlan(r->sn->overlay)) ? VSW_DROP_none
								      : VSW_DROP_vlan_denied;
}

/* ARP and the like, by nobody's port. */
static void send_own(struct vsw_run *r)
{
	const struct vsw_resume at = {VSW_AT_forward, 0};
	uint8_t frame[VSW_OVERLAY_FRAME_MAX];
	uint32_t len;

	while ((len = vsw_overlay_next_frame(r->sn->overlay, r->lc->index, frame))) {
		if (why_not_out(r))
			continue;
		if (!vsw_inject_frame(r->lc, frame, len, at))
			return; /* asked for again at the next tick */
		set_uplink(r, &r->lc->inj.e[r->lc->inj.n - 1]);
		r->lc->inj.e[r->lc->inj.n - 1].slot.pkt.src_port = NETHV_PORT_DEFAULT;
	}
}

/* What a port may not send is not learned from either. */
static void guard(struct vsw_run *r)
{
	uint16_t k;

	for (k = 0; k < r->n; k++) {
		const struct nethv_pkt *p = &r->v->slot[r->live[k]].pkt;

		if (vsw_mac_num(vsw_hdr(p) + 6) != r->src->mac)
			vsw_stage_drop(r, r->live[k], VSW_DROP_spoofed_mac, NULL, NULL);
	}
	vsw_stage_sweep(r);
}

/* Of the others it is known already. */
static uint16_t strangers(const struct vsw_run *r, uint16_t *idx)
{
	uint16_t k, n = 0;

	for (k = 0; k < r->n; k++)
		if (!(r->v->slot[r->live[k]].pkt.flags & NETHV_PKT_NATIVE))
			idx[n++] = r->live[k];
	return n;
}

static void take_results(struct vsw_run *r, const struct vsw_overlay_io *io, const uint16_t *idx,
			 uint16_t n)
{
	uint16_t k;

	for (k = 0; k < n; k++) {
		struct nethv_pkt *p = &r->v->slot[idx[k]].pkt;

		p->vsid = io->vsid[idx[k]];
		if (io->why[k])
			vsw_stage_drop(r, idx[k], io->why[k], NULL, NULL);
		else
			vsw_parse(p);
	}
	vsw_stage_sweep(r);
}

static void enter(struct vsw_run *r)
{
	uint16_t idx[VSW_VEC_SIZE], why[VSW_VEC_SIZE] = {0}, n;
	uint32_t vsid[VSW_VEC_SIZE];
	const struct vsw_overlay_io io = {.now_s = r->lc->now_s, .vsid = vsid, .why = why};

	if (r->src && r->src->is_guarded && vsw_overlay_is_native(r->sn->overlay, r->src_id))
		guard(r);
	n = strangers(r, idx);
	vsw_overlay_ingress(r->sn->overlay, r->v, idx, n, &io);
	take_results(r, &io, idx, n);
}

void vsw_stage_overlay_in(struct vsw_run *r)
{
	enter(r);
	send_own(r);
}

/* An extension's packet from a port of a subnet, or one that it gave such a source, is the subnet's. */
void vsw_stage_overlay_again(struct vsw_run *r)
{
	if (r->from < VSW_AT_forward && r->n && vsw_overlay_is_native(r->sn->overlay, r->src_id))
		enter(r);
	if (unlikely(r->sn->mirror != NULL) && r->from == VSW_AT_forward && !r->below)
		vsw_stage_mirror_tunnel(r);
}

/* One encapsulated copy. The first one may be the packet itself: then it is none in the books. Returns why it
 * did not go. */
static uint16_t send_remote(struct vsw_run *r, uint16_t i, uint16_t vtep, bool is_copy)
{
	const struct vsw_overlay_to to = {
		.vsid = r->v->slot[i].pkt.vsid,
		.now_s = r->lc->now_s,
		.vtep = vtep,
	};
	const struct vsw_resume at = {VSW_AT_forward, 0};
	struct vsw_overlay_head h;
	uint16_t why = why_not_out(r);
	struct vsw_inj *e = NULL;

	if (is_copy)
		stat_add(&r->st->copies, 1);
	if (!why)
		why = vsw_overlay_head(r->sn->overlay, r->v, i, &to, &h);
	if (!why) {
		e = vsw_inj_put(r->lc, &r->v->slot[i], r->v, at, r->acct);
		if (e && !vsw_head_replace(r->lc, &e->slot, 0, h.b, h.len)) {
			set_uplink(r, e);
			return VSW_DROP_none;
		}
		if (e)
			r->lc->inj.n--;
		why = VSW_DROP_no_room;
	}
	if (is_copy)
		vsw_stage_lose(r, i, vsw_overlay_uplink(r->sn->overlay), why);
	return why;
}

/* It has no destination here: the copies that went into tunnels are it. */
static void moved(struct vsw_run *r, uint16_t i, uint16_t first_lost)
{
	if (first_lost) {
		vsw_stage_drop(r, i, first_lost, NULL, NULL);
		return;
	}
	if (unlikely(r->sn->mirror != NULL))
		vsw_stage_mirror_moved(r, i);
	vsw_stage_moved(r, i);
}

/* Untagged: a port whose VLAN is another one would tag it. */
static struct nethv_dst local(const struct vsw_port *to)
{
	return (struct nethv_dst){.port = to->id, .flags = to->is_trunk ? NETHV_DST_KEEP_VLAN : 0};
}

static void route_one(struct vsw_run *r, uint16_t i, const struct vsw_overlay_route *ro)
{
	struct nethv_dst dst[VSW_PORTS_MAX];
	uint16_t k, n = 0, why, lost = 0;

	for (k = 0; k < ro->nr_ports; k++)
		if (r->sn->port[ro->port[k]])
			dst[n++] = local(r->sn->port[ro->port[k]]);
	for (k = 0; k < ro->nr_vteps; k++) {
		why = send_remote(r, i, ro->vtep[k], n || k);
		lost = k ? lost : why;
	}
	if (n)
		vsw_stage_route(r, i, dst, n);
	else if (ro->nr_vteps)
		moved(r, i, lost);
	else
		vsw_stage_drop(r, i, ro->why ? ro->why : VSW_DROP_port_down, NULL, NULL);
}

void vsw_stage_overlay_route(struct vsw_run *r)
{
	uint32_t vsid[VSW_VEC_SIZE];
	const struct vsw_overlay_io io = {.now_s = r->lc->now_s, .vsid = vsid, .why = r->why};
	struct vsw_overlay_route ro;
	uint16_t k;

	for (k = 0; k < r->n; k++) {
		struct nethv_pkt *p = &r->v->slot[r->live[k]].pkt;

		vsid[r->live[k]] = p->vsid;
		if (!(p->flags & NETHV_PKT_NATIVE) || p->drop_reason)
			continue;
		p->vlan = 0; /* whatever an extension thought */
		p->flags &= (uint16_t)~NETHV_PKT_VLAN;
		vsw_overlay_route(r->sn->overlay, r->v, r->live[k], &io, &ro);
		route_one(r, r->live[k], &ro);
	}
	send_own(r);
}

/* One lcore keeps the overlay's time. */
void vsw_stage_overlay_tick(struct vsw_lcore *lc, const struct vsw_snap *sn)
{
	struct vsw_run *r = &lc->run;

	lc->overlay_s = lc->now_s;
	if (lc->index != 0)
		return;
	vsw_overlay_tick(sn->overlay, lc->index, lc->now_s);
	r->lc = lc;
	r->sn = sn;
	r->v = &lc->more;
	r->src = NULL;
	r->acct = VSW_ACCT_SELF;
	r->st = &lc->sw->stats->port[VSW_ACCT_SELF].lcore[lc->index];
	lc->inj.made = 0;
	send_own(r);
	vsw_stages_finish(lc, sn);
}
