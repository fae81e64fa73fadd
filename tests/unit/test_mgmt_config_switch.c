/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration of what packets meet in the switch: extensions, port policies, mirrors, the overlay.
 * Mistakes, what is read, and the trip through JSON; other keys are tested by test_mgmt_config.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "tests/support/cfgbed.h"
#include "tests/support/scratch.h"

#define EXT	 "switch:\n  extensions:\n"
#define OVER	 "switch:\n  overlay: {"
#define OVER_END "uplinks: [{name: u, devargs: net_null0}]\n" PART "    nics: [{}]\n"
#define SUBNETS	 OVER "uplink: u, local: 192.0.2.1, subnets: ["
#define ACL	 PART "    nics:\n      - acl: ["
#define RULE	 ACL "{way: in, action: deny,\n          "

static const struct cfg_bad bad[] = {
	{EXT "    - {name: x}\n" PART, {"f.yaml:3: switch.extensions[0]:", "no key \"path\""}},
	{EXT "    - {path: /dev/null, Name: x}\n" PART,
	 {"f.yaml:3: switch.extensions[0]:", "unknown key \"Name\"",
	  "allowed: name, path, enabled"}},
	{EXT "    - path: builtin:acl\n      name: A\n" PART,
	 {"f.yaml:4: switch.extensions[0].name:", "found \"A\"", "a-z, 0-9"}},
	{EXT "    - path: builtin:a_really_very_long_name_of_one\n    - path: builtin:A.x\n" PART,
	 {"f.yaml:4: switch.extensions[1].name:", "no name, and the file's is \"A\"", "a-z, 0-9"}},
	{EXT "    - path: builtin:a\n    - path: builtin:b\n      name: a\n" PART,
	 {"f.yaml:5: switch.extensions[1].name:", "switch.extensions[0]", "each name once"}},
	{EXT "    - path: /nonexistent/x.so\n" PART,
	 {"f.yaml:3: switch.extensions[0].path:", "/nonexistent/x.so", "No such file", "builtin:"}},
	{EXT "    - path: /dev\n" PART, {"f.yaml:3: switch.extensions[0].path:", "directory"}},
	{EXT "    - path: builtin:a\n      enabled: perhaps\n" PART,
	 {"f.yaml:4: switch.extensions[0].enabled:", "\"perhaps\"", "true, false"}},
	{EXT "    - path: builtin:a\n      on_fault: stop\n" PART,
	 {"f.yaml:4: switch.extensions[0].on_fault:", "\"stop\"", "pass, drop"}},
	{EXT "    - path: builtin:a\n      budget_us: 9\n" PART,
	 {"f.yaml:4: switch.extensions[0].budget_us:", "\"9\"", "10..1000000 (microseconds)"}},
	{EXT "    - path: builtin:a\n      ports: a/0\n" PART,
	 {"f.yaml:4: switch.extensions[0].ports:", "found \"a/0\"", "a list of 1.."}},
	{EXT "    - path: builtin:a\n      ports: [u, a/0, a/1]\n" PART
	     "    nics: [{}]\nuplinks: [{name: u, devargs: net_null0}]\n",
	 {"f.yaml:4: switch.extensions[0].ports[2]:", "\"a/1\"", "PARTITION/NUMBER"}},
	{EXT "    - path: builtin:a\n      config: [1]\n" PART,
	 {"f.yaml:4: switch.extensions[0].config:", "found a list", "a mapping"}},
	{EXT "    - path: builtin:a\n      config: {a: 1,\n        b: [{c: 1}, {d: }]}\n" PART,
	 {"f.yaml:5: switch.extensions[0].config.\"b\"[1].\"d\":", "found nothing", "a value"}},
	{EXT "    - path: builtin:a\n      config: {a: {b: 1,\n        b: 2}}\n" PART,
	 {"f.yaml:5: switch.extensions[0].config.\"a\".\"b\":", "again (first in line 4)", "once"}},
	{EXT "    - path: builtin:a\n      allow_imports: [\"\"]\n" PART,
	 {"f.yaml:4: switch.extensions[0].allow_imports[0]:", "found nothing", "1..200"}},
	{ACL "{way: in}]\n", {"f.yaml:4: partitions[0].nics[0].acl[0]:", "no key \"action\""}},
	{ACL "{way: up, action: deny}]\n", {"acl[0].way:", "\"up\"", "in, out, both"}},
	{ACL "{way: in, action: allow}]\n", {"acl[0].action:", "\"allow\"", "permit, deny"}},
	{RULE "proto: ip}]\n",
	 {"f.yaml:5: partitions[0].nics[0].acl[0].proto:", "\"ip\"", "tcp, udp"}},
	{RULE "proto: 256}]\n", {"acl[0].proto:", "\"256\"", "1..255"}},
	{RULE "src: 10.0.0.256}]\n", {"acl[0].src:", "\"10.0.0.256\"", "ADDRESS/BITS"}},
	{RULE "src: 10.0.0.0/33}]\n", {"acl[0].src:", "\"10.0.0.0/33\"", "ADDRESS/BITS"}},
	{RULE "dst: 10.0.0.1/8}]\n",
	 {"acl[0].dst:", "\"10.0.0.1/8\"", "no bits in the address behind"}},
	{RULE "dst: \"fd00::/129\"}]\n", {"acl[0].dst:", "\"fd00::/129\"", "ADDRESS/BITS"}},
	{RULE "src: 10.0.0.1, dst: \"fd00::1\"}]\n", {"acl[0].dst:", "as in src"}},
	{RULE "sport: 80}]\n", {"acl[0].sport:", "\"80\"", "with proto tcp, udp"}},
	{RULE "proto: icmp, dport: 80}]\n", {"acl[0].dport:", "\"80\"", "with proto tcp, udp"}},
	{RULE "proto: tcp, dport: 0}]\n", {"acl[0].dport:", "\"0\"", "1..65535"}},
	{RULE "proto: tcp, dport: 9-8}]\n", {"acl[0].dport:", "\"9-8\"", "FIRST-LAST"}},
	{RULE "proto: udp, sport: 1-65536}]\n", {"acl[0].sport:", "\"1-65536\"", "FIRST-LAST"}},
	{RULE "proto: tcp, icmp_type: 8}]\n", {"acl[0].icmp_type:", "\"8\"", "icmp or icmpv6"}},
	{RULE "proto: icmp, icmp_code: 1}]\n", {"acl[0].icmp_code:", "\"1\"", "with icmp_type"}},
	{RULE "proto: icmp, icmp_type: 256}]\n", {"acl[0].icmp_type:", "\"256\"", "0..255"}},
	{RULE "proto: icmp, src: \"fd00::/8\"}]\n", {"acl[0].proto:", "icmpv6 with IPv6"}},
	{RULE "proto: icmpv6, src: 10.0.0.1}]\n", {"acl[0].proto:", "icmp with IPv4"}},
	{RULE "stateful: true}]\n", {"acl[0].stateful:", "action permit only"}},
	{RULE "ether_type: 0x5ff}]\n", {"acl[0].ether_type:", "\"0x5ff\"", "arp"}},
	{RULE "ether_type: arp, src: 10.0.0.1}]\n", {"acl[0].ether_type:", "without keys of IP"}},
	{RULE "src_mac: 02:00}]\n", {"acl[0].src_mac:", "\"02:00\"", "six bytes"}},
	{RULE "dst_mac: \"02:00:00:00:00:01/ff:ff:ff:00:00:00\"}]\n",
	 {"acl[0].dst_mac:", "that the mask does not have"}},
	{RULE "ether_type: arp, stateful: true}]\n", {"acl[0].stateful:", "rules of IP only"}},
	{PART "    nics: [{acl_default: {in: maybe}}]\n", {"acl_default.in:", "permit, deny"}},
	{PART "    nics: [{acl_connections: {max: 63}}]\n",
	 {"acl_connections.max:", "64..4194304"}},
	{PART "    nics: [{guards: [dhcp, dns]}]\n",
	 {"nics[0].guards[1]:", "\"dns\"", "dhcp, router"}},
	{PART "    nics: [{guards: [dhcp, dhcp]}]\n", {"nics[0].guards[1]:", "each once"}},
	{PART "    nics: [{limit: {in_mbps: 0}}]\n",
	 {"limit.in_mbps:", "\"0\"", "1..1000000 (Mbit/s)"}},
	{PART "    nics: [{limit: {burst_kb: 127}}]\n", {"limit.burst_kb:", "128..1048576 (KiB)"}},
	{PART "    nics: [{limit: 5}]\n", {"nics[0].limit:", "found \"5\"", "a mapping"}},
	{PART "    nics: [{storm: {broadcast_pps: -1}}]\n",
	 {"storm.broadcast_pps:", "1..1000000000"}},
	{PART "    nics: [{isolation: community}]\n",
	 {"nics[0].isolation:", "\"community\"", "community 1..65535"}},
	{PART "    nics: [{isolation: community 65536}]\n", {"isolation:", "\"community 65536\""}},
	{PART "    nics: [{min_mbps: 5}]\n",
	 {"nics[0].min_mbps:", "nothing is shared", "share_mbps"}},
	{PART "    nics: [{min_mbps: 60}, {min_mbps: 50}]\n"
	      "uplinks: [{name: u, devargs: net_null0, share_mbps: 100}]\n",
	 {"f.yaml:4: uplinks[0].share_mbps:", "found 100", "at least 110 (Mbit/s)"}},
	{"switch:\n  mirrors:\n    - {from: [a/0]}\n" PART,
	 {"f.yaml:3: switch.mirrors[0]:", "\"to\""}},
	{"switch:\n  mirrors:\n    - {from: [a/0], to: x}\n" PART "    nics: [{}]\n",
	 {"f.yaml:3: switch.mirrors[0].to:", "\"x\"", "PARTITION/NUMBER"}},
	{"switch:\n  mirrors:\n    - {from: [a/1, a/0], to: a/1}\n" PART "    nics: [{}, {}]\n",
	 {"f.yaml:3: switch.mirrors[0].from[0]:", "the copies go to", "others"}},
	{"switch: {mirrors: [{from: [a/0], to: a/1, way: up}]}\n" PART, {"way:", "in, out, both"}},
	{"switch: {mirrors: [{from: [a/0], to: a/1, drops: some}]}\n" PART,
	 {"drops:", "\"some\"", "false, true, only"}},
	{OVER "local: 192.0.2.1}\n" OVER_END, {"f.yaml:2: switch.overlay:", "no key \"uplink\""}},
	{OVER "uplink: a/0, local: 192.0.2.1}\n" OVER_END,
	 {"f.yaml:2: switch.overlay.uplink:", "\"a/0\"", "an uplink of this file"}},
	{OVER "uplink: u,\n    local: 192.0.2.256}\n" OVER_END,
	 {"f.yaml:3: switch.overlay.local:", "\"192.0.2.256\"", "ADDRESS/BITS"}},
	{OVER "uplink: u, local: 224.0.0.1}\n" OVER_END, {"overlay.local:", "of a host"}},
	{OVER "uplink: u, local: 192.0.2.1/33}\n" OVER_END, {"overlay.local:", "1..32 bits"}},
	{OVER "uplink: u, local: 192.0.2.1, gateway: \"fd00::1\"}\n" OVER_END,
	 {"overlay.gateway:", "IPv4", "as in local"}},
	{OVER "uplink: u, local: 192.0.2.1, gateway: 192.0.2.1}\n" OVER_END,
	 {"overlay.gateway:", "another host's"}},
	{OVER "uplink: u, local: 192.0.2.1, mac: \"01:00:00:00:00:00\"}\n" OVER_END,
	 {"overlay.mac:", "no group address"}},
	{OVER "uplink: u, local: 192.0.2.1, encap: gre}\n" OVER_END,
	 {"overlay.encap:", "\"gre\"", "vxlan, geneve"}},
	{OVER "uplink: u, local: 192.0.2.1, mtu: 575}\n" OVER_END, {"overlay.mtu:", "576..9216"}},
	{SUBNETS "{vsid: 0}]}\n" OVER_END, {"subnets[0].vsid:", "1..16777214"}},
	{SUBNETS "{vsid: 5}, {vsid: 5}]}\n" OVER_END,
	 {"switch.overlay.subnets[1].vsid:", "subnets[0]", "each number once"}},
	{SUBNETS "{vsid: 5, ports: [a/0, b]}]}\n" OVER_END, {"subnets[0].ports[1]:", "\"b\""}},
	{SUBNETS "{vsid: 5, ports: [u]}]}\n" OVER_END,
	 {"ports[0]:", "\"u\"", "but the overlay's own"}},
	{SUBNETS "{vsid: 5, ports: [a/0]}, {vsid: 6, ports: [a/0]}]}\n" OVER_END,
	 {"subnets[1].ports[0]:", "subnets[0]", "each port once"}},
	{SUBNETS "{vsid: 5, external: true, remotes: [{vtep: 192.0.2.2}]}]}\n" OVER_END,
	 {"subnets[0].remotes:", "external: true"}},
	{SUBNETS "{vsid: 5, remotes: [{vtep: 192.0.2.1}]}]}\n" OVER_END,
	 {"subnets[0].remotes[0].vtep:", "another host's"}},
	{SUBNETS
	 "{vsid: 5, remotes: [{vtep: 192.0.2.2, macs: [\"02:00:00:00:00:01\", x]}]}]}\n" OVER_END,
	 {"remotes[0].macs[1]:", "\"x\"", "six bytes"}},
};

