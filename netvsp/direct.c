/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that a device wrote into the guest's receive buffer: the buffer is lent to whoever fills it so
 * (vswitch/direct.h), and a frame in one of its sections is handed out as it is.
 *
 * A section that is lent is free in the state: the guest cannot complete it, and a restarted switch finds it free;
 * its device has lost its memory with the process before. */
#include <rte_branch_prediction.h>

#include "netvsp/give.h"
#include "vswitch/direct.h"
#include "vswitch/fdb.h"
#include "vswitch/vswitch.h"

/* ---- lcore: handing out ---------------------------------------------------------------------- */

/* Of the frame's first byte in the section: behind where the device put it when the switch took a tag off. */
static inline uint32_t place_of(const struct vsw_slot *s)
{
	if (s->data)
		return (uint32_t)(s->data - (const uint8_t *)s->mbuf->buf_addr);
	return s->mbuf->data_off + s->sg_off;
}

/* A frame in several mbufs, or with work left, is copied; so is what was moved so far that its head leaves the
 * section's first page, which is all that the mbuf has an address of. */
bool netvsp_is_in_place(const struct give *w, const struct vsw_slot *s)
{
	const struct netvsp_direct *nd = &w->ch->nic->direct;
	const struct vsw_direct *d = vsw_direct_of(s->mbuf);
	uint32_t at;

	if (d->buf != &nd->buf || w->g != nd->g || s->mbuf->nb_segs != 1 ||
	    (s->pkt.flags & (NETHV_PKT_LSO | NETHV_PKT_CSUM)))
		return false;
	at = place_of(s);
	return at >= VSW_DIRECT_HEAD && at + s->pkt.hdr_len <= VMBUS_PAGE_SIZE &&
	       at + s->pkt.len <= w->section_size;
}

/* The private bytes are written only where they moved. Else they are what the device wrote, and what the guest may
 * have made of it since is its own affair: it has the memory, and nobody else gets the frame. (Whoever could
 * change them otherwise, an extension, keeps frames from being received directly at all.) */
static void write_in_place(const struct give *w, const struct vsw_slot *s, uint32_t at,
			   uint32_t start, uint32_t len, const struct ppis *px)
{
	const bool is_tagged = s->pkt.flags & NETHV_PKT_VLAN;
	uint8_t *sec = s->mbuf->buf_addr, *dst = sec + start;

	message_head(dst, s->pkt.len, head_len(is_tagged, px), at - start, len);
	message_ppis(dst + HDR_LEN, &s->pkt, is_tagged, px);
	if (unlikely(at != s->mbuf->data_off))
		memcpy(sec + at, vsw_hdr(&s->pkt), s->pkt.hdr_len);
}

/* The message begins at a multiple of 8, as all do; there may be a gap in front of the frame. */
uint8_t netvsp_put_in_place(struct give *w, const struct vsw_slot *s, const struct ppis *px)
{
	const bool is_tagged = s->pkt.flags & NETHV_PKT_VLAN;
	const uint32_t at = place_of(s);
	const uint32_t start = (at - head_len(is_tagged, px)) & ~(MSG_ALIGN - 1);
	const uint32_t len = (at - start + s->pkt.len + MSG_ALIGN - 1) & ~(MSG_ALIGN - 1);
	const uint16_t sec = (uint16_t)vsw_direct_of(s->mbuf)->sec;
	struct xfer *x = &w->x;

	if (unlikely(s->pkt.len > w->len_max))
		return VSW_DROP_too_big;
	if (x->nr_ranges == NETVSP_RANGES_MAX)
		netvsp_xfer_close(w);
	if (x->nr_ranges == 0 && w->space < (int32_t)xfer_size(NETVSP_RANGES_MAX))
		return VSW_DROP_rx_ring_full;
	write_in_place(w, s, at, start, len, px);
	section_use(w, sec);
	x->range[x->nr_ranges++] = (struct vmbus_xfer_range){len, sec * w->section_size + start};
	w->at = w->end; /* nothing is copied behind it */
	w->nr_placed++;
	vsw_direct_gone(s->mbuf);
	return VSW_DROP_none;
}

/* ---- lcore: handing out what is plain -------------------------------------------------------- */

