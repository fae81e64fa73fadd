/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration's loader: every mistake is one line that names file, line, key, what was found
 * and what is allowed; defaults; the trip through JSON. The host is made up: CPUs 0-3. */
#include "mgmt/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/err.h"

static const struct mgmt_host host = {.cpus = {0xf}, .default_image = "/dev/null"};

static int load(struct mgmt_cfg **out, const char *text)
{
	return mgmt_config_load(out, "f.yaml", text, strlen(text), &host);
}

#define PART "partitions:\n  - name: a\n"

static const struct bad {
	const char *text;
	const char *want[4];
} bad[] = {
	{"", {"f.yaml:1:", "empty", "partitions"}},
	{"# nothing\n", {"f.yaml:1:", "empty"}},
	{"a: [\n", {"f.yaml:2:", "not YAML"}},
	{"a: b: c\n", {"f.yaml:1:", "not YAML"}},
	{"\tname: x\n", {"f.yaml:1:", "not YAML"}},
	{"name: x\n---\nname: y\n", {"f.yaml:2:", "second document"}},
	{"- a\n", {"f.yaml:1:", "the file", "found a list", "mapping"}},
	{"name: demo\n", {"f.yaml:1:", "no key \"partitions\"", "must be given"}},
	{"nmae: demo\n" PART, {"f.yaml:1:", "unknown key \"nmae\"", "allowed: name, engine,"}},
	{PART "    vsp: 2\n", {"f.yaml:3: partitions[0]:", "\"vsp\"", "vps"}},
	{PART "    nics:\n      - mac: 02:00:00:00:00:01\n        mut: 1500\n",
	 {"f.yaml:5: partitions[0].nics[0]:", "unknown key \"mut\"", "allowed: mac, mtu"}},
	{"name: a\nname: b\n" PART, {"f.yaml:2: name:", "again (first in line 1)", "once"}},
	{"name: [x]\n" PART, {"f.yaml:1: name:", "found a list", "1..24 characters"}},
	{"name: abcdefghijklmnopqrstuvwxyz\n" PART, {"f.yaml:1: name:", "1..24 characters"}},
	{"name: \"a\\nb\"\n" PART, {"f.yaml:1: name:", "found", "a-z"}},
	{"name: De/mo\n" PART, {"f.yaml:1: name:", "found \"De/mo\"", "a-z, 0-9"}},
	{"engine: xen\n" PART, {"f.yaml:1: engine:", "\"xen\"", "allowed: auto, kvm, ring3"}},
	{"engine: 1\n" PART, {"f.yaml:1: engine:", "\"1\"", "allowed: auto, kvm, ring3"}},
	{"switch: busy\n" PART, {"f.yaml:1: switch:", "found \"busy\"", "mapping"}},
	{"switch:\n  poll: fast\n" PART, {"f.yaml:2: switch.poll:", "\"fast\"", "adaptive"}},
	{"switch:\n  memory: 63\n" PART,
	 {"f.yaml:2: switch.memory:", "\"63\"", "64..1048576 (MiB)"}},
	{"switch:\n  memory: 256M\n" PART, {"f.yaml:2: switch.memory:", "\"256M\"", "MiB"}},
	{"switch:\n  memory: -1\n" PART, {"f.yaml:2: switch.memory:", "\"-1\"", "64.."}},
	{"switch:\n  memory: 0400\n" PART, {"f.yaml:2: switch.memory:", "\"0400\"", "64.."}},
	{"switch:\n  memory: 0x100\n" PART, {"f.yaml:2: switch.memory:", "\"0x100\"", "64.."}},
	{"switch:\n  memory:\n" PART, {"f.yaml:2: switch.memory:", "found nothing", "64.."}},
	{"switch:\n  memory: 99999999999999999999\n" PART, {"f.yaml:2:", "99999", "MiB"}},
	{"switch:\n  hugepages: maybe\n" PART, {"f.yaml:2: switch.hugepages:", "auto, yes, no"}},
	{"switch:\n  lcores: 1\n" PART, {"f.yaml:2: switch.lcores:", "found \"1\"", "a list of"}},
	{"switch:\n  lcores: []\n" PART, {"f.yaml:2: switch.lcores:", "found 0 entries", "1..16"}},
	{"switch:\n  lcores: [1, 9]\n" PART,
	 {"f.yaml:2: switch.lcores[1]:", "found CPU 9", "allowed: 0-3"}},
	{"switch:\n  lcores: [1, 1]\n" PART,
	 {"f.yaml:2: switch.lcores[1]:", "CPU 1 again", "each once"}},
	{"switch:\n  lcores: [1]\n  poll: busy\n" PART "    cpus:\n      - 0\n      - 1\n",
	 {"f.yaml:8: partitions[0].cpus[1]:", "found CPU 1", "poll: busy"}},
	{PART "    cpus: [4]\n", {"f.yaml:3: partitions[0].cpus[0]:", "found CPU 4", "0-3"}},
	{"partitions: []\n", {"f.yaml:1: partitions:", "0 entries", "1..64"}},
	{"partitions:\n  - vps: 1\n", {"f.yaml:2: partitions[0]:", "no key \"name\""}},
	{PART "    vps: 0\n", {"f.yaml:3: partitions[0].vps:", "\"0\"", "1..32"}},
	{PART "    vps: 33\n", {"f.yaml:3: partitions[0].vps:", "\"33\"", "1..32"}},
	{PART "    memory: 65\n", {"f.yaml:3: partitions[0].memory:", "\"65\"", "in steps of 2"}},
	{PART "  - name: b\n  - name: a\n",
	 {"f.yaml:4: partitions[2].name:", "\"a\"", "partitions[0]", "once"}},
	{PART "    image: /nonexistent/guest\n",
	 {"f.yaml:3: partitions[0].image:", "/nonexistent/guest", "No such file", "built-in"}},
	{PART "    nics:\n      - mac: 02-00-00-00-00-01\n",
	 {"f.yaml:4: partitions[0].nics[0].mac:", "02-00", "six bytes"}},
	{PART "    nics: [{mac: \"03:00:00:00:00:01\"}]\n",
	 {"f.yaml:3: partitions[0].nics[0].mac:", "no group address"}},
	{PART "    nics: [{mac: \"00:00:00:00:00:00\"}]\n",
	 {"f.yaml:3: partitions[0].nics[0].mac:", "not all zero"}},
	{PART "    nics: [{mac: \"02:0:00:00:00:0001\"}]\n", {"f.yaml:3:", "nics[0].mac:", "six"}},
	{PART
	 "    nics: [{mac: \"02:00:00:00:00:01\"}]\n  - name: b\n    nics:\n      - mtu: 1500\n"
	 "      - mac: 02:00:00:00:00:01\n",
	 {"f.yaml:7: partitions[1].nics[1].mac:", "partitions[0].nics[0]", "each address once"}},
	{PART "    nics: [{mtu: 9001}]\n", {"nics[0].mtu:", "\"9001\"", "68..9000 (bytes)"}},
	{PART "    nics: [{mtu: 67}]\n", {"nics[0].mtu:", "\"67\"", "68..9000 (bytes)"}},
	{PART "    nics: [{channels: 17}]\n", {"nics[0].channels:", "\"17\"", "1..16"}},
	{PART "    nics: [{channels: 16}, {channels: 16}, {channels: 16}, {channels: 16}]\n",
	 {"f.yaml:3: partitions[0].nics:", "64 channels", "63"}},
	{PART "    nics: [{allow_spoofing: maybe}]\n",
	 {"nics[0].allow_spoofing:", "\"maybe\"", "true, false"}},
	{PART "    nics: [{vlan: {mode: hybrid}}]\n",
	 {"vlan.mode:", "\"hybrid\"", "access, trunk"}},
	{PART "    nics: [{vlan: {pvid: 4095}}]\n", {"vlan.pvid:", "\"4095\"", "0..4094"}},
	{PART "    nics: [{vlan: {mode: trunk, allowed: [0]}}]\n",
	 {"vlan.allowed[0]:", "\"0\"", "1..4094"}},
	{PART "    nics: [{vlan: {allowed: [5]}}]\n",
	 {"f.yaml:3: partitions[0].nics[0].vlan.allowed:", "mode access", "trunk"}},
	{PART "uplinks:\n  - name: u\n", {"f.yaml:4: uplinks[0]:", "no key \"devargs\""}},
	{PART "uplinks:\n  - {name: u, devargs: net_tap0}\n  - {name: u, devargs: net_tap1}\n",
	 {"f.yaml:5: uplinks[1].name:", "\"u\"", "uplinks[0]"}},
	{PART "uplinks:\n  - {name: u, devargs: \"net_tap0,iface=x\"}\n"
	      "  - {name: v, devargs: net_tap0}\n",
	 {"f.yaml:5: uplinks[1].devargs:", "\"net_tap0\"", "uplinks[0]"}},
	{PART "uplinks:\n  - {name: u, devargs: net_tap0, netns: /run/x}\n",
	 {"f.yaml:4: uplinks[0].netns:", "a path", "ip netns list"}},
	{PART "uplinks:\n  - {name: u, devargs: net_tap0, queues: 0}\n",
	 {"uplinks[0].queues:", "\"0\"", "1..64"}},
	{"x: &a 1\nname: *a\n" PART, {"f.yaml:2:", "aliases"}},
	{"? [a]\n: b\n", {"f.yaml:1:", "a key must be a word"}},
	{"a: {b: {c: {d: {e: {f: {g: {h: {i: 1}}}}}}}}\n", {"f.yaml:1:", "nested deeper than 8"}},
};

