/* SPDX-License-Identifier: BSD-3-Clause */
/* VFs as the supervisor hands them out and takes them back. The host is made up, the test plays the client,
 * the switch and the workers. */
#include "mgmt/sup_vf_priv.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "mgmt/control.h"
#include "tests/support/fakepf.h"

static const struct mgmt_host cpus = {.cpus = {0xf}, .default_image = "/dev/null"};
static struct fake_host h;
static struct fake_pf *fake;
static struct sriov_nl_ops nl_ops;
static struct sup *sup;
static struct rpc_conn client, sw, worker[2]; /* the test's ends */

/* Addresses of p/0 and q/0, which ask for a VF, and of q/1, which does not. */
static const uint8_t mac_p[6] = {2, 0, 0, 0, 0, 1}, mac_q[6] = {2, 0, 0, 0, 0, 2},
		     mac_r[6] = {2, 0, 0, 0, 0, 3};

#define PARTS                                                                              \
	"partitions:\n"                                                                    \
	"  - {name: p, engine: kvm, nics: [{mac: \"02:00:00:00:00:01\", sriov: on}]}\n"    \
	"  - {name: q, engine: kvm, nics: [{mac: \"02:00:00:00:00:02\", sriov: on, vlan: " \
	"{pvid: 5}}, {mac: \"02:00:00:00:00:03\"}]}\n"
#define UPLINK(more) \
	"uplinks: [{name: u, devargs: net_null0, pf: pf0, vlan: {mode: trunk}" more "}]\n"

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

static void begin(const char *uplink)
{
	struct mgmt_cfg *cfg;
	char text[800];
	int fd;

	snprintf(text, sizeof(text), "name: vftest-%d\n%s" PARTS, getpid(), uplink);
	cr_assert_eq(mgmt_config_load(&cfg, "f", text, strlen(text), &cpus), 0, "%s", err_text());
	cr_assert_eq(sup_create(&sup, cfg, "f"), 0, "%s", err_text());
	sup->config_fd = mgmt_config_memfd(sup->cfg);
	sup->state = SUP_RUNNING;
	sup->nr_workers = 2;
	play(&sup->sw, &sw);
	cr_assert_eq(sup_vf_begin_on(sup, &h.sys, &nl_ops, &h), 0, "%s", err_text());
	fd = control_connect(geteuid(), sup->cfg->name);
	cr_assert_eq(rpc_conn_init(&client, fd), 0);
	cr_assert_eq(loop_once(&sup->loop, 1000), 1);
}

static void setup(void)
{
	fake_host_init(&h);
	nl_ops = (struct sriov_nl_ops){fake_talk, NULL};
	fake = fake_pf_add(&h, "pf0", 8);
}

static void end(void)
{
	rpc_conn_fini(&client);
	rpc_conn_fini(&sw);
	rpc_conn_fini(&worker[0]);
	rpc_conn_fini(&worker[1]);
	for (uint32_t i = 0; sup && i < sup->cfg->partitions_count; i++)
		sup->worker[i].pid = 0;
	if (sup)
		sup->sw.pid = 0;
	sup_destroy(sup);
	sup = NULL;
}

static void teardown(void)
{
	end();
	fake_host_fini(&h);
}

TestSuite(mgmt_sup_vf, .init = setup, .fini = teardown, .timeout = 60);

/* ---- The workers' side ---------------------------------------------------------------------- */

static bool next(struct rpc_conn *c, struct rpc_msg *m)
{
	rpc_fill(c);
	for (rpc_next(c, m); m->kind == RPC_NOTIFY; rpc_next(c, m)) /* "link" and the like */
		rpc_msg_fini(m);
	return m->kind != RPC_NOTHING;
}

static const char *text_of(const struct rpc_msg *m, const char *key)
{
	const char *s = json_string_value(json_object_get(m->params, key));

	return s ? s : "";
}

/* What arrives at the supervisor from the worker of partition @w. */
static void deliver(int w, json_t *o, enum rpc_kind kind)
{
	struct rpc_msg m = {.kind = kind,
			    .root = o,
			    .id = json_object_get(o, "id"),
			    .method = json_string_value(json_object_get(o, "method")),
			    .params = json_object_get(o, "params"),
			    .result = json_object_get(o, "result"),
			    .error = json_string_value(
				    json_object_get(json_object_get(o, "error"), "message"))};

	sup_on_message(&sup->worker[w], &m);
	json_decref(o);
}

