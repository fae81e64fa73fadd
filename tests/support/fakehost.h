/* SPDX-License-Identifier: BSD-3-Clause */
/* A small scripted host for the guest driver: one NIC with up to three sub-channels, memory where
 * GPA = address, everything in one thread. Each answer passes through a hook that may damage, drop
 * or double it. It is no reference: it says what a good host would, as briefly as possible. */
#pragma once

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>

#include "guest/netvsc/nvsc.h"

#define FAKEHOST_SECTION  2048u
#define FAKEHOST_SECTIONS 128u
#define FAKEHOST_MSGS	  512u
#define FAKEHOST_CHANS	  4u
#define FAKEHOST_GPADLS	  16u

enum fakehost_fate { FAKEHOST_KEEP = 0, FAKEHOST_DROP, FAKEHOST_DOUBLE };

struct fakehost;

/* Answer number @nr (from 0, in order of sending) of @len bytes at @buf: a VMBus message, or a whole
 * ring packet without its trailer. What it leaves in @buf is sent. */
typedef enum fakehost_fate (*fakehost_hook)(struct fakehost *h, unsigned int nr, void *buf,
					    uint32_t len, bool is_ring);

struct fakehost_chan {
	bool is_open;
	struct vmbus_ring in, out; /* from the guest, to the guest */
};

struct fakehost {
	uint8_t *mem;
	uint64_t mem_used;
	uint64_t clock;
	fakehost_hook hook;
	void *hook_arg;
	unsigned int nr_answers;
	uint32_t max_vmbus, max_nvsp; /* 0: the newest */
	uint32_t max_pkts;	      /* RNDIS messages in a packet; 0: 32 */
	uint32_t grant;		      /* sub-channels to grant at most */
	bool is_deaf;		      /* takes nothing from the rings */
	bool is_busy;		      /* HvPostMessage: no buffers */
	struct {
		uint32_t len;
		uint8_t data[VMBUS_MSG_PAYLOAD_MAX];
	} msg[FAKEHOST_MSGS];
	unsigned int msg_head, msg_tail;
	struct fakehost_chan chan[FAKEHOST_CHANS];
	struct {
		uint32_t handle; /* 0: free */
		uint32_t want, have;
		uint64_t pfn[4096];
	} gpadl[FAKEHOST_GPADLS];
	uint8_t *rx;	 /* the guest's receive buffer */
	uint32_t offers; /* sub-channels offered */
	/* What was seen. */
	unsigned int unloads, closes, teardowns, released, signals, halts;
	uint32_t filter;
	uint64_t rx_done; /* receive completions */
	uint64_t last_rx_id;
	uint64_t tx_packets, tx_messages;
	uint64_t tx_id[4096]; /* to be completed by fakehost_complete() if is_lazy */
	unsigned int nr_tx_ids;
	bool is_lazy;
	alignas(8) uint8_t last_tx[16384]; /* bytes of the last message sent by the guest */
	uint32_t last_tx_len;
};

struct fakehost *fakehost_new(void);
void fakehost_free(struct fakehost *h);
struct nvsc_transport fakehost_transport(struct fakehost *h);

/* Handles what the guest wrote to the rings. */
void fakehost_step(struct fakehost *h);

/* A VMBus message to the guest, through the hook. */
void fakehost_say(struct fakehost *h, const void *msg, uint32_t len);
/* A ring packet on channel @c: @payload at @offset8 * 8, @len8 * 8 bytes in all at @pkt. */
void fakehost_put(struct fakehost *h, unsigned int c, const void *pkt, uint32_t len);
/* A transfer-page packet with these ranges on channel @c. */
void fakehost_deliver(struct fakehost *h, unsigned int c, uint64_t id,
		      const struct vmbus_xfer_range *r, uint32_t n);
/* A plain data message with @len bytes of frame at @off of the receive buffer. Its length. */
uint32_t fakehost_message(struct fakehost *h, uint32_t off, uint32_t len);
/* Completes all sends that a lazy host kept, on channel 0. */
void fakehost_complete(struct fakehost *h);
