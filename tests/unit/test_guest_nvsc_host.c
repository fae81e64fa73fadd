/* SPDX-License-Identifier: BSD-3-Clause */
/* The guest driver against a scripted host: what it does with good answers, and that no wrong one makes
 * it crash, hang, or lose count. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "guest/netvsc/nvsc.h"
#include "tests/support/fakehost.h"

#define TIMEOUT 200u /* steps of the host */

TestSuite(nvsc, .timeout = 100);

static struct nvsc_bus bus;
static struct nvsc_nic nic;

static const struct nvsc_cfg small = {
	.rx_bytes = FAKEHOST_SECTIONS * FAKEHOST_SECTION, .tx_bytes = 64u << 10, .ring_pages = 4};

static int bus_up(struct fakehost *h, uint32_t max_version)
{
	struct nvsc_bus_cfg cfg = {
		.transport = fakehost_transport(h), .max_version = max_version, .timeout = TIMEOUT};

	memset(&bus, 0, sizeof(bus));
	memset(&nic, 0, sizeof(nic));
	return nvsc_bus_connect(&bus, &cfg);
}

static int nic_up_with(struct fakehost *h, uint16_t queues, uint32_t ring_pages)
{
	struct nvsc_cfg cfg = small;
	struct nvsc_chan *ch;
	int rc = bus_up(h, 0);

	if (rc)
		return rc;
	cfg.nr_queues = queues;
	cfg.ring_pages = ring_pages;
	ch = nvsc_bus_nic(&bus, 0);
	rc = ch ? nvsc_open(&nic, &bus, ch, &cfg) : NVSC_E_NODEV;
	if (!rc)
		fakehost_step(h); /* the last receive completion */
	return rc;
}

static int nic_up(struct fakehost *h, uint16_t queues)
{
	return nic_up_with(h, queues, small.ring_pages);
}

static int nic_down(void)
{
	int rc = nvsc_close(&nic), rc2 = nvsc_bus_unload(&bus);

	return rc ? rc : rc2;
}

static struct nvsc_queue *q0(void)
{
	return &nic.queue[0];
}

/* ---- Life ---------------------------------------------------------------------------------- */

Test(nvsc, opens_and_closes_in_the_order_of_the_protocol)
{
	struct fakehost *h = fakehost_new();

	h->grant = 2;
	cr_assert_eq(nic_up(h, 3), 0);
	cr_assert_eq(nic.nr_queues, 3);
	cr_assert_eq(nic.version, NVSP_V6_1);
	cr_assert_eq(bus.version, VMBUS_V5_3);
	cr_assert_eq(h->filter, 0xd);
	cr_assert(nic.is_link_up);
	cr_assert_eq(nic_down(), 0);
	cr_assert_eq(h->filter, 0);
	cr_assert_eq(h->halts, 1);
	cr_assert_eq(h->closes, 3);
	cr_assert_eq(h->teardowns, 5);
	cr_assert_eq(h->released, 2, "sub-channels, rescinded after the primary's close");
	cr_assert_eq(h->unloads, 1);
	cr_assert_eq(bus.bad_messages, 0);
	fakehost_free(h);
}

Test(nvsc, takes_the_highest_versions_that_the_host_knows)
{
	static const uint32_t v[] = {VMBUS_V2_4, VMBUS_V4_1, VMBUS_V5_2};
	static const uint32_t n[] = {NVSP_V1, NVSP_V2, NVSP_V4, NVSP_V5, NVSP_V6};
	struct fakehost *h;
	unsigned int i, k;

	for (i = 0; i < 3; i++) {
		for (k = 0; k < 5; k++) {
			h = fakehost_new();
			h->max_vmbus = v[i];
			h->max_nvsp = n[k];
			cr_assert_eq(nic_up(h, 1), 0);
			cr_assert_eq(bus.version, v[i]);
			cr_assert_eq(nic.version, n[k]);
			cr_assert_eq(nic_down(), 0);
			fakehost_free(h);
		}
	}
}

