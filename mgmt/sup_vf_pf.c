/* SPDX-License-Identifier: BSD-3-Clause */
/* What the supervisor does to PFs and their VFs. Remembers what it found, to put it back. */
#include "mgmt/sup_vf_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "mgmt/vf_fit.h"

static const struct mgmt_uplink *uplink_of(const struct sup_vf *sv, const struct vf_pf *p)
{
	return &sv->sup->cfg->uplinks[p->uplink];
}

/* ---- The beginning -------------------------------------------------------------------------- */

/* A VF that somebody uses: a program through VFIO, or the host as an interface. */
static bool is_vf_in_use(const struct sup_vf *sv, const struct vf_pf *p, unsigned int vf)
{
	char bdf[SRIOV_BDF_MAX], ifname[SRIOV_NAME_MAX];
	uint32_t flags = 0;

	if (sriov_pf_vf(p->pf, vf, bdf))
		return false;
	if (sriov_is_open(&sv->sys, bdf))
		return true;
	if (sriov_sys_first(&sv->sys, ifname, sizeof(ifname), "/sys/bus/pci/devices/%s/net", bdf))
		return false;
	sriov_sys_number(&sv->sys, &flags, "/sys/bus/pci/devices/%s/net/%s/flags", bdf, ifname);
	return flags & 1;
}

struct in_use {
	const struct sup_vf *sv;
	const struct vf_pf *p;
};

static bool is_assigned(void *ctx, unsigned int vf)
{
	const struct in_use *u = ctx;

	return is_vf_in_use(u->sv, u->p, vf);
}

static unsigned int wanted_vfs(const struct sup_vf *sv, const struct vf_pf *p)
{
	const struct mgmt_uplink *up = uplink_of(sv, p);
	uint32_t asked = mgmt_config_vfs(sv->sup->cfg), total = sriov_pf_info(p->pf)->total_vfs;

	if (up->vfs)
		return *up->vfs;
	if (asked > total)
		log_warn(up->name, "%u adapters ask for a VF, %s has %u", asked, p->name, total);
	return asked < total ? asked : total;
}

static void remember_drivers(struct sup_vf *sv, struct vf_pf *p)
{
	char bdf[SRIOV_BDF_MAX];

	for (unsigned int i = 0; i < p->found->nr_vfs; i++)
		if (!sriov_pf_vf(p->pf, i, bdf))
			sriov_driver(&sv->sys, bdf, p->former[i]);
}

/* As many VFs as there are to be. Those that are there are enough, or nobody uses them. */
static int make_vfs(struct sup_vf *sv, struct vf_pf *p, unsigned int nr)
{
	struct in_use u = {sv, p};
	bool is_enough = p->found->nr_vfs >= nr;
	struct sriov_pf_want want = {
		.nr_vfs = is_enough ? SRIOV_KEEP : (int)nr,
		.autoprobe = is_enough ? SRIOV_KEEP : 0,
		.is_up = 1,
		.is_promisc = SRIOV_KEEP,
		.is_assigned = is_assigned,
		.ctx = &u,
	};
	int rc;

	iommu_refuse_clear();
	p->is_touched = true;
	p->is_number_ours = !is_enough;
	rc = sriov_pf_set(p->pf, &want);
	if (!rc)
		p->nr_vfs = is_enough ? p->found->nr_vfs : nr;
	if (rc && iommu_refused() == IOMMU_WHY_BUSY && p->found->nr_vfs) {
		log_warn(uplink_of(sv, p)->name, "%s; the %u VFs that there are must do",
			 err_text(), p->found->nr_vfs);
		p->nr_vfs = p->found->nr_vfs;
		p->is_number_ours = false;
		want.nr_vfs = want.autoprobe = SRIOV_KEEP; /* the rest is still to be done */
		rc = sriov_pf_set(p->pf, &want);
	}
	return rc;
}

