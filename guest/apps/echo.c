/* SPDX-License-Identifier: BSD-3-Clause */
/* Application `echo`. The frame lies in memory that the host can change: every length is fetched
 * once, and nothing but the bytes of the frame itself depends on them. */
#include "guest/apps/echo.h"
#include "guest/apps/pkt.h"

#define ARP_LEN	       (PKT_ETH_HDR + 28u)
#define ICMP_ECHO      8u
#define ICMP_ECHO_CODE 0x0800u
#define IP_TTL	       64u

static void swap_bytes(uint8_t *a, uint8_t *b, uint32_t n)
{
	uint8_t t;

	for (; n; n--, a++, b++) {
		t = *a;
		*a = *b;
		*b = t;
	}
}

static void answer_macs(const struct echo *e, uint8_t *frame)
{
	__builtin_memcpy(frame, frame + 6, 6);
	__builtin_memcpy(frame + 6, e->mac, 6);
}

static bool arp_reply(struct echo *e, uint8_t *frame, uint32_t len)
{
	static const uint8_t request[8] = {0, 1, 8, 0, 6, 4, 0, 1};
	uint8_t *arp = frame + PKT_ETH_HDR;

	if (len < ARP_LEN || __builtin_memcmp(arp, request, sizeof(request)) ||
	    pkt_get32(arp + 24) != e->ip)
		return false;
	arp[7] = 2;
	__builtin_memcpy(arp + 18, arp + 8, 10); /* the asker becomes the target */
	__builtin_memcpy(arp + 8, e->mac, 6);
	pkt_put32(arp + 14, e->ip);
	answer_macs(e, frame);
	e->arp_replies++;
	return true;
}

/* @l4: @len bytes of ICMP. */
static bool icmp_reply(struct echo *e, uint8_t *l4, uint32_t len)
{
	uint16_t csum;
	uint64_t sum;

	if (len < 8 || l4[0] != ICMP_ECHO || l4[1])
		return false;
	if (pkt_csum(pkt_sum(0, l4, len))) {
		e->bad_checksum++;
		return false;
	}
	l4[0] = 0;
	l4[2] = l4[3] = 0;
	sum = pkt_sum(0, l4, len);
	csum = pkt_csum(sum);
	__builtin_memcpy(l4 + 2, &csum, 2);
	e->icmp_replies++;
	return true;
}

static bool udp_reply(struct echo *e, const uint8_t *ip, uint8_t *l4, uint32_t len)
{
	uint32_t udp_len;

	if (len < PKT_UDP_HDR || pkt_get16(l4 + 2) != ECHO_UDP_PORT)
		return false;
	udp_len = pkt_get16(l4 + 4);
	if (udp_len < PKT_UDP_HDR || udp_len > len)
		return false;
	if ((l4[6] || l4[7]) &&
	    pkt_csum(pkt_sum(pkt_pseudo_sum(ip, PKT_PROTO_UDP, (uint16_t)udp_len), l4, udp_len))) {
		e->bad_checksum++;
		return false;
	}
	swap_bytes(l4, l4 + 2, 2); /* the checksum does not mind the order */
	e->udp_replies++;
	return true;
}

static bool ip_reply(struct echo *e, uint8_t *frame, uint32_t len)
{
	uint8_t *ip = frame + PKT_IP;
	uint32_t hdr_len, total;
	uint16_t csum;
	uint8_t first;
	bool is_reply = false;

	if (len < PKT_IP + PKT_IP_HDR || pkt_get32(ip + 16) != e->ip)
		return false;
	first = *(volatile uint8_t *)ip;
	hdr_len = (first & 0xfu) * 4;
	total = pkt_get16(ip + 2);
	if (first >> 4 != 4 || hdr_len < PKT_IP_HDR || total < hdr_len || total > len - PKT_IP ||
	    (pkt_get16(ip + 6) & 0x3fff))
		return false; /* not whole */
	if (pkt_csum(pkt_sum(0, ip, hdr_len))) {
		e->bad_checksum++;
		return false;
	}
	if (ip[9] == PKT_PROTO_ICMP)
		is_reply = icmp_reply(e, ip + hdr_len, total - hdr_len);
	else if (ip[9] == PKT_PROTO_UDP)
		is_reply = udp_reply(e, ip, ip + hdr_len, total - hdr_len);
	if (!is_reply)
		return false;
	swap_bytes(ip + 12, ip + 16, 4);
	ip[8] = IP_TTL;
	pkt_put16(ip + 10, 0);
	csum = pkt_csum(pkt_sum(0, ip, hdr_len));
	__builtin_memcpy(ip + 10, &csum, 2);
	answer_macs(e, frame);
	return true;
}

bool echo_reply(struct echo *e, uint8_t *frame, uint32_t len)
{
	uint16_t type;

	if (len < PKT_ETH_HDR)
		return false;
	type = pkt_get16(frame + 12);
	if (type == PKT_TYPE_ARP && arp_reply(e, frame, len))
		return true;
	if (type == PKT_TYPE_IP && ip_reply(e, frame, len))
		return true;
	e->ignored++;
	return false;
}

static bool is_our_vlan(const struct echo *e, const struct nvsc_frame *f)
{
	if (!e->has_vlan)
		return true;
	return (f->flags & NVSC_FRAME_VLAN) && (f->tci & 0xfff) == e->tci;
}

unsigned int echo_poll(struct echo *e, struct nvsc_queue *q)
{
	struct nvsc_frame f[NVSC_BURST];
	unsigned int n = nvsc_rx_burst(q, f, NVSC_BURST), i;

	for (i = 0; i < n; i++) {
		if (is_our_vlan(e, &f[i]) && echo_reply(e, f[i].data, f[i].len))
			nvsc_tx_forward(q, q, &f[i], 1);
		else
			nvsc_rx_drop(q, &f[i], 1);
	}
	e->rx_packets += n;
	nvsc_flush(q);
	return n;
}
