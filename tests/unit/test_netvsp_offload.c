/* SPDX-License-Identifier: BSD-3-Clause */
/* Offloads: what is offered and switched on, each request that cannot be, and what becomes of frames that
 * find no room. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/eal.h"
#include "tests/support/naive.h"
#include "tests/support/nvspguest.h"
#include "vswitch/offload.h"

static const uint8_t to[6] = {2, 0, 0, 0, 0, 1}, from[6] = {2, 0, 0, 0, 0, 2};

static struct nguest g;
static struct prng rng;
static struct naive_frame frame;

static void setup(void)
{
	const struct netvsp_nic_cfg cfg = {.mtu = 1500};

	eal_up();
	prng_init(&rng);
	nguest_up(&g, &cfg, &rng, false, false);
}

static void teardown(void)
{
	nguest_down(&g);
}

TestSuite(netvsp_offload, .init = setup, .fini = teardown);

/* ---- Offer --------------------------------------------------------------------------------- */

static struct ndis_offload query(uint32_t oid)
{
	uint8_t buf[488];
	struct ndis_offload o;

	cr_assert_eq(netvsp_oid_query(g.bed.nic, oid, NULL, 0, buf, sizeof(buf)), sizeof(o));
	memcpy(&o, buf, sizeof(o));
	cr_assert_eq(o.hdr.type, 0xA7);
	cr_assert_eq(o.hdr.revision, 3);
	cr_assert_eq(o.hdr.size, 156);
	return o;
}

static uint32_t set(const uint8_t *p, uint32_t len)
{
	uint8_t *exact = malloc(len ? len : 1);
	uint32_t status;

	memcpy(exact, p, len);
	status = netvsp_oid_set(g.bed.nic, OID_TCP_OFFLOAD_PARAMETERS, exact, len);
	free(exact);
	return status;
}

/* What Linux wants to see before it uses them. */
Test(netvsp_offload, everything_is_offered)
{
	struct ndis_offload o = query(OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES);

	cr_expect_eq(o.csum.ip4_tx, 0x155);
	cr_expect_eq(o.csum.ip4_rx, 0x155);
	cr_expect_eq(o.csum.ip6_tx, 0x55);
	cr_expect_eq(o.csum.ip6_rx, 0x55);
	cr_expect_eq(o.csum.ip4_tx_encap & o.csum.ip4_rx_encap, 2);
	cr_expect_eq(o.csum.ip6_tx_encap & o.csum.ip6_rx_encap, 2);
	cr_expect_eq(o.lso_v2.ip4_encap & o.lso_v2.ip6_encap, 2);
	cr_expect_eq(o.lso_v2.ip4_max, 62780);
	cr_expect_eq(o.lso_v2.ip6_max, 62780);
	cr_expect_eq(o.lso_v2.ip4_min_segments & o.lso_v2.ip6_min_segments, 2);
	cr_expect_eq(o.lso_v2.ip6_options, 5);
	o = query(OID_TCP_OFFLOAD_CURRENT_CONFIG);
	cr_expect_eq(o.csum.ip4_tx | o.csum.ip4_rx | o.csum.ip6_tx | o.lso_v2.ip4_max, 0,
		     "nothing is on before the guest says so");
}

Test(netvsp_offload, what_linux_sets_is_on)
{
	/* Revision 3 and, for older protocol versions, 2. */
	uint8_t p[28] = {0x80, 3, 28, 0, 1, 4, 4, 4, 4, 0, 0, 2, 2};
	struct ndis_offload o;
	uint32_t was;

	cr_assert_eq(set(p, 28), 0);
	o = query(OID_TCP_OFFLOAD_CURRENT_CONFIG);
	cr_expect_eq(o.csum.ip4_tx, 0x55);
	cr_expect_eq(o.csum.ip4_rx, 0x55);
	cr_expect_eq(o.csum.ip6_tx, 0x55);
	cr_expect_eq(o.lso_v2.ip4_max, 62780);
	cr_expect_eq(o.lso_v2.ip6_max, 62780);
	memcpy(p, (uint8_t[13]){0x80, 2, 22, 0, 4, 3, 2, 0, 1, 0, 0, 1, 0}, 13);
	cr_assert_eq(set(p, 22), 0);
	o = query(OID_TCP_OFFLOAD_CURRENT_CONFIG);
	cr_expect_eq(o.csum.ip4_tx, 0x141, "IP and UDP");
	cr_expect_eq(o.csum.ip4_rx, 0x115, "IP and TCP");
	cr_expect_eq(o.csum.ip6_tx, 0x15, "TCP as it was");
	cr_expect_eq(o.csum.ip6_rx, 0x15);
	cr_expect_eq(o.lso_v2.ip4_max, 0);
	cr_expect_eq(o.lso_v2.ip6_max, 62780, "as it was");
	was = g.bed.nic->st->offload;
	cr_assert_eq(set(p, 22), 0);
	cr_assert_eq(g.bed.nic->st->offload, was, "said again");
}

