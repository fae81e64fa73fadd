/* SPDX-License-Identifier: BSD-3-Clause */
/* `nethv vf`: virtual functions of a running instance. */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "mgmt/cli.h"

#define VF_MS 60000 /* a guest may take its time to give a VF back */

const struct cli_option cli_vf_options[] = {
	{"--instance", true}, {"--dry-run", false}, {"--now", false}, {0}};

static void show_pf(json_t *p)
{
	printf("uplink %s: %s", js(p, "uplink"), js(p, "pf"));
	if (js(p, "bdf")[0])
		printf(" (%s, %s): %lld of %lld VFs", js(p, "bdf"), js(p, "driver"),
		       (long long)ji(p, "vfs"), (long long)ji(p, "total_vfs"));
	if (jo(p, "filters"))
		printf(", %lld assigned, %lld free, %lld in quarantine; %lld filters",
		       (long long)ji(p, "assigned"), (long long)ji(p, "free"),
		       (long long)ji(p, "quarantine"), (long long)ji(p, "filters"));
	if (ji(p, "filter_slots"))
		printf(" of %lld", (long long)ji(p, "filter_slots"));
	printf("\n");
	if (js(p, "why")[0])
		printf("    %s\n", js(p, "why"));
}

static const char *or_dash(const char *s)
{
	return s[0] ? s : "-";
}

static void show_nic(json_t *n)
{
	bool is_asked = json_is_true(jo(n, "sriov"));
	char serial[24] = "-";

	if (ji(n, "serial"))
		snprintf(serial, sizeof(serial), "%lld", (long long)ji(n, "serial"));
	printf("%-16s %-12s %-6s %-10s %-8s %8lld s%s\n", js(n, "nic"), or_dash(js(n, "vf")),
	       serial, is_asked ? js(n, "state") : "-", js(n, "receiver"),
	       (long long)ji(n, "since_ms") / 1000,
	       json_is_true(jo(n, "revoked")) ? "  revoked" : "");
	if (js(n, "why")[0])
		printf("    %s\n", js(n, "why"));
	if (ji(n, "dma_faults"))
		printf("    DMA faults: %lld, the last: %s\n", (long long)ji(n, "dma_faults"),
		       js(n, "last_dma_fault"));
}

static void show_list(json_t *o)
{
	json_t *e;
	size_t i;

	if (!json_array_size(jo(o, "pfs"))) {
		printf("no adapter asks for a VF (sriov: on)\n");
		return;
	}
	json_array_foreach(jo(o, "pfs"), i, e) show_pf(e);
	printf("%-16s %-12s %-6s %-10s %-8s %10s\n", "NIC", "VF", "SERIAL", "STATE", "RECEIVER",
	       "SINCE");
	json_array_foreach(jo(o, "nics"), i, e) show_nic(e);
	json_array_foreach(jo(o, "vfs"), i, e) if (!strcmp(js(e, "state"), "quarantine"))
		printf("%s is in quarantine: %s\n", js(e, "bdf"), js(e, "why"));
}

static void show_change(json_t *o)
{
	json_t *step;
	size_t i;

	json_array_foreach(jo(o, "steps"), i, step) printf("%s\n", json_string_value(step));
	if (jo(o, "steps"))
		return;
	if (js(o, "vf")[0])
		printf("%s: %s, serial %lld, %s\n", js(o, "nic"), js(o, "vf"),
		       (long long)ji(o, "serial"), js(o, "state"));
	else
		printf("%s: no VF\n", js(o, "nic"));
}

static int call(const struct cli_args *a, const char *method, json_t *params,
		void (*show)(json_t *result))
{
	json_t *result = NULL;
	int rc = cli_call(cli_option(a, "--instance"), method, params, VF_MS, &result);

	if (rc)
		return cli_error(1);
	if (a->is_json)
		rc = cli_print_json(result);
	else
		show(result);
	json_decref(result);
	return rc;
}

static json_t *params_of(const struct cli_args *a)
{
	json_t *o = json_pack("{s:s}", "nic", a->word[1]);

	if (cli_option(a, "--dry-run"))
		json_object_set_new(o, "dry_run", json_true());
	if (cli_option(a, "--now"))
		json_object_set_new(o, "now", json_true());
	return o;
}

int cmd_vf(const struct cli_args *a)
{
	const char *what = a->word[0];
	bool has_dry = cli_option(a, "--dry-run"), has_now = cli_option(a, "--now");

	if (!strcmp(what, "list") && a->nr_words == 1 && !has_dry && !has_now)
		return call(a, "vf_list", NULL, show_list);
	if (!strcmp(what, "assign") && a->nr_words == 2 && !has_now)
		return call(a, "vf_assign", params_of(a), show_change);
	if (!strcmp(what, "revoke") && a->nr_words == 2)
		return call(a, "vf_revoke", params_of(a), show_change);
	fprintf(stderr, "nethv vf: use: list, assign PARTITION/NUMBER [--dry-run], or revoke "
			"PARTITION/NUMBER [--now] [--dry-run]; `nethv help vf` says more\n");
	return 2;
}
