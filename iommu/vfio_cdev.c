/* SPDX-License-Identifier: BSD-3-Clause */
/* The newer way: iommufd holds the address space, and each device has a file of its own. The kernel
 * still looks at the group when the device is bound. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "iommu/files.h"
#include "iommu/iommufd_abi.h"
#include "iommu/judge.h"
#include "iommu/vfio_priv.h"

bool vfio_cdev_name(const struct vfio_ctx *c, const char *bdf, char *buf, size_t size)
{
	char p[FILES_PATH_MAX];
	DIR *dir = opendir(files_path(p, c->root, "sys/bus/pci/devices/%s/vfio-dev", bdf));
	struct dirent *e;
	bool has = false;

	if (!dir)
		return false;
	while (!has && (e = readdir(dir))) {
		has = !strncmp(e->d_name, "vfio", 4) && strlen(e->d_name) < size;
		if (has)
			memcpy(buf, e->d_name, strlen(e->d_name) + 1);
	}
	closedir(dir);
	return has;
}

static int open_refusal(struct vfio_ctx *c, const char *bdf, int rc, const char *path)
{
	switch (rc) {
	case -EBUSY: return iommu_refuse(IOMMU_WHY_BUSY, bdf, "%s", path);
	case -EACCES:
	case -EPERM:
	case -ENOENT:
	case -ENODEV:
		return iommu_refuse(IOMMU_WHY_NO_VFIO_ACCESS, bdf, "%s: %s", path, strerror(-rc));
	default: return vfio_explain(c, bdf, rc, path);
	}
}

static int open_space(struct vfio_ctx *c, const char *bdf)
{
	struct ifd_ioas_alloc arg = {.size = sizeof(arg)};
	char p[FILES_PATH_MAX];
	int rc;

	if (c->fd >= 0)
		return 0;
	rc = c->ops->open(c->sys, files_path(p, c->root, "dev/iommu"));
	if (rc < 0)
		return open_refusal(c, bdf, rc, "/dev/iommu");
	c->fd = rc;
	rc = vfio_call(c, c->fd, IFD_IOAS_ALLOC, &arg);
	if (rc < 0) {
		vfio_fd_close(c, &c->fd);
		return vfio_explain(c, bdf, rc, "making an address space");
	}
	c->ioas = arg.out_ioas_id;
	return 0;
}

static int open_file(struct vfio_ctx *c, struct vfio_dev *d)
{
	char p[FILES_PATH_MAX], name[32], shown[64], driver[32] = "";
	int rc;

	if (!vfio_cdev_name(c, d->name, name, sizeof(name))) {
		files_link(files_path(p, c->root, "sys/bus/pci/devices/%s/driver", d->name), driver,
			   sizeof(driver));
		if (!iommu_driver_is_vfio(driver))
			return iommu_refuse(IOMMU_WHY_WRONG_DRIVER, d->name, "%s",
					    driver[0] ? driver : "no driver yet");
		return vfio_explain(c, d->name, -ENODEV, "the kernel has no VFIO device files");
	}
	snprintf(shown, sizeof(shown), "/dev/vfio/devices/%s", name);
	rc = c->ops->open(c->sys, files_path(p, c->root, "dev/vfio/devices/%s", name));
	if (rc < 0)
		return open_refusal(c, d->name, rc, shown);
	d->fd = rc;
	return 0;
}

static int bind_refusal(struct vfio_ctx *c, const char *bdf, int rc)
{
	int why = vfio_explain(c, bdf, rc, "binding it to iommufd");

	/* Nothing is wrong with the host or the group: someone else owns it. */
	if (iommu_refused() == IOMMU_WHY_VFIO_FAILED && (rc == -EBUSY || rc == -EPERM))
		return iommu_refuse(IOMMU_WHY_BUSY, bdf, "it, or a device of its group: %s",
				    strerror(-rc));
	return why;
}

