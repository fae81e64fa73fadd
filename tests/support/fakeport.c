/* SPDX-License-Identifier: BSD-3-Clause */
/* A port on arrays. */
#include "tests/support/fakeport.h"

#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "vswitch/offload.h"
#include "vswitch/priv.h"

#define PIECE 53u

static void slot_back(struct fake_port *f, struct vsw_vec *v, struct vsw_slot *s,
		      const struct fake_frame *fr)
{
	uint32_t at;

	s->data = fr->bytes;
	if (!f->is_scattered)
		return;
	s->data = NULL;
	s->sg_off = 0;
	s->sg_first = (uint16_t)v->nr_sg;
	s->sg_count = 0;
	for (at = 0; at < fr->len && v->nr_sg < VSW_SG_MAX; at += PIECE) {
		uint32_t len = fr->len - at < PIECE ? fr->len - at : PIECE;

		v->sg[v->nr_sg++] = (struct vsw_sg){fr->bytes + at, len};
		s->sg_count++;
	}
}

static uint16_t fake_rx(void *be, uint16_t q, struct vsw_vec *v)
{
	struct fake_port *f = be;
	uint16_t n = 0, max = f->hdr_len ? f->hdr_len : VSW_SNAP_SIZE;

	while (f->nr_taken < f->nr_in && v->n < VSW_VEC_SIZE) {
		const struct fake_frame *fr = &f->in[f->nr_taken++];
		struct vsw_slot *s = &v->slot[v->n++];

		memset(&s->pkt, 0, sizeof(s->pkt));
		s->pkt.hdr_off = (uint16_t)(VSW_SNAP_OFF + f->hdr_off);
		s->pkt.len = fr->len;
		s->pkt.hdr_len = (uint16_t)(fr->len < max ? fr->len : max);
		s->pkt.flags = fr->flags;
		s->pkt.vlan_tci = fr->tci;
		s->pkt.drop_reason = fr->drop_reason;
		s->pkt.l3_off = fr->l3_off;
		s->pkt.l4_off = fr->l4_off;
		s->pkt.csum = fr->csum;
		s->pkt.lso_mss = fr->lso_mss;
		memcpy(vsw_hdr(&s->pkt), fr->bytes, s->pkt.hdr_len);
		slot_back(f, v, s, fr);
		n++;
	}
	return n;
}

static void fake_rx_done(void *be, uint16_t q, struct vsw_vec *v)
{
	struct fake_port *f = be;

	f->nr_rx_done += v->n;
}

/* False: the port has no room. */
static bool put(struct fake_port *f, const struct vsw_vec *v, const struct vsw_slot *s,
		uint16_t *left)
{
	struct fake_frame *fr = &f->out[f->nr_out % FAKE_FRAMES];

	if (f->room && *left == 0)
		return false;
	(*left)--;
	fr->len = s->pkt.len;
	fr->flags = s->pkt.flags & NETHV_PKT_VLAN;
	fr->tci = fr->flags ? s->pkt.vlan_tci : 0;
	vsw_slot_copy_frame(v, s, fr->bytes);
	if (s->pkt.flags & NETHV_PKT_CSUM)
		vsw_csum_finish(&s->pkt, fr->bytes);
	f->nr_out++;
	return true;
}

static uint8_t put_segments(struct fake_port *f, struct vsw_vec *v, const struct vsw_slot *s,
			    uint16_t *left)
{
	uint32_t nr = vsw_lso_segments(&s->pkt), sent = 0;
	uint64_t bytes = 0;
	struct vsw_seg g;

	vsw_seg_begin(&g, v, s);
	while (vsw_seg_next(&g) && put(f, v, &g.slot, left)) {
		sent++;
		bytes += g.slot.pkt.len;
	}
	return vsw_cut_add(v, &s->pkt, nr, sent, bytes, sent == nr ? 0 : VSW_DROP_rx_no_buffer);
}

