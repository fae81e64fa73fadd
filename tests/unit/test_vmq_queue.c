/* SPDX-License-Identifier: BSD-3-Clause */
/* Queues of a NIC: every event in every state, and the rules about queues. Those about filters are in
 * test_vmq_filter.c. */
#include "vmq/queue.h"

#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "tests/support/vmqbed.h"

#define ME    7u
#define OTHER 9u

static const struct vmq_params plain = {.name = "vm0/nic0", .lcore = VMQ_CPU_ANY};

static struct vmqbed_dev dev;
static struct vmq_nic *nic;

static void up(uint16_t nr_queues)
{
	cr_assert_eq(vmq_nic_create(&nic, nr_queues, &vmqbed_ops, &dev), 0, "%s", err_text());
}

static void down(void)
{
	cr_assert_str_empty(dev.fault, "%s", dev.fault);
	vmq_nic_destroy(nic);
}

static void must(int64_t rc)
{
	cr_assert_geq(rc, 0, "%s", err_text());
}

static uint32_t set(uint16_t q, uint32_t owner, struct vmq_filter f)
{
	int64_t id = vmq_filter_set(nic, q, owner, &f);

	cr_assert_gt(id, 0, "%s", err_text());
	return (uint32_t)id;
}

static void complete(uint16_t q)
{
	must(vmq_allocation_complete(nic, &q, 1));
}

#define expect_refused(rc, code, part)                                                       \
	do {                                                                                 \
		cr_expect_eq((rc), (code), "%s", err_text());                                \
		cr_expect(strstr(err_text(), (part)), "\"%s\" in \"%s\"", part, err_text()); \
	} while (0)

/* ---- Every event in every state ------------------------------------------------------------------ */

enum event {
	ALLOCATE,
	PARAMS_GET,
	PARAMS_SET,
	SET_FILTER,
	CLEAR_LAST,
	CLEAR_NOT_LAST,
	MOVE_IN,
	MOVE_LAST_OUT,
	MOVE_NOT_LAST_OUT,
	COMPLETE,
	RECEIVE,
	FREE,
	DMA_STOPPED,
	RETURNED,
	EVENTS
};

#define NO 0
#define UN (1 + VMQ_UNDEFINED)
#define AL (1 + VMQ_ALLOCATED)
#define SE (1 + VMQ_SET)
#define RU (1 + VMQ_RUNNING)
#define PA (1 + VMQ_PAUSED)
#define SD (1 + VMQ_STOP_DMA)
#define FR (1 + VMQ_FREEING)

/* The table of conformance 5.6. A move counts as set on one and cleared on the other. Where a queue has no
 * filters there is no id of one. */
static const struct row {
	const char *name;
	int refusal;
	unsigned char next[VMQ_STATES];
} table[EVENTS] = {
	/* Undefined, Allocated, Set, Running, Paused, Stop DMA, Freeing */
	[ALLOCATE] = {"allocate", -ENOSPC, {AL, NO, NO, NO, NO, NO, NO}},
	[PARAMS_GET] = {"parameters get", -EPERM, {NO, AL, SE, RU, PA, NO, NO}},
	[PARAMS_SET] = {"parameters set", -EPERM, {NO, AL, SE, RU, PA, NO, NO}},
	[SET_FILTER] = {"set filter", -EPERM, {NO, SE, SE, RU, RU, NO, NO}},
	[CLEAR_LAST] = {"clear last filter", -ENOENT, {NO, NO, AL, PA, NO, NO, NO}},
	[CLEAR_NOT_LAST] = {"clear filter", -ENOENT, {NO, NO, SE, RU, NO, NO, NO}},
	[MOVE_IN] = {"move filter in", -EPERM, {NO, SE, SE, RU, RU, NO, NO}},
	[MOVE_LAST_OUT] = {"move last filter out", -ENOENT, {NO, NO, AL, PA, NO, NO, NO}},
	[MOVE_NOT_LAST_OUT] = {"move filter out", -ENOENT, {NO, NO, SE, RU, NO, NO, NO}},
	[COMPLETE] = {"complete", -EPERM, {NO, PA, RU, NO, NO, NO, NO}},
	[RECEIVE] = {"receive", -EPERM, {NO, NO, NO, RU, NO, NO, NO}},
	[FREE] = {"free", -EPERM, {NO, SD, NO, NO, SD, NO, NO}},
	[DMA_STOPPED] = {"DMA stopped", -EPERM, {NO, NO, NO, NO, NO, FR, NO}},
	[RETURNED] = {"returned", -EPERM, {NO, NO, NO, NO, NO, NO, UN}},
};

