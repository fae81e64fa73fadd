/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch's part of changes of extensions: from a difference to calls of the run-time, wholly or not at
 * all, and what is told of it. The run-time is played by the test; its new instances go to the top of their
 * class, and "bad" in a path, a configuration or a name makes it refuse. */
#include "mgmt/switch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/err.h"

struct vsw_ext {
	char name[32], path[64], config[64];
	uint32_t cls;
	bool is_off, is_for_ports, is_fail_closed;
	uint64_t ports[4];
	uint32_t budget_us;
	char imports[64];
	char last[16];
};

static struct vsw_ext *have[VSW_EXTS_MAX];
static unsigned int nr_have, nr_calls;
static int refuse_at; /* this call of a changing function is refused; 0: none */
static struct sw sw;

int sw_nic_make(struct sw *s, const struct mgmt_partition *part, const struct mgmt_nic *nic)
{
	return 0;
}

int sw_nic_apply(struct sw *s, const struct mgmt_change *c)
{
	return 0;
}

void sw_nic_undo(struct sw *s, const struct mgmt_change *c)
{
}

int sw_policy_apply(struct sw *s, const struct mgmt_change *c, const struct mgmt_cfg *next)
{
	return 0;
}

int sw_port_number(const struct sw *s, const char *name)
{
	for (int i = 0; i < (int)VSW_PORTS_MAX; i++)
		if (!strcmp(s->stats->port[i].name, name))
			return i;
	return err_set(-ENOENT, "no port %s", name);
}

static int call(const char *what, const char *name)
{
	if (++nr_calls == (unsigned int)refuse_at || (name && strstr(name, "bad")))
		return err_set(-EINVAL, "%s refused: %s", what, name ? name : "");
	return 0;
}

static uint32_t class_of(const char *path)
{
	return strstr(path, "cap")   ? NETHV_CAPTURE
	       : strstr(path, "fwd") ? NETHV_FORWARD
				     : NETHV_FILTER;
}

static void fill(struct vsw_ext *e, const struct vsw_ext_cfg *cfg)
{
	snprintf(e->path, sizeof(e->path), "%s", cfg->path);
	snprintf(e->config, sizeof(e->config), "%s", cfg->config ? cfg->config : "");
	e->is_for_ports = cfg->is_for_ports;
	memcpy(e->ports, cfg->ports, sizeof(e->ports));
	e->budget_us = cfg->budget_us;
	e->is_fail_closed = cfg->is_fail_closed;
	e->imports[0] = 0;
	for (int i = 0; cfg->imports && cfg->imports[i]; i++)
		strcat(strcat(e->imports, i ? "," : ""), cfg->imports[i]);
}

int vsw_ext_load(struct vsw_ext **out, struct vsw *s, const struct vsw_ext_cfg *cfg)
{
	struct vsw_ext *e;
	int rc = call("load", cfg->path);

	if (!rc)
		rc = cfg->config ? call("load", cfg->config) : 0;
	if (rc)
		return rc;
	cr_assert_lt(nr_have, VSW_EXTS_MAX);
	cr_assert_null(vsw_ext_find(s, cfg->name), "%s twice", cfg->name);
	*out = e = calloc(1, sizeof(*e));
	snprintf(e->name, sizeof(e->name), "%s", cfg->name);
	e->cls = class_of(cfg->path);
	e->is_off = cfg->is_disabled;
	fill(e, cfg);
	strcpy(e->last, "load");
	memmove(&have[1], have, nr_have++ * sizeof(have[0]));
	have[0] = e;
	return 0;
}

static unsigned int index_of(const struct vsw_ext *e)
{
	unsigned int i = 0;

	while (have[i] != e)
		i++;
	return i;
}

static void take_out(struct vsw_ext *e)
{
	unsigned int i = index_of(e);

	memmove(&have[i], &have[i + 1], (--nr_have - i) * sizeof(have[0]));
}

void vsw_ext_unload(struct vsw_ext *e)
{
	take_out(e);
	free(e);
}

int vsw_ext_enable(struct vsw_ext *e)
{
	int rc = call("enable", e->name);

	e->is_off = rc ? e->is_off : false;
	return rc;
}

