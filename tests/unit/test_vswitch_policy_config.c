/* SPDX-License-Identifier: BSD-3-Clause */
/* What is refused of a port's policies, and in which words. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/polbed.h"

static struct vsw_acl_rule rule;
static struct vsw_policy_cfg cfg;

static void fresh(uint8_t layer)
{
	rule = polbed_rule("web", layer);
	cfg = (struct vsw_policy_cfg){.rules = &rule, .nr_rules = 1};
}

#define assert_refused(text)                                   \
	do {                                                   \
		cr_assert_eq(vsw_policy_check(&cfg), -EINVAL); \
		cr_assert_str_eq(err_text(), (text));          \
	} while (0)

/* One change of a good rule, and what is said of it. */
#define assert_rule(layer, change, text)                                   \
	do {                                                               \
		fresh(layer);                                              \
		cr_assert_eq(vsw_policy_check(&cfg), 0, "%s", err_text()); \
		change;                                                    \
		assert_refused("rule 1 (web): " text);                     \
	} while (0)

Test(vsw_policy_config, nothing_and_a_plain_rule_are_good)
{
	struct vsw_policy_cfg none = {.nr_rules = 0};

	cr_assert_eq(vsw_policy_check(&none), 0);
	fresh(VSW_ACL_IP6);
	cr_assert_eq(vsw_policy_check(&cfg), 0);
}

Test(vsw_policy_config, a_rule_says_which_it_is_and_what_is_allowed)
{
	assert_rule(1, rule.layer = 3, "layer 3, want Ethernet (0), IPv4 (1) or IPv6 (2)");
	assert_rule(1, rule.ways = 0, "direction 0, want ingress (1), egress (2) or both (3)");
	assert_rule(1, rule.ways = 4, "direction 4, want ingress (1), egress (2) or both (3)");
	assert_rule(1, rule.action = 2, "action 2, want permit (0) or deny (1)");
	assert_rule(1, rule.is_stateful = rule.action = 1,
		    "stateful, which only an IPv4 or IPv6 rule that permits can be");
	assert_rule(0, rule.is_stateful = true,
		    "stateful, which only an IPv4 or IPv6 rule that permits can be");
	assert_rule(0, rule.proto = 6,
		    "an Ethernet rule with addresses, protocol or ports of IP; want Ethernet type "
		    "and MACs only");
	assert_rule(0, rule.ether_type = 0x5FF,
		    "Ethernet type 0x05ff, want 0x0600..0xffff or 0 (any)");
	assert_rule(0, rule.src_mac.addr[1] = 1,
		    "source MAC has bits in byte 2 that its mask (00) does not cover");
	assert_rule(1, rule.ether_type = 0x800,
		    "an IP rule with Ethernet type or MACs; want these in an Ethernet rule");
	assert_rule(1, rule.dst.len = 33, "destination prefix of 33 bits, want 0..32");
	assert_rule(2, rule.src.len = 129, "source prefix of 129 bits, want 0..128");
	assert_rule(1, rule.src.addr[3] = 1,
		    "source address has bits behind its prefix of 0; want them 0");
	assert_rule(1, rule.src_port.last = 5,
		    "source ports with protocol 0; want protocol 6 (TCP), 17 (UDP), 33 (DCCP), 132 "
		    "(SCTP) or 136 (UDP-Lite)");
	assert_rule(1, (rule.proto = 6, rule.dst_port.first = 5),
		    "destination ports 5-0, want the smaller one first");
	assert_rule(1, rule.has_icmp_type = true, "ICMP type or code with protocol 0, want 1");
	assert_rule(2, rule.has_icmp_type = true, "ICMP type or code with protocol 0, want 58");
	assert_rule(1, (rule.proto = 1, rule.has_icmp_code = true),
		    "ICMP code without type, want both or the type");
}

Test(vsw_policy_config, a_name_without_end_is_refused)
{
	fresh(1);
	memset(rule.name, 'x', sizeof(rule.name));
	assert_refused("rule 1 (xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx): the name is longer than 31 "
		       "characters");
}

Test(vsw_policy_config, limits_say_their_range)
{
	static uint64_t min[VSW_PORTS_MAX];
	static struct vsw_pvlan role[VSW_PORTS_MAX];

	fresh(1);
	cfg.nr_rules = 4097;
	assert_refused("4097 ACL rules, want at most 4096");
	fresh(1);
	cfg.default_ip[1] = 2;
	assert_refused("default action of the ACL's egress, want permit (0) or deny (1)");
	fresh(1);
	cfg.max_connections = 63;
	assert_refused("ACL: 63 connections, want 64..4194304 or 0 (none given)");
	fresh(1);
	cfg.rate[0].max_kbps = 7;
	assert_refused("ingress: 7 kbit/s as limit, want 8..1000000000 or 0 (none given)");
	fresh(1);
	cfg.rate[1].burst_bytes = 1500;
	assert_refused("egress: 1500 bytes as burst, want 131072..1073741824 or 0 (none given)");
	fresh(1);
	cfg.share.total_kbps = 100;
	cfg.share.min_kbps = min;
	min[3] = 60;
	min[9] = 41;
	assert_refused("minimum shares: 101 kbit/s in sum, want at most the shared rate of 100");
	fresh(1);
	cfg.pvlan.role = 3;
	assert_refused(
		"private VLAN: role 3 of the port itself, want promiscuous (0), isolated (1) "
		"or community (2)");
	fresh(1);
	cfg.pvlan_of = role;
	role[7].role = VSW_PVLAN_COMMUNITY;
	assert_refused(
		"private VLAN: community 0 of port 7, want 1..65535 with role community, and 0 "
		"with the others");
}

/* Nobody gets a policy that was not checked. */
Test(vsw_policy_config, create_refuses_what_check_refuses)
{
	struct vsw_policy *pol = NULL;

	fresh(1);
	rule.ways = 0;
	cr_assert_eq(vsw_policy_create(&pol, &cfg, 1, NULL), -EINVAL);
	cr_assert_null(pol);
}
