/* SPDX-License-Identifier: BSD-3-Clause */
/* A packet filter: an ordered list of rules, the first that matches decides. Judges IP packets where
 * they enter the switch; others (ARP, ...) pass.
 *
 * Shows: a list in the configuration; drop reasons; a table that is replaced under traffic; state that
 * an upgrade hands over; what to do with packets that a guest made hard to read. */
#include <nethv/extension.h>

#include "../text.h"

#define RULES_MAX 256u

enum reason { DENIED, NO_RULE, UNREADABLE };

static const char *const reasons[] = {
	"denied: a rule denies it",
	"no_rule: no rule allows it",
	"unreadable: a rule asks for a header that cannot be read",
};

/* No padding: rules are compared by memcmp() to find out whose hits to carry over. */
struct rule {
	struct prefix src, dst;
	uint16_t sport_lo, sport_hi, dport_lo, dport_hi;
	uint8_t proto; /* 0: any */
	uint8_t is_deny;
};
_Static_assert(sizeof(struct rule) == 46, "no padding");

/* Never changes once lcores see it, but for the hits, each row of which is one lcore's. */
struct table {
	uint32_t n;
	uint32_t is_deny_rest;
	struct rule rule[RULES_MAX];
	uint64_t earlier[RULES_MAX + 1]; /* ctl: hits in the tables before this one */
	uint64_t hits[][RULES_MAX + 1];	 /* [lcore][rule; n: none matched] */
};

struct acl {
	const struct nethv_host *h;
	struct table *table;
};

static const struct nethv_key keys[] = {
	{"otherwise", NETHV_KEY_TEXT, 0, "allow", "for packets without a rule: allow or deny", 0,
	 0},
	{"rules", NETHV_KEY_LIST, 0, NULL, "the first one that matches decides", 0, 0},
	{"rules.action", NETHV_KEY_TEXT, 1, NULL, "allow or deny", 0, 0},
	{"rules.src", NETHV_KEY_TEXT, 0, NULL, "source prefix: 10.0.0.0/8, 2001:db8::/32", 0, 0},
	{"rules.dst", NETHV_KEY_TEXT, 0, NULL, "destination prefix", 0, 0},
	{"rules.proto", NETHV_KEY_INT, 0, "0", "IP protocol: 6 TCP, 17 UDP, 1 ICMP; 0: any", 0,
	 255},
	{"rules.sport", NETHV_KEY_TEXT, 0, NULL, "TCP or UDP source port: 53, 1024-65535", 0, 0},
	{"rules.dport", NETHV_KEY_TEXT, 0, NULL, "TCP or UDP destination port", 0, 0},
	{NULL, 0, 0, NULL, NULL, 0, 0},
};

/* ---- Configuration: ctl ---- */

static const char *rule_text(const struct nethv_host *h, uint32_t i, const char *key)
{
	char path[48];

	snprintf(path, sizeof(path), "rules[%u].%s", i, key);
	return h->cfg_text(h, path);
}

static int rule_fail(const struct nethv_host *h, uint32_t i, const char *what)
{
	char text[96];

	snprintf(text, sizeof(text), "rules[%u]: %s", i, what);
	return h->fail(h, text);
}

static int parse_action(const char *s, uint8_t *is_deny)
{
	*is_deny = strcmp(s, "deny") == 0;
	return *is_deny || strcmp(s, "allow") == 0 ? 0 : -1;
}

static int parse_rule(const struct nethv_host *h, uint32_t i, struct rule *r)
{
	char path[48];

	snprintf(path, sizeof(path), "rules[%u].proto", i);
	r->proto = (uint8_t)h->cfg_int(h, path);
	if (parse_action(rule_text(h, i, "action"), &r->is_deny))
		return rule_fail(h, i, "action is allow or deny");
	if (!text_prefix(rule_text(h, i, "src"), &r->src))
		return rule_fail(h, i, "src is a prefix such as 10.0.0.0/8 or 2001:db8::/32");
	if (!text_prefix(rule_text(h, i, "dst"), &r->dst))
		return rule_fail(h, i, "dst is a prefix such as 10.0.0.0/8 or 2001:db8::/32");
	if (!text_range(rule_text(h, i, "sport"), &r->sport_lo, &r->sport_hi) ||
	    !text_range(rule_text(h, i, "dport"), &r->dport_lo, &r->dport_hi))
		return rule_fail(h, i, "a port is a number or a range such as 1024-65535");
	if (r->src.version && r->dst.version && r->src.version != r->dst.version)
		return rule_fail(h, i, "src and dst are of different IP versions");
	return 0;
}

