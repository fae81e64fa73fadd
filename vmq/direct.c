/* SPDX-License-Identifier: BSD-3-Clause */
/* The pool of a queue that may receive directly. Heads (mbufs) are the switch's; at each refill one gets a section
 * of the owner's receive buffer, or its own bytes. An object of the pool is an mbuf with struct head behind it.
 *
 * Who may touch what: the lcore that polls the queue everything but the lines said to be ctl's; ctl may touch
 * heads only while lcores are parked, which is between two vectors: then each head is in the pool, or under a
 * descriptor. */
#include "vmq/direct.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_branch_prediction.h>
#include <rte_errno.h>
#include <rte_mempool.h>
#include <rte_memzone.h>

#include "base/err.h"
#include "base/log.h"
#include "vswitch/vswitch.h"

#define PAGE	     4096u
#define BATCH	     32u    /* sections taken or given in one call */
#define BUF_MAX	     61440u /* an mbuf's length has 16 bits */
#define SECTIONS_MAX 65536u
#define OPS_NAME     "vmq_direct"

/* Addresses that lead the device to one receive buffer. No two are the same while a descriptor may use one: they are
 * reserved as addresses of ours, where nothing of ours lies. */
struct window {
	const struct vsw_rxbuf *buf;
	uint8_t *const *page;  /* buf's */
	uint32_t section_size; /* buf's */
	uint64_t iova;
	uint64_t len;
	uint32_t nr_pages; /* of a section */
	uint32_t nr_refs;  /* it is the present one; heads that a descriptor reaches by it. ctl */
};

#define SEC_NONE UINT32_MAX

/* Behind each mbuf. d.sec is a section that counts as lent, be it the guest's by now, or SEC_NONE. */
struct head {
	struct vsw_direct d; /* first: what everybody sees */
	bool is_back;	     /* came back since stale_in was set. Atomic: lcore sets, ctl reads */
	bool is_out;	     /* ctl: not in the pool */
	/* ctl: its own bytes are mapped once more, at an address of that window. */
	struct window *stale_in;
	uint64_t stale_at;
};
_Static_assert(offsetof(struct head, d) == 0, "vsw_direct_of()");
_Static_assert(sizeof(struct head) % RTE_MBUF_PRIV_ALIGN == 0, "pktmbuf pools want it so");
_Static_assert(sizeof(struct head) <= 64, "one cache line");

struct vmq_direct {
	/* ctl publishes (release), the lcore loads (acquire). NULL: off. */
	struct window *now;
	/* The lcore. */
	uint32_t nr_free;
	uint32_t nr_ready;
	uint32_t lent;	   /* sections that are not the backend's nor the guest's */
	uint32_t nr_stale; /* heads under descriptors of an earlier window */
	uint32_t nr_spare; /* taken, not yet under a head */
	uint64_t sections, own;
	struct rte_mbuf **free;
	struct rte_mbuf *ready[BATCH]; /* go out next: with sections, counted as gone */
	uint16_t spare[BATCH];
	/* ctl */
	struct vmq_direct_cfg cfg;
	char name[24]; /* what cfg.name points to */
	struct rte_mempool *pool;
	const struct rte_memzone *host; /* the heads' own bytes, in the order of mbuf[] */
	struct rte_mbuf **mbuf;		/* all */
	uint32_t nr_mbufs;
};

/* Sections to be given back in one call. */
struct back {
	const struct vsw_rxbuf *buf;
	uint32_t n;
	uint16_t sec[BATCH];
};

static inline struct head *head_of(struct rte_mbuf *m)
{
	return (struct head *)(void *)vsw_direct_of(m);
}

static inline void count(uint64_t *c, uint64_t n)
{
	__atomic_store_n(c, *c + n, __ATOMIC_RELAXED);
}

static inline void count32(uint32_t *c, int32_t n)
{
	__atomic_store_n(c, *c + (uint32_t)n, __ATOMIC_RELAXED);
}

static void back_flush(struct vmq_direct *d, struct back *b)
{
	if (b->n == 0)
		return;
	b->buf->give(b->buf->be, b->sec, b->n);
	count32(&d->lent, -(int32_t)b->n);
	b->n = 0;
}

