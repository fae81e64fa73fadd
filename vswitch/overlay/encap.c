/* SPDX-License-Identifier: BSD-3-Clause */
/* Outer headers of what goes into a tunnel. */
#include "vswitch/overlay/priv.h"

#define TTL	   64u
#define DF	   0x4000u
#define EPHEMERAL  0xC000u /* 49152 ..: RFC 7348 */
#define EPHEMERALS 0x4000u

static uint64_t load64(const void *at)
{
	uint64_t v;

	memcpy(&v, at, 8);
	return v;
}

static uint32_t load32(const void *at)
{
	uint32_t v;

	memcpy(&v, at, 4);
	return v;
}

/* Ports of a whole TCP or UDP packet: its fragments must not take another way than each other. */
static uint64_t hash_l4(const struct nethv_pkt *p, const uint8_t *b)
{
	bool is_cut = p->flags & NETHV_PKT_FRAGMENT ||
		      (p->l3_version == 4 && nethv_get16(b + p->l3_off + 6) & 0x3FFF) ||
		      (p->l3_version == 6 && b[p->l3_off + 6] == PROTO_FRAG);

	if (is_cut || !p->l4_off || p->l4_off + 4u > p->hdr_len ||
	    (p->l4_proto != 6 && p->l4_proto != PROTO_UDP))
		return 0;
	return load32(b + p->l4_off) + 1ull;
}

static uint64_t flow_hash(const struct nethv_pkt *p)
{
	const uint8_t *b = vsw_hdr(p), *ip = b + p->l3_off;
	bool is_parsed = p->flags & NETHV_PKT_PARSED && p->l3_off;

	if (is_parsed && p->l3_version == 4 && p->l3_off + IP4_HLEN <= p->hdr_len)
		return mix64(load64(ip + 12) ^ mix64(hash_l4(p, b) ^ p->l4_proto));
	if (is_parsed && p->l3_version == 6 && p->l3_off + IP6_HLEN <= p->hdr_len)
		return mix64(load64(ip + 8) ^ mix64(load64(ip + 16)) ^
			     mix64(load64(ip + 24) ^ mix64(load64(ip + 32) ^ hash_l4(p, b))));
	return mix64(load64(b) ^ mix64(load32(b + 8)));
}

static void put_ip4(const struct vsw_overlay *ov, uint8_t *ip, const struct vtep *to, uint32_t len)
{
	memset(ip, 0, IP4_HLEN);
	ip[0] = 0x45;
	put16(ip + 2, IP4_HLEN + len);
	put16(ip + 6, DF);
	ip[8] = TTL;
	ip[9] = PROTO_UDP;
	memcpy(ip + 12, ov->local.b, 4);
	memcpy(ip + 16, to->ip.b, 4);
	put16(ip + 10, sum_finish(sum_bytes(ip, IP4_HLEN)));
}

static void put_ip6(const struct vsw_overlay *ov, uint8_t *ip, const struct vtep *to, uint32_t len)
{
	put32(ip, 0x60000000u);
	put16(ip + 4, len);
	ip[6] = PROTO_UDP;
	ip[7] = TTL;
	memcpy(ip + 8, ov->local.b, 16);
	memcpy(ip + 24, to->ip.b, 16);
}

static void put_tunnel(const struct vsw_overlay *ov, uint8_t *b, uint32_t vsid)
{
	memset(b, 0, TUNNEL_HLEN);
	if (ov->encap == VSW_OVERLAY_VXLAN)
		b[0] = 0x08;
	else
		put16(b + 2, ETYPE_TEB);
	put32(b + 4, vsid << 8);
}

