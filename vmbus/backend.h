/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch's end of vmbus/link.h: partitions that connected, the channels they opened, their
 * GPADLs as host addresses. It knows no device: a provider (NetVSP) offers channels and gets
 * callbacks.
 *
 * Life of a peer:    worker connects, HELLO -> peer_up() -> ... -> peer_down() when the worker is gone.
 * Life of a channel: vmbus_peer_offer() -> open() -> close() -> [open() ...] -> vmbus_chan_rescind().
 *
 * All calls and callbacks are made by the switch's ctl thread, unless tagged lcore. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <nethv/abi/vmbus.h>

#include "base/gmem.h"
#include "vmbus/ring.h"
#include "vmbus/state.h"

struct vmbus_backend;
struct vmbus_chan;

/* A list of guest pages, as host addresses. Lives until gpadl_gone() and a grace period passed. */
struct vmbus_gpadl {
	uint32_t handle;
	uint32_t relid;
	uint32_t len;	 /* bytes */
	uint32_t offset; /* of the first byte in the first page */
	uint32_t nr_pages;
	uint8_t *flat;	/* host address of page 0 when all pages are contiguous, else NULL */
	uint8_t **page; /* host address of each page */
};

/* A connected partition. Fields are constant from peer_up() to peer_down(). */
struct vmbus_peer {
	char name[32];
	void *dev; /* the provider's own */
	struct gmem gm;
	struct vmbus_state *state;
	uint32_t nr_vps;
	int sint_fd[VMBUS_VPS_MAX];	  /* write end: 8 bytes raise SINT 2 */
	int doorbell_fd[VMBUS_CHANS_MAX]; /* eventfd by relid: the guest signalled the channel */
	bool is_resumed; /* the partition ran with an earlier switch: state holds its past */
};

enum vmbus_open_how {
	VMBUS_OPEN_FRESH,  /* the guest opened it: start from zero */
	VMBUS_OPEN_RESUME, /* it was open when an earlier switch died: start from the state */
};

/* What a channel looks like to its provider. */
struct vmbus_chan_cfg {
	struct vmbus_guid if_type;
	struct vmbus_guid if_instance;
	uint16_t sub_index; /* 0: primary */
	bool wants_monitor; /* the guest may signal by a monitor page, see vmbus_monitor_take() */
	void *ctx;
};

struct vmbus_chan_info {
	struct vmbus_peer *peer;
	uint32_t relid;
	uint16_t sub_index;
	void *ctx;
	struct vmbus_chan_state *state;
	/* While open: */
	const struct vmbus_gpadl
		*ring; /* pages [0, split): guest->host; [split, end): host->guest */
	uint32_t split;
	uint32_t target_vp; /* relaxed atomic; VMBUS_VP_NONE: never interrupt */
	/* NULL: the guest signals by its doorbell alone. Else it may set this bit instead, and nobody
	 * wakes up: the provider must look every 200 us while it sleeps. */
	uint32_t *monitor;
	uint32_t monitor_bit;
};

struct vmbus_backend_ops {
	/* Offer now what the partition is to have. -errno refuses the partition (text set). */
	int (*peer_up)(void *ctx, struct vmbus_peer *peer);
	/* The worker is gone. All channels were closed and will be freed after this. */
	void (*peer_down)(void *ctx, struct vmbus_peer *peer);

	/* The channel may be used. 0, or -errno: the guest gets a failed OPEN_RESULT (text set). */
	int (*open)(struct vmbus_chan *ch, enum vmbus_open_how how);
	/* Stop. When it returns no lcore touches rings or any GPADL of the channel. */
	void (*close)(struct vmbus_chan *ch);
	/* The guest wants these pages back. When it returns, no lcore touches them. */
	void (*gpadl_gone)(struct vmbus_chan *ch, const struct vmbus_gpadl *g);
	/* A grace period over all lcores. */
	void (*quiesce)(void *ctx);

	/* The rest may be NULL. */

