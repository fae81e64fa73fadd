/* SPDX-License-Identifier: BSD-3-Clause */
/* NetVSC: the receive side of a queue, the lists of receive packets, and the publishing of both
 * rings. Everything read from memory that the host can write is fetched once and checked. */
#include "guest/netvsc/nvsc.h"

#define REC_END	   0xFFFFFFFFu
#define NR_SLOTS   1024u
#define HDR_BYTES  ((uint32_t)sizeof(struct rndis_packet))
#define PENDING_SZ 4096u /* ring bytes that must be free before we are woken to send */

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* Words of messages, which begin where the host likes. One load each: what is checked is used. */
typedef uint64_t word64 __attribute__((aligned(1), may_alias));
typedef uint32_t word32 __attribute__((aligned(1), may_alias));

static inline uint64_t fetch64(const void *p)
{
	return *(const volatile word64 *)p;
}

static inline uint32_t fetch32(const void *p)
{
	return *(const volatile word32 *)p;
}

/* ---- Receive packets ----------------------------------------------------------------------- */

void nvsc_rec_put(struct nvsc_queue *q, uint32_t rec, uint32_t n)
{
	struct nvsc_rec *r = &q->rec[rec];

	r->refs -= n;
	if (r->refs)
		return;
	r->next = REC_END;
	if (q->done_head == REC_END)
		q->done_head = rec;
	else
		q->rec[q->done_tail].next = rec;
	q->done_tail = rec;
}

static bool rec_get(struct nvsc_queue *q, uint64_t trans_id, uint32_t refs)
{
	uint32_t rec = q->rec_free;

	if (unlikely(rec == REC_END)) {
		q->fault = NVSC_E_PROTO; /* more packets than sections */
		return false;
	}
	q->rec_free = q->rec[rec].next;
	q->rec[rec].trans_id = trans_id;
	q->rec[rec].refs = refs;
	q->cur_rec = rec;
	return true;
}

/* Tells the host which receive packets it has back. Those that find no room wait. */
static void complete_done(struct nvsc_queue *q)
{
	static const struct nvsp_msg ok = {.type = NVSP_MSG_RNDIS_PKT_COMPLETE,
					   .rndis_pkt_complete.status = NVSP_STATUS_SUCCESS};
	struct vmbus_pkt_desc d = {
		.type = VMBUS_PKT_COMPLETION, .offset8 = 2, .len8 = (16 + NVSP_MSG_SIZE) / 8};
	uint32_t rec;

	while (q->done_head != REC_END && nvsc_out_room(q, vmbus_ring_need(0, NVSP_MSG_SIZE))) {
		rec = q->done_head;
		q->done_head = q->rec[rec].next;
		d.trans_id = q->rec[rec].trans_id;
		vmbus_ring_put(&q->out, &d, NULL, 0, &ok, NVSP_MSG_SIZE);
		q->rec[rec].next = q->rec_free;
		q->rec_free = rec;
	}
}

void nvsc_rx_drop(struct nvsc_queue *q, const struct nvsc_frame *f, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		nvsc_rec_put(q, f[i].rec, 1);
}

void nvsc_rx_skip(struct nvsc_queue *q)
{
	if (q->cur_i < q->cur_n)
		nvsc_rec_put(q, q->cur_rec, q->cur_n - q->cur_i);
	q->cur_i = q->cur_n;
}

bool nvsc_rx_owes(const struct nvsc_queue *q)
{
	return q->done_head != REC_END;
}

/* ---- Messages ------------------------------------------------------------------------------ */

/* Walks per-packet information of @len bytes at @p. False when the chain is malformed. */
static __attribute__((noinline)) bool parse_ppis(struct nvsc_frame *f, const uint8_t *p,
						 uint32_t len)
{
	uint32_t size, type, off;

	while (len) {
		if (len < sizeof(struct rndis_ppi))
			return false;
		size = fetch32(p);
		type = fetch32(p + 4);
		off = fetch32(p + 8);
		if (size < sizeof(struct rndis_ppi) || size > len || size % 4 || off > size)
			return false;
		if (type == RNDIS_PPI_VLAN) {
			if (off < sizeof(struct rndis_ppi) || size - off < 4)
				return false;
			f->tci = rndis_vlan_to_tci(fetch32(p + off));
			f->flags |= NVSC_FRAME_VLAN;
		} else {
			f->flags |= NVSC_FRAME_DIRTY;
		}
		p += size;
		len -= size;
	}
	return true;
}

