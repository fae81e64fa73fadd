/* SPDX-License-Identifier: BSD-3-Clause */
/* The parts of the ACL: rules compiled for rte_acl (acl_rules.c), what of a packet they look at
 * (acl_key.c), and the judging of a burst (acl.c). */
#pragma once

#include <rte_acl.h>

#include "vswitch/policy/priv.h"

#define ACL_NO_MATCH 0u /* of a classification; else the rule's number + 1 */

/* What is known of a packet whose ports are not: the first "port" in its key. */
enum acl_unknown { ACL_PORTS_UNKNOWN = 0, ACL_PROTO_UNKNOWN = 1 };

struct acl_ether_key {
	uint8_t zero[4];
	uint8_t dst[6], src[6];
	uint16_t type; /* network order */
	uint16_t pad;
};

struct acl_rule {
	bool is_permit, is_stateful;
	bool has_l4; /* names a protocol, ports or an ICMP type */
};

/* Rules of one way. Each NULL when no rule is for it. full: packets of which all is known; blind: those
 * without ports, in which only denials name what is not known. */
struct acl_set {
	struct rte_acl_ctx *ether, *full[2], *blind[2]; /* [is IPv6] */
	bool is_strict; /* IP is judged, so what hides it is not let through */
	uint8_t default_ip, default_ether;
};

/* ctl.  0, -ENOMEM, or what rte_acl says (text set). acl_set_free() takes half-built ones. */
int acl_set_build(struct acl_set *s, const struct vsw_policy_cfg *cfg, enum vsw_policy_way way);
void acl_set_free(struct acl_set *s);

enum acl_kind { ACL_FULL, ACL_BLIND };
enum acl_tcp { ACL_FIN = 1, ACL_SYN = 2, ACL_RST = 4, ACL_ACK = 16 };

/* What the ACL looks at. */
struct acl_pkt {
	union pol_key key;
	uint64_t hash;	   /* of the connection's key */
	uint32_t datagram; /* identification, of a fragment */
	uint32_t result;   /* of the classification */
	uint16_t k;	   /* in the burst */
	uint16_t echo;	   /* ICMP echo: identifier, network order */
	uint8_t kind;	   /* enum acl_kind */
	uint8_t tcp;	   /* enum acl_tcp */
	bool is_v6;
	bool is_fragment, is_later;
	bool is_echo, is_reply;
	bool is_error; /* ICMP: speaks of another packet */
	bool is_done;  /* passes without the rules */
};

/* lcore.  Fills @p from packet @p->k of @b, which is IP. */
void acl_key_read(struct pol_burst *b, struct acl_pkt *p);

/* any.  The key of the packet's connection, which both directions share. */
void acl_conn_key(const struct acl_pkt *p, uint8_t way, union pol_key *out);

/* any.  The key that rules saw when the connection @conn was opened by a packet of @way. */
void acl_opening_key(const union pol_key *conn, uint8_t bits, union pol_key *out);

/* lcore.  The connection that an ICMP error speaks of. False: it speaks of none that could be. */
bool acl_error_key(struct pol_burst *b, const struct acl_pkt *p, union pol_key *out);