Test(nvsc, a_host_without_any_common_version_is_an_error)
{
	struct fakehost *h = fakehost_new();

	h->max_vmbus = 1;
	cr_assert_eq(nic_up(h, 1), NVSC_E_IO);
	h->max_vmbus = 0;
	h->max_nvsp = 1;
	cr_assert_eq(nic_up(h, 1), NVSC_E_IO);
	cr_assert_eq(h->closes, 1);
	fakehost_free(h);
}

Test(nvsc, a_host_that_takes_no_message_is_an_error_after_the_time_limit)
{
	struct fakehost *h = fakehost_new();

	h->is_busy = true;
	cr_assert_eq(bus_up(h, 0), NVSC_E_TIMEDOUT);
	fakehost_free(h);
}

Test(nvsc, a_host_that_reads_no_ring_is_an_error_after_the_time_limit)
{
	struct fakehost *h = fakehost_new();

	h->is_deaf = true;
	cr_assert_eq(nic_up(h, 1), NVSC_E_TIMEDOUT);
	fakehost_free(h);
}

Test(nvsc, a_rescinded_adapter_is_closed_and_given_back)
{
	struct vmbus_msg_relid m = {.hdr.msgtype = VMBUS_MSG_RESCIND};
	struct fakehost *h = fakehost_new();

	cr_assert_eq(nic_up(h, 1), 0);
	m.child_relid = nic.ch->relid;
	fakehost_say(h, &m, sizeof(m));
	nvsc_bus_poll(&bus);
	cr_assert(nic.ch->is_rescinded);
	h->is_deaf = true;
	cr_assert_eq(nvsc_close(&nic), NVSC_E_NODEV);
	cr_assert_eq(h->closes, 1);
	cr_assert_eq(h->teardowns, 0, "none after a rescind");
	cr_assert_eq(h->released, 1);
	cr_assert_null(nvsc_bus_nic(&bus, 0));
	fakehost_free(h);
}

/* ---- Wrong answers ------------------------------------------------------------------------- */

struct damage {
	unsigned int nr; /* answer to be damaged */
	uint32_t at;	 /* byte */
	uint32_t xor, set;
	enum fakehost_fate fate;
	uint32_t len; /* of that answer, as seen */
};

static enum fakehost_fate damage_one(struct fakehost *h, unsigned int nr, void *buf, uint32_t len,
				     bool is_ring)
{
	struct damage *d = h->hook_arg;
	uint32_t v;

	if (nr != d->nr)
		return FAKEHOST_KEEP;
	d->len = len;
	if (d->at + 4 <= len) {
		memcpy(&v, (uint8_t *)buf + d->at, 4);
		v = d->set ? d->set - 1 : v ^ d->xor ;
		memcpy((uint8_t *)buf + d->at, &v, 4);
	}
	return d->fate;
}

/* A whole life with one answer damaged. The first failure, or 0. */
static int damaged_life(struct damage *d)
{
	struct fakehost *h = fakehost_new();
	int rc, rc2;

	h->grant = 1;
	h->hook = damage_one;
	h->hook_arg = d;
	rc = nic_up(h, 2);
	rc2 = nic_down();
	fakehost_free(h);
	return rc ? rc : rc2;
}

static unsigned int answers_of_a_life(void)
{
	struct fakehost *h = fakehost_new();
	unsigned int n;

	h->grant = 1;
	cr_assert_eq(nic_up(h, 2), 0);
	cr_assert_eq(nic_down(), 0);
	n = h->nr_answers;
	fakehost_free(h);
	return n;
}

Test(nvsc, any_word_of_any_answer_may_be_wrong)
{
	unsigned int n = answers_of_a_life(), failed = 0, lives = 0;
	struct damage d;
	uint32_t i, k;

	for (i = 0; i < n; i++) {
		d = (struct damage){.nr = i, .len = 4};
		for (d.at = 0; d.at < d.len; d.at += 4) {
			for (k = 0; k < 4; k++) {
				d.set = k == 0 ? 1 : k == 1 ? 0 : 0; /* all zero */
				d.xor = k == 1 ? 0xffffffffu : k == 2 ? 1 : 0x80000000u;
				failed += damaged_life(&d) != 0;
				lives++;
			}
		}
	}
	cr_assert_gt(lives, 2000);
	cr_assert_gt(failed, lives / 10, "%u of %u lives failed", failed, lives);
}

