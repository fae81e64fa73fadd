/* SPDX-License-Identifier: BSD-3-Clause */
/* A port that receives frames for one address as long as it is on, and counts what it is sent. */
#pragma once

#include <string.h>

#include "tests/tsan/tsan.h"
#include "vswitch/port.h"
#include "vswitch/vswitch.h"

#define SPRING_BURST 8u
#define SPRING_LEN   200u

struct spring {
	struct vsw_port *port;
	bool is_on;
	uint64_t nr_out;
	uint8_t frame[SPRING_LEN];
};

static inline uint16_t spring_rx(void *be, uint16_t q, struct vsw_vec *v)
{
	const struct spring *s = be;
	uint16_t i;

	if (!__atomic_load_n(&s->is_on, __ATOMIC_RELAXED))
		return 0;
	for (i = 0; i < SPRING_BURST; i++) {
		struct vsw_slot *sl = &v->slot[v->n++];

		memset(&sl->pkt, 0, sizeof(sl->pkt));
		memcpy(sl->snap, s->frame, VSW_SNAP_SIZE);
		sl->snap[29] = (uint8_t)(q + i); /* IPv4 source: flows for all queues */
		sl->pkt.hdr_off = VSW_SNAP_OFF;
		sl->pkt.len = SPRING_LEN;
		sl->pkt.hdr_len = VSW_SNAP_SIZE;
		sl->data = s->frame;
		sl->mbuf = NULL;
	}
	return SPRING_BURST;
}

static inline void spring_rx_done(void *be, uint16_t q, struct vsw_vec *v)
{
}

static inline uint16_t spring_tx(void *be, struct vsw_vec *v, const uint16_t *idx, uint16_t n,
				 uint8_t *reason)
{
	struct spring *s = be;

	__atomic_fetch_add(&s->nr_out, n, __ATOMIC_RELAXED);
	return n;
}

static const struct vsw_port_ops spring_ops = {
	.rx = spring_rx, .rx_done = spring_rx_done, .tx = spring_tx};

/* MAC 02:00:00:00:00:@no, sends to 02:00:00:00:00:@dst. */
static inline struct spring *spring_new(struct vsw *sw, uint8_t no, uint8_t dst)
{
	struct vsw_port_cfg cfg = {.nr_queues = 1, .mac = {2, 0, 0, 0, 0, no}};
	struct spring *s = calloc(1, sizeof(*s));

	check(s);
	snprintf(cfg.name, sizeof(cfg.name), "s%u", no);
	s->is_on = true;
	s->frame[0] = 2;
	s->frame[5] = dst;
	memcpy(s->frame + 6, cfg.mac, 6);
	s->frame[12] = 8;
	s->frame[14] = 0x45;
	check(vsw_port_create(&s->port, sw, &cfg, &spring_ops, s) == 0);
	check(vsw_port_attach(s->port) == 0);
	return s;
}

static inline void spring_free(struct spring *s)
{
	vsw_port_detach(s->port);
	vsw_port_destroy(s->port);
	memset(s, 0x5A, sizeof(*s)); /* plain: no lcore may be here any more */
	free(s);
}
