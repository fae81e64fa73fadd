/* SPDX-License-Identifier: BSD-3-Clause */
/* A receive filter (VMQ-2): the destination address is equal, and the VLAN passes its test. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum vmq_vlan_test {
	VMQ_VLAN_ANY,	   /* not looked at */
	VMQ_VLAN_IS,	   /* tagged with that VLAN (1 .. 4094) */
	VMQ_VLAN_UNTAGGED, /* no tag, or one with VLAN 0 */
};

struct vmq_filter {
	uint8_t mac[6];	   /* not a group's, not zero */
	uint8_t vlan_test; /* enum vmq_vlan_test */
	uint16_t vlan;	   /* VMQ_VLAN_IS; else 0 */
};

/* any.  @vlan: of the frame's tag; 0 without one. */
static inline bool vmq_filter_passes(const struct vmq_filter *f, const uint8_t *dmac, uint16_t vlan)
{
	return !memcmp(f->mac, dmac, 6) && (f->vlan_test == VMQ_VLAN_ANY || f->vlan == vlan);
}

static inline bool vmq_filter_is_same(const struct vmq_filter *a, const struct vmq_filter *b)
{
	return !memcmp(a->mac, b->mac, 6) && a->vlan_test == b->vlan_test && a->vlan == b->vlan;
}

/* Whether a frame could pass both. */
static inline bool vmq_filter_overlaps(const struct vmq_filter *a, const struct vmq_filter *b)
{
	return !memcmp(a->mac, b->mac, 6) &&
	       (a->vlan_test == VMQ_VLAN_ANY || b->vlan_test == VMQ_VLAN_ANY || a->vlan == b->vlan);
}

/* "02:00:00:00:00:01 vlan 7", "... untagged", "... any vlan" */
#define VMQ_FILTER_TEXT 40u
const char *vmq_filter_text(const struct vmq_filter *f, char buf[VMQ_FILTER_TEXT]);
