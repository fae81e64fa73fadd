/* SPDX-License-Identifier: BSD-3-Clause */
/* The long way of a vector, taken when something is to be done with it besides forwarding: extensions,
 * port policies, mirrors, taps. vswitch/pipeline.c has the short way.
 *
 *   in -> capture -> filter -> policy -> forward -> | -> policy -> filter -> capture -> out
 *                    ingress                        |             egress
 *
 * A stage works on the packets that are still alive, in their order. It drops a packet by
 * vsw_stage_drop(), and a destination by setting NETHV_DST_EXCLUDED in work.dstv[]. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/packet.h"

/* Where a packet is on its way: for taps, traces and captures. X(name, text for people) */
#define VSW_STATIONS(X)                                         \
	X(in, "enters the switch")                              \
	X(capture_in, "behind capturing extensions, ingress")   \
	X(filter_in, "behind filtering extensions, ingress")    \
	X(policy_in, "behind the source port's policies")       \
	X(forward, "destinations are chosen, mirrors added")    \
	X(policy_out, "behind the destination ports' policies") \
	X(filter_out, "behind filtering extensions, egress")    \
	X(capture_out, "behind capturing extensions, egress")   \
	X(out, "delivered")                                     \
	X(drop, "dropped")

enum vsw_station {
#define X(name, text) VSW_AT_##name,
	VSW_STATIONS(X)
#undef X
		VSW_STATION_COUNT
};

/* any.  "filter_in" and its sentence; "?" when out of range. */
const char *vsw_station_name(unsigned int station);
const char *vsw_station_text(unsigned int station);

/* lcore.  Fills ether_type, l3_off, l4_off, l4_proto, l3_version and NETHV_PKT_PARSED, _FRAGMENT from the
 * private bytes. Offsets that came with an offload are kept. Does nothing when that was done. */
void vsw_parse(struct nethv_pkt *p);
