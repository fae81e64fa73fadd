/* SPDX-License-Identifier: BSD-3-Clause */
/* Optional part of the SDK: the DPDK buffer of a packet. It ties the extension to the switch's DPDK
 * version, which nethv/extension.h does not: its binaries run in later switches only as long as these
 * are built with the same DPDK. */
#pragma once

#include <nethv/extension.h>
#include <rte_mbuf.h>

#ifdef __cplusplus
extern "C" {
#endif

/* lcore, in ingress() and egress().  The buffer that packet @i of the burst came in from an uplink, or
 * NULL: it came from elsewhere. For looking only, and during the call. Its bytes are the frame as it was
 * received: what was judged and what leaves are the private bytes, nethv_bytes(). */
static inline const struct rte_mbuf *nethv_mbuf(struct nethv_burst *b, uint16_t i)
{
	return b->host->mbuf(b, i);
}

#ifdef __cplusplus
}
#endif
