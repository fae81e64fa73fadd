/* SPDX-License-Identifier: BSD-3-Clause */
/* Adapters of the switch: made from the configuration at the start, and from the difference to a new
 * one while it runs. */
#include "mgmt/switch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "mgmt/config_diff.h"

static void name_of(char out[32], const struct mgmt_partition *part, const struct mgmt_nic *nic)
{
	snprintf(out, 32, "%s/%u", part->name, *nic->index);
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
	};
	struct netvsp_nic *out;

	name_of(cfg.name, part, nic);
	snprintf(cfg.partition, sizeof(cfg.partition), "%s", part->name);
	memcpy(cfg.mac, nic->addr, sizeof(cfg.mac));
	mgmt_vlan_bits(&nic->vlan, cfg.allowed);
	return netvsp_nic_create(&out, sw->netvsp, &cfg);
}

static int apply(struct sw *sw, const struct mgmt_change *c)
{
	struct netvsp_nic *nic;
	char name[32];

	if (c->kind == MGMT_NIC_ADD)
		return sw_nic_make(sw, c->part, c->nic);
	name_of(name, c->part, c->nic);
	nic = netvsp_nic_find(sw->netvsp, name);
	if (!nic)
		return err_set(-ENOENT, "the switch has no adapter %s", name);
	if (c->kind == MGMT_NIC_LINK)
		netvsp_nic_set_link(nic, !c->nic->link_down);
	else
		netvsp_nic_remove(nic);
	return 0;
}

/* Additions come first and only they fail, so nothing but additions is ever taken back. */
static int apply_all(struct sw *sw, const struct mgmt_change *change, int n)
{
	char name[32];
	int rc = 0, i;

	for (i = 0; i < n && !rc; i++)
		rc = apply(sw, &change[i]);
	if (!rc)
		return 0;
	for (i -= 2; i >= 0; i--)
		if (change[i].kind == MGMT_NIC_ADD) {
			name_of(name, change[i].part, change[i].nic);
			netvsp_nic_destroy(netvsp_nic_find(sw->netvsp, name));
		}
	return rc;
}

static void log_all(const struct mgmt_change *change, int n)
{
	static const char *const what[] = {
		[MGMT_NIC_ADD] = "added",
		[MGMT_NIC_REMOVE] = "removed",
	};
	char name[32];

	for (int i = 0; i < n; i++) {
		const struct mgmt_nic *nic = change[i].nic;

		name_of(name, change[i].part, nic);
		if (change[i].kind == MGMT_NIC_LINK)
			log_info(name, "link %s", nic->link_down ? "down" : "up");
		else
			log_info(name, "%s, MAC %s", what[change[i].kind], nic->mac);
	}
}

int sw_configure(struct sw *sw, const json_t *config)
{
	struct mgmt_change *change = calloc(MGMT_CHANGES_MAX, sizeof(*change));
	struct mgmt_cfg *next = NULL;
	struct mgmt_host host;
	int rc, n = 0;

	mgmt_host_get(&host, "");
	host.no_files = true;
	rc = change ? mgmt_config_load_json(&next, "configuration", config, &host)
		    : err_set(-ENOMEM, "configuration");
	if (!rc)
		rc = n = mgmt_config_diff(sw->child.cfg, next, change);
	if (rc >= 0)
		rc = apply_all(sw, change, n);
	if (!rc) {
		log_all(change, n);
		mgmt_config_free(sw->child.cfg);
		sw->child.cfg = next;
		next = NULL;
	}
	mgmt_config_free(next);
	free(change);
	return rc;
}
