/* SPDX-License-Identifier: BSD-3-Clause */
/* Verbs that change a running instance: adapters, and the life of partitions. What is allowed is the
 * supervisor's to say; here words become a request. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "mgmt/cli.h"

const struct cli_option cli_nic_options[] = {
	{"--instance", true},
	{"--mac", true},
	{"--mtu", true},
	{"--vlan", true},
	{"--channels", true},
	{"--index", true},
	{"--link-mbps", true},
	{"--link", true},
	{"--monitor", false},
	{"--no-offload", false},
	{"--allow-spoofing", false},
	{0},
};

const struct cli_option cli_power_options[] = {{"--instance", true}, {0}};

const struct cli_option cli_shutdown_options[] = {
	{"--instance", true}, {"--reboot", false}, {"--now", false}, {0}};

/* A number if it looks like one; if it should be one and is not, the check of it says so. */
static json_t *value_of(const char *text)
{
	long long v;
	char end;

	return sscanf(text, "%18lld%c", &v, &end) == 1 ? json_integer(v) : json_string(text);
}

static void put(json_t *o, const char *key, const char *text)
{
	if (text)
		json_object_set_new(o, key, value_of(text));
}

/* The adapter in the keys of the configuration file. */
static json_t *nic_of(const struct cli_args *a)
{
	const char *vlan = cli_option(a, "--vlan");
	json_t *o = json_object();

	put(o, "mac", cli_option(a, "--mac"));
	put(o, "mtu", cli_option(a, "--mtu"));
	put(o, "channels", cli_option(a, "--channels"));
	put(o, "index", cli_option(a, "--index"));
	put(o, "link_mbps", cli_option(a, "--link-mbps"));
	put(o, "link", cli_option(a, "--link"));
	if (vlan)
		json_object_set_new(o, "vlan", json_pack("{s:o}", "pvid", value_of(vlan)));
	if (cli_option(a, "--monitor"))
		json_object_set_new(o, "monitor", json_true());
	if (cli_option(a, "--no-offload"))
		json_object_set_new(o, "offload", json_false());
	if (cli_option(a, "--allow-spoofing"))
		json_object_set_new(o, "allow_spoofing", json_true());
	return o;
}

static void show_name(json_t *result)
{
	printf("%s\n", js(result, "name"));
}

static void show_state(json_t *result)
{
	printf("%s\n", js(result, "state"));
}

/* Options that describe an adapter belong to `add` only. */
static bool has_stray_option(const struct cli_args *a)
{
	for (unsigned int i = 1; a->options[i].name; i++)
		if (a->value[i]) {
			fprintf(stderr, "nethv nic %s: no option %s; it is for `nethv nic add`\n",
				a->word[0], a->options[i].name);
			return true;
		}
	return false;
}

int cmd_nic(const struct cli_args *a)
{
	const char *what = a->word[0];

	if (!strcmp(what, "add") && a->nr_words == 2)
		return cli_change(
			a, "nic_add",
			json_pack("{s:s, s:o}", "partition", a->word[1], "nic", nic_of(a)),
			show_name);
	if (!strcmp(what, "remove") && a->nr_words == 2)
		return has_stray_option(a)
			       ? 2
			       : cli_change(a, "nic_remove", json_pack("{s:s}", "nic", a->word[1]),
					    NULL);
	if (!strcmp(what, "set") && a->nr_words == 4 && !strcmp(a->word[2], "link"))
		return has_stray_option(a) ? 2
					   : cli_change(a, "nic_set",
							json_pack("{s:s, s:s}", "nic", a->word[1],
								  "link", a->word[3]),
							NULL);
	fprintf(stderr, "nethv nic: use: add PARTITION, remove PARTITION/NUMBER, or set "
			"PARTITION/NUMBER link up|down; `nethv help nic` says more\n");
	return 2;
}

static void show_number(json_t *result)
{
	printf("%lld\n", ji(result, "number"));
}

int cmd_tell(const struct cli_args *a)
{
	char line[4096];

	cli_join(a, 1, line, sizeof(line));
	return cli_change(a, "partition_tell",
			  json_pack("{s:s, s:s}", "partition", a->word[0], "order", line),
			  show_number);
}

int cmd_power(const struct cli_args *a)
{
	json_t *params = json_pack("{s:s}", "partition", a->word[0]);
	char method[40];

	if (cli_option(a, "--reboot"))
		json_object_set_new(params, "reboot", json_true());
	if (cli_option(a, "--now"))
		json_object_set_new(params, "now", json_true());
	snprintf(method, sizeof(method), "partition_%s", a->verb);
	return cli_change(a, method, params, show_state);
}
