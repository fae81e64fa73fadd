/* SPDX-License-Identifier: BSD-3-Clause */
/* The sample `passthrough`: everything passes, and is counted over lcores. */
#include <criterion/criterion.h>

#include "tests/support/exthost.h"

extern const struct nethv_ext nethv_extension;

static const struct exthost_flow flow = {2, 1, "10.0.0.1", "10.0.0.2", 17, 1000, 53, 100};

Test(ext_passthrough, lets_everything_pass_and_counts_it_on_each_lcore)
{
	struct exthost *x = exthost_new(&nethv_extension, 2);
	uint16_t i;

	cr_assert_eq(exthost_create(x, NULL), 0);
	for (i = 0; i < 64; i++)
		exthost_put_flow(x, 0, &flow);
	exthost_ingress(x, 0);
	for (i = 0; i < 64; i++)
		cr_assert_eq(x->pkt[i].verdict, 0);
	exthost_clear(x);
	exthost_put_flow(x, 1, &flow);
	exthost_ingress(x, 1);
	exthost_egress(x, 1);
	cr_assert_eq(exthost_number(x, "in"), 65);
	cr_assert_eq(exthost_number(x, "in_bytes"), 6500);
	cr_assert_eq(exthost_number(x, "out"), 1);
	cr_assert_eq(x->nr_broken, 0);
	exthost_free(x);
}
