/* SPDX-License-Identifier: BSD-3-Clause */
/* Filters on the queues of a NIC. States are in test_vmq_queue.c. */
#include "vmq/filter.h"

#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "tests/support/vmqbed.h"
#include "vmq/queue_priv.h"

#define ME    7u
#define OTHER 9u

static const struct vmq_params plain = {.name = "vm0/nic0", .lcore = VMQ_CPU_ANY};

static struct vmqbed_dev dev;
static struct vmq_nic *nic;

/* Queue 1 is mine and runs with filter 1 on station 1, queue 2 is mine and has no filter yet, queue 3 is another's
 * and runs with filter 2 on station 3. */
static void up(void)
{
	struct vmq_filter mine = vmqbed_any(1), others = vmqbed_any(3);

	cr_assert_eq(vmq_nic_create(&nic, 4, &vmqbed_ops, &dev), 0);
	cr_assert_eq(vmq_queue_allocate(nic, ME, &plain), 1);
	cr_assert_eq(vmq_queue_allocate(nic, ME, &plain), 2);
	cr_assert_eq(vmq_queue_allocate(nic, OTHER, &plain), 3);
	cr_assert_eq(vmq_filter_set(nic, 1, ME, &mine), 1);
	cr_assert_eq(vmq_filter_set(nic, 3, OTHER, &others), 2);
	cr_assert_eq(vmq_allocation_complete(nic, (uint16_t[]){1, 3}, 2), 0);
	dev.asked = 0;
	memset(dev.calls, 0, sizeof(dev.calls));
}

static void down(void)
{
	cr_assert_str_empty(dev.fault, "%s", dev.fault);
	vmq_nic_destroy(nic);
}

TestSuite(vmq_filter, .init = up, .fini = down);

static void must(int64_t rc)
{
	cr_assert_geq(rc, 0, "%s", err_text());
}

static int64_t set(uint16_t q, uint32_t owner, struct vmq_filter f)
{
	return vmq_filter_set(nic, q, owner, &f);
}

static uint16_t sort(uint8_t station, uint16_t vlan)
{
	return vmqbed_sort(&dev, vmqbed_any(station).mac, vlan);
}

#define expect_refused(rc, code, part)                                                       \
	do {                                                                                 \
		cr_expect_eq((rc), (code), "%s", err_text());                                \
		cr_expect(strstr(err_text(), (part)), "\"%s\" in \"%s\"", part, err_text()); \
	} while (0)

/* ---- VMQ-1, VMQ-2, VMQ-3 -------------------------------------------------------------------------- */

Test(vmq_filter, vmq_1_every_owner_may_filter_on_the_default_queue)
{
	int64_t mine = set(VMQ_DEFAULT, ME, vmqbed_any(20));
	int64_t others = set(VMQ_DEFAULT, OTHER, vmqbed_any(21));

	cr_expect(mine > 0 && others > 0 && mine != others);
	expect_refused(vmq_filter_clear(nic, (uint32_t)others, ME), -EPERM, "set by owner 9");
	expect_refused(vmq_filter_move(nic, (uint32_t)others, ME, 1), -EPERM, "set by owner 9");
	must(vmq_filter_clear(nic, (uint32_t)others, OTHER));
	must(vmq_filter_clear(nic, (uint32_t)mine, ME));
	cr_expect_eq(dev.asked, 0, "the device has nothing to do for the default queue");
}

