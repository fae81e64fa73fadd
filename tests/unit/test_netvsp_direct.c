/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames that a device writes into the guest's receive buffer: handed out as they are, once, and to this guest
 * alone; and none is written there any more when the guest has its memory back. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/directbed.h"
#include "tests/support/eal.h"
#include "vswitch/mirror.h"
#include "vswitch/policy/config.h"
#include "vswitch/priv.h"

#define PATTERN 0x5A
#define BURST	24u /* with those under descriptors less than half of all sections */

static struct dbed b;
static struct prng rng;
static struct netvsp_nic *nic;

static void up(uint16_t mtu)
{
	dbed_up(&b, NULL, mtu, &rng);
	nic = b.g.bed.nic;
}

static void setup(void)
{
	eal_up();
	prng_init(&rng);
	up(1500);
}

static void teardown(void)
{
	dbed_down(&b);
}

TestSuite(netvsp_direct, .init = setup, .fini = teardown, .timeout = 100);

/* What was posted before the buffer was offered is used up. */
static void flush_ring(void)
{
	uint32_t i;

	for (i = 0; i < 3 * BURST; i++) {
		cr_assert(dbed_dma(&b, 60, i));
		if (i % BURST < BURST - 1)
			continue;
		cr_assert_eq(dbed_pass(&b), BURST);
		dbed_hold(&b);
		dbed_release(&b, UINT32_MAX);
	}
}

/* Each section is free, the device's, or the guest's (@nr_held). */
static void check_sections(uint32_t nr_held)
{
	cr_expect_eq(nic->pool.nr + dbed_stats(&b).lent + nr_held, nic->st->nr_sections,
		     "%u free, %u lent, %u held", nic->pool.nr, dbed_stats(&b).lent, nr_held);
}

/* ---- What the guest sees --------------------------------------------------------------------- */

static uint32_t expect_seed, expect_len[VSW_VEC_SIZE], nr_seen;

static const uint8_t *frame_of(const uint8_t *msg, uint32_t len, uint32_t *frame_len)
{
	struct rndis_frame f;

	cr_assert_eq(rndis_parse_packet(msg, len, len, &f), 0);
	cr_assert_eq(f.msg_len, len);
	cr_assert_eq(len % 8, 0);
	*frame_len = f.data_len;
	return msg + f.data_off;
}

static void see(void *ctx, const uint8_t *msg, uint32_t len)
{
	uint32_t n;
	const uint8_t *f = frame_of(msg, len, &n);

	cr_assert_eq(n, expect_len[nr_seen]);
	cr_assert(dbed_is(f, n, expect_seed + nr_seen), "frame %u", nr_seen);
	nr_seen++;
}

/* @n frames of any length up to @max: all arrive, in order and as they were. */
static void exchange(uint32_t n, uint32_t max)
{
	uint32_t i;

	nr_seen = 0;
	expect_seed += 1000;
	for (i = 0; i < n; i++) {
		expect_len[i] = 60 + prng_below(&rng, max - 59);
		cr_assert(dbed_dma(&b, expect_len[i], expect_seed + i));
	}
	cr_assert_eq(dbed_pass(&b), n);
	nguest_receive(&b.g, see, NULL);
	cr_assert_eq(nr_seen, n);
	nguest_host_rx(&b.g);
}

Test(netvsp_direct, frames_reach_the_guest_without_a_copy)
{
	uint64_t before;
	uint32_t i;

	flush_ring();
	before = dbed_direct(&b);
	for (i = 0; i < 300; i++)
		exchange(1 + prng_below(&rng, BURST), 1514);
	cr_expect_eq(dbed_copies(&b), 0);
	cr_expect_gt(dbed_direct(&b), before + 300);
	cr_expect_eq(b.io.faults, 0);
	check_sections(0);
}

Test(netvsp_direct, long_frames_lie_over_scattered_pages)
{
	uint32_t i;

	dbed_down(&b);
	up(9000);
	cr_assert_eq(nic->st->section_size, NETVSP_DIRECT_JUMBO);
	for (i = 0; i < 10; i++)
		exchange(DBED_RING / 4, 9014);
	cr_expect_gt(dbed_direct(&b), 0);
	cr_expect_eq(dbed_direct(&b) + dbed_copies(&b), 10 * DBED_RING / 4);
	cr_expect_eq(b.io.faults, 0);
}

