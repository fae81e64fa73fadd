/* SPDX-License-Identifier: BSD-3-Clause */
/* The stages of a vector: validate, VLAN of the source port, spoof guard, learning, look-up, group by
 * destination, deliver, account.
 *
 * Packets of one vector tend to repeat: those between two adapters carry the same addresses, so the
 * verdict of the packet before is kept and used again when addresses and tag are the same. A vector
 * of which all packets go to one port with one tag does no more than that for each packet. */
#include <string.h>

#include <emmintrin.h>

#include <rte_branch_prediction.h>

#include "base/load.h"
#include "vswitch/direct.h"
#include "vswitch/priv.h"
#include "vswitch/see/tap.h"

#define TAG_LEN	   4u
#define TAG_IS_SET 0x10000u
#define VID_MASK   0x0FFFu
#define ALIKE_MIN  4u /* packets that pay for a look at all of them first */

/* Addresses and tag of a packet, and what was decided for them. */
struct verdict {
	uint64_t dst_src_hi; /* destination, and the first two bytes of the source */
	uint32_t src_lo;
	uint32_t tag; /* TAG_IS_SET | TCI, or 0 */
	uint16_t dst;
	uint16_t tci;
};

static inline uint32_t pkt_tag(const struct nethv_pkt *p)
{
	return p->flags & NETHV_PKT_VLAN ? TAG_IS_SET | p->vlan_tci : 0;
}

/* The VLAN that a frame with @tag from @src belongs to, or VLAN_NONE when it may not enter. */
static uint16_t source_vlan(const struct vsw_port *src, uint32_t tag)
{
	uint16_t vid = tag & VID_MASK;

	if (vid == 0)
		return src->pvid;
	return vid != VLAN_NONE && vsw_port_in_vlan(src, vid) ? vid : VLAN_NONE;
}

/* Where a partition may have made the source up, nothing new is believed of it. */
static inline void learn(struct vsw_lcore *lc, const struct vsw_port *src, uint64_t smac,
			 uint16_t vid)
{
	if ((smac & 1) || !smac)
		return;
	if (unlikely(lc->vec.has_direct))
		vsw_learn_refresh(lc, src, smac, vid);
	else
		vsw_learn_source(lc, src, smac, vid);
}

static inline uint16_t decide(struct vsw_lcore *lc, const struct vsw_snap *sn,
			      const struct vsw_port *src, uint64_t dmac, uint64_t smac,
			      uint16_t vid)
{
	uint16_t dst;

	if (smac != src->mac) {
		if (src->is_guarded)
			return DST_DROP + VSW_DROP_spoofed_mac;
		learn(lc, src, smac, vid);
	}
	if (dmac & 1)
		return DST_FLOOD;
	dst = vsw_lookup(lc, sn, dmac, vid);
	if (dst == src->id)
		return DST_DROP + VSW_DROP_same_port;
	return likely(sn->via[dst] == dst) ? dst : vsw_via(sn, src->id, dst, vid);
}

/* What is compared of a packet with the one before, and taken from it. */
static inline bool verdict_is_of(const struct verdict *m, const struct nethv_pkt *p)
{
	return load64(vsw_hdr(p)) == m->dst_src_hi && load32(vsw_hdr(p) + 8) == m->src_lo &&
	       pkt_tag(p) == m->tag;
}

static inline void verdict_read(struct verdict *m, const struct nethv_pkt *p)
{
	m->dst_src_hi = load64(vsw_hdr(p));
	m->src_lo = load32(vsw_hdr(p) + 8);
	m->tag = pkt_tag(p);
}

static uint16_t verdict_of(struct vsw_lcore *lc, const struct vsw_snap *sn,
			   const struct vsw_port *src, struct verdict *m)
{
	uint64_t dmac = m->dst_src_hi & VSW_MAC_MASK;
	uint64_t smac = m->dst_src_hi >> 48 | (uint64_t)m->src_lo << 16;
	uint16_t vid = source_vlan(src, m->tag);

	if (vid == VLAN_NONE)
		return DST_DROP + VSW_DROP_vlan_denied;
	m->tci = (uint16_t)((m->tag & 0xF000) | vid);
	return decide(lc, sn, src, dmac, smac, vid);
}

