/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest that talks: frames written once, named by each packet, and receive sections given back. */
#include "bench/talker.h"

#include <stdlib.h>
#include <string.h>

#define TALK_LIST_MOST 128u /* words */

static uint32_t head_len(const struct talk *k)
{
	return (uint32_t)sizeof(struct rndis_packet) + (k->ppi == TALK_NO_PPI ? 0 : 16);
}

static uint32_t message_len(const struct talk *k)
{
	return head_len(k) + ((k->len + 7) & ~7u);
}

uint8_t *talker_frame(const struct talker *t, uint32_t i)
{
	uint64_t pfn = t->first_pfn + i / t->k->nr * t->k->step;

	return bed_page(t->bed, pfn) + i % t->k->nr * message_len(t->k) + head_len(t->k);
}

/* TCP over IPv4, as far as an adapter looks. */
static void frame_write(uint8_t *f, uint32_t len, const uint8_t *dst, const uint8_t *src)
{
	memset(f, 0, len);
	memcpy(f, dst, 6);
	memcpy(f + 6, src, 6);
	memcpy(f + 12, "\x08\0\x45\0", 4);
	f[16] = (uint8_t)((len - 14) >> 8);
	f[17] = (uint8_t)(len - 14);
	f[23] = 6;
	f[46] = 0x50;
}

static void head_write(uint8_t *at, const struct talk *k)
{
	const uint32_t ppi[4] = {16, k->ppi, 12, k->value};
	const uint32_t ppis = head_len(k) - (uint32_t)sizeof(struct rndis_packet);
	struct rndis_packet h = {.hdr = {RNDIS_MSG_PACKET, message_len(k)}};

	h.ppi_len = ppis;
	h.ppi_offset = ppis ? sizeof(h) - RNDIS_REL : 0;
	h.data_offset = head_len(k) - RNDIS_REL;
	h.data_len = k->len;
	memcpy(at, &h, sizeof(h));
	memcpy(at + sizeof(h), ppi, ppis);
}

void talker_prepare(struct talker *t, const struct talk *k, const uint8_t *dst, const uint8_t *src)
{
	uint32_t i;

	t->k = k;
	t->bytes = k->nr * message_len(k);
	for (i = 0; i < k->nr * k->pkts; i++) {
		head_write(talker_frame(t, i) - head_len(k), k);
		frame_write(talker_frame(t, i), k->len, dst, src);
	}
}

/* The list of a packet with all messages in one range. Its bytes. */
static uint32_t list_whole(const struct talker *t, uint64_t first, uint64_t *w)
{
	const uint32_t pages = (t->bytes + VMBUS_PAGE_SIZE - 1) / VMBUS_PAGE_SIZE;
	uint32_t i;

	w[0] = 1ull << 32;
	w[1] = t->bytes;
	for (i = 0; i < pages; i++)
		w[2 + i] = first + i;
	return (2 + pages) * 8;
}

/* With a range for each. */
static uint32_t list_each(const struct talker *t, uint64_t first, uint64_t *w)
{
	const uint32_t len = message_len(t->k);
	uint32_t i, k, n = 1;

	w[0] = (uint64_t)t->k->nr << 32;
	for (i = 0; i < t->k->nr; i++) {
		const uint32_t at = i * len, off = at % VMBUS_PAGE_SIZE;

		w[n++] = (uint64_t)off << 32 | len;
		for (k = 0; k < (off + len + VMBUS_PAGE_SIZE - 1) / VMBUS_PAGE_SIZE; k++)
			w[n++] = first + at / VMBUS_PAGE_SIZE + k;
	}
	return n * 8;
}

static void packet_send(const struct talker *t, uint32_t p)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT,
				   .rndis_pkt = {NVSP_CHANNEL_DATA, NVSP_SECTION_NONE, 0}};
	uint64_t list[TALK_LIST_MOST];
	const uint32_t len =
		(t->k->has_ranges ? list_each : list_whole)(t, t->first_pfn + p * t->k->step, list);
	const struct vmbus_pkt_desc d = {.type = VMBUS_PKT_GPA_DIRECT,
					 .offset8 = (uint16_t)((sizeof(d) + len) / 8),
					 .len8 = (uint16_t)((sizeof(d) + len + sizeof(m)) / 8),
					 .flags = VMBUS_PKT_FLAG_COMPLETION_REQUESTED,
					 .trans_id = p};

	if (!bed_send(t->bed, 0, &d, list, len, &m, sizeof(m)))
		abort();
}

void talker_sends(const struct talker *t)
{
	uint32_t p;

	for (p = 0; p < t->k->pkts; p++)
		packet_send(t, p);
}

void talker_reads(struct bed *b)
{
	struct vmbus_pkt_desc d = {.type = VMBUS_PKT_COMPLETION, .offset8 = 2, .len8 = 7}, got;
	const struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT_COMPLETE};
	uint8_t pkt[1024];

	while (bed_recv(b, 0, pkt, sizeof(pkt))) {
		memcpy(&got, pkt, sizeof(got));
		if (got.type != VMBUS_PKT_XFER_PAGES)
			continue;
		d.trans_id = got.trans_id;
		if (!bed_send(b, 0, &d, NULL, 0, &m, sizeof(m)))
			abort();
	}
}