/* One that cannot be had is left out, and said so. */
static void pool_vf(struct sup_vf *sv, struct vf_pf *p, unsigned int vf)
{
	const char *name = uplink_of(sv, p)->name;
	char bdf[SRIOV_BDF_MAX];
	int rc;

	if (is_vf_in_use(sv, p, vf)) {
		log_warn(name, "VF %u of %s is in use, and left alone", vf, p->name);
		return;
	}
	rc = sriov_pf_vf(p->pf, vf, bdf);
	if (!rc)
		rc = sriov_bind(&sv->sys, bdf, VF_DRIVER, NULL);
	p->is_former[vf] = !rc;
	if (!rc)
		rc = sriov_pool_add(sv->pool, (unsigned int)(p - sv->pf), vf, bdf);
	if (!rc)
		return;
	log_warn(name, "VF %u of %s is not used: %s", vf, p->name, err_text());
	snprintf(p->why, sizeof(p->why), "%s", err_text());
}

static int open_pf(struct sup_vf *sv, struct vf_pf *p)
{
	int rc = sriov_pf_open(&p->pf, &sv->sys, sv->nl, p->name);

	if (rc)
		return rc;
	p->found = calloc(1, sizeof(*p->found));
	if (!p->found)
		return err_set(-ENOMEM, "PF %s", p->name);
	return sriov_pf_read(p->pf, p->found);
}

static int begin_pf(struct sup_vf *sv, struct vf_pf *p)
{
	const struct sriov_pf_info *i;
	unsigned int nr;
	int rc = open_pf(sv, p);

	if (rc)
		return rc;
	i = sriov_pf_info(p->pf);
	nr = wanted_vfs(sv, p);
	if (!nr)
		return 0;
	remember_drivers(sv, p);
	rc = make_vfs(sv, p, nr);
	if (!rc)
		rc = sriov_filter_create(&p->filter, sv->nl, i->ifindex, i->ifname,
					 sriov_pf_filter_slots(i, p->nr_vfs));
	if (rc)
		return rc;
	for (unsigned int vf = 0; vf < p->nr_vfs && vf < SRIOV_VFS_MAX; vf++)
		pool_vf(sv, p, vf);
	log_info(uplink_of(sv, p)->name, "%s (%s) has %u VFs, %u for partitions", i->ifname, i->bdf,
		 p->nr_vfs, sriov_pool_count(sv->pool, (unsigned int)(p - sv->pf), SRIOV_FREE));
	return 0;
}

void vf_pfs_begin(struct sup_vf *sv)
{
	const struct mgmt_cfg *cfg = sv->sup->cfg;

	for (uint32_t i = 0; i < cfg->uplinks_count; i++) {
		struct vf_pf *p = &sv->pf[sv->nr_pfs];

		if (!mgmt_uplink_pf(&cfg->uplinks[i], p->name, sizeof(p->name)))
			continue;
		sv->nr_pfs++;
		p->uplink = i;
		iommu_refuse_clear();
		if (!begin_pf(sv, p))
			continue;
		snprintf(p->why, sizeof(p->why), "%s", err_text());
		p->cause = iommu_refused();
		/* An interface without VFs is fine as an uplink. */
		if (iommu_refused() != IOMMU_WHY_NOT_SRIOV || cfg->uplinks[i].pf)
			log_warn(cfg->uplinks[i].name, "no VFs: %s", err_text());
	}
}

/* A NIC that has VFs and is to hear everything gives what nobody knows to a VF, and may give the host what is
 * for VFs; the filters say what is the switch's. It has switched the mode on when it made the device. */
void vf_pfs_quiet(struct sup_vf *sv)
{
	static const struct sriov_pf_want want = {
		.nr_vfs = SRIOV_KEEP,
		.autoprobe = SRIOV_KEEP,
		.is_up = SRIOV_KEEP,
		.is_promisc = 0,
	};

	for (unsigned int i = 0; i < sv->nr_pfs; i++)
		if (sv->pf[i].filter && sriov_pf_set(sv->pf[i].pf, &want))
			log_warn(sv->pf[i].name, "%s", err_text());
}