Test(netvsp_offload, parameters_that_are_none_change_nothing)
{
	uint8_t p[28] = {0x80, 3, 28, 0, 1, 4, 4, 4, 4, 0, 0, 2, 2};
	static const struct {
		uint8_t at, value;
	} bad[] = {{4, 5}, {5, 5}, {6, 255}, {7, 5}, {8, 5}, {11, 3}, {12, 3}, {0, 0xA7}};
	uint32_t was, len;
	unsigned int i;

	cr_assert_eq(set(p, 28), 0);
	was = g.bed.nic->st->offload;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t q[28] = {0x80, 3, 28, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1};

		q[bad[i].at] = bad[i].value;
		cr_expect_eq(set(q, 28), RNDIS_STATUS_INVALID_DATA, "%u", i);
	}
	for (len = 0; len < 16; len++)
		cr_expect_eq(set(p, len), RNDIS_STATUS_INVALID_LENGTH, "%u", len);
	cr_assert_eq(g.bed.nic->st->offload, was);
}

Test(netvsp_offload, an_adapter_without_them_offers_none_and_serves_none)
{
	const uint8_t p[28] = {0x80, 3, 28, 0, 4, 4, 4, 4, 4, 0, 0, 2, 2};
	struct ndis_offload o;

	g.bed.nic->cfg.no_offload = true;
	o = query(OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES);
	memset(&o.hdr, 0, sizeof(o.hdr));
	cr_assert_eq(memcmp(&o, &(struct ndis_offload){0}, sizeof(o)), 0);
	cr_assert_eq(set(p, 28), 0);
	cr_assert_eq(g.bed.nic->st->offload, 0);
}

/* ---- Requests ------------------------------------------------------------------------------ */

#define CSUM RNDIS_OFFLOAD_CSUM
#define LSO  RNDIS_OFFLOAD_LSO
#define V4T  (RNDIS_CSUM_IPV4 | RNDIS_CSUM_TCP)
#define V6T  (RNDIS_CSUM_IPV6 | RNDIS_CSUM_TCP)
#define V4U  (RNDIS_CSUM_IPV4 | RNDIS_CSUM_UDP)
#define AT34 (34u << 16)
#define LSO4 (RNDIS_LSO_V2 | 34u << 20 | 100)
#define LSO6 (RNDIS_LSO_V2 | RNDIS_LSO_IPV6 | 54u << 20 | 100)

