/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by pf.c and pf_apply.c. */
#pragma once

#include "sriov/pf.h"

#define SRIOV_DEV "/sys/bus/pci/devices/%s"

struct sriov_pf {
	struct sriov_sys sys;
	struct sriov_nl *nl;
	struct sriov_pf_info info;
};

/* any.  Whether setting @field of @to is what @is has. */
bool sriov_vf_has(const struct sriov_vf *is, const struct sriov_vf *to, enum sriov_field field);

/* any.  "MAC 02:...", "VLAN 5, priority 1" ... "not told" when the driver does not. */
const char *sriov_vf_words(const struct sriov_vf *v, enum sriov_field field, char *buf,
			   size_t size);
