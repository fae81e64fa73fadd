/* SPDX-License-Identifier: BSD-3-Clause */
/* A port's policies as a set: which ways are looked at, order, counters, bytes that become private. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/polbed.h"

TestSuite(vsw_policy, .init = eal_up);

#define IN  VSW_POLICY_INGRESS
#define OUT VSW_POLICY_EGRESS

static struct polbed bed;
static struct vsw_policy_cfg cfg;
static struct vsw_acl_rule rules[2];

static struct vsw_policy *make(struct vsw_policy *old)
{
	struct vsw_policy *pol = NULL;

	polbed_init(&bed);
	cr_assert_eq(vsw_policy_create(&pol, &cfg, 2, old), 0, "%s", err_text());
	return pol;
}

static void assert_ways(bool in, bool out)
{
	struct vsw_policy *pol = make(NULL);

	cr_assert_eq(vsw_policy_has(pol, IN), in);
	cr_assert_eq(vsw_policy_has(pol, OUT), out);
	vsw_policy_destroy(pol);
	memset(&cfg, 0, sizeof(cfg));
}

Test(vsw_policy, looks_only_where_there_is_something_to_do)
{
	assert_ways(false, false);
	cfg.router_guard = true;
	assert_ways(true, false);
	cfg.rate[OUT].max_pps = 5;
	assert_ways(false, true);
	cfg.multicast_pps = 5;
	assert_ways(true, false);
	cfg.share.total_kbps = 1000;
	assert_ways(false, true);
	cfg.default_ether[OUT] = VSW_ACL_DENY;
	assert_ways(false, true);
	rules[0] = polbed_rule("a", VSW_ACL_IP4);
	rules[0].ways = VSW_ACL_INGRESS;
	cfg.rules = rules;
	cfg.nr_rules = 1;
	assert_ways(true, false);
	rules[0].is_stateful = true;
	cfg.rules = rules;
	cfg.nr_rules = 1;
	assert_ways(true, true);
	cr_assert(!vsw_policy_has(NULL, IN));
	vsw_policy_destroy(NULL);
}

Test(vsw_policy, guards_judge_before_the_acl_and_the_acl_before_limits)
{
	struct polbed_pkt p = {.proto = 17, .sport = 66, .dport = 68};
	struct vsw_policy_status st;
	struct vsw_policy *pol;

	cfg.dhcp_guard = true;
	cfg.default_ip[IN] = VSW_ACL_DENY;
	cfg.rate[IN].max_pps = 1;
	cfg.rate[IN].burst_packets = 1;
	pol = make(NULL);
	cr_assert_eq(polbed_one(&bed, pol, IN, &p), VSW_DROP_dhcp_guard);
	p.dport = 69;
	cr_assert_eq(polbed_one(&bed, pol, IN, &p), VSW_DROP_acl_denied);
	vsw_policy_status(pol, 0, &st);
	cr_assert_eq(st.drops[VSW_POLICY_DROP_dhcp_server], 1);
	cr_assert_eq(st.drops[VSW_POLICY_DROP_acl_default], 1);
	cr_assert_eq(st.drops[VSW_POLICY_DROP_rate_in], 0);
	vsw_policy_destroy(pol);
}

Test(vsw_policy, judges_the_packets_named_and_no_others)
{
	const uint16_t idx[] = {5, 1, 3};
	uint16_t why[3] = {0};
	struct vsw_policy *pol;
	unsigned int i;

	cfg.default_ip[IN] = VSW_ACL_DENY;
	rules[0] = polbed_rule("a", VSW_ACL_IP4);
	rules[0].proto = 17;
	cfg.rules = rules;
	cfg.nr_rules = 1;
	pol = make(NULL);
	for (i = 0; i < 8; i++)
		polbed_put(&bed, &(struct polbed_pkt){.proto = i == 1 ? 17 : 6});
	vsw_policy_run(pol, IN, &bed.v, idx, 3, why);
	cr_assert_eq(why[0], VSW_DROP_acl_denied);
	cr_assert_eq(why[1], 0);
	cr_assert_eq(why[2], VSW_DROP_acl_denied);
	vsw_policy_destroy(pol);
}

Test(vsw_policy, counters_are_of_all_lcores_and_go_on_over_a_change)
{
	struct polbed_pkt p = {.proto = 17};
	struct vsw_policy *pol, *next;
	struct vsw_policy_status st;
	uint16_t lcore;

	cfg.default_ip[IN] = VSW_ACL_DENY;
	pol = make(NULL);
	for (lcore = 0; lcore < 2; lcore++) {
		bed.v.lcore = lcore;
		polbed_one(&bed, pol, IN, &p);
	}
	next = make(pol);
	vsw_policy_destroy(pol);
	polbed_one(&bed, next, IN, &p);
	vsw_policy_status(next, 0, &st);
	cr_assert_eq(st.drops[VSW_POLICY_DROP_acl_default], 3);
	cr_assert_eq(st.nr_rules, 0);
	cr_assert_eq(st.capacity, 0);
	vsw_policy_status(NULL, 0, &st);
	cr_assert_eq(st.drops[VSW_POLICY_DROP_acl_default], 0);
	vsw_policy_destroy(next);
}

/* A guest that rewrites its buffer after the verdict changes nothing; neither does a tag taken off. */
Test(vsw_policy, what_was_judged_stays_private_also_behind_a_tag_s_room)
{
	struct polbed_pkt p = {.is_v6 = true, .proto = 17, .dport = 9, .ext_first = 60};
	struct vsw_slot *s = &bed.v.slot[0];
	struct vsw_policy *pol;
	uint16_t idx[1] = {0}, why[1] = {0};
	uint8_t *backing;

	p.ext[0] = 17;
	p.ext[1] = 6;
	p.ext_len = 56;
	p.hdr_len = 64;
	rules[0] = polbed_rule("no9", VSW_ACL_IP6);
	rules[0].proto = 17;
	rules[0].dst_port = (struct vsw_acl_range){9, 9};
	rules[0].action = VSW_ACL_DENY;
	cfg.rules = rules;
	cfg.nr_rules = 1;
	pol = make(NULL);
	backing = polbed_put(&bed, &p);
	memmove(s->snap + 16, s->snap, 64);
	s->pkt.hdr_off += 16;
	vsw_policy_run(pol, IN, &bed.v, idx, 1, why);
	cr_assert_eq(why[0], VSW_DROP_acl_denied);
	cr_assert_eq(s->pkt.l4_off, 110);
	cr_assert_eq(s->pkt.hdr_len, 118);
	cr_assert_eq(memcmp(vsw_hdr(&s->pkt), backing, 118), 0);
	vsw_policy_destroy(pol);
}

Test(vsw_policy, kinds_of_drops_have_words)
{
	cr_assert_str_eq(vsw_policy_drop_name(VSW_POLICY_DROP_share), "share");
	cr_assert_str_eq(vsw_policy_drop_text(VSW_POLICY_DROP_dhcp_server), "DHCP server message");
	cr_assert_str_eq(vsw_policy_drop_name(VSW_POLICY_DROP_COUNT), "?");
}
