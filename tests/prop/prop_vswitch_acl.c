/* SPDX-License-Identifier: BSD-3-Clause */
/* Random rules and packets against a matcher that goes through the rules one by one, and through a
 * plain list of connections and datagrams. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/polbed.h"
#include "tests/support/prng.h"

TestSuite(vsw_acl, .init = eal_up);

#define RULES_MAX 60u
#define KNOWN_MAX 20000u

static struct polbed bed;
static struct vsw_acl_rule rules[RULES_MAX];
static struct vsw_policy_cfg cfg = {.rules = rules};
static struct prng rng;

/* What a packet is to the naive matcher. */
struct seen {
	struct polbed_pkt p;
	uint8_t way;
};

struct flow {
	bool is_v6;
	uint8_t proto;
	uint32_t own, other;
	uint16_t own_port, other_port;
	uint8_t opened_by;
	unsigned int change; /* when it was last judged */
};

static struct flow flows[KNOWN_MAX];
static unsigned int nr_flows, nr_changes;
static struct seen datagrams[KNOWN_MAX];
static unsigned int nr_datagrams;

/* ---- Random things from few values, so that they meet ---------------------------------------- */

static const uint32_t addresses[] = {0x0A000001, 0x0A000002, 0x0A000101, 0x0A010001, 0xC0A80001};
static const uint16_t ports[] = {0, 1, 22, 80, 81, 1000, 65535};
static const uint8_t protos[] = {6, 17, 47, 132};

#define PICK(a) a[prng_below(&rng, sizeof(a) / sizeof(a[0]))]

static struct vsw_acl_prefix random_prefix(bool is_v6)
{
	struct vsw_acl_prefix p = {.len = (uint8_t)prng_below(&rng, is_v6 ? 129 : 33)};
	uint32_t a = PICK(addresses);
	unsigned int i, at = is_v6 ? 12 : 0;

	if (prng_below(&rng, 3) == 0)
		p.len = 0;
	if (is_v6)
		p.addr[0] = 0xFD;
	for (i = 0; i < 4; i++)
		p.addr[at + i] = (uint8_t)(a >> (24 - 8 * i));
	for (i = p.len; i < (is_v6 ? 128u : 32u); i++)
		p.addr[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
	return p;
}

static struct vsw_acl_range random_range(void)
{
	struct vsw_acl_range r = {PICK(ports), PICK(ports)};

	if (r.first > r.last)
		r = (struct vsw_acl_range){r.last, r.first};
	return prng_below(&rng, 2) ? r : (struct vsw_acl_range){0, 0};
}

static struct vsw_acl_rule random_rule(void)
{
	struct vsw_acl_rule r = polbed_rule("r", prng_below(&rng, 2) ? VSW_ACL_IP4 : VSW_ACL_IP6);

	r.ways = (uint8_t)(1 + prng_below(&rng, 3));
	r.action = (uint8_t)prng_below(&rng, 2);
	r.is_stateful = r.action == VSW_ACL_PERMIT && prng_below(&rng, 2);
	r.proto = prng_below(&rng, 3) ? PICK(protos) : 0;
	r.src = random_prefix(r.layer == VSW_ACL_IP6);
	r.dst = random_prefix(r.layer == VSW_ACL_IP6);
	if (r.proto && r.proto != 47) {
		r.src_port = random_range();
		r.dst_port = random_range();
	}
	return r;
}

static struct polbed_pkt random_packet(void)
{
	struct polbed_pkt p = {.is_v6 = prng_below(&rng, 2),
			       .proto = PICK(protos),
			       .src = PICK(addresses),
			       .dst = PICK(addresses),
			       .tcp = 16};

