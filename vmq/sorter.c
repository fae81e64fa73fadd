/* SPDX-License-Identifier: BSD-3-Clause */
/* The provider for every device: we sort ourselves. The device has one queue; whoever polls it takes the others'
 * frames out and puts them into rings in our memory, from which their lcores poll them. Nothing that the device
 * writes goes directly to a partition. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include <rte_ethdev.h>

#include "base/err.h"
#include "base/fd.h"
#include "vmq/provider.h"
#include "vmq/queue.h"
#include "vmq/ring.h"
#include "vmq/sort.h"
#include "vmq/spread.h"
#include "vswitch/steer.h"
#include "vswitch/vswitch.h"

#define BURST	   64u
#define BURSTS_MAX 8u /* in one call of rx() */
#define FULL	   32u /* frames of a burst behind which more are likely: some drivers never give more */
#define FILLED	   VSW_VEC_SIZE /* frames that are as many as a queue's lcore takes at once */
#define AHEAD	   6u		/* headers that are fetched while one is looked at */
#define RING_MIN   64u
#define WORDS	   (VMQ_QUEUES_MAX / 64)

struct sorter {
	/* Read by the lcore that polls queue 0. */
	struct vmq_sort *table; /* RCU */
	struct vmq_pen *pen;	/* [nr_queues], as the next; those of queue 0 are not used */
	struct vmq_ring *ring;
	uint16_t dev, nr_queues;
	bool is_one;	     /* one lcore polls all queues. Atomic */
	uint32_t nr_waiting; /* with that: frames in all rings */
	/* RCU.  NULL: what is led to the queue stays there. */
	struct vmq_spread *spread[VMQ_QUEUES_MAX];

	/* ctl only */
	struct vsw *sw;
	const char *name;
	struct rte_mbuf **slots; /* of all rings */
	uint32_t nr_rules;
	struct vmq_sort_rule rule[VMQ_FILTERS_MAX]; /* in no order */
};

/* One call of rx(). */
struct round {
	const struct vmq_sort *table;
	uint64_t key; /* of the last frame, and where it goes */
	uint8_t q;
	uint64_t mark[WORDS]; /* queues that got something */
	uint16_t nr_put;
};

/* ---- The lcore of queue 0 ------------------------------------------------------------------ */

/* Frames that are spread are looked at one by one, so that nothing is to be asked of those that are not: no key is
 * like that of the frame before. */
static inline void find(const struct sorter *s, struct round *r, uint64_t key,
			const struct rte_mbuf *m)
{
	const struct vmq_spread *sp;

	r->key = key;
	r->q = vmq_sort_find(r->table, key);
	sp = __atomic_load_n(&s->spread[r->q], __ATOMIC_ACQUIRE);
	if (unlikely(sp)) {
		r->key = VMQ_SORT_NONE;
		r->q = vmq_spread_queue(sp, m);
	}
}

/* False: there is no room for it. */
static inline bool put(struct sorter *s, struct round *r, struct rte_mbuf *m)
{
	if (unlikely(!vmq_ring_put(&s->pen[r->q], &s->ring[r->q], m)))
		return false;
	r->mark[r->q / 64] |= 1ull << r->q % 64;
	r->nr_put++;
	return true;
}

/* Of m[0 .. @n) those for the default queue stay, in order: how many. */
static uint16_t sort_burst(struct sorter *s, struct round *r, struct rte_mbuf **m, uint16_t n)
{
	struct rte_mbuf *lost[BURST];
	uint16_t i, kept = 0, nr_lost = 0;

	for (i = 0; i < RTE_MIN(n, AHEAD); i++)
		rte_prefetch0(rte_pktmbuf_mtod(m[i], void *));
	for (i = 0; i < n; i++) {
		uint64_t key = vmq_sort_key(m[i]);

		if (i + AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(m[i + AHEAD], void *));
		if (key != r->key)
			find(s, r, key, m[i]);
		if (r->q == VMQ_DEFAULT)
			m[kept++] = m[i];
		else if (unlikely(!put(s, r, m[i])))
			lost[nr_lost++] = m[i];
	}
	if (unlikely(nr_lost))
		rte_pktmbuf_free_bulk(lost, nr_lost);
	return kept;
}

/* Whether a queue has as much as its lcore takes at once: more would only lie there, or find the ring full after
 * it was sorted. What stays in the device is lost there at no cost. */
