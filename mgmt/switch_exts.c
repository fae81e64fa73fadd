/* SPDX-License-Identifier: BSD-3-Clause */
/* Extensions of the switch: loaded from the configuration at the start, and changed while it runs. */
#include "mgmt/switch.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"

/* What an instance is made with. Borrows from the configuration. */
struct made {
	struct vsw_ext_cfg cfg;
	const char *imports[MGMT_IMPORTS_MAX + 1];
};

static int make_cfg(const struct sw *sw, const struct mgmt_ext *ext, struct made *out)
{
	memset(out, 0, sizeof(*out));
	snprintf(out->cfg.name, sizeof(out->cfg.name), "%s", ext->name);
	out->cfg.path = ext->path;
	out->cfg.is_disabled = ext->is_off;
	out->cfg.is_fail_closed = ext->on_fault == MGMT_FAULT_DROP;
	out->cfg.budget_us = ext->budget_us;
	out->cfg.config = ext->config;
	out->cfg.is_for_ports = ext->ports;
	for (uint32_t i = 0; i < ext->ports_count; i++) {
		int port = sw_port_number(sw, ext->ports[i]);

		if (port < 0)
			return port;
		out->cfg.ports[port / 64] |= 1ull << (port % 64);
	}
	for (uint32_t i = 0; i < ext->allow_imports_count; i++)
		out->imports[i] = ext->allow_imports[i];
	if (ext->allow_imports)
		out->cfg.imports = out->imports;
	return 0;
}

static int load(struct sw *sw, const struct mgmt_ext *ext)
{
	struct vsw_ext *e;
	struct made made;
	int rc = make_cfg(sw, ext, &made);

	return rc ? rc : vsw_ext_load(&e, sw->vsw, &made.cfg);
}

static int upgrade(struct sw *sw, struct vsw_ext *e, const struct mgmt_ext *ext)
{
	struct made made;
	int rc = make_cfg(sw, ext, &made);

	return rc ? rc : vsw_ext_upgrade(e, &made.cfg);
}

static struct sw_missing *missing(struct sw *sw, const char *name)
{
	for (unsigned int i = 0; i < sw->nr_missing; i++)
		if (!strcmp(sw->missing[i].name, name))
			return &sw->missing[i];
	return NULL;
}

static struct vsw_ext *find(struct sw *sw, const char *name)
{
	const struct sw_missing *m = missing(sw, name);
	struct vsw_ext *e = vsw_ext_find(sw->vsw, name);

	if (e)
		return e;
	if (m)
		err_set(-ENOENT,
			"extension %s is not loaded (%s); `nethv ext upgrade` tries it again", name,
			m->why);
	else
		err_set(-ENOENT, "the switch has no extension %s", name);
	return NULL;
}

struct place {
	char name[MGMT_EXT_NAME_MAX + 1];
	uint32_t cls;
	unsigned int position;
};

struct places {
	struct place at[VSW_EXTS_MAX];
	unsigned int n;
};

static void add_place(const struct vsw_ext_status *st, void *ctx)
{
	struct places *all = ctx;
	struct place *p = &all->at[all->n];

	if (all->n == VSW_EXTS_MAX)
		return;
	snprintf(p->name, sizeof(p->name), "%s", st->name);
	p->cls = st->ext->cls;
	p->position = st->position;
	all->n++;
}

/* False: it is not there. */
static bool place_of(struct sw *sw, const char *name, struct place *out)
{
	struct places all = {.n = 0};

	vsw_ext_walk(sw->vsw, add_place, &all);
	for (unsigned int i = 0; i < all.n; i++)
		if (!strcmp(all.at[i].name, name)) {
			*out = all.at[i];
			return true;
		}
	return false;
}

