/* SPDX-License-Identifier: BSD-3-Clause */
/* Forwarding database: an rte_hash of keys (lock-free readers, one writer) whose positions index an
 * array of records. */
#include "vswitch/fdb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "base/err.h"

#define KEY_NONE UINT64_MAX /* of no entry: VLAN_ANY with a multicast address */

struct vsw_fdb {
	struct rte_hash *hash;
	struct vsw_fdb_rec *rec; /* by position in hash */
	uint32_t nr_rec;
	uint32_t size, max_static; /* limits */
	uint32_t nr_learned, nr_static;
	uint32_t *unlinked; /* positions that wait for a grace period */
	uint32_t nr_unlinked;
	uint32_t gen; /* written by ctl (release), read by lcores: pairs with vsw_fdb_gen() */
};

_Static_assert(VSW_FDB_BULK <= RTE_HASH_LOOKUP_BULK_MAX, "what rte_hash takes at once");

/* rte_hash has none of its own for keys of 8 bytes. 0: equal. */
static int key_compare(const void *a, const void *b, size_t len)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return x != y;
}

static int hash_create(struct vsw_fdb *f)
{
	char name[RTE_HASH_NAMESIZE];
	struct rte_hash_parameters par = {
		.name = name,
		.entries = f->size + f->max_static,
		.key_len = sizeof(uint64_t),
		.hash_func = rte_hash_crc,
		.socket_id = SOCKET_ID_ANY,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF,
	};

	snprintf(name, sizeof(name), "fdb_%p", (void *)f);
	f->hash = rte_hash_create(&par);
	if (!f->hash)
		return err_sys(-rte_errno, "forwarding database of %u addresses", f->size);
	rte_hash_set_cmp_func(f->hash, key_compare);
	f->nr_rec = rte_hash_max_key_id(f->hash) + 1;
	return 0;
}

static int recs_create(struct vsw_fdb *f)
{
	uint32_t i;

	/* DPDK's memory: in huge pages, where there are some. Look-ups are all over it. */
	f->rec = rte_zmalloc(NULL, f->nr_rec * sizeof(*f->rec), RTE_CACHE_LINE_SIZE);
	f->unlinked = calloc(f->nr_rec, sizeof(*f->unlinked));
	if (!f->rec || !f->unlinked)
		return err_set(-ENOMEM, "forwarding database of %u addresses: out of memory",
			       f->size);
	for (i = 0; i < f->nr_rec; i++)
		f->rec[i].key = KEY_NONE;
	return 0;
}

int vsw_fdb_create(struct vsw_fdb **out, uint32_t size, uint32_t nr_static)
{
	struct vsw_fdb *f = calloc(1, sizeof(*f));
	int rc;

	if (!f)
		return err_set(-ENOMEM, "forwarding database: out of memory");
	f->size = size;
	f->max_static = nr_static;
	f->gen = 1;
	rc = hash_create(f);
	if (rc)
		goto fail;
	rc = recs_create(f);
	if (rc)
		goto fail;
	*out = f;
	return 0;
fail:
	vsw_fdb_destroy(f);
	return rc;
}

void vsw_fdb_destroy(struct vsw_fdb *f)
{
	if (!f)
		return;
	rte_hash_free(f->hash);
	rte_free(f->rec);
	free(f->unlinked);
	free(f);
}

static void gen_bump(struct vsw_fdb *f)
{
	__atomic_store_n(&f->gen, f->gen + 1, __ATOMIC_RELEASE);
}

uint32_t vsw_fdb_gen(const struct vsw_fdb *f)
{
	return __atomic_load_n(&f->gen, __ATOMIC_ACQUIRE);
}

struct vsw_fdb_rec *vsw_fdb_find(const struct vsw_fdb *f, uint64_t key)
{
	struct vsw_fdb_rec *r;
	int pos = rte_hash_lookup(f->hash, &key);

	if (pos < 0)
		return NULL;
	r = &f->rec[pos];
	/* The key shows up in the hash before its record is filled in: pairs with rec_publish(). */
	return __atomic_load_n(&r->key, __ATOMIC_ACQUIRE) == key ? r : NULL;
}

void vsw_fdb_find_bulk(const struct vsw_fdb *f, const uint64_t *key, uint32_t n,
		       struct vsw_fdb_rec **rec)
{
	const void *at[VSW_FDB_BULK];
	int32_t pos[VSW_FDB_BULK];
	uint32_t i;

