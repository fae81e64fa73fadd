/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration: the YAML file of `nethv run`, checked, with defaults filled in. docs/configuration.md
 * is its manual. The same loader reads it again in the switch and the workers, as JSON (which is
 * YAML) from a memfd, so that an edit of the file after the start changes nothing. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nethv/abi/vmbus.h>

#include "hv/hv.h"
#include "mgmt/config_overlay.h"
#include "mgmt/config_policy.h"
#include "vmq/vmq.h"
#include "vswitch/ext/ext.h"
#include "vswitch/port.h"
#include "vswitch/vswitch.h"

#define MGMT_NAME_MAX	    24u /* instance, partition, uplink; ports add "/255" */
#define MGMT_PARTITIONS_MAX 64u
#define MGMT_NICS_MAX	    16u /* in a partition */
#define MGMT_UPLINKS_MAX    16u
#define MGMT_DISKS_MAX	    16u	  /* in a partition */
#define MGMT_CMDLINE_MAX    2047u /* of a kernel; an image takes NETHV_CMDLINE_MAX */
#define MGMT_KERNEL_MIB	    64u	  /* less is too little for any kernel */
#define MGMT_EXTS_MAX	    VSW_EXTS_MAX
#define MGMT_EXT_NAME_MAX   31u
#define MGMT_IMPORTS_MAX    64u /* of an extension */
#define MGMT_FILE_MAX	    (1u << 20)

enum mgmt_huge { MGMT_HUGE_AUTO, MGMT_HUGE_YES, MGMT_HUGE_NO };

struct mgmt_vlan {
	enum vsw_vlan_mode mode;
	uint16_t pvid;
	uint16_t *allowed; /* trunk: NULL means all */
	uint32_t allowed_count;
};

/* An adapter's queues of uplinks that have VMQ. */
struct mgmt_nic_vmq {
	bool is_off; /* key "enabled", negated */
	uint8_t queues;
	uint32_t *lcore; /* CPU of the poll lcore that its queues stay on; NULL: where it is best */
	bool no_direct;	 /* key "direct", negated */
};

struct mgmt_nic {
	char *mac; /* text, always set after load */
	uint16_t mtu;
	uint8_t channels;
	struct mgmt_vlan vlan;
	bool allow_spoofing;
	uint32_t link_mbps;
	uint8_t *index;	 /* number in the partition, always set after load: unique, it stays */
	bool no_offload; /* key "offload", negated */
	bool monitor;	 /* offer a monitor page */
	bool link_down;	 /* key "link" */
	bool sriov;	 /* it gets a VF of an uplink's PF */
	struct mgmt_nic_vmq vmq;
	struct mgmt_policy policy;
	uint8_t addr[6]; /* mac, parsed */
};

struct mgmt_disk {
	char *path;
	bool readonly;
};

enum mgmt_on_crash { MGMT_CRASH_STOP, MGMT_CRASH_RESTART };

struct mgmt_partition {
	char *name;
	enum hv_engine_kind engine; /* HV_ENGINE_AUTO: the instance's */
	char *image;		    /* NULL with a kernel, else always set after load */
	char *kernel;		    /* NULL: an image */
	char *initrd;
	char *cmdline;
	char *serial; /* see mgmt/serial.h; always set after load */
	enum hv_synic_kind synic;
	enum vmbus_version vmbus_version; /* highest to offer */
	struct mgmt_disk *disks;
	uint32_t disks_count;
	bool integration; /* offer heartbeat, shutdown, time and key-value exchange */
	enum mgmt_on_crash on_crash;
	uint32_t stop_s; /* for its guest, to end when the instance does */
	uint32_t vps;
	uint32_t memory; /* MiB */
	int *numa_node;	 /* NULL: any */
	uint32_t *cpus;
	uint32_t cpus_count;
	struct mgmt_nic *nics;
	uint32_t nics_count;
};

/* Queues of an uplink that each belong to an adapter. */
struct mgmt_vmq {
	enum vmq_provider_choice provider;
	uint32_t queues; /* 0: as many as there can be */
	bool no_direct;	 /* key "direct", negated */
};

struct mgmt_uplink {
	char *name;
	char *devargs;
	struct mgmt_vlan vlan;
	char *netns; /* NULL: the switch's own */
	uint32_t queues;
	uint32_t *mtu; /* NULL: the device's own */
	char *pf;      /* interface or PCI address; NULL: mgmt_uplink_pf() guesses */
	uint32_t *vfs; /* NULL: as many as adapters ask for */
	bool zero_copy;
	struct mgmt_vmq *vmq; /* NULL: none */
	struct mgmt_policy policy;
};

enum mgmt_on_fault { MGMT_FAULT_PASS, MGMT_FAULT_DROP };

/* An instance of an extension. The order of the list is their order in each class, the first on top. */
struct mgmt_ext {
	char *name;   /* always set after load, unique */
	char *path;   /* absolute, or "builtin:NAME" */
	bool is_off;  /* key "enabled", negated */
	char **ports; /* NULL: all */
	uint32_t ports_count;
	uint32_t budget_us;
	char *config; /* its own keys, as a JSON object; NULL: all defaults */
	char **allow_imports;
	uint32_t allow_imports_count;
	enum mgmt_on_fault on_fault; /* what becomes of its packets */
	uint32_t revision;	     /* counted up to have the same path opened again */
};

struct mgmt_switch {
	uint32_t *lcores;
	uint32_t lcores_count;
	enum vsw_poll_mode poll;
	uint32_t memory; /* MiB */
	enum mgmt_huge hugepages;
	uint32_t fdb_size;
	uint32_t ageing_s;
	uint32_t *wake_latency_us; /* of the lcores' CPUs; NULL: the kernel decides */
	struct mgmt_ext *exts;	   /* key "extensions" */
	uint32_t exts_count;
	struct mgmt_mirror *mirrors;
	uint32_t mirrors_count;
	struct mgmt_overlay *overlay; /* NULL: none */
	bool remember_drops;	      /* the last dropped packets, always */
};

