/* SPDX-License-Identifier: BSD-3-Clause */
/* `nethv ext check`: the rules, and what became of them. */
#include "mgmt/ext/check.h"

#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vswitch/ext/priv.h" /* the rules that the switch enforces */

#define RANDOM_N 400u
#define STEPS	 200u

static const struct {
	const char *id, *text;
} own_rules[] = {
	{"CHK-1", "no callback crashes, aborts, or takes longer than its budget"},
	{"CHK-2", "every packet is delivered or dropped, and counted"},
	{"CHK-3", "packets that it holds are released or discarded in time"},
	{"CHK-4", "values within the limits that it declares are accepted"},
	{"CHK-5", "its configuration can be changed under traffic"},
	{"CHK-6", "what it saves, it restores"},
	{"CHK-7", "upgrade, order, disable and enable under traffic"},
	{"CHK-8", "its status is a JSON object"},
	{"CHK-9", "loaded again and again, and twice at once"},
	{"CHK-10", "works on two lcores"},
	{"CHK-11", "ports and adapters come and go in any order"},
	{"EXT-8", "a disabled extension sees nothing"},
	{"POL-4", "a standard property is passed on"},
	{"HWO-2", "requests that complete, clear or free are not vetoed"},
};

/* ---- Rules ---------------------------------------------------------------------------------- */

static struct check_rule *rule_find(struct check *c, const char *id, const char *text)
{
	struct check_rule *r;

	for (unsigned int i = 0; i < c->nr_rules; i++)
		if (!strcmp(c->rule[i].id, id))
			return &c->rule[i];
	if (c->nr_rules == CHECK_RULES_MAX)
		return &c->rule[CHECK_RULES_MAX - 1];
	r = &c->rule[c->nr_rules++];
	snprintf(r->id, sizeof(r->id), "%s", id);
	snprintf(r->text, sizeof(r->text), "%s", text ? text : "");
	return r;
}

void check_kept(struct check *c, const char *id)
{
	struct check_rule *r = rule_find(c, id, NULL);

	if (r->state == CHECK_UNTOUCHED)
		r->state = CHECK_KEPT;
}

bool check_is_broken(struct check *c, const char *id)
{
	return rule_find(c, id, NULL)->state == CHECK_BROKEN;
}

void check_broken(struct check *c, const char *id, const char *text, const char *fmt, ...)
{
	struct check_rule *r = rule_find(c, id, text);
	va_list ap;

	r->state = CHECK_BROKEN;
	if (r->times++)
		return;
	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
}

uint64_t check_random(struct check *c)
{
	c->prng ^= c->prng << 13;
	c->prng ^= c->prng >> 7;
	c->prng ^= c->prng << 17;
	return c->prng >> 11;
}

static void rules_list(struct check *c)
{
	for (unsigned int i = 1; i < VSW_RULE_COUNT; i++)
		rule_find(c, vsw_rule_id(i), vsw_rule_text(i));
	for (size_t i = 0; i < sizeof(own_rules) / sizeof(own_rules[0]); i++)
		rule_find(c, own_rules[i].id, own_rules[i].text);
}

/* A rule about something that it did and that was not found broken is kept. */
static void rules_close(struct check *c)
{
	const uint64_t *call = c->call;
	const uint32_t cls = c->desc.cls;
	const uint64_t edits = call[CALL_EDIT] + call[CALL_SET_HEAD] + call[CALL_SET_VLAN] +
			       call[CALL_SET_MARK] + call[CALL_SET_SOURCE];
	const uint64_t indexed = edits + call[CALL_COPY] + call[CALL_PULL] + call[CALL_CLONE];
	const struct {
		const char *id;
		bool is_touched;
	} all[] = {
		{"EXT-1", cls == NETHV_CAPTURE && c->packets},
		{"EXT-2", cls != NETHV_CAPTURE && c->packets && (edits || c->has_egress)},
		{"EXT-3", c->packets && (cls == NETHV_FORWARD || c->has_ingress)},
		{"EXT-11", c->dropped > 0},
		{"DP-4", cls == NETHV_FORWARD && c->packets},
		{"DP-6", c->has_egress && c->packets},
		{"DP-10", call[CALL_ORIGINATE] > 0},
		{"DP-12", call[CALL_CLONE] > 0},
		{"SRC-1", call[CALL_SET_SOURCE] > 0},
		{"SDK-1", call[CALL_SET_HEAD] > 0},
		{"SDK-2", call[CALL_HOLD] > 0},
		{"SDK-3", call[CALL_RELEASE] + call[CALL_DISCARD] > 0},
		{"SDK-4", indexed + call[CALL_ORIGINATE] + call[CALL_HOLD] > 0},
		{"SDK-5", indexed > 0},
		{"POL-4", c->has_event},
		{"HWO-2", c->has_event},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].is_touched)
			check_kept(c, all[i].id);
	check_kept(c, "CHK-1");
}

