/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/judge.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CLASS_BRIDGE 0x06u
#define MIB(bytes)   ((bytes) >> 20)

struct judging {
	const struct iommu_topology *t;
	const struct iommu_dev *d;
	const struct iommu_wish *wish;
	struct iommu_verdict *v;
};

static void add(struct iommu_verdict *v, enum iommu_why why, enum iommu_weight weight,
		const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void add(struct iommu_verdict *v, enum iommu_why why, enum iommu_weight weight,
		const char *fmt, ...)
{
	struct iommu_finding *f = &v->finding[v->nr];
	va_list ap;

	if (v->nr == IOMMU_FINDINGS_MAX)
		return;
	v->nr++;
	f->why = why;
	f->weight = weight;
	va_start(ap, fmt);
	vsnprintf(f->detail, sizeof(f->detail), fmt, ap);
	va_end(ap);
	if (weight == IOMMU_BLOCKS)
		v->is_assignable = false;
}

#define ADD(v, why, ...) add(v, why, iommu_why_row(why)->weight, __VA_ARGS__)

static void judge_unit(const struct judging *j)
{
	const struct iommu_host *h = &j->t->host;

	if (!j->t->nr_units && !h->has_dmar && !h->has_ivrs)
		ADD(j->v, IOMMU_WHY_NO_IOMMU, "no DMAR or IVRS table");
	else if (!j->t->nr_units)
		ADD(j->v, IOMMU_WHY_IOMMU_OFF, "%s%s", h->off_by[0] ? h->off_by : "by default",
		    h->off_by[0] ? " on the kernel's command line" : "");
	else if (j->d->group == IOMMU_NONE)
		ADD(j->v, IOMMU_WHY_NO_GROUP, "%s",
		    h->table_error[0] ? h->table_error : "the kernel made none for it");
}

static void judge_intr(const struct judging *j)
{
	const struct iommu_host *h = &j->t->host;
	bool is_allowed = j->wish && j->wish->is_unsafe_allowed;

	if (!j->t->nr_units)
		return;
	/* Not known is not on: the kernel would refuse too, or was told not to. */
	if (h->intr_remap != IOMMU_INTR_ON)
		add(j->v, IOMMU_WHY_NO_INTR_REMAP, is_allowed ? IOMMU_NOTE : IOMMU_BLOCKS, "%s",
		    h->intr_evidence);
	if (h->is_unsafe_set)
		ADD(j->v, IOMMU_WHY_UNSAFE_INTERRUPTS, "interrupt remapping itself is %s",
		    h->intr_remap == IOMMU_INTR_ON ? "on" : "not on");
}

/* A port without isolation matters when others share the group, or when the kernel was told to pretend. */
static void judge_acs(const struct judging *j, bool is_viable)
{
	const struct iommu_group *g = &j->t->group[j->d->group];
	int at = j->d->parent;

	for (int depth = 0; at != IOMMU_NONE && depth < 32; depth++) {
		const struct iommu_dev *b = &j->t->dev[at];

		at = b->parent;
		if (!iommu_pci_leaks(&b->pci))
			continue;
		if (j->t->host.has_acs_override)
			add(j->v, IOMMU_WHY_NO_ACS, IOMMU_BLOCKS,
			    "%s; pcie_acs_override= makes the kernel pretend that it has", b->name);
		else if (g->nr_devs > 1)
			add(j->v, IOMMU_WHY_NO_ACS, is_viable ? IOMMU_NOTE : IOMMU_BLOCKS,
			    "%s, so group %u has %u devices", b->name, g->id, g->nr_devs);
	}
}

static void judge_group(const struct judging *j)
{
	char held[192];
	unsigned int nr;

	if (j->d->group == IOMMU_NONE)
		return;
	nr = iommu_group_held(j->t, j->d->group, j->v->dev, held, sizeof(held));
	if (nr)
		ADD(j->v, IOMMU_WHY_GROUP_NOT_VIABLE, "group %u: %s", j->t->group[j->d->group].id,
		    held);
	judge_acs(j, nr == 0);
}

/* The kernel's own word first; the firmware's table where the kernel has none for the device. */
static void judge_rmrr(const struct judging *j)
{
	const struct iommu_dmar *dmar = j->t->dmar;

	if (j->d->group != IOMMU_NONE) {
		const struct iommu_group *g = &j->t->group[j->d->group];

		for (unsigned int i = 0; i < g->nr_ranges; i++)
			if (!strcmp(g->range[i].type, "direct"))
				ADD(j->v, IOMMU_WHY_RMRR, "0x%" PRIx64 "-0x%" PRIx64,
				    g->range[i].first, g->range[i].last);
		return;
	}
	for (unsigned int i = 0; dmar && i < dmar->nr_items; i++) {
		const struct iommu_dmar_item *it = &dmar->item[i];

		for (unsigned int k = 0; it->type == IOMMU_DMAR_RMRR && k < it->nr_scopes; k++)
			if (iommu_scope_covers(j->t, it, &dmar->scopes[it->scope + k], j->v->dev))
				ADD(j->v, IOMMU_WHY_RMRR,
				    "0x%" PRIx64 "-0x%" PRIx64 " by the DMAR table", it->base,
				    it->last);
	}
}

static void judge_driver(const struct judging *j)
{
	const struct iommu_dev *d = j->d;

	if (iommu_dev_is_held(d))
		ADD(j->v, IOMMU_WHY_WRONG_DRIVER, "%s%s%s", d->driver,
		    d->netdev[0] ? ", interface " : "", d->netdev);
	if (d->vfs_on)
		ADD(j->v, IOMMU_WHY_PF_HAS_VFS, "%u of %u", d->vfs_on, d->vfs_total);
}

static void judge_vfio(const struct judging *j)
{
	const struct iommu_host *h = &j->t->host;

	if (!h->has_vfio_pci)
		ADD(j->v, IOMMU_WHY_NO_VFIO_MODULE, "no /sys/bus/pci/drivers/vfio-pci");
	else if (!h->has_vfio && !h->has_iommufd) /* the files come with the module */
		ADD(j->v, IOMMU_WHY_NO_VFIO_ACCESS,
		    "neither /dev/vfio/vfio nor /dev/iommu is there");
	else if (!h->may_vfio && !h->may_iommufd)
		ADD(j->v, IOMMU_WHY_NO_VFIO_ACCESS, "%s cannot be opened for reading and writing",
		    h->has_vfio ? "/dev/vfio/vfio" : "/dev/iommu");
}

static void judge_function(const struct judging *j)
{
	const struct iommu_dev *d = j->d;

	/* Every VF has FLR (PCIe spec §9.2.2.2); the kernel's file says the same of others. */
	if (!d->has_reset && !d->pci.has_flr && !d->is_vf)
		ADD(j->v, IOMMU_WHY_NO_RESET, "no reset in sysfs, no FLR in its configuration");
	/* Without root only the first 64 bytes can be read, which have no capabilities. */
	if (d->pci.has_caps && !d->pci.has_msix)
		ADD(j->v, IOMMU_WHY_NO_MSIX, "device %04x:%04x", d->vendor, d->device);
}

static void judge_ranges(const struct judging *j)
{
	const struct iommu_group *g;

	if (j->d->group == IOMMU_NONE)
		return;
	g = &j->t->group[j->d->group];
	for (unsigned int i = 0; i < g->nr_ranges; i++)
		for (unsigned int k = 0; k < j->wish->nr_ram; k++) {
			const struct iommu_range *r = &g->range[i], *ram = &j->wish->ram[k];

			/* The kernel lets these be mapped over. */
			if (!strcmp(r->type, "direct-relaxable"))
				continue;
			if (ram->first <= r->last && r->first <= ram->last)
				ADD(j->v, IOMMU_WHY_RESERVED_RANGE,
				    "0x%" PRIx64 "-0x%" PRIx64 " (%s) inside of RAM 0x%" PRIx64
				    "-0x%" PRIx64,
				    r->first, r->last, r->type, ram->first, ram->last);
		}
}

static void judge_reach(const struct judging *j)
{
	unsigned int bits = j->d->unit == IOMMU_NONE ? 0 : j->t->unit[j->d->unit].address_bits;

	for (unsigned int k = 0; bits && bits < 64 && k < j->wish->nr_ram; k++)
		if (j->wish->ram[k].last >> bits)
			ADD(j->v, IOMMU_WHY_RESERVED_RANGE,
			    "RAM up to 0x%" PRIx64 ", and the unit translates %u bits",
			    j->wish->ram[k].last, bits);
}

static void judge_memlock(const struct judging *j)
{
	const struct iommu_host *h = &j->t->host;
	uint64_t want = 0;

	for (unsigned int k = 0; k < j->wish->nr_ram; k++)
		want += j->wish->ram[k].last - j->wish->ram[k].first + 1;
	if (want <= h->memlock || want <= h->memlock_max || h->has_ipc_lock || h->has_sys_resource)
		return;
	ADD(j->v, IOMMU_WHY_MEMLOCK, "the limit is %" PRIu64 " MiB, %" PRIu64 " MiB are needed",
	    MIB(h->memlock_max), MIB(want));
}

static bool is_endpoint(const struct iommu_dev *d)
{
	return !d->pci.is_bridge && d->class_code >> 16 != CLASS_BRIDGE;
}

void iommu_judge(const struct iommu_topology *t, const char *bdf, const struct iommu_wish *wish,
		 struct iommu_verdict *out)
{
	struct judging j = {.t = t, .wish = wish, .v = out};
	struct iommu_bdf at;

	*out = (struct iommu_verdict){.dev = IOMMU_NONE, .is_assignable = true};
	snprintf(out->subject, sizeof(out->subject), "%.23s", bdf);
	if (iommu_bdf_parse(bdf, &at)) {
		ADD(out, IOMMU_WHY_NOT_A_FUNCTION, "no PCI address");
		return;
	}
	iommu_bdf_text(at, out->subject);
	out->dev = iommu_topology_find(t, at);
	if (out->dev == IOMMU_NONE) {
		ADD(out, IOMMU_WHY_NO_DEVICE, "none of %u", t->nr_devs);
		return;
	}
	j.d = &t->dev[out->dev];
	if (!is_endpoint(j.d)) {
		ADD(out, IOMMU_WHY_NOT_A_FUNCTION, "it is a bridge");
		return;
	}
	judge_unit(&j);
	judge_intr(&j);
	judge_group(&j);
	judge_rmrr(&j);
	judge_driver(&j);
	judge_vfio(&j);
	judge_function(&j);
	if (!wish)
		return;
	judge_ranges(&j);
	judge_reach(&j);
	judge_memlock(&j);
}

int iommu_verdict_refuse(const struct iommu_verdict *v)
{
	for (unsigned int i = 0; i < v->nr; i++)
		if (v->finding[i].weight == IOMMU_BLOCKS)
			return iommu_refuse(v->finding[i].why, v->subject, "%s",
					    v->finding[i].detail);
	return 0;
}
