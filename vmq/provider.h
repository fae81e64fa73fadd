/* SPDX-License-Identifier: BSD-3-Clause */
/* Who sorts frames into queues: VMDq pools of the NIC (vmq/vmdq.c), its flow rules (vmq/flow.c), or ourselves
 * (vmq/sorter.c). All of them behave alike: a frame that passes a filter of a queue goes there, and
 * everything else, groups' frames included, to the default queue, once. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmq/filter.h"
#include "vswitch/port.h"

struct rte_eth_conf;
struct rte_eth_dev_info;
struct rte_mbuf;
struct vsw;
struct vsw_steered;

struct vmq_provider_cfg {
	const char *name;   /* the uplink's, for messages; borrowed */
	struct vsw *sw;	    /* for grace periods; borrowed */
	uint16_t dev;	    /* ethdev */
	uint16_t nr_queues; /* with the default one */
	uint16_t nr_desc;   /* of a queue */
	bool wants_direct;
};

struct vmq_provider_ops {
	const char *name; /* "vmdq", "flow", "software" */
	/* ctl.  How many queues with the default one it can serve on that device (at least 2), or -ENOTSUP (text: why
	 * not, what would do). */
	int (*probe)(uint16_t dev, const struct rte_eth_dev_info *info);
	int (*create)(void **pv, const struct vmq_provider_cfg *cfg);
	void (*destroy)(void *pv);
	/* ctl.  As in struct vsw_steer_ops. */
	int (*configure)(void *pv, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf);
	int (*started)(void *pv);
	void (*stopping)(void *pv);
	/* ctl, after started().  When it returns frames that arrive go there. They are never called for what vmq/queue.c
	 * refuses. 0, -ENOSPC (the device has no room), -EIO (it does not do it) (text set). Of the default queue:
	 * nothing to do. */
	int (*filter_set)(void *pv, uint16_t q, const struct vmq_filter *f);
	int (*filter_clear)(void *pv, uint16_t q, const struct vmq_filter *f);
	int (*filter_move)(void *pv, uint16_t from, uint16_t to, const struct vmq_filter *f);
	/* ctl.  VMMQ: frames that filters lead to @q are spread over @qs[0 .. @n), @q the first of them, by the hash of their
	 * addresses and ports, so that a flow stays on one; what has no such hash stays on @q. Called again while frames
	 * come: over these from when it returns, and none is lost; n 1: not any more. 0 or -errno (text set), and it is
	 * as before. NULL: it cannot. */
	int (*spread)(void *pv, uint16_t q, const uint16_t *qs, uint16_t n);
	/* ctl.  Whether what is written for queue @q was compared by the device, MAC and VLAN, before: read back from it
	 * now. 0, or -errno (text: why it cannot be sure). NULL: never. */
	int (*prove)(void *pv, uint16_t q);
	/* ctl, at any time.  In which VLANs (bit v: VLAN v) the default queue must get groups' frames, besides those of
	 * filters; NULL: no more than these. A device that compares VLANs may lose groups' frames of all others, so one
	 * that would refuses filters with a VLAN test until it was told: -ENOTSUP; -ENOSPC (they are too many, and
	 * nothing changed) (text set). NULL: it hears all. */
	int (*hear)(void *pv, const uint64_t vlans[64]);
	/* lcore, one for each queue.  @s: q is the queue; another one's frames may be returned as such (one_lcore()). */
	uint16_t (*rx)(void *pv, uint16_t q, struct rte_mbuf **m, uint16_t n,
		       struct vsw_steered *s);
	/* ctl.  Whether one lcore polls all queues from now on, so that frames need not go from queue to queue: then rx() of
	 * the default queue may return what seem to be another's, and who delivers looks. While it is called nobody is in
	 * rx() of the default queue. False: not now, frames still wait. NULL: does not matter. */
	bool (*one_lcore)(void *pv, bool is_one);
	/* As in struct vsw_steer_ops, for queues that are not the device's own: NULL when they are. */
	bool (*arm)(void *pv, uint16_t q);
	void (*disarm)(void *pv, uint16_t q);
	int (*event_fd)(void *pv, uint16_t q);
	struct vsw_quiet (*quiet)(void *pv, uint16_t q);
	/* any.  Frames that were lost because queue @q was full, since create(); 0 where the device counts all queues
	 * together. */
	uint64_t (*missed)(void *pv, uint16_t q);
};

extern const struct vmq_provider_ops vmq_vmdq, vmq_flow, vmq_software;
