/* SPDX-License-Identifier: BSD-3-Clause */
/* Receive sections against a table of owners, with the switch killed at any of the places where it
 * can be: before or after either commit, and in the middle of freeing. A section is never lost,
 * never handed out twice, and after a restart the pool is what the table says. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "netvsp/priv.h"
#include "tests/support/prng.h"

#define SECTIONS 96u
#define RELID	 3u

enum owner { SW, GUEST_HEAD, GUEST_REST };

static struct netvsp_nic *nic;
static struct vmbus_peer *peer;
static struct vmbus_chan_state *cs;
static enum owner naive[SECTIONS];
static uint16_t naive_next[SECTIONS];
static uint32_t rx_seq;
static uint64_t burst;

static void setup(void)
{
	nic = aligned_alloc(64, (sizeof(*nic) + 63) & ~63ul);
	peer = calloc(1, sizeof(*peer));
	peer->state = aligned_alloc(4096, sizeof(struct vmbus_state));
	memset(nic, 0, sizeof(*nic));
	memset(peer->state, 0, sizeof(struct vmbus_state));
	vmbus_state_init(peer->state, 1);
	cs = &peer->state->chan[RELID];
	nic->peer = peer;
	nic->st = (struct netvsp_state *)cs->dev;
	nic->st->nr_sections = SECTIONS;
	nic->st->relid[0] = RELID;
	netvsp_pool_reset(nic);
}

static void check_pool(const char *when)
{
	unsigned int i, free_naive = 0;
	bool seen[SECTIONS] = {false};

	for (i = 0; i < SECTIONS; i++)
		free_naive += naive[i] == SW;
	cr_assert_eq(nic->pool.nr, free_naive, "%s: %u free, want %u", when, nic->pool.nr,
		     free_naive);
	for (i = 0; i < nic->pool.nr; i++) {
		uint16_t s = nic->pool.stack[i];

		cr_assert(s < SECTIONS && !seen[s], "%s: section %u twice", when, s);
		cr_assert_eq(naive[s], SW, "%s: section %u is the guest's", when, s);
		seen[s] = true;
	}
}

/* The new switch has only the state. */
static void restart(void)
{
	rx_seq = vmbus_state_h2g(cs)->rx_seq;
	burst = vmbus_state_g2h(cs)->burst;
	memset(&nic->pool, 0, sizeof(nic->pool));
	netvsp_pool_recover(nic);
	check_pool("after a restart");
}

/* One packet to the guest of 1..4 sections; killed before its commit or not. */
static void hand_out(struct prng *p)
{
	uint16_t sec[4];
	uint32_t n = netvsp_pool_take(nic, sec, 1 + prng_below(p, 4), 4), i, seq;
	bool killed = prng_below(p, 8) == 0;

	seq = netvsp_seq_next(rx_seq);
	for (i = 0; i < n; i++) {
		nic->st->section[sec[i]] =
			(struct netvsp_section){seq, (uint16_t)(RELID | (i ? 0 : NETVSP_SEC_HEAD)),
						i + 1 < n ? sec[i + 1] : NETVSP_SEC_END};
	}
	if (killed) {
		restart();
		return;
	}
	if (n == 0)
		return;
	rx_seq = seq;
	vmbus_state_h2g_commit(cs, 0, rx_seq, 0);
	for (i = 0; i < n; i++) {
		naive[sec[i]] = i ? GUEST_REST : GUEST_HEAD;
		naive_next[sec[i]] = i + 1 < n ? sec[i + 1] : NETVSP_SEC_END;
	}
}

static void naive_free(uint32_t id)
{
	while (id != NETVSP_SEC_END) {
		naive[id] = SW;
		id = naive_next[id];
	}
}

/* The guest completes up to 8 random ids, right or wrong, in one burst. */
static void give_back(struct prng *p)
{
	struct vmbus_g2h_slot *slot = vmbus_state_g2h_next(cs);
	unsigned int i, n = 1 + prng_below(p, 8), where = prng_below(p, 12);

	slot->nr_freed = 0;
	slot->nr_taken = 0;
	for (i = 0; i < n; i++) {
		uint32_t id = prng_below(p, SECTIONS + 4), seq, k;
		bool dup = false;

		for (k = 0; k < slot->nr_freed; k++)
			dup |= slot->freed[k].section == id;
		seq = netvsp_section_claim(nic, id, RELID);
		cr_assert_eq(seq != 0, id < SECTIONS && naive[id] == GUEST_HEAD && !dup);
		cr_assert_eq(netvsp_section_claim(nic, id, RELID), 0, "claimed twice");
		if (seq)
			slot->freed[slot->nr_freed++] = (struct vmbus_freed){id, seq};
	}
	if (where == 0) { /* killed before the commit: the guest still holds all of it */
		restart();
		return;
	}
	slot->burst = ++burst;
	vmbus_state_g2h_commit(cs);
	for (i = 0; i < slot->nr_freed; i++)
		naive_free(slot->freed[i].section);
	if (where == 1) { /* killed right behind it */
		restart();
		return;
	}
	netvsp_section_free(nic, slot->freed, where == 2 ? slot->nr_freed / 2 : slot->nr_freed);
	if (where == 2) /* killed in the middle */
		restart();
}