Test(mgmt_config, words_every_mistake_with_line_key_found_and_allowed)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct mgmt_cfg *cfg = (void *)1;
		int rc = load(&cfg, bad[i].text);

		cr_expect_eq(rc, -EINVAL, "row %zu: rc %d for\n%s", i, rc, bad[i].text);
		cr_expect_null(cfg);
		cr_expect_null(strchr(err_text(), '\n'), "row %zu: more than one line", i);
		for (int k = 0; k < 4 && bad[i].want[k]; k++)
			cr_expect(strstr(err_text(), bad[i].want[k]), "row %zu: no `%s` in: %s", i,
				  bad[i].want[k], err_text());
	}
}

Test(mgmt_config, fills_in_defaults)
{
	struct mgmt_cfg *c;

	cr_assert_eq(load(&c, PART "    nics: [{}]\n"), 0, "%s", err_text());
	cr_expect_str_eq(c->name, "nethv");
	cr_expect_eq(c->engine, HV_ENGINE_AUTO);
	cr_expect_eq(c->sw.poll, VSW_POLL_AUTO);
	cr_expect_eq(c->sw.memory, 256);
	cr_expect_eq(c->sw.lcores_count, 0);
	cr_expect_eq(c->sw.fdb_size, 65536);
	cr_expect_eq(c->sw.ageing_s, 300);
	cr_expect_eq(c->uplinks_count, 0);
	cr_assert_eq(c->partitions_count, 1);
	cr_expect_str_eq(c->partitions[0].image, "/dev/null");
	cr_expect_str_eq(c->partitions[0].cmdline, "");
	cr_expect_eq(c->partitions[0].vps, 1);
	cr_expect_eq(c->partitions[0].memory, 128);
	cr_expect_null(c->partitions[0].numa_node);
	cr_assert_eq(c->partitions[0].nics_count, 1);
	cr_expect_eq(c->partitions[0].nics[0].mtu, 1500);
	cr_expect_eq(c->partitions[0].nics[0].channels, 1);
	cr_expect_eq(c->partitions[0].nics[0].addr[0], 2);
	cr_expect_eq(c->partitions[0].nics[0].allow_spoofing, false);
	mgmt_config_free(c);
}

