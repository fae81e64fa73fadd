/* SPDX-License-Identifier: BSD-3-Clause */
/* The control socket: clients, and their questions, which wait for children without blocking. */
#include "mgmt/sup.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "mgmt/control.h"

#define ASK_TIMEOUT_MS 2000

static void ask_free(struct ask *a)
{
	json_decref(a->id);
	json_decref(a->answers);
	memset(a, 0, sizeof(*a));
}

static void client_drop(struct client *c)
{
	struct sup *sup = c->sup;

	for (unsigned int i = 0; i < SUP_ASKS_MAX; i++)
		if (sup->ask[i].client == c)
			ask_free(&sup->ask[i]);
	sup_ops_forget(sup, c);
	loop_del(&sup->loop, &c->src);
	rpc_conn_fini(&c->conn);
	c->is_used = false;
}

void sup_client_send(struct client *c, json_t *msg)
{
	if (rpc_send(&c->conn, msg))
		client_drop(c);
	else if (rpc_wants_write(&c->conn))
		loop_mod(&c->sup->loop, &c->src, EPOLLIN | EPOLLOUT);
}

static void ask_finish(struct sup *sup, struct ask *a)
{
	json_t *reply = rpc_result(a->id, sup_status_json(sup, a->answers));
	struct client *c = a->client;

	ask_free(a);
	sup_client_send(c, reply);
}

static void ask_child(struct ask *a, struct proc *p)
{
	if (p->state != PROC_RUNNING || rpc_send(&p->conn, rpc_request(a->number, "status", NULL)))
		return;
	if (rpc_wants_write(&p->conn))
		loop_mod(&p->sup->loop, &p->conn_src, EPOLLIN | EPOLLOUT);
	json_object_set_new(a->answers, p->name, json_null());
	a->waiting++;
}

static void ask_begin(struct client *c, json_t *id)
{
	struct sup *sup = c->sup;
	struct ask *a = NULL;

	for (unsigned int i = 0; i < SUP_ASKS_MAX && !a; i++)
		if (!sup->ask[i].client)
			a = &sup->ask[i];
	if (!a) {
		sup_client_send(c,
				rpc_error(id, RPC_FAILED, "too many questions at once; ask again"));
		return;
	}
	a->client = c;
	a->id = json_incref(id);
	a->number = ++sup->next_number;
	a->until_ms = loop_now_ms() + ASK_TIMEOUT_MS;
	a->answers = json_object();
	ask_child(a, &sup->sw);
	for (uint32_t i = 0; i < sup->cfg->partitions_count; i++)
		ask_child(a, &sup->worker[i]);
	if (!a->waiting)
		ask_finish(sup, a);
}

void sup_answer(struct sup *sup, const struct proc *p, int64_t number, json_t *result)
{
	for (unsigned int i = 0; i < SUP_ASKS_MAX; i++) {
		struct ask *a = &sup->ask[i];

		if (!a->client || a->number != number ||
		    !json_is_null(json_object_get(a->answers, p->name)))
			continue;
		json_object_set(a->answers, p->name, result);
		if (!--a->waiting)
			ask_finish(sup, a);
		return;
	}
}

void sup_no_answer(struct sup *sup, const struct proc *p)
{
	for (unsigned int i = 0; i < SUP_ASKS_MAX; i++) {
		struct ask *a = &sup->ask[i];

		if (!a->client || !json_is_null(json_object_get(a->answers, p->name)))
			continue;
		json_object_del(a->answers, p->name);
		if (!--a->waiting)
			ask_finish(sup, a);
	}
}

void sup_asks_tick(struct sup *sup, int64_t now_ms)
{
	for (unsigned int i = 0; i < SUP_ASKS_MAX; i++)
		if (sup->ask[i].client && now_ms >= sup->ask[i].until_ms)
			ask_finish(sup, &sup->ask[i]);
}

static void handle(struct client *c, const struct rpc_msg *m)
{
	if (m->kind == RPC_INVALID)
		sup_client_send(c, rpc_error(m->id, m->code, m->error));
	else if (m->kind != RPC_REQUEST)
		return;
	else if (!strcmp(m->method, "status"))
		ask_begin(c, m->id);
	else if (!strcmp(m->method, "stop")) {
		sup_client_send(
			c, rpc_result(m->id, json_pack("{s:b, s:I}", "stopping", 1, "within_ms",
						       (json_int_t)sup_stop_ms(c->sup))));
		sup_stop(c->sup);
	} else if (!sup_op_new(c, m))
		sup_client_send(c, rpc_error(m->id, RPC_NO_METHOD,
					     "no such method; docs/status.md lists them"));
}

static void on_client(void *ctx, uint32_t events)
{
	struct client *c = ctx;
	int rc = rpc_fill(&c->conn);
	struct rpc_msg m;

	while (c->is_used) {
		rpc_next(&c->conn, &m);
		if (m.kind == RPC_NOTHING)
			break;
		handle(c, &m);
		rpc_msg_fini(&m);
	}
	if (!c->is_used)
		return;
	if (rc || rpc_flush(&c->conn))
		client_drop(c);
	else if (events & EPOLLOUT && !rpc_wants_write(&c->conn))
		loop_mod(&c->sup->loop, &c->src, EPOLLIN);
}

static struct client *client_slot(struct sup *sup)
{
	for (unsigned int i = 0; i < SUP_CLIENTS_MAX; i++)
		if (!sup->client[i].is_used)
			return &sup->client[i];
	return NULL;
}

void sup_control_accept(void *ctx, uint32_t events)
{
	struct sup *sup = ctx;
	int fd = accept4(sup->control_fd, NULL, NULL, SOCK_CLOEXEC);
	struct client *c = client_slot(sup);

	if (fd < 0)
		return;
	if (!c || !control_peer_ok(fd, NULL)) {
		fd_close(&fd);
		return;
	}
	if (rpc_conn_init(&c->conn, fd))
		return;
	c->sup = sup;
	c->src = (struct loop_src){.fd = -1, .fn = on_client, .ctx = c};
	c->is_used = true;
	if (loop_add(&sup->loop, &c->src, fd, EPOLLIN))
		client_drop(c);
}

void sup_clients_fini(struct sup *sup)
{
	for (unsigned int i = 0; i < SUP_CLIENTS_MAX; i++)
		if (sup->client[i].is_used)
			client_drop(&sup->client[i]);
}
