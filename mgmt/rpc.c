/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/rpc.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/fd.h"
#include "mgmt/loop.h"

int rpc_conn_init(struct rpc_conn *c, int fd)
{
	int rc;

	memset(c, 0, sizeof(*c));
	c->fd = fd;
	c->passed_fd = -1;
	rc = fd_nonblock(fd);
	if (rc)
		rpc_conn_fini(c);
	return rc;
}

void rpc_conn_fini(struct rpc_conn *c)
{
	fd_close(&c->fd);
	if (c->takes_fd)
		fd_close(&c->passed_fd);
	free(c->in);
	free(c->out);
	c->in = c->out = NULL;
	c->in_len = c->in_cap = c->out_len = c->out_cap = c->scanned = 0;
}

static int reserve(char **buf, size_t *cap, size_t want)
{
	size_t next = *cap ? *cap : 4096;
	char *grown;

	if (want <= *cap)
		return 0;
	while (next < want)
		next *= 2;
	grown = realloc(*buf, next);
	if (!grown)
		return err_set(-ENOMEM, "no memory for a message of %zu bytes", want);
	*buf = grown;
	*cap = next;
	return 0;
}

int rpc_flush(struct rpc_conn *c)
{
	size_t done = 0;
	int rc = 0;

	while (done < c->out_len && !rc) {
		ssize_t n = send(c->fd, c->out + done, c->out_len - done, MSG_NOSIGNAL);

		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN)
			break;
		else if (errno != EINTR)
			rc = -EPIPE;
	}
	if (done)
		memmove(c->out, c->out + done, c->out_len - done);
	c->out_len -= done;
	return rc;
}

/* The first bytes of what waits, with @fd. */
static int send_first(struct rpc_conn *c, int fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} u = {0};
	struct iovec iov = {.iov_base = c->out, .iov_len = c->out_len};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = u.room,
			   .msg_controllen = sizeof(u.room)};
	ssize_t n;

	u.head.cmsg_level = SOL_SOCKET;
	u.head.cmsg_type = SCM_RIGHTS;
	u.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&u.head), &fd, sizeof(fd));
	do
		n = sendmsg(c->fd, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -EPIPE;
	memmove(c->out, c->out + n, c->out_len - (size_t)n);
	c->out_len -= (size_t)n;
	return 0;
}

static int queue(struct rpc_conn *c, json_t *msg)
{
	char *text = msg ? json_dumps(msg, JSON_COMPACT) : NULL;
	size_t len = text ? strlen(text) : 0;
	int rc;

	json_decref(msg);
	if (!text)
		return err_set(-ENOMEM, "no memory for a message");
	if (c->fd < 0)
		rc = -EPIPE;
	else if (c->out_len + len + 1 > RPC_LINE_MAX)
		rc = -ENOBUFS;
	else
		rc = reserve(&c->out, &c->out_cap, c->out_len + len + 1);
	if (!rc) {
		memcpy(c->out + c->out_len, text, len);
		c->out[c->out_len + len] = '\n';
		c->out_len += len + 1;
	}
	free(text);
	return rc;
}

int rpc_send(struct rpc_conn *c, json_t *msg)
{
	int rc = queue(c, msg);

	return rc ? rc : rpc_flush(c);
}

int rpc_send_fd(struct rpc_conn *c, json_t *msg, int fd)
{
	int rc = queue(c, msg);

	if (!rc)
		rc = send_first(c, fd);
	return rc ? rc : rpc_flush(c);
}

/* Keeps the descriptor that came last; more than one in a message are none of ours to keep. */
static void take_fds(struct rpc_conn *c, struct msghdr *m)
{
	struct cmsghdr *h;

	for (h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		for (size_t i = 0; h->cmsg_type == SCM_RIGHTS && i < n; i++) {
			fd_close(&c->passed_fd);
			memcpy(&c->passed_fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
		}
	}
}

static ssize_t receive(struct rpc_conn *c, void *buf, size_t size)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(4 * sizeof(int))];
	} u;
	struct iovec iov = {.iov_base = buf, .iov_len = size};
	struct msghdr m = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = u.room,
			   .msg_controllen = sizeof(u.room)};
	ssize_t n;

	if (!c->takes_fd)
		return recv(c->fd, buf, size, 0);
	n = recvmsg(c->fd, &m, MSG_CMSG_CLOEXEC);
	if (n >= 0)
		take_fds(c, &m);
	return n;
}

int rpc_fill(struct rpc_conn *c)
{
	for (;;) {
		ssize_t n;

		if (c->in_len >= RPC_LINE_MAX)
			return -EMSGSIZE;
		if (reserve(&c->in, &c->in_cap, c->in_len + 4096))
			return -EMSGSIZE;
		n = receive(c, c->in + c->in_len, c->in_cap - c->in_len);
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPIPE;
		c->in_len += (size_t)n;
	}
}

static void invalid(struct rpc_msg *m, int code, const char *text)
{
	m->kind = RPC_INVALID;
	m->code = code;
	m->error = text;
}

static void parse_answer(struct rpc_msg *m)
{
	json_t *error = json_object_get(m->root, "error");

	m->result = json_object_get(m->root, "result");
	if (!m->id || !!m->result == !!error) {
		invalid(m, RPC_BAD_REQUEST, "neither a request nor an answer");
		return;
	}
	m->kind = error ? RPC_ERROR : RPC_RESPONSE;
	if (!error)
		return;
	m->code = (int)json_integer_value(json_object_get(error, "code"));
	m->error = json_string_value(json_object_get(error, "message"));
	if (!m->error)
		m->error = "error without a text";
}

