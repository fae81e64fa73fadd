/* SPDX-License-Identifier: BSD-3-Clause */
/* A device for direct receive, and what stands between it and memory. The test is everything else.
 *
 * The IOMMU knows what was mapped by vmq_iova_ops, and the pool's own bytes, which DPDK maps. A write to an address
 * that leads nowhere is a fault, which is counted. Maps that overlap, or that are unmapped in part, abort. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmq/direct.h"
#include "vswitch/packet.h"

#define DMA_MAPS     4096u
#define FAKENIC_RING 256u

struct dma_map {
	uint64_t iova, len;
	uint8_t *at;
};

struct dma {
	pthread_mutex_t lock; /* an unmap waits for writes that are on their way */
	uint32_t nr;
	struct dma_map map[DMA_MAPS];
	uint64_t faults;
	uint32_t fail_in; /* the how manieth map fails; 0: none */
};
extern const struct vmq_iova_ops dma_ops; /* ctx: struct dma */

void dma_init(struct dma *io);
/* What DPDK maps: the own bytes of all mbufs of the pool. */
void dma_add_pool(struct dma *io, struct rte_mempool *pool);
/* False: a fault; nothing of it was written. */
bool dma_write(struct dma *io, uint64_t iova, const void *bytes, uint32_t len);

/* ---- A receive queue ------------------------------------------------------------------------ */

struct fakenic_desc {
	struct rte_mbuf *m;
	uint64_t addr; /* as it was when it was posted */
	uint32_t len;
	bool is_done; /* atomic */
};

struct fakenic {
	struct dma *io;
	struct rte_mempool *pool;
	uint32_t nr; /* descriptors */
	uint32_t next_dma, next_rx;
	struct fakenic_desc d[FAKENIC_RING];
};

/* Posts @nr descriptors, as many as the pool has mbufs for. */
void fakenic_start(struct fakenic *n, struct dma *io, struct rte_mempool *pool, uint32_t nr);
void fakenic_stop(struct fakenic *n); /* gives all mbufs back */

/* The device: writes a frame where the next descriptor says. False: no descriptor is free, or a fault. */
bool fakenic_dma(struct fakenic *n, const void *frame, uint32_t len);

/* The driver: what was written since, each replaced by a new mbuf (without one it stays). */
uint16_t fakenic_rx(struct fakenic *n, struct rte_mbuf **m, uint16_t max);

/* As an uplink does: slot @v->n for @m, with all of its bytes that may be private. */
void fakenic_slot(struct vsw_vec *v, struct rte_mbuf *m);

/* ---- A receive buffer without an adapter ---------------------------------------------------- */

enum sec_owner { SEC_FREE, SEC_LENT, SEC_GUEST };

struct secbed {
	struct vsw_rxbuf b;
	uint32_t nr_pages;
	uint8_t *bytes;
	uint8_t **page;
	enum sec_owner *owner;
	uint32_t next;
	uint32_t keep; /* of the free ones take() leaves so many */
	pthread_mutex_t lock;
};

/* Pages are in an order made by @stride (1: all in a row). Aborts when a section is given that was not lent. */
void secbed_create(struct secbed *s, uint32_t section_size, uint32_t nr, uint32_t stride);
void secbed_destroy(struct secbed *s);
uint32_t secbed_count(const struct secbed *s, enum sec_owner o);
void secbed_fill(struct secbed *s, uint8_t pattern); /* all of it */
bool secbed_is(const struct secbed *s, uint8_t pattern);
