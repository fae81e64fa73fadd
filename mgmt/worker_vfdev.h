/* SPDX-License-Identifier: BSD-3-Clause */
/* One virtual function in one partition, private to mgmt/worker_vf*.c: VFIO's side and the guest's side
 * bound together. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "iommu/vfio.h"

struct vfdev;
struct worker;

/* Upwards; ctl, from the worker's loop. @ctx is the worker. */
struct vfdev_ops {
	void (*ejected)(void *ctx, uint32_t nic); /* the guest let go: destroy it */
	void (*d0_changed)(void *ctx, uint32_t nic, bool is_d0);
	/* The function failed, was unplugged, or its guest broke the protocol: destroy it. */
	void (*lost)(void *ctx, uint32_t nic, const char *why);
};

/* ctl.  An address space for DMA with all of the partition's memory in it. 0 or -errno (text set). */
int vfdev_vfio_open(struct vfio_ctx **out, struct worker *w);

/* ctl.  Takes the function at PCI address @bdf and offers it to the guest. 0 or -errno (text set). */
int vfdev_create(struct vfdev **out, struct worker *w, struct vfio_ctx *vfio, const char *bdf,
		 uint32_t nic, uint32_t serial, const struct vfdev_ops *ops);
/* ctl.  Takes it from the guest, resets it, lets go of it. 0, or -EIO: it could not be reset (text set).
 * NULL is fine. */
int vfdev_destroy(struct vfdev *d);

int vfdev_eject(struct vfdev *d);     /* ctl.  As vpci_eject() */
void vfdev_surprise(struct vfdev *d); /* ctl.  As vpci_surprise() */
json_t *vfdev_json(struct vfdev *d);  /* ctl.  New reference */
