/* SPDX-License-Identifier: BSD-3-Clause */
/* What the pipeline costs by itself: two ports that do nothing but hand over 64-byte frames that lie
 * ready, one lcore on one thread. One line of JSON for each case: TSC cycles a packet, best and median
 * of the slices, with the cost of the two ports taken off. */
#include <stdio.h>
#include <stdlib.h>

#include <rte_cycles.h>
#include <rte_eal.h>

#include "base/err.h"
#include "bench/mill.h"
#include "vswitch/priv.h"

#define SLICES	31
#define VECTORS 10000

static struct vsw *switch_make(struct mill *in, struct mill *out, unsigned int nr_macs)
{
	struct vsw_cfg cfg = {.nr_lcores = 1, .lcore_id = {1}};
	struct vsw_port_cfg ca = {.name = "a", .nr_queues = 1, .mac = {2, 0, 0, 0, 0, 1}};
	struct vsw_port_cfg cb = {.name = "b", .nr_queues = 1, .mac = {2, 0, 0, 0, 0, 2}};
	struct vsw_port *a, *b;
	struct vsw *sw;
	unsigned int i;

	ca.is_spoof_guarded = nr_macs == 1;
	if (vsw_create(&sw, &cfg) || vsw_port_create(&a, sw, &ca, &mill_ops, in) ||
	    vsw_port_create(&b, sw, &cb, &mill_ops, out) || vsw_port_attach(a) ||
	    vsw_port_attach(b)) {
		fprintf(stderr, "%s\n", err_text());
		exit(1);
	}
	vsw_port_queue_stop(b, 0);
	mill_fill(in, ca.mac, cb.mac);
	for (i = 0; i < VSW_VEC_SIZE; i++) {
		in->frame[i][10] = (uint8_t)(i % nr_macs);
		in->frame[i][12] = 8;
	}
	return sw;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The calls to the ports without the pipeline between them. */
static void ports_only(struct vsw_lcore *lc, struct mill *in)
{
	const struct vsw_port_ops *volatile ops = &mill_ops;
	uint16_t idx[VSW_VEC_SIZE] = {0};
	uint8_t reason[VSW_VEC_SIZE];

	ops->rx(in, 0, &lc->vec);
	ops->tx(in, &lc->vec, idx, in->n, reason);
	ops->rx_done(in, 0, &lc->vec);
}

static double slice(struct vsw *sw, struct mill *in, bool is_empty)
{
	struct vsw_lcore *lc = sw->lcore[0];
	uint64_t t = rte_rdtsc();
	unsigned int i;

	for (i = 0; i < VECTORS; i++) {
		if (is_empty)
			ports_only(lc, in);
		else
			vsw_lcore_poll(lc, sw->snap, t);
	}
	return (double)(rte_rdtsc() - t) / VECTORS / in->n;
}

static void measure(struct vsw *sw, struct mill *in, bool is_empty, double *best, double *median)
{
	double t[SLICES];
	unsigned int i;

	for (i = 0; i < SLICES; i++)
		t[i] = slice(sw, in, is_empty);
	qsort(t, SLICES, sizeof(t[0]), by_value);
	*best = t[0];
	*median = t[SLICES / 2];
}

static void run(uint16_t burst, unsigned int nr_macs)
{
	static struct mill in, out;
	double best, median, empty_best, empty_median;
	struct vsw *sw = switch_make(&in, &out, nr_macs);

	in.n = burst;
	vsw_lcore_poll(sw->lcore[0], sw->snap, rte_rdtsc());
	vsw_event_process(sw);
	measure(sw, &in, true, &empty_best, &empty_median);
	measure(sw, &in, false, &best, &median);
	printf("{\"bench\":\"micro_vswitch\",\"unit\":\"tsc_per_packet\",\"size\":64,\"burst\":%u,"
	       "\"sources\":%u,\"best\":%.1f,\"median\":%.1f,\"ports_median\":%.1f}\n",
	       burst, nr_macs, best - empty_best, median - empty_median, empty_median);
	vsw_port_destroy(sw->port[0]);
	vsw_port_destroy(sw->port[1]);
	vsw_destroy(sw);
}

int main(int argc, char **argv)
{
	char *eal[] = {argv[0],		 "--no-huge", "--no-pci", "--no-shconf",
		       "--no-telemetry", "-m",	      "128",	  "--log-level",
		       "lib.*:error",	 "-l",	      "0",	  NULL};

	if (rte_eal_init(11, eal) < 0)
		return 1;
	run(64, 1);
	run(32, 1);
	run(8, 1);
	run(1, 1);
	run(64, 2);
	run(64, 64);
	return 0;
}