static void worker_up(int w)
{
	rpc_conn_fini(&worker[w]);
	rpc_conn_fini(&sup->worker[w].conn);
	play(&sup->worker[w], &worker[w]);
	deliver(w, rpc_notify("ready", NULL), RPC_NOTIFY);
}

static void switch_is_ready(void)
{
	json_t *o = rpc_notify("ready", NULL);
	struct rpc_msg m = {.kind = RPC_NOTIFY,
			    .root = o,
			    .method = json_string_value(json_object_get(o, "method"))};

	sup_on_message(&sup->sw, &m);
	json_decref(o);
}

static void worker_dies(int w)
{
	sup->worker[w].pid = 0;
	sup_on_death(&sup->worker[w], 9);
}

static void said(int w, const char *nic, const char *state)
{
	deliver(w, rpc_notify("vf_state", json_pack("{s:s, s:s}", "nic", nic, "state", state)),
		RPC_NOTIFY);
}

/* The worker was asked for @method, and answers; @error may be NULL. Returns the serial. */
static uint32_t worker_answers(int w, const char *method, const char *error)
{
	struct rpc_msg m;
	uint32_t serial;

	cr_assert(next(&worker[w], &m), "worker %d was not asked for %s", w, method);
	cr_assert_eq(m.kind, RPC_REQUEST);
	cr_assert_str_eq(m.method, method);
	serial = (uint32_t)json_integer_value(json_object_get(m.params, "serial"));
	deliver(w, error ? rpc_error(m.id, RPC_FAILED, error) : rpc_result(m.id, NULL),
		error ? RPC_ERROR : RPC_RESPONSE);
	rpc_msg_fini(&m);
	return serial;
}

/* Asks for the path; returns whether the answer was yes. */
static bool asks_path(int w, const char *nic, bool is_vf)
{
	struct rpc_msg m;
	bool is_yes;

	deliver(w, rpc_request(77, "vf_path", json_pack("{s:s, s:b}", "nic", nic, "is_vf", is_vf)),
		RPC_REQUEST);
	cr_assert(next(&worker[w], &m), "no answer");
	cr_assert_eq(json_integer_value(m.id), 77);
	is_yes = m.kind == RPC_RESPONSE;
	cr_assert(is_yes || m.kind == RPC_ERROR);
	rpc_msg_fini(&m);
	return is_yes;
}

static struct vf_nic *nic(const char *name)
{
	struct vf_nic *n = vf_nic_find(sup->vf, name);

	cr_assert_not_null(n, "no %s", name);
	return n;
}

static void expect_state(const char *name, enum vfm_state state)
{
	cr_expect_eq(nic(name)->m.state, state, "%s is %s: %s", name,
		     vfm_state_word(nic(name)->m.state), nic(name)->why);
}

/* Up to PATH_VF. */
static void bring_up(int w, const char *name)
{
	worker_up(w);
	worker_answers(w, "vf_add", NULL);
	said(w, name, "guest");
	cr_assert(asks_path(w, name, true));
	expect_state(name, VFM_PATH_VF);
}

/* All that is due now or later. */
static void time_passes(void)
{
	sup_vf_tick(sup, loop_now_ms() + 100000);
}

/* ---- The client's side ---------------------------------------------------------------------- */

static void ask(int id, const char *method, const char *params)
{
	json_error_t e;
	json_t *o = json_loads(params, 0, &e);

	cr_assert_not_null(o, "%s", e.text);
	cr_assert_eq(rpc_send(&client, rpc_request(id, method, o)), 0);
	cr_assert_eq(loop_once(&sup->loop, 1000), 1);
}

/* The answer to @id; the caller releases it. */
static json_t *result_of(int id)
{
	struct rpc_msg m;
	json_t *o;

	cr_assert(next(&client, &m), "no answer");
	cr_assert_eq(m.kind, RPC_RESPONSE, "%s", m.error);
	cr_assert_eq(json_integer_value(m.id), id);
	o = json_incref(m.result);
	rpc_msg_fini(&m);
	return o;
}

