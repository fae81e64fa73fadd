/* SPDX-License-Identifier: BSD-3-Clause */
/* The supervisor's states and its loop. */
#include "mgmt/sup.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "mgmt/control.h"

#define START_MS       180000 /* until the switch, then all workers, are ready */
#define PING_MS	       1000
#define SILENT_MS      5000 /* a switch that answers no ping for so long is killed */
#define UP_MS	       2000 /* for a guest, to say that it is up, before the next is started */
#define STAGGER_MS     300  /* between two partitions that are told to end */
#define STOP_WORKER_MS 3000 /* for a worker, beyond what it gives its guest */
#define STOP_SWITCH_MS 5000

static int take_signals(struct sup *sup)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	sup->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return sup->signal_fd < 0 ? err_sys(-errno, "signalfd") : 0;
}

static void on_signal(void *ctx, uint32_t events)
{
	struct sup *sup = ctx;
	struct signalfd_siginfo si;

	if (read(sup->signal_fd, &si, sizeof(si)) != sizeof(si))
		return;
	if (sup->state >= SUP_STOP_WORKERS) {
		log_warn("nethv", "second signal, killing what still runs");
		sup->deadline_ms = loop_now_ms();
		return;
	}
	sup_stop(sup);
}

static int open_all(struct sup *sup)
{
	int rc = loop_init(&sup->loop);

	if (!rc && sched_getaffinity(0, sizeof(sup->may), &sup->may))
		rc = err_sys(-errno, "sched_getaffinity");
	if (!rc)
		rc = take_signals(sup);
	if (!rc)
		rc = sup->control_fd = control_listen(sup->cfg->name);
	if (rc >= 0)
		rc = sup->link_fd = control_listen_link(sup->cfg->name);
	if (rc >= 0)
		rc = sup->stats_fd =
			fd_memfd("nethv-stats", sizeof(struct vsw_stats), FD_HUGE_NO, NULL);
	if (rc >= 0)
		rc = loop_add(&sup->loop, &sup->control_src, sup->control_fd, EPOLLIN);
	if (!rc)
		rc = loop_add(&sup->loop, &sup->signal_src, sup->signal_fd, EPOLLIN);
	return rc;
}

int sup_create(struct sup **out, struct mgmt_cfg *cfg, const char *file)
{
	struct sup *sup = calloc(1, sizeof(*sup));
	struct proc *workers = calloc(cfg->partitions_count, sizeof(*workers));
	int rc;

	*out = NULL;
	if (!sup || !workers) {
		free(sup);
		free(workers);
		mgmt_config_free(cfg);
		return err_set(-ENOMEM, "supervisor");
	}
	sup->cfg = cfg;
	sup->file = file;
	sup->worker = workers;
	sup->pause_ms = -1;
	sup->wake.root = "";
	sup->loop.epfd = sup->config_fd = sup->stats_fd = sup->link_fd = sup->control_fd =
		sup->signal_fd = -1;
	sup->control_src = (struct loop_src){-1, sup_control_accept, sup};
	sup->signal_src = (struct loop_src){-1, on_signal, sup};
	proc_init(&sup->sw, sup, NULL);
	for (uint32_t i = 0; i < cfg->partitions_count; i++)
		proc_init(&workers[i], sup, &cfg->partitions[i]);
	rc = open_all(sup);
	if (rc < 0) {
		sup_destroy(sup);
		return rc;
	}
	*out = sup;
	return 0;
}

void sup_destroy(struct sup *sup)
{
	if (!sup)
		return;
	for (uint32_t i = 0; i < sup->cfg->partitions_count; i++)
		proc_fini(&sup->worker[i]);
	proc_fini(&sup->sw);
	wake_end(&sup->wake);
	sup_vf_end(sup);
	sup_ops_fini(sup);
	sup_clients_fini(sup);
	fd_close(&sup->control_fd);
	fd_close(&sup->link_fd);
	fd_close(&sup->stats_fd);
	fd_close(&sup->config_fd);
	fd_close(&sup->signal_fd);
	loop_fini(&sup->loop);
	free(sup->worker);
	mgmt_config_free(sup->cfg);
	free(sup);
}

