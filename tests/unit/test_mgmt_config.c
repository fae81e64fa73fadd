/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration's loader: every mistake is one line that names file, line, key, what was found
 * and what is allowed; defaults; the trip through JSON. Extensions, policies, mirrors and the overlay
 * are tested by test_mgmt_config_switch.c. */
#include "mgmt/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "tests/support/cfgbed.h"

static const struct cfg_bad bad[] = {
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
	{"switch:\n  wake_latency_us: 10001\n" PART,
	 {"f.yaml:2: switch.wake_latency_us:", "\"10001\"", "0..10000 (microseconds)"}},
	{"switch:\n  wake_latency_us: n/a\n" PART,
	 {"f.yaml:2: switch.wake_latency_us:", "\"n/a\"", "0..10000"}},
	{"switch:\n  wake_latency_us: -1\n" PART,
	 {"f.yaml:2: switch.wake_latency_us:", "\"-1\"", "0..10000"}},
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
	{PART "    serial: tty\n",
	 {"f.yaml:3: partitions[0].serial:", "found \"tty\"", "log, file PATH, socket PATH"}},
	{PART "    serial: file x\n  - name: b\n    serial: file x\n",
	 {"f.yaml:5: partitions[1].serial:", "partitions[0]", "each once"}},
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
	 {"uplinks[0].queues:", "\"0\"", "1..128"}},
	{PART "uplinks:\n  - {name: u, devargs: net_tap0, mtu: 9001}\n",
	 {"uplinks[0].mtu:", "\"9001\"", "68..9000"}},
	{PART "    image: /dev/null\n    kernel: /dev/null\n",
	 {"f.yaml:3: partitions[0].image:", "beside a kernel", "one of image and kernel"}},
	{PART "    kernel: /nonexistent/vmlinuz\n",
	 {"f.yaml:3: partitions[0].kernel:", "/nonexistent/vmlinuz", "No such file", "bzImage"}},
	{PART "    kernel: /tmp\n", {"f.yaml:3: partitions[0].kernel:", "Is a directory"}},
	{PART "    kernel: /dev/null\n    initrd: /nonexistent/rd\n",
	 {"f.yaml:4: partitions[0].initrd:", "/nonexistent/rd", "No such file"}},
	{PART "    kernel: /dev/null\n    memory: 62\n",
	 {"f.yaml:4: partitions[0].memory:", "\"62\"", "kernel at least 64 (MiB)"}},
	{"engine: ring3\n" PART "    kernel: /dev/null\n",
	 {"f.yaml:4: partitions[0].kernel:", "engine ring3", "a kernel needs engine kvm"}},
	{PART "    engine: ring3\n    kernel: /dev/null\n",
	 {"f.yaml:4: partitions[0].kernel:", "engine ring3", "a kernel needs engine kvm"}},
	{PART "    initrd: /dev/null\n", {"f.yaml:3: partitions[0].initrd:", "without a kernel"}},
	{PART "    integration: true\n",
	 {"f.yaml:3: partitions[0].integration:", "without a kernel", "together with the key"}},
	{PART "    disks: [{path: /dev/null}]\n",
	 {"f.yaml:3: partitions[0].disks:", "without a kernel"}},
	{PART "    kernel: /dev/null\n    disks: [{path: /dev/null}, {readonly: true}]\n",
	 {"f.yaml:4: partitions[0].disks[1]:", "no key \"path\""}},
	{PART "    kernel: /dev/null\n    disks:\n      - path: /nonexistent/disk\n",
	 {"f.yaml:5: partitions[0].disks[0].path:", "/nonexistent/disk", "readonly: true"}},
	{PART "    kernel: /dev/null\n    disks: [{path: /dev/null}]\n"
	      "  - name: b\n    kernel: /dev/null\n"
	      "    disks: [{path: /dev/zero}, {path: /dev/../dev/null, readonly: true}]\n",
	 {"f.yaml:7: partitions[1].disks[1].path:", "partitions[0].disks[0]", "in both"}},
	{"engine: ring3\n" PART "    synic: nethv\n",
	 {"f.yaml:4: partitions[0].synic:", "engine ring3", "with engine kvm"}},
	{PART "    synic: xen\n", {"partitions[0].synic:", "\"xen\"", "auto, kvm, nethv"}},
	{PART "    vmbus_version: 5.4\n",
	 {"partitions[0].vmbus_version:", "\"5.4\"", "2.4, 3.0, 4.0, 4.1, 5.0, 5.1, 5.2, 5.3"}},
	{PART "    on_crash: again\n", {"partitions[0].on_crash:", "\"again\"", "stop, restart"}},
	{PART "    nics: [{offload: maybe}]\n", {"nics[0].offload:", "\"maybe\"", "true, false"}},
	{PART "    nics: [{link: no}]\n", {"nics[0].link:", "\"no\"", "up, down"}},
	{PART "    nics: [{index: 256}]\n", {"nics[0].index:", "\"256\"", "0..255"}},
	{PART "    nics:\n      - index: 1\n      - mtu: 1500\n",
	 {"partitions[0].nics[1]", "found 1", "partitions[0].nics[0]", "each number once"}},
	{PART "    kernel: /dev/null\n    integration: true\n"
	      "    nics: [{channels: 16}, {channels: 16}, {channels: 16}, {channels: 12}]\n",
	 {"f.yaml:5: partitions[0].nics:", "64 channels", "63"}},
	{"x: &a 1\nname: *a\n" PART, {"f.yaml:2:", "aliases"}},
	{"? [a]\n: b\n", {"f.yaml:1:", "a key must be a word"}},
	{"a: {b: {c: {d: {e: {f: {g: {h: {i: 1}}}}}}}}\n", {"f.yaml:1:", "nested deeper than 8"}},
};

