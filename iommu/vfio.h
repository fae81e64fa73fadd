/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices of the host in the hands of a partition, by VFIO. One context is one guest's address space
 * for DMA: what is mapped there is what its devices can reach, at IOVA = GPA.
 *
 * 1. vfio_open; vfio_map for each region of guest memory, before or after the first device
 * 2. vfio_attach: the device joins the address space, memory is mapped if it was not, the function is
 *    reset. A device that cannot be reset is refused
 * 3. regions, interrupts, reset; vfio_map and vfio_unmap when guest memory changes
 * 4. vfio_detach, vfio_close
 *
 * Two ways into the kernel, chosen at the first attach by what there is: a container with groups, or iommufd
 * with a file for each device. Refusals carry a cause of iommu/why.h (iommu_refused() tells which).
 * Everything is ctl but for what says otherwise; one control thread a context. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VFIO_MAPS_MAX	 32u
#define VFIO_RANGES_MAX	 64u
#define VFIO_DEVS_MAX	 32u
#define VFIO_AREAS_MAX	 8u
#define VFIO_REGIONS_MAX 9u  /* BARs 0 to 5, ROM, configuration, VGA */
#define VFIO_VECTORS_MAX 64u /* interrupts of one kind that are set at once */

enum vfio_backend_kind { VFIO_BACKEND_AUTO, VFIO_BACKEND_GROUP, VFIO_BACKEND_CDEV };
enum vfio_access { VFIO_READ_ONLY, VFIO_READ_WRITE };

/* Interrupt kinds: numbers of the kernel's interface. */
enum vfio_irq {
	VFIO_IRQ_INTX,
	VFIO_IRQ_MSI,
	VFIO_IRQ_MSIX,
	VFIO_IRQ_ERR,
	VFIO_IRQ_REQ,
	VFIO_IRQ_COUNT
};

#define VFIO_REGION_CONFIG 7u

/* System calls, each >= 0 or -errno, so that tests can play the kernel. */
struct vfio_ops {
	int (*open)(void *sys, const char *path);
	void (*close)(void *sys, int fd);
	int (*ioctl)(void *sys, int fd, unsigned long request, void *arg);
	int (*mmap)(void *sys, int fd, uint64_t off, uint64_t len, enum vfio_access access,
		    void **out);
	void (*munmap)(void *sys, void *at, uint64_t len);
	ptrdiff_t (*pread)(void *sys, int fd, void *buf, size_t len, uint64_t off);
	ptrdiff_t (*pwrite)(void *sys, int fd, const void *buf, size_t len, uint64_t off);
	int (*eventfd)(void *sys);
	/* Raises the limit of locked memory to @want bytes if it is lower. *@have: the limit afterwards. */
	int (*memlock)(void *sys, uint64_t want, uint64_t *have);
	void (*nap)(void *sys, unsigned int ms);
	uint64_t (*now_ns)(void *sys);
};

extern const struct vfio_ops vfio_sys_ops; /* the real ones; sys unused */

struct vfio_ctx;
struct vfio_dev;

struct vfio_cfg {
	const char *name; /* of the partition, for messages; copied */
	const char *root; /* before /sys, /proc and /dev; "" but in tests. Borrowed for life */
	enum vfio_backend_kind backend;
	bool is_unsafe_allowed;	    /* the operator takes a host without interrupt remapping */
	const struct vfio_ops *ops; /* NULL: vfio_sys_ops */
	void *sys;
};

/* 0 or -ENOMEM (text set). Opens nothing yet. */
int vfio_open(struct vfio_ctx **out, const struct vfio_cfg *cfg);
void vfio_close(struct vfio_ctx *c); /* Detaches what is attached. NULL is fine */

/* Guest memory [@hva, @hva + @len) becomes what devices reach at @iova; page aligned, one contiguous
 * region a call, as large as possible: the kernel then uses the largest pages that there are. The memory is
 * locked while a device is attached, and the caller's until vfio_unmap(). 0 or -errno: memlock,
 * reserved-range, maps-full, map-failed; -EINVAL, -EEXIST (overlaps), -ENOSPC (more than VFIO_MAPS_MAX). */
int vfio_map(struct vfio_ctx *c, uint64_t iova, void *hva, uint64_t len, enum vfio_access access);

