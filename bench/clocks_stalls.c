/* SPDX-License-Identifier: BSD-3-Clause */
/* Two threads do nothing but look at the TSC, one on each core: where it jumps, the core was away. A thread that polls
 * is kept from it in just the same way, whatever it polls for. */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <x86intrin.h>

#include "bench/clocks.h"
#include "bench/stalls.h"

#define GAUGE_US    50000 /* for the TSC's frequency */
#define WATCH_US    500000
#define STALL_US    1.0	   /* shorter ones are the loop itself */
#define STALLS_MAX  65536u /* of a core */
#define LONG_US	    10.0   /* what "share_over_10us" is about */
#define NR_WATCHERS 2

struct watcher {
	int cpu;
	uint64_t least; /* ticks */
	uint64_t from, to;
	size_t nr;
	struct stall at[STALLS_MAX];
};

static struct watcher watchers[NR_WATCHERS]; /* the switch's core, the guest's */
static int nr_ready;
static bool is_over;

static double ticks_a_us(void)
{
	double begun = clocks_now_ns();
	uint64_t t = __rdtsc();

	usleep(GAUGE_US);
	t = __rdtsc() - t;
	return (double)t / ((clocks_now_ns() - begun) / 1e3);
}

static void *watch(void *arg)
{
	struct watcher *w = arg;
	uint64_t before, now;

	clocks_run_on(w->cpu);
	memset(w->at, 0xff, sizeof(w->at)); /* a page's first touch would be a stall */
	__atomic_add_fetch(&nr_ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&nr_ready, __ATOMIC_SEQ_CST) < NR_WATCHERS)
		;
	w->from = before = __rdtsc();
	while (w->nr < STALLS_MAX && !__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
		now = __rdtsc();
		if (now - before > w->least)
			w->at[w->nr++] = (struct stall){before, now};
		before = now;
	}
	w->to = before;
	return NULL;
}

static int watch_both(double ticks)
{
	pthread_t t[NR_WATCHERS];
	int i;

	for (i = 0; i < NR_WATCHERS; i++) {
		watchers[i].least = (uint64_t)(STALL_US * ticks);
		if (pthread_create(&t[i], NULL, watch, &watchers[i])) {
			fprintf(stderr, "clocks: no thread\n");
			return 1;
		}
	}
	while (__atomic_load_n(&nr_ready, __ATOMIC_SEQ_CST) < NR_WATCHERS)
		usleep(1000);
	usleep(WATCH_US);
	__atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
	for (i = 0; i < NR_WATCHERS; i++)
		pthread_join(t[i], NULL);
	return 0;
}

/* While both looked, and had room for what they saw. */
static bool common(struct stall_watch *w, double ticks)
{
	const struct watcher *a = &watchers[0], *b = &watchers[1];
	int i;

	*w = (struct stall_watch){.sw = {a->at, a->nr},
				  .guest = {b->at, b->nr},
				  .from = a->from > b->from ? a->from : b->from,
				  .to = a->to < b->to ? a->to : b->to};
	if (w->to <= w->from) {
		fprintf(stderr, "clocks: the two CPUs were not there at the same time\n");
		return false;
	}
	for (i = 0; i < NR_WATCHERS; i++)
		if (watchers[i].nr == STALLS_MAX)
			fprintf(stderr,
				"clocks: CPU %d was away %u times, as many as are kept: %.3f s count\n",
				watchers[i].cpu, STALLS_MAX,
				(double)(w->to - w->from) / ticks / 1e6);
	return true;
}

static void say(const struct stall_watch *w, const struct stall_waits *s, double ticks)
{
	static const struct {
		const char *name;
		double share;
	} q[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}};
	uint64_t over = (uint64_t)(LONG_US * ticks);
	double seconds = (double)(w->to - w->from) / ticks / 1e6;
	size_t i;

	printf("{\"stalls_us\": {");
	for (i = 0; i < sizeof(q) / sizeof(q[0]); i++)
		printf("%s\"%s\": %.2f", i ? ", " : "", q[i].name,
		       (double)stalls_waits_quantile(s, q[i].share) / ticks);
	printf("}, \"share_away\": %.5f", stalls_away(w));
	printf(", \"share_over_10us\": [%.5f, %.5f]", stalls_beyond(&w->sw, w->from, w->to, over),
	       stalls_beyond(&w->guest, w->from, w->to, over));
	printf(", \"stalls_a_second\": [%.0f, %.0f], \"watched_s\": %.3f}\n",
	       (double)w->sw.nr / seconds, (double)w->guest.nr / seconds, seconds);
}

int clocks_stalls(int sw, int guest)
{
	double ticks = ticks_a_us();
	struct stall_waits *s = NULL;
	struct stall_watch w;

	watchers[0].cpu = sw;
	watchers[1].cpu = guest;
	if (watch_both(ticks) || !common(&w, ticks))
		return 1;
	if (stalls_waits_create(&s, &w)) {
		fprintf(stderr, "clocks: no memory\n");
		return 1;
	}
	say(&w, s, ticks);
	stalls_waits_destroy(s);
	return 0;
}
