/* SPDX-License-Identifier: BSD-3-Clause */
/* The scripted host; see the header. */
#include "tests/support/fakehost.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEM_BYTES (24ull << 20)
#define RELID	  5u /* of the primary; sub-channel n has RELID + n */

#define must(cond)                                                                     \
	do {                                                                           \
		if (!(cond)) {                                                         \
			fprintf(stderr, "fakehost: %d: %s failed\n", __LINE__, #cond); \
			abort();                                                       \
		}                                                                      \
	} while (0)

/* Guest memory of the last host that ended: thousands of lives in a row fault its pages in only once. */
static uint8_t *spare;

struct fakehost *fakehost_new(void)
{
	struct fakehost *h = calloc(1, sizeof(*h));

	must(h);
	h->mem = spare ? spare : aligned_alloc(4096, MEM_BYTES);
	spare = NULL;
	must(h->mem);
	return h;
}

void fakehost_free(struct fakehost *h)
{
	free(spare);
	spare = h->mem;
	free(h);
}

/* ---- Answers ------------------------------------------------------------------------------- */

static enum fakehost_fate ask_hook(struct fakehost *h, void *buf, uint32_t len, bool is_ring)
{
	unsigned int nr = h->nr_answers++;

	return h->hook ? h->hook(h, nr, buf, len, is_ring) : FAKEHOST_KEEP;
}

static void queue_msg(struct fakehost *h, const void *msg, uint32_t len)
{
	must(h->msg_tail - h->msg_head < FAKEHOST_MSGS);
	h->msg[h->msg_tail % FAKEHOST_MSGS].len = len;
	memcpy(h->msg[h->msg_tail++ % FAKEHOST_MSGS].data, msg, len);
}

void fakehost_say(struct fakehost *h, const void *msg, uint32_t len)
{
	uint64_t buf[VMBUS_MSG_PAYLOAD_MAX / 8];
	enum fakehost_fate fate;

	memcpy(buf, msg, len);
	fate = ask_hook(h, buf, len, false);
	if (fate != FAKEHOST_DROP)
		queue_msg(h, buf, len);
	if (fate == FAKEHOST_DOUBLE)
		queue_msg(h, buf, len);
}

static void put_raw(struct fakehost_chan *c, const void *pkt, uint32_t len)
{
	uint64_t trailer = (uint64_t)c->out.own << 32;
	uint32_t at = c->out.own;

	if (vmbus_ring_space(&c->out) < (int32_t)len + 8)
		return;
	vmbus_ring_write(&c->out, at, pkt, len);
	at = vmbus_ring_wrap(&c->out, at + len);
	vmbus_ring_write(&c->out, at, &trailer, 8);
	c->out.own = vmbus_ring_wrap(&c->out, at + 8);
	vmbus_ring_publish_write(&c->out);
}

void fakehost_put(struct fakehost *h, unsigned int c, const void *pkt, uint32_t len)
{
	static uint64_t buf[2048];
	enum fakehost_fate fate;

	must(len <= sizeof(buf) && len % 8 == 0);
	if (!h->chan[c].is_open)
		return;
	memcpy(buf, pkt, len);
	fate = ask_hook(h, buf, len, true);
	if (fate != FAKEHOST_DROP)
		put_raw(&h->chan[c], buf, len);
	if (fate == FAKEHOST_DOUBLE)
		put_raw(&h->chan[c], buf, len);
}

static void complete(struct fakehost *h, unsigned int c, uint64_t id, const struct nvsp_msg *m)
{
	struct {
		struct vmbus_pkt_desc d;
		struct nvsp_msg m;
	} p = {.d = {VMBUS_PKT_COMPLETION, 2, sizeof(p) / 8, 0, id}, .m = *m};

	fakehost_put(h, c, &p, sizeof(p));
}

static void complete_send(struct fakehost *h, unsigned int c, uint64_t id)
{
	struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT_COMPLETE,
			     .rndis_pkt_complete.status = NVSP_STATUS_SUCCESS};

	complete(h, c, id, &m);
}

void fakehost_complete(struct fakehost *h)
{
	unsigned int i;

	for (i = 0; i < h->nr_tx_ids; i++)
		complete_send(h, 0, h->tx_id[i]);
	h->nr_tx_ids = 0;
}

