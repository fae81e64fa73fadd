/* SPDX-License-Identifier: BSD-3-Clause */
/* The states of queues. Filters are in filter.c. */
#include "vmq/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vmq/queue_priv.h"

#define REFUSED	  0
#define TO(state) (VMQ_##state + 1)

/* What is not here is refused. */
static const unsigned char rules[VMQ_EVENTS][VMQ_STATES] = {
	[VMQ_EV_ALLOCATE] = {[VMQ_UNDEFINED] = TO(ALLOCATED)},
	[VMQ_EV_PARAMS] = {[VMQ_ALLOCATED] = TO(ALLOCATED),
			   [VMQ_SET] = TO(SET),
			   [VMQ_RUNNING] = TO(RUNNING),
			   [VMQ_PAUSED] = TO(PAUSED)},
	[VMQ_EV_SET_FILTER] = {[VMQ_ALLOCATED] = TO(SET),
			       [VMQ_SET] = TO(SET),
			       [VMQ_RUNNING] = TO(RUNNING),
			       [VMQ_PAUSED] = TO(RUNNING)},
	[VMQ_EV_CLEAR_LAST] = {[VMQ_SET] = TO(ALLOCATED), [VMQ_RUNNING] = TO(PAUSED)},
	[VMQ_EV_CLEAR] = {[VMQ_SET] = TO(SET), [VMQ_RUNNING] = TO(RUNNING)},
	[VMQ_EV_COMPLETE] = {[VMQ_ALLOCATED] = TO(PAUSED), [VMQ_SET] = TO(RUNNING)},
	[VMQ_EV_FREE] = {[VMQ_ALLOCATED] = TO(STOP_DMA), [VMQ_PAUSED] = TO(STOP_DMA)},
	[VMQ_EV_DMA_STOPPED] = {[VMQ_STOP_DMA] = TO(FREEING)},
	[VMQ_EV_RETURNED] = {[VMQ_FREEING] = TO(UNDEFINED)},
};

/* Ends the sentence "queue 3 is paused: ...". */
static const char *const remedy[VMQ_EVENTS] = {
	[VMQ_EV_ALLOCATE] = "return it before it is allocated again",
	[VMQ_EV_PARAMS] = "its parameters are there from its allocation until it is freed",
	[VMQ_EV_SET_FILTER] = "filters are set from its allocation until it is freed",
	[VMQ_EV_CLEAR_LAST] = "it has no filter to clear",
	[VMQ_EV_CLEAR] = "it has no filter to clear",
	[VMQ_EV_COMPLETE] = "an allocation is completed once, before the queue runs",
	[VMQ_EV_FREE] = "clear all of its filters, then free it, once",
	[VMQ_EV_DMA_STOPPED] = "its DMA is stopped when it was freed",
	[VMQ_EV_RETURNED] = "it is returned when its DMA was stopped",
};

const char *vmq_state_name(enum vmq_state s)
{
	static const char *const name[VMQ_STATES] = {
		[VMQ_UNDEFINED] = "undefined",
		[VMQ_ALLOCATED] = "allocated",
		[VMQ_SET] = "set",
		[VMQ_RUNNING] = "running",
		[VMQ_PAUSED] = "paused",
		[VMQ_STOP_DMA] = "stop DMA",
		[VMQ_FREEING] = "freeing",
	};

	return name[s];
}

int vmq_nic_create(struct vmq_nic **out, uint16_t nr_queues, const struct vmq_provider_ops *ops,
		   void *pv)
{
	struct vmq_nic *n;

	if (nr_queues == 0 || nr_queues > VMQ_QUEUES_MAX)
		return err_set(-EINVAL, "%u queues: want 1..%u, the default one among them",
			       nr_queues, VMQ_QUEUES_MAX);
	n = calloc(1, sizeof(*n));
	if (!n)
		return err_set(-ENOMEM, "%u queues: out of memory", nr_queues);
	n->ops = ops;
	n->pv = pv;
	n->nr_queues = nr_queues;
	for (uint16_t q = 0; q < nr_queues; q++)
		n->queue[q].q = q;
	n->queue[VMQ_DEFAULT].state = VMQ_RUNNING;
	n->queue[VMQ_DEFAULT].params = (struct vmq_params){.name = "default", .lcore = VMQ_CPU_ANY};
	*out = n;
	return 0;
}

