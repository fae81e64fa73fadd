/* SPDX-License-Identifier: BSD-3-Clause */
/* Carries out what the machines of the adapters want (vf_machine.h), by the configuration and the clock. What
 * others say is in sup_vf_events.c. */
#include "mgmt/sup_vf_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/err.h"
#include "base/log.h"
#include "mgmt/vf_fit.h"

#define ADD_MS	    30000 /* for a worker, to map all memory of a guest, and this much more a MiB: */
#define ADD_MS_MIB  1
#define EJECT_MS    10000 /* for a guest, to give a VF back */
#define SURPRISE_MS 5000  /* for a worker, to take it */
#define CLEAN_MS    10000 /* for the kernel, until nobody has it open */
#define LOOK_MS	    100	  /* between two looks whether it is so */
#define FILTER_MS   2000  /* between two tries to add a filter */

void vf_note(struct vf_nic *n, enum iommu_why cause, const char *text)
{
	n->cause = cause;
	snprintf(n->why, sizeof(n->why), "%s", text);
}

struct proc *vf_worker_of(const struct vf_nic *n)
{
	return &n->sv->sup->worker[n->part];
}

const struct mgmt_nic *vf_nic_cfg(const struct vf_nic *n)
{
	return mgmt_config_nic(&n->sv->sup->cfg->partitions[n->part], n->index);
}

struct vf_nic *vf_nic_find(const struct sup_vf *sv, const char *name)
{
	for (unsigned int i = 0; i < VF_NICS_MAX; i++)
		if (sv->nic[i].is_used && !strcmp(sv->nic[i].name, name))
			return (struct vf_nic *)&sv->nic[i];
	return NULL;
}

void vf_flush(struct proc *p)
{
	if (rpc_wants_write(&p->conn))
		loop_mod(&p->sup->loop, &p->conn_src, EPOLLIN | EPOLLOUT);
}

/* ---- Acts ----------------------------------------------------------------------------------- */

static void push(struct vf_nic *n, enum vfm_event e)
{
	if (n->nr_queued < sizeof(n->queue) / sizeof(n->queue[0]))
		n->queue[n->nr_queued++] = e;
}

/* Asks the worker; @fail is fed when it cannot be asked. */
static void ask(struct vf_nic *n, const char *method, json_t *params, int limit_ms,
		enum vfm_event fail)
{
	struct proc *p = vf_worker_of(n);

	n->ask_number = ++n->sv->sup->next_number;
	n->is_add_asked = fail == VFM_ADD_FAILED;
	n->until_ms = loop_now_ms() + limit_ms;
	if (!rpc_send(&p->conn, rpc_request(n->ask_number, method, params))) {
		vf_flush(p);
		return;
	}
	n->ask_number = 0;
	vf_note(n, IOMMU_WHY_NONE, "the partition's worker is ending");
	push(n, fail);
}

static void do_add(struct vf_nic *n)
{
	const uint8_t *m = n->mac;

	ask(n, "vf_add",
	    json_pack("{s:s, s:s, s:I, s:o}", "nic", n->name, "bdf", n->vf->bdf, "serial",
		      (json_int_t)n->vf->serial, "mac",
		      json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4],
				   m[5])),
	    ADD_MS + (int)n->sv->sup->cfg->partitions[n->part].memory * ADD_MS_MIB, VFM_ADD_FAILED);
}

static void do_remove(struct vf_nic *n, const char *how, int limit_ms)
{
	ask(n, "vf_remove",
	    json_pack("{s:s, s:s, s:I}", "nic", n->name, "how", how, "serial",
		      (json_int_t)n->vf->serial),
	    limit_ms, VFM_REMOVE_FAILED);
}

static void do_filter(struct vf_nic *n, bool is_vf)
{
	iommu_refuse_clear();
	n->filter_rc = is_vf ? vf_filter_vf(n) : vf_filter_pf(n);
	n->filter_ms = n->filter_rc && !is_vf ? loop_now_ms() + FILTER_MS : 0;
	if (!n->filter_rc)
		return;
	log_warn(n->name, "%s", n->filter_text);
	vf_note(n, iommu_refused(), n->filter_text);
	if (is_vf)
		push(n, VFM_FILTER_FAILED);
}

