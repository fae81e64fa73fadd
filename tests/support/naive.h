/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP and UDP frames over IPv4 and IPv6, their checksums and segments, done the stupid way: a byte at a
 * time, everything computed anew. What the switch does is compared with this. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define NAIVE_FRAME_MAX 65600u

/* What a frame is to be. */
struct naive_kind {
	bool is_v6, is_tcp, is_tagged; /* tag in band */
	uint8_t ip_options;  /* IPv4: bytes, 0..40, of 4; IPv6: bytes of extension headers, of 8 */
	uint8_t tcp_options; /* bytes, 0..40, of 4 */
	uint8_t tcp_flags;
	uint16_t id;
	uint32_t seq;
	uint32_t payload; /* bytes */
};

struct naive_frame {
	struct naive_kind kind;
	uint32_t len;
	uint32_t l3, l4, data; /* offsets */
	uint8_t bytes[NAIVE_FRAME_MAX];
};

/* Makes a whole frame from @dst and @src addresses with right lengths and checksums; the payload is a
 * pattern of @seed. */
void naive_make(struct naive_frame *f, const struct naive_kind *k, const uint8_t *dst,
		const uint8_t *src, uint32_t seed);

/* Leaves only the sum of the pseudo header in the L4 checksum field, as a guest does that has it computed:
 * with the length in it, or for a frame to be cut (@is_long) without, and lengths and IPv4 checksum 0. */
void naive_unfinish(struct naive_frame *f, bool is_long);

/* The @i-th segment of the finished frame @f, of @mss bytes of payload each. False: there is none. */
bool naive_cut(const struct naive_frame *f, uint32_t mss, uint32_t i, struct naive_frame *out);

/* Whether lengths and all checksums of a frame that came from somewhere are right. NULL, or what is wrong. */
const char *naive_wrong(const uint8_t *bytes, uint32_t len);
