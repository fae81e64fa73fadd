/* SPDX-License-Identifier: BSD-3-Clause */
/* What must be done to a running switch to get from one configuration to another. */
#pragma once

#include "mgmt/config.h"

/* In the order in which they are done: what can fail comes first, and in that what others refer to; what
 * takes away comes last. */
enum mgmt_change_kind {
	MGMT_NIC_ADD,
	MGMT_EXT_LOAD,
	MGMT_EXT_UPGRADE, /* another file, or the same once more; other ports, budget, imports */
	MGMT_EXT_CONFIGURE,
	MGMT_EXT_ENABLE,
	MGMT_EXT_DISABLE,
	MGMT_EXT_ORDER, /* of all: once, at most */
	MGMT_POLICY,	/* of a port */
	MGMT_MIRRORS,	/* all: once, at most */
	MGMT_OVERLAY,	/* all of it */
	MGMT_NIC_LINK,	/* from here on nothing fails */
	MGMT_NIC_VMQ,	/* other keys of vmq */
	MGMT_EXT_UNLOAD,
	MGMT_NIC_REMOVE,
};

struct mgmt_change {
	enum mgmt_change_kind kind;
	/* Of the new configuration; of the old one for REMOVE and UNLOAD. */
	const struct mgmt_partition *part;
	const struct mgmt_nic *nic;
	const struct mgmt_ext *ext;
	const struct mgmt_ext *was; /* the old one of UPGRADE, CONFIGURE, ENABLE, DISABLE */
	char port[32];		    /* POLICY */
};

#define MGMT_CHANGES_MAX (4 * VSW_PORTS_MAX + 4 * MGMT_EXTS_MAX + 3)

/* ctl.  Returns how many, or -EOPNOTSUPP: a difference that cannot be made at run time (text set). The
 * entries point into @from and @to. */
int mgmt_config_diff(const struct mgmt_cfg *from, const struct mgmt_cfg *to,
		     struct mgmt_change out[MGMT_CHANGES_MAX]);

/* config_diff_exts.c, config_diff_policy.c: their parts. */
struct mgmt_diff {
	const struct mgmt_cfg *from, *to;
	struct mgmt_change *out;
	int n;
};
void mgmt_diff_add(struct mgmt_diff *d, struct mgmt_change change);
void mgmt_diff_exts(struct mgmt_diff *d);
void mgmt_diff_exts_gone(struct mgmt_diff *d);
void mgmt_diff_policies(struct mgmt_diff *d);
void mgmt_diff_overlay(struct mgmt_diff *d);
void mgmt_diff_mirrors(struct mgmt_diff *d);
