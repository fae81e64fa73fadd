/* SPDX-License-Identifier: BSD-3-Clause */
/* NetVSC: the control dialogue on the primary channel. One NVSP request or one RNDIS request at a
 * time; an answer that does not belong to it is ignored. */
#include "guest/netvsc/nvsc.h"

#define REQUEST_MAX 2048u /* bytes of an RNDIS request: half of the control page */
#define XFER_SIZE   0x4000u

static uint64_t now(const struct nvsc_nic *nic)
{
	return nic->bus->t.ops->now(nic->bus->t.ctx);
}

static uint32_t min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* ---- What the host sends ------------------------------------------------------------------- */

void nvsc_ctl_completion(struct nvsc_nic *nic, uint64_t id, const void *payload, uint32_t len)
{
	struct nvsc_ctl *c = &nic->ctl;

	if (id != c->id || c->is_done) {
		nic->queue[0].stats.bad_ids++;
		return;
	}
	c->reply_len = min_u32(len, sizeof(c->reply_bytes));
	__builtin_memcpy(c->reply_bytes, payload, c->reply_len);
	c->is_done = true;
}

static void send_table(struct nvsc_nic *nic, const uint8_t *msg, uint32_t len)
{
	const struct nvsp_msg *m = (const void *)msg;
	uint32_t off, q, i;

	if (len < 12 || m->indirection_table.count != NVSP_SEND_TABLE_COUNT)
		return;
	off = m->indirection_table.offset;
	if (off < 12 || off > len || len - off < NVSP_SEND_TABLE_COUNT * 4)
		return;
	for (i = 0; i < NVSP_SEND_TABLE_COUNT; i++) {
		__builtin_memcpy(&q, msg + off + i * 4, 4);
		nic->send_table[i] = q < nic->nr_queues ? q : 0;
	}
}

void nvsc_ctl_inband(struct nvsc_nic *nic, const void *payload, uint32_t len)
{
	const struct nvsp_msg *m = payload;

	if (len < 12)
		return;
	if (m->type == NVSP_MSG_INDIRECTION_TABLE) {
		send_table(nic, payload, len);
	} else if (m->type == NVSP_MSG_VF_ASSOCIATION) {
		nic->vf_allocated = m->vf_association.allocated;
		nic->vf_serial = m->vf_association.serial;
	}
}

static void indication(struct nvsc_nic *nic, uint32_t status)
{
	if (status == RNDIS_STATUS_MEDIA_CONNECT)
		nic->is_link_up = true;
	else if (status == RNDIS_STATUS_MEDIA_DISCONN)
		nic->is_link_up = false;
}

void nvsc_ctl_rndis(struct nvsc_nic *nic, const uint8_t *msg, uint32_t len)
{
	struct nvsc_ctl *c = &nic->ctl;
	struct rndis_status_complete h; /* every answer begins so, but INDICATE */
	uint8_t *buf = c->response;

	if (len < 12)
		return;
	__builtin_memset(&h, 0, sizeof(h));
	__builtin_memcpy(&h, msg, min_u32(len, sizeof(h)));
	if (h.hdr.len < 12 || h.hdr.len > len)
		return;
	if (h.hdr.type == RNDIS_MSG_INDICATE) {
		indication(nic, h.req_id); /* the status lies where others have the id */
		return;
	}
	if (!(h.hdr.type & RNDIS_MSG_COMPLETE) || !c->req_id || c->has_response ||
	    h.req_id != c->req_id || h.hdr.len > NVSC_RESPONSE_MAX)
		return;
	__builtin_memcpy(buf, msg, h.hdr.len);
	__builtin_memcpy(buf, &h, min_u32(h.hdr.len, sizeof(h))); /* as checked */
	c->response_len = h.hdr.len;
	c->has_response = true;
}

/* ---- Waiting ------------------------------------------------------------------------------- */

bool nvsc_ctl_step(struct nvsc_nic *nic)
{
	struct nvsc_queue *q = &nic->queue[0];
	uint64_t packets = q->stats.rx_packets;
	uint32_t read = q->in.own;
	struct nvsc_frame f[16];
	unsigned int n;

	n = nvsc_rx_burst(q, f, 16);
	nvsc_rx_drop(q, f, n);
	q->stats.rx_dropped += n;
	nvsc_flush(q);
	return nvsc_bus_poll(nic->bus) || n || packets != q->stats.rx_packets || read != q->in.own;
}

