/* SPDX-License-Identifier: BSD-3-Clause */
/* What an 82576 is to compare, as tables: pure. It compares a frame's address and its VLAN apart from each other, each
 * gives a set of pools, and the frame goes to the pools that are in both sets, or, when there is none, to pool
 * 0. So (address a, VLAN 1) and (address b, VLAN 2) of one pool let (a, 2) into it as well; filters that it
 * cannot tell exactly are refused. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmq/filter.h"
#include "vmq/igb_reg.h"

#define IGB_RULES_MAX (IGB_MACS * (IGB_VLANS + 1))

struct igb_rule {
	struct vmq_filter f;
	uint16_t q; /* the pool: 1 .. 7 */
};
struct igb_rules {
	struct igb_rule r[IGB_RULES_MAX];
	uint32_t nr;
};

/* Pools are bits. */
struct igb_mac {
	uint8_t addr[6];
	uint8_t pools; /* 0: free */
};
struct igb_vlan {
	uint16_t vid;
	uint8_t pools; /* 0: free; pool 0 is in all others, for groups' frames */
};
struct igb_table {
	bool has_vlans;	  /* VLANs are compared; else an address is all */
	uint8_t untagged; /* pools for frames without a tag */
	struct igb_mac mac[IGB_MACS];
	struct igb_vlan vlan[IGB_VLANS]; /* as in the device. [0]: VLAN 0 */
};

/* any, all of it. */

/* The tables for @rules. VLANs stay in the entries that they have in @now. @heard: bit v: frames of groups in VLAN v
 * must come in, too. 0, -ENOSPC (an entry more than there is), -ENOTSUP (filters with and without a test of the
 * VLAN) (text set). */
int igb_table_build(struct igb_table *t, const struct igb_table *now, const struct igb_rules *rules,
		    const uint64_t heard[64]);

/* Whether exactly what passes a filter goes to its pool: 0, or -ENOSPC (text: what would not). */
int igb_table_check(const struct igb_table *t, const struct igb_rules *rules);

/* How to come from @from to @to, which differ by one filter that goes from one pool to another, so that each frame goes
 * to one pool at each instant: via[0], then, by one register's write, via[1], then @to. 0 or -ENOSPC (text set). */
int igb_table_move(struct igb_table via[2], const struct igb_table *from,
		   const struct igb_table *to, const struct igb_rules *before,
		   const struct igb_rules *after);

/* Index in t->mac, or -1. */
int igb_table_mac(const struct igb_table *t, const uint8_t *addr);
