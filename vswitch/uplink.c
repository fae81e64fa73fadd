/* SPDX-License-Identifier: BSD-3-Clause */
/* Uplinks, the lcores' side: ethdev bursts to and from vectors. */
#include "vswitch/uplink.h"

#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "vswitch/uplink_priv.h"

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

static inline void slot_fill(struct vsw_vec *v, struct vsw_slot *s, struct rte_mbuf *m)
{
	struct vsw_pkt *p = &s->pkt;

	p->hdr = s->snap;
	p->len = m->pkt_len;
	p->hdr_len = (uint16_t)RTE_MIN(p->len, VSW_SNAP_SIZE);
	p->flags = 0;
	p->drop_reason = VSW_DROP_none;
	s->mbuf = m;
	s->data = rte_pktmbuf_mtod(m, const uint8_t *);
	if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) {
		p->flags = VSW_PKT_VLAN;
		p->vlan_tci = m->vlan_tci;
	}
	if (unlikely(p->len > VSW_FRAME_MAX) ||
	    unlikely(m->nb_segs > 1 && !slot_scatter(v, s, m))) {
		p->drop_reason = VSW_DROP_too_big;
		return;
	}
	vsw_slot_copy_backing(v, s, 0, s->snap, p->hdr_len);
}

uint16_t uplink_rx(void *be, uint16_t q, struct vsw_vec *v)
{
	struct vsw_uplink *u = be;
	struct rte_mbuf *m[VSW_VEC_SIZE];
	uint16_t i, n = rte_eth_rx_burst(u->port_id, q, m, VSW_VEC_SIZE - v->n);

	for (i = 0; i < n; i++)
		slot_fill(v, &v->slot[v->n + i], m[i]);
	v->n += n;
	return n;
}

void uplink_rx_done(void *be, uint16_t q, struct vsw_vec *v)
{
	struct rte_mbuf *m[VSW_VEC_SIZE];
	uint16_t i;

	(void)be;
	(void)q;
	for (i = 0; i < v->n; i++)
		m[i] = v->slot[i].mbuf;
	rte_pktmbuf_free_bulk(m, v->n);
}

static void mbuf_fill(const struct vsw_vec *v, const struct vsw_slot *s, struct rte_mbuf *m)
{
	uint8_t *at = rte_pktmbuf_mtod(m, uint8_t *);
	bool is_tagged = s->pkt.flags & VSW_PKT_VLAN;
	uint32_t len = s->pkt.len + (is_tagged ? TAG_LEN : 0);

	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	vsw_slot_copy_frame(v, s, at + (len - s->pkt.len));
	if (!is_tagged)
		return;
	memcpy(at, s->pkt.hdr, 12);
	at[12] = 0x81;
	at[13] = 0x00;
	at[14] = (uint8_t)(s->pkt.vlan_tci >> 8);
	at[15] = (uint8_t)s->pkt.vlan_tci;
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

uint16_t uplink_tx(void *be, struct vsw_vec *v, const uint16_t *idx, uint16_t n, uint8_t *reason)
{
	struct vsw_uplink *u = be;
	struct rte_mbuf *m[VSW_VEC_SIZE];
	uint16_t from[VSW_VEC_SIZE], i, nr_m = mbufs_get(u->pool, m, n), used = 0, sent;

	for (i = 0; i < n; i++) {
		const struct vsw_slot *s = &v->slot[idx[i]];

		if (unlikely(s->pkt.len > u->frame_max)) {
			reason[i] = VSW_DROP_too_big;
		} else if (unlikely(used == nr_m)) {
			reason[i] = VSW_DROP_no_mbuf;
		} else {
			from[used] = i;
			mbuf_fill(v, s, m[used++]);
		}
	}
	sent = used ? burst(u, v->lcore, m, used) : 0;
	for (i = sent; i < used; i++)
		reason[from[i]] = VSW_DROP_uplink_full;
	if (unlikely(sent < nr_m))
		rte_pktmbuf_free_bulk(m + sent, nr_m - sent);
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