/* Waits until *@done. 0 or negative. */
static int await(struct nvsc_nic *nic, const bool *done)
{
	uint64_t deadline = now(nic) + nic->bus->timeout;

	while (!*done) {
		if (nvsc_ctl_step(nic))
			continue;
		if (nic->ch->is_rescinded)
			return NVSC_E_NODEV;
		if (nic->queue[0].fault)
			return nic->queue[0].fault;
		if (now(nic) > deadline)
			return NVSC_E_TIMEDOUT;
		nic->bus->t.ops->relax(nic->bus->t.ctx);
	}
	return 0;
}

/* Makes room for a request of @bytes on the ring to the host. */
static int await_room(struct nvsc_nic *nic, uint32_t bytes)
{
	uint64_t deadline = now(nic) + nic->bus->timeout;

	while (!nvsc_out_room(&nic->queue[0], bytes)) {
		nvsc_ctl_step(nic);
		if (nic->ch->is_rescinded || nic->queue[0].fault)
			return NVSC_E_NODEV;
		if (now(nic) > deadline)
			return NVSC_E_TIMEDOUT;
		nic->bus->t.ops->relax(nic->bus->t.ctx);
	}
	return 0;
}

/* Puts one control packet on the ring and waits for its completion, if @want is not 0. */
static int transact(struct nvsc_nic *nic, uint32_t type, const void *hdr, uint32_t hdr_len,
		    const struct nvsp_msg *m, uint32_t want)
{
	struct vmbus_pkt_desc d = {.type = (uint16_t)type,
				   .offset8 = (uint16_t)((16 + hdr_len) / 8),
				   .len8 = (uint16_t)((16 + hdr_len + NVSP_MSG_SIZE) / 8),
				   .flags = want ? VMBUS_PKT_FLAG_COMPLETION_REQUESTED : 0,
				   .trans_id = NVSC_CTL_ID | ++nic->ctl.next_id};
	int rc;

	nvsc_flush(&nic->queue[0]);
	rc = await_room(nic, vmbus_ring_need(hdr_len, NVSP_MSG_SIZE));
	if (rc)
		return rc;
	nic->ctl.id = d.trans_id;
	nic->ctl.is_done = false;
	vmbus_ring_put(&nic->queue[0].out, &d, hdr, hdr_len, m, NVSP_MSG_SIZE);
	nvsc_flush(&nic->queue[0]);
	if (want)
		rc = await(nic, &nic->ctl.is_done);
	nic->ctl.id = 0;
	if (rc || !want)
		return rc;
	return nic->ctl.reply_len < 8 || nic->ctl.reply.type != want ? NVSC_E_PROTO : 0;
}

/* Bytes that a completion must have, to carry what we read. */
static uint32_t reply_min(uint32_t type)
{
	if (type == NVSP_MSG_RECV_BUF_COMPLETE)
		return 28;
	return type == NVSP_MSG_INIT_COMPLETE ? 16 : 12;
}

int nvsc_nvsp_call(struct nvsc_nic *nic, const struct nvsp_msg *m, uint32_t want)
{
	int rc;

	__builtin_memset(nic->ctl.reply_bytes, 0, sizeof(nic->ctl.reply_bytes));
	rc = transact(nic, VMBUS_PKT_INBAND, NULL, 0, m, want);
	if (rc || !want)
		return rc;
	return nic->ctl.reply_len < reply_min(want) ? NVSC_E_PROTO : 0;
}

/* ---- RNDIS requests ------------------------------------------------------------------------ */

/* Sends the @len bytes in the control page. */
static int rndis_send(struct nvsc_nic *nic, uint32_t len)
{
	struct nvsc_bus *b = nic->bus;
	struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT,
			     .rndis_pkt = {.channel_type = NVSP_CHANNEL_CONTROL,
					   .section_index = NVSP_SECTION_NONE}};
	uint64_t hdr[3] = {1ull << 32, len,
			   b->t.ops->gpa(b->t.ctx, nic->ctl_mem.ptr) / VMBUS_PAGE_SIZE};

	return transact(nic, VMBUS_PKT_GPA_DIRECT, hdr, sizeof(hdr), &m,
			NVSP_MSG_RNDIS_PKT_COMPLETE);
}

/* Sends the request in the control page and waits for the answer: type | COMPLETE, at least @min
 * bytes. 0 or negative. */
