/* SPDX-License-Identifier: BSD-3-Clause */
/* Extensions that are loaded, unloaded and changed at run time: each is a change of the list
 * switch.extensions. What class an extension has only the switch knows, so a place in the order is named by
 * the instance that comes after it. */
#include "mgmt/sup.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

static json_t *list_in(json_t *config)
{
	json_t *sw = json_object_get(config, "switch"), *list;

	list = json_object_get(sw, "extensions");
	if (!list)
		json_object_set_new(sw, "extensions", list = json_array());
	return list;
}

/* The place of the instance that member @key of the parameters names, or -EINVAL (text set). The list
 * of the configuration and its JSON have the same order. */
static int place_of(const struct op *op, const char *key)
{
	const char *name = json_string_value(json_object_get(op->params, key));
	const struct mgmt_switch *sw = &op->sup->cfg->sw;

	if (!name)
		return err_set(-EINVAL, "%s: which extension?", key);
	for (uint32_t i = 0; i < sw->exts_count; i++)
		if (!strcmp(sw->exts[i].name, name))
			return (int)i;
	return err_set(-EINVAL, "no extension %.60s", name);
}

/* Refuses parameters that nobody will look at. @known: ended by NULL. */
static int check_params(const struct op *op, const char *const *known)
{
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach(op->params, key, value)
	{
		for (i = 0; known[i] && strcmp(known[i], key) != 0; i++)
			;
		if (!known[i])
			return err_set(-EINVAL, "unknown parameter \"%.40s\"", key);
	}
	return 0;
}

/* The supervisor's folder is not that of whoever asks. */
static int check_path(const json_t *params)
{
	const char *path = json_string_value(json_object_get(params, "path"));

	if (!path || path[0] == '/' || !strncmp(path, "builtin:", 8))
		return 0;
	return err_set(-EINVAL,
		       "path: found \"%.200s\"; allowed: an absolute path, or builtin:NAME", path);
}

/* Takes over @config; says whom it is about when the switch was asked. */
static int propose(struct op *op, json_t *config, uint32_t at)
{
	int rc = sup_propose(op, config);

	if (rc >= 0)
		op->result = json_pack("{s:s}", "name", op->next->sw.exts[at].name);
	return rc;
}

/* In front of the instance {before}; without one in front of all others: last installed is on top (EXT-7). */
int sup_exts_load(struct op *op)
{
	int at = 0, rc = check_path(op->params);
	json_t *config, *ext;

	if (!rc && json_object_get(op->params, "before"))
		rc = at = place_of(op, "before");
	if (rc < 0)
		return rc;
	ext = op->params ? json_deep_copy(op->params) : json_object();
	json_object_del(ext, "before");
	config = mgmt_config_json(op->sup->cfg);
	json_array_insert_new(list_in(config), (size_t)at, ext);
	return propose(op, config, (uint32_t)at);
}

int sup_exts_unload(struct op *op)
{
	static const char *const known[] = {"name", NULL};
	int rc = check_params(op, known), at = rc ? rc : place_of(op, "name");
	json_t *config;

	if (at < 0)
		return at;
	config = mgmt_config_json(op->sup->cfg);
	json_array_remove(list_in(config), (size_t)at);
	op->result = json_pack("{s:O}", "name", json_object_get(op->params, "name"));
	return sup_propose(op, config);
}

/* Sets member @key to @value (consumed); NULL: takes it away. */
static int set(struct op *op, const char *key, json_t *value)
{
	int at = place_of(op, "name");
	json_t *config, *ext;

	if (at < 0) {
		json_decref(value);
		return at;
	}
	config = mgmt_config_json(op->sup->cfg);
	ext = json_array_get(list_in(config), (size_t)at);
	if (value)
		json_object_set_new(ext, key, value);
	else
		json_object_del(ext, key);
	return propose(op, config, (uint32_t)at);
}

int sup_exts_enable(struct op *op)
{
	static const char *const known[] = {"name", NULL};
	int rc = check_params(op, known);

	return rc ? rc : set(op, "enabled", json_true());
}

int sup_exts_disable(struct op *op)
{
	static const char *const known[] = {"name", NULL};
	int rc = check_params(op, known);

	return rc ? rc : set(op, "enabled", json_false());
}

int sup_exts_configure(struct op *op)
{
	static const char *const known[] = {"name", "config", NULL};
	json_t *value = json_object_get(op->params, "config");
	int rc = check_params(op, known);

	if (!rc && !value)
		rc = err_set(-EINVAL, "config: an object with the extension's keys, or null");
	if (rc)
		return rc;
	return set(op, "config", json_is_null(value) ? NULL : json_incref(value));
}

/* In front of the instance {before}, or without one behind all others. */
int sup_exts_move(struct op *op)
{
	static const char *const known[] = {"name", "before", NULL};
	int rc = check_params(op, known), at, to = (int)op->sup->cfg->sw.exts_count;
	json_t *config, *list, *ext;

	if (rc)
		return rc;
	at = place_of(op, "name");
	if (at < 0)
		return at;
	if (!json_is_null(json_object_get(op->params, "before")) &&
	    json_object_get(op->params, "before"))
		to = place_of(op, "before");
	if (to < 0)
		return to;
	to -= to > at;
	config = mgmt_config_json(op->sup->cfg);
	list = list_in(config);
	ext = json_incref(json_array_get(list, (size_t)at));
	json_array_remove(list, (size_t)at);
	json_array_insert_new(list, (size_t)to, ext);
	return propose(op, config, (uint32_t)to);
}

/* Without a path the same one is opened again: the file behind it is another one now. What is not
 * given stays. */
int sup_exts_upgrade(struct op *op)
{
	static const char *const known[] = {"name",  "path",	 "config",	  "budget_us",
					    "ports", "on_fault", "allow_imports", NULL};
	int rc = check_params(op, known), at = rc ? rc : place_of(op, "name");
	json_t *config, *ext, *value;
	uint32_t revision;

	if (at >= 0 && check_path(op->params))
		at = -EINVAL;
	if (at < 0)
		return at;
	revision = op->sup->cfg->sw.exts[at].revision + 1;
	config = mgmt_config_json(op->sup->cfg);
	ext = json_array_get(list_in(config), (size_t)at);
	for (size_t i = 1; known[i]; i++) {
		value = json_object_get(op->params, known[i]);
		if (value)
			sup_config_set(ext, known[i], value);
	}
	json_object_set_new(ext, "revision", json_integer(revision));
	return propose(op, config, (uint32_t)at);
}

int sup_exts_status(struct op *op)
{
	static const char *const known[] = {"name", NULL};
	int rc = check_params(op, known);

	if (!rc && json_object_get(op->params, "name"))
		rc = place_of(op, "name");
	if (rc < 0)
		return rc;
	return sup_op_ask(op, &op->sup->sw, "ext_status", json_incref(op->params));
}