Test(mgmt_config, words_every_mistake_with_line_key_found_and_allowed)
{
	cfg_refused(bad, sizeof(bad) / sizeof(bad[0]));
}

Test(mgmt_config, fills_in_defaults)
{
	struct mgmt_cfg *c;

	cr_assert_eq(cfg_load(&c, PART "    nics: [{}]\n"), 0, "%s", err_text());
	cr_expect_str_eq(c->name, "nethv");
	cr_expect_eq(c->engine, HV_ENGINE_AUTO);
	cr_expect_eq(c->sw.poll, VSW_POLL_AUTO);
	cr_expect_eq(c->sw.memory, 256);
	cr_expect_eq(c->sw.lcores_count, 0);
	cr_expect_eq(c->sw.fdb_size, 65536);
	cr_expect_eq(c->sw.ageing_s, 300);
	cr_expect_null(c->sw.wake_latency_us);
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

	cr_assert_eq(cfg_load(&one, text), 0, "%s", err_text());
	cr_assert_eq(cfg_load(&two, text), 0, "%s", err_text());
	cr_expect_str_eq(one->partitions[1].nics[1].mac, two->partitions[1].nics[1].mac);
	cr_expect_str_neq(one->partitions[0].nics[0].mac, one->partitions[0].nics[1].mac);
	cr_expect_str_neq(one->partitions[0].nics[0].mac, one->partitions[1].nics[0].mac);
	mgmt_config_free(one);
	mgmt_config_free(two);
}

static const char full[] =
	"name: demo-1\nengine: ring3\n"
	"switch: {lcores: [1, 2], poll: busy, memory: 512, hugepages: no, fdb_size: 1024,"
	" ageing_s: 5, wake_latency_us: 20}\n"
	"uplinks:\n"
	"  - {name: left, devargs: \"net_tap0,iface=tapl\", netns: l, queues: 2, mtu: 9000,\n"
	"     vlan: {mode: trunk, pvid: 7, allowed: [10, 20, 4094]}}\n"
	"partitions:\n"
	"  - name: a\n    cmdline: 'app=echo ip=\"10.0.0.1\" # \\ ~'\n    vps: 2\n    memory: 64\n"
	"    numa_node: 0\n    cpus: [0, 3]\n    serial: socket /run/a b\n"
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
	cr_assert_not_null(c->sw.wake_latency_us);
	cr_expect_eq(*c->sw.wake_latency_us, 20);
	cr_expect_str_eq(c->uplinks[0].devargs, "net_tap0,iface=tapl");
	cr_expect_str_eq(c->uplinks[0].netns, "l");
	cr_expect_eq(c->uplinks[0].vlan.mode, VSW_VLAN_TRUNK);
	mgmt_vlan_bits(&c->uplinks[0].vlan, bits);
	cr_expect_eq(bits[0], 1ull << 10 | 1ull << 20);
	cr_expect_eq(bits[63], 1ull << 62);
	cr_assert_not_null(p);
	cr_expect_null(mgmt_config_partition(c, "nobody"));
	cr_expect_str_eq(p->cmdline, "app=echo ip=\"10.0.0.1\" # \\ ~");
	cr_expect_str_eq(p->serial, "socket /run/a b");
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

	cr_assert_eq(cfg_load(&c, full), 0, "%s", err_text());
	expect_full(c);
	mgmt_config_free(c);
}