/* A TCP frame of 200 bytes of payload; over IPv6 when asked for; byte @at set to @value. */
static const struct {
	const char *what;
	uint8_t offload;
	uint32_t value;
	bool is_v6;
	uint8_t at, byte;
	bool is_good;
} asks[] = {
	{"TCP", CSUM, V4T | AT34, false, 0, 2, true},
	{"TCP, no offset", CSUM, V4T, false, 0, 2, true},
	{"IP header only", CSUM, RNDIS_CSUM_IPV4 | RNDIS_CSUM_IP_HDR, false, 0, 2, true},
	{"IP header of a fragment", CSUM, RNDIS_CSUM_IPV4 | RNDIS_CSUM_IP_HDR, false, 20, 0x20,
	 false},
	{"TCP over IPv6", CSUM, V6T | 54u << 16, true, 0, 2, true},
	{"nothing", CSUM, 0, false, 0, 2, false},
	{"of no version", CSUM, RNDIS_CSUM_TCP, false, 0, 2, false},
	{"of both versions", CSUM, V4T | RNDIS_CSUM_IPV6, false, 0, 2, false},
	{"TCP and UDP", CSUM, V4T | RNDIS_CSUM_UDP, false, 0, 2, false},
	{"UDP of TCP", CSUM, V4U, false, 0, 2, false},
	{"IPv6 of IPv4", CSUM, V6T, false, 0, 2, false},
	{"IPv4 of IPv6", CSUM, V4T, true, 0, 2, false},
	{"header of IPv6", CSUM, V6T | RNDIS_CSUM_IP_HDR, true, 0, 2, false},
	{"offset before", CSUM, V4T | 33u << 16, false, 0, 2, false},
	{"offset behind", CSUM, V4T | 35u << 16, false, 0, 2, false},
	{"offset far behind", CSUM, V4T | 1023u << 16, false, 0, 2, false},
	{"ARP", CSUM, V4T, false, 13, 6, false},
	{"version 5", CSUM, V4T, false, 14, 0x55, false},
	{"header of 16 bytes", CSUM, V4T, false, 14, 0x44, false},
	{"header of 60 bytes with another L4", CSUM, V4T | AT34, false, 14, 0x4F, false},
	{"total length beyond the frame", CSUM, V4T, false, 16, 2, false},
	{"total length one too long", CSUM, V4T, false, 17, 241, false},
	{"total length one short is padding", CSUM, V4T, false, 17, 239, true},
	{"total length in the IP header", CSUM, V4T, false, 17, 19, false},
	{"total length in the TCP header", CSUM, V4T, false, 17, 39, false},
	{"more fragments", CSUM, V4T, false, 20, 0x20, false},
	{"fragment offset", CSUM, V4T, false, 21, 1, false},
	{"ICMP", CSUM, V4T, false, 23, 1, false},
	{"payload length beyond the frame", CSUM, V6T, true, 18, 2, false},
	{"payload length in the TCP header", CSUM, V6T, true, 19, 19, false},
	{"no TCP behind hop-by-hop", CSUM, V6T, true, 20, 0, false},
	{"fragment header", CSUM, V6T, true, 20, 44, false},
	{"second tag", CSUM, V4T, false, 12, 0x81, false},
	{"LSO", LSO, LSO4, false, 0, 2, true},
	{"LSO, no offset", LSO, RNDIS_LSO_V2 | 100, false, 0, 2, true},
	{"LSO over IPv6", LSO, LSO6, true, 0, 2, true},
	{"LSO, least MSS", LSO, RNDIS_LSO_V2 | 28, false, 0, 2, true},
	{"LSO, MSS too small", LSO, RNDIS_LSO_V2 | 27, false, 0, 2, false},
	{"LSO, MSS 0", LSO, RNDIS_LSO_V2, false, 0, 2, false},
	{"LSO, MSS of 16 bits", LSO, RNDIS_LSO_V2 | 0xFFFF, false, 0, 2, true},
	{"LSO, MSS of 17 bits", LSO, RNDIS_LSO_V2 | 0x10064, false, 0, 2, false},
	{"LSO, version 1", LSO, LSO4 & ~RNDIS_LSO_V2, false, 0, 2, false},
	{"LSO, IPv6 of IPv4", LSO, LSO4 | RNDIS_LSO_IPV6, false, 0, 2, false},
	{"LSO, IPv4 of IPv6", LSO, LSO6 & ~RNDIS_LSO_IPV6, true, 0, 2, false},
	{"LSO, offset behind", LSO, RNDIS_LSO_V2 | 35u << 20 | 100, false, 0, 2, false},
	{"LSO of UDP", LSO, LSO4, false, 23, 17, false},
	{"LSO of a fragment", LSO, LSO4, false, 21, 1, false},
	{"LSO, TCP header of 16 bytes", LSO, LSO4, false, 46, 0x40, false},
	{"LSO, TCP header of 60 bytes", LSO, LSO4, false, 46, 0xF0, true},
	{"LSO, length is not looked at", LSO, LSO4, false, 16, 0xFF, true},
};

static uint16_t take(const struct naive_frame *f, uint8_t offload, uint32_t value, uint16_t head,
		     struct vsw_slot *s)
{
	const struct rndis_frame r = {.offloads = offload, .csum = value, .lso = value};
	uint16_t why, n = (uint16_t)(f->len < head ? f->len : head);
	struct nethv_pkt *p = malloc(sizeof(*p) + n); /* a sanitizer sees one byte too many */

