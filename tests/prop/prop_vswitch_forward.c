/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch against a naive one: random ports, VLANs, tags and frames; ports come and go. The same
 * frames must come out of the same ports in the same order with the same tags, each loss must have
 * the same reason, and the books must balance after each step. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/fakeport.h"
#include "tests/support/prng.h"
#include "vswitch/priv.h"

TestSuite(vsw_forward, .init = eal_up);

#define PORTS 7u
#define VIDS  4u
#define MACS  10u
#define RULES 4096u

struct naive_port {
	struct fake_port *f; /* NULL: not there */
	uint64_t mac;
	bool is_trunk, is_guarded;
	uint16_t pvid;
	bool allowed[VIDS];
	struct fake_frame want[FAKE_FRAMES];
	unsigned int nr_want;
	uint64_t drops[VSW_DROP_COUNT];
};

struct naive_rule {
	uint64_t mac;
	uint16_t vid, port;
	bool is_used;
};

static struct naive_port ports[PORTS];
static struct naive_rule rules[RULES], news[RULES];
static unsigned int nr_rules, nr_news;
static struct vsw *sw;
static struct prng rnd;

static uint64_t mac_of(unsigned int i)
{
	return 0x020000000002ull + ((uint64_t)i << 24);
}

static bool naive_member(const struct naive_port *p, unsigned int vid)
{
	return p->f && (vid == p->pvid || (p->is_trunk && vid < VIDS && p->allowed[vid]));
}

static struct naive_rule *naive_rule_of(uint64_t mac, uint16_t vid)
{
	unsigned int i;

	for (i = 0; i < nr_rules; i++) {
		if (rules[i].is_used && rules[i].mac == mac && rules[i].vid == vid)
			return &rules[i];
	}
	return NULL;
}

/* The port whose own address @mac is, in a VLAN where that counts; -1: none. */
static int naive_owner(uint64_t mac, uint16_t vid)
{
	unsigned int i;

	for (i = 0; i < PORTS; i++) {
		if (ports[i].mac == mac && mac && naive_member(&ports[i], vid))
			return (int)i;
	}
	return -1;
}

static int naive_look_up(uint64_t mac, uint16_t vid)
{
	const struct naive_rule *r = naive_rule_of(mac, vid);

	return r ? r->port : naive_owner(mac, vid);
}

static void naive_see(unsigned int from, uint64_t mac, uint16_t vid)
{
	const struct naive_rule *r = naive_rule_of(mac, vid);

	if (mac == ports[from].mac || (mac & 1) || !mac || (r && r->port == from))
		return;
	news[nr_news++] = (struct naive_rule){mac, vid, (uint16_t)from, true};
}

/* What was seen in a round is known after it. */
static void naive_learn(void)
{
	unsigned int i;

	for (i = 0; i < nr_news; i++) {
		struct naive_rule *r = naive_rule_of(news[i].mac, news[i].vid);
		int owner = naive_owner(news[i].mac, news[i].vid);

		if (owner >= 0 && owner != news[i].port)
			continue;
		if (r)
			r->port = news[i].port;
		else
			rules[nr_rules++] = news[i];
	}
	nr_news = 0;
}

/* One frame as it was made, before any tag is put into its bytes. */
struct made {
	struct fake_frame plain;
	uint64_t dst, src;
	int oob, in1, in2; /* TCI, or -1 */
};

static void naive_out(struct naive_port *from, struct naive_port *to, const struct made *m,
		      uint16_t vid, uint16_t prio)
{
	struct fake_frame *w = &to->want[to->nr_want];

	if (to->f->refuse) {
		from->drops[to->f->refuse]++;
		return;
	}
	cr_assert_lt(to->nr_want, FAKE_FRAMES);
	*w = m->plain;
	w->flags = to->is_trunk && vid != to->pvid ? NETHV_PKT_VLAN : 0;
	w->tci = w->flags ? (uint16_t)(prio | vid) : 0;
	to->nr_want++;
}

static enum vsw_drop naive_enter(const struct naive_port *p, const struct made *m, uint16_t *vid,
				 uint16_t *prio)
{
	int tag = m->oob >= 0 ? m->oob : m->in1;

	if (m->plain.drop_reason)
		return m->plain.drop_reason;
	if ((m->oob >= 0 && m->in1 >= 0) || m->in2 >= 0)
		return VSW_DROP_vlan_denied;
	*vid = tag >= 0 && (tag & 0xFFF) ? tag & 0xFFF : p->pvid;
	*prio = tag >= 0 ? tag & 0xF000 : 0;
	if (!naive_member(p, *vid))
		return VSW_DROP_vlan_denied;
	return p->is_guarded && m->src != p->mac ? VSW_DROP_spoofed_mac : VSW_DROP_none;
}

