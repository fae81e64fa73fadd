/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the switch's ports and the objects that extensions know: the life of a port as events, and the
 * calls of struct nethv_host that speak of ports. */
#include "vswitch/ext/ports.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "vswitch/ext/objects.h"
#include "vswitch/ext/priv.h"
#include "vswitch/priv.h"

/* ---- The stack, as the objects reach it ---------------------------------------------------- */

static unsigned int op_stack(void *ctx, struct vsw_objs_ext *out)
{
	const struct vsw_exts *x = ctx;
	unsigned int i, n = 0;

	for (i = 0; i < x->n; i++) {
		const struct vsw_ext *e = x->e[i];

		if (e->is_disabled || ext_is_faulted(e))
			continue;
		out[n] = (struct vsw_objs_ext){
			.owner = e->id,
			.cls = e->code->desc.cls,
			.state_version = e->code->desc.state_version,
			.guid = e->code->desc.guid,
		};
		memcpy(out[n++].name, e->name, sizeof(out[0].name));
	}
	return n;
}

static struct vsw_ext *by_id(const struct vsw_exts *x, uint32_t id)
{
	unsigned int i;

	for (i = 0; i < x->n; i++)
		if (x->e[i]->id == id)
			return x->e[i];
	return NULL;
}

static int op_deliver(void *ctx, uint32_t owner, struct nethv_event *ev)
{
	struct vsw_ctl_call c = {.e = by_id(ctx, owner), .ev = ev};

	if (!c.e || !vsw_ctl_event(&c))
		return NETHV_EV_PASS;
	return c.rc;
}

static void op_broken(void *ctx, uint32_t owner, const char *rule, const char *text)
{
	struct vsw_ext *e = by_id(ctx, owner);

	if (!e)
		return;
	e->ctl_broken++;
	e->broken_id = rule;
	snprintf(e->broken_text, sizeof(e->broken_text), "%s", text);
}

static void op_remove_vf(void *ctx, uint16_t port)
{
	const struct vsw *sw = ((struct vsw_exts *)ctx)->sw;

	if (sw->vf_remove_fn && port < VSW_PORTS_MAX && sw->port[port])
		sw->vf_remove_fn(sw->vf_remove_ctx, sw->port[port]);
}

static const struct vsw_objs_ops ops = {
	.stack = op_stack,
	.deliver = op_deliver,
	.broken = op_broken,
	.remove_vf = op_remove_vf,
};

int vsw_exts_objs_create(struct vsw_exts *x)
{
	return vsw_objs_create(&x->objs, &ops, x);
}

/* ---- A port's life ------------------------------------------------------------------------- */

static struct vsw_objs *objs_of(const struct vsw_port *p)
{
	return p->sw->exts->objs;
}

bool vsw_ext_port_is_free(const struct vsw *sw, uint16_t id)
{
	return vsw_objs_state(sw->exts->objs, id, 0) == NETHV_PORT_NONE;
}

static void info_fill(const struct vsw_port *p, struct nethv_port_info *info)
{
	*info = (struct nethv_port_info){
		.port = p->id,
		.type = p->cfg.kind == VSW_PORT_UPLINK ? NETHV_PORT_EXTERNAL : NETHV_PORT_SYNTHETIC,
		.flags = (p->is_trunk ? NETHV_PORT_VLAN_TRUNK : 0) |
			 (p->has_vf ? NETHV_PORT_VF_ASSIGNED : 0),
		.pvid = p->pvid,
	};
	memcpy(info->mac, p->cfg.mac, sizeof(info->mac));
	memcpy(info->name, p->cfg.name, sizeof(info->name));
}

int vsw_ext_port_created(const struct vsw_port *p)
{
	struct nethv_port_info info;
	int rc;

	info_fill(p, &info);
	rc = vsw_objs_port_create(objs_of(p), &info);
	if (rc)
		return rc;
	rc = vsw_objs_nic_create(objs_of(p), p->id, 0);
	if (rc)
		vsw_objs_port_remove(objs_of(p), p->id);
	return rc;
}

/* An adapter that was connected before begins anew. */
int vsw_ext_port_connected(const struct vsw_port *p)
{
	struct vsw_objs *o = objs_of(p);
	int rc = 0;

	if (vsw_objs_state(o, p->id, 0) == NETHV_NIC_DISCONNECTED &&
	    vsw_objs_nic_delete(o, p->id, 0) == 1)
		return err_set(-EBUSY, "port %s: an extension still refers to its former adapter",
			       p->cfg.name);
	if (vsw_objs_state(o, p->id, 0) == NETHV_NIC_DELETED)
		rc = vsw_objs_nic_create(o, p->id, 0);
	return rc ? rc : vsw_objs_nic_connect(o, p->id, 0);
}

void vsw_ext_port_disconnected(const struct vsw_port *p)
{
	if (vsw_objs_state(objs_of(p), p->id, 0) == NETHV_NIC_CONNECTED)
		vsw_objs_nic_disconnect(objs_of(p), p->id, 0);
}

void vsw_ext_port_updated(const struct vsw_port *p)
{
	enum nethv_port_state s = vsw_objs_state(objs_of(p), p->id, 0);
	struct nethv_port_info info;

	if (s != NETHV_NIC_CREATED && s != NETHV_NIC_CONNECTED)
		return;
	info_fill(p, &info);
	vsw_objs_nic_updated(objs_of(p), p->id, 0, &info);
}

