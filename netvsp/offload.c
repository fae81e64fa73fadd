/* SPDX-License-Identifier: BSD-3-Clause */
/* Checksum and segmentation offload: what is offered, what the guest switched on, and whether what it
 * asks of a frame can be. Requests are checked on the private head, once; whoever delivers the frame
 * relies on it (vswitch/offload.h). */
#include <string.h>

#include "netvsp/priv.h"
#include "netvsp/rndis.h"
#include "vswitch/offload.h"

#define LSO_MAX_SIZE	 62780u
#define LSO_MIN_SEGMENTS 2u

#define ETH_TYPE    12u
#define ETH_LEN	    14u
#define TAG_LEN	    4u
#define ETH_8021Q   0x8100u
#define ETH_IPV4    0x0800u
#define ETH_IPV6    0x86DDu
#define IP4_LEN_MIN 20u
#define IP6_LEN	    40u
#define PROTO_TCP   6u
#define PROTO_UDP   17u
#define TCP_LEN_MIN 20u
#define UDP_LEN	    8u

/* ---- One frame ----------------------------------------------------------------------------- */

/* What the private head says of a frame's layers. */
struct layers {
	bool is_v4;
	uint8_t proto;	 /* of layer 4 */
	uint32_t l3, l4; /* offsets; [0, l4) lies in the private head */
	uint32_t ip_len; /* as the IP header has it, with that header */
};

static inline uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static bool layers_v4(const struct nethv_pkt *p, struct layers *l)
{
	const uint8_t *ip = vsw_hdr(p) + l->l3;

	if (p->hdr_len < l->l3 + IP4_LEN_MIN || ip[0] >> 4 != 4)
		return false;
	l->is_v4 = true;
	l->l4 = l->l3 + (ip[0] & 15u) * 4;
	l->proto = ip[9];
	l->ip_len = get16(ip + 2);
	/* A fragment has no checksum of its own. */
	return (ip[0] & 15u) >= 5 && l->l4 <= p->hdr_len && (get16(ip + 6) & 0x3FFF) == 0;
}

static bool is_extension(uint8_t next)
{
	return next == 0 || next == 43 || next == 60; /* hop-by-hop, routing, destination options */
}

/* Each extension header takes 8 bytes at least, so the private head bounds the loop. */
static bool layers_v6(const struct nethv_pkt *p, struct layers *l)
{
	const uint8_t *ip = vsw_hdr(p) + l->l3;

	if (p->hdr_len < l->l3 + IP6_LEN || ip[0] >> 4 != 6)
		return false;
	l->is_v4 = false;
	l->l4 = l->l3 + IP6_LEN;
	l->proto = ip[6];
	l->ip_len = get16(ip + 4) + IP6_LEN;
	while (is_extension(l->proto)) {
		if (p->hdr_len < l->l4 + 8)
			return false;
		l->proto = vsw_hdr(p)[l->l4];
		l->l4 += (vsw_hdr(p)[l->l4 + 1] + 1u) * 8;
	}
	return l->l4 <= p->hdr_len;
}

static bool layers_find(const struct nethv_pkt *p, struct layers *l)
{
	uint32_t type = get16(vsw_hdr(p) + ETH_TYPE); /* a frame is no runt, so that is there */

	l->l3 = ETH_LEN;
	if (type == ETH_8021Q && p->hdr_len >= ETH_LEN + TAG_LEN) {
		l->l3 += TAG_LEN;
		type = get16(vsw_hdr(p) + ETH_TYPE + TAG_LEN);
	}
	if (type == ETH_IPV4)
		return layers_v4(p, l);
	return type == ETH_IPV6 && layers_v6(p, l);
}

static void note(struct nethv_pkt *p, const struct layers *l, uint16_t flag)
{
	p->flags |= flag;
	p->l3_off = (uint8_t)l->l3;
	p->l4_off = (uint8_t)l->l4;
	p->csum = (l->is_v4 ? NETHV_CSUM_IP4 : 0) |
		  (l->proto == PROTO_TCP ? NETHV_CSUM_TCP : NETHV_CSUM_UDP);
}

/* The header whose checksum is asked for, and all that it covers, are there. */
static bool has_l4(const struct nethv_pkt *p, const struct layers *l, uint32_t value)
{
	const bool is_tcp = value & RNDIS_CSUM_TCP;
	const uint32_t need = is_tcp ? TCP_LEN_MIN : UDP_LEN, at = RNDIS_CSUM_L4(value);

	return l->proto == (is_tcp ? PROTO_TCP : PROTO_UDP) && (at == 0 || at == l->l4) &&
	       l->l4 + need <= p->hdr_len && l->ip_len >= l->l4 - l->l3 + need &&
	       l->ip_len <= p->len - l->l3;
}