Test(nvsc, any_lost_answer_ends_in_an_error_not_in_a_hang)
{
	unsigned int n = answers_of_a_life(), i, fine = 0;
	struct damage d;

	for (i = 0; i < n; i++) {
		d = (struct damage){.nr = i, .at = 1u << 30, .fate = FAKEHOST_DROP};
		fine += damaged_life(&d) == 0;
	}
	/* Only the rescind of the sub-channel after its close is not waited for. */
	cr_assert_eq(fine, 1);
}

Test(nvsc, any_doubled_answer_does_no_harm)
{
	unsigned int n = answers_of_a_life(), i;
	struct damage d;
	int rc;

	for (i = 0; i < n; i++) {
		d = (struct damage){.nr = i, .at = 1u << 30, .fate = FAKEHOST_DOUBLE};
		rc = damaged_life(&d);
		cr_assert_eq(rc, 0, "answer %u: %d", i, rc);
	}
}

/* ---- Receive ------------------------------------------------------------------------------- */

static unsigned int receive_and_drop(struct fakehost *h)
{
	struct nvsc_frame f[64];
	unsigned int n = nvsc_rx_burst(q0(), f, 64);

	nvsc_rx_drop(q0(), f, n);
	nvsc_flush(q0());
	fakehost_step(h);
	return n;
}

Test(nvsc, frames_of_a_packet_come_in_place_and_are_completed_once)
{
	struct vmbus_xfer_range r[40];
	struct fakehost *h = fakehost_new();
	struct nvsc_frame f[64];
	unsigned int i;

	cr_assert_eq(nic_up(h, 1), 0);
	h->rx_done = 0;
	for (i = 0; i < 40; i++)
		r[i] = (struct vmbus_xfer_range){fakehost_message(h, i * 128, 20 + i), i * 128};
	fakehost_deliver(h, 0, 99, r, 40);
	cr_assert_eq(nvsc_rx_burst(q0(), f, 30), 30);
	for (i = 0; i < 30; i++) {
		cr_assert_eq(f[i].len, 20 + i);
		cr_assert_eq(f[i].data, nic.rx + i * 128 + 44);
	}
	nvsc_rx_drop(q0(), f, 30);
	nvsc_flush(q0());
	fakehost_step(h);
	cr_assert_eq(h->rx_done, 0, "ten frames are not handed out yet");
	cr_assert_eq(nvsc_rx_burst(q0(), f, 30), 10);
	nvsc_rx_drop(q0(), f, 10);
	nvsc_flush(q0());
	fakehost_step(h);
	cr_assert_eq(h->rx_done, 1);
	cr_assert_eq(h->last_rx_id, 99);
	cr_assert_eq(nic_down(), 0);
	fakehost_free(h);
}

/* What the host sent before it knew goes back unread, and before the new buffer is there. */
Test(nvsc, a_buffer_that_was_revoked_under_traffic_is_renewed)
{
	struct vmbus_xfer_range r[2] = {{104, 0}, {104, FAKEHOST_SECTION}};
	struct fakehost *h = fakehost_new();
	struct nvsc_frame f[1];
	uint32_t gpadl;
	int told;

	cr_assert_eq(nic_up(h, 1), 0);
	for (told = 0; told < 2; told++) {
		gpadl = nic.rx_gpadl;
		h->rx_done = 0;
		fakehost_message(h, 0, 60);
		fakehost_message(h, FAKEHOST_SECTION, 60);
		fakehost_deliver(h, 0, 7, r, 2);
		fakehost_deliver(h, 0, 8, r, 2);
		cr_assert_eq(nvsc_rx_burst(q0(), f, 1), 1);
		nvsc_rx_drop(q0(), f, 1);
		cr_assert_eq(nvsc_rx_renew(&nic), NVSC_E_INVAL);
		cr_assert_eq(nvsc_rx_revoke(&nic, told), 0);
		cr_assert_eq(nvsc_rx_revoke(&nic, told), NVSC_E_INVAL);
		memset(nic.rx_mem.ptr, 0xff, FAKEHOST_SECTION);
		cr_assert_eq(nvsc_rx_burst(q0(), f, 1), 0,
			     "nothing is read where the pattern lies");
		cr_assert_eq(nvsc_rx_renew(&nic), 0);
		cr_assert_eq(h->rx_done, 2);
		cr_assert_eq(h->last_rx_id, 8);
		cr_assert_neq(nic.rx_gpadl, gpadl);
		fakehost_message(h, 0, 60);
		fakehost_deliver(h, 0, 9, r, 1);
		cr_assert_eq(receive_and_drop(h), 1);
	}
	cr_assert_eq(q0()->stats.rx_bad, 0);
	cr_assert_eq(nic_down(), 0);
	fakehost_free(h);
}

