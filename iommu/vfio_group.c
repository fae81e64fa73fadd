/* SPDX-License-Identifier: BSD-3-Clause */
/* The older way: a container, which is the address space, and groups put into it. The container has an
 * IOMMU from the first group on until the last one leaves, and its mappings only so long. */
#include <errno.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iommu/files.h"
#include "iommu/judge.h"
#include "iommu/vfio_priv.h"

#define INFO_MAX 8192u

static int open_refusal(struct vfio_ctx *c, const char *bdf, int rc, const char *path)
{
	char p[FILES_PATH_MAX], driver[32] = "";

	switch (rc) {
	case -EBUSY: return iommu_refuse(IOMMU_WHY_BUSY, bdf, "%s", path);
	case -EACCES:
	case -EPERM:
		return iommu_refuse(IOMMU_WHY_NO_VFIO_ACCESS, bdf, "%s: %s", path, strerror(-rc));
	case -ENOENT:
	case -ENODEV:
	case -ENXIO: break;
	default: return vfio_explain(c, bdf, rc, path);
	}
	if (!files_has(files_path(p, c->root, "sys/bus/pci/drivers/vfio-pci")))
		return iommu_refuse(IOMMU_WHY_NO_VFIO_MODULE, bdf, "no %s", path);
	files_link(files_path(p, c->root, "sys/bus/pci/devices/%s/driver", bdf), driver,
		   sizeof(driver));
	if (!iommu_driver_is_vfio(driver))
		return iommu_refuse(IOMMU_WHY_WRONG_DRIVER, bdf, "%s",
				    driver[0] ? driver : "no driver yet");
	return iommu_refuse(IOMMU_WHY_NO_VFIO_ACCESS, bdf, "no %s", path);
}