	if (p.proto != 47) {
		p.sport = PICK(ports);
		p.dport = PICK(ports);
	}
	if (prng_below(&rng, 4) == 0) {
		p.is_fragment = p.is_v6;
		p.dst = addresses[0]; /* so few that none is forgotten */
		p.id = (uint16_t)prng_below(&rng, 2);
		if (prng_below(&rng, 2))
			p.frag = p.is_v6 ? 1 : 0x2000; /* the first */
		else
			p.frag = p.is_v6 ? 16 : 2;
	}
	return p;
}

/* ---- The naive matcher ------------------------------------------------------------------------ */

static bool is_later(const struct polbed_pkt *p)
{
	return p->is_v6 ? p->is_fragment && p->frag & 0xFFF8 : p->frag & 0x1FFF;
}

static bool is_first(const struct polbed_pkt *p)
{
	return p->frag && !is_later(p);
}

static bool naive_prefix(const struct vsw_acl_prefix *p, bool is_v6, uint32_t a)
{
	uint8_t addr[16] = {0xFD};
	unsigned int i, at = is_v6 ? 12 : 0;

	for (i = 0; i < 4; i++)
		addr[at + i] = (uint8_t)(a >> (24 - 8 * i));
	for (i = 0; i < p->len; i++) {
		if ((addr[i / 8] ^ p->addr[i / 8]) & (0x80 >> i % 8))
			return false;
	}
	return true;
}

static bool naive_range(const struct vsw_acl_range *r, uint16_t v)
{
	return (!r->first && !r->last) || (v >= r->first && v <= r->last);
}

static bool names_ports(const struct vsw_acl_rule *r)
{
	return r->src_port.first || r->src_port.last || r->dst_port.first || r->dst_port.last;
}

/* Of a later fragment: whether the rule means it, as far as that can be said for sure or not. */
static bool naive_blind(const struct vsw_acl_rule *r, const struct polbed_pkt *p)
{
	if (r->action == VSW_ACL_DENY)
		return p->is_v6 || !r->proto || r->proto == p->proto;
	return !names_ports(r) && (!r->proto || (!p->is_v6 && r->proto == p->proto));
}

static bool naive_match(const struct vsw_acl_rule *r, const struct seen *s)
{
	const struct polbed_pkt *p = &s->p;

	if (!(r->ways & 1 << s->way) || (r->layer == VSW_ACL_IP6) != p->is_v6 ||
	    !naive_prefix(&r->src, p->is_v6, p->src) || !naive_prefix(&r->dst, p->is_v6, p->dst))
		return false;
	if (is_later(p))
		return naive_blind(r, p);
	return (!r->proto || r->proto == p->proto) && naive_range(&r->src_port, p->sport) &&
	       naive_range(&r->dst_port, p->dport);
}

static const struct vsw_acl_rule *naive_rule(const struct seen *s)
{
	unsigned int i;

	for (i = 0; i < cfg.nr_rules; i++) {
		if (naive_match(&rules[i], s))
			return &rules[i];
	}
	return NULL;
}

static struct flow flow_of(const struct seen *s)
{
	const struct polbed_pkt *p = &s->p;
	struct flow f = {p->is_v6, p->proto, p->src, p->dst,
			 p->sport, p->dport, s->way, nr_changes};

	if (s->way == VSW_POLICY_EGRESS)
		f = (struct flow){p->is_v6, p->proto, p->dst, p->src,
				  p->dport, p->sport, s->way, nr_changes};
	return f;
}

static struct seen opening_of(const struct flow *f)
{
	struct seen s = {{.is_v6 = f->is_v6, .proto = f->proto}, f->opened_by};

	s.p.src = f->opened_by == VSW_POLICY_INGRESS ? f->own : f->other;
	s.p.dst = f->opened_by == VSW_POLICY_INGRESS ? f->other : f->own;
	s.p.sport = f->opened_by == VSW_POLICY_INGRESS ? f->own_port : f->other_port;
	s.p.dport = f->opened_by == VSW_POLICY_INGRESS ? f->other_port : f->own_port;
	return s;
}

/* The first packet after a change ends a connection whose opening is not permitted any more. */
static struct flow *naive_renew(struct flow *f)
{
	struct seen s = opening_of(f);
	const struct vsw_acl_rule *r = naive_rule(&s);

	if (f->change != nr_changes && !(r && r->is_stateful)) {
		*f = flows[--nr_flows];
		return NULL;
	}
	f->change = nr_changes;
	return f;
}

static struct flow *naive_flow(const struct seen *s)
{
	struct flow f = flow_of(s);
	unsigned int i;

