/* SPDX-License-Identifier: BSD-3-Clause */
/* The context: which memory is mapped, and devices that come and go. */
#include "iommu/vfio.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "iommu/files.h"
#include "iommu/judge.h"
#include "iommu/vfio_priv.h"

/* Beside guest memory: what else of this process may be locked. */
#define MEMLOCK_SLACK (64ull << 20)
#define MIB(bytes)    ((bytes) >> 20)

int vfio_open(struct vfio_ctx **out, const struct vfio_cfg *cfg)
{
	struct vfio_ctx *c = calloc(1, sizeof(*c));

	if (!c)
		return err_set(-ENOMEM, "%s: VFIO", cfg->name);
	snprintf(c->name, sizeof(c->name), "%s", cfg->name);
	c->root = cfg->root;
	c->ops = cfg->ops ? cfg->ops : &vfio_sys_ops;
	c->sys = cfg->sys;
	c->want = cfg->backend;
	c->is_unsafe_allowed = cfg->is_unsafe_allowed;
	c->fd = -1;
	for (unsigned int i = 0; i < VFIO_DEVS_MAX; i++)
		c->group[i].fd = -1;
	*out = c;
	return 0;
}

void vfio_close(struct vfio_ctx *c)
{
	if (!c)
		return;
	while (c->nr_devs)
		vfio_detach(c->dev[c->nr_devs - 1]);
	vfio_fd_close(c, &c->fd);
	free(c);
}

void vfio_fd_close(struct vfio_ctx *c, int *fd)
{
	if (*fd >= 0)
		c->ops->close(c->sys, *fd);
	*fd = -1;
}

/* Causes that make the kernel say no with a number only. */
static bool is_kernels_cause(enum iommu_why why)
{
	static const enum iommu_why causes[] = {
		IOMMU_WHY_NO_IOMMU,	    IOMMU_WHY_IOMMU_OFF, IOMMU_WHY_NO_GROUP,
		IOMMU_WHY_NO_INTR_REMAP,    IOMMU_WHY_RMRR,	 IOMMU_WHY_NO_ACS,
		IOMMU_WHY_GROUP_NOT_VIABLE,
	};

	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (causes[i] == why)
			return true;
	return false;
}

int vfio_explain(struct vfio_ctx *c, const char *bdf, int rc, const char *step)
{
	struct iommu_wish wish = {.is_unsafe_allowed = c->is_unsafe_allowed};
	struct iommu_topology *t = NULL;
	struct iommu_verdict v = {0};

	if (iommu_topology_create(&t, c->root) == 0)
		iommu_judge(t, bdf, &wish, &v);
	iommu_topology_destroy(t);
	for (unsigned int i = 0; i < v.nr; i++)
		if (v.finding[i].weight == IOMMU_BLOCKS && is_kernels_cause(v.finding[i].why))
			return iommu_refuse(v.finding[i].why, bdf, "%s", v.finding[i].detail);
	return iommu_refuse(IOMMU_WHY_VFIO_FAILED, bdf, "%s: %s", step, strerror(-rc));
}

/* A host whose kernel was told to close its eyes is not one where we do. The kernel refuses a host without
 * interrupt remapping by itself, so only then there is something to look for. */
static int check_interrupts(struct vfio_ctx *c, const char *bdf)
{
	struct iommu_topology *t = NULL;
	int rc = iommu_topology_create(&t, c->root);

	if (rc)
		return rc;
	if (t->host.is_unsafe_set && t->host.intr_remap != IOMMU_INTR_ON) {
		if (!c->is_unsafe_allowed)
			rc = iommu_refuse(IOMMU_WHY_NO_INTR_REMAP, bdf, "%s",
					  t->host.intr_evidence);
		else
			log_warn(c->name,
				 "%s without interrupt remapping, as configured: the guest can "
				 "raise any interrupt of the host",
				 bdf);
	}
	iommu_topology_destroy(t);
	return rc;
}

/* ---- memory ---- */

