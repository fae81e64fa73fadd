// SPDX-License-Identifier: BSD-3-Clause
/* Requests for what uplinks can do for a port (queues, VFs, vports), on their way through the stack, and
 * the status that comes back. Each object has an owner, who alone may clear and free it. */
#include "vswitch/ext/objects_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"

static bool allocates(unsigned int request)
{
	const struct obj_rule *r = obj_request_rule(request);

	return r->opposite && !r->allocation;
}

static bool frees(unsigned int request)
{
	const struct obj_rule *r = obj_request_rule(request);

	return r->allocation && obj_request_rule(r->allocation)->opposite == request;
}

static struct obj_hw *hw_find(struct vsw_objs *o, uint32_t owner, uint16_t port,
			      unsigned int request, uint32_t number)
{
	unsigned int i;

	for (i = 0; i < o->nr_hw; i++) {
		struct obj_hw *h = &o->hw[i];

		if (h->owner == owner && h->port == port && h->request == request &&
		    h->number == number)
			return h;
	}
	return NULL;
}

static void hw_remove(struct vsw_objs *o, struct obj_hw *h)
{
	o->nr_hw--;
	memmove(h, h + 1, (size_t)(&o->hw[o->nr_hw] - h) * sizeof(*h));
}

static int uplink_do(struct vsw_objs *o, struct nethv_event *ev)
{
	if (!o->ops->uplink)
		return err_set(-ENOTSUP, "port %s: %s: no uplink has the hardware for it",
			       ev->port->name, obj_request_rule(ev->request)->name);
	return o->ops->uplink(o->ctx, ev);
}

/* Down the stack and into the uplink. On success ev->number is valid, and *@t says who knows of it. */
static int carry_out(struct vsw_objs *o, uint32_t owner, struct nethv_event *ev, uint32_t answerer,
		     struct obj_trail *t)
{
	uint32_t outer = o->answerer;
	int rc;

	o->answerer = answerer;
	rc = owner ? obj_walk_below(o, owner, ev, t) : obj_walk(o, ev, t);
	o->answerer = outer;
	if (rc == NETHV_EV_VETO)
		rc = -EACCES;
	else if (rc == NETHV_EV_PASS && !answerer) /* an answerer that is gone took it with it */
		rc = uplink_do(o, ev);
	else
		rc = 0;
	if (rc == 0)
		return 0;
	if (allocates(ev->request))
		ev->number = 0;
	obj_undo(o, ev, t);
	if (rc == -EACCES && t->end.owner)
		obj_refused(t, obj_request_rule(ev->request)->name, ev->port->name);
	return rc;
}

/* Frees an object in the name of whoever had it: those who know of it are told, then who gave it. */
static void hw_free(struct vsw_objs *o, const struct obj_hw *h)
{
	struct nethv_port_info info;
	struct nethv_event ev = obj_event(o->port[h->port], NETHV_EV_NIC_REQUEST, h->nic, &info);
	uint32_t outer = o->answerer;
	struct vsw_objs_ext x;
	char why[VSW_VETO_TEXT];

	ev.request = h->request;
	ev.number = h->number;
	o->answerer = 0;
	obj_undo(o, &ev, &h->trail);
	ev.request = obj_request_rule(h->request)->opposite;
	o->answerer = h->answerer;
	if (!h->answerer && uplink_do(o, &ev))
		log_warn(info.name, "%s %u: %s", obj_request_rule(ev.request)->name, h->number,
			 err_text());
	else if (h->answerer && obj_ext_find(o, h->answerer, &x))
		obj_deliver(o, &x, &ev, why);
	o->answerer = outer;
}

void obj_hw_drop(struct vsw_objs *o, uint32_t owner, uint16_t port)
{
	unsigned int i = o->nr_hw;
	struct obj_hw h;

	while (i-- > 0) { /* the newest first: a vport before its VF */
		if (i >= o->nr_hw)
			continue;
		h = o->hw[i];
		if ((owner && h.owner != owner) || (port != NETHV_PORT_DEFAULT && h.port != port))
			continue;
		hw_remove(o, &o->hw[i]);
		hw_free(o, &h);
	}
}