static bool is_filled(const struct sorter *s, const struct round *r)
{
	uint64_t bits;
	uint16_t w;

	for (w = 0; w < WORDS; w++) {
		for (bits = r->mark[w]; bits; bits &= bits - 1) {
			const struct vmq_pen *p = &s->pen[w * 64 + __builtin_ctzll(bits)];

			if (p->put - p->shown >= FILLED)
				return true;
		}
	}
	return false;
}

static void for_marked(struct sorter *s, const struct round *r,
		       void (*fn)(struct sorter *s, uint16_t q))
{
	uint64_t bits;
	uint16_t w;

	for (w = 0; w < WORDS; w++) {
		for (bits = r->mark[w]; bits; bits &= bits - 1)
			fn(s, (uint16_t)(w * 64 + __builtin_ctzll(bits)));
	}
}

static void show(struct sorter *s, uint16_t q)
{
	vmq_ring_show(&s->pen[q], &s->ring[q]);
}

static void wake(struct sorter *s, uint16_t q)
{
	vmq_ring_wake(&s->ring[q]);
}

/* One fence for all queues. */
static void hand_over(struct sorter *s, const struct round *r)
{
	uint64_t any = 0;
	uint16_t w;

	for (w = 0; w < WORDS; w++)
		any |= r->mark[w];
	if (!any)
		return;
	for_marked(s, r, show);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* see vmq_ring_wake() */
	for_marked(s, r, wake);
}

/* Whether all of the first burst goes as one vector to whose its first and its last frame are: who delivers looks at each
 * frame, and looks up those of a vector that is not what it seems. Nothing may wait in a ring that could be overtaken
 * so. What is spread is not one queue's. */
static inline bool guess(const struct sorter *s, const struct vmq_sort *t,
			 struct rte_mbuf *const *m, uint16_t n, uint16_t *q)
{
	uint64_t key;
	uint16_t to;

	if (!__atomic_load_n(&s->is_one, __ATOMIC_ACQUIRE) || s->nr_waiting)
		return false;
	key = vmq_sort_key(m[0]);
	if (vmq_sort_key(m[n - 1]) != key)
		return false;
	to = vmq_sort_find(t, key);
	if (__atomic_load_n(&s->spread[to], __ATOMIC_RELAXED))
		return false;
	*q = to;
	return true;
}

/* Goes on while bursts come full, so that the queues' vectors are filled. A frame of any burst may be the caller's,
 * who has room for @n. */
static __attribute__((noinline)) uint16_t sort(struct sorter *s, struct rte_mbuf **m, uint16_t n,
					       struct vsw_steered *st)
{
	struct round r = {.table = __atomic_load_n(&s->table, __ATOMIC_ACQUIRE)};
	uint16_t kept = 0, bursts = 0, got = rte_eth_rx_burst(s->dev, 0, m, RTE_MIN(n, BURST));

	if (got == 0)
		return 0;
	if (guess(s, r.table, m, got, &st->q))
		return got;
	for (;;) {
		kept += sort_burst(s, &r, m + kept, got);
		if (got < FULL || n - kept < (int)FULL || ++bursts == BURSTS_MAX ||
		    is_filled(s, &r))
			break;
		got = rte_eth_rx_burst(s->dev, 0, m + kept, RTE_MIN(n - kept, BURST));
		if (got == 0)
			break;
	}
	hand_over(s, &r);
	s->nr_waiting += r.nr_put;
	st->nr_passed = r.nr_put;
	return kept;
}

static uint16_t take(struct sorter *s, uint16_t q, struct rte_mbuf **m, uint16_t n)
{
	n = vmq_ring_take(&s->ring[q], m, n);
	if (n && __atomic_load_n(&s->is_one, __ATOMIC_ACQUIRE))
		s->nr_waiting -= n;
	return n;
}

static uint16_t sorter_rx(void *pv, uint16_t q, struct rte_mbuf **m, uint16_t n,
			  struct vsw_steered *st)
{
	struct sorter *s = pv;

	return q == VMQ_DEFAULT ? sort(s, m, n, st) : take(s, q, m, n);
}

static bool is_any_waiting(const struct sorter *s)
{
	for (uint16_t q = 1; q < s->nr_queues; q++)
		if (__atomic_load_n(&s->ring[q].head, __ATOMIC_ACQUIRE) != s->pen[q].put)
			return true;
	return false;
}

/* Where nothing waits nothing is counted meanwhile, whoever polls. */
static bool sorter_one_lcore(void *pv, bool is_one)
{
	struct sorter *s = pv;

	if (is_one && is_any_waiting(s))
		return false;
	s->nr_waiting = 0;
	__atomic_store_n(&s->is_one, is_one, __ATOMIC_RELEASE);
	return true;
}