static int rndis_call(struct nvsc_nic *nic, uint32_t type, uint32_t len, uint32_t min)
{
	const struct rndis_hdr *h = (const void *)nic->ctl.response;
	int rc;

	nic->ctl.has_response = false;
	rc = rndis_send(nic, len);
	if (!rc)
		rc = await(nic, &nic->ctl.has_response);
	nic->ctl.req_id = 0;
	if (rc)
		return rc;
	if (h->type != (type | RNDIS_MSG_COMPLETE) || nic->ctl.response_len < min)
		return NVSC_E_PROTO;
	return 0;
}

static uint32_t new_req_id(struct nvsc_nic *nic)
{
	if (!++nic->ctl.next_req)
		nic->ctl.next_req = 1;
	nic->ctl.req_id = nic->ctl.next_req;
	return nic->ctl.req_id;
}

int nvsc_rndis_init(struct nvsc_nic *nic)
{
	struct rndis_init m = {.hdr = {RNDIS_MSG_INIT, sizeof(m)},
			       .req_id = new_req_id(nic),
			       .major = 1,
			       .max_xfer_size = XFER_SIZE};
	const struct rndis_init_complete *c = (const void *)nic->ctl.response;
	int rc;

	__builtin_memcpy(nic->ctl_mem.ptr, &m, sizeof(m));
	rc = rndis_call(nic, RNDIS_MSG_INIT, sizeof(m), sizeof(*c));
	if (rc)
		return rc;
	if (c->status)
		return NVSC_E_IO;
	if (c->pkt_align_factor > 7 || c->max_xfer_size < sizeof(struct rndis_packet))
		return NVSC_E_PROTO;
	nic->max_pkts = min_u32(c->max_pkt_per_msg ? c->max_pkt_per_msg : 1, NVSC_BATCH_MAX);
	if (nic->cfg.max_pkts)
		nic->max_pkts = min_u32(nic->max_pkts, nic->cfg.max_pkts);
	nic->max_xfer = c->max_xfer_size;
	nic->align = 1u << c->pkt_align_factor;
	nic->is_rndis_up = true;
	return 0;
}

int nvsc_rndis_halt(struct nvsc_nic *nic)
{
	struct rndis_status_complete m = {.hdr = {RNDIS_MSG_HALT, 12}, .req_id = new_req_id(nic)};

	nic->ctl.req_id = 0; /* no answer but the completion */
	nic->is_rndis_up = false;
	__builtin_memcpy(nic->ctl_mem.ptr, &m, 12);
	return rndis_send(nic, 12);
}

static int request(struct nvsc_nic *nic, uint32_t type, uint32_t oid, const void *info,
		   uint32_t len, uint32_t min)
{
	struct rndis_request m = {.hdr = {type, (uint32_t)sizeof(m) + len},
				  .oid = oid,
				  .info_len = len,
				  .info_offset = sizeof(m) - RNDIS_REL};
	uint8_t *page = nic->ctl_mem.ptr;

	if (len > REQUEST_MAX - sizeof(m))
		return NVSC_E_INVAL;
	m.req_id = new_req_id(nic);
	__builtin_memcpy(page, &m, sizeof(m));
	if (len)
		__builtin_memcpy(page + sizeof(m), info, len);
	return rndis_call(nic, type, m.hdr.len, min);
}

int nvsc_rndis_query(struct nvsc_nic *nic, uint32_t oid, void *buf, uint32_t in_len, uint32_t max)
{
	const struct rndis_query_complete *c = (const void *)nic->ctl.response;
	int rc = request(nic, RNDIS_MSG_QUERY, oid, buf, in_len, sizeof(*c));

	if (rc)
		return rc;
	if (c->status)
		return NVSC_E_IO;
	if (c->info_len > max || c->info_offset < sizeof(*c) - RNDIS_REL ||
	    c->info_offset > nic->ctl.response_len - RNDIS_REL ||
	    c->info_len > nic->ctl.response_len - RNDIS_REL - c->info_offset)
		return NVSC_E_PROTO;
	__builtin_memcpy(buf, nic->ctl.response + RNDIS_REL + c->info_offset, c->info_len);
	return (int)c->info_len;
}

int nvsc_rndis_set(struct nvsc_nic *nic, uint32_t oid, const void *info, uint32_t len)
{
	const struct rndis_status_complete *c = (const void *)nic->ctl.response;
	int rc = request(nic, RNDIS_MSG_SET, oid, info, len, sizeof(*c));

	if (rc)
		return rc;
	return c->status ? NVSC_E_IO : 0;
}
