/* SPDX-License-Identifier: BSD-3-Clause */
/* The sample `team`: where frames go, that flows stay where they are, and what a member's loss moves. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/exthost.h"

extern const struct nethv_ext nethv_extension;

enum { PASS, NO_MEMBER, REFLECTED, DOUBLE, NOT_OURS, RUNT }; /* verdicts */

#define GUEST_A 0x020000000001
#define GUEST_B 0x020000000002
#define FAR	0x0200000000FF
#define ALL	0xFFFFFFFFFFFF

static uint16_t a, b, up[4];

/* Two guests and four uplinks, of which the team has @n. */
static struct exthost *team(const char *mode, unsigned int n)
{
	struct exthost *x = exthost_new(&nethv_extension, 1);
	char config[256], name[8];
	unsigned int i, at;

	a = exthost_port(x, "a/0", NETHV_PORT_SYNTHETIC, GUEST_A);
	at = (unsigned int)snprintf(config, sizeof(config), "{\"mode\": \"%s\", \"members\": [",
				    mode);
	for (i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "up%u", i);
		up[i] = exthost_port(x, name, NETHV_PORT_EXTERNAL, 0);
		if (i < n)
			at += (unsigned int)snprintf(config + at, sizeof(config) - at,
						     "%s{\"port\": \"%s\"}", i ? "," : "", name);
	}
	b = exthost_port(x, "b/0", NETHV_PORT_SYNTHETIC, GUEST_B);
	snprintf(config + at, sizeof(config) - at, "]}");
	cr_assert_eq(exthost_create(x, config), 0, "%s", x->text);
	return x;
}

static const struct exthost_pkt *send(struct exthost *x, uint16_t from, uint64_t dst, uint64_t src)
{
	const struct exthost_flow f = {dst, src, "10.0.0.1", "10.0.0.2", 6, 1, 2, 0};

	exthost_clear(x);
	exthost_put_flow(x, from, &f);
	exthost_ingress(x, 0);
	return &x->pkt[0];
}

/* By which port each of many flows leaves. */
#define FLOWS 4096u

static void map_flows(struct exthost *x, uint16_t *port)
{
	struct exthost_flow f = {FAR, GUEST_A, "10.0.0.1", "10.0.0.2", 6, 0, 80, 0};
	unsigned int i, k;

	for (i = 0; i < FLOWS; i += 64) {
		exthost_clear(x);
		for (k = 0; k < 64; k++) {
			f.sport = (uint16_t)(i + k);
			exthost_put_flow(x, a, &f);
		}
		exthost_ingress(x, 0);
		for (k = 0; k < 64; k++) {
			cr_assert_eq(x->pkt[k].route.n, 1);
			port[i + k] = x->pkt[k].route.dst[0].port;
		}
	}
}

static unsigned int count(const uint16_t *port, uint16_t p)
{
	unsigned int i, n = 0;

	for (i = 0; i < FLOWS; i++)
		n += port[i] == p;
	return n;
}

Test(ext_team, flows_are_spread_over_all_members)
{
	struct exthost *x = team("active", 4);
	static uint16_t port[FLOWS];
	unsigned int i;

	map_flows(x, port);
	for (i = 0; i < 4; i++)
		cr_assert(count(port, up[i]) > FLOWS / 5, "%u", count(port, up[i]));
	cr_assert_eq(exthost_number(x, "members[0].sent"), count(port, up[0]));
	cr_assert_eq(x->nr_broken, 0);
	exthost_free(x);
}

Test(ext_team, only_the_flows_of_a_lost_member_move_and_they_come_back)
{
	struct exthost *x = team("active", 3);
	static uint16_t before[FLOWS], without[FLOWS], after[FLOWS];
	unsigned int i, moved[3] = {0};

	map_flows(x, before);
	cr_assert_eq(exthost_event(x, NETHV_EV_NIC_DISCONNECT, up[1], 0), NETHV_EV_PASS);
	cr_assert_eq(x->nr_quiesced, 1, "no lcore sends there any more when event() returns");
	map_flows(x, without);
	for (i = 0; i < FLOWS; i++) {
		if (before[i] != up[1])
			cr_assert_eq(without[i], before[i]);
		else
			moved[without[i] == up[0] ? 0 : without[i] == up[2] ? 2 : 1]++;
	}
	cr_assert(moved[0] > 300 && moved[2] > 300 && moved[1] == 0, "%u %u %u", moved[0], moved[1],
		  moved[2]);
	exthost_event(x, NETHV_EV_NIC_CONNECT, up[1], 0);
	map_flows(x, after);
	cr_assert_eq(memcmp(before, after, sizeof(before)), 0);
	cr_assert_eq(exthost_number(x, "failovers"), 2);
	exthost_free(x);
}