#define PLAIN_AT   VSW_DIRECT_HEAD
#define PLAIN_HEAD ((PLAIN_AT - HDR_LEN) & ~(MSG_ALIGN - 1)) /* where its message begins */
_Static_assert(VSW_SNAP_SIZE <= VMBUS_PAGE_SIZE - PLAIN_AT, "in the section's first page");

/* A frame where the device put it, of which there is nothing to tell and with which nothing is to be done. */
static inline bool is_plain(const struct vsw_slot *s, const struct vsw_rxbuf *buf, uint32_t len_max)
{
	const struct rte_mbuf *m = s->mbuf;
	const struct vsw_direct *d = vsw_direct_of(s->mbuf);

	return !s->pkt.flags && s->pkt.len <= len_max && d->buf == buf && m->nb_segs == 1 &&
	       s->data == (const uint8_t *)m->buf_addr + PLAIN_AT && m->data_off == PLAIN_AT;
}

/* What does not change within a burst. */
struct plain {
	const struct vsw_rxbuf *buf;
	uint64_t mac[2];
	uint32_t len_max;
};

/* To one of its own addresses. */
static inline bool is_wanted(const struct plain *p, const struct vsw_slot *s)
{
	const uint64_t dst = load64(vsw_hdr(&s->pkt)) & VSW_MAC_MASK;

	return dst == p->mac[0] || dst == p->mac[1];
}

/* The message of a frame of @frame_len bytes, and what stands in its head; frames in a row tend to be as long. */
struct plain_msg {
	uint32_t frame_len;
	uint32_t len;
	uint64_t type_len, data;
};

static inline void plain_msg_make(struct plain_msg *g, uint32_t frame_len)
{
	const uint32_t data_off = PLAIN_AT - PLAIN_HEAD;

	g->frame_len = frame_len;
	g->len = (data_off + frame_len + MSG_ALIGN - 1) & ~(MSG_ALIGN - 1);
	g->type_len = head_type_len(g->len);
	g->data = head_data(data_off, frame_len);
}

/* Into the packet under construction, which has room for @n of them. What is the packet's is kept in registers
 * meanwhile: link is where the number of its next section goes. */
static uint16_t packet_plain(struct give *w, const struct plain *p, const struct vsw_slot *s,
			     uint16_t n)
{
	const uint16_t relid = (uint16_t)w->ch->info->relid;
	const struct vsw_rxbuf *buf = p->buf;
	const uint32_t size = w->section_size, len_max = p->len_max;
	const uint64_t given = section_given(relid, w->seq);
	struct netvsp_section *section = w->st->section;
	struct xfer *x = &w->x;
	struct vmbus_xfer_range *range = &x->range[x->nr_ranges], *end = range + n;
	uint16_t *link = x->nr_ranges ? &section[w->cur].next : &x->head, i;
	struct plain_msg g = {.frame_len = 0};
	uint32_t sec = w->cur;

	for (; range < end; range++, s++) {
		struct rte_mbuf *m = s->mbuf;

		if (!is_plain(s, buf, len_max) || !is_wanted(p, s))
			break;
		sec = vsw_direct_of(m)->sec;
		if (s->pkt.len != g.frame_len)
			plain_msg_make(&g, s->pkt.len);
		head_put((uint8_t *)m->buf_addr + PLAIN_HEAD, g.type_len, g.data, 0, 0);
		*range = (struct vmbus_xfer_range){g.len, sec * size + PLAIN_HEAD};
		*link = (uint16_t)sec;
		link = &section[sec].next;
		section_mark(&section[sec], given);
		vsw_direct_gone(m);
	}
	i = (uint16_t)(range - &x->range[x->nr_ranges]);
	if (x->nr_ranges == 0 && i)
		section[x->head].owner = relid | NETVSP_SEC_HEAD;
	w->cur = (uint16_t)sec;
	x->nr_ranges += i;
	return i;
}

static bool packet_has_room(struct give *w)
{
	if (w->x.nr_ranges == NETVSP_RANGES_MAX)
		netvsp_xfer_close(w);
	return w->x.nr_ranges || w->space >= (int32_t)xfer_size(NETVSP_RANGES_MAX);
}

