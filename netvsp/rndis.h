/* SPDX-License-Identifier: BSD-3-Clause */
/* RNDIS data messages: a pure parser over private bytes. No guest memory, no state. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nethv/abi/rndis.h>

enum rndis_offload {
	RNDIS_OFFLOAD_CSUM = 1 << 0,
	RNDIS_OFFLOAD_LSO = 1 << 1,
};

struct rndis_frame {
	uint32_t msg_len;  /* of the whole message: the next one starts there */
	uint32_t data_off; /* of the frame from the start of the message */
	uint32_t data_len;
	uint32_t hash;
	uint16_t vlan_tci;
	bool has_vlan;
	uint8_t offloads; /* enum rndis_offload: what the guest asks for */
	uint32_t csum;	  /* with RNDIS_OFFLOAD_CSUM: its value, RNDIS_CSUM_* */
	uint32_t lso;	  /* with RNDIS_OFFLOAD_LSO: RNDIS_LSO_* */
};

/* any.  Walks @len bytes of per-packet information. 0, or -EPROTO. */
int rndis_parse_ppis(const uint8_t *p, uint32_t len, struct rndis_frame *out);

/* One field of a private header. Read one by one: a wider load would straddle the stores that made
 * the copy, could not be forwarded, and would wait for the guest's cache lines. */
static inline uint32_t rndis_field(const uint8_t *head, size_t off)
{
	uint32_t v;

	__builtin_memcpy(&v, head + off, sizeof(v));
	return v;
}

/* any.  Parses an RNDIS_PACKET. @head holds its first @head_len bytes (private), @avail is what the
 * message may take in all, @head_len <= @avail. Header and per-packet information must lie inside
 * @head. 0, or -EPROTO. [MS-RNDIS] 2.2.14 */
static inline int rndis_parse_packet(const uint8_t *head, uint32_t head_len, uint32_t avail,
				     struct rndis_frame *out)
{
	const uint32_t hdr = sizeof(struct rndis_packet);
	uint32_t len, data_offset, data_len, ppi_offset, ppi_len;

	if (head_len < hdr)
		return -EPROTO;
	len = rndis_field(head, offsetof(struct rndis_packet, hdr.len));
	data_offset = rndis_field(head, offsetof(struct rndis_packet, data_offset));
	data_len = rndis_field(head, offsetof(struct rndis_packet, data_len));
	ppi_len = rndis_field(head, offsetof(struct rndis_packet, ppi_len));
	if (rndis_field(head, 0) != RNDIS_MSG_PACKET || len < hdr || len > avail)
		return -EPROTO;
	if (data_offset < hdr - RNDIS_REL || data_offset > len - RNDIS_REL ||
	    data_len > len - RNDIS_REL - data_offset)
		return -EPROTO;
	*out = (struct rndis_frame){
		.msg_len = len, .data_off = data_offset + RNDIS_REL, .data_len = data_len};
	if (__builtin_expect(ppi_len == 0, 1))
		return 0;
	ppi_offset = rndis_field(head, offsetof(struct rndis_packet, ppi_offset));
	if (ppi_offset < hdr - RNDIS_REL || ppi_offset > data_offset ||
	    ppi_len > data_offset - ppi_offset || ppi_offset > head_len - RNDIS_REL ||
	    ppi_len > head_len - RNDIS_REL - ppi_offset)
		return -EPROTO;
	return rndis_parse_ppis(head + RNDIS_REL + ppi_offset, ppi_len, out);
}