/* ---- The run -------------------------------------------------------------------------------- */

static int describe(struct check *c)
{
	struct vsw_ext_code *code;
	int rc = vsw_ext_code_open(&code, c->path, c->nr_imports ? c->import : NULL);

	if (rc)
		return rc;
	c->desc = code->desc;
	c->has_event = code->desc.event;
	c->has_ingress = code->desc.ingress;
	c->has_egress = code->desc.egress;
	code->close(code);
	return 0;
}

static int run(struct check *c)
{
	static int (*const parts[])(struct check * c) = {check_traffic, check_config, check_change,
							 check_twice, check_events};
	int rc = bed_eal();

	c->prng = c->seed * 0x9E3779B97F4A7C15ull | 1;
	if (!rc)
		rc = describe(c);
	if (!rc)
		rc = catalog_make(&c->cat, RANDOM_N, c->seed);
	if (rc)
		return rc;
	rules_list(c);
	for (size_t i = 0; !rc && i < sizeof(parts) / sizeof(parts[0]); i++)
		rc = parts[i](c);
	rules_close(c);
	return rc;
}

/* ---- The report ----------------------------------------------------------------------------- */

static const char *const state_names[] = {
	[CHECK_UNTOUCHED] = "not exercised",
	[CHECK_KEPT] = "kept",
	[CHECK_BROKEN] = "BROKEN",
};

static unsigned int count(const struct check *c, enum check_state state)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < c->nr_rules; i++)
		n += c->rule[i].state == state;
	return n;
}

static void show(const struct check *c)
{
	for (unsigned int i = 0; i < c->nr_rules; i++) {
		const struct check_rule *r = &c->rule[i];

		printf("%-7s %-13s  %s\n", r->id, state_names[r->state], r->text);
		if (r->state == CHECK_BROKEN)
			printf("        %llu times; first: %s\n", (unsigned long long)r->times,
			       r->why);
	}
	printf("%u kept, %u broken, %u not exercised, with %u kinds of frames; --seed %llu\n",
	       count(c, CHECK_KEPT), count(c, CHECK_BROKEN), count(c, CHECK_UNTOUCHED),
	       c->cat.bytes.n, (unsigned long long)c->seed);
}

static void show_json(const struct check *c)
{
	json_t *o = json_pack("{s:s, s:I, s:b, s:[]}", "extension", c->path, "seed",
			      (json_int_t)c->seed, "good", count(c, CHECK_BROKEN) == 0, "rules");

	for (unsigned int i = 0; i < c->nr_rules; i++) {
		const struct check_rule *r = &c->rule[i];
		json_t *e = json_pack("{s:s, s:s, s:s, s:I}", "id", r->id, "text", r->text, "state",
				      r->state == CHECK_BROKEN ? "broken" : state_names[r->state],
				      "times", (json_int_t)r->times);

		if (r->state == CHECK_BROKEN)
			json_object_set_new(e, "first", json_string(r->why));
		json_array_append_new(json_object_get(o, "rules"), e);
	}
	json_dumpf(o, stdout, JSON_INDENT(2));
	printf("\n");
	json_decref(o);
}

static int take(struct check *c, int option)
{
	if (option == 'c')
		return ext_config_read(optarg, &c->config);
	if (option == 'i' && c->nr_imports < EXT_IMPORTS_MAX)
		c->import[c->nr_imports++] = optarg;
	else if (option == 's')
		c->seed = strtoull(optarg, NULL, 0);
	else if (option == 'n')
		c->steps = (unsigned int)strtoul(optarg, NULL, 0);
	else if (option == 'j')
		c->is_json = true;
	else
		return err_set(-EINVAL, "wrong use");
	return 0;
}

int ext_cmd_check(int argc, char **argv)
{
	static const struct option options[] = {{"config", required_argument, NULL, 'c'},
						{"allow-import", required_argument, NULL, 'i'},
						{"seed", required_argument, NULL, 's'},
						{"steps", required_argument, NULL, 'n'},
						{"json", no_argument, NULL, 'j'},
						{0}};
	struct check *c = calloc(1, sizeof(*c));
	int option, rc = 0;

	if (!c)
		return 2;
	c->seed = 1;
	c->steps = STEPS;
	while (!rc && (option = getopt_long(argc, argv, "", options, NULL)) != -1)
		rc = take(c, option);
	if (rc || argc - optind != 1) {
		rc = ext_usage("check", "%s", rc ? err_text() : "want one extension");
	} else {
		c->path = argv[optind];
		rc = run(c) ? ext_error() : 0;
		if (!rc && c->is_json)
			show_json(c);
		else if (!rc)
			show(c);
		if (!rc)
			rc = count(c, CHECK_BROKEN) != 0;
	}
	catalog_fini(&c->cat);
	free(c->config);
	free(c);
	return rc;
}
