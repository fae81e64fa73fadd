/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP and UDP frames whose checksums, and TCP frames whose cutting, their guest leaves to the switch: over
 * IPv4 and IPv6, with options, extension headers and tags, from guest memory cut in any way. What comes out
 * is compared with a naive model, byte for byte, and each checksum is verified. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/eal.h"
#include "tests/support/naive.h"
#include "tests/support/nvspguest.h"

#define RX_ALL 0x1Fu

static struct nguest g;
static struct prng rng;
static struct naive_frame whole, asked, want;
static uint32_t mss; /* 0: the frame is not cut */
static uint32_t nr_back, nr_want;
static uint16_t tci;
static bool is_tagged, wants_ip;

static void check(void *ctx, const uint8_t *msg, uint32_t len)
{
	const bool is_on = g.bed.nic->st->offload & RX_ALL;
	struct rndis_frame got;
	uint32_t value = 0;

	cr_assert_eq(rndis_parse_packet(msg, len, len, &got), 0);
	if (mss)
		cr_assert(naive_cut(&whole, mss, nr_back, &want));
	else
		want = whole;
	nr_back++;
	cr_assert_eq(got.data_len, want.len);
	cr_assert_null(naive_wrong(msg + got.data_off, got.data_len), "%s",
		       naive_wrong(msg + got.data_off, got.data_len));
	cr_assert_eq(memcmp(msg + got.data_off, want.bytes, want.len), 0, "%u of %u", nr_back,
		     nr_want);
	cr_assert_eq(got.has_vlan, is_tagged);
	if (is_tagged)
		cr_assert_eq(got.vlan_tci, tci);
	cr_assert_eq(nguest_ppi(msg, RNDIS_PPI_CSUM, &value), is_on);
	if (is_on)
		cr_assert_eq(value, whole.kind.is_tcp ? RNDIS_CSUM_TCP_OK : RNDIS_CSUM_UDP_OK);
}

static struct naive_kind any_kind(bool is_tcp, uint32_t payload)
{
	struct naive_kind k = {.is_tcp = is_tcp,
			       .is_v6 = prng_below(&rng, 2),
			       .tcp_flags = (uint8_t)prng_next(&rng),
			       .id = (uint16_t)prng_next(&rng),
			       .seq = (uint32_t)prng_next(&rng),
			       .payload = payload};

	if (prng_below(&rng, 3) == 0)
		k.ip_options = (uint8_t)(8 * prng_below(&rng, 4));
	if (is_tcp)
		k.tcp_options = (uint8_t)(4 * prng_below(&rng, 8));
	return k;
}

static uint32_t csum_request(void)
{
	uint32_t v = asked.kind.is_v6 ? RNDIS_CSUM_IPV6 : RNDIS_CSUM_IPV4;

	v |= asked.kind.is_tcp ? RNDIS_CSUM_TCP : RNDIS_CSUM_UDP;
	if (prng_below(&rng, 4))
		v |= asked.l4 << 16;
	return v | (wants_ip ? RNDIS_CSUM_IP_HDR : 0);
}

static uint32_t lso_request(void)
{
	uint32_t v = mss | RNDIS_LSO_V2 | (asked.kind.is_v6 ? RNDIS_LSO_IPV6 : 0);

	return prng_below(&rng, 4) ? v | asked.l4 << 20 : v;
}

/* Sends it with what it asks for, between other information in any order. */
static void send_asked(void)
{
	struct nguest_ppi ppi[4], t;
	uint32_t n = 0, i, k;

	if (mss)
		ppi[n++] = (struct nguest_ppi){RNDIS_PPI_LSO, lso_request()};
	else
		ppi[n++] = (struct nguest_ppi){RNDIS_PPI_CSUM, csum_request()};
	is_tagged = prng_below(&rng, 2);
	tci = (uint16_t)prng_next(&rng);
	if (is_tagged)
		ppi[n++] = (struct nguest_ppi){RNDIS_PPI_VLAN, rndis_vlan_from_tci(tci)};
	if (prng_below(&rng, 2))
		ppi[n++] = (struct nguest_ppi){RNDIS_PPI_HASH, 7};
	for (i = 0; i < n; i++) {
		k = prng_below(&rng, n);
		t = ppi[i];
		ppi[i] = ppi[k];
		ppi[k] = t;
	}
	nguest_add(&g, asked.bytes, asked.len, ppi, n);
	nguest_send(&g);
}

