/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration's schema for libcyaml, and the limits of its numbers. Pure tables: a new key is
 * added here, in config.h and in docs/configuration.md (config_json.c walks these tables). */
#include "mgmt/config_priv.h"

#include <string.h>

#include "netvsp/netvsp.h"
#include "sriov/nl.h"
#include "vmbus/state.h"

#define OPT  CYAML_FLAG_OPTIONAL
#define ENUM (CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT)
#define LIST (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)

static const cyaml_strval_t engines[] = {
	{"auto", HV_ENGINE_AUTO},
	{"kvm", HV_ENGINE_KVM},
	{"ring3", HV_ENGINE_RING3},
};

static const cyaml_strval_t polls[] = {
	{"auto", VSW_POLL_AUTO},
	{"busy", VSW_POLL_BUSY},
	{"adaptive", VSW_POLL_ADAPTIVE},
	{"shared", VSW_POLL_SHARED},
};

static const cyaml_strval_t huges[] = {
	{"auto", MGMT_HUGE_AUTO},
	{"yes", MGMT_HUGE_YES},
	{"no", MGMT_HUGE_NO},
};

static const cyaml_strval_t vlan_modes[] = {
	{"access", VSW_VLAN_ACCESS},
	{"trunk", VSW_VLAN_TRUNK},
};

static const cyaml_strval_t synics[] = {
	{"auto", HV_SYNIC_AUTO},
	{"kvm", HV_SYNIC_KVM},
	{"nethv", HV_SYNIC_NETHV},
};

static const cyaml_strval_t vmbus_versions[] = {
	{"2.4", VMBUS_V2_4}, {"3.0", VMBUS_V3_0}, {"4.0", VMBUS_V4_0}, {"4.1", VMBUS_V4_1},
	{"5.0", VMBUS_V5_0}, {"5.1", VMBUS_V5_1}, {"5.2", VMBUS_V5_2}, {"5.3", VMBUS_V5_3},
};

static const cyaml_strval_t on_crashes[] = {
	{"stop", MGMT_CRASH_STOP},
	{"restart", MGMT_CRASH_RESTART},
};

static const cyaml_strval_t on_faults[] = {
	{"pass", MGMT_FAULT_PASS},
	{"drop", MGMT_FAULT_DROP},
};

static const cyaml_strval_t acl_ways[] = {
	{"in", VSW_ACL_INGRESS},
	{"out", VSW_ACL_EGRESS},
	{"both", VSW_ACL_BOTH},
};

static const cyaml_strval_t acl_actions[] = {
	{"permit", VSW_ACL_PERMIT},
	{"deny", VSW_ACL_DENY},
};

static const cyaml_strval_t when_fulls[] = {
	{"replace", false},
	{"refuse", true},
};

static const cyaml_strval_t guards[] = {
	{"dhcp", MGMT_GUARD_DHCP},
	{"router", MGMT_GUARD_ROUTER},
};

static const cyaml_strval_t mirror_ways[] = {
	{"in", VSW_MIRROR_IN},
	{"out", VSW_MIRROR_OUT},
	{"both", VSW_MIRROR_BOTH},
};

static const cyaml_strval_t mirror_drops[] = {
	{"false", VSW_MIRROR_FORWARDED},
	{"true", VSW_MIRROR_ALL},
	{"only", VSW_MIRROR_DROPS},
};

static const cyaml_strval_t encaps[] = {
	{"vxlan", VSW_OVERLAY_VXLAN},
	{"geneve", VSW_OVERLAY_GENEVE},
};

/* A bool that is true unless told otherwise is kept negated, since libcyaml begins with zeroes. */
static const cyaml_strval_t negated[] = {
	{"true", false}, {"false", true}, {"yes", false},
	{"no", true},	 {"on", false},	  {"off", true},
};

static const cyaml_strval_t vmq_providers[] = {
	{"auto", VMQ_PROVIDER_AUTO},
	{"vmdq", VMQ_PROVIDER_VMDQ},
	{"flow", VMQ_PROVIDER_FLOW},
	{"software", VMQ_PROVIDER_SOFTWARE},
};

static const cyaml_strval_t links[] = {
	{"up", false},
	{"down", true},
};

