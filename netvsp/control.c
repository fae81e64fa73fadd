/* SPDX-License-Identifier: BSD-3-Clause */
/* The control dialogue on the primary channel: NVSP set-up messages and RNDIS control messages,
 * as state machines over private copies. What they change lies in the adapter's state. */
#include <errno.h>
#include <string.h>

#include "netvsp/priv.h"

static const uint32_t versions[] = {NVSP_V1, NVSP_V2, NVSP_V4, NVSP_V5, NVSP_V6, NVSP_V6_1};

static bool knows_version(const struct netvsp_nic *nic, uint32_t v)
{
	uint32_t max = nic->cfg.max_version ? nic->cfg.max_version : NVSP_V6_1;
	unsigned int i;

	for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (versions[i] == v && v <= max)
			return true;
	}
	return false;
}

/* ---- NVSP ---------------------------------------------------------------------------------- */

/* NULL, why the guest is at fault, or not_now. */
typedef const char *(*nvsp_fn)(struct netvsp_chan *ch, const struct nvsp_msg *m,
			       struct netvsp_answer *a);

static const char not_now[] = "to be read again";

/* The highest version between min and max that we speak. */
static const char *on_init(struct netvsp_chan *ch, const struct nvsp_msg *m,
			   struct netvsp_answer *a)
{
	uint32_t best = 0;
	unsigned int i;

	for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (versions[i] >= m->init.min_version && versions[i] <= m->init.max_version &&
		    knows_version(ch->nic, versions[i]))
			best = versions[i];
	}
	a->has_completion = true;
	a->completion.type = NVSP_MSG_INIT_COMPLETE;
	a->completion.init_complete.max_mdl_chain_len = 34;
	a->completion.init_complete.version = best;
	a->completion.init_complete.status = best ? NVSP_STATUS_SUCCESS : NVSP_STATUS_FAIL;
	if (best)
		ch->nic->st->nvsp_version = best;
	return NULL;
}

static const char *on_ndis_ver(struct netvsp_chan *ch, const struct nvsp_msg *m,
			       struct netvsp_answer *a)
{
	ch->nic->st->ndis_version = m->ndis_ver.major << 16 | (m->ndis_ver.minor & 0xFFFF);
	return NULL;
}

static const char *on_ndis_config(struct netvsp_chan *ch, const struct nvsp_msg *m,
				  struct netvsp_answer *a)
{
	uint32_t max = ch->nic->cfg.mtu, mtu = m->ndis_config.mtu;

	/* The wire MTU counts the Ethernet header. More than configured is cut to it, as OID
	 * MAXIMUM_FRAME_SIZE told the guest. */
	mtu = mtu > VSW_FRAME_MIN ? mtu - VSW_FRAME_MIN : 0;
	ch->nic->st->mtu = mtu < 68 ? 68 : mtu > max ? max : mtu;
	ch->nic->st->ndis_caps = m->ndis_config.capabilities;
	return NULL;
}

static const struct vmbus_gpadl *whole_gpadl(struct netvsp_chan *ch, uint32_t handle)
{
	const struct vmbus_gpadl *g = vmbus_chan_gpadl(ch->vch, handle);

	return g && g->offset == 0 && g->len >= VMBUS_PAGE_SIZE ? g : NULL;
}

/* Until writers_go() no packet to the guest is being put together, on any channel: none holds
 * sections that it took from the pool, nor the buffer that it found. */
static void writers_stop(struct netvsp_nic *nic)
{
	unsigned int i;

	for (i = 0; i < NETVSP_CHANNELS_MAX; i++)
		rte_spinlock_lock(&nic->chan[i].lock);
}

static void writers_go(struct netvsp_nic *nic)
{
	unsigned int i;

	for (i = 0; i < NETVSP_CHANNELS_MAX; i++)
		rte_spinlock_unlock(&nic->chan[i].lock);
}

static void take_recv(struct netvsp_nic *nic, const struct vmbus_gpadl *g, uint32_t size,
		      uint32_t nr)
{
	writers_stop(nic);
	nic->st->section_size = size;
	nic->st->nr_sections = nr;
	netvsp_pool_reset(nic);
	nic->st->recv_gpadl = g->handle;
	atomic_store_explicit(&nic->recv, g, memory_order_release);
	writers_go(nic);
}

