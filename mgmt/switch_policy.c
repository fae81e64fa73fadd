/* SPDX-License-Identifier: BSD-3-Clause */
/* Policies of ports, and mirrors: from the configuration to what the switch is told. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "mgmt/switch.h"
#include "vswitch/mirror.h"
#include "vswitch/vswitch.h"
#include "vswitch/policy/policy.h"

/* What vsw_policy_create() borrows, beside the configuration. */
struct made {
	struct vsw_policy_cfg cfg;
	struct vsw_pvlan role[VSW_PORTS_MAX];
	uint64_t min_kbps[VSW_PORTS_MAX];
	struct vsw_acl_rule rule[]; /* two for each of the configuration */
};

static struct vsw_port *find(const struct sw *sw, const char *name)
{
	struct vsw_port *p = vsw_port_find(sw->vsw, name);

	if (!p)
		err_set(-ENOENT, "the switch has no port %s", name);
	return p;
}

int sw_port_number(const struct sw *sw, const char *name)
{
	const struct vsw_port *p = find(sw, name);

	return p ? vsw_port_id(p) : -ENOENT;
}

static int make_rules(struct made *m, const struct mgmt_policy *p)
{
	const char *key;

	m->cfg.rules = m->rule;
	for (uint32_t i = 0; i < p->acl_count; i++) {
		int n = mgmt_acl_rule(&p->acl[i], &m->rule[m->cfg.nr_rules], &key);

		if (n < 0)
			return n;
		m->cfg.nr_rules += (uint32_t)n;
	}
	m->cfg.default_ip[VSW_POLICY_INGRESS] = p->acl_default.in;
	m->cfg.default_ip[VSW_POLICY_EGRESS] = p->acl_default.out;
	m->cfg.default_ether[VSW_POLICY_INGRESS] = p->acl_default.other_in;
	m->cfg.default_ether[VSW_POLICY_EGRESS] = p->acl_default.other_out;
	m->cfg.max_connections = p->acl_connections.max;
	m->cfg.must_refuse = p->acl_connections.must_refuse;
	m->cfg.idle = (struct vsw_acl_idle){
		.tcp = p->acl_connections.tcp_s,
		.tcp_new = p->acl_connections.tcp_new_s,
		.tcp_end = p->acl_connections.tcp_end_s,
		.other = p->acl_connections.other_s,
		.other_new = p->acl_connections.other_new_s,
	};
	return 0;
}

static void make_limits(struct made *m, const struct mgmt_policy *p)
{
	uint64_t burst = (uint64_t)p->limit.burst_kb * 1024;

	m->cfg.rate[VSW_POLICY_INGRESS] = (struct vsw_rate_cfg){
		.max_kbps = p->limit.in_mbps * 1000ull,
		.max_pps = p->limit.in_pps,
		.burst_bytes = burst,
	};
	m->cfg.rate[VSW_POLICY_EGRESS] = (struct vsw_rate_cfg){
		.max_kbps = p->limit.out_mbps * 1000ull,
		.max_pps = p->limit.out_pps,
		.burst_bytes = burst,
	};
	m->cfg.share.total_kbps = p->share_mbps * 1000ull;
	m->cfg.broadcast_pps = p->storm.broadcast_pps;
	m->cfg.multicast_pps = p->storm.multicast_pps;
	for (uint32_t i = 0; i < p->guards_count; i++) {
		m->cfg.dhcp_guard |= p->guards[i] == MGMT_GUARD_DHCP;
		m->cfg.router_guard |= p->guards[i] == MGMT_GUARD_ROUTER;
	}
}

/* What other ports have to do with @own. */
static int make_neighbours(const struct sw *sw, struct made *m, const struct mgmt_cfg *cfg,
			   const struct mgmt_policy *own)
{
	bool has_role = false;
	struct mgmt_port port;
	int rc = mgmt_isolation(own, &m->cfg.pvlan);

	for (uint32_t n = 0; !rc && mgmt_config_port(cfg, n, &port); n++) {
		int at = sw_port_number(sw, port.name);

		if (at < 0)
			return at;
		rc = mgmt_isolation(port.policy, &m->role[at]);
		has_role |= m->role[at].role != VSW_PVLAN_PROMISCUOUS;
		m->min_kbps[at] = port.policy == own ? 0 : port.policy->min_mbps * 1000ull;
	}
	m->cfg.pvlan_of = has_role ? m->role : NULL;
	m->cfg.share.min_kbps = own->share_mbps ? m->min_kbps : NULL;
	return rc;
}

