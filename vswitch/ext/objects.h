/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports and adapters as extensions know them: their states (ST-0 to ST-6 of docs/conformance.md), the
 * events that lead from one to the next, and who may refuse them; references; properties; read-back;
 * requests to uplinks. Run-time data is in vswitch/ext/rtd.h. All of it is ctl but for the state that
 * lcores read.
 *
 *   NONE -PORT_CREATE-> CREATED -NIC_CREATE-> NIC_CREATED -NIC_CONNECT-> NIC_CONNECTED
 *          NIC_CREATED, NIC_CONNECTED -NIC_DISCONNECT-> NIC_DISCONNECTED -NIC_DELETE-> NIC_DELETED
 *          NIC_DELETED -NIC_CREATE-> NIC_CREATED (another adapter on the same port)
 *          CREATED, NIC_DELETED -PORT_TEARDOWN-> TEARDOWN -PORT_DELETE-> NONE
 *
 * Adapter 0 is the port's own. An external port may have members 1..NETHV_NICS_MAX besides, each with
 * this life of its own; they are created after adapter 0 and deleted before it.
 *
 * Events. Each goes to the stack as it was when the event began, from the top; so an extension that
 * comes or goes meanwhile makes nobody else miss it (EXT-8). What can be refused (CREATE, ADD, UPDATE)
 * changes the state when all have accepted it: during PORT_CREATE the port's state is still NONE. What
 * cannot fail changes it first: during NIC_DISCONNECT the adapter is disconnected already, so nobody
 * can send to it any more (DP-9).
 *
 * Refusals. When an extension refuses, those above that had accepted are told by the opposite event, in
 * reverse order: CREATE by DELETE, ADD by DELETE, UPDATE by UPDATE with the old value; requests for
 * an uplink likewise (VMQ_ALLOCATE by VMQ_FREE with number 0). Who refused and those below are not.
 * An answer that the class or the event does not allow is a broken rule: it is reported and counted
 * as PASS.
 *
 * A port that packets are on their way to is not deleted under them (DP-7): the port's owner calls
 * vsw_quiesce() between NIC_DISCONNECT and NIC_DELETE, and a vector never outlives its grace period.
 * Nothing is counted for each packet. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nethv/extension.h>

#include "vswitch/ext/ext.h"

struct vsw_objs;

#define VSW_OWNER_SWITCH  0u /* whose doing it is: the switch itself. Others: an instance's number */
#define VSW_NIC_NONE	  0xFFFFu /* where an adapter's index is wanted: the port itself */
#define VSW_PROPS_MAX	  256u	  /* of a port, of the switch */
#define VSW_PROP_DATA_MAX (64u << 10)
#define VSW_ANSWER_MAX	  (1u << 20) /* bytes of a read-back, of a blob of run-time data */
#define VSW_REFS_MAX	  16384u     /* references of different owner, port or adapter */
#define VSW_HW_MAX	  4096u	     /* queues, VFs and vports under way */
#define VSW_VETO_TEXT	  192u	     /* room for the reason of a veto */
#define VSW_NESTED_MAX	  16u	     /* requests made while handling a request ... */

/* An instance in the stack. */
struct vsw_objs_ext {
	uint32_t owner; /* its number, never 0, never used again on this switch */
	uint32_t cls;	/* enum nethv_ext_class */
	uint32_t state_version;
	struct nethv_guid guid;
	char name[32];
};

/* How the extensions and the switch are reached. ctl, all. */
struct vsw_objs_ops {
	/* The enabled instances, the top one first. Returns how many. */
	unsigned int (*stack)(void *ctx, struct vsw_objs_ext ext[VSW_EXTS_MAX]);
	/* Calls the event() of instance @owner, under guard; @ev is a copy made for this call. Returns what
	 * event() did; NETHV_EV_PASS when it has none, faulted, or is not there any more. It may call
	 * back into any function here but those that change ports and properties. */
	int (*deliver)(void *ctx, uint32_t owner, struct nethv_event *ev);
	/* @owner broke @rule ("HWO-2"): to be counted and shown. */
	void (*broken)(void *ctx, uint32_t owner, const char *rule, const char *text);
	/* A deletion that had to wait for references is complete: of adapter @nic, or of the port with
	 * VSW_NIC_NONE; then the number is free. May be NULL. */
	void (*gone)(void *ctx, uint16_t port, uint16_t nic);
	/* Carries out a NIC_REQUEST that came through the stack: ev->request, for ev->port, at member ev->nic
	 * of the uplink, about ev->number, which an allocation sets. 0 or -errno (text set). May be NULL:
	 * there is no hardware, everything is -ENOTSUP. */
	int (*uplink)(void *ctx, struct nethv_event *ev);
	/* A NIC_STATUS came through to the top. May be NULL. */
	void (*status)(void *ctx, const struct nethv_event *ev);
	/* Takes the VF of @port away; vsw_objs_nic_updated() follows when that is done. May be NULL. */
	void (*remove_vf)(void *ctx, uint16_t port);
};

