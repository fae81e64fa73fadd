/* SPDX-License-Identifier: BSD-3-Clause */
/* From the switch to the guest: writes frames into receive sections, several small ones into one,
 * and announces up to 32 of them by one transfer-page packet.
 *
 * The one copy of the path happens here: private head from the snapshot, the rest from the
 * sender's memory. */
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_memcpy.h>

#include "base/copy.h"
#include "netvsp/give.h"
#include "vswitch/offload.h"

#define OUT_MARGIN    512u /* for control answers */
#define SECTIONS_MORE 16u
#define STAGED_MAX    256u /* bytes of a frame */
#define AHEAD	      640u /* bytes */
#define RUN_MIN	      32u  /* bytes of a frame that is given in a run */
#define RUN_MAX	      84u
#define RUN_TRIES     3u /* in vain, until a burst is taken for one of other frames */
_Static_assert(RUN_MAX <= 68 + 18, "a run's frames fit the least MTU");

uint32_t netvsp_out_reserve(const struct netvsp_chan *ch)
{
	return ch->burst_max * 64u + OUT_MARGIN;
}

void netvsp_signal(struct netvsp_chan *ch, unsigned int lcore, bool wanted)
{
	struct vmbus_peer *p = ch->info->peer;
	uint32_t vp;

	if (likely(!wanted))
		return;
	vp = __atomic_load_n(&ch->info->target_vp, __ATOMIC_RELAXED);
	if (vp >= p->nr_vps)
		return;
	/* Not under the lock: several lcores may signal at once. */
	__atomic_fetch_add(&ch->tx.interrupts, 1, __ATOMIC_RELAXED);
	vmbus_state_signal(p->state, &p->gm, lcore, vp, ch->info->relid, p->sint_fd[vp]);
}

/* ---- Writing one message ------------------------------------------------------------------- */

/* RUN_MIN to RUN_MAX bytes. */
static inline void copy_run(uint8_t *dst, const uint8_t *src, uint32_t n)
{
	rte_mov32(dst, src);
	if (unlikely(n > 64))
		rte_mov32(dst + 32, src + 32);
	rte_mov32(dst + n - 32, src + n - 32);
}

/* Exact, so that no byte of another partition's frame is left behind in the guest's buffer: what a move of 16 bytes
 * would copy too much overlaps the one before. */
static inline void copy_exact(uint8_t *dst, const uint8_t *src, uint32_t n)
{
	uint32_t i;

	if (likely(n - RUN_MIN <= RUN_MAX - RUN_MIN)) {
		copy_run(dst, src, n);
		return;
	}
	if (unlikely(n < 16)) {
		memcpy(dst, src, n);
		return;
	}
	for (i = 0; i + 16 <= n; i += 16)
		rte_mov16(dst + i, src + i);
	if (i < n)
		rte_mov16(dst + n - 16, src + n - 16);
}

/* @dst has room for the padded message and is contiguous. */
static inline __attribute__((always_inline)) void write_message(const struct vsw_vec *v,
								const struct vsw_slot *s,
								uint8_t *dst, bool is_tagged,
								const struct ppis *x)
{
	const struct nethv_pkt *p = &s->pkt;

	message_head(dst, p->len, head_len(is_tagged, x), head_len(is_tagged, x),
		     message_len(p, is_tagged, x));
	message_ppis(dst + HDR_LEN, p, is_tagged, x);
	dst += head_len(is_tagged, x);
	copy_exact(dst, vsw_hdr(p), p->hdr_len);
	if (p->len > p->hdr_len) {
		if (likely(s->data != NULL))
			copy_lines(dst + p->hdr_len, s->data + p->hdr_len, p->len - p->hdr_len);
		else
			vsw_slot_copy_backing(v, s, p->hdr_len, dst + p->hdr_len,
					      p->len - p->hdr_len);
	}
	if (x && (p->flags & NETHV_PKT_CSUM) && !x->is_unfinished)
		vsw_csum_finish(p, dst);
}

/* What pads a message of @len bytes in private memory, which goes to the guest with it. */
static inline void pad_clear(uint8_t *at, uint32_t len)
{
	put_pair(at, len - MSG_ALIGN, 0);
}