static void one_frame(const struct naive_kind *k)
{
	static const uint8_t to[6] = {2, 0, 0, 0, 0, 1}, from[6] = {2, 0, 0, 0, 0, 2};
	uint8_t reason[VSW_VEC_SIZE];

	naive_make(&whole, k, to, from, (uint32_t)prng_next(&rng));
	asked = whole;
	naive_unfinish(&asked, mss != 0);
	wants_ip = !k->is_v6 && prng_below(&rng, 2);
	if (wants_ip)
		asked.bytes[asked.l3 + 10] ^= 0x5A;
	g.bed.nic->st->offload = prng_below(&rng, 2) ? NETVSP_OFFLOAD_ALL : 0;
	nr_back = 0;
	nr_want = mss ? (k->payload + mss - 1) / mss : 1;
	send_asked();
	cr_assert_eq(nguest_host_rx(&g), 1, "%s", g.bed.nic->chan[0].fault);
	cr_assert_eq(g.vec.slot[0].pkt.drop_reason, 0, "%s",
		     vsw_drop_name(g.vec.slot[0].pkt.drop_reason));
	cr_assert_eq(nguest_host_tx(&g, reason), 1);
	nguest_host_done(&g);
	cr_assert_eq(nguest_receive(&g, check, NULL), 1);
	cr_assert_eq(nr_back, nr_want);
	cr_assert_eq(g.vec.nr_cut, mss != 0);
	cr_assert_eq(g.vec.cut.sent, nr_want - 1);
	memset(&g.vec.cut, 0, sizeof(g.vec.cut));
	g.vec.nr_cut = 0;
	cr_assert_eq(nguest_host_rx(&g), 0, "the sections come back");
}

/* MSS and MTU as Linux has them, or small ones. */
static void long_frames(uint32_t n, uint16_t mtu)
{
	struct naive_kind k;

	while (n--) {
		mss = prng_below(&rng, 2) ? mtu - 160u : VSW_LSO_MSS_MIN + prng_below(&rng, 800);
		k = any_kind(true, 0);
		k.payload = 1 + prng_below(&rng, mss * 200 < 62780 ? mss * 200 : 62780);
		if (prng_below(&rng, 4) == 0)
			k.payload = mss * (1 + k.payload / (mss + 1)); /* all of one length */
		k.payload = k.payload > 62780 ? 62780 : k.payload;
		one_frame(&k);
	}
}

static void short_frames(uint32_t n, uint16_t mtu)
{
	struct naive_kind k;

	mss = 0;
	while (n--) {
		k = any_kind(prng_below(&rng, 2), prng_below(&rng, mtu - 160u));
		one_frame(&k);
	}
}

static void over(uint16_t mtu)
{
	const struct netvsp_nic_cfg cfg = {.mtu = mtu};
	const uint32_t steps = prng_steps(4000);
	unsigned int how;

	eal_up();
	prng_init(&rng);
	for (how = 0; how < 4; how++) {
		nguest_up(&g, &cfg, &rng, how & 1, how & 2);
		short_frames(steps / 8 + 1, mtu);
		long_frames(steps / 40 + 1, mtu);
		nguest_check_empty(&g);
		nguest_down(&g);
	}
}

Test(netvsp_offload, is_done_in_sections_of_2048, .timeout = 200)
{
	over(1500);
}

Test(netvsp_offload, is_done_in_sections_of_a_page, .timeout = 200)
{
	over(3900);
}

Test(netvsp_offload, is_done_in_sections_of_three_pages, .timeout = 200)
{
	over(9000);
}
