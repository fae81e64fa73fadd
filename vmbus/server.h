/* SPDX-License-Identifier: BSD-3-Clause */
/* The VMBus control server: the worker's end. It speaks the control protocol with the guest
 * (contact, offers, GPADLs, open, close, modify, rescind, unload) and vmbus/link.h with the switch,
 * and keeps all that a new switch must be told. It knows neither the hypervisor nor the devices.
 *
 * Life: create -> [link_up -> (switch dies) ->] ... -> destroy.
 *
 * Guest messages are handled one at a time: while the switch has not acknowledged what the last
 * one caused, the next waits in a bounded queue. A guest is answered only when the switch has
 * acknowledged, or was seen dead by its pidfd. A closed socket proves nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nethv/abi/vmbus.h>

#include "base/gmem.h"
#include "vmbus/link.h"
#include "vmbus/state.h"

struct vmbus_server;

/* What vmbus_server_post() answers to HvPostMessage (TLFS status codes). */
enum {
	VMBUS_POST_OK = 0,
	VMBUS_POST_BAD_PARAMETER = 5,
	VMBUS_POST_BAD_CONNECTION = 18,
	VMBUS_POST_NO_BUFFERS = 19,
};

/* All are called by the ctl thread. */
struct vmbus_server_ops {
	/* Hands a message of type VMBUS_MSG_TYPE_CHANNEL to SINT 2 of @vp. 0; -EAGAIN: no room, try
	 * again at vmbus_server_wake(); else -errno: it can never be delivered. */
	int (*post)(void *ctx, uint32_t vp, const void *msg, size_t len);
	/* Raises SINT 2 of @vp with no flag set by us. */
	void (*vp_interrupt)(void *ctx, uint32_t vp);
	/* The switch is silent: its parent must SIGKILL it. Called once a link. */
	void (*need_kill)(void *ctx, const char *why);
	/* A channel of the switch is there: a new one, which needs to be told of its VF, or one that a new
	 * switch serves again. May be NULL. */
	void (*offered)(void *ctx, uint32_t relid);
	/* The data path of adapter @relid is to move: @is_vf, the NIC delivers the frames for its address
	 * to the VF, else to the switch's uplink. To be answered by vmbus_server_path_done(), now or
	 * later, when that is so; several for one adapter are worked off in order, and the last one
	 * counts. Asking for what is so already is usual. After vmbus_server_vf_set() said that the VF
	 * goes, the switch asks for "not to the VF" in any case: with its answer nothing of the path
	 * holds the VF back any more. @ticket 0: nobody waits for an answer (the guest was reset while
	 * there was no switch). NULL: refused. */
	void (*path)(void *ctx, uint32_t relid, bool is_vf, uint32_t ticket);
	/* The VF is to be taken from the guest, because of @why; vmbus_server_vf_set() follows. May be NULL. */
	void (*vf_remove)(void *ctx, uint32_t relid, const char *why);
	/* Something a person may want to know; already limited in rate. May be NULL. */
	void (*event)(void *ctx, const char *text);
};

struct vmbus_server_region {
	uint64_t gpa;
	uint64_t len;
	int fd; /* memfd, borrowed */
	uint64_t fd_offset;
};

/* All fds and pointers are borrowed until destroy. Zero picks the default. */
struct vmbus_server_cfg {
	const char *name;		/* of the partition, <= 31 characters */
	enum vmbus_version max_version; /* default 5.3 */
	uint32_t nr_vps;
	const struct gmem *gm; /* which PFNs are RAM */
	uint32_t nr_regions;
	struct vmbus_server_region region[GMEM_REGIONS_MAX];
	int sint_fd[VMBUS_VPS_MAX];	  /* non-blocking */
	int doorbell_fd[VMBUS_CHANS_MAX]; /* by relid; [0] unused */
	int state_fd;
	struct vmbus_state *state; /* the mapping of state_fd, after vmbus_state_init() */
	uint32_t gpadl_pages_max;  /* of all GPADLs together; default 1 << 18 (1 GiB) */
	uint32_t ack_timeout_ms;   /* until the switch counts as silent; default 2000 */
	uint32_t gpadl_timeout_ms; /* to send all of a GPADL; default 30000 */
};

