// SPDX-License-Identifier: BSD-3-Clause
/* Life of ports and adapters: the state table, and the events that go with each step. */
#include "vswitch/ext/objects_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define S(state)     (1u << NETHV_##state)
#define S_NIC	     (S(NIC_CREATED) | S(NIC_CONNECTED) | S(NIC_DISCONNECTED))
#define S_PORT	     (S(PORT_CREATED) | S_NIC | S(NIC_DELETED))
#define S_NOT_IN_USE (S(PORT_CREATED) | S(NIC_DELETED))

/* In which states the switch may send what: the table of conformance.md, "ST". */
static const uint8_t is_legal[] = {
	[NETHV_EV_PORT_CREATE] = S(PORT_NONE),
	[NETHV_EV_PORT_UPDATED] = S_PORT | S(PORT_TEARDOWN),
	[NETHV_EV_PORT_TEARDOWN] = S_NOT_IN_USE,
	[NETHV_EV_PORT_DELETE] = S(PORT_TEARDOWN),
	[NETHV_EV_NIC_CREATE] = S_NOT_IN_USE,
	[NETHV_EV_NIC_CONNECT] = S(NIC_CREATED),
	[NETHV_EV_NIC_UPDATED] = S_NIC,
	[NETHV_EV_NIC_DISCONNECT] = S(NIC_CREATED) | S(NIC_CONNECTED),
	[NETHV_EV_NIC_DELETE] = S(NIC_DISCONNECTED),
	[NETHV_EV_PORT_PROPERTY_ADD] = S_PORT | S(PORT_TEARDOWN),
	[NETHV_EV_PORT_PROPERTY_UPDATE] = S_PORT | S(PORT_TEARDOWN),
	[NETHV_EV_PORT_PROPERTY_DELETE] = S_PORT | S(PORT_TEARDOWN),
	[NETHV_EV_PORT_FEATURE_STATUS] = S_PORT | S(PORT_TEARDOWN),
	[NETHV_EV_NIC_SAVE] = S_NIC,
	[NETHV_EV_NIC_RESTORE] = S_NIC,
	[NETHV_EV_NIC_REQUEST] = S_NIC,
	[NETHV_EV_NIC_STATUS] = S_NIC,
};

int vsw_objs_create(struct vsw_objs **out, const struct vsw_objs_ops *ops, void *ctx)
{
	struct vsw_objs *o = calloc(1, sizeof(*o));

	if (!o)
		return err_set(-ENOMEM, "no memory for the ports' states");
	o->ops = ops;
	o->ctx = ctx;
	*out = o;
	return 0;
}

static void port_free(struct obj_port *p)
{
	obj_props_free(&p->props);
	vsw_rtd_free(&p->kept);
	free(p);
}

void vsw_objs_destroy(struct vsw_objs *o)
{
	unsigned int i;

	if (!o)
		return;
	for (i = 0; i < NETHV_PORTS_MAX; i++) {
		if (o->port[i])
			port_free(o->port[i]);
	}
	obj_props_free(&o->props);
	free(o->ref);
	free(o->hw);
	free(o);
}

const uint8_t *vsw_objs_states(const struct vsw_objs *o)
{
	return o->state;
}

struct obj_port *obj_port(const struct vsw_objs *o, uint16_t port)
{
	struct obj_port *p = port < NETHV_PORTS_MAX ? o->port[port] : NULL;

	return p && p->phase != NETHV_PORT_NONE ? p : NULL;
}

static enum nethv_port_state state_of(const struct obj_port *p, uint16_t nic)
{
	return p->phase == NETHV_PORT_CREATED ? p->nic[nic] : p->phase;
}

enum nethv_port_state vsw_objs_state(const struct vsw_objs *o, uint16_t port, uint16_t nic)
{
	const struct obj_port *p = obj_port(o, port);

	return p ? state_of(p, nic < NICS ? nic : 0) : NETHV_PORT_NONE;
}

/* Pairs with the loads of lcores: what was sent before a port leaves a state is ended by a grace period,
 * not by this store. */
static void publish(struct vsw_objs *o, const struct obj_port *p)
{
	__atomic_store_n(&o->state[p->info.port], state_of(p, 0), __ATOMIC_RELEASE);
}

