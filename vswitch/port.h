/* SPDX-License-Identifier: BSD-3-Clause */
/* A port is where frames enter and leave the switch. It knows nothing of what is behind it: a
 * NetVSP adapter, an uplink and a test sink are all struct vsw_port_ops.
 *
 * Life: vsw_port_create() -> vsw_port_attach() (lcores see it) -> vsw_port_detach() (unlink and
 * quiesce: no lcore sees it any more) -> vsw_port_destroy(). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/packet.h"

struct vsw;
struct vsw_port;

#define VSW_QUEUES_MAX 128u

/* Two words that tell of an empty queue without a call: as long as they are equal rx() would find nothing. One of them
 * at least is written by rx() alone. Both NULL: it is always asked. rx() is called now and then all the same, and after
 * each sleep: what is not in the words is done then. */
struct vsw_quiet {
	const uint32_t *now, *seen; /* atomic */
};

struct vsw_port_ops {
	/* lcore, one for each queue.  Appends what waits to @v (at most VSW_VEC_SIZE in all) and
	 * fills slot, pkt.hdr_off/len/hdr_len/flags/vlan_tci/drop_reason (a packet that is already lost
	 * carries its reason; it is counted as in and as dropped). Returns the packets appended. */
	uint16_t (*rx)(void *be, uint16_t q, struct vsw_vec *v);
	/* lcore, after the packets of rx() were delivered or dropped: completes and releases them.
	 * Called only when rx() returned more than 0. */
	void (*rx_done)(void *be, uint16_t q, struct vsw_vec *v);
	/* lcore, several at once.  Delivers v->slot[idx[0..n)], in that order. Returns how many were
	 * delivered; for each of the others reason[i] (zeroed by the caller) says why not.
	 * Tagging is decided for each destination: just before this call the switch sets or clears
	 * NETHV_PKT_VLAN (and vlan_tci) on these slots, and the bytes carry no 802.1Q tag. With the
	 * flag set the backend sends the tag (in band or by its own means), else none. The same
	 * slot may reach another port's tx() with another tagging. Slots are read only here.
	 * Offloads that a slot's flags ask for are to be done (vswitch/offload.h); of a frame that
	 * was cut the slot stands for one segment, vsw_cut_add() tells of the others. */
	uint16_t (*tx)(void *be, struct vsw_vec *v, const uint16_t *idx, uint16_t n,
		       uint8_t *reason);
	/* lcore.  Before sleep: asks for a wake-up through event_fd(). Returns true when there is
	 * work already. disarm() ends it; it may come without arm() before it, and from ctl after
	 * the queue was stopped. May be NULL: the queue is polled at least each ms. */
	bool (*arm)(void *be, uint16_t q);
	void (*disarm)(void *be, uint16_t q);
	/* lcore, before sleep.  Whether the queue may get work that does not wake us: then nobody
	 * sleeps for long. May be NULL: no. */
	bool (*is_silent)(void *be, uint16_t q);
	/* lcore, in each loop.  Takes back what the device has read of what this lcore lent it (vswitch/lend.h).
	 * True: something is still out, so nobody sleeps. May be NULL: nothing ever is. */
	bool (*reclaim)(void *be, uint16_t lcore);
	/* ctl.  An fd that is readable when an armed queue got work, or -1. Asked at each start of
	 * the queue and borrowed until its stop. The lcore drains it with read(2) of up to 256 bytes
	 * when non-blocking. May be NULL: -1. */
	int (*event_fd)(void *be, uint16_t q);
	/* ctl.  Asked at each start of the queue; the words are borrowed until its stop. May be NULL: none. */
	struct vsw_quiet (*quiet)(void *be, uint16_t q);
};

/* A priority tag (VID 0) counts as untagged. A frame with a second 802.1Q tag inside is dropped
 * (vlan_denied) on every port: sent untagged it would hop into the VLAN of its inner tag. */
enum vsw_vlan_mode {
	VSW_VLAN_ACCESS, /* untagged in and out; everything belongs to pvid, no other tag enters */
	VSW_VLAN_TRUNK,	 /* tagged, filtered by allowed[]; untagged frames belong to pvid (native),
			  * which is always a member and leaves untagged */
};

enum vsw_port_kind { VSW_PORT_NIC, VSW_PORT_UPLINK };

struct vsw_port_cfg {
	char name[32];
	enum vsw_port_kind kind;
	enum vsw_vlan_mode vlan_mode;
	uint16_t pvid;	      /* 0: the untagged network */
	uint64_t allowed[64]; /* trunk: bit per VLAN id */
	uint16_t
		nr_queues; /* polled from attach on: 0..VSW_QUEUES_MAX; see vsw_port_queue_start() */
	uint8_t mac[6];	   /* NIC: its own address, known without learning; else zero */
	bool is_spoof_guarded; /* NIC: source MAC must be mac */
	bool has_load;	       /* vsw_port_queue_load() is wanted: two clock reads for each burst */
};

