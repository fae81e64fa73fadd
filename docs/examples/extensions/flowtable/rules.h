/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules of a flow table: from the configuration to what lcores read. All of it is ctl's. */
#pragma once

#include <nethv/extension.h>

#include "../text.h"

#define RULES_MAX 256u
#define PORT_NAME 32u
#define PORT_NONE 0xFFFEu /* there is no such port; unlike NETHV_PORT_DEFAULT no packet's source */

enum rule_verdict { RULE_DROP, RULE_OUTPUT, RULE_FLOOD, RULE_NORMAL };

/* What the operator wrote. Zeroed before it is filled, so that two of them compare by memcmp(). */
struct want {
	uint32_t priority;
	int32_t vlan; /* -1: any */
	char in_port[PORT_NAME];
	uint8_t src_mac[6], dst_mac[6];
	uint8_t has_src_mac, has_dst_mac;
	uint8_t proto;	 /* 0: any */
	uint8_t verdict; /* enum rule_verdict */
	struct prefix src, dst;
	uint16_t ether_type; /* 0: any */
	uint16_t sport_lo, sport_hi, dport_lo, dport_hi;
	uint8_t is_setting_src, is_setting_dst, is_setting_vlan, is_setting_mark;
	uint8_t new_src[6], new_dst[6];
	uint32_t new_mark;
	int32_t new_vlan; /* -1: none */
	uint32_t nr_outputs;
	char output[NETHV_ROUTE_DSTS][PORT_NAME];
};

struct rule {
	struct want want;
	uint32_t line;	  /* its place in the configuration */
	uint16_t in_port; /* or PORT_NONE */
	uint16_t output[NETHV_ROUTE_DSTS];
};

/* Never changes once lcores see it, but for packets, each row of which is one lcore's. */
struct table {
	uint32_t generation;
	uint32_t n;
	uint32_t miss;			   /* enum rule_verdict */
	struct rule rule[RULES_MAX];	   /* by falling priority */
	uint64_t earlier[RULES_MAX + 1];   /* ctl: counted in the tables before this one */
	uint64_t packets[][RULES_MAX + 1]; /* [lcore][rule; n: none matched] */
};

/* The table of the configuration, or NULL: h->fail() was told. */
struct table *rules_read(const struct nethv_host *h);

/* A copy with the same rules and without counts, or NULL: no memory. */
struct table *rules_copy(const struct nethv_host *h, const struct table *t);

/* Looks up the ports that the rules name: those that are connected. During an event the switch may not say
 * so yet: @come (or NULL) is connected now, @gone (or PORT_NONE) is not. */
void rules_resolve(const struct nethv_host *h, struct table *t, const struct nethv_port_info *come,
		   uint16_t gone);
