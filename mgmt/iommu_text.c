/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/iommu_text.h"

#include <inttypes.h>
#include <string.h>

#include "iommu/judge.h"
#include "iommu/why.h"

#define CLASS_NETWORK 0x02u
#define MIB(bytes)    ((bytes) >> 20)

static const char *const kind_word[] = {
	[IOMMU_UNIT_OTHER] = "other",
	[IOMMU_UNIT_INTEL] = "VT-d",
	[IOMMU_UNIT_AMD] = "AMD-Vi",
};

static const char *const intr_word[] = {
	[IOMMU_INTR_UNKNOWN] = "unknown",
	[IOMMU_INTR_OFF] = "off",
	[IOMMU_INTR_ON] = "on",
};

static const char *yes_no(bool is)
{
	return is ? "yes" : "no";
}

/* ---- for people ---- */

static void print_unit(FILE *to, const struct iommu_unit *u)
{
	fprintf(to, "%-9s %s", u->name, kind_word[u->kind]);
	if (u->address)
		fprintf(to, " at 0x%" PRIx64, u->address);
	if (u->address_bits)
		fprintf(to, ", %u address bits", u->address_bits);
	fprintf(to, ", pages up to %s", u->has_1g ? "1 GiB" : u->has_2m ? "2 MiB" : "4 KiB");
	fprintf(to, ", can remap interrupts: %s, post them: %s\n", yes_no(u->has_intr_remap),
		yes_no(u->has_posted));
}

static void print_limit(FILE *to, const struct iommu_host *h)
{
	if (h->has_ipc_lock)
		fprintf(to, "locked memory: no limit for this user\n");
	else if (h->memlock == UINT64_MAX)
		fprintf(to, "locked memory: unlimited\n");
	else if (h->memlock_max == UINT64_MAX)
		fprintf(to, "locked memory: %" PRIu64 " MiB, can be raised\n", MIB(h->memlock));
	else
		fprintf(to, "locked memory: %" PRIu64 " MiB, can be raised to %" PRIu64 " MiB\n",
			MIB(h->memlock), MIB(h->memlock_max));
}

static void print_rmrrs(FILE *to, const struct iommu_dmar *dmar)
{
	for (unsigned int i = 0; dmar && i < dmar->nr_items; i++)
		if (dmar->item[i].type == IOMMU_DMAR_RMRR)
			fprintf(to, "RMRR      0x%" PRIx64 "-0x%" PRIx64 ", %u devices\n",
				dmar->item[i].base, dmar->item[i].last, dmar->item[i].nr_scopes);
}

static void print_machine(FILE *to, const struct iommu_topology *t)
{
	const struct iommu_host *h = &t->host;

	for (unsigned int i = 0; i < t->nr_units; i++)
		print_unit(to, &t->unit[i]);
	if (!t->nr_units)
		fprintf(to, "no IOMMU in use%s%s\n", h->off_by[0] ? ": " : "", h->off_by);
	if (h->table_error[0])
		fprintf(to, "%s\n", h->table_error);
	print_rmrrs(to, t->dmar);
	fprintf(to, "interrupt remapping: %s (%s)\n", intr_word[h->intr_remap], h->intr_evidence);
	if (h->is_unsafe_set)
		fprintf(to, "UNSAFE INTERRUPTS are allowed in the kernel's VFIO\n");
	fprintf(to, "vfio-pci: %s; /dev/vfio/vfio: %s; /dev/iommu: %s\n",
		h->has_vfio_pci ? "loaded" : "not loaded",
		h->may_vfio   ? "usable"
		: h->has_vfio ? "not for this user"
			      : "not there",
		h->may_iommufd	 ? "usable"
		: h->has_iommufd ? "not for this user"
				 : "not there");
	print_limit(to, h);
}

static char *what_it_is(const struct iommu_dev *d, char *buf, size_t size)
{
	char pf[IOMMU_BDF_TEXT];

	if (d->is_vf)
		snprintf(buf, size, "VF of %s", iommu_bdf_text(d->pf, pf));
	else if (d->vfs_total)
		snprintf(buf, size, "PF, %u of %u VFs%s%s", d->vfs_on, d->vfs_total,
			 d->netdev[0] ? ", " : "", d->netdev);
	else
		snprintf(buf, size, "%04x:%04x%s%s", d->vendor, d->device, d->netdev[0] ? ", " : "",
			 d->netdev);
	return buf;
}

static void print_answer(FILE *to, const struct iommu_verdict *v)
{
	const char *sep = v->is_assignable ? "yes" : "no: ";

	if (v->is_assignable) {
		fprintf(to, "%s\n", sep);
		return;
	}
	for (unsigned int i = 0; i < v->nr; i++) {
		if (v->finding[i].weight != IOMMU_BLOCKS)
			continue;
		fprintf(to, "%s%s", sep, iommu_why_row(v->finding[i].why)->id);
		sep = ", ";
	}
	fprintf(to, "\n");
}

