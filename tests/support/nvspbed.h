/* SPDX-License-Identifier: BSD-3-Clause */
/* One NetVSP adapter on malloc'd guest memory, without VMBus control messages: channels are opened by
 * the provider's own callbacks, GPADLs are lists of pages that the test chooses. Fast enough for a
 * fuzzer. The test is the guest; it calls netvsp_rx() and netvsp_tx() as an lcore would. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "netvsp/priv.h"
#include "vmbus/backend_priv.h"

#define BED_CHANS  4u
#define BED_GPADLS 8u
#ifndef BED_RING_PAGES
#define BED_RING_PAGES \
	3u /* of each direction, with the control page; a benchmark has longer ones */
#endif

struct bed_chan {
	struct vmbus_chan vch;
	struct vmbus_gpadl *ring;
	uint64_t first_pfn; /* of both rings */
	/* The guest's views: plain, without any check that the test does not make. */
	struct vmbus_ring to_host;
	struct vmbus_ring from_host;
};

struct bed {
	struct vsw *sw;
	bool owns_switch, owns_netvsp;
	struct netvsp *nv;
	struct netvsp_nic *nic;
	struct be_peer *peer;
	uint8_t *ram; /* exactly as long as the guest's memory: a sanitizer guards its ends */
	uint32_t nr_pages;
	uint32_t next_pfn;
	struct bed_chan chan[BED_CHANS];
	struct vmbus_gpadl *gpadl[BED_GPADLS]; /* of the primary */
	unsigned int nr_gpadls;
};

/* The EAL is up. @sw NULL: a switch of its own, whose lcores do not run; else borrowed. @cfg needs no
 * name, partition nor MAC. Aborts when something cannot be. */
void bed_create(struct bed *b, const struct netvsp_nic_cfg *cfg, struct vsw *sw, uint32_t nr_pages);
/* Another partition's adapter in the switch of @first, which goes last. @cfg needs a name and a MAC. */
void bed_create_beside(struct bed *b, const struct netvsp_nic_cfg *cfg, const struct bed *first,
		       uint32_t nr_pages);
/* @b->nic may be NULL: a test that destroyed it says so. */
void bed_destroy(struct bed *b);

/* Opens channel @q on zeroed rings (again: closes it first). Relid is @q + 1. */
void bed_open(struct bed *b, unsigned int q);
void bed_close(struct bed *b, unsigned int q);

/* A quick close and open of the primary and the first @nr - 1 sub-channels, for fuzzers: same memory,
 * fresh state, nothing published. */
void bed_renew(struct bed *b, unsigned int nr);

/* @n pages from @first, or a list of PFNs, as a GPADL of the primary. */
struct vmbus_gpadl *bed_gpadl(struct bed *b, uint32_t handle, const uint64_t *pfns, uint64_t first,
			      uint32_t n);

/* Takes @n pages of guest memory: the first PFN. */
uint64_t bed_alloc(struct bed *b, uint32_t n);
uint8_t *bed_page(const struct bed *b, uint64_t pfn);

/* The guest sends one packet and publishes it. False when the ring is full. */
bool bed_send(struct bed *b, unsigned int q, const struct vmbus_pkt_desc *d, const void *hdr,
	      uint32_t hdr_len, const void *body, uint32_t body_len);
/* An in-band NVSP message that asks for a completion. */
bool bed_send_nvsp(struct bed *b, const struct nvsp_msg *m, uint64_t trans_id);

/* The guest takes one packet: its bytes without the trailer. Returns their number, 0 when the ring is
 * empty. */
uint32_t bed_recv(struct bed *b, unsigned int q, void *buf, uint32_t room);

/* The adapter's receive buffer, send buffer (either may be NULL) and RNDIS are set up, the packet
 * filter lets all in. */
void bed_ready(struct bed *b, const struct vmbus_gpadl *recv, const struct vmbus_gpadl *send);
