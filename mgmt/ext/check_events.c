/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports, adapters, properties, requests and run-time data in every order that the states allow: what is not
 * allowed at the moment is refused by the switch before the extension hears of it. */
#include "mgmt/ext/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vswitch/ext/objects.h"
#include "vswitch/ext/priv.h" /* where a switch keeps its objects */
#include "vswitch/ext/rtd.h"
#include "vswitch/priv.h"

#define PORT_FIRST 200u /* numbers that no port of the bed has */
#define PORTS	   6u
#define NICS	   4u

struct events {
	struct session *s;
	struct vsw_objs *o;
	uint16_t port, nic;
};

static struct nethv_guid random_guid(struct check *c)
{
	struct nethv_guid g = {{0}};

	g.b[0] = 0xE0;
	g.b[15] = (uint8_t)(check_random(c) % 4);
	return g;
}

static struct nethv_port_info port_info(struct events *v)
{
	struct check *c = v->s->c;
	struct nethv_port_info info = {
		.port = v->port,
		.type = (uint8_t)(check_random(c) % 4),
		.flags = check_random(c) & (NETHV_PORT_VLAN_TRUNK | NETHV_PORT_VF_ASSIGNED),
		.pvid = (uint16_t)(check_random(c) % 4095),
		.mtu = (uint16_t)(check_random(c) & 1 ? 1500 : 9000),
	};

	if (info.type == NETHV_PORT_EXTERNAL)
		info.nr_nics = NICS;
	info.mac[0] = 2;
	info.mac[5] = (uint8_t)check_random(c);
	snprintf(info.name, sizeof(info.name), "vm%u/%u", v->port, info.mac[5] % 3u);
	return info;
}

/* ---- Properties ----------------------------------------------------------------------------- */

static struct nethv_property property(struct events *v)
{
	static const char *const texts[] = {"{}", "{\"vlan\": 5}", "[1, 2", "", "\xff\xfe", "null"};
	struct check *c = v->s->c;
	struct nethv_property p = {
		.size = sizeof(p),
		.kind = (uint32_t)(check_random(c) % 4),
		.id = random_guid(c),
		.instance = random_guid(c),
		.version = (uint32_t)(check_random(c) % 3),
		.data = texts[check_random(c) % 6],
	};

	p.data_len = (uint32_t)strlen(p.data);
	if (p.kind == NETHV_PROP_CUSTOM)
		p.ext = check_random(c) & 1 ? c->desc.guid : random_guid(c);
	return p;
}

static void properties(struct events *v)
{
	struct nethv_property p = property(v);
	uint16_t port = check_random(v->s->c) % 4 ? v->port : NETHV_PORT_DEFAULT;

	switch (check_random(v->s->c) % 4) {
	case 0: vsw_objs_property_update(v->o, port, &p); break;
	case 1: vsw_objs_property_delete(v->o, port, &p.id, &p.instance); break;
	default: vsw_objs_property_add(v->o, port, &p);
	}
}

static void validate(struct events *v)
{
	struct nethv_property p[3] = {property(v), property(v), property(v)};
	struct nethv_port_info info = port_info(v);

	vsw_objs_validate(v->o, &info, p, (unsigned int)(check_random(v->s->c) % 4));
}

/* ---- Read-back, requests, run-time data ----------------------------------------------------- */

static void feature_status(struct events *v)
{
	struct nethv_guid id = random_guid(v->s->c);
	void *out = NULL;
	size_t len;

	if (!vsw_objs_feature_status(v->o, check_random(v->s->c) & 1 ? v->port : NETHV_PORT_DEFAULT,
				     &id, &out, &len))
		free(out);
}

static void request(struct events *v)
{
	struct check *c = v->s->c;
	struct nethv_port_info info = port_info(v);
	struct nethv_event ev = {
		.size = sizeof(ev),
		.kind = NETHV_EV_NIC_REQUEST,
		.port = &info,
		.request = (uint16_t)(1 + check_random(c) % NETHV_REQ_FILTER_MOVE),
		.number = (uint32_t)(check_random(c) % 3),
		.in = "",
	};

	if (check_random(c) % 3) {
		vsw_objs_nic_request(v->o, &ev);
		return;
	}
	ev.kind = NETHV_EV_NIC_STATUS;
	vsw_objs_nic_status(v->o, &ev);
}