uint16_t vsw_source_vlan(const struct vsw_port *src, const struct nethv_pkt *p)
{
	return source_vlan(src, pkt_tag(p));
}

uint16_t vsw_decide(struct vsw_lcore *lc, const struct vsw_snap *sn, const struct vsw_port *src,
		    const struct nethv_pkt *p, uint16_t vid)
{
	uint64_t dst_src_hi = load64(vsw_hdr(p));
	uint64_t dmac = dst_src_hi & VSW_MAC_MASK;
	uint16_t dst;

	if (src)
		return decide(lc, sn, src, dmac,
			      dst_src_hi >> 48 | (uint64_t)load32(vsw_hdr(p) + 8) << 16, vid);
	dst = dmac & 1 ? DST_FLOOD : vsw_lookup(lc, sn, dmac, vid);
	return sn->via[dst] == dst ? dst : vsw_via(sn, VSW_PORT_NONE, dst, vid);
}

/* Takes an in-band tag out of band. Returns the reason when the frame cannot go on. */
static uint16_t tag_strip(const struct vsw_vec *v, struct vsw_slot *s)
{
	struct nethv_pkt *p = &s->pkt;

	if (p->flags & NETHV_PKT_VLAN)
		return VSW_DROP_vlan_denied;
	if (p->len < VSW_FRAME_MIN + TAG_LEN)
		return VSW_DROP_runt;
	if (load16(vsw_hdr(p) + 16) == ETH_P_8021Q_BE)
		return VSW_DROP_vlan_denied;
	p->vlan_tci = __builtin_bswap16(load16(vsw_hdr(p) + 14));
	p->flags |= NETHV_PKT_VLAN;
	memmove(vsw_hdr(p) + TAG_LEN, vsw_hdr(p), 12);
	p->hdr_off += TAG_LEN;
	p->hdr_len -= TAG_LEN;
	p->len -= TAG_LEN;
	if (p->flags & (NETHV_PKT_CSUM | NETHV_PKT_LSO)) { /* else they mean nothing */
		p->l3_off -= TAG_LEN;
		p->l4_off -= TAG_LEN;
	}
	if (s->data)
		s->data += TAG_LEN;
	else
		s->sg_off += TAG_LEN;
	vsw_slot_pull(v, s, 64); /* stripping took some of the private bytes */
	return VSW_DROP_none;
}

/* An address that missed the cache is rarely the only one. */
static __attribute__((noinline)) void verdict_renew(struct vsw_lcore *lc, const struct vsw_snap *sn,
						    const struct vsw_port *src,
						    const struct nethv_pkt *p, struct verdict *m)
{
	verdict_read(m, p);
	m->tci = 0;
	m->dst = verdict_of(lc, sn, src, m);
	if (unlikely(lc->work.misses == 1))
		vsw_look_ahead(lc, src, p);
}

/* For what the short way cannot judge: lost packets, runts and in-band tags. */
static __attribute__((noinline)) uint16_t judge_rare(const struct vsw_vec *v, struct vsw_slot *s)
{
	if (s->pkt.drop_reason)
		return s->pkt.drop_reason < VSW_DROP_COUNT ? s->pkt.drop_reason
							   : VSW_DROP_bad_rndis;
	if (s->pkt.len < VSW_FRAME_MIN)
		return VSW_DROP_runt;
	return tag_strip(v, s);
}

uint16_t vsw_admit(const struct vsw_vec *v, struct vsw_slot *s)
{
	return vsw_is_rare(&s->pkt) ? judge_rare(v, s) : VSW_DROP_none;
}

/* What of packets says that they take the same way. */
struct alike {
	__m128i head; /* the first 16 bytes, of which 14 say it */
	uint32_t flags, rare;
};

static inline void alike_read(struct alike *a, const struct nethv_pkt *p)
{
	_Static_assert(offsetof(struct nethv_pkt, vlan_tci) ==
			       offsetof(struct nethv_pkt, flags) + 2,
		       "flags and tag are read at once");
	a->head = _mm_loadu_si128((const __m128i *)(const void *)vsw_hdr(p));
	a->flags = load32(&p->flags);
	a->rare = p->drop_reason | (p->len - VSW_FRAME_MIN) >> 31;
}