static void back_add(struct vmq_direct *d, struct back *b, const struct vsw_rxbuf *buf,
		     uint16_t sec)
{
	if (b->n == BATCH)
		back_flush(d, b);
	b->buf = buf;
	b->sec[b->n++] = sec;
}

/* The head has its own bytes again. */
static void section_back(struct vmq_direct *d, struct rte_mbuf *m, struct back *b)
{
	struct head *h = head_of(m);

	back_add(d, b, h->d.buf, (uint16_t)h->d.sec);
	h->d.sec = SEC_NONE;
	vsw_direct_gone(m);
}

/* ---- The lcore: refills ---------------------------------------------------------------------- */

/* Half of the sections are left to what is copied, and to the guest, who hands them back when it likes. */
static bool spare_fill(struct vmq_direct *d, const struct vsw_rxbuf *b)
{
	uint32_t most = b->nr_sections / 2, n = most > d->lent ? most - d->lent : 0;

	n = b->take(b->be, d->spare, RTE_MIN(n, BATCH));
	d->nr_spare = n;
	count32(&d->lent, (int32_t)n);
	return n > 0;
}

static inline void section_put(const struct window *w, struct rte_mbuf *m, uint32_t sec)
{
	struct head *h = head_of(m);
	uint8_t *at = w->page[(size_t)sec * w->nr_pages];
	uint64_t iova = w->iova + (uint64_t)sec * w->section_size;

	h->d.buf = w->buf;
	h->d.sec = sec;
	m->buf_addr = at;
	m->buf_iova = iova;
}

/* False: it goes out with its own bytes, since no section is to be had. */
static inline bool lend(struct vmq_direct *d, const struct window *w, struct rte_mbuf *m)
{
	if (head_of(m)->d.buf)
		return true; /* kept from before */
	if (unlikely(!d->nr_spare) && !spare_fill(d, w->buf))
		return false;
	section_put(w, m, d->spare[--d->nr_spare]);
	return true;
}

static void lend_all(struct vmq_direct *d, const struct window *w, struct rte_mbuf **m,
		     unsigned int n)
{
	uint32_t nr_own = 0;
	unsigned int i;

	for (i = 0; i < n; i++)
		nr_own += !lend(d, w, m[i]);
	count(&d->sections, n - nr_own);
	if (nr_own)
		count(&d->own, nr_own);
}

/* They are free ones like others, which may have kept their sections, too. */
static void ready_forget(struct vmq_direct *d)
{
	memcpy(d->free + d->nr_free, d->ready, d->nr_ready * sizeof(*d->ready));
	count(&d->sections, -(uint64_t)d->nr_ready);
	count32(&d->nr_free, (int32_t)d->nr_ready);
	count32(&d->nr_ready, -(int32_t)d->nr_ready);
}

/* Some get their sections together. False: there is none. */
static bool ready_make(struct vmq_direct *d, const struct window *w)
{
	const struct window now = *w; /* in registers, whatever is written meanwhile */
	const uint32_t most = RTE_MIN(d->nr_free, BATCH);
	struct rte_mbuf **m = d->free + d->nr_free;
	uint32_t i;

	for (i = 0; i < most; i++) {
		d->ready[i] = *--m;
		if (!lend(d, &now, *m))
			break;
	}
	count(&d->sections, i);
	count32(&d->nr_free, -(int32_t)i);
	count32(&d->nr_ready, (int32_t)i);
	return i > 0;
}

/* Off, with sections still about: none goes out any more. */
static void lend_none(struct vmq_direct *d, struct rte_mbuf **m, unsigned int n)
{
	struct back b = {.n = 0};
	unsigned int i;

	for (i = 0; i < n; i++)
		if (head_of(m[i])->d.buf)
			section_back(d, m[i], &b);
	back_flush(d, &b);
}

static __attribute__((noinline)) int dequeue_many(struct vmq_direct *d, const struct window *w,
						  void **obj, unsigned int n)
{
	if (d->nr_ready)
		ready_forget(d);
	if (unlikely(n > d->nr_free))
		return -ENOENT;
	count32(&d->nr_free, -(int32_t)n);
	memcpy(obj, d->free + d->nr_free, n * sizeof(*obj));
	if (likely(w != NULL))
		lend_all(d, w, (struct rte_mbuf **)obj, n);
	else if (unlikely(d->lent))
		lend_none(d, (struct rte_mbuf **)obj, n);
	return 0;
}

