/* SPDX-License-Identifier: BSD-3-Clause */
/* The long way against the short one, and against a naive model.
 *
 * First: two switches with the same random ports get the same frames; one has extensions and policies that do
 * nothing. The same must come out of both, byte for byte, tag for tag, in the same order, and into the books.
 *
 * Second: two filters do to each packet what a hash of it says: drop, edit, clone, hold, retag, give another
 * source, exclude destinations. A model that knows no vectors, queues or stations does the same to plain
 * frames. The same frames must come out, and the books must balance at each step. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/extbed.h"
#include "tests/support/naive.h"
#include "tests/support/prng.h"
#include "vswitch/policy/config.h"
#include "vswitch/priv.h"

static struct prng rnd;

TestSuite(vsw_stages, .init = eal_up);

/* ---- The long way and the short one -------------------------------------------------------- */

#define PORTS 6u

static struct extbed lng, shrt;

static void twins_port(unsigned int i)
{
	struct vsw_port_cfg cfg = {.nr_queues = 1};
	uint64_t mac = BED_MAC(i);
	uint16_t hdr_len = 64 + (uint16_t)prng_below(&rnd, 65), hdr_off;

	snprintf(cfg.name, sizeof(cfg.name), "p%u", i);
	cfg.vlan_mode = prng_below(&rnd, 2) ? VSW_VLAN_TRUNK : VSW_VLAN_ACCESS;
	cfg.pvid = (uint16_t)prng_below(&rnd, 3);
	cfg.allowed[0] = prng_next(&rnd) & 0xF;
	cfg.kind = prng_below(&rnd, 4) ? VSW_PORT_NIC : VSW_PORT_UPLINK;
	if (cfg.kind == VSW_PORT_NIC && prng_below(&rnd, 3)) {
		memcpy(cfg.mac, &mac, 6);
		cfg.is_spoof_guarded = prng_below(&rnd, 3) == 0;
	}
	hdr_off = (uint16_t)prng_below(&rnd, VSW_SNAP_SIZE - hdr_len + 1);
	bed_port(&lng, i, cfg);
	bed_port(&shrt, i, cfg);
	lng.p[i]->is_scattered = shrt.p[i]->is_scattered = prng_below(&rnd, 2);
	lng.p[i]->hdr_len = shrt.p[i]->hdr_len = hdr_len;
	lng.p[i]->hdr_off = shrt.p[i]->hdr_off = hdr_off;
}

static void passes(struct hooks *k, struct nethv_burst *b)
{
	uint16_t i;

	for (i = 0; i < b->n; i++) {
		nethv_pull(b, i, prng_below(&rnd, 2) ? 64 : 100);
		cr_assert_geq(b->pkt[i]->hdr_len, b->pkt[i]->len < 64 ? b->pkt[i]->len : 64);
	}
}

static struct hooks nothing[2] = {{.ingress = passes, .egress = passes},
				  {.ingress = passes, .egress = passes}};

static void twins_up(void)
{
	struct vsw_policy_cfg none = {0};
	unsigned int i;

	bed_up(&lng, 1, 0);
	bed_up(&shrt, 1, 0);
	for (i = 0; i < PORTS; i++)
		twins_port(i);
	if (prng_below(&rnd, 4))
		bed_hook(&lng, "hook-filter", "", &nothing[0]);
	if (prng_below(&rnd, 2) || !lng.sw->snap->is_long)
		bed_hook(&lng, "hook-capture", "", &nothing[1]);
	for (i = 0; i < PORTS; i++)
		if (prng_below(&rnd, 2))
			cr_assert_eq(vsw_port_set_policy(lng.p[i]->port, &none), 0);
	cr_assert(lng.sw->snap->is_long && !shrt.sw->snap->is_long);
}

