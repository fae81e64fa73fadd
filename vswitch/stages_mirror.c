/* SPDX-License-Identifier: BSD-3-Clause */
/* Mirroring's part of the long way: a monitor port is one more destination of a packet, or gets a clone when
 * the copy is shortened or the packet itself is dropped. */
#include <string.h>

#include "vswitch/mirror.h"
#include "vswitch/priv.h"

#define VID_MASK 0x0FFFu

/* Whether the packet is itself a copy for a monitor port. */
static bool is_mirrored(const struct vsw_run *r, const struct nethv_pkt *p)
{
	return p->ndst == 1 && (r->lc->dstv[p->dst_first].flags & NETHV_DST_MIRROR);
}

/* What is left undone cannot be done any more, and headers may be cut off. */
static void shortened(struct nethv_pkt *p)
{
	p->flags &= (uint16_t) ~(NETHV_PKT_CSUM | NETHV_PKT_LSO | NETHV_PKT_CSUM_OK |
				 NETHV_PKT_PARSED | NETHV_PKT_FRAGMENT);
	p->csum = 0;
}

static void send_clone(struct vsw_run *r, uint16_t i, unsigned int session)
{
	const struct vsw_mirror *m = r->sn->mirror;
	const struct vsw_resume at = {VSW_AT_forward, 0};
	struct nethv_pkt *p;
	struct vsw_inj *e;

	e = vsw_inj_put(r->lc, &r->v->slot[i], r->v, at, r->acct);
	if (!e) {
		r->lc->mirror_lost++;
		return;
	}
	stat_add(&r->st->copies, 1);
	p = &e->slot.pkt;
	p->flags |= NETHV_PKT_CLONE;
	p->len = vsw_mirror_len(m, session, p->len);
	if (p->hdr_len > p->len)
		p->hdr_len = (uint16_t)p->len;
	if (p->len < r->v->slot[i].pkt.len)
		shortened(p);
	if (p->vlan == VLAN_NONE && p->flags & NETHV_PKT_VLAN) /* the tag that it was dropped for */
		p->vlan = p->vlan_tci & VID_MASK;
	p->drop_reason = 0;
	e->ndst = 1;
	e->dst[0] = vsw_mirror_dst(m, session);
}

/* The list of destinations moves to the end, where it can grow. */
static void add_dst(struct vsw_run *r, struct nethv_pkt *p, unsigned int session)
{
	struct nethv_dst *dstv = r->lc->dstv;

	if (r->nr_dst + p->ndst + 1 > VSW_DSTV_MAX) {
		r->lc->mirror_lost++;
		return;
	}
	if (p->dst_first + p->ndst != r->nr_dst) {
		memcpy(&dstv[r->nr_dst], &dstv[p->dst_first], p->ndst * sizeof(dstv[0]));
		p->dst_first = r->nr_dst;
		r->nr_dst += p->ndst;
	}
	dstv[r->nr_dst++] = vsw_mirror_dst(r->sn->mirror, session);
	p->ndst++;
	stat_add(&r->st->copies, 1);
}

static bool is_due(const struct vsw_run *r, uint8_t hit, unsigned int session)
{
	uint16_t to = vsw_mirror_dst(r->sn->mirror, session).port;

	return hit >> session & 1 && to < VSW_PORTS_MAX && r->sn->port[to];
}

static void add_copies(struct vsw_run *r, uint16_t i, uint8_t hit)
{
	struct nethv_pkt *p = &r->v->slot[i].pkt;
	unsigned int session;

	for (session = 0; hit >> session; session++) {
		if (!is_due(r, hit, session))
			continue;
		if (vsw_mirror_len(r->sn->mirror, session, p->len) < p->len)
			send_clone(r, i, session);
		else
			add_dst(r, p, session);
	}
}

static void send_clones(struct vsw_run *r, uint16_t i, uint8_t hit)
{
	unsigned int session;

	for (session = 0; hit >> session; session++)
		if (is_due(r, hit, session))
			send_clone(r, i, session);
}

void vsw_stage_mirror(struct vsw_run *r)
{
	uint8_t hit[VSW_VEC_SIZE];
	uint16_t k;

	memset(hit, 0, r->n);
	vsw_mirror_match(r->sn->mirror, r->v, r->live, r->n, r->lc->dstv, hit);
	for (k = 0; k < r->n; k++)
		add_copies(r, r->live[k], hit[k]);
}

void vsw_stage_mirror_moved(struct vsw_run *r, uint16_t i)
{
	send_clones(r, i, vsw_mirror_entered(r->sn->mirror, &r->v->slot[i].pkt));
}

void vsw_stage_mirror_tunnel(struct vsw_run *r)
{
	uint16_t k;

	for (k = 0; k < r->n; k++) {
		const struct nethv_pkt *p = &r->v->slot[r->live[k]].pkt;

		add_copies(r, r->live[k],
			   vsw_mirror_leaves(r->sn->mirror, p, r->lc->dstv + p->dst_first));
	}
}

void vsw_stage_mirror_drop(struct vsw_run *r, uint16_t i, uint32_t d)
{
	const struct vsw_mirror *m = r->sn->mirror;
	const struct nethv_pkt *p = &r->v->slot[i].pkt;

	if (p->len < VSW_FRAME_MIN || is_mirrored(r, p))
		return;
	if (d == VSW_DST_NONE && p->ndst)
		send_clones(r, i, vsw_mirror_lost(m, p, r->lc->dstv + p->dst_first));
	else
		send_clones(r, i,
			    vsw_mirror_drop(m, p, d == VSW_DST_NONE ? NULL : &r->lc->dstv[d],
					    p->ndst != 0));
}
