/* SPDX-License-Identifier: BSD-3-Clause */
/* Judging a burst by the ACL: Ethernet rules, connections, then the IP rules for what has none.
 *
 * A change of rules ends no connection by itself: each carries the generation of the rules it was judged
 * by, and the first packet after a change has its opening packet judged anew. */
#include "vswitch/policy/acl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <rte_branch_prediction.h>
#include <rte_cycles.h>

#include "base/err.h"

#define DATAGRAMS     1024u /* first fragments remembered; the last ones of a port */
#define DATAGRAM_WAYS 8u    /* in one cache line */
#define DATAGRAM_S    15u   /* for so long */

struct pol_acl {
	struct acl_set set[2]; /* by way */
	struct acl_rule *rule;
	struct pol_conns *conns; /* NULL: no rule is stateful */
	struct pol_conn_idle idle;
	uint32_t gen;
	uint32_t ticks_per_s;
	unsigned int tick_shift;
	bool must_refuse;
	uint64_t seed[2];
	/* Datagrams whose first fragment passed: 48 bits of a secret hash, 16 of the tick. One word, so
	 * lcores need no lock; of two that write to a place at once one is forgotten. */
	uint64_t *datagram;
};

struct acl_burst {
	struct pol_burst *b;
	struct pol_acl *a;
	const struct acl_set *set;
	uint32_t now; /* ticks */
	uint16_t n;
	struct acl_pkt pkt[VSW_VEC_SIZE];
};

/* ---- Life ----------------------------------------------------------------------------------- */

static bool is_wanted(const struct vsw_policy_cfg *cfg)
{
	return cfg->nr_rules || cfg->default_ip[0] || cfg->default_ip[1] || cfg->default_ether[0] ||
	       cfg->default_ether[1];
}

static bool has_stateful(const struct vsw_policy_cfg *cfg)
{
	uint32_t i;

	for (i = 0; i < cfg->nr_rules; i++) {
		if (cfg->rules[i].is_stateful)
			return true;
	}
	return false;
}

static uint32_t ticks(const struct pol_acl *a, uint32_t given, uint32_t usual)
{
	return (given ? given : usual) * a->ticks_per_s;
}

static void idle_init(struct pol_acl *a, const struct vsw_acl_idle *t)
{
	a->ticks_per_s = (uint32_t)(rte_get_tsc_hz() >> a->tick_shift);
	a->idle.tcp = ticks(a, t->tcp, 3600);
	a->idle.tcp_new = ticks(a, t->tcp_new, 120);
	a->idle.tcp_end = ticks(a, t->tcp_end, 30);
	a->idle.other = ticks(a, t->other, 180);
	a->idle.other_new = ticks(a, t->other_new, 30);
}

/* The old policy's table is used on, so connections that open while a change is under way are kept. */
static int conns_take(struct pol_acl *a, const struct vsw_policy_cfg *cfg, struct pol_conns *old)
{
	const uint32_t size = cfg->max_connections ? cfg->max_connections : VSW_ACL_CONNS_USUAL;
	int rc;

	if (old && old->size == size) {
		old->refs++;
		a->conns = old;
		return 0;
	}
	rc = pol_conns_create(&a->conns, size);
	if (!rc && old)
		pol_conns_copy(a->conns, old);
	return rc;
}

static int rules_init(struct pol_acl *a, const struct vsw_policy_cfg *cfg)
{
	uint32_t i;
	int rc;

	a->rule = calloc(cfg->nr_rules + 1, sizeof(*a->rule));
	a->datagram = aligned_alloc(64, DATAGRAMS * sizeof(*a->datagram));
	if (!a->rule || !a->datagram || getrandom(a->seed, sizeof(a->seed), 0) != sizeof(a->seed))
		return err_set(-ENOMEM, "%u ACL rules: out of memory", cfg->nr_rules);
	memset(a->datagram, 0, DATAGRAMS * sizeof(*a->datagram));
	for (i = 0; i < cfg->nr_rules; i++) {
		const struct vsw_acl_rule *r = &cfg->rules[i];

		a->rule[i].is_permit = r->action == VSW_ACL_PERMIT;
		a->rule[i].is_stateful = r->is_stateful;
		a->rule[i].has_l4 = r->proto != 0;
	}
	rc = acl_set_build(&a->set[VSW_POLICY_INGRESS], cfg, VSW_POLICY_INGRESS);
	return rc ? rc : acl_set_build(&a->set[VSW_POLICY_EGRESS], cfg, VSW_POLICY_EGRESS);
}