static void info_get(const struct obj_port *p, struct nethv_port_info *out)
{
	*out = p->info;
	out->state = state_of(p, 0);
}

bool vsw_objs_port_next(const struct vsw_objs *o, uint16_t from, struct nethv_port_info *out)
{
	uint32_t i;

	for (i = from; i < NETHV_PORTS_MAX; i++) {
		if (!obj_port(o, i))
			continue;
		info_get(o->port[i], out);
		return true;
	}
	return false;
}

uint16_t vsw_objs_port_find(const struct vsw_objs *o, const char *name)
{
	struct nethv_port_info info = {0};
	uint16_t from = 0;

	while (vsw_objs_port_next(o, from, &info)) {
		if (strcmp(info.name, name) == 0)
			return info.port;
		from = info.port + 1;
	}
	return NETHV_PORT_DEFAULT;
}

struct nethv_event obj_event(struct obj_port *p, unsigned int kind, uint16_t nic,
			     struct nethv_port_info *info)
{
	struct nethv_event ev = {.size = sizeof(ev), .kind = kind, .nic = nic};

	if (p) {
		info_get(p, info);
		ev.port = info;
	}
	return ev;
}

void obj_tell(struct vsw_objs *o, struct obj_port *p, unsigned int kind, uint16_t nic)
{
	struct nethv_port_info info;
	struct nethv_event ev = obj_event(p, kind, nic, &info);
	struct obj_trail t;

	obj_walk(o, &ev, &t);
}

int obj_check(const struct vsw_objs *o, uint16_t port, uint16_t nic, unsigned int kind)
{
	const struct obj_port *p = obj_port(o, port);

	if (port >= NETHV_PORTS_MAX)
		return err_set(-EINVAL, "port %u: %s: numbers are 0..%u", port,
			       vsw_objs_event_name(kind), NETHV_PORTS_MAX - 1);
	if (nic >= NICS)
		return err_set(-EINVAL, "port %u: %s: adapter %u, want 0..%u", port,
			       vsw_objs_event_name(kind), nic, NETHV_NICS_MAX);
	if (is_legal[kind] >> vsw_objs_state(o, port, nic) & 1)
		return 0;
	if (!p)
		return err_set(-EPROTO, "port %u: %s is out of order: it is not created", port,
			       vsw_objs_event_name(kind));
	return err_set(-EPROTO, "port %s: %s of adapter %u is out of order: the state is \"%s\"",
		       p->info.name, vsw_objs_event_name(kind), nic,
		       vsw_objs_state_name(state_of(p, nic)));
}

int obj_refused(const struct obj_trail *t, const char *what, const char *name)
{
	return err_set(-EACCES, "%s %s: refused by extension %s: %s", what, name, t->end.name,
		       t->why[0] ? t->why : "no reason given");
}

/* ---- Ports ---------------------------------------------------------------------------------- */

static int info_check(const struct vsw_objs *o, const struct nethv_port_info *info)
{
	if (!info->name[0] || !memchr(info->name, '\0', sizeof(info->name)))
		return err_set(-EINVAL, "port %u: name of 1..%zu characters wanted", info->port,
			       sizeof(info->name) - 1);
	if (info->type > NETHV_PORT_EXTERNAL || info->nr_nics > NETHV_NICS_MAX)
		return err_set(-EINVAL, "port %s: type %u with %u members, want type 0..%u, 0..%u",
			       info->name, info->type, info->nr_nics, NETHV_PORT_EXTERNAL,
			       NETHV_NICS_MAX);
	if (!(info->flags & NETHV_PORT_VALIDATION) &&
	    vsw_objs_port_find(o, info->name) != NETHV_PORT_DEFAULT)
		return err_set(-EINVAL, "port %s: the name is taken", info->name);
	return 0;
}

