/* SPDX-License-Identifier: BSD-3-Clause */
/* The sample `flowtable`: matches and actions, its cache against a search without one, ports that come and
 * go, counters over changes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/exthost.h"
#include "tests/support/prng.h"

extern const struct nethv_ext nethv_extension;

enum { PASS, BY_RULE, BY_MISS, NO_PORT }; /* verdicts */

#define RULES(...) "{\"rules\": [" __VA_ARGS__ "]}"

static uint16_t p[4];

static struct exthost *table(const char *config)
{
	struct exthost *x = exthost_new(&nethv_extension, 2);
	char name[8];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		p[i] = exthost_port(x, name, NETHV_PORT_SYNTHETIC, 0x020000000010 + i);
	}
	cr_assert_eq(exthost_create(x, config), 0, "%s", x->text);
	return x;
}

static const struct exthost_flow base = {2, 1, "10.0.0.1", "10.0.0.2", 17, 1000, 53, 100};

static const struct exthost_pkt *send(struct exthost *x, uint16_t from,
				      const struct exthost_flow *f)
{
	exthost_clear(x);
	exthost_put_flow(x, from, f);
	exthost_ingress(x, 0);
	return &x->pkt[0];
}

Test(ext_flowtable, the_highest_priority_decides_and_of_equals_the_first)
{
	struct exthost *x = table(
		RULES("{\"priority\": 1, \"actions\": \"drop\"},"
		      "{\"priority\": 9, \"src\": \"10.0.0.0/24\", \"actions\": \"output:p1\"},"
		      "{\"priority\": 9, \"src\": \"10.0.0.1\", \"actions\": \"output:p2\"},"
		      "{\"priority\": 10, \"dport\": \"80\", \"actions\": \"flood\"}"));
	struct exthost_flow f = base;

	cr_assert_eq(send(x, p[0], &f)->route.dst[0].port, p[1]);
	f.dport = 80;
	cr_assert_eq(send(x, p[0], &f)->route.kind, NETHV_ROUTE_FLOOD);
	f.dport = 81, f.src = "11.0.0.1";
	cr_assert_eq(send(x, p[0], &f)->verdict, BY_RULE);
	cr_assert_eq(exthost_number(x, "rules[0].rule"), 3);
	cr_assert_eq(exthost_number(x, "rules[0].packets"), 1);
	cr_assert_eq(exthost_number(x, "rules[1].packets"), 1);
	cr_assert_eq(exthost_number(x, "rules[3].packets"), 1);
	cr_assert_eq(x->nr_broken, 0);
	exthost_free(x);
}

static void expect_match(const char *match, uint16_t from, const struct exthost_flow *f,
			 bool is_match)
{
	char config[256];
	struct exthost *x;

	snprintf(config, sizeof(config), RULES("{%s, \"actions\": \"drop\"}"), match);
	x = table(config);
	cr_assert_eq(send(x, from, f)->verdict, is_match ? BY_RULE : PASS, "%s", match);
	cr_assert_eq(x->pkt[0].route.kind, is_match ? NETHV_ROUTE_NONE : NETHV_ROUTE_NORMAL);
	exthost_free(x);
}

Test(ext_flowtable, each_field_matches_its_value_and_no_other)
{
	const struct exthost_flow six = {2, 1, "2001:db8::1", "2001:db8::2", 6, 1000, 53, 100};

	expect_match("\"in_port\": \"p1\"", 1, &base, true);
	expect_match("\"in_port\": \"p1\"", 2, &base, false);
	expect_match("\"in_port\": \"nobody\"", NETHV_PORT_DEFAULT, &base, false);
	expect_match("\"src_mac\": \"00:00:00:00:00:01\"", 0, &base, true);
	expect_match("\"src_mac\": \"00:00:00:00:00:02\"", 0, &base, false);
	expect_match("\"dst_mac\": \"00:00:00:00:00:02\"", 0, &base, true);
	expect_match("\"dst_mac\": \"00:00:00:00:00:01\"", 0, &base, false);
	expect_match("\"vlan\": 0", 0, &base, true);
	expect_match("\"vlan\": 7", 0, &base, false);
	expect_match("\"ether_type\": 2048", 0, &base, true);
	expect_match("\"ether_type\": 34525", 0, &base, false);
	expect_match("\"ether_type\": 34525", 0, &six, true);
	expect_match("\"src\": \"10.0.0.0/31\"", 0, &base, true);
	expect_match("\"src\": \"10.0.0.2\"", 0, &base, false);
	expect_match("\"src\": \"::/0\"", 0, &base, false);
	expect_match("\"dst\": \"2001:db8::/64\"", 0, &six, true);
	expect_match("\"proto\": 17", 0, &base, true);
	expect_match("\"proto\": 6", 0, &base, false);
	expect_match("\"sport\": \"999-1000\"", 0, &base, true);
	expect_match("\"sport\": \"1001\"", 0, &base, false);
	expect_match("\"dport\": \"53\", \"proto\": 6", 0, &six, true);
}

