/* SPDX-License-Identifier: BSD-3-Clause */
/* The overlay on a packet's long way: subnets, tunnels and VLANs side by side in a switch, with and without
 * extensions. Outer frames are taken apart by tests/support/naive_tunnel.c. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/naive.h"
#include "tests/support/ovsw.h"
#include "vswitch/priv.h"

static struct extbed other;
static struct ovsw net, net2;

static void ports_up(struct extbed *b, unsigned int n)
{
	struct vsw_port_cfg up = {.name = "up", .kind = VSW_PORT_UPLINK};
	unsigned int i;

	bed_up(b, 1, 4);
	bed_port(b, OVSW_UPLINK, up);
	for (i = 5; i < n; i++) {
		struct vsw_port_cfg pc = {0};
		uint64_t mac = BED_MAC(i);

		snprintf(pc.name, sizeof(pc.name), "p%u", i);
		memcpy(pc.mac, &mac, 6);
		bed_port(b, i, pc);
	}
}

static void clear(struct extbed *b)
{
	unsigned int i;

	for (i = 0; i < BED_PORTS; i++)
		if (b->p[i])
			fake_clear(b->p[i]);
}

/* The announcement is behind us, and the next ticks have nothing to say. */
static void overlay_on(struct extbed *b, struct ovsw *o)
{
	cr_assert_eq(vsw_set_overlay(b->sw, &o->cfg), 0, "%s", err_text());
	b->sw->lcore[0]->overlay_s = UINT32_MAX;
	bed_poll(b);
	clear(b);
}

static void up(void)
{
	eal_up();
	ports_up(&bed, 6);
	ovsw_init(&net, &bed, 1, 2);
}

static void down(void)
{
	cr_expect(fake_is_balanced(bed.sw));
	bed_suite_down();
	if (!other.sw)
		return;
	cr_expect(fake_is_balanced(other.sw));
	bed_down(&other);
}

TestSuite(vsw_stages, .init = up, .fini = down);

/* Outer frame @k that left by the uplink, opened. */
static struct naive_tunnel opened(const struct extbed *b, unsigned int k)
{
	const struct fake_frame *fr = &b->p[OVSW_UPLINK]->out[k];
	struct naive_tunnel t;
	const char *wrong;

	cr_assert_lt(k, b->p[OVSW_UPLINK]->nr_out);
	wrong = naive_tunnel_open(fr->bytes, fr->len, &t);
	cr_assert_null(wrong, "%s", wrong);
	cr_assert_eq(fr->flags, 0);
	return t;
}

static void expect_inner(const struct naive_tunnel *t, const uint8_t *bytes, uint32_t len)
{
	cr_assert_eq(t->inner_len, len, "%u instead of %u", t->inner_len, len);
	cr_assert_eq(memcmp(t->inner, bytes, len), 0);
}

static void expect_nr_out(unsigned int p0, unsigned int p1, unsigned int p2, unsigned int p3,
			  unsigned int up)
{
	cr_expect_eq(bed.p[0]->nr_out, p0, "p0: %u", bed.p[0]->nr_out);
	cr_expect_eq(bed.p[1]->nr_out, p1, "p1: %u", bed.p[1]->nr_out);
	cr_expect_eq(bed.p[2]->nr_out, p2, "p2: %u", bed.p[2]->nr_out);
	cr_expect_eq(bed.p[3]->nr_out, p3, "p3: %u", bed.p[3]->nr_out);
	cr_expect_eq(bed.p[4]->nr_out, up, "uplink: %u", bed.p[4]->nr_out);
}

/* ---- Subnets ------------------------------------------------------------------------------- */

Test(vsw_stages, ext_9_a_broadcast_reaches_the_subnet_here_and_there_and_no_vlan)
{
	struct fake_frame *fr;
	struct naive_tunnel t;
	uint8_t k;

	overlay_on(&bed, &net);
	fr = bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	expect_nr_out(0, 1, 0, 0, 2);
	cr_assert_eq(memcmp(bed.p[1]->out[0].bytes, fr->bytes, 200), 0);
	for (k = 0; k < 2; k++) {
		t = opened(&bed, k);
		cr_assert_eq(t.vni, 5000);
		cr_assert_eq(t.dst[3], k + 2);
		cr_assert_eq(t.src[3], 1);
		cr_assert_eq(t.eth_dst[5], k + 2);
		cr_assert(t.has_df);
		expect_inner(&t, fr->bytes, 200);
	}
}

