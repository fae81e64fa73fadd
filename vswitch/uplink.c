/* SPDX-License-Identifier: BSD-3-Clause */
/* Uplinks, the lcores' side: ethdev bursts to and from vectors. */
#include "vswitch/uplink.h"

#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "base/load.h"
#include "vswitch/direct.h"
#include "vswitch/offload.h"
#include "vswitch/uplink_priv.h"

#define L4_MIN	20u /* of a TCP header; a UDP header is shorter */
#define TAG_LEN 4u

/* A frame in several mbufs: pieces in vec.sg. False when the vector has no room for them. */
static bool slot_scatter(struct vsw_vec *v, struct vsw_slot *s, const struct rte_mbuf *m)
{
	if (v->nr_sg + m->nb_segs > VSW_SG_MAX)
		return false;
	s->data = NULL;
	s->sg_off = 0;
	s->sg_first = (uint16_t)v->nr_sg;
	s->sg_count = m->nb_segs;
	for (; m; m = m->next)
		v->sg[v->nr_sg++] =
			(struct vsw_sg){rte_pktmbuf_mtod(m, const uint8_t *), m->data_len};
	return true;
}

#define FLAGS_TAKEN (RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_RX_L4_CKSUM_GOOD)

/* Only what the device says of itself is told to guests: a packet type it did not name is none. */
static void take_checks(struct nethv_pkt *p, const struct rte_mbuf *m)
{
	const uint32_t l4 = m->packet_type & RTE_PTYPE_L4_MASK;

	if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) != RTE_MBUF_F_RX_L4_CKSUM_GOOD ||
	    (l4 != RTE_PTYPE_L4_TCP && l4 != RTE_PTYPE_L4_UDP))
		return;
	p->flags |= NETHV_PKT_CSUM_OK;
	p->csum = l4 == RTE_PTYPE_L4_TCP ? NETHV_CSUM_TCP : NETHV_CSUM_UDP;
	if (!RTE_ETH_IS_IPV4_HDR(m->packet_type))
		return;
	p->csum |= NETHV_CSUM_IP4;
	if ((m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		p->csum |= NETHV_CSUM_IP4_OK;
}

static inline void take_flags(struct nethv_pkt *p, const struct rte_mbuf *m)
{
	if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
		p->flags = NETHV_PKT_VLAN;
		p->vlan_tci = m->vlan_tci;
	}
	if (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		take_checks(p, m);
}

/* All of a frame, of whose mbufs some may have sections. False: too long, or in too many pieces. */
static bool slot_place(struct vsw_vec *v, struct vsw_slot *s, struct rte_mbuf *m)
{
	if (s->pkt.len > VSW_FRAME_MAX)
		return false;
	if (v->has_direct)
		return vsw_direct_slot(v, s, m) == VSW_DROP_none;
	s->data = rte_pktmbuf_mtod(m, const uint8_t *);
	return m->nb_segs == 1 || slot_scatter(v, s, m);
}

static __attribute__((noinline)) void slot_fill_odd(struct vsw_vec *v, struct vsw_slot *s,
						    struct rte_mbuf *m)
{
	struct nethv_pkt *p = &s->pkt;

	if (slot_place(v, s, m)) {
		p->hdr_len = (uint16_t)RTE_MIN(p->len, VSW_SNAP_SIZE);
		vsw_slot_copy_backing(v, s, 0, s->snap, p->hdr_len);
		return;
	}
	p->drop_reason = VSW_DROP_too_big;
	p->hdr_len = 0; /* no bytes: data is a part of the frame, snap another packet's */
	s->data = NULL;
	s->sg_count = 0;
}

/* In one piece that can be read as far as bytes may be private. Where there may be sections a piece ends with a page,
 * which no buffer is shorter than. */
static inline bool is_simple(const struct rte_mbuf *m, uint32_t len, uint32_t off, bool has_direct)
{
	if (has_direct)
		return m->nb_segs == 1 && (uint64_t)off + len <= VSW_DIRECT_ROOM &&
		       off <= VSW_DIRECT_ROOM - VSW_SNAP_SIZE;
	return m->nb_segs == 1 && len <= VSW_FRAME_MAX && off + VSW_SNAP_SIZE <= m->buf_len;
}

/* Of bytes that may be private a fixed number is copied, which is less work: those in snap behind the private ones are
 * nobody's. */
static inline __attribute__((always_inline)) void slot_fill(struct vsw_vec *v, struct vsw_slot *s,
							    struct rte_mbuf *m, bool has_direct)
{
	const uint32_t len = m->pkt_len, off = m->data_off;
	const uint8_t *data = (const uint8_t *)m->buf_addr + off;
	struct nethv_pkt *p = &s->pkt;

	p->hdr_off = VSW_SNAP_OFF;
	p->len = len;
	p->flags = 0;
	p->vlan_tci = 0;
	p->drop_reason = VSW_DROP_none;
	s->mbuf = m;
	if (m->ol_flags & FLAGS_TAKEN)
		take_flags(p, m);
	if (unlikely(!is_simple(m, len, off, has_direct))) {
		slot_fill_odd(v, s, m);
		return;
	}
	s->data = data;
	if (len <= VSW_SNAP_SIZE / 2) {
		p->hdr_len = (uint16_t)len;
		memcpy(s->snap, data, VSW_SNAP_SIZE / 2);
	} else {
		p->hdr_len = len < VSW_SNAP_SIZE ? (uint16_t)len : VSW_SNAP_SIZE;
		memcpy(s->snap, data, VSW_SNAP_SIZE);
	}
}

static inline __attribute__((always_inline)) uint16_t slots_fill(struct vsw_vec *v,
								 struct rte_mbuf **m, uint16_t n,
								 bool has_direct)
{
	struct vsw_slot *s = v->slot + v->n;
	uint16_t i;

	for (i = 0; i < n; i++)
		slot_fill(v, s + i, m[i], has_direct);
	v->n += n;
	return n;
}

uint16_t uplink_rx(void *be, uint16_t q, struct vsw_vec *v)
{
	struct vsw_uplink *u = be;
	struct rte_mbuf *m[VSW_VEC_SIZE];

	return slots_fill(v, m, rte_eth_rx_burst(u->port_id, q, m, VSW_VEC_SIZE - v->n), false);
}

uint16_t uplink_rx_steered(void *be, uint16_t q, struct vsw_vec *v)
{
	const struct vsw_uplink *u = be;
	const struct vsw_steer *st = u->steer;
	struct rte_mbuf *m[VSW_VEC_SIZE];
	struct vsw_steered got = {.to = VSW_PORT_NONE, .q = q};
	uint16_t n = st->ops->rx(st->ctx, q, m, VSW_VEC_SIZE - v->n, &got);

	v->to = got.to;
	v->as_q = got.q;
	v->nr_passed = got.nr_passed;
	v->has_direct = u->is_direct[q];
	return v->has_direct ? slots_fill(v, m, n, true) : slots_fill(v, m, n, false);
}

/* 0: it may go back to @pool as it is, for rte_pktmbuf_free() would find nothing to do. */
static inline uint64_t is_odd(const struct rte_mbuf *m, const struct rte_mempool *pool)
{
	/* Of rearm_data: one reference, one segment. */
	const uint64_t counts = (load64(&m->rearm_data) ^ 0x0000000100010000) & 0x0000FFFFFFFF0000;

	_Static_assert(offsetof(struct rte_mbuf, refcnt) ==
				       offsetof(struct rte_mbuf, rearm_data) + 2 &&
			       offsetof(struct rte_mbuf, nb_segs) ==
				       offsetof(struct rte_mbuf, rearm_data) + 4,
		       "counts are read at once");
	return ((uintptr_t)m->pool ^ (uintptr_t)pool) | (uintptr_t)m->next | counts |
	       (m->ol_flags & (RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL));
}

/* Most are of one pool, and bare. */
void uplink_rx_done(void *be, uint16_t q, struct vsw_vec *v)
{
	struct rte_mbuf *m[VSW_VEC_SIZE];
	struct rte_mempool *pool = v->slot[0].mbuf->pool;
	uint64_t odd = 0;
	uint16_t i;

	(void)be;
	(void)q;
	for (i = 0; i < v->n; i++) {
		m[i] = v->slot[i].mbuf;
		odd |= is_odd(m[i], pool);
	}
	if (likely(!odd))
		rte_mempool_put_bulk(pool, (void **)m, v->n);
	else
		rte_pktmbuf_free_bulk(m, v->n);
}

static void put_tag(uint8_t *at, const struct nethv_pkt *p)
{
	memcpy(at, vsw_hdr(p), 12);
	at[12] = 0x81;
	at[13] = 0x00;
	at[14] = (uint8_t)(p->vlan_tci >> 8);
	at[15] = (uint8_t)p->vlan_tci;
}

/* What the device is to do. It wants the sum of the pseudo header where it is already. */
static void ask_device(struct rte_mbuf *m, const struct nethv_pkt *p, uint32_t tag_len)
{
	m->l2_len = p->l3_off + tag_len;
	m->l3_len = p->l4_off - p->l3_off;
	m->ol_flags |= p->csum & NETHV_CSUM_IP4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
	m->ol_flags |= p->csum & NETHV_CSUM_TCP ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM;
}

static void mbuf_fill(const struct vsw_uplink *u, const struct vsw_vec *v, const struct vsw_slot *s,
		      struct rte_mbuf *m)
{
	uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t tag_len = s->pkt.flags & NETHV_PKT_VLAN ? TAG_LEN : 0, len = s->pkt.len + tag_len;

	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	vsw_slot_copy_frame(v, s, at + tag_len);
	if (tag_len)
		put_tag(at, &s->pkt);
	if (likely(!(s->pkt.flags & NETHV_PKT_CSUM)))
		return;
	if (u->has_csum)
		ask_device(m, &s->pkt, tag_len);
	else
		vsw_csum_finish(&s->pkt, at + tag_len);
}

/* Whether the device can do with the bytes as they lie what the frame asks for: sums that we make are made on
 * a copy, and the device wants all headers in the first piece. */
static bool may_lend(const struct vsw_uplink *u, const struct vsw_vec *v, const struct vsw_slot *s)
{
	return v->lend && !s->mbuf && s->pkt.len >= s->pkt.hdr_len + UPLINK_LEND_MIN &&
	       uplink_may_lend(u, v->lcore) &&
	       (!(s->pkt.flags & NETHV_PKT_CSUM) ||
		(u->has_csum && s->pkt.hdr_len >= s->pkt.l4_off + L4_MIN));
}

/* The private bytes into @m, and the source's behind it. False: it is to be copied; @m is empty. */
static bool mbuf_lend(struct vsw_uplink *u, const struct vsw_vec *v, const struct vsw_slot *s,
		      struct rte_mbuf *m)
{
	uint32_t tag_len = s->pkt.flags & NETHV_PKT_VLAN ? TAG_LEN : 0;
	uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *);

	m->data_len = (uint16_t)(s->pkt.hdr_len + tag_len);
	m->pkt_len = m->data_len;
	memcpy(at + tag_len, vsw_hdr(&s->pkt), s->pkt.hdr_len);
	if (tag_len)
		put_tag(at, &s->pkt);
	if (!uplink_lend_rest(u, v, s, m))
		return false;
	if (s->pkt.flags & NETHV_PKT_CSUM)
		ask_device(m, &s->pkt, tag_len);
	return true;
}

