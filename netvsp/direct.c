/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that a device wrote into the guest's receive buffer: the buffer is lent to whoever fills it so
 * (vswitch/direct.h), and a frame in one of its sections is handed out as it is.
 *
 * A section that is lent is free in the state: the guest cannot complete it, and a restarted switch finds it free;
 * its device has lost its memory with the process before. */
#include <rte_branch_prediction.h>

#include "netvsp/give.h"
#include "vswitch/direct.h"
#include "vswitch/vswitch.h"

/* ---- lcore: handing out ---------------------------------------------------------------------- */

/* Of the frame's first byte in the section: behind where the device put it when the switch took a tag off. */
static inline uint32_t place_of(const struct vsw_slot *s)
{
	const struct vsw_direct *d = vsw_direct_of(s->mbuf);

	if (s->data)
		return (uint32_t)(s->data - (const uint8_t *)s->mbuf->buf_addr);
	return d->frame_off + s->sg_off;
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
	if (unlikely(at != vsw_direct_of(s->mbuf)->frame_off))
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

	if (unlikely(s->pkt.len > w->st->mtu + 18u))
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
