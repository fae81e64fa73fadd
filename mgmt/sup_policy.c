/* SPDX-License-Identifier: BSD-3-Clause */
/* Policies of ports, mirrors and the overlay, set at run time: changes of the configuration. */
#include "mgmt/sup.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

/* The map of port @name in @config, or NULL: no such port. The order of both is that of the configuration. */
static json_t *map_of(const struct op *op, json_t *config, const char *name)
{
	const struct mgmt_cfg *cfg = op->sup->cfg;
	struct mgmt_port port;
	uint32_t n = 0;
	json_t *parts = json_object_get(config, "partitions");

	while (mgmt_config_port(cfg, n, &port) && strcmp(port.name, name) != 0)
		n++;
	if (!mgmt_config_port(cfg, n, &port))
		return NULL;
	if (n < cfg->uplinks_count)
		return json_array_get(json_object_get(config, "uplinks"), n);
	n -= cfg->uplinks_count;
	for (uint32_t i = 0; i < cfg->partitions_count; i++) {
		if (n < cfg->partitions[i].nics_count)
			return json_array_get(json_object_get(json_array_get(parts, i), "nics"), n);
		n -= cfg->partitions[i].nics_count;
	}
	return NULL;
}

static int check_keys(json_t *policy)
{
	const char *key;
	json_t *value;

	if (!json_is_object(policy))
		return err_set(-EINVAL,
			       "policy: an object with the keys of the configuration file");
	json_object_foreach(policy, key, value)
	{
		if (!mgmt_policy_is_key(key))
			return err_set(-EINVAL, "%.40s is no key of a policy", key);
	}
	return 0;
}

/* {port, policy}: each key that is given replaces what was, null takes it away. */
int sup_policy_set(struct op *op)
{
	const char *name = json_string_value(json_object_get(op->params, "port"));
	json_t *policy = json_object_get(op->params, "policy"), *config, *map;
	int rc = check_keys(policy);

	if (rc)
		return rc;
	if (!name)
		return err_set(-EINVAL, "port: which one?");
	config = mgmt_config_json(op->sup->cfg);
	map = map_of(op, config, name);
	if (!map) {
		json_decref(config);
		return err_set(-EINVAL, "no port %.60s", name);
	}
	sup_config_merge(map, policy);
	op->result = json_pack("{s:s}", "port", name);
	return sup_propose(op, config);
}

/* {mirrors}: the list takes the place of the present one. */
int sup_mirrors_set(struct op *op)
{
	json_t *list = json_object_get(op->params, "mirrors"), *config;

	if (!json_is_array(list))
		return err_set(-EINVAL, "mirrors: a list as in the configuration file");
	config = mgmt_config_json(op->sup->cfg);
	json_object_set(json_object_get(config, "switch"), "mirrors", list);
	return sup_propose(op, config);
}

/* {overlay}: the map takes the place of the present one; null: there is none any more. */
int sup_overlay_set(struct op *op)
{
	json_t *map = json_object_get(op->params, "overlay"), *config, *sw;

	if (!json_is_object(map) && !json_is_null(map))
		return err_set(-EINVAL, "overlay: an object as in the configuration file, or null");
	config = mgmt_config_json(op->sup->cfg);
	sw = json_object_get(config, "switch");
	if (json_is_null(map))
		json_object_del(sw, "overlay");
	else
		json_object_set(sw, "overlay", map);
	return sup_propose(op, config);
}
