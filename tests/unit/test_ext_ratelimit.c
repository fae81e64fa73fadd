/* SPDX-License-Identifier: BSD-3-Clause */
/* The sample `ratelimit`: what passes in a time, per source and over lcores; and that held packets leave in
 * their order, all of them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/exthost.h"
#include "tests/support/prng.h"

extern const struct nethv_ext nethv_extension;

enum { PASS, OVER_RATE, QUEUE_FULL }; /* verdicts */

static struct exthost *limiter(const char *config)
{
	struct exthost *x = exthost_new(&nethv_extension, 2);

	cr_assert_eq(exthost_create(x, config), 0, "%s", x->text);
	return x;
}

/* One packet; its verdict, or -1 when it is held. */
static int send_seq(struct exthost *x, uint16_t lcore, uint16_t port, uint64_t mac, uint32_t len,
		    uint16_t seq)
{
	const struct exthost_flow f = {2, mac, "10.0.0.1", "10.0.0.2", 17, seq, 9, len};

	x->n = 0;
	exthost_put_flow(x, port, &f);
	exthost_ingress(x, lcore);
	return x->pkt[0].is_held ? -1 : x->pkt[0].verdict;
}

static int send(struct exthost *x, uint16_t lcore, uint16_t port)
{
	return send_seq(x, lcore, port, 1, 1000, 0);
}

Test(ext_ratelimit, lets_the_burst_pass_and_then_the_rate)
{
	/* 8 Mbit/s are 1000 bytes in 1 ms; 10 KiB at once. */
	struct exthost *x = limiter("{\"rate_mbps\": 8, \"burst_kib\": 10}");
	unsigned int i, passed = 0;

	for (i = 0; i < 100; i++)
		passed += send(x, 0, 0) == PASS;
	cr_assert_eq(passed, 10);		  /* 10240 bytes */
	for (i = 0, passed = 0; i < 10000; i++) { /* a second, ten times the rate */
		x->now_ns += 100000;
		passed += send(x, i & 1, 0) == PASS;
	}
	cr_assert(passed >= 999 && passed <= 1001, "%u", passed);
	cr_assert_eq(exthost_number(x, "dropped"), 10100 - 10 - passed);
	exthost_free(x);
}

Test(ext_ratelimit, sources_do_not_touch_each_other)
{
	struct exthost *x = limiter("{\"rate_mbps\": 8, \"burst_kib\": 1}");

	cr_assert_eq(send(x, 0, 0), PASS);
	cr_assert_eq(send(x, 0, 0), OVER_RATE);
	cr_assert_eq(send(x, 0, 1), PASS);
	cr_assert_eq(send(x, 1, 0), OVER_RATE, "the limit holds over lcores");
	cr_assert_eq(send(x, 0, NETHV_PORT_DEFAULT), PASS);
	cr_assert_eq(send(x, 0, NETHV_PORT_DEFAULT), PASS, "trusted packets have no limit");
	exthost_free(x);
	x = limiter("{\"rate_mbps\": 8, \"burst_kib\": 1, \"by\": \"mac\"}");
	cr_assert_eq(send_seq(x, 0, 0, 0x020000000001, 1000, 0), PASS);
	cr_assert_eq(send_seq(x, 0, 5, 0x020000000001, 1000, 0), OVER_RATE);
	cr_assert_eq(send_seq(x, 0, 0, 0x020000000002, 1000, 0), PASS);
	exthost_free(x);
}

Test(ext_ratelimit, a_frame_longer_than_the_burst_passes_when_there_is_no_debt)
{
	struct exthost *x = limiter("{\"rate_mbps\": 8, \"burst_kib\": 1}");

	cr_assert_eq(send_seq(x, 0, 0, 1, 9000, 0), PASS);
	x->now_ns += 7900000;
	cr_assert_eq(send(x, 0, 0), OVER_RATE, "it is paid off after 9 ms, but for a burst");
	x->now_ns += 1100000;
	cr_assert_eq(send(x, 0, 0), PASS);
	exthost_free(x);
}

static void expect_order(const struct exthost *x)
{
	unsigned int next[2] = {0}, i;

	for (i = 0; i < x->nr_made; i++) {
		const struct exthost_made *m = &x->made[i];

		cr_assert_eq(m->kind, EXTHOST_RELEASED);
		cr_assert_eq(nethv_get16(m->frame + 34), next[m->src_port]++, "port %u",
			     m->src_port);
	}
}

Test(ext_ratelimit, shaping_holds_and_releases_in_order_at_the_rate)
{
	struct exthost *x =
		limiter("{\"rate_mbps\": 8, \"burst_kib\": 1, \"mode\": \"shape\", \"queue\": 40}");
	unsigned int i;

	send(x, 0, 0), send(x, 0, 1); /* the bursts */
	for (i = 0; i < 40; i++) {
		cr_assert_eq(send_seq(x, 0, 0, 1, 1000, (uint16_t)i), -1);
		cr_assert_eq(send_seq(x, 0, 1, 1, 1000, (uint16_t)i), -1);
	}
	cr_assert_eq(send(x, 0, 0), QUEUE_FULL);
	exthost_poll(x, 0);
	cr_assert_eq(x->nr_made, 0);
	for (i = 0; i < 10; i++) {
		x->now_ns += 1000000;
		exthost_poll(x, 0);
	}
	cr_assert(x->nr_made >= 19 && x->nr_made <= 20, "%u", x->nr_made);
	cr_assert_eq(send_seq(x, 0, 0, 1, 60, 40), -1, "nobody overtakes those who wait");
	for (i = 0; i < 100 && x->nr_held; i++) {
		x->now_ns += 1000000;
		exthost_poll(x, 0);
	}
	cr_assert_eq(x->nr_made, 81);
	expect_order(x);
	cr_assert_eq(exthost_number(x, "waiting"), 0);
	cr_assert_eq(exthost_number(x, "held"), 81);
	x->now_ns += 2000000;
	cr_assert_eq(send(x, 0, 0), PASS);
	cr_assert_eq(x->nr_broken, 0);
	exthost_free(x);
}

