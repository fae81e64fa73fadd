/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/vf_machine.h"

#include <string.h>

/* Beyond the states: REVOKING without asking the guest. */
#define SURPRISE VFM_STATES
#define ROWS	 (VFM_STATES + 1)

#define STAY	  0
#define TO(state) (VFM_##state + 1)

struct rule {
	unsigned char next; /* STAY, or 1 + the state */
	enum vfm_act act[VFM_ACTS_MAX];
};

#define DO(x) VFM_DO_##x

/* What a worker that asks is answered where the VF cannot carry packets. */
#define NO_VF_PATH                                                          \
	[VFM_ASKS_VF] = {STAY, {DO(PATH_REFUSE)}}, [VFM_ASKS_SYNTHETIC] = { \
							   STAY, {DO(FILTER_PF), DO(PATH_ANSWER)}}

/* At no time both receive: no frame comes twice. */
#define LEAVING_PATH                                                                       \
	[VFM_ASKS_VF] = {STAY, {DO(PATH_REFUSE)}}, [VFM_ASKS_SYNTHETIC] = {STAY,           \
									   {DO(VF_DEAF),   \
									    DO(FILTER_PF), \
									    DO(PATH_ANSWER)}}

/* How a guest's VF is taken. Packets go through it until the guest asks for the switch's path, or it is gone. */
#define TAKE_AWAY                                          \
	[VFM_REVOKE] = {TO(REVOKING), {DO(EJECT)}},        \
	[VFM_REVOKE_NOW] = {TO(REVOKING), {DO(SURPRISE)}}, \
	[VFM_LOST] = {TO(REVOKING), {DO(SURPRISE)}},       \
	[VFM_WORKER_DEAD] = {TO(CLEANING), {DO(FILTER_PF), DO(CLEAN)}}

/* What is not here is of no consequence in that state: a late answer, a wish that is fulfilled. */
static const struct rule rules[ROWS][VFM_EVENTS] =
	{
		[VFM_NONE] = {NO_VF_PATH},
		[VFM_PREPARING] =
			{
				NO_VF_PATH,
				TAKE_AWAY,
				[VFM_TAKEN] = {STAY, {DO(ADD)}},
				[VFM_TAKE_FAILED] = {TO(NONE), {DO(NOTHING)}},
				[VFM_ADDED] = {TO(OFFERED), {DO(NOTHING)}},
				[VFM_ADD_FAILED] = {TO(CLEANING), {DO(CLEAN)}},
				[VFM_GUEST_HAS] = {TO(GUEST), {DO(NOTHING)}},
				[VFM_TIMEOUT] = {TO(REVOKING), {DO(SURPRISE)}},
			},
		[VFM_OFFERED] =
			{
				NO_VF_PATH,
				TAKE_AWAY,
				[VFM_GUEST_HAS] = {TO(GUEST), {DO(NOTHING)}},
				[VFM_REMOVED] = {TO(CLEANING), {DO(FILTER_PF), DO(CLEAN)}},
			},
		[VFM_GUEST] =
			{
				TAKE_AWAY,
				[VFM_GUEST_GONE] = {TO(OFFERED), {DO(FILTER_PF)}},
				[VFM_ASKS_VF] = {TO(PATH_VF), {DO(FILTER_VF), DO(PATH_ANSWER)}},
				[VFM_ASKS_SYNTHETIC] = {STAY, {DO(FILTER_PF), DO(PATH_ANSWER)}},
				[VFM_REMOVED] = {TO(CLEANING), {DO(FILTER_PF), DO(CLEAN)}},
			},
		[VFM_PATH_VF] =
			{
				TAKE_AWAY,
				[VFM_GUEST_GONE] = {TO(OFFERED), {DO(FILTER_PF)}},
				[VFM_ASKS_VF] = {STAY, {DO(FILTER_VF), DO(PATH_ANSWER)}},
				[VFM_ASKS_SYNTHETIC] = {TO(GUEST),
							{DO(FILTER_PF), DO(PATH_ANSWER)}},
				[VFM_FILTER_FAILED] = {TO(GUEST), {DO(FILTER_PF)}},
				[VFM_REMOVED] = {TO(CLEANING), {DO(FILTER_PF), DO(CLEAN)}},
			},
		[VFM_REVOKING] =
			{
				LEAVING_PATH,
				[VFM_REVOKE_NOW] = {STAY, {DO(SURPRISE)}},
				[VFM_LOST] = {STAY, {DO(SURPRISE)}},
				[VFM_REMOVE_FAILED] = {STAY, {DO(SURPRISE)}},
				[VFM_TIMEOUT] = {STAY, {DO(SURPRISE)}},
				[VFM_WORKER_DEAD] = {TO(CLEANING), {DO(FILTER_PF), DO(CLEAN)}},
				[VFM_ADD_FAILED] = {TO(CLEANING), {DO(FILTER_PF), DO(CLEAN)}},
				[VFM_REMOVED] = {TO(CLEANING), {DO(FILTER_PF), DO(CLEAN)}},
			},
		[SURPRISE] =
			{
				LEAVING_PATH,
				[VFM_REMOVE_FAILED] = {TO(CLEANING), {DO(FILTER_PF), DO(CLEAN)}},
				[VFM_TIMEOUT] = {TO(CLEANING), {DO(FILTER_PF), DO(CLEAN)}},
				[VFM_WORKER_DEAD] = {TO(CLEANING), {DO(FILTER_PF), DO(CLEAN)}},
				[VFM_ADD_FAILED] = {TO(CLEANING), {DO(FILTER_PF), DO(CLEAN)}},
				[VFM_REMOVED] = {TO(CLEANING), {DO(FILTER_PF), DO(CLEAN)}},
			},
		[VFM_CLEANING] =
			{
				NO_VF_PATH,
				[VFM_CLEANED] = {TO(NONE), {DO(GIVE_BACK)}},
				[VFM_CLEAN_FAILED] = {TO(QUARANTINE), {DO(QUARANTINE)}},
				[VFM_TIMEOUT] = {TO(QUARANTINE), {DO(QUARANTINE)}},
			},
		[VFM_QUARANTINE] =
			{
				NO_VF_PATH,
				[VFM_REVOKE] = {TO(NONE), {DO(NOTHING)}},
				[VFM_REVOKE_NOW] = {TO(NONE), {DO(NOTHING)}},
			},
};

