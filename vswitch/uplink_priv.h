/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two halves of an uplink share: uplink.c (lcores) and uplink_dev.c (ctl). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_spinlock.h>

#include "vswitch/uplink.h"
#include "vswitch/vswitch.h"

struct rte_device;
struct rte_mempool;

struct uplink_txq {
	_Alignas(64) rte_spinlock_t lock; /* among lcores only */
};

struct vsw_uplink {
	/* Constant while attached. */
	uint16_t port_id; /* ethdev */
	uint16_t nr_rxq, nr_txq;
	bool is_txq_shared;
	bool has_intr;	    /* receive interrupts can be switched on and off */
	bool has_csum;	    /* the device computes TCP, UDP and IPv4 checksums when sending */
	bool has_tso;	    /* and cuts long TCP frames */
	uint32_t frame_max; /* without tag */
	struct rte_mempool *pool;
	struct uplink_txq txq[VSW_LCORES_MAX];

	/* ctl only */
	struct vsw *sw;
	struct vsw_port *port;
	struct rte_device *dev;
	bool is_plugged, is_started;
	bool needs_epoll;	      /* event_fd[] are our epoll fds around the device's fds */
	int event_fd[VSW_QUEUES_MAX]; /* -1: none */
	char name[32];
	char driver[32];
	char netns[64]; /* "": ours */
};

uint16_t uplink_rx(void *be, uint16_t q, struct vsw_vec *v);
void uplink_rx_done(void *be, uint16_t q, struct vsw_vec *v);
uint16_t uplink_tx(void *be, struct vsw_vec *v, const uint16_t *idx, uint16_t n, uint8_t *reason);
bool uplink_arm(void *be, uint16_t q);
void uplink_disarm(void *be, uint16_t q);
int uplink_event_fd(void *be, uint16_t q);

/* netns.c, ctl.  Puts the calling thread into a named network namespace ("": does nothing), and
 * back. *@saved is -1 when nothing is to undo. 0 or -errno (text set). */
int vsw_netns_enter(const char *name, int *saved);
void vsw_netns_leave(int *saved);