void fakehost_deliver(struct fakehost *h, unsigned int c, uint64_t id,
		      const struct vmbus_xfer_range *r, uint32_t n)
{
	struct {
		struct vmbus_pkt_desc d;
		struct vmbus_pkt_xfer x;
		uint8_t rest[NVSC_RANGES_MAX * 8 + NVSP_MSG_SIZE];
	} p = {.d = {VMBUS_PKT_XFER_PAGES, (uint16_t)(3 + n), (uint16_t)(3 + n + 5),
		     VMBUS_PKT_FLAG_COMPLETION_REQUESTED, id},
	       .x = {.set_id = NVSP_RECV_BUF_ID, .range_count = n}};
	struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT,
			     .rndis_pkt.section_index = NVSP_SECTION_NONE};

	memcpy(p.rest, r, n * sizeof(*r));
	memcpy(p.rest + n * sizeof(*r), &m, sizeof(m));
	fakehost_put(h, c, &p, 24 + n * 8 + NVSP_MSG_SIZE);
}

uint32_t fakehost_message(struct fakehost *h, uint32_t off, uint32_t len)
{
	struct rndis_packet r = {
		.hdr = {RNDIS_MSG_PACKET, 44 + len}, .data_offset = 36, .data_len = len};
	uint32_t i;

	memcpy(h->rx + off, &r, sizeof(r));
	for (i = 0; i < len; i++)
		h->rx[off + 44 + i] = (uint8_t)i;
	return 44 + len;
}

/* ---- VMBus messages from the guest --------------------------------------------------------- */

static void offer(struct fakehost *h, uint16_t sub)
{
	struct vmbus_msg_offer m = {.hdr.msgtype = VMBUS_MSG_OFFER,
				    .if_type = VMBUS_CLASS_NIC,
				    .if_instance = {.data1 = 1},
				    .sub_channel_index = sub,
				    .child_relid = RELID + sub,
				    .is_dedicated_interrupt = 1,
				    .connection_id = 0x2000u | (RELID + sub)};

	fakehost_say(h, &m, sizeof(m));
}

static void on_contact(struct fakehost *h, const uint8_t *buf)
{
	const struct vmbus_msg_initiate_contact *m = (const void *)buf;
	struct vmbus_msg_version_response r = {.hdr.msgtype = VMBUS_MSG_VERSION_RESPONSE,
					       .msg_conn_id = 4};

	r.version_supported = m->version <= (h->max_vmbus ? h->max_vmbus : VMBUS_V5_3);
	fakehost_say(h, &r, sizeof(r));
}

static void gpadl_done(struct fakehost *h, unsigned int i, uint32_t relid)
{
	struct vmbus_msg_gpadl_created r = {.hdr.msgtype = VMBUS_MSG_GPADL_CREATED,
					    .child_relid = relid,
					    .gpadl = h->gpadl[i].handle};

	if (h->gpadl[i].have == h->gpadl[i].want)
		fakehost_say(h, &r, sizeof(r));
}

static void on_gpadl_header(struct fakehost *h, const uint8_t *buf, uint32_t len)
{
	const struct vmbus_msg_gpadl_header *m = (const void *)buf;
	unsigned int i;

	for (i = 0; h->gpadl[i].handle; i++)
		must(i + 1 < FAKEHOST_GPADLS);
	h->gpadl[i].handle = m->gpadl;
	h->gpadl[i].want = (m->range_buflen - 8) / 8;
	h->gpadl[i].have = (len - 28) / 8;
	must(h->gpadl[i].want <= 4096 && m->rangecount == 1);
	memcpy(h->gpadl[i].pfn, buf + 28, len - 28);
	gpadl_done(h, i, m->child_relid);
}

static unsigned int find_gpadl(const struct fakehost *h, uint32_t handle)
{
	unsigned int i;

	for (i = 0; h->gpadl[i].handle != handle; i++)
		must(i + 1 < FAKEHOST_GPADLS);
	return i;
}

static void on_gpadl_body(struct fakehost *h, const uint8_t *buf, uint32_t len)
{
	const struct vmbus_msg_gpadl_body *m = (const void *)buf;
	unsigned int i = find_gpadl(h, m->gpadl);

	must(h->gpadl[i].have + (len - 16) / 8 <= h->gpadl[i].want);
	memcpy(h->gpadl[i].pfn + h->gpadl[i].have, buf + 16, len - 16);
	h->gpadl[i].have += (len - 16) / 8;
	gpadl_done(h, i, RELID); /* only buffers of the primary need bodies here */
}

static void on_teardown(struct fakehost *h, const uint8_t *buf)
{
	const struct vmbus_msg_gpadl_teardown *m = (const void *)buf;
	struct vmbus_msg_gpadl_torndown r = {.hdr.msgtype = VMBUS_MSG_GPADL_TORNDOWN,
					     .gpadl = m->gpadl};

	h->gpadl[find_gpadl(h, m->gpadl)].handle = 0;
	h->teardowns++;
	fakehost_say(h, &r, sizeof(r));
}

