/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether an adapter may have a VF by the configuration alone, and its tag on the wire. */
#include "mgmt/vf_fit.h"

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/err.h"

static const struct mgmt_host cpus = {.cpus = {0xf}, .default_image = "/dev/null"};

TestSuite(mgmt_vf_fit, .timeout = 60);

Test(mgmt_vf_fit, knows_what_only_the_switch_can_do)
{
	static const struct {
		const char *nic, *sw;
		enum iommu_why why;
	} row[] = {
		{"sriov: on", "", IOMMU_WHY_NONE},
		{"sriov: on, vlan: {pvid: 5}, mtu: 9000", "", IOMMU_WHY_NONE},
		{"limit: {in_mbps: 5}", "", IOMMU_WHY_NONE},
		{"sriov: on, limit: {in_mbps: 5}", "", IOMMU_WHY_POLICY},
		{"sriov: on, isolation: isolated", "", IOMMU_WHY_POLICY},
		{"sriov: on, link: down", "", IOMMU_WHY_POLICY},
		{"sriov: on", "switch: {mirrors: [{from: [p/0], to: p/1}]}", IOMMU_WHY_CAPTURE},
		{"sriov: on", "switch: {mirrors: [{from: [p/1], to: p/0}]}", IOMMU_WHY_CAPTURE},
		{"sriov: on", "switch: {mirrors: [{from: [p/1], to: u}]}", IOMMU_WHY_NONE},
		{"sriov: on",
		 "switch: {overlay: {uplink: u, local: 192.0.2.1, subnets: [{vsid: 5, ports: "
		 "[p/0]}]}}",
		 IOMMU_WHY_POLICY},
		{"sriov: on",
		 "switch: {overlay: {uplink: u, local: 192.0.2.1, subnets: [{vsid: 5, ports: "
		 "[p/1]}]}}",
		 IOMMU_WHY_NONE},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char text[600], detail[100];
		struct mgmt_cfg *c;

		snprintf(text, sizeof(text),
			 "%s\nuplinks: [{name: u, devargs: net_null0, pf: e}]\n"
			 "partitions: [{name: p, engine: kvm, nics: [{%s}, {}]}]\n",
			 row[i].sw, row[i].nic);
		cr_assert_eq(mgmt_config_load(&c, "f", text, strlen(text), &cpus), 0, "row %zu: %s",
			     i, err_text());
		cr_expect_eq(vf_hindrance(c, &c->partitions[0], &c->partitions[0].nics[0], detail,
					  sizeof(detail)),
			     row[i].why, "row %zu: %s", i, detail);
		cr_expect_eq(!detail[0], row[i].why == IOMMU_WHY_NONE);
		mgmt_config_free(c);
	}
}

Test(mgmt_vf_fit, finds_the_tag_on_the_wire)
{
	static const struct {
		const char *uplink, *nic;
		bool is_carried;
		uint16_t tag;
	} row[] = {
		{"mode: access", "pvid: 0", true, 0},
		{"mode: access", "pvid: 5", false, 0},
		{"pvid: 5", "pvid: 5", true, 0},
		{"pvid: 5", "pvid: 0", false, 0},
		{"mode: trunk", "pvid: 0", true, 0},
		{"mode: trunk", "pvid: 5", true, 5},
		{"mode: trunk, pvid: 5", "pvid: 5", true, 0},
		{"mode: trunk, pvid: 5", "pvid: 0", false, 0},
		{"mode: trunk, allowed: [4094]", "pvid: 4094", true, 4094},
		{"mode: trunk, allowed: [6]", "pvid: 5", false, 0},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct mgmt_cfg *c;
		char text[300];
		uint16_t tag;
		bool is_carried;

		snprintf(text, sizeof(text),
			 "uplinks: [{name: u, devargs: net_null0, vlan: {%s}}]\n"
			 "partitions: [{name: p, nics: [{vlan: {%s}}]}]\n",
			 row[i].uplink, row[i].nic);
		cr_assert_eq(mgmt_config_load(&c, "f", text, strlen(text), &cpus), 0, "row %zu: %s",
			     i, err_text());
		is_carried = vf_vlan(&c->uplinks[0], &c->partitions[0].nics[0], &tag);
		cr_expect_eq(is_carried, row[i].is_carried, "row %zu", i);
		cr_expect(!is_carried || tag == row[i].tag, "row %zu: %u", i, tag);
		mgmt_config_free(c);
	}
}
