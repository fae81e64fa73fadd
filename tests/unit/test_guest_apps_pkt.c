/* SPDX-License-Identifier: BSD-3-Clause */
/* What the guest's applications make of frames: echo's answers, pktgen's and sink's frames, the
 * sequence checker, the histogram, addresses as text. */
#include <criterion/criterion.h>

#include <string.h>

#include "guest/apps/echo.h"
#include "guest/apps/flow.h"
#include "guest/apps/hist.h"
#include "guest/apps/pkt.h"
#include "guest/apps/seq.h"
#include "guest/apps/revoke.h"
#include "guest/apps/sink.h"

static const uint8_t peer[6] = {2, 0xaa, 0, 0, 0, 1};
static const uint8_t own[6] = {2, 0xbb, 0, 0, 0, 2};
#define PEER_IP 0x0a000001u
#define OWN_IP	0x0a000002u

static struct echo echo_new(void)
{
	struct echo e = {.ip = OWN_IP};

	memcpy(e.mac, own, 6);
	return e;
}

/* The checksum as RFC 1071 describes it, byte by byte. */
static uint16_t naive_csum(const uint8_t *p, uint32_t len, uint32_t start)
{
	uint32_t sum = start, i;

	for (i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static uint32_t naive_pseudo(const uint8_t *ip, uint32_t udp_len)
{
	uint32_t sum = 17 + udp_len, i;

	for (i = 12; i < 20; i += 2)
		sum += pkt_get16(ip + i);
	return sum;
}

/* Ethernet and IPv4 header around @l4_len bytes of @proto. */
static uint32_t ip_frame(uint8_t *f, uint8_t proto, uint32_t options, uint32_t l4_len)
{
	uint8_t *ip = f + 14;
	uint32_t hdr = 20 + options;

	memcpy(f, own, 6);
	memcpy(f + 6, peer, 6);
	pkt_put16(f + 12, 0x0800);
	memset(ip, 1, hdr); /* options: no-operation */
	ip[0] = (uint8_t)(0x40 | hdr / 4);
	ip[1] = 0;
	pkt_put16(ip + 2, (uint16_t)(hdr + l4_len));
	pkt_put16(ip + 4, 0x1234);
	pkt_put16(ip + 6, 0x4000);
	ip[8] = 3;
	ip[9] = proto;
	pkt_put16(ip + 10, 0);
	pkt_put32(ip + 12, PEER_IP);
	pkt_put32(ip + 16, OWN_IP);
	pkt_put16(ip + 10, naive_csum(ip, hdr, 0));
	return 14 + hdr + l4_len;
}

static uint32_t icmp_frame(uint8_t *f, uint32_t options, uint32_t data)
{
	uint32_t len = ip_frame(f, 1, options, 8 + data), i;
	uint8_t *icmp = f + 34 + options;

	memset(icmp, 0, 8);
	icmp[0] = 8;
	pkt_put32(icmp + 4, 0x11223344);
	for (i = 0; i < data; i++)
		icmp[8 + i] = (uint8_t)(i * 7);
	pkt_put16(icmp + 2, naive_csum(icmp, 8 + data, 0));
	return len;
}

static uint32_t udp_frame(uint8_t *f, uint16_t port, uint32_t data)
{
	uint32_t len = ip_frame(f, 17, 0, 8 + data);
	uint8_t *udp = f + 34;

	memset(udp, 0x5a, 8 + data);
	pkt_put16(udp, 4000);
	pkt_put16(udp + 2, port);
	pkt_put16(udp + 4, (uint16_t)(8 + data));
	pkt_put16(udp + 6, 0);
	pkt_put16(udp + 6, naive_csum(udp, 8 + data, naive_pseudo(f + 14, 8 + data)));
	return len;
}

static uint32_t arp_frame(uint8_t *f)
{
	static const uint8_t request[8] = {0, 1, 8, 0, 6, 4, 0, 1};

	memset(f, 0xff, 6);
	memcpy(f + 6, peer, 6);
	pkt_put16(f + 12, 0x0806);
	memcpy(f + 14, request, 8);
	memcpy(f + 22, peer, 6);
	pkt_put32(f + 28, PEER_IP);
	memset(f + 32, 0, 6);
	pkt_put32(f + 38, OWN_IP);
	return 42;
}

static void assert_answered_to_peer(const uint8_t *f)
{
	cr_assert_arr_eq(f, peer, 6);
	cr_assert_arr_eq(f + 6, own, 6);
}

static void assert_good_ip_answer(const uint8_t *f, uint32_t hdr)
{
	assert_answered_to_peer(f);
	cr_assert_eq(pkt_get32(f + 26), OWN_IP);
	cr_assert_eq(pkt_get32(f + 30), PEER_IP);
	cr_assert_eq(naive_csum(f + 14, hdr, 0), 0);
}

Test(checksum, is_that_of_rfc_1071_at_every_length)
{
	uint8_t buf[300];
	uint16_t c;
	uint32_t len, i;

	for (i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 37 + 11);
	for (len = 0; len < sizeof(buf); len++) {
		c = pkt_csum(pkt_sum(0, buf, len));
		cr_assert_eq(pkt_get16((uint8_t *)&c), naive_csum(buf, len, 0), "at %u", len);
	}
}

Test(checksum, of_all_ones_does_not_overflow)
{
	static uint8_t buf[65536];
	uint16_t c;

	memset(buf, 0xff, sizeof(buf));
	c = pkt_csum(pkt_sum(0, buf, sizeof(buf)));
	cr_assert_eq(c, 0);
}

Test(echo, answers_arp_for_its_address)
{
	struct echo e = echo_new();
	uint8_t f[64];

	cr_assert(echo_reply(&e, f, arp_frame(f)));
	assert_answered_to_peer(f);
	cr_assert_eq(pkt_get16(f + 20), 2);
	cr_assert_arr_eq(f + 22, own, 6);
	cr_assert_eq(pkt_get32(f + 28), OWN_IP);
	cr_assert_arr_eq(f + 32, peer, 6);
	cr_assert_eq(pkt_get32(f + 38), PEER_IP);
}

Test(echo, is_silent_on_arp_for_others_and_on_arp_replies)
{
	struct echo e = echo_new();
	uint8_t f[64];

	arp_frame(f);
	f[41]++;
	cr_assert_not(echo_reply(&e, f, 42));
	arp_frame(f);
	f[21] = 2;
	cr_assert_not(echo_reply(&e, f, 42));
	arp_frame(f);
	cr_assert_not(echo_reply(&e, f, 41));
	cr_assert_eq(e.ignored, 3);
}

Test(echo, answers_pings_of_every_length_with_right_checksums)
{
	struct echo e = echo_new();
	uint8_t f[1600];
	uint32_t data, len;

	for (data = 0; data <= 1472; data++) {
		len = icmp_frame(f, 0, data);
		cr_assert(echo_reply(&e, f, len), "with %u bytes", data);
		assert_good_ip_answer(f, 20);
		cr_assert_eq(f[34], 0);
		cr_assert_eq(pkt_get32(f + 38), 0x11223344);
		cr_assert_eq(naive_csum(f + 34, 8 + data, 0), 0, "with %u bytes", data);
	}
	cr_assert_eq(e.icmp_replies, 1473);
}

Test(echo, copes_with_ip_options_and_ethernet_padding)
{
	struct echo e = echo_new();
	uint8_t f[128] = {0};

	cr_assert(echo_reply(&e, f, icmp_frame(f, 40, 5)));
	assert_good_ip_answer(f, 60);
	cr_assert_eq(naive_csum(f + 74, 13, 0), 0);
	memset(f, 0xee, sizeof(f));
	icmp_frame(f, 0, 2);
	cr_assert(echo_reply(&e, f, 60));
	cr_assert_eq(naive_csum(f + 34, 10, 0), 0);
	cr_assert_eq(f[45], 0xee, "padding is not touched");
}

Test(echo, answers_udp_port_7_and_keeps_the_checksum_right)
{
	struct echo e = echo_new();
	uint8_t f[256];
	uint32_t len = udp_frame(f, 7, 33);

	cr_assert(echo_reply(&e, f, len));
	assert_good_ip_answer(f, 20);
	cr_assert_eq(pkt_get16(f + 34), 7);
	cr_assert_eq(pkt_get16(f + 36), 4000);
	cr_assert_eq(naive_csum(f + 34, 41, naive_pseudo(f + 14, 41)), 0);
	len = udp_frame(f, 8, 33);
	cr_assert_not(echo_reply(&e, f, len), "only port 7");
}

Test(echo, answers_udp_without_a_checksum)
{
	struct echo e = echo_new();
	uint8_t f[256];
	uint32_t len = udp_frame(f, 7, 10);

	pkt_put16(f + 40, 0);
	cr_assert(echo_reply(&e, f, len));
	cr_assert_eq(pkt_get16(f + 40), 0);
}

Test(echo, is_silent_on_broken_checksums)
{
	struct echo e = echo_new();
	uint8_t f[256];
	uint32_t len, at;

	for (at = 14; at < 14 + 20 + 8 + 20; at++) {
		if (at >= 14 + 16 && at < 14 + 20)
			continue; /* the destination: not for us then */
		len = icmp_frame(f, 0, 20);
		f[at] ^= 0x10;
		cr_assert_not(echo_reply(&e, f, len), "byte %u", at);
		len = udp_frame(f, 7, 20);
		f[at] ^= 0x10;
		cr_assert_not(echo_reply(&e, f, len), "byte %u", at);
	}
	cr_assert_gt(e.bad_checksum, 60);
}

Test(echo, is_silent_on_lengths_that_lie_and_on_fragments)
{
	struct echo e = echo_new();
	uint8_t f[256];
	uint32_t len = icmp_frame(f, 0, 20), cut;

	for (cut = 0; cut < len; cut++) {
		icmp_frame(f, 0, 20);
		cr_assert_not(echo_reply(&e, f, cut), "cut to %u", cut);
		udp_frame(f, 7, 20);
		cr_assert_not(echo_reply(&e, f, cut), "cut to %u", cut);
	}
	icmp_frame(f, 0, 20);
	pkt_put16(f + 20, 0x2000);
	pkt_put16(f + 24, 0);
	pkt_put16(f + 24, naive_csum(f + 14, 20, 0));
	cr_assert_not(echo_reply(&e, f, len));
}

/* ---- Frames of pktgen and sink ------------------------------------------------------------- */

static void tmpl(struct flow_tmpl *t, uint8_t type, uint8_t flow, uint16_t epoch, uint32_t len)
{
	struct flow_id id = {.src_ip = PEER_IP, .dst_ip = OWN_IP, .flow = flow, .epoch = epoch};

	memcpy(id.src, peer, 6);
	memcpy(id.dst, own, 6);
	flow_tmpl_init(t, &id, type, len);
}

Test(flow, frames_come_apart_as_they_were_built, .init = flow_init)
{
	struct flow_tmpl t;
	uint8_t f[FLOW_LEN_MAX];
	struct flow_msg m;
	uint32_t len;

	for (len = FLOW_LEN_MIN; len <= FLOW_LEN_MAX; len += len < 300 ? 1 : 97) {
		tmpl(&t, FLOW_DATA, 3, 0xbeef, len);
		flow_build(&t, f, 0x123456789abcull + len, 0xffeeddccbbaaull, NULL);
		cr_assert_eq(naive_csum(f + 14, 20, 0), 0);
		cr_assert_eq(naive_csum(f + 34, len - 34, naive_pseudo(f + 14, len - 34)), 0);
		cr_assert_eq(flow_parse(f, len, &m), FLOW_GOOD);
		cr_assert_eq(m.type, FLOW_DATA);
		cr_assert_eq(m.id.flow, 3);
		cr_assert_eq(m.id.epoch, 0xbeef);
		cr_assert_eq(m.id.src_ip, PEER_IP);
		cr_assert_eq(m.id.dst_ip, OWN_IP);
		cr_assert_eq(m.seq, 0x123456789abcull + len);
		cr_assert_eq(m.tsc, 0xffeeddccbbaaull);
		cr_assert_arr_eq(m.id.src, peer, 6);
		cr_assert_arr_eq(m.id.dst, own, 6);
	}
}

Test(flow, credits_carry_the_report, .init = flow_init)
{
	struct flow_report r = {1, 2, 3, 4, 5, 1ull << 40};
	uint8_t f[FLOW_REPORT_LEN];
	struct flow_tmpl t;
	struct flow_msg m;

	tmpl(&t, FLOW_CREDIT, 0, 1, FLOW_REPORT_LEN);
	flow_build(&t, f, 9, 10, &r);
	cr_assert_eq(flow_parse(f, sizeof(f), &m), FLOW_GOOD);
	cr_assert_eq(memcmp(&m.report, &r, sizeof(r)), 0);
}

Test(flow, any_flipped_bit_is_noticed, .init = flow_init)
{
	static uint8_t f[200];
	struct flow_tmpl t;
	struct flow_msg m;
	uint32_t bit;

	tmpl(&t, FLOW_DATA, 0, 1, sizeof(f));
	flow_build(&t, f, 77, 88, NULL);
	for (bit = 14 * 8; bit < sizeof(f) * 8; bit++) { /* MACs are the switch's business */
		f[bit / 8] ^= (uint8_t)(1u << bit % 8);
		cr_assert_neq(flow_parse(f, sizeof(f), &m), FLOW_GOOD, "bit %u", bit);
		f[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	cr_assert_eq(flow_parse(f, sizeof(f), &m), FLOW_GOOD);
}

Test(flow, the_tail_of_an_older_frame_is_noticed, .init = flow_init)
{
	uint8_t a[1514], b[1514];
	struct flow_tmpl t;
	struct flow_msg m;
	unsigned int n;

	tmpl(&t, FLOW_DATA, 0, 1, sizeof(a));
	for (n = 1; n < 60; n++) {
		flow_build(&t, a, 100, 5, NULL);
		flow_build(&t, b, 100 + n, 5, NULL);
		memcpy(a + 1000, b + 1000, 514);
		cr_assert_eq(flow_parse(a, sizeof(a), &m), FLOW_CORRUPT);
	}
}

Test(flow, cut_or_grown_frames_are_not_good, .init = flow_init)
{
	uint8_t f[256] = {0};
	struct flow_tmpl t;
	struct flow_msg m;
	uint32_t len;

	tmpl(&t, FLOW_DATA, 0, 1, 128);
	flow_build(&t, f, 1, 1, NULL);
	for (len = 0; len < sizeof(f); len++)
		cr_assert_eq(flow_parse(f, len, &m) == FLOW_GOOD, len == 128, "length %u", len);
}

/* ---- Sequence numbers ---------------------------------------------------------------------- */

Test(seq, tells_lost_late_and_double_numbers_apart)
{
	static struct seq s;

	seq_init(&s);
	seq_add(&s, 0);
	seq_add(&s, 1);
	seq_add(&s, 4);
	cr_assert_eq(seq_lost(&s, 0), 2);
	seq_add(&s, 2);
	cr_assert_eq(seq_lost(&s, 0), 1);
	cr_assert_eq(s.reordered, 1);
	seq_add(&s, 2);
	seq_add(&s, 4);
	cr_assert_eq(s.duplicated, 2);
	cr_assert_eq(seq_lost(&s, 0), 1);
	cr_assert_eq(seq_lost(&s, 10), 6, "those behind the last are lost, too");
	cr_assert_eq(s.unique, 4);
}

Test(seq, a_gap_wider_than_the_window_is_lost_once)
{
	static struct seq s;

	seq_init(&s);
	seq_add(&s, 0);
	seq_add(&s, 10 * SEQ_WINDOW);
	cr_assert_eq(seq_lost(&s, 0), 10 * SEQ_WINDOW - 1);
	seq_add(&s, 10 * SEQ_WINDOW - 5);
	cr_assert_eq(s.reordered, 1);
	seq_add(&s, 5);
	cr_assert_eq(s.duplicated, 1, "older than the window: cannot be judged");
}

Test(sink, a_new_epoch_starts_the_flow_anew, .init = flow_init)
{
	static struct sink s;
	struct sink_totals sum;
	struct flow_tmpl t;
	uint8_t f[60];
	uint16_t epoch;

	sink_init(&s);
	for (epoch = 1; epoch <= 3; epoch++) {
		tmpl(&t, FLOW_DATA, 0, epoch, sizeof(f));
		flow_build(&t, f, 0, 1, NULL);
		sink_frame(&s, f, sizeof(f));
		flow_build(&t, f, 2, 1, NULL);
		sink_frame(&s, f, sizeof(f));
	}
	sink_totals(&s, &sum);
	cr_assert_eq(s.rx_packets, 6);
	cr_assert_eq(sum.lost, 3);
	cr_assert_eq(sum.duplicated, 0);
}

Test(sink, counts_damaged_and_strange_frames, .init = flow_init)
{
	static struct sink s;
	struct flow_tmpl t;
	uint8_t f[60];

	sink_init(&s);
	tmpl(&t, FLOW_DATA, 0, 1, sizeof(f));
	flow_build(&t, f, 0, 1, NULL);
	f[59] ^= 1;
	sink_frame(&s, f, sizeof(f));
	memset(f, 0, sizeof(f));
	sink_frame(&s, f, sizeof(f));
	cr_assert_eq(s.corrupted, 1);
	cr_assert_eq(s.strange, 1);
	cr_assert_eq(s.rx_packets, 0);
}

Test(hist, quantiles_are_at_most_a_32nd_too_high)
{
	static struct hist h;
	uint64_t v, q;

	for (v = 1; v <= 100000; v++)
		hist_add(&h, v);
	q = hist_quantile(&h, 500000);
	cr_assert(q >= 50000 && q <= 50000 + 50000 / 32, "%lu", q);
	q = hist_quantile(&h, 990000);
	cr_assert(q >= 99000 && q <= 99000 + 99000 / 32, "%lu", q);
	cr_assert_eq(h.min, 1);
}

Test(hist, takes_the_extremes)
{
	static struct hist h;

	cr_assert_eq(hist_quantile(&h, 500000), 0);
	hist_add(&h, UINT64_MAX);
	hist_add(&h, 0);
	cr_assert_eq(hist_quantile(&h, 1), 0);
	cr_assert_eq(hist_quantile(&h, 1000000), UINT64_MAX);
}

Test(hist, buckets_are_handed_out_in_order_and_hold_all)
{
	static struct hist h;
	uint64_t v, upper, n, sum = 0, last = 0;
	unsigned int i = 0;

	for (v = 1; v < 1000000; v += v / 3 + 1)
		hist_add(&h, v);
	while (hist_next(&h, &i, &upper, &n)) {
		cr_assert(sum == 0 || upper > last);
		last = upper;
		sum += n;
	}
	cr_assert_eq(sum, h.count);
	cr_assert_eq(last, hist_quantile(&h, 1000000));
}

Test(address, text_of_macs_is_read_and_refused)
{
	uint8_t mac[6];

	cr_assert(pkt_parse_mac("02:aB:00:ff:7e:01", mac));
	cr_assert_arr_eq(mac, ((uint8_t[6]){2, 0xab, 0, 0xff, 0x7e, 1}), 6);
	cr_assert_not(pkt_parse_mac("", mac));
	cr_assert_not(pkt_parse_mac("02:aB:00:ff:7e", mac));
	cr_assert_not(pkt_parse_mac("02:aB:00:ff:7e:1", mac));
	cr_assert_not(pkt_parse_mac("02:aB:00:ff:7e:011", mac));
	cr_assert_not(pkt_parse_mac("02-aB-00-ff-7e-01", mac));
	cr_assert_not(pkt_parse_mac("0g:aB:00:ff:7e:01", mac));
}

Test(address, text_of_ips_is_read_and_refused)
{
	uint32_t ip, prefix;

	cr_assert(pkt_parse_ip("10.1.2.255/24", &ip, &prefix));
	cr_assert_eq(ip, 0x0a0102ffu);
	cr_assert_eq(prefix, 24);
	cr_assert(pkt_parse_ip("0.0.0.0", &ip, &prefix));
	cr_assert_eq(prefix, 32);
	cr_assert_not(pkt_parse_ip("10.1.2", &ip, &prefix));
	cr_assert_not(pkt_parse_ip("10.1.2.256", &ip, &prefix));
	cr_assert_not(pkt_parse_ip("10.1.2.3/33", &ip, &prefix));
	cr_assert_not(pkt_parse_ip("10.1.2.3/", &ip, &prefix));
	cr_assert_not(pkt_parse_ip("10.1.2.3x", &ip, &prefix));
	cr_assert_not(pkt_parse_ip("10..2.3", &ip, &prefix));
}

/* ---- revoke -------------------------------------------------------------------------------- */

Test(revoke, each_byte_that_somebody_else_wrote_is_counted)
{
	static uint64_t mem[512];
	struct revoke r = {.cycles = 3};
	unsigned int i;

	for (i = 0; i < 512; i++)
		mem[i] = revoke_pattern(3, i);
	revoke_compare(&r, mem, sizeof(mem));
	cr_assert_eq(r.damaged, 0);
	cr_assert_eq(r.compared, sizeof(mem));
	mem[0] ^= 1;
	((uint8_t *)mem)[4095] ^= 0x80;
	revoke_compare(&r, mem, sizeof(mem));
	cr_assert_eq(r.damaged, 2);
	cr_assert_eq(r.damaged_at, 4088);
	cr_assert_eq(r.damaged_cycles, 1);
	r = (struct revoke){.cycles = 4};
	revoke_compare(&r, mem, sizeof(mem));
	cr_assert_gt(r.damaged, sizeof(mem) / 2, "the pattern of the cycle before is damage");
}

Test(revoke, numbered_frames_are_judged)
{
	uint8_t f[60] = {[12] = 0x88, [13] = 0xb5};
	struct revoke r = {0};
	unsigned int i, n;

	for (n = 300; n < 302; n++) {
		f[20] = (uint8_t)(n >> 8);
		f[21] = (uint8_t)n;
		for (i = 22; i < sizeof(f); i++)
			f[i] = (uint8_t)(n + 1 + i - 22);
		revoke_frame(&r, f, sizeof(f));
	}
	cr_assert_eq(r.numbered, 2);
	cr_assert_eq(r.late + r.corrupted, 0);
	revoke_frame(&r, f, sizeof(f));
	cr_assert_eq(r.late, 1, "twice");
	f[59] ^= 1;
	revoke_frame(&r, f, sizeof(f));
	cr_assert_eq(r.corrupted, 1);
	revoke_frame(&r, f, 21);
	f[13] = 0;
	revoke_frame(&r, f, sizeof(f));
	cr_assert_eq(r.numbered, 4);
	cr_assert_eq(r.rx_packets, 6);
}
