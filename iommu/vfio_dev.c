/* SPDX-License-Identifier: BSD-3-Clause */
/* One device: regions, interrupts, reset. */
#include <errno.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <string.h>

#include "base/err.h"
#include "iommu/vfio_priv.h"

#define INFO_MAX      4096u
#define RESET_TRIES   20
#define RESET_WAIT_MS 50

_Static_assert((int)VFIO_IRQ_REQ == VFIO_PCI_REQ_IRQ_INDEX, "kernel's number");
_Static_assert((int)VFIO_IRQ_MSIX == VFIO_PCI_MSIX_IRQ_INDEX, "kernel's number");
_Static_assert(VFIO_REGION_CONFIG == VFIO_PCI_CONFIG_REGION_INDEX, "kernel's number");

/* ---- regions ---- */

/* Areas that are told one by one; without that the whole region may be mapped. More areas than we have
 * room for, or areas outside of the region: none, and everything traps. */
static void take_areas(struct vfio_region *r, const uint8_t *buf, size_t len, size_t first)
{
	struct vfio_region_info_cap_sparse_mmap cap;
	size_t at = vfio_cap_find(buf, len, first, VFIO_REGION_INFO_CAP_SPARSE_MMAP, sizeof(cap));

	if (!at) {
		r->area[0] = (struct vfio_range){0, r->size - 1};
		r->nr_areas = 1;
		return;
	}
	memcpy(&cap, buf + at, sizeof(cap));
	at += sizeof(cap);
	if (cap.nr_areas > VFIO_AREAS_MAX ||
	    len - at < cap.nr_areas * sizeof(struct vfio_region_sparse_mmap_area))
		return;
	for (uint32_t i = 0; i < cap.nr_areas; i++) {
		struct vfio_region_sparse_mmap_area a;

		memcpy(&a, buf + at + i * sizeof(a), sizeof(a));
		if (!a.size || a.size > r->size || a.offset > r->size - a.size)
			continue;
		r->area[r->nr_areas++] = (struct vfio_range){a.offset, a.offset + a.size - 1};
	}
}

static int read_region(struct vfio_dev *d, unsigned int index)
{
	union {
		struct vfio_region_info info;
		uint8_t bytes[INFO_MAX];
	} u = {.info.argsz = sizeof(u), .info.index = index};
	struct vfio_region *r = &d->region[index];
	int rc = vfio_call(d->ctx, d->fd, VFIO_DEVICE_GET_REGION_INFO, &u);
	bool has_caps = u.info.flags & VFIO_REGION_INFO_FLAG_CAPS;
	size_t len = u.info.argsz < sizeof(u) ? u.info.argsz : sizeof(u);

	if (rc == -EINVAL)
		return 0; /* this device has none of it (VGA) */
	if (rc < 0)
		return iommu_refuse(IOMMU_WHY_VFIO_FAILED, d->name, "region %u: %s", index,
				    strerror(-rc));
	r->size = u.info.size;
	r->offset = u.info.offset;
	r->is_readable = u.info.flags & VFIO_REGION_INFO_FLAG_READ;
	r->is_writable = u.info.flags & VFIO_REGION_INFO_FLAG_WRITE;
	if (!(u.info.flags & VFIO_REGION_INFO_FLAG_MMAP) || !r->size)
		return 0;
	if (has_caps && !u.info.cap_offset)
		return 0; /* told in more bytes than we took: better none than too much */
	r->is_msix_mappable = has_caps && vfio_cap_find(u.bytes, len, u.info.cap_offset,
							VFIO_REGION_INFO_CAP_MSIX_MAPPABLE, 0);
	take_areas(r, u.bytes, len, has_caps ? u.info.cap_offset : 0);
	return 0;
}

const struct vfio_region *vfio_dev_region(const struct vfio_dev *d, unsigned int index)
{
	return index < VFIO_REGIONS_MAX && d->region[index].size ? &d->region[index] : NULL;
}

static int check_usable(const struct vfio_dev *d)
{
	if (atomic_load_explicit(&d->is_quarantined, memory_order_relaxed))
		return iommu_refuse(IOMMU_WHY_QUARANTINE, d->name, NULL);
	return 0;
}

