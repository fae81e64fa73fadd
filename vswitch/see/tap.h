/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking at packets on their way: captures to pcapng, traces, the last dropped packets. The stages
 * call these hooks when a tap is set; with none, nothing is called.
 *
 * A tap set is immutable and published with the snapshot. What lcores write goes into rings that they
 * own; ctl reads these. A full ring loses records, counted. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/packet.h"
#include "vswitch/stages.h"

struct vsw_tap;

/* any.  Whether more is looked at than drops. If not, only vsw_tap_drop() need be called, and the short
 * way of a vector may be taken. NULL: false. */
bool vsw_tap_wants_packets(const struct vsw_tap *t);

/* What the stages tell of a station: the vector, who is there, and what for. */
struct vsw_tap_at {
	const struct vsw_vec *v;
	enum vsw_station station;
	const uint16_t *idx; /* packets that are alive at the station */
	uint16_t n;
	const struct nethv_dst
		*dstv; /* destinations, from forward on: at pkt.dst_first; else NULL */
};

/* lcore.  Once for each packet that enters, before anything else: matches traces and sets pkt.trace_id (0:
 * not traced), whatever it was. The station "in" is told by vsw_tap_station() afterwards. */
void vsw_tap_enter(struct vsw_tap *t, struct vsw_vec *v, const uint16_t *idx, uint16_t n);

/* lcore.  Packets at a station: captures there take them, traced ones are noted. */
void vsw_tap_station(struct vsw_tap *t, const struct vsw_tap_at *at);

/* lcore.  An extension handled these packets: @verdict[k] of idx[k] (0: passed, else 1 + reason). @tsc:
 * cycles of the call. For traced packets a line with the extension and its share. */
void vsw_tap_ext(struct vsw_tap *t, const struct vsw_tap_at *at, const char *ext,
		 const uint16_t *verdict, uint64_t tsc);

/* lcore.  The station "drop": vsw_tap_station() is not called for it. Packet @i was dropped (@port: towards that destination; VSW_PORT_NONE: as a whole). @ext: by
 * which extension, or NULL; @ext_reason: its text "word: sentence", or NULL. */
struct vsw_tap_drop {
	const struct vsw_vec *v;
	uint16_t i;
	uint16_t port;
	uint16_t reason; /* enum vsw_drop */
	const char *ext;
	const char *ext_reason;
};
void vsw_tap_drop(struct vsw_tap *t, const struct vsw_tap_drop *d);
