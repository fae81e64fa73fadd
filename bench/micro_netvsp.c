/* SPDX-License-Identifier: BSD-3-Clause */
/* What an adapter costs by itself: a guest on plain memory sends, netvsp_rx() takes, netvsp_tx() gives
 * back to the same guest, all on one thread. One line of JSON for each case: TSC cycles a packet of the
 * host's part, best and median of the slices.
 *
 * Instructions a packet: ./dev bench insn netvsp */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "bench/count.h"
#include "bench/micro.h"
#include "bench/talker.h"
#include "tests/support/eal.h"

#define RECV_PAGES 2048u

struct kind {
	const char *name;
	struct talk talk;
	uint32_t segments;
};

static const struct kind kinds[] = {
	{"small", {60, 32, 2, TALK_NO_PPI, 0, 0}, 1},
	{"one", {60, 1, 32, TALK_NO_PPI, 0, 0}, 1},
	{"full", {1514, 1, 16, TALK_NO_PPI, 0, 0}, 1},
	{"vlan", {60, 32, 2, RNDIS_PPI_VLAN, 0x50, 0}, 1},
	{"csum", {1514, 1, 16, RNDIS_PPI_CSUM, RNDIS_CSUM_IPV4 | RNDIS_CSUM_TCP, 0}, 1},
	{"lso", {62694, 1, 1, RNDIS_PPI_LSO, RNDIS_LSO_V2 | 1460, 0}, 43},
};

static struct bed bed;
static struct vsw_vec vec;
static struct talker guest = {.bed = &bed};

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

/* Packets that passed; *@spent grows by the cycles of the host's part. */
static uint64_t rounds(const void *kind, unsigned int nr, uint64_t *spent)
{
	const struct kind *k = kind;
	uint64_t t, n = 0;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		talker_sends(&guest);
		t = rte_rdtsc();
		n += host();
		*spent += rte_rdtsc() - t;
		talker_reads(&bed);
		host(); /* sections come back */
	}
	if (n != (uint64_t)nr * k->talk.pkts * k->talk.nr * k->segments)
		abort();
	return n;
}

static void prepare(const void *kind)
{
	const struct kind *k = kind;
	static const uint8_t dst[6] = {2, 0, 0, 0, 0, 1}, src[6] = {2, 0, 0, 0, 0, 2};

	talker_prepare(&guest, &k->talk, dst, src);
}

static void say(const void *kind, double best, double median)
{
	const struct kind *k = kind;

	printf("{\"bench\":\"micro_netvsp\",\"unit\":\"tsc_per_packet\",\"case\":\"%s\",\"size\":%u,"
	       "\"best\":%.1f,\"median\":%.1f}\n",
	       k->name, k->talk.len, best, median);
}

static void bed_up(void)
{
	const struct netvsp_nic_cfg cfg = {.mtu = 1500};

	bed_create(&bed, &cfg, NULL, RECV_PAGES + 128);
	bed_gpadl(&bed, 1, NULL, bed_alloc(&bed, RECV_PAGES), RECV_PAGES);
	guest.first_pfn = bed_alloc(&bed, 20);
	bed_open(&bed, 0);
	bed_ready(&bed, bed.gpadl[0], NULL);
}

static void nothing(const void *kind)
{
}

int main(int argc, char **argv)
{
	static const struct count_ops ops = {prepare, rounds, say, nothing};

	eal_up();
	bed_up();
	count_or_time(argc, argv, &ops, kinds, sizeof(kinds) / sizeof(kinds[0]), sizeof(kinds[0]));
	bed_destroy(&bed);
	return 0;
}
