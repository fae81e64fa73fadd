/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl's callbacks of an instance, each contained: one that faults or takes too long ends here, and the
 * instance is detached. They nest: a call of one may send events, which are callbacks of others. */
#include <time.h>

#include "vswitch/ext/priv.h"
#include "vswitch/priv.h"

typedef void (*body_fn)(struct vsw_ctl_call *c);

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A function of its own, so that nothing that lives across the jump is in a register of ours. */
static __attribute__((noinline)) bool guarded(struct vsw_ctl_call *c, body_fn body,
					      struct vsw_guard *g)
{
	if (sigsetjmp(g->env, 0)) {
		vsw_ext_faulted(c->e, g, (uint16_t)c->e->host.nr_lcores, 0);
		return false;
	}
	g->since_ns = cpu_ns();
	vsw_guard_enter(g, c->e, c->name, c->budget_ns ? c->budget_ns : CTL_BUDGET_NS);
	body(c);
	vsw_guard_leave(g);
	return true;
}

static bool contained(struct vsw_ctl_call *c, body_fn body)
{
	struct vsw_exts *x = c->e->sw->exts;
	struct vsw_guard *before = vsw_guard_mine();
	struct vsw_guard_kept kept;
	bool is_inside = before == &x->guard && (x->guard.seq & 1), is_ok;

	if (ext_is_faulted(c->e))
		return false;
	if (is_inside)
		vsw_guard_push(&x->guard, &kept);
	vsw_guard_attach(&x->guard);
	if (x->watchdog)
		vsw_watchdog_need(x->watchdog);
	is_ok = guarded(c, body, &x->guard);
	if (is_inside)
		vsw_guard_pop(&x->guard, &kept, ext_is_faulted(kept.ext));
	vsw_guard_attach(before);
	return is_ok;
}

static void do_create(struct vsw_ctl_call *c)
{
	c->rc = c->e->code->desc.create(&c->e->host, &c->e->inst);
}

static void do_destroy(struct vsw_ctl_call *c)
{
	c->e->code->desc.destroy(c->e->inst);
}

static void do_configure(struct vsw_ctl_call *c)
{
	c->rc = c->e->code->desc.configure(c->e->inst);
}

static void do_event(struct vsw_ctl_call *c)
{
	c->rc = c->e->code->desc.event(c->e->inst, c->ev);
}

static void do_save(struct vsw_ctl_call *c)
{
	c->rc = c->e->code->desc.save(c->e->inst, c->w);
}

static void do_restore(struct vsw_ctl_call *c)
{
	c->rc = c->e->code->desc.restore(c->e->inst, c->in, c->in_len, c->version);
}

static void do_status(struct vsw_ctl_call *c)
{
	c->rc = c->e->code->desc.status(c->e->inst, c->text, c->text_max);
}

static void do_notify(struct vsw_ctl_call *c)
{
	c->e->code->desc.notify(c->e->inst, c->arg);
}

static void do_tick(struct vsw_ctl_call *c)
{
	c->e->code->desc.tick(c->e->inst);
}

/* A callback that is not there has done its work. */
#define CALL(verb)                                                             \
	bool vsw_ctl_##verb(struct vsw_ctl_call *c)                            \
	{                                                                      \
		c->name = #verb;                                               \
		c->rc = 0;                                                     \
		return c->e->code->desc.verb ? contained(c, do_##verb) : true; \
	}

CALL(create)
CALL(destroy)
CALL(configure)
CALL(event)
CALL(save)
CALL(restore)
CALL(status)
CALL(notify)
CALL(tick)