/* A section over scattered pages: the message is put together in private memory first. */
static void write_scattered(const struct give *w, const struct vsw_slot *s, uint32_t len,
			    bool is_tagged, const struct ppis *x)
{
	uint8_t tmp[VSW_FRAME_MAX + NETVSP_FRAME_ROOM + MSG_ALIGN];
	uint32_t done, run;

	pad_clear(tmp, len);
	write_message(w->v, s, tmp, is_tagged, x);
	for (done = 0; done < len; done += run) {
		uint32_t at = w->at + done, in_page = at % VMBUS_PAGE_SIZE;

		run = VMBUS_PAGE_SIZE - in_page < len - done ? VMBUS_PAGE_SIZE - in_page
							     : len - done;
		memcpy(w->g->page[at / VMBUS_PAGE_SIZE] + in_page, tmp + done, run);
	}
}

/* Where the next message is put together; NULL: its section is scattered. */
static inline uint8_t *next_place(struct give *w, bool is_staged)
{
	if (likely(is_staged))
		return w->stage + w->nr_staged;
	if (likely(w->g->flat != NULL))
		return w->g->flat + w->at;
	if (w->section_size <= VMBUS_PAGE_SIZE)
		return w->g->page[w->at / VMBUS_PAGE_SIZE] + w->at % VMBUS_PAGE_SIZE;
	return NULL;
}

/* ---- The stage ------------------------------------------------------------------------------ */

/* The guest's core has the lines of a section, for it read them, and a store waits until its line has come. A core does
 * its stores in order and holds some sixty that wait, four short messages: so messages are put together in private memory,
 * and written by as few stores as there can be, that more lines are on their way at a time. Paired runs: 64-byte packets
 * take 10 % fewer cycles, and 25 % fewer with processors that are far from each other. Long ones do not, for they are copied
 * once more. */

void netvsp_stage_flush(struct give *w)
{
	uint8_t *to = w->g->flat + (w->at - w->nr_staged);
	const uint32_t n = w->nr_staged;
	uint32_t i;

	for (i = 0; i + LINE_SIZE <= n; i += LINE_SIZE)
		rte_mov64(to + i, w->stage + i);
	for (; i + 16 <= n; i += 16)
		rte_mov16(to + i, w->stage + i);
	if (i < n)
		memcpy(to + i, w->stage + i, MSG_ALIGN); /* messages are multiples of it */
	w->nr_staged = 0;
}

/* @len: of the message that comes. What is staged begins with a line. */
static inline void stage_choose(struct give *w, bool is_staged, uint32_t len)
{
	if (unlikely(w->nr_staged && (!is_staged || w->nr_staged + len > STAGE_SIZE)))
		netvsp_stage_flush(w);
	if (is_staged && !w->nr_staged)
		w->at = RTE_ALIGN_CEIL(w->at, LINE_SIZE);
}

/* ---- Packets to the guest ------------------------------------------------------------------ */

void netvsp_xfer_close(struct give *w)
{
	static const struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT,
					  .rndis_pkt = {NVSP_CHANNEL_DATA, NVSP_SECTION_NONE, 0}};
	struct xfer *x = &w->x;
	uint32_t hdr = (uint32_t)(sizeof(x->h) + x->nr_ranges * sizeof(x->range[0]));
	const struct vmbus_pkt_desc d = {
		.type = VMBUS_PKT_XFER_PAGES,
		.offset8 = (uint16_t)((sizeof(d) + hdr) / 8),
		.len8 = (uint16_t)((sizeof(d) + hdr + NVSP_MSG_SIZE) / 8),
		.flags = VMBUS_PKT_FLAG_COMPLETION_REQUESTED,
		.trans_id = x->head,
	};

	if (likely(w->nr_staged))
		netvsp_stage_flush(w);
	x->h = (struct vmbus_pkt_xfer){.set_id = NVSP_RECV_BUF_ID, .range_count = x->nr_ranges};
	w->space -= (int32_t)vmbus_ring_put(&w->ch->out, &d, &x->h, hdr, &m, NVSP_MSG_SIZE);
	w->ch->tx.ring_packets++;
	x->nr_ranges = 0;
	w->at = w->end; /* the next packet begins with a section of its own */
}

static __attribute__((noinline)) bool sections_more(struct give *w)
{
	w->nr_sec = netvsp_pool_take(w->ch->nic, w->sec, SECTIONS_MORE, w->ch->nic->pool.keep);
	w->next_sec = 0;
	return w->nr_sec > 0;
}

