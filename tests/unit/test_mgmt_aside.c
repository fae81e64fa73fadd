/* SPDX-License-Identifier: BSD-3-Clause */
#include <pthread.h>

#include <criterion/criterion.h>

#include "mgmt/aside.h"

static cpu_set_t set_of(uint64_t mask)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int i = 0; i < 64; i++)
		if (mask >> i & 1)
			CPU_SET(i, &set);
	return set;
}

static void expect_aside(uint64_t may, const uint32_t *cpus, unsigned int n, uint64_t want)
{
	const cpu_set_t m = set_of(may), w = set_of(want), got = aside_of(&m, cpus, n);

	cr_expect(CPU_EQUAL(&got, &w), "of %#lx without %u CPUs", may, n);
}

Test(mgmt_aside, the_lcores_cpus_are_left_out)
{
	expect_aside(0x3, (const uint32_t[]){1}, 1, 0x1);
	expect_aside(0xFF, (const uint32_t[]){0, 7, 3}, 3, 0x76);
	expect_aside(0xFF, NULL, 0, 0xFF);
}

Test(mgmt_aside, cpus_that_are_not_ours_change_nothing)
{
	expect_aside(0x6, (const uint32_t[]){0, 5, 1u << 20}, 3, 0x6);
}

Test(mgmt_aside, where_nothing_else_is_left_all_stay)
{
	expect_aside(0x1, (const uint32_t[]){0}, 1, 0x1);
	expect_aside(0x6, (const uint32_t[]){1, 2}, 2, 0x6);
}

static void *go(void *arg)
{
	cpu_set_t may, got;
	uint32_t last = 0;

	cr_assert_eq(sched_getaffinity(0, sizeof(may), &may), 0);
	for (uint32_t i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &may))
			last = i;
	aside_go(&may, &last, 1);
	cr_assert_eq(sched_getaffinity(0, sizeof(got), &got), 0);
	cr_expect_eq(CPU_ISSET(last, &got) != 0, CPU_COUNT(&may) == 1);
	aside_go(&may, NULL, 0);
	cr_assert_eq(sched_getaffinity(0, sizeof(got), &got), 0);
	cr_expect(CPU_EQUAL(&may, &got), "back where it was");
	return arg;
}

Test(mgmt_aside, a_thread_goes_and_comes_back)
{
	pthread_t t;

	cr_assert_eq(pthread_create(&t, NULL, go, NULL), 0);
	cr_assert_eq(pthread_join(t, NULL), 0);
}
