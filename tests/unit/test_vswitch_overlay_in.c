/* SPDX-License-Identifier: BSD-3-Clause */
/* What the overlay takes from the underlay: tunnels, good and bad, and neighbours. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/err.h"
#include "tests/support/ovnet.h"

#define OUTS 80u

static struct ovnet net;
static struct ovbed bed;
static struct {
	uint16_t port;
	uint32_t len;
	uint8_t b[OVBED_FRAME_MAX];
} out[OUTS];
static uint32_t nr;
static uint8_t inner[2000], pkt[NAIVE_TUNNEL_MAX];

static void take(void *ctx, uint16_t port, uint16_t vlan, const uint8_t *frame, uint32_t len)
{
	(void)ctx;
	(void)vlan;
	cr_assert_lt(nr, OUTS);
	out[nr].port = port;
	out[nr].len = len;
	memcpy(out[nr++].b, frame, len);
}

static void up(enum vsw_overlay_encap encap, bool is_v6)
{
	ovnet_init(&net, encap, is_v6);
	cr_assert_eq(vsw_overlay_create(&bed.ov, &net.cfg, 1, NULL), 0, "%s", err_text());
	bed.privates = 128;
	bed.now_s = 1000;
	bed.sink = take;
	bed.in_flags = bed.in_csum = 0;
	for (unsigned int i = 0; i < sizeof(inner); i++)
		inner[i] = (uint8_t)(i * 11);
	ovnet_mac(inner, 0xAA, 1);
	ovnet_mac(inner + 6, 0xCC, 1);
	nr = 0;
}

static void down(void)
{
	vsw_overlay_destroy(bed.ov);
}

static struct naive_tunnel tunnel(uint32_t len)
{
	return ovnet_tunnel(&net, 2, 5000, inner, len);
}

static void enters(const uint8_t *b, uint32_t len)
{
	nr = 0;
	ovbed_send(&bed, OVBED_UPLINK, -1, 0, b, len);
}

static void is_opened(const char *what, uint32_t len)
{
	cr_assert_eq(bed.why, 0, "%s: dropped for %s", what, vsw_drop_name(bed.why));
	cr_assert_eq(bed.vsid, 5000, "%s", what);
	cr_assert_eq(nr, 1, "%s: %u copies", what, nr);
	cr_assert_eq(out[0].port, 1, "%s", what);
	cr_assert_eq(out[0].len, len, "%s: %u bytes", what, out[0].len);
	cr_assert_arr_eq(out[0].b, inner, len, "%s", what);
}

static uint64_t total(enum vsw_overlay_total what)
{
	uint64_t t[VSW_OVERLAY_TOTAL];

	vsw_overlay_totals_get(bed.ov, t);
	return t[what];
}

/* The packet in pkt[] is dropped and counted as @what. */
static void is_lost(enum vsw_overlay_total what, uint32_t len)
{
	uint64_t before = total(what);
	uint16_t why = what == VSW_OVERLAY_T_inner_tag ? VSW_DROP_vlan_denied : VSW_DROP_overlay;

	enters(pkt, len);
	cr_assert_eq(nr, 0);
	cr_assert_eq(bed.why, why, "%s", vsw_drop_name(bed.why));
	cr_assert_eq(total(what), before + 1, "%s: not counted", vsw_overlay_total_name(what));
}

/* ---- Good ones ------------------------------------------------------------------------------ */

static const struct {
	enum vsw_overlay_encap encap;
	bool is_v6, has_csum;
	uint8_t opt_words, ip4_options;
} kinds[] = {
	{VSW_OVERLAY_VXLAN, false, false, 0, 0},  {VSW_OVERLAY_VXLAN, false, true, 0, 0},
	{VSW_OVERLAY_VXLAN, false, true, 0, 40},  {VSW_OVERLAY_VXLAN, true, true, 0, 0},
	{VSW_OVERLAY_VXLAN, true, false, 0, 0},	  {VSW_OVERLAY_GENEVE, false, false, 0, 0},
	{VSW_OVERLAY_GENEVE, false, true, 5, 0},  {VSW_OVERLAY_GENEVE, false, true, 63, 40},
	{VSW_OVERLAY_GENEVE, true, false, 63, 0},
};

