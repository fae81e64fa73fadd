/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports and adapters under test: a stack of scripted extensions, an uplink that only counts, and a record of
 * all that happens, one word a call: "fil:PORT_CREATE". */
#pragma once

#include "vswitch/ext/objects.h"
#include "vswitch/ext/rtd.h"

#define BED_EXTS 8u

struct bed;
struct bed_ext {
	struct vsw_objs_ext x;
	bool is_loaded;
	int answer[NETHV_EV_NIC_STATUS + 1]; /* for each kind of event */
	const char *why;		     /* of its vetoes */
	/* Instead of answer[]; may be NULL. */
	int (*event)(struct bed *b, struct bed_ext *e, struct nethv_event *ev);
	void *priv;
};

struct bed {
	struct vsw_objs *o;
	struct bed_ext ext[BED_EXTS]; /* the top one first; owners are 1, 2 ... */
	unsigned int n;
	char log[8192];
	char broken[256]; /* the last: "HWO-2 fwd: text" */
	unsigned int nr_broken;
	char gone[256]; /* "7/0 7" */
	/* uplink */
	uint32_t next_number;
	int uplink_rc;
	unsigned int vf_removed;
};

/* A stack of capture "cap", filters "f1" and "f2", forwarder "fwd": owners 1 to 4. */
void bed_up(struct bed *b);
void bed_down(struct bed *b);
void bed_add(struct bed *b, unsigned int cls, const char *name);
struct bed_ext *bed_ext(struct bed *b, const char *name);

/* What happened since the last call; valid until the next. */
const char *bed_log(struct bed *b);
/* What broke since, or "". */
const char *bed_broken(struct bed *b);
const char *bed_gone(struct bed *b);

/* A port named "p<port>", of type synthetic or external; taken up to a state. */
struct nethv_port_info bed_info(uint16_t port, unsigned int type);
void bed_port(struct bed *b, uint16_t port, enum nethv_port_state state);
/* A GUID that is @n. */
struct nethv_guid bed_guid(uint8_t n);
struct nethv_property bed_prop(unsigned int kind, uint8_t id, uint8_t ext, const char *text);
