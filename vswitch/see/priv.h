/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of vswitch/see/ share: filters, the rings between lcores and ctl, the records in them,
 * the tap set. Tests may use it, too. */
#pragma once

#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "vswitch/see/see.h"
#include "vswitch/vswitch.h"

/* ---- filter.c ---------------------------------------------------------------------------------- */

/* A compiled pcap filter. Runs on frames as they would be on a wire, with their tag. */
struct see_filter;

/* ctl.  NULL or "": matches all, *@out is NULL. 0, -EINVAL or -ENOMEM (text set). */
int see_filter_create(struct see_filter **out, const char *text);
void see_filter_destroy(struct see_filter *f);

/* any.  @bytes holds @n of the frame's @len bytes. NULL matches. */
bool see_filter_match(const struct see_filter *f, const uint8_t *bytes, uint32_t n, uint32_t len);
/* lcore.  A slot's packet; @scratch has VSW_SEE_SNAP_MAX bytes. */
bool see_filter_run(const struct see_filter *f, const struct vsw_vec *v, const struct vsw_slot *s,
		    uint8_t *scratch);
/* any.  The frame bytes (from 0) that the filter may read at most, for a test. */
uint32_t see_filter_need(const struct see_filter *f);

/* any.  Length of a slot's frame with its tag in place; how much of it can be read (a packet that was
 * lost on its way in may have no bytes); its first @n bytes, @n <= that. */
uint32_t see_wire_len(const struct nethv_pkt *p);
uint32_t see_wire_here(const struct vsw_slot *s);
void see_wire_copy(const struct vsw_vec *v, const struct vsw_slot *s, uint8_t *dst, uint32_t n);

/* ---- ring.c ------------------------------------------------------------------------------------ */

/* Records of one lcore for ctl: a byte ring, single producer, single consumer. Each record begins with
 * its size, a multiple of 8, and lies in one piece. */
struct see_ring {
	uint8_t *mem;
	uint32_t size;		   /* a power of two */
	alignas(64) uint64_t head; /* the lcore writes (release) */
	uint64_t tail_seen;
	alignas(64) uint64_t tail; /* ctl writes (release) */
};

int see_ring_init(struct see_ring *r, uint32_t size); /* ctl.  0 or -ENOMEM (text set) */
void see_ring_fini(struct see_ring *r);
/* lcore.  Room for a record of up to @max bytes, or NULL. Nothing has happened until commit. */
void *see_ring_reserve(struct see_ring *r, uint32_t max);
void see_ring_commit(struct see_ring *r, uint32_t size); /* the reserved one's true size */
/* ctl.  The end of what is there now; the oldest record before @end, or NULL; done with that one. */
uint64_t see_ring_end(const struct see_ring *r);
const void *see_ring_peek(struct see_ring *r, uint64_t end);
void see_ring_release(struct see_ring *r);

/* ---- Records ------------------------------------------------------------------------------------- */

enum see_kind {
	SEE_PAD, /* up to the ring's end: nothing but the size */
	SEE_CAPTURED,
	SEE_ENTER,   /* a traced packet: its first bytes */
	SEE_STATION, /* a traced packet's destinations there */
	SEE_EXT,
	SEE_DROP,
};

#define SEE_HEAD     192u /* bytes of traced and dropped packets: for a summary */
#define SEE_EXT_LEN  32u
#define SEE_WHY_LEN  96u
#define SEE_DSTS_MAX VSW_PORTS_MAX

