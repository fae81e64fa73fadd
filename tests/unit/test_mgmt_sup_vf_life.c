/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of an adapter's VF, from the pool to the guest and back, whoever ends it. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include <criterion/criterion.h>

#include "tests/support/supvfbed.h"

TestSuite(mgmt_sup_vf_life, .init = supvf_setup, .fini = supvf_teardown, .timeout = 60);

Test(mgmt_sup_vf_life, iov_5_gives_a_vf_that_is_set_up_and_moves_the_filter_last)
{
	const struct sriov_vf *v;
	struct rpc_msg m;

	supvf_begin(SUPVF_UPLINK(""));
	supvf_worker_up(1);
	v = &supvf.fake->vf[supvf_nic("q/0")->vf->vf];
	cr_expect(!memcmp(v->mac, supvf_mac_q, 6));
	cr_expect_eq(v->vlan, 5);
	cr_expect(v->spoofchk);
	cr_expect_not(v->trust);
	cr_assert(supvf_next(&supvf.worker[1], &m));
	cr_expect_str_eq(m.method, "vf_add");
	cr_expect_str_eq(supvf_text_of(&m, "nic"), "q/0");
	cr_expect_str_eq(supvf_text_of(&m, "bdf"), supvf_nic("q/0")->vf->bdf);
	cr_expect_str_eq(supvf_text_of(&m, "mac"), "02:00:00:00:00:02");
	cr_expect_eq(json_integer_value(json_object_get(m.params, "serial")),
		     supvf_nic("q/0")->vf->serial);
	supvf_deliver(1, rpc_result(m.id, NULL), RPC_RESPONSE);
	rpc_msg_fini(&m);
	supvf_expect_state("q/0", VFM_OFFERED);
	cr_expect_not(supvf_asks_path(1, "q/0", true), "before the guest has it");
	supvf_said(1, "q/0", "guest");
	cr_expect(fake_has_filter(supvf.fake, supvf_mac_q));
	cr_expect(supvf_asks_path(1, "q/0", true));
	cr_expect_not(fake_has_filter(supvf.fake, supvf_mac_q));
	cr_expect(supvf_asks_path(1, "q/0", false));
	cr_expect(fake_has_filter(supvf.fake, supvf_mac_q));
	supvf_expect_state("q/0", VFM_GUEST);
}

Test(mgmt_sup_vf_life, answers_no_when_the_filter_stays)
{
	supvf_begin(SUPVF_UPLINK(""));
	supvf_worker_up(0);
	supvf_worker_answers(0, "vf_add", NULL);
	supvf_said(0, "p/0", "guest");
	fake_fail_nl(&supvf.h, RTM_DELNEIGH, FAKE_IGNORE, 0, 1);
	cr_expect_not(supvf_asks_path(0, "p/0", true));
	supvf_expect_state("p/0", VFM_GUEST);
	cr_expect(fake_has_filter(supvf.fake, supvf_mac_p));
	cr_expect(supvf_asks_path(0, "p/0", true));
	fake_fail_nl(&supvf.h, RTM_NEWNEIGH, FAKE_FAIL, -EINVAL, 1);
	cr_expect_not(supvf_asks_path(0, "p/0", false));
	cr_expect_not(fake_has_filter(supvf.fake, supvf_mac_p));
	supvf_time_passes();
	cr_expect(fake_has_filter(supvf.fake, supvf_mac_p), "it was not tried again");
}

Test(mgmt_sup_vf_life, iov_6_revokes_guest_first_then_filter_then_reset_then_pool)
{
	uint32_t serial;
	char bdf[SRIOV_BDF_MAX];
	unsigned int vf;
	json_t *o;

	supvf_begin(SUPVF_UPLINK(""));
	supvf_bring_up(0, "p/0");
	vf = supvf_nic("p/0")->vf->vf;
	snprintf(bdf, sizeof(bdf), "%s", supvf_nic("p/0")->vf->bdf);
	fake_master(&supvf.h, bdf);
	supvf.h.is_group_open[vf] = true;
	supvf_ask(1, "vf_revoke", "{\"nic\": \"p/0\"}");
	cr_expect_not(fake_has_filter(supvf.fake, supvf_mac_p), "frames come by both");
	serial = supvf_worker_answers(0, "vf_remove", NULL);
	cr_expect_eq(serial, supvf_nic("p/0")->vf->serial);
	cr_expect_eq(supvf.fake->vf[vf].mac[5], 1);
	cr_expect(supvf_asks_path(0, "p/0", false));
	cr_expect_eq(supvf.fake->vf[vf].mac[5], 0, "frames come by the VF, too");
	cr_expect(fake_has_filter(supvf.fake, supvf_mac_p));
	cr_expect(supvf.fake->vf[vf].spoofchk);
	cr_expect_not(supvf_has_answer());
	supvf_said(0, "p/0", "gone");
	supvf_expect_state("p/0", VFM_CLEANING);
	cr_expect_not(supvf_has_answer(), "while the VF is open");
	supvf.h.is_group_open[vf] = false;
	sup_vf_tick(supvf.sup, loop_now_ms() + 200);
	supvf_expect_state("p/0", VFM_NONE);
	o = supvf_result_of(1);
	cr_expect_str_eq(json_string_value(json_object_get(o, "state")), "none");
	json_decref(o);
	cr_expect_eq(supvf.fake->vf[vf].mac[5], 0, "it keeps the address");
	cr_expect_eq(sriov_clean(&supvf.h.sys, bdf), 0);
	cr_expect_eq(sriov_pool_count(supvf.sup->vf->pool, 0, SRIOV_FREE), 2);
	supvf_time_passes();
	supvf_expect_state("p/0", VFM_NONE);
	supvf_ask(2, "vf_assign", "{\"nic\": \"p/0\"}");
	cr_expect_gt(supvf_worker_answers(0, "vf_add", NULL), serial, "an old serial");
	json_decref(supvf_result_of(2));
	supvf_expect_state("p/0", VFM_OFFERED);
}

