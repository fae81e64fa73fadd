/* SPDX-License-Identifier: BSD-3-Clause */
/* Sorting in software: who gets which frame, order, full rings, wake-ups, changes. Threads: tsan/tsan_vmq_sort.c. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "tests/support/eal.h"
#include "tests/support/sortbed.h"
#include "vmq/queue.h"
#include "vmq/sort.h"
#include "vswitch/priv.h"

TestSuite(vmq_sorter, .init = eal_up);

#define MAC_A 0x0a0000000002ull
#define MAC_B 0x0b0000000002ull
#define BCAST 0xFFFFFFFFFFFFull

static struct sort_bed bed;
static const struct vmq_provider_ops *const ops = &vmq_software;

static void up(uint16_t nr_queues, uint16_t nr_desc)
{
	sort_bed_up(&bed, nr_queues, nr_desc);
}

static void down(void)
{
	cr_assert(sort_bed_down(&bed), "mbufs are missing");
}

static void lead(uint16_t q, uint64_t mac, enum vmq_vlan_test test, uint16_t vlan)
{
	struct vmq_filter f = sort_filter(mac, test, vlan);

	cr_assert_eq(ops->filter_set(bed.pv, q, &f), 0, "%s", err_text());
}

static void send(uint64_t mac, uint32_t seq)
{
	sort_send(&bed, &(struct sort_frame){.mac = mac, .seq = seq});
}

/* Takes up to @n frames of a queue and frees them. */
static uint16_t take(uint16_t q, uint32_t *seq, uint16_t n)
{
	struct rte_mbuf *m[VSW_VEC_SIZE];
	uint16_t i;

	n = sort_rx(&bed, q, m, n);
	for (i = 0; i < n; i++) {
		if (seq)
			seq[i] = sort_frame_seq(m[i]);
		rte_pktmbuf_free(m[i]);
	}
	return n;
}