int vsw_ext_disable(struct vsw_ext *e)
{
	int rc = call("disable", e->name);

	e->is_off = rc ? e->is_off : true;
	return rc;
}

int vsw_ext_configure(struct vsw_ext *e, const char *config)
{
	int rc = call("configure", config);

	if (!rc)
		snprintf(e->config, sizeof(e->config), "%s", config ? config : "");
	return rc;
}

int vsw_ext_upgrade(struct vsw_ext *e, const struct vsw_ext_cfg *cfg)
{
	int rc = call("upgrade", cfg->path);

	if (!rc)
		fill(e, cfg);
	return rc;
}

/* Of the order in all classes, the place of the one at @position of @cls. */
static unsigned int slot_of(uint32_t cls, unsigned int position)
{
	unsigned int i;

	for (i = 0; i < nr_have; i++)
		if (have[i]->cls == cls && !position--)
			return i;
	return i;
}

int vsw_ext_move(struct vsw_ext *e, unsigned int position)
{
	int rc = call("move", e->name);
	unsigned int to;

	if (rc)
		return rc;
	take_out(e);
	to = slot_of(e->cls, position);
	memmove(&have[to + 1], &have[to], (nr_have++ - to) * sizeof(have[0]));
	have[to] = e;
	return 0;
}

struct vsw_ext *vsw_ext_find(struct vsw *s, const char *name)
{
	for (unsigned int i = 0; i < nr_have; i++)
		if (!strcmp(have[i]->name, name))
			return have[i];
	return NULL;
}

void vsw_ext_walk(struct vsw *s, void (*fn)(const struct vsw_ext_status *st, void *ctx), void *ctx)
{
	static const char *const reasons[] = {"odd: its length is odd", "big"};
	static struct nethv_ext desc = {
		.name = "x", .version = "1.2", .reasons = reasons, .nr_reasons = 2};
	unsigned int position[4] = {0};

	for (unsigned int i = 0; i < nr_have; i++) {
		const struct vsw_ext *e = have[i];
		struct vsw_ext_status st = {
			.name = e->name,
			.path = e->path,
			.ext = &desc,
			.state = e->is_off ? VSW_EXT_DISABLED : VSW_EXT_ENABLED,
			.position = position[e->cls]++,
			.is_for_ports = e->is_for_ports,
			.budget_us = e->budget_us,
			.config = e->config,
			.report = "",
			.last_broken = "",
			.last_broken_id = "",
			.is_fail_closed = e->is_fail_closed,
			.last_pause_ns = 84000,
			.last_change = e->last,
			.sum = {.packets = 10,
				.tsc = 70,
				.dropped = 3,
				.held = 5,
				.released = 4,
				.drops = {3, 0}},
		};

		memcpy(st.ports, e->ports, sizeof(st.ports));
		desc.cls = e->cls;
		fn(&st, ctx);
	}
}

uint64_t vsw_ext_last_pause(const struct vsw *s)
{
	return 84000;
}

void vsw_ext_counts(const struct vsw_ext *e, unsigned int lcore, struct vsw_ext_counts *out)
{
	*out = (struct vsw_ext_counts){.packets = lcore + 1};
}

int vsw_ext_say(struct vsw_ext *e, char *json, size_t size)
{
	return snprintf(json, size, "{\"flows\": 7}");
}

#define PARTS	"partitions: [{name: p, nics: [{}, {}]}]\n"
#define E(list) "switch: {extensions: [" list "]}\n" PARTS

static struct mgmt_cfg *load(const char *text)
{
	static const struct mgmt_host host = {.default_image = "/dev/null", .no_files = true};
	struct mgmt_cfg *cfg;

	cr_assert_eq(mgmt_config_load(&cfg, "f", text, strlen(text), &host), 0, "%s", err_text());
	return cfg;
}

static void setup(void)
{
	sw.stats = calloc(1, sizeof(*sw.stats));
	sw.nr_lcores = 2;
	strcpy(sw.stats->port[3].name, "p/0");
	strcpy(sw.stats->port[70].name, "p/1");
	sw.child.cfg = load(E(""));
}

static void teardown(void)
{
	while (nr_have)
		vsw_ext_unload(have[0]);
	mgmt_config_free(sw.child.cfg);
	free(sw.stats);
	memset(&sw, 0, sizeof(sw));
}