Test(vsw_stages, ext_9_a_vlan_floods_past_native_ports)
{
	overlay_on(&bed, &net);
	bed_send(&bed, 3, UINT32_MAX);
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 0, 1);
	cr_assert_eq(bed.p[5]->nr_out, 1); /* an external subnet's port is in the VLAN */
}

/* A subnet's address means nothing in a VLAN, where another host may have it. */
Test(vsw_stages, ext_9_no_look_up_leads_into_a_subnet_or_out_of_it)
{
	overlay_on(&bed, &net);
	bed_send(&bed, 3, 0);
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 0, 1);
	cr_assert_eq(memcmp(bed.p[4]->out[0].bytes, bed.p[3]->in[0].bytes, 200), 0);
	clear(&bed);
	bed_send(&bed, 0, 3); /* unknown in the subnet */
	bed_poll(&bed);
	expect_nr_out(0, 1, 0, 0, 2);
}

Test(vsw_stages, ext_9_an_address_learned_before_its_port_became_native_is_forgotten)
{
	fake_send(bed.p[0], BED_MAC(3), 0x0202020202a2ull);
	bed_poll(&bed);
	clear(&bed);
	fake_send(bed.p[3], 0x0202020202a2ull, BED_MAC(3));
	bed_poll(&bed);
	expect_nr_out(1, 0, 0, 0, 0);
	clear(&bed);
	overlay_on(&bed, &net);
	fake_send(bed.p[3], 0x0202020202a2ull, BED_MAC(3));
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 0, 1);
}

Test(vsw_stages, ext_9_subnets_are_apart_though_addresses_are_the_same)
{
	static const uint8_t inner[60] = {2, 0, 0, 0, 0, 0x0B, 2, 0, 0, 0, 0, 0x77, 0x88, 0xB5};

	overlay_on(&bed, &net);
	bed_send(&bed, 1, UINT32_MAX); /* p1's address is learned in 5000 */
	bed_poll(&bed);
	clear(&bed);
	ovsw_tunnel(&bed, &net, 2, 5000, inner, 60);
	ovsw_tunnel(&bed, &net, 2, 6000, inner, 60);
	bed_poll(&bed);
	expect_nr_out(0, 1, 1, 0, 0);
	cr_assert_eq(bed.p[1]->out[0].len, 60);
	cr_assert_eq(memcmp(bed.p[1]->out[0].bytes, inner, 60), 0);
	cr_assert_eq(memcmp(bed.p[2]->out[0].bytes, inner, 60), 0);
}

Test(vsw_stages, ext_9_what_came_from_a_remote_is_answered_to_it_alone)
{
	static const uint8_t inner[64] = {2, 0, 0, 0, 0, 0x0A, 2, 0, 0, 0, 0, 0x77, 0x88, 0xB5};
	struct naive_tunnel t;

	overlay_on(&bed, &net);
	ovsw_tunnel(&bed, &net, 3, 5000, inner, 64);
	bed_poll(&bed);
	expect_nr_out(1, 1, 0, 0, 0); /* p0's address is not known yet; none goes back */
	clear(&bed);
	fake_send(bed.p[0], 0x770000000002ull, BED_MAC(0));
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 0, 1);
	t = opened(&bed, 0);
	cr_assert_eq(t.dst[3], 3);
	expect_inner(&t, bed.p[0]->in[0].bytes, 200);
}