/* The IPv4 header's checksum is computed here and now: all of the header is private. */
static bool take_csum(struct nethv_pkt *p, uint32_t value)
{
	const uint32_t l4 = value & (RNDIS_CSUM_TCP | RNDIS_CSUM_UDP);
	struct layers l;

	if (!layers_find(p, &l) || l4 == (RNDIS_CSUM_TCP | RNDIS_CSUM_UDP) ||
	    (value & (RNDIS_CSUM_IPV4 | RNDIS_CSUM_IPV6)) !=
		    (l.is_v4 ? RNDIS_CSUM_IPV4 : RNDIS_CSUM_IPV6))
		return false;
	if (l4 && !has_l4(p, &l, value))
		return false;
	if (value & RNDIS_CSUM_IP_HDR) {
		if (!l.is_v4)
			return false;
		vsw_csum_ip4(vsw_hdr(p) + l.l3, l.l4 - l.l3);
	}
	if (l4)
		note(p, &l, NETHV_PKT_CSUM);
	return true;
}

/* IPv4's total length and IPv6's payload length are for us to write. */
static bool take_lso(struct nethv_pkt *p, uint32_t value)
{
	const uint32_t at = RNDIS_LSO_L4(value), mss = RNDIS_LSO_MSS(value);
	struct layers l;
	uint32_t hdr_len;

	if (!(value & RNDIS_LSO_V2) || mss < VSW_LSO_MSS_MIN || mss > UINT16_MAX ||
	    !layers_find(p, &l) || l.is_v4 == !!(value & RNDIS_LSO_IPV6) || l.proto != PROTO_TCP ||
	    (at != 0 && at != l.l4) || l.l4 + TCP_LEN_MIN > p->hdr_len)
		return false;
	hdr_len = (vsw_hdr(p)[l.l4 + 12] >> 4) * 4u;
	if (hdr_len < TCP_LEN_MIN || l.l4 + hdr_len > p->hdr_len || l.l4 + hdr_len >= p->len)
		return false;
	note(p, &l, NETHV_PKT_LSO);
	p->lso_mss = (uint16_t)mss;
	return true;
}

uint16_t netvsp_offload_take(const struct netvsp_nic *nic, struct nethv_pkt *p,
			     const struct rndis_frame *f)
{
	bool is_good;

	if (nic->cfg.no_offload)
		return VSW_DROP_bad_offload;
	if (f->offloads & RNDIS_OFFLOAD_LSO)
		is_good = take_lso(p, f->lso);
	else
		is_good = take_csum(p, f->csum);
	return is_good ? VSW_DROP_none : VSW_DROP_bad_offload;
}

/* ---- What is offered, and what is on -------------------------------------------------------- */

/* Flags of one direction: @on is shifted so that its bits are those of reception. */
static uint32_t v4_flags(uint32_t on)
{
	return (on & NETVSP_RX_IP4 ? 0x101u : 0) | (on & NETVSP_RX_TCP4 ? 0x15u : 0) |
	       (on & NETVSP_RX_UDP4 ? 0x41u : 0);
}

static uint32_t v6_flags(uint32_t on)
{
	return (on & NETVSP_RX_TCP6 ? 0x15u : 0) | (on & NETVSP_RX_UDP6 ? 0x41u : 0);
}

static struct ndis_offload describe(uint32_t on)
{
	struct ndis_offload o = {0};

	o.csum.ip4_tx = v4_flags(on >> NETVSP_TX_SHIFT);
	o.csum.ip4_rx = v4_flags(on);
	o.csum.ip6_tx = v6_flags(on >> NETVSP_TX_SHIFT);
	o.csum.ip6_rx = v6_flags(on);
	o.csum.ip4_tx_encap = o.csum.ip4_tx ? NDIS_ENCAP_8023 : 0;
	o.csum.ip4_rx_encap = o.csum.ip4_rx ? NDIS_ENCAP_8023 : 0;
	o.csum.ip6_tx_encap = o.csum.ip6_tx ? NDIS_ENCAP_8023 : 0;
	o.csum.ip6_rx_encap = o.csum.ip6_rx ? NDIS_ENCAP_8023 : 0;
	if (on & NETVSP_LSO4) {
		o.lso_v2.ip4_encap = NDIS_ENCAP_8023;
		o.lso_v2.ip4_max = LSO_MAX_SIZE;
		o.lso_v2.ip4_min_segments = LSO_MIN_SEGMENTS;
	}
	if (on & NETVSP_LSO6) {
		o.lso_v2.ip6_encap = NDIS_ENCAP_8023;
		o.lso_v2.ip6_max = LSO_MAX_SIZE;
		o.lso_v2.ip6_min_segments = LSO_MIN_SEGMENTS;
		o.lso_v2.ip6_options = NDIS_LSO_V6_ALL;
	}
	return o;
}

