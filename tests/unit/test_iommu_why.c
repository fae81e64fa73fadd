/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of refusal causes, row by row: what an operator reads must be whole and distinct. */
#include "iommu/why.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/err.h"

#define LONG_DETAIL                                                                             \
	"0000:01:00.1 has ixgbe, 0000:01:00.2 has ixgbe, 0000:01:00.3 has ixgbe, 0000:02:00.0 " \
	"has nvme, 0000:03:00.0 has ahci, 0000:04:00.0 has xhci_hcd, 0000:05:00.0 has i915"

static bool is_id(const char *s)
{
	for (; *s; s++)
		if (!islower((unsigned char)*s) && *s != '-')
			return false;
	return true;
}

Test(iommu_why, each_row_has_an_id_an_errno_a_text_and_a_next_step)
{
	for (unsigned int i = 1; i < IOMMU_WHY_COUNT; i++) {
		const struct iommu_why_row *r = iommu_why_row((enum iommu_why)i);

		cr_expect(r->id && r->id[0] && is_id(r->id), "row %u: %s", i, r->id);
		cr_expect_lt(r->code, 0, "%s", r->id);
		cr_expect_gt(r->code, -200, "%s", r->id);
		cr_expect_gt(strlen(r->text), 10, "%s", r->id);
		cr_expect_gt(strlen(r->step), 10, "%s", r->id);
		cr_expect_null(strchr(r->text, '\n'), "%s", r->id);
		cr_expect_null(strchr(r->step, '\n'), "%s", r->id);
		cr_expect_neq(r->text[strlen(r->text) - 1], '.', "%s", r->id);
		cr_expect_eq(iommu_why_find(r->id), i, "%s", r->id);
	}
}

Test(iommu_why, ids_and_texts_are_distinct)
{
	for (unsigned int i = 0; i < IOMMU_WHY_COUNT; i++)
		for (unsigned int k = 0; k < i; k++) {
			const struct iommu_why_row *a = iommu_why_row((enum iommu_why)i);
			const struct iommu_why_row *b = iommu_why_row((enum iommu_why)k);

			cr_expect_str_neq(a->id, b->id);
			cr_expect_str_neq(a->text, b->text, "%s, %s", a->id, b->id);
		}
}

Test(iommu_why, a_refusal_of_each_cause_fits_the_error_slot_with_its_next_step)
{
	for (unsigned int i = 1; i < IOMMU_WHY_COUNT; i++) {
		const struct iommu_why_row *r = iommu_why_row((enum iommu_why)i);
		size_t text, step = strlen(r->step);

		cr_expect_eq(iommu_refuse((enum iommu_why)i, "0000:01:10.0", "%s", LONG_DETAIL),
			     r->code);
		text = strlen(err_text());
		cr_expect_geq(text, step);
		cr_expect_str_eq(err_text() + text - step, r->step, "%s is cut: %s", r->id,
				 err_text());
		cr_expect_eq(iommu_refused(), i);
	}
}

Test(iommu_why, a_line_says_to_what_what_happened_the_facts_the_id_and_the_step)
{
	const struct iommu_why_row *r = iommu_why_row(IOMMU_WHY_MEMLOCK);
	char line[512], want[512];

	snprintf(want, sizeof(want), "vm0: %s (64 MiB of 2048 MiB) [memlock] -> %s", r->text,
		 r->step);
	cr_expect_str_eq(
		iommu_why_line(line, sizeof(line), IOMMU_WHY_MEMLOCK, "vm0", "64 MiB of 2048 MiB"),
		want);
	snprintf(want, sizeof(want), "vm0: %s [memlock] -> %s", r->text, r->step);
	cr_expect_str_eq(iommu_why_line(line, sizeof(line), IOMMU_WHY_MEMLOCK, "vm0", NULL), want);
	cr_expect_str_eq(iommu_why_line(line, sizeof(line), IOMMU_WHY_MEMLOCK, "vm0", ""), want);
}

Test(iommu_why, the_last_cause_can_be_asked_for_and_cleared)
{
	cr_expect_eq(iommu_refused(), IOMMU_WHY_NONE);
	cr_expect_eq(iommu_refuse(IOMMU_WHY_BUSY, "0000:01:10.0", NULL), -EBUSY);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_BUSY);
	iommu_refuse_clear();
	cr_expect_eq(iommu_refused(), IOMMU_WHY_NONE);
}

Test(iommu_why, what_is_not_in_the_table_is_none)
{
	cr_expect_eq(iommu_why_find("no-such-cause"), IOMMU_WHY_NONE);
	cr_expect_eq(iommu_why_row((enum iommu_why)IOMMU_WHY_COUNT)->code, 0);
	cr_expect_eq(iommu_why_row((enum iommu_why) - 1)->code, 0);
	cr_expect_str_eq(iommu_weight_word(IOMMU_WAITS), "waits");
}
