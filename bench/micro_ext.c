/* SPDX-License-Identifier: BSD-3-Clause */
/* What an extension costs: two switches that forward 64-byte frames between ports that do nothing, one
 * without and one with the extension, in slices that alternate. One line of JSON for each case: TSC cycles
 * and nanoseconds a packet that the second one takes more, median of the slices' differences.
 *
 *   micro_ext EXT.so...      each extension by itself, then none against none (the noise) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>

#include "base/err.h"
#include "bench/mill.h"
#include "bench/micro.h"
#include "vswitch/ext/ext.h"
#include "vswitch/priv.h"

#define SLICES	101
#define VECTORS 4000

static void die(void)
{
	fprintf(stderr, "micro_ext: %s\n", err_text());
	exit(1);
}

/* IPv4 and UDP, so that there is something to parse. */
static void fill(struct mill *m, const uint8_t *from, const uint8_t *to)
{
	static const uint8_t ip[] = {8, 0, 0x45, 0, 0, 50, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1};
	uint16_t i;

	mill_fill(m, from, to);
	for (i = 0; i < VSW_VEC_SIZE; i++)
		memcpy(m->frame[i] + 12, ip, sizeof(ip));
}

static struct vsw *switch_make(struct mill *m, const char *ext)
{
	struct vsw_cfg cfg = {.nr_lcores = 1, .lcore_id = {1}};
	struct vsw_port_cfg ca = {.name = "a", .nr_queues = 1, .mac = {2, 0, 0, 0, 0, 1}};
	struct vsw_port_cfg cb = {.name = "b", .mac = {2, 0, 0, 0, 0, 2}};
	struct vsw_ext_cfg ce = {.path = ext};
	struct vsw_port *a, *b;
	struct vsw_ext *e;
	struct vsw *sw;

	ca.is_spoof_guarded = true;
	if (vsw_create(&sw, &cfg) || vsw_port_create(&a, sw, &ca, &mill_ops, m) ||
	    vsw_port_create(&b, sw, &cb, &mill_ops, m) || vsw_port_attach(a) || vsw_port_attach(b))
		die();
	if (ext && vsw_ext_load(&e, sw, &ce))
		die();
	fill(m, ca.mac, cb.mac);
	return sw;
}

static double slice(struct vsw *sw, const struct mill *m)
{
	uint64_t t = rte_rdtsc();
	unsigned int i;

	for (i = 0; i < VECTORS; i++)
		vsw_lcore_poll(sw->lcore[0], sw->snap, t);
	return (double)(rte_rdtsc() - t) / VECTORS / m->n;
}

static void run(const char *name, const char *ext, uint16_t burst)
{
	static struct mill m[2];
	struct vsw *without = switch_make(&m[0], NULL), *with = switch_make(&m[1], ext);
	double base[SLICES], more[SLICES], ns;
	unsigned int i;

	m[0].n = m[1].n = burst;
	slice(without, &m[0]);
	slice(with, &m[1]);
	for (i = 0; i < SLICES; i++) {
		base[i] = slice(without, &m[0]);
		more[i] = slice(with, &m[1]) - base[i];
	}
	micro_sort(base, SLICES);
	micro_sort(more, SLICES);
	ns = more[SLICES / 2] * 1e9 / (double)rte_get_tsc_hz();
	printf("{\"bench\":\"micro_ext\",\"extension\":\"%s\",\"burst\":%u,\"unit\":"
	       "\"tsc_per_packet\",\"without\":%.1f,\"more\":%.2f,\"more_q1\":%.2f,\"more_q3\":%.2f,"
	       "\"more_ns\":%.2f}\n",
	       name, burst, base[SLICES / 2], more[SLICES / 2], more[SLICES / 4],
	       more[3 * SLICES / 4], ns);
	fflush(stdout);
	vsw_destroy(without);
	vsw_destroy(with);
}

int main(int argc, char **argv)
{
	static const uint16_t bursts[] = {1, 8, 32, 64};
	char *eal[] = {argv[0],		 "--no-huge", "--no-pci", "--no-shconf",
		       "--no-telemetry", "-m",	      "128",	  "--log-level",
		       "lib.*:error",	 "-l",	      "0",	  NULL};
	int i;
	size_t k;

	if (rte_eal_init(11, eal) < 0)
		return 1;
	for (k = 0; k < sizeof(bursts) / sizeof(bursts[0]); k++) {
		run("none", NULL, bursts[k]);
		for (i = 1; i < argc; i++) {
			const char *slash = strrchr(argv[i], '/');

			run(slash ? slash + 1 : argv[i], argv[i], bursts[k]);
		}
	}
	return 0;
}
