/* SPDX-License-Identifier: BSD-3-Clause */
/* Port mirroring: which packets get which copies. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "vswitch/mirror.h"

static struct vsw_mirror m;
static struct vsw_mirror_cfg cfg[VSW_MIRRORS_MAX];
static struct vsw_vec vec;
static struct nethv_dst dstv[64];

static void source(unsigned int n, unsigned int port)
{
	cfg[n].sources[port / 64] |= 1ull << (port % 64);
}

static void session(unsigned int n, uint16_t from, uint8_t way, uint8_t what, uint16_t to)
{
	cfg[n] = (struct vsw_mirror_cfg){.way = way, .what = what, .to = to};
	source(n, from);
}

static void init(uint32_t nr)
{
	cr_assert_eq(vsw_mirror_init(&m, cfg, nr), 0, "%s", err_text());
}

/* The copies of a packet from @src to the ports in @to, ended by 0. */
static uint8_t copies(uint16_t src, const uint16_t *to)
{
	static const uint16_t idx[1] = {3};
	struct nethv_pkt *p = &vec.slot[3].pkt;
	uint8_t hit[1] = {0xA5};

	*p = (struct nethv_pkt){.src_port = src, .len = 100, .dst_first = 7};
	memset(dstv, 0, sizeof(dstv));
	for (; to[p->ndst]; p->ndst++)
		dstv[7 + p->ndst].port = to[p->ndst];
	vsw_mirror_match(&m, &vec, idx, 1, dstv, hit);
	return hit[0];
}

#define TO(...) ((const uint16_t[]){__VA_ARGS__, 0})

Test(vsw_mirror, dp_16_what_enters_is_copied)
{
	session(0, 1, VSW_MIRROR_IN, VSW_MIRROR_FORWARDED, 9);
	init(1);
	cr_assert_eq(copies(1, TO(2)), 1);
	cr_assert_eq(copies(2, TO(1)), 0);
	cr_assert_eq(copies(NETHV_PORT_DEFAULT, TO(1)), 0);
}

Test(vsw_mirror, dp_16_what_leaves_is_copied_once)
{
	session(0, 1, VSW_MIRROR_OUT, VSW_MIRROR_FORWARDED, 9);
	source(0, 200);
	init(1);
	cr_assert_eq(copies(1, TO(2)), 0);
	cr_assert_eq(copies(2, TO(1)), 1);
	cr_assert_eq(copies(2, TO(5, 1, 200)), 1);
	cr_assert_eq(copies(NETHV_PORT_DEFAULT, TO(200)), 1);
}

Test(vsw_mirror, dp_16_not_where_the_packet_goes_anyway)
{
	session(0, 1, VSW_MIRROR_BOTH, VSW_MIRROR_FORWARDED, 9);
	init(1);
	cr_assert_eq(copies(1, TO(2, 9)), 0);
	cr_assert_eq(copies(2, TO(9, 1)), 0);
	cr_assert_eq(copies(9, TO(1)), 0); /* nor where it comes from */
}

Test(vsw_mirror, a_destination_that_is_excluded_is_none)
{
	static const uint16_t idx[1] = {0};
	struct nethv_pkt *p = &vec.slot[0].pkt;
	uint8_t hit;

	session(0, 1, VSW_MIRROR_OUT, VSW_MIRROR_FORWARDED, 9);
	init(1);
	*p = (struct nethv_pkt){.src_port = 2, .ndst = 2};
	dstv[0] = (struct nethv_dst){.port = 1, .flags = NETHV_DST_EXCLUDED};
	dstv[1] = (struct nethv_dst){.port = 3};
	vsw_mirror_match(&m, &vec, idx, 1, dstv, &hit);
	cr_assert_eq(hit, 0);
	dstv[0].flags = NETHV_DST_MIRROR; /* another session's copy */
	vsw_mirror_match(&m, &vec, idx, 1, dstv, &hit);
	cr_assert_eq(hit, 0);
	dstv[0].flags = 0;
	dstv[1] = (struct nethv_dst){.port = 9, .flags = NETHV_DST_EXCLUDED};
	vsw_mirror_match(&m, &vec, idx, 1, dstv, &hit);
	cr_assert_eq(hit, 1); /* the monitor does not get it by that */
}

Test(vsw_mirror, a_packet_to_nobody_is_a_drop)
{
	session(0, 1, VSW_MIRROR_IN, VSW_MIRROR_ALL, 9);
	init(1);
	cr_assert_eq(copies(1, TO(0)), 0);
	cr_assert_eq(vsw_mirror_drop(&m, &vec.slot[3].pkt, NULL, false), 1);
}

