/* SPDX-License-Identifier: BSD-3-Clause */
/* The frames of `trial`, its orders, and its judgement of a wire that loses, doubles, turns around and damages. Time is
 * ours: a round is 10 us of a clock of 1 GHz; only latencies come from the real one. */
#include <criterion/criterion.h>
#include <string.h>

#include "guest/apps/flow.h"
#include "guest/apps/trial.h"

#define HZ	  1000000000ull
#define ROUND	  (HZ / 100000)
#define QUEUE	  4096u
#define FRAME_MAX 1600u

struct frame {
	uint8_t data[FRAME_MAX];
	uint32_t len;
};

/* What comes to one side. */
static struct way {
	struct frame staged[TRIAL_BURST * 2], queue[QUEUE];
	unsigned int nr_staged, head, tail;
} to[3]; /* the last: what listens */

static struct {
	unsigned int lose_each, double_each, swap_each, damage_each, flood_each; /* 0: never */
	unsigned int room; /* frames in the queue at most */
	bool is_deaf;	   /* nothing is received */
	unsigned int nr, nr_lost, nr_doubled, nr_swapped, nr_damaged, nr_flooded;
} wire;

static struct trial t;
static uint64_t tsc;

static unsigned int side_rx(void *ctx, struct trial_frame *f, unsigned int max)
{
	struct way *w = ctx;
	unsigned int n;

	for (n = 0; n < max && !wire.is_deaf && w->tail != w->head; n++, w->tail++)
		f[n] = (struct trial_frame){w->queue[w->tail % QUEUE].data,
					    w->queue[w->tail % QUEUE].len};
	return n;
}

static struct way *other(void *ctx)
{
	return ctx == &to[0] ? &to[1] : &to[0];
}

static unsigned int side_tx(void *ctx, const uint32_t *len, uint8_t **at, unsigned int n)
{
	struct way *w = other(ctx);
	unsigned int i;

	for (i = 0; i < n && w->head - w->tail + w->nr_staged < wire.room; i++) {
		at[i] = w->staged[w->nr_staged].data;
		w->staged[w->nr_staged++].len = len[i];
	}
	return i;
}

static bool is_turn(unsigned int each, unsigned int *count)
{
	bool is = each && wire.nr % each == 0;

	*count += is;
	return is;
}

static void carry(struct way *w, const struct frame *f)
{
	struct frame *at = &w->queue[w->head % QUEUE], *before = &w->queue[(w->head - 1) % QUEUE],
		     x;

	wire.nr++;
	if (is_turn(wire.lose_each, &wire.nr_lost))
		return;
	*at = *f;
	w->head++;
	if (is_turn(wire.flood_each, &wire.nr_flooded))
		to[2].queue[to[2].head++ % QUEUE] = *f;
	if (is_turn(wire.damage_each, &wire.nr_damaged))
		at->data[wire.nr_damaged * 7 % f->len] ^= (uint8_t)(1u << wire.nr_damaged % 8);
	if (is_turn(wire.double_each, &wire.nr_doubled))
		w->queue[w->head++ % QUEUE] = *f;
	else if (w->head - w->tail >= 2 && is_turn(wire.swap_each, &wire.nr_swapped)) {
		x = *at;
		*at = *before;
		*before = x;
	}
}

static void side_flush(void *ctx)
{
	struct way *w = other(ctx);
	unsigned int i;

	if (ctx == &to[2])
		return; /* it never sends */
	for (i = 0; i < w->nr_staged; i++)
		carry(w, &w->staged[i]);
	w->nr_staged = 0;
}

static const struct trial_ops ops = {side_rx, side_tx, side_flush};

static struct trial_cfg cfg_of(const char *order)
{
	struct trial_cfg cfg = {
		.id = 7, .tsc_hz = HZ, .mac = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 1, 0, 1}}};
	const char *why = trial_parse(&cfg, order, 1518);

	cr_assert_null(why, "%s: %s", order, why);
	return cfg;
}

