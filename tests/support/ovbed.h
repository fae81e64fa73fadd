/* SPDX-License-Identifier: BSD-3-Clause */
/* An overlay and, around it, what the stages of a switch do with its answers: a frame goes in at
 * a port, and what comes out at ports is handed to a sink. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/overlay/overlay.h"

#define OVBED_UPLINK	9u
#define OVBED_FRAME_MAX 4096u

struct ovbed {
	struct vsw_overlay *ov;
	uint32_t now_s;
	uint16_t privates; /* private bytes of a received frame at most: 64..128 */
	uint32_t piece;	   /* bytes at least of each piece of a received frame; 0: all in one */
	uint16_t in_flags; /* of a received packet, besides NETHV_PKT_VLAN */
	uint16_t in_csum;
	/* Of the last frame: */
	uint32_t vsid;
	uint16_t why;	     /* why it did not enter, or had no destination */
	uint16_t copies_why; /* why the last copy into a tunnel was lost */
	uint32_t nr_out;
	struct nethv_pkt pkt; /* behind the entry */
	void (*sink)(void *ctx, uint16_t port, uint16_t vlan, const uint8_t *frame, uint32_t len);
	void *ctx;
};

/* A frame with an out-of-band tag (@tci; -1: none) enters at @port, in VLAN @vlan. */
void ovbed_send(struct ovbed *b, uint16_t port, int32_t tci, uint16_t vlan, const uint8_t *frame,
		uint32_t len);

/* A second passes: what the overlay sends by itself goes to the sink. */
void ovbed_tick(struct ovbed *b);