static void enter(struct sup *sup, enum sup_state state, int64_t limit_ms)
{
	sup->state = state;
	sup->deadline_ms = limit_ms ? loop_now_ms() + limit_ms : 0;
}

/* In the reverse order of the start, so that a generator can still ask its sink for the last
 * report; but nobody waits long for another. */
static void stop_workers(struct sup *sup)
{
	while (sup->nr_untold) {
		struct proc *last = &sup->worker[sup->nr_untold], *p = last - 1;

		if (sup->nr_untold < sup->nr_workers && proc_is_alive(last) &&
		    loop_now_ms() - sup->told_ms < STAGGER_MS)
			return;
		sup->nr_untold--;
		if (!proc_is_alive(p))
			continue;
		p->state = PROC_STOPPING;
		proc_tell(p, "stop");
		sup->told_ms = loop_now_ms();
	}
}

/* Until the last worker is killed: all are told soon after each other, and wait side by side. */
static int64_t stop_workers_ms(const struct sup *sup)
{
	uint32_t longest = 0;

	for (uint32_t i = 0; i < sup->nr_workers; i++)
		if (proc_is_alive(&sup->worker[i]) && sup->worker[i].part->stop_s > longest)
			longest = sup->worker[i].part->stop_s;
	return 1000ll * longest + STOP_WORKER_MS + STAGGER_MS * sup->nr_workers;
}

int64_t sup_stop_ms(const struct sup *sup)
{
	return stop_workers_ms(sup) + STOP_SWITCH_MS;
}

void sup_stop(struct sup *sup)
{
	if (sup->state >= SUP_STOP_WORKERS)
		return;
	enter(sup, SUP_STOP_WORKERS, stop_workers_ms(sup));
	sup->restart_at_ms = 0;
	for (uint32_t i = 0; i < sup->nr_workers; i++)
		sup->worker[i].restart_at_ms = 0;
	sup->nr_untold = sup->nr_workers;
	sup_ops_run(sup);
	sup_advance(sup);
}

void sup_fail(struct sup *sup, int status, const char *fmt, ...)
{
	char text[700];
	va_list ap;

	if (sup->exit_status)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	sup->exit_status = status;
	fprintf(stderr, "nethv: %s\n", text);
	sup_stop(sup);
}

static bool any_worker_alive(const struct sup *sup)
{
	for (uint32_t i = 0; i < sup->cfg->partitions_count; i++)
		if (proc_is_alive(&sup->worker[i]))
			return true;
	return false;
}

/* A guest that has ended has been up, too; one that never says so gets a while. */
static bool is_settled(const struct proc *p)
{
	if (p->ended || p->is_up || p->reboots || p->restart_at_ms)
		return true;
	return p->state == PROC_RUNNING && loop_now_ms() - p->started_ms > UP_MS;
}

/* In the order of the file, the next when the guest before it is up: so a sink listed before its
 * generator misses nothing. */
static void start_workers(struct sup *sup)
{
	while (sup->state == SUP_WORKERS_UP) {
		if (sup->nr_workers && !is_settled(&sup->worker[sup->nr_workers - 1]))
			return;
		if (sup->nr_workers == sup->cfg->partitions_count)
			break;
		enter(sup, SUP_WORKERS_UP, START_MS);
		if (proc_start(&sup->worker[sup->nr_workers++]))
			sup_fail(sup, 1, "%s", err_text());
	}
	if (sup->state != SUP_WORKERS_UP)
		return;
	enter(sup, SUP_RUNNING, 0);
	sup_banner(sup);
}

static void stop_switch(struct sup *sup)
{
	enter(sup, SUP_STOP_SWITCH, STOP_SWITCH_MS);
	if (!proc_is_alive(&sup->sw))
		return;
	sup->sw.state = PROC_STOPPING;
	proc_tell(&sup->sw, "stop");
}

void sup_advance(struct sup *sup)
{
	if (sup->state == SUP_SWITCH_UP && sup->sw.state == PROC_RUNNING)
		enter(sup, SUP_WORKERS_UP, START_MS);
	if (sup->state == SUP_WORKERS_UP)
		start_workers(sup);
	if (sup->state == SUP_STOP_WORKERS)
		stop_workers(sup);
	if (sup->state == SUP_STOP_WORKERS && !any_worker_alive(sup))
		stop_switch(sup);
	if (sup->state == SUP_STOP_SWITCH && !proc_is_alive(&sup->sw))
		enter(sup, SUP_OVER, 0);
}

