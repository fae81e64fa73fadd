/* SPDX-License-Identifier: BSD-3-Clause */
/* Building the table of filters; frames whose header does not lie in one piece. */
#include "vmq/sort.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "vswitch/packet.h"

#define FACTOR	 0x9E3779B97F4A7C15ull /* odd; so are its powers */
#define TRIES	 8u		       /* factors for each size */
#define BITS_MIN 1u		       /* buckets: two keys in each on average */
#define BITS_MAX 16u

static void clear(struct vmq_sort *t, uint32_t bits, uint64_t factor)
{
	memset(t, 0, sizeof(*t) + (sizeof(t->bucket[0]) << bits));
	t->factor = factor;
	t->shift = 64 - bits;
}

/* False: its bucket is full. */
static bool put(struct vmq_sort *t, const struct vmq_sort_rule *r)
{
	struct vmq_sort_bucket *b = &t->bucket[vmq_sort_hash(t, r->key)];
	uint32_t i;

	for (i = 0; i < VMQ_SORT_KEYS && b->key[i]; i++)
		;
	if (i == VMQ_SORT_KEYS)
		return false;
	b->key[i] = r->key;
	b->q[i] = r->q;
	if (r->key & VMQ_SORT_ANY)
		t->has_any = true;
	else
		t->has_vlan = true;
	return true;
}

static bool put_all(struct vmq_sort *t, const struct vmq_sort_rule *rule, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr && put(t, &rule[i]); i++)
		;
	return i == nr;
}

static uint32_t bits_for(uint32_t nr)
{
	uint32_t bits = BITS_MIN;

	while ((2u << bits) < nr)
		bits++;
	return bits;
}

int vmq_sort_build(struct vmq_sort **out, const struct vmq_sort_rule *rule, uint32_t nr)
{
	uint64_t factor = FACTOR;
	struct vmq_sort *t;
	uint32_t bits, i;

	for (bits = bits_for(nr); bits <= BITS_MAX; bits++) {
		t = aligned_alloc(64, sizeof(*t) + (sizeof(t->bucket[0]) << bits));
		if (!t)
			return err_set(-ENOMEM, "table of %u receive filters: out of memory", nr);
		for (i = 0; i < TRIES; i++, factor *= FACTOR) {
			clear(t, bits, factor);
			if (put_all(t, rule, nr)) {
				*out = t;
				return 0;
			}
		}
		free(t);
	}
	return err_set(-ENOSPC, "table of %u receive filters: no hash spreads them", nr);
}

bool vmq_sort_lead(struct vmq_sort *t, uint64_t key, uint8_t q)
{
	struct vmq_sort_bucket *b = &t->bucket[vmq_sort_hash(t, key)];
	uint32_t i;

	for (i = 0; i < VMQ_SORT_KEYS; i++) {
		if (key && b->key[i] == key) {
			__atomic_store_n(&b->q[i], q, __ATOMIC_RELAXED);
			return true;
		}
	}
	return false;
}

/* What the switch drops as a runt has no key: it is the default queue's to count. */
uint64_t vmq_sort_key_short(const struct rte_mbuf *m)
{
	uint32_t n = RTE_MIN(m->pkt_len, VMQ_SORT_HEAD);
	uint8_t head[VMQ_SORT_HEAD] = {0};
	const uint8_t *at = n < VSW_FRAME_MIN ? NULL : rte_pktmbuf_read(m, 0, n, head);
	bool is_tagged;

	if (!at)
		return 0;
	if (at != head)
		memcpy(head, at, n);
	is_tagged = head[12] == 0x81 && head[13] == 0x00;
	if (is_tagged && n < VMQ_SORT_HEAD && !(m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED))
		return 0;
	return vmq_sort_key_at(m, head);
}
