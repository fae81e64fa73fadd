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

	for (k = 0; k < e->nr_chunks && at < s->pkt.len; k++) {
		uint32_t len = s->pkt.len - at < VSW_CHUNK ? s->pkt.len - at : VSW_CHUNK;

		vsw_slot_copy(r->v, s, at, r->lc->hold.mem + (size_t)e->chunk[k] * VSW_CHUNK, len);
		at += len;
	}
}

static struct vsw_held *held_of(const struct vsw_lcore *lc, uint32_t handle)
{
	return &lc->hold.held[handle % VSW_HELD_MAX];
}

bool vsw_hold_fill(struct vsw_run *r, uint16_t i, uint32_t handle)
{
	const struct vsw_slot *s = &r->v->slot[i];
	struct vsw_held *e = held_of(r->lc, handle);
	struct vsw_inj *j = &e->inj;

	if (s->pkt.len > e->nr_chunks * VSW_CHUNK)
		return false;
	copy_in(r, s, e);
	while (e->nr_chunks > 1 && (e->nr_chunks - 1) * VSW_CHUNK >= s->pkt.len)
		chunk_put(&r->lc->hold, e->chunk[--e->nr_chunks]);
	j->slot = *s;
	j->slot.data = NULL;
	j->slot.mbuf = NULL;
	j->slot.sg_off = 0;
	j->slot.pkt.flags |= NETHV_PKT_SAFE;
	j->at.station = r->station;
	j->acct = r->acct;
	j->ndst = vsw_dsts_left(r, &s->pkt, j->dst);
	e->order = r->lc->hold.order++;
	return true;
}

/* Its head may still grow before the callback's wishes are done. */
int64_t vsw_hold_take(struct vsw_run *r, uint16_t i, uint32_t owner)
{
	const struct vsw_slot *s = &r->v->slot[i];
	struct vsw_hold *h = &r->lc->hold;
	uint32_t at = h->free_held;
	struct vsw_held *e;

	if (!h->held || !at || s->pkt.len > VSW_FRAME_MAX || s->pkt.ndst > VSW_INJ_DSTS)
		return -1;
	e = &h->held[at - 1];
	if (!chunks_get(h, e, s->pkt.len + VSW_SNAP_SIZE))
		return -1;
	h->free_held = e->next_free;
	h->nr_held++;
	e->owner = owner;
	e->is_void = false;
	e->gen++;
	return (uint32_t)(e->gen * VSW_HELD_MAX + at - 1);
}

bool vsw_hold_is(const struct vsw_lcore *lc, uint32_t handle, uint32_t owner)
{
	const struct vsw_held *e = lc->hold.held ? held_of(lc, handle) : NULL;

	return e && e->owner == owner &&
	       handle / VSW_HELD_MAX == e->gen % (UINT32_MAX / VSW_HELD_MAX + 1);
}

bool vsw_hold_is_void(const struct vsw_lcore *lc, uint32_t handle)
{
	return held_of(lc, handle)->is_void;
}

static void slot_put(struct vsw_hold *h, uint32_t at)
{
	h->held[at].owner = 0;
	h->held[at].next_free = h->free_held;
	h->free_held = at + 1;
	h->nr_held--;
}

static void chunks_put(struct vsw_hold *h, struct vsw_held *e)
{
	while (e->nr_chunks)
		chunk_put(h, e->chunk[--e->nr_chunks]);
}

void vsw_hold_forget(struct vsw_lcore *lc, uint32_t handle)
{
	chunks_put(&lc->hold, held_of(lc, handle));
	slot_put(&lc->hold, handle % VSW_HELD_MAX);
}

void vsw_hold_void(struct vsw_lcore *lc, uint32_t handle)
{
	struct vsw_held *e = held_of(lc, handle);

	chunks_put(&lc->hold, e);
	e->is_void = true;
}

static void count_drop(const struct vsw_lcore *lc, const struct vsw_inj *j, enum vsw_drop why,
		       uint32_t n)
{
	stat_add(&lc->sw->stats->port[j->acct].lcore[lc->index].drops[why], n);
}

void vsw_hold_drop(struct vsw_lcore *lc, uint32_t handle, enum vsw_drop why)
{
	const struct vsw_inj *j = &held_of(lc, handle)->inj;

	count_drop(lc, j, why, j->ndst ? j->ndst : 1u);
	vsw_hold_forget(lc, handle);
}

