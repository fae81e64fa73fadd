/* SPDX-License-Identifier: BSD-3-Clause */
/* A change of the configuration at run time: checked like a file, then asked of the switch, which makes it
 * wholly or not at all. */
#include "mgmt/sup.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

#define LABEL "change"

/* A change has no lines, and no file whose name helps. */
static int without_place(int rc)
{
	static const char place[] = LABEL ":1: ";

	if (!strncmp(err_text(), place, sizeof(place) - 1)) {
		char text[700];

		strncpy(text, err_text() + sizeof(place) - 1, sizeof(text) - 1);
		text[sizeof(text) - 1] = 0;
		err_set(rc, "%s", text);
	}
	return rc;
}

void sup_config_set(json_t *map, const char *key, json_t *value)
{
	if (json_is_null(value))
		json_object_del(map, key);
	else
		json_object_set(map, key, value);
}

void sup_config_merge(json_t *map, json_t *keys)
{
	const char *key;
	json_t *value;

	json_object_foreach(keys, key, value) sup_config_set(map, key, value);
}

int sup_propose(struct op *op, json_t *config)
{
	struct sup *sup = op->sup;
	struct mgmt_host host;
	int rc;

	mgmt_host_get(&host, "");
	host.no_files = true;
	rc = mgmt_config_load_json(&op->next, LABEL, config, &host);
	json_decref(config);
	if (rc)
		return without_place(rc);
	rc = op->next_fd = mgmt_config_memfd(op->next);
	if (rc < 0)
		return rc;
	return sup_op_ask(op, &sup->sw, "configure",
			  json_pack("{s:o}", "config", mgmt_config_json(op->next)));
}