static void opens(unsigned int i, uint32_t len, uint32_t padding)
{
	struct naive_tunnel t;
	char what[64];
	uint32_t n;

	up(kinds[i].encap, kinds[i].is_v6);
	bed.privates = len % 2 ? 64 : 128;
	bed.piece = len % 3 ? 50 : 0;
	t = tunnel(len);
	t.has_csum = kinds[i].has_csum;
	t.opt_words = kinds[i].opt_words;
	t.ip4_options = kinds[i].ip4_options;
	n = naive_tunnel_make(&t, pkt);
	memset(pkt + n, 0xEE, padding);
	enters(pkt, n + padding);
	snprintf(what, sizeof(what), "kind %u, length %u", i, len);
	is_opened(what, len);
	cr_assert(bed.pkt.hdr_len >= (len < 64 ? len : 64), "%s", what);
	down();
}

Test(vsw_overlay_in, opens_tunnels_of_each_kind_and_length)
{
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		for (uint32_t len = 14; len < 1500; len += len < 150 ? 1 : 101)
			opens(i, len, len % 5);
	}
}

Test(vsw_overlay_in, nothing_that_was_said_of_the_outer_packet_holds_for_the_inner)
{
	struct naive_tunnel t;
	uint32_t n;

	up(VSW_OVERLAY_VXLAN, false);
	t = tunnel(200);
	t.has_csum = true;
	n = naive_tunnel_make(&t, pkt);
	pkt[n - 1] ^= 1; /* the device verified it: it is not done again */
	inner[199] ^= 1;
	bed.in_flags = NETHV_PKT_CSUM_OK | NETHV_PKT_PARSED;
	bed.in_csum = NETHV_CSUM_UDP | NETHV_CSUM_IP4 | NETHV_CSUM_IP4_OK;
	nr = 0;
	ovbed_send(&bed, OVBED_UPLINK, 0xE000, 0, pkt, n);
	is_opened("verified", 200);
	cr_assert_eq(bed.pkt.flags, NETHV_PKT_NATIVE);
	cr_assert_eq(bed.pkt.csum, 0);
	cr_assert_eq(bed.pkt.vlan_tci, 0);
	down();
}

Test(vsw_overlay_in, ext_9_an_external_subnets_tunnels_are_left_to_the_extension)
{
	struct naive_tunnel t;
	uint32_t n;

	up(VSW_OVERLAY_VXLAN, false);
	t = tunnel(200);
	t.vni = 7000;
	n = naive_tunnel_make(&t, pkt);
	enters(pkt, n);
	cr_assert_eq(bed.why, 0);
	cr_assert_eq(bed.vsid, 0);
	cr_assert_eq(bed.pkt.len, n);
	cr_assert_not(bed.pkt.flags & NETHV_PKT_NATIVE);
	cr_assert_eq(total(VSW_OVERLAY_T_external), 1);
	down();
}

/* ---- Bad ones ------------------------------------------------------------------------------- */

/* A byte of a good packet becomes another one, and IP and UDP
 * checksums are made right again. */
struct change {
	const char *what;
	bool is_geneve;
	int at;
	uint8_t to;
	enum vsw_overlay_total why;
};

