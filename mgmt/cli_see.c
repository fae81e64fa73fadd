/* SPDX-License-Identifier: BSD-3-Clause */
/* `nethv capture`, `nethv trace`, and `nethv why-dropped FILTER`: packets as the switch sees them. They talk
 * with the switch itself; a capture comes through a pipe whose other end the switch is given. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "mgmt/capture_text.h"
#include "mgmt/cli.h"
#include "mgmt/control.h"
#include "mgmt/loop.h"
#include "mgmt/rpc.h"
#include "vswitch/see/see.h"

#define ANSWER_MS  5000
#define PIPE_BYTES (1 << 20)

const struct cli_option cli_capture_options[] = {
	{"--instance", true}, {"--at", true},	 {"--filter", true},  {"-w", true},
	{"--port", true},     {"--count", true}, {"--snaplen", true}, {0},
};

const struct cli_option cli_trace_options[] = {
	{"--instance", true}, {"--count", true}, {"--for", true}, {0}};

static int connect_see(const struct cli_args *a, struct rpc_conn *c)
{
	struct control_instance in;
	int rc = cli_find(cli_option(a, "--instance"), &in), fd;

	if (rc)
		return rc;
	fd = control_connect_see(in.uid, in.name);
	return fd < 0 ? fd : rpc_conn_init(c, fd);
}

/* A number that an option gives. 0, or -EINVAL (text set). */
static int number(const struct cli_args *a, const char *option, unsigned int max, unsigned int *out)
{
	const char *text = cli_option(a, option);
	char end;

	if (!text || (sscanf(text, "%9u%c", out, &end) == 1 && *out >= 1 && *out <= max))
		return 0;
	return err_set(-EINVAL, "%s: found \"%.40s\"; allowed: 1..%u", option, text, max);
}

/* ---- One question, one answer, after a while --------------------------------------------------- */

static int ask(const struct cli_args *a, const char *method, unsigned int seconds, json_t *params,
	       json_t **out)
{
	struct rpc_conn c;
	int rc = connect_see(a, &c);

	if (rc) {
		json_decref(params);
		return rc;
	}
	rc = rpc_call(&c, method, params, (int)seconds * 1000 + ANSWER_MS, out);
	rpc_conn_fini(&c);
	return rc;
}

static void show_words(json_t *list)
{
	json_t *o;
	size_t i;

	json_array_foreach(list, i, o) printf("%s\n", js(o, "words"));
}

static int show(const struct cli_args *a, json_t *result, const char *list, const char *none)
{
	int rc = 0;

	if (a->is_json)
		rc = cli_print_json(result);
	else if (json_array_size(jo(result, list)))
		show_words(jo(result, list));
	else
		printf("%s\n", none);
	json_decref(result);
	return rc;
}

int cmd_trace(const struct cli_args *a)
{
	unsigned int count = 1, seconds = 10;
	json_t *result = NULL;
	char filter[1024];
	int rc = number(a, "--count", VSW_SEE_TRACED_MAX, &count);

	if (!rc)
		rc = number(a, "--for", 3600, &seconds);
	if (rc)
		return cli_error(2);
	cli_join(a, 0, filter, sizeof(filter));
	rc = ask(a, "trace", seconds,
		 json_pack("{s:s, s:i, s:i}", "filter", filter, "count", (int)count, "for_ms",
			   (int)seconds * 1000),
		 &result);
	return rc ? cli_error(1) : show(a, result, "packets", "no packet matched");
}

int cli_drops(const struct cli_args *a)
{
	unsigned int count = 0, seconds = 0;
	json_t *result = NULL;
	char filter[1024];
	int rc = number(a, "--count", 100000, &count);

	if (!rc)
		rc = number(a, "--for", 3600, &seconds);
	if (rc)
		return cli_error(2);
	cli_join(a, 0, filter, sizeof(filter));
	rc = ask(a, "drops", seconds,
		 json_pack("{s:s, s:i, s:i}", "filter", filter, "count", (int)count, "for_ms",
			   (int)seconds * 1000),
		 &result);
	return rc ? cli_error(1) : show(a, result, "drops", "no dropped packet matched");
}

/* ---- Captures ---------------------------------------------------------------------------------- */

struct capture {
	struct rpc_conn conn;
	int pipe[2];
	int out; /* raw bytes go there; -1: words */
	int signal_fd;
	struct capture_reader reader;
	json_t *ended; /* the last word of the switch */
	bool is_stopping;
};

