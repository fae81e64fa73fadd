/* SPDX-License-Identifier: BSD-3-Clause */
/* RNDIS data messages: whatever is accepted lies inside what was given, and an offload that is taken
 * speaks of headers that lie in the private head. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "netvsp/priv.h"
#include "netvsp/rndis.h"
#include "vswitch/offload.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct netvsp_nic nic;

#define check(cond)              \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

static void offload(const uint8_t *data, const struct rndis_frame *f)
{
	uint32_t n = f->data_len < VSW_SNAP_SIZE ? f->data_len : VSW_SNAP_SIZE;
	struct nethv_pkt *p = malloc(sizeof(*p) + n); /* a sanitizer sees one byte too many */

	check(p);
	*p = (struct nethv_pkt){.hdr_off = sizeof(*p), .len = f->data_len, .hdr_len = (uint16_t)n};
	memcpy(vsw_hdr(p), data + f->data_off, n);
	if (netvsp_offload_take(&nic, p, f) == VSW_DROP_none) {
		if (p->flags & NETHV_PKT_CSUM)
			check(p->l4_off + vsw_l4_len(p) <= p->len && vsw_l4_len(p) >= 8 &&
			      p->l4_off + 8u <= n);
		if (p->flags & NETHV_PKT_LSO)
			check(vsw_lso_hdr_len(p) <= n && vsw_lso_hdr_len(p) < p->len &&
			      p->lso_mss >= VSW_LSO_MSS_MIN);
	}
	free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t head = size < 128 ? (uint32_t)size : 128;
	struct rndis_frame f;

	if (size > UINT32_MAX)
		return 0;
	if (rndis_parse_packet(data, head, (uint32_t)size, &f))
		return 0;
	if (f.msg_len < 44 || f.msg_len > size || f.data_off < 44 || f.data_off > f.msg_len ||
	    f.data_len > f.msg_len - f.data_off)
		abort();
	if (f.offloads && f.data_len >= VSW_FRAME_MIN)
		offload(data, &f);
	return 0;
}