/* ---- Sleep --------------------------------------------------------------------------------- */

/* Queue 0 is the device's own. */
static bool sorter_arm(void *pv, uint16_t q)
{
	struct sorter *s = pv;

	return q != VMQ_DEFAULT && vmq_ring_arm(&s->ring[q]);
}

static void sorter_disarm(void *pv, uint16_t q)
{
	struct sorter *s = pv;

	if (q != VMQ_DEFAULT)
		vmq_ring_disarm(&s->ring[q]);
}

static int sorter_event_fd(void *pv, uint16_t q)
{
	const struct sorter *s = pv;

	return q != VMQ_DEFAULT && q < s->nr_queues ? s->ring[q].event_fd : -1;
}

static struct vsw_quiet sorter_quiet(void *pv, uint16_t q)
{
	const struct sorter *s = pv;

	if (q == VMQ_DEFAULT)
		return (struct vsw_quiet){NULL, NULL};
	return (struct vsw_quiet){&s->ring[q].tail, &s->ring[q].head};
}

static uint64_t sorter_missed(void *pv, uint16_t q)
{
	const struct sorter *s = pv;

	return __atomic_load_n(&s->pen[q].missed, __ATOMIC_RELAXED);
}

/* ---- Filters ------------------------------------------------------------------------------- */

/* Its place in rule[]; nr_rules: none has that key. */
static uint32_t rule_find(const struct sorter *s, uint64_t key)
{
	uint32_t i;

	for (i = 0; i < s->nr_rules && s->rule[i].key != key; i++)
		;
	return i;
}

/* Release pairs with sort(). */
static void table_swap(struct sorter *s, struct vmq_sort *t)
{
	struct vmq_sort *old = s->table;

	__atomic_store_n(&s->table, t, __ATOMIC_RELEASE);
	vsw_quiesce(s->sw);
	free(old);
}

/* Turns a filter that is there to another queue. One byte: frames find the one or the other in it. It cannot
 * fail. When it returns nothing goes to the queue before. */
static void turn(struct sorter *s, uint64_t key, uint16_t q)
{
	uint32_t i = rule_find(s, key);

	if (i == s->nr_rules)
		return;
	s->rule[i].q = (uint8_t)q;
	if (q == VMQ_DEFAULT)
		s->rule[i] = s->rule[--s->nr_rules];
	vmq_sort_lead(s->table, key, (uint8_t)q);
	vsw_quiesce(s->sw);
}

static int sorter_filter_set(void *pv, uint16_t q, const struct vmq_filter *f)
{
	const uint64_t key = vmq_sort_key_filter(f);
	struct sorter *s = pv;
	struct vmq_sort *t;
	int rc;

	if (q == VMQ_DEFAULT)
		return 0;
	if (rule_find(s, key) < s->nr_rules) {
		turn(s, key, q);
		return 0;
	}
	if (s->nr_rules == VMQ_FILTERS_MAX)
		return err_set(-ENOSPC, "uplink %s: more than %u receive filters", s->name,
			       VMQ_FILTERS_MAX);
	s->rule[s->nr_rules] = (struct vmq_sort_rule){key, (uint8_t)q};
	rc = vmq_sort_build(&t, s->rule, s->nr_rules + 1);
	if (rc) {
		err_prefix("uplink %s", s->name);
		return rc;
	}
	s->nr_rules++;
	table_swap(s, t);
	return 0;
}

static int sorter_filter_clear(void *pv, uint16_t q, const struct vmq_filter *f)
{
	if (q != VMQ_DEFAULT)
		turn(pv, vmq_sort_key_filter(f), VMQ_DEFAULT);
	return 0;
}

static int sorter_filter_move(void *pv, uint16_t from, uint16_t to, const struct vmq_filter *f)
{
	if (from == VMQ_DEFAULT)
		return sorter_filter_set(pv, to, f);
	turn(pv, vmq_sort_key_filter(f), to);
	return 0;
}

/* ---- Several queues of one ------------------------------------------------------------------- */

/* Release pairs with find(). When it returns nothing goes by the table before. */
static int sorter_spread(void *pv, uint16_t q, const uint16_t *qs, uint16_t n)
{
	struct sorter *s = pv;
	struct vmq_spread *old = s->spread[q], *t = NULL;

	if (n > 1) {
		t = malloc(sizeof(*t));
		if (!t)
			return err_set(-ENOMEM, "uplink %s: %u queues for queue %u: out of memory",
				       s->name, n, q);
		vmq_spread_init(t, qs, n);
	}
	__atomic_store_n(&s->spread[q], t, __ATOMIC_RELEASE);
	vsw_quiesce(s->sw);
	free(old);
	return 0;
}

