/* SPDX-License-Identifier: BSD-3-Clause */
/* The packet form of the hot path: a vector of 64 slots that one lcore owns, sized to stay in its
 * first-level cache. A slot is four cache lines:
 *
 *   line 0    struct vsw_pkt: what stages and (later) extensions see
 *   line 1    where the bytes behind the private ones lie
 *   line 2-3  snap: the first bytes, copied once. Decisions are made on them and they are what leaves.
 *
 * The frame is pkt.hdr[0 .. hdr_len) followed by the backing's bytes [hdr_len .. len). */
#pragma once

#include <stdalign.h>
#include <stdint.h>

#define VSW_VEC_SIZE	64u
#define VSW_SNAP_SIZE	128u
#define VSW_SG_MAX	1280u /* pieces of scattered frames in one vector */
#define VSW_FRAME_MIN	14u
#define VSW_FRAME_MAX	9234u  /* MTU 9216 + Ethernet header + tag */
#define VSW_LSO_MAX	65553u /* of a frame to be cut: an IP packet, Ethernet header, tag */
#define VSW_LSO_MSS_MIN 28u    /* what an MTU of 68 leaves: bounds the segments of one frame */
#define VSW_PORTS_MAX	256u
#define VSW_PORT_NONE	0xFFFFu
#define VSW_DST_INLINE	4u

enum vsw_pkt_flags {
	VSW_PKT_VLAN = 1 << 0, /* vlan_tci is valid: the tag is out of band, the bytes carry none */
	VSW_PKT_FLOOD = 1 << 1, /* destinations: dst_more */
	/* Offloads. Who delivers the frame does what they ask for (vswitch/offload.h). csum is valid
	 * with each; l3_off and l4_off with the first two, and these headers are private bytes. */
	VSW_PKT_CSUM =
		1 << 2, /* the L4 checksum field holds the pseudo header's sum, to be finished */
	VSW_PKT_LSO =
		1 << 3, /* TCP, to be cut into segments of lso_mss; that sum is without length */
	VSW_PKT_CSUM_OK = 1 << 4, /* the device that received it verified the L4 checksum */
};

/* pkt.csum: what the offload flags speak of. */
enum vsw_csum {
	VSW_CSUM_TCP = 1 << 0,
	VSW_CSUM_UDP = 1 << 1,
	VSW_CSUM_IP4 = 1 << 2,	  /* over IPv4; else IPv6 */
	VSW_CSUM_IP4_OK = 1 << 3, /* with VSW_PKT_CSUM_OK: the IPv4 header's checksum, too */
};

struct vsw_dst {
	uint16_t port;
	uint8_t nic;
	uint8_t flags;
};

struct vsw_pkt {
	uint8_t *hdr;	  /* in snap, or in an mbuf: private to the switch */
	uint32_t len;	  /* of the frame without FCS */
	uint16_t hdr_len; /* bytes at hdr: at least min(len, 64) */
	uint16_t vlan_tci;
	uint16_t src_port;
	uint16_t src_nic;
	uint16_t flags;
	uint8_t l3_off;
	uint8_t l4_off;
	uint16_t ndst;
	uint16_t drop_reason; /* enum vsw_drop; 0: none */
	uint16_t csum;	      /* enum vsw_csum */
	uint16_t lso_mss;
	uint32_t hash;
	struct vsw_dst dst[VSW_DST_INLINE];
	uint32_t ext_mark;
	const struct vsw_dst *dst_more; /* when ndst > VSW_DST_INLINE or flooded; borrowed */
};
_Static_assert(sizeof(struct vsw_pkt) == 64, "one cache line");

struct vsw_sg {
	const uint8_t *ptr;
	uint32_t len;
};

struct rte_mbuf;

struct vsw_slot {
	alignas(64) struct vsw_pkt pkt;
	/* Backing. data is the frame's byte 0 in guest memory or in an mbuf when all of it is
	 * contiguous; else NULL and the frame starts sg_off bytes into vec.sg[sg_first ..]. */
	alignas(64) const uint8_t *data;
	struct rte_mbuf *mbuf; /* uplinks: freed by rx_done() */
	uint32_t sg_off;
	uint16_t sg_first;
	uint16_t sg_count;
	uint32_t token; /* the source's own */
	alignas(64) uint8_t snap[VSW_SNAP_SIZE];
};
_Static_assert(sizeof(struct vsw_slot) == 256, "four cache lines");

/* Why a packet was not delivered: a closed list. X(name, text for people) */
#define VSW_DROPS(X)                                                 \
	X(none, "delivered")                                         \
	X(runt, "frame shorter than an Ethernet header")             \
	X(too_big, "frame longer than the destination's MTU")        \
	X(bad_rndis, "malformed RNDIS message")                      \
	X(bad_offload, "offload that was not offered or is not so")  \
	X(src_not_ready, "sent before the adapter was initialised")  \
	X(spoofed_mac, "source MAC is not the adapter's own")        \
	X(vlan_denied, "VLAN not allowed on the port")               \
	X(no_destination, "no other port in the VLAN")               \
	X(same_port, "destination is the source port")               \
	X(port_down, "destination not connected or its filter is 0") \
	X(link_down, "link of the source or destination is down")    \
	X(rx_filter, "destination's packet filter does not want it") \
	X(rx_no_buffer, "destination has no free receive section")   \
	X(rx_ring_full, "destination's ring is full")                \
	X(uplink_full, "uplink's transmit queue is full")            \
	X(no_mbuf, "switch is out of packet buffers")                \
	X(restart, "in flight when the switch was restarted")

enum vsw_drop {
#define X(name, text) VSW_DROP_##name,
	VSW_DROPS(X)
#undef X
		VSW_DROP_COUNT
};

/* Segments that a tx() made, besides the one that each slot counts as. See vsw_cut_add(). */
struct vsw_cut {
	uint64_t sent;
	int64_t bytes; /* delivered, beyond the lengths of the slots that count as delivered */
	uint32_t lost[VSW_DROP_COUNT]; /* by reason */
};

struct vsw_vec {
	struct vsw_slot slot[VSW_VEC_SIZE];
	uint16_t n;
	uint16_t lcore;	 /* index of the lcore that owns the vector, 0.. */
	uint16_t nr_cut; /* VSW_PKT_LSO frames that tx() cut: cut is to be looked at */
	uint32_t nr_sg;
	uint64_t now_tsc; /* read once a poll loop */
	struct vsw_cut cut;
	struct vsw_sg sg[VSW_SG_MAX];
};

/* any.  Word ("rx_no_buffer") and sentence of a reason; "?" when out of range. */
const char *vsw_drop_name(unsigned int reason);
const char *vsw_drop_text(unsigned int reason);

/* lcore.  Copies frame bytes [@from, @from + @len) from the backing (not from snap) to @dst. The
 * caller keeps the range inside the frame. */
void vsw_slot_copy_backing(const struct vsw_vec *v, const struct vsw_slot *s, uint32_t from,
			   void *dst, uint32_t len);

/* lcore.  Copies the whole frame as judged: private bytes first, then the backing. */
static inline void vsw_slot_copy_frame(const struct vsw_vec *v, const struct vsw_slot *s,
				       uint8_t *dst)
{
	__builtin_memcpy(dst, s->pkt.hdr, s->pkt.hdr_len);
	if (s->pkt.len > s->pkt.hdr_len)
		vsw_slot_copy_backing(v, s, s->pkt.hdr_len, dst + s->pkt.hdr_len,
				      s->pkt.len - s->pkt.hdr_len);
}
