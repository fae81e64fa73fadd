/* SPDX-License-Identifier: BSD-3-Clause */
/* A forwarder by match and action, after OpenFlow: of the rules that match a packet the one with the
 * highest priority decides where it goes and what is changed on it.
 *
 * Rules are searched one by one, and what was found is kept in a cache of whole flow keys, one for each
 * lcore. A rule that asks for a field matches only packets that have it. */
#include <nethv/extension.h>

#include "../text.h"
#include "rules.h"

#define CACHE 512u /* flows an lcore; a power of two */

/* What rules look at. Compared and hashed as a whole: no padding. */
struct key {
	uint8_t dst_mac[6], src_mac[6];
	uint16_t in_port, vlan, ether_type, sport, dport;
	uint8_t proto;
	uint8_t version;   /* 0: not IP */
	uint8_t has_ports; /* sport and dport are there */
	uint8_t reserved[7];
	uint8_t src[16], dst[16];
};
_Static_assert(sizeof(struct key) == 64, "no padding");

struct cached {
	struct key key;
	uint32_t generation; /* of the table; 0: free */
	uint32_t rule;
};

struct lane {
	uint64_t cache_hits, searches;
	struct cached cache[CACHE];
};

struct flowtable {
	const struct nethv_host *h;
	struct table *table;
	uint32_t generation;
};

enum reason { BY_RULE, BY_MISS, NO_PORT };

static const char *const reasons[] = {
	"rule: a rule drops it",
	"miss: no rule matches it",
	"no_port: none of the rule's output ports is there",
};

static const struct nethv_key keys[] = {
	{"miss", NETHV_KEY_TEXT, 0, "normal", "without a rule: normal, flood or drop", 0, 0},
	{"rules", NETHV_KEY_LIST, 0, NULL, "match and actions", 0, 0},
	{"rules.priority", NETHV_KEY_INT, 0, "0", "the highest one decides; of equals the first", 0,
	 65535},
	{"rules.in_port", NETHV_KEY_TEXT, 0, NULL, "name of the port where it entered", 0, 0},
	{"rules.src_mac", NETHV_KEY_TEXT, 0, NULL, "02:00:00:00:00:01", 0, 0},
	{"rules.dst_mac", NETHV_KEY_TEXT, 0, NULL, "likewise", 0, 0},
	{"rules.vlan", NETHV_KEY_INT, 0, "-1", "VLAN; 0: untagged; -1: any", -1, 4094},
	{"rules.ether_type", NETHV_KEY_INT, 0, "0", "such as 2054 for ARP; 0: any", 0, 65535},
	{"rules.src", NETHV_KEY_TEXT, 0, NULL, "IP prefix: 10.0.0.0/8, 2001:db8::/32", 0, 0},
	{"rules.dst", NETHV_KEY_TEXT, 0, NULL, "likewise", 0, 0},
	{"rules.proto", NETHV_KEY_INT, 0, "0", "IP protocol; 0: any", 0, 255},
	{"rules.sport", NETHV_KEY_TEXT, 0, NULL, "TCP or UDP port: 53, 1024-65535", 0, 0},
	{"rules.dport", NETHV_KEY_TEXT, 0, NULL, "likewise", 0, 0},
	{"rules.actions", NETHV_KEY_TEXT, 1, NULL,
	 "set_src:MAC, set_dst:MAC, set_vlan:N, strip_vlan, mark:N, then output:PORT (several), flood, "
	 "normal or drop; with commas",
	 0, 0},
	{NULL, 0, 0, NULL, NULL, 0, 0},
};

/* ---- Tables: ctl ---- */

static uint64_t count_of(const struct nethv_host *h, const struct table *t, uint32_t rule)
{
	uint64_t sum = t->earlier[rule];

	for (uint32_t lc = 0; lc < h->nr_lcores; lc++)
		sum += t->packets[lc][rule];
	return sum;
}