static int port_make(struct vsw_objs *o, const struct nethv_port_info *info)
{
	struct obj_port *p = calloc(1, sizeof(*p));
	struct nethv_port_info copy;
	struct nethv_event ev;
	struct obj_trail t;
	int rc;

	if (!p)
		return err_set(-ENOMEM, "port %s: no memory", info->name);
	p->info = *info;
	p->info.size = sizeof(p->info);
	memset(p->nic, NETHV_PORT_CREATED, sizeof(p->nic));
	o->port[info->port] = p;
	ev = obj_event(p, NETHV_EV_PORT_CREATE, 0, &copy);
	if (obj_walk(o, &ev, &t) == NETHV_EV_VETO) {
		obj_undo(o, &ev, &t);
		rc = obj_refused(&t, "port", p->info.name);
		o->port[info->port] = NULL;
		port_free(p);
		return rc;
	}
	p->phase = NETHV_PORT_CREATED;
	publish(o, p);
	return 0;
}

int vsw_objs_port_create(struct vsw_objs *o, const struct nethv_port_info *info)
{
	int rc = obj_check(o, info->port, 0, NETHV_EV_PORT_CREATE);

	if (rc == 0)
		rc = info_check(o, info);
	if (rc)
		return rc;
	obj_enter(o);
	return obj_leave(o, port_make(o, info));
}

int vsw_objs_port_updated(struct vsw_objs *o, uint16_t port, const char *name)
{
	int rc = obj_check(o, port, 0, NETHV_EV_PORT_UPDATED);
	uint16_t other = vsw_objs_port_find(o, name);
	struct obj_port *p;

	if (rc)
		return rc;
	p = o->port[port];
	if (!name[0] || strlen(name) >= sizeof(p->info.name))
		return err_set(-EINVAL, "port %s: name of 1..%zu characters wanted", p->info.name,
			       sizeof(p->info.name) - 1);
	if (other != NETHV_PORT_DEFAULT && other != port)
		return err_set(-EINVAL, "port %s: the name %s is taken", p->info.name, name);
	obj_enter(o);
	strncpy(p->info.name, name, sizeof(p->info.name) - 1);
	obj_tell(o, p, NETHV_EV_PORT_UPDATED, 0);
	return obj_leave(o, 0);
}

/* Whether no adapter but @except is there. */
static bool has_no_nics(const struct obj_port *p, uint16_t except)
{
	uint16_t i;

	for (i = 0; i < NICS; i++) {
		if (i != except && !(S_NOT_IN_USE >> p->nic[i] & 1))
			return false;
	}
	return true;
}

int vsw_objs_port_teardown(struct vsw_objs *o, uint16_t port)
{
	int rc = obj_check(o, port, 0, NETHV_EV_PORT_TEARDOWN);
	struct obj_port *p;

	if (rc)
		return rc;
	p = o->port[port];
	if (!has_no_nics(p, NICS))
		return err_set(-EPROTO, "port %s: PORT_TEARDOWN before the members' NIC_DELETE",
			       p->info.name);
	obj_enter(o);
	p->phase = NETHV_PORT_TEARDOWN;
	publish(o, p);
	obj_tell(o, p, NETHV_EV_PORT_TEARDOWN, 0);
	return obj_leave(o, 0);
}

static void port_finish(struct vsw_objs *o, struct obj_port *p)
{
	uint16_t port = p->info.port;
	bool has_waited = p->is_late;

	obj_tell(o, p, NETHV_EV_PORT_DELETE, 0);
	p->phase = NETHV_PORT_NONE;
	publish(o, p);
	o->port[port] = NULL;
	port_free(p);
	if (has_waited && o->ops->gone)
		o->ops->gone(o->ctx, port, VSW_NIC_NONE);
}

/* Whether something keeps the object: then its deletion waits. */
static bool is_kept(const struct vsw_objs *o, const struct obj_port *p, uint16_t nic)
{
	return vsw_objs_refs(o, VSW_OWNER_SWITCH, p->info.port, nic) != 0;
}

int vsw_objs_port_delete(struct vsw_objs *o, uint16_t port)
{
	int rc = obj_check(o, port, 0, NETHV_EV_PORT_DELETE);
	struct obj_port *p;

	if (rc)
		return rc;
	p = o->port[port];
	if (is_kept(o, p, VSW_NIC_NONE)) {
		p->waits = p->is_late = true;
		return 1;
	}
	obj_enter(o);
	port_finish(o, p);
	return obj_leave(o, 0);
}