Test(ext_flowtable, ports_are_asked_only_of_packets_that_have_them)
{
	struct exthost_flow f = base;

	f.is_fragment = true;
	expect_match("\"dport\": \"0-53\"", 0, &f, false);
	expect_match("\"dport\": \"0-65535\"", 0, &f, true); /* asks for nothing */
	f = base, f.proto = 132;
	expect_match("\"dport\": \"53\"", 0, &f, false);
}

Test(ext_flowtable, changes_are_made_and_every_output_gets_them)
{
	struct exthost *x =
		table(RULES("{\"actions\": \"set_src:02:00:00:00:00:aa, set_dst:02:00:00:00:00:bb,"
			    "set_vlan:10, mark:77, output:p0, output:p1,output:p2\"}"));
	const struct exthost_pkt *k = send(x, p[0], &base);

	cr_assert_eq(memcmp(k->frame, "\2\0\0\0\0\xbb\2\0\0\0\0\xaa", 12), 0);
	cr_assert_eq(k->tci, 10);
	cr_assert_eq(k->p->mark, 77);
	cr_assert_eq(k->route.n, 2, "not back to where it came from");
	cr_assert(k->route.dst[0].port == p[1] && k->route.dst[1].port == p[2]);
	cr_assert_eq(x->nr_broken, 0);
	exthost_free(x);
}

Test(ext_flowtable, a_miss_does_what_it_is_told)
{
	struct exthost *x = table("{\"miss\": \"drop\"}");

	cr_assert_eq(send(x, p[0], &base)->verdict, BY_MISS);
	cr_assert_eq(exthost_configure(x, "{\"miss\": \"flood\"}"), 0);
	cr_assert_eq(send(x, p[0], &base)->route.kind, NETHV_ROUTE_FLOOD);
	cr_assert_eq(exthost_configure(x, "{}"), 0);
	cr_assert_eq(send(x, p[0], &base)->route.kind, NETHV_ROUTE_NORMAL);
	cr_assert_eq(exthost_number(x, "miss"), 3, "counted on over changes");
	exthost_free(x);
}

Test(ext_flowtable, ports_that_go_are_not_sent_to_when_event_returns_and_come_back)
{
	struct exthost *x =
		table(RULES("{\"in_port\": \"p0\", \"actions\": \"output:p1,output:p9\"}"));
	uint16_t p9;

	cr_assert_eq(send(x, p[0], &base)->route.n, 1);
	exthost_event(x, NETHV_EV_NIC_DISCONNECT, p[1], 0);
	cr_assert_eq(x->nr_quiesced, 1);
	cr_assert_eq(send(x, p[0], &base)->verdict, NO_PORT);
	p9 = exthost_port(x, "p9", NETHV_PORT_SYNTHETIC, 9);
	exthost_event(x, NETHV_EV_NIC_CONNECT, p9, 0);
	cr_assert_eq(send(x, p[0], &base)->route.n, 1);
	cr_assert_eq(x->pkt[0].route.dst[0].port, p9, "p1 is there, but not connected");
	exthost_event(x, NETHV_EV_NIC_CONNECT, p[1], 0);
	cr_assert_eq(send(x, p[0], &base)->route.n, 2);
	cr_assert_eq(exthost_number(x, "rules[0].packets"), 4);
	exthost_event(x, NETHV_EV_NIC_DISCONNECT, p9, 0);
	exthost_event(x, NETHV_EV_PORT_DELETE, p9, 0);
	cr_assert_eq(send(x, p[0], &base)->route.n, 1);
	exthost_free(x);
}

/* Random packets through a table: with a warm cache the same comes out as from a fresh one. */
static const char many[] = RULES(
	"{\"priority\": 5, \"src\": \"10.0.0.0/30\", \"dport\": \"0-3\", \"actions\": \"output:p1\"},"
	"{\"priority\": 4, \"in_port\": \"p2\", \"proto\": 6, \"actions\": \"output:p3\"},"
	"{\"priority\": 3, \"dst\": \"10.0.0.4/30\", \"actions\": \"flood\"},"
	"{\"priority\": 2, \"sport\": \"2-9\", \"actions\": \"drop\"}");

static struct exthost_flow random_flow(struct prng *r, char *src, char *dst)
{
	snprintf(src, 16, "10.0.0.%u", prng_below(r, 3) * 2);
	snprintf(dst, 16, "10.0.0.%u", prng_below(r, 3) * 2);
	return (struct exthost_flow){
		.dst_mac = 2,
		.src_mac = 1,
		.src = src,
		.dst = dst,
		.proto = prng_below(r, 2) ? 6 : 17,
		.sport = (uint16_t)(prng_below(r, 2) * 2),
		.dport = (uint16_t)(prng_below(r, 2) * 4),
	};
}

