/* SPDX-License-Identifier: BSD-3-Clause */
/* Captures: from records to pcapng, with an interface for each port and the forwarding context as each
 * packet's comment. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "vswitch/see/ctl.h"

#define IFACES_MAX   1024u
#define NAMED_MAX    16u  /* destinations named in a comment */
#define ISB_SIZE     100u /* of an interface statistics block; kept free in the buffer for the end */
#define COMMENT_SIZE 1024u

/* ---- Comments -------------------------------------------------------------------------------- */

static void say_dsts(struct see_say *y, const struct vsw_see *see, const struct see_rec *r)
{
	const struct nethv_dst *d = see_rec_dst(r);
	char name[SEE_NAME_LEN];
	uint16_t i;

	for (i = 0; i < r->ndst && i < NAMED_MAX; i++) {
		see_port_name(see, d[i].port, name);
		see_say(y, "%s%s", i ? "," : " dst ", name);
		if (d[i].nic)
			see_say(y, ".%u", d[i].nic);
		if (d[i].flags & NETHV_DST_EXCLUDED)
			see_say(y, "(excluded)");
		else if (d[i].flags & NETHV_DST_MIRROR)
			see_say(y, "(mirror)");
	}
	if (r->ndst > NAMED_MAX)
		see_say(y, ",+%u more", r->ndst - NAMED_MAX);
}

static void say_drop(struct see_say *y, const struct vsw_see *see, const struct see_rec *r)
{
	const struct see_words *w = see_rec_words(r);
	char name[SEE_NAME_LEN];

	if (r->to_port != VSW_PORT_NONE) {
		see_port_name(see, r->to_port, name);
		see_say(y, " towards %s", name);
	}
	see_say(y, " drop %s (%s)", vsw_drop_name(r->reason), vsw_drop_text(r->reason));
	if (w && w->ext[0])
		see_say(y, " by %s", w->ext);
	if (w && w->why[0])
		see_say(y, ": %s", w->why);
}

static void say_context(struct see_say *y, const struct vsw_see *see, const struct see_rec *r)
{
	char src[SEE_NAME_LEN + 8];

	see_src_name(see, r, src);
	see_say(y, "at %s src %s", vsw_station_name(r->station), src);
	if (see_rec_has_vlan(r))
		see_say(y, " vlan %u", r->vlan);
	say_dsts(y, see, r);
	if (r->mark)
		see_say(y, " mark 0x%x", r->mark);
	if (r->flags & NETHV_PKT_LSO)
		see_say(y, " lso %u", r->lso_mss);
	else if (r->flags & NETHV_PKT_CSUM)
		see_say(y, " checksum to be finished");
	if (r->flags & NETHV_PKT_CLONE)
		see_say(y, " clone");
	if (r->flags & NETHV_PKT_MADE)
		see_say(y, " made");
	if (r->packet)
		see_say(y, " packet %u", r->packet);
	if (r->station == VSW_AT_drop)
		say_drop(y, see, r);
}

/* ---- Packets ---------------------------------------------------------------------------------- */

/* The number of the interface with that name, which is made if need be; -1: no room. */
static int iface_of(struct see_capture *c, const char *name)
{
	unsigned int i;

	for (i = 0; i < c->nr_ifaces; i++) {
		if (!strcmp(c->iface[i].name, name))
			return (int)i;
	}
	if (c->nr_ifaces == IFACES_MAX || !see_pcapng_iface(&c->file.buf, name, c->cfg.snaplen))
		return -1;
	snprintf(c->iface[i].name, SEE_NAME_LEN, "%s", name);
	c->iface[i].packets = 0;
	return (int)c->nr_ifaces++;
}

/* How much of the buffer stays free for the statistics at the end. */
static bool has_room_for(const struct see_capture *c, uint32_t cap)
{
	size_t want = (size_t)cap + COMMENT_SIZE + 256 + (c->nr_ifaces + 1) * ISB_SIZE;

	return c->file.buf.size - c->file.buf.len >= want;
}

