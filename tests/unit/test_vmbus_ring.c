/* SPDX-License-Identifier: BSD-3-Clause */
/* Rings: packets, limits, signals, and what a hostile peer may write into the control page. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>

#include "vmbus/ring.h"

#define SIZE 4096u

struct ring_mem {
	struct vmbus_ring_ctrl ctrl;
	_Alignas(4096) uint8_t data[SIZE];
};

static struct ring_mem mem;

static void make_at(struct vmbus_ring *w, struct vmbus_ring *r, uint32_t index)
{
	memset(&mem, 0, sizeof(mem));
	mem.ctrl.read_index = mem.ctrl.write_index = index;
	vmbus_ring_init(w, &mem.ctrl, mem.data, SIZE, index);
	vmbus_ring_init(r, &mem.ctrl, mem.data, SIZE, index);
}

static uint32_t put(struct vmbus_ring *w, const void *body, uint32_t len, uint64_t id)
{
	struct vmbus_pkt_desc d = {.type = VMBUS_PKT_INBAND,
				   .offset8 = 2,
				   .len8 = (uint16_t)((16 + len + 7) / 8),
				   .trans_id = id};

	return vmbus_ring_put(w, &d, NULL, 0, body, len);
}

Test(vmbus_ring, a_packet_arrives_as_it_was_put)
{
	struct vmbus_ring w, r;
	struct vmbus_pkt_desc d;
	char got[8] = {0};

	make_at(&w, &r, 0);
	cr_assert_eq(put(&w, "hello", 5, 77), vmbus_ring_need(0, 5));
	cr_assert_eq(vmbus_ring_avail(&r), 0, "nothing is seen before it is published");
	vmbus_ring_publish_write(&w);
	cr_assert_eq(vmbus_ring_avail(&r), 32);
	cr_assert_eq(vmbus_ring_peek(&r, 32, &d), 32);
	cr_assert_eq(d.trans_id, 77);
	vmbus_ring_read(&r, r.own + 16, got, 8);
	cr_assert_str_eq(got, "hello");
	cr_assert_eq(got[7], 0, "the padding is zero");
}

Test(vmbus_ring, the_trailer_names_where_the_packet_began)
{
	struct vmbus_ring w, r;
	uint64_t trailer;

	make_at(&w, &r, 256);
	put(&w, "x", 1, 1);
	memcpy(&trailer, mem.data + 256 + 24, 8);
	cr_assert_eq(trailer, 256ull << 32);
}

Test(vmbus_ring, a_packet_wraps_at_the_end)
{
	uint8_t body[64], got[64];
	struct vmbus_ring w, r;
	struct vmbus_pkt_desc d;
	uint32_t at;

	for (at = 0; at < 64; at++)
		body[at] = (uint8_t)at;
	for (at = SIZE - 96; at < SIZE; at += 8) {
		make_at(&w, &r, at);
		put(&w, body, sizeof(body), at);
		vmbus_ring_publish_write(&w);
		cr_assert_eq(vmbus_ring_peek(&r, (uint32_t)vmbus_ring_avail(&r), &d), 88);
		vmbus_ring_read(&r, vmbus_ring_wrap(&r, r.own + 16), got, sizeof(got));
		cr_assert_arr_eq(got, body, sizeof(body));
		vmbus_ring_skip(&r, 88);
		cr_assert_eq(r.own, w.own);
	}
}

Test(vmbus_ring, eight_bytes_always_stay_free)
{
	struct vmbus_ring w, r;
	int32_t space;

	make_at(&w, &r, 512);
	cr_assert_eq(vmbus_ring_space(&w), (int32_t)SIZE - 8);
	while (vmbus_ring_space(&w) >= 32)
		put(&w, "", 1, 0);
	space = vmbus_ring_space(&w);
	cr_assert_eq(space, SIZE % 32 + 24);
	cr_assert_neq(w.own, r.own, "a full ring does not look empty");
}

Test(vmbus_ring, an_index_out_of_place_is_refused)
{
	static const uint32_t bad[] = {SIZE, SIZE + 8, 4, 1, 0xffffffff, 0x80000000};
	struct vmbus_ring w, r;
	size_t i;

	make_at(&w, &r, 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		mem.ctrl.write_index = bad[i];
		cr_assert_eq(vmbus_ring_avail(&r), -1, "write index 0x%x", bad[i]);
		mem.ctrl.read_index = bad[i];
		cr_assert_eq(vmbus_ring_space(&w), -1, "read index 0x%x", bad[i]);
	}
}

Test(vmbus_ring, our_own_index_is_never_read_back)
{
	struct vmbus_ring w, r;

	make_at(&w, &r, 0);
	put(&w, "x", 1, 1);
	vmbus_ring_publish_write(&w);
	mem.ctrl.write_index = 8; /* the consumer overwrites the producer's index */
	mem.ctrl.read_index = 0;
	put(&w, "y", 1, 2);
	vmbus_ring_publish_write(&w);
	cr_assert_eq(mem.ctrl.write_index, 64);
}

