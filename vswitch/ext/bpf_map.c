/* SPDX-License-Identifier: BSD-3-Clause */
/* Maps of eBPF extensions: an rte_hash from keys to cells that hold the values. Looking up and changing a
 * value takes no lock. Adding and deleting take the map's own, which only lcores contend for.
 *
 * A cell whose key was deleted may still be looked at, so its way back leads through a QSBR variable: an
 * lcore is online in it during a burst, ctl while it looks through a map. Maps that no program deletes
 * from have none.
 *
 * Values are copied eight bytes at a time, each in one piece: those words of a value are never torn. */
#include "vswitch/ext/bpf_priv.h"

#include <errno.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_rcu_qsbr.h>

#include "base/err.h"

#define ENTRIES_MIN 8u /* rte_hash's bucket */

static void cell_read(const struct bpf_map *m, const uint64_t *cell, void *value)
{
	uint32_t left = m->value_size;
	uint8_t *to = value;
	uint64_t w;

	for (; left >= sizeof(w); left -= sizeof(w), to += sizeof(w)) {
		w = __atomic_load_n(cell++, __ATOMIC_RELAXED);
		memcpy(to, &w, sizeof(w));
	}
	if (left) {
		w = __atomic_load_n(cell, __ATOMIC_RELAXED);
		memcpy(to, &w, left);
	}
}

static void cell_write(const struct bpf_map *m, uint64_t *cell, const void *value)
{
	uint32_t left = m->value_size;
	const uint8_t *from = value;
	uint64_t w;

	for (; left >= sizeof(w); left -= sizeof(w), from += sizeof(w)) {
		memcpy(&w, from, sizeof(w));
		__atomic_store_n(cell++, w, __ATOMIC_RELAXED);
	}
	if (left) {
		w = 0;
		memcpy(&w, from, left);
		__atomic_store_n(cell, w, __ATOMIC_RELAXED);
	}
}

static uint64_t *cell_find(const struct bpf_map *m, const void *key)
{
	void *cell;

	return rte_hash_lookup_data(m->hash, key, &cell) < 0 ? NULL : cell;
}

/* rte_hash calls it when nobody looks at the cell any more; the lock is held. */
static void cell_free(void *map, void *cell)
{
	struct bpf_map *m = map;

	m->free[m->nr_free++] = (uint32_t)(((uint8_t *)cell - m->cells) / m->stride);
}

/* With the lock. There is a cell more than keys: when all keys are taken, one is left to ask rte_hash
 * with, which then looks whether deleted keys can be had. */
static uint64_t *cell_add(struct bpf_map *m, const void *key, const void *value)
{
	uint64_t *cell;

	if (!m->nr_free) {
		m->full++;
		return NULL;
	}
	cell = (uint64_t *)(void *)(m->cells + (size_t)m->free[--m->nr_free] * m->stride);
	cell_write(m, cell, value);
	if (rte_hash_add_key_data(m->hash, key, cell) < 0) {
		cell_free(m, cell);
		m->full++;
		return NULL;
	}
	return cell;
}

int64_t bpf_map_lookup(const struct bpf_map *m, const void *key, void *value)
{
	const uint64_t *cell = cell_find(m, key);

	if (!cell)
		return NV_ENOENT;
	cell_read(m, cell, value);
	return 1;
}

int64_t bpf_map_update(struct bpf_map *m, const void *key, const void *value)
{
	uint64_t *cell = cell_find(m, key);

	if (cell) {
		cell_write(m, cell, value);
		return 0;
	}
	rte_spinlock_lock(&m->lock);
	cell = cell_find(m, key);
	if (cell)
		cell_write(m, cell, value);
	else
		cell = cell_add(m, key, value);
	rte_spinlock_unlock(&m->lock);
	return cell ? 0 : NV_ENOROOM;
}

int64_t bpf_map_add(struct bpf_map *m, const void *key, uint64_t n)
{
	static const uint64_t zero[NV_VALUE_MAX / sizeof(uint64_t)];
	uint64_t *cell = cell_find(m, key);

	if (!cell) {
		rte_spinlock_lock(&m->lock);
		cell = cell_find(m, key);
		if (!cell)
			cell = cell_add(m, key, zero);
		rte_spinlock_unlock(&m->lock);
	}
	if (!cell)
		return NV_ENOROOM;
	/* Without the sign bit, so that no sum looks like an error. */
	return (int64_t)(__atomic_fetch_add(cell, n, __ATOMIC_RELAXED) & INT64_MAX);
}

int64_t bpf_map_delete(struct bpf_map *m, const void *key)
{
	int rc;

	rte_spinlock_lock(&m->lock);
	rc = rte_hash_del_key(m->hash, key);
	rte_spinlock_unlock(&m->lock);
	return rc < 0 ? NV_ENOENT : 0;
}

uint32_t bpf_map_count(const struct bpf_map *m)
{
	int32_t n = rte_hash_count(m->hash);

	return n < 0 ? 0 : (uint32_t)n;
}

bool bpf_map_next(const struct bpf_map *m, uint32_t *at, const void **key, void *value)
{
	void *cell;

	if (rte_hash_iterate(m->hash, key, &cell, at) < 0)
		return false;
	cell_read(m, cell, value);
	return true;
}

static int make_hash(struct bpf_map *m, uint32_t entries, struct rte_rcu_qsbr *qsbr)
{
	static uint32_t serial; /* names are the process's; ctl only */
	char name[RTE_HASH_NAMESIZE];
	struct rte_hash_parameters p = {
		.name = name,
		.entries = entries,
		.key_len = m->key_size,
		.socket_id = SOCKET_ID_ANY,
		.extra_flag =
			RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF | RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};
	struct rte_hash_rcu_config rcu = {
		.v = qsbr,
		.mode = RTE_HASH_QSBR_MODE_DQ,
		.key_data_ptr = m,
		.free_key_data_func = cell_free,
	};

	snprintf(name, sizeof(name), "nvbpf%u", serial++);
	m->hash = rte_hash_create(&p);
	if (!m->hash)
		return -rte_errno;
	return qsbr && rte_hash_rcu_qsbr_add(m->hash, &rcu) ? -rte_errno : 0;
}

int bpf_map_create(struct bpf_map *m, const struct nethv_host *h, const struct bpf_map_def *def,
		   struct rte_rcu_qsbr *qsbr)
{
	uint32_t i, entries = def->size.entries < ENTRIES_MIN ? ENTRIES_MIN : def->size.entries;
	int rc;

	m->key_size = def->size.key_size;
	m->value_size = def->size.value_size;
	m->stride = (m->value_size + 7) & ~7u;
	m->nr_cells = entries + 1;
	rte_spinlock_init(&m->lock);
	m->cells = h->alloc(h, (size_t)m->nr_cells * m->stride);
	m->free = h->alloc(h, (size_t)m->nr_cells * sizeof(*m->free));
	if (!m->cells || !m->free)
		return err_set(-ENOMEM, "map %s: no memory for %u values", def->name, entries);
	for (i = 0; i < m->nr_cells; i++)
		m->free[m->nr_free++] = m->nr_cells - 1 - i;
	rc = make_hash(m, entries, qsbr);
	return rc ? err_sys(rc, "map %s: %u entries", def->name, entries) : 0;
}

void bpf_map_destroy(struct bpf_map *m)
{
	rte_hash_free(m->hash);
	m->hash = NULL;
}