/* The same rule goes on counting; @rule NULL: the packets that no rule matched. */
static void carry_over(struct table *t, const struct rule *rule, uint64_t packets)
{
	uint32_t i = rule ? 0 : t->n;

	while (i < t->n && memcmp(&t->rule[i].want, &rule->want, sizeof(rule->want)) != 0)
		i++;
	if (!rule || i < t->n)
		t->earlier[i] += packets;
}

static void publish(struct flowtable *f, struct table *t)
{
	struct table *old = f->table;

	if (++f->generation == 0) /* wrapped: 0 says that a cache entry is free */
		f->generation = 1;
	t->generation = f->generation;
	__atomic_store_n(&f->table, t, __ATOMIC_RELEASE);
	if (!old)
		return;
	f->h->quiesce(f->h);
	for (uint32_t i = 0; i <= old->n; i++)
		carry_over(t, i < old->n ? &old->rule[i] : NULL, count_of(f->h, old, i));
	f->h->free(f->h, old);
}

static int configure(void *inst)
{
	struct flowtable *f = (struct flowtable *)inst;
	struct table *t = rules_read(f->h);

	if (!t)
		return -1;
	publish(f, t);
	return 0;
}

static int create(const struct nethv_host *h, void **inst)
{
	struct flowtable *f = (struct flowtable *)h->alloc(h, sizeof(*f));

	if (!f)
		return h->fail(h, "no memory");
	f->h = h;
	*inst = f;
	return configure(f);
}

/* Rules name ports, lcores want numbers: looked up again when a port comes or goes. */
static int event(void *inst, struct nethv_event *e)
{
	struct flowtable *f = (struct flowtable *)inst;
	uint16_t gone = PORT_NONE;
	struct table *t;

	if (!e->port || (e->port->flags & NETHV_PORT_VALIDATION))
		return NETHV_EV_PASS;
	if (e->kind == NETHV_EV_NIC_DISCONNECT || e->kind == NETHV_EV_PORT_DELETE)
		gone = e->port->port; /* never sent to again when we return (DP-9) */
	else if (e->kind != NETHV_EV_NIC_CONNECT)
		return NETHV_EV_PASS;
	if (e->nic)
		return NETHV_EV_PASS;
	t = rules_copy(f->h, f->table);
	if (!t) {
		f->h->log(f->h, NETHV_LOG_ERROR, "flowtable: no memory, rules keep their ports");
		return NETHV_EV_PASS;
	}
	rules_resolve(f->h, t, e->kind == NETHV_EV_NIC_CONNECT ? e->port : NULL, gone);
	publish(f, t);
	return NETHV_EV_PASS;
}

/* State, version 1: what each rule wants and how many packets it had; at last those without a rule. */
struct saved {
	struct want want;
	uint64_t packets;
};

static int save(void *inst, struct nethv_writer *w)
{
	struct flowtable *f = (struct flowtable *)inst;
	int rc = 0;

	for (uint32_t i = 0; i <= f->table->n && !rc; i++) {
		struct saved s;

		memset(&s, 0, sizeof(s));
		if (i < f->table->n)
			s.want = f->table->rule[i].want;
		s.packets = count_of(f->h, f->table, i);
		rc = w->put(w, &s, sizeof(s));
	}
	return rc;
}

static int restore(void *inst, const void *data, size_t len, uint32_t state_version)
{
	struct flowtable *f = (struct flowtable *)inst;
	size_t n = len / sizeof(struct saved);
	struct saved s;
	struct rule r;

	if (state_version != 1 || !n || len % sizeof(s) || n > RULES_MAX + 1)
		return f->h->fail(f->h, "not a state of flowtable, version 1");
	for (size_t i = 0; i < n; i++) {
		memcpy(&s, (const char *)data + i * sizeof(s), sizeof(s));
		r.want = s.want;
		carry_over(f->table, i + 1 < n ? &r : NULL, s.packets);
	}
	return 0;
}

