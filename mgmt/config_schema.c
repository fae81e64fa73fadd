/* SPDX-License-Identifier: BSD-3-Clause */
/* The configuration's schema for libcyaml, and the limits of its numbers. Pure tables: a new key is
 * added here, in config.h and in docs/configuration.md (config_json.c walks these tables). */
#include "mgmt/config_priv.h"

#include <string.h>

#include "netvsp/netvsp.h"
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

/* A bool that is true unless told otherwise is kept negated, since libcyaml begins with zeroes. */
static const cyaml_strval_t negated[] = {
	{"true", false}, {"false", true}, {"yes", false},
	{"no", true},	 {"on", false},	  {"off", true},
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

static const cyaml_schema_field_t uplink_fields[] = {
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct mgmt_uplink, name, 1,
			       MGMT_NAME_MAX),
	CYAML_FIELD_STRING_PTR("devargs", CYAML_FLAG_POINTER, struct mgmt_uplink, devargs, 1, 500),
	CYAML_FIELD_MAPPING("vlan", OPT, struct mgmt_uplink, vlan, vlan_fields),
	CYAML_FIELD_STRING_PTR("netns", LIST, struct mgmt_uplink, netns, 1, 200),
	CYAML_FIELD_UINT("queues", OPT, struct mgmt_uplink, queues),
	CYAML_FIELD_UINT_PTR("mtu", OPT, struct mgmt_uplink, mtu),
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

static const cyaml_schema_field_t switch_fields[] = {
	CYAML_FIELD_SEQUENCE("lcores", LIST, struct mgmt_switch, lcores, &value_u32, 1,
			     VSW_LCORES_MAX),
	CYAML_FIELD_ENUM("poll", ENUM, struct mgmt_switch, poll, polls, CYAML_ARRAY_LEN(polls)),
	CYAML_FIELD_UINT("memory", OPT, struct mgmt_switch, memory),
	CYAML_FIELD_ENUM("hugepages", ENUM, struct mgmt_switch, hugepages, huges,
			 CYAML_ARRAY_LEN(huges)),
	CYAML_FIELD_UINT("fdb_size", OPT, struct mgmt_switch, fdb_size),
	CYAML_FIELD_UINT("ageing_s", OPT, struct mgmt_switch, ageing_s),
	CYAML_FIELD_SEQUENCE("extensions", LIST, struct mgmt_switch, exts, &ext_value, 0,
			     MGMT_EXTS_MAX),
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

static const struct mgmt_range ranges[] = {
	{"switch.lcores", 0, 1023, 0, "a CPU number"},
	{"switch.memory", 64, 1 << 20, 0, "MiB"},
	{"switch.fdb_size", 16, 1 << 20, 0, "addresses"},
	{"switch.ageing_s", 1, 1000000, 0, "seconds"},
	{"switch.extensions.budget_us", 10, 1000000, 0, "microseconds"},
	{"switch.extensions.revision", 0, UINT32_MAX, 0, "a number"},
	{"uplinks.queues", 1, VSW_QUEUES_MAX, 0, "queues"},
	{"uplinks.mtu", 68, NETVSP_MTU_MAX, 0, "bytes"},
	{"uplinks.vlan.pvid", 0, 4094, 0, "a VLAN id, 0: untagged network"},
	{"uplinks.vlan.allowed", 1, 4094, 0, "a VLAN id"},
	{"partitions.vps", 1, VMBUS_VPS_MAX, 0, "virtual processors"},
	{"partitions.memory", 4, 1 << 20, 2, "MiB"},
	{"partitions.stop_s", 1, 3600, 0, "seconds"},
	{"partitions.numa_node", 0, 1023, 0, "a NUMA node"},
	{"partitions.cpus", 0, 1023, 0, "a CPU number"},
	{"partitions.nics.mtu", 68, NETVSP_MTU_MAX, 0, "bytes"},
	{"partitions.nics.channels", 1, NETVSP_CHANNELS_MAX, 0, "channels"},
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