static int open_container(struct vfio_ctx *c, const char *bdf)
{
	char p[FILES_PATH_MAX];
	int rc;

	if (c->fd >= 0)
		return 0;
	rc = c->ops->open(c->sys, files_path(p, c->root, "dev/vfio/vfio"));
	if (rc < 0)
		return open_refusal(c, bdf, rc, "/dev/vfio/vfio");
	c->fd = rc;
	rc = vfio_call(c, c->fd, VFIO_GET_API_VERSION, NULL);
	if (rc != VFIO_API_VERSION)
		return iommu_refuse(IOMMU_WHY_VFIO_FAILED, bdf, "API version %d, want %d", rc,
				    VFIO_API_VERSION);
	rc = vfio_call(c, c->fd, VFIO_CHECK_EXTENSION, (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU);
	if (rc <= 0)
		return vfio_explain(c, bdf, -ENOTSUP, "type 1 IOMMU, version 2");
	return 0;
}

/* Who else is in the group, while its drivers still show it. */
static int not_viable(struct vfio_ctx *c, const char *bdf, unsigned int id)
{
	struct iommu_topology *t = NULL;
	char held[160] = "";
	struct iommu_bdf at;
	int dev;

	if (iommu_topology_create(&t, c->root) == 0 && iommu_bdf_parse(bdf, &at) == 0) {
		dev = iommu_topology_find(t, at);
		if (dev != IOMMU_NONE)
			iommu_group_held(t, t->dev[dev].group, dev, held, sizeof(held));
	}
	iommu_topology_destroy(t);
	return iommu_refuse(IOMMU_WHY_GROUP_NOT_VIABLE, bdf, "group %u%s%s", id,
			    held[0] ? ": " : "", held);
}

static int put_into_container(struct vfio_ctx *c, struct vfio_group *g, const char *bdf)
{
	struct vfio_group_status st = {.argsz = sizeof(st)};
	int rc = vfio_call(c, g->fd, VFIO_GROUP_GET_STATUS, &st);

	if (rc < 0)
		return vfio_explain(c, bdf, rc, "group status");
	if (!(st.flags & VFIO_GROUP_FLAGS_VIABLE))
		return not_viable(c, bdf, g->id);
	if (st.flags & VFIO_GROUP_FLAGS_CONTAINER_SET)
		return iommu_refuse(IOMMU_WHY_BUSY, bdf, "group %u is in another container", g->id);
	rc = vfio_call(c, g->fd, VFIO_GROUP_SET_CONTAINER, &c->fd);
	if (rc == -EBUSY)
		return iommu_refuse(IOMMU_WHY_BUSY, bdf, "group %u", g->id);
	if (rc < 0)
		return vfio_explain(c, bdf, rc, "putting the group into the container");
	if (c->has_iommu)
		return 0;
	/* Here the kernel refuses a host without interrupt remapping, and devices with RMRRs. */
	rc = vfio_call(c, c->fd, VFIO_SET_IOMMU, (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU);
	if (rc < 0)
		return vfio_explain(c, bdf, rc, "setting the IOMMU");
	c->has_iommu = true;
	return 0;
}

static struct vfio_group *group_slot(struct vfio_ctx *c, unsigned int id)
{
	struct vfio_group *free_slot = NULL;

	for (unsigned int i = 0; i < VFIO_DEVS_MAX; i++) {
		if (c->group[i].nr_devs && c->group[i].id == id)
			return &c->group[i];
		if (!c->group[i].nr_devs && !free_slot)
			free_slot = &c->group[i];
	}
	return free_slot; /* as many slots as devices: there is one */
}

static int open_group(struct vfio_ctx *c, struct vfio_dev *d, unsigned int id)
{
	struct vfio_group *g = group_slot(c, id);
	char p[FILES_PATH_MAX], shown[40];
	int rc;

	d->group = g;
	if (g->nr_devs++)
		return 0; /* another device of it is with us already */
	g->id = id;
	snprintf(shown, sizeof(shown), "/dev/vfio/%u", id);
	rc = c->ops->open(c->sys, files_path(p, c->root, "dev/vfio/%u", id));
	if (rc < 0)
		return open_refusal(c, d->name, rc, shown);
	g->fd = rc;
	return put_into_container(c, g, d->name);
}

static int group_join(struct vfio_ctx *c, struct vfio_dev *d)
{
	char p[FILES_PATH_MAX], name[32], *end;
	unsigned long id;
	int rc;

	if (!files_link(files_path(p, c->root, "sys/bus/pci/devices/%s/iommu_group", d->name), name,
			sizeof(name)))
		return vfio_explain(c, d->name, -ENODEV, "no IOMMU group");
	id = strtoul(name, &end, 10);
	if (*end || id > UINT32_MAX)
		return iommu_refuse(IOMMU_WHY_NO_GROUP, d->name, "group \"%.20s\"", name);
	rc = open_container(c, d->name);
	if (rc == 0)
		rc = open_group(c, d, (unsigned int)id);
	if (rc)
		return rc;
	rc = vfio_call(c, d->group->fd, VFIO_GROUP_GET_DEVICE_FD, d->name);
	if (rc == -EBUSY)
		return iommu_refuse(IOMMU_WHY_BUSY, d->name, "device file");
	if (rc == -ENODEV)
		return open_refusal(c, d->name, rc, "device file");
	if (rc < 0)
		return vfio_explain(c, d->name, rc, "opening the device");
	d->fd = rc;
	return 0;
}

static void group_leave(struct vfio_ctx *c, struct vfio_dev *d)
{
	struct vfio_group *g = d->group;
	bool is_last = true;

	vfio_fd_close(c, &d->fd);
	d->group = NULL;
	if (g && --g->nr_devs == 0 && g->fd >= 0) {
		vfio_call(c, g->fd, VFIO_GROUP_UNSET_CONTAINER, NULL);
		vfio_fd_close(c, &g->fd);
	}
	for (unsigned int i = 0; i < VFIO_DEVS_MAX; i++)
		is_last = is_last && !c->group[i].nr_devs;
	if (!is_last)
		return;
	/* The container has lost its IOMMU and all mappings: the next one begins anew. */
	vfio_fd_close(c, &c->fd);
	c->has_iommu = false;
	c->is_live = false;
	c->nr_ranges = 0;
}

size_t vfio_cap_find(const void *buf, size_t len, size_t at, unsigned int id, size_t want)
{
	struct vfio_info_cap_header h;

	/* A chain goes forward, so it ends. */
	for (size_t next; at && at <= len && len - at >= sizeof(h); at = next) {
		memcpy(&h, (const char *)buf + at, sizeof(h));
		if (h.id == id)
			return len - at >= want ? at : 0;
		next = h.next;
		if (next <= at)
			return 0;
	}
	return 0;
}

static void take_ranges(struct vfio_ctx *c, const uint8_t *buf, size_t len, size_t first)
{
	struct vfio_iommu_type1_info_cap_iova_range cap;
	size_t at =
		vfio_cap_find(buf, len, first, VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, sizeof(cap));

	if (!at)
		return;
	memcpy(&cap, buf + at, sizeof(cap));
	at += sizeof(cap);
	for (uint32_t i = 0; i < cap.nr_iovas && c->nr_ranges < VFIO_RANGES_MAX; i++) {
		struct vfio_iova_range r;

		if (len - at < sizeof(r))
			return;
		memcpy(&r, buf + at, sizeof(r));
		at += sizeof(r);
		c->range[c->nr_ranges++] = (struct vfio_range){r.start, r.end};
	}
}

static int group_ranges(struct vfio_ctx *c)
{
	union {
		struct vfio_iommu_type1_info info;
		uint8_t bytes[INFO_MAX];
	} u = {.info.argsz = sizeof(u)};
	int rc = vfio_call(c, c->fd, VFIO_IOMMU_GET_INFO, &u);
	size_t len;

	if (rc < 0)
		return iommu_refuse(IOMMU_WHY_VFIO_FAILED, c->name, "IOMMU's description: %s",
				    strerror(-rc));
	len = u.info.argsz < sizeof(u) ? u.info.argsz : sizeof(u);
	c->nr_ranges = 0;
	if (u.info.flags & VFIO_IOMMU_INFO_PGSIZES)
		c->page_sizes = u.info.iova_pgsizes;
	if (u.info.flags & VFIO_IOMMU_INFO_CAPS)
		take_ranges(c, u.bytes, len, u.info.cap_offset);
	return 0;
}

static int group_map(struct vfio_ctx *c, const struct vfio_mapping *m)
{
	struct vfio_iommu_type1_dma_map arg = {
		.argsz = sizeof(arg),
		.flags = VFIO_DMA_MAP_FLAG_READ |
			 (m->access == VFIO_READ_WRITE ? VFIO_DMA_MAP_FLAG_WRITE : 0u),
		.vaddr = (uintptr_t)m->hva,
		.iova = m->iova,
		.size = m->len,
	};
	int rc = vfio_call(c, c->fd, VFIO_IOMMU_MAP_DMA, &arg);

	return rc < 0 ? rc : 0;
}

static int group_unmap(struct vfio_ctx *c, const struct vfio_mapping *m)
{
	struct vfio_iommu_type1_dma_unmap arg = {
		.argsz = sizeof(arg),
		.iova = m->iova,
		.size = m->len,
	};
	int rc = vfio_call(c, c->fd, VFIO_IOMMU_UNMAP_DMA, &arg);

	if (rc < 0)
		return rc;
	return arg.size == m->len ? 0 : -EIO;
}

const struct vfio_backend vfio_group_backend = {
	.name = "group",
	.join = group_join,
	.leave = group_leave,
	.ranges = group_ranges,
	.map = group_map,
	.unmap = group_unmap,
};