/* ctl.  0 or -ENOMEM (text set). Borrows @ops and @ctx. destroy() sends no events; NULL is fine. */
int vsw_objs_create(struct vsw_objs **out, const struct vsw_objs_ops *ops, void *ctx);
void vsw_objs_destroy(struct vsw_objs *o);

/* ---- States --------------------------------------------------------------------------------- */

/* lcore.  enum nethv_port_state of each port's adapter 0, NETHV_PORTS_MAX of them. Constant address. */
const uint8_t *vsw_objs_states(const struct vsw_objs *o);

/* any.  May the switch take a packet of @port through the stack: to and from adapters that are created,
 * connected, or disconnected and not yet drained. */
static inline bool vsw_objs_may_pass(const uint8_t *states, uint16_t port)
{
	uint8_t s = port < NETHV_PORTS_MAX ? __atomic_load_n(&states[port], __ATOMIC_RELAXED) : 0;

	return s == NETHV_NIC_CREATED || s == NETHV_NIC_CONNECTED || s == NETHV_NIC_DISCONNECTED;
}

/* any.  May an extension send a packet there: as a destination that a forwarder chooses (DP-9). */
static inline bool vsw_objs_may_target(const uint8_t *states, uint16_t port)
{
	return port < NETHV_PORTS_MAX &&
	       __atomic_load_n(&states[port], __ATOMIC_RELAXED) == NETHV_NIC_CONNECTED;
}

/* any.  May an extension make a packet from there, or give it that source: originate(), set_source().
 * NETHV_PORT_DEFAULT is nobody's and always may (DP-10). */
static inline bool vsw_objs_may_originate(const uint8_t *states, uint16_t port)
{
	return port == NETHV_PORT_DEFAULT || vsw_objs_may_target(states, port);
}

/* ctl.  Of an adapter; a port without one is NETHV_PORT_NONE, CREATED or TEARDOWN for all indices. */
enum nethv_port_state vsw_objs_state(const struct vsw_objs *o, uint16_t port, uint16_t nic);

/* ctl.  Ports in ascending order for host->port_next(): those not NONE. */
bool vsw_objs_port_next(const struct vsw_objs *o, uint16_t from, struct nethv_port_info *out);
uint16_t vsw_objs_port_find(const struct vsw_objs *o, const char *name);

const char *vsw_objs_state_name(unsigned int state); /* any.  "NIC connected" */
const char *vsw_objs_event_name(unsigned int kind);  /* any.  "NIC_CONNECT" */

/* ---- Life of ports and adapters: the switch's own calls -------------------------------------- */

/* ctl, all.  0; -EINVAL (argument), -EPROTO (not in this state), -ENOMEM (text set; nothing was sent);
 * -EACCES (an extension refused; the text says which and why). Only those named *_create fail by
 * -EACCES. The ones that wait return 1 when references keep the object: it is deleted with the last
 * of them, then ops->gone() is called; asking again changes nothing.
 * @info: port, type, flags, pvid, mtu, nr_nics, mac, name; its size and state are set here. */
int vsw_objs_port_create(struct vsw_objs *o, const struct nethv_port_info *info);
int vsw_objs_port_updated(struct vsw_objs *o, uint16_t port, const char *name);
int vsw_objs_port_teardown(struct vsw_objs *o, uint16_t port);
int vsw_objs_port_delete(struct vsw_objs *o, uint16_t port); /* waits */
int vsw_objs_nic_create(struct vsw_objs *o, uint16_t port, uint16_t nic);
int vsw_objs_nic_connect(struct vsw_objs *o, uint16_t port, uint16_t nic);
/* Of @now: name, mtu, mac and NETHV_PORT_VF_ASSIGNED; nothing else can change. */
int vsw_objs_nic_updated(struct vsw_objs *o, uint16_t port, uint16_t nic,
			 const struct nethv_port_info *now);
int vsw_objs_nic_disconnect(struct vsw_objs *o, uint16_t port, uint16_t nic);
/* After the grace period that follows the disconnect. Hardware resources that extensions allocated for
 * the port are freed before. Waits. */
int vsw_objs_nic_delete(struct vsw_objs *o, uint16_t port, uint16_t nic);

