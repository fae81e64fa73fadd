/* SPDX-License-Identifier: BSD-3-Clause */
/* VMQ of one uplink: chooses who sorts, gives ports queues of their own, keeps them on lcores, and switches direct
 * receive on where it is safe. What an operator sees of it is in struct vmq_status.
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
struct vsw;
struct vsw_port;
struct vsw_uplink;

enum vmq_provider_choice {
	VMQ_PROVIDER_AUTO,
	VMQ_PROVIDER_VMDQ,
	VMQ_PROVIDER_FLOW,
	VMQ_PROVIDER_SOFTWARE
};

struct vmq_cfg {
	char name[32]; /* the uplink's */
	struct vsw *sw;
	enum vmq_provider_choice provider;
	uint16_t
		nr_queues; /* wanted, besides the default one; 0: as many as the device has, 64 in software */
	bool is_direct_off;
	struct vmq_place_cfg place;
};

int vmq_create(struct vmq **out, const struct vmq_cfg *cfg);
void vmq_destroy(struct vmq *v);
const struct vsw_steer *vmq_steer(const struct vmq *v);
int vmq_attach(struct vmq *v, struct vsw_uplink *u);
void vmq_detach(struct vmq *v);

struct vmq_port_cfg {
	bool is_off;	    /* no queue of its own */
	uint16_t nr_queues; /* VMMQ; 0: 1 */
	bool is_pinned;
	uint16_t lcore; /* pinned there */
	bool wants_direct;
	int16_t node; /* NUMA node of the partition's memory, or VMQ_NODE_ANY */
};
/* A NIC's port, attached. Without a queue it is served by the default one, and its status says why. 0 or -errno (text
 * set). */
int vmq_port_add(struct vmq *v, struct vsw_port *p, const struct vmq_port_cfg *cfg);
void vmq_port_remove(struct vmq *v, struct vsw_port *p);

/* Each second: loads, moves. */
void vmq_tick(struct vmq *v);