/* Zero is a limit, and the strictest: not the same as none. */
Test(mgmt_config, keeps_a_wake_latency_of_zero)
{
	struct mgmt_cfg *c;

	cr_assert_eq(cfg_load(&c, "switch: {wake_latency_us: 0}\n" PART), 0, "%s", err_text());
	cr_assert_not_null(c->sw.wake_latency_us);
	cr_expect_eq(*c->sw.wake_latency_us, 0);
	mgmt_config_free(c);
	cfg_written_as_read("switch: {wake_latency_us: 0}\n" PART);
}

Test(mgmt_config, survives_the_trip_through_the_memfd)
{
	struct mgmt_cfg *c, *again;
	int fd;

	cr_assert_eq(cfg_load(&c, full), 0, "%s", err_text());
	fd = mgmt_config_memfd(c);
	cr_assert_geq(fd, 0, "%s", err_text());
	cr_expect_eq(write(fd, "x", 1), -1, "the memfd can be written");
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(mgmt_config_load_fd(&again, fd, &cfg_host), 0, "%s", err_text());
		expect_full(again);
		mgmt_config_free(again);
	}
	mgmt_config_free(c);
	close(fd);
}

Test(mgmt_config, names_a_file_that_cannot_be_read)
{
	struct mgmt_cfg *c;

	cr_expect_eq(mgmt_config_load_file(&c, "/nonexistent/x.yaml", &cfg_host), -ENOENT);
	cr_expect(strstr(err_text(), "/nonexistent/x.yaml"));
	cr_expect_null(c);
	cr_expect_eq(mgmt_config_load_file(&c, "/", &cfg_host), -EISDIR);
}

Test(mgmt_config, refuses_an_endless_file)
{
	struct mgmt_cfg *c;

	cr_expect_eq(mgmt_config_load_file(&c, "/dev/zero", &cfg_host), -EINVAL);
	cr_expect(strstr(err_text(), "larger than"));
}

static const char linux_text[] =
	"engine: kvm\npartitions:\n"
	"  - name: l\n    kernel: /dev/null\n    initrd: /dev/zero\n    cmdline: console=ttyS0\n"
	"    memory: 64\n    synic: nethv\n    vmbus_version: 4.1\n    integration: true\n"
	"    disks: [{path: /dev/full, readonly: yes}, {path: /dev/null}]\n    on_crash: restart\n    stop_s: 60\n"
	"    nics: [{index: 3, offload: no, monitor: true, link: down}, {}]\n"
	"  - {name: i, engine: ring3}\n";

static void expect_linux(const struct mgmt_cfg *c)
{
	const struct mgmt_partition *p = mgmt_config_partition(c, "l");
	const struct mgmt_nic *nic = mgmt_config_nic(p, 3);

	cr_expect_null(p->image);
	cr_expect_str_eq(p->kernel, "/dev/null");
	cr_expect_str_eq(p->initrd, "/dev/zero");
	cr_expect_str_eq(p->cmdline, "console=ttyS0");
	cr_expect_eq(p->engine, HV_ENGINE_AUTO);
	cr_expect_eq(mgmt_config_engine(c, p), HV_ENGINE_KVM);
	cr_expect_eq(mgmt_config_engine(c, mgmt_config_partition(c, "i")), HV_ENGINE_RING3);
	cr_expect_eq(p->synic, HV_SYNIC_NETHV);
	cr_expect_eq(p->vmbus_version, VMBUS_V4_1);
	cr_expect_eq(mgmt_config_partition(c, "i")->vmbus_version, VMBUS_V5_3);
	cr_expect(p->integration);
	cr_assert_eq(p->disks_count, 2);
	cr_expect_str_eq(p->disks[0].path, "/dev/full");
	cr_expect(p->disks[0].readonly);
	cr_expect_not(p->disks[1].readonly);
	cr_expect_eq(p->on_crash, MGMT_CRASH_RESTART);
	cr_expect_eq(p->stop_s, 60);
	cr_expect_eq(mgmt_config_partition(c, "i")->stop_s, 3);
	cr_assert_not_null(nic);
	cr_expect(nic->no_offload && nic->monitor && nic->link_down);
	nic = mgmt_config_nic(p, 1);
	cr_assert_not_null(nic);
	cr_expect_not(nic->no_offload || nic->monitor || nic->link_down);
	cr_expect_null(mgmt_config_nic(p, 0));
}