/* ---- The end -------------------------------------------------------------------------------- */

static void complain(const struct vf_pf *p, const char *what)
{
	log_warn(p->name, "%s is not as it was found: %s", what, err_text());
}

/* A VF that was there before: driver and settings. */
static void restore_vf(struct sup_vf *sv, struct vf_pf *p, unsigned int vf)
{
	struct sriov_vf_want w = {.vf = vf, .to = p->found->vf[vf]};
	struct sriov_pf_want want = {SRIOV_KEEP, SRIOV_KEEP, SRIOV_KEEP, SRIOV_KEEP,
				     &w,	 1,	     NULL,	 NULL};
	char bdf[SRIOV_BDF_MAX], what[32];

	snprintf(what, sizeof(what), "VF %u", vf);
	if (sriov_pf_set(p->pf, &want))
		complain(p, what);
	if (!p->is_number_ours && !p->is_former[vf])
		return;
	if (sriov_pf_vf(p->pf, vf, bdf) || sriov_unbind(&sv->sys, bdf, p->former[vf]))
		complain(p, what);
}

static void end_pf(struct sup_vf *sv, struct vf_pf *p)
{
	struct in_use u = {sv, p};
	struct sriov_pf_want number = {
		.nr_vfs = p->is_number_ours ? (int)p->found->nr_vfs : SRIOV_KEEP,
		.autoprobe = p->is_number_ours ? p->found->autoprobe : SRIOV_KEEP,
		.is_up = SRIOV_KEEP,
		.is_promisc = SRIOV_KEEP,
		.is_assigned = is_assigned,
		.ctx = &u,
	};
	struct sriov_pf_want flags = {
		.nr_vfs = SRIOV_KEEP,
		.autoprobe = SRIOV_KEEP,
		.is_up = p->found->is_up,
		.is_promisc = p->found->is_promisc,
	};

	if (p->filter)
		sriov_filter_forget_all(p->filter);
	if (sriov_pf_set(p->pf, &number)) {
		complain(p, "its number of VFs");
		return;
	}
	for (unsigned int vf = 0; vf < p->found->nr_vfs; vf++)
		restore_vf(sv, p, vf);
	if (sriov_pf_set(p->pf, &flags))
		complain(p, "the interface");
}

void vf_pfs_end(struct sup_vf *sv)
{
	for (unsigned int i = 0; i < sv->nr_pfs; i++) {
		struct vf_pf *p = &sv->pf[i];

		if (p->is_touched)
			end_pf(sv, p);
		sriov_filter_destroy(p->filter);
		sriov_pf_close(p->pf);
		free(p->found);
	}
	sv->nr_pfs = 0;
}

/* ---- A VF for an adapter -------------------------------------------------------------------- */

static int wish(const struct sup_vf *sv, const struct vf_nic *n, const struct vf_pf *p,
		unsigned int vf, struct sriov_vf_want *out)
{
	const struct mgmt_uplink *up = uplink_of(sv, p);
	const struct mgmt_nic *nic = vf_nic_cfg(n);
	uint16_t tag = 0;

	if (!nic)
		return err_set(-ENOENT, "%s has been removed", n->name);
	if (!vf_vlan(up, nic, &tag))
		return iommu_refuse(IOMMU_WHY_POLICY, n->name, "uplink %s does not carry VLAN %u",
				    up->name, nic->vlan.pvid);
	*out = (struct sriov_vf_want){.vf = vf};
	out->to.fields = (1u << SRIOV_FIELDS) - 1;
	out->to.vlan = tag;
	out->to.spoofchk = !nic->allow_spoofing;
	out->to.trust = nic->allow_spoofing;
	memcpy(out->to.mac, n->mac, sizeof(out->to.mac));
	return 0;
}

