/* SPDX-License-Identifier: BSD-3-Clause */
/* The GPADLs of channels in the control server: created when the switch has them, torn down when
 * it has let go of them. Their assembly from messages is gpadl.c's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vmbus/server_priv.h"

struct srv_gpadl *srv_gpadl_find(const struct srv_chan *ch, uint32_t handle)
{
	struct srv_gpadl *g = ch->gpadls;

	while (g && g->list->handle != handle)
		g = g->next;
	return g;
}

static void say_created(struct vmbus_server *s, uint32_t relid, uint32_t handle, uint32_t status)
{
	struct vmbus_msg_gpadl_created m = {.hdr.msgtype = VMBUS_MSG_GPADL_CREATED,
					    .child_relid = relid,
					    .gpadl = handle,
					    .status = status};

	srv_say(s, &m, sizeof(m));
}

static void say_torndown(struct vmbus_server *s, uint32_t handle)
{
	struct vmbus_msg_gpadl_torndown m = {.hdr.msgtype = VMBUS_MSG_GPADL_TORNDOWN,
					     .gpadl = handle};

	srv_say(s, &m, sizeof(m));
}

static void unlink_free(struct vmbus_server *s, struct srv_chan *ch, struct srv_gpadl *g)
{
	struct srv_gpadl **pp = &ch->gpadls;

	while (*pp != g)
		pp = &(*pp)->next;
	*pp = g->next;
	ch->nr_gpadls--;
	s->nr_pages -= g->list->nr_pages;
	free(g->list);
	free(g);
}

/* ---- Creation ----------------------------------------------------------------------------- */

static void request_add(struct vmbus_server *s, struct srv_chan *ch, struct srv_gpadl *g)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_GPADL_ADD};

	m.gpadl_add = (struct vmbus_link_gpadl_add){.relid = ch->relid,
						    .handle = g->list->handle,
						    .byte_offset = g->list->byte_offset,
						    .byte_count = g->list->byte_count,
						    .nr_pages = g->list->nr_pages,
						    .pfns = g->list->pfn};
	g->is_on_switch = true;
	srv_request(s, &m, ch);
}

/* All pages are RAM. */
static int check_pages(const struct vmbus_server *s, const struct vmbus_gpadl_build *b)
{
	uint32_t i;

	for (i = 0; i < b->nr_pages; i++) {
		if (!gmem_page(s->cfg.gm, b->pfn[i]))
			return err_set(-EFAULT, "GPADL 0x%x: page %u (PFN 0x%llx) is not memory",
				       b->handle, i, (unsigned long long)b->pfn[i]);
	}
	return 0;
}

/* A guest that sent it before it saw the rescind copes badly with a failure: so a revoked channel
 * takes lists until it is released. */
static bool takes_lists(const struct srv_chan *ch)
{
	return ch && (ch->state == CHAN_OFFERED || !ch->is_released);
}

/* Takes over @b, unless it fails. */
static int adopt(struct vmbus_server *s, struct srv_chan *ch, struct vmbus_gpadl_build *b)
{
	struct srv_gpadl *g;
	int rc;

	if (!takes_lists(ch))
		return err_set(-ENODEV, "GPADL 0x%x: channel %u is not offered", b->handle,
			       b->relid);
	rc = check_pages(s, b);
	if (rc)
		return rc;
	g = calloc(1, sizeof(*g));
	if (!g)
		return err_set(-ENOMEM, "GPADL 0x%x: no memory", b->handle);
	g->list = b;
	g->next = ch->gpadls;
	ch->gpadls = g;
	ch->nr_gpadls++;
	s->nr_pages += b->nr_pages;
	if (srv_is_local(ch) || ch->state == CHAN_RESCINDED) {
		g->state = GPADL_LIVE; /* a list is all that we want of it */
		say_created(s, ch->relid, b->handle, 0);
	} else if (ch->has_switch) {
		request_add(s, ch, g);
	}
	return 0;
}