/* A second buffer while one is in use is refused. */
static bool may_take(const struct netvsp_chan *ch, uint32_t has, uint32_t wants)
{
	return !has || (ch->may_repeat && has == wants);
}

static const char *on_recv_buf(struct netvsp_chan *ch, const struct nvsp_msg *m,
			       struct netvsp_answer *a)
{
	const struct vmbus_gpadl *g = whole_gpadl(ch, m->buf.gpadl);
	uint32_t size = netvsp_section_size(ch->nic), nr;

	a->has_completion = true;
	a->completion.type = NVSP_MSG_RECV_BUF_COMPLETE;
	a->completion.recv_buf_complete.status = NVSP_STATUS_FAIL;
	/* Only whole sections count. */
	nr = g ? (g->len & ~(VMBUS_PAGE_SIZE - 1)) / size : 0;
	if (nr > NETVSP_SECTIONS_MAX)
		nr = NETVSP_SECTIONS_MAX;
	if (nr < NETVSP_SECTIONS_MIN || m->buf.id != NVSP_RECV_BUF_ID ||
	    !may_take(ch, ch->nic->st->recv_gpadl, g->handle))
		return NULL;
	if (!netvsp_direct_may_reset(ch->nic))
		return not_now;
	take_recv(ch->nic, g, size, nr);
	netvsp_direct_post(ch->nic);
	a->completion.recv_buf_complete.status = NVSP_STATUS_SUCCESS;
	a->completion.recv_buf_complete.num_sections = 1;
	a->completion.recv_buf_complete.offset = 0;
	a->completion.recv_buf_complete.sub_alloc_size = size;
	a->completion.recv_buf_complete.num_sub_allocs = nr;
	a->completion.recv_buf_complete.end_offset = nr * size;
	return NULL;
}

static const char *on_revoke_recv(struct netvsp_chan *ch, const struct nvsp_msg *m,
				  struct netvsp_answer *a)
{
	ch->nic->st->recv_gpadl = 0;
	atomic_store_explicit(&ch->nic->recv, NULL, memory_order_release);
	netvsp_direct_post(ch->nic);
	return NULL;
}

static const char *on_send_buf(struct netvsp_chan *ch, const struct nvsp_msg *m,
			       struct netvsp_answer *a)
{
	const struct vmbus_gpadl *g = whole_gpadl(ch, m->buf.gpadl);

	a->has_completion = true;
	a->completion.type = NVSP_MSG_SEND_BUF_COMPLETE;
	a->completion.send_buf_complete.status = NVSP_STATUS_FAIL;
	if (!g || !may_take(ch, ch->nic->st->send_gpadl, g->handle))
		return NULL;
	ch->nic->st->send_gpadl = g->handle;
	atomic_store_explicit(&ch->nic->send, g, memory_order_release);
	a->completion.send_buf_complete.status = NVSP_STATUS_SUCCESS;
	a->completion.send_buf_complete.section_size = NETVSP_SEND_SECTION;
	return NULL;
}

static const char *on_revoke_send(struct netvsp_chan *ch, const struct nvsp_msg *m,
				  struct netvsp_answer *a)
{
	ch->nic->st->send_gpadl = 0;
	atomic_store_explicit(&ch->nic->send, NULL, memory_order_release);
	return NULL;
}

/* Linux recognises the answer by its missing payload. */
static const char *on_switch_path(struct netvsp_chan *ch, const struct nvsp_msg *m,
				  struct netvsp_answer *a)
{
	if (m->switch_data_path.active > 1)
		return "switch to a data path that there is not";
	if (netvsp_vf_ask(ch, m->switch_data_path.active) == NETVSP_VF_WAITS)
		return not_now;
	a->has_completion = true;
	a->is_empty = true;
	return NULL;
}

/* Granting more than is offered later would hang the guest: the grant is what ctl will offer. */
static const char *on_subchannel(struct netvsp_chan *ch, const struct nvsp_msg *m,
				 struct netvsp_answer *a)
{
	struct netvsp_nic *nic = ch->nic;
	uint32_t max = nic->cfg.max_channels - 1u, has = nic->st->nr_subs;
	uint32_t num = m->subchannel.num < max ? m->subchannel.num : max;