/* Takes a whole region of vfio_map() away; the device faults there from now on. 0, -ENOENT, or -EIO: the
 * kernel did not unmap it all, and the memory must not be used for anything else. */
int vfio_unmap(struct vfio_ctx *c, uint64_t iova, uint64_t len);

struct vfio_range {
	uint64_t first, last;
};

struct vfio_status {
	const char *backend; /* "group", "cdev", "none yet" */
	unsigned int nr_devs, nr_maps;
	uint64_t bytes;	     /* mapped */
	uint64_t page_bytes; /* largest page that the worst region's alignment allows */
	uint64_t map_ns;     /* time of all mapping calls so far */
	unsigned int nr_map_calls;
	unsigned int nr_ranges; /* of IOVA that the hardware takes; 0: not known yet */
	struct vfio_range range[VFIO_RANGES_MAX];
};
void vfio_status(const struct vfio_ctx *c, struct vfio_status *out);

/* @bdf: "0000:01:10.0", bound to vfio-pci already. 0, or a refusal with its cause; nothing is left behind. */
int vfio_attach(struct vfio_ctx *c, const char *bdf, struct vfio_dev **out);

/* Interrupts off, no more DMA, reset, closed. Memory of vfio_dev_mmap() must be out of the guest by then and
 * unmapped. NULL is fine. Always gone afterwards; 0, or why its reset failed (quarantine: it must not be
 * given to another guest). */
int vfio_detach(struct vfio_dev *d);

const char *vfio_dev_name(const struct vfio_dev *d); /* any */
int vfio_dev_fd(const struct vfio_dev *d);	     /* any. Borrowed */
/* What KVM's VFIO device wants to know: the group's file, or the device's. Borrowed. */
int vfio_dev_kvm_fd(const struct vfio_dev *d);

struct vfio_region {
	uint64_t size, offset; /* 0: not there. offset: within vfio_dev_fd() */
	bool is_readable, is_writable;
	bool is_msix_mappable; /* the areas cover the MSI-X table, too */
	unsigned int nr_areas; /* that may be mapped; 0: all traps */
	struct vfio_range area[VFIO_AREAS_MAX];
};

/* any.  @index: BAR 0 to 5, 6 ROM, VFIO_REGION_CONFIG. NULL: no such region. */
const struct vfio_region *vfio_dev_region(const struct vfio_dev *d, unsigned int index);

/* Maps [@off, @off + @len) of a region, page aligned and inside of one of its areas. 0 or -errno (text set). */
int vfio_dev_mmap(struct vfio_dev *d, unsigned int region, uint64_t off, uint64_t len, void **out);
void vfio_dev_munmap(struct vfio_dev *d, void *at, uint64_t len);

/* any.  @size 1, 2, 4 or 8. 0 or -errno (text set); *@v is all ones then, as from a device that is gone. */
int vfio_dev_read(struct vfio_dev *d, unsigned int region, uint64_t off, unsigned int size,
		  uint64_t *v);
int vfio_dev_write(struct vfio_dev *d, unsigned int region, uint64_t off, unsigned int size,
		   uint64_t v);

unsigned int vfio_dev_irq_count(const struct vfio_dev *d, enum vfio_irq irq); /* any */

/* any, one thread at a time.  Interrupts 0 to @n - 1 of this kind go to @fds (-1: none); those that were
 * set before are off. 0 or -errno (text set); all are off then. */
int vfio_dev_irqs_set(struct vfio_dev *d, enum vfio_irq irq, const int *fds, unsigned int n);
void vfio_dev_irqs_off(struct vfio_dev *d, enum vfio_irq irq);

/* eventfds, -1 where the device has none. Borrowed. err: it reported an error that cannot be corrected.
 * req: the host wants it back (hot removal, unbind). */
int vfio_dev_err_fd(const struct vfio_dev *d);
int vfio_dev_req_fd(const struct vfio_dev *d);

/* 0, or quarantine: it is not usable any more, every call but detach refuses. Waits for a reset that is
 * under way, a second at most. */
int vfio_dev_reset(struct vfio_dev *d);
bool vfio_dev_is_quarantined(const struct vfio_dev *d); /* any */
