/* SPDX-License-Identifier: BSD-3-Clause */
/* Channels in the control server: offer, open, close, modify, rescind, release. While no living
 * switch serves a channel its open waits for one (the debt is in the state), and what gives
 * something back to the guest is done at once. A channel of the worker's own never waits. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "vmbus/backend.h"
#include "vmbus/server_priv.h"

#define MONITOR_LATENCY 2000u /* 200 us, in units of 100 ns: how often a sleeping switch looks */

struct srv_chan *srv_chan_get(struct vmbus_server *s, uint32_t relid)
{
	struct srv_chan *ch;

	if (relid == 0 || relid >= VMBUS_CHANS_MAX)
		return NULL;
	ch = &s->chan[relid];
	return ch->state != CHAN_FREE && ch->is_announced ? ch : NULL;
}

/* ---- Offers ------------------------------------------------------------------------------- */

static bool is_same_device(const struct vmbus_link_offer *a, const struct vmbus_link_offer *b)
{
	return !memcmp(&a->if_type, &b->if_type, sizeof(a->if_type)) &&
	       !memcmp(&a->if_instance, &b->if_instance, sizeof(a->if_instance));
}

static struct srv_chan *find_offered(struct vmbus_server *s, const struct vmbus_link_offer *o,
				     uint32_t sub_index)
{
	uint32_t i;

	for (i = 1; i < VMBUS_CHANS_MAX; i++) {
		struct srv_chan *ch = &s->chan[i];

		if (ch->state == CHAN_OFFERED && ch->offer.sub_index == sub_index &&
		    is_same_device(&ch->offer, o))
			return ch;
	}
	return NULL;
}

/* A relid is free on this connection, so it is a free monitor id, too. */
_Static_assert(VMBUS_CHANS_MAX <= VMBUS_MONITORS_MAX, "a monitor for each relid");

static void monitor(struct vmbus_server *s, struct srv_chan *ch)
{
	struct vmbus_monitor_page *p = s->monitor;
	uint32_t id = ch->relid;

	ch->is_monitored = ch->offer.wants_monitor && p;
	if (!ch->is_monitored)
		return;
	p->latency[id] = MONITOR_LATENCY;
	p->parameter[id].connection_id = VMBUS_EVENT_CONN_BASE | id;
	p->parameter[id].flag = 0;
	__atomic_fetch_or(&p->trigger_state, 1u << (id / VMBUS_MONITOR_GROUP_BITS),
			  __ATOMIC_RELAXED);
}

static void announce(struct vmbus_server *s, struct srv_chan *ch)
{
	struct vmbus_msg_offer m = {.hdr.msgtype = VMBUS_MSG_OFFER,
				    .if_type = ch->offer.if_type,
				    .if_instance = ch->offer.if_instance,
				    .sub_channel_index = (uint16_t)ch->offer.sub_index,
				    .child_relid = ch->relid,
				    .is_dedicated_interrupt = 1,
				    .connection_id = VMBUS_EVENT_CONN_BASE | ch->relid};

	if (ch->is_announced || !s->is_offering || s->reset != RESET_NONE)
		return;
	monitor(s, ch);
	m.monitor_allocated = ch->is_monitored;
	m.monitor_id = ch->is_monitored ? (uint8_t)ch->relid : 0;
	m.flags = ch->local.flags;
	memcpy(m.user_defined, &ch->local.pipe_mode, sizeof(ch->local.pipe_mode));
	ch->is_announced = true;
	srv_say(s, &m, sizeof(m));
}

/* Primary channels first: a guest cannot place a sub-channel before its primary. */
void srv_chan_announce_all(struct vmbus_server *s)
{
	uint32_t i;

	for (i = 1; i < VMBUS_CHANS_MAX; i++) {
		if (s->chan[i].state == CHAN_OFFERED && s->chan[i].offer.sub_index == 0)
			announce(s, &s->chan[i]);
	}
	for (i = 1; i < VMBUS_CHANS_MAX; i++) {
		if (s->chan[i].state == CHAN_OFFERED)
			announce(s, &s->chan[i]);
	}
}

