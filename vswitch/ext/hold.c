/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets that extensions keep for a while: copied into memory of the lcore that saw them, because the
 * sender gets its own back at once. Who holds is written down here, so that nothing is lost when the
 * holder faults or forgets. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "vswitch/ext/priv.h"
#include "vswitch/priv.h"

#define CHUNKS (2 * VSW_HELD_MAX)

int vsw_hold_create(struct vsw_hold *h)
{
	uint32_t i;

	if (h->held)
		return 0;
	h->held = calloc(VSW_HELD_MAX, sizeof(h->held[0]));
	h->mem = malloc((size_t)CHUNKS * VSW_CHUNK);
	h->chunk_next = calloc(CHUNKS, sizeof(h->chunk_next[0]));
	if (!h->held || !h->mem || !h->chunk_next) {
		vsw_hold_destroy(h);
		return err_set(-ENOMEM, "extensions: out of memory for packets that are held");
	}
	for (i = 0; i < CHUNKS; i++)
		h->chunk_next[i] = i + 1 < CHUNKS ? i + 2 : 0;
	for (i = 0; i < VSW_HELD_MAX; i++)
		h->held[i].next_free = i + 1 < VSW_HELD_MAX ? i + 2 : 0;
	h->free_chunk = h->free_held = 1;
	h->nr_held = h->nr_late = 0;
	return 0;
}

void vsw_hold_destroy(struct vsw_hold *h)
{
	free(h->held);
	free(h->mem);
	free(h->chunk_next);
	memset(h, 0, sizeof(*h));
}

static void chunk_put(struct vsw_hold *h, uint32_t chunk)
{
	h->chunk_next[chunk] = h->free_chunk;
	h->free_chunk = chunk + 1;
}

static bool chunks_get(struct vsw_hold *h, struct vsw_held *e, uint32_t len)
{
	uint32_t n = (len + VSW_CHUNK - 1) / VSW_CHUNK;

	for (e->nr_chunks = 0; e->nr_chunks < n && h->free_chunk; e->nr_chunks++) {
		e->chunk[e->nr_chunks] = h->free_chunk - 1;
		h->free_chunk = h->chunk_next[h->free_chunk - 1];
	}
	if (e->nr_chunks == n)
		return true;
	while (e->nr_chunks)
		chunk_put(h, e->chunk[--e->nr_chunks]);
	return false;
}

static void copy_in(struct vsw_run *r, const struct vsw_slot *s, struct vsw_held *e)
{
	uint32_t k, at = 0;

	for (k = 0; k < e->nr_chunks; k++) {
		uint32_t len = s->pkt.len - at < VSW_CHUNK ? s->pkt.len - at : VSW_CHUNK;

		vsw_slot_copy(r->v, s, at, r->lc->hold.mem + (size_t)e->chunk[k] * VSW_CHUNK, len);
		at += len;
	}
}

static void fill(struct vsw_run *r, const struct vsw_slot *s, struct vsw_held *e)
{
	struct vsw_inj *j = &e->inj;

	j->slot = *s;
	j->slot.data = NULL;
	j->slot.mbuf = NULL;
	j->slot.sg_off = 0;
	j->slot.pkt.flags |= NETHV_PKT_SAFE;
	j->at = (struct vsw_resume){r->station, (uint16_t)(r->pos + 1)};
	j->acct = r->acct;
	j->ndst = vsw_dsts_left(r, &s->pkt, j->dst);
	e->order = r->lc->hold.order++;
}

int64_t vsw_hold_take(struct vsw_run *r, uint16_t i, uint32_t owner)
{
	const struct vsw_slot *s = &r->v->slot[i];
	struct vsw_hold *h = &r->lc->hold;
	uint32_t at = h->free_held;
	struct vsw_held *e;

	if (!h->held || !at || s->pkt.len > VSW_FRAME_MAX || s->pkt.ndst > VSW_INJ_DSTS)
		return -1;
	e = &h->held[at - 1];
	if (!chunks_get(h, e, s->pkt.len))
		return -1;
	h->free_held = e->next_free;
	h->nr_held++;
	e->owner = owner;
	copy_in(r, s, e);
	fill(r, s, e);
	return at - 1;
}

bool vsw_hold_is(const struct vsw_lcore *lc, uint32_t handle, uint32_t owner)
{
	return lc->hold.held && handle < VSW_HELD_MAX && lc->hold.held[handle].owner == owner;
}

