/* SPDX-License-Identifier: BSD-3-Clause */
/* The overlay's entry: packets that ports of subnets send, and packets from the underlay. What
 * comes from the underlay may be anything: each length is compared with what there is before it
 * is used, and only private bytes are looked at. */
#include "vswitch/overlay/priv.h"

#define GENEVE_CONTROL	0x80u
#define GENEVE_CRITICAL 0x40u
#define VXLAN_HAS_VNI	0x08u
#define IP4_FRAGMENT	0x3FFFu /* more fragments, or an offset */

/* What to do with a packet from the underlay. */
enum fate {
	FATE_PASS,    /* is not for the VTEP */
	FATE_OPEN,    /* a tunnel's: see struct tunnel */
	FATE_LEAVE,   /* an external subnet's tunnel */
	FATE_CONSUME, /* for the VTEP, no tunnel's */
	FATE_COUNT,   /* + enum vsw_overlay_total: dropped for that */
};

struct tunnel {
	const struct subnet *sn;
	struct vsw_overlay_ip from;
	uint32_t addrs;	 /* of the two IP addresses */
	uint32_t l4;	 /* of the UDP header */
	uint32_t l4_len; /* of header and payload, by IP, then by UDP */
	uint32_t strip;	 /* outer headers */
	uint16_t vtep;
};

static enum fate lost(enum vsw_overlay_total why)
{
	return (enum fate)(FATE_COUNT + why);
}

bool head_pull(const struct vsw_vec *v, struct vsw_slot *s, uint32_t want)
{
	const struct nethv_pkt *p = &s->pkt;

	if (p->hdr_len >= want)
		return true;
	if (want > p->len || p->hdr_off < VSW_SNAP_OFF ||
	    p->hdr_off + p->hdr_len > VSW_SNAP_OFF + VSW_SNAP_SIZE)
		return false;
	return vsw_slot_pull(v, s, want);
}

/* ---- Outer headers ------------------------------------------------------------------------- */

static enum fate open_ip4(const struct vsw_overlay *ov, const struct vsw_vec *v, struct vsw_slot *s,
			  struct tunnel *t)
{
	const uint8_t *ip;
	uint32_t hlen, len;

	if (!head_pull(v, s, ETH_HLEN + IP4_HLEN))
		return FATE_CONSUME;
	ip = vsw_hdr(&s->pkt) + ETH_HLEN;
	if (!ip_is(&ov->local, ip + 16) || ip[9] != PROTO_UDP)
		return FATE_CONSUME;
	hlen = (ip[0] & 15) * 4u;
	len = nethv_get16(ip + 2);
	if (ip[0] >> 4 != 4 || hlen < IP4_HLEN || len < hlen + UDP_HLEN ||
	    len > s->pkt.len - ETH_HLEN || !head_pull(v, s, ETH_HLEN + hlen + UDP_HLEN))
		return lost(VSW_OVERLAY_T_malformed);
	ip = vsw_hdr(&s->pkt) + ETH_HLEN;
	if (sum_finish(sum_bytes(ip, hlen)))
		return lost(VSW_OVERLAY_T_bad_csum);
	if (nethv_get16(ip + 6) & IP4_FRAGMENT)
		return lost(VSW_OVERLAY_T_fragment);
	t->from.version = 4;
	memcpy(t->from.b, ip + 12, 4);
	t->addrs = ETH_HLEN + 12;
	t->l4 = ETH_HLEN + hlen;
	t->l4_len = len - hlen;
	return FATE_OPEN;
}

static enum fate open_ip6(const struct vsw_overlay *ov, const struct vsw_vec *v, struct vsw_slot *s,
			  struct tunnel *t)
{
	const uint8_t *ip;
	uint32_t len;