Test(vsw_stages, ext_9_tunnels_that_are_wrong_are_dropped_in_the_uplinks_books)
{
	static const uint8_t inner[64] = {2, 0, 0, 0, 0, 0x0A, 2, 0, 0, 0, 0, 0x77, 0x88, 0xB5};
	static const uint8_t tagged[64] = {2, 0, 0, 0, 0, 0x0A, 2, 0, 0, 0, 0, 0x77, 0x81, 0};
	struct fake_frame *fr;

	overlay_on(&bed, &net);
	ovsw_tunnel(&bed, &net, 9, 5000, inner, 64); /* no remote */
	ovsw_tunnel(&bed, &net, 2, 5001, inner, 64); /* no subnet */
	fr = ovsw_tunnel(&bed, &net, 2, 5000, inner, 64);
	fr->len -= 20;
	ovsw_tunnel(&bed, &net, 2, 5000, tagged, 64);
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 0, 0);
	cr_assert_eq(bed_drops(&bed, 4, VSW_DROP_overlay), 3);
	cr_assert_eq(bed_drops(&bed, 4, VSW_DROP_vlan_denied), 1);
}

Test(vsw_stages, ext_9_a_native_port_sends_no_tags_and_no_foreign_address)
{
	struct vsw_port_cfg pc = {
		.name = "guarded", .mac = {2, 0, 0, 0, 0, 0x20}, .is_spoof_guarded = true};
	struct vsw_overlay_port ports[2];
	struct fake_frame *fr;

	bed_port(&bed, 6, pc);
	ports[0].port = ovsw_port(&bed, 6);
	ports[1] = net.port5000[1];
	memset(ports[0].mac, 0, 6);
	net.subnet[0].ports = ports;
	overlay_on(&bed, &net);
	fr = fake_send(bed.p[6], BED_BCAST, 0x200000000002ull);
	fr->flags = NETHV_PKT_VLAN;
	fr->tci = 5;
	fake_send(bed.p[6], BED_BCAST, BED_MAC(1));
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 0, 0);
	cr_assert_eq(bed_drops(&bed, 6, VSW_DROP_vlan_denied), 1);
	cr_assert_eq(bed_drops(&bed, 6, VSW_DROP_spoofed_mac), 1);
	fake_send(bed.p[6], BED_MAC(1), 0x200000000002ull); /* nothing was learned of p1 there */
	bed_poll(&bed);
	expect_nr_out(0, 1, 0, 0, 2);
}

Test(vsw_stages, ext_9_a_trunk_port_gets_its_subnets_packets_untagged)
{
	struct vsw_port_cfg pc = {.name = "trunk", .vlan_mode = VSW_VLAN_TRUNK, .pvid = 7};
	struct vsw_overlay_port ports[2];

	bed_port(&bed, 6, pc);
	ports[0] = net.port5000[0];
	ports[1] = (struct vsw_overlay_port){.port = ovsw_port(&bed, 6)};
	net.subnet[0].ports = ports;
	overlay_on(&bed, &net);
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	cr_assert_eq(bed.p[6]->nr_out, 1);
	cr_assert_eq(bed.p[6]->out[0].flags, 0, "tci %04x", bed.p[6]->out[0].tci);
}

/* ---- The underlay -------------------------------------------------------------------------- */

static void make_arp(struct fake_frame *fr, uint16_t op, uint8_t from, uint8_t to, bool is_bcast)
{
	uint8_t *a = fr->bytes + 14;

	memset(fr->bytes, 0, 60);
	fr->len = 60;
	memset(fr->bytes, 0xFF, 6);
	if (!is_bcast)
		ovsw_mac(fr->bytes, to);
	ovsw_mac(fr->bytes + 6, from);
	memcpy(fr->bytes + 12, (const uint8_t[]){8, 6, 0, 1, 8, 0, 6, 4, 0, (uint8_t)op}, 10);
	ovsw_mac(a + 8, from);
	memcpy(a + 14, ovsw_ip(from).b, 4);
	memcpy(a + 24, ovsw_ip(to).b, 4);
}

