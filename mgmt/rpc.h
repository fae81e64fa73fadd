/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC 2.0 over stream sockets, one message a line. The same on the control socket (CLI to
 * supervisor) and on the socketpairs between supervisor and children. It knows no method. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RPC_LINE_MAX (8u << 20)

enum {
	RPC_PARSE_ERROR = -32700,
	RPC_BAD_REQUEST = -32600,
	RPC_NO_METHOD = -32601,
	RPC_BAD_PARAMS = -32602,
	RPC_FAILED = -32000,
};

struct rpc_conn {
	int fd; /* owned, non-blocking; -1: closed */
	char *in, *out;
	size_t in_len, in_cap, out_len, out_cap;
	size_t scanned; /* of in, without a newline */
	bool takes_fd;	/* set after rpc_conn_init(): a message may bring a descriptor along */
	int passed_fd; /* with takes_fd: the last one that came, or -1. Who takes it sets it to -1 */
};

/* ctl.  Takes over @fd. 0 or -errno (text set; @fd is closed). */
int rpc_conn_init(struct rpc_conn *c, int fd);
void rpc_conn_fini(struct rpc_conn *c);

/* ctl.  Queues @msg (consumed) and sends what goes out now. 0, -EPIPE: the peer is gone,
 * -ENOBUFS: it does not read (RPC_LINE_MAX are waiting); the connection is useless then. */
int rpc_send(struct rpc_conn *c, json_t *msg);
/* The same with a descriptor, which stays the caller's. Nothing may be waiting. */
int rpc_send_fd(struct rpc_conn *c, json_t *msg, int fd);
int rpc_flush(struct rpc_conn *c);
static inline bool rpc_wants_write(const struct rpc_conn *c)
{
	return c->out_len > 0;
}

/* ctl.  Takes in what has arrived. 0, -EPIPE (end or error), -EMSGSIZE (line too long). */
int rpc_fill(struct rpc_conn *c);

enum rpc_kind { RPC_NOTHING, RPC_REQUEST, RPC_NOTIFY, RPC_RESPONSE, RPC_ERROR, RPC_INVALID };

/* A message. All pointers are inside @root, which the receiver releases. */
struct rpc_msg {
	enum rpc_kind kind;
	json_t *root;
	json_t *id;
	const char *method;
	json_t *params; /* object, or NULL */
	json_t *result; /* response */
	const char *error;
	int code;
};

/* ctl.  The next whole message; RPC_NOTHING when there is none. RPC_INVALID: a line that is not
 * JSON-RPC; code and id (or NULL) say what to answer. Release with rpc_msg_fini(). */
void rpc_next(struct rpc_conn *c, struct rpc_msg *out);
void rpc_msg_fini(struct rpc_msg *m);

/* any.  New messages. @id is borrowed, NULL means null; params and result are consumed and may be
 * NULL. */
json_t *rpc_request(int64_t id, const char *method, json_t *params);
json_t *rpc_notify(const char *method, json_t *params);
json_t *rpc_result(json_t *id, json_t *result);
json_t *rpc_error(json_t *id, int code, const char *text);

/* ctl.  One call that waits for its answer. @params is consumed. 0 and *@result (the caller
 * releases), -ETIMEDOUT, -EPIPE, or -EREMOTEIO: the peer answered with an error (text set). */
int rpc_call(struct rpc_conn *c, const char *method, json_t *params, int timeout_ms,
	     json_t **result);
/* Its second half: the answer to request 1, which was sent before. */
int rpc_await(struct rpc_conn *c, const char *method, int timeout_ms, json_t **result);
