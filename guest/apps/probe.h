/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of `trial`: UDP with a sequence number and a time stamp. All bytes follow from the template, the number and
 * the stamp, so that a receiver builds the frame again and compares.
 *
 *	60 bytes: Ethernet, IPv4, UDP (no checksum), magic:2 trial:2 seq:6 tsc:6 check:2
 *	then: the pattern of flow.h */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PROBE_LEN_MIN  60u
#define PROBE_LEN_MAX  9018u
#define PROBE_MACS_MAX (1u << 20)
#define PROBE_TSC_MASK 0xffffffffffffull

struct probe_cfg {
	uint8_t src[6], dst[6]; /* the first address of each side */
	uint32_t src_macs;	/* addresses in a row; 1 to PROBE_MACS_MAX */
	uint32_t dst_macs;
	uint32_t flows; /* IPv4 source addresses, from 10.0.0.0; 1 to 2^24 */
	uint16_t trial;
	bool is_in_turn; /* to one address after the other, else to any */
};

/* What all frames of one length and one direction have in common. */
struct probe_tmpl {
	uint8_t head[PROBE_LEN_MIN];
	uint32_t len;
	uint32_t ip_sum; /* of the header without its source address, folded later */
	uint32_t src_low, dst_low;
	struct probe_cfg cfg;
};

enum probe_verdict {
	PROBE_OTHER = 0, /* none of ours, or of another trial */
	PROBE_CORRUPT,
	PROBE_GOOD,
};

/* flow_init() was called. @len: without FCS, PROBE_LEN_MIN to PROBE_LEN_MAX. */
void probe_tmpl_init(struct probe_tmpl *t, const struct probe_cfg *cfg, uint32_t len);
/* Writes a whole frame. @seq, @tsc: 48 bits of each. */
void probe_build(const struct probe_tmpl *t, uint8_t *frame, uint64_t seq, uint64_t tsc);
/* Writes a frame by which a switch learns source address @i. */
void probe_announce(const struct probe_tmpl *t, uint8_t *frame, uint32_t i);
/* @frame has t->len bytes. @seq and @tsc are only good with PROBE_GOOD. */
enum probe_verdict probe_check(const struct probe_tmpl *t, const uint8_t *frame, uint64_t *seq,
			       uint64_t *tsc);
