/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of connections. */
#include "vswitch/policy/conn.h"

#include <emmintrin.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <rte_cycles.h>
#include <rte_pause.h>

#include "base/err.h"

#define FILL_AIM    20u /* of POL_CONN_WAYS on average: 1 group in 50 or less overflows */
#define TICKS_A_SEC 8u	/* at least */

/* ---- Life ----------------------------------------------------------------------------------- */

/* Zeroed; in huge pages where the kernel has some, since each packet goes to another place. */
static void *map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, bytes, MADV_HUGEPAGE);
	return p;
}

static void unmap(void *p, size_t bytes)
{
	if (p)
		munmap(p, bytes);
}

static void destroy(struct pol_conns *t)
{
	unmap(t->group, t->group_bytes);
	unmap(t->conn, t->conn_bytes);
	free(t);
}

unsigned int pol_tick_shift(void)
{
	return 63 - (unsigned int)__builtin_clzll(rte_get_tsc_hz() / TICKS_A_SEC | 1);
}

int pol_conns_create(struct pol_conns **out, uint32_t size)
{
	struct pol_conns *t = calloc(1, sizeof(*t));
	uint64_t groups = 1;

	while (groups * FILL_AIM < size)
		groups *= 2;
	if (!t)
		return err_set(-ENOMEM, "table of %u connections: out of memory", size);
	t->group_bytes = groups * sizeof(*t->group);
	t->conn_bytes = groups * POL_CONN_WAYS * sizeof(*t->conn);
	t->group = map(t->group_bytes);
	t->conn = map(t->conn_bytes);
	if (!t->group || !t->conn || getrandom(t->seed, sizeof(t->seed), 0) != sizeof(t->seed)) {
		destroy(t);
		return err_set(-ENOMEM, "table of %u connections: out of memory", size);
	}
	t->mask = groups - 1;
	t->size = size;
	t->refs = 1;
	*out = t;
	return 0;
}

void pol_conns_put(struct pol_conns *t)
{
	if (t && --t->refs == 0)
		destroy(t);
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* Bit i: slot i has @tag. A writer may be at it: what is found is compared, and the lock's number tells. */
__attribute__((no_sanitize("thread"))) static uint32_t match(const struct pol_conn_group *g,
							     uint16_t tag)
{
	const __m128i *line = (const __m128i *)(const void *)g, want = _mm_set1_epi16((short)tag);
	__m128i a = _mm_packs_epi16(_mm_cmpeq_epi16(_mm_load_si128(line), want),
				    _mm_cmpeq_epi16(_mm_load_si128(line + 1), want));
	__m128i b = _mm_packs_epi16(_mm_cmpeq_epi16(_mm_load_si128(line + 2), want),
				    _mm_cmpeq_epi16(_mm_load_si128(line + 3), want));
	uint32_t lanes = (uint32_t)_mm_movemask_epi8(a) | (uint32_t)_mm_movemask_epi8(b) << 16;

	return lanes >> 2; /* the first two are the lock */
}

static uint16_t tag_of(uint64_t hash)
{
	uint16_t tag = (uint16_t)(hash >> 48);

	return tag ? tag : 1;
}

void pol_conn_prefetch_place(const struct pol_conns *t, uint64_t hash)
{
	const uint64_t at = hash & t->mask;
	uint32_t m = match(&t->group[at], tag_of(hash));

	if (m)
		__builtin_prefetch(&t->conn[at * POL_CONN_WAYS + (unsigned int)__builtin_ctz(m)]);
}

static uint64_t get(const uint64_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static bool has_key(const struct pol_conn *c, const union pol_key *k)
{
	if (get(&c->key[0]) != k->word[0] || get(&c->key[1]) != k->word[1])
		return false;
	return k->version == 4 || (get(&c->key[2]) == k->word[2] && get(&c->key[3]) == k->word[3] &&
				   get(&c->key[4]) == k->word[4]);
}

static struct pol_conn *search(const struct pol_conns *t, const union pol_key *key, uint64_t hash)
{
	const uint64_t at = hash & t->mask;
	uint32_t m = match(&t->group[at], tag_of(hash));

	for (; m; m &= m - 1) {
		struct pol_conn *c = &t->conn[at * POL_CONN_WAYS + (unsigned int)__builtin_ctz(m)];

		if (has_key(c, key))
			return c;
	}
	return NULL;
}

/* Acquire: pairs with unlock(). */
static uint32_t read_begin(const struct pol_conn_group *g)
{
	uint32_t seq;

	while ((seq = __atomic_load_n(&g->lock, __ATOMIC_ACQUIRE)) & 1)
		rte_pause();
	return seq;
}

static bool read_is_good(const struct pol_conn_group *g, uint32_t seq)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE); /* pairs with the fence in lock() */
	return __atomic_load_n(&g->lock, __ATOMIC_RELAXED) == seq;
}

