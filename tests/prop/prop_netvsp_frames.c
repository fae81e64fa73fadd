/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of every size through an adapter, from guest memory cut in any way: send sections, GPA
 * ranges of any length at any offset over any pages, several messages to a packet. They come back
 * by the adapter's own receive buffer, byte for byte, and nothing is written beside them. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "netvsp/rndis.h"
#include "tests/support/eal.h"
#include "tests/support/nvspbed.h"
#include "tests/support/prng.h"

#define RECV_PAGES 120u
#define SEND_PAGES 8u
#define OWN_PAGES  64u
#define MSGS_MAX   4u
#define STREAM_MAX (MSGS_MAX * 9200u)
#define POISON	   0xEE

struct frame {
	uint32_t len;
	uint16_t tci;
	bool is_tagged;
	uint8_t bytes[9018];
};

struct world {
	struct bed bed;
	struct vsw_vec vec;
	struct prng rng;
	const struct vmbus_gpadl *recv, *send;
	uint64_t own[OWN_PAGES]; /* shuffled for each packet */
	uint32_t own_used;
	struct frame sent[MSGS_MAX];
	uint32_t nr_sent, nr_back;
	uint8_t stream[STREAM_MAX];
	uint32_t stream_len;
};

static struct world w;

static void shuffle(uint64_t *pfn, uint32_t n)
{
	uint32_t i, k;
	uint64_t t;

	for (i = n; i-- > 1;) {
		k = prng_below(&w.rng, i + 1);
		t = pfn[i];
		pfn[i] = pfn[k];
		pfn[k] = t;
	}
}

static const struct vmbus_gpadl *gpadl(uint32_t handle, uint32_t n, bool is_shuffled)
{
	uint64_t pfns[RECV_PAGES], first = bed_alloc(&w.bed, n);
	uint32_t i;

	for (i = 0; i < n; i++)
		pfns[i] = first + i;
	if (is_shuffled)
		shuffle(pfns, n);
	return bed_gpadl(&w.bed, handle, pfns, 0, n);
}

static void world_up(uint16_t mtu, bool recv_shuffled, bool send_shuffled)
{
	const struct netvsp_nic_cfg cfg = {.mtu = mtu};
	uint64_t own;
	uint32_t i;

	bed_create(&w.bed, &cfg, NULL, 256);
	w.recv = gpadl(1, RECV_PAGES, recv_shuffled);
	w.send = gpadl(2, SEND_PAGES, send_shuffled);
	own = bed_alloc(&w.bed, OWN_PAGES);
	for (i = 0; i < OWN_PAGES; i++)
		w.own[i] = own + i;
	bed_open(&w.bed, 0);
	bed_ready(&w.bed, w.recv, w.send);
	for (i = 0; i < RECV_PAGES; i++)
		memset(w.recv->page[i], POISON, VMBUS_PAGE_SIZE);
}

/* ---- The guest sends ------------------------------------------------------------------------ */

static void add_ppi(uint32_t type, uint32_t value, uint32_t *len)
{
	const uint32_t ppi[4] = {16, type, 12, value};

	memcpy(w.stream + w.stream_len + sizeof(struct rndis_packet) + *len, ppi, 16);
	*len += 16;
}

/* Appends a message with a random frame of @len bytes to the stream. */
static void add_message(uint32_t len)
{
	struct frame *f = &w.sent[w.nr_sent++];
	struct rndis_packet h = {.hdr = {RNDIS_MSG_PACKET}};
	uint32_t ppis = 0, i, what = prng_below(&w.rng, 8);

	f->len = len;
	f->tci = (uint16_t)prng_next(&w.rng);
	f->is_tagged = what & 1;
	for (i = 0; i < len; i++)
		f->bytes[i] = (uint8_t)(prng_next(&w.rng) >> 32);
	if (f->is_tagged)
		add_ppi(RNDIS_PPI_VLAN, rndis_vlan_from_tci(f->tci), &ppis);
	if (what & 2)
		add_ppi(RNDIS_PPI_HASH, 0x12345678, &ppis);
	if (what & 4)
		add_ppi(RNDIS_PPI_HASH_INFO, 1, &ppis);
	h.ppi_offset = ppis ? sizeof(h) - RNDIS_REL : 0;
	h.ppi_len = ppis;
	h.data_offset = (uint32_t)sizeof(h) - RNDIS_REL + ppis;
	h.data_len = len;
	h.hdr.len = ((uint32_t)sizeof(h) + ppis + len + 7) & ~7u;
	memcpy(w.stream + w.stream_len, &h, sizeof(h));
	memcpy(w.stream + w.stream_len + sizeof(h) + ppis, f->bytes, len);
	w.stream_len += h.hdr.len;
}

