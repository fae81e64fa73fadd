/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/seebed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static void publish(void *ctx, struct vsw_tap *tap)
{
	struct seebed *b = ctx;

	b->tap = tap;
	b->nr_published++;
}

static const char *port_name(void *ctx, uint16_t port)
{
	static char name[16];

	snprintf(name, sizeof(name), "p%u", port);
	return port < 200 ? name : NULL;
}

static const struct vsw_see_ops ops = {.publish = publish, .port_name = port_name};

struct seebed *seebed_new(unsigned int nr_lcores, uint32_t ring_size)
{
	struct vsw_see_cfg cfg = {
		.nr_lcores = nr_lcores, .tsc_hz = 2000000000, .ring_size = ring_size};
	struct seebed *b = aligned_alloc(64, (sizeof(*b) + 63) & ~63ul);
	unsigned int i;

	if (!b)
		abort();
	memset(b, 0, sizeof(*b));
	for (i = 0; i < VSW_VEC_SIZE; i++)
		b->idx[i] = (uint16_t)i;
	if (vsw_see_create(&b->see, &cfg, &ops, b)) {
		fprintf(stderr, "%s\n", err_text());
		abort();
	}
	return b;
}

void seebed_free(struct seebed *b)
{
	vsw_see_destroy(b->see);
	free(b);
}

static void back_in_pieces(struct vsw_vec *v, struct vsw_slot *s, const uint8_t *mem, uint32_t len,
			   uint16_t piece)
{
	uint32_t at;

	s->data = NULL;
	s->sg_first = (uint16_t)v->nr_sg;
	for (at = 0; at < len; at += piece) {
		uint32_t part = len - at < piece ? len - at : piece;

		if (v->nr_sg == VSW_SG_MAX)
			abort();
		v->sg[v->nr_sg++] = (struct vsw_sg){mem + at, part};
		s->sg_count++;
	}
}

struct vsw_slot *seebed_put(struct seebed *b, const void *frame, uint32_t len,
			    struct seebed_form form)
{
	uint32_t hdr = form.hdr_len ? form.hdr_len : VSW_SNAP_SIZE - form.hdr_off;
	struct vsw_slot *s = &b->v.slot[b->v.n];
	uint8_t *mem = b->mem[b->v.n++];

	hdr = hdr < len ? hdr : len;
	memset(s, 0, sizeof(*s));
	s->pkt.len = len;
	s->pkt.hdr_len = (uint16_t)hdr;
	s->pkt.hdr_off = (uint16_t)(VSW_SNAP_OFF + form.hdr_off);
	if (form.tci >= 0) {
		s->pkt.flags |= NETHV_PKT_VLAN;
		s->pkt.vlan_tci = (uint16_t)form.tci;
		s->pkt.vlan = form.tci & 0xFFF;
	}
	memcpy(vsw_hdr(&s->pkt), frame, hdr);
	memcpy(mem, frame, len);
	memset(mem, 0xEE, hdr);
	s->data = mem;
	if (form.piece)
		back_in_pieces(&b->v, s, mem, len, form.piece);
	return s;
}

void seebed_clear(struct seebed *b)
{
	b->v.n = 0;
	b->v.nr_sg = 0;
}

void seebed_to(struct seebed *b, struct vsw_slot *s, uint16_t port, uint8_t flags)
{
	if (!s->pkt.ndst && s != b->v.slot)
		s->pkt.dst_first = s[-1].pkt.dst_first + s[-1].pkt.ndst;
	b->dst[s->pkt.dst_first + s->pkt.ndst++] = (struct nethv_dst){.port = port, .flags = flags};
}

void seebed_at(struct seebed *b, enum vsw_station station)
{
	struct vsw_tap_at at = {.v = &b->v,
				.station = station,
				.idx = b->idx,
				.n = b->v.n,
				.dstv = station >= VSW_AT_forward ? b->dst : NULL};

	if (b->tap)
		vsw_tap_station(b->tap, &at);
}

void seebed_enter(struct seebed *b)
{
	if (b->tap)
		vsw_tap_enter(b->tap, &b->v, b->idx, b->v.n);
}

void seebed_ext(struct seebed *b, enum vsw_station station, const char *ext, uint16_t verdict)
{
	struct vsw_tap_at at = {.v = &b->v, .station = station, .idx = b->idx, .n = b->v.n};
	uint16_t verdicts[VSW_VEC_SIZE] = {verdict};

	if (b->tap)
		vsw_tap_ext(b->tap, &at, ext, verdicts, 41ull * b->v.n);
}

void seebed_drop(struct seebed *b, uint16_t i, struct vsw_tap_drop d)
{
	d.v = &b->v;
	d.i = i;
	if (b->tap)
		vsw_tap_drop(b->tap, &d);
}