Test(mgmt_config_switch, words_every_mistake_with_line_key_found_and_allowed)
{
	cfg_refused(bad, sizeof(bad) / sizeof(bad[0]));
}

/* ---- Extensions ---------------------------------------------------------------------------- */

static const char exts_text[] =
	"switch:\n  extensions:\n"
	"    - path: /proc/version\n      name: first\n      enabled: no\n      on_fault: drop\n"
	"      ports: [a/0, u]\n      budget_us: 500\n      allow_imports: [fopen, puts]\n"
	"      config: {n: -3, r: 0.5, yes: true, t: \"7\", w: 010, big: 99999999999999999999,\n"
	"        s: 'a \"b\" \\ c', rules: [{dst: 10.0.0.0/8}, {dst: \"\"}], none: [], any: {}}\n"
	"    - path: builtin:storm.v2\n      revision: 3\n"
	"uplinks: [{name: u, devargs: net_null0}]\n" PART "    nics: [{}]\n";

static void expect_exts(const struct mgmt_cfg *c)
{
	const struct mgmt_ext *e = mgmt_config_ext(c, "first");
	json_t *config;
	char *want;

	cr_assert_eq(c->sw.exts_count, 2);
	cr_assert_eq(e, &c->sw.exts[0]);
	cr_expect_str_eq(e->path, "/proc/version");
	cr_expect(e->is_off);
	cr_expect_eq(e->on_fault, MGMT_FAULT_DROP);
	cr_assert_eq(e->ports_count, 2);
	cr_expect_str_eq(e->ports[0], "a/0");
	cr_expect_str_eq(e->ports[1], "u");
	cr_expect_eq(e->budget_us, 500);
	cr_assert_eq(e->allow_imports_count, 2);
	cr_expect_str_eq(e->allow_imports[1], "puts");
	config = json_pack("{s:i, s:f, s:b, s:s, s:s, s:s, s:s, s:[{s:s}, {s:s}], s:[], s:{}}", "n",
			   -3, "r", 0.5, "yes", 1, "t", "7", "w", "010", "big",
			   "99999999999999999999", "s", "a \"b\" \\ c", "rules", "dst",
			   "10.0.0.0/8", "dst", "", "none", "any");
	want = json_dumps(config, JSON_COMPACT);
	cr_expect_str_eq(e->config, want);
	free(want);
	json_decref(config);
	e = mgmt_config_ext(c, "storm");
	cr_assert_not_null(e);
	cr_expect_str_eq(e->path, "builtin:storm.v2");
	cr_expect_not(e->is_off);
	cr_expect_null(e->ports);
	cr_expect_null(e->config);
	cr_expect_eq(e->budget_us, VSW_EXT_BUDGET_US);
	cr_expect_eq(e->revision, 3);
	cr_expect_null(mgmt_config_ext(c, "second"));
}