static void complete(struct vmbus_server *s, struct vmbus_gpadl_build *b)
{
	struct srv_chan *ch = srv_chan_get(s, b->relid);

	if (adopt(s, ch, b) == 0)
		return;
	srv_fault(s, ch, "%s", err_text());
	say_created(s, b->relid, b->handle, SRV_STATUS_FAILED);
	free(b);
}

static int judge_header(const struct srv_chan *ch, uint32_t relid, uint32_t handle)
{
	if (!takes_lists(ch))
		return err_set(-ENODEV, "GPADL 0x%x: channel %u is not offered", handle, relid);
	if (srv_gpadl_find(ch, handle))
		return err_set(-EEXIST, "GPADL 0x%x: exists already", handle);
	if (ch->nr_gpadls >= SRV_GPADLS_MAX)
		return err_set(-ENOSPC, "GPADL 0x%x: channel %u has %u of them", handle, relid,
			       ch->nr_gpadls);
	return 0;
}

static uint32_t pages_left(const struct vmbus_server *s)
{
	uint32_t used = s->nr_pages + s->builds.nr_pages;

	return used < s->cfg.gpadl_pages_max ? s->cfg.gpadl_pages_max - used : 0;
}

void srv_gpadl_header(struct vmbus_server *s, const struct srv_inbound *in)
{
	struct vmbus_gpadl_build *b = NULL;
	struct vmbus_msg_gpadl_header h;
	struct srv_chan *ch;
	int rc;

	memcpy(&h, in->payload, sizeof(h));
	ch = srv_chan_get(s, h.child_relid);
	rc = judge_header(ch, h.child_relid, h.gpadl);
	if (!rc)
		rc = vmbus_gpadl_header(&s->builds, in->payload, in->len, pages_left(s),
					srv_now_ms() + s->cfg.gpadl_timeout_ms, &b);
	if (rc == 1)
		complete(s, b);
	if (rc >= 0)
		return;
	srv_fault(s, ch, "%s", err_text());
	say_created(s, h.child_relid, h.gpadl, SRV_STATUS_FAILED);
}

void srv_gpadl_body(struct vmbus_server *s, const struct srv_inbound *in)
{
	struct vmbus_gpadl_build *b = NULL;
	int rc = vmbus_gpadl_body(&s->builds, in->payload, in->len, &b);

	if (rc == 1)
		complete(s, b);
	if (rc == -ENOENT)
		s->counters.stray_bodies++; /* of a GPADL that was refused at its header, mostly */
	if (rc != -EPROTO)
		return;
	srv_fault(s, srv_chan_get(s, b->relid), "%s", err_text());
	say_created(s, b->relid, b->handle, SRV_STATUS_FAILED);
	free(b);
}

void srv_gpadl_late(struct vmbus_server *s)
{
	struct vmbus_gpadl_build *b;

	while ((b = vmbus_gpadl_take_late(&s->builds, srv_now_ms()))) {
		srv_fault(s, srv_chan_get(s, b->relid), "GPADL 0x%x: %u of %u pages came in %u ms",
			  b->handle, b->got / 8, b->nr_pages, s->cfg.gpadl_timeout_ms);
		say_created(s, b->relid, b->handle, SRV_STATUS_FAILED);
		free(b);
	}
}

void srv_gpadl_added(struct vmbus_server *s, const struct srv_request *rq, int status,
		     const char *why)
{
	struct srv_chan *ch = &s->chan[rq->relid];
	struct srv_gpadl *g = srv_gpadl_find(ch, rq->handle);

	if (!g || g->state != GPADL_ADDING) {
		if (status)
			srv_event(s, "channel %u: GPADL 0x%x is not taken over: %s", rq->relid,
				  rq->handle, why);
		return; /* an open that needs it will be refused, and that ends the channel */
	}
	say_created(s, ch->relid, rq->handle, status ? SRV_STATUS_FAILED : 0);
	g->state = GPADL_LIVE;
	if (!status)
		return;
	srv_fault(s, ch, "%s", why);
	unlink_free(s, ch, g);
}

/* ---- Teardown ----------------------------------------------------------------------------- */

