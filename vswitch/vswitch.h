/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch: ports, poll lcores, learning forwarder, counters.
 *
 * Life: vsw_create() -> vsw_start() -> [ports come and go] -> vsw_stop() -> vsw_destroy().
 * The EAL is initialised before vsw_create() by the program. */
#pragma once

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include "vswitch/packet.h"

struct vsw;

#define VSW_LCORES_MAX	16u
#define VSW_STATS_LANES (VSW_LCORES_MAX + 1) /* each lcore's counters, and ctl's */

enum vsw_poll_mode {
	VSW_POLL_AUTO,	   /* shared when runnable threads outnumber cores, else adaptive */
	VSW_POLL_BUSY,	   /* never sleeps */
	VSW_POLL_ADAPTIVE, /* polls on for 1 ms without work, then sleeps on events */
	VSW_POLL_SHARED,   /* polls on for 50 us without work, then sleeps on events */
};

/* Counters of one port on one lcore, written by that lcore only, read by anybody. Bytes are those of
 * frames without an 802.1Q tag. For each port in + copies = delivered + drops, and over all ports the
 * sum of delivered is the sum of out. They are written in an order (see stats.c) that lets
 * vsw_stats_close_restart() close the books of a process that was killed between any two of them. */
struct vsw_port_stats {
	alignas(64) uint64_t in_packets;
	uint64_t in_bytes;
	uint64_t out_packets;
	uint64_t out_bytes;
	uint64_t copies;    /* made of packets that entered here: extra destinations (flooding), and
			     * all segments but the first of what was cut for each destination */
	uint64_t delivered; /* destinations, of packets that entered here, that took them */
	uint64_t rx_bursts;
	uint64_t tx_bursts;
	uint64_t drops[VSW_DROP_COUNT]; /* by reason, of packets that entered here */
};

/* Lives in memory that may outlive the process, so that a restarted switch goes on counting. All
 * zero is a valid start. The last slot takes the counters of names given up for lack of slots. */
struct vsw_stats {
	uint64_t magic;
	uint64_t restarts;
	struct vsw_stats_slot {
		char name[32];	 /* port; a re-created port of the same name finds its slot again */
		uint64_t closed; /* packets that the last vsw_stats_close_restart() counted here */
		struct vsw_port_stats lcore[VSW_STATS_LANES];
	} port[VSW_PORTS_MAX];
};

struct vsw_cfg {
	unsigned int nr_lcores;		       /* 1..VSW_LCORES_MAX */
	unsigned int lcore_id[VSW_LCORES_MAX]; /* EAL lcore ids that poll; not the main lcore */
	enum vsw_poll_mode poll;
	uint32_t fdb_size;	 /* MAC addresses; 0: 65536 */
	uint32_t ageing_s;	 /* 0: 300 */
	struct vsw_stats *stats; /* borrowed; NULL: private memory */
};

/* ctl.  0 or -errno (text set). */
int vsw_create(struct vsw **out, const struct vsw_cfg *cfg);
void vsw_destroy(struct vsw *sw);
int vsw_start(struct vsw *sw);
void vsw_stop(struct vsw *sw);

/* ctl.  Returns after every lcore passed a quiescent point (or sleeps). */
void vsw_quiesce(struct vsw *sw);

/* ctl.  Stops all lcores at a vector boundary, and lets them go on. Short: rings fill meanwhile. */
void vsw_park(struct vsw *sw);
void vsw_unpark(struct vsw *sw);

/* lcore -> ctl: @fn(@ctx, @arg) will run on the ctl thread. False when the queue is full (the caller
 * tries again at its next poll). */
typedef void (*vsw_event_fn)(void *ctx, uint64_t arg);
bool vsw_event_post(struct vsw *sw, vsw_event_fn fn, void *ctx, uint64_t arg);

/* ctl.  vsw_event_process() calls @fn(@ctx, 0) about once a second, until vsw_each_second_end() with that @ctx.
 * VSW_SECONDS_MAX at most. */
#define VSW_SECONDS_MAX 4u
void vsw_each_second(struct vsw *sw, vsw_event_fn fn, void *ctx);
void vsw_each_second_end(struct vsw *sw, void *ctx);

/* ctl.  An fd to wait on and what to do when it is readable. Learning and ageing happen here, too. */
int vsw_event_fd(const struct vsw *sw);
void vsw_event_process(struct vsw *sw);