Test(mgmt_config, derives_addresses_that_differ_and_stay_the_same)
{
	static const char text[] = "partitions:\n  - {name: a, nics: [{}, {}]}\n"
				   "  - {name: b, nics: [{}, {}]}\n";
	struct mgmt_cfg *one, *two;

	cr_assert_eq(load(&one, text), 0, "%s", err_text());
	cr_assert_eq(load(&two, text), 0, "%s", err_text());
	cr_expect_str_eq(one->partitions[1].nics[1].mac, two->partitions[1].nics[1].mac);
	cr_expect_str_neq(one->partitions[0].nics[0].mac, one->partitions[0].nics[1].mac);
	cr_expect_str_neq(one->partitions[0].nics[0].mac, one->partitions[1].nics[0].mac);
	mgmt_config_free(one);
	mgmt_config_free(two);
}

static const char full[] =
	"name: demo-1\nengine: ring3\n"
	"switch: {lcores: [1, 2], poll: busy, memory: 512, hugepages: no, fdb_size: 1024,"
	" ageing_s: 5}\n"
	"uplinks:\n"
	"  - {name: left, devargs: \"net_tap0,iface=tapl\", netns: l, queues: 2,\n"
	"     vlan: {mode: trunk, pvid: 7, allowed: [10, 20, 4094]}}\n"
	"partitions:\n"
	"  - name: a\n    cmdline: 'app=echo ip=\"10.0.0.1\" # \\ ~'\n    vps: 2\n    memory: 64\n"
	"    numa_node: 0\n    cpus: [0, 3]\n"
	"    nics:\n"
	"      - {mac: 02:AA:bb:00:00:09, mtu: 9000, channels: 4, vlan: {pvid: 10},\n"
	"         allow_spoofing: yes, link_mbps: 25000}\n";

