/* SPDX-License-Identifier: BSD-3-Clause */
/* A byte ring from one lcore to ctl. A record that does not fit before the ring's end begins at its
 * start; what is left over becomes a pad. */
#include "vswitch/see/priv.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"

int see_ring_init(struct see_ring *r, uint32_t size)
{
	r->mem = calloc(1, size);
	if (!r->mem)
		return err_set(-ENOMEM, "no memory for a ring of %u bytes", size);
	r->size = size;
	return 0;
}

void see_ring_fini(struct see_ring *r)
{
	free(r->mem);
	r->mem = NULL;
}

static uint32_t pad_for(const struct see_ring *r, uint32_t max)
{
	uint32_t to_end = r->size - (uint32_t)(r->head & (r->size - 1));

	return max > to_end ? to_end : 0;
}

static struct see_rec *at(const struct see_ring *r, uint64_t pos)
{
	return (struct see_rec *)(r->mem + (pos & (r->size - 1)));
}

void *see_ring_reserve(struct see_ring *r, uint32_t max)
{
	uint32_t pad;

	max = (max + 7) & ~7u;
	pad = pad_for(r, max);
	if (r->head + pad + max - r->tail_seen > r->size) {
		/* Pairs with see_ring_release(): ctl has read what we are about to write over. */
		r->tail_seen = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE);
		if (r->head + pad + max - r->tail_seen > r->size)
			return NULL;
	}
	if (pad) { /* head moves with the record, so that giving up costs no more than the pad */
		at(r, r->head)->size = pad;
		at(r, r->head)->kind = SEE_PAD;
		__atomic_store_n(&r->head, r->head + pad, __ATOMIC_RELEASE);
	}
	return at(r, r->head);
}

void see_ring_commit(struct see_ring *r, uint32_t size)
{
	size = (size + 7) & ~7u;
	at(r, r->head)->size = size;
	__atomic_store_n(&r->head, r->head + size, __ATOMIC_RELEASE);
}

uint64_t see_ring_end(const struct see_ring *r)
{
	return __atomic_load_n(&r->head, __ATOMIC_ACQUIRE); /* pairs with see_ring_commit() */
}

const void *see_ring_peek(struct see_ring *r, uint64_t end)
{
	while (r->tail != end) {
		const struct see_rec *rec = at(r, r->tail);

		if (rec->kind != SEE_PAD)
			return rec;
		see_ring_release(r);
	}
	return NULL;
}

void see_ring_release(struct see_ring *r)
{
	__atomic_store_n(&r->tail, r->tail + at(r, r->tail)->size, __ATOMIC_RELEASE);
}