void vmq_nic_destroy(struct vmq_nic *n)
{
	free(n);
}

uint16_t vmq_nic_queues(const struct vmq_nic *n)
{
	return n->nr_queues;
}

enum vmq_state vmq_queue_state(const struct vmq_nic *n, uint16_t q)
{
	return q < n->nr_queues ? n->queue[q].state : VMQ_UNDEFINED;
}

int vmq_queue_check(const struct vmq_nic *n, uint16_t q)
{
	if (q < n->nr_queues)
		return 0;
	return err_set(-EINVAL, "queue %u: there are 0..%u", q, n->nr_queues - 1u);
}

int vmq_queue_step(const struct vmq_nic *n, uint16_t q, enum vmq_event e, enum vmq_state *next)
{
	enum vmq_state s = n->queue[q].state;

	*next = s;
	if (rules[e][s] == REFUSED)
		return err_set(-EPERM, "queue %u is %s: %s", q, vmq_state_name(s), remedy[e]);
	if (q != VMQ_DEFAULT) /* which runs with filters and without */
		*next = (enum vmq_state)(rules[e][s] - 1);
	return 0;
}

/* @q is of @owner and its state allows @e. */
static int step_of(const struct vmq_nic *n, uint16_t q, uint32_t owner, enum vmq_event e,
		   enum vmq_state *next)
{
	int rc = vmq_queue_check(n, q);

	if (rc)
		return rc;
	rc = vmq_queue_step(n, q, e, next);
	if (rc)
		return rc;
	if (n->queue[q].owner != owner)
		return err_set(-EPERM,
			       "queue %u was allocated by owner %u: it is not owner %u's to "
			       "change",
			       q, n->queue[q].owner, owner);
	return 0;
}

/* ---- Parameters ------------------------------------------------------------------------------ */

static int check_params(const struct vmq_params *p)
{
	if (!memchr(p->name, 0, sizeof(p->name)))
		return err_set(-EINVAL, "a queue's name has no end: want at most %zu characters",
			       sizeof(p->name) - 1);
	if (p->is_static && p->lcore == VMQ_CPU_ANY)
		return err_set(-EINVAL, "queue \"%s\" is static, but on no lcore: say on which",
			       p->name);
	return 0;
}

int vmq_queue_params_get(const struct vmq_nic *n, uint16_t q, struct vmq_params *p)
{
	enum vmq_state next;
	int rc = vmq_queue_check(n, q);

	if (!rc)
		rc = vmq_queue_step(n, q, VMQ_EV_PARAMS, &next);
	if (!rc)
		*p = n->queue[q].params;
	return rc;
}

int vmq_queue_params_set(struct vmq_nic *n, uint16_t q, uint32_t owner, const struct vmq_params *p)
{
	enum vmq_state next;
	const struct vmq_params *old;
	int rc = step_of(n, q, owner, VMQ_EV_PARAMS, &next);

	if (!rc)
		rc = check_params(p);
	if (rc)
		return rc;
	old = &n->queue[q].params;
	if (old->is_static && p->is_static && p->lcore != old->lcore)
		return err_set(-EPERM,
			       "queue %u stays on lcore %u, it is static: make it dynamic "
			       "to move it to %u",
			       q, old->lcore, p->lcore);
	if (q == VMQ_DEFAULT && p->may_direct) /* it gets the frames of everybody */
		return err_set(-EINVAL,
			       "queue %u: the default queue has no owner whose buffer its "
			       "frames could go to",
			       q);
	n->queue[q].params = *p;
	return 0;
}

/* ---- From the allocation to the end ------------------------------------------------------------ */

