/* SPDX-License-Identifier: BSD-3-Clause */
/* Changes at run time as the supervisor carries them out. The test is the client, the switch and the
 * workers; each is a socket, and time does not pass. */
#include "mgmt/sup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "mgmt/control.h"
#include "tests/support/scratch.h"

static const struct mgmt_host host = {.cpus = {0xf}, .default_image = "/dev/null"};
static struct sup *sup;
static struct rpc_conn client, sw, worker[2]; /* the test's ends */

void sup_banner(const struct sup *unused)
{
	(void)unused;
}

static void play(struct proc *p, struct rpc_conn *end)
{
	int sv[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	cr_assert_eq(rpc_conn_init(&p->conn, sv[0]), 0);
	cr_assert_eq(rpc_conn_init(end, sv[1]), 0);
	p->state = PROC_RUNNING;
	p->started_ms = loop_now_ms();
	p->pid = 1 << 30; /* no process has it */
}

static void connect_client(void)
{
	int fd = control_connect(geteuid(), sup->cfg->name);

	cr_assert_geq(fd, 0, "%s", err_text());
	cr_assert_eq(rpc_conn_init(&client, fd), 0);
	cr_assert_eq(loop_once(&sup->loop, 1000), 1);
}

static void setup(void)
{
	struct mgmt_cfg *cfg;
	char text[256];

	snprintf(text, sizeof(text),
		 "name: suptest-%d\nengine: ring3\npartitions: [{name: p, nics: [{}]}, "
		 "{name: q, engine: kvm, kernel: /dev/null}]\n",
		 getpid());
	cr_assert_eq(mgmt_config_load(&cfg, "f", text, strlen(text), &host), 0, "%s", err_text());
	cr_assert_eq(sup_create(&sup, cfg, "f"), 0, "%s", err_text());
	sup->config_fd = mgmt_config_memfd(sup->cfg);
	sup->started_ms = loop_now_ms();
	sup->state = SUP_RUNNING;
	sup->nr_workers = 2;
	play(&sup->sw, &sw);
	play(&sup->worker[0], &worker[0]);
	play(&sup->worker[1], &worker[1]);
	connect_client();
}

static void teardown(void)
{
	rpc_conn_fini(&client);
	rpc_conn_fini(&sw);
	rpc_conn_fini(&worker[0]);
	rpc_conn_fini(&worker[1]);
	sup->sw.pid = sup->worker[0].pid = sup->worker[1].pid = 0;
	sup_destroy(sup);
}

TestSuite(mgmt_sup, .init = setup, .fini = teardown, .timeout = 60);

/* @params: JSON text. */
static void ask(int id, const char *method, const char *params)
{
	json_error_t e;
	json_t *o = json_loads(params, 0, &e);

	cr_assert_not_null(o, "%s", e.text);
	cr_assert_eq(rpc_send(&client, rpc_request(id, method, o)), 0);
	cr_assert_eq(loop_once(&sup->loop, 1000), 1);
}

static bool next(struct rpc_conn *c, struct rpc_msg *m)
{
	rpc_fill(c);
	rpc_next(c, m);
	return m->kind != RPC_NOTHING;
}

static bool has_answer(void)
{
	struct rpc_msg m;
	bool has = next(&client, &m);

	rpc_msg_fini(&m);
	return has;
}

/* The client is told that @id went well; returns member @key of it (the caller keeps no more). */
static void expect_result(int id, const char *key, const char *value)
{
	struct rpc_msg m;

	cr_assert(next(&client, &m), "no answer");
	cr_assert_eq(m.kind, RPC_RESPONSE, "%s", m.error);
	cr_expect_eq(json_integer_value(m.id), id);
	cr_expect_str_eq(json_string_value(json_object_get(m.result, key)), value);
	rpc_msg_fini(&m);
}

static void expect_error(int id, int code, const char *part)
{
	struct rpc_msg m;

	cr_assert(next(&client, &m), "no answer");
	cr_assert_eq(m.kind, RPC_ERROR);
	cr_expect_eq(json_integer_value(m.id), id);
	cr_expect_eq(m.code, code, "%d: %s", m.code, m.error);
	cr_expect(strstr(m.error, part), "no `%s` in: %s", part, m.error);
	rpc_msg_fini(&m);
}

/* A child was asked for @method. The message is the caller's. */
static void asked(struct rpc_conn *child, const char *method, struct rpc_msg *m)
{
	cr_assert(next(child, m), "nothing was asked");
	cr_assert_eq(m->kind, RPC_REQUEST);
	cr_assert_str_eq(m->method, method);
}

/* The child's answer, as it arrives at the supervisor. */
static void answer(struct proc *p, json_t *reply)
{
	struct rpc_msg m = {.kind = json_object_get(reply, "error") ? RPC_ERROR : RPC_RESPONSE,
			    .root = reply,
			    .id = json_object_get(reply, "id"),
			    .result = json_object_get(reply, "result"),
			    .error = json_string_value(
				    json_object_get(json_object_get(reply, "error"), "message"))};

	sup_on_message(p, &m);
	json_decref(reply);
}

static void answer_number(struct proc *p, int64_t number)
{
	json_t *id = json_integer(number);

	answer(p, rpc_result(id, NULL));
	json_decref(id);
}

static size_t nics_in(const struct rpc_msg *m)
{
	json_t *parts = json_object_get(json_object_get(m->params, "config"), "partitions");

	return json_array_size(json_object_get(json_array_get(parts, 0), "nics"));
}

/* What a child that is started now would read. */
static uint32_t nics_in_memfd(void)
{
	struct mgmt_cfg *cfg;
	uint32_t n;

	cr_assert_eq(mgmt_config_load_fd(&cfg, sup->config_fd, &host), 0, "%s", err_text());
	n = cfg->partitions[0].nics_count;
	mgmt_config_free(cfg);
	return n;
}

static void switch_says_yes(size_t nics)
{
	struct rpc_msg m;

	asked(&sw, "configure", &m);
	cr_expect_eq(nics_in(&m), nics);
	answer(&sup->sw, rpc_result(m.id, NULL));
	rpc_msg_fini(&m);
}

#define ADD_P "{\"partition\": \"p\", \"nic\": {}}"

Test(mgmt_sup, adds_an_adapter_when_the_switch_agrees)
{
	ask(1, "nic_add", ADD_P);
	cr_expect_not(has_answer());
	cr_expect_eq(sup->cfg->partitions[0].nics_count, 1, "before the switch agreed");
	switch_says_yes(2);
	expect_result(1, "name", "p/1");
	cr_expect_eq(nics_in_memfd(), 2);
	cr_expect_eq(sup->worker[0].part, &sup->cfg->partitions[0]);
	cr_expect_eq(sup->worker[0].part->nics_count, 2);
}

Test(mgmt_sup, changes_nothing_when_the_switch_refuses)
{
	struct rpc_msg m;

	ask(1, "nic_add", ADD_P);
	asked(&sw, "configure", &m);
	answer(&sup->sw, rpc_error(m.id, RPC_FAILED, "no room for a port"));
	rpc_msg_fini(&m);
	expect_error(1, RPC_FAILED, "no room for a port");
	cr_expect_eq(sup->cfg->partitions[0].nics_count, 1);
	cr_expect_eq(nics_in_memfd(), 1);
}

Test(mgmt_sup, refuses_what_a_file_would_be_refused_for)
{
	ask(1, "nic_add", "{\"partition\": \"p\", \"nic\": {\"mtu\": 20000}}");
	expect_error(1, RPC_BAD_PARAMS, "partitions[0].nics[1].mtu: found \"20000\"; allowed: 68");
	ask(2, "nic_add", "{\"partition\": \"p\", \"nic\": {\"mut\": 1}}");
	expect_error(2, RPC_BAD_PARAMS, "unknown key \"mut\"");
	ask(3, "nic_add", "{\"partition\": \"x\", \"nic\": {}}");
	expect_error(3, RPC_BAD_PARAMS, "no partition x");
	ask(4, "nic_add", "{\"partition\": \"p\", \"nic\": 5}");
	expect_error(4, RPC_BAD_PARAMS, "an object");
	ask(5, "nic_add", "{}");
	expect_error(5, RPC_BAD_PARAMS, "which partition");
	ask(6, "nic_remove", "{\"nic\": \"p/1\"}");
	expect_error(6, RPC_BAD_PARAMS, "no adapter p/1");
	ask(7, "nic_remove", "{\"nic\": \"p\"}");
	expect_error(7, RPC_BAD_PARAMS, "which adapter");
	ask(8, "nic_remove", "{\"nic\": \"p/0x0\"}");
	expect_error(8, RPC_BAD_PARAMS, "no adapter");
	ask(9, "nic_set", "{\"nic\": \"p/0\", \"link\": \"sideways\"}");
	expect_error(9, RPC_BAD_PARAMS, "allowed: up, down");
	ask(10, "nic_set", "{\"nic\": \"p/0\", \"mtu\": 9000}");
	expect_error(10, RPC_BAD_PARAMS, "link (up, down) or vmq");
	ask(11, "nic_add", "{\"partition\": \"p\", \"nic\": {\"index\": 0}}");
	expect_error(11, RPC_BAD_PARAMS, "each number once");
	ask(12, "nic_set", "{\"nic\": \"p/0\", \"link\": \"up\", \"vmq\": {}}");
	expect_error(12, RPC_BAD_PARAMS, "link (up, down) or vmq");
	ask(13, "nic_set", "{\"nic\": \"p/0\", \"vmq\": \"off\"}");
	expect_error(13, RPC_BAD_PARAMS, "link (up, down) or vmq");
	ask(14, "nic_set", "{\"nic\": \"p/0\", \"vmq\": {\"queues\": 17}}");
	expect_error(14, RPC_BAD_PARAMS, "partitions[0].nics[0].vmq.queues: found \"17\"");
	ask(15, "nic_set", "{\"nic\": \"p/0\", \"vmq\": {\"provider\": \"flow\"}}");
	expect_error(15, RPC_BAD_PARAMS, "unknown key \"provider\"");
	cr_expect_not(has_answer());
	cr_expect_eq(nics_in_memfd(), 1);
}

/* Keys that are named change, null takes one away, others stay. */
Test(mgmt_sup, sets_keys_of_vmq_one_by_one)
{
	const struct mgmt_nic_vmq *v;

	ask(1, "nic_set", "{\"nic\": \"p/0\", \"vmq\": {\"enabled\": false, \"queues\": 4}}");
	cr_expect_not(sup->cfg->partitions[0].nics[0].vmq.is_off, "before the switch agreed");
	switch_says_yes(1);
	v = &sup->cfg->partitions[0].nics[0].vmq;
	cr_expect(v->is_off);
	cr_expect_eq(v->queues, 4);
	ask(2, "nic_set", "{\"nic\": \"p/0\", \"vmq\": {\"queues\": null, \"direct\": \"off\"}}");
	switch_says_yes(1);
	v = &sup->cfg->partitions[0].nics[0].vmq;
	cr_expect(v->is_off);
	cr_expect(v->no_direct);
	cr_expect_eq(v->queues, 0);
}

Test(mgmt_sup, answers_questions_of_workers_also_where_there_are_no_vfs)
{
	static const struct {
		const char *method;
		bool is_vf;
		int code; /* 0: yes */
	} row[] = {
		{"vf_path", false, 0},
		{"vf_path", true, RPC_BAD_PARAMS},
		{"vf_nothing", false, RPC_NO_METHOD},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		json_t *o =
			rpc_request(7, row[i].method,
				    json_pack("{s:s, s:b}", "nic", "p/0", "is_vf", row[i].is_vf));
		struct rpc_msg m = {.kind = RPC_REQUEST,
				    .root = o,
				    .id = json_object_get(o, "id"),
				    .method = row[i].method,
				    .params = json_object_get(o, "params")};

		sup_on_message(&sup->worker[0], &m);
		json_decref(o);
		cr_assert(next(&worker[0], &m), "row %zu: no answer", i);
		cr_expect_eq(m.kind, row[i].code ? RPC_ERROR : RPC_RESPONSE, "row %zu", i);
		cr_expect_eq(m.code, row[i].code, "row %zu", i);
		rpc_msg_fini(&m);
	}
}

Test(mgmt_sup, makes_one_change_after_the_other)
{
	struct rpc_msg m;

	ask(1, "nic_add", ADD_P);
	ask(2, "nic_add", ADD_P);
	ask(3, "nic_remove", "{\"nic\": \"p/0\"}");
	asked(&sw, "configure", &m);
	rpc_msg_fini(&m);
	cr_expect_not(next(&sw, &m), "a second change before the first was answered");
	answer_number(&sup->sw, 999); /* the number of nobody's question */
	cr_expect_not(has_answer());
	answer_number(&sup->sw, sup->op[0].number);
	expect_result(1, "name", "p/1");
	switch_says_yes(3);
	expect_result(2, "name", "p/2");
	switch_says_yes(2);
	expect_result(3, "name", "p/0");
	cr_expect_null(mgmt_config_nic(sup->worker[0].part, 0));
	cr_expect_not_null(mgmt_config_nic(sup->worker[0].part, 2));
	ask(4, "nic_add", ADD_P);
	switch_says_yes(3);
	expect_result(4, "name", "p/0");
}

Test(mgmt_sup, asks_the_next_switch_again_when_one_dies)
{
	struct rpc_msg m;

	ask(1, "nic_add", ADD_P);
	asked(&sw, "configure", &m);
	rpc_msg_fini(&m);
	cr_expect(sup_ops_hold(sup));
	rpc_conn_fini(&sup->sw.conn);
	rpc_conn_fini(&sw);
	sup->sw.pid = 0;
	sup_on_death(&sup->sw, 9);
	cr_expect_eq(sup->restarts, 1);
	cr_expect_not(sup_ops_hold(sup));
	sup_ops_run(sup);
	cr_expect_not(has_answer());
	cr_expect_eq(nics_in_memfd(), 1, "what the next switch begins with");
	play(&sup->sw, &sw);
	sup_ops_run(sup);
	switch_says_yes(2);
	expect_result(1, "name", "p/1");
	cr_expect_eq(nics_in_memfd(), 2);
}

Test(mgmt_sup, waits_for_the_next_switch_when_one_is_dead_and_nobody_knows_yet)
{
	rpc_conn_fini(&sw);
	ask(1, "nic_add", ADD_P);
	cr_expect_not(has_answer());
	cr_expect_not(sup_ops_hold(sup));
	rpc_conn_fini(&sup->sw.conn);
	sup->sw.pid = 0;
	sup_on_death(&sup->sw, 9);
	sup_ops_run(sup);
	cr_expect_not(has_answer());
	play(&sup->sw, &sw);
	sup_ops_run(sup);
	switch_says_yes(2);
	expect_result(1, "name", "p/1");
	cr_expect_eq(nics_in_memfd(), 2);
}

Test(mgmt_sup, makes_the_change_of_a_client_that_has_gone)
{
	ask(1, "nic_add", ADD_P);
	rpc_conn_fini(&client);
	cr_assert_eq(loop_once(&sup->loop, 1000), 1);
	switch_says_yes(2);
	cr_expect_eq(sup->cfg->partitions[0].nics_count, 2);
	connect_client();
}

Test(mgmt_sup, waits_for_a_partition_that_is_starting)
{
	sup->worker[0].state = PROC_STARTING;
	ask(1, "nic_add", ADD_P);
	cr_expect_not(sup_ops_hold(sup));
	sup->worker[0].state = PROC_RUNNING;
	sup_ops_run(sup);
	switch_says_yes(2);
	expect_result(1, "name", "p/1");
}

Test(mgmt_sup, answers_those_who_wait_when_the_instance_ends)
{
	sup->worker[0].state = PROC_STARTING;
	ask(1, "nic_add", ADD_P);
	sup_stop(sup);
	expect_error(1, RPC_FAILED, "ending");
}

Test(mgmt_sup, passes_a_shutdown_to_the_worker_and_its_word_back)
{
	struct rpc_msg m;

	ask(1, "partition_shutdown", "{\"partition\": \"q\", \"reboot\": true}");
	asked(&worker[1], "shutdown", &m);
	cr_expect(json_is_true(json_object_get(m.params, "reboot")));
	answer(&sup->worker[1], rpc_error(m.id, RPC_FAILED, "has no shutdown component"));
	rpc_msg_fini(&m);
	expect_error(1, RPC_FAILED, "no shutdown component");
	ask(2, "partition_shutdown", "{\"partition\": \"p\"}");
	asked(&worker[0], "shutdown", &m);
	answer(&sup->worker[0], rpc_result(m.id, NULL));
	rpc_msg_fini(&m);
	expect_result(2, "state", "stopping");
}

Test(mgmt_sup, passes_an_order_to_the_worker_and_its_number_back)
{
	struct rpc_msg m;

	ask(1, "partition_tell", "{\"partition\": \"q\", \"order\": \"trial rate=7\"}");
	asked(&worker[1], "tell", &m);
	cr_expect_str_eq(json_string_value(json_object_get(m.params, "order")), "trial rate=7");
	answer(&sup->worker[1], rpc_result(m.id, json_pack("{s:s}", "number", "4")));
	rpc_msg_fini(&m);
	expect_result(1, "number", "4");
	ask(2, "partition_tell", "{\"partition\": \"q\", \"order\": 7}");
	expect_error(2, RPC_BAD_PARAMS, "line of words");
	ask(3, "partition_tell", "{\"partition\": \"z\", \"order\": \"x\"}");
	expect_error(3, RPC_BAD_PARAMS, "no partition z");
}

/* The worker of partition @i says how its guest ended, and dies. */
static void end(int i, const char *how)
{
	struct proc *p = &sup->worker[i];
	json_t *msg = rpc_notify("ended", json_pack("{s:s, s:s}", "how", how, "reason", "x"));
	struct rpc_msg m = {.kind = RPC_NOTIFY,
			    .root = msg,
			    .method = "ended",
			    .params = json_object_get(msg, "params")};

	sup_on_message(p, &m);
	json_decref(msg);
	p->pid = 0;
	sup_on_death(p, 0);
}

Test(mgmt_sup, starts_a_guest_that_resets_itself_again_and_only_it)
{
	end(0, "off");
	end(1, "reset");
	cr_expect_eq(sup->worker[0].state, PROC_ENDED);
	cr_expect_eq(sup->worker[0].restart_at_ms, 0);
	cr_expect_eq(sup->worker[1].state, PROC_OFF);
	cr_expect_neq(sup->worker[1].restart_at_ms, 0);
	cr_expect_str_eq(sup->worker[1].last_end, "reset: x");
}

Test(mgmt_sup, takes_back_a_start_that_is_not_wanted_any_more)
{
	end(1, "reset");
	ask(1, "partition_shutdown", "{\"partition\": \"q\", \"now\": true}");
	expect_result(1, "state", "stopping");
	cr_expect_eq(sup->worker[1].state, PROC_ENDED);
	cr_expect_eq(sup->worker[1].restart_at_ms, 0);
	ask(2, "partition_shutdown", "{\"partition\": \"q\"}");
	expect_result(2, "state", "stopped");
	ask(3, "partition_start", "{\"partition\": \"q\"}");
	expect_result(3, "state", "starting");
	cr_expect_neq(sup->worker[1].restart_at_ms, 0);
}

Test(mgmt_sup, starts_no_partition_without_a_switch_or_while_a_change_is_made)
{
	end(1, "reset");
	sup->sw.state = PROC_STARTING;
	sup_power_tick(sup, loop_now_ms() + 100000);
	cr_expect_eq(sup->worker[1].state, PROC_OFF);
	sup->sw.state = PROC_RUNNING;
	ask(1, "nic_add", ADD_P);
	sup_power_tick(sup, loop_now_ms() + 100000);
	cr_expect_eq(sup->worker[1].state, PROC_OFF);
	switch_says_yes(2);
}

Test(mgmt_sup, tells_a_worker_once_and_kills_it_when_it_does_not_end)
{
	struct proc *p = &sup->worker[0];
	struct rpc_msg m;

	for (int i = 1; i <= 2; i++) {
		ask(i, "partition_reset", "{\"partition\": \"p\"}");
		expect_result(i, "state", "starting");
	}
	cr_assert(next(&worker[0], &m));
	cr_expect_str_eq(m.method, "off");
	rpc_msg_fini(&m);
	cr_expect_not(next(&worker[0], &m));
	cr_expect_neq(p->kill_at_ms, 0);
	end(0, "stopped");
	cr_expect_eq(p->state, PROC_OFF);
	cr_expect_eq(p->kill_at_ms, 0);
	cr_expect_neq(p->restart_at_ms, 0);
}

Test(mgmt_sup, takes_no_more_changes_than_it_has_room_for)
{
	sup->worker[0].state = PROC_STARTING;
	for (unsigned int i = 0; i < SUP_OPS_MAX; i++)
		ask((int)i, "nic_add", ADD_P);
	ask(100, "nic_add", ADD_P);
	expect_error(100, RPC_FAILED, "too many");
	ask(101, "nic_frob", ADD_P);
	expect_error(101, RPC_NO_METHOD, "no such method");
}

/* The names of the extensions in a configuration, and the key @key of the one called @of. */
static const char *exts_in(json_t *config)
{
	json_t *list = json_object_get(json_object_get(config, "switch"), "extensions"), *e;
	static char names[200];
	size_t i;

	names[0] = 0;
	json_array_foreach(list, i, e)
	{
		strcat(names, i ? " " : "");
		strcat(names, json_string_value(json_object_get(e, "name")));
	}
	return names;
}

static json_t *ext_in(json_t *config, const char *name)
{
	json_t *list = json_object_get(json_object_get(config, "switch"), "extensions"), *e;
	size_t i;

	json_array_foreach(list, i, e)
	{
		if (!strcmp(json_string_value(json_object_get(e, "name")), name))
			return e;
	}
	cr_assert_fail("no extension %s", name);
	return NULL;
}

/* Asks for a change, expects the switch to be asked for extensions @names, and has it agree. Returns the
 * configuration that it was asked for, which the caller releases. */
static json_t *change(const char *method, const char *params, const char *names)
{
	static int id = 1000;
	struct rpc_msg m;
	json_t *config;

	ask(++id, method, params);
	if (!next(&sw, &m)) {
		cr_assert(next(&client, &m));
		cr_assert_fail("%s %s: %s", method, params, m.error);
	}
	config = json_incref(json_object_get(m.params, "config"));
	cr_expect_str_eq(exts_in(config), names, "%s %s: %s", method, params, exts_in(config));
	answer(&sup->sw, rpc_result(m.id, json_pack("{s:[]}", "changes")));
	rpc_msg_fini(&m);
	cr_assert(next(&client, &m));
	cr_assert_eq(m.kind, RPC_RESPONSE);
	cr_expect_eq(json_integer_value(m.id), id);
	cr_expect(json_is_array(json_object_get(m.result, "changes")),
		  "the switch's words are lost");
	cr_expect(json_is_string(json_object_get(m.result, "name")));
	rpc_msg_fini(&m);
	return config;
}

static void change_to(const char *method, const char *params, const char *names)
{
	json_decref(change(method, params, names));
}

static void load_abc(void)
{
	change_to("ext_load", "{\"path\": \"/x/c.so\", \"config\": {\"k\": [1, 0.5]}}", "c");
	change_to("ext_load", "{\"path\": \"builtin:a\"}", "a c");
	change_to("ext_load", "{\"path\": \"/x/y.so\", \"name\": \"b\", \"before\": \"c\"}",
		  "a b c");
}

Test(mgmt_sup, loads_orders_and_unloads_extensions)
{
	load_abc();
	cr_assert_eq(sup->cfg->sw.exts_count, 3);
	cr_expect_str_eq(sup->cfg->sw.exts[2].config, "{\"k\":[1,0.5]}");
	change_to("ext_move", "{\"name\": \"a\"}", "b c a");
	change_to("ext_move", "{\"name\": \"c\", \"before\": \"b\"}", "c b a");
	change_to("ext_move", "{\"name\": \"c\", \"before\": \"a\"}", "b c a");
	change_to("ext_move", "{\"name\": \"c\", \"before\": \"c\"}", "b c a");
	change_to("ext_move", "{\"name\": \"b\", \"before\": null}", "c a b");
	change_to("ext_unload", "{\"name\": \"a\"}", "c b");
	cr_expect_not_null(mgmt_config_ext(sup->cfg, "b"));
	cr_expect_null(mgmt_config_ext(sup->cfg, "a"));
}

Test(mgmt_sup, configures_enables_and_disables_an_extension)
{
	json_t *config;

	load_abc();
	config = change("ext_disable", "{\"name\": \"b\"}", "a b c");
	cr_expect(!strcmp(json_string_value(json_object_get(ext_in(config, "b"), "enabled")),
			  "false"));
	json_decref(config);
	cr_expect(sup->cfg->sw.exts[1].is_off);
	change_to("ext_enable", "{\"name\": \"b\"}", "a b c");
	cr_expect_not(sup->cfg->sw.exts[1].is_off);
	config = change("ext_configure", "{\"name\": \"c\", \"config\": {\"x\": \"10\"}}", "a b c");
	cr_expect(json_is_string(
		json_object_get(json_object_get(ext_in(config, "c"), "config"), "x")));
	json_decref(config);
	config = change("ext_configure", "{\"name\": \"c\", \"config\": null}", "a b c");
	cr_expect_null(json_object_get(ext_in(config, "c"), "config"));
	json_decref(config);
	cr_expect_null(sup->cfg->sw.exts[2].config);
}

Test(mgmt_sup, upgrades_an_extension_even_by_the_same_path)
{
	load_abc();
	change_to("ext_upgrade", "{\"name\": \"b\"}", "a b c");
	cr_expect_str_eq(sup->cfg->sw.exts[1].path, "/x/y.so");
	cr_expect_eq(sup->cfg->sw.exts[1].revision, 1);
	change_to(
		"ext_upgrade",
		"{\"name\": \"b\", \"path\": \"/x/z.so\", \"config\": {\"q\": 1}, \"ports\": [\"p/0\"]}",
		"a b c");
	cr_expect_str_eq(sup->cfg->sw.exts[1].path, "/x/z.so");
	cr_expect_str_eq(sup->cfg->sw.exts[1].config, "{\"q\":1}");
	cr_expect_eq(sup->cfg->sw.exts[1].revision, 2);
	cr_expect_eq(sup->cfg->sw.exts[1].ports_count, 1);
	change_to("ext_upgrade", "{\"name\": \"b\", \"ports\": null}", "a b c");
	cr_expect_eq(sup->cfg->sw.exts[1].ports_count, 0);
	cr_expect_str_eq(sup->cfg->sw.exts[1].config, "{\"q\":1}");
}

Test(mgmt_sup, refuses_what_extensions_in_a_file_would_be_refused_for)
{
	static const struct {
		const char *method, *params, *part;
	} rows[] = {
		{"ext_load", "{}", "no key \"path\""},
		{"ext_load", "{\"path\": \"x.so\"}",
		 "path: found \"x.so\"; allowed: an absolute path"},
		{"ext_load", "{\"path\": \"builtin:a\"}",
		 "which switch.extensions[0] has, too; allowed: each name once"},
		{"ext_load", "{\"path\": \"builtin:n\", \"speed\": 1}", "unknown key \"speed\""},
		{"ext_load", "{\"path\": \"builtin:n\", \"config\": [1]}", "config: found a list"},
		{"ext_load", "{\"path\": \"builtin:n\", \"ports\": [\"p/9\"]}",
		 "ports[0]: found \"p/9\""},
		{"ext_load", "{\"path\": \"builtin:n\", \"before\": \"m\"}", "no extension m"},
		{"ext_unload", "{}", "which extension"},
		{"ext_unload", "{\"name\": \"m\"}", "no extension m"},
		{"ext_unload", "{\"name\": \"a\", \"force\": true}", "unknown parameter \"force\""},
		{"ext_enable", "{\"name\": 5}", "which extension"},
		{"ext_move", "{\"name\": \"a\", \"position\": 1}", "unknown parameter"},
		{"ext_move", "{\"name\": \"a\", \"before\": \"m\"}", "no extension m"},
		{"ext_configure", "{\"name\": \"a\"}", "config: an object"},
		{"ext_configure", "{\"name\": \"a\", \"config\": 7}",
		 "config: found \"7\"; allowed: a mapping"},
		{"ext_upgrade", "{\"name\": \"a\", \"path\": \"./a.so\"}", "an absolute path"},
		{"ext_status", "{\"name\": \"m\"}", "no extension m"},
	};

	load_abc();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ask((int)i, rows[i].method, rows[i].params);
		expect_error((int)i, RPC_BAD_PARAMS, rows[i].part);
	}
	cr_expect_eq(sup->cfg->sw.exts_count, 3);
	cr_expect_not(has_answer());
}

