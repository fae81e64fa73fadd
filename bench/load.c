/* SPDX-License-Identifier: BSD-3-Clause */
/* The load of our guest's application `trial` (guest/apps/trial.h) on two DPDK ports, so that other switches are
 * measured by the same frames, rates and clocks:
 *
 *	load EAL-ARGUMENTS -- MAC0 MAC1 SIZE_MAX [QUEUES [yield]]
 *
 * Ports 0 and 1 are the sides, port 2, if there is one, listens; SIZE_MAX is the longest frame with FCS. QUEUES:
 * receive queues of each, for switches whose threads send by queues of their own. yield: it shares its core, and leaves
 * it whenever there is nothing to do. An order on a line of standard input, one line of JSON for each on standard output
 * when the trial has ended; the end of the input ends it. One thread does all. */
#include <ctype.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "guest/apps/flow.h"
#include "guest/apps/pkt.h"
#include "guest/apps/trial.h"

#define PORTS  3u /* two sides, and one that listens */
#define RING   1024u
#define BUFS   8191u
#define BURST  64u
#define SLACK  64u  /* of a buffer beyond a frame: virtio's header, a tag */
#define PERIOD 200u /* looks at the input a second */
#define QUEUES 16u

struct side {
	uint16_t port;
	struct rte_mempool *pool;
	struct rte_mbuf *rx[TRIAL_BURST];
	uint16_t nr_rx;
	struct rte_mbuf *tx[TRIAL_BURST]; /* what the port had no room for stays, in front */
	uint16_t nr_tx;
};

static struct side side[PORTS];
static struct trial trial;
static uint8_t mac[2][6];
static uint32_t size_max;
static uint16_t nr_rxq = 1;
static bool is_sharing;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "load: %s\n", what);
	exit(2);
}

/* ---- Sides --------------------------------------------------------------------------------- */

static unsigned int side_rx(void *ctx, struct trial_frame *f, unsigned int max)
{
	struct side *s = ctx;
	unsigned int i;
	uint16_t q;

	for (q = 0, s->nr_rx = 0; q < nr_rxq && s->nr_rx < max; q++)
		s->nr_rx +=
			rte_eth_rx_burst(s->port, q, s->rx + s->nr_rx, (uint16_t)(max - s->nr_rx));
	for (i = 0; i < s->nr_rx; i++)
		f[i] = (struct trial_frame){rte_pktmbuf_mtod(s->rx[i], const uint8_t *),
					    rte_pktmbuf_data_len(s->rx[i])};
	return s->nr_rx;
}

static unsigned int side_tx(void *ctx, const uint32_t *len, uint8_t **at, unsigned int n)
{
	struct side *s = ctx;
	struct rte_mbuf **m = s->tx + s->nr_tx;
	unsigned int i;

	n = RTE_MIN(n, (unsigned int)(TRIAL_BURST - s->nr_tx));
	if (n == 0 || rte_pktmbuf_alloc_bulk(s->pool, m, n))
		return 0;
	for (i = 0; i < n; i++) {
		at[i] = rte_pktmbuf_mtod(m[i], uint8_t *);
		m[i]->data_len = (uint16_t)len[i];
		m[i]->pkt_len = len[i];
	}
	s->nr_tx += (uint16_t)n;
	return n;
}

static void side_flush(void *ctx)
{
	struct side *s = ctx;
	uint16_t n;

	if (s->nr_rx)
		rte_pktmbuf_free_bulk(s->rx, s->nr_rx);
	s->nr_rx = 0;
	if (!s->nr_tx)
		return;
	n = rte_eth_tx_burst(s->port, 0, s->tx, s->nr_tx);
	s->nr_tx -= n;
	if (n && s->nr_tx)
		memmove(s->tx, s->tx + n, s->nr_tx * sizeof(s->tx[0]));
}

static const struct trial_ops ops = {side_rx, side_tx, side_flush};

static void side_start(struct side *s, uint16_t port)
{
	struct rte_eth_conf conf = {.rxmode.mtu = size_max - PKT_ETH_HDR - PKT_FCS};
	char name[32];
	uint16_t q;

	s->port = port;
	snprintf(name, sizeof(name), "load%u", port);
	s->pool = rte_pktmbuf_pool_create(
		name, BUFS, 256, 0,
		(uint16_t)(RTE_PKTMBUF_HEADROOM + RTE_ALIGN(size_max + SLACK, 64)), 0);
	if (!s->pool)
		die("no memory for buffers");
	if (rte_eth_dev_configure(port, nr_rxq, 1, &conf)) {
		conf.rxmode.mtu = 0; /* a device that knows no other than its own */
		if (rte_eth_dev_configure(port, nr_rxq, 1, &conf))
			die("a port cannot be configured");
	}
	for (q = 0; q < nr_rxq; q++) {
		if (rte_eth_rx_queue_setup(port, q, RING, 0, NULL, s->pool))
			die("a receive queue cannot be set up");
	}
	if (rte_eth_tx_queue_setup(port, 0, RING, 0, NULL) || rte_eth_dev_start(port))
		die("a port does not start");
	rte_eth_promiscuous_enable(port);
}

/* ---- Orders and results -------------------------------------------------------------------- */

static void say_rows(double ns)
{
	const char *comma = "";
	unsigned int i;

	printf("\"rows\":[");
	for (i = 0; trial.rows.hz && i < ROWS_MAX && trial.rows.row[i].sent; i++) {
		printf("%s[%lu,%lu,%.0f]", comma, trial.rows.row[i].sent,
		       trial.rows.row[i].received, (double)trial.rows.row[i].latency * ns);
		comma = ",";
	}
	printf("],");
}

