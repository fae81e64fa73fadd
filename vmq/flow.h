/* SPDX-License-Identifier: BSD-3-Clause */
/* What vmq/flow.c asks of a device, so that tests can be the device. */
#pragma once

#include <rte_flow.h>

#include "vmq/provider.h"

struct vmq_flow_calls {
	int (*validate)(uint16_t dev, const struct rte_flow_attr *attr,
			const struct rte_flow_item pattern[],
			const struct rte_flow_action actions[], struct rte_flow_error *error);
	struct rte_flow *(*create)(uint16_t dev, const struct rte_flow_attr *attr,
				   const struct rte_flow_item pattern[],
				   const struct rte_flow_action actions[],
				   struct rte_flow_error *error);
	int (*destroy)(uint16_t dev, struct rte_flow *rule, struct rte_flow_error *error);
};

/* ctl.  As vmq_flow.probe() and create(), with other calls than ethdev's. Borrows them. */
int vmq_flow_probe_with(uint16_t dev, const struct rte_eth_dev_info *info,
			const struct vmq_flow_calls *calls);
int vmq_flow_create_with(void **pv, const struct vmq_provider_cfg *cfg,
			 const struct vmq_flow_calls *calls);
