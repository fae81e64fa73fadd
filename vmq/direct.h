/* SPDX-License-Identifier: BSD-3-Clause */
/* Direct receive: the pool of a queue whose mbufs lie in sections of the owner's receive buffer, and the IOVA
 * window through which the device reaches these and nothing else (mechanisms: vswitch/direct.h).
 *
 * Life of a pool: vmq_direct_create() -> rte_eth_rx_queue_setup() with vmq_direct_pool() ->
 * [vmq_direct_begin() .. vmq_direct_end()]* -> device closed -> vmq_direct_destroy().
 *
 * How memory is given back, in this order (vmq_direct_end()): the pool hands out its own buffers only; a grace
 * period; the window is unmapped, from which on the device cannot write into it whatever it does; each mbuf
 * that is still under a descriptor gets its own bytes, at the address that the descriptor has; the sections are
 * the backend's again. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/direct.h"

struct vmq_direct;

/* How the device's addresses are led to memory. ctl. */
struct vmq_iova_ops {
	/* @iova, @len: multiples of 4096. 0 or -errno (text set). */
	int (*map)(void *ctx, uint64_t iova, void *at, uint64_t len);
	/* All that is mapped in between, whole maps only. When it returns the device cannot reach it. */
	int (*unmap)(void *ctx, uint64_t iova, uint64_t len);
};
/* VFIO's, for devices in the container that DPDK uses. Its ctx is a pointer to what vmq_vfio_container() found. */
extern const struct vmq_iova_ops vmq_iova_vfio;
/* ctl.  Once a device is probed. Borrowed. 0, -ENODEV (none, or none that can be told; text set), -errno. */
int vmq_vfio_container(int *fd);

struct vmq_direct_cfg {
	const char *name;  /* of the pool: unique in the process, at most 20 characters */
	struct vsw *sw;	   /* for grace periods */
	uint32_t nr_bufs;  /* descriptors, and what is on its way through the switch */
	uint32_t buf_size; /* with headroom: 4096, or 12288 */
	int socket;
	const struct vmq_iova_ops *iova;
	void *iova_ctx;
};

/* ctl.  0, -ENOMEM, -EINVAL (text set). Host buffers are mapped for the device by DPDK itself. */
int vmq_direct_create(struct vmq_direct **out, const struct vmq_direct_cfg *cfg);
void vmq_direct_destroy(struct vmq_direct *d); /* all mbufs are back; or NULL */
struct rte_mempool *vmq_direct_pool(const struct vmq_direct *d);

/* ctl, under traffic.  From now on refills take sections of @b (section_size >= buf_size, else -EINVAL). Borrowed
 * until vmq_direct_end(). 0 or -errno (text set), then it goes on with its own buffers. */
int vmq_direct_begin(struct vmq_direct *d, const struct vsw_rxbuf *b);
/* ctl, under traffic.  See above. Nothing is to fail here: what cannot be unmapped ends the process. Does nothing
 * when it is not on. */
void vmq_direct_end(struct vmq_direct *d);
bool vmq_direct_is_on(const struct vmq_direct *d);

struct vmq_direct_stats {
	uint64_t sections; /* refills that got a section */
	uint64_t
		own; /* that got the pool's own bytes though it was on: the guest holds all sections */
	uint32_t lent;	/* sections under descriptors or on their way now */
	uint32_t stale; /* mbufs that descriptors reach by an address of an earlier window */
};
void vmq_direct_stats(const struct vmq_direct *d, struct vmq_direct_stats *out);