/* The lines of a section that a long frame will be written to are asked for a frame ahead. Paired runs: 2 % fewer cycles a
 * 1518-byte packet; what is staged does not gain by it. */
static void section_wanted(const struct give *w, uint32_t i)
{
	if (likely(w->g->flat && i < w->nr_sec))
		lines_own(w->g->flat + w->sec[i] * w->section_size, AHEAD);
}

/* Makes the next section the current one, chained to the packet under construction. */
static inline bool section_next(struct give *w, bool is_staged)
{
	if (unlikely(w->next_sec == w->nr_sec) && !sections_more(w))
		return false;
	if (likely(w->nr_staged))
		netvsp_stage_flush(w);
	w->nr_used++;
	section_use(w, w->sec[w->next_sec++]);
	w->at = w->cur * w->section_size;
	w->end = w->at + w->section_size;
	if (!is_staged)
		section_wanted(w, w->next_sec);
	return true;
}

/* Puts one frame. 0, or the reason why not (enum vsw_drop). Three times in the code: for plain frames,
 * for tagged ones, and for those that have more to tell. */
static inline __attribute__((always_inline)) uint8_t put_frame(struct give *w,
							       const struct vsw_slot *s,
							       bool is_tagged,
							       const struct ppis *px)
{
	const uint32_t len = message_len(&s->pkt, is_tagged, px);
	const bool is_staged = s->pkt.len <= w->staged_max;
	struct xfer *x = &w->x;
	uint8_t *dst;

	if (unlikely(s->pkt.len > w->len_max || len > w->section_size))
		return VSW_DROP_too_big;
	if (x->nr_ranges == NETVSP_RANGES_MAX)
		netvsp_xfer_close(w);
	if (x->nr_ranges == 0 && w->space < (int32_t)xfer_size(NETVSP_RANGES_MAX))
		return VSW_DROP_rx_ring_full;
	stage_choose(w, is_staged, len);
	if (w->at + len > w->end && !section_next(w, is_staged))
		return VSW_DROP_rx_no_buffer;
	dst = next_place(w, is_staged);
	if (likely(is_staged))
		pad_clear(dst, len);
	if (likely(dst != NULL))
		write_message(w->v, s, dst, is_tagged, px);
	else
		write_scattered(w, s, len, is_tagged, px);
	w->nr_staged += is_staged ? len : 0;
	x->range[x->nr_ranges++] = (struct vmbus_xfer_range){len, w->at};
	w->at += len;
	return 0;
}

/* ---- Frames with more to tell --------------------------------------------------------------- */

static void ppi_add(struct ppis *x, uint32_t type, uint32_t value)
{
	x->type[x->n] = type;
	x->value[x->n++] = value;
}

/* What the guest wants to hear of a checksum: one that a device found good, or that we compute. */
static uint32_t csum_good(const struct give *w, const struct nethv_pkt *p)
{
	const uint32_t on = __atomic_load_n(&w->st->offload, __ATOMIC_RELAXED);
	const bool is_v4 = p->csum & NETHV_CSUM_IP4;
	uint32_t good = 0;

	if ((p->csum & NETHV_CSUM_TCP) && (on & (is_v4 ? NETVSP_RX_TCP4 : NETVSP_RX_TCP6)))
		good |= RNDIS_CSUM_TCP_OK;
	if ((p->csum & NETHV_CSUM_UDP) && (on & (is_v4 ? NETVSP_RX_UDP4 : NETVSP_RX_UDP6)))
		good |= RNDIS_CSUM_UDP_OK;
	if ((p->csum & NETHV_CSUM_IP4_OK) && (on & NETVSP_RX_IP4))
		good |= RNDIS_CSUM_IP_OK;
	return good;
}

static void ppis_of(const struct give *w, const struct nethv_pkt *p, const struct hashed *h,
		    struct ppis *x)
{
	uint32_t good = 0;

	x->n = 0;
	if (p->flags & (NETHV_PKT_CSUM | NETHV_PKT_LSO | NETHV_PKT_CSUM_OK))
		good = csum_good(w, p);
	if (good)
		ppi_add(x, RNDIS_PPI_CSUM, good);
	if (h && h->type) {
		ppi_add(x, RNDIS_PPI_HASH, h->value);
		ppi_add(x, RNDIS_PPI_HASH_INFO, h->type);
	}
	x->is_unfinished = good && w->ch->nic->cfg.lazy_csum;
}

