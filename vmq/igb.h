/* SPDX-License-Identifier: BSD-3-Clause */
/* The receive side of an 82576 in VMDq mode, as far as DPDK has no functions for it: which pool gets which frames.
 * What is written is read back. Frames of groups and all that has no filter go to pool 0, once.
 *
 * 1 igb_setup() after each start of the device: no pool but 0 gets anything
 * 2 the caller has addresses entered and removed by DPDK, which keeps the list of these
 * 3 igb_vlans(), igb_mac_pools(): from one table to the next */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "vmq/igb_table.h"

/* Registers by their offsets, multiples of 4. */
struct igb_io {
	uint32_t (*read)(void *ctx, uint32_t reg);
	void (*write)(void *ctx, uint32_t reg, uint32_t v);
	void *ctx;
};

struct igb {
	const char *name; /* for messages; borrowed */
	struct igb_io io;
};

/* ctl, all of it. */

/* @frame_max: with a tag and FCS. 0 or -EIO (text set). */
int igb_setup(const struct igb *d, uint32_t frame_max);

/* Writes what differs in VLANs. 0 or -EIO (text set). */
int igb_vlans(const struct igb *d, const struct igb_table *from, const struct igb_table *to);

/* Which pools get frames to @addr, which was entered: by one write. 0, -ENOENT, -EIO (text set). */
int igb_mac_pools(const struct igb *d, const uint8_t *addr, uint8_t pools);

/* Whether the device holds what @t says of pool @q, and nothing else puts frames there. 0, -ENOTSUP (it does not compare
 * VLANs), -EIO (text: what is not as it must be). */
int igb_prove(const struct igb *d, const struct igb_table *t, uint16_t q);

/* The registers of a device that DPDK drives by VFIO, mapped a second time. */
struct igb_window {
	int fd; /* -1: not open */
	void *at;
	size_t size;
};
/* @bdf: "0000:01:00.0". 0 or -errno (text set). */
int igb_window_open(struct igb_window *w, const char *bdf);
void igb_window_close(struct igb_window *w); /* or never opened, with fd -1 */
struct igb_io igb_window_io(struct igb_window *w);
