/* SPDX-License-Identifier: BSD-3-Clause */
/* To which queue a frame goes: an exact-match table of filters, and the key that a frame looks it up with. A
 * table is built by ctl, then read by the lcore that sorts; of one that is being read only queue
 * numbers change.
 *
 * A bucket is one cache line of seven keys, and the hash is chosen such that none is too full: a look-up reads
 * one line, or two where there are filters of both kinds, with one filter as with a thousand. */
#pragma once

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_mbuf.h>

#include "vmq/filter.h"

#define VMQ_SORT_HEAD 18u /* bytes of a tagged frame's header: what a key is made of */
#define VMQ_SORT_KEYS 7u

/* Of a filter and of a frame: the address as it lies in memory in bits 0 .. 47, the VLAN above it. 0: of frames that
 * no filter can want. */
#define VMQ_SORT_MAC   0xFFFFFFFFFFFFull
#define VMQ_SORT_VLAN  48
#define VMQ_SORT_ANY   (0x1000ull << VMQ_SORT_VLAN) /* instead of a VLAN */
#define VMQ_SORT_GROUP 1ull
#define VMQ_SORT_NONE  (~0ull) /* no frame's */

struct vmq_sort_rule {
	uint64_t key;
	uint8_t q; /* not the default queue */
};

struct vmq_sort_bucket {
	uint64_t key[VMQ_SORT_KEYS]; /* 0: none */
	uint8_t q[VMQ_SORT_KEYS +
		  1]; /* atomic; the last: the default queue, for what is not here */
};
_Static_assert(sizeof(struct vmq_sort_bucket) == 64, "one cache line");

struct vmq_sort {
	alignas(64) uint64_t factor; /* of the hash */
	uint32_t shift;
	bool has_vlan, has_any; /* filters that look at the VLAN; that do not */
	struct vmq_sort_bucket bucket[];
};

/* ctl.  A table of @nr rules, no two with the same key. 0, -ENOMEM, -ENOSPC (text set). The caller frees it with
 * free(). */
int vmq_sort_build(struct vmq_sort **out, const struct vmq_sort_rule *rule, uint32_t nr);

/* ctl, while it is read or not.  From now on @key leads to queue @q. False: it is not in the table. */
bool vmq_sort_lead(struct vmq_sort *t, uint64_t key, uint8_t q);

/* any.  The key of a frame whose first piece is shorter than VMQ_SORT_HEAD. */
uint64_t vmq_sort_key_short(const struct rte_mbuf *m);

static inline uint64_t vmq_sort_key_of(const uint8_t *mac, uint64_t vlan)
{
	uint64_t key = 0;

	memcpy(&key, mac, 6);
	return key | vlan << VMQ_SORT_VLAN;
}

static inline uint64_t vmq_sort_key_filter(const struct vmq_filter *f)
{
	return vmq_sort_key_of(f->mac, f->vlan_test == VMQ_VLAN_ANY ? VMQ_SORT_ANY >> VMQ_SORT_VLAN
								    : f->vlan);
}

/* @at: VMQ_SORT_HEAD bytes.  The tag that the device took off is the outer one. */
static inline uint64_t vmq_sort_key_at(const struct rte_mbuf *m, const uint8_t *at)
{
	uint64_t key, vlan = 0;
	uint16_t type, tci;

	memcpy(&key, at, sizeof(key));
	memcpy(&type, at + 12, sizeof(type));
	memcpy(&tci, at + 14, sizeof(tci));
	if (m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED)
		vlan = m->vlan_tci & 0xFFFu;
	else if (type == __builtin_bswap16(0x8100))
		vlan = __builtin_bswap16(tci) & 0xFFFu;
	return (key & VMQ_SORT_MAC) | vlan << VMQ_SORT_VLAN;
}

static inline uint64_t vmq_sort_key(const struct rte_mbuf *m)
{
	if (unlikely(m->data_len < VMQ_SORT_HEAD))
		return vmq_sort_key_short(m);
	return vmq_sort_key_at(m, rte_pktmbuf_mtod(m, const uint8_t *));
}

static inline uint64_t vmq_sort_hash(const struct vmq_sort *t, uint64_t key)
{
	return key * t->factor >> t->shift;
}

/* Compares with all seven: a branch that is guessed wrong costs more. */
static inline uint8_t vmq_sort_probe(const struct vmq_sort *t, uint64_t key)
{
	const struct vmq_sort_bucket *b = &t->bucket[vmq_sort_hash(t, key)];
	uint32_t hits = 1u << VMQ_SORT_KEYS, i;

#pragma GCC unroll 7
	for (i = 0; i < VMQ_SORT_KEYS; i++)
		hits |= (uint32_t)(b->key[i] == key) << i;
	return __atomic_load_n(&b->q[__builtin_ctz(hits)], __ATOMIC_RELAXED);
}

/* The queue for a frame of that key; 0: the default one. */
static inline uint8_t vmq_sort_find(const struct vmq_sort *t, uint64_t key)
{
	uint8_t q = 0;

	if (key & VMQ_SORT_GROUP)
		return 0;
	if (t->has_vlan)
		q = vmq_sort_probe(t, key);
	if (q == 0 && t->has_any)
		q = vmq_sort_probe(t, (key & VMQ_SORT_MAC) | VMQ_SORT_ANY);
	return q;
}
