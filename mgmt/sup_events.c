/* SPDX-License-Identifier: BSD-3-Clause */
/* What the children say and what their deaths mean: the switch is started again, a worker takes
 * only its partition with it, and during the start any failure ends the run. */
#include "mgmt/sup.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/err.h"
#include "base/log.h"
#include "mgmt/aside.h"

#define QUICK_MS	 500 /* a switch that lived shorter, or was not taken up yet, died quickly */
#define QUICK_DEATHS_MAX 8u
#define BACKOFF_MAX_MS	 2000

static const char *text_of(const struct rpc_msg *m, const char *key)
{
	const char *text = json_string_value(json_object_get(m->params, key));

	return text ? text : "";
}

static void pause_over(struct sup *sup)
{
	for (uint32_t i = 0; i < sup->cfg->partitions_count; i++)
		if (proc_is_alive(&sup->worker[i]) && sup->worker[i].wants_link)
			return;
	if (!sup->died_at_ms || sup->sw.state != PROC_RUNNING)
		return;
	proc_tell(&sup->sw, "go");
	sup->pause_ms = loop_now_ms() - sup->died_at_ms;
	sup->died_at_ms = 0;
	log_info("switch", "restart %u: all partitions resumed after %lld ms", sup->restarts,
		 (long long)sup->pause_ms);
}

/* The switch alone knows which CPUs it has, where the file names none. */
static void leave_lcores(struct sup *sup)
{
	const uint32_t *us = sup->cfg->sw.wake_latency_us;
	const json_t *list = json_object_get(sup->sw.ready, "cpus");
	uint32_t cpus[WAKE_CPUS_MAX];
	unsigned int n = 0;

	for (; n < json_array_size(list) && n < WAKE_CPUS_MAX; n++)
		cpus[n] = (uint32_t)json_integer_value(json_array_get(list, n));
	aside_go(&sup->may, cpus, n);
	if (us)
		wake_limit(&sup->wake, cpus, n, *us);
}

static void on_ready(struct proc *p, const struct rpc_msg *m)
{
	struct sup *sup = p->sup;

	json_decref(p->ready);
	p->ready = json_incref(m->params);
	p->state = PROC_RUNNING;
	if (p->part) {
		sup_vf_worker_up(p);
	} else {
		leave_lcores(sup);
		sup_vf_switch_up(sup);
	}
	if (p == &sup->sw && sup->state == SUP_RUNNING) {
		for (uint32_t i = 0; i < sup->cfg->partitions_count; i++)
			if (proc_is_alive(&sup->worker[i])) {
				sup->worker[i].wants_link = true;
				proc_tell(&sup->worker[i], "link");
			}
	}
	pause_over(sup);
	sup_advance(sup);
	sup_ops_run(sup);
}

static void on_failed(struct proc *p, const struct rpc_msg *m)
{
	snprintf(p->failure, sizeof(p->failure), "%s", text_of(m, "text"));
	p->fail_status = (int)json_integer_value(json_object_get(m->params, "status"));
}

static void on_up(struct proc *p)
{
	p->is_up = true;
	sup_advance(p->sup);
}

static void on_resumed(struct proc *p)
{
	p->wants_link = false;
	pause_over(p->sup);
}

/* A worker waits longer than this before it complains: a younger switch is not the one it means. */
#define SILENT_MS 1500

static void on_need_kill(struct proc *p, const struct rpc_msg *m)
{
	struct proc *sw = &p->sup->sw;

	if (!proc_is_alive(sw) || loop_now_ms() - sw->started_ms < SILENT_MS)
		return;
	log_warn("switch", "pid %d is silent (%s says: %s), killing it", sw->pid, p->name,
		 text_of(m, "why"));
	proc_kill(sw);
}