Test(vsw_stages, arp_for_the_vtep_is_answered_in_the_underlays_vlan)
{
	struct vsw_port_cfg cfg = {.name = "trunk",
				   .kind = VSW_PORT_UPLINK,
				   .vlan_mode = VSW_VLAN_TRUNK,
				   .allowed = {1ull << 9}};
	struct fake_frame *fr;

	fake_port_free(bed.p[4]);
	bed_port(&bed, 4, cfg);
	ovsw_init(&net, &bed, 1, 2);
	net.cfg.vlan = 9;
	overlay_on(&bed, &net);
	fr = fake_send(bed.p[4], 0, 0);
	make_arp(fr, 1, 2, 1, true);
	fr->flags = NETHV_PKT_VLAN;
	fr->tci = 9;
	make_arp(fake_send(bed.p[4], 0, 0), 1, 2, 1, true); /* another network: not ours */
	bed_poll(&bed);
	cr_assert_eq(bed.p[4]->nr_out, 1);
	fr = &bed.p[4]->out[0];
	cr_assert_eq(fr->flags, NETHV_PKT_VLAN);
	cr_assert_eq(fr->tci, 9);
	cr_assert_eq(fr->bytes[21], 2); /* a reply */
	cr_assert_eq(memcmp(fr->bytes + 22, net.cfg.mac, 6), 0);
	cr_assert_eq(fr->bytes[5], 2);
	clear(&bed);
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	cr_assert_eq(bed.p[4]->nr_out, 2);
	cr_assert_eq(bed.p[4]->out[1].tci, 9);
	cr_assert_eq(bed.p[4]->out[1].flags, NETHV_PKT_VLAN);
}

Test(vsw_stages, nothing_leaves_when_the_uplink_is_not_in_the_underlays_vlan)
{
	net.cfg.vlan = 9;
	overlay_on(&bed, &net);
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	expect_nr_out(0, 1, 0, 0, 0);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_vlan_denied), 2);
}

Test(vsw_stages, a_next_hop_is_asked_for_and_then_found)
{
	struct fake_frame *fr;
	struct naive_tunnel t;

	memset(net.remote[0].next_hop_mac, 0, 6);
	ovsw_init(&net2, &bed, 1, 1);
	net.subnet[0].nr_remotes = 1;
	net.cfg.nr_subnets = 1;
	cr_assert_eq(vsw_set_overlay(bed.sw, &net.cfg), 0, "%s", err_text());
	bed.sw->lcore[0]->overlay_s = bed.sw->lcore[0]->now_s; /* no tick */
	bed_send(&bed, 0, 3);
	bed_poll(&bed);
	expect_nr_out(0, 1, 0, 0, bed.p[4]->nr_out);
	cr_assert_geq(bed.p[4]->nr_out, 1);
	fr = &bed.p[4]->out[bed.p[4]->nr_out -
			    1]; /* behind the announcement, if there was a tick */
	cr_assert_eq(fr->bytes[0], 0xFF);
	cr_assert_eq(fr->bytes[13], 6);
	cr_assert_eq(fr->bytes[41], 2);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_overlay), 1);
	clear(&bed);
	make_arp(fake_send(bed.p[4], 0, 0), 2, 2, 1, false);
	bed_poll(&bed);
	cr_assert_eq(bed_drops(&bed, 4, VSW_DROP_consumed), 1);
	bed.sw->lcore[0]->overlay_s = UINT32_MAX;
	bed_poll(&bed);
	clear(&bed);
	bed_send(&bed, 0, 3);
	bed_poll(&bed);
	expect_nr_out(0, 1, 0, 0, 1);
	t = opened(&bed, 0);
	cr_assert_eq(t.eth_dst[5], 2);
}

static void expect_segments(const struct naive_frame *whole, uint32_t mss, unsigned int port)
{
	static struct naive_frame seg;
	uint32_t k;

	for (k = 0; naive_cut(whole, mss, k, &seg); k++) {
		struct naive_tunnel t = opened(&bed, k);
		const char *wrong = naive_wrong(t.inner, t.inner_len);

		cr_assert_null(wrong, "segment %u: %s", k, wrong);
		expect_inner(&t, seg.bytes, seg.len);
		cr_assert_lt(k, bed.p[port]->nr_out);
		cr_assert_eq(memcmp(bed.p[port]->out[k].bytes, seg.bytes, seg.len), 0);
	}
	cr_assert_eq(bed.p[OVSW_UPLINK]->nr_out, k);
	cr_assert_eq(bed.p[port]->nr_out, k);
}

