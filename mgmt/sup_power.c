/* SPDX-License-Identifier: BSD-3-Clause */
/* Partitions that end, by themselves or because somebody wants it, and those that are started again:
 * always by a new worker, so that nothing of the old life is left. */
#include "mgmt/sup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "mgmt/power.h"

#define OFF_MS 2000 /* for a worker, to end when it was told to, until it is killed */

static const char *how_of(const struct proc *p)
{
	return json_string_value(json_object_get(p->ended, "how"));
}

static void remember(struct proc *p, const char *why)
{
	const char *reason = json_string_value(json_object_get(p->ended, "reason"));
	const char *how = how_of(p);

	snprintf(p->last_end, sizeof(p->last_end), "%s%s%.400s", how ? how : "failed",
		 reason && !reason[0] ? "" : ": ", reason ? reason : why);
}

void sup_power_ended(struct proc *p, const char *why)
{
	struct sup *sup = p->sup;
	int64_t now = loop_now_ms(), pause;
	bool is_wanted = p->wish == WISH_RESTART;

	p->kill_at_ms = 0;
	if (sup->state >= SUP_STOP_WORKERS || p->wish == WISH_OFF ||
	    !power_restarts(how_of(p), p->part->on_crash, is_wanted))
		return;
	pause = power_pause_ms(&p->quick_ends, now - p->started_ms, is_wanted);
	remember(p, why);
	p->state = PROC_OFF;
	p->restart_at_ms = now + pause;
	if (pause)
		log_warn(p->name, "is started again in %lld ms (%u quick ends in a row)",
			 (long long)pause, p->quick_ends);
	else
		log_info(p->name, "is started again");
}

static void start_again(struct proc *p)
{
	p->restart_at_ms = 0;
	p->wish = WISH_NONE;
	p->is_up = false;
	json_decref(p->ended);
	p->ended = NULL;
	p->reboots++;
	if (!proc_start(p))
		return;
	p->state = PROC_ENDED;
	snprintf(p->failure, sizeof(p->failure), "%.400s", err_text());
	log_warn(p->name, "%s", err_text());
}

void sup_power_tick(struct sup *sup, int64_t now_ms)
{
	/* A worker that begins now needs a switch, and a configuration that stays. */
	bool can_start = sup->sw.state == PROC_RUNNING && !sup_ops_hold(sup);

	for (uint32_t i = 0; i < sup->nr_workers; i++) {
		struct proc *p = &sup->worker[i];

		if (p->kill_at_ms && now_ms >= p->kill_at_ms) {
			log_warn(p->name, "its worker does not end, killing it");
			p->kill_at_ms = now_ms + OFF_MS;
			proc_kill(p);
		}
		if (p->restart_at_ms && now_ms >= p->restart_at_ms && can_start &&
		    sup->state < SUP_STOP_WORKERS)
			start_again(p);
	}
}

int64_t sup_power_next_ms(const struct sup *sup)
{
	int64_t next = 0;

	for (uint32_t i = 0; i < sup->nr_workers; i++) {
		const struct proc *p = &sup->worker[i];
		int64_t at = p->restart_at_ms ? p->restart_at_ms : p->kill_at_ms;

		if (at && (!next || at < next))
			next = at;
	}
	return next;
}

static int result(struct op *op, const char *state)
{
	op->result = json_pack("{s:s, s:s}", "partition", op->part->name, "state", state);
	return OP_DONE;
}

static bool has_begun(const struct proc *p)
{
	return p < p->sup->worker + p->sup->nr_workers;
}

/* Now, or as soon as there is a switch. */
static int start_soon(struct op *op)
{
	struct proc *p = op->part;

	if (!has_begun(p))
		return result(op, "starting");
	remember(p, p->failure);
	p->quick_ends = 0;
	p->state = PROC_OFF;
	p->restart_at_ms = loop_now_ms();
	return result(op, "starting");
}

int sup_power_start(struct op *op)
{
	struct proc *p = op->part;

	if (!proc_is_alive(p))
		return start_soon(op);
	if (p->wish == WISH_OFF)
		p->wish = WISH_RESTART;
	return result(op, p->state == PROC_RUNNING ? "running" : "starting");
}

static void end_at_once(struct proc *p, enum proc_wish wish)
{
	p->wish = wish;
	if (p->kill_at_ms)
		return;
	p->kill_at_ms = loop_now_ms() + OFF_MS;
	proc_tell(p, "off");
}

int sup_power_reset(struct op *op)
{
	if (!proc_is_alive(op->part))
		return start_soon(op);
	end_at_once(op->part, WISH_RESTART);
	return result(op, "starting");
}

static int off_at_once(struct op *op)
{
	struct proc *p = op->part;

	if (proc_is_alive(p)) {
		end_at_once(p, WISH_OFF);
	} else if (p->restart_at_ms) {
		p->restart_at_ms = 0;
		p->state = PROC_ENDED;
	}
	return result(op, "stopping");
}

int sup_power_tell(struct op *op)
{
	json_t *order = json_object_get(op->params, "order");
	struct proc *p = op->part;

	if (!json_is_string(order))
		return err_set(-EINVAL, "order: want a line of words");
	if (!has_begun(p) || p->state != PROC_RUNNING)
		return err_set(-EAGAIN, "partition %s does not run", p->name);
	return sup_op_ask(op, p, "tell", json_pack("{s:O}", "order", order));
}

int sup_power_shutdown(struct op *op)
{
	struct proc *p = op->part;
	bool is_reboot = json_is_true(json_object_get(op->params, "reboot"));

	if (!has_begun(p))
		return err_set(-EAGAIN, "partition %s has not been started yet", p->name);
	if (json_is_true(json_object_get(op->params, "now")))
		return is_reboot ? sup_power_reset(op) : off_at_once(op);
	if (!proc_is_alive(p) && !p->restart_at_ms)
		return is_reboot ? start_soon(op) : result(op, "stopped");
	if (p->state != PROC_RUNNING)
		return err_set(-EAGAIN, "partition %s is starting; only --now ends it now",
			       p->name);
	/* Our own guest cannot reset itself: what it can do is end. */
	if (is_reboot && !p->part->kernel)
		p->wish = WISH_RESTART;
	result(op, "stopping");
	return sup_op_ask(op, p, "shutdown", json_pack("{s:b}", "reboot", is_reboot));
}
