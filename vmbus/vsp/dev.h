/* SPDX-License-Identifier: BSD-3-Clause */
/* What a device is to its channel, and a channel to its device. The devices of this folder are written
 * against it, and so may be one of another module (vsp_cfg.dev): it gets a channel on the vsp thread
 * and knows nothing of rings, doorbells and who runs the bus. All of a channel but what is marked
 * belongs to that thread while it runs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmbus/ring.h"
#include "vmbus/vsp/vsp.h"

#define VSP_WHY_MAX  160u
#define VSP_NEVER    INT64_MAX
#define VSP_RETRY_MS 20 /* while the guest's ring is full: it may have lost the edge */

struct vsp_chan;

enum vsp_take {
	VSP_TAKE_YES,
	VSP_TAKE_LATER,	  /* the device says when: vsp_chan_wake() */
	VSP_TAKE_NO_ROOM, /* what it answers would not fit the guest's ring */
};

/* All but the first on the vsp thread. */
struct vsp_dev {
	void (*offer_cfg)(const struct vsp_chan *ch, struct vmbus_local_cfg *out); /* ctl */
	/* Before the first packet. 0 or -EPROTO (text set). */
	int (*opened)(struct vsp_chan *ch, int64_t now_ms);
	/* Nothing more comes; jobs may still be out (nr_jobs). */
	void (*closed)(struct vsp_chan *ch);
	enum vsp_take (*may_take)(struct vsp_chan *ch);
	/* One packet, copied and its descriptor checked. 0 or -EPROTO (text set). */
	int (*packet)(struct vsp_chan *ch, const struct vmbus_pkt_desc *d, const uint8_t *pkt,
		      int64_t now_ms);
	/* ch->deadline_ms has come. 0 or -EPROTO (text set). NULL when it never sets one. */
	int (*timer)(struct vsp_chan *ch, int64_t now_ms);
};

enum vsp_chan_state { VSP_CHAN_CLOSED, VSP_CHAN_OPEN, VSP_CHAN_FAULTED, VSP_CHAN_CLOSING };

struct vsp_chan {
	struct vsp *v;
	const struct vsp_dev *dev;
	void *self;
	const char *name;
	uint32_t relid; /* ctl; 0: not offered */

	enum vsp_chan_state state;
	struct vmbus_ring in, out;
	uint32_t target_vp;
	int doorbell;
	bool is_ready;	  /* to be polled in the next turn */
	bool is_dirty;	  /* something was put into the out ring */
	bool is_short;	  /* waits for room in the out ring */
	uint32_t want;	  /* bytes of room that the next packet's answer needs */
	uint32_t nr_jobs; /* in the pool, or on their way back */
	int64_t deadline_ms;
	bool is_told; /* ctl has collected the fault */
	char why[VSP_WHY_MAX];
};

/* ---- What a device does with its channel; all on the vsp thread ------------------------------- */

/* Bytes that can be put now; -EPROTO (text set). */
int32_t vsp_chan_room(struct vsp_chan *ch);
/* Puts an in-band packet or a completion (@type). 0, -EAGAIN (no room), -EPROTO (text set). */
int vsp_chan_send(struct vsp_chan *ch, enum vmbus_pkttype type, uint16_t flags, uint64_t trans_id,
		  const void *body, uint32_t len);
/* Publishes what was sent; the guest is signalled if it wants to. Turns do so by themselves. */
void vsp_chan_flush(struct vsp_chan *ch);
void vsp_chan_fault(struct vsp_chan *ch); /* the text is the reason */

static inline void vsp_chan_wake(struct vsp_chan *ch)
{
	ch->is_ready = true;
}

/* ---- How ctl gets things done on the thread ------------------------------------------------- */

/* Work that ctl waits for. */
struct vsp_call {
	int (*fn)(struct vsp_call *call); /* on the vsp thread; -EINPROGRESS: ask again later */
	struct vsp *v;
	int rc;
	bool is_done;
};

/* ctl.  Runs @call on the vsp thread and waits for it. Returns what it returned. */
int vsp_run(struct vsp *v, struct vsp_call *call);
void vsp_tell_ctl(struct vsp *v); /* any */
int64_t vsp_now_ms(void);	  /* any.  CLOCK_MONOTONIC */