/* HWO-3. *@answerer: who gave the object that @ev is about. False: it is not @owner's. */
static bool is_own(struct vsw_objs *o, uint32_t owner, const struct nethv_event *ev,
		   uint32_t *answerer)
{
	const struct obj_rule *r = obj_request_rule(ev->request);
	const struct obj_hw *h;

	*answerer = 0;
	if (!r->allocation || (ev->request == NETHV_REQ_FILTER_MOVE && ev->number == 0))
		return true; /* vport 0 is everybody's */
	h = hw_find(o, owner, ev->port->port, r->allocation, ev->number);
	if (h)
		*answerer = h->answerer;
	return h;
}

static int hw_room(struct vsw_objs *o)
{
	struct obj_hw *hw;

	if (o->nr_hw >= VSW_HW_MAX)
		return err_set(-ENOSPC, "%u queues, VFs and vports are the most", VSW_HW_MAX);
	if (o->nr_hw % 16)
		return 0;
	hw = realloc(o->hw, (o->nr_hw + 16) * sizeof(*hw));
	if (!hw)
		return err_set(-ENOMEM, "no memory for another queue, VF or vport");
	o->hw = hw;
	return 0;
}

static int hw_add(struct vsw_objs *o, uint32_t owner, const struct nethv_event *ev,
		  const struct obj_trail *t, bool is_answered)
{
	struct obj_hw h = {.owner = owner,
			   .number = ev->number,
			   .port = ev->port->port,
			   .nic = ev->nic,
			   .request = ev->request,
			   .trail = *t};
	int rc = 0;

	if (is_answered)
		h.answerer = t->end.owner;
	if (hw_find(o, owner, h.port, h.request, h.number))
		rc = err_set(-EEXIST, "port %s: %s gave number %u a second time", ev->port->name,
			     obj_request_rule(ev->request)->name, ev->number);
	else
		rc = hw_room(o);
	if (rc)
		hw_free(o, &h);
	else
		o->hw[o->nr_hw++] = h;
	return rc;
}

/* @ev is checked: its port is there and @ev is about an object of @owner. */
static int request(struct vsw_objs *o, uint32_t owner, struct nethv_event *ev, uint32_t answerer)
{
	struct obj_trail t;
	struct obj_hw *h;
	int rc;

	if (allocates(ev->request))
		ev->number = 0;
	rc = carry_out(o, owner, ev, answerer, &t);
	if (rc == 0 && allocates(ev->request))
		return hw_add(o, owner, ev, &t, t.end.owner != 0);
	if (rc == 0 && frees(ev->request)) {
		h = hw_find(o, owner, ev->port->port, obj_request_rule(ev->request)->allocation,
			    ev->number);
		if (h)
			hw_remove(o, h);
	}
	return rc;
}

/* The parts of @ev that are the switch's to say, in a copy. */
static struct nethv_event own_event(struct vsw_objs *o, const struct nethv_event *ev,
				    struct nethv_port_info *info)
{
	struct nethv_event e = obj_event(o->port[ev->port->port], ev->kind, ev->nic, info);

	e.request = ev->request;
	e.number = ev->number;
	e.in = ev->in;
	e.in_len = ev->in_len;
	e.out = ev->out;
	e.out_max = ev->out_max;
	return e;
}

int vsw_objs_nic_request(struct vsw_objs *o, struct nethv_event *ev)
{
	struct nethv_port_info info;
	struct nethv_event e;
	uint32_t answerer;
	int rc;

	ev->kind = NETHV_EV_NIC_REQUEST;
	if (!ev->port || !obj_request_rule(ev->request) || ev->nic > NETHV_NICS_MAX)
		return err_set(-EINVAL, "NIC_REQUEST %u for member %u: no port, or out of range",
			       ev->request, ev->nic);
	rc = obj_check(o, ev->port->port, 0, ev->kind);
	if (rc)
		return rc;
	e = own_event(o, ev, &info);
	if (!is_own(o, VSW_OWNER_SWITCH, &e, &answerer))
		return err_set(-EINVAL, "port %s: %s: there is no %u of the switch", info.name,
			       obj_request_rule(e.request)->name, e.number);
	obj_enter(o);
	rc = request(o, VSW_OWNER_SWITCH, &e, answerer);
	ev->number = e.number;
	ev->out_len = e.out_len;
	return obj_leave(o, rc);
}