static void answer_path(struct vf_nic *n, const char *error)
{
	struct proc *p = vf_worker_of(n);

	if (!n->path)
		return;
	rpc_send(&p->conn,
		 error ? rpc_error(n->path->id, RPC_FAILED, error) : rpc_result(n->path->id, NULL));
	n->path = NULL;
	vf_flush(p);
}

static void try_clean(struct vf_nic *n)
{
	int rc;

	iommu_refuse_clear();
	rc = vf_clean(n);
	n->clean_ms = rc == -EAGAIN ? loop_now_ms() + LOOK_MS : 0;
	if (rc == -EAGAIN)
		return;
	if (rc)
		vf_note(n, iommu_refused(), err_text());
	push(n, rc ? VFM_CLEAN_FAILED : VFM_CLEANED);
}

static void do_clean(struct vf_nic *n)
{
	n->ask_number = 0;
	n->until_ms = loop_now_ms() + CLEAN_MS;
	try_clean(n);
}

static void let_go(struct vf_nic *n)
{
	n->vf = NULL;
	n->pf = NULL;
}

static void do_quarantine(struct vf_nic *n)
{
	if (!n->why[0] || n->clean_ms) {
		iommu_refuse(IOMMU_WHY_BUSY, n->vf->bdf,
			     "still %d s after it should have been closed", CLEAN_MS / 1000);
		vf_note(n, IOMMU_WHY_BUSY, err_text());
	}
	log_err(n->name, "VF %s goes into quarantine: %s", n->vf->bdf, n->why);
	sriov_pool_quarantine(n->sv->pool, n->vf, n->why);
	n->clean_ms = 0;
	let_go(n);
}

static void act(struct vf_nic *n, enum vfm_act a)
{
	switch (a) {
	case VFM_DO_TAKE: push(n, vf_take(n) ? VFM_TAKE_FAILED : VFM_TAKEN); break;
	case VFM_DO_ADD: do_add(n); break;
	case VFM_DO_FILTER_PF: do_filter(n, false); break;
	case VFM_DO_FILTER_VF: do_filter(n, true); break;
	case VFM_DO_VF_DEAF:
		if (vf_deafen(n))
			log_warn(n->name, "some frames may come twice: %s", err_text());
		break;
	case VFM_DO_PATH_ANSWER: answer_path(n, n->filter_rc ? n->filter_text : NULL); break;
	case VFM_DO_PATH_REFUSE:
		answer_path(n, "the guest has no VF that could carry packets");
		break;
	case VFM_DO_EJECT: do_remove(n, "eject", EJECT_MS); break;
	case VFM_DO_SURPRISE: do_remove(n, "surprise", SURPRISE_MS); break;
	case VFM_DO_CLEAN: do_clean(n); break;
	case VFM_DO_GIVE_BACK:
		sriov_pool_give_back(n->sv->pool, n->vf);
		let_go(n);
		n->sv->has_freed = true;
		break;
	case VFM_DO_QUARANTINE: do_quarantine(n); break;
	default: break;
	}
}

/* What waited for the old state waits no more. */
static void entered(struct vf_nic *n, enum vfm_state from, enum vfm_event e)
{
	char bdf[SRIOV_BDF_MAX + 1] = "";

	if (n->vf)
		snprintf(bdf, sizeof(bdf), " %s", n->vf->bdf);
	n->since_ms = loop_now_ms();
	n->until_ms = 0;
	if (n->m.state == VFM_OFFERED || n->m.state == VFM_PATH_VF)
		vf_note(n, IOMMU_WHY_NONE, "");
	log_info(n->name, "VF%s: %s -> %s (%s)", bdf, vfm_state_word(from),
		 vfm_state_word(n->m.state), vfm_event_word(e));
}

static void step(struct vf_nic *n, enum vfm_event e)
{
	enum vfm_act acts[VFM_ACTS_MAX];
	enum vfm_state from = n->m.state;
	unsigned int k = vfm_step(&n->m, e, acts);

	if (n->m.state != from)
		entered(n, from, e);
	for (unsigned int i = 0; i < k; i++)
		act(n, acts[i]);
}

static void leave(struct vf_nic *n)
{
	if (!n->is_leaving || vfm_has_vf(&n->m))
		return;
	vf_filter_forget(n);
	n->sv->must_configure = true; /* another of its name may wait */
	memset(n, 0, sizeof(*n));
}