/* ---- Adapters -------------------------------------------------------------------------------- */

static int member_check(const struct obj_port *p, uint16_t nic)
{
	if (p->info.flags & NETHV_PORT_VALIDATION)
		return err_set(-EPROTO, "port %s: NIC_CREATE on a validation port", p->info.name);
	if (nic == 0)
		return 0;
	if (p->info.type != NETHV_PORT_EXTERNAL)
		return err_set(-EINVAL, "port %s: adapter %u: only external ports have members",
			       p->info.name, nic);
	if (p->nic[0] != NETHV_NIC_CREATED && p->nic[0] != NETHV_NIC_CONNECTED)
		return err_set(-EPROTO,
			       "port %s: NIC_CREATE of member %u while adapter 0 is \"%s\"",
			       p->info.name, nic, vsw_objs_state_name(p->nic[0]));
	return 0;
}

static int nic_make(struct vsw_objs *o, struct obj_port *p, uint16_t nic)
{
	struct nethv_port_info info;
	struct nethv_event ev = obj_event(p, NETHV_EV_NIC_CREATE, nic, &info);
	struct obj_trail t;

	if (obj_walk(o, &ev, &t) == NETHV_EV_VETO) {
		obj_undo(o, &ev, &t);
		return obj_refused(&t, "port", p->info.name);
	}
	p->nic[nic] = NETHV_NIC_CREATED;
	publish(o, p);
	return 0;
}

int vsw_objs_nic_create(struct vsw_objs *o, uint16_t port, uint16_t nic)
{
	int rc = obj_check(o, port, nic, NETHV_EV_NIC_CREATE);

	if (rc == 0)
		rc = member_check(o->port[port], nic);
	if (rc)
		return rc;
	obj_enter(o);
	return obj_leave(o, nic_make(o, o->port[port], nic));
}

/* Steps that cannot be refused: first the state, then the event. */
static int nic_step(struct vsw_objs *o, uint16_t port, uint16_t nic, unsigned int kind,
		    enum nethv_port_state to)
{
	int rc = obj_check(o, port, nic, kind);

	if (rc)
		return rc;
	obj_enter(o);
	o->port[port]->nic[nic] = to;
	publish(o, o->port[port]);
	obj_tell(o, o->port[port], kind, nic);
	return obj_leave(o, 0);
}

int vsw_objs_nic_connect(struct vsw_objs *o, uint16_t port, uint16_t nic)
{
	return nic_step(o, port, nic, NETHV_EV_NIC_CONNECT, NETHV_NIC_CONNECTED);
}

int vsw_objs_nic_disconnect(struct vsw_objs *o, uint16_t port, uint16_t nic)
{
	return nic_step(o, port, nic, NETHV_EV_NIC_DISCONNECT, NETHV_NIC_DISCONNECTED);
}

int vsw_objs_nic_updated(struct vsw_objs *o, uint16_t port, uint16_t nic,
			 const struct nethv_port_info *now)
{
	int rc = obj_check(o, port, nic, NETHV_EV_NIC_UPDATED);
	struct obj_port *p;
	uint16_t other;

	if (rc)
		return rc;
	p = o->port[port];
	if (!now->name[0] || !memchr(now->name, '\0', sizeof(now->name)))
		return err_set(-EINVAL, "port %s: name of 1..%zu characters wanted", p->info.name,
			       sizeof(now->name) - 1);
	other = vsw_objs_port_find(o, now->name);
	if (other != NETHV_PORT_DEFAULT && other != port)
		return err_set(-EINVAL, "port %s: the name %s is taken", p->info.name, now->name);
	obj_enter(o);
	memcpy(p->info.name, now->name, sizeof(p->info.name));
	memcpy(p->info.mac, now->mac, sizeof(p->info.mac));
	p->info.mtu = now->mtu;
	p->info.flags &= ~(uint32_t)NETHV_PORT_VF_ASSIGNED;
	p->info.flags |= now->flags & NETHV_PORT_VF_ASSIGNED;
	obj_tell(o, p, NETHV_EV_NIC_UPDATED, nic);
	return obj_leave(o, 0);
}