static void save_and_restore(struct events *v)
{
	struct vsw_rtd blobs = {0};
	int rc = vsw_objs_save(v->o, v->port, v->nic, &blobs);

	if (rc == -EMSGSIZE)
		check_broken(v->s->c, "CHK-6", NULL, "saving an adapter: %s", err_text());
	if (!rc) {
		rc = vsw_objs_restore(v->o, v->port, v->nic, &blobs, v->port);
		if (rc == -EBADMSG)
			check_broken(v->s->c, "CHK-6", NULL,
				     "restoring an adapter from what was saved: %s", err_text());
		else if (!rc && blobs.n)
			check_kept(v->s->c, "CHK-6");
	}
	vsw_rtd_free(&blobs);
}

/* ---- Ports and adapters --------------------------------------------------------------------- */

static void port_or_nic(struct events *v)
{
	struct nethv_port_info info = port_info(v);

	switch (check_random(v->s->c) % 12) {
	case 0:
	case 1: vsw_objs_port_create(v->o, &info); break;
	case 2: vsw_objs_port_updated(v->o, v->port, info.name); break;
	case 3:
	case 4: vsw_objs_nic_create(v->o, v->port, v->nic); break;
	case 5:
	case 6: vsw_objs_nic_connect(v->o, v->port, v->nic); break;
	case 7: vsw_objs_nic_updated(v->o, v->port, v->nic, &info); break;
	case 8: vsw_objs_nic_disconnect(v->o, v->port, v->nic); break;
	case 9: vsw_objs_nic_delete(v->o, v->port, v->nic); break;
	case 10: vsw_objs_port_teardown(v->o, v->port); break;
	default: vsw_objs_port_delete(v->o, v->port);
	}
}

static void one_event(struct events *v)
{
	uint64_t r = check_random(v->s->c);

	v->port = (uint16_t)(PORT_FIRST + r % PORTS);
	v->nic = (uint16_t)(r >> 8 & 3 ? 0 : r >> 16 & 3);
	switch (r >> 32 & 15) {
	case 0:
	case 1: properties(v); break;
	case 2: validate(v); break;
	case 3: feature_status(v); break;
	case 4: request(v); break;
	case 5: save_and_restore(v); break;
	case 6: vsw_exts_tick(bed_switch(v->s->bed)); break;
	default: port_or_nic(v);
	}
	session_note(v->s);
}

static void all_away(struct events *v)
{
	for (uint16_t p = PORT_FIRST; p < PORT_FIRST + PORTS; p++) {
		for (uint16_t n = NICS; n-- > 0;)
			if (vsw_objs_state(v->o, p, n) == NETHV_NIC_CONNECTED)
				vsw_objs_nic_disconnect(v->o, p, n);
		if (vsw_objs_state(v->o, p, 0) != NETHV_PORT_NONE)
			vsw_objs_port_remove(v->o, p);
	}
	session_note(v->s);
}

static int without_traffic(struct check *c)
{
	struct session s;
	struct events v = {.s = &s};
	int rc = session_begin(&s, c, "events of ports and adapters", 1, session_config(c));

	if (rc)
		return rc;
	v.o = bed_switch(s.bed)->exts->objs;
	for (unsigned int i = 0; i < c->steps * 4 && !s.is_over; i++)
		one_event(&v);
	all_away(&v);
	session_traffic(&s, 0, 500, 32);
	if (!s.is_over)
		check_kept(c, "CHK-11");
	else
		check_broken(c, "CHK-11", NULL, "%s: it faulted", s.step);
	session_end(&s);
	return 0;
}

/* Real ports, while packets go to where they were. */
static int under_traffic(struct check *c)
{
	struct session s;
	int more = -1,
	    rc = session_begin(&s, c, "ports come and go under traffic", 2, session_config(c));

	if (rc)
		return rc;
	for (unsigned int i = 0; i < c->steps && !s.is_over; i++) {
		struct vsw_port_cfg cfg = {.kind = VSW_PORT_NIC, .mac = {2, 0, 0, 0, 0, 2}};

		snprintf(cfg.name, sizeof(cfg.name), "guest/%u", i % 3);
		if (more >= 0)
			bed_port_remove(s.bed, (unsigned int)more);
		session_traffic(&s, (uint32_t)check_random(c), 64, 16);
		more = bed_port_add(s.bed, &cfg); /* -EACCES: vetoed, its right */
		session_note(&s);
		session_traffic(&s, (uint32_t)check_random(c), 64, 16);
		if (more >= 0)
			session_send(&s, (unsigned int)more,
				     &c->cat.in[check_random(c) % (c->cat.bytes.n - 8)], 8);
	}
	if (s.is_over)
		check_broken(c, "CHK-11", NULL, "%s: it faulted", s.step);
	session_end(&s);
	return 0;
}

int check_events(struct check *c)
{
	int rc = without_traffic(c);

	return rc ? rc : under_traffic(c);
}
