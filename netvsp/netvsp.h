/* SPDX-License-Identifier: BSD-3-Clause */
/* NetVSP: the synthetic network adapters that the switch offers to partitions. One adapter (nic) is
 * one switch port; its channel and sub-channels are the port's receive queues. It speaks NVSP and
 * RNDIS on rings in guest memory; VMBus control is the worker's.
 *
 * Life: netvsp_create() -> netvsp_nic_create() for each configured adapter; they are offered when
 * their partition connects, and again to a new worker -> netvsp_nic_destroy() -> netvsp_destroy(). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmbus/backend.h"
#include "vswitch/port.h"

struct netvsp;
struct netvsp_nic;
struct vsw;

#define NETVSP_MTU_DEFAULT  1500u
#define NETVSP_MTU_MAX	    9000u
#define NETVSP_CHANNELS_MAX 16u

struct netvsp_nic_cfg {
	char name[32];	    /* the port's name: unique in the switch */
	char partition[32]; /* whom it is offered to */
	uint8_t index;	    /* number of the adapter in its partition; part of the instance GUID */
	uint8_t mac[6];
	uint16_t mtu;	      /* 0: NETVSP_MTU_DEFAULT */
	uint8_t max_channels; /* 1..NETVSP_CHANNELS_MAX; 0: 8 */
	uint32_t link_mbps;   /* told to the guest; 0: 100000 */
	uint32_t max_version; /* highest NVSP version to accept; 0: NVSP_V6_1. For tests. */
	enum vsw_vlan_mode vlan_mode;
	uint16_t pvid;
	uint64_t allowed[64];
	bool allow_spoofing; /* accept any source MAC from the guest (bridges, routers) */
	bool no_offload;     /* offer neither checksum nor segmentation offload */
	bool wants_monitor;  /* offer the channel with a monitor page */
	bool link_down;	     /* begin without a link */
	/* A checksum that its sender left to the switch is not computed for this adapter's guest when
	 * the guest switched receive checksums on: it is told that it is good. Spares a pass over the
	 * bytes. Wrong as soon as the guest forwards or captures frames, so it is off by default. */
	bool lazy_csum;
	/* Its receive buffer is offered for direct receive (vswitch/direct.h). The guest is told of longer sections. */
	bool may_direct;
	/* For an adapter that has a VF: the uplink behind which its device is ("": the first one), and when the
	 * VF flaps (netvsp/path.h); 0: the defaults there. */
	char vf_uplink[32];
	uint32_t vf_switches_max;
	uint32_t vf_window_ms;
	uint32_t vf_quiet_ms;
};

/* ctl.  Owns a vmbus_backend. 0 or -errno (text set). */
int netvsp_create(struct netvsp **out, struct vsw *sw);
void netvsp_destroy(struct netvsp *nv);

/* ctl.  For the program's loop: connections of workers go to vmbus_backend_accept(). */
struct vmbus_backend *netvsp_backend(struct netvsp *nv);

/* ctl, at any time.  Offered at once when its partition is connected. -EEXIST when name, MAC or
 * (partition, index) is taken; else as vsw_port_create(). */
int netvsp_nic_create(struct netvsp_nic **out, struct netvsp *nv, const struct netvsp_nic_cfg *cfg);
/* ctl, at any time.  Withdraws the offer; when it returns no lcore knows the adapter. */
void netvsp_nic_destroy(struct netvsp_nic *nic);
/* ctl, at any time.  As netvsp_nic_destroy(), but a guest that is in the middle of a control dialogue gets its
 * answers first, for five seconds at most. The adapter passes nothing meanwhile, is not found any more, and its
 * number is free for another. */
void netvsp_nic_remove(struct netvsp_nic *nic);

/* ctl.  The adapter of that name, or NULL. */
struct netvsp_nic *netvsp_nic_find(const struct netvsp *nv, const char *name);

/* ctl.  Plugs the cable in or pulls it. Without a link nothing is delivered nor taken (drop reason
 * link_down). The guest is told; of quick changes it hears the last, five seconds after the one before. */
void netvsp_nic_set_link(struct netvsp_nic *nic, bool is_up);

/* ctl.  What an operator wants to know of an adapter. */
struct netvsp_nic_status {
	const struct netvsp_nic_cfg *cfg;
	uint16_t port;
	bool is_offered;
	bool is_link_down;
	bool is_up; /* initialised by the guest and its packet filter is not 0 */
	uint32_t nvsp_version;
	uint32_t mtu;
	uint32_t packet_filter;
	uint32_t nr_channels; /* open */
	uint32_t nr_sections;
	uint32_t nr_sections_free;
	char last_fault[128];	/* why a channel was closed; "" if none was */
	const char *path;	/* "synthetic", or "vf": the frames for the guest come by its VF */
	const char *path_state; /* in full: netvsp_path_word() */
	uint64_t path_since_ms; /* CLOCK_REALTIME */
	uint32_t path_switches; /* to the VF */
	uint32_t vf_serial;	/* 0: no VF is assigned */
	const char *why_not_vf; /* in one word; "": it is on its VF */
	char why_not_vf_text[128];
	/* Counters, summed over channels. */
	uint64_t rx_vmbus_packets; /* from the guest: packets on the ring, with completions */
	uint64_t tx_vmbus_packets; /* to the guest */
	uint64_t rndis_control;
	uint64_t interrupts; /* raised in the guest */
	uint64_t doorbells_armed;
	uint64_t monitored; /* signals by monitor page that were seen */
	uint64_t copies;    /* frames copied into the guest's receive buffer: one a delivery */
	uint64_t direct;    /* frames that a device had written there, and that were not copied */
	uint64_t faults;
};
void netvsp_nic_status(const struct netvsp_nic *nic, struct netvsp_nic_status *out);

/* ctl.  Calls @fn for each adapter. */
void netvsp_nic_walk(const struct netvsp *nv, void (*fn)(const struct netvsp_nic *nic, void *ctx),
		     void *ctx);