static inline void count_frame(struct vsw_uplink *u, uint16_t lcore, bool is_lent)
{
	uint64_t *n = is_lent ? &u->lane[lcore].lent : &u->lane[lcore].copied;

	__atomic_store_n(n, *n + 1, __ATOMIC_RELAXED);
}

/* Queues are shared only when the device has fewer than there are lcores. */
static uint16_t burst(struct vsw_uplink *u, uint16_t lcore, struct rte_mbuf **m, uint16_t n)
{
	struct uplink_txq *t = &u->txq[lcore % u->nr_txq];
	uint16_t sent;

	if (!u->is_txq_shared)
		return rte_eth_tx_burst(u->port_id, lcore % u->nr_txq, m, n);
	rte_spinlock_lock(&t->lock);
	sent = rte_eth_tx_burst(u->port_id, lcore % u->nr_txq, m, n);
	rte_spinlock_unlock(&t->lock);
	return sent;
}

/* As many as there are, when there are not enough for all. */
static uint16_t mbufs_get(struct rte_mempool *pool, struct rte_mbuf **m, uint16_t n)
{
	uint16_t i;

	if (likely(rte_pktmbuf_alloc_bulk(pool, m, n) == 0))
		return n;
	for (i = 0; i < n; i++) {
		m[i] = rte_pktmbuf_alloc(pool);
		if (!m[i])
			break;
	}
	return i;
}