static bool is_kicked(uint16_t q)
{
	struct pollfd p = {.fd = ops->event_fd(bed.pv, q), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

Test(vmq_sorter, each_queue_gets_its_frames_in_order_and_the_default_one_the_rest)
{
	uint32_t seq[VSW_VEC_SIZE], i;

	up(3, 64);
	lead(1, MAC_A, VMQ_VLAN_ANY, 0);
	lead(2, MAC_B, VMQ_VLAN_ANY, 0);
	for (i = 0; i < 30; i++)
		send((const uint64_t[]){MAC_A, 0x0c0000000002ull, MAC_B}[i % 3], i);
	cr_assert_eq(take(0, seq, 64), 10);
	for (i = 0; i < 10; i++)
		cr_assert_eq(seq[i], i * 3 + 1);
	cr_assert_eq(take(2, seq, 64), 10);
	for (i = 0; i < 10; i++)
		cr_assert_eq(seq[i], i * 3 + 2);
	cr_assert_eq(take(1, seq, 4), 4, "no more than asked for");
	cr_assert_eq(take(1, seq + 4, 64), 6);
	for (i = 0; i < 10; i++)
		cr_assert_eq(seq[i], i * 3);
	cr_assert_eq(take(1, NULL, 64), 0);
	down();
}

Test(vmq_sorter, every_form_of_a_tag_passes_the_tests_that_it_should)
{
	static const struct {
		struct sort_frame f;
		uint16_t q;
	} rows[] = {
		/* A: VLAN 7 in 1, untagged in 2, VLAN 4094 in 3. B: any in 4. C: VLAN 7 in 5. */
		{{MAC_A, SORT_UNTAGGED, 0}, 2},
		{{MAC_A, SORT_IN_BAND, 0}, 2},
		{{MAC_A, SORT_IN_BAND, 0xE000}, 2}, /* a priority alone */
		{{MAC_A, SORT_STRIPPED, 0}, 2},
		{{MAC_A, SORT_STRIPPED, 0xA000}, 2},
		{{MAC_A, SORT_IN_BAND, 7}, 1},
		{{MAC_A, SORT_IN_BAND, 0xF007}, 1},
		{{MAC_A, SORT_STRIPPED, 7}, 1},
		{{MAC_A, SORT_STRIPPED, 0xF007}, 1},
		{{MAC_A, SORT_IN_BAND, 4094}, 3},
		{{MAC_A, SORT_STRIPPED, 4094}, 3},
		{{MAC_A, SORT_IN_BAND, 8}, 0},
		{{MAC_A, SORT_IN_BAND, 4095}, 0},
		{{MAC_A, SORT_STRIPPED, 0x0700}, 0},
		{{MAC_B, SORT_UNTAGGED, 0}, 4},
		{{MAC_B, SORT_IN_BAND, 0}, 4},
		{{MAC_B, SORT_IN_BAND, 4095}, 4},
		{{MAC_B, SORT_STRIPPED, 9}, 4},
		{{0x0c0000000002ull, SORT_UNTAGGED, 0}, 0},
		{{0x0c0000000002ull, SORT_STRIPPED, 7}, 5},
		{{0, SORT_UNTAGGED, 0}, 0},
		{{BCAST, SORT_UNTAGGED, 0}, 0},
		{{BCAST, SORT_IN_BAND, 7}, 0},
		{{0x0a0000000003ull, SORT_UNTAGGED, 0}, 0}, /* A's group sibling */
	};
	uint32_t i;

	up(6, 64);
	lead(1, MAC_A, VMQ_VLAN_IS, 7);
	lead(2, MAC_A, VMQ_VLAN_UNTAGGED, 0);
	lead(3, MAC_A, VMQ_VLAN_IS, 4094);
	lead(4, MAC_B, VMQ_VLAN_ANY, 0);
	lead(5, 0x0c0000000002ull, VMQ_VLAN_IS, 7);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint16_t nr = rows[i].q == 0;

		sort_send(&bed, &rows[i].f);
		cr_assert_eq(take(0, NULL, 64), nr, "row %u", i);
		cr_assert_eq(nr || take(rows[i].q, NULL, 64) == 1, 1, "row %u", i);
	}
	down();
}

/* The tag that was taken off is the outer one; what is in the frame is another. */
Test(vmq_sorter, of_two_tags_the_outer_one_counts)
{
	struct sort_frame f = {MAC_A, SORT_IN_BAND, 8};
	struct rte_mbuf *m;

	up(2, 64);
	m = sort_frame_make(&bed, &f);
	m->ol_flags = RTE_MBUF_F_RX_VLAN_STRIPPED;
	m->vlan_tci = 7;
	cr_assert_eq(vmq_sort_key(m), MAC_A | 7ull << 48);
	m->ol_flags = RTE_MBUF_F_RX_VLAN; /* seen, but still in the frame */
	cr_assert_eq(vmq_sort_key(m), MAC_A | 8ull << 48);
	rte_pktmbuf_free(m);
	down();
}

Test(vmq_sorter, frames_too_short_for_a_header_are_the_default_queues)
{
	struct sort_frame f = {.mac = MAC_A};
	uint16_t len;

	up(2, 64);
	lead(1, MAC_A, VMQ_VLAN_ANY, 0);
	for (len = 0; len < 18; len++) {
		struct rte_mbuf *m;

		f.len = len;
		for (f.tag = 0; f.tag <= SORT_STRIPPED; f.tag++) {
			bool wants_more = f.tag == SORT_IN_BAND && len >= 14;

			m = sort_frame_make(&bed, &f);
			m->data_len = (uint16_t)len; /* 0 means 60 to the maker */
			m->pkt_len = len;
			cr_assert_eq(vmq_sort_key(m) != 0, len >= 14 && !wants_more, "%u bytes",
				     len);
			rte_pktmbuf_free(m);
		}
	}
	down();
}

Test(vmq_sorter, headers_in_several_mbufs_are_read)
{
	struct sort_frame f = {.mac = MAC_A, .tci = 7};
	uint16_t i;

	up(4, 64);
	lead(1, MAC_A, VMQ_VLAN_IS, 7);
	lead(2, MAC_A, VMQ_VLAN_UNTAGGED, 0);
	for (f.tag = 0; f.tag <= SORT_STRIPPED; f.tag++) {
		for (f.piece = 1; f.piece <= 20; f.piece++) {
			f.seq = f.piece;
			sort_send(&bed, &f);
		}
		cr_assert_eq(take(0, NULL, 64), 0);
		cr_assert_eq(take(f.tag == SORT_UNTAGGED ? 2 : 1, NULL, 64), 20);
	}
	for (i = 1; i < 4; i++)
		cr_assert_eq(take(i, NULL, 64), 0);
	down();
}

Test(vmq_sorter, what_finds_its_ring_full_is_freed_and_counted)
{
	uint32_t seq[VSW_VEC_SIZE], i;

	up(3, 64);
	lead(1, MAC_A, VMQ_VLAN_ANY, 0);
	lead(2, MAC_B, VMQ_VLAN_ANY, 0);
	for (i = 0; i < 100; i++)
		send(i % 10 == 9 ? MAC_B : MAC_A, i);
	for (i = 0; i < 4; i++)
		cr_assert_eq(take(0, NULL, 64), 0);
	cr_assert_eq(ops->missed(bed.pv, 1), 90 - 64);
	cr_assert_eq(ops->missed(bed.pv, 2), 0, "who is not full loses nothing");
	cr_assert_eq(rte_mempool_in_use_count(bed.pool), 64 + 10);
	cr_assert_eq(take(1, seq, 64), 64);
	for (i = 0; i < 64; i++)
		cr_assert_eq(seq[i], i + i / 9);
	cr_assert_eq(take(2, NULL, 64), 10);
	send(MAC_A, 1);
	take(0, NULL, 64);
	cr_assert_eq(take(1, NULL, 64), 1, "it goes on");
	down();
}

Test(vmq_sorter, one_call_gathers_until_a_queue_has_a_vector)
{
	uint32_t i;

	up(17, 1024);
	for (i = 1; i < 17; i++)
		lead((uint16_t)i, MAC_A + ((uint64_t)i << 32), VMQ_VLAN_ANY, 0);
	for (i = 0; i < 1000; i++)
		send(MAC_A + ((uint64_t)(1 + i % 16) << 32), i);
	cr_assert_eq(take(0, NULL, 64), 0);
	for (i = 1; i < 17; i++)
		cr_assert_eq(take((uint16_t)i, NULL, 64), 32, "eight bursts of 64");
	while (take(0, NULL, 64), take(1, NULL, 64))
		;
	for (i = 2; i < 17; i++)
		take((uint16_t)i, NULL, 64);
	for (i = 0; i < 1000; i++)
		send(MAC_A + (1ull << 32), i);
	cr_assert_eq(take(0, NULL, 64), 0);
	cr_assert_eq(take(1, NULL, 64), 64);
	cr_assert_eq(take(1, NULL, 64), 0, "the rest is still in the device");
	down();
}

/* What may be in the burst has room in the caller's vector, however many bursts there are. */
Test(vmq_sorter, never_returns_more_than_asked_for)
{
	uint32_t i, nr = 0, got;
	uint16_t n;

	up(2, 1024);
	lead(1, MAC_A, VMQ_VLAN_ANY, 0);
	for (n = 1; n <= 64; n++) {
		for (i = 0; i < 200; i++)
			send(i % 2 ? MAC_A : MAC_B, i);
		for (i = 0; i < 1000 && nr < 200u * n; i++) {
			got = take(0, NULL, n);
			cr_assert_leq(got, n);
			nr += got + take(1, NULL, 64);
		}
		cr_assert_eq(nr, 200u * n);
	}
	cr_assert_eq(ops->missed(bed.pv, 1), 0);
	down();
}

Test(vmq_sorter, kicks_once_whoever_sleeps)
{
	up(3, 64);
	lead(1, MAC_A, VMQ_VLAN_ANY, 0);
	lead(2, MAC_B, VMQ_VLAN_ANY, 0);
	cr_assert_eq(ops->event_fd(bed.pv, 0), -1, "the device's own");
	cr_assert_not(ops->arm(bed.pv, 0));
	ops->disarm(bed.pv, 0);
	send(MAC_A, 1);
	take(0, NULL, 64);
	cr_assert_not(is_kicked(1), "nobody sleeps");
	cr_assert(ops->arm(bed.pv, 1), "there is work");
	ops->disarm(bed.pv, 1);
	take(1, NULL, 64);
	cr_assert_not(ops->arm(bed.pv, 1));
	send(MAC_B, 2);
	take(0, NULL, 64);
	cr_assert_not(is_kicked(1) || is_kicked(2), "it was not for that queue");
	send(MAC_A, 3);
	take(0, NULL, 64);
	cr_assert(is_kicked(1));
	fd_drain(ops->event_fd(bed.pv, 1));
	send(MAC_A, 4);
	take(0, NULL, 64);
	cr_assert_not(is_kicked(1), "awake since the first one");
	take(1, NULL, 64);
	cr_assert_not(ops->arm(bed.pv, 1));
	ops->disarm(bed.pv, 1);
	send(MAC_A, 5);
	take(0, NULL, 64);
	cr_assert_not(is_kicked(1));
	down();
}

Test(vmq_sorter, filters_come_move_and_go)
{
	struct vmq_filter f = sort_filter(MAC_A, VMQ_VLAN_ANY, 0);
	uint16_t q[] = {0, 1, 2, 0, 1, 0}, i;

	up(3, 64);
	for (i = 0; i < sizeof(q) / sizeof(q[0]); i++) {
		if (i)
			cr_assert_eq(ops->filter_move(bed.pv, q[i - 1], q[i], &f), 0);
		send(MAC_A, i);
		cr_assert_eq(take(0, NULL, 64), q[i] == 0, "step %u", i);
		cr_assert_eq(take(1, NULL, 64), q[i] == 1, "step %u", i);
		cr_assert_eq(take(2, NULL, 64), q[i] == 2, "step %u", i);
	}
	cr_assert_eq(ops->filter_set(bed.pv, 2, &f), 0);
	cr_assert_eq(ops->filter_clear(bed.pv, 2, &f), 0);
	cr_assert_eq(ops->filter_clear(bed.pv, 2, &f), 0, "twice is no harm");
	cr_assert_eq(ops->filter_set(bed.pv, 0, &f), 0);
	cr_assert_eq(ops->filter_clear(bed.pv, 0, &f), 0);
	send(MAC_A, 1);
	cr_assert_eq(take(0, NULL, 64), 1);
	down();
}

static bool is_back; /* atomic */

static void *clears(void *arg)
{
	ops->filter_clear(bed.pv, 1, arg);
	__atomic_store_n(&is_back, true, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Its queue is drained, and maybe freed, by whoever comes back from that. */
Test(vmq_sorter, a_filter_is_not_cleared_while_a_burst_may_still_be_sorted_by_it)
{
	struct vmq_filter f = sort_filter(MAC_A, VMQ_VLAN_ANY, 0);
	pthread_t t;

	up(2, 64);
	lead(1, MAC_A, VMQ_VLAN_ANY, 0);
	rte_rcu_qsbr_thread_register(bed.sw->qsbr, 0);
	rte_rcu_qsbr_thread_online(bed.sw->qsbr, 0);
	pthread_create(&t, NULL, clears, &f);
	usleep(50000);
	cr_assert_not(__atomic_load_n(&is_back, __ATOMIC_SEQ_CST));
	rte_rcu_qsbr_quiescent(bed.sw->qsbr, 0);
	rte_rcu_qsbr_thread_offline(bed.sw->qsbr, 0);
	pthread_join(t, NULL);
	cr_assert(is_back);
	rte_rcu_qsbr_thread_unregister(bed.sw->qsbr, 0);
	down();
}

static uint64_t nth_mac(uint32_t i)
{
	return 2 | (uint64_t)(i >> 8) << 32 | (uint64_t)(i & 0xFF) << 40;
}

Test(vmq_sorter, holds_as_many_filters_as_a_nic_may_have)
{
	struct vmq_filter f;
	uint32_t i;

	up(128, 64);
	for (i = 0; i < VMQ_FILTERS_MAX; i++)
		lead((uint16_t)(1 + i % 127), nth_mac(i / 2), VMQ_VLAN_IS, (uint16_t)(1 + i % 2));
	f = sort_filter(MAC_B, VMQ_VLAN_ANY, 0);
	cr_assert_eq(ops->filter_set(bed.pv, 1, &f), -ENOSPC);
	cr_assert(strstr(err_text(), "uplink up: more than 1024"), "%s", err_text());
	for (i = 0; i < VMQ_FILTERS_MAX; i++) {
		const struct sort_frame s = {nth_mac(i / 2), SORT_IN_BAND, (uint16_t)(1 + i % 2)};

		sort_send(&bed, &s);
		cr_assert_eq(take(0, NULL, 64), 0);
		cr_assert_eq(take((uint16_t)(1 + i % 127), NULL, 64), 1, "filter %u", i);
	}
	f = sort_filter(nth_mac(3), VMQ_VLAN_IS, 1);
	ops->filter_clear(bed.pv, 7, &f);
	lead(1, MAC_B, VMQ_VLAN_ANY, 0);
	down();
}

Test(vmq_sorter, refuses_what_it_cannot_be)
{
	struct vmq_provider_cfg c = {.name = "up", .nr_queues = 0, .nr_desc = 64};
	void *pv = NULL;

	cr_assert_eq(ops->create(&pv, &c), -EINVAL);
	c.nr_queues = VMQ_QUEUES_MAX + 1;
	cr_assert_eq(ops->create(&pv, &c), -EINVAL);
	cr_assert(strstr(err_text(), "uplink up: 129 queues, want 1..128"), "%s", err_text());
	cr_assert_null(pv);
	ops->destroy(NULL);
	cr_assert_eq(ops->probe(0, NULL), VMQ_QUEUES_MAX);
	cr_assert_eq(ops->configure(NULL, NULL, NULL), 1);
}

Test(vmq_sorter, what_still_waits_at_the_end_is_freed)
{
	uint32_t i;

	up(2, 64);
	lead(1, MAC_A, VMQ_VLAN_ANY, 0);
	for (i = 0; i < 50; i++)
		send(MAC_A, i);
	take(0, NULL, 64);
	down();
}