static const cyaml_schema_value_t value_u16 = {CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, uint16_t)};
static const cyaml_schema_value_t value_u32 = {CYAML_VALUE_UINT(CYAML_FLAG_DEFAULT, uint32_t)};
static const cyaml_schema_value_t value_port = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 31)};
static const cyaml_schema_value_t value_symbol = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 200)};

/* Longer than any file: no other string has this limit. */
#define FREE_MAX (2 * MGMT_FILE_MAX)

bool mgmt_schema_is_free(const cyaml_schema_value_t *v)
{
	return v->type == CYAML_STRING && v->string.max == FREE_MAX;
}

static const cyaml_schema_field_t vlan_fields[] = {
	CYAML_FIELD_ENUM("mode", ENUM, struct mgmt_vlan, mode, vlan_modes,
			 CYAML_ARRAY_LEN(vlan_modes)),
	CYAML_FIELD_UINT("pvid", OPT, struct mgmt_vlan, pvid),
	CYAML_FIELD_SEQUENCE("allowed", LIST, struct mgmt_vlan, allowed, &value_u16, 1, 4094),
	CYAML_FIELD_END,
};

#define WORD(key, S, member, words) \
	CYAML_FIELD_ENUM(key, ENUM, S, member, words, CYAML_ARRAY_LEN(words))
#define MUST_WORD(key, S, member, words) \
	CYAML_FIELD_ENUM(key, CYAML_FLAG_STRICT, S, member, words, CYAML_ARRAY_LEN(words))
#define TEXT(key, S, member, max) CYAML_FIELD_STRING_PTR(key, LIST, S, member, 1, max)

static const cyaml_schema_field_t acl_fields[] = {
	TEXT("name", struct mgmt_acl_rule, name, 31),
	MUST_WORD("way", struct mgmt_acl_rule, way, acl_ways),
	MUST_WORD("action", struct mgmt_acl_rule, action, acl_actions),
	TEXT("proto", struct mgmt_acl_rule, proto, 16),
	TEXT("src", struct mgmt_acl_rule, src, 64),
	TEXT("dst", struct mgmt_acl_rule, dst, 64),
	TEXT("sport", struct mgmt_acl_rule, sport, 16),
	TEXT("dport", struct mgmt_acl_rule, dport, 16),
	CYAML_FIELD_UINT_PTR("icmp_type", OPT, struct mgmt_acl_rule, icmp_type),
	CYAML_FIELD_UINT_PTR("icmp_code", OPT, struct mgmt_acl_rule, icmp_code),
	TEXT("ether_type", struct mgmt_acl_rule, ether_type, 16),
	TEXT("src_mac", struct mgmt_acl_rule, src_mac, 40),
	TEXT("dst_mac", struct mgmt_acl_rule, dst_mac, 40),
	CYAML_FIELD_BOOL("stateful", OPT, struct mgmt_acl_rule, stateful),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t acl_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct mgmt_acl_rule, acl_fields)};

static const cyaml_schema_value_t guard_value = {
	CYAML_VALUE_ENUM(CYAML_FLAG_STRICT, enum mgmt_guard, guards, CYAML_ARRAY_LEN(guards))};

#define NUMBER(key, S, member) CYAML_FIELD_UINT(key, OPT, S, member)