static void print_row(FILE *to, const struct iommu_topology *t, const struct iommu_dev *d)
{
	struct iommu_verdict v;
	char what[64], group[16] = "-";

	iommu_judge(t, d->name, NULL, &v);
	if (d->group != IOMMU_NONE)
		snprintf(group, sizeof(group), "%u", t->group[d->group].id);
	fprintf(to, "%-13s %5s %-12s %-26s ", d->name, group, d->driver[0] ? d->driver : "-",
		what_it_is(d, what, sizeof(what)));
	print_answer(to, &v);
}

static bool is_worth_a_line(const struct iommu_dev *d)
{
	return d->class_code >> 16 == CLASS_NETWORK || iommu_driver_is_vfio(d->driver);
}

void iommu_print_host(FILE *to, const struct iommu_topology *t)
{
	unsigned int nr = 0;

	print_machine(to, t);
	fprintf(to, "\n%-13s %5s %-12s %-26s %s\n", "DEVICE", "GROUP", "DRIVER", "WHAT", "ASSIGN");
	for (unsigned int i = 0; i < t->nr_devs; i++) {
		if (!is_worth_a_line(&t->dev[i]))
			continue;
		print_row(to, t, &t->dev[i]);
		nr++;
	}
	fprintf(to, "%u of %u PCI functions; `nethv iommu DEVICE` says why not, and what helps\n",
		nr, t->nr_devs);
}

static void print_group(FILE *to, const struct iommu_topology *t, const struct iommu_dev *d)
{
	const struct iommu_group *g = &t->group[d->group];

	fprintf(to, "group %u (%s):", g->id, g->type[0] ? g->type : "type not known");
	for (unsigned int i = 0; i < t->nr_devs; i++)
		if (t->dev[i].group == d->group)
			fprintf(to, " %s (%s)", t->dev[i].name,
				t->dev[i].driver[0] ? t->dev[i].driver : "no driver");
	fprintf(to, "\n");
	for (unsigned int i = 0; i < g->nr_ranges; i++)
		fprintf(to, "reserved: 0x%" PRIx64 "-0x%" PRIx64 " %s\n", g->range[i].first,
			g->range[i].last, g->range[i].type);
}

static void print_dev(FILE *to, const struct iommu_topology *t, const struct iommu_dev *d)
{
	char what[64];

	fprintf(to, "%s: %s, driver %s", d->name, what_it_is(d, what, sizeof(what)),
		d->driver[0] ? d->driver : "none");
	if (d->unit != IOMMU_NONE)
		fprintf(to, ", unit %s", t->unit[d->unit].name);
	if (d->numa_node >= 0)
		fprintf(to, ", NUMA node %d", d->numa_node);
	fprintf(to, "\n");
	if (!d->pci.has_caps)
		fprintf(to, "its capabilities can be read by root only\n");
	else
		fprintf(to, "MSI-X: %u, FLR: %s\n", d->pci.nr_msix, yes_no(d->pci.has_flr));
	if (d->group != IOMMU_NONE)
		print_group(to, t, d);
}

void iommu_print_dev(FILE *to, const struct iommu_topology *t, const struct iommu_verdict *v)
{
	if (v->dev != IOMMU_NONE)
		print_dev(to, t, &t->dev[v->dev]);
	for (unsigned int i = 0; i < v->nr; i++) {
		const struct iommu_finding *f = &v->finding[i];
		const struct iommu_why_row *r = iommu_why_row(f->why);

		fprintf(to, "%-7s %s (%s) [%s]\n%-7s -> %s\n", iommu_weight_word(f->weight),
			r->text, f->detail, r->id, "", r->step);
	}
	fprintf(to, "%s: %s\n", v->subject,
		v->is_assignable ? "can be assigned" : "cannot be assigned");
}

/* ---- for programs ---- */

/* 64-bit addresses as text: a JSON reader may keep numbers as doubles. */
static json_t *hex(uint64_t v)
{
	return json_sprintf("0x%" PRIx64, v);
}

static json_t *ranges_json(const struct iommu_group *g)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < g->nr_ranges; i++)
		json_array_append_new(
			list, json_pack("{s:o, s:o, s:s}", "first", hex(g->range[i].first), "last",
					hex(g->range[i].last), "type", g->range[i].type));
	return list;
}

