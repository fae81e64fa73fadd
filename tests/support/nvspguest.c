/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest that sends from memory cut in any way. */
#include "tests/support/nvspguest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RANGES_MAX 12u

#define must(cond)                                                                            \
	do {                                                                                  \
		if (!(cond)) {                                                                \
			fprintf(stderr, "nvspguest: %s:%d: %s\n", __func__, __LINE__, #cond); \
			abort();                                                              \
		}                                                                             \
	} while (0)

static void shuffle(struct prng *rng, uint64_t *pfn, uint32_t n)
{
	uint32_t i, k;
	uint64_t t;

	for (i = n; i-- > 1;) {
		k = prng_below(rng, i + 1);
		t = pfn[i];
		pfn[i] = pfn[k];
		pfn[k] = t;
	}
}

static const struct vmbus_gpadl *gpadl(struct nguest *g, uint32_t handle, uint32_t n,
				       bool is_shuffled)
{
	uint64_t pfns[NGUEST_RECV_PAGES], first = bed_alloc(&g->bed, n);
	uint32_t i;

	for (i = 0; i < n; i++)
		pfns[i] = first + i;
	if (is_shuffled)
		shuffle(g->rng, pfns, n);
	return bed_gpadl(&g->bed, handle, pfns, 0, n);
}

void nguest_up(struct nguest *g, const struct netvsp_nic_cfg *cfg, struct prng *rng,
	       bool recv_shuffled, bool send_shuffled)
{
	nguest_up_on(g, NULL, cfg, rng, recv_shuffled, send_shuffled);
}

void nguest_up_on(struct nguest *g, struct vsw *sw, const struct netvsp_nic_cfg *cfg,
		  struct prng *rng, bool recv_shuffled, bool send_shuffled)
{
	uint64_t own;
	uint32_t i;

	g->rng = rng;
	g->stream_len = g->nr_msgs = 0;
	bed_create(&g->bed, cfg, sw, 256);
	g->recv = gpadl(g, 1, NGUEST_RECV_PAGES, recv_shuffled);
	g->send = gpadl(g, 2, NGUEST_SEND_PAGES, send_shuffled);
	own = bed_alloc(&g->bed, NGUEST_OWN_PAGES);
	for (i = 0; i < NGUEST_OWN_PAGES; i++)
		g->own[i] = own + i;
	bed_open(&g->bed, 0);
	bed_ready(&g->bed, g->recv, g->send);
	for (i = 0; i < NGUEST_RECV_PAGES; i++)
		memset(g->recv->page[i], NGUEST_POISON, VMBUS_PAGE_SIZE);
}

void nguest_down(struct nguest *g)
{
	bed_destroy(&g->bed);
}

/* ---- Sending ------------------------------------------------------------------------------- */

void nguest_add(struct nguest *g, const uint8_t *frame, uint32_t len, const struct nguest_ppi *ppi,
		uint32_t nr_ppis)
{
	struct rndis_packet h = {.hdr = {RNDIS_MSG_PACKET}};
	uint8_t *to = g->stream + g->stream_len;
	const uint32_t ppis = nr_ppis * 16;
	uint32_t i;

	h.ppi_offset = ppis ? sizeof(h) - RNDIS_REL : 0;
	h.ppi_len = ppis;
	h.data_offset = (uint32_t)sizeof(h) - RNDIS_REL + ppis;
	h.data_len = len;
	h.hdr.len = ((uint32_t)sizeof(h) + ppis + len + 7) & ~7u;
	must(g->stream_len + h.hdr.len <= sizeof(g->stream));
	memcpy(to, &h, sizeof(h));
	for (i = 0; i < nr_ppis; i++) {
		const uint32_t p[4] = {16, ppi[i].type, 12, ppi[i].value};

		memcpy(to + sizeof(h) + i * 16, p, 16);
	}
	memcpy(to + sizeof(h) + ppis, frame, len);
	g->stream_len += h.hdr.len;
	g->nr_msgs++;
}

/* Puts stream bytes [@at, @at + @n) into a range of pages that are nobody else's. */
static uint32_t put_range(struct nguest *g, uint8_t *list, uint32_t at, uint32_t n)
{
	struct vmbus_gpa_range r = {n, prng_below(g->rng, VMBUS_PAGE_SIZE)};
	uint32_t pages = (r.byte_offset + n + VMBUS_PAGE_SIZE - 1) / VMBUS_PAGE_SIZE;
	uint32_t off = r.byte_offset, i, run;

	memcpy(list, &r, sizeof(r));
	must(g->own_used + pages <= NGUEST_OWN_PAGES);
	for (i = 0; i < pages; i++, off = 0) {
		uint64_t pfn = g->own[g->own_used++];

		memcpy(list + sizeof(r) + i * 8, &pfn, 8);
		run = VMBUS_PAGE_SIZE - off < n ? VMBUS_PAGE_SIZE - off : n;
		memcpy(bed_page(&g->bed, pfn) + off, g->stream + at, run);
		at += run;
		n -= run;
	}
	return (uint32_t)sizeof(r) + pages * 8;
}

/* The first bytes may lie in a send section. Returns how many. */
static uint32_t put_section(struct nguest *g, struct nvsp_msg *m)
{
	uint32_t n = g->stream_len < NETVSP_SEND_SECTION ? g->stream_len : NETVSP_SEND_SECTION;

	if (prng_below(g->rng, 2))
		return 0;
	if (prng_below(g->rng, 2))
		n = 1 + prng_below(g->rng, n);
	m->rndis_pkt.section_index = prng_below(g->rng, NGUEST_SEND_PAGES);
	m->rndis_pkt.section_size = n;
	memcpy(g->send->page[m->rndis_pkt.section_index], g->stream, n);
	return n;
}

/* How many bytes the next range has: some are tiny. Or a message each, as a guest forwards them. */
static uint32_t range_bytes(struct nguest *g, uint32_t at, uint32_t left, bool by_message)
{
	uint32_t n;

	if (by_message)
		memcpy(&n, g->stream + at + offsetof(struct rndis_hdr, len), sizeof(n));
	else
		n = 1 + prng_below(g->rng, prng_below(g->rng, 2) ? 80 : left);
	return n < left ? n : left;
}

/* The rest in up to 12 ranges. Returns the bytes of the list. */
static uint32_t put_ranges(struct nguest *g, uint8_t *list, uint32_t at)
{
	const bool by_message = at == 0 && prng_below(g->rng, 3) == 0;
	struct vmbus_pkt_gpa_direct h = {0};
	uint32_t len = sizeof(h), left, n;

	g->own_used = 0;
	shuffle(g->rng, g->own, NGUEST_OWN_PAGES);
	for (; at < g->stream_len; at += n) {
		left = g->stream_len - at;
		n = h.range_count == RANGES_MAX - 1 ? left : range_bytes(g, at, left, by_message);
		len += put_range(g, list + len, at, n);
		h.range_count++;
	}
	memcpy(list, &h, sizeof(h));
	return h.range_count ? len : 0;
}

void nguest_send(struct nguest *g)
{
	struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT,
			     .rndis_pkt = {NVSP_CHANNEL_DATA, NVSP_SECTION_NONE, 0}};
	struct vmbus_pkt_desc d = {.flags = VMBUS_PKT_FLAG_COMPLETION_REQUESTED};
	uint8_t list[1024];
	uint32_t len = put_ranges(g, list, put_section(g, &m));

	d.type = len ? VMBUS_PKT_GPA_DIRECT : VMBUS_PKT_INBAND;
	d.offset8 = (uint16_t)((sizeof(d) + len) / 8);
	d.len8 = (uint16_t)(d.offset8 + NVSP_MSG_SIZE / 8);
	must(bed_send(&g->bed, 0, &d, list, len, &m, sizeof(m)));
	g->stream_len = g->nr_msgs = 0;
}