static void send_offload(struct naive_frame *f, bool is_long, uint32_t mss)
{
	static const uint8_t bcast[6] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
	static const uint8_t from[6] = {2, 0, 0, 0, 0, 0x0A};
	struct naive_kind kind = {
		.is_tcp = true, .seq = 0xFFFFFF00, .payload = is_long ? 1900 : 333};
	struct fake_frame *fr = fake_send(bed.p[0], 0, 0);
	static struct naive_frame cut;

	naive_make(f, &kind, bcast, from, 7);
	cut = *f;
	naive_unfinish(&cut, is_long);
	memcpy(fr->bytes, cut.bytes, cut.len);
	fr->len = cut.len;
	fr->flags = is_long ? NETHV_PKT_LSO : NETHV_PKT_CSUM;
	fr->csum = NETHV_CSUM_TCP | NETHV_CSUM_IP4;
	fr->l3_off = (uint8_t)cut.l3;
	fr->l4_off = (uint8_t)cut.l4;
	fr->lso_mss = (uint16_t)mss;
}

Test(vsw_stages, ext_9_offloads_are_done_before_a_tunnel)
{
	static struct naive_frame f;

	net.subnet[0].nr_remotes = 1;
	overlay_on(&bed, &net);
	send_offload(&f, false, 0);
	bed_poll(&bed);
	expect_segments(&f, 4000, 1);
	clear(&bed);
	bed.p[0]->is_scattered = true;
	send_offload(&f, true, 500);
	bed_poll(&bed);
	expect_segments(&f, 500, 1);
	cr_assert_eq(bed.p[1]->nr_out, 4);
}

Test(vsw_stages, ext_9_what_is_too_long_for_the_underlay_is_dropped)
{
	overlay_on(&bed, &net);
	fake_build(bed_send(&bed, 0, UINT32_MAX), BED_BCAST, BED_MAC(0), 1465, 1);
	bed_poll(&bed);
	expect_nr_out(0, 1, 0, 0, 0);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_too_big), 2);
	clear(&bed);
	fake_build(bed_send(&bed, 0, UINT32_MAX), BED_BCAST, BED_MAC(0), 1464, 1);
	bed_poll(&bed);
	expect_nr_out(0, 1, 0, 0, 2);
	cr_assert_eq(bed.p[4]->out[0].len, 1514);
}

/* ---- Extensions ---------------------------------------------------------------------------- */

struct look {
	struct hooks k;
	unsigned int n, natives;
	uint32_t vsid;
	uint16_t src;
	uint16_t drop;	   /* natives: this verdict */
	uint16_t route_to; /* natives, too: this port; 0: none */
	uint16_t source;   /* set_source(), + 1; 0: not */
	bool clones, floods;
	int32_t tci; /* set_vlan(), unless 0 */
};

static void look(struct hooks *k, struct nethv_burst *b)
{
	struct look *l = (struct look *)k;
	uint16_t i;

	for (i = 0; i < b->n; i++) {
		bool is_native = b->pkt[i]->flags & NETHV_PKT_NATIVE;

		l->n++;
		l->natives += is_native;
		l->vsid = b->pkt[i]->vsid;
		l->src = b->pkt[i]->src_port;
		if (is_native && l->drop)
			b->verdict[i] = l->drop;
		if (l->route_to)
			nethv_route_add(b, i, l->route_to, 0);
		if (l->floods)
			nethv_route_flood(b, i);
		if (l->clones)
			nethv_clone(b, i);
		if (l->tci)
			b->host->set_vlan(b, i, l->tci);
		if (l->source)
			b->host->set_source(b, i, l->source - 1);
	}
	l->clones = false;
	l->source = 0;
}

static struct look l1 = {.k = {.ingress = look}}, l2 = {.k = {.ingress = look}};

