/* SPDX-License-Identifier: BSD-3-Clause */
/* NetVSC: the send side of a queue. Three ways: messages built in a send section (aggregated),
 * received messages sent from where they lie (GPA-direct, many in a packet), and frames too large
 * for a section from pages of our own. */
#include "guest/netvsc/nvsc.h"

#define SLOT_END   0xFFFFFFFFu
#define SLOT_MASK  0xFFFFu
#define NR_SLOTS   1024u
#define HDR_BYTES  ((uint32_t)sizeof(struct rndis_packet))
#define SEND_BYTES vmbus_ring_need(0, NVSP_MSG_SIZE)

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* ---- Slots --------------------------------------------------------------------------------- */

static uint32_t slot_get(struct nvsc_queue *q, enum nvsc_slot_kind kind, uint32_t unit)
{
	uint32_t i = q->slot_free;
	struct nvsc_slot *s = &q->slot[i];

	q->slot_free = s->next;
	q->nr_busy++;
	s->gen++;
	s->kind = (uint16_t)kind;
	s->unit = unit;
	s->nr_pairs = 0;
	return i;
}

static uint64_t slot_id(const struct nvsc_queue *q, uint32_t i)
{
	return (uint64_t)q->slot[i].gen << 16 | i;
}

void nvsc_tx_complete(struct nvsc_queue *q, uint64_t id, uint32_t status)
{
	uint32_t i = (uint32_t)id & SLOT_MASK, k;
	struct nvsc_slot *s = &q->slot[i];

	if (unlikely(i >= NR_SLOTS || !q->slot || s->kind == NVSC_SLOT_FREE ||
		     s->gen != id >> 16)) {
		q->stats.bad_ids++;
		return;
	}
	if (unlikely(status != NVSP_STATUS_SUCCESS))
		q->stats.tx_failed++;
	if (s->kind == NVSC_SLOT_SECTION)
		q->unit_free[q->nr_units++] = s->unit;
	else if (s->kind == NVSC_SLOT_BIG)
		q->big_free[q->nr_big++] = s->unit;
	for (k = 0; k < s->nr_pairs; k++)
		nvsc_rec_put(s->rxq, s->pair[k].rec, s->pair[k].n);
	s->kind = NVSC_SLOT_FREE;
	s->next = q->slot_free;
	q->slot_free = i;
	q->nr_busy--;
}

static void put_packet(struct nvsc_queue *q, uint32_t type, uint32_t slot, const void *hdr,
		       uint32_t hdr_len, const struct nvsp_msg *m)
{
	struct vmbus_pkt_desc d = {.type = (uint16_t)type,
				   .offset8 = (uint16_t)((16 + hdr_len) / 8),
				   .len8 = (uint16_t)((16 + hdr_len + NVSP_MSG_SIZE) / 8),
				   .flags = VMBUS_PKT_FLAG_COMPLETION_REQUESTED,
				   .trans_id = slot_id(q, slot)};

	vmbus_ring_put(&q->out, &d, hdr, hdr_len, m, NVSP_MSG_SIZE);
	q->stats.tx_packets++;
}

static const struct nvsp_msg data_msg = {
	.type = NVSP_MSG_RNDIS_PKT,
	.rndis_pkt = {.channel_type = NVSP_CHANNEL_DATA, .section_index = NVSP_SECTION_NONE}};

/* ---- Forwarding in place ------------------------------------------------------------------- */

/* Writes the packet being built to the ring. False: no room. */
static bool batch_close(struct nvsc_queue *q)
{
	uint32_t hdr_len = 8 + q->batch_words * 8, slot, i;

	if (q->slot_free == SLOT_END || !nvsc_out_room(q, vmbus_ring_need(hdr_len, NVSP_MSG_SIZE)))
		return false;
	q->batch.head = (uint64_t)q->batch_nr << 32;
	slot = slot_get(q, NVSC_SLOT_FORWARD, 0);
	q->slot[slot].rxq = q->batch_rxq;
	q->slot[slot].nr_pairs = (uint16_t)q->batch_pairs;
	for (i = 0; i < q->batch_pairs; i++)
		q->slot[slot].pair[i] = q->batch_pair[i];
	put_packet(q, VMBUS_PKT_GPA_DIRECT, slot, &q->batch, hdr_len, &data_msg);
	q->stats.tx_frames += q->batch_nr;
	q->batch_nr = q->batch_words = q->batch_pairs = q->batch_bytes = 0;
	return true;
}

/* Writes a section being filled to the ring: room was made sure of when it was begun. */
static void agg_close(struct nvsc_queue *q)
{
	struct nvsp_msg m = data_msg;

	m.rndis_pkt.section_index = q->slot[q->agg_slot].unit;
	m.rndis_pkt.section_size = q->agg_used;
	put_packet(q, VMBUS_PKT_INBAND, q->agg_slot, NULL, 0, &m);
	q->stats.tx_frames += q->agg_count;
	q->agg = NULL;
}