static __attribute__((noinline)) uint8_t put_special(struct give *w, const struct vsw_slot *s,
						     const struct ppis *x)
{
	return put_frame(w, s, s->pkt.flags & NETHV_PKT_VLAN, x);
}

/* Cuts a long frame. The first segment that finds no room ends it: the rest would find none either. */
static uint8_t give_segments(struct give *w, const struct vsw_slot *s, const struct ppis *x)
{
	uint32_t sent = 0;
	uint64_t bytes = 0;
	uint8_t why = VSW_DROP_none;
	struct vsw_seg g;

	vsw_seg_begin(&g, w->v, s);
	while (!why && vsw_seg_next(&g)) {
		why = put_special(w, &g.slot, x);
		if (why)
			break;
		bytes += g.slot.pkt.len;
		sent++;
	}
	w->nr_more += sent ? sent - 1 : 0;
	return vsw_cut_add(w->v, &s->pkt, vsw_lso_segments(&s->pkt), sent, bytes, why);
}

static __attribute__((noinline)) uint8_t give_special(struct give *w, const struct vsw_slot *s,
						      const struct hashed *h)
{
	struct ppis x;

	ppis_of(w, &s->pkt, h, &x);
	if (s->pkt.flags & NETHV_PKT_LSO)
		return give_segments(w, s, &x);
	return put_special(w, s, &x);
}

static __attribute__((noinline)) uint8_t give_tagged(struct give *w, const struct vsw_slot *s)
{
	return put_frame(w, s, true, NULL);
}

/* It lies in the guest's buffer: no copy. */
static uint8_t give_placed(struct give *w, const struct vsw_slot *s, uint16_t i)
{
	struct ppis x;

	ppis_of(w, &s->pkt, w->hash ? &w->hash[i] : NULL, &x);
	if (w->nr_staged)
		netvsp_stage_flush(w);
	return netvsp_put_in_place(w, s, &x);
}

/* @i: of the frame in the burst. */
static inline uint8_t give_one(struct give *w, const struct vsw_slot *s, uint16_t i)
{
	if (likely(!(s->pkt.flags || w->hash)))
		return put_frame(w, s, false, NULL);
	if (s->pkt.flags == NETHV_PKT_VLAN && !w->hash)
		return give_tagged(w, s);
	return give_special(w, s, w->hash ? &w->hash[i] : NULL);
}

/* ---- Receive filter ------------------------------------------------------------------------ */

static inline bool is_wanted(const struct netvsp_nic *nic, uint32_t filter, const uint8_t *dst)
{
	if (filter & NDIS_FILTER_PROMISCUOUS)
		return true;
	/* Its permanent address is always the guest's: a driver that was loaded again uses it. */
	if (likely(!(dst[0] & 1)))
		return (filter & NDIS_FILTER_DIRECTED) &&
		       (memcmp(dst, nic->mac, 6) == 0 || memcmp(dst, nic->cfg.mac, 6) == 0);
	if (memcmp(dst, "\xff\xff\xff\xff\xff\xff", 6) == 0)
		return filter & NDIS_FILTER_BROADCAST;
	return filter & (NDIS_FILTER_MULTICAST | NDIS_FILTER_ALL_MULTICAST);
}

/* What give_run() looks at instead. */
static inline void wanted_addresses(struct give *w, const struct netvsp_nic *nic)
{
	if (w->filter & NDIS_FILTER_PROMISCUOUS) {
		w->own_mask = w->own = 0;
		return;
	}
	w->own_mask = VSW_MAC_MASK;
	w->own = w->filter & NDIS_FILTER_DIRECTED ? vsw_mac_num(nic->mac) : UINT64_MAX;
}

static uint8_t why_down(const struct netvsp_nic *nic)
{
	return __atomic_load_n(&nic->cfg.link_down, __ATOMIC_RELAXED) ? VSW_DROP_link_down
								      : VSW_DROP_port_down;
}

/* ---- A burst to one channel ---------------------------------------------------------------- */

