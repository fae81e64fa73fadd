// SPDX-License-Identifier: BSD-3-Clause
/* Properties of ports and of the switch: what the operator sets, and extensions may refuse. */
#include "vswitch/ext/objects_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* Events of a port's property; those of the switch's are as much higher. */
#define TO_SWITCH (NETHV_EV_SWITCH_PROPERTY_ADD - NETHV_EV_PORT_PROPERTY_ADD)

/* Whose properties an operation is about. */
struct target {
	struct obj_port *p; /* NULL: the switch */
	struct obj_props *props;
	const char *what, *name; /* for texts */
};

static int target_get(struct vsw_objs *o, uint16_t port, unsigned int kind, struct target *t)
{
	int rc = 0;

	*t = (struct target){.props = &o->props, .what = "switch", .name = "property"};
	if (port == NETHV_PORT_DEFAULT)
		return 0;
	rc = obj_check(o, port, 0, kind);
	if (rc)
		return rc;
	t->p = o->port[port];
	t->props = &t->p->props;
	t->what = "port";
	t->name = t->p->info.name;
	return 0;
}

static bool guid_is(const struct nethv_guid *a, const struct nethv_guid *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static struct nethv_property *prop_find(const struct obj_props *ps, const struct nethv_guid *id,
					const struct nethv_guid *instance)
{
	unsigned int i;

	for (i = 0; i < ps->n; i++) {
		if (guid_is(&ps->at[i].id, id) && guid_is(&ps->at[i].instance, instance))
			return &ps->at[i];
	}
	return NULL;
}

static int prop_check(const struct target *t, const struct nethv_property *p)
{
	static const struct nethv_guid nobody;
	bool is_custom = p->kind == NETHV_PROP_CUSTOM;

	if (p->kind > NETHV_PROP_PROFILE)
		return err_set(
			-EINVAL,
			"%s %s: property kind %u, want 0..%u: built-in policies are the switch's own",
			t->what, t->name, p->kind, NETHV_PROP_PROFILE);
	if (guid_is(&p->ext, &nobody) == is_custom)
		return err_set(-EINVAL, "%s %s: a %s property %s", t->what, t->name,
			       is_custom ? "custom" : "standard",
			       is_custom ? "belongs to an extension: none is given"
					 : "belongs to no extension: one is given");
	if (!is_custom && !t->p)
		return err_set(-EINVAL, "switch: standard properties are those of ports");
	if (p->data_len > VSW_PROP_DATA_MAX || (p->data_len && !p->data))
		return err_set(-EINVAL, "%s %s: property of %u bytes, want 0..%u", t->what, t->name,
			       p->data_len, VSW_PROP_DATA_MAX);
	return 0;
}

/* A copy with data of its own, NUL behind it. */
static int prop_copy(struct nethv_property *out, const struct nethv_property *p)
{
	char *data = malloc(p->data_len + 1);

	if (!data)
		return err_set(-ENOMEM, "no memory for a property of %u bytes", p->data_len);
	if (p->data_len)
		memcpy(data, p->data, p->data_len);
	data[p->data_len] = '\0';
	*out = *p;
	out->size = sizeof(*out);
	out->data = data;
	return 0;
}

/* Asks everybody; @old is what those who accepted are told when one below refused. */
static int prop_ask(struct vsw_objs *o, const struct target *t, unsigned int kind,
		    const struct nethv_property *now, const struct nethv_property *old)
{
	struct nethv_port_info info;
	struct nethv_event ev = obj_event(t->p, kind + (t->p ? 0 : TO_SWITCH), 0, &info);
	struct obj_trail trail;

	ev.prop = now;
	if (obj_walk(o, &ev, &trail) != NETHV_EV_VETO)
		return 0;
	ev.prop = old;
	obj_undo(o, &ev, &trail);
	return obj_refused(&trail, t->what, t->name);
}

static int add(struct vsw_objs *o, const struct target *t, const struct nethv_property *p)
{
	struct nethv_property *at = realloc(t->props->at, (t->props->n + 1) * sizeof(*at)), copy;
	int rc;

	if (!at)
		return err_set(-ENOMEM, "%s %s: no memory for a property", t->what, t->name);
	t->props->at = at;
	rc = prop_copy(&copy, p);
	if (rc)
		return rc;
	rc = prop_ask(o, t, NETHV_EV_PORT_PROPERTY_ADD, &copy, &copy);
	if (rc)
		free((void *)copy.data);
	else
		t->props->at[t->props->n++] = copy;
	return rc;
}

int vsw_objs_property_add(struct vsw_objs *o, uint16_t port, const struct nethv_property *p)
{
	struct target t;
	int rc = target_get(o, port, NETHV_EV_PORT_PROPERTY_ADD, &t);

	if (rc == 0)
		rc = prop_check(&t, p);
	if (rc)
		return rc;
	if (prop_find(t.props, &p->id, &p->instance))
		return err_set(-EEXIST, "%s %s: it has this property already", t.what, t.name);
	if (t.props->n >= VSW_PROPS_MAX)
		return err_set(-ENOSPC, "%s %s: %u properties are the most", t.what, t.name,
			       VSW_PROPS_MAX);
	obj_enter(o);
	return obj_leave(o, add(o, &t, p));
}

int vsw_objs_property_update(struct vsw_objs *o, uint16_t port, const struct nethv_property *p)
{
	struct nethv_property *old, copy;
	struct target t;
	int rc = target_get(o, port, NETHV_EV_PORT_PROPERTY_UPDATE, &t);

	if (rc == 0)
		rc = prop_check(&t, p);
	if (rc)
		return rc;
	old = prop_find(t.props, &p->id, &p->instance);
	if (!old)
		return err_set(-ENOENT, "%s %s: it has no such property", t.what, t.name);
	if (old->kind != p->kind || !guid_is(&old->ext, &p->ext))
		return err_set(-EINVAL, "%s %s: kind and extension of a property stay", t.what,
			       t.name);
	rc = prop_copy(&copy, p);
	if (rc)
		return rc;
	obj_enter(o);
	rc = prop_ask(o, &t, NETHV_EV_PORT_PROPERTY_UPDATE, &copy, old);
	free((void *)(rc ? copy.data : old->data));
	if (rc == 0)
		*old = copy;
	return obj_leave(o, rc);
}

int vsw_objs_property_delete(struct vsw_objs *o, uint16_t port, const struct nethv_guid *id,
			     const struct nethv_guid *instance)
{
	struct nethv_property *at, old;
	struct target t;
	int rc = target_get(o, port, NETHV_EV_PORT_PROPERTY_DELETE, &t);

	if (rc)
		return rc;
	at = prop_find(t.props, id, instance);
	if (!at)
		return err_set(-ENOENT, "%s %s: it has no such property", t.what, t.name);
	obj_enter(o);
	old = *at;
	t.props->n--;
	memmove(at, at + 1, (size_t)(&t.props->at[t.props->n] - at) * sizeof(*at));
	prop_ask(o, &t, NETHV_EV_PORT_PROPERTY_DELETE, &old, &old);
	free((void *)old.data);
	return obj_leave(o, 0);
}

bool vsw_objs_property(const struct vsw_objs *o, uint16_t port, const struct nethv_guid *id,
		       uint32_t n, struct nethv_property *out)
{
	const struct obj_props *ps = &o->props;
	const struct obj_port *p;
	unsigned int i;

	if (port != NETHV_PORT_DEFAULT) {
		p = obj_port(o, port);
		if (!p || p->phase != NETHV_PORT_CREATED)
			return false;
		ps = &p->props;
	}
	for (i = 0; i < ps->n; i++) {
		if ((!id || guid_is(&ps->at[i].id, id)) && n-- == 0) {
			*out = ps->at[i];
			return true;
		}
	}
	return false;
}

void obj_props_free(struct obj_props *ps)
{
	unsigned int i;

	for (i = 0; i < ps->n; i++)
		free((void *)ps->at[i].data);
	free(ps->at);
	*ps = (struct obj_props){0};
}
