/* SPDX-License-Identifier: BSD-3-Clause */
/* The data path of an adapter, as a state machine: events in, actions out, nothing else. Frames for the
 * guest come synthetically, by the switch's port, or by a VF of the NIC. netvsp/vf.c does what it says.
 *
 *                  guest wants the VF, and may                    NIC delivers to the VF
 *   SYNTHETIC ----------- STOP, ASK_VF ----------> TO_VF ----------------------------> VF
 *       ^  ^                                        | |                                |
 *       |  '------ could not: START, ASK_SYNTHETIC -' | not any more: ASK_SYNTHETIC    | ASK_SYNTHETIC
 *       |                                             v                                |
 *       '---- NIC delivers to the uplink: START -- TO_SYNTHETIC <----------------------'
 *
 * Invariants: the port delivers in SYNTHETIC only; it stops before the NIC is asked to deliver to the VF,
 * and starts after the NIC delivers to the uplink, so no frame comes twice. A guest that asked is
 * answered exactly once, when the state is one of the two stable ones, whatever came of it: Linux waits
 * for that without limit. The guest hears that its VF goes after its path is synthetic. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* More switches to the VF than this, within this time: the VF flaps, and the path stays synthetic until there was
 * no wish for the VF for the quiet time. A VF that comes back meanwhile is told to the guest afterwards. One
 * that the guest knows already is not taken back: Linux would wait for the next one, with its lock on all
 * interfaces held. */
#define NETVSP_VF_SWITCHES_MAX 10u
#define NETVSP_VF_WINDOW_MS    10000u
#define NETVSP_VF_QUIET_MS     15000u
#define NETVSP_VF_HISTORY      64u /* the limit's limit */

enum netvsp_path_state {
	NETVSP_PATH_SYNTHETIC,
	NETVSP_PATH_TO_VF,
	NETVSP_PATH_VF,
	NETVSP_PATH_TO_SYNTHETIC,
	NETVSP_PATH_STATES
};

enum netvsp_path_event {
	NETVSP_PATH_GUEST_VF,	     /* the guest asks for it, and waits */
	NETVSP_PATH_GUEST_SYNTHETIC, /* likewise */
	NETVSP_PATH_GUEST_CLOSED,    /* who waited is gone; the path stays */
	NETVSP_PATH_GUEST_RESET,     /* a new guest, or none */
	NETVSP_PATH_DONE,	     /* the NIC does as was asked last */
	NETVSP_PATH_FAILED,	     /* it cannot, or nobody answered */
	NETVSP_PATH_VF_ADDED,	     /* serial */
	NETVSP_PATH_VF_REMOVED,
	NETVSP_PATH_POLICY_ON, /* the port's frames must not pass the switch by */
	NETVSP_PATH_POLICY_OFF,
	NETVSP_PATH_EXTENSION, /* an extension takes this VF away */
	NETVSP_PATH_TICK,      /* time went by */
	NETVSP_PATH_LOST,      /* there is nobody to ask any more */
	NETVSP_PATH_EVENTS
};

/* To be done in this order. */
enum netvsp_path_action {
	NETVSP_PATH_STOP = 1 << 0,	    /* the port delivers nothing from now on */
	NETVSP_PATH_ASK_VF = 1 << 1,	    /* the NIC is to deliver to the VF */
	NETVSP_PATH_ASK_SYNTHETIC = 1 << 2, /* to the uplink */
	NETVSP_PATH_START = 1 << 3,	    /* the port delivers */
	NETVSP_PATH_COMPLETE = 1 << 4,	    /* the guest is answered */
	NETVSP_PATH_ASSOCIATE = 1 << 5,	    /* the guest is told of is_associated and told_serial */
	NETVSP_PATH_REMOVE = 1 << 6,	    /* the VF is to be taken from the guest */
};

/* Why the VF is not used though it is there and the guest wants it. */
enum netvsp_path_denial {
	NETVSP_PATH_BY_POLICY = 1 << 0,
	NETVSP_PATH_BY_EXTENSION = 1 << 1,
	NETVSP_PATH_BY_FLAPPING = 1 << 2,
	NETVSP_PATH_BY_FAILURE = 1 << 3, /* until the guest asks again */
};

struct netvsp_path {
	/* Set before the first event. */
	uint32_t switches_max; /* <= NETVSP_VF_HISTORY */
	uint32_t window_ms;
	uint32_t quiet_ms;

	enum netvsp_path_state state;
	bool wants_vf; /* the guest's last word */
	bool is_owed;  /* the guest waits for an answer */
	bool is_allocated;
	uint32_t serial;
	uint8_t denied; /* enum netvsp_path_denial */
	bool is_dirty;	/* the NIC may not deliver to the uplink, though it should */
	bool is_associated;
	uint32_t told_serial;
	uint32_t switches; /* to the VF, in all */
	uint64_t quiet_until_ms;
	uint64_t history_ms[NETVSP_VF_HISTORY]; /* of the last switches, a ring */
	uint32_t nr_history;
};

/* any.  Fills the limits in; 0 picks the default. */
void netvsp_path_init(struct netvsp_path *p, uint32_t switches_max, uint32_t window_ms,
		      uint32_t quiet_ms);

/* any.  What to do because of @ev (enum netvsp_path_action). @serial: with VF_ADDED. @now_ms never goes back. */
unsigned int netvsp_path_step(struct netvsp_path *p, enum netvsp_path_event ev, uint32_t serial,
			      uint64_t now_ms);

/* any.  What to do after the state was taken over from a process that died: as if just come to. */
unsigned int netvsp_path_resume(struct netvsp_path *p);

/* any.  "synthetic", "to_vf", "vf", "to_synthetic". */
const char *netvsp_path_word(enum netvsp_path_state state);
