/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the layers of a frame begin. vsw_parse() (stages.h) is for everybody; the walk behind it is for
 * who must know more: fragments, and header chains that do not end among the bytes at hand. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ETH_TYPE_IP4   0x0800u
#define ETH_TYPE_IP6   0x86DDu
#define ETH_TYPE_ARP   0x0806u
#define ETH_TYPE_8021Q 0x8100u

#define IP_PROTO_ICMP	  1u
#define IP_PROTO_TCP	  6u
#define IP_PROTO_UDP	  17u
#define IP_PROTO_DCCP	  33u
#define IP_PROTO_FRAGMENT 44u
#define IP_PROTO_ICMP6	  58u
#define IP_PROTO_NONE	  59u
#define IP_PROTO_SCTP	  132u
#define IP_PROTO_UDPLITE  136u

/* Bytes of an L4 header that are there when l4_off is not 0. */
#define VSW_L4_MIN 8u

struct vsw_chain {
	uint32_t l4;	  /* offset of what comes behind the headers walked */
	uint32_t id;	  /* is_fragment: identification */
	uint8_t proto;	  /* the next header there; of a cut chain: the one that is cut */
	bool is_cut;	  /* an extension header does not lie within the bytes at hand */
	bool is_fragment; /* of several; the first one, unless is_later */
	bool is_later;	  /* not the first one: no L4 header here */
};

/* any.  Looks at the type of a frame of which @len bytes are at hand, through LLC/SNAP, too. Returns the
 * offset of the network layer, and its type at @type (host order; of 802.3 frames the length). */
uint32_t vsw_eth_walk(const uint8_t *frame, uint32_t len, uint16_t *type);

/* any.  Walks the IP header at @l3 and IPv6 extension headers, within @len bytes of @frame. False: not
 * an IP header of the version that @type says, or not wholly there. */
bool vsw_ip_walk(const uint8_t *frame, uint32_t len, uint32_t l3, uint16_t type,
		 struct vsw_chain *c);

static inline uint16_t vsw_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}
