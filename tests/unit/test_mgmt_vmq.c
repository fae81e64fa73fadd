/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration's keys for queues of uplinks: mistakes, what is kept, and what changes at run time. */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "mgmt/config_diff.h"
#include "tests/support/cfgbed.h"

#define UP(keys)  PART "uplinks:\n  - {name: u, devargs: net_null0, " keys "}\n"
#define NIC(keys) "switch: {lcores: [1, 3]}\n" PART "    nics: [{}, {vmq: {" keys "}}]\n"

static const struct cfg_bad bad[] = {
	{UP("vmq: {provider: hardware}"),
	 {"f.yaml:4: uplinks[0].vmq.provider:", "\"hardware\"", "auto, vmdq, flow, software"}},
	{UP("vmq: {provider: VMDq}"), {"uplinks[0].vmq.provider:", "\"VMDq\""}},
	{UP("vmq: {queues: 0}"), {"f.yaml:4: uplinks[0].vmq.queues:", "\"0\"", "1..127 (queues)"}},
	{UP("vmq: {queues: 128}"), {"uplinks[0].vmq.queues:", "\"128\"", "1..127 (queues)"}},
	{UP("vmq: {queues: all}"), {"uplinks[0].vmq.queues:", "\"all\""}},
	{UP("vmq: {direct: perhaps}"),
	 {"f.yaml:4: uplinks[0].vmq.direct:", "\"perhaps\"", "true, false"}},
	{UP("vmq: {lcore: 1}"), {"f.yaml:4: uplinks[0].vmq: found unknown key \"lcore\""}},
	{UP("vmq: {enabled: no}"), {"f.yaml:4: uplinks[0].vmq: found unknown key \"enabled\""}},
	{UP("vmq: on"), {"f.yaml:4: uplinks[0].vmq"}},
	{UP("queues: 2, vmq: {}"),
	 {"f.yaml:4: uplinks[0].queues:", "found beside vmq", "vmq.queues"}},
	{NIC("enabled: perhaps"),
	 {"f.yaml:4: partitions[0].nics[1].vmq.enabled:", "\"perhaps\"", "true, false"}},
	{NIC("queues: 0"), {"f.yaml:4: partitions[0].nics[1].vmq.queues:", "1..16 (queues)"}},
	{NIC("queues: 17"), {"partitions[0].nics[1].vmq.queues:", "\"17\"", "1..16 (queues)"}},
	{NIC("direct: 2"), {"partitions[0].nics[1].vmq.direct:", "\"2\"", "true, false"}},
	{NIC("provider: vmdq"),
	 {"f.yaml:4: partitions[0].nics[1].vmq: found unknown key \"provider\""}},
	{NIC("lcore: -1"), {"partitions[0].nics[1].vmq.lcore:", "\"-1\"", "0..1023"}},
	{NIC("lcore: 1024"), {"partitions[0].nics[1].vmq.lcore:", "\"1024\"", "a CPU number"}},
	{NIC("lcore: any"), {"partitions[0].nics[1].vmq.lcore:", "\"any\""}},
	{NIC("lcore: 2"),
	 {"f.yaml:4: partitions[0].nics[1].vmq.lcore:", "found CPU 2, which polls nothing",
	  "one of switch.lcores"}},
	{PART "    nics: [{vmq: {lcore: 1}}]\n",
	 {"f.yaml:3: partitions[0].nics[0].vmq.lcore:", "no switch.lcores"}},
};

Test(mgmt_vmq, tells_where_and_what)
{
	cfg_refused(bad, sizeof(bad) / sizeof(bad[0]));
}

Test(mgmt_vmq, vmq_11_queues_of_an_uplink_are_for_adapters_or_spread_not_both)
{
	struct mgmt_cfg *c;

	cfg_refused(&(const struct cfg_bad){UP("queues: 2, vmq: {}"),
					    {"uplinks[0].queues:", "found beside vmq"}},
		    1);
	cr_assert_eq(cfg_load(&c, UP("queues: 2")), 0, "%s", err_text());
	mgmt_config_free(c);
	cr_assert_eq(cfg_load(&c, UP("vmq: {queues: 2}")), 0, "%s", err_text());
	mgmt_config_free(c);
}

static void expect_defaults(const struct mgmt_cfg *c)
{
	const struct mgmt_nic_vmq *n = &c->partitions[0].nics[0].vmq;

	cr_expect_null(c->uplinks[0].vmq);
	cr_assert_not_null(c->uplinks[1].vmq);
	cr_expect_eq(c->uplinks[1].vmq->provider, VMQ_PROVIDER_AUTO);
	cr_expect_eq(c->uplinks[1].vmq->queues, 0);
	cr_expect_not(c->uplinks[1].vmq->no_direct);
	cr_expect_not(n->is_off);
	cr_expect_not(n->no_direct);
	cr_expect_eq(n->queues, 0);
	cr_expect_null(n->lcore);
}

