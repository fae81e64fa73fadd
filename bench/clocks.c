/* SPDX-License-Identifier: BSD-3-Clause */
/* How fast the two processors that a benchmark uses are right now, and how far from each other:
 *
 *	clocks CPU CPU [wake|stalls]
 *
 * One line of JSON: TSC cycles for an addition that waits for the one before (1.0 at the TSC's own clock; less when the
 * core runs faster) on each, and nanoseconds for a cache line to go from one to the other (half of a round trip of
 * compare-and-swap). Best of some slices: what another machine's load took away is not the processor's speed; "worst"
 * tells of that. wake: only how long it takes, in microseconds, until a thread that sleeps on the first one runs when
 * one on the second, which does not sleep, writes its eventfd: what no switch that sleeps can be faster than. stalls: only
 * how long, in microseconds, a frame waits for two cores that poll and are away now and then, the switch's, which is the
 * first one, and the guest's: what no switch that polls can be faster than. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <x86intrin.h>

#include "bench/clocks.h"
#include "bench/micro.h"

#define SLICES 11
#define ADDS   2000000u
#define TURNS  20000u
#define WAKES  40
#define NAP_NS 50e6
#define UNROLL4                         \
	x += y;                         \
	__asm__ volatile("" : "+r"(x)); \
	x += y;                         \
	__asm__ volatile("" : "+r"(x)); \
	x += y;                         \
	__asm__ volatile("" : "+r"(x)); \
	x += y;                         \
	__asm__ volatile("" : "+r"(x))

struct player {
	int cpu;
	uint32_t from, to;
};

static uint32_t ball __attribute__((aligned(128)));
static int nr_ready;

void clocks_run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		fprintf(stderr, "clocks: there is no CPU %d for us\n", cpu);
		exit(1);
	}
}

double clocks_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double add_slice(void)
{
	uint64_t x = 1, y = 3, t = __rdtsc();
	uint32_t i;

	for (i = 0; i < ADDS; i += 4) {
		UNROLL4;
	}
	return (double)(__rdtsc() - t) / ADDS;
}

static double adds(int cpu, double *worst)
{
	double best = 1e9, t;
	int i;

	clocks_run_on(cpu);
	for (i = 0; i < SLICES; i++) {
		t = add_slice();
		best = t < best ? t : best;
		*worst = t > *worst ? t : *worst;
	}
	return best;
}

static void *play(void *arg)
{
	struct player *p = arg;
	double begun, best = 1e9, t;
	uint32_t want, i;
	int slice;

	clocks_run_on(p->cpu);
	__atomic_add_fetch(&nr_ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&nr_ready, __ATOMIC_SEQ_CST) < 2)
		;
	for (slice = 0; slice < SLICES; slice++) {
		begun = clocks_now_ns();
		for (i = 0; i < TURNS; i++) {
			do
				want = p->from;
			while (!__atomic_compare_exchange_n(&ball, &want, p->to, 0,
							    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
		}
		t = (clocks_now_ns() - begun) / TURNS / 2;
		best = t < best ? t : best;
	}
	p->from = (uint32_t)(best * 1000);
	return NULL;
}

/* ---- Waking -------------------------------------------------------------------------------- */

struct sleeper {
	int cpu, fd;
	double woken_ns; /* atomic: when it came out of its sleep; 0: it sleeps */
};

static void *sleep_on(void *arg)
{
	struct sleeper *s = arg;
	struct pollfd p = {.fd = s->fd, .events = POLLIN};
	double now;
	uint64_t n;
	int i;

	clocks_run_on(s->cpu);
	for (i = 0; i < WAKES; i++) {
		if (poll(&p, 1, -1) != 1)
			exit(1);
		now = clocks_now_ns();
		if (read(s->fd, &n, sizeof(n)) != sizeof(n))
			exit(1);
		__atomic_store(&s->woken_ns, &now, __ATOMIC_RELEASE);
	}
	return NULL;
}

static int wakes(int sleeping, int waking)
{
	struct sleeper s = {.cpu = sleeping, .fd = eventfd(0, 0)};
	double took[WAKES], begun, at, none = 0;
	const uint64_t one = 1;
	pthread_t t;
	int i;

	if (s.fd < 0 || pthread_create(&t, NULL, sleep_on, &s))
		return 1;
	clocks_run_on(waking);
	for (i = 0; i < WAKES; i++) {
		for (begun = clocks_now_ns(); clocks_now_ns() < begun + NAP_NS;)
			;
		begun = clocks_now_ns();
		if (write(s.fd, &one, sizeof(one)) != sizeof(one))
			return 1;
		do
			__atomic_load(&s.woken_ns, &at, __ATOMIC_ACQUIRE);
		while (at == 0);
		took[i] = (at - begun) / 1e3;
		__atomic_store(&s.woken_ns, &none, __ATOMIC_RELAXED);
	}
	pthread_join(t, NULL);
	micro_sort(took, WAKES);
	printf("{\"wake_us\": {\"p50\": %.1f, \"p90\": %.1f, \"max\": %.1f}}\n", took[WAKES / 2],
	       took[WAKES * 9 / 10], took[WAKES - 1]);
	return 0;
}

static int speeds(int a, int b)
{
	struct player one = {a, 0, 1}, two = {b, 1, 0};
	double add_a, add_b, worst = 0;
	pthread_t t;

	add_a = adds(a, &worst);
	add_b = adds(b, &worst);
	if (pthread_create(&t, NULL, play, &one)) {
		fprintf(stderr, "clocks: no thread\n");
		return 1;
	}
	play(&two);
	pthread_join(t, NULL);
	printf("{\"add\": [%.4f, %.4f], \"add_worst\": %.4f, \"line_ns\": %.1f}\n", add_a, add_b,
	       worst, (double)(one.from < two.from ? one.from : two.from) / 1000);
	return 0;
}

int main(int argc, char **argv)
{
	int a = argc > 2 ? atoi(argv[1]) : -1, b = argc > 2 ? atoi(argv[2]) : -1;
	const char *what = argc == 4 ? argv[3] : "";

	if (a >= 0 && b >= 0 && a != b) {
		if (argc == 3)
			return speeds(a, b);
		if (strcmp(what, "wake") == 0)
			return wakes(a, b);
		if (strcmp(what, "stalls") == 0)
			return clocks_stalls(a, b);
	}
	fprintf(stderr, "use: clocks CPU CPU [wake|stalls], two different ones\n");
	return 2;
}