TestSuite(mgmt_exts, .init = setup, .fini = teardown);

/* "NAME[-]..." in the order of the run-time's classes; - for disabled ones. */
static const char *now(void)
{
	static char text[400];

	text[0] = 0;
	for (uint32_t cls = NETHV_CAPTURE; cls <= NETHV_FORWARD; cls++)
		for (unsigned int i = 0; i < nr_have; i++)
			if (have[i]->cls == cls)
				sprintf(text + strlen(text), "%s%s%s", text[0] ? " " : "",
					have[i]->name, have[i]->is_off ? "-" : "");
	return text;
}

static int configure(const char *text, json_t **result)
{
	struct mgmt_cfg *cfg = load(text);
	json_t *config = mgmt_config_json(cfg);
	int rc;

	*result = NULL;
	rc = sw_configure(&sw, config, result);
	json_decref(config);
	mgmt_config_free(cfg);
	return rc;
}

/* What was changed, as "loaded a, moved b". */
static const char *go(const char *text)
{
	static char words[400];
	json_t *result, *o;
	size_t i;

	cr_assert_eq(configure(text, &result), 0, "%s", err_text());
	words[0] = 0;
	json_array_foreach(json_object_get(result, "changes"), i, o)
		sprintf(words + strlen(words), "%s%s %s", i ? ", " : "",
			json_string_value(json_object_get(o, "change")),
			json_string_value(json_object_get(o, "name")));
	json_decref(result);
	return words;
}

#define F(name) "{path: builtin:" name "}"

Test(mgmt_exts, puts_new_ones_where_the_list_has_them)
{
	go(E(F("a") ", " F("cap1") ", " F("b") ", " F("cap2") ", " F("fwd") ", " F("c")));
	cr_expect_str_eq(now(), "cap1 cap2 a b c fwd");
	cr_expect_str_eq(go(E(F("d") ", " F("a") ", " F("cap1") ", " F("b") ", " F("cap2") ", " F(
				 "fwd") ", " F("c"))),
			 "loaded d");
	cr_expect_str_eq(now(), "cap1 cap2 d a b c fwd");
	cr_expect_str_eq(go(E(F("d") ", " F("a") ", " F("cap1") ", " F("b") ", " F("e") ", " F(
				 "cap2") ", " F("fwd") ", " F("c"))),
			 "loaded e, moved e");
	cr_expect_str_eq(now(), "cap1 cap2 d a b e c fwd");
	go(E(F("one")));
	cr_expect_str_eq(go(E(F("one") ", " F("two"))), "loaded two, moved two");
}

Test(mgmt_exts, moves_no_more_than_needed)
{
	go(E(F("a") ", " F("cap1") ", " F("b") ", " F("c")));
	cr_expect_str_eq(go(E(F("cap1") ", " F("a") ", " F("b") ", " F("c"))), "");
	cr_expect_str_eq(go(E(F("c") ", " F("cap1") ", " F("a") ", " F("b"))), "moved c");
	cr_expect_str_eq(now(), "cap1 c a b");
	cr_expect_str_eq(go(E(F("a") ", " F("cap1") ", " F("b") ", " F("c"))), "moved c");
	cr_expect_str_eq(now(), "cap1 a b c");
}

/* Any order into any other, with a move for each that is not in the longest row of those in order. */
Test(mgmt_exts, reaches_every_order_of_five)
{
	int p[5];
	char text[400], want[20];

	for (int k = 0; k < 3125; k++) {
		unsigned int used = 0;
		int code = k;

		for (int i = 0; i < 5; i++, code /= 5)
			used |= 1u << (p[i] = code % 5);
		if (used != 31)
			continue;
		strcpy(text, "switch: {extensions: [");
		for (int i = 0; i < 5; i++) {
			sprintf(text + strlen(text), "%s{path: builtin:%c}", i ? ", " : "",
				'a' + p[i]);
			want[2 * i] = (char)('a' + p[i]);
			want[2 * i + 1] = i < 4 ? ' ' : 0;
		}
		strcat(text, "]}\n" PARTS);
		go(text);
		cr_assert_str_eq(now(), want);
	}
}

