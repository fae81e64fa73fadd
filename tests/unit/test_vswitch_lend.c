/* SPDX-License-Identifier: BSD-3-Clause */
/* Sending from the source's memory, over a ring whose other end is the test: what is lent and what is copied,
 * which bytes leave, and when they are back. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "vswitch/priv.h"
#include "vswitch/uplink_priv.h"

#define MEM_SIZE (64u * 4096u)
#define HEAD	 VSW_SNAP_SIZE

static struct vsw *sw;
static struct vsw_uplink *up;
static uint8_t *mem;
static struct vsw_lend lend;
static struct vsw_vec vec;
static uint8_t reason[VSW_VEC_SIZE];
static uint8_t got[VSW_FRAME_MAX];
static struct rte_mbuf *held; /* received and not given back */

static void setup(void)
{
	struct vsw_cfg cfg = {.nr_lcores = 1, .lcore_id = {1}};
	struct vsw_uplink_cfg c = {.name = "up", .devargs = "net_ring0", .zero_copy = true};

	eal_up();
	cr_assert_eq(vsw_create(&sw, &cfg), 0, "%s", err_text());
	cr_assert_eq(vsw_uplink_create(&up, sw, &c), 0, "%s", err_text());
	mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(mem, MAP_FAILED);
	for (uint32_t i = 0; i < MEM_SIZE; i++)
		mem[i] = (uint8_t)(i * 7 + (i >> 8));
	vsw_memory_add(sw, mem, MEM_SIZE);
	vec.lend = &lend;
}

static void teardown(void)
{
	rte_pktmbuf_free(held);
	if (up) {
		uplink_reclaim(up, 0);
		cr_expect_eq(lend.out, 0);
		cr_expect_eq(rte_mempool_in_use_count(up->pool), 0, "buffers are lost");
	}
	vsw_uplink_destroy(up);
	vsw_memory_remove(sw, mem);
	vsw_destroy(sw);
	munmap(mem, MEM_SIZE);
}

TestSuite(vsw_lend, .init = setup, .fini = teardown, .timeout = 60);

/* The next frame of the vector: @len bytes from @at, in @nr_pieces (0: in a row). */
static struct vsw_slot *frame(const uint8_t *at, uint32_t len, uint32_t nr_pieces)
{
	uint32_t off, part, size = nr_pieces ? (len + nr_pieces - 1) / nr_pieces : len;
	struct vsw_slot *s = &vec.slot[vec.n++];

	memset(s, 0, sizeof(*s));
	s->pkt.hdr_off = VSW_SNAP_OFF;
	s->pkt.len = len;
	s->pkt.hdr_len = (uint16_t)(len < HEAD ? len : HEAD);
	memcpy(s->snap, at, s->pkt.hdr_len);
	s->data = nr_pieces ? NULL : at;
	s->sg_first = (uint16_t)vec.nr_sg;
	s->sg_count = (uint16_t)nr_pieces;
	for (off = 0; off < len && nr_pieces; off += part) {
		part = size < len - off ? size : len - off;
		vec.sg[vec.nr_sg++] = (struct vsw_sg){at + off, part};
	}
	return s;
}

/* The vector's frames go; returns how many the device took. */
static uint16_t send_all(void)
{
	uint16_t idx[VSW_VEC_SIZE], n;

	for (uint16_t i = 0; i < vec.n; i++)
		idx[i] = i;
	memset(reason, 0, sizeof(reason));
	n = uplink_tx(up, &vec, idx, vec.n, reason);
	vec.n = 0;
	vec.nr_sg = 0;
	return n;
}

/* The next frame that left, into got[]; it stays in the device's hands until give_back(). 0: none left. */
static uint32_t receive(void)
{
	struct rte_mbuf *m;
	uint32_t len = 0;

	rte_pktmbuf_free(held);
	held = NULL;
	if (rte_eth_rx_burst(up->port_id, 0, &held, 1) != 1)
		return 0;
	for (m = held; m; m = m->next) {
		memcpy(got + len, rte_pktmbuf_mtod(m, void *), m->data_len);
		len += m->data_len;
	}
	cr_assert_eq(len, held->pkt_len);
	return len;
}