static void on_open(struct fakehost *h, const uint8_t *buf)
{
	const struct vmbus_msg_open *m = (const void *)buf;
	struct vmbus_msg_open_result r = {.hdr.msgtype = VMBUS_MSG_OPEN_RESULT,
					  .child_relid = m->child_relid,
					  .openid = m->openid};
	uint8_t *ring = (void *)(h->gpadl[find_gpadl(h, m->ring_gpadl)].pfn[0] * 4096);
	uint32_t half = m->downstream_offset * 4096;
	struct fakehost_chan *c;

	if (m->child_relid - RELID >= FAKEHOST_CHANS || h->chan[m->child_relid - RELID].is_open)
		return; /* a damaged offer named it */
	c = &h->chan[m->child_relid - RELID];
	vmbus_ring_init(&c->in, ring, ring + 4096, half - 4096, 0);
	vmbus_ring_init(&c->out, ring + half, ring + half + 4096, half - 4096, 0);
	c->is_open = true;
	fakehost_say(h, &r, sizeof(r));
}

static void rescind_subs(struct fakehost *h)
{
	struct vmbus_msg_relid r = {.hdr.msgtype = VMBUS_MSG_RESCIND};
	uint32_t i;

	for (i = 1; i <= h->offers; i++) {
		r.child_relid = RELID + i;
		fakehost_say(h, &r, sizeof(r));
	}
	h->offers = 0;
}

static void on_close(struct fakehost *h, const uint8_t *buf)
{
	const struct vmbus_msg_relid *m = (const void *)buf;

	h->closes++;
	if (m->child_relid - RELID >= FAKEHOST_CHANS)
		return;
	h->chan[m->child_relid - RELID].is_open = false;
	if (m->child_relid == RELID)
		rescind_subs(h);
}

static void simple_answer(struct fakehost *h, uint32_t type)
{
	struct vmbus_msg_hdr r = {.msgtype = type};

	fakehost_say(h, &r, sizeof(r));
}

static int host_post(void *ctx, uint32_t conn, const void *payload, uint32_t len)
{
	struct fakehost *h = ctx;
	uint64_t buf[VMBUS_MSG_PAYLOAD_MAX / 8];
	const uint8_t *b = (const void *)buf;

	must(len >= 8 && len <= sizeof(buf));
	if (h->is_busy)
		return NVSC_E_AGAIN;
	memcpy(buf, payload, len);
	switch (*(const uint32_t *)b) {
	case VMBUS_MSG_INITIATE_CONTACT: on_contact(h, b); break;
	case VMBUS_MSG_REQUEST_OFFERS:
		offer(h, 0);
		simple_answer(h, VMBUS_MSG_ALL_OFFERS_DELIVERED);
		break;
	case VMBUS_MSG_GPADL_HEADER: on_gpadl_header(h, b, len); break;
	case VMBUS_MSG_GPADL_BODY: on_gpadl_body(h, b, len); break;
	case VMBUS_MSG_GPADL_TEARDOWN: on_teardown(h, b); break;
	case VMBUS_MSG_OPEN: on_open(h, b); break;
	case VMBUS_MSG_CLOSE: on_close(h, b); break;
	case VMBUS_MSG_RELID_RELEASED: h->released++; break;
	case VMBUS_MSG_UNLOAD:
		h->unloads++;
		simple_answer(h, VMBUS_MSG_UNLOAD_RESPONSE);
		break;
	default: must(!"unknown message");
	}
	return 0;
}

/* ---- RNDIS control ------------------------------------------------------------------------- */

static void rndis_answer(struct fakehost *h, const void *msg, uint32_t len)
{
	struct vmbus_xfer_range r = {.byte_count = len};

	if (!h->rx)
		return;
	memcpy(h->rx, msg, len);
	fakehost_deliver(h, 0, 0, &r, 1);
}

