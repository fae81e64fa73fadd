/* SPDX-License-Identifier: BSD-3-Clause */
/* A device that sorts frames into queues, as a list, and what is written down of a NIC's queues. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmq/provider.h"
#include "vmq/queue.h"

enum vmqbed_call { VMQBED_SET, VMQBED_CLEAR, VMQBED_MOVE, VMQBED_CALLS };

struct vmqbed_dev {
	struct {
		struct vmq_filter f;
		uint16_t q;
	} entry[VMQ_FILTERS_MAX];
	unsigned int nr;
	unsigned int calls[VMQBED_CALLS];
	unsigned int asked; /* calls in all, refused ones among them */
	/* Refuses its calls number fail_from .. fail_from + nr_fail - 1, from 1. */
	unsigned int fail_from, nr_fail;
	int fail_code;
	/* What no caller may do: the first one. "": nothing. */
	char fault[160];
};

extern const struct vmq_provider_ops vmqbed_ops;

bool vmqbed_has(const struct vmqbed_dev *d, uint16_t q, const struct vmq_filter *f);
/* Where a frame goes. */
uint16_t vmqbed_sort(const struct vmqbed_dev *d, const uint8_t *dmac, uint16_t vlan);
/* The next @nr calls are refused. */
void vmqbed_fail(struct vmqbed_dev *d, unsigned int nr, int code);
void vmqbed_fail_nth(struct vmqbed_dev *d, unsigned int nth, unsigned int nr, int code);

bool vmqbed_is_same(const struct vmq_filter *a, const struct vmq_filter *b);
/* The address of station @i, 0 .. 255. */
struct vmq_filter vmqbed_any(uint8_t i);
struct vmq_filter vmqbed_vlan(uint8_t i, uint16_t vlan);
struct vmq_filter vmqbed_untagged(uint8_t i);

/* All that can be seen of queues, filters, and what the device has, for comparison. */
#define VMQBED_DUMP 16384u
const char *vmqbed_dump(const struct vmq_nic *n, const struct vmqbed_dev *d, char buf[VMQBED_DUMP]);