static void expect_error(int id, const char *part)
{
	struct rpc_msg m;

	cr_assert(next(&client, &m), "no answer");
	cr_assert_eq(m.kind, RPC_ERROR);
	cr_expect_eq(json_integer_value(m.id), id);
	cr_expect(strstr(m.error, part), "no `%s` in: %s", part, m.error);
	rpc_msg_fini(&m);
}

static bool has_answer(void)
{
	struct rpc_msg m;
	bool has = next(&client, &m);

	rpc_msg_fini(&m);
	return has;
}

static void driver_of(unsigned int vf, char out[SRIOV_NAME_MAX])
{
	char bdf[SRIOV_BDF_MAX];

	fake_vf_bdf(&h, fake, vf, bdf);
	cr_assert_eq(sriov_driver(&h.sys, bdf, out), 0);
}

/* ---- Beginning and end ---------------------------------------------------------------------- */

Test(mgmt_sup_vf, makes_as_many_vfs_as_adapters_ask_for_and_puts_all_back)
{
	char driver[SRIOV_NAME_MAX];

	fake->is_up = false;
	begin(UPLINK(""));
	fake->is_promisc = true;
	cr_expect_eq(fake->nr_vfs, 2);
	cr_expect(fake->is_up);
	driver_of(0, driver);
	cr_expect_str_eq(driver, "vfio-pci");
	cr_expect_eq(sriov_pool_count(sup->vf->pool, 0, SRIOV_FREE), 2);
	cr_expect(fake_has_filter(fake, mac_p) && fake_has_filter(fake, mac_q) &&
			  fake_has_filter(fake, mac_r),
		  "a synthetic adapter is deaf");
	end();
	cr_expect_eq(fake->nr_vfs, 0);
	cr_expect_not(fake->is_up);
	cr_expect_not(fake->is_promisc);
	cr_expect_eq(fake->nr_filters, 0);
}

Test(mgmt_sup_vf, leaves_a_host_alone_that_is_not_asked_for_vfs)
{
	struct mgmt_cfg *cfg;
	static const char text[] = "partitions: [{name: p, nics: [{}]}]\n"
				   "uplinks: [{name: u, devargs: \"net_af_packet0,iface=pf0\"}]\n";

	cr_assert_eq(mgmt_config_load(&cfg, "f", text, strlen(text), &cpus), 0);
	cr_assert_eq(sup_create(&sup, cfg, "f"), 0, "%s", err_text());
	cr_assert_eq(sup_vf_begin_on(sup, &h.sys, &nl_ops, &h), 0);
	cr_expect_null(sup->vf);
	cr_expect_null(sup_vf_json(sup));
	cr_expect_eq(h.nr_writes, 0);
}

Test(mgmt_sup_vf, takes_vfs_that_are_there_and_gives_them_back_as_they_were)
{
	char driver[SRIOV_NAME_MAX];

	cr_assert_eq(
		sriov_sys_write(&h.sys, "3", "/sys/bus/pci/devices/%s/sriov_numvfs", fake->bdf), 0);
	fake->vf[0].vlan = 9;
	begin(UPLINK(""));
	cr_expect_eq(fake->nr_vfs, 3);
	bring_up(0, "p/0");
	cr_expect_eq(fake->vf[0].vlan, 0);
	worker_dies(0);
	expect_state("p/0", VFM_NONE);
	end();
	cr_expect_eq(fake->nr_vfs, 3);
	driver_of(0, driver);
	cr_expect_str_eq(driver, "igbvf");
	cr_expect_eq(fake->vf[0].vlan, 9);
	cr_expect_eq(fake->vf[0].mac[0], 6);
}

Test(mgmt_sup_vf, goes_on_without_vfs_where_there_are_none_and_says_why)
{
	json_t *o;

	fake_fail_write(&h, "/sriov_numvfs", FAKE_FAIL, -ENOMEM, -1);
	begin(UPLINK(""));
	worker_up(0);
	expect_state("p/0", VFM_NONE);
	cr_expect(strstr(nic("p/0")->why, "the kernel could not switch on its VFs"), "%s",
		  nic("p/0")->why);
	ask(1, "vf_list", "{}");
	o = result_of(1);
	cr_expect(strstr(json_string_value(json_object_get(
				 json_array_get(json_object_get(o, "pfs"), 0), "why")),
			 "vf-enable-failed"));
	json_decref(o);
}