static void on_query(struct fakehost *h, const struct rndis_request *q)
{
	struct {
		struct rndis_query_complete c;
		uint8_t data[256];
	} r = {.c = {.hdr = {RNDIS_MSG_QUERY | RNDIS_MSG_COMPLETE, 0},
		     .req_id = q->req_id,
		     .info_offset = 16}};
	uint32_t v = 0, n = 4;

	switch (q->oid) {
	case OID_GEN_MAXIMUM_FRAME_SIZE: v = 1500; break;
	case OID_GEN_LINK_SPEED: v = 100000000; break;
	case OID_GEN_MEDIA_CONNECT_STATUS: break;
	case OID_802_3_PERMANENT_ADDRESS:
		n = 6;
		memcpy(r.data, "\2\0\0\0\0\1", 6);
		break;
	case (uint32_t)OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES:
		n = 156;
		memcpy(r.data, "\xa7\3\x9c\0", 4);
		break;
	case OID_GEN_RECEIVE_SCALE_CAPABILITIES:
		n = 18;
		memcpy(r.data, "\x88\2\x12\0", 4);
		r.data[12] = (uint8_t)(1 + h->grant);
		break;
	default: n = 0; r.c.status = RNDIS_STATUS_NOT_SUPPORTED;
	}
	if (n == 4)
		memcpy(r.data, &v, 4);
	r.c.info_len = n;
	r.c.hdr.len = (uint32_t)sizeof(r.c) + n;
	rndis_answer(h, &r, r.c.hdr.len);
}

static void on_set(struct fakehost *h, const struct rndis_request *q)
{
	struct rndis_status_complete r = {.hdr = {RNDIS_MSG_SET | RNDIS_MSG_COMPLETE, sizeof(r)},
					  .req_id = q->req_id};

	if (q->oid == OID_GEN_CURRENT_PACKET_FILTER)
		memcpy(&h->filter, q + 1, 4);
	rndis_answer(h, &r, sizeof(r));
}

static void on_control(struct fakehost *h, const void *msg)
{
	struct rndis_init_complete r = {.hdr = {RNDIS_MSG_INIT | RNDIS_MSG_COMPLETE, sizeof(r)},
					.major = 1,
					.max_pkt_per_msg = h->max_pkts ? h->max_pkts : 32,
					.max_xfer_size = 0xefffffff,
					.pkt_align_factor = 3};
	const struct rndis_request *q = msg;

	r.req_id = q->req_id;
	switch (q->hdr.type) {
	case RNDIS_MSG_INIT: rndis_answer(h, &r, sizeof(r)); break;
	case RNDIS_MSG_QUERY: on_query(h, q); break;
	case RNDIS_MSG_SET: on_set(h, q); break;
	case RNDIS_MSG_HALT: h->halts++; break;
	default: must(!"unknown RNDIS message");
	}
}

/* ---- Ring packets from the guest ----------------------------------------------------------- */

static void on_nvsp(struct fakehost *h, uint64_t id, const struct nvsp_msg *m)
{
	struct nvsp_msg r = {.type = m->type + 1};
	uint32_t i;

	switch (m->type) {
	case NVSP_MSG_INIT:
		r.init_complete.status =
			m->init.max_version <= (h->max_nvsp ? h->max_nvsp : NVSP_V6_1)
				? NVSP_STATUS_SUCCESS
				: NVSP_STATUS_TOO_NEW;
		break;
	case NVSP_MSG_RECV_BUF:
		h->rx = (void *)(h->gpadl[find_gpadl(h, m->buf.gpadl)].pfn[0] * 4096);
		r.recv_buf_complete.status = NVSP_STATUS_SUCCESS;
		r.recv_buf_complete.num_sections = 1;
		r.recv_buf_complete.sub_alloc_size = FAKEHOST_SECTION;
		r.recv_buf_complete.num_sub_allocs = FAKEHOST_SECTIONS;
		break;
	case NVSP_MSG_SEND_BUF:
		r.send_buf_complete.status = NVSP_STATUS_SUCCESS;
		r.send_buf_complete.section_size = 4096;
		break;
	case NVSP_MSG_SUBCHANNEL:
		r.type = NVSP_MSG_SUBCHANNEL;
		r.subchannel_complete.status = NVSP_STATUS_SUCCESS;
		h->offers = m->subchannel.num < h->grant ? m->subchannel.num : h->grant;
		r.subchannel_complete.num = h->offers;
		complete(h, 0, id, &r);
		for (i = 1; i <= h->offers; i++)
			offer(h, (uint16_t)i);
		return;
	case NVSP_MSG_REVOKE_RECV_BUF: h->rx = NULL; return;
	default: return;
	}
	complete(h, 0, id, &r);
}

/* Appends the bytes of a GPA-direct packet's ranges. */
static uint32_t gather(const uint8_t *pkt, uint8_t *dst, uint32_t max, uint32_t *ranges)
{
	uint32_t i, at = 24, len = 0, count, off;
	uint64_t pfn;

	memcpy(ranges, pkt + 20, 4);
	for (i = 0; i < *ranges; i++) {
		memcpy(&count, pkt + at, 4);
		memcpy(&off, pkt + at + 4, 4);
		memcpy(&pfn, pkt + at + 8, 8); /* GPA = address: the rest follows it */
		must(len + count <= max);
		memcpy(dst + len, (uint8_t *)(pfn * 4096) + off, count);
		len += count;
		at += 8 + (off + count + 4095) / 4096 * 8;
	}
	return len;
}

