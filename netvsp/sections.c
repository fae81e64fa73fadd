/* SPDX-License-Identifier: BSD-3-Clause */
/* Receive sections: which are free, which the guest holds. The free stack is private and rebuilt
 * after a restart; ownership is in the state memfd. */
#include <string.h>

#include "netvsp/priv.h"

/* Small buffers (`ethtool -G`) must not all be kept back. */
static void keep_some(struct netvsp_nic *nic)
{
	uint32_t most = nic->st->nr_sections / 4;

	nic->pool.keep = most < NETVSP_SECTIONS_RESERVE ? most : NETVSP_SECTIONS_RESERVE;
}

void netvsp_pool_reset(struct netvsp_nic *nic)
{
	struct netvsp_state *st = nic->st;
	uint32_t i;

	rte_spinlock_lock(&nic->pool.lock);
	memset(st->section, 0, sizeof(st->section));
	keep_some(nic);
	nic->pool.nr = 0;
	for (i = st->nr_sections; i > 0; i--) /* low numbers are handed out first */
		nic->pool.stack[nic->pool.nr++] = (uint16_t)(i - 1);
	rte_spinlock_unlock(&nic->pool.lock);
}

/* Handed out by a commit that never happened: the guest has not seen it. */
static bool was_committed(const struct netvsp_nic *nic, const struct netvsp_section *s)
{
	uint32_t relid = s->owner & NETVSP_SEC_RELID;
	const struct vmbus_h2g_slot *h;

	if (s->seq == 0 || relid >= VMBUS_CHANS_MAX)
		return false;
	h = vmbus_state_h2g(&nic->peer->state->chan[relid]);
	return (int32_t)(s->seq - __atomic_load_n(&h->rx_seq, __ATOMIC_RELAXED)) <= 0;
}

/* Marks a packet's sections free, the first one last: killed in between, a replay finds the chain
 * whole. Calls @push for each. The chain is host-written; its length is bounded all the same. */
static void free_chain(struct netvsp_nic *nic, const struct vmbus_freed *f, bool push)
{
	const uint32_t nr = nic->st->nr_sections;
	struct netvsp_section *section = nic->st->section, *head, *s;
	uint16_t *stack = nic->pool.stack;
	uint32_t left = nr, id, nr_free = nic->pool.nr;

	if (f->section >= nr || f->seq == 0 || section[f->section].seq != f->seq)
		return;
	head = &section[f->section];
	for (id = head->next; id < nr && left-- > 0; id = s->next) {
		s = &section[id];
		if (push && s->seq)
			stack[nr_free++] = (uint16_t)id;
		s->seq = 0;
	}
	__atomic_store_n(&head->seq, 0, __ATOMIC_RELEASE);
	if (push)
		stack[nr_free++] = (uint16_t)f->section;
	nic->pool.nr = nr_free;
}

/* Sections that the guest gave back in a burst that was committed, on any channel of the adapter. */
static void replay_freed(struct netvsp_nic *nic, uint32_t relid)
{
	const struct vmbus_g2h_slot *g = vmbus_state_g2h(&nic->peer->state->chan[relid]);
	uint32_t i;

	for (i = 0; i < g->nr_freed && i < VMBUS_BURST_MAX; i++) {
		const struct vmbus_freed *f = &g->freed[i];

		/* Sequences are the channel's own: another one may have handed it out again under
		 * the same number. */
		if (f->section < nic->st->nr_sections &&
		    (nic->st->section[f->section].owner & NETVSP_SEC_RELID) == relid)
			free_chain(nic, f, false);
	}
}

void netvsp_pool_recover(struct netvsp_nic *nic)
{
	struct netvsp_state *st = nic->st;
	uint32_t i;

	for (i = 0; i < NETVSP_CHANNELS_MAX; i++) {
		if (st->relid[i] && st->relid[i] < VMBUS_CHANS_MAX)
			replay_freed(nic, st->relid[i]);
	}
	keep_some(nic);
	nic->pool.nr = 0;
	for (i = st->nr_sections; i > 0; i--) {
		struct netvsp_section *s = &st->section[i - 1];

		s->owner &= (uint16_t)~NETVSP_SEC_FREEING;
		if (was_committed(nic, s))
			continue;
		*s = (struct netvsp_section){0};
		nic->pool.stack[nic->pool.nr++] = (uint16_t)(i - 1);
	}
}

uint32_t netvsp_pool_take(struct netvsp_nic *nic, uint16_t *sec, uint32_t n, uint32_t keep)
{
	struct netvsp_pool *p = &nic->pool;
	const uint16_t *top;
	uint32_t i;

	rte_spinlock_lock(&p->lock);
	if (n + keep > p->nr)
		n = p->nr > keep ? p->nr - keep : 0;
	p->nr -= n;
	for (top = &p->stack[p->nr + n], i = 0; i < n; i++)
		sec[i] = *--top;
	rte_spinlock_unlock(&p->lock);
	return n;
}

void netvsp_pool_give(struct netvsp_nic *nic, const uint16_t *sec, uint32_t n)
{
	struct netvsp_pool *p = &nic->pool;

	if (n == 0)
		return;
	rte_spinlock_lock(&p->lock);
	while (n > 0)
		p->stack[p->nr++] = sec[--n];
	rte_spinlock_unlock(&p->lock);
}

uint32_t netvsp_section_claim(struct netvsp_nic *nic, uint64_t id, uint32_t relid)
{
	struct netvsp_section *s;

	if (id >= nic->st->nr_sections)
		return 0;
	s = &nic->st->section[id];
	if (__atomic_load_n(&s->seq, __ATOMIC_ACQUIRE) == 0 ||
	    s->owner != (relid | NETVSP_SEC_HEAD))
		return 0; /* free, of another channel, not a first section, or claimed already */
	if (!was_committed(nic, s))
		return 0; /* another lcore is writing it: the guest guesses its number */
	__atomic_store_n(&s->owner, (uint16_t)(s->owner | NETVSP_SEC_FREEING), __ATOMIC_RELAXED);
	return s->seq;
}

void netvsp_section_free(struct netvsp_nic *nic, const struct vmbus_freed *f, uint32_t n)
{
	uint32_t i;

	if (n == 0)
		return;
	rte_spinlock_lock(&nic->pool.lock);
	for (i = 0; i < n; i++)
		free_chain(nic, &f[i], true);
	rte_spinlock_unlock(&nic->pool.lock);
}

void netvsp_section_reclaim(struct netvsp_nic *nic, uint32_t relid)
{
	uint32_t i;

	rte_spinlock_lock(&nic->pool.lock);
	for (i = 0; i < nic->st->nr_sections; i++) {
		struct netvsp_section *s = &nic->st->section[i];

		/* Acquire: other channels go on. With the sequence comes the owner. */
		if (__atomic_load_n(&s->seq, __ATOMIC_ACQUIRE) == 0 ||
		    (__atomic_load_n(&s->owner, __ATOMIC_RELAXED) & NETVSP_SEC_RELID) != relid)
			continue;
		*s = (struct netvsp_section){0};
		nic->pool.stack[nic->pool.nr++] = (uint16_t)i;
	}
	rte_spinlock_unlock(&nic->pool.lock);
}