static void print_packet(const struct capture_packet *p, void *ctx)
{
	time_t s = (time_t)(p->ns / 1000000000);
	char words[512], when[32];
	struct tm tm;

	vsw_see_summary(p->bytes, p->cap, p->len, words, sizeof(words));
	localtime_r(&s, &tm);
	strftime(when, sizeof(when), "%H:%M:%S", &tm);
	printf("%s.%06u %-16s %s, %u bytes%s%s%s\n", when,
	       (unsigned int)(p->ns % 1000000000 / 1000), p->iface, words, p->len,
	       p->comment[0] ? "  [" : "", p->comment, p->comment[0] ? "]" : "");
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(-errno, "capture file");
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Returns 1 at the end of the stream. */
static int take_data(struct capture *k)
{
	char data[65536];
	ssize_t n = read(k->pipe[0], data, sizeof(data));
	int rc;

	if (n < 0)
		return errno == EINTR ? 0 : err_sys(-errno, "capture");
	if (n == 0)
		return 1;
	if (k->out >= 0)
		return write_all(k->out, data, (size_t)n);
	rc = capture_feed(&k->reader, data, (size_t)n, print_packet, NULL);
	return !rc && (fflush(stdout) || ferror(stdout)) ? err_sys(-EPIPE, "stdout") : rc;
}

/* Returns 1 when the switch is gone. */
static int take_words(struct capture *k)
{
	int rc = rpc_fill(&k->conn);
	struct rpc_msg m;

	for (rpc_next(&k->conn, &m); m.kind != RPC_NOTHING; rpc_next(&k->conn, &m)) {
		if (m.kind == RPC_NOTIFY && !strcmp(m.method, "ended") && !k->ended)
			k->ended = json_incref(m.params);
		rpc_msg_fini(&m);
	}
	return rc ? 1 : 0;
}

static void ask_to_stop(struct capture *k)
{
	struct signalfd_siginfo si;

	if (read(k->signal_fd, &si, sizeof(si)) < 0 || k->is_stopping)
		return;
	k->is_stopping = true;
	rpc_send(&k->conn, rpc_notify("stop", NULL));
}

/* Until the stream has ended and the switch has said how it went, or is gone. */
static int pump(struct capture *k)
{
	struct pollfd p[3] = {{.fd = k->pipe[0], .events = POLLIN},
			      {.fd = k->conn.fd, .events = POLLIN},
			      {.fd = k->signal_fd, .events = POLLIN}};
	int rc;

	while (p[0].fd >= 0 || p[1].fd >= 0) {
		if (poll(p, 3, -1) < 0)
			continue;
		rc = p[0].revents ? take_data(k) : 0;
		if (rc < 0)
			return rc;
		p[0].fd = rc ? -1 : p[0].fd;
		rc = p[1].fd >= 0 && p[1].revents ? take_words(k) : 0;
		p[1].fd = rc || k->ended ? -1 : p[1].fd;
		if (p[2].revents)
			ask_to_stop(k);
	}
	return 0;
}

static json_t *params_of(const struct cli_args *a, unsigned int count, unsigned int snaplen)
{
	const char *at = cli_option(a, "--at"), *filter = cli_option(a, "--filter");
	const char *port = cli_option(a, "--port");
	json_t *o = json_pack("{s:s, s:s, s:i, s:i}", "stations", at ? at : "in", "filter",
			      filter ? filter : "", "count", (int)count, "snaplen", (int)snaplen);

	if (port)
		json_object_set_new(o, "ports", json_pack("[s]", port));
	return o;
}

static int begin(const struct cli_args *a, struct capture *k)
{
	unsigned int count = 0, snaplen = 0;
	json_t *result = NULL;
	int rc = number(a, "--count", 1000000000, &count);

	if (!rc)
		rc = number(a, "--snaplen", VSW_SEE_SNAP_MAX, &snaplen);
	if (!rc)
		rc = connect_see(a, &k->conn);
	if (rc)
		return rc;
	if (pipe2(k->pipe, O_CLOEXEC))
		return err_sys(-errno, "pipe");
	fcntl(k->pipe[1], F_SETPIPE_SZ, PIPE_BYTES); /* the usual size will do, with more loss */
	rc = rpc_send_fd(&k->conn, rpc_request(1, "capture", params_of(a, count, snaplen)),
			 k->pipe[1]);
	fd_close(&k->pipe[1]);
	if (rc)
		return err_set(rc, "the switch is gone");
	rc = rpc_await(&k->conn, "capture", ANSWER_MS, &result);
	json_decref(result);
	return rc;
}

/* Ctrl-C ends the capture, not us: the file is to be whole, and what was lost to be told. */
static int catch_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fd < 0 ? err_sys(-errno, "signalfd") : fd;
}

static int open_out(const char *path)
{
	int fd;

	if (!path)
		return -1;
	if (!strcmp(path, "-"))
		return dup(STDOUT_FILENO);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return fd < 0 ? err_sys(-errno, "%s: cannot open", path) : fd;
}

static int report(const struct capture *k)
{
	if (!k->ended) {
		err_set(-EPIPE, "capture: the switch ended; what it had written is here");
		return cli_error(1);
	}
	fprintf(stderr, "nethv: %lld packets captured, %lld lost\n",
		(long long)ji(k->ended, "packets"), (long long)ji(k->ended, "lost"));
	if (!js(k->ended, "text")[0])
		return 0;
	err_set(-EIO, "capture: %s", js(k->ended, "text"));
	return cli_error(1);
}

int cmd_capture(const struct cli_args *a)
{
	const char *path = cli_option(a, "-w");
	struct capture k = {.conn = {.fd = -1}, .pipe = {-1, -1}, .out = -1, .signal_fd = -1};
	int rc = begin(a, &k);

	if (!rc && path)
		rc = k.out = open_out(path);
	if (rc >= 0)
		rc = k.signal_fd = catch_signals();
	if (rc >= 0)
		rc = pump(&k);
	if (rc == -EPIPE && !path)
		rc = 0; /* as in `nethv capture | head` */
	else
		rc = rc < 0 ? cli_error(rc == -EINVAL ? 2 : 1) : report(&k);
	rpc_conn_fini(&k.conn);
	capture_fini(&k.reader);
	json_decref(k.ended);
	fd_close(&k.pipe[0]);
	fd_close(&k.out);
	fd_close(&k.signal_fd);
	return rc;
}