static const cyaml_schema_field_t acl_default_fields[] = {
	WORD("in", struct mgmt_acl_default, in, acl_actions),
	WORD("out", struct mgmt_acl_default, out, acl_actions),
	WORD("other_in", struct mgmt_acl_default, other_in, acl_actions),
	WORD("other_out", struct mgmt_acl_default, other_out, acl_actions),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t acl_connections_fields[] = {
	NUMBER("max", struct mgmt_acl_connections, max),
	WORD("when_full", struct mgmt_acl_connections, must_refuse, when_fulls),
	NUMBER("tcp_s", struct mgmt_acl_connections, tcp_s),
	NUMBER("tcp_new_s", struct mgmt_acl_connections, tcp_new_s),
	NUMBER("tcp_end_s", struct mgmt_acl_connections, tcp_end_s),
	NUMBER("other_s", struct mgmt_acl_connections, other_s),
	NUMBER("other_new_s", struct mgmt_acl_connections, other_new_s),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t limit_fields[] = {
	NUMBER("in_mbps", struct mgmt_limit, in_mbps),
	NUMBER("out_mbps", struct mgmt_limit, out_mbps),
	NUMBER("burst_kb", struct mgmt_limit, burst_kb),
	NUMBER("in_pps", struct mgmt_limit, in_pps),
	NUMBER("out_pps", struct mgmt_limit, out_pps),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t storm_fields[] = {
	NUMBER("broadcast_pps", struct mgmt_storm, broadcast_pps),
	NUMBER("multicast_pps", struct mgmt_storm, multicast_pps),
	CYAML_FIELD_END,
};

/* The keys of a policy in struct @S, whose member @P (with its dot, or nothing) it is. */
#define POLICY_FIELDS(S, P)                                                                    \
	CYAML_FIELD_SEQUENCE_COUNT("acl", LIST, S, P acl, P acl_count, &acl_value, 0,          \
				   VSW_ACL_RULES_MAX),                                         \
		CYAML_FIELD_MAPPING("acl_default", OPT, S, P acl_default, acl_default_fields), \
		CYAML_FIELD_MAPPING("acl_connections", OPT, S, P acl_connections,              \
				    acl_connections_fields),                                   \
		CYAML_FIELD_SEQUENCE_COUNT("guards", LIST, S, P guards, P guards_count,        \
					   &guard_value, 0, 2),                                \
		CYAML_FIELD_MAPPING("limit", OPT, S, P limit, limit_fields),                   \
		CYAML_FIELD_UINT("share_mbps", OPT, S, P share_mbps),                          \
		CYAML_FIELD_UINT("min_mbps", OPT, S, P min_mbps),                              \
		CYAML_FIELD_MAPPING("storm", OPT, S, P storm, storm_fields),                   \
		CYAML_FIELD_STRING_PTR("isolation", LIST, S, P isolation, 1, 40)

static const cyaml_schema_field_t policy_fields[] = {
	POLICY_FIELDS(struct mgmt_policy, ),
	CYAML_FIELD_END,
};

const cyaml_schema_value_t mgmt_policy_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct mgmt_policy, policy_fields)};

static const cyaml_schema_field_t nic_vmq_fields[] = {
	WORD("enabled", struct mgmt_nic_vmq, is_off, negated),
	NUMBER("queues", struct mgmt_nic_vmq, queues),
	CYAML_FIELD_UINT_PTR("lcore", OPT, struct mgmt_nic_vmq, lcore),
	WORD("direct", struct mgmt_nic_vmq, no_direct, negated),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t nic_fields[] = {
	CYAML_FIELD_STRING_PTR("mac", LIST, struct mgmt_nic, mac, 1, 40),
	CYAML_FIELD_UINT("mtu", OPT, struct mgmt_nic, mtu),
	CYAML_FIELD_UINT("channels", OPT, struct mgmt_nic, channels),
	CYAML_FIELD_MAPPING("vlan", OPT, struct mgmt_nic, vlan, vlan_fields),
	CYAML_FIELD_BOOL("allow_spoofing", OPT, struct mgmt_nic, allow_spoofing),
	CYAML_FIELD_UINT("link_mbps", OPT, struct mgmt_nic, link_mbps),
	CYAML_FIELD_UINT_PTR("index", OPT, struct mgmt_nic, index),
	CYAML_FIELD_ENUM("offload", ENUM, struct mgmt_nic, no_offload, negated,
			 CYAML_ARRAY_LEN(negated)),
	CYAML_FIELD_BOOL("monitor", OPT, struct mgmt_nic, monitor),
	CYAML_FIELD_ENUM("link", ENUM, struct mgmt_nic, link_down, links, CYAML_ARRAY_LEN(links)),
	CYAML_FIELD_BOOL("sriov", OPT, struct mgmt_nic, sriov),
	CYAML_FIELD_MAPPING("vmq", OPT, struct mgmt_nic, vmq, nic_vmq_fields),
	POLICY_FIELDS(struct mgmt_nic, policy.),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t nic_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct mgmt_nic, nic_fields)};

static const cyaml_schema_field_t disk_fields[] = {
	CYAML_FIELD_STRING_PTR("path", CYAML_FLAG_POINTER, struct mgmt_disk, path, 1, 4000),
	CYAML_FIELD_BOOL("readonly", OPT, struct mgmt_disk, readonly),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t disk_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct mgmt_disk, disk_fields)};

