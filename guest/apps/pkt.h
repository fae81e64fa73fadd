/* SPDX-License-Identifier: BSD-3-Clause */
/* Ethernet, ARP, IPv4 and UDP as bytes: offsets, big-endian access, checksums, text of addresses.
 * Only what the guest's applications need. No state. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PKT_ETH_HDR    14u
#define PKT_IP	       14u /* offsets in an untagged frame */
#define PKT_IP_HDR     20u
#define PKT_UDP	       34u /* without IP options */
#define PKT_UDP_HDR    8u
#define PKT_UDP_DATA   42u
#define PKT_LEN_MIN    60u /* without FCS */
#define PKT_FCS	       4u
#define PKT_TYPE_IP    0x0800u
#define PKT_TYPE_ARP   0x0806u
#define PKT_PROTO_ICMP 1u
#define PKT_PROTO_UDP  17u

static inline uint16_t pkt_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t pkt_get32(const uint8_t *p)
{
	return (uint32_t)pkt_get16(p) << 16 | pkt_get16(p + 2);
}

static inline void pkt_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void pkt_put32(uint8_t *p, uint32_t v)
{
	pkt_put16(p, (uint16_t)(v >> 16));
	pkt_put16(p + 2, (uint16_t)v);
}

/* Adds @len bytes (<= 64 KiB) at @p to a ones' complement sum in memory order. Only the last piece
 * of a sum may have an odd length. */
uint64_t pkt_sum(uint64_t sum, const void *p, uint32_t len);

/* The Internet checksum of a sum, as the two bytes that go into the packet (memory order). It is 0
 * when the sum covers a correct checksum. */
uint16_t pkt_csum(uint64_t sum);

/* Sum of the UDP pseudo header: addresses of the IPv4 header at @ip, protocol, @udp_len. */
uint64_t pkt_pseudo_sum(const uint8_t *ip, uint8_t proto, uint16_t udp_len);

/* "02:00:00:00:00:01", "10.0.0.1/24" (the length is optional: 32). False: not one. */
bool pkt_parse_mac(const char *s, uint8_t mac[6]);
bool pkt_parse_ip(const char *s, uint32_t *ip, uint32_t *prefix);