Test(mgmt_sup, does_not_ask_the_next_switch_for_the_extension_that_killed_one)
{
	struct rpc_msg m;

	ask(1, "ext_load", "{\"path\": \"/x/bad.so\"}");
	asked(&sw, "configure", &m);
	rpc_msg_fini(&m);
	rpc_conn_fini(&sup->sw.conn);
	rpc_conn_fini(&sw);
	sup->sw.pid = 0;
	sup_on_death(&sup->sw, 9);
	expect_error(1, RPC_FAILED, "the switch died while it made this change");
	cr_expect_eq(sup->cfg->sw.exts_count, 0);
	play(&sup->sw, &sw);
	sup_ops_run(sup);
	cr_expect_not(next(&sw, &m));
	change_to("ext_load", "{\"path\": \"builtin:good\"}", "good");
}

Test(mgmt_sup, passes_a_question_about_extensions_to_the_switch_and_its_word_back)
{
	struct rpc_msg m;

	load_abc();
	ask(1, "ext_status", "{\"name\": \"b\"}");
	asked(&sw, "ext_status", &m);
	cr_expect_str_eq(json_string_value(json_object_get(m.params, "name")), "b");
	answer(&sup->sw, rpc_result(m.id, json_pack("{s:s}", "word", "fine")));
	rpc_msg_fini(&m);
	expect_result(1, "word", "fine");
}

