/* SPDX-License-Identifier: BSD-3-Clause */
/* May this device be given to a guest? Every cause against it, not only the first, so that an operator
 * mends them in one go. Looks at the topology alone and changes nothing; what only trying can show
 * (another program has it open, its driver does not let go) is told by vfio.h and sriov/. */
#pragma once

#include <stdbool.h>

#include "iommu/topology.h"
#include "iommu/why.h"

#define IOMMU_FINDINGS_MAX 24u

struct iommu_finding {
	enum iommu_why why;
	enum iommu_weight weight; /* the table's, or less where this case is harmless */
	char detail[192];
};

struct iommu_verdict {
	char subject[24];   /* the device as it was named */
	int dev;	    /* index, or IOMMU_NONE */
	bool is_assignable; /* nothing blocks */
	unsigned int nr;
	struct iommu_finding finding[IOMMU_FINDINGS_MAX];
};

/* What is known beforehand about the guest. */
struct iommu_wish {
	const struct iommu_range
		*ram; /* guest-physical ranges that the device must reach; type unused */
	unsigned int nr_ram;
	bool is_unsafe_allowed; /* the operator takes a host without interrupt remapping */
};

/* any.  @bdf as people write it, any text. @wish may be NULL: host and device alone. */
void iommu_judge(const struct iommu_topology *t, const char *bdf, const struct iommu_wish *wish,
		 struct iommu_verdict *out);

/* any.  0 when it may be assigned, else as iommu_refuse() with the first cause that blocks. */
int iommu_verdict_refuse(const struct iommu_verdict *v);
