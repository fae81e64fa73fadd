/* SPDX-License-Identifier: BSD-3-Clause */
/* Who receives a MAC address, and the pool of VFs. */
#include "sriov/filter.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "iommu/why.h"
#include "sriov/pool.h"
#include "tests/support/fakepf.h"
#include "tests/support/prng.h"

static struct fake_host h;
static struct fake_pf *fake;
static struct sriov_filter *f;
static const uint8_t a[6] = {2, 0, 0, 0, 0, 1}, b[6] = {2, 0, 0, 0, 0, 2},
		     c[6] = {2, 0, 0, 0, 0, 3};

static void setup(void)
{
	fake_host_init(&h);
	fake = fake_pf_add(&h, "pf0", 8);
	cr_assert_eq(sriov_filter_create(&f, h.nl, fake->ifindex, "pf0", 2), 0);
}

static void teardown(void)
{
	sriov_filter_destroy(f);
	fake_host_fini(&h);
}

TestSuite(sriov_filter, .init = setup, .fini = teardown, .timeout = 60);

Test(sriov_filter, follows_the_data_path_there_and_back)
{
	cr_expect_eq(sriov_filter_owner(f, a), SRIOV_NOBODY);
	cr_assert_eq(sriov_filter_to_pf(f, a), 0, "%s", err_text());
	cr_expect(fake_has_filter(fake, a));
	cr_expect_eq(sriov_filter_owner(f, a), SRIOV_PF);
	cr_assert_eq(sriov_filter_to_vf(f, a), 0, "%s", err_text());
	cr_expect_not(fake_has_filter(fake, a));
	cr_expect_eq(sriov_filter_owner(f, a), SRIOV_VF);
	cr_assert_eq(sriov_filter_to_pf(f, a), 0, "%s", err_text());
	cr_expect(fake_has_filter(fake, a));
	cr_assert_eq(sriov_filter_forget(f, a), 0);
	cr_expect_not(fake_has_filter(fake, a));
	cr_expect_eq(sriov_filter_used(f), 0);
}

Test(sriov_filter, repeats_without_harm)
{
	for (int i = 0; i < 2; i++)
		cr_expect_eq(sriov_filter_to_pf(f, a), 0, "%s", err_text());
	cr_expect_eq(sriov_filter_used(f), 1);
	for (int i = 0; i < 2; i++)
		cr_expect_eq(sriov_filter_to_vf(f, a), 0, "%s", err_text());
	for (int i = 0; i < 2; i++)
		cr_expect_eq(sriov_filter_forget(f, a), 0);
	cr_expect_eq(sriov_filter_used(f), 0);
}

Test(sriov_filter, keeps_the_place_of_an_address_that_a_vf_receives)
{
	cr_assert_eq(sriov_filter_to_pf(f, a), 0);
	cr_assert_eq(sriov_filter_to_vf(f, a), 0);
	cr_assert_eq(sriov_filter_to_pf(f, b), 0);
	cr_expect_eq(sriov_filter_to_pf(f, c), -ENOSPC);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_FILTERS_FULL);
	cr_expect(strstr(err_text(), "2 fit, 2 adapters have one, 0 are of others"), "%s",
		  err_text());
	cr_expect_eq(sriov_filter_to_pf(f, a), 0, "the way back: %s", err_text());
	cr_expect_eq(sriov_filter_forget(f, b), 0);
	cr_expect_eq(sriov_filter_to_pf(f, c), 0, "%s", err_text());
}

Test(sriov_filter, counts_those_of_others)
{
	memcpy(fake->filter[fake->nr_filters++], b, 6);
	cr_assert_eq(sriov_filter_to_pf(f, a), 0);
	cr_expect_eq(sriov_filter_to_pf(f, c), -ENOSPC);
	cr_expect(strstr(err_text(), "1 are of others"), "%s", err_text());
	cr_expect_eq(sriov_filter_to_pf(f, b), 0, "one that is there already: %s", err_text());
}

Test(sriov_filter, does_not_believe_a_driver_that_says_yes)
{
	fake_fail_nl(&h, RTM_NEWNEIGH, FAKE_IGNORE, 0, 1);
	cr_expect_eq(sriov_filter_to_pf(f, a), -EIO);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_VF_CONFIG);
	cr_expect(strstr(err_text(), "02:00:00:00:00:01: expected present, found absent"), "%s",
		  err_text());
	cr_expect_eq(sriov_filter_owner(f, a), SRIOV_NOBODY);
	cr_expect_eq(sriov_filter_used(f), 0);
	cr_assert_eq(sriov_filter_to_pf(f, a), 0);
	fake_fail_nl(&h, RTM_DELNEIGH, FAKE_IGNORE, 0, 1);
	cr_expect_eq(sriov_filter_to_vf(f, a), -EIO);
	cr_expect_eq(sriov_filter_owner(f, a), SRIOV_UNSURE);
	cr_expect_eq(sriov_filter_used(f), 1);
	cr_expect_eq(sriov_filter_to_vf(f, a), 0, "%s", err_text());
	cr_expect_eq(sriov_filter_owner(f, a), SRIOV_VF);
}

