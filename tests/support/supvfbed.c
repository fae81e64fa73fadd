/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/supvfbed.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "mgmt/control.h"

const struct mgmt_host supvf_cpus = {.cpus = {0xf}, .default_image = "/dev/null"};

struct supvf supvf;
const uint8_t supvf_mac_p[6] = {2, 0, 0, 0, 0, 1};
const uint8_t supvf_mac_q[6] = {2, 0, 0, 0, 0, 2};
const uint8_t supvf_mac_r[6] = {2, 0, 0, 0, 0, 3};

#define PARTS                                                                              \
	"partitions:\n"                                                                    \
	"  - {name: p, engine: kvm, nics: [{mac: \"02:00:00:00:00:01\", sriov: on}]}\n"    \
	"  - {name: q, engine: kvm, nics: [{mac: \"02:00:00:00:00:02\", sriov: on, vlan: " \
	"{pvid: 5}}, {mac: \"02:00:00:00:00:03\"}]}\n"

void sup_banner(const struct sup *unused)
{
	(void)unused;
}

void supvf_play(struct proc *p, struct rpc_conn *end)
{
	int sv[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	cr_assert_eq(rpc_conn_init(&p->conn, sv[0]), 0);
	cr_assert_eq(rpc_conn_init(end, sv[1]), 0);
	p->state = PROC_RUNNING;
	p->started_ms = loop_now_ms();
	p->pid = 1 << 30; /* no process has it */
}

void supvf_begin(const char *uplink)
{
	struct mgmt_cfg *cfg;
	char text[800];
	int fd;

	snprintf(text, sizeof(text), "name: vftest-%d\n%s" PARTS, getpid(), uplink);
	cr_assert_eq(mgmt_config_load(&cfg, "f", text, strlen(text), &supvf_cpus), 0, "%s",
		     err_text());
	cr_assert_eq(sup_create(&supvf.sup, cfg, "f"), 0, "%s", err_text());
	supvf.sup->config_fd = mgmt_config_memfd(supvf.sup->cfg);
	supvf.sup->state = SUP_RUNNING;
	supvf.sup->nr_workers = 2;
	supvf_play(&supvf.sup->sw, &supvf.sw);
	cr_assert_eq(sup_vf_begin_on(supvf.sup, &supvf.h.sys, &supvf.nl_ops, &supvf.h), 0, "%s",
		     err_text());
	fd = control_connect(geteuid(), supvf.sup->cfg->name);
	cr_assert_eq(rpc_conn_init(&supvf.client, fd), 0);
	cr_assert_eq(loop_once(&supvf.sup->loop, 1000), 1);
}

void supvf_setup(void)
{
	fake_host_init(&supvf.h);
	supvf.nl_ops = (struct sriov_nl_ops){fake_talk, NULL};
	supvf.fake = fake_pf_add(&supvf.h, "pf0", 8);
}

void supvf_end(void)
{
	rpc_conn_fini(&supvf.client);
	rpc_conn_fini(&supvf.sw);
	rpc_conn_fini(&supvf.worker[0]);
	rpc_conn_fini(&supvf.worker[1]);
	for (uint32_t i = 0; supvf.sup && i < supvf.sup->cfg->partitions_count; i++)
		supvf.sup->worker[i].pid = 0;
	if (supvf.sup)
		supvf.sup->sw.pid = 0;
	sup_destroy(supvf.sup);
	supvf.sup = NULL;
}

void supvf_teardown(void)
{
	supvf_end();
	fake_host_fini(&supvf.h);
}

/* ---- The workers' side ---------------------------------------------------------------------- */

bool supvf_next(struct rpc_conn *c, struct rpc_msg *m)
{
	rpc_fill(c);
	for (rpc_next(c, m); m->kind == RPC_NOTIFY; rpc_next(c, m)) /* "link" and the like */
		rpc_msg_fini(m);
	return m->kind != RPC_NOTHING;
}

const char *supvf_text_of(const struct rpc_msg *m, const char *key)
{
	const char *s = json_string_value(json_object_get(m->params, key));

	return s ? s : "";
}

void supvf_deliver(int w, json_t *o, enum rpc_kind kind)
{
	struct rpc_msg m = {.kind = kind,
			    .root = o,
			    .id = json_object_get(o, "id"),
			    .method = json_string_value(json_object_get(o, "method")),
			    .params = json_object_get(o, "params"),
			    .result = json_object_get(o, "result"),
			    .error = json_string_value(
				    json_object_get(json_object_get(o, "error"), "message"))};

	sup_on_message(&supvf.sup->worker[w], &m);
	json_decref(o);
}

void supvf_worker_up(int w)
{
	rpc_conn_fini(&supvf.worker[w]);
	rpc_conn_fini(&supvf.sup->worker[w].conn);
	supvf_play(&supvf.sup->worker[w], &supvf.worker[w]);
	supvf_deliver(w, rpc_notify("ready", NULL), RPC_NOTIFY);
}

void supvf_switch_is_ready(void)
{
	json_t *o = rpc_notify("ready", NULL);
	struct rpc_msg m = {.kind = RPC_NOTIFY,
			    .root = o,
			    .method = json_string_value(json_object_get(o, "method"))};

	sup_on_message(&supvf.sup->sw, &m);
	json_decref(o);
}

void supvf_worker_dies(int w)
{
	supvf.sup->worker[w].pid = 0;
	sup_on_death(&supvf.sup->worker[w], 9);
}

void supvf_said(int w, const char *nic, const char *state)
{
	supvf_said_why(w, nic, state, NULL);
}

void supvf_said_why(int w, const char *nic, const char *state, const char *why)
{
	supvf_deliver(w,
		      rpc_notify("vf_state", json_pack("{s:s, s:s, s:s*}", "nic", nic, "state",
						       state, "why", why)),
		      RPC_NOTIFY);
}

uint32_t supvf_worker_answers(int w, const char *method, const char *error)
{
	struct rpc_msg m;
	uint32_t serial;

	cr_assert(supvf_next(&supvf.worker[w], &m), "worker %d was not asked for %s", w, method);
	cr_assert_eq(m.kind, RPC_REQUEST);
	cr_assert_str_eq(m.method, method);
	serial = (uint32_t)json_integer_value(json_object_get(m.params, "serial"));
	supvf_deliver(w, error ? rpc_error(m.id, RPC_FAILED, error) : rpc_result(m.id, NULL),
		      error ? RPC_ERROR : RPC_RESPONSE);
	rpc_msg_fini(&m);
	return serial;
}

bool supvf_asks_path(int w, const char *nic, bool is_vf)
{
	struct rpc_msg m;
	bool is_yes;

	supvf_deliver(
		w, rpc_request(77, "vf_path", json_pack("{s:s, s:b}", "nic", nic, "is_vf", is_vf)),
		RPC_REQUEST);
	cr_assert(supvf_next(&supvf.worker[w], &m), "no answer");
	cr_assert_eq(json_integer_value(m.id), 77);
	is_yes = m.kind == RPC_RESPONSE;
	cr_assert(is_yes || m.kind == RPC_ERROR);
	rpc_msg_fini(&m);
	return is_yes;
}

struct vf_nic *supvf_nic(const char *name)
{
	struct vf_nic *n = vf_nic_find(supvf.sup->vf, name);

	cr_assert_not_null(n, "no %s", name);
	return n;
}

void supvf_expect_state(const char *name, enum vfm_state state)
{
	cr_expect_eq(supvf_nic(name)->m.state, state, "%s is %s: %s", name,
		     vfm_state_word(supvf_nic(name)->m.state), supvf_nic(name)->why);
}

void supvf_bring_up(int w, const char *name)
{
	supvf_worker_up(w);
	supvf_worker_answers(w, "vf_add", NULL);
	supvf_said(w, name, "guest");
	cr_assert(supvf_asks_path(w, name, true));
	supvf_expect_state(name, VFM_PATH_VF);
}

void supvf_time_passes(void)
{
	sup_vf_tick(supvf.sup, loop_now_ms() + 100000);
}

void supvf_switch_says_yes(void)
{
	struct rpc_msg m;

	cr_assert(supvf_next(&supvf.sw, &m), "the switch was not asked");
	cr_assert_str_eq(m.method, "configure");
	{
		json_t *reply = rpc_result(m.id, NULL);
		struct rpc_msg a = {.kind = RPC_RESPONSE,
				    .root = reply,
				    .id = json_object_get(reply, "id"),
				    .result = json_object_get(reply, "result")};

		sup_on_message(&supvf.sup->sw, &a);
		json_decref(reply);
	}
	rpc_msg_fini(&m);
	json_decref(supvf_result_of(1));
}

/* ---- The client's side ---------------------------------------------------------------------- */

void supvf_ask(int id, const char *method, const char *params)
{
	json_error_t e;
	json_t *o = json_loads(params, 0, &e);

	cr_assert_not_null(o, "%s", e.text);
	cr_assert_eq(rpc_send(&supvf.client, rpc_request(id, method, o)), 0);
	cr_assert_eq(loop_once(&supvf.sup->loop, 1000), 1);
}

json_t *supvf_result_of(int id)
{
	struct rpc_msg m;
	json_t *o;

	cr_assert(supvf_next(&supvf.client, &m), "no answer");
	cr_assert_eq(m.kind, RPC_RESPONSE, "%s", m.error);
	cr_assert_eq(json_integer_value(m.id), id);
	o = json_incref(m.result);
	rpc_msg_fini(&m);
	return o;
}

void supvf_expect_error(int id, const char *part)
{
	struct rpc_msg m;

	cr_assert(supvf_next(&supvf.client, &m), "no answer");
	cr_assert_eq(m.kind, RPC_ERROR);
	cr_expect_eq(json_integer_value(m.id), id);
	cr_expect(strstr(m.error, part), "no `%s` in: %s", part, m.error);
	rpc_msg_fini(&m);
}

bool supvf_has_answer(void)
{
	struct rpc_msg m;
	bool has = supvf_next(&supvf.client, &m);

	rpc_msg_fini(&m);
	return has;
}

void supvf_driver_of(unsigned int vf, char out[SRIOV_NAME_MAX])
{
	char bdf[SRIOV_BDF_MAX];

	fake_vf_bdf(&supvf.h, supvf.fake, vf, bdf);
	cr_assert_eq(sriov_driver(&supvf.h.sys, bdf, out), 0);
}
