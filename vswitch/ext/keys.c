/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration of an instance: JSON that is checked against the keys which the extension declares,
 * so that a mistake is told before its code runs, and a missing value has its default. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vswitch/ext/priv.h"

#define PATH_MAX_LEN 128u

static const char *const kinds[] = {
	[NETHV_KEY_TEXT] = "text",	     [NETHV_KEY_INT] = "a whole number",
	[NETHV_KEY_REAL] = "a number",	     [NETHV_KEY_BOOL] = "true or false",
	[NETHV_KEY_LIST] = "a list of maps",
};

struct checker {
	const struct nethv_ext *ext;
	int rc;
};

/* Keys "list.x" are those of the maps in a list; @list: "" for the top. The part behind it, or NULL. */
static const char *name_in(const struct nethv_key *k, const char *list)
{
	size_t n = strlen(list);

	if (n == 0)
		return strchr(k->name, '.') ? NULL : k->name;
	return !strncmp(k->name, list, n) && k->name[n] == '.' ? k->name + n + 1 : NULL;
}

static const struct nethv_key *key_find(const struct nethv_ext *ext, const char *list,
					const char *name)
{
	const struct nethv_key *k;

	for (k = ext->keys; k && k->name; k++) {
		const char *has = name_in(k, list);

		if (has && !strcmp(has, name))
			return k;
	}
	return NULL;
}

static int unknown(const struct checker *c, const char *where, const char *list, const char *name)
{
	char all[300] = "";
	size_t n = 0;
	const struct nethv_key *k;

	for (k = c->ext->keys; k && k->name; k++) {
		const char *has = name_in(k, list);

		if (has && n < sizeof(all))
			n += (size_t)snprintf(all + n, sizeof(all) - n, " %s", has);
	}
	return err_set(-EINVAL, "%s: no key \"%s%.60s\"; %s%s", c->ext->name, where, name,
		       all[0] ? "there are" : "it has none", all);
}

static bool is_of_kind(const json_t *v, uint32_t kind)
{
	switch (kind) {
	case NETHV_KEY_TEXT: return json_is_string(v);
	case NETHV_KEY_INT: return json_is_integer(v);
	case NETHV_KEY_REAL: return json_is_number(v);
	case NETHV_KEY_BOOL: return json_is_boolean(v);
	case NETHV_KEY_LIST: return json_is_array(v);
	default: return false;
	}
}

static int check_value(const struct checker *c, const char *where, const struct nethv_key *k,
		       const json_t *v)
{
	double x = json_number_value(v);

	if (!is_of_kind(v, k->kind))
		return err_set(-EINVAL, "%s: %s must be %s", c->ext->name, where,
			       k->kind <= NETHV_KEY_LIST ? kinds[k->kind] : "?");
	if (!json_is_number(v) || (k->min == 0 && k->max == 0))
		return 0;
	if (x >= k->min && x <= k->max)
		return 0;
	return err_set(-EINVAL, "%s: %s is %g, want %g..%g", c->ext->name, where, x, k->min,
		       k->max);
}

static json_t *fallback_of(const struct nethv_key *k)
{
	const char *text = k->fallback ? k->fallback : "";

	switch (k->kind) {
	case NETHV_KEY_INT: return json_integer(strtoll(text, NULL, 0));
	case NETHV_KEY_REAL: return json_real(strtod(text, NULL));
	case NETHV_KEY_BOOL: return json_boolean(!strcmp(text, "true"));
	case NETHV_KEY_LIST: return json_array();
	default: return json_string(text);
	}
}

static int check_map(const struct checker *c, json_t *map, const char *where, const char *list);

static int check_list(const struct checker *c, json_t *list, const struct nethv_key *k)
{
	char where[PATH_MAX_LEN];
	size_t i;

	for (i = 0; i < json_array_size(list); i++) {
		json_t *map = json_array_get(list, i);
		int rc;

		snprintf(where, sizeof(where), "%s[%zu].", k->name, i);
		if (!json_is_object(map))
			return err_set(-EINVAL, "%s: %s[%zu] must be a map", c->ext->name, k->name,
				       i);
		rc = check_map(c, map, where, k->name);
		if (rc)
			return rc;
	}
	return 0;
}

static int check_known(const struct checker *c, json_t *map, const char *where, const char *list)
{
	const char *name;
	json_t *v;
	int rc;

	json_object_foreach(map, name, v)
	{
		const struct nethv_key *k = key_find(c->ext, list, name);
		char path[PATH_MAX_LEN];

		if (!k)
			return unknown(c, where, list, name);
		snprintf(path, sizeof(path), "%s%s", where, name);
		rc = check_value(c, path, k, v);
		if (!rc && k->kind == NETHV_KEY_LIST)
			rc = check_list(c, v, k);
		if (rc)
			return rc;
	}
	return 0;
}

static int check_map(const struct checker *c, json_t *map, const char *where, const char *list)
{
	const struct nethv_key *k;
	int rc = check_known(c, map, where, list);

	for (k = c->ext->keys; !rc && k && k->name; k++) {
		const char *name = name_in(k, list);

		if (!name || json_object_get(map, name))
			continue;
		if (k->is_required)
			return err_set(-EINVAL, "%s: %s%s is missing: %s", c->ext->name, where,
				       name, k->help ? k->help : "");
		json_object_set_new(map, name, fallback_of(k));
	}
	return rc;
}

int vsw_keys_check(json_t **out, const struct nethv_ext *ext, const char *config)
{
	const struct checker c = {.ext = ext};
	json_error_t e;
	json_t *map = config && config[0] ? json_loads(config, JSON_REJECT_DUPLICATES, &e)
					  : json_object();
	int rc;

	if (!map)
		return err_set(-EINVAL, "%s: its configuration is no JSON: line %d: %s", ext->name,
			       e.line, e.text);
	if (!json_is_object(map))
		rc = err_set(-EINVAL, "%s: its configuration must be a map of keys", ext->name);
	else
		rc = check_map(&c, map, "", "");
	if (rc) {
		json_decref(map);
		return rc;
	}
	*out = map;
	return 0;
}

/* "key" or "list[3].key". */
json_t *vsw_keys_get(json_t *cfg, const char *path)
{
	const char *open = strchr(path, '['), *rest;
	char name[PATH_MAX_LEN];
	unsigned long at;
	char *end;

	if (!open)
		return json_object_get(cfg, path);
	if ((size_t)(open - path) >= sizeof(name))
		return NULL;
	memcpy(name, path, (size_t)(open - path));
	name[open - path] = 0;
	at = strtoul(open + 1, &end, 10);
	rest = end[0] == ']' && end[1] == '.' ? end + 2 : NULL;
	if (!rest || strchr(rest, '['))
		return NULL;
	return json_object_get(json_array_get(json_object_get(cfg, name), at), rest);
}