Test(mgmt_sup_vf_life, takes_a_vf_from_a_guest_that_does_not_give_it)
{
	supvf_begin(SUPVF_UPLINK(""));
	supvf_bring_up(0, "p/0");
	supvf_ask(1, "vf_revoke", "{\"nic\": \"p/0\"}");
	supvf_worker_answers(0, "vf_remove", NULL);
	supvf_time_passes();
	supvf_worker_answers(0, "vf_remove", "the device hangs");
	supvf_expect_state("p/0", VFM_NONE);
	json_decref(supvf_result_of(1));
}

Test(mgmt_sup_vf_life, cleans_up_after_a_dead_worker_and_gives_the_next_one_a_vf)
{
	unsigned int vf;

	supvf_begin(SUPVF_UPLINK(""));
	supvf_bring_up(0, "p/0");
	vf = supvf_nic("p/0")->vf->vf;
	supvf.h.is_group_open[vf] = true; /* the kernel is not done with it */
	fake_master(&supvf.h, supvf_nic("p/0")->vf->bdf);
	supvf_worker_dies(0);
	cr_expect(fake_has_filter(supvf.fake, supvf_mac_p), "first of all");
	supvf_expect_state("p/0", VFM_CLEANING);
	supvf_worker_up(0);
	supvf_expect_state("p/0", VFM_CLEANING);
	supvf.h.is_group_open[vf] = false;
	sup_vf_tick(supvf.sup, loop_now_ms() + 200);
	supvf_expect_state("p/0", VFM_PREPARING);
	supvf_worker_answers(0, "vf_add", NULL);
	supvf_expect_state("p/0", VFM_OFFERED);
	cr_expect_eq(sriov_pool_count(supvf.sup->vf->pool, 0, SRIOV_ASSIGNED), 1);
}

Test(mgmt_sup_vf_life, puts_what_cannot_be_cleaned_into_quarantine)
{
	json_t *o;

	supvf_begin(SUPVF_UPLINK(""));
	supvf_bring_up(0, "p/0");
	supvf.h.keeps_mastering = true;
	fake_master(&supvf.h, supvf_nic("p/0")->vf->bdf);
	supvf_worker_dies(0);
	supvf_expect_state("p/0", VFM_QUARANTINE);
	cr_expect_eq(supvf_nic("p/0")->cause, IOMMU_WHY_QUARANTINE);
	cr_expect(strstr(supvf_nic("p/0")->why, "bus mastering"), "%s", supvf_nic("p/0")->why);
	supvf_ask(1, "vf_list", "{}");
	o = supvf_result_of(1);
	cr_expect_eq(json_integer_value(json_object_get(
			     json_array_get(json_object_get(o, "pfs"), 0), "quarantine")),
		     1);
	json_decref(o);
	supvf.h.keeps_mastering = false;
	supvf_worker_up(0);
	supvf_worker_answers(0, "vf_add", NULL);
	supvf_expect_state("p/0", VFM_OFFERED);
	cr_expect_eq(sriov_pool_count(supvf.sup->vf->pool, 0, SRIOV_QUARANTINE), 1);
}

Test(mgmt_sup_vf_life, waits_only_so_long_until_a_vf_is_closed)
{
	supvf_begin(SUPVF_UPLINK(""));
	supvf_bring_up(0, "p/0");
	supvf.h.is_group_open[supvf_nic("p/0")->vf->vf] = true;
	supvf_worker_dies(0);
	supvf_time_passes();
	supvf_expect_state("p/0", VFM_QUARANTINE);
	cr_expect_eq(supvf_nic("p/0")->cause, IOMMU_WHY_BUSY, "%s", supvf_nic("p/0")->why);
}

