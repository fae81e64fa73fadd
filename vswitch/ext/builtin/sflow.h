/* SPDX-License-Identifier: BSD-3-Clause */
/* sFlow version 5: sampled packets as datagrams for a collector. The capturing extension `sflow`, and the
 * encoding that it uses. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <nethv/extension.h>

extern const struct nethv_ext vsw_sflow_ext;

#define SFLOW_PORT	  6343u
#define SFLOW_DGRAM_MAX	  1400u /* fits an MTU of 1500 with IPv6 and some tunnel */
#define SFLOW_HEADER_MAX  (NETHV_PRIVATE_MAX + 4u)
#define SFLOW_IF_UNKNOWN  0u
#define SFLOW_IF_SELF	  0x3FFFFFFFu /* the agent itself sent it */
#define SFLOW_FRAME_BYTES 4u	      /* FCS: counted in a frame's length, not in its header */

/* One flow sample with its raw header and VLAN. */
struct sflow_sample {
	uint32_t seq;	    /* of the source */
	uint32_t source;    /* ifIndex, below 2^24; 0: not an interface's */
	uint32_t input;	    /* likewise, or SFLOW_IF_SELF */
	uint32_t rate;	    /* one of so many */
	uint32_t pool;	    /* packets that could have been sampled */
	uint32_t drops;	    /* samples lost for lack of room */
	uint32_t frame_len; /* on the wire, with tag and FCS */
	uint16_t vlan;
	uint16_t priority;
	uint32_t header_len; /* at most SFLOW_HEADER_MAX */
	const uint8_t *header;
};

/* Who sends. */
struct sflow_agent {
	uint8_t addr[16];
	bool is_v6;
	uint32_t sub_id;
};

struct sflow_dgram {
	uint8_t bytes[SFLOW_DGRAM_MAX];
	uint32_t len; /* 0: not begun */
	uint32_t nr_samples;
	uint32_t nr_at; /* where that number stands */
};

/* any.  Begins a datagram; sflow_add() returns false when the sample does not fit any more. After each
 * of them the bytes are a whole datagram. */
void sflow_begin(struct sflow_dgram *d, const struct sflow_agent *a, uint32_t seq,
		 uint32_t uptime_ms);
bool sflow_add(struct sflow_dgram *d, const struct sflow_sample *s);