Test(sriov_filter, tells_apart_why_it_failed)
{
	static const struct {
		int rc;
		enum iommu_why why;
	} row[] = {
		{-EINVAL, IOMMU_WHY_VF_CONFIG},	    {-ENODEV, IOMMU_WHY_GONE},
		{-ETIMEDOUT, IOMMU_WHY_PF_TIMEOUT}, {-ENOMEM, IOMMU_WHY_FILTERS_FULL},
		{-ENOSPC, IOMMU_WHY_FILTERS_FULL},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		fake_fail_nl(&h, RTM_NEWNEIGH, FAKE_FAIL, row[i].rc, 1);
		cr_expect_lt(sriov_filter_to_pf(f, a), 0);
		cr_expect_eq(iommu_refused(), row[i].why, "row %zu: %s", i, err_text());
	}
	fake_fail_nl(&h, RTM_GETNEIGH, FAKE_FAIL, -ETIMEDOUT, 1);
	cr_expect_eq(sriov_filter_to_pf(f, a), -ETIMEDOUT);
	cr_expect_eq(sriov_filter_used(f), 0);
}

Test(sriov_filter, reads_a_list_again_that_changed_meanwhile)
{
	fake_fail_nl(&h, RTM_GETNEIGH, FAKE_FAIL, -EINTR, 1);
	cr_expect_eq(sriov_filter_to_pf(f, a), 0, "%s", err_text());
}

Test(sriov_filter, takes_all_away_at_the_end_but_those_of_others)
{
	memcpy(fake->filter[fake->nr_filters++], c, 6);
	cr_assert_eq(sriov_filter_to_pf(f, a), 0);
	sriov_filter_forget_all(f);
	cr_expect_eq(fake->nr_filters, 1);
	cr_expect(fake_has_filter(fake, c));
}

/* ---- The pool ------------------------------------------------------------------------------- */

TestSuite(sriov_pool, .timeout = 60);

static struct sriov_pool *pool_of(unsigned int nr)
{
	struct sriov_pool *p;

	cr_assert_eq(sriov_pool_create(&p), 0);
	for (unsigned int i = 0; i < nr; i++) {
		char bdf[SRIOV_BDF_MAX];

		snprintf(bdf, sizeof(bdf), "0000:01:10.%u", i % 8);
		cr_assert_eq(sriov_pool_add(p, 0, i, bdf), 0, "%s", err_text());
	}
	return p;
}

Test(sriov_pool, hands_out_each_vf_once_and_says_when_none_is_left)
{
	struct sriov_pool *p = pool_of(2);
	struct sriov_pool_vf *one, *two, *none;

	cr_assert_eq(sriov_pool_take(p, 0, "a/0", &one), 0);
	cr_assert_eq(sriov_pool_take(p, 0, "b/0", &two), 0);
	cr_expect_neq(one, two);
	cr_expect_neq(one->serial, two->serial);
	cr_expect_neq(one->serial, 0);
	cr_expect_str_eq(two->owner, "b/0");
	cr_expect_eq(sriov_pool_take(p, 0, "c/0", &none), -EBUSY);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_VF_NONE_FREE);
	cr_expect(strstr(err_text(), "2 are assigned, 0 in quarantine"), "%s", err_text());
	cr_expect_eq(sriov_pool_take(p, 1, "c/0", &none), -EBUSY, "of another PF");
	sriov_pool_quarantine(p, one, "its reset failed");
	cr_expect_eq(sriov_pool_take(p, 0, "c/0", &none), -EBUSY, "from quarantine");
	cr_expect_str_eq(one->why, "its reset failed");
	cr_expect_eq(sriov_pool_add(p, 0, 0, "0000:01:10.0"), -EEXIST);
	sriov_pool_destroy(p);
}

Test(sriov_pool, gives_another_serial_each_time_and_the_longest_free_vf)
{
	struct sriov_pool *p = pool_of(3);
	struct sriov_pool_vf *v, *w;
	uint32_t serial;

	cr_assert_eq(sriov_pool_take(p, 0, "a/0", &v), 0);
	serial = v->serial;
	sriov_pool_give_back(p, v);
	cr_expect_neq(sriov_pool_next(p, 0), v);
	cr_assert_eq(sriov_pool_take(p, 0, "a/0", &w), 0);
	cr_expect_neq(w, v);
	cr_expect_neq(w->serial, serial);
	sriov_pool_destroy(p);
}

Test(sriov_pool, keeps_its_books_under_any_order)
{
	struct sriov_pool *p = pool_of(8);
	struct sriov_pool_vf *held[8], *v;
	unsigned int n = 0, lost = 0;
	struct prng r;

	prng_init(&r);
	for (int step = 0; step < (int)prng_steps(2000); step++) {
		if (prng_next(&r) % 2) {
			int rc = sriov_pool_take(p, 0, "x", &v);

			cr_assert_eq(rc, n + lost == 8 ? -EBUSY : 0);
			for (unsigned int i = 0; !rc && i < n; i++)
				cr_assert(held[i] != v && held[i]->serial != v->serial);
			if (!rc)
				held[n++] = v;
		} else if (n) {
			v = held[--n];
			if (lost < 3 && prng_next(&r) % 100 == 0) {
				sriov_pool_quarantine(p, v, "test");
				lost++;
			} else {
				sriov_pool_give_back(p, v);
			}
		}
		cr_assert_eq(sriov_pool_count(p, 0, SRIOV_ASSIGNED), n);
		cr_assert_eq(sriov_pool_count(p, 0, SRIOV_QUARANTINE), lost);
		cr_assert_eq(sriov_pool_count(p, 0, SRIOV_FREE), 8 - n - lost);
	}
	sriov_pool_destroy(p);
}
