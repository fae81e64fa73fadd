/* SPDX-License-Identifier: BSD-3-Clause */
/* The stages over a vector, one lcore on the test's thread. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/fakeport.h"
#include "vswitch/priv.h"

TestSuite(vsw_pipeline, .init = eal_up);

#define MAC_A 0x0a0000000002ull
#define MAC_B 0x0b0000000002ull
#define MAC_X 0x770000000002ull
#define BCAST 0xFFFFFFFFFFFFull

static struct vsw *sw;

static struct fake_port *port_of(struct vsw_port_cfg cfg)
{
	struct fake_port *f;

	if (!sw) {
		struct vsw_cfg sc = {.nr_lcores = 1, .lcore_id = {1}};

		cr_assert_eq(vsw_create(&sw, &sc), 0, "%s", err_text());
	}
	f = fake_port_new(sw, &cfg);
	cr_assert_not_null(f, "%s", err_text());
	return f;
}

static struct vsw_port_cfg nic(const char *name, uint64_t mac, uint16_t pvid)
{
	struct vsw_port_cfg c = {.pvid = pvid};

	strcpy(c.name, name);
	memcpy(c.mac, &mac, 6);
	return c;
}

static struct vsw_port_cfg trunk(const char *name, uint16_t native, uint16_t allowed)
{
	struct vsw_port_cfg c = {.pvid = native, .vlan_mode = VSW_VLAN_TRUNK};

	strcpy(c.name, name);
	c.allowed[allowed >> 6] |= 1ull << (allowed & 63);
	return c;
}

static uint64_t drops(const struct fake_port *f, enum vsw_drop reason)
{
	struct vsw_port_stats st;

	vsw_port_stats_get(sw, vsw_port_id(f->port), &st);
	return st.drops[reason];
}

/* Every test's last word. */
static void finish(void)
{
	cr_assert(fake_is_balanced(sw));
}

static void put_tag(struct fake_frame *fr, uint16_t tci)
{
	memmove(fr->bytes + 16, fr->bytes + 12, fr->len - 12);
	fr->bytes[12] = 0x81;
	fr->bytes[13] = 0x00;
	fr->bytes[14] = (uint8_t)(tci >> 8);
	fr->bytes[15] = (uint8_t)tci;
	fr->len += 4;
}

Test(vsw_pipeline, delivers_between_two_adapters_in_one_burst_and_in_order)
{
	struct fake_port *a = port_of(nic("a", MAC_A, 0)), *b = port_of(nic("b", MAC_B, 0));
	struct vsw_port_stats st;
	unsigned int i;

	for (i = 0; i < 64; i++)
		fake_send(a, MAC_B, MAC_A);
	cr_assert_eq(fake_switch_poll(sw), 64);
	cr_assert_eq(b->nr_out, 64);
	cr_assert_eq(b->nr_tx_bursts, 1);
	cr_assert_eq(a->nr_rx_done, 64);
	for (i = 0; i < 64; i++) {
		cr_assert_eq(b->out[i].len, 200);
		cr_assert_eq(memcmp(b->out[i].bytes, a->in[i].bytes, 200), 0);
	}
	vsw_port_stats_get(sw, vsw_port_id(b->port), &st);
	cr_assert_eq(st.out_packets, 64);
	cr_assert_eq(st.out_bytes, 64 * 200);
	cr_assert_eq(st.tx_bursts, 1);
	vsw_port_stats_get(sw, vsw_port_id(a->port), &st);
	cr_assert_eq(st.in_bytes, 64 * 200);
	cr_assert_eq(st.delivered, 64);
	finish();
}

Test(vsw_pipeline, floods_the_unknown_learns_its_source_and_then_knows)
{
	struct fake_port *a = port_of(nic("a", 0, 0)), *b = port_of(nic("b", 0, 0)),
			 *c = port_of(nic("c", 0, 0));

	fake_send(a, MAC_B, MAC_A);
	fake_switch_poll(sw);
	cr_assert_eq(a->nr_out + b->nr_out * 10 + c->nr_out * 100, 110);
	fake_send(b, MAC_A, MAC_B);
	fake_switch_poll(sw);
	cr_assert_eq(a->nr_out, 1);
	cr_assert_eq(c->nr_out, 1, "known by now");
	fake_send(c, MAC_X, MAC_B); /* moves */
	fake_switch_poll(sw);
	fake_clear(b);
	fake_clear(c);
	fake_send(a, MAC_B, MAC_A);
	fake_switch_poll(sw);
	cr_assert_eq(b->nr_out, 0);
	cr_assert_eq(c->nr_out, 1);
	finish();
}