static void write_one(struct vsw_see *see, struct see_capture *c, const struct see_rec *r,
		      uint16_t port, enum see_pcapng_dir dir)
{
	char name[SEE_NAME_LEN], comment[COMMENT_SIZE] = "";
	struct see_say y = {comment, sizeof(comment), 0};
	int iface;

	if (c->cfg.max_packets && c->packets >= c->cfg.max_packets)
		return;
	if (!has_room_for(c, r->cap) && see_file_flush(&c->file)) {
		c->state = VSW_SEE_FAILED;
		snprintf(c->text, sizeof(c->text), "%s", err_text());
		return;
	}
	see_port_name(see, port, name);
	iface = has_room_for(c, r->cap) ? iface_of(c, name) : -1;
	if (iface < 0) {
		c->lost++;
		return;
	}
	say_context(&y, see, r);
	see_pcapng_packet(&c->file.buf, &(struct see_pcapng_packet){.iface = (uint32_t)iface,
								    .dir = dir,
								    .ns = see_ns(see, r->tsc),
								    .bytes = see_rec_bytes(r),
								    .cap = r->cap,
								    .len = r->len,
								    .comment = comment});
	c->iface[iface].packets++;
	c->packets++;
}

static void write_delivered(struct vsw_see *see, struct see_capture *c, const struct see_rec *r)
{
	const struct nethv_dst *d = see_rec_dst(r);
	bool is_all = !c->cfg.is_for_ports || see_bit(c->cfg.ports, r->src_port);
	uint16_t i;

	for (i = 0; i < r->ndst; i++) {
		if (!(d[i].flags & NETHV_DST_EXCLUDED) &&
		    (is_all || see_bit(c->cfg.ports, d[i].port)))
			write_one(see, c, r, d[i].port, SEE_DIR_OUT);
	}
}

void see_capture_take(struct vsw_see *see, struct see_capture *c, const struct see_rec *r)
{
	uint64_t bytes = c->file.written + c->file.buf.len;

	if (c->state != VSW_SEE_RUNNING || (c->cfg.max_bytes && bytes >= c->cfg.max_bytes))
		return;
	if (r->station == VSW_AT_out && r->ndst)
		write_delivered(see, c, r);
	else
		write_one(see, c, r, r->src_port, SEE_DIR_IN);
}

/* ---- Begin and end ------------------------------------------------------------------------------ */

static void write_stats(struct vsw_see *see, struct see_capture *c)
{
	uint64_t lost = c->lost + see_lost(see, c->counts);
	unsigned int i;

	if (c->nr_ifaces == 0 && lost)
		iface_of(c, "switch");
	for (i = 0; i < c->nr_ifaces; i++) {
		struct see_pcapng_stats st = {.iface = i,
					      .start_ns = c->start_ns,
					      .end_ns = see->anchor_ns,
					      .received = c->iface[i].packets,
					      .dropped = i ? 0 : lost};

		see_pcapng_stats(&c->file.buf, &st);
	}
}

void see_capture_end(struct vsw_see *see, struct see_capture *c, enum vsw_see_state state)
{
	if (c->file.fd < 0)
		return;
	if (state != VSW_SEE_FAILED)
		write_stats(see, c);
	else
		c->file.buf.len = 0;
	c->state = state;
	if (see_file_close(&c->file) && state != VSW_SEE_FAILED) {
		c->state = VSW_SEE_FAILED;
		snprintf(c->text, sizeof(c->text), "%s", err_text());
	}
}

void see_capture_free(struct see_capture *c)
{
	if (!c)
		return;
	free((char *)(uintptr_t)c->cfg.filter);
	see_filter_destroy(c->filter);
	free(c->counts);
	free(c->iface);
	free(c);
}

static int capture_check(const struct vsw_see_capture_cfg *cfg)
{
	if (cfg->stations == 0 || cfg->stations >> VSW_STATION_COUNT)
		return err_set(-EINVAL, "capture: no such stations: 0x%x", cfg->stations);
	return 0;
}

/* All but the file, so that a failure leaves the caller's descriptor alone. */
static int capture_make(struct see_capture **out, const struct vsw_see_capture_cfg *cfg)
{
	struct see_capture *c = calloc(1, sizeof(*c));
	uint64_t left = cfg->max_packets ? cfg->max_packets : UINT64_MAX;
	int rc;

	if (!c)
		return err_set(-ENOMEM, "no memory for a capture");
	c->cfg = *cfg;
	c->file.fd = -1;
	if (c->cfg.snaplen == 0 || c->cfg.snaplen > VSW_SEE_SNAP_MAX)
		c->cfg.snaplen = VSW_SEE_SNAP_MAX;
	c->cfg.filter = strdup(cfg->filter ? cfg->filter : "");
	c->iface = calloc(IFACES_MAX, sizeof(*c->iface));
	rc = c->cfg.filter && c->iface ? 0 : err_set(-ENOMEM, "no memory for a capture");
	rc = rc ? rc : see_filter_create(&c->filter, cfg->filter);
	rc = rc ? rc : see_counts_new(&c->counts, left);
	rc = rc ? rc : see_file_open(&c->file, cfg->fd);
	if (rc) {
		see_capture_free(c);
		return rc;
	}
	*out = c;
	return 0;
}

