/* SPDX-License-Identifier: BSD-3-Clause */
/* What a PF is, and what is to be done to it. */
#include "sriov/pf_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "iommu/why.h"

static bool is_bdf(const char *name)
{
	unsigned int d, b, s, f;
	int end = 0;

	return sscanf(name, "%4x:%2x:%2x.%1x%n", &d, &b, &s, &f, &end) == 4 && !name[end];
}

static int find(struct sriov_pf *pf, const char *name)
{
	struct sriov_pf_info *i = &pf->info;
	const struct sriov_sys *s = &pf->sys;

	if (is_bdf(name)) {
		if (!sriov_sys_exists(s, SRIOV_DEV, name))
			return iommu_refuse(IOMMU_WHY_NO_DEVICE, name, NULL);
		snprintf(i->bdf, sizeof(i->bdf), "%s", name);
		if (sriov_sys_first(s, i->ifname, sizeof(i->ifname), SRIOV_DEV "/net", name))
			return iommu_refuse(IOMMU_WHY_NOT_SRIOV, name,
					    "no driver of it has a network interface here");
		return 0;
	}
	if (!name[0] || strchr(name, '/') || strlen(name) >= sizeof(i->ifname) ||
	    !sriov_sys_exists(s, "/sys/class/net/%s", name))
		return iommu_refuse(IOMMU_WHY_NO_DEVICE, name, "no such interface");
	if (sriov_sys_link(s, i->bdf, sizeof(i->bdf), "/sys/class/net/%s/device", name) ||
	    !is_bdf(i->bdf))
		return iommu_refuse(IOMMU_WHY_NOT_SRIOV, name, "it is no PCI device");
	snprintf(i->ifname, sizeof(i->ifname), "%s", name);
	return 0;
}

static int describe(struct sriov_pf *pf, const char *name)
{
	struct sriov_pf_info *i = &pf->info;
	const struct sriov_sys *s = &pf->sys;
	uint32_t index, total, vendor = 0, device = 0;

	if (sriov_sys_number(s, &total, SRIOV_DEV "/sriov_totalvfs", i->bdf) || !total)
		return iommu_refuse(IOMMU_WHY_NOT_SRIOV, name, "%s", i->bdf);
	if (sriov_sys_number(s, &index, "/sys/class/net/%s/ifindex", i->ifname))
		return iommu_refuse(IOMMU_WHY_NO_DEVICE, name, "interface %s", i->ifname);
	sriov_sys_number(s, &vendor, SRIOV_DEV "/vendor", i->bdf);
	sriov_sys_number(s, &device, SRIOV_DEV "/device", i->bdf);
	if (sriov_sys_link(s, i->driver, sizeof(i->driver), SRIOV_DEV "/driver", i->bdf))
		i->driver[0] = 0;
	i->ifindex = index;
	i->total_vfs = total < SRIOV_VFS_MAX ? total : SRIOV_VFS_MAX;
	i->vendor = (uint16_t)vendor;
	i->device = (uint16_t)device;
	return 0;
}

int sriov_pf_open(struct sriov_pf **out, const struct sriov_sys *sys, struct sriov_nl *nl,
		  const char *name)
{
	struct sriov_pf *pf = calloc(1, sizeof(*pf));
	int rc;

	*out = NULL;
	if (!pf)
		return err_set(-ENOMEM, "PF %s", name);
	pf->sys = *sys;
	pf->nl = nl;
	rc = find(pf, name);
	if (!rc)
		rc = describe(pf, name);
	if (rc) {
		sriov_pf_close(pf);
		return rc;
	}
	*out = pf;
	return 0;
}

void sriov_pf_close(struct sriov_pf *pf)
{
	free(pf);
}

const struct sriov_pf_info *sriov_pf_info(const struct sriov_pf *pf)
{
	return &pf->info;
}

int sriov_pf_read(struct sriov_pf *pf, struct sriov_pf_state *out)
{
	const struct sriov_pf_info *i = &pf->info;
	struct sriov_link_state *link = calloc(1, sizeof(*link));
	uint32_t autoprobe, nr;
	int rc;

	if (!link)
		return err_set(-ENOMEM, "PF %s", i->ifname);
	rc = sriov_nl_get(pf->nl, i->ifindex, link);
	if (rc == -ETIMEDOUT)
		rc = iommu_refuse(IOMMU_WHY_PF_TIMEOUT, i->ifname, "reading its settings");
	else if (rc)
		rc = iommu_refuse(IOMMU_WHY_GONE, i->ifname, "%s", strerror(-rc));
	out->is_up = link->is_up;
	out->is_promisc = link->is_promisc;
	memcpy(out->vf, link->vf, sizeof(out->vf));
	free(link);
	if (rc)
		return rc;
	if (sriov_sys_number(&pf->sys, &nr, SRIOV_DEV "/sriov_numvfs", i->bdf))
		return iommu_refuse(IOMMU_WHY_GONE, i->bdf, NULL);
	out->nr_vfs = nr < SRIOV_VFS_MAX ? nr : SRIOV_VFS_MAX;
	out->autoprobe = SRIOV_KEEP;
	if (!sriov_sys_number(&pf->sys, &autoprobe, SRIOV_DEV "/sriov_drivers_autoprobe", i->bdf))
		out->autoprobe = !!autoprobe;
	return 0;
}

