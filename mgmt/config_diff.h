/* SPDX-License-Identifier: BSD-3-Clause */
/* What must be done to a running switch to get from one configuration to another. */
#pragma once

#include "mgmt/config.h"

enum mgmt_change_kind { MGMT_NIC_ADD, MGMT_NIC_LINK, MGMT_NIC_REMOVE };

struct mgmt_change {
	enum mgmt_change_kind kind;
	const struct mgmt_partition *part; /* of the new configuration; of the old one for REMOVE */
	const struct mgmt_nic *nic;
};

#define MGMT_CHANGES_MAX (2 * VSW_PORTS_MAX)

/* ctl.  Additions first, because only they can fail, removals last. Returns how many, or -EOPNOTSUPP: a
 * difference that cannot be made at run time (text set). The entries point into @from and @to. */
int mgmt_config_diff(const struct mgmt_cfg *from, const struct mgmt_cfg *to,
		     struct mgmt_change out[MGMT_CHANGES_MAX]);
