/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/ovbed.h"

#include <stdlib.h>
#include <string.h>

static struct vsw_vec vec; /* only one is in work at a time */

/* The backing has exactly the frame's bytes, so that a sanitizer sees one too many. */
static uint8_t *receive(struct ovbed *b, struct vsw_slot *s, const uint8_t *frame, uint32_t len)
{
	uint8_t *back = malloc(len);
	uint32_t at, piece = b->piece;

	memcpy(back, frame, len);
	s->pkt.len = len;
	s->pkt.hdr_off = VSW_SNAP_OFF;
	s->pkt.hdr_len = (uint16_t)(len < b->privates ? len : b->privates);
	memcpy(s->snap, back, s->pkt.hdr_len);
	s->data = piece ? NULL : back;
	if (piece && len > piece * VSW_SG_MAX) /* not more pieces than a vector has room for */
		piece = (len + VSW_SG_MAX - 1) / VSW_SG_MAX;
	for (at = 0; piece && at < len; at += piece) {
		uint32_t n = len - at < piece ? len - at : piece;

		vec.sg[s->sg_count++] = (struct vsw_sg){back + at, n};
	}
	return back;
}

static void put(struct ovbed *b, uint16_t port, uint16_t vlan, const struct vsw_overlay_head *h,
		const struct vsw_slot *s)
{
	uint8_t out[OVBED_FRAME_MAX + VSW_OVERLAY_HEAD_MAX];
	uint32_t head = h ? h->len : 0;

	if (h)
		memcpy(out, h->b, head);
	vsw_slot_copy_frame(&vec, s, out + head);
	b->nr_out++;
	b->sink(b->ctx, port, vlan, out, head + s->pkt.len);
}

static void route(struct ovbed *b, const struct vsw_overlay_io *io)
{
	struct vsw_overlay_route r;
	struct vsw_overlay_head h;
	uint16_t i;

	memset(&r, 0xA5, sizeof(r));
	vsw_overlay_route(b->ov, &vec, 0, io, &r);
	b->why = r.why;
	for (i = 0; i < r.nr_ports; i++)
		put(b, r.port[i], 0, NULL, &vec.slot[0]);
	for (i = 0; i < r.nr_vteps; i++) {
		struct vsw_overlay_to to = {io->vsid[0], b->now_s, r.vtep[i]};
		uint16_t why = vsw_overlay_head(b->ov, &vec, 0, &to, &h);

		if (why)
			b->copies_why = why;
		else
			put(b, vsw_overlay_uplink(b->ov), vsw_overlay_vlan(b->ov), &h,
			    &vec.slot[0]);
	}
}

static void own_frames(struct ovbed *b)
{
	uint8_t frame[VSW_OVERLAY_FRAME_MAX];
	uint32_t len;

	while ((len = vsw_overlay_next_frame(b->ov, 0, frame)) != 0)
		b->sink(b->ctx, vsw_overlay_uplink(b->ov), vsw_overlay_vlan(b->ov), frame, len);
}

void ovbed_send(struct ovbed *b, uint16_t port, int32_t tci, uint16_t vlan, const uint8_t *frame,
		uint32_t len)
{
	static const uint16_t idx[1] = {0};
	uint32_t vsid[VSW_VEC_SIZE];
	uint16_t why[1] = {0};
	struct vsw_overlay_io io = {b->now_s, vsid, why};
	struct vsw_slot *s = &vec.slot[0];
	uint8_t *back;

	memset(s, 0, sizeof(*s));
	vec.n = 1;
	back = receive(b, s, frame, len);
	s->pkt.src_port = port;
	s->pkt.vlan = vlan;
	s->pkt.flags = b->in_flags;
	s->pkt.csum = b->in_csum;
	if (tci >= 0) {
		s->pkt.flags |= NETHV_PKT_VLAN;
		s->pkt.vlan_tci = (uint16_t)tci;
	}
	b->nr_out = 0;
	b->copies_why = 0;
	vsw_overlay_ingress(b->ov, &vec, idx, 1, &io);
	b->vsid = vsid[0];
	b->why = why[0];
	b->pkt = s->pkt;
	if (!b->why && s->pkt.flags & NETHV_PKT_NATIVE)
		route(b, &io);
	own_frames(b);
	free(back);
}

void ovbed_tick(struct ovbed *b)
{
	b->now_s++;
	vsw_overlay_tick(b->ov, 0, b->now_s);
	own_frames(b);
}