static void make_plain(struct fake_frame *fr, uint64_t dst, uint64_t src)
{
	uint32_t len = prng_below(&rnd, 16) ? 14 + prng_below(&rnd, 400) : prng_below(&rnd, 14);
	uint32_t at;

	fake_build(fr, dst, src, len, (uint8_t)prng_next(&rnd));
	for (at = 12; prng_below(&rnd, 6) == 0 && at + 8 <= fr->len && at < 20; at += 4) {
		fr->bytes[at] = 0x81;
		fr->bytes[at + 1] = 0;
		fr->bytes[at + 2] = (uint8_t)(prng_below(&rnd, 8) << 5);
		fr->bytes[at + 3] = (uint8_t)prng_below(&rnd, 5);
	}
	if (prng_below(&rnd, 60) == 0)
		fr->drop_reason = VSW_DROP_bad_rndis;
}

static void make_offloaded(struct fake_frame *fr, uint64_t dst, uint64_t src)
{
	static struct naive_frame f;
	struct naive_kind kind = {
		.is_v6 = prng_below(&rnd, 2),
		.is_tcp = true,
		.tcp_flags = (uint8_t)prng_next(&rnd),
		.seq = (uint32_t)prng_next(&rnd),
		.payload = 1 + prng_below(&rnd, 1800),
	};
	bool is_long = prng_below(&rnd, 2);

	kind.is_tcp = is_long || prng_below(&rnd, 2);
	naive_make(&f, &kind, (uint8_t *)&dst, (uint8_t *)&src, (uint32_t)prng_next(&rnd));
	naive_unfinish(&f, is_long);
	memset(fr, 0, sizeof(*fr));
	memcpy(fr->bytes, f.bytes, f.len);
	fr->len = f.len;
	fr->flags = is_long ? NETHV_PKT_LSO : NETHV_PKT_CSUM;
	fr->csum =
		(kind.is_tcp ? NETHV_CSUM_TCP : NETHV_CSUM_UDP) | (kind.is_v6 ? 0 : NETHV_CSUM_IP4);
	fr->l3_off = (uint8_t)f.l3;
	fr->l4_off = (uint8_t)f.l4;
	fr->lso_mss = (uint16_t)(200 + prng_below(&rnd, 1000));
}

static uint64_t some_mac(void)
{
	static const uint64_t odd[] = {BED_BCAST, 0x5e0001, 0x77000000aa02, 0x78000000aa02, 0x0};

	return prng_below(&rnd, 2) ? BED_MAC(prng_below(&rnd, PORTS + 2))
				   : odd[prng_below(&rnd, 5)];
}

static void twins_send(unsigned int i, unsigned int n)
{
	static struct fake_frame fr;
	unsigned int k;

	for (k = 0; k < n; k++) {
		uint64_t dst = some_mac(), src = prng_below(&rnd, 3) ? BED_MAC(i) : some_mac();

		if (k == 0 || prng_below(&rnd, 2)) {
			if (lng.p[i]->hdr_len == VSW_SNAP_SIZE && prng_below(&rnd, 3) == 0)
				make_offloaded(&fr, dst,
					       src); /* with headers among the private ones */
			else
				make_plain(&fr, dst, src);
			if (prng_below(&rnd, 4) == 0) {
				fr.flags |= NETHV_PKT_VLAN;
				fr.tci =
					(uint16_t)(prng_below(&rnd, 8) << 13 | prng_below(&rnd, 5));
			}
		}
		*fake_send(lng.p[i], 0, 0) = fr;
		*fake_send(shrt.p[i], 0, 0) = fr;
	}
}