Test(nvsc, malformed_data_messages_are_dropped_and_completed)
{
	/* offset in the message, value */
	static const uint32_t bad[][2] = {
		{4, 43},	  {4, 105},	    {4, 0xffffffff}, {8, 35},	       {8, 200},
		{8, 0xfffffff8},  {8, 0xffffffff},  {12, 61},	     {12, 13},	       {12, 0},
		{12, 0xffffffff}, {12, 0x80000000}, {32, 1},	     {32, 0xffffffff}, {28, 100},
	};
	struct vmbus_xfer_range r = {.byte_offset = 4096};
	struct fakehost *h = fakehost_new();
	unsigned int i, n = sizeof(bad) / sizeof(bad[0]);

	cr_assert_eq(nic_up(h, 1), 0);
	h->rx_done = 0;
	for (i = 0; i < n; i++) {
		r.byte_count = fakehost_message(h, 4096, 60);
		memcpy(h->rx + 4096 + bad[i][0], &bad[i][1], 4);
		if (bad[i][0] == 28)
			memcpy(h->rx + 4096 + 32, &(uint32_t){16}, 4);
		fakehost_deliver(h, 0, i, &r, 1);
		cr_assert_eq(receive_and_drop(h), 0, "case %u", i);
	}
	cr_assert_eq(q0()->stats.rx_bad, n);
	cr_assert_eq(h->rx_done, n);
	cr_assert_eq(nic_down(), 0);
	fakehost_free(h);
}

Test(nvsc, ranges_outside_of_the_buffer_are_dropped_and_completed)
{
	static const struct vmbus_xfer_range bad[] = {
		{104, FAKEHOST_SECTIONS * FAKEHOST_SECTION},
		{104, FAKEHOST_SECTIONS * FAKEHOST_SECTION - 103},
		{104, 0xffffffff},
		{FAKEHOST_SECTION + 1, 0},
		{0xffffffff, 0},
		{0xffffffff, 1},
		{43, 0},
		{0, 0},
	};
	unsigned int i, n = sizeof(bad) / sizeof(bad[0]);
	struct fakehost *h = fakehost_new();

	cr_assert_eq(nic_up(h, 1), 0);
	h->rx_done = 0;
	fakehost_message(h, 0, 60);
	for (i = 0; i < n; i++) {
		fakehost_deliver(h, 0, i, &bad[i], 1);
		cr_assert_eq(receive_and_drop(h), 0, "case %u", i);
	}
	cr_assert_eq(q0()->stats.rx_bad, n);
	cr_assert_eq(h->rx_done, n);
	fakehost_free(h);
}

/* A message with @ppi_len bytes of per-packet information, copied from @ppi. */
static uint32_t message_with_ppi(struct fakehost *h, uint32_t off, const void *ppi,
				 uint32_t ppi_len)
{
	struct rndis_packet r = {.hdr = {RNDIS_MSG_PACKET, 44 + ppi_len + 60},
				 .data_offset = 36 + ppi_len,
				 .data_len = 60,
				 .ppi_offset = 36,
				 .ppi_len = ppi_len};

	memcpy(h->rx + off, &r, sizeof(r));
	memcpy(h->rx + off + 44, ppi, ppi_len);
	memset(h->rx + off + 44 + ppi_len, 0x77, 60);
	return r.hdr.len;
}

