/* SPDX-License-Identifier: BSD-3-Clause */
/* The overlay: from the configuration to what the switch is told. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "mgmt/switch.h"
#include "vswitch/mirror.h"
#include "vswitch/overlay/overlay.h"
#include "vswitch/vswitch.h"

/* What an overlay is made from, in one piece of memory each kind. */
struct made {
	struct vsw_overlay_cfg cfg;
	struct vsw_overlay_subnet *subnets;
	struct vsw_overlay_port *ports;
	struct vsw_overlay_remote *remotes;
	uint8_t (*macs)[6];
	uint32_t nr_ports, nr_remotes, nr_macs; /* used */
};

static bool alloc(struct made *m, const struct mgmt_overlay *o)
{
	size_t ports = 0, remotes = 0, macs = 0;

	for (uint32_t i = 0; i < o->subnets_count; i++) {
		ports += o->subnets[i].ports_count;
		remotes += o->subnets[i].remotes_count;
		for (uint32_t k = 0; k < o->subnets[i].remotes_count; k++)
			macs += o->subnets[i].remotes[k].macs_count;
	}
	m->subnets = calloc(o->subnets_count + 1, sizeof(*m->subnets));
	m->ports = calloc(ports + 1, sizeof(*m->ports));
	m->remotes = calloc(remotes + 1, sizeof(*m->remotes));
	m->macs = calloc(macs + 1, sizeof(*m->macs));
	return m->subnets && m->ports && m->remotes && m->macs;
}

static void release(struct made *m)
{
	free(m->subnets);
	free(m->ports);
	free(m->remotes);
	free(m->macs);
}

/* An adapter's own address, which is known without learning; zero: an uplink's. */
static void own_mac(const struct mgmt_cfg *cfg, const char *name, uint8_t mac[6])
{
	const char *slash = strchr(name, '/');
	const struct mgmt_partition *part;
	char owner[MGMT_NAME_MAX + 1];
	const struct mgmt_nic *nic;

	if (!slash || (size_t)(slash - name) > MGMT_NAME_MAX)
		return;
	memcpy(owner, name, (size_t)(slash - name));
	owner[slash - name] = 0;
	part = mgmt_config_partition(cfg, owner);
	nic = part ? mgmt_config_nic(part, (unsigned int)strtoul(slash + 1, NULL, 10)) : NULL;
	if (nic)
		memcpy(mac, nic->addr, 6);
}

static int make_ports(const struct sw *sw, struct made *m, const struct mgmt_cfg *cfg, uint32_t i)
{
	const struct mgmt_subnet *s = &cfg->sw.overlay->subnets[i];

	m->subnets[i].ports = &m->ports[m->nr_ports];
	m->subnets[i].nr_ports = s->ports_count;
	for (uint32_t k = 0; k < s->ports_count; k++) {
		struct vsw_overlay_port *p = &m->ports[m->nr_ports++];
		int at = sw_port_number(sw, s->ports[k]);

		if (at < 0)
			return at;
		p->port = (uint16_t)at;
		own_mac(cfg, s->ports[k], p->mac);
	}
	return 0;
}

static int make_remotes(struct made *m, const struct mgmt_subnet *s, struct vsw_overlay_subnet *out)
{
	int rc = 0;

	out->remotes = &m->remotes[m->nr_remotes];
	out->nr_remotes = s->remotes_count;
	for (uint32_t k = 0; k < s->remotes_count && !rc; k++) {
		struct vsw_overlay_remote *r = &m->remotes[m->nr_remotes++];
		const struct mgmt_remote *from = &s->remotes[k];

		rc = mgmt_overlay_ip(from->vtep, &r->vtep, NULL);
		if (from->next_hop_mac)
			mgmt_mac(from->next_hop_mac, r->next_hop_mac);
		r->macs = (const uint8_t(*)[6]) & m->macs[m->nr_macs];
		r->nr_macs = from->macs_count;
		for (uint32_t i = 0; i < from->macs_count; i++)
			mgmt_mac(from->macs[i], m->macs[m->nr_macs++]);
	}
	return rc;
}

static int make_subnets(const struct sw *sw, struct made *m, const struct mgmt_cfg *cfg)
{
	const struct mgmt_overlay *o = cfg->sw.overlay;
	int rc = 0;

	for (uint32_t i = 0; i < o->subnets_count && !rc; i++) {
		m->subnets[i].vsid = o->subnets[i].vsid;
		m->subnets[i].is_learning = !o->subnets[i].no_learning;
		m->subnets[i].is_external = o->subnets[i].external;
		rc = make_ports(sw, m, cfg, i);
		if (!rc)
			rc = make_remotes(m, &o->subnets[i], &m->subnets[i]);
	}
	m->cfg.subnets = m->subnets;
	m->cfg.nr_subnets = o->subnets_count;
	return rc;
}

static int make_cfg(const struct sw *sw, struct made *m, const struct mgmt_overlay *o)
{
	int at = sw_port_number(sw, o->uplink), rc;

	if (at < 0)
		return at;
	m->cfg = (struct vsw_overlay_cfg){
		.encap = o->encap,
		.udp_port = o->udp_port,
		.uplink = (uint16_t)at,
		.vlan = o->vlan,
		.mtu = o->mtu,
		.has_zero_csum6 = o->zero_csum6,
		.nr_macs_max = o->macs_max,
		.ageing_s = o->ageing_s,
	};
	mgmt_mac(o->mac, m->cfg.mac);
	rc = mgmt_overlay_ip(o->local, &m->cfg.local, &m->cfg.prefix_len);
	if (!rc && o->gateway)
		rc = mgmt_overlay_ip(o->gateway, &m->cfg.gateway, NULL);
	return rc;
}

int sw_overlay_set(struct sw *sw, const struct mgmt_cfg *cfg)
{
	struct made m = {0};
	int rc;

	if (!cfg->sw.overlay)
		return vsw_set_overlay(sw->vsw, NULL);
	rc = alloc(&m, cfg->sw.overlay) ? make_cfg(sw, &m, cfg->sw.overlay)
					: err_set(-ENOMEM, "no memory for the overlay");
	if (!rc)
		rc = make_subnets(sw, &m, cfg);
	if (!rc)
		rc = vsw_set_overlay(sw->vsw, &m.cfg);
	release(&m);
	return rc;
}
