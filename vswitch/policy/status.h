/* SPDX-License-Identifier: BSD-3-Clause */
/* What a port's policies did, for ctl: hits of each rule, connections, drops by kind. Finer than the
 * switch's drop reasons. A change of the policies carries it on: rules by their name, all else by
 * kind. Packets judged while a change is under way may be missing in it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vsw_policy;

/* X(name, text for people) */
#define VSW_POLICY_DROPS(X)                                                         \
	X(acl_rule, "denied by a rule")                                             \
	X(acl_default, "no rule, and the default is to deny")                       \
	X(acl_fragment, "later fragment that a rule with ports may mean")           \
	X(acl_chain, "headers do not end within 128 bytes, and a rule may mean it") \
	X(acl_tagged, "a further VLAN tag hides the packet from the rules")         \
	X(dhcp_server, "DHCP server message")                                       \
	X(dhcp6_server, "DHCPv6 server message")                                    \
	X(dhcp_hidden, "may be a DHCP server message: its headers are hidden")      \
	X(router_adv, "ICMP router advertisement")                                  \
	X(router6_adv, "ICMPv6 router advertisement")                               \
	X(redirect, "ICMP or ICMPv6 redirect")                                      \
	X(router_hidden, "may be a router advertisement: its headers are hidden")   \
	X(isolated, "private VLAN keeps the ports apart")                           \
	X(broadcast, "over the limit of broadcasts")                                \
	X(multicast, "over the limit of multicasts")                                \
	X(rate_in, "over the port's ingress rate")                                  \
	X(rate_out, "over the port's egress rate")                                  \
	X(share, "over the source's minimum, and nothing is left of the total")

enum vsw_policy_drop {
#define X(name, text) VSW_POLICY_DROP_##name,
	VSW_POLICY_DROPS(X)
#undef X
		VSW_POLICY_DROP_COUNT
};

/* any.  "acl_rule" and its sentence; "?" when out of range. */
const char *vsw_policy_drop_name(unsigned int kind);
const char *vsw_policy_drop_text(unsigned int kind);

struct vsw_policy_status {
	uint64_t drops[VSW_POLICY_DROP_COUNT];
	uint64_t default_permits;	    /* IP packets that matched no rule, and passed */
	uint64_t connection_packets;	    /* passed by a connection */
	uint64_t related;		    /* ICMP errors that passed by a connection */
	uint64_t fragments;		    /* passed since their first fragment did */
	uint64_t opened, replaced, refused; /* connections; the oldest one's place taken; no room */
	uint64_t revoked;		    /* connections that a change of rules ended */
	uint32_t connections;		    /* alive now */
	uint32_t capacity;		    /* most that there is memory for; 0: no stateful rule */
	uint32_t nr_rules;
};

struct vsw_policy_rule {
	char name[32];
	uint64_t hits; /* packets, with those that passed by a connection that it opened */
};

/* ctl.  NULL is fine: all zero. @now_tsc: the clock that tells which connections are alive. */
void vsw_policy_status(const struct vsw_policy *pol, uint64_t now_tsc,
		       struct vsw_policy_status *out);

/* ctl.  Rule @i as it was configured, 0 .. nr_rules - 1. False: there is none. */
bool vsw_policy_rule(const struct vsw_policy *pol, uint32_t i, struct vsw_policy_rule *out);
