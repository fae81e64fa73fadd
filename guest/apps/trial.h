/* SPDX-License-Identifier: BSD-3-Clause */
/* Application `trial`: load on order, from one or both of two sides through whatever lies between, and what became of
 * each frame. One thread sends and receives on both sides, so that one clock stamps and reads. The engine is free of
 * the platform: adapters of our guest and DPDK's ports drive it alike.
 *
 * A trial: announce its addresses, wait, send at a constant rate (what had no room in time goes later, what had
 * none until the end is `unsent`), wait until nothing more comes. A third port may listen meanwhile: what reaches it
 * was flooded, for no address is there. */
#pragma once

#include "guest/apps/hist.h"
#include "guest/apps/probe.h"
#include "guest/apps/rows.h"
#include "guest/apps/seq.h"

#define TRIAL_BURST 64u
#define TRIAL_SIZES 12u /* a cycle of lengths: IMIX is 7 x 64, 4 x 570, 1 x 1518 */
#define TRIAL_LENS  3u	/* different ones */

struct trial_frame {
	const uint8_t *data;
	uint32_t len;
};

/* One side. */
struct trial_ops {
	/* Takes up to @max (<= TRIAL_BURST) frames, which are there until flush(). */
	unsigned int (*rx)(void *side, struct trial_frame *f, unsigned int max);
	/* Room for frames of @len[0..n) in this order, for as many as returned. They are sent by flush(). */
	unsigned int (*tx)(void *side, const uint32_t *len, uint8_t **at, unsigned int n);
	void (*flush)(void *side);
};

struct trial_cfg {
	uint16_t id;	 /* of the trial: frames of others are not counted */
	uint64_t rate;	 /* frames a second and direction; 0: as fast as there is room */
	uint64_t count;	 /* frames a direction */
	uint32_t window; /* frames on their way in a direction at most; 0: any number */
	uint32_t flows;	 /* IP source addresses */
	uint32_t macs;	 /* addresses of each side that receives; the other has one */
	uint64_t
		announce; /* so many addresses a second send a frame first, and the load goes to one after
			    * the other; 0: none does, and it goes to any */
	bool is_both;  /* side 1 sends, too */
	bool has_rows; /* what becomes of the frames of each second is kept */
	uint8_t nr_len;
	uint32_t len[TRIAL_SIZES]; /* without FCS, in this order again and again */
	uint64_t tsc_hz;
	uint8_t mac[2][6]; /* first address of each side */
};

enum trial_state {
	TRIAL_IDLE = 0,
	TRIAL_ANNOUNCE,
	TRIAL_SETTLE, /* what was announced arrives, and what an earlier trial left over */
	TRIAL_RUN,
	TRIAL_DRAIN,
	TRIAL_DONE,
};

/* One direction. */
struct trial_way {
	struct probe_tmpl tmpl[TRIAL_LENS];
	uint64_t sent;
	uint64_t unsent;
	uint32_t announced;
	uint64_t bytes; /* received */
	uint64_t corrupted;
	uint64_t last_lat;   /* latency of the frame before */
	uint64_t jitter_sum; /* of differences between neighbours; TSC cycles */
	struct seq seq;
};

struct trial {
	const struct trial_ops *ops;
	void *side[2], *monitor; /* monitor: or NULL */
	struct trial_cfg cfg;
	uint8_t kind[TRIAL_SIZES]; /* which of the templates */
	enum trial_state state;
	unsigned int nr_behind;	 /* rounds in a row that only received */
	uint64_t start_tsc;	 /* of the announcing, then of the load */
	uint64_t start_stamp;	 /* of the load, by the clock that stamps */
	uint64_t next_tsc;	 /* when the state ends at the latest */
	uint64_t announce_time;	 /* that it took, TSC cycles */
	uint64_t sent_tsc;	 /* of the last frame */
	uint64_t received_tsc;	 /* of the last one; 0: none */
	uint64_t lag;		 /* the most frames that were due and not sent */
	uint64_t gap;		 /* the longest time without a frame within the load */
	uint64_t strange;	 /* frames that are none of this trial's */
	uint64_t flooded;	 /* frames of the load that the monitor got */
	struct trial_way way[2]; /* that side n sends */
	struct hist latency;	 /* of both, TSC cycles */
	struct rows rows;	 /* of both */
};

struct trial_sum {
	uint64_t sent, unsent, received, duplicated, reordered, corrupted, bytes;
	uint64_t jitter; /* mean, TSC cycles */
};

/* flow_init() was called. */
void trial_init(struct trial *t, const struct trial_ops *ops, void *side0, void *side1,
		void *monitor);

/* Reads an order: "rate=PPS ms=N" or "count=N", size=64..|imix, flows=, macs=, window=, both=0|1, announce=PPS,
 * rows=0|1. Sizes include the FCS; rates are those of a direction. Sets all but id, tsc_hz and mac of @cfg. NULL, or
 * what is wrong. */
const char *trial_parse(struct trial_cfg *cfg, const char *order, uint32_t size_max);

/* Begins, whatever is under way. */
void trial_begin(struct trial *t, const struct trial_cfg *cfg, uint64_t tsc);

/* One round. Returns how many frames came or went. */
unsigned int trial_poll(struct trial *t, uint64_t tsc);

void trial_sum(const struct trial *t, struct trial_sum *out);