Test(mgmt_config_switch, reads_extensions_and_keeps_them_through_the_memfd)
{
	cfg_kept(exts_text, expect_exts);
}

Test(mgmt_config_switch, begins_relative_paths_of_extensions_where_the_file_is)
{
	char dir[SCRATCH_PATH], path[SCRATCH_PATH + 16], want[SCRATCH_PATH + 16];
	struct mgmt_cfg *c;
	FILE *f;

	scratch_dir(dir, "config");
	snprintf(path, sizeof(path), "%s/x.yaml", dir);
	f = fopen(path, "w");
	fputs("switch: {extensions: [{path: x.yaml, name: x}, {path: /dev/null}]}\n" PART, f);
	cr_assert_eq(fclose(f), 0);
	cr_expect_eq(mgmt_config_load_file(&c, path, &cfg_host), -EINVAL, "a device is no file");
	cr_expect(strstr(err_text(), "switch.extensions[1].path: found \"/dev/null\""), "%s",
		  err_text());
	f = fopen(path, "w");
	fputs("switch: {extensions: [{path: x.yaml, name: x}]}\n" PART, f);
	cr_assert_eq(fclose(f), 0);
	cr_assert_eq(mgmt_config_load_file(&c, path, &cfg_host), 0, "%s", err_text());
	snprintf(want, sizeof(want), "%s/x.yaml", dir);
	cr_expect_str_eq(c->sw.exts[0].path, want);
	mgmt_config_free(c);
	unlink(path);
	rmdir(dir);
}