/* ctl.  0, -EINVAL, -EEXIST (name or MAC taken), -ENOSPC, -ENOMEM (text set). Borrows @ops and @be. */
int vsw_port_create(struct vsw_port **out, struct vsw *sw, const struct vsw_port_cfg *cfg,
		    const struct vsw_port_ops *ops, void *be);
void vsw_port_destroy(struct vsw_port *p); /* ctl.  Detached, or NULL. */

/* ctl.  Under traffic. 0 or -errno (text set). */
int vsw_port_attach(struct vsw_port *p);
void vsw_port_detach(struct vsw_port *p);

/* ctl.  Starts or stops polling one receive queue of an attached port; stop returns after a grace
 * period: no lcore is in rx() of that queue. Starting a polled queue starts it anew (its event fd
 * may have changed); stopping one that is not polled does nothing. A queue stays on its lcore. */
int vsw_port_queue_start(struct vsw_port *p, uint16_t q);
void vsw_port_queue_stop(struct vsw_port *p, uint16_t q);

/* ctl, under traffic.  Has the queue polled by that lcore (index in the switch) from now on; before its first start:
 * from then on. Nothing is lost, nothing overtakes. 0, -EINVAL, -ENOMEM (text set; it is stopped then). */
int vsw_port_queue_move(struct vsw_port *p, uint16_t q, uint16_t lcore);
bool vsw_port_queue_is_on(const struct vsw_port *p, uint16_t q); /* ctl.  It is polled. */
/* ctl.  Where it is polled, or was when it was last started; -1: it never was. */
int vsw_port_queue_lcore(const struct vsw_port *p, uint16_t q);

/* What polling a queue of a port with has_load cost so far. */
struct vsw_queue_load {
	alignas(64) uint64_t tsc; /* of polls that found something, all work on it included */
	uint64_t packets;
	uint64_t bursts;
	uint64_t empties; /* polls that left nothing */
};
/* any. */
void vsw_port_queue_load(const struct vsw_port *p, uint16_t q, struct vsw_queue_load *out);
/* ctl.  Returns when all that lay in the queue when it was called was taken from it: @room frames at most lie there.
 * False: it is not polled, or the lcores do not run. */
bool vsw_port_queue_drain(struct vsw_port *p, uint16_t q, uint32_t room);

/* ctl.  Under traffic. The built-in policies of the port: instead of the ones before; NULL: none. 0 or
 * -errno (text set), then those before stay. @cfg is borrowed for the call. */
struct vsw_policy_cfg;
struct vsw_policy;
int vsw_port_set_policy(struct vsw_port *p, const struct vsw_policy_cfg *cfg);
struct vsw_policy *vsw_port_policy(const struct vsw_port *p); /* ctl.  Or NULL */

/* ctl.  Under traffic. Where the frames for a NIC's port are delivered: by its backend, or by a VF of the device
 * behind the uplink of that name (NULL or "": the first uplink). With a VF nothing reaches the backend from
 * when this returns: what other ports send to it, floods included, leaves at the uplink; what arrives there
 * for it is dropped (vf_path), because the device delivered it already. While there is no such uplink, or it
 * is not in the frame's VLAN, all of that is dropped. What the backend itself sends is forwarded as ever.
 * Turning it off lasts until there is memory. 0, -EINVAL (not a NIC's port, not attached; text set). */
enum vsw_vf_path { VSW_VF_PATH_OFF, VSW_VF_PATH_ON };
int vsw_port_vf_path_set(struct vsw_port *p, enum vsw_vf_path path, const char *uplink);
bool vsw_port_vf_path(const struct vsw_port *p); /* ctl. */

/* ctl.  Whether a VF is assigned to the port's partition: extensions see NETHV_PORT_VF_ASSIGNED. */
void vsw_port_vf_assigned_set(struct vsw_port *p, bool is_assigned);

/* ctl.  Why the port's frames may not pass the switch by: "policy" (it has port policies), "mirror" (it is the
 * source of one, or its monitor port); NULL: nothing. */
const char *vsw_port_vf_obstacle(const struct vsw_port *p);

/* ctl.  The port of that name, or NULL. */
struct vsw_port *vsw_port_find(const struct vsw *sw, const char *name);
/* ctl.  The port of that number, attached or not, or NULL. */
struct vsw_port *vsw_port_at(const struct vsw *sw, uint16_t id);

/* any.  Constant after create. */
uint16_t vsw_port_id(const struct vsw_port *p);
const struct vsw_port_cfg *vsw_port_cfg(const struct vsw_port *p);
/* any.  Whether frames of VLAN @vid, tagged or not, enter and leave there. */
bool vsw_port_is_member(const struct vsw_port *p, uint16_t vid);