/* Sends m[0 .. @n) and frees what the device does not take; returns what it took. A device that cannot do
 * what a frame asks of it says so in its prepare step: that frame and those behind it are lost. */
static uint16_t send_all(struct vsw_uplink *u, const struct vsw_vec *v, struct rte_mbuf **m,
			 uint16_t n, uint8_t *why)
{
	uint16_t good = n, sent;
	struct uplink_bill bill;

	if (u->has_csum)
		good = rte_eth_tx_prepare(u->port_id, v->lcore % u->nr_txq, m, n);
	if (unlikely(u->is_lender))
		uplink_lend_bill(m, good, &bill);
	sent = good ? burst(u, v->lcore, m, good) : 0;
	if (unlikely(u->is_lender))
		uplink_lend_sent(u, v, &bill, sent);
	*why = good < n && sent == good ? VSW_DROP_bad_offload : VSW_DROP_uplink_full;
	if (unlikely(sent < n))
		rte_pktmbuf_free_bulk(m + sent, n - sent);
	return sent;
}

/* ---- Long frames --------------------------------------------------------------------------- */

/* Cuts it here: a burst of segments at a time, until the device takes no more. */
static uint8_t send_segments(struct vsw_uplink *u, struct vsw_vec *v, const struct vsw_slot *s)
{
	const uint32_t nr = vsw_lso_segments(&s->pkt);
	uint32_t made = 0, sent = 0, n, i;
	struct rte_mbuf *m[VSW_VEC_SIZE];
	uint8_t why = VSW_DROP_none;
	uint64_t bytes = 0;
	struct vsw_seg g;

	vsw_seg_begin(&g, v, s);
	while (made < nr && sent == made) {
		n = mbufs_get(u->pool, m, (uint16_t)RTE_MIN(nr - made, VSW_VEC_SIZE));
		if (n == 0) {
			why = VSW_DROP_no_mbuf;
			break;
		}
		for (i = 0; i < n && vsw_seg_next(&g); i++) {
			mbuf_fill(u, v, &g.slot, m[i]);
			if (u->is_lender)
				count_frame(u, v->lcore, false);
		}
		made += n;
		sent += send_all(u, v, m, (uint16_t)n, &why);
	}
	if (sent) /* the last segment may be shorter; it is among them when all were sent */
		bytes = sent == nr ? s->pkt.len + (uint64_t)(nr - 1) * g.hdr_len
				   : (uint64_t)sent * (g.hdr_len + s->pkt.lso_mss);
	return vsw_cut_add(v, &s->pkt, nr, sent, bytes, sent == nr ? VSW_DROP_none : why);
}