/* Queue 1 is looked at; queue 2 runs with filters of the same owner. */
struct cell {
	uint32_t id;	/* a filter of queue 1, or one that it had */
	uint32_t other; /* of queue 2 */
};

static void advance_to(enum vmq_state s, struct cell *c, unsigned int nr_filters)
{
	c->id = set(1, ME, vmqbed_any(1));
	if (s == VMQ_SET || s == VMQ_RUNNING) {
		for (uint8_t i = 1; i < nr_filters; i++)
			set(1, ME, vmqbed_any((uint8_t)(1 + i)));
		if (s == VMQ_RUNNING)
			complete(1);
		return;
	}
	must(vmq_filter_clear(nic, c->id, ME));
	if (s == VMQ_ALLOCATED)
		return;
	complete(1);
	if (s == VMQ_PAUSED)
		return;
	must(vmq_queue_free(nic, 1, ME));
	if (s == VMQ_STOP_DMA)
		return;
	must(vmq_queue_dma_stopped(nic, 1));
	if (s == VMQ_UNDEFINED)
		must(vmq_queue_returned(nic, 1));
}

static struct cell bring(enum vmq_state s, unsigned int nr_filters)
{
	struct cell c;

	memset(&dev, 0, sizeof(dev));
	up(3);
	cr_assert_eq(vmq_queue_allocate(nic, ME, &plain), 1);
	cr_assert_eq(vmq_queue_allocate(nic, ME, &plain), 2);
	c.other = set(2, ME, vmqbed_any(100));
	set(2, ME, vmqbed_any(101));
	complete(2);
	advance_to(s, &c, nr_filters);
	cr_assert_eq(vmq_queue_state(nic, 1), s);
	return c;
}

static int64_t happen(enum event e, const struct cell *c)
{
	struct vmq_filter f = vmqbed_any(50);
	struct vmq_params p = plain;
	uint16_t q = 1;

	switch (e) {
	case ALLOCATE: return vmq_queue_allocate(nic, ME, &plain);
	case PARAMS_GET: return vmq_queue_params_get(nic, 1, &p);
	case PARAMS_SET: return vmq_queue_params_set(nic, 1, ME, &p);
	case SET_FILTER: return vmq_filter_set(nic, 1, ME, &f);
	case CLEAR_LAST:
	case CLEAR_NOT_LAST: return vmq_filter_clear(nic, c->id, ME);
	case MOVE_IN: return vmq_filter_move(nic, c->other, ME, 1);
	case MOVE_LAST_OUT:
	case MOVE_NOT_LAST_OUT: return vmq_filter_move(nic, c->id, ME, 2);
	case COMPLETE: return vmq_allocation_complete(nic, &q, 1);
	case RECEIVE: return vmqbed_sort(&dev, vmqbed_any(1).mac, 0) == 1 ? 0 : -EPERM;
	case FREE: return vmq_queue_free(nic, 1, ME);
	case DMA_STOPPED: return vmq_queue_dma_stopped(nic, 1);
	case RETURNED: return vmq_queue_returned(nic, 1);
	default: cr_assert_fail("event %d", e);
	}
	return 0;
}

static void check_cell(enum event e, enum vmq_state s)
{
	static char before[VMQBED_DUMP], after[VMQBED_DUMP];
	struct cell c = bring(s, e == CLEAR_NOT_LAST || e == MOVE_NOT_LAST_OUT ? 2 : 1);
	const struct row *row = &table[e];
	unsigned int asked = dev.asked;
	int64_t rc;

	vmqbed_dump(nic, &dev, before);
	rc = happen(e, &c);
	if (row->next[s]) {
		cr_expect_geq(rc, 0, "%s in %s: %s", row->name, vmq_state_name(s), err_text());
		cr_expect_eq(vmq_queue_state(nic, 1), row->next[s] - 1, "%s in %s: goes to %s",
			     row->name, vmq_state_name(s), vmq_state_name(vmq_queue_state(nic, 1)));
	} else {
		cr_expect_eq(rc, row->refusal, "%s in %s: %lld", row->name, vmq_state_name(s),
			     (long long)rc);
		cr_expect_str_eq(vmqbed_dump(nic, &dev, after), before, "%s in %s", row->name,
				 vmq_state_name(s));
		cr_expect_eq(dev.asked, asked, "%s in %s: the device was asked", row->name,
			     vmq_state_name(s));
	}
	down();
}