	if (!head_pull(v, s, ETH_HLEN + IP6_HLEN))
		return FATE_CONSUME;
	ip = vsw_hdr(&s->pkt) + ETH_HLEN;
	if (!ip_is(&ov->local, ip + 24))
		return FATE_CONSUME;
	if (ip[6] == PROTO_FRAG)
		return lost(VSW_OVERLAY_T_fragment);
	if (ip[6] != PROTO_UDP)
		return FATE_CONSUME;
	len = nethv_get16(ip + 4);
	if (ip[0] >> 4 != 6 || len < UDP_HLEN || len > s->pkt.len - ETH_HLEN - IP6_HLEN ||
	    !head_pull(v, s, ETH_HLEN + IP6_HLEN + UDP_HLEN))
		return lost(VSW_OVERLAY_T_malformed);
	ip = vsw_hdr(&s->pkt) + ETH_HLEN;
	t->from.version = 6;
	memcpy(t->from.b, ip + 8, 16);
	t->addrs = ETH_HLEN + 8;
	t->l4 = ETH_HLEN + IP6_HLEN;
	t->l4_len = len;
	return FATE_OPEN;
}

/* ---- Tunnel headers ------------------------------------------------------------------------ */

/* Its length, or 0: not one that we may open. */
static uint32_t vxlan_len(const uint8_t *b)
{
	return b[0] & VXLAN_HAS_VNI ? TUNNEL_HLEN : 0;
}

static uint32_t geneve_len(const uint8_t *b)
{
	if (b[0] >> 6 != 0 || b[1] & (GENEVE_CONTROL | GENEVE_CRITICAL) ||
	    nethv_get16(b + 2) != ETYPE_TEB)
		return 0;
	return TUNNEL_HLEN + (b[0] & 0x3F) * 4u;
}

static enum fate open_subnet(const struct vsw_overlay *ov, uint32_t vsid, struct tunnel *t)
{
	t->sn = subnet_find(ov, vsid);
	if (!t->sn)
		return lost(VSW_OVERLAY_T_unknown_vsid);
	if (t->sn->is_external)
		return FATE_LEAVE;
	t->vtep = vtep_find(ov, &t->from);
	if (t->vtep == NO_MEMBER || !subnet_has_vtep(t->sn, t->vtep))
		return lost(VSW_OVERLAY_T_stranger);
	return FATE_OPEN;
}

/* A UDP checksum of 0 is none; over IPv6, too, in a tunnel (RFC 6935). */
static bool is_sum_good(const struct vsw_vec *v, const struct vsw_slot *s, const struct tunnel *t)
{
	const uint8_t *b = vsw_hdr(&s->pkt);
	uint64_t sum;

	if (nethv_get16(b + t->l4 + 6) == 0 ||
	    (s->pkt.flags & NETHV_PKT_CSUM_OK && s->pkt.csum & NETHV_CSUM_UDP))
		return true;
	sum = sum_pseudo(b + t->addrs, t->from.version == 4 ? 8 : 32, PROTO_UDP, t->l4_len);
	return sum_finish(sum + sum_frame(v, s, t->l4, t->l4_len)) == 0;
}

static enum fate open_udp(const struct vsw_overlay *ov, const struct vsw_vec *v, struct vsw_slot *s,
			  struct tunnel *t)
{
	const uint8_t *b = vsw_hdr(&s->pkt) + t->l4;
	uint32_t len = nethv_get16(b + 4), tlen;
	enum fate fate;

	if (nethv_get16(b + 2) != ov->udp_port)
		return FATE_CONSUME;
	if (len > t->l4_len || len < UDP_HLEN + TUNNEL_HLEN + VSW_FRAME_MIN ||
	    !head_pull(v, s, t->l4 + UDP_HLEN + TUNNEL_HLEN))
		return lost(VSW_OVERLAY_T_malformed);
	t->l4_len = len;
	b = vsw_hdr(&s->pkt) + t->l4 + UDP_HLEN;
	tlen = ov->encap == VSW_OVERLAY_VXLAN ? vxlan_len(b) : geneve_len(b);
	if (tlen == 0 || len < UDP_HLEN + tlen + VSW_FRAME_MIN)
		return lost(VSW_OVERLAY_T_malformed);
	t->strip = t->l4 + UDP_HLEN + tlen;
	fate = open_subnet(ov, nethv_get32(b + 4) >> 8, t);
	if (fate == FATE_OPEN && !is_sum_good(v, s, t))
		return lost(VSW_OVERLAY_T_bad_csum);
	return fate;
}

