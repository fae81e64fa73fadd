/* SPDX-License-Identifier: BSD-3-Clause */
/* From one configuration to another: what a running switch must do, in which order, and what it cannot. */
#include "mgmt/config_diff.h"

#include <errno.h>
#include <stdio.h>
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

#define PF_UPLINK "uplinks: [{name: u, devargs: net_null0, pf: e}]\n"
#define P(nics)	  "partitions: [{name: p, nics: [" nics "]}, {name: q, nics: [{}]}]\n"

Test(mgmt_diff, finds_nothing_where_nothing_differs)
{
	cr_expect_eq(diff(P("{}"), P("{index: 0}")), 0);
	cr_expect_eq(diff(P("{index: 1}, {index: 0}"), P("{index: 0}, {index: 1}")), 0);
	cr_expect_eq(diff(P("{vlan: {mode: trunk, allowed: [1, 2]}}"),
			  P("{vlan: {mode: trunk, allowed: [2, 1]}}")),
		     0);
}

/* No change at run time can name it, and the switch has nothing to do with it. */
Test(mgmt_diff, finds_nothing_for_the_switch_in_a_wake_latency)
{
	cr_expect_eq(diff(P("{}"), "switch: {wake_latency_us: 0}\n" P("{}")), 0);
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
	cr_expect_eq(diff(P("{}") PF_UPLINK, P("{sriov: on}") PF_UPLINK), -EOPNOTSUPP);
	cr_expect(strstr(err_text(), "p/0"), "%s", err_text());
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

#define E(list) "switch: {extensions: [" list "]}\npartitions: [{name: p, nics: [{}, {}]}]\n"
#define X(name) "{path: builtin:" name "}"

/* Expects the changes to be these: pairs of kind and name; "": of none. */
static void expect(const char *a, const char *b, int n, const enum mgmt_change_kind *kind,
		   const char *const *name)
{
	cr_assert_eq(diff(a, b), n, "%d changes from\n%s\nto\n%s", diff(a, b), a, b);
	for (int i = 0; i < n; i++) {
		cr_expect_eq(change[i].kind, kind[i], "change %d is %d", i, change[i].kind);
		cr_expect_str_eq(change[i].ext ? change[i].ext->name : "", name[i]);
	}
}

#define EXPECT(a, b, kinds, ...)                                              \
	do {                                                                  \
		static const enum mgmt_change_kind kind_[] = kinds;           \
		static const char *const name_[] = {__VA_ARGS__};             \
		expect(a, b, sizeof(kind_) / sizeof(kind_[0]), kind_, name_); \
	} while (0)
#define K(...)              \
	{                   \
		__VA_ARGS__ \
	}

Test(mgmt_diff, loads_and_unloads_extensions)
{
	EXPECT(E(""), E(X("a")), K(MGMT_EXT_LOAD, MGMT_EXT_ORDER), "a", "");
	cr_expect_null(change[0].was);
	EXPECT(E(X("a")), E(""), K(MGMT_EXT_UNLOAD), "a");
	EXPECT(E(X("a")), E(X("b")), K(MGMT_EXT_LOAD, MGMT_EXT_ORDER, MGMT_EXT_UNLOAD), "b", "",
	       "a");
	cr_expect_eq(change[2].ext, &from->sw.exts[0]);
}

Test(mgmt_diff, finds_nothing_where_extensions_mean_the_same)
{
	cr_expect_eq(diff(E("{path: builtin:a}"), E("{path: builtin:a, name: a, budget_us: 1000}")),
		     0);
	cr_expect_eq(diff(E("{path: builtin:a, config: {x: 1, y: [2]}}"),
			  E("{path: builtin:a, config: {y: [2], x: 1}}")),
		     0);
	cr_expect_eq(diff(E("{path: builtin:a, config: {}}"), E("{path: builtin:a}")), 0);
	cr_expect_eq(diff(E("{path: builtin:a, ports: [p/0, p/1]}"),
			  E("{path: builtin:a, ports: [p/1, p/0, p/1]}")),
		     0);
	cr_expect_eq(diff(E(X("a") ", " X("b") ", " X("c")), E(X("a") ", " X("b") ", " X("c"))), 0);
}

Test(mgmt_diff, orders_extensions_only_when_those_that_stay_are_in_another_order)
{
	EXPECT(E(X("a") ", " X("b")), E(X("b") ", " X("a")), K(MGMT_EXT_ORDER), "");
	EXPECT(E(X("a") ", " X("b") ", " X("c")), E(X("a") ", " X("c")), K(MGMT_EXT_UNLOAD), "b");
	EXPECT(E(X("a") ", " X("b") ", " X("c")), E(X("b") ", " X("c")), K(MGMT_EXT_UNLOAD), "a");
	EXPECT(E(X("a") ", " X("b") ", " X("c")), E(X("c") ", " X("b")),
	       K(MGMT_EXT_ORDER, MGMT_EXT_UNLOAD), "", "a");
}

Test(mgmt_diff, upgrades_for_what_an_instance_is_made_with)
{
	static const char *const others[] = {
		E("{name: a, path: builtin:b}"),
		E("{path: builtin:a, revision: 1}"),
		E("{path: builtin:a, budget_us: 999}"),
		E("{path: builtin:a, on_fault: drop}"),
		E("{path: builtin:a, ports: [p/0]}"),
		E("{path: builtin:a, allow_imports: [puts]}"),
		E("{path: builtin:a, allow_imports: [puts], config: {x: 1}}"),
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		EXPECT(E(X("a")), others[i], K(MGMT_EXT_UPGRADE), "a");
		cr_expect_eq(change[0].ext, &to->sw.exts[0]);
		cr_expect_eq(change[0].was, &from->sw.exts[0]);
	}
	EXPECT(E("{path: builtin:a, ports: [p/0]}"), E("{path: builtin:a, ports: [p/1]}"),
	       K(MGMT_EXT_UPGRADE), "a");
	EXPECT(E("{path: builtin:a, ports: [p/0]}"), E("{path: builtin:a}"), K(MGMT_EXT_UPGRADE),
	       "a");
}

Test(mgmt_diff, configures_enables_and_disables_extensions)
{
	EXPECT(E(X("a")), E("{path: builtin:a, config: {x: 1}}"), K(MGMT_EXT_CONFIGURE), "a");
	EXPECT(E("{path: builtin:a, config: {x: 1}}"), E("{path: builtin:a, config: {x: \"1\"}}"),
	       K(MGMT_EXT_CONFIGURE), "a");
	EXPECT(E(X("a")), E("{path: builtin:a, enabled: no}"), K(MGMT_EXT_DISABLE), "a");
	EXPECT(E("{path: builtin:a, enabled: no}"), E(X("a")), K(MGMT_EXT_ENABLE), "a");
	EXPECT(E("{path: builtin:a, enabled: no}"), E("{path: builtin:a, budget_us: 20}"),
	       K(MGMT_EXT_UPGRADE, MGMT_EXT_ENABLE), "a", "a");
}

Test(mgmt_diff, adds_ports_before_extensions_and_removes_them_after)
{
	EXPECT("switch: {extensions: [{path: builtin:a, ports: [p/0]}]}\n" P("{}"),
	       "switch: {extensions: [{path: builtin:b, ports: [p/1]}]}\n" P("{index: 1}"),
	       K(MGMT_NIC_ADD, MGMT_EXT_LOAD, MGMT_EXT_ORDER, MGMT_EXT_UNLOAD, MGMT_NIC_REMOVE), "",
	       "b", "", "a", "");
}

Test(mgmt_diff, has_room_for_every_extension_to_change)
{
	char a[4096] = "switch:\n  extensions:\n", b[4096] = "switch:\n  extensions:\n";

	for (unsigned int i = 0; i < MGMT_EXTS_MAX; i++) {
		char line[80];

		snprintf(line, sizeof(line), "    - {path: \"builtin:a%u\", enabled: no}\n", i);
		strcat(a, line);
		snprintf(line, sizeof(line), "    - {path: \"builtin:a%u\", revision: 2}\n",
			 MGMT_EXTS_MAX - 1 - i);
		strcat(b, line);
	}
	strcat(a, "partitions: [{name: p}]\n");
	strcat(b, "partitions: [{name: p}]\n");
	cr_expect_eq(diff(a, b), 2 * (int)MGMT_EXTS_MAX + 1);
	cr_expect_eq(change[2 * MGMT_EXTS_MAX].kind, MGMT_EXT_ORDER);
}

#define U(keys, nics)                                                                           \
	"uplinks: [{name: u, devargs: net_null0" keys "}]\npartitions: [{name: p, nics: [" nics \
	"]}]\n"

/* The ports whose policies change, as "u p/0". */
static const char *policies(const char *a, const char *b)
{
	static char text[200];
	int n = diff(a, b);

	cr_assert_geq(n, 0, "%s", err_text());
	text[0] = 0;
	for (int i = 0; i < n; i++)
		if (change[i].kind == MGMT_POLICY)
			strcat(strcat(text, text[0] ? " " : ""), change[i].port);
	return text;
}

Test(mgmt_diff, finds_the_ports_whose_policies_change)
{
	static const char *const keys[] = {
		"acl: [{way: in, action: deny}]",
		"acl_default: {other_in: deny}",
		"acl_connections: {max: 100}",
		"guards: [dhcp]",
		"limit: {out_pps: 9}",
		"storm: {broadcast_pps: 9}",
		"share_mbps: 7",
	};
	char text[300];

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(text, sizeof(text), U("", "{}, {%s}"), keys[i]);
		cr_expect_str_eq(policies(U("", "{}, {}"), text), "p/1", "%s", keys[i]);
		cr_expect_str_eq(policies(text, U("", "{}, {}")), "p/1", "%s", keys[i]);
		cr_expect_str_eq(policies(text, text), "");
		snprintf(text, sizeof(text), U(", %s", "{}, {}"), keys[i]);
		cr_expect_str_eq(policies(U("", "{}, {}"), text), "u", "%s", keys[i]);
	}
	cr_expect_str_eq(policies(U("", "{limit: {}, acl: [], guards: []}"), U("", "{}")), "");
}

