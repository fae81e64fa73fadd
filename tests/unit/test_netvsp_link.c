/* SPDX-License-Identifier: BSD-3-Clause */
/* Link and filter: what they let through, and what the guest hears of the link, and when. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/eal.h"
#include "tests/support/nvspguest.h"

#define UP   0x4001000Bu
#define DOWN 0x4001000Cu

static struct nguest g;
static struct prng rng;
static struct netvsp_nic *nic;

static void setup(void)
{
	const struct netvsp_nic_cfg cfg = {.mtu = 1500, .max_channels = 4};

	eal_up();
	prng_init(&rng);
	nguest_up(&g, &cfg, &rng, false, false);
	nic = g.bed.nic;
}

static void teardown(void)
{
	nguest_down(&g);
}

TestSuite(netvsp_link, .init = setup, .fini = teardown);

static void poll(void)
{
	if (nguest_host_rx(&g))
		nguest_host_done(&g);
}

/* What the guest heard of its link, in order. */
static uint32_t heard[16], nr_heard, nr_frames;

static void hear(void *ctx, const uint8_t *msg, uint32_t len)
{
	struct rndis_indicate m;

	memcpy(&m, msg, sizeof(m.hdr));
	if (m.hdr.type == RNDIS_MSG_PACKET) {
		nr_frames++;
		return;
	}
	cr_assert_eq(len, sizeof(m));
	memcpy(&m, msg, sizeof(m));
	cr_assert_eq(m.hdr.type, RNDIS_MSG_INDICATE);
	cr_assert_eq(m.hdr.len, 20);
	cr_assert_eq(m.status_len, 0);
	cr_assert_eq(m.status_offset, 12);
	heard[nr_heard++ % 16] = m.status;
}

static void guest(void)
{
	poll();
	nguest_receive(&g, hear, NULL);
	poll();
}

static const uint8_t own[6] = {2, 0, 0, 0, 0, 1}, other[6] = {2, 0, 0, 0, 0, 2};

/* The reason why a frame to @dst is not delivered, or 0. */
static uint8_t give(const uint8_t *dst)
{
	static const uint16_t idx[1] = {0};
	uint8_t reason[1] = {0};
	struct vsw_slot *s = &g.vec.slot[0];

	memset(&s->pkt, 0, sizeof(s->pkt));
	memcpy(s->snap, dst, 6);
	s->pkt.hdr_off = VSW_SNAP_OFF;
	s->pkt.len = s->pkt.hdr_len = 60;
	netvsp_tx(nic, &g.vec, idx, 1, reason);
	nguest_receive(&g, hear, NULL);
	poll();
	return reason[0];
}

/* The reason why the guest's frame is not taken, or 0. */
static uint16_t take(void)
{
	uint8_t f[60] = {0};

	nguest_add(&g, f, sizeof(f), NULL, 0);
	nguest_send(&g);
	cr_assert_eq(nguest_host_rx(&g), 1);
	nguest_host_done(&g);
	cr_assert_eq(nguest_receive(&g, hear, NULL), 1, "it is completed");
	return g.vec.slot[0].pkt.drop_reason;
}

/* ---- Link ---------------------------------------------------------------------------------- */

Test(netvsp_link, without_it_nothing_passes_and_with_it_all_does)
{
	cr_assert_eq(give(own), 0);
	cr_assert_eq(take(), 0);
	netvsp_nic_set_link(nic, false);
	guest();
	cr_expect_eq(give(own), VSW_DROP_link_down);
	cr_expect_eq(take(), VSW_DROP_link_down);
	netvsp_nic_set_link(nic, true);
	guest();
	cr_expect_eq(give(own), 0);
	cr_expect_eq(take(), 0);
}

Test(netvsp_link, the_guest_hears_of_it_at_once_and_then_each_five_seconds)
{
	uint64_t t;

	netvsp_nic_set_link(nic, false);
	guest();
	cr_assert_eq(nr_heard, 1);
	cr_assert_eq(heard[0], DOWN);
	t = nic->link_told_ms;
	netvsp_nic_set_link(nic, true);
	guest();
	netvsp_link_check(nic, t + 4999);
	guest();
	cr_assert_eq(nr_heard, 1, "too early");
	netvsp_link_check(nic, t + 5000);
	guest();
	cr_assert_eq(nr_heard, 2);
	cr_assert_eq(heard[1], UP);
	netvsp_link_check(nic, t + 20000);
	guest();
	cr_assert_eq(nr_heard, 2, "it knows");
}

