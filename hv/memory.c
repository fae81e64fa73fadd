/* SPDX-License-Identifier: BSD-3-Clause */
/* Guest memory: a small region for the boot pages, and the RAM proper in 2 MiB pages where there
 * are some, placed on the wanted NUMA node, all of it allocated before the guest runs. */
#include <errno.h>
#include <inttypes.h>
#include <numa.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "hv/priv.h"

#define HUGE_PAGE (2ull << 20)
#define MEM_MIN	  (4ull << 20)
#define MEM_MAX	  (1ull << 40)
#define MEM_SPARE (64ull << 20) /* left to the host when small pages are taken */

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

/* Allocating more shared memory than there is does not fail: it wakes the OOM killer, and that
 * hits others. So look first: the machine, and the container's limit in either version. */
static uint64_t memory_left(void)
{
	uint64_t kib = number_in("/proc/meminfo", "MemAvailable:"), left, cg;

	left = kib == UINT64_MAX ? kib : kib << 10;
	cg = cgroup_left("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current");
	left = cg < left ? cg : left;
	cg = cgroup_left("/sys/fs/cgroup/memory/memory.limit_in_bytes",
			 "/sys/fs/cgroup/memory/memory.usage_in_bytes");
	return cg < left ? cg : left;
}

static bool has_huge_pages(uint64_t len)
{
	uint64_t nr = number_in("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "");

	return nr != UINT64_MAX && nr >= len / HUGE_PAGE;
}

static int memory_check(const struct hv_partition *p, const struct hv_cfg *cfg)
{
	uint64_t left = memory_left();

	if (!(cfg->flags & HV_CFG_NO_HUGE) && has_huge_pages(cfg->mem_bytes))
		return 0;
	if (cfg->mem_bytes <= left && left - cfg->mem_bytes >= MEM_SPARE)
		return 0;
	return err_set(-ENOMEM,
		       "%s: %llu MiB of memory wanted, %llu MiB are free here and %llu must stay "
		       "free: give the partition less, or free some (container limits count, too)",
		       p->name, (unsigned long long)(cfg->mem_bytes >> 20),
		       (unsigned long long)(left >> 20), MEM_SPARE >> 20);
}

/* Pages are allocated under the policy of the allocating thread: prefer the node, then go back. */
static int memfd_on_node(const char *name, uint64_t len, enum fd_huge huge, int node, int *is_huge)
{
	int fd;

	if (node >= 0)
		numa_set_preferred(node);
	fd = fd_memfd(name, len, huge, is_huge);
	if (node >= 0)
		numa_set_localalloc();
	return fd;
}

static int region_add(struct hv_partition *p, uint64_t at, uint64_t len, enum fd_huge huge,
		      int node)
{
	struct hv_region *r = &p->region[p->nr_regions];
	char name[80];
	int rc;

	snprintf(name, sizeof(name), "nethv-%s-%u", p->name, p->nr_regions);
	r->gpa = at;
	r->len = len;
	r->fd = memfd_on_node(name, len, huge, node, &r->is_huge);
	if (r->fd < 0)
		return r->fd;
	p->nr_regions++;
	rc = fd_map(r->fd, 0, len, &r->hva);
	if (rc) {
		r->hva = NULL;
		return rc;
	}
	/* A hint: does nothing where transparent huge pages for shared memory are off. */
	if (!r->is_huge)
		madvise(r->hva, len, MADV_HUGEPAGE);
	return gmem_add(&p->gm, gpa(at), len, r->hva);
}

static int cfg_check(const struct hv_cfg *cfg)
{
	if (cfg->mem_bytes % HUGE_PAGE || cfg->mem_bytes < MEM_MIN || cfg->mem_bytes > MEM_MAX)
		return err_set(-EINVAL,
			       "memory of %llu bytes: want a multiple of 2 MiB, from 4 MiB "
			       "to 1 TiB",
			       (unsigned long long)cfg->mem_bytes);
	if (cfg->numa_node >= 0 && (numa_available() < 0 || cfg->numa_node > numa_max_node()))
		return err_set(-EINVAL, "NUMA node %d: this machine has nodes 0 to %d",
			       cfg->numa_node, numa_available() < 0 ? 0 : numa_max_node());
	return 0;
}

int hv_memory_create(struct hv_partition *p, const struct hv_cfg *cfg)
{
	bool want_huge = !(cfg->flags & HV_CFG_NO_HUGE);
	int rc;

	rc = cfg_check(cfg);
	if (!rc)
		rc = memory_check(p, cfg);
	if (rc)
		return rc;
	rc = region_add(p, NETHV_RAM_BASE, NETHV_IMAGE_BASE - NETHV_RAM_BASE, FD_HUGE_NO,
			cfg->numa_node);
	if (!rc)
		rc = region_add(p, NETHV_IMAGE_BASE, cfg->mem_bytes,
				want_huge ? FD_HUGE_TRY : FD_HUGE_NO, cfg->numa_node);
	if (rc == -ENOMEM || rc == -ENOSPC)
		return err_set(-ENOMEM,
			       "%s: %llu MiB of memory cannot be had: give the partition less, or "
			       "free some (container and tmpfs limits count, too)",
			       p->name, (unsigned long long)(cfg->mem_bytes >> 20));
	if (!rc && want_huge && !p->region[1].is_huge)
		log_warn(p->name,
			 "no free 2 MiB pages for %llu MiB of guest memory, using small pages: "
			 "slower (vm.nr_hugepages=%llu would do)",
			 (unsigned long long)(cfg->mem_bytes >> 20),
			 (unsigned long long)(cfg->mem_bytes / HUGE_PAGE));
	return rc;
}

void hv_memory_destroy(struct hv_partition *p)
{
	unsigned int i;

	for (i = 0; i < p->nr_regions; i++) {
		if (p->region[i].hva)
			munmap(p->region[i].hva, p->region[i].len);
		fd_close(&p->region[i].fd);
	}
	p->nr_regions = 0;
}
