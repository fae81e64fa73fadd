// SPDX-License-Identifier: BSD-3-Clause
/* References that extensions hold to ports and adapters. */
#include "vswitch/ext/objects_priv.h"

#include <stdio.h>
#include <stdlib.h>

static struct obj_ref *ref_find(const struct vsw_objs *o, uint32_t owner, uint16_t port,
				uint16_t nic)
{
	unsigned int i;

	for (i = 0; i < o->nr_refs; i++) {
		struct obj_ref *r = &o->ref[i];

		if (r->owner == owner && r->port == port && r->nic == nic)
			return r;
	}
	return NULL;
}

uint32_t vsw_objs_refs(const struct vsw_objs *o, uint32_t owner, uint16_t port, uint16_t nic)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < o->nr_refs; i++) {
		const struct obj_ref *r = &o->ref[i];

		if (r->port == port && r->nic == nic &&
		    (owner == VSW_OWNER_SWITCH || r->owner == owner))
			sum += r->count;
	}
	return sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
}

/* The columns RefPort and RefNic of the state table. */
static bool may_ref(enum nethv_port_state s, bool is_nic)
{
	if (is_nic)
		return s == NETHV_NIC_CONNECTED;
	return s != NETHV_PORT_NONE && s != NETHV_PORT_TEARDOWN;
}

static int refuse(struct vsw_objs *o, uint32_t owner, enum nethv_port_state s, uint16_t port,
		  bool is_nic)
{
	char rule[8], text[128];

	snprintf(rule, sizeof(rule), "ST-%u", s);
	snprintf(text, sizeof(text), "reference to %s %u in state \"%s\"",
		 is_nic ? "the adapter of port" : "port", port, vsw_objs_state_name(s));
	o->ops->broken(o->ctx, owner, rule, text);
	return NETHV_EPERM;
}

static struct obj_ref *ref_new(struct vsw_objs *o)
{
	unsigned int room = o->room_refs ? 2 * o->room_refs : 16;
	struct obj_ref *r;

	if (o->nr_refs < o->room_refs)
		return &o->ref[o->nr_refs++];
	if (room > VSW_REFS_MAX)
		return NULL;
	r = realloc(o->ref, room * sizeof(*r));
	if (!r)
		return NULL;
	o->ref = r;
	o->room_refs = room;
	return &o->ref[o->nr_refs++];
}

int vsw_objs_ref(struct vsw_objs *o, uint32_t owner, uint16_t port, uint16_t nic)
{
	bool is_nic = nic != VSW_NIC_NONE;
	enum nethv_port_state s = vsw_objs_state(o, port, is_nic ? nic : 0);
	struct vsw_objs_ext x;
	struct obj_ref *r;

	if (port >= NETHV_PORTS_MAX || (is_nic && nic >= NICS))
		return NETHV_ERANGE;
	if (!obj_ext_find(o, owner, &x))
		return NETHV_EPERM;
	if (!may_ref(s, is_nic))
		return refuse(o, owner, s, port, is_nic);
	if (o->port[port]->info.flags & NETHV_PORT_VALIDATION) {
		o->ops->broken(o->ctx, owner, "VP-2", "reference to a validation port");
		return NETHV_EPERM;
	}
	r = ref_find(o, owner, port, nic);
	if (!r) {
		r = ref_new(o);
		if (!r)
			return NETHV_ENOROOM;
		*r = (struct obj_ref){.owner = owner, .port = port, .nic = nic};
	}
	if (r->count == UINT32_MAX)
		return NETHV_ENOROOM;
	r->count++;
	return NETHV_OK;
}

static void ref_put(struct vsw_objs *o, struct obj_ref *r)
{
	*r = o->ref[--o->nr_refs];
	o->is_dirty = true;
}

int vsw_objs_unref(struct vsw_objs *o, uint32_t owner, uint16_t port, uint16_t nic)
{
	struct obj_ref *r = ref_find(o, owner, port, nic);

	if (!r)
		return NETHV_ERANGE;
	obj_enter(o);
	if (--r->count == 0)
		ref_put(o, r);
	return obj_leave(o, NETHV_OK);
}

static void refs_drop(struct vsw_objs *o, uint32_t owner)
{
	unsigned int i = 0;

	while (i < o->nr_refs) {
		if (o->ref[i].owner == owner)
			ref_put(o, &o->ref[i]);
		else
			i++;
	}
}

void vsw_objs_owner_gone(struct vsw_objs *o, uint32_t owner)
{
	if (owner == VSW_OWNER_SWITCH)
		return;
	obj_enter(o);
	refs_drop(o, owner);
	obj_hw_drop(o, owner, NETHV_PORT_DEFAULT);
	obj_leave(o, 0);
}