static const struct change changes[] = {
	{"IP version 5", false, 14, 0x55, VSW_OVERLAY_T_malformed},
	{"IP header of 16 bytes", false, 14, 0x44, VSW_OVERLAY_T_malformed},
	{"IP length one too long", false, 17, 237, VSW_OVERLAY_T_malformed},
	{"IP length huge", false, 16, 0xFF, VSW_OVERLAY_T_malformed},
	{"IP length less than UDP's", false, 17, 235, VSW_OVERLAY_T_malformed},
	{"IP length of the header only", false, 17, 20, VSW_OVERLAY_T_malformed},
	{"more fragments", false, 20, 0x20, VSW_OVERLAY_T_fragment},
	{"fragment offset", false, 21, 1, VSW_OVERLAY_T_fragment},
	{"UDP length huge", false, 38, 0xFF, VSW_OVERLAY_T_malformed},
	{"UDP length of an inner runt", false, 39, 29, VSW_OVERLAY_T_malformed},
	{"UDP length 0", false, 39, 0, VSW_OVERLAY_T_malformed},
	{"no VNI flag", false, 42, 0x00, VSW_OVERLAY_T_malformed},
	{"unknown VNI", false, 48, 0x89, VSW_OVERLAY_T_unknown_vsid},
	{"sender is no remote", false, 29, 9, VSW_OVERLAY_T_stranger},
	{"sender is the gateway", false, 29, 254, VSW_OVERLAY_T_stranger},
	{"tagged inside", false, 62, 0x81, VSW_OVERLAY_T_inner_tag},
	{"Geneve version 1", true, 42, 0x40, VSW_OVERLAY_T_malformed},
	{"Geneve control", true, 43, 0x80, VSW_OVERLAY_T_malformed},
	{"Geneve critical options", true, 43, 0x40, VSW_OVERLAY_T_malformed},
	{"Geneve with IPv4 inside", true, 44, 0x08, VSW_OVERLAY_T_malformed},
	{"Geneve options longer than the packet", true, 42, 63, VSW_OVERLAY_T_malformed},
	{"Geneve unknown VNI", true, 47, 0x12, VSW_OVERLAY_T_unknown_vsid},
};

Test(vsw_overlay_in, refuses_each_bad_field)
{
	for (unsigned int i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		const struct change *c = &changes[i];
		struct naive_tunnel t;
		uint32_t n;

		up(c->is_geneve ? VSW_OVERLAY_GENEVE : VSW_OVERLAY_VXLAN, false);
		inner[12] = 0x08;
		inner[13] = 0x00;
		t = tunnel(186);
		n = naive_tunnel_make(&t, pkt);
		cr_assert_eq(n, 236);
		enters(pkt, n);
		is_opened(c->what, 186);
		pkt[c->at] = c->to;
		if (c->at != 14)
			naive_tunnel_fix(pkt);
		cr_log_info("%s", c->what);
		is_lost(c->why, n);
		down();
	}
}

Test(vsw_overlay_in, refuses_bad_fields_of_ipv6)
{
	static const struct change v6[] = {
		{"version 7", false, 14, 0x70, VSW_OVERLAY_T_malformed},
		{"length one too long", false, 19, 203, VSW_OVERLAY_T_malformed},
		{"length of nothing", false, 19, 7, VSW_OVERLAY_T_malformed},
		{"fragment", false, 20, 44, VSW_OVERLAY_T_fragment},
		{"sender is no remote", false, 37, 9, VSW_OVERLAY_T_stranger},
	};
	struct naive_tunnel t;
	uint32_t n;

	for (unsigned int i = 0; i < sizeof(v6) / sizeof(v6[0]); i++) {
		up(VSW_OVERLAY_VXLAN, true);
		t = tunnel(186);
		n = naive_tunnel_make(&t, pkt);
		enters(pkt, n);
		is_opened(v6[i].what, 186);
		pkt[v6[i].at] = v6[i].to;
		is_lost(v6[i].why, n);
		down();
	}
}

Test(vsw_overlay_in, a_remote_of_one_subnet_is_a_stranger_in_another)
{
	struct naive_tunnel t;
	uint32_t n;

	up(VSW_OVERLAY_VXLAN, false);
	t = ovnet_tunnel(&net, 3, 5000, inner, 100);
	n = naive_tunnel_make(&t, pkt);
	enters(pkt, n);
	is_opened("from .3 into 5000", 100);
	t.vni = 6000;
	n = naive_tunnel_make(&t, pkt);
	is_lost(VSW_OVERLAY_T_stranger, n);
	down();
}