Test(vsw_stages, ext_9_a_forwarder_sees_native_packets_and_its_route_is_ignored)
{
	overlay_on(&bed, &net);
	l1.route_to = ovsw_port(&bed, 3);
	bed_hook(&bed, "hook-forward", "", &l1.k);
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	cr_assert_eq(l1.natives, 1);
	cr_assert_eq(l1.vsid, 5000);
	expect_nr_out(0, 1, 0, 0, 2);
	cr_assert_eq(bed_status(&bed, "hook-forward").sum.broken, 1);
	cr_assert_str_eq(bed_status(&bed, "hook-forward").last_broken_id, "EXT-9");
	clear(&bed);
	l1.route_to = 0; /* no route at all is none either */
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	expect_nr_out(0, 1, 0, 0, 2);
	cr_assert_eq(bed_status(&bed, "hook-forward").sum.broken, 1);
}

Test(vsw_stages, ext_9_a_forwarder_may_drop_native_packets)
{
	overlay_on(&bed, &net);
	l1.drop = 1;
	bed_hook(&bed, "hook-forward", "", &l1.k);
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 0, 0);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_filtered), 1);
	cr_assert_eq(bed_status(&bed, "hook-forward").sum.dropped, 1);
}

Test(vsw_stages, ext_9_no_forwarder_sends_others_packets_into_a_subnet)
{
	overlay_on(&bed, &net);
	l1.route_to = ovsw_port(&bed, 1);
	bed_hook(&bed, "hook-forward-vlan", "", &l1.k);
	bed_send(&bed, 3, 1);
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 0, 0);
	l1.route_to = 0;
	l1.floods = true;
	bed_send(&bed, 3, 1);
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 0, 1);
}

Test(vsw_stages, ext_9_an_external_subnet_is_the_forwarders)
{
	static const uint8_t inner[64] = {2, 0, 0, 0, 0, 0x0F, 2, 0, 0, 0, 0, 0x77, 0x88, 0xB5};

	overlay_on(&bed, &net);
	l1.route_to = ovsw_port(&bed, 3);
	bed_hook(&bed, "hook-forward", "", &l1.k);
	bed_send(&bed, 5, UINT32_MAX);
	bed_poll(&bed);
	cr_assert_eq(l1.n, 1);
	cr_assert_eq(l1.natives, 0);
	expect_nr_out(0, 0, 0, 1, 0);
	clear(&bed);
	l1.route_to = ovsw_port(&bed, 5);
	ovsw_tunnel(&bed, &net, 2, 7000, inner, 64); /* not opened */
	bed_poll(&bed);
	cr_assert_eq(l1.natives, 0);
	cr_assert_eq(bed.p[5]->nr_out, 1);
	cr_assert_eq(bed.p[5]->out[0].len, 64 + 50);
}

Test(vsw_stages, ext_9_a_clone_stays_in_its_subnet)
{
	overlay_on(&bed, &net);
	l1.clones = true;
	bed_hook(&bed, "hook-filter", "", &l1.k);
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	expect_nr_out(0, 2, 0, 0, 4);
	cr_assert_eq(opened(&bed, 3).vni, 5000);
}

Test(vsw_stages, ext_9_another_source_leaves_a_packet_in_its_subnet)
{
	overlay_on(&bed, &net);
	l1.source = ovsw_port(&bed, 3) + 1;
	bed_hook(&bed, "hook-filter", "", &l1.k);
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	expect_nr_out(1, 1, 0, 0, 2); /* p0 is not its source any more */
	cr_assert_eq(opened(&bed, 0).vni, 5000);
}

Test(vsw_stages, ext_9_a_packet_given_a_native_source_becomes_the_subnets)
{
	overlay_on(&bed, &net);
	l1.source = ovsw_port(&bed, 0) + 1;
	bed_hook(&bed, "hook-filter", "below", &l2.k);
	bed_hook(&bed, "hook-holder", "", &l1.k); /* on top */
	bed_send(&bed, 3, UINT32_MAX);
	bed_poll(&bed);
	cr_assert_eq(l2.natives, 1);
	cr_assert_eq(l2.vsid, 5000);
	expect_nr_out(0, 1, 0, 0, 2);
}

