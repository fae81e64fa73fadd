/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/err.h"

#define TICK_MS 200

static void update_mask(struct child *c)
{
	if (c->src.fd >= 0)
		loop_mod(&c->loop, &c->src,
			 EPOLLIN | (rpc_wants_write(&c->conn) ? (uint32_t)EPOLLOUT : 0));
}

static void answer_call(struct child *c, const struct rpc_msg *m)
{
	json_t *result = NULL;
	int rc = c->ops->call(c->ctx, m->method, m->params, &result);

	if (rc)
		rpc_send(&c->conn,
			 rpc_error(m->id, rc == -ENOSYS ? RPC_NO_METHOD : RPC_FAILED, err_text()));
	else
		rpc_send(&c->conn, rpc_result(m->id, result));
}

/* An answer to nobody's question is none of ours. */
static void take_answer(struct child *c, const struct rpc_msg *m)
{
	for (unsigned int i = 0; i < CHILD_ASKS_MAX; i++) {
		struct child_ask a = c->ask[i];

		if (!a.fn || !json_is_integer(m->id) || a.id != json_integer_value(m->id))
			continue;
		c->ask[i].fn = NULL; /* it may ask again */
		if (m->kind == RPC_ERROR)
			a.fn(a.ctx, -EREMOTEIO, m->error, NULL);
		else
			a.fn(a.ctx, 0, "", m->result);
		return;
	}
}

static void handle(struct child *c, const struct rpc_msg *m)
{
	if (m->kind == RPC_REQUEST && !strcmp(m->method, "status"))
		rpc_send(&c->conn, rpc_result(m->id, c->ops->status(c->ctx)));
	else if (m->kind == RPC_REQUEST && !strcmp(m->method, "ping"))
		rpc_send(&c->conn, rpc_result(m->id, NULL));
	else if (m->kind == RPC_REQUEST)
		answer_call(c, m);
	else if (m->kind == RPC_NOTIFY)
		c->ops->told(c->ctx, m->method);
	else if (m->kind == RPC_RESPONSE || m->kind == RPC_ERROR)
		take_answer(c, m);
}

static void on_conn(void *ctx, uint32_t events)
{
	struct child *c = ctx;
	int rc = rpc_fill(&c->conn);
	struct rpc_msg m;

	for (rpc_next(&c->conn, &m); m.kind != RPC_NOTHING; rpc_next(&c->conn, &m)) {
		handle(c, &m);
		rpc_msg_fini(&m);
	}
	if (rc || rpc_flush(&c->conn))
		c->is_over = true;
	else
		update_mask(c);
}

static int fd_from(const char *text)
{
	char *end;
	long v = strtol(text, &end, 10);

	if (!*text || *end || v < 3 || v > 1000000 || fcntl((int)v, F_SETFD, FD_CLOEXEC))
		return err_set(-EINVAL, "this program is started by `nethv run FILE`, not by hand");
	return (int)v;
}

int child_init(struct child *c, const char *config_fd, const char *ctl_fd,
	       const struct child_ops *ops, void *ctx)
{
	int config = fd_from(config_fd), ctl = fd_from(ctl_fd), rc;
	struct mgmt_host host;

	memset(c, 0, sizeof(*c));
	c->loop.epfd = c->conn.fd = c->src.fd = -1;
	c->ops = ops;
	c->ctx = ctx;
	c->tick_ms = TICK_MS;
	if (config < 0 || ctl < 0)
		return -EINVAL;
	rc = rpc_conn_init(&c->conn, ctl);
	if (!rc)
		rc = loop_init(&c->loop);
	c->src.fn = on_conn;
	c->src.ctx = c;
	if (!rc)
		rc = loop_add(&c->loop, &c->src, ctl, EPOLLIN);
	mgmt_host_get(&host, "");
	host.no_files = true; /* the supervisor has looked */
	if (!rc)
		rc = mgmt_config_load_fd(&c->cfg, config, &host);
	return rc;
}

void child_fini(struct child *c)
{
	loop_del(&c->loop, &c->src);
	rpc_conn_fini(&c->conn);
	loop_fini(&c->loop);
	mgmt_config_free(c->cfg);
	c->cfg = NULL;
}

void child_say(struct child *c, const char *method, json_t *params)
{
	if (rpc_send(&c->conn, rpc_notify(method, params)))
		c->is_over = true;
	else
		update_mask(c);
}

int child_ask(struct child *c, const char *method, json_t *params, child_answer_fn fn, void *ctx)
{
	struct child_ask *a = c->ask;

	while (a < c->ask + CHILD_ASKS_MAX && a->fn)
		a++;
	if (a == c->ask + CHILD_ASKS_MAX) {
		json_decref(params);
		return err_set(-EBUSY, "%s: the supervisor has not answered %u questions", method,
			       CHILD_ASKS_MAX);
	}
	*a = (struct child_ask){fn, ctx, ++c->last_id};
	if (rpc_send(&c->conn, rpc_request(a->id, method, params)))
		c->is_over = true;
	else
		update_mask(c);
	return 0;
}

int child_failed(struct child *c, int status)
{
	struct pollfd p = {.fd = c->conn.fd, .events = POLLOUT};

	rpc_send(&c->conn, rpc_notify("failed", json_pack("{s:s, s:i}", "text", err_text(),
							  "status", status)));
	while (rpc_wants_write(&c->conn) && poll(&p, 1, 1000) == 1 && !rpc_flush(&c->conn))
		;
	return status;
}

int child_run(struct child *c, void (*tick)(void *ctx))
{
	int rc = 0;

	while (!c->is_over && rc >= 0) {
		rc = loop_once(&c->loop, c->tick_ms);
		if (tick)
			tick(c->ctx);
	}
	return rc < 0 ? rc : 0;
}