/* Fills @f from the message in range @r, if that is a good data message. */
static inline bool parse_frame(const struct nvsc_nic *nic, struct vmbus_xfer_range r,
			       struct nvsc_frame *f)
{
	uint64_t type_len, data, ppi;
	uint32_t len, off, data_len;
	uint8_t *m;

	if (unlikely(r.byte_count < HDR_BYTES || r.byte_count > nic->sub_alloc ||
		     r.byte_offset > nic->rx_size - r.byte_count))
		return false;
	m = nic->rx + r.byte_offset;
	type_len = fetch64(m);
	data = fetch64(m + 8);
	ppi = fetch64(m + 28);
	len = (uint32_t)(type_len >> 32);
	off = (uint32_t)data;
	data_len = (uint32_t)(data >> 32);
	if (unlikely((uint32_t)type_len != RNDIS_MSG_PACKET || len < HDR_BYTES ||
		     len > r.byte_count || off < HDR_BYTES - RNDIS_REL || off > len - RNDIS_REL ||
		     data_len > len - RNDIS_REL - off || data_len < NVSC_LEN_MIN))
		return false;
	f->data = m + RNDIS_REL + off;
	f->len = data_len;
	f->tci = 0;
	f->flags = 0;
	f->msg_off = r.byte_offset;
	f->msg_len = len;
	if (likely(ppi >> 32 == 0))
		return true;
	if ((uint32_t)ppi < HDR_BYTES - RNDIS_REL || (uint32_t)ppi > off ||
	    ppi >> 32 > off - (uint32_t)ppi)
		return false;
	return parse_ppis(f, m + RNDIS_REL + (uint32_t)ppi, (uint32_t)(ppi >> 32));
}

/* A range that holds no data frame: a control message, or rubbish. */
static __attribute__((noinline)) void other_message(struct nvsc_queue *q, struct vmbus_xfer_range r)
{
	const struct nvsc_nic *nic = q->nic;

	if (q->index == 0 && r.byte_count >= sizeof(struct rndis_hdr) &&
	    r.byte_count <= nic->sub_alloc && r.byte_offset <= nic->rx_size - r.byte_count &&
	    fetch32(nic->rx + r.byte_offset) != RNDIS_MSG_PACKET)
		nvsc_ctl_rndis(q->nic, nic->rx + r.byte_offset, r.byte_count);
	else
		q->stats.rx_bad++;
	nvsc_rec_put(q, q->cur_rec, 1);
}

static inline unsigned int take_frames(struct nvsc_queue *q, struct nvsc_frame *f, unsigned int max)
{
	const struct nvsc_nic *nic = q->nic;
	uint32_t i = q->cur_i, end = q->cur_n, rec = q->cur_rec;
	unsigned int n = 0;

	for (; i < end && n < max; i++) {
		if (likely(parse_frame(nic, q->cur[i], &f[n])))
			f[n++].rec = rec;
		else
			other_message(q, q->cur[i]);
	}
	q->cur_i = i;
	q->stats.rx_frames += n;
	return n;
}

/* ---- Ring packets -------------------------------------------------------------------------- */

/* A transfer-page packet: its range list becomes the current one. False: malformed. What comes while the buffer is
 * revoked was sent before the host knew, and goes back unread. */
static bool open_xfer(struct nvsc_queue *q, const struct vmbus_pkt_desc *d)
{
	uint32_t at = vmbus_ring_wrap(&q->in, q->in.own + (uint32_t)sizeof(*d));
	uint32_t payload = d->offset8 * 8u, len = d->len8 * 8u;
	struct vmbus_pkt_xfer x;
	uint32_t type;

	if (payload < sizeof(*d) + sizeof(x) || len - payload < 16)
		return false;
	vmbus_ring_read(&q->in, at, &x, sizeof(x));
	if (x.set_id != NVSP_RECV_BUF_ID || !x.range_count || x.range_count > NVSC_RANGES_MAX ||
	    payload - sizeof(*d) - sizeof(x) < x.range_count * sizeof(q->cur[0]))
		return false;
	vmbus_ring_read(&q->in, vmbus_ring_wrap(&q->in, q->in.own + payload), &type, sizeof(type));
	if (type != NVSP_MSG_RNDIS_PKT || (!q->nic->rx && !q->nr_recs))
		return false;
	if (!rec_get(q, d->trans_id, x.range_count))
		return false;
	vmbus_ring_read(&q->in, vmbus_ring_wrap(&q->in, at + (uint32_t)sizeof(x)), q->cur,
			x.range_count * (uint32_t)sizeof(q->cur[0]));
	q->cur_i = 0;
	q->cur_n = x.range_count;
	q->stats.rx_packets++;
	if (unlikely(!q->nic->rx))
		nvsc_rx_skip(q);
	return true;
}

