/* SPDX-License-Identifier: BSD-3-Clause */
/* The overlay: configuration, what goes where, outer headers, addresses, counters. */
#include <criterion/criterion.h>
#include <errno.h>

#include "base/err.h"
#include "tests/support/ovnet.h"
#include "vswitch/overlay/priv.h"

#define OUTS 16u

static struct ovnet net;
static struct ovbed bed;
static struct {
	uint16_t port, vlan;
	uint32_t len;
	uint8_t b[OVBED_FRAME_MAX];
} out[OUTS];
static uint32_t nr;
static uint8_t inner[2000];

static void take(void *ctx, uint16_t port, uint16_t vlan, const uint8_t *frame, uint32_t len)
{
	(void)ctx;
	cr_assert_lt(nr, OUTS);
	out[nr].port = port;
	out[nr].vlan = vlan;
	out[nr].len = len;
	memcpy(out[nr++].b, frame, len);
}

static void up(enum vsw_overlay_encap encap, bool is_v6)
{
	ovnet_init(&net, encap, is_v6);
	for (int i = 0; i < 2; i++)
		ovnet_mac(net.remote5000[i].next_hop_mac, 0, (uint8_t)(i + 2));
	ovnet_mac(net.remote6000[0].next_hop_mac, 0, 2);
	cr_assert_eq(vsw_overlay_create(&bed.ov, &net.cfg, 1, NULL), 0, "%s", err_text());
	bed.privates = 64;
	bed.now_s = 1000;
	bed.sink = take;
}

static void down(void)
{
	vsw_overlay_destroy(bed.ov);
}

/* An inner frame between two of the test's addresses; 0xFF: everybody. */
static const uint8_t *frame(uint8_t dgroup, uint8_t d, uint8_t sgroup, uint8_t s)
{
	for (unsigned int i = 14; i < sizeof(inner); i++)
		inner[i] = (uint8_t)(i * 7);
	ovnet_mac(inner, dgroup, d);
	if (dgroup == 0xFF)
		memset(inner, 0xFF, 6);
	ovnet_mac(inner + 6, sgroup, s);
	inner[12] = 0x88;
	inner[13] = 0xB5;
	return inner;
}

static void sends(uint16_t port, const uint8_t *f, uint32_t len)
{
	nr = 0;
	ovbed_send(&bed, port, -1, 0, f, len);
}

static void arrives(uint8_t host, uint32_t vni, const uint8_t *f, uint32_t len)
{
	struct naive_tunnel t = ovnet_tunnel(&net, host, vni, f, len);
	uint8_t b[NAIVE_TUNNEL_MAX];

	nr = 0;
	len = naive_tunnel_make(&t, b);
	ovbed_send(&bed, OVBED_UPLINK, -1, 0, b, len);
}

static uint64_t total(enum vsw_overlay_total what)
{
	uint64_t t[VSW_OVERLAY_TOTAL];

	vsw_overlay_totals_get(bed.ov, t);
	return t[what];
}

static uint64_t of_subnet(uint32_t n, enum vsw_overlay_count what)
{
	struct vsw_overlay_subnet_info si;

	cr_assert(vsw_overlay_subnet_get(bed.ov, n, &si));
	return si.count[what];
}

/* ---- Where packets go ---------------------------------------------------------------------- */

Test(vsw_overlay, unicast_between_ports_of_a_subnet_stays_here)
{
	up(VSW_OVERLAY_VXLAN, false);
	sends(1, frame(0xAA, 2, 0xAA, 1), 100);
	cr_assert_eq(bed.vsid, 5000);
	cr_assert_eq(bed.why, 0);
	cr_assert_eq(nr, 1);
	cr_assert_eq(out[0].port, 2);
	cr_assert_arr_eq(out[0].b, inner, 100);
	down();
}