struct pol_conn *pol_conn_find(const struct pol_conns *t, const union pol_key *key, uint64_t hash,
			       union pol_conn_meta *meta, uint32_t *seen)
{
	const struct pol_conn_group *g = &t->group[hash & t->mask];
	struct pol_conn *c;
	uint32_t seq;

	do {
		seq = read_begin(g);
		c = search(t, key, hash);
		if (c) {
			meta->word = get(&c->meta);
			*seen = __atomic_load_n(&c->seen, __ATOMIC_RELAXED);
		}
	} while (!read_is_good(g, seq));
	return c;
}

static uint32_t idle_limit(uint8_t bits, const struct pol_conn_idle *idle)
{
	const uint8_t fins = POL_CONN_FIN | POL_CONN_FIN_REPLY;

	if (!(bits & POL_CONN_TCP))
		return bits & POL_CONN_ANSWERED && !(bits & POL_CONN_ECHO) ? idle->other
									   : idle->other_new;
	if (bits & POL_CONN_RST || (bits & fins) == fins)
		return idle->tcp_end;
	return bits & POL_CONN_ANSWERED ? idle->tcp : idle->tcp_new;
}

/* Another lcore's clock may be ahead: then no time has passed. */
static uint32_t age(uint32_t seen, uint32_t now)
{
	return (int32_t)(now - seen) < 0 ? 0 : now - seen;
}

bool pol_conn_is_alive(uint8_t bits, uint32_t seen, uint32_t now, const struct pol_conn_idle *idle)
{
	return age(seen, now) <= idle_limit(bits, idle);
}

/* ---- Writing -------------------------------------------------------------------------------- */

static struct pol_conn_group *lock(struct pol_conns *t, uint64_t hash)
{
	struct pol_conn_group *g = &t->group[hash & t->mask];
	uint32_t seq;