/* Gives @p the policies that @cfg has for its port @port. */
static int set(struct sw *sw, struct vsw_port *p, const struct mgmt_cfg *cfg,
	       const struct mgmt_port *port)
{
	size_t rules = 2 * (size_t)port->policy->acl_count * sizeof(struct vsw_acl_rule);
	json_t *key = mgmt_policy_key(cfg, port);
	struct made *m;
	int rc;

	json_decref(key);
	if (!key)
		return vsw_port_set_policy(p, NULL);
	m = calloc(1, sizeof(*m) + rules);
	if (!m)
		return err_set(-ENOMEM, "no memory for policies");
	rc = make_rules(m, port->policy);
	make_limits(m, port->policy);
	if (!rc)
		rc = make_neighbours(sw, m, cfg, port->policy);
	if (!rc)
		rc = vsw_port_set_policy(p, &m->cfg);
	free(m);
	return rc;
}

static bool find_port(const struct mgmt_cfg *cfg, const char *name, struct mgmt_port *out)
{
	for (uint32_t n = 0; mgmt_config_port(cfg, n, out); n++)
		if (!strcmp(out->name, name))
			return true;
	return false;
}

static int mirror_ports(const struct sw *sw, const struct mgmt_mirror *m,
			struct vsw_mirror_cfg *out)
{
	int at = sw_port_number(sw, m->to);

	if (at < 0)
		return at;
	*out = (struct vsw_mirror_cfg){.way = m->way,
				       .what = m->what,
				       .to = (uint16_t)at,
				       .snap_len = (uint16_t)m->snap_len};
	for (uint32_t i = 0; i < m->from_count; i++) {
		at = sw_port_number(sw, m->from[i]);
		if (at < 0)
			return at;
		out->sources[at / 64] |= 1ull << (at % 64);
	}
	return 0;
}

static int set_mirrors(struct sw *sw, const struct mgmt_switch *list)
{
	struct vsw_mirror_cfg cfg[VSW_MIRRORS_MAX];
	int rc = 0;

	for (uint32_t i = 0; i < list->mirrors_count && !rc; i++)
		rc = mirror_ports(sw, &list->mirrors[i], &cfg[i]);
	return rc ? rc : vsw_set_mirrors(sw->vsw, cfg, list->mirrors_count);
}

int sw_policy_apply(struct sw *sw, const struct mgmt_change *c, const struct mgmt_cfg *next)
{
	struct mgmt_port port;
	struct vsw_port *p;

	if (c->kind == MGMT_MIRRORS)
		return set_mirrors(sw, &next->sw);
	if (c->kind == MGMT_OVERLAY)
		return sw_overlay_set(sw, next);
	p = find(sw, c->port);
	if (!p)
		return -ENOENT;
	if (!find_port(next, c->port, &port))
		return vsw_port_set_policy(p, NULL);
	return set(sw, p, next, &port);
}

int sw_policies_make(struct sw *sw)
{
	const struct mgmt_cfg *cfg = sw->child.cfg;
	struct mgmt_port port;
	int rc = 0;

	for (uint32_t n = 0; !rc && mgmt_config_port(cfg, n, &port); n++) {
		struct vsw_port *p = find(sw, port.name);
		json_t *key = mgmt_policy_key(cfg, &port);

		rc = !p ? -ENOENT : key ? set(sw, p, cfg, &port) : 0;
		json_decref(key);
	}
	if (!rc && cfg->sw.mirrors_count)
		rc = set_mirrors(sw, &cfg->sw);
	return rc || !cfg->sw.overlay ? rc : sw_overlay_set(sw, cfg);
}