Test(vmbus_ring, a_malformed_descriptor_is_refused)
{
	static const struct {
		uint16_t offset8, len8;
		uint32_t avail;
		int32_t want;
	} row[] = {
		{2, 4, 40, 40},	    {2, 4, 39, -1}, {2, 1, 40, -1},	{5, 4, 40, -1},
		{1, 4, 40, -1},	    {0, 4, 40, -1}, {2, 65535, 40, -1}, {4, 4, 40, 40},
		{65535, 4, 40, -1}, {2, 4, 16, -1}, {2, 0, 40, -1},
	};
	struct vmbus_ring w, r;
	struct vmbus_pkt_desc d;
	size_t i;

	make_at(&w, &r, 0);
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		d = (struct vmbus_pkt_desc){
			.type = 6, .offset8 = row[i].offset8, .len8 = row[i].len8};
		memcpy(mem.data, &d, sizeof(d));
		cr_assert_eq(vmbus_ring_peek(&r, row[i].avail, &d), row[i].want, "row %zu", i);
	}
}

Test(vmbus_ring, a_masked_consumer_is_not_signalled)
{
	struct vmbus_ring w, r;

	make_at(&w, &r, 0);
	put(&w, "x", 1, 1);
	cr_assert(vmbus_ring_publish_write(&w));
	vmbus_ring_disarm(&r);
	put(&w, "x", 1, 1);
	cr_assert_not(vmbus_ring_publish_write(&w));
	cr_assert(vmbus_ring_arm(&r), "arming tells of what came before it");
}

Test(vmbus_ring, a_waiting_producer_is_signalled_once_enough_is_free)
{
	struct vmbus_ring w, r;

	make_at(&w, &r, 0);
	while (vmbus_ring_space(&w) >= 32)
		put(&w, "", 1, 0);
	vmbus_ring_publish_write(&w);
	mem.ctrl.pending_send_sz = 64;
	(void)vmbus_ring_avail(&r);
	vmbus_ring_skip(&r, 32);
	cr_assert_not(vmbus_ring_publish_read(&r), "64 free are not more than 64");
	vmbus_ring_skip(&r, 32);
	cr_assert(vmbus_ring_publish_read(&r));
}

/* The consumer sleeps only when arm() saw nothing; then the producer must have seen the mask off.
 * A lost wake-up leaves the consumer waiting, so it is found by the turn count not moving. */
#define RACES 20000u

static struct ring_mem race_mem;
static uint32_t bell; /* atomic */

static void *produce(void *arg)
{
	struct vmbus_ring w;
	uint32_t i;

	(void)arg;
	vmbus_ring_init(&w, &race_mem.ctrl, race_mem.data, SIZE, 0);
	for (i = 0; i < RACES;) {
		if (vmbus_ring_space(&w) < 32) {
			sched_yield();
			continue;
		}
		put(&w, "x", 1, i++);
		if (vmbus_ring_publish_write(&w))
			__atomic_store_n(&bell, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static uint32_t drain(struct vmbus_ring *r, uint32_t want)
{
	struct vmbus_pkt_desc d;
	int32_t avail = vmbus_ring_avail(r), n;

	while (avail > 0) {
		n = vmbus_ring_peek(r, (uint32_t)avail, &d);
		cr_assert_gt(n, 0);
		cr_assert_eq(d.trans_id, want);
		want++;
		vmbus_ring_skip(r, (uint32_t)n);
		avail -= n;
	}
	vmbus_ring_publish_read(r);
	return want;
}

Test(vmbus_ring, no_wake_up_is_lost_between_arming_and_sleeping, .timeout = 60)
{
	struct vmbus_ring r;
	uint32_t seen = 0;
	pthread_t t;

	vmbus_ring_init(&r, &race_mem.ctrl, race_mem.data, SIZE, 0);
	pthread_create(&t, NULL, produce, NULL);
	while (seen < RACES) {
		vmbus_ring_disarm(&r);
		seen = drain(&r, seen);
		if (seen == RACES || vmbus_ring_arm(&r))
			continue;
		while (!__atomic_exchange_n(&bell, 0, __ATOMIC_ACQUIRE))
			sched_yield();
	}
	pthread_join(t, NULL);
	cr_assert_eq(seen, RACES);
}
