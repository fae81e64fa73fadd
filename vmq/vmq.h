/* SPDX-License-Identifier: BSD-3-Clause */
/* VMQ of one uplink: chooses who sorts, gives ports queues of their own, keeps them on lcores, and switches direct
 * receive on where it is safe.
 *
 * Life: vmq_create() -> vsw_uplink_create() with vmq_steer() -> vmq_attach() -> ports come and go ->
 * vmq_detach() -> vsw_uplink_destroy() -> vmq_destroy(). All of it ctl. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmq/filter.h"
#include "vmq/place.h"
#include "vmq/queue.h"
#include "vswitch/steer.h"

struct vmq;
struct vmq_iova_ops;
struct vsw;
struct vsw_port;
struct vsw_uplink;

enum vmq_provider_choice {
	VMQ_PROVIDER_AUTO, /* the first that can of: */
	VMQ_PROVIDER_VMDQ,
	VMQ_PROVIDER_FLOW,
	VMQ_PROVIDER_SOFTWARE,
};

struct vmq_cfg {
	char name[32]; /* the uplink's */
	struct vsw *sw;
	enum vmq_provider_choice provider;
	uint16_t
		nr_queues; /* wanted, besides the default one; 0: as many as the device has, in software 64 */
	bool is_direct_off;
	struct vmq_place_cfg place;
	const struct vmq_iova_ops *iova; /* NULL: VFIO's. For tests. */
	void *iova_ctx;
};

/* 0, -EINVAL, -ENOMEM (text set). */
int vmq_create(struct vmq **out, const struct vmq_cfg *cfg);
void vmq_destroy(struct vmq *v);
const struct vsw_steer *vmq_steer(const struct vmq *v);
void vmq_attach(struct vmq *v, struct vsw_uplink *u);
/* All ports lose their queues. */
void vmq_detach(struct vmq *v);

#define VMQ_PORT_QUEUES_MAX 16u

struct vmq_port_cfg {
	bool is_off;	    /* no queue of its own */
	uint16_t nr_queues; /* VMMQ: 1 .. VMQ_PORT_QUEUES_MAX; 0: 1 */
	uint16_t lcore;	    /* pinned there; VMQ_CPU_ANY */
	bool wants_direct;
	int16_t node; /* NUMA node of the partition's memory, or VMQ_NODE_ANY */
};
/* Under traffic.  A NIC's port, attached. Without a queue it is served by the default one, and its status says why.
 * Nothing is lost and nothing of it overtakes. 0 or -ENOMEM (text set). */
int vmq_port_add(struct vmq *v, struct vsw_port *p, const struct vmq_port_cfg *cfg);
void vmq_port_remove(struct vmq *v, struct vsw_port *p); /* Does nothing when it was not added. */

/* Under traffic.  As struct vsw_direct_user has them; ports that are not ours are none of our business. */
void vmq_direct_offered(struct vmq *v, struct vsw_port *p);
void vmq_direct_withdrawn(struct vmq *v, struct vsw_port *p);
void vmq_direct_judged(struct vmq *v, struct vsw_port *p, bool is_judged);

/* Under traffic.  Has queue @q polled by that lcore (index in the switch). As vsw_port_queue_move(). */
int vmq_queue_move(struct vmq *v, uint16_t q, uint16_t lcore);

/* About each second: loads are measured, and queues moved when that is worth it. */
void vmq_tick(struct vmq *v);

/* ---- For show ------------------------------------------------------------------------------- */

#define VMQ_WHY_MAX 192u

struct vmq_info {
	const char *name;	     /* the uplink's */
	const char *provider;	     /* "vmdq" ... */
	char why[512];		     /* why not one that stands before it; "" */
	uint16_t nr_queues, nr_free; /* besides the default one */
};
void vmq_info_get(const struct vmq *v, struct vmq_info *out);

struct vmq_queue_status {
	uint16_t q;
	uint16_t shares; /* VMMQ: the filters of that queue; 0: it has its own */
	const char *state;
	const char *port; /* "": the default queue */
	int lcore;	  /* -1: not polled */
	bool is_pinned;
	uint32_t load; /* 1/1000 of an lcore, last round */
	uint64_t packets, missed;
	bool is_direct;
	const char *why_copied; /* "": it is direct */
	uint64_t sections, own; /* struct vmq_direct_stats */
	uint16_t nr_filters;
	struct vmq_filter filter[8]; /* the first ones */
};
/* Port without a queue, and why. */
struct vmq_port_status {
	const char *port, *why;
};
void vmq_queue_walk(const struct vmq *v, void (*fn)(const struct vmq_queue_status *s, void *ctx),
		    void *ctx);
void vmq_port_walk(const struct vmq *v, void (*fn)(const struct vmq_port_status *s, void *ctx),
		   void *ctx);
/* What vmq_place_plan() says now. */
uint16_t vmq_plan(const struct vmq *v, struct vmq_move *out, uint16_t room);