/* Adds to @sum what differs between @p and @first. */
static inline void alike_add(struct alike *sum, const struct alike *first,
			     const struct nethv_pkt *p)
{
	struct alike a;

	alike_read(&a, p);
	sum->head = _mm_or_si128(sum->head, _mm_xor_si128(a.head, first->head));
	sum->flags |= a.flags ^ first->flags;
	sum->rare |= a.rare;
}

/* Whether nothing differs, and nothing is rare but what the first one's type may say. */
static inline bool alike_is(const struct alike *sum)
{
	const int same = _mm_movemask_epi8(_mm_cmpeq_epi8(sum->head, _mm_setzero_si128()));

	return (same & 0x3FFF) == 0x3FFF && !sum->flags && !sum->rare;
}

/* Whether all of the vector, which is not empty, take the way of the first one, and none is rare. Fills bytes and
 * has_tags. */
static inline bool are_alike(struct vsw_lcore *lc)
{
	const struct vsw_slot *slot = lc->vec.slot;
	const struct nethv_pkt *first = &slot[0].pkt;
	const uint16_t n = lc->vec.n;
	struct alike one, sum = {.flags = 0};
	uint64_t bytes = 0;
	uint16_t i;

	alike_read(&one, first);
	alike_add(&sum, &one, &slot[n - 1].pkt);
	if (vsw_is_rare(first) || !alike_is(&sum))
		return false;
	for (i = 0; i < n; i++) {
		alike_add(&sum, &one, &slot[i].pkt);
		bytes += slot[i].pkt.len;
	}
	lc->work.bytes = bytes;
	lc->work.has_tags = first->flags & NETHV_PKT_VLAN;
	return alike_is(&sum);
}

/* Most vectors are between two addresses: one look-up for all of them. False: nothing was done. */
static bool look_up_alike(struct vsw_lcore *lc, const struct vsw_snap *sn,
			  const struct vsw_port *src)
{
	struct vsw_work *w = &lc->work;
	const uint16_t n = lc->vec.n;
	struct verdict m;
	uint16_t i;

	if (!are_alike(lc))
		return false;
	w->misses = 0;
	verdict_renew(lc, sn, src, &lc->vec.slot[0].pkt, &m);
	for (i = 0; i < n; i++) {
		w->dst[i] = m.dst;
		w->tci[i] = m.tci;
	}
	w->is_uniform = m.dst < VSW_PORTS_MAX;
	return true;
}

/* Fills work.dst and work.tci. @is_admitted: nothing in the vector is rare. */
static inline __attribute__((always_inline)) void look_up(struct vsw_lcore *lc,
							  const struct vsw_snap *sn,
							  const struct vsw_port *src,
							  bool is_admitted)
{
	struct vsw_vec *v = &lc->vec;
	struct vsw_work *w = &lc->work;
	struct verdict m = {.dst_src_hi = 0, .dst = DST_DROP + VSW_DROP_runt};
	uint16_t i, differs = 0, flags = 0, n = v->n;
	uint64_t bytes = 0;
	bool is_first = true;

	if (likely(n >= ALIKE_MIN) && look_up_alike(lc, sn, src))
		return;
	w->misses = 0;
	for (i = 0; i < n; i++) {
		struct nethv_pkt *p = &v->slot[i].pkt;
		uint16_t lost = VSW_DROP_none;

		if (!is_admitted && vsw_is_rare(p))
			lost = judge_rare(v, &v->slot[i]);
		bytes += p->len;
		if (unlikely(lost)) {
			w->dst[i] = DST_DROP + lost;
			w->tci[i] = 0;
			differs |= 1;
			continue;
		}
		if (!verdict_is_of(&m, p) || unlikely(is_first))
			verdict_renew(lc, sn, src, p, &m);
		is_first = false;
		flags |= p->flags;
		w->dst[i] = m.dst;
		w->tci[i] = m.tci;
		differs |= (uint16_t)((m.dst ^ w->dst[0]) | (m.tci ^ w->tci[0]));
	}
	w->bytes = bytes;
	w->has_tags = flags & NETHV_PKT_VLAN;
	w->is_uniform = !differs && w->dst[0] < VSW_PORTS_MAX;
}

