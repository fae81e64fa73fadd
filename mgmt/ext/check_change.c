/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration, and changes under traffic: disable, enable, reorder, configure, upgrade to itself. */
#include "mgmt/ext/check.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vswitch/ext/priv.h" /* vsw_exts_tick() */
#include "vswitch/priv.h"

#define STATUS_MAX (1u << 20)
#define BURST	   17u

/* ---- Configuration -------------------------------------------------------------------------- */

/* Loads it with the present value of one key replaced. @what: "its least value". */
static int try_value(struct check *c, json_t *config, const struct nethv_key *k, const char *what)
{
	char *text = json_dumps(config, JSON_COMPACT);
	struct session s;
	int rc;

	if (!text)
		return err_set(-ENOMEM, "no memory");
	rc = session_begin(&s, c, "a value at the border", 1, text);
	if (rc == -ENOMEM || rc == -EACCES) {
		free(text);
		return rc;
	}
	if (rc) {
		check_broken(c, "CHK-4", NULL, "key %s: %s is refused: %s", k->name, what,
			     err_text());
	} else {
		check_kept(c, "CHK-4");
		session_traffic(&s, 0, 200, BURST);
		if (!s.is_over && vsw_ext_configure(s.e, text))
			check_broken(c, "CHK-5", NULL, "key %s: %s is refused under traffic: %s",
				     k->name, what, err_text());
		session_found(&s);
		session_traffic(&s, 200, 200, BURST);
		session_end(&s);
	}
	free(text);
	return 0;
}

static json_t *value_of(const struct nethv_key *k, double v)
{
	return k->kind == NETHV_KEY_INT ? json_integer((json_int_t)v) : json_real(v);
}

static int try_borders(struct check *c, json_t *base, json_t *in, const char *leaf,
		       const struct nethv_key *k)
{
	json_t *before = json_incref(json_object_get(in, leaf));
	int rc;

	json_object_set_new(in, leaf, value_of(k, k->min));
	rc = try_value(c, base, k, "its least value");
	json_object_set_new(in, leaf, value_of(k, k->max));
	if (!rc)
		rc = try_value(c, base, k, "its greatest value");
	if (before)
		json_object_set_new(in, leaf, before);
	else
		json_object_del(in, leaf);
	return rc;
}

/* Where the key belongs in the configuration, and *@leaf; NULL: in a list that is empty. */
static json_t *place_of(json_t *base, const char *name, const char **leaf)
{
	const char *dot = strchr(name, '.');

	*leaf = dot ? dot + 1 : name;
	if (!dot)
		return base;
	return json_array_get(json_object_getn(base, name, (size_t)(dot - name)), 0);
}

int check_config(struct check *c)
{
	json_t *base = json_loads(session_config(c), 0, NULL);
	struct vsw_ext_code *code;
	int rc = base ? 0 : err_set(-EINVAL, "--config: no JSON");

	if (!rc)
		rc = vsw_ext_code_open(&code, c->path, c->nr_imports ? c->import : NULL);
	if (rc) {
		json_decref(base);
		return rc;
	}
	for (const struct nethv_key *k = code->desc.keys; !rc && k && k->name; k++) {
		const char *leaf;
		json_t *in = place_of(base, k->name, &leaf);

		if (in && (k->min != 0 || k->max != 0))
			rc = try_borders(c, base, in, leaf, k);
	}
	json_decref(base);
	code->close(code);
	return rc;
}

/* ---- Changes under traffic ------------------------------------------------------------------ */

static void expect_done(struct session *s, int rc, const char *id, const char *what)
{
	if (rc && !s->is_over)
		check_broken(s->c, id, NULL, "%s: %s", what, err_text());
	else if (!rc)
		check_kept(s->c, id);
}