/* Followed by dst[ndst], struct see_words if has_words, bytes[cap]. */
struct see_rec {
	uint32_t size; /* with padding to 8 */
	uint8_t kind;  /* enum see_kind */
	uint8_t station;
	uint16_t has_words;
	uint64_t tsc;
	uint32_t id;	 /* of the capture or trace */
	uint32_t packet; /* trace_id */
	uint32_t len;	 /* of the frame, with its tag */
	uint32_t cap;	 /* bytes of it that are here */
	uint32_t mark;
	uint32_t cycles;   /* SEE_EXT */
	uint16_t flags;	   /* enum nethv_pkt_flags */
	uint16_t vlan;	   /* the one it belongs to */
	uint16_t src_port; /* or NETHV_PORT_DEFAULT */
	uint16_t src_nic;
	uint16_t lso_mss;
	uint16_t reason;  /* drops: enum vsw_drop; SEE_EXT: verdict */
	uint16_t to_port; /* drops: towards that one, or VSW_PORT_NONE */
	uint16_t ndst;
};
_Static_assert(sizeof(struct see_rec) % 8 == 0, "the ring needs a multiple of 8");

struct see_words {
	char ext[SEE_EXT_LEN];
	char why[SEE_WHY_LEN];
};

/* any.  Whether the switch knows the VLAN: it does not before it looked, nor if the packet may not enter. */
static inline bool see_rec_has_vlan(const struct see_rec *r)
{
	return r->vlan < 4095;
}

/* any.  The parts of a record. */
static inline const struct nethv_dst *see_rec_dst(const struct see_rec *r)
{
	return (const struct nethv_dst *)(r + 1);
}

static inline const struct see_words *see_rec_words(const struct see_rec *r)
{
	return r->has_words ? (const struct see_words *)(see_rec_dst(r) + r->ndst) : NULL;
}

static inline const uint8_t *see_rec_bytes(const struct see_rec *r)
{
	return (const uint8_t *)(see_rec_dst(r) + r->ndst) +
	       (r->has_words ? sizeof(struct see_words) : 0);
}

/* ---- What lcores keep ----------------------------------------------------------------------------- */

/* A dropped packet that is remembered: a record without destinations, in 64-bit words because ctl reads
 * it while the lcore may write the next one over it. */
#define SEE_DROP_WORDS ((sizeof(struct see_rec) + sizeof(struct see_words) + SEE_HEAD) / 8)

struct see_drop {
	uint64_t seq; /* 2 * (1 + number of the drop); odd while it is written */
	uint64_t word[SEE_DROP_WORDS];
};

struct see_lane {
	struct see_ring ring;
	uint8_t *scratch;
	struct see_drop *drop; /* [VSW_SEE_DROPS] */
	uint64_t nr_drops;     /* the lcore writes (release) */
};

/* What lcores count for a capture or a trace; outlives the tap sets that point to it. */
struct see_counts {
	uint64_t
		left; /* packets still wanted, taken by whichever lcore comes first; UINT64_MAX: all */
	struct {
		alignas(64) uint64_t taken, lost;
	} lcore[VSW_LCORES_MAX];
};

struct see_tap_capture {
	uint32_t id, stations, snaplen;
	bool is_for_ports;
	uint64_t ports[4];
	const struct see_filter *filter;
	struct see_counts *counts;
};

struct see_tap_trace {
	uint32_t id;
	const struct see_filter *filter;
	struct see_counts *counts;
};

struct vsw_tap {
	unsigned int nr_lcores, nr_captures, nr_traces;
	bool has_drops;
	uint32_t stations; /* of all captures */
	const struct see_filter *drop_filter;
	uint32_t *next_packet; /* of all traces there ever were */
	struct see_lane *lane; /* [nr_lcores] */
	struct see_tap_capture capture[VSW_SEE_CAPTURES_MAX];
	struct see_tap_trace trace[VSW_SEE_TRACES_MAX];
};

/* ---- say.c: text of bounded length ----------------------------------------------------------------- */

struct see_say {
	char *out;
	size_t size, len; /* len < size, unless size is 0 */
};

void see_say(struct see_say *y, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline bool see_bit(const uint64_t *set, uint32_t i)
{
	return i < VSW_PORTS_MAX && (set[i >> 6] >> (i & 63) & 1);
}
