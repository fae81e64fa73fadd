/* SPDX-License-Identifier: BSD-3-Clause */
/* What the worker itself serves over VMBus: a SCSI controller with raw disks, the integration
 * components (heartbeat, shutdown, time synchronisation, key-value pairs), and a device that another
 * module brings. One "vsp" thread owns the rings of all these channels; what blocks on a disk runs
 * beside it. A partition may have several: a device that takes its time (vPCI resets functions) gets
 * one of its own, and holds up nobody.
 *
 * Life: vsp_create() offers the channels -> the guest opens and closes them -> vsp_destroy(), before
 * what @ops reach is gone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmbus/local.h"

struct gmem;
struct vsp;
struct vsp_dev; /* vmbus/vsp/dev.h */

#define VSP_DISKS_MAX	  64u
#define VSP_KVP_MAX	  32u
#define VSP_KVP_KEY_MAX	  64u
#define VSP_KVP_VALUE_MAX 512u

struct vsp_disk_cfg {
	const char *path;
	bool readonly;
};

struct vsp_cfg {
	const char *name; /* object path for the log, such as "vm/debian"; copied */
	const char *id;	  /* stable and unique on this host; the disks' identities are made of it */
	const struct gmem *gm;		 /* borrowed until destroy */
	const struct vsp_disk_cfg *disk; /* LUN 0, 1, ...; borrowed for the call */
	uint32_t nr_disks;		 /* 0: no controller is offered */
	bool has_integration;
	const struct vsp_dev *dev; /* one channel more; NULL: none. Borrowed until destroy */
	void *dev_self;
	const char *dev_name; /* borrowed until destroy */
};

/* Downwards to whoever runs the bus. All mandatory; no call back into vsp but for close() from inside
 * rescind() and fault(). */
struct vsp_ops {
	int (*offer)(void *ctx, const struct vmbus_local_cfg *cfg,
		     const struct vmbus_local_ops *ops, void *chan); /* ctl.  Relid or -errno */
	void (*rescind)(void *ctx, uint32_t relid);		     /* ctl */
	void (*fault)(void *ctx, uint32_t relid, const char *why);   /* ctl.  The channel is gone */
	/* ctl.  Non-blocking fd that is readable when the guest rang; borrowed until rescind. */
	int (*doorbell_fd)(void *ctx, uint32_t relid);
	void (*signal)(void *ctx, uint32_t vp,
		       uint32_t relid);	 /* vsp thread.  Interrupts the guest */
	uint64_t (*ref_time)(void *ctx); /* vsp thread.  Partition reference time, 100 ns */
};

/* ctl.  Opens the disks and offers the channels. 0 or -errno (text set); @ops and @ctx are borrowed
 * until destroy. */
int vsp_create(struct vsp **out, const struct vsp_cfg *cfg, const struct vsp_ops *ops, void *ctx);
void vsp_destroy(struct vsp *v); /* ctl.  Rescinds all; NULL is fine */

/* ctl.  Readable when vsp_process() is to be called: a channel broke its protocol, or the guest
 * answered a shutdown request. Owned by @v. */
int vsp_fd(const struct vsp *v);
void vsp_process(struct vsp *v); /* ctl */

enum vsp_shutdown { VSP_SHUTDOWN_OFF, VSP_SHUTDOWN_REBOOT };

enum vsp_answer {
	VSP_ANSWER_NONE, /* nothing was asked, or the channel closed before the answer */
	VSP_ANSWER_WAITING,
	VSP_ANSWER_ACCEPTED, /* the guest goes down by itself now */
	VSP_ANSWER_REFUSED,
};

/* ctl.  Asks the guest to go down in order. 0: asked, see vsp_shutdown_answer(); -ENOTCONN (the guest
 * has no such service running), -EBUSY (asked before, not answered), -EAGAIN (no room in the ring);
 * text set. */
int vsp_shutdown(struct vsp *v, enum vsp_shutdown what);
enum vsp_answer vsp_shutdown_answer(struct vsp *v); /* ctl */

struct vsp_disk_status {
	const char *path; /* lives as long as the vsp */
	bool readonly;
	bool can_discard;
	uint64_t bytes;
	uint64_t reads, writes, flushes, discards;
	uint64_t bytes_read, bytes_written;
	uint64_t errors;
};

enum vsp_ic_kind { VSP_IC_HEARTBEAT, VSP_IC_SHUTDOWN, VSP_IC_TIMESYNC, VSP_IC_KVP, VSP_IC_NR };

struct vsp_ic_status {
	const char *name;
	const char *state;	     /* "closed", "negotiating", "ready", "refused", "faulted" */
	uint16_t fw_major, fw_minor; /* valid when ready */
	uint16_t msg_major, msg_minor;
	uint64_t answers; /* to requests */
};

/* Safe to print: valid UTF-8 without control characters. */
struct vsp_kvp_pair {
	char key[VSP_KVP_KEY_MAX];
	char value[VSP_KVP_VALUE_MAX];
};

struct vsp_status {
	bool has_integration;
	const char *scsi_state; /* "none", "closed", "negotiating", "ready", "faulted" */
	uint32_t nr_disks;
	struct vsp_disk_status disk[VSP_DISKS_MAX];
	struct vsp_ic_status ic[VSP_IC_NR];
	int64_t heartbeat_ago_ms;     /* -1: never since the channel was opened */
	uint32_t heartbeat_app_state; /* the guest's word */
	int64_t kvp_ago_ms;	      /* -1: nothing told yet (there may be no daemon) */
	uint32_t nr_kvp;
	struct vsp_kvp_pair kvp[VSP_KVP_MAX];
};

/* ctl.  A snapshot. */
void vsp_status(struct vsp *v, struct vsp_status *out);