Test(mgmt_diff, gives_every_port_a_policy_when_one_has_a_role)
{
	cr_expect_str_eq(policies(U("", "{}, {}"), U("", "{}, {isolation: isolated}")),
			 "u p/0 p/1");
	cr_expect_str_eq(
		policies(U("", "{isolation: isolated}"), U("", "{isolation: community 2}")),
		"u p/0");
	cr_expect_str_eq(policies(U("", "{}, {isolation: isolated}"), U("", "{}")), "u p/0");
}

Test(mgmt_diff, tells_those_who_share_of_every_minimum)
{
	cr_expect_str_eq(
		policies(U(", share_mbps: 9", "{}, {}"), U(", share_mbps: 9", "{}, {min_mbps: 3}")),
		"u");
	cr_expect_str_eq(
		policies(U(", share_mbps: 9", "{min_mbps: 3}"), U(", share_mbps: 9", "{}")), "u");
	cr_expect_str_eq(policies(U(", share_mbps: 9", "{min_mbps: 3}"),
				  U(", share_mbps: 9", "{min_mbps: 3, index: 1}")),
			 "u");
}

Test(mgmt_diff, gives_a_new_adapter_its_policy_after_it_was_added)
{
	cr_assert_eq(diff(P("{}"), P("{}, {guards: [dhcp]}")), 2);
	cr_expect_eq(change[0].kind, MGMT_NIC_ADD);
	cr_expect_eq(change[1].kind, MGMT_POLICY);
	cr_expect_str_eq(change[1].port, "p/1");
}

