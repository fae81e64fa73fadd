/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside an assigned device: life, memory and windows in device.c, interrupts in device_irq.c. */
#pragma once

#include "hv/device.h"
#include "hv/priv.h"

/* One cookie. */
struct hv_irq {
	bool is_live;
	uint32_t base;	     /* data of the first one that was made with it */
	uint32_t data;	     /* unique among the live ones */
	unsigned int vector; /* 0: no target yet */
	unsigned int vp;
};

/* One entry of the MSI-X table. */
struct hv_entry {
	int fd, line;	     /* -1: none */
	int irq;	     /* index of its cookie, -1: unbound */
	bool is_masked;	     /* as it comes out of a reset */
	unsigned int vector; /* as plugged in; 0: it is not */
	unsigned int vp;
};

struct hv_map {
	uint64_t gpa, len; /* len 0: free */
};

struct hv_device {
	char name[64];
	struct hv_partition *p;
	uint64_t id;
	unsigned int index; /* in the partition's list */

	/* Under assigned.routing. */
	unsigned int nr_entries;
	struct hv_entry entry[HV_DEVICE_VECTORS_MAX];
	struct hv_irq irq[HV_DEVICE_IRQS_MAX];
	uint32_t next_data; /* where the search for cookies begins, so that old ones come late */
	bool has_failed;    /* the engine did; said once */

	struct hv_map map[HV_DEVICE_MAPS_MAX]; /* under assigned.memory */
};

/* device_irq.c, ctl.  Eventfds and lines of the entries. 0 or -errno (text set); fini takes a half-built
 * device. */
int hv_device_irqs_init(struct hv_device *d, unsigned int nr_entries);
void hv_device_irqs_fini(struct hv_device *d);
