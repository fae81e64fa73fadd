/* SPDX-License-Identifier: BSD-3-Clause */
/* The sorter on a device that gives back what was sent to it, and frames with tags of every form. */
#pragma once

#include <stdint.h>

#include <rte_mbuf.h>

#include "vmq/provider.h"
#include "vswitch/steer.h"

enum sort_tag {
	SORT_UNTAGGED,
	SORT_IN_BAND,  /* 802.1Q in the frame */
	SORT_STRIPPED, /* the device took it off */
};

/* What is behind the Ethernet header. */
struct sort_flow {
	uint8_t version; /* 4, 6; 0: nothing of this */
	uint8_t proto;
	uint8_t options;   /* IPv4: words of them */
	uint16_t piece;	   /* IPv4: flags and offset of a fragment */
	uint32_t src, dst; /* IPv6: their last four bytes */
	uint16_t ports[2];
};

struct sort_frame {
	uint64_t mac; /* 0x0a0000000002: its first byte is 02, as it lies in memory */
	uint8_t tag;  /* enum sort_tag */
	uint16_t tci;
	uint16_t len;	/* of the whole frame; 0: 60 */
	uint16_t piece; /* bytes in each mbuf; 0: one mbuf */
	uint32_t seq;	/* in the last four bytes, if there are that many behind the header */
	struct sort_flow flow;
};

struct sort_bed {
	struct vsw *sw;
	struct rte_mempool *pool;
	uint16_t dev;
	void *pv;
};

/* @nr_queues of @nr_desc, without filters. */
void sort_bed_up(struct sort_bed *b, uint16_t nr_queues, uint16_t nr_desc);
/* Everything is freed; false: an mbuf is not. */
bool sort_bed_down(struct sort_bed *b);

struct rte_mbuf *sort_frame_make(const struct sort_bed *b, const struct sort_frame *f);
uint32_t sort_frame_seq(const struct rte_mbuf *m);
/* To the device; it has room for 1023. */
void sort_send(const struct sort_bed *b, const struct sort_frame *f);

static inline uint16_t sort_rx(const struct sort_bed *b, uint16_t q, struct rte_mbuf **m,
			       uint16_t n)
{
	struct vsw_steered s = {.q = q};

	return vmq_software.rx(b->pv, q, m, n, &s);
}

struct vmq_filter sort_filter(uint64_t mac, enum vmq_vlan_test test, uint16_t vlan);
