/* SPDX-License-Identifier: BSD-3-Clause */
/* What valgrind is told: when instructions count, and for how many packets they were. Without valgrind, or without
 * its headers, cases run and nothing counts. */
#include "bench/count.h"

#include <gnu/libc-version.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define ALLOW_EXPERIMENTAL_API /* rte_vect_set_max_simd_bitwidth() */
#include <rte_vect.h>
#include <rte_version.h>

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

#define ROUNDS_WARM 100u /* caches, sections and lazily bound symbols have settled */
#define ROUNDS_FEW  64u
#define ROUNDS_MANY 320u

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

void count_or_run(int argc, char **argv, const struct count_ops *ops, const void *kinds, size_t nr,
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
			count_case(name, ops->count, (void *)(uintptr_t)k);
		else
			ops->run(k);
		ops->down(k);
	}
}
