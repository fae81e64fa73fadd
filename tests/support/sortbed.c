/* SPDX-License-Identifier: BSD-3-Clause */
/* The sorter on a looped device. */
#include "tests/support/sortbed.h"

#include <stdio.h>
#include <stdlib.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

#include "base/err.h"
#include "vswitch/vswitch.h"

#define DEVICE "net_ring_sort"

#define must(cond)                                                                     \
	do {                                                                           \
		if (!(cond)) {                                                         \
			fprintf(stderr, "%s:%d: %s (%s)\n", __FILE__, __LINE__, #cond, \
				err_text());                                           \
			abort();                                                       \
		}                                                                      \
	} while (0)

static void device_up(struct sort_bed *b)
{
	struct rte_eth_conf conf = {0};

	must(rte_eal_hotplug_add("vdev", DEVICE, "") == 0);
	must(rte_eth_dev_get_port_by_name(DEVICE, &b->dev) == 0);
	must(rte_eth_dev_configure(b->dev, 1, 1, &conf) == 0);
	must(rte_eth_rx_queue_setup(b->dev, 0, 512, SOCKET_ID_ANY, NULL, b->pool) == 0);
	must(rte_eth_tx_queue_setup(b->dev, 0, 512, SOCKET_ID_ANY, NULL) == 0);
	must(rte_eth_dev_start(b->dev) == 0);
}

void sort_bed_up(struct sort_bed *b, uint16_t nr_queues, uint16_t nr_desc)
{
	const struct vsw_cfg cfg = {.nr_lcores = 3, .lcore_id = {1, 2, 3}};
	struct vmq_provider_cfg pc = {.name = "up", .nr_queues = nr_queues, .nr_desc = nr_desc};

	must(vsw_create(&b->sw, &cfg) == 0);
	b->pool = rte_pktmbuf_pool_create("sort", 8191, 0, 0, 2048, SOCKET_ID_ANY);
	must(b->pool);
	device_up(b);
	pc.sw = b->sw;
	pc.dev = b->dev;
	must(vmq_software.create(&b->pv, &pc) == 0);
	must(vmq_software.started(b->pv) == 0);
}

bool sort_bed_down(struct sort_bed *b)
{
	struct rte_mbuf *m[64];
	bool is_whole;
	uint16_t n;

	vmq_software.stopping(b->pv);
	vmq_software.destroy(b->pv);
	while ((n = rte_eth_rx_burst(b->dev, 0, m, 64)))
		rte_pktmbuf_free_bulk(m, n);
	rte_eth_dev_stop(b->dev);
	must(rte_eal_hotplug_remove("vdev", DEVICE) == 0);
	is_whole = rte_mempool_full(b->pool);
	rte_mempool_free(b->pool);
	vsw_destroy(b->sw);
	return is_whole;
}

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void put32(uint8_t *at, uint32_t v)
{
	put16(at, (uint16_t)(v >> 16));
	put16(at + 2, (uint16_t)v);
}

/* @at: the type. */
static void flow_make(uint8_t *at, const struct sort_flow *f)
{
	uint8_t *ip = at + 2, *ports;

	put16(at, f->version == 4 ? 0x0800 : 0x86DD);
	ip[0] = (uint8_t)(f->version << 4 | (f->version == 4 ? 5 + f->options : 0));
	if (f->version == 4) {
		put16(ip + 6, f->piece);
		ip[9] = f->proto;
		put32(ip + 12, f->src);
		put32(ip + 16, f->dst);
		ports = ip + 20 + f->options * 4;
	} else {
		ip[6] = f->proto;
		put32(ip + 20, f->src);
		put32(ip + 36, f->dst);
		ports = ip + 40;
	}
	put16(ports, f->ports[0]);
	put16(ports + 2, f->ports[1]);
}

static uint16_t bytes_make(uint8_t *at, const struct sort_frame *f)
{
	const uint16_t len = f->len ? f->len : 60;

	memset(at, 0, 2048);
	memcpy(at, &f->mac, 6);
	memcpy(at + 6, "\x02\0\0\0\0\xEE\x08\0", 8);
	if (f->tag == SORT_IN_BAND) {
		memcpy(at + 12, "\x81\0", 2);
		at[14] = (uint8_t)(f->tci >> 8);
		at[15] = (uint8_t)f->tci;
		memcpy(at + 16, "\x08\0", 2);
	}
	if (f->flow.version)
		flow_make(at + (f->tag == SORT_IN_BAND ? 16 : 12), &f->flow);
	if (len >= 18 + sizeof(f->seq))
		memcpy(at + len - sizeof(f->seq), &f->seq, sizeof(f->seq));
	return len;
}

struct rte_mbuf *sort_frame_make(const struct sort_bed *b, const struct sort_frame *f)
{
	struct rte_mbuf *head = rte_pktmbuf_alloc(b->pool), *m = head;
	uint8_t bytes[2048];
	uint16_t len = bytes_make(bytes, f), piece = f->piece ? f->piece : len, at = 0, n;

	must(head);
	do {
		n = RTE_MIN(piece, len - at);
		if (at) {
			m = rte_pktmbuf_alloc(b->pool);
			must(m && rte_pktmbuf_chain(head, m) == 0);
		}
		memcpy(rte_pktmbuf_mtod(m, uint8_t *), bytes + at, n);
		m->data_len = n;
		head->pkt_len += n;
		at += n;
	} while (at < len);
	if (f->tag == SORT_STRIPPED) {
		head->ol_flags = RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
		head->vlan_tci = f->tci;
	}
	return head;
}

uint32_t sort_frame_seq(const struct rte_mbuf *m)
{
	uint32_t seq, copy;

	memcpy(&seq, rte_pktmbuf_read(m, m->pkt_len - sizeof(seq), sizeof(seq), &copy),
	       sizeof(seq));
	return seq;
}

void sort_send(const struct sort_bed *b, const struct sort_frame *f)
{
	struct rte_mbuf *m = sort_frame_make(b, f);

	must(rte_eth_tx_burst(b->dev, 0, &m, 1) == 1);
}

struct vmq_filter sort_filter(uint64_t mac, enum vmq_vlan_test test, uint16_t vlan)
{
	struct vmq_filter f = {.vlan_test = (uint8_t)test, .vlan = vlan};

	memcpy(f.mac, &mac, 6);
	return f;
}
