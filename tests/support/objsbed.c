// SPDX-License-Identifier: BSD-3-Clause
/* See objsbed.h. */
#include "tests/support/objsbed.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

static void note(char *to, size_t room, const char *text)
{
	size_t n = strlen(to);

	snprintf(to + n, room - n, "%s%s", n ? " " : "", text);
}

static unsigned int stack(void *ctx, struct vsw_objs_ext ext[VSW_EXTS_MAX])
{
	struct bed *b = ctx;
	unsigned int i, n = 0;

	for (i = 0; i < b->n; i++) {
		if (b->ext[i].is_loaded)
			ext[n++] = b->ext[i].x;
	}
	return n;
}

static struct bed_ext *by_owner(struct bed *b, uint32_t owner)
{
	unsigned int i;

	for (i = 0; i < b->n; i++) {
		if (b->ext[i].x.owner == owner)
			return &b->ext[i];
	}
	return NULL;
}

static const char *request_name(unsigned int r)
{
	static const char *const names[] = {
		"?",	      "VMQ_ALLOCATE", "VMQ_COMPLETE", "VMQ_SET_FILTER", "VMQ_CLEAR_FILTER",
		"VMQ_FREE",   "VF_ALLOCATE",  "VPORT_CREATE", "VPORT_DELETE",	"VF_FREE",
		"FILTER_MOVE"};

	return names[r <= 10 ? r : 0];
}

static const char *what(const struct nethv_event *ev)
{
	return ev->kind == NETHV_EV_NIC_REQUEST ? request_name(ev->request)
						: vsw_objs_event_name(ev->kind);
}

static int deliver(void *ctx, uint32_t owner, struct nethv_event *ev)
{
	struct bed *b = ctx;
	struct bed_ext *e = by_owner(b, owner);
	char text[96];
	int rc;

	if (!e->is_loaded)
		return NETHV_EV_PASS;
	snprintf(text, sizeof(text), "%s:%s", e->x.name, what(ev));
	note(b->log, sizeof(b->log), text);
	if (e->event)
		return e->event(b, e, ev);
	rc = e->answer[ev->kind];
	return rc == NETHV_EV_VETO && e->why ? nethv_veto(ev, e->why) : rc;
}

static void broken(void *ctx, uint32_t owner, const char *rule, const char *text)
{
	struct bed *b = ctx;

	b->nr_broken++;
	snprintf(b->broken, sizeof(b->broken), "%s %s: %s", rule, by_owner(b, owner)->x.name, text);
}

static void gone(void *ctx, uint16_t port, uint16_t nic)
{
	struct bed *b = ctx;
	char text[32];

	if (nic == VSW_NIC_NONE)
		snprintf(text, sizeof(text), "%u", port);
	else
		snprintf(text, sizeof(text), "%u/%u", port, nic);
	note(b->gone, sizeof(b->gone), text);
}

static int uplink(void *ctx, struct nethv_event *ev)
{
	struct bed *b = ctx;
	char text[64];

	if (ev->request == NETHV_REQ_VMQ_ALLOCATE || ev->request == NETHV_REQ_VF_ALLOCATE ||
	    ev->request == NETHV_REQ_VPORT_CREATE)
		ev->number = b->next_number;
	snprintf(text, sizeof(text), "up:%s%u", request_name(ev->request), ev->number);
	note(b->log, sizeof(b->log), text);
	if (b->uplink_rc)
		return err_set(b->uplink_rc, "the uplink is full");
	b->next_number += ev->number == b->next_number;
	return 0;
}

static void status(void *ctx, const struct nethv_event *ev)
{
	struct bed *b = ctx;

	note(b->log, sizeof(b->log), "switch:NIC_STATUS");
}

static void remove_vf(void *ctx, uint16_t port)
{
	struct bed *b = ctx;

	b->vf_removed++;
}

static const struct vsw_objs_ops ops = {stack, deliver, broken, gone, uplink, status, remove_vf};

