/* SPDX-License-Identifier: BSD-3-Clause */
/* Look-up and learning: the lcores' cache in front of the forwarding database, their reports of new
 * source addresses, and what ctl makes of them. */
#include <errno.h>
#include <nmmintrin.h>
#include <stdlib.h>

#include "base/err.h"
#include "vswitch/priv.h"

static inline uint32_t key_hash(uint64_t key)
{
	return (uint32_t)_mm_crc32_u64(0, key);
}

static inline struct vsw_cached *cache_slot(struct vsw_lcore *lc, uint64_t key)
{
	return &lc->cache[key_hash(key) & (CACHE_SIZE - 1)];
}

static void cache_fill(struct vsw_lcore *lc, struct vsw_cached *c, uint64_t key,
		       struct vsw_fdb_rec *rec)
{
	c->key = key;
	c->rec = rec;
	c->gen = lc->gen;
	c->seen_s = 0;
	c->port = vsw_fdb_port(rec);
}

/* A NIC's own address counts where its port is a member; elsewhere it may be learned, because a
 * guest that bridges two VLANs carries it there. */
static struct vsw_fdb_rec *find_static(struct vsw_lcore *lc, const struct vsw_snap *sn,
				       uint64_t mac, uint16_t vid)
{
	struct vsw_fdb_rec *rec = vsw_fdb_find(lc->sw->fdb, vsw_fdb_key(mac, VSW_VLAN_ANY));
	const struct vsw_port *p = rec ? sn->port[vsw_fdb_port(rec)] : NULL;

	return p && vsw_port_in_vlan(p, vid) ? rec : NULL;
}

/* The generation was loaded after the snapshot: what was removed before that snapshot cannot be in
 * the cache under it. What was removed later may still point to a port that the snapshot has. */
uint16_t vsw_lookup(struct vsw_lcore *lc, const struct vsw_snap *sn, uint64_t mac, uint16_t vid)
{
	uint64_t key = vsw_fdb_key(mac, vid);
	struct vsw_cached *c = cache_slot(lc, key);
	struct vsw_fdb_rec *rec;

	if (c->key != key || c->gen != lc->gen) {
		lc->work.misses++;
		rec = vsw_fdb_find(lc->sw->fdb, key);
		if (!rec)
			rec = find_static(lc, sn, mac, vid);
		if (!rec)
			return DST_FLOOD;
		cache_fill(lc, c, key, rec);
	}
	return sn->port[c->port] ? c->port : DST_FLOOD;
}

/* ---- Many addresses ------------------------------------------------------------------------- */

struct ahead {
	uint64_t key[VSW_FDB_BULK];
	uint32_t n;
};

static void ahead_fetch(struct vsw_lcore *lc, struct ahead *a)
{
	struct vsw_fdb_rec *rec[VSW_FDB_BULK];
	uint32_t i;

	if (a->n == 0)
		return;
	vsw_fdb_find_bulk(lc->sw->fdb, a->key, a->n, rec);
	for (i = 0; i < a->n; i++) {
		if (rec[i])
			cache_fill(lc, cache_slot(lc, a->key[i]), a->key[i], rec[i]);
	}
	a->n = 0;
}

static inline void ahead_want(struct vsw_lcore *lc, struct ahead *a, uint64_t key)
{
	const struct vsw_cached *c = cache_slot(lc, key);

	if (c->key == key && c->gen == lc->gen)
		return;
	a->key[a->n++] = key;
	if (a->n == VSW_FDB_BULK)
		ahead_fetch(lc, a);
}

/* One by one, each would wait for the database's memory by itself. What is not found, is in the wrong VLAN, or does
 * not stay in the cache until its packet's turn is looked up then. */
