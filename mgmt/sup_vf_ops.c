/* SPDX-License-Identifier: BSD-3-Clause */
/* What an operator asks of VFs, and what he is shown. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "mgmt/sup_vf_priv.h"
#include "mgmt/vf_fit.h"

/* ---- Shown ---------------------------------------------------------------------------------- */

static json_t *pf_json(const struct sup_vf *sv, const struct vf_pf *p)
{
	const struct sriov_pf_info *i = p->pf ? sriov_pf_info(p->pf) : NULL;
	unsigned int at = (unsigned int)(p - sv->pf);
	json_t *o = json_pack("{s:s, s:s, s:i}", "uplink", sv->sup->cfg->uplinks[p->uplink].name,
			      "pf", i ? i->ifname : p->name, "vfs", (int)p->nr_vfs);

	if (i)
		json_object_update_new(o, json_pack("{s:s, s:s, s:i}", "bdf", i->bdf, "driver",
						    i->driver, "total_vfs", (int)i->total_vfs));
	if (p->filter)
		json_object_update_new(
			o,
			json_pack("{s:i, s:i, s:i, s:i, s:i}", "free",
				  (int)sriov_pool_count(sv->pool, at, SRIOV_FREE), "assigned",
				  (int)sriov_pool_count(sv->pool, at, SRIOV_ASSIGNED), "quarantine",
				  (int)sriov_pool_count(sv->pool, at, SRIOV_QUARANTINE), "filters",
				  (int)sriov_filter_used(p->filter), "filter_slots",
				  (int)sriov_filter_slots(p->filter)));
	if (p->why[0])
		json_object_set_new(o, "why", json_string(p->why));
	return o;
}

static json_t *vf_json(const struct sup_vf *sv, const struct sriov_pool_vf *v)
{
	json_t *o = json_pack("{s:s, s:s, s:i, s:s}", "bdf", v->bdf, "pf",
			      sriov_pf_info(sv->pf[v->pf].pf)->ifname, "vf", (int)v->vf, "state",
			      sriov_vf_state_word(v->state));

	if (v->owner[0])
		json_object_set_new(o, "nic", json_string(v->owner));
	if (v->serial)
		json_object_set_new(o, "serial", json_integer(v->serial));
	if (v->state == SRIOV_QUARANTINE)
		json_object_set_new(o, "why", json_string(v->why));
	return o;
}

/* Who receives its address: where it has a VF, at that PF. */
static const char *receiver(const struct vf_nic *n)
{
	const struct vf_pf *p = n->pf;

	for (unsigned int i = 0; i < n->sv->nr_pfs && !p; i++)
		if (n->sv->pf[i].filter)
			p = &n->sv->pf[i];
	return sriov_owner_word(p && p->filter ? sriov_filter_owner(p->filter, n->mac)
					       : SRIOV_NOBODY);
}

json_t *vf_nic_json(const struct vf_nic *n)
{
	const uint8_t *m = n->mac;
	json_t *o = json_pack(
		"{s:s, s:o, s:b, s:s, s:s, s:I}", "nic", n->name, "mac",
		json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]),
		"sriov", n->is_sriov, "state", vfm_state_word(n->m.state), "receiver", receiver(n),
		"since_ms", (json_int_t)(loop_now_ms() - n->since_ms));

	if (n->vf)
		json_object_update_new(o, json_pack("{s:s, s:I}", "vf", n->vf->bdf, "serial",
						    (json_int_t)n->vf->serial));
	if (n->is_revoked)
		json_object_set_new(o, "revoked", json_true());
	if (n->nr_faults)
		json_object_update_new(o, json_pack("{s:I, s:s, s:I}", "dma_faults",
						    (json_int_t)n->nr_faults, "last_dma_fault",
						    n->fault, "dma_fault_ago_ms",
						    (json_int_t)(loop_now_ms() - n->fault_ms)));
	if (n->why[0])
		json_object_set_new(o, "why", json_string(n->why));
	if (n->why[0] && n->cause != IOMMU_WHY_NONE)
		json_object_set_new(o, "cause", json_string(iommu_why_row(n->cause)->id));
	return o;
}

json_t *sup_vf_json(const struct sup *sup)
{
	const struct sup_vf *sv = sup->vf;
	json_t *pfs, *vfs, *nics;

	if (!sv)
		return NULL;
	pfs = json_array();
	vfs = json_array();
	nics = json_array();
	for (unsigned int i = 0; i < sv->nr_pfs; i++)
		json_array_append_new(pfs, pf_json(sv, &sv->pf[i]));
	for (unsigned int i = 0; sriov_pool_at(sv->pool, i); i++)
		json_array_append_new(vfs, vf_json(sv, sriov_pool_at(sv->pool, i)));
	for (unsigned int i = 0; i < VF_NICS_MAX; i++)
		if (sv->nic[i].is_used)
			json_array_append_new(nics, vf_nic_json(&sv->nic[i]));
	return json_pack("{s:o, s:o, s:o}", "pfs", pfs, "vfs", vfs, "nics", nics);
}

int sup_vf_list(struct op *op)
{
	op->result = sup_vf_json(op->sup);
	if (!op->result)
		op->result = json_pack("{s:[], s:[], s:[]}", "pfs", "vfs", "nics");
	return OP_DONE;
}

/* ---- Asked ---------------------------------------------------------------------------------- */

static const char *why_none(const struct vf_nic *n)
{
	if (n->why[0])
		return n->why;
	return n->m.has_worker ? "it was taken away meanwhile" : "the partition does not run";
}

