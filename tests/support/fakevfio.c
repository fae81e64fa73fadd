/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/fakevfio.h"

#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>

#include "iommu/iommufd_abi.h"
#include "tests/support/fakesys.h"

enum { FD_CONTAINER = 100, FD_IOMMUFD = 101, FD_GROUP = 200, FD_DEV = 400, FD_EVENT = 500 };

#define REGION_OFF(i) ((uint64_t)(i) << 40)

static int broken(struct fakevfio *k, const char *how)
{
	if (!k->is_broken)
		snprintf(k->how, sizeof(k->how), "%s", how);
	k->is_broken = true;
	return -EINVAL;
}

/* One more call; 0 or the failure that is due. */
static int call(struct fakevfio *k)
{
	return ++k->nr_calls == k->fail_at ? k->fail_rc : 0;
}

static int new_fd(struct fakevfio *k, int fd)
{
	while (k->fd[fd])
		fd++;
	k->fd[fd] = true;
	k->nr_open++;
	return fd;
}

static bool ends(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);

	return n >= m && !strcmp(path + n - m, end);
}

static int fake_open(void *sys, const char *path)
{
	struct fakevfio *k = sys;
	int rc = call(k);

	if (rc)
		return rc;
	if (k->fail_open && ends(path, k->fail_open))
		return k->fail_rc;
	if (ends(path, "/dev/vfio/vfio"))
		return new_fd(k, FD_CONTAINER);
	if (ends(path, "/dev/iommu"))
		return new_fd(k, FD_IOMMUFD);
	if (ends(path, "/dev/vfio/11"))
		return k->fd[FD_GROUP] ? -EBUSY : new_fd(k, FD_GROUP);
	if (ends(path, "/dev/vfio/devices/vfio3"))
		return k->fd[FD_DEV] ? broken(k, "device opened twice") : new_fd(k, FD_DEV);
	if (ends(path, "/dev/vfio/devices/vfio4"))
		return k->fd[FD_DEV + 1] ? broken(k, "device opened twice") : new_fd(k, FD_DEV + 1);
	return -ENOENT;
}

static void fake_close(void *sys, int fd)
{
	struct fakevfio *k = sys;

	if (fd < 0 || fd >= 1024 || !k->fd[fd]) {
		broken(k, "closed what is not open");
		return;
	}
	k->fd[fd] = false;
	k->nr_open--;
	if (fd == FD_GROUP && (k->fd[FD_DEV] || k->fd[FD_DEV + 1]))
		broken(k, "group closed before its devices");
	if (fd == FD_CONTAINER) {
		k->nr_maps = 0;
		k->has_iommu = false;
	}
	if (fd == FD_IOMMUFD) {
		k->nr_maps = 0;
		k->has_ioas = false;
	}
	if (fd == FD_DEV || fd == FD_DEV + 1) {
		k->is_bound[fd - FD_DEV] = false;
		k->is_attached[fd - FD_DEV] = false;
		memset(k->nr_irq, 0, sizeof(k->nr_irq));
	}
}

static int add_map(struct fakevfio *k, uint64_t iova, void *hva, uint64_t len, bool is_writable)
{
	bool is_in = k->nr_ranges == 0;
	uint64_t sum = len;

	k->nr_map_calls++;
	for (unsigned int i = 0; i < k->nr_ranges; i++)
		is_in |= iova >= k->range[i].first && iova + len - 1 <= k->range[i].last;
	if (!is_in || (iova | len | (uintptr_t)hva) % 4096)
		return broken(k, "mapped outside of the ranges, or no pages");
	for (unsigned int i = 0; i < k->nr_maps; i++) {
		sum += k->map[i].len;
		if (iova < k->map[i].iova + k->map[i].len && k->map[i].iova < iova + len)
			return broken(k, "mapped twice");
	}
	if (k->nr_maps == k->maps_max)
		return -ENOSPC;
	if (k->taken && sum > k->memlock)
		return -ENOMEM;
	k->map[k->nr_maps].iova = iova;
	k->map[k->nr_maps].len = len;
	k->map[k->nr_maps].hva = hva;
	k->map[k->nr_maps++].is_writable = is_writable;
	return 0;
}

