/* SPDX-License-Identifier: BSD-3-Clause */
/* A device that writes by address, and an IOMMU. */
#include "tests/support/dmabed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define PAGE 4096u

#define must(cond)                                                                             \
	do {                                                                                   \
		if (!(cond)) {                                                                 \
			fprintf(stderr, "dmabed: %s:%d: %s failed (%s)\n", __func__, __LINE__, \
				#cond, err_text());                                            \
			abort();                                                               \
		}                                                                              \
	} while (0)

/* ---- IOMMU ---------------------------------------------------------------------------------- */

void dma_init(struct dma *io)
{
	memset(io, 0, sizeof(*io));
	pthread_mutex_init(&io->lock, NULL);
}

static bool overlaps(const struct dma_map *m, uint64_t iova, uint64_t len)
{
	return m->iova < iova + len && iova < m->iova + m->len;
}

static void add(struct dma *io, uint64_t iova, void *at, uint64_t len)
{
	uint32_t i;

	must(io->nr < DMA_MAPS && len && iova % PAGE == 0 && len % PAGE == 0);
	for (i = 0; i < io->nr; i++)
		must(!overlaps(&io->map[i], iova, len));
	io->map[io->nr++] = (struct dma_map){iova, len, at};
}

static int map(void *ctx, uint64_t iova, void *at, uint64_t len)
{
	struct dma *io = ctx;
	int rc = 0;

	pthread_mutex_lock(&io->lock);
	if (io->fail_in && --io->fail_in == 0)
		rc = err_set(-ENOSPC, "no more maps");
	else
		add(io, iova, at, len);
	pthread_mutex_unlock(&io->lock);
	return rc;
}

static int unmap(void *ctx, uint64_t iova, uint64_t len)
{
	struct dma *io = ctx;
	uint64_t sum = 0;
	uint32_t i;

	pthread_mutex_lock(&io->lock);
	for (i = 0; i < io->nr;) {
		struct dma_map *m = &io->map[i];

		if (!overlaps(m, iova, len)) {
			i++;
			continue;
		}
		must(m->iova >= iova && m->iova + m->len <= iova + len);
		sum += m->len;
		*m = io->map[--io->nr];
	}
	pthread_mutex_unlock(&io->lock);
	must(sum == len);
	return 0;
}

const struct vmq_iova_ops dma_ops = {map, unmap};

static void add_own(struct rte_mempool *pool, void *ctx, void *obj, unsigned int i)
{
	const struct vsw_direct *d = vsw_direct_of(obj);

	add(ctx, d->host_iova, d->host_addr, rte_pktmbuf_data_room_size(pool));
}

void dma_add_pool(struct dma *io, struct rte_mempool *pool)
{
	rte_mempool_obj_iter(pool, add_own, io);
}

static uint8_t *translate(const struct dma *io, uint64_t iova)
{
	uint32_t i;

	for (i = 0; i < io->nr; i++)
		if (overlaps(&io->map[i], iova, 1))
			return io->map[i].at + (iova - io->map[i].iova);
	return NULL;
}

/* By pages, as the IOMMU does. */
static bool walk(const struct dma *io, uint64_t iova, const uint8_t *bytes, uint32_t len)
{
	uint32_t run;

	for (; len; iova += run, len -= run) {
		uint8_t *at = translate(io, iova);

		run = (uint32_t)(PAGE - iova % PAGE);
		run = run < len ? run : len;
		if (!at)
			return false;
		if (bytes) {
			memcpy(at, bytes, run);
			bytes += run;
		}
	}
	return true;
}

bool dma_write(struct dma *io, uint64_t iova, const void *bytes, uint32_t len)
{
	bool ok;

	pthread_mutex_lock(&io->lock);
	ok = walk(io, iova, NULL, len);
	if (ok)
		walk(io, iova, bytes, len);
	io->faults += !ok;
	pthread_mutex_unlock(&io->lock);
	return ok;
}

/* ---- A receive queue ------------------------------------------------------------------------- */

static bool post(struct fakenic *n, struct fakenic_desc *d)
{
	void *m;

	if (rte_mempool_get(n->pool, &m))
		return false;
	d->m = m;
	d->addr = rte_mbuf_data_iova_default(d->m);
	__atomic_store_n(&d->is_done, false, __ATOMIC_RELEASE);
	return true;
}

void fakenic_start(struct fakenic *n, struct dma *io, struct rte_mempool *pool, uint32_t nr)
{
	must(nr <= FAKENIC_RING);
	memset(n, 0, sizeof(*n));
	n->io = io;
	n->pool = pool;
	while (n->nr < nr && post(n, &n->d[n->nr]))
		n->nr++;
}

void fakenic_stop(struct fakenic *n)
{
	while (n->nr)
		rte_mempool_put(n->pool, n->d[--n->nr].m);
}

bool fakenic_dma(struct fakenic *n, const void *frame, uint32_t len)
{
	struct fakenic_desc *d = &n->d[n->next_dma];

	if (n->nr == 0 || __atomic_load_n(&d->is_done, __ATOMIC_ACQUIRE) ||
	    !dma_write(n->io, d->addr, frame, len))
		return false;
	d->len = len;
	__atomic_store_n(&d->is_done, true, __ATOMIC_RELEASE);
	n->next_dma = (n->next_dma + 1) % n->nr;
	return true;
}

static bool receive(struct fakenic *n, struct rte_mbuf **out)
{
	struct fakenic_desc *d = &n->d[n->next_rx];
	struct rte_mbuf *m = d->m;
	uint32_t len;

	if (n->nr == 0 || !__atomic_load_n(&d->is_done, __ATOMIC_ACQUIRE))
		return false;
	len = d->len;
	if (!post(n, d))
		return false;
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	m->ol_flags = 0;
	*out = m;
	n->next_rx = (n->next_rx + 1) % n->nr;
	return true;
}

uint16_t fakenic_rx(struct fakenic *n, struct rte_mbuf **m, uint16_t max)
{
	uint16_t i = 0;

	while (i < max && receive(n, &m[i]))
		i++;
	return i;
}

void fakenic_slot(struct vsw_vec *v, struct rte_mbuf *m)
{
	struct vsw_slot *s = &v->slot[v->n++];
	struct nethv_pkt *p = &s->pkt;

	*p = (struct nethv_pkt){.hdr_off = VSW_SNAP_OFF, .len = m->pkt_len};
	s->mbuf = m;
	p->drop_reason = vsw_direct_slot(v, s, m);
	if (p->drop_reason)
		return;
	p->hdr_len = (uint16_t)RTE_MIN(p->len, VSW_SNAP_SIZE);
	vsw_slot_copy_backing(v, s, 0, s->snap, p->hdr_len);
}

/* ---- A receive buffer ------------------------------------------------------------------------ */

static uint32_t take(void *be, uint16_t *sec, uint32_t n)
{
	struct secbed *s = be;
	uint32_t got = 0, i, free;

	pthread_mutex_lock(&s->lock);
	free = secbed_count(s, SEC_FREE);
	free = free > s->keep ? free - s->keep : 0;
	for (i = 0; i < s->b.nr_sections && got < n && got < free; i++) {
		s->next = (s->next + 1) % s->b.nr_sections;
		if (s->owner[s->next] != SEC_FREE)
			continue;
		s->owner[s->next] = SEC_LENT;
		sec[got++] = (uint16_t)s->next;
	}
	pthread_mutex_unlock(&s->lock);
	return got;
}

static void give(void *be, const uint16_t *sec, uint32_t n)
{
	struct secbed *s = be;
	uint32_t i;

	pthread_mutex_lock(&s->lock);
	for (i = 0; i < n; i++) {
		must(sec[i] < s->b.nr_sections && s->owner[sec[i]] == SEC_LENT);
		s->owner[sec[i]] = SEC_FREE;
	}
	pthread_mutex_unlock(&s->lock);
}

void secbed_create(struct secbed *s, uint32_t section_size, uint32_t nr, uint32_t stride)
{
	uint32_t i, n = nr * (section_size / PAGE);

	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	s->nr_pages = n;
	s->bytes = aligned_alloc(PAGE, (size_t)n * PAGE);
	s->page = calloc(n, sizeof(*s->page));
	s->owner = calloc(nr, sizeof(*s->owner));
	must(s->bytes && s->page && s->owner);
	for (i = 0; i < n; i++)
		s->page[i] = s->bytes + (size_t)(i * stride % n) * PAGE;
	s->b = (struct vsw_rxbuf){section_size, nr, s->page, take, give, s};
	secbed_fill(s, 0);
}

void secbed_destroy(struct secbed *s)
{
	free(s->bytes);
	free(s->page);
	free(s->owner);
}

uint32_t secbed_count(const struct secbed *s, enum sec_owner o)
{
	uint32_t i, n = 0;

	for (i = 0; i < s->b.nr_sections; i++)
		n += s->owner[i] == o;
	return n;
}

void secbed_fill(struct secbed *s, uint8_t pattern)
{
	memset(s->bytes, pattern, (size_t)s->nr_pages * PAGE);
}

bool secbed_is(const struct secbed *s, uint8_t pattern)
{
	size_t n = (size_t)s->nr_pages * PAGE;

	return s->bytes[0] == pattern && !memcmp(s->bytes, s->bytes + 1, n - 1);
}