static void torn_down(struct vmbus_server *s, struct srv_chan *ch, struct srv_gpadl *g)
{
	if (g->state == GPADL_ADDING)
		say_created(s, ch->relid, g->list->handle, SRV_STATUS_FAILED);
	say_torndown(s, g->list->handle);
	unlink_free(s, ch, g);
}

static void tear_down(struct vmbus_server *s, struct srv_chan *ch, struct srv_gpadl *g)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_GPADL_DEL};

	if (!ch->has_switch || !g->is_on_switch) {
		torn_down(s, ch, g);
		return;
	}
	m.gpadl_del.relid = ch->relid;
	m.gpadl_del.handle = g->list->handle;
	g->state = GPADL_DELETING;
	srv_request(s, &m, ch);
}

/* Frees one that is being assembled; the guest gave up on it. */
static bool tear_down_build(struct vmbus_server *s, uint32_t relid, uint32_t handle)
{
	struct vmbus_gpadl_build *b = handle ? vmbus_gpadl_take(&s->builds, relid, handle) : NULL;

	if (!b)
		return false;
	free(b);
	say_created(s, relid, handle, SRV_STATUS_FAILED);
	return true;
}

/* A ring is in use until its channel is closed. A second teardown of the same handle is one too
 * many: the guest gets the answer to the first. */
void srv_gpadl_teardown(struct vmbus_server *s, const struct vmbus_msg_gpadl_teardown *m)
{
	struct srv_chan *ch = srv_chan_get(s, m->child_relid);
	struct srv_gpadl *g = ch ? srv_gpadl_find(ch, m->gpadl) : NULL;

	if (!g) {
		if (!tear_down_build(s, m->child_relid, m->gpadl) &&
		    (!ch || ch->state == CHAN_OFFERED))
			srv_fault(s, ch, "tears down GPADL 0x%x, which does not exist", m->gpadl);
		say_torndown(s, m->gpadl);
	} else if (g->wants_teardown || g->state == GPADL_DELETING) {
		srv_fault(s, ch, "tears down GPADL 0x%x twice", m->gpadl);
	} else if (ch->open != VMBUS_CH_CLOSED && ch->ring == m->gpadl) {
		g->wants_teardown = true;
	} else {
		tear_down(s, ch, g);
	}
}

void srv_gpadl_deleted(struct vmbus_server *s, const struct srv_request *rq)
{
	struct srv_chan *ch = &s->chan[rq->relid];
	struct srv_gpadl *g = srv_gpadl_find(ch, rq->handle);

	if (g && g->state == GPADL_DELETING)
		torn_down(s, ch, g);
}

void srv_gpadl_closed(struct vmbus_server *s, struct srv_chan *ch)
{
	struct srv_gpadl *g, *next;

	for (g = ch->gpadls; g; g = next) {
		next = g->next;
		if (g->wants_teardown && g->state != GPADL_DELETING)
			tear_down(s, ch, g);
	}
}

void srv_gpadl_gone(struct vmbus_server *s, struct srv_chan *ch)
{
	struct srv_gpadl *g, *next;

	for (g = ch->gpadls; g; g = next) {
		next = g->next;
		g->is_on_switch = false;
		if (g->wants_teardown || g->state == GPADL_DELETING) {
			torn_down(s, ch, g);
		} else if (g->state == GPADL_ADDING) {
			g->state = GPADL_LIVE; /* until the release: see takes_lists() */
			say_created(s, ch->relid, g->list->handle, 0);
		}
	}
}

void srv_gpadl_drop(struct vmbus_server *s, struct srv_chan *ch)
{
	struct vmbus_gpadl_build *b;

	while ((b = vmbus_gpadl_take(&s->builds, ch->relid, 0))) {
		say_created(s, b->relid, b->handle, SRV_STATUS_FAILED);
		free(b);
	}
	while (ch->gpadls)
		unlink_free(s, ch, ch->gpadls);
}

void srv_gpadl_replay(struct vmbus_server *s, struct srv_chan *ch)
{
	struct srv_gpadl *g;

	for (g = ch->gpadls; g; g = g->next)
		request_add(s, ch, g);
}
