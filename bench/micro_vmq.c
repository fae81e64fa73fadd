/* SPDX-License-Identifier: BSD-3-Clause */
/* What receiving from an uplink costs with 1, 4, 16 and 64 adapters, all of whose guests are plain memory, on one
 * thread: `micro_vmq plain` by the learning switch, `micro_vmq steered` by queues that we sort in software.
 * The uplink is a ring; frames of 60 bytes for all adapters lie in it in random order. One line of JSON for
 * each case: TSC cycles a packet from the ring to the guest's ring, best and median of the slices.
 *
 * Instructions a packet: valgrind --tool=callgrind --toggle-collect=host micro_vmq HOW PORTS BURST, by the number of
 * packets that it prints then.
 *
 * Side by side: ./dev bench pair "build/bench/micro_vmq plain" "build/bench/micro_vmq steered" */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "base/err.h"
#include "bench/micro.h"
#include "bench/talker.h"
#include "tests/support/eal.h"
#include "vmq/vmq.h"
#include "vswitch/priv.h"
#include "vswitch/uplink.h"

#define PORTS_MOST 64u
#define SLICES	   21
#define ROUNDS	   200
#define ROUNDS_VG  20 /* each is one count */
#define RECV_PAGES 256u
#define SOURCES	   4u
#define LEN	   60u
#define BURST_MOST 480u /* fits the ring of the device */

static struct bed bed[PORTS_MOST];
static struct vsw_uplink *up;
static struct vmq *vmq;
static struct rte_mempool *pool;
static uint32_t seed;

static void guest_up(unsigned int i)
{
	struct netvsp_nic_cfg cfg = {.mtu = 1500, .mac = {2, 0, 0, 0, 1, (uint8_t)i}};
	struct bed *b = &bed[i];

	snprintf(cfg.name, sizeof(cfg.name), "p%u", i);
	if (i == 0)
		bed_create(b, &cfg, NULL, RECV_PAGES + 128);
	else
		bed_create_beside(b, &cfg, &bed[0], RECV_PAGES + 128);
	bed_gpadl(b, 1, NULL, bed_alloc(b, RECV_PAGES), RECV_PAGES);
	bed_open(b, 0);
	bed_ready(b, b->gpadl[0], NULL);
}

static void uplink_up(bool is_steered)
{
	struct vmq_cfg qc = {.name = "up", .sw = bed[0].sw, .provider = VMQ_PROVIDER_SOFTWARE};
	struct vsw_uplink_cfg uc = {.name = "up", .devargs = "net_ring0"};

	if (is_steered) {
		micro_must(vmq_create(&vmq, &qc) == 0);
		uc.steer = vmq_steer(vmq);
	}
	micro_must(vsw_uplink_create(&up, bed[0].sw, &uc) == 0);
	if (is_steered)
		vmq_attach(vmq, up);
}

static void queues_up(unsigned int nr)
{
	const struct vmq_port_cfg cfg = {.lcore = VMQ_CPU_ANY, .node = VMQ_NODE_ANY};

	for (unsigned int i = 0; vmq && i < nr; i++)
		micro_must(vmq_port_add(vmq, bed[i].nic->port, &cfg) == 0);
}

/* To the adapter's own address, which its configuration has. */
static void frames_come(unsigned int nr_ports, uint16_t n)
{
	struct rte_mbuf *m[BURST_MOST];

	micro_must(rte_pktmbuf_alloc_bulk(pool, m, n) == 0);
	for (uint16_t i = 0; i < n; i++) {
		uint8_t *at = rte_pktmbuf_mtod(m[i], uint8_t *);
		const struct bed *to = &bed[micro_draw(&seed) % nr_ports];

		m[i]->data_len = LEN;
		m[i]->pkt_len = LEN;
		memcpy(at, to->nic->cfg.mac, 6);
		memcpy(at + 6, "\x0a\0\0\0\0", 5);
		at[11] = (uint8_t)(micro_draw(&seed) % SOURCES);
		at[12] = 0x88;
		at[13] = 0xb5;
	}
	micro_must(rte_eth_tx_burst(vsw_uplink_dev(up), 0, m, n) == n);
}

/* Until nothing is left. */
static void drain(struct vsw *sw, uint64_t now)
{
	while (vsw_lcore_poll(sw->lcore[0], sw->snap, now))
		;
}

static __attribute__((noinline)) uint64_t host(struct vsw *sw)
{
	uint64_t from = rte_rdtsc();

	drain(sw, from);
	return rte_rdtsc() - from;
}

static void guests_read(unsigned int nr_ports)
{
	for (unsigned int k = 0; k < nr_ports; k++)
		talker_reads(&bed[k]);
	drain(bed[0].sw, rte_rdtsc()); /* sections come back */
}

/* Sources are learned. */
static void warm(unsigned int nr_ports, uint16_t burst)
{
	for (unsigned int i = 0; i < 20; i++) {
		frames_come(nr_ports, burst);
		drain(bed[0].sw, rte_rdtsc());
		vsw_event_process(bed[0].sw);
		guests_read(nr_ports);
	}
}

static double slice(unsigned int nr_ports, uint16_t burst, unsigned int rounds)
{
	uint64_t spent = 0;

	for (unsigned int i = 0; i < rounds; i++) {
		frames_come(nr_ports, burst);
		spent += host(bed[0].sw);
		guests_read(nr_ports);
	}
	return (double)spent / rounds / burst;
}

static void run(const char *how, unsigned int nr_ports, uint16_t burst)
{
	double t[SLICES];

	seed = 1;
	warm(nr_ports, burst);
	for (unsigned int i = 0; i < SLICES; i++)
		t[i] = slice(nr_ports, burst, ROUNDS);
	micro_sort(t, SLICES);
	printf("{\"bench\":\"micro_vmq\",\"unit\":\"tsc_per_packet\",\"how\":\"%s\",\"ports\":%u,"
	       "\"burst\":%u,\"best\":%.1f,\"median\":%.1f}\n",
	       how, nr_ports, burst, t[0], t[SLICES / 2]);
	fflush(stdout);
}

/* For a tool that counts: little, and all of it is counted. */
static int count(unsigned int nr_ports, uint16_t burst)
{
	warm(nr_ports, burst);
	slice(nr_ports, burst, ROUNDS_VG);
	printf("%u packets\n", ROUNDS_VG * burst);
	return 0;
}

int main(int argc, char **argv)
{
	static const unsigned int ports[] = {1, 4, 16, 64};
	bool is_steered = argc > 1 && !strcmp(argv[1], "steered");
	unsigned int up_to = 0;

	if ((argc != 2 && argc != 4) || (!is_steered && strcmp(argv[1], "plain") != 0)) {
		fprintf(stderr, "use: micro_vmq plain|steered [PORTS BURST]\n");
		return 2;
	}
	eal_up();
	for (unsigned int i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		for (; up_to < ports[i]; up_to++)
			guest_up(up_to);
		if (!pool) {
			pool = rte_pktmbuf_pool_create("wire", 4095, 256, 0, 512, SOCKET_ID_ANY);
			micro_must(pool != NULL);
			uplink_up(is_steered);
		}
		queues_up(ports[i]);
		if (argc == 4 && (unsigned int)atoi(argv[2]) == ports[i])
			return count(ports[i], (uint16_t)atoi(argv[3]));
		if (argc == 4)
			continue;
		run(argv[1], ports[i], 32);
		run(argv[1], ports[i], 480);
	}
	return 0;
}