/* The device is done with it, and the lcore sees that. */
static void give_back(void)
{
	rte_pktmbuf_free(held);
	held = NULL;
	uplink_reclaim(up, 0);
}

static void expect_counts(uint64_t lent, uint64_t copied)
{
	struct vsw_uplink_status st;

	vsw_uplink_status(up, &st);
	cr_expect_eq(st.tx_lent, lent, "%llu lent", (unsigned long long)st.tx_lent);
	cr_expect_eq(st.tx_copied, copied, "%llu copied", (unsigned long long)st.tx_copied);
}

/* It leaves as it is, and nothing of it is lent. */
static void expect_copied(uint32_t len)
{
	cr_expect_eq(send_all(), 1);
	cr_expect_eq(lend.out, 0);
	cr_expect_eq(receive(), len);
	expect_counts(0, 1);
}

Test(vsw_lend, the_head_is_private_and_the_rest_is_read_where_it_lies)
{
	frame(mem, 1000, 0);
	cr_assert_eq(send_all(), 1);
	cr_expect_eq(lend.out, 1);
	expect_counts(1, 0);
	mem[20] ^= 0xff;
	mem[900] ^= 0xff;
	cr_assert_eq(receive(), 1000);
	cr_expect_eq(got[20], mem[20] ^ 0xff, "the head was not private");
	cr_expect_arr_eq(got + HEAD, mem + HEAD, 1000 - HEAD);
	cr_expect_eq(lend.out, 1);
	cr_expect(uplink_reclaim(up, 0), "nobody sleeps while it is out");
	rte_pktmbuf_free(held);
	held = NULL;
	cr_expect_eq(lend.out, 1, "nobody has looked yet");
	cr_expect_not(uplink_reclaim(up, 0));
	cr_expect_eq(lend.out, 0);
}

Test(vsw_lend, scattered_frames_and_several_at_once)
{
	frame(mem + 4096, 1400, 5);
	frame(mem, 100, 0);
	frame(mem + 9000, 1514, 2);
	cr_assert_eq(send_all(), 3);
	expect_counts(2, 1);
	cr_assert_eq(receive(), 1400);
	cr_expect_arr_eq(got, mem + 4096, 1400);
	cr_assert_eq(receive(), 100);
	cr_expect_arr_eq(got, mem, 100);
	cr_expect_gt(lend.out, 0);
	cr_assert_eq(receive(), 1514);
	cr_expect_arr_eq(got, mem + 9000, 1514);
	give_back();
	cr_expect_eq(lend.out, 0);
}

Test(vsw_lend, the_tag_stands_in_the_private_piece)
{
	struct vsw_slot *s = frame(mem, 1000, 0);

	s->pkt.flags = NETHV_PKT_VLAN;
	s->pkt.vlan_tci = 0x2007;
	cr_assert_eq(send_all(), 1);
	expect_counts(1, 0);
	cr_assert_eq(receive(), 1004);
	cr_expect_arr_eq(got, mem, 12);
	cr_expect_arr_eq(got + 12, ((uint8_t[]){0x81, 0, 0x20, 7}), 4);
	cr_expect_arr_eq(got + 16, mem + 12, 988);
}

Test(vsw_lend, short_frames_are_copied)
{
	frame(mem, HEAD + UPLINK_LEND_MIN - 1, 0);
	expect_copied(HEAD + UPLINK_LEND_MIN - 1);
}

Test(vsw_lend, whoever_lends_nothing_is_copied)
{
	vec.lend = NULL;
	frame(mem, 1000, 0);
	expect_copied(1000);
}