Test(vsw_overlay_in, a_wrong_checksum_is_seen_wherever_the_byte_is)
{
	for (unsigned int is_v6 = 0; is_v6 < 2; is_v6++) {
		struct naive_tunnel t;
		uint32_t n, at;

		up(VSW_OVERLAY_VXLAN, is_v6);
		t = tunnel(1200);
		t.has_csum = true;
		n = naive_tunnel_make(&t, pkt);
		for (at = is_v6 ? 70 : 50; at < n; at += 97) {
			pkt[at] ^= 0x10;
			is_lost(VSW_OVERLAY_T_bad_csum, n);
			pkt[at] ^= 0x10;
		}
		enters(pkt, n);
		is_opened("put right again", 1200);
		down();
	}
}

Test(vsw_overlay_in, the_ipv4_headers_checksum_counts)
{
	struct naive_tunnel t;
	uint32_t n;

	up(VSW_OVERLAY_VXLAN, false);
	t = tunnel(60);
	n = naive_tunnel_make(&t, pkt);
	pkt[22]++; /* TTL */
	is_lost(VSW_OVERLAY_T_bad_csum, n);
	down();
}

Test(vsw_overlay_in, a_packet_that_ends_anywhere_is_never_opened)
{
	for (unsigned int i = 0; i < 4; i++) {
		struct naive_tunnel t;
		uint32_t n, cut;

		up(i & 1 ? VSW_OVERLAY_GENEVE : VSW_OVERLAY_VXLAN, i & 2);
		t = tunnel(60);
		t.opt_words = i & 1 ? 20 : 0;
		n = naive_tunnel_make(&t, pkt);
		for (cut = 14; cut < n; cut++) {
			enters(pkt, cut);
			cr_assert_eq(nr, 0);
			cr_assert(bed.why == VSW_DROP_overlay || bed.why == VSW_DROP_consumed);
		}
		enters(pkt, n);
		is_opened("whole", 60);
		down();
	}
}

Test(vsw_overlay_in, tunnels_are_taken_from_the_uplink_to_the_vtep_only)
{
	struct naive_tunnel t;
	uint32_t n;

	up(VSW_OVERLAY_VXLAN, false);
	t = tunnel(100);
	n = naive_tunnel_make(&t, pkt);
	nr = 0;
	ovbed_send(&bed, 7, -1, 0, pkt, n); /* a partition's */
	cr_assert(bed.vsid == 0 && bed.why == 0 && nr == 0);
	pkt[5] ^= 1; /* to another MAC address */
	enters(pkt, n);
	cr_assert(bed.vsid == 0 && bed.why == 0 && nr == 0);
	pkt[0] |= 1; /* to a group */
	enters(pkt, n);
	cr_assert(bed.vsid == 0 && bed.why == 0 && nr == 0);
	t.dst[3] = 77; /* to another address at the VTEP */
	n = naive_tunnel_make(&t, pkt);
	enters(pkt, n);
	cr_assert(bed.why == VSW_DROP_consumed && nr == 0);
	t = tunnel(100);
	t.dport = 53;
	n = naive_tunnel_make(&t, pkt);
	enters(pkt, n);
	cr_assert(bed.why == VSW_DROP_consumed && nr == 0);
	down();
}

/* ---- Neighbours ----------------------------------------------------------------------------- */

static uint32_t arp(uint8_t op, uint8_t from, uint8_t about, const uint8_t *eth_dst)
{
	static const uint8_t head[] = {0x08, 0x06, 0, 1, 8, 0, 6, 4, 0};

	memset(pkt, 0, 60);
	memcpy(pkt, eth_dst, 6);
	ovnet_mac(pkt + 6, 0, from);
	memcpy(pkt + 12, head, sizeof(head));
	pkt[21] = op;
	ovnet_mac(pkt + 22, 0, from);
	memcpy(pkt + 28, ovnet_ip(false, from).b, 4);
	memcpy(pkt + 38, ovnet_ip(false, about).b, 4);
	return 60;
}