Test(netvsp_direct, a_buffer_of_sections_for_long_frames_is_big_enough_for_them)
{
	cr_expect_eq(netvsp_direct_section_size(1500), 4096);
	cr_expect_eq(netvsp_direct_section_size(4096 - 128 - 26), 4096);
	cr_expect_eq(netvsp_direct_section_size(4096 - 128 - 25), 12288);
	cr_expect_eq(netvsp_direct_section_size(9000), 12288);
}

static uint32_t ppi_vlan, ppi_csum;

static void see_csum(void *ctx, const uint8_t *msg, uint32_t len)
{
	struct rndis_packet h;

	memcpy(&h, msg, sizeof(h));
	cr_expect_eq(h.ppi_len, 2 * NETVSP_PPI_SIZE);
	memcpy(&ppi_vlan, msg + sizeof(h) + 12, 4);
	memcpy(&ppi_csum, msg + sizeof(h) + NETVSP_PPI_SIZE + 12, 4);
	see(ctx, msg, len);
}

Test(netvsp_direct, what_the_device_says_of_a_frame_is_told_in_front_of_it)
{
	struct nethv_pkt *p = &b.vec.slot[0].pkt;

	flush_ring();
	nic->st->offload = NETVSP_OFFLOAD_ALL;
	expect_len[0] = 777;
	cr_assert(dbed_dma(&b, 777, expect_seed));
	cr_assert_eq(dbed_rx(&b), 1);
	p->flags = NETHV_PKT_VLAN | NETHV_PKT_CSUM_OK;
	p->vlan_tci = 0x6005;
	p->csum = NETHV_CSUM_TCP | NETHV_CSUM_IP4;
	cr_assert_eq(dbed_tx(&b), 1);
	dbed_done(&b);
	nr_seen = 0;
	nguest_receive(&b.g, see_csum, NULL);
	cr_expect_eq(rndis_vlan_to_tci(ppi_vlan), 0x6005);
	cr_expect_eq(ppi_csum, RNDIS_CSUM_TCP_OK);
	cr_expect_eq(dbed_copies(&b), 0);
}

/* The device left the tag in the frame: the switch takes it out, and the frame begins four bytes later. */
Test(netvsp_direct, a_frame_whose_tag_was_taken_out_leaves_as_it_was_judged)
{
	uint8_t plain[400], f[404];

	flush_ring();
	memset(plain, 0x42, sizeof(plain));
	memcpy(plain, (uint8_t[14]){2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x88, 0xB5}, 14);
	memcpy(f, plain, 12);
	memcpy(f + 12, (uint8_t[4]){0x81, 0, 0x20, 0x07}, 4);
	memcpy(f + 16, plain + 12, sizeof(plain) - 12);
	cr_assert(fakenic_dma(&b.nic, f, sizeof(f)));
	cr_assert_eq(dbed_rx(&b), 1);
	cr_assert_eq(vsw_admit(&b.vec, &b.vec.slot[0]), 0);
	cr_assert_eq(dbed_tx(&b), 1);
	{
		const struct vsw_direct *d = vsw_direct_of(b.vec.slot[0].mbuf);
		const uint8_t *at = nic->direct.buf.page[d->sec] + VSW_DIRECT_HEAD + 4;

		cr_expect_eq(memcmp(at, plain, sizeof(plain)), 0);
	}
	cr_expect_eq(dbed_copies(&b), 0);
	dbed_done(&b);
	dbed_hold(&b);
	dbed_release(&b, UINT32_MAX);
}

/* ---- What is copied -------------------------------------------------------------------------- */

Test(netvsp_direct, frames_that_are_for_others_too_are_copied)
{
	uint64_t before;
	uint32_t sec;

	flush_ring();
	before = dbed_direct(&b);
	cr_assert(dbed_dma(&b, 100, 1));
	cr_assert_eq(dbed_rx(&b), 1);
	sec = vsw_direct_of(b.vec.slot[0].mbuf)->sec;
	b.vec.to = VSW_PORT_NONE;
	cr_assert_eq(dbed_tx(&b), 1);
	cr_expect_eq(dbed_direct(&b), before);
	cr_expect_eq(dbed_copies(&b), 1);
	cr_expect_eq(vsw_direct_of(b.vec.slot[0].mbuf)->buf, &nic->direct.buf,
		     "it keeps the section");
	cr_expect_eq(vsw_direct_of(b.vec.slot[0].mbuf)->sec, sec);
	dbed_done(&b);
	check_sections(1);
}

