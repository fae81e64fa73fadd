/* SPDX-License-Identifier: BSD-3-Clause */
/* VMBus client: the connection, the offers, and the dispatch of the host's messages. */
#include "guest/netvsc/bus.h"

#define POLL_MAX	64u
#define TIMEOUT_DEFAULT 600000000ull /* 60 s */
#define GPADL_FIRST	0x10001u

static const uint32_t versions[] = {VMBUS_V5_3, VMBUS_V5_2, VMBUS_V5_1, VMBUS_V5_0,
				    VMBUS_V4_1, VMBUS_V4_0, VMBUS_V3_0, VMBUS_V2_4};

static uint64_t now(const struct nvsc_bus *b)
{
	return b->t.ops->now(b->t.ctx);
}

int nvsc_bus_post(struct nvsc_bus *b, const void *msg, uint32_t len)
{
	uint64_t deadline = now(b) + b->timeout;
	int rc;

	for (;;) {
		rc = b->t.ops->post(b->t.ctx, b->msg_conn_id, msg, len);
		if (rc != NVSC_E_AGAIN)
			return rc;
		if (now(b) > deadline)
			return NVSC_E_TIMEDOUT;
		b->t.ops->relax(b->t.ctx);
	}
}

void nvsc_bus_expect(struct nvsc_bus *b, uint32_t type, uint32_t relid, uint32_t id)
{
	b->wait.type = type;
	b->wait.relid = relid;
	b->wait.id = id;
	b->wait.status = 0;
	b->wait.is_done = false;
}

int nvsc_bus_await(struct nvsc_bus *b, const struct nvsc_chan *ch)
{
	uint64_t deadline = now(b) + b->timeout;
	int rc = 0;

	while (!b->wait.is_done && !rc) {
		if (nvsc_bus_poll(b))
			continue;
		if (ch && ch->is_rescinded)
			rc = NVSC_E_NODEV;
		else if (now(b) > deadline)
			rc = NVSC_E_TIMEDOUT;
		else
			b->t.ops->relax(b->t.ctx);
	}
	b->wait.type = VMBUS_MSG_INVALID;
	return rc;
}

/* ---- Messages from the host ---------------------------------------------------------------- */

/* The awaited answer came. Only the first one counts. */
static bool answer(struct nvsc_bus *b, uint32_t type, uint32_t relid, uint32_t id, uint32_t status)
{
	if (b->wait.type != type || b->wait.is_done || b->wait.relid != relid || b->wait.id != id)
		return false;
	b->wait.status = status;
	b->wait.is_done = true;
	return true;
}

static struct nvsc_chan *find_relid(struct nvsc_bus *b, uint32_t relid)
{
	unsigned int i;

	for (i = 0; relid && i < NVSC_CHANS_MAX; i++) {
		if (b->chan[i].relid == relid)
			return &b->chan[i];
	}
	return NULL;
}

static struct nvsc_chan *find_device(struct nvsc_bus *b, const struct vmbus_guid *type,
				     const struct vmbus_guid *instance, uint16_t sub_index)
{
	struct nvsc_chan *ch;
	unsigned int i;

	for (i = 0; i < NVSC_CHANS_MAX; i++) {
		ch = &b->chan[i];
		if (ch->relid && !ch->is_rescinded && !ch->is_stale && ch->sub_index == sub_index &&
		    !__builtin_memcmp(&ch->if_type, type, sizeof(*type)) &&
		    !__builtin_memcmp(&ch->if_instance, instance, sizeof(*instance)))
			return ch;
	}
	return NULL;
}

static bool on_offer(struct nvsc_bus *b, const void *buf)
{
	const struct vmbus_msg_offer *m = buf;
	struct vmbus_guid type = m->if_type, instance = m->if_instance;
	unsigned int i;

	if (!m->child_relid || m->child_relid > VMBUS_RELID_MAX || find_relid(b, m->child_relid))
		return false;
	if (find_device(b, &type, &instance, m->sub_channel_index))
		return false;
	if (m->sub_channel_index && !find_device(b, &type, &instance, 0))
		return false;
	for (i = 0; i < NVSC_CHANS_MAX && b->chan[i].relid; i++)
		;
	if (i == NVSC_CHANS_MAX)
		return false;
	b->chan[i] = (struct nvsc_chan){.if_type = type,
					.if_instance = instance,
					.relid = m->child_relid,
					.connection_id = m->connection_id,
					.sub_index = m->sub_channel_index};
	return true;
}

static void release_relid(struct nvsc_bus *b, struct nvsc_chan *ch)
{
	struct vmbus_msg_relid m = {.hdr.msgtype = VMBUS_MSG_RELID_RELEASED,
				    .child_relid = ch->relid};

	*ch = (struct nvsc_chan){0};
	nvsc_bus_post(b, &m, sizeof(m));
}