/* ---- The host ------------------------------------------------------------------------------ */

uint16_t nguest_host_rx(struct nguest *g)
{
	g->vec.n = 0;
	g->vec.n = netvsp_rx(g->bed.nic, 0, &g->vec);
	return g->vec.n;
}

uint16_t nguest_host_tx(struct nguest *g, uint8_t *reason)
{
	uint16_t idx[VSW_VEC_SIZE], i, n = 0;

	for (i = 0; i < g->vec.n; i++) {
		if (!g->vec.slot[i].pkt.drop_reason)
			idx[n++] = i;
	}
	memset(reason, 0, n);
	return netvsp_tx(g->bed.nic, &g->vec, idx, n, reason);
}

void nguest_host_done(struct nguest *g)
{
	netvsp_rx_done(g->bed.nic, 0, &g->vec);
}

/* ---- Receiving ----------------------------------------------------------------------------- */

static uint8_t *recv_byte(const struct nguest *g, uint32_t at)
{
	return g->recv->page[at / VMBUS_PAGE_SIZE] + at % VMBUS_PAGE_SIZE;
}

/* Takes [@at, @at + @n) out of the receive buffer and leaves poison. */
static void take_out(struct nguest *g, uint32_t at, uint8_t *to, uint32_t n)
{
	uint32_t run;

	for (; n; at += run, to += run, n -= run) {
		run = VMBUS_PAGE_SIZE - at % VMBUS_PAGE_SIZE;
		run = run < n ? run : n;
		memcpy(to, recv_byte(g, at), run);
		memset(recv_byte(g, at), NGUEST_POISON, run);
	}
}