static const cyaml_schema_field_t partition_fields[] = {
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct mgmt_partition, name, 1,
			       MGMT_NAME_MAX),
	CYAML_FIELD_ENUM("engine", ENUM, struct mgmt_partition, engine, engines,
			 CYAML_ARRAY_LEN(engines)),
	CYAML_FIELD_STRING_PTR("image", LIST, struct mgmt_partition, image, 1, 4000),
	CYAML_FIELD_STRING_PTR("kernel", LIST, struct mgmt_partition, kernel, 1, 4000),
	CYAML_FIELD_STRING_PTR("initrd", LIST, struct mgmt_partition, initrd, 1, 4000),
	CYAML_FIELD_STRING_PTR("cmdline", LIST, struct mgmt_partition, cmdline, 0,
			       MGMT_CMDLINE_MAX),
	CYAML_FIELD_STRING_PTR("serial", LIST, struct mgmt_partition, serial, 1, 4000),
	CYAML_FIELD_ENUM("synic", ENUM, struct mgmt_partition, synic, synics,
			 CYAML_ARRAY_LEN(synics)),
	CYAML_FIELD_ENUM("vmbus_version", ENUM, struct mgmt_partition, vmbus_version,
			 vmbus_versions, CYAML_ARRAY_LEN(vmbus_versions)),
	CYAML_FIELD_SEQUENCE("disks", LIST, struct mgmt_partition, disks, &disk_value, 0,
			     MGMT_DISKS_MAX),
	CYAML_FIELD_BOOL("integration", OPT, struct mgmt_partition, integration),
	CYAML_FIELD_ENUM("on_crash", ENUM, struct mgmt_partition, on_crash, on_crashes,
			 CYAML_ARRAY_LEN(on_crashes)),
	CYAML_FIELD_UINT("stop_s", OPT, struct mgmt_partition, stop_s),
	CYAML_FIELD_UINT("vps", OPT, struct mgmt_partition, vps),
	CYAML_FIELD_UINT("memory", OPT, struct mgmt_partition, memory),
	CYAML_FIELD_INT_PTR("numa_node", OPT, struct mgmt_partition, numa_node),
	CYAML_FIELD_SEQUENCE("cpus", LIST, struct mgmt_partition, cpus, &value_u32, 1, 1024),
	CYAML_FIELD_SEQUENCE("nics", LIST, struct mgmt_partition, nics, &nic_value, 0,
			     MGMT_NICS_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t partition_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct mgmt_partition, partition_fields)};

static const cyaml_schema_field_t vmq_fields[] = {
	WORD("provider", struct mgmt_vmq, provider, vmq_providers),
	NUMBER("queues", struct mgmt_vmq, queues),
	WORD("direct", struct mgmt_vmq, no_direct, negated),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t uplink_fields[] = {
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct mgmt_uplink, name, 1,
			       MGMT_NAME_MAX),
	CYAML_FIELD_STRING_PTR("devargs", CYAML_FLAG_POINTER, struct mgmt_uplink, devargs, 1, 500),
	CYAML_FIELD_MAPPING("vlan", OPT, struct mgmt_uplink, vlan, vlan_fields),
	CYAML_FIELD_STRING_PTR("netns", LIST, struct mgmt_uplink, netns, 1, 200),
	CYAML_FIELD_UINT("queues", OPT, struct mgmt_uplink, queues),
	CYAML_FIELD_UINT_PTR("mtu", OPT, struct mgmt_uplink, mtu),
	TEXT("pf", struct mgmt_uplink, pf, 31),
	CYAML_FIELD_UINT_PTR("vfs", OPT, struct mgmt_uplink, vfs),
	CYAML_FIELD_BOOL("zero_copy", OPT, struct mgmt_uplink, zero_copy),
	CYAML_FIELD_MAPPING_PTR("vmq", LIST, struct mgmt_uplink, vmq, vmq_fields),
	POLICY_FIELDS(struct mgmt_uplink, policy.),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t uplink_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct mgmt_uplink, uplink_fields)};