Test(nvsc, the_vlan_of_a_frame_is_read_from_its_ppi)
{
	uint32_t ppi[4] = {16, RNDIS_PPI_VLAN, 12, rndis_vlan_from_tci(0xa123)};
	struct fakehost *h = fakehost_new();
	struct vmbus_xfer_range r = {0};
	struct nvsc_frame f[4];

	cr_assert_eq(nic_up(h, 1), 0);
	r.byte_count = message_with_ppi(h, 0, ppi, sizeof(ppi));
	fakehost_deliver(h, 0, 1, &r, 1);
	cr_assert_eq(nvsc_rx_burst(q0(), f, 4), 1);
	cr_assert_eq(f[0].flags, NVSC_FRAME_VLAN);
	cr_assert_eq(f[0].tci, 0xa123);
	cr_assert_eq(f[0].len, 60);
	cr_assert_eq(f[0].data[0], 0x77);
	fakehost_free(h);
}

Test(nvsc, any_ppi_header_ends_the_walk)
{
	static const uint32_t values[] = {0, 1, 3, 4, 11, 12, 13, 16, 17, 20, 32, 33, 0xffffffff};
	uint32_t ppi[8], i, k, len, came = 0;
	struct fakehost *h = fakehost_new();
	struct vmbus_xfer_range r = {0};

	cr_assert_eq(nic_up(h, 1), 0);
	h->rx_done = 0;
	for (i = 0; i < 13; i++) {
		for (k = 0; k < 13; k++) {
			for (len = 1; len <= 32; len++) {
				memset(ppi, 0, sizeof(ppi));
				ppi[0] = values[i];
				ppi[1] = RNDIS_PPI_VLAN;
				ppi[2] = values[k];
				r.byte_count = message_with_ppi(h, 0, ppi, len);
				fakehost_deliver(h, 0, 1, &r, 1);
				came += receive_and_drop(h);
			}
		}
	}
	cr_assert_eq(h->rx_done, 13 * 13 * 32);
	cr_assert_eq(came, 1 + 3 + 5, "sizes 16, 20, 32 with room for a tag behind the header");
	fakehost_free(h);
}

Test(nvsc, wrong_descriptors_of_ranges_are_counted_and_ignored)
{
	struct {
		struct vmbus_pkt_desc d;
		struct vmbus_pkt_xfer x;
		struct vmbus_xfer_range r;
		struct nvsp_msg m;
	} good = {.d = {VMBUS_PKT_XFER_PAGES, 4, 9, 1, 7},
		  .x = {.set_id = NVSP_RECV_BUF_ID, .range_count = 1},
		  .r = {104, 0},
		  .m = {.type = NVSP_MSG_RNDIS_PKT}},
	  p;
	struct fakehost *h = fakehost_new();
	unsigned int i;

	cr_assert_eq(nic_up(h, 1), 0);
	fakehost_message(h, 0, 60);
	for (i = 0; i < 8; i++) {
		p = good;
		switch (i) {
		case 0: p.x.set_id = 1; break;
		case 1: p.x.range_count = 0; break;
		case 2: p.x.range_count = 2; break;
		case 3: p.x.range_count = 0xffffffff; break;
		case 4: p.m.type = NVSP_MSG_INIT; break;
		case 5: p.d.offset8 = 2; break;
		case 6: p.d.offset8 = 9; break;
		case 7: p.d.type = 3; break;
		}
		fakehost_put(h, 0, &p, sizeof(p));
		cr_assert_eq(receive_and_drop(h), 0, "case %u", i);
		cr_assert_eq(q0()->stats.rx_bad, i + 1, "case %u", i);
	}
	fakehost_put(h, 0, &good, sizeof(good));
	cr_assert_eq(receive_and_drop(h), 1);
	fakehost_free(h);
}

Test(nvsc, a_broken_ring_kills_the_queue_and_nothing_else)
{
	static const uint32_t bad[] = {1, 4, 0xffffffff, 3 * 4096, 0x80000000};
	struct fakehost *h;
	unsigned int i;

	for (i = 0; i < 5; i++) {
		h = fakehost_new();
		cr_assert_eq(nic_up(h, 1), 0);
		h->chan[0].out.ctrl->write_index = bad[i];
		cr_assert_eq(receive_and_drop(h), 0);
		cr_assert_eq(q0()->fault, NVSC_E_PROTO);
		cr_assert_null(nvsc_tx_alloc(q0(), 60, 0, 0));
		cr_assert_neq(nic_down(), 0);
		cr_assert_eq(h->closes, 1);
		cr_assert_eq(h->unloads, 1);
		fakehost_free(h);
	}
}