static bool is_inside(const struct vfio_ctx *c, const struct vfio_mapping *m)
{
	uint64_t last = m->iova + m->len - 1;

	for (unsigned int i = 0; i < c->nr_ranges; i++)
		if (m->iova >= c->range[i].first && last <= c->range[i].last)
			return true;
	return c->nr_ranges == 0; /* the kernel does not tell them: it decides at the mapping */
}

/* The first byte of the mapping that is in no range. */
static uint64_t first_outside(const struct vfio_ctx *c, const struct vfio_mapping *m)
{
	uint64_t at = m->iova;

	for (unsigned int i = 0; i < c->nr_ranges; i++)
		if (at >= c->range[i].first && at <= c->range[i].last)
			at = c->range[i].last + 1;
	return at;
}

static int explain_map(struct vfio_ctx *c, const struct vfio_mapping *m, int rc)
{
	uint64_t have = 0, sum = 0;

	for (unsigned int i = 0; i < c->nr_maps; i++)
		sum += c->map[i].len;
	/* Memory of the kernel's own may be short, too: then the limit is not to blame. */
	if (rc == -ENOMEM && c->ops->memlock(c->sys, sum + MEMLOCK_SLACK, &have) < 0)
		return iommu_refuse(IOMMU_WHY_MEMLOCK, c->name,
				    "the limit is %" PRIu64 " MiB, %" PRIu64 " MiB are needed",
				    MIB(have), MIB(sum));
	if (rc == -ENOSPC)
		return iommu_refuse(IOMMU_WHY_MAPS_FULL, c->name, "at mapping %u of %u",
				    (unsigned int)(m - c->map) + 1, c->nr_maps);
	return iommu_refuse(rc == -EADDRINUSE ? IOMMU_WHY_RESERVED_RANGE : IOMMU_WHY_MAP_FAILED,
			    c->name, "0x%" PRIx64 "-0x%" PRIx64 ": %s", m->iova,
			    m->iova + m->len - 1, strerror(-rc));
}

static int map_one(struct vfio_ctx *c, const struct vfio_mapping *m)
{
	uint64_t start;
	int rc;

	if (!is_inside(c, m))
		return iommu_refuse(IOMMU_WHY_RESERVED_RANGE, c->name,
				    "0x%" PRIx64 " of RAM 0x%" PRIx64 "-0x%" PRIx64,
				    first_outside(c, m), m->iova, m->iova + m->len - 1);
	start = c->ops->now_ns(c->sys);
	rc = c->backend->map(c, m);
	c->map_ns += c->ops->now_ns(c->sys) - start;
	c->nr_map_calls++;
	return rc ? explain_map(c, m, rc) : 0;
}

static int unmap_one(struct vfio_ctx *c, const struct vfio_mapping *m)
{
	int rc = c->backend->unmap(c, m);

	return rc ? err_set(-EIO, "%s: the kernel did not unmap 0x%" PRIx64 "-0x%" PRIx64 ": %s",
			    c->name, m->iova, m->iova + m->len - 1, strerror(-rc))
		  : 0;
}

/* All or nothing: a device must not run with half of the guest's memory. */
static int map_all(struct vfio_ctx *c)
{
	for (unsigned int i = 0; i < c->nr_maps; i++) {
		int rc = map_one(c, &c->map[i]);

		if (rc == 0)
			continue;
		while (i-- > 0)
			c->backend->unmap(c, &c->map[i]);
		return rc;
	}
	c->is_live = true;
	return 0;
}