static bool give_begin(struct give *w, struct netvsp_chan *ch, struct vsw_vec *v, uint16_t n)
{
	struct netvsp_nic *nic = ch->nic;

	w->ch = ch;
	w->st = nic->st;
	w->v = v;
	w->g = atomic_load_explicit(&nic->recv, memory_order_acquire);
	w->filter = atomic_load_explicit(&nic->rx_on, memory_order_relaxed);
	if (!w->g || !w->filter)
		return false;
	w->section_size = w->st->section_size;
	w->len_max = w->st->mtu + 18u;
	wanted_addresses(w, nic);
	w->space = vmbus_ring_space(&ch->out);
	if (unlikely(w->space < 0)) {
		netvsp_fault(ch, "read index outside the ring");
		return false;
	}
	w->space -= (int32_t)netvsp_out_reserve(ch);
	w->seq = netvsp_seq_next(ch->rx_seq);
	w->nr_sec = netvsp_pool_take(nic, w->sec, RTE_MIN(n, ch->nr_used + 1), nic->pool.keep);
	w->next_sec = 0;
	w->nr_used = 0;
	w->nr_more = 0;
	w->nr_placed = 0;
	w->at = w->end = 0;
	w->x.nr_ranges = 0;
	w->staged_max = w->g->flat ? STAGED_MAX : 0;
	w->nr_staged = 0;
	return true;
}

/* Returns true when the guest wants a signal. */
static bool give_end(struct give *w, uint16_t given)
{
	struct netvsp_chan *ch = w->ch;

	netvsp_pool_give(ch->nic, w->sec + w->next_sec, w->nr_sec - w->next_sec);
	ch->nr_used = w->nr_used;
	if (given == 0)
		return false;
	if (w->x.nr_ranges)
		netvsp_xfer_close(w);
	ch->tx.copies += given + w->nr_more - w->nr_placed;
	ch->tx.direct += w->nr_placed;
	ch->rx_seq = w->seq;
	vmbus_state_h2g_commit(ch->cs, ch->out.own, ch->rx_seq, ch->burst_done);
	return vmbus_ring_publish_write(&ch->out);
}

/* Most frames are like those before them: short, wholly private, with nothing to tell, to the adapter's own address. As
 * many as come next and find room behind what is staged are handed out here, with what give_one() looks at for each looked
 * at once. How many. */
static uint16_t give_run(struct give *w, const uint16_t *idx, uint16_t n)
{
	const uint32_t room = STAGE_SIZE - w->nr_staged;
	const uint32_t end = w->end - w->at < room ? w->end : w->at + room;
	const uint64_t own = w->own, own_mask = w->own_mask;
	struct vmbus_xfer_range *range = w->x.range;
	uint8_t *to = w->stage + w->nr_staged;
	uint32_t at = w->at, nr = w->x.nr_ranges;
	uint16_t i;

	for (i = 0; i < n && nr < NETVSP_RANGES_MAX; i++) {
		const struct vsw_slot *s = &w->v->slot[idx[i]];
		const struct nethv_pkt *p = &s->pkt;
		const uint8_t *from = vsw_hdr(p);
		const uint32_t len = p->len, need = message_len(p, false, NULL);

		if (unlikely(p->flags || p->hdr_len != len || len - RUN_MIN > RUN_MAX - RUN_MIN ||
			     at + need > end || (load64(from) & own_mask) != own))
			break;
		pad_clear(to, need);
		message_head(to, len, HDR_LEN, HDR_LEN, need);
		copy_run(to + HDR_LEN, from, len);
		range[nr++] = (struct vmbus_xfer_range){need, at};
		at += need;
		to += need;
	}
	w->nr_staged += at - w->at;
	w->at = at;
	w->x.nr_ranges = nr;
	return i;
}

/* @may_place: some frames may lie in sections of the guest's buffer already, and these are nobody else's. */
static inline __attribute__((always_inline)) uint16_t give_all(struct give *w, const uint16_t *idx,
							       uint16_t n, uint8_t *reason,
							       bool may_place)
{
	uint16_t i, run, tries = may_place || w->hash ? 0 : RUN_TRIES, given = 0;

	for (i = 0; i < n; i++) {
		const struct vsw_slot *s;

		if (tries && w->nr_staged) {
			run = give_run(w, idx + i, n - i);
			given += run;
			i += run;
			tries -= !run;
			if (i == n)
				break;
		}
		s = &w->v->slot[idx[i]];
		if (unlikely(!is_wanted(w->ch->nic, w->filter, vsw_hdr(&s->pkt))))
			reason[i] = VSW_DROP_rx_filter;
		else if (may_place && netvsp_is_in_place(w, s))
			reason[i] = give_placed(w, s, i);
		else
			reason[i] = give_one(w, s, i);
		given += !reason[i];
	}
	return given;
}

