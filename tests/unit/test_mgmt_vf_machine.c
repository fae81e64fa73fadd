/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of an adapter's VF: every event in every state, the rules that hold in all of it, and a random
 * walk beside a host and a guest that do what they please. */
#include "mgmt/vf_machine.h"

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tests/support/prng.h"

/* A row: a state, and whether the guest is still asked when it is REVOKING. */
#define ASKED	    VFM_REVOKING, false
#define NOT_ASKED   VFM_REVOKING, true
#define IN(state)   VFM_##state, false
#define EV(event)   VFM_##event
#define GOES(state) VFM_##state
#define ACTS(...)           \
	{                   \
		__VA_ARGS__ \
	}
#define DO(x) VFM_DO_##x

static const struct expected {
	enum vfm_state state;
	bool is_surprise;
	enum vfm_event event;
	enum vfm_state next;
	enum vfm_act act[VFM_ACTS_MAX];
} expected[] = {
	{IN(NONE), EV(ASKS_VF), GOES(NONE), ACTS(DO(PATH_REFUSE))},
	{IN(NONE), EV(ASKS_SYNTHETIC), GOES(NONE), ACTS(DO(FILTER_PF), DO(PATH_ANSWER))},

	{IN(PREPARING), EV(REVOKE), GOES(REVOKING), ACTS(DO(EJECT))},
	{IN(PREPARING), EV(REVOKE_NOW), GOES(REVOKING), ACTS(DO(SURPRISE))},
	{IN(PREPARING), EV(WORKER_DEAD), GOES(CLEANING), ACTS(DO(FILTER_PF), DO(CLEAN))},
	{IN(PREPARING), EV(TAKEN), GOES(PREPARING), ACTS(DO(ADD))},
	{IN(PREPARING), EV(TAKE_FAILED), GOES(NONE), ACTS(DO(NOTHING))},
	{IN(PREPARING), EV(ADDED), GOES(OFFERED), ACTS(DO(NOTHING))},
	{IN(PREPARING), EV(ADD_FAILED), GOES(CLEANING), ACTS(DO(CLEAN))},
	{IN(PREPARING), EV(GUEST_HAS), GOES(GUEST), ACTS(DO(NOTHING))},
	{IN(PREPARING), EV(LOST), GOES(REVOKING), ACTS(DO(SURPRISE))},
	{IN(PREPARING), EV(ASKS_VF), GOES(PREPARING), ACTS(DO(PATH_REFUSE))},
	{IN(PREPARING), EV(ASKS_SYNTHETIC), GOES(PREPARING), ACTS(DO(FILTER_PF), DO(PATH_ANSWER))},
	{IN(PREPARING), EV(TIMEOUT), GOES(REVOKING), ACTS(DO(SURPRISE))},

	{IN(OFFERED), EV(REVOKE), GOES(REVOKING), ACTS(DO(EJECT))},
	{IN(OFFERED), EV(REVOKE_NOW), GOES(REVOKING), ACTS(DO(SURPRISE))},
	{IN(OFFERED), EV(WORKER_DEAD), GOES(CLEANING), ACTS(DO(FILTER_PF), DO(CLEAN))},
	{IN(OFFERED), EV(GUEST_HAS), GOES(GUEST), ACTS(DO(NOTHING))},
	{IN(OFFERED), EV(LOST), GOES(REVOKING), ACTS(DO(SURPRISE))},
	{IN(OFFERED), EV(ASKS_VF), GOES(OFFERED), ACTS(DO(PATH_REFUSE))},
	{IN(OFFERED), EV(ASKS_SYNTHETIC), GOES(OFFERED), ACTS(DO(FILTER_PF), DO(PATH_ANSWER))},
	{IN(OFFERED), EV(REMOVED), GOES(CLEANING), ACTS(DO(FILTER_PF), DO(CLEAN))},

	{IN(GUEST), EV(REVOKE), GOES(REVOKING), ACTS(DO(EJECT))},
	{IN(GUEST), EV(REVOKE_NOW), GOES(REVOKING), ACTS(DO(SURPRISE))},
	{IN(GUEST), EV(WORKER_DEAD), GOES(CLEANING), ACTS(DO(FILTER_PF), DO(CLEAN))},
	{IN(GUEST), EV(GUEST_GONE), GOES(OFFERED), ACTS(DO(FILTER_PF))},
	{IN(GUEST), EV(LOST), GOES(REVOKING), ACTS(DO(SURPRISE))},
	{IN(GUEST), EV(ASKS_VF), GOES(PATH_VF), ACTS(DO(FILTER_VF), DO(PATH_ANSWER))},
	{IN(GUEST), EV(ASKS_SYNTHETIC), GOES(GUEST), ACTS(DO(FILTER_PF), DO(PATH_ANSWER))},
	{IN(GUEST), EV(REMOVED), GOES(CLEANING), ACTS(DO(FILTER_PF), DO(CLEAN))},

	{IN(PATH_VF), EV(REVOKE), GOES(REVOKING), ACTS(DO(EJECT))},
	{IN(PATH_VF), EV(REVOKE_NOW), GOES(REVOKING), ACTS(DO(SURPRISE))},
	{IN(PATH_VF), EV(WORKER_DEAD), GOES(CLEANING), ACTS(DO(FILTER_PF), DO(CLEAN))},
	{IN(PATH_VF), EV(GUEST_GONE), GOES(OFFERED), ACTS(DO(FILTER_PF))},
	{IN(PATH_VF), EV(LOST), GOES(REVOKING), ACTS(DO(SURPRISE))},
	{IN(PATH_VF), EV(ASKS_VF), GOES(PATH_VF), ACTS(DO(FILTER_VF), DO(PATH_ANSWER))},
	{IN(PATH_VF), EV(ASKS_SYNTHETIC), GOES(GUEST), ACTS(DO(FILTER_PF), DO(PATH_ANSWER))},
	{IN(PATH_VF), EV(FILTER_FAILED), GOES(GUEST), ACTS(DO(FILTER_PF))},
	{IN(PATH_VF), EV(REMOVED), GOES(CLEANING), ACTS(DO(FILTER_PF), DO(CLEAN))},

	{ASKED, EV(REVOKE_NOW), GOES(REVOKING), ACTS(DO(SURPRISE))},
	{ASKED, EV(WORKER_DEAD), GOES(CLEANING), ACTS(DO(FILTER_PF), DO(CLEAN))},
	{ASKED, EV(ADD_FAILED), GOES(CLEANING), ACTS(DO(FILTER_PF), DO(CLEAN))},
	{ASKED, EV(LOST), GOES(REVOKING), ACTS(DO(SURPRISE))},
	{ASKED, EV(ASKS_VF), GOES(REVOKING), ACTS(DO(PATH_REFUSE))},
	{ASKED, EV(ASKS_SYNTHETIC), GOES(REVOKING),
	 ACTS(DO(VF_DEAF), DO(FILTER_PF), DO(PATH_ANSWER))},
	{ASKED, EV(REMOVED), GOES(CLEANING), ACTS(DO(FILTER_PF), DO(CLEAN))},
	{ASKED, EV(REMOVE_FAILED), GOES(REVOKING), ACTS(DO(SURPRISE))},
	{ASKED, EV(TIMEOUT), GOES(REVOKING), ACTS(DO(SURPRISE))},

	{NOT_ASKED, EV(WORKER_DEAD), GOES(CLEANING), ACTS(DO(FILTER_PF), DO(CLEAN))},
	{NOT_ASKED, EV(ADD_FAILED), GOES(CLEANING), ACTS(DO(FILTER_PF), DO(CLEAN))},
	{NOT_ASKED, EV(ASKS_VF), GOES(REVOKING), ACTS(DO(PATH_REFUSE))},
	{NOT_ASKED, EV(ASKS_SYNTHETIC), GOES(REVOKING),
	 ACTS(DO(VF_DEAF), DO(FILTER_PF), DO(PATH_ANSWER))},
	{NOT_ASKED, EV(REMOVED), GOES(CLEANING), ACTS(DO(FILTER_PF), DO(CLEAN))},
	{NOT_ASKED, EV(REMOVE_FAILED), GOES(CLEANING), ACTS(DO(FILTER_PF), DO(CLEAN))},
	{NOT_ASKED, EV(TIMEOUT), GOES(CLEANING), ACTS(DO(FILTER_PF), DO(CLEAN))},

	{IN(CLEANING), EV(ASKS_VF), GOES(CLEANING), ACTS(DO(PATH_REFUSE))},
	{IN(CLEANING), EV(ASKS_SYNTHETIC), GOES(CLEANING), ACTS(DO(FILTER_PF), DO(PATH_ANSWER))},
	{IN(CLEANING), EV(CLEANED), GOES(NONE), ACTS(DO(GIVE_BACK))},
	{IN(CLEANING), EV(CLEAN_FAILED), GOES(QUARANTINE), ACTS(DO(QUARANTINE))},
	{IN(CLEANING), EV(TIMEOUT), GOES(QUARANTINE), ACTS(DO(QUARANTINE))},

	{IN(QUARANTINE), EV(REVOKE), GOES(NONE), ACTS(DO(NOTHING))},
	{IN(QUARANTINE), EV(REVOKE_NOW), GOES(NONE), ACTS(DO(NOTHING))},
	{IN(QUARANTINE), EV(ASKS_VF), GOES(QUARANTINE), ACTS(DO(PATH_REFUSE))},
	{IN(QUARANTINE), EV(ASKS_SYNTHETIC), GOES(QUARANTINE),
	 ACTS(DO(FILTER_PF), DO(PATH_ANSWER))},
};

