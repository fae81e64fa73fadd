/* SPDX-License-Identifier: BSD-3-Clause */
/* Between the files that read the topology. */
#pragma once

struct iommu_topology;

/* ctl.  devices.c. Units are there already. 0 or -ENOMEM (text set). */
int iommu_groups_read(const char *root, struct iommu_topology *t);
int iommu_devs_read(const char *root, struct iommu_topology *t); /* after the groups */