static const cyaml_schema_field_t ext_fields[] = {
	CYAML_FIELD_STRING_PTR("name", LIST, struct mgmt_ext, name, 1, MGMT_EXT_NAME_MAX),
	CYAML_FIELD_STRING_PTR("path", CYAML_FLAG_POINTER, struct mgmt_ext, path, 1, 4000),
	CYAML_FIELD_ENUM("enabled", ENUM, struct mgmt_ext, is_off, negated,
			 CYAML_ARRAY_LEN(negated)),
	CYAML_FIELD_SEQUENCE("ports", LIST, struct mgmt_ext, ports, &value_port, 1, VSW_PORTS_MAX),
	CYAML_FIELD_UINT("budget_us", OPT, struct mgmt_ext, budget_us),
	CYAML_FIELD_STRING_PTR("config", LIST, struct mgmt_ext, config, 2, FREE_MAX),
	CYAML_FIELD_SEQUENCE("allow_imports", LIST, struct mgmt_ext, allow_imports, &value_symbol,
			     1, MGMT_IMPORTS_MAX),
	CYAML_FIELD_ENUM("on_fault", ENUM, struct mgmt_ext, on_fault, on_faults,
			 CYAML_ARRAY_LEN(on_faults)),
	CYAML_FIELD_UINT("revision", OPT, struct mgmt_ext, revision),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t ext_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct mgmt_ext, ext_fields)};

static const cyaml_schema_field_t mirror_fields[] = {
	CYAML_FIELD_SEQUENCE("from", CYAML_FLAG_POINTER, struct mgmt_mirror, from, &value_port, 1,
			     VSW_PORTS_MAX),
	CYAML_FIELD_STRING_PTR("to", CYAML_FLAG_POINTER, struct mgmt_mirror, to, 1, 31),
	WORD("way", struct mgmt_mirror, way, mirror_ways),
	WORD("drops", struct mgmt_mirror, what, mirror_drops),
	CYAML_FIELD_UINT("snap_len", OPT, struct mgmt_mirror, snap_len),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t mirror_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct mgmt_mirror, mirror_fields)};

static const cyaml_schema_value_t value_mac = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, 40)};

static const cyaml_schema_field_t remote_fields[] = {
	CYAML_FIELD_STRING_PTR("vtep", CYAML_FLAG_POINTER, struct mgmt_remote, vtep, 1, 60),
	TEXT("next_hop_mac", struct mgmt_remote, next_hop_mac, 40),
	CYAML_FIELD_SEQUENCE("macs", LIST, struct mgmt_remote, macs, &value_mac, 0,
			     MGMT_REMOTE_MACS_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t remote_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct mgmt_remote, remote_fields)};

static const cyaml_schema_field_t subnet_fields[] = {
	CYAML_FIELD_UINT("vsid", CYAML_FLAG_DEFAULT, struct mgmt_subnet, vsid),
	WORD("learning", struct mgmt_subnet, no_learning, negated),
	CYAML_FIELD_BOOL("external", OPT, struct mgmt_subnet, external),
	CYAML_FIELD_SEQUENCE("ports", LIST, struct mgmt_subnet, ports, &value_port, 0,
			     VSW_PORTS_MAX),
	CYAML_FIELD_SEQUENCE("remotes", LIST, struct mgmt_subnet, remotes, &remote_value, 0,
			     VSW_OVERLAY_REMOTES_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t subnet_value = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct mgmt_subnet, subnet_fields)};