static const uint8_t everybody[6] = {255, 255, 255, 255, 255, 255};

/* An ARP frame of the VTEP. */
static void is_arp(unsigned int i, uint8_t op, const uint8_t *eth_dst, uint8_t about)
{
	cr_assert_eq(out[i].port, OVBED_UPLINK);
	cr_assert_eq(out[i].len, 60);
	cr_assert_arr_eq(out[i].b, eth_dst, 6);
	cr_assert_arr_eq(out[i].b + 6, net.cfg.mac, 6);
	cr_assert_eq(out[i].b[21], op);
	cr_assert_arr_eq(out[i].b + 22, net.cfg.mac, 6);
	cr_assert_arr_eq(out[i].b + 28, net.cfg.local.b, 4);
	cr_assert_arr_eq(out[i].b + 38, ovnet_ip(false, about).b, 4);
}

Test(vsw_overlay_in, answers_arp_for_the_vtep)
{
	uint8_t peer[6];

	up(VSW_OVERLAY_VXLAN, false);
	ovnet_mac(peer, 0, 42);
	enters(pkt, arp(1, 42, 1, everybody));
	cr_assert_eq(bed.why, 0); /* others may want to see it, too */
	cr_assert_eq(nr, 1);
	is_arp(0, 2, peer, 42);
	cr_assert_arr_eq(out[0].b + 32, peer, 6);
	enters(pkt, arp(1, 42, 1, net.cfg.mac));
	cr_assert_eq(bed.why, VSW_DROP_consumed);
	cr_assert_eq(nr, 1);
	enters(pkt, arp(1, 42, 9, everybody)); /* for another */
	cr_assert_eq(nr, 0);
	nr = 0;
	arp(1, 42, 1, everybody);
	ovbed_send(&bed, 7, -1, 0, pkt, 60); /* from a partition */
	cr_assert_eq(nr, 0);
	down();
}

Test(vsw_overlay_in, malformed_arp_is_not_answered)
{
	static const struct {
		uint8_t at, to;
	} bad[] = {{15, 2}, {16, 9}, {18, 5}, {19, 16}, {21, 3}, {22, 1}, {31, 1}};

	up(VSW_OVERLAY_VXLAN, false);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		arp(1, 42, 1, everybody);
		pkt[bad[i].at] = bad[i].to;
		enters(pkt, 60);
		cr_assert_eq(nr, 0, "byte %u", bad[i].at);
	}
	arp(1, 42, 1, everybody);
	enters(pkt, 41);
	cr_assert_eq(nr, 0);
	enters(pkt, 42);
	cr_assert_eq(nr, 1);
	down();
}

static void sends_to(uint8_t group, uint8_t n)
{
	ovnet_mac(inner, group, n);
	ovnet_mac(inner + 6, 0xAA, 1);
	inner[12] = 0x88;
	inner[13] = 0xB5;
	nr = 0;
	ovbed_send(&bed, 1, -1, 0, inner, 100);
}