static inline uint64_t rx_pfn(const struct nvsc_nic *nic, uint32_t page)
{
	return likely(!nic->rx_pfn) ? nic->rx_pfn0 + page : nic->rx_pfn[page];
}

/* Adds the message at @off of @rxq's receive buffer to the packet being built. False: no room. */
static inline bool batch_add(struct nvsc_queue *q, struct nvsc_queue *rxq, uint32_t off,
			     uint32_t len, uint32_t rec)
{
	uint32_t first = off / VMBUS_PAGE_SIZE, in_page = off % VMBUS_PAGE_SIZE;
	uint32_t pages = (in_page + len + VMBUS_PAGE_SIZE - 1) / VMBUS_PAGE_SIZE, i;
	uint64_t *w;

	if (unlikely(q->agg != NULL))
		agg_close(q);
	if (q->batch_nr &&
	    (q->batch_nr >= q->nic->max_pkts || q->batch_rxq != rxq ||
	     q->batch_words + 1 + pages > NVSC_BATCH_WORDS ||
	     len > q->nic->max_xfer - q->batch_bytes) &&
	    !batch_close(q))
		return false;
	w = &q->batch.word[q->batch_words];
	*w++ = (uint64_t)in_page << 32 | len;
	for (i = 0; i < pages; i++)
		*w++ = rx_pfn(rxq->nic, first + i);
	q->batch_words += 1 + pages;
	q->batch_bytes += len;
	q->batch_rxq = rxq;
	q->batch_nr++;
	if (q->batch_pairs && q->batch_pair[q->batch_pairs - 1].rec == rec)
		q->batch_pair[q->batch_pairs - 1].n++;
	else
		q->batch_pair[q->batch_pairs++] = (struct nvsc_pair){.rec = rec, .n = 1};
	return true;
}

/* Per-packet information: just a VLAN tag. @p: NVSC_VLAN_PPI_SIZE bytes. */
static void put_vlan(uint8_t *p, uint16_t tci)
{
	struct rndis_ppi ppi = {
		.size = NVSC_VLAN_PPI_SIZE, .type = RNDIS_PPI_VLAN, .offset = sizeof(ppi)};
	uint32_t v = rndis_vlan_from_tci(tci);

	__builtin_memcpy(p, &ppi, sizeof(ppi));
	__builtin_memcpy(p + sizeof(ppi), &v, sizeof(v));
}

/* Removes what has no meaning on send from the header of a message; only a VLAN tag stays. */
static __attribute__((noinline)) void clean(struct nvsc_frame *f, uint8_t *msg)
{
	struct rndis_packet h = {.hdr = {RNDIS_MSG_PACKET, f->msg_len},
				 .data_offset = (uint32_t)(f->data - msg) - RNDIS_REL,
				 .data_len = f->len};

	if (f->flags & NVSC_FRAME_VLAN) { /* it was there: so there is room for it */
		h.ppi_offset = HDR_BYTES - RNDIS_REL;
		h.ppi_len = NVSC_VLAN_PPI_SIZE;
		put_vlan(msg + HDR_BYTES, f->tci);
	}
	__builtin_memcpy(msg, &h, sizeof(h));
	f->flags &= (uint16_t)~NVSC_FRAME_DIRTY;
}

static __attribute__((noinline)) void backlog_push(struct nvsc_queue *q, struct nvsc_queue *rxq,
						   const struct nvsc_frame *f)
{
	if (q->backlog_nr == NVSC_BACKLOG) {
		q->stats.tx_lost++;
		nvsc_rec_put(rxq, f->rec, 1);
		return;
	}
	q->backlog[(q->backlog_head + q->backlog_nr++) % NVSC_BACKLOG] = (struct nvsc_waiting){
		.rxq = rxq, .off = f->msg_off, .len = f->msg_len, .rec = f->rec};
	q->stats.backlog++;
}

void nvsc_tx_forward(struct nvsc_queue *q, struct nvsc_queue *rxq, struct nvsc_frame *f,
		     unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (unlikely(f[i].flags & NVSC_FRAME_DIRTY))
			clean(&f[i], rxq->nic->rx + f[i].msg_off);
		if (unlikely(q->backlog_nr) ||
		    !batch_add(q, rxq, f[i].msg_off, f[i].msg_len, f[i].rec))
			backlog_push(q, rxq, &f[i]);
	}
}

static void drain_backlog(struct nvsc_queue *q)
{
	struct nvsc_waiting *w;

	while (q->backlog_nr) {
		w = &q->backlog[q->backlog_head];
		if (!batch_add(q, w->rxq, w->off, w->len, w->rec))
			return;
		q->backlog_head = (q->backlog_head + 1) % NVSC_BACKLOG;
		q->backlog_nr--;
	}
}

void nvsc_tx_flush(struct nvsc_queue *q)
{
	if (q->agg)
		agg_close(q);
	if (unlikely(q->backlog_nr))
		drain_backlog(q);
	if (q->batch_nr)
		batch_close(q); /* else it waits for the next flush */
}