Test(mgmt_sup_vf_life, moves_packets_to_the_switch_when_the_device_is_lost)
{
	supvf_begin(SUPVF_UPLINK(""));
	supvf_bring_up(0, "p/0");
	supvf_said(0, "p/0", "lost");
	supvf_worker_answers(0, "vf_remove", NULL);
	supvf_said(0, "p/0", "gone");
	cr_expect(fake_has_filter(supvf.fake, supvf_mac_p));
	supvf_expect_state("p/0", VFM_NONE);
	supvf_time_passes();
	supvf_expect_state("p/0", VFM_NONE);
	cr_expect(supvf_nic("p/0")->m.is_refused);
}

Test(mgmt_sup_vf_life, moves_packets_to_the_switch_when_the_guest_is_reset)
{
	supvf_begin(SUPVF_UPLINK(""));
	supvf_bring_up(0, "p/0");
	supvf_said(0, "p/0", "offered");
	cr_expect(fake_has_filter(supvf.fake, supvf_mac_p));
	supvf_expect_state("p/0", VFM_OFFERED);
}

Test(mgmt_sup_vf_life, keeps_the_filters_while_the_switch_is_restarted)
{
	supvf_begin(SUPVF_UPLINK(""));
	supvf_bring_up(0, "p/0");
	rpc_conn_fini(&supvf.sup->sw.conn);
	rpc_conn_fini(&supvf.sw);
	supvf.sup->sw.pid = 0;
	sup_on_death(&supvf.sup->sw, 9);
	supvf_expect_state("p/0", VFM_PATH_VF);
	cr_expect_not(fake_has_filter(supvf.fake, supvf_mac_p));
	supvf_play(&supvf.sup->sw, &supvf.sw);
	supvf.fake->is_promisc = true; /* as a device that is made does */
	supvf_switch_is_ready();
	cr_expect_not(supvf.fake->is_promisc);
	cr_expect(supvf_asks_path(0, "p/0", true), "the next switch asks for what is");
}

Test(mgmt_sup_vf_life, offers_again_when_a_worker_could_not)
{
	supvf_begin(SUPVF_UPLINK(""));
	supvf_worker_up(0);
	supvf_worker_answers(0, "vf_add", "group 5 is not viable");
	supvf_expect_state("p/0", VFM_NONE);
	cr_expect(strstr(supvf_nic("p/0")->why, "group 5"), "%s", supvf_nic("p/0")->why);
	cr_expect_eq(sriov_pool_count(supvf.sup->vf->pool, 0, SRIOV_FREE), 2);
	supvf_time_passes();
	supvf_expect_state("p/0", VFM_NONE);
	supvf_ask(1, "vf_assign", "{\"nic\": \"p/0\"}");
	supvf_worker_answers(0, "vf_add", "group 5 is not viable");
	supvf_expect_error(1, "group 5 is not viable");
}

Test(mgmt_sup_vf_life, ignores_what_is_said_of_a_vf_of_before)
{
	supvf_begin(SUPVF_UPLINK(""));
	supvf_bring_up(0, "p/0");
	supvf_deliver(0,
		      rpc_notify("vf_state", json_pack("{s:s, s:s, s:i}", "nic", "p/0", "state",
						       "lost", "serial", 4711)),
		      RPC_NOTIFY);
	supvf_expect_state("p/0", VFM_PATH_VF);
	supvf_said(1, "p/0", "lost");
	supvf_expect_state("p/0", VFM_PATH_VF);
	supvf_said(0, "p/7", "lost");
	supvf_said(0, "p/0", "tired");
	supvf_expect_state("p/0", VFM_PATH_VF);
}

Test(mgmt_sup_vf_life, answers_every_question_of_a_worker)
{
	struct rpc_msg m;

	supvf_begin(SUPVF_UPLINK(""));
	supvf_worker_up(0);
	supvf_worker_answers(0, "vf_add", NULL);
	cr_expect_not(supvf_asks_path(0, "q/0", false), "another partition's");
	cr_expect(supvf_asks_path(0, "p/0", false));
	supvf_deliver(0, rpc_request(5, "vf_path", json_pack("{s:s}", "nic", "p/0")), RPC_REQUEST);
	cr_assert(supvf_next(&supvf.worker[0], &m));
	cr_expect_eq(m.code, RPC_BAD_PARAMS);
	rpc_msg_fini(&m);
	supvf_deliver(0, rpc_request(6, "make_coffee", NULL), RPC_REQUEST);
	cr_assert(supvf_next(&supvf.worker[0], &m));
	cr_expect_eq(m.code, RPC_NO_METHOD);
	rpc_msg_fini(&m);
}