static void on_deadline(struct sup *sup)
{
	sup->deadline_ms = 0;
	if (sup->state < SUP_RUNNING) {
		sup_fail(sup, 1, "%s not ready after %d s",
			 sup->state == SUP_SWITCH_UP ? "the switch is" : "a partition is",
			 START_MS / 1000);
		return;
	}
	for (uint32_t i = 0; i < sup->cfg->partitions_count; i++)
		if (proc_is_alive(&sup->worker[i])) {
			log_warn(sup->worker[i].name, "did not end in time, killing its worker");
			proc_kill(&sup->worker[i]);
		}
	if (sup->state == SUP_STOP_SWITCH && proc_is_alive(&sup->sw)) {
		log_warn("switch", "did not end in time, killing it");
		proc_kill(&sup->sw);
	}
}

static void start_switch_again(struct sup *sup)
{
	sup->restart_at_ms = 0;
	if (proc_start(&sup->sw))
		sup_fail(sup, 1, "%s", err_text());
}

/* The control thread of the switch may hang while no worker asks it for anything. */
static void check_switch(struct sup *sup, int64_t now)
{
	struct proc *sw = &sup->sw;

	if (sw->state == PROC_STARTING && now - sw->started_ms > START_MS)
		proc_kill(sw);
	if (sw->state != PROC_RUNNING)
		return;
	if (!sup->ping_number && now - sup->ping_at_ms >= PING_MS) {
		sup->ping_at_ms = now;
		sup->ping_number = ++sup->next_number;
		rpc_send(&sw->conn, rpc_request(sup->ping_number, "ping", NULL));
	} else if (sup->ping_number && now - sup->ping_at_ms > SILENT_MS) {
		log_warn("switch", "pid %d has not answered for %d s, killing it", sw->pid,
			 SILENT_MS / 1000);
		sup->ping_at_ms = now;
		proc_kill(sw);
	}
}

static void tick(struct sup *sup)
{
	int64_t now = loop_now_ms();

	sup_asks_tick(sup, now);
	sup_ops_run(sup);
	sup_power_tick(sup, now);
	sup_vf_tick(sup, now);
	if (sup->state == SUP_WORKERS_UP || sup->state == SUP_STOP_WORKERS)
		sup_advance(sup);
	if (sup->deadline_ms && now >= sup->deadline_ms)
		on_deadline(sup);
	if (sup->restart_at_ms && now >= sup->restart_at_ms)
		start_switch_again(sup);
	if (sup->state == SUP_RUNNING)
		check_switch(sup, now);
}

static int wait_ms(const struct sup *sup)
{
	int64_t now = loop_now_ms(), until = now + (sup->state == SUP_RUNNING ? 1000 : 100);
	int64_t power = sup_power_next_ms(sup), vf = sup_vf_next_ms(sup);

	if (sup->deadline_ms && sup->deadline_ms < until)
		until = sup->deadline_ms;
	if (sup->restart_at_ms && sup->restart_at_ms < until)
		until = sup->restart_at_ms;
	if (power && power < until)
		until = power;
	if (vf && vf < until)
		until = vf;
	for (unsigned int i = 0; i < SUP_ASKS_MAX; i++)
		if (sup->ask[i].client && sup->ask[i].until_ms < until)
			until = sup->ask[i].until_ms;
	return until > now ? (int)(until - now) : 0;
}

int sup_run(struct sup *sup)
{
	sup->started_ms = loop_now_ms();
	sup->config_fd = mgmt_config_memfd(sup->cfg);
	wake_sweep(sup->wake.root);
	enter(sup, SUP_SWITCH_UP, START_MS);
	if (sup->config_fd < 0 || sup_vf_begin(sup) || proc_start(&sup->sw))
		sup_fail(sup, 1, "%s", err_text());
	while (sup->state != SUP_OVER) {
		if (loop_once(&sup->loop, wait_ms(sup)) < 0) {
			sup_fail(sup, 1, "%s", err_text());
			break;
		}
		tick(sup);
	}
	return sup->exit_status;
}
