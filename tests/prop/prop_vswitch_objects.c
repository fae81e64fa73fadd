// SPDX-License-Identifier: BSD-3-Clause
/* Random orders of port and adapter events, references, properties and requests, with extensions that veto,
 * answer out of turn, take and drop references inside events, vanish in the middle of one and come
 * back; against the state table, written down, and a list of what must be true:
 *  - each call is legal exactly when the table says so;
 *  - a deletion waits exactly as long as there are references;
 *  - after each call every extension, from the events it saw, believes what is true. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/objsbed.h"
#include "tests/support/prng.h"

TestSuite(vsw_objects);

#define STEPS 80000 /* of 20,000 two in a hundred did not get to each state */
#define PORTS 4u
#define SLOTS 5u /* extensions: cap, f1, f2, f3, fwd */

/* ---- The table ------------------------------------------------------------------------------ */

enum { PC, PU, PT, PD, NC, NK, NU, ND, NX, EVENTS };

static const unsigned int kinds[EVENTS] = {
	NETHV_EV_PORT_CREATE, NETHV_EV_PORT_UPDATED,   NETHV_EV_PORT_TEARDOWN,
	NETHV_EV_PORT_DELETE, NETHV_EV_NIC_CREATE,     NETHV_EV_NIC_CONNECT,
	NETHV_EV_NIC_UPDATED, NETHV_EV_NIC_DISCONNECT, NETHV_EV_NIC_DELETE};

/* Rows: states 0 to 6. Columns: PC PU PT PD NC NK NU ND NX; the state that follows, or '-'. Then yes or no:
 * port events, adapter events, properties seen, requests by extensions, RefPort, RefNic. */
static const struct {
	char next[EVENTS + 1];
	char may[7];
} table[] = {
	{"1--------", "nnnnnn"}, /* not created */
	{"-16-2----", "ynynyn"}, /* port created */
	{"-2---324-", "yyynyn"}, /* NIC created */
	{"-3----34-", "yyyyyy"}, /* NIC connected */
	{"-4----4-5", "yyynyn"}, /* NIC disconnected */
	{"-56-2----", "ynynyn"}, /* NIC deleted */
	{"-6-0-----", "ynnnnn"}, /* tearing down */
};

enum { MAY_PORT, MAY_NIC, MAY_SEE, MAY_ASK, MAY_REF, MAY_NIC_REF };

/* ---- The model ------------------------------------------------------------------------------ */

struct naive_port {
	int state;
	bool nic_waits, waits, is_leaving, is_late;
	unsigned int nr_props;
};

struct naive_ext {
	uint32_t refs[PORTS], nic_refs[PORTS];
	int believes[PORTS];
	int props[PORTS];
};

static struct bed b;
static struct prng p;
static struct naive_port port[PORTS];
static struct naive_ext ext[SLOTS];
static unsigned int nr_gone;
static uint32_t next_owner = 100;

/* The call at hand. */
static int doing_kind = -1, doing_port;
static bool is_vetoed;

static bool may(unsigned int i, unsigned int what)
{
	return table[port[i].state].may[what] == 'y';
}

static uint32_t refs(unsigned int i)
{
	uint32_t n = 0;

	for (unsigned int s = 0; s < SLOTS; s++)
		n += ext[s].refs[i];
	return n;
}

static uint32_t nic_refs(unsigned int i)
{
	uint32_t n = 0;

	for (unsigned int s = 0; s < SLOTS; s++)
		n += ext[s].nic_refs[i];
	return n;
}

static void naive_delete_nic(unsigned int i)
{
	nr_gone += port[i].nic_waits;
	port[i].nic_waits = false;
	port[i].state = NETHV_NIC_DELETED;
}

static void naive_leave(unsigned int i)
{
	struct naive_port *n = &port[i];

	if (n->state == NETHV_NIC_CREATED || n->state == NETHV_NIC_CONNECTED)
		n->state = NETHV_NIC_DISCONNECTED;
	if (n->state == NETHV_NIC_DISCONNECTED && !nic_refs(i))
		naive_delete_nic(i);
	if (n->state == NETHV_NIC_DISCONNECTED)
		n->nic_waits = true;
	if (n->state == NETHV_PORT_CREATED || n->state == NETHV_NIC_DELETED)
		n->state = NETHV_PORT_TEARDOWN;
	if (n->state == NETHV_PORT_TEARDOWN)
		n->waits = true;
}

