/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of connections by itself. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/prng.h"
#include "vswitch/policy/conn.h"

static const struct pol_conn_idle idle = {
	.tcp = 1000, .tcp_new = 100, .tcp_end = 10, .other = 500, .other_new = 50};

static struct pol_conns *make(uint32_t size)
{
	struct pol_conns *t = NULL;

	cr_assert_eq(pol_conns_create(&t, size), 0, "%s", err_text());
	return t;
}

static union pol_key key(uint32_t n)
{
	return (union pol_key){.proto = 17, .version = 4, .v4 = {.src = n, .dst = 7}};
}

static enum pol_conn_result add(struct pol_conns *t, uint32_t n, uint8_t bits, uint32_t now,
				bool must_refuse)
{
	union pol_key k = key(n);
	union pol_conn_meta m = {.bits = bits, .rule = (uint16_t)n};

	return pol_conn_open(t, &k, pol_key_hash(t->seed, &k), m, now, &idle, must_refuse);
}

static bool find(struct pol_conns *t, uint32_t n, uint32_t now, union pol_conn_meta *m)
{
	union pol_key k = key(n);
	uint32_t seen;

	return pol_conn_find(t, &k, pol_key_hash(t->seed, &k), m, &seen) &&
	       pol_conn_is_alive(m->bits, seen, now, &idle);
}

Test(vsw_conn, holds_what_was_asked_for_without_a_loss)
{
	struct pol_conns *t = make(20000);
	uint32_t i, lost = 0, replaced = 0;
	union pol_conn_meta m;

	cr_assert_geq(pol_conns_capacity(t), 20000);
	for (i = 0; i < 20000; i++)
		replaced += add(t, i, 0, 1, false) != POL_CONN_OPENED;
	for (i = 0; i < 20000; i++)
		lost += !find(t, i, 1, &m) || m.rule != (uint16_t)i;
	cr_assert_leq(lost, replaced, "%u lost", lost);
	cr_assert_leq(replaced, 100, "%u of 20000 had no place of their own", replaced);
	cr_assert_eq(pol_conns_count(t, 1, &idle), 20000 - lost);
	pol_conns_put(t);
}

Test(vsw_conn, one_group_full_refuses_or_gives_the_oldest_one_s_place)
{
	struct pol_conns *t = make(16);
	union pol_conn_meta m;
	uint32_t i;

	cr_assert_eq(t->mask, 0);
	for (i = 0; i < POL_CONN_WAYS; i++)
		cr_assert_eq(add(t, i, i == 3 ? 0 : POL_CONN_ANSWERED, 100 - i, true),
			     POL_CONN_OPENED);
	cr_assert_eq(add(t, 100, 0, 101, true), POL_CONN_REFUSED);
	cr_assert(!find(t, 100, 101, &m));
	cr_assert_eq(add(t, 5, 0, 101, true), POL_CONN_OPENED, "it has a place");
	cr_assert_eq(add(t, 5, POL_CONN_ANSWERED, 95, true), POL_CONN_OPENED);
	cr_assert_eq(add(t, 100, POL_CONN_ANSWERED, 101, false), POL_CONN_REPLACED);
	cr_assert(!find(t, 3, 101, &m), "the one that nobody answered");
	cr_assert_eq(add(t, 101, 0, 101, false), POL_CONN_REPLACED);
	cr_assert(!find(t, POL_CONN_WAYS - 1, 101, &m), "the oldest");
	cr_assert(find(t, 100, 101, &m));
	cr_assert_eq(add(t, 102, 0, 71 + 501, true), POL_CONN_OPENED, "some are too old");
	pol_conns_put(t);
}

