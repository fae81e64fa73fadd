/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two halves of an uplink share: uplink.c (lcores) and uplink_dev.c (ctl). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_spinlock.h>

#include "vswitch/packet.h"
#include "vswitch/steer.h"
#include "vswitch/uplink.h"
#include "vswitch/vswitch.h"

struct rte_device;
struct rte_mbuf;
struct rte_mempool;
struct uplink_ranges;

/* Frames with less behind the private bytes are copied: that costs less than a second descriptor. */
#define UPLINK_LEND_MIN	 256u
#define UPLINK_LENT_SIZE 64u /* in each mbuf, for zero copy */

#define UPLINK_LOANS_MAX 256u

/* What went to the device in one burst. */
struct uplink_loan {
	struct vsw_lend *lend;
	uint32_t n;  /* pieces */
	uint64_t at; /* lane.sent after its last frame */
};

/* What an lcore has lent, oldest first. */
struct uplink_lane {
	_Alignas(64) uint32_t head, tail; /* of loan[], ever rising. Atomic */
	uint64_t sent;	 /* descriptors, or fewer: what drivers put between frames is not counted */
	uint64_t pieces; /* lent in all */
	uint64_t freed;	 /* of these, the driver is done with the buffer. Atomic */
	uint64_t lent, copied; /* frames. Atomic */
	struct uplink_loan loan[UPLINK_LOANS_MAX];
};

struct uplink_txq {
	_Alignas(64) rte_spinlock_t lock; /* among lcores only */
};

struct vsw_uplink {
	/* Constant while attached. */
	uint16_t port_id; /* ethdev */
	uint16_t nr_rxq, nr_txq;
	bool is_txq_shared;
	bool has_intr;	     /* receive interrupts can be switched on and off */
	bool has_csum;	     /* the device computes TCP, UDP and IPv4 checksums when sending */
	bool has_tso;	     /* and cuts long TCP frames */
	uint32_t frame_max;  /* without tag */
	bool is_soft;	     /* a device that reads by our addresses: of tests */
	uint16_t nr_txd;     /* descriptors of a send queue */
	bool is_lender;	     /* it sends from the source's memory; lane and ranges are there */
	bool is_lending_off; /* not any more. Atomic */
	struct uplink_lane *lane;
	struct uplink_ranges *ranges;	/* RCU */
	const struct vsw_steer *steer;	/* NULL: none */
	bool is_direct[VSW_QUEUES_MAX]; /* the queue's mbufs may have sections (vswitch/direct.h) */
	struct rte_mempool *pool;
	struct uplink_txq txq[VSW_LCORES_MAX];

	/* ctl only */
	struct vsw *sw;
	struct vsw_port *port;
	struct rte_device *dev;
	bool is_plugged, is_started;
	unsigned int still; /* seconds without anything that came back */
	uint64_t back_seen;
	bool needs_epoll;	      /* event_fd[] are our epoll fds around the device's fds */
	int event_fd[VSW_QUEUES_MAX]; /* -1: none */
	char name[32];
	char driver[32];
	char netns[64]; /* "": ours */
};

uint16_t uplink_rx(void *be, uint16_t q, struct vsw_vec *v);
uint16_t uplink_rx_steered(void *be, uint16_t q, struct vsw_vec *v);
void uplink_rx_done(void *be, uint16_t q, struct vsw_vec *v);
uint16_t uplink_tx(void *be, struct vsw_vec *v, const uint16_t *idx, uint16_t n, uint8_t *reason);
bool uplink_arm(void *be, uint16_t q);
void uplink_disarm(void *be, uint16_t q);
int uplink_event_fd(void *be, uint16_t q);
/* The same with queues that are not the device's own. */
bool uplink_arm_steered(void *be, uint16_t q);
void uplink_disarm_steered(void *be, uint16_t q);
int uplink_event_fd_steered(void *be, uint16_t q);
struct vsw_quiet uplink_quiet_steered(void *be, uint16_t q);

/* uplink_lend.c, ctl.  Before the port is attached: from now on it lends. 0, -ENOTSUP, -ENOMEM, -ENOSPC (text set). */
int uplink_lend_begin(struct vsw_uplink *u);
/* Detached and stopped, still plugged; or never began. What is out may still come back, until it is closed. */
void uplink_lend_end(struct vsw_uplink *u);
void uplink_memory_add(struct vsw_uplink *u, void *at, uint64_t len);
void uplink_memory_remove(struct vsw_uplink *u, void *at);
void uplink_lend_recall(struct vsw_uplink *u); /* everything is back afterwards */
void uplink_lend_tick(struct vsw_uplink *u);   /* each second */
void uplink_lend_count(const struct vsw_uplink *u, uint64_t *lent, uint64_t *copied);
/* lcore.  The frame's bytes behind the private ones, as they lie, behind @head, which has these. False: not all of
 * it can be lent, and @head is as it was. */
bool uplink_lend_rest(struct vsw_uplink *u, const struct vsw_vec *v, const struct vsw_slot *s,
		      struct rte_mbuf *head);
/* lcore.  Of @n frames that go to the device: what it will have to give back. Before they go. */
struct uplink_bill {
	uint16_t segs[VSW_VEC_SIZE], pieces[VSW_VEC_SIZE];
};
void uplink_lend_bill(struct rte_mbuf *const *m, uint16_t n, struct uplink_bill *b);
/* And the first @sent of them went. */
void uplink_lend_sent(struct vsw_uplink *u, const struct vsw_vec *v, const struct uplink_bill *b,
		      uint16_t sent);
/* Whether it lends to the device at all, for now. */
bool uplink_may_lend(const struct vsw_uplink *u, uint16_t lcore);
bool uplink_reclaim(void *be, uint16_t lcore);

/* netns.c, ctl.  Puts the calling thread into a named network namespace ("": does nothing), and
 * back. *@saved is -1 when nothing is to undo. 0 or -errno (text set). */
int vsw_netns_enter(const char *name, int *saved);
void vsw_netns_leave(int *saved);
