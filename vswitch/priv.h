/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of vswitch/ share: ports, snapshots, lcores. Not for other modules; tests may drive
 * an lcore's loop through it without a thread. */
#pragma once

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_rcu_qsbr.h>

#include "vswitch/fdb.h"
#include "vswitch/lend.h"
#include "vswitch/port.h"
#include "vswitch/run.h"
#include "vswitch/vswitch.h"

#define VLANS		4096u
#define VLAN_NONE	4095u		    /* reserved by 802.1Q; here: not a VLAN */
#define VLAN_UNKNOWN	0xFFFFu		    /* pkt.vlan: not looked up yet */
#define PORTS_REAL	(VSW_PORTS_MAX - 1) /* the last statistics slot is for names given up */
#define CACHE_SIZE	2048u
#define POSTED_SIZE	256u
#define VSW_LENDERS_MAX 8u /* uplinks with zero copy */

/* A receive queue in the eyes of ctl. */
struct port_queue {
	bool is_on;
	uint8_t lcore; /* kept until it is moved, so that two lcores never share it */
	bool has_lcore;
	int event_fd;		/* in the lcore's epoll set; borrowed */
	struct vsw_quiet quiet; /* borrowed */
};

struct vsw_port {
	/* Constant while attached: lcores read this line. */
	alignas(64) const struct vsw_port_ops *ops;
	void *be;
	struct vsw_port_stats *stats; /* [lcore] */
	struct vsw_queue_load *load; /* [queue], each written by the lcore that polls it; or NULL */
	uint64_t mac;		     /* own address as a number, or 0 */
	uint16_t id;
	uint16_t pvid;
	bool is_trunk;
	bool is_guarded;
	uint32_t incarnation; /* tells ports apart that had the same id one after the other */

	/* ctl only */
	alignas(64) struct vsw *sw;
	bool is_attached;
	struct port_queue queue[VSW_QUEUES_MAX];
	struct vsw_policy *policy; /* NULL: none */
	bool is_on_vf;
	bool has_vf;
	char vf_uplink[32];	       /* "": the first one */
	const struct vsw_rxbuf *rxbuf; /* offered for direct receive; NULL: none */
	bool is_judged;		       /* as the user of it was told last */
	struct vsw_port_cfg cfg;
};

/* Ports of one VLAN: where floods go. */
struct vsw_flood {
	uint16_t nr_ports;
	uint16_t port[];
};

struct vsw_poll {
	const struct vsw_port *port;
	struct vsw_queue_load *load; /* NULL: nobody wants to know */
	uint16_t q;
	bool is_drained; /* event_fd is non-blocking: read it empty after a wake-up */
	int event_fd;
	struct vsw_quiet quiet;
};

/* Everything that lcores need to know of the configuration. Immutable once published. */
struct vsw_snap {
	const struct vsw_port *port[VSW_PORTS_MAX];
	/* Where look-ups lead: DST_FLOOD and most ports to themselves; on its VF, to the uplink or to a drop. */
	uint16_t via[VSW_PORTS_MAX + 1];
	bool has_via;
	const struct vsw_flood *flood[VLANS]; /* neighbours with equal members share one */
	struct {
		uint32_t first, n; /* in poll[] */
	} lcore[VSW_LCORES_MAX];
	struct vsw_poll *poll;
	uint32_t nr_lenders; /* ports with reclaim() */
	const struct vsw_port *lender[VSW_LENDERS_MAX];
	/* The long way (vswitch/stages.h): taken when any of it is there. */
	bool is_long;
	bool is_quick; /* of all that, there are extensions only, and none that needs more than the
			* vector as it came */
	bool has_policy_out;
	struct vsw_policy *policy[VSW_PORTS_MAX];
	struct vsw_tap *tap;
	struct vsw_ext_set ext;
	struct vsw_watchdog *watchdog;
	struct vsw_overlay *overlay;
	const struct vsw_mirror *mirror;
};

/* Where a packet goes: a port's id, or one of these. */
#define DST_FLOOD 0x100u
#define DST_DROP  0x200u /* + enum vsw_drop */
_Static_assert(DST_FLOOD == VSW_PORTS_MAX, "the place behind all ports in sn->via");

struct vsw_group {
	uint16_t port;
	uint16_t n;
	uint16_t idx[VSW_VEC_SIZE];
	uint32_t dst[VSW_VEC_SIZE]; /* long way: which destination in dstv, beside idx */
};