Test(vsw_overlay, ext_9_packets_of_a_subnet_are_native_and_others_are_left_alone)
{
	up(VSW_OVERLAY_VXLAN, false);
	sends(1, frame(0xAA, 2, 0xAA, 1), 100);
	cr_assert(bed.pkt.flags & NETHV_PKT_NATIVE);
	sends(7, frame(0xAA, 2, 0xAA, 1), 100); /* in no subnet */
	cr_assert_not(bed.pkt.flags & NETHV_PKT_NATIVE);
	cr_assert_eq(bed.vsid, 0);
	sends(5, frame(0xAA, 2, 0xAA, 1), 100); /* in an external one */
	cr_assert_not(bed.pkt.flags & NETHV_PKT_NATIVE);
	cr_assert_eq(bed.why, 0);
	cr_assert(vsw_overlay_is_native(bed.ov, 1));
	cr_assert_not(vsw_overlay_is_native(bed.ov, 5));
	cr_assert_not(vsw_overlay_is_native(bed.ov, 7));
	cr_assert_not(vsw_overlay_is_native(bed.ov, NETHV_PORT_DEFAULT));
	cr_assert_eq(vsw_overlay_vsid(bed.ov, 5), 7000);
	cr_assert_eq(vsw_overlay_vsid(bed.ov, 7), 0);
	down();
}

Test(vsw_overlay, broadcast_goes_to_all_other_ports_and_each_remote)
{
	struct naive_tunnel t;

	up(VSW_OVERLAY_VXLAN, false);
	sends(2, frame(0xFF, 0, 0xAA, 2), 60);
	cr_assert_eq(nr, 4);
	cr_assert_eq(out[0].port, 1);
	cr_assert_eq(out[1].port, 3);
	for (unsigned int i = 2; i < 4; i++) {
		cr_assert_eq(out[i].port, OVBED_UPLINK);
		cr_assert_null(naive_tunnel_open(out[i].b, out[i].len, &t));
		cr_assert_eq(t.dst[3], i);
		cr_assert_eq(t.vni, 5000);
	}
	cr_assert_eq(of_subnet(0, VSW_OVERLAY_flooded), 1);
	cr_assert_eq(of_subnet(0, VSW_OVERLAY_encap), 2);
	cr_assert_eq(of_subnet(0, VSW_OVERLAY_encap_bytes), 120);
	cr_assert_eq(of_subnet(1, VSW_OVERLAY_encap), 0);
	down();
}

Test(vsw_overlay, what_came_out_of_a_tunnel_goes_into_none)
{
	up(VSW_OVERLAY_VXLAN, false);
	arrives(3, 5000, frame(0xFF, 0, 0xCC, 1), 60);
	cr_assert_eq(bed.vsid, 5000);
	cr_assert_eq(nr, 3);
	cr_assert(out[0].port == 1 && out[1].port == 2 && out[2].port == 3);
	arrives(3, 5000, frame(0xBB, 1, 0xCC, 1), 60); /* which is behind .2 */
	cr_assert_eq(nr, 0);
	cr_assert_eq(bed.why, VSW_DROP_same_port);
	down();
}

Test(vsw_overlay, the_same_address_in_two_subnets_is_two)
{
	up(VSW_OVERLAY_VXLAN, false);
	arrives(2, 6000, frame(0xAA, 1, 0xCC, 1), 60);
	cr_assert_eq(nr, 1);
	cr_assert_eq(out[0].port, 4);
	arrives(2, 5000, frame(0xAA, 1, 0xCC, 1), 60);
	cr_assert_eq(nr, 1);
	cr_assert_eq(out[0].port, 1);
	sends(4, frame(0xAA, 2, 0xAA, 1), 60); /* not the one of 5000: unknown, so to the remote */
	cr_assert_eq(nr, 1);
	cr_assert_eq(out[0].port, OVBED_UPLINK);
	down();
}

Test(vsw_overlay, a_packet_to_its_own_port_is_dropped)
{
	up(VSW_OVERLAY_VXLAN, false);
	sends(1, frame(0xAA, 1, 0xAA, 1), 60);
	cr_assert_eq(nr, 0);
	cr_assert_eq(bed.why, VSW_DROP_same_port);
	down();
}

