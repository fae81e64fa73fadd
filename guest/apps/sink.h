/* SPDX-License-Identifier: BSD-3-Clause */
/* Application `sink`: judges what `pktgen`s send and returns credits. A flow is a source MAC with a
 * flow number; a new epoch starts it anew. */
#pragma once

#include "guest/apps/flow.h"
#include "guest/apps/seq.h"
#include "guest/netvsc/nvsc.h"

#define SINK_FLOWS_MAX 16u

struct sink_flow {
	bool is_used;
	bool is_finished;
	struct flow_id id;   /* as the sender sees it */
	uint32_t uncredited; /* frames since the last credit */
	uint64_t total;	     /* as FIN said; 0 before */
	uint64_t tsc;	     /* of the newest frame */
	bool owes_credit;
	bool owes_fin_ack;
	struct seq seq;
	struct flow_tmpl credit, fin_ack;
};

struct sink {
	struct sink_flow flow[SINK_FLOWS_MAX];
	uint64_t rx_packets; /* data frames */
	uint64_t rx_bytes;
	uint64_t corrupted;
	uint64_t strange;
	uint64_t credits;
	uint64_t finished; /* flows that came to their end */
	/* Of lives before the present one of each flow. */
	uint64_t past_lost, past_duplicated, past_reordered;
};

struct sink_totals {
	uint64_t lost;
	uint64_t duplicated;
	uint64_t reordered;
};

void sink_init(struct sink *s);

/* One round on @q. Returns how many frames came or went. */
unsigned int sink_poll(struct sink *s, struct nvsc_queue *q);

void sink_totals(const struct sink *s, struct sink_totals *t);

/* Inside, for tests: judges one frame. */
void sink_frame(struct sink *s, const uint8_t *frame, uint32_t len);