void vsw_look_up(struct vsw_lcore *lc, const struct vsw_snap *sn, const struct vsw_port *src)
{
	look_up(lc, sn, src, true);
}

/* What a steered frame is looked at for: its addresses and tag, as long as they are not those of the frame
 * before. */
static __attribute__((noinline)) bool is_for(struct vsw_lcore *lc, const struct vsw_port *src,
					     const struct vsw_port *to, struct verdict *m)
{
	uint64_t smac = m->dst_src_hi >> 48 | (uint64_t)m->src_lo << 16;
	uint16_t vid = source_vlan(src, m->tag);

	if ((m->dst_src_hi & VSW_MAC_MASK) != to->mac || vid == VLAN_NONE ||
	    !vsw_port_in_vlan(to, vid))
		return false;
	m->tci = (uint16_t)((m->tag & 0xF000) | vid);
	learn(lc, src, smac, vid);
	return true;
}

/* False: they are to be looked at one by one. */
static bool look_up_steered_alike(struct vsw_lcore *lc, const struct vsw_port *src,
				  const struct vsw_port *to)
{
	struct vsw_work *w = &lc->work;
	const uint16_t n = lc->vec.n;
	struct verdict m;
	uint16_t i;

	if (!are_alike(lc))
		return false;
	verdict_read(&m, &lc->vec.slot[0].pkt);
	if (!is_for(lc, src, to, &m))
		return false;
	for (i = 0; i < n; i++)
		w->tci[i] = m.tci;
	w->is_uniform = true;
	return true;
}

/* The way of a vector that a NIC's filter, or our sorter, says is for one port, by that port's own address: no
 * look-up, and whole. It is believed only after the comparison that the look-up would begin with: a filter
 * may have been moved while frames lay in the queue. False: nothing was done. */
static bool look_up_steered(struct vsw_lcore *lc, const struct vsw_port *src,
			    const struct vsw_port *to)
{
	struct vsw_vec *v = &lc->vec;
	struct vsw_work *w = &lc->work;
	struct verdict m = {.tag = ~0u};
	uint16_t i, differs = 0, flags = 0;
	uint64_t bytes = 0;

	if (likely(v->n >= ALIKE_MIN) && look_up_steered_alike(lc, src, to))
		return true;
	for (i = 0; i < v->n; i++) {
		const struct nethv_pkt *p = &v->slot[i].pkt;

		if (vsw_is_rare(p))
			return false;
		bytes += p->len;
		if (!verdict_is_of(&m, p)) {
			verdict_read(&m, p);
			if (!is_for(lc, src, to, &m))
				return false;
		}
		flags |= p->flags;
		w->tci[i] = m.tci;
		differs |= (uint16_t)(m.tci ^ w->tci[0]);
	}
	w->bytes = bytes;
	w->has_tags = flags & NETHV_PKT_VLAN;
	w->is_uniform = !differs;
	return true;
}

/* Bytes that a partition has, or had, in its receive buffer are its own word, not the wire's: it may have made another
 * frame of them before they were looked at. Only frames to the port whose queue it is are believed; that they came
 * there is the NIC's word. */
static __attribute__((noinline)) void forged_drop(struct vsw_lcore *lc, const struct vsw_snap *sn,
						  const struct vsw_port *src, uint16_t id)
{
	const struct vsw_port *to = id < VSW_PORTS_MAX ? sn->port[id] : NULL;
	struct vsw_vec *v = &lc->vec;
	uint16_t i;

	for (i = 0; i < v->n; i++) {
		struct vsw_slot *s = &v->slot[i];
		struct verdict m;
		uint16_t why;

		if (!vsw_direct_is_guests(s->mbuf))
			continue;
		why = vsw_admit(v, s);
		verdict_read(&m, &s->pkt);
		if (!why && !(to && is_for(lc, src, to, &m)))
			why = VSW_DROP_spoofed_mac;
		if (why)
			s->pkt.drop_reason = (uint8_t)why;
	}
}

static bool run_steered(struct vsw_lcore *lc, const struct vsw_snap *sn, const struct vsw_port *src,
			struct vsw_port_stats *st)
{
	const uint16_t id = lc->vec.to;
	const struct vsw_port *to = sn->port[id];