/* An act may feed again; that is taken when the acts before it are done. */
void vf_feed(struct vf_nic *n, enum vfm_event e)
{
	push(n, e);
	if (n->is_busy)
		return;
	n->is_busy = true;
	while (n->nr_queued) {
		e = n->queue[0];
		memmove(n->queue, n->queue + 1, --n->nr_queued * sizeof(n->queue[0]));
		step(n, e);
	}
	n->is_busy = false;
	vf_settle(n);
	leave(n);
}

/* ---- The configuration ---------------------------------------------------------------------- */

static struct vf_nic *new_nic(struct sup_vf *sv, uint32_t part, const struct mgmt_nic *nic,
			      const char *name)
{
	struct vf_nic *n = sv->nic;

	while (n < sv->nic + VF_NICS_MAX && n->is_used)
		n++;
	if (n == sv->nic + VF_NICS_MAX)
		return NULL;
	*n = (struct vf_nic){.sv = sv, .is_used = true, .part = part, .index = *nic->index};
	n->since_ms = loop_now_ms();
	snprintf(n->name, sizeof(n->name), "%s", name);
	memcpy(n->mac, nic->addr, sizeof(n->mac));
	do_filter(n, false);
	if (sv->sup->worker[part].state == PROC_RUNNING)
		vf_feed(n, VFM_WORKER_UP);
	return n;
}

static void configure_nic(struct sup_vf *sv, uint32_t part, const struct mgmt_nic *nic)
{
	const struct mgmt_partition *p = &sv->sup->cfg->partitions[part];
	enum iommu_why why;
	struct vf_nic *n;
	char name[40], detail[100], line[VF_WHY_MAX];
	bool is_wanted;

	snprintf(name, sizeof(name), "%s/%u", p->name, *nic->index);
	n = vf_nic_find(sv, name);
	if (!n)
		n = new_nic(sv, part, nic, name);
	if (!n || memcmp(n->mac, nic->addr, sizeof(n->mac)))
		return; /* the one before it is still leaving */
	n->is_leaving = false;
	n->is_sriov = nic->sriov;
	why = vf_hindrance(sv->sup->cfg, p, nic, detail, sizeof(detail));
	is_wanted = nic->sriov && why == IOMMU_WHY_NONE && !n->is_revoked;
	if (is_wanted && !n->m.is_wanted)
		vf_feed(n, VFM_ASSIGN);
	else if (!is_wanted && n->m.is_wanted)
		vf_feed(n, VFM_REVOKE);
	if (why != IOMMU_WHY_NONE)
		vf_note(n, why, iommu_why_line(line, sizeof(line), why, name, detail));
}

static bool is_configured(const struct vf_nic *n)
{
	const struct mgmt_nic *nic = vf_nic_cfg(n);

	return nic && !memcmp(nic->addr, n->mac, sizeof(n->mac));
}

void sup_vf_configured(struct sup *sup)
{
	struct sup_vf *sv = sup->vf;

	for (unsigned int i = 0; sv && i < VF_NICS_MAX; i++) {
		struct vf_nic *n = &sv->nic[i];

		if (!n->is_used || is_configured(n))
			continue;
		n->is_leaving = true;
		vf_feed(n, VFM_REVOKE);
	}
	for (uint32_t i = 0; sv && i < sup->cfg->partitions_count; i++)
		for (uint32_t k = 0; k < sup->cfg->partitions[i].nics_count; k++)
			configure_nic(sv, i, &sup->cfg->partitions[i].nics[k]);
}

/* ---- Life ----------------------------------------------------------------------------------- */

/* Without it a host that has nothing to do with SR-IOV is not even looked at. */
static bool is_asked_for(const struct mgmt_cfg *cfg)
{
	for (uint32_t i = 0; i < cfg->uplinks_count; i++)
		if (cfg->uplinks[i].pf || cfg->uplinks[i].vfs)
			return true;
	return mgmt_config_vfs(cfg);
}