Test(vsw_mirror, sessions_are_independent_but_a_port_gets_one_copy)
{
	session(0, 1, VSW_MIRROR_IN, VSW_MIRROR_FORWARDED, 9);
	session(1, 2, VSW_MIRROR_OUT, VSW_MIRROR_FORWARDED, 8);
	session(2, 2, VSW_MIRROR_OUT, VSW_MIRROR_FORWARDED, 9);
	init(3);
	cr_assert_eq(copies(1, TO(2)), 1 | 2);
	cr_assert_eq(copies(1, TO(3)), 1);
	cr_assert_eq(copies(4, TO(2)), 2 | 4);
	cfg[0].snap_len = 64; /* then the whole frame is preferred */
	init(3);
	cr_assert_eq(copies(1, TO(2)), 2 | 4);
	cfg[2].snap_len = 128;
	init(3);
	cr_assert_eq(copies(1, TO(2)), 2 | 4);
	cfg[0].snap_len = 128; /* equals: the first */
	init(3);
	cr_assert_eq(copies(1, TO(2)), 1 | 2);
}

Test(vsw_mirror, drops_are_copied_to_those_who_want_them)
{
	struct nethv_dst to = {.port = 2};
	struct nethv_pkt p = {.src_port = 1};

	session(0, 1, VSW_MIRROR_IN, VSW_MIRROR_FORWARDED, 9);
	session(1, 1, VSW_MIRROR_IN, VSW_MIRROR_DROPS, 10);
	session(2, 1, VSW_MIRROR_IN, VSW_MIRROR_ALL, 11);
	session(3, 2, VSW_MIRROR_OUT, VSW_MIRROR_DROPS, 12);
	init(4);
	cr_assert_eq(copies(1, TO(3)), 1 | 4);
	cr_assert_eq(vsw_mirror_drop(&m, &p, NULL, false), 2 | 4);
	cr_assert_eq(vsw_mirror_drop(&m, &p, NULL, true), 2); /* 11 has its copy already */
	cr_assert_eq(vsw_mirror_drop(&m, &p, &to, true), 2 | 8);
	p.src_port = 11;
	cr_assert_eq(vsw_mirror_drop(&m, &p, &to, true), 8);
	p.src_port = 12;
	cr_assert_eq(vsw_mirror_drop(&m, &p, &to, true), 0);
}

Test(vsw_mirror, a_copy_that_is_lost_is_not_copied)
{
	struct nethv_dst to = {.port = 9, .flags = NETHV_DST_MIRROR};
	struct nethv_pkt p = {.src_port = 1};

	session(0, 1, VSW_MIRROR_BOTH, VSW_MIRROR_DROPS, 9);
	init(1);
	cr_assert_eq(vsw_mirror_drop(&m, &p, &to, true), 0);
	to.flags = 0;
	cr_assert_eq(vsw_mirror_drop(&m, &p, &to, true), 1);
}

Test(vsw_mirror, a_copys_destination_and_length)
{
	struct nethv_dst d;

	session(0, 1, VSW_MIRROR_IN, VSW_MIRROR_ALL, 9);
	session(1, 1, VSW_MIRROR_IN, VSW_MIRROR_ALL, 10);
	cfg[1].snap_len = 64;
	init(2);
	d = vsw_mirror_dst(&m, 1);
	cr_assert_eq(d.port, 10);
	cr_assert_eq(d.flags, NETHV_DST_MIRROR | NETHV_DST_KEEP_VLAN);
	cr_assert_eq(vsw_mirror_len(&m, 0, 1500), 1500);
	cr_assert_eq(vsw_mirror_len(&m, 1, 1500), 64);
	cr_assert_eq(vsw_mirror_len(&m, 1, 60), 60);
}

static void refused(const char *because)
{
	cr_assert_eq(vsw_mirror_init(&m, cfg, 1), -EINVAL);
	cr_assert(strstr(err_text(), because), "%s", err_text());
	session(0, 1, VSW_MIRROR_IN, VSW_MIRROR_ALL, 9);
}

Test(vsw_mirror, refuses_what_makes_no_sense)
{
	session(0, 1, VSW_MIRROR_IN, VSW_MIRROR_ALL, 9);
	cr_assert_eq(vsw_mirror_init(&m, cfg, VSW_MIRRORS_MAX + 1), -EINVAL);
	cfg[0].to = 256;
	refused("no monitor port");
	cfg[0].to = 1;
	refused("port 1 is a source and the monitor port");
	cfg[0].way = 0;
	refused("want in, out or both");
	cfg[0].way = 4;
	refused("want in, out or both");
	cfg[0].what = 0;
	refused("want forwarded packets, drops or all");
	cfg[0].snap_len = 13;
	refused("snap length 13");
	init(1);
}