/* Puts stream bytes [@at, @at + @n) into a range of pages that are nobody else's. */
static uint32_t put_range(uint8_t *list, uint32_t at, uint32_t n)
{
	struct vmbus_gpa_range r = {n, prng_below(&w.rng, VMBUS_PAGE_SIZE)};
	uint32_t pages = (r.byte_offset + n + VMBUS_PAGE_SIZE - 1) / VMBUS_PAGE_SIZE;
	uint32_t off = r.byte_offset, i, run;

	memcpy(list, &r, sizeof(r));
	cr_assert_leq(w.own_used + pages, OWN_PAGES);
	for (i = 0; i < pages; i++, off = 0) {
		uint64_t pfn = w.own[w.own_used++];

		memcpy(list + sizeof(r) + i * 8, &pfn, 8);
		run = VMBUS_PAGE_SIZE - off < n ? VMBUS_PAGE_SIZE - off : n;
		memcpy(bed_page(&w.bed, pfn) + off, w.stream + at, run);
		at += run;
		n -= run;
	}
	return (uint32_t)sizeof(r) + pages * 8;
}

static void put_section(uint32_t index, uint32_t n)
{
	memcpy(w.send->page[index], w.stream, n);
}

/* The first bytes in a send section or not, the rest in up to 12 ranges, some of them tiny. */
static void send_stream(void)
{
	struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT,
			     .rndis_pkt = {NVSP_CHANNEL_DATA, NVSP_SECTION_NONE, 0}};
	struct vmbus_pkt_desc d = {.type = VMBUS_PKT_INBAND,
				   .flags = VMBUS_PKT_FLAG_COMPLETION_REQUESTED};
	struct vmbus_pkt_gpa_direct h = {0};
	uint8_t list[1024];
	uint32_t at = 0, left, n, len = 0;

	if (prng_below(&w.rng, 2)) {
		at = w.stream_len < NETVSP_SEND_SECTION ? w.stream_len : NETVSP_SEND_SECTION;
		if (prng_below(&w.rng, 2))
			at = 1 + prng_below(&w.rng, at);
		m.rndis_pkt.section_index = prng_below(&w.rng, SEND_PAGES);
		m.rndis_pkt.section_size = at;
		put_section(m.rndis_pkt.section_index, at);
	}
	w.own_used = 0;
	shuffle(w.own, OWN_PAGES);
	len = sizeof(h);
	for (; at < w.stream_len; at += n) {
		left = w.stream_len - at;
		n = prng_below(&w.rng, 2) ? 1 + prng_below(&w.rng, 80)
					  : 1 + prng_below(&w.rng, left);
		n = n > left || h.range_count == 11 ? left : n;
		len += put_range(list + len, at, n);
		h.range_count++;
	}
	memcpy(list, &h, sizeof(h));
	len = h.range_count ? len : 0;
	d.type = len ? VMBUS_PKT_GPA_DIRECT : VMBUS_PKT_INBAND;
	d.offset8 = (uint16_t)((sizeof(d) + len) / 8);
	d.len8 = (uint16_t)(d.offset8 + NVSP_MSG_SIZE / 8);
	cr_assert(bed_send(&w.bed, 0, &d, list, len, &m, sizeof(m)));
}

/* ---- The host turns it round ---------------------------------------------------------------- */

static void host(void)
{
	uint16_t idx[MSGS_MAX], i;
	uint8_t reason[MSGS_MAX] = {0};

	w.vec.n = 0;
	w.vec.n = netvsp_rx(w.bed.nic, 0, &w.vec);
	cr_assert_eq(w.vec.n, w.nr_sent, "%s", w.bed.nic->chan[0].fault);
	for (i = 0; i < w.vec.n; i++) {
		idx[i] = i;
		cr_assert_eq(w.vec.slot[i].pkt.drop_reason, 0);
	}
	cr_assert_eq(netvsp_tx(w.bed.nic, &w.vec, idx, w.vec.n, reason), w.vec.n);
	netvsp_rx_done(w.bed.nic, 0, &w.vec);
}

/* ---- The guest receives --------------------------------------------------------------------- */

static uint8_t *recv_byte(uint32_t at)
{
	return w.recv->page[at / VMBUS_PAGE_SIZE] + at % VMBUS_PAGE_SIZE;
}

/* Takes [@at, @at + @n) out of the receive buffer and leaves poison. */
static void take_out(uint32_t at, uint8_t *to, uint32_t n)
{
	uint32_t run;

	for (; n; at += run, to += run, n -= run) {
		run = VMBUS_PAGE_SIZE - at % VMBUS_PAGE_SIZE;
		run = run < n ? run : n;
		memcpy(to, recv_byte(at), run);
		memset(recv_byte(at), POISON, run);
	}
}