Test(ext_team, standby_uses_the_first_that_is_up)
{
	struct exthost *x = team("standby", 3);

	cr_assert_eq(send(x, a, FAR, GUEST_A)->route.dst[0].port, up[0]);
	exthost_event(x, NETHV_EV_NIC_DISCONNECT, up[0], 0);
	cr_assert_eq(send(x, a, FAR, GUEST_A)->route.dst[0].port, up[1]);
	exthost_event(x, NETHV_EV_NIC_DISCONNECT, up[2], 0);
	exthost_event(x, NETHV_EV_NIC_DISCONNECT, up[1], 0);
	cr_assert_eq(send(x, a, FAR, GUEST_A)->verdict, NO_MEMBER);
	cr_assert_eq(send(x, a, GUEST_B, GUEST_A)->route.kind, NETHV_ROUTE_NORMAL);
	exthost_event(x, NETHV_EV_NIC_CONNECT, up[2], 0);
	cr_assert_eq(send(x, a, FAR, GUEST_A)->route.dst[0].port, up[2]);
	exthost_event(x, NETHV_EV_NIC_CONNECT, up[0], 0);
	cr_assert_eq(send(x, a, FAR, GUEST_A)->route.dst[0].port, up[0]);
	exthost_free(x);
}

Test(ext_team, members_of_one_uplink_are_chosen_by_their_index)
{
	struct exthost *x = exthost_new(&nethv_extension, 1);
	unsigned int i, seen = 0;
	struct exthost_flow f = {FAR, GUEST_A, "fe80::1", "fe80::2", 17, 0, 80, 0};

	a = exthost_port(x, "a/0", NETHV_PORT_SYNTHETIC, GUEST_A);
	up[0] = exthost_port(x, "up", NETHV_PORT_EXTERNAL, 0);
	cr_assert_eq(exthost_create(x, "{\"members\": [{\"port\": \"up\", \"nic\": 1},"
				       "{\"port\": \"up\", \"nic\": 2}]}"),
		     0);
	for (i = 0; i < 64; i++, f.sport++)
		exthost_put_flow(x, a, &f);
	exthost_ingress(x, 0);
	for (i = 0; i < 64; i++) {
		cr_assert_eq(x->pkt[i].route.dst[0].port, up[0]);
		seen |= 1u << x->pkt[i].route.dst[0].nic;
	}
	cr_assert_eq(seen, 6);
	exthost_event(x, NETHV_EV_NIC_DISCONNECT, up[0], 1);
	exthost_ingress(x, 0);
	for (i = 0; i < 64; i++)
		cr_assert_eq(x->pkt[i].route.dst[0].nic, 2);
	exthost_free(x);
}

Test(ext_team, what_comes_from_uplinks_never_leaves_by_one)
{
	struct exthost *x = team("active", 2);

	cr_assert_eq(send(x, up[0], GUEST_B, FAR)->route.dst[0].port, b);
	cr_assert_eq(send(x, up[1], GUEST_B, FAR)->route.dst[0].port, b);
	cr_assert_eq(send(x, up[0], 0x020000000077, FAR)->verdict, NOT_OURS);
	cr_assert_eq(send(x, up[0], GUEST_B, GUEST_A)->verdict, REFLECTED);
	cr_assert_eq(send(x, up[0], ALL, GUEST_A)->verdict, REFLECTED);
	cr_assert_eq(send(x, up[0], ALL, FAR)->route.kind, NETHV_ROUTE_FLOOD);
	cr_assert_eq(send(x, up[1], ALL, FAR)->verdict, DOUBLE);
	exthost_event(x, NETHV_EV_NIC_DISCONNECT, up[0], 0);
	cr_assert_eq(send(x, up[1], ALL, FAR)->route.kind, NETHV_ROUTE_FLOOD);
	exthost_free(x);
}

