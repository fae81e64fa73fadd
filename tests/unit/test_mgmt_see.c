/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch's socket for captures, traces and drops. The test is the client and what looks at packets. */
#include "mgmt/switch_see.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "base/fd.h"
#include "mgmt/control.h"
#include "mgmt/loop.h"
#include "mgmt/rpc.h"
#include "vswitch/see/see.h"

static struct {
	struct vsw_see_capture_cfg cfg;
	char filter[64];
	int fd;
	enum vsw_see_state state;
	unsigned int captures, traces, polls;
	char watched[64]; /* "(none)": nothing */
	uint32_t wanted, matched;
	bool is_done;
	int64_t ago_ms;
} fake;

static struct loop loop;
static struct see_server *server;
static struct rpc_conn client;
static char instance[32];

int vsw_see_stations(uint32_t *mask, const char *text)
{
	*mask = 5;
	return strcmp(text, "in,filter_in") ? err_set(-EINVAL, "no station \"%s\"", text) : 0;
}

int vsw_see_capture_add(struct vsw_see *see, const struct vsw_see_capture_cfg *cfg, uint32_t *id)
{
	if (!strcmp(cfg->filter, "bad"))
		return err_set(-EINVAL, "filter: bad");
	fake.cfg = *cfg;
	snprintf(fake.filter, sizeof(fake.filter), "%s", cfg->filter);
	fake.fd = cfg->fd;
	fake.state = VSW_SEE_RUNNING;
	fake.captures++;
	*id = 7;
	return 0;
}

static void fill(struct vsw_see_capture_status *st)
{
	*st = (struct vsw_see_capture_status){
		.id = 7, .state = fake.state, .packets = 11, .bytes = 900, .lost = 2, .text = ""};
}

int vsw_see_capture_remove(struct vsw_see *see, uint32_t id, struct vsw_see_capture_status *st)
{
	cr_assert_eq(id, 7);
	cr_assert_eq(fake.captures--, 1);
	if (st)
		fill(st);
	cr_assert_eq(write(fake.fd, "end", 3), 3);
	close(fake.fd);
	return 0;
}

int vsw_see_capture_status(struct vsw_see *see, uint32_t id, struct vsw_see_capture_status *st)
{
	fill(st);
	return 0;
}

int vsw_see_trace_add(struct vsw_see *see, const char *filter, uint32_t count, uint32_t *id)
{
	fake.wanted = count;
	fake.traces++;
	*id = 3;
	return 0;
}

int vsw_see_trace_remove(struct vsw_see *see, uint32_t id)
{
	cr_assert_eq(id, 3);
	cr_assert_eq(fake.traces--, 1);
	return 0;
}

json_t *vsw_see_trace_json(struct vsw_see *see, uint32_t id)
{
	return json_pack("{s:i, s:i, s:[{s:b}]}", "wanted", (int)fake.wanted, "matched",
			 (int)fake.matched, "packets", "done", (int)fake.is_done);
}

char *vsw_see_trace_text(const json_t *packet)
{
	return strdup("a way");
}

int vsw_see_drops_watch(struct vsw_see *see, const char *filter)
{
	if (filter && !strcmp(filter, "bad"))
		return err_set(-EINVAL, "filter: bad");
	snprintf(fake.watched, sizeof(fake.watched), "%s", filter ? filter : "(none)");
	return 0;
}

bool vsw_see_drops_is_watched(const struct vsw_see *see)
{
	return strcmp(fake.watched, "(none)") != 0;
}

int vsw_see_drops_json(struct vsw_see *see, const char *filter, unsigned int max, json_t **out)
{
	*out = json_pack("[{s:I}, {s:I}]", "ago_ms", (json_int_t)0, "ago_ms",
			 (json_int_t)fake.ago_ms);
	return 0;
}

char *vsw_see_drop_text(const json_t *drop)
{
	return strdup("a drop");
}

void vsw_see_poll(struct vsw_see *see)
{
	fake.polls++;
}

bool vsw_see_is_busy(const struct vsw_see *see)
{
	return fake.captures || fake.traces;
}

static int port_number(void *ctx, const char *name)
{
	return !strcmp(name, "a/0") ? 70 : err_set(-ENOENT, "no port %s", name);
}

static void begin(bool remembers)
{
	const struct see_server_cfg cfg = {.loop = &loop,
					   .instance = instance,
					   .remembers_drops = remembers,
					   .port_number = port_number};

	snprintf(instance, sizeof(instance), "seetest-%d", getpid());
	memset(&fake, 0, sizeof(fake));
	strcpy(fake.watched, "(none)");
	cr_assert_eq(loop_init(&loop), 0);
	cr_assert_eq(see_server_create(&server, &cfg), 0, "%s", err_text());
}