static void say_histogram(double ns)
{
	const char *comma = "";
	uint64_t upper, n;
	unsigned int i = 0;

	printf("\"histogram\":[");
	while (hist_next(&trial.latency, &i, &upper, &n)) {
		printf("%s[%.0f,%lu]", comma, (double)upper * ns, n);
		comma = ",";
	}
	printf("]}\n");
}

static void say_end(void)
{
	const double ns = 1e9 / (double)rte_get_tsc_hz();
	struct trial_sum s;

	trial_sum(&trial, &s);
	printf("{\"tx_packets\":%lu,\"unsent\":%lu,\"rx_packets\":%lu,\"duplicated\":%lu,\"reordered\":%lu,"
	       "\"corrupted\":%lu,\"strange\":%lu,\"rx_bytes\":%lu,\"lag\":%lu,\"jitter_ns\":%.0f,"
	       "\"send_ns\":%.0f,\"receive_ns\":%.0f,\"gap_ns\":%.0f,\"flooded\":%lu,\"announced\":%u,\"announce_ns\":%.0f,",
	       s.sent, s.unsent, s.received, s.duplicated, s.reordered, s.corrupted, trial.strange,
	       s.bytes, trial.lag, (double)s.jitter * ns,
	       s.sent ? (double)(trial.sent_tsc - trial.start_tsc) * ns : 0,
	       s.received ? (double)(trial.received_tsc - trial.start_tsc) * ns : 0,
	       (double)trial.gap * ns, trial.flooded,
	       trial.way[0].announced + trial.way[1].announced, (double)trial.announce_time * ns);
	say_rows(ns);
	say_histogram(ns);
	fflush(stdout);
}

static void obey(const char *line)
{
	static uint16_t id;
	struct trial_cfg cfg = {.id = ++id, .tsc_hz = rte_get_tsc_hz()};
	const char *why = trial_parse(&cfg, line, size_max);

	memcpy(cfg.mac, mac, sizeof(mac));
	if (why) {
		printf("{\"refused\":\"%s\"}\n", why);
		fflush(stdout);
		return;
	}
	trial_begin(&trial, &cfg, rte_rdtsc());
}

/* A whole line is taken. False: the input has ended. */
static bool look_for_order(void)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
	static char line[512];
	static size_t n;
	ssize_t got;
	char *end;

	if (poll(&p, 1, 0) <= 0)
		return true;
	got = read(STDIN_FILENO, line + n, sizeof(line) - 1 - n);
	if (got <= 0)
		return false;
	n += (size_t)got;
	line[n] = '\0';
	end = strchr(line, '\n');
	if (!end)
		return n < sizeof(line) - 1;
	*end = '\0';
	obey(line);
	n -= (size_t)(end + 1 - line);
	memmove(line, end + 1, n);
	return true;
}

static void work(void)
{
	uint64_t tsc, next = 0, period = rte_get_tsc_hz() / PERIOD;
	bool was_running = false, is_running;

	for (;;) {
		tsc = rte_rdtsc();
		if (!trial_poll(&trial, tsc) && is_sharing)
			sched_yield();
		is_running = trial.state != TRIAL_IDLE && trial.state != TRIAL_DONE;
		if (was_running && !is_running)
			say_end();
		was_running = is_running;
		if (is_running || tsc < next)
			continue;
		next = tsc + period;
		if (!look_for_order())
			return;
		was_running = trial.state != TRIAL_IDLE && trial.state != TRIAL_DONE;
	}
}

static void take_arguments(int argc, char **argv)
{
	if (argc < 4 || argc > 6 || !pkt_parse_mac(argv[1], mac[0]) ||
	    !pkt_parse_mac(argv[2], mac[1]))
		die("use: load EAL-ARGUMENTS -- MAC0 MAC1 SIZE_MAX [QUEUES [yield]]");
	size_max = (uint32_t)atoi(argv[3]);
	if (size_max < 64 || size_max > PROBE_LEN_MAX + PKT_FCS)
		die("SIZE_MAX: 64 to 9022");
	if (argc > 4)
		nr_rxq = (uint16_t)atoi(argv[4]);
	if (nr_rxq < 1 || nr_rxq > QUEUES)
		die("QUEUES: 1 to 16");
	is_sharing = argc > 5 && !strcmp(argv[5], "yield");
	if (argc > 5 && !is_sharing)
		die("the last word is yield, or none");
}

int main(int argc, char **argv)
{
	int n = rte_eal_init(argc, argv);
	unsigned int i, nr_ports;

	if (n < 0)
		return 2;
	take_arguments(argc - n, argv + n);
	nr_ports = rte_eth_dev_count_avail();
	if (nr_ports != 2 && nr_ports != PORTS)
		die("two ports are wanted, or three");
	flow_init();
	for (i = 0; i < nr_ports; i++)
		side_start(&side[i], (uint16_t)i);
	trial_init(&trial, &ops, &side[0], &side[1], nr_ports == PORTS ? &side[2] : NULL);
	printf("{\"ready\":true}\n");
	fflush(stdout);
	work();
	for (i = 0; i < nr_ports; i++)
		rte_eth_dev_close((uint16_t)i);
	rte_eal_cleanup();
	return 0;
}