/* Results of the stages for the vector at hand. */
struct vsw_work {
	uint16_t dst[VSW_VEC_SIZE];
	uint16_t tci[VSW_VEC_SIZE]; /* VLAN it belongs to, and its priority */
	bool is_uniform;	    /* one destination port and one tci for all */
	bool has_tags;		    /* NETHV_PKT_VLAN may be set on a slot */
	bool keeps_tags;	    /* the tags on the slots are those that leave */
	uint16_t misses;	    /* look-ups that did not find their address in the cache */
	struct vsw_tap *tap;	    /* long way: told what a port did not take; else NULL */
	uint64_t bytes;
	uint16_t nr_groups;
	uint8_t group_of[VSW_PORTS_MAX]; /* index + 1; 0: none */
	struct vsw_group group[PORTS_REAL];
};

/* Direct-mapped cache in front of the forwarding database; an entry of another generation is void. */
struct vsw_cached {
	uint64_t key;
	struct vsw_fdb_rec *rec;
	uint32_t gen;
	uint32_t seen_s;
	uint16_t port;
};

/* A source address reported to ctl not long ago. */
struct vsw_posted {
	uint64_t key;
	uint32_t gen;
	uint32_t at_s;
	uint16_t port;
};

/* Lies in memory that is mapped twice: extensions see it through the second mapping, read only. */
struct vsw_lcore {
	struct vsw_vec vec;
	struct vsw_vec more;		     /* injected packets in work */
	struct nethv_dst dstv[VSW_DSTV_MAX]; /* destinations of the vector in work */
	struct vsw_work work;
	struct vsw_cached cache[CACHE_SIZE];
	struct vsw_posted posted[POSTED_SIZE];

	alignas(64) struct vsw *sw;
	uint16_t index;
	unsigned int eal_id;
	uint32_t gen;	/* of the forwarding database, for the loop at hand */
	uint32_t now_s; /* the switch's clock */
	uint64_t next_s_tsc;
	uint64_t next_ms_tsc;
	uint32_t learn_budget; /* reports left in this millisecond */
	uint64_t busy_until_tsc;
	uint64_t idle_limit_tsc; /* UINT64_MAX: never sleeps */
	struct vsw_lcore_stats stats;
	uint64_t learn_limited;
	uint64_t mirror_lost; /* copies for monitor ports that found no room */
	uint32_t nr_passed;   /* frames from queue to queue, in the loop at hand */
	uint32_t overlay_s;   /* when the overlay's clock was last told */
	uint64_t gap_max;     /* longest loop, or time parked, TSC. Atomic */
	bool is_lent;	      /* a device still reads what was lent in this lcore */
	bool has_slept;	      /* since the last loop */
	uint64_t parked_from; /* still parked, since this TSC; 0: not. Atomic */

	/* The long way. */
	ptrdiff_t ro;				      /* from here to the read-only mapping */
	const struct nethv_pkt *ro_pkt[VSW_VEC_SIZE]; /* of vec, there */
	struct vsw_run run;
	struct vsw_inject inj;
	struct vsw_hold hold;
	struct vsw_ext_out *out;	  /* between pages without access */
	const struct vsw_ext_out *no_out; /* the same, read only: what captures get */
	struct vsw_guard guard;
	uint32_t untimed; /* calls of extensions that are not timed, until the next one that is */

	alignas(64) bool should_stop; /* ctl writes */
	bool has_ended;		      /* the lcore's last word: release, pairs with lcore_stop() */
	bool is_out;		      /* parked, asleep or ended: not inside a vector */
	int epfd, wake_fd;
};

struct rte_ring;

struct vsw_event {
	vsw_event_fn fn; /* NULL: a learned address, ctx and arg are packed by learn_post() */
	void *ctx;
	uint64_t arg;
};

struct vsw {
	struct vsw_snap *snap; /* ctl publishes (release), lcores load (acquire) */
	struct vsw_fdb *fdb;
	struct rte_rcu_qsbr *qsbr;
	uint64_t start_tsc, tsc_hz;
	uint64_t ns_mult; /* nanoseconds a cycle, 32 bits of fraction */
	struct vsw_lcore *lcore[VSW_LCORES_MAX];
	unsigned int nr_lcores;

	/* lcores -> ctl */
	struct rte_ring *events;
	bool is_event_due; /* event_fd was kicked and not drained yet */
	int event_fd, timer_fd, events_epfd;

