/* SPDX-License-Identifier: BSD-3-Clause */
/* The overlay's part of the long way: the calls of vswitch/overlay/ around a vector. A copy for another host
 * is a packet of its own behind forwarding, with the uplink as its destination. */
#include <string.h>

#include "vswitch/overlay/overlay.h"
#include "vswitch/priv.h"

static void set_uplink(struct vsw_run *r, struct vsw_inj *e)
{
	e->ndst = 1;
	e->dst[0] = (struct nethv_dst){.port = vsw_overlay_uplink(r->sn->overlay)};
	e->slot.pkt.vlan = vsw_overlay_vlan(r->sn->overlay);
	e->slot.pkt.vsid = 0;
	e->slot.pkt.flags &= (uint16_t) ~(NETHV_PKT_NATIVE | NETHV_PKT_VLAN);
}

/* ARP and the like, by nobody's port. */
static void send_own(struct vsw_run *r)
{
	const struct vsw_resume at = {VSW_AT_forward, 0};
	uint8_t frame[VSW_OVERLAY_FRAME_MAX];
	uint32_t len;

	while ((len = vsw_overlay_next_frame(r->sn->overlay, r->lc->index, frame))) {
		if (!vsw_inject_frame(r->lc, frame, len, at))
			return; /* asked for again at the next tick */
		set_uplink(r, &r->lc->inj.e[r->lc->inj.n - 1]);
		r->lc->inj.e[r->lc->inj.n - 1].slot.pkt.src_port = NETHV_PORT_DEFAULT;
	}
}

void vsw_stage_overlay_in(struct vsw_run *r)
{
	uint32_t vsid[VSW_VEC_SIZE];
	const struct vsw_overlay_io io = {.now_s = r->lc->now_s, .vsid = vsid, .why = r->why};
	uint16_t k;

	memset(r->why, 0, r->n * sizeof(r->why[0]));
	vsw_overlay_ingress(r->sn->overlay, r->v, r->live, r->n, &io);
	for (k = 0; k < r->n; k++) {
		uint16_t i = r->live[k];
		struct nethv_pkt *p = &r->v->slot[i].pkt;

		p->vsid = vsid[i];
		if (r->why[k])
			vsw_stage_drop(r, i, r->why[k], NULL, NULL);
		else
			vsw_parse(p);
	}
	vsw_stage_compact(r);
	send_own(r);
}

/* One encapsulated copy. The first one may be the packet itself: then it is none in the books. */
static void send_remote(struct vsw_run *r, uint16_t i, uint16_t vtep, bool is_copy)
{
	const struct vsw_overlay_to to = {
		.vsid = r->v->slot[i].pkt.vsid,
		.now_s = r->lc->now_s,
		.vtep = vtep,
	};
	const struct vsw_resume at = {VSW_AT_forward, 0};
	struct vsw_overlay_head h;
	uint16_t why = vsw_overlay_head(r->sn->overlay, r->v, i, &to, &h);
	struct vsw_inj *e = NULL;

	if (is_copy)
		stat_add(&r->st->copies, 1);
	if (!why) {
		e = vsw_inj_put(r->lc, &r->v->slot[i], r->v, at, r->acct);
		if (e && !vsw_head_replace(r->lc, &e->slot, 0, h.b, h.len)) {
			set_uplink(r, e);
			return;
		}
		if (e)
			r->lc->inj.n--;
		why = VSW_DROP_no_room;
	}
	stat_add(&r->st->drops[why], 1);
}

static void route_one(struct vsw_run *r, uint16_t i, const struct vsw_overlay_route *ro)
{
	struct nethv_dst dst[VSW_PORTS_MAX];
	uint16_t k, n = 0;

	for (k = 0; k < ro->nr_ports; k++)
		if (r->sn->port[ro->port[k]])
			dst[n++] = (struct nethv_dst){.port = ro->port[k]};
	for (k = 0; k < ro->nr_vteps; k++)
		send_remote(r, i, ro->vtep[k], n || k);
	if (n)
		vsw_stage_route(r, i, dst, n);
	else if (ro->nr_vteps)
		vsw_stage_moved(r, i);
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
		const struct nethv_pkt *p = &r->v->slot[r->live[k]].pkt;

		vsid[r->live[k]] = p->vsid;
		if (!(p->flags & NETHV_PKT_NATIVE) || p->drop_reason)
			continue;
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
	vsw_stages_drain(lc, sn);
	lc->inj.scratch_used = 0;
}