static void twins_compare_port(unsigned int step, unsigned int i)
{
	struct fake_port *a = lng.p[i], *b = shrt.p[i];
	struct vsw_port_stats sa, sb;
	unsigned int k;

	cr_assert_eq(a->nr_out, b->nr_out, "step %u port %u: %u and %u", step, i, a->nr_out,
		     b->nr_out);
	for (k = 0; k < a->nr_out && k < FAKE_FRAMES; k++) {
		const struct fake_frame *fa = &a->out[k], *fb = &b->out[k];

		cr_assert(fa->len == fb->len && fa->flags == fb->flags && fa->tci == fb->tci &&
				  memcmp(fa->bytes, fb->bytes, fa->len) == 0,
			  "step %u port %u frame %u", step, i, k);
	}
	vsw_port_stats_get(lng.sw, vsw_port_id(a->port), &sa);
	vsw_port_stats_get(shrt.sw, vsw_port_id(b->port), &sb);
	for (k = 0; k < VSW_DROP_COUNT; k++)
		cr_assert_eq(sa.drops[k], sb.drops[k], "step %u port %u %s", step, i,
			     vsw_drop_name(k));
	cr_assert(sa.in_packets == sb.in_packets && sa.in_bytes == sb.in_bytes &&
			  sa.copies == sb.copies && sa.delivered == sb.delivered &&
			  sa.out_packets == sb.out_packets && sa.out_bytes == sb.out_bytes,
		  "step %u port %u", step, i);
	fake_clear(a);
	fake_clear(b);
}

static void twins_step(unsigned int step)
{
	unsigned int i;

	for (i = 0; i < PORTS; i++) {
		lng.p[i]->refuse = shrt.p[i]->refuse =
			prng_below(&rnd, 12) ? 0 : VSW_DROP_rx_no_buffer;
		lng.p[i]->room = shrt.p[i]->room =
			prng_below(&rnd, 12) ? 0 : (uint16_t)(1 + prng_below(&rnd, 9));
		twins_send(i, prng_below(&rnd, 2) ? prng_below(&rnd, 20) : 0);
	}
	bed_poll(&lng);
	bed_poll(&shrt);
	for (i = 0; i < PORTS; i++)
		twins_compare_port(step, i);
	cr_assert(fake_is_balanced(lng.sw), "step %u", step);
}

Test(vsw_stages, the_long_way_with_nothing_on_it_is_the_short_one)
{
	unsigned int step, steps = prng_steps(300);

	prng_init(&rnd);
	for (step = 0; step < steps; step++) {
		if (step % 50 == 0) {
			if (step) {
				bed_down(&lng);
				bed_down(&shrt);
			}
			twins_up();
		}
		twins_step(step);
	}
	bed_down(&lng);
	bed_down(&shrt);
}

/* ---- Filters that do things, and a model of them -------------------------------------------- */

#define LEVELS	 2u /* level 0 is on top: first on ingress, last on egress */
#define LEN_MAX	 300u
#define WANT_MAX 256u
#define HELD_MAX 512u

enum act {
	PASS,
	DROP,
	EDIT,
	CLONE,
	EDIT_CLONE,
	CLONE_EDIT,
	HOLD,
	HOLD_DROP,
	HOLD_TWICE,
	EDIT_HOLD,
	TAG,
	SOURCE,
	SOURCE_HOLD,
	ACTS
};

/* A packet in the model. */
struct thing {
	uint8_t bytes[LEN_MAX];
	uint32_t len;
	uint16_t vlan;
	uint8_t src, acct; /* ports of the bed */
	bool is_clone, is_tagged;
	uint8_t nr_dst, dst[PORTS];
};

struct kept {
	struct thing t;
	bool is_egress;
	uint64_t hash;
};

struct filter {
	struct hooks k;
	unsigned int level;
	uint32_t handle[HELD_MAX];
	uint64_t hash[HELD_MAX];
	unsigned int nr_held;
	struct kept kept[HELD_MAX];
	unsigned int nr_kept;
};

static struct filter filters[LEVELS];
static uint64_t salt;
static uint16_t pvid[PORTS], id[PORTS];
static struct thing want[PORTS][WANT_MAX];
static unsigned int nr_want[PORTS];
static uint64_t drops[PORTS][VSW_DROP_COUNT];

static uint64_t hash_more(uint64_t h, const void *p, uint32_t n)
{
	const uint8_t *b = p;

	while (n--)
		h = (h ^ *b++) * 0x100000001B3ull;
	return h ^ h >> 29;
}

