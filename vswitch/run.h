/* SPDX-License-Identifier: BSD-3-Clause */
/* What the stages of the long way share, inside vswitch/: the vector in work, with whose packets and into
 * whose books; an lcore's memory for it; and the extensions as a snapshot lists them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/ext/ext.h"
#include "vswitch/ext/guard.h"
#include "vswitch/inject.h"
#include "vswitch/packet.h"
#include "vswitch/stages.h"

struct vsw;
struct vsw_lcore;
struct vsw_snap;
struct vsw_port;
struct vsw_port_stats;
struct vsw_tap;

#define VSW_DSTV_MAX \
	(2 * VSW_VEC_SIZE * VSW_PORTS_MAX) /* each packet to all, and mirrored once more */
#define VSW_INJ_DSTS   8u /* destinations that an injected packet can bring along */
#define VSW_INJ_SG     24576u
#define VSW_INJ_QUEUE  (VSW_INJECT_MAX + VSW_VEC_SIZE * 64u) /* a vector of broadcasts to 64 VTEPs */
#define VSW_SCRATCH    (1u << 20)
#define VSW_OPS_MAX    256u		   /* things that one callback can ask for */
#define VSW_ACCT_SELF  (VSW_PORTS_MAX - 1) /* books of packets that nobody sent */
#define VSW_HELD_MAX   2048u		   /* packets that an lcore keeps for its extensions */
#define VSW_CHUNK      2048u
#define VSW_CHUNKS_MAX 5u /* of a frame */

/* An extension in a snapshot. Constant. */
struct vsw_ext_view {
	struct vsw_ext *e;
	void *inst;
	void (*in)(void *inst, struct nethv_burst *b);
	void (*out)(void *inst, struct nethv_burst *b);
	void (*poll)(void *inst, struct nethv_burst *b);
	const uint64_t *ports; /* NULL: all */
	const char *name;
	uint32_t cls;
	uint32_t flags;
	uint64_t budget_ns;
	bool is_fail_closed;
};

struct vsw_ext_list {
	uint16_t n;
	bool has_in, has_out; /* any of them has that callback */
	struct vsw_ext_view x[VSW_EXTS_MAX];
};

struct vsw_ext_set {
	struct vsw_ext_list capture, filter, forward;
	bool is_any;
	bool wants_plain;
	bool wants_parsed;
	bool wants_poll;
};

/* A packet on its way into the stages from inside. */
struct vsw_inj {
	struct vsw_slot slot; /* sg_first: in inj.sg */
	struct vsw_resume at;
	uint16_t acct; /* port in whose books it is */
	uint16_t ndst;
	struct nethv_dst dst[VSW_INJ_DSTS];
};

struct vsw_inject {
	uint32_t next, n; /* e[next .. n) wait */
	uint32_t
		made; /* clones and new packets since the vector came: bounds what makes itself anew */
	uint32_t nr_sg;
	struct vsw_sg sg[VSW_INJ_SG];
	struct vsw_inj e[VSW_INJ_QUEUE];
	uint32_t scratch_used;
	uint8_t *scratch;
};

/* A packet that an extension keeps. */
struct vsw_held {
	uint32_t owner; /* id of the extension; 0: free */
	uint32_t gen;	/* of the handle: the place is used again */
	bool is_void;	/* dropped and counted already; its holder does not know yet */
	uint32_t chunk[VSW_CHUNKS_MAX];
	uint32_t nr_chunks;
	uint32_t next_free;
	uint32_t order; /* of taking, so that a flush of ours keeps it */
	struct vsw_inj inj;
};

struct vsw_hold {
	struct vsw_held *held; /* [VSW_HELD_MAX]; NULL: nobody holds */
	uint8_t *mem;	       /* [nr_chunks] of VSW_CHUNK */
	uint32_t *chunk_next;
	uint32_t free_chunk, free_held; /* heads, + 1; 0: none */
	uint32_t nr_held;
	uint32_t order;
	uint32_t
		late[VSW_INJECT_MAX * VSW_CHUNKS_MAX]; /* chunks to be freed after the injections */
	uint32_t nr_late;
};

/* What a callback asked for; done when it returned. */
enum vsw_op_kind {
	VSW_OP_EDIT,
	VSW_OP_HEAD,
	VSW_OP_VLAN,
	VSW_OP_MARK,
	VSW_OP_SOURCE,
	VSW_OP_CLONE,
	VSW_OP_ORIGINATE,
	VSW_OP_HOLD,
	VSW_OP_RELEASE,
	VSW_OP_DISCARD,
};