static inline struct rte_mbuf *pop(struct rte_mbuf **stack, uint32_t *nr)
{
	const uint32_t i = *nr - 1;

	__atomic_store_n(nr, i, __ATOMIC_RELAXED);
	return stack[i];
}

/* The first of some that are made ready. */
static __attribute__((noinline)) int dequeue_next(struct vmq_direct *d, const struct window *w,
						  void **obj)
{
	if (!ready_make(d, w))
		return dequeue_many(d, w, obj, 1);
	*obj = pop(d->ready, &d->nr_ready);
	return 0;
}

/* Drivers ask for one at a time. */
static int dequeue(struct rte_mempool *mp, void **obj, unsigned int n)
{
	struct vmq_direct *d = mp->pool_config;
	const struct window *w =
		__atomic_load_n(&d->now, __ATOMIC_ACQUIRE); /* pairs with publish() */

	if (likely(n == 1 && w)) {
		if (unlikely(!d->nr_ready))
			return dequeue_next(d, w, obj);
		*obj = pop(d->ready, &d->nr_ready);
		return 0;
	}
	if (n != 1 || d->lent || !d->nr_free)
		return dequeue_many(d, w, obj, n);
	*obj = pop(d->free, &d->nr_free);
	return 0;
}

/* ---- The lcore: what comes back -------------------------------------------------------------- */

/* No descriptor leads to it any more. ctl takes the map away. */
static void stale_back(struct vmq_direct *d, struct rte_mbuf *m)
{
	struct head *h = head_of(m);

	h->d.stale_iova = 0;
	m->buf_iova = h->d.host_iova;
	count32(&d->nr_stale, -1);
	__atomic_store_n(&h->is_back, true, __ATOMIC_RELEASE); /* pairs with sweep() */
}

static __attribute__((noinline)) void stale_back_all(struct vmq_direct *d,
						     struct rte_mbuf *const *m, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (head_of(m[i])->d.stale_iova)
			stale_back(d, m[i]);
	}
}

/* Its section stays with it if the next refill may use it. True: it was handed out. */
static inline bool take_back(struct vmq_direct *d, const struct window *w, struct rte_mbuf *m,
			     struct back *b)
{
	struct head *h = head_of(m);

	if (h->d.sec == SEC_NONE)
		return false;
	if (likely(!h->d.buf)) { /* the guest's now */
		h->d.sec = SEC_NONE;
		return true;
	}
	if (unlikely(!w || h->d.buf != w->buf))
		section_back(d, m, b);
	return false;
}

static int enqueue(struct rte_mempool *mp, void *const *obj, unsigned int n)
{
	struct vmq_direct *d = mp->pool_config;
	const struct window *w = __atomic_load_n(&d->now, __ATOMIC_ACQUIRE);
	struct back b = {.n = 0};
	uint32_t nr_gone = 0;
	unsigned int i;

	memcpy(d->free + d->nr_free, obj, n * sizeof(*obj));
	count32(&d->nr_free, (int32_t)n);
	if (!w && !d->lent && !d->nr_stale)
		return 0; /* all are as they were; while the pool is made, not even that */
	if (unlikely(d->nr_stale))
		stale_back_all(d, (struct rte_mbuf *const *)obj, n);
	for (i = 0; i < n; i++)
		nr_gone += take_back(d, w, obj[i], &b);
	count32(&d->lent, -(int32_t)nr_gone);
	back_flush(d, &b);
	return 0;
}

static int ops_alloc(struct rte_mempool *mp)
{
	return 0;
}

static void ops_free(struct rte_mempool *mp)
{
}

static unsigned int get_count(const struct rte_mempool *mp)
{
	const struct vmq_direct *d = mp->pool_config;

	return __atomic_load_n(&d->nr_free, __ATOMIC_RELAXED) +
	       __atomic_load_n(&d->nr_ready, __ATOMIC_RELAXED);
}

static const struct rte_mempool_ops pool_ops = {
	.name = OPS_NAME,
	.alloc = ops_alloc,
	.free = ops_free,
	.enqueue = enqueue,
	.dequeue = dequeue,
	.get_count = get_count,
};
RTE_MEMPOOL_REGISTER_OPS(pool_ops);

/* ---- ctl: windows ---------------------------------------------------------------------------- */