/* Equal packets at the same place have equal fates. */
static uint64_t hash_of(unsigned int level, bool is_egress, const uint8_t *frame, uint32_t len,
			uint16_t vlan, uint16_t src, bool is_clone)
{
	uint64_t where[] = {salt, level, is_egress, len, vlan, src, is_clone};

	return hash_more(hash_more(0xCBF29CE484222325ull, where, sizeof(where)), frame, len);
}

static uint64_t hash_thing(unsigned int level, bool is_egress, const struct thing *t)
{
	uint64_t h = hash_of(level, is_egress, t->bytes, t->len, t->vlan, id[t->src], t->is_clone);
	unsigned int k;

	for (k = 0; k < t->nr_dst; k++)
		h = hash_more(h, &id[t->dst[k]], sizeof(id[0]));
	return h;
}

static enum act act_of(uint64_t h)
{
	return h % 3 == 0 ? (enum act)(h / 3 % ACTS) : PASS;
}

static bool is_edit(enum act a)
{
	return a == EDIT || a == EDIT_CLONE || a == CLONE_EDIT || a == EDIT_HOLD;
}

static bool is_source(enum act a)
{
	return a == SOURCE || a == SOURCE_HOLD;
}

static bool is_hold(enum act a)
{
	return a == HOLD || a == HOLD_DROP || a == HOLD_TWICE || a == EDIT_HOLD;
}

static uint16_t new_vlan(uint64_t h)
{
	return h >> 20 & 1 ? 5 : 6;
}

static uint8_t new_source(uint64_t h)
{
	return (uint8_t)((h >> 24) % PORTS);
}

static bool is_excluded(uint64_t h, uint16_t port)
{
	return (h >> (port % 32) & 0x300) == 0x300;
}

/* The model. */

static void model_ingress(struct thing t, unsigned int level);

static void model_deliver(const struct thing *t)
{
	unsigned int k, to;

	for (k = 0; k < t->nr_dst; k++) {
		to = t->dst[k];
		cr_assert_lt(nr_want[to], WANT_MAX);
		want[to][nr_want[to]++] = *t;
	}
}

static void model_keep(unsigned int level, bool is_egress, const struct thing *t, uint64_t h)
{
	struct filter *f = &filters[level];

	cr_assert_lt(f->nr_kept, HELD_MAX);
	f->kept[f->nr_kept++] = (struct kept){*t, is_egress, h};
}

static void model_exclude(struct thing *t, uint64_t h)
{
	unsigned int k, n = 0;

	for (k = 0; k < t->nr_dst; k++) {
		if (is_excluded(h, id[t->dst[k]]))
			drops[t->acct][VSW_DROP_excluded]++;
		else
			t->dst[n++] = t->dst[k];
	}
	t->nr_dst = (uint8_t)n;
}

/* From below: @left levels are to be passed. */
static void model_egress(struct thing t, unsigned int left)
{
	uint64_t h;
	enum act act;

	if (t.nr_dst == 0)
		return;
	if (left == 0) {
		model_deliver(&t);
		return;
	}
	h = hash_thing(left - 1, true, &t);
	act = act_of(h);
	if (act == DROP) {
		drops[t.acct][VSW_DROP_filtered] += t.nr_dst;
		return;
	}
	if (act == HOLD || act == HOLD_DROP || act == HOLD_TWICE) {
		model_keep(left - 1, true, &t, h);
		return;
	}
	if (act == CLONE) {
		struct thing c = t;

		c.is_clone = true;
		model_egress(c, left - 1);
	}
	model_exclude(&t, h);
	model_egress(t, left - 1);
}

static void model_forward(struct thing t)
{
	uint64_t dst = 0;
	unsigned int i, to = PORTS;

	if (t.vlan == VLAN_NONE) {
		drops[t.acct][VSW_DROP_vlan_denied]++;
		return;
	}
	memcpy(&dst, t.bytes, 6);
	for (i = 0; i < PORTS; i++)
		if (dst == BED_MAC(i) && pvid[i] == t.vlan)
			to = i;
	if (to == t.src) {
		drops[t.acct][VSW_DROP_same_port]++;
		return;
	}
	for (i = 0; i < PORTS; i++)
		if (to == PORTS ? i != t.src && pvid[i] == t.vlan : i == to)
			t.dst[t.nr_dst++] = (uint8_t)i;
	if (t.nr_dst == 0)
		drops[t.acct][VSW_DROP_no_destination]++;
	model_egress(t, LEVELS);
}

