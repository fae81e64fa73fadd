/* SPDX-License-Identifier: BSD-3-Clause */
/* How much memory the host can still give. */
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HUGE_PAGE (2ull << 20)

/* First number in a file, behind @key where given; UINT64_MAX: none, or "max". */
static uint64_t number_in(const char *path, const char *key)
{
	uint64_t v = UINT64_MAX;
	char line[128];
	FILE *f = fopen(path, "re");

	if (!f)
		return v;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, strlen(key)))
			continue;
		if (sscanf(line + strlen(key), "%" SCNu64, &v) != 1)
			v = UINT64_MAX;
		break;
	}
	fclose(f);
	return v;
}

static uint64_t cgroup_left(const char *limit_path, const char *used_path)
{
	uint64_t limit = number_in(limit_path, ""), used = number_in(used_path, "");

	if (limit == UINT64_MAX || used == UINT64_MAX)
		return UINT64_MAX;
	return limit > used ? limit - used : 0;
}

uint64_t mem_left(void)
{
	uint64_t kib = number_in("/proc/meminfo", "MemAvailable:"), left, cg;

	left = kib == UINT64_MAX ? kib : kib << 10;
	cg = cgroup_left("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current");
	left = cg < left ? cg : left;
	cg = cgroup_left("/sys/fs/cgroup/memory/memory.limit_in_bytes",
			 "/sys/fs/cgroup/memory/memory.usage_in_bytes");
	return cg < left ? cg : left;
}

uint64_t mem_huge_free(void)
{
	uint64_t nr = number_in("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "");

	return nr == UINT64_MAX ? 0 : nr * HUGE_PAGE;
}