static struct trial_sum carry_out(const char *order)
{
	struct trial_cfg cfg = cfg_of(order);
	struct trial_sum s;
	unsigned int i;

	trial_begin(&t, &cfg, tsc);
	for (i = 0; t.state != TRIAL_DONE; i++, tsc += ROUND) {
		cr_assert_lt(i, 2000000, "state %d", t.state);
		trial_poll(&t, tsc);
	}
	trial_sum(&t, &s);
	return s;
}

/* Begins again, with a third port that listens. */
static struct trial_sum carry_out_heard(const char *order)
{
	trial_init(&t, &ops, &to[0], &to[1], &to[2]);
	return carry_out(order);
}

static void setup(void)
{
	flow_init();
	memset(&wire, 0, sizeof(wire));
	wire.room = QUEUE / 2;
	tsc = 12345;
	trial_init(&t, &ops, &to[0], &to[1], NULL);
}

TestSuite(trial, .init = setup);

Test(trial, a_good_wire_delivers_all_at_the_rate_that_was_asked)
{
	struct trial_sum s = carry_out("rate=500000 ms=100 size=64");

	cr_assert_eq(s.sent, 100000);
	cr_assert_eq(s.received, 100000);
	cr_assert_eq(s.unsent + s.duplicated + s.reordered + s.corrupted + t.strange, 0);
	cr_assert_eq(s.bytes, 100000 * 60);
	cr_assert_eq(t.latency.count, 100000);
	cr_assert_leq(t.lag, 500000 / 100000 + 1);
	cr_assert(t.sent_tsc != 0);
}

Test(trial, one_direction_leaves_the_other_alone)
{
	struct trial_sum s = carry_out("count=5000 both=0 size=1518");

	cr_assert_eq(s.sent, 5000);
	cr_assert_eq(s.received, 5000);
	cr_assert_eq(t.way[1].sent, 0);
	cr_assert_eq(s.bytes, 5000ull * 1514);
}

Test(trial, what_is_lost_doubled_and_turned_around_is_counted_exactly)
{
	struct trial_sum s;

	wire.lose_each = 97;
	wire.double_each = 101;
	wire.swap_each = 103;
	s = carry_out("rate=1000000 ms=50");
	cr_assert_eq(s.sent, 100000);
	cr_assert(wire.nr_lost > 1000 && wire.nr_doubled > 900 && wire.nr_swapped > 700);
	cr_assert_eq(s.received, 100000 - wire.nr_lost);
	cr_assert_eq(s.duplicated, wire.nr_doubled);
	/* One that changes places with its own double is not late. */
	cr_assert(s.reordered <= wire.nr_swapped && s.reordered > wire.nr_swapped * 9 / 10);
}

Test(trial, any_bit_that_changed_is_found)
{
	struct trial_sum s;

	wire.damage_each = 10;
	s = carry_out("count=20000 size=128 flows=1000 macs=50");
	cr_assert(wire.nr_damaged >= 4000 - 1);
	cr_assert_eq(s.received, 40000 - wire.nr_damaged);
	cr_assert_eq(s.corrupted + t.strange, wire.nr_damaged);
	cr_assert_gt(s.corrupted, t.strange * 10, "only magic and number of the trial hide it");
}

Test(trial, what_has_no_room_until_the_end_is_unsent)
{
	struct trial_sum s;

	wire.room = 4; /* a round takes four, so 400,000 a second pass */
	s = carry_out("rate=500000 ms=100 both=0");
	cr_assert_eq(s.sent + s.unsent, 50000);
	cr_assert(s.unsent > 8000 && s.unsent < 11000, "%lu", s.unsent);
	cr_assert_eq(s.received, s.sent);
	cr_assert_gt(t.lag, 8000);
}