static void model_clone(struct thing t, unsigned int level)
{
	t.is_clone = true;
	model_ingress(t, level + 1);
}

static void model_ingress(struct thing t, unsigned int level)
{
	uint64_t h;
	enum act act;

	if (level == LEVELS) {
		model_forward(t);
		return;
	}
	h = hash_thing(level, false, &t);
	act = act_of(h);
	if (act == CLONE || act == CLONE_EDIT)
		model_clone(t, level);
	if (is_edit(act))
		t.bytes[18] = (uint8_t)(h >> 40);
	if (act == EDIT_CLONE)
		model_clone(t, level);
	if (act == TAG) {
		t.vlan = new_vlan(h);
		t.is_tagged = true;
	}
	if (is_source(act) &&
	    t.src != new_source(h)) { /* where the tag may be none that it may send */
		t.src = new_source(h);
		if (t.vlan != pvid[t.src])
			t.vlan = t.is_tagged ? VLAN_NONE : pvid[t.src];
	}
	if (act == DROP)
		drops[t.acct][VSW_DROP_filtered]++;
	else if (is_hold(act))
		model_keep(level, false, &t, h);
	else
		model_ingress(t, level + 1);
}

/* Of equal ones any. */
static void model_release(unsigned int level, uint64_t hash, bool is_discarded)
{
	struct filter *f = &filters[level];
	struct kept kept;
	unsigned int k;

	for (k = 0; k < f->nr_kept && f->kept[k].hash != hash; k++)
		;
	cr_assert_lt(k, f->nr_kept, "the switch held what the model did not");
	kept = f->kept[k];
	f->kept[k] = f->kept[--f->nr_kept];
	if (is_discarded)
		drops[kept.t.acct][VSW_DROP_filtered] += kept.is_egress ? kept.t.nr_dst : 1;
	else if (kept.is_egress)
		model_egress(kept.t, level);
	else
		model_ingress(kept.t, level + 1);
}

/* The filters. */

static void hold(struct filter *f, struct nethv_burst *b, uint16_t i, uint64_t h)
{
	cr_assert_lt(f->nr_held, HELD_MAX);
	cr_assert_eq(b->host->hold(b, i, &f->handle[f->nr_held]), NETHV_OK);
	f->hash[f->nr_held++] = h;
}

static uint64_t hash_pkt(const struct filter *f, struct nethv_burst *b, uint16_t i)
{
	const struct nethv_pkt *p = b->pkt[i];
	uint8_t frame[LEN_MAX];
	uint64_t h;
	uint32_t d;

	cr_assert_leq(p->len, LEN_MAX);
	cr_assert_eq(nethv_copy(b, i, 0, frame, p->len), NETHV_OK);
	h = hash_of(f->level, b->flags & NETHV_BURST_EGRESS, frame, p->len, p->vlan, p->src_port,
		    p->flags & NETHV_PKT_CLONE);
	for (d = p->dst_first; d < p->dst_first + p->ndst; d++)
		if (!(b->dst[d].flags & NETHV_DST_EXCLUDED))
			h = hash_more(h, &b->dst[d].port, sizeof(b->dst[d].port));
	return h;
}

