/* SPDX-License-Identifier: BSD-3-Clause */
/* What the state machine (queue.c) and the filter table (filter.c) share. */
#pragma once

#include "vmq/provider.h"
#include "vmq/queue.h"

/* What the states of a queue allow (conformance 5.6). A frame that arrives is no event here: a queue gets frames
 * exactly while the device has its filters, and it has them while the queue is Running. */
enum vmq_event {
	VMQ_EV_ALLOCATE,
	VMQ_EV_PARAMS,
	VMQ_EV_SET_FILTER,
	VMQ_EV_CLEAR_LAST,
	VMQ_EV_CLEAR, /* others are left */
	VMQ_EV_COMPLETE,
	VMQ_EV_FREE,
	VMQ_EV_DMA_STOPPED,
	VMQ_EV_RETURNED,
	VMQ_EVENTS
};

struct vmq_entry {
	struct vmq_filter_info i;
	/* The queue to which the device leads what passes; VMQ_DEFAULT: the device does not have it. Kept apart from
	 * i.q because a device may refuse to forget: what it still does is then known and tried again. */
	uint16_t at;
};

struct vmq_nic {
	const struct vmq_provider_ops *ops;
	void *pv;
	uint16_t nr_queues;
	struct vmq_queue_info queue[VMQ_QUEUES_MAX];
	struct vmq_entry entry[VMQ_FILTERS_MAX]; /* in order of id */
	uint16_t nr_entries;
	uint32_t last_id;
};

/* -EINVAL (text set) when there is no queue @q. */
int vmq_queue_check(const struct vmq_nic *n, uint16_t q);
/* 0 and what follows in *@next, or -EPERM (text set). The default queue stays Running. */
int vmq_queue_step(const struct vmq_nic *n, uint16_t q, enum vmq_event e, enum vmq_state *next);

/* The device gets all filters of @q. On failure it may have some: vmq_entries_withdraw(). */
int vmq_entries_deploy(struct vmq_nic *n, uint16_t q);
/* The device forgets what it has for @q. What it does not forget is logged, and remembered in the entry. */
void vmq_entries_withdraw(struct vmq_nic *n, uint16_t q);