Test(vsw_overlay_in, asks_for_a_next_hop_and_sends_when_it_knows)
{
	struct vsw_overlay_vtep_info vi;
	struct naive_tunnel t;
	uint8_t hop[6];

	up(VSW_OVERLAY_VXLAN, false);
	ovnet_mac(hop, 0, 2);
	sends_to(0xBB, 1);
	cr_assert_eq(bed.copies_why, VSW_DROP_overlay);
	cr_assert_eq(nr, 1);
	is_arp(0, 1, everybody, 2);
	sends_to(0xBB, 1); /* within the same second: lost, not asked again */
	cr_assert(nr == 0 && bed.copies_why == VSW_DROP_overlay);
	bed.now_s++;
	sends_to(0xBB, 1);
	cr_assert_eq(nr, 1);
	cr_assert(vsw_overlay_vtep_get(bed.ov, 0, bed.now_s, &vi));
	cr_assert_eq(vi.count[VSW_OVERLAY_unresolved], 3);
	enters(pkt, arp(2, 9, 1, net.cfg.mac)); /* somebody whom we did not ask */
	sends_to(0xBB, 1);
	cr_assert_eq(bed.copies_why, VSW_DROP_overlay);
	enters(pkt, arp(2, 2, 1, net.cfg.mac));
	cr_assert_eq(bed.why, VSW_DROP_consumed);
	sends_to(0xBB, 1);
	cr_assert_eq(nr, 1);
	cr_assert_null(naive_tunnel_open(out[0].b, out[0].len, &t));
	cr_assert_arr_eq(t.eth_dst, hop, 6);
	down();
}

Test(vsw_overlay_in, refreshes_a_next_hop_without_loss_and_forgets_it_at_last)
{
	uint8_t hop[6];

	up(VSW_OVERLAY_VXLAN, false);
	ovnet_mac(hop, 0, 2);
	enters(pkt, arp(2, 2, 1, net.cfg.mac));
	bed.now_s += 31;
	sends_to(0xBB, 1);
	cr_assert_eq(nr, 2); /* the copy, and a question to the address that it has */
	cr_assert_eq(bed.copies_why, 0);
	is_arp(1, 1, hop, 2);
	enters(pkt, arp(2, 2, 1, net.cfg.mac));
	sends_to(0xBB, 1);
	cr_assert_eq(nr, 1);
	for (unsigned int i = 0; i < 120; i++) { /* nobody answers any more */
		bed.now_s++;
		sends_to(0xBB, 1);
		cr_assert_eq(bed.copies_why, 0);
	}
	is_arp(1, 1, everybody, 2); /* by now everybody is asked */
	bed.now_s++;
	sends_to(0xBB, 1);
	cr_assert_eq(bed.copies_why, VSW_DROP_overlay);
	down();
}

Test(vsw_overlay_in, remotes_off_the_link_go_by_the_gateway)
{
	struct naive_tunnel t;
	uint8_t gw[6];

	ovnet_init(&net, VSW_OVERLAY_VXLAN, false);
	net.remote5000[0].vtep.b[2] = 9;
	net.cfg.prefix_len = 21; /* 10.0.0.0..10.0.7.255 */
	cr_assert_eq(vsw_overlay_create(&bed.ov, &net.cfg, 1, NULL), 0, "%s", err_text());
	bed.privates = 128;
	bed.sink = take;
	ovnet_mac(gw, 0, 254);
	sends_to(0xBB, 1);
	cr_assert_eq(nr, 1);
	is_arp(0, 1, everybody, 254);
	enters(pkt, arp(2, 254, 1, net.cfg.mac));
	sends_to(0xBB, 1);
	cr_assert_null(naive_tunnel_open(out[0].b, out[0].len, &t));
	cr_assert_arr_eq(t.eth_dst, gw, 6);
	cr_assert_eq(t.dst[2], 9);
	down();
}

Test(vsw_overlay_in, ticks_announce_and_resolve_before_packets_come)
{
	unsigned int i, asked = 0;

	up(VSW_OVERLAY_VXLAN, false);
	ovbed_tick(&bed);
	cr_assert_eq(nr, 3);
	is_arp(0, 1, everybody, 1); /* of itself */
	is_arp(1, 1, everybody, 2);
	is_arp(2, 1, everybody, 3);
	enters(pkt, arp(2, 2, 1, net.cfg.mac));
	for (i = 0; i < 100; i++) { /* .3 is silent: asked less often after a while */
		nr = 0;
		ovbed_tick(&bed);
		for (unsigned int k = 0; k < nr; k++)
			asked += out[k].b[41] == 3;
		if (i % 20 == 0)
			enters(pkt, arp(2, 2, 1, net.cfg.mac));
	}
	cr_assert(asked >= 10 && asked <= 16, "%u", asked);
	down();
}