int vfio_dev_mmap(struct vfio_dev *d, unsigned int region, uint64_t off, uint64_t len, void **out)
{
	const struct vfio_region *r = vfio_dev_region(d, region);
	int rc = check_usable(d);

	if (rc)
		return rc;
	if (!r || !len || (off | len) % VFIO_PAGE || off + len < off)
		return err_set(-EINVAL, "%s: no pages 0x%" PRIx64 " + 0x%" PRIx64 " in region %u",
			       d->name, off, len, region);
	for (unsigned int i = 0; i < r->nr_areas; i++) {
		if (off < r->area[i].first || off + len - 1 > r->area[i].last)
			continue;
		rc = d->ctx->ops->mmap(d->ctx->sys, d->fd, r->offset + off, len,
				       r->is_writable ? VFIO_READ_WRITE : VFIO_READ_ONLY, out);
		return rc ? err_sys(rc, "%s: mapping 0x%" PRIx64 " of region %u", d->name, off,
				    region)
			  : 0;
	}
	return err_set(-EINVAL, "%s: 0x%" PRIx64 " + 0x%" PRIx64 " of region %u may not be mapped",
		       d->name, off, len, region);
}

void vfio_dev_munmap(struct vfio_dev *d, void *at, uint64_t len)
{
	d->ctx->ops->munmap(d->ctx->sys, at, len);
}

static int check_io(const struct vfio_dev *d, unsigned int region, uint64_t off, unsigned int size)
{
	const struct vfio_region *r = vfio_dev_region(d, region);

	if (r && (size == 1 || size == 2 || size == 4 || size == 8) && size <= r->size &&
	    off <= r->size - size)
		return 0;
	return err_set(-EINVAL, "%s: no %u bytes at 0x%" PRIx64 " in region %u", d->name, size, off,
		       region);
}

int vfio_dev_read(struct vfio_dev *d, unsigned int region, uint64_t off, unsigned int size,
		  uint64_t *v)
{
	int rc = check_io(d, region, off, size);
	uint64_t got = 0;
	ptrdiff_t n;

	*v = UINT64_MAX;
	if (rc)
		return rc;
	n = d->ctx->ops->pread(d->ctx->sys, d->fd, &got, size, d->region[region].offset + off);
	if (n != (ptrdiff_t)size)
		return err_set(n < 0 ? (int)n : -EIO, "%s: reading region %u at 0x%" PRIx64 ": %s",
			       d->name, region, off, n < 0 ? strerror((int)-n) : "cut short");
	*v = got;
	return 0;
}

int vfio_dev_write(struct vfio_dev *d, unsigned int region, uint64_t off, unsigned int size,
		   uint64_t v)
{
	int rc = check_io(d, region, off, size);
	ptrdiff_t n;

	if (rc)
		return rc;
	n = d->ctx->ops->pwrite(d->ctx->sys, d->fd, &v, size, d->region[region].offset + off);
	if (n != (ptrdiff_t)size)
		return err_set(n < 0 ? (int)n : -EIO, "%s: writing region %u at 0x%" PRIx64 ": %s",
			       d->name, region, off, n < 0 ? strerror((int)-n) : "cut short");
	return 0;
}

/* ---- interrupts ---- */

unsigned int vfio_dev_irq_count(const struct vfio_dev *d, enum vfio_irq irq)
{
	return (unsigned int)irq < VFIO_IRQ_COUNT ? d->irq_count[irq] : 0;
}

void vfio_dev_irqs_off(struct vfio_dev *d, enum vfio_irq irq)
{
	struct vfio_irq_set arg = {
		.argsz = sizeof(arg),
		.flags = VFIO_IRQ_SET_DATA_NONE | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = (uint32_t)irq,
	};

	/* Fails for what was not on, and on a device that is gone. */
	if (vfio_dev_irq_count(d, irq))
		vfio_call(d->ctx, d->fd, VFIO_DEVICE_SET_IRQS, &arg);
}

int vfio_dev_irqs_set(struct vfio_dev *d, enum vfio_irq irq, const int *fds, unsigned int n)
{
	union {
		struct vfio_irq_set set;
		uint8_t bytes[sizeof(struct vfio_irq_set) + VFIO_VECTORS_MAX * sizeof(int32_t)];
	} u = {.set.argsz = (uint32_t)(sizeof(u.set) + n * sizeof(int32_t))};
	unsigned int most = vfio_dev_irq_count(d, irq);
	int rc = check_usable(d);

	if (rc)
		return rc;
	if (!n || n > most || n > VFIO_VECTORS_MAX)
		return err_set(-EINVAL, "%s: %u interrupts of kind %d, want 1..%u", d->name, n,
			       (int)irq, most < VFIO_VECTORS_MAX ? most : VFIO_VECTORS_MAX);
	/* How many there are is settled when they are switched on. */
	vfio_dev_irqs_off(d, irq);
	u.set.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;
	u.set.index = (uint32_t)irq;
	u.set.count = n;
	memcpy(u.bytes + sizeof(u.set), fds, n * sizeof(int32_t));
	rc = vfio_call(d->ctx, d->fd, VFIO_DEVICE_SET_IRQS, &u);
	if (rc == 0)
		return 0;
	vfio_dev_irqs_off(d, irq);
	if (rc > 0) /* so many the host could give */
		return err_set(-ENOSPC, "%s: the host has %d interrupts left, %u were wanted",
			       d->name, rc, n);
	return err_sys(rc, "%s: switching on %u interrupts of kind %d", d->name, n, (int)irq);
}