Test(ext_flowtable, the_cache_changes_nothing)
{
	struct exthost *x = table(many), *fresh;
	unsigned int i, steps = prng_steps(3000);
	char src[16], dst[16];
	struct prng r;

	prng_init(&r);
	for (i = 0; i < steps; i++) {
		struct exthost_flow f = random_flow(&r, src, dst);
		uint16_t from = p[prng_below(&r, 4)];
		const struct exthost_pkt *got = send(x, from, &f), *want;

		fresh = table(many);
		want = send(fresh, from, &f);
		cr_assert_eq(got->verdict, want->verdict);
		cr_assert_eq(memcmp(&got->route, &want->route, sizeof(got->route)), 0);
		exthost_free(fresh);
		if (prng_below(&r, 100) == 0)
			cr_assert_eq(exthost_configure(x, many), 0);
	}
	cr_assert(exthost_number(x, "cache_hits") > steps / 10);
	exthost_free(x);
}

Test(ext_flowtable, new_rules_do_not_meet_old_answers)
{
	struct exthost *x = table(RULES("{\"actions\": \"output:p1\"}"));

	send(x, p[0], &base);
	send(x, p[0], &base);
	cr_assert_eq(exthost_number(x, "cache_hits"), 1);
	cr_assert_eq(exthost_configure(x, RULES("{\"actions\": \"drop\"}")), 0);
	cr_assert_eq(send(x, p[0], &base)->verdict, BY_RULE);
	exthost_free(x);
}

Test(ext_flowtable, truncated_frames_are_harmless)
{
	struct exthost *x = table(many);
	uint8_t frame[256];
	uint32_t n, len = exthost_frame(frame, &base);

	for (n = 0; n <= len; n++) {
		exthost_clear(x);
		exthost_put(x, p[0], frame, n);
		exthost_ingress(x, 0);
	}
	cr_assert_eq(x->nr_broken, 0);
	exthost_free(x);
}

Test(ext_flowtable, bad_rules_are_refused_by_number_and_the_old_ones_stay)
{
	static const char *const bad[][2] = {
		{"\"actions\": \"\"", "rules[1]: actions are"},
		{"\"actions\": \"mark:1\"", "rules[1]: actions are"},
		{"\"actions\": \"output:\"", "rules[1]: actions are"},
		{"\"actions\": \"drop,output:p1\"", "rules[1]: actions are"},
		{"\"actions\": \"output:p1,drop\"", "rules[1]: actions are"},
		{"\"actions\": \"set_vlan:4095,drop\"", "rules[1]: actions are"},
		{"\"actions\": \"set_vlan:0,drop\"", "rules[1]: actions are"},
		{"\"actions\": \"mark:4294967296,drop\"", "rules[1]: actions are"},
		{"\"actions\": \"set_src:1,drop\"", "rules[1]: actions are"},
		{"\"actions\": \"explode\"", "rules[1]: actions are"},
		{"\"actions\": \"output:a,output:a,output:a,output:a,output:a,output:a,output:a\"",
		 "rules[1]: actions are"},
		{"\"actions\": \"output:0123456789012345678901234567890123456789\"", "rules[1]"},
		{"\"actions\": \"drop\", \"src_mac\": \"1:2\"", "rules[1]: a MAC"},
		{"\"actions\": \"drop\", \"src\": \"1.2.3\"", "rules[1]: src and dst"},
		{"\"actions\": \"drop\", \"dport\": \"x\"", "rules[1]: sport and dport"},
		{"\"actions\": \"drop\", \"in_port\": \"0123456789012345678901234567890123\"",
		 "in_port"},
		{"\"actions\": \"drop\", \"vlan\": 4095", "out of range"},
	};
	struct exthost *x = table(RULES("{\"actions\": \"drop\"}"));
	char config[512];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(config, sizeof(config), RULES("{\"actions\": \"flood\"}, {%s}"),
			 bad[i][0]);
		cr_assert_neq(exthost_configure(x, config), 0, "%s", bad[i][0]);
		cr_assert(strstr(x->text, bad[i][1]), "%s: %s", bad[i][0], x->text);
	}
	cr_assert_eq(send(x, p[0], &base)->verdict, BY_RULE);
	exthost_free(x);
}

Test(ext_flowtable, an_upgrade_hands_counters_over)
{
	struct exthost *x = table(many), *y;
	struct exthost_flow f = base;
	size_t len;
	void *state;

	f.dport = 1;
	send(x, p[0], &f), send(x, p[0], &f);
	f.src = "11.0.0.1", f.sport = 99, f.dst = "11.0.0.2";
	send(x, p[0], &f);
	state = exthost_save(x, &len);
	y = table(many);
	cr_assert_eq(y->ext->restore(y->inst, state, len, 1), 0);
	cr_assert_eq(exthost_number(y, "rules[0].packets"), 2);
	cr_assert_eq(exthost_number(y, "miss"), 1);
	cr_assert_eq(y->ext->restore(y->inst, state, len + 1, 1), -1);
	free(state);
	exthost_free(x);
	exthost_free(y);
}
