/* SPDX-License-Identifier: BSD-3-Clause */
/* A real switch on the caller's thread, with ports on memory: what is sent enters at a port, what leaves
 * a port is shown to the caller. Needs no root, no huge pages and no device.
 *
 * Life: bed_eal() once -> bed_create() -> bed_port_add() -> [bed_send(), bed_idle()] -> bed_destroy(). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/port.h"
#include "vswitch/vswitch.h"

#define BED_PORTS_MAX 64u
#define BED_BURST_MAX VSW_VEC_SIZE

struct bed;

/* A frame that enters; as in struct nethv_pkt. The bytes stay the caller's, and in place. */
struct bed_in {
	const uint8_t *bytes;
	uint32_t len;
	uint16_t flags, tci;
	uint8_t l3_off, l4_off;
	uint16_t csum, lso_mss;
	uint64_t ts_ns;
};

/* A frame that leaves: a segment of a frame that was to be cut, its checksum finished. */
struct bed_out {
	unsigned int port;
	const uint8_t *bytes;
	uint32_t len;
	int32_t tci;	/* of its tag, or -1 */
	uint64_t ts_ns; /* of the frame it is, or of the burst that it was made in */
};

typedef void (*bed_sink_fn)(void *ctx, const struct bed_out *o);

/* How a port keeps its frames: like a guest that has them in many pieces, like one that leaves little room
 * for private bytes. All zero: in one piece. */
struct bed_backing {
	uint32_t piece;	  /* bytes of a piece; 0: one */
	uint16_t hdr_max; /* private bytes; 0: VSW_SNAP_SIZE */
	uint16_t hdr_off; /* what lies before them */
};

/* ctl, all.  0 or -errno (text set). */
int bed_eal(void);
int bed_create(struct bed **out, unsigned int nr_lcores);
void bed_destroy(struct bed *b);
struct vsw *bed_switch(struct bed *b);

/* Who is told of what leaves; NULL: nobody. */
void bed_sink(struct bed *b, bed_sink_fn fn, void *ctx);

/* A number from 0 on, or -errno (text set). cfg->nr_queues is set here: one for each lcore. */
int bed_port_add(struct bed *b, const struct vsw_port_cfg *cfg);
void bed_port_remove(struct bed *b, unsigned int port);
const char *bed_port_name(const struct bed *b, unsigned int port);
struct vsw_port *bed_port(const struct bed *b, unsigned int port);
void bed_port_backing(struct bed *b, unsigned int port, const struct bed_backing *how);

/* One burst of up to BED_BURST_MAX frames into a port, through to its end, on lcore @lcore. */
void bed_send(struct bed *b, unsigned int lcore, unsigned int port, const struct bed_in *in,
	      unsigned int n);
/* A round without frames, for what extensions hold, on all lcores; and what waits for ctl. */
void bed_idle(struct bed *b);
/* Forgets where addresses are: what enters is flooded. */
void bed_forget(struct bed *b);

/* in + copies = out + drops, in the totals and for each port. */
bool bed_is_balanced(const struct bed *b);
