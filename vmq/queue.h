/* SPDX-License-Identifier: BSD-3-Clause */
/* The queues of one NIC as Hyper-V's VMQ has them: states, operations, filters. Pure: what the device is to
 * do is asked of a provider (vmq/provider.h), what the switch is to do is the caller's.
 *
 * Life of a queue (conformance: VMQ-1 .. VMQ-6):
 *   1 vmq_queue_allocate()             Undefined -> Allocated
 *   2 vmq_filter_set(), at least once  Allocated -> Set
 *   3 vmq_allocation_complete()        Set -> Running (Allocated -> Paused); many queues in one call
 *   4 vmq_filter_clear() of the last   Running -> Paused
 *   5 vmq_queue_free()                 Paused (or Allocated) -> Stop DMA
 *   6 vmq_queue_dma_stopped()          Stop DMA -> Freeing
 *   7 vmq_queue_returned()             Freeing -> Undefined
 * An operation that the state does not allow is refused with -EPERM and changes nothing. The device has the
 * filters of Running queues and of no other: a queue that is Set gets its frames from step 3 on. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmq/filter.h"

#define VMQ_QUEUES_MAX	128u  /* of a NIC, the default one among them */
#define VMQ_FILTERS_MAX 1024u /* of a NIC */
#define VMQ_DEFAULT	0u    /* always exists, gets what nothing else wants, is never freed */
#define VMQ_NOBODY	0u    /* no owner */
#define VMQ_CPU_ANY	UINT16_MAX

enum vmq_state {
	VMQ_UNDEFINED,
	VMQ_ALLOCATED,
	VMQ_SET,
	VMQ_RUNNING,
	VMQ_PAUSED,
	VMQ_STOP_DMA,
	VMQ_FREEING,
	VMQ_STATES
};

/* What can be set of a queue, while it is Allocated, Set, Running or Paused. */
struct vmq_params {
	char name[32];	 /* for people */
	uint16_t lcore;	 /* index in the switch that polls it; VMQ_CPU_ANY */
	bool is_static;	 /* stays on that lcore (VMQ-10) */
	bool may_direct; /* its frames may be written into the owner's buffer */
};

struct vmq_nic;
struct vmq_provider_ops;

/* ctl, all of it.  @nr_queues: with the default one, 1 .. VMQ_QUEUES_MAX. 0 or -errno (text set). Borrows @ops and
 * @pv. */
int vmq_nic_create(struct vmq_nic **out, uint16_t nr_queues, const struct vmq_provider_ops *ops,
		   void *pv);
void vmq_nic_destroy(struct vmq_nic *n);

/* A queue for @owner (not VMQ_NOBODY): its number, 1.., or -ENOSPC, -EPERM, -EINVAL (@p: static on no lcore, name
 * without an end) (text set). */
int vmq_queue_allocate(struct vmq_nic *n, uint32_t owner, const struct vmq_params *p);
int vmq_queue_params_get(const struct vmq_nic *n, uint16_t q, struct vmq_params *p);
/* As the allocator; the default queue's as VMQ_NOBODY. A static queue changes its lcore only by becoming dynamic in
 * the same call (-EPERM). */
int vmq_queue_params_set(struct vmq_nic *n, uint16_t q, uint32_t owner, const struct vmq_params *p);
/* For all of @q, or, with what is wrong in the text, for none. The default queue is complete from the start. Here the
 * device gets the filters that were set: what it says is returned. */
int vmq_allocation_complete(struct vmq_nic *n, const uint16_t *q, uint16_t nr);
/* Only without filters, and as the allocator. */
int vmq_queue_free(struct vmq_nic *n, uint16_t q, uint32_t owner);
int vmq_queue_dma_stopped(struct vmq_nic *n, uint16_t q);
int vmq_queue_returned(struct vmq_nic *n, uint16_t q);

/* Frames that pass all tests of @f go to queue @q from now on, or from when it is complete. Its id (unique for the
 * NIC, never 0), or -errno (text set): -EPERM (state; not the queue's owner: VMQ-3; anyone may on the default queue),
 * -EEXIST (another queue has one that overlaps, or this one the same), -EINVAL, -ENOSPC, or what the device says. */
int64_t vmq_filter_set(struct vmq_nic *n, uint16_t q, uint32_t owner, const struct vmq_filter *f);
/* As who set it: 0, -ENOENT, -EPERM, or what the device says; then it is as before. */
int vmq_filter_clear(struct vmq_nic *n, uint32_t id, uint32_t owner);
/* At no instant on both queues or on neither (FLT-1). Counts as set on the new and cleared on the old one; to
 * the queue where it is nothing is done. */
int vmq_filter_move(struct vmq_nic *n, uint32_t id, uint32_t owner, uint16_t to);

struct vmq_queue_info {
	uint16_t q;
	enum vmq_state state;
	uint32_t owner;
	uint16_t nr_filters;
	struct vmq_params params;
};
struct vmq_filter_info {
	uint32_t id, owner;
	uint16_t q;
	struct vmq_filter f;
};
/* In order of number; all that are not Undefined. @q of filters: UINT16_MAX: of all queues. */
void vmq_queue_enum(const struct vmq_nic *n, void (*fn)(const struct vmq_queue_info *i, void *ctx),
		    void *ctx);
void vmq_filter_enum(const struct vmq_nic *n, uint16_t q,
		     void (*fn)(const struct vmq_filter_info *i, void *ctx), void *ctx);
enum vmq_state vmq_queue_state(const struct vmq_nic *n, uint16_t q);
uint16_t vmq_nic_queues(const struct vmq_nic *n);

/* any.  "running" */
const char *vmq_state_name(enum vmq_state s);
