// SPDX-License-Identifier: BSD-3-Clause
/* Answers of unknown length: an extension whose answer does not fit says how much room it needs. And the
 * status of features, which is such an answer. */
#include "vswitch/ext/objects_priv.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"

#define FIRST_ROOM 1024u
#define TRIES_MAX  4u

static int ask_with(struct vsw_objs *o, const struct vsw_objs_ext *x, struct nethv_event *ev,
		    size_t room, void **out)
{
	char why[VSW_VETO_TEXT], *buf = calloc(1, room + 1);
	int rc;

	if (!buf)
		return err_set(-ENOMEM, "extension %s: no memory for %zu bytes of answer", x->name,
			       room);
	ev->out = buf;
	ev->out_max = room;
	ev->out_len = 0;
	rc = obj_deliver(o, x, ev, why);
	if (rc != NETHV_EV_DONE || ev->out_len > room) {
		free(buf);
		return rc;
	}
	buf[ev->out_len] = '\0';
	*out = buf;
	return rc;
}

int obj_ask(struct vsw_objs *o, const struct vsw_objs_ext *x, struct nethv_event *ev, void **out,
	    size_t *len)
{
	size_t room = FIRST_ROOM;
	unsigned int i;
	int rc;

	for (i = 0; i < TRIES_MAX && room <= VSW_ANSWER_MAX; i++) {
		rc = ask_with(o, x, ev, room, out);
		if (rc != NETHV_EV_DONE)
			return rc;
		if (ev->out_len <= room) {
			*len = ev->out_len;
			return rc;
		}
		room = ev->out_len;
	}
	return err_set(
		-EMSGSIZE,
		"extension %s: answers %s with %zu bytes, after it was asked %u times; %u are the most",
		x->name, vsw_objs_event_name(ev->kind), ev->out_len, i, VSW_ANSWER_MAX);
}

static int ask_all(struct vsw_objs *o, struct nethv_event *ev, void **out, size_t *len)
{
	struct vsw_objs_ext ext[VSW_EXTS_MAX];
	unsigned int i, n = obj_stack(o, ext);
	int rc = NETHV_EV_PASS;

	for (i = 0; i < n && rc == NETHV_EV_PASS; i++)
		rc = obj_ask(o, &ext[i], ev, out, len);
	if (rc == NETHV_EV_PASS)
		return err_set(-ENOENT, "%s %s: no extension knows this feature",
			       ev->port ? "port" : "switch", ev->port ? ev->port->name : "");
	return rc < 0 ? rc : 0;
}

int vsw_objs_feature_status(struct vsw_objs *o, uint16_t port, const struct nethv_guid *id,
			    void **out, size_t *len)
{
	struct nethv_property what = {.size = sizeof(what), .id = *id};
	unsigned int kind = NETHV_EV_SWITCH_FEATURE_STATUS;
	struct nethv_port_info info;
	struct obj_port *p = NULL;
	struct nethv_event ev;
	int rc;

	if (port != NETHV_PORT_DEFAULT) {
		kind = NETHV_EV_PORT_FEATURE_STATUS;
		rc = obj_check(o, port, 0, kind);
		if (rc)
			return rc;
		p = o->port[port];
	}
	ev = obj_event(p, kind, 0, &info);
	ev.prop = &what;
	obj_enter(o);
	return obj_leave(o, ask_all(o, &ev, out, len));
}
