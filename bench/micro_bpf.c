/* SPDX-License-Identifier: BSD-3-Clause */
/* What an eBPF extension costs: bursts of UDP packets that lie ready go through its ingress(), and nothing
 * else is done. One line of JSON for each case: TSC cycles a packet, best and median of the slices. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "base/err.h"
#include <bpf_objects.h>
#include "bench/micro.h"
#include "tests/support/eal.h"
#include "tests/support/fakeexthost.h"

#define SLICES 31
#define BURSTS 10000

static struct fakeexthost host;

static void add_packets(uint16_t n, uint16_t dst_port)
{
	uint8_t frame[64] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45};
	uint16_t i;

	frame[17] = 50;
	frame[22] = 64;
	frame[23] = 17;
	frame[36] = dst_port >> 8;
	frame[37] = (uint8_t)dst_port;
	for (i = 0; i < n; i++) {
		frame[29] = (uint8_t)i; /* source address */
		fakeexthost_add(&host, frame, sizeof(frame), 0);
	}
}

static void measure(const char *what, uint16_t burst)
{
	double t[SLICES];
	unsigned int i, k;
	uint64_t start;

	for (i = 0; i < SLICES; i++) {
		start = rte_rdtsc();
		for (k = 0; k < BURSTS; k++)
			fakeexthost_ingress(&host, 0);
		t[i] = (double)(rte_rdtsc() - start) / BURSTS / burst;
	}
	micro_sort(t, SLICES);
	printf("{\"bench\":\"micro_bpf\",\"unit\":\"tsc_per_packet\",\"size\":64,\"burst\":%u,"
	       "\"program\":\"%s\",\"best\":%.1f,\"median\":%.1f}\n",
	       burst, what, t[0], t[SLICES / 2]);
}

static void run(const char *name, const char *what, uint16_t burst, uint16_t dst_port)
{
	struct vsw_ext_code *c;
	char path[512];

	snprintf(path, sizeof(path), "%s/%s.o", BPF_OBJECTS, name);
	if (vsw_bpf_open(&c, path) || fakeexthost_init(&host, c)) {
		fprintf(stderr, "%s\n", host.failed[0] ? host.failed : err_text());
		exit(1);
	}
	add_packets(burst, dst_port);
	measure(what, burst);
	fakeexthost_fini(&host);
	c->close(c);
}

int main(void)
{
	eal_up();
	run("pass", "empty", 64, 53);
	run("pass", "empty", 32, 53);
	run("pass", "empty", 1, 53);
	run("portfilter", "portfilter, open port", 64, 53);
	run("portfilter", "portfilter, open port", 32, 53);
	run("portfilter", "portfilter, closed port", 32, 1900);
	run("capture", "two counters", 32, 53);
	return 0;
}
