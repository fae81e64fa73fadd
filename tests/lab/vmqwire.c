/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/lab/vmqwire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "base/err.h"
#include "vswitch/steer.h"

#define ETHERTYPE     0x88b5 /* for experiments */
#define ETHERTYPE_TAG 0x8100
#define MAGIC	      0x6e76716du
#define DESC	      256u
#define PATIENCE_S    30

static int sock = -1;

void wire_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("not ok vmq_diff - ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	fflush(stdout);
	exit(1);
}

/* ---- Frames ----------------------------------------------------------------------------------- */

static uint8_t filler(uint32_t number, uint32_t at)
{
	return (uint8_t)(number * 7 + at);
}

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void frame_make(uint8_t *b, const struct wire_frame *f)
{
	uint32_t at = 12, i;

	memcpy(b, f->dmac, 6);
	memcpy(b + 6, "\x02\xee\0\0\0\1", 6);
	if (f->tci >= 0) {
		put16(b + 12, ETHERTYPE_TAG);
		put16(b + 14, (uint16_t)f->tci);
		at = 16;
	}
	put16(b + at, ETHERTYPE);
	memcpy(b + at + 2, &(uint32_t){MAGIC}, 4);
	memcpy(b + at + 6, &f->number, 4);
	put16(b + at + 10, (uint16_t)(f->len - at));
	for (i = at + 12; i < f->len; i++)
		b[i] = filler(f->number, i - at);
}

/* Its number, or -1: not ours. Whole, or the process ends. */
static int64_t frame_read(const struct rte_mbuf *m)
{
	const uint8_t *b = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t magic, number, len, at = 12, i;

	if (m->nb_segs != 1 || m->data_len < 60)
		return -1;
	if (b[12] == ETHERTYPE_TAG >> 8 && b[13] == 0)
		at = 16;
	memcpy(&magic, b + at + 2, 4);
	if (b[at] != ETHERTYPE >> 8 || b[at + 1] != (ETHERTYPE & 0xff) || magic != MAGIC)
		return -1;
	memcpy(&number, b + at + 6, 4);
	len = (uint32_t)(b[at + 10] << 8 | b[at + 11]);
	if (at + len > m->data_len)
		wire_die("frame %u is %u bytes long, not %u", number, m->data_len, at + len);
	for (i = 12; i < len; i++)
		if (b[at + i] != filler(number, i))
			wire_die("frame %u is another at byte %u", number, at + i);
	return number;
}

/* ---- The wire ----------------------------------------------------------------------------------- */

/* Without a queueing discipline, which would put some frames before others. */
void wire_open(const char *iface)
{
	const int bypass = 1;
	struct sockaddr_ll to = {.sll_family = AF_PACKET};

	to.sll_ifindex = (int)if_nametoindex(iface);
	sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (sock < 0 || !to.sll_ifindex || bind(sock, (struct sockaddr *)&to, sizeof(to)) ||
	    setsockopt(sock, SOL_PACKET, PACKET_QDISC_BYPASS, &bypass, sizeof(bypass)))
		wire_die("%s: %s", iface, strerror(errno));
}

