/* SPDX-License-Identifier: BSD-3-Clause */
/* Extensions as tables and lines. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mgmt/cli.h"

static double cycles(json_t *e)
{
	json_int_t packets = ji(e, "packets");

	return packets ? (double)ji(e, "tsc") / (double)packets : 0;
}

static bool is_missing(json_t *e)
{
	return !strcmp(js(e, "state"), "missing");
}

/* Why it does not run, and what it did wrong. */
static void show_reports(json_t *e, const char *indent)
{
	if (js(e, "report")[0])
		printf("%s%s: %s\n", indent, js(e, "name"), js(e, "report"));
	if (js(e, "last_broken_id")[0])
		printf("%s%s: %lld broken rules, the last %s: %s\n", indent, js(e, "name"),
		       (long long)ji(e, "broken"), js(e, "last_broken_id"), js(e, "last_broken"));
}

void show_exts_table(json_t *list)
{
	json_t *e;
	size_t i;

	printf("%-8s %3s %-20s %-9s %-8s %13s %10s %11s %6s\n", "CLASS", "POS", "NAME", "VERSION",
	       "STATE", "PACKETS", "CYCLES/PKT", "DROPPED", "FAULTS");
	json_array_foreach(list, i, e)
	{
		if (is_missing(e))
			printf("%-8s %3s %-20s %-9s %-8s\n", "-", "-", js(e, "name"), "-",
			       js(e, "state"));
		else
			printf("%-8s %3lld %-20s %-9s %-8s %13lld %10.1f %11lld %6lld\n",
			       js(e, "class"), (long long)ji(e, "position"), js(e, "name"),
			       js(e, "version"), js(e, "state"), (long long)ji(e, "packets"),
			       cycles(e), (long long)ji(e, "dropped"), (long long)ji(e, "faults"));
		show_reports(e, "  ");
	}
}

void show_exts_lines(json_t *list)
{
	json_t *e;
	size_t i;

	json_array_foreach(list, i, e)
	{
		printf("extension %s: %s", js(e, "name"), js(e, "state"));
		if (!is_missing(e))
			printf(", %s %lld, %s %s", js(e, "class"), (long long)ji(e, "position"),
			       js(e, "extension"), js(e, "version"));
		if (json_is_true(jo(e, "tainted")))
			printf(", tainted");
		printf("\n");
		show_reports(e, "    ");
	}
}

static void show_drops(json_t *e)
{
	json_t *d;
	size_t i;

	json_array_foreach(jo(e, "drops"), i, d)
		printf("  dropped %lld: %s%s%s\n", (long long)ji(d, "packets"), js(d, "reason"),
		       js(d, "text")[0] ? ": " : "", js(d, "text"));
}

static void show_lcores(json_t *e)
{
	json_t *l;
	size_t i;

	json_array_foreach(jo(e, "lcores"), i, l)
		printf("  CPU %lld: %lld packets in %lld bursts, %.1f cycles a packet\n",
		       (long long)ji(l, "cpu"), (long long)ji(l, "packets"),
		       (long long)ji(l, "bursts"), cycles(l));
}

static void show_ports(json_t *e)
{
	json_t *p;
	size_t i;

	if (!jo(e, "ports"))
		return;
	printf("  only for ports");
	json_array_foreach(jo(e, "ports"), i, p) printf(" %s", json_string_value(p));
	printf("\n");
}

static void show_map(json_t *e, const char *key)
{
	char *text = jo(e, key) ? json_dumps(jo(e, key), 0) : NULL;

	if (text)
		printf("  %s %s\n", key, text);
	free(text);
}

void show_ext_whole(json_t *e)
{
	json_t *list = json_pack("[O]", e);

	show_exts_table(list);
	json_decref(list);
	if (!is_missing(e))
		printf("  %s %s: %s\n", js(e, "extension"), js(e, "version"), js(e, "summary"));
	printf("  from %s%s\n", js(e, "path"),
	       json_is_true(jo(e, "tainted")) ? ", tainted: containment is not sure" : "");
	if (is_missing(e))
		return;
	printf("  excluded %lld, cloned %lld, originated %lld, held %lld, refused %lld\n",
	       (long long)ji(e, "excluded"), (long long)ji(e, "cloned"),
	       (long long)ji(e, "originated"), (long long)ji(e, "held"),
	       (long long)ji(e, "refused"));
	show_drops(e);
	show_ports(e);
	show_lcores(e);
	show_map(e, "config");
	show_map(e, "says");
	if (jo(e, "last_pause_ns"))
		printf("  last change: %s, the slowest lcore paused %.1f us\n",
		       js(e, "last_change"), (double)ji(e, "last_pause_ns") / 1000);
}