static int offer_new(struct vmbus_server *s, const struct vmbus_link_offer *o,
		     const struct srv_local *local)
{
	uint32_t relid = 1;

	while (relid < VMBUS_CHANS_MAX && s->chan[relid].state != CHAN_FREE)
		relid++;
	if (relid == VMBUS_CHANS_MAX)
		return err_set(-ENOSPC, "all %u channels of the partition are in use",
			       VMBUS_CHANS_MAX - 1);
	s->chan[relid] = (struct srv_chan){.state = CHAN_OFFERED,
					   .relid = relid,
					   .serial = ++s->last_serial,
					   .offer = *o,
					   .local = local ? *local : (struct srv_local){0},
					   .has_switch = !local,
					   .target_vp = VMBUS_VP_NONE};
	srv_vf_fresh(s, relid);
	announce(s, &s->chan[relid]);
	return (int)relid;
}

int srv_chan_offer(struct vmbus_server *s, const struct vmbus_link_offer *o)
{
	struct srv_chan *primary, *ch = find_offered(s, o, o->sub_index);

	if (ch && (ch->has_switch || srv_is_local(ch)))
		return err_set(-EEXIST, "channel %u is offered already", ch->relid);
	if (ch) {
		ch->has_switch = true;
		ch->offer.wants_monitor = o->wants_monitor; /* from the next connection on */
		return (int)ch->relid;
	}
	primary = find_offered(s, o, 0);
	if (o->sub_index && (!primary || !primary->has_switch))
		return err_set(-EINVAL, "sub-channel %u offered without its primary channel",
			       o->sub_index);
	return offer_new(s, o, NULL);
}

int srv_chan_offer_local(struct vmbus_server *s, const struct vmbus_link_offer *o,
			 const struct srv_local *local)
{
	const struct srv_chan *ch = find_offered(s, o, 0);

	if (ch)
		return err_set(-EEXIST, "channel %u is offered already", ch->relid);
	return offer_new(s, o, local);
}

/* ---- Withdrawal --------------------------------------------------------------------------- */

void srv_chan_try_free(struct vmbus_server *s, struct srv_chan *ch)
{
	if (ch->state != CHAN_RESCINDED || !ch->is_released || ch->has_switch)
		return;
	srv_gpadl_drop(s, ch);
	ch->state = CHAN_FREE;
}

/* From here on the guest may free the memory of the channel without asking. The caller knows that
 * nobody touches it. */
static void rescind(struct vmbus_server *s, struct srv_chan *ch)
{
	struct vmbus_msg_relid m = {.hdr.msgtype = VMBUS_MSG_RESCIND, .child_relid = ch->relid};

	if (ch->state != CHAN_OFFERED)
		return;
	ch->state = CHAN_RESCINDED;
	if (ch->is_announced)
		srv_say(s, &m, sizeof(m));
	else
		ch->is_released = true;
	srv_chan_try_free(s, ch);
}

static void say_open_result(struct vmbus_server *s, uint32_t relid, uint32_t openid,
			    uint32_t status)
{
	struct vmbus_msg_open_result m = {.hdr.msgtype = VMBUS_MSG_OPEN_RESULT,
					  .child_relid = relid,
					  .openid = openid,
					  .status = status};

	srv_say(s, &m, sizeof(m));
}