void wire_send(const struct wire_frame *f, uint32_t nr)
{
	static uint8_t bytes[WIRE_FRAMES][1518];
	struct mmsghdr msg[WIRE_FRAMES] = {0};
	struct iovec iov[WIRE_FRAMES];
	int rc;

	for (uint32_t i = 0; i < nr; i++) {
		frame_make(bytes[i], &f[i]);
		iov[i] = (struct iovec){bytes[i], f[i].len};
		msg[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	for (uint32_t sent = 0; sent < nr; sent += (uint32_t)rc) {
		rc = sendmmsg(sock, msg + sent, nr - sent, 0);
		if (rc < 0 && errno != ENOBUFS)
			wire_die("sending: %s", strerror(errno));
		rc = rc < 0 ? 0 : rc;
	}
}

/* ---- What sorts --------------------------------------------------------------------------------- */

static void must(int rc, const char *what)
{
	if (rc < 0)
		wire_die("%s: %d %s", what, rc, err_text());
}

static void wait_link(const struct wire_side *s)
{
	struct rte_eth_link link = {0};

	for (int i = 0; i < 300 && !link.link_status; i++) {
		usleep(100000);
		rte_eth_link_get_nowait(s->dev, &link);
	}
	if (!link.link_status)
		wire_die("%s: no link", s->name);
}

/* In the order of the switch's uplinks. */
void wire_side_up(struct wire_side *s, struct vsw *sw, const char *bdf)
{
	struct vmq_provider_cfg cfg = {
		.name = s->name, .sw = sw, .nr_queues = WIRE_QUEUES, .nr_desc = DESC};
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	struct rte_mempool *pool;
	int n;

	must(rte_eth_dev_get_port_by_name(bdf, &s->dev), bdf);
	must(rte_eth_dev_info_get(s->dev, &info), bdf);
	must(s->ops->probe(s->dev, &info), "probe");
	cfg.dev = s->dev;
	must(s->ops->create(&s->pv, &cfg), "create");
	n = s->ops->configure(s->pv, &info, &conf);
	must(n, "configure");
	must(rte_eth_dev_configure(s->dev, (uint16_t)n, 1, &conf), "rte_eth_dev_configure");
	pool = rte_pktmbuf_pool_create(s->name, 8191, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM,
				       SOCKET_ID_ANY);
	if (!pool)
		wire_die("%s: no memory", s->name);
	for (uint16_t q = 0; q < n; q++)
		must(rte_eth_rx_queue_setup(s->dev, q, DESC, SOCKET_ID_ANY, NULL, pool), "queue");
	must(rte_eth_tx_queue_setup(s->dev, 0, DESC, SOCKET_ID_ANY, NULL), "queue");
	must(rte_eth_dev_start(s->dev), "rte_eth_dev_start");
	must(rte_eth_promiscuous_enable(s->dev), "promiscuous");
	must(rte_eth_allmulticast_enable(s->dev), "all groups");
	must(s->ops->started(s->pv), "started");
	must(vmq_nic_create(&s->nic, WIRE_QUEUES, s->ops, s->pv), "vmq_nic_create");
	wait_link(s);
}

void wire_side_down(struct wire_side *s)
{
	vmq_nic_destroy(s->nic);
	s->ops->stopping(s->pv);
	must(rte_eth_dev_stop(s->dev), "rte_eth_dev_stop");
	must(rte_eth_dev_close(s->dev), "rte_eth_dev_close");
	s->ops->destroy(s->pv);
}

/* How many came; whether @sentinel was among them. */
static uint16_t poll_queue(struct wire_side *s, uint16_t q, uint32_t sentinel, bool *is_there)
{
	struct rte_mbuf *m[32];
	struct vsw_steered st = {.q = q};
	uint16_t n = s->ops->rx(s->pv, q, m, 32, &st);

	for (uint16_t i = 0; i < n; i++) {
		int64_t number = frame_read(m[i]);

		s->frames++;
		if (number < 0)
			s->strange++;
		else if (s->nr[q] == WIRE_FRAMES)
			wire_die("%s: queue %u has more frames than were sent", s->name, q);
		else
			s->got[q][s->nr[q]++] = (uint32_t)number;
		*is_there |= number == sentinel;
	}
	rte_pktmbuf_free_bulk(m, n);
	return n;
}

/* What came before the sentinel is in its queue when the sentinel is. */
bool wire_take(struct wire_side *s, uint32_t sentinel)
{
	time_t end = time(NULL) + PATIENCE_S;
	bool is_there = false;

	memset(s->nr, 0, sizeof(s->nr));
	while (!is_there) {
		for (uint16_t q = 0; q < WIRE_QUEUES; q++)
			poll_queue(s, q, sentinel, &is_there);
		if (!is_there && time(NULL) > end)
			return false;
	}
	for (uint16_t q = 0; q < WIRE_QUEUES; q++)
		while (poll_queue(s, q, sentinel, &is_there))
			;
	return true;
}