static json_t *nic0_of(json_t *config)
{
	json_t *part = json_array_get(json_object_get(config, "partitions"), 0);

	return json_array_get(json_object_get(part, "nics"), 0);
}

Test(mgmt_sup, sets_policies_key_by_key)
{
	struct rpc_msg m;

	ask(1, "policy_set",
	    "{\"port\": \"p/0\", \"policy\": {\"guards\": [\"dhcp\"], \"limit\": {\"in_mbps\": 5}}}");
	asked(&sw, "configure", &m);
	answer(&sup->sw, rpc_result(m.id, NULL));
	rpc_msg_fini(&m);
	expect_result(1, "port", "p/0");
	cr_expect_eq(sup->cfg->partitions[0].nics[0].policy.guards_count, 1);
	ask(2, "policy_set",
	    "{\"port\": \"p/0\", \"policy\": {\"guards\": null, \"isolation\": \"isolated\"}}");
	asked(&sw, "configure", &m);
	cr_expect_null(json_object_get(nic0_of(json_object_get(m.params, "config")), "guards"));
	answer(&sup->sw, rpc_result(m.id, NULL));
	rpc_msg_fini(&m);
	expect_result(2, "port", "p/0");
	cr_expect_eq(sup->cfg->partitions[0].nics[0].policy.limit.in_mbps, 5);
	cr_expect_str_eq(sup->cfg->partitions[0].nics[0].policy.isolation, "isolated");
}