static int check_mapping(const struct vfio_ctx *c, const struct vfio_mapping *m)
{
	if (!m->len || (m->iova | m->len | (uintptr_t)m->hva) % VFIO_PAGE ||
	    m->iova + m->len - 1 < m->iova)
		return err_set(-EINVAL, "%s: 0x%" PRIx64 " + 0x%" PRIx64 " is not a range of pages",
			       c->name, m->iova, m->len);
	for (unsigned int i = 0; i < c->nr_maps; i++)
		if (m->iova <= c->map[i].iova + (c->map[i].len - 1) &&
		    c->map[i].iova <= m->iova + (m->len - 1))
			return err_set(-EEXIST, "%s: 0x%" PRIx64 " is mapped already", c->name,
				       m->iova);
	if (c->nr_maps == VFIO_MAPS_MAX)
		return err_set(-ENOSPC, "%s: more than %u regions of memory", c->name,
			       VFIO_MAPS_MAX);
	return 0;
}

/* As much as may be had. Whether it is enough the kernel decides: the limit does not hold for all. */
static void raise_memlock(struct vfio_ctx *c)
{
	uint64_t want = MEMLOCK_SLACK, have;

	for (unsigned int i = 0; i < c->nr_maps; i++)
		want += c->map[i].len;
	c->ops->memlock(c->sys, want, &have);
}

int vfio_map(struct vfio_ctx *c, uint64_t iova, void *hva, uint64_t len, enum vfio_access access)
{
	struct vfio_mapping m = {.iova = iova, .len = len, .hva = hva, .access = access};
	int rc = check_mapping(c, &m);

	if (rc)
		return rc;
	c->map[c->nr_maps++] = m;
	raise_memlock(c);
	if (!c->is_live)
		return 0;
	rc = map_one(c, &c->map[c->nr_maps - 1]);
	if (rc)
		c->nr_maps--;
	return rc;
}

int vfio_unmap(struct vfio_ctx *c, uint64_t iova, uint64_t len)
{
	for (unsigned int i = 0; i < c->nr_maps; i++) {
		int rc = 0;

		if (c->map[i].iova != iova || c->map[i].len != len)
			continue;
		if (c->is_live)
			rc = unmap_one(c, &c->map[i]);
		if (rc == 0)
			c->map[i] = c->map[--c->nr_maps];
		return rc;
	}
	return err_set(-ENOENT, "%s: nothing was mapped at 0x%" PRIx64 " + 0x%" PRIx64, c->name,
		       iova, len);
}

static uint64_t page_of(const struct vfio_ctx *c, const struct vfio_mapping *m)
{
	static const uint64_t sizes[] = {1ull << 30, 2ull << 20};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if ((!c->page_sizes || c->page_sizes & sizes[i]) && m->len >= sizes[i] &&
		    ((m->iova ^ (uintptr_t)m->hva) & (sizes[i] - 1)) == 0)
			return sizes[i];
	return VFIO_PAGE;
}

void vfio_status(const struct vfio_ctx *c, struct vfio_status *out)
{
	*out = (struct vfio_status){
		.backend = c->backend ? c->backend->name : "none yet",
		.nr_devs = c->nr_devs,
		.nr_maps = c->nr_maps,
		.map_ns = c->map_ns,
		.nr_map_calls = c->nr_map_calls,
		.nr_ranges = c->nr_ranges,
	};
	memcpy(out->range, c->range, sizeof(out->range));
	for (unsigned int i = 0; i < c->nr_maps; i++) {
		uint64_t page = page_of(c, &c->map[i]);

		out->bytes += c->map[i].len;
		if (!out->page_bytes || page < out->page_bytes)
			out->page_bytes = page;
	}
}

/* ---- devices ---- */

/* iommufd where the device has a file of its own that we may open, as it does not need the whole group's. */
static const struct vfio_backend *choose(const struct vfio_ctx *c, const char *bdf)
{
	char p[FILES_PATH_MAX], name[32];

	if (c->want == VFIO_BACKEND_GROUP)
		return &vfio_group_backend;
	if (c->want == VFIO_BACKEND_CDEV)
		return &vfio_cdev_backend;
	if (vfio_cdev_name(c, bdf, name, sizeof(name)) &&
	    access(files_path(p, c->root, "dev/iommu"), R_OK | W_OK) == 0 &&
	    access(files_path(p, c->root, "dev/vfio/devices/%s", name), R_OK | W_OK) == 0)
		return &vfio_cdev_backend;
	return &vfio_group_backend;
}

