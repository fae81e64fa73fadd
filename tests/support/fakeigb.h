/* SPDX-License-Identifier: BSD-3-Clause */
/* An 82576 made of an array, which says at each moment where a frame would go; and DPDK's list of addresses beside it. One
 * in a process: DPDK's functions have no context. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmq/vmdq.h"

#define FAKE_DEV 3u /* ethdev */

struct fake_igb {
	uint32_t reg[0x10000 / 4];
	uint32_t stuck; /* a register that keeps what it has; 0: none */
	uint32_t writes;
	/* After each write; NULL: nobody looks. */
	void (*watch)(struct fake_igb *f, void *ctx);
	void *ctx;
	bool is_open;
	int window_rc, mtu_rc; /* what these calls are to return */
	int64_t id;	       /* of PCI */
	uint8_t own[6];
	uint8_t listed[IGB_MACS][6]; /* by DPDK */
};

extern struct fake_igb fake_igb;
extern const struct vmdq_calls fake_igb_calls;

/* As after rte_eth_dev_start(): VMDq on, addresses ignored, no pool open, what is listed is entered. */
void fake_igb_start(void);
/* Pools of a frame, as bits. @vid: -1: no tag. */
uint8_t fake_igb_pools(const struct fake_igb *f, const uint8_t *dmac, int vid);
