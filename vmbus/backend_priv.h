/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the backend. backend.c owns peers and their links, backend_chan.c channels,
 * backend_gpadl.c pages. A provider may call back from within its callbacks, so nothing is freed
 * before the end of vmbus_backend_process(). */
#pragma once

#include "vmbus/backend.h"
#include "vmbus/link.h"

#define BE_GPADLS_MAX 64u	 /* of one channel */
#define BE_PAGES_MAX  (1u << 19) /* in all GPADLs of one peer: 2 GiB */

struct be_peer;

struct vmbus_chan {
	struct vmbus_chan_info info;
	struct vmbus_chan_cfg cfg;
	struct be_peer *peer;
	struct vmbus_chan *next;
	uint32_t offer_id; /* of the OFFER; 0 once it was answered */
	uint32_t path_id;  /* of the PATH that counts; 0: none is open */
	bool is_open;
	bool is_gone; /* the provider gave it up */
	/* Published for lcores; written by ctl. */
	struct vmbus_gpadl *gpadl[BE_GPADLS_MAX];
};

struct be_region {
	void *hva;
	size_t len;
};

struct be_peer {
	struct vmbus_peer pub; /* first: the provider's view */
	struct vmbus_backend *be;
	struct be_peer *next;
	struct vmbus_link link;
	uint32_t poll_events;
	bool is_up;		       /* peer_up() was called */
	bool is_ended;		       /* to be taken down */
	char why[VMBUS_LINK_TEXT_MAX]; /* told to the worker at the end; "": nothing to tell */
	struct be_region region[GMEM_REGIONS_MAX];
	uint32_t nr_regions;
	struct vmbus_chan *chans;
	struct vmbus_chan *by_relid[VMBUS_CHANS_MAX];
	uint32_t nr_pages;
};

struct vmbus_backend {
	const struct vmbus_backend_ops *ops;
	void *ctx;
	int epfd;
	int pidfd; /* what WELCOME carries */
	bool is_muted;
	struct be_peer *peers;
	struct vmbus_chan *graveyard;
};

/* backend.c.  Ends the peer after this message; @rc is returned. */
int be_peer_end(struct be_peer *p, int rc);
void be_send(struct be_peer *p, struct vmbus_link_msg *m);

/* backend_chan.c */
/* Handles a request of the worker: what to acknowledge it with (0 or -errno, text set). */
int be_chan_request(struct be_peer *p, const struct vmbus_link_msg *m);
/* The worker's answer to a request. -EPROTO ends the peer. */
int be_chan_answered(struct be_peer *p, const struct vmbus_link_msg *m);
/* Closes all channels, sub-channels first, and drops their GPADLs. */
void be_chan_reset(struct be_peer *p);
void be_chan_free_all(struct be_peer *p);
void be_graveyard_free(struct vmbus_backend *be);

/* backend_gpadl.c */
struct vmbus_gpadl *be_gpadl_find(const struct vmbus_chan *ch, uint32_t handle);
int be_gpadl_add(struct vmbus_chan *ch, const struct vmbus_link_gpadl_add *m);
/* unlink, quiesce, gpadl_gone(), quiesce, free. */
void be_gpadl_del(struct vmbus_chan *ch, struct vmbus_gpadl *g);
void be_gpadl_del_all(struct vmbus_chan *ch);

/* ---- For tests that play the death of a switch in one process ------------------------------ */

/* ctl.  WELCOME carries @fd (consumed; readable = dead) instead of a pidfd. */
void vmbus_backend_set_pidfd(struct vmbus_backend *be, int fd);

/* ctl.  As after SIGKILL: sockets are closed, no callback is made any more, not even at destroy. */
void vmbus_backend_vanish(struct vmbus_backend *be);