	*p = (struct nethv_pkt){.hdr_off = sizeof(*p), .hdr_len = n, .len = f->len};
	memcpy(vsw_hdr(p), f->bytes, n);
	why = netvsp_offload_take(g.bed.nic, p, &r);
	s->pkt = *p;
	memcpy(s->snap, vsw_hdr(p), n < sizeof(s->snap) ? n : sizeof(s->snap));
	s->pkt.hdr_off = VSW_SNAP_OFF;
	free(p);
	return why;
}

Test(netvsp_offload, each_request_is_taken_or_refused)
{
	struct naive_kind k = {.is_tcp = true, .payload = 200};
	struct vsw_slot s;
	unsigned int i;

	for (i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		k.is_v6 = asks[i].is_v6;
		naive_make(&frame, &k, to, from, i);
		frame.bytes[asks[i].at] = asks[i].byte;
		cr_expect_eq(take(&frame, asks[i].offload, asks[i].value, VSW_SNAP_SIZE, &s),
			     asks[i].is_good ? VSW_DROP_none : VSW_DROP_bad_offload, "%s",
			     asks[i].what);
		if (!asks[i].is_good)
			cr_expect_eq(s.pkt.flags, 0, "%s", asks[i].what);
	}
}

/* Headers that do not lie in the private head are not looked at. */
Test(netvsp_offload, a_head_cut_at_any_byte_is_not_left)
{
	struct naive_kind k = {.is_tcp = true, .payload = 100, .tcp_options = 12};
	uint32_t v6, head, need;
	struct vsw_slot s;

	for (v6 = 0; v6 < 2; v6++) {
		k.is_v6 = v6;
		k.ip_options = 8;
		naive_make(&frame, &k, to, from, 1);
		need = frame.l4 + 20;
		for (head = 14; head <= 128; head++) {
			cr_expect_eq(take(&frame, CSUM, v6 ? V6T : V4T, (uint16_t)head, &s),
				     head < need ? VSW_DROP_bad_offload : 0, "%u", head);
			cr_expect_eq(take(&frame, LSO,
					  100 | RNDIS_LSO_V2 | (v6 ? RNDIS_LSO_IPV6 : 0),
					  (uint16_t)head, &s),
				     head < frame.data ? VSW_DROP_bad_offload : 0, "%u", head);
		}
	}
}

Test(netvsp_offload, nothing_to_cut_is_no_long_frame)
{
	struct naive_kind k = {.is_tcp = true};
	struct vsw_slot s;

	naive_make(&frame, &k, to, from, 1);
	cr_assert_eq(take(&frame, LSO, LSO4, 128, &s), VSW_DROP_bad_offload);
}

/* ---- Through the adapter ------------------------------------------------------------------- */

static void send(const struct naive_kind *k, uint32_t type, uint32_t value)
{
	const struct nguest_ppi ppi = {type, value};

	naive_make(&frame, k, to, from, 5);
	naive_unfinish(&frame, type == RNDIS_PPI_LSO);
	nguest_add(&g, frame.bytes, frame.len, &ppi, 1);
	nguest_send(&g);
	cr_assert_eq(nguest_host_rx(&g), 1);
}

static uint32_t nr_seen;
static uint8_t seen[2048];

static void look(void *ctx, const uint8_t *msg, uint32_t len)
{
	struct rndis_frame f;

	cr_assert_eq(rndis_parse_packet(msg, len, len, &f), 0);
	memcpy(seen, msg + f.data_off, f.data_len);
	nr_seen++;
}

/* In send section @i: 125 segments. */
static void send_in_section(uint32_t i)
{
	const struct naive_kind k = {.is_tcp = true, .payload = 125 * 28};
	const struct nguest_ppi ppi = {RNDIS_PPI_LSO, RNDIS_LSO_V2 | 28};
	struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT, .rndis_pkt = {NVSP_CHANNEL_DATA, i}};

	naive_make(&frame, &k, to, from, 5);
	naive_unfinish(&frame, true);
	nguest_add(&g, frame.bytes, frame.len, &ppi, 1);
	m.rndis_pkt.section_size = g.stream_len;
	memcpy(g.send->page[i], g.stream, g.stream_len);
	g.stream_len = g.nr_msgs = 0;
	cr_assert(bed_send_nvsp(&g.bed, &m, i));
}

