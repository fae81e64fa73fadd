/* SPDX-License-Identifier: BSD-3-Clause */
/* The PF's side on a host that is made up: plans, steps that take, steps that do not, and what is said
 * about them. */
#include "sriov/pf.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "iommu/why.h"
#include "tests/support/fakepf.h"

static struct fake_host h;
static struct fake_pf *fake;
static struct sriov_pf *pf;
static struct sriov_plan plan;

static void setup(void)
{
	fake_host_init(&h);
	fake = fake_pf_add(&h, "pf0", 8);
	cr_assert_eq(sriov_pf_open(&pf, &h.sys, h.nl, "pf0"), 0, "%s", err_text());
}

static void teardown(void)
{
	sriov_plan_fini(&plan);
	sriov_pf_close(pf);
	fake_host_fini(&h);
}

TestSuite(sriov_pf, .init = setup, .fini = teardown, .timeout = 60);

#define KEEP \
	.nr_vfs = SRIOV_KEEP, .autoprobe = SRIOV_KEEP, .is_up = SRIOV_KEEP, .is_promisc = SRIOV_KEEP
#define NUMBER(n)                 \
	(&(struct sriov_pf_want){ \
		.nr_vfs = (n), .autoprobe = 0, .is_up = SRIOV_KEEP, .is_promisc = SRIOV_KEEP})

static int make_plan(const struct sriov_pf_want *want)
{
	sriov_plan_fini(&plan);
	return sriov_pf_plan(pf, want, &plan);
}

static void expect_step(unsigned int i, const char *text)
{
	cr_assert_lt(i, plan.nr, "no step %u", i);
	cr_expect_str_eq(plan.step[i].text, text);
}

static void set_number(unsigned int n)
{
	cr_assert_eq(sriov_pf_set(pf, NUMBER((int)n)), 0, "%s", err_text());
}

static const struct sriov_vf_want all_of_1 = {
	.vf = 1,
	.to = {.fields = (1u << SRIOV_FIELDS) - 1,
	       .mac = {0x02, 0x4e, 0, 0, 0, 1},
	       .vlan = 5,
	       .qos = 3,
	       .spoofchk = true,
	       .trust = true,
	       .max_mbps = 500},
};

static const struct sriov_pf_want set_1 = {KEEP, .vf = &all_of_1, .nr = 1};

Test(sriov_pf, is_found_by_interface_and_by_address)
{
	const struct sriov_pf_info *i = sriov_pf_info(pf);
	struct sriov_pf *other;

	cr_expect_str_eq(i->bdf, "0000:01:00.0");
	cr_expect_str_eq(i->driver, "igb");
	cr_expect_eq(i->ifindex, 7);
	cr_expect_eq(i->total_vfs, 8);
	cr_assert_eq(sriov_pf_open(&other, &h.sys, h.nl, "0000:01:00.0"), 0, "%s", err_text());
	cr_expect_str_eq(sriov_pf_info(other)->ifname, "pf0");
	sriov_pf_close(other);
}

Test(sriov_pf, is_refused_with_its_cause_when_there_is_none)
{
	static const struct {
		const char *name;
		enum iommu_why why;
	} row[] = {
		{"eth9", IOMMU_WHY_NO_DEVICE},	       {"0000:09:00.0", IOMMU_WHY_NO_DEVICE},
		{"../../etc", IOMMU_WHY_NO_DEVICE},    {"", IOMMU_WHY_NO_DEVICE},
		{"0000:02:00.0", IOMMU_WHY_NOT_SRIOV}, {"pf1", IOMMU_WHY_NOT_SRIOV},
	};
	struct sriov_pf *other;

	fake_pf_add(&h, "pf1", 0);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		int rc = sriov_pf_open(&other, &h.sys, h.nl, row[i].name);

		cr_expect_lt(rc, 0, "%s", row[i].name);
		cr_expect_null(other);
		cr_expect_eq(iommu_refused(), row[i].why, "%s: %s", row[i].name, err_text());
	}
}

Test(sriov_pf, plans_a_number_of_vfs_by_way_of_none)
{
	cr_assert_eq(make_plan(NUMBER(4)), 0, "%s", err_text());
	cr_assert_eq(plan.nr, 2);
	expect_step(0, "pf0: drivers of the host leave alone new VFs");
	expect_step(1, "pf0: number of VFs = 4");
	cr_expect_eq(h.nr_writes, 0, "a plan changes something");
	set_number(4);
	cr_assert_eq(make_plan(NUMBER(2)), 0);
	cr_assert_eq(plan.nr, 2);
	expect_step(0, "pf0: number of VFs = 0");
	expect_step(1, "pf0: number of VFs = 2");
	cr_assert_eq(sriov_pf_apply(pf, &plan), 0, "%s", err_text());
	cr_expect_eq(fake->nr_vfs, 2);
	cr_expect_eq(plan.step[1].state, SRIOV_STEP_DONE);
}

