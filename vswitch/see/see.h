/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking at packets, the side of ctl: what is captured, traced and remembered, and what came of it.
 *
 * Life: vsw_see_create() -> [captures, traces and drops come and go; poll] -> vsw_see_destroy().
 * All functions are for ctl unless tagged otherwise. Each change makes a new tap set, has it published,
 * and frees the old one. With nothing to look at, the set is NULL and costs nothing.
 *
 * Filters are in pcap-filter syntax (libpcap, Ethernet). They see the frame with its 802.1Q tag in
 * place if it carries one at that station: as on a wire, `ip` does not match a tagged frame, `vlan 10
 * and ip` does. "" and NULL match everything. Checksums that are left to a device are not there yet. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "vswitch/see/tap.h"

#define VSW_SEE_CAPTURES_MAX 8u
#define VSW_SEE_TRACES_MAX   8u
#define VSW_SEE_TRACED_MAX   256u /* packets of one trace */
#define VSW_SEE_STEPS_MAX    128u /* of one traced packet, its clones included */
#define VSW_SEE_DROPS	     256u /* remembered by each lcore */
#define VSW_SEE_SNAP_MAX     65557u

struct vsw_see;

struct vsw_see_ops {
	/* Lcores see @tap (NULL: none) from now on; returns after a grace period: no lcore uses
	 * the one before. */
	void (*publish)(void *ctx, struct vsw_tap *tap);
	/* The name of a port, or NULL when there is none of that number. Valid until the next call. */
	const char *(*port_name)(void *ctx, uint16_t port);
};

struct vsw_see_cfg {
	unsigned int nr_lcores; /* 1..VSW_LCORES_MAX */
	uint64_t tsc_hz;
	uint32_t ring_size; /* bytes an lcore, a power of two from 256 KiB; 0: 1 MiB */
};

/* 0, -EINVAL or -ENOMEM (text set). Borrows @ops and @ctx. */
int vsw_see_create(struct vsw_see **out, const struct vsw_see_cfg *cfg,
		   const struct vsw_see_ops *ops, void *ctx);
/* Publishes NULL, ends the captures (their files are complete). NULL is fine. */
void vsw_see_destroy(struct vsw_see *see);

/* Takes what lcores have put into their rings, writes captures, ends those that reached their limit.
 * To be called every 20 ms or so while vsw_see_is_busy(). Does not block on pipes and sockets. */
void vsw_see_poll(struct vsw_see *see);
bool vsw_see_is_busy(const struct vsw_see *see);

/* "in,filter_in", "all" (every station), into bits 1 << enum vsw_station. 0 or -EINVAL (text set: the
 * names there are). */
int vsw_see_stations(uint32_t *mask, const char *text);

/* ---- Captures: to pcapng --------------------------------------------------------------------
 *
 * An interface for each port, named after it. At "out" a packet is written once for each port that it
 * is delivered to, as outbound; at the other stations once, as inbound at its source port. The
 * forwarding context is the packet's comment:
 *   at forward src a/0 vlan 10 dst b/0,c/0(excluded) mark 0x5
 *   at drop src a/0 vlan 10 drop acl_denied (a rule of the port's ACL denies it) */

struct vsw_see_capture_cfg {
	uint32_t stations; /* 1 << enum vsw_station; not 0 */
	const char *filter;
	bool is_for_ports; /* only packets that enter at or, once it is known, go to these ports */
	uint64_t ports[4]; /* then: bit per port number */
	uint32_t snaplen;  /* bytes of a packet at most; 0: all */
	uint64_t max_packets; /* 0: no limit */
	uint64_t max_bytes;   /* of the file; 0: no limit */
	int fd; /* written to: file, pipe or socket. A reader that does not keep up loses packets,
		 * counted, once 1 MiB waits for it */
};

enum vsw_see_state {
	VSW_SEE_RUNNING,
	VSW_SEE_DONE,	/* a limit was reached; the file is complete and closed */
	VSW_SEE_FAILED, /* the file could not be written: see text */
};

