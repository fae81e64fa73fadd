/* SPDX-License-Identifier: BSD-3-Clause */
/* Policies of ports, mirrors and the overlay in the difference of two configurations. */
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

/* A key of the switch as JSON; NULL: it is not there, or an empty list. */
static json_t *key_of_switch(const struct mgmt_cfg *cfg, const char *key)
{
	json_t *config = mgmt_config_json(cfg), *value;

	value = json_incref(json_object_get(json_object_get(config, "switch"), key));
	json_decref(config);
	if (!json_is_array(value) || json_array_size(value))
		return value;
	json_decref(value);
	return NULL;
}

static void diff_key(struct mgmt_diff *d, const char *key, enum mgmt_change_kind kind)
{
	json_t *from = key_of_switch(d->from, key), *to = key_of_switch(d->to, key);

	if (!is_same(from, to))
		mgmt_diff_add(d, (struct mgmt_change){.kind = kind});
	json_decref(from);
	json_decref(to);
}

void mgmt_diff_mirrors(struct mgmt_diff *d)
{
	diff_key(d, "mirrors", MGMT_MIRRORS);
}

void mgmt_diff_overlay(struct mgmt_diff *d)
{
	diff_key(d, "overlay", MGMT_OVERLAY);
}