static const cyaml_schema_field_t overlay_fields[] = {
	WORD("encap", struct mgmt_overlay, encap, encaps),
	CYAML_FIELD_STRING_PTR("uplink", CYAML_FLAG_POINTER, struct mgmt_overlay, uplink, 1,
			       MGMT_NAME_MAX),
	CYAML_FIELD_STRING_PTR("local", CYAML_FLAG_POINTER, struct mgmt_overlay, local, 1, 60),
	TEXT("gateway", struct mgmt_overlay, gateway, 60),
	TEXT("mac", struct mgmt_overlay, mac, 40),
	NUMBER("vlan", struct mgmt_overlay, vlan),
	NUMBER("mtu", struct mgmt_overlay, mtu),
	NUMBER("udp_port", struct mgmt_overlay, udp_port),
	CYAML_FIELD_BOOL("zero_csum6", OPT, struct mgmt_overlay, zero_csum6),
	NUMBER("macs_max", struct mgmt_overlay, macs_max),
	NUMBER("ageing_s", struct mgmt_overlay, ageing_s),
	CYAML_FIELD_SEQUENCE("subnets", LIST, struct mgmt_overlay, subnets, &subnet_value, 0,
			     VSW_OVERLAY_SUBNETS_MAX),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t switch_fields[] = {
	CYAML_FIELD_SEQUENCE("lcores", LIST, struct mgmt_switch, lcores, &value_u32, 1,
			     VSW_LCORES_MAX),
	CYAML_FIELD_ENUM("poll", ENUM, struct mgmt_switch, poll, polls, CYAML_ARRAY_LEN(polls)),
	CYAML_FIELD_UINT("memory", OPT, struct mgmt_switch, memory),
	CYAML_FIELD_ENUM("hugepages", ENUM, struct mgmt_switch, hugepages, huges,
			 CYAML_ARRAY_LEN(huges)),
	CYAML_FIELD_UINT("fdb_size", OPT, struct mgmt_switch, fdb_size),
	CYAML_FIELD_UINT("ageing_s", OPT, struct mgmt_switch, ageing_s),
	CYAML_FIELD_UINT_PTR("wake_latency_us", OPT, struct mgmt_switch, wake_latency_us),
	CYAML_FIELD_SEQUENCE("extensions", LIST, struct mgmt_switch, exts, &ext_value, 0,
			     MGMT_EXTS_MAX),
	CYAML_FIELD_SEQUENCE("mirrors", LIST, struct mgmt_switch, mirrors, &mirror_value, 0,
			     VSW_MIRRORS_MAX),
	CYAML_FIELD_MAPPING_PTR("overlay", LIST, struct mgmt_switch, overlay, overlay_fields),
	CYAML_FIELD_BOOL("remember_drops", OPT, struct mgmt_switch, remember_drops),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t top_fields[] = {
	CYAML_FIELD_STRING_PTR("name", LIST, struct mgmt_cfg, name, 1, MGMT_NAME_MAX),
	CYAML_FIELD_ENUM("engine", ENUM, struct mgmt_cfg, engine, engines,
			 CYAML_ARRAY_LEN(engines)),
	CYAML_FIELD_MAPPING("switch", OPT, struct mgmt_cfg, sw, switch_fields),
	CYAML_FIELD_SEQUENCE("uplinks", LIST, struct mgmt_cfg, uplinks, &uplink_value, 0,
			     MGMT_UPLINKS_MAX),
	CYAML_FIELD_SEQUENCE("partitions", CYAML_FLAG_POINTER, struct mgmt_cfg, partitions,
			     &partition_value, 1, MGMT_PARTITIONS_MAX),
	CYAML_FIELD_END,
};

const cyaml_schema_value_t mgmt_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct mgmt_cfg, top_fields)};

/* @port: the key of the list of ports. */
#define POLICY_RANGES(port)                                                             \
	{port ".acl.icmp_type", 0, 255, 0, "an ICMP type"},                             \
		{port ".acl.icmp_code", 0, 255, 0, "an ICMP code"},                     \
		{port ".acl_connections.max", 64, VSW_ACL_CONNS_MAX, 0, "connections"}, \
		{port ".acl_connections.tcp_s", 1, 2592000, 0, "seconds"},              \
		{port ".acl_connections.tcp_new_s", 1, 2592000, 0, "seconds"},          \
		{port ".acl_connections.tcp_end_s", 1, 2592000, 0, "seconds"},          \
		{port ".acl_connections.other_s", 1, 2592000, 0, "seconds"},            \
		{port ".acl_connections.other_new_s", 1, 2592000, 0, "seconds"},        \
		{port ".limit.in_mbps", 1, 1000000, 0, "Mbit/s"},                       \
		{port ".limit.out_mbps", 1, 1000000, 0, "Mbit/s"},                      \
		{port ".limit.burst_kb", VSW_RATE_BURST_MIN / 1024, 1 << 20, 0, "KiB"}, \
		{port ".limit.in_pps", 1, 1000000000, 0, "packets a second"},           \
		{port ".limit.out_pps", 1, 1000000000, 0, "packets a second"},          \
		{port ".share_mbps", 1, 1000000, 0, "Mbit/s"},                          \
		{port ".min_mbps", 1, 1000000, 0, "Mbit/s"},                            \
		{port ".storm.broadcast_pps", 1, 1000000000, 0, "packets a second"},    \
	{                                                                               \
		port ".storm.multicast_pps", 1, 1000000000, 0, "packets a second"       \
	}