/* Copies the frame into as many buffers as it takes. NULL: there are not enough. */
static struct rte_mbuf *chain_make(struct vsw_uplink *u, const struct vsw_vec *v,
				   const struct vsw_slot *s, uint32_t tag_len)
{
	struct rte_mbuf *head = rte_pktmbuf_alloc(u->pool), *last = head, *m;
	const struct nethv_pkt *p = &s->pkt;
	uint32_t at, n;

	if (!head)
		return NULL;
	memcpy(rte_pktmbuf_append(head, (uint16_t)(p->hdr_len + tag_len)) + tag_len, vsw_hdr(p),
	       p->hdr_len);
	if (tag_len)
		put_tag(rte_pktmbuf_mtod(head, uint8_t *), p);
	if (u->is_lender) {
		bool is_lent = may_lend(u, v, s) && uplink_lend_rest(u, v, s, head);

		count_frame(u, v->lcore, is_lent);
		if (is_lent)
			return head;
	}
	for (at = p->hdr_len; at < p->len; at += n) {
		m = last;
		if (rte_pktmbuf_tailroom(last) == 0) {
			m = rte_pktmbuf_alloc(u->pool);
			if (!m) {
				rte_pktmbuf_free(head);
				return NULL;
			}
			last->next = m;
			last = m;
			head->nb_segs++;
		}
		n = RTE_MIN(p->len - at, (uint32_t)rte_pktmbuf_tailroom(m));
		vsw_slot_copy_backing(v, s, at, rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len),
				      n);
		m->data_len += (uint16_t)n;
		head->pkt_len += n;
	}
	return head;
}

