/* SPDX-License-Identifier: BSD-3-Clause */
/* Application `l2fwd`: what comes in on one adapter leaves by the other, in place (or copied, for
 * comparison). One struct serves one pair of queues, in one thread. */
#pragma once

#include "guest/netvsc/nvsc.h"

enum l2fwd_mode {
	L2FWD_BRIDGE = 0, /* frames stay as they are */
	L2FWD_MAC,	  /* destination = the peer of the leaving side, source = its adapter */
};

struct l2fwd_cfg {
	enum l2fwd_mode mode;
	bool is_copying;
	uint8_t mac[2][6];  /* of the adapters */
	uint8_t peer[2][6]; /* where frames leaving by adapter 0 and 1 go */
	uint32_t inject;    /* frames to put into circulation, in all */
	uint32_t len;	    /* of those, without FCS */
};

struct l2fwd {
	struct l2fwd_cfg cfg;
	uint8_t macs[2][12]; /* first bytes of a frame leaving by 0 and 1 */
	uint32_t to_inject;
	uint64_t forwarded[2]; /* leaving by 0 and 1 */
	uint64_t copies;
	uint64_t bursts;
};

void l2fwd_init(struct l2fwd *l, const struct l2fwd_cfg *cfg);

/* One round on both queues. Returns how many frames came or were injected. */
unsigned int l2fwd_poll(struct l2fwd *l, struct nvsc_queue *q0, struct nvsc_queue *q1);