static void parse(struct rpc_msg *m)
{
	const char *version = json_string_value(json_object_get(m->root, "jsonrpc"));
	json_t *method = json_object_get(m->root, "method");

	m->id = json_object_get(m->root, "id");
	if (m->id && !json_is_integer(m->id) && !json_is_string(m->id)) {
		m->id = NULL;
		invalid(m, RPC_BAD_REQUEST, "id is neither a number nor a text");
		return;
	}
	if (!version || strcmp(version, "2.0")) {
		invalid(m, RPC_BAD_REQUEST, "no \"jsonrpc\": \"2.0\"");
		return;
	}
	if (!method) {
		parse_answer(m);
		return;
	}
	m->method = json_string_value(method);
	m->params = json_object_get(m->root, "params");
	if (!m->method)
		invalid(m, RPC_BAD_REQUEST, "method is not a text");
	else if (m->params && !json_is_object(m->params))
		invalid(m, RPC_BAD_PARAMS, "params is not an object");
	else
		m->kind = m->id ? RPC_REQUEST : RPC_NOTIFY;
}

void rpc_next(struct rpc_conn *c, struct rpc_msg *out)
{
	char *end = NULL;
	size_t len;

	memset(out, 0, sizeof(*out));
	if (c->in_len > c->scanned)
		end = memchr(c->in + c->scanned, '\n', c->in_len - c->scanned);
	if (!end) {
		c->scanned = c->in_len;
		return;
	}
	len = (size_t)(end - c->in);
	out->root = json_loadb(c->in, len, JSON_REJECT_DUPLICATES, NULL);
	memmove(c->in, end + 1, c->in_len - len - 1);
	c->in_len -= len + 1;
	c->scanned = 0;
	if (!out->root)
		invalid(out, RPC_PARSE_ERROR, "not JSON");
	else if (!json_is_object(out->root))
		invalid(out, RPC_BAD_REQUEST, "not an object");
	else
		parse(out);
}

void rpc_msg_fini(struct rpc_msg *m)
{
	json_decref(m->root);
	memset(m, 0, sizeof(*m));
}

static json_t *with_params(json_t *msg, json_t *params)
{
	if (params)
		json_object_set_new(msg, "params", params);
	return msg;
}

json_t *rpc_request(int64_t id, const char *method, json_t *params)
{
	return with_params(json_pack("{s:s, s:I, s:s}", "jsonrpc", "2.0", "id", (json_int_t)id,
				     "method", method),
			   params);
}

json_t *rpc_notify(const char *method, json_t *params)
{
	return with_params(json_pack("{s:s, s:s}", "jsonrpc", "2.0", "method", method), params);
}

json_t *rpc_result(json_t *id, json_t *result)
{
	return json_pack("{s:s, s:O?, s:o}", "jsonrpc", "2.0", "id", id, "result",
			 result ? result : json_object());
}

json_t *rpc_error(json_t *id, int code, const char *text)
{
	json_t *msg = json_pack("{s:s, s:{s:i, s:s}}", "jsonrpc", "2.0", "error", "code", code,
				"message", text);

	/* JSON-RPC wants null where the id is not known. */
	json_object_set_new(msg, "id", id ? json_incref(id) : json_null());
	return msg;
}

/* -EAGAIN: no answer to @id among what has arrived. */
static int take_answer(struct rpc_conn *c, int64_t id, json_t **result)
{
	struct rpc_msg m;
	int rc = -EAGAIN;

	for (rpc_next(c, &m); m.kind != RPC_NOTHING && rc == -EAGAIN; rpc_next(c, &m)) {
		bool is_mine = m.id && json_integer_value(m.id) == id;

		if (is_mine && m.kind == RPC_RESPONSE) {
			*result = json_incref(m.result);
			rc = 0;
		} else if (is_mine && m.kind == RPC_ERROR) {
			rc = err_set(-EREMOTEIO, "%s", m.error);
		}
		rpc_msg_fini(&m);
		if (rc != -EAGAIN)
			return rc;
	}
	return rc;
}

int rpc_call(struct rpc_conn *c, const char *method, json_t *params, int timeout_ms,
	     json_t **result)
{
	int rc = rpc_send(c, rpc_request(1, method, params));

	if (rc)
		return err_set(rc, "%s: the other side is gone", method);
	return rpc_await(c, method, timeout_ms, result);
}

int rpc_await(struct rpc_conn *c, const char *method, int timeout_ms, json_t **result)
{
	int64_t until = loop_now_ms() + timeout_ms, left = timeout_ms;
	int rc, end = 0;

	do {
		struct pollfd p = {.fd = c->fd,
				   .events = (short)(POLLIN | (rpc_wants_write(c) ? POLLOUT : 0))};

		poll(&p, 1, (int)left);
		if (rpc_flush(c))
			end = -EPIPE;
		if (p.revents & (POLLIN | POLLHUP | POLLERR))
			end = rpc_fill(c);
		rc = take_answer(c, 1, result);
		if (rc != -EAGAIN)
			return rc;
		if (end)
			return err_set(end, "%s: the other side ended without an answer", method);
		left = until - loop_now_ms();
	} while (left > 0);
	return err_set(-ETIMEDOUT, "%s: no answer within %d ms", method, timeout_ms);
}
