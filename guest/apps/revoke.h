/* SPDX-License-Identifier: BSD-3-Clause */
/* Application `revoke`: a guest that takes its receive buffer back while frames come and uses the pages for something
 * else at once, again and again: whoever still writes there is found out. Frames that say a number are looked at, too:
 *
 *	dst:6 src:6 type:2 (REVOKE_TYPE) number:8, big-endian, then bytes number + 1, number + 2, ...
 *
 * A host may have devices write frames where they are read. If it says where in a section these begin, they are
 * counted as placed, and each cycle waits for some of them. */
#pragma once

#include "guest/netvsc/nvsc.h"

#define REVOKE_TYPE 0x88b5u /* for local experiments */

struct revoke {
	/* Set by the caller. */
	uint64_t cycles_max;
	uint32_t frames_each; /* to be received before the buffer is revoked */
	uint32_t place;	      /* of placed frames in their section; 0: there are none */
	uint64_t wait;	      /* while the pages hold the pattern: 100 ns units */
	/* Found. */
	uint64_t cycles;
	uint64_t rx_packets;
	uint64_t placed;
	uint64_t placed_cycles; /* with such frames */
	uint64_t numbered;
	uint64_t late;	    /* numbers that are not above the one before */
	uint64_t corrupted; /* numbered frames with other bytes */
	uint64_t compared;  /* bytes of the pattern */
	uint64_t damaged;   /* of these, changed by somebody */
	uint64_t damaged_cycles;
	uint64_t damaged_at; /* where in the buffer the last one was */
	/* Inside. */
	uint64_t last_number;
	uint32_t frames, placed_now; /* in this cycle */
};

/* One round on @q, the adapter's only queue. How many frames came, or negative: the adapter is unfit. */
int revoke_poll(struct revoke *r, struct nvsc_queue *q);

/* For tests: the bytes of the pattern at word @i in cycle @cycle; judging one frame; comparing @len bytes at @mem. */
uint64_t revoke_pattern(uint64_t cycle, uint64_t i);
void revoke_frame(struct revoke *r, const uint8_t *frame, uint32_t len);
void revoke_compare(struct revoke *r, const void *mem, uint64_t len);
