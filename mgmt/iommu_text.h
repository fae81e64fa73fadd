/* SPDX-License-Identifier: BSD-3-Clause */
/* What iommu/ knows about a host, for people and for programs. */
#pragma once

#include <jansson.h>
#include <stdio.h>

struct iommu_topology;
struct iommu_verdict;

/* ctl.  Units, interrupt remapping, VFIO and the functions that are worth a line: NICs, and what is
 * VFIO's already. */
void iommu_print_host(FILE *to, const struct iommu_topology *t);

/* ctl.  One device, its group, and each finding with its next step. */
void iommu_print_dev(FILE *to, const struct iommu_topology *t, const struct iommu_verdict *v);

/* ctl.  The same as JSON, all devices in it. The caller releases; NULL: out of memory. */
json_t *iommu_host_json(const struct iommu_topology *t);
json_t *iommu_dev_json(const struct iommu_topology *t, const struct iommu_verdict *v);
