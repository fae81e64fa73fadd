/* SPDX-License-Identifier: BSD-3-Clause */
/* Maps in the address space of DPDK's devices. Not by rte_vfio_container_dma_map(), which remembers 256 at most; and
 * of rte_vfio_get_container_fd() a process that is DPDK's first gets a new container, not the one its devices
 * are in (up to 23.11 at least). */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "base/err.h"
#include "vmq/direct.h"

#define CONTAINER "/dev/vfio/vfio"

/* A container has an IOMMU from its first group on. */
static bool has_iommu(int fd)
{
	struct vfio_iommu_type1_info info = {.argsz = sizeof(info)};

	return ioctl(fd, VFIO_IOMMU_GET_INFO, &info) == 0;
}

static bool is_container(int dir_fd, const char *name)
{
	char to[sizeof(CONTAINER)];
	ssize_t n = readlinkat(dir_fd, name, to, sizeof(to));

	return n == (ssize_t)strlen(CONTAINER) && !memcmp(to, CONTAINER, (size_t)n) &&
	       has_iommu(atoi(name));
}

int vmq_vfio_container(int *fd)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	int nr = 0;

	if (!dir)
		return err_sys(-errno, "/proc/self/fd");
	while ((e = readdir(dir))) {
		if (!is_container(dirfd(dir), e->d_name))
			continue;
		*fd = atoi(e->d_name);
		nr++;
	}
	closedir(dir);
	if (nr == 1)
		return 0;
	return err_set(-ENODEV, nr ? "devices are in several VFIO containers"
				   : "no device is used by VFIO with an IOMMU");
}

static int vfio_map(void *ctx, uint64_t iova, void *at, uint64_t len)
{
	struct vfio_iommu_type1_dma_map m = {
		.argsz = sizeof(m),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)at,
		.iova = iova,
		.size = len,
	};

	if (ioctl(*(const int *)ctx, VFIO_IOMMU_MAP_DMA, &m))
		return err_sys(-errno, "VFIO: %llu bytes at 0x%llx", (unsigned long long)len,
			       (unsigned long long)iova);
	return 0;
}

/* The kernel says how much there was: less means that something of it was another map, and is still there. */
static int vfio_unmap(void *ctx, uint64_t iova, uint64_t len)
{
	struct vfio_iommu_type1_dma_unmap u = {.argsz = sizeof(u), .iova = iova, .size = len};

	if (ioctl(*(const int *)ctx, VFIO_IOMMU_UNMAP_DMA, &u))
		return err_sys(-errno, "VFIO: unmap of %llu bytes at 0x%llx",
			       (unsigned long long)len, (unsigned long long)iova);
	if (u.size != len)
		return err_set(-EIO, "VFIO: of %llu bytes at 0x%llx %llu were unmapped",
			       (unsigned long long)len, (unsigned long long)iova,
			       (unsigned long long)u.size);
	return 0;
}

const struct vmq_iova_ops vmq_iova_vfio = {vfio_map, vfio_unmap};
