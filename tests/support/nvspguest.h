/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest for an adapter on plain memory that sends from memory cut in any way: send sections, GPA ranges
 * of any length at any offset over any pages, several messages to a packet. Receive and send buffer may
 * lie on shuffled pages. What it has received it overwrites with poison, so that bytes which come from
 * nowhere are seen. */
#pragma once

#include "netvsp/rndis.h"
#include "tests/support/nvspbed.h"
#include "tests/support/prng.h"

#define NGUEST_RECV_PAGES 120u
#define NGUEST_SEND_PAGES 8u
#define NGUEST_OWN_PAGES  64u
#define NGUEST_STREAM_MAX 70000u
#define NGUEST_POISON	  0xEE

struct nguest {
	struct bed bed;
	struct vsw_vec vec;
	struct prng *rng;
	const struct vmbus_gpadl *recv, *send;
	uint64_t own[NGUEST_OWN_PAGES]; /* shuffled for each packet */
	uint32_t own_used;
	uint8_t stream[NGUEST_STREAM_MAX]; /* messages of the packet to be sent */
	uint32_t stream_len, nr_msgs;
};

struct nguest_ppi {
	uint32_t type, value;
};

/* The adapter is ready, its filter lets all in. Aborts when something cannot be. */
void nguest_up(struct nguest *g, const struct netvsp_nic_cfg *cfg, struct prng *rng,
	       bool recv_shuffled, bool send_shuffled);
/* On a switch that is borrowed; NULL: as above. */
void nguest_up_on(struct nguest *g, struct vsw *sw, const struct netvsp_nic_cfg *cfg,
		  struct prng *rng, bool recv_shuffled, bool send_shuffled);
void nguest_down(struct nguest *g);

/* Appends a message to the stream. */
void nguest_add(struct nguest *g, const uint8_t *frame, uint32_t len, const struct nguest_ppi *ppi,
		uint32_t nr_ppis);

/* Sends the stream as one packet, and forgets it. */
void nguest_send(struct nguest *g);

/* The host takes the packet: slots in g->vec. Returns their number. */
uint16_t nguest_host_rx(struct nguest *g);
/* The host delivers all slots that are not lost to the guest itself, in one burst. Returns what
 * netvsp_tx() returned. */
uint16_t nguest_host_tx(struct nguest *g, uint8_t *reason);
void nguest_host_done(struct nguest *g);

/* The guest reads all packets, calls @fn for each message, gives the sections back, and tells how many
 * completions of its own packets there were. */
uint32_t nguest_receive(struct nguest *g, void (*fn)(void *ctx, const uint8_t *msg, uint32_t len),
			void *ctx);

/* The value of per-packet information @type in a message from the host; false: it has none. */
bool nguest_ppi(const uint8_t *msg, uint32_t type, uint32_t *value);

/* Aborts unless all sections are free and nothing but poison is in the receive buffer. */
void nguest_check_empty(struct nguest *g);