Test(sriov_pf, applies_twice_as_once)
{
	unsigned int writes, sets;

	set_number(2);
	cr_assert_eq(sriov_pf_set(pf, &set_1), 0, "%s", err_text());
	writes = h.nr_writes;
	sets = fake->nr_sets;
	set_number(2);
	cr_assert_eq(make_plan(&set_1), 0);
	cr_expect_eq(plan.nr, 0, "%s", plan.step[0].text);
	cr_assert_eq(sriov_pf_set(pf, &set_1), 0);
	cr_expect_eq(h.nr_writes, writes);
	cr_expect_eq(fake->nr_sets, sets);
}

Test(sriov_pf, sets_what_differs_and_the_address_last)
{
	static const char *const text[] = {"pf0: VF 1: VLAN 5, priority 3", "pf0: VF 1: trust on",
					   "pf0: VF 1: rate 0..500 Mbit/s",
					   "pf0: VF 1: MAC 02:4e:00:00:00:01"};
	struct sriov_pf_state is;

	set_number(2);
	cr_assert_eq(make_plan(&set_1), 0);
	cr_assert_eq(plan.nr, 4, "%u", plan.nr);
	for (unsigned int i = 0; i < 4; i++)
		expect_step(i, text[i]);
	cr_assert_eq(sriov_pf_apply(pf, &plan), 0, "%s", err_text());
	cr_expect_eq(fake->vf[1].vlan, 5);
	cr_expect_eq(fake->vf[1].qos, 3);
	cr_expect(fake->vf[1].trust);
	cr_expect_eq(fake->vf[1].max_mbps, 500);
	cr_expect_eq(fake->vf[1].mac[5], 1);
	cr_expect_eq(fake->vf[0].vlan, 0, "the other VF");
	cr_assert_eq(sriov_pf_read(pf, &is), 0);
	cr_expect_eq(is.vf[1].vlan, 5);
	cr_expect_eq(is.vf[1].mac[1], 0x4e);
	cr_expect_eq(is.nr_vfs, 2);
	cr_expect_eq(is.autoprobe, 0);
	cr_expect(is.is_up);
}

Test(sriov_pf, takes_an_address_away_before_all_else)
{
	static const struct sriov_vf_want none = {
		.vf = 1, .to = {.fields = 1u << SRIOV_MAC | 1u << SRIOV_VLAN}};
	static const struct sriov_pf_want want = {KEEP, .vf = &none, .nr = 1};

	set_number(2);
	cr_assert_eq(sriov_pf_set(pf, &set_1), 0);
	cr_assert_eq(make_plan(&want), 0);
	cr_assert_eq(plan.nr, 2);
	expect_step(0, "pf0: VF 1: MAC 00:00:00:00:00:00");
	expect_step(1, "pf0: VF 1: VLAN 0, priority 0");
	cr_assert_eq(sriov_pf_apply(pf, &plan), 0, "%s", err_text());
}

Test(sriov_pf, says_what_a_driver_cannot_do_and_goes_on)
{
	struct sriov_vf_want w = all_of_1;
	struct sriov_pf_want want = {KEEP, .vf = &w, .nr = 1};
	unsigned int n = 0;

	w.to.link = SRIOV_LINK_UP;
	fake->cannot = 1u << SRIOV_LINK | 1u << SRIOV_TRUST;
	set_number(2);
	cr_assert_eq(make_plan(&want), 0);
	cr_assert_eq(sriov_pf_apply(pf, &plan), 0, "%s", err_text());
	for (unsigned int i = 0; i < plan.nr; i++) {
		bool is_it = plan.step[i].field == SRIOV_LINK || plan.step[i].field == SRIOV_TRUST;

		cr_expect_eq(plan.step[i].state, is_it ? SRIOV_STEP_UNSUPPORTED : SRIOV_STEP_DONE,
			     "%s: %s", plan.step[i].text, sriov_step_word(plan.step[i].state));
		cr_expect(!is_it || strstr(plan.step[i].why, "not supported"));
		n += is_it;
	}
	cr_expect_eq(n, 2);
	cr_expect_eq(fake->vf[1].vlan, 5);
}

