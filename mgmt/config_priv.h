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
	bool is_plain;	   /* scalar: without quotes, so it may be a number, true or false */
	struct ytree *child;
	unsigned int nr;
};

/* ctl.  0, -EINVAL (text set, "<label>:<line>: ...") or -ENOMEM. */
int ytree_parse(struct ytree **out, const char *label, const char *text, size_t len);
void ytree_free(struct ytree *root);

/* any.  The node at @path ("partitions[1].nics[0].mac"), or the nearest one above that exists. */
const struct ytree *ytree_find(const struct ytree *root, const char *path);

/* ctl.  @node as JSON: of plain scalars what JSON knows as a number, true, false or null is that, all else
 * is text. New reference, or NULL: out of memory. */
json_t *ytree_json(const struct ytree *node);

/* ctl.  The whole tree as YAML that libcyaml can load: scalars as texts, and what the schema leaves free
 * as the text of its JSON. The caller frees it; NULL: out of memory. */
char *ytree_for_cyaml(const struct ytree *root);

extern const cyaml_schema_value_t mgmt_schema;
extern const cyaml_schema_value_t mgmt_policy_schema; /* of struct mgmt_policy */

/* ctl.  config_json.c: a struct of that schema. New reference, or NULL: out of memory. */
json_t *mgmt_schema_json(const cyaml_schema_value_t *v, const void *at);

/* any.  A map whose keys are not ours to know. In the structs it is JSON in a string. */
bool mgmt_schema_is_free(const cyaml_schema_value_t *v);

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

/* ctl.  A map of keys that are not ours to know, each of which may be null. 0 or -EINVAL (text set). */
int mgmt_check_free(const char *label, const struct ytree *root);

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

/* any.  Whether @name may name an instance, a partition, an uplink, an extension. */
#define MGMT_NAME_RULE "a-z, 0-9, - and _, beginning with a letter or digit"
bool mgmt_is_name(const char *name);

/* ctl.  config_exts.c: after the names of ports are checked. Also names extensions that have no name,
 * and makes their paths absolute. */
int mgmt_check_exts(const struct check *c);

/* ctl.  config_policy.c: policies of ports and mirrors, after the names of ports are checked. */
int mgmt_check_policies(const struct check *c);

/* ctl.  config_overlay.c: likewise. Also gives the overlay an address. */
int mgmt_check_overlay(const struct check *c);

/* ctl.  config_meaning.c.  Each uplink, then each adapter, until something is wrong. */
int mgmt_check_each(const struct check *c, int (*uplink)(const struct check *c, uint32_t i),
		    int (*nic)(const struct check *c, uint32_t part, uint32_t k));

/* ctl.  config_sriov.c: VFs of adapters and PFs of uplinks, after engines are checked. */
int mgmt_check_sriov(const struct check *c);
/* ctl.  config_vmq.c: queues of uplinks that belong to adapters. */
int mgmt_check_vmq(const struct check *c);
/* any.  switch.lcores names it. */
bool mgmt_is_lcore(const struct mgmt_switch *sw, uint32_t cpu);

/* ctl.  A stable address from names, locally administered: the same at each start. NULL: out of memory; to
 * be freed. */
char *mgmt_derived_mac(const char *instance, const char *owner, uint32_t index);
