/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the layers of a frame begin: Ethernet II and LLC/SNAP, IPv4 with options, IPv6 with extension
 * headers. Only what was given is read, and each step of a walk goes forward by 8 bytes or more.
 *
 * SNAP is seen through because receivers do (CVE-2021-27853): what hides a protocol from us must not
 * show it to them. */
#include "vswitch/parse.h"

#include <string.h>

#include "vswitch/stages.h"

#define ETH_TYPE_AT  12u
#define ETH_LEN	     14u
#define ETH_8023_MAX 0x5FFu /* up to here it is a length */
#define SNAP_LEN     8u
#define IP4_LEN	     20u
#define IP6_LEN	     40u
#define EXT_LEN_MIN  8u

uint32_t vsw_eth_walk(const uint8_t *frame, uint32_t len, uint16_t *type)
{
	static const uint8_t snap[] = {0xAA, 0xAA, 0x03, 0, 0, 0};

	*type = 0;
	if (len < ETH_LEN)
		return len;
	*type = vsw_get16(frame + ETH_TYPE_AT);
	if (*type > ETH_8023_MAX || len < ETH_LEN + SNAP_LEN ||
	    memcmp(frame + ETH_LEN, snap, sizeof(snap)) != 0)
		return ETH_LEN;
	*type = vsw_get16(frame + ETH_LEN + sizeof(snap));
	return ETH_LEN + SNAP_LEN;
}

static bool ip4_walk(const uint8_t *frame, uint32_t len, uint32_t l3, struct vsw_chain *c)
{
	const uint8_t *ip = frame + l3;
	uint32_t words = ip[0] & 15u, frag = vsw_get16(ip + 6);

	if (words * 4 < IP4_LEN)
		return false;
	c->l4 = l3 + words * 4;
	c->proto = ip[9];
	c->is_later = frag & 0x1FFF;
	c->is_fragment = frag & 0x3FFF;
	c->id = vsw_get16(ip + 4);
	return true;
}

/* Those of RFC 7045 with the common form: next header, length. */
static bool is_extension(uint8_t proto)
{
	return proto == 0 || proto == 43 || proto == 60 || proto == 51 || proto == 135 ||
	       proto == 139 || proto == 140;
}

static uint32_t extension_len(uint8_t proto, uint8_t value)
{
	return proto == 51 ? (value + 2u) * 4 : (value + 1u) * 8; /* 51: authentication */
}

/* The fragment header at c->l4. */
static void fragment_walk(const uint8_t *frame, struct vsw_chain *c)
{
	const uint8_t *h = frame + c->l4;

	c->proto = h[0];
	c->is_later = vsw_get16(h + 2) & 0xFFF8;
	c->is_fragment = vsw_get16(h + 2) & 0xFFF9;
	c->id = (uint32_t)vsw_get16(h + 4) << 16 | vsw_get16(h + 6);
	c->l4 += EXT_LEN_MIN;
}

static void ip6_walk(const uint8_t *frame, uint32_t len, uint32_t l3, struct vsw_chain *c)
{
	uint32_t step;

	c->l4 = l3 + IP6_LEN;
	c->proto = frame[l3 + 6];
	while (!c->is_later && (is_extension(c->proto) || c->proto == IP_PROTO_FRAGMENT)) {
		if (c->l4 + EXT_LEN_MIN > len) {
			c->is_cut = true;
			return;
		}
		if (c->proto == IP_PROTO_FRAGMENT) {
			fragment_walk(frame, c);
			continue;
		}
		step = extension_len(c->proto, frame[c->l4 + 1]);
		c->proto = frame[c->l4];
		c->l4 += step;
	}
}

bool vsw_ip_walk(const uint8_t *frame, uint32_t len, uint32_t l3, uint16_t type,
		 struct vsw_chain *c)
{
	memset(c, 0, sizeof(*c));
	if (type == ETH_TYPE_IP4)
		return l3 + IP4_LEN <= len && frame[l3] >> 4 == 4 && ip4_walk(frame, len, l3, c);
	if (type != ETH_TYPE_IP6 || l3 + IP6_LEN > len || frame[l3] >> 4 != 6)
		return false;
	ip6_walk(frame, len, l3, c);
	return true;
}

void vsw_parse(struct nethv_pkt *p)
{
	const bool has_offsets = p->flags & (NETHV_PKT_CSUM | NETHV_PKT_LSO);
	const uint8_t *frame = vsw_hdr(p);
	struct vsw_chain c;
	uint32_t l3;
	bool is_ip, has_l4;

	if (p->flags & NETHV_PKT_PARSED)
		return;
	l3 = vsw_eth_walk(frame, p->hdr_len, &p->ether_type);
	is_ip = vsw_ip_walk(frame, p->hdr_len, l3, p->ether_type, &c);
	has_l4 = is_ip && !c.is_cut && !c.is_later && c.proto != IP_PROTO_NONE &&
		 c.l4 + VSW_L4_MIN <= p->hdr_len;
	p->l3_version = !is_ip ? 0 : p->ether_type == ETH_TYPE_IP4 ? 4 : 6;
	p->l4_proto = c.proto;
	if (!has_offsets) {
		p->l3_off = is_ip ? (uint8_t)l3 : 0;
		p->l4_off = has_l4 ? (uint8_t)c.l4 : 0;
	}
	p->flags &= (uint16_t)~NETHV_PKT_FRAGMENT;
	p->flags |= NETHV_PKT_PARSED | (c.is_later ? NETHV_PKT_FRAGMENT : 0);
}
