/* SPDX-License-Identifier: BSD-3-Clause */
/* A YAML text as a tree whose nodes know their line. libcyaml fills the structs; this tree is for
 * messages, because libcyaml keeps no line numbers once a document is loaded, and does not say
 * what would have been allowed. */
#include "mgmt/config_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/err.h"

#define DEPTH_MAX 8u
#define NODES_MAX 65536u

struct reader {
	yaml_parser_t parser;
	const char *label;
	unsigned int nr_nodes;
};

static unsigned int line_of(const yaml_event_t *ev)
{
	return (unsigned int)ev->start_mark.line + 1;
}

static int next_event(struct reader *r, yaml_event_t *ev)
{
	const yaml_parser_t *p = &r->parser;
	size_t line;

	if (yaml_parser_parse(&r->parser, ev))
		return 0;
	if (p->error == YAML_MEMORY_ERROR)
		return err_set(-ENOMEM, "%s: out of memory", r->label);
	line = p->problem_mark.line ? p->problem_mark.line : p->context_mark.line;
	return err_set(-EINVAL, "%s:%zu: not YAML: %s%s%s", r->label, line + 1,
		       p->problem ? p->problem : "unreadable bytes", p->context ? ", " : "",
		       p->context ? p->context : "");
}

static struct ytree *add_child(struct reader *r, struct ytree *parent)
{
	struct ytree *grown;

	if (++r->nr_nodes > NODES_MAX)
		return NULL;
	/* Doubled at each power of two, so that a long list costs no quadratic copying. */
	if (!(parent->nr & (parent->nr - 1))) {
		size_t cap = parent->nr ? 2 * (size_t)parent->nr : 1;

		grown = realloc(parent->child, cap * sizeof(*grown));
		if (!grown)
			return NULL;
		parent->child = grown;
	}
	grown = &parent->child[parent->nr++];
	memset(grown, 0, sizeof(*grown));
	return grown;
}

static int read_value(struct reader *r, const yaml_event_t *ev, struct ytree *out,
		      unsigned int depth);

static char *scalar_dup(const yaml_event_t *ev)
{
	return strndup((const char *)ev->data.scalar.value, ev->data.scalar.length);
}

static int read_pair(struct reader *r, const yaml_event_t *key, struct ytree *map,
		     unsigned int depth)
{
	struct ytree *node;
	yaml_event_t ev;
	int rc;

	if (key->type != YAML_SCALAR_EVENT)
		return err_set(-EINVAL, "%s:%u: a key must be a word", r->label, line_of(key));
	node = add_child(r, map);
	if (!node)
		return err_set(-EINVAL, "%s:%u: more than %u values", r->label, line_of(key),
			       NODES_MAX);
	node->key = scalar_dup(key);
	if (!node->key)
		return err_set(-ENOMEM, "%s: out of memory", r->label);
	rc = next_event(r, &ev);
	if (rc)
		return rc;
	rc = read_value(r, &ev, node, depth);
	node->line = line_of(key);
	yaml_event_delete(&ev);
	return rc;
}

static int read_item(struct reader *r, const yaml_event_t *ev, struct ytree *seq,
		     unsigned int depth)
{
	struct ytree *node = add_child(r, seq);

	if (!node)
		return err_set(-EINVAL, "%s:%u: more than %u values", r->label, line_of(ev),
			       NODES_MAX);
	return read_value(r, ev, node, depth);
}

static int read_children(struct reader *r, struct ytree *out, unsigned int depth)
{
	bool is_map = out->kind == YTREE_MAP, is_end;
	yaml_event_t ev;
	int rc;

	if (depth > DEPTH_MAX)
		return err_set(-EINVAL, "%s:%u: nested deeper than %u levels", r->label, out->line,
			       DEPTH_MAX);
	do {
		rc = next_event(r, &ev);
		if (rc)
			return rc;
		is_end = ev.type == YAML_MAPPING_END_EVENT || ev.type == YAML_SEQUENCE_END_EVENT;
		if (!is_end)
			rc = is_map ? read_pair(r, &ev, out, depth) : read_item(r, &ev, out, depth);
		yaml_event_delete(&ev);
	} while (!is_end && !rc);
	return rc;
}