static uint64_t del_map(struct fakevfio *k, uint64_t iova, uint64_t len)
{
	for (unsigned int i = 0; i < k->nr_maps; i++)
		if (k->map[i].iova == iova && k->map[i].len == len) {
			k->map[i] = k->map[--k->nr_maps];
			return len;
		}
	return 0;
}

static int container_info(struct fakevfio *k, struct vfio_iommu_type1_info *info)
{
	struct vfio_iommu_type1_info_cap_iova_range cap = {
		.header = {.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, .version = 1},
		.nr_iovas = k->nr_ranges,
	};
	struct vfio_info_cap_header other = {.id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, .next = 40};
	uint32_t room = info->argsz;
	uint8_t *at = (uint8_t *)info;

	info->flags = VFIO_IOMMU_INFO_PGSIZES | (k->nr_ranges ? VFIO_IOMMU_INFO_CAPS : 0u);
	info->iova_pgsizes = 4096 | 2u << 20;
	info->cap_offset = k->nr_ranges ? 24 : 0;
	info->argsz = (uint32_t)(40 + sizeof(cap) + k->nr_ranges * sizeof(struct vfio_iova_range));
	if (room < info->argsz)
		return broken(k, "too little room for what the IOMMU has to say");
	memcpy(at + 24, &other, sizeof(other));
	memcpy(at + 40, &cap, sizeof(cap));
	memcpy(at + 40 + sizeof(cap), k->range, k->nr_ranges * sizeof(struct vfio_iova_range));
	return 0;
}

static int container_ioctl(struct fakevfio *k, unsigned long request, void *arg)
{
	struct vfio_iommu_type1_dma_map *m = arg;
	struct vfio_iommu_type1_dma_unmap *u = arg;

	switch (request) {
	case VFIO_GET_API_VERSION: return VFIO_API_VERSION;
	case VFIO_CHECK_EXTENSION: return (uintptr_t)arg == VFIO_TYPE1v2_IOMMU;
	case VFIO_SET_IOMMU:
		if (!k->nr_groups_in || k->has_iommu)
			return broken(k, "IOMMU set without a group, or twice");
		k->has_iommu = true;
		return 0;
	default: break;
	}
	if (!k->has_iommu)
		return broken(k, "container used before it has an IOMMU");
	switch (request) {
	case VFIO_IOMMU_GET_INFO: return container_info(k, arg);
	case VFIO_IOMMU_MAP_DMA:
		return add_map(k, m->iova, (void *)(uintptr_t)m->vaddr, m->size,
			       m->flags & VFIO_DMA_MAP_FLAG_WRITE);
	case VFIO_IOMMU_UNMAP_DMA: u->size = del_map(k, u->iova, u->size); return 0;
	default: return broken(k, "unknown request to the container");
	}
}

static int group_ioctl(struct fakevfio *k, unsigned long request, void *arg)
{
	struct vfio_group_status *st = arg;

	switch (request) {
	case VFIO_GROUP_GET_STATUS:
		st->flags = (k->is_viable ? VFIO_GROUP_FLAGS_VIABLE : 0u) |
			    (k->is_in_other_container ? VFIO_GROUP_FLAGS_CONTAINER_SET : 0u);
		return 0;
	case VFIO_GROUP_SET_CONTAINER:
		if (*(int *)arg != FD_CONTAINER || !k->fd[FD_CONTAINER])
			return broken(k, "no container");
		k->nr_groups_in++;
		return 0;
	case VFIO_GROUP_UNSET_CONTAINER:
		if (k->fd[FD_DEV] || k->fd[FD_DEV + 1])
			return broken(k, "container taken from under a device");
		if (!k->nr_groups_in)
			return -EINVAL;
		k->nr_groups_in--;
		k->has_iommu = false; /* and with it, all mappings */
		k->nr_maps = 0;
		return 0;
	case VFIO_GROUP_GET_DEVICE_FD:
		if (!k->has_iommu)
			return broken(k, "device before IOMMU");
		return new_fd(k, FD_DEV + (((const char *)arg)[11] == '1'));
	default: return broken(k, "unknown request to the group");
	}
}

