/* SPDX-License-Identifier: BSD-3-Clause */
/* What valgrind is told: when instructions count, and for how many packets they were. Without valgrind, or without
 * its headers, cases run and nothing counts. */
#include "bench/count.h"

#include <gnu/libc-version.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ALLOW_EXPERIMENTAL_API /* rte_vect_set_max_simd_bitwidth() */
#include <rte_cycles.h>
#include <rte_vect.h>
#include <rte_version.h>

#include "bench/micro.h"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#define HAS_HEADERS true
#else
#define HAS_HEADERS false
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#define CALLGRIND_DUMP_STATS_AT(text) (void)(text)
#endif

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

#define SLICES	     21
#define ROUNDS_TIMED 2000u
#define ROUNDS_WARM  100u /* caches, sections and lazily bound symbols have settled */
#define ROUNDS_FEW   64u
#define ROUNDS_MANY  320u

uint64_t count_moment;

bool count_is_asked(int argc, char **argv)
{
	return argc > 1 && strcmp(argv[1], "count") == 0;
}

bool count_wants(int argc, char **argv, const char *name)
{
	int i;

	for (i = 2; i < argc; i++) {
		if (strcmp(argv[i], name) == 0)
			return true;
	}
	return argc <= 2;
}

/* What DPDK chooses by the CPU is to be the same on every one. */
void count_begin(void)
{
	rte_vect_set_max_simd_bitwidth(RTE_VECT_SIMD_128);
	printf("{\"made_with\":{\"compiler\":\"%s\",\"build\":\"%s\",\"dpdk\":\"%s\","
	       "\"libc\":\"glibc %s\"},\"counts\":%s}\n",
	       COMPILER, COUNT_BUILD, rte_version(), gnu_get_libc_version(),
	       HAS_HEADERS ? "true" : "false");
	fflush(stdout);
}

/* The text is how bench/insn.py finds the figures; they begin at 0 again behind it. */
static void dump(const char *name, uint64_t packets)
{
	char text[96];

	snprintf(text, sizeof(text), "%s %" PRIu64, name, packets);
	CALLGRIND_DUMP_STATS_AT(text);
}

void count_case(const char *name, count_fn fn, void *ctx)
{
	fn(ctx, ROUNDS_WARM);
	CALLGRIND_START_INSTRUMENTATION;
	dump(name, fn(ctx, ROUNDS_FEW));
	dump(name, fn(ctx, ROUNDS_MANY));
	CALLGRIND_STOP_INSTRUMENTATION;
}

/* ---- Programs whose cases have rounds -------------------------------------------------------- */

struct counted {
	const struct count_ops *ops;
	const void *kind;
};

static uint64_t counted_rounds(void *ctx, unsigned int nr)
{
	const struct counted *c = ctx;
	uint64_t spent = 0;

	return c->ops->rounds(c->kind, nr, &spent);
}

static void count_kind(const struct count_ops *ops, const void *kind, const char *name)
{
	struct counted c = {ops, kind};

	count_moment = rte_rdtsc();
	count_case(name, counted_rounds, &c);
	count_moment = 0;
}

static double slice(const struct count_ops *ops, const void *kind)
{
	uint64_t spent = 0, n = ops->rounds(kind, ROUNDS_TIMED, &spent);

	return (double)spent / (double)n;
}

static void time_kind(const struct count_ops *ops, const void *kind)
{
	double t[SLICES];
	unsigned int i;

	slice(ops, kind);
	for (i = 0; i < SLICES; i++)
		t[i] = slice(ops, kind);
	micro_sort(t, SLICES);
	ops->say(kind, t[0], t[SLICES / 2]);
	fflush(stdout);
}

void count_or_time(int argc, char **argv, const struct count_ops *ops, const void *kinds, size_t nr,
		   size_t size)
{
	const bool counts = count_is_asked(argc, argv);
	const char *const end = (const char *)kinds + nr * size, *k;

	if (counts)
		count_begin();
	for (k = kinds; k < end; k += size) {
		const char *name = *(const char *const *)k;

		if (counts ? !count_wants(argc, argv, name)
			   : argc > 1 && strcmp(argv[1], name) != 0)
			continue;
		ops->up(k);
		if (counts)
			count_kind(ops, k, name);
		else
			time_kind(ops, k);
		ops->down(k);
	}
}
