/* SPDX-License-Identifier: BSD-3-Clause */
/* The frames' way through the switch: once with everything kept, then again and again for the cycles. */
#include "mgmt/ext/test.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "mgmt/ext/like.h"
#include "vswitch/ext/code.h"

#define OWN_PORTS	2u
#define MAC_LEN		6u
#define HELD_MS		2000	  /* that packets may be held after the last one came */
#define DEBUG_BUDGET_US 60000000u /* a sanitizer's report takes its time */
#define PASS_CAP_S	3.0	  /* repeats end after that */

/* ---- Before --------------------------------------------------------------------------------- */

static int read_inputs(struct test *t)
{
	unsigned int nr_files = 0;
	int rc = 0;

	for (uint16_t i = 0; !rc && i < t->nr_ports; i++) {
		if (!t->port[i].in)
			continue;
		rc = frames_read(&t->in, t->port[i].in, i);
		nr_files++;
	}
	t->is_one_way = nr_files == 1 && !t->by_mac && !t->like;
	if (!rc && nr_files > 1)
		frames_sort(&t->in);
	if (!rc && t->in.n == 0)
		rc = err_set(-EINVAL, "there are no packets to send");
	return rc;
}

void test_drop_own_ports(struct test *t)
{
	t->nr_ports -= OWN_PORTS;
	memmove(&t->port[0], &t->port[OWN_PORTS], t->nr_ports * sizeof(t->port[0]));
	memset(&t->port[t->nr_ports], 0, OWN_PORTS * sizeof(t->port[0]));
}

/* A port for each sender, with its address for a name, in place of "in" and "out". Options may have named
 * some already. */
static int ports_by_mac(struct test *t)
{
	char name[32];

	test_drop_own_ports(t);
	for (uint32_t i = 0; i < t->in.n; i++) {
		const uint8_t *m = frames_bytes(&t->in, i) + MAC_LEN;
		struct test_port *p;

		if (t->in.frame[i].len < 2 * MAC_LEN)
			m = (const uint8_t *)"\0\0\0\0\0\0";
		snprintf(name, sizeof(name), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2],
			 m[3], m[4], m[5]);
		p = test_port(t, name);
		if (!p) {
			err_prefix("--by-mac");
			return -EINVAL;
		}
		if (!(m[0] & 1))
			memcpy(p->cfg.mac, m, MAC_LEN);
		t->in.frame[i].port = (uint16_t)(p - t->port);
	}
	return 0;
}

static int add_ports(struct test *t)
{
	for (unsigned int i = 0; i < t->nr_ports; i++) {
		int no = bed_port_add(t->bed, &t->port[i].cfg);

		if (no < 0)
			return no;
		t->port[i].no = (unsigned int)no;
	}
	return 0;
}

/* Those given by --with first, in their order, so the one under test is above them in its class. */
static int load_exts(struct test *t)
{
	for (unsigned int i = t->nr_exts; i-- > 0;) {
		struct test_ext *x = &t->ext[i];
		const struct vsw_ext_cfg cfg = {
			.path = x->path,
			.config = x->config,
			.budget_us = vsw_so_in_place ? DEBUG_BUDGET_US : 0,
			.imports = t->nr_imports ? t->import : NULL,
		};
		int rc = x->path ? vsw_ext_load(&x->e, bed_switch(t->bed), &cfg) : 0;

		if (rc)
			return rc;
	}
	return 0;
}

static int make_bursts(struct test *t)
{
	t->send = calloc(t->in.n, sizeof(*t->send));
	if (!t->send)
		return err_set(-ENOMEM, "no memory for %u packets", t->in.n);
	for (uint32_t i = 0; i < t->in.n; i++)
		t->send[i] = (struct bed_in){
			.bytes = frames_bytes(&t->in, i),
			.len = t->in.frame[i].len,
			.ts_ns = t->in.frame[i].ts_ns,
		};
	return 0;
}

/* ---- The way -------------------------------------------------------------------------------- */

static void keep(void *ctx, const struct bed_out *o)
{
	struct test *t = ctx;
	uint16_t port = 0;

	while (t->port[port].no != o->port)
		port++;
	if (!t->sink_rc)
		t->sink_rc = frames_add_tagged(&t->got, o->bytes, o->len, o->tci, o->ts_ns, port);
}

