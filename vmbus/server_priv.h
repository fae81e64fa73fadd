/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the control server. server.c owns the loop, control.c the guest's messages, chan.c the
 * channels, pages.c their GPADLs, local.c those that the worker serves itself, uplink.c the life
 * with a switch, vf.c what the two say of VFs, outbox.c the messages to the guest. */
#pragma once

#include <pthread.h>

#include "vmbus/gpadl.h"
#include "vmbus/local.h"
#include "vmbus/server.h"

#define SRV_QUEUE_MAX 256u /* guest messages that wait: the bodies of a 16 MiB GPADL fit */
#define SRV_OUTBOX_MAX \
	1024u /* messages to the guest; 256 replies to a burst and all rescinds fit */
#define SRV_OUTBOX_STALL  64u /* the guest is not served while it leaves so many unread */
#define SRV_GPADLS_MAX	  64u /* of one channel; the switch has as many slots */
#define SRV_TICKETS_MAX	  (2 * VMBUS_CHANS_MAX) /* one may be asked anew before it was answered */
#define SRV_REASON_MAX	  160u
#define SRV_RETRY_MS	  5u /* when the guest's message slot is full and nobody wakes us */
#define SRV_STATUS_FAILED 0xC0000001u

/* ---- What a channel keeps, to be told to the next switch ------------------------------------ */

enum srv_gpadl_state {
	GPADL_ADDING, /* GPADL_CREATED is owed */
	GPADL_LIVE,
	GPADL_DELETING, /* GPADL_TORNDOWN is owed when the switch let go */
};

struct srv_gpadl {
	struct srv_gpadl *next;
	enum srv_gpadl_state state;
	bool is_on_switch;   /* GPADL_ADD was sent to the switch that serves the channel */
	bool wants_teardown; /* GPADL_TORNDOWN is owed when the channel is closed */
	struct vmbus_gpadl_build *list; /* owned */
};

enum srv_chan_state { CHAN_FREE, CHAN_OFFERED, CHAN_RESCINDED };

/* Who serves a channel in the worker, instead of a switch. */
struct srv_local {
	const struct vmbus_local_ops *ops; /* NULL: the switch serves it */
	void *ctx;
	uint16_t flags;
	uint32_t pipe_mode;
	uint8_t **page; /* of the rings while it is open; owned */
};

struct srv_chan {
	enum srv_chan_state state;
	uint32_t relid;
	uint32_t serial; /* tells this use of the relid from earlier ones */
	struct vmbus_link_offer offer;
	struct srv_local local;
	bool is_announced; /* the guest has got the OFFER, on this connection */
	bool is_monitored; /* and was told to signal by the monitor page */
	bool is_released;  /* rescinded, and the guest does not know it any more */
	bool has_switch;   /* the linked switch serves it */

	enum vmbus_server_open open;
	uint32_t openid;
	uint32_t ring;
	uint32_t split;
	uint32_t target_vp;

	struct srv_gpadl *gpadls;
	uint32_t nr_gpadls;

	/* The VF that belongs to it: of the device, so it outlives connections of the guest. */
	bool is_vf_known;
	bool is_vf_allocated;
	uint32_t vf_serial;
	char reason[SRV_REASON_MAX];
};

/* ---- The link ------------------------------------------------------------------------------- */

enum srv_link_state {
	LINK_DOWN,	 /* no switch, or seen dead: nothing of ours is touched */
	LINK_CONNECTING, /* HELLO sent: this switch has no channel yet */
	LINK_UP,
	LINK_LOST, /* the socket is gone, the process perhaps not */
};

/* A request that the switch did not acknowledge yet. */
struct srv_request {
	struct srv_request *next;
	enum vmbus_link_type type;
	uint32_t id;
	uint32_t relid;
	uint32_t serial;
	uint32_t handle;
	uint32_t target_vp;
	uint32_t how;
};

/* ---- The server ----------------------------------------------------------------------------- */

struct srv_inbound {
	uint32_t len;
	uint8_t payload[VMBUS_MSG_PAYLOAD_MAX];
};

struct srv_outbound {
	struct srv_outbound *next;
	uint32_t vp;
	uint32_t len;
	uint8_t msg[];
};

