/* SPDX-License-Identifier: BSD-3-Clause */
/* The supervisor's side of SR-IOV: it alone talks to PFs. It makes VFs when the instance starts, gives one to
 * each adapter that asks (vf_machine.h is the life of that), keeps the PFs' filters, cleans what a worker
 * leaves behind, and puts everything back at the end. A host where it does not work costs no more than
 * the VFs: adapters stay synthetic, and say why.
 *
 * What is said between supervisor and worker, all with nic, such as "a/0":
 *   to the worker, answered at once:
 *     vf_add {bdf, serial, mac}   open the VF and offer it
 *     vf_remove {how, serial}     "eject": ask the guest; "surprise": take it. An answer {"gone": true}: done
 *   by the worker:
 *     vf_state {state, serial}    "offered": no driver of the guest has it (any more); "guest": one has; "gone":
 *                                 VFIO is closed after vf_remove; "lost": the device does not work; "unwanted":
 *                                 the switch or an extension does not allow it
 *     vf_path {is_vf} (asked)     answered when the PF's filter is right, and seen to be; an error: it is not
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "mgmt/rpc.h"

struct sup;
struct sup_vf;
struct proc;
struct op;
struct sriov_sys;
struct sriov_nl_ops;

/* All below: ctl. Those that are called in any case do nothing when the configuration asks for no VF. */

/* Before anything of the instance runs. -ENOMEM, else 0: what does not work is told in the log and in status. */
int sup_vf_begin(struct sup *sup);
/* The same with another host. Borrows @sys (copied) and @ctx. */
int sup_vf_begin_on(struct sup *sup, const struct sriov_sys *sys, const struct sriov_nl_ops *ops,
		    void *ctx);
/* When no worker runs any more: all as it was found. */
void sup_vf_end(struct sup *sup);

void sup_vf_configured(struct sup *sup); /* the configuration has changed */
void sup_vf_switch_up(struct sup *sup);	 /* it has made its uplinks */
void sup_vf_worker_up(struct proc *p);
void sup_vf_worker_dead(struct proc *p);
void sup_vf_said(struct proc *p, const struct rpc_msg *m);  /* vf_state */
void sup_vf_asked(struct proc *p, const struct rpc_msg *m); /* any request of a child; answers it */
void sup_vf_answered(struct proc *p,
		     const struct rpc_msg *m); /* any answer of a child; not ours: nothing */
void sup_vf_tick(struct sup *sup, int64_t now_ms);
int64_t sup_vf_next_ms(const struct sup *sup); /* when to tick; 0: nothing is due */

/* sup_vf_ops.c: an op_kind's begin. */
int sup_vf_list(struct op *op);
int sup_vf_assign(struct op *op);
int sup_vf_revoke(struct op *op);

/* {"pfs": [...], "vfs": [...], "nics": [...]}; NULL: the configuration asks for no VF. New reference. */
json_t *sup_vf_json(const struct sup *sup);