static int set_up(struct vf_nic *n, const struct vf_pf *p, const struct sriov_pool_vf *v)
{
	struct sriov_vf_want w;
	struct sriov_pf_want want = {SRIOV_KEEP, SRIOV_KEEP, SRIOV_KEEP, SRIOV_KEEP,
				     &w,	 1,	     NULL,	 NULL};
	int rc = wish(n->sv, n, p, v->vf, &w);

	if (!rc)
		rc = sriov_clean(&n->sv->sys, v->bdf);
	if (!rc)
		rc = sriov_pf_set(p->pf, &want);
	return rc ? rc : sriov_bind(&n->sv->sys, v->bdf, VF_DRIVER, NULL);
}

/* Nothing but its address, so that nobody's frames go to it. */
static int set_down(struct vf_nic *n, const struct vf_pf *p, const struct sriov_pool_vf *v)
{
	struct sriov_vf_want w = {
		.vf = v->vf,
		.to = {.fields = ((1u << SRIOV_FIELDS) - 1) & ~(1u << SRIOV_LINK),
		       .spoofchk = true},
	};
	struct sriov_pf_want want = {SRIOV_KEEP, SRIOV_KEEP, SRIOV_KEEP, SRIOV_KEEP,
				     &w,	 1,	     NULL,	 NULL};

	return sriov_pf_set(p->pf, &want);
}

static int take_from(struct vf_nic *n, struct vf_pf *p)
{
	struct sup_vf *sv = n->sv;
	struct sriov_pool_vf *v;
	enum iommu_why cause;
	char text[VF_WHY_MAX];
	int rc = sriov_filter_to_pf(p->filter, n->mac);

	if (!rc)
		rc = sriov_pool_take(sv->pool, (unsigned int)(p - sv->pf), n->name, &v);
	if (rc)
		return rc;
	rc = set_up(n, p, v);
	if (!rc) {
		n->pf = p;
		n->vf = v;
		return 0;
	}
	cause = iommu_refused();
	snprintf(text, sizeof(text), "%s", err_text());
	if (cause == IOMMU_WHY_POLICY || !set_down(n, p, v))
		sriov_pool_give_back(sv->pool, v);
	else
		sriov_pool_quarantine(sv->pool, v, text);
	vf_note(n, cause, text);
	return rc;
}

/* Where no PF gives VFs: why the first one that was asked for some does not. */
static void note_no_pf(struct vf_nic *n)
{
	const struct sup_vf *sv = n->sv;

	for (unsigned int i = 0; i < sv->nr_pfs; i++)
		if (!sv->pf[i].filter && sv->pf[i].why[0]) {
			err_set(-ENODEV, "%s", sv->pf[i].why);
			vf_note(n, sv->pf[i].cause, err_text());
			return;
		}
	iommu_refuse(IOMMU_WHY_NO_PF, n->name, "%s", sv->nr_pfs ? "vfs: 0" : "");
	vf_note(n, IOMMU_WHY_NO_PF, err_text());
}

/* PFs that give VFs; the last one's refusal is the one that is told. */
static int each_pf(struct vf_nic *n, int (*fn)(struct vf_nic *n, struct vf_pf *p))
{
	struct sup_vf *sv = n->sv;
	int rc = -ENODEV;

	note_no_pf(n);
	for (unsigned int i = 0; i < sv->nr_pfs && rc; i++) {
		if (!sv->pf[i].filter)
			continue;
		vf_note(n, IOMMU_WHY_NONE, "");
		iommu_refuse_clear();
		rc = fn(n, &sv->pf[i]);
		if (rc && !n->why[0])
			vf_note(n, iommu_refused(), err_text());
	}
	if (!rc)
		vf_note(n, IOMMU_WHY_NONE, "");
	return rc;
}

int vf_take(struct vf_nic *n)
{
	return each_pf(n, take_from);
}

