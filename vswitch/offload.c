/* SPDX-License-Identifier: BSD-3-Clause */
/* Checksums and segments. */
#include "vswitch/offload.h"

#include <string.h>

#include <rte_ip.h>

#define IP4_TOTAL_LEN	2u
#define IP4_ID		4u
#define IP4_CSUM	10u
#define IP6_PAYLOAD_LEN 4u
#define IP6_HDR_LEN	40u
#define TCP_SEQ		4u
#define TCP_DATA_OFF	12u
#define TCP_FLAGS	13u
#define TCP_CSUM	16u
#define UDP_CSUM	6u
#define TCP_FIN_PSH	0x09u
#define TCP_CWR		0x80u

static inline uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static inline void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xFFFF);
}

uint32_t vsw_l4_len(const struct nethv_pkt *p)
{
	const uint8_t *ip = vsw_hdr(p) + p->l3_off;

	if (p->csum & NETHV_CSUM_IP4)
		return get16(ip + IP4_TOTAL_LEN) + p->l3_off - p->l4_off;
	return get16(ip + IP6_PAYLOAD_LEN) + IP6_HDR_LEN + p->l3_off - p->l4_off;
}

uint32_t vsw_lso_hdr_len(const struct nethv_pkt *p)
{
	return p->l4_off + (vsw_hdr(p)[p->l4_off + TCP_DATA_OFF] >> 4) * 4u;
}

uint32_t vsw_lso_segments(const struct nethv_pkt *p)
{
	return (p->len - vsw_lso_hdr_len(p) + p->lso_mss - 1) / p->lso_mss;
}

void vsw_csum_finish(const struct nethv_pkt *p, uint8_t *frame)
{
	const bool is_tcp = p->csum & NETHV_CSUM_TCP;
	uint8_t *l4 = frame + p->l4_off;
	uint16_t sum = (uint16_t)~rte_raw_cksum(l4, vsw_l4_len(p));

	if (sum == 0 && !is_tcp)
		sum = 0xFFFF; /* 0 would say that there is none */
	memcpy(l4 + (is_tcp ? TCP_CSUM : UDP_CSUM), &sum, sizeof(sum));
}

void vsw_csum_ip4(uint8_t *ip, uint32_t hdr_len)
{
	uint16_t sum;

	put16(ip + IP4_CSUM, 0);
	sum = (uint16_t)~rte_raw_cksum(ip, hdr_len);
	memcpy(ip + IP4_CSUM, &sum, sizeof(sum));
}

void vsw_lso_ip_whole(const struct nethv_pkt *p, uint8_t *ip)
{
	uint32_t len = p->len - p->l3_off;

	if (!(p->csum & NETHV_CSUM_IP4))
		len -= IP6_HDR_LEN;
	if (len > UINT16_MAX)
		len = UINT16_MAX;
	if (p->csum & NETHV_CSUM_IP4) {
		put16(ip + IP4_TOTAL_LEN, len);
		put16(ip + IP4_CSUM, 0);
	} else {
		put16(ip + IP6_PAYLOAD_LEN, len);
	}
}

/* ---- Segments ------------------------------------------------------------------------------ */

void vsw_seg_begin(struct vsw_seg *g, const struct vsw_vec *v, const struct vsw_slot *s)
{
	const struct nethv_pkt *p = &s->pkt;
	const uint8_t *seq = vsw_hdr(p) + p->l4_off + TCP_SEQ;

	g->from = s;
	g->v = v;
	g->hdr_len = vsw_lso_hdr_len(p);
	g->payload = p->len - g->hdr_len;
	g->next = 0;
	g->seq = get16(seq) << 16 | get16(seq + 2);
	g->id = (uint16_t)get16(vsw_hdr(p) + p->l3_off + IP4_ID);
	g->slot.pkt = *p;
	g->slot.pkt.hdr_off = VSW_SNAP_OFF;
	g->slot.pkt.flags = (p->flags & NETHV_PKT_VLAN) | NETHV_PKT_CSUM;
	g->slot.pkt.lso_mss = 0;
	g->slot.mbuf = NULL;
	g->slot.data = s->data;
	g->slot.sg_off = s->sg_off;
	g->slot.sg_first = s->sg_first;
	g->slot.sg_count = s->sg_count;
}

/* Moves the backing on by @n bytes. */
static void backing_advance(struct vsw_seg *g, uint32_t n)
{
	struct vsw_slot *s = &g->slot;

	if (s->data) {
		s->data += n;
		return;
	}
	s->sg_off += n;
	while (s->sg_count > 1 && s->sg_off >= g->v->sg[s->sg_first].len) {
		s->sg_off -= g->v->sg[s->sg_first].len;
		s->sg_first++;
		s->sg_count--;
	}
}

static void fix_ip(const struct vsw_seg *g, uint32_t l4_len)
{
	const struct nethv_pkt *p = &g->slot.pkt;
	uint32_t hdr_len = p->l4_off - p->l3_off;
	uint8_t *ip = vsw_hdr(p) + p->l3_off;

	if (!(p->csum & NETHV_CSUM_IP4)) {
		put16(ip + IP6_PAYLOAD_LEN, hdr_len - IP6_HDR_LEN + l4_len);
		return;
	}
	put16(ip + IP4_TOTAL_LEN, hdr_len + l4_len);
	put16(ip + IP4_ID, g->id);
	vsw_csum_ip4(ip, hdr_len);
}

/* FIN and PSH belong to the last segment, CWR to the first one. The sum of the pseudo header lacks the
 * length: it differs from segment to segment. */
static void fix_tcp(const struct vsw_seg *g, uint32_t at, uint32_t l4_len, bool is_last)
{
	uint8_t *tcp = vsw_hdr(&g->slot.pkt) + g->slot.pkt.l4_off;
	uint32_t sum = get16(tcp + TCP_CSUM) + l4_len;

	put32(tcp + TCP_SEQ, g->seq + at);
	if (!is_last)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_FIN_PSH;
	if (at)
		tcp[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
	put16(tcp + TCP_CSUM, (sum & 0xFFFF) + (sum >> 16));
}

/* What lies in the private bytes behind the headers leaves from there: it belongs to the first one. */
bool vsw_seg_next(struct vsw_seg *g)
{
	const struct nethv_pkt *from = &g->from->pkt;
	struct nethv_pkt *p = &g->slot.pkt;
	uint32_t at = g->next, left = g->payload - at;
	uint32_t n = left < from->lso_mss ? left : from->lso_mss;

	if (n == 0)
		return false;
	if (at)
		backing_advance(g, from->lso_mss);
	p->len = g->hdr_len + n;
	p->hdr_len = (uint16_t)g->hdr_len;
	if (at == 0)
		p->hdr_len = (uint16_t)(from->hdr_len < p->len ? from->hdr_len : p->len);
	memcpy(g->slot.snap, vsw_hdr(from), p->hdr_len);
	fix_ip(g, p->len - p->l4_off);
	fix_tcp(g, at, p->len - p->l4_off, n == left);
	g->id++;
	g->next = at + n;
	return true;
}

/* ---- Accounts ------------------------------------------------------------------------------ */

uint8_t vsw_cut_add(struct vsw_vec *v, const struct nethv_pkt *p, uint32_t nr, uint32_t sent,
		    uint64_t bytes, uint8_t why)
{
	struct vsw_cut *c = &v->cut;

	v->nr_cut++;
	if (sent == 0) {
		c->lost[why] += nr - 1;
		return why;
	}
	c->sent += sent - 1;
	c->lost[why] += nr - sent;
	c->bytes += (int64_t)bytes - p->len;
	return VSW_DROP_none;
}
