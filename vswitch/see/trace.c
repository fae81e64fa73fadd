/* SPDX-License-Identifier: BSD-3-Clause */
/* Traces: the records of one packet, from wherever it went, put together as JSON. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vswitch/see/ctl.h"

#define SUMMARY_SIZE 256u

/* ---- Records to steps ---------------------------------------------------------------------------- */

static json_t *dsts_json(const struct vsw_see *see, const struct see_rec *r)
{
	const struct nethv_dst *d = see_rec_dst(r);
	json_t *all = json_array();
	uint16_t i;

	for (i = 0; i < r->ndst; i++) {
		char name[SEE_NAME_LEN], text[SEE_NAME_LEN + 24] = "";
		struct see_say y = {text, sizeof(text), 0};

		see_port_name(see, d[i].port, name);
		see_say(&y, "%s", name);
		if (d[i].nic)
			see_say(&y, ".%u", d[i].nic);
		if (d[i].flags & NETHV_DST_EXCLUDED)
			see_say(&y, " (excluded)");
		else if (d[i].flags & NETHV_DST_MIRROR)
			see_say(&y, " (mirror)");
		json_array_append_new(all, see_json_text(text));
	}
	return all;
}

static void station_step(const struct vsw_see *see, const struct see_rec *r, json_t *o)
{
	char src[SEE_NAME_LEN + 8];

	see_src_name(see, r, src);
	json_object_set_new(o, "src", see_json_text(src));
	if (see_rec_has_vlan(r))
		json_object_set_new(o, "vlan", json_integer(r->vlan));
	if (r->station >= VSW_AT_forward)
		json_object_set_new(o, "dst", dsts_json(see, r));
}

static void ext_step(const struct see_rec *r, json_t *o)
{
	json_object_set_new(o, "ext", see_json_text(see_rec_words(r)->ext));
	json_object_set_new(o, "verdict", json_string(r->reason ? "dropped" : "passed"));
	if (r->reason)
		json_object_set_new(o, "reason", json_integer(r->reason - 1));
	json_object_set_new(o, "cycles", json_integer(r->cycles));
}

int see_drop_describe(const struct vsw_see *see, const struct see_rec *r, json_t *o)
{
	const struct see_words *w = see_rec_words(r);
	char name[SEE_NAME_LEN];
	int rc = 0;

	rc |= json_object_set_new(o, "reason", json_string(vsw_drop_name(r->reason)));
	rc |= json_object_set_new(o, "text", json_string(vsw_drop_text(r->reason)));
	if (w && w->ext[0])
		rc |= json_object_set_new(o, "ext", see_json_text(w->ext));
	if (w && w->why[0])
		rc |= json_object_set_new(o, "ext_reason", see_json_text(w->why));
	if (r->to_port == VSW_PORT_NONE)
		return rc;
	see_port_name(see, r->to_port, name);
	return rc | json_object_set_new(o, "port", see_json_text(name));
}

static json_t *step_json(const struct vsw_see *see, const struct see_rec *r, uint64_t entry_tsc)
{
	json_t *o = json_object();
	uint64_t ns = see_ns(see, r->tsc) - see_ns(see, entry_tsc);

	if (!o)
		return NULL;
	json_object_set_new(o, "at", json_string(vsw_station_name(r->station)));
	json_object_set_new(o, "ns", json_integer((json_int_t)ns));
	if (r->flags & NETHV_PKT_CLONE)
		json_object_set_new(o, "clone", json_true());
	if (r->kind == SEE_EXT)
		ext_step(r, o);
	else if (r->kind == SEE_DROP)
		see_drop_describe(see, r, o);
	else
		station_step(see, r, o);
	return o;
}

static json_t *packet_json(const struct vsw_see *see, const struct see_rec *r)
{
	char text[SUMMARY_SIZE], src[SEE_NAME_LEN + 8];

	vsw_see_summary(see_rec_bytes(r), r->cap, r->len, text, sizeof(text));
	see_src_name(see, r, src);
	return json_pack("{s:I, s:o, s:o, s:I, s:b, s:[]}", "packet", (json_int_t)r->packet,
			 "summary", see_json_text(text), "src", see_json_text(src), "len",
			 (json_int_t)r->len, "done", 0, "steps");
}

static void enter(struct vsw_see *see, struct see_trace *t, const struct see_rec *r)
{
	json_t *j;

	if (t->nr >= t->wanted)
		return;
	j = packet_json(see, r);
	if (j)
		t->packet[t->nr++] =
			(struct see_traced){.packet = r->packet, .tsc = r->tsc, .json = j};
}

static bool is_last(const struct see_rec *r)
{
	if (r->flags & NETHV_PKT_CLONE)
		return false;
	return r->kind == SEE_DROP ? r->to_port == VSW_PORT_NONE
				   : r->kind == SEE_STATION && r->station == VSW_AT_out;
}