/* All that is left of a port's life, after its adapters were disconnected and drained. Waits, as a whole;
 * ops->gone() is called for the adapters that waited and the port. */
int vsw_objs_port_remove(struct vsw_objs *o, uint16_t port);

/* ---- References ------------------------------------------------------------------------------ */

/* ctl.  For host->port_ref() and so on, with their results (enum nethv_result). @nic: VSW_NIC_NONE for the
 * port. A reference is refused (EPERM, and a broken rule with the state's ID) in a state without, on a
 * validation port (VP-2), and to nobody's holder. unref() is allowed in any state. */
int vsw_objs_ref(struct vsw_objs *o, uint32_t owner, uint16_t port, uint16_t nic);
int vsw_objs_unref(struct vsw_objs *o, uint32_t owner, uint16_t port, uint16_t nic);
/* ctl.  How many there are, by whom: VSW_OWNER_SWITCH means all. */
uint32_t vsw_objs_refs(const struct vsw_objs *o, uint32_t owner, uint16_t port, uint16_t nic);

/* ctl.  An instance was detached or unloaded: its references are dropped, and what it allocated of uplinks
 * is freed in its name. Deletions that waited for it complete. It must not be in ops->stack() any more. */
void vsw_objs_owner_gone(struct vsw_objs *o, uint32_t owner);

/* ---- Properties ------------------------------------------------------------------------------ */

/* ctl.  Of a port, or of the switch (NETHV_PORT_DEFAULT; custom ones only). The built-in policies (ACL,
 * QoS ...) are no properties: extensions never see them (POL-1). Standard ones have no extension
 * (ext is zero), custom ones have. The data is copied. A property is known by id and instance.
 * 0; -EINVAL, -EPROTO, -EEXIST, -ENOENT, -ENOSPC, -ENOMEM, -EACCES as above. */
int vsw_objs_property_add(struct vsw_objs *o, uint16_t port, const struct nethv_property *p);
int vsw_objs_property_update(struct vsw_objs *o, uint16_t port, const struct nethv_property *p);
int vsw_objs_property_delete(struct vsw_objs *o, uint16_t port, const struct nethv_guid *id,
			     const struct nethv_guid *instance);
/* ctl.  For host->property(): the @n-th with @id (NULL: any). False: none, or the port is not there for
 * extensions (NONE, TEARDOWN). What it points at is valid until the next change. */
bool vsw_objs_property(const struct vsw_objs *o, uint16_t port, const struct nethv_guid *id,
		       uint32_t n, struct nethv_property *out);

/* ctl.  Would a port with these settings be accepted (VP-1, RTD-4): a temporary port with
 * NETHV_PORT_VALIDATION is created, given the properties, and deleted again. info->port is not used.
 * 0; -EACCES with the first refusal; -ENOSPC (no number free); as vsw_objs_property_add(). */
int vsw_objs_validate(struct vsw_objs *o, const struct nethv_port_info *info,
		      const struct nethv_property *props, unsigned int n);

/* ---- Read-back, requests, status ------------------------------------------------------------- */

/* ctl.  Asks the extensions for the status of feature @id of a port, or of the switch (NETHV_PORT_DEFAULT).
 * 0 and *@out (@len bytes, plus a NUL; the caller frees it); -ENOENT (nobody answered), -EPROTO, -EINVAL,
 * -ENOMEM, -EMSGSIZE (an answer over VSW_ANSWER_MAX, or one that grows each time). */
int vsw_objs_feature_status(struct vsw_objs *o, uint16_t port, const struct nethv_guid *id,
			    void **out, size_t *len);

/* ctl.  A request of the switch (HWO-1): ev->port (its number is used), nic, request, number, in, in_len.
 * Goes through the stack, then to ops->uplink(). ev->number is set by allocations. 0; -EINVAL, -EPROTO,
 * -EACCES, or the uplink's error (text set). */
int vsw_objs_nic_request(struct vsw_objs *o, struct nethv_event *ev);

/* ctl.  A status of an uplink for a port, on its way up. */
void vsw_objs_nic_status(struct vsw_objs *o, struct nethv_event *ev);

/* ctl.  For host->request(): NIC_REQUEST from below @owner down, NIC_STATUS from above it up; enum
 * nethv_result. EPERM with ev->text when it was refused. Only for a connected adapter; an extension
 * may clear or free only what it allocated, for the same port (HWO-3). */
int vsw_objs_request(struct vsw_objs *o, uint32_t owner, struct nethv_event *ev);

/* ctl.  For host->remove_vf(); forwarders only (IOV-9). enum nethv_result. */
int vsw_objs_remove_vf(struct vsw_objs *o, uint32_t owner, uint16_t port);