Test(vsw_pipeline, gives_each_lost_packet_its_reason)
{
	struct vsw_port_cfg ca = nic("a", MAC_A, 0);
	struct fake_port *a, *b;

	ca.is_spoof_guarded = true;
	a = port_of(ca);
	fake_send(a, BCAST, MAC_A); /* nobody else there */
	fake_switch_poll(sw);
	cr_assert_eq(drops(a, VSW_DROP_no_destination), 1);
	b = port_of(nic("b", MAC_B, 0));
	fake_send(a, MAC_B, MAC_X);
	fake_send(a, MAC_B, MAC_A)->len = 13;
	fake_send(a, MAC_A, MAC_A);
	fake_send(a, MAC_B, MAC_A)->drop_reason = VSW_DROP_bad_offload;
	fake_send(a, MAC_B, MAC_A)->drop_reason = 999;
	put_tag(fake_send(a, MAC_B, MAC_A), 7);
	fake_send(a, MAC_B, MAC_A);
	fake_switch_poll(sw);
	cr_assert_eq(drops(a, VSW_DROP_spoofed_mac), 1);
	cr_assert_eq(drops(a, VSW_DROP_runt), 1);
	cr_assert_eq(drops(a, VSW_DROP_same_port), 1);
	cr_assert_eq(drops(a, VSW_DROP_bad_offload), 1);
	cr_assert_eq(drops(a, VSW_DROP_bad_rndis), 1);
	cr_assert_eq(drops(a, VSW_DROP_vlan_denied), 1);
	cr_assert_eq(b->nr_out, 1, "and the good one arrives");
	finish();
}

Test(vsw_pipeline, counts_what_a_receiver_refuses_at_the_sender)
{
	struct fake_port *a = port_of(nic("a", MAC_A, 0)), *b = port_of(nic("b", MAC_B, 0)),
			 *c = port_of(nic("c", MAC_X, 0));
	unsigned int i;

	b->room = 3;
	c->refuse = VSW_DROP_rx_filter;
	for (i = 0; i < 10; i++)
		fake_send(a, MAC_B, MAC_A);
	fake_switch_poll(sw);
	cr_assert_eq(b->nr_out, 3);
	cr_assert_eq(drops(a, VSW_DROP_rx_no_buffer), 7);
	fake_send(a, BCAST, MAC_A);
	fake_switch_poll(sw);
	cr_assert_eq(drops(a, VSW_DROP_rx_filter), 1);
	cr_assert_eq(b->nr_out, 4);
	c->refuse = 250; /* a reason that does not exist */
	fake_send(a, MAC_X, MAC_A);
	fake_switch_poll(sw);
	cr_assert_eq(drops(a, VSW_DROP_port_down), 1);
	finish();
}

Test(vsw_pipeline, keeps_order_for_each_destination_of_a_mixed_vector)
{
	struct fake_port *a = port_of(nic("a", MAC_A, 0)), *b = port_of(nic("b", MAC_B, 0)),
			 *c = port_of(nic("c", MAC_X, 0));
	unsigned int i, nb = 0, nc = 0;

	for (i = 0; i < 60; i++)
		fake_send(a, i % 7 == 0 ? BCAST : i % 3 ? MAC_B : MAC_X, MAC_A)->bytes[14] = i;
	fake_switch_poll(sw);
	for (i = 0; i < 60; i++) {
		bool is_flood = i % 7 == 0;

		if (is_flood || i % 3)
			cr_assert_eq(b->out[nb++].bytes[14], i);
		if (is_flood || i % 3 == 0)
			cr_assert_eq(c->out[nc++].bytes[14], i);
	}
	cr_assert_eq(b->nr_out, nb);
	cr_assert_eq(c->nr_out, nc);
	cr_assert_eq(b->nr_tx_bursts, 1);
	finish();
}