static int map(const struct vmq_direct *d, uint64_t iova, void *at, uint64_t len)
{
	return d->cfg.iova->map(d->cfg.iova_ctx, iova, at, len);
}

/* A device that may write to memory which is somebody else's next is worse than a switch that starts anew: that
 * resets the device. */
static void unmap_or_die(const struct vmq_direct *d, uint64_t iova, uint64_t len)
{
	if (!d->cfg.iova->unmap(d->cfg.iova_ctx, iova, len))
		return;
	log_err(d->cfg.name, "memory stays mapped for a device: %s; the switch ends", err_text());
	abort();
}

static void window_put(struct window *w)
{
	if (--w->nr_refs)
		return;
	munmap((void *)(uintptr_t)w->iova, w->len);
	free(w);
}

static int window_create(struct window **out, const struct vsw_rxbuf *b)
{
	struct window *w = calloc(1, sizeof(*w));
	void *at;

	if (!w)
		return err_set(-ENOMEM, "no memory for direct receive");
	*w = (struct window){
		.buf = b,
		.page = b->page,
		.section_size = b->section_size,
		.nr_pages = b->section_size / PAGE,
		.nr_refs = 1,
	};
	w->len = (uint64_t)b->nr_sections * b->section_size;
	at = mmap(NULL, w->len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (at == MAP_FAILED) {
		free(w);
		return err_sys(-errno, "addresses for a receive buffer");
	}
	w->iova = (uint64_t)(uintptr_t)at;
	*out = w;
	return 0;
}

/* Pages in a row are one map. */
static uint64_t run_of(const struct vsw_rxbuf *b, uint64_t from, uint64_t nr_pages)
{
	uint64_t n = 1;

	while (from + n < nr_pages && b->page[from + n] == b->page[from] + n * PAGE)
		n++;
	return n;
}

static int window_map(const struct vmq_direct *d, const struct window *w)
{
	const uint64_t nr_pages = w->len / PAGE;
	uint64_t i, n;
	int rc;

	for (i = 0; i < nr_pages; i += n) {
		n = run_of(w->buf, i, nr_pages);
		rc = map(d, w->iova + i * PAGE, w->buf->page[i], n * PAGE);
		if (rc) {
			if (i)
				unmap_or_die(d, w->iova, i * PAGE);
			return rc;
		}
	}
	return 0;
}

static void stale_drop(const struct vmq_direct *d, struct head *h)
{
	unmap_or_die(d, h->stale_at, d->cfg.buf_size);
	window_put(h->stale_in);
	h->stale_in = NULL;
}

/* Of what no descriptor leads to any more. */
static void sweep(struct vmq_direct *d)
{
	uint32_t i;

	for (i = 0; i < d->nr_mbufs; i++) {
		struct head *h = head_of(d->mbuf[i]);

		if (h->stale_in && __atomic_load_n(&h->is_back, __ATOMIC_ACQUIRE))
			stale_drop(d, h);
	}
}

/* ---- ctl: on and off ------------------------------------------------------------------------- */

static void publish(struct vmq_direct *d, struct window *w)
{
	__atomic_store_n(&d->now, w, __ATOMIC_RELEASE);
}

int vmq_direct_begin(struct vmq_direct *d, const struct vsw_rxbuf *b)
{
	struct window *w = NULL;
	int rc;

	if (d->now)
		return err_set(-EBUSY, "%s: it receives directly already", d->cfg.name);
	if (b->section_size < d->cfg.buf_size || b->section_size % PAGE || !b->nr_sections ||
	    b->nr_sections > SECTIONS_MAX)
		return err_set(-EINVAL, "%s: %u sections of %u bytes cannot hold frames of %u",
			       d->cfg.name, b->nr_sections, b->section_size, d->cfg.buf_size);
	sweep(d);
	rc = window_create(&w, b);
	if (rc)
		return rc;
	rc = window_map(d, w);
	if (rc) {
		window_put(w);
		return rc;
	}
	publish(d, w);
	return 0;
}

/* What the device has written already is not lost: the whole section, since the length is in a descriptor that only
 * the driver knows. Nothing can be written into it meanwhile. */
static void bytes_save(const struct vmq_direct *d, const struct head *h)
{
	const struct vsw_rxbuf *b = h->d.buf;
	uint8_t *const *page = b->page + (size_t)h->d.sec * (b->section_size / PAGE);
	uint8_t *to = h->d.host_addr;
	uint32_t at = VSW_DIRECT_HEAD, run;

	for (; at < d->cfg.buf_size; at += run) {
		run = PAGE - at % PAGE;
		memcpy(to + at, page[at / PAGE] + at % PAGE, run);
	}
}

/* A descriptor leads to the head by an address of @w, for as long as the driver likes: from now on to its own
 * bytes. */
static void make_stale(struct vmq_direct *d, struct window *w, struct rte_mbuf *m)
{
	struct head *h = head_of(m);

	bytes_save(d, h);
	if (map(d, m->buf_iova, h->d.host_addr, d->cfg.buf_size)) {
		log_err(d->cfg.name, "a buffer cannot be mapped: %s; the switch ends", err_text());
		abort(); /* frames would be made of what lay there before */
	}
	h->stale_in = w;
	h->stale_at = m->buf_iova;
	h->d.stale_iova = m->buf_iova;
	__atomic_store_n(&h->is_back, false, __ATOMIC_RELAXED);
	w->nr_refs++;
	count32(&d->nr_stale, 1);
}

static void exchange(struct vmq_direct *d, struct window *w, struct rte_mbuf *m, struct back *b)
{
	struct head *h = head_of(m);
	rte_iova_t iova = m->buf_iova;

	if (!h->d.buf)
		return;
	if (h->stale_in) /* of a window before: it came back since the sweep, else it had no section */
		stale_drop(d, h);
	if (h->is_out)
		make_stale(d, w, m);
	section_back(d, m, b);
	if (h->is_out)
		m->buf_iova = iova; /* a driver may put it under a descriptor again as it is */
}

/* lcores are parked: heads are in the pool, or under descriptors. */
static void exchange_all(struct vmq_direct *d, struct window *w)
{
	struct back b = {.n = 0};
	uint32_t i;

	ready_forget(d);
	for (i = 0; i < d->nr_mbufs; i++)
		head_of(d->mbuf[i])->is_out = true;
	for (i = 0; i < d->nr_free; i++)
		head_of(d->free[i])->is_out = false;
	for (i = 0; i < d->nr_mbufs; i++)
		exchange(d, w, d->mbuf[i], &b);
	while (d->nr_spare)
		back_add(d, &b, w->buf, d->spare[--d->nr_spare]);
	back_flush(d, &b);
}

/* The order is the guarantee (vmq/direct.h). The window goes while lcores run, since that takes a while; what the
 * device writes from then on until its buffer has other bytes is lost. */
void vmq_direct_end(struct vmq_direct *d)
{
	struct window *w = d->now;

	if (!w)
		return;
	publish(d, NULL);
	if (d->cfg.sw)
		vsw_quiesce(d->cfg.sw);
	unmap_or_die(d, w->iova, w->len);
	if (d->cfg.sw)
		vsw_park(d->cfg.sw);
	exchange_all(d, w);
	if (d->cfg.sw)
		vsw_unpark(d->cfg.sw);
	window_put(w);
	sweep(d);
}

bool vmq_direct_is_on(const struct vmq_direct *d)
{
	return d->now != NULL;
}

void vmq_direct_stats(const struct vmq_direct *d, struct vmq_direct_stats *out)
{
	out->sections = __atomic_load_n(&d->sections, __ATOMIC_RELAXED);
	out->own = __atomic_load_n(&d->own, __ATOMIC_RELAXED);
	out->lent = __atomic_load_n(&d->lent, __ATOMIC_RELAXED);
	out->stale = __atomic_load_n(&d->nr_stale, __ATOMIC_RELAXED);
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void head_init(struct rte_mempool *mp, void *ctx, void *obj, unsigned int i)
{
	struct vmq_direct *d = ctx;
	struct rte_mbuf *m = obj;
	struct head *h;

	memset(m, 0, sizeof(*m) + sizeof(*h));
	m->priv_size = sizeof(*h);
	h = head_of(m);
	h->d.sec = SEC_NONE;
	h->d.host_addr = (uint8_t *)d->host->addr + (size_t)i * d->cfg.buf_size;
	h->d.host_iova = d->host->iova + (uint64_t)i * d->cfg.buf_size;
	m->buf_addr = h->d.host_addr;
	m->buf_iova = h->d.host_iova;
	m->buf_len = (uint16_t)d->cfg.buf_size;
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->pool = mp;
	m->nb_segs = 1;
	m->port = RTE_MBUF_PORT_INVALID;
	rte_mbuf_refcnt_set(m, 1);
	d->mbuf[i] = m;
	d->nr_mbufs = i + 1;
}

/* Whole pages, one after the other: each can be mapped where a section was. */
static int host_make(struct vmq_direct *d)
{
	char name[RTE_MEMZONE_NAMESIZE];

	snprintf(name, sizeof(name), "vmq_%s", d->cfg.name);
	d->host = rte_memzone_reserve_aligned(name, (size_t)d->cfg.nr_bufs * d->cfg.buf_size,
					      d->cfg.socket, RTE_MEMZONE_IOVA_CONTIG, PAGE);
	if (!d->host)
		return err_set(-ENOMEM, "%s: no memory for %u buffers of %u: %s", d->cfg.name,
			       d->cfg.nr_bufs, d->cfg.buf_size, rte_strerror(rte_errno));
	return 0;
}

static int pool_make(struct vmq_direct *d)
{
	struct rte_pktmbuf_pool_private *priv;
	struct rte_mempool *mp;

	mp = rte_mempool_create_empty(d->cfg.name, d->cfg.nr_bufs,
				      sizeof(struct rte_mbuf) + sizeof(struct head), 0,
				      sizeof(*priv), d->cfg.socket, 0);
	d->pool = mp;
	if (!mp || rte_mempool_set_ops_byname(mp, OPS_NAME, d))
		return err_set(-ENOMEM, "%s: no memory for a pool: %s", d->cfg.name,
			       rte_strerror(rte_errno));
	priv = rte_mempool_get_priv(mp);
	*priv = (struct rte_pktmbuf_pool_private){
		.mbuf_data_room_size = (uint16_t)d->cfg.buf_size,
		.mbuf_priv_size = sizeof(struct head),
	};
	if (rte_mempool_populate_default(mp) < (int)d->cfg.nr_bufs)
		return err_set(-ENOMEM, "%s: no memory for %u mbufs", d->cfg.name, d->cfg.nr_bufs);
	rte_mempool_obj_iter(mp, head_init, d);
	return 0;
}

static int cfg_check(const struct vmq_direct_cfg *c)
{
	if (c->buf_size % PAGE || c->buf_size == 0 || c->buf_size > BUF_MAX)
		return err_set(-EINVAL, "%s: buffers of %u bytes, want whole pages up to %u",
			       c->name, c->buf_size, BUF_MAX);
	if (c->nr_bufs == 0)
		return err_set(-EINVAL, "%s: a pool without buffers", c->name);
	return 0;
}

int vmq_direct_create(struct vmq_direct **out, const struct vmq_direct_cfg *cfg)
{
	struct vmq_direct *d;
	int rc = cfg_check(cfg);

	if (rc)
		return rc;
	d = calloc(1, sizeof(*d));
	if (!d)
		return err_set(-ENOMEM, "%s: out of memory", cfg->name);
	d->cfg = *cfg;
	snprintf(d->name, sizeof(d->name), "%s", cfg->name);
	d->cfg.name = d->name;
	d->free = calloc(cfg->nr_bufs, sizeof(struct rte_mbuf *));
	d->mbuf = calloc(cfg->nr_bufs, sizeof(struct rte_mbuf *));
	rc = d->free && d->mbuf ? host_make(d) : err_set(-ENOMEM, "%s: out of memory", cfg->name);
	if (!rc)
		rc = pool_make(d);
	if (rc) {
		vmq_direct_destroy(d);
		return rc;
	}
	*out = d;
	return 0;
}

void vmq_direct_destroy(struct vmq_direct *d)
{
	if (!d)
		return;
	vmq_direct_end(d);
	sweep(d);
	assert(d->nr_stale == 0 && d->lent == 0); /* the device is closed: it gave all back */
	rte_mempool_free(d->pool);
	rte_memzone_free(d->host);
	free(d->free);
	free(d->mbuf);
	free(d);
}

struct rte_mempool *vmq_direct_pool(const struct vmq_direct *d)
{
	return d->pool;
}
