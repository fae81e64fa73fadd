/* SPDX-License-Identifier: BSD-3-Clause */
/* What worker and switch say to each other of VFs: the worker which one belongs to an adapter, the switch
 * on which of the two ways its frames are to come. The worker's end. A request for a path stays open under
 * a ticket until whoever sets the NIC's filters has done so; the guest is served meanwhile. */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "vmbus/server_priv.h"

/* The primary channel of an adapter of the switch, or NULL. */
static struct srv_chan *adapter(struct vmbus_server *s, uint32_t relid)
{
	static const struct vmbus_guid nic = VMBUS_CLASS_NIC;
	struct srv_chan *ch = relid && relid < VMBUS_CHANS_MAX ? &s->chan[relid] : NULL;

	if (!ch || ch->state != CHAN_OFFERED || srv_is_local(ch) || ch->offer.sub_index ||
	    memcmp(&ch->offer.if_type, &nic, sizeof(nic)) != 0)
		return NULL;
	return ch;
}

/* ---- Which VF it has ------------------------------------------------------------------------ */

static void tell(struct vmbus_server *s, const struct srv_chan *ch)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_VF};

	m.vf.relid = ch->relid;
	m.vf.serial = ch->vf_serial;
	m.vf.is_allocated = ch->is_vf_allocated;
	srv_request(s, &m, ch);
}

void srv_vf_replay(struct vmbus_server *s, const struct srv_chan *ch)
{
	if (ch->is_vf_known)
		tell(s, ch);
}

int vmbus_server_vf_set(struct vmbus_server *s, uint32_t relid, uint32_t serial, bool is_allocated)
{
	struct srv_chan *ch = adapter(s, relid);

	if (!ch)
		return err_set(-ENOENT, "channel %u is no adapter of the switch", relid);
	if (is_allocated && !serial)
		return err_set(-EINVAL, "channel %u: a VF has a number that is not 0", relid);
	ch->is_vf_known = true;
	ch->is_vf_allocated = is_allocated;
	ch->vf_serial = serial;
	if (ch->has_switch && s->link_state == LINK_UP) {
		tell(s, ch);
		vmbus_server_wake(s);
	}
	return 0;
}

/* ---- Which way its frames come -------------------------------------------------------------- */

static struct srv_ticket *ticket_find(struct vmbus_server *s, uint32_t ticket)
{
	uint32_t i;

	for (i = 0; i < SRV_TICKETS_MAX; i++) {
		if (s->ticket[i].ticket == ticket)
			return &s->ticket[i];
	}
	return NULL;
}

static uint32_t ticket_number(struct vmbus_server *s)
{
	do {
		s->last_ticket++;
	} while (s->last_ticket == 0 || ticket_find(s, s->last_ticket));
	return s->last_ticket;
}

int srv_vf_path(struct vmbus_server *s, const struct vmbus_link_msg *m)
{
	struct srv_ticket *t = ticket_find(s, 0);
	const struct srv_chan *ch = adapter(s, m->path.relid);
	uint32_t number;

	if (!ch || !ch->has_switch)
		return err_set(-ENOENT, "channel %u is no adapter of yours", m->path.relid);
	if (!s->ops->path)
		return err_set(-EOPNOTSUPP, "channel %u: nobody here assigns VFs", ch->relid);
	if (m->path.is_vf && !ch->is_vf_allocated)
		return err_set(-ENODEV, "channel %u has no VF", ch->relid);
	if (!t)
		return err_set(-EBUSY, "%u requests for data paths are open", SRV_TICKETS_MAX);
	number = ticket_number(s);
	*t = (struct srv_ticket){.ticket = number, .id = m->id, .relid = ch->relid};
	s->ops->path(s->ctx, ch->relid, m->path.is_vf, number);
	return 1;
}

void vmbus_server_path_done(struct vmbus_server *s, uint32_t ticket, int status, const char *text)
{
	struct srv_ticket *t = ticket ? ticket_find(s, ticket) : NULL;

	if (!t)
		return;
	t->ticket = 0;
	srv_answer(s, t->id, status, 0, text);
	vmbus_server_wake(s); /* sends what did not fit at once */
}

int srv_vf_remove(struct vmbus_server *s, const struct vmbus_link_msg *m)
{
	const struct srv_chan *ch = adapter(s, m->error.relid);

	if (!ch || !ch->has_switch)
		return err_set(-ENOENT, "channel %u is no adapter of yours", m->error.relid);
	if (s->ops->vf_remove)
		s->ops->vf_remove(s->ctx, ch->relid, m->error.text);
	return 0;
}

/* ---- Ends ----------------------------------------------------------------------------------- */

void srv_vf_link_gone(struct vmbus_server *s)
{
	memset(s->ticket, 0, sizeof(s->ticket));
}

/* A switch that is there was told by RESET, and asks for the synthetic path itself. */
void srv_vf_guest_gone(struct vmbus_server *s, const struct srv_chan *ch)
{
	if (ch->has_switch || ch->state == CHAN_FREE || !ch->is_vf_known)
		return;
	srv_vf_fresh(s, ch->relid);
	if (s->ops->path)
		s->ops->path(s->ctx, ch->relid, false, 0);
}

void srv_vf_fresh(struct vmbus_server *s, uint32_t relid)
{
	memset(&s->cfg.state->chan[relid].path, 0, sizeof(s->cfg.state->chan[relid].path));
}