static void give_back(struct nguest *g, uint64_t id)
{
	const struct vmbus_pkt_desc d = {
		.type = VMBUS_PKT_COMPLETION, .offset8 = 2, .len8 = 7, .trans_id = id};
	const struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT_COMPLETE};

	must(bed_send(&g->bed, 0, &d, NULL, 0, &m, sizeof(m)));
}

static void take_range(struct nguest *g, struct vmbus_xfer_range r,
		       void (*fn)(void *ctx, const uint8_t *msg, uint32_t len), void *ctx)
{
	const uint32_t size = g->bed.nic->st->section_size;
	uint8_t msg[12288];

	must(r.byte_count <= size - r.byte_offset % size && r.byte_count <= sizeof(msg));
	take_out(g, r.byte_offset, msg, r.byte_count);
	fn(ctx, msg, r.byte_count);
}

uint32_t nguest_receive(struct nguest *g, void (*fn)(void *ctx, const uint8_t *msg, uint32_t len),
			void *ctx)
{
	uint32_t len, i, nr_done = 0;
	struct vmbus_xfer_range r;
	struct vmbus_pkt_desc d;
	struct vmbus_pkt_xfer x;
	uint8_t pkt[512];

	while ((len = bed_recv(&g->bed, 0, pkt, sizeof(pkt))) > 0) {
		memcpy(&d, pkt, sizeof(d));
		if (d.type == VMBUS_PKT_COMPLETION) {
			nr_done++;
			continue;
		}
		memcpy(&x, pkt + sizeof(d), sizeof(x));
		for (i = 0; i < x.range_count; i++) {
			memcpy(&r, pkt + sizeof(d) + sizeof(x) + i * sizeof(r), sizeof(r));
			take_range(g, r, fn, ctx);
		}
		give_back(g, d.trans_id);
	}
	return nr_done;
}

bool nguest_ppi(const uint8_t *msg, uint32_t type, uint32_t *value)
{
	struct rndis_packet h;
	struct rndis_ppi p;
	uint32_t at, end;

	memcpy(&h, msg, sizeof(h));
	if (h.ppi_len == 0)
		return false;
	must(h.ppi_offset == sizeof(h) - RNDIS_REL && h.data_offset == h.ppi_offset + h.ppi_len);
	for (at = h.ppi_offset + RNDIS_REL, end = at + h.ppi_len; at < end; at += p.size) {
		memcpy(&p, msg + at, sizeof(p));
		must(p.size == 16 && p.offset == 12 && at + p.size <= end);
		if (p.type != type)
			continue;
		memcpy(value, msg + at + p.offset, 4);
		return true;
	}
	return false;
}

void nguest_check_empty(struct nguest *g)
{
	uint32_t i, k;

	must(nguest_host_rx(g) == 0);
	must(g->bed.nic->pool.nr == g->bed.nic->st->nr_sections);
	for (i = 0; i < NGUEST_RECV_PAGES; i++) {
		for (k = 0; k < VMBUS_PAGE_SIZE; k++)
			must(g->recv->page[i][k] == NGUEST_POISON);
	}
}
