/* SPDX-License-Identifier: BSD-3-Clause */
/* VFs as the supervisor makes them, counts them, shows them and follows the configuration. The life of one is
 * told by test_mgmt_sup_vf_life.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "tests/support/supvfbed.h"

TestSuite(mgmt_sup_vf, .init = supvf_setup, .fini = supvf_teardown, .timeout = 60);

/* ---- Beginning and end ---------------------------------------------------------------------- */

Test(mgmt_sup_vf, makes_as_many_vfs_as_adapters_ask_for_and_puts_all_back)
{
	char driver[SRIOV_NAME_MAX];

	supvf.fake->is_up = false;
	supvf_begin(SUPVF_UPLINK(""));
	supvf.fake->is_promisc = true;
	cr_expect_eq(supvf.fake->nr_vfs, 2);
	cr_expect(supvf.fake->is_up);
	supvf_driver_of(0, driver);
	cr_expect_str_eq(driver, "vfio-pci");
	cr_expect_eq(sriov_pool_count(supvf.sup->vf->pool, 0, SRIOV_FREE), 2);
	cr_expect(fake_has_filter(supvf.fake, supvf_mac_p) &&
			  fake_has_filter(supvf.fake, supvf_mac_q) &&
			  fake_has_filter(supvf.fake, supvf_mac_r),
		  "a synthetic adapter is deaf");
	supvf_end();
	cr_expect_eq(supvf.fake->nr_vfs, 0);
	cr_expect_not(supvf.fake->is_up);
	cr_expect_not(supvf.fake->is_promisc);
	cr_expect_eq(supvf.fake->nr_filters, 0);
}

Test(mgmt_sup_vf, leaves_a_host_alone_that_is_not_asked_for_vfs)
{
	struct mgmt_cfg *cfg;
	static const char text[] = "partitions: [{name: p, nics: [{}]}]\n"
				   "uplinks: [{name: u, devargs: \"net_af_packet0,iface=pf0\"}]\n";

	cr_assert_eq(mgmt_config_load(&cfg, "f", text, strlen(text), &supvf_cpus), 0);
	cr_assert_eq(sup_create(&supvf.sup, cfg, "f"), 0, "%s", err_text());
	cr_assert_eq(sup_vf_begin_on(supvf.sup, &supvf.h.sys, &supvf.nl_ops, &supvf.h), 0);
	cr_expect_null(supvf.sup->vf);
	cr_expect_null(sup_vf_json(supvf.sup));
	cr_expect_eq(supvf.h.nr_writes, 0);
}

Test(mgmt_sup_vf, takes_vfs_that_are_there_and_gives_them_back_as_they_were)
{
	char driver[SRIOV_NAME_MAX];

	cr_assert_eq(sriov_sys_write(&supvf.h.sys, "3", "/sys/bus/pci/devices/%s/sriov_numvfs",
				     supvf.fake->bdf),
		     0);
	supvf.fake->vf[0].vlan = 9;
	supvf_begin(SUPVF_UPLINK(""));
	cr_expect_eq(supvf.fake->nr_vfs, 3);
	supvf_bring_up(0, "p/0");
	cr_expect_eq(supvf.fake->vf[0].vlan, 0);
	supvf_worker_dies(0);
	supvf_expect_state("p/0", VFM_NONE);
	supvf_end();
	cr_expect_eq(supvf.fake->nr_vfs, 3);
	supvf_driver_of(0, driver);
	cr_expect_str_eq(driver, "igbvf");
	cr_expect_eq(supvf.fake->vf[0].vlan, 9);
	cr_expect_eq(supvf.fake->vf[0].mac[0], 6);
}

Test(mgmt_sup_vf, goes_on_without_vfs_where_there_are_none_and_says_why)
{
	json_t *o;

	fake_fail_write(&supvf.h, "/sriov_numvfs", FAKE_FAIL, -ENOMEM, -1);
	supvf_begin(SUPVF_UPLINK(""));
	supvf_worker_up(0);
	supvf_expect_state("p/0", VFM_NONE);
	cr_expect_eq(supvf_nic("p/0")->cause, IOMMU_WHY_VF_ENABLE);
	cr_expect(strstr(supvf_nic("p/0")->why, "-> switch on SR-IOV and MMIO above 4 GiB"), "%s",
		  supvf_nic("p/0")->why);
	supvf_ask(1, "vf_list", "{}");
	o = supvf_result_of(1);
	cr_expect(strstr(json_string_value(json_object_get(
				 json_array_get(json_object_get(o, "pfs"), 0), "why")),
			 "vf-enable-failed"));
	json_decref(o);
}