struct vsw_op {
	uint8_t kind; /* enum vsw_op_kind */
	uint16_t i;   /* slot */
	uint16_t port;
	uint32_t off, len;
	int32_t value;
	const uint8_t *bytes; /* scratch */
};

/* Results that an extension writes itself; between pages that nobody can touch. */
struct vsw_ext_out {
	struct nethv_route route[VSW_VEC_SIZE];
	uint16_t verdict[VSW_VEC_SIZE];
	uint8_t exclude[VSW_DSTV_MAX];
};

/* The vector in work. */
struct vsw_run {
	struct vsw_lcore *lc;
	const struct vsw_snap *sn;
	struct vsw_vec *v;
	const struct vsw_port *src; /* NULL: trusted, nobody's */
	uint16_t src_id;
	uint16_t acct;
	struct vsw_port_stats *st; /* of acct, on this lcore */
	enum vsw_station from;	   /* behind which station it begins */
	uint16_t below;
	bool is_whole;	 /* the fresh vector, all of it, as it came */
	bool has_gone;	 /* some of live[] were dropped or went elsewhere: pkt.drop_reason */
	uint32_t nr_dst; /* of dstv, in use */
	uint16_t n;	 /* alive: live[0 .. n) */
	uint16_t live[VSW_VEC_SIZE];
	uint16_t why[VSW_VEC_SIZE]; /* beside live */

	/* The call of an extension at hand. */
	const struct vsw_ext_list *list;
	uint16_t pos; /* in order of calling */
	bool is_egress;
	bool is_poll;
	enum vsw_station station;
	const struct vsw_ext_view *x;
	bool is_timed;
	uint64_t tsc; /* of a call that is timed */
	uint16_t nr_sub;
	const uint16_t *sub; /* slots of the burst: sub_room, or vsw_in_order */
	const struct nethv_pkt *const *pkt;
	uint64_t gone; /* bit per packet of the burst: held, or from another source now */
	uint16_t nr_ops;
	uint16_t nr_places; /* that the operations will take in the queue of injected packets */
	struct vsw_op op[VSW_OPS_MAX];
	uint16_t sub_room[VSW_VEC_SIZE];
	const struct nethv_pkt *pkt_room[VSW_VEC_SIZE];
	struct nethv_burst burst;
};

/* stages.c, lcore.  Drops packet @i; by @x (NULL: by the switch) for its own reason @text. The caller takes
 * it from live[]. */
void vsw_stage_drop(struct vsw_run *r, uint16_t i, uint16_t why, const struct vsw_ext_view *x,
		    const char *text);
/* Excludes destination @d (index in dstv) of packet @i. */
void vsw_stage_exclude(struct vsw_run *r, uint16_t i, uint32_t d, uint16_t why,
		       const struct vsw_ext_view *x);
/* Counts and tells that a copy of packet @i towards @port is lost; the packet itself goes on. */
void vsw_stage_lose(struct vsw_run *r, uint16_t i, uint16_t port, uint16_t why);
/* Takes from live[] those that were dropped or moved. */
void vsw_stage_sweep(struct vsw_run *r);
/* Puts packet @i's destinations into dstv and counts its copies. */
void vsw_stage_route(struct vsw_run *r, uint16_t i, const struct nethv_dst *dst, uint16_t n);
void vsw_stage_flood(struct vsw_run *r, uint16_t i);
/* By VLAN and address, as the learning switch does. */
void vsw_stage_normal(struct vsw_run *r, uint16_t i);

/* stages_overlay.c, lcore.  What a virtual subnet adds: tunnels end, native packets get their routes. */
void vsw_stage_overlay_in(struct vsw_run *r);
/* What came from inside, behind the entry: as a subnet's port's, or into a tunnel. */
void vsw_stage_overlay_again(struct vsw_run *r);
void vsw_stage_overlay_route(struct vsw_run *r);
void vsw_stage_overlay_tick(struct vsw_lcore *lc, const struct vsw_snap *sn);

/* stages_mirror.c, lcore.  Copies for monitor ports: behind forwarding; of what goes into tunnels only, because
 * it entered, and as it leaves; of what is dropped (@d: an index in dstv, or VSW_DST_NONE for the packet as a
 * whole). */
void vsw_stage_mirror(struct vsw_run *r);
void vsw_stage_mirror_moved(struct vsw_run *r, uint16_t i);
void vsw_stage_mirror_tunnel(struct vsw_run *r);
void vsw_stage_mirror_drop(struct vsw_run *r, uint16_t i, uint32_t d);
#define VSW_DST_NONE UINT32_MAX