int pol_acl_create(struct pol_acl **out, const struct vsw_policy_cfg *cfg, struct pol_acl *old)
{
	static uint32_t gen;
	struct pol_acl *a;
	int rc;

	if (!is_wanted(cfg))
		return 0;
	a = calloc(1, sizeof(*a));
	if (!a)
		return err_set(-ENOMEM, "ACL: out of memory");
	a->gen = __atomic_add_fetch(&gen, 1, __ATOMIC_RELAXED);
	a->must_refuse = cfg->must_refuse;
	a->tick_shift = pol_tick_shift();
	idle_init(a, &cfg->idle);
	rc = rules_init(a, cfg);
	if (!rc && has_stateful(cfg))
		rc = conns_take(a, cfg, old ? old->conns : NULL);
	if (rc) {
		pol_acl_destroy(a);
		return rc;
	}
	*out = a;
	return 0;
}

void pol_acl_destroy(struct pol_acl *a)
{
	if (!a)
		return;
	acl_set_free(&a->set[0]);
	acl_set_free(&a->set[1]);
	pol_conns_put(a->conns);
	free(a->rule);
	free(a->datagram);
	free(a);
}

/* With connections, both ways are looked at: each sees the other's packets. */
bool pol_acl_has(const struct pol_acl *a, enum vsw_policy_way way)
{
	const struct acl_set *s;

	if (!a)
		return false;
	s = &a->set[way];
	return a->conns || s->ether || s->full[0] || s->full[1] || s->default_ip == VSW_ACL_DENY ||
	       s->default_ether == VSW_ACL_DENY;
}

void pol_acl_status(const struct pol_acl *a, uint64_t now_tsc, struct vsw_policy_status *out)
{
	if (!a || !a->conns)
		return;
	out->capacity = pol_conns_capacity(a->conns);
	out->connections =
		pol_conns_count(a->conns, (uint32_t)(now_tsc >> a->tick_shift), &a->idle);
}

/* ---- Ethernet rules ------------------------------------------------------------------------- */

static void ether_classify(const struct acl_burst *w, uint32_t *result)
{
	struct acl_ether_key key[VSW_VEC_SIZE];
	const uint8_t *data[VSW_VEC_SIZE];
	struct pol_burst *b = w->b;
	uint16_t k;

	if (!w->set->ether) {
		memset(result, 0, b->n * sizeof(*result));
		return;
	}
	for (k = 0; k < b->n; k++) {
		const struct nethv_pkt *p = &b->slot[k]->pkt;

		key[k] = (struct acl_ether_key){.type = __builtin_bswap16(p->ether_type)};
		memcpy(key[k].dst, vsw_hdr(p), 12);
		data[k] = (const uint8_t *)&key[k];
	}
	rte_acl_classify(w->set->ether, data, result, b->n, 1);
}

/* Whether frame @k goes on to the IP rules; else it was dropped or passes. */
static bool ether_judge(struct acl_burst *w, uint16_t k, uint32_t result)
{
	const struct nethv_pkt *p = &w->b->slot[k]->pkt;

	if (result) {
		pol_count(&w->b->lane->hits[result - 1], 1);
		if (!w->a->rule[result - 1].is_permit) {
			pol_drop(w->b, k, VSW_DROP_acl_denied, VSW_POLICY_DROP_acl_rule);
			return false;
		}
	}
	if (p->l3_version)
		return true;
	if (result)
		return false;
	if (w->set->is_strict && pol_is_tagged_inside(p))
		pol_drop(w->b, k, VSW_DROP_acl_denied, VSW_POLICY_DROP_acl_tagged);
	else if (w->set->default_ether == VSW_ACL_DENY)
		pol_drop(w->b, k, VSW_DROP_acl_denied, VSW_POLICY_DROP_acl_default);
	return false;
}

static void gather(struct acl_burst *w)
{
	uint32_t result[VSW_VEC_SIZE];
	uint16_t k;

	ether_classify(w, result);
	for (k = 0; k < w->b->n; k++) {
		if (!ether_judge(w, k, result[k]))
			continue;
		w->pkt[w->n].k = k;
		acl_key_read(w->b, &w->pkt[w->n++]);
	}
}