/* A guest that knows only an earlier revision has no room for more. */
static struct ndis_object_hdr header_for(const uint8_t *in, uint32_t in_len)
{
	struct ndis_object_hdr asked;

	if (in_len >= sizeof(asked)) {
		memcpy(&asked, in, sizeof(asked));
		if (asked.size >= NDIS_OFFLOAD_SIZE_REV1 && asked.size < NDIS_OFFLOAD_SIZE_REV2)
			return (struct ndis_object_hdr){NDIS_OBJECT_OFFLOAD, 1,
							NDIS_OFFLOAD_SIZE_REV1};
		if (asked.size >= NDIS_OFFLOAD_SIZE_REV2 && asked.size < NDIS_OFFLOAD_SIZE)
			return (struct ndis_object_hdr){NDIS_OBJECT_OFFLOAD, 2,
							NDIS_OFFLOAD_SIZE_REV2};
	}
	return (struct ndis_object_hdr){NDIS_OBJECT_OFFLOAD, 3, NDIS_OFFLOAD_SIZE};
}

int32_t netvsp_offload_query(const struct netvsp_nic *nic, bool is_current, const uint8_t *in,
			     uint32_t in_len, uint8_t *buf, uint32_t room)
{
	uint32_t offered = nic->cfg.no_offload ? 0 : NETVSP_OFFLOAD_ALL;
	struct ndis_offload o = describe(is_current ? nic->st->offload & offered : offered);

	o.hdr = header_for(in, in_len);
	if (o.hdr.size > room)
		return (int32_t)RNDIS_STATUS_BUFFER_SHORT;
	memcpy(buf, &o, o.hdr.size);
	return o.hdr.size;
}

/* One checksum parameter; false: it is none of NDIS_PARAM_*. */
static bool param_csum(uint8_t value, uint32_t rx_bit, uint32_t *on)
{
	const uint32_t tx_bit = rx_bit << NETVSP_TX_SHIFT;

	if (value > NDIS_PARAM_BOTH)
		return false;
	if (value == NDIS_PARAM_KEEP)
		return true;
	*on &= ~(rx_bit | tx_bit);
	if (value == NDIS_PARAM_TX || value == NDIS_PARAM_BOTH)
		*on |= tx_bit;
	if (value == NDIS_PARAM_RX || value == NDIS_PARAM_BOTH)
		*on |= rx_bit;
	return true;
}

static bool param_lso(uint8_t value, uint32_t bit, uint32_t *on)
{
	if (value > NDIS_PARAM_LSO)
		return false;
	if (value != NDIS_PARAM_KEEP)
		*on = value == NDIS_PARAM_LSO ? *on | bit : *on & ~bit;
	return true;
}

/* Frames that ask for an offload which is off are served all the same: they may have been on their
 * way when it was switched off, on another channel. */
uint32_t netvsp_offload_set(struct netvsp_nic *nic, const uint8_t *in, uint32_t in_len)
{
	struct ndis_offload_params p;
	uint32_t on = nic->st->offload;

	if (in_len < sizeof(p))
		return RNDIS_STATUS_INVALID_LENGTH;
	memcpy(&p, in, sizeof(p));
	if (p.hdr.type != NDIS_OBJECT_OFFLOAD_PARM)
		return RNDIS_STATUS_INVALID_DATA;
	if (!param_csum(p.ip4, NETVSP_RX_IP4, &on) || !param_csum(p.tcp4, NETVSP_RX_TCP4, &on) ||
	    !param_csum(p.udp4, NETVSP_RX_UDP4, &on) || !param_csum(p.tcp6, NETVSP_RX_TCP6, &on) ||
	    !param_csum(p.udp6, NETVSP_RX_UDP6, &on) || !param_lso(p.lso4, NETVSP_LSO4, &on) ||
	    !param_lso(p.lso6, NETVSP_LSO6, &on))
		return RNDIS_STATUS_INVALID_DATA;
	on &= nic->cfg.no_offload ? 0 : NETVSP_OFFLOAD_ALL;
	__atomic_store_n(&nic->st->offload, on, __ATOMIC_RELAXED);
	return RNDIS_STATUS_SUCCESS;
}
