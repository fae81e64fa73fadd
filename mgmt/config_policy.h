/* SPDX-License-Identifier: BSD-3-Clause */
/* What the configuration says of a port's policies, and of mirrors: as written, with the texts not taken
 * apart. config.h includes it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/mirror.h"
#include "vswitch/policy/config.h"

/* A rule of an ACL. Which layer it is of follows from its keys. */
struct mgmt_acl_rule {
	char *name;
	uint8_t way;	/* enum vsw_acl_ways */
	uint8_t action; /* enum vsw_acl_action */
	char *proto, *src, *dst, *sport, *dport;
	uint8_t *icmp_type, *icmp_code;
	char *ether_type, *src_mac, *dst_mac;
	bool stateful;
};

enum mgmt_guard { MGMT_GUARD_DHCP, MGMT_GUARD_ROUTER };

/* What becomes of packets that match no rule: enum vsw_acl_action. Other: not IP. */
struct mgmt_acl_default {
	uint8_t in, out, other_in, other_out;
};

/* Each 0: as usual. */
struct mgmt_acl_connections {
	uint32_t max;
	bool must_refuse; /* key "when_full" */
	uint32_t tcp_s, tcp_new_s, tcp_end_s, other_s, other_new_s;
};

/* Each 0: none. */
struct mgmt_limit {
	uint32_t in_mbps, out_mbps, burst_kb, in_pps, out_pps;
};

struct mgmt_storm {
	uint32_t broadcast_pps, multicast_pps;
};

struct mgmt_policy {
	struct mgmt_acl_rule *acl;
	uint32_t acl_count;
	struct mgmt_acl_default acl_default;
	struct mgmt_acl_connections acl_connections;
	enum mgmt_guard *guards;
	uint32_t guards_count;
	struct mgmt_limit limit;
	uint32_t share_mbps; /* what its senders share; 0: nothing is shared */
	uint32_t min_mbps;   /* of what others share; 0: none */
	struct mgmt_storm storm;
	char *isolation; /* "isolated", "community 5"; NULL: promiscuous */
};

struct mgmt_mirror {
	char **from;
	uint32_t from_count;
	char *to;
	uint8_t way;  /* enum vsw_mirror_way; always set after load */
	uint8_t what; /* key "drops": enum vsw_mirror_what; always set after load */
	uint32_t snap_len;
};
