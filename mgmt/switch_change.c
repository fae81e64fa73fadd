/* SPDX-License-Identifier: BSD-3-Clause */
/* From the present configuration to another while the switch runs: the difference, made wholly or not at
 * all. */
#include "mgmt/switch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"

static bool is_about_ext(const struct mgmt_change *c)
{
	return c->kind >= MGMT_EXT_LOAD && c->kind <= MGMT_EXT_ORDER;
}

static bool is_about_policy(const struct mgmt_change *c)
{
	return c->kind >= MGMT_POLICY && c->kind <= MGMT_OVERLAY;
}

static int apply(struct sw *sw, const struct mgmt_change *c, const struct mgmt_cfg *next,
		 json_t *done)
{
	if (is_about_ext(c) || c->kind == MGMT_EXT_UNLOAD)
		return sw_ext_apply(sw, c, next, done);
	if (is_about_policy(c))
		return sw_policy_apply(sw, c, next);
	return sw_nic_apply(sw, c);
}

/* Only what comes before MGMT_NIC_LINK can fail, so only that is ever taken back, the last first. What
 * failed has changed nothing. */
static void undo(struct sw *sw, const struct mgmt_change *change, int n)
{
	for (int i = n - 1; i >= 0; i--)
		if (is_about_ext(&change[i]))
			sw_ext_undo(sw, &change[i]);
		else if (!is_about_policy(&change[i]))
			sw_nic_undo(sw, &change[i]);
		else if (sw_policy_apply(sw, &change[i], sw->child.cfg))
			log_warn("switch", "a change could not be taken back: %s", err_text());
}

static int apply_all(struct sw *sw, const struct mgmt_change *change, int n,
		     const struct mgmt_cfg *next, json_t *done)
{
	char why[600];
	int rc = 0, i;

	for (i = 0; i < n && !rc; i++)
		rc = apply(sw, &change[i], next, done);
	if (!rc)
		return 0;
	snprintf(why, sizeof(why), "%s", err_text());
	undo(sw, change, i - 1);
	return err_set(rc, "%s", why);
}

static void log_nic(const struct mgmt_change *c)
{
	char name[32];

	snprintf(name, sizeof(name), "%s/%u", c->part->name, *c->nic->index);
	if (c->kind == MGMT_NIC_LINK)
		log_info(name, "link %s", c->nic->link_down ? "down" : "up");
	else if (c->kind == MGMT_NIC_VMQ)
		log_info(name, "other keys of vmq");
	else
		log_info(name, "%s, MAC %s", c->kind == MGMT_NIC_ADD ? "added" : "removed",
			 c->nic->mac);
}

static void log_all(const struct mgmt_change *change, int n, json_t *done)
{
	static const char *const what[] = {
		[MGMT_POLICY] = "other policies",
		[MGMT_MIRRORS] = "other mirrors",
		[MGMT_OVERLAY] = "another overlay",
	};
	json_t *o;
	size_t i;

	for (int k = 0; k < n; k++)
		if (change[k].nic)
			log_nic(&change[k]);
		else if (is_about_policy(&change[k]))
			log_info(change[k].port[0] ? change[k].port : "switch", "%s",
				 what[change[k].kind]);
	json_array_foreach(done, i, o)
	{
		log_info(json_string_value(json_object_get(o, "name")),
			 "%s, the slowest lcore paused %lld us",
			 json_string_value(json_object_get(o, "change")),
			 (long long)json_integer_value(json_object_get(o, "pause_ns")) / 1000);
	}
}

static int change_to(struct sw *sw, const struct mgmt_cfg *next, struct mgmt_change *change,
		     json_t *done)
{
	int n = mgmt_config_diff(sw->child.cfg, next, change), rc;

	if (n < 0)
		return n;
	rc = apply_all(sw, change, n, next, done);
	if (!rc)
		log_all(change, n, done);
	return rc;
}

int sw_configure(struct sw *sw, const json_t *config, json_t **result)
{
	struct mgmt_change *change = calloc(MGMT_CHANGES_MAX, sizeof(*change));
	json_t *done = json_array();
	struct mgmt_cfg *next = NULL;
	struct mgmt_host host;
	int rc;

	mgmt_host_get(&host, "");
	host.no_files = true;
	rc = change && done ? mgmt_config_load_json(&next, "configuration", config, &host)
			    : err_set(-ENOMEM, "configuration");
	if (!rc)
		rc = change_to(sw, next, change, done);
	if (!rc) {
		mgmt_config_free(sw->child.cfg);
		sw->child.cfg = next;
		next = NULL;
		sw_exts_settle(sw, done);
		*result = json_pack("{s:O}", "changes", done);
	}
	mgmt_config_free(next);
	json_decref(done);
	free(change);
	return rc;
}
