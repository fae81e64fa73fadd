/* SPDX-License-Identifier: BSD-3-Clause */
/* Port policies on a packet's long way: whose are asked, what they drop and in whose books, and what they
 * leave alone. What each policy decides is tested by tests/unit/test_vswitch_policy_*.c. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/extbed.h"
#include "vswitch/policy/config.h"
#include "vswitch/policy/policy.h"
#include "vswitch/priv.h"

static void down(void)
{
	cr_expect(fake_is_balanced(bed.sw));
	bed_suite_down();
}

TestSuite(vsw_stages, .init = bed_suite_up, .fini = down);

static void expect_nr_out(unsigned int p0, unsigned int p1, unsigned int p2, unsigned int p3)
{
	cr_expect_eq(bed.p[0]->nr_out, p0, "p0: %u", bed.p[0]->nr_out);
	cr_expect_eq(bed.p[1]->nr_out, p1, "p1: %u", bed.p[1]->nr_out);
	cr_expect_eq(bed.p[2]->nr_out, p2, "p2: %u", bed.p[2]->nr_out);
	cr_expect_eq(bed.p[3]->nr_out, p3, "p3: %u", bed.p[3]->nr_out);
}

static void set_policy(unsigned int port, const struct vsw_policy_cfg *cfg)
{
	cr_assert_eq(vsw_port_set_policy(bed.p[port]->port, cfg), 0, "%s", err_text());
}

/* UDP from 10.0.0.@from to 10.0.0.@to. */
static void send_udp(unsigned int from, unsigned int to, uint16_t sport, uint16_t dport)
{
	uint8_t *b = bed_send(&bed, from, to)->bytes;

	memset(b + 12, 0, 46);
	memcpy(b + 12, (const uint8_t[]){8, 0, 0x45, 0, 0, 186}, 6);
	memcpy(b + 22,
	       (const uint8_t[]){64, 17, 0, 0, 10, 0, 0, (uint8_t)from, 10, 0, 0, (uint8_t)to}, 12);
	memcpy(b + 34,
	       (const uint8_t[]){(uint8_t)(sport >> 8), (uint8_t)sport, (uint8_t)(dport >> 8),
				 (uint8_t)dport, 0, 166},
	       6);
	b[42] = dport == 67 ? 1 : 2; /* BOOTP: a request, or a reply */
}

/* Of p0: asks, and hears answers only. */
static struct vsw_acl_rule asks = {
	.name = "asks", .layer = VSW_ACL_IP4, .ways = VSW_ACL_INGRESS, .is_stateful = true};
static const struct vsw_policy_cfg client = {
	.rules = &asks,
	.nr_rules = 1,
	.default_ip = {VSW_ACL_DENY, VSW_ACL_DENY},
};

Test(vsw_stages, a_stateful_rule_lets_the_answer_in_and_nothing_else)
{
	set_policy(0, &client);
	send_udp(1, 0, 53, 5000);
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 0);
	cr_assert_eq(bed_drops(&bed, 1, VSW_DROP_acl_denied), 1); /* the sender's books */
	send_udp(0, 1, 5000, 53);
	bed_poll(&bed);
	send_udp(1, 0, 53, 5000);
	send_udp(1, 0, 53, 5001);
	send_udp(2, 0, 53, 5000);
	bed_poll(&bed);
	expect_nr_out(1, 1, 0, 0);
	cr_assert_eq(bed_drops(&bed, 1, VSW_DROP_acl_denied), 2);
	cr_assert_eq(bed_drops(&bed, 2, VSW_DROP_acl_denied), 1);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_acl_denied), 0);
}

Test(vsw_stages, a_change_of_policy_keeps_the_connections_that_it_permits)
{
	struct vsw_acl_rule rule = asks;
	struct vsw_policy_cfg changed = client;

	set_policy(0, &client);
	send_udp(0, 1, 5000, 53);
	bed_poll(&bed);
	rule.proto = 17;
	rule.dst_port = (struct vsw_acl_range){53, 53};
	changed.rules = &rule;
	set_policy(0, &changed);
	send_udp(1, 0, 53, 5000); /* by its connection */
	send_udp(2, 0, 53, 5000);
	bed_poll(&bed);
	expect_nr_out(1, 1, 0, 0);
	rule.dst_port = (struct vsw_acl_range){7, 7};
	set_policy(0, &changed);
	send_udp(1, 0, 53, 5000);
	bed_poll(&bed);
	expect_nr_out(1, 1, 0, 0);
	set_policy(0, NULL);
	send_udp(2, 0, 53, 5000);
	bed_poll(&bed);
	expect_nr_out(2, 1, 0, 0);
}