	/* The guest of all channels was reset or let go of VMBus; they were closed before. */
	void (*reset)(void *ctx, struct vmbus_peer *peer);
	/* The adapter of this primary channel, open or not, has a VF of that number, or none. Said again to a
	 * new switch, before open(); the channel's state->path then holds the past. 0 or -errno (text set). */
	int (*vf)(struct vmbus_chan *ch, uint32_t serial, bool is_allocated);
	/* What the vmbus_chan_path() that was called last for @ch has come to: 0, or -errno and @why. */
	void (*path_done)(struct vmbus_chan *ch, int status, const char *why);
};

/* ctl.  @ctx is borrowed. 0 or -errno (text set). */
int vmbus_backend_create(struct vmbus_backend **out, const struct vmbus_backend_ops *ops,
			 void *ctx);
void vmbus_backend_destroy(struct vmbus_backend *be);

/* ctl.  Takes a connected SOCK_SEQPACKET fd (consumed, also on failure); HELLO follows on it. */
int vmbus_backend_accept(struct vmbus_backend *be, int fd);

/* ctl.  An epoll fd to wait on, and what to do when it is readable (never blocks). */
int vmbus_backend_fd(const struct vmbus_backend *be);
void vmbus_backend_process(struct vmbus_backend *be);

/* ctl.  The connected worker of partition @name, until peer_down(); NULL: there is none. */
struct vmbus_peer *vmbus_backend_peer(const struct vmbus_backend *be, const char *name);

/* ctl.  Offers a channel; the relid is known when the worker answered, before open(). The provider
 * keeps *@out until it rescinds, or until peer_down() returned. 0 or -errno (text set). */
int vmbus_peer_offer(struct vmbus_peer *peer, const struct vmbus_chan_cfg *cfg,
		     struct vmbus_chan **out);

/* ctl.  Withdraws the offer: close() is called first when it is open. @ch is gone afterwards. */
void vmbus_chan_rescind(struct vmbus_chan *ch);

/* ctl.  The guest broke the protocol on this channel: closes it (close() is called), tells the
 * worker, who rescinds it and shows @cause. @ch is gone afterwards. */
void vmbus_chan_fault(struct vmbus_chan *ch, const char *cause);

/* ctl.  Asks the worker to have the NIC deliver the frames of the adapter's address to its VF, or to the
 * uplink. ops->path_done() follows when that is so, or cannot be; not for a request that another one has
 * taken the place of, nor when the channel goes. 0, or -EPIPE: nobody is there to ask. */
enum vmbus_path { VMBUS_PATH_SYNTHETIC, VMBUS_PATH_VF };
int vmbus_chan_path(struct vmbus_chan *ch, enum vmbus_path path);

/* ctl.  Asks the worker to take the VF from the guest, because of @why. 0, or -EPIPE. */
int vmbus_chan_vf_remove(struct vmbus_chan *ch, const char *why);

/* any.  Constant parts; target_vp by a relaxed load. */
const struct vmbus_chan_info *vmbus_chan_info(const struct vmbus_chan *ch);

/* lcore or ctl.  A GPADL of this channel by handle, or NULL. The result is good until the lcore's
 * next quiescent point, and longer only if the provider drops it in gpadl_gone(). */
const struct vmbus_gpadl *vmbus_chan_gpadl(const struct vmbus_chan *ch, uint32_t handle);

/* lcore.  Whether the guest set the monitor bit; clears it. Before the ring is looked at: what comes
 * later sets it again. */
static inline bool vmbus_monitor_take(uint32_t *word, uint32_t bit)
{
	if (!(__atomic_load_n(word, __ATOMIC_RELAXED) & bit))
		return false;
	/* seq_cst: the ring's write index is loaded after the bit is clear. */
	__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST);
	return true;
}

/* ctl.  Sets up both ring views. Indices start at @g2h and @h2g (private, from the state). -EPROTO
 * when the split makes no two rings. */
int vmbus_chan_rings(const struct vmbus_chan *ch, uint32_t g2h, uint32_t h2g, struct vmbus_ring *in,
		     struct vmbus_ring *out);