/* A packet ends, too, when one after the other all its destinations were taken from it. */
static bool is_left_without(struct see_traced *p, const struct see_rec *r)
{
	const struct nethv_dst *d = see_rec_dst(r);
	uint16_t i;

	if (r->flags & NETHV_PKT_CLONE)
		return false;
	if (r->kind == SEE_DROP)
		return r->to_port != VSW_PORT_NONE && p->left && --p->left == 0;
	if (r->kind == SEE_STATION && r->ndst)
		p->left = 0;
	for (i = 0; i < r->ndst; i++)
		p->left += !(d[i].flags & NETHV_DST_EXCLUDED);
	return false;
}

static void step(struct vsw_see *see, struct see_traced *p, const struct see_rec *r)
{
	json_t *steps = json_object_get(p->json, "steps");

	if (json_array_size(steps) < VSW_SEE_STEPS_MAX)
		json_array_append_new(steps, step_json(see, r, p->tsc));
	if (is_left_without(p, r) || is_last(r))
		json_object_set_new(p->json, "done", json_true());
}

void see_trace_take(struct vsw_see *see, const struct see_rec *r)
{
	unsigned int i, k;

	for (i = 0; i < VSW_SEE_TRACES_MAX; i++) {
		struct see_trace *t = see->trace[i];

		if (!t)
			continue;
		if (r->kind == SEE_ENTER && t->id == r->id)
			enter(see, t, r);
		for (k = 0; k < t->nr && r->kind != SEE_ENTER; k++) {
			if (t->packet[k].packet == r->packet)
				step(see, &t->packet[k], r);
		}
	}
}

/* ---- The list of traces ---------------------------------------------------------------------------- */

void see_trace_free(struct see_trace *t)
{
	unsigned int i;

	if (!t)
		return;
	for (i = 0; i < t->nr; i++)
		json_decref(t->packet[i].json);
	see_filter_destroy(t->filter);
	free(t->counts);
	free(t->text);
	free(t);
}

static int trace_make(struct see_trace **out, const char *filter, uint32_t count)
{
	struct see_trace *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return err_set(-ENOMEM, "no memory for a trace");
	t->wanted = count;
	t->text = strdup(filter ? filter : "");
	rc = t->text ? 0 : err_set(-ENOMEM, "no memory for a trace");
	rc = rc ? rc : see_filter_create(&t->filter, filter);
	rc = rc ? rc : see_counts_new(&t->counts, count);
	if (rc) {
		see_trace_free(t);
		return rc;
	}
	*out = t;
	return 0;
}

int vsw_see_trace_add(struct vsw_see *see, const char *filter, uint32_t count, uint32_t *id)
{
	struct see_trace *t = NULL;
	unsigned int i = 0;
	int rc;

	if (count == 0 || count > VSW_SEE_TRACED_MAX)
		return err_set(-EINVAL, "trace of %u packets: want 1..%u", count,
			       VSW_SEE_TRACED_MAX);
	while (i < VSW_SEE_TRACES_MAX && see->trace[i])
		i++;
	if (i == VSW_SEE_TRACES_MAX)
		return err_set(-ENOSPC, "%u traces are there, no more at a time", i);
	rc = trace_make(&t, filter, count);
	if (rc)
		return rc;
	t->id = *id = ++see->next_id;
	see->trace[i] = t;
	see_publish(see);
	return 0;
}

static struct see_trace **find(struct vsw_see *see, uint32_t id)
{
	unsigned int i;

	for (i = 0; i < VSW_SEE_TRACES_MAX; i++) {
		if (see->trace[i] && see->trace[i]->id == id)
			return &see->trace[i];
	}
	err_set(-ENOENT, "there is no trace %u", id);
	return NULL;
}

int vsw_see_trace_remove(struct vsw_see *see, uint32_t id)
{
	struct see_trace **at = find(see, id), *t;

	if (!at)
		return -ENOENT;
	t = *at;
	*at = NULL;
	see_publish(see);
	see_trace_free(t);
	return 0;
}

json_t *vsw_see_trace_json(struct vsw_see *see, uint32_t id)
{
	struct see_trace **at = find(see, id);
	json_t *packets;
	unsigned int i;

	if (!at)
		return NULL;
	packets = json_array();
	for (i = 0; i < (*at)->nr; i++) /* a copy: the caller may keep it, ours goes on growing */
		json_array_append_new(packets, json_deep_copy((*at)->packet[i].json));
	return json_pack("{s:I, s:o, s:I, s:I, s:I, s:o}", "id", (json_int_t)id, "filter",
			 see_json_text((*at)->text), "wanted", (json_int_t)(*at)->wanted, "matched",
			 (json_int_t)(*at)->nr, "lost", (json_int_t)see_lost(see, (*at)->counts),
			 "packets", packets);
}
