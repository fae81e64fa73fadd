/* SPDX-License-Identifier: BSD-3-Clause */
/* nethv-worker, private to mgmt/worker*.c: one partition, its VMBus control server, the link to
 * the switch. The main thread is ctl and made the partition, so it outlives it. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "hv/hv.h"
#include "mgmt/child.h"
#include "mgmt/worker_console.h"
#include "vmbus/server.h"
#include "vmbus/vsp/vsp.h"

struct worker_vfs;

/* What VP threads hand over to ctl. */
struct worker_end {
	bool is_ended;
	enum hv_stop_reason reason;
	uint32_t status;
	char text[512];
};

struct worker {
	struct child child;
	const struct mgmt_partition *part;
	struct hv_partition *hv;
	struct vmbus_server *server;
	struct vmbus_state *state;
	int state_fd;
	int wake_fd;	 /* eventfd: end or console changed */
	struct vsp *vsp; /* disks and integration components, or NULL */
	enum vsp_answer shutdown_answer;
	struct worker_vfs *vfs; /* worker_vf.h */
	struct loop_src server_src, wake_src, vsp_src;

	pthread_mutex_t lock; /* of end and crash; held for copies only */
	struct worker_end end;
	char crash[400]; /* what a guest that goes on reported of its crash: the first time */
	struct worker_console con;

	int64_t start_until_ms; /* 0: the guest runs; else it waits for its adapters' offers */
	int64_t up_until_ms;	/* 0: said "up"; else looks whether the guest reports so */
	int64_t stop_until_ms;	/* 0: not asked to stop */
	int64_t stop_told_ms;	/* when the wait for it was last told */
	int exit_status;
	bool wants_link;      /* a switch was started: say "resumed" when the link is up */
	bool has_backlog;     /* the guest had no room for a message */
	char last_fault[256]; /* what the server last told */
};

/* ctl.  Memory, partition, server, link; nothing runs. 0 or -errno (text set). */
int worker_build(struct worker *w, const char *partition);
void worker_demolish(struct worker *w);

/* ctl.  Status as JSON, new reference. worker_last_json() adds how it ended. */
json_t *worker_status_json(struct worker *w);
json_t *worker_last_json(struct worker *w);

/* How the channels that the worker serves itself reach its bus; their context is the worker. */
extern const struct vsp_ops worker_bus_ops;

/* ctl.  Disks and integration components, if the partition has any. */
int worker_vsp_build(struct worker *w);	    /* 0 or -errno (text set) */
int worker_vsp_start(struct worker *w);	    /* watches it; 0 or -errno (text set) */
void worker_vsp_demolish(struct worker *w); /* before server and partition */
/* ctl.  Asks the guest to go down. 0: asked; -errno (text set) when it cannot be asked. */
int worker_vsp_shutdown(struct worker *w, bool is_reboot);
/* ctl.  Adds "disks" and "integration" to @o. */
void worker_vsp_add_json(struct worker *w, json_t *o);
