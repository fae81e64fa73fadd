/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual functions that a partition has, private to mgmt/worker*.c. Three meet here that know nothing of
 * each other: the function (iommu/vfio.h), the channel by which the guest sees it (sriov/vpci.h), and what
 * the partition does for it (hv/device.h).
 *
 *   OFFERED --remove--> LEAVING --path is off it--> EJECTING --guest let go--> gone
 *
 * While any is there, all of the partition's RAM is pinned and mapped for DMA, at IOVA = GPA. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct worker;
struct worker_vfs;

/* ctl.  0 or -ENOMEM (text set). */
int worker_vf_build(struct worker *w);
void worker_vf_demolish(
	struct worker *w); /* before server and partition; takes all VFs from the guest */

/* ctl.  Requests of the supervisor: "vf_add", "vf_remove" (mgmt/sup_vf.h). -ENOSYS: none of these. */
int worker_vf_call(struct worker *w, const char *method, json_t *params, json_t **result);
/* ctl.  Time-outs. */
void worker_vf_tick(struct worker *w);

/* ctl.  Upward calls of the VMBus server. */
void worker_vf_offered(struct worker *w, uint32_t relid);
void worker_vf_path(struct worker *w, uint32_t relid, bool is_vf, uint32_t ticket);
void worker_vf_unwanted(struct worker *w, uint32_t relid, const char *why);

/* ctl.  Adds "vfs" to @o. */
void worker_vf_add_json(struct worker *w, json_t *o);