Test(mgmt_sup_vf, does_not_change_the_number_while_somebody_uses_a_vf)
{
	cr_assert_eq(
		sriov_sys_write(&h.sys, "1", "/sys/bus/pci/devices/%s/sriov_numvfs", fake->bdf), 0);
	h.is_group_open[0] = true;
	begin(UPLINK(""));
	cr_expect_eq(fake->nr_vfs, 1);
	cr_expect_eq(sriov_pool_count(sup->vf->pool, 0, SRIOV_FREE), 0, "it is somebody's");
	worker_up(0);
	cr_expect_eq(nic("p/0")->cause, IOMMU_WHY_VF_NONE_FREE, "%s", nic("p/0")->why);
	h.is_group_open[0] = false;
}

/* ---- A VF's life ---------------------------------------------------------------------------- */

Test(mgmt_sup_vf, iov_5_gives_a_vf_that_is_set_up_and_moves_the_filter_last)
{
	const struct sriov_vf *v;
	struct rpc_msg m;

	begin(UPLINK(""));
	worker_up(1);
	v = &fake->vf[nic("q/0")->vf->vf];
	cr_expect(!memcmp(v->mac, mac_q, 6));
	cr_expect_eq(v->vlan, 5);
	cr_expect(v->spoofchk);
	cr_expect_not(v->trust);
	cr_assert(next(&worker[1], &m));
	cr_expect_str_eq(m.method, "vf_add");
	cr_expect_str_eq(text_of(&m, "nic"), "q/0");
	cr_expect_str_eq(text_of(&m, "bdf"), nic("q/0")->vf->bdf);
	cr_expect_str_eq(text_of(&m, "mac"), "02:00:00:00:00:02");
	cr_expect_eq(json_integer_value(json_object_get(m.params, "serial")),
		     nic("q/0")->vf->serial);
	deliver(1, rpc_result(m.id, NULL), RPC_RESPONSE);
	rpc_msg_fini(&m);
	expect_state("q/0", VFM_OFFERED);
	cr_expect_not(asks_path(1, "q/0", true), "before the guest has it");
	said(1, "q/0", "guest");
	cr_expect(fake_has_filter(fake, mac_q));
	cr_expect(asks_path(1, "q/0", true));
	cr_expect_not(fake_has_filter(fake, mac_q));
	cr_expect(asks_path(1, "q/0", false));
	cr_expect(fake_has_filter(fake, mac_q));
	expect_state("q/0", VFM_GUEST);
}

Test(mgmt_sup_vf, answers_no_when_the_filter_stays)
{
	begin(UPLINK(""));
	worker_up(0);
	worker_answers(0, "vf_add", NULL);
	said(0, "p/0", "guest");
	fake_fail_nl(&h, RTM_DELNEIGH, FAKE_IGNORE, 0, 1);
	cr_expect_not(asks_path(0, "p/0", true));
	expect_state("p/0", VFM_GUEST);
	cr_expect(fake_has_filter(fake, mac_p));
	cr_expect(asks_path(0, "p/0", true));
	fake_fail_nl(&h, RTM_NEWNEIGH, FAKE_FAIL, -EINVAL, 1);
	cr_expect_not(asks_path(0, "p/0", false));
	cr_expect_not(fake_has_filter(fake, mac_p));
	time_passes();
	cr_expect(fake_has_filter(fake, mac_p), "it was not tried again");
}