Test(netvsp_direct, a_frame_that_needs_work_is_copied)
{
	uint8_t f[100] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0, 0x45, 0, 0, 86};

	f[23] = 17; /* UDP */
	f[39] = 66;
	flush_ring();
	cr_assert(fakenic_dma(&b.nic, f, sizeof(f)));
	cr_assert_eq(dbed_rx(&b), 1);
	b.vec.slot[0].pkt.flags = NETHV_PKT_CSUM;
	b.vec.slot[0].pkt.csum = NETHV_CSUM_UDP | NETHV_CSUM_IP4;
	b.vec.slot[0].pkt.l3_off = 14;
	b.vec.slot[0].pkt.l4_off = 34;
	cr_assert_eq(dbed_tx(&b), 1);
	cr_expect_eq(dbed_copies(&b), 1);
	dbed_done(&b);
}

Test(netvsp_direct, a_section_is_handed_out_once)
{
	struct vmbus_xfer_range r[2];
	uint8_t pkt[512];
	int i;

	flush_ring();
	cr_assert(dbed_dma(&b, 100, 1));
	cr_assert_eq(dbed_rx(&b), 1);
	for (i = 0; i < 2; i++) {
		cr_assert_eq(dbed_tx(&b), 1);
		cr_assert_gt(bed_recv(&b.g.bed, 0, pkt, sizeof(pkt)), 0);
		memcpy(&r[i], pkt + sizeof(struct vmbus_pkt_desc) + sizeof(struct vmbus_pkt_xfer),
		       sizeof(r[i]));
	}
	dbed_done(&b);
	cr_expect_neq(r[0].byte_offset / 4096, r[1].byte_offset / 4096);
}

Test(netvsp_direct, a_frame_beyond_the_mtu_is_dropped_and_its_section_kept)
{
	flush_ring();
	cr_assert(dbed_dma(&b, 1519, 1));
	cr_expect_eq(dbed_pass(&b), 0);
	cr_expect_eq(b.reason[0], VSW_DROP_too_big);
	check_sections(0);
}

Test(netvsp_direct, a_full_ring_drops_and_loses_no_section)
{
	uint32_t i, n = 0;

	flush_ring();
	for (i = 0; i < 400; i++) {
		cr_assert(dbed_dma(&b, 60, i));
		n += dbed_pass(&b);
	}
	cr_expect_lt(n, 400);
	dbed_hold(&b);
	dbed_release(&b, UINT32_MAX);
	check_sections(0);
	exchange(BURST, 1514);
}

Test(netvsp_direct, a_guest_that_holds_its_buffer_gets_copies_and_then_none_again)
{
	uint32_t i, held;
	uint64_t before;

	flush_ring();
	for (i = 0; i < 4 * DBED_RING && b.nr_held < 250; i++) {
		cr_assert(dbed_dma(&b, 60, i));
		dbed_pass(&b);
		dbed_hold(&b);
	}
	held = b.nr_held;
	cr_expect_gt(dbed_copies(&b), 0, "what is left is for copies");
	cr_expect_gt(dbed_stats(&b).own, 0);
	cr_expect_geq(held, nic->st->nr_sections / 2);
	dbed_release(&b, UINT32_MAX);
	for (i = 0; i < 3; i++)
		exchange(BURST, 1514);
	before = dbed_copies(&b);
	exchange(BURST, 1514);
	cr_expect_eq(dbed_copies(&b), before);
}

Test(netvsp_direct, a_guessed_completion_of_a_section_that_the_device_has_closes_the_channel)
{
	flush_ring();
	b.held[b.nr_held++] = vsw_direct_of(b.nic.d[0].m)->sec;
	dbed_release(&b, 1);
	cr_expect(nic->chan[0].is_faulted);
}

/* ---- Offers and withdrawals ------------------------------------------------------------------ */

static void send_nvsp(uint32_t type)
{
	struct nvsp_msg m = {.type = type};

	if (type == NVSP_MSG_RECV_BUF) {
		m.buf.gpadl = b.g.recv->handle;
		m.buf.id = NVSP_RECV_BUF_ID;
	}
	cr_assert(bed_send_nvsp(&b.g.bed, &m, type));
	nguest_host_rx(&b.g);
}

static uint64_t old_addr[DBED_RING];