static void originates(struct hooks *k, struct nethv_burst *b)
{
	static uint8_t frame[70] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2,
				    0,	  0,	0,    0,    0x0A, 0x88, 0xB5};
	struct look *l = (struct look *)k;

	if (l->source)
		nethv_originate(b, l->source - 1, frame, sizeof(frame));
	l->source = 0;
}

Test(vsw_stages, ext_9_what_is_originated_from_a_native_port_is_the_subnets)
{
	struct naive_tunnel t;

	overlay_on(&bed, &net);
	l1.source = ovsw_port(&bed, 0) + 1;
	l1.k.ingress = originates;
	bed_hook(&bed, "hook-filter", "", &l1.k);
	bed_send(&bed, 3, 5);
	bed_poll(&bed);
	expect_nr_out(0, 1, 0, 0, 2);
	t = opened(&bed, 1);
	cr_assert_eq(t.vni, 5000);
	cr_assert_eq(t.inner_len, 70);
}

Test(vsw_stages, ext_9_a_tag_that_a_filter_sets_on_a_native_packet_goes_nowhere)
{
	overlay_on(&bed, &net);
	l1.tci = 0x6007;
	bed_hook(&bed, "hook-filter", "", &l1.k);
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	expect_nr_out(0, 1, 0, 0, 2);
	cr_assert_eq(bed.p[1]->out[0].flags, 0);
	cr_assert_eq(opened(&bed, 0).inner_len, 200);
}

static uint32_t handle;
static bool is_held, is_to_release;

static void holds(struct hooks *k, struct nethv_burst *b)
{
	if (!is_held)
		is_held = b->host->hold(b, 0, &handle) == NETHV_OK;
}

static void releases(struct hooks *k, struct nethv_burst *b)
{
	if (is_to_release && b->host->release(b, handle) == NETHV_OK)
		is_to_release = false;
}

static void hold_one(void)
{
	l1.k.ingress = holds;
	l1.k.poll = releases;
	overlay_on(&bed, &net);
	bed_hook(&bed, "hook-holder", "", &l1.k);
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	cr_assert(is_held);
	expect_nr_out(0, 0, 0, 0, 0);
	memset(bed.p[0]->in[0].bytes, 0, 200);
}

Test(vsw_stages, ext_9_a_held_packet_comes_back_into_its_subnet)
{
	hold_one();
	is_to_release = true;
	bed_poll(&bed);
	expect_nr_out(0, 1, 0, 0, 2);
	cr_assert_eq(opened(&bed, 1).vni, 5000);
	cr_assert_eq(opened(&bed, 1).inner[0], 0xFF);
}

Test(vsw_stages, ext_9_a_packet_whose_overlay_went_while_it_was_held_is_dropped)
{
	hold_one();
	cr_assert_eq(vsw_set_overlay(bed.sw, NULL), 0);
	is_to_release = true;
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 0, 0);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_overlay), 1);
}

/* ---- Two hosts ----------------------------------------------------------------------------- */

static void wire(struct extbed *from, struct extbed *to)
{
	unsigned int k;

	for (k = 0; k < from->p[4]->nr_out; k++) {
		struct fake_frame *fr = fake_send(to->p[4], 0, 0);

		*fr = from->p[4]->out[k];
	}
	from->p[4]->nr_out = 0;
	bed_poll(to);
}

static void hosts_up(void)
{
	ports_up(&other, 5);
	ovsw_init(&net, &bed, 1, 1);
	ovsw_init(&net2, &other, 2, 1);
	overlay_on(&bed, &net);
	overlay_on(&other, &net2);
}

static void carry(struct extbed *from, struct extbed *to, uint32_t len, unsigned int k)
{
	struct fake_frame *fr = fake_send(from->p[0], 0, 0);
	uint8_t n = from == &bed ? 1 : 2;

	clear(from);
	clear(to);
	/* After the first one each way both are known. */
	fake_build(fr, k < 1 ? BED_BCAST : 0x990000000002ull + ((uint64_t)(3 - n) << 32),
		   0x990000000002ull + ((uint64_t)n << 32), len, (uint8_t)(k * 13 + n));
	bed_poll(from);
	cr_assert_eq(from->p[4]->nr_out, 1, "frame %u of %u bytes", k, len);
	wire(from, to);
	cr_assert_eq(to->p[0]->nr_out, 1, "frame %u of %u bytes", k, len);
	cr_assert_eq(to->p[1]->nr_out, k < 1, "frame %u", k);
	cr_assert_eq(to->p[2]->nr_out + to->p[3]->nr_out + to->p[4]->nr_out, 0);
	cr_assert_eq(to->p[0]->out[0].len, len);
	cr_assert_eq(memcmp(to->p[0]->out[0].bytes, fr->bytes, len), 0, "frame %u of %u bytes", k,
		     len);
}

