/* SPDX-License-Identifier: BSD-3-Clause */
/* The packet form of the hot path: a vector of 64 slots that one lcore owns, sized to stay in its
 * first-level cache. A slot is four cache lines:
 *
 *   line 0    struct nethv_pkt: what stages and extensions see (nethv/extension.h)
 *   line 1    where the bytes behind the private ones lie
 *   line 2-3  snap: the first bytes, copied once. Decisions are made on them and they are what leaves.
 *
 * The frame is vsw_hdr(&pkt)[0 .. hdr_len) followed by the backing's bytes [hdr_len .. len). */
#pragma once

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nethv/extension.h>

#define VSW_VEC_SIZE	NETHV_VECTOR_MAX
#define VSW_SNAP_SIZE	NETHV_PRIVATE_MAX
#define VSW_SG_MAX	1280u /* pieces of scattered frames in one vector */
#define VSW_FRAME_MIN	14u
#define VSW_FRAME_MAX	9234u  /* MTU 9216 + Ethernet header + tag */
#define VSW_LSO_MAX	65553u /* of a frame to be cut: an IP packet, Ethernet header, tag */
#define VSW_LSO_MSS_MIN 28u    /* what an MTU of 68 leaves: bounds the segments of one frame */
#define VSW_PORTS_MAX	NETHV_PORTS_MAX
#define VSW_PORT_NONE	0xFFFFu

struct vsw_sg {
	const uint8_t *ptr;
	uint32_t len;
};

struct rte_mbuf;

struct vsw_slot {
	alignas(64) struct nethv_pkt pkt;
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

#define VSW_SNAP_OFF ((uint16_t)offsetof(struct vsw_slot, snap)) /* pkt.hdr_off at its least */

/* any.  The private bytes of a slot's packet. */
static inline uint8_t *vsw_hdr(const struct nethv_pkt *p)
{
	return (uint8_t *)(uintptr_t)p + p->hdr_off;
}

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
	X(restart, "in flight when the switch was restarted")        \
	X(filtered, "an extension dropped it")                       \
	X(no_route, "the forwarding extension chose no destination") \
	X(excluded, "an extension excluded the destination")         \
	X(acl_denied, "a rule of the port's ACL denies it")          \
	X(dhcp_guard, "DHCP server message from a guarded port")     \
	X(router_guard, "router advertisement from a guarded port")  \
	X(rate_limited, "over the port's rate limit")                \
	X(storm, "over the port's storm limit")                      \
	X(isolated, "source and destination are isolated ports")     \
	X(overlay, "no overlay tunnel leads there")                  \
	X(no_room, "switch has no room to copy or keep it")          \
	X(consumed, "was for the switch itself")                     \
	X(vf_path, "destination's frames come by its VF")

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

struct vsw_lend;

struct vsw_vec {
	struct vsw_slot slot[VSW_VEC_SIZE];
	uint16_t n;
	uint16_t lcore;	 /* index of the lcore that owns the vector, 0.. */
	uint16_t nr_cut; /* NETHV_PKT_LSO frames that tx() cut: cut is to be looked at */
	uint32_t nr_sg;
	uint64_t now_tsc; /* read once a poll loop */
	struct vsw_lend *
		lend; /* the source's bytes may be sent from where they lie (vswitch/lend.h); or NULL */
	/* rx() may set these: all are for that port, by its own address (struct vsw_steered), or VSW_PORT_NONE. */
	uint16_t to;
	uint16_t as_q;	    /* with it: in that queue's books */
	uint16_t nr_passed; /* frames that were put into other queues */
	bool has_direct; /* rx() may set it: mbufs may have sections, their private areas are struct
			  * vsw_direct (vswitch/direct.h) */
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

/* lcore.  The bytes of the backing that lie in a row from the frame's byte @from on, which is inside: how many,
 * and where. */
uint32_t vsw_slot_run(const struct vsw_vec *v, const struct vsw_slot *s, uint32_t from,
		      const uint8_t **at);

/* lcore.  Makes min(@n, frame) bytes private, if they fit into snap. */
bool vsw_slot_pull(const struct vsw_vec *v, struct vsw_slot *s, uint32_t n);

/* lcore.  Copies any bytes of the frame as judged. The caller keeps the range inside the frame. */
void vsw_slot_copy(const struct vsw_vec *v, const struct vsw_slot *s, uint32_t from, void *dst,
		   uint32_t len);

/* lcore.  Copies the whole frame as judged: private bytes first, then the backing. */
static inline void vsw_slot_copy_frame(const struct vsw_vec *v, const struct vsw_slot *s,
				       uint8_t *dst)
{
	__builtin_memcpy(dst, vsw_hdr(&s->pkt), s->pkt.hdr_len);
	if (s->pkt.len > s->pkt.hdr_len)
		vsw_slot_copy_backing(v, s, s->pkt.hdr_len, dst + s->pkt.hdr_len,
				      s->pkt.len - s->pkt.hdr_len);
}