bool vsw_hold_can_release(const struct vsw_run *r)
{
	const struct vsw_hold *h = &r->lc->hold;
	uint32_t n = r->nr_places + 1u, pieces = n * VSW_CHUNKS_MAX;

	return n <= vsw_inj_room(r->lc) && r->lc->inj.nr_sg + pieces <= VSW_INJ_SG &&
	       h->nr_late + pieces <= sizeof(h->late) / sizeof(h->late[0]);
}

/* The list may have changed since the packet was taken: where it goes on is told by its holder's place. */
static uint16_t below_holder(const struct vsw_run *r, enum vsw_station station)
{
	const struct vsw_ext_list *l = &r->sn->ext.filter;
	uint16_t at = (uint16_t)(r->x - l->x);

	return station == VSW_AT_filter_out ? l->n - at : at + 1u;
}

/* The chunks are the packet's bytes until it was delivered: they are given back after that. */
static bool release(struct vsw_run *r, struct vsw_held *e)
{
	struct vsw_hold *h = &r->lc->hold;
	struct vsw_inject *q = &r->lc->inj;
	uint32_t k, left = e->inj.slot.pkt.len;
	struct vsw_inj *j;

	if (q->nr_sg + e->nr_chunks > VSW_INJ_SG ||
	    h->nr_late + e->nr_chunks > sizeof(h->late) / sizeof(h->late[0]))
		return false;
	e->inj.at.below = below_holder(r, e->inj.at.station);
	j = vsw_inj_put(r->lc, &e->inj.slot, NULL, e->inj.at, e->inj.acct);
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
	e->nr_chunks = 0;
	return true;
}

bool vsw_hold_release(struct vsw_run *r, uint32_t handle)
{
	if (!release(r, held_of(r->lc, handle)))
		return false;
	slot_put(&r->lc->hold, handle % VSW_HELD_MAX);
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

bool vsw_hold_release_all(struct vsw_run *r)
{
	struct vsw_ext *e = r->x->e;
	int64_t at;

	while (r->lc->hold.nr_held) {
		at = oldest(&r->lc->hold, e->id);
		if (at < 0)
			return true;
		if (vsw_hold_is_void(r->lc, (uint32_t)at))
			vsw_hold_forget(r->lc, (uint32_t)at);
		else if (vsw_hold_release(r, (uint32_t)at))
			stat_add(&e->lane[r->lc->index].c.released, 1);
		else
			return false;
	}
	return true;
}

void vsw_hold_after(struct vsw_lcore *lc)
{
	struct vsw_hold *h = &lc->hold;

	while (h->nr_late)
		chunk_put(h, h->late[--h->nr_late]);
}

/* ---- A port that goes ---------------------------------------------------------------------- */

static void count_lost(struct vsw_lcore *lc, uint32_t owner)
{
	const struct vsw_exts *x = lc->sw->exts;
	unsigned int i;

	for (i = 0; i < x->n; i++)
		if (x->e[i]->id == owner)
			stat_add(&x->e[i]->lane[lc->index].c.released, 1);
}

static void dsts_leave(const struct vsw_lcore *lc, struct vsw_inj *j, uint16_t port)
{
	uint16_t k, n = 0;

	for (k = 0; k < j->ndst; k++)
		if (j->dst[k].port != port)
			j->dst[n++] = j->dst[k];
	if (n < j->ndst)
		count_drop(lc, j, VSW_DROP_port_down, j->ndst - n);
	j->ndst = n;
}

/* Its number may be another port's tomorrow, and its books, too. So the packet is counted now. */
static void port_leaves(struct vsw_lcore *lc, uint32_t at, uint16_t port)
{
	struct vsw_held *e = &lc->hold.held[at];
	struct vsw_inj *j = &e->inj;
	bool had_dsts = j->ndst;

	if (!e->owner || e->is_void)
		return;
	if (j->acct == port || j->slot.pkt.src_port == port) {
		count_drop(lc, j, VSW_DROP_port_down, j->ndst ? j->ndst : 1u);
	} else {
		dsts_leave(lc, j, port);
		if (j->ndst || !had_dsts)
			return;
	}
	vsw_hold_void(lc, at);
	count_lost(lc, e->owner);
}

void vsw_hold_port_gone(struct vsw *sw, uint16_t port)
{
	bool has_holders = false;
	unsigned int i;
	uint32_t k;

	for (i = 0; i < sw->nr_lcores; i++)
		has_holders |= sw->lcore[i]->hold.held != NULL;
	if (!has_holders)
		return;
	vsw_park(sw);
	for (i = 0; i < sw->nr_lcores; i++)
		for (k = 0; sw->lcore[i]->hold.nr_held && k < VSW_HELD_MAX; k++)
			port_leaves(sw->lcore[i], k, port);
	vsw_unpark(sw);
}
