/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files behind vswitch/ext/objects.h and rtd.h share. */
#pragma once

#include "vswitch/ext/objects.h"
#include "vswitch/ext/rtd.h"

#define NICS (NETHV_NICS_MAX + 1)

struct obj_props {
	struct nethv_property *at; /* data is owned */
	unsigned int n;
};

struct obj_port {
	struct nethv_port_info info;
	uint8_t phase;	     /* NONE (being created), CREATED, TEARDOWN */
	uint8_t nic[NICS];   /* each adapter's own: CREATED means that there is none yet */
	uint64_t nic_waits;  /* bit a deletion that waits for references */
	bool waits;	     /* the port's own deletion, likewise */
	bool is_leaving;     /* all that is left of its life goes by itself */
	bool is_late;	     /* its owner waits for ops->gone() */
	uint64_t in_transit; /* bit an adapter that is being saved or restored */
	struct obj_props props;
	struct vsw_rtd kept; /* blobs that nobody here knows; blob.port is this port */
};

struct obj_ref {
	uint32_t owner, count;
	uint16_t port, nic;
};

/* Who accepted an event, in the order in which they were asked; and who ended it. */
struct obj_trail {
	uint32_t owner[VSW_EXTS_MAX];
	unsigned int n;
	struct vsw_objs_ext end; /* of DONE or VETO; else owner is 0 */
	char why[VSW_VETO_TEXT];
};

/* Something that was allocated from an uplink. */
struct obj_hw {
	uint32_t owner;	   /* who asked for it */
	uint32_t answerer; /* the forwarder that gave it itself, or 0: the uplink */
	uint32_t number;
	uint16_t port, nic;
	uint16_t request;	/* that allocated it */
	struct obj_trail trail; /* who knows of it */
};

struct vsw_objs {
	uint8_t state[NETHV_PORTS_MAX]; /* lcores read: of adapter 0, or of the port */
	const struct vsw_objs_ops *ops;
	void *ctx;
	struct obj_port *port[NETHV_PORTS_MAX];
	struct obj_props props;
	struct obj_ref *ref;
	unsigned int nr_refs, room_refs;
	struct obj_hw *hw;
	unsigned int nr_hw;
	uint32_t answerer; /* whose own object the request at hand is about, or 0 */
	unsigned int
		nr_calls; /* calls under way, one inside the other: ports stay until the last ends */
	bool is_dirty;	  /* references were dropped: something may go on */
};

/* The table of events and of requests (rules.c). */
struct obj_rule {
	const char *name;
	const char *id;	     /* the rule that an answer out of place breaks */
	uint8_t may_veto;    /* bit a class */
	uint8_t may_answer;  /* with NETHV_EV_DONE: bit a class */
	uint16_t opposite;   /* undoes it */
	uint16_t allocation; /* requests about an object: which one made it */
};

const struct obj_rule *obj_event_rule(unsigned int kind);      /* any.  NULL: no such event */
const struct obj_rule *obj_request_rule(unsigned int request); /* any.  NULL: no such request */

/* walk.c, ctl.  An event on its way: to all from the top, to those below or above one, or back to those
 * who accepted. NETHV_EV_PASS, _DONE or _VETO. Up from the bottom: owner 0. */
int obj_walk(struct vsw_objs *o, struct nethv_event *ev, struct obj_trail *t);
int obj_walk_below(struct vsw_objs *o, uint32_t owner, struct nethv_event *ev, struct obj_trail *t);
int obj_walk_up(struct vsw_objs *o, uint32_t owner, struct nethv_event *ev);
void obj_undo(struct vsw_objs *o, const struct nethv_event *ev, const struct obj_trail *t);
/* One instance, with the rules of its class; @why: VSW_VETO_TEXT bytes. */
int obj_deliver(struct vsw_objs *o, const struct vsw_objs_ext *x, struct nethv_event *ev,
		char *why);
/* The stack at this moment, from the top; how many. */
unsigned int obj_stack(struct vsw_objs *o, struct vsw_objs_ext ext[VSW_EXTS_MAX]);
bool obj_ext_find(struct vsw_objs *o, uint32_t owner, struct vsw_objs_ext *out);

/* objects.c, ctl.  The port, or NULL; the event with the port's present information in @info. */
struct obj_port *obj_port(const struct vsw_objs *o, uint16_t port);
struct nethv_event obj_event(struct obj_port *p, unsigned int kind, uint16_t nic,
			     struct nethv_port_info *info);
/* Sends what cannot be refused. */
void obj_tell(struct vsw_objs *o, struct obj_port *p, unsigned int kind, uint16_t nic);
/* Around each public call: the outermost one goes on with deletions that nothing keeps any more.
 * obj_leave() returns @rc and keeps its text. */
void obj_enter(struct vsw_objs *o);
int obj_leave(struct vsw_objs *o, int rc);
/* Whether the switch may send @kind in the state of adapter @nic: 0, -EINVAL or -EPROTO (text set). */
int obj_check(const struct vsw_objs *o, uint16_t port, uint16_t nic, unsigned int kind);
/* -EACCES, with a text that says who and why. */
int obj_refused(const struct obj_trail *t, const char *what, const char *name);

/* What leaves with a port or an owner: all of @owner (0: of anybody) for @port (NETHV_PORT_DEFAULT: any). */
void obj_hw_drop(struct vsw_objs *o, uint32_t owner, uint16_t port);
void obj_props_free(struct obj_props *ps);
void obj_kept_drop(struct obj_port *p, uint16_t nic); /* rtd.c */

/* answer.c, ctl.  Asks @x with growing room for an answer until it fits: NETHV_EV_PASS, _DONE and *@out,
 * @len (freed by the caller), -ENOMEM or -EMSGSIZE (text set). */
int obj_ask(struct vsw_objs *o, const struct vsw_objs_ext *x, struct nethv_event *ev, void **out,
	    size_t *len);