/* Frames lie written, not received; others are on their way in the vector. */
static void in_full_swing(void)
{
	uint32_t i;

	for (i = prng_below(&rng, DBED_RING + 1); i > 0; i--)
		dbed_dma(&b, 60 + prng_below(&rng, 1400), i);
	dbed_pass(&b);
	dbed_hold(&b);
	for (i = prng_below(&rng, DBED_RING + 1); i > 0; i--)
		dbed_dma(&b, 60 + prng_below(&rng, 1400), i);
	for (i = 0; i < DBED_RING; i++)
		old_addr[i] = b.nic.d[i].addr;
}

/* The guest's memory is another's now: the device goes on, by all addresses that it ever had. */
static void check_untouched(void)
{
	static const uint8_t junk[3000] = {7, 7, 7};
	uint32_t i, k;

	for (i = 0; i < NGUEST_RECV_PAGES; i++)
		memset(b.g.recv->page[i], PATTERN, VMBUS_PAGE_SIZE);
	for (i = 0; i < DBED_RING; i++)
		dma_write(&b.io, old_addr[i], junk, sizeof(junk));
	for (k = 0; k < 3; k++) {
		dbed_pass(&b);
		while (dbed_dma(&b, 1400, k))
			;
	}
	dbed_pass(&b);
	for (i = 0; i < NGUEST_RECV_PAGES; i++) {
		const uint8_t *at = b.g.recv->page[i];

		cr_assert(at[0] == PATTERN && !memcmp(at, at + 1, VMBUS_PAGE_SIZE - 1), "page %u",
			  i);
	}
}

static void gpadl_gone(void)
{
	netvsp_backend(b.g.bed.nv)->ops->gpadl_gone(&b.g.bed.chan[0].vch, b.g.recv);
}

Test(netvsp_direct, pages_torn_down_under_traffic_are_not_written_to_a_thousand_times)
{
	uint32_t round;

	for (round = 0; round < 1000; round++) {
		in_full_swing();
		if (prng_below(&rng, 2))
			send_nvsp(NVSP_MSG_REVOKE_RECV_BUF);
		gpadl_gone();
		cr_assert_eq(b.nr_withdrawn, round + 1);
		cr_assert_eq(dbed_stats(&b).lent, 0);
		check_untouched();
		dbed_release(&b, UINT32_MAX);
		dbed_buffer(&b);
		cr_assert(vmq_direct_is_on(b.vd));
		flush_ring();
	}
	cr_expect_eq(b.io.faults, 0, "each descriptor leads to the pool's own bytes");
}

Test(netvsp_direct, nothing_is_lent_or_handed_out_after_a_revoke)
{
	uint16_t sec[4];

	flush_ring();
	cr_assert(dbed_dma(&b, 100, 1));
	send_nvsp(NVSP_MSG_REVOKE_RECV_BUF);
	cr_expect_eq(nic->direct.buf.take(nic, sec, 4), 0);
	cr_expect_eq(dbed_pass(&b), 0);
	cr_expect_eq(b.reason[0], VSW_DROP_port_down);
	vsw_event_process(b.g.bed.sw);
	cr_expect_eq(b.nr_withdrawn, 1);
	cr_expect_eq(nic->pool.nr, nic->st->nr_sections);
}

Test(netvsp_direct, a_new_buffer_waits_until_the_device_has_let_go_of_the_old_one)
{
	uint8_t pkt[512];

	flush_ring();
	while (bed_recv(&b.g.bed, 0, pkt, sizeof(pkt)))
		;
	send_nvsp(NVSP_MSG_REVOKE_RECV_BUF);
	while (bed_recv(&b.g.bed, 0, pkt, sizeof(pkt)))
		;
	send_nvsp(NVSP_MSG_RECV_BUF);
	nguest_host_rx(&b.g);
	cr_expect_eq(bed_recv(&b.g.bed, 0, pkt, sizeof(pkt)), 0, "not answered yet");
	vsw_event_process(b.g.bed.sw);
	nguest_host_rx(&b.g);
	cr_expect_gt(bed_recv(&b.g.bed, 0, pkt, sizeof(pkt)), 0);
	cr_expect_eq(b.nr_withdrawn, 1);
	cr_expect_eq(b.nr_offered, 1);
	vsw_event_process(b.g.bed.sw);
	cr_expect_eq(b.nr_offered, 2);
	cr_expect(vmq_direct_is_on(b.vd));
	cr_expect_eq(nic->pool.nr, nic->st->nr_sections);
	exchange(DBED_RING, 1514);
}