Test(mgmt_config, reads_the_keys_of_a_kernel_and_keeps_them_through_the_memfd)
{
	cfg_kept(linux_text, expect_linux);
}

Test(mgmt_config, writes_each_key_as_it_reads_it)
{
	cfg_written_as_read(full);
	cfg_written_as_read(linux_text);
	cfg_written_as_read(PART);
}

Test(mgmt_config, takes_a_long_command_line_for_a_kernel_only)
{
	char text[4096];
	struct mgmt_cfg *c;

	for (int with = 0; with < 2; with++)
		for (int n = 1024; n < 2050; n++) {
			bool fits = with ? n <= 2047 : n <= 1024;
			int rc;

			snprintf(text, sizeof(text), PART "    %s\n    cmdline: %0*d\n",
				 with ? "kernel: /dev/null" : "image: /dev/null", n, 7);
			rc = cfg_load(&c, text);
			cr_assert_eq(rc, fits ? 0 : -EINVAL, "%d characters: %d", n, rc);
			mgmt_config_free(c);
		}
}

Test(mgmt_config, does_not_look_for_files_that_were_looked_at_before)
{
	struct mgmt_host again = cfg_host;
	struct mgmt_cfg *c;
	const char *text = PART "    image: /nonexistent/guest\n";

	again.no_files = true;
	cr_assert_eq(mgmt_config_load(&c, "f", text, strlen(text), &again), 0, "%s", err_text());
	mgmt_config_free(c);
}

Test(mgmt_config, refuses_every_truncation_or_loads_it_whole)
{
	for (size_t n = 0; n < sizeof(full); n++) {
		struct mgmt_cfg *c;
		int rc = mgmt_config_load(&c, "f.yaml", full, n, &cfg_host);

		cr_assert(rc == 0 || rc == -EINVAL, "at %zu: %d", n, rc);
		cr_assert_eq(rc == 0, c != NULL);
		mgmt_config_free(c);
	}
}

Test(mgmt_config, reads_a_map_of_any_keys)
{
	static const struct {
		const char *text, *want; /* JSON, or part of the message */
	} rows[] = {
		{"{a: 1, b: null, c: 'null', d: {e: [x, 2.5]}}",
		 "{\"a\":1,\"b\":null,\"c\":\"null\",\"d\":{\"e\":[\"x\",2.5]}}"},
		{"a: on\nb: \"3\"\n", "{\"a\":\"on\",\"b\":\"3\"}"},
		{"{}", "{}"},
		{"{a: }", "m:1: \"a\": found nothing; allowed: a value"},
		{"a:\n  b: null\n", "m:2: \"a\".\"b\": found nothing"},
		{"{a: null, a: null}", "m:1: the file: found the key again"},
		{"[1]", "m:1: the file: found a list; allowed: a mapping"},
		{"x", "allowed: a mapping"},
		{"{\"\": 1}", "empty or too long; allowed: 1..100"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *o;
		int rc = mgmt_yaml_map(&o, "m", rows[i].text, strlen(rows[i].text));
		char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

		if (rows[i].want[0] == '{') {
			cr_assert_eq(rc, 0, "row %zu: %s", i, err_text());
			cr_expect_str_eq(text, rows[i].want);
		} else {
			cr_expect_eq(rc, -EINVAL, "row %zu", i);
			cr_expect(strstr(err_text(), rows[i].want), "row %zu: %s", i, err_text());
		}
		free(text);
		json_decref(o);
	}
}