/* The channel is closed alone: what the guest held comes back. */
static void close_channel(void)
{
	unsigned int i;

	netvsp_section_reclaim(nic, RELID + 1); /* holds nothing */
	check_pool("after another channel's close");
	netvsp_section_reclaim(nic, RELID);
	for (i = 0; i < SECTIONS; i++)
		naive[i] = SW;
}

Test(netvsp_sections, agree_with_a_table_of_owners_over_restarts, .init = setup)
{
	unsigned int i, steps = prng_steps(20000);
	struct prng p;

	prng_init(&p);
	for (i = 0; i < steps; i++) {
		if (prng_below(&p, 500) == 0)
			close_channel();
		else if (prng_below(&p, 2))
			hand_out(&p);
		else
			give_back(&p);
		check_pool("after a step");
	}
}

Test(netvsp_sections, a_claim_on_another_channel_is_refused, .init = setup)
{
	uint16_t sec;

	cr_assert_eq(netvsp_pool_take(nic, &sec, 1, 0), 1);
	nic->st->section[sec] = (struct netvsp_section){1, RELID | NETVSP_SEC_HEAD, NETVSP_SEC_END};
	vmbus_state_h2g_commit(cs, 0, 1, 0);
	cr_assert_eq(netvsp_section_claim(nic, sec, RELID + 1), 0);
	cr_assert_eq(netvsp_section_claim(nic, (uint64_t)sec + (1ull << 32), RELID), 0);
	cr_assert_eq(netvsp_section_claim(nic, sec, RELID), 1);
}

/* A hostile guest guesses: while one lcore writes a packet, it completes it to another. */
Test(netvsp_sections, a_claim_of_what_was_not_committed_yet_is_refused, .init = setup)
{
	uint16_t sec;

	cr_assert_eq(netvsp_pool_take(nic, &sec, 1, 0), 1);
	nic->st->section[sec] = (struct netvsp_section){1, RELID | NETVSP_SEC_HEAD, NETVSP_SEC_END};
	cr_assert_eq(netvsp_section_claim(nic, sec, RELID), 0);
	vmbus_state_h2g_commit(cs, 0, 1, 0);
	cr_assert_eq(netvsp_section_claim(nic, sec, RELID), 1);
}

/* Sequences are a channel's own: RELID freed it under number 1, then RELID + 1 handed it out under
 * number 1, then the switch was killed before RELID's next burst. */
Test(netvsp_sections, a_replay_frees_nothing_that_another_channel_handed_out_since, .init = setup)
{
	struct vmbus_g2h_slot *slot = vmbus_state_g2h_next(cs);
	uint16_t sec;

	nic->st->relid[1] = RELID + 1;
	cr_assert_eq(netvsp_pool_take(nic, &sec, 1, 0), 1);
	nic->st->section[sec] = (struct netvsp_section){1, RELID | NETVSP_SEC_HEAD, NETVSP_SEC_END};
	vmbus_state_h2g_commit(cs, 0, 1, 0);
	slot->freed[0] = (struct vmbus_freed){sec, netvsp_section_claim(nic, sec, RELID)};
	slot->nr_freed = 1;
	slot->burst = 1;
	vmbus_state_g2h_commit(cs);
	netvsp_section_free(nic, slot->freed, 1);
	cr_assert_eq(netvsp_pool_take(nic, &sec, 1, 0), 1);
	cr_assert_eq(sec, slot->freed[0].section, "last freed, first taken");
	nic->st->section[sec] =
		(struct netvsp_section){1, (RELID + 1) | NETVSP_SEC_HEAD, NETVSP_SEC_END};
	vmbus_state_h2g_commit(&peer->state->chan[RELID + 1], 0, 1, 0);
	netvsp_pool_recover(nic);
	cr_assert_eq(nic->pool.nr, SECTIONS - 1, "the guest holds one");
	cr_assert_eq(netvsp_section_claim(nic, sec, RELID + 1), 1);
}
