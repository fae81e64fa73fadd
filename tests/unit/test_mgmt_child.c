/* SPDX-License-Identifier: BSD-3-Clause */
/* A child and its supervisor, who is the test: what is asked both ways. */
#include "mgmt/child.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/err.h"

static struct child child;
static struct rpc_conn sup;
static int nr_answers, last_rc;
static char last_text[64];
static json_int_t last_value;
static bool asks_again;

static json_t *on_status(void *ctx)
{
	return json_object();
}

static void on_told(void *ctx, const char *method)
{
}

static int on_call(void *ctx, const char *method, json_t *params, json_t **result)
{
	return err_set(-ENOSYS, "no %s", method);
}

static const struct child_ops ops = {on_status, on_told, on_call};

static void setup(void)
{
	static const struct mgmt_host host = {.cpus = {1}, .default_image = "/dev/null"};
	static const char text[] = "partitions: [{name: a}]\n";
	struct mgmt_cfg *cfg;
	char config[16], ctl[16];
	int sv[2], fd;

	cr_assert_eq(mgmt_config_load(&cfg, "f", text, strlen(text), &host), 0, "%s", err_text());
	fd = mgmt_config_memfd(cfg);
	mgmt_config_free(cfg);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	snprintf(config, sizeof(config), "%d", fd);
	snprintf(ctl, sizeof(ctl), "%d", sv[0]);
	cr_assert_eq(child_init(&child, config, ctl, &ops, NULL), 0, "%s", err_text());
	cr_assert_eq(rpc_conn_init(&sup, sv[1]), 0);
	close(fd);
}

static void teardown(void)
{
	rpc_conn_fini(&sup);
	child_fini(&child);
}

TestSuite(mgmt_child, .init = setup, .fini = teardown, .timeout = 60);

static void on_answer(void *ctx, int rc, const char *text, json_t *result)
{
	cr_assert_eq(ctx, &child);
	nr_answers++;
	last_rc = rc;
	snprintf(last_text, sizeof(last_text), "%s", text);
	last_value = json_integer_value(json_object_get(result, "n"));
	if (asks_again)
		cr_assert_eq(child_ask(&child, "again", NULL, on_answer, &child), 0);
}

static void asked(const char *method, struct rpc_msg *m)
{
	rpc_fill(&sup);
	rpc_next(&sup, m);
	cr_assert_eq(m->kind, RPC_REQUEST);
	cr_assert_str_eq(m->method, method);
}

static void answer(json_t *reply)
{
	cr_assert_eq(rpc_send(&sup, reply), 0);
	cr_assert_eq(loop_once(&child.loop, 1000), 1);
}

Test(mgmt_child, asks_the_supervisor_and_gets_the_answer_to_each_question)
{
	struct rpc_msg one, two;

	cr_assert_eq(child_ask(&child, "one", json_pack("{s:i}", "x", 1), on_answer, &child), 0);
	cr_assert_eq(child_ask(&child, "two", NULL, on_answer, &child), 0);
	asked("one", &one);
	cr_expect_eq(json_integer_value(json_object_get(one.params, "x")), 1);
	asked("two", &two);
	answer(rpc_result(two.id, json_pack("{s:i}", "n", 2)));
	cr_expect_eq(nr_answers, 1);
	cr_expect_eq(last_value, 2);
	answer(rpc_error(one.id, RPC_FAILED, "not today"));
	cr_expect_eq(nr_answers, 2);
	cr_expect_eq(last_rc, -EREMOTEIO);
	cr_expect_str_eq(last_text, "not today");
	answer(rpc_result(one.id, NULL));
	cr_expect_eq(nr_answers, 2, "answered twice");
	rpc_msg_fini(&one);
	rpc_msg_fini(&two);
}

Test(mgmt_child, may_ask_again_from_within_an_answer)
{
	struct rpc_msg m;

	asks_again = true;
	cr_assert_eq(child_ask(&child, "first", NULL, on_answer, &child), 0);
	asked("first", &m);
	answer(rpc_result(m.id, NULL));
	rpc_msg_fini(&m);
	asked("again", &m);
	rpc_msg_fini(&m);
}

Test(mgmt_child, says_when_too_many_questions_wait)
{
	for (unsigned int i = 0; i < CHILD_ASKS_MAX; i++)
		cr_assert_eq(child_ask(&child, "q", NULL, on_answer, &child), 0);
	cr_expect_eq(child_ask(&child, "q", NULL, on_answer, &child), -EBUSY);
	cr_expect_eq(nr_answers, 0);
}

Test(mgmt_child, ends_when_the_supervisor_is_gone)
{
	rpc_conn_fini(&sup);
	cr_assert_eq(child_ask(&child, "q", NULL, on_answer, &child), 0);
	cr_expect(child.is_over);
}