Test(mgmt_vmq, is_on_with_its_defaults_where_the_key_is_there)
{
	cfg_kept(PART "    nics: [{}]\nuplinks: [{name: u, devargs: net_null0}, "
		      "{name: v, devargs: net_null1, vmq: {}}]\n",
		 expect_defaults);
}

static const char all[] =
	"switch: {lcores: [0, 3]}\n" PART
	"    nics: [{vmq: {enabled: off, direct: no}}, {vmq: {queues: 16, lcore: 0}}]\n"
	"uplinks: [{name: u, devargs: net_null0, queues: 1, vmq: {provider: software, queues: 127, "
	"direct: off}}]\n";

static void expect_all(const struct mgmt_cfg *c)
{
	const struct mgmt_nic *n = c->partitions[0].nics;

	cr_expect(n[0].vmq.is_off);
	cr_expect(n[0].vmq.no_direct);
	cr_expect_null(n[0].vmq.lcore);
	cr_expect_not(n[1].vmq.is_off);
	cr_expect_eq(n[1].vmq.queues, 16);
	cr_assert_not_null(n[1].vmq.lcore);
	cr_expect_eq(*n[1].vmq.lcore, 0);
	cr_assert_not_null(c->uplinks[0].vmq);
	cr_expect_eq(c->uplinks[0].vmq->provider, VMQ_PROVIDER_SOFTWARE);
	cr_expect_eq(c->uplinks[0].vmq->queues, 127);
	cr_expect(c->uplinks[0].vmq->no_direct);
}

Test(mgmt_vmq, keeps_what_is_said)
{
	cfg_kept(all, expect_all);
	cfg_written_as_read(all);
}

/* ---- At run time ----------------------------------------------------------------------------- */

static struct mgmt_cfg *from, *to;
static struct mgmt_change change[MGMT_CHANGES_MAX];

static void forget(void)
{
	mgmt_config_free(from);
	mgmt_config_free(to);
	from = to = NULL;
}

/* The first adapter has the keys @a, then @b. */
static int diff(const char *a, const char *b)
{
	static const char form[] =
		"switch: {lcores: [1, 3]}\n" PART "    nics: [{vmq: {%s}}, {vmq: {lcore: 3}}]\n";
	char text[2][200];

	forget();
	snprintf(text[0], sizeof(text[0]), form, a);
	snprintf(text[1], sizeof(text[1]), form, b);
	cr_assert_eq(cfg_load(&from, text[0]), 0, "%s", err_text());
	cr_assert_eq(cfg_load(&to, text[1]), 0, "%s", err_text());
	return mgmt_config_diff(from, to, change);
}

Test(mgmt_vmq, each_key_of_an_adapter_can_change_at_run_time, .fini = forget)
{
	static const char *const keys[] = {"enabled: off", "queues: 2", "lcore: 1", "direct: off"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		for (int way = 0; way < 2; way++) {
			const char *a = way ? keys[i] : "", *b = way ? "" : keys[i];

			cr_assert_eq(diff(a, b), 1, "%s", keys[i]);
			cr_expect_eq(change[0].kind, MGMT_NIC_VMQ, "%s", keys[i]);
			cr_expect_eq(change[0].nic, &to->partitions[0].nics[0], "%s", keys[i]);
			cr_expect_eq(change[0].part, &to->partitions[0], "%s", keys[i]);
		}
	cr_expect_eq(diff("lcore: 1", "lcore: 3"), 1);
	cr_expect_eq(diff("queues: 2", "queues: 3"), 1);
	cr_expect_eq(diff("lcore: 1, enabled: off", "enabled: on, queues: 4"), 1);
}

Test(mgmt_vmq, finds_nothing_where_keys_mean_the_same, .fini = forget)
{
	cr_expect_eq(diff("", "enabled: true, direct: yes"), 0);
	cr_expect_eq(diff("lcore: 1, queues: 2", "queues: 2, lcore: 1"), 0);
}

Test(mgmt_vmq, an_adapter_changes_after_all_that_can_fail_and_before_it_is_removed, .fini = forget)
{
	cr_assert_eq(cfg_load(&from, PART "    nics: [{}, {index: 4}]\n"), 0, "%s", err_text());
	cr_assert_eq(cfg_load(&to,
			      PART "    nics: [{vmq: {enabled: off}, link: down, guards: [dhcp]}, "
				   "{index: 2, vmq: {queues: 2}}]\n"),
		     0, "%s", err_text());
	cr_assert_eq(mgmt_config_diff(from, to, change), 5);
	cr_expect_eq(change[0].kind, MGMT_NIC_ADD);
	cr_expect_eq(change[1].kind, MGMT_POLICY);
	cr_expect_eq(change[2].kind, MGMT_NIC_LINK);
	cr_expect_eq(change[3].kind, MGMT_NIC_VMQ);
	cr_expect_eq(*change[3].nic->index, 0);
	cr_expect_eq(change[4].kind, MGMT_NIC_REMOVE);
}