/* Copies a packet's payload, cut to @max bytes. */
static uint32_t read_payload(const struct nvsc_queue *q, const struct vmbus_pkt_desc *d, void *buf,
			     uint32_t max)
{
	uint32_t len = (d->len8 - d->offset8) * 8u;

	if (len > max)
		len = max;
	vmbus_ring_read(&q->in, vmbus_ring_wrap(&q->in, q->in.own + d->offset8 * 8u), buf, len);
	return len;
}

static void completion(struct nvsc_queue *q, const struct vmbus_pkt_desc *d)
{
	uint8_t buf[64] __attribute__((aligned(8)));
	const struct nvsp_msg *m = (const void *)buf;
	uint32_t len;

	if (d->trans_id & NVSC_CTL_ID) {
		len = read_payload(q, d, buf, sizeof(buf));
		if (q->index == 0)
			nvsc_ctl_completion(q->nic, d->trans_id, buf, len);
		else
			q->stats.bad_ids++;
		return;
	}
	len = read_payload(q, d, buf, 8);
	if (len < 8 || m->type != NVSP_MSG_RNDIS_PKT_COMPLETE)
		q->stats.bad_ids++;
	else
		nvsc_tx_complete(q, d->trans_id, m->rndis_pkt_complete.status);
}

static void inband(struct nvsc_queue *q, const struct vmbus_pkt_desc *d)
{
	uint8_t buf[256] __attribute__((aligned(8)));
	uint32_t len = read_payload(q, d, buf, sizeof(buf));

	if (q->index == 0)
		nvsc_ctl_inband(q->nic, buf, len);
}

/* Consumes the next packet. False: none is left, or the queue is dead. */
static bool next_packet(struct nvsc_queue *q)
{
	struct vmbus_pkt_desc d;
	int32_t total = vmbus_ring_peek(&q->in, q->in_avail, &d);

	if (unlikely(total < 0)) {
		q->fault = NVSC_E_PROTO;
		return false;
	}
	if (likely(d.type == VMBUS_PKT_XFER_PAGES)) {
		if (!open_xfer(q, &d))
			q->stats.rx_bad++;
	} else if (d.type == VMBUS_PKT_COMPLETION) {
		completion(q, &d);
	} else if (d.type == VMBUS_PKT_INBAND) {
		inband(q, &d);
	} else {
		q->stats.rx_bad++;
	}
	vmbus_ring_skip(&q->in, (uint32_t)total);
	q->in_avail -= (uint32_t)total;
	return !q->fault;
}

unsigned int nvsc_rx_burst(struct nvsc_queue *q, struct nvsc_frame *f, unsigned int max)
{
	unsigned int n = 0;
	int32_t avail;

	if (unlikely(q->fault || !q->ch))
		return 0;
	if (!q->in_avail) {
		avail = vmbus_ring_avail(&q->in);
		if (unlikely(avail < 0)) {
			q->fault = NVSC_E_PROTO;
			return 0;
		}
		q->in_avail = (uint32_t)avail;
	}
	for (;;) {
		if (q->cur_i < q->cur_n)
			n += take_frames(q, f + n, max - n);
		if (n == max || !q->in_avail || !next_packet(q))
			return n;
	}
}

/* ---- Publishing ---------------------------------------------------------------------------- */

bool nvsc_out_room(struct nvsc_queue *q, uint32_t bytes)
{
	uint32_t free = q->out.peer > q->out.own ? q->out.peer - q->out.own
						 : q->out.peer + q->out.size - q->out.own;
	int32_t room;

	if (likely(free >= bytes + 8))
		return true;
	room = vmbus_ring_space(&q->out);
	if (room < 0)
		q->fault = NVSC_E_PROTO;
	return room >= (int32_t)bytes;
}