Test(mgmt_sup_vf, does_not_change_the_number_while_somebody_uses_a_vf)
{
	cr_assert_eq(sriov_sys_write(&supvf.h.sys, "1", "/sys/bus/pci/devices/%s/sriov_numvfs",
				     supvf.fake->bdf),
		     0);
	supvf.h.is_group_open[0] = true;
	supvf.fake->is_up = false;
	supvf_begin(SUPVF_UPLINK(""));
	cr_expect_eq(supvf.fake->nr_vfs, 1);
	cr_expect(supvf.fake->is_up, "nobody hears the uplink");
	cr_expect_eq(sriov_pool_count(supvf.sup->vf->pool, 0, SRIOV_FREE), 0, "it is somebody's");
	supvf_worker_up(0);
	cr_expect_eq(supvf_nic("p/0")->cause, IOMMU_WHY_VF_NONE_FREE, "%s", supvf_nic("p/0")->why);
	supvf.h.is_group_open[0] = false;
}

/* ---- More than there is --------------------------------------------------------------------- */

Test(mgmt_sup_vf, gives_a_freed_vf_to_who_waits_for_one)
{
	supvf_begin(SUPVF_UPLINK(", vfs: 1"));
	cr_expect_eq(supvf.fake->nr_vfs, 1);
	supvf_bring_up(0, "p/0");
	supvf_worker_up(1);
	supvf_expect_state("q/0", VFM_NONE);
	cr_expect_eq(supvf_nic("q/0")->cause, IOMMU_WHY_VF_NONE_FREE, "%s", supvf_nic("q/0")->why);
	supvf_worker_dies(0);
	supvf_expect_state("p/0", VFM_NONE);
	supvf_time_passes();
	supvf_expect_state("q/0", VFM_PREPARING);
	supvf_worker_answers(1, "vf_add", NULL);
	supvf_expect_state("q/0", VFM_OFFERED);
}

Test(mgmt_sup_vf, gives_no_vf_when_the_address_has_no_filter)
{
	for (unsigned int i = 0; i < 21; i++) /* 21 fit; they are others' */
		memcpy(supvf.fake->filter[supvf.fake->nr_filters++],
		       (uint8_t[6]){4, 0, 0, 0, 0, (uint8_t)i}, 6);
	supvf_begin(SUPVF_UPLINK(""));
	supvf_worker_up(0);
	supvf_expect_state("p/0", VFM_NONE);
	cr_expect_eq(supvf_nic("p/0")->cause, IOMMU_WHY_FILTERS_FULL, "%s", supvf_nic("p/0")->why);
	cr_expect_eq(sriov_pool_count(supvf.sup->vf->pool, 0, SRIOV_FREE), 2);
}

Test(mgmt_sup_vf, gives_no_vf_of_an_uplink_without_its_vlan)
{
	supvf_begin(
		"uplinks: [{name: u, devargs: net_null0, pf: pf0, vlan: {mode: trunk, allowed: [7]}}]\n");
	supvf_worker_up(1);
	supvf_expect_state("q/0", VFM_NONE);
	cr_expect(strstr(supvf_nic("q/0")->why, "does not carry VLAN 5"), "%s",
		  supvf_nic("q/0")->why);
	cr_expect_eq(sriov_pool_count(supvf.sup->vf->pool, 0, SRIOV_FREE), 2);
}

Test(mgmt_sup_vf, gives_no_vf_whose_settings_do_not_take)
{
	supvf_begin(SUPVF_UPLINK(""));
	fake_fail_nl(&supvf.h, FAKE_SET(SRIOV_MAC), FAKE_IGNORE, 0, 1);
	supvf_worker_up(0);
	supvf_expect_state("p/0", VFM_NONE);
	cr_expect_eq(supvf_nic("p/0")->cause, IOMMU_WHY_VF_CONFIG, "%s", supvf_nic("p/0")->why);
	cr_expect(strstr(supvf_nic("p/0")->why, "expected MAC 02:00:00:00:00:01"), "%s",
		  supvf_nic("p/0")->why);
	cr_expect_eq(sriov_pool_count(supvf.sup->vf->pool, 0, SRIOV_FREE), 2);
}

/* ---- Operators ------------------------------------------------------------------------------ */

Test(mgmt_sup_vf, shows_pfs_vfs_and_adapters)
{
	json_t *o, *p;

	supvf_begin(SUPVF_UPLINK(""));
	supvf_bring_up(0, "p/0");
	supvf_ask(1, "vf_list", "{}");
	o = supvf_result_of(1);
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

	supvf_begin(SUPVF_UPLINK(""));
	fake_fail_nl(&supvf.h, FAKE_SET(SRIOV_MAC), FAKE_FAIL, -EINVAL, 1);
	supvf_worker_up(0);
	writes = supvf.h.nr_writes;
	supvf_ask(1, "vf_assign", "{\"nic\": \"p/0\", \"dry_run\": true}");
	o = supvf_result_of(1);
	cr_expect_geq(json_array_size(json_object_get(o, "steps")), 4);
	json_decref(o);
	supvf_expect_state("p/0", VFM_NONE);
	cr_expect_eq(supvf.h.nr_writes, writes);
	supvf_ask(2, "vf_assign", "{\"nic\": \"p/0\"}");
	supvf_worker_answers(0, "vf_add", NULL);
	json_decref(supvf_result_of(2));
	supvf_ask(3, "vf_revoke", "{\"nic\": \"p/0\", \"dry_run\": true}");
	o = supvf_result_of(3);
	cr_expect_eq(json_array_size(json_object_get(o, "steps")), 4);
	json_decref(o);
	supvf_expect_state("p/0", VFM_OFFERED);
}