Test(vsw_overlay, alone_in_a_subnet_without_remotes_is_no_destination)
{
	ovnet_init(&net, VSW_OVERLAY_VXLAN, false);
	net.subnet[1].nr_remotes = 0;
	cr_assert_eq(vsw_overlay_create(&bed.ov, &net.cfg, 1, NULL), 0);
	bed.privates = 64;
	bed.sink = take;
	sends(4, frame(0xFF, 0, 0xAA, 1), 60);
	cr_assert_eq(nr, 0);
	cr_assert_eq(bed.why, VSW_DROP_no_destination);
	down();
}

Test(vsw_overlay, tags_of_ports_in_a_subnet)
{
	up(VSW_OVERLAY_VXLAN, false);
	nr = 0;
	ovbed_send(&bed, 1, 0xA000, 0, frame(0xAA, 2, 0xAA, 1), 60); /* priority only */
	cr_assert_eq(nr, 1);
	cr_assert_not(bed.pkt.flags & NETHV_PKT_VLAN);
	nr = 0;
	ovbed_send(&bed, 1, 5, 5, frame(0xAA, 2, 0xAA, 1), 60);
	cr_assert_eq(nr, 0);
	cr_assert_eq(bed.why, VSW_DROP_vlan_denied);
	frame(0xAA, 2, 0xAA, 1);
	inner[12] = 0x88;
	inner[13] = 0xA8;
	sends(1, inner, 60);
	cr_assert_eq(bed.why, VSW_DROP_vlan_denied);
	down();
}

/* ---- Learning ------------------------------------------------------------------------------ */

static void count_one(const struct vsw_overlay_mac_info *m, void *ctx)
{
	struct vsw_overlay_mac_info *last = ctx;

	*last = *m;
	nr++;
}

Test(vsw_overlay, learns_where_sources_are_and_forgets)
{
	struct vsw_overlay_mac_info m;
	struct naive_tunnel t;

	up(VSW_OVERLAY_VXLAN, false);
	arrives(3, 5000, frame(0xFF, 0, 0xCC, 1), 60);
	sends(1, frame(0xCC, 1, 0xAA, 1), 60);
	cr_assert_eq(nr, 1);
	cr_assert_null(naive_tunnel_open(out[0].b, out[0].len, &t));
	cr_assert_eq(t.dst[3], 3);
	nr = 0;
	vsw_overlay_macs_walk(bed.ov, bed.now_s + 7, count_one, &m);
	cr_assert_eq(nr, 1);
	cr_assert(m.vsid == 5000 && m.port == VSW_PORT_NONE && m.vtep.b[3] == 3 && m.age_s == 7);
	sends(3, frame(0xFF, 0, 0xCC, 1), 60); /* moved to a port */
	cr_assert_eq(total(VSW_OVERLAY_T_moved), 1);
	sends(1, frame(0xCC, 1, 0xAA, 1), 60);
	cr_assert(nr == 1 && out[0].port == 3);
	bed.now_s += 300;
	sends(1, frame(0xCC, 1, 0xAA, 1), 60);
	cr_assert_eq(nr, 1);
	bed.now_s += 1;
	sends(1, frame(0xCC, 1, 0xAA, 1), 60); /* unknown again: to all */
	cr_assert_eq(nr, 4);
	cr_assert_eq(total(VSW_OVERLAY_T_learned), 1);
	down();
}