/* The device cuts it. It wants an IPv4 header without checksum; a length, where it looks at one. */
static uint8_t send_whole(struct vsw_uplink *u, struct vsw_vec *v, const struct vsw_slot *s)
{
	uint32_t tag_len = s->pkt.flags & NETHV_PKT_VLAN ? TAG_LEN : 0;
	struct rte_mbuf *m = chain_make(u, v, s, tag_len);
	const uint32_t hdr_len = vsw_lso_hdr_len(&s->pkt), nr = vsw_lso_segments(&s->pkt);
	uint8_t why, *ip;
	uint16_t sent;

	if (!m)
		return vsw_cut_add(v, &s->pkt, nr, 0, 0, VSW_DROP_no_mbuf);
	ask_device(m, &s->pkt, tag_len);
	m->l4_len = hdr_len - s->pkt.l4_off;
	m->tso_segsz = s->pkt.lso_mss;
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	ip = rte_pktmbuf_mtod_offset(m, uint8_t *, m->l2_len);
	vsw_lso_ip_whole(&s->pkt, ip);
	if (s->pkt.csum & NETHV_CSUM_IP4)
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	sent = send_all(u, v, &m, 1, &why);
	return vsw_cut_add(v, &s->pkt, nr, sent ? nr : 0, s->pkt.len + (uint64_t)(nr - 1) * hdr_len,
			   sent ? VSW_DROP_none : why);
}

static __attribute__((noinline)) uint8_t send_long(struct vsw_uplink *u, struct vsw_vec *v,
						   const struct vsw_slot *s)
{
	if (vsw_lso_hdr_len(&s->pkt) + s->pkt.lso_mss > u->frame_max)
		return vsw_cut_add(v, &s->pkt, vsw_lso_segments(&s->pkt), 0, 0, VSW_DROP_too_big);
	return u->has_tso ? send_whole(u, v, s) : send_segments(u, v, s);
}

/* ---- Bursts -------------------------------------------------------------------------------- */

/* Frames for a device: which mbufs hold which. */
struct outgoing {
	uint16_t nr_m, sent_to; /* mbufs that there are; [0, sent_to) are away or freed */
	uint16_t used;
	struct rte_mbuf *m[VSW_VEC_SIZE];
	uint16_t from[VSW_VEC_SIZE]; /* index into idx[] */
};