/* Sub-channels live no longer than the open of their primary: the next open starts from one. */
static void rescind_subs(struct vmbus_server *s, const struct srv_chan *primary)
{
	uint32_t i;

	for (i = 1; i < VMBUS_CHANS_MAX; i++) {
		struct srv_chan *ch = &s->chan[i];

		if (ch->state == CHAN_OFFERED && ch->offer.sub_index &&
		    is_same_device(&ch->offer, &primary->offer)) {
			if (ch->open == VMBUS_CH_OPENING)
				say_open_result(s, ch->relid, ch->openid, SRV_STATUS_FAILED);
			ch->open = VMBUS_CH_CLOSED;
			if (ch->has_switch)
				srv_gpadl_closed(s, ch);
			else
				srv_gpadl_gone(s, ch);
			rescind(s, ch);
		}
	}
}

void srv_chan_gone(struct vmbus_server *s, struct srv_chan *ch)
{
	srv_local_stop(ch);
	ch->has_switch = false;
	if (ch->open == VMBUS_CH_OPENING)
		say_open_result(s, ch->relid, ch->openid, SRV_STATUS_FAILED);
	ch->open = VMBUS_CH_CLOSED;
	srv_gpadl_gone(s, ch);
	if (ch->state == CHAN_OFFERED && ch->offer.sub_index == 0)
		rescind_subs(s, ch);
	rescind(s, ch);
	srv_chan_try_free(s, ch);
}

/* Linux releases an offer that it cannot make a device of. It has forgotten the channel then, and
 * would never release it after a rescind. */
static bool is_refused_offer(const struct srv_chan *ch)
{
	return ch && ch->state == CHAN_OFFERED && ch->open == VMBUS_CH_CLOSED && !ch->gpadls;
}

void srv_chan_release(struct vmbus_server *s, uint32_t relid)
{
	struct srv_chan *ch = srv_chan_get(s, relid);

	if (!ch || ch->state != CHAN_RESCINDED || ch->is_released) {
		srv_fault(s, ch, "releases channel %u, which was not rescinded", relid);
		if (is_refused_offer(ch))
			ch->is_announced = false;
		return;
	}
	ch->is_released = true;
	srv_chan_try_free(s, ch);
}

/* Primary channels are there for the next connection. A sub-channel that the switch still holds
 * keeps its relid reserved; nobody but the switch knows of it then. */
void srv_chan_forget(struct vmbus_server *s, struct srv_chan *ch)
{
	bool is_kept = ch->has_switch || (srv_is_local(ch) && ch->state == CHAN_OFFERED);
	bool stays = is_kept && ch->offer.sub_index == 0;

	if (ch->state == CHAN_FREE)
		return;
	srv_gpadl_drop(s, ch);
	ch->open = VMBUS_CH_CLOSED;
	ch->is_announced = false;
	ch->is_monitored = false;
	ch->is_released = !stays;
	ch->state = stays ? CHAN_OFFERED : CHAN_RESCINDED;
	srv_chan_try_free(s, ch);
}

/* ---- Open and close ----------------------------------------------------------------------- */

/* Pages that both rings share, or 0. */
static uint32_t ring_pages(const struct srv_gpadl *g)
{
	if (!g || g->state != GPADL_LIVE || g->wants_teardown || g->list->byte_offset)
		return 0;
	return g->list->byte_count % GMEM_PAGE_SIZE ? 0 : g->list->nr_pages;
}

static bool is_vp(const struct vmbus_server *s, uint32_t vp)
{
	return vp < s->cfg.nr_vps || vp == VMBUS_VP_NONE;
}

static int judge_open(const struct vmbus_server *s, const struct srv_chan *ch,
		      const struct vmbus_msg_open *m)
{
	uint32_t pages;

	if (!ch || ch->state != CHAN_OFFERED)
		return err_set(-ENODEV, "opens channel %u, which is not offered", m->child_relid);
	if (ch->open != VMBUS_CH_CLOSED)
		return err_set(-EBUSY, "opens channel %u twice", ch->relid);
	if (!is_vp(s, m->target_vp))
		return err_set(-EINVAL, "open: interrupts wanted at VP %u of %u", m->target_vp,
			       s->cfg.nr_vps);
	pages = ring_pages(srv_gpadl_find(ch, m->ring_gpadl));
	if (pages == 0)
		return err_set(-EINVAL, "open: no GPADL 0x%x of whole pages", m->ring_gpadl);
	if (m->downstream_offset < 2 || m->downstream_offset > pages ||
	    pages - m->downstream_offset < 2)
		return err_set(-EINVAL, "open: %u pages split at %u make no two rings", pages,
			       m->downstream_offset);
	return 0;
}

