/* SPDX-License-Identifier: BSD-3-Clause */
/* The hash of a flow. Nobody but us needs to know it, so it is what is cheap here. */
#include "vmq/spread.h"

#include <stdbool.h>
#include <string.h>

#include <rte_common.h>
#include <rte_mbuf.h>

#define ETH_HLEN  14u
#define VLAN_HLEN 4u
#define IP4_HLEN  20u
#define IP4_HMAX  60u
#define IP6_HLEN  40u
#define PORTS_LEN 4u
#define HEAD	  (ETH_HLEN + VLAN_HLEN + IP4_HMAX + PORTS_LEN) /* the longest that is looked at */
#define TYPE_VLAN 0x8100u
#define TYPE_IP4  0x0800u
#define TYPE_IP6  0x86DDu
#define IP4_PIECE 0x3FFFu /* more follow, or there were some before */
#define PROTO_TCP 6u
#define PROTO_UDP 17u
#define HAS_HASH  1ull /* the table is entered with the other end */

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static uint64_t load64(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return v;
}

/* Each bit of @v changes about half of the others. */
static uint64_t mix(uint64_t v)
{
	v = (v ^ v >> 32) * 0x9FB21C651E98DF25ull;
	v = (v ^ v >> 29) * 0x9FB21C651E98DF25ull;
	return v ^ v >> 32;
}

/* @at: behind the IP header, in a head of @len bytes. */
static uint64_t ports(const uint8_t *b, uint32_t at, uint32_t len, uint8_t proto)
{
	uint32_t v;

	if ((proto != PROTO_TCP && proto != PROTO_UDP) || at + PORTS_LEN > len)
		return 0;
	memcpy(&v, b + at, sizeof(v));
	return v;
}

static uint64_t hash_ip4(const uint8_t *b, uint32_t len)
{
	uint32_t ihl;

	if (len < IP4_HLEN || b[0] >> 4 != 4)
		return 0;
	ihl = (b[0] & 15u) * 4;
	if (ihl < IP4_HLEN)
		return 0;
	return mix(mix(load64(b + 12)) ^
		   (get16(b + 6) & IP4_PIECE ? 0 : ports(b, ihl, len, b[9]))) |
	       HAS_HASH;
}

/* With extension headers, of which that of a piece is one, it is one without ports. */
static uint64_t hash_ip6(const uint8_t *b, uint32_t len)
{
	uint64_t h = 0;

	if (len < IP6_HLEN || b[0] >> 4 != 6)
		return 0;
	for (uint32_t i = 8; i < IP6_HLEN; i += 8)
		h = mix(h ^ load64(b + i));
	return mix(h ^ ports(b, IP6_HLEN, len, b[6])) | HAS_HASH;
}

uint64_t vmq_spread_hash(const struct rte_mbuf *m)
{
	const uint32_t len = RTE_MIN(m->pkt_len, HEAD);
	uint8_t copy[HEAD];
	const uint8_t *b = rte_pktmbuf_read(m, 0, len, copy);
	uint32_t at = ETH_HLEN, type;

	if (!b || len < ETH_HLEN + VLAN_HLEN)
		return 0;
	type = get16(b + 12);
	if (type == TYPE_VLAN) {
		type = get16(b + 16);
		at += VLAN_HLEN;
	}
	if (type == TYPE_IP4)
		return hash_ip4(b + at, len - at);
	return type == TYPE_IP6 ? hash_ip6(b + at, len - at) : 0;
}

uint8_t vmq_spread_queue(const struct vmq_spread *t, const struct rte_mbuf *m)
{
	const uint64_t h = vmq_spread_hash(m);

	return h ? t->q[h >> (64 - VMQ_SPREAD_BITS)] : t->first;
}

void vmq_spread_init(struct vmq_spread *t, const uint16_t *qs, uint16_t n)
{
	t->first = (uint8_t)qs[0];
	for (uint32_t i = 0; i < VMQ_SPREAD_SIZE; i++)
		t->q[i] = (uint8_t)qs[i % n];
}