static uint16_t flush(struct vsw_uplink *u, const struct vsw_vec *v, struct outgoing *o,
		      uint8_t *reason)
{
	uint16_t n = o->used - o->sent_to, sent, i;
	uint8_t why;

	if (n == 0)
		return 0;
	sent = send_all(u, v, o->m + o->sent_to, n, &why);
	for (i = o->sent_to + sent; i < o->used; i++)
		reason[o->from[i]] = why;
	o->sent_to = o->used;
	return sent;
}

static inline void frame_fill(struct vsw_uplink *u, const struct vsw_vec *v,
			      const struct vsw_slot *s, struct rte_mbuf *m)
{
	bool is_lent = false;

	if (unlikely(u->is_lender)) {
		is_lent = may_lend(u, v, s) && mbuf_lend(u, v, s, m);
		count_frame(u, v->lcore, is_lent);
	}
	if (!is_lent)
		mbuf_fill(u, v, s, m);
}

uint16_t uplink_tx(void *be, struct vsw_vec *v, const uint16_t *idx, uint16_t n, uint8_t *reason)
{
	struct vsw_uplink *u = be;
	struct outgoing o;
	uint16_t i, sent = 0;

	o.nr_m = mbufs_get(u->pool, o.m, n);
	o.used = o.sent_to = 0;
	for (i = 0; i < n; i++) {
		const struct vsw_slot *s = &v->slot[idx[i]];

		if (unlikely(s->pkt.flags & NETHV_PKT_LSO)) {
			sent += flush(u, v, &o, reason); /* what came before leaves before */
			reason[i] = send_long(u, v, s);
			sent += !reason[i];
		} else if (unlikely(s->pkt.len > u->frame_max)) {
			reason[i] = VSW_DROP_too_big;
		} else if (unlikely(o.used == o.nr_m)) {
			reason[i] = VSW_DROP_no_mbuf;
		} else {
			o.from[o.used] = i;
			frame_fill(u, v, s, o.m[o.used++]);
		}
	}
	sent += flush(u, v, &o, reason);
	if (unlikely(o.used < o.nr_m))
		rte_pktmbuf_free_bulk(o.m + o.used, o.nr_m - o.used);
	return sent;
}

/* A device without an interrupt switch (net_tap: its fd is readable while frames wait) needs no
 * arming. One with it may have got frames before it was switched on. */
bool uplink_arm(void *be, uint16_t q)
{
	struct vsw_uplink *u = be;

	if (!u->has_intr)
		return false;
	rte_eth_dev_rx_intr_enable(u->port_id, q);
	return rte_eth_rx_queue_count(u->port_id, q) > 0;
}

void uplink_disarm(void *be, uint16_t q)
{
	struct vsw_uplink *u = be;

	if (u->has_intr)
		rte_eth_dev_rx_intr_disable(u->port_id, q);
}

int uplink_event_fd(void *be, uint16_t q)
{
	struct vsw_uplink *u = be;

	return q < u->nr_rxq ? u->event_fd[q] : -1;
}

static bool is_own(const struct vsw_uplink *u, uint16_t q)
{
	return q < u->nr_rxq || !u->steer->ops->arm;
}

bool uplink_arm_steered(void *be, uint16_t q)
{
	struct vsw_uplink *u = be;

	return is_own(u, q) ? uplink_arm(u, q) : u->steer->ops->arm(u->steer->ctx, q);
}

void uplink_disarm_steered(void *be, uint16_t q)
{
	struct vsw_uplink *u = be;

	if (is_own(u, q))
		uplink_disarm(u, q);
	else
		u->steer->ops->disarm(u->steer->ctx, q);
}

struct vsw_quiet uplink_quiet_steered(void *be, uint16_t q)
{
	struct vsw_uplink *u = be;

	if (is_own(u, q) || !u->steer->ops->quiet)
		return (struct vsw_quiet){NULL, NULL};
	return u->steer->ops->quiet(u->steer->ctx, q);
}

int uplink_event_fd_steered(void *be, uint16_t q)
{
	struct vsw_uplink *u = be;

	return is_own(u, q) ? uplink_event_fd(u, q) : u->steer->ops->event_fd(u->steer->ctx, q);
}
