/* SPDX-License-Identifier: BSD-3-Clause */
/* Policies of ports, and mirrors: checks that need more than one key, and what the policies of a port depend
 * on, so that a change finds the ports that it concerns. */
#include "mgmt/config_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static int check_acl(const struct check *c, const struct mgmt_port *port)
{
	const struct mgmt_policy *p = port->policy;
	struct vsw_acl_rule rules[2];
	const char *key;
	uint32_t sum = 0;
	char rest[300];

	for (uint32_t i = 0; i < p->acl_count; i++) {
		int n = mgmt_acl_rule(&p->acl[i], rules, &key);

		if (n < 0) {
			snprintf(rest, sizeof(rest), "%s", err_text());
			return mgmt_complain(c, rest, "%s.acl[%u].%s", port->path, i, key);
		}
		sum += (uint32_t)n;
	}
	snprintf(rest, sizeof(rest),
		 "found %u rules, each that names no IP version counted twice; allowed: %u", sum,
		 VSW_ACL_RULES_MAX);
	return sum > VSW_ACL_RULES_MAX ? mgmt_complain(c, rest, "%s.acl", port->path) : 0;
}

static int check_guards(const struct check *c, const struct mgmt_port *port)
{
	const struct mgmt_policy *p = port->policy;

	if (p->guards_count == 2 && p->guards[0] == p->guards[1])
		return mgmt_complain(c, "found a guard again; allowed: each once", "%s.guards[1]",
				     port->path);
	return 0;
}

int mgmt_isolation(const struct mgmt_policy *p, struct vsw_pvlan *out)
{
	const char *text = p->isolation ? p->isolation : "promiscuous";
	unsigned int n;
	char end;

	memset(out, 0, sizeof(*out));
	if (!strcmp(text, "promiscuous"))
		return 0;
	out->role = VSW_PVLAN_ISOLATED;
	if (!strcmp(text, "isolated"))
		return 0;
	out->role = VSW_PVLAN_COMMUNITY;
	if (sscanf(text, "community %5u%c", &n, &end) == 1 && n >= 1 && n <= 65535) {
		out->community = (uint16_t)n;
		return 0;
	}
	return err_set(-EINVAL,
		       "found \"%.40s\"; allowed: promiscuous, isolated, community 1..65535", text);
}

static int check_isolation(const struct check *c, const struct mgmt_port *port)
{
	struct vsw_pvlan role;
	char rest[160];

	if (!mgmt_isolation(port->policy, &role))
		return 0;
	snprintf(rest, sizeof(rest), "%s", err_text());
	return mgmt_complain(c, rest, "%s.isolation", port->path);
}

/* What all ports but @but are promised of what others share. */
static uint64_t minima(const struct mgmt_cfg *cfg, const struct mgmt_policy *but)
{
	struct mgmt_port port;
	uint64_t sum = 0;

	for (uint32_t n = 0; mgmt_config_port(cfg, n, &port); n++)
		sum += port.policy == but ? 0 : port.policy->min_mbps;
	return sum;
}

static bool has_share(const struct mgmt_cfg *cfg)
{
	struct mgmt_port port;

	for (uint32_t n = 0; mgmt_config_port(cfg, n, &port); n++)
		if (port.policy->share_mbps)
			return true;
	return false;
}

static int check_share(const struct check *c, const struct mgmt_port *port)
{
	const struct mgmt_policy *p = port->policy;
	uint64_t sum = minima(c->cfg, p);
	char rest[160];

	if (p->min_mbps && !has_share(c->cfg))
		return mgmt_complain(
			c,
			"found, but nothing is shared; allowed: with share_mbps of the "
			"port whose rate is shared",
			"%s.min_mbps", port->path);
	snprintf(rest, sizeof(rest),
		 "found %u, less than the sum of the other ports' min_mbps; allowed: at least %llu "
		 "(Mbit/s)",
		 p->share_mbps, (unsigned long long)sum);
	if (p->share_mbps && sum > p->share_mbps)
		return mgmt_complain(c, rest, "%s.share_mbps", port->path);
	return 0;
}

static int check_mirror_port(const struct check *c, const char *name, const char *path)
{
	char rest[160];

	snprintf(rest, sizeof(rest),
		 "found \"%s\"; allowed: an adapter (PARTITION/NUMBER) or uplink of this file",
		 name);
	return mgmt_config_has_port(c->cfg, name) ? 0 : mgmt_complain(c, rest, "%s", path);
}

static int check_mirror(const struct check *c, uint32_t i)
{
	const struct mgmt_mirror *m = &c->cfg->sw.mirrors[i];
	char path[64];
	int rc;

	snprintf(path, sizeof(path), "switch.mirrors[%u].to", i);
	rc = check_mirror_port(c, m->to, path);
	for (uint32_t k = 0; k < m->from_count && !rc; k++) {
		snprintf(path, sizeof(path), "switch.mirrors[%u].from[%u]", i, k);
		rc = check_mirror_port(c, m->from[k], path);
		if (!rc && !strcmp(m->from[k], m->to))
			rc = mgmt_complain(c,
					   "found the port that the copies go to; allowed: others",
					   "%s", path);
	}
	return rc;
}

int mgmt_check_policies(const struct check *c)
{
	struct mgmt_port port;
	int rc = 0;

	for (uint32_t n = 0; !rc && mgmt_config_port(c->cfg, n, &port); n++) {
		rc = check_acl(c, &port);
		if (!rc)
			rc = check_guards(c, &port);
		if (!rc)
			rc = check_isolation(c, &port);
		if (!rc)
			rc = check_share(c, &port);
	}
	for (uint32_t i = 0; i < c->cfg->sw.mirrors_count && !rc; i++)
		rc = check_mirror(c, i);
	return rc;
}

bool mgmt_policy_is_key(const char *key)
{
	const cyaml_schema_field_t *f = mgmt_policy_schema.mapping.fields;

	while (f->key && strcmp(f->key, key) != 0)
		f++;
	return f->key;
}

static json_t *roles_json(const struct mgmt_cfg *cfg)
{
	json_t *o = json_object();
	struct mgmt_port port;

	for (uint32_t n = 0; mgmt_config_port(cfg, n, &port); n++)
		if (port.policy->isolation)
			json_object_set_new(o, port.name, json_string(port.policy->isolation));
	return o;
}

static json_t *minima_json(const struct mgmt_cfg *cfg)
{
	json_t *o = json_object();
	struct mgmt_port port;

	for (uint32_t n = 0; mgmt_config_port(cfg, n, &port); n++)
		if (port.policy->min_mbps)
			json_object_set_new(o, port.name, json_integer(port.policy->min_mbps));
	return o;
}

static json_t *none_json(void)
{
	static const struct mgmt_policy none;

	return mgmt_schema_json(&mgmt_policy_schema, &none);
}

json_t *mgmt_policy_key(const struct mgmt_cfg *cfg, const struct mgmt_port *port)
{
	json_t *own = mgmt_schema_json(&mgmt_policy_schema, port->policy), *none = none_json();
	json_t *roles = roles_json(cfg), *key = NULL;

	/* A minimum by itself is the business of the ports that are shared. */
	json_object_del(own, "min_mbps");
	if (!json_equal(own, none) || json_object_size(roles)) {
		key = json_pack("{s:O, s:O}", "own", own, "roles", roles);
		if (port->policy->share_mbps)
			json_object_set_new(key, "minima", minima_json(cfg));
	}
	json_decref(own);
	json_decref(none);
	json_decref(roles);
	return key;
}