static void say(struct sw *sw, const char *name, const char *change, json_t *done)
{
	json_t *o = json_pack("{s:s, s:s}", "name", name, "change", change);
	struct place p;

	if (place_of(sw, name, &p)) {
		json_object_set_new(o, "class", json_string(sw_ext_class_word(p.cls)));
		json_object_set_new(o, "position", json_integer(p.position));
	}
	json_object_set_new(o, "pause_ns", json_integer((json_int_t)vsw_ext_last_pause(sw->vsw)));
	json_array_append_new(done, o);
}

/* Those of a class, in the order that is wanted. */
struct row {
	const char *name[VSW_EXTS_MAX];
	unsigned int at[VSW_EXTS_MAX]; /* where it is */
	bool stays[VSW_EXTS_MAX];
	unsigned int n;
};

static void fill_row(struct sw *sw, const struct mgmt_switch *list, uint32_t cls, struct row *row)
{
	struct place p;

	row->n = 0;
	for (uint32_t i = 0; i < list->exts_count; i++) {
		if (!place_of(sw, list->exts[i].name, &p) || p.cls != cls)
			continue;
		row->name[row->n] = list->exts[i].name;
		row->at[row->n] = p.position;
		row->stays[row->n++] = false;
	}
}

/* Marks the most that are in the right order among themselves: the others have to move. Of equal choices the
 * one without what is on top is taken, since new ones are put there. */
static void mark_staying(struct row *row)
{
	unsigned int len[VSW_EXTS_MAX], from[VSW_EXTS_MAX], best = 0;

	for (unsigned int i = 0; i < row->n; i++) {
		len[i] = 1;
		from[i] = i;
		for (unsigned int k = 0; k < i; k++)
			if (row->at[k] < row->at[i] && len[k] + 1 > len[i]) {
				len[i] = len[k] + 1;
				from[i] = k;
			}
		if (len[i] > len[best] || (len[i] == len[best] && !row->at[best]))
			best = i;
	}
	for (unsigned int i = best; row->n; i = from[i]) {
		row->stays[i] = true;
		if (from[i] == i)
			break;
	}
}

/* Behind the one that is to be before it. */
static int move(struct sw *sw, const struct row *row, unsigned int i)
{
	struct place me, before;
	unsigned int to = 0;

	if (!place_of(sw, row->name[i], &me))
		return 0;
	if (i && place_of(sw, row->name[i - 1], &before))
		to = before.position + 1 - (me.position < before.position);
	return to == me.position ? 0 : vsw_ext_move(vsw_ext_find(sw->vsw, row->name[i]), to);
}

/* Puts those of each class into the order of the list, moving no more than needed. */
static int order(struct sw *sw, const struct mgmt_switch *list, json_t *done)
{
	struct row row;
	int rc = 0;

	for (uint32_t cls = NETHV_CAPTURE; cls <= NETHV_FORWARD; cls++) {
		fill_row(sw, list, cls, &row);
		mark_staying(&row);
		for (unsigned int i = 0; i < row.n && !rc; i++) {
			if (row.stays[i])
				continue;
			rc = move(sw, &row, i);
			if (!rc && done)
				say(sw, row.name[i], "moved", done);
		}
	}
	return rc;
}