void nvsc_flush(struct nvsc_queue *q)
{
	bool signal = false;

	if (unlikely(q->fault || !q->ch))
		return;
	nvsc_tx_flush(q);
	complete_done(q);
	if (q->out.own != q->write_pub) {
		q->write_pub = q->out.own;
		signal = vmbus_ring_publish_write(&q->out);
	}
	if (q->in.own != q->read_pub) {
		q->read_pub = q->in.own;
		signal |= vmbus_ring_publish_read(&q->in);
	}
	if (unlikely(signal)) {
		q->stats.doorbells++;
		q->nic->bus->t.ops->signal(q->nic->bus->t.ctx, q->ch->connection_id);
	}
}

uint32_t nvsc_tx_pending(const struct nvsc_queue *q)
{
	return q->nr_busy + q->batch_nr + q->backlog_nr;
}

/* Something waits for room in the ring to the host: have it say when there is. */
static bool arm_out(struct nvsc_queue *q)
{
	/* More than half of a small ring may never be free at once: nobody would wake us. */
	uint32_t want = q->out.size / 2 < PENDING_SZ ? q->out.size / 2 : PENDING_SZ;

	__atomic_store_n(&q->out.ctrl->pending_send_sz, want, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with vmbus_ring_publish_read() */
	return vmbus_ring_space(&q->out) > (int32_t)want;
}

bool nvsc_queue_arm(struct nvsc_queue *q)
{
	if (q->fault || !q->ch)
		return false;
	nvsc_flush(q);
	if (q->cur_i < q->cur_n || q->in_avail)
		return true;
	if ((q->done_head != REC_END || q->batch_nr || q->backlog_nr) && arm_out(q))
		return true;
	return vmbus_ring_arm(&q->in);
}

void nvsc_queue_disarm(struct nvsc_queue *q)
{
	if (q->fault || !q->ch)
		return;
	vmbus_ring_disarm(&q->in);
	if (q->out.ctrl->pending_send_sz)
		__atomic_store_n(&q->out.ctrl->pending_send_sz, 0, __ATOMIC_RELAXED);
}

/* ---- Set-up -------------------------------------------------------------------------------- */

uint32_t nvsc_queue_bytes(const struct nvsc_nic *nic, uint32_t nr_sections)
{
	return nic->nr_rx_sections * (uint32_t)sizeof(struct nvsc_rec) +
	       NR_SLOTS * (uint32_t)sizeof(struct nvsc_slot) +
	       NVSC_BACKLOG * (uint32_t)sizeof(struct nvsc_waiting) +
	       nr_sections * (uint32_t)sizeof(uint32_t);
}

/* Last first, so that low numbers are used first: that is what the caches have. */
static void init_lists(struct nvsc_queue *q, uint32_t first_section, uint32_t nr_sections)
{
	uint32_t i;

	q->rec_free = q->slot_free = REC_END;
	for (i = q->nr_recs; i-- > 0;) {
		q->rec[i] = (struct nvsc_rec){.next = q->rec_free};
		q->rec_free = i;
	}
	for (i = NR_SLOTS; i-- > 0;) {
		q->slot[i].kind = NVSC_SLOT_FREE;
		q->slot[i].next = q->slot_free;
		q->slot_free = i;
	}
	q->nr_units = 0;
	for (i = nr_sections; i-- > 0;)
		q->unit_free[q->nr_units++] = first_section + i;
}

/* @mem: nvsc_queue_bytes(). May be called again, once the section size is known, while nothing is
 * outstanding: the rings go on. */
void nvsc_queue_init(struct nvsc_queue *q, struct nvsc_chan *ch, void *mem, uint32_t first_section,
		     uint32_t nr_sections)
{
	uint8_t *p = mem;

	q->nr_recs = q->nic->nr_rx_sections;
	q->rec = (void *)p;
	p += q->nr_recs * sizeof(struct nvsc_rec);
	q->slot = (void *)p;
	p += NR_SLOTS * sizeof(struct nvsc_slot);
	q->backlog = (void *)p;
	p += NVSC_BACKLOG * sizeof(struct nvsc_waiting);
	q->unit_free = (void *)p;
	q->done_head = REC_END;
	init_lists(q, first_section, nr_sections);
	if (q->ch != ch) {
		q->ch = ch;
		q->in = ch->in;
		q->out = ch->out;
		q->read_pub = q->write_pub = 0;
	}
}
