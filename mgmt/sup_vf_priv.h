/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by mgmt/sup_vf*.c. */
#pragma once

#include "iommu/fault.h"
#include "iommu/why.h"
#include "mgmt/sup.h"
#include "mgmt/sup_vf.h"
#include "mgmt/vf_machine.h"
#include "sriov/bind.h"
#include "sriov/filter.h"
#include "sriov/pf.h"
#include "sriov/pool.h"

#define VF_NICS_MAX VSW_PORTS_MAX
#define VF_DRIVER   "vfio-pci"
#define VF_WHY_MAX  500u

/* An uplink with a PF. */
struct vf_pf {
	uint32_t uplink;	      /* its place in the configuration */
	char name[40];		      /* as configured */
	char why[VF_WHY_MAX];	      /* it gives no VFs; "": it does, or was not asked for any */
	enum iommu_why cause;	      /* of that */
	struct sriov_pf *pf;	      /* NULL: there is none */
	struct sriov_filter *filter;  /* NULL: it has no VFs, so it hears everything */
	struct sriov_pf_state *found; /* when we came */
	char former[SRIOV_VFS_MAX][SRIOV_NAME_MAX]; /* drivers of the VFs that were there */
	bool is_former[SRIOV_VFS_MAX];		    /* and that we have taken from them */
	unsigned int nr_vfs;
	bool is_touched;     /* there is something to put back */
	bool is_number_ours; /* we changed it */
};

/* An adapter: all have one, for the filters of the PFs. */
struct vf_nic {
	struct sup_vf *sv;
	bool is_used;
	bool is_leaving; /* not in the configuration any more */
	bool is_revoked; /* by the operator, until he assigns one */
	bool is_sriov;	 /* key sriov */
	uint32_t part;
	uint8_t index;
	char name[40];
	uint8_t mac[6];

	struct vfm m;
	int64_t since_ms;  /* in this state */
	int64_t until_ms;  /* VFM_TIMEOUT then; 0: none is due */
	int64_t clean_ms;  /* the next try; 0: none is due */
	int64_t filter_ms; /* the PFs' filters are tried again then; 0: they are right */
	int filter_rc;	   /* of the last one in this step */
	char filter_text[VF_WHY_MAX];
	struct vf_pf *pf; /* whose VF it has */
	struct sriov_pool_vf *vf;
	char why[VF_WHY_MAX]; /* it has no VF, or not this path; "": nothing to be said */
	enum iommu_why cause;

	int64_t ask_number; /* the worker was asked; 0: it was not, or has answered */
	bool is_add_asked;
	const struct rpc_msg *path; /* while vf_path is being answered */

	int64_t op_number; /* a client waits; 0: none does */
	bool is_op_assign;

	/* DMA that the IOMMU stopped: of all VFs that it had, and of the one with that serial. */
	uint64_t nr_faults;
	unsigned int nr_faults_vf;
	uint32_t fault_serial;
	int64_t fault_ms; /* the last one */
	char fault[200];

	enum vfm_event queue[8];
	unsigned int nr_queued;
	bool is_busy;
};

struct sup_vf {
	struct sup *sup;
	struct sriov_sys sys;
	struct sriov_nl *nl;
	struct sriov_pool *pool;
	struct vf_pf pf[MGMT_UPLINKS_MAX];
	unsigned int nr_pfs;
	struct vf_nic nic[VF_NICS_MAX];
	struct iommu_fault_log faults; /* fd -1: they cannot be seen */
	struct loop_src fault_src;
	bool must_configure;
	bool has_freed; /* a VF went back to the pool: somebody may want it */
};

/* All below: ctl. */

/* sup_vf_pf.c */
void vf_pfs_begin(struct sup_vf *sv);
void vf_pfs_quiet(struct sup_vf *sv);
void vf_pfs_end(struct sup_vf *sv);
/* A VF for @n, set up for it: n->pf, n->vf. 0 or a refusal. */
int vf_take(struct vf_nic *n);
/* What vf_take() would do, as texts. New reference, or NULL: it would be refused (text set). */
json_t *vf_take_steps(struct vf_nic *n);
/* n->vf without owner, reset, without address. 0, -EAGAIN (somebody has it open still), or a refusal. */
int vf_clean(struct vf_nic *n);
/* The adapter's address is received by its VF, or by all PFs. 0 or a refusal. */
int vf_filter_pf(struct vf_nic *n);
int vf_filter_vf(struct vf_nic *n);
void vf_filter_forget(struct vf_nic *n);
/* The VF does not receive the adapter's address any more. 0 or a refusal. */
int vf_deafen(struct vf_nic *n);

/* sup_vf.c */
void vf_feed(struct vf_nic *n, enum vfm_event e);
struct vf_nic *vf_nic_find(const struct sup_vf *sv, const char *name); /* or NULL */
const struct mgmt_nic *vf_nic_cfg(const struct vf_nic *n);	       /* or NULL: it has left */
struct proc *vf_worker_of(const struct vf_nic *n);
void vf_flush(struct proc *p); /* what waits for it goes out as soon as it can */
void vf_note(struct vf_nic *n, enum iommu_why cause, const char *text);

/* sup_vf_fault.c.  A host whose log cannot be read is told of, and works. */
void vf_faults_begin(struct sup_vf *sv);
void vf_faults_end(struct sup_vf *sv);

/* sup_vf_ops.c: answers the client that waits, if it is time. */
void vf_settle(struct vf_nic *n);
json_t *vf_nic_json(const struct vf_nic *n);
