/* SPDX-License-Identifier: BSD-3-Clause */
/* What a sender may leave to the switch: the TCP or UDP checksum (NETHV_PKT_CSUM), and cutting a long
 * TCP frame into segments (NETHV_PKT_LSO). It is done where the frame is delivered, on the copy that is
 * made there anyway: by a backend's tx(), or by the device that it hands the frame to.
 *
 * All lengths and offsets come from the private head, which was checked when the frame came in. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/packet.h"

/* any.  Bytes from the L4 header to the end of the IP packet; not for NETHV_PKT_LSO frames. */
uint32_t vsw_l4_len(const struct nethv_pkt *p);

/* any.  Ethernet, IP and TCP headers of a NETHV_PKT_LSO frame; and the segments that it makes. */
uint32_t vsw_lso_hdr_len(const struct nethv_pkt *p);
uint32_t vsw_lso_segments(const struct nethv_pkt *p);

/* lcore.  Puts the L4 checksum into @frame, a contiguous copy of @p's frame, which a guest may write to
 * meanwhile: only the checksum can be wrong then. */
void vsw_csum_finish(const struct nethv_pkt *p, uint8_t *frame);

/* lcore.  Puts the checksum into the IPv4 header of @hdr_len bytes at @ip. */
void vsw_csum_ip4(uint8_t *ip, uint32_t hdr_len);

/* lcore.  Makes the IP header of a NETHV_PKT_LSO frame at @ip one of the whole frame, without checksum, as
 * devices that segment want it. */
void vsw_lso_ip_whole(const struct nethv_pkt *p, uint8_t *ip);

/* The segments of a NETHV_PKT_LSO frame, one after the other. Each is a slot like any other, with
 * NETHV_PKT_CSUM, over the same backing. */
struct vsw_seg {
	struct vsw_slot slot;
	const struct vsw_slot *from;
	const struct vsw_vec *v;
	uint32_t hdr_len;
	uint32_t payload; /* bytes of it in all segments */
	uint32_t next;	  /* where the next segment's payload begins */
	uint32_t seq;	  /* of the frame */
	uint16_t id;	  /* IPv4: of the next segment */
};

/* lcore.  @v and @s are borrowed until the last vsw_seg_next(). */
void vsw_seg_begin(struct vsw_seg *g, const struct vsw_vec *v, const struct vsw_slot *s);
/* lcore.  Makes g->slot the next segment. False: there is none. */
bool vsw_seg_next(struct vsw_seg *g);

/* lcore.  For tx(): notes that of the frame @p, which makes @nr segments, @sent were delivered with
 * @bytes in all, and that the others were lost for @why. Returns the reason that the slot itself is
 * accounted with: it stands for one segment, a delivered one if there is any. */
uint8_t vsw_cut_add(struct vsw_vec *v, const struct nethv_pkt *p, uint32_t nr, uint32_t sent,
		    uint64_t bytes, uint8_t why);
