/* SPDX-License-Identifier: BSD-3-Clause */
/* RNDIS data messages: per-packet information. */
#include "netvsp/rndis.h"

#include <string.h>

#define CSUM_ASKED (RNDIS_CSUM_TCP | RNDIS_CSUM_UDP | RNDIS_CSUM_IP_HDR)

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
		out->csum = value;
		break;
	case RNDIS_PPI_LSO:
		out->offloads |= RNDIS_OFFLOAD_LSO;
		out->lso = value;
		break;
	default: break; /* information that we do not need is no fault */
	}
}

/* Each element takes at least its header, so the loop is bounded by @len / 12. */
int rndis_parse_ppis(const uint8_t *p, uint32_t len, struct rndis_frame *out)
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
			take_ppi(ppi.type, rndis_field(p, ppi.offset), out);
		else if (!(ppi.type & RNDIS_PPI_INTERNAL))
			return -EPROTO;
		p += ppi.size;
		len -= ppi.size;
	}
	return 0;
}