Test(vsw_pipeline, tags_for_trunks_and_untags_for_access_ports)
{
	struct fake_port *a = port_of(nic("a", MAC_A, 7)), *t = port_of(trunk("t", 9, 7)),
			 *n = port_of(nic("n", MAC_B, 9)), *o = port_of(nic("o", MAC_X, 5));

	fake_send(a, BCAST, MAC_A);
	fake_switch_poll(sw);
	cr_assert_eq(t->nr_out, 1);
	cr_assert_eq(t->out[0].flags, NETHV_PKT_VLAN);
	cr_assert_eq(t->out[0].tci, 7);
	cr_assert_eq(n->nr_out + o->nr_out, 0, "other VLANs");
	fake_clear(t);
	fake_send(n, BCAST, MAC_B); /* native */
	put_tag(fake_send(t, MAC_A, 0x12), 0xE007);
	fake_switch_poll(sw);
	cr_assert_eq(t->nr_out, 1);
	cr_assert_eq(t->out[0].flags, 0);
	cr_assert_eq(a->nr_out, 1);
	cr_assert_eq(a->out[0].flags, 0);
	cr_assert_eq(a->out[0].len, 200, "the tag is gone");
	cr_assert_eq(a->out[0].bytes[12] << 8 | a->out[0].bytes[13], 0x88B5);
	finish();
}

Test(vsw_pipeline, keeps_the_priority_bits_between_trunks)
{
	struct fake_port *s = port_of(trunk("s", 0, 7)), *t = port_of(trunk("t", 9, 7));
	struct fake_frame *fr = fake_send(s, BCAST, 0x12);

	fr->flags = NETHV_PKT_VLAN;
	fr->tci = 0xA007;
	put_tag(fake_send(s, BCAST, 0x12), 0x6007);
	fake_switch_poll(sw);
	cr_assert_eq(t->nr_out, 2);
	cr_assert_eq(t->out[0].tci, 0xA007);
	cr_assert_eq(t->out[1].tci, 0x6007);
	finish();
}

/* Rows: mode of the source, tag out of band or in band, does it enter, and in which VLAN. */
Test(vsw_pipeline, lets_in_only_the_vlans_of_the_port)
{
	static const struct {
		bool is_trunk;
		int tag; /* -1: none */
		int vid; /* -1: denied */
	} rows[] = {
		{false, -1, 7}, {false, 0, 7},	   {false, 0x2000, 7}, {false, 7, 7},
		{false, 8, -1}, {false, 4095, -1}, {true, -1, 9},      {true, 0, 9},
		{true, 9, 9},	{true, 7, 7},	   {true, 8, -1},      {true, 4095, -1},
	};
	struct fake_port *a = port_of(nic("a", 0, 7)), *t = port_of(trunk("t", 9, 7)),
			 *all = port_of(trunk("all", 4000, 7));
	unsigned int i;

	for (i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		bool in_band = i & 1;
		struct fake_port *from = rows[i / 2].is_trunk ? t : a;
		struct fake_frame *fr = fake_send(from, BCAST, 0x12);
		int tag = rows[i / 2].tag, vid = rows[i / 2].vid;

		if (tag >= 0 && in_band) {
			put_tag(fr, (uint16_t)tag);
		} else if (tag >= 0) {
			fr->flags = NETHV_PKT_VLAN;
			fr->tci = (uint16_t)tag;
		}
		fake_clear(a), fake_clear(t), fake_clear(all);
		fake_switch_poll(sw);
		cr_assert_eq(all->nr_out, vid == 7, "row %u", i / 2);
		cr_assert_eq(a->nr_out + t->nr_out, vid == 7, "row %u", i / 2);
	}
	cr_assert_eq(drops(a, VSW_DROP_vlan_denied), 4);
	cr_assert_eq(drops(t, VSW_DROP_vlan_denied), 4);
	cr_assert_eq(drops(t, VSW_DROP_no_destination), 6, "native: entered, nobody else there");
	finish();
}

Test(vsw_pipeline, drops_stacked_tags_that_would_hop_into_another_vlan)
{
	struct fake_port *a = port_of(nic("a", 0, 7)), *t = port_of(trunk("t", 7, 8));
	struct fake_frame *fr = fake_send(a, BCAST, 0x12);

	put_tag(fr, 8);
	put_tag(fr, 7);
	fr = fake_send(a, BCAST, 0x12);
	put_tag(fr, 8);
	fr->flags = NETHV_PKT_VLAN; /* priority tag out of band, another in band */
	fr = fake_send(a, BCAST, 0x12);
	put_tag(fr, 7);
	fr->len = 17;
	fake_switch_poll(sw);
	cr_assert_eq(t->nr_out, 0);
	cr_assert_eq(drops(a, VSW_DROP_vlan_denied), 2);
	cr_assert_eq(drops(a, VSW_DROP_runt), 1);
	finish();
}