	/* ctl only */
	struct {
		vsw_event_fn fn; /* NULL: free */
		void *ctx;
	} second[VSW_SECONDS_MAX];
	vsw_vf_remove_fn vf_remove_fn;
	void *vf_remove_ctx;
	struct vsw_cfg cfg;
	enum vsw_poll_mode mode;
	bool is_started;
	struct vsw_stats *stats;
	bool owns_stats;
	uint32_t next_incarnation;
	struct vsw_port *port[VSW_PORTS_MAX]; /* created */
	struct vsw_fdb_stats fdb_stats;
	struct vsw_exts *exts;
	struct vsw_tap *tap;
	struct vsw_overlay *overlay;
	struct vsw_mirror *mirror;
	struct vsw_memory *memory; /* that sources may lend of */
	unsigned int nr_memory;
	struct vsw_uplink *lender[VSW_LENDERS_MAX];
	unsigned int nr_lenders;
	const struct vsw_direct_user *direct_user; /* NULL: none */
	void *direct_ctx;

	bool is_parking; /* lcores stop between two vectors; see vsw_park() */
};

/* lcore.  Lost packets, runts and in-band tags: what the short way cannot judge. */
#define ETH_P_8021Q_BE 0x0081 /* 0x8100 as it lies in memory */
static inline bool vsw_is_rare(const struct nethv_pkt *p)
{
	uint16_t type;

	memcpy(&type, vsw_hdr(p) + 12, sizeof(type));
	return __builtin_expect(
		p->drop_reason != 0 || p->len < VSW_FRAME_MIN || type == ETH_P_8021Q_BE, 0);
}

/* any.  The switch's monotonic clock. */
static inline uint64_t vsw_tsc_ns(const struct vsw *sw, uint64_t tsc)
{
	return (uint64_t)((unsigned __int128)(tsc - sw->start_tsc) * sw->ns_mult >> 32);
}

static inline bool vsw_port_in_vlan(const struct vsw_port *p, uint16_t vid)
{
	if (vid == p->pvid)
		return true;
	return p->is_trunk && vid < VLAN_NONE && (p->cfg.allowed[vid >> 6] >> (vid & 63) & 1);
}

/* snapshot.c, ctl.  Builds what lcores see of @sw's ports. 0 or -ENOMEM (text set). */
int vsw_snap_build(struct vsw_snap **out, const struct vsw *sw);
void vsw_snap_free(struct vsw_snap *sn);

/* switch.c, ctl.  Builds and publishes a snapshot, wakes the lcores, waits for the grace period and
 * frees the old one. vsw_republish() is for removals, which cannot fail: it waits for memory. */
int vsw_publish(struct vsw *sw);
void vsw_republish(struct vsw *sw);
/* In two steps: @sn is what lcores see from now on, the result what they saw; then, after a grace period,
 * the old one is freed. */
struct vsw_snap *vsw_snap_exchange(struct vsw *sw, struct vsw_snap *sn);
void vsw_snap_retire(struct vsw *sw, struct vsw_snap *old);
uint32_t vsw_now_s(const struct vsw *sw);
bool vsw_event_put(struct vsw *sw, const struct vsw_event *e);

/* learn.c.  lcore: the record behind (mac, vlan), through the cache; whether a source is known, else
 * it is reported. ctl: what to do with a report; leaving and ageing. */
uint16_t vsw_lookup(struct vsw_lcore *lc, const struct vsw_snap *sn, uint64_t mac, uint16_t vid);
/* lcore.  Brings what the packets of the vector behind @p look up into the cache. */
void vsw_look_ahead(struct vsw_lcore *lc, const struct vsw_port *src, const struct nethv_pkt *p);
void vsw_learn_source(struct vsw_lcore *lc, const struct vsw_port *src, uint64_t mac, uint16_t vid);
/* lcore.  Of a frame that lies in a guest's memory, which may have changed it: keeps an address fresh that is known to be
 * there, and learns nothing. */
void vsw_learn_refresh(struct vsw_lcore *lc, const struct vsw_port *src, uint64_t mac,
		       uint16_t vid);
void vsw_learn_apply(struct vsw *sw, const struct vsw_event *e);
int vsw_learn_port_joins(struct vsw *sw, const struct vsw_port *p);
void vsw_learn_port_leaves(struct vsw *sw, const struct vsw_port *p);
void vsw_learn_age(struct vsw *sw);

