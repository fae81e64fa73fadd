/* SPDX-License-Identifier: BSD-3-Clause */
/* The least that a port can do: a copy of each frame's bytes, which every port makes, and no more. */
#include "bench/mill.h"

#include <string.h>

static uint16_t mill_rx(void *be, uint16_t q, struct vsw_vec *v)
{
	const struct mill *m = be;
	uint16_t i;

	for (i = 0; i < m->n; i++) {
		struct vsw_slot *s = &v->slot[i];

		memcpy(s->snap, m->frame[i], MILL_FRAME);
		s->pkt.hdr_off = VSW_SNAP_OFF;
		s->pkt.len = MILL_FRAME;
		s->pkt.hdr_len = MILL_FRAME;
		s->pkt.flags = 0;
		s->pkt.drop_reason = 0;
		s->data = m->frame[i];
	}
	v->n = m->n;
	return m->n;
}

static void mill_rx_done(void *be, uint16_t q, struct vsw_vec *v)
{
}

static uint16_t mill_tx(void *be, struct vsw_vec *v, const uint16_t *idx, uint16_t n,
			uint8_t *reason)
{
	return n;
}

const struct vsw_port_ops mill_ops = {.rx = mill_rx, .rx_done = mill_rx_done, .tx = mill_tx};

void mill_fill(struct mill *m, const uint8_t *from, const uint8_t *to)
{
	uint16_t i;

	memset(m->frame, 0, sizeof(m->frame));
	for (i = 0; i < VSW_VEC_SIZE; i++) {
		memcpy(m->frame[i], to, 6);
		memcpy(m->frame[i] + 6, from, 6);
	}
}