static void setup(void)
{
	begin(false);
}

static void teardown(void)
{
	see_server_destroy(server);
	cr_expect_eq(fake.captures + fake.traces, 0);
	loop_fini(&loop);
}

TestSuite(mgmt_see, .init = setup, .fini = teardown, .timeout = 60);

static void turn(int times)
{
	while (times--)
		loop_once(&loop, 25);
}

static void dial(struct rpc_conn *c)
{
	int fd = control_connect_see(geteuid(), instance);

	cr_assert_geq(fd, 0, "%s", err_text());
	cr_assert_eq(rpc_conn_init(c, fd), 0);
	turn(1);
}

static void ask(struct rpc_conn *c, const char *method, const char *params, int fd)
{
	json_t *o = json_loads(params, 0, NULL);

	cr_assert_not_null(o);
	cr_assert_eq(fd < 0 ? rpc_send(c, rpc_request(1, method, o))
			    : rpc_send_fd(c, rpc_request(1, method, o), fd),
		     0);
	turn(1);
}

static enum rpc_kind next(struct rpc_conn *c, struct rpc_msg *m)
{
	rpc_fill(c);
	rpc_next(c, m);
	return m->kind;
}

static void expect_error(struct rpc_conn *c, const char *part)
{
	struct rpc_msg m;

	cr_assert_eq(next(c, &m), RPC_ERROR);
	cr_expect(strstr(m.error, part), "%s", m.error);
	rpc_msg_fini(&m);
}

/* A notification "ended" with the numbers of the fake. */
static void expect_ended(struct rpc_conn *c)
{
	struct rpc_msg m;

	cr_assert_eq(next(c, &m), RPC_NOTIFY);
	cr_expect_str_eq(m.method, "ended");
	cr_expect_eq(json_integer_value(json_object_get(m.params, "packets")), 11);
	cr_expect_eq(json_integer_value(json_object_get(m.params, "lost")), 2);
	rpc_msg_fini(&m);
}

#define CAPTURE \
	"{\"stations\": \"in,filter_in\", \"filter\": \"udp\", \"ports\": [\"a/0\"], \"count\": 9, \"snaplen\": 64}"

static void start_capture(int pipe_fd[2])
{
	struct rpc_msg m;

	cr_assert_eq(pipe2(pipe_fd, O_CLOEXEC), 0);
	dial(&client);
	ask(&client, "capture", CAPTURE, pipe_fd[1]);
	fd_close(&pipe_fd[1]);
	cr_assert_eq(next(&client, &m), RPC_RESPONSE, "%s", m.error);
	rpc_msg_fini(&m);
}

static void expect_end_of_pipe(int fd)
{
	char buf[16];

	cr_expect_eq(read(fd, buf, sizeof(buf)), 3);
	cr_expect_eq(read(fd, buf, sizeof(buf)), 0, "the switch still holds the pipe");
	close(fd);
}

Test(mgmt_see, captures_into_the_descriptor_that_comes_along)
{
	int p[2];

	start_capture(p);
	cr_expect_eq(fake.captures, 1);
	cr_expect_str_eq(fake.filter, "udp");
	cr_expect_eq(fake.cfg.stations, 5);
	cr_expect_eq(fake.cfg.max_packets, 9);
	cr_expect_eq(fake.cfg.snaplen, 64);
	cr_expect(fake.cfg.is_for_ports && fake.cfg.ports[1] == 1u << 6 && !fake.cfg.ports[0]);
	cr_assert_eq(rpc_send(&client, rpc_notify("stop", NULL)), 0);
	turn(2);
	cr_expect_eq(fake.captures, 0);
	expect_ended(&client);
	expect_end_of_pipe(p[0]);
	rpc_conn_fini(&client);
}

Test(mgmt_see, ends_a_capture_when_its_client_goes)
{
	int p[2];

	start_capture(p);
	rpc_conn_fini(&client);
	turn(1);
	cr_expect_eq(fake.captures, 0);
	expect_end_of_pipe(p[0]);
}

Test(mgmt_see, tells_of_a_capture_that_has_reached_its_limit)
{
	int p[2];

	start_capture(p);
	turn(2);
	cr_expect_gt(fake.polls, 0, "rings are not looked at");
	cr_expect_eq(fake.captures, 1);
	fake.state = VSW_SEE_DONE;
	turn(2);
	expect_ended(&client);
	cr_expect_eq(fake.captures, 0);
	expect_end_of_pipe(p[0]);
	rpc_conn_fini(&client);
}