#define NR (sizeof(expected) / sizeof(expected[0]))

/* Without an entry an event changes nothing. */
static struct expected expect_of(const struct vfm *m, enum vfm_event e)
{
	for (size_t i = 0; i < NR; i++)
		if (expected[i].state == m->state && expected[i].is_surprise == m->is_surprise &&
		    expected[i].event == e)
			return expected[i];
	return (struct expected){m->state, m->is_surprise, e, m->state, {VFM_DO_NOTHING}};
}

/* A setback: no other try until somebody or something new asks for it. */
static bool refuses(const struct vfm *m, enum vfm_event e)
{
	bool has_vf = m->state != VFM_NONE && m->state != VFM_QUARANTINE;

	if (e == VFM_ASSIGN || e == VFM_WORKER_UP)
		return false;
	if (m->state == VFM_PREPARING &&
	    (e == VFM_TAKE_FAILED || e == VFM_ADD_FAILED || e == VFM_TIMEOUT))
		return true;
	return m->is_refused || (e == VFM_LOST && has_vf);
}

static struct vfm expect_flags(const struct vfm *m, enum vfm_event e)
{
	struct vfm next = *m;

	next.is_refused = refuses(m, e);
	if (e == VFM_ASSIGN || e == VFM_REVOKE || e == VFM_REVOKE_NOW)
		next.is_wanted = e == VFM_ASSIGN;
	if (e == VFM_WORKER_UP || e == VFM_WORKER_DEAD)
		next.has_worker = e == VFM_WORKER_UP;
	return next;
}