static void carry_all(void)
{
	static const uint32_t lens[] = {60, 14,	 15,  18,  63,	64,   65,   77,	 78,
					79, 127, 128, 129, 200, 1400, 1463, 1464};
	unsigned int k;

	for (k = 0; k < sizeof(lens) / sizeof(lens[0]); k++) {
		carry(&bed, &other, lens[k], k);
		carry(&other, &bed, lens[k], k);
	}
}

Test(vsw_stages, two_hosts_carry_frames_unchanged)
{
	hosts_up();
	carry_all();
}

Test(vsw_stages, two_hosts_carry_frames_in_pieces_unchanged)
{
	unsigned int hdr_len;

	hosts_up();
	bed.p[0]->is_scattered = other.p[4]->is_scattered = true;
	bed.p[4]->is_scattered = other.p[0]->is_scattered = true;
	for (hdr_len = 64; hdr_len <= 128; hdr_len += 16) {
		bed.p[0]->hdr_len = other.p[4]->hdr_len = (uint16_t)hdr_len;
		carry_all();
		other.p[0]->hdr_len = bed.p[4]->hdr_len = (uint16_t)hdr_len;
		cr_assert_eq(vsw_set_overlay(bed.sw, NULL), 0);
		cr_assert_eq(vsw_set_overlay(other.sw, NULL), 0);
		overlay_on(&bed, &net);
		overlay_on(&other, &net2);
	}
}

Test(vsw_stages, two_hosts_carry_frames_through_extensions_that_change_nothing)
{
	hosts_up();
	bed_load(&bed, "passthrough", NULL);
	bed_hook(&bed, "hook-capture", "", &l1.k);
	bed_hook(&other, "hook-plain", "", &l2.k);
	carry_all();
	cr_assert_gt(l1.natives, 0);
	cr_assert_gt(l2.natives, 0);
}

Test(vsw_stages, a_full_vector_of_scattered_frames_goes_to_all_remotes)
{
	unsigned int k;

	overlay_on(&bed, &net);
	bed.p[0]->is_scattered = true;
	for (k = 0; k < 40; k++)
		fake_build(bed_send(&bed, 0, UINT32_MAX), BED_BCAST, BED_MAC(0), 1400, (uint8_t)k);
	bed_poll(&bed);
	expect_nr_out(0, 40, 0, 0, 80);
	for (k = 0; k < 80; k++) {
		struct naive_tunnel t = opened(&bed, k);

		cr_assert_eq(t.dst[3], k % 2 + 2);
		expect_inner(&t, bed.p[0]->in[k / 2].bytes, 1400);
	}
}

Test(vsw_stages, a_full_vector_of_broadcasts_goes_to_as_many_remotes_as_there_may_be)
{
	static struct vsw_overlay_remote remotes[VSW_OVERLAY_REMOTES_MAX];
	unsigned int k;

	for (k = 0; k < VSW_OVERLAY_REMOTES_MAX; k++) {
		remotes[k].vtep = ovsw_ip((uint8_t)(k + 2));
		ovsw_mac(remotes[k].next_hop_mac, (uint8_t)(k + 2));
	}
	net.subnet[0].remotes = remotes;
	net.subnet[0].nr_remotes = VSW_OVERLAY_REMOTES_MAX;
	net.cfg.nr_subnets = 1;
	overlay_on(&bed, &net);
	for (k = 0; k < VSW_VEC_SIZE; k++)
		bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	expect_nr_out(0, 64, 0, 0, 64 * 64);
}
