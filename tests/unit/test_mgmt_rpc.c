/* SPDX-License-Identifier: BSD-3-Clause */
/* JSON-RPC framing and envelope over a socketpair: whole, split, joined, wrong and too long. */
#include "mgmt/rpc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/err.h"

static struct rpc_conn a, b;

static void pair(void)
{
	int sv[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	cr_assert_eq(rpc_conn_init(&a, sv[0]), 0);
	cr_assert_eq(rpc_conn_init(&b, sv[1]), 0);
}

static void unpair(void)
{
	rpc_conn_fini(&a);
	rpc_conn_fini(&b);
}

TestSuite(mgmt_rpc, .init = pair, .fini = unpair);

static void put(const char *text)
{
	cr_assert_eq(write(a.fd, text, strlen(text)), (ssize_t)strlen(text));
}

Test(mgmt_rpc, carries_a_request_and_its_answer)
{
	struct rpc_msg m;

	cr_assert_eq(rpc_send(&a, rpc_request(7, "status", json_pack("{s:i}", "x", 3))), 0);
	cr_assert_eq(rpc_fill(&b), 0);
	rpc_next(&b, &m);
	cr_assert_eq(m.kind, RPC_REQUEST);
	cr_expect_str_eq(m.method, "status");
	cr_expect_eq(json_integer_value(json_object_get(m.params, "x")), 3);
	cr_assert_eq(rpc_send(&b, rpc_result(m.id, json_pack("{s:b}", "ok", 1))), 0);
	rpc_msg_fini(&m);
	cr_assert_eq(rpc_fill(&a), 0);
	rpc_next(&a, &m);
	cr_assert_eq(m.kind, RPC_RESPONSE);
	cr_expect_eq(json_integer_value(m.id), 7);
	cr_expect(json_is_true(json_object_get(m.result, "ok")));
	rpc_msg_fini(&m);
	rpc_next(&a, &m);
	cr_expect_eq(m.kind, RPC_NOTHING);
}

Test(mgmt_rpc, joins_what_arrives_byte_by_byte_and_splits_what_arrives_together)
{
	const char *two = "{\"jsonrpc\":\"2.0\",\"method\":\"m1\"}\n"
			  "{\"jsonrpc\":\"2.0\",\"method\":\"m2\",\"id\":\"k\"}\n";
	struct rpc_msg m;

	for (int round = 0; round < 2; round++) {
		int seen = 0;

		for (size_t i = 0; i < strlen(two); i++) {
			cr_assert_eq(write(a.fd, two + i, 1), 1);
			if (round == 0 && i + 1 < strlen(two))
				continue;
			cr_assert_eq(rpc_fill(&b), 0);
			for (rpc_next(&b, &m); m.kind != RPC_NOTHING; rpc_next(&b, &m)) {
				cr_expect_eq(m.kind, seen ? RPC_REQUEST : RPC_NOTIFY);
				cr_expect_str_eq(m.method, seen ? "m2" : "m1");
				seen++;
				rpc_msg_fini(&m);
			}
		}
		cr_expect_eq(seen, 2);
	}
}

static const struct {
	const char *line;
	int code;
	bool has_id;
} wrong[] = {
	{"{", RPC_PARSE_ERROR, false},
	{"", RPC_PARSE_ERROR, false},
	{"[]", RPC_BAD_REQUEST, false},
	{"{}", RPC_BAD_REQUEST, false},
	{"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"x\"}", RPC_BAD_REQUEST, true},
	{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}", RPC_BAD_REQUEST, true},
	{"{\"jsonrpc\":\"2.0\",\"id\":[],\"method\":\"x\"}", RPC_BAD_REQUEST, false},
	{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":[1]}", RPC_BAD_PARAMS, true},
	{"{\"jsonrpc\":\"2.0\",\"id\":1}", RPC_BAD_REQUEST, true},
	{"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":1,\"error\":{}}", RPC_BAD_REQUEST, true},
	{"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"x\"}", RPC_PARSE_ERROR, false},
};

Test(mgmt_rpc, names_what_is_wrong_with_a_message_and_goes_on)
{
	struct rpc_msg m;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		put(wrong[i].line);
		put("\n{\"jsonrpc\":\"2.0\",\"method\":\"next\"}\n");
		cr_assert_eq(rpc_fill(&b), 0);
		rpc_next(&b, &m);
		cr_expect_eq(m.kind, RPC_INVALID, "row %zu", i);
		cr_expect_eq(m.code, wrong[i].code, "row %zu: %d", i, m.code);
		cr_expect_eq(m.id != NULL, wrong[i].has_id, "row %zu", i);
		cr_expect_not_null(m.error);
		rpc_msg_fini(&m);
		rpc_next(&b, &m);
		cr_expect_eq(m.kind, RPC_NOTIFY, "row %zu: the line after it", i);
		rpc_msg_fini(&m);
	}
}

Test(mgmt_rpc, gives_up_on_a_line_without_end)
{
	char *junk = calloc(1, 1 << 16);
	int rc = 0;

	memset(junk, 'x', 1 << 16);
	for (int i = 0; i < 200 && !rc; i++) {
		cr_assert_geq(write(a.fd, junk, 1 << 16), 1);
		rc = rpc_fill(&b);
	}
	cr_expect_eq(rc, -EMSGSIZE);
	free(junk);
}

Test(mgmt_rpc, stops_queueing_for_a_peer_that_does_not_read)
{
	int rc = 0;

	for (int i = 0; i < 100000 && !rc; i++)
		rc = rpc_send(&a, json_pack("{s:s+}", "x",
					    "01234567890123456789012345678901234567890123456789",
					    "01234567890123456789012345678901234567890123456789"));
	cr_expect_eq(rc, -ENOBUFS);
	cr_expect(rpc_wants_write(&a));
}

Test(mgmt_rpc, reports_the_end_of_the_peer)
{
	rpc_conn_fini(&a);
	cr_expect_eq(rpc_fill(&b), -EPIPE);
	cr_expect_eq(rpc_send(&b, rpc_notify("x", NULL)), -EPIPE);
}

/* The answers are written first; the call finds them when it looks. */
Test(mgmt_rpc, call_skips_what_is_not_its_answer)
{
	json_t *result = NULL;

	put("{\"jsonrpc\":\"2.0\",\"method\":\"noise\"}\n"
	    "{\"jsonrpc\":\"2.0\",\"id\":9,\"result\":1}\n"
	    "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":42}\n");
	cr_assert_eq(rpc_call(&b, "status", NULL, 5000, &result), 0, "%s", err_text());
	cr_expect_eq(json_integer_value(result), 42);
	json_decref(result);
}

Test(mgmt_rpc, call_hands_on_the_text_of_an_error)
{
	json_t *result = NULL;

	cr_assert_eq(rpc_send(&a, rpc_error(NULL, RPC_FAILED, "not mine")), 0);
	put("{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32000,\"message\":\"no such\"}}\n");
	cr_expect_eq(rpc_call(&b, "status", NULL, 5000, &result), -EREMOTEIO);
	cr_expect_str_eq(err_text(), "no such");
}

Test(mgmt_rpc, call_ends_when_nobody_answers)
{
	json_t *result = NULL;

	cr_expect_eq(rpc_call(&b, "status", NULL, 20, &result), -ETIMEDOUT);
	rpc_conn_fini(&a);
	cr_expect_eq(rpc_call(&b, "status", NULL, 5000, &result), -EPIPE);
}
