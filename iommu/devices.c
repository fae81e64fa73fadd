/* SPDX-License-Identifier: BSD-3-Clause */
/* PCI functions and IOMMU groups out of sysfs. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "iommu/files.h"
#include "iommu/priv.h"
#include "iommu/topology.h"

#define DEVS_MAX   8192u
#define GROUPS_MAX 8192u
#define DEPTH_MAX  32 /* bridges above a device */

/* Lines "0x00000000fee00000 0x00000000feefffff msi". */
static void read_ranges(const char *root, struct iommu_group *g)
{
	char p[FILES_PATH_MAX], text[4096], *line = text, *end;
	ptrdiff_t n = files_bytes(
		files_path(p, root, "sys/kernel/iommu_groups/%u/reserved_regions", g->id), text,
		sizeof(text) - 1);

	text[n > 0 ? n : 0] = 0;
	for (; g->nr_ranges < IOMMU_RANGES_MAX && (end = strchr(line, '\n')); line = end + 1) {
		struct iommu_range *r = &g->range[g->nr_ranges];
		unsigned long long first, last;

		*end = 0;
		if (sscanf(line, "%llx %llx %23s", &first, &last, r->type) != 3 || last < first)
			continue;
		r->first = first;
		r->last = last;
		g->nr_ranges++;
	}
}

static int read_group(const char *root, const char *name, void *ctx)
{
	struct iommu_topology *t = ctx;
	struct iommu_group *more, *g;
	char p[FILES_PATH_MAX], *end;
	unsigned long id = strtoul(name, &end, 10);

	if (end == name || *end || id > UINT32_MAX || t->nr_groups == GROUPS_MAX)
		return 0;
	more = realloc(t->group, (t->nr_groups + 1) * sizeof(*more));
	if (!more)
		return err_set(-ENOMEM, "IOMMU groups");
	t->group = more;
	g = &t->group[t->nr_groups++];
	*g = (struct iommu_group){.id = (unsigned int)id};
	files_text(files_path(p, root, "sys/kernel/iommu_groups/%lu/type", id), g->type,
		   sizeof(g->type));
	read_ranges(root, g);
	return 0;
}

