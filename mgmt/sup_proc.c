/* SPDX-License-Identifier: BSD-3-Clause */
/* Children of the supervisor: start, talk, reap. What they mean is sup_events.c's business. */
#include "mgmt/sup.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/fd.h"
#include "mgmt/paths.h"
#include "mgmt/spawn.h"

void proc_init(struct proc *p, struct sup *sup, const struct mgmt_partition *part)
{
	memset(p, 0, sizeof(*p));
	p->sup = sup;
	p->part = part;
	p->pidfd = p->conn.fd = p->conn_src.fd = p->pid_src.fd = -1;
	snprintf(p->name, sizeof(p->name), "%s", part ? part->name : "switch");
}

static void drop_conn(struct proc *p)
{
	loop_del(&p->sup->loop, &p->conn_src);
	rpc_conn_fini(&p->conn);
}

static void on_conn(void *ctx, uint32_t events)
{
	struct proc *p = ctx;
	int rc = rpc_fill(&p->conn);
	struct rpc_msg m;

	for (rpc_next(&p->conn, &m); m.kind != RPC_NOTHING; rpc_next(&p->conn, &m)) {
		sup_on_message(p, &m);
		rpc_msg_fini(&m);
	}
	if (!rc)
		rc = rpc_flush(&p->conn);
	if (rc)
		drop_conn(p);
	else if (events & EPOLLOUT && !rpc_wants_write(&p->conn))
		loop_mod(&p->sup->loop, &p->conn_src, EPOLLIN);
}

static void on_exit_of(void *ctx, uint32_t events)
{
	struct proc *p = ctx;
	int status;

	/* Its last words may still wait in the socket. */
	if (p->conn_src.fd >= 0)
		on_conn(p, EPOLLIN);
	drop_conn(p);
	loop_del(&p->sup->loop, &p->pid_src);
	fd_close(&p->pidfd);
	status = spawn_reap(p->pid);
	p->pid = 0;
	sup_on_death(p, status);
}

static int spawn_with(struct proc *p, int their_end)
{
	struct sup *sup = p->sup;
	char path[PATH_MAX], config[16], ctl[16], link[16], stats[16];
	char *sw_argv[] = {"nethv-switch", config, ctl, link, stats, NULL};
	char *wk_argv[] = {"nethv-worker", config, ctl, p->name, NULL};
	struct spawn s = {
		.path = path,
		.argv = p->part ? wk_argv : sw_argv,
		.fds = {sup->config_fd, their_end, sup->link_fd, sup->stats_fd},
		.nr_fds = p->part ? 2 : 4,
		.may = &sup->may,
	};
	int rc = mgmt_path_find(p->part ? MGMT_FILE_WORKER : MGMT_FILE_SWITCH, path);

	if (rc)
		return rc;
	snprintf(config, sizeof(config), "%d", sup->config_fd);
	snprintf(ctl, sizeof(ctl), "%d", their_end);
	snprintf(link, sizeof(link), "%d", sup->link_fd);
	snprintf(stats, sizeof(stats), "%d", sup->stats_fd);
	return spawn_child(&s, &p->pid, &p->pidfd);
}

static int watch(struct proc *p)
{
	struct loop *l = &p->sup->loop;
	int rc;

	p->conn_src.fn = on_conn;
	p->pid_src.fn = on_exit_of;
	p->conn_src.ctx = p->pid_src.ctx = p;
	rc = loop_add(l, &p->pid_src, p->pidfd, EPOLLIN);
	return rc ? rc : loop_add(l, &p->conn_src, p->conn.fd, EPOLLIN);
}

/* Nothing of the process is left, whatever there was. */
static void clean_up(struct proc *p)
{
	loop_del(&p->sup->loop, &p->pid_src);
	drop_conn(p);
	if (p->pid > 0) {
		spawn_signal(p->pidfd, SIGKILL);
		spawn_reap(p->pid);
		p->pid = 0;
	}
	fd_close(&p->pidfd);
}

int proc_start(struct proc *p)
{
	int sv[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		return err_sys(-errno, "socketpair");
	rc = rpc_conn_init(&p->conn, sv[0]);
	if (!rc)
		rc = spawn_with(p, sv[1]);
	fd_close(&sv[1]);
	if (!rc)
		rc = watch(p);
	if (rc) {
		err_prefix("%s", p->name);
		clean_up(p);
		return rc;
	}
	p->state = PROC_STARTING;
	p->started_ms = loop_now_ms();
	p->failure[0] = 0;
	p->fail_status = 0;
	return 0;
}

void proc_fini(struct proc *p)
{
	if (!p->sup)
		return;
	clean_up(p);
	json_decref(p->ready);
	json_decref(p->ended);
	p->ready = p->ended = NULL;
}

void proc_tell(struct proc *p, const char *method)
{
	if (rpc_send(&p->conn, rpc_notify(method, NULL)) == 0 && rpc_wants_write(&p->conn))
		loop_mod(&p->sup->loop, &p->conn_src, EPOLLIN | EPOLLOUT);
}

void proc_kill(struct proc *p)
{
	if (p->pid > 0)
		spawn_signal(p->pidfd, SIGKILL);
}
