/* SPDX-License-Identifier: BSD-3-Clause */
/* Policies of ports, and mirrors, in the difference of two configurations. */
#include "mgmt/config_diff.h"

#include <stdio.h>
#include <string.h>

static json_t *key_of(const struct mgmt_cfg *cfg, const char *name)
{
	struct mgmt_port port;

	for (uint32_t n = 0; mgmt_config_port(cfg, n, &port); n++)
		if (!strcmp(port.name, name))
			return mgmt_policy_key(cfg, &port);
	return NULL;
}

static bool is_same(const json_t *a, const json_t *b)
{
	return a && b ? json_equal(a, b) : a == b;
}

void mgmt_diff_policies(struct mgmt_diff *d)
{
	struct mgmt_port port;

	for (uint32_t n = 0; mgmt_config_port(d->to, n, &port); n++) {
		json_t *key = mgmt_policy_key(d->to, &port), *was = key_of(d->from, port.name);
		struct mgmt_change change = {.kind = MGMT_POLICY};

		memcpy(change.port, port.name, sizeof(change.port));
		if (!is_same(key, was))
			mgmt_diff_add(d, change);
		json_decref(key);
		json_decref(was);
	}
}

static json_t *mirrors_of(const struct mgmt_cfg *cfg)
{
	json_t *config = mgmt_config_json(cfg), *list;

	list = json_incref(json_object_get(json_object_get(config, "switch"), "mirrors"));
	json_decref(config);
	return json_array_size(list) ? list : (json_decref(list), NULL);
}

void mgmt_diff_mirrors(struct mgmt_diff *d)
{
	json_t *from = mirrors_of(d->from), *to = mirrors_of(d->to);

	if (!is_same(from, to))
		mgmt_diff_add(d, (struct mgmt_change){.kind = MGMT_MIRRORS});
	json_decref(from);
	json_decref(to);
}