int sriov_pf_vf(const struct sriov_pf *pf, unsigned int vf, char bdf[SRIOV_BDF_MAX])
{
	if (!sriov_sys_link(&pf->sys, bdf, SRIOV_BDF_MAX, SRIOV_DEV "/virtfn%u", pf->info.bdf, vf))
		return 0;
	return iommu_refuse(IOMMU_WHY_GONE, pf->info.ifname, "VF %u", vf);
}

/* igb keeps the first of its address registers for the PF's own address and one for each VF. When the
 * rest is used up it hears everything without a word, so somebody must count; drivers of other NICs
 * refuse. */
unsigned int sriov_pf_filter_slots(const struct sriov_pf_info *info, unsigned int nr_vfs)
{
	bool is_i350 = (info->device >= 0x1521 && info->device <= 0x1524) || info->device == 0x1546;
	unsigned int all = is_i350 ? 32 : 24;

	if (strcmp(info->driver, "igb") != 0)
		return 0;
	return all - 1 > nr_vfs ? all - 1 - nr_vfs : 0;
}

/* ---- Settings of VFs ------------------------------------------------------------------------ */

bool sriov_vf_has(const struct sriov_vf *is, const struct sriov_vf *to, enum sriov_field field)
{
	if (!(is->fields & 1u << field))
		return false;
	switch (field) {
	case SRIOV_MAC: return !memcmp(is->mac, to->mac, sizeof(is->mac));
	case SRIOV_VLAN: return is->vlan == to->vlan && is->qos == to->qos;
	case SRIOV_SPOOFCHK: return is->spoofchk == to->spoofchk;
	case SRIOV_TRUST: return is->trust == to->trust;
	case SRIOV_RATE: return is->min_mbps == to->min_mbps && is->max_mbps == to->max_mbps;
	case SRIOV_LINK: return is->link == to->link;
	default: return false;
	}
}

const char *sriov_vf_words(const struct sriov_vf *v, enum sriov_field field, char *buf, size_t size)
{
	static const char *const link[] = {"auto", "up", "down"};
	const uint8_t *m = v->mac;

	buf[0] = 0;
	if (!(v->fields & 1u << field)) {
		snprintf(buf, size, "not told");
		return buf;
	}
	switch (field) {
	case SRIOV_MAC:
		snprintf(buf, size, "MAC %02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3],
			 m[4], m[5]);
		break;
	case SRIOV_VLAN: snprintf(buf, size, "VLAN %u, priority %u", v->vlan, v->qos); break;
	case SRIOV_SPOOFCHK:
		snprintf(buf, size, "spoof check %s", v->spoofchk ? "on" : "off");
		break;
	case SRIOV_TRUST: snprintf(buf, size, "trust %s", v->trust ? "on" : "off"); break;
	case SRIOV_RATE: snprintf(buf, size, "rate %u..%u Mbit/s", v->min_mbps, v->max_mbps); break;
	case SRIOV_LINK: snprintf(buf, size, "link %s", link[v->link]); break;
	default: break;
	}
	return buf;
}

/* ---- Plans ---------------------------------------------------------------------------------- */

/* A plan has room for each step that there can be. */
static int make_room(struct sriov_plan *p, const struct sriov_pf_want *want)
{
	p->nr = 0;
	p->step = calloc(6 + (size_t)want->nr * SRIOV_FIELDS, sizeof(*p->step));
	return p->step ? 0 : err_set(-ENOMEM, "plan for %u VFs", want->nr);
}

static void add(struct sriov_plan *p, const char *ifname, enum sriov_step_kind kind,
		unsigned int number)
{
	struct sriov_step *s = &p->step[p->nr++];

	s->kind = kind;
	s->number = number;
	if (kind == SRIOV_DO_UP)
		snprintf(s->text, sizeof(s->text), "%s: set %s", ifname, number ? "up" : "down");
	else if (kind == SRIOV_DO_PROMISC)
		snprintf(s->text, sizeof(s->text), "%s: promiscuous mode %s", ifname,
			 number ? "on" : "off");
	else if (kind == SRIOV_DO_AUTOPROBE)
		snprintf(s->text, sizeof(s->text), "%s: drivers of the host %s new VFs", ifname,
			 number ? "take" : "leave alone");
	else
		snprintf(s->text, sizeof(s->text), "%s: number of VFs = %u", ifname, number);
}

static void add_field(struct sriov_plan *p, const char *ifname, const struct sriov_vf_want *w,
		      enum sriov_field field)
{
	struct sriov_step *s = &p->step[p->nr++];
	char words[64];

