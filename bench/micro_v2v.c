/* SPDX-License-Identifier: BSD-3-Clause */
/* What a frame from partition to partition costs the host: guests on plain memory send in turn, an lcore on the
 * same thread takes their bursts off the ring, switches them and puts them into the receive buffer and the ring
 * of the next guest. The way is the one of production: access VLAN, spoof guard, state that outlives a restart.
 * One line of JSON for each case: TSC cycles a packet of vsw_lcore_poll() alone, best and median of the slices.
 *
 * What the number of partitions and of addresses costs: `guests64` and `macs100k` beside `agg32`, which has two
 * guests and one address each.
 *
 * Instructions a packet: ./dev bench insn v2v */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "base/err.h"
#include "bench/count.h"
#include "bench/micro.h"
#include "bench/talker.h"
#include "tests/support/eal.h"
#include "vswitch/priv.h"

#define GUESTS_MOST  64u
#define RECV_PAGES   128u
#define OWN_PAGES    64u
#define MACS_MOST    100000u
#define FDB_SIZE     131072u
#define LEARNED_ONCE 256u /* what an lcore may report before ctl looks */
#define VLAN	     100u
#define LEN	     60u

struct kind {
	const char *name;
	struct talk talk;
	unsigned int guests; /* they send in turn, each to the next one */
	unsigned int macs;   /* of the receiver, in random order; then only the first guest sends */
};

static const struct kind kinds[] = {
	{"agg32", {LEN, 32, 1, TALK_NO_PPI, 0, 1}, 2, 1},
	{"agg64", {LEN, 32, 2, TALK_NO_PPI, 0, 1}, 2, 1},
	{"fwd32", {LEN, 32, 1, TALK_NO_PPI, 0, 1, true}, 2, 1},
	{"fwd64", {LEN, 32, 2, TALK_NO_PPI, 0, 1, true}, 2, 1},
	{"one32", {LEN, 1, 32, TALK_NO_PPI, 0, 1}, 2, 1},
	{"one64", {LEN, 1, 64, TALK_NO_PPI, 0, 1}, 2, 1},
	{"guests64", {LEN, 32, 1, TALK_NO_PPI, 0, 1}, 64, 1},
	{"macs100k", {LEN, 32, 1, TALK_NO_PPI, 0, 1}, 2, MACS_MOST},
};

static struct bed bed[GUESTS_MOST];
static struct talker guest[GUESTS_MOST];
static struct vsw *sw;
static uint32_t seed, turn;

/* ---- A switch and its guests ---------------------------------------------------------------- */

static void guest_up(const struct kind *k, unsigned int i)
{
	struct netvsp_nic_cfg cfg = {.mtu = 1500, .mac = {2, 0, 0, 0, 1, (uint8_t)i}, .pvid = VLAN};
	const uint32_t pages = RECV_PAGES + OWN_PAGES + 2 * BED_CHANS * BED_RING_PAGES;
	struct bed *b = &bed[i];

	cfg.allow_spoofing = i == 1 && k->macs > 1; /* it stands for a bridge */
	snprintf(cfg.name, sizeof(cfg.name), "p%u", i);
	if (i == 0)
		bed_create(b, &cfg, sw, pages);
	else
		bed_create_beside(b, &cfg, &bed[0], pages);
	bed_gpadl(b, 1, NULL, bed_alloc(b, RECV_PAGES), RECV_PAGES);
	bed_open(b, 0);
	bed_ready(b, b->gpadl[0], NULL);
	guest[i] = (struct talker){.bed = b, .first_pfn = bed_alloc(b, OWN_PAGES)};
}

static const uint8_t *mac_of(unsigned int i)
{
	return bed[i].nic->cfg.mac;
}

static void mac_write(uint8_t *at, uint32_t i)
{
	memcpy(at, "\x06\0\0", 3);
	at[3] = (uint8_t)(i >> 16);
	at[4] = (uint8_t)(i >> 8);
	at[5] = (uint8_t)i;
}