/* Less than an operator wants, and nobody told. */
Test(sriov_pf, refuses_when_a_driver_cannot_do_what_keeps_guests_apart)
{
	static const enum sriov_field vital[] = {SRIOV_MAC, SRIOV_VLAN, SRIOV_RATE};

	for (size_t i = 0; i < sizeof(vital) / sizeof(vital[0]); i++) {
		set_number(0);
		set_number(2);
		fake->cannot = 1u << vital[i];
		cr_expect_eq(sriov_pf_set(pf, &set_1), -EIO, "field %d", vital[i]);
		cr_expect_eq(iommu_refused(), IOMMU_WHY_VF_CONFIG, "%s", err_text());
	}
}

Test(sriov_pf, names_step_expected_and_found_when_a_setting_does_not_take)
{
	set_number(2);
	fake_fail_nl(&h, FAKE_SET(SRIOV_VLAN), FAKE_IGNORE, 0, -1);
	cr_assert_eq(make_plan(&set_1), 0);
	cr_expect_eq(sriov_pf_apply(pf, &plan), -EIO);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_VF_CONFIG);
	cr_expect(strstr(err_text(), "pf0: VF 1: VLAN 5, priority 3"), "%s", err_text());
	cr_expect(strstr(err_text(), "expected VLAN 5, priority 3, found VLAN 0, priority 0"), "%s",
		  err_text());
	cr_expect_eq(plan.step[0].state, SRIOV_STEP_FAILED);
	cr_expect_eq(plan.step[1].state, SRIOV_STEP_TODO, "went on after a failure");
	cr_expect_geq(h.slept_ms, SRIOV_TIMEOUT_MS - SRIOV_TRY_MS);
}

Test(sriov_pf, tells_apart_why_a_step_failed)
{
	static const struct {
		int rc;
		enum iommu_why why;
		const char *part;
	} row[] = {
		{-EINVAL, IOMMU_WHY_VF_CONFIG, "Invalid argument"},
		{-ETIMEDOUT, IOMMU_WHY_PF_TIMEOUT, "still not done"},
		{-ENODEV, IOMMU_WHY_GONE, "No such device"},
	};

	set_number(2);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		fake_fail_nl(&h, FAKE_SET(SRIOV_VLAN), FAKE_FAIL, row[i].rc, 1);
		cr_expect_lt(sriov_pf_set(pf, &set_1), 0);
		cr_expect_eq(iommu_refused(), row[i].why, "row %zu: %s", i, err_text());
		cr_expect(strstr(err_text(), row[i].part), "%s", err_text());
	}
	cr_expect_eq(sriov_pf_set(pf, &set_1), 0, "%s", err_text());
}

Test(sriov_pf, refuses_more_vfs_than_there_can_be)
{
	cr_expect_eq(make_plan(NUMBER(9)), -ERANGE);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_VF_TOO_MANY);
	cr_expect(strstr(err_text(), "asked for 9, it has 8"), "%s", err_text());
}

static bool is_second(void *ctx, unsigned int vf)
{
	return vf == 1;
}

Test(sriov_pf, keeps_the_number_while_somebody_has_a_vf)
{
	struct sriov_pf_want want = *NUMBER(4);

	want.is_assigned = is_second;
	set_number(2);
	cr_expect_eq(make_plan(&want), -EBUSY);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_BUSY);
	cr_expect(strstr(err_text(), "from 2 to 4 while VF 1"), "%s", err_text());
	want.nr_vfs = 2;
	cr_expect_eq(make_plan(&want), 0, "the number that it has");
	cr_expect_eq(fake->nr_vfs, 2);
}

Test(sriov_pf, notices_when_not_all_vfs_appear)
{
	fake->appear = 4;
	cr_expect_eq(sriov_pf_set(pf, NUMBER(5)), -EIO);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_VF_ENABLE);
	cr_expect(strstr(err_text(), "expected 5 VFs, found 5, of which 4 have appeared"), "%s",
		  err_text());
}

Test(sriov_pf, says_when_the_kernel_does_not_enable_vfs)
{
	fake_fail_write(&h, "/sriov_numvfs", FAKE_FAIL, -ENOMEM, 1);
	cr_expect_eq(sriov_pf_set(pf, NUMBER(2)), -EIO);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_VF_ENABLE);
	fake_fail_write(&h, "/sriov_numvfs", FAKE_IGNORE, 0, 1);
	cr_expect_eq(sriov_pf_set(pf, NUMBER(2)), -EIO);
	cr_expect(strstr(err_text(), "expected 2 VFs, found 0"), "%s", err_text());
	fake_fail_write(&h, "/sriov_numvfs", FAKE_FAIL, -ETIMEDOUT, 1);
	cr_expect_eq(sriov_pf_set(pf, NUMBER(2)), -ETIMEDOUT);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_PF_TIMEOUT);
	set_number(2);
}