Test(netvsp_direct, a_closed_channel_has_its_buffer_back)
{
	in_full_swing();
	bed_close(&b.g.bed, 0);
	cr_expect_eq(b.nr_withdrawn, 1);
	check_untouched();
}

Test(netvsp_direct, a_partition_that_was_killed_is_not_written_to)
{
	const struct vmbus_backend_ops *ops = netvsp_backend(b.g.bed.nv)->ops;
	uint32_t i;

	in_full_swing();
	ops->close(&b.g.bed.chan[0].vch);
	b.g.bed.chan[0].vch.is_open = false;
	ops->peer_down(b.g.bed.nv, &b.g.bed.peer->pub);
	cr_expect_eq(b.nr_withdrawn, 1);
	check_untouched();
	for (i = 0; i < b.io.nr; i++)
		cr_assert(b.io.map[i].at < b.g.bed.ram ||
			  b.io.map[i].at >= b.g.bed.ram + 256 * VMBUS_PAGE_SIZE);
}

/* Taken by the device: free in the state, so the next switch finds them free. */
Test(netvsp_direct, a_restarted_switch_lends_the_buffer_anew)
{
	const struct vmbus_backend_ops *ops = netvsp_backend(b.g.bed.nv)->ops;
	uint32_t held;

	in_full_swing();
	held = nic->st->nr_sections - nic->pool.nr - dbed_stats(&b).lent;
	ops->close(&b.g.bed.chan[0].vch);
	check_untouched();
	cr_assert_eq(ops->open(&b.g.bed.chan[0].vch, VMBUS_OPEN_RESUME), 0);
	cr_expect_eq(b.nr_offered, 2);
	cr_expect_eq(nic->pool.nr, nic->st->nr_sections - held, "the guest keeps what it has");
	dbed_release(&b, UINT32_MAX);
	exchange(DBED_RING, 1514);
}

Test(netvsp_direct, an_adapter_that_is_taken_away_withdraws)
{
	in_full_swing();
	nic->chan[0].vch = NULL; /* the bed's channel is not the backend's to free */
	netvsp_backend(b.g.bed.nv)->ops->close(&b.g.bed.chan[0].vch);
	netvsp_nic_destroy(nic);
	b.g.bed.nic = NULL;
	cr_expect_eq(b.nr_withdrawn, 1);
}

/* ---- Judged frames --------------------------------------------------------------------------- */

Test(netvsp_direct, a_port_with_a_policy_gets_copies_until_it_has_none)
{
	const struct vsw_policy_cfg cfg = {.dhcp_guard = true};
	uint64_t before;

	flush_ring();
	cr_assert_eq(vsw_port_set_policy(nic->port, &cfg), 0, "%s", err_text());
	cr_expect_str_eq(vsw_direct_obstacle(nic->port), "policy");
	cr_expect_eq(b.nr_judged, 1);
	cr_expect_not(vmq_direct_is_on(b.vd));
	before = dbed_direct(&b);
	exchange(DBED_RING, 1514);
	cr_expect_eq(dbed_direct(&b), before);
	cr_assert_eq(vsw_port_set_policy(nic->port, NULL), 0);
	cr_expect_null(vsw_direct_obstacle(nic->port));
	cr_expect(vmq_direct_is_on(b.vd));
	exchange(DBED_RING, 1514);
	exchange(DBED_RING, 1514);
	cr_expect_gt(dbed_direct(&b), before);
}

Test(netvsp_direct, a_mirror_keeps_frames_from_the_buffer_and_so_does_one_that_was_there)
{
	const struct vsw_mirror_cfg m = {
		.sources = {2}, .way = VSW_MIRROR_BOTH, .what = VSW_MIRROR_ALL, .to = 2};

	cr_assert_eq(vsw_set_mirrors(b.g.bed.sw, &m, 1), 0, "%s", err_text());
	cr_expect_eq(b.nr_judged, 1);
	bed_open(&b.g.bed, 0);
	dbed_buffer(&b);
	cr_expect_eq(b.nr_offered, 2);
	cr_expect_not(vmq_direct_is_on(b.vd));
	cr_assert_eq(vsw_set_mirrors(b.g.bed.sw, NULL, 0), 0);
	cr_expect_eq(b.nr_judged, 2);
	cr_expect(vmq_direct_is_on(b.vd));
}