static void check_range(struct vmbus_xfer_range r)
{
	const struct frame *f = &w.sent[w.nr_back++];
	const uint32_t size = w.bed.nic->st->section_size;
	uint8_t msg[9200];
	struct rndis_frame got;

	cr_assert_leq(w.nr_back, w.nr_sent);
	cr_assert_leq(r.byte_count, size - r.byte_offset % size);
	take_out(r.byte_offset, msg, r.byte_count);
	cr_assert_eq(rndis_parse_packet(msg, r.byte_count, r.byte_count, &got), 0);
	cr_assert_eq(got.data_len, f->len);
	cr_assert_eq(memcmp(msg + got.data_off, f->bytes, f->len), 0, "%u bytes", f->len);
	cr_assert_eq(got.has_vlan, f->is_tagged);
	if (f->is_tagged)
		cr_assert_eq(got.vlan_tci, f->tci);
}

static void give_back(uint64_t id)
{
	const struct vmbus_pkt_desc d = {
		.type = VMBUS_PKT_COMPLETION, .offset8 = 2, .len8 = 7, .trans_id = id};
	const struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT_COMPLETE};

	cr_assert(bed_send(&w.bed, 0, &d, NULL, 0, &m, sizeof(m)));
}

static void guest(void)
{
	uint32_t len, i, nr_done = 0;
	struct vmbus_xfer_range r;
	struct vmbus_pkt_desc d;
	struct vmbus_pkt_xfer x;
	uint8_t pkt[512];

	w.nr_back = 0;
	while ((len = bed_recv(&w.bed, 0, pkt, sizeof(pkt))) > 0) {
		memcpy(&d, pkt, sizeof(d));
		if (d.type == VMBUS_PKT_COMPLETION) {
			nr_done++;
			continue;
		}
		memcpy(&x, pkt + sizeof(d), sizeof(x));
		for (i = 0; i < x.range_count; i++) {
			memcpy(&r, pkt + sizeof(d) + sizeof(x) + i * sizeof(r), sizeof(r));
			check_range(r);
		}
		give_back(d.trans_id);
	}
	cr_assert_eq(nr_done, 1);
	cr_assert_eq(w.nr_back, w.nr_sent);
}

/* The range list of a packet that has more messages than one must fit. */
static void one_packet(uint32_t len, uint32_t max)
{
	uint32_t more = prng_below(&w.rng, MSGS_MAX);

	w.nr_sent = 0;
	w.stream_len = 0;
	add_message(len);
	while (more--)
		add_message(VSW_FRAME_MIN + prng_below(&w.rng, max - VSW_FRAME_MIN + 1));
	send_stream();
	host();
	guest();
}

static void nothing_is_left(void)
{
	uint32_t i, k;

	w.vec.n = 0;
	cr_assert_eq(netvsp_rx(w.bed.nic, 0, &w.vec), 0);
	cr_assert_eq(w.bed.nic->pool.nr, w.bed.nic->st->nr_sections);
	for (i = 0; i < RECV_PAGES; i++) {
		for (k = 0; k < VMBUS_PAGE_SIZE; k++)
			cr_assert_eq(w.recv->page[i][k], POISON, "page %u byte %u", i, k);
	}
}

/* Every size once, or every n-th where STEPS allows no more. */
static void every_size(uint16_t mtu, uint32_t section)
{
	const uint32_t max = mtu + 18u, steps = prng_steps(4 * max);
	uint32_t step = 4 * max / steps + (4 * max % steps != 0), len;
	unsigned int how;

	eal_up();
	prng_init(&w.rng);
	for (how = 0; how < 4; how++) {
		world_up(mtu, how & 1, how & 2);
		cr_assert_eq(w.bed.nic->st->section_size, section);
		for (len = VSW_FRAME_MIN + prng_below(&w.rng, step); len <= max; len += step)
			one_packet(len, max);
		one_packet(max, max);
		nothing_is_left();
		bed_destroy(&w.bed);
	}
}

Test(netvsp_frames, arrive_byte_for_byte_in_sections_of_2048, .timeout = 200)
{
	every_size(1500, 2048);
}

Test(netvsp_frames, arrive_byte_for_byte_in_sections_of_a_page, .timeout = 200)
{
	every_size(3900, 4096);
}

Test(netvsp_frames, arrive_byte_for_byte_in_sections_of_three_pages, .timeout = 200)
{
	every_size(9000, 12288);
}
