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

#define PART	  "partitions:\n  - name: a\n"
#define EXT	  "switch:\n  extensions:\n"
#define OVER	  "switch:\n  overlay: {"
#define OVER_END  "uplinks: [{name: u, devargs: net_null0}]\n" PART "    nics: [{}]\n"
#define SUBNETS	  OVER "uplink: u, local: 192.0.2.1, subnets: ["
#define ACL	  PART "    nics:\n      - acl: ["
#define PF_UPLINK "uplinks: [{name: u, devargs: net_null0, pf: e}]\n"
#define RULE	  ACL "{way: in, action: deny,\n          "

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
	 {"uplinks[0].queues:", "\"0\"", "1..64"}},
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
	struct mgmt_cfg *c, *again;
	int fd;

	cr_assert_eq(load(&c, linux_text), 0, "%s", err_text());
	expect_linux(c);
	fd = mgmt_config_memfd(c);
	cr_assert_geq(fd, 0, "%s", err_text());
	cr_assert_eq(mgmt_config_load_fd(&again, fd, &host), 0, "%s", err_text());
	expect_linux(again);
	mgmt_config_free(again);
	mgmt_config_free(c);
	close(fd);
}

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

Test(mgmt_config, reads_extensions_and_keeps_them_through_the_memfd)
{
	struct mgmt_cfg *c, *again;
	int fd;

	cr_assert_eq(load(&c, exts_text), 0, "%s", err_text());
	expect_exts(c);
	fd = mgmt_config_memfd(c);
	cr_assert_eq(mgmt_config_load_fd(&again, fd, &host), 0, "%s", err_text());
	expect_exts(again);
	mgmt_config_free(again);
	mgmt_config_free(c);
	close(fd);
}

Test(mgmt_config, begins_relative_paths_of_extensions_where_the_file_is)
{
	char dir[] = "/tmp/nethv-test-XXXXXX", path[64], want[64];
	struct mgmt_cfg *c;
	FILE *f;

	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/x.yaml", dir);
	f = fopen(path, "w");
	fputs("switch: {extensions: [{path: x.yaml, name: x}, {path: /dev/null}]}\n" PART, f);
	cr_assert_eq(fclose(f), 0);
	cr_expect_eq(mgmt_config_load_file(&c, path, &host), -EINVAL, "a device is no file");
	cr_expect(strstr(err_text(), "switch.extensions[1].path: found \"/dev/null\""), "%s",
		  err_text());
	f = fopen(path, "w");
	fputs("switch: {extensions: [{path: x.yaml, name: x}]}\n" PART, f);
	cr_assert_eq(fclose(f), 0);
	cr_assert_eq(mgmt_config_load_file(&c, path, &host), 0, "%s", err_text());
	snprintf(want, sizeof(want), "%s/x.yaml", dir);
	cr_expect_str_eq(c->sw.exts[0].path, want);
	mgmt_config_free(c);
	unlink(path);
	rmdir(dir);
}

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

Test(mgmt_config, reads_policies_and_mirrors_and_keeps_them_through_the_memfd)
{
	struct mgmt_cfg *c, *again;
	int fd;

	cr_assert_eq(load(&c, policy_text), 0, "%s", err_text());
	expect_policies(c);
	fd = mgmt_config_memfd(c);
	cr_assert_eq(mgmt_config_load_fd(&again, fd, &host), 0, "%s", err_text());
	expect_policies(again);
	mgmt_config_free(again);
	mgmt_config_free(c);
	close(fd);
}

