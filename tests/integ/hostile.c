/* SPDX-License-Identifier: BSD-3-Clause */
/* The hostile guest: attacks one after the other against a live switch, while a generator and a sink
 * in two other partitions must lose nothing. SEED= and STEPS= steer the random part, LIVES= its
 * length, Needs no root.
 *
 * After each attack: the switch is the same process, the victims have come further and lost nothing,
 * nobody saw a forged frame, and each packet of the attacker ended in exactly one place. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/integ/hostile.h"

#define LIVES_DEFAULT 1000u
#define STEPS_DEFAULT 40u
#define GROWTH_MAX    (16u << 10) /* KiB of the switch's own memory, over all random lives */
#define LOG_MAX	      (2u << 20)

const char *now_doing = "start";
unsigned int nr_attacks, nr_closed, nr_refused, nr_harmless;

static char doing[128];
static struct crowd_news at_begin;
static bool is_scribbling; /* frames may say anything about themselves */

void die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "FAIL: %s: ", now_doing);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	switch_log_print();
	_exit(1); /* the switch dies with us */
}

/* ---- Around each attack ------------------------------------------------------------------------------- */

static void news_must_be_good(const struct crowd_news *n)
{
	must(!n->lost && !n->duplicated && !n->reordered && !n->corrupted && !n->strange,
	     "victims: lost %lu, duplicated %lu, reordered %lu, corrupted %lu, strange %lu",
	     n->lost, n->duplicated, n->reordered, n->corrupted, n->strange);
	must(!n->forged, "%lu frames with a forged source, such as %02x:%02x:%02x:%02x:%02x:%02x",
	     n->forged, n->forged_src[0], n->forged_src[1], n->forged_src[2], n->forged_src[3],
	     n->forged_src[4], n->forged_src[5]);
	must(!n->torn || is_scribbling,
	     "%lu frames as nobody wrote them, such as %u bytes that say %u", n->torn, n->torn_len,
	     n->torn_mark);
}

static void victims_must_live(void)
{
	uint64_t until = now_ms() + PATIENCE_MS;
	struct crowd_news n;

	crowd_news(&n);
	while (n.passed <= at_begin.passed) {
		must(now_ms() < until, "the victims' traffic stands still");
		nap_us(100);
		crowd_news(&n);
	}
	news_must_be_good(&n);
}

void attack_begin(const char *group, const char *name, enum evil_level level)
{
	snprintf(doing, sizeof(doing), "%s: %s", group, name);
	now_doing = doing;
	crowd_news(&at_begin);
	evil_rise(level);
}

void attack_end(enum want want)
{
	crowd_noise(0, NULL);
	evil_fall();
	switch_must_live();
	evil_must_balance();
	victims_must_live();
	nr_attacks++;
	nr_closed += want == WANT_CLOSED;
	nr_refused += want == WANT_REFUSED || want == WANT_FAILED || want == WANT_DROPPED;
	nr_harmless += want == WANT_SENT || want == WANT_NOTHING;
}

/* ---- The whole ------------------------------------------------------------------------------------------ */

static unsigned int from_env(const char *name, unsigned int def)
{
	const char *text = getenv(name);

	return text ? (unsigned int)strtoul(text, NULL, 0) : def;
}

static void named_attacks(void)
{
	char last[128] = "";
	uint64_t faults;

	attacks_data();
	attacks_bus();
	attacks_acts();
	attacks_race();
	now_doing = "the switch's own count";
	faults = switch_faults("evil/0", last, sizeof(last));
	must(faults == nr_closed, "%lu faults counted, %u channels had to be closed", faults,
	     nr_closed);
	must(strchr(last, ' ') != NULL, "its last reason is \"%s\"", last);
	printf("attacks: %u by name: %u close the channel, %u are refused, %u are harmless\n",
	       nr_attacks, nr_closed, nr_refused, nr_harmless);
}

static void random_lives(void)
{
	unsigned int lives = from_env("LIVES", LIVES_DEFAULT), steps = prng_steps(STEPS_DEFAULT);
	uint64_t before, after;
	struct prng r;

	prng_init(&r);
	is_scribbling = true;
	attacks_random(&r, lives / 10, steps); /* pools and arenas have their size after this */
	before = switch_rss_kib();
	attacks_random(&r, lives - lives / 10, steps);
	after = switch_rss_kib();
	now_doing = "the switch's memory";
	must(after < before + GROWTH_MAX, "%lu KiB, then %lu KiB", before, after);
	must(switch_log_bytes() < LOG_MAX, "%zu bytes of log", switch_log_bytes());
	printf("random: %u lives of %u steps; the switch's memory %lu KiB, then %lu KiB; log %zu "
	       "KiB\n",
	       lives, steps, before, after, switch_log_bytes() >> 10);
}

static void books_must_balance(void)
{
	struct vsw_port_stats s;

	switch_sum(&s);
	must(s.in_packets + s.copies == s.out_packets + drops_of(&s),
	     "in %lu + copies %lu is not out %lu + drops %lu", s.in_packets, s.copies,
	     s.out_packets, drops_of(&s));
	printf("books: in %lu + copies %lu = out %lu + drops %lu\n", s.in_packets, s.copies,
	       s.out_packets, drops_of(&s));
}

int main(void)
{
	struct crowd_news n;

	setvbuf(stdout, NULL, _IOLBF, 0);
	switch_start();
	crowd_start();
	evil_init();
	named_attacks();
	random_lives();
	now_doing = "end";
	crowd_news(&n);
	crowd_finish();
	books_must_balance();
	switch_must_live();
	switch_stop();
	printf("watcher: %lu frames, none forged; noise %lu frames\n", n.watched, n.noise);
	return 0;
}