/* ---- Stripping ----------------------------------------------------------------------------- */

/* Cuts off @n bytes in front. They may be more than are private: Geneve has options. */
static bool head_strip(const struct vsw_vec *v, struct vsw_slot *s, uint32_t n)
{
	struct nethv_pkt *p = &s->pkt;
	uint32_t part, most;

	while (n) {
		part = n < p->hdr_len ? n : p->hdr_len;
		p->hdr_off += (uint16_t)part;
		p->hdr_len -= (uint16_t)part;
		p->len -= part;
		if (s->data)
			s->data += part;
		else
			s->sg_off += part;
		n -= part;
		most = p->len < VSW_SNAP_SIZE ? p->len : VSW_SNAP_SIZE;
		if (!head_pull(v, s, most))
			return false;
	}
	return true;
}

/* The inner frame is a new one: nothing that was said of the outer one holds. False: its bytes
 * lie where they cannot be stripped. */
static bool take_out(const struct vsw_vec *v, struct vsw_slot *s, const struct tunnel *t)
{
	struct nethv_pkt *p = &s->pkt;

	p->len = t->l4 + t->l4_len; /* without what Ethernet padded */
	if (p->hdr_len > p->len)
		p->hdr_len = (uint16_t)p->len;
	if (!head_strip(v, s, t->strip))
		return false;
	p->flags &= (uint16_t) ~(NETHV_PKT_VLAN | NETHV_PKT_CSUM_OK | NETHV_PKT_PARSED |
				 NETHV_PKT_FRAGMENT);
	p->flags |= NETHV_PKT_NATIVE;
	p->vlan_tci = 0;
	p->vlan = 0;
	p->csum = 0;
	p->hash = 0;
	p->l3_off = 0;
	p->l4_off = 0;
	return true;
}

/* ---- Entry --------------------------------------------------------------------------------- */

static bool is_tagged(const uint8_t *frame)
{
	uint16_t type = nethv_get16(frame + 12);

	return type == ETYPE_8021Q || type == ETYPE_8021AD;
}

static void learn(struct vsw_overlay *ov, const struct vsw_vec *v, const struct subnet *sn,
		  const uint8_t *frame, uint16_t dest, uint32_t now_s)
{
	uint64_t mac = mac_load(frame + 6);
	enum vsw_overlay_total what;

	if (!sn->is_learning || !mac_is_unicast(mac))
		return;
	what = mac_learn(&ov->macs, subnet_index(ov, sn), mac, dest, now_s);
	if (what != VSW_OVERLAY_TOTAL)
		count_add(&lane_of(ov, v->lcore)->total[what], 1);
}

static enum fate look_at(struct vsw_overlay *ov, const struct vsw_vec *v, struct vsw_slot *s,
			 struct tunnel *t, uint32_t now_s)
{
	const uint8_t *b = vsw_hdr(&s->pkt);
	bool is_ours = mac_load(b) == mac_load(ov->mac), is_heard;
	uint16_t type = nethv_get16(b + 12);
	enum fate fate = FATE_CONSUME;

	if (!is_ours && !(b[0] & 1))
		return FATE_PASS;
	is_heard = type == ETYPE_ARP ? arp_heard(ov, v->lcore, s, now_s)
				     : type == ETYPE_IP6 && ndp_heard(ov, v, s, now_s);
	if (is_heard)
		count_add(&lane_of(ov, v->lcore)->total[VSW_OVERLAY_T_arp_in], 1);
	if (!is_ours || is_heard)
		return is_ours ? FATE_CONSUME : FATE_PASS;
	if (type == ETYPE_IP4 && ov->local.version == 4)
		fate = open_ip4(ov, v, s, t);
	else if (type == ETYPE_IP6 && ov->local.version == 6)
		fate = open_ip6(ov, v, s, t);
	return fate == FATE_OPEN ? open_udp(ov, v, s, t) : fate;
}

