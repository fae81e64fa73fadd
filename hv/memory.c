/* SPDX-License-Identifier: BSD-3-Clause */
/* Guest memory, placed on the wanted NUMA node, in 2 MiB pages where there are some, all of it
 * allocated before the guest runs. Our image: a small region for the boot pages, and the RAM proper.
 * Linux: RAM as a PC has it, below and above the hole for devices. */
#include <errno.h>
#include <numa.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "hv/linux/layout.h"
#include "hv/priv.h"

#define HUGE_PAGE (2ull << 20)
#define MEM_MIN	  (4ull << 20)
#define MEM_MAX	  (1ull << 40)
#define MEM_SPARE (64ull << 20) /* left to the host when small pages are taken */

static int memory_check(const struct hv_partition *p, const struct hv_cfg *cfg)
{
	uint64_t left = mem_left();

	if (!(cfg->flags & HV_CFG_NO_HUGE) && mem_huge_free() >= cfg->mem_bytes)
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

static int image_regions(struct hv_partition *p, const struct hv_cfg *cfg, enum fd_huge huge)
{
	int rc = region_add(p, NETHV_RAM_BASE, NETHV_IMAGE_BASE - NETHV_RAM_BASE, FD_HUGE_NO,
			    cfg->numa_node);

	return rc ? rc : region_add(p, NETHV_IMAGE_BASE, cfg->mem_bytes, huge, cfg->numa_node);
}

static int linux_regions(struct hv_partition *p, const struct hv_cfg *cfg, enum fd_huge huge)
{
	uint64_t low = hv_linux_low_end(cfg->mem_bytes);
	int rc = region_add(p, 0, low, huge, cfg->numa_node);

	if (rc || low == cfg->mem_bytes)
		return rc;
	return region_add(p, HV_PC_HIGH_RAM, cfg->mem_bytes - low, huge, cfg->numa_node);
}

int hv_memory_create(struct hv_partition *p, const struct hv_cfg *cfg)
{
	enum fd_huge huge = cfg->flags & HV_CFG_NO_HUGE ? FD_HUGE_NO : FD_HUGE_TRY;
	int rc;

	rc = cfg_check(cfg);
	if (!rc)
		rc = memory_check(p, cfg);
	if (rc)
		return rc;
	rc = (p->is_linux ? linux_regions : image_regions)(p, cfg, huge);
	if (rc == -ENOMEM || rc == -ENOSPC)
		return err_set(-ENOMEM,
			       "%s: %llu MiB of memory cannot be had: give the partition less, or "
			       "free some (container and tmpfs limits count, too)",
			       p->name, (unsigned long long)(cfg->mem_bytes >> 20));
	if (!rc && huge == FD_HUGE_TRY && !p->region[p->nr_regions - 1].is_huge)
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
