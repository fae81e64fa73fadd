/* SPDX-License-Identifier: BSD-3-Clause */
/* The data path's state machine. Each event changes what is wanted or what is so; settle() then makes one
 * step towards what is wanted, if nothing is under way. */
#include "netvsp/path.h"

#include <string.h>

#define TAKEN_AWAY (NETVSP_PATH_BY_POLICY | NETVSP_PATH_BY_EXTENSION)

void netvsp_path_init(struct netvsp_path *p, uint32_t switches_max, uint32_t window_ms,
		      uint32_t quiet_ms)
{
	memset(p, 0, sizeof(*p));
	p->switches_max = switches_max ? switches_max : NETVSP_VF_SWITCHES_MAX;
	if (p->switches_max > NETVSP_VF_HISTORY)
		p->switches_max = NETVSP_VF_HISTORY;
	p->window_ms = window_ms ? window_ms : NETVSP_VF_WINDOW_MS;
	p->quiet_ms = quiet_ms ? quiet_ms : NETVSP_VF_QUIET_MS;
}

/* ---- Flapping ------------------------------------------------------------------------------- */

/* Of the last switches_max switches the first one was not long ago: one more is too many. */
static bool is_flapping(const struct netvsp_path *p, uint64_t now_ms)
{
	uint32_t at = (p->nr_history - p->switches_max) % NETVSP_VF_HISTORY;

	return p->nr_history >= p->switches_max && now_ms - p->history_ms[at] < p->window_ms;
}

static void note_switch(struct netvsp_path *p, uint64_t now_ms)
{
	p->history_ms[p->nr_history++ % NETVSP_VF_HISTORY] = now_ms;
	p->switches++;
}

static void be_quiet(struct netvsp_path *p, uint64_t now_ms)
{
	p->denied |= NETVSP_PATH_BY_FLAPPING;
	p->quiet_until_ms = now_ms + p->quiet_ms;
}

/* ---- What is wanted ------------------------------------------------------------------------- */

static bool wants(const struct netvsp_path *p)
{
	return p->is_allocated && p->wants_vf && !p->denied;
}

/* What the guest is to know of its VF changes on the synthetic path only. */
static unsigned int associate(struct netvsp_path *p)
{
	bool on = p->is_allocated && !(p->denied & TAKEN_AWAY);
	bool knows = p->is_associated && p->told_serial == p->serial;

	if (on && !knows && (p->denied & NETVSP_PATH_BY_FLAPPING))
		on = false;
	if (on == p->is_associated && (!on || knows))
		return 0;
	p->is_associated = on;
	p->told_serial = p->serial;
	return NETVSP_PATH_ASSOCIATE;
}

static unsigned int answer(struct netvsp_path *p)
{
	if (!p->is_owed)
		return 0;
	p->is_owed = false;
	return NETVSP_PATH_COMPLETE;
}

/* On the synthetic path: @is_stopped, the port is not started yet. */
static unsigned int settle_synthetic(struct netvsp_path *p, bool is_stopped, uint64_t now_ms)
{
	unsigned int todo = associate(p);

	if (wants(p) && is_flapping(p, now_ms))
		be_quiet(p, now_ms);
	if (wants(p)) {
		note_switch(p, now_ms);
		p->state = NETVSP_PATH_TO_VF;
		return todo | (is_stopped ? 0 : NETVSP_PATH_STOP) | NETVSP_PATH_ASK_VF;
	}
	return todo | (is_stopped ? NETVSP_PATH_START : 0) | answer(p);
}

static unsigned int settle(struct netvsp_path *p, uint64_t now_ms)
{
	switch (p->state) {
	case NETVSP_PATH_SYNTHETIC: return settle_synthetic(p, false, now_ms);
	case NETVSP_PATH_VF:
		if (wants(p))
			return answer(p);
		break;
	case NETVSP_PATH_TO_VF:
		if (wants(p))
			return 0;
		break;
	default: return 0;
	}
	p->state = NETVSP_PATH_TO_SYNTHETIC;
	return NETVSP_PATH_ASK_SYNTHETIC;
}