/* ---- Frames of our own --------------------------------------------------------------------- */

/* Header and PPI of a message at @p; returns where the frame goes. */
static uint8_t *put_header(uint8_t *p, uint32_t len, uint16_t flags, uint16_t tci)
{
	uint32_t ppi = flags & NVSC_FRAME_VLAN ? NVSC_VLAN_PPI_SIZE : 0;
	struct rndis_packet h = {.hdr = {RNDIS_MSG_PACKET, HDR_BYTES + ppi + len},
				 .data_offset = HDR_BYTES - RNDIS_REL + ppi,
				 .data_len = len,
				 .ppi_offset = ppi ? HDR_BYTES - RNDIS_REL : 0,
				 .ppi_len = ppi};

	__builtin_memcpy(p, &h, sizeof(h));
	if (ppi)
		put_vlan(p + HDR_BYTES, tci);
	return p + HDR_BYTES + ppi;
}

static bool agg_open(struct nvsc_queue *q)
{
	if (q->batch_nr && !batch_close(q))
		return false;
	if (!q->nr_units || q->slot_free == SLOT_END || !nvsc_out_room(q, SEND_BYTES))
		return false;
	q->agg_slot = slot_get(q, NVSC_SLOT_SECTION, q->unit_free[--q->nr_units]);
	q->agg = q->nic->tx + (uint64_t)q->slot[q->agg_slot].unit * q->nic->section_size;
	q->agg_used = q->agg_count = 0;
	return true;
}

/* The next place in the section being filled for a message of @msg bytes, or NULL. */
static uint8_t *agg_next(struct nvsc_queue *q, uint32_t msg)
{
	uint32_t mask = q->nic->align - 1, start = (q->agg_used + mask) & ~mask;
	uint32_t prev_len;

	if (q->agg_count >= q->nic->max_pkts || start + msg > q->nic->section_size ||
	    start + msg > q->nic->max_xfer)
		return NULL;
	prev_len = start - q->agg_last; /* the one before grows by the padding */
	__builtin_memcpy(q->agg + q->agg_last + 4, &prev_len, sizeof(prev_len));
	return q->agg + start;
}

/* A frame from pages of our own, one message in a packet. */
static uint8_t *big_alloc(struct nvsc_queue *q, uint32_t len, uint16_t flags, uint16_t tci)
{
	uint32_t msg = HDR_BYTES + (flags & NVSC_FRAME_VLAN ? NVSC_VLAN_PPI_SIZE : 0) + len;
	uint32_t pages = (msg + VMBUS_PAGE_SIZE - 1) / VMBUS_PAGE_SIZE, i, slot;
	struct {
		uint64_t head, range, pfn[16];
	} hdr = {.head = 1ull << 32, .range = msg};
	struct nvsc_bus *b = q->nic->bus;
	uint8_t *buf;

	if (pages > q->nic->big_pages || pages > 16 || !q->nr_big || q->slot_free == SLOT_END)
		return NULL;
	if ((q->batch_nr && !batch_close(q)) ||
	    !nvsc_out_room(q, vmbus_ring_need(16 + pages * 8, NVSP_MSG_SIZE)))
		return NULL;
	slot = slot_get(q, NVSC_SLOT_BIG, q->big_free[--q->nr_big]);
	buf = q->big + (uint64_t)q->slot[slot].unit * q->nic->big_pages * VMBUS_PAGE_SIZE;
	for (i = 0; i < pages; i++)
		hdr.pfn[i] = b->t.ops->gpa(b->t.ctx, buf + i * VMBUS_PAGE_SIZE) / VMBUS_PAGE_SIZE;
	put_packet(q, VMBUS_PKT_GPA_DIRECT, slot, &hdr, 16 + pages * 8, &data_msg);
	q->stats.tx_frames++;
	q->stats.copies++;
	return put_header(buf, len, flags, tci);
}

uint8_t *nvsc_tx_alloc(struct nvsc_queue *q, uint32_t len, uint16_t flags, uint16_t tci)
{
	uint32_t msg = HDR_BYTES + (flags & NVSC_FRAME_VLAN ? NVSC_VLAN_PPI_SIZE : 0) + len;
	uint8_t *p = NULL;

	if (unlikely(q->fault || !q->ch || q->backlog_nr || len < NVSC_LEN_MIN))
		return NULL;
	if (q->agg) {
		p = msg <= q->nic->section_size ? agg_next(q, msg) : NULL;
		if (!p)
			agg_close(q);
	}
	if (!p && msg > q->nic->section_size)
		return big_alloc(q, len, flags, tci);
	if (!p) {
		if (!agg_open(q))
			return NULL;
		p = q->agg;
	}
	q->agg_last = (uint32_t)(p - q->agg);
	q->agg_used = q->agg_last + msg;
	q->agg_count++;
	q->stats.copies++;
	return put_header(p, len, flags, tci);
}