Test(mgmt_sup_vf, iov_6_revokes_filter_first_then_guest_then_reset_then_pool)
{
	uint32_t serial;
	char bdf[SRIOV_BDF_MAX];
	unsigned int vf;
	json_t *o;

	begin(UPLINK(""));
	bring_up(0, "p/0");
	vf = nic("p/0")->vf->vf;
	snprintf(bdf, sizeof(bdf), "%s", nic("p/0")->vf->bdf);
	fake_master(&h, bdf);
	h.is_group_open[vf] = true;
	ask(1, "vf_revoke", "{\"nic\": \"p/0\"}");
	cr_expect(fake_has_filter(fake, mac_p));
	serial = worker_answers(0, "vf_remove", NULL);
	cr_expect_eq(serial, nic("p/0")->vf->serial);
	cr_expect(asks_path(0, "p/0", false));
	cr_expect_not(has_answer());
	said(0, "p/0", "gone");
	expect_state("p/0", VFM_CLEANING);
	cr_expect_not(has_answer(), "while the VF is open");
	h.is_group_open[vf] = false;
	sup_vf_tick(sup, loop_now_ms() + 200);
	expect_state("p/0", VFM_NONE);
	o = result_of(1);
	cr_expect_str_eq(json_string_value(json_object_get(o, "state")), "none");
	json_decref(o);
	cr_expect_eq(fake->vf[vf].mac[5], 0, "it keeps the address");
	cr_expect_eq(sriov_clean(&h.sys, bdf), 0);
	cr_expect_eq(sriov_pool_count(sup->vf->pool, 0, SRIOV_FREE), 2);
	time_passes();
	expect_state("p/0", VFM_NONE);
	ask(2, "vf_assign", "{\"nic\": \"p/0\"}");
	cr_expect_gt(worker_answers(0, "vf_add", NULL), serial, "an old serial");
	json_decref(result_of(2));
	expect_state("p/0", VFM_OFFERED);
}

Test(mgmt_sup_vf, takes_a_vf_from_a_guest_that_does_not_give_it)
{
	begin(UPLINK(""));
	bring_up(0, "p/0");
	ask(1, "vf_revoke", "{\"nic\": \"p/0\"}");
	worker_answers(0, "vf_remove", NULL);
	time_passes();
	worker_answers(0, "vf_remove", "the device hangs");
	expect_state("p/0", VFM_NONE);
	json_decref(result_of(1));
}

Test(mgmt_sup_vf, cleans_up_after_a_dead_worker_and_gives_the_next_one_a_vf)
{
	unsigned int vf;

	begin(UPLINK(""));
	bring_up(0, "p/0");
	vf = nic("p/0")->vf->vf;
	h.is_group_open[vf] = true; /* the kernel is not done with it */
	fake_master(&h, nic("p/0")->vf->bdf);
	worker_dies(0);
	cr_expect(fake_has_filter(fake, mac_p), "first of all");
	expect_state("p/0", VFM_CLEANING);
	worker_up(0);
	expect_state("p/0", VFM_CLEANING);
	h.is_group_open[vf] = false;
	sup_vf_tick(sup, loop_now_ms() + 200);
	expect_state("p/0", VFM_PREPARING);
	worker_answers(0, "vf_add", NULL);
	expect_state("p/0", VFM_OFFERED);
	cr_expect_eq(sriov_pool_count(sup->vf->pool, 0, SRIOV_ASSIGNED), 1);
}

Test(mgmt_sup_vf, puts_what_cannot_be_cleaned_into_quarantine)
{
	json_t *o;

	begin(UPLINK(""));
	bring_up(0, "p/0");
	h.keeps_mastering = true;
	fake_master(&h, nic("p/0")->vf->bdf);
	worker_dies(0);
	expect_state("p/0", VFM_QUARANTINE);
	cr_expect_eq(nic("p/0")->cause, IOMMU_WHY_QUARANTINE);
	cr_expect(strstr(nic("p/0")->why, "bus mastering"), "%s", nic("p/0")->why);
	ask(1, "vf_list", "{}");
	o = result_of(1);
	cr_expect_eq(json_integer_value(json_object_get(
			     json_array_get(json_object_get(o, "pfs"), 0), "quarantine")),
		     1);
	json_decref(o);
	h.keeps_mastering = false;
	worker_up(0);
	worker_answers(0, "vf_add", NULL);
	expect_state("p/0", VFM_OFFERED);
	cr_expect_eq(sriov_pool_count(sup->vf->pool, 0, SRIOV_QUARANTINE), 1);
}

Test(mgmt_sup_vf, waits_only_so_long_until_a_vf_is_closed)
{
	begin(UPLINK(""));
	bring_up(0, "p/0");
	h.is_group_open[nic("p/0")->vf->vf] = true;
	worker_dies(0);
	time_passes();
	expect_state("p/0", VFM_QUARANTINE);
	cr_expect_eq(nic("p/0")->cause, IOMMU_WHY_BUSY, "%s", nic("p/0")->why);
}