static uint16_t fake_tx(void *be, struct vsw_vec *v, const uint16_t *idx, uint16_t n,
			uint8_t *reason)
{
	struct fake_port *f = be;
	uint16_t i, sent = 0, left = f->room;

	f->nr_tx_bursts++;
	for (i = 0; i < n; i++) {
		const struct vsw_slot *s = &v->slot[idx[i]];

		if (f->refuse)
			reason[i] = f->refuse;
		else if (s->pkt.flags & NETHV_PKT_LSO)
			reason[i] = put_segments(f, v, s, &left);
		else if (!put(f, v, s, &left))
			reason[i] = VSW_DROP_rx_no_buffer;
		sent += !reason[i];
	}
	return sent;
}

const struct vsw_port_ops fake_port_ops = {
	.rx = fake_rx,
	.rx_done = fake_rx_done,
	.tx = fake_tx,
};

struct fake_port *fake_port_new(struct vsw *sw, const struct vsw_port_cfg *cfg)
{
	struct fake_port *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	f->cfg = *cfg;
	if (f->cfg.nr_queues == 0)
		f->cfg.nr_queues = 1;
	if (vsw_port_create(&f->port, sw, &f->cfg, &fake_port_ops, f) || vsw_port_attach(f->port)) {
		fake_port_free(f);
		return NULL;
	}
	return f;
}

void fake_port_free(struct fake_port *f)
{
	if (!f)
		return;
	if (f->port)
		vsw_port_detach(f->port);
	vsw_port_destroy(f->port);
	free(f);
}

void fake_build(struct fake_frame *f, uint64_t dst, uint64_t src, uint32_t len, uint8_t seed)
{
	uint32_t i;

	memset(f, 0, sizeof(*f));
	f->len = len;
	memcpy(f->bytes, &dst, 6);
	memcpy(f->bytes + 6, &src, 6);
	f->bytes[12] = 0x88;
	f->bytes[13] = 0xB5;
	for (i = VSW_FRAME_MIN; i < len; i++)
		f->bytes[i] = (uint8_t)(seed + i * 7);
}

void fake_tcp(struct fake_frame *f, uint16_t flags, uint16_t mss)
{
	f->bytes[12] = 8;
	f->bytes[13] = 0;
	f->bytes[14] = 0x45;
	f->bytes[16] = (uint8_t)((f->len - 14) >> 8);
	f->bytes[17] = (uint8_t)(f->len - 14);
	f->bytes[20] = f->bytes[21] = 0;
	f->bytes[23] = 6;
	f->bytes[34 + 12] = 0x50;
	f->bytes[34 + 13] = 0x10;
	f->l3_off = 14;
	f->l4_off = 34;
	f->csum = NETHV_CSUM_TCP | NETHV_CSUM_IP4;
	f->flags = flags;
	f->lso_mss = mss;
}

struct fake_frame *fake_send(struct fake_port *f, uint64_t dst, uint64_t src)
{
	struct fake_frame *fr;

	if (f->nr_taken == f->nr_in)
		f->nr_taken = f->nr_in = 0;
	if (f->nr_in == FAKE_FRAMES)
		abort();
	fr = &f->in[f->nr_in];
	fake_build(fr, dst, src, 200, (uint8_t)f->nr_in++);
	return fr;
}

void fake_clear(struct fake_port *f)
{
	f->nr_out = 0;
	f->nr_tx_bursts = 0;
	f->nr_rx_done = 0;
}

uint32_t fake_switch_poll(struct vsw *sw)
{
	uint32_t n = vsw_lcore_poll(sw->lcore[0], sw->snap, rte_rdtsc());

	vsw_event_process(sw);
	return n;
}

bool fake_is_balanced(const struct vsw *sw)
{
	struct vsw_port_stats s;
	struct vsw_totals t;
	unsigned int i, r;

	for (i = 0; i < VSW_PORTS_MAX; i++) {
		uint64_t drops = 0;

		vsw_port_stats_get(sw, (uint16_t)i, &s);
		for (r = 0; r < VSW_DROP_COUNT; r++)
			drops += s.drops[r];
		if (s.in_packets + s.copies != s.delivered + drops)
			return false;
	}
	vsw_totals_get(sw, &t);
	return t.in + t.copies == t.out + t.drops;
}