static uint16_t from_tunnel(struct vsw_overlay *ov, struct vsw_vec *v, struct vsw_slot *s,
			    const struct tunnel *t, uint32_t now_s)
{
	struct lane *ln = lane_of(ov, v->lcore);
	uint16_t n = subnet_index(ov, t->sn);

	if (!take_out(v, s, t)) {
		count_add(&ln->total[VSW_OVERLAY_T_malformed], 1);
		return VSW_DROP_overlay;
	}
	if (is_tagged(vsw_hdr(&s->pkt))) {
		count_add(&ln->total[VSW_OVERLAY_T_inner_tag], 1);
		return VSW_DROP_vlan_denied;
	}
	count_add(&ln->subnet[n][VSW_OVERLAY_decap], 1);
	count_add(&ln->subnet[n][VSW_OVERLAY_decap_bytes], s->pkt.len);
	count_add(&ln->vtep[t->vtep][VSW_OVERLAY_decap], 1);
	count_add(&ln->vtep[t->vtep][VSW_OVERLAY_decap_bytes], s->pkt.len);
	learn(ov, v, t->sn, vsw_hdr(&s->pkt), DEST_VTEP | t->vtep, now_s);
	return VSW_DROP_none;
}

static uint16_t from_uplink(struct vsw_overlay *ov, struct vsw_vec *v, struct vsw_slot *s,
			    uint32_t now_s, uint32_t *vsid)
{
	struct lane *ln = lane_of(ov, v->lcore);
	struct tunnel t;
	enum fate fate = look_at(ov, v, s, &t, now_s);

	if (fate == FATE_PASS)
		return VSW_DROP_none;
	if (fate == FATE_CONSUME)
		return VSW_DROP_consumed;
	if (fate == FATE_LEAVE) {
		count_add(&ln->total[VSW_OVERLAY_T_external], 1);
		return VSW_DROP_none;
	}
	if (fate >= FATE_COUNT) {
		count_add(&ln->total[fate - FATE_COUNT], 1);
		return VSW_DROP_overlay;
	}
	*vsid = t.sn->vsid;
	return from_tunnel(ov, v, s, &t, now_s);
}

static uint16_t from_port(struct vsw_overlay *ov, struct vsw_vec *v, struct vsw_slot *s,
			  uint32_t now_s, uint32_t *vsid)
{
	struct nethv_pkt *p = &s->pkt;
	const struct subnet *sn = &ov->subnet[ov->subnet_of[p->src_port]];

	if ((p->flags & NETHV_PKT_VLAN && p->vlan_tci & 0xFFF) || is_tagged(vsw_hdr(p)))
		return VSW_DROP_vlan_denied;
	p->flags &= (uint16_t)~NETHV_PKT_VLAN;
	p->flags |= NETHV_PKT_NATIVE;
	p->vlan = 0;
	*vsid = sn->vsid;
	learn(ov, v, sn, vsw_hdr(p), p->src_port, now_s);
	return VSW_DROP_none;
}

void vsw_overlay_ingress(struct vsw_overlay *ov, struct vsw_vec *v, const uint16_t *idx, uint16_t n,
			 const struct vsw_overlay_io *io)
{
	uint16_t k;

	for (k = 0; k < n; k++) {
		struct vsw_slot *s = &v->slot[idx[k]];
		const struct nethv_pkt *p = &s->pkt;
		uint32_t *vsid = &io->vsid[idx[k]];

		*vsid = 0;
		if (p->hdr_len < ETH_HLEN)
			continue;
		if (p->src_port == ov->uplink && p->vlan == ov->vlan)
			io->why[k] = from_uplink(ov, v, s, io->now_s, vsid);
		else if (vsw_overlay_is_native(ov, p->src_port))
			io->why[k] = from_port(ov, v, s, io->now_s, vsid);
	}
}