static int iommufd_ioctl(struct fakevfio *k, unsigned long request, void *arg)
{
	struct ifd_ioas_alloc *a = arg;
	struct ifd_ioas_iova_ranges *r = arg;
	struct ifd_ioas_map *m = arg;
	struct ifd_ioas_unmap *u = arg;

	if (request == IFD_IOAS_ALLOC) {
		if (a->size != 12 || a->flags || k->has_ioas)
			return broken(k, "IOAS_ALLOC");
		k->has_ioas = true;
		a->out_ioas_id = 77;
		return 0;
	}
	if (!k->has_ioas)
		return broken(k, "no address space");
	switch (request) {
	case IFD_IOAS_IOVA_RANGES:
		if (r->size != 32 || r->ioas_id != 77 || r->reserved || r->nr < k->nr_ranges)
			return broken(k, "IOVA_RANGES");
		memcpy((void *)(uintptr_t)r->ranges, k->range, k->nr_ranges * sizeof(k->range[0]));
		r->nr = k->nr_ranges;
		return 0;
	case IFD_IOAS_MAP:
		if (m->size != 40 || m->ioas_id != 77 || m->reserved || !(m->flags & 1))
			return broken(k, "IOAS_MAP");
		return add_map(k, m->iova, (void *)(uintptr_t)m->user_va, m->length, m->flags & 2);
	case IFD_IOAS_UNMAP:
		u->length = del_map(k, u->iova, u->length);
		return u->length ? 0 : -ENOENT;
	default: return broken(k, "unknown request to iommufd");
	}
}

static int region_caps(struct fakevfio *k, struct vfio_region_info *info)
{
	struct vfio_region_info_cap_sparse_mmap cap = {
		.header = {.id = VFIO_REGION_INFO_CAP_SPARSE_MMAP, .version = 1},
		.nr_areas = k->has_many_areas ? 1000 : 2,
	};
	struct vfio_region_sparse_mmap_area area[2] = {{0, 0x2000}, {0x4000, 0x1000}};
	struct vfio_info_cap_header msix = {.id = VFIO_REGION_INFO_CAP_MSIX_MAPPABLE};
	uint8_t *at = (uint8_t *)info;
	uint32_t off = sizeof(*info);

	info->flags |= VFIO_REGION_INFO_FLAG_CAPS;
	if (k->has_cut_caps) { /* as if there were more than fit */
		info->argsz = 1u << 20;
		return 0;
	}
	info->cap_offset = off;
	if (k->has_msix_mappable) {
		msix.next = k->has_sparse ? off + 16 : 0;
		memcpy(at + off, &msix, sizeof(msix));
		off += 16;
	}
	if (k->has_sparse) {
		memcpy(at + off, &cap, sizeof(cap));
		memcpy(at + off + sizeof(cap), area, sizeof(area));
		off += sizeof(cap) + sizeof(area);
	}
	info->argsz = off;
	return 0;
}

static int region_info(struct fakevfio *k, struct vfio_region_info *info)
{
	if (info->index == VFIO_PCI_VGA_REGION_INDEX)
		return -EINVAL;
	info->offset = REGION_OFF(info->index);
	if (info->index == VFIO_PCI_CONFIG_REGION_INDEX) {
		info->size = k->config_size;
		info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	} else if (info->index == 0 || info->index == 3) {
		info->size = 0x8000;
		info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE |
			      VFIO_REGION_INFO_FLAG_MMAP;
		if (info->index == 3 && (k->has_sparse || k->has_msix_mappable || k->has_cut_caps))
			return region_caps(k, info);
	}
	return 0;
}

