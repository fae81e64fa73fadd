/* SPDX-License-Identifier: BSD-3-Clause */
/* The quick way of a fresh vector, where extensions are all that there is besides forwarding: as long as none
 * of them drops or changes anything, it stays whole, and look-up and delivery are those of the short
 * way. What is not so goes on by the usual stages. */
#include <string.h>

#include <rte_branch_prediction.h>

#include "vswitch/parse.h"
#include "vswitch/priv.h"

#define ETH_IP4_BE  0x0008u /* 0x0800 as it lies in memory */
#define IP4_FRAG_BE 0xFF3Fu /* more fragments, offset; likewise */
#define IP_NO_NEXT  59u

/* The common packet: IPv4 without options, not a fragment. Else as vsw_parse() says. */
static inline void parse_quick(struct nethv_pkt *p)
{
	const uint8_t *h = vsw_hdr(p);
	uint16_t type, frag;

	memcpy(&type, h + 12, sizeof(type));
	memcpy(&frag, h + 20, sizeof(frag));
	if (unlikely(type != ETH_IP4_BE || h[14] != 0x45 || (frag & IP4_FRAG_BE) ||
		     h[23] == IP_NO_NEXT || p->hdr_len < 34 + VSW_L4_MIN)) {
		vsw_parse(p);
		return;
	}
	p->ether_type = 0x0800;
	p->l3_off = 14;
	p->l4_off = 34;
	p->l4_proto = h[23];
	p->l3_version = 4;
	p->flags |= NETHV_PKT_PARSED;
}

/* As enter(), for a vector in which each packet can be looked at as it is. False: this one is not. */
static inline __attribute__((always_inline)) bool enter_all(struct vsw_run *r, bool wants_parsed)
{
	const uint16_t safe = r->src->cfg.kind == VSW_PORT_UPLINK ? NETHV_PKT_SAFE : 0;
	const uint32_t vlan_ndst = r->src->pvid; /* vlan, and ndst behind it: none */
	const uint16_t n = r->v->n;
	const struct nethv_pkt like = {.src_port = r->src_id};
	uint64_t bytes = 0;
	uint16_t i;

	for (i = 0; i < n; i++) {
		struct nethv_pkt *p = &r->v->slot[i].pkt;

		if (unlikely(vsw_is_rare(p)))
			return false;
		bytes += p->len;
		memcpy((uint8_t *)p + VSW_CONTEXT_AT, (uint8_t *)&like + VSW_CONTEXT_AT,
		       VSW_CONTEXT_LEN);
		p->dst_first = i; /* where commit_whole() puts its destination */
		if (unlikely(safe))
			p->flags |= safe;
		memcpy(&p->vlan, &vlan_ndst, sizeof(vlan_ndst));
		if (unlikely(p->flags & NETHV_PKT_VLAN))
			p->vlan = vsw_source_vlan(r->src, p);
		if (wants_parsed)
			parse_quick(p);
	}
	stat_add(&r->st->in_bytes, bytes);
	memcpy(r->live, vsw_in_order, sizeof(r->live));
	r->n = n;
	r->is_whole = true;
	return true;
}

_Static_assert(offsetof(struct nethv_pkt, ndst) == offsetof(struct nethv_pkt, vlan) + 2, "");

static bool enter_whole(struct vsw_run *r)
{
	return r->sn->ext.wants_parsed ? enter_all(r, true) : enter_all(r, false);
}

/* All to one port: what egress wants to see of that. */
static void commit_whole(struct vsw_run *r)
{
	const struct nethv_dst to = {.port = r->lc->work.dst[0]};
	uint16_t i;

	for (i = 0; i < r->n; i++)
		r->v->slot[i].pkt.ndst = 1;
	for (i = 0; i < r->n; i++)
		r->lc->dstv[i] = to;
	r->nr_dst = r->n;
}

static void forward_whole(struct vsw_run *r)
{
	const struct vsw_ext_set *x = &r->sn->ext;
	enum vsw_station behind = VSW_AT_filter_out;
	struct vsw_lcore *lc = r->lc;

	vsw_look_up(lc, r->sn, r->src);
	if (!x->filter.has_out && !x->capture.has_out) {
		if (likely(lc->work.is_uniform))
			vsw_deliver(lc, r->v, r->st, r->sn->port[lc->work.dst[0]], vsw_in_order,
				    r->n);
		else
			vsw_scatter(lc, r->sn, r->src);
		return;
	}
	if (!lc->work.is_uniform) {
		vsw_stages_from(r, VSW_AT_policy_in);
		return;
	}
	commit_whole(r);
	if (x->filter.has_out)
		vsw_ext_run(r, &x->filter, true, 0, VSW_AT_filter_out);
	if (likely(r->is_whole) && x->capture.has_out) {
		behind = VSW_AT_capture_out;
		vsw_ext_run(r, &x->capture, true, 0, VSW_AT_capture_out);
	}
	if (likely(r->is_whole))
		vsw_deliver(lc, r->v, r->st, r->sn->port[lc->work.dst[0]], vsw_in_order, r->n);
	else
		vsw_stages_from(r, behind);
}

bool vsw_stages_quick(struct vsw_run *r)
{
	const struct vsw_ext_set *x = &r->sn->ext;
	enum vsw_station behind = VSW_AT_capture_in;

	if (!enter_whole(r))
		return false;
	if (x->capture.has_in)
		vsw_ext_run(r, &x->capture, false, 0, VSW_AT_capture_in);
	if (likely(r->is_whole) && x->filter.has_in) {
		behind = VSW_AT_filter_in;
		vsw_ext_run(r, &x->filter, false, 0, VSW_AT_filter_in);
	}
	if (likely(r->is_whole))
		forward_whole(r);
	else
		vsw_stages_from(r, behind);
	return true;
}