/* ---- Fragments ------------------------------------------------------------------------------ */

static uint64_t *datagram_of(const struct acl_burst *w, const struct acl_pkt *p, uint64_t *mark)
{
	union pol_key key = p->key;
	uint64_t h;

	if (p->is_v6) {
		key.proto = 0; /* only the first one's counts */
		key.v6.sport = (uint16_t)(p->datagram >> 16);
		key.v6.dport = (uint16_t)p->datagram;
	} else {
		key.v4.sport = (uint16_t)p->datagram;
		key.v4.dport = 0;
	}
	h = pol_mix(pol_key_hash(w->a->seed, &key) ^ w->b->way, w->a->seed[0]);
	*mark = h & ~(uint64_t)0xFFFF;
	return &w->a->datagram[h % (DATAGRAMS / DATAGRAM_WAYS) * DATAGRAM_WAYS];
}

static uint64_t datagram_get(const uint64_t *line, unsigned int i)
{
	return __atomic_load_n(&line[i], __ATOMIC_RELAXED);
}

/* Ticks since a datagram was noted. Another lcore's clock may be a little ahead: one second more. */
static uint16_t datagram_age(const struct acl_burst *w, uint64_t word)
{
	return (uint16_t)(w->now + w->a->ticks_per_s - (uint16_t)word);
}

static void datagram_note(const struct acl_burst *w, const struct acl_pkt *p)
{
	uint64_t mark, *line = datagram_of(w, p, &mark);
	unsigned int i, at = 0;

	for (i = 0; i < DATAGRAM_WAYS; i++) {
		uint64_t word = datagram_get(line, i);

		if (word == 0 || (word & ~(uint64_t)0xFFFF) == mark) {
			at = i;
			break;
		}
		if (datagram_age(w, word) > datagram_age(w, datagram_get(line, at)))
			at = i;
	}
	__atomic_store_n(&line[at], mark | (uint16_t)w->now, __ATOMIC_RELAXED);
}

static bool datagram_is_known(const struct acl_burst *w, const struct acl_pkt *p)
{
	uint64_t mark, *line = datagram_of(w, p, &mark);
	unsigned int i;

	for (i = 0; i < DATAGRAM_WAYS; i++) {
		uint64_t word = datagram_get(line, i);

		if ((word & ~(uint64_t)0xFFFF) == mark &&
		    datagram_age(w, word) <= (DATAGRAM_S + 1) * w->a->ticks_per_s)
			return true;
	}
	return false;
}

static void pass(const struct acl_burst *w, const struct acl_pkt *p)
{
	if (unlikely(p->is_fragment && !p->is_later && p->kind == ACL_FULL))
		datagram_note(w, p);
}

/* ---- Connections ---------------------------------------------------------------------------- */

/* Judges the packet that opened a connection by the rules as they are now: its rule + 1, or 0. */
static uint32_t judge_opening(const struct acl_burst *w, const union pol_key *conn, uint8_t bits)
{
	const unsigned int way = bits & POL_CONN_EGRESS ? VSW_POLICY_EGRESS : VSW_POLICY_INGRESS;
	const struct rte_acl_ctx *ctx = w->a->set[way].full[conn->version == 6];
	const struct acl_rule *r;
	union pol_key key;
	const uint8_t *data = (const uint8_t *)&key;
	uint32_t result = ACL_NO_MATCH;

	if (!ctx)
		return ACL_NO_MATCH;
	acl_opening_key(conn, bits, &key);
	rte_acl_classify(ctx, &data, &result, 1, 1);
	r = result ? &w->a->rule[result - 1] : NULL;
	return r && r->is_permit && r->is_stateful ? result : ACL_NO_MATCH;
}

static bool renew(struct acl_burst *w, const union pol_key *key, uint64_t hash,
		  union pol_conn_meta *meta)
{
	uint32_t result = judge_opening(w, key, meta->bits);

	if (!result) {
		pol_conn_close(w->a->conns, key, hash);
		pol_count(&w->b->lane->revoked, 1);
		return false;
	}
	meta->gen = w->a->gen;
	meta->rule = (uint16_t)(result - 1);
	pol_conn_renew(w->a->conns, key, hash, meta->gen, meta->rule);
	return true;
}

