/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of `pktgen` and `sink`. */
#include "guest/apps/flow.h"
#include "guest/apps/pkt.h"

#define MAGIC	     0x4e56u
#define OFF_TYPE     44u
#define OFF_FLOW     45u
#define OFF_SEQ	     46u
#define OFF_TSC	     54u
#define PORT_BASE    49152u
#define STARTS	     61u /* places where a pattern may begin, 8 bytes apart */
#define PATTERN_SIZE (FLOW_LEN_MAX + STARTS * 8)

static uint8_t pattern[PATTERN_SIZE];

void flow_init(void)
{
	uint64_t x = 0x243f6a8885a308d3ull;
	unsigned int i;

	for (i = 0; i < sizeof(pattern); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pattern[i] = (uint8_t)(x >> 32);
	}
}

const uint8_t *flow_pattern(uint64_t seq)
{
	return pattern + seq % STARTS * 8;
}

static void put64(uint8_t *p, uint64_t v)
{
	pkt_put32(p, (uint32_t)(v >> 32));
	pkt_put32(p + 4, (uint32_t)v);
}

static uint64_t get64(const uint8_t *p)
{
	return (uint64_t)pkt_get32(p) << 32 | pkt_get32(p + 4);
}

struct flow_id flow_reverse(const struct flow_id *id)
{
	struct flow_id r = *id;

	__builtin_memcpy(r.src, id->dst, 6);
	__builtin_memcpy(r.dst, id->src, 6);
	r.src_ip = id->dst_ip;
	r.dst_ip = id->src_ip;
	return r;
}

void flow_tmpl_init(struct flow_tmpl *t, const struct flow_id *id, uint8_t type, uint32_t len)
{
	uint8_t *h = t->head, *ip = h + PKT_IP, *udp = h + PKT_UDP;
	uint16_t csum;

	__builtin_memset(t, 0, sizeof(*t));
	t->len = len;
	__builtin_memcpy(h, id->dst, 6);
	__builtin_memcpy(h + 6, id->src, 6);
	pkt_put16(h + 12, PKT_TYPE_IP);
	ip[0] = 0x45;
	pkt_put16(ip + 2, (uint16_t)(len - PKT_IP));
	pkt_put16(ip + 4, id->epoch);
	ip[8] = 64;
	ip[9] = PKT_PROTO_UDP;
	pkt_put32(ip + 12, id->src_ip);
	pkt_put32(ip + 16, id->dst_ip);
	csum = pkt_csum(pkt_sum(0, ip, PKT_IP_HDR));
	__builtin_memcpy(ip + 10, &csum, 2);
	pkt_put16(udp, (uint16_t)(PORT_BASE + id->flow));
	pkt_put16(udp + 2, FLOW_PORT);
	pkt_put16(udp + 4, (uint16_t)(len - PKT_UDP));
	pkt_put16(h + PKT_UDP_DATA, MAGIC);
	h[OFF_TYPE] = type;
	h[OFF_FLOW] = id->flow;
}

static void put_report(uint8_t *p, const struct flow_report *r)
{
	put64(p, r->next);
	put64(p + 8, r->unique);
	put64(p + 16, r->lost);
	put64(p + 24, r->duplicated);
	put64(p + 32, r->reordered);
	put64(p + 40, r->corrupted);
}

static void get_report(const uint8_t *p, struct flow_report *r)
{
	r->next = get64(p);
	r->unique = get64(p + 8);
	r->lost = get64(p + 16);
	r->duplicated = get64(p + 24);
	r->reordered = get64(p + 32);
	r->corrupted = get64(p + 40);
}

static uint16_t udp_csum(const uint8_t *frame, uint32_t len)
{
	uint16_t udp_len = (uint16_t)(len - PKT_UDP);

	return pkt_csum(pkt_sum(pkt_pseudo_sum(frame + PKT_IP, PKT_PROTO_UDP, udp_len),
				frame + PKT_UDP, udp_len));
}

void flow_build(const struct flow_tmpl *t, uint8_t *frame, uint64_t seq, uint64_t tsc,
		const struct flow_report *report)
{
	uint16_t csum;

	__builtin_memcpy(frame, t->head, FLOW_LEN_MIN);
	put64(frame + OFF_SEQ, seq);
	pkt_put16(frame + OFF_TSC, (uint16_t)(tsc >> 32));
	pkt_put32(frame + OFF_TSC + 2, (uint32_t)tsc);
	if (report)
		put_report(frame + FLOW_LEN_MIN, report);
	else if (t->len > FLOW_LEN_MIN)
		__builtin_memcpy(frame + FLOW_LEN_MIN, flow_pattern(seq), t->len - FLOW_LEN_MIN);
	csum = udp_csum(frame, t->len);
	if (!csum)
		csum = 0xffff;
	__builtin_memcpy(frame + PKT_UDP + 6, &csum, 2);
}

/* Whether the @len bytes are meant to be one of ours. */
static bool is_ours(const uint8_t *h, uint32_t len)
{
	return len >= FLOW_LEN_MIN && len <= FLOW_LEN_MAX && pkt_get16(h + 12) == PKT_TYPE_IP &&
	       h[PKT_IP] == 0x45 && h[PKT_IP + 9] == PKT_PROTO_UDP &&
	       pkt_get16(h + PKT_UDP + 2) == FLOW_PORT && pkt_get16(h + PKT_UDP_DATA) == MAGIC;
}

static void get_id(const uint8_t *h, struct flow_id *id)
{
	__builtin_memcpy(id->dst, h, 6);
	__builtin_memcpy(id->src, h + 6, 6);
	id->epoch = pkt_get16(h + PKT_IP + 4);
	id->src_ip = pkt_get32(h + PKT_IP + 12);
	id->dst_ip = pkt_get32(h + PKT_IP + 16);
	id->flow = h[OFF_FLOW];
}

enum flow_verdict flow_parse(const uint8_t *frame, uint32_t len, struct flow_msg *m)
{
	uint8_t h[FLOW_REPORT_LEN] = {0};
	uint32_t head = len < sizeof(h) ? len : (uint32_t)sizeof(h);

	if (len < FLOW_LEN_MIN)
		return FLOW_OTHER;
	__builtin_memcpy(h, frame, head);
	if (!is_ours(h, len))
		return FLOW_OTHER;
	if (pkt_get16(h + PKT_IP + 2) != len - PKT_IP ||
	    pkt_get16(h + PKT_UDP + 4) != len - PKT_UDP ||
	    pkt_csum(pkt_sum(0, h + PKT_IP, PKT_IP_HDR)) || udp_csum(frame, len))
		return FLOW_CORRUPT;
	m->type = h[OFF_TYPE];
	m->seq = get64(h + OFF_SEQ);
	m->tsc = (uint64_t)pkt_get16(h + OFF_TSC) << 32 | pkt_get32(h + OFF_TSC + 2);
	get_id(h, &m->id);
	if (m->type == FLOW_DATA)
		return __builtin_memcmp(frame + FLOW_LEN_MIN, flow_pattern(m->seq),
					len - FLOW_LEN_MIN)
			       ? FLOW_CORRUPT
			       : FLOW_GOOD;
	if (m->type == FLOW_FIN || m->type == FLOW_HELLO)
		return FLOW_GOOD;
	if ((m->type != FLOW_CREDIT && m->type != FLOW_FIN_ACK) || len < FLOW_REPORT_LEN)
		return FLOW_CORRUPT;
	get_report(h + FLOW_LEN_MIN, &m->report);
	return FLOW_GOOD;
}