void vsw_look_ahead(struct vsw_lcore *lc, const struct vsw_port *src, const struct nethv_pkt *p)
{
	const struct vsw_vec *v = &lc->vec;
	struct ahead a = {.n = 0};
	uint64_t smac;
	uint16_t i, vid;

	lc->work.misses++; /* once for a vector */
	for (i = (uint16_t)((const struct vsw_slot *)p - v->slot + 1); i < v->n; i++) {
		const uint8_t *h = vsw_hdr(&v->slot[i].pkt);

		p = &v->slot[i].pkt;
		if (vsw_is_rare(p))
			continue;
		vid = vsw_source_vlan(src, p);
		smac = vsw_mac_num(h + 6);
		if (!(h[0] & 1))
			ahead_want(lc, &a, vsw_fdb_key(vsw_mac_num(h), vid));
		if (smac != src->mac && !src->is_guarded && !(smac & 1))
			ahead_want(lc, &a, vsw_fdb_key(smac, vid));
	}
	ahead_fetch(lc, &a);
}

/* ---- Sources -------------------------------------------------------------------------------- */

static struct vsw_event learn_event(const struct vsw_port *src, uint64_t key)
{
	return (struct vsw_event){
		.ctx = (void *)((uintptr_t)src->incarnation << 16 | src->id),
		.arg = key,
	};
}

/* Once a second for each address at most, and not more than the budget of the millisecond: a guest
 * that invents addresses must not keep ctl busy. */
static void learn_post(struct vsw_lcore *lc, const struct vsw_port *src, uint64_t key)
{
	struct vsw_posted *po = &lc->posted[key_hash(key) & (POSTED_SIZE - 1)];
	struct vsw_event e = learn_event(src, key);

	if (po->key == key && po->port == src->id && po->gen == lc->gen && po->at_s == lc->now_s)
		return;
	if (lc->learn_budget == 0 || !vsw_event_put(lc->sw, &e)) {
		stat_add(&lc->learn_limited, 1);
		return;
	}
	lc->learn_budget--;
	*po = (struct vsw_posted){key, lc->gen, lc->now_s, src->id};
}

/* False: it is not known to be at @src. */
static inline bool touch_source(struct vsw_lcore *lc, const struct vsw_port *src, uint64_t key)
{
	struct vsw_cached *c = cache_slot(lc, key);

	if (c->key != key || c->gen != lc->gen || c->port != src->id) {
		struct vsw_fdb_rec *rec = vsw_fdb_find(lc->sw->fdb, key);

		lc->work.misses++;
		if (!rec || vsw_fdb_port(rec) != src->id)
			return false;
		cache_fill(lc, c, key, rec);
	}
	if (c->seen_s != lc->now_s) {
		c->seen_s = lc->now_s;
		vsw_fdb_touch(c->rec, lc->now_s);
	}
	return true;
}

void vsw_learn_source(struct vsw_lcore *lc, const struct vsw_port *src, uint64_t mac, uint16_t vid)
{
	uint64_t key = vsw_fdb_key(mac, vid);

	if (!touch_source(lc, src, key))
		learn_post(lc, src, key);
}

void vsw_learn_refresh(struct vsw_lcore *lc, const struct vsw_port *src, uint64_t mac, uint16_t vid)
{
	touch_source(lc, src, vsw_fdb_key(mac, vid));
}

/* Whose own address it is, in that VLAN, if not @src's; or NULL. */
static const struct vsw_port *other_owner(const struct vsw *sw, const struct vsw_port *src,
					  uint64_t key)
{
	struct vsw_fdb_rec *rec =
		vsw_fdb_find(sw->fdb, vsw_fdb_key(key & VSW_MAC_MASK, VSW_VLAN_ANY));
	uint16_t owner = rec ? vsw_fdb_port(rec) : VSW_PORT_NONE;

	if (!rec || owner == src->id ||
	    !vsw_port_in_vlan(sw->port[owner], (uint16_t)(key >> VSW_VLAN_SHIFT)))
		return NULL;
	return sw->port[owner];
}

void vsw_learn_apply(struct vsw *sw, const struct vsw_event *e)
{
	uint16_t id = (uint16_t)(uintptr_t)e->ctx;
	const struct vsw_port *src = sw->port[id], *owner;

	if (!src || !src->is_attached || src->incarnation != (uintptr_t)e->ctx >> 16)
		return; /* gone in the meantime */
	owner = other_owner(sw, src, e->arg);
	if (owner) {
		/* What a VF sends comes by its uplink: its place is known without learning. */
		sw->fdb_stats.refused += vsw_vf_uplink(owner) != src;
		return;
	}
	switch (vsw_fdb_learn(sw->fdb, e->arg, id, vsw_now_s(sw))) {
	case VSW_FDB_NEW: sw->fdb_stats.learned++; break;
	case VSW_FDB_MOVED: sw->fdb_stats.moved++; break;
	case VSW_FDB_FULL: sw->fdb_stats.full++; break;
	case VSW_FDB_KNOWN: break;
	}
}