/* Looks for a connection that is alive and that the rules of today permit. */
static struct pol_conn *conn_get(struct acl_burst *w, const union pol_key *key, uint64_t hash,
				 union pol_conn_meta *meta)
{
	uint32_t seen = 0;
	struct pol_conn *c = pol_conn_find(w->a->conns, key, hash, meta, &seen);

	if (!c || !pol_conn_is_alive(meta->bits, seen, w->now, &w->a->idle))
		return NULL;
	if (unlikely(meta->gen != w->a->gen) && !renew(w, key, hash, meta))
		return NULL;
	pol_conn_touch(c, seen, w->now);
	return c;
}

/* What belongs to a connection's life. Neither a new request of the other side nor a new start after
 * the end does: these are for the rules. */
static bool belongs(const struct acl_pkt *p, uint8_t bits, bool is_answer)
{
	const uint8_t ends = POL_CONN_FIN | POL_CONN_FIN_REPLY;

	if (bits & POL_CONN_ECHO)
		return is_answer ? p->is_reply : p->is_echo;
	if (!(bits & POL_CONN_TCP) || (p->tcp & (ACL_SYN | ACL_ACK)) != ACL_SYN)
		return true;
	return !is_answer && !(bits & POL_CONN_RST) && (bits & ends) != ends;
}

static uint8_t bits_of(const struct acl_pkt *p, bool is_answer)
{
	uint8_t bits = is_answer ? POL_CONN_ANSWERED : 0;

	if (p->tcp & ACL_FIN)
		bits |= is_answer ? POL_CONN_FIN_REPLY : POL_CONN_FIN;
	if (p->tcp & ACL_RST)
		bits |= POL_CONN_RST;
	return bits;
}

static bool conn_passes(struct acl_burst *w, struct acl_pkt *p, const union pol_key *key)
{
	union pol_conn_meta meta;
	struct pol_conn *c = conn_get(w, key, p->hash, &meta);
	bool is_answer;
	uint8_t bits;

	if (!c)
		return false;
	is_answer = (w->b->way == VSW_POLICY_EGRESS) != !!(meta.bits & POL_CONN_EGRESS);
	if (!belongs(p, meta.bits, is_answer))
		return false;
	bits = bits_of(p, is_answer);
	if (unlikely(bits & ~meta.bits))
		pol_conn_mark(w->a->conns, key, p->hash, bits);
	pol_count(&w->b->lane->hits[meta.rule], 1);
	pol_count(&w->b->lane->connection_packets, 1);
	return true;
}

static bool error_passes(struct acl_burst *w, const struct acl_pkt *p)
{
	union pol_conn_meta meta;
	union pol_key key;

	if (!acl_error_key(w->b, p, &key) ||
	    !conn_get(w, &key, pol_key_hash(w->a->conns->seed, &key), &meta))
		return false;
	pol_count(&w->b->lane->related, 1);
	return true;
}

static void pass_connections(struct acl_burst *w)
{
	union pol_key key[VSW_VEC_SIZE];
	uint16_t i;

	for (i = 0; i < w->n; i++) {
		struct acl_pkt *p = &w->pkt[i];

		if (p->kind != ACL_FULL)
			continue;
		acl_conn_key(p, w->b->way, &key[i]);
		p->hash = pol_key_hash(w->a->conns->seed, &key[i]);
		pol_conn_prefetch(w->a->conns, p->hash);
	}
	for (i = 0; i < w->n; i++) {
		if (w->pkt[i].kind == ACL_FULL)
			pol_conn_prefetch_place(w->a->conns, w->pkt[i].hash);
	}
	for (i = 0; i < w->n; i++) {
		struct acl_pkt *p = &w->pkt[i];

		if (p->kind != ACL_FULL)
			continue;
		p->is_done =
			conn_passes(w, p, &key[i]) || (unlikely(p->is_error) && error_passes(w, p));
	}
}

static bool may_open(const struct acl_pkt *p)
{
	if (p->kind != ACL_FULL || p->tcp & ACL_RST)
		return false;
	if (p->key.proto == (p->is_v6 ? IP_PROTO_ICMP6 : IP_PROTO_ICMP))
		return p->is_echo;
	return true;
}

