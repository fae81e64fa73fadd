/* SPDX-License-Identifier: BSD-3-Clause */
/* What an operator says of a port's built-in policies, as plain values. All zero is no policy.
 *
 * The ACL. Rules of two layers, each list in its order, the first rule that matches decides:
 *   Ethernet   judged first, for each frame. A denial is final. So is a permission for a frame that is
 *              not IP; IP frames go on to the IP rules. Frames that match no rule: default_ether when
 *              they are not IP, else on to the IP rules.
 *   IPv4, IPv6 packets that match no rule: default_ip. Neighbour discovery is ICMPv6: with a denial
 *              as default it needs a rule.
 * A stateful permission opens a connection: packets of either direction pass by it without a rule, and
 * ICMP errors that speak of it, too.
 *
 * Fragments but the first have no ports. They pass when their first fragment did, a moment ago, else by
 * the rules: one that denies takes them whatever ports it names, one that permits only when it names
 * none. Of IPv6 the protocol is not known either then: only the first fragment's counts. The same goes
 * for packets whose header chain does not end in their first 128 bytes.
 *
 * Frames with a further VLAN tag inside are denied unless an Ethernet rule permits their type, as soon as
 * there is an IP rule or a default that denies. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/packet.h"

#define VSW_ACL_RULES_MAX   4096u
#define VSW_ACL_CONNS_MAX   4194304u
#define VSW_ACL_CONNS_USUAL 32768u
#define VSW_RATE_BURST_MIN  131072u /* bytes: a frame that is to be cut fits in */

enum vsw_acl_layer { VSW_ACL_ETHER, VSW_ACL_IP4, VSW_ACL_IP6 };
enum vsw_acl_ways { VSW_ACL_INGRESS = 1, VSW_ACL_EGRESS = 2, VSW_ACL_BOTH = 3 };
enum vsw_acl_action { VSW_ACL_PERMIT, VSW_ACL_DENY };

struct vsw_acl_prefix {
	uint8_t addr[16]; /* network order; IPv4: the first 4 bytes */
	uint8_t len;	  /* 0: any */
};

struct vsw_acl_range {
	uint16_t first, last; /* both 0: any */
};

struct vsw_acl_mac {
	uint8_t addr[6];
	uint8_t mask[6]; /* bits that count; all 0: any */
};

struct vsw_acl_rule {
	char name[32];
	uint8_t layer;	  /* enum vsw_acl_layer */
	uint8_t ways;	  /* enum vsw_acl_ways: ingress is from the port into the switch */
	uint8_t action;	  /* enum vsw_acl_action */
	bool is_stateful; /* IP, permit */

	/* IPv4, IPv6 */
	uint8_t proto; /* 0: any */
	bool has_icmp_type, has_icmp_code;
	uint8_t icmp_type, icmp_code;
	struct vsw_acl_prefix src, dst;
	struct vsw_acl_range src_port, dst_port; /* TCP, UDP, UDP-Lite, SCTP, DCCP */

	/* Ethernet */
	uint16_t ether_type; /* 0: any */
	struct vsw_acl_mac src_mac, dst_mac;
};

/* Seconds without a packet after which a connection is forgotten. 0: as usual, in brackets. */
struct vsw_acl_idle {
	uint32_t tcp;	    /* [3600] answered, and not both sides are done */
	uint32_t tcp_new;   /* [120] not answered yet */
	uint32_t tcp_end;   /* [30] both sides are done; a reset */
	uint32_t other;	    /* [180] UDP and others, answered */
	uint32_t other_new; /* [30] not answered yet; ICMP echo */
};

/* Over the limit is dropped. Each 0: none. */
struct vsw_rate_cfg {
	uint64_t max_kbps;	/* 1000 bits a second of frames without tag and FCS */
	uint64_t burst_bytes;	/* 0: 10 ms' worth, at least VSW_RATE_BURST_MIN */
	uint64_t max_pps;	/* a frame that is to be cut counts as its segments */
	uint64_t burst_packets; /* 0: 10 ms' worth, at least 256 */
};

/* Of an egress port whose rate is shared by sources. What a source sends within its minimum always
 * passes; beyond it takes from what the others leave of the total. */
struct vsw_share_cfg {
	uint64_t total_kbps;	  /* 0: none */
	uint64_t burst_bytes;	  /* as above */
	const uint64_t *min_kbps; /* [VSW_PORTS_MAX] by source port; 0: no minimum. Borrowed during
				   * the call; the sum is at most the total */
};

enum vsw_pvlan_role { VSW_PVLAN_PROMISCUOUS, VSW_PVLAN_ISOLATED, VSW_PVLAN_COMMUNITY };

struct vsw_pvlan {
	uint8_t role;	    /* enum vsw_pvlan_role */
	uint16_t community; /* 1..: of communities */
};

struct vsw_policy_cfg {
	const struct vsw_acl_rule *rules; /* borrowed during the call */
	uint32_t nr_rules;
	uint8_t default_ip[2]; /* enum vsw_acl_action, by enum vsw_policy_way */
	uint8_t default_ether[2];
	uint32_t max_connections; /* 0: VSW_ACL_CONNS_USUAL; about: memory for more is set aside */
	bool must_refuse; /* no room for a connection: refused (the packet passes, its answers do
			   * not) instead of the oldest one's place taken */
	struct vsw_acl_idle idle;

	/* Ingress: what a partition must not send. */
	bool dhcp_guard;
	bool router_guard;

	struct vsw_rate_cfg rate[2]; /* by enum vsw_policy_way */
	struct vsw_share_cfg share;
	uint64_t broadcast_pps, multicast_pps; /* ingress; 0: no limit */

	struct vsw_pvlan pvlan; /* the port's own role */
	/* [VSW_PORTS_MAX] roles of the ports of this switch by number, judged where a packet leaves.
	 * NULL: all are promiscuous. Borrowed during the call. Give it to each port as soon as one
	 * has a role. */
	const struct vsw_pvlan *pvlan_of;
};

/* any.  0, or -EINVAL with the text of the first fault: which rule, what is wrong, what is allowed. */
int vsw_policy_check(const struct vsw_policy_cfg *cfg);