Test(ext_ratelimit, flush_releases_all_and_again_when_there_was_no_room)
{
	struct exthost *x = limiter("{\"rate_mbps\": 8, \"burst_kib\": 1, \"mode\": \"shape\"}");
	unsigned int i;

	send(x, 0, 0);
	for (i = 0; i < 20; i++)
		cr_assert_eq(send_seq(x, 0, 0, 1, 1000, (uint16_t)i), -1);
	x->has_no_room = true;
	exthost_flush(x, 0);
	cr_assert_eq(x->nr_held, 20);
	x->has_no_room = false;
	exthost_flush(x, 0);
	cr_assert_eq(x->nr_held, 0);
	expect_order(x);
	x->is_unloading = true;
	cr_assert_eq(send(x, 0, 0), PASS, "what may not be held any more is not lost");
	exthost_free(x);
}

Test(ext_ratelimit, turning_shaping_off_keeps_the_order_of_those_who_wait)
{
	struct exthost *x = limiter("{\"rate_mbps\": 8, \"burst_kib\": 1, \"mode\": \"shape\"}");

	send(x, 0, 0);
	cr_assert_eq(send_seq(x, 0, 0, 1, 1000, 0), -1);
	cr_assert_eq(exthost_configure(x, "{\"rate_mbps\": 80, \"burst_kib\": 1}"), 0);
	cr_assert_eq(send_seq(x, 0, 0, 1, 1000, 1), -1);
	exthost_poll(x, 0);
	x->now_ns += 1000000;
	exthost_poll(x, 0);
	cr_assert_eq(x->nr_made, 2);
	expect_order(x);
	cr_assert_eq(send(x, 0, 0), OVER_RATE);
	exthost_free(x);
}

/* Against a naive account: whatever comes when, in any stretch of time no more than burst + rate passes. */
Test(ext_ratelimit, never_lets_more_pass_than_burst_and_rate)
{
	struct exthost *x = limiter("{\"rate_mbps\": 8, \"burst_kib\": 16}");
	uint64_t from[64] = {0}, since[64] = {0}, passed = 0; /* marks in time */
	unsigned int i, k, steps = prng_steps(20000);
	struct prng r;

	prng_init(&r);
	for (i = 0; i < steps; i++) {
		uint32_t len = 60 + prng_below(&r, 1440);

		x->now_ns += prng_below(&r, 2000000);
		if (prng_below(&r, 10) == 0) {
			k = prng_below(&r, 64);
			from[k] = passed, since[k] = x->now_ns;
		}
		if (send_seq(x, i & 1, 0, 1, len, 0) != PASS)
			continue;
		passed += len;
		for (k = 0; k < 64; k++)
			cr_assert(!since[k] ||
				  (passed - from[k]) * 1000 <=
					  16384 * 1000 + (x->now_ns - since[k]) + 1000);
	}
	exthost_free(x);
}

Test(ext_ratelimit, debts_survive_an_upgrade)
{
	struct exthost *x = limiter("{\"rate_mbps\": 8, \"burst_kib\": 1}"), *y;
	size_t len;
	void *state;

	send(x, 0, 0);
	state = exthost_save(x, &len);
	y = limiter("{\"rate_mbps\": 8, \"burst_kib\": 1}");
	cr_assert_eq(y->ext->restore(y->inst, state, len, 1), 0);
	cr_assert_eq(send(y, 0, 0), OVER_RATE);
	cr_assert_eq(y->ext->restore(y->inst, state, len - 8, 1), -1);
	cr_assert_eq(y->ext->restore(y->inst, state, len, 9), -1);
	free(state);
	exthost_free(x);
	exthost_free(y);
}

Test(ext_ratelimit, refuses_words_it_does_not_know)
{
	struct exthost *x = exthost_new(&nethv_extension, 1);

	cr_assert_eq(exthost_create(x, "{}"), -1);
	cr_assert(strstr(x->text, "rate_mbps: is missing"));
	cr_assert_eq(exthost_create(x, "{\"rate_mbps\": 0}"), -1);
	cr_assert_eq(exthost_create(x, "{\"rate_mbps\": 1, \"by\": \"ip\"}"), -1);
	cr_assert(strstr(x->text, "by is port or mac"));
	cr_assert_eq(exthost_create(x, "{\"rate_mbps\": 1, \"mode\": \"drop\"}"), -1);
	cr_assert(strstr(x->text, "police or shape"));
	exthost_free(x);
}