Test(sriov_pf, sets_the_interface_up_first_and_down_last)
{
	struct sriov_pf_want want = *NUMBER(2);

	fake->is_up = false;
	want.is_up = 1;
	cr_assert_eq(make_plan(&want), 0);
	cr_assert_eq(plan.nr, 3);
	expect_step(0, "pf0: set up");
	cr_assert_eq(sriov_pf_apply(pf, &plan), 0, "%s", err_text());
	cr_expect(fake->is_up);
	want.is_up = 0;
	want.nr_vfs = 0;
	cr_assert_eq(make_plan(&want), 0);
	expect_step(plan.nr - 1, "pf0: set down");
	cr_assert_eq(sriov_pf_apply(pf, &plan), 0, "%s", err_text());
	cr_expect_not(fake->is_up);
	want.is_up = 1;
	fake_fail_nl(&h, RTM_SETLINK, FAKE_IGNORE, 0, 1);
	cr_expect_eq(sriov_pf_set(pf, &want), -EIO);
	cr_expect(strstr(err_text(), "expected on, found off"), "%s", err_text());
}

Test(sriov_pf, refuses_settings_of_a_vf_that_there_would_not_be)
{
	cr_expect_eq(make_plan(&set_1), -EINVAL);
	cr_expect(strstr(err_text(), "VF 1 of 0"), "%s", err_text());
}

Test(sriov_pf, sets_all_of_a_vf_that_is_made_on_the_way)
{
	struct sriov_pf_want want = {.nr_vfs = 2,
				     .autoprobe = 0,
				     .is_up = SRIOV_KEEP,
				     .is_promisc = SRIOV_KEEP,
				     .vf = &all_of_1,
				     .nr = 1};

	cr_assert_eq(make_plan(&want), 0);
	cr_expect_eq(plan.nr, 2 + SRIOV_FIELDS);
	cr_assert_eq(sriov_pf_apply(pf, &plan), 0, "%s", err_text());
	cr_expect_eq(fake->vf[1].vlan, 5);
	cr_expect_eq(fake->vf[1].mac[0], 2);
}

Test(sriov_pf, knows_the_address_of_each_vf)
{
	char bdf[SRIOV_BDF_MAX];

	set_number(2);
	cr_assert_eq(sriov_pf_vf(pf, 1, bdf), 0);
	cr_expect_str_eq(bdf, "0000:01:10.2");
	cr_expect_eq(sriov_pf_vf(pf, 2, bdf), -ENODEV);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_GONE);
}

Test(sriov_pf, counts_the_filters_of_igb)
{
	struct sriov_pf_info i = *sriov_pf_info(pf);

	cr_expect_eq(sriov_pf_filter_slots(&i, 2), 21);
	cr_expect_eq(sriov_pf_filter_slots(&i, 7), 16);
	i.device = 0x1521;
	cr_expect_eq(sriov_pf_filter_slots(&i, 7), 24);
	snprintf(i.driver, sizeof(i.driver), "ixgbe");
	cr_expect_eq(sriov_pf_filter_slots(&i, 2), 0);
}

Test(sriov_pf, says_that_the_pf_is_gone)
{
	struct sriov_pf_state is;

	fake_fail_nl(&h, RTM_GETLINK, FAKE_FAIL, -ENODEV, 1);
	cr_expect_eq(sriov_pf_read(pf, &is), -ENODEV);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_GONE);
	fake_fail_nl(&h, RTM_GETLINK, FAKE_FAIL, -ETIMEDOUT, 1);
	cr_expect_eq(sriov_pf_read(pf, &is), -ETIMEDOUT);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_PF_TIMEOUT);
}

Test(sriov_pf, sets_promiscuous_mode_on_and_off)
{
	struct sriov_pf_want want = {KEEP};

	fake->is_promisc = true;
	want.is_promisc = 0;
	cr_assert_eq(make_plan(&want), 0);
	cr_assert_eq(plan.nr, 1);
	expect_step(0, "pf0: promiscuous mode off");
	cr_assert_eq(sriov_pf_apply(pf, &plan), 0, "%s", err_text());
	cr_expect_not(fake->is_promisc);
	cr_expect(fake->is_up, "another flag has changed");
	want.is_promisc = 1;
	cr_assert_eq(sriov_pf_set(pf, &want), 0, "%s", err_text());
	cr_expect(fake->is_promisc);
}
