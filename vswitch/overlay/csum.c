/* SPDX-License-Identifier: BSD-3-Clause */
/* The Internet checksum (RFC 1071) of frames that lie in pieces. */
#include "vswitch/overlay/priv.h"

#include <rte_ip.h>

#define CHUNK 1024u /* even, so that sums of chunks add up */

uint32_t sum_bytes(const void *at, uint32_t len)
{
	return rte_raw_cksum(at, len);
}

uint16_t sum_finish(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xFFFF) + (sum >> 16);
	return __builtin_bswap16((uint16_t)~sum);
}

uint32_t sum_pseudo(const uint8_t *addrs, uint32_t addrs_len, uint8_t proto, uint32_t len)
{
	uint8_t tail[8] = {[7] = proto};

	put32(tail, len);
	return sum_bytes(addrs, addrs_len) + sum_bytes(tail, sizeof(tail));
}

static void frame_copy(const struct vsw_vec *v, const struct vsw_slot *s, uint32_t off, uint8_t *to,
		       uint32_t len)
{
	uint32_t part = 0;

	if (off < s->pkt.hdr_len) {
		part = s->pkt.hdr_len - off < len ? s->pkt.hdr_len - off : len;
		memcpy(to, vsw_hdr(&s->pkt) + off, part);
	}
	if (part < len)
		vsw_slot_copy_backing(v, s, off + part, to + part, len - part);
}

uint32_t sum_frame(const struct vsw_vec *v, const struct vsw_slot *s, uint32_t off, uint32_t len)
{
	uint8_t chunk[CHUNK];
	uint32_t sum = 0, n;

	for (; len; off += n, len -= n) {
		n = len < CHUNK ? len : CHUNK;
		frame_copy(v, s, off, chunk, n);
		sum += sum_bytes(chunk, n);
	}
	return sum;
}
