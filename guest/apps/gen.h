/* SPDX-License-Identifier: BSD-3-Clause */
/* Application `pktgen`, one flow: says hello until the sink answers, then sends numbered frames, never more in flight than the window, which
 * the sink's credits move. A number is never sent twice. Without credits for a while it sends
 * single probes, each with a number of its own, until one is answered: so it survives a switch
 * that loses everything. At the end it has the sink's count confirmed. */
#pragma once

#include "guest/apps/flow.h"
#include "guest/apps/hist.h"
#include "guest/netvsc/nvsc.h"

struct gen_cfg {
	struct flow_id id; /* its epoch differs from the last run's */
	uint32_t len;	   /* of a frame, without FCS */
	uint64_t count;	   /* 0: until stopped */
	uint32_t window;   /* frames */
	uint32_t burst;	   /* at most as many in one round */
	uint64_t rate;	   /* frames a second; 0: as fast as credits allow */
	uint64_t tsc_hz;
};

/* A credit that came to another flow's queue: the latest is all that counts. */
struct gen_mail {
	bool is_locked; /* whoever finds it so gives up: another credit will come */
	bool is_full;
	struct flow_msg m;
};

enum gen_state {
	GEN_HELLO = 0, /* nothing was sent yet: a sink that is not up would lose it */
	GEN_RUN,
	GEN_FIN,  /* all sent: asking for the final report */
	GEN_DONE, /* has_report says whether it came */
};

struct gen {
	struct gen_cfg cfg;
	struct gen *all; /* flows 0.. of this application, or NULL: only this one */
	unsigned int nr_all;
	struct gen_mail mail; /* other threads write here */
	struct flow_tmpl hello, data, fin;
	enum gen_state state;
	uint64_t seq;	/* next to send */
	uint64_t acked; /* the sink has come so far */
	uint64_t start_tsc;
	uint64_t deadline; /* when patience ends */
	uint64_t patience; /* cycles */
	uint32_t fins;
	bool is_probing;
	bool is_stop_wanted; /* set by another thread (relaxed): no new frames */
	bool has_report;
	struct flow_report report; /* the sink's latest */
	struct hist rtt;	   /* TSC cycles */
	uint64_t credits;
	uint64_t credits_timeouts;
	uint64_t corrupted; /* credits that came damaged */
	uint64_t strange;   /* frames that are none of ours */
};

void gen_init(struct gen *g, const struct gen_cfg *cfg);

/* Flows @g[0..n) have numbers 0..n-1 and pass on each other's credits. */
void gen_join(struct gen *g, unsigned int n);

/* One round on @q at time @tsc. Returns how many frames came or went. */
unsigned int gen_poll(struct gen *g, struct nvsc_queue *q, uint64_t tsc);