static bool on_rescind(struct nvsc_bus *b, const void *buf)
{
	const struct vmbus_msg_relid *m = buf;
	struct nvsc_chan *ch = find_relid(b, m->child_relid);

	if (!ch || ch->is_rescinded)
		return false;
	ch->is_rescinded = true;
	if (!ch->is_owned)
		release_relid(b, ch);
	return true;
}

static bool on_all_offers(struct nvsc_bus *b, const void *buf)
{
	b->has_all_offers = true;
	return answer(b, VMBUS_MSG_ALL_OFFERS_DELIVERED, 0, 0, 0);
}

static bool on_open_result(struct nvsc_bus *b, const void *buf)
{
	const struct vmbus_msg_open_result *m = buf;

	return answer(b, VMBUS_MSG_OPEN_RESULT, m->child_relid, m->openid, m->status);
}

static bool on_gpadl_created(struct nvsc_bus *b, const void *buf)
{
	const struct vmbus_msg_gpadl_created *m = buf;

	return answer(b, VMBUS_MSG_GPADL_CREATED, m->child_relid, m->gpadl, m->status);
}

static bool on_gpadl_torndown(struct nvsc_bus *b, const void *buf)
{
	const struct vmbus_msg_gpadl_torndown *m = buf;

	return answer(b, VMBUS_MSG_GPADL_TORNDOWN, 0, m->gpadl, 0);
}

static bool on_version(struct nvsc_bus *b, const void *buf)
{
	const struct vmbus_msg_version_response *m = buf;

	if (!answer(b, VMBUS_MSG_VERSION_RESPONSE, 0, 0, !m->version_supported))
		return false;
	b->wait.id = m->msg_conn_id;
	return true;
}

static bool on_unload(struct nvsc_bus *b, const void *buf)
{
	return answer(b, VMBUS_MSG_UNLOAD_RESPONSE, 0, 0, 0);
}

static bool on_modify(struct nvsc_bus *b, const void *buf)
{
	const struct vmbus_msg_modify_response *m = buf;

	return answer(b, VMBUS_MSG_MODIFY_RESPONSE, m->child_relid, 0, m->status);
}

static const struct {
	uint16_t min_len;
	bool (*handle)(struct nvsc_bus *b, const void *buf);
} handlers[] = {
	[VMBUS_MSG_OFFER] = {sizeof(struct vmbus_msg_offer), on_offer},
	[VMBUS_MSG_RESCIND] = {sizeof(struct vmbus_msg_relid), on_rescind},
	[VMBUS_MSG_ALL_OFFERS_DELIVERED] = {sizeof(struct vmbus_msg_hdr), on_all_offers},
	[VMBUS_MSG_OPEN_RESULT] = {sizeof(struct vmbus_msg_open_result), on_open_result},
	[VMBUS_MSG_GPADL_CREATED] = {sizeof(struct vmbus_msg_gpadl_created), on_gpadl_created},
	[VMBUS_MSG_GPADL_TORNDOWN] = {sizeof(struct vmbus_msg_gpadl_torndown), on_gpadl_torndown},
	[VMBUS_MSG_VERSION_RESPONSE] = {sizeof(struct vmbus_msg_version_response), on_version},
	[VMBUS_MSG_UNLOAD_RESPONSE] = {sizeof(struct vmbus_msg_hdr), on_unload},
	[VMBUS_MSG_MODIFY_RESPONSE] = {sizeof(struct vmbus_msg_modify_response), on_modify},
};

static bool dispatch(struct nvsc_bus *b, const void *buf, uint32_t len)
{
	const struct vmbus_msg_hdr *hdr = buf;

	if (len < sizeof(*hdr) || hdr->msgtype >= sizeof(handlers) / sizeof(handlers[0]))
		return false;
	if (!handlers[hdr->msgtype].handle || len < handlers[hdr->msgtype].min_len)
		return false;
	return handlers[hdr->msgtype].handle(b, buf);
}

unsigned int nvsc_bus_poll(struct nvsc_bus *b)
{
	uint64_t buf[VMBUS_MSG_PAYLOAD_MAX / 8]; /* private: the slot is free again */
	unsigned int n;
	int len;

	for (n = 0; n < POLL_MAX; n++) {
		len = b->t.ops->next_message(b->t.ctx, buf);
		if (len <= 0)
			break;
		if (len > (int)sizeof(buf) || !dispatch(b, buf, (uint32_t)len))
			b->bad_messages++;
	}
	return n;
}

/* ---- Connection ---------------------------------------------------------------------------- */

static uint64_t page_gpa(const struct nvsc_bus *b, unsigned int n)
{
	return b->t.ops->gpa(b->t.ctx, b->pages + n * VMBUS_PAGE_SIZE);
}