static int set_irqs(struct fakevfio *k, struct vfio_irq_set *s)
{
	if (s->index >= VFIO_IRQ_COUNT || s->count > VFIO_VECTORS_MAX)
		return broken(k, "SET_IRQS");
	if (s->flags & VFIO_IRQ_SET_DATA_NONE) {
		k->nr_irq[s->index] = 0;
		return 0;
	}
	if (s->argsz != sizeof(*s) + 4 * s->count)
		return broken(k, "SET_IRQS: size");
	if (k->nr_irq[s->index])
		return broken(k, "SET_IRQS: on already");
	if (s->count > 1 && k->irqs_answer)
		return k->irqs_answer;
	k->nr_irq[s->index] = s->count;
	memcpy(k->irq_fd[s->index], s->data, 4 * s->count);
	return 0;
}

static int dev_ioctl(struct fakevfio *k, int dev, unsigned long request, void *arg)
{
	struct vfio_device_info *info = arg;
	struct vfio_irq_info *irq = arg;
	struct ifd_vfio_bind *bind = arg;
	struct ifd_vfio_attach *attach = arg;

	switch (request) {
	case IFD_VFIO_BIND_IOMMUFD:
		if (bind->argsz != 16 || bind->iommufd != FD_IOMMUFD || k->is_bound[dev])
			return broken(k, "BIND");
		k->is_bound[dev] = true;
		return 0;
	case IFD_VFIO_ATTACH_PT:
		if (attach->argsz != 12 || attach->pt_id != 77 || !k->is_bound[dev])
			return broken(k, "ATTACH");
		k->is_attached[dev] = true;
		return 0;
	case IFD_VFIO_DETACH_PT:
		if (!k->is_attached[dev])
			return broken(k, "DETACH");
		k->is_attached[dev] = false;
		return 0;
	case VFIO_DEVICE_GET_INFO:
		info->flags = VFIO_DEVICE_FLAGS_PCI | (k->can_reset ? VFIO_DEVICE_FLAGS_RESET : 0u);
		info->num_regions = VFIO_PCI_NUM_REGIONS;
		info->num_irqs = VFIO_PCI_NUM_IRQS;
		return 0;
	case VFIO_DEVICE_GET_REGION_INFO: return region_info(k, arg);
	case VFIO_DEVICE_GET_IRQ_INFO:
		irq->flags = VFIO_IRQ_INFO_EVENTFD;
		irq->count = irq->index == VFIO_PCI_MSIX_IRQ_INDEX ? k->nr_msix : irq->index > 2;
		return 0;
	case VFIO_DEVICE_SET_IRQS: return set_irqs(k, arg);
	case VFIO_DEVICE_RESET:
		if (k->config[4] & 4)
			return broken(k, "reset of a device that still does DMA");
		k->nr_resets++;
		return 0;
	default: return broken(k, "unknown request to the device");
	}
}

static int fake_ioctl(void *sys, int fd, unsigned long request, void *arg)
{
	struct fakevfio *k = sys;
	int rc = call(k);

	if (rc)
		return rc;
	if (fd < 0 || fd >= 1024 || !k->fd[fd])
		return broken(k, "request to what is not open");
	if (k->fail_request == request) {
		if (!k->fail_skip)
			return k->fail_rc;
		k->fail_skip--;
	}
	if (fd == FD_CONTAINER)
		return container_ioctl(k, request, arg);
	if (fd == FD_IOMMUFD)
		return iommufd_ioctl(k, request, arg);
	if (fd == FD_GROUP)
		return group_ioctl(k, request, arg);
	return dev_ioctl(k, fd - FD_DEV, request, arg);
}

static int fake_mmap(void *sys, int fd, uint64_t off, uint64_t len, enum vfio_access access,
		     void **out)
{
	struct fakevfio *k = sys;
	int rc = call(k);

	if (rc)
		return rc;
	k->nr_mmaps++;
	k->last_mmap = off;
	*out = k->config;
	return 0;
}