	s->kind = SRIOV_DO_VF;
	s->vf = w->vf;
	s->field = field;
	s->to = w->to;
	snprintf(s->text, sizeof(s->text), "%s: VF %u: %s", ifname, w->vf,
		 sriov_vf_words(&w->to, field, words, sizeof(words)));
}

/* The address comes last, so that frames come when all else is in place; one that is taken away goes first. */
static void add_fields(struct sriov_plan *p, const char *ifname, const struct sriov_vf_want *w,
		       const struct sriov_vf *is)
{
	static const enum sriov_field rest[] = {SRIOV_VLAN, SRIOV_SPOOFCHK, SRIOV_TRUST, SRIOV_RATE,
						SRIOV_LINK};
	static const uint8_t none[6];
	bool has_mac = w->to.fields & 1u << SRIOV_MAC && !sriov_vf_has(is, &w->to, SRIOV_MAC);
	bool is_last = memcmp(w->to.mac, none, sizeof(none)) != 0;

	if (has_mac && !is_last)
		add_field(p, ifname, w, SRIOV_MAC);
	for (size_t i = 0; i < sizeof(rest) / sizeof(rest[0]); i++)
		if (w->to.fields & 1u << rest[i] && !sriov_vf_has(is, &w->to, rest[i]))
			add_field(p, ifname, w, rest[i]);
	if (has_mac && is_last)
		add_field(p, ifname, w, SRIOV_MAC);
}

static int check_number(const struct sriov_pf *pf, const struct sriov_pf_want *want,
			const struct sriov_pf_state *is)
{
	const struct sriov_pf_info *i = &pf->info;

	if (want->nr_vfs > (int)i->total_vfs)
		return iommu_refuse(IOMMU_WHY_VF_TOO_MANY, i->ifname, "asked for %d, it has %u",
				    want->nr_vfs, i->total_vfs);
	for (unsigned int vf = 0; vf < is->nr_vfs && want->is_assigned; vf++)
		if (want->is_assigned(want->ctx, vf))
			return iommu_refuse(
				IOMMU_WHY_BUSY, i->ifname,
				"its number of VFs cannot go from %u to %d while VF %u is "
				"in use",
				is->nr_vfs, want->nr_vfs, vf);
	return 0;
}

/* The kernel goes from one number to another only by way of none. */
static void plan_number(struct sriov_plan *p, const struct sriov_pf *pf,
			const struct sriov_pf_want *want, const struct sriov_pf_state *is)
{
	if (is->nr_vfs)
		add(p, pf->info.ifname, SRIOV_DO_NUMVFS, 0);
	if (want->nr_vfs)
		add(p, pf->info.ifname, SRIOV_DO_NUMVFS, (unsigned int)want->nr_vfs);
}

static int plan(struct sriov_plan *p, struct sriov_pf *pf, const struct sriov_pf_want *want,
		const struct sriov_pf_state *is)
{
	static const struct sriov_vf unknown;
	bool is_new = want->nr_vfs != SRIOV_KEEP && want->nr_vfs != (int)is->nr_vfs;
	unsigned int nr = is_new ? (unsigned int)want->nr_vfs : is->nr_vfs;
	int rc = is_new ? check_number(pf, want, is) : 0;

	if (rc)
		return rc;
	if (want->is_up == 1 && !is->is_up)
		add(p, pf->info.ifname, SRIOV_DO_UP, 1);
	if (want->is_promisc != SRIOV_KEEP && want->is_promisc != is->is_promisc)
		add(p, pf->info.ifname, SRIOV_DO_PROMISC, (unsigned int)want->is_promisc);
	if (want->autoprobe != SRIOV_KEEP && want->autoprobe != is->autoprobe)
		add(p, pf->info.ifname, SRIOV_DO_AUTOPROBE, (unsigned int)want->autoprobe);
	if (is_new)
		plan_number(p, pf, want, is);
	for (unsigned int i = 0; i < want->nr; i++) {
		const struct sriov_vf_want *w = &want->vf[i];

		if (w->vf >= nr)
			return err_set(-EINVAL, "%s: VF %u of %u", pf->info.ifname, w->vf, nr);
		add_fields(p, pf->info.ifname, w, is_new ? &unknown : &is->vf[w->vf]);
	}
	if (want->is_up == 0 && is->is_up)
		add(p, pf->info.ifname, SRIOV_DO_UP, 0);
	return 0;
}

int sriov_pf_plan(struct sriov_pf *pf, const struct sriov_pf_want *want, struct sriov_plan *out)
{
	struct sriov_pf_state *is = malloc(sizeof(*is));
	int rc;

	*out = (struct sriov_plan){0};
	if (!is)
		return err_set(-ENOMEM, "PF %s", pf->info.ifname);
	rc = sriov_pf_read(pf, is);
	if (!rc)
		rc = make_room(out, want);
	if (!rc)
		rc = plan(out, pf, want, is);
	free(is);
	if (rc)
		sriov_plan_fini(out);
	return rc;
}

void sriov_plan_fini(struct sriov_plan *plan)
{
	free(plan->step);
	*plan = (struct sriov_plan){0};
}