static int build(const struct nethv_host *h, struct table **out)
{
	uint32_t n = h->cfg_count(h, "rules");
	struct table *t;
	uint8_t is_deny;

	if (n > RULES_MAX)
		return h->fail(h, "rules: more than 256");
	if (parse_action(h->cfg_text(h, "otherwise"), &is_deny))
		return h->fail(h, "otherwise is allow or deny");
	t = (struct table *)h->alloc(h, sizeof(*t) + h->nr_lcores * sizeof(t->hits[0]));
	if (!t)
		return h->fail(h, "no memory");
	t->n = n;
	t->is_deny_rest = is_deny;
	for (uint32_t i = 0; i < n; i++) {
		if (parse_rule(h, i, &t->rule[i])) {
			h->free(h, t);
			return -1;
		}
	}
	*out = t;
	return 0;
}

static uint64_t hits_of(const struct acl *a, uint32_t rule)
{
	const struct table *t = a->table;
	uint64_t sum = t->earlier[rule];

	for (uint32_t lc = 0; lc < a->h->nr_lcores; lc++)
		sum += t->hits[lc][rule];
	return sum;
}

/* The same rule in @t goes on counting where the old one stopped; of equal ones the first does. */
static void carry_over(struct table *t, const struct rule *r, uint64_t hits)
{
	for (uint32_t i = 0; i < t->n; i++) {
		if (memcmp(&t->rule[i], r, sizeof(*r)) == 0) {
			t->earlier[i] += hits;
			return;
		}
	}
}

static int create(const struct nethv_host *h, void **inst)
{
	struct acl *a = (struct acl *)h->alloc(h, sizeof(*a));

	if (!a)
		return h->fail(h, "no memory");
	a->h = h;
	*inst = a;
	return build(h, &a->table);
}

/* Lcores see the old table or the new one, whole. The old one is counted and freed when none of them
 * can be reading it any more. */
static int configure(void *inst)
{
	struct acl *a = (struct acl *)inst, old = *a;
	struct table *t;

	if (build(a->h, &t))
		return -1;
	__atomic_store_n(&a->table, t, __ATOMIC_RELEASE);
	a->h->quiesce(a->h);
	for (uint32_t i = 0; i < old.table->n; i++)
		carry_over(t, &old.table->rule[i], hits_of(&old, i));
	t->earlier[t->n] += hits_of(&old, old.table->n);
	a->h->free(a->h, old.table);
	return 0;
}

/* State, version 1: for each rule, and at last for "no rule" (all zero), what it is and its hits. */
struct saved {
	struct rule rule;
	uint8_t hits[8];
};

static int save(void *inst, struct nethv_writer *w)
{
	struct acl *a = (struct acl *)inst;
	int rc = 0;

	for (uint32_t i = 0; i <= a->table->n && !rc; i++) {
		uint64_t hits = hits_of(a, i);
		struct saved s;

		memset(&s, 0, sizeof(s));
		if (i < a->table->n)
			s.rule = a->table->rule[i];
		memcpy(s.hits, &hits, sizeof(hits));
		rc = w->put(w, &s, sizeof(s));
	}
	return rc;
}

static int restore(void *inst, const void *data, size_t len, uint32_t state_version)
{
	struct acl *a = (struct acl *)inst;
	const uint8_t *p = (const uint8_t *)data;
	size_t n = len / sizeof(struct saved);
	uint64_t hits;
	struct saved s;

	if (state_version != 1 || !n || len % sizeof(s) || n > RULES_MAX + 1)
		return a->h->fail(a->h, "not a state of acl, version 1");
	for (size_t i = 0; i < n; i++) {
		memcpy(&s, p + i * sizeof(s), sizeof(s));
		memcpy(&hits, s.hits, sizeof(hits));
		if (i + 1 < n)
			carry_over(a->table, &s.rule, hits);
		else
			a->table->earlier[a->table->n] = hits;
	}
	return 0;
}

static int status(void *inst, char *json, size_t size)
{
	struct acl *a = (struct acl *)inst;
	int at = 0;

	TEXT_PUT(at, json, size, "{\"hits\":[");
	for (uint32_t i = 0; i < a->table->n; i++)
		TEXT_PUT(at, json, size, "%s%llu", i ? "," : "", (unsigned long long)hits_of(a, i));
	TEXT_PUT(at, json, size, "],\"no_rule\":%llu}",
		 (unsigned long long)hits_of(a, a->table->n));
	return at;
}