/* Floods: as the switch would, to every other port. */
static unsigned int members_left(struct exthost *x, uint16_t from, uint64_t src, uint16_t sport)
{
	const struct exthost_flow f = {ALL, src, "10.0.0.1", "10.0.0.2", 17, sport, 9, 0};
	const uint16_t to[4] = {a, b, up[0], up[1]};
	unsigned int i, d = 0, n = 0;

	exthost_clear(x);
	exthost_put_flow(x, from, &f);
	for (i = 0; i < 4; i++)
		if (to[i] != from)
			exthost_dst(x, to[i]);
	exthost_egress(x, 0);
	for (i = 0; i < 4; i++) {
		if (to[i] == from)
			continue;
		if (i < 2)
			cr_assert_not(x->pkt[0].excluded[d], "guests get it");
		else
			n += !x->pkt[0].excluded[d];
		d++;
	}
	return n;
}

Test(ext_team, group_frames_leave_by_exactly_one_member)
{
	struct exthost *x = team("active", 2);
	uint16_t i;

	for (i = 0; i < 100; i++)
		cr_assert_eq(members_left(x, a, GUEST_A, i), 1);
	cr_assert_eq(members_left(x, up[0], FAR, 1), 0);
	cr_assert(exthost_number(x, "members[0].sent") > 0);
	cr_assert(exthost_number(x, "members[1].sent") > 0);
	exthost_free(x);
}

Test(ext_team, fragments_take_the_way_of_the_first_one)
{
	struct exthost *x = team("active", 4);
	struct exthost_flow f = {FAR, GUEST_A, "10.0.0.1", "10.0.0.2", 17, 0, 80, 100};
	uint16_t port = 0, i;

	for (i = 0; i < 64; i++) {
		uint8_t frame[EXTHOST_BYTES];
		uint32_t len;

		f.sport = i; /* random bytes where the ports would be */
		len = exthost_frame(frame, &f);
		frame[20] = i == 0 ? 0x20 : 0x00; /* the first: more fragments */
		frame[21] = i == 0 ? 0 : 100;
		exthost_put(x, a, frame, len);
	}
	exthost_ingress(x, 0);
	for (i = 0; i < 64; i++) {
		if (i == 0)
			port = x->pkt[i].route.dst[0].port;
		cr_assert_eq(x->pkt[i].route.dst[0].port, port);
	}
	exthost_free(x);
}

Test(ext_team, a_guests_address_is_known_from_its_connection_to_its_end)
{
	struct exthost *x = team("active", 1);
	uint16_t c = exthost_port(x, "c/0", NETHV_PORT_SYNTHETIC, 0x020000000003);

	cr_assert_eq(send(x, up[0], 0x020000000003, FAR)->verdict, NOT_OURS);
	exthost_event(x, NETHV_EV_NIC_CONNECT, c, 0);
	cr_assert_eq(send(x, up[0], 0x020000000003, FAR)->route.dst[0].port, c);
	exthost_event(x, NETHV_EV_PORT_DELETE, c, 0);
	cr_assert_eq(send(x, up[0], 0x020000000003, FAR)->verdict, NOT_OURS);
	exthost_free(x);
}

Test(ext_team, packets_marked_native_and_validation_ports_are_left_alone)
{
	struct exthost *x = team("active", 1);
	const struct exthost_flow f = {FAR, GUEST_A, "10.0.0.1", "10.0.0.2", 6, 1, 2, 0};

	exthost_put_flow(x, a, &f)->p->flags |= NETHV_PKT_NATIVE;
	exthost_ingress(x, 0);
	cr_assert(x->pkt[0].verdict == 0 && x->pkt[0].route.kind == NETHV_ROUTE_NONE);
	x->port[up[0]].flags = NETHV_PORT_VALIDATION;
	exthost_event(x, NETHV_EV_NIC_DISCONNECT, up[0], 0);
	cr_assert_eq(send(x, a, FAR, GUEST_A)->route.dst[0].port, up[0]);
	exthost_free(x);
}

Test(ext_team, a_bad_configuration_changes_nothing)
{
	struct exthost *x = team("standby", 2);

	cr_assert_eq(
		exthost_configure(x, "{\"mode\": \"lacp\", \"members\": [{\"port\": \"up1\"}]}"),
		-1);
	cr_assert(strstr(x->text, "active or standby"));
	cr_assert_eq(exthost_configure(x, "{\"members\": []}"), -1);
	cr_assert_eq(exthost_configure(x, "{\"members\": [{\"port\": \"up\", \"nic\": 33}]}"), -1);
	cr_assert_eq(send(x, a, FAR, GUEST_A)->route.dst[0].port, up[0]);
	cr_assert_eq(exthost_configure(x, "{\"members\": [{\"port\": \"up3\"}]}"), 0);
	cr_assert_eq(send(x, a, FAR, GUEST_A)->route.dst[0].port, up[3]);
	exthost_free(x);
}
