/* SPDX-License-Identifier: BSD-3-Clause */
/* Channels that the worker serves itself (disks, integration components), beside those of the
 * switch. The control server treats both alike; it calls the provider where it would ask the switch,
 * and the provider answers at once. At open the rings are ready: our indices are 0, and so are
 * interrupt_mask and pending_send_sz of ours. A switch that dies or hangs does not touch an open
 * channel; while one hangs, only control messages of the guest wait for its end.
 *
 * Life: vmbus_server_offer_local() -> open() -> close() -> [open() ...] -> vmbus_server_rescind_local(),
 * or until the server is destroyed. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <nethv/abi/vmbus.h>

struct vmbus_server;

struct vmbus_local_cfg {
	struct vmbus_guid if_type;
	struct vmbus_guid if_instance;
	uint16_t flags;	    /* of the offer */
	uint32_t pipe_mode; /* first word of the offer's user data; 0: no pipe */
};

/* A channel as it was opened. @page is the provider's to read until close() returned. */
struct vmbus_local_open {
	uint32_t relid;
	uint32_t target_vp;   /* VMBUS_VP_NONE: never interrupt */
	uint32_t split;	      /* pages of the guest->host ring */
	uint32_t nr_pages;    /* of both rings */
	uint8_t *const *page; /* host addresses */
};

struct vmbus_local_ops {
	/* ctl.  The channel may be used; the guest gets its answer after this. 0, or -errno: the guest
	 * gets a failed OPEN_RESULT (text set). */
	int (*open)(void *ctx, const struct vmbus_local_open *o);
	/* ctl.  Stop: when it returns nothing touches the rings, and no guest memory is used on behalf
	 * of the channel. */
	void (*close)(void *ctx);
	/* ctl.  Interrupts go to another VP from now on. */
	void (*retarget)(void *ctx, uint32_t target_vp);
};

/* ctl.  Offers a channel; kept over resets of the connection. @ops and @ctx are borrowed until rescind
 * or destroy. Relid (> 0), or -EEXIST, -ENOSPC (text set). */
int vmbus_server_offer_local(struct vmbus_server *s, const struct vmbus_local_cfg *cfg,
			     const struct vmbus_local_ops *ops, void *ctx);
/* ctl, also within a callback.  Withdraws it; close() is called first when it is open. */
void vmbus_server_rescind_local(struct vmbus_server *s, uint32_t relid);
/* ctl, also within a callback.  The guest broke the device's protocol: closes the channel, shows @why, and rescinds it. */
void vmbus_server_fault_local(struct vmbus_server *s, uint32_t relid, const char *why);
