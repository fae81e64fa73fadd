/* SPDX-License-Identifier: BSD-3-Clause */
/* The forwarding database against a list that is searched from end to end. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/prng.h"
#include "vswitch/fdb.h"

TestSuite(vsw_fdb, .init = eal_up);

#define SIZE	 200u
#define STATICS	 8u
#define UNIVERSE 300u /* addresses, so that the table gets full */

struct naive_entry {
	uint64_t key;
	uint16_t port;
	uint32_t seen;
	bool is_used;
};

static struct naive_entry naive[SIZE + STATICS];

static struct naive_entry *naive_find(uint64_t key)
{
	unsigned int i;

	for (i = 0; i < SIZE + STATICS; i++) {
		if (naive[i].is_used && naive[i].key == key)
			return &naive[i];
	}
	return NULL;
}

static bool is_static(const struct naive_entry *e)
{
	return e->key >> VSW_VLAN_SHIFT == VSW_VLAN_ANY;
}

static unsigned int naive_count(bool statics)
{
	unsigned int i, n = 0;

	for (i = 0; i < SIZE + STATICS; i++)
		n += naive[i].is_used && is_static(&naive[i]) == statics;
	return n;
}

static bool naive_add(uint64_t key, uint16_t port, uint32_t seen)
{
	bool st = key >> VSW_VLAN_SHIFT == VSW_VLAN_ANY;
	unsigned int i;

	if (naive_count(st) == (st ? STATICS : SIZE))
		return false;
	for (i = 0; naive[i].is_used; i++)
		;
	naive[i] = (struct naive_entry){key, port, seen, true};
	return true;
}

static enum vsw_fdb_learned naive_learn(uint64_t key, uint16_t port, uint32_t now)
{
	struct naive_entry *e = naive_find(key);
	bool moved = e && e->port != port;

	if (!e)
		return naive_add(key, port, now) ? VSW_FDB_NEW : VSW_FDB_FULL;
	e->port = port;
	e->seen = now;
	return moved ? VSW_FDB_MOVED : VSW_FDB_KNOWN;
}

struct pick {
	uint16_t port;
	uint32_t older;
};

static bool picked(const struct vsw_fdb_rec *r, void *ctx)
{
	const struct pick *p = ctx;

	return r->port == p->port || (!r->is_static && r->last_seen < p->older);
}

static unsigned int naive_unlink(const struct pick *p)
{
	unsigned int i, n = 0;

	for (i = 0; i < SIZE + STATICS; i++) {
		struct naive_entry *e = &naive[i];

		if (e->is_used && (e->port == p->port || (!is_static(e) && e->seen < p->older))) {
			e->is_used = false;
			n++;
		}
	}
	return n;
}

/* Many at once are found as one by one, those that are not there too. */
static void compare_bulk(const struct vsw_fdb *f)
{
	uint64_t key[VSW_FDB_BULK];
	struct vsw_fdb_rec *rec[VSW_FDB_BULK];
	uint32_t i, n = 0;

	for (i = 0; i < SIZE + STATICS && n < VSW_FDB_BULK; i++) {
		key[n] = naive[i].key ^ (i % 5 == 0);
		n++;
	}
	vsw_fdb_find_bulk(f, key, n, rec);
	for (i = 0; i < n; i++)
		cr_assert_eq(rec[i], vsw_fdb_find(f, key[i]));
}

static void compare(const struct vsw_fdb *f)
{
	uint32_t nr_static, n = vsw_fdb_count(f, &nr_static);
	unsigned int i;

	cr_assert_eq(nr_static, naive_count(true));
	cr_assert_eq(n, naive_count(true) + naive_count(false));
	for (i = 0; i < SIZE + STATICS; i++) {
		const struct vsw_fdb_rec *r;

		if (!naive[i].is_used)
			continue;
		r = vsw_fdb_find(f, naive[i].key);
		cr_assert_not_null(r);
		cr_assert_eq(r->port, naive[i].port);
		cr_assert_eq(r->last_seen, naive[i].seen);
	}
	compare_bulk(f);
}

Test(vsw_fdb, agrees_with_a_list)
{
	unsigned int step, steps = prng_steps(10000);
	struct vsw_fdb *f;
	struct prng p;

	prng_init(&p);
	cr_assert_eq(vsw_fdb_create(&f, SIZE, STATICS), 0, "%s", err_text());
	for (step = 0; step < steps; step++) {
		uint64_t mac = 2 + prng_below(&p, UNIVERSE) * 256;
		uint64_t key = vsw_fdb_key(mac, (uint16_t)prng_below(&p, 2));
		uint16_t port = (uint16_t)prng_below(&p, 20);
		struct pick pick = {port, step > 2000 ? step - 2000 : 0};
		uint32_t gen = vsw_fdb_gen(f);
		enum vsw_fdb_learned got;

		switch (prng_below(&p, 200)) {
		case 0:
			cr_assert_eq(vsw_fdb_unlink_if(f, picked, &pick), naive_unlink(&pick));
			if (prng_below(&p, 2))
				compare(f);
			vsw_fdb_reclaim(f); /* until then their room is taken */
			break;
		case 1:
			if (naive_find(vsw_fdb_key(mac, VSW_VLAN_ANY)))
				break;
			cr_assert_eq(vsw_fdb_add_static(f, mac, port) == 0,
				     naive_add(vsw_fdb_key(mac, VSW_VLAN_ANY), port, 0));
			break;
		default:
			got = vsw_fdb_learn(f, key, port, step);
			cr_assert_eq(got, naive_learn(key, port, step), "step %u", step);
			cr_assert_eq(got == VSW_FDB_MOVED, vsw_fdb_gen(f) != gen);
		}
		if (step % 64 == 0)
			compare(f);
	}
	vsw_fdb_destroy(f);
}