Test(mgmt_config, takes_rules_of_an_acl_apart)
{
	struct vsw_acl_rule r[2];
	struct mgmt_cfg *c;
	const char *key;

	cr_assert_eq(load(&c, policy_text), 0, "%s", err_text());
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

static const char overlay_text[] = SUBNETS
	"{vsid: 77, learning: false, ports: [a/0],\n"
	"     remotes: [{vtep: 192.0.2.9, next_hop_mac: 02:00:00:00:00:09, macs: [02:4e:00:00:00:07]},\n"
	"               {vtep: 192.0.2.8}]}, {vsid: 78, external: yes}],\n"
	"    encap: geneve, vlan: 5, mtu: 1600, udp_port: 99, zero_csum6: on, macs_max: 10, ageing_s: 20,\n"
	"    gateway: 192.0.2.254}\n" OVER_END;

Test(mgmt_config, reads_the_overlay_and_keeps_it_through_the_memfd)
{
	struct mgmt_cfg *c, *again;
	const struct mgmt_overlay *o;
	int fd;

	cr_assert_eq(load(&again, overlay_text), 0, "%s", err_text());
	fd = mgmt_config_memfd(again);
	mgmt_config_free(again);
	cr_assert_eq(mgmt_config_load_fd(&c, fd, &host), 0, "%s", err_text());
	o = c->sw.overlay;
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
	mgmt_config_free(c);
	close(fd);
	cr_assert_eq(load(&c, PART), 0);
	cr_expect_null(c->sw.overlay);
	mgmt_config_free(c);
}

/* What JSON says must be what it was made from: a second trip changes nothing. */
Test(mgmt_config, writes_each_key_as_it_reads_it)
{
	static const char *const texts[] = {full,	 linux_text,   exts_text,
					    policy_text, overlay_text, PART};

	for (int i = 0; i < 6; i++) {
		struct mgmt_cfg *c, *again;
		json_t *one, *two;

		cr_assert_eq(load(&c, texts[i]), 0, "%s", err_text());
		one = mgmt_config_json(c);
		cr_assert_eq(mgmt_config_load_json(&again, "json", one, &host), 0, "%s",
			     err_text());
		two = mgmt_config_json(again);
		cr_expect(json_equal(one, two));
		json_decref(one);
		json_decref(two);
		mgmt_config_free(c);
		mgmt_config_free(again);
	}
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
			rc = load(&c, text);
			cr_assert_eq(rc, fits ? 0 : -EINVAL, "%d characters: %d", n, rc);
			mgmt_config_free(c);
		}
}

Test(mgmt_config, does_not_look_for_files_that_were_looked_at_before)
{
	struct mgmt_host again = host;
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
		int rc = mgmt_config_load(&c, "f.yaml", full, n, &host);

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

Test(mgmt_config, finds_the_pf_of_an_uplink)
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
		cr_assert_eq(load(&c, text), 0, "row %zu: %s", i, err_text());
		cr_expect_eq(mgmt_uplink_pf(&c->uplinks[0], name, sizeof(name)), !!row[i].pf,
			     "row %zu", i);
		cr_expect(!row[i].pf || !strcmp(name, row[i].pf), "row %zu: %s", i, name);
		mgmt_config_free(c);
	}
}

Test(mgmt_config, keeps_what_is_said_of_vfs_on_the_way_through_json)
{
	static const char text[] =
		PART "    engine: kvm\n    nics: [{sriov: on}, {}, {sriov: on}]\n"
		     "uplinks: [{name: u, devargs: net_null0, pf: e, vfs: 0}]\n";
	struct mgmt_cfg *c, *d;
	int fd;

	cr_assert_eq(load(&c, text), 0, "%s", err_text());
	cr_expect_eq(mgmt_config_vfs(c), 2);
	fd = mgmt_config_memfd(c);
	cr_assert_geq(fd, 0, "%s", err_text());
	cr_assert_eq(mgmt_config_load_fd(&d, fd, &host), 0, "%s", err_text());
	cr_expect_eq(mgmt_config_vfs(d), 2);
	cr_expect_str_eq(d->uplinks[0].pf, "e");
	cr_assert_not_null(d->uplinks[0].vfs);
	cr_expect_eq(*d->uplinks[0].vfs, 0);
	close(fd);
	mgmt_config_free(c);
	mgmt_config_free(d);
}