static int status(void *inst, char *json, size_t size)
{
	struct flowtable *f = (struct flowtable *)inst;
	unsigned long long hits = 0, searches = 0;
	int at = 0;

	for (uint16_t lc = 0; lc < f->h->nr_lcores; lc++) {
		const struct lane *l = (const struct lane *)f->h->lcore_data(f->h, lc);

		hits += l->cache_hits;
		searches += l->searches;
	}
	TEXT_PUT(at, json, size, "{\"cache_hits\":%llu,\"searches\":%llu,\"rules\":[", hits,
		 searches);
	for (uint32_t i = 0; i < f->table->n; i++)
		TEXT_PUT(at, json, size, "%s{\"rule\":%u,\"priority\":%u,\"packets\":%llu}",
			 i ? "," : "", f->table->rule[i].line, f->table->rule[i].want.priority,
			 (unsigned long long)count_of(f->h, f->table, i));
	TEXT_PUT(at, json, size, "],\"miss\":%llu}",
		 (unsigned long long)count_of(f->h, f->table, f->table->n));
	return at;
}

/* ---- Packets: lcore ---- */

static void read_ip(struct nethv_burst *b, uint16_t i, struct key *k)
{
	const struct nethv_pkt *p = b->pkt[i];
	const uint8_t *at;

	if (!p->l3_off || nethv_pull(b, i, p->l3_off + (p->l3_version == 4 ? 20u : 40u)))
		return;
	if ((p->l4_proto == 6 || p->l4_proto == 17) && p->l4_off &&
	    !(p->flags & NETHV_PKT_FRAGMENT) && nethv_pull(b, i, p->l4_off + 4u) == NETHV_OK)
		k->has_ports = 1;
	at = nethv_bytes(p) + p->l3_off; /* only now: a pull may move the bytes */
	k->version = p->l3_version;
	k->proto = p->l4_proto;
	memcpy(k->src, at + (k->version == 4 ? 12 : 8), k->version == 4 ? 4 : 16);
	memcpy(k->dst, at + (k->version == 4 ? 16 : 24), k->version == 4 ? 4 : 16);
	if (k->has_ports) {
		k->sport = nethv_get16(nethv_bytes(p) + p->l4_off);
		k->dport = nethv_get16(nethv_bytes(p) + p->l4_off + 2);
	}
}

static void read_key(struct nethv_burst *b, uint16_t i, struct key *k)
{
	const struct nethv_pkt *p = b->pkt[i];

	memset(k, 0, sizeof(*k));
	k->in_port = p->src_port;
	k->vlan = p->vlan;
	k->ether_type = p->ether_type;
	read_ip(b, i, k);
	if (p->hdr_len >= 14) {
		memcpy(k->dst_mac, nethv_bytes(p), 6);
		memcpy(k->src_mac, nethv_bytes(p) + 6, 6);
	}
}

static bool matches_ports(const struct want *w, const struct key *k)
{
	if (w->sport_lo == 0 && w->sport_hi == 65535 && w->dport_lo == 0 && w->dport_hi == 65535)
		return true;
	return k->has_ports && k->sport >= w->sport_lo && k->sport <= w->sport_hi &&
	       k->dport >= w->dport_lo && k->dport <= w->dport_hi;
}

static bool matches(const struct rule *r, const struct key *k)
{
	const struct want *w = &r->want;

	return (!w->in_port[0] || r->in_port == k->in_port) &&
	       (!w->has_src_mac || memcmp(w->src_mac, k->src_mac, 6) == 0) &&
	       (!w->has_dst_mac || memcmp(w->dst_mac, k->dst_mac, 6) == 0) &&
	       (w->vlan < 0 || w->vlan == k->vlan) &&
	       (!w->ether_type || w->ether_type == k->ether_type) &&
	       (!w->proto || (k->version && w->proto == k->proto)) &&
	       prefix_has(&w->src, k->version, k->src) && prefix_has(&w->dst, k->version, k->dst) &&
	       matches_ports(w, k);
}