/* Learned elsewhere before its owner came: the owner's claim is the better one. */
static bool is_claimed(const struct vsw_fdb_rec *r, void *ctx)
{
	const struct vsw_port *p = ctx;

	return !r->is_static && (r->key & VSW_MAC_MASK) == p->mac &&
	       vsw_port_in_vlan(p, (uint16_t)(r->key >> VSW_VLAN_SHIFT));
}

/* The caller publishes a snapshot next, whose grace period lets it reclaim. */
int vsw_learn_port_joins(struct vsw *sw, const struct vsw_port *p)
{
	if (!p->mac)
		return 0;
	vsw_fdb_unlink_if(sw->fdb, is_claimed, (void *)p);
	return vsw_fdb_add_static(sw->fdb, p->mac, p->id);
}

static bool is_at_port(const struct vsw_fdb_rec *r, void *ctx)
{
	const struct vsw_port *p = ctx;

	return r->port == p->id;
}

void vsw_learn_port_leaves(struct vsw *sw, const struct vsw_port *p)
{
	vsw_fdb_unlink_if(sw->fdb, is_at_port, (void *)p);
}

struct age {
	uint32_t now_s, max_s;
};

static bool is_old(const struct vsw_fdb_rec *r, void *ctx)
{
	const struct age *a = ctx;
	uint32_t seen = __atomic_load_n(&r->last_seen, __ATOMIC_RELAXED);

	return !r->is_static && a->now_s > seen && a->now_s - seen > a->max_s;
}

void vsw_learn_age(struct vsw *sw)
{
	struct age a = {vsw_now_s(sw), sw->cfg.ageing_s};
	uint32_t n = vsw_fdb_unlink_if(sw->fdb, is_old, &a);

	if (!n)
		return;
	sw->fdb_stats.aged += n;
	vsw_quiesce(sw);
	vsw_fdb_reclaim(sw->fdb);
}

struct walk {
	void (*fn)(const struct vsw_fdb_entry *e, void *ctx);
	void *ctx;
	uint32_t now_s;
	const struct vsw *sw;
};

static void walk_one(const struct vsw_fdb_rec *r, void *ctx)
{
	const struct walk *w = ctx;
	uint32_t seen = __atomic_load_n(&r->last_seen, __ATOMIC_RELAXED);
	struct vsw_fdb_entry e = {
		.vlan = (uint16_t)(r->key >> VSW_VLAN_SHIFT),
		.port = r->port,
		.is_static = r->is_static,
		.age_s = r->is_static || seen > w->now_s ? 0 : w->now_s - seen,
	};

	memcpy(e.mac, &r->key, sizeof(e.mac));
	if (r->is_static) {
		const struct vsw_port *p = w->sw->port[r->port], *via = vsw_vf_uplink(p);

		e.vlan = p->pvid;
		e.port = via ? via->id : p->id;
	}
	w->fn(&e, w->ctx);
}

void vsw_fdb_walk(const struct vsw *sw, void (*fn)(const struct vsw_fdb_entry *e, void *ctx),
		  void *ctx)
{
	struct walk w = {fn, ctx, vsw_now_s(sw), sw};

	vsw_fdb_each(sw->fdb, walk_one, &w);
}

void vsw_fdb_stats_get(const struct vsw *sw, struct vsw_fdb_stats *out)
{
	unsigned int i;

	*out = sw->fdb_stats;
	out->capacity = sw->cfg.fdb_size;
	out->entries = vsw_fdb_count(sw->fdb, &out->statics);
	for (i = 0; i < sw->nr_lcores; i++)
		out->limited += stat_get(&sw->lcore[i]->learn_limited);
}
