/* SPDX-License-Identifier: BSD-3-Clause */
/* CPUs of a partition. */
#include "hv/place.h"

#include <errno.h>
#include <numa.h>
#include <sched.h>
#include <stdio.h>

#include "base/err.h"

/* Those of @set that lie on @node. */
static void keep_node(cpu_set_t *set, int node)
{
	struct bitmask *m = numa_allocate_cpumask();
	unsigned int i;

	if (numa_node_to_cpus(node, m))
		numa_bitmask_clearall(m);
	for (i = 0; i < CPU_SETSIZE; i++) {
		if (i >= m->size || !numa_bitmask_isbitset(m, i))
			CPU_CLR(i, set);
	}
	numa_free_cpumask(m);
}

int hv_place(int node)
{
	cpu_set_t set;
	char text[128];

	if (node < 0 || numa_available() < 0)
		return 0;
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return err_sys(-errno, "sched_getaffinity");
	keep_node(&set, node);
	if (!CPU_COUNT(&set))
		return err_set(-ENOENT, "no CPU of NUMA node %d is among those that it may use: %s",
			       node, hv_place_text(text, sizeof(text)));
	return sched_setaffinity(0, sizeof(set), &set) ? err_sys(-errno, "sched_setaffinity") : 0;
}

const char *hv_place_text(char *buf, size_t size)
{
	unsigned int i, end;
	cpu_set_t set;
	size_t at = 0;

	buf[0] = '\0';
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return buf;
	for (i = 0; i < CPU_SETSIZE && at < size; i = end + 1) {
		for (end = i; end < CPU_SETSIZE && CPU_ISSET(end, &set); end++)
			;
		if (end > i + 1)
			at += (size_t)snprintf(buf + at, size - at, "%s%u-%u", at ? "," : "", i,
					       end - 1);
		else if (end > i)
			at += (size_t)snprintf(buf + at, size - at, "%s%u", at ? "," : "", i);
	}
	return buf;
}