/* vf.c, lcore.  Leads destinations that are on their VFs to the uplink, or excludes them. */
void vsw_stage_place(struct vsw_run *r);

/* ext/call.c, lcore.  Calls the extensions of @list, from position @below on, in order. */
void vsw_ext_run(struct vsw_run *r, const struct vsw_ext_list *list, bool is_egress, uint16_t below,
		 enum vsw_station station);
/* Calls poll() of who holds packets, and flush() of who is asked to; once a loop. */
void vsw_ext_poll(struct vsw_lcore *lc, const struct vsw_snap *sn);

/* ext/calls.c, lcore.  Does what the callback at hand asked for; undoes what was taken for one that
 * faulted. */
void vsw_ops_do(struct vsw_run *r);
/* Packet @p's destinations that are not excluded, to @dst; how many. */
uint16_t vsw_dsts_left(const struct vsw_run *r, const struct nethv_pkt *p, struct nethv_dst *dst);
void vsw_hold_undo(struct vsw_run *r);

/* A packet of live[] goes on elsewhere: not a drop. */
void vsw_stage_moved(struct vsw_run *r, uint16_t i);
#define VSW_MOVED 0xFFFFu /* pkt.drop_reason of a packet that goes on elsewhere: not a drop */

/* ext/hold.c, lcore.  Room for packet @i: its handle, or -1. Then the packet as it has become. */
int64_t vsw_hold_take(struct vsw_run *r, uint16_t i, uint32_t owner);
bool vsw_hold_fill(struct vsw_run *r, uint16_t i, uint32_t handle); /* false: no room */
bool vsw_hold_is(const struct vsw_lcore *lc, uint32_t handle, uint32_t owner);
bool vsw_hold_is_void(const struct vsw_lcore *lc, uint32_t handle);
/* Whether one more release will find room, behind what the callback at hand asked for already. */
bool vsw_hold_can_release(const struct vsw_run *r);
/* Back into the stages, behind r->x as the list is now; false: no room now. */
bool vsw_hold_release(struct vsw_run *r, uint32_t handle);
void vsw_hold_drop(struct vsw_lcore *lc, uint32_t handle, enum vsw_drop why); /* counted */
void vsw_hold_forget(struct vsw_lcore *lc, uint32_t handle); /* as if it had not been taken */
/* The handle stays, of a packet that is lost and counted. */
void vsw_hold_void(struct vsw_lcore *lc, uint32_t handle);
/* All of r->x, in the order in which they were taken; false: some are left. */
bool vsw_hold_release_all(struct vsw_run *r);
void vsw_hold_after(struct vsw_lcore *lc); /* the injections are over */
/* ctl. */
int vsw_hold_create(struct vsw_hold *h);
void vsw_hold_destroy(struct vsw_hold *h);
/* The port is in no snapshot any more: held packets do not name it afterwards. */
void vsw_hold_port_gone(struct vsw *sw, uint16_t port);

/* inject.c, lcore.  As vsw_inject_clone(), without counting. @from is in @v; NULL: it is in one piece. NULL:
 * no room. */
struct vsw_inj *vsw_inj_put(struct vsw_lcore *lc, const struct vsw_slot *from,
			    const struct vsw_vec *v, struct vsw_resume at, uint16_t acct);
uint32_t vsw_inj_room(const struct vsw_lcore *lc); /* places that are free */
/* The next ones that may be one vector, as r->v etc. False: none. */
bool vsw_inj_next(struct vsw_lcore *lc, struct vsw_run *r);

/* The second half of a packet, which is the same for all that come from one port. */
#define VSW_CONTEXT_AT	offsetof(struct nethv_pkt, src_port)
#define VSW_CONTEXT_LEN (sizeof(struct nethv_pkt) - VSW_CONTEXT_AT)
_Static_assert(VSW_CONTEXT_AT == 32, "half a line");

/* stages_quick.c, lcore.  False: the vector is not one for it, and is as it was but for what vsw_stages_run()
 * sets anyhow. */
bool vsw_stages_quick(struct vsw_run *r);

/* stages.c, lcore.  From behind all of @station on, the way is the usual one. */
void vsw_stages_from(struct vsw_run *r, enum vsw_station station);
/* All that was injected, until nothing is left; finish: and gives back what served them. */
void vsw_stages_drain(struct vsw_lcore *lc, const struct vsw_snap *sn);
void vsw_stages_finish(struct vsw_lcore *lc, const struct vsw_snap *sn);
void vsw_stages_run(struct vsw_lcore *lc, const struct vsw_snap *sn, const struct vsw_port *src);
