/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest's control messages. One table says how long each must be and who handles it; each
 * handler that owes a reply sends it or leaves the debt in the channel, where it is paid by the
 * switch's acknowledgement, by its death or by the rescind. Messages are private copies. */
#include <string.h>

#include "vmbus/server_priv.h"

static const enum vmbus_version versions[] = {VMBUS_V2_4, VMBUS_V3_0, VMBUS_V4_0, VMBUS_V4_1,
					      VMBUS_V5_0, VMBUS_V5_1, VMBUS_V5_2, VMBUS_V5_3};

/* ---- Contact ------------------------------------------------------------------------------ */

static bool is_known_version(const struct vmbus_server *s, uint32_t version)
{
	size_t i;

	for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (versions[i] == version)
			return version <= s->cfg.max_version;
	}
	return false;
}

static struct vmbus_monitor_page *monitor_page(const struct vmbus_server *s, uint64_t at)
{
	if (!at || at % GMEM_PAGE_SIZE)
		return NULL;
	return gmem_map(s->cfg.gm, gpa(at), GMEM_PAGE_SIZE);
}

/* Both monitor pages are RAM, or there are none. The one from parent to child is never used. */
static bool are_monitor_pages(const struct vmbus_server *s,
			      const struct vmbus_msg_initiate_contact *m)
{
	if (!m->monitor_page1 && !m->monitor_page2)
		return true;
	return monitor_page(s, m->monitor_page1) && monitor_page(s, m->monitor_page2);
}

static bool judge_contact(struct vmbus_server *s, const struct vmbus_msg_initiate_contact *m)
{
	if (!is_known_version(s, m->version))
		return false;
	if (m->version >= VMBUS_V3_0 && m->target_vp >= s->cfg.nr_vps) {
		srv_fault(s, NULL, "contact: messages wanted at VP %u of %u", m->target_vp,
			  s->cfg.nr_vps);
		return false;
	}
	if (!are_monitor_pages(s, m)) {
		srv_fault(s, NULL, "contact: monitor pages 0x%llx, 0x%llx are not memory",
			  (unsigned long long)m->monitor_page1,
			  (unsigned long long)m->monitor_page2);
		return false;
	}
	return true;
}

static void answer_contact(struct vmbus_server *s)
{
	const struct vmbus_msg_initiate_contact *m = &s->contact;
	struct vmbus_msg_version_response r = {.hdr.msgtype = VMBUS_MSG_VERSION_RESPONSE};
	uint32_t vp = m->version >= VMBUS_V3_0 && m->target_vp < s->cfg.nr_vps ? m->target_vp : 0;

	if (judge_contact(s, m)) {
		r.version_supported = 1;
		s->version = m->version;
		s->msg_vp = vp;
		s->monitor = monitor_page(s, m->monitor_page2);
		s->reason[0] = 0;
	}
	r.msg_conn_id = m->version >= VMBUS_V5_0 ? VMBUS_MSG_CONN_ID_V5 : m->version;
	srv_say_to(s, vp, &r, sizeof(r));
}

static void on_contact(struct vmbus_server *s, const struct srv_inbound *in)
{
	memcpy(&s->contact, in->payload, sizeof(s->contact));
	srv_reset_begin(s, RESET_CONTACT);
}

static void on_unload(struct vmbus_server *s, const struct srv_inbound *in)
{
	(void)in;
	srv_reset_begin(s, RESET_UNLOAD);
}

/* A second contact or an unload gives all memory back to the guest: the switch must have let go of
 * it before the guest is answered. */
void srv_reset_begin(struct vmbus_server *s, enum srv_reset why)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_RESET};

	s->reset = why;
	s->counters.resets += s->version != 0;
	srv_outbox_drop(s);
	vmbus_gpadl_drop(&s->builds);
	srv_local_stop_all(s);
	if (s->version && s->link_state == LINK_UP)
		srv_request(s, &m, NULL);
	else
		srv_reset_done(s);
}

void srv_reset_done(struct vmbus_server *s)
{
	struct vmbus_msg_hdr bye = {.msgtype = VMBUS_MSG_UNLOAD_RESPONSE};
	enum srv_reset why = s->reset;
	uint32_t relid;

	for (relid = 1; relid < VMBUS_CHANS_MAX; relid++) {
		srv_vf_guest_gone(s, &s->chan[relid]);
		srv_chan_forget(s, &s->chan[relid]);
	}
	s->version = 0;
	s->is_offering = false;
	s->monitor = NULL;
	s->reset = RESET_NONE;
	if (why == RESET_CONTACT)
		answer_contact(s);
	else
		srv_say_to(s, s->msg_vp, &bye, sizeof(bye));
}

/* ---- The others --------------------------------------------------------------------------- */