Test(netvsp_link, what_changed_back_is_not_told)
{
	uint64_t t;
	unsigned int i;

	netvsp_nic_set_link(nic, false);
	guest();
	t = nic->link_told_ms;
	for (i = 0; i < 7; i++)
		netvsp_nic_set_link(nic, i & 1);
	guest();
	netvsp_link_check(nic, t + 60000);
	guest();
	cr_assert_eq(nr_heard, 1);
	cr_assert_eq(heard[0], DOWN);
}

Test(netvsp_link, a_guest_that_is_not_open_hears_nothing_until_it_is)
{
	uint32_t filter = 0;

	netvsp_oid_set(nic, OID_GEN_CURRENT_PACKET_FILTER, (uint8_t *)&filter, 4);
	netvsp_nic_set_link(nic, false);
	guest();
	netvsp_link_check(nic, 1000000);
	guest();
	cr_assert_eq(nr_heard, 0);
	filter = 9;
	netvsp_oid_set(nic, OID_GEN_CURRENT_PACKET_FILTER, (uint8_t *)&filter, 4);
	netvsp_link_check(nic, 2000000);
	guest();
	cr_assert_eq(nr_heard, 1);
	cr_assert_eq(heard[0], DOWN);
	cr_assert_eq(atomic_load(&nic->rx_on), 0, "a filter makes no link");
}

Test(netvsp_link, a_guest_that_asked_knows)
{
	uint8_t v[4];

	nic->cfg.link_down = true;
	cr_assert_eq(netvsp_oid_query(nic, OID_GEN_MEDIA_CONNECT_STATUS, NULL, 0, v, 4), 4);
	cr_assert_eq(v[0], 1, "disconnected");
	netvsp_link_check(nic, 1000000);
	guest();
	cr_assert_eq(nr_heard, 0);
	netvsp_nic_set_link(nic, true);
	guest();
	cr_assert_eq(nr_heard, 1);
	cr_assert_eq(heard[0], UP);
}

Test(netvsp_link, a_guest_without_room_hears_of_it_later)
{
	uint16_t all[NETVSP_SECTIONS_MAX];
	uint32_t n = netvsp_pool_take(nic, all, NETVSP_SECTIONS_MAX, 0);

	netvsp_nic_set_link(nic, false);
	guest();
	guest();
	cr_assert_eq(nr_heard, 0);
	netvsp_pool_give(nic, all, n);
	guest();
	cr_assert_eq(nr_heard, 1);
}

Test(netvsp_link, it_is_told_again_after_a_restart_only_if_it_changed)
{
	const struct vmbus_backend_ops *ops = netvsp_backend(g.bed.nv)->ops;

	netvsp_nic_set_link(nic, false);
	guest();
	cr_assert_eq(nr_heard, 1);
	ops->close(&g.bed.chan[0].vch);
	nic->cfg.link_down = true; /* as it is configured */
	cr_assert_eq(ops->open(&g.bed.chan[0].vch, VMBUS_OPEN_RESUME), 0);
	netvsp_link_check(nic, nic->link_told_ms + 60000);
	guest();
	cr_assert_eq(nr_heard, 1);
	cr_expect_eq(give(own), VSW_DROP_link_down);
	nic->cfg.link_down = false; /* and configured anew */
	ops->close(&g.bed.chan[0].vch);
	cr_assert_eq(ops->open(&g.bed.chan[0].vch, VMBUS_OPEN_RESUME), 0);
	netvsp_link_check(nic, nic->link_told_ms + 60000);
	guest();
	cr_assert_eq(nr_heard, 2);
	cr_assert_eq(heard[1], UP);
	cr_expect_eq(give(own), 0);
}

/* ---- Filter -------------------------------------------------------------------------------- */