/* After join(): the address space as this device, too, allows it. */
static int settle(struct vfio_ctx *c)
{
	int rc = c->backend->ranges(c);

	if (rc)
		return rc;
	if (!c->is_live)
		return map_all(c);
	for (unsigned int i = 0; i < c->nr_maps; i++)
		if (!is_inside(c, &c->map[i]))
			return iommu_refuse(IOMMU_WHY_RESERVED_RANGE, c->name,
					    "0x%" PRIx64 ", mapped for other devices",
					    first_outside(c, &c->map[i]));
	return 0;
}

static int bring_up(struct vfio_dev *d)
{
	struct vfio_ctx *c = d->ctx;
	int rc = c->backend->join(c, d);

	if (rc == 0)
		rc = settle(c);
	if (rc == 0)
		rc = vfio_dev_init(d);
	if (rc == 0)
		rc = vfio_dev_reset(d);
	return rc;
}

static struct vfio_dev *dev_new(struct vfio_ctx *c, struct iommu_bdf bdf)
{
	struct vfio_dev *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->ctx = c;
	d->fd = -1;
	d->err_fd = -1;
	d->req_fd = -1;
	iommu_bdf_text(bdf, d->name);
	return d;
}

static void dev_free(struct vfio_dev *d)
{
	struct vfio_ctx *c = d->ctx;

	c->backend->leave(c, d);
	vfio_fd_close(c, &d->err_fd);
	vfio_fd_close(c, &d->req_fd);
	free(d);
	if (!c->nr_devs)
		c->backend = NULL; /* the next one may come another way */
}

int vfio_attach(struct vfio_ctx *c, const char *bdf, struct vfio_dev **out)
{
	struct vfio_dev *d;
	struct iommu_bdf at;
	char p[FILES_PATH_MAX];
	int rc;

	iommu_refuse_clear();
	if (iommu_bdf_parse(bdf, &at))
		return iommu_refuse(IOMMU_WHY_NOT_A_FUNCTION, bdf, "no PCI address");
	if (c->nr_devs == VFIO_DEVS_MAX)
		return err_set(-ENOSPC, "%s: more than %u devices", c->name, VFIO_DEVS_MAX);
	d = dev_new(c, at);
	if (!d)
		return err_set(-ENOMEM, "%s: device %s", c->name, bdf);
	if (!files_has(files_path(p, c->root, "sys/bus/pci/devices/%s", d->name)))
		rc = iommu_refuse(IOMMU_WHY_NO_DEVICE, d->name, NULL);
	else
		rc = check_interrupts(c, d->name);
	if (rc) {
		free(d);
		return rc;
	}
	if (!c->backend)
		c->backend = choose(c, d->name);
	rc = bring_up(d);
	if (rc) {
		dev_free(d);
		return rc;
	}
	c->dev[c->nr_devs++] = d;
	*out = d;
	return 0;
}

/* A guest's device must not go on writing while its memory is given away. */
static void stop_dma(struct vfio_dev *d)
{
	uint64_t cmd;

	if (vfio_dev_read(d, VFIO_REGION_CONFIG, 4, 2, &cmd) == 0)
		vfio_dev_write(d, VFIO_REGION_CONFIG, 4, 2, cmd & ~4ull);
}

int vfio_detach(struct vfio_dev *d)
{
	struct vfio_ctx *c;
	int rc;

	if (!d)
		return 0;
	c = d->ctx;
	for (int i = 0; i < VFIO_IRQ_COUNT; i++)
		vfio_dev_irqs_off(d, (enum vfio_irq)i);
	stop_dma(d);
	rc = vfio_dev_reset(d);
	for (unsigned int i = 0; i < c->nr_devs; i++)
		if (c->dev[i] == d)
			c->dev[i] = c->dev[--c->nr_devs];
	dev_free(d);
	return rc;
}