	for (i = 0; i < n; i++)
		at[i] = &key[i];
	rte_hash_lookup_bulk(f->hash, at, n, pos);
	for (i = 0; i < n; i++) {
		rec[i] = pos[i] < 0 ? NULL : &f->rec[pos[i]];
		if (rec[i])
			rte_prefetch0(rec[i]);
	}
	for (i = 0; i < n; i++) {
		if (rec[i] && __atomic_load_n(&rec[i]->key, __ATOMIC_ACQUIRE) != key[i])
			rec[i] = NULL;
	}
}

static void rec_publish(struct vsw_fdb_rec *r, uint64_t key)
{
	r->is_used = true;
	__atomic_store_n(&r->key, key, __ATOMIC_RELEASE);
}

static struct vsw_fdb_rec *rec_add(struct vsw_fdb *f, uint64_t key, uint16_t port, uint32_t now_s)
{
	int pos = rte_hash_add_key(f->hash, &key);
	struct vsw_fdb_rec *r;

	if (pos < 0)
		return NULL;
	r = &f->rec[pos];
	__atomic_store_n(&r->port, port, __ATOMIC_RELAXED);
	__atomic_store_n(&r->last_seen, now_s, __ATOMIC_RELAXED);
	r->is_static = key >> VSW_VLAN_SHIFT == VSW_VLAN_ANY;
	rec_publish(r, key);
	return r;
}

int vsw_fdb_add_static(struct vsw_fdb *f, uint64_t mac, uint16_t port)
{
	uint64_t key = vsw_fdb_key(mac, VSW_VLAN_ANY);

	if (vsw_fdb_find(f, key))
		return err_set(-EEXIST, "forwarding database: address is another port's own");
	if (f->nr_static == f->max_static || !rec_add(f, key, port, 0))
		return err_set(-ENOSPC,
			       "forwarding database: no room for more than %u own addresses",
			       f->max_static);
	f->nr_static++;
	gen_bump(f);
	return 0;
}

enum vsw_fdb_learned vsw_fdb_learn(struct vsw_fdb *f, uint64_t key, uint16_t port, uint32_t now_s)
{
	struct vsw_fdb_rec *r = vsw_fdb_find(f, key);

	if (!r) {
		if (f->nr_learned == f->size || !rec_add(f, key, port, now_s))
			return VSW_FDB_FULL;
		f->nr_learned++;
		return VSW_FDB_NEW;
	}
	vsw_fdb_touch(r, now_s);
	if (r->port == port)
		return VSW_FDB_KNOWN;
	__atomic_store_n(&r->port, port, __ATOMIC_RELAXED);
	gen_bump(f);
	return VSW_FDB_MOVED;
}

static void rec_unlink(struct vsw_fdb *f, struct vsw_fdb_rec *r)
{
	int pos = rte_hash_del_key(f->hash, &r->key);

	if (pos < 0)
		return;
	if (r->is_static)
		f->nr_static--;
	else
		f->nr_learned--;
	r->is_used = false;
	f->unlinked[f->nr_unlinked++] = (uint32_t)pos;
}

uint32_t vsw_fdb_unlink_if(struct vsw_fdb *f, vsw_fdb_pred fn, void *ctx)
{
	uint32_t i, n = 0;

	for (i = 0; i < f->nr_rec; i++) {
		if (!f->rec[i].is_used || !fn(&f->rec[i], ctx))
			continue;
		rec_unlink(f, &f->rec[i]);
		n++;
	}
	if (n)
		gen_bump(f);
	return n;
}

/* A key that was there keeps rec.key until its place is used again, so a late reader with the old
 * position still sees a consistent record: that is what the grace period before this is for. */
void vsw_fdb_reclaim(struct vsw_fdb *f)
{
	while (f->nr_unlinked) {
		uint32_t pos = f->unlinked[--f->nr_unlinked];

		__atomic_store_n(&f->rec[pos].key, KEY_NONE, __ATOMIC_RELAXED);
		rte_hash_free_key_with_position(f->hash, (int32_t)pos);
	}
}

uint32_t vsw_fdb_count(const struct vsw_fdb *f, uint32_t *nr_static)
{
	*nr_static = f->nr_static;
	return f->nr_learned + f->nr_static;
}

void vsw_fdb_each(const struct vsw_fdb *f, void (*fn)(const struct vsw_fdb_rec *r, void *ctx),
		  void *ctx)
{
	uint32_t i;

	for (i = 0; i < f->nr_rec; i++) {
		if (f->rec[i].is_used)
			fn(&f->rec[i], ctx);
	}
}