static void naive_settle(void)
{
	for (unsigned int i = 0; i < PORTS; i++) {
		if (port[i].nic_waits && !nic_refs(i))
			naive_delete_nic(i);
		if (port[i].is_leaving)
			naive_leave(i);
		if (port[i].waits && !refs(i)) {
			nr_gone += port[i].is_late;
			port[i] = (struct naive_port){0};
		}
	}
}

/* ---- The extensions -------------------------------------------------------------------------- */

static unsigned int slot_of(const struct bed_ext *e)
{
	return (unsigned int)(e - b.ext);
}

static void ref_at_random(unsigned int s, unsigned int i)
{
	bool is_nic = prng_below(&p, 2);
	uint16_t nic = is_nic ? 0 : VSW_NIC_NONE;
	uint32_t *n = is_nic ? &ext[s].nic_refs[i] : &ext[s].refs[i];
	uint32_t owner = b.ext[s].x.owner;
	int rc;

	if (prng_below(&p, 2)) {
		rc = vsw_objs_ref(b.o, owner, (uint16_t)i, nic);
		cr_assert_eq(rc, may(i, is_nic ? MAY_NIC_REF : MAY_REF) ? NETHV_OK : NETHV_EPERM,
			     "ref %s of port %u in state %d: %d", is_nic ? "nic" : "port", i,
			     port[i].state, rc);
		*n += rc == NETHV_OK;
	} else {
		bool has = *n > 0;

		*n -= has; /* first: it may be the last one */
		rc = vsw_objs_unref(b.o, owner, (uint16_t)i, nic);
		cr_assert_eq(rc, has ? NETHV_OK : NETHV_ERANGE);
	}
}

static void vanish(unsigned int s)
{
	b.ext[s].is_loaded = false;
	memset(ext[s].refs, 0, sizeof(ext[s].refs));
	memset(ext[s].nic_refs, 0, sizeof(ext[s].nic_refs));
	vsw_objs_owner_gone(b.o, b.ext[s].x.owner);
}

static void believe(unsigned int s, const struct nethv_event *ev)
{
	static const uint8_t to[] = {
		[NETHV_EV_PORT_CREATE] = NETHV_PORT_CREATED,
		[NETHV_EV_PORT_TEARDOWN] = NETHV_PORT_TEARDOWN,
		[NETHV_EV_PORT_DELETE] = NETHV_PORT_NONE,
		[NETHV_EV_NIC_CREATE] = NETHV_NIC_CREATED,
		[NETHV_EV_NIC_CONNECT] = NETHV_NIC_CONNECTED,
		[NETHV_EV_NIC_DISCONNECT] = NETHV_NIC_DISCONNECTED,
		[NETHV_EV_NIC_DELETE] = NETHV_NIC_DELETED,
	};
	unsigned int i = ev->port->port;

	if (ev->kind == NETHV_EV_PORT_PROPERTY_ADD)
		ext[s].props[i]++;
	else if (ev->kind == NETHV_EV_PORT_PROPERTY_DELETE)
		ext[s].props[i]--;
	else if (ev->kind <= NETHV_EV_NIC_DELETE &&
		 (to[ev->kind] || ev->kind == NETHV_EV_PORT_DELETE))
		ext[s].believes[i] = to[ev->kind];
	if (ev->kind == NETHV_EV_PORT_DELETE)
		ext[s].props[i] = 0;
}

static bool can_veto(const struct bed_ext *e, const struct nethv_event *ev)
{
	return e->x.cls != NETHV_CAPTURE &&
	       (ev->kind == NETHV_EV_PORT_CREATE || ev->kind == NETHV_EV_NIC_CREATE ||
		ev->kind == NETHV_EV_PORT_PROPERTY_ADD);
}

static int at_random(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	bool is_direct = (int)ev->kind == doing_kind && ev->port->port == doing_port;
	unsigned int s = slot_of(e), dice = prng_below(&p, 16);

	if (is_direct && !is_vetoed && dice < 2)
		ref_at_random(s, ev->port->port);
	if (is_direct && !is_vetoed && dice == 2) {
		vanish(s);
		return NETHV_EV_PASS;
	}
	if (dice == 3 || dice == 4) {
		if (can_veto(e, ev)) {
			is_vetoed = true;
			return NETHV_EV_VETO;
		}
		believe(s, ev);
		return ev->kind == NETHV_EV_NIC_REQUEST ? NETHV_EV_PASS : NETHV_EV_VETO;
	}
	believe(s, ev);
	return dice == 5 && ev->kind != NETHV_EV_NIC_REQUEST ? NETHV_EV_DONE : NETHV_EV_PASS;
}