/* ctl.  0 or -errno (text set). @ops and @ctx are borrowed. */
int vmbus_server_create(struct vmbus_server **out, const struct vmbus_server_cfg *cfg,
			const struct vmbus_server_ops *ops, void *ctx);
void vmbus_server_destroy(struct vmbus_server *s);

/* ctl.  An epoll fd to wait on, and what to do when it is readable (never blocks). */
int vmbus_server_fd(const struct vmbus_server *s);
void vmbus_server_process(struct vmbus_server *s);

/* ctl.  A connected SOCK_SEQPACKET to a switch (consumed, also on failure). While an earlier switch
 * is not known to be dead the new link waits for that. 0 or -errno (text set). */
int vmbus_server_link_up(struct vmbus_server *s, int fd);

/* ctl.  Adapter @relid (the primary channel of a NIC that the switch serves) has a VF of number @serial, not
 * 0; or that VF goes, the guest is to leave it. Kept, and told to each new switch; an offer that is
 * withdrawn and made again begins without. 0; -ENOENT, -EINVAL (text set). */
int vmbus_server_vf_set(struct vmbus_server *s, uint32_t relid, uint32_t serial, bool is_allocated);

/* ctl.  Answers ops->path(): 0, or -errno with @text for people (may be NULL). A ticket whose switch is gone
 * is nobody's; its successor asks anew. */
void vmbus_server_path_done(struct vmbus_server *s, uint32_t ticket, int status, const char *text);

/* vcpu.  HvPostMessage to a VMBus connection: copies at most 240 bytes. Never waits. Returns
 * VMBUS_POST_*. */
int vmbus_server_post(struct vmbus_server *s, uint32_t vp, uint32_t conn_id, uint32_t type,
		      const void *payload, size_t len);

/* any.  There is room for messages to the guest again (after -EAGAIN from post). */
void vmbus_server_wake(struct vmbus_server *s);

/* any.  The predicate for vmbus_state_set_siefp(): no living switch can use an old value. @server is
 * the struct vmbus_server. While it says false the switch is being asked for a sign of life. */
bool vmbus_server_switch_dead(void *server);

/* ---- Status ------------------------------------------------------------------------------- */

enum vmbus_server_open { VMBUS_CH_CLOSED, VMBUS_CH_OPENING, VMBUS_CH_OPEN, VMBUS_CH_CLOSING };

struct vmbus_server_chan_status {
	uint32_t relid;
	struct vmbus_guid if_type;
	struct vmbus_guid if_instance;
	uint32_t sub_index;
	enum vmbus_server_open open;
	bool is_rescinded;  /* withdrawn; waits for the guest to release the relid */
	bool has_switch;    /* a living switch serves it */
	const char *server; /* who serves it: "switch", "worker"; "none": no switch now */
	const char *word;   /* "open", "closed", "rescinded", ... */
	uint32_t target_vp;
	uint32_t nr_gpadls;
	const char *reason; /* why it was closed; "" when it was not. Until the next process(). */
};

struct vmbus_server_counters {
	uint64_t messages;	/* taken from the guest */
	uint64_t posts_refused; /* queue was full */
	uint64_t unknown;	/* message types we do not know, ignored */
	uint64_t malformed;	/* too short, or before contact */
	uint64_t faults;	/* requests the guest had no right to make, and broken channels */
	uint64_t stray_bodies;	/* GPADL bodies of no GPADL in progress */
	uint64_t replies_lost;	/* could never be delivered */
	uint64_t resets;	/* of the connection */
	uint64_t switches;	/* that said WELCOME */
	uint64_t switch_deaths; /* verified */
};

struct vmbus_server_status {
	uint32_t version;   /* enum vmbus_version; 0: the guest is not connected */
	const char *link;   /* "up", "down", ... */
	const char *reason; /* the partition's last trouble, or "" */
	bool is_settled;    /* the switch has answered everything that it was asked */
	struct vmbus_server_counters counters;
};

/* ctl. */
void vmbus_server_status(const struct vmbus_server *s, struct vmbus_server_status *out);

/* ctl.  The channel with the lowest relid above @after; false when there is none. */
bool vmbus_server_chan_next(const struct vmbus_server *s, uint32_t after,
			    struct vmbus_server_chan_status *out);

/* any.  The wire name, such as "5.3"; "none" for 0. */
const char *vmbus_version_text(uint32_t version);
