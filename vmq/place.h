/* SPDX-License-Identifier: BSD-3-Clause */
/* On which poll lcore each queue is best: pure. Fewest crossings between NUMA nodes first, then an even load.
 * What is moved is worth it: a queue moves only off an lcore that is busy, only if the other one is then less
 * busy, by a margin, than that one was, only when that was so for some rounds, and not again soon. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmq/queue.h"

#define VMQ_LCORES_MAX 16u
#define VMQ_NODE_ANY   (-1)

struct vmq_lcore {
	uint16_t index; /* in the switch */
	int16_t node;	/* NUMA node; VMQ_NODE_ANY: not known */
	uint32_t busy;	/* of the last round, in 1/1000 of its time, all work included */
};

struct vmq_load {
	uint16_t q;
	uint16_t lcore; /* index of its lcore now; VMQ_CPU_ANY: none yet */
	bool is_pinned; /* static, or the operator said so */
	int16_t nic_node, part_node;
	uint32_t load;	  /* 1/1000 of an lcore, last round */
	uint32_t settled; /* rounds since it was moved */
};

struct vmq_move {
	uint16_t q, from, to; /* lcores */
	char why[96];
};

struct vmq_place_cfg {
	uint32_t busy_at;	/* an lcore is busy from here on; 0: 700 */
	uint32_t margin;	/* by which the other one is to stay below; 0: 150 */
	uint32_t rounds;	/* for how many in a row; 0: 3 */
	uint32_t settle_rounds; /* a queue rests between moves; 0: 10 */
	uint32_t moves_max;	/* in one plan; 0: 1 */
};

/* Remembers between rounds. */
struct vmq_placer {
	struct vmq_place_cfg cfg;
	uint32_t wanted[VMQ_QUEUES_MAX]; /* rounds in a row in which its move would have paid */
	uint16_t wanted_to[VMQ_QUEUES_MAX];
};

void vmq_placer_init(struct vmq_placer *p, const struct vmq_place_cfg *cfg);

/* The lcore for a new queue: on the NIC's node and the partition's if there is one, else the NIC's, else any; of
 * these the least loaded. */
uint16_t vmq_place_new(const struct vmq_lcore *l, uint16_t nr_l, const struct vmq_load *others,
		       uint16_t nr_q, int16_t nic_node, int16_t part_node);

/* What would be moved if it were asked now, without hysteresis and without remembering: for `nethv vmq plan`. How
 * many of out[@room]. */
uint16_t vmq_place_plan(const struct vmq_placer *p, const struct vmq_lcore *l, uint16_t nr_l,
			const struct vmq_load *q, uint16_t nr_q, struct vmq_move *out,
			uint16_t room);

/* A round: what is to be moved now. */
uint16_t vmq_place_round(struct vmq_placer *p, const struct vmq_lcore *l, uint16_t nr_l,
			 const struct vmq_load *q, uint16_t nr_q, struct vmq_move *out,
			 uint16_t room);