Test(vmq_queue, does_what_the_table_says_at_every_event_in_every_state)
{
	for (int e = 0; e < EVENTS; e++)
		for (int s = 0; s < VMQ_STATES; s++)
			check_cell((enum event)e, (enum vmq_state)s);
}

Test(vmq_queue, says_state_and_remedy_when_it_refuses)
{
	bring(VMQ_RUNNING, 1);
	expect_refused(vmq_queue_free(nic, 1, ME), -EPERM, "queue 1 is running: clear all of its");
	down();
}

/* ---- Rules --------------------------------------------------------------------------------------- */

Test(vmq_queue, vmq_1_default_queue_exists_from_the_start_and_runs)
{
	struct vmq_params p;

	up(1);
	cr_expect_eq(vmq_queue_state(nic, VMQ_DEFAULT), VMQ_RUNNING);
	cr_expect_eq(vmq_queue_params_get(nic, VMQ_DEFAULT, &p), 0);
	cr_expect_str_eq(p.name, "default");
	expect_refused(vmq_queue_allocate(nic, ME, &plain), -ENOSPC, "none of 0 queues");
	down();
}

Test(vmq_queue, vmq_1_default_queue_is_never_freed)
{
	uint16_t q = VMQ_DEFAULT;

	up(2);
	expect_refused(vmq_queue_free(nic, q, VMQ_NOBODY), -EPERM, "default queue");
	expect_refused(vmq_queue_free(nic, q, ME), -EPERM, "default queue");
	expect_refused(vmq_queue_dma_stopped(nic, q), -EPERM, "queue 0 is running");
	expect_refused(vmq_queue_returned(nic, q), -EPERM, "queue 0 is running");
	expect_refused(vmq_allocation_complete(nic, &q, 1), -EPERM, "queue 0 is running");
	cr_expect_eq(vmq_queue_state(nic, q), VMQ_RUNNING);
	down();
}

Test(vmq_queue, vmq_1_default_queue_runs_without_filters)
{
	uint32_t id;

	up(2);
	id = set(VMQ_DEFAULT, ME, vmqbed_any(1));
	must(vmq_filter_clear(nic, id, ME));
	cr_expect_eq(vmq_queue_state(nic, VMQ_DEFAULT), VMQ_RUNNING);
	down();
}

Test(vmq_queue, vmq_3_only_the_allocator_changes_and_frees_a_queue)
{
	up(2);
	must(vmq_queue_allocate(nic, ME, &plain));
	expect_refused(vmq_queue_params_set(nic, 1, OTHER, &plain), -EPERM, "owner 7");
	expect_refused(vmq_queue_params_set(nic, VMQ_DEFAULT, OTHER, &plain), -EPERM, "owner 0");
	expect_refused(vmq_queue_free(nic, 1, OTHER), -EPERM, "owner 7");
	expect_refused(vmq_queue_free(nic, 1, VMQ_NOBODY), -EPERM, "owner 7");
	must(vmq_queue_free(nic, 1, ME));
	down();
}

Test(vmq_queue, vmq_3_a_queue_needs_an_owner)
{
	up(2);
	expect_refused(vmq_queue_allocate(nic, VMQ_NOBODY, &plain), -EPERM, "needs an owner");
	down();
}

/* Queues 1 .. 3 with one, two, and no filters. */
static void allocate_batch(uint16_t q[3])
{
	up(5);
	for (uint16_t i = 0; i < 3; i++) {
		q[i] = (uint16_t)vmq_queue_allocate(nic, ME, &plain);
		for (uint8_t k = 0; k < (i + 1) % 3; k++)
			set(q[i], ME, vmqbed_any((uint8_t)(10 * q[i] + k)));
	}
}

Test(vmq_queue, vmq_4_the_device_is_asked_at_completion_only)
{
	uint16_t q[3];

	allocate_batch(q);
	cr_expect_eq(dev.asked, 0);
	must(vmq_allocation_complete(nic, q, 3));
	cr_expect_eq(dev.calls[VMQBED_SET], 3);
	cr_expect_eq(vmq_queue_state(nic, 1), VMQ_RUNNING);
	cr_expect_eq(vmq_queue_state(nic, 2), VMQ_RUNNING);
	cr_expect_eq(vmq_queue_state(nic, 3), VMQ_PAUSED);
	must(vmq_allocation_complete(nic, q, 0));
	down();
}