int vsw_see_capture_add(struct vsw_see *see, const struct vsw_see_capture_cfg *cfg, uint32_t *id)
{
	struct see_capture *c = NULL;
	unsigned int i = 0;
	int rc = capture_check(cfg);

	if (rc)
		return rc;
	while (i < VSW_SEE_CAPTURES_MAX && see->capture[i])
		i++;
	if (i == VSW_SEE_CAPTURES_MAX)
		return err_set(-ENOSPC, "%u captures are there, no more at a time", i);
	rc = capture_make(&c, cfg);
	if (rc)
		return rc;
	see_clock(see);
	c->start_ns = see->anchor_ns;
	c->id = *id = ++see->next_id;
	see_pcapng_head(&c->file.buf, "nethv");
	see->capture[i] = c;
	see_publish(see);
	return 0;
}

static struct see_capture **find(struct vsw_see *see, uint32_t id)
{
	unsigned int i;

	for (i = 0; i < VSW_SEE_CAPTURES_MAX; i++) {
		if (see->capture[i] && see->capture[i]->id == id)
			return &see->capture[i];
	}
	err_set(-ENOENT, "there is no capture %u", id);
	return NULL;
}

static void status_of(struct vsw_see *see, const struct see_capture *c,
		      struct vsw_see_capture_status *st)
{
	*st = (struct vsw_see_capture_status){.id = c->id,
					      .state = c->state,
					      .packets = c->packets,
					      .bytes = c->file.written + c->file.buf.len,
					      .lost = c->lost + see_lost(see, c->counts),
					      .text = c->text};
}

int vsw_see_capture_status(struct vsw_see *see, uint32_t id, struct vsw_see_capture_status *st)
{
	struct see_capture **at = find(see, id);

	if (!at)
		return -ENOENT;
	status_of(see, *at, st);
	return 0;
}

int vsw_see_capture_remove(struct vsw_see *see, uint32_t id, struct vsw_see_capture_status *st)
{
	struct see_capture **at = find(see, id), *c;

	if (!at)
		return -ENOENT;
	c = *at;
	if (c->state == VSW_SEE_RUNNING) {
		c->is_unlinked = true; /* lcores put nothing more; what they have put is taken */
		see_publish(see);
		vsw_see_poll(see);
	}
	see_capture_end(see, c, c->state == VSW_SEE_FAILED ? VSW_SEE_FAILED : VSW_SEE_DONE);
	if (st) {
		status_of(see, c, st);
		snprintf(see->last_text, sizeof(see->last_text), "%s", c->text);
		st->text = see->last_text;
	}
	*at = NULL;
	see_capture_free(c);
	return 0;
}

static json_t *capture_json(struct vsw_see *see, const struct see_capture *c)
{
	static const char *const states[] = {"running", "done", "failed"};
	struct vsw_see_capture_status st;
	json_t *at = json_array();
	unsigned int i;

	status_of(see, c, &st);
	for (i = 0; i < VSW_STATION_COUNT; i++) {
		if (c->cfg.stations >> i & 1)
			json_array_append_new(at, json_string(vsw_station_name(i)));
	}
	return json_pack("{s:I, s:o, s:o, s:s, s:I, s:I, s:I, s:o}", "id", (json_int_t)st.id,
			 "stations", at, "filter", see_json_text(c->cfg.filter), "state",
			 states[st.state], "packets", (json_int_t)st.packets, "bytes",
			 (json_int_t)st.bytes, "lost", (json_int_t)st.lost, "text",
			 see_json_text(st.text));
}

json_t *vsw_see_captures_json(struct vsw_see *see)
{
	json_t *all = json_array();
	unsigned int i;

	for (i = 0; i < VSW_SEE_CAPTURES_MAX && all; i++) {
		if (see->capture[i])
			json_array_append_new(all, capture_json(see, see->capture[i]));
	}
	return all;
}