/* What the guest posted before it saw the rescind is no fault of it. */
static bool is_revoked(const struct srv_chan *ch)
{
	return ch && ch->state == CHAN_RESCINDED && !ch->is_released;
}

static void request_open(struct vmbus_server *s, const struct srv_chan *ch, enum vmbus_open_how how)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_OPEN};

	m.open = (struct vmbus_link_open){.relid = ch->relid,
					  .ring = ch->ring,
					  .split = ch->split,
					  .target_vp = ch->target_vp,
					  .how = how};
	/* What is never interrupted is not monitored either. */
	if (ch->is_monitored && ch->target_vp != VMBUS_VP_NONE) {
		m.open.monitor_id = ch->relid;
		m.open.monitor_page = s->contact.monitor_page2;
	}
	srv_request(s, &m, ch);
}

void srv_chan_open(struct vmbus_server *s, const struct vmbus_msg_open *m)
{
	struct srv_chan *ch = srv_chan_get(s, m->child_relid);

	if (judge_open(s, ch, m)) {
		if (!is_revoked(ch))
			srv_fault(s, ch, "%s", err_text());
		say_open_result(s, m->child_relid, m->openid, SRV_STATUS_FAILED);
		return;
	}
	ch->open = VMBUS_CH_OPENING;
	ch->openid = m->openid;
	ch->ring = m->ring_gpadl;
	ch->split = m->downstream_offset;
	ch->target_vp = m->target_vp;
	ch->reason[0] = 0;
	if (srv_is_local(ch))
		srv_local_open(s, ch);
	else if (ch->has_switch)
		request_open(s, ch, VMBUS_OPEN_FRESH);
}

/* A channel that a new switch cannot take over is of no use to the guest any more. */
static void resumed(struct vmbus_server *s, struct srv_chan *ch, int status, const char *why)
{
	if (ch->open != VMBUS_CH_OPEN)
		return;
	if (status == 0) {
		s->vps_to_kick |= ch->target_vp < VMBUS_VPS_MAX ? 1u << ch->target_vp : 0;
		return;
	}
	srv_event(s, "channel %u is not taken over: %s", ch->relid, why);
	strncpy(ch->reason, why, sizeof(ch->reason) - 1);
	ch->open = VMBUS_CH_CLOSED;
	srv_gpadl_closed(s, ch);
	if (ch->offer.sub_index == 0)
		rescind_subs(s, ch);
	rescind(s, ch);
}

void srv_chan_opened(struct vmbus_server *s, struct srv_chan *ch, int status, uint32_t how,
		     const char *why)
{
	if (how == VMBUS_OPEN_RESUME) {
		resumed(s, ch, status, why);
		return;
	}
	if (ch->open != VMBUS_CH_OPENING)
		return;
	ch->open = status ? VMBUS_CH_CLOSED : VMBUS_CH_OPEN;
	if (status)
		srv_fault(s, ch, "%s", why);
	say_open_result(s, ch->relid, ch->openid, status ? SRV_STATUS_FAILED : 0);
	if (status)
		srv_gpadl_closed(s, ch);
}

static void request_close(struct vmbus_server *s, struct srv_chan *ch)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_CLOSE, .chan = {.relid = ch->relid}};

	srv_local_stop(ch);
	ch->open = VMBUS_CH_CLOSING;
	if (ch->has_switch)
		srv_request(s, &m, ch);
	else
		srv_chan_closed(s, ch);
}