static uint32_t hash(const struct key *k)
{
	uint64_t word[sizeof(*k) / 8], h = 0;

	memcpy(word, k, sizeof(word));
	for (uint32_t i = 0; i < sizeof(*k) / 8; i++)
		h = (h ^ word[i] ^ h >> 32) * 0x9E3779B97F4A7C15ull;
	return (uint32_t)(h >> 32);
}

/* The index of the rule for @k; t->n: none. */
static uint32_t find(const struct table *t, struct lane *l, const struct key *k)
{
	struct cached *c = &l->cache[hash(k) % CACHE];
	uint32_t i = 0;

	if (c->generation == t->generation && memcmp(&c->key, k, sizeof(*k)) == 0) {
		l->cache_hits++;
		return c->rule;
	}
	l->searches++;
	while (i < t->n && !matches(&t->rule[i], k))
		i++;
	c->key = *k;
	c->generation = t->generation;
	c->rule = i;
	return i;
}

static void change(struct nethv_burst *b, uint16_t i, const struct want *w)
{
	if (w->is_setting_dst)
		(void)nethv_edit(b, i, 0, w->new_dst, 6);
	if (w->is_setting_src)
		(void)nethv_edit(b, i, 6, w->new_src, 6);
	if (w->is_setting_vlan)
		(void)b->host->set_vlan(b, i, w->new_vlan);
	if (w->is_setting_mark)
		(void)b->host->set_mark(b, i, w->new_mark);
}

static void output(struct nethv_burst *b, uint16_t i, const struct rule *r)
{
	uint32_t n = 0;

	for (uint32_t k = 0; k < r->want.nr_outputs; k++) {
		if (r->output[k] == PORT_NONE || r->output[k] == b->pkt[i]->src_port)
			continue; /* not there now; or where it came from */
		nethv_route_add(b, i, r->output[k], 0);
		n++;
	}
	if (!n)
		nethv_drop(b, i, NO_PORT);
}

static void act(struct nethv_burst *b, uint16_t i, const struct table *t, uint32_t n)
{
	const struct rule *r = n < t->n ? &t->rule[n] : NULL;

	if (r)
		change(b, i, &r->want);
	switch (r ? r->want.verdict : t->miss) {
	case RULE_OUTPUT: output(b, i, r); break;
	case RULE_FLOOD: nethv_route_flood(b, i); break;
	case RULE_NORMAL: nethv_route_normal(b, i); break;
	default: nethv_drop(b, i, r ? BY_RULE : BY_MISS); break;
	}
}

static void ingress(void *inst, struct nethv_burst *b)
{
	struct flowtable *f = (struct flowtable *)inst;
	struct table *t = __atomic_load_n(&f->table, __ATOMIC_ACQUIRE); /* once a burst */

	for (uint16_t i = 0; i < b->n; i++) {
		struct key k;
		uint32_t rule;

		if (b->pkt[i]->flags & NETHV_PKT_NATIVE) /* the switch's own overlay (EXT-9) */
			continue;
		read_key(b, i, &k);
		rule = find(t, (struct lane *)b->lcore_data, &k);
		t->packets[b->lcore][rule]++;
		act(b, i, t, rule);
	}
}

NETHV_EXTENSION{
	NETHV_EXT_HEAD,
	.guid = {{0x3d, 0x0a, 0x5c, 0x11, 0x7e, 0x42, 0x4b, 0x0e, 0x9a, 0x61, 0x52, 0x10, 0x8b,
		  0x6f, 0xd2, 0x06}},
	.name = "flowtable",
	.version = "1.0",
	.summary = "Forwards by rules of match and action, after OpenFlow",
	.cls = NETHV_FORWARD,
	.reasons = reasons,
	.nr_reasons = sizeof(reasons) / sizeof(reasons[0]),
	.lcore_size = sizeof(struct lane),
	.keys = keys,
	.state_version = 1,
	.create = create,
	.configure = configure,
	.event = event,
	.save = save,
	.restore = restore,
	.status = status,
	.ingress = ingress,
};