	if (!to || sn->via[id] != id || src->is_guarded || !look_up_steered(lc, src, to)) {
		lc->vec.to = VSW_PORT_NONE;
		return false;
	}
	stat_add(&st->in_bytes, lc->work.bytes);
	vsw_deliver(lc, &lc->vec, st, to, vsw_in_order, lc->vec.n);
	return true;
}

static void retag(struct vsw_vec *v, struct vsw_work *w, const struct vsw_port *to,
		  const uint16_t *idx, uint16_t n)
{
	bool may_tag = to->is_trunk && !(w->is_uniform && (w->tci[0] & VID_MASK) == to->pvid);
	uint16_t i;

	if ((!may_tag && !w->has_tags) || unlikely(w->keeps_tags))
		return;
	for (i = 0; i < n; i++) {
		struct nethv_pkt *p = &v->slot[idx[i]].pkt;
		uint16_t tci = w->tci[idx[i]];

		if (may_tag && (tci & VID_MASK) != to->pvid) {
			p->flags |= NETHV_PKT_VLAN;
			p->vlan_tci = tci;
			w->has_tags = true;
		} else {
			p->flags &= (uint16_t)~NETHV_PKT_VLAN;
		}
	}
}

/* Sums up a burst of which not all was taken. What the reasons say counts, so that each packet ends
 * in exactly one place whatever the backend returned. */
static __attribute__((noinline)) uint16_t account_losses(struct vsw_vec *v, const uint16_t *idx,
							 uint16_t n, const uint8_t *reason,
							 struct vsw_port_stats *src,
							 uint64_t *bytes)
{
	uint16_t i, sent = 0;

	*bytes = 0;
	for (i = 0; i < n; i++) {
		if (reason[i] == VSW_DROP_none) {
			*bytes += v->slot[idx[i]].pkt.len;
			sent++;
		}
	}
	for (i = 0; i < n; i++) {
		if (reason[i] != VSW_DROP_none)
			stat_add(&src->drops[reason[i] < VSW_DROP_COUNT ? reason[i]
									: VSW_DROP_port_down],
				 1);
	}
	return sent;
}

/* Segments are packets of their own from here on: those that tx() made besides one a slot are copies of
 * the source's, each delivered or dropped. Returns the delivered ones. */
static __attribute__((noinline)) uint64_t account_segments(struct vsw_vec *v,
							   struct vsw_port_stats *src,
							   uint64_t *bytes)
{
	const struct vsw_cut *c = &v->cut;
	uint64_t sent = c->sent, lost = 0;
	unsigned int i;

	for (i = 0; i < VSW_DROP_COUNT; i++)
		lost += c->lost[i];
	stat_add(&src->copies, sent + lost);
	for (i = 0; i < VSW_DROP_COUNT && lost; i++) {
		if (c->lost[i])
			stat_add(&src->drops[i], c->lost[i]);
	}
	*bytes += (uint64_t)c->bytes;
	memset(&v->cut, 0, sizeof(v->cut));
	v->nr_cut = 0;
	return sent;
}

/* To whoever looks, that these did not get to @to. */
static void tell_losses(struct vsw_tap *tap, const struct vsw_vec *v, const struct vsw_port *to,
			const uint16_t *idx, uint16_t n, const uint8_t *reason)
{
	struct vsw_tap_drop d = {.v = v, .port = to->id};
	uint16_t i;

	for (i = 0; i < n; i++) {
		d.i = idx[i];
		d.reason = reason[i];
		if (d.reason != VSW_DROP_none)
			vsw_tap_drop(tap, &d);
	}
}