static void close_subs(struct vmbus_server *s, const struct srv_chan *primary)
{
	uint32_t i;

	for (i = 1; i < VMBUS_CHANS_MAX; i++) {
		struct srv_chan *ch = &s->chan[i];

		if (ch->state == CHAN_OFFERED && ch->offer.sub_index && ch->open == VMBUS_CH_OPEN &&
		    is_same_device(&ch->offer, &primary->offer))
			request_close(s, ch);
	}
}

void srv_chan_close(struct vmbus_server *s, struct srv_chan *ch)
{
	if (ch->state == CHAN_RESCINDED)
		return; /* guests close rescinded channels, too; the switch did long ago */
	if (ch->open == VMBUS_CH_OPENING) {
		say_open_result(s, ch->relid, ch->openid, SRV_STATUS_FAILED);
		ch->open = VMBUS_CH_OPEN;
	}
	if (ch->open != VMBUS_CH_OPEN) {
		srv_fault(s, ch, "closes channel %u, which is not open", ch->relid);
		return;
	}
	if (ch->offer.sub_index == 0)
		close_subs(s, ch);
	request_close(s, ch);
}

void srv_chan_closed(struct vmbus_server *s, struct srv_chan *ch)
{
	if (ch->open != VMBUS_CH_CLOSING)
		return;
	ch->open = VMBUS_CH_CLOSED;
	srv_gpadl_closed(s, ch);
	if (ch->offer.sub_index == 0)
		rescind_subs(s, ch);
}

void srv_chan_replay(struct vmbus_server *s, struct srv_chan *ch)
{
	srv_vf_replay(s, ch); /* first: an open begins on the path that it is on */
	srv_gpadl_replay(s, ch);
	if (ch->open == VMBUS_CH_OPEN)
		request_open(s, ch, VMBUS_OPEN_RESUME);
	else if (ch->open == VMBUS_CH_OPENING)
		request_open(s, ch, VMBUS_OPEN_FRESH);
}

/* ---- Modify ------------------------------------------------------------------------------- */

static void say_modified(struct vmbus_server *s, uint32_t relid, int status)
{
	struct vmbus_msg_modify_response m = {.hdr.msgtype = VMBUS_MSG_MODIFY_RESPONSE,
					      .child_relid = relid,
					      .status = status ? SRV_STATUS_FAILED : 0};

	if (s->version >= VMBUS_V5_3)
		srv_say(s, &m, sizeof(m));
}

void srv_chan_modified(struct vmbus_server *s, const struct srv_request *rq, int status)
{
	struct srv_chan *ch = &s->chan[rq->relid];

	if (!status && ch->state == CHAN_OFFERED && ch->serial == rq->serial)
		ch->target_vp = rq->target_vp;
	say_modified(s, rq->relid, status);
}

void srv_chan_modify(struct vmbus_server *s, const struct vmbus_msg_modify *m)
{
	struct vmbus_link_msg rq = {.type = VMBUS_LINK_RETARGET};
	struct srv_chan *ch = srv_chan_get(s, m->child_relid);

	if (s->version < VMBUS_V4_1 || !ch || ch->open != VMBUS_CH_OPEN ||
	    !is_vp(s, m->target_vp)) {
		if (!is_revoked(ch))
			srv_fault(s, ch, "wants the interrupts of channel %u at VP %u",
				  m->child_relid, m->target_vp);
		say_modified(s, m->child_relid, -EINVAL);
		return;
	}
	if (srv_is_local(ch)) {
		srv_local_retarget(ch, m->target_vp);
		say_modified(s, ch->relid, 0);
		return;
	}
	rq.retarget.relid = ch->relid;
	rq.retarget.target_vp = m->target_vp;
	if (ch->has_switch) {
		srv_request(s, &rq, ch);
		return;
	}
	ch->target_vp = m->target_vp;
	say_modified(s, ch->relid, 0);
}
