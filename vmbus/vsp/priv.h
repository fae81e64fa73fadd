/* SPDX-License-Identifier: BSD-3-Clause */
/* Private to vmbus/vsp: a channel, what a device is to it, and how ctl gets things done on the vsp
 * thread. All of a channel but what is marked belongs to that thread while it runs. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmbus/ring.h"
#include "vmbus/vsp/pool.h"
#include "vmbus/vsp/vsp.h"

#define VSP_CHANS_MAX  5u
#define VSP_PKT_MAX    4096u /* the longest packet that a device of ours takes */
#define VSP_BUDGET     64u   /* packets of a channel in a turn */
#define VSP_WHY_MAX    160u
#define VSP_NEVER      INT64_MAX
#define VSP_RETRY_MS   20 /* while the guest's ring is full: it may have lost the edge */
#define VSP_IO_THREADS 4u

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

/* A job of a channel. done() runs on the vsp thread, unless the channel was closed or faulted. */
struct vsp_job {
	struct pool_job job;
	struct vsp_chan *ch;
	int (*done)(struct vsp_job *job); /* 0 or -EPROTO (text set) */
	void (*release)(struct vsp_job *job);
};

/* ---- chan.c; all on the vsp thread ---------------------------------------------------------- */

int vsp_chan_open(struct vsp_chan *ch, const struct vmbus_local_open *o, int doorbell,
		  int64_t now_ms);
void vsp_chan_unhook(struct vsp_chan *ch); /* its doorbell is no longer waited for */
/* Bytes that can be put now; -EPROTO (text set). */
int32_t vsp_chan_room(struct vsp_chan *ch);
/* Puts an in-band packet or a completion (@type). 0, -EAGAIN (no room), -EPROTO (text set). */
int vsp_chan_send(struct vsp_chan *ch, enum vmbus_pkttype type, uint16_t flags, uint64_t trans_id,
		  const void *body, uint32_t len);
/* Publishes what was sent; the guest is signalled if it wants to. Turns do so by themselves. */
void vsp_chan_flush(struct vsp_chan *ch);
/* One turn: takes packets, publishes, signals. */
void vsp_chan_poll(struct vsp_chan *ch, int64_t now_ms);
void vsp_chan_timer(struct vsp_chan *ch, int64_t now_ms);
void vsp_chan_fault(struct vsp_chan *ch); /* the text is the reason */
void vsp_chan_submit(struct vsp_job *job);
void vsp_chan_job_done(struct vsp_job *job);

static inline void vsp_chan_wake(struct vsp_chan *ch)
{
	ch->is_ready = true;
}

/* ---- vsp.c ---------------------------------------------------------------------------------- */

struct stor;
struct ics;

/* Work that ctl waits for. */
struct vsp_call {
	int (*fn)(struct vsp_call *call); /* on the vsp thread; -EINPROGRESS: ask again later */
	struct vsp *v;
	int rc;
	bool is_done;
};

struct vsp {
	char name[64];
	const struct gmem *gm;
	const struct vsp_ops *ops;
	void *ctx;
	int epfd;
	int wake_fd; /* of the vsp thread */
	int ctl_fd;  /* of ctl */
	struct pool pool;
	bool has_pool;
	pthread_t thread;
	bool has_thread;
	struct stor *stor;
	struct ics *ics;

	pthread_mutex_t lock; /* of the rest */
	pthread_cond_t called;
	struct vsp_call *call;
	bool is_stopping;

	struct vsp_chan chan[VSP_CHANS_MAX];
	uint32_t nr_chans; /* fixed before the first is offered */
};

/* ctl.  Runs @call on the vsp thread and waits for it. Returns what it returned. */
int vsp_run(struct vsp *v, struct vsp_call *call);
/* ctl.  Adds a channel of a device; it is offered when all are there. */
struct vsp_chan *vsp_add(struct vsp *v, const char *name, const struct vsp_dev *dev, void *self);
void vsp_tell_ctl(struct vsp *v); /* any */
int64_t vsp_now_ms(void);	  /* any.  CLOCK_MONOTONIC */

/* ---- stor.c --------------------------------------------------------------------------------- */

/* ctl.  Opens the disks. 0 or -errno (text set). */
int stor_create(struct stor **out, struct vsp *v, const struct vsp_cfg *cfg);
void stor_destroy(struct stor *s); /* ctl.  No job of it is out; NULL is fine */
void stor_status(const struct stor *s, struct vsp_status *out); /* vsp thread */

/* ---- ics.c ---------------------------------------------------------------------------------- */

int ics_create(struct ics **out, struct vsp *v); /* ctl.  0 or -errno (text set) */
void ics_destroy(struct ics *s);		 /* ctl.  NULL is fine */
void ics_status(const struct ics *s, struct vsp_status *out, int64_t now_ms); /* vsp thread */