/* vf.c.  ctl: fills sn->via. The uplink that leads to the port's VF; NULL: there is none, or it is not on it. */
void vsw_via_build(struct vsw_snap *sn, const struct vsw *sw);
const struct vsw_port *vsw_vf_uplink(const struct vsw_port *p);
/* vf.c, lcore.  Where a frame in VLAN @vid from port @src_id goes instead of @port, which is on its VF: a port,
 * or DST_DROP + reason. */
uint16_t vsw_via(const struct vsw_snap *sn, uint16_t src_id, uint16_t port, uint16_t vid);

/* direct.c, ctl.  Around what makes lcores see another configuration: tells the user of direct receive whose
 * frames are to be judged first from then on, and whose need not be any more. */
void vsw_direct_before(struct vsw *sw);
void vsw_direct_after(struct vsw *sw);

/* pipeline.c, lcore.  Takes lc->vec, received from @src, through all stages. */
void vsw_pipeline_run(struct vsw_lcore *lc, const struct vsw_snap *sn, const struct vsw_port *src);

/* pipeline.c, lcore.  Parts of the short way that the long one shares. */
/* Destination and tag of each packet of lc->vec, none of which is rare: work. And all that follows. */
void vsw_look_up(struct vsw_lcore *lc, const struct vsw_snap *sn, const struct vsw_port *src);
void vsw_scatter(struct vsw_lcore *lc, const struct vsw_snap *sn, const struct vsw_port *src);
extern const uint16_t vsw_in_order[VSW_VEC_SIZE]; /* 0, 1, 2, ... */
/* The reason why a packet cannot be looked at (0: it can); takes an in-band tag out of band. */
uint16_t vsw_admit(const struct vsw_vec *v, struct vsw_slot *s);
/* The VLAN that a frame from @src belongs to, or VLAN_NONE: not a member. */
uint16_t vsw_source_vlan(const struct vsw_port *src, const struct nethv_pkt *p);
/* Spoof guard, learning, look-up: a port, DST_FLOOD or DST_DROP + reason. @src may be NULL. */
uint16_t vsw_decide(struct vsw_lcore *lc, const struct vsw_snap *sn, const struct vsw_port *src,
		    const struct nethv_pkt *p, uint16_t vid);
/* Slots @idx of @v to one port, into the books @in. work.tci, has_tags and is_uniform are set. */
void vsw_deliver(struct vsw_lcore *lc, struct vsw_vec *v, struct vsw_port_stats *in,
		 const struct vsw_port *to, const uint16_t *idx, uint16_t n);

/* lcore.c.  ctl: make, unmake, thread body; one round over the queues, for the loop and for tests:
 * returns the packets received, and those put from queue to queue. */
/* lend.c, ctl. */
int vsw_lender_add(struct vsw *sw, struct vsw_uplink *u); /* 0 or -ENOSPC (text set) */
void vsw_lender_remove(struct vsw *sw, struct vsw_uplink *u);
void vsw_lend_tick(struct vsw *sw);
void vsw_lend_destroy(struct vsw *sw);

int vsw_lcore_create(struct vsw_lcore **out, struct vsw *sw, uint16_t index, unsigned int eal_id);
void vsw_lcore_destroy(struct vsw_lcore *lc);
int vsw_lcore_main(void *lc);
/* any.  From now on the longest loop is looked for. */
void vsw_lcore_gap_begin(struct vsw_lcore *lc);
/* any.  The longest since then, TSC; that of one which is still parked, or about to go on, too. */
uint64_t vsw_lcore_gap(const struct vsw_lcore *lc);
uint32_t vsw_lcore_poll(struct vsw_lcore *lc, const struct vsw_snap *sn, uint64_t now_tsc);
int vsw_lcore_watch(struct vsw_lcore *lc, int fd, uint16_t port, uint16_t q);
void vsw_lcore_unwatch(struct vsw_lcore *lc, int fd);

/* stats.c, ctl.  The slot of @name: its old one, or a free one; -ENOSPC (text set) when all are taken
 * by created ports. */
int vsw_stats_open(struct vsw_stats *st);
int vsw_stats_slot(struct vsw *sw, const char *name);

/* lcore.  One writer; release, so that a killed process leaves its counters in program order. */
static inline void stat_add(uint64_t *c, uint64_t n)
{
	__atomic_store_n(c, *c + n, __ATOMIC_RELEASE);
}

static inline uint64_t stat_get(const uint64_t *c)
{
	return __atomic_load_n(c, __ATOMIC_ACQUIRE);
}