	for (;;) {
		seq = __atomic_load_n(&g->lock, __ATOMIC_RELAXED);
		if (!(seq & 1) && __atomic_compare_exchange_n(&g->lock, &seq, seq + 1, false,
							      __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			break;
		rte_pause();
	}
	__atomic_thread_fence(__ATOMIC_RELEASE); /* the odd number before what is written */
	return g;
}

static void unlock(struct pol_conn_group *g)
{
	__atomic_store_n(&g->lock, __atomic_load_n(&g->lock, __ATOMIC_RELAXED) + 1,
			 __ATOMIC_RELEASE);
}

static void put(struct pol_conn *c, const uint64_t key[5], uint64_t meta, uint32_t seen)
{
	unsigned int i;

	for (i = 0; i < 5; i++)
		__atomic_store_n(&c->key[i], key[i], __ATOMIC_RELAXED);
	__atomic_store_n(&c->meta, meta, __ATOMIC_RELAXED);
	__atomic_store_n(&c->seen, seen, __ATOMIC_RELAXED);
}

/* What a place is worth: 0 when nobody needs it, then what has ended or was never answered, then by
 * age. */
static uint64_t worth(const struct pol_conn_group *g, const struct pol_conn *c, unsigned int slot,
		      uint32_t now, const struct pol_conn_idle *idle)
{
	union pol_conn_meta m = {.word = c->meta};
	uint32_t old = age(__atomic_load_n(&c->seen, __ATOMIC_RELAXED), now);

	if (g->tag[slot] == 0 || old > idle_limit(m.bits, idle))
		return 0;
	return (uint64_t)(m.bits & POL_CONN_ANSWERED && !(m.bits & POL_CONN_RST)) << 33 |
	       ((uint64_t)UINT32_MAX + 1 - old);
}

static unsigned int cheapest(const struct pol_conn_group *g, const struct pol_conn *c, uint32_t now,
			     const struct pol_conn_idle *idle, uint64_t *least)
{
	unsigned int i, best = 0;

	*least = UINT64_MAX;
	for (i = 0; i < POL_CONN_WAYS && *least; i++) {
		uint64_t w = worth(g, &c[i], i, now, idle);

		if (w < *least) {
			*least = w;
			best = i;
		}
	}
	return best;
}

enum pol_conn_result pol_conn_open(struct pol_conns *t, const union pol_key *key, uint64_t hash,
				   union pol_conn_meta meta, uint32_t now,
				   const struct pol_conn_idle *idle, bool must_refuse)
{
	struct pol_conn_group *g = lock(t, hash);
	struct pol_conn *first = &t->conn[(hash & t->mask) * POL_CONN_WAYS];
	struct pol_conn *c = search(t, key, hash);
	uint64_t least = 0;
	unsigned int slot;

	if (!c) {
		slot = cheapest(g, first, now, idle, &least);
		c = &first[slot];
		if (!least || !must_refuse)
			__atomic_store_n(&g->tag[slot], tag_of(hash), __ATOMIC_RELAXED);
	}
	if (!least || !must_refuse)
		put(c, key->word, meta.word, now);
	unlock(g);
	if (!least)
		return POL_CONN_OPENED;
	return must_refuse ? POL_CONN_REFUSED : POL_CONN_REPLACED;
}

void pol_conn_mark(struct pol_conns *t, const union pol_key *key, uint64_t hash, uint8_t bits)
{
	struct pol_conn_group *g = lock(t, hash);
	struct pol_conn *c = search(t, key, hash);
	union pol_conn_meta m;

	if (c) {
		m.word = c->meta;
		m.bits |= bits;
		__atomic_store_n(&c->meta, m.word, __ATOMIC_RELAXED);
	}
	unlock(g);
}

void pol_conn_renew(struct pol_conns *t, const union pol_key *key, uint64_t hash, uint32_t gen,
		    uint16_t rule)
{
	struct pol_conn_group *g = lock(t, hash);
	struct pol_conn *c = search(t, key, hash);
	union pol_conn_meta m;

	if (c) {
		m.word = c->meta;
		m.gen = gen;
		m.rule = rule;
		__atomic_store_n(&c->meta, m.word, __ATOMIC_RELAXED);
	}
	unlock(g);
}

void pol_conn_close(struct pol_conns *t, const union pol_key *key, uint64_t hash)
{
	struct pol_conn_group *g = lock(t, hash);
	struct pol_conn *c = search(t, key, hash);

	if (c)
		__atomic_store_n(&g->tag[c - &t->conn[(hash & t->mask) * POL_CONN_WAYS]], 0,
				 __ATOMIC_RELAXED);
	unlock(g);
}

/* ---- For ctl -------------------------------------------------------------------------------- */

/* Copies a group as it was at one moment; returns how many are in it. */
static unsigned int group_read(const struct pol_conns *t, uint64_t at, struct pol_conn *out)
{
	const struct pol_conn_group *g = &t->group[at];
	const struct pol_conn *c = &t->conn[at * POL_CONN_WAYS];
	unsigned int i, k, n;
	uint32_t seq;

	do {
		seq = read_begin(g);
		for (n = 0, i = 0; i < POL_CONN_WAYS; i++) {
			if (!__atomic_load_n(&g->tag[i], __ATOMIC_RELAXED))
				continue;
			for (k = 0; k < 5; k++)
				out[n].key[k] = get(&c[i].key[k]);
			out[n].meta = get(&c[i].meta);
			out[n++].seen = __atomic_load_n(&c[i].seen, __ATOMIC_RELAXED);
		}
	} while (!read_is_good(g, seq));
	return n;
}

void pol_conns_copy(struct pol_conns *to, const struct pol_conns *from)
{
	static const struct pol_conn_idle for_ever = {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX,
						      INT32_MAX};
	struct pol_conn some[POL_CONN_WAYS];
	union pol_conn_meta meta;
	union pol_key key;
	unsigned int i, n;
	uint64_t at;

	for (at = 0; at <= from->mask; at++) {
		n = group_read(from, at, some);
		for (i = 0; i < n; i++) {
			memcpy(key.word, some[i].key, sizeof(key.word));
			meta.word = some[i].meta;
			pol_conn_open(to, &key, pol_key_hash(to->seed, &key), meta, some[i].seen,
				      &for_ever, false);
		}
	}
}

uint32_t pol_conns_count(const struct pol_conns *t, uint32_t now, const struct pol_conn_idle *idle)
{
	struct pol_conn some[POL_CONN_WAYS];
	union pol_conn_meta meta;
	uint32_t alive = 0;
	unsigned int i, n;
	uint64_t at;

	for (at = 0; at <= t->mask; at++) {
		n = group_read(t, at, some);
		for (i = 0; i < n; i++) {
			meta.word = some[i].meta;
			alive += pol_conn_is_alive(meta.bits, some[i].seen, now, idle);
		}
	}
	return alive;
}
