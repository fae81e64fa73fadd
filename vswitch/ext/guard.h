/* SPDX-License-Identifier: BSD-3-Clause */
/* Containment: what an extension does wrong ends its callback, and not the switch.
 *
 * A thread that calls extensions has a guard. Around a callback the guard's sequence number is odd. A
 * signal that a fault raises then jumps back to the sigsetjmp() of who called; so does the one that
 * the watchdog sends when the same odd number is older than the budget, in CPU time of that thread; the second
 * one, since time is also taken by hosts and interrupts.
 * Inside a call of the switch (depth > 0) nothing jumps: a fault there is the switch's own and ends the
 * process, and the budget's signal waits for the call's end. On ctl such a call may lead to callbacks
 * of other instances: each has its own place to jump to. */
#pragma once

#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct vsw_ext;
struct vsw_lcore;

/* What ended a callback. */
struct vsw_fault {
	int sig;  /* VSW_SIG_BUDGET: over its budget */
	int code; /* si_code */
	uintptr_t addr, ip;
	uint64_t budget_ns; /* that it was over */
};

struct vsw_guard {
	sigjmp_buf env;
	struct vsw_ext *ext;  /* in whose callback we are */
	const char *callback; /* "ingress" */
	uint32_t depth;	      /* of calls into the switch */
	bool is_due;	      /* the budget's signal came inside such a call */
	uint64_t seq;	      /* odd: inside a callback. Atomic: the watchdog reads it */
	uint64_t budget_ns;   /* of this callback. Atomic */
	uint64_t warned_seq;  /* the callback that was over its budget once */
	uint64_t warned_ns;   /* CPU time then */
	struct vsw_fault fault;
	struct vsw_lcore *owner; /* NULL: ctl's */
	uint64_t since_ns;   /* ctl: the thread's CPU time when the callback began, or went on */
	uintptr_t stack_low; /* calls of the switch need what is above, of the thread's stack */

	/* The watchdog reads these; atomic. */
	pthread_t thread;
	clockid_t clock; /* CPU time of the thread */
	bool is_attached;
	void *stack; /* of signals */
};

/* A callback that waits while another one runs inside of it: events that its own call led to. */
struct vsw_guard_kept {
	sigjmp_buf env;
	struct vsw_ext *ext;
	const char *callback;
	uint32_t depth;
	bool is_due;
	uint64_t budget_ns; /* what is left of it */
	struct vsw_fault fault;
};

#define VSW_SIG_BUDGET SIGVTALRM

/* Instrumented code takes its time. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VSW_BUDGET_SCALE 20u
#else
#define VSW_BUDGET_SCALE 1u
#endif

/* ctl.  0 or -errno (text set). */
int vsw_guard_init(struct vsw_guard *g);
void vsw_guard_fini(struct vsw_guard *g);

/* any.  Makes @g the guard of the calling thread, if it is not so yet; NULL: none any more. */
void vsw_guard_attach(struct vsw_guard *g);

/* any.  The calling thread gets the signals of faults. After a jump, too: others may have put a handler of
 * their own before ours (sanitizers do), during which all are blocked. */
void vsw_guard_listen(void);

/* Around a callback, in the function (or one that outlives it) that called sigsetjmp(g->env, 0). */
static inline void vsw_guard_enter(struct vsw_guard *g, struct vsw_ext *e, const char *callback,
				   uint64_t budget_ns)
{
	g->ext = e;
	g->callback = callback;
	g->depth = 0;
	g->is_due = false;
	__atomic_store_n(&g->budget_ns, budget_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&g->seq, g->seq + 1, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static inline void vsw_guard_leave(struct vsw_guard *g)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&g->seq, g->seq + 1, __ATOMIC_RELEASE);
}

/* ctl.  Between the two, @g can guard another callback. @ends: the one that waited is to end, because its
 * instance was detached meanwhile. Time that others took is not taken from its budget. */
void vsw_guard_push(struct vsw_guard *g, struct vsw_guard_kept *k);
void vsw_guard_pop(struct vsw_guard *g, const struct vsw_guard_kept *k, bool ends);

void vsw_guard_overflow(struct vsw_guard *g); /* jumps */

/* A call from the extension into the switch. Who has no stack left for it faults before it begins: in
 * the middle, the fault would be ours. */
static inline void vsw_guard_in(struct vsw_guard *g)
{
	if (__builtin_expect((uintptr_t)__builtin_frame_address(0) < g->stack_low, 0))
		vsw_guard_overflow(g);
	g->depth++;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

void vsw_guard_due(struct vsw_guard *g); /* jumps */

static inline void vsw_guard_out(struct vsw_guard *g)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	g->depth--;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (__builtin_expect(g->is_due, 0) && g->depth == 0)
		vsw_guard_due(g);
}

/* any.  The guard of the calling thread, or NULL. */
struct vsw_guard *vsw_guard_mine(void);

/* The watchdog: a thread that looks at up to @n guards. It sleeps while vsw_watchdog_need() is not
 * called: callers do so when they begin to work after a pause. */
struct vsw_watchdog;

/* ctl.  @guards is borrowed until stop. 0 or -errno (text set). */
int vsw_watchdog_start(struct vsw_watchdog **out, struct vsw_guard *const *guards, unsigned int n);
void vsw_watchdog_stop(struct vsw_watchdog *w);
/* any. */
void vsw_watchdog_need(struct vsw_watchdog *w);
