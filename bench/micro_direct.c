/* SPDX-License-Identifier: BSD-3-Clause */
/* What a frame from the wire costs the host, by path: a device that puts it into the uplink's buffers (`plain`), into
 * those of its adapter's queue (`copied`), or into a section of the guest's receive buffer (`direct`). The device is
 * none, its driver takes a buffer for each frame from the queue's pool as drivers do, and does not count; the rest is
 * that of production: uplink, vsw_lcore_poll(), pools, a guest on plain memory that gives sections back.
 * One line of JSON for each case: TSC cycles a packet, the driver's among them, best and median of the slices.
 *
 * Instructions a packet: ./dev bench insn direct */
#include <stdio.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "base/err.h"
#include "bench/count.h"
#include "bench/micro.h"
#include "bench/talker.h"
#include "tests/support/eal.h"
#include "vmq/direct.h"
#include "vswitch/priv.h"
#include "vswitch/steer.h"
#include "vswitch/uplink_priv.h"

#define RECV_PAGES 2048u
#define QUEUES	   2u
#define RING	   512u /* descriptors of a queue */
#define DIRECT_Q   1u

enum path { PLAIN, COPIED, DIRECT };

struct kind {
	const char *name;
	enum path path;
	uint32_t len;
	uint16_t burst;
};

static const struct kind kinds[] = {
	{"plain-small32", PLAIN, 60, 32},    {"copied-small32", COPIED, 60, 32},
	{"direct-small1", DIRECT, 60, 1},    {"direct-small32", DIRECT, 60, 32},
	{"direct-small64", DIRECT, 60, 64},  {"plain-full32", PLAIN, 1514, 32},
	{"copied-full32", COPIED, 1514, 32}, {"direct-full32", DIRECT, 1514, 32},
};

/* A receive queue. */
struct mill_q {
	struct rte_mempool *pool;
	uint32_t at, ready; /* next to be received; written and not received */
	struct rte_mbuf *m[RING];
};

static struct bed bed;
static struct vsw *sw;
static struct vsw_uplink *up;
static struct vmq_direct *vd;
static struct mill_q queue[QUEUES];
static uint8_t frame[1514];

/* ---- The device ----------------------------------------------------------------------------- */

/* As drivers do: one by one, and a frame without a new buffer stays. */
static uint16_t mill_rx(void *ctx, uint16_t q, struct rte_mbuf **m, uint16_t n,
			struct vsw_steered *s)
{
	struct mill_q *mq = &queue[q];
	const uint32_t len = *(const uint32_t *)ctx;
	uint16_t i;

	for (i = 0; i < n && mq->ready; i++, mq->ready--) {
		struct rte_mbuf **d = &mq->m[mq->at % RING], *more = rte_mbuf_raw_alloc(mq->pool);

		if (!more)
			break;
		m[i] = *d;
		m[i]->data_off = RTE_PKTMBUF_HEADROOM;
		m[i]->ol_flags = 0;
		m[i]->packet_type = 0;
		m[i]->nb_segs = 1;
		m[i]->data_len = (uint16_t)len;
		m[i]->pkt_len = len;
		*d = more;
		mq->at++;
	}
	s->to = q == DIRECT_Q ? vsw_port_id(bed.nic->port) : VSW_PORT_NONE;
	return i;
}