static int cdev_join(struct vfio_ctx *c, struct vfio_dev *d)
{
	struct ifd_vfio_bind bind = {.argsz = sizeof(bind)};
	struct ifd_vfio_attach attach = {.argsz = sizeof(attach)};
	int rc = open_space(c, d->name);

	if (rc == 0)
		rc = open_file(c, d);
	if (rc)
		return rc;
	bind.iommufd = c->fd;
	rc = vfio_call(c, d->fd, IFD_VFIO_BIND_IOMMUFD, &bind);
	if (rc < 0)
		return bind_refusal(c, d->name, rc);
	attach.pt_id = c->ioas;
	rc = vfio_call(c, d->fd, IFD_VFIO_ATTACH_PT, &attach);
	if (rc == -EADDRINUSE)
		return iommu_refuse(IOMMU_WHY_RESERVED_RANGE, d->name,
				    "memory is mapped where this device has a range of its own");
	if (rc < 0)
		return vfio_explain(c, d->name, rc, "attaching it to the address space");
	d->is_attached = true;
	return 0;
}

static void cdev_leave(struct vfio_ctx *c, struct vfio_dev *d)
{
	struct ifd_vfio_detach arg = {.argsz = sizeof(arg)};

	if (d->is_attached)
		vfio_call(c, d->fd, IFD_VFIO_DETACH_PT, &arg);
	d->is_attached = false;
	vfio_fd_close(c, &d->fd);
	if (c->nr_devs)
		return;
	/* Without devices nothing of it is pinned, so keeping it would save nothing. */
	vfio_fd_close(c, &c->fd);
	c->ioas = 0;
	c->is_live = false;
	c->nr_ranges = 0;
}

static int cdev_ranges(struct vfio_ctx *c)
{
	struct ifd_range r[VFIO_RANGES_MAX];
	struct ifd_ioas_iova_ranges arg = {
		.size = sizeof(arg),
		.ioas_id = c->ioas,
		.nr = VFIO_RANGES_MAX,
		.ranges = (uintptr_t)r,
	};
	int rc = vfio_call(c, c->fd, IFD_IOAS_IOVA_RANGES, &arg);

	/* EMSGSIZE: there are more, and those that had room are good. */
	if (rc < 0 && rc != -EMSGSIZE)
		return iommu_refuse(IOMMU_WHY_VFIO_FAILED, c->name, "ranges of the IOMMU: %s",
				    strerror(-rc));
	c->nr_ranges = arg.nr < VFIO_RANGES_MAX ? arg.nr : VFIO_RANGES_MAX;
	for (unsigned int i = 0; i < c->nr_ranges; i++)
		c->range[i] = (struct vfio_range){r[i].first, r[i].last};
	return 0;
}

static int cdev_map(struct vfio_ctx *c, const struct vfio_mapping *m)
{
	struct ifd_ioas_map arg = {
		.size = sizeof(arg),
		.flags = IFD_MAP_FIXED_IOVA | IFD_MAP_READABLE |
			 (m->access == VFIO_READ_WRITE ? IFD_MAP_WRITEABLE : 0u),
		.ioas_id = c->ioas,
		.user_va = (uintptr_t)m->hva,
		.length = m->len,
		.iova = m->iova,
	};
	int rc = vfio_call(c, c->fd, IFD_IOAS_MAP, &arg);

	return rc < 0 ? rc : 0;
}

static int cdev_unmap(struct vfio_ctx *c, const struct vfio_mapping *m)
{
	struct ifd_ioas_unmap arg = {
		.size = sizeof(arg),
		.ioas_id = c->ioas,
		.iova = m->iova,
		.length = m->len,
	};
	int rc = vfio_call(c, c->fd, IFD_IOAS_UNMAP, &arg);

	if (rc < 0)
		return rc;
	return arg.length == m->len ? 0 : -EIO;
}

const struct vfio_backend vfio_cdev_backend = {
	.name = "cdev",
	.join = cdev_join,
	.leave = cdev_leave,
	.ranges = cdev_ranges,
	.map = cdev_map,
	.unmap = cdev_unmap,
};