Test(vmq_filter, vmq_2_passes_what_passes_all_tests)
{
	static const struct {
		struct vmq_filter f;
		uint8_t last; /* byte of the address */
		uint16_t vlan;
		bool passes;
	} rows[] = {
		{{{2, 0, 0, 0, 0, 1}, VMQ_VLAN_ANY, 0}, 1, 0, true},
		{{{2, 0, 0, 0, 0, 1}, VMQ_VLAN_ANY, 0}, 1, 7, true},
		{{{2, 0, 0, 0, 0, 1}, VMQ_VLAN_ANY, 0}, 2, 0, false},
		{{{2, 0, 0, 0, 0, 1}, VMQ_VLAN_IS, 7}, 1, 7, true},
		{{{2, 0, 0, 0, 0, 1}, VMQ_VLAN_IS, 7}, 1, 8, false},
		{{{2, 0, 0, 0, 0, 1}, VMQ_VLAN_IS, 7}, 1, 0, false},
		{{{2, 0, 0, 0, 0, 1}, VMQ_VLAN_IS, 7}, 2, 7, false},
		{{{2, 0, 0, 0, 0, 1}, VMQ_VLAN_UNTAGGED, 0}, 1, 0, true},
		{{{2, 0, 0, 0, 0, 1}, VMQ_VLAN_UNTAGGED, 0}, 1, 7, false},
		{{{2, 0, 0, 0, 0, 1}, VMQ_VLAN_UNTAGGED, 0}, 2, 0, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t mac[6] = {2, 0, 0, 0, 0, rows[i].last};

		cr_expect_eq(vmq_filter_passes(&rows[i].f, mac, rows[i].vlan), rows[i].passes,
			     "row %zu", i);
	}
}

Test(vmq_filter, vmq_2_a_frame_needs_to_pass_one_filter_of_the_queue)
{
	must(set(1, ME, vmqbed_vlan(20, 7)));
	must(set(1, ME, vmqbed_untagged(20)));
	cr_expect_eq(sort(1, 0), 1);
	cr_expect_eq(sort(20, 7), 1);
	cr_expect_eq(sort(20, 0), 1);
	cr_expect_eq(sort(20, 8), VMQ_DEFAULT);
}

Test(vmq_filter, vmq_2_filters_of_one_queue_may_overlap)
{
	int64_t any = set(1, ME, vmqbed_any(20));

	must(set(1, ME, vmqbed_vlan(20, 7)));
	must(vmq_filter_clear(nic, (uint32_t)any, ME));
	cr_expect_eq(sort(20, 7), 1);
	cr_expect_eq(sort(20, 8), VMQ_DEFAULT);
}

Test(vmq_filter, vmq_2_ids_are_unique_and_not_reused)
{
	uint32_t last = 2;

	for (unsigned int i = 0; i < 3 * VMQ_FILTERS_MAX; i++) {
		int64_t id = set((uint16_t)(i % 2), ME, vmqbed_any(20));

		cr_assert_gt(id, (int64_t)last);
		last = (uint32_t)id;
		must(vmq_filter_clear(nic, last, ME));
		expect_refused(vmq_filter_clear(nic, last, ME), -ENOENT, "there is no filter");
	}
}

static void in_order(const struct vmq_filter_info *i, void *ctx)
{
	uint32_t *last = ctx;

	cr_expect_gt(i->id, *last);
	*last = i->id;
}

Test(vmq_filter, vmq_2_ids_come_round_past_zero_and_those_in_use)
{
	uint32_t last = 0;

	nic->last_id = UINT32_MAX - 1;
	cr_expect_eq(set(1, ME, vmqbed_any(20)), UINT32_MAX);
	cr_expect_eq(set(1, ME, vmqbed_any(21)), 3);
	cr_expect_eq(set(1, ME, vmqbed_any(22)), 4);
	vmq_filter_enum(nic, UINT16_MAX, in_order, &last);
	cr_expect_eq(last, UINT32_MAX);
}

Test(vmq_filter, vmq_2_refuses_two_queues_for_one_frame)
{
	static const struct {
		struct vmq_filter a, b;
		bool overlaps;
	} rows[] = {
		{{{2, 9}, VMQ_VLAN_ANY, 0}, {{2, 9}, VMQ_VLAN_ANY, 0}, true},
		{{{2, 9}, VMQ_VLAN_ANY, 0}, {{2, 9}, VMQ_VLAN_IS, 7}, true},
		{{{2, 9}, VMQ_VLAN_UNTAGGED, 0}, {{2, 9}, VMQ_VLAN_ANY, 0}, true},
		{{{2, 9}, VMQ_VLAN_IS, 7}, {{2, 9}, VMQ_VLAN_IS, 7}, true},
		{{{2, 9}, VMQ_VLAN_UNTAGGED, 0}, {{2, 9}, VMQ_VLAN_UNTAGGED, 0}, true},
		{{{2, 9}, VMQ_VLAN_IS, 7}, {{2, 9}, VMQ_VLAN_IS, 8}, false},
		{{{2, 9}, VMQ_VLAN_IS, 7}, {{2, 9}, VMQ_VLAN_UNTAGGED, 0}, false},
		{{{2, 9}, VMQ_VLAN_ANY, 0}, {{2, 8}, VMQ_VLAN_ANY, 0}, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t a = set(3, OTHER, rows[i].a), b = set(2, ME, rows[i].b);

		cr_assert_gt(a, 0, "row %zu: %s", i, err_text());
		if (rows[i].overlaps)
			expect_refused(b, -EEXIST, "queue 3 has filter");
		else
			cr_expect_gt(b, 0, "row %zu: %s", i, err_text());
		must(vmq_filter_clear(nic, (uint32_t)a, OTHER));
		if (b > 0)
			must(vmq_filter_clear(nic, (uint32_t)b, ME));
	}
}

Test(vmq_filter, vmq_2_refuses_the_same_filter_twice)
{
	struct vmq_filter f = vmqbed_any(1);

	expect_refused(vmq_filter_set(nic, 1, ME, &f), -EEXIST, "queue 1 has filter 1");
	expect_refused(vmq_filter_set(nic, VMQ_DEFAULT, OTHER, &f), -EEXIST,
		       "queue 1 has filter 1");
	must(set(VMQ_DEFAULT, OTHER, vmqbed_any(20)));
	expect_refused(set(1, ME, vmqbed_any(20)), -EEXIST, "queue 0 has filter");
	cr_expect_eq(dev.asked, 0);
}

Test(vmq_filter, vmq_3_only_the_allocator_sets_filters)
{
	static char before[VMQBED_DUMP], after[VMQBED_DUMP];

	vmqbed_dump(nic, &dev, before);
	expect_refused(set(1, OTHER, vmqbed_any(20)), -EPERM, "allocated by owner 7");
	expect_refused(set(1, VMQ_NOBODY, vmqbed_any(20)), -EPERM, "needs an owner");
	expect_refused(set(VMQ_DEFAULT, VMQ_NOBODY, vmqbed_any(20)), -EPERM, "needs an owner");
	expect_refused(vmq_filter_clear(nic, 1, OTHER), -EPERM, "set by owner 7");
	expect_refused(vmq_filter_clear(nic, 1, VMQ_NOBODY), -EPERM, "set by owner 7");
	expect_refused(vmq_filter_move(nic, 1, OTHER, 3), -EPERM, "set by owner 7");
	expect_refused(vmq_filter_move(nic, 1, ME, 3), -EPERM, "allocated by owner 9");
	cr_expect_str_eq(vmqbed_dump(nic, &dev, after), before);
	cr_expect_eq(dev.asked, 0);
}

Test(vmq_filter, vmq_4_a_queue_that_is_not_complete_gets_no_frames)
{
	int64_t id = set(2, ME, vmqbed_any(20));

	must(id);
	cr_expect_eq(dev.asked, 0);
	cr_expect_eq(sort(20, 0), VMQ_DEFAULT);
	must(vmq_filter_clear(nic, (uint32_t)id, ME));
	cr_expect_eq(dev.asked, 0);
}

/* ---- FLT-1 ----------------------------------------------------------------------------------------- */

static void complete_2(void)
{
	must(vmq_allocation_complete(nic, (uint16_t[]){2}, 1));
}

static void expect_calls(unsigned int sets, unsigned int clears, unsigned int moves)
{
	cr_expect_eq(dev.calls[VMQBED_SET], sets, "%u sets", dev.calls[VMQBED_SET]);
	cr_expect_eq(dev.calls[VMQBED_CLEAR], clears, "%u clears", dev.calls[VMQBED_CLEAR]);
	cr_expect_eq(dev.calls[VMQBED_MOVE], moves, "%u moves", dev.calls[VMQBED_MOVE]);
}

Test(vmq_filter, flt_1_a_move_is_one_call)
{
	complete_2();
	must(vmq_filter_move(nic, 1, ME, 2));
	expect_calls(0, 0, 1);
	cr_expect_eq(sort(1, 0), 2);
	cr_expect_eq(vmq_queue_state(nic, 1), VMQ_PAUSED);
	cr_expect_eq(vmq_queue_state(nic, 2), VMQ_RUNNING);
}

Test(vmq_filter, flt_1_a_move_to_the_default_queue_is_a_clear)
{
	must(vmq_filter_move(nic, 1, ME, VMQ_DEFAULT));
	expect_calls(0, 1, 0);
	cr_expect_eq(sort(1, 0), VMQ_DEFAULT);
	cr_expect_eq(vmq_queue_state(nic, 1), VMQ_PAUSED);
	must(vmq_filter_clear(nic, 1, ME));
	expect_calls(0, 1, 0);
}

Test(vmq_filter, flt_1_a_move_from_the_default_queue_is_a_set)
{
	int64_t id = set(VMQ_DEFAULT, ME, vmqbed_any(20));

	must(vmq_filter_move(nic, (uint32_t)id, ME, 1));
	expect_calls(1, 0, 0);
	cr_expect_eq(sort(20, 0), 1);
}

Test(vmq_filter, flt_1_a_move_to_a_queue_that_is_not_complete_waits_in_the_default_queue)
{
	must(vmq_filter_move(nic, 1, ME, 2));
	expect_calls(0, 1, 0);
	cr_expect_eq(sort(1, 0), VMQ_DEFAULT);
	cr_expect_eq(vmq_queue_state(nic, 2), VMQ_SET);
	complete_2();
	expect_calls(1, 1, 0);
	cr_expect_eq(sort(1, 0), 2);
}

Test(vmq_filter, flt_1_a_move_between_queues_without_frames_does_not_ask_the_device)
{
	int64_t id = set(2, ME, vmqbed_any(20));

	must(vmq_filter_move(nic, (uint32_t)id, ME, VMQ_DEFAULT));
	must(vmq_filter_move(nic, (uint32_t)id, ME, 2));
	must(vmq_filter_move(nic, (uint32_t)id, ME, 2));
	must(vmq_filter_move(nic, 1, ME, 1));
	expect_calls(0, 0, 0);
}

Test(vmq_filter, flt_1_a_move_takes_a_filter_away_from_those_it_overlaps)
{
	int64_t id = set(1, ME, vmqbed_vlan(1, 7));

	complete_2();
	expect_refused(vmq_filter_move(nic, (uint32_t)id, ME, 2), -EEXIST, "queue 1 has filter 1");
	must(vmq_filter_clear(nic, 1, ME));
	must(vmq_filter_move(nic, (uint32_t)id, ME, 2));
	cr_expect_eq(sort(1, 7), 2);
}

/* ---- A device that refuses -------------------------------------------------------------------------- */

static int do_set(void)
{
	return (int)set(1, ME, vmqbed_any(20));
}

static int do_clear(void)
{
	return vmq_filter_clear(nic, 1, ME);
}

static int do_move(void)
{
	return vmq_filter_move(nic, 1, ME, 2);
}

static int do_move_away(void)
{
	return vmq_filter_move(nic, 1, ME, VMQ_DEFAULT);
}

static int do_move_home(void)
{
	return vmq_filter_move(nic, 3, ME, 1);
}

Test(vmq_filter, leaves_all_as_it_was_when_the_device_refuses)
{
	static char before[VMQBED_DUMP], after[VMQBED_DUMP];
	static int (*const calls[])(void) = {do_set, do_move_home, do_move, do_move_away, do_clear};
	static const int codes[] = {-ENOSPC, -EIO};

	cr_assert_eq(set(VMQ_DEFAULT, ME, vmqbed_any(21)), 3);
	complete_2();
	vmqbed_dump(nic, &dev, before);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		for (size_t c = 0; c < sizeof(codes) / sizeof(codes[0]); c++) {
			vmqbed_fail(&dev, 1, codes[c]);
			expect_refused(calls[i](), codes[c], "the device refuses");
			cr_expect_str_eq(vmqbed_dump(nic, &dev, after), before, "call %zu", i);
		}
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) - 1; i++)
		must(calls[i]());
}

