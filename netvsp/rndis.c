/* SPDX-License-Identifier: BSD-3-Clause */
/* RNDIS data messages: a pure parser over private bytes. */
#include "netvsp/rndis.h"

#include <errno.h>
#include <string.h>

#define CSUM_ASKED 0x1Cu /* TCP, UDP, IP header */

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void take_ppi(uint32_t type, uint32_t value, struct rndis_frame *out)
{
	switch (type) {
	case RNDIS_PPI_VLAN:
		out->vlan_tci = rndis_vlan_to_tci(value);
		out->has_vlan = true;
		break;
	case RNDIS_PPI_HASH: out->hash = value; break;
	case RNDIS_PPI_CSUM:
		if (value & CSUM_ASKED)
			out->offloads |= RNDIS_OFFLOAD_CSUM;
		break;
	case RNDIS_PPI_LSO: out->offloads |= RNDIS_OFFLOAD_LSO; break;
	default: break; /* information that we do not need is no fault */
	}
}

/* @len bytes at @p. Each element takes at least its header, so the loop is bounded by @len / 12. */
static int parse_ppis(const uint8_t *p, uint32_t len, struct rndis_frame *out)
{
	while (len) {
		struct rndis_ppi ppi;

		if (len < sizeof(ppi))
			return -EPROTO;
		memcpy(&ppi, p, sizeof(ppi));
		if (ppi.size < sizeof(ppi) || ppi.size > len || ppi.size % 4)
			return -EPROTO;
		if (ppi.offset < sizeof(ppi) || ppi.offset > ppi.size)
			return -EPROTO;
		if (ppi.size - ppi.offset >= 4)
			take_ppi(ppi.type, get32(p + ppi.offset), out);
		else if (!(ppi.type & RNDIS_PPI_INTERNAL))
			return -EPROTO;
		p += ppi.size;
		len -= ppi.size;
	}
	return 0;
}

int rndis_parse_packet(const uint8_t *head, uint32_t head_len, uint32_t avail,
		       struct rndis_frame *out)
{
	struct rndis_packet h;
	uint32_t ppi_at;

	if (head_len < sizeof(h))
		return -EPROTO;
	memcpy(&h, head, sizeof(h));
	if (h.hdr.type != RNDIS_MSG_PACKET || h.hdr.len < sizeof(h) || h.hdr.len > avail)
		return -EPROTO;
	if (h.data_offset < sizeof(h) - RNDIS_REL || h.data_offset > h.hdr.len - RNDIS_REL)
		return -EPROTO;
	if (h.data_len > h.hdr.len - RNDIS_REL - h.data_offset)
		return -EPROTO;
	out->msg_len = h.hdr.len;
	out->data_off = h.data_offset + RNDIS_REL;
	out->data_len = h.data_len;
	out->hash = 0;
	out->vlan_tci = 0;
	out->has_vlan = false;
	out->offloads = 0;
	if (__builtin_expect(h.ppi_len == 0, 1))
		return 0;
	if (h.ppi_offset < sizeof(h) - RNDIS_REL || h.ppi_offset > h.data_offset)
		return -EPROTO;
	ppi_at = h.ppi_offset + RNDIS_REL;
	if (h.ppi_len > h.data_offset - h.ppi_offset || ppi_at > head_len ||
	    h.ppi_len > head_len - ppi_at)
		return -EPROTO;
	return parse_ppis(head + ppi_at, h.ppi_len, out);
}