Test(netvsp_link, each_filter_lets_through_what_it_names)
{
	static const uint8_t to[4][6] = {{2, 0, 0, 0, 0, 1},
					 {2, 0, 0, 0, 0, 2},
					 {1, 0, 0x5e, 0, 0, 1},
					 {255, 255, 255, 255, 255, 255}};
	static const struct {
		uint32_t filter;
		uint8_t passes; /* bit per address */
	} rows[] = {{0x01, 1},	{0x02, 4}, {0x04, 4},  {0x08, 8},  {0x20, 15}, {0x09, 9},
		    {0x0D, 13}, {0x05, 5}, {0x0C, 12}, {0x2F, 15}, {0x40, 0}};
	unsigned int i, k;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(netvsp_oid_set(nic, OID_GEN_CURRENT_PACKET_FILTER,
					    (const uint8_t *)&rows[i].filter, 4),
			     0);
		for (k = 0; k < 4; k++)
			cr_expect_eq(give(to[k]), rows[i].passes >> k & 1 ? 0 : VSW_DROP_rx_filter,
				     "%02x, address %u", rows[i].filter, k);
	}
}

/* `ip link set address`: directed means the address of now, and that which a driver begins with. Linux
 * sets it once, then opens the channel anew as often as it likes. */
Test(netvsp_link, a_new_address_is_directed_too_and_outlasts_the_channel)
{
	static const uint8_t third[6] = {2, 0, 0, 0, 0, 3};
	static const uint8_t name[] = "N\0e\0t\0w\0o\0r\0k\0A\0d\0d\0r\0e\0s\0s",
			     value[] = "0\0002\0000\0000\0000\0000\0000\0000\0000\0000\0000\0002";
	uint32_t filter = 1, c[5] = {20, 28, 2, 48, 24};
	uint8_t buf[72];

	nic->cfg.allow_spoofing = true;
	memcpy(buf, c, 20);
	memcpy(buf + 20, name, 28);
	memcpy(buf + 48, value, 24);
	netvsp_oid_set(nic, OID_GEN_CURRENT_PACKET_FILTER, (uint8_t *)&filter, 4);
	cr_assert_eq(netvsp_oid_set(nic, OID_GEN_RNDIS_CONFIG_PARAMETER, buf, 72), 0);
	cr_assert_eq(netvsp_oid_set(nic, OID_GEN_RNDIS_CONFIG_PARAMETER, buf, 72), 0, "again");
	cr_expect_eq(give(other), 0);
	cr_expect_eq(give(own), 0);
	cr_expect_eq(give(third), VSW_DROP_rx_filter);
	bed_open(&g.bed, 0);
	cr_expect_arr_eq(nic->mac, other, 6);
	cr_expect(nic->st->has_mac);
	cr_expect_arr_eq(nic->st->mac, other, 6, "and a restart of the switch");
}

Test(netvsp_link, a_filter_of_nothing_is_a_port_that_is_down)
{
	uint32_t filter = 0;

	netvsp_oid_set(nic, OID_GEN_CURRENT_PACKET_FILTER, (uint8_t *)&filter, 4);
	cr_expect_eq(give(own), VSW_DROP_port_down);
	cr_expect_eq(take(), 0, "but its frames are taken");
}

static bool has_begun, may_end; /* atomic */

/* Another lcore, in the middle of a packet to the guest. */
static void *writer(void *arg)
{
	struct netvsp_chan *ch = arg;

	rte_spinlock_lock(&ch->lock);
	__atomic_store_n(&has_begun, true, __ATOMIC_RELEASE);
	usleep(50000);
	__atomic_store_n(&may_end, true, __ATOMIC_RELEASE);
	rte_spinlock_unlock(&ch->lock);
	return NULL;
}

/* Linux waits for empty rings then: what comes after the answer is never read. */
Test(netvsp_link, the_filter_is_set_when_no_delivery_is_under_way)
{
	uint32_t filter = 0;
	pthread_t t;

	cr_assert_eq(pthread_create(&t, NULL, writer, &nic->chan[2]), 0);
	while (!__atomic_load_n(&has_begun, __ATOMIC_ACQUIRE))
		;
	netvsp_oid_set(nic, OID_GEN_CURRENT_PACKET_FILTER, (uint8_t *)&filter, 4);
	cr_assert(__atomic_load_n(&may_end, __ATOMIC_ACQUIRE));
	pthread_join(t, NULL);
}
