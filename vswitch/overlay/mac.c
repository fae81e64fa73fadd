/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the addresses of the subnets are: at a port, or behind a VTEP. */
#include "vswitch/overlay/priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/err.h"

#define WHERE(seen_s, dest) ((uint64_t)(seen_s) << 32 | (dest))
#define SEEN_S(where)	    ((uint32_t)((where) >> 32))
#define DEST(where)	    ((uint16_t)(where))

static inline uint64_t key_of(uint16_t subnet, uint64_t mac)
{
	return mac | (uint64_t)subnet << 48;
}

static uint32_t pow2_from(uint32_t n)
{
	uint32_t p = 1;

	while (p < n)
		p <<= 1;
	return p;
}

static uint32_t given_in(const struct vsw_overlay_cfg *cfg)
{
	uint32_t i, k, n = 0;

	for (i = 0; i < cfg->nr_subnets; i++) {
		n += cfg->subnets[i].nr_ports;
		for (k = 0; k < cfg->subnets[i].nr_remotes; k++)
			n += cfg->subnets[i].remotes[k].nr_macs;
	}
	return n;
}

int mac_init(struct mac_table *t, const struct vsw_overlay_cfg *cfg)
{
	uint32_t given = pow2_from(2 * given_in(cfg) + 2);
	uint32_t sets = pow2_from((cfg->nr_macs_max ? cfg->nr_macs_max : MACS_DEF) / MAC_WAYS);

	t->given = calloc(given, sizeof(*t->given));
	t->learned = aligned_alloc(64, (size_t)sets * MAC_WAYS * sizeof(*t->learned));
	if (!t->given || !t->learned)
		return err_set(-ENOMEM, "overlay: no memory for %u addresses",
			       given + sets * MAC_WAYS);
	memset(t->learned, 0, (size_t)sets * MAC_WAYS * sizeof(*t->learned));
	t->given_mask = given - 1;
	t->set_mask = sets - 1;
	t->ageing_s = cfg->ageing_s ? cfg->ageing_s : AGEING_DEF;
	/* So that nobody can choose addresses that share a set. A guessable one is no disaster. */
	if (getrandom(&t->seed, sizeof(t->seed), GRND_NONBLOCK) != sizeof(t->seed))
		t->seed = (uintptr_t)t->learned;
	rte_spinlock_init(&t->lock);
	return 0;
}

void mac_fini(struct mac_table *t)
{
	free(t->given);
	free(t->learned);
}

static struct mac_given *given_slot(const struct mac_table *t, uint64_t key)
{
	uint32_t i = (uint32_t)mix64(key ^ t->seed) & t->given_mask;

	while (t->given[i].key && t->given[i].key != key) /* half of them are empty */
		i = (i + 1) & t->given_mask;
	return &t->given[i];
}

int mac_give(struct mac_table *t, uint16_t subnet, uint64_t mac, uint16_t dest)
{
	struct mac_given *g = given_slot(t, key_of(subnet, mac));

	if (g->key)
		return -EEXIST;
	g->key = key_of(subnet, mac);
	g->dest = dest;
	return 0;
}

static struct mac_entry *set_of(const struct mac_table *t, uint64_t key)
{
	return &t->learned[((uint32_t)mix64(key ^ t->seed) & t->set_mask) * MAC_WAYS];
}

static struct mac_entry *entry_of(struct mac_entry *set, uint64_t key)
{
	unsigned int i;

	for (i = 0; i < MAC_WAYS; i++) {
		if (__atomic_load_n(&set[i].key, __ATOMIC_ACQUIRE) == key)
			return &set[i];
	}
	return NULL;
}

static bool is_old(const struct mac_table *t, uint64_t where, uint32_t now_s)
{
	return (int32_t)(now_s - SEEN_S(where)) > (int32_t)t->ageing_s;
}

uint16_t mac_find(const struct mac_table *t, uint16_t subnet, uint64_t mac, uint32_t now_s)
{
	uint64_t key = key_of(subnet, mac), where;
	const struct mac_given *g = given_slot(t, key);
	const struct mac_entry *e;

	if (g->key)
		return g->dest;
	e = entry_of(set_of(t, key), key);
	if (!e)
		return DEST_NONE;
	where = __atomic_load_n(&e->where, __ATOMIC_RELAXED);
	return is_old(t, where, now_s) ? DEST_NONE : DEST(where);
}

/* Under the lock. A free place, or one whose address was not seen for long. */
static enum vsw_overlay_total entry_put(struct mac_table *t, uint64_t key, uint64_t where,
					uint32_t now_s)
{
	struct mac_entry *set = set_of(t, key), *e = entry_of(set, key);
	unsigned int i;

	for (i = 0; i < MAC_WAYS && !e; i++) {
		if (!set[i].key || is_old(t, set[i].where, now_s))
			e = &set[i];
	}
	if (!e)
		return VSW_OVERLAY_T_full;
	/* The place first: a reader that finds the key finds no place older than it. Pairs with the
	 * acquire in entry_of(). */
	__atomic_store_n(&e->where, where, __ATOMIC_RELAXED);
	__atomic_store_n(&e->key, key, __ATOMIC_RELEASE);
	return VSW_OVERLAY_T_learned;
}

enum vsw_overlay_total mac_learn(struct mac_table *t, uint16_t subnet, uint64_t mac, uint16_t dest,
				 uint32_t now_s)
{
	uint64_t key = key_of(subnet, mac), where = 0;
	const struct mac_given *g = given_slot(t, key);
	struct mac_entry *e;
	enum vsw_overlay_total what;

	if (g->key)
		return g->dest == dest ? VSW_OVERLAY_TOTAL : VSW_OVERLAY_T_refused;
	e = entry_of(set_of(t, key), key);
	if (e) {
		where = __atomic_load_n(&e->where, __ATOMIC_RELAXED);
		if (where == WHERE(now_s, dest))
			return VSW_OVERLAY_TOTAL;
	}
	/* Whoever finds it taken learns from the next packet. */
	if (!rte_spinlock_trylock(&t->lock))
		return VSW_OVERLAY_TOTAL;
	what = entry_put(t, key, WHERE(now_s, dest), now_s);
	rte_spinlock_unlock(&t->lock);
	if (!e || what != VSW_OVERLAY_T_learned)
		return what;
	return DEST(where) == dest ? VSW_OVERLAY_TOTAL : VSW_OVERLAY_T_moved;
}