Test(trial, the_longest_time_without_a_frame_is_known)
{
	struct trial_cfg cfg = cfg_of("rate=500000 ms=100");
	unsigned int i;

	trial_begin(&t, &cfg, tsc);
	for (i = 0; t.state != TRIAL_DONE; i++, tsc += ROUND) {
		cr_assert_lt(i, 100000);
		wire.lose_each = i >= 6000 && i < 6300; /* 3 ms in the middle */
		trial_poll(&t, tsc);
	}
	cr_assert_geq(t.gap, 300 * ROUND);
	cr_assert_leq(t.gap, 302 * ROUND);
}

/* Polls once. Whether a side had a whole burst waiting, and whether something was sent all the same. */
static void poll_behind(bool *is_behind, bool *has_sent)
{
	const uint64_t sent = t.way[0].sent + t.way[1].sent;

	*is_behind =
		to[0].head - to[0].tail >= TRIAL_BURST || to[1].head - to[1].tail >= TRIAL_BURST;
	trial_poll(&t, tsc);
	tsc += ROUND;
	*has_sent = t.way[0].sent + t.way[1].sent != sent;
}

/* The receiver was away for @deaf rounds of 5 frames each way. Rounds until no burst waits any more; *@sending: in how
 * many of them something was sent. */
static unsigned int catch_up(const char *order, unsigned int deaf, unsigned int *sending)
{
	struct trial_cfg cfg = cfg_of(order);
	bool is_behind, has_sent;
	unsigned int n;

	trial_begin(&t, &cfg, tsc);
	while (t.way[0].sent < 100)
		poll_behind(&is_behind, &has_sent);
	wire.is_deaf = true;
	while (deaf--)
		poll_behind(&is_behind, &has_sent);
	wire.is_deaf = false;
	for (n = 0, *sending = 0;; n++) {
		poll_behind(&is_behind, &has_sent);
		if (!is_behind)
			return n;
		*sending += has_sent;
	}
}

Test(trial, with_a_rate_what_waits_is_received_before_more_is_sent)
{
	unsigned int sending;

	cr_assert_eq(catch_up("rate=500000 ms=100", 100, &sending), 500 / TRIAL_BURST);
	cr_expect_eq(sending, 0);
}

Test(trial, who_never_catches_up_sends_all_the_same)
{
	unsigned int sending, n = catch_up("rate=500000 ms=100", 300, &sending);

	cr_expect_geq(n, 1500 / TRIAL_BURST);
	cr_expect_eq(sending, n / 16);
}

Test(trial, a_window_is_never_exceeded)
{
	struct trial_cfg cfg = cfg_of("count=10000 window=48 both=1");
	unsigned int i;

	trial_begin(&t, &cfg, tsc);
	for (i = 0; t.state != TRIAL_DONE; i++, tsc += ROUND) {
		cr_assert_lt(i, 100000);
		trial_poll(&t, tsc);
		cr_assert_leq(to[0].head - to[0].tail, 48);
		cr_assert_leq(to[1].head - to[1].tail, 48);
	}
	cr_assert_eq(t.way[0].seq.unique + t.way[1].seq.unique, 20000);
}

Test(trial, imix_has_its_lengths_in_its_proportion)
{
	struct trial_sum s = carry_out("count=12000 size=imix both=0 flows=65536");

	cr_assert_eq(s.received, 12000);
	cr_assert_eq(s.bytes, 1000ull * (7 * 60 + 4 * 566 + 1514));
}

Test(trial, announces_each_address_once_before_the_load)
{
	static bool seen[2][300];
	struct trial_cfg cfg = cfg_of("count=10 macs=300 announce=1000000");
	unsigned int i, k, nr[2] = {0};

	trial_begin(&t, &cfg, tsc);
	for (i = 0; t.state == TRIAL_ANNOUNCE && i < 10000; i++, tsc += ROUND) {
		unsigned int at[2] = {to[0].head, to[1].head};

		trial_poll(&t, tsc);
		for (k = 0; k < 2; k++) {
			for (; at[k] != to[k].head; at[k]++) {
				const uint8_t *f = to[k].queue[at[k] % QUEUE].data;
				unsigned int mac = (unsigned int)(f[10] << 8 | f[11]) - 1;

				cr_assert_lt(mac, 300);
				cr_assert_not(seen[k][mac]);
				seen[k][mac] = true;
				nr[k]++;
			}
		}
	}
	cr_assert_eq(nr[0], 300);
	cr_assert_eq(nr[1], 300);
}

