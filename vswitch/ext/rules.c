// SPDX-License-Identifier: BSD-3-Clause
/* The tables of what an extension may do with an event or a request, and their names. */
#include "vswitch/ext/objects_priv.h"

#define CAP	 (1u << NETHV_CAPTURE)
#define FIL	 (1u << NETHV_FILTER)
#define FWD	 (1u << NETHV_FORWARD)
#define ALL	 (CAP | FIL | FWD)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* In a veto out of place it is EXT-1 for captures, whatever the event. */
static const struct obj_rule events[] = {
	[NETHV_EV_PORT_CREATE] = {"PORT_CREATE", "EV-2", FIL | FWD, 0, NETHV_EV_PORT_DELETE},
	[NETHV_EV_PORT_UPDATED] = {"PORT_UPDATED", "EV-2"},
	[NETHV_EV_PORT_TEARDOWN] = {"PORT_TEARDOWN", "EV-2"},
	[NETHV_EV_PORT_DELETE] = {"PORT_DELETE", "EV-2"},
	[NETHV_EV_NIC_CREATE] = {"NIC_CREATE", "EV-3", FIL | FWD, 0, NETHV_EV_NIC_DELETE},
	[NETHV_EV_NIC_CONNECT] = {"NIC_CONNECT", "EV-3"},
	[NETHV_EV_NIC_UPDATED] = {"NIC_UPDATED", "EV-3"},
	[NETHV_EV_NIC_DISCONNECT] = {"NIC_DISCONNECT", "EV-3"},
	[NETHV_EV_NIC_DELETE] = {"NIC_DELETE", "EV-3"},
	/* Answers to properties: walk.c takes FWD away where the property is a standard one. */
	[NETHV_EV_PORT_PROPERTY_ADD] = {"PORT_PROPERTY_ADD", "POL-4", FIL | FWD, FWD,
					NETHV_EV_PORT_PROPERTY_DELETE},
	[NETHV_EV_PORT_PROPERTY_UPDATE] = {"PORT_PROPERTY_UPDATE", "POL-4", FIL | FWD, FWD,
					   NETHV_EV_PORT_PROPERTY_UPDATE},
	[NETHV_EV_PORT_PROPERTY_DELETE] = {"PORT_PROPERTY_DELETE", "POL-4", 0, FWD},
	[NETHV_EV_SWITCH_PROPERTY_ADD] = {"SWITCH_PROPERTY_ADD", "POL-4", FIL | FWD, FWD,
					  NETHV_EV_SWITCH_PROPERTY_DELETE},
	[NETHV_EV_SWITCH_PROPERTY_UPDATE] = {"SWITCH_PROPERTY_UPDATE", "POL-4", FIL | FWD, FWD,
					     NETHV_EV_SWITCH_PROPERTY_UPDATE},
	[NETHV_EV_SWITCH_PROPERTY_DELETE] = {"SWITCH_PROPERTY_DELETE", "POL-4", 0, FWD},
	[NETHV_EV_SWITCH_FEATURE_STATUS] = {"SWITCH_FEATURE_STATUS", "POL-5", 0, ALL},
	[NETHV_EV_PORT_FEATURE_STATUS] = {"PORT_FEATURE_STATUS", "POL-5", 0, ALL},
	/* Negative answers of RESTORE are no vetoes: rtd.c sees them before. */
	[NETHV_EV_NIC_SAVE] = {"NIC_SAVE", "RTD-1", 0, ALL},
	[NETHV_EV_NIC_SAVE_COMPLETE] = {"NIC_SAVE_COMPLETE", "RTD-1"},
	[NETHV_EV_NIC_RESTORE] = {"NIC_RESTORE", "RTD-3", ALL, ALL},
	[NETHV_EV_NIC_RESTORE_COMPLETE] = {"NIC_RESTORE_COMPLETE", "RTD-3"},
	[NETHV_EV_NIC_REQUEST] = {"NIC_REQUEST", "HWO-2"}, /* by request: below */
	[NETHV_EV_NIC_STATUS] = {"NIC_STATUS", "EV-9", 0, FWD},
};

/* HWO-2: forwarders may veto VMQ_ALLOCATE, SET_FILTER, VF_ALLOCATE and VPORT_CREATE; change (answer
 * themselves) these and FILTER_MOVE; nobody may do either with what completes, clears or frees. */
static const struct obj_rule requests[] = {
	[NETHV_REQ_VMQ_ALLOCATE] = {"VMQ_ALLOCATE", "HWO-2", FWD, FWD, NETHV_REQ_VMQ_FREE, 0},
	[NETHV_REQ_VMQ_COMPLETE] = {"VMQ_COMPLETE", "HWO-2", 0, 0, 0, NETHV_REQ_VMQ_ALLOCATE},
	[NETHV_REQ_VMQ_SET_FILTER] = {"VMQ_SET_FILTER", "HWO-2", FWD, FWD,
				      NETHV_REQ_VMQ_CLEAR_FILTER, NETHV_REQ_VMQ_ALLOCATE},
	[NETHV_REQ_VMQ_CLEAR_FILTER] = {"VMQ_CLEAR_FILTER", "HWO-2", 0, 0, 0,
					NETHV_REQ_VMQ_ALLOCATE},
	[NETHV_REQ_VMQ_FREE] = {"VMQ_FREE", "HWO-2", 0, 0, 0, NETHV_REQ_VMQ_ALLOCATE},
	[NETHV_REQ_VF_ALLOCATE] = {"VF_ALLOCATE", "HWO-2", FWD, FWD, NETHV_REQ_VF_FREE, 0},
	[NETHV_REQ_VPORT_CREATE] = {"VPORT_CREATE", "HWO-2", FWD, FWD, NETHV_REQ_VPORT_DELETE, 0},
	[NETHV_REQ_VPORT_DELETE] = {"VPORT_DELETE", "HWO-2", 0, 0, 0, NETHV_REQ_VPORT_CREATE},
	[NETHV_REQ_VF_FREE] = {"VF_FREE", "HWO-2", 0, 0, 0, NETHV_REQ_VF_ALLOCATE},
	[NETHV_REQ_FILTER_MOVE] = {"FILTER_MOVE", "HWO-2", 0, FWD, 0, NETHV_REQ_VPORT_CREATE},
};

static const char *const states[] = {
	[NETHV_PORT_NONE] = "not created",
	[NETHV_PORT_CREATED] = "port created",
	[NETHV_NIC_CREATED] = "NIC created",
	[NETHV_NIC_CONNECTED] = "NIC connected",
	[NETHV_NIC_DISCONNECTED] = "NIC disconnected",
	[NETHV_NIC_DELETED] = "NIC deleted",
	[NETHV_PORT_TEARDOWN] = "tearing down",
};

const struct obj_rule *obj_event_rule(unsigned int kind)
{
	return kind < COUNT(events) && events[kind].name ? &events[kind] : NULL;
}

const struct obj_rule *obj_request_rule(unsigned int request)
{
	return request < COUNT(requests) && requests[request].name ? &requests[request] : NULL;
}

const char *vsw_objs_state_name(unsigned int state)
{
	return state < COUNT(states) ? states[state] : "?";
}

const char *vsw_objs_event_name(unsigned int kind)
{
	const struct obj_rule *r = obj_event_rule(kind);

	return r ? r->name : "?";
}