/* Tries one version. 0: agreed; NVSC_E_IO: the host does not know it; else a failure. */
static int contact(struct nvsc_bus *b, uint32_t version, uint32_t target_vp)
{
	struct vmbus_msg_initiate_contact m = {.hdr.msgtype = VMBUS_MSG_INITIATE_CONTACT,
					       .version = version,
					       .target_vp = target_vp,
					       .monitor_page1 = page_gpa(b, 1),
					       .monitor_page2 = page_gpa(b, 2)};
	int rc;

	if (version >= VMBUS_V5_0)
		m.msg_sint = VMBUS_SINT;
	else
		m.interrupt_page = page_gpa(b, 0);
	b->msg_conn_id = version >= VMBUS_V5_0 ? VMBUS_MSG_CONN_ID_V5 : VMBUS_MSG_CONN_ID;
	nvsc_bus_expect(b, VMBUS_MSG_VERSION_RESPONSE, 0, 0);
	rc = nvsc_bus_post(b, &m, sizeof(m));
	if (rc)
		return rc == NVSC_E_NODEV ? NVSC_E_IO : rc;
	rc = nvsc_bus_await(b, NULL);
	if (rc)
		return rc;
	if (b->wait.status)
		return NVSC_E_IO;
	if (version >= VMBUS_V5_0)
		b->msg_conn_id = b->wait.id;
	b->version = version;
	return 0;
}

static int request_offers(struct nvsc_bus *b)
{
	struct vmbus_msg_hdr m = {.msgtype = VMBUS_MSG_REQUEST_OFFERS};
	int rc;

	nvsc_bus_expect(b, VMBUS_MSG_ALL_OFFERS_DELIVERED, 0, 0);
	rc = nvsc_bus_post(b, &m, sizeof(m));
	return rc ? rc : nvsc_bus_await(b, NULL);
}

int nvsc_bus_connect(struct nvsc_bus *b, const struct nvsc_bus_cfg *cfg)
{
	uint32_t max = cfg->max_version ? cfg->max_version : VMBUS_V5_3;
	uint8_t *pages = b->pages; /* of an earlier connection */
	unsigned int i;
	int rc = NVSC_E_IO;

	__builtin_memset(b, 0, sizeof(*b));
	b->t = cfg->transport;
	b->timeout = cfg->timeout ? cfg->timeout : TIMEOUT_DEFAULT;
	b->next_gpadl = GPADL_FIRST;
	b->pages = pages ? pages : b->t.ops->alloc(b->t.ctx, 3);
	if (!b->pages)
		return NVSC_E_NOMEM;
	for (i = 0; i < sizeof(versions) / sizeof(versions[0]) && rc == NVSC_E_IO; i++) {
		if (versions[i] <= max)
			rc = contact(b, versions[i], cfg->target_vp);
	}
	return rc ? rc : request_offers(b);
}

int nvsc_bus_unload(struct nvsc_bus *b)
{
	struct vmbus_msg_hdr m = {.msgtype = VMBUS_MSG_UNLOAD};
	int rc;

	if (!b->version)
		return 0;
	nvsc_bus_expect(b, VMBUS_MSG_UNLOAD_RESPONSE, 0, 0);
	rc = nvsc_bus_post(b, &m, sizeof(m));
	if (!rc)
		rc = nvsc_bus_await(b, NULL);
	b->version = 0;
	__builtin_memset(b->chan, 0, sizeof(b->chan));
	return rc;
}

void nvsc_chan_release(struct nvsc_bus *b, struct nvsc_chan *ch)
{
	ch->is_owned = false;
	if (ch->relid && ch->is_rescinded)
		release_relid(b, ch);
}

/* ---- Devices ------------------------------------------------------------------------------- */

static bool is_nic(const struct nvsc_chan *ch)
{
	struct vmbus_guid nic = VMBUS_CLASS_NIC;

	return ch->relid && !ch->sub_index && !ch->is_rescinded &&
	       !__builtin_memcmp(&ch->if_type, &nic, sizeof(nic));
}

struct nvsc_chan *nvsc_bus_nic(struct nvsc_bus *b, unsigned int n)
{
	unsigned int i, k, before;

	for (i = 0; i < NVSC_CHANS_MAX; i++) {
		if (!is_nic(&b->chan[i]))
			continue;
		for (k = before = 0; k < NVSC_CHANS_MAX; k++) {
			if (is_nic(&b->chan[k]) &&
			    __builtin_memcmp(&b->chan[k].if_instance, &b->chan[i].if_instance,
					     sizeof(struct vmbus_guid)) < 0)
				before++;
		}
		if (before == n)
			return &b->chan[i];
	}
	return NULL;
}

struct nvsc_chan *nvsc_bus_sub(struct nvsc_bus *b, const struct nvsc_chan *primary, uint16_t index)
{
	return index ? find_device(b, &primary->if_type, &primary->if_instance, index) : NULL;
}