Test(nvsc, more_receive_packets_than_sections_are_a_fault)
{
	struct fakehost *h = fakehost_new();
	struct vmbus_xfer_range r = {0};
	struct nvsc_frame f[64];
	unsigned int i;

	cr_assert_eq(nic_up(h, 1), 0);
	r.byte_count = fakehost_message(h, 0, 60);
	for (i = 0; i < FAKEHOST_SECTIONS; i++) {
		fakehost_deliver(h, 0, i, &r, 1);
		cr_assert_eq(nvsc_rx_burst(q0(), f, 64), 1, "packet %u", i);
		nvsc_flush(q0());
	}
	fakehost_deliver(h, 0, i, &r, 1);
	cr_assert_eq(nvsc_rx_burst(q0(), f, 64), 0);
	cr_assert_eq(q0()->fault, NVSC_E_PROTO);
	fakehost_free(h);
}

/* ---- Send ---------------------------------------------------------------------------------- */

static void fill(uint32_t n, uint32_t len)
{
	uint8_t *p;

	while (n--) {
		p = nvsc_tx_alloc(q0(), len, 0, 0);
		cr_assert_not_null(p);
		memset(p, 0x42, len);
	}
}

Test(nvsc, small_frames_share_a_section_up_to_the_hosts_limit)
{
	static const struct {
		uint32_t max_pkts, frames, packets;
	} want[] = {{1, 10, 10}, {4, 10, 3}, {32, 32, 1}, {32, 33, 2}, {1000, 64, 2}};
	struct fakehost *h;
	unsigned int i;

	for (i = 0; i < 5; i++) {
		h = fakehost_new();
		h->max_pkts = want[i].max_pkts;
		cr_assert_eq(nic_up(h, 1), 0);
		fill(want[i].frames, 60);
		nvsc_flush(q0());
		fakehost_step(h);
		cr_assert_eq(h->tx_packets, want[i].packets, "case %u", i);
		receive_and_drop(h);
		cr_assert_eq(nvsc_tx_pending(q0()), 0);
		cr_assert_eq(nic_down(), 0);
		fakehost_free(h);
	}
}

Test(nvsc, sections_never_straddle_and_come_back)
{
	struct fakehost *h = fakehost_new();
	unsigned int i, sent = 0;

	cr_assert_eq(nic_up(h, 1), 0);
	for (i = 0; i < 1000; i++) {
		if (nvsc_tx_alloc(q0(), 1500, 0, 0)) {
			sent++;
			continue;
		}
		nvsc_flush(q0());
		fakehost_step(h);
		receive_and_drop(h);
	}
	cr_assert_gt(sent, 900);
	nvsc_flush(q0());
	fakehost_step(h);
	receive_and_drop(h);
	cr_assert_eq(h->tx_packets, (sent + 1) / 2, "two to a section of 4096 bytes");
	cr_assert_eq(q0()->nr_units, nic.nr_tx_sections);
	fakehost_free(h);
}

Test(nvsc, completions_of_nothing_outstanding_free_nothing)
{
	struct {
		struct vmbus_pkt_desc d;
		struct nvsp_msg m;
	} p = {.d = {VMBUS_PKT_COMPLETION, 2, 7, 0, 0},
	       .m = {.type = NVSP_MSG_RNDIS_PKT_COMPLETE, .rndis_pkt_complete.status = 1}};
	static const uint64_t ids[] = {0, 1, 0xffff, 1ull << 20, 1ull << 63, ~0ull, ~0ull >> 1};
	struct fakehost *h = fakehost_new();
	unsigned int i;

	cr_assert_eq(nic_up(h, 1), 0);
	h->is_lazy = true;
	fill(1, 60);
	nvsc_flush(q0());
	fakehost_step(h);
	cr_assert_eq(h->nr_tx_ids, 1);
	for (i = 0; i < 7; i++) {
		p.d.trans_id = ids[i];
		fakehost_put(h, 0, &p, sizeof(p));
	}
	p.d.trans_id = h->tx_id[0] + (1ull << 16); /* a later life of the slot */
	fakehost_put(h, 0, &p, sizeof(p));
	receive_and_drop(h);
	cr_assert_eq(q0()->stats.bad_ids, 8);
	cr_assert_eq(nvsc_tx_pending(q0()), 1);
	p.d.trans_id = h->tx_id[0];
	fakehost_put(h, 0, &p, sizeof(p));
	fakehost_put(h, 0, &p, sizeof(p));
	receive_and_drop(h);
	cr_assert_eq(q0()->stats.bad_ids, 9, "the second of the same is one too many");
	cr_assert_eq(nvsc_tx_pending(q0()), 0);
	cr_assert_eq(q0()->nr_units, nic.nr_tx_sections);
	fakehost_free(h);
}