Test(vsw_overlay, an_address_that_was_given_cannot_be_taken)
{
	up(VSW_OVERLAY_VXLAN, false);
	arrives(3, 5000, frame(0xFF, 0, 0xAA, 1), 60); /* claims port 1's */
	arrives(3, 5000, frame(0xFF, 0, 0xBB, 1), 60); /* claims what is behind .2 */
	cr_assert_eq(total(VSW_OVERLAY_T_refused), 2);
	sends(2, frame(0xAA, 1, 0xAA, 2), 60);
	cr_assert(nr == 1 && out[0].port == 1);
	arrives(3, 5000, frame(0xAA, 2, 0x01, 1), 60);
	inner[6] = 3; /* a group's address as source: not learned, delivered */
	arrives(3, 5000, inner, 60);
	cr_assert_eq(nr, 1);
	cr_assert_eq(total(VSW_OVERLAY_T_learned), 1);
	down();
}

Test(vsw_overlay, a_subnet_that_does_not_learn_goes_on_flooding)
{
	ovnet_init(&net, VSW_OVERLAY_VXLAN, false);
	net.subnet[0].is_learning = false;
	cr_assert_eq(vsw_overlay_create(&bed.ov, &net.cfg, 1, NULL), 0);
	bed.privates = 64;
	bed.sink = take;
	sends(3, frame(0xFF, 0, 0xCC, 1), 60);
	cr_assert_eq(total(VSW_OVERLAY_T_learned), 0);
	sends(1, frame(0xCC, 1, 0xAA, 1), 60);
	cr_assert_eq(of_subnet(0, VSW_OVERLAY_flooded), 2);
	down();
}

Test(vsw_overlay, a_full_table_refuses_and_floods)
{
	uint32_t known = 0;

	ovnet_init(&net, VSW_OVERLAY_VXLAN, false);
	net.cfg.nr_macs_max = 64;
	cr_assert_eq(vsw_overlay_create(&bed.ov, &net.cfg, 1, NULL), 0);
	bed.privates = 64;
	bed.sink = take;
	for (unsigned int i = 0; i < 250; i++)
		sends(3, frame(0xAA, 1, 0xCC, (uint8_t)i), 60);
	cr_assert_eq(total(VSW_OVERLAY_T_learned) + total(VSW_OVERLAY_T_full), 250);
	cr_assert_leq(total(VSW_OVERLAY_T_learned), 64);
	for (unsigned int i = 0; i < 250; i++) {
		sends(1, frame(0xCC, (uint8_t)i, 0xAA, 1), 60);
		known += nr == 1 && out[0].port == 3;
	}
	cr_assert_eq(known, total(VSW_OVERLAY_T_learned));
	down();
}

/* As a reader may see it while an entry is replaced: the key of one subnet, the place of
 * another. */
Test(vsw_overlay, a_place_outside_the_subnet_is_not_believed)
{
	struct mac_table *t;

	up(VSW_OVERLAY_VXLAN, false);
	t = &bed.ov->macs;
	sends(4, frame(0xFF, 0, 0xCC, 1), 60);
	sends(4, frame(0xCC, 1, 0xAA, 1), 60);
	cr_assert_eq(bed.why, VSW_DROP_same_port);
	for (uint32_t i = 0; i < (t->set_mask + 1) * MAC_WAYS; i++) {
		if (t->learned[i].key)
			t->learned[i].where = (uint64_t)bed.now_s << 32 | 1; /* a port of 5000 */
	}
	sends(4, frame(0xCC, 1, 0xAA, 1), 60);
	cr_assert(nr == 1 && out[0].port == OVBED_UPLINK);
	for (uint32_t i = 0; i < (t->set_mask + 1) * MAC_WAYS; i++) {
		if (t->learned[i].key) /* 10.0.0.3: no remote of 6000 */
			t->learned[i].where = (uint64_t)bed.now_s << 32 | DEST_VTEP | 1;
	}
	sends(4, frame(0xCC, 1, 0xAA, 1), 60);
	cr_assert(nr == 1 && out[0].b[33] == 2);
	down();
}

/* ---- Outer headers ------------------------------------------------------------------------- */

struct combo {
	enum vsw_overlay_encap encap;
	bool is_v6, is_zero;
};
static const struct combo combos[] = {
	{VSW_OVERLAY_VXLAN, false, false}, {VSW_OVERLAY_VXLAN, true, false},
	{VSW_OVERLAY_VXLAN, true, true},   {VSW_OVERLAY_GENEVE, false, false},
	{VSW_OVERLAY_GENEVE, true, false},
};