/* A PATH that the switch waits for. */
struct srv_ticket {
	uint32_t ticket; /* 0: free */
	uint32_t id;	 /* of the request */
	uint32_t relid;
};

enum srv_reset { RESET_NONE, RESET_CONTACT, RESET_UNLOAD };

struct vmbus_server {
	struct vmbus_server_cfg cfg;
	char name[VMBUS_LINK_NAME_MAX];
	const struct vmbus_server_ops *ops;
	void *ctx;
	int epfd;
	int wakefd;
	int timerfd;

	/* From VP threads. */
	pthread_mutex_t lock; /* guards the next three; held for one copy */
	struct srv_inbound queue[SRV_QUEUE_MAX];
	uint32_t queue_head;
	uint32_t queue_len;
	uint64_t posts_refused; /* atomic */
	bool wants_ping;	/* atomic: a VP waits for a sign of life */
	bool is_switch_dead;	/* atomic */

	/* To the guest. */
	struct srv_outbound *out;
	struct srv_outbound **out_tail;
	uint32_t nr_out;
	bool is_out_blocked;

	/* The connection. */
	uint32_t version; /* 0: not connected */
	uint32_t msg_vp;
	bool is_offering;		    /* REQUEST_OFFERS came */
	struct vmbus_monitor_page *monitor; /* the child -> parent page, or NULL */
	enum srv_reset reset;
	struct vmbus_msg_initiate_contact contact; /* to answer after the reset */
	struct vmbus_gpadl_builds builds;
	uint32_t nr_pages;		       /* of all GPADLs that are complete */
	struct srv_chan chan[VMBUS_CHANS_MAX]; /* by relid */
	uint32_t last_serial;

	/* The switch. */
	enum srv_link_state link_state;
	struct vmbus_link link;
	int pidfd;
	int next_fd;	      /* a link that waits until the old switch is dead */
	uint32_t poll_events; /* what epoll watches the link for */
	struct srv_request *pending;
	struct srv_request **pending_tail;
	uint32_t nr_stalling; /* pending, and the guest has to wait for them */
	uint64_t heard_ms;    /* when the switch last gave a sign, or got its first request */
	uint64_t
		subs_deadline_ms; /* until then a new switch may offer known sub-channels; 0: not waiting */
	bool is_kill_asked;
	bool is_ping_pending;
	struct srv_ticket ticket[SRV_TICKETS_MAX];
	uint32_t last_ticket;
	uint32_t vps_to_kick; /* bitmap: VPs whose channels were taken over */

	struct vmbus_server_counters counters;
	char reason[SRV_REASON_MAX];
	uint64_t event_window_ms;
	uint32_t events_in_window;
};