static void conn_open(struct acl_burst *w, const struct acl_pkt *p, uint32_t rule)
{
	union pol_conn_meta meta = {.gen = w->a->gen, .rule = (uint16_t)rule};
	struct pol_lane *lane = w->b->lane;
	enum pol_conn_result rc;
	union pol_key key;

	if (!may_open(p))
		return;
	acl_conn_key(p, w->b->way, &key);
	meta.bits = (w->b->way == VSW_POLICY_EGRESS ? POL_CONN_EGRESS : 0) |
		    (p->key.proto == IP_PROTO_TCP ? POL_CONN_TCP : 0) |
		    (p->is_echo ? POL_CONN_ECHO : 0) | bits_of(p, false);
	rc = pol_conn_open(w->a->conns, &key, p->hash, meta, w->now, &w->a->idle,
			   w->a->must_refuse);
	if (rc == POL_CONN_REFUSED) {
		pol_count(&lane->refused, 1);
		return;
	}
	pol_count(&lane->opened, 1);
	if (rc == POL_CONN_REPLACED)
		pol_count(&lane->replaced, 1);
}

/* ---- IP rules ------------------------------------------------------------------------------- */

/* Packets of a flow come one after the other: the same key is looked up once. */
static void classify(struct acl_burst *w, const struct rte_acl_ctx *ctx, uint8_t kind, bool is_v6)
{
	const uint8_t *data[VSW_VEC_SIZE];
	uint32_t result[VSW_VEC_SIZE];
	uint16_t of[VSW_VEC_SIZE], i, n = 0;
	const struct acl_pkt *last = NULL;

	for (i = 0; i < w->n; i++) {
		const struct acl_pkt *p = &w->pkt[i];

		if (p->is_done || p->kind != kind || p->is_v6 != is_v6)
			continue;
		if (!last || !pol_key_equal(&last->key, &p->key))
			data[n++] = (const uint8_t *)&p->key;
		last = p;
		of[i] = n - 1;
	}
	if (n == 0)
		return;
	rte_acl_classify(ctx, data, result, n, 1);
	for (i = 0; i < w->n; i++) {
		struct acl_pkt *p = &w->pkt[i];

		if (!p->is_done && p->kind == kind && p->is_v6 == is_v6)
			p->result = result[of[i]];
	}
}

static enum vsw_policy_drop denial(const struct acl_burst *w, const struct acl_pkt *p)
{
	if (!p->result)
		return VSW_POLICY_DROP_acl_default;
	if (p->kind == ACL_FULL || !w->a->rule[p->result - 1].has_l4)
		return VSW_POLICY_DROP_acl_rule;
	return p->is_later ? VSW_POLICY_DROP_acl_fragment : VSW_POLICY_DROP_acl_chain;
}

/* In the order of arrival: fragments often come right behind their first one. */
static bool fragment_passes(struct acl_burst *w, const struct acl_pkt *p)
{
	if (!datagram_is_known(w, p))
		return false;
	pol_count(&w->b->lane->fragments, 1);
	return true;
}

static void apply(struct acl_burst *w, const struct acl_pkt *p)
{
	const struct acl_rule *r = p->result ? &w->a->rule[p->result - 1] : NULL;

	if (unlikely(p->is_later) && fragment_passes(w, p))
		return;
	if (r)
		pol_count(&w->b->lane->hits[p->result - 1], 1);
	if (r ? !r->is_permit : w->set->default_ip == VSW_ACL_DENY) {
		pol_drop(w->b, p->k, VSW_DROP_acl_denied, denial(w, p));
		return;
	}
	if (!r)
		pol_count(&w->b->lane->default_permits, 1);
	else if (r->is_stateful)
		conn_open(w, p, p->result - 1);
	pass(w, p);
}

void pol_acl_run(const struct vsw_policy *pol, struct pol_burst *b)
{
	struct acl_burst w;
	unsigned int v6;
	uint16_t i;

	w.b = b;
	w.a = pol->acl;
	w.set = &w.a->set[b->way];
	w.now = (uint32_t)(b->v->now_tsc >> w.a->tick_shift);
	w.n = 0;
	gather(&w);
	if (w.a->conns)
		pass_connections(&w);
	for (v6 = 0; v6 < 2; v6++) {
		if (w.set->full[v6])
			classify(&w, w.set->full[v6], ACL_FULL, v6);
		if (w.set->blind[v6])
			classify(&w, w.set->blind[v6], ACL_BLIND, v6);
	}
	for (i = 0; i < w.n; i++) {
		if (w.pkt[i].is_done)
			pass(&w, &w.pkt[i]);
		else
			apply(&w, &w.pkt[i]);
	}
}
