/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the bytes of a data packet are: in a section of the send buffer, in ranges of guest memory, or in both, one after
 * the other. */
#pragma once

#include "netvsp/priv.h"

/* A range list has at most this many pages, and a section two. */
#define NETVSP_PIECES_MAX (NETVSP_RANGE_BYTES_MAX / 8 + 2)
_Static_assert(NETVSP_PIECES_MAX < VSW_SG_MAX, "one packet's pieces fit a vector");

/* lcore, the channel's reader.  Appends all bytes of the packet @d at the read position, whose NVSP message is @m, to the
 * vector's pieces; the caller made sure of room for NETVSP_PIECES_MAX. *@total: how many bytes. NULL, or why the guest is
 * at fault. */
const char *netvsp_pieces(struct netvsp_chan *ch, struct vsw_vec *v, const struct vmbus_pkt_desc *d,
			  const struct nvsp_msg *m, uint32_t *total);

/* lcore.  Copies @len bytes that begin @off into piece @i. The caller knows that they exist. */
void netvsp_gather(const struct vsw_vec *v, uint32_t i, uint32_t off, uint8_t *dst, uint32_t len);
