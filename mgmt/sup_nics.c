/* SPDX-License-Identifier: BSD-3-Clause */
/* Adapters that are added, removed and set at run time: each is a change of the configuration, checked
 * like a file, and then asked of the switch. */
#include "mgmt/sup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* The partition's list of adapters in @config. */
static json_t *list_of(json_t *config, const struct op *op)
{
	json_t *parts = json_object_get(config, "partitions"), *part, *list;

	part = json_array_get(parts, (size_t)(op->part - op->sup->worker));
	list = json_object_get(part, "nics");
	if (!list)
		json_object_set_new(part, "nics", list = json_array());
	return list;
}

static int lowest_free(const struct mgmt_partition *part)
{
	unsigned int i = 0;

	while (mgmt_config_nic(part, i))
		i++;
	return (int)i;
}

int sup_nics_add(struct op *op)
{
	const struct mgmt_partition *part = op->part->part;
	json_t *nic = json_deep_copy(json_object_get(op->params, "nic")), *config;
	const struct mgmt_nic *made;
	int rc;

	if (!json_is_object(nic)) {
		json_decref(nic);
		return err_set(-EINVAL, "nic: an object with the keys of the configuration file");
	}
	if (!json_object_get(nic, "index"))
		json_object_set_new(nic, "index", json_integer(lowest_free(part)));
	config = mgmt_config_json(op->sup->cfg);
	json_array_append_new(list_of(config, op), nic);
	rc = sup_propose(op, config);
	if (rc < 0)
		return rc;
	part = &op->next->partitions[op->part - op->sup->worker];
	made = &part->nics[part->nics_count - 1];
	op->result = json_pack("{s:o, s:s}", "name",
			       json_sprintf("%s/%u", part->name, *made->index), "mac", made->mac);
	return rc;
}

/* Where the adapter {nic: "a/1"} is in its partition's list, or -EINVAL (text set). */
static int find(const struct op *op)
{
	const char *name = json_string_value(json_object_get(op->params, "nic"));
	const struct mgmt_partition *part = op->part->part;
	const char *number = name ? strchr(name, '/') : NULL;
	unsigned long index;
	char *end;

	if (!number || number[1] < '0' || number[1] > '9')
		return err_set(-EINVAL, "which adapter? it is called PARTITION/NUMBER");
	index = strtoul(number + 1, &end, 10);
	for (uint32_t i = 0; i < part->nics_count && !*end; i++)
		if (*part->nics[i].index == index)
			return (int)i;
	return err_set(-EINVAL, "no adapter %.60s", name);
}

int sup_nics_remove(struct op *op)
{
	int at = find(op);
	json_t *config;

	if (at < 0)
		return at;
	config = mgmt_config_json(op->sup->cfg);
	json_array_remove(list_of(config, op), (size_t)at);
	op->result = json_pack("{s:O}", "name", json_object_get(op->params, "nic"));
	return sup_propose(op, config);
}

static json_t *vmq_of(json_t *nic)
{
	json_t *map = json_object_get(nic, "vmq");

	if (!map)
		json_object_set_new(nic, "vmq", map = json_object());
	return map;
}

int sup_nics_set(struct op *op)
{
	json_t *link = json_object_get(op->params, "link"),
	       *vmq = json_object_get(op->params, "vmq");
	int at = find(op);
	json_t *config, *nic;

	if (at < 0)
		return at;
	if (json_is_string(link) == json_is_object(vmq) || json_object_size(op->params) != 2)
		return err_set(-EINVAL, "what of it? link (up, down) or vmq (its keys) can be set");
	config = mgmt_config_json(op->sup->cfg);
	nic = json_array_get(list_of(config, op), (size_t)at);
	if (link)
		json_object_set(nic, "link", link);
	else
		sup_config_merge(vmq_of(nic), vmq);
	op->result = json_pack("{s:O, s:O}", "name", json_object_get(op->params, "nic"),
			       link ? "link" : "vmq", link ? link : vmq);
	return sup_propose(op, config);
}