/* An event of the device itself, where it has it. */
static int open_event(struct vfio_dev *d, enum vfio_irq irq, int *fd)
{
	int rc;

	if (!vfio_dev_irq_count(d, irq))
		return 0;
	rc = d->ctx->ops->eventfd(d->ctx->sys);
	if (rc < 0)
		return err_sys(rc, "%s: eventfd", d->name);
	*fd = rc;
	return vfio_dev_irqs_set(d, irq, fd, 1);
}

static int read_irq(struct vfio_dev *d, enum vfio_irq irq)
{
	struct vfio_irq_info info = {.argsz = sizeof(info), .index = (uint32_t)irq};
	int rc = vfio_call(d->ctx, d->fd, VFIO_DEVICE_GET_IRQ_INFO, &info);

	if (rc == -EINVAL)
		return 0; /* it has none of this kind */
	if (rc < 0)
		return iommu_refuse(IOMMU_WHY_VFIO_FAILED, d->name, "interrupts of kind %d: %s",
				    (int)irq, strerror(-rc));
	if (info.flags & VFIO_IRQ_INFO_EVENTFD)
		d->irq_count[irq] = info.count;
	return 0;
}

/* ---- the device as a whole ---- */

int vfio_dev_init(struct vfio_dev *d)
{
	struct vfio_device_info info = {.argsz = sizeof(info)};
	int rc = vfio_call(d->ctx, d->fd, VFIO_DEVICE_GET_INFO, &info);

	if (rc < 0)
		return vfio_explain(d->ctx, d->name, rc, "the device's description");
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI))
		return iommu_refuse(IOMMU_WHY_NOT_A_FUNCTION, d->name, "VFIO flags 0x%x",
				    info.flags);
	d->can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
	for (unsigned int i = 0; rc == 0 && i < info.num_regions && i < VFIO_REGIONS_MAX; i++)
		rc = read_region(d, i);
	for (unsigned int i = 0; rc == 0 && i < info.num_irqs && i < VFIO_IRQ_COUNT; i++)
		rc = read_irq(d, (enum vfio_irq)i);
	if (rc == 0)
		rc = open_event(d, VFIO_IRQ_ERR, &d->err_fd);
	if (rc == 0)
		rc = open_event(d, VFIO_IRQ_REQ, &d->req_fd);
	return rc;
}

int vfio_dev_reset(struct vfio_dev *d)
{
	int rc = check_usable(d);

	if (rc)
		return rc;
	if (!d->can_reset) {
		atomic_store_explicit(&d->is_quarantined, true, memory_order_relaxed);
		return iommu_refuse(IOMMU_WHY_NO_RESET, d->name, "VFIO cannot reset it");
	}
	rc = vfio_call(d->ctx, d->fd, VFIO_DEVICE_RESET, NULL);
	/* Someone holds the device's lock: its PF's driver, or a removal. */
	for (int i = 1; rc == -EAGAIN && i < RESET_TRIES; i++) {
		d->ctx->ops->nap(d->ctx->sys, RESET_WAIT_MS);
		rc = vfio_call(d->ctx, d->fd, VFIO_DEVICE_RESET, NULL);
	}
	if (rc >= 0)
		return 0;
	atomic_store_explicit(&d->is_quarantined, true, memory_order_relaxed);
	return iommu_refuse(rc == -ENODEV ? IOMMU_WHY_GONE : IOMMU_WHY_QUARANTINE, d->name, "%s",
			    strerror(-rc));
}

bool vfio_dev_is_quarantined(const struct vfio_dev *d)
{
	return atomic_load_explicit(&d->is_quarantined, memory_order_relaxed);
}

const char *vfio_dev_name(const struct vfio_dev *d)
{
	return d->name;
}

int vfio_dev_fd(const struct vfio_dev *d)
{
	return d->fd;
}

int vfio_dev_kvm_fd(const struct vfio_dev *d)
{
	return d->group ? d->group->fd : d->fd;
}

int vfio_dev_err_fd(const struct vfio_dev *d)
{
	return d->err_fd;
}

int vfio_dev_req_fd(const struct vfio_dev *d)
{
	return d->req_fd;
}
