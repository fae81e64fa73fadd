/* SPDX-License-Identifier: BSD-3-Clause */
/* The sample `sampler`: which packets it takes, what it keeps of them, and what is lost. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/exthost.h"

extern const struct nethv_ext nethv_extension;

static struct exthost *sampler(const char *config)
{
	struct exthost *x = exthost_new(&nethv_extension, 2);

	cr_assert_eq(exthost_create(x, config), 0, "%s", x->text);
	return x;
}

/* Packets that are told apart by their source port of UDP: 0, 1, 2 ... */
static void send(struct exthost *x, uint16_t lcore, uint16_t n, uint16_t *seq)
{
	struct exthost_flow f = {2, 1, "10.0.0.1", "10.0.0.2", 17, 0, 53, 200};

	exthost_clear(x);
	while (n--) {
		f.sport = (*seq)++;
		exthost_put_flow(x, 3, &f);
	}
	exthost_ingress(x, lcore);
}

static unsigned int sport_of(const json_t *sample)
{
	const char *hex = json_string_value(json_object_get(sample, "bytes"));
	unsigned int v;

	cr_assert_eq(sscanf(hex + 68, "%4x", &v), 1);
	return v;
}

Test(ext_sampler, takes_exactly_one_of_n_however_bursts_are_cut)
{
	struct exthost *x = sampler("{\"every\": 10, \"keep\": 32}");
	uint16_t seq = 0, cut;
	json_t *j, *list;
	size_t i;

	for (cut = 1; seq < 250; cut = (uint16_t)(cut * 7 % 64 + 1))
		send(x, 0, (uint16_t)(seq + cut > 250 ? 250 - seq : cut), &seq);
	exthost_notify(x);
	j = exthost_status(x);
	list = json_object_get(j, "samples");
	cr_assert_eq(json_array_size(list), 25);
	for (i = 0; i < 25; i++)
		cr_assert_eq(sport_of(json_array_get(list, i)), i * 10);
	cr_assert_eq(json_integer_value(json_object_get(j, "seen")), 250);
	cr_assert_eq(json_integer_value(json_object_get(json_array_get(list, 0), "len")), 200);
	cr_assert_eq(json_integer_value(json_object_get(json_array_get(list, 0), "port")), 3);
	json_decref(j);
	cr_assert_eq(x->nr_broken, 0);
	exthost_free(x);
}

Test(ext_sampler, keeps_the_last_ones_and_counts_what_the_ring_could_not_take)
{
	struct exthost *x = sampler("{\"every\": 1, \"keep\": 4, \"bytes\": 42}");
	uint16_t seq = 0;
	json_t *j, *list;
	size_t i;

	send(x, 0, 60, &seq);
	send(x, 0, 10, &seq); /* 64 fit */
	cr_assert_eq(exthost_number(x, "lost"), 6);
	x->ext->tick(x->inst); /* even when no notify() came */
	j = exthost_status(x);
	list = json_object_get(j, "samples");
	cr_assert_eq(json_array_size(list), 4);
	for (i = 0; i < 4; i++) {
		cr_assert_eq(sport_of(json_array_get(list, i)), 60 + i);
		cr_assert_eq(strlen(json_string_value(
				     json_object_get(json_array_get(list, i), "bytes"))),
			     84);
	}
	json_decref(j);
	send(x, 1, 3, &seq);
	cr_assert_eq(x->posted[x->nr_posted - 1], 1);
	exthost_notify(x);
	j = exthost_status(x);
	cr_assert_eq(sport_of(json_array_get(json_object_get(j, "samples"), 3)), 72);
	json_decref(j);
	exthost_free(x);
}

Test(ext_sampler, a_smaller_n_holds_from_the_next_burst_on)
{
	struct exthost *x = sampler("{\"every\": 1000000}");
	uint16_t seq = 0;

	send(x, 0, 5, &seq);
	exthost_notify(x);
	cr_assert_eq(exthost_configure(x, "{\"every\": 2}"), 0);
	send(x, 0, 10, &seq);
	exthost_notify(x);
	json_t *j = exthost_status(x);
	cr_assert_eq(json_array_size(json_object_get(j, "samples")), 5);
	json_decref(j);
	exthost_free(x);
}

Test(ext_sampler, refuses_numbers_that_make_no_sense)
{
	struct exthost *x = exthost_new(&nethv_extension, 1);

	cr_assert_eq(exthost_create(x, "{\"every\": 0}"), -1);
	cr_assert(strstr(x->text, "every: is out of range"), "%s", x->text);
	cr_assert_eq(exthost_create(x, "{\"bytes\": 129}"), -1);
	cr_assert_eq(exthost_create(x, "{\"often\": 1}"), -1);
	exthost_free(x);
}
