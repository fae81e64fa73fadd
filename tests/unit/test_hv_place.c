/* SPDX-License-Identifier: BSD-3-Clause */
/* CPUs of a partition: a node narrows what is allowed, and never widens it. */
#include <criterion/criterion.h>

#include <errno.h>
#include <numa.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "hv/place.h"

static int first_cpu(void)
{
	cpu_set_t set;
	int i = 0;

	cr_assert_eq(sched_getaffinity(0, sizeof(set), &set), 0);
	while (!CPU_ISSET(i, &set))
		i++;
	return i;
}

static void only(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	cr_assert_eq(sched_setaffinity(0, sizeof(set), &set), 0);
}

/* Allows this thread one CPU; its number, as text too. */
static int allow_one(char *text, size_t size)
{
	int cpu = first_cpu();

	if (numa_available() < 0)
		cr_skip_test("no NUMA here");
	only(cpu);
	snprintf(text, size, "%d", cpu);
	return cpu;
}

static void expect_allowed(const char *text)
{
	char buf[256];

	cr_expect_str_eq(hv_place_text(buf, sizeof(buf)), text);
}

Test(hv_place, node_keeps_what_was_chosen_before)
{
	char text[16];
	int cpu = allow_one(text, sizeof(text));

	cr_expect_eq(hv_place(numa_node_of_cpu(cpu)), 0, "%s", err_text());
	expect_allowed(text);
	cr_expect_eq(hv_place(-1), 0);
	expect_allowed(text);
}

Test(hv_place, node_without_any_of_them_is_told_and_nothing_changes)
{
	char text[16];

	allow_one(text, sizeof(text));
	cr_expect_eq(hv_place(numa_max_possible_node()), -ENOENT);
	cr_expect(strstr(err_text(), "no CPU of NUMA node"), "%s", err_text());
	expect_allowed(text);
}

Test(hv_place, text_names_ranges_and_single_ones)
{
	char buf[256], *end;
	cpu_set_t set;
	long n;

	cr_assert_eq(sched_getaffinity(0, sizeof(set), &set), 0);
	n = CPU_COUNT(&set);
	hv_place_text(buf, sizeof(buf));
	/* Counted back from the text. */
	for (end = buf; *end;) {
		long from = strtol(end, &end, 10), to = from;

		if (*end == '-')
			to = strtol(end + 1, &end, 10);
		cr_assert_leq(from, to, "%s", buf);
		for (; from <= to; from++, n--)
			cr_expect(CPU_ISSET(from, &set), "%s", buf);
		end += *end == ',';
	}
	cr_expect_eq(n, 0, "%s", buf);
	cr_expect_str_eq(hv_place_text(buf, 1), "");
}