struct vsw_see_capture_status {
	uint32_t id;
	enum vsw_see_state state;
	uint64_t packets; /* written */
	uint64_t bytes;	  /* of the file */
	uint64_t lost;	  /* matched, but not written: a ring was full, or the reader too slow */
	const char *text; /* why it failed, or ""; borrowed until the next call */
};

/* 0, -EINVAL (filter, stations), -ENOSPC, -ENOMEM (text set). Owns cfg->fd when successful. */
int vsw_see_capture_add(struct vsw_see *see, const struct vsw_see_capture_cfg *cfg, uint32_t *id);
/* Takes the last records, writes the end of the file, closes it, forgets the capture. @st: its last
 * status, or NULL. 0 or -ENOENT (text set). */
int vsw_see_capture_remove(struct vsw_see *see, uint32_t id, struct vsw_see_capture_status *st);
int vsw_see_capture_status(struct vsw_see *see, uint32_t id, struct vsw_see_capture_status *st);
/* [{"id", "stations": ["in"], "filter", "state": "running", "packets", "bytes", "lost", "text"}]. A new
 * reference, NULL: no memory. */
json_t *vsw_see_captures_json(struct vsw_see *see);

/* ---- Traces: one packet's way ---------------------------------------------------------------- */

/* Traces the next @count (1..VSW_SEE_TRACED_MAX) packets that match when they enter. 0, -EINVAL,
 * -ENOSPC, -ENOMEM (text set). */
int vsw_see_trace_add(struct vsw_see *see, const char *filter, uint32_t count, uint32_t *id);
int vsw_see_trace_remove(struct vsw_see *see, uint32_t id); /* 0 or -ENOENT (text set) */

/* {"id", "filter", "wanted", "matched", "lost", "packets": [{"packet": 17, "summary", "src": "a/0",
 * "len", "done": bool, "steps": [...]}]}. A step is one of
 *   {"at": "filter_in", "ns", "vlan", "dst": ["b/0", "c/0 (excluded)"], "clone": true}
 *   {"ext": "acl", "at": "filter_in", "ns", "verdict": "passed" | "dropped", "reason": n, "cycles"}
 *   {"at": "drop", "ns", "reason", "text", "ext", "ext_reason", "port"}
 * with ns since the packet's entry, and members that do not apply left out. "done": it was delivered or
 * dropped; an extension that holds packets may make that late. "lost": records that found no room.
 * NULL: no such trace, or no memory. */
json_t *vsw_see_trace_json(struct vsw_see *see, uint32_t id);

/* any.  A packet of that list for people, several lines; to be freed. NULL: not of that form. */
char *vsw_see_trace_text(const json_t *packet);

/* ---- The last dropped packets ------------------------------------------------------------------ */

/* Each lcore remembers the last VSW_SEE_DROPS dropped packets that match @filter ("": all). NULL: no
 * more; what is remembered stays. 0, -EINVAL or -ENOMEM (text set). */
int vsw_see_drops_watch(struct vsw_see *see, const char *filter);
bool vsw_see_drops_is_watched(const struct vsw_see *see);

/* Of those, the ones that match @filter within their first 192 bytes, latest first, at most @max (0:
 * all): [{"time": seconds since 1970, "ago_ms", "summary", "src", "port", "vlan", "len", "reason", "text",
 * "ext", "ext_reason"}]. 0 or -errno (text set). */
int vsw_see_drops_json(struct vsw_see *see, const char *filter, unsigned int max, json_t **out);

/* any.  One of that list for people, one line without its end; to be freed. NULL: not of that form. */
char *vsw_see_drop_text(const json_t *drop);

/* ---- Packets in words ------------------------------------------------------------------------ */

/* any.  What a frame is, of which @n bytes of @len are at @bytes, in one line of printable ASCII:
 * "IPv4 TCP 10.0.0.1:80 > 10.0.0.2:3311 [S.]". Returns the length; @out is terminated when @size > 0. */
unsigned int vsw_see_summary(const uint8_t *bytes, uint32_t n, uint32_t len, char *out,
			     size_t size);