void sup_on_message(struct proc *p, const struct rpc_msg *m)
{
	if (m->kind == RPC_REQUEST)
		sup_vf_asked(p, m);
	if (m->kind == RPC_RESPONSE || m->kind == RPC_ERROR) {
		sup_vf_answered(p, m);
		sup_ops_answer(p, m);
	}
	if (m->kind == RPC_RESPONSE) {
		if (!p->part && json_integer_value(m->id) == p->sup->ping_number)
			p->sup->ping_number = 0;
		sup_answer(p->sup, p, json_integer_value(m->id), m->result);
		return;
	}
	if (m->kind != RPC_NOTIFY)
		return;
	if (!strcmp(m->method, "ready"))
		on_ready(p, m);
	else if (!strcmp(m->method, "failed"))
		on_failed(p, m);
	else if (p->part && !strcmp(m->method, "up"))
		on_up(p);
	else if (p->part && !strcmp(m->method, "resumed"))
		on_resumed(p);
	else if (p->part && !strcmp(m->method, "need_kill"))
		on_need_kill(p, m);
	else if (p->part && !strcmp(m->method, "vf_state"))
		sup_vf_said(p, m);
	else if (p->part && !strcmp(m->method, "ended")) {
		json_decref(p->ended);
		p->ended = json_incref(m->params);
	}
}

static void describe(const struct proc *p, int status, char *buf, size_t size)
{
	if (p->failure[0])
		snprintf(buf, size, "%s", p->failure);
	else if (WIFSIGNALED(status))
		snprintf(buf, size, "killed by signal %d (%s)", WTERMSIG(status),
			 strsignal(WTERMSIG(status)));
	else
		snprintf(buf, size, "ended with status %d", WEXITSTATUS(status));
}

static void restart_switch(struct sup *sup, const char *why)
{
	int64_t now = loop_now_ms(), lived = now - sup->sw.started_ms, wait = 0;

	sup->quick_deaths = lived < QUICK_MS || sup->died_at_ms ? sup->quick_deaths + 1 : 0;
	if (sup->quick_deaths > QUICK_DEATHS_MAX) {
		sup_fail(sup, 1,
			 "switch: %s; it died %u times in a row soon after its start, giving up",
			 why, sup->quick_deaths);
		return;
	}
	if (sup->quick_deaths > 1)
		wait = 50ll << (sup->quick_deaths - 2);
	if (wait > BACKOFF_MAX_MS)
		wait = BACKOFF_MAX_MS;
	sup->restarts++;
	if (!sup->died_at_ms)
		sup->died_at_ms = now;
	sup->sw.state = PROC_OFF;
	sup->ping_number = 0;
	sup->restart_at_ms = now + wait;
	log_warn("switch", "%s, starting it again (restart %u)", why, sup->restarts);
}

static void on_switch_death(struct sup *sup, const char *why)
{
	if (sup->state == SUP_RUNNING) {
		restart_switch(sup, why);
		return;
	}
	sup->sw.state = PROC_ENDED;
	if (sup->state < SUP_RUNNING)
		sup_fail(sup, sup->sw.fail_status == 2 ? 2 : 1, "%s%s",
			 sup->sw.failure[0] ? "" : "switch: ", why);
	sup_advance(sup);
}

static void on_worker_death(struct proc *p, const char *why)
{
	struct sup *sup = p->sup;

	p->state = PROC_ENDED;
	p->wants_link = false;
	if (sup->state < SUP_RUNNING && !p->ended && !p->reboots) {
		sup_fail(sup, p->fail_status == 2 ? 2 : 1, "partition %s: %s", p->name, why);
	} else if (sup->state <= SUP_RUNNING && !p->ended) {
		snprintf(p->failure, sizeof(p->failure), "worker %.400s", why);
		log_warn(p->name, "its worker: %s; the partition is gone, the others go on", why);
	}
	sup_power_ended(p, why);
	sup_vf_worker_dead(p);
	pause_over(sup);
	sup_advance(sup);
}

void sup_on_death(struct proc *p, int wait_status)
{
	char why[600];

	describe(p, wait_status, why, sizeof(why));
	sup_no_answer(p->sup, p);
	sup_ops_death(p);
	if (p->part)
		on_worker_death(p, why);
	else
		on_switch_death(p->sup, why);
}
