/* SPDX-License-Identifier: BSD-3-Clause */
/* What the provider by VMDq pools asks of DPDK and of the kernel. */
#include <errno.h>
#include <stdio.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

#include "base/err.h"
#include "vmq/vmdq.h"

static int64_t read_id(const char *bdf, const char *what)
{
	char path[VMDQ_BDF_MAX + 64];
	unsigned int id;
	FILE *f;
	int n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", bdf, what);
	f = fopen(path, "re");
	if (!f)
		return err_sys(-errno, "%s", path);
	n = fscanf(f, "%x", &id);
	fclose(f);
	return n == 1 ? (int64_t)id : err_set(-EIO, "%s: no number", path);
}

static int64_t sys_pci_id(const char *bdf)
{
	int64_t vendor = read_id(bdf, "vendor"), device = read_id(bdf, "device");

	return vendor < 0 || device < 0 ? -ENODEV : vendor << 16 | device;
}

const struct vmdq_calls vmdq_sys_calls = {
	.bdf = rte_dev_name,
	.pci_id = sys_pci_id,
	.mtu_get = rte_eth_dev_get_mtu,
	.mac_get = rte_eth_macaddr_get,
	.mac_add = rte_eth_dev_mac_addr_add,
	.mac_remove = rte_eth_dev_mac_addr_remove,
	.window_open = igb_window_open,
	.window_close = igb_window_close,
	.window_io = igb_window_io,
};