Test(trial, with_one_direction_the_sender_has_one_address)
{
	struct trial_cfg cfg = cfg_of("count=300 macs=300 announce=1000000 both=0");
	unsigned int i;

	trial_begin(&t, &cfg, tsc);
	for (i = 0; t.state != TRIAL_DONE && i < 100000; i++, tsc += ROUND)
		trial_poll(&t, tsc);
	cr_assert_eq(t.way[0].announced, 1);
	cr_assert_eq(t.way[1].announced, 300);
	cr_assert_eq(t.way[0].seq.unique, 300);
	/* At a million a second; a round is 10 us. */
	cr_assert(t.announce_time >= 300000 - ROUND && t.announce_time <= 300000 + 2 * ROUND);
}

Test(trial, addresses_that_were_announced_are_sent_to_in_turn)
{
	struct trial_cfg cfg = cfg_of("count=600 macs=300 announce=1000000 both=0");
	unsigned int i, next = 0;

	trial_begin(&t, &cfg, tsc);
	for (i = 0; t.state != TRIAL_DONE && i < 100000; i++, tsc += ROUND) {
		unsigned int at = to[1].head;
		bool is_load = t.state >= TRIAL_RUN;

		trial_poll(&t, tsc);
		for (; is_load && at != to[1].head; at++, next++) {
			const uint8_t *f = to[1].queue[at % QUEUE].data;

			cr_assert_eq((unsigned int)(f[4] << 8 | f[5]) - 1, next % 300);
		}
	}
	cr_assert_eq(next, 600);
}

Test(trial, what_is_flooded_is_heard_and_what_is_announced_does_not_count)
{
	struct trial_sum s;

	wire.flood_each = 7;
	s = carry_out_heard("count=5000 macs=100 announce=1000000");
	cr_assert_eq(s.received, 10000);
	cr_assert_gt(wire.nr_flooded, 10000 / 7 - 2);
	cr_assert(t.flooded > 0 && t.flooded < wire.nr_flooded);
	cr_assert_geq(t.flooded + 200 / 7 + 1, wire.nr_flooded);
}

Test(trial, without_a_rate_it_ends_when_all_stands_still)
{
	struct trial_sum s;

	wire.room = 0;
	s = carry_out("count=1000 both=0");
	cr_assert_eq(s.sent, 0);
	cr_assert_eq(s.unsent, 1000);
	wire.room = QUEUE / 2;
	wire.lose_each = 2; /* until the window is full of what is lost */
	s = carry_out("count=1000 window=16 both=0");
	cr_assert_eq(s.sent + s.unsent, 1000);
	cr_assert(s.unsent > 900 && s.sent - s.received == 16);
}

Test(trial, each_second_has_a_row)
{
	struct trial_sum s;
	uint64_t sent = 0, received = 0;
	unsigned int i;

	wire.lose_each = 10;
	s = carry_out("rate=500000 ms=100 rows=1");
	for (i = 0; i < ROWS_MAX; i++) {
		sent += t.rows.row[i].sent;
		received += t.rows.row[i].received;
	}
	cr_assert_eq(sent, s.sent);
	cr_assert_eq(received, s.received);
	cr_assert_gt(t.rows.row[0].latency, 0);
	carry_out("count=10");
	cr_assert_eq(t.rows.row[0].sent, 0, "only when it is asked for");
}