/* ---- Events --------------------------------------------------------------------------------- */

static unsigned int on_guest_vf(struct netvsp_path *p, uint32_t serial, uint64_t now_ms)
{
	p->is_owed = true;
	p->wants_vf = true;
	p->denied &= (uint8_t)~NETVSP_PATH_BY_FAILURE;
	if (p->denied & NETVSP_PATH_BY_FLAPPING)
		be_quiet(p, now_ms);
	return 0;
}

static unsigned int on_guest_synthetic(struct netvsp_path *p, uint32_t serial, uint64_t now_ms)
{
	p->is_owed = true;
	p->wants_vf = false;
	p->denied &= (uint8_t)~NETVSP_PATH_BY_FAILURE;
	return 0;
}

static unsigned int on_guest_closed(struct netvsp_path *p, uint32_t serial, uint64_t now_ms)
{
	p->is_owed = false;
	return 0;
}

static unsigned int on_guest_reset(struct netvsp_path *p, uint32_t serial, uint64_t now_ms)
{
	p->is_owed = false;
	p->wants_vf = false;
	p->denied &= (uint8_t)~NETVSP_PATH_BY_FAILURE;
	return 0;
}

static unsigned int on_done(struct netvsp_path *p, uint32_t serial, uint64_t now_ms)
{
	switch (p->state) {
	case NETVSP_PATH_TO_VF: p->state = NETVSP_PATH_VF; return 0;
	case NETVSP_PATH_TO_SYNTHETIC:
		p->is_dirty = false;
		p->state = NETVSP_PATH_SYNTHETIC;
		return settle_synthetic(p, true, now_ms);
	case NETVSP_PATH_SYNTHETIC: p->is_dirty = false; return 0;
	default: return 0;
	}
}

/* Half of what was asked may have been done, so the NIC is asked for the other way. Where that fails the
 * port delivers what it gets, and asks again later. */
static unsigned int on_failed(struct netvsp_path *p, uint32_t serial, uint64_t now_ms)
{
	switch (p->state) {
	case NETVSP_PATH_TO_VF:
		p->denied |= NETVSP_PATH_BY_FAILURE;
		p->state = NETVSP_PATH_SYNTHETIC;
		return NETVSP_PATH_ASK_SYNTHETIC | settle_synthetic(p, true, now_ms);
	case NETVSP_PATH_TO_SYNTHETIC:
		p->is_dirty = true;
		p->denied |= NETVSP_PATH_BY_FAILURE;
		p->state = NETVSP_PATH_SYNTHETIC;
		return settle_synthetic(p, true, now_ms);
	case NETVSP_PATH_SYNTHETIC: p->is_dirty = true; return 0;
	default: return 0;
	}
}

/* The wish was for the VF that was there before; this one has to come up in the guest first. */
static unsigned int on_vf_added(struct netvsp_path *p, uint32_t serial, uint64_t now_ms)
{
	if (p->is_allocated && p->serial == serial)
		return 0;
	p->is_allocated = true;
	p->serial = serial;
	p->wants_vf = false;
	p->denied &= (uint8_t) ~(NETVSP_PATH_BY_FAILURE | NETVSP_PATH_BY_EXTENSION);
	return p->denied & NETVSP_PATH_BY_POLICY ? NETVSP_PATH_REMOVE : 0;
}

/* Whoever takes it away waits for one request more: after its answer nothing here needs the VF. */
static unsigned int on_vf_removed(struct netvsp_path *p, uint32_t serial, uint64_t now_ms)
{
	p->is_allocated = false;
	p->wants_vf = false;
	p->denied &= (uint8_t) ~(NETVSP_PATH_BY_FAILURE | NETVSP_PATH_BY_EXTENSION);
	return p->state == NETVSP_PATH_SYNTHETIC ? NETVSP_PATH_ASK_SYNTHETIC : 0;
}