void vsw_ext_port_removed(const struct vsw_port *p)
{
	vsw_objs_port_remove(objs_of(p), p->id);
}

/* ---- Calls of extensions ------------------------------------------------------------------- */

/* The objects of the switch that @e's callback is in, which is told to @e. NULL: in none. */
static struct vsw_objs *begin(struct vsw_ext **e)
{
	*e = vsw_host_begin();
	return *e ? (*e)->sw->exts->objs : NULL;
}

static int end(int rc)
{
	vsw_guard_out(vsw_guard_mine());
	return rc;
}

static bool call_port_next(const struct nethv_host *h, uint16_t from, struct nethv_port_info *out)
{
	struct vsw_ext *e;
	struct vsw_objs *o = begin(&e);
	struct nethv_port_info info;

	if (!o || !end(vsw_objs_port_next(o, from, &info)))
		return false;
	*out = info;
	return true;
}

static uint16_t call_port_find(const struct nethv_host *h, const char *name)
{
	struct vsw_ext *e;
	struct vsw_objs *o;
	char want[32] = "";

	strncpy(want, name, sizeof(want) - 1);
	o = begin(&e);

	return o ? (uint16_t)end(vsw_objs_port_find(o, want)) : NETHV_PORT_DEFAULT;
}

static int call_port_ref(const struct nethv_host *h, uint16_t port)
{
	struct vsw_ext *e;
	struct vsw_objs *o = begin(&e);

	return o ? end(vsw_objs_ref(o, e->id, port, VSW_NIC_NONE)) : NETHV_EPERM;
}

static int call_port_unref(const struct nethv_host *h, uint16_t port)
{
	struct vsw_ext *e;
	struct vsw_objs *o = begin(&e);

	return o ? end(vsw_objs_unref(o, e->id, port, VSW_NIC_NONE)) : NETHV_EPERM;
}

static int call_nic_ref(const struct nethv_host *h, uint16_t port, uint16_t nic)
{
	struct vsw_ext *e;
	struct vsw_objs *o = begin(&e);

	return o ? end(vsw_objs_ref(o, e->id, port, nic)) : NETHV_EPERM;
}

static int call_nic_unref(const struct nethv_host *h, uint16_t port, uint16_t nic)
{
	struct vsw_ext *e;
	struct vsw_objs *o = begin(&e);

	return o ? end(vsw_objs_unref(o, e->id, port, nic)) : NETHV_EPERM;
}

static bool call_property(const struct nethv_host *h, uint16_t port, const struct nethv_guid *id,
			  uint32_t n, struct nethv_property *out)
{
	struct nethv_guid want = {{0}};
	struct nethv_property p;
	struct vsw_ext *e;
	struct vsw_objs *o;

	if (id)
		want = *id;
	o = begin(&e);
	if (!o || !end(vsw_objs_property(o, port, id ? &want : NULL, n, &p)))
		return false;
	*out = p;
	return true;
}

static int call_remove_vf(const struct nethv_host *h, uint16_t port)
{
	struct vsw_ext *e;
	struct vsw_objs *o = begin(&e);

	return o ? end(vsw_objs_remove_vf(o, e->id, port)) : NETHV_EPERM;
}

/* Memory that others will use in our name: if it is not there, that is its owner's fault, here and now. */
static void touch(void *at, size_t len, bool is_written)
{
	volatile char *p = at;
	size_t off;

	for (off = 0; off < len; off = off + 4096 < len || off == len - 1 ? off + 4096 : len - 1) {
		char c = p[off];

		if (is_written)
			p[off] = c;
	}
}

/* The event and what it points to are the extension's own memory: copied, or touched, outside of our code.
 * What comes of it may call back into the extension. */
static int call_request(const struct nethv_host *h, struct nethv_event *ev)
{
	struct nethv_event mine = *ev;
	struct nethv_port_info info = {0};
	char why[VSW_VETO_TEXT] = "";
	struct vsw_objs *o;
	struct vsw_ext *e;
	int rc;

	if (mine.in_len > VSW_ANSWER_MAX || mine.out_max > VSW_ANSWER_MAX)
		return NETHV_ERANGE;
	touch((void *)mine.in, mine.in_len, false);
	touch(mine.out, mine.out_max, true);
	if (mine.port) {
		info.port = mine.port->port;
		mine.port = &info;
	}
	mine.text = why;
	mine.text_max = sizeof(why);
	o = begin(&e);
	rc = o ? end(vsw_objs_request(o, e->id, &mine)) : NETHV_EPERM;
	ev->number = mine.number;
	ev->out_len = mine.out_len;
	if (ev->text && ev->text_max)
		snprintf(ev->text, ev->text_max, "%s", why);
	return rc;
}

void vsw_host_objs_fill(struct nethv_host *h)
{
	h->port_next = call_port_next;
	h->port_find = call_port_find;
	h->port_ref = call_port_ref;
	h->port_unref = call_port_unref;
	h->nic_ref = call_nic_ref;
	h->nic_unref = call_nic_unref;
	h->property = call_property;
	h->remove_vf = call_remove_vf;
	h->request = call_request;
}