struct mgmt_cfg {
	char *name;
	enum hv_engine_kind engine;
	struct mgmt_switch sw;
	struct mgmt_uplink *uplinks;
	uint32_t uplinks_count;
	struct mgmt_partition *partitions;
	uint32_t partitions_count;
};

/* What the checks need to know of the host; tests make one up. */
struct mgmt_host {
	uint64_t cpus[16];	   /* bit per CPU that we may use, 0..1023 */
	const char *default_image; /* borrowed */
	bool no_files;		   /* images, kernels and disks were looked at before */
	const char *folder;	   /* where relative paths of extensions begin; NULL: as they are */
};

/* ctl.  This host; @default_image is borrowed. */
void mgmt_host_get(struct mgmt_host *out, const char *default_image);
/* any.  Where a poll lcore runs when the file names no CPU: the last one, away from CPU 0's interrupts. */
uint32_t mgmt_host_last_cpu(const struct mgmt_host *host);

/* ctl.  Loads, checks and completes. @label names the file in messages. 0, -EINVAL (a mistake in
 * the file: the text is "<label>:<line>: <key>: found ...; allowed: ..."), or -errno (text set).
 * The caller frees *@out. */
int mgmt_config_load(struct mgmt_cfg **out, const char *label, const char *text, size_t len,
		     const struct mgmt_host *host);
int mgmt_config_load_file(struct mgmt_cfg **out, const char *path, const struct mgmt_host *host);
int mgmt_config_load_fd(struct mgmt_cfg **out, int fd, const struct mgmt_host *host);
int mgmt_config_load_json(struct mgmt_cfg **out, const char *label, const json_t *json,
			  const struct mgmt_host *host);
void mgmt_config_free(struct mgmt_cfg *cfg); /* NULL is fine */

/* ctl.  All of it as JSON, in the file's own keys. New reference, or NULL: out of memory. */
json_t *mgmt_config_json(const struct mgmt_cfg *cfg);

/* ctl.  A YAML map of any keys as JSON, with numbers, true and false as such, and null, which only its own keys may be. 0, -EINVAL (text set,
 * "<label>:<line>: ...") or -ENOMEM. */
int mgmt_yaml_map(json_t **out, const char *label, const char *text, size_t len);

/* ctl.  A sealed memfd that mgmt_config_load_fd() reads, or -errno (text set). */
int mgmt_config_memfd(const struct mgmt_cfg *cfg);

/* any.  The partition of that name or NULL. */
const struct mgmt_partition *mgmt_config_partition(const struct mgmt_cfg *cfg, const char *name);

/* any.  The partition's adapter of that number or NULL. */
const struct mgmt_nic *mgmt_config_nic(const struct mgmt_partition *part, unsigned int index);

/* any.  The extension of that name, or NULL. */
const struct mgmt_ext *mgmt_config_ext(const struct mgmt_cfg *cfg, const char *name);

/* A port as configured: an adapter ("a/0") or an uplink. */
struct mgmt_port {
	char name[32];
	char path[48]; /* of its map, for messages: "partitions[0].nics[1]" */
	const struct mgmt_policy *policy;
};

/* any.  The @n-th one; false: there are no more. */
bool mgmt_config_port(const struct mgmt_cfg *cfg, uint32_t n, struct mgmt_port *out);
bool mgmt_config_has_port(const struct mgmt_cfg *cfg, const char *name);

/* any.  An ACL rule taken apart: into one rule, or two (IPv4 and IPv6) when it does not say which. Returns
 * how many, or -EINVAL: *@key is the key at fault, the text is "found ...; allowed: ...". */
int mgmt_acl_rule(const struct mgmt_acl_rule *r, struct vsw_acl_rule out[2], const char **key);

/* any.  "02:4e:00:00:00:01". False: it is none. */
bool mgmt_mac(const char *text, uint8_t mac[6]);

/* any.  An address of a host, with @bits also ADDRESS/BITS (0: none given). 0 or -EINVAL (text set:
 * "found ...; allowed: ..."). */
int mgmt_overlay_ip(const char *text, struct vsw_overlay_ip *out, uint8_t *bits);

/* any.  The role that a port's isolation means. 0 or -EINVAL (text set, as above). */
int mgmt_isolation(const struct mgmt_policy *p, struct vsw_pvlan *out);

/* ctl.  All that a port's policies depend on, the roles and minima of other ports included, or NULL: it has
 * none. Two that are equal as JSON are the same. New reference. */
json_t *mgmt_policy_key(const struct mgmt_cfg *cfg, const struct mgmt_port *port);
bool mgmt_policy_is_key(
	const char *key); /* any. Whether a key of a port's map is one of a policy. */

/* any.  The PF of an uplink, an interface or a PCI address: the key's, or the interface of an AF_PACKET or
 * AF_XDP device. False: it can have none. */
bool mgmt_uplink_pf(const struct mgmt_uplink *up, char *buf, size_t size);

/* any.  Adapters that are to have a VF. */
uint32_t mgmt_config_vfs(const struct mgmt_cfg *cfg);

/* any.  The engine that @part asks for. */
enum hv_engine_kind mgmt_config_engine(const struct mgmt_cfg *cfg,
				       const struct mgmt_partition *part);

/* any.  Fills a port's VLAN fields. */
void mgmt_vlan_bits(const struct mgmt_vlan *vlan, uint64_t allowed[64]);