/* A source with few private bytes, at the end of snap, and scattered backing. */
Test(vsw_pipeline, stripping_a_tag_keeps_every_byte_in_place)
{
	struct fake_port *t = port_of(trunk("t", 0, 7)), *a = port_of(nic("a", MAC_A, 7));
	struct fake_frame want;
	uint32_t len, scattered;

	for (scattered = 0; scattered < 2; scattered++) {
		for (len = 14; len < 300; len++) {
			t->is_scattered = scattered;
			t->hdr_len = 64;
			t->hdr_off = 64;
			fake_build(fake_send(t, MAC_A, 0x12), MAC_A, 0x12, len, 3);
			fake_build(&want, MAC_A, 0x12, len, 3);
			put_tag(&t->in[0], 7);
			fake_clear(a);
			fake_switch_poll(sw);
			cr_assert_eq(a->nr_out, 1, "%u", len);
			cr_assert_eq(a->out[0].len, len);
			cr_assert_eq(memcmp(a->out[0].bytes, want.bytes, len), 0, "len %u", len);
			cr_assert_geq(sw->lcore[0]->vec.slot[0].pkt.hdr_len, len < 64 ? len : 64);
		}
	}
	finish();
}

Test(vsw_pipeline, does_not_learn_group_addresses_or_another_adapters_own)
{
	struct fake_port *a = port_of(nic("a", MAC_A, 0)), *b = port_of(nic("b", 0, 0));
	struct vsw_fdb_stats st;

	fake_send(b, BCAST, 0x010000000001);
	fake_send(b, BCAST, 0);
	fake_send(b, BCAST, MAC_A);
	fake_switch_poll(sw);
	vsw_fdb_stats_get(sw, &st);
	cr_assert_eq(st.entries, 1);
	cr_assert_eq(st.refused, 1);
	fake_clear(a);
	fake_send(b, MAC_A, MAC_X);
	fake_switch_poll(sw);
	cr_assert_eq(a->nr_out, 1);
	finish();
}

/* A guest that bridges two VLANs carries an adapter's address into the other one. */
Test(vsw_pipeline, learns_an_adapters_address_in_vlans_that_it_is_not_in)
{
	struct fake_port *a = port_of(nic("a", MAC_A, 1)), *bridge = port_of(nic("br", MAC_B, 2)),
			 *c = port_of(nic("c", MAC_X, 2)), *d = port_of(nic("d", 0, 2));

	fake_send(bridge, BCAST, MAC_A);
	fake_switch_poll(sw);
	fake_clear(bridge), fake_clear(d);
	fake_send(c, MAC_A, MAC_X);
	fake_switch_poll(sw);
	cr_assert_eq(bridge->nr_out, 1);
	cr_assert_eq(d->nr_out, 0);
	cr_assert_eq(a->nr_out, 0);
	finish();
}

Test(vsw_pipeline, an_adapter_that_arrives_takes_its_address_back)
{
	struct fake_port *b = port_of(nic("b", 0, 0)), *c = port_of(nic("c", 0, 0)), *a;

	fake_send(b, BCAST, MAC_A);
	fake_switch_poll(sw);
	a = port_of(nic("a", MAC_A, 0));
	fake_clear(b);
	fake_send(c, MAC_A, MAC_X);
	fake_switch_poll(sw);
	cr_assert_eq(a->nr_out, 1);
	cr_assert_eq(b->nr_out, 0);
	finish();
}

Test(vsw_pipeline, limits_reports_of_invented_addresses)
{
	struct fake_port *a = port_of(nic("a", 0, 0)), *b = port_of(nic("b", 0, 0));
	struct vsw_fdb_stats st;
	uint64_t i, now = 1;

	for (i = 0; i < 2048; i++) {
		fake_send(a, MAC_B, (i + 1) << 8);
		vsw_lcore_poll(sw->lcore[0], sw->snap, now); /* time stands still */
	}
	vsw_event_process(sw);
	vsw_fdb_stats_get(sw, &st);
	cr_assert_lt(st.learned, 2048);
	cr_assert_gt(st.learned, 100);
	cr_assert_eq(st.learned + st.limited, 2048);
	cr_assert_eq(b->nr_out, 2048, "traffic goes on");
	finish();
}

