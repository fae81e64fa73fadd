/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside of vfio*.c. */
#pragma once

#include <stdatomic.h>

#include "iommu/bdf.h"
#include "iommu/vfio.h"
#include "iommu/why.h"

#define VFIO_PAGE 4096u

struct vfio_mapping {
	uint64_t iova, len;
	void *hva;
	enum vfio_access access;
};

struct vfio_group {
	unsigned int id;
	int fd;
	unsigned int nr_devs; /* 0: the slot is free */
};

/* A way into the kernel. All of them set a cause on failure. */
struct vfio_backend {
	const char *name;
	/* The device gets its fd and is in the address space. On failure leave() follows. */
	int (*join)(struct vfio_ctx *c, struct vfio_dev *d);
	void (*leave)(struct vfio_ctx *c, struct vfio_dev *d); /* also of what joined halfway */
	int (*ranges)(struct vfio_ctx *c); /* IOVA that may be used into c->range */
	int (*map)(struct vfio_ctx *c, const struct vfio_mapping *m);	/* -errno, no text */
	int (*unmap)(struct vfio_ctx *c, const struct vfio_mapping *m); /* -errno, no text */
};

struct vfio_ctx {
	char name[32];
	const char *root;
	const struct vfio_ops *ops;
	void *sys;
	enum vfio_backend_kind want;
	bool is_unsafe_allowed;
	const struct vfio_backend *backend; /* NULL: not chosen yet */
	int fd;				    /* the container, or iommufd */
	uint32_t ioas;			    /* cdev: the address space; 0: none yet */
	bool has_iommu;			    /* group: the container has its IOMMU */
	bool is_live;			    /* what is in the table is mapped */
	uint64_t page_sizes;		    /* bitmap; 0: not known */
	struct vfio_mapping map[VFIO_MAPS_MAX];
	unsigned int nr_maps;
	struct vfio_range range[VFIO_RANGES_MAX];
	unsigned int nr_ranges;
	struct vfio_group group[VFIO_DEVS_MAX];
	struct vfio_dev *dev[VFIO_DEVS_MAX];
	unsigned int nr_devs;
	uint64_t map_ns;
	unsigned int nr_map_calls;
};

struct vfio_dev {
	struct vfio_ctx *ctx;
	char name[IOMMU_BDF_TEXT];
	int fd;
	struct vfio_group *group; /* group: ours; NULL: not joined */
	bool is_attached;	  /* cdev: in the address space */
	bool can_reset;
	_Atomic bool is_quarantined; /* one-way; read by any */
	struct vfio_region region[VFIO_REGIONS_MAX];
	unsigned int irq_count[VFIO_IRQ_COUNT];
	int err_fd, req_fd;
};

extern const struct vfio_backend vfio_group_backend, vfio_cdev_backend;

static inline int vfio_call(struct vfio_ctx *c, int fd, unsigned long request, void *arg)
{
	return c->ops->ioctl(c->sys, fd, request, arg);
}

void vfio_fd_close(struct vfio_ctx *c, int *fd);

/* Why the kernel said @rc at @step: the first cause that can be seen in the topology, or VFIO_FAILED.
 * Returns a negative errno with the cause's text. */
int vfio_explain(struct vfio_ctx *c, const char *bdf, int rc, const char *step);

/* vfio_dev.c: reads what the device has, into @d. */
int vfio_dev_init(struct vfio_dev *d);

/* Finds capability @id in a kernel's answer of @len bytes, from @at on. Returns its offset, or 0. Bounded
 * whatever the answer says; the header and @want bytes in all are inside of it. */
size_t vfio_cap_find(const void *buf, size_t len, size_t at, unsigned int id, size_t want);

/* vfio_cdev.c: name of the device's file ("vfio0"), or false. */
bool vfio_cdev_name(const struct vfio_ctx *c, const char *bdf, char *buf, size_t size);
