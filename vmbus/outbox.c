/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages to the guest: one FIFO, because their order is part of the protocol. The guest takes
 * them one slot at a time, so they may have to wait here. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmbus/server_priv.h"

static void pop(struct vmbus_server *s)
{
	struct srv_outbound *o = s->out;

	s->out = o->next;
	if (!s->out)
		s->out_tail = &s->out;
	s->nr_out--;
	free(o);
}

void srv_say_to(struct vmbus_server *s, uint32_t vp, const void *msg, size_t len)
{
	struct srv_outbound *o = NULL;

	if (s->nr_out < SRV_OUTBOX_MAX)
		o = malloc(sizeof(*o) + len);
	if (!o) {
		s->counters.replies_lost++;
		srv_event(s, "%u messages wait for the guest: one was lost", s->nr_out);
		return;
	}
	*o = (struct srv_outbound){.vp = vp, .len = (uint32_t)len};
	memcpy(o->msg, msg, len);
	*s->out_tail = o;
	s->out_tail = &o->next;
	s->nr_out++;
}

void srv_say(struct vmbus_server *s, const void *msg, size_t len)
{
	if (s->version && s->reset == RESET_NONE)
		srv_say_to(s, s->msg_vp, msg, len);
}

void srv_outbox_flush(struct vmbus_server *s)
{
	int rc;

	s->is_out_blocked = false;
	while (s->out) {
		rc = s->ops->post(s->ctx, s->out->vp, s->out->msg, s->out->len);
		if (rc == -EAGAIN) {
			s->is_out_blocked = true;
			return;
		}
		s->counters.replies_lost += rc < 0;
		pop(s);
	}
}

void srv_outbox_drop(struct vmbus_server *s)
{
	while (s->out)
		pop(s);
	s->is_out_blocked = false;
}