void bed_add(struct bed *b, unsigned int cls, const char *name)
{
	struct bed_ext *e = &b->ext[b->n++];

	*e = (struct bed_ext){.is_loaded = true};
	e->x.owner = b->n;
	e->x.cls = cls;
	e->x.state_version = 3;
	e->x.guid = bed_guid((uint8_t)b->n);
	snprintf(e->x.name, sizeof(e->x.name), "%s", name);
}

void bed_up(struct bed *b)
{
	memset(b, 0, sizeof(*b));
	b->next_number = 100;
	bed_add(b, NETHV_CAPTURE, "cap");
	bed_add(b, NETHV_FILTER, "f1");
	bed_add(b, NETHV_FILTER, "f2");
	bed_add(b, NETHV_FORWARD, "fwd");
	cr_assert_eq(vsw_objs_create(&b->o, &ops, b), 0);
}

void bed_down(struct bed *b)
{
	vsw_objs_destroy(b->o);
}

struct bed_ext *bed_ext(struct bed *b, const char *name)
{
	unsigned int i;

	for (i = 0; i < b->n && strcmp(b->ext[i].x.name, name) != 0; i++)
		;
	cr_assert_lt(i, b->n);
	return &b->ext[i];
}

const char *bed_log(struct bed *b)
{
	static char text[sizeof(b->log)];

	memcpy(text, b->log, sizeof(text));
	b->log[0] = '\0';
	return text;
}

const char *bed_broken(struct bed *b)
{
	static char text[sizeof(b->broken)];

	memcpy(text, b->broken, sizeof(text));
	b->broken[0] = '\0';
	return text;
}

const char *bed_gone(struct bed *b)
{
	static char text[sizeof(b->gone)];

	memcpy(text, b->gone, sizeof(text));
	b->gone[0] = '\0';
	return text;
}

struct nethv_port_info bed_info(uint16_t port, unsigned int type)
{
	struct nethv_port_info info = {
		.size = sizeof(info), .port = port, .type = type, .mtu = 1500};

	snprintf(info.name, sizeof(info.name), "p%u", port);
	return info;
}

void bed_port(struct bed *b, uint16_t port, enum nethv_port_state state)
{
	struct nethv_port_info info = bed_info(port, NETHV_PORT_SYNTHETIC);

	if (state >= NETHV_PORT_CREATED)
		cr_assert_eq(vsw_objs_port_create(b->o, &info), 0, "%s", err_text());
	if (state >= NETHV_NIC_CREATED && state != NETHV_PORT_TEARDOWN)
		cr_assert_eq(vsw_objs_nic_create(b->o, port, 0), 0, "%s", err_text());
	if (state >= NETHV_NIC_CONNECTED && state != NETHV_PORT_TEARDOWN)
		cr_assert_eq(vsw_objs_nic_connect(b->o, port, 0), 0, "%s", err_text());
	if (state >= NETHV_NIC_DISCONNECTED && state != NETHV_PORT_TEARDOWN)
		cr_assert_eq(vsw_objs_nic_disconnect(b->o, port, 0), 0, "%s", err_text());
	if (state == NETHV_NIC_DELETED)
		cr_assert_eq(vsw_objs_nic_delete(b->o, port, 0), 0, "%s", err_text());
	if (state == NETHV_PORT_TEARDOWN)
		cr_assert_eq(vsw_objs_port_teardown(b->o, port), 0, "%s", err_text());
	cr_assert_eq(vsw_objs_state(b->o, port, 0), state);
	bed_log(b);
}

struct nethv_guid bed_guid(uint8_t n)
{
	struct nethv_guid g = {{0}};

	g.b[15] = n;
	return g;
}

struct nethv_property bed_prop(unsigned int kind, uint8_t id, uint8_t ext, const char *text)
{
	struct nethv_property p = {.size = sizeof(p), .kind = kind, .version = 1};

	p.id = bed_guid(id);
	p.ext = bed_guid(ext);
	p.data = text;
	p.data_len = (uint32_t)strlen(text);
	return p;
}