static void on_send(struct fakehost *h, unsigned int c, const struct vmbus_pkt_desc *d,
		    const uint8_t *pkt, const struct nvsp_msg *m)
{
	static uint8_t bytes[65536];
	uint32_t n = 1;

	if (d->type == VMBUS_PKT_GPA_DIRECT)
		h->last_tx_len = gather(pkt, bytes, sizeof(bytes), &n);
	else
		h->last_tx_len = 0;
	memcpy(h->last_tx, bytes,
	       h->last_tx_len < sizeof(h->last_tx) ? h->last_tx_len : sizeof(h->last_tx));
	if (m->rndis_pkt.channel_type == NVSP_CHANNEL_CONTROL) {
		complete_send(h, c, d->trans_id);
		on_control(h, bytes);
		return;
	}
	h->tx_packets++;
	h->tx_messages += n;
	if (h->is_lazy && h->nr_tx_ids < 4096)
		h->tx_id[h->nr_tx_ids++] = d->trans_id;
	else
		complete_send(h, c, d->trans_id);
}

static void on_packet(struct fakehost *h, unsigned int c, const struct vmbus_pkt_desc *d,
		      const uint8_t *pkt)
{
	const struct nvsp_msg *m = (const void *)(pkt + d->offset8 * 8);

	if (d->type == VMBUS_PKT_COMPLETION) {
		h->rx_done++;
		h->last_rx_id = d->trans_id;
	} else if (m->type == NVSP_MSG_RNDIS_PKT) {
		on_send(h, c, d, pkt, m);
	} else {
		on_nvsp(h, d->trans_id, m);
	}
}

static void step_chan(struct fakehost *h, unsigned int c)
{
	static uint64_t pkt[8192];
	struct fakehost_chan *ch = &h->chan[c];
	struct vmbus_pkt_desc d;
	int32_t avail, total;

	while (ch->is_open && (avail = vmbus_ring_avail(&ch->in)) > 0) {
		total = vmbus_ring_peek(&ch->in, (uint32_t)avail, &d);
		must(total > 0 && total <= (int32_t)sizeof(pkt));
		vmbus_ring_read(&ch->in, ch->in.own, pkt, (uint32_t)total);
		vmbus_ring_skip(&ch->in, (uint32_t)total);
		vmbus_ring_publish_read(&ch->in);
		on_packet(h, c, &d, (const uint8_t *)pkt);
	}
	must(!ch->is_open || avail == 0);
}

void fakehost_step(struct fakehost *h)
{
	unsigned int c;

	for (c = 0; c < FAKEHOST_CHANS && !h->is_deaf; c++)
		step_chan(h, c);
}

/* ---- Transport ----------------------------------------------------------------------------- */

static int host_next_message(void *ctx, void *buf)
{
	struct fakehost *h = ctx;
	unsigned int i = h->msg_head % FAKEHOST_MSGS;

	if (h->msg_head == h->msg_tail)
		return 0;
	h->msg_head++;
	memcpy(buf, h->msg[i].data, h->msg[i].len);
	return (int)h->msg[i].len;
}

static void host_signal(void *ctx, uint32_t conn)
{
	struct fakehost *h = ctx;

	h->signals++;
}

static void *host_alloc(void *ctx, uint32_t nr_pages)
{
	struct fakehost *h = ctx;
	uint8_t *p = h->mem + h->mem_used;

	if (h->mem_used + nr_pages * 4096ull > MEM_BYTES)
		return NULL;
	h->mem_used += nr_pages * 4096ull;
	return memset(p, 0, nr_pages * 4096ull);
}

static uint64_t host_gpa(void *ctx, const void *ptr)
{
	return (uint64_t)(uintptr_t)ptr;
}

static void host_relax(void *ctx)
{
	struct fakehost *h = ctx;

	h->clock++;
	fakehost_step(h);
}

static uint64_t host_now(void *ctx)
{
	struct fakehost *h = ctx;

	return h->clock;
}

struct nvsc_transport fakehost_transport(struct fakehost *h)
{
	static const struct nvsc_transport_ops ops = {.post = host_post,
						      .next_message = host_next_message,
						      .signal = host_signal,
						      .alloc = host_alloc,
						      .gpa = host_gpa,
						      .relax = host_relax,
						      .now = host_now};

	return (struct nvsc_transport){&ops, h};
}
