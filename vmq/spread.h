/* SPDX-License-Identifier: BSD-3-Clause */
/* To which of several queues of one adapter a frame goes (VMMQ): a hash of what all frames of a flow have alike
 * chooses an entry of a table. The hash is the same for ever; the table is not changed while it is read,
 * another takes its place. */
#pragma once

#include <stdint.h>

struct rte_mbuf;

#define VMQ_SPREAD_BITS 7u
#define VMQ_SPREAD_SIZE (1u << VMQ_SPREAD_BITS)

struct vmq_spread {
	uint8_t first; /* for frames without a hash */
	uint8_t q[VMQ_SPREAD_SIZE];
};

/* ctl.  Over @qs[0 .. @n), @n not 0, as evenly as it goes. */
void vmq_spread_init(struct vmq_spread *t, const uint16_t *qs, uint16_t n);

/* any.  Of addresses of IPv4 and IPv6, and of ports of TCP and UDP where every packet of the flow has them: a packet
 * in pieces is taken for one without, as only its first piece has any. Behind one tag or none; the
 * tag does not count. 0: it is nothing of that, and has no hash. */
uint64_t vmq_spread_hash(const struct rte_mbuf *m);

/* any */
uint8_t vmq_spread_queue(const struct vmq_spread *t, const struct rte_mbuf *m);
