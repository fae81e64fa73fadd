/* SPDX-License-Identifier: BSD-3-Clause */
/* Uplinks that send from the memory of the source: mbufs whose bytes are lent, and giving them back. */
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "base/err.h"
#include "base/log.h"
#include "vswitch/priv.h"
#include "vswitch/uplink_priv.h"

#define PIECE_MAX   32768u /* a piece's length is a 16-bit number */
#define SEGS_MAX    32u	   /* of a frame; what is scattered more is copied */
#define STILL_TICKS 2u	   /* seconds in which nothing came back, though something is out */

struct uplink_range {
	const uint8_t *at;
	uint64_t len;
};

/* What the device can read. A change makes a new one. */
struct uplink_ranges {
	uint32_t n;
	struct uplink_range r[];
};

/* ---- ctl: memory ---------------------------------------------------------------------------- */

static void publish(struct vsw_uplink *u, struct uplink_ranges *now)
{
	struct uplink_ranges *old = u->ranges;

	__atomic_store_n(&u->ranges, now, __ATOMIC_RELEASE);
	vsw_quiesce(u->sw);
	free(old);
}

void uplink_memory_add(struct vsw_uplink *u, void *at, uint64_t len)
{
	uint32_t n = u->ranges ? u->ranges->n : 0;
	struct uplink_ranges *now = malloc(sizeof(*now) + (n + 1) * sizeof(now->r[0]));

	if (!now)
		return; /* it is copied */
	if (n)
		memcpy(now->r, u->ranges->r, n * sizeof(now->r[0]));
	now->r[n] = (struct uplink_range){at, len};
	now->n = n + 1;
	publish(u, now);
}

void uplink_memory_remove(struct vsw_uplink *u, void *at)
{
	struct uplink_ranges *now;
	uint32_t i = 0;

	while (u->ranges && i < u->ranges->n && u->ranges->r[i].at != at)
		i++;
	if (!u->ranges || i == u->ranges->n)
		return;
	now = malloc(sizeof(*now) + u->ranges->n * sizeof(now->r[0]));
	if (now) {
		*now = *u->ranges;
		memcpy(now->r, u->ranges->r, now->n * sizeof(now->r[0]));
		now->r[i] = now->r[--now->n];
	}
	publish(u, now); /* without memory it lends nothing any more */
}

/* ---- ctl: life ------------------------------------------------------------------------------ */

/* Whose descriptors tell frame by frame what was sent, and where that was tried. */
static bool can_tell(const struct vsw_uplink *u)
{
	return u->is_soft || strcmp(u->driver, "net_e1000_igb") == 0;
}

int uplink_lend_begin(struct vsw_uplink *u)
{
	int rc;

	if (!can_tell(u))
		return err_set(
			-ENOTSUP,
			"uplink %s: zero_copy: %s cannot say which frames it has sent; leave "
			"the key away, or use a NIC that DPDK's igb driver drives",
			u->name, u->driver);
	u->lane = aligned_alloc(64, VSW_LCORES_MAX * sizeof(*u->lane));
	if (!u->lane)
		return err_set(-ENOMEM, "uplink %s: out of memory", u->name);
	memset(u->lane, 0, VSW_LCORES_MAX * sizeof(*u->lane));
	rc = vsw_lender_add(u->sw, u);
	u->is_lender = !rc;
	return rc;
}

static bool is_out(const struct uplink_lane *l)
{
	return __atomic_load_n(&l->head, __ATOMIC_ACQUIRE) !=
	       __atomic_load_n(&l->tail, __ATOMIC_ACQUIRE);
}

static void give_back_oldest(struct uplink_lane *l)
{
	struct uplink_loan *n = &l->loan[l->tail % UPLINK_LOANS_MAX];

	__atomic_sub_fetch(&n->lend->out, n->n, __ATOMIC_RELEASE);
	__atomic_store_n(&l->tail, l->tail + 1, __ATOMIC_RELEASE);
}

/* The device is stopped, and no lcore is in our functions. */
static void give_all_back(struct vsw_uplink *u)
{
	for (unsigned int i = 0; i < u->sw->nr_lcores; i++)
		while (is_out(&u->lane[i]))
			give_back_oldest(&u->lane[i]);
}