Test(trial, a_frame_belongs_to_the_second_in_which_it_was_sent)
{
	static struct rows r = {.hz = HZ};

	rows_sent(&r, 0, 5);
	rows_sent(&r, HZ, 7);
	rows_received(&r, HZ - 1, 20); /* comes when the next second has begun */
	rows_received(&r, HZ + 3, 10);
	rows_received(&r, 0, 30);
	rows_sent(&r, (ROWS_MAX + 5) * HZ, 1);
	cr_assert(r.row[0].sent == 5 && r.row[0].received == 2 && r.row[0].latency == 30);
	cr_assert(r.row[1].sent == 7 && r.row[1].received == 1 && r.row[1].latency == 10);
	cr_assert_eq(r.row[ROWS_MAX - 1].sent, 1);
}

Test(trial, frames_of_another_trial_are_strange)
{
	struct trial_cfg cfg = cfg_of("count=64 both=0");
	struct probe_cfg p = {.src = {2, 0, 0, 0, 0, 1},
			      .dst = {2, 0, 0, 1, 0, 1},
			      .src_macs = 1,
			      .dst_macs = 1,
			      .flows = 1};
	struct probe_tmpl tmpl;
	struct frame f = {.len = 60};

	p.trial = 6;
	probe_tmpl_init(&tmpl, &p, 60);
	trial_begin(&t, &cfg, tsc);
	while (t.state != TRIAL_RUN)
		trial_poll(&t, tsc += ROUND);
	probe_build(&tmpl, f.data, 3, 4);
	carry(&to[1], &f);
	trial_poll(&t, tsc += ROUND);
	cr_assert_eq(t.strange, 1);
	cr_assert_eq(t.way[0].seq.unique, 0);
}

Test(trial, an_order_that_makes_no_sense_is_refused_in_words)
{
	static const char *const bad[] = {
		"",
		"rate=1000",
		"rate=x ms=1",
		"rate=2000000000 ms=1",
		"count=1 size=63",
		"count=1 size=1519",
		"count=1 size=big",
		"count=1 flows=0",
		"count=1 macs=2000000",
		"count=1 both=2",
		"count=1 window=100000",
		"count=1 announce=2000000000",
		"rate=1 ms=3600001 rows=1",
	};
	struct trial_cfg cfg = {0};
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_not_null(trial_parse(&cfg, bad[i], 1518), "'%s'", bad[i]);
	cr_assert_not_null(trial_parse(&cfg, "count=1 size=imix", 1500));
}

Test(trial, flows_and_addresses_are_all_used_and_nothing_else)
{
	static unsigned int flow[100], mac[64];
	struct probe_cfg p = {.src = {2, 0, 0, 0, 1, 0},
			      .dst = {2, 0, 0, 2, 0, 0},
			      .src_macs = 64,
			      .dst_macs = 64,
			      .flows = 100};
	struct probe_tmpl tmpl;
	uint8_t f[60];
	uint64_t seq, got, stamp;
	uint32_t sum;
	unsigned int i;

	probe_tmpl_init(&tmpl, &p, 60);
	for (seq = 0; seq < 6400; seq++) {
		probe_build(&tmpl, f, seq, seq * 3);
		cr_assert_eq(probe_check(&tmpl, f, &got, &stamp), PROBE_GOOD);
		cr_assert(got == seq && stamp == seq * 3);
		for (sum = 0, i = 14; i < 34; i += 2)
			sum += (uint32_t)(f[i] << 8 | f[i + 1]);
		cr_assert_eq((sum & 0xffff) + (sum >> 16), 0xffff, "IPv4 checksum");
		cr_assert(f[26] == 10 && f[27] == 0 && f[28] == 0 && f[29] < 100);
		flow[f[29]]++;
		cr_assert(f[10] == 1 && f[11] < 64);
		mac[f[11]]++;
	}
	for (i = 0; i < 100; i++)
		cr_assert(flow[i] > 40 && flow[i] < 90, "flow %u: %u", i, flow[i]);
	for (i = 0; i < 64; i++)
		cr_assert(mac[i] > 60 && mac[i] < 150, "address %u: %u", i, mac[i]);
}
