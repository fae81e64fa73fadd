/* SPDX-License-Identifier: BSD-3-Clause */
/* Adapters of the switch: made from the configuration at the start, added, removed and set while it
 * runs. */
#include "mgmt/switch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

void sw_nic_name(char out[32], const struct mgmt_partition *part, const struct mgmt_nic *nic)
{
	snprintf(out, 32, "%s/%u", part->name, *nic->index);
}

/* The uplink to the NIC that has the VFs: the first one with a PF. */
static void vf_uplink_of(char *buf, size_t size, const struct mgmt_cfg *cfg)
{
	char pf[64];

	for (uint32_t i = 0; i < cfg->uplinks_count; i++) {
		if (mgmt_uplink_pf(&cfg->uplinks[i], pf, sizeof(pf))) {
			snprintf(buf, size, "%s", cfg->uplinks[i].name);
			return;
		}
	}
}

/* Whether a device may ever write into its receive buffer, of which the guest is told once only. Whether it is to is
 * another matter, and changes. */
static bool may_direct(const struct mgmt_cfg *cfg)
{
	for (uint32_t i = 0; i < cfg->uplinks_count; i++) {
		const struct mgmt_vmq *q = cfg->uplinks[i].vmq;

		if (q && !q->no_direct && q->provider != VMQ_PROVIDER_SOFTWARE)
			return true;
	}
	return false;
}

int sw_nic_make(struct sw *sw, const struct mgmt_partition *part, const struct mgmt_nic *nic)
{
	struct netvsp_nic_cfg cfg = {
		.index = *nic->index,
		.mtu = nic->mtu,
		.max_channels = nic->channels,
		.link_mbps = nic->link_mbps,
		.vlan_mode = nic->vlan.mode,
		.pvid = nic->vlan.pvid,
		.allow_spoofing = nic->allow_spoofing,
		.no_offload = nic->no_offload,
		.wants_monitor = nic->monitor,
		.link_down = nic->link_down,
		.may_direct = may_direct(sw->child.cfg),
	};
	struct netvsp_nic *out;

	sw_nic_name(cfg.name, part, nic);
	snprintf(cfg.partition, sizeof(cfg.partition), "%s", part->name);
	memcpy(cfg.mac, nic->addr, sizeof(cfg.mac));
	vf_uplink_of(cfg.vf_uplink, sizeof(cfg.vf_uplink), sw->child.cfg);
	mgmt_vlan_bits(&nic->vlan, cfg.allowed);
	return netvsp_nic_create(&out, sw->netvsp, &cfg);
}

int sw_nic_apply(struct sw *sw, const struct mgmt_change *c)
{
	struct netvsp_nic *nic;
	char name[32];

	int rc;

	if (c->kind == MGMT_NIC_ADD) {
		rc = sw_nic_make(sw, c->part, c->nic);
		if (!rc)
			sw_vmq_nic(sw, c->part, c->nic);
		return rc;
	}
	sw_nic_name(name, c->part, c->nic);
	nic = netvsp_nic_find(sw->netvsp, name);
	if (!nic)
		return err_set(-ENOENT, "the switch has no adapter %s", name);
	if (c->kind == MGMT_NIC_LINK) {
		netvsp_nic_set_link(nic, !c->nic->link_down);
	} else if (c->kind == MGMT_NIC_VMQ) {
		sw_vmq_nic(sw, c->part, c->nic);
	} else {
		sw_vmq_nic_gone(sw, c->part, c->nic);
		netvsp_nic_remove(nic);
	}
	return 0;
}

void sw_nic_undo(struct sw *sw, const struct mgmt_change *c)
{
	char name[32];

	if (c->kind != MGMT_NIC_ADD)
		return;
	sw_nic_name(name, c->part, c->nic);
	sw_vmq_nic_gone(sw, c->part, c->nic);
	netvsp_nic_destroy(netvsp_nic_find(sw->netvsp, name));
}
