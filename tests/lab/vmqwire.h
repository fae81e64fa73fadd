/* SPDX-License-Identifier: BSD-3-Clause */
/* For vmqdiff.c: numbered frames on a wire, and two NICs on it that sort them: one by its own means, the other leaves it to
 * us. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmq/provider.h"
#include "vmq/queue.h"

#define WIRE_FRAMES 64u /* in one group */
#define WIRE_QUEUES 8u

struct vsw;

struct wire_frame {
	uint8_t dmac[6];
	int tci;      /* -1: no tag */
	uint16_t len; /* with the tag, without FCS: 64 .. 1518 */
	uint32_t number;
};

struct wire_side {
	const char *name;
	const struct vmq_provider_ops *ops;
	void *pv;
	struct vmq_nic *nic;
	uint16_t dev;
	/* Of this group, in the order in which they came. */
	uint32_t got[WIRE_QUEUES][WIRE_FRAMES];
	uint32_t nr[WIRE_QUEUES];
	uint64_t frames, strange; /* in all; not ours */
};

/* Each says what failed and ends the process. */
void wire_side_up(struct wire_side *s, struct vsw *sw, const char *bdf);
void wire_side_down(struct wire_side *s);
void wire_open(const char *iface);
void wire_send(const struct wire_frame *f, uint32_t nr);
/* Until frame @sentinel is there, and then whatever is left. False: it did not come for a long time. */
bool wire_take(struct wire_side *s, uint32_t sentinel);

__attribute__((noreturn, format(printf, 1, 2))) void wire_die(const char *fmt, ...);
