/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of an adapter's VF, as a machine without I/O: an event goes in, what is to be done comes out.
 *
 *   NONE -> PREPARING -> OFFERED <-> GUEST <-> PATH_VF
 *    ^          |            |         |          |
 *    |          v            v         v          v
 *    +---- CLEANING <------ REVOKING (the guest is asked, or not) ... QUARANTINE when cleaning fails
 *
 * Rules that hold in all of it (its test tries every event in every state):
 *   - the PF's filter goes only when the guest says that it has switched over, and is back before the switch
 *     delivers and before the VF is cleaned;
 *   - a VF that is taken away is deaf before the filter is back: what both had received would come twice, for what
 *     the PF got meanwhile may still wait in its queue when the switch begins to deliver;
 *   - each question for the path is answered once;
 *   - a VF that was taken is cleaned before it is given back, or it goes to quarantine. */
#pragma once

#include <stdbool.h>

enum vfm_state {
	VFM_NONE,      /* it has no VF */
	VFM_PREPARING, /* a VF is set up and the worker was asked to offer it */
	VFM_OFFERED,   /* the guest sees it, or may */
	VFM_GUEST,     /* its driver has it */
	VFM_PATH_VF,   /* packets go through it */
	VFM_REVOKING,  /* the worker was told to take it away */
	VFM_CLEANING, /* nobody shall have it any more: wait until it is so, reset, take its address */
	VFM_QUARANTINE, /* that failed: no VF, as in NONE, and the pool has one less */
	VFM_STATES,
};

enum vfm_event {
	VFM_ASSIGN,	/* it should have one (again) */
	VFM_REVOKE,	/* it should have none; the guest is asked */
	VFM_REVOKE_NOW, /* the guest is not asked */
	VFM_WORKER_UP,
	VFM_WORKER_DEAD,
	VFM_TAKEN, /* of VFM_DO_TAKE */
	VFM_TAKE_FAILED,
	VFM_ADDED, /* of VFM_DO_ADD */
	VFM_ADD_FAILED,
	VFM_GUEST_HAS,	/* the guest's driver began with it */
	VFM_GUEST_GONE, /* the guest's driver ended, or the guest was reset */
	VFM_LOST,	/* the device does not work any more */
	VFM_ASKS_VF,	/* the worker asks: may packets go through the VF? */
	VFM_ASKS_SYNTHETIC,
	VFM_FILTER_FAILED, /* of VFM_DO_FILTER_VF */
	VFM_REMOVED,	   /* of VFM_DO_EJECT, VFM_DO_SURPRISE: the worker has let it go */
	VFM_REMOVE_FAILED,
	VFM_TIMEOUT, /* of what the state waits for */
	VFM_CLEANED, /* of VFM_DO_CLEAN */
	VFM_CLEAN_FAILED,
	VFM_EVENTS,
};

enum vfm_act {
	VFM_DO_NOTHING,
	VFM_DO_TAKE,	    /* a free VF: set up, bound; -> TAKEN, TAKE_FAILED */
	VFM_DO_ADD,	    /* ask the worker to offer it; -> ADDED, ADD_FAILED, TIMEOUT */
	VFM_DO_FILTER_PF,   /* the PF receives the address; tried again until it works */
	VFM_DO_FILTER_VF,   /* the VF alone does; -> FILTER_FAILED */
	VFM_DO_VF_DEAF,	    /* the VF does not receive the address any more */
	VFM_DO_PATH_ANSWER, /* yes, or no when the filter before it failed */
	VFM_DO_PATH_REFUSE,
	VFM_DO_EJECT,	  /* have the guest asked for it; -> REMOVED, REMOVE_FAILED, TIMEOUT */
	VFM_DO_SURPRISE,  /* have it taken from the guest; likewise */
	VFM_DO_CLEAN,	  /* as soon as it is closed; -> CLEANED, CLEAN_FAILED, TIMEOUT */
	VFM_DO_GIVE_BACK, /* to the pool */
	VFM_DO_QUARANTINE,
	VFM_ACTS,
};

#define VFM_ACTS_MAX 4u /* for one event */

struct vfm {
	enum vfm_state state;
	bool is_wanted;	  /* it should have a VF */
	bool has_worker;  /* the partition's worker is ready */
	bool is_refused;  /* it did not work out: not again until ASSIGN or WORKER_UP */
	bool is_surprise; /* REVOKING: the guest is not asked (any more) */
};

/* any.  Without VF, worker and wish: all zero. Takes @e and returns how many @out are to be done, in order. */
unsigned int vfm_step(struct vfm *m, enum vfm_event e, enum vfm_act out[VFM_ACTS_MAX]);

/* any.  Whether a VF of the pool is the adapter's. */
bool vfm_has_vf(const struct vfm *m);

const char *vfm_state_word(enum vfm_state state); /* any.  "none", "preparing", ... */
const char *vfm_event_word(enum vfm_event event); /* any.  For logs */
