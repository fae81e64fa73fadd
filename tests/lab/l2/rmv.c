/* SPDX-License-Identifier: BSD-3-Clause */
/* For testpmd in a guest (LD_PRELOAD), so that DPDK's netvsc driver takes a VF of igbvf. Two of its wishes DPDK
 * refuses then: that the VF's driver tells of a removal by an interrupt, and that it sets an MTU. Both
 * are left out here, and the rest is passed on. The layout is that of DPDK 24.11 (ABI 25): intr_conf is the last
 * member of struct rte_eth_conf. */
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#define CONF_SIZE 2280
#define INTR_CONF 2272
#define RMV	  4u /* lsc, rxq, rmv */

typedef int configure_fn(uint16_t port, uint16_t nr_rx, uint16_t nr_tx, const void *conf);

int rte_eth_dev_configure(uint16_t port, uint16_t nr_rx, uint16_t nr_tx, const void *conf);

int rte_eth_dev_configure(uint16_t port, uint16_t nr_rx, uint16_t nr_tx, const void *conf)
{
	configure_fn *next = (configure_fn *)dlsym(RTLD_NEXT, "rte_eth_dev_configure");
	uint8_t copy[CONF_SIZE] __attribute__((aligned(8)));

	memcpy(copy, conf, sizeof(copy));
	copy[INTR_CONF] &= (uint8_t)~RMV;
	return next(port, nr_rx, nr_tx, copy);
}

typedef int set_mtu_fn(uint16_t port, uint16_t mtu);

int rte_eth_dev_set_mtu(uint16_t port, uint16_t mtu);

int rte_eth_dev_set_mtu(uint16_t port, uint16_t mtu)
{
	set_mtu_fn *next = (set_mtu_fn *)dlsym(RTLD_NEXT, "rte_eth_dev_set_mtu");
	int rc = next(port, mtu);

	return rc == -ENOTSUP ? 0 : rc;
}
