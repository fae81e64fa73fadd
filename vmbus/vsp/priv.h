/* SPDX-License-Identifier: BSD-3-Clause */
/* Private to vmbus/vsp: the thread, its channels' rings, and what the devices here have in common. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmbus/vsp/dev.h"
#include "vmbus/vsp/pool.h"

#define VSP_CHANS_MAX  6u
#define VSP_PKT_MAX    4096u /* the longest packet that a device of ours takes */
#define VSP_BUDGET     64u   /* packets of a channel in a turn */
#define VSP_IO_THREADS 4u

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
/* One turn: takes packets, publishes, signals. */
void vsp_chan_poll(struct vsp_chan *ch, int64_t now_ms);
void vsp_chan_timer(struct vsp_chan *ch, int64_t now_ms);
void vsp_chan_submit(struct vsp_job *job);
void vsp_chan_job_done(struct vsp_job *job);

/* ---- vsp.c ---------------------------------------------------------------------------------- */

struct stor;
struct ics;

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

/* ctl.  Adds a channel of a device; it is offered when all are there. */
struct vsp_chan *vsp_add(struct vsp *v, const char *name, const struct vsp_dev *dev, void *self);

/* ---- stor.c --------------------------------------------------------------------------------- */

/* ctl.  Opens the disks. 0 or -errno (text set). */
int stor_create(struct stor **out, struct vsp *v, const struct vsp_cfg *cfg);
void stor_destroy(struct stor *s); /* ctl.  No job of it is out; NULL is fine */
void stor_status(const struct stor *s, struct vsp_status *out); /* vsp thread */

/* ---- ics.c ---------------------------------------------------------------------------------- */

int ics_create(struct ics **out, struct vsp *v); /* ctl.  0 or -errno (text set) */
void ics_destroy(struct ics *s);		 /* ctl.  NULL is fine */
void ics_status(const struct ics *s, struct vsp_status *out, int64_t now_ms); /* vsp thread */