static int read_value(struct reader *r, const yaml_event_t *ev, struct ytree *out,
		      unsigned int depth)
{
	out->line = line_of(ev);
	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		if (memchr(ev->data.scalar.value, 0, ev->data.scalar.length))
			return err_set(-EINVAL, "%s:%u: a NUL byte in a value", r->label,
				       out->line);
		out->kind = YTREE_SCALAR;
		out->is_plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
		out->value = scalar_dup(ev);
		return out->value ? 0 : err_set(-ENOMEM, "%s: out of memory", r->label);
	case YAML_MAPPING_START_EVENT:
		out->kind = YTREE_MAP;
		return read_children(r, out, depth + 1);
	case YAML_SEQUENCE_START_EVENT:
		out->kind = YTREE_SEQ;
		return read_children(r, out, depth + 1);
	case YAML_ALIAS_EVENT:
		return err_set(-EINVAL, "%s:%u: aliases (*%s) are not supported; write it out",
			       r->label, out->line, ev->data.alias.anchor);
	default: return err_set(-EINVAL, "%s:%u: a value is missing", r->label, out->line);
	}
}

static int read_document(struct reader *r, struct ytree *root)
{
	yaml_event_t ev;
	int rc, type;

	do {
		rc = next_event(r, &ev);
		if (rc)
			return rc;
		type = ev.type;
		if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_START_EVENT) {
			yaml_event_delete(&ev);
			continue;
		}
		if (type == YAML_STREAM_END_EVENT)
			rc = err_set(-EINVAL,
				     "%s:1: the file is empty; allowed: a mapping with "
				     "at least `partitions`",
				     r->label);
		else
			rc = read_value(r, &ev, root, 0);
		yaml_event_delete(&ev);
		return rc;
	} while (true);
}

/* After the document only the end may come: a second one would be silently ignored by libcyaml. */
static int read_end(struct reader *r)
{
	yaml_event_t ev;
	unsigned int line;
	int rc, type;

	do {
		rc = next_event(r, &ev);
		if (rc)
			return rc;
		type = ev.type;
		line = line_of(&ev);
		yaml_event_delete(&ev);
	} while (type == YAML_DOCUMENT_END_EVENT);
	if (type != YAML_STREAM_END_EVENT)
		return err_set(-EINVAL, "%s:%u: a second document; allowed: one", r->label, line);
	return 0;
}

int ytree_parse(struct ytree **out, const char *label, const char *text, size_t len)
{
	struct reader r = {.label = label};
	struct ytree *root = calloc(1, sizeof(*root));
	int rc;

	*out = NULL;
	if (!root || !yaml_parser_initialize(&r.parser)) {
		free(root);
		return err_set(-ENOMEM, "%s: out of memory", label);
	}
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
	rc = read_document(&r, root);
	if (!rc)
		rc = read_end(&r);
	yaml_parser_delete(&r.parser);
	if (rc) {
		ytree_free(root);
		return rc;
	}
	*out = root;
	return 0;
}

static void free_inside(struct ytree *node)
{
	for (unsigned int i = 0; i < node->nr; i++)
		free_inside(&node->child[i]);
	free(node->child);
	free(node->key);
	free(node->value);
}

void ytree_free(struct ytree *root)
{
	if (!root)
		return;
	free_inside(root);
	free(root);
}

static const struct ytree *step_key(const struct ytree *node, const char *key, size_t n)
{
	for (unsigned int i = 0; node->kind == YTREE_MAP && i < node->nr; i++) {
		const char *have = node->child[i].key;

		if (strlen(have) == n && !memcmp(have, key, n))
			return &node->child[i];
	}
	return NULL;
}

const struct ytree *ytree_find(const struct ytree *root, const char *path)
{
	const struct ytree *node = root, *next;

	while (*path) {
		size_t n = strcspn(path, ".[");

		next = NULL;
		if (*path == '[') {
			unsigned long i = strtoul(path + 1, NULL, 10);

			if (node->kind == YTREE_SEQ && i < node->nr)
				next = &node->child[i];
			path += strcspn(path, "]") + 1;
		} else {
			next = step_key(node, path, n);
			path += n;
		}
		path += *path == '.';
		if (!next)
			return node;
		node = next;
	}
	return node;
}
