/* SPDX-License-Identifier: BSD-3-Clause */
/* How fast the two processors that a benchmark uses are right now, and how far from each other:
 *
 *	clocks CPU CPU
 *
 * One line of JSON: TSC cycles for an addition that waits for the one before (1.0 at the TSC's own clock; less when the
 * core runs faster) on each, and nanoseconds for a cache line to go from one to the other (half of a round trip of
 * compare-and-swap). Best of some slices: what another machine's load took away is not the processor's speed; "worst"
 * tells of that. */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <x86intrin.h>

#define SLICES 11
#define ADDS   2000000u
#define TURNS  20000u
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

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set)) {
		fprintf(stderr, "clocks: there is no CPU %d for us\n", cpu);
		exit(1);
	}
}

static double now_ns(void)
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

	run_on(cpu);
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

	run_on(p->cpu);
	__atomic_add_fetch(&nr_ready, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&nr_ready, __ATOMIC_SEQ_CST) < 2)
		;
	for (slice = 0; slice < SLICES; slice++) {
		begun = now_ns();
		for (i = 0; i < TURNS; i++) {
			do
				want = p->from;
			while (!__atomic_compare_exchange_n(&ball, &want, p->to, 0,
							    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
		}
		t = (now_ns() - begun) / TURNS / 2;
		best = t < best ? t : best;
	}
	p->from = (uint32_t)(best * 1000);
	return NULL;
}

int main(int argc, char **argv)
{
	int a = argc == 3 ? atoi(argv[1]) : -1, b = argc == 3 ? atoi(argv[2]) : -1;
	struct player one = {a, 0, 1}, two = {b, 1, 0};
	double add_a, add_b, worst = 0;
	pthread_t t;

	if (a < 0 || b < 0 || a == b) {
		fprintf(stderr, "use: clocks CPU CPU, two different ones\n");
		return 2;
	}
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