static struct test_broken *broken_find(struct test *t, unsigned int ext, const char *id,
				       const char *sentence)
{
	struct test_broken *b;
	char text[sizeof(b->text)];

	snprintf(text, sizeof(text), "%s: %s", id, sentence);

	for (unsigned int i = 0; i < t->nr_broken; i++)
		if (t->broken[i].ext == ext && !strcmp(t->broken[i].text, text))
			return &t->broken[i];
	if (t->nr_broken == TEST_BROKEN_MAX)
		return &t->broken[TEST_BROKEN_MAX - 1];
	b = &t->broken[t->nr_broken++];
	b->ext = ext;
	memcpy(b->text, text, sizeof(text));
	return b;
}

static void note_broken(struct test *t)
{
	struct broken_news news[2];

	for (unsigned int i = 0; i < t->nr_exts; i++) {
		struct test_ext *x = &t->ext[i];
		unsigned int n = x->e ? broken_look(x->e, &x->seen, news) : 0;

		for (unsigned int k = 0; k < n; k++)
			broken_find(t, i, news[k].id, news[k].text)->times += news[k].times;
	}
}

/* With one input nobody answers: where addresses are must not matter. */
static void after_burst(struct test *t)
{
	struct vsw_fdb_stats f;

	if (!t->is_one_way)
		return;
	vsw_fdb_stats_get(bed_switch(t->bed), &f);
	if (f.entries > f.statics)
		bed_forget(t->bed);
}

static void pass(struct test *t, bool is_first)
{
	for (uint32_t i = 0, n; i < t->in.n; i += n) {
		uint16_t port = t->in.frame[i].port;

		for (n = 1; n < t->burst && i + n < t->in.n && t->in.frame[i + n].port == port;)
			n++;
		bed_send(t->bed, 0, t->port[port].no, &t->send[i], n);
		after_burst(t);
		if (is_first)
			note_broken(t);
	}
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

struct sums {
	uint64_t packets, tsc, held;
	const struct vsw_ext *of; /* NULL: all */
	struct vsw *sw;
};

static void add_sums(const struct vsw_ext_status *st, void *ctx)
{
	struct sums *s = ctx;

	if (s->of && vsw_ext_find(s->sw, st->name) != s->of)
		return;
	s->packets += st->sum.packets;
	s->tsc += st->sum.tsc;
	s->held += st->sum.held - st->sum.released;
}

static struct sums sums_of(struct test *t, const struct vsw_ext *e)
{
	struct sums s = {.of = e, .sw = bed_switch(t->bed)};

	vsw_ext_walk(s.sw, add_sums, &s);
	return s;
}

/* Extensions that hold packets get time to release them. */
static void wait_held(struct test *t)
{
	double end = seconds() + HELD_MS / 1000.0;

	do
		bed_idle(t->bed);
	while (sums_of(t, NULL).held && seconds() < end);
	note_broken(t);
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

int test_measure(struct test *t)
{
	double end = seconds() + PASS_CAP_S;

	t->cycles = calloc(t->repeat, sizeof(*t->cycles));
	if (!t->cycles)
		return err_set(-ENOMEM, "no memory");
	bed_sink(t->bed, NULL, NULL);
	while (t->nr_cycles < t->repeat && seconds() < end) {
		struct sums before = sums_of(t, t->ext[0].e), after;

		pass(t, false);
		bed_idle(t->bed);
		after = sums_of(t, t->ext[0].e);
		if (after.packets == before.packets)
			break; /* detached, or it has nothing to do with packets */
		t->cycles[t->nr_cycles++] =
			(double)(after.tsc - before.tsc) / (double)(after.packets - before.packets);
	}
	note_broken(t);
	qsort(t->cycles, t->nr_cycles, sizeof(*t->cycles), by_size);
	return 0;
}

int test_run(struct test *t)
{
	int rc = t->switch_file ? like_ports(t, t->switch_file) : 0;

	if (!rc)
		rc = read_inputs(t);
	if (!rc && t->by_mac)
		rc = ports_by_mac(t);
	if (!rc)
		rc = bed_eal();
	if (!rc)
		rc = bed_create(&t->bed, 1);
	if (!rc)
		rc = add_ports(t);
	if (!rc && t->like)
		rc = like_rest(t);
	if (!rc)
		rc = load_exts(t);
	if (!rc)
		rc = make_bursts(t);
	if (rc)
		return rc;
	bed_sink(t->bed, keep, t);
	pass(t, true);
	wait_held(t);
	return t->sink_rc;
}