#define M(list) "switch: {mirrors: [" list "]}\npartitions: [{name: p, nics: [{}, {}]}]\n"

Test(mgmt_diff, finds_other_mirrors)
{
	static const char one[] = M("{from: [p/0], to: p/1}");

	cr_expect_eq(diff(one, M("{from: [p/0], to: p/1, way: both, drops: false}")), 0);
	cr_expect_eq(diff(M(""), "partitions: [{name: p, nics: [{}, {}]}]\n"), 0);
	EXPECT(one, M("{from: [p/0], to: p/1, drops: true}"), K(MGMT_MIRRORS), "");
	EXPECT(one, M(""), K(MGMT_MIRRORS), "");
	EXPECT(M(""), one, K(MGMT_MIRRORS), "");
	EXPECT(M(""),
	       "switch: {mirrors: [{from: [p/0], to: p/2}]}\npartitions: [{name: p, nics: [{}, {}, {}]}]\n",
	       K(MGMT_NIC_ADD, MGMT_MIRRORS), "", "");
}

#define O(text)          \
	"switch: {" text \
	"}\nuplinks: [{name: u, devargs: net_null0}]\npartitions: [{name: p, nics: [{}]}]\n"

Test(mgmt_diff, finds_another_overlay)
{
	static const char one[] = O("overlay: {uplink: u, local: 192.0.2.1, subnets: [{vsid: 5}]}");

	cr_expect_eq(
		diff(one,
		     O("overlay: {local: 192.0.2.1, subnets: [{vsid: 5}], uplink: u, vlan: 0}")),
		0);
	EXPECT(one, O("overlay: {uplink: u, local: 192.0.2.1, subnets: [{vsid: 6}]}"),
	       K(MGMT_OVERLAY), "");
	EXPECT(one, O(""), K(MGMT_OVERLAY), "");
	EXPECT(O(""), one, K(MGMT_OVERLAY), "");
}