Test(vsw_stages, an_egress_policy_takes_one_destination_of_a_flood)
{
	struct vsw_acl_rule deny = {.name = "x",
				    .layer = VSW_ACL_ETHER,
				    .ways = VSW_ACL_EGRESS,
				    .action = VSW_ACL_DENY,
				    .ether_type = 0x88B5};
	struct vsw_policy_cfg cfg = {.rules = &deny, .nr_rules = 1};
	unsigned int k;

	set_policy(1, &cfg);
	for (k = 0; k < 20; k++)
		bed_send(&bed, 0, k % 2 ? UINT32_MAX : 1);
	bed_poll(&bed);
	expect_nr_out(0, 0, 10, 10);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_acl_denied), 20);
	bed_send(&bed, 1, 0); /* what it sends is another matter */
	bed_poll(&bed);
	expect_nr_out(1, 0, 10, 10);
}

Test(vsw_stages, guards_judge_what_their_port_sends)
{
	struct vsw_policy_cfg cfg = {.dhcp_guard = true};

	set_policy(0, &cfg);
	send_udp(0, UINT32_MAX, 67, 68);
	send_udp(1, UINT32_MAX, 67, 68);
	send_udp(0, UINT32_MAX, 68, 67);
	bed_poll(&bed);
	expect_nr_out(1, 1, 2, 2);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_dhcp_guard), 1);
}

Test(vsw_stages, rates_of_both_ways_are_in_the_senders_books)
{
	struct vsw_policy_cfg in = {0}, out = {0};
	unsigned int k;

	in.rate[VSW_POLICY_INGRESS] = (struct vsw_rate_cfg){.max_pps = 1, .burst_packets = 300};
	out.rate[VSW_POLICY_EGRESS] = (struct vsw_rate_cfg){.max_pps = 1, .burst_packets = 300};
	set_policy(0, &in);
	set_policy(2, &out);
	for (k = 0; k < 10 * VSW_VEC_SIZE; k++) {
		bed_send(&bed, 0, 1);
		bed_send(&bed, 1, 2);
		bed_poll(&bed);
	}
	cr_assert_eq(bed.p[1]->nr_out + bed_drops(&bed, 0, VSW_DROP_rate_limited), k);
	cr_assert_eq(bed.p[2]->nr_out + bed_drops(&bed, 1, VSW_DROP_rate_limited), k);
	cr_assert_geq(bed.p[1]->nr_out, 300);
	cr_assert_geq(bed.p[2]->nr_out, 300);
	cr_assert_gt(bed_drops(&bed, 0, VSW_DROP_rate_limited), 0);
	cr_assert_gt(bed_drops(&bed, 1, VSW_DROP_rate_limited), 0);
}

Test(vsw_stages, a_storm_is_of_broadcasts_only)
{
	struct vsw_policy_cfg cfg = {.broadcast_pps = 1};
	unsigned int k;

	set_policy(0, &cfg);
	for (k = 0; k < 20 * VSW_VEC_SIZE; k++) {
		bed_send(&bed, 0, UINT32_MAX);
		bed_send(&bed, 0, 1);
		bed_send(&bed, 2, UINT32_MAX);
		bed_poll(&bed);
	}
	cr_assert_gt(bed_drops(&bed, 0, VSW_DROP_storm), 0);
	cr_assert_eq(bed.p[3]->nr_out + bed_drops(&bed, 0, VSW_DROP_storm), 2 * k);
	cr_assert_eq(bed.p[1]->nr_out + bed_drops(&bed, 0, VSW_DROP_storm), 3 * k);
	cr_assert_eq(bed_drops(&bed, 2, VSW_DROP_storm), 0);
}