void uplink_lend_end(struct vsw_uplink *u)
{
	if (u->is_lender) {
		give_all_back(u);
		vsw_lender_remove(u->sw, u);
	}
	u->is_lender = false;
	free(u->ranges);
	u->ranges = NULL;
}

static bool is_any_out(const struct vsw_uplink *u)
{
	bool is = false;

	for (unsigned int i = 0; i < u->sw->nr_lcores; i++)
		is |= is_out(&u->lane[i]);
	return is;
}

/* Queues besides those that are polled from the attachment on. */
static void queues_again(struct vsw_uplink *u, const bool *was_on)
{
	for (uint16_t q = vsw_port_cfg(u->port)->nr_queues; q < VSW_QUEUES_MAX; q++)
		if (was_on[q] && vsw_port_queue_start(u->port, q))
			log_err(u->name, "%s", err_text());
}

static void start_anew(struct vsw_uplink *u)
{
	const struct vsw_steer *st = u->steer;
	bool was_on[VSW_QUEUES_MAX];

	for (uint16_t q = 0; q < VSW_QUEUES_MAX; q++)
		was_on[q] = u->port->queue[q].is_on;
	vsw_port_detach(u->port); /* no lcore is in our functions */
	if (st)
		st->ops->stopping(st->ctx);
	if (rte_eth_dev_stop(u->port_id)) {
		log_err(u->name, "its device does not stop");
		return;
	}
	give_all_back(u);
	if (rte_eth_dev_start(u->port_id))
		log_err(u->name, "its device does not start again");
	if ((st && st->ops->started(st->ctx)) || vsw_port_attach(u->port))
		log_err(u->name, "%s", err_text());
	queues_again(u, was_on);
}

void uplink_lend_recall(struct vsw_uplink *u)
{
	if (!is_any_out(u))
		return;
	log_warn(u->name, "its device does not send what it was lent (is its link down?); it is "
			  "started anew, and frames are copied from now on");
	__atomic_store_n(&u->is_lending_off, true, __ATOMIC_RELAXED);
	start_anew(u);
}

void uplink_lend_tick(struct vsw_uplink *u)
{
	uint64_t back = 0;

	for (unsigned int i = 0; i < u->sw->nr_lcores; i++)
		back += __atomic_load_n(&u->lane[i].tail, __ATOMIC_RELAXED);
	u->still = is_any_out(u) && back == u->back_seen ? u->still + 1 : 0;
	u->back_seen = back;
	if (u->still >= STILL_TICKS)
		uplink_lend_recall(u);
}

void uplink_lend_count(const struct vsw_uplink *u, uint64_t *lent, uint64_t *copied)
{
	*lent = *copied = 0;
	for (unsigned int i = 0; u->lane && i < u->sw->nr_lcores; i++) {
		*lent += __atomic_load_n(&u->lane[i].lent, __ATOMIC_RELAXED);
		*copied += __atomic_load_n(&u->lane[i].copied, __ATOMIC_RELAXED);
	}
}

/* ---- lcores --------------------------------------------------------------------------------- */

/* In the private area of an mbuf: the switch's own memory, which no guest can write to. */
struct lent {
	struct rte_mbuf_ext_shared_info info;
	struct uplink_lane *lane;
};
_Static_assert(sizeof(struct lent) <= UPLINK_LENT_SIZE, "room in each mbuf");

/* The driver takes its time: igb frees a buffer when it needs the descriptor. */
static void on_free(void *at, void *ctx)
{
	struct lent *l = ctx;

	__atomic_store_n(&l->lane->freed, l->lane->freed + 1, __ATOMIC_RELAXED);
}

static bool covers(const struct uplink_ranges *r, const uint8_t *at, uint32_t len)
{
	for (uint32_t i = 0; r && i < r->n; i++)
		if (at >= r->r[i].at && (uint64_t)(at - r->r[i].at) < r->r[i].len)
			return len <= r->r[i].len - (uint64_t)(at - r->r[i].at);
	return false;
}

static struct rte_mbuf *lend_piece(struct vsw_uplink *u, const struct vsw_vec *v, const uint8_t *at,
				   uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(u->pool);
	struct lent *l;

	if (!m)
		return NULL;
	l = rte_mbuf_to_priv(m);
	l->info.free_cb = on_free;
	l->info.fcb_opaque = l;
	l->lane = &u->lane[v->lcore];
	rte_mbuf_ext_refcnt_set(&l->info, 1);
	rte_pktmbuf_attach_extbuf(m, (void *)(uintptr_t)at, (uintptr_t)at, (uint16_t)len, &l->info);
	m->data_off = 0;
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	l->lane->pieces++;
	return m;
}