/* To the top; from the bottom with owner 0. */
static void status(struct vsw_objs *o, uint32_t owner, struct nethv_event *ev)
{
	if (obj_walk_up(o, owner, ev) == NETHV_EV_PASS && o->ops->status)
		o->ops->status(o->ctx, ev);
}

void vsw_objs_nic_status(struct vsw_objs *o, struct nethv_event *ev)
{
	struct nethv_port_info info;
	struct nethv_event e;

	ev->kind = NETHV_EV_NIC_STATUS;
	if (!ev->port || obj_check(o, ev->port->port, 0, ev->kind))
		return; /* it came after the adapter had gone */
	e = own_event(o, ev, &info);
	obj_enter(o);
	status(o, VSW_OWNER_SWITCH, &e);
	obj_leave(o, 0);
}

static int broken(struct vsw_objs *o, uint32_t owner, const char *rule, const char *text)
{
	o->ops->broken(o->ctx, owner, rule, text);
	return NETHV_EPERM;
}

static int request_check(struct vsw_objs *o, const struct vsw_objs_ext *x,
			 const struct nethv_event *ev)
{
	enum nethv_port_state s;
	char rule[8], text[96];

	if (ev->kind != NETHV_EV_NIC_REQUEST && ev->kind != NETHV_EV_NIC_STATUS)
		return broken(o, x->owner, "EV-4", "sends an event that is the switch's to send");
	if (x->cls == NETHV_CAPTURE)
		return broken(o, x->owner, "EXT-1", "sends a request or status");
	if (!ev->port || ev->port->port >= NETHV_PORTS_MAX || ev->nic > NETHV_NICS_MAX)
		return NETHV_ERANGE;
	if (ev->kind == NETHV_EV_NIC_REQUEST && !obj_request_rule(ev->request))
		return NETHV_ERANGE;
	s = vsw_objs_state(o, ev->port->port, 0);
	if (s == NETHV_NIC_CONNECTED)
		return NETHV_OK;
	snprintf(rule, sizeof(rule), "ST-%u", s);
	snprintf(text, sizeof(text), "%s for port %u in state \"%s\"",
		 vsw_objs_event_name(ev->kind), ev->port->port, vsw_objs_state_name(s));
	return broken(o, x->owner, rule, text);
}

/* What the caller is told of it. */
static int request_result(struct nethv_event *ev, const struct nethv_event *done, int rc)
{
	ev->number = done->number;
	ev->out_len = done->out_len;
	if (rc == 0)
		return NETHV_OK;
	if (ev->text && ev->text_max)
		snprintf(ev->text, ev->text_max, "%s", err_text());
	return rc == -ENOSPC || rc == -ENOMEM ? NETHV_ENOROOM : NETHV_EPERM;
}

int vsw_objs_request(struct vsw_objs *o, uint32_t owner, struct nethv_event *ev)
{
	struct nethv_port_info info;
	struct nethv_event e;
	struct vsw_objs_ext x;
	uint32_t answerer;
	int rc;

	if (!obj_ext_find(o, owner, &x))
		return NETHV_EPERM;
	rc = request_check(o, &x, ev);
	if (rc)
		return rc;
	if (o->nr_calls >= VSW_NESTED_MAX)
		return NETHV_ENOROOM;
	e = own_event(o, ev, &info);
	obj_enter(o);
	if (e.kind == NETHV_EV_NIC_STATUS) {
		status(o, owner, &e);
		return obj_leave(o, NETHV_OK);
	}
	if (!is_own(o, owner, &e, &answerer))
		return obj_leave(
			o, broken(o, owner, "HWO-3", "frees or changes what it did not allocate"));
	rc = request_result(ev, &e, request(o, owner, &e, answerer));
	return obj_leave(o, rc);
}

int vsw_objs_remove_vf(struct vsw_objs *o, uint32_t owner, uint16_t port)
{
	const struct obj_port *p = obj_port(o, port);
	struct vsw_objs_ext x;

	if (!obj_ext_find(o, owner, &x))
		return NETHV_EPERM;
	if (x.cls != NETHV_FORWARD)
		return broken(o, owner, "IOV-9", "takes a VF away, which only a forwarder may");
	if (!p || !(p->info.flags & NETHV_PORT_VF_ASSIGNED))
		return NETHV_ERANGE;
	if (o->ops->remove_vf)
		o->ops->remove_vf(o->ctx, port);
	return NETHV_OK;
}