static void nic_finish(struct vsw_objs *o, struct obj_port *p, uint16_t nic)
{
	bool has_waited = p->nic_waits >> nic & 1;

	if (nic == 0)
		obj_hw_drop(o, VSW_OWNER_SWITCH, p->info.port);
	obj_kept_drop(p, nic);
	p->nic_waits &= ~(1ull << nic);
	p->nic[nic] = NETHV_NIC_DELETED;
	publish(o, p);
	obj_tell(o, p, NETHV_EV_NIC_DELETE, nic);
	if (has_waited && o->ops->gone)
		o->ops->gone(o->ctx, p->info.port, nic);
}

int vsw_objs_nic_delete(struct vsw_objs *o, uint16_t port, uint16_t nic)
{
	int rc = obj_check(o, port, nic, NETHV_EV_NIC_DELETE);
	struct obj_port *p;

	if (rc)
		return rc;
	p = o->port[port];
	if (nic == 0 && !has_no_nics(p, 0))
		return err_set(-EPROTO, "port %s: NIC_DELETE of adapter 0 before its members'",
			       p->info.name);
	if (is_kept(o, p, nic)) {
		p->nic_waits |= 1ull << nic;
		return 1;
	}
	obj_enter(o);
	nic_finish(o, p, nic);
	return obj_leave(o, 0);
}

/* ---- Leaving -------------------------------------------------------------------------------- */

static void nics_leave(struct vsw_objs *o, struct obj_port *p)
{
	unsigned int i;

	for (i = NICS; i-- > 0;) {
		uint8_t s = p->nic[i];

		if (s == NETHV_NIC_CREATED || s == NETHV_NIC_CONNECTED)
			vsw_objs_nic_disconnect(o, p->info.port, i);
		if (p->nic[i] == NETHV_NIC_DISCONNECTED && (i || has_no_nics(p, 0)))
			vsw_objs_nic_delete(o, p->info.port, i);
	}
}

/* One more step of a port that leaves as a whole. Only inside obj_enter(). */
static void port_leave(struct vsw_objs *o, struct obj_port *p)
{
	if (p->phase == NETHV_PORT_CREATED) {
		nics_leave(o, p);
		if (has_no_nics(p, NICS))
			vsw_objs_port_teardown(o, p->info.port);
	}
	if (p->phase == NETHV_PORT_TEARDOWN)
		p->waits = true;
}

/* ops->gone() may take the port further, and away: it is looked up anew each time. */
static void settle(struct vsw_objs *o, uint16_t port)
{
	struct obj_port *p;
	unsigned int i;

	for (i = NICS; i-- > 0;) {
		p = obj_port(o, port);
		if (p && (p->nic_waits >> i & 1) && !is_kept(o, p, i))
			nic_finish(o, p, i);
	}
	p = obj_port(o, port);
	if (p && p->is_leaving)
		port_leave(o, p);
	if (p && p->waits && !is_kept(o, p, VSW_NIC_NONE))
		port_finish(o, p);
}

void obj_enter(struct vsw_objs *o)
{
	o->nr_calls++;
}

static void settle_all(struct vsw_objs *o)
{
	unsigned int i;

	do { /* ends: another round needs a reference dropped in the one before */
		o->is_dirty = false;
		for (i = 0; i < NETHV_PORTS_MAX; i++)
			settle(o, i);
	} while (o->is_dirty);
}

int obj_leave(struct vsw_objs *o, int rc)
{
	char *text = NULL;

	if (o->nr_calls == 1 && o->is_dirty) {
		if (rc < 0)
			text = strdup(err_text());
		settle_all(o);
	}
	o->nr_calls--;
	if (text)
		err_set(rc, "%s", text);
	free(text);
	return rc;
}

int vsw_objs_port_remove(struct vsw_objs *o, uint16_t port)
{
	struct obj_port *p = obj_port(o, port);

	if (!p)
		return err_set(-EPROTO, "port %u: it is not created", port);
	p->is_leaving = true;
	obj_enter(o);
	o->is_dirty = true;
	obj_leave(o, 0);
	p = obj_port(o, port);
	if (p)
		p->is_late = true;
	return p ? 1 : 0;
}