static void filter_in(struct hooks *k, struct nethv_burst *b)
{
	struct filter *f = (struct filter *)k;
	uint16_t i;

	for (i = 0; i < b->n; i++) {
		uint64_t h = hash_pkt(f, b, i);
		enum act act = act_of(h);
		uint8_t byte = (uint8_t)(h >> 40);
		int rc = NETHV_OK;

		if (act == CLONE || act == CLONE_EDIT)
			rc |= nethv_clone(b, i);
		if (is_edit(act))
			rc |= nethv_edit(b, i, 18, &byte, 1);
		if (act == EDIT_CLONE)
			rc |= nethv_clone(b, i);
		if (act == TAG)
			rc |= b->host->set_vlan(b, i, new_vlan(h));
		if (is_source(act))
			rc |= b->host->set_source(b, i, id[new_source(h)]);
		if (is_hold(act))
			hold(f, b, i, h);
		/* Refused: it went elsewhere. A source that it has already moves nothing. */
		if (act == HOLD_TWICE ||
		    (act == SOURCE_HOLD && id[new_source(h)] != b->pkt[i]->src_port))
			cr_assert_lt(b->host->hold(b, i, &(uint32_t){0}), 0);
		if (act == DROP || act == HOLD_DROP)
			b->verdict[i] = 1;
		cr_assert_eq(rc, NETHV_OK);
	}
}

static void filter_out(struct hooks *k, struct nethv_burst *b)
{
	struct filter *f = (struct filter *)k;
	uint16_t i;
	uint32_t d;

	for (i = 0; i < b->n; i++) {
		uint64_t h = hash_pkt(f, b, i);
		enum act act = act_of(h);

		if (act == CLONE)
			cr_assert_eq(nethv_clone(b, i), NETHV_OK);
		if (act == HOLD || act == HOLD_DROP || act == HOLD_TWICE)
			hold(f, b, i, h);
		if (act == HOLD_TWICE)
			cr_assert_lt(b->host->hold(b, i, &(uint32_t){0}), 0);
		if (act == DROP || act == HOLD_DROP)
			b->verdict[i] = 1;
		for (d = b->pkt[i]->dst_first; d < b->pkt[i]->dst_first + b->pkt[i]->ndst; d++)
			if (is_excluded(h, b->dst[d].port))
				nethv_exclude(b, d);
	}
}

static void filter_poll(struct hooks *k, struct nethv_burst *b)
{
	struct filter *f = (struct filter *)k;
	unsigned int n = prng_below(&rnd, 8), i;

	while (n-- && f->nr_held) {
		bool is_discarded = prng_below(&rnd, 4) == 0;
		int rc;

		i = prng_below(&rnd, f->nr_held);
		rc = is_discarded ? b->host->discard(b, f->handle[i], 0)
				  : b->host->release(b, f->handle[i]);
		cr_assert_eq(rc, NETHV_OK);
		model_release(f->level, f->hash[i], is_discarded);
		f->handle[i] = f->handle[--f->nr_held];
		f->hash[i] = f->hash[f->nr_held];
	}
}

static void filters_up(void)
{
	unsigned int i;

	bed_up(&bed, 1, 0);
	for (i = 0; i < PORTS; i++) {
		static const uint16_t vids[] = {0, 0, 5, 6};
		struct vsw_port_cfg cfg = {.pvid = vids[prng_below(&rnd, 4)]};
		uint64_t mac = BED_MAC(i);

		snprintf(cfg.name, sizeof(cfg.name), "p%u", i);
		memcpy(cfg.mac, &mac, 6);
		bed_port(&bed, i, cfg);
		bed.p[i]->is_scattered = prng_below(&rnd, 2);
		bed.p[i]->hdr_len = 64 + (uint16_t)prng_below(&rnd, 65);
		pvid[i] = cfg.pvid;
		id[i] = vsw_port_id(bed.p[i]->port);
	}
	memset(filters, 0, sizeof(filters));
	for (i = 0; i < LEVELS; i++) {
		filters[i].level = i;
		filters[i].k.ingress = filter_in;
		filters[i].k.egress = filter_out;
		filters[i].k.poll = filter_poll;
	}
	bed_hook(&bed, "hook-holder", "lower", &filters[1].k);
	bed_hook(&bed, "hook-holder", "upper", &filters[0].k);
	memset(drops, 0, sizeof(drops));
	salt = prng_next(&rnd);
}