Test(vsw_stages, isolated_ports_reach_promiscuous_ones_only)
{
	static struct vsw_pvlan roles[VSW_PORTS_MAX];
	struct vsw_policy_cfg cfg = {.pvlan_of = roles};
	unsigned int i;

	for (i = 0; i < 2; i++)
		roles[vsw_port_id(bed.p[i]->port)].role = VSW_PVLAN_ISOLATED;
	for (i = 0; i < 4; i++) {
		cfg.pvlan = roles[vsw_port_id(bed.p[i]->port)];
		set_policy(i, &cfg);
	}
	bed_send(&bed, 0, UINT32_MAX);
	bed_send(&bed, 0, 1);
	bed_send(&bed, 2, 0);
	bed_poll(&bed);
	expect_nr_out(1, 0, 1, 1);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_isolated), 2);
}

/* ---- With extensions ----------------------------------------------------------------------- */

struct maker {
	struct hooks k;
	uint16_t from;
	unsigned int n, seen_out;
	bool is_route, sets_source;
};

static void makes(struct hooks *k, struct nethv_burst *b)
{
	static uint8_t frame[60] = {2, 0, 0, 0, 0, 0x0A, 2, 0, 0, 0, 0, 0x0B, 0x88, 0xB5};
	struct maker *m = (struct maker *)k;

	for (; m->n; m->n--)
		nethv_originate(b, m->from, frame, sizeof(frame));
	if (m->sets_source)
		b->host->set_source(b, 0, m->from);
	m->sets_source = false;
}

static void sees_out(struct hooks *k, struct nethv_burst *b)
{
	struct maker *m = (struct maker *)k;

	m->seen_out += b->n;
}

static struct maker mk = {.k = {.ingress = makes, .egress = sees_out}};
static const struct vsw_acl_rule deny = {.name = "x",
					 .layer = VSW_ACL_ETHER,
					 .ways = VSW_ACL_BOTH,
					 .action = VSW_ACL_DENY,
					 .ether_type = 0x88B5};
static const struct vsw_policy_cfg closed = {.rules = &deny, .nr_rules = 1};

Test(vsw_stages, dp_10_nobodys_packets_pass_by_policies_and_a_ports_do_not)
{
	bed_hook(&bed, "hook-filter", "", &mk.k);
	set_policy(0, &closed);
	set_policy(1, &closed);
	mk.from = NETHV_PORT_DEFAULT;
	mk.n = 1;
	bed_send(&bed, 2, 3);
	bed_poll(&bed);
	expect_nr_out(1, 0, 0, 1);
	mk.from = vsw_port_id(bed.p[1]->port); /* its own policy denies it */
	mk.n = 1;
	bed_send(&bed, 2, 3);
	bed_poll(&bed);
	expect_nr_out(1, 0, 0, 2);
	mk.from = vsw_port_id(bed.p[3]->port); /* the destination's does */
	mk.n = 1;
	bed_send(&bed, 2, 3);
	bed_poll(&bed);
	expect_nr_out(1, 0, 0, 3);
	cr_assert_eq(bed_drops(&bed, 2, VSW_DROP_acl_denied), 2);
}

Test(vsw_stages, src_1_a_packet_given_another_source_is_judged_by_its_policy)
{
	bed_hook(&bed, "hook-filter", "", &mk.k);
	set_policy(1, &closed);
	mk.from = vsw_port_id(bed.p[1]->port);
	mk.sets_source = true;
	bed_send(&bed, 0, 2);
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 0);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_acl_denied), 1);
	set_policy(1, NULL);
	set_policy(0, &closed); /* the former one's is not asked */
	mk.sets_source = true;
	bed_send(&bed, 0, 2);
	bed_poll(&bed);
	expect_nr_out(0, 0, 1, 0);
}

static void routes(struct hooks *k, struct nethv_burst *b)
{
	struct maker *m = (struct maker *)k;
	uint16_t i;

	for (i = 0; i < b->n; i++) {
		nethv_route_add(b, i, m->from, 0);
		nethv_route_add(b, i, vsw_port_id(bed.p[2]->port), 0);
	}
}

Test(vsw_stages, a_forwarder_cannot_pass_by_a_destinations_policy)
{
	mk.k.ingress = routes;
	mk.from = vsw_port_id(bed.p[1]->port);
	bed_hook(&bed, "hook-forward", "", &mk.k);
	set_policy(1, &closed);
	bed_send(&bed, 0, 3);
	bed_poll(&bed);
	expect_nr_out(0, 0, 1, 0);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_acl_denied), 1);
	cr_assert_eq(mk.seen_out, 1);
}