int sup_vf_begin_on(struct sup *sup, const struct sriov_sys *sys, const struct sriov_nl_ops *ops,
		    void *ctx)
{
	struct sup_vf *sv;
	int rc;

	if (!is_asked_for(sup->cfg))
		return 0;
	sv = calloc(1, sizeof(*sv));
	if (!sv)
		return err_set(-ENOMEM, "VFs");
	sup->vf = sv;
	sv->sup = sup;
	sv->sys = *sys;
	sv->faults.fd = -1;
	sv->fault_src.fd = -1;
	rc = sriov_nl_create(&sv->nl, ops, ctx);
	if (!rc)
		rc = sriov_pool_create(&sv->pool);
	if (rc) {
		sup_vf_end(sup);
		return rc;
	}
	vf_faults_begin(sv);
	vf_pfs_begin(sv);
	sup_vf_configured(sup);
	return 0;
}

int sup_vf_begin(struct sup *sup)
{
	struct sriov_sys sys = sriov_sys_host();

	return sup_vf_begin_on(sup, &sys, NULL, NULL);
}

/* A worker that died a moment ago may not have let go yet. */
static void clean_rest(struct sup_vf *sv, struct vf_nic *n)
{
	n->m.is_wanted = false;
	vf_feed(n, VFM_WORKER_DEAD);
	for (int waited = 0; n->m.state == VFM_CLEANING && waited < CLEAN_MS; waited += LOOK_MS) {
		sriov_sys_sleep(&sv->sys, LOOK_MS);
		n->clean_ms = 1;
		sup_vf_tick(sv->sup, loop_now_ms());
	}
}

void sup_vf_end(struct sup *sup)
{
	struct sup_vf *sv = sup->vf;

	if (!sv)
		return;
	for (unsigned int i = 0; i < VF_NICS_MAX; i++)
		if (sv->nic[i].is_used)
			clean_rest(sv, &sv->nic[i]);
	vf_pfs_end(sv);
	vf_faults_end(sv);
	sriov_pool_destroy(sv->pool);
	sriov_nl_destroy(sv->nl);
	free(sv);
	sup->vf = NULL;
}

/* ---- Time ----------------------------------------------------------------------------------- */

static void tick_nic(struct vf_nic *n, int64_t now)
{
	if (n->filter_ms && now >= n->filter_ms)
		do_filter(n, false);
	if (n->clean_ms && now >= n->clean_ms) {
		/* Its result is in the queue, and what comes of it is done with the next event. */
		n->is_busy = true;
		try_clean(n);
		n->is_busy = false;
		if (n->nr_queued)
			vf_feed(n, n->queue[--n->nr_queued]);
	}
	if (n->is_used && n->until_ms && now >= n->until_ms) {
		n->until_ms = 0;
		if (vfm_has_vf(&n->m) && n->m.state != VFM_CLEANING)
			vf_note(n, IOMMU_WHY_NONE,
				n->m.state == VFM_PREPARING ? "the worker does not answer"
							    : "the guest does not give it back");
		vf_feed(n, VFM_TIMEOUT);
	}
}

void sup_vf_tick(struct sup *sup, int64_t now)
{
	struct sup_vf *sv = sup->vf;
	bool has_freed = sv && sv->has_freed;

	for (unsigned int i = 0; sv && i < VF_NICS_MAX; i++)
		if (sv->nic[i].is_used)
			tick_nic(&sv->nic[i], now);
	if (sv && sv->must_configure) {
		sv->must_configure = false;
		sup_vf_configured(sup);
	}
	if (!has_freed)
		return;
	sv->has_freed = false;
	for (unsigned int i = 0; i < VF_NICS_MAX; i++) {
		struct vf_nic *n = &sv->nic[i];

		if (n->is_used && n->m.is_wanted && n->m.is_refused &&
		    n->cause == IOMMU_WHY_VF_NONE_FREE && !vfm_has_vf(&n->m))
			vf_feed(n, VFM_ASSIGN);
	}
}

static void sooner(int64_t *next, int64_t at)
{
	if (at && (!*next || at < *next))
		*next = at;
}

int64_t sup_vf_next_ms(const struct sup *sup)
{
	const struct sup_vf *sv = sup->vf;
	int64_t next = sv && (sv->has_freed || sv->must_configure) ? 1 : 0;

	for (unsigned int i = 0; sv && i < VF_NICS_MAX; i++) {
		const struct vf_nic *n = &sv->nic[i];

		if (!n->is_used)
			continue;
		sooner(&next, n->until_ms);
		sooner(&next, n->clean_ms);
		sooner(&next, n->filter_ms);
	}
	return next;
}
