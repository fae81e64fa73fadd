/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the configuration's files: the YAML tree with line numbers, the schema, the checks. */
#pragma once

#include <cyaml/cyaml.h>

#include "mgmt/config.h"

enum ytree_kind { YTREE_SCALAR, YTREE_MAP, YTREE_SEQ };

struct ytree {
	enum ytree_kind kind;
	unsigned int line; /* from 1; of the key when it has one */
	char *key;	   /* in a map */
	char *value;	   /* scalar */
	struct ytree *child;
	unsigned int nr;
};

/* ctl.  0, -EINVAL (text set, "<label>:<line>: ...") or -ENOMEM. */
int ytree_parse(struct ytree **out, const char *label, const char *text, size_t len);
void ytree_free(struct ytree *root);

/* any.  The node at @path ("partitions[1].nics[0].mac"), or the nearest one above that exists. */
const struct ytree *ytree_find(const struct ytree *root, const char *path);

extern const cyaml_schema_value_t mgmt_schema;

struct mgmt_range {
	const char *key; /* without indices: "partitions.nics.mtu" */
	int64_t min, max;
	uint32_t multiple; /* 0: any */
	const char *unit;
};
/* any.  The limits of an integer key, or NULL. */
const struct mgmt_range *mgmt_schema_range(const char *key);

/* ctl.  Every key known, of the right type and within its limits. 0 or -EINVAL (text set). */
int mgmt_check_schema(const char *label, const struct ytree *root);

/* ctl.  What depends on more than one key or on the host; also parses MACs. 0 or -EINVAL. */
int mgmt_check_meaning(const char *label, const struct ytree *root, struct mgmt_cfg *cfg,
		       const struct mgmt_host *host);

/* What the checks of meaning share. */
struct check {
	const char *label;
	const struct ytree *root;
	struct mgmt_cfg *cfg;
	const struct mgmt_host *host;
};

/* ctl.  Sets the text "<label>:<line>: <path>: <rest>" and returns -EINVAL. @path is formatted from the
 * arguments after it; @rest is "found ...; allowed: ...". */
int mgmt_complain(const struct check *c, const char *rest, const char *path, ...)
	__attribute__((format(printf, 3, 4)));

/* ctl.  config_boot.c: image or kernel, what goes with it, and disks of partition @part. */
int mgmt_check_boot(const struct check *c, uint32_t part);
/* ctl.  No file is written by two: after all mgmt_check_boot(). */
int mgmt_check_disks(const struct check *c);