static void check(struct vfm m, enum vfm_event e)
{
	struct expected want = expect_of(&m, e);
	struct vfm flags = expect_flags(&m, e), was = m;
	enum vfm_act acts[VFM_ACTS_MAX];
	unsigned int n = vfm_step(&m, e, acts), k = 0;
	char what[160];

	snprintf(what, sizeof(what), "%s%s, %s, wanted %d, worker %d, refused %d",
		 vfm_state_word(was.state), was.is_surprise ? " (surprise)" : "", vfm_event_word(e),
		 was.is_wanted, was.has_worker, was.is_refused);
	cr_assert_leq(n, VFM_ACTS_MAX, "%s", what);
	for (; k < VFM_ACTS_MAX && want.act[k] != VFM_DO_NOTHING; k++)
		cr_assert(k < n && acts[k] == want.act[k], "%s: act %u", what, k);
	/* It gets a VF as soon as it may. */
	if ((want.next == VFM_NONE || want.next == VFM_QUARANTINE) && flags.is_wanted &&
	    flags.has_worker && !flags.is_refused) {
		want.next = VFM_PREPARING;
		cr_assert(k < n && acts[k] == VFM_DO_TAKE, "%s: takes none", what);
		k++;
	}
	cr_assert_eq(n, k, "%s: %u acts, not %u", what, n, k);
	cr_assert_eq(m.state, want.next, "%s: goes to %s", what, vfm_state_word(m.state));
	cr_assert(m.is_wanted == flags.is_wanted && m.has_worker == flags.has_worker &&
			  m.is_refused == flags.is_refused,
		  "%s: wanted %d, worker %d, refused %d", what, m.is_wanted, m.has_worker,
		  m.is_refused);
	cr_assert(!m.is_surprise || m.state == VFM_REVOKING, "%s", what);
}

