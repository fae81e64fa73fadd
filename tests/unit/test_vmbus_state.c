/* SPDX-License-Identifier: BSD-3-Clause */
/* The state memfd: identity, commit points, and event flags while the guest moves their page. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <nethv/abi/vmbus.h>

#include "vmbus/state.h"

#define FLAGS_OF(page) ((uint64_t *)(mem + (page)*4096 + VMBUS_SINT * 256))

static _Alignas(4096) uint8_t mem[4 * 4096];
static struct gmem gm;
static struct vmbus_state *st;

static void setup(void)
{
	st = aligned_alloc(4096, sizeof(*st));
	memset(st, 0, sizeof(*st));
	vmbus_state_init(st, 2);
	gmem_add(&gm, gpa(0), sizeof(mem), mem);
}

static bool dead(void *ctx)
{
	return *(bool *)ctx;
}

TestSuite(vmbus_state, .init = setup);

Test(vmbus_state, only_our_own_version_is_accepted)
{
	cr_assert_eq(vmbus_state_check(st, sizeof(*st)), 0);
	cr_assert_eq(vmbus_state_check(st, sizeof(*st) - 1), -EPROTO);
	st->version++;
	cr_assert_eq(vmbus_state_check(st, sizeof(*st)), -EPROTO);
	vmbus_state_init(st, 2);
	st->magic++;
	cr_assert_eq(vmbus_state_check(st, sizeof(*st)), -EPROTO);
	vmbus_state_init(st, VMBUS_VPS_MAX + 1);
	cr_assert_eq(vmbus_state_check(st, sizeof(*st)), -EPROTO);
	vmbus_state_init(st, 0);
	cr_assert_eq(vmbus_state_check(st, sizeof(*st)), -EPROTO);
}

Test(vmbus_state, a_slot_counts_only_once_it_is_committed)
{
	struct vmbus_chan_state *cs = &st->chan[1];

	vmbus_state_g2h_next(cs)->read_index = 64;
	cr_assert_eq(vmbus_state_g2h(cs)->read_index, 0);
	vmbus_state_g2h_commit(cs);
	cr_assert_eq(vmbus_state_g2h(cs)->read_index, 64);
	vmbus_state_h2g_commit(cs, 128, 5, 9);
	cr_assert_eq(vmbus_state_h2g(cs)->write_index, 128);
	cr_assert_eq(vmbus_state_h2g(cs)->rx_seq, 5);
	cr_assert_eq(vmbus_state_h2g(cs)->burst_done, 9);
}

Test(vmbus_state, a_hostile_selector_stays_within_the_slots)
{
	struct vmbus_chan_state *cs = &st->chan[1];

	cs->g2h_sel = cs->h2g_sel = 0xfffffff6;
	cr_assert_eq(vmbus_state_g2h(cs), &cs->g2h[0]);
	cr_assert_eq(vmbus_state_g2h_next(cs), &cs->g2h[1]);
	vmbus_state_g2h_commit(cs);
	cr_assert_eq(cs->g2h_sel, 1);
	vmbus_state_h2g_commit(cs, 8, 1, 1);
	cr_assert_eq(vmbus_state_h2g(cs), &cs->h2g[1]);
}

Test(vmbus_state, a_fresh_channel_forgets_all_but_its_generation)
{
	struct vmbus_chan_state *cs = &st->chan[1];

	vmbus_state_h2g_commit(cs, 8, 1, 1);
	cs->dev[0] = 1;
	vmbus_state_chan_reset(cs);
	cr_assert_eq(cs->generation, 1);
	cr_assert_eq(vmbus_state_h2g(cs)->write_index, 0);
	cr_assert_eq(cs->dev[0], 0);
}

Test(vmbus_state, a_flag_is_set_and_the_line_raised_once)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	bool is_dead = false;
	uint64_t n;

	vmbus_state_set_siefp(st, &gm, 1, 0x1001, dead, &is_dead);
	vmbus_state_signal(st, &gm, 0, 1, 7, fd);
	vmbus_state_signal(st, &gm, 0, 1, 7, fd);
	cr_assert_eq(*FLAGS_OF(1), 1ull << 7);
	cr_assert_eq(read(fd, &n, sizeof(n)), 8);
	cr_assert_eq(n, 1, "a flag that is set already needs no line");
	close(fd);
}

Test(vmbus_state, a_flag_wanted_while_they_are_off_is_kept)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	bool is_dead = false;
	uint64_t n;

	vmbus_state_signal(st, &gm, 0, 0, 9, fd);
	cr_assert_eq(read(fd, &n, sizeof(n)), -1);
	cr_assert(vmbus_state_set_siefp(st, &gm, 0, 0x2001, dead, &is_dead));
	cr_assert_eq(*FLAGS_OF(2), 1ull << 9);
	cr_assert_not(vmbus_state_set_siefp(st, &gm, 0, 0x2001, dead, &is_dead));
	close(fd);
}

Test(vmbus_state, a_vp_or_channel_that_does_not_exist_is_ignored)
{
	struct vmbus_state *before = aligned_alloc(4096, sizeof(*st));

	memcpy(before, st, sizeof(*st));
	st->nr_vps = before->nr_vps = 0xffffffff; /* the worker may write there */
	vmbus_state_signal(st, &gm, 0, VMBUS_VP_NONE, 1, -1);
	vmbus_state_signal(st, &gm, 0, VMBUS_VPS_MAX, 1, -1);
	vmbus_state_signal(st, &gm, 0, 0, VMBUS_CHANS_MAX, -1);
	cr_assert_arr_eq((uint8_t *)st, (uint8_t *)before, sizeof(*st));
	free(before);
}

Test(vmbus_state, a_flag_page_that_is_not_memory_is_not_written)
{
	bool is_dead = false;

	vmbus_state_set_siefp(st, &gm, 0, 0x7fffffff001, dead, &is_dead);
	vmbus_state_signal(st, &gm, 0, 0, 1, -1);
	cr_assert_eq(st->vp[0].pending[0], 2);
}

Test(vmbus_state, a_dead_switch_holds_nobody)
{
	bool is_dead = true;

	st->lcore[3].signalling = 1;
	vmbus_state_set_siefp(st, &gm, 0, 0x1001, dead, &is_dead);
	cr_assert_eq(st->lcore[3].signalling, 0);
}

/* One thread signals, the other moves the page and wipes the old one as soon as set_siefp()
 * returned: a late write into the old page is a write into memory that the guest has back. */
#define MOVES 3000u

static bool stop; /* atomic */

static void *signaller(void *arg)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	uint32_t relid = 1;

	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		vmbus_state_signal(st, &gm, 0, 0, relid, fd);
		relid = relid % 63 + 1;
	}
	close(fd);
	return NULL;
}

Test(vmbus_state, an_old_flag_page_is_never_written_after_the_move, .timeout = 60)
{
	bool is_dead = false;
	uint32_t i, page = 1, wrong = 0;
	pthread_t t;

	pthread_create(&t, NULL, signaller, NULL);
	for (i = 0; i < MOVES; i++) {
		uint32_t old = page;

		page = page % 3 + 1;
		vmbus_state_set_siefp(st, &gm, 0, i % 5 ? page << 12 | 1 : 0, dead, &is_dead);
		__atomic_store_n(FLAGS_OF(old), 0, __ATOMIC_SEQ_CST);
		sched_yield();
		wrong += __atomic_load_n(FLAGS_OF(old), __ATOMIC_SEQ_CST) != 0;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	cr_assert_eq(wrong, 0);
}