Test(mgmt_see, refuses_captures_that_cannot_be)
{
	int p[2];

	cr_assert_eq(pipe2(p, O_CLOEXEC), 0);
	dial(&client);
	ask(&client, "capture", CAPTURE, -1);
	expect_error(&client, "descriptor to write to is missing");
	ask(&client, "capture", "{\"stations\": \"moon\"}", p[1]);
	expect_error(&client, "no station \"moon\"");
	ask(&client, "capture", "{\"stations\": \"in,filter_in\", \"ports\": [\"b\"]}", p[1]);
	expect_error(&client, "no port b");
	ask(&client, "capture", "{\"stations\": \"in,filter_in\", \"filter\": \"bad\"}", p[1]);
	expect_error(&client, "filter: bad");
	ask(&client, "paint", "{}", -1);
	expect_error(&client, "no such method");
	cr_expect_eq(fake.captures, 0);
	fd_close(&p[1]);
	rpc_conn_fini(&client);
	turn(1);
	cr_expect_eq(read(p[0], &p[1], 1), 0, "a descriptor is kept");
	close(p[0]);
}

Test(mgmt_see, waits_for_the_packets_of_a_trace)
{
	struct rpc_msg m;

	dial(&client);
	ask(&client, "trace", "{\"filter\": \"udp\", \"count\": 2, \"for_ms\": 60000}", -1);
	cr_expect_eq(fake.wanted, 2);
	fake.matched = 2;
	turn(2);
	cr_expect_eq(next(&client, &m), RPC_NOTHING, "a packet is still on its way");
	fake.is_done = true;
	turn(2);
	cr_assert_eq(next(&client, &m), RPC_RESPONSE);
	cr_expect_str_eq(json_string_value(json_object_get(
				 json_array_get(json_object_get(m.result, "packets"), 0), "words")),
			 "a way");
	rpc_msg_fini(&m);
	cr_expect_eq(fake.traces, 0);
	rpc_conn_fini(&client);
}

Test(mgmt_see, answers_a_trace_that_nothing_matched_when_its_time_is_over)
{
	struct rpc_msg m;

	dial(&client);
	ask(&client, "trace", "{\"filter\": \"udp\", \"for_ms\": 1}", -1);
	turn(3);
	cr_assert_eq(next(&client, &m), RPC_RESPONSE);
	cr_expect_eq(json_integer_value(json_object_get(m.result, "matched")), 0);
	rpc_msg_fini(&m);
	rpc_conn_fini(&client);
}

static size_t drops_in_answer(struct rpc_conn *c)
{
	struct rpc_msg m;
	size_t n;

	cr_assert_eq(next(c, &m), RPC_RESPONSE, "%s", m.error);
	n = json_array_size(json_object_get(m.result, "drops"));
	rpc_msg_fini(&m);
	return n;
}

Test(mgmt_see, watches_drops_while_somebody_waits_for_them)
{
	struct rpc_conn other;

	fake.ago_ms = 100000; /* before anybody asked */
	dial(&client);
	dial(&other);
	ask(&client, "drops", "{\"filter\": \"udp\", \"for_ms\": 300}", -1);
	cr_expect_str_eq(fake.watched, "udp");
	ask(&other, "drops", "{\"filter\": \"tcp\", \"for_ms\": 60000}", -1);
	cr_expect_str_eq(fake.watched, "", "the other's drops are remembered, too");
	for (int i = 0; i < 100 && fake.watched[0] == 0; i++)
		turn(1);
	cr_expect_eq(drops_in_answer(&client), 1);
	cr_expect_str_eq(fake.watched, "tcp");
	rpc_conn_fini(&other);
	turn(2);
	cr_expect_str_eq(fake.watched, "(none)");
	rpc_conn_fini(&client);
}

Test(mgmt_see, does_not_make_up_a_memory)
{
	dial(&client);
	ask(&client, "drops", "{}", -1);
	expect_error(&client, "no dropped packets are remembered");
	ask(&client, "drops", "{\"filter\": \"bad\", \"for_ms\": 100}", -1);
	expect_error(&client, "filter: bad");
	cr_expect_str_eq(fake.watched, "(none)");
	rpc_conn_fini(&client);
}

Test(mgmt_see, remembers_drops_always_when_told_to)
{
	teardown();
	begin(true);
	cr_expect_str_eq(fake.watched, "");
	fake.ago_ms = 100000;
	dial(&client);
	ask(&client, "drops", "{}", -1);
	cr_expect_eq(drops_in_answer(&client), 2);
	cr_expect_str_eq(fake.watched, "");
	rpc_conn_fini(&client);
}
