/* SPDX-License-Identifier: BSD-3-Clause */
/* Mirroring's part of the long way: a monitor port is one more destination of a packet, or gets a clone when
 * the copy is shortened or the packet itself is dropped. */
#include <string.h>

#include "vswitch/mirror.h"
#include "vswitch/priv.h"

/* Whether the packet is itself a copy for a monitor port. */
static bool is_mirrored(const struct vsw_run *r, const struct nethv_pkt *p)
{
	return p->ndst == 1 && (r->lc->dstv[p->dst_first].flags & NETHV_DST_MIRROR);
}

static void send_clone(struct vsw_run *r, uint16_t i, unsigned int session)
{
	const struct vsw_mirror *m = r->sn->mirror;
	const struct vsw_resume at = {VSW_AT_forward, 0};
	struct nethv_pkt *p;
	struct vsw_inj *e;

	if (!vsw_inject_clone(r->lc, &r->v->slot[i], at)) {
		r->lc->mirror_lost++;
		return;
	}
	e = &r->lc->inj.e[r->lc->inj.n - 1];
	p = &e->slot.pkt;
	p->len = vsw_mirror_len(m, session, p->len);
	if (p->hdr_len > p->len)
		p->hdr_len = (uint16_t)p->len;
	if (p->len < r->v->slot[i].pkt.len) /* what is left undone cannot be done any more */
		p->flags &= (uint16_t) ~(NETHV_PKT_CSUM | NETHV_PKT_LSO);
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

void vsw_stage_mirror(struct vsw_run *r)
{
	const struct vsw_mirror *m = r->sn->mirror;
	uint8_t hit[VSW_VEC_SIZE];
	unsigned int session;
	uint16_t k;

	memset(hit, 0, r->n);
	vsw_mirror_match(m, r->v, r->live, r->n, r->lc->dstv, hit);
	for (k = 0; k < r->n; k++) {
		struct nethv_pkt *p = &r->v->slot[r->live[k]].pkt;

		for (session = 0; hit[k] >> session; session++) {
			uint16_t to = vsw_mirror_dst(m, session).port;

			if (!(hit[k] >> session & 1) || to >= VSW_PORTS_MAX || !r->sn->port[to])
				continue;
			if (vsw_mirror_len(m, session, p->len) < p->len)
				send_clone(r, r->live[k], session);
			else
				add_dst(r, p, session);
		}
	}
}

void vsw_stage_mirror_drop(struct vsw_run *r, uint16_t i, uint32_t d)
{
	const struct vsw_mirror *m = r->sn->mirror;
	const struct nethv_pkt *p = &r->v->slot[i].pkt;
	bool is_forwarded = p->ndst != 0;
	unsigned int session;
	uint8_t hit;

	if (p->len < VSW_FRAME_MIN || is_mirrored(r, p))
		return;
	hit = vsw_mirror_drop(m, p, d == VSW_DST_NONE ? NULL : &r->lc->dstv[d], is_forwarded);
	for (session = 0; hit >> session; session++) {
		uint16_t to = vsw_mirror_dst(m, session).port;

		if ((hit >> session & 1) && to < VSW_PORTS_MAX && r->sn->port[to])
			send_clone(r, i, session);
	}
}
