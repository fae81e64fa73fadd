/* SPDX-License-Identifier: BSD-3-Clause */
/* A switch with the extension under check, and what is noted of it. */
#include "mgmt/ext/check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/err.h"

#define HELD_ROUNDS 2000000u /* empty loops that it gets to release what it holds */
#define HELD_MS	    3000
#define FNV_BASIS   0xCBF29CE484222325ull
#define FNV_PRIME   0x100000001B3ull

const char *session_config(const struct check *c)
{
	return c->config ? c->config : "{}";
}

/* ---- Notes ---------------------------------------------------------------------------------- */

static void mix(struct session *s, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;

	while (len--)
		s->hash = (s->hash ^ *p++) * FNV_PRIME;
}

static void on_out(void *ctx, const struct bed_out *o)
{
	struct session *s = ctx;

	s->nr_out++;
	mix(s, &o->port, sizeof(o->port));
	mix(s, &o->len, sizeof(o->len));
	mix(s, &o->tci, sizeof(o->tci));
	mix(s, o->bytes, o->len);
}

struct look {
	struct session *s;
	struct vsw_ext_counts sum;
};

static void look_at(const struct vsw_ext_status *st, void *ctx)
{
	struct look *l = ctx;
	struct session *s = l->s;

	if (strcmp(st->name, s->name) != 0)
		return;
	l->sum = st->sum;
	if (st->state != VSW_EXT_FAULTED || s->is_over)
		return;
	s->is_over = true;
	check_broken(s->c, "CHK-1", NULL, "%s: %s", s->step,
		     st->report[0] ? st->report : "a callback faulted");
}

static struct look look(struct session *s)
{
	struct look l = {.s = s};
	struct broken_news news[2];
	unsigned int n;

	if (!s->e)
		return l;
	n = broken_look(s->e, &s->seen, news);
	for (unsigned int i = 0; i < n; i++)
		check_broken(s->c, news[i].id, news[i].text, "%s: %s", s->step, news[i].text);
	vsw_ext_walk(bed_switch(s->bed), look_at, &l);
	return l;
}

void session_note(struct session *s)
{
	look(s);
}

struct vsw_ext_counts session_counts(struct session *s)
{
	return look(s).sum;
}

/* ---- Begin and end -------------------------------------------------------------------------- */

/* An access port, a trunk that has every VLAN, and an uplink. */
static int add_ports(struct session *s)
{
	static const char *const names[CHECK_PORTS] = {"a/0", "b/0", "uplink"};

	for (unsigned int i = 0; i < CHECK_PORTS; i++) {
		struct vsw_port_cfg cfg = {.kind = i == 2 ? VSW_PORT_UPLINK : VSW_PORT_NIC};
		int no;

		snprintf(cfg.name, sizeof(cfg.name), "%s", names[i]);
		if (i == 1) {
			cfg.vlan_mode = VSW_VLAN_TRUNK;
			memset(cfg.allowed, 0xFF, sizeof(cfg.allowed));
		}
		no = bed_port_add(s->bed, &cfg);
		if (no < 0)
			return no;
		s->port[i] = (unsigned int)no;
	}
	return 0;
}

void session_found(struct session *s)
{
	s->e = vsw_ext_find(bed_switch(s->bed), s->name);
	if (s->e)
		check_calls_watch(s->c, s->e);
}

static void name_of(const struct vsw_ext_status *st, void *ctx)
{
	struct session *s = ctx;

	snprintf(s->name, sizeof(s->name), "%s", st->name);
}

static int load(struct session *s, const char *config)
{
	const struct vsw_ext_cfg cfg = {
		.path = s->c->path,
		.config = config,
		.imports = s->c->nr_imports ? s->c->import : NULL,
	};
	int rc = vsw_ext_load(&s->e, bed_switch(s->bed), &cfg);

	if (rc)
		return rc;
	vsw_ext_walk(bed_switch(s->bed), name_of, s);
	check_calls_watch(s->c, s->e);
	return 0;
}

int session_begin(struct session *s, struct check *c, const char *step, unsigned int nr_lcores,
		  const char *config)
{
	int rc;

	memset(s, 0, sizeof(*s));
	s->c = c;
	s->step = step;
	s->nr_lcores = nr_lcores;
	s->hash = FNV_BASIS;
	rc = bed_create(&s->bed, nr_lcores);
	if (rc)
		return rc;
	bed_sink(s->bed, on_out, s);
	rc = add_ports(s);
	if (!rc && config)
		rc = load(s, config);
	if (rc) {
		bed_destroy(s->bed);
		s->bed = NULL;
	}
	return rc;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Without new packets it has to let go of the old ones some time; unloading makes it. */
static void wait_held(struct session *s)
{
	uint64_t end = now_ms() + HELD_MS;
	struct vsw_ext_counts k = session_counts(s);

	if (k.held == 0 || check_is_broken(s->c, "CHK-3"))
		return;
	for (unsigned int i = 0; i < HELD_ROUNDS && k.held > k.released && !s->is_over; i++) {
		bed_idle(s->bed);
		if (i % 64 == 0 && now_ms() > end)
			break;
		k = session_counts(s);
	}
	if (k.held > k.released)
		check_broken(s->c, "CHK-3", NULL,
			     "%s: %llu packets are still held %d ms after the last one came",
			     s->step, (unsigned long long)(k.held - k.released), HELD_MS);
	else
		check_kept(s->c, "CHK-3");
}

static void end_ext(struct session *s)
{
	struct vsw_ext_counts k;

	wait_held(s);
	k = session_counts(s);
	s->c->packets += k.packets;
	s->c->dropped += k.dropped;
	vsw_ext_unload(s->e);
	s->e = NULL;
	bed_idle(s->bed);
}

void session_end(struct session *s)
{
	if (!s->bed)
		return;
	if (s->e)
		end_ext(s);
	if (!bed_is_balanced(s->bed))
		check_broken(s->c, "CHK-2", NULL, "%s: packets are missing from the switch's books",
			     s->step);
	else
		check_kept(s->c, "CHK-2");
	bed_destroy(s->bed);
	s->bed = NULL;
}

/* ---- Traffic -------------------------------------------------------------------------------- */

void session_send(struct session *s, unsigned int port, const struct bed_in *in, unsigned int n)
{
	bed_send(s->bed, s->lcore, port, in, n);
	s->lcore = (s->lcore + 1) % s->nr_lcores;
	session_note(s);
}

void session_traffic(struct session *s, uint32_t at, uint32_t n, unsigned int burst)
{
	const struct catalog *cat = &s->c->cat;
	unsigned int k = 0;

	while (n) {
		uint32_t left, m = n < burst ? n : burst;

		at %= cat->bytes.n;
		left = cat->bytes.n - at;
		m = m < left ? m : left;
		session_send(s, s->port[k++ % CHECK_PORTS], &cat->in[at], m);
		at += m;
		n -= m;
	}
}

void session_idle(struct session *s)
{
	bed_idle(s->bed);
	session_note(s);
}