/* server.c */
uint64_t srv_now_ms(void);
/* Counts and keeps why the guest (@ch, or NULL: the connection) was found wrong. */
void srv_fault(struct vmbus_server *s, struct srv_chan *ch, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void srv_event(struct vmbus_server *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* outbox.c: to the guest's message VP, in order. Dropped while the connection is being reset. */
void srv_say(struct vmbus_server *s, const void *msg, size_t len);
void srv_say_to(struct vmbus_server *s, uint32_t vp, const void *msg, size_t len);
void srv_outbox_flush(struct vmbus_server *s);
void srv_outbox_drop(struct vmbus_server *s);

/* control.c */
void srv_dispatch(struct vmbus_server *s, const struct srv_inbound *in);
/* What answers a request; VMBUS_MSG_INVALID: nothing. (MODIFY: from 5.3 on.) */
enum vmbus_msgtype srv_reply_of(uint32_t type);
/* Everything of the guest is forgotten; answers what asked for it. */
void srv_reset_begin(struct vmbus_server *s, enum srv_reset why);
void srv_reset_done(struct vmbus_server *s);

/* chan.c */
struct srv_chan *srv_chan_get(struct vmbus_server *s, uint32_t relid);
/* The offer of the switch: relid, or -EEXIST, -EINVAL, -ENOSPC (text set). */
int srv_chan_offer(struct vmbus_server *s, const struct vmbus_link_offer *o);
/* As above, of the worker. */
int srv_chan_offer_local(struct vmbus_server *s, const struct vmbus_link_offer *o,
			 const struct srv_local *local);
void srv_chan_announce_all(struct vmbus_server *s);
void srv_chan_open(struct vmbus_server *s, const struct vmbus_msg_open *m);
void srv_chan_close(struct vmbus_server *s, struct srv_chan *ch);
void srv_chan_release(struct vmbus_server *s, uint32_t relid);
void srv_chan_modify(struct vmbus_server *s, const struct vmbus_msg_modify *m);
/* Nobody serves the channel any more: tells the guest and answers all that is owed. */
void srv_chan_gone(struct vmbus_server *s, struct srv_chan *ch);
/* The switch stopped touching rings and GPADLs of the channel. */
void srv_chan_closed(struct vmbus_server *s, struct srv_chan *ch);
void srv_chan_opened(struct vmbus_server *s, struct srv_chan *ch, int status, uint32_t how,
		     const char *why);
void srv_chan_modified(struct vmbus_server *s, const struct srv_request *rq, int status);
/* The channel's relid can be given anew when guest and switch have let go of it. */
void srv_chan_try_free(struct vmbus_server *s, struct srv_chan *ch);
/* At the end of a connection. */
void srv_chan_forget(struct vmbus_server *s, struct srv_chan *ch);
void srv_chan_replay(struct vmbus_server *s, struct srv_chan *ch);

/* local.c */
static inline bool srv_is_local(const struct srv_chan *ch)
{
	return ch->local.ops;
}
/* Asks the provider; answers the guest. */
void srv_local_open(struct vmbus_server *s, struct srv_chan *ch);
void srv_local_retarget(struct srv_chan *ch, uint32_t target_vp);
/* The provider stops using the rings, if it does. */
void srv_local_stop(struct srv_chan *ch);
void srv_local_stop_all(struct vmbus_server *s);

/* pages.c: GPADLs of channels */
void srv_gpadl_header(struct vmbus_server *s, const struct srv_inbound *in);
void srv_gpadl_body(struct vmbus_server *s, const struct srv_inbound *in);
void srv_gpadl_late(struct vmbus_server *s);
void srv_gpadl_teardown(struct vmbus_server *s, const struct vmbus_msg_gpadl_teardown *m);
struct srv_gpadl *srv_gpadl_find(const struct srv_chan *ch, uint32_t handle);
void srv_gpadl_added(struct vmbus_server *s, const struct srv_request *rq, int status,
		     const char *why);
void srv_gpadl_deleted(struct vmbus_server *s, const struct srv_request *rq);
/* The channel is closed: starts the teardowns that waited for it. */
void srv_gpadl_closed(struct vmbus_server *s, struct srv_chan *ch);
/* Nobody has any of them, and the channel is being rescinded: answers what is owed. */
void srv_gpadl_gone(struct vmbus_server *s, struct srv_chan *ch);
void srv_gpadl_drop(struct vmbus_server *s, struct srv_chan *ch);
void srv_gpadl_replay(struct vmbus_server *s, struct srv_chan *ch);

/* vf.c */
/* Tells the switch, which does not know yet. */
void srv_vf_replay(struct vmbus_server *s, const struct srv_chan *ch);
/* The switch asks; what it is answered with, or 1: later. */
int srv_vf_path(struct vmbus_server *s, const struct vmbus_link_msg *m);
int srv_vf_remove(struct vmbus_server *s, const struct vmbus_link_msg *m);
/* No answer of ours reaches anybody any more. */
void srv_vf_link_gone(struct vmbus_server *s);
/* The guest went while no switch was there to see it: its path is the synthetic one again. */
void srv_vf_guest_gone(struct vmbus_server *s, const struct srv_chan *ch);
/* The relid begins anew. */
void srv_vf_fresh(struct vmbus_server *s, uint32_t relid);

/* uplink.c.  srv_request() keeps a copy of what @m asks until it is acknowledged. */
void srv_request(struct vmbus_server *s, struct vmbus_link_msg *m, const struct srv_chan *ch);
void srv_answer(struct vmbus_server *s, uint32_t id, int status, uint32_t relid, const char *why);
void srv_link_process(struct vmbus_server *s);
void srv_link_flush(struct vmbus_server *s);
void srv_link_fini(struct vmbus_server *s);
uint64_t srv_link_deadline(const struct vmbus_server *s);
bool srv_link_stalls(const struct vmbus_server *s);