static void naive_flood(unsigned int from, const struct made *m, uint16_t vid, uint16_t prio)
{
	unsigned int i, n = 0;

	for (i = 0; i < PORTS; i++) {
		if (i == from || !naive_member(&ports[i], vid))
			continue;
		naive_out(&ports[from], &ports[i], m, vid, prio);
		n++;
	}
	if (n == 0)
		ports[from].drops[VSW_DROP_no_destination]++;
}

static void naive_forward(unsigned int from, const struct made *m)
{
	struct naive_port *p = &ports[from];
	uint16_t vid, prio;
	enum vsw_drop lost = naive_enter(p, m, &vid, &prio);
	int to;

	if (lost) {
		p->drops[lost]++;
		return;
	}
	naive_see(from, m->src, vid);
	to = m->dst & 1 ? -1 : naive_look_up(m->dst, vid);
	if (to < 0)
		naive_flood(from, m, vid, prio);
	else if ((unsigned int)to == from)
		p->drops[VSW_DROP_same_port]++;
	else
		naive_out(p, &ports[to], m, vid, prio);
}

static int random_tci(void)
{
	static const uint16_t vids[] = {0, 1, 2, 3, 77, 4095};

	return (int)(prng_below(&rnd, 16) << 12 | vids[prng_below(&rnd, 6)]);
}

static void put_tag(struct fake_frame *fr, int tci)
{
	memmove(fr->bytes + 16, fr->bytes + 12, fr->len - 12);
	fr->bytes[12] = 0x81;
	fr->bytes[13] = 0x00;
	fr->bytes[14] = (uint8_t)(tci >> 8);
	fr->bytes[15] = (uint8_t)tci;
	fr->len += 4;
}

static void make(struct made *m, uint64_t usual_src)
{
	static const uint64_t odd[] = {0xFFFFFFFFFFFFull, 0x01, 0x0, 0x5e0001};
	uint32_t kind = prng_below(&rnd, 8);

	m->dst = kind == 0 ? odd[prng_below(&rnd, 4)] : mac_of(prng_below(&rnd, MACS));
	m->src = prng_below(&rnd, 4)   ? usual_src
		 : prng_below(&rnd, 9) ? mac_of(prng_below(&rnd, MACS))
				       : odd[prng_below(&rnd, 4)];
	m->oob = prng_below(&rnd, 4) ? -1 : random_tci();
	m->in1 = prng_below(&rnd, 4) ? -1 : random_tci();
	m->in2 = m->in1 < 0 || prng_below(&rnd, 8) ? -1 : random_tci();
	fake_build(&m->plain, m->dst, m->src, 14 + prng_below(&rnd, prng_below(&rnd, 2) ? 60 : 900),
		   (uint8_t)prng_next(&rnd));
	if (prng_below(&rnd, 40) == 0)
		m->plain.drop_reason = VSW_DROP_bad_rndis;
}

static void send(unsigned int from, const struct made *m)
{
	struct fake_frame *fr = fake_send(ports[from].f, 0, 0);

	*fr = m->plain;
	if (m->in2 >= 0)
		put_tag(fr, m->in2);
	if (m->in1 >= 0)
		put_tag(fr, m->in1);
	if (m->oob >= 0) {
		fr->flags = NETHV_PKT_VLAN;
		fr->tci = (uint16_t)m->oob;
	}
}

static void round_of_traffic(void)
{
	unsigned int i, k, n;
	struct made m;

	for (i = 0; i < PORTS; i++) {
		uint64_t src = mac_of(prng_below(&rnd, MACS));

		n = ports[i].f && prng_below(&rnd, 3) ? prng_below(&rnd, 24) : 0;
		for (k = 0; k < n; k++) {
			if (k == 0 || prng_below(&rnd, 2))
				make(&m, prng_below(&rnd, 2) && ports[i].mac ? ports[i].mac : src);
			send(i, &m); /* trains of equal frames, too */
			naive_forward(i, &m);
		}
	}
	naive_learn();
	fake_switch_poll(sw);
}