/* Behind it other guests of the same lcore wait. */
Test(netvsp_offload, a_burst_ends_when_there_is_much_to_cut)
{
	uint32_t i;

	for (i = 0; i < 8; i++)
		send_in_section(i);
	cr_assert_eq(nguest_host_rx(&g), 5);
	nguest_host_done(&g);
	cr_assert_eq(nguest_host_rx(&g), 3);
	nguest_host_done(&g);
}

Test(netvsp_offload, a_frame_longer_than_ip_can_say_is_too_big)
{
	const struct naive_kind k = {.is_tcp = true, .payload = 65553 - 54 + 1};
	struct naive_kind fits = k;

	send(&k, RNDIS_PPI_LSO, RNDIS_LSO_V2 | 1400);
	cr_assert_eq(g.vec.slot[0].pkt.drop_reason, VSW_DROP_too_big);
	nguest_host_done(&g);
	fits.payload--;
	send(&fits, RNDIS_PPI_LSO, RNDIS_LSO_V2 | 1400);
	cr_assert_eq(g.vec.slot[0].pkt.drop_reason, 0);
	nguest_host_done(&g);
}

Test(netvsp_offload, segments_longer_than_the_receivers_mtu_are_too_big)
{
	const struct naive_kind k = {.is_tcp = true, .payload = 5000};
	uint8_t reason[VSW_VEC_SIZE];

	send(&k, RNDIS_PPI_LSO, RNDIS_LSO_V2 | 2000);
	cr_assert_eq(nguest_host_tx(&g, reason), 0);
	cr_assert_eq(reason[0], VSW_DROP_too_big);
	cr_assert_eq(g.vec.cut.lost[VSW_DROP_too_big], 2);
	cr_assert_eq(g.vec.cut.sent, 0);
	nguest_host_done(&g);
}

/* 48 sections are there, 16 are kept: 32 segments arrive, the others are lost. */
Test(netvsp_offload, what_finds_no_room_is_counted_a_segment)
{
	const struct naive_kind k = {.is_tcp = true, .payload = 40 * 1400};
	uint16_t held[NETVSP_SECTIONS_MAX];
	uint32_t nr = g.bed.nic->pool.nr - 48;
	uint8_t reason[VSW_VEC_SIZE];

	cr_assert_eq(netvsp_pool_take(g.bed.nic, held, nr, 0), nr);
	send(&k, RNDIS_PPI_LSO, RNDIS_LSO_V2 | 1400);
	cr_assert_eq(nguest_host_tx(&g, reason), 1);
	cr_assert_eq(reason[0], 0);
	nguest_host_done(&g);
	nguest_receive(&g, look, NULL);
	cr_assert_eq(nr_seen, 32);
	cr_assert_eq(g.vec.cut.sent, 31);
	cr_assert_eq(g.vec.cut.lost[VSW_DROP_rx_no_buffer], 8);
	cr_assert_eq(g.vec.cut.bytes, 32 * (1400 + 54) - (int64_t)frame.len);
	netvsp_pool_give(g.bed.nic, held, nr);
}

Test(netvsp_offload, a_full_ring_takes_what_it_can)
{
	const struct naive_kind k = {.is_tcp = true, .payload = 1200 * 28};
	uint8_t reason[VSW_VEC_SIZE];

	send(&k, RNDIS_PPI_LSO, RNDIS_LSO_V2 | 28);
	cr_assert_eq(nguest_host_tx(&g, reason), 1);
	nguest_host_done(&g);
	nguest_receive(&g, look, NULL);
	cr_assert_gt(nr_seen, 100);
	cr_assert_eq(g.vec.cut.sent, nr_seen - 1);
	cr_assert_eq(g.vec.cut.lost[VSW_DROP_rx_ring_full], 1200 - nr_seen);
}

