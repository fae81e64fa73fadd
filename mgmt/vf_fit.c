/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/vf_fit.h"

#include <stdio.h>
#include <string.h>

static bool has(char **list, uint32_t n, const char *name)
{
	for (uint32_t i = 0; i < n; i++)
		if (!strcmp(list[i], name))
			return true;
	return false;
}

static bool is_mirrored(const struct mgmt_cfg *cfg, const char *port)
{
	for (uint32_t i = 0; i < cfg->sw.mirrors_count; i++) {
		const struct mgmt_mirror *m = &cfg->sw.mirrors[i];

		if (!strcmp(m->to, port) || has(m->from, m->from_count, port))
			return true;
	}
	return false;
}

static bool is_in_subnet(const struct mgmt_cfg *cfg, const char *port)
{
	const struct mgmt_overlay *o = cfg->sw.overlay;

	for (uint32_t i = 0; o && i < o->subnets_count; i++)
		if (has(o->subnets[i].ports, o->subnets[i].ports_count, port))
			return true;
	return false;
}

static bool has_policy(const struct mgmt_cfg *cfg, const char *port)
{
	struct mgmt_port p;

	for (uint32_t n = 0; mgmt_config_port(cfg, n, &p); n++) {
		json_t *key = strcmp(p.name, port) == 0 ? mgmt_policy_key(cfg, &p) : NULL;

		json_decref(key);
		if (key)
			return true;
	}
	return false;
}

enum iommu_why vf_hindrance(const struct mgmt_cfg *cfg, const struct mgmt_partition *part,
			    const struct mgmt_nic *nic, char *detail, size_t size)
{
	char port[40];

	detail[0] = 0;
	if (!nic->sriov)
		return IOMMU_WHY_NONE;
	snprintf(port, sizeof(port), "%s/%u", part->name, *nic->index);
	if (has_policy(cfg, port)) {
		snprintf(detail, size, "policies of port %s", port);
		return IOMMU_WHY_POLICY;
	}
	if (is_in_subnet(cfg, port)) {
		snprintf(detail, size, "%s is in a virtual subnet", port);
		return IOMMU_WHY_POLICY;
	}
	if (nic->link_down) {
		snprintf(detail, size, "its link is down");
		return IOMMU_WHY_POLICY;
	}
	if (is_mirrored(cfg, port)) {
		snprintf(detail, size, "a mirror of port %s", port);
		return IOMMU_WHY_CAPTURE;
	}
	return IOMMU_WHY_NONE;
}

bool vf_vlan(const struct mgmt_uplink *up, const struct mgmt_nic *nic, uint16_t *tag)
{
	uint16_t vlan = nic->vlan.pvid;
	uint64_t allowed[64];

	*tag = 0;
	if (vlan == up->vlan.pvid)
		return true;
	if (up->vlan.mode != VSW_VLAN_TRUNK)
		return false;
	mgmt_vlan_bits(&up->vlan, allowed);
	*tag = vlan;
	return vlan && allowed[vlan / 64] >> vlan % 64 & 1;
}