bool uplink_lend_rest(struct vsw_uplink *u, const struct vsw_vec *v, const struct vsw_slot *s,
		      struct rte_mbuf *head)
{
	const struct uplink_ranges *r = __atomic_load_n(&u->ranges, __ATOMIC_ACQUIRE);
	struct rte_mbuf *last = head, *m;
	uint32_t at, run;
	const uint8_t *p;

	for (at = s->pkt.hdr_len; at < s->pkt.len; at += run) {
		run = vsw_slot_run(v, s, at, &p);
		run = RTE_MIN(run, PIECE_MAX);
		m = head->nb_segs < SEGS_MAX && covers(r, p, run) ? lend_piece(u, v, p, run) : NULL;
		if (!m)
			goto no;
		last->next = m;
		last = m;
		head->nb_segs++;
		head->pkt_len += run;
	}
	return true;
no:
	m = head->next;
	head->next = NULL;
	head->nb_segs = 1;
	head->pkt_len = head->data_len;
	rte_pktmbuf_free(m);
	return false;
}

void uplink_lend_bill(struct rte_mbuf *const *m, uint16_t n, struct uplink_bill *b)
{
	for (uint16_t i = 0; i < n; i++) {
		b->segs[i] = m[i]->nb_segs;
		b->pieces[i] =
			m[i]->next && RTE_MBUF_HAS_EXTBUF(m[i]->next) ? m[i]->nb_segs - 1 : 0;
	}
}

void uplink_lend_sent(struct vsw_uplink *u, const struct vsw_vec *v, const struct uplink_bill *b,
		      uint16_t sent)
{
	struct uplink_lane *l = &u->lane[v->lcore];
	struct uplink_loan *loan = &l->loan[l->head % UPLINK_LOANS_MAX];
	uint32_t n = 0;

	for (uint16_t i = 0; i < sent; i++) {
		l->sent += b->segs[i];
		if (!b->pieces[i])
			continue;
		n += b->pieces[i];
		loan->at = l->sent;
	}
	if (!n)
		return;
	loan->lend = v->lend;
	loan->n = n;
	__atomic_add_fetch(&v->lend->out, n, __ATOMIC_RELAXED);
	__atomic_store_n(&l->head, l->head + 1, __ATOMIC_RELEASE);
}

/* Descriptors are done in their order, and the last one of each frame says so. We know how many there are at least
 * behind those of the loan: when one of these, or the newest but as many, is done, then so is the loan.
 * rte_eth_tx_done_cleanup() is not used: igb's (22.11) loses count of frames in several pieces, and
 * takes its ring for full. */
static bool is_done(const struct vsw_uplink *u, const struct uplink_lane *l,
		    const struct uplink_loan *loan, uint16_t q)
{
	uint64_t since = l->sent - loan->at;

	if (u->is_soft)
		return __atomic_load_n(&l->freed, __ATOMIC_RELAXED) == l->pieces;
	if (since >= u->nr_txd)
		return true; /* its descriptors were used again */
	for (uint64_t i = 0; i <= since; i++)
		if (rte_eth_tx_descriptor_status(u->port_id, q, (uint16_t)(u->nr_txd - 1 - i)) ==
		    RTE_ETH_TX_DESC_DONE)
			return true;
	return false;
}

/* Queues are shared only when the device has fewer than there are lcores. */
bool uplink_reclaim(void *be, uint16_t lcore)
{
	struct vsw_uplink *u = be;
	struct uplink_lane *l = &u->lane[lcore];

	while (is_out(l) && is_done(u, l, &l->loan[l->tail % UPLINK_LOANS_MAX], lcore % u->nr_txq))
		give_back_oldest(l);
	return is_out(l);
}

bool uplink_may_lend(const struct vsw_uplink *u, uint16_t lcore)
{
	const struct uplink_lane *l = &u->lane[lcore];

	return !__atomic_load_n(&u->is_lending_off, __ATOMIC_RELAXED) &&
	       l->head - l->tail < UPLINK_LOANS_MAX;
}
