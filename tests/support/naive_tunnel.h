/* SPDX-License-Identifier: BSD-3-Clause */
/* Tunnel packets, made and taken apart the stupid way, a byte at a time. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define NAIVE_TUNNEL_MAX 4096u

/* What a packet is to be, or was found to be. */
struct naive_tunnel {
	bool is_v6, is_geneve;
	uint8_t eth_dst[6], eth_src[6];
	uint8_t src[16], dst[16];
	uint16_t sport, dport;
	uint32_t vni;
	uint8_t ttl;
	bool has_df;
	bool has_csum;	     /* UDP */
	uint8_t opt_words;   /* Geneve options */
	uint8_t ip4_options; /* bytes, of 4 */
	uint32_t inner_len;
	const uint8_t *inner; /* borrowed; or into the packet */
};

/* Returns the length. */
uint32_t naive_tunnel_make(const struct naive_tunnel *t, uint8_t out[NAIVE_TUNNEL_MAX]);

/* NULL, or what is wrong with it: each length and checksum is looked at. */
const char *naive_tunnel_open(const uint8_t *b, uint32_t len, struct naive_tunnel *t);

/* Puts the IPv4 header's and the UDP checksum right again, after a byte was changed. */
void naive_tunnel_fix(uint8_t *b);
