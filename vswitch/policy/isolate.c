/* SPDX-License-Identifier: BSD-3-Clause */
/* Private VLAN: who may send to whom, judged where the packet leaves. Isolated ports speak with
 * promiscuous ones only, ports of a community with each other, too. An uplink is promiscuous, so between
 * hosts it is for the physical switches to keep ports apart. */
#include "vswitch/policy/priv.h"

static bool may_reach(const struct vsw_pvlan *from, const struct vsw_pvlan *to)
{
	if (from->role == VSW_PVLAN_PROMISCUOUS || to->role == VSW_PVLAN_PROMISCUOUS)
		return true;
	return from->role == VSW_PVLAN_COMMUNITY && to->role == VSW_PVLAN_COMMUNITY &&
	       from->community == to->community;
}

void pol_isolate_init(struct vsw_policy *pol, const struct vsw_policy_cfg *cfg)
{
	static const struct vsw_pvlan nothing;
	unsigned int i;

	for (i = 0; i < VSW_PORTS_MAX; i++) {
		pol->may_from[i] =
			may_reach(cfg->pvlan_of ? &cfg->pvlan_of[i] : &nothing, &cfg->pvlan);
		pol->is_isolated |= !pol->may_from[i];
	}
}

void pol_isolate_run(const struct vsw_policy *pol, struct pol_burst *b)
{
	uint16_t k;

	for (k = 0; k < b->n; k++) {
		uint16_t from = b->slot[k]->pkt.src_port;

		if (from < VSW_PORTS_MAX && !pol->may_from[from])
			pol_drop(b, k, VSW_DROP_isolated, VSW_POLICY_DROP_isolated);
	}
}
