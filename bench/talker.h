/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest on plain memory that sends the same burst for ever, and gives back what it receives. Its part is
 * not measured: it only keeps the host busy. */
#pragma once

#include "tests/support/nvspbed.h"

#define TALK_NO_PPI UINT32_MAX

/* What a burst consists of. */
struct talk {
	uint32_t len;	/* of a frame */
	uint32_t nr;	/* messages in one VMBus packet */
	uint32_t pkts;	/* VMBus packets in a burst */
	uint32_t ppi;	/* TALK_NO_PPI: none */
	uint32_t value; /* of the PPI */
	uint32_t
		step; /* pages from a packet's messages to the next one's; 0: all send the same ones */
	bool has_ranges; /* each message is a GPA range of its own, as those that a guest forwards are */
};

struct talker {
	struct bed *bed;
	const struct talk *k;
	uint64_t first_pfn; /* of the messages: enough for the longest burst */
	uint32_t bytes;	    /* of a packet's messages */
};

/* The messages are written, once: frames from @src to @dst. */
void talker_prepare(struct talker *t, const struct talk *k, const uint8_t *dst, const uint8_t *src);
/* Where frame @i of the burst begins. */
uint8_t *talker_frame(const struct talker *t, uint32_t i);
/* A burst lies in the ring. */
void talker_sends(const struct talker *t);
/* All that came is taken and given back. */
void talker_reads(struct bed *b);