int sw_ext_apply(struct sw *sw, const struct mgmt_change *c, const struct mgmt_cfg *next,
		 json_t *done)
{
	static const char *const words[] = {
		[MGMT_EXT_LOAD] = "loaded",	     [MGMT_EXT_UPGRADE] = "upgraded",
		[MGMT_EXT_CONFIGURE] = "configured", [MGMT_EXT_ENABLE] = "enabled",
		[MGMT_EXT_DISABLE] = "disabled",     [MGMT_EXT_UNLOAD] = "unloaded",
	};
	struct vsw_ext *e;
	char why[512];
	int rc = 0;

	if (c->kind == MGMT_EXT_ORDER) {
		rc = order(sw, &next->sw, done);
		if (!rc)
			return 0;
		snprintf(why, sizeof(why), "%s", err_text());
		sw_ext_undo(sw, c);
		return err_set(rc, "%s", why);
	}
	e = c->kind == MGMT_EXT_LOAD ? NULL : find(sw, c->ext->name);
	if (c->kind == MGMT_EXT_LOAD ||
	    (c->kind == MGMT_EXT_UPGRADE && !e && missing(sw, c->ext->name)))
		rc = load(sw, c->ext);
	else if (c->kind == MGMT_EXT_UNLOAD && e)
		vsw_ext_unload(e);
	else if (c->kind != MGMT_EXT_UNLOAD && !e)
		rc = -ENOENT;
	else if (c->kind == MGMT_EXT_UPGRADE)
		rc = upgrade(sw, e, c->ext);
	else if (c->kind == MGMT_EXT_CONFIGURE)
		rc = vsw_ext_configure(e, c->ext->config);
	else if (c->kind == MGMT_EXT_ENABLE)
		rc = vsw_ext_enable(e);
	else if (c->kind == MGMT_EXT_DISABLE)
		rc = vsw_ext_disable(e);
	if (!rc)
		say(sw, c->ext->name, words[c->kind], done);
	return rc;
}

static int take_back(struct sw *sw, const struct mgmt_change *c, struct vsw_ext *e)
{
	switch (c->kind) {
	case MGMT_EXT_UPGRADE:
		if (!missing(sw, c->ext->name))
			return upgrade(sw, e, c->was);
		vsw_ext_unload(e);
		return 0;
	case MGMT_EXT_CONFIGURE: return vsw_ext_configure(e, c->was->config);
	case MGMT_EXT_ENABLE: return vsw_ext_disable(e);
	case MGMT_EXT_DISABLE: return vsw_ext_enable(e);
	default: vsw_ext_unload(e); return 0;
	}
}

void sw_ext_undo(struct sw *sw, const struct mgmt_change *c)
{
	struct vsw_ext *e = c->ext ? vsw_ext_find(sw->vsw, c->ext->name) : NULL;
	int rc = 0;

	if (c->kind == MGMT_EXT_ORDER)
		rc = order(sw, &sw->child.cfg->sw, NULL);
	else if (e)
		rc = take_back(sw, c, e);
	if (rc)
		log_warn("switch", "a change could not be taken back: %s", err_text());
}

/* After a restart the traffic is worth more than an extension that let it pass on a fault, too. */
static int load_again(struct sw *sw, const struct mgmt_ext *ext)
{
	struct sw_missing *m = &sw->missing[sw->nr_missing];
	int rc = load(sw, ext);

	if (!rc || !sw->is_held || ext->on_fault == MGMT_FAULT_DROP)
		return rc;
	log_warn("switch", "goes on without extension %s: %s", ext->name, err_text());
	snprintf(m->name, sizeof(m->name), "%s", ext->name);
	snprintf(m->why, sizeof(m->why), "%s", err_text());
	sw->nr_missing++;
	return 0;
}

int sw_exts_make(struct sw *sw)
{
	const struct mgmt_switch *list = &sw->child.cfg->sw;
	int rc = 0;

	for (uint32_t i = 0; i < list->exts_count && !rc; i++)
		rc = load_again(sw, &list->exts[i]);
	return rc ? rc : order(sw, list, NULL);
}

/* Where they are now, after others were moved. */
static void settle_places(struct sw *sw, json_t *done)
{
	struct place p;
	json_t *o;
	size_t i;

	json_array_foreach(done, i, o)
	{
		if (place_of(sw, json_string_value(json_object_get(o, "name")), &p))
			json_object_set_new(o, "position", json_integer(p.position));
	}
}

void sw_exts_settle(struct sw *sw, json_t *done)
{
	unsigned int n = 0;

	settle_places(sw, done);
	for (unsigned int i = 0; i < sw->nr_missing; i++) {
		const char *name = sw->missing[i].name;

		if (mgmt_config_ext(sw->child.cfg, name) && !vsw_ext_find(sw->vsw, name))
			sw->missing[n++] = sw->missing[i];
	}
	sw->nr_missing = n;
}
