/* SPDX-License-Identifier: BSD-3-Clause */
/* A port that does next to nothing: it hands over 64-byte frames that lie ready, for ever, and takes whatever
 * comes. What is measured between two of them is the switch. */
#pragma once

#include <stdint.h>

#include "vswitch/port.h"

#define MILL_FRAME 64

struct mill {
	uint8_t frame[VSW_VEC_SIZE][MILL_FRAME];
	uint16_t n; /* frames a vector */
};

extern const struct vsw_port_ops mill_ops; /* the back end: struct mill */

/* ctl.  All frames: two addresses, then zeros for the caller to write over. */
void mill_fill(struct mill *m, const uint8_t *from, const uint8_t *to);