void vsw_deliver(struct vsw_lcore *lc, struct vsw_vec *v, struct vsw_port_stats *in,
		 const struct vsw_port *to, const uint16_t *idx, uint16_t n)
{
	struct vsw_port_stats *out = &to->stats[lc->index];
	uint8_t reason[VSW_VEC_SIZE];
	uint64_t bytes = lc->work.bytes, more = 0;
	uint16_t i, sent;

	retag(v, &lc->work, to, idx, n);
	memset(reason, 0, sizeof(reason));
	sent = to->ops->tx(to->be, v, idx, n, reason);
	if (unlikely(!lc->work.is_uniform)) {
		for (bytes = 0, i = 0; i < n; i++)
			bytes += v->slot[idx[i]].pkt.len;
	}
	if (unlikely(sent < n)) {
		sent = account_losses(v, idx, n, reason, in, &bytes);
		if (lc->work.tap)
			tell_losses(lc->work.tap, v, to, idx, n, reason);
	}
	if (unlikely(v->nr_cut))
		more = account_segments(v, in, &bytes);
	stat_add(&out->out_packets, (sent < n ? sent : n) + more);
	stat_add(&in->delivered, (sent < n ? sent : n) + more);
	stat_add(&out->out_bytes, bytes);
	stat_add(&out->tx_bursts, 1);
}

static void group_add(struct vsw_work *w, uint16_t port, uint16_t i)
{
	struct vsw_group *g;

	if (w->group_of[port] == 0) {
		w->group[w->nr_groups].port = port;
		w->group[w->nr_groups].n = 0;
		w->group_of[port] = (uint8_t)++w->nr_groups;
	}
	g = &w->group[w->group_of[port] - 1];
	g->idx[g->n++] = i;
}

static void flood(struct vsw_lcore *lc, const struct vsw_snap *sn, const struct vsw_port *src,
		  uint16_t i)
{
	struct vsw_port_stats *st = &src->stats[lc->index];
	const struct vsw_flood *fl = sn->flood[lc->work.tci[i] & VID_MASK];
	uint16_t k, n = 0;

	for (k = 0; k < fl->nr_ports; k++) {
		if (fl->port[k] == src->id)
			continue;
		group_add(&lc->work, fl->port[k], i);
		n++;
	}
	if (n == 0)
		stat_add(&st->drops[VSW_DROP_no_destination], 1);
	else if (n > 1)
		stat_add(&st->copies, n - 1);
}

/* Vectors with several destinations, floods or drops: one burst for each destination, in the order
 * of arrival. */
void vsw_scatter(struct vsw_lcore *lc, const struct vsw_snap *sn, const struct vsw_port *src)
{
	struct vsw_port_stats *st = &src->stats[lc->index];
	struct vsw_work *w = &lc->work;
	uint16_t i;

	w->nr_groups = 0;
	for (i = 0; i < lc->vec.n; i++) {
		if (w->dst[i] < VSW_PORTS_MAX)
			group_add(w, w->dst[i], i);
		else if (w->dst[i] == DST_FLOOD)
			flood(lc, sn, src, i);
		else
			stat_add(&st->drops[w->dst[i] - DST_DROP], 1);
	}
	for (i = 0; i < w->nr_groups; i++) {
		w->group_of[w->group[i].port] = 0;
		vsw_deliver(lc, &lc->vec, st, sn->port[w->group[i].port], w->group[i].idx,
			    w->group[i].n);
	}
}

const uint16_t vsw_in_order[VSW_VEC_SIZE] = {
	0,  1,	2,  3,	4,  5,	6,  7,	8,  9,	10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
	22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
	44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63,
};

void vsw_pipeline_run(struct vsw_lcore *lc, const struct vsw_snap *sn, const struct vsw_port *src)
{
	struct vsw_port_stats *st = &src->stats[lc->index];
	const uint16_t to = lc->vec.to;

	stat_add(&st->in_packets, lc->vec.n);
	stat_add(&st->rx_bursts, 1);
	if (unlikely(sn->is_long)) {
		if (unlikely(lc->vec.has_direct))
			forged_drop(lc, sn, src, to);
		lc->vec.to = VSW_PORT_NONE;
		vsw_stages_run(lc, sn, src);
		return;
	}
	if (to < VSW_PORTS_MAX && run_steered(lc, sn, src, st))
		return;
	if (unlikely(lc->vec.has_direct))
		forged_drop(lc, sn, src, to);
	look_up(lc, sn, src, false);
	stat_add(&st->in_bytes, lc->work.bytes);
	if (likely(lc->work.is_uniform))
		vsw_deliver(lc, &lc->vec, st, sn->port[lc->work.dst[0]], vsw_in_order, lc->vec.n);
	else
		vsw_scatter(lc, sn, src);
}
