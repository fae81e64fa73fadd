/* SPDX-License-Identifier: BSD-3-Clause */
/* A rate limit for each source port or source MAC: what is over it is dropped (police) or held until it
 * conforms (shape).
 *
 * A bucket is one number, the time at which it would be empty of debt (the generic cell rate algorithm), so
 * lcores share buckets by compare-and-swap and the limit is exact over all of them. Held packets are
 * an lcore's own: a flow stays on its lcore, so its packets leave in their order. */
#include <nethv/extension.h>

#include "../text.h"

#define BUCKETS 4096u /* a power of two, at least NETHV_PORTS_MAX */
#define HELD	256u  /* an lcore holds so many packets */

enum reason { OVER_RATE, QUEUE_FULL };

static const char *const reasons[] = {
	"over_rate: over the source's rate limit",
	"queue_full: over the rate limit, and too many of the source's packets are waiting",
};

/* Immutable for lcores: configure() makes another one. */
struct limit {
	uint64_t byte_cost; /* 2^-16 ns: the time that a byte takes at the rate */
	uint64_t depth;	    /* ticks of debt that are allowed: the burst */
	uint32_t is_shaping, is_by_mac, queue_max;
};

struct ratelimit {
	const struct nethv_host *h;
	struct limit *limit;
	uint64_t debt_until[BUCKETS]; /* ticks: 1/16 ns, so that they last for 36 years */
};

/* Indices are counted from 1, so that zeroed memory is empty. */
struct held {
	uint32_t handle, len;
	uint16_t next;
};

struct queue {
	uint16_t first, last, n;
};

struct lane {
	uint64_t passed, dropped, held;
	uint16_t nr_used, free; /* entries never used lie behind nr_used; others are in a list */
	uint16_t nr_busy, busy[HELD]; /* buckets with something in their queue */
	struct held entry[HELD + 1];
	struct queue queue[BUCKETS];
};

static const struct nethv_key keys[] = {
	{"rate_mbps", NETHV_KEY_REAL, 1, NULL, "of each source, in Mbit/s of frames", 0.01, 1e6},
	{"burst_kib", NETHV_KEY_INT, 0, "64", "what may come at once, in KiB", 1, 65536},
	{"by", NETHV_KEY_TEXT, 0, "port", "a source is a port or a mac", 0, 0},
	{"mode", NETHV_KEY_TEXT, 0, "police", "police (drop) or shape (hold)", 0, 0},
	{"queue", NETHV_KEY_INT, 0, "64", "packets of a source that may wait on an lcore", 1, HELD},
	{NULL, 0, 0, NULL, NULL, 0, 0},
};

/* ---- Configuration: ctl ---- */

/* Which of the two words @key has: 0 or 1; -1: neither. */
static int choice(const struct nethv_host *h, const char *key, const char *zero, const char *one)
{
	const char *s = h->cfg_text(h, key);

	return strcmp(s, one) == 0 ? 1 : strcmp(s, zero) == 0 ? 0 : -1;
}

static int build(const struct nethv_host *h, struct limit **out)
{
	int is_by_mac = choice(h, "by", "port", "mac");
	int is_shaping = choice(h, "mode", "police", "shape");
	struct limit *l;

	if (is_by_mac < 0)
		return h->fail(h, "by is port or mac");
	if (is_shaping < 0)
		return h->fail(h, "mode is police or shape");
	l = (struct limit *)h->alloc(h, sizeof(*l));
	if (!l)
		return h->fail(h, "no memory");
	l->byte_cost = (uint64_t)(8000.0 / h->cfg_real(h, "rate_mbps") * 65536.0);
	l->depth = ((uint64_t)h->cfg_int(h, "burst_kib") * 1024 * l->byte_cost) >> 12;
	l->is_by_mac = (uint32_t)is_by_mac;
	l->is_shaping = (uint32_t)is_shaping;
	l->queue_max = (uint32_t)h->cfg_int(h, "queue");
	*out = l;
	return 0;
}

static int create(const struct nethv_host *h, void **inst)
{
	struct ratelimit *r = (struct ratelimit *)h->alloc(h, sizeof(*r));

	if (!r)
		return h->fail(h, "no memory");
	r->h = h;
	*inst = r;
	return build(h, &r->limit);
}