/* ---- Policies, mirrors --------------------------------------------------------------------- */

static const char policy_text[] =
	"switch:\n  mirrors:\n"
	"    - {from: [a/0, a/1], to: u, way: in, drops: only, snap_len: 128}\n"
	"    - {from: [u], to: a/1}\n"
	"uplinks: [{name: u, devargs: net_null0, share_mbps: 100, limit: {out_mbps: 100}}]\n" PART
	"    nics:\n"
	"      - acl:\n"
	"          - {name: web, way: in, action: permit, proto: tcp, dst: 10.0.0.0/8, dport: 80-443,\n"
	"             stateful: true}\n"
	"          - {way: both, action: deny, proto: icmpv6, icmp_type: 0, src: \"fd00::/8\"}\n"
	"          - {way: out, action: deny, ether_type: 0x88cc, src_mac: \"02:4e:00:00:00:00/ff:ff:00:00:00:00\"}\n"
	"          - {way: out, action: deny, proto: 99}\n"
	"        acl_default: {in: deny, other_out: deny}\n"
	"        acl_connections: {max: 64, when_full: refuse, tcp_new_s: 7}\n"
	"        guards: [router, dhcp]\n"
	"        limit: {in_mbps: 5, burst_kb: 256, in_pps: 9}\n"
	"        min_mbps: 40\n        storm: {multicast_pps: 3}\n        isolation: community 7\n"
	"      - {isolation: isolated}\n";