/* 1: not yet; 0; or -errno (text set). */
static int outcome(const struct vf_nic *n, bool is_assign)
{
	enum vfm_state s = n->m.state;

	if (is_assign && (s == VFM_OFFERED || s == VFM_GUEST || s == VFM_PATH_VF))
		return 0;
	if (vfm_has_vf(&n->m))
		return 1;
	if (is_assign)
		return err_set(-EAGAIN, "%s gets no VF: %s", n->name, why_none(n));
	if (s == VFM_QUARANTINE)
		return err_set(-EIO, "%s has no VF any more, but it is in quarantine: %s", n->name,
			       n->why);
	return 0;
}

void vf_settle(struct vf_nic *n)
{
	int64_t number = n->op_number;
	int rc = number ? outcome(n, n->is_op_assign) : 1;

	if (rc == 1)
		return;
	n->op_number = 0;
	sup_op_done(n->sv->sup, number, rc, err_text(), rc ? NULL : vf_nic_json(n));
}

/* The adapter that @op is about, or NULL (text set). */
static struct vf_nic *nic_of(const struct op *op)
{
	const char *name = json_string_value(json_object_get(op->params, "nic"));
	struct sup_vf *sv = op->sup->vf;
	struct vf_nic *n = sv && name ? vf_nic_find(sv, name) : NULL;

	if (!sv)
		iommu_refuse(IOMMU_WHY_NO_PF, name ? name : "vf", "no adapter has sriov: on");
	else if (!n)
		err_set(-EINVAL,
			name ? "no adapter %.60s"
			     : "which adapter? it is called PARTITION/NUMBER%s",
			name ? name : "");
	else if (n->op_number)
		err_set(-EBUSY, "%s: another assign or revoke is under way", n->name);
	else
		return n;
	return NULL;
}

static bool is_set(const struct op *op, const char *key)
{
	return json_is_true(json_object_get(op->params, key));
}

static int steps_only(struct op *op, const struct vf_nic *n, json_t *steps)
{
	if (!steps)
		return -EAGAIN;
	op->result = json_pack("{s:s, s:o}", "nic", n->name, "steps", steps);
	return OP_DONE;
}

/* When @n is there, or when its machine gets there. */
static int wait_for(struct op *op, struct vf_nic *n, bool is_assign)
{
	int rc = outcome(n, is_assign);

	if (rc < 0)
		return rc;
	if (!rc) {
		op->result = vf_nic_json(n);
		return OP_DONE;
	}
	n->op_number = op->number;
	n->is_op_assign = is_assign;
	return OP_ASKED;
}

static json_t *assign_steps(struct vf_nic *n)
{
	struct vf_nic was = *n;
	json_t *steps = vfm_has_vf(&n->m) ? json_array() : vf_take_steps(n);

	vf_note(n, was.cause, was.why);
	return steps;
}

/* What stands in the way by the configuration, which is stronger than an operator's wish. */
static int check_assign(const struct vf_nic *n)
{
	const struct mgmt_nic *nic = vf_nic_cfg(n);
	const struct mgmt_cfg *cfg = n->sv->sup->cfg;
	enum iommu_why why = IOMMU_WHY_NONE;
	char detail[100];

	if (!n->is_sriov)
		return err_set(-EINVAL, "%s: its configuration has no sriov: on", n->name);
	if (!n->m.has_worker)
		return err_set(-EAGAIN, "%s: the partition does not run", n->name);
	if (nic)
		why = vf_hindrance(cfg, &cfg->partitions[n->part], nic, detail, sizeof(detail));
	return why == IOMMU_WHY_NONE ? 0 : iommu_refuse(why, n->name, "%s", detail);
}

int sup_vf_assign(struct op *op)
{
	struct vf_nic *n = nic_of(op);
	int rc = n ? check_assign(n) : -EINVAL;

	if (rc)
		return rc;
	if (is_set(op, "dry_run"))
		return steps_only(op, n, assign_steps(n));
	n->is_revoked = false;
	vf_feed(n, VFM_ASSIGN);
	return wait_for(op, n, true);
}

static json_t *revoke_steps(const struct vf_nic *n, bool is_now)
{
	json_t *list = json_array();

	if (!vfm_has_vf(&n->m) || !n->vf)
		return list;
	json_array_append_new(list, json_sprintf("%s: frames to %s come to the switch",
						 sriov_pf_info(n->pf->pf)->ifname, n->name));
	json_array_append_new(list, json_sprintf("%s: %s partition %s", n->vf->bdf,
						 is_now ? "taken from" : "asked back from",
						 n->sv->sup->worker[n->part].name));
	json_array_append_new(list, json_sprintf("%s: closed by everybody, reset", n->vf->bdf));
	json_array_append_new(list, json_sprintf("%s: VF %u: no MAC, no VLAN, back to the pool",
						 sriov_pf_info(n->pf->pf)->ifname, n->vf->vf));
	return list;
}

int sup_vf_revoke(struct op *op)
{
	bool is_now = is_set(op, "now");
	struct vf_nic *n = nic_of(op);

	if (!n)
		return -EINVAL;
	if (is_set(op, "dry_run"))
		return steps_only(op, n, revoke_steps(n, is_now));
	n->is_revoked = true;
	vf_feed(n, is_now ? VFM_REVOKE_NOW : VFM_REVOKE);
	return wait_for(op, n, false);
}
