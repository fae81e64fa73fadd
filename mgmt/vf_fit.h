/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether an adapter's packets may go through a VF, by the configuration alone: what the switch does to a
 * port's packets, no NIC does. */
#pragma once

#include "iommu/why.h"
#include "mgmt/config.h"

/* any.  What speaks against a VF for adapter @nic of @part at present, and as text what of it; or NONE.
 * An adapter that asks for none has nothing against it. */
enum iommu_why vf_hindrance(const struct mgmt_cfg *cfg, const struct mgmt_partition *part,
			    const struct mgmt_nic *nic, char *detail, size_t size);

/* any.  The tag (0: none) that frames of @nic carry on the wire behind @up. False: the uplink does not
 * carry that network. */
bool vf_vlan(const struct mgmt_uplink *up, const struct mgmt_nic *nic, uint16_t *tag);
