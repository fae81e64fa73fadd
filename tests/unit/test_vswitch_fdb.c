/* SPDX-License-Identifier: BSD-3-Clause */
/* The forwarding database alone. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "vswitch/fdb.h"

TestSuite(vsw_fdb, .init = eal_up);

static struct vsw_fdb *fdb_of(uint32_t size)
{
	struct vsw_fdb *f;

	cr_assert_eq(vsw_fdb_create(&f, size, 4), 0, "%s", err_text());
	return f;
}

static bool port_is(const struct vsw_fdb_rec *r, void *ctx)
{
	return r->port == *(const uint16_t *)ctx;
}

Test(vsw_fdb, keeps_vlans_apart)
{
	struct vsw_fdb *f = fdb_of(64);

	cr_assert_eq(vsw_fdb_learn(f, vsw_fdb_key(0x1234, 5), 1, 0), VSW_FDB_NEW);
	cr_assert_eq(vsw_fdb_learn(f, vsw_fdb_key(0x1234, 6), 2, 0), VSW_FDB_NEW);
	cr_assert_eq(vsw_fdb_port(vsw_fdb_find(f, vsw_fdb_key(0x1234, 5))), 1);
	cr_assert_eq(vsw_fdb_port(vsw_fdb_find(f, vsw_fdb_key(0x1234, 6))), 2);
	cr_assert_null(vsw_fdb_find(f, vsw_fdb_key(0x1234, 7)));
	cr_assert_null(vsw_fdb_find(f, 0));
	vsw_fdb_destroy(f);
}

Test(vsw_fdb, moves_change_the_generation_and_additions_do_not)
{
	struct vsw_fdb *f = fdb_of(64);
	uint32_t gen = vsw_fdb_gen(f);

	vsw_fdb_learn(f, 77, 1, 0);
	cr_assert_eq(vsw_fdb_learn(f, 77, 1, 5), VSW_FDB_KNOWN);
	cr_assert_eq(vsw_fdb_gen(f), gen);
	cr_assert_eq(vsw_fdb_find(f, 77)->last_seen, 5);
	cr_assert_eq(vsw_fdb_learn(f, 77, 2, 5), VSW_FDB_MOVED);
	cr_assert_neq(vsw_fdb_gen(f), gen);
	cr_assert_eq(vsw_fdb_port(vsw_fdb_find(f, 77)), 2);
	vsw_fdb_destroy(f);
}

Test(vsw_fdb, says_full_at_its_size_and_keeps_room_for_own_addresses)
{
	struct vsw_fdb *f = fdb_of(64);
	uint32_t nr_static;
	uint64_t k;

	for (k = 1; k <= 64; k++)
		cr_assert_eq(vsw_fdb_learn(f, k, 1, 0), VSW_FDB_NEW, "%lu", k);
	cr_assert_eq(vsw_fdb_learn(f, 65, 1, 0), VSW_FDB_FULL);
	for (k = 1; k <= 4; k++)
		cr_assert_eq(vsw_fdb_add_static(f, k << 8, 1), 0);
	cr_assert_eq(vsw_fdb_add_static(f, 5 << 8, 1), -ENOSPC);
	cr_assert(strstr(err_text(), "no room for more than 4"));
	cr_assert_eq(vsw_fdb_add_static(f, 1 << 8, 1), -EEXIST);
	cr_assert_eq(vsw_fdb_count(f, &nr_static), 68);
	cr_assert_eq(nr_static, 4);
	vsw_fdb_destroy(f);
}

Test(vsw_fdb, unlinked_entries_are_not_found_and_their_room_returns)
{
	struct vsw_fdb *f = fdb_of(64);
	uint16_t port = 1;
	uint32_t nr_static, round;
	uint64_t k;

	for (round = 0; round < 20; round++) {
		for (k = 1; k <= 64; k++)
			vsw_fdb_learn(f, vsw_fdb_key(k, (uint16_t)round), (uint16_t)(k % 2), 0);
		port = 1;
		cr_assert_eq(vsw_fdb_unlink_if(f, port_is, &port), 32);
		cr_assert_null(vsw_fdb_find(f, vsw_fdb_key(1, (uint16_t)round)));
		cr_assert_not_null(vsw_fdb_find(f, vsw_fdb_key(2, (uint16_t)round)));
		vsw_fdb_reclaim(f);
		port = 0;
		cr_assert_eq(vsw_fdb_unlink_if(f, port_is, &port), 32);
		vsw_fdb_reclaim(f);
		cr_assert_eq(vsw_fdb_count(f, &nr_static), 0);
	}
	vsw_fdb_destroy(f);
}

Test(vsw_fdb, a_reader_holding_an_unlinked_record_still_sees_it_whole)
{
	struct vsw_fdb *f = fdb_of(64);
	uint16_t port = 3;
	const struct vsw_fdb_rec *r;

	vsw_fdb_learn(f, 9, port, 0);
	r = vsw_fdb_find(f, 9);
	vsw_fdb_unlink_if(f, port_is, &port);
	vsw_fdb_learn(f, 10, 4, 0); /* must not take the place of 9 before the reclaim */
	cr_assert_eq(r->key, 9);
	cr_assert_eq(vsw_fdb_port(r), 3);
	vsw_fdb_destroy(f);
}