static int can_take(struct vf_nic *n, struct vf_pf *p)
{
	struct sup_vf *sv = n->sv;
	unsigned int pf = (unsigned int)(p - sv->pf);

	if (!sriov_pool_count(sv->pool, pf, SRIOV_FREE))
		return iommu_refuse(IOMMU_WHY_VF_NONE_FREE, n->name,
				    "%u are assigned, %u in quarantine",
				    sriov_pool_count(sv->pool, pf, SRIOV_ASSIGNED),
				    sriov_pool_count(sv->pool, pf, SRIOV_QUARANTINE));
	n->pf = p;
	return 0;
}

static void add_steps(json_t *list, struct sriov_plan *plan)
{
	for (unsigned int i = 0; i < plan->nr; i++)
		json_array_append_new(list, json_string(plan->step[i].text));
}

json_t *vf_take_steps(struct vf_nic *n)
{
	struct sriov_vf_want w;
	struct sriov_pf_want want = {SRIOV_KEEP, SRIOV_KEEP, SRIOV_KEEP, SRIOV_KEEP,
				     &w,	 1,	     NULL,	 NULL};
	const struct sriov_pool_vf *v;
	struct sriov_plan plan = {0};
	struct vf_pf *p = NULL;
	json_t *list;
	int rc = each_pf(n, can_take);

	p = n->pf;
	n->pf = NULL;
	if (rc)
		return NULL;
	v = sriov_pool_next(n->sv->pool, (unsigned int)(p - n->sv->pf));
	rc = wish(n->sv, n, p, v->vf, &w);
	if (!rc)
		rc = sriov_pf_plan(p->pf, &want, &plan);
	if (rc)
		return NULL;
	list = json_array();
	json_array_append_new(list, json_sprintf("%s: frames to %s come to the switch",
						 sriov_pf_info(p->pf)->ifname, n->name));
	json_array_append_new(list, json_sprintf("%s: reset", v->bdf));
	add_steps(list, &plan);
	json_array_append_new(list, json_sprintf("%s: offered to partition %s", v->bdf,
						 n->sv->sup->worker[n->part].name));
	sriov_plan_fini(&plan);
	return list;
}

int vf_clean(struct vf_nic *n)
{
	struct sup_vf *sv = n->sv;
	int rc;

	if (sriov_is_open(&sv->sys, n->vf->bdf))
		return -EAGAIN;
	rc = sriov_clean(&sv->sys, n->vf->bdf);
	return rc ? rc : set_down(n, n->pf, n->vf);
}

/* ---- Filters -------------------------------------------------------------------------------- */

/* A synthetic adapter may be reached through each uplink. */
int vf_filter_pf(struct vf_nic *n)
{
	int rc = 0;

	for (unsigned int i = 0; i < n->sv->nr_pfs; i++) {
		struct vf_pf *p = &n->sv->pf[i];
		int err = p->filter ? sriov_filter_to_pf(p->filter, n->mac) : 0;

		if (err && !rc)
			snprintf(n->filter_text, sizeof(n->filter_text), "%s", err_text());
		rc = rc ? rc : err;
	}
	return rc;
}

int vf_filter_vf(struct vf_nic *n)
{
	int rc = sriov_filter_to_vf(n->pf->filter, n->mac);

	if (rc)
		snprintf(n->filter_text, sizeof(n->filter_text), "%s", err_text());
	return rc;
}

/* Spoof checks stay: where the NIC has them, what the guest still sends by the VF is lost from here on. */
int vf_deafen(struct vf_nic *n)
{
	struct sriov_vf_want w = {.vf = n->vf->vf, .to.fields = 1u << SRIOV_MAC};
	struct sriov_pf_want want = {SRIOV_KEEP, SRIOV_KEEP, SRIOV_KEEP, SRIOV_KEEP,
				     &w,	 1,	     NULL,	 NULL};

	return sriov_pf_set(n->pf->pf, &want);
}

void vf_filter_forget(struct vf_nic *n)
{
	for (unsigned int i = 0; i < n->sv->nr_pfs; i++)
		if (n->sv->pf[i].filter && sriov_filter_forget(n->sv->pf[i].filter, n->mac))
			log_warn(n->name, "%s", err_text());
}
