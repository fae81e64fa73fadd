/* SPDX-License-Identifier: BSD-3-Clause */
/* What the pipeline costs by itself: two ports that do nothing but hand over 64-byte frames that lie
 * ready, one lcore on one thread. One line of JSON for each case: TSC cycles a packet, best and median
 * of the slices, with the cost of the two ports taken off.
 *
 * Instructions a packet: ./dev bench insn vswitch */
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_eal.h>

#include "base/err.h"
#include "bench/count.h"
#include "bench/mill.h"
#include "bench/micro.h"
#include "vswitch/priv.h"

#define SLICES	31
#define VECTORS 10000

struct kind {
	const char *name;
	uint16_t burst;
	uint8_t sources, dests; /* addresses in turn; with one source the port is guarded */
	uint16_t vlan;		/* both ports are access ports of it */
};

static const struct kind kinds[] = {
	{"b64", 64, 1, 1, 0},
	{"b32", 32, 1, 1, 0},
	{"b8", 8, 1, 1, 0},
	{"b1", 1, 1, 1, 0},
	{"src2", 64, 2, 1, 0},
	{"src64", 64, 64, 1, 0},
	{"access64", 64, 1, 1, 100},
	{"access32", 32, 1, 1, 100},
	{"access8", 8, 1, 1, 100},
	{"access1", 1, 1, 1, 100},
	{"access-dst64", 64, 1, 64, 100},
};

static struct mill in, out;
static struct vsw *sw;
static uint64_t now; /* all lcores are told while they count: time stands still */

static void ports_make(const struct kind *k, struct vsw_port **a, struct vsw_port **b)
{
	struct vsw_port_cfg ca = {.name = "a", .nr_queues = 1, .mac = {2, 0, 0, 0, 0, 1}};
	struct vsw_port_cfg cb = {.name = "b", .nr_queues = 1, .mac = {2, 0, 0, 0, 0, 2}};
	unsigned int i;

	ca.is_spoof_guarded = k->sources == 1;
	ca.pvid = cb.pvid = k->vlan;
	micro_must(vsw_port_create(a, sw, &ca, &mill_ops, &in) == 0);
	micro_must(vsw_port_create(b, sw, &cb, &mill_ops, &out) == 0);
	micro_must(vsw_port_attach(*a) == 0);
	micro_must(vsw_port_attach(*b) == 0);
	vsw_port_queue_stop(*b, 0);
	mill_fill(&in, ca.mac, cb.mac);
	for (i = 0; i < VSW_VEC_SIZE; i++) {
		in.frame[i][4] = (uint8_t)(i % k->dests);
		in.frame[i][10] = (uint8_t)(i % k->sources);
		in.frame[i][12] = 8;
	}
}

/* Where all addresses are known. */
static void switch_make(const struct kind *k)
{
	struct vsw_cfg cfg = {.nr_lcores = 1, .lcore_id = {1}};
	struct vsw_port *a, *b;
	uint8_t i;

	micro_must(vsw_create(&sw, &cfg) == 0);
	ports_make(k, &a, &b);
	in.n = k->burst;
	vsw_lcore_poll(sw->lcore[0], sw->snap, rte_rdtsc());
	for (i = 0; i < k->dests; i++)
		vsw_learn_source(sw->lcore[0], b, vsw_mac_num(in.frame[i]), k->vlan);
	vsw_event_process(sw);
}

static void switch_free(void)
{
	vsw_port_destroy(sw->port[0]);
	vsw_port_destroy(sw->port[1]);
	vsw_destroy(sw);
}

/* The calls to the ports without the pipeline between them. */
static void ports_only(struct vsw_lcore *lc)
{
	const struct vsw_port_ops *volatile ops = &mill_ops;
	uint16_t idx[VSW_VEC_SIZE] = {0};
	uint8_t reason[VSW_VEC_SIZE];

	ops->rx(&in, 0, &lc->vec);
	ops->tx(&in, &lc->vec, idx, in.n, reason);
	ops->rx_done(&in, 0, &lc->vec);
}

static double slice(bool is_empty)
{
	struct vsw_lcore *lc = sw->lcore[0];
	uint64_t t = rte_rdtsc();
	unsigned int i;

	for (i = 0; i < VECTORS; i++) {
		if (is_empty)
			ports_only(lc);
		else
			vsw_lcore_poll(lc, sw->snap, t);
	}
	return (double)(rte_rdtsc() - t) / VECTORS / in.n;
}

static void measure(bool is_empty, double *best, double *median)
{
	double t[SLICES];
	unsigned int i;

	for (i = 0; i < SLICES; i++)
		t[i] = slice(is_empty);
	micro_sort(t, SLICES);
	*best = t[0];
	*median = t[SLICES / 2];
}

static void run(const struct kind *k)
{
	double best, median, empty_best, empty_median;

	measure(true, &empty_best, &empty_median);
	measure(false, &best, &median);
	printf("{\"bench\":\"micro_vswitch\",\"unit\":\"tsc_per_packet\",\"size\":64,\"burst\":%u,"
	       "\"sources\":%u,",
	       k->burst, k->sources);
	if (k->vlan)
		printf("\"case\":\"%s\",", k->name);
	printf("\"best\":%.1f,\"median\":%.1f,\"ports_median\":%.1f}\n", best - empty_best,
	       median - empty_median, empty_median);
}

static uint64_t count_rounds(void *kind, unsigned int nr)
{
	const struct kind *k = kind;
	unsigned int i;

	for (i = 0; i < nr; i++)
		vsw_lcore_poll(sw->lcore[0], sw->snap, now);
	return (uint64_t)nr * k->burst;
}

static void eal_up(char *name)
{
	char *eal[] = {name, "--no-huge", "--no-pci",	 "--no-shconf", "--no-telemetry",
		       "-m", "128",	  "--log-level", "lib.*:error", "-l",
		       "0",  NULL};

	if (rte_eal_init(11, eal) < 0)
		exit(1);
}

int main(int argc, char **argv)
{
	const bool counts = count_is_asked(argc, argv);
	const struct kind *k;

	eal_up(argv[0]);
	if (counts)
		count_begin();
	for (k = kinds; k < kinds + sizeof(kinds) / sizeof(kinds[0]); k++) {
		if (counts && !count_wants(argc, argv, k->name))
			continue;
		switch_make(k);
		now = rte_rdtsc();
		if (counts)
			count_case(k->name, count_rounds, (void *)k);
		else
			run(k);
		switch_free();
	}
	return 0;
}