static void come_back(unsigned int s)
{
	b.ext[s].is_loaded = true;
	b.ext[s].x.owner = next_owner++;
	for (unsigned int i = 0; i < PORTS; i++) {
		ext[s].believes[i] = port[i].state;
		ext[s].props[i] = (int)port[i].nr_props;
	}
}

/* ---- The calls ------------------------------------------------------------------------------ */

static int call(unsigned int e, unsigned int i)
{
	struct nethv_port_info info = bed_info((uint16_t)i, NETHV_PORT_SYNTHETIC);

	switch (e) {
	case PC: return vsw_objs_port_create(b.o, &info);
	case PU: return vsw_objs_port_updated(b.o, (uint16_t)i, info.name);
	case PT: return vsw_objs_port_teardown(b.o, (uint16_t)i);
	case PD: return vsw_objs_port_delete(b.o, (uint16_t)i);
	case NC: return vsw_objs_nic_create(b.o, (uint16_t)i, 0);
	case NK: return vsw_objs_nic_connect(b.o, (uint16_t)i, 0);
	case NU: return vsw_objs_nic_updated(b.o, (uint16_t)i, 0, &info);
	case ND: return vsw_objs_nic_disconnect(b.o, (uint16_t)i, 0);
	default: return vsw_objs_nic_delete(b.o, (uint16_t)i, 0);
	}
}

static void begin(unsigned int kind, unsigned int i)
{
	doing_kind = (int)kind;
	doing_port = (int)i;
	is_vetoed = false;
}

static void do_event(unsigned int i)
{
	unsigned int e = prng_below(&p, EVENTS);
	int was = port[i].state, rc;
	char next = table[was].next[e];
	bool is_create = e == PC || e == NC;
	bool waits = (e == NX && nic_refs(i)) || (e == PD && refs(i));

	begin(kinds[e], i);
	if (next != '-' && !is_create && !waits && e != PD)
		port[i].state = next - '0';
	rc = call(e, i);
	if (next == '-') {
		cr_assert_eq(rc, -EPROTO, "event %u in state %d: %d", e, was, rc);
	} else if (waits) {
		cr_assert_eq(rc, 1, "event %u in state %d: %d", e, was, rc);
		port[i].nic_waits |= e == NX;
		port[i].waits |= e == PD;
		port[i].is_late |= e == PD;
	} else if (is_create) {
		cr_assert_eq(rc, is_vetoed ? -EACCES : 0, "event %u in state %d: %d %s", e, was, rc,
			     err_text());
		port[i].state = is_vetoed ? was : next - '0';
	} else {
		cr_assert_eq(rc, 0, "event %u in state %d: %d %s", e, was, rc, err_text());
		if (e == PD)
			port[i] = (struct naive_port){0};
	}
}

static void do_remove(unsigned int i)
{
	bool exists = port[i].state != NETHV_PORT_NONE;
	int rc;

	begin(0, i); /* nobody does anything but veto */
	rc = vsw_objs_port_remove(b.o, (uint16_t)i);
	port[i].is_leaving = exists;
	naive_settle();
	cr_assert_eq(rc, !exists ? -EPROTO : port[i].state != NETHV_PORT_NONE, "%d", rc);
	port[i].is_late |= rc == 1;
}

static void do_property(unsigned int i)
{
	struct nethv_property q = bed_prop(NETHV_PROP_SECURITY, 1, 0, "x");
	bool is_add = !port[i].nr_props;
	struct nethv_property got;
	int rc;

	begin(is_add ? NETHV_EV_PORT_PROPERTY_ADD : NETHV_EV_PORT_PROPERTY_DELETE, i);
	rc = is_add ? vsw_objs_property_add(b.o, (uint16_t)i, &q)
		    : vsw_objs_property_delete(b.o, (uint16_t)i, &q.id, &q.instance);
	if (!may(i, MAY_PORT))
		cr_assert_eq(rc, -EPROTO);
	else
		cr_assert_eq(rc, is_add && is_vetoed ? -EACCES : 0, "%d %s", rc, err_text());
	if (rc == 0)
		port[i].nr_props = is_add;
	naive_settle();
	cr_assert_eq(vsw_objs_property(b.o, (uint16_t)i, &q.id, 0, &got),
		     port[i].nr_props && may(i, MAY_SEE));
}