static void expect_policies(const struct mgmt_cfg *c)
{
	const struct mgmt_policy *p = &c->partitions[0].nics[0].policy;
	const struct mgmt_mirror *m = c->sw.mirrors;

	cr_assert_eq(c->sw.mirrors_count, 2);
	cr_expect_str_eq(m[0].from[1], "a/1");
	cr_expect_str_eq(m[0].to, "u");
	cr_expect(m[0].way == VSW_MIRROR_IN && m[0].what == VSW_MIRROR_DROPS &&
		  m[0].snap_len == 128);
	cr_expect(m[1].way == VSW_MIRROR_BOTH && m[1].what == VSW_MIRROR_FORWARDED &&
		  !m[1].snap_len);
	cr_expect_eq(c->uplinks[0].policy.share_mbps, 100);
	cr_expect_eq(c->uplinks[0].policy.limit.out_mbps, 100);
	cr_assert_eq(p->acl_count, 4);
	cr_expect_str_eq(p->acl[0].name, "web");
	cr_expect_str_eq(p->acl[0].dport, "80-443");
	cr_expect(p->acl[0].stateful && p->acl[0].way == VSW_ACL_INGRESS);
	cr_assert_not_null(p->acl[1].icmp_type);
	cr_expect_null(p->acl[1].icmp_code);
	cr_expect(p->acl[1].way == VSW_ACL_BOTH && p->acl[1].action == VSW_ACL_DENY);
	cr_expect(p->acl_default.in == VSW_ACL_DENY && p->acl_default.out == VSW_ACL_PERMIT);
	cr_expect(p->acl_default.other_in == VSW_ACL_PERMIT &&
		  p->acl_default.other_out == VSW_ACL_DENY);
	cr_expect(p->acl_connections.max == 64 && p->acl_connections.must_refuse &&
		  p->acl_connections.tcp_new_s == 7 && !p->acl_connections.tcp_s);
	cr_expect(p->guards_count == 2 && p->guards[0] == MGMT_GUARD_ROUTER);
	cr_expect(p->limit.in_mbps == 5 && p->limit.burst_kb == 256 && p->limit.in_pps == 9 &&
		  !p->limit.out_mbps && !p->limit.out_pps);
	cr_expect(p->min_mbps == 40 && p->storm.multicast_pps == 3 && !p->storm.broadcast_pps);
	cr_expect_str_eq(p->isolation, "community 7");
}

Test(mgmt_config_switch, reads_policies_and_mirrors_and_keeps_them_through_the_memfd)
{
	cfg_kept(policy_text, expect_policies);
}