static void on_request_offers(struct vmbus_server *s, const struct srv_inbound *in)
{
	struct vmbus_msg_hdr done = {.msgtype = VMBUS_MSG_ALL_OFFERS_DELIVERED};

	(void)in;
	if (s->is_offering)
		srv_fault(s, NULL, "asked for offers twice");
	s->is_offering = true;
	srv_chan_announce_all(s);
	srv_say(s, &done, sizeof(done));
}

static void on_open(struct vmbus_server *s, const struct srv_inbound *in)
{
	struct vmbus_msg_open m;

	memcpy(&m, in->payload, sizeof(m));
	srv_chan_open(s, &m);
}

static void on_close(struct vmbus_server *s, const struct srv_inbound *in)
{
	struct vmbus_msg_relid m;
	struct srv_chan *ch;

	memcpy(&m, in->payload, sizeof(m));
	ch = srv_chan_get(s, m.child_relid);
	if (ch)
		srv_chan_close(s, ch);
	else
		srv_fault(s, NULL, "closes channel %u, which it was never offered", m.child_relid);
}

static void on_teardown(struct vmbus_server *s, const struct srv_inbound *in)
{
	struct vmbus_msg_gpadl_teardown m;

	memcpy(&m, in->payload, sizeof(m));
	srv_gpadl_teardown(s, &m);
}

static void on_released(struct vmbus_server *s, const struct srv_inbound *in)
{
	struct vmbus_msg_relid m;

	memcpy(&m, in->payload, sizeof(m));
	srv_chan_release(s, m.child_relid);
}

static void on_modify(struct vmbus_server *s, const struct srv_inbound *in)
{
	struct vmbus_msg_modify m;

	memcpy(&m, in->payload, sizeof(m));
	srv_chan_modify(s, &m);
}

/* Hyper-V sockets: none here, and the guest does not wait. */
static void on_tl_connect(struct vmbus_server *s, const struct srv_inbound *in)
{
	(void)in;
	s->counters.unknown++;
}

/* ---- Dispatch ----------------------------------------------------------------------------- */

/* @min: shorter ones cannot even be refused, for they do not say what they are about. Between that
 * and the full size the rest reads as zero, and the handler refuses it. */
static const struct handler {
	enum vmbus_msgtype type;
	enum vmbus_msgtype reply; /* VMBUS_MSG_INVALID: none */
	uint16_t min;
	bool needs_contact;
	void (*fn)(struct vmbus_server *s, const struct srv_inbound *in);
} handlers[] = {
	{VMBUS_MSG_INITIATE_CONTACT, VMBUS_MSG_VERSION_RESPONSE, 12, false, on_contact},
	{VMBUS_MSG_UNLOAD, VMBUS_MSG_UNLOAD_RESPONSE, 8, false, on_unload},
	{VMBUS_MSG_REQUEST_OFFERS, VMBUS_MSG_ALL_OFFERS_DELIVERED, 8, true, on_request_offers},
	{VMBUS_MSG_GPADL_HEADER, VMBUS_MSG_GPADL_CREATED, 16, true, srv_gpadl_header},
	{VMBUS_MSG_GPADL_BODY, VMBUS_MSG_INVALID, 16, true, srv_gpadl_body},
	{VMBUS_MSG_GPADL_TEARDOWN, VMBUS_MSG_GPADL_TORNDOWN, 16, true, on_teardown},
	{VMBUS_MSG_OPEN, VMBUS_MSG_OPEN_RESULT, 16, true, on_open},
	{VMBUS_MSG_CLOSE, VMBUS_MSG_INVALID, 12, true, on_close},
	{VMBUS_MSG_MODIFY, VMBUS_MSG_MODIFY_RESPONSE, 16, true, on_modify},
	{VMBUS_MSG_RELID_RELEASED, VMBUS_MSG_INVALID, 12, true, on_released},
	{VMBUS_MSG_TL_CONNECT, VMBUS_MSG_INVALID, 8, true, on_tl_connect},
};

static const struct handler *handler_of(uint32_t type)
{
	size_t i;

	for (i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		if (handlers[i].type == type)
			return &handlers[i];
	}
	return NULL;
}

enum vmbus_msgtype srv_reply_of(uint32_t type)
{
	const struct handler *h = handler_of(type);

	return h ? h->reply : VMBUS_MSG_INVALID;
}

void srv_dispatch(struct vmbus_server *s, const struct srv_inbound *in)
{
	const struct handler *h;
	struct vmbus_msg_hdr hdr;

	memcpy(&hdr, in->payload, sizeof(hdr));
	s->counters.messages++;
	h = handler_of(hdr.msgtype);
	if (!h) {
		s->counters.unknown++;
		return;
	}
	if (in->len < h->min || (h->needs_contact && !s->version)) {
		s->counters.malformed++;
		return;
	}
	h->fn(s, in);
}