/* More addresses than the cache holds, and none of them in it: each frame goes where its own address is. */
Test(vsw_pipeline, finds_the_way_of_many_addresses_at_once)
{
	struct fake_port *a = port_of(nic("a", MAC_A, 0)), *b = port_of(nic("b", MAC_B, 0)),
			 *c = port_of(nic("c", 0, 0));
	uint64_t i, k, to_b = 0;

	for (i = 0; i < 4096; i++)
		vsw_fdb_learn(sw->fdb, vsw_fdb_key((i + 1) << 8, 0),
			      vsw_port_id(i % 3 ? b->port : c->port), 1);
	for (i = 0; i < 4096; i += 64) {
		fake_clear(b);
		fake_clear(c);
		for (k = i, to_b = 0; k < i + 64; k++) {
			fake_send(a, k % 50 == 7 ? MAC_B : (k + 1) << 8, MAC_A);
			to_b += k % 3 != 0 || k % 50 == 7;
		}
		cr_assert_eq(fake_switch_poll(sw), 64);
		cr_assert_eq(b->nr_out, to_b);
		cr_assert_eq(c->nr_out, 64 - to_b);
		for (k = 0; k < c->nr_out; k++)
			cr_assert_eq((vsw_mac_num(c->out[k].bytes) >> 8) % 3, 1);
	}
	finish();
}

Test(vsw_pipeline, cold_addresses_do_not_hide_lost_and_unknown_ones)
{
	struct fake_port *a = port_of(nic("a", MAC_A, 0)), *b = port_of(nic("b", MAC_B, 0)),
			 *c = port_of(nic("c", 0, 0));
	uint64_t i;

	for (i = 0; i < 60; i += 2)
		vsw_fdb_learn(sw->fdb, vsw_fdb_key((i + 1) << 8, 0), vsw_port_id(c->port), 1);
	for (i = 0; i < 60; i++) {
		struct fake_frame *f = fake_send(a, (i + 1) << 8, MAC_A);

		if (i % 10 == 4)
			f->drop_reason = VSW_DROP_bad_offload;
		if (i % 10 == 6)
			f->len = 13;
	}
	cr_assert_eq(fake_switch_poll(sw), 60);
	cr_assert_eq(drops(a, VSW_DROP_bad_offload), 6);
	cr_assert_eq(drops(a, VSW_DROP_runt), 6);
	cr_assert_eq(b->nr_out, 30, "unknown ones are flooded");
	cr_assert_eq(c->nr_out, 30 + 30 - 12);
	finish();
}

/* ---- Quiet queues -------------------------------------------------------------------------- */

static struct {
	uint32_t now, seen;
	unsigned int asked;
} words;

static uint16_t counting_rx(void *be, uint16_t q, struct vsw_vec *v)
{
	words.asked++;
	return fake_port_ops.rx(be, q, v);
}

static struct vsw_quiet quiet_words(void *be, uint16_t q)
{
	return (struct vsw_quiet){&words.now, &words.seen};
}

Test(vsw_pipeline, leaves_a_quiet_queue_alone_but_not_for_ever)
{
	static struct vsw_port_ops ops;
	static struct fake_port f;
	struct fake_port *a = port_of(nic("a", MAC_A, 0));
	struct vsw_port_cfg cfg = nic("q", MAC_B, 0);
	struct vsw_port *p;
	unsigned int i, before;

	ops = fake_port_ops;
	ops.rx = counting_rx;
	ops.quiet = quiet_words;
	cfg.nr_queues = 1;
	cr_assert_eq(vsw_port_create(&p, sw, &cfg, &ops, &f), 0, "%s", err_text());
	cr_assert_eq(vsw_port_attach(p), 0, "%s", err_text());
	for (i = 0; i < 640; i++)
		fake_switch_poll(sw);
	cr_assert(words.asked >= 9 && words.asked <= 11, "asked %u times in 640 loops",
		  words.asked);
	words.now++;
	before = words.asked;
	fake_send(&f, MAC_A, MAC_B);
	cr_assert_eq(fake_switch_poll(sw), 1);
	cr_assert_eq(a->nr_out, 1);
	for (i = 0; i < 100; i++)
		fake_switch_poll(sw);
	cr_assert_eq(words.asked - before, 101, "as long as the words differ");
	words.seen = words.now;
	sw->lcore[0]->has_slept = true;
	before = words.asked;
	fake_switch_poll(sw);
	cr_assert_eq(words.asked - before, 1, "after a sleep");
	vsw_port_detach(p);
	vsw_port_destroy(p);
}