static const struct mgmt_range ranges[] = {
	POLICY_RANGES("uplinks"),
	POLICY_RANGES("partitions.nics"),
	{"switch.overlay.vlan", 0, 4094, 0, "a VLAN id, 0: untagged network"},
	{"switch.overlay.mtu", 576, VSW_FRAME_MAX - 18, 0, "bytes"},
	{"switch.overlay.udp_port", 1, 65535, 0, "a UDP port"},
	{"switch.overlay.macs_max", 1, 1 << 20, 0, "addresses"},
	{"switch.overlay.ageing_s", 1, 1000000, 0, "seconds"},
	{"switch.overlay.subnets.vsid", 1, VSW_OVERLAY_VSID_MAX, 0, "a virtual subnet's number"},
	{"switch.mirrors.snap_len", VSW_FRAME_MIN, VSW_LSO_MAX, 0, "bytes"},
	{"switch.lcores", 0, 1023, 0, "a CPU number"},
	{"switch.memory", 64, 1 << 20, 0, "MiB"},
	{"switch.fdb_size", 16, 1 << 20, 0, "addresses"},
	{"switch.ageing_s", 1, 1000000, 0, "seconds"},
	{"switch.wake_latency_us", 0, 10000, 0, "microseconds"},
	{"switch.extensions.budget_us", 10, 1000000, 0, "microseconds"},
	{"switch.extensions.revision", 0, UINT32_MAX, 0, "a number"},
	{"uplinks.queues", 1, VSW_QUEUES_MAX, 0, "queues"},
	{"uplinks.vmq.queues", 1, VMQ_QUEUES_MAX - 1, 0, "queues"},
	{"uplinks.mtu", 68, NETVSP_MTU_MAX, 0, "bytes"},
	{"uplinks.vfs", 0, SRIOV_VFS_MAX, 0, "VFs"},
	{"uplinks.vlan.pvid", 0, 4094, 0, "a VLAN id, 0: untagged network"},
	{"uplinks.vlan.allowed", 1, 4094, 0, "a VLAN id"},
	{"partitions.vps", 1, VMBUS_VPS_MAX, 0, "virtual processors"},
	{"partitions.memory", 4, 1 << 20, 2, "MiB"},
	{"partitions.stop_s", 1, 3600, 0, "seconds"},
	{"partitions.numa_node", 0, 1023, 0, "a NUMA node"},
	{"partitions.cpus", 0, 1023, 0, "a CPU number"},
	{"partitions.nics.mtu", 68, NETVSP_MTU_MAX, 0, "bytes"},
	{"partitions.nics.channels", 1, NETVSP_CHANNELS_MAX, 0, "channels"},
	{"partitions.nics.vmq.queues", 1, VMQ_PORT_QUEUES_MAX, 0, "queues"},
	{"partitions.nics.vmq.lcore", 0, 1023, 0, "a CPU number"},
	{"partitions.nics.link_mbps", 1, 4000000, 0, "Mbit/s"},
	{"partitions.nics.index", 0, 255, 0, "a number"},
	{"partitions.nics.vlan.pvid", 0, 4094, 0, "a VLAN id, 0: untagged network"},
	{"partitions.nics.vlan.allowed", 1, 4094, 0, "a VLAN id"},
};

const struct mgmt_range *mgmt_schema_range(const char *key)
{
	for (size_t i = 0; i < CYAML_ARRAY_LEN(ranges); i++)
		if (!strcmp(ranges[i].key, key))
			return &ranges[i];
	return NULL;
}
