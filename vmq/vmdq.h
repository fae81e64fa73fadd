/* SPDX-License-Identifier: BSD-3-Clause */
/* The provider by VMDq pools, and what it asks of others: for tests. Pool i is the device's queue i. */
#pragma once

#include "vmq/igb.h"
#include "vmq/provider.h"

struct rte_device;
struct rte_ether_addr;

#define VMDQ_BDF_MAX 64u

/* ctl.  0 or -errno, as in DPDK. */
struct vmdq_calls {
	const char *(*bdf)(const struct rte_device *dev);
	/* Vendor << 16 | device: or -errno (text set). */
	int64_t (*pci_id)(const char *bdf);
	int (*mtu_get)(uint16_t dev, uint16_t *mtu);
	int (*mac_get)(uint16_t dev, struct rte_ether_addr *addr);
	int (*mac_add)(uint16_t dev, struct rte_ether_addr *addr, uint32_t pool);
	int (*mac_remove)(uint16_t dev, struct rte_ether_addr *addr);
	int (*window_open)(struct igb_window *w, const char *bdf);
	void (*window_close)(struct igb_window *w);
	struct igb_io (*window_io)(struct igb_window *w);
};

extern const struct vmdq_calls vmdq_sys_calls;

int vmdq_probe_by(const struct vmdq_calls *calls, const struct rte_eth_dev_info *info);
int vmdq_create_by(const struct vmdq_calls *calls, void **pv, const struct vmq_provider_cfg *cfg);
