/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP (RFC 826) for a VTEP with an IPv4 address. */
#include "vswitch/overlay/priv.h"

#define ARP_LEN	   28u
#define OP_REQUEST 1u
#define OP_REPLY   2u

struct arp {
	uint8_t htype[2], ptype[2], hlen, plen, op[2];
	uint8_t sha[6], spa[4], tha[6], tpa[4];
};
_Static_assert(sizeof(struct arp) == ARP_LEN, "as on the wire");

static void arp_make(const struct vsw_overlay *ov, struct frame *f, uint16_t op,
		     const uint8_t *eth_to)
{
	struct arp *a = (struct arp *)(f->b + ETH_HLEN);

	f->len = 60;
	memcpy(f->b, eth_to, 6);
	memcpy(f->b + 6, ov->mac, 6);
	put16(f->b + 12, ETYPE_ARP);
	put16(a->htype, 1);
	put16(a->ptype, ETYPE_IP4);
	a->hlen = 6;
	a->plen = 4;
	put16(a->op, op);
	memcpy(a->sha, ov->mac, 6);
	memcpy(a->spa, ov->local.b, 4);
}

static const uint8_t everybody[6] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

void arp_request(const struct vsw_overlay *ov, struct frame *f, const uint8_t *ip, uint64_t to)
{
	uint8_t mac[8];

	memcpy(mac, &to, 8);
	arp_make(ov, f, OP_REQUEST, to ? mac : everybody);
	memcpy(f->b + ETH_HLEN + offsetof(struct arp, tpa), ip, 4);
}

void arp_announce(const struct vsw_overlay *ov, struct frame *f)
{
	arp_request(ov, f, ov->local.b, 0);
}

static void arp_reply(struct vsw_overlay *ov, uint16_t lcore, const struct arp *to)
{
	struct frame *f = frame_new(ov, lcore);
	struct arp *a;

	if (!f)
		return;
	arp_make(ov, f, OP_REPLY, to->sha);
	a = (struct arp *)(f->b + ETH_HLEN);
	memcpy(a->tha, to->sha, 6);
	memcpy(a->tpa, to->spa, 4);
}

bool arp_heard(struct vsw_overlay *ov, uint16_t lcore, const struct vsw_slot *s, uint32_t now_s)
{
	struct vsw_overlay_ip from = {.version = 4};
	struct arp a;
	bool is_for_us;

	if (ov->local.version != 4 || s->pkt.hdr_len < ETH_HLEN + ARP_LEN)
		return false;
	memcpy(&a, vsw_hdr(&s->pkt) + ETH_HLEN, sizeof(a));
	if (nethv_get16(a.htype) != 1 || nethv_get16(a.ptype) != ETYPE_IP4 || a.hlen != 6 ||
	    a.plen != 4 || !mac_is_unicast(mac_load(a.sha)))
		return false;
	memcpy(from.b, a.spa, 4);
	is_for_us = ip_is(&ov->local, a.tpa) && !ip_is(&ov->local, a.spa);
	if (neigh_heard(ov, &from, mac_load(a.sha), now_s))
		is_for_us |= nethv_get16(a.op) == OP_REPLY;
	if (nethv_get16(a.op) == OP_REQUEST && is_for_us)
		arp_reply(ov, lcore, &a);
	return is_for_us;
}
