/* SPDX-License-Identifier: BSD-3-Clause */
/* `nethv ext info`: what an extension says of itself, and its configuration as a JSON schema. */
#include "mgmt/ext/ext.h"

#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "mgmt/ext/schema.h"
#include "vswitch/ext/code.h"

static const char *class_name(uint32_t cls)
{
	static const char *const names[] = {"?", "capture", "filter", "forward"};

	return names[cls <= NETHV_FORWARD ? cls : 0];
}

static void guid_text(const struct nethv_guid *g, char out[37])
{
	size_t n = 0;

	for (unsigned int i = 0; i < 16; i++)
		n += (size_t)snprintf(out + n, 37 - n, "%s%02x",
				      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", g->b[i]);
}

static json_t *flags_of(uint32_t flags)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {
		{NETHV_EXT_PLAIN, "plain"},
		{NETHV_EXT_HOLDS, "holds"},
		{NETHV_EXT_VLAN, "vlan"},
		{NETHV_EXT_TEAM, "team"},
	};
	json_t *a = json_array();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (flags & names[i].bit)
			json_array_append_new(a, json_string(names[i].name));
	return a;
}

static json_t *callbacks_of(const struct nethv_ext *e)
{
	const struct {
		bool is_there;
		const char *name;
	} all[] = {
		{e->create, "create"},	 {e->destroy, "destroy"}, {e->configure, "configure"},
		{e->event, "event"},	 {e->save, "save"},	  {e->restore, "restore"},
		{e->status, "status"},	 {e->notify, "notify"},	  {e->tick, "tick"},
		{e->ingress, "ingress"}, {e->egress, "egress"},	  {e->poll, "poll"},
		{e->flush, "flush"},
	};
	json_t *a = json_array();

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].is_there)
			json_array_append_new(a, json_string(all[i].name));
	return a;
}

static json_t *reasons_of(const struct nethv_ext *e)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < e->nr_reasons; i++)
		json_array_append_new(a, json_string(e->reasons[i]));
	return a;
}

static json_t *info(const struct vsw_ext_code *c)
{
	const struct nethv_ext *e = &c->desc;
	char guid[37];

	guid_text(&e->guid, guid);
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:b, s:I, s:I, s:o, s:o, s:o, s:o}",
			 "name", e->name, "version", e->version ? e->version : "", "summary",
			 e->summary ? e->summary : "", "class", class_name(e->cls), "guid", guid,
			 "abi", (json_int_t)e->abi, "tainted", c->is_tainted, "lcore_size",
			 (json_int_t)e->lcore_size, "state_version", (json_int_t)e->state_version,
			 "flags", flags_of(e->flags), "callbacks", callbacks_of(e), "reasons",
			 reasons_of(e), "config", ext_schema(e));
}

/* ---- In words ------------------------------------------------------------------------------- */

static void show_words(const char *title, json_t *a)
{
	json_t *o;
	size_t i;

	if (json_array_size(a) == 0)
		return;
	printf("%-10s", title);
	json_array_foreach(a, i, o) printf("%s%s", i ? ", " : "", json_string_value(o));
	printf("\n");
}

static void show_keys(const struct nethv_ext *e)
{
	static const char *const kinds[] = {"?", "text", "integer", "number", "bool", "list"};

	if (!e->keys || !e->keys[0].name)
		return;
	printf("\n%-20s %-8s %-20s %-10s %s\n", "key", "kind", "allowed", "default", "what");
	for (const struct nethv_key *k = e->keys; k->name; k++) {
		char range[64] = "";

		if (k->min != 0 || k->max != 0)
			snprintf(range, sizeof(range), "%g..%g", k->min, k->max);
		printf("%-20s %-8s %-20s %-10s %s\n", k->name,
		       kinds[k->kind <= NETHV_KEY_LIST ? k->kind : 0], range,
		       k->is_required ? "required"
		       : k->fallback  ? k->fallback
				      : "",
		       k->help ? k->help : "");
	}
}

static void show_reasons(const struct nethv_ext *e)
{
	for (uint32_t i = 0; i < e->nr_reasons; i++)
		printf("%s%s\n", i ? "          " : "\ndrops     ", e->reasons[i]);
}

static void show(const struct vsw_ext_code *c, json_t *o)
{
	const struct nethv_ext *e = &c->desc;

	printf("%s %s: %s\n\n", e->name, e->version ? e->version : "",
	       e->summary ? e->summary : "");
	printf("%-10s%s\n%-10s%u\n%-10s%s\n", "class", class_name(e->cls), "ABI", e->abi, "GUID",
	       json_string_value(json_object_get(o, "guid")));
	show_words("flags", json_object_get(o, "flags"));
	show_words("callbacks", json_object_get(o, "callbacks"));
	if (c->is_tainted)
		printf("tainted   it uses functions that make containment unsure\n");
	show_keys(e);
	show_reasons(e);
}

int ext_cmd_info(int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'},
						{"allow-import", required_argument, NULL, 'i'},
						{0}};
	const char *import[EXT_IMPORTS_MAX + 1] = {NULL};
	unsigned int nr_imports = 0;
	struct vsw_ext_code *code;
	bool is_json = false;
	json_t *o;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'j')
			is_json = true;
		else if (c == 'i' && nr_imports < EXT_IMPORTS_MAX)
			import[nr_imports++] = optarg;
		else
			return ext_usage("info", NULL);
	}
	if (argc - optind != 1)
		return ext_usage("info", "want one extension");
	if (vsw_ext_code_open(&code, argv[optind], nr_imports ? import : NULL))
		return ext_error();
	o = info(code);
	if (is_json)
		json_dumpf(o, stdout, JSON_INDENT(2));
	else
		show(code, o);
	if (is_json)
		printf("\n");
	json_decref(o);
	code->close(code);
	return 0;
}