Test(vmq_filter, asks_again_for_what_the_device_kept)
{
	int64_t id = set(2, ME, vmqbed_any(20));

	must(set(2, ME, vmqbed_any(21)));
	vmqbed_fail_nth(&dev, 2, 2, -EIO); /* the second set, and the first one's clear */
	cr_assert_eq(vmq_allocation_complete(nic, (uint16_t[]){2}, 1), -EIO);
	cr_assert_eq(sort(20, 0), 2);
	vmqbed_fail(&dev, 1, -EIO);
	expect_refused(vmq_filter_clear(nic, (uint32_t)id, ME), -EIO, "the device refuses");
	must(vmq_filter_clear(nic, (uint32_t)id, ME));
	cr_expect_eq(sort(20, 0), VMQ_DEFAULT);
}

/* ---- The rest ---------------------------------------------------------------------------------------- */

Test(vmq_filter, refuses_filters_that_no_frame_should_pass)
{
	static const struct {
		struct vmq_filter f;
		const char *part;
	} rows[] = {
		{{{0}, VMQ_VLAN_ANY, 0}, "one station"},
		{{{1, 0, 0x5e, 0, 0, 1}, VMQ_VLAN_ANY, 0}, "one station"},
		{{{255, 255, 255, 255, 255, 255}, VMQ_VLAN_ANY, 0}, "one station"},
		{{{2}, VMQ_VLAN_IS, 0}, "want 1..4094"},
		{{{2}, VMQ_VLAN_IS, 4095}, "want 1..4094"},
		{{{2}, VMQ_VLAN_ANY, 1}, "want 0"},
		{{{2}, VMQ_VLAN_UNTAGGED, 1}, "want 0"},
		{{{2}, 3, 0}, "VLAN test 3"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_refused(set(1, ME, rows[i].f), -EINVAL, rows[i].part);
	cr_expect_eq(dev.asked, 0);
	must(set(1, ME, vmqbed_vlan(20, 1)));
	must(set(1, ME, vmqbed_vlan(20, 4094)));
}

Test(vmq_filter, refuses_queues_and_filters_that_are_not_there)
{
	expect_refused(set(4, ME, vmqbed_any(20)), -EINVAL, "queue 4: there are 0..3");
	expect_refused(vmq_filter_move(nic, 1, ME, 4), -EINVAL, "queue 4: there are 0..3");
	expect_refused(vmq_filter_move(nic, 99, ME, 1), -ENOENT, "no filter 99");
	expect_refused(vmq_filter_clear(nic, 0, ME), -ENOENT, "no filter 0");
}

Test(vmq_filter, is_full_at_last)
{
	for (unsigned int i = 2; i < VMQ_FILTERS_MAX; i++)
		must(set((uint16_t)(i % 2), ME, vmqbed_vlan(20, (uint16_t)i)));
	expect_refused(set(1, ME, vmqbed_any(21)), -ENOSPC, "all 1024 filters");
	must(vmq_filter_move(nic, 1, ME, VMQ_DEFAULT));
	must(vmq_filter_clear(nic, 1, ME));
	must(set(1, ME, vmqbed_any(21)));
}

static void count(const struct vmq_filter_info *i, void *ctx)
{
	++*(unsigned int *)ctx;
}

Test(vmq_filter, lists_the_filters_of_one_queue_or_of_all)
{
	unsigned int n = 0, all = 0, none = 0;

	must(set(1, ME, vmqbed_any(20)));
	vmq_filter_enum(nic, 1, count, &n);
	vmq_filter_enum(nic, 2, count, &none);
	vmq_filter_enum(nic, UINT16_MAX, count, &all);
	cr_expect(n == 2 && none == 0 && all == 3, "%u %u %u", n, none, all);
}

Test(vmq_filter, has_a_text)
{
	char buf[VMQ_FILTER_TEXT];
	struct vmq_filter any = vmqbed_any(1), vlan = vmqbed_vlan(1, 7), un = vmqbed_untagged(255);

	cr_expect_str_eq(vmq_filter_text(&any, buf), "02:00:00:00:00:01 any vlan");
	cr_expect_str_eq(vmq_filter_text(&vlan, buf), "02:00:00:00:00:01 vlan 7");
	cr_expect_str_eq(vmq_filter_text(&un, buf), "02:00:00:00:00:ff untagged");
}
