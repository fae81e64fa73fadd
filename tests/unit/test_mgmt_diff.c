/* SPDX-License-Identifier: BSD-3-Clause */
/* From one configuration to another: what a running switch must do, in which order, and what it cannot. */
#include "mgmt/config_diff.h"

#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/err.h"

static const struct mgmt_host host = {.cpus = {0xf}, .default_image = "/dev/null"};
static struct mgmt_cfg *from, *to;
static struct mgmt_change change[MGMT_CHANGES_MAX];

static int diff(const char *a, const char *b)
{
	mgmt_config_free(from);
	mgmt_config_free(to);
	from = to = NULL;
	cr_assert_eq(mgmt_config_load(&from, "a", a, strlen(a), &host), 0, "%s", err_text());
	cr_assert_eq(mgmt_config_load(&to, "b", b, strlen(b), &host), 0, "%s", err_text());
	return mgmt_config_diff(from, to, change);
}

static void fini(void)
{
	mgmt_config_free(from);
	mgmt_config_free(to);
}

TestSuite(mgmt_diff, .fini = fini);

#define P(nics) "partitions: [{name: p, nics: [" nics "]}, {name: q, nics: [{}]}]\n"

Test(mgmt_diff, finds_nothing_where_nothing_differs)
{
	cr_expect_eq(diff(P("{}"), P("{index: 0}")), 0);
	cr_expect_eq(diff(P("{index: 1}, {index: 0}"), P("{index: 0}, {index: 1}")), 0);
	cr_expect_eq(diff(P("{vlan: {mode: trunk, allowed: [1, 2]}}"),
			  P("{vlan: {mode: trunk, allowed: [2, 1]}}")),
		     0);
}

Test(mgmt_diff, adds_before_it_links_before_it_removes)
{
	cr_assert_eq(diff(P("{index: 0}, {index: 1}, {index: 3}"),
			  P("{index: 7}, {index: 1, link: down}, {index: 0}, {index: 2}")),
		     4);
	cr_expect_eq(change[0].kind, MGMT_NIC_ADD);
	cr_expect_eq(*change[0].nic->index, 7);
	cr_expect_str_eq(change[0].part->name, "p");
	cr_expect_eq(change[1].kind, MGMT_NIC_ADD);
	cr_expect_eq(*change[1].nic->index, 2);
	cr_expect_eq(change[2].kind, MGMT_NIC_LINK);
	cr_expect_eq(*change[2].nic->index, 1);
	cr_expect(change[2].nic->link_down);
	cr_expect_eq(change[3].kind, MGMT_NIC_REMOVE);
	cr_expect_eq(*change[3].nic->index, 3);
}

Test(mgmt_diff, finds_a_link_that_comes_up)
{
	cr_assert_eq(diff(P("{link: down}"), P("{}")), 1);
	cr_expect_eq(change[0].kind, MGMT_NIC_LINK);
	cr_expect_not(change[0].nic->link_down);
}

Test(mgmt_diff, refuses_what_cannot_change_while_an_adapter_exists)
{
	static const char *const others[] = {
		P("{mac: 02:00:00:00:00:09}"),
		P("{mtu: 9000}"),
		P("{channels: 2}"),
		P("{vlan: {pvid: 3}}"),
		P("{vlan: {mode: trunk}}"),
		P("{allow_spoofing: true}"),
		P("{link_mbps: 10}"),
		P("{offload: false}"),
		P("{monitor: true}"),
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		cr_expect_eq(diff(P("{}"), others[i]), -EOPNOTSUPP, "row %zu", i);
		cr_expect(strstr(err_text(), "p/0"), "row %zu: %s", i, err_text());
	}
	cr_expect_eq(diff(P("{vlan: {mode: trunk, allowed: [1]}}"),
			  P("{vlan: {mode: trunk, allowed: [2]}}")),
		     -EOPNOTSUPP);
}

Test(mgmt_diff, refuses_other_partitions_and_uplinks)
{
	cr_expect_eq(diff(P(""), "partitions: [{name: p}]\n"), -EOPNOTSUPP);
	cr_expect_eq(diff("partitions: [{name: p}]\n", "partitions: [{name: q}]\n"), -EOPNOTSUPP);
	cr_expect_eq(diff(P(""), P("") "uplinks: [{name: u, devargs: net_null0}]\n"), -EOPNOTSUPP);
}