static unsigned int deny(struct netvsp_path *p, uint8_t why)
{
	bool was = p->denied & why;

	p->denied |= why;
	return p->is_allocated && !was ? NETVSP_PATH_REMOVE : 0;
}

static unsigned int on_policy(struct netvsp_path *p, uint32_t serial, uint64_t now_ms)
{
	return deny(p, NETVSP_PATH_BY_POLICY);
}

static unsigned int on_policy_off(struct netvsp_path *p, uint32_t serial, uint64_t now_ms)
{
	p->denied &= (uint8_t)~NETVSP_PATH_BY_POLICY;
	return 0;
}

static unsigned int on_extension(struct netvsp_path *p, uint32_t serial, uint64_t now_ms)
{
	return p->is_allocated ? deny(p, NETVSP_PATH_BY_EXTENSION) : 0;
}

static unsigned int on_tick(struct netvsp_path *p, uint32_t serial, uint64_t now_ms)
{
	if (now_ms >= p->quiet_until_ms)
		p->denied &= (uint8_t)~NETVSP_PATH_BY_FLAPPING;
	return p->state == NETVSP_PATH_SYNTHETIC && p->is_dirty && !wants(p)
		       ? NETVSP_PATH_ASK_SYNTHETIC
		       : 0;
}

static unsigned int on_lost(struct netvsp_path *p, uint32_t serial, uint64_t now_ms)
{
	bool is_stopped = p->state != NETVSP_PATH_SYNTHETIC;

	p->state = NETVSP_PATH_SYNTHETIC;
	p->is_owed = false;
	p->wants_vf = false;
	p->is_allocated = false;
	p->is_dirty = false;
	p->denied &= NETVSP_PATH_BY_POLICY;
	return is_stopped ? NETVSP_PATH_START : 0;
}

unsigned int netvsp_path_step(struct netvsp_path *p, enum netvsp_path_event ev, uint32_t serial,
			      uint64_t now_ms)
{
	static unsigned int (*const on[NETVSP_PATH_EVENTS])(struct netvsp_path *, uint32_t,
							    uint64_t) = {
		[NETVSP_PATH_GUEST_VF] = on_guest_vf,
		[NETVSP_PATH_GUEST_SYNTHETIC] = on_guest_synthetic,
		[NETVSP_PATH_GUEST_CLOSED] = on_guest_closed,
		[NETVSP_PATH_GUEST_RESET] = on_guest_reset,
		[NETVSP_PATH_DONE] = on_done,
		[NETVSP_PATH_FAILED] = on_failed,
		[NETVSP_PATH_VF_ADDED] = on_vf_added,
		[NETVSP_PATH_VF_REMOVED] = on_vf_removed,
		[NETVSP_PATH_POLICY_ON] = on_policy,
		[NETVSP_PATH_POLICY_OFF] = on_policy_off,
		[NETVSP_PATH_EXTENSION] = on_extension,
		[NETVSP_PATH_TICK] = on_tick,
		[NETVSP_PATH_LOST] = on_lost,
	};
	unsigned int todo = on[ev](p, serial, now_ms);

	/* Of two requests the last one counts: there is one at a time. */
	return todo | settle(p, now_ms);
}

unsigned int netvsp_path_resume(struct netvsp_path *p)
{
	switch (p->state) {
	case NETVSP_PATH_TO_VF: return NETVSP_PATH_STOP | NETVSP_PATH_ASK_VF;
	case NETVSP_PATH_VF: return NETVSP_PATH_STOP;
	case NETVSP_PATH_TO_SYNTHETIC: return NETVSP_PATH_STOP | NETVSP_PATH_ASK_SYNTHETIC;
	default:
		/* The NIC may not have done what it was asked last, and only the dead one knew. */
		p->is_dirty = true;
		return NETVSP_PATH_ASK_SYNTHETIC;
	}
}

const char *netvsp_path_word(enum netvsp_path_state state)
{
	static const char *const word[] = {"synthetic", "to_vf", "vf", "to_synthetic"};

	return state < NETVSP_PATH_STATES ? word[state] : "?";
}