/* Debts are times at the old rate: they are forgiven. */
static int configure(void *inst)
{
	struct ratelimit *r = (struct ratelimit *)inst;
	struct limit *old = r->limit, *l;

	if (build(r->h, &l))
		return -1;
	__atomic_store_n(&r->limit, l, __ATOMIC_RELEASE);
	r->h->quiesce(r->h);
	for (uint32_t i = 0; i < BUCKETS; i++)
		__atomic_store_n(&r->debt_until[i], 0, __ATOMIC_RELAXED);
	r->h->free(r->h, old);
	return 0;
}

/* State, version 1: the limit that the debts are in, and the debts. */
static int save(void *inst, struct nethv_writer *w)
{
	struct ratelimit *r = (struct ratelimit *)inst;
	int rc = w->put(w, r->limit, sizeof(*r->limit));

	return rc ? rc : w->put(w, r->debt_until, sizeof(r->debt_until));
}

static int restore(void *inst, const void *data, size_t len, uint32_t state_version)
{
	struct ratelimit *r = (struct ratelimit *)inst;
	struct limit old;

	if (state_version != 1 || len != sizeof(old) + sizeof(r->debt_until))
		return r->h->fail(r->h, "not a state of ratelimit, version 1");
	memcpy(&old, data, sizeof(old));
	if (old.byte_cost == r->limit->byte_cost && old.is_by_mac == r->limit->is_by_mac)
		memcpy(r->debt_until, (const char *)data + sizeof(old), sizeof(r->debt_until));
	return 0;
}

static int status(void *inst, char *json, size_t size)
{
	struct ratelimit *r = (struct ratelimit *)inst;
	unsigned long long passed = 0, dropped = 0, held = 0, waiting = 0;
	int at = 0;

	for (uint16_t lc = 0; lc < r->h->nr_lcores; lc++) {
		const struct lane *l = (const struct lane *)r->h->lcore_data(r->h, lc);

		passed += l->passed;
		dropped += l->dropped;
		held += l->held;
		for (uint16_t k = 0; k < l->nr_busy; k++)
			waiting += l->queue[l->busy[k]].n;
	}
	return TEXT_PUT(at, json, size,
			"{\"passed\":%llu,\"dropped\":%llu,\"held\":%llu,\"waiting\":%llu}", passed,
			dropped, held, waiting);
}

/* ---- Packets: lcore ---- */

/* Source MACs that fall into one bucket share its rate: memory stays bounded whatever a guest sends.
 * Where guests choose their MACs, use it with the spoof guard. */
static uint32_t bucket_of(const struct limit *l, const struct nethv_pkt *p)
{
	uint64_t mac = 0;

	if (!l->is_by_mac)
		return p->src_port % NETHV_PORTS_MAX;
	memcpy(&mac, nethv_bytes(p) + 6, 6);
	return (uint32_t)((mac * 0x9E3779B97F4A7C15ull) >> 52);
}
_Static_assert(BUCKETS == 1u << (64 - 52), "bucket_of() takes the upper bits");

/* Takes the packet's bytes off the bucket, if they are in it. A bucket without debt gives whatever is
 * asked, or a frame longer than the burst would never pass. */