Test(mgmt_vf_machine, does_what_it_should_at_every_event_in_every_state)
{
	for (int state = 0; state < VFM_STATES; state++)
		for (int surprise = 0; surprise < (state == VFM_REVOKING ? 2 : 1); surprise++)
			for (int e = 0; e < VFM_EVENTS; e++)
				for (int flags = 0; flags < 8; flags++)
					check((struct vfm){.state = (enum vfm_state)state,
							   .is_wanted = flags & 1,
							   .has_worker = flags & 2,
							   .is_refused = flags & 4,
							   .is_surprise = surprise},
					      (enum vfm_event)e);
}

Test(mgmt_vf_machine, has_a_word_for_everything)
{
	for (int i = 0; i < VFM_STATES; i++)
		cr_expect_not_null(vfm_state_word((enum vfm_state)i));
	for (int i = 0; i < VFM_EVENTS; i++)
		cr_expect_not_null(vfm_event_word((enum vfm_event)i));
}

/* ---- The world around it -------------------------------------------------------------------- */

struct world {
	struct vfm m;
	bool has_vf;	 /* of the pool */
	bool is_dirty;	 /* it was a worker's since it was cleaned */
	bool has_filter; /* the PF's */
	bool is_deaf;	 /* the VF does not receive the address */
	unsigned int asked, answered;
	bool is_bad_filter; /* removing fails */
};

static void feed(struct world *w, enum vfm_event e);

static void act(struct world *w, enum vfm_act a, enum vfm_event *then)
{
	switch (a) {
	case VFM_DO_TAKE:
		cr_assert(!w->has_vf, "a second VF");
		w->has_vf = true;
		w->is_deaf = false;
		*then = VFM_TAKEN;
		break;
	case VFM_DO_ADD:
		cr_assert(w->has_vf && !w->is_dirty, "a guest gets what another had");
		w->is_dirty = true;
		break;
	case VFM_DO_FILTER_PF:
		cr_assert(w->has_filter || w->is_deaf || w->m.state != VFM_REVOKING,
			  "frames come twice");
		w->has_filter = true;
		break;
	case VFM_DO_FILTER_VF:
		cr_assert(w->has_vf);
		w->has_filter = w->is_bad_filter;
		if (w->is_bad_filter)
			*then = VFM_FILTER_FAILED;
		break;
	case VFM_DO_VF_DEAF:
		cr_assert(w->has_vf);
		w->is_deaf = true;
		break;
	case VFM_DO_PATH_ANSWER:
		cr_assert(w->m.state != VFM_REVOKING || (w->is_deaf && w->has_filter));
		w->answered++;
		break;
	case VFM_DO_PATH_REFUSE: w->answered++; break;
	case VFM_DO_GIVE_BACK:
		cr_assert(w->has_vf && !w->is_dirty, "a dirty VF goes to the pool");
		w->has_vf = false;
		break;
	case VFM_DO_QUARANTINE:
		cr_assert(w->has_vf);
		w->has_vf = w->is_dirty = false;
		break;
	default: cr_assert(w->has_vf, "act %d without a VF", a); break;
	}
}

static void feed(struct world *w, enum vfm_event e)
{
	enum vfm_act acts[VFM_ACTS_MAX];
	enum vfm_event then = VFM_EVENTS;
	unsigned int n;

	if (e == VFM_ASKS_VF || e == VFM_ASKS_SYNTHETIC)
		w->asked++;
	if (e == VFM_CLEANED && w->m.state == VFM_CLEANING)
		w->is_dirty = false;
	n = vfm_step(&w->m, e, acts);
	for (unsigned int i = 0; i < n; i++)
		act(w, acts[i], &then);
	if (then != VFM_EVENTS)
		feed(w, then);
	cr_assert_eq(w->has_vf, vfm_has_vf(&w->m), "%s", vfm_state_word(w->m.state));
	cr_assert_eq(w->asked, w->answered);
	cr_assert(w->has_filter || w->m.state == VFM_PATH_VF ||
			  (w->m.state == VFM_REVOKING && !w->is_deaf),
		  "%s: nobody receives", vfm_state_word(w->m.state));
}