/* ctl.  Under traffic. Monitor ports and what they see: instead of those before. Copies @cfg. 0, -EINVAL,
 * -ENOMEM (text set), then those before stay. */
struct vsw_mirror_cfg;
int vsw_set_mirrors(struct vsw *sw, const struct vsw_mirror_cfg *cfg, uint32_t nr);

/* ctl.  Under traffic. The overlay, which takes over what the one before learned; NULL: none. Borrows @cfg
 * for the call. 0 or -errno (text set), then the one before stays. */
struct vsw_overlay_cfg;
struct vsw_overlay;
int vsw_set_overlay(struct vsw *sw, const struct vsw_overlay_cfg *cfg);
struct vsw_overlay *vsw_overlay_of(const struct vsw *sw); /* ctl.  For show; or NULL */

/* ctl.  @fn will be called, on ctl and from inside of a forwarding extension's callback, when that takes the VF of
 * @port away (IOV-9): it notes that and returns. NULL: nobody. */
struct vsw_port;
typedef void (*vsw_vf_remove_fn)(void *ctx, struct vsw_port *port);
void vsw_on_vf_remove(struct vsw *sw, vsw_vf_remove_fn fn, void *ctx);

/* ctl.  Wakes sleeping lcores, such as after a change that they must see at once. */
void vsw_wake(struct vsw *sw);

/* ctl.  Lcores see @tap (NULL: none) from now on; returns after a grace period: no lcore uses the one
 * before. Borrowed. */
struct vsw_tap;
void vsw_set_tap(struct vsw *sw, struct vsw_tap *tap);

/* ctl.  Sum of a port's counters over lcores; the totals and whether in + copies = out + drops
 * (exact when no lcore is inside a vector: call vsw_quiesce() with traffic stopped). */
struct vsw_totals {
	uint64_t in, copies, out, drops;
	uint64_t by_reason[VSW_DROP_COUNT];
};
void vsw_port_stats_get(const struct vsw *sw, uint16_t port, struct vsw_port_stats *out);
void vsw_totals_get(const struct vsw *sw, struct vsw_totals *out);

/* ctl.  Closes the books of a switch that was killed: whatever entered and neither left nor was
 * dropped is counted as `restart` on its port. Called once at start with inherited stats. Returns
 * the packets so counted. */
uint64_t vsw_stats_close_restart(struct vsw_stats *st);

/* ctl.  A port's back end took @frames off its source, and the switch was killed before it completed
 * them. Counts them as entered and lost to the restart, unless the closing of the books did. At
 * worst some were delivered: what is counted as `restart` is never less than what was lost. */
struct vsw_port;
void vsw_port_count_restart(struct vsw_port *p, uint32_t frames);

/* ctl.  The mode in force: what VSW_POLL_AUTO chose at vsw_start(). */
enum vsw_poll_mode vsw_poll_mode(const struct vsw *sw);

/* What an lcore does with its time (ctl reads): loops, loops with work, sleeps, and the TSC spent. */
struct vsw_lcore_stats {
	uint64_t loops, busy_loops, sleeps, packets;
	uint64_t tsc_busy, tsc_idle, tsc_asleep;
};
unsigned int vsw_nr_lcores(const struct vsw *sw);
unsigned int vsw_lcore_eal_id(const struct vsw *sw,
			      unsigned int lcore); /* lcore: index in the switch */
void vsw_lcore_stats_get(const struct vsw *sw, unsigned int lcore, struct vsw_lcore_stats *out);

/* ctl.  The forwarding database, for show: calls @fn for each entry. */
struct vsw_fdb_entry {
	uint8_t mac[6];
	uint16_t vlan;
	uint16_t port;
	bool is_static;
	uint32_t age_s;
};
void vsw_fdb_walk(const struct vsw *sw, void (*fn)(const struct vsw_fdb_entry *e, void *ctx),
		  void *ctx);

/* ctl.  How learning goes. With the table full, unknown addresses are flooded. */
struct vsw_fdb_stats {
	uint32_t capacity, entries, statics;
	uint64_t learned, moved, aged;
	uint64_t full;	  /* addresses not learned: no room */
	uint64_t refused; /* addresses not learned: another adapter's own */
	uint64_t limited; /* addresses not reported by lcores: rate limit or event queue full */
};
void vsw_fdb_stats_get(const struct vsw *sw, struct vsw_fdb_stats *out);
