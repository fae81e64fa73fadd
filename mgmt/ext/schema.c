/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/ext/schema.h"

#include <stdlib.h>
#include <string.h>

static const char *type_of(uint32_t kind)
{
	static const char *const types[] = {"null",   "string",	 "integer",
					    "number", "boolean", "array"};

	return types[kind <= NETHV_KEY_LIST ? kind : 0];
}

/* Whole numbers without ".0", which validators of integers may not like. */
static json_t *number(const struct nethv_key *k, double v)
{
	return k->kind == NETHV_KEY_INT ? json_integer((json_int_t)v) : json_real(v);
}

static json_t *fallback(const struct nethv_key *k)
{
	const char *s = k->fallback ? k->fallback : "";

	switch (k->kind) {
	case NETHV_KEY_INT: return json_integer(strtoll(s, NULL, 0));
	case NETHV_KEY_REAL: return json_real(strtod(s, NULL));
	case NETHV_KEY_BOOL: return json_boolean(!strcmp(s, "true") || !strcmp(s, "1"));
	case NETHV_KEY_TEXT: return json_string(s);
	default: return json_array();
	}
}

static json_t *object(void)
{
	return json_pack("{s:s, s:{}, s:[], s:b}", "type", "object", "properties", "required",
			 "additionalProperties", 0);
}

static json_t *property(const struct nethv_key *k)
{
	json_t *o = json_pack("{s:s}", "type", type_of(k->kind));

	if (k->help)
		json_object_set_new(o, "description", json_string(k->help));
	if (k->min != 0 || k->max != 0) {
		json_object_set_new(o, "minimum", number(k, k->min));
		json_object_set_new(o, "maximum", number(k, k->max));
	}
	if (k->kind == NETHV_KEY_LIST)
		json_object_set_new(o, "items", object());
	else if (!k->is_required)
		json_object_set_new(o, "default", fallback(k));
	return o;
}

/* The object that a key with this name belongs to, and *@leaf. NULL: its list was not declared before. */
static json_t *owner(json_t *root, const char *name, const char **leaf)
{
	const char *dot = strchr(name, '.');
	json_t *list;

	*leaf = dot ? dot + 1 : name;
	if (!dot)
		return root;
	list = json_object_getn(json_object_get(root, "properties"), name, (size_t)(dot - name));
	return json_object_get(list, "items");
}

json_t *ext_schema(const struct nethv_ext *e)
{
	json_t *root = object();

	for (const struct nethv_key *k = e->keys; k && k->name; k++) {
		const char *leaf;
		json_t *o = owner(root, k->name, &leaf);

		if (!o)
			continue;
		json_object_set_new(json_object_get(o, "properties"), leaf, property(k));
		if (k->is_required)
			json_array_append_new(json_object_get(o, "required"), json_string(leaf));
	}
	return root;
}