static void check_outer(const struct combo *c, uint32_t len)
{
	struct naive_tunnel t;

	cr_assert_eq(nr, 1);
	cr_assert_null(naive_tunnel_open(out[0].b, out[0].len, &t), "%s",
		       naive_tunnel_open(out[0].b, out[0].len, &t));
	cr_assert_eq(t.is_v6, c->is_v6);
	cr_assert_eq(t.is_geneve, c->encap == VSW_OVERLAY_GENEVE);
	cr_assert_eq(t.has_csum, c->is_v6 && !c->is_zero);
	cr_assert_eq(t.has_df, !c->is_v6);
	cr_assert_eq(t.ttl, 64);
	cr_assert_eq(t.vni, 5000);
	cr_assert_geq(t.sport, 49152);
	cr_assert_arr_eq(t.src, net.cfg.local.b, c->is_v6 ? 16 : 4);
	cr_assert_arr_eq(t.dst, net.remote5000[0].vtep.b, c->is_v6 ? 16 : 4);
	cr_assert_arr_eq(t.eth_dst, net.remote5000[0].next_hop_mac, 6);
	cr_assert_arr_eq(t.eth_src, net.cfg.mac, 6);
	cr_assert_eq(t.inner_len, len);
	cr_assert_arr_eq(t.inner, inner, len);
}

Test(vsw_overlay, outer_headers_are_right_for_each_kind_and_length)
{
	for (unsigned int i = 0; i < sizeof(combos) / sizeof(combos[0]); i++) {
		for (uint32_t len = 14; len < 1440; len += len < 140 ? 1 : 97) {
			up(combos[i].encap, combos[i].is_v6);
			vsw_overlay_destroy(bed.ov);
			net.cfg.has_zero_csum6 = combos[i].is_zero;
			cr_assert_eq(vsw_overlay_create(&bed.ov, &net.cfg, 1, NULL), 0);
			bed.piece = len % 3 ? 61 : 0;
			sends(1, frame(0xBB, 1, 0xAA, 1), len);
			check_outer(&combos[i], len);
			down();
		}
	}
}

Test(vsw_overlay, flows_take_source_ports_of_their_own)
{
	uint16_t seen[64];
	struct naive_tunnel t;
	unsigned int i, k, twice = 0;

	up(VSW_OVERLAY_VXLAN, false);
	for (i = 0; i < 64; i++) {
		sends(1, frame(0xBB, 1, 0xCC, (uint8_t)i), 60);
		naive_tunnel_open(out[0].b, out[0].len, &t);
		seen[i] = t.sport;
		sends(1, frame(0xBB, 1, 0xCC, (uint8_t)i), 200); /* the same flow */
		naive_tunnel_open(out[0].b, out[0].len, &t);
		cr_assert_eq(seen[i], t.sport);
		for (k = 0; k < i; k++)
			twice += seen[k] == seen[i];
	}
	cr_assert_leq(twice, 2); /* of 16384 */
	down();
}

Test(vsw_overlay, frames_longer_than_the_underlay_carries_are_dropped)
{
	static const uint32_t inner_mtu[] = {1450, 1430, 1430, 1450, 1430};

	for (unsigned int i = 0; i < sizeof(combos) / sizeof(combos[0]); i++) {
		up(combos[i].encap, combos[i].is_v6);
		cr_assert_eq(vsw_overlay_inner_mtu(bed.ov), inner_mtu[i]);
		sends(1, frame(0xBB, 1, 0xAA, 1), inner_mtu[i] + 14);
		cr_assert_eq(nr, 1);
		cr_assert_eq(out[0].len, 1500 + 14);
		sends(1, inner, inner_mtu[i] + 15);
		cr_assert_eq(nr, 0);
		cr_assert_eq(bed.copies_why, VSW_DROP_too_big);
		cr_assert_eq(of_subnet(0, VSW_OVERLAY_too_big), 1);
		sends(1, frame(0xAA, 2, 0xAA, 1), inner_mtu[i] + 15); /* here it is no matter */
		cr_assert_eq(nr, 1);
		down();
	}
}