/* The short cut is taken only where it was configured, and where the guest believes us. */
Test(netvsp_offload, a_checksum_is_left_out_only_when_that_is_wanted)
{
	const struct naive_kind k = {.payload = 100};
	uint8_t reason[VSW_VEC_SIZE];
	unsigned int i;

	for (i = 0; i < 4; i++) {
		g.bed.nic->cfg.lazy_csum = i & 1;
		g.bed.nic->st->offload =
			i & 2 ? NETVSP_RX_UDP4 : NETVSP_OFFLOAD_ALL & ~NETVSP_RX_UDP4;
		send(&k, RNDIS_PPI_CSUM, V4U);
		cr_assert_eq(nguest_host_tx(&g, reason), 1);
		nguest_host_done(&g);
		nguest_receive(&g, look, NULL);
		cr_expect_eq(naive_wrong(seen, frame.len) != NULL, i == 3, "%u", i);
		cr_expect_eq(memcmp(seen, frame.bytes, frame.len) == 0, i == 3, "%u", i);
		nguest_host_rx(&g);
	}
}

/* A device checked it; the guest hears of what it switched on. */
Test(netvsp_offload, what_a_device_found_good_is_told)
{
	static const struct {
		uint16_t csum;
		uint32_t on, told;
	} rows[] = {
		{NETHV_CSUM_TCP | NETHV_CSUM_IP4, NETVSP_RX_TCP4, 0x08},
		{NETHV_CSUM_UDP | NETHV_CSUM_IP4, NETVSP_RX_UDP4, 0x10},
		{NETHV_CSUM_TCP, NETVSP_RX_TCP6, 0x08},
		{NETHV_CSUM_UDP, NETVSP_RX_UDP6, 0x10},
		{NETHV_CSUM_TCP | NETHV_CSUM_IP4 | NETHV_CSUM_IP4_OK, NETVSP_OFFLOAD_ALL, 0x28},
		{NETHV_CSUM_TCP | NETHV_CSUM_IP4 | NETHV_CSUM_IP4_OK, NETVSP_RX_IP4, 0x20},
		{NETHV_CSUM_TCP, NETVSP_RX_TCP4 | NETVSP_RX_UDP6 | NETVSP_RX_IP4, 0},
		{NETHV_CSUM_UDP | NETHV_CSUM_IP4, NETVSP_RX_UDP6 | NETVSP_RX_TCP4, 0},
	};
	static uint16_t idx[1];
	uint8_t reason[1] = {0};
	struct vmbus_xfer_range r;
	unsigned int i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t pkt[256];
		uint32_t value = 0;

		g.bed.nic->st->offload = rows[i].on;
		g.vec.slot[0].pkt = (struct nethv_pkt){.hdr_off = VSW_SNAP_OFF,
						       .len = 60,
						       .hdr_len = 60,
						       .flags = NETHV_PKT_CSUM_OK,
						       .csum = rows[i].csum};
		cr_assert_eq(netvsp_tx(g.bed.nic, &g.vec, idx, 1, reason), 1);
		cr_assert_gt(bed_recv(&g.bed, 0, pkt, sizeof(pkt)), 0);
		memcpy(&r, pkt + 24, sizeof(r));
		cr_expect_eq(nguest_ppi(g.recv->flat + r.byte_offset, RNDIS_PPI_CSUM, &value),
			     rows[i].told != 0, "%u", i);
		cr_expect_eq(value, rows[i].told, "%u", i);
	}
}

Test(netvsp_offload, the_hash_that_chose_the_queue_is_told)
{
	const struct naive_kind k = {.is_tcp = true, .payload = 100};
	struct vmbus_xfer_range r;
	uint32_t value = 0, type = 0, hash;
	uint8_t reason[VSW_VEC_SIZE], pkt[256];

	g.bed.nic->st->rss_on = 1;
	g.bed.nic->st->rss_entries = 1;
	memset(g.bed.nic->st->rss_key, 0x5A, NDIS_RSS_KEY_SIZE);
	send(&k, RNDIS_PPI_CSUM, V4T);
	cr_assert_eq(netvsp_rss_hash(g.bed.nic, &g.vec.slot[0].pkt, &hash), 0x201);
	cr_assert_eq(nguest_host_tx(&g, reason), 1);
	cr_assert_gt(bed_recv(&g.bed, 0, pkt, sizeof(pkt)), 0);
	memcpy(&r, pkt + 24, sizeof(r));
	cr_assert(nguest_ppi(g.recv->flat + r.byte_offset, RNDIS_PPI_HASH, &value));
	cr_assert_eq(value, hash);
	cr_assert(nguest_ppi(g.recv->flat + r.byte_offset, RNDIS_PPI_HASH_INFO, &type));
	cr_assert_eq(type, 0x201);
	nguest_host_done(&g);
}
