/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/switch_see.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "mgmt/control.h"
#include "mgmt/loop.h"
#include "mgmt/rpc.h"
#include "vswitch/see/see.h"

#define SESSIONS_MAX 16u
#define POLL_MS	     20
#define WAIT_MAX_MS  3600000

enum see_kind { SEE_NOTHING, SEE_CAPTURE, SEE_TRACE, SEE_DROPS };

struct session {
	struct see_server *server;
	bool is_used;
	struct rpc_conn conn;
	struct loop_src src;
	enum see_kind kind;
	json_t *id;    /* of the request that waits for its answer */
	uint32_t what; /* number of the capture or trace */
	int64_t begin_ms, until_ms;
	char *filter; /* drops */
	unsigned int max;
};

struct see_server {
	struct see_server_cfg cfg;
	int listen_fd, timer_fd;
	bool is_ticking;
	unsigned int watchers; /* sessions that wait for drops */
	struct loop_src listen_src, timer_src;
	struct session session[SESSIONS_MAX];
};

/* Remembers what somebody wants to see, and nothing when nobody does. One watcher's filter keeps drops that
 * are not its own out of the memory. */
static int watch(struct see_server *s, const char *filter)
{
	if (s->cfg.remembers_drops || s->watchers > 1)
		filter = "";
	else if (!s->watchers)
		filter = NULL;
	return vsw_see_drops_watch(s->cfg.see, filter);
}

static void unwatch(struct see_server *s)
{
	s->watchers--;
	/* Taking away needs no memory, and a filter that was good stays good. */
	for (unsigned int i = 0; i < SESSIONS_MAX; i++)
		if (s->session[i].is_used && s->session[i].kind == SEE_DROPS) {
			watch(s, s->session[i].filter);
			return;
		}
	watch(s, NULL);
}

static void close_session(struct session *x)
{
	struct see_server *s = x->server;
	enum see_kind kind = x->kind;

	x->kind = SEE_NOTHING;
	if (kind == SEE_CAPTURE)
		vsw_see_capture_remove(s->cfg.see, x->what, NULL);
	else if (kind == SEE_TRACE)
		vsw_see_trace_remove(s->cfg.see, x->what);
	else if (kind == SEE_DROPS)
		unwatch(s);
	loop_del(s->cfg.loop, &x->src);
	rpc_conn_fini(&x->conn);
	json_decref(x->id);
	free(x->filter);
	memset(x, 0, sizeof(*x));
}

/* One that does not read is closed. */
static bool say(struct session *x, json_t *msg)
{
	if (!rpc_send(&x->conn, msg)) {
		if (rpc_wants_write(&x->conn))
			loop_mod(x->server->cfg.loop, &x->src, EPOLLIN | EPOLLOUT);
		return true;
	}
	close_session(x);
	return false;
}

static bool refuse(struct session *x, int rc)
{
	json_t *id = x->id;
	bool is_open;

	x->id = NULL;
	is_open = say(x, rpc_error(id, rc == -EINVAL ? RPC_BAD_PARAMS : RPC_FAILED, err_text()));
	json_decref(id);
	return is_open;
}

static bool answer(struct session *x, json_t *result)
{
	json_t *id = x->id;
	bool is_open;

	x->id = NULL;
	is_open = say(x, rpc_result(id, result));
	json_decref(id);
	return is_open;
}

static json_t *capture_json(const struct vsw_see_capture_status *st)
{
	return json_pack("{s:I, s:I, s:I, s:s}", "packets", (json_int_t)st->packets, "bytes",
			 (json_int_t)st->bytes, "lost", (json_int_t)st->lost, "text", st->text);
}

static const char *text_of(json_t *params, const char *key)
{
	const char *text = json_string_value(json_object_get(params, key));

	return text ? text : "";
}

static int64_t number_of(json_t *params, const char *key, int64_t fallback)
{
	json_t *v = json_object_get(params, key);

	return json_is_integer(v) && json_integer_value(v) >= 0 ? json_integer_value(v) : fallback;
}

static int take_ports(const struct see_server *s, json_t *list, struct vsw_see_capture_cfg *out)
{
	json_t *name;
	size_t i;

	json_array_foreach(list, i, name)
	{
		const char *text = json_string_value(name);
		int at = s->cfg.port_number(s->cfg.ctx, text ? text : "");

		if (at < 0)
			return at;
		out->ports[at / 64] |= 1ull << (at % 64);
		out->is_for_ports = true;
	}
	return 0;
}

static int begin_capture(struct session *x, json_t *params)
{
	struct vsw_see_capture_cfg cfg = {
		.filter = text_of(params, "filter"),
		.snaplen = (uint32_t)number_of(params, "snaplen", 0),
		.max_packets = (uint64_t)number_of(params, "count", 0),
		.max_bytes = (uint64_t)number_of(params, "bytes", 0),
		.fd = x->conn.passed_fd,
	};
	int rc = vsw_see_stations(&cfg.stations, text_of(params, "stations"));

	if (!rc && cfg.fd < 0)
		rc = err_set(-EINVAL, "capture: the descriptor to write to is missing");
	if (!rc)
		rc = take_ports(x->server, json_object_get(params, "ports"), &cfg);
	if (!rc)
		rc = vsw_see_capture_add(x->server->cfg.see, &cfg, &x->what);
	if (rc)
		return rc;
	x->conn.passed_fd = -1;
	x->kind = SEE_CAPTURE;
	answer(x, json_object());
	return 0;
}