uint16_t netvsp_put_plain(struct give *w, const uint16_t *idx, uint16_t n, uint8_t *reason)
{
	const struct netvsp_nic *nic = w->ch->nic;
	const struct plain p = {
		.buf = &nic->direct.buf,
		.mac = {vsw_mac_num(nic->mac), vsw_mac_num(nic->cfg.mac)},
		.len_max = RTE_MIN(w->len_max, w->section_size - PLAIN_AT),
	};
	uint16_t done = 0, want, k;

	if (w->g != nic->direct.g || w->hash || idx[n - 1] - idx[0] != n - 1 || /* not in a row */
	    !(w->filter & (NDIS_FILTER_DIRECTED | NDIS_FILTER_PROMISCUOUS)))
		return 0;
	do {
		if (!packet_has_room(w))
			break;
		want = (uint16_t)RTE_MIN((uint32_t)(n - done), NETVSP_RANGES_MAX - w->x.nr_ranges);
		k = packet_plain(w, &p, &w->v->slot[idx[done]], want);
		done += k;
	} while (done < n && k == want);
	memset(reason, VSW_DROP_none, done);
	w->at = w->end; /* nothing is copied behind them */
	w->nr_placed += done;
	return done;
}

/* ---- lcore: lending --------------------------------------------------------------------------- */

/* An eighth is always left to frames that are copied. */
static uint32_t take(void *be, uint16_t *sec, uint32_t n)
{
	struct netvsp_nic *nic = be;

	if (atomic_load_explicit(&nic->recv, memory_order_relaxed) != nic->direct.g)
		return 0; /* the guest revoked it */
	return netvsp_pool_take(nic, sec, n, nic->pool.keep + nic->direct.buf.nr_sections / 8);
}

static void give(void *be, const uint16_t *sec, uint32_t n)
{
	netvsp_pool_give(be, sec, n);
}

void netvsp_direct_post(struct netvsp_nic *nic)
{
	if (!nic->cfg.may_direct || atomic_exchange(&nic->direct.is_due, true))
		return;
	if (!vsw_event_post(nic->nv->sw, netvsp_ctl_direct, nic, 0))
		atomic_store(&nic->direct.is_due, false); /* it is looked at each second, too */
}

/* ctl marks it as offered before it looks at recv, we look at the mark after recv was set to NULL: so either ctl finds
 * no buffer, or we wait for it. */
bool netvsp_direct_may_reset(struct netvsp_nic *nic)
{
	if (!nic->cfg.may_direct)
		return true;
	atomic_store(&nic->recv, NULL);
	if (!atomic_load(&nic->direct.is_offered))
		return true;
	netvsp_direct_post(nic);
	return false;
}

/* ---- ctl -------------------------------------------------------------------------------------- */

/* Sections that the device could not fill as whole pages, as an earlier switch may have announced, are no use. */
static bool offer(struct netvsp_nic *nic, const struct vmbus_gpadl *g)
{
	struct netvsp_direct *d = &nic->direct;

	if (!g || g->offset || nic->st->section_size % VMBUS_PAGE_SIZE || !nic->st->section_size)
		return false;
	d->buf = (struct vsw_rxbuf){
		.section_size = nic->st->section_size,
		.nr_sections = nic->st->nr_sections,
		.page = g->page,
		.take = take,
		.give = give,
		.be = nic,
	};
	d->g = g;
	vsw_rxbuf_offer(nic->port, &d->buf);
	return true;
}

void netvsp_direct_withdraw(struct netvsp_nic *nic)
{
	struct netvsp_direct *d = &nic->direct;

	if (!d->g)
		return;
	vsw_rxbuf_withdraw(nic->port);
	d->g = NULL;
	atomic_store(&d->is_offered, false);
}

void netvsp_direct_sync(struct netvsp_nic *nic)
{
	struct netvsp_direct *d = &nic->direct;

	if (!nic->cfg.may_direct || (d->g && atomic_load(&nic->recv) == d->g))
		return;
	netvsp_direct_withdraw(nic);
	atomic_store(&d->is_offered, true); /* pairs with netvsp_direct_may_reset() */
	if (!nic->st || !offer(nic, atomic_load(&nic->recv)))
		atomic_store(&d->is_offered, false);
}

void netvsp_ctl_direct(void *ctx, uint64_t arg)
{
	struct netvsp_nic *nic = ctx;

	atomic_store(&nic->direct.is_due, false);
	netvsp_direct_sync(nic);
}

void netvsp_direct_gpadl_gone(struct netvsp_nic *nic, const struct vmbus_gpadl *g)
{
	if (nic->direct.g == g)
		netvsp_direct_withdraw(nic);
}