/* Over IPv6 with the sum of the inner frame. A guest that changes it meanwhile gets it lost. */
static void put_udp_sum(const struct vsw_overlay *ov, const struct vsw_vec *v,
			const struct vsw_slot *s, const uint8_t *addrs, uint8_t *udp)
{
	uint32_t len = nethv_get16(udp + 4);
	uint16_t sum;

	if (ov->local.version == 4 || ov->has_zero_csum6)
		return;
	sum = sum_finish((uint64_t)sum_pseudo(addrs, 32, PROTO_UDP, len) +
			 sum_bytes(udp, UDP_HLEN + TUNNEL_HLEN) + sum_frame(v, s, 0, s->pkt.len));
	put16(udp + 6, sum ? sum : 0xFFFF);
}

static void build(struct vsw_overlay *ov, const struct vsw_vec *v, const struct vsw_slot *s,
		  const struct vsw_overlay_to *to, struct vsw_overlay_head *h)
{
	uint32_t len = UDP_HLEN + TUNNEL_HLEN + s->pkt.len;
	bool is_ip4 = ov->local.version == 4;
	uint8_t *ip = h->b + ETH_HLEN, *udp = ip + (is_ip4 ? IP4_HLEN : IP6_HLEN);

	memcpy(h->b + 6, ov->mac, 6);
	put16(h->b + 12, is_ip4 ? ETYPE_IP4 : ETYPE_IP6);
	if (is_ip4)
		put_ip4(ov, ip, &ov->vtep[to->vtep], len);
	else
		put_ip6(ov, ip, &ov->vtep[to->vtep], len);
	put16(udp, EPHEMERAL + (uint32_t)(flow_hash(&s->pkt) & (EPHEMERALS - 1)));
	put16(udp + 2, ov->udp_port);
	put16(udp + 4, len);
	put16(udp + 6, 0);
	put_tunnel(ov, udp + UDP_HLEN, to->vsid);
	put_udp_sum(ov, v, s, ip + 8, udp);
	h->len = (uint16_t)(udp + UDP_HLEN + TUNNEL_HLEN - h->b);
}

static uint16_t refuse(struct vsw_overlay *ov, const struct vsw_vec *v, uint16_t subnet,
		       uint16_t vtep, enum vsw_overlay_count what)
{
	struct lane *ln = lane_of(ov, v->lcore);

	count_add(&ln->subnet[subnet][what], 1);
	count_add(&ln->vtep[vtep][what], 1);
	return what == VSW_OVERLAY_too_big ? VSW_DROP_too_big : VSW_DROP_overlay;
}

uint16_t vsw_overlay_head(struct vsw_overlay *ov, const struct vsw_vec *v, uint16_t i,
			  const struct vsw_overlay_to *to, struct vsw_overlay_head *h)
{
	const struct vsw_slot *s = &v->slot[i];
	const struct subnet *sn = subnet_find(ov, to->vsid);
	struct lane *ln = lane_of(ov, v->lcore);
	const struct vtep *vt;
	uint64_t mac;
	uint16_t n;

	if (!sn || to->vtep >= ov->nr_vteps || !subnet_has_vtep(sn, to->vtep))
		return VSW_DROP_overlay;
	n = subnet_index(ov, sn);
	vt = &ov->vtep[to->vtep];
	if (s->pkt.len > vsw_overlay_inner_mtu(ov) + ETH_HLEN)
		return refuse(ov, v, n, to->vtep, VSW_OVERLAY_too_big);
	mac = vt->neigh == NO_MEMBER ? vt->next_hop : neigh_use(ov, v->lcore, vt->neigh, to->now_s);
	if (!mac)
		return refuse(ov, v, n, to->vtep, VSW_OVERLAY_unresolved);
	memcpy(h->b, &mac, 6);
	build(ov, v, s, to, h);
	count_add(&ln->subnet[n][VSW_OVERLAY_encap], 1);
	count_add(&ln->subnet[n][VSW_OVERLAY_encap_bytes], s->pkt.len);
	count_add(&ln->vtep[to->vtep][VSW_OVERLAY_encap], 1);
	count_add(&ln->vtep[to->vtep][VSW_OVERLAY_encap_bytes], s->pkt.len);
	return VSW_DROP_none;
}