	a->has_completion = true;
	a->completion.type = NVSP_MSG_SUBCHANNEL;
	a->completion.subchannel_complete.status = NVSP_STATUS_FAIL;
	if (m->subchannel.op != 1 || num == 0 || !may_take(ch, has, num) ||
	    nic->st->nvsp_version < NVSP_V5)
		return NULL;
	nic->st->nr_subs = num;
	if (!netvsp_want_subs(nic)) {
		nic->st->nr_subs = has;
		return not_now;
	}
	a->completion.subchannel_complete.status = NVSP_STATUS_SUCCESS;
	a->completion.subchannel_complete.num = nic->st->nr_subs;
	return NULL;
}

static const struct {
	uint32_t type;
	uint32_t min_version;
	nvsp_fn fn;
} nvsp_table[] = {
	{NVSP_MSG_INIT, 0, on_init},
	{NVSP_MSG_NDIS_VER, NVSP_V1, on_ndis_ver},
	{NVSP_MSG_RECV_BUF, NVSP_V1, on_recv_buf},
	{NVSP_MSG_REVOKE_RECV_BUF, NVSP_V1, on_revoke_recv},
	{NVSP_MSG_SEND_BUF, NVSP_V1, on_send_buf},
	{NVSP_MSG_REVOKE_SEND_BUF, NVSP_V1, on_revoke_send},
	{NVSP_MSG_NDIS_CONFIG, NVSP_V2, on_ndis_config},
	{NVSP_MSG_SWITCH_DATA_PATH, NVSP_V4, on_switch_path},
	{NVSP_MSG_SUBCHANNEL, NVSP_V5, on_subchannel},
};

int netvsp_control_nvsp(struct netvsp_chan *ch, const struct nvsp_msg *m, struct netvsp_answer *a,
			const char **why)
{
	unsigned int i;

	for (i = 0; i < sizeof(nvsp_table) / sizeof(nvsp_table[0]); i++) {
		if (nvsp_table[i].type != m->type)
			continue;
		if (ch->nic->st->nvsp_version < nvsp_table[i].min_version) {
			*why = "NVSP message before INIT or of a later version";
			return -EPROTO;
		}
		*why = nvsp_table[i].fn(ch, m, a);
		if (*why != not_now)
			return *why ? -EPROTO : 0;
		*why = NULL;
		return -EAGAIN;
	}
	*why = "NVSP message of unknown type";
	return -EPROTO;
}

/* ---- RNDIS --------------------------------------------------------------------------------- */

static void answer_rndis(struct netvsp_answer *a, const void *msg, uint32_t len)
{
	memcpy(a->rndis, msg, len);
	a->rndis_len = len;
}

static void answer_status(struct netvsp_answer *a, uint32_t type, uint32_t req_id, uint32_t status)
{
	const struct rndis_status_complete c = {
		{type | RNDIS_MSG_COMPLETE, sizeof(c)}, req_id, status};

	answer_rndis(a, &c, sizeof(c));
}

static bool on_rndis_init(struct netvsp_chan *ch, const uint8_t *msg, uint32_t len, uint32_t req_id,
			  struct netvsp_answer *a)
{
	const struct rndis_init_complete c = {
		.hdr = {RNDIS_MSG_INIT | RNDIS_MSG_COMPLETE, sizeof(c)},
		.req_id = req_id,
		.status = RNDIS_STATUS_SUCCESS,
		.major = 1,
		.dev_flags = 1,
		.max_pkt_per_msg = NETVSP_MSGS_MAX,
		.max_xfer_size = 0xEFFFFFFF,
		.pkt_align_factor = 3,
	};

	if (len < sizeof(struct rndis_init) || !ch->nic->st->recv_gpadl)
		return false;
	netvsp_vf_greet(ch->nic);
	__atomic_store_n(&ch->nic->st->rndis_ready, 1, __ATOMIC_RELAXED); /* ctl reads it */
	netvsp_update_rx_on(ch->nic);
	answer_rndis(a, &c, sizeof(c));
	return true;
}

/* After HALT nothing is delivered any more. There is no RNDIS answer. */
static bool on_rndis_halt(struct netvsp_chan *ch, const uint8_t *msg, uint32_t len, uint32_t req_id,
			  struct netvsp_answer *a)
{
	__atomic_store_n(&ch->nic->st->rndis_ready, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&ch->nic->st->packet_filter, 0, __ATOMIC_RELAXED);
	netvsp_update_rx_on(ch->nic);
	return true;
}

