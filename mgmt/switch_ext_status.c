/* SPDX-License-Identifier: BSD-3-Clause */
/* What the switch knows of its extensions, as JSON. */
#include "mgmt/switch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define SAY_MAX 65536u

const char *sw_ext_class_word(uint32_t cls)
{
	switch (cls) {
	case NETHV_CAPTURE: return "capture";
	case NETHV_FILTER: return "filter";
	case NETHV_FORWARD: return "forward";
	default: return "?";
	}
}

static void put(json_t *o, const char *key, uint64_t v)
{
	json_object_set_new(o, key, json_integer((json_int_t)v));
}

static void put_counts(json_t *o, const struct vsw_ext_counts *c)
{
	put(o, "packets", c->packets);
	put(o, "bursts", c->bursts);
	put(o, "tsc", c->tsc);
	put(o, "dropped", c->dropped);
	put(o, "excluded", c->excluded);
	put(o, "cloned", c->cloned);
	put(o, "originated", c->originated);
	put(o, "held", c->held - c->released);
	put(o, "refused", c->refused);
	put(o, "broken", c->broken);
}

/* "word: sentence" of the extension's table. Only reasons that occurred. */
static json_t *drops_json(const struct nethv_ext *ext, const struct vsw_ext_counts *c)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < ext->nr_reasons && i < NETHV_REASONS_MAX; i++) {
		const char *text = ext->reasons[i];
		size_t n = strcspn(text, ":");

		if (!c->drops[i])
			continue;
		json_array_append_new(
			list, json_pack("{s:o, s:s, s:I}", "reason", json_stringn(text, n), "text",
					text[n] ? text + n + 1 + strspn(text + n + 1, " ") : "",
					"packets", (json_int_t)c->drops[i]));
	}
	return list;
}

static json_t *ports_json(const struct sw *sw, const uint64_t ports[4])
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < VSW_PORTS_MAX; i++)
		if (ports[i / 64] >> (i % 64) & 1)
			json_array_append_new(list, json_string(sw->stats->port[i].name));
	return list;
}

static json_t *lcores_json(const struct sw *sw, const struct vsw_ext *e)
{
	json_t *list = json_array(), *o;

	for (unsigned int i = 0; i < sw->nr_lcores; i++) {
		struct vsw_ext_counts c;

		vsw_ext_counts(e, i, &c);
		o = json_pack("{s:i}", "cpu", (int)sw->cpu[i]);
		put_counts(o, &c);
		json_array_append_new(list, o);
	}
	return list;
}

/* What the extension says of itself; NULL: nothing, or not JSON. */
static json_t *says_json(struct vsw_ext *e)
{
	char *text = malloc(SAY_MAX);
	json_t *o = NULL;
	int n = text ? vsw_ext_say(e, text, SAY_MAX) : -ENOMEM;

	if (n > 0 && (size_t)n <= SAY_MAX)
		o = json_loadb(text, (size_t)n, 0, NULL);
	free(text);
	return o;
}

struct walk {
	struct sw *sw;
	json_t *list;
	bool is_whole;
};

static void add_whole(const struct walk *w, const struct vsw_ext_status *st, json_t *o)
{
	struct vsw_ext *e = vsw_ext_find(w->sw->vsw, st->name);
	json_t *says = e ? says_json(e) : NULL;

	if (!e)
		return;
	json_object_set_new(o, "lcores", lcores_json(w->sw, e));
	if (says)
		json_object_set_new(o, "says", says);
}

static void add_ext(const struct vsw_ext_status *st, void *ctx)
{
	static const char *const states[] = {
		[VSW_EXT_ENABLED] = "enabled",
		[VSW_EXT_DISABLED] = "disabled",
		[VSW_EXT_FAULTED] = "faulted",
	};
	const struct walk *w = ctx;
	json_t *o;

	o = json_pack(
		"{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:i, s:s, s:s, s:s}", "name",
		st->name, "class", sw_ext_class_word(st->ext->cls), "position", (int)st->position,
		"extension", st->ext->name, "version", st->ext->version ? st->ext->version : "",
		"summary", st->ext->summary ? st->ext->summary : "", "path", st->path, "state",
		states[st->state], "tainted", st->is_tainted, "on_fault",
		st->is_fail_closed ? "drop" : "pass", "budget_us", (int)st->budget_us, "report",
		st->report, "last_broken", st->last_broken, "last_broken_id", st->last_broken_id);
	put(o, "faults", st->faults);
	put_counts(o, &st->sum);
	json_object_set_new(o, "drops", drops_json(st->ext, &st->sum));
	if (st->is_for_ports)
		json_object_set_new(o, "ports", ports_json(w->sw, st->ports));
	if (st->config && st->config[0])
		json_object_set_new(o, "config", json_loads(st->config, 0, NULL));
	if (st->last_change && st->last_change[0]) {
		json_object_set_new(o, "last_change", json_string(st->last_change));
		put(o, "last_pause_ns", st->last_pause_ns);
	}
	if (w->is_whole)
		add_whole(w, st, o);
	json_array_append_new(w->list, o);
}

json_t *sw_exts_json(struct sw *sw, bool is_whole)
{
	struct walk w = {.sw = sw, .list = json_array(), .is_whole = is_whole};

	vsw_ext_walk(sw->vsw, add_ext, &w);
	for (unsigned int i = 0; i < sw->nr_missing; i++) {
		const struct sw_missing *m = &sw->missing[i];
		const struct mgmt_ext *ext = mgmt_config_ext(sw->child.cfg, m->name);

		json_array_append_new(w.list, json_pack("{s:s, s:s, s:s, s:s}", "name", m->name,
							"path", ext ? ext->path : "", "state",
							"missing", "report", m->why));
	}
	return w.list;
}

int sw_ext_status(struct sw *sw, json_t *params, json_t **result)
{
	const char *name = json_string_value(json_object_get(params, "name"));
	json_t *all = sw_exts_json(sw, true), *list = json_array(), *o;
	size_t i;

	json_array_foreach(all, i, o)
	{
		if (!name || !strcmp(json_string_value(json_object_get(o, "name")), name))
			json_array_append(list, o);
	}
	json_decref(all);
	*result = json_pack("{s:o}", "extensions", list);
	return 0;
}
