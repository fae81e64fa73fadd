/* SPDX-License-Identifier: BSD-3-Clause */
/* Port mirroring (DP-16). A session copies what enters or leaves its source ports, or what is
 * dropped there, to a monitor port. The switch adds the copy behind forwarding, with or without
 * a forwarding extension, unless the monitor port is a destination anyway; egress filters may
 * exclude it.
 *
 *  - The copy is the frame as it is behind forwarding, in its VLAN's tag if it is in one,
 *    whatever the monitor port's VLAN mode; there is no trailer.
 *  - The monitor port stays an ordinary port: what it sends is forwarded. What it sends itself
 *    is never copied back to it.
 *  - Copies are not copied again: a monitor port as another session's source shows its own
 *    traffic only.
 *  - A packet that is dropped is copied once to a session that wants drops: as a whole when
 *    nothing else of it was mirrored there, else (VSW_MIRROR_DROPS) once for each destination
 *    that it did not reach. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/packet.h"

#define VSW_MIRRORS_MAX 8u /* of a switch */

enum vsw_mirror_way {
	VSW_MIRROR_IN = 1 << 0,	 /* what enters at a source */
	VSW_MIRROR_OUT = 1 << 1, /* what is forwarded to a source */
	VSW_MIRROR_BOTH = VSW_MIRROR_IN | VSW_MIRROR_OUT,
};

enum vsw_mirror_what {
	VSW_MIRROR_FORWARDED = 1 << 0,
	VSW_MIRROR_DROPS = 1 << 1, /* alone: nothing but drops */
	VSW_MIRROR_ALL = VSW_MIRROR_FORWARDED | VSW_MIRROR_DROPS,
};

struct vsw_mirror_cfg {
	uint64_t sources[VSW_PORTS_MAX / 64]; /* bit per port number */
	uint8_t way;			      /* enum vsw_mirror_way */
	uint8_t what;			      /* enum vsw_mirror_what */
	uint16_t to;			      /* monitor port */
	uint16_t snap_len; /* bytes of a copy at most, without the tag; 0: all. At least 14 */
};

/* The sessions of a switch: immutable, part of what is published. */
struct vsw_mirror {
	uint32_t nr;
	struct vsw_mirror_cfg session[VSW_MIRRORS_MAX];
	uint8_t in[VSW_PORTS_MAX];  /* by port: bit per session that wants what enters there */
	uint8_t out[VSW_PORTS_MAX]; /* what is forwarded there */
	uint8_t forwarded;	    /* bit per session that wants forwarded packets, drops */
	uint8_t drops;
};

/* ctl.  0 or -EINVAL (text set). Copies @cfg; session numbers are their positions. */
int vsw_mirror_init(struct vsw_mirror *m, const struct vsw_mirror_cfg *cfg, uint32_t nr);

/* lcore, once behind forwarding.  For packets v->slot[idx[0 .. n)], with destinations
 * dstv[pkt.dst_first .. + pkt.ndst): sets hit[k] of idx[k] to the sessions (bit per number) that
 * get a copy, at most one for each monitor port. For each the caller adds the destination
 * vsw_mirror_dst(); or, if vsw_mirror_len() is less than pkt.len, a clone of that length with
 * that destination alone. */
void vsw_mirror_match(const struct vsw_mirror *m, const struct vsw_vec *v, const uint16_t *idx,
		      uint16_t n, const struct nethv_dst *dstv, uint8_t *hit);

/* lcore.  The sessions that get packet @p because it is dropped. @to: towards that destination;
 * NULL: as a whole. @is_forwarded: vsw_mirror_match() saw it. Each gets a clone of
 * vsw_mirror_len() bytes with vsw_mirror_dst() as its destination, that goes on behind
 * forwarding. */
uint8_t vsw_mirror_drop(const struct vsw_mirror *m, const struct nethv_pkt *p,
			const struct nethv_dst *to, bool is_forwarded);

/* lcore.  The same for a packet of which copies alone go on, into tunnels: because it entered; and for such a
 * copy, with its destinations: because of where it leaves. */
uint8_t vsw_mirror_entered(const struct vsw_mirror *m, const struct nethv_pkt *p);
uint8_t vsw_mirror_leaves(const struct vsw_mirror *m, const struct nethv_pkt *p,
			  const struct nethv_dst *dst);

/* lcore.  As vsw_mirror_drop(), for a packet that is dropped as a whole behind forwarding, with all of its
 * destinations @dst: a copy that was one of them is lost with it, so who wants drops gets another. */
uint8_t vsw_mirror_lost(const struct vsw_mirror *m, const struct nethv_pkt *p,
			const struct nethv_dst *dst);

/* any.  Of session @n: the destination to add; the bytes of a copy of a frame of @len bytes. */
struct nethv_dst vsw_mirror_dst(const struct vsw_mirror *m, unsigned int n);
uint32_t vsw_mirror_len(const struct vsw_mirror *m, unsigned int n, uint32_t len);