Test(vsw_overlay_in, a_flood_of_questions_is_answered_up_to_a_bound)
{
	struct vsw_overlay_io io;
	uint32_t vsid[VSW_VEC_SIZE], got = 0;
	uint16_t idx[VSW_VEC_SIZE], why[VSW_VEC_SIZE], i;
	static struct vsw_vec v;
	uint8_t frame[VSW_OVERLAY_FRAME_MAX];

	up(VSW_OVERLAY_VXLAN, false);
	arp(1, 42, 1, everybody);
	io = (struct vsw_overlay_io){1, vsid, why};
	for (i = 0; i < VSW_VEC_SIZE; i++) {
		idx[i] = i;
		v.slot[i].pkt = (struct nethv_pkt){.len = 60,
						   .hdr_len = 60,
						   .hdr_off = VSW_SNAP_OFF,
						   .src_port = OVBED_UPLINK};
		memcpy(v.slot[i].snap, pkt, 60);
	}
	vsw_overlay_ingress(bed.ov, &v, idx, VSW_VEC_SIZE, &io);
	vsw_overlay_ingress(bed.ov, &v, idx, VSW_VEC_SIZE, &io);
	while (vsw_overlay_next_frame(bed.ov, 0, frame))
		got++;
	cr_assert_eq(got + total(VSW_OVERLAY_T_arp_lost), 2 * VSW_VEC_SIZE);
	cr_assert_eq(got, total(VSW_OVERLAY_T_arp_out));
	cr_assert_eq(got, 64);
	down();
}

/* ---- Neighbours, IPv6 ------------------------------------------------------------------------ */

static void icmp6_fix(uint8_t *b)
{
	uint32_t len = b[18] * 256u + b[19], sum = 58 + len, i;

	b[56] = b[57] = 0;
	for (i = 0; i < 32; i++)
		sum += i % 2 ? b[22 + i] : b[22 + i] * 256u;
	for (i = 0; i < len; i++)
		sum += i % 2 ? b[54 + i] : b[54 + i] * 256u;
	while (sum > 0xFFFF)
		sum = sum / 65536 + sum % 65536;
	sum = 0xFFFF - sum;
	b[56] = (uint8_t)(sum / 256);
	b[57] = (uint8_t)sum;
}

/* Type, sender (0: unspecified), target, link-layer address option or not. */
static uint32_t ndp(uint8_t type, uint8_t from, uint8_t about, bool has_option)
{
	static const uint8_t group[6] = {0x33, 0x33, 0xFF, 0, 0, 1};

	memset(pkt, 0, 86);
	memcpy(pkt, type == 135 ? group : net.cfg.mac, 6);
	ovnet_mac(pkt + 6, 0, from ? from : 42);
	pkt[12] = 0x86;
	pkt[13] = 0xDD;
	pkt[14] = 0x60;
	pkt[19] = has_option ? 32 : 24;
	pkt[20] = 58;
	pkt[21] = 255;
	if (from)
		memcpy(pkt + 22, ovnet_ip(true, from).b, 16);
	memcpy(pkt + 38, net.cfg.local.b, 16);
	pkt[54] = type;
	memcpy(pkt + 62, ovnet_ip(true, about).b, 16);
	pkt[78] = type == 135 ? 1 : 2;
	pkt[79] = 1;
	ovnet_mac(pkt + 80, 0, from);
	icmp6_fix(pkt);
	return has_option ? 86 : 78;
}