static int by_id(const void *a, const void *b)
{
	const struct iommu_group *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

int iommu_groups_read(const char *root, struct iommu_topology *t)
{
	int rc = files_each(root, "sys/kernel/iommu_groups", read_group, t);

	if (t->nr_groups)
		qsort(t->group, t->nr_groups, sizeof(*t->group), by_id);
	return rc;
}

static void read_group_link(const char *root, struct iommu_topology *t, struct iommu_dev *d)
{
	char p[FILES_PATH_MAX], name[32], *end;
	struct iommu_group key = {0}, *g;

	d->group = IOMMU_NONE;
	if (!files_link(files_path(p, root, "sys/bus/pci/devices/%s/iommu_group", d->name), name,
			sizeof(name)))
		return;
	key.id = (unsigned int)strtoul(name, &end, 10);
	if (*end || !t->nr_groups)
		return;
	g = bsearch(&key, t->group, t->nr_groups, sizeof(*g), by_id);
	if (!g)
		return;
	d->group = (int)(g - t->group);
	g->nr_devs++;
}

static void read_unit_link(const char *root, const struct iommu_topology *t, struct iommu_dev *d)
{
	char p[FILES_PATH_MAX], name[32];

	d->unit = IOMMU_NONE;
	if (!files_link(files_path(p, root, "sys/bus/pci/devices/%s/iommu", d->name), name,
			sizeof(name)))
		return;
	for (unsigned int i = 0; i < t->nr_units; i++)
		if (!strcmp(t->unit[i].name, name))
			d->unit = (int)i;
}

static void read_netdev(const char *root, struct iommu_dev *d)
{
	char p[FILES_PATH_MAX];
	DIR *dir = opendir(files_path(p, root, "sys/bus/pci/devices/%s/net", d->name));
	struct dirent *e;

	if (!dir)
		return;
	while ((e = readdir(dir)))
		if (e->d_name[0] != '.')
			snprintf(d->netdev, sizeof(d->netdev), "%.15s", e->d_name);
	closedir(dir);
}

static uint64_t number(const char *root, const struct iommu_dev *d, const char *file)
{
	char p[FILES_PATH_MAX];
	uint64_t v = 0;

	return files_number(files_path(p, root, "sys/bus/pci/devices/%s/%s", d->name, file), 0, &v)
		       ? v
		       : 0;
}

static void read_numa(const char *root, struct iommu_dev *d)
{
	char p[FILES_PATH_MAX], text[16];

	d->numa_node = IOMMU_NONE;
	if (files_text(files_path(p, root, "sys/bus/pci/devices/%s/numa_node", d->name), text,
		       sizeof(text)))
		d->numa_node = atoi(text);
}

static void read_vf(const char *root, struct iommu_dev *d)
{
	char p[FILES_PATH_MAX], name[32];

	d->is_vf = files_link(files_path(p, root, "sys/bus/pci/devices/%s/physfn", d->name), name,
			      sizeof(name)) &&
		   iommu_bdf_scan(name, strlen(name), &d->pf) == strlen(name);
	d->vfs_total = (unsigned int)number(root, d, "sriov_totalvfs");
	d->vfs_on = (unsigned int)number(root, d, "sriov_numvfs");
}

static void read_config(const char *root, struct iommu_dev *d)
{
	uint8_t cfg[IOMMU_PCI_CONFIG_MAX];
	char p[FILES_PATH_MAX];
	ptrdiff_t n = files_bytes(files_path(p, root, "sys/bus/pci/devices/%s/config", d->name),
				  cfg, sizeof(cfg));

	iommu_pci_parse(cfg, n > 0 ? (size_t)n : 0, &d->pci);
}

static void read_dev(const char *root, struct iommu_topology *t, struct iommu_dev *d)
{
	char p[FILES_PATH_MAX];

	d->vendor = (uint16_t)number(root, d, "vendor");
	d->device = (uint16_t)number(root, d, "device");
	d->class_code = (uint32_t)number(root, d, "class");
	files_link(files_path(p, root, "sys/bus/pci/devices/%s/driver", d->name), d->driver,
		   sizeof(d->driver));
	d->has_reset = files_has(files_path(p, root, "sys/bus/pci/devices/%s/reset", d->name));
	read_group_link(root, t, d);
	read_unit_link(root, t, d);
	read_netdev(root, d);
	read_numa(root, d);
	read_vf(root, d);
	read_config(root, d);
}

static int add_dev(const char *root, const char *name, void *ctx)
{
	struct iommu_topology *t = ctx;
	struct iommu_bdf bdf;
	struct iommu_dev *more;
	size_t len = strlen(name);

	/* Segments of more than four digits are those of VMD domains, which are not assigned. */
	if (iommu_bdf_scan(name, len, &bdf) != len || len != IOMMU_BDF_TEXT - 1 ||
	    t->nr_devs == DEVS_MAX)
		return 0;
	more = realloc(t->dev, (t->nr_devs + 1) * sizeof(*more));
	if (!more)
		return err_set(-ENOMEM, "PCI devices");
	t->dev = more;
	t->dev[t->nr_devs] = (struct iommu_dev){.bdf = bdf, .parent = IOMMU_NONE};
	iommu_bdf_text(bdf, t->dev[t->nr_devs].name);
	read_dev(root, t, &t->dev[t->nr_devs++]);
	return 0;
}

static int by_bdf(const void *a, const void *b)
{
	/* All names have the same length. */
	return strcmp(((const struct iommu_dev *)a)->name, ((const struct iommu_dev *)b)->name);
}

int iommu_topology_find(const struct iommu_topology *t, struct iommu_bdf bdf)
{
	struct iommu_dev key = {.bdf = bdf}, *d;

	if (!t->nr_devs)
		return IOMMU_NONE;
	iommu_bdf_text(bdf, key.name);
	d = bsearch(&key, t->dev, t->nr_devs, sizeof(*d), by_bdf);
	return d ? (int)(d - t->dev) : IOMMU_NONE;
}

/* The link of a device leads to .../<bridge>/<device>, or to .../pci0000:00/<device>. */
static void find_parent(const char *root, struct iommu_topology *t, struct iommu_dev *d)
{
	char p[FILES_PATH_MAX], target[FILES_PATH_MAX], *slash, *above;
	ssize_t n = readlink(files_path(p, root, "sys/bus/pci/devices/%s", d->name), target,
			     sizeof(target) - 1);
	struct iommu_bdf bdf;

	if (n <= 0)
		return;
	target[n] = 0;
	slash = strrchr(target, '/');
	if (!slash)
		return;
	*slash = 0;
	above = strrchr(target, '/');
	if (above && iommu_bdf_scan(above + 1, strlen(above + 1), &bdf) == strlen(above + 1))
		d->parent = iommu_topology_find(t, bdf);
}

int iommu_devs_read(const char *root, struct iommu_topology *t)
{
	int rc = files_each(root, "sys/bus/pci/devices", add_dev, t);

	if (t->nr_devs)
		qsort(t->dev, t->nr_devs, sizeof(*t->dev), by_bdf);
	for (unsigned int i = 0; i < t->nr_devs; i++)
		find_parent(root, t, &t->dev[i]);
	return rc;
}

bool iommu_driver_is_vfio(const char *driver)
{
	/* vfio-pci, mlx5_vfio_pci, hisi_acc_vfio_pci ... */
	return !strcmp(driver, "vfio-pci") || strstr(driver, "vfio_pci");
}

bool iommu_dev_is_held(const struct iommu_dev *d)
{
	return d->driver[0] && !iommu_driver_is_vfio(d->driver) && !d->pci.is_bridge &&
	       strcmp(d->driver, "pci-stub") != 0 && strcmp(d->driver, "pcieport") != 0;
}

unsigned int iommu_group_held(const struct iommu_topology *t, int group, int but, char *buf,
			      unsigned int size)
{
	unsigned int nr = 0, at = 0;

	buf[0] = 0;
	for (unsigned int i = 0; group != IOMMU_NONE && i < t->nr_devs; i++) {
		const struct iommu_dev *d = &t->dev[i];
		int n;

		if (d->group != group || (int)i == but || !iommu_dev_is_held(d))
			continue;
		n = snprintf(buf + at, size - at, "%s%s has %s", nr ? ", " : "", d->name,
			     d->driver);
		at = at + (unsigned int)n < size ? at + (unsigned int)n : size - 1;
		nr++;
	}
	return nr;
}

/* The function that the scope's way leads to: each bridge on it tells the next bus. */
static int walk(const struct iommu_topology *t, uint16_t segment, const struct iommu_scope *s)
{
	struct iommu_bdf bdf = {.segment = segment, .bus = s->start_bus};
	int at = IOMMU_NONE;

	for (unsigned int i = 0; i < s->nr_hops; i++) {
		if (i) {
			if (!t->dev[at].pci.is_bridge)
				return IOMMU_NONE;
			bdf.bus = t->dev[at].pci.secondary;
		}
		bdf.dev = s->hop[i].dev;
		bdf.fn = s->hop[i].fn;
		at = iommu_topology_find(t, bdf);
		if (at == IOMMU_NONE)
			return IOMMU_NONE;
	}
	return at;
}

bool iommu_scope_covers(const struct iommu_topology *t, const struct iommu_dmar_item *item,
			const struct iommu_scope *scope, int dev)
{
	int at;

	if (scope->type != IOMMU_SCOPE_ENDPOINT && scope->type != IOMMU_SCOPE_BRIDGE)
		return false;
	at = walk(t, item->segment, scope);
	if (at == IOMMU_NONE)
		return false;
	for (int depth = 0; dev != IOMMU_NONE && depth < DEPTH_MAX; depth++) {
		if (dev == at)
			return true;
		if (scope->type == IOMMU_SCOPE_ENDPOINT)
			return false;
		dev = t->dev[dev].parent;
	}
	return false;
}
