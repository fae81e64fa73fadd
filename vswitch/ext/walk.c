// SPDX-License-Identifier: BSD-3-Clause
/* Events on their way through the stack: who is asked, which answers count, and what those above are
 * told when one below refused. */
#include "vswitch/ext/objects_priv.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static const struct obj_rule *rule_of(const struct nethv_event *ev)
{
	const struct obj_rule *r = NULL;

	if (ev->kind == NETHV_EV_NIC_REQUEST)
		r = obj_request_rule(ev->request);
	return r ? r : obj_event_rule(ev->kind);
}

static bool is_standard(const struct nethv_event *ev)
{
	return ev->prop && ev->prop->kind != NETHV_PROP_CUSTOM &&
	       ev->kind >= NETHV_EV_PORT_PROPERTY_ADD && ev->kind <= NETHV_EV_PORT_PROPERTY_DELETE;
}

static void broken(struct vsw_objs *o, const struct vsw_objs_ext *x, const char *id,
		   const struct obj_rule *r, const char *what)
{
	char text[128];

	snprintf(text, sizeof(text), "%s %s", what, r->name);
	o->ops->broken(o->ctx, x->owner, id, text);
}

/* What an answer counts as. */
static int judge(struct vsw_objs *o, const struct vsw_objs_ext *x, const struct nethv_event *ev,
		 int rc)
{
	const struct obj_rule *r = rule_of(ev);
	unsigned int bit = 1u << x->cls;
	bool is_mine = o->answerer && o->answerer == x->owner;

	if (rc == NETHV_EV_PASS)
		return is_mine ? NETHV_EV_DONE : rc;
	if (rc < 0) {
		if (r->may_veto & bit)
			return NETHV_EV_VETO;
		broken(o, x, x->cls == NETHV_CAPTURE ? "EXT-1" : r->id, r, "refuses");
		return is_mine ? NETHV_EV_DONE : NETHV_EV_PASS;
	}
	if (is_mine || (rc == NETHV_EV_DONE && (r->may_answer & bit) && !is_standard(ev)))
		return NETHV_EV_DONE;
	broken(o, x, r->id, r, "keeps from those below");
	return NETHV_EV_PASS;
}

static void tidy(char *text)
{
	text[VSW_VETO_TEXT - 1] = '\0';
	for (; *text; text++) {
		if (iscntrl((unsigned char)*text))
			*text = '?';
	}
}

int obj_deliver(struct vsw_objs *o, const struct vsw_objs_ext *x, struct nethv_event *ev, char *why)
{
	struct nethv_port_info info;
	struct nethv_property prop;
	struct nethv_event e = *ev;
	int rc;

	e.size = sizeof(e);
	if (ev->port) {
		info = *ev->port;
		e.port = &info;
	}
	if (ev->prop) {
		prop = *ev->prop;
		e.prop = &prop;
	}
	why[0] = '\0';
	e.text = why;
	e.text_max = VSW_VETO_TEXT;
	rc = judge(o, x, ev, o->ops->deliver(o->ctx, x->owner, &e));
	tidy(why);
	if (rc == NETHV_EV_DONE) {
		ev->out_len = e.out_len;
		ev->feature = e.feature;
		if (ev->kind == NETHV_EV_NIC_REQUEST && !o->answerer)
			ev->number = e.number;
	}
	return rc;
}

static int walk_part(struct vsw_objs *o, const struct vsw_objs_ext *ext, unsigned int n,
		     struct nethv_event *ev, struct obj_trail *t)
{
	unsigned int i;
	int rc;

	t->n = 0;
	t->end.owner = 0;
	for (i = 0; i < n; i++) {
		rc = obj_deliver(o, &ext[i], ev, t->why);
		if (rc != NETHV_EV_PASS) {
			t->end = ext[i];
			return rc;
		}
		t->owner[t->n++] = ext[i].owner;
	}
	return NETHV_EV_PASS;
}

unsigned int obj_stack(struct vsw_objs *o, struct vsw_objs_ext ext[VSW_EXTS_MAX])
{
	unsigned int n = o->ops->stack(o->ctx, ext);

	return n < VSW_EXTS_MAX ? n : VSW_EXTS_MAX;
}

/* The place of @owner in @ext; @n: it is not there. */
static unsigned int place_of(const struct vsw_objs_ext *ext, unsigned int n, uint32_t owner)
{
	unsigned int i;

	for (i = 0; i < n && ext[i].owner != owner; i++)
		;
	return i;
}

int obj_walk(struct vsw_objs *o, struct nethv_event *ev, struct obj_trail *t)
{
	struct vsw_objs_ext ext[VSW_EXTS_MAX];

	return walk_part(o, ext, obj_stack(o, ext), ev, t);
}

int obj_walk_below(struct vsw_objs *o, uint32_t owner, struct nethv_event *ev, struct obj_trail *t)
{
	struct vsw_objs_ext ext[VSW_EXTS_MAX];
	unsigned int n = obj_stack(o, ext), at = place_of(ext, n, owner);

	return at < n ? walk_part(o, ext + at + 1, n - at - 1, ev, t) : walk_part(o, ext, 0, ev, t);
}

int obj_walk_up(struct vsw_objs *o, uint32_t owner, struct nethv_event *ev)
{
	struct vsw_objs_ext ext[VSW_EXTS_MAX];
	unsigned int n = obj_stack(o, ext), at = owner ? place_of(ext, n, owner) : n;
	char why[VSW_VETO_TEXT];
	int rc = NETHV_EV_PASS;

	while (rc == NETHV_EV_PASS && at > 0)
		rc = obj_deliver(o, &ext[--at], ev, why);
	return rc;
}

bool obj_ext_find(struct vsw_objs *o, uint32_t owner, struct vsw_objs_ext *out)
{
	struct vsw_objs_ext ext[VSW_EXTS_MAX];
	unsigned int n = obj_stack(o, ext), at = place_of(ext, n, owner);

	if (at == n)
		return false;
	*out = ext[at];
	return true;
}

void obj_undo(struct vsw_objs *o, const struct nethv_event *ev, const struct obj_trail *t)
{
	const struct obj_rule *r = rule_of(ev);
	struct nethv_event e = *ev;
	struct vsw_objs_ext x;
	char why[VSW_VETO_TEXT];
	unsigned int i;

	if (!r->opposite)
		return;
	if (ev->kind == NETHV_EV_NIC_REQUEST)
		e.request = r->opposite;
	else
		e.kind = r->opposite;
	for (i = t->n; i > 0; i--) {
		if (obj_ext_find(o, t->owner[i - 1], &x))
			obj_deliver(o, &x, &e, why);
	}
}