/* As if each had sent a frame. */
static void macs_learn(unsigned int nr)
{
	struct vsw_lcore *lc = sw->lcore[0];
	struct vsw_fdb_stats st;
	uint8_t mac[6];
	uint32_t i;

	for (i = 0; i < nr; i++) {
		mac_write(mac, i);
		if (i % LEARNED_ONCE == 0) {
			vsw_event_process(sw);
			lc->learn_budget = LEARNED_ONCE;
		}
		vsw_learn_source(lc, bed[1].nic->port, vsw_mac_num(mac), VLAN);
	}
	vsw_event_process(sw);
	vsw_fdb_stats_get(sw, &st);
	micro_must(st.learned == nr);
}

static void world_up(const void *kind)
{
	const struct kind *k = kind;
	const struct vsw_cfg cfg = {.nr_lcores = 1, .lcore_id = {1}, .fdb_size = FDB_SIZE};
	unsigned int i;

	micro_must(vsw_create(&sw, &cfg) == 0);
	for (i = 0; i < k->guests; i++)
		guest_up(k, i);
	for (i = 0; i < k->guests; i++)
		talker_prepare(&guest[i], &k->talk, mac_of((i + 1) % k->guests), mac_of(i));
	vsw_lcore_poll(sw->lcore[0], sw->snap, rte_rdtsc());
	if (k->macs > 1)
		macs_learn(k->macs);
	seed = turn = 0;
}

static void all_arrived(void)
{
	struct vsw_totals all;

	vsw_totals_get(sw, &all);
	micro_must(all.in == all.out && all.drops == 0 && all.copies == 0);
}

static void world_down(const void *kind)
{
	const struct kind *k = kind;
	unsigned int i;

	all_arrived();
	for (i = k->guests; i > 0; i--)
		bed_destroy(&bed[i - 1]);
	vsw_destroy(sw);
}

/* ---- Rounds --------------------------------------------------------------------------------- */

/* The next guest's burst lies in its ring. Returns who receives it. */
static unsigned int burst_comes(const struct kind *k)
{
	const unsigned int from = k->macs > 1 ? 0 : turn++ % k->guests;
	uint32_t i;

	for (i = 0; k->macs > 1 && i < k->talk.nr * k->talk.pkts; i++)
		mac_write(talker_frame(&guest[from], i), micro_draw(&seed) % k->macs);
	talker_sends(&guest[from]);
	talker_reads(&bed[from]); /* completions of the turn before */
	return (from + 1) % k->guests;
}

/* Returns the packets that passed; *@spent grows by the cycles of the host's part. */
static uint64_t rounds(const void *kind, unsigned int nr, uint64_t *spent)
{
	const struct kind *k = kind;
	uint64_t t, n = 0;
	unsigned int i, to;

	for (i = 0; i < nr; i++) {
		to = burst_comes(k);
		t = rte_rdtsc();
		n += vsw_lcore_poll(sw->lcore[0], sw->snap, count_moment ? count_moment : t);
		*spent += rte_rdtsc() - t;
		talker_reads(&bed[to]);
	}
	micro_must(n == (uint64_t)nr * k->talk.nr * k->talk.pkts);
	return n;
}

static void say(const void *kind, double best, double median)
{
	const struct kind *k = kind;

	printf("{\"bench\":\"micro_v2v\",\"unit\":\"tsc_per_packet\",\"case\":\"%s\",\"size\":%u,\"burst\":%u,"
	       "\"guests\":%u,\"macs\":%u,\"best\":%.1f,\"median\":%.1f}\n",
	       k->name, LEN, k->talk.nr * k->talk.pkts, k->guests, k->macs, best, median);
}

int main(int argc, char **argv)
{
	static const struct count_ops ops = {world_up, rounds, say, world_down};

	eal_up();
	count_or_time(argc, argv, &ops, kinds, sizeof(kinds) / sizeof(kinds[0]), sizeof(kinds[0]));
	return 0;
}