Test(mgmt_sup_vf, moves_packets_to_the_switch_when_the_device_is_lost)
{
	begin(UPLINK(""));
	bring_up(0, "p/0");
	said(0, "p/0", "lost");
	cr_expect(fake_has_filter(fake, mac_p));
	worker_answers(0, "vf_remove", NULL);
	said(0, "p/0", "gone");
	expect_state("p/0", VFM_NONE);
	time_passes();
	expect_state("p/0", VFM_NONE);
	cr_expect(nic("p/0")->m.is_refused);
}

Test(mgmt_sup_vf, moves_packets_to_the_switch_when_the_guest_is_reset)
{
	begin(UPLINK(""));
	bring_up(0, "p/0");
	said(0, "p/0", "offered");
	cr_expect(fake_has_filter(fake, mac_p));
	expect_state("p/0", VFM_OFFERED);
}

Test(mgmt_sup_vf, keeps_the_filters_while_the_switch_is_restarted)
{
	begin(UPLINK(""));
	bring_up(0, "p/0");
	rpc_conn_fini(&sup->sw.conn);
	rpc_conn_fini(&sw);
	sup->sw.pid = 0;
	sup_on_death(&sup->sw, 9);
	expect_state("p/0", VFM_PATH_VF);
	cr_expect_not(fake_has_filter(fake, mac_p));
	play(&sup->sw, &sw);
	fake->is_promisc = true; /* as a device that is made does */
	switch_is_ready();
	cr_expect_not(fake->is_promisc);
	cr_expect(asks_path(0, "p/0", true), "the next switch asks for what is");
}

Test(mgmt_sup_vf, offers_again_when_a_worker_could_not)
{
	begin(UPLINK(""));
	worker_up(0);
	worker_answers(0, "vf_add", "group 5 is not viable");
	expect_state("p/0", VFM_NONE);
	cr_expect(strstr(nic("p/0")->why, "group 5"), "%s", nic("p/0")->why);
	cr_expect_eq(sriov_pool_count(sup->vf->pool, 0, SRIOV_FREE), 2);
	time_passes();
	expect_state("p/0", VFM_NONE);
	ask(1, "vf_assign", "{\"nic\": \"p/0\"}");
	worker_answers(0, "vf_add", "group 5 is not viable");
	expect_error(1, "group 5 is not viable");
}

Test(mgmt_sup_vf, ignores_what_is_said_of_a_vf_of_before)
{
	begin(UPLINK(""));
	bring_up(0, "p/0");
	deliver(0,
		rpc_notify("vf_state", json_pack("{s:s, s:s, s:i}", "nic", "p/0", "state", "lost",
						 "serial", 4711)),
		RPC_NOTIFY);
	expect_state("p/0", VFM_PATH_VF);
	said(1, "p/0", "lost");
	expect_state("p/0", VFM_PATH_VF);
	said(0, "p/7", "lost");
	said(0, "p/0", "tired");
	expect_state("p/0", VFM_PATH_VF);
}

Test(mgmt_sup_vf, answers_every_question_of_a_worker)
{
	struct rpc_msg m;

	begin(UPLINK(""));
	worker_up(0);
	worker_answers(0, "vf_add", NULL);
	cr_expect_not(asks_path(0, "q/0", false), "another partition's");
	cr_expect(asks_path(0, "p/0", false));
	deliver(0, rpc_request(5, "vf_path", json_pack("{s:s}", "nic", "p/0")), RPC_REQUEST);
	cr_assert(next(&worker[0], &m));
	cr_expect_eq(m.code, RPC_BAD_PARAMS);
	rpc_msg_fini(&m);
	deliver(0, rpc_request(6, "make_coffee", NULL), RPC_REQUEST);
	cr_assert(next(&worker[0], &m));
	cr_expect_eq(m.code, RPC_NO_METHOD);
	rpc_msg_fini(&m);
}

/* ---- More than there is --------------------------------------------------------------------- */

Test(mgmt_sup_vf, gives_a_freed_vf_to_who_waits_for_one)
{
	begin(UPLINK(", vfs: 1"));
	cr_expect_eq(fake->nr_vfs, 1);
	bring_up(0, "p/0");
	worker_up(1);
	expect_state("q/0", VFM_NONE);
	cr_expect_eq(nic("q/0")->cause, IOMMU_WHY_VF_NONE_FREE, "%s", nic("q/0")->why);
	worker_dies(0);
	expect_state("p/0", VFM_NONE);
	time_passes();
	expect_state("q/0", VFM_PREPARING);
	worker_answers(1, "vf_add", NULL);
	expect_state("q/0", VFM_OFFERED);
}