static void do_request(unsigned int i)
{
	struct nethv_port_info info = {.port = (uint16_t)i};
	struct nethv_event ev = {
		.kind = NETHV_EV_NIC_REQUEST, .port = &info, .request = NETHV_REQ_VMQ_ALLOCATE};
	unsigned int s = prng_below(&p, SLOTS + 1);
	int rc;

	begin(0, i);
	if (s == SLOTS) {
		rc = vsw_objs_nic_request(b.o, &ev);
		cr_assert_eq(rc, may(i, MAY_NIC) ? 0 : -EPROTO, "%s", err_text());
	} else {
		rc = vsw_objs_request(b.o, b.ext[s].x.owner, &ev);
		cr_assert_eq(rc,
			     b.ext[s].is_loaded && s && may(i, MAY_ASK) ? NETHV_OK : NETHV_EPERM);
	}
	ev.request = NETHV_REQ_VMQ_FREE;
	if (rc == 0 && prng_below(&p, 4)) /* else it is left to who cleans up */
		cr_assert_eq(s == SLOTS ? vsw_objs_nic_request(b.o, &ev)
					: vsw_objs_request(b.o, b.ext[s].x.owner, &ev),
			     0);
}

static void do_extension(unsigned int s)
{
	begin(0, PORTS);
	if (b.ext[s].is_loaded)
		vanish(s);
	else
		come_back(s);
}

static void step(void)
{
	unsigned int i = prng_below(&p, PORTS), s = prng_below(&p, SLOTS),
		     dice = prng_below(&p, 40);

	if (dice < 20)
		do_event(i);
	else if (dice < 30 && b.ext[s].is_loaded)
		ref_at_random(s, i);
	else if (dice < 32)
		do_remove(i);
	else if (dice < 35)
		do_property(i);
	else if (dice < 38)
		do_request(i);
	else
		do_extension(s);
	naive_settle();
	doing_kind = -1;
}

/* ---- What must be true ------------------------------------------------------------------------ */

/* An adapter that was refused and one that was deleted look alike to those who saw it come and go. */
static int alike(int state)
{
	return state == NETHV_NIC_DELETED ? NETHV_PORT_CREATED : state;
}

static void check_port(unsigned int i)
{
	const uint8_t *st = vsw_objs_states(b.o);
	int s = port[i].state;

	cr_assert_eq(vsw_objs_state(b.o, (uint16_t)i, 0), s, "port %u is %d, want %d", i,
		     vsw_objs_state(b.o, (uint16_t)i, 0), s);
	cr_assert_eq(st[i], s);
	cr_assert_eq(vsw_objs_may_pass(st, (uint16_t)i), s >= 2 && s <= 4);
	cr_assert_eq(vsw_objs_may_target(st, (uint16_t)i), s == 3);
	cr_assert_eq(vsw_objs_refs(b.o, 0, (uint16_t)i, VSW_NIC_NONE), refs(i));
	cr_assert_eq(vsw_objs_refs(b.o, 0, (uint16_t)i, 0), nic_refs(i));
}

static void check(void)
{
	unsigned int i, s, n = 0;
	const char *g;

	for (i = 0; i < PORTS; i++) {
		check_port(i);
		for (s = 0; s < SLOTS; s++) {
			if (!b.ext[s].is_loaded)
				continue;
			cr_assert_eq(alike(ext[s].believes[i]), alike(port[i].state),
				     "%s believes port %u is %d, it is %d", b.ext[s].x.name, i,
				     ext[s].believes[i], port[i].state);
			cr_assert_eq(ext[s].props[i], (int)port[i].nr_props);
		}
	}
	for (g = bed_gone(&b); *g; g++)
		n += *g == ' ' || g[1] == '\0';
	cr_assert_eq(n, nr_gone, "%u deletions were announced, want %u", n, nr_gone);
	nr_gone = 0;
	bed_log(&b);
}

Test(vsw_objects, agree_with_the_state_table)
{
	unsigned int i, s, steps = prng_steps(STEPS), seen[7] = {0};

	prng_init(&p);
	bed_up(&b);
	b.n = 0;
	bed_add(&b, NETHV_CAPTURE, "cap");
	bed_add(&b, NETHV_FILTER, "f1");
	bed_add(&b, NETHV_FILTER, "f2");
	bed_add(&b, NETHV_FILTER, "f3");
	bed_add(&b, NETHV_FORWARD, "fwd");
	for (s = 0; s < SLOTS; s++)
		b.ext[s].event = at_random;
	for (i = 0; i < steps; i++) {
		step();
		check();
		for (s = 0; s < PORTS; s++)
			seen[port[s].state]++;
	}
	for (s = 0; s < 7 && steps >= STEPS; s++)
		cr_assert_gt(seen[s], 0, "state %u was never reached", s);
	bed_down(&b);
}
