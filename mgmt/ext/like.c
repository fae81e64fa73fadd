/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/ext/like.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "mgmt/ext/test.h"
#include "mgmt/switch.h"

#define OWN_PORTS 2u /* "in" and "out", which no file has */

static void vlan_of(struct vsw_port_cfg *c, const struct mgmt_vlan *v)
{
	c->vlan_mode = v->mode;
	c->pvid = v->pvid;
	mgmt_vlan_bits(v, c->allowed);
}

static int add_nics(struct test *t, const struct mgmt_partition *part)
{
	for (uint32_t i = 0; i < part->nics_count; i++) {
		const struct mgmt_nic *nic = &part->nics[i];
		struct test_port *p;
		char name[64];

		snprintf(name, sizeof(name), "%s/%u", part->name, *nic->index);
		p = test_port(t, name);
		if (!p)
			return -EINVAL;
		p->is_known = true;
		p->cfg.kind = VSW_PORT_NIC;
		p->cfg.is_spoof_guarded = !nic->allow_spoofing;
		memcpy(p->cfg.mac, nic->addr, sizeof(p->cfg.mac));
		vlan_of(&p->cfg, &nic->vlan);
	}
	return 0;
}

static int add_uplinks(struct test *t)
{
	for (uint32_t i = 0; i < t->like->uplinks_count; i++) {
		struct test_port *p = test_port(t, t->like->uplinks[i].name);

		if (!p)
			return -EINVAL;
		p->is_known = true;
		p->cfg.kind = VSW_PORT_UPLINK;
		vlan_of(&p->cfg, &t->like->uplinks[i].vlan);
	}
	return 0;
}

static int check_known(const struct test *t, const char *path)
{
	for (unsigned int i = 0; i < t->nr_ports; i++)
		if (!t->port[i].is_known)
			return err_set(-ENOENT, "%s has no port %s", path, t->port[i].cfg.name);
	return 0;
}

int like_ports(struct test *t, const char *path)
{
	struct mgmt_host host;
	int rc;

	if (t->port[0].in)
		return err_set(-EINVAL, "--in: with --switch want --port NAME=FILE");
	test_drop_own_ports(t);
	mgmt_host_get(&host,
		      "/proc/self/exe"); /* nothing is booted: any ELF file is image enough */
	rc = mgmt_config_load_file(&t->like, path, &host);
	for (uint32_t i = 0; !rc && i < t->like->partitions_count; i++)
		rc = add_nics(t, &t->like->partitions[i]);
	if (!rc)
		rc = add_uplinks(t);
	return rc ? rc : check_known(t, path);
}

static int add_exts(struct test *t)
{
	const struct mgmt_switch *sw = &t->like->sw;

	for (uint32_t i = sw->exts_count; i-- > 0;) {
		const struct mgmt_ext *x = &sw->exts[i];
		struct vsw_ext_cfg cfg = {
			.path = x->path,
			.is_disabled = x->is_off,
			.is_fail_closed = x->on_fault == MGMT_FAULT_DROP,
			.budget_us = x->budget_us,
			.config = x->config,
		};
		struct vsw_ext *e;
		int rc;

		snprintf(cfg.name, sizeof(cfg.name), "%s", x->name);
		if (x->ports)
			return err_set(-ENOTSUP,
				       "%s: the bench loads extensions for all ports only",
				       x->name);
		rc = vsw_ext_load(&e, bed_switch(t->bed), &cfg);
		if (rc)
			return rc;
	}
	return 0;
}

int like_rest(struct test *t)
{
	struct sw *sw = calloc(1, sizeof(*sw));
	int rc;

	if (!sw)
		return err_set(-ENOMEM, "no memory");
	sw->vsw = bed_switch(t->bed);
	sw->child.cfg = t->like;
	rc = sw_policies_make(sw);
	if (!rc)
		rc = sw_overlay_set(sw, t->like);
	free(sw);
	return rc ? rc : add_exts(t);
}
