/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames on their way from the lcore that sorts to the one that polls their queue: one producer, one consumer, and
 * the consumer's sleep. What the producer needs for each frame is its own (struct vmq_pen), what both share is
 * touched once for a batch, and the consumer's place is looked at once a round of the ring. */
#pragma once

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "base/fd.h"

struct vmq_ring {
	/* The producer's. The flag is written by the consumer, but only around a sleep. */
	alignas(64) uint32_t tail; /* ever rising; atomic */
	bool is_armed;		   /* atomic */
	int event_fd;		   /* constant */
	/* The consumer's. */
	alignas(64) uint32_t head; /* ever rising; atomic */
	uint32_t mask;		   /* constant, as the next */
	struct rte_mbuf **slot;
};
_Static_assert(sizeof(struct vmq_ring) == 128, "a line for each side");

struct vmq_pen {
	struct rte_mbuf **slot; /* constant, as the next */
	uint32_t mask;
	uint32_t put;	 /* where the next frame goes */
	uint32_t shown;	 /* the ring's tail */
	uint32_t limit;	 /* up to there is room for sure */
	uint64_t missed; /* atomic */
};
_Static_assert(sizeof(struct vmq_pen) == 32, "two in a line");

/* @slot: @size (a power of two) of them. */
static inline void vmq_ring_init(struct vmq_ring *r, struct vmq_pen *p, struct rte_mbuf **slot,
				 uint32_t size, int event_fd)
{
	*r = (struct vmq_ring){.event_fd = event_fd, .mask = size - 1, .slot = slot};
	*p = (struct vmq_pen){.slot = slot, .mask = size - 1, .limit = size};
}

/* ---- Producer ------------------------------------------------------------------------------ */

/* Pairs with vmq_ring_take(): what is overwritten was read. */
static inline bool vmq_ring_has_room(struct vmq_pen *p, const struct vmq_ring *r)
{
	p->limit = __atomic_load_n(&r->head, __ATOMIC_ACQUIRE) + p->mask + 1;
	return p->put != p->limit;
}

/* The frame is in the ring, but nobody sees it before vmq_ring_show(). False: it is full; counted. */
static inline bool vmq_ring_put(struct vmq_pen *p, const struct vmq_ring *r, struct rte_mbuf *m)
{
	if (unlikely(p->put == p->limit) && !vmq_ring_has_room(p, r)) {
		__atomic_store_n(&p->missed, p->missed + 1, __ATOMIC_RELAXED);
		return false;
	}
	p->slot[p->put++ & p->mask] = m;
	return true;
}

/* Pairs with vmq_ring_take(). A full fence is to follow before vmq_ring_wake(). */
static inline void vmq_ring_show(struct vmq_pen *p, struct vmq_ring *r)
{
	p->shown = p->put;
	__atomic_store_n(&r->tail, p->put, __ATOMIC_RELEASE);
}

/* Each side writes its own word before it reads the other's: either the consumer sees the tail, or we the flag. Who
 * takes the flag down kicks afterwards, so that one sleep costs one kick, and no sleep goes without. */
static inline void vmq_ring_wake(struct vmq_ring *r)
{
	if (unlikely(__atomic_load_n(&r->is_armed, __ATOMIC_RELAXED)) &&
	    __atomic_exchange_n(&r->is_armed, false, __ATOMIC_SEQ_CST))
		fd_kick(r->event_fd);
}

/* ---- Consumer ------------------------------------------------------------------------------ */

static inline uint16_t vmq_ring_take(struct vmq_ring *r, struct rte_mbuf **m, uint16_t n)
{
	uint32_t head = r->head, have = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE) - head, i;

	if (have < n)
		n = (uint16_t)have;
	if (n == 0)
		return 0;
	for (i = 0; i < n; i++) {
		m[i] = r->slot[(head + i) & r->mask];
		rte_prefetch0(m[i]); /* it may be in another core's cache */
	}
	__atomic_store_n(&r->head, head + n, __ATOMIC_RELEASE);
	return n;
}

/* Before sleep. True: there is work already. */
static inline bool vmq_ring_arm(struct vmq_ring *r)
{
	__atomic_store_n(&r->is_armed, true, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* see vmq_ring_wake() */
	return __atomic_load_n(&r->tail, __ATOMIC_RELAXED) != r->head;
}

/* All queues of an lcore are disarmed after each of its sleeps: the line is left alone where that is done. */
static inline void vmq_ring_disarm(struct vmq_ring *r)
{
	if (__atomic_load_n(&r->is_armed, __ATOMIC_RELAXED))
		__atomic_store_n(&r->is_armed, false, __ATOMIC_RELAXED);
}