static void slot_put(struct vsw_hold *h, uint32_t handle)
{
	h->held[handle].owner = 0;
	h->held[handle].next_free = h->free_held;
	h->free_held = handle + 1;
	h->nr_held--;
}

void vsw_hold_forget(struct vsw_lcore *lc, uint32_t handle)
{
	struct vsw_held *e = &lc->hold.held[handle];

	while (e->nr_chunks)
		chunk_put(&lc->hold, e->chunk[--e->nr_chunks]);
	slot_put(&lc->hold, handle);
}

void vsw_hold_drop(struct vsw_lcore *lc, uint32_t handle)
{
	const struct vsw_inj *j = &lc->hold.held[handle].inj;
	struct vsw_port_stats *st = &lc->sw->stats->port[j->acct].lcore[lc->index];

	stat_add(&st->drops[VSW_DROP_filtered], j->ndst ? j->ndst : 1u);
	vsw_hold_forget(lc, handle);
}

/* The chunks are the packet's bytes until it was delivered: they are given back after that. */
bool vsw_hold_release(struct vsw_lcore *lc, uint32_t handle)
{
	struct vsw_hold *h = &lc->hold;
	struct vsw_held *e = &h->held[handle];
	struct vsw_inject *q = &lc->inj;
	uint32_t k, left = e->inj.slot.pkt.len;
	struct vsw_inj *j;

	if (q->nr_sg + e->nr_chunks > VSW_INJ_SG ||
	    h->nr_late + e->nr_chunks > sizeof(h->late) / sizeof(h->late[0]))
		return false;
	j = vsw_inj_put(lc, &e->inj.slot, NULL, e->inj.at, e->inj.acct);
	if (!j)
		return false;
	j->ndst = e->inj.ndst;
	memcpy(j->dst, e->inj.dst, sizeof(j->dst));
	j->slot.sg_first = (uint16_t)q->nr_sg;
	j->slot.sg_count = (uint16_t)e->nr_chunks;
	for (k = 0; k < e->nr_chunks; k++) {
		uint32_t len = left < VSW_CHUNK ? left : VSW_CHUNK;

		q->sg[q->nr_sg++] = (struct vsw_sg){h->mem + (size_t)e->chunk[k] * VSW_CHUNK, len};
		h->late[h->nr_late++] = e->chunk[k];
		left -= len;
	}
	slot_put(h, handle);
	return true;
}

bool vsw_hold_renew(struct vsw_run *r, uint16_t i, uint32_t handle)
{
	const struct vsw_slot *s = &r->v->slot[i];
	struct vsw_held *e = &r->lc->hold.held[handle];

	if (e->inj.slot.pkt.len == s->pkt.len) {
		vsw_slot_copy(r->v, s, 0, r->lc->hold.mem + (size_t)e->chunk[0] * VSW_CHUNK,
			      s->pkt.hdr_len);
	} else {
		while (e->nr_chunks)
			chunk_put(&r->lc->hold, e->chunk[--e->nr_chunks]);
		if (s->pkt.len > VSW_FRAME_MAX || !chunks_get(&r->lc->hold, e, s->pkt.len)) {
			slot_put(&r->lc->hold, handle);
			return false;
		}
		copy_in(r, s, e);
	}
	fill(r, s, e);
	return true;
}

/* The oldest of @owner, or -1. */
static int64_t oldest(const struct vsw_hold *h, uint32_t owner)
{
	int64_t best = -1;
	uint32_t i;

	for (i = 0; i < VSW_HELD_MAX; i++)
		if (h->held[i].owner == owner &&
		    (best < 0 || (int32_t)(h->held[i].order - h->held[best].order) < 0))
			best = i;
	return best;
}

bool vsw_hold_release_all(struct vsw_lcore *lc, uint32_t owner, uint64_t *nr)
{
	int64_t at;

	while (lc->hold.nr_held) {
		at = oldest(&lc->hold, owner);
		if (at < 0)
			return true;
		if (!vsw_hold_release(lc, (uint32_t)at))
			return false;
		stat_add(nr, 1);
	}
	return true;
}

void vsw_hold_after(struct vsw_lcore *lc)
{
	struct vsw_hold *h = &lc->hold;

	while (h->nr_late)
		chunk_put(h, h->late[--h->nr_late]);
}