Test(mgmt_sup_vf, gives_no_vf_when_the_address_has_no_filter)
{
	for (unsigned int i = 0; i < 21; i++) /* 21 fit; they are others' */
		memcpy(fake->filter[fake->nr_filters++], (uint8_t[6]){4, 0, 0, 0, 0, (uint8_t)i},
		       6);
	begin(UPLINK(""));
	worker_up(0);
	expect_state("p/0", VFM_NONE);
	cr_expect_eq(nic("p/0")->cause, IOMMU_WHY_FILTERS_FULL, "%s", nic("p/0")->why);
	cr_expect_eq(sriov_pool_count(sup->vf->pool, 0, SRIOV_FREE), 2);
}

Test(mgmt_sup_vf, gives_no_vf_of_an_uplink_without_its_vlan)
{
	begin("uplinks: [{name: u, devargs: net_null0, pf: pf0, vlan: {mode: trunk, allowed: [7]}}]\n");
	worker_up(1);
	expect_state("q/0", VFM_NONE);
	cr_expect(strstr(nic("q/0")->why, "does not carry VLAN 5"), "%s", nic("q/0")->why);
	cr_expect_eq(sriov_pool_count(sup->vf->pool, 0, SRIOV_FREE), 2);
}

Test(mgmt_sup_vf, gives_no_vf_whose_settings_do_not_take)
{
	begin(UPLINK(""));
	fake_fail_nl(&h, FAKE_SET(SRIOV_MAC), FAKE_IGNORE, 0, 1);
	worker_up(0);
	expect_state("p/0", VFM_NONE);
	cr_expect_eq(nic("p/0")->cause, IOMMU_WHY_VF_CONFIG, "%s", nic("p/0")->why);
	cr_expect(strstr(nic("p/0")->why, "expected MAC 02:00:00:00:00:01"), "%s", nic("p/0")->why);
	cr_expect_eq(sriov_pool_count(sup->vf->pool, 0, SRIOV_FREE), 2);
}

/* ---- Operators ------------------------------------------------------------------------------ */

Test(mgmt_sup_vf, shows_pfs_vfs_and_adapters)
{
	json_t *o, *p;

	begin(UPLINK(""));
	bring_up(0, "p/0");
	ask(1, "vf_list", "{}");
	o = result_of(1);
	p = json_array_get(json_object_get(o, "pfs"), 0);
	cr_expect_str_eq(json_string_value(json_object_get(p, "pf")), "pf0");
	cr_expect_eq(json_integer_value(json_object_get(p, "filter_slots")), 21);
	cr_expect_eq(json_integer_value(json_object_get(p, "filters")), 3);
	cr_expect_eq(json_array_size(json_object_get(o, "vfs")), 2);
	cr_expect_eq(json_array_size(json_object_get(o, "nics")), 3);
	p = json_array_get(json_object_get(o, "nics"), 0);
	cr_expect_str_eq(json_string_value(json_object_get(p, "state")), "path_vf");
	cr_expect_str_eq(json_string_value(json_object_get(p, "receiver")), "vf");
	json_decref(o);
}

Test(mgmt_sup_vf, says_what_it_would_do_and_does_it_not)
{
	unsigned int writes;
	json_t *o;

	begin(UPLINK(""));
	fake_fail_nl(&h, FAKE_SET(SRIOV_MAC), FAKE_FAIL, -EINVAL, 1);
	worker_up(0);
	writes = h.nr_writes;
	ask(1, "vf_assign", "{\"nic\": \"p/0\", \"dry_run\": true}");
	o = result_of(1);
	cr_expect_geq(json_array_size(json_object_get(o, "steps")), 4);
	json_decref(o);
	expect_state("p/0", VFM_NONE);
	cr_expect_eq(h.nr_writes, writes);
	ask(2, "vf_assign", "{\"nic\": \"p/0\"}");
	worker_answers(0, "vf_add", NULL);
	json_decref(result_of(2));
	ask(3, "vf_revoke", "{\"nic\": \"p/0\", \"dry_run\": true}");
	o = result_of(3);
	cr_expect_eq(json_array_size(json_object_get(o, "steps")), 4);
	json_decref(o);
	expect_state("p/0", VFM_OFFERED);
}