Test(vsw_overlay, the_underlays_vlan_goes_with_copies)
{
	ovnet_init(&net, VSW_OVERLAY_VXLAN, false);
	net.cfg.vlan = 77;
	ovnet_mac(net.remote5000[0].next_hop_mac, 0, 2);
	ovnet_mac(net.remote6000[0].next_hop_mac, 0, 2);
	cr_assert_eq(vsw_overlay_create(&bed.ov, &net.cfg, 1, NULL), 0);
	bed.privates = 64;
	bed.sink = take;
	sends(1, frame(0xBB, 1, 0xAA, 1), 60);
	cr_assert(nr == 1 && out[0].vlan == 77);
	arrives(2, 5000, frame(0xAA, 2, 0xCC, 1), 60); /* in VLAN 0: another network */
	cr_assert_eq(bed.vsid, 0);
	cr_assert_eq(bed.why, 0);
	down();
}

/* ---- Changes, counters --------------------------------------------------------------------- */

Test(vsw_overlay, a_new_one_takes_over_what_the_old_one_knew)
{
	struct vsw_overlay *old;
	struct vsw_overlay_vtep_info vi;

	up(VSW_OVERLAY_VXLAN, false);
	arrives(3, 5000, frame(0xFF, 0, 0xCC, 1), 60);
	arrives(2, 6000, frame(0xFF, 0, 0xCC, 2), 60);
	sends(3, frame(0xFF, 0, 0xCC, 3), 60);
	old = bed.ov;
	net.subnet[0].nr_remotes = 2;
	net.subnet[1] = net.subnet[2]; /* 6000 goes away */
	net.cfg.nr_subnets = 2;
	net.port5000[2].port = 6; /* port 3 leaves 5000 */
	cr_assert_eq(vsw_overlay_create(&bed.ov, &net.cfg, 1, old), 0, "%s", err_text());
	sends(1, frame(0xCC, 1, 0xAA, 1), 60);
	cr_assert(nr == 1 && out[0].port == OVBED_UPLINK);
	sends(1, frame(0xCC, 3, 0xAA, 1), 60); /* nobody knows any more */
	cr_assert_gt(nr, 1);
	vsw_overlay_adopt(bed.ov, old);
	vsw_overlay_destroy(old);
	cr_assert_eq(of_subnet(0, VSW_OVERLAY_decap), 1);
	cr_assert_eq(of_subnet(0, VSW_OVERLAY_encap), 5);
	cr_assert(vsw_overlay_vtep_get(bed.ov, 1, bed.now_s, &vi));
	cr_assert_eq(vi.count[VSW_OVERLAY_decap], 1);
	cr_assert(vi.is_static);
	cr_assert_not(vsw_overlay_vtep_get(bed.ov, 2, bed.now_s, &vi));
	cr_assert_eq(total(VSW_OVERLAY_T_learned), 3);
	down();
}

Test(vsw_overlay, each_counter_has_a_name_and_a_sentence)
{
	for (unsigned int i = 0; i < VSW_OVERLAY_COUNT; i++)
		cr_assert_gt(strlen(vsw_overlay_count_text(i)), strlen("their"));
	for (unsigned int i = 0; i < VSW_OVERLAY_TOTAL; i++)
		cr_assert_gt(strlen(vsw_overlay_total_text(i)), strlen("their"));
	cr_assert_str_eq(vsw_overlay_count_name(VSW_OVERLAY_unresolved), "unresolved");
	cr_assert_str_eq(vsw_overlay_total_name(VSW_OVERLAY_T_stranger), "stranger");
	cr_assert_str_eq(vsw_overlay_count_name(VSW_OVERLAY_COUNT), "?");
	cr_assert_str_eq(vsw_overlay_total_name(VSW_OVERLAY_TOTAL), "?");
}