int vmq_queue_allocate(struct vmq_nic *n, uint32_t owner, const struct vmq_params *p)
{
	int rc = check_params(p);

	if (rc)
		return rc;
	if (owner == VMQ_NOBODY)
		return err_set(-EPERM, "queue \"%s\": a queue needs an owner, other than %u",
			       p->name, VMQ_NOBODY);
	for (uint16_t q = 1; q < n->nr_queues; q++) {
		struct vmq_queue_info *i = &n->queue[q];

		if (rules[VMQ_EV_ALLOCATE][i->state] == REFUSED)
			continue;
		i->state = (enum vmq_state)(rules[VMQ_EV_ALLOCATE][i->state] - 1);
		i->owner = owner;
		i->params = *p;
		return q;
	}
	return err_set(-ENOSPC,
		       "queue \"%s\": none of %u queues is left: free one, or leave it to "
		       "the default queue",
		       p->name, n->nr_queues - 1u);
}

static int check_batch(const struct vmq_nic *n, const uint16_t *q, uint16_t nr,
		       enum vmq_state next[VMQ_QUEUES_MAX])
{
	bool is_named[VMQ_QUEUES_MAX] = {false};

	for (uint16_t i = 0; i < nr; i++) {
		int rc = vmq_queue_check(n, q[i]);

		if (!rc && is_named[q[i]])
			rc = err_set(-EINVAL, "queue %u is named twice", q[i]);
		if (!rc)
			rc = vmq_queue_step(n, q[i], VMQ_EV_COMPLETE, &next[q[i]]);
		if (rc)
			return rc;
		is_named[q[i]] = true;
	}
	return 0;
}

static int deploy_batch(struct vmq_nic *n, const uint16_t *q, uint16_t nr)
{
	for (uint16_t i = 0; i < nr; i++) {
		int rc = vmq_entries_deploy(n, q[i]);

		if (!rc)
			continue;
		for (i = 0; i < nr; i++)
			vmq_entries_withdraw(n, q[i]);
		return rc;
	}
	return 0;
}

int vmq_allocation_complete(struct vmq_nic *n, const uint16_t *q, uint16_t nr)
{
	enum vmq_state next[VMQ_QUEUES_MAX];
	int rc = check_batch(n, q, nr, next);

	if (!rc)
		rc = deploy_batch(n, q, nr);
	if (rc)
		return err_set(rc, "%s: none of %u queues is completed", err_text(), nr);
	for (uint16_t i = 0; i < nr; i++)
		n->queue[q[i]].state = next[q[i]];
	return 0;
}

int vmq_queue_free(struct vmq_nic *n, uint16_t q, uint32_t owner)
{
	enum vmq_state next;
	int rc;

	if (q == VMQ_DEFAULT)
		return err_set(-EPERM, "queue %u is the default queue, which is never freed", q);
	rc = step_of(n, q, owner, VMQ_EV_FREE, &next);
	if (!rc)
		n->queue[q].state = next;
	return rc;
}

static int advance(struct vmq_nic *n, uint16_t q, enum vmq_event e)
{
	enum vmq_state next;
	int rc = vmq_queue_check(n, q);

	if (!rc)
		rc = vmq_queue_step(n, q, e, &next);
	if (!rc)
		n->queue[q].state = next;
	return rc;
}

int vmq_queue_dma_stopped(struct vmq_nic *n, uint16_t q)
{
	return advance(n, q, VMQ_EV_DMA_STOPPED);
}

int vmq_queue_returned(struct vmq_nic *n, uint16_t q)
{
	int rc = advance(n, q, VMQ_EV_RETURNED);

	if (!rc)
		n->queue[q] = (struct vmq_queue_info){.q = q, .state = n->queue[q].state};
	return rc;
}

void vmq_queue_enum(const struct vmq_nic *n, void (*fn)(const struct vmq_queue_info *i, void *ctx),
		    void *ctx)
{
	for (uint16_t q = 0; q < n->nr_queues; q++)
		if (n->queue[q].state != VMQ_UNDEFINED)
			fn(&n->queue[q], ctx);
}
