/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration's keys for SR-IOV: mistakes, which PF an uplink has, and the trip through JSON. */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "tests/support/cfgbed.h"

#define PF_UPLINK "uplinks: [{name: u, devargs: net_null0, pf: e}]\n"

static const struct cfg_bad bad[] = {
	{PART "    nics: [{sriov: maybe}]\n", {"nics[0].sriov:", "\"maybe\"", "true, false"}},
	{PART "    nics:\n      - {}\n      - sriov: on\n",
	 {"f.yaml:5: partitions[0].nics[1].sriov:", "no uplink can have a PF", "net_af_packet"}},
	{PART "    nics: [{sriov: on}]\nuplinks: [{name: u, devargs: net_null0}]\n",
	 {"f.yaml:3: partitions[0].nics[0].sriov:", "no uplink can have a PF"}},
	{PART "    nics: [{sriov: on}]\n"
	      "uplinks: [{name: u, devargs: \"net_af_packet0,iface=x\", netns: n}]\n",
	 {"nics[0].sriov:", "no uplink can have a PF"}},
	{PART "    engine: ring3\n    nics: [{sriov: on}]\n" PF_UPLINK,
	 {"f.yaml:4: partitions[0].nics[0].sriov:", "engine ring3", "engine kvm"}},
	{PART "    nics: [{sriov: on, vlan: {mode: trunk}}]\n" PF_UPLINK,
	 {"f.yaml:3: partitions[0].nics[0].sriov:", "vlan.mode trunk", "access"}},
	{PART "uplinks:\n  - {name: u, devargs: net_null0, vfs: 2}\n",
	 {"f.yaml:4: uplinks[0].vfs:", "without a PF", "the key pf"}},
	{PART "uplinks:\n  - {name: u, devargs: net_null0, pf: e, vfs: 257}\n",
	 {"f.yaml:4: uplinks[0].vfs:", "\"257\"", "0..256 (VFs)"}},
	{PART "uplinks:\n  - name: u\n    devargs: net_null0\n    pf: 01:00.0\n",
	 {"f.yaml:6: uplinks[0].pf:", "found \"01:00.0\"", "0000:01:00.0"}},
	{PART "uplinks:\n  - {name: u, devargs: net_null0, pf: ../x}\n",
	 {"uplinks[0].pf:", "../x"}},
	{PART "uplinks:\n  - {name: u, devargs: net_null0, pf: an_interface_too_long}\n",
	 {"uplinks[0].pf:", "an interface"}},
	{PART "uplinks:\n  - {name: u, devargs: net_tap0, netns: n, pf: e}\n",
	 {"uplinks[0].pf:", "with netns", "without"}},
	{PART "uplinks:\n  - {name: u, devargs: net_null0, pf: e}\n"
	      "  - {name: v, devargs: \"net_af_packet0,blocksz=4096,iface=e\"}\n",
	 {"f.yaml:5: uplinks[1].devargs:", "found \"e\"", "uplinks[0]", "each once"}},
};

Test(mgmt_config_sriov, tells_where_and_what)
{
	cfg_refused(bad, sizeof(bad) / sizeof(bad[0]));
}

Test(mgmt_config_sriov, finds_the_pf_of_an_uplink)
{
	static const struct {
		const char *uplink, *pf;
	} row[] = {
		{"devargs: net_null0, pf: 0000:01:00.0", "0000:01:00.0"},
		{"devargs: net_null0, pf: enp1s0f0", "enp1s0f0"},
		{"devargs: \"net_af_packet0,iface=eth1\"", "eth1"},
		{"devargs: \"net_af_packet0,blocksz=4096,iface=eth1,qpairs=2\"", "eth1"},
		{"devargs: \"net_af_xdp0,iface=eth1\"", "eth1"},
		{"devargs: \"net_af_packet0,iface=eth1\", pf: eth2", "eth2"},
		{"devargs: \"net_af_packet0,iface=\"", NULL},
		{"devargs: \"net_af_packet0,xiface=eth1\"", NULL},
		{"devargs: \"net_tap0,iface=eth1\"", NULL},
		{"devargs: \"net_af_packet0,iface=eth1\", netns: n", NULL},
		{"devargs: net_null0", NULL},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char text[300], name[40] = "";
		struct mgmt_cfg *c;

		snprintf(text, sizeof(text), PART "uplinks: [{name: u, %s}]\n", row[i].uplink);
		cr_assert_eq(cfg_load(&c, text), 0, "row %zu: %s", i, err_text());
		cr_expect_eq(mgmt_uplink_pf(&c->uplinks[0], name, sizeof(name)), !!row[i].pf,
			     "row %zu", i);
		cr_expect(!row[i].pf || !strcmp(name, row[i].pf), "row %zu: %s", i, name);
		mgmt_config_free(c);
	}
}

static const char text[] = PART "    engine: kvm\n    nics: [{sriov: on}, {}, {sriov: on}]\n"
				"uplinks: [{name: u, devargs: net_null0, pf: e, vfs: 0}]\n";

static void expect_vfs(const struct mgmt_cfg *c)
{
	cr_expect_eq(mgmt_config_vfs(c), 2);
	cr_expect_str_eq(c->uplinks[0].pf, "e");
	cr_assert_not_null(c->uplinks[0].vfs);
	cr_expect_eq(*c->uplinks[0].vfs, 0);
}

Test(mgmt_config_sriov, keeps_what_is_said_of_vfs)
{
	cfg_kept(text, expect_vfs);
	cfg_written_as_read(text);
}