Test(mgmt_exts, makes_every_change_of_one_and_says_so)
{
	go(E(F("a") ", {name: b, path: builtin:b1, config: {k: 1}}, " F("c")));
	cr_expect_str_eq(vsw_ext_find(NULL, "b")->config, "{\"k\":1}");
	cr_expect_str_eq(
		go(E("{path: builtin:a, enabled: no}, {name: b, path: builtin:b2, config: {k: 2}}, {path: "
		     "builtin:c, config: {z: 1}}")),
		"upgraded b, configured c, disabled a");
	cr_expect_str_eq(now(), "a- b c");
	cr_expect_str_eq(vsw_ext_find(NULL, "b")->path, "builtin:b2");
	cr_expect_str_eq(vsw_ext_find(NULL, "b")->config, "{\"k\":2}");
	cr_expect_str_eq(vsw_ext_find(NULL, "c")->config, "{\"z\":1}");
	cr_expect_str_eq(go(E(F("a"))), "enabled a, unloaded b, unloaded c");
	cr_expect_str_eq(now(), "a");
	cr_expect_eq(sw.child.cfg->sw.exts_count, 1);
}

Test(mgmt_exts, hands_on_ports_by_number_budget_and_imports)
{
	const struct vsw_ext *e;

	go(E("{path: builtin:a, ports: [p/1, p/0], budget_us: 77, on_fault: drop, allow_imports: [puts, fopen]}"));
	e = vsw_ext_find(NULL, "a");
	cr_expect(e->is_for_ports);
	cr_expect_eq(e->ports[0], 1u << 3);
	cr_expect_eq(e->ports[1], 1u << 6);
	cr_expect_eq(e->ports[2] | e->ports[3], 0);
	cr_expect_eq(e->budget_us, 77);
	cr_expect(e->is_fail_closed);
	cr_expect_str_eq(e->imports, "puts,fopen");
	go(E(F("a")));
	cr_expect_not(e->is_for_ports);
	cr_expect_str_eq(e->imports, "");
}

Test(mgmt_exts, says_how_long_the_slowest_lcore_paused)
{
	json_t *result, *o;

	cr_assert_eq(configure(E(F("a") ", " F("b")), &result), 0);
	o = json_array_get(json_object_get(result, "changes"), 1);
	cr_expect_eq(json_integer_value(json_object_get(o, "pause_ns")), 84000);
	cr_expect_str_eq(json_string_value(json_object_get(o, "class")), "filter");
	json_decref(result);
}

/* Whatever call of the run-time fails: all is as it was before. */
Test(mgmt_exts, takes_all_back_when_a_call_is_refused)
{
	static const char from[] = E("{name: a, path: builtin:a1, config: {k: 1}}, " F("b") ", " F(
		"c") ", {path: builtin:d, enabled: no}, " F("cap1"));
	static const char to[] = E(
		"{path: builtin:d}, {path: builtin:c, enabled: no}, {path: builtin:b, config: {q: "
		"2}}, {name: a, path: builtin:a2, config: {k: 2}}, " F("n1") ", " F("cap0") ", " F(
			"cap1") ", " F("n2"));
	json_t *result;
	int at = 0;

	go(from);
	do {
		nr_calls = 0;
		refuse_at = ++at;
		if (!configure(to, &result))
			break;
		refuse_at = 0;
		cr_expect(strstr(err_text(), "refused"), "%s", err_text());
		cr_expect_null(result);
		cr_expect_str_eq(now(), "cap1 a b c d-", "call %d: %s", at, now());
		cr_expect_str_eq(vsw_ext_find(NULL, "a")->path, "builtin:a1");
		cr_expect_str_eq(vsw_ext_find(NULL, "a")->config, "{\"k\":1}");
		cr_expect_str_eq(vsw_ext_find(NULL, "b")->config, "");
		cr_expect_eq(sw.child.cfg->sw.exts_count, 5);
	} while (at < 100);
	cr_expect_gt(at, 7, "only %d calls", at);
	cr_expect_lt(at, 100);
	json_decref(result);
	cr_expect_str_eq(now(), "cap0 cap1 d c- b a n1 n2");
}