static void expect_full(const struct mgmt_cfg *c)
{
	const struct mgmt_partition *p = mgmt_config_partition(c, "a");
	uint64_t bits[64];

	cr_expect_str_eq(c->name, "demo-1");
	cr_expect_eq(c->engine, HV_ENGINE_RING3);
	cr_expect_eq(c->sw.lcores_count, 2);
	cr_expect_eq(c->sw.lcores[1], 2);
	cr_expect_eq(c->sw.poll, VSW_POLL_BUSY);
	cr_expect_eq(c->sw.hugepages, MGMT_HUGE_NO);
	cr_expect_eq(c->sw.ageing_s, 5);
	cr_expect_str_eq(c->uplinks[0].devargs, "net_tap0,iface=tapl");
	cr_expect_str_eq(c->uplinks[0].netns, "l");
	cr_expect_eq(c->uplinks[0].vlan.mode, VSW_VLAN_TRUNK);
	mgmt_vlan_bits(&c->uplinks[0].vlan, bits);
	cr_expect_eq(bits[0], 1ull << 10 | 1ull << 20);
	cr_expect_eq(bits[63], 1ull << 62);
	cr_assert_not_null(p);
	cr_expect_null(mgmt_config_partition(c, "nobody"));
	cr_expect_str_eq(p->cmdline, "app=echo ip=\"10.0.0.1\" # \\ ~");
	cr_assert_not_null(p->numa_node);
	cr_expect_eq(*p->numa_node, 0);
	cr_expect_eq(p->cpus[1], 3);
	cr_expect_eq(p->nics[0].addr[1], 0xaa);
	cr_expect_eq(p->nics[0].addr[5], 9);
	cr_expect_eq(p->nics[0].mtu, 9000);
	cr_expect_eq(p->nics[0].channels, 4);
	cr_expect_eq(p->nics[0].vlan.pvid, 10);
	cr_expect_eq(p->nics[0].allow_spoofing, true);
	cr_expect_eq(p->nics[0].link_mbps, 25000);
	mgmt_vlan_bits(&p->nics[0].vlan, bits);
	cr_expect_eq(bits[5], ~0ull);
}

Test(mgmt_config, reads_every_key)
{
	struct mgmt_cfg *c;

	cr_assert_eq(load(&c, full), 0, "%s", err_text());
	expect_full(c);
	mgmt_config_free(c);
}

Test(mgmt_config, survives_the_trip_through_the_memfd)
{
	struct mgmt_cfg *c, *again;
	int fd;

	cr_assert_eq(load(&c, full), 0, "%s", err_text());
	fd = mgmt_config_memfd(c);
	cr_assert_geq(fd, 0, "%s", err_text());
	cr_expect_eq(write(fd, "x", 1), -1, "the memfd can be written");
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(mgmt_config_load_fd(&again, fd, &host), 0, "%s", err_text());
		expect_full(again);
		mgmt_config_free(again);
	}
	mgmt_config_free(c);
	close(fd);
}

Test(mgmt_config, names_a_file_that_cannot_be_read)
{
	struct mgmt_cfg *c;

	cr_expect_eq(mgmt_config_load_file(&c, "/nonexistent/x.yaml", &host), -ENOENT);
	cr_expect(strstr(err_text(), "/nonexistent/x.yaml"));
	cr_expect_null(c);
	cr_expect_eq(mgmt_config_load_file(&c, "/", &host), -EISDIR);
}

Test(mgmt_config, refuses_an_endless_file)
{
	struct mgmt_cfg *c;

	cr_expect_eq(mgmt_config_load_file(&c, "/dev/zero", &host), -EINVAL);
	cr_expect(strstr(err_text(), "larger than"));
}

Test(mgmt_config, refuses_every_truncation_or_loads_it_whole)
{
	for (size_t n = 0; n < sizeof(full); n++) {
		struct mgmt_cfg *c;
		int rc = mgmt_config_load(&c, "f.yaml", full, n, &host);

		cr_assert(rc == 0 || rc == -EINVAL, "at %zu: %d", n, rc);
		cr_assert_eq(rc == 0, c != NULL);
		mgmt_config_free(c);
	}
}