/* The information buffer of a QUERY or SET. */
static bool request_info(const uint8_t *msg, uint32_t len, struct rndis_request *r,
			 const uint8_t **in)
{
	if (len < sizeof(*r))
		return false;
	memcpy(r, msg, sizeof(*r));
	if (r->info_len == 0) {
		*in = msg;
		return true;
	}
	if (r->info_offset < sizeof(*r) - RNDIS_REL || r->info_offset > len - RNDIS_REL ||
	    r->info_len > len - RNDIS_REL - r->info_offset)
		return false;
	*in = msg + RNDIS_REL + r->info_offset;
	return true;
}

static bool on_rndis_query(struct netvsp_chan *ch, const uint8_t *msg, uint32_t len,
			   uint32_t req_id, struct netvsp_answer *a)
{
	struct rndis_query_complete c = {
		.hdr = {RNDIS_MSG_QUERY | RNDIS_MSG_COMPLETE, sizeof(c)},
		.req_id = req_id,
		.info_offset = sizeof(c) - RNDIS_REL,
	};
	struct rndis_request r;
	const uint8_t *in;
	int32_t n;

	if (!request_info(msg, len, &r, &in))
		return false;
	n = netvsp_oid_query(ch->nic, r.oid, in, r.info_len, a->rndis + sizeof(c),
			     sizeof(a->rndis) - sizeof(c));
	if (n < 0)
		c.status = (uint32_t)n;
	else
		c.info_len = (uint32_t)n;
	c.hdr.len += c.info_len;
	memcpy(a->rndis, &c, sizeof(c));
	a->rndis_len = c.hdr.len;
	return true;
}

static bool on_rndis_set(struct netvsp_chan *ch, const uint8_t *msg, uint32_t len, uint32_t req_id,
			 struct netvsp_answer *a)
{
	struct rndis_request r;
	const uint8_t *in;

	if (!request_info(msg, len, &r, &in))
		return false;
	answer_status(a, RNDIS_MSG_SET, req_id, netvsp_oid_set(ch->nic, r.oid, in, r.info_len));
	return true;
}

/* [MS-RNDIS] 2.2.12: the filter goes back to 0, the connection stays. */
static bool on_rndis_reset(struct netvsp_chan *ch, const uint8_t *msg, uint32_t len,
			   uint32_t req_id, struct netvsp_answer *a)
{
	const struct rndis_reset_complete c = {
		{RNDIS_MSG_RESET | RNDIS_MSG_COMPLETE, sizeof(c)}, RNDIS_STATUS_SUCCESS, 1};

	__atomic_store_n(&ch->nic->st->packet_filter, 0, __ATOMIC_RELAXED);
	netvsp_update_rx_on(ch->nic);
	answer_rndis(a, &c, sizeof(c));
	return true;
}

static bool on_rndis_keepalive(struct netvsp_chan *ch, const uint8_t *msg, uint32_t len,
			       uint32_t req_id, struct netvsp_answer *a)
{
	answer_status(a, RNDIS_MSG_KEEPALIVE, req_id, RNDIS_STATUS_SUCCESS);
	return true;
}

static bool (*const rndis_table[])(struct netvsp_chan *, const uint8_t *, uint32_t, uint32_t,
				   struct netvsp_answer *) = {
	[RNDIS_MSG_INIT] = on_rndis_init,   [RNDIS_MSG_HALT] = on_rndis_halt,
	[RNDIS_MSG_QUERY] = on_rndis_query, [RNDIS_MSG_SET] = on_rndis_set,
	[RNDIS_MSG_RESET] = on_rndis_reset, [RNDIS_MSG_KEEPALIVE] = on_rndis_keepalive,
};

void netvsp_control_rndis(struct netvsp_chan *ch, const uint8_t *msg, uint32_t len,
			  struct netvsp_answer *a)
{
	struct rndis_hdr h;
	uint32_t req_id;

	memcpy(&h, msg, sizeof(h));
	memcpy(&req_id, msg + sizeof(h), sizeof(req_id));
	if (h.len < sizeof(h) + sizeof(req_id) || h.len > len ||
	    h.type >= sizeof(rndis_table) / sizeof(rndis_table[0]) || !rndis_table[h.type])
		return; /* the completion says that the message was invalid */
	if (rndis_table[h.type](ch, msg, h.len, req_id, a))
		a->completion.rndis_pkt_complete.status = NVSP_STATUS_SUCCESS;
}
