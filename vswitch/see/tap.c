/* SPDX-License-Identifier: BSD-3-Clause */
/* What lcores do for whoever looks: filter, and put records into their rings. All of it is bounded by
 * the packet's length and the number of taps; nothing waits. */
#include "vswitch/see/tap.h"

#include <string.h>

#include <rte_cycles.h>

#include "vswitch/see/priv.h"

/* What a record is made of, besides the packet. */
struct note {
	uint8_t kind, station;
	uint32_t id;
	const struct nethv_dst *dst; /* with ndst; NULL: none */
	uint16_t ndst;
	uint32_t cap;
	uint32_t cycles;
	uint16_t reason, to_port;
	const char *ext, *why;
};

bool vsw_tap_wants_packets(const struct vsw_tap *t)
{
	return t && (t->nr_captures || t->nr_traces);
}

static struct see_lane *lane_of(struct vsw_tap *t, const struct vsw_vec *v)
{
	return v->lcore < t->nr_lcores ? &t->lane[v->lcore] : NULL;
}

static void count(uint64_t *c)
{
	__atomic_store_n(c, *c + 1, __ATOMIC_RELEASE); /* one writer; pairs with see_taken() */
}

/* One of the packets that are still wanted. */
static bool claim(struct see_counts *c)
{
	uint64_t left = __atomic_load_n(&c->left, __ATOMIC_RELAXED);

	while (left && left != UINT64_MAX) {
		if (__atomic_compare_exchange_n(&c->left, &left, left - 1, true, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return true;
	}
	return left != 0;
}

static bool is_wanted(const struct see_counts *c)
{
	return __atomic_load_n(&c->left, __ATOMIC_RELAXED) != 0;
}

static void copy_text(char *dst, size_t size, const char *src)
{
	size_t n = src ? strnlen(src, size - 1) : 0;

	if (n)
		memcpy(dst, src, n);
	memset(dst + n, 0, size - n);
}

static uint32_t rec_size(const struct note *n)
{
	uint32_t size = sizeof(struct see_rec) + n->ndst * sizeof(struct nethv_dst) + n->cap;

	return size + (n->ext || n->why ? sizeof(struct see_words) : 0);
}

static void rec_head(struct see_rec *r, const struct nethv_pkt *p, const struct note *n)
{
	*r = (struct see_rec){
		.kind = n->kind,
		.station = n->station,
		.has_words = n->ext || n->why,
		.tsc = rte_rdtsc(),
		.id = n->id,
		.packet = p->trace_id,
		.len = see_wire_len(p),
		.cap = n->cap,
		.mark = p->mark,
		.cycles = n->cycles,
		.flags = p->flags,
		.vlan = p->vlan,
		.src_port = p->src_port,
		.src_nic = p->src_nic,
		.lso_mss = p->flags & NETHV_PKT_LSO ? p->lso_mss : 0,
		.reason = n->reason,
		.to_port = n->to_port,
		.ndst = n->ndst,
	};
}

/* @r has room for rec_size(). */
static void rec_fill(struct see_rec *r, const struct vsw_vec *v, const struct vsw_slot *s,
		     const struct note *n)
{
	rec_head(r, &s->pkt, n);
	if (n->ndst)
		memcpy(r + 1, n->dst, n->ndst * sizeof(*n->dst));
	if (r->has_words) {
		struct see_words *w = (struct see_words *)(uintptr_t)see_rec_words(r);

		copy_text(w->ext, sizeof(w->ext), n->ext);
		copy_text(w->why, sizeof(w->why), n->why);
	}
	if (n->cap)
		see_wire_copy(v, s, (uint8_t *)(uintptr_t)see_rec_bytes(r), n->cap);
}

/* False: the ring has no room. */
static bool put(struct see_lane *l, const struct vsw_vec *v, const struct vsw_slot *s,
		const struct note *n)
{
	uint32_t size = rec_size(n);
	struct see_rec *r = see_ring_reserve(&l->ring, size);

	if (!r)
		return false;
	rec_fill(r, v, s, n);
	see_ring_commit(&l->ring, size);
	return true;
}

static void note_dsts(struct note *n, const struct vsw_tap_at *at, const struct nethv_pkt *p)
{
	if (!at->dstv || !p->ndst)
		return;
	n->dst = at->dstv + p->dst_first;
	n->ndst = p->ndst < SEE_DSTS_MAX ? p->ndst : SEE_DSTS_MAX;
}

/* ---- Captures ------------------------------------------------------------------------------ */

static bool is_at_ports(const struct see_tap_capture *c, const struct nethv_pkt *p,
			const struct note *n)
{
	uint16_t i;

	if (!c->is_for_ports || see_bit(c->ports, p->src_port))
		return true;
	if (n->station == VSW_AT_drop && see_bit(c->ports, n->to_port))
		return true;
	for (i = 0; i < n->ndst; i++) {
		if (see_bit(c->ports, n->dst[i].port) &&
		    (n->station != VSW_AT_out || !(n->dst[i].flags & NETHV_DST_EXCLUDED)))
			return true;
	}
	return false;
}

static void capture(struct see_lane *l, const struct see_tap_capture *c, const struct vsw_vec *v,
		    uint16_t i, struct note *n)
{
	const struct vsw_slot *s = &v->slot[i];

	if (!is_at_ports(c, &s->pkt, n) || !see_filter_run(c->filter, v, s, l->scratch) ||
	    !claim(c->counts))
		return;
	n->kind = SEE_CAPTURED;
	n->id = c->id;
	n->cap = see_wire_here(s);
	if (n->cap > c->snaplen)
		n->cap = c->snaplen;
	if (put(l, v, s, n)) {
		count(&c->counts->lcore[v->lcore].taken);
		return;
	}
	count(&c->counts->lcore[v->lcore].lost);
	if (__atomic_load_n(&c->counts->left, __ATOMIC_RELAXED) != UINT64_MAX)
		__atomic_fetch_add(&c->counts->left, 1, __ATOMIC_RELAXED);
}

static void capture_station(struct vsw_tap *t, struct see_lane *l, const struct see_tap_capture *c,
			    const struct vsw_tap_at *at)
{
	uint16_t k;

	for (k = 0; k < at->n && is_wanted(c->counts); k++) {
		struct note n = {.station = (uint8_t)at->station, .to_port = VSW_PORT_NONE};

		note_dsts(&n, at, &at->v->slot[at->idx[k]].pkt);
		capture(l, c, at->v, at->idx[k], &n);
	}
}

/* ---- Traces -------------------------------------------------------------------------------- */

/* A traced packet's record that found no room: told with each trace, for they share the ring. */
static void trace_put(struct vsw_tap *t, struct see_lane *l, const struct vsw_vec *v, uint16_t i,
		      const struct note *n)
{
	unsigned int k;

	if (put(l, v, &v->slot[i], n))
		return;
	for (k = 0; k < t->nr_traces; k++)
		count(&t->trace[k].counts->lcore[v->lcore].lost);
}

static uint32_t next_packet(struct vsw_tap *t)
{
	uint32_t id = __atomic_add_fetch(t->next_packet, 1, __ATOMIC_RELAXED);

	return id ? id : __atomic_add_fetch(t->next_packet, 1, __ATOMIC_RELAXED);
}

static void trace_begin(struct vsw_tap *t, struct see_lane *l, struct vsw_vec *v, uint16_t i)
{
	struct vsw_slot *s = &v->slot[i];
	unsigned int k;

	s->pkt.trace_id = 0;
	for (k = 0; k < t->nr_traces; k++) {
		const struct see_tap_trace *tr = &t->trace[k];
		struct note n = {.kind = SEE_ENTER, .id = tr->id, .to_port = VSW_PORT_NONE};

		if (!is_wanted(tr->counts) || !see_filter_run(tr->filter, v, s, l->scratch) ||
		    !claim(tr->counts))
			continue;
		s->pkt.trace_id = next_packet(t);
		n.cap = see_wire_here(s) < SEE_HEAD ? see_wire_here(s) : SEE_HEAD;
		trace_put(t, l, v, i, &n);
		return;
	}
}

void vsw_tap_enter(struct vsw_tap *t, struct vsw_vec *v, const uint16_t *idx, uint16_t n)
{
	struct see_lane *l = lane_of(t, v);
	uint16_t k;

	for (k = 0; k < n && l; k++)
		trace_begin(t, l, v, idx[k]);
}

static void trace_station(struct vsw_tap *t, struct see_lane *l, const struct vsw_tap_at *at)
{
	uint16_t k;

	for (k = 0; k < at->n; k++) {
		const struct nethv_pkt *p = &at->v->slot[at->idx[k]].pkt;
		struct note n = {.kind = SEE_STATION, .station = (uint8_t)at->station};

		if (!p->trace_id)
			continue;
		note_dsts(&n, at, p);
		n.to_port = VSW_PORT_NONE;
		trace_put(t, l, at->v, at->idx[k], &n);
	}
}

void vsw_tap_station(struct vsw_tap *t, const struct vsw_tap_at *at)
{
	struct see_lane *l = lane_of(t, at->v);
	unsigned int i;

	if (!l || at->station >= VSW_AT_drop)
		return;
	for (i = 0; i < t->nr_captures && t->stations >> at->station & 1; i++) {
		if (t->capture[i].stations >> at->station & 1)
			capture_station(t, l, &t->capture[i], at);
	}
	if (t->nr_traces)
		trace_station(t, l, at);
}

void vsw_tap_ext(struct vsw_tap *t, const struct vsw_tap_at *at, const char *ext,
		 const uint16_t *verdict, uint64_t tsc)
{
	struct see_lane *l = lane_of(t, at->v);
	uint64_t share = at->n ? tsc / at->n : 0;
	uint16_t k;

	for (k = 0; k < at->n && l && t->nr_traces; k++) {
		struct note n = {.kind = SEE_EXT,
				 .station = (uint8_t)at->station,
				 .cycles = share < UINT32_MAX ? (uint32_t)share : UINT32_MAX,
				 .reason = verdict ? verdict[k] : 0,
				 .to_port = VSW_PORT_NONE,
				 .ext = ext};

		if (at->v->slot[at->idx[k]].pkt.trace_id)
			trace_put(t, l, at->v, at->idx[k], &n);
	}
}

/* ---- Drops ------------------------------------------------------------------------------------ */

/* A ring that is written over: the latest are kept, and ctl reads them without taking them. */
static void remember(struct see_lane *l, const struct vsw_vec *v, const struct vsw_slot *s,
		     struct note *n)
{
	struct see_drop *d = &l->drop[l->nr_drops % VSW_SEE_DROPS];
	uint64_t word[SEE_DROP_WORDS];
	struct see_rec *r = (struct see_rec *)word;
	uint32_t i, nr;

	n->kind = SEE_DROP;
	n->cap = see_wire_here(s) < SEE_HEAD ? see_wire_here(s) : SEE_HEAD;
	nr = (rec_size(n) + 7) / 8;
	word[nr - 1] = 0;
	rec_fill(r, v, s, n);
	r->size = nr * 8;
	__atomic_store_n(&d->seq, 2 * l->nr_drops + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE); /* odd before the words: pairs with drop_read() */
	for (i = 0; i < nr; i++)
		__atomic_store_n(&d->word[i], word[i], __ATOMIC_RELAXED);
	__atomic_store_n(&d->seq, 2 * l->nr_drops + 2, __ATOMIC_RELEASE);
	__atomic_store_n(&l->nr_drops, l->nr_drops + 1, __ATOMIC_RELEASE);
}

void vsw_tap_drop(struct vsw_tap *t, const struct vsw_tap_drop *d)
{
	struct see_lane *l = lane_of(t, d->v);
	const struct vsw_slot *s = &d->v->slot[d->i];
	struct note n = {.station = VSW_AT_drop,
			 .reason = d->reason,
			 .to_port = d->port,
			 .ext = d->ext,
			 .why = d->ext_reason};
	unsigned int i;

	if (!l)
		return;
	for (i = 0; i < t->nr_captures && t->stations >> VSW_AT_drop & 1; i++) {
		if (t->capture[i].stations >> VSW_AT_drop & 1)
			capture(l, &t->capture[i], d->v, d->i, &n);
	}
	if (t->has_drops && see_filter_run(t->drop_filter, d->v, s, l->scratch))
		remember(l, d->v, s, &n);
	n.kind = SEE_DROP;
	n.cap = 0;
	if (t->nr_traces && s->pkt.trace_id)
		trace_put(t, l, d->v, d->i, &n);
}