Test(mgmt_sup_vf, refuses_what_makes_no_sense)
{
	begin(UPLINK(""));
	ask(1, "vf_assign", "{\"nic\": \"p/9\"}");
	expect_error(1, "no adapter p/9");
	ask(2, "vf_assign", "{\"partition\": \"p\"}");
	expect_error(2, "which adapter");
	ask(3, "vf_assign", "{\"nic\": \"p/0\"}");
	expect_error(3, "the partition does not run");
	ask(4, "vf_assign", "{\"nic\": \"q/1\"}");
	expect_error(4, "no sriov: on");
	worker_up(0);
	ask(5, "vf_assign", "{\"nic\": \"p/0\"}");
	ask(6, "vf_revoke", "{\"nic\": \"p/0\"}");
	expect_error(6, "another assign or revoke");
	worker_answers(0, "vf_add", NULL);
	json_decref(result_of(5));
}

/* ---- The configuration ---------------------------------------------------------------------- */

static void switch_says_yes(void)
{
	struct rpc_msg m;

	cr_assert(next(&sw, &m), "the switch was not asked");
	cr_assert_str_eq(m.method, "configure");
	{
		json_t *reply = rpc_result(m.id, NULL);
		struct rpc_msg a = {.kind = RPC_RESPONSE,
				    .root = reply,
				    .id = json_object_get(reply, "id"),
				    .result = json_object_get(reply, "result")};

		sup_on_message(&sup->sw, &a);
		json_decref(reply);
	}
	rpc_msg_fini(&m);
	json_decref(result_of(1));
}

Test(mgmt_sup_vf, iov_9_takes_the_vf_away_while_a_policy_applies)
{
	begin(UPLINK(""));
	bring_up(0, "p/0");
	ask(1, "policy_set", "{\"port\": \"p/0\", \"policy\": {\"guards\": [\"dhcp\"]}}");
	switch_says_yes();
	expect_state("p/0", VFM_REVOKING);
	cr_expect_eq(nic("p/0")->cause, IOMMU_WHY_POLICY);
	worker_answers(0, "vf_remove", NULL);
	said(0, "p/0", "gone");
	expect_state("p/0", VFM_NONE);
	ask(2, "vf_assign", "{\"nic\": \"p/0\"}");
	expect_error(2, "a policy of the port applies");
	ask(1, "policy_set", "{\"port\": \"p/0\", \"policy\": {\"guards\": null}}");
	switch_says_yes();
	worker_answers(0, "vf_add", NULL);
	expect_state("p/0", VFM_OFFERED);
}

Test(mgmt_sup_vf, iov_9_takes_the_vf_away_when_the_switch_does_not_allow_it)
{
	begin(UPLINK(""));
	bring_up(0, "p/0");
	said(0, "p/0", "unwanted");
	expect_state("p/0", VFM_REVOKING);
	worker_answers(0, "vf_remove", NULL);
	said(0, "p/0", "gone");
	expect_state("p/0", VFM_NONE);
	ask(1, "vf_assign", "{\"nic\": \"p/0\"}");
	worker_answers(0, "vf_add", NULL);
	expect_state("p/0", VFM_OFFERED);
}

Test(mgmt_sup_vf, follows_adapters_that_come_and_go)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};

	begin(UPLINK(", vfs: 4"));
	bring_up(0, "p/0");
	ask(1, "nic_add",
	    "{\"partition\": \"p\", \"nic\": {\"mac\": \"02:00:00:00:00:09\", \"sriov\": true}}");
	switch_says_yes();
	cr_expect(fake_has_filter(fake, mac));
	worker_answers(0, "vf_add", NULL);
	expect_state("p/1", VFM_OFFERED);
	ask(1, "nic_remove", "{\"nic\": \"p/1\"}");
	switch_says_yes();
	expect_state("p/1", VFM_REVOKING);
	worker_answers(0, "vf_remove", NULL);
	said(0, "p/1", "gone");
	cr_expect_null(vf_nic_find(sup->vf, "p/1"));
	cr_expect_not(fake_has_filter(fake, mac));
	cr_expect_eq(sriov_pool_count(sup->vf->pool, 0, SRIOV_ASSIGNED), 1);
	expect_state("p/0", VFM_PATH_VF);
}