Test(vmq_queue, vmq_4_completes_all_or_none_whichever_filter_the_device_refuses)
{
	static char before[VMQBED_DUMP], after[VMQBED_DUMP];
	uint16_t q[3];

	allocate_batch(q);
	vmqbed_dump(nic, &dev, before);
	for (unsigned int nth = 1; nth <= 3; nth++) {
		vmqbed_fail_nth(&dev, nth, 1, -ENOSPC);
		expect_refused(vmq_allocation_complete(nic, q, 3), -ENOSPC, "refuses call");
		cr_expect(strstr(err_text(), "none of 3 queues"), "%s", err_text());
		cr_expect_str_eq(vmqbed_dump(nic, &dev, after), before);
	}
	must(vmq_allocation_complete(nic, q, 3));
	down();
}

Test(vmq_queue, vmq_4_knows_what_the_device_kept_when_it_refuses_to_forget)
{
	uint16_t q[3];

	allocate_batch(q);
	vmqbed_fail_nth(&dev, 3, 3, -EIO); /* the third set, and both clears */
	expect_refused(vmq_allocation_complete(nic, q, 3), -EIO, "refuses call 3");
	cr_expect_eq(vmq_queue_state(nic, 1), VMQ_SET);
	cr_expect_eq(dev.nr, 2);
	must(vmq_allocation_complete(nic, q, 3));
	cr_expect_eq(dev.nr, 3);
	down(); /* it was not asked for the two again */
}

Test(vmq_queue, vmq_4_takes_back_what_the_device_kept_when_it_fails_again)
{
	uint16_t q[3];

	allocate_batch(q);
	vmqbed_fail_nth(&dev, 3, 3, -EIO);
	cr_assert_eq(vmq_allocation_complete(nic, q, 3), -EIO);
	cr_assert_eq(dev.nr, 2);
	vmqbed_fail(&dev, 1, -EIO); /* queue 1 comes behind the one that fails */
	cr_expect_eq(vmq_allocation_complete(nic, (uint16_t[]){2, 1}, 2), -EIO);
	cr_expect_eq(dev.nr, 0);
	down();
}

Test(vmq_queue, vmq_4_completes_none_when_one_cannot_be)
{
	static char before[VMQBED_DUMP], after[VMQBED_DUMP];
	uint16_t q[3];

	allocate_batch(q);
	vmqbed_dump(nic, &dev, before);
	expect_refused(vmq_allocation_complete(nic, (uint16_t[]){1, 2, 4}, 3), -EPERM,
		       "queue 4 is undefined");
	expect_refused(vmq_allocation_complete(nic, (uint16_t[]){1, 2, 1}, 3), -EINVAL, "twice");
	expect_refused(vmq_allocation_complete(nic, (uint16_t[]){1, 2, 5}, 3), -EINVAL,
		       "queue 5: there are 0..4");
	expect_refused(vmq_allocation_complete(nic, (uint16_t[]){3, 0}, 2), -EPERM, "queue 0");
	cr_expect_str_eq(vmqbed_dump(nic, &dev, after), before);
	cr_expect_eq(dev.asked, 0);
	down();
}

Test(vmq_queue, vmq_5_is_freed_in_order)
{
	struct cell c = bring(VMQ_RUNNING, 1);

	expect_refused(vmq_queue_free(nic, 1, ME), -EPERM, "clear all");
	must(vmq_filter_clear(nic, c.id, ME));
	expect_refused(vmq_queue_dma_stopped(nic, 1), -EPERM, "paused");
	must(vmq_queue_free(nic, 1, ME));
	expect_refused(vmq_queue_returned(nic, 1), -EPERM, "stop DMA");
	must(vmq_queue_dma_stopped(nic, 1));
	expect_refused(vmq_queue_allocate(nic, OTHER, &plain), -ENOSPC, "none of 2");
	must(vmq_queue_returned(nic, 1));
	cr_expect_eq(vmq_queue_allocate(nic, OTHER, &plain), 1);
	down();
}

Test(vmq_queue, vmq_5_nothing_of_a_freed_queue_is_left_for_the_next)
{
	struct vmq_params p;

	bring(VMQ_FREEING, 1);
	must(vmq_queue_returned(nic, 1));
	must(vmq_queue_allocate(nic, OTHER, &(struct vmq_params){.name = "next", .lcore = 3}));
	must(vmq_queue_params_get(nic, 1, &p));
	cr_expect_str_eq(p.name, "next");
	cr_expect_eq(p.lcore, 3);
	expect_refused(vmq_queue_free(nic, 1, ME), -EPERM, "owner 9");
	down();
}