static void compare(unsigned int step)
{
	unsigned int i, k;

	for (i = 0; i < PORTS; i++) {
		struct naive_port *p = &ports[i];
		struct vsw_port_stats st;

		if (!p->f)
			continue;
		cr_assert_eq(p->f->nr_out, p->nr_want, "step %u port %u: %u, want %u", step, i,
			     p->f->nr_out, p->nr_want);
		for (k = 0; k < p->nr_want; k++) {
			const struct fake_frame *g = &p->f->out[k], *w = &p->want[k];

			cr_assert_eq(g->len, w->len, "step %u port %u frame %u", step, i, k);
			cr_assert_eq(g->flags, w->flags, "step %u port %u frame %u", step, i, k);
			cr_assert_eq(g->tci, w->tci, "step %u port %u frame %u", step, i, k);
			cr_assert_eq(memcmp(g->bytes, w->bytes, w->len), 0);
		}
		vsw_port_stats_get(sw, vsw_port_id(p->f->port), &st);
		for (k = 0; k < VSW_DROP_COUNT; k++)
			cr_assert_eq(st.drops[k], p->drops[k], "step %u port %u %s", step, i,
				     vsw_drop_name(k));
		fake_clear(p->f);
		p->nr_want = 0;
	}
	cr_assert(fake_is_balanced(sw), "step %u", step);
}

static void port_goes(unsigned int i)
{
	unsigned int k;

	fake_port_free(ports[i].f);
	ports[i].f = NULL;
	ports[i].mac = 0;
	for (k = 0; k < nr_rules; k++) {
		if (rules[k].port == i)
			rules[k].is_used = false;
	}
}

static void rules_compact(void)
{
	unsigned int k, n = 0;

	for (k = 0; k < nr_rules; k++) {
		if (rules[k].is_used)
			rules[n++] = rules[k];
	}
	nr_rules = n;
}

static void port_comes(unsigned int i)
{
	struct naive_port *p = &ports[i];
	struct vsw_port_cfg cfg = {.nr_queues = 1};
	unsigned int k;

	p->is_trunk = prng_below(&rnd, 2);
	p->pvid = (uint16_t)prng_below(&rnd, VIDS);
	p->mac = prng_below(&rnd, 2) ? mac_of(i) : 0;
	p->is_guarded = p->mac && prng_below(&rnd, 2);
	snprintf(cfg.name, sizeof(cfg.name), "port%u", i);
	for (k = 0; k < VIDS; k++) {
		p->allowed[k] = prng_below(&rnd, 2);
		cfg.allowed[0] |= (uint64_t)p->allowed[k] << k;
	}
	cfg.vlan_mode = p->is_trunk ? VSW_VLAN_TRUNK : VSW_VLAN_ACCESS;
	cfg.pvid = p->pvid;
	cfg.is_spoof_guarded = p->is_guarded;
	memcpy(cfg.mac, &p->mac, 6);
	p->f = fake_port_new(sw, &cfg);
	cr_assert_not_null(p->f, "%s", err_text());
	p->f->is_scattered = prng_below(&rnd, 2);
	p->f->hdr_len = 64 + (uint16_t)prng_below(&rnd, 64);
	p->f->hdr_off = (uint16_t)prng_below(&rnd, VSW_SNAP_SIZE - p->f->hdr_len + 1);
	for (k = 0; k < nr_rules; k++) {
		if (p->mac && rules[k].mac == p->mac && naive_member(p, rules[k].vid))
			rules[k].is_used = false;
	}
}

Test(vsw_forward, agrees_with_a_naive_switch)
{
	static const uint8_t refusals[] = {VSW_DROP_rx_filter, VSW_DROP_port_down,
					   VSW_DROP_rx_no_buffer, VSW_DROP_too_big};
	struct vsw_cfg cfg = {.nr_lcores = 1, .lcore_id = {1}};
	unsigned int step, steps = prng_steps(4000), i;

	prng_init(&rnd);
	cr_assert_eq(vsw_create(&sw, &cfg), 0, "%s", err_text());
	for (i = 0; i < PORTS; i++) /* so that ids are in this order */
		port_comes(i);
	for (step = 0; step < steps; step++) {
		i = prng_below(&rnd, PORTS);
		switch (prng_below(&rnd, 16)) {
		case 0:
			if (ports[i].f)
				port_goes(i);
			else
				port_comes(i);
			rules_compact();
			break;
		case 1:
			if (ports[i].f)
				ports[i].f->refuse =
					prng_below(&rnd, 2) ? refusals[prng_below(&rnd, 4)] : 0;
			break;
		default: round_of_traffic();
		}
		compare(step);
	}
	for (i = 0; i < PORTS; i++)
		fake_port_free(ports[i].f);
	vsw_destroy(sw);
}