Test(mgmt_exts, loads_all_at_the_start_or_says_why_not)
{
	mgmt_config_free(sw.child.cfg);
	sw.child.cfg = load(E(F("a") ", " F("b")));
	cr_assert_eq(sw_exts_make(&sw), 0, "%s", err_text());
	cr_expect_str_eq(now(), "a b");
	while (nr_have)
		vsw_ext_unload(have[0]);
	mgmt_config_free(sw.child.cfg);
	sw.child.cfg = load(E(F("a") ", " F("bad")));
	cr_expect_eq(sw_exts_make(&sw), -EINVAL);
	cr_expect(strstr(err_text(), "load refused: builtin:bad"));
}

static json_t *status_of(const char *name)
{
	json_t *params = json_pack("{s:s}", "name", name), *result, *o;

	cr_assert_eq(sw_ext_status(&sw, params, &result), 0);
	o = json_incref(json_array_get(json_object_get(result, "extensions"), 0));
	cr_expect_eq(json_array_size(json_object_get(result, "extensions")), 1);
	json_decref(params);
	json_decref(result);
	return o;
}

Test(mgmt_exts, goes_on_after_a_restart_without_one_that_is_gone)
{
	json_t *o, *result;

	mgmt_config_free(sw.child.cfg);
	sw.child.cfg = load(E(F("a") ", {name: x, path: /bad.so}, " F("b")));
	sw.is_held = true;
	cr_assert_eq(sw_exts_make(&sw), 0, "%s", err_text());
	cr_expect_str_eq(now(), "a b");
	o = status_of("x");
	cr_expect_str_eq(json_string_value(json_object_get(o, "state")), "missing");
	cr_expect_str_eq(json_string_value(json_object_get(o, "report")), "load refused: /bad.so");
	cr_expect_str_eq(json_string_value(json_object_get(o, "path")), "/bad.so");
	json_decref(o);
	cr_expect_eq(
		configure(E(F("a") ", {name: x, path: /bad.so, config: {y: 1}}, " F("b")), &result),
		-ENOENT);
	cr_expect(strstr(err_text(), "x is not loaded (load refused: /bad.so)"), "%s", err_text());
	cr_expect_str_eq(go(E(F("a") ", {name: x, path: /good.so}, " F("b"))), "upgraded x");
	cr_expect_eq(sw.nr_missing, 0);
}

Test(mgmt_exts, forgets_a_missing_one_that_is_unloaded)
{
	mgmt_config_free(sw.child.cfg);
	sw.child.cfg = load(E("{name: x, path: /bad.so}"));
	sw.is_held = true;
	cr_assert_eq(sw_exts_make(&sw), 0);
	cr_expect_eq(sw.nr_missing, 1);
	go(E(""));
	cr_expect_eq(sw.nr_missing, 0);
}

Test(mgmt_exts, does_not_go_on_without_one_whose_packets_must_not_pass)
{
	mgmt_config_free(sw.child.cfg);
	sw.child.cfg = load(E("{name: x, path: /bad.so, on_fault: drop}"));
	sw.is_held = true;
	cr_expect_eq(sw_exts_make(&sw), -EINVAL);
}

Test(mgmt_exts, tells_everything_of_one)
{
	json_t *o, *want;

	go(E("{path: builtin:a, ports: [p/1], config: {k: 1}}"));
	o = status_of("a");
	want = json_pack("{s:s, s:i, s:i, s:i, s:{s:i}, s:[s], s:{s:i}, s:[{s:s, s:s, s:i}], s:i}",
			 "state", "enabled", "packets", 10, "tsc", 70, "held", 1, "config", "k", 1,
			 "ports", "p/1", "says", "flows", 7, "drops", "reason", "odd", "text",
			 "its length is odd", "packets", 3, "last_pause_ns", 84000);
	cr_assert_not_null(want);
	for (void *it = json_object_iter(want); it; it = json_object_iter_next(want, it))
		cr_expect(json_equal(json_object_get(o, json_object_iter_key(it)),
				     json_object_iter_value(it)),
			  "%s", json_object_iter_key(it));
	cr_expect_eq(json_array_size(json_object_get(o, "lcores")), 2);
	json_decref(want);
	json_decref(o);
	o = sw_exts_json(&sw, false);
	cr_expect_null(json_object_get(json_array_get(o, 0), "says"));
	json_decref(o);
}