static void note_wishes(struct vfm *m, enum vfm_event e)
{
	if (e == VFM_ASSIGN)
		m->is_wanted = true;
	if (e == VFM_REVOKE || e == VFM_REVOKE_NOW)
		m->is_wanted = false;
	if (e == VFM_WORKER_UP || e == VFM_WORKER_DEAD)
		m->has_worker = e == VFM_WORKER_UP;
	if (e == VFM_ASSIGN || e == VFM_WORKER_UP)
		m->is_refused = false;
}

/* A VF that did not work is not tried for ever. */
static bool is_setback(const struct vfm *m, enum vfm_event e)
{
	if (e == VFM_TAKE_FAILED || e == VFM_ADD_FAILED || e == VFM_TIMEOUT)
		return m->state == VFM_PREPARING;
	return e == VFM_LOST && vfm_has_vf(m);
}

bool vfm_has_vf(const struct vfm *m)
{
	return m->state != VFM_NONE && m->state != VFM_QUARANTINE;
}

unsigned int vfm_step(struct vfm *m, enum vfm_event e, enum vfm_act out[VFM_ACTS_MAX])
{
	unsigned int row = m->state == VFM_REVOKING && m->is_surprise ? SURPRISE : m->state, n = 0;
	const struct rule *r = &rules[row][e];

	if (is_setback(m, e))
		m->is_refused = true;
	note_wishes(m, e);
	while (n < VFM_ACTS_MAX && r->act[n] != VFM_DO_NOTHING) {
		out[n] = r->act[n];
		if (out[n] == VFM_DO_SURPRISE)
			m->is_surprise = true;
		n++;
	}
	if (r->next)
		m->state = (enum vfm_state)(r->next - 1);
	if (m->state != VFM_REVOKING)
		m->is_surprise = false;
	if (!vfm_has_vf(m) && m->is_wanted && m->has_worker && !m->is_refused) {
		m->state = VFM_PREPARING;
		out[n++] = VFM_DO_TAKE;
	}
	return n;
}

const char *vfm_state_word(enum vfm_state state)
{
	static const char *const word[VFM_STATES] = {
		[VFM_NONE] = "none",	     [VFM_PREPARING] = "preparing",
		[VFM_OFFERED] = "offered",   [VFM_GUEST] = "guest",
		[VFM_PATH_VF] = "path_vf",   [VFM_REVOKING] = "revoking",
		[VFM_CLEANING] = "cleaning", [VFM_QUARANTINE] = "quarantine",
	};

	return word[state];
}

const char *vfm_event_word(enum vfm_event event)
{
	static const char *const word[VFM_EVENTS] = {
		[VFM_ASSIGN] = "assign",
		[VFM_REVOKE] = "revoke",
		[VFM_REVOKE_NOW] = "revoke at once",
		[VFM_WORKER_UP] = "worker up",
		[VFM_WORKER_DEAD] = "worker dead",
		[VFM_TAKEN] = "taken",
		[VFM_TAKE_FAILED] = "could not be taken",
		[VFM_ADDED] = "offered",
		[VFM_ADD_FAILED] = "could not be offered",
		[VFM_GUEST_HAS] = "guest has it",
		[VFM_GUEST_GONE] = "guest gave it up",
		[VFM_LOST] = "device lost",
		[VFM_ASKS_VF] = "path to the VF",
		[VFM_ASKS_SYNTHETIC] = "path to the switch",
		[VFM_FILTER_FAILED] = "filter stays",
		[VFM_REMOVED] = "worker let it go",
		[VFM_REMOVE_FAILED] = "worker keeps it",
		[VFM_TIMEOUT] = "time is over",
		[VFM_CLEANED] = "clean",
		[VFM_CLEAN_FAILED] = "not clean",
	};

	return word[event];
}