/* ---- Configuration -------------------------------------------------------------------------- */

static void refused(const char *because)
{
	struct vsw_overlay *ov;

	cr_assert_eq(vsw_overlay_create(&ov, &net.cfg, 1, NULL), -EINVAL, "%s", because);
	cr_assert_null(ov);
	cr_assert(strstr(err_text(), because), "%s: not for %s", err_text(), because);
	ovnet_init(&net, VSW_OVERLAY_VXLAN, false);
}

Test(vsw_overlay, refuses_a_bad_local_side)
{
	ovnet_init(&net, VSW_OVERLAY_VXLAN, false);
	net.cfg.encap = 2;
	refused("want vxlan or geneve");
	net.cfg.uplink = VSW_PORT_NONE;
	refused("no uplink");
	net.cfg.vlan = 4095;
	refused("want 0..4094");
	net.cfg.mtu = 575;
	refused("want 576..");
	net.cfg.mtu = 9217;
	refused("..9216");
	net.cfg.prefix_len = 33;
	refused("want 0..32");
	net.cfg.mac[0] = 1;
	refused("MAC address is zero or a group's");
	net.cfg.local.b[0] = 224;
	refused("no address of a host");
	net.cfg.local.version = 0;
	refused("no address of a host");
	net.cfg.gateway = net.cfg.local;
	refused("gateway 10.0.0.1");
	net.cfg.gateway = ovnet_ip(true, 254);
	refused("want another host's IPv4");
	net.cfg.nr_subnets = VSW_OVERLAY_SUBNETS_MAX + 1;
	refused("257 subnets");
	net.cfg.nr_macs_max = 2u << 20;
	refused("want at most 1048576");
}

Test(vsw_overlay, refuses_bad_subnets)
{
	ovnet_init(&net, VSW_OVERLAY_VXLAN, false);
	net.subnet[0].vsid = 0;
	refused("VSID of 1..16777214");
	net.subnet[0].vsid = 0xFFFFFF;
	refused("VSID of 1..16777214");
	net.subnet[1].vsid = 5000;
	refused("subnet 5000 is there twice");
	net.port6000[0].port = 1;
	refused("port 1 is in a subnet already");
	net.port6000[0].port = OVBED_UPLINK;
	refused("not the overlay's uplink");
	net.port6000[0].port = 256;
	refused("port 256");
	net.port6000[0].mac[0] = 0xFF;
	refused("group's MAC");
	ovnet_mac(net.port5000[1].mac, 0xAA, 1);
	refused("02:00:00:00:aa:01 is there twice");
	ovnet_mac(net.macs[0], 0xAA, 1);
	refused("is there twice");
	net.subnet[2].remotes = net.remote6000;
	net.subnet[2].nr_remotes = 1;
	refused("external");
	net.subnet[0].nr_remotes = VSW_OVERLAY_REMOTES_MAX + 1;
	refused("want at most 64");
}

Test(vsw_overlay, refuses_bad_remotes)
{
	ovnet_init(&net, VSW_OVERLAY_VXLAN, false);
	net.remote5000[1].vtep = ovnet_ip(false, 2);
	refused("remote 10.0.0.2 is there twice");
	net.remote5000[1].vtep = ovnet_ip(false, 1);
	refused("remote 10.0.0.1");
	net.remote5000[1].vtep = ovnet_ip(true, 3);
	refused("want another host's IPv4");
	net.remote5000[1].vtep.b[2] = 1;
	net.cfg.gateway.version = 0;
	refused("not on the link");
	net.remote5000[1].next_hop_mac[0] = 1;
	refused("group's MAC");
	ovnet_mac(net.remote5000[0].next_hop_mac, 0, 2);
	refused("different next hops");
	net.macs[0][0] = 1;
	refused("MAC address 0 is zero or a group's");
}
