/* SPDX-License-Identifier: BSD-3-Clause */
/* An adapter whose frames a device writes into its guest's receive buffer: nvspguest, dmabed, and in between what
 * a program does with them (begin when the buffer is offered and nothing is in the way, end before it goes). */
#pragma once

#include "tests/support/dmabed.h"
#include "tests/support/nvspguest.h"

#define DBED_RING 32u
#define DBED_BUFS 160u

struct dbed {
	struct nguest g;
	struct dma io;
	struct fakenic nic;
	struct vmq_direct *vd;
	struct vsw_vec vec;
	uint8_t reason[VSW_VEC_SIZE];
	uint32_t nr_offered, nr_withdrawn, nr_judged;
	/* May be set: called before a device is kept from the buffer, and when it may again. */
	void (*on_filter)(void *ctx, bool is_on);
	void *filter_ctx;
	uint64_t held[256]; /* ids of packets that the guest has not completed */
	uint32_t nr_held;
};

/* @sw NULL: one of its own whose lcores do not run. The adapter is ready, its buffer offered. */
void dbed_up(struct dbed *b, struct vsw *sw, uint16_t mtu, struct prng *rng);
/* The guest has left: b->g.bed.nic may be NULL. */
void dbed_down(struct dbed *b);

/* The adapter's receive buffer is set up (again), and ctl has heard. */
void dbed_buffer(struct dbed *b);

/* The device writes a frame to the adapter's address, @len bytes with a pattern of @seed. False: lost. */
bool dbed_dma(struct dbed *b, uint32_t len, uint32_t seed);
/* Whether these are the bytes of such a frame. */
bool dbed_is(const uint8_t *frame, uint32_t len, uint32_t seed);

/* The driver's frames as a vector, for the adapter's port alone; delivered; mbufs freed. dbed_pass() is all. */
uint16_t dbed_rx(struct dbed *b);
uint16_t dbed_tx(struct dbed *b);
void dbed_done(struct dbed *b);
uint16_t dbed_pass(struct dbed *b);

/* The guest takes all packets and keeps them; gives back the oldest @n. The host hears. */
uint32_t dbed_hold(struct dbed *b);
void dbed_release(struct dbed *b, uint32_t n);

uint64_t dbed_direct(const struct dbed *b);
uint64_t dbed_copies(const struct dbed *b);
struct vmq_direct_stats dbed_stats(const struct dbed *b);