Test(vmq_queue, vmq_6_a_queue_without_filters_gets_no_frames)
{
	struct cell c = bring(VMQ_RUNNING, 1);

	cr_expect_eq(vmqbed_sort(&dev, vmqbed_any(1).mac, 0), 1);
	must(vmq_filter_clear(nic, c.id, ME));
	cr_expect_eq(vmqbed_sort(&dev, vmqbed_any(1).mac, 0), VMQ_DEFAULT);
	down();
}

Test(vmq_queue, vmq_10_a_dynamic_queue_moves_while_it_runs)
{
	struct vmq_params p = plain;

	bring(VMQ_RUNNING, 1);
	p.lcore = 2;
	must(vmq_queue_params_set(nic, 1, ME, &p));
	must(vmq_queue_params_get(nic, 1, &p));
	cr_expect_eq(p.lcore, 2);
	cr_expect_eq(vmq_queue_state(nic, 1), VMQ_RUNNING);
	down();
}

Test(vmq_queue, vmq_10_a_static_queue_stays)
{
	struct vmq_params p = plain;

	bring(VMQ_RUNNING, 1);
	p.is_static = true;
	expect_refused(vmq_queue_params_set(nic, 1, ME, &p), -EINVAL, "no lcore");
	p.lcore = 2;
	must(vmq_queue_params_set(nic, 1, ME, &p));
	p.lcore = 3;
	expect_refused(vmq_queue_params_set(nic, 1, ME, &p), -EPERM, "stays on lcore 2");
	p.is_static = false;
	must(vmq_queue_params_set(nic, 1, ME, &p));
	down();
}

Test(vmq_queue, hwo_3_nobody_frees_what_another_allocated)
{
	bring(VMQ_PAUSED, 1);
	expect_refused(vmq_queue_free(nic, 1, OTHER), -EPERM, "not owner 9's");
	cr_expect_eq(vmq_queue_state(nic, 1), VMQ_PAUSED);
	down();
}

/* ---- The rest ------------------------------------------------------------------------------------ */

Test(vmq_queue, refuses_parameters_that_make_no_sense)
{
	struct vmq_params p = plain;

	up(2);
	memset(p.name, 'x', sizeof(p.name));
	expect_refused(vmq_queue_allocate(nic, ME, &p), -EINVAL, "at most 31");
	p = (struct vmq_params){.name = "q", .is_static = true, .lcore = VMQ_CPU_ANY};
	expect_refused(vmq_queue_allocate(nic, ME, &p), -EINVAL, "no lcore");
	p = (struct vmq_params){.name = "q", .may_direct = true};
	expect_refused(vmq_queue_params_set(nic, VMQ_DEFAULT, VMQ_NOBODY, &p), -EINVAL, "no owner");
	p.may_direct = false;
	must(vmq_queue_params_set(nic, VMQ_DEFAULT, VMQ_NOBODY, &p));
	down();
}

Test(vmq_queue, knows_how_many_queues_there_are)
{
	struct vmq_params p;

	cr_expect_eq(vmq_nic_create(&nic, 0, &vmqbed_ops, &dev), -EINVAL);
	expect_refused(vmq_nic_create(&nic, VMQ_QUEUES_MAX + 1, &vmqbed_ops, &dev), -EINVAL,
		       "want 1..128");
	up(VMQ_QUEUES_MAX);
	cr_expect_eq(vmq_nic_queues(nic), VMQ_QUEUES_MAX);
	for (uint16_t q = 1; q < VMQ_QUEUES_MAX; q++)
		cr_expect_eq(vmq_queue_allocate(nic, ME, &plain), q);
	expect_refused(vmq_queue_allocate(nic, ME, &plain), -ENOSPC, "none of 127 queues");
	expect_refused(vmq_queue_params_get(nic, 128, &p), -EINVAL, "queue 128: there are 0..127");
	expect_refused(vmq_queue_params_set(nic, 128, ME, &plain), -EINVAL, "queue 128");
	expect_refused(vmq_queue_free(nic, 128, ME), -EINVAL, "queue 128");
	expect_refused(vmq_queue_dma_stopped(nic, 128), -EINVAL, "queue 128");
	expect_refused(vmq_queue_returned(nic, 128), -EINVAL, "queue 128");
	cr_expect_eq(vmq_queue_state(nic, 128), VMQ_UNDEFINED);
	down();
	vmq_nic_destroy(NULL);
}

Test(vmq_queue, has_a_name_for_each_state)
{
	for (int s = 0; s < VMQ_STATES; s++)
		cr_expect_not_null(vmq_state_name((enum vmq_state)s));
	cr_expect_str_eq(vmq_state_name(VMQ_RUNNING), "running");
}