static json_t *groups_json(const struct iommu_topology *t)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < t->nr_groups; i++) {
		json_t *devs = json_array();

		for (unsigned int k = 0; k < t->nr_devs; k++)
			if (t->dev[k].group == (int)i)
				json_array_append_new(devs, json_string(t->dev[k].name));
		json_array_append_new(list,
				      json_pack("{s:i, s:s, s:o, s:o}", "id", (int)t->group[i].id,
						"type", t->group[i].type, "devices", devs,
						"reserved", ranges_json(&t->group[i])));
	}
	return list;
}

static json_t *units_json(const struct iommu_topology *t)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < t->nr_units; i++) {
		const struct iommu_unit *u = &t->unit[i];

		json_array_append_new(
			list, json_pack("{s:s, s:s, s:o, s:i, s:b, s:b, s:b, s:b}", "name", u->name,
					"kind", kind_word[u->kind], "address", hex(u->address),
					"address_bits", (int)u->address_bits, "interrupt_remapping",
					u->has_intr_remap, "posted_interrupts", u->has_posted,
					"pages_2m", u->has_2m, "pages_1g", u->has_1g));
	}
	return list;
}

static json_t *rmrrs_json(const struct iommu_dmar *dmar)
{
	json_t *list = json_array();

	for (unsigned int i = 0; dmar && i < dmar->nr_items; i++)
		if (dmar->item[i].type == IOMMU_DMAR_RMRR)
			json_array_append_new(list, json_pack("{s:i, s:o, s:o}", "segment",
							      dmar->item[i].segment, "first",
							      hex(dmar->item[i].base), "last",
							      hex(dmar->item[i].last)));
	return list;
}

static json_t *findings_json(const struct iommu_verdict *v)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < v->nr; i++) {
		const struct iommu_finding *f = &v->finding[i];
		const struct iommu_why_row *r = iommu_why_row(f->why);

		json_array_append_new(list,
				      json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", r->id, "weight",
						iommu_weight_word(f->weight), "what", r->text,
						"detail", f->detail, "next", r->step));
	}
	return list;
}

static void add_dev(json_t *o, const struct iommu_topology *t, const struct iommu_dev *d)
{
	char pf[IOMMU_BDF_TEXT];

	json_object_set_new(o, "vendor", json_sprintf("%04x", d->vendor));
	json_object_set_new(o, "device", json_sprintf("%04x", d->device));
	json_object_set_new(o, "class", json_sprintf("%06x", d->class_code));
	json_object_set_new(o, "driver", d->driver[0] ? json_string(d->driver) : json_null());
	json_object_set_new(o, "netdev", d->netdev[0] ? json_string(d->netdev) : json_null());
	json_object_set_new(o, "group",
			    d->group == IOMMU_NONE ? json_null()
						   : json_integer(t->group[d->group].id));
	json_object_set_new(o, "unit",
			    d->unit == IOMMU_NONE ? json_null()
						  : json_string(t->unit[d->unit].name));
	json_object_set_new(o, "numa_node", json_integer(d->numa_node));
	json_object_set_new(o, "pf",
			    d->is_vf ? json_string(iommu_bdf_text(d->pf, pf)) : json_null());
	json_object_set_new(o, "vfs_total", json_integer(d->vfs_total));
	json_object_set_new(o, "vfs_on", json_integer(d->vfs_on));
}

json_t *iommu_dev_json(const struct iommu_topology *t, const struct iommu_verdict *v)
{
	/* The name is the user's text when it is no device: it need not be UTF-8. */
	json_t *name = json_string(v->subject);
	json_t *o = json_pack("{s:o, s:b, s:o}", "bdf", name ? name : json_null(), "assignable",
			      v->is_assignable, "findings", findings_json(v));

	if (o && v->dev != IOMMU_NONE)
		add_dev(o, t, &t->dev[v->dev]);
	return o;
}

static json_t *devs_json(const struct iommu_topology *t)
{
	json_t *list = json_array();
	struct iommu_verdict v;

	for (unsigned int i = 0; i < t->nr_devs; i++) {
		iommu_judge(t, t->dev[i].name, NULL, &v);
		json_array_append_new(list, iommu_dev_json(t, &v));
	}
	return list;
}

json_t *iommu_host_json(const struct iommu_topology *t)
{
	const struct iommu_host *h = &t->host;

	return json_pack("{s:s, s:s, s:b, s:b, s:b, s:b, s:s, s:o, s:o, s:o, s:o}",
			 "interrupt_remapping", intr_word[h->intr_remap],
			 "interrupt_remapping_because", h->intr_evidence, "unsafe_interrupts",
			 h->is_unsafe_set, "vfio_pci", h->has_vfio_pci, "vfio", h->may_vfio,
			 "iommufd", h->may_iommufd, "table_error", h->table_error, "units",
			 units_json(t), "reserved_memory", rmrrs_json(t->dmar), "groups",
			 groups_json(t), "devices", devs_json(t));
}
