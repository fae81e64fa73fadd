/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets for port policies: built from a few words, in a vector whose backing lies apart from the
 * private bytes, as a guest's does. */
#pragma once

#include "vswitch/policy/config.h"
#include "vswitch/policy/policy.h"
#include "vswitch/policy/status.h"
#include "vswitch/stages.h"

#define POLBED_FRAME 2048u

struct polbed_pkt {
	bool is_v6;
	uint8_t proto;
	uint32_t src, dst; /* the last 32 bits of an address; IPv6: fd00::, or fe80:: */
	uint16_t sport, dport;
	uint8_t tcp;		    /* flags */
	uint8_t icmp[8];	    /* with proto ICMP or ICMPv6, for the L4 header */
	uint16_t frag;		    /* field of IPv4; of IPv6 with is_fragment */
	uint16_t id;		    /* identification */
	bool is_fragment, is_local; /* IPv6: fragment header; link-local source */
	uint16_t vlan, src_port;
	const uint8_t *tail; /* behind the first 8 bytes of L4, tail_len of them */
	uint16_t tail_len;
	uint8_t ext
		[128]; /* IPv6: extension headers before the fragment header; ext_first the first's
			   * number, the last one's next header as written */
	uint8_t ext_len, ext_first;
	uint16_t hdr_len; /* private bytes; 0: all that fit */
};

struct polbed {
	struct vsw_vec v;
	uint8_t frame[VSW_VEC_SIZE][POLBED_FRAME];
	uint16_t why[VSW_VEC_SIZE];
};

/* Empty; @lcore 0, the clock at now. */
void polbed_init(struct polbed *bed);

/* Appends a packet, parsed. Returns its frame bytes in the backing (the private ones are a copy). */
uint8_t *polbed_put(struct polbed *bed, const struct polbed_pkt *p);
/* Appends any frame. */
void polbed_put_raw(struct polbed *bed, const void *frame, uint16_t len, uint16_t hdr_len);

/* Runs all packets through @pol; then the vector is empty, and why[] says what became of them. Returns
 * how many passed. */
uint16_t polbed_run(struct polbed *bed, struct vsw_policy *pol, enum vsw_policy_way way);

/* One packet: its drop reason. */
uint16_t polbed_one(struct polbed *bed, struct vsw_policy *pol, enum vsw_policy_way way,
		    const struct polbed_pkt *p);

/* Later by @ms. */
void polbed_wait(struct polbed *bed, uint64_t ms);

/* A rule for both ways that permits any packet of @layer. */
struct vsw_acl_rule polbed_rule(const char *name, uint8_t layer);