Test(vsw_conn, bits_decide_how_long_it_lives)
{
	static const struct {
		uint8_t bits;
		uint32_t limit;
	} row[] = {
		{0, 50},
		{POL_CONN_ANSWERED, 500},
		{POL_CONN_ANSWERED | POL_CONN_ECHO, 50},
		{POL_CONN_TCP, 100},
		{POL_CONN_TCP | POL_CONN_ANSWERED, 1000},
		{POL_CONN_TCP | POL_CONN_ANSWERED | POL_CONN_FIN, 1000},
		{POL_CONN_TCP | POL_CONN_ANSWERED | POL_CONN_FIN | POL_CONN_FIN_REPLY, 10},
		{POL_CONN_TCP | POL_CONN_RST, 10},
	};
	unsigned int i;

	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		cr_assert(pol_conn_is_alive(row[i].bits, 7, 7 + row[i].limit, &idle), "row %u", i);
		cr_assert(!pol_conn_is_alive(row[i].bits, 7, 8 + row[i].limit, &idle), "row %u", i);
		cr_assert(pol_conn_is_alive(row[i].bits, 7, 5, &idle), "a clock that is behind");
		cr_assert(pol_conn_is_alive(row[i].bits, UINT32_MAX, 5, &idle), "that wrapped");
	}
}

Test(vsw_conn, marks_renewals_and_ends_are_of_one_connection)
{
	struct pol_conns *t = make(16);
	union pol_conn_meta m;
	union pol_key k = key(1);
	uint64_t h = pol_key_hash(t->seed, &k);

	add(t, 1, 0, 1, false);
	add(t, 2, 0, 1, false);
	pol_conn_mark(t, &k, h, POL_CONN_FIN);
	pol_conn_renew(t, &k, h, 77, 5);
	cr_assert(find(t, 1, 1, &m));
	cr_assert_eq(m.bits, POL_CONN_FIN);
	cr_assert_eq(m.gen, 77);
	cr_assert_eq(m.rule, 5);
	pol_conn_close(t, &k, h);
	cr_assert(!find(t, 1, 1, &m));
	pol_conn_close(t, &k, h);
	pol_conn_mark(t, &k, h, POL_CONN_FIN);
	cr_assert(find(t, 2, 1, &m));
	cr_assert_eq(m.bits, 0);
	pol_conns_put(t);
}

Test(vsw_conn, ipv6_keys_differ_in_each_byte)
{
	struct pol_conns *t = make(16);
	union pol_key k = {.proto = 6, .version = 6}, other;
	union pol_conn_meta m = {.bits = 0};
	uint32_t seen;
	unsigned int i;

	pol_conn_open(t, &k, 5, m, 1, &idle, false);
	cr_assert_not_null(pol_conn_find(t, &k, 5, &m, &seen));
	for (i = 0; i < sizeof(k); i++) {
		other = k;
		((uint8_t *)&other)[i] ^= 0x10;
		if (other.version == 6)
			cr_assert_null(pol_conn_find(t, &other, 5, &m, &seen), "byte %u", i);
		cr_assert_neq(pol_key_hash(t->seed, &other), pol_key_hash(t->seed, &k));
	}
	pol_conns_put(t);
}

/* Ports that follow each other, between the same two hosts: what a client does that opens many. */
Test(vsw_conn, no_seed_puts_ports_that_follow_each_other_into_a_few_groups)
{
	enum { SEEDS = 2000, KEYS = 500, GROUPS = 64 };
	struct prng rng;
	unsigned int s, i;

	prng_init(&rng);
	for (s = 0; s < SEEDS; s++) {
		const uint64_t seed[2] = {prng_next(&rng), prng_next(&rng)};
		unsigned int version = s & 1 ? 6 : 4, in_group[GROUPS] = {0};

		for (i = 0; i < KEYS; i++) {
			union pol_key k = {.proto = 17, .version = (uint8_t)version};

			if (version == 4) {
				k.v4.src = 0x0a000001;
				k.v4.dst = 0x0a000002;
				k.v4.sport = (uint16_t)i;
			} else {
				memset(k.v6.src, 0xfd, sizeof(k.v6.src));
				memset(k.v6.dst, 0xfe, sizeof(k.v6.dst));
				k.v6.sport = (uint16_t)i;
			}
			cr_assert_leq(++in_group[pol_key_hash(seed, &k) % GROUPS], POL_CONN_WAYS,
				      "seed %u, version %u", s, version);
		}
	}
}