/* Sources are group addresses, so that nothing is learned. */
static void filters_send(unsigned int i)
{
	uint64_t dst = prng_below(&rnd, 3) ? BED_MAC(prng_below(&rnd, PORTS + 1)) : BED_BCAST;
	uint32_t len = 60 + prng_below(&rnd, LEN_MAX - 60);
	struct fake_frame *fr = fake_send(bed.p[i], 0, 0);
	struct thing t = {.len = len, .vlan = pvid[i], .src = (uint8_t)i, .acct = (uint8_t)i};

	fake_build(fr, dst, prng_next(&rnd) << 8 | 1, len, (uint8_t)prng_next(&rnd));
	memcpy(t.bytes, fr->bytes, len);
	model_ingress(t, 0);
}

static int by_bytes(const void *a, const void *b)
{
	const struct thing *x = a, *y = b;
	int rc = memcmp(x->bytes, y->bytes, LEN_MAX);

	return rc ? rc : (int)x->len - (int)y->len;
}

static void filters_compare(unsigned int step, unsigned int i)
{
	static struct thing got[WANT_MAX];
	struct fake_port *p = bed.p[i];
	struct vsw_port_stats st;
	unsigned int k;

	cr_assert_eq(p->nr_out, nr_want[i], "step %u port %u: %u, want %u", step, i, p->nr_out,
		     nr_want[i]);
	memset(got, 0, sizeof(got));
	for (k = 0; k < p->nr_out; k++) {
		cr_assert_eq(p->out[k].flags, 0);
		got[k].len = p->out[k].len;
		memcpy(got[k].bytes, p->out[k].bytes, got[k].len);
	}
	qsort(got, p->nr_out, sizeof(got[0]), by_bytes);
	qsort(want[i], nr_want[i], sizeof(want[i][0]), by_bytes);
	for (k = 0; k < p->nr_out; k++)
		cr_assert_eq(by_bytes(&got[k], &want[i][k]), 0, "step %u port %u", step, i);
	vsw_port_stats_get(bed.sw, id[i], &st);
	for (k = 0; k < VSW_DROP_COUNT; k++)
		cr_assert_eq(st.drops[k], drops[i][k], "step %u port %u %s: %lu, want %lu", step, i,
			     vsw_drop_name(k), st.drops[k], drops[i][k]);
	nr_want[i] = 0;
	fake_clear(p);
}

/* in + copies = delivered + drops + what is held, towards each destination. */
static void filters_balance(unsigned int step, unsigned int i)
{
	uint64_t sum = 0;
	struct vsw_port_stats st;
	unsigned int k, l;

	vsw_port_stats_get(bed.sw, id[i], &st);
	for (k = 0; k < VSW_DROP_COUNT; k++)
		sum += st.drops[k];
	for (l = 0; l < LEVELS; l++) {
		for (k = 0; k < filters[l].nr_kept; k++) {
			const struct kept *q = &filters[l].kept[k];

			if (q->t.acct == i)
				sum += q->is_egress ? q->t.nr_dst : 1;
		}
	}
	cr_assert_eq(st.in_packets + st.copies, st.delivered + sum, "step %u port %u", step, i);
}

static void filters_step(unsigned int step)
{
	unsigned int i, n;

	for (i = 0; i < PORTS; i++)
		for (n = prng_below(&rnd, 3) ? 0 : prng_below(&rnd, 10); n; n--)
			filters_send(i);
	bed_poll(&bed);
	for (i = 0; i < PORTS; i++) {
		filters_compare(step, i);
		filters_balance(step, i);
	}
	for (i = 0; i < LEVELS; i++)
		cr_assert_eq(filters[i].nr_kept, filters[i].nr_held, "step %u", step);
}

Test(vsw_stages, filters_do_what_a_naive_model_says)
{
	unsigned int step, steps = prng_steps(400), i;

	prng_init(&rnd);
	for (step = 0; step < steps; step++) {
		if (step % 100 == 0) {
			if (step)
				bed_down(&bed);
			filters_up();
		}
		filters_step(step);
	}
	for (i = 0; i < LEVELS; i++)
		cr_assert_eq(bed_status(&bed, i ? "lower" : "upper").state, VSW_EXT_ENABLED);
	bed_down(&bed);
}