static void fake_munmap(void *sys, void *at, uint64_t len)
{
	struct fakevfio *k = sys;

	k->nr_mmaps--;
}

static ptrdiff_t access_config(struct fakevfio *k, uint64_t off, size_t len)
{
	int rc = call(k);

	if (rc)
		return rc;
	off -= REGION_OFF(VFIO_PCI_CONFIG_REGION_INDEX);
	return off < sizeof(k->config) && len <= sizeof(k->config) - off ? (ptrdiff_t)len : 0;
}

static ptrdiff_t fake_pread(void *sys, int fd, void *buf, size_t len, uint64_t off)
{
	struct fakevfio *k = sys;
	ptrdiff_t n = access_config(k, off, len);

	if (n > 0)
		memcpy(buf, k->config + (off & 0xff), len);
	return n;
}

static ptrdiff_t fake_pwrite(void *sys, int fd, const void *buf, size_t len, uint64_t off)
{
	struct fakevfio *k = sys;
	ptrdiff_t n = access_config(k, off, len);

	if (n > 0)
		memcpy(k->config + (off & 0xff), buf, len);
	return n;
}

static int fake_eventfd(void *sys)
{
	struct fakevfio *k = sys;
	int rc = call(k);

	return rc ? rc : new_fd(k, FD_EVENT);
}

static int fake_memlock(void *sys, uint64_t want, uint64_t *have)
{
	struct fakevfio *k = sys;

	if (k->memlock < want)
		k->memlock = k->memlock_max < want ? k->memlock_max : want;
	*have = k->memlock;
	return k->memlock < want ? -EPERM : 0;
}

static void fake_nap(void *sys, unsigned int ms)
{
	struct fakevfio *k = sys;

	k->nr_naps++;
}

static uint64_t fake_now_ns(void *sys)
{
	struct fakevfio *k = sys;

	return 1000u * k->nr_calls;
}

const struct vfio_ops fakevfio_ops = {
	.open = fake_open,
	.close = fake_close,
	.ioctl = fake_ioctl,
	.mmap = fake_mmap,
	.munmap = fake_munmap,
	.pread = fake_pread,
	.pwrite = fake_pwrite,
	.eventfd = fake_eventfd,
	.memlock = fake_memlock,
	.nap = fake_nap,
	.now_ns = fake_now_ns,
};

void fakevfio_init(struct fakevfio *k)
{
	*k = (struct fakevfio){
		.is_viable = true,
		.memlock = 8u << 20,
		.memlock_max = UINT64_MAX,
		.maps_max = FAKEVFIO_MAPS,
		.range = {{0, 0xfedfffff}, {0xfef00000, (1ull << 39) - 1}},
		.nr_ranges = 2,
		.config_size = 256,
		.can_reset = true,
		.nr_msix = 10,
	};
	k->config[4] = 2; /* memory on */
}

void fakevfio_files(bool is_cdev)
{
	static const char *const vf[] = {"0000:01:10.0", "0000:01:10.1"};
	char path[200];

	fakesys_dev(&(struct fakesys_dev){.bdf = vf[1],
					  .above = "0000:00:01.0",
					  .group = 11,
					  .unit = "dmar0",
					  .pf = "0000:01:00.0"});
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "sys/devices/pci0000:00/0000:00:01.0/%s/driver",
			 vf[i]);
		fakesys_link(path, "../../../../bus/pci/drivers/vfio-pci");
		if (!is_cdev)
			continue;
		snprintf(path, sizeof(path),
			 "sys/devices/pci0000:00/0000:00:01.0/%s/vfio-dev/vfio%d/dev", vf[i],
			 3 + i);
		fakesys_put(path, "511:0\n");
		snprintf(path, sizeof(path), "dev/vfio/devices/vfio%d", 3 + i);
		fakesys_put(path, "");
	}
	if (is_cdev)
		fakesys_put("dev/iommu", "");
}
