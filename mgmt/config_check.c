/* SPDX-License-Identifier: BSD-3-Clause */
/* Walks the YAML tree beside the schema before libcyaml loads it, and words every mistake the same
 * way: "<file>:<line>: <key>: found <what>; allowed: <what>". libcyaml alone would take "maybe" for
 * true, the second of two equal keys, and names no line for a missing key. */
#include "mgmt/config_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"

#define KEY_MAX 100u /* of those that are not ours */

struct walk {
	const char *label;
	char path[160]; /* with indices, for messages */
	char key[96];	/* without, for limits */
};

static const char *const kind_text[] = {
	[YTREE_SCALAR] = "a single value",
	[YTREE_MAP] = "a mapping (key: value)",
	[YTREE_SEQ] = "a list",
};

static int complain(const struct walk *w, unsigned int line, const char *found, const char *allowed)
{
	const char *at = w->path[0] ? w->path : "the file";

	return err_set(-EINVAL, "%s:%u: %s: found %s; allowed: %s", w->label, line, at, found,
		       allowed);
}

/* Quotes a value for a message: short, and no control characters. */
static const char *quoted(const char *value, char *buf, size_t size)
{
	size_t n = strlen(value), keep = n < 40 ? n : 40;

	snprintf(buf, size, "\"%.*s%s\"", (int)keep, value, n > keep ? "..." : "");
	for (char *c = buf; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	return buf;
}

static int bad_value(const struct walk *w, const struct ytree *node, const char *allowed)
{
	char buf[64];

	if (node->kind != YTREE_SCALAR)
		return complain(w, node->line, kind_text[node->kind], allowed);
	if (!node->value[0])
		return complain(w, node->line, "nothing", allowed);
	return complain(w, node->line, quoted(node->value, buf, sizeof(buf)), allowed);
}

static int check_int(const struct walk *w, const struct ytree *node)
{
	const struct mgmt_range *r = mgmt_schema_range(w->key);
	char allowed[96], *end;
	bool is_number;
	long long v;

	if (r->multiple)
		snprintf(allowed, sizeof(allowed), "%lld..%lld in steps of %u (%s)",
			 (long long)r->min, (long long)r->max, r->multiple, r->unit);
	else
		snprintf(allowed, sizeof(allowed), "%lld..%lld (%s)", (long long)r->min,
			 (long long)r->max, r->unit);
	if (node->kind != YTREE_SCALAR)
		return bad_value(w, node, allowed);
	errno = 0;
	v = strtoll(node->value, &end, 10);
	/* "010" would be eight for libcyaml and ten for people. */
	is_number = node->value[0] >= '0' && node->value[0] <= '9' && !*end && !errno &&
		    !(node->value[0] == '0' && node->value[1]);
	if (!is_number || v < r->min || v > r->max || (r->multiple && v % r->multiple))
		return bad_value(w, node, allowed);
	return 0;
}

static int check_bool(const struct walk *w, const struct ytree *node)
{
	static const char *const words[] = {"true", "false", "yes", "no", "on", "off"};

	for (size_t i = 0; node->kind == YTREE_SCALAR && i < CYAML_ARRAY_LEN(words); i++)
		if (!strcasecmp(words[i], node->value))
			return 0;
	return bad_value(w, node, "true, false");
}

/* Appends to a list "a, b, c". */
static void add_word(char *list, size_t size, const char *word)
{
	size_t n = strlen(list);

	snprintf(list + n, size - n, "%s%s", n ? ", " : "", word);
}

static int check_enum(const struct walk *w, const struct ytree *node,
		      const cyaml_schema_value_t *schema)
{
	char allowed[128] = "";

	for (uint32_t i = 0; i < schema->enumeration.count; i++) {
		const char *word = schema->enumeration.strings[i].str;

		if (node->kind == YTREE_SCALAR && !strcmp(word, node->value))
			return 0;
		add_word(allowed, sizeof(allowed), word);
	}
	return bad_value(w, node, allowed);
}

static int check_string(const struct walk *w, const struct ytree *node,
			const cyaml_schema_value_t *schema)
{
	char allowed[64];
	size_t len;

	snprintf(allowed, sizeof(allowed), "a text of %u..%u characters", schema->string.min,
		 schema->string.max);
	if (node->kind != YTREE_SCALAR)
		return bad_value(w, node, allowed);
	len = strlen(node->value);
	if (len < schema->string.min || len > schema->string.max)
		return bad_value(w, node, allowed);
	return 0;
}

static int check_value(struct walk *w, const struct ytree *node,
		       const cyaml_schema_value_t *schema);
static int check_any(struct walk *w, const struct ytree *node);
static int check_seq(struct walk *w, const struct ytree *node, const cyaml_schema_value_t *schema)
{
	size_t keep = strlen(w->path);
	char found[32], allowed[64];
	int rc = 0;

	snprintf(allowed, sizeof(allowed), "a list of %u..%u entries", schema->sequence.min,
		 schema->sequence.max);
	if (node->kind != YTREE_SEQ)
		return bad_value(w, node, allowed);
	if (node->nr < schema->sequence.min || node->nr > schema->sequence.max) {
		snprintf(found, sizeof(found), "%u entries", node->nr);
		return complain(w, node->line, found, allowed);
	}
	for (unsigned int i = 0; i < node->nr && !rc; i++) {
		snprintf(w->path + keep, sizeof(w->path) - keep, "[%u]", i);
		rc = check_value(w, &node->child[i], schema->sequence.entry);
	}
	w->path[keep] = 0;
	return rc;
}

static const cyaml_schema_field_t *field_of(const cyaml_schema_value_t *schema, const char *key)
{
	const cyaml_schema_field_t *f;

	for (f = schema->mapping.fields; f->key; f++)
		if (!strcmp(f->key, key))
			return f;
	return NULL;
}

static int unknown_key(const struct walk *w, const struct ytree *node,
		       const cyaml_schema_value_t *schema)
{
	char found[80], allowed[320] = "", buf[64];
	const cyaml_schema_field_t *f;

	for (f = schema->mapping.fields; f->key; f++)
		add_word(allowed, sizeof(allowed), f->key);
	snprintf(found, sizeof(found), "unknown key %s", quoted(node->key, buf, sizeof(buf)));
	return complain(w, node->line, found, allowed);
}

static void enter(struct walk *w, const char *key)
{
	size_t n = strlen(w->path), k = strlen(w->key);

	snprintf(w->path + n, sizeof(w->path) - n, "%s%s", n ? "." : "", key);
	snprintf(w->key + k, sizeof(w->key) - k, "%s%s", k ? "." : "", key);
}

/* The key of @map's child @i is the first of its name. */
static int check_once(const struct walk *w, const struct ytree *map, unsigned int i)
{
	const struct ytree *node = &map->child[i];
	char found[64];

	for (unsigned int k = 0; k < i; k++) {
		if (strcmp(map->child[k].key, node->key))
			continue;
		snprintf(found, sizeof(found), "the key again (first in line %u)",
			 map->child[k].line);
		return complain(w, node->line, found, "once");
	}
	return 0;
}

static int check_pair(struct walk *w, const struct ytree *map, unsigned int i,
		      const cyaml_schema_value_t *schema)
{
	const struct ytree *node = &map->child[i];
	const cyaml_schema_field_t *f = field_of(schema, node->key);
	size_t path = strlen(w->path), key = strlen(w->key);
	int rc;

	if (!f)
		return unknown_key(w, node, schema);
	enter(w, f->key);
	rc = check_once(w, map, i);
	if (!rc)
		rc = check_value(w, node, &f->value);
	w->path[path] = 0;
	w->key[key] = 0;
	return rc;
}

static int check_any_child(struct walk *w, const struct ytree *node, unsigned int i)
{
	const struct ytree *child = &node->child[i];
	size_t path = strlen(w->path);
	char quote[64];
	int rc = 0;

	if (node->kind == YTREE_SEQ)
		snprintf(w->path + path, sizeof(w->path) - path, "[%u]", i);
	else
		snprintf(w->path + path, sizeof(w->path) - path, "%s%s", path ? "." : "",
			 quoted(child->key, quote, sizeof(quote)));
	if (node->kind == YTREE_MAP && (!child->key[0] || strlen(child->key) > KEY_MAX))
		rc = complain(w, child->line, "a key that is empty or too long",
			      "1..100 characters");
	else if (node->kind == YTREE_MAP)
		rc = check_once(w, node, i);
	if (!rc)
		rc = check_any(w, child);
	w->path[path] = 0;
	return rc;
}

/* Below a key whose content is not ours to know: there is something, and each key is there once. */
static int check_any(struct walk *w, const struct ytree *node)
{
	int rc = 0;

	if (node->kind == YTREE_SCALAR && node->is_plain &&
	    (!node->value[0] || !strcmp(node->value, "~") || !strcmp(node->value, "null")))
		return complain(w, node->line, "nothing", "a value, or no key at all");
	for (unsigned int i = 0; i < node->nr && !rc; i++)
		rc = check_any_child(w, node, i);
	return rc;
}

static int check_map(struct walk *w, const struct ytree *node, const cyaml_schema_value_t *schema)
{
	const cyaml_schema_field_t *f;
	char found[64];
	int rc = 0;

	if (node->kind != YTREE_MAP)
		return bad_value(w, node, kind_text[YTREE_MAP]);
	for (unsigned int i = 0; i < node->nr && !rc; i++)
		rc = check_pair(w, node, i, schema);
	for (f = schema->mapping.fields; !rc && f->key; f++) {
		if ((f->value.flags & CYAML_FLAG_OPTIONAL) || ytree_find(node, f->key) != node)
			continue;
		snprintf(found, sizeof(found), "no key \"%s\"", f->key);
		rc = complain(w, node->line, found, "this key must be given");
	}
	return rc;
}

static int check_free(struct walk *w, const struct ytree *node)
{
	if (node->kind != YTREE_MAP)
		return bad_value(w, node, kind_text[YTREE_MAP]);
	return check_any(w, node);
}

static int check_value(struct walk *w, const struct ytree *node, const cyaml_schema_value_t *schema)
{
	if (mgmt_schema_is_free(schema))
		return check_free(w, node);
	switch (schema->type) {
	case CYAML_INT:
	case CYAML_UINT: return check_int(w, node);
	case CYAML_BOOL: return check_bool(w, node);
	case CYAML_ENUM: return check_enum(w, node, schema);
	case CYAML_STRING: return check_string(w, node, schema);
	case CYAML_SEQUENCE: return check_seq(w, node, schema);
	default: return check_map(w, node, schema);
	}
}

int mgmt_check_schema(const char *label, const struct ytree *root)
{
	struct walk w = {.label = label};

	return check_value(&w, root, &mgmt_schema);
}

int mgmt_check_free(const char *label, const struct ytree *root)
{
	struct walk w = {.label = label};
	int rc = 0;

	if (root->kind != YTREE_MAP)
		return bad_value(&w, root, kind_text[YTREE_MAP]);
	for (unsigned int i = 0; i < root->nr && !rc; i++) {
		const struct ytree *child = &root->child[i];
		bool is_null = child->kind == YTREE_SCALAR && child->is_plain &&
			       !strcmp(child->value, "null");

		rc = is_null ? check_once(&w, root, i) : check_any_child(&w, root, i);
	}
	return rc;
}
