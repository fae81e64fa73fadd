/* SPDX-License-Identifier: BSD-3-Clause */
/* Keys that are not ours to know, such as the configuration of an extension: libcyaml has no word for
 * them. So it is given the tree anew, with such a map as a text, and that text is the map's JSON. */
#include "mgmt/config_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static json_t *scalar_json(const struct ytree *node)
{
	json_t *typed = node->is_plain ? json_loads(node->value, JSON_DECODE_ANY, NULL) : NULL;

	if (json_is_number(typed) || json_is_boolean(typed) || json_is_null(typed))
		return typed;
	json_decref(typed);
	return json_string(node->value);
}

static json_t *list_json(const struct ytree *node)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < node->nr; i++)
		json_array_append_new(list, ytree_json(&node->child[i]));
	return list;
}

json_t *ytree_json(const struct ytree *node)
{
	json_t *o;

	if (node->kind == YTREE_SCALAR)
		return scalar_json(node);
	if (node->kind == YTREE_SEQ)
		return list_json(node);
	o = json_object();
	for (unsigned int i = 0; i < node->nr; i++)
		json_object_set_new(o, node->child[i].key, ytree_json(&node->child[i]));
	return o;
}

static json_t *free_json(const struct ytree *node)
{
	json_t *o = ytree_json(node), *text;
	char *dump = o ? json_dumps(o, JSON_COMPACT) : NULL;

	text = dump ? json_string(dump) : NULL;
	free(dump);
	json_decref(o);
	return text;
}

static json_t *quoted_json(const struct ytree *node, const cyaml_schema_value_t *schema);

static json_t *quoted_map(const struct ytree *node, const cyaml_schema_field_t *fields)
{
	json_t *o = json_object();

	for (unsigned int i = 0; i < node->nr; i++) {
		const cyaml_schema_field_t *f = fields;

		while (f->key && strcmp(f->key, node->child[i].key) != 0)
			f++;
		if (f->key)
			json_object_set_new(o, f->key, quoted_json(&node->child[i], &f->value));
	}
	return o;
}

static json_t *quoted_list(const struct ytree *node, const cyaml_schema_value_t *entry)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < node->nr; i++)
		json_array_append_new(list, quoted_json(&node->child[i], entry));
	return list;
}

/* @node was checked against @schema. */
static json_t *quoted_json(const struct ytree *node, const cyaml_schema_value_t *schema)
{
	if (mgmt_schema_is_free(schema))
		return free_json(node);
	if (schema->type == CYAML_MAPPING)
		return quoted_map(node, schema->mapping.fields);
	if (schema->type == CYAML_SEQUENCE)
		return quoted_list(node, schema->sequence.entry);
	return json_string(node->value);
}

char *ytree_for_cyaml(const struct ytree *root)
{
	json_t *o = quoted_json(root, &mgmt_schema);
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	return text;
}

int mgmt_yaml_map(json_t **out, const char *label, const char *text, size_t len)
{
	struct ytree *root;
	int rc = ytree_parse(&root, label, text, len);

	*out = NULL;
	if (rc)
		return rc;
	rc = mgmt_check_free(label, root);
	if (!rc)
		*out = ytree_json(root);
	if (!rc && !*out)
		rc = err_set(-ENOMEM, "%s: out of memory", label);
	ytree_free(root);
	return rc;
}