Test(mgmt_vf_machine, loses_no_vf_and_no_frame_on_any_way)
{
	/* What an event of the outside can be; results of own acts come from these acts. */
	static const enum vfm_event outside[] = {
		VFM_ASSIGN,  VFM_REVOKE,	 VFM_REVOKE_NOW, VFM_WORKER_UP,	    VFM_WORKER_DEAD,
		VFM_ADDED,   VFM_ADD_FAILED,	 VFM_GUEST_HAS,	 VFM_GUEST_GONE,    VFM_LOST,
		VFM_ASKS_VF, VFM_ASKS_SYNTHETIC, VFM_REMOVED,	 VFM_REMOVE_FAILED, VFM_TIMEOUT,
		VFM_CLEANED, VFM_CLEAN_FAILED,
	};
	struct world w = {.has_filter = true};
	unsigned int seen[VFM_STATES] = {0};
	struct prng r;

	prng_init(&r);
	for (unsigned int i = 0; i < prng_steps(100000); i++) {
		w.is_bad_filter = !prng_below(&r, 8);
		feed(&w, outside[prng_below(&r, sizeof(outside) / sizeof(outside[0]))]);
		seen[w.m.state]++;
	}
	for (int i = 0; i < VFM_STATES; i++)
		cr_expect_gt(seen[i], 0, "never in %s", vfm_state_word((enum vfm_state)i));
	/* And from wherever it is there is a way to an end. */
	feed(&w, VFM_REVOKE_NOW);
	feed(&w, VFM_WORKER_DEAD);
	feed(&w, VFM_CLEANED);
	cr_expect(w.m.state == VFM_NONE && !w.has_vf);
}

static void feed_all(struct world *w, const enum vfm_event *e, size_t n)
{
	for (size_t i = 0; i < n; i++)
		feed(w, e[i]);
}

#define FEED(w, ...)                                       \
	feed_all(w, (const enum vfm_event[]){__VA_ARGS__}, \
		 sizeof((const enum vfm_event[]){__VA_ARGS__}) / sizeof(enum vfm_event))

Test(mgmt_vf_machine, iov_5_brings_a_vf_up_in_order)
{
	struct world w = {.has_filter = true};

	FEED(&w, VFM_ASSIGN);
	cr_expect_eq(w.m.state, VFM_NONE, "without a worker");
	FEED(&w, VFM_WORKER_UP);
	cr_expect_eq(w.m.state, VFM_PREPARING);
	FEED(&w, VFM_ADDED, VFM_GUEST_HAS);
	cr_expect(w.has_filter, "before the guest has switched over");
	FEED(&w, VFM_ASKS_VF);
	cr_expect_eq(w.m.state, VFM_PATH_VF);
	cr_expect_not(w.has_filter);
}

Test(mgmt_vf_machine, iov_6_takes_a_vf_down_in_order)
{
	struct world w = {.has_filter = true};

	FEED(&w, VFM_WORKER_UP, VFM_ASSIGN, VFM_ADDED, VFM_GUEST_HAS, VFM_ASKS_VF, VFM_REVOKE);
	cr_expect_not(w.has_filter, "before the VF is deaf");
	cr_expect_eq(w.m.state, VFM_REVOKING);
	FEED(&w, VFM_ASKS_SYNTHETIC);
	cr_expect(w.has_filter && w.is_deaf);
	FEED(&w, VFM_GUEST_GONE, VFM_REMOVED);
	cr_expect_eq(w.m.state, VFM_CLEANING);
	FEED(&w, VFM_CLEANED);
	cr_expect_eq(w.m.state, VFM_NONE);
	cr_expect_not(w.has_vf);
}

Test(mgmt_vf_machine, goes_from_asking_to_taking_when_the_guest_does_not_answer)
{
	struct world w = {.has_filter = true};

	FEED(&w, VFM_WORKER_UP, VFM_ASSIGN, VFM_ADDED, VFM_GUEST_HAS, VFM_REVOKE, VFM_TIMEOUT);
	cr_expect(w.m.is_surprise);
	FEED(&w, VFM_TIMEOUT);
	cr_expect_eq(w.m.state, VFM_CLEANING);
	FEED(&w, VFM_TIMEOUT);
	cr_expect_eq(w.m.state, VFM_QUARANTINE);
}

Test(mgmt_vf_machine, gives_the_next_life_of_a_partition_a_vf_again)
{
	struct world w = {.has_filter = true};

	FEED(&w, VFM_WORKER_UP, VFM_ASSIGN, VFM_ADDED, VFM_GUEST_HAS, VFM_ASKS_VF, VFM_WORKER_DEAD,
	     VFM_WORKER_UP);
	cr_expect_eq(w.m.state, VFM_CLEANING, "before it is clean");
	FEED(&w, VFM_CLEANED);
	cr_expect_eq(w.m.state, VFM_PREPARING);
}
