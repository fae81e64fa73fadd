/* SPDX-License-Identifier: BSD-3-Clause */
/* The state memfd: what must outlive a switch process, one a partition. The worker makes it, seals
 * it and never maps it into the guest; the switch works in it. A new switch reads nothing else
 * about the past: ring indices are never read back from guest memory.
 *
 * A channel has two commit points. Each is a pair of slots and a selector: fill the idle slot, flip
 * the selector (release), then store the shared index. Killed between any two stores, the selected
 * slot is whole, and replaying it is idempotent.
 *
 *   g2h: a burst was taken from the guest->host ring  {read index, ids to complete, sections freed}
 *   h2g: a burst was put into the host->guest ring    {write index, receive sequence, burst whose
 *                                                      ids are completed by it} */
#pragma once

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/gmem.h"

#define VMBUS_STATE_MAGIC   0x3153564e56424d56ull
#define VMBUS_STATE_VERSION 2u
#define VMBUS_CHANS_MAX	    64u /* relid 1..63 */
#define VMBUS_VPS_MAX	    32u
#define VMBUS_LCORES_MAX    17u /* poll lcores, and last the switch's ctl thread */
#define VMBUS_LCORE_CTL	    (VMBUS_LCORES_MAX - 1)
#define VMBUS_BURST_MAX	    64u		/* VMBus packets taken in one burst */
#define VMBUS_DEV_STATE	    (96u << 10) /* bytes of the device's own state, each channel */

/* A receive section given back by the guest: freed only if it still has this sequence. */
struct vmbus_freed {
	uint32_t section;
	uint32_t seq;
};

struct vmbus_g2h_slot {
	uint64_t burst; /* number of this burst, from 1 */
	uint32_t read_index;
	uint16_t nr_taken;
	uint16_t nr_freed;
	uint32_t nr_frames; /* in the packets taken */
	uint32_t reserved;
	uint64_t taken[VMBUS_BURST_MAX]; /* transaction ids that await their completion */
	struct vmbus_freed freed[VMBUS_BURST_MAX];
};

struct vmbus_h2g_slot {
	uint32_t write_index;
	uint32_t rx_seq; /* sections with a later sequence were never seen by the guest */
	uint64_t burst_done;
};

/* On which way the frames for an adapter's guest come. Of a primary channel, and no part of what an open
 * begins anew: the guest may close and open the channel while its VF stays as it is. Written by the
 * switch's ctl, and by the worker while no switch knows the channel; numbers are the device's own. */
struct vmbus_path_state {
	uint32_t state;
	uint32_t serial; /* of the VF; 0: none was there */
	uint32_t wants_vf;
	uint32_t switches;
	uint64_t since_ms; /* the state's begin, CLOCK_REALTIME */
};

struct vmbus_chan_state {
	/* Written by the one lcore that reads this channel. */
	alignas(64) uint32_t g2h_sel;
	uint32_t generation; /* counts opens; 0: never opened */
	alignas(64) struct vmbus_g2h_slot g2h[2];
	/* Written under the channel's transmit lock. */
	alignas(64) uint32_t h2g_sel;
	struct vmbus_h2g_slot h2g[2];
	alignas(64) struct vmbus_path_state path;
	/* The device's own (NetVSP: struct netvsp_state). */
	alignas(4096) uint8_t dev[VMBUS_DEV_STATE];
};

/* Where a VP's event flags go. A flag wanted while they are off is kept and merged at enable. */
struct vmbus_vp_state {
	alignas(64) uint64_t siefp; /* GPA | 1 when enabled, 0 when not; the worker writes */
	uint64_t pending[VMBUS_CHANS_MAX / 64];
};

struct vmbus_lcore_state {
	alignas(64) uint32_t signalling; /* 1 while this lcore uses a siefp value */
};

struct vmbus_state {
	uint64_t magic;
	uint32_t version;
	uint32_t size;
	uint32_t nr_vps;
	uint32_t reserved;
	struct vmbus_lcore_state lcore[VMBUS_LCORES_MAX];
	struct vmbus_vp_state vp[VMBUS_VPS_MAX];
	alignas(4096) struct vmbus_chan_state chan[VMBUS_CHANS_MAX]; /* by relid */
};

/* ctl (worker).  Prepares a zeroed mapping of sizeof(struct vmbus_state). */
void vmbus_state_init(struct vmbus_state *st, unsigned int nr_vps);

/* ctl (switch).  0, or -EPROTO (text set) when it is not a state of our version. */
int vmbus_state_check(const struct vmbus_state *st, uint64_t size);

/* any.  The committed slots. */
const struct vmbus_g2h_slot *vmbus_state_g2h(const struct vmbus_chan_state *cs);
const struct vmbus_h2g_slot *vmbus_state_h2g(const struct vmbus_chan_state *cs);

/* lcore, the channel's reader.  The slot to fill for the next burst; commit makes it the past. */
static inline struct vmbus_g2h_slot *vmbus_state_g2h_next(struct vmbus_chan_state *cs)
{
	return &cs->g2h[(cs->g2h_sel ^ 1) & 1];
}

static inline void vmbus_state_g2h_commit(struct vmbus_chan_state *cs)
{
	__atomic_store_n(&cs->g2h_sel, (cs->g2h_sel ^ 1) & 1, __ATOMIC_RELEASE);
}

/* lcore, under the channel's transmit lock. */
static inline void vmbus_state_h2g_commit(struct vmbus_chan_state *cs, uint32_t write_index,
					  uint32_t rx_seq, uint64_t burst_done)
{
	uint32_t idle = (cs->h2g_sel ^ 1) & 1;
	struct vmbus_h2g_slot *h = &cs->h2g[idle];

	h->write_index = write_index;
	h->burst_done = burst_done;
	/* Read by other lcores, who may come two commits late: it only grows. */
	__atomic_store_n(&h->rx_seq, rx_seq, __ATOMIC_RELAXED);
	__atomic_store_n(&cs->h2g_sel, idle, __ATOMIC_RELEASE);
}

/* ctl (switch), no lcore uses the channel.  Starts a fresh open: indices 0, nothing outstanding. The
 * path stays. */
void vmbus_state_chan_reset(struct vmbus_chan_state *cs);

/* lcore, or ctl as VMBUS_LCORE_CTL.  Sets event flag @relid of SINT 2 in the VP's event-flag page and raises the VP's line by
 * writing @sint_fd when the flag was clear. @vp out of range: nothing (VMBUS_VP_NONE). */
void vmbus_state_signal(struct vmbus_state *st, const struct gmem *gm, unsigned int lcore,
			uint32_t vp, uint32_t relid, int sint_fd);

/* ctl or vcpu (worker).  Publishes a new event-flag page (0: off), waits until no lcore uses the old
 * one or @is_dead says that the switch is gone, then merges flags that waited. Returns true when
 * flags were merged: the caller raises the line. */
bool vmbus_state_set_siefp(struct vmbus_state *st, const struct gmem *gm, uint32_t vp,
			   uint64_t siefp, bool (*is_dead)(void *ctx), void *ctx);
