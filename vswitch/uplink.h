/* SPDX-License-Identifier: BSD-3-Clause */
/* An uplink: a DPDK ethdev, plugged in at run time by its devargs, as a port of the switch. It is
 * promiscuous. Frames are copied into the vector's private bytes and into mbufs on the way out. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/port.h"

struct vsw_steer;
struct vsw_uplink;

/* Who computes checksums and cuts long frames that guests send through an uplink. */
enum vsw_uplink_offload {
	VSW_UPLINK_OFFLOAD_AUTO,   /* the device where it has hardware for it */
	VSW_UPLINK_OFFLOAD_DEVICE, /* the device if it says that it can, be it in software */
	VSW_UPLINK_OFFLOAD_SWITCH, /* we */
};

/* Received frames a queue hands over in one poll, and descriptors asked for. */
#define VSW_UPLINK_RX_DESC 512u
#define VSW_UPLINK_TX_DESC 512u

struct vsw_uplink_cfg {
	char name[32];	     /* the port's */
	const char *devargs; /* "net_tap0,iface=nv0", "0000:01:00.0"; borrowed for the call */
	/* Named network namespace (`ip netns`) in which the device is made, so that the kernel side of
	 * a TAP appears there, already up, and AF_PACKET or AF_XDP find their interface there. NULL: ours.
	 * Needs CAP_SYS_ADMIN. */
	const char *netns;
	enum vsw_vlan_mode vlan_mode;
	uint16_t pvid;
	uint64_t allowed[64];
	uint16_t nr_queues; /* receive queues; 0: 1. net_tap has as many in each direction. */
	uint16_t mtu;	    /* 0: the device's own */
	enum vsw_uplink_offload offload;
	/* Send from the source's memory what it lends (vswitch/lend.h). The device reads it by DMA, so it must be one
	 * that VFIO confines, and must be able to say what it has sent. */
	bool zero_copy;
	/* Who sorts what it receives into queues of their own; NULL: nobody. Borrowed until the uplink is destroyed. Then
	 * nr_queues means nothing. */
	const struct vsw_steer *steer;
};

/* ctl.  Plugs the device in, starts it, attaches its port. 0, -EINVAL, -EEXIST, -ENODEV, -EPERM, -ENOMEM
 * or what the device says (text set: uplink, devargs, cause, what to do); nothing is left behind then. */
int vsw_uplink_create(struct vsw_uplink **out, struct vsw *sw, const struct vsw_uplink_cfg *cfg);

/* ctl.  Under traffic: detaches the port, stops, closes and unplugs the device. NULL is fine. */
void vsw_uplink_destroy(struct vsw_uplink *u);

/* any.  Constant after create. */
struct vsw_port *vsw_uplink_port(const struct vsw_uplink *u);
const char *vsw_uplink_driver(const struct vsw_uplink *u);
uint16_t vsw_uplink_dev(const struct vsw_uplink *u); /* ethdev */

/* ctl.  What the device counts, frames that it lost before the switch could see them among them; and link state. */
struct vsw_uplink_status {
	bool is_link_up;
	bool has_wakeup; /* sleeps on receive events; else it is polled some thousand times a second */
	uint64_t rx_packets, tx_packets;
	uint64_t rx_missed;
	uint64_t tx_errors;
	bool has_zero_copy;
	uint64_t tx_lent,
		tx_copied; /* with it: frames that were sent from the source's memory, and others */
};
void vsw_uplink_status(const struct vsw_uplink *u, struct vsw_uplink_status *out);