	for (i = 0; i < nr_flows; i++) {
		struct flow *o = &flows[i];

		if (o->is_v6 == f.is_v6 && o->proto == f.proto && o->own == f.own &&
		    o->other == f.other && o->own_port == f.own_port &&
		    o->other_port == f.other_port)
			return naive_renew(o);
	}
	return NULL;
}

static struct seen *naive_datagram(const struct seen *s)
{
	unsigned int i;

	for (i = 0; i < nr_datagrams; i++) {
		const struct seen *o = &datagrams[i];

		if (o->way == s->way && o->p.is_v6 == s->p.is_v6 && o->p.src == s->p.src &&
		    o->p.dst == s->p.dst && o->p.id == s->p.id &&
		    (s->p.is_v6 || o->p.proto == s->p.proto))
			return &datagrams[i];
	}
	return NULL;
}

static bool naive_passes(const struct seen *s)
{
	const struct vsw_acl_rule *r;

	if (is_later(&s->p) ? naive_datagram(s) != NULL : naive_flow(s) != NULL)
		return true;
	r = naive_rule(s);
	if (r && r->is_stateful && !is_later(&s->p))
		flows[nr_flows++] = flow_of(s);
	return r ? r->action == VSW_ACL_PERMIT : cfg.default_ip[s->way] == VSW_ACL_PERMIT;
}

static bool naive_judge(const struct seen *s)
{
	if (!naive_passes(s))
		return false;
	if (is_first(&s->p) && !naive_datagram(s))
		datagrams[nr_datagrams++] = *s;
	return true;
}

/* ---- The comparison --------------------------------------------------------------------------- */

static void random_rules(unsigned int change)
{
	unsigned int i;

	if (change) { /* most stay as they are */
		for (i = 0; i < 1 + cfg.nr_rules / 8; i++)
			rules[prng_below(&rng, cfg.nr_rules)] = random_rule();
		return;
	}
	cfg.nr_rules = 1 + prng_below(&rng, RULES_MAX);
	for (i = 0; i < cfg.nr_rules; i++)
		rules[i] = random_rule();
	cfg.default_ip[0] = (uint8_t)prng_below(&rng, 2);
	cfg.default_ip[1] = (uint8_t)prng_below(&rng, 2);
}

static void run_burst(struct vsw_policy *pol)
{
	struct seen s[VSW_VEC_SIZE];
	uint16_t i, n = (uint16_t)(1 + prng_below(&rng, VSW_VEC_SIZE));
	uint8_t way = (uint8_t)prng_below(&rng, 2);

	for (i = 0; i < n; i++) {
		s[i] = (struct seen){random_packet(), way};
		if (i && prng_below(&rng, 4) == 0) /* flows repeat */
			s[i] = s[i - 1];
		polbed_put(&bed, &s[i].p);
	}
	polbed_run(&bed, pol, way);
	for (i = 0; i < n; i++)
		cr_assert_eq(bed.why[i] == VSW_DROP_none, naive_judge(&s[i]),
			     "packet %u of %u, way %u: v6 %u proto %u %x:%u -> %x:%u frag %x id %u",
			     i, n, way, s[i].p.is_v6, s[i].p.proto, s[i].p.src, s[i].p.sport,
			     s[i].p.dst, s[i].p.dport, s[i].p.frag, s[i].p.id);
}

Test(vsw_acl, agrees_with_a_matcher_that_goes_through_all_rules)
{
	unsigned int step, change, k, steps = prng_steps(10000) / 500 + 1;
	struct vsw_policy *pol, *old;

	prng_init(&rng);
	polbed_init(&bed);
	for (step = 0; step < steps; step++) {
		nr_flows = nr_datagrams = 0;
		for (old = NULL, change = 0; change < 3; change++) {
			random_rules(change);
			nr_changes++;
			nr_datagrams = 0;
			cr_assert_eq(vsw_policy_create(&pol, &cfg, 1, old), 0, "%s", err_text());
			vsw_policy_destroy(old);
			for (k = 0; k < 100; k++)
				run_burst(pol);
			old = pol;
		}
		vsw_policy_destroy(old);
	}
}
