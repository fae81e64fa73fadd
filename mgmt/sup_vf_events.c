/* SPDX-License-Identifier: BSD-3-Clause */
/* What workers and the switch say, ask and answer about VFs, as events for the machines. */
#include "mgmt/sup_vf_priv.h"

#include <string.h>

#include "base/log.h"

static void feed_partition(struct proc *p, enum vfm_event e)
{
	struct sup_vf *sv = p->sup->vf;

	for (unsigned int i = 0; sv && i < VF_NICS_MAX; i++)
		if (sv->nic[i].is_used && &p->sup->worker[sv->nic[i].part] == p)
			vf_feed(&sv->nic[i], e);
}

void sup_vf_switch_up(struct sup *sup)
{
	if (sup->vf)
		vf_pfs_quiet(sup->vf);
}

void sup_vf_worker_up(struct proc *p)
{
	feed_partition(p, VFM_WORKER_UP);
}

void sup_vf_worker_dead(struct proc *p)
{
	feed_partition(p, VFM_WORKER_DEAD);
}

/* The adapter that a worker speaks of, which must be one of its own; or NULL. */
static struct vf_nic *nic_of(struct proc *p, const struct rpc_msg *m)
{
	const char *name = json_string_value(json_object_get(m->params, "nic"));
	struct vf_nic *n = p->sup->vf && name ? vf_nic_find(p->sup->vf, name) : NULL;

	return n && vf_worker_of(n) == p ? n : NULL;
}

/* What is said of a VF that the adapter had before comes too late. */
static bool is_present(const struct vf_nic *n, const struct rpc_msg *m)
{
	json_t *serial = json_object_get(m->params, "serial");

	return n->vf && (!serial || json_integer_value(serial) == n->vf->serial);
}

/* A worker gives a reason in few words; an operator wants the next step, too. What the configuration says of the
 * same cause says more than the switch's word for it. */
static void note_reason(struct vf_nic *n, enum iommu_why cause, const char *why)
{
	bool is_known =
		n->why[0] && (n->cause == IOMMU_WHY_POLICY || n->cause == IOMMU_WHY_CAPTURE);
	char line[VF_WHY_MAX];

	if (strstr(why, "] -> "))
		vf_note(n, cause, why);
	else if (cause != IOMMU_WHY_POLICY || !is_known)
		vf_note(n, cause, iommu_why_line(line, sizeof(line), cause, n->name, why));
}

void sup_vf_said(struct proc *p, const struct rpc_msg *m)
{
	static const struct {
		const char *word;
		enum vfm_event event;
		enum iommu_why cause; /* of its reason, when it gives one */
	} said[] = {
		{"offered", VFM_GUEST_GONE, IOMMU_WHY_GONE},
		{"guest", VFM_GUEST_HAS, IOMMU_WHY_GONE},
		{"gone", VFM_REMOVED, IOMMU_WHY_GONE},
		{"lost", VFM_LOST, IOMMU_WHY_GONE},
		{"unwanted", VFM_REVOKE, IOMMU_WHY_POLICY},
	};
	const char *state = json_string_value(json_object_get(m->params, "state"));
	const char *why = json_string_value(json_object_get(m->params, "why"));
	struct vf_nic *n = nic_of(p, m);

	if (!n || !state || !is_present(n, m))
		return;
	for (size_t i = 0; i < sizeof(said) / sizeof(said[0]); i++)
		if (!strcmp(said[i].word, state)) {
			if (why)
				note_reason(n, said[i].cause, why);
			vf_feed(n, said[i].event);
			return;
		}
	log_warn(n->name, "its worker says \"%.40s\" of its VF, which means nothing", state);
}

void sup_vf_asked(struct proc *p, const struct rpc_msg *m)
{
	json_t *is_vf = json_object_get(m->params, "is_vf");
	bool is_path = p->part && !strcmp(m->method, "vf_path");
	struct vf_nic *n = is_path ? nic_of(p, m) : NULL;

	if (n && json_is_boolean(is_vf)) {
		n->path = m;
		vf_feed(n, json_is_true(is_vf) ? VFM_ASKS_VF : VFM_ASKS_SYNTHETIC);
		return;
	}
	/* Where there are no VFs everything is the switch's anyhow. */
	if (is_path && !p->sup->vf && json_is_false(is_vf))
		rpc_send(&p->conn, rpc_result(m->id, NULL));
	else if (!is_path)
		rpc_send(&p->conn, rpc_error(m->id, RPC_NO_METHOD, "no such method"));
	else
		rpc_send(&p->conn,
			 rpc_error(m->id, RPC_BAD_PARAMS,
				   n ? "is_vf: true or false" : "no such adapter with VFs"));
	vf_flush(p);
}

void sup_vf_answered(struct proc *p, const struct rpc_msg *m)
{
	struct sup_vf *sv = p->sup->vf;
	struct vf_nic *n = NULL;
	bool is_add;

	for (unsigned int i = 0; sv && i < VF_NICS_MAX && !n; i++)
		if (sv->nic[i].is_used && sv->nic[i].ask_number && json_is_integer(m->id) &&
		    sv->nic[i].ask_number == json_integer_value(m->id) &&
		    vf_worker_of(&sv->nic[i]) == p)
			n = &sv->nic[i];
	if (!n)
		return;
	n->ask_number = 0;
	is_add = n->is_add_asked;
	if (m->kind == RPC_ERROR) {
		vf_note(n, IOMMU_WHY_NONE, m->error);
		vf_feed(n, is_add ? VFM_ADD_FAILED : VFM_REMOVE_FAILED);
	} else if (is_add) {
		vf_feed(n, VFM_ADDED);
	} else if (json_is_true(json_object_get(m->result, "gone"))) {
		vf_feed(n, VFM_REMOVED);
	}
}