Test(nvsc, a_forwarded_frame_is_completed_when_its_send_is)
{
	struct fakehost *h = fakehost_new();
	struct vmbus_xfer_range r[3];
	struct nvsc_frame f[8];
	unsigned int i;

	cr_assert_eq(nic_up(h, 1), 0);
	h->is_lazy = true;
	h->rx_done = 0;
	for (i = 0; i < 3; i++)
		r[i] = (struct vmbus_xfer_range){fakehost_message(h, i * 2048, 60), i * 2048};
	fakehost_deliver(h, 0, 5, r, 3);
	cr_assert_eq(nvsc_rx_burst(q0(), f, 8), 3);
	nvsc_tx_forward(q0(), q0(), f, 2);
	nvsc_rx_drop(q0(), f + 2, 1);
	nvsc_flush(q0());
	fakehost_step(h);
	cr_assert_eq(h->tx_packets, 1);
	cr_assert_eq(h->tx_messages, 2);
	cr_assert_eq(h->last_tx_len, 2 * 104);
	cr_assert_eq(memcmp(h->last_tx, nic.rx, 104), 0);
	cr_assert_eq(memcmp(h->last_tx + 104, nic.rx + 2048, 104), 0);
	cr_assert_eq(h->rx_done, 0);
	fakehost_complete(h);
	receive_and_drop(h);
	cr_assert_eq(h->rx_done, 1);
	cr_assert_eq(h->last_rx_id, 5);
	fakehost_free(h);
}

Test(nvsc, receive_offloads_are_stripped_before_a_frame_is_forwarded)
{
	uint32_t ppi[8] = {16, RNDIS_PPI_CSUM, 12, 0x28, 16, RNDIS_PPI_VLAN, 12, 5u << 4};
	struct fakehost *h = fakehost_new();
	struct vmbus_xfer_range r = {0};
	const struct rndis_packet *m = (const void *)h->last_tx;
	struct nvsc_frame f[4];

	cr_assert_eq(nic_up(h, 1), 0);
	r.byte_count = message_with_ppi(h, 0, ppi, sizeof(ppi));
	fakehost_deliver(h, 0, 1, &r, 1);
	cr_assert_eq(nvsc_rx_burst(q0(), f, 4), 1);
	cr_assert(f[0].flags & NVSC_FRAME_DIRTY);
	nvsc_tx_forward(q0(), q0(), f, 1);
	nvsc_flush(q0());
	fakehost_step(h);
	cr_assert_eq(h->last_tx_len, 44 + 32 + 60);
	cr_assert_eq(m->ppi_len, 16);
	cr_assert_eq(m->ppi_offset, 36);
	cr_assert_eq(memcmp(h->last_tx + 44, ppi + 4, 16), 0, "the VLAN stays");
	cr_assert_eq(h->last_tx[8 + m->data_offset], 0x77);
	fakehost_free(h);
}

/* Forwards 60 packets of 32 frames while the host reads nothing. Returns the frames. */
static unsigned int overfill(struct fakehost *h)
{
	struct vmbus_xfer_range r[32];
	struct nvsc_frame f[64];
	unsigned int i, k, n, total = 0;

	h->is_deaf = true;
	h->rx_done = 0;
	for (k = 0; k < 60; k++) {
		for (i = 0; i < 32; i++) {
			r[i].byte_offset = (k * 32 + i) * 128;
			r[i].byte_count = fakehost_message(h, r[i].byte_offset, 60);
		}
		fakehost_deliver(h, 0, k, r, 32);
		while ((n = nvsc_rx_burst(q0(), f, 64))) {
			total += n;
			nvsc_tx_forward(q0(), q0(), f, n);
			nvsc_flush(q0());
		}
	}
	return total;
}

