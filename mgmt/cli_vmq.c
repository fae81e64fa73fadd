/* SPDX-License-Identifier: BSD-3-Clause */
/* `nethv vmq`: queues of uplinks that belong to adapters. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "mgmt/cli.h"

static void cpu_text(char buf[16], json_t *q)
{
	if (!json_is_integer(jo(q, "cpu")))
		snprintf(buf, 16, "-");
	else
		snprintf(buf, 16, "%lld%s", (long long)ji(q, "cpu"),
			 json_is_true(jo(q, "pinned")) ? "!" : "");
}

static void show_queue(json_t *q)
{
	const bool is_default = ji(q, "queue") == 0;
	json_t *filters = jo(q, "filter"), *f;
	char cpu[16];
	size_t i;

	cpu_text(cpu, q);
	printf("%5lld %-16s %-9s %4s %4lld.%lld%% %12lld %9lld%s\n", (long long)ji(q, "queue"),
	       is_default ? "(all others)" : js(q, "port"), js(q, "state"), cpu,
	       (long long)ji(q, "load") / 10, (long long)ji(q, "load") % 10,
	       (long long)ji(q, "packets"), (long long)ji(q, "missed"),
	       is_default		       ? ""
	       : json_is_true(jo(q, "direct")) ? " direct"
					       : " copied");
	json_array_foreach(filters, i, f) printf("      %s\n", json_string_value(f));
	if (json_is_integer(jo(q, "shares")))
		printf("      shares the filters of queue %lld\n", (long long)ji(q, "shares"));
	if (ji(q, "filters") > (json_int_t)json_array_size(filters))
		printf("      and %lld more filters\n",
		       (long long)ji(q, "filters") - (long long)json_array_size(filters));
	if (js(q, "why_copied")[0] && !is_default)
		printf("      copied: %s\n", js(q, "why_copied"));
}

static void show_uplink(json_t *v)
{
	json_t *e;
	size_t i;

	printf("uplink %s: %lld queues, %lld free, sorted by %s\n", js(v, "uplink"),
	       (long long)ji(v, "queues_max"), (long long)ji(v, "queues_free"), js(v, "provider"));
	if (js(v, "why")[0])
		printf("    not %s\n", js(v, "why"));
	printf("%5s %-16s %-9s %4s %6s %12s %9s %s\n", "QUEUE", "ADAPTER", "STATE", "CPU", "LOAD",
	       "PACKETS", "MISSED", "FRAMES");
	json_array_foreach(jo(v, "queues"), i, e) show_queue(e);
	json_array_foreach(jo(v, "without"), i, e)
		printf("    %s has none: %s\n", js(e, "port"), js(e, "why"));
}

static void show_plan(json_t *v)
{
	json_t *m;
	size_t i;

	if (!json_array_size(jo(v, "plan")))
		printf("uplink %s: every queue is where it is best\n", js(v, "uplink"));
	json_array_foreach(jo(v, "plan"), i, m)
		printf("uplink %s: queue %lld from CPU %lld to %lld: %s\n", js(v, "uplink"),
		       (long long)ji(m, "queue"), (long long)ji(m, "from"), (long long)ji(m, "to"),
		       js(m, "why"));
}

/* What an adapter has there. */
static void show_adapter(json_t *v, const char *name)
{
	char cpu[16];
	json_t *e;
	size_t i;

	json_array_foreach(jo(v, "queues"), i, e)
	{
		if (strcmp(js(e, "port"), name) != 0)
			continue;
		cpu_text(cpu, e);
		printf("uplink %s: %s has queue %lld, CPU %s, %s\n", js(v, "uplink"), name,
		       (long long)ji(e, "queue"), cpu,
		       json_is_true(jo(e, "direct")) ? "direct" : "copied");
	}
	json_array_foreach(jo(v, "without"), i, e)
	{
		if (!strcmp(js(e, "port"), name))
			printf("uplink %s: %s has no queue: %s\n", js(v, "uplink"), name,
			       js(e, "why"));
	}
}

/* Of every uplink with vmq @show, or what the adapter @name has. */
static int show_all(const struct cli_args *a, void (*show)(json_t *v), const char *name)
{
	json_t *status = NULL, *list, *v;
	int rc = 0;
	size_t i;

	if (cli_status(cli_option(a, "--instance"), &status))
		return cli_error(1);
	list = jo(status, "switch.vmq");
	if (a->is_json)
		rc = cli_print_json(list);
	else if (!json_array_size(list))
		printf("no uplink has vmq; docs/vmq.md says how\n");
	else
		json_array_foreach(list, i, v)
		{
			if (name)
				show_adapter(v, name);
			else
				show(v);
		}
	json_decref(status);
	return rc;
}

/* A change that was made can still mean that the adapter has no queue: its user is told at once. */
static int set(const struct cli_args *a)
{
	json_t *map;
	int rc;

	if (cli_map(&map, a->word[2]))
		return cli_error(2);
	rc = cli_change(a, "nic_set", json_pack("{s:s, s:o}", "nic", a->word[1], "vmq", map), NULL);
	return rc || a->is_json ? rc : show_all(a, NULL, a->word[1]);
}

int cmd_vmq(const struct cli_args *a)
{
	if (!strcmp(a->word[0], "list") && a->nr_words == 1)
		return show_all(a, show_uplink, NULL);
	if (!strcmp(a->word[0], "plan") && a->nr_words == 1)
		return show_all(a, show_plan, NULL);
	if (!strcmp(a->word[0], "set") && a->nr_words == 3)
		return set(a);
	fprintf(stderr, "nethv vmq: use: list, plan, or set PARTITION/NUMBER CONFIG; `nethv help "
			"vmq` says more\n");
	return 2;
}