static void set_wait(struct session *x, json_t *params)
{
	int64_t ms = number_of(params, "for_ms", 0);

	x->begin_ms = loop_now_ms();
	x->until_ms = x->begin_ms + (ms < WAIT_MAX_MS ? ms : WAIT_MAX_MS);
}

static int begin_trace(struct session *x, json_t *params)
{
	uint32_t count = (uint32_t)number_of(params, "count", 1);
	int rc = vsw_see_trace_add(x->server->cfg.see, text_of(params, "filter"), count, &x->what);

	if (rc)
		return rc;
	set_wait(x, params);
	x->kind = SEE_TRACE;
	return 0;
}

/* Adds the words for people to each packet or drop. */
static void add_words(json_t *list, char *(*words)(const json_t *o))
{
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		char *text = words(o);

		if (text)
			json_object_set_new(o, "words", json_string(text));
		free(text);
	}
}

/* What was dropped since the session began; with no time to wait, all that is remembered. */
static int finish_drops(struct session *x)
{
	int64_t since_ms = loop_now_ms() - x->begin_ms;
	bool is_all = x->until_ms == x->begin_ms;
	json_t *list, *out = json_array(), *o;
	size_t i;
	int rc = vsw_see_drops_json(x->server->cfg.see, x->filter, x->max, &list);

	if (rc) {
		json_decref(out);
		return rc;
	}
	add_words(list, vsw_see_drop_text);
	json_array_foreach(list, i, o)
	{
		if (is_all || json_integer_value(json_object_get(o, "ago_ms")) <= since_ms)
			json_array_append(out, o);
	}
	json_decref(list);
	if (answer(x, json_pack("{s:o}", "drops", out)))
		close_session(x);
	return 0;
}

static int begin_drops(struct session *x, json_t *params)
{
	struct see_server *s = x->server;
	int rc = 0;

	free(x->filter);
	x->filter = strdup(text_of(params, "filter"));
	x->max = (unsigned int)number_of(params, "count", 0);
	if (!x->filter)
		return err_set(-ENOMEM, "out of memory");
	set_wait(x, params);
	if (x->until_ms == x->begin_ms && !vsw_see_drops_is_watched(s->cfg.see))
		return err_set(
			-EINVAL,
			"no dropped packets are remembered; wait for some (--for SECONDS), or set "
			"switch.remember_drops");
	if (x->until_ms == x->begin_ms)
		return finish_drops(x);
	s->watchers++;
	rc = watch(s, x->filter);
	if (rc) {
		s->watchers--;
		return rc;
	}
	x->kind = SEE_DROPS;
	return 0;
}

static bool is_whole(json_t *trace)
{
	json_t *list = json_object_get(trace, "packets"), *o;
	size_t i;

	json_array_foreach(list, i, o)
	{
		if (!json_is_true(json_object_get(o, "done")))
			return false;
	}
	return json_integer_value(json_object_get(trace, "matched")) >=
	       json_integer_value(json_object_get(trace, "wanted"));
}

static void tick_trace(struct session *x)
{
	json_t *trace = vsw_see_trace_json(x->server->cfg.see, x->what);

	if (!trace || (!is_whole(trace) && loop_now_ms() < x->until_ms)) {
		json_decref(trace);
		return;
	}
	add_words(json_object_get(trace, "packets"), vsw_see_trace_text);
	if (answer(x, trace))
		close_session(x);
}

static void tick_capture(struct session *x)
{
	struct vsw_see_capture_status st;

	if (vsw_see_capture_status(x->server->cfg.see, x->what, &st) || st.state == VSW_SEE_RUNNING)
		return;
	if (say(x, rpc_notify("ended", capture_json(&st))))
		close_session(x);
}

static void tick_session(struct session *x)
{
	int rc = 0;

	if (x->kind == SEE_TRACE)
		tick_trace(x);
	else if (x->kind == SEE_CAPTURE)
		tick_capture(x);
	else if (x->kind == SEE_DROPS && loop_now_ms() >= x->until_ms)
		rc = finish_drops(x);
	if (rc && refuse(x, rc))
		close_session(x);
}

/* The file is complete when the client hears of it. */
static void stop_capture(struct session *x)
{
	struct vsw_see_capture_status st = {.text = ""};

	if (x->kind == SEE_CAPTURE)
		vsw_see_capture_remove(x->server->cfg.see, x->what, &st);
	x->kind = SEE_NOTHING;
	if (say(x, rpc_notify("ended", capture_json(&st))))
		close_session(x);
}

static int begin(struct session *x, const struct rpc_msg *m)
{
	if (x->kind != SEE_NOTHING)
		return err_set(-EINVAL, "one question a connection");
	if (!strcmp(m->method, "capture"))
		return begin_capture(x, m->params);
	if (!strcmp(m->method, "trace"))
		return begin_trace(x, m->params);
	if (!strcmp(m->method, "drops"))
		return begin_drops(x, m->params);
	return err_set(-EINVAL, "no such method; docs/status.md lists them");
}