Test(nvsc, frames_for_a_full_ring_wait_in_order_and_none_is_lost)
{
	struct fakehost *h = fakehost_new();
	unsigned int k, total;

	cr_assert_eq(nic_up(h, 1), 0);
	total = overfill(h);
	cr_assert_eq(total, 60 * 32);
	cr_assert_gt(q0()->stats.backlog, 1000);
	h->is_deaf = false;
	for (k = 0; k < 100; k++) {
		fakehost_step(h);
		receive_and_drop(h);
	}
	cr_assert_eq(h->tx_messages, total);
	cr_assert_eq(h->rx_done, 60);
	cr_assert_eq(h->last_rx_id, 59, "in order");
	cr_assert_eq(nvsc_tx_pending(q0()), 0);
	cr_assert_eq(q0()->stats.tx_lost, 0);
	fakehost_free(h);
}

/* ---- Signals ------------------------------------------------------------------------------- */

Test(nvsc, rings_the_doorbell_once_a_burst_and_only_if_wanted)
{
	struct fakehost *h = fakehost_new();
	unsigned int before;

	cr_assert_eq(nic_up(h, 1), 0);
	h->chan[0].in.ctrl->interrupt_mask = 1;
	before = h->signals;
	fill(40, 60);
	nvsc_flush(q0());
	cr_assert_eq(h->signals, before);
	h->chan[0].in.ctrl->interrupt_mask = 0;
	fill(40, 60);
	nvsc_flush(q0());
	cr_assert_eq(h->signals, before + 1);
	nvsc_flush(q0());
	cr_assert_eq(h->signals, before + 1, "nothing new");
	fakehost_free(h);
}

Test(nvsc, does_not_sleep_while_work_waits)
{
	struct fakehost *h = fakehost_new();
	struct vmbus_xfer_range r = {0};

	cr_assert_eq(nic_up(h, 1), 0);
	cr_assert_eq(h->chan[0].out.ctrl->interrupt_mask, 1, "it polls");
	cr_assert_not(nvsc_queue_arm(q0()));
	cr_assert_eq(h->chan[0].out.ctrl->interrupt_mask, 0);
	nvsc_queue_disarm(q0());
	cr_assert_eq(h->chan[0].out.ctrl->interrupt_mask, 1);
	r.byte_count = fakehost_message(h, 0, 60);
	fakehost_deliver(h, 0, 1, &r, 1);
	cr_assert(nvsc_queue_arm(q0()));
	receive_and_drop(h);
	cr_assert_not(nvsc_queue_arm(q0()));
	fakehost_free(h);
}

Test(nvsc, asks_to_be_woken_when_the_ring_has_room_again)
{
	struct fakehost *h = fakehost_new();

	cr_assert_eq(nic_up(h, 1), 0);
	overfill(h);
	cr_assert_not(nvsc_queue_arm(q0()), "nothing to do but wait");
	cr_assert_gt(h->chan[0].in.ctrl->pending_send_sz, 0);
	h->is_lazy = true;
	h->is_deaf = false;
	fakehost_step(h);
	nvsc_flush(q0());
	cr_assert_gt(h->chan[0].in.own, 0);
	while (q0()->backlog_nr || q0()->batch_nr) {
		fakehost_step(h);
		nvsc_flush(q0());
	}
	nvsc_queue_disarm(q0());
	cr_assert_eq(h->chan[0].in.ctrl->pending_send_sz, 0);
	fakehost_free(h);
}

Test(nvsc, the_smallest_ring_wakes_it_when_there_is_room_again)
{
	struct fakehost *h = fakehost_new();

	cr_assert_eq(nic_up_with(h, 1, 2), 0);
	overfill(h);
	cr_assert_not(nvsc_queue_arm(q0()));
	h->is_lazy = true; /* takes all, completes nothing: no other interrupt comes */
	h->is_deaf = false;
	while (vmbus_ring_avail(&h->chan[0].in) > 0)
		fakehost_step(h);
	cr_assert(vmbus_ring_publish_read(&h->chan[0].in), "an empty ring is room");
	fakehost_free(h);
}
