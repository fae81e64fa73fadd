/* SPDX-License-Identifier: BSD-3-Clause */
/* DMA of VFs that the IOMMU stopped, as the kernel's log tells of it: whose it was, and what becomes of who goes
 * on with it. Nothing was read or written by such DMA; but each fault costs the host work, and all devices share
 * the unit's few fault registers. */
#include "mgmt/sup_vf_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/err.h"
#include "base/log.h"

#define FAULTS_TOLD 4u /* of one VF, line by line */
#define FAULTS_MAX \
	16u /* of one VF, then it is taken away; the kernel's log has 10 in 5 s at most */

static struct vf_nic *nic_of(struct sup_vf *sv, const char *bdf)
{
	for (unsigned int i = 0; i < VF_NICS_MAX; i++)
		if (sv->nic[i].is_used && sv->nic[i].vf && !strcmp(sv->nic[i].vf->bdf, bdf))
			return &sv->nic[i];
	return NULL;
}

static bool is_ours(const struct sup_vf *sv, const char *bdf)
{
	const struct sriov_pool_vf *v;

	for (unsigned int i = 0; (v = sriov_pool_at(sv->pool, i)); i++)
		if (!strcmp(v->bdf, bdf))
			return true;
	return false;
}

static void take_away(struct vf_nic *n)
{
	char line[VF_WHY_MAX], detail[260];

	snprintf(detail, sizeof(detail), "%u of VF %s, the last: %s", n->nr_faults_vf, n->vf->bdf,
		 n->fault);
	iommu_why_line(line, sizeof(line), IOMMU_WHY_DMA_FAULTS, n->name, detail);
	log_err(n->name, "%s", line);
	n->is_revoked = true;
	vf_feed(n, VFM_REVOKE_NOW);
	vf_note(n, IOMMU_WHY_DMA_FAULTS, line);
}

static void on_fault(const struct iommu_fault *f, void *ctx)
{
	struct sup_vf *sv = ctx;
	char bdf[IOMMU_BDF_TEXT], line[sizeof(((struct vf_nic *)0)->fault)];
	struct vf_nic *n;

	iommu_bdf_text(f->bdf, bdf);
	iommu_fault_line(f, line, sizeof(line));
	n = nic_of(sv, bdf);
	if (!n) {
		if (is_ours(sv, bdf))
			log_warn("iommu", "%s; no partition has it", line);
		return;
	}
	if (n->fault_serial != n->vf->serial)
		n->nr_faults_vf = 0;
	n->fault_serial = n->vf->serial;
	n->nr_faults++;
	n->nr_faults_vf++;
	n->fault_ms = loop_now_ms();
	memcpy(n->fault, line, sizeof(n->fault));
	if (n->nr_faults_vf <= FAULTS_TOLD)
		log_warn(n->name, "the VF of partition %s reached outside of its memory: %s%s",
			 n->sv->sup->worker[n->part].name, line,
			 n->nr_faults_vf == FAULTS_TOLD ? "; further ones are only counted" : "");
	/* Those in the log that are older than the removal say nothing new. */
	if (n->nr_faults_vf >= FAULTS_MAX && n->m.is_wanted)
		take_away(n);
}

static void on_log(void *ctx, uint32_t events)
{
	struct sup_vf *sv = ctx;

	if (iommu_fault_log_read(&sv->faults, on_fault, sv) >= 0)
		return;
	log_warn("iommu", "DMA faults are not told any more: %s", err_text());
	vf_faults_end(sv);
}

void vf_faults_begin(struct sup_vf *sv)
{
	char path[SRIOV_PATH_MAX];
	int rc;

	sv->fault_src = (struct loop_src){-1, on_log, sv};
	snprintf(path, sizeof(path), "%s/dev/kmsg", sv->sys.root);
	rc = iommu_fault_log_open(&sv->faults, path);
	if (!rc)
		rc = loop_add(&sv->sup->loop, &sv->fault_src, sv->faults.fd, EPOLLIN);
	if (!rc)
		return;
	log_warn("iommu", "%s", err_text());
	iommu_fault_log_close(&sv->faults);
}

void vf_faults_end(struct sup_vf *sv)
{
	loop_del(&sv->sup->loop, &sv->fault_src);
	iommu_fault_log_close(&sv->faults);
}
