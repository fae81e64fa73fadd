/* SPDX-License-Identifier: BSD-3-Clause */
/* A port on arrays: frames put into it are received by the switch, frames delivered to it are kept.
 * With one switch lcore driven by fake_switch_poll(), all on the test's thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/port.h"
#include "vswitch/vswitch.h"

#define FAKE_FRAMES 256u
#define FAKE_BYTES  2048u

struct fake_frame {
	uint8_t bytes[FAKE_BYTES];
	uint32_t len;
	uint16_t flags, tci;  /* out-of-band tag, in and out */
	uint16_t drop_reason; /* in: lost before it came */
	uint16_t reason;      /* out: given by tx when refused */
	/* in: offloads, as in struct nethv_pkt, with flags; out: they were done */
	uint8_t l3_off, l4_off;
	uint16_t csum, lso_mss;
};

struct fake_port {
	struct vsw_port *port;
	struct vsw_port_cfg cfg;
	struct fake_frame in[FAKE_FRAMES];
	unsigned int nr_in, nr_taken;
	struct fake_frame out[FAKE_FRAMES];
	unsigned int nr_out; /* frames delivered since fake_clear() */
	unsigned int nr_rx_done, nr_tx_bursts;
	uint8_t refuse;	   /* tx: reason for all; 0: none */
	uint16_t room;	   /* tx: takes so many (segments count), then rx_no_buffer; 0: all */
	uint16_t hdr_len;  /* private bytes at most; 0: 128 */
	uint16_t hdr_off;  /* where in snap the frame starts */
	bool is_scattered; /* backing in small pieces */
};

/* Attached; NULL (err_text() says why) when the switch refuses. Freeing detaches. */
struct fake_port *fake_port_new(struct vsw *sw, const struct vsw_port_cfg *cfg);
void fake_port_free(struct fake_port *f);
extern const struct vsw_port_ops fake_port_ops;

/* Builds an Ethernet frame of @len bytes whose payload is a pattern of @seed. */
void fake_build(struct fake_frame *f, uint64_t dst, uint64_t src, uint32_t len, uint8_t seed);

/* Makes it TCP over IPv4 with what an offload needs: NETHV_PKT_ @flags, segments of @mss. */
void fake_tcp(struct fake_frame *f, uint16_t flags, uint16_t mss);

/* Queues a frame for reception; the result may still be changed before the poll. */
struct fake_frame *fake_send(struct fake_port *f, uint64_t dst, uint64_t src);

/* Forgets what was delivered. */
void fake_clear(struct fake_port *f);

/* One round of lcore 0 on this thread, and the events after it. Returns the packets received. */
uint32_t fake_switch_poll(struct vsw *sw);

/* in + copies = out + drops, in the totals and for each port. */
bool fake_is_balanced(const struct vsw *sw);