static void frames_come(const struct kind *k)
{
	struct mill_q *mq = &queue[k->path == PLAIN ? 0 : DIRECT_Q];
	uint32_t i;

	for (i = 0; i < k->burst; i++) {
		const struct rte_mbuf *m = mq->m[(mq->at + i) % RING];

		memcpy((uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM, frame, k->len);
	}
	mq->ready = k->burst;
}

static int configure(void *ctx, uint16_t dev, const struct rte_eth_dev_info *info,
		     struct rte_eth_conf *conf)
{
	return QUEUES;
}

static int map(void *ctx, uint64_t iova, void *at, uint64_t len)
{
	return 0;
}

static int unmap(void *ctx, uint64_t iova, uint64_t len)
{
	return 0;
}

static struct rte_mempool *pool(void *ctx, uint16_t q, uint16_t nr_desc, uint32_t buf_size)
{
	static const struct vmq_iova_ops iova = {map, unmap};
	const struct vmq_direct_cfg c = {.name = "queue",
					 .sw = sw,
					 .nr_bufs = RING + nr_desc + 4 * VSW_VEC_SIZE,
					 .buf_size = VMBUS_PAGE_SIZE,
					 .socket = SOCKET_ID_ANY,
					 .iova = &iova};

	if (q != DIRECT_Q)
		return NULL;
	micro_must(vmq_direct_create(&vd, &c) == 0);
	return vmq_direct_pool(vd);
}

static int started(void *ctx)
{
	return 0;
}

static void stopping(void *ctx)
{
}

static void closed(void *ctx)
{
	vmq_direct_destroy(vd);
}

static const struct vsw_steer_ops device = {
	.configure = configure,
	.pool = pool,
	.started = started,
	.stopping = stopping,
	.closed = closed,
	.rx = mill_rx,
};

/* Descriptors lead to buffers of now. */
static void fill(struct mill_q *mq)
{
	uint32_t i;

	for (i = 0; i < RING; i++) {
		mq->m[i] = rte_mbuf_raw_alloc(mq->pool);
		micro_must(mq->m[i] != NULL);
	}
}

static void empty(struct mill_q *mq)
{
	rte_pktmbuf_free_bulk(mq->m, RING);
}

/* ---- A switch and its guest ----------------------------------------------------------------- */

static void guest_up(void)
{
	const struct netvsp_nic_cfg cfg = {
		.mtu = 1500, .mac = {2, 0, 0, 0, 1, 1}, .may_direct = true};

	bed_create(&bed, &cfg, sw, RECV_PAGES + 2 * BED_CHANS * BED_RING_PAGES);
	bed_gpadl(&bed, 1, NULL, bed_alloc(&bed, RECV_PAGES), RECV_PAGES);
	bed_open(&bed, 0);
	bed_ready(&bed, bed.gpadl[0], NULL);
	netvsp_direct_sync(bed.nic);
	micro_must(vsw_rxbuf_of(bed.nic->port) != NULL);
}

/* From a source that is known at the uplink. */
static void frame_make(void)
{
	memset(frame, 0x5a, sizeof(frame));
	memcpy(frame, bed.nic->cfg.mac, 6);
	memcpy(frame + 6, (uint8_t[8]){0x0a, 0, 0, 0, 0, 9, 0x88, 0xb5}, 8);
	vsw_lcore_poll(sw->lcore[0], sw->snap, rte_rdtsc());
	vsw_learn_source(sw->lcore[0], vsw_uplink_port(up), vsw_mac_num(frame + 6), 0);
	vsw_event_process(sw);
}

static void world_up(const void *kind)
{
	const struct kind *k = kind;
	static struct vsw_steer steer = {.ops = &device, .nr_queues = QUEUES};
	const struct vsw_cfg cfg = {.nr_lcores = 1, .lcore_id = {1}, .fdb_size = 1024};
	const struct vsw_uplink_cfg uc = {.name = "up", .devargs = "net_ring0", .steer = &steer};

	steer.ctx = (void *)&k->len;
	memset(queue, 0, sizeof(queue));
	micro_must(vsw_create(&sw, &cfg) == 0);
	guest_up();
	micro_must(vsw_uplink_create(&up, sw, &uc) == 0);
	micro_must(vsw_port_queue_start(vsw_uplink_port(up), DIRECT_Q) == 0);
	if (k->path == DIRECT)
		micro_must(vmq_direct_begin(vd, vsw_rxbuf_of(bed.nic->port)) == 0);
	queue[0].pool = up->pool;
	queue[DIRECT_Q].pool = vmq_direct_pool(vd);
	fill(&queue[0]);
	fill(&queue[DIRECT_Q]);
	frame_make();
}

static void all_arrived(const struct kind *k)
{
	struct netvsp_nic_status st;
	struct vsw_totals all;

	vsw_totals_get(sw, &all);
	netvsp_nic_status(bed.nic, &st);
	micro_must(all.in == all.out && all.drops == 0);
	micro_must(k->path == DIRECT ? st.copies == 0 : st.direct == 0);
}

static void world_down(const void *kind)
{
	all_arrived(kind);
	empty(&queue[0]);
	empty(&queue[DIRECT_Q]);
	vmq_direct_end(vd);
	vsw_uplink_destroy(up);
	bed_destroy(&bed);
	vsw_destroy(sw);
}

/* ---- Rounds --------------------------------------------------------------------------------- */

/* Returns the packets that passed; *@spent grows by the cycles of the host's part. */
static uint64_t rounds(const void *kind, unsigned int nr, uint64_t *spent)
{
	const struct kind *k = kind;
	uint64_t t, n = 0;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		frames_come(k);
		t = rte_rdtsc();
		n += vsw_lcore_poll(sw->lcore[0], sw->snap, count_moment ? count_moment : t);
		*spent += rte_rdtsc() - t;
		talker_reads(&bed); /* sections come back in the next round */
	}
	micro_must(n == (uint64_t)nr * k->burst);
	return n;
}

static void say(const void *kind, double best, double median)
{
	const struct kind *k = kind;

	printf("{\"bench\":\"micro_direct\",\"unit\":\"tsc_per_packet\",\"case\":\"%s\",\"size\":%u,"
	       "\"burst\":%u,\"best\":%.1f,\"median\":%.1f}\n",
	       k->name, k->len, k->burst, best, median);
}

int main(int argc, char **argv)
{
	static const struct count_ops ops = {world_up, rounds, say, world_down};

	eal_up();
	count_or_time(argc, argv, &ops, kinds, sizeof(kinds) / sizeof(kinds[0]), sizeof(kinds[0]));
	return 0;
}
