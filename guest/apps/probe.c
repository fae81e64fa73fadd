/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of `trial`. */
#include "guest/apps/probe.h"
#include "guest/apps/flow.h"
#include "guest/apps/pkt.h"

#define MAGIC	  0x4e54u
#define OFF_SRC	  26u /* the IPv4 source address */
#define OFF_TRIAL 44u
#define OFF_SEQ	  46u
#define OFF_TSC	  52u
#define OFF_CHECK 58u
#define PORT	  7001u

/* Odd: each number has its own place in 32 bits, and neighbours lie far from each other. */
#define MUL_FLOW 0x9e3779b1u
#define MUL_SRC	 0x85ebca6bu
#define MUL_DST	 0xc2b2ae35u

static uint32_t one_of(uint64_t seq, uint32_t mul, uint32_t n)
{
	return (uint32_t)(((uint64_t)((uint32_t)seq * mul) * n) >> 32);
}

static void put48(uint8_t *p, uint64_t v)
{
	pkt_put16(p, (uint16_t)(v >> 32));
	pkt_put32(p + 2, (uint32_t)v);
}

static uint64_t get48(const uint8_t *p)
{
	return (uint64_t)pkt_get16(p) << 32 | pkt_get32(p + 2);
}

static void put24(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 16);
	pkt_put16(p + 1, (uint16_t)v);
}

static uint32_t get24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | pkt_get16(p + 1);
}

static uint16_t check_of(uint16_t trial, uint64_t seq, uint64_t tsc)
{
	uint64_t x = (seq ^ (uint64_t)trial << 48) * 0x9e3779b97f4a7c15ull + tsc;

	x ^= x >> 29;
	return (uint16_t)((x * 0xbf58476d1ce4e5b9ull) >> 48);
}

static uint32_t sum_of(const uint8_t *ip)
{
	uint32_t sum = 0;
	unsigned int i;

	for (i = 0; i < PKT_IP_HDR; i += 2)
		sum += pkt_get16(ip + i);
	return sum;
}

void probe_tmpl_init(struct probe_tmpl *t, const struct probe_cfg *cfg, uint32_t len)
{
	uint8_t *h = t->head, *ip = h + PKT_IP, *udp = h + PKT_UDP;

	__builtin_memset(t, 0, sizeof(*t));
	t->cfg = *cfg;
	t->len = len;
	__builtin_memcpy(h, cfg->dst, 6);
	__builtin_memcpy(h + 6, cfg->src, 6);
	t->dst_low = get24(cfg->dst + 3);
	t->src_low = get24(cfg->src + 3);
	pkt_put16(h + 12, PKT_TYPE_IP);
	ip[0] = 0x45;
	pkt_put16(ip + 2, (uint16_t)(len - PKT_IP));
	ip[8] = 64;
	ip[9] = PKT_PROTO_UDP;
	pkt_put32(ip + 16, 0xc6130001u); /* 198.19.0.1: benchmarks (RFC 2544) */
	t->ip_sum = sum_of(ip);
	pkt_put16(udp, PORT);
	pkt_put16(udp + 2, PORT);
	pkt_put16(udp + 4, (uint16_t)(len - PKT_UDP));
	pkt_put16(h + PKT_UDP_DATA, MAGIC);
	pkt_put16(h + OFF_TRIAL, cfg->trial);
}

static void put_source(const struct probe_tmpl *t, uint8_t *h, uint32_t flow)
{
	uint32_t src = 0x0a000000u + flow, sum = t->ip_sum + (src >> 16) + (src & 0xffff);

	pkt_put32(h + OFF_SRC, src);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	pkt_put16(h + PKT_IP + 10, (uint16_t)~sum);
}

static uint32_t dst_of(const struct probe_cfg *c, uint64_t seq)
{
	return c->is_in_turn ? (uint32_t)(seq % c->dst_macs) : one_of(seq, MUL_DST, c->dst_macs);
}

static void build_head(const struct probe_tmpl *t, uint8_t *h, uint64_t seq, uint64_t tsc)
{
	__builtin_memcpy(h, t->head, PROBE_LEN_MIN);
	if (t->cfg.dst_macs > 1)
		put24(h + 3, t->dst_low + dst_of(&t->cfg, seq));
	if (t->cfg.src_macs > 1)
		put24(h + 9, t->src_low + one_of(seq, MUL_SRC, t->cfg.src_macs));
	put_source(t, h, one_of(seq, MUL_FLOW, t->cfg.flows));
	put48(h + OFF_SEQ, seq);
	put48(h + OFF_TSC, tsc);
	pkt_put16(h + OFF_CHECK, check_of(t->cfg.trial, seq, tsc));
}

void probe_build(const struct probe_tmpl *t, uint8_t *frame, uint64_t seq, uint64_t tsc)
{
	build_head(t, frame, seq, tsc & PROBE_TSC_MASK);
	if (t->len > PROBE_LEN_MIN)
		__builtin_memcpy(frame + PROBE_LEN_MIN, flow_pattern(seq), t->len - PROBE_LEN_MIN);
}

/* Its magic is not that of frames that are counted. */
void probe_announce(const struct probe_tmpl *t, uint8_t *frame, uint32_t i)
{
	build_head(t, frame, 0, 0);
	put24(frame + 3, t->dst_low);
	put24(frame + 9, t->src_low + i);
	pkt_put16(frame + PKT_UDP_DATA, 0);
	if (t->len > PROBE_LEN_MIN)
		__builtin_memset(frame + PROBE_LEN_MIN, 0, t->len - PROBE_LEN_MIN);
}

enum probe_verdict probe_check(const struct probe_tmpl *t, const uint8_t *frame, uint64_t *seq,
			       uint64_t *tsc)
{
	uint8_t want[PROBE_LEN_MIN];

	if (pkt_get16(frame + PKT_UDP_DATA) != MAGIC ||
	    pkt_get16(frame + OFF_TRIAL) != t->cfg.trial)
		return PROBE_OTHER;
	*seq = get48(frame + OFF_SEQ);
	*tsc = get48(frame + OFF_TSC);
	build_head(t, want, *seq, *tsc);
	if (__builtin_memcmp(want, frame, PROBE_LEN_MIN))
		return PROBE_CORRUPT;
	if (t->len > PROBE_LEN_MIN &&
	    __builtin_memcmp(frame + PROBE_LEN_MIN, flow_pattern(*seq), t->len - PROBE_LEN_MIN))
		return PROBE_CORRUPT;
	return PROBE_GOOD;
}
