/* SPDX-License-Identifier: BSD-3-Clause */
/* Receive queues of an uplink that each belong to one port: whoever sorts the frames into them (vmq/) stands
 * behind this table, and what the switch needs of it is here. Queue 0 is the default one: it gets
 * everything that no filter chose, and its frames are looked up as ever. The others are polled from
 * vsw_port_queue_start() on. Whether a frame is really for the queue's port is looked at again: one
 * that is not takes the usual way. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/port.h"

struct rte_eth_conf;
struct rte_eth_dev_info;
struct rte_mbuf;
struct rte_mempool;

/* What is known of the frames of one rx(). */
struct vsw_steered {
	uint16_t
		to; /* the port that all of them should be for: it is looked at; VSW_PORT_NONE: to be looked up */
	uint16_t
		q; /* in whose books they are with that: the queue, or another one of the same lcore */
	uint16_t nr_passed; /* frames that were put into other queues meanwhile */
};

struct vsw_steer_ops {
	/* ctl, before the device is configured: adds to @conf what it needs. Returns how many of the device's receive
	 * queues are to be set up (0 among them), or -errno (text set). */
	int (*configure)(void *ctx, uint16_t dev, const struct rte_eth_dev_info *info,
			 struct rte_eth_conf *conf);
	/* ctl, before the device's queue @q is set up with @nr_desc descriptors: the pool that it is filled from; NULL:
	 * the uplink's own, of buffers of @buf_size bytes (with headroom). May be NULL. */
	struct rte_mempool *(*pool)(void *ctx, uint16_t q, uint16_t nr_desc, uint32_t buf_size);
	/* ctl.  The device was started; it is about to be stopped, no queue is polled any more. 0 or -errno (text
	 * set); -EAGAIN: it is to be closed and set up anew, otherwise. */
	int (*started)(void *ctx);
	void (*stopping)(void *ctx);
	/* ctl.  The device is closed: what pool() gave is not used any more. */
	void (*closed)(void *ctx);
	/* lcore, one for each queue.  Up to @n frames of queue @q, and what is known of them in @s, which says before that
	 * nothing is. */
	uint16_t (*rx)(void *ctx, uint16_t q, struct rte_mbuf **m, uint16_t n,
		       struct vsw_steered *s);
	/* As in struct vsw_port_ops, for queues that are not the device's own; may be NULL when there are none. */
	bool (*arm)(void *ctx, uint16_t q);
	void (*disarm)(void *ctx, uint16_t q);
	int (*event_fd)(void *ctx, uint16_t q);
	struct vsw_quiet (*quiet)(void *ctx, uint16_t q);
};

/* Borrowed by the uplink from its creation to its end. */
struct vsw_steer {
	const struct vsw_steer_ops *ops;
	void *ctx;
	uint16_t
		nr_queues; /* of the uplink's port, the default one among them; known with configure(), as the next */
	uint32_t nr_bufs; /* that lie in queues which are not the device's */
};
