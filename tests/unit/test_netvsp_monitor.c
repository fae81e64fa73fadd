/* SPDX-License-Identifier: BSD-3-Clause */
/* What a Linux guest may do with an adapter's channels: signal by its monitor page, and open
 * sub-channels that are not ready to receive yet. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/eal.h"
#include "tests/support/nvspbed.h"
#include "vswitch/vswitch.h"

#define RAM_PAGES 80u
#define NR_FLOWS  16u

static struct bed bed;
static struct vsw_vec vec;
static uint32_t word;

static void setup(void)
{
	static const struct netvsp_nic_cfg cfg = {.mtu = 1500, .max_channels = 4};

	eal_up();
	bed_create(&bed, &cfg, NULL, RAM_PAGES);
}

static void teardown(void)
{
	bed_destroy(&bed);
}

TestSuite(netvsp_monitor, .init = setup, .fini = teardown, .timeout = 60);

static void open_monitored(uint32_t *monitor)
{
	bed.chan[0].vch.info.monitor = monitor;
	bed.chan[0].vch.info.monitor_bit = 1u << 3;
	bed_open(&bed, 0);
}

static void poll_once(void)
{
	vec.n = 0;
	cr_assert_eq(netvsp_rx(bed.nic, 0, &vec), 0);
}

static uint64_t seen(void)
{
	struct netvsp_nic_status st;

	netvsp_nic_status(bed.nic, &st);
	return st.monitored;
}

Test(netvsp_monitor, the_bit_is_taken_at_each_poll)
{
	open_monitored(&word);
	word = 0x80000009;
	poll_once();
	cr_assert_eq(word, 0x80000001, "its own bit only");
	cr_assert_eq(seen(), 1);
	poll_once();
	cr_assert_eq(seen(), 1);
	word |= 8;
	poll_once();
	cr_assert_eq(seen(), 2);
}

Test(netvsp_monitor, only_a_monitored_channel_is_silent)
{
	cr_assert_not(netvsp_is_silent(bed.nic, 0), "not open");
	open_monitored(&word);
	cr_assert(netvsp_is_silent(bed.nic, 0));
	cr_assert_not(netvsp_arm(bed.nic, 0), "its doorbell may still ring");
	cr_assert_eq(bed.nic->chan[0].in.ctrl->interrupt_mask, 0);
	netvsp_disarm(bed.nic, 0);
	bed_close(&bed, 0);
	cr_assert_not(netvsp_is_silent(bed.nic, 0));
	word = 8;
	open_monitored(NULL);
	cr_assert_not(netvsp_is_silent(bed.nic, 0));
	poll_once();
	cr_assert_eq(word, 8);
}

/* ---- Quiet queues -------------------------------------------------------------------------- */

static bool is_quiet(const struct vsw_quiet *qt)
{
	return qt->now && *qt->now == *qt->seen;
}

Test(netvsp_monitor, a_monitored_queue_is_never_quiet)
{
	struct vsw_quiet qt;

	open_monitored(&word);
	qt = netvsp_quiet(bed.nic, 0);
	poll_once();
	poll_once();
	cr_assert_not(is_quiet(&qt));
}

/* ---- Sub-channels ------------------------------------------------------------------------- */

static void flow(struct vsw_slot *s, uint32_t nr)
{
	memset(s, 0, sizeof(*s));
	s->pkt.hdr_off = VSW_SNAP_OFF;
	memcpy(s->snap, "\2\0\0\0\0\1\2\0\0\0\0\2\x08\0\x45", 15);
	s->snap[23] = 6;
	memcpy(s->snap + 30, &nr, 4);
	s->pkt.len = s->pkt.hdr_len = 60;
}

/* A frame of each flow to the guest; how many came on each channel. */
static void spread(uint32_t *packets)
{
	uint8_t buf[512], reason[1];
	uint16_t idx[1] = {0};
	uint32_t i, q;

	for (q = 0; q < 2; q++)
		packets[q] = 0;
	for (i = 0; i < NR_FLOWS; i++) {
		vec.n = 1;
		flow(&vec.slot[0], i);
		reason[0] = 0;
		cr_assert_eq(netvsp_tx(bed.nic, &vec, idx, 1, reason), 1, "%u", reason[0]);
		for (q = 0; q < 2; q++)
			packets[q] += bed_recv(&bed, q, buf, sizeof(buf)) != 0;
	}
}

static void set_rss(uint16_t flags)
{
	struct {
		struct ndis_rss_params p;
		uint32_t table[2];
		uint8_t key[NDIS_RSS_KEY_SIZE];
	} m = {.table = {0, 1}};

	m.p.hdr.type = NDIS_OBJECT_RSS_PARAMS;
	m.p.flags = flags;
	m.p.table_size = sizeof(m.table);
	m.p.table_offset = offsetof(__typeof__(m), table);
	m.p.key_size = sizeof(m.key);
	m.p.key_offset = offsetof(__typeof__(m), key);
	memset(m.key, 0x6d, sizeof(m.key));
	m.key[5] = 0x31;
	cr_assert_eq(netvsp_rss_set(bed.nic, (uint8_t *)&m, sizeof(m)), RNDIS_STATUS_SUCCESS);
}

/* Linux 6.1 enables a sub-channel's NAPI only after its open: what comes before stalls the queue. */
Test(netvsp_monitor, nothing_is_delivered_on_a_sub_channel_before_the_guest_said_how)
{
	struct vmbus_gpadl *recv;
	uint32_t packets[2];

	recv = bed_gpadl(&bed, 0x10, NULL, bed_alloc(&bed, 48), 48);
	bed_open(&bed, 0);
	bed_ready(&bed, recv, NULL);
	bed.nic->st->nr_subs = 1;
	bed_open(&bed, 1);
	spread(packets);
	cr_assert_eq(packets[0], NR_FLOWS);
	cr_assert_eq(packets[1], 0);
	set_rss(NDIS_RSS_DISABLE);
	spread(packets);
	cr_assert_eq(packets[1], 0);
	set_rss(0);
	spread(packets);
	cr_assert_gt(packets[0], 0);
	cr_assert_gt(packets[1], 0);
	cr_assert_eq(packets[0] + packets[1], NR_FLOWS);
}
