/* SPDX-License-Identifier: BSD-3-Clause */
/* What an adapter costs by itself: a guest on plain memory sends, netvsp_rx() takes, netvsp_tx() gives
 * back to the same guest, all on one thread. One line of JSON for each case: TSC cycles a packet of the
 * host's part, best and median of the slices.
 *
 * For instruction counts: valgrind --tool=callgrind --toggle-collect='host' micro_netvsp CASE */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "tests/support/eal.h"
#include "tests/support/nvspbed.h"

#define SLICES	   21
#define RECV_PAGES 2048u

struct kind {
	const char *name;
	uint32_t len;	/* of a frame */
	uint32_t nr;	/* messages in one VMBus packet */
	uint32_t pkts;	/* VMBus packets in a burst */
	uint32_t ppi;	/* UINT32_MAX: none */
	uint32_t value; /* of the PPI */
	uint32_t segments;
};

static const struct kind kinds[] = {
	{"small", 60, 32, 2, UINT32_MAX, 0, 1},
	{"full", 1514, 1, 16, UINT32_MAX, 0, 1},
	{"vlan", 60, 32, 2, RNDIS_PPI_VLAN, 0x50, 1},
	{"csum", 1514, 1, 16, RNDIS_PPI_CSUM, RNDIS_CSUM_IPV4 | RNDIS_CSUM_TCP, 1},
	{"lso", 62694, 1, 1, RNDIS_PPI_LSO, RNDIS_LSO_V2 | 1460, 43},
};

static struct bed bed;
static struct vsw_vec vec;
static uint64_t own;

static uint32_t message(uint8_t *at, const struct kind *k)
{
	const uint32_t ppi[4] = {16, k->ppi, 12, k->value}, ppis = k->ppi == UINT32_MAX ? 0 : 16;
	struct rndis_packet h = {.hdr = {RNDIS_MSG_PACKET}};
	uint8_t *f = at + sizeof(h) + ppis;

	h.ppi_len = ppis;
	h.ppi_offset = ppis ? sizeof(h) - RNDIS_REL : 0;
	h.data_offset = (uint32_t)sizeof(h) - RNDIS_REL + ppis;
	h.data_len = k->len;
	h.hdr.len = (uint32_t)sizeof(h) + ppis + ((k->len + 7) & ~7u);
	memcpy(at, &h, sizeof(h));
	memcpy(at + sizeof(h), ppi, ppis);
	memset(f, 0, k->len);
	memcpy(f, "\2\0\0\0\0\1\2\0\0\0\0\2\x08\0\x45\0", 16);
	f[16] = (uint8_t)((k->len - 14) >> 8);
	f[17] = (uint8_t)(k->len - 14);
	f[23] = 6;
	f[46] = 0x50;
	return h.hdr.len;
}

/* The guest's frames, written once: each packet names the same ones. */
static uint32_t prepare(const struct kind *k)
{
	uint8_t *at = bed_page(&bed, own);
	uint32_t i, n = 0;

	for (i = 0; i < k->nr; i++)
		n += message(at + n, k);
	return n;
}

static void guest_sends(uint32_t bytes, uint64_t id)
{
	const uint32_t pages = (bytes + VMBUS_PAGE_SIZE - 1) / VMBUS_PAGE_SIZE;
	const struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT,
				   .rndis_pkt = {NVSP_CHANNEL_DATA, NVSP_SECTION_NONE, 0}};
	struct {
		struct vmbus_pkt_gpa_direct h;
		struct vmbus_gpa_range r;
		uint64_t pfn[32];
	} list = {{0, 1}, {bytes, 0}, {0}};
	const uint32_t len = 16 + pages * 8;
	const struct vmbus_pkt_desc d = {.type = VMBUS_PKT_GPA_DIRECT,
					 .offset8 = (uint16_t)((sizeof(d) + len) / 8),
					 .len8 = (uint16_t)((sizeof(d) + len + sizeof(m)) / 8),
					 .flags = VMBUS_PKT_FLAG_COMPLETION_REQUESTED,
					 .trans_id = id};
	uint32_t i;

	for (i = 0; i < pages; i++)
		list.pfn[i] = own + i;
	if (!bed_send(&bed, 0, &d, &list, len, &m, sizeof(m)))
		abort();
}

static void guest_reads(void)
{
	struct vmbus_pkt_desc d = {.type = VMBUS_PKT_COMPLETION, .offset8 = 2, .len8 = 7}, got;
	const struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT_COMPLETE};
	uint8_t pkt[512];

	while (bed_recv(&bed, 0, pkt, sizeof(pkt))) {
		memcpy(&got, pkt, sizeof(got));
		if (got.type != VMBUS_PKT_XFER_PAGES)
			continue;
		d.trans_id = got.trans_id;
		if (!bed_send(&bed, 0, &d, NULL, 0, &m, sizeof(m)))
			abort();
	}
}

static __attribute__((noinline)) uint32_t host(void)
{
	static uint16_t idx[VSW_VEC_SIZE];
	uint8_t reason[VSW_VEC_SIZE] = {0};
	uint16_t i, sent;

	vec.n = 0;
	vec.n = netvsp_rx(bed.nic, 0, &vec);
	if (vec.n == 0)
		return 0;
	for (i = 0; i < vec.n; i++) {
		idx[i] = i;
		if (vec.slot[i].pkt.drop_reason)
			abort();
	}
	sent = netvsp_tx(bed.nic, &vec, idx, vec.n, reason);
	sent += (uint16_t)vec.cut.sent;
	vec.cut.sent = 0;
	netvsp_rx_done(bed.nic, 0, &vec);
	return sent;
}

/* Cycles of the host's part, a packet. */
static double slice(const struct kind *k, uint32_t bytes, unsigned int rounds)
{
	uint64_t t, spent = 0, n = 0;
	unsigned int i, p;

	for (i = 0; i < rounds; i++) {
		for (p = 0; p < k->pkts; p++)
			guest_sends(bytes, p);
		t = rte_rdtsc();
		n += host();
		spent += rte_rdtsc() - t;
		guest_reads();
		host(); /* sections come back */
	}
	if (n != (uint64_t)rounds * k->pkts * k->nr * k->segments)
		abort();
	return (double)spent / (double)n;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void run(const struct kind *k, unsigned int rounds)
{
	uint32_t bytes = prepare(k);
	double t[SLICES];
	unsigned int i;

	for (i = 0; i < SLICES; i++)
		t[i] = slice(k, bytes, rounds);
	qsort(t, SLICES, sizeof(t[0]), by_value);
	printf("{\"bench\":\"micro_netvsp\",\"unit\":\"tsc_per_packet\",\"case\":\"%s\",\"size\":%u,"
	       "\"best\":%.1f,\"median\":%.1f}\n",
	       k->name, k->len, t[0], t[SLICES / 2]);
}

int main(int argc, char **argv)
{
	const struct netvsp_nic_cfg cfg = {.mtu = 1500};
	unsigned int i;

	eal_up();
	bed_create(&bed, &cfg, NULL, RECV_PAGES + 128);
	bed_gpadl(&bed, 1, NULL, bed_alloc(&bed, RECV_PAGES), RECV_PAGES);
	own = bed_alloc(&bed, 20);
	bed_open(&bed, 0);
	bed_ready(&bed, bed.gpadl[0], NULL);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (argc < 2 || strcmp(argv[1], kinds[i].name) == 0)
			run(&kinds[i], argc < 2 ? 2000 : 20);
	}
	bed_destroy(&bed);
	return 0;
}