Test(mgmt_sup_vf, refuses_what_makes_no_sense)
{
	supvf_begin(SUPVF_UPLINK(""));
	supvf_ask(1, "vf_assign", "{\"nic\": \"p/9\"}");
	supvf_expect_error(1, "no adapter p/9");
	supvf_ask(2, "vf_assign", "{\"partition\": \"p\"}");
	supvf_expect_error(2, "which adapter");
	supvf_ask(3, "vf_assign", "{\"nic\": \"p/0\"}");
	supvf_expect_error(3, "the partition does not run");
	supvf_ask(4, "vf_assign", "{\"nic\": \"q/1\"}");
	supvf_expect_error(4, "no sriov: on");
	supvf_worker_up(0);
	supvf_ask(5, "vf_assign", "{\"nic\": \"p/0\"}");
	supvf_ask(6, "vf_revoke", "{\"nic\": \"p/0\"}");
	supvf_expect_error(6, "another assign or revoke");
	supvf_worker_answers(0, "vf_add", NULL);
	json_decref(supvf_result_of(5));
}

/* ---- The configuration ---------------------------------------------------------------------- */

Test(mgmt_sup_vf, iov_9_takes_the_vf_away_while_a_policy_applies)
{
	supvf_begin(SUPVF_UPLINK(""));
	supvf_bring_up(0, "p/0");
	supvf_ask(1, "policy_set", "{\"port\": \"p/0\", \"policy\": {\"guards\": [\"dhcp\"]}}");
	supvf_switch_says_yes();
	supvf_expect_state("p/0", VFM_REVOKING);
	cr_expect_eq(supvf_nic("p/0")->cause, IOMMU_WHY_POLICY);
	supvf_said_why(0, "p/0", "unwanted", "policy"); /* the switch has seen it, too */
	cr_expect(strstr(supvf_nic("p/0")->why, "(policies of port p/0) [policy] -> take the"),
		  "%s", supvf_nic("p/0")->why);
	supvf_worker_answers(0, "vf_remove", NULL);
	supvf_said(0, "p/0", "gone");
	supvf_expect_state("p/0", VFM_NONE);
	supvf_ask(2, "vf_assign", "{\"nic\": \"p/0\"}");
	supvf_expect_error(2, "a policy of the port applies");
	supvf_ask(1, "policy_set", "{\"port\": \"p/0\", \"policy\": {\"guards\": null}}");
	supvf_switch_says_yes();
	supvf_worker_answers(0, "vf_add", NULL);
	supvf_expect_state("p/0", VFM_OFFERED);
}

Test(mgmt_sup_vf, iov_9_takes_the_vf_away_when_the_switch_does_not_allow_it)
{
	supvf_begin(SUPVF_UPLINK(""));
	supvf_bring_up(0, "p/0");
	supvf_said_why(0, "p/0", "unwanted", "extension");
	supvf_expect_state("p/0", VFM_REVOKING);
	cr_expect(strstr(supvf_nic("p/0")->why, "(extension) [policy] -> "), "%s",
		  supvf_nic("p/0")->why);
	supvf_worker_answers(0, "vf_remove", NULL);
	supvf_said(0, "p/0", "gone");
	supvf_expect_state("p/0", VFM_NONE);
	supvf_ask(1, "vf_assign", "{\"nic\": \"p/0\"}");
	supvf_worker_answers(0, "vf_add", NULL);
	supvf_expect_state("p/0", VFM_OFFERED);
}

Test(mgmt_sup_vf, follows_adapters_that_come_and_go)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};

	supvf_begin(SUPVF_UPLINK(", vfs: 4"));
	supvf_bring_up(0, "p/0");
	supvf_ask(
		1, "nic_add",
		"{\"partition\": \"p\", \"nic\": {\"mac\": \"02:00:00:00:00:09\", \"sriov\": true}}");
	supvf_switch_says_yes();
	cr_expect(fake_has_filter(supvf.fake, mac));
	supvf_worker_answers(0, "vf_add", NULL);
	supvf_expect_state("p/1", VFM_OFFERED);
	supvf_ask(1, "nic_remove", "{\"nic\": \"p/1\"}");
	supvf_switch_says_yes();
	supvf_expect_state("p/1", VFM_REVOKING);
	supvf_worker_answers(0, "vf_remove", NULL);
	supvf_said(0, "p/1", "gone");
	cr_expect_null(vf_nic_find(supvf.sup->vf, "p/1"));
	cr_expect_not(fake_has_filter(supvf.fake, mac));
	cr_expect_eq(sriov_pool_count(supvf.sup->vf->pool, 0, SRIOV_ASSIGNED), 1);
	supvf_expect_state("p/0", VFM_PATH_VF);
}