Test(vsw_lend, bytes_of_the_switch_itself_are_copied)
{
	static uint8_t own[1000];

	frame(own, sizeof(own), 0);
	expect_copied(sizeof(own));
}

Test(vsw_lend, a_piece_that_ends_outside_of_the_memory_is_copied_with_all_the_others)
{
	static uint8_t own[500];

	frame(mem, 1000, 2);
	vec.sg[1].ptr = own;
	expect_copied(1000);
	cr_expect_arr_eq(got + 500, own, 500);
}

Test(vsw_lend, what_is_scattered_widely_is_copied)
{
	frame(mem, 1000, 100);
	expect_copied(1000);
	cr_expect_arr_eq(got, mem, 1000);
}

Test(vsw_lend, a_sum_that_the_device_does_not_make_is_made_on_a_copy)
{
	struct vsw_slot *s = frame(mem, 1000, 0);

	s->pkt.flags = NETHV_PKT_CSUM;
	s->pkt.csum = NETHV_CSUM_IP4 | NETHV_CSUM_UDP;
	s->pkt.l3_off = 14;
	s->pkt.l4_off = 34;
	expect_copied(1000);
}

Test(vsw_lend, memory_that_was_removed_is_lent_no_more)
{
	vsw_memory_remove(sw, mem);
	frame(mem, 1000, 0);
	expect_copied(1000);
	vsw_memory_add(sw, mem, MEM_SIZE);
	frame(mem, 1000, 0);
	cr_expect_eq(send_all(), 1);
	cr_expect_eq(lend.out, 1);
	cr_expect_eq(receive(), 1000);
}

Test(vsw_lend, what_the_device_does_not_take_is_not_out)
{
	uint32_t taken = 0, n, i;

	do {
		for (i = 0; i < 32; i++)
			frame(mem + i * 2000, 1000, 0);
		n = send_all();
		taken += n;
	} while (n == 32 && taken < 100000);
	cr_assert_lt(n, 32, "the ring is never full");
	cr_expect(reason[31] == VSW_DROP_uplink_full || reason[31] == VSW_DROP_no_mbuf);
	cr_expect(lend.out && lend.out <= taken, "%u of %u", lend.out, taken);
	while (receive())
		;
	give_back();
	cr_expect_eq(lend.out, 0);
	vsw_lend_settle(sw, &lend);
}

Test(vsw_lend, a_device_that_sends_nothing_for_seconds_is_started_anew_and_copies)
{
	struct vsw_uplink_status st;

	frame(mem, 1000, 0);
	cr_assert_eq(send_all(), 1);
	uplink_lend_tick(up);
	cr_expect_eq(lend.out, 1, "not yet");
	uplink_lend_tick(up);
	cr_expect_eq(lend.out, 0);
	vsw_uplink_status(up, &st);
	cr_expect_not(st.has_zero_copy);
	while (receive())
		;
	frame(mem, 1000, 0);
	cr_assert_eq(send_all(), 1);
	cr_expect_eq(lend.out, 0);
	cr_expect_eq(receive(), 1000);
	expect_counts(1, 1);
}

Test(vsw_lend, an_uplink_that_goes_gives_everything_back)
{
	frame(mem, 1000, 0);
	cr_assert_eq(send_all(), 1);
	cr_assert_eq(lend.out, 1);
	vsw_uplink_destroy(up);
	up = NULL;
	cr_expect_eq(lend.out, 0);
}

Test(vsw_lend, devices_that_cannot_tell_what_they_have_sent_are_refused)
{
	struct vsw_uplink_cfg c = {.name = "null", .devargs = "net_null0", .zero_copy = true};
	struct vsw_uplink *u = NULL;

	cr_expect_eq(vsw_uplink_create(&u, sw, &c), -ENOTSUP);
	cr_expect(strstr(err_text(), "net_null cannot say which frames it has sent"), "%s",
		  err_text());
}