/* ---- Life ---------------------------------------------------------------------------------- */

static int sorter_probe(uint16_t dev, const struct rte_eth_dev_info *info)
{
	return (int)VMQ_QUEUES_MAX;
}

static int sorter_configure(void *pv, const struct rte_eth_dev_info *info,
			    struct rte_eth_conf *conf)
{
	return 1;
}

static int sorter_started(void *pv)
{
	return 0;
}

/* Nobody polls: what still waits goes back to the device's pool before that is gone. */
static void sorter_stopping(void *pv)
{
	struct sorter *s = pv;
	struct rte_mbuf *m[BURST];
	uint16_t q, n;

	for (q = 1; q < s->nr_queues; q++) {
		while ((n = vmq_ring_take(&s->ring[q], m, BURST)))
			rte_pktmbuf_free_bulk(m, n);
	}
	s->nr_waiting = 0;
	s->is_one = false;
}

static void sorter_destroy(void *pv)
{
	struct sorter *s = pv;
	uint16_t q;

	if (!s)
		return;
	for (q = 0; q < VMQ_QUEUES_MAX; q++)
		free(s->spread[q]);
	for (q = 0; s->ring && q < s->nr_queues; q++)
		fd_close(&s->ring[q].event_fd);
	free(s->table);
	free(s->slots);
	free(s->ring);
	free(s->pen);
	free(s);
}

/* A line between two rings' slots, so that those which are filled alike do not want the same places of the cache. */
static int rings_create(struct sorter *s, uint32_t size)
{
	const size_t step = size + 64 / sizeof(s->slots[0]);
	uint16_t q;

	s->pen = aligned_alloc(64, RTE_ALIGN_CEIL(s->nr_queues * sizeof(s->pen[0]), 64));
	s->slots = aligned_alloc(64, s->nr_queues * step * sizeof(s->slots[0]));
	s->ring = aligned_alloc(64, s->nr_queues * sizeof(s->ring[0]));
	if (!s->pen || !s->slots || !s->ring) {
		free(s->ring);
		s->ring = NULL;
		return err_set(-ENOMEM, "uplink %s: %u queues of %u frames: out of memory", s->name,
			       s->nr_queues, size);
	}
	for (q = 0; q < s->nr_queues; q++)
		vmq_ring_init(&s->ring[q], &s->pen[q], s->slots + q * step, size, -1);
	for (q = 1; q < s->nr_queues; q++) {
		s->ring[q].event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (s->ring[q].event_fd < 0)
			return err_sys(-errno, "uplink %s: wake-up of queue %u", s->name, q);
	}
	return 0;
}

static int sorter_create(void **pv, const struct vmq_provider_cfg *cfg)
{
	struct sorter *s;
	int rc;

	if (cfg->nr_queues == 0 || cfg->nr_queues > VMQ_QUEUES_MAX)
		return err_set(-EINVAL, "uplink %s: %u queues, want 1..%u", cfg->name,
			       cfg->nr_queues, VMQ_QUEUES_MAX);
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(-ENOMEM, "uplink %s: out of memory", cfg->name);
	s->name = cfg->name;
	s->dev = cfg->dev;
	s->sw = cfg->sw;
	s->nr_queues = cfg->nr_queues;
	rc = rings_create(s, rte_align32pow2(RTE_MAX(cfg->nr_desc, RING_MIN)));
	if (!rc)
		rc = vmq_sort_build(&s->table, NULL, 0);
	if (rc) {
		sorter_destroy(s);
		return rc;
	}
	*pv = s;
	return 0;
}

const struct vmq_provider_ops vmq_software = {
	.name = "software",
	.probe = sorter_probe,
	.create = sorter_create,
	.destroy = sorter_destroy,
	.configure = sorter_configure,
	.started = sorter_started,
	.stopping = sorter_stopping,
	.filter_set = sorter_filter_set,
	.filter_clear = sorter_filter_clear,
	.filter_move = sorter_filter_move,
	.spread = sorter_spread,
	.rx = sorter_rx,
	.one_lcore = sorter_one_lcore,
	.arm = sorter_arm,
	.disarm = sorter_disarm,
	.event_fd = sorter_event_fd,
	.quiet = sorter_quiet,
	.missed = sorter_missed,
};