static void upgrade(struct session *s)
{
	const struct vsw_ext_cfg cfg = {
		.path = s->c->path,
		.config = session_config(s->c),
		.imports = s->c->nr_imports ? s->c->import : NULL,
	};
	int rc = vsw_ext_upgrade(s->e, &cfg);

	session_found(s);
	expect_done(s, rc, "CHK-7", "an upgrade to itself");
	if (!rc && s->c->desc.save && s->c->desc.restore)
		check_kept(s->c, "CHK-6");
	if (rc)
		return;
	s->seen = (struct broken_seen){0, 0}; /* a new instance counts anew */
	session_note(s);
}

static void say(struct session *s)
{
	char *text = malloc(STATUS_MAX);
	json_t *o = NULL;
	int n = text ? vsw_ext_say(s->e, text, STATUS_MAX) : -ENOTSUP;

	if (n >= 0)
		o = json_loads(text, 0, NULL);
	if (n >= 0 && json_is_object(o))
		check_kept(s->c, "CHK-8");
	else if (n >= 0)
		check_broken(s->c, "CHK-8", NULL, "its status is no JSON object: %.100s", text);
	else if (n != -ENOTSUP && !s->is_over)
		check_broken(s->c, "CHK-8", NULL, "%s", err_text());
	json_decref(o);
	free(text);
}

static void disabled(struct session *s)
{
	uint64_t before;

	expect_done(s, vsw_ext_disable(s->e), "CHK-7", "disabling it");
	before = session_counts(s).packets;
	session_traffic(s, (uint32_t)check_random(s->c), 3 * BURST, BURST);
	if (session_counts(s).packets != before)
		check_broken(s->c, "EXT-8", NULL, "%s: it sees packets while it is disabled",
			     s->step);
	else
		check_kept(s->c, "EXT-8");
	expect_done(s, vsw_ext_enable(s->e), "CHK-7", "enabling it");
}

static void change(struct session *s)
{
	switch (check_random(s->c) % 7) {
	case 0: disabled(s); break;
	case 1: expect_done(s, vsw_ext_move(s->e, 0), "CHK-7", "moving it"); break;
	case 2:
		expect_done(s, vsw_ext_configure(s->e, session_config(s->c)), "CHK-5",
			    "the same configuration again");
		session_found(s);
		break;
	case 3: upgrade(s); break;
	case 4: say(s); break;
	case 5: vsw_exts_tick(bed_switch(s->bed)); break;
	default: session_idle(s);
	}
	session_note(s);
}

int check_change(struct check *c)
{
	struct session s;
	int rc = session_begin(&s, c, "changes under traffic", 2, session_config(c));

	if (rc)
		return rc;
	for (unsigned int i = 0; i < c->steps && !s.is_over; i++) {
		session_traffic(&s, (uint32_t)check_random(c), 1 + check_random(c) % 100,
				1 + check_random(c) % BED_BURST_MAX);
		if (!s.is_over)
			change(&s);
	}
	session_end(&s);
	return 0;
}

/* Again and again, and two at once: what one leaves behind the next one finds. */
int check_twice(struct check *c)
{
	struct vsw_ext_cfg cfg = {
		.name = "another-one",
		.path = c->path,
		.config = session_config(c),
		.imports = c->nr_imports ? c->import : NULL,
		.is_disabled = c->desc.cls == NETHV_FORWARD, /* one may forward */
	};
	struct vsw_ext *other = NULL;

	for (unsigned int i = 0; i < 8; i++) {
		struct session s;
		int rc = session_begin(&s, c, "two instances, unloaded in turn", 1,
				       session_config(c));

		if (rc)
			return rc;
		rc = vsw_ext_load(&other, bed_switch(s.bed), &cfg);
		expect_done(&s, rc, "CHK-9", "a second instance");
		session_traffic(&s, i * 50, 300, BURST);
		if (!rc && i % 2)
			vsw_ext_unload(other);
		session_traffic(&s, i * 50, 300, BURST);
		session_end(&s);
	}
	return 0;
}