static __attribute__((noinline)) uint16_t give_mixed(struct give *w, const uint16_t *idx,
						     uint16_t n, uint8_t *reason)
{
	const uint16_t k = netvsp_put_plain(w, idx, n, reason);

	return k + give_all(w, idx + k, n - k, reason + k, true);
}

static bool is_for_us(const struct netvsp_nic *nic, const struct vsw_vec *v)
{
	return v->has_direct && v->to == vsw_port_id(nic->port);
}

/* The filter is looked at again under the lock: whoever set it to 0 and then had the lock knows that no
 * frame comes after. @hash may be NULL. */
static uint16_t give_burst(struct netvsp_chan *ch, struct vsw_vec *v, const uint16_t *idx,
			   uint16_t n, uint8_t *reason, const struct hashed *hash)
{
	struct give w;
	uint16_t given;
	bool wanted;

	rte_spinlock_lock(&ch->lock);
	if (unlikely(!give_begin(&w, ch, v, n))) {
		rte_spinlock_unlock(&ch->lock);
		memset(reason, why_down(ch->nic), n);
		return 0;
	}
	w.hash = hash;
	if (unlikely(is_for_us(ch->nic, v)))
		given = give_mixed(&w, idx, n, reason);
	else
		given = give_all(&w, idx, n, reason, false);
	wanted = give_end(&w, given);
	rte_spinlock_unlock(&ch->lock);
	netvsp_signal(ch, v->lcore, wanted);
	return given;
}

/* Several queues: one burst each, in order within a flow. */
static uint16_t give_spread(struct netvsp_nic *nic, struct vsw_vec *v, const uint16_t *idx,
			    uint16_t n, uint8_t *reason)
{
	uint16_t q, i, k, given = 0, sub[VSW_VEC_SIZE], where[VSW_VEC_SIZE];
	struct hashed all[VSW_VEC_SIZE], hash[VSW_VEC_SIZE];
	uint8_t queue[VSW_VEC_SIZE], why[VSW_VEC_SIZE];

	for (i = 0; i < n; i++) {
		all[i].type = netvsp_rss_hash(nic, &v->slot[idx[i]].pkt, &all[i].value);
		queue[i] = all[i].type ? netvsp_rss_queue(nic, all[i].value) : 0;
	}
	for (q = 0; q < NETVSP_CHANNELS_MAX; q++) {
		struct netvsp_chan *ch;

		for (i = 0, k = 0; i < n; i++) {
			if (queue[i] == q) {
				sub[k] = idx[i];
				hash[k] = all[i];
				where[k++] = i;
			}
		}
		if (k == 0)
			continue;
		ch = atomic_load_explicit(&nic->live[q], memory_order_acquire);
		if (!ch) /* its queue was closed meanwhile: the primary takes it */
			ch = atomic_load_explicit(&nic->live[0], memory_order_acquire);
		memset(why, 0, k);
		if (ch)
			given += give_burst(ch, v, sub, k, why, hash);
		else
			memset(why, VSW_DROP_port_down, k);
		for (i = 0; i < k; i++)
			reason[where[i]] = why[i];
	}
	return given;
}

uint16_t netvsp_tx(void *be, struct vsw_vec *v, const uint16_t *idx, uint16_t n, uint8_t *reason)
{
	struct netvsp_nic *nic = be;
	uint32_t filter = atomic_load_explicit(&nic->rx_on, memory_order_acquire);
	struct netvsp_chan *ch = atomic_load_explicit(&nic->live[0], memory_order_acquire);

	if (unlikely(!ch || !filter || ch->is_faulted)) {
		if (ch && ch->is_faulted)
			netvsp_fault(ch, ch->fault); /* in case its report found no room */
		memset(reason, why_down(nic), n);
		return 0;
	}
	if (unlikely(__atomic_load_n(&nic->st->rss_on, __ATOMIC_RELAXED)))
		return give_spread(nic, v, idx, n, reason);
	return give_burst(ch, v, idx, n, reason, NULL);
}