/* ---- Packets: lcore ---- */

/* What is known of a packet. The header's author is a guest: it may be cut short, hide its ports behind
 * options, or be a fragment without any. */
struct seen {
	const uint8_t *src, *dst;
	uint16_t sport, dport;
	uint8_t version, proto;
	bool has_proto; /* known at all: an IPv6 chain may be too long to follow */
	bool has_ports;
	bool no_ports; /* surely none: another protocol, or a fragment behind the first */
};

static bool look(struct nethv_burst *b, uint16_t i, struct seen *s)
{
	const struct nethv_pkt *p = b->pkt[i];
	const uint8_t *ip;

	if (!p->l3_off || nethv_pull(b, i, p->l3_off + (p->l3_version == 4 ? 20u : 40u)))
		return false;
	s->version = p->l3_version;
	s->proto = p->l4_proto;
	s->has_proto = p->l3_version == 4 || p->l4_off || (p->flags & NETHV_PKT_FRAGMENT);
	s->no_ports = (p->flags & NETHV_PKT_FRAGMENT) ||
		      (s->has_proto && s->proto != 6 && s->proto != 17);
	s->has_ports = !s->no_ports && p->l4_off && nethv_pull(b, i, p->l4_off + 4u) == NETHV_OK;
	ip = nethv_bytes(p) + p->l3_off; /* only now: a pull may move the bytes */
	s->src = ip + (s->version == 4 ? 12 : 8);
	s->dst = ip + (s->version == 4 ? 16 : 24);
	if (s->has_ports) {
		s->sport = nethv_get16(nethv_bytes(p) + p->l4_off);
		s->dport = nethv_get16(nethv_bytes(p) + p->l4_off + 2);
	}
	return true;
}

static bool asks_for_ports(const struct rule *r)
{
	return r->sport_lo || r->dport_lo || r->sport_hi != 65535 || r->dport_hi != 65535;
}

/* 1: matches; 0: does not; -1: would, but for a field that cannot be read. */
static int match(const struct rule *r, const struct seen *s)
{
	if (!prefix_has(&r->src, s->version, s->src) || !prefix_has(&r->dst, s->version, s->dst))
		return 0;
	if (r->proto && s->has_proto && r->proto != s->proto)
		return 0;
	if (!asks_for_ports(r))
		return r->proto && !s->has_proto ? -1 : 1;
	if (s->no_ports)
		return 0;
	if (!s->has_ports)
		return -1;
	return s->sport >= r->sport_lo && s->sport <= r->sport_hi && s->dport >= r->dport_lo &&
	       s->dport <= r->dport_hi;
}

static void judge(const struct table *t, uint64_t *hits, struct nethv_burst *b, uint16_t i)
{
	struct seen s = {0};

	if (!look(b, i, &s)) {
		if (b->pkt[i]->ether_type == 0x0800 || b->pkt[i]->ether_type == 0x86DD)
			nethv_drop(b, i, UNREADABLE);
		return;
	}
	for (uint32_t k = 0; k < t->n; k++) {
		int m = match(&t->rule[k], &s);

		if (m < 0)
			nethv_drop(b, i, UNREADABLE);
		if (m > 0) {
			hits[k]++;
			if (t->rule[k].is_deny)
				nethv_drop(b, i, DENIED);
		}
		if (m)
			return;
	}
	hits[t->n]++;
	if (t->is_deny_rest)
		nethv_drop(b, i, NO_RULE);
}

static void ingress(void *inst, struct nethv_burst *b)
{
	struct acl *a = (struct acl *)inst;
	struct table *t = __atomic_load_n(&a->table, __ATOMIC_ACQUIRE); /* once a burst */

	for (uint16_t i = 0; i < b->n; i++)
		judge(t, t->hits[b->lcore], b, i);
}

NETHV_EXTENSION{
	NETHV_EXT_HEAD,
	.guid = {{0x3d, 0x0a, 0x5c, 0x11, 0x7e, 0x42, 0x4b, 0x0e, 0x9a, 0x61, 0x52, 0x10, 0x8b,
		  0x6f, 0xd2, 0x03}},
	.name = "acl",
	.version = "1.0",
	.summary = "Allows and denies IP packets by an ordered list of rules",
	.cls = NETHV_FILTER,
	.reasons = reasons,
	.nr_reasons = sizeof(reasons) / sizeof(reasons[0]),
	.keys = keys,
	.state_version = 1,
	.create = create,
	.configure = configure,
	.save = save,
	.restore = restore,
	.status = status,
	.ingress = ingress,
};