static bool conforms(struct ratelimit *r, const struct limit *l, uint32_t bucket, uint32_t len,
		     uint64_t now)
{
	uint64_t cost = (len * l->byte_cost) >> 12;
	uint64_t debt = __atomic_load_n(&r->debt_until[bucket], __ATOMIC_RELAXED);
	uint64_t from;

	do {
		from = debt > now ? debt : now;
		if (debt > now && debt - now + cost > l->depth)
			return false;
	} while (!__atomic_compare_exchange_n(&r->debt_until[bucket], &debt, from + cost, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return true;
}

/* An entry of the lane: its index, or 0. */
static uint16_t entry_get(struct lane *l)
{
	uint16_t e = l->free;

	if (e)
		l->free = l->entry[e].next;
	else if (l->nr_used < HELD)
		e = ++l->nr_used;
	return e;
}

static void entry_put(struct lane *l, uint16_t e)
{
	l->entry[e].next = l->free;
	l->free = e;
}

static void append(struct lane *l, uint32_t bucket, uint16_t e)
{
	struct queue *q = &l->queue[bucket];

	l->entry[e].next = 0;
	if (q->n++)
		l->entry[q->last].next = e;
	else
		q->first = e;
	q->last = e;
	if (q->n == 1)
		l->busy[l->nr_busy++] = (uint16_t)bucket;
}

/* Takes packet @i out of the burst, or drops it when too many wait. While it is being unloaded an extension
 * may not hold any more: then the packet passes. */
static void hold(struct lane *l, const struct limit *lim, struct nethv_burst *b, uint16_t i,
		 uint32_t bucket)
{
	uint16_t e = l->queue[bucket].n < lim->queue_max ? entry_get(l) : 0;
	int rc = e ? b->host->hold(b, i, &l->entry[e].handle) : NETHV_ENOROOM;

	if (rc == NETHV_OK) {
		l->entry[e].len = b->pkt[i]->len;
		append(l, bucket, e);
		l->held++;
		return;
	}
	if (e)
		entry_put(l, e);
	if (rc == NETHV_EPERM) {
		l->passed++;
		return;
	}
	l->dropped++;
	nethv_drop(b, i, QUEUE_FULL);
}

static void ingress(void *inst, struct nethv_burst *b)
{
	struct ratelimit *r = (struct ratelimit *)inst;
	const struct limit *lim = __atomic_load_n(&r->limit, __ATOMIC_ACQUIRE);
	struct lane *l = (struct lane *)b->lcore_data;

	for (uint16_t i = 0; i < b->n; i++) {
		uint32_t bucket = bucket_of(lim, b->pkt[i]);
		bool is_waiting = l->queue[bucket].n > 0; /* then nobody may overtake */

		if (b->pkt[i]->src_port == NETHV_PORT_DEFAULT ||
		    (!is_waiting && conforms(r, lim, bucket, b->pkt[i]->len, b->now_ns << 4))) {
			l->passed++;
		} else if (lim->is_shaping || is_waiting) {
			hold(l, lim, b, i, bucket);
		} else {
			l->dropped++;
			nethv_drop(b, i, OVER_RATE);
		}
	}
}

/* Releases the head of a queue. False: the switch has no room now. */
static bool release_first(struct lane *l, struct nethv_burst *b, struct queue *q)
{
	uint16_t e = q->first;

	if (b->host->release(b, l->entry[e].handle) == NETHV_ENOROOM)
		return false;
	q->first = l->entry[e].next;
	q->n--;
	entry_put(l, e);
	l->passed++;
	return true;
}

/* Where @is_all, whether they conform or not: then nobody is to wait any longer. */
static void release(struct ratelimit *r, struct nethv_burst *b, bool is_all)
{
	const struct limit *lim = __atomic_load_n(&r->limit, __ATOMIC_ACQUIRE);
	struct lane *l = (struct lane *)b->lcore_data;

	for (uint16_t k = 0; k < l->nr_busy;) {
		uint16_t bucket = l->busy[k];
		struct queue *q = &l->queue[bucket];

		while (q->n &&
		       (is_all || conforms(r, lim, bucket, l->entry[q->first].len, b->now_ns << 4)))
			if (!release_first(l, b, q))
				return;
		if (q->n)
			k++;
		else
			l->busy[k] = l->busy[--l->nr_busy];
	}
}

static void poll(void *inst, struct nethv_burst *b)
{
	release((struct ratelimit *)inst, b, false);
}

static void flush(void *inst, struct nethv_burst *b)
{
	release((struct ratelimit *)inst, b, true);
}

NETHV_EXTENSION{
	NETHV_EXT_HEAD,
	.guid = {{0x3d, 0x0a, 0x5c, 0x11, 0x7e, 0x42, 0x4b, 0x0e, 0x9a, 0x61, 0x52, 0x10, 0x8b,
		  0x6f, 0xd2, 0x04}},
	.name = "ratelimit",
	.version = "1.0",
	.summary = "Limits the rate of each source port or MAC, by dropping or by holding",
	.cls = NETHV_FILTER,
	.flags = NETHV_EXT_HOLDS,
	.reasons = reasons,
	.nr_reasons = sizeof(reasons) / sizeof(reasons[0]),
	.lcore_size = sizeof(struct lane),
	.keys = keys,
	.state_version = 1,
	.create = create,
	.configure = configure,
	.save = save,
	.restore = restore,
	.status = status,
	.ingress = ingress,
	.poll = poll,
	.flush = flush,
};
