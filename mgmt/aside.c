/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/aside.h"

cpu_set_t aside_of(const cpu_set_t *may, const uint32_t *cpus, unsigned int n)
{
	cpu_set_t set = *may;

	for (unsigned int i = 0; i < n; i++)
		if (cpus[i] < CPU_SETSIZE)
			CPU_CLR(cpus[i], &set);
	return CPU_COUNT(&set) ? set : *may;
}

void aside_go(const cpu_set_t *may, const uint32_t *cpus, unsigned int n)
{
	const cpu_set_t set = aside_of(may, cpus, n);

	sched_setaffinity(0, sizeof(set), &set);
}