Test(mgmt_config_switch, takes_rules_of_an_acl_apart)
{
	struct vsw_acl_rule r[2];
	struct mgmt_cfg *c;
	const char *key;

	cr_assert_eq(cfg_load(&c, policy_text), 0, "%s", err_text());
	cr_assert_eq(mgmt_acl_rule(&c->partitions[0].nics[0].policy.acl[0], r, &key), 1);
	cr_expect(r[0].layer == VSW_ACL_IP4 && r[0].ways == VSW_ACL_INGRESS && r[0].is_stateful &&
		  r[0].action == VSW_ACL_PERMIT && r[0].proto == 6);
	cr_expect_str_eq(r[0].name, "web");
	cr_expect(r[0].dst.len == 8 && r[0].dst.addr[0] == 10 && !r[0].dst.addr[1] &&
		  !r[0].src.len);
	cr_expect(r[0].dst_port.first == 80 && r[0].dst_port.last == 443 && !r[0].src_port.last);
	cr_assert_eq(mgmt_acl_rule(&c->partitions[0].nics[0].policy.acl[1], r, &key), 1);
	cr_expect(r[0].layer == VSW_ACL_IP6 && r[0].proto == 58 && r[0].has_icmp_type &&
		  !r[0].has_icmp_code && r[0].icmp_type == 0 && r[0].src.len == 8 &&
		  r[0].src.addr[0] == 0xfd);
	cr_assert_eq(mgmt_acl_rule(&c->partitions[0].nics[0].policy.acl[2], r, &key), 1);
	cr_expect(r[0].layer == VSW_ACL_ETHER && r[0].ether_type == 0x88cc &&
		  r[0].src_mac.addr[1] == 0x4e && r[0].src_mac.mask[1] == 0xff &&
		  !r[0].src_mac.mask[2] && !r[0].dst_mac.mask[0]);
	cr_assert_eq(mgmt_acl_rule(&c->partitions[0].nics[0].policy.acl[3], r, &key), 2);
	cr_expect(r[0].layer == VSW_ACL_IP4 && r[1].layer == VSW_ACL_IP6 && r[0].proto == 99 &&
		  r[1].proto == 99 && r[1].ways == VSW_ACL_EGRESS);
	mgmt_config_free(c);
}

/* ---- Overlay ------------------------------------------------------------------------------- */

static const char overlay_text[] = SUBNETS
	"{vsid: 77, learning: false, ports: [a/0],\n"
	"     remotes: [{vtep: 192.0.2.9, next_hop_mac: 02:00:00:00:00:09, macs: [02:4e:00:00:00:07]},\n"
	"               {vtep: 192.0.2.8}]}, {vsid: 78, external: yes}],\n"
	"    encap: geneve, vlan: 5, mtu: 1600, udp_port: 99, zero_csum6: on, macs_max: 10, ageing_s: 20,\n"
	"    gateway: 192.0.2.254}\n" OVER_END;

static void expect_overlay(const struct mgmt_cfg *c)
{
	const struct mgmt_overlay *o = c->sw.overlay;

	cr_assert_not_null(o);
	cr_expect_str_eq(o->uplink, "u");
	cr_expect_str_eq(o->gateway, "192.0.2.254");
	cr_expect(!strncmp(o->mac, "02:4e:", 6), "%s", o->mac);
	cr_expect(o->encap == VSW_OVERLAY_GENEVE && o->vlan == 5 && o->mtu == 1600 &&
		  o->udp_port == 99);
	cr_expect(o->zero_csum6 && o->macs_max == 10 && o->ageing_s == 20);
	cr_assert_eq(o->subnets_count, 2);
	cr_expect(o->subnets[0].vsid == 77 && o->subnets[0].no_learning && !o->subnets[0].external);
	cr_expect(o->subnets[1].vsid == 78 && !o->subnets[1].no_learning && o->subnets[1].external);
	cr_assert_eq(o->subnets[0].remotes_count, 2);
	cr_expect_str_eq(o->subnets[0].remotes[0].macs[0], "02:4e:00:00:00:07");
	cr_expect_null(o->subnets[0].remotes[1].next_hop_mac);
}

Test(mgmt_config_switch, reads_the_overlay_and_keeps_it_through_the_memfd)
{
	struct mgmt_cfg *c;

	cfg_kept(overlay_text, expect_overlay);
	cr_assert_eq(cfg_load(&c, PART), 0);
	cr_expect_null(c->sw.overlay);
	mgmt_config_free(c);
}

Test(mgmt_config_switch, writes_each_key_as_it_reads_it)
{
	cfg_written_as_read(exts_text);
	cfg_written_as_read(policy_text);
	cfg_written_as_read(overlay_text);
}