Test(mgmt_sup, refuses_policies_that_a_file_would_be_refused_for)
{
	static const struct {
		const char *params, *part;
	} rows[] = {
		{"{}", "policy: an object"},
		{"{\"policy\": {}}", "port: which one"},
		{"{\"port\": \"p/1\", \"policy\": {}}", "no port p/1"},
		{"{\"port\": \"p/0\", \"policy\": {\"mtu\": 9000}}", "mtu is no key of a policy"},
		{"{\"port\": \"p/0\", \"policy\": {\"min_mbps\": 1}}",
		 "nics[0].min_mbps: found, but nothing"},
		{"{\"port\": \"p/0\", \"policy\": {\"acl\": [{\"way\": \"in\", \"action\": \"deny\", "
		 "\"src\": \"x\"}]}}",
		 "nics[0].acl[0].src: found \"x\""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ask((int)i, "policy_set", rows[i].params);
		expect_error((int)i, RPC_BAD_PARAMS, rows[i].part);
	}
}

Test(mgmt_sup, sets_all_mirrors_at_once)
{
	struct rpc_msg m;

	ask(1, "nic_add", ADD_P);
	switch_says_yes(2);
	expect_result(1, "name", "p/1");
	ask(2, "mirrors_set", "{\"mirrors\": [{\"from\": [\"p/0\"], \"to\": \"p/1\"}]}");
	asked(&sw, "configure", &m);
	answer(&sup->sw, rpc_result(m.id, NULL));
	rpc_msg_fini(&m);
	cr_expect(has_answer());
	cr_expect_eq(sup->cfg->sw.mirrors_count, 1);
	ask(3, "nic_remove", "{\"nic\": \"p/1\"}");
	expect_error(3, RPC_BAD_PARAMS, "switch.mirrors[0].to: found \"p/1\"");
	ask(4, "mirrors_set", "{}");
	expect_error(4, RPC_BAD_PARAMS, "mirrors: a list");
}

/* The switch says that it has lcores on CPU @cpu. */
static void switch_is_ready(int cpu)
{
	json_t *msg = rpc_notify("ready", json_pack("{s:s, s:[i]}", "text", "x", "cpus", cpu));
	struct rpc_msg m = {.kind = RPC_NOTIFY,
			    .root = msg,
			    .method = "ready",
			    .params = json_object_get(msg, "params")};

	sup_on_message(&sup->sw, &m);
	json_decref(msg);
}

#define LIMIT "sys/devices/system/cpu/cpu%d/power/pm_qos_resume_latency_us"

/* A host of CPUs 0 and 1, neither of them limited. */
static void make_cpus(const char *root)
{
	char path[256];

	for (int cpu = 0; cpu < 2; cpu++) {
		int fd, n = snprintf(path, sizeof(path), "%s/" LIMIT, root, cpu);

		for (char *s = path + strlen(root) + 1; (s = strchr(s, '/')); *s++ = '/') {
			*s = 0;
			mkdir(path, 0700);
		}
		fd = open(path, O_WRONLY | O_CREAT, 0600);
		cr_assert(n > 0 && fd >= 0, "%s", path);
		cr_assert_eq(write(fd, "0\n", 2), 2);
		close(fd);
	}
	snprintf(path, sizeof(path), "%s/run", root);
	cr_assert_eq(mkdir(path, 0700), 0);
}

static void expect_limits(const char *root, const char *cpu0, const char *cpu1)
{
	const char *want[] = {cpu0, cpu1};
	char path[256], got[16];

	for (int cpu = 0; cpu < 2; cpu++) {
		int fd;
		ssize_t n;

		snprintf(path, sizeof(path), "%s/" LIMIT, root, cpu);
		fd = open(path, O_RDONLY);
		n = read(fd, got, sizeof(got) - 1);
		close(fd);
		got[n > 0 ? n : 0] = 0;
		got[strcspn(got, "\n")] = 0;
		cr_expect_str_eq(got, want[cpu], "CPU %d: %s, not %s", cpu, got, want[cpu]);
	}
}

/* Also the file that names no CPU: the switch tells where its lcores are. */
Test(mgmt_sup, limits_the_wake_latency_of_the_cpus_that_the_switch_has)
{
	char root[SCRATCH_PATH];

	scratch_dir(root, "sup");
	make_cpus(root);
	sup->wake.root = root;
	switch_is_ready(1);
	expect_limits(root, "0", "0");
	sup->cfg->sw.wake_latency_us = calloc(1, sizeof(uint32_t));
	switch_is_ready(1);
	expect_limits(root, "0", "n/a");
	sup_on_death(&sup->sw, 9);
	expect_limits(root, "0", "n/a");
	switch_is_ready(0);
	expect_limits(root, "n/a", "0");
	wake_end(&sup->wake);
	expect_limits(root, "0", "0");
	scratch_remove(root);
}