static void handle(struct session *x, const struct rpc_msg *m)
{
	int rc;

	if (m->kind == RPC_NOTIFY && !strcmp(m->method, "stop")) {
		stop_capture(x);
	} else if (m->kind == RPC_INVALID) {
		say(x, rpc_error(m->id, m->code, m->error));
	} else if (m->kind == RPC_REQUEST) {
		json_decref(x->id);
		x->id = json_incref(m->id);
		rc = begin(x, m);
		if (rc)
			refuse(x, rc);
	}
}

/* Ticks while there is something to wait for. */
static void set_timer(struct see_server *s)
{
	bool is_due = vsw_see_is_busy(s->cfg.see);
	struct itimerspec when = {{0}};

	for (unsigned int i = 0; i < SESSIONS_MAX; i++)
		is_due |= s->session[i].is_used && s->session[i].kind != SEE_NOTHING;
	if (is_due == s->is_ticking)
		return;
	s->is_ticking = is_due;
	when.it_value.tv_nsec = when.it_interval.tv_nsec = is_due ? POLL_MS * 1000000 : 0;
	timerfd_settime(s->timer_fd, 0, &when, NULL);
}

static void on_timer(void *ctx, uint32_t events)
{
	struct see_server *s = ctx;
	uint64_t n;

	if (read(s->timer_fd, &n, sizeof(n)) < 0)
		return;
	vsw_see_poll(s->cfg.see);
	for (unsigned int i = 0; i < SESSIONS_MAX; i++)
		if (s->session[i].is_used)
			tick_session(&s->session[i]);
	set_timer(s);
}

static void on_session(void *ctx, uint32_t events)
{
	struct session *x = ctx;
	struct see_server *s = x->server;
	int rc = rpc_fill(&x->conn);
	struct rpc_msg m;

	while (x->is_used) {
		rpc_next(&x->conn, &m);
		if (m.kind == RPC_NOTHING)
			break;
		handle(x, &m);
		rpc_msg_fini(&m);
	}
	if (x->is_used && (rc || rpc_flush(&x->conn)))
		close_session(x);
	else if (x->is_used && events & EPOLLOUT && !rpc_wants_write(&x->conn))
		loop_mod(s->cfg.loop, &x->src, EPOLLIN);
	set_timer(s);
}

static struct session *free_session(struct see_server *s)
{
	for (unsigned int i = 0; i < SESSIONS_MAX; i++)
		if (!s->session[i].is_used)
			return &s->session[i];
	return NULL;
}

static void on_listen(void *ctx, uint32_t events)
{
	struct see_server *s = ctx;
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	struct session *x = free_session(s);

	if (fd < 0)
		return;
	if (!x || !control_peer_ok(fd, NULL)) {
		fd_close(&fd);
		return;
	}
	if (rpc_conn_init(&x->conn, fd))
		return;
	x->conn.takes_fd = true;
	x->server = s;
	x->is_used = true;
	x->src = (struct loop_src){.fd = -1, .fn = on_session, .ctx = x};
	if (loop_add(s->cfg.loop, &x->src, fd, EPOLLIN))
		close_session(x);
}

static int watch_all(struct see_server *s)
{
	int rc;

	s->listen_fd = rc = control_listen_see(s->cfg.instance);
	if (rc < 0)
		return rc;
	s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->timer_fd < 0)
		return err_sys(-errno, "timer for captures");
	s->listen_src = (struct loop_src){.fd = -1, .fn = on_listen, .ctx = s};
	s->timer_src = (struct loop_src){.fd = -1, .fn = on_timer, .ctx = s};
	rc = loop_add(s->cfg.loop, &s->listen_src, s->listen_fd, EPOLLIN);
	return rc ? rc : loop_add(s->cfg.loop, &s->timer_src, s->timer_fd, EPOLLIN);
}

int see_server_create(struct see_server **out, const struct see_server_cfg *cfg)
{
	struct see_server *s = calloc(1, sizeof(*s));
	int rc;

	*out = NULL;
	if (!s)
		return err_set(-ENOMEM, "no memory for captures");
	s->cfg = *cfg;
	s->listen_fd = s->timer_fd = s->listen_src.fd = s->timer_src.fd = -1;
	rc = watch_all(s);
	if (!rc && cfg->remembers_drops)
		rc = watch(s, NULL);
	if (rc) {
		see_server_destroy(s);
		return rc;
	}
	set_timer(s);
	*out = s;
	return 0;
}

void see_server_destroy(struct see_server *s)
{
	if (!s)
		return;
	for (unsigned int i = 0; i < SESSIONS_MAX; i++)
		if (s->session[i].is_used)
			close_session(&s->session[i]);
	loop_del(s->cfg.loop, &s->listen_src);
	loop_del(s->cfg.loop, &s->timer_src);
	fd_close(&s->listen_fd);
	fd_close(&s->timer_fd);
	free(s);
}