static void is_ndp(unsigned int i, uint8_t type, uint8_t about)
{
	uint8_t copy[86];

	cr_assert_eq(out[i].port, OVBED_UPLINK);
	cr_assert_eq(out[i].len, 86);
	cr_assert_eq(out[i].b[21], 255);
	cr_assert_eq(out[i].b[54], type);
	cr_assert_arr_eq(out[i].b + 22, net.cfg.local.b, 16);
	cr_assert_arr_eq(out[i].b + 62, ovnet_ip(true, about).b, 16);
	cr_assert_eq(out[i].b[78], type == 135 ? 1 : 2);
	cr_assert_arr_eq(out[i].b + 80, net.cfg.mac, 6);
	memcpy(copy, out[i].b, 86);
	icmp6_fix(copy);
	cr_assert_arr_eq(copy, out[i].b, 86);
}

Test(vsw_overlay_in, answers_solicitations_for_the_vtep)
{
	static const uint8_t all_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	uint8_t peer[6];

	up(VSW_OVERLAY_VXLAN, true);
	ovnet_mac(peer, 0, 42);
	for (unsigned int has = 0; has < 2; has++) {
		enters(pkt, ndp(135, 42, 1, has));
		cr_assert_eq(bed.why, 0);
		cr_assert_eq(nr, 1);
		is_ndp(0, 136, 1);
		cr_assert_eq(out[0].b[58], 0x60); /* solicited, override */
		cr_assert_arr_eq(out[0].b, peer, 6);
		cr_assert_arr_eq(out[0].b + 38, ovnet_ip(true, 42).b, 16);
	}
	enters(pkt, ndp(135, 0, 1, false)); /* duplicate address detection */
	cr_assert_eq(nr, 1);
	is_ndp(0, 136, 1);
	cr_assert_eq(out[0].b[58], 0x20);
	cr_assert_arr_eq(out[0].b, all_mac, 6);
	enters(pkt, ndp(135, 42, 9, true));
	cr_assert_eq(nr, 0);
	down();
}

Test(vsw_overlay_in, malformed_solicitations_are_not_answered)
{
	static const struct {
		uint8_t at, to;
		bool is_fixed;
	} bad[] = {{21, 254, true}, {56, 0, false}, {55, 1, true},  {79, 0, true},
		   {79, 2, true},   {19, 33, true}, {20, 17, true}, {14, 0x40, true}};

	up(VSW_OVERLAY_VXLAN, true);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		ndp(135, 42, 1, true);
		pkt[bad[i].at] = bad[i].is_fixed ? bad[i].to : pkt[bad[i].at] ^ 1;
		if (bad[i].is_fixed && bad[i].at != 19)
			icmp6_fix(pkt);
		enters(pkt, 86);
		cr_assert_eq(nr, 0, "byte %u", bad[i].at);
	}
	ndp(135, 42, 1, true);
	for (uint32_t cut = 14; cut < 86; cut++) {
		enters(pkt, cut);
		cr_assert_eq(nr, 0, "cut at %u", cut);
	}
	down();
}

Test(vsw_overlay_in, resolves_next_hops_by_neighbour_discovery)
{
	static const uint8_t group_mac[6] = {0x33, 0x33, 0xFF, 0, 0, 2};
	static const uint8_t group[16] = {0xFF, 2, [11] = 1, [12] = 0xFF, [15] = 2};
	struct naive_tunnel t;
	uint8_t hop[6];

	up(VSW_OVERLAY_GENEVE, true);
	bed.privates = 64;
	ovnet_mac(hop, 0, 2);
	sends_to(0xBB, 1);
	cr_assert_eq(nr, 1);
	is_ndp(0, 135, 2);
	cr_assert_arr_eq(out[0].b, group_mac, 6);
	cr_assert_arr_eq(out[0].b + 38, group, 16);
	enters(pkt, ndp(136, 2, 2, true));
	cr_assert_eq(bed.why, VSW_DROP_consumed);
	sends_to(0xBB, 1);
	cr_assert_eq(nr, 1);
	cr_assert_null(naive_tunnel_open(out[0].b, out[0].len, &t));
	cr_assert_arr_eq(t.eth_dst, hop, 6);
	nr = 0;
	ovbed_tick(&bed);
	is_ndp(0, 136, 1); /* announces itself */
	down();
}
