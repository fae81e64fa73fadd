/* SPDX-License-Identifier: BSD-3-Clause */
/* The vsp thread, the disks' threads, a guest on a thread of its own and ctl, which opens, closes,
 * re-targets and asks for status meanwhile. A plain program: prints what was done, exits 1 when a
 * request is lost. */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <nethv/abi/storvsc.h>

#include "base/fd.h"
#include "base/gmem.h"
#include "tests/support/scratch.h"
#include "tests/tsan/tsan.h"
#include "vmbus/ring.h"
#include "vmbus/vsp/vsp.h"

#define ROUNDS	 20
#define REQUESTS 200u
#define PAGES	 16u /* of each ring */
#define BASE	 0x100000ull

static _Alignas(4096) uint8_t ram[128][4096];
static const struct vmbus_local_ops *chan_ops;
static void *chan_ctx;
static int bell = -1, irq = -1;
static struct vmbus_ring out, in;

static int offer(void *ctx, const struct vmbus_local_cfg *cfg, const struct vmbus_local_ops *o,
		 void *chan)
{
	chan_ops = o;
	chan_ctx = chan;
	return 1;
}

static void rescind(void *ctx, uint32_t relid)
{
	chan_ops->close(chan_ctx);
}

static void fault(void *ctx, uint32_t relid, const char *why)
{
	fprintf(stderr, "%s\n", why);
	check(!"a fault");
}

static int doorbell_fd(void *ctx, uint32_t relid)
{
	return bell;
}

static void raise_irq(void *ctx, uint32_t vp, uint32_t relid)
{
	fd_kick(irq);
}

static uint64_t ref_time(void *ctx)
{
	return 0;
}

static const struct vsp_ops ops = {offer, rescind, fault, doorbell_fd, raise_irq, ref_time};

/* ---- The guest ------------------------------------------------------------------------------ */

static void put(uint64_t id, const struct vstor_packet *p, uint32_t len, uint32_t page)
{
	struct {
		struct vmbus_pkt_gpa_direct head;
		struct vmbus_gpa_range range;
		uint64_t pfn;
	} r = {{0, 1}, {len, 0}, (BASE >> 12) + page};
	uint32_t hdr = len ? sizeof(r) : 0;
	struct vmbus_pkt_desc d = {.type = len ? VMBUS_PKT_GPA_DIRECT : VMBUS_PKT_INBAND,
				   .offset8 = (uint16_t)((sizeof(d) + hdr) / 8),
				   .len8 = (uint16_t)((sizeof(d) + hdr + sizeof(*p)) / 8),
				   .flags = 1,
				   .trans_id = id};

	while (vmbus_ring_space(&out) < (int32_t)vmbus_ring_need(hdr, sizeof(*p)))
		sched_yield();
	vmbus_ring_put(&out, &d, len ? &r : NULL, hdr, p, sizeof(*p));
	if (vmbus_ring_publish_write(&out))
		fd_kick(bell);
}

/* The id of the request that was completed. */
static uint64_t take(void)
{
	struct pollfd p = {.fd = irq, .events = POLLIN};
	struct vmbus_pkt_desc d;
	int32_t n;

	while (!(n = vmbus_ring_avail(&in))) {
		check(poll(&p, 1, 60000) == 1);
		fd_drain(irq);
	}
	n = vmbus_ring_peek(&in, (uint32_t)n, &d);
	check(n > 0);
	vmbus_ring_skip(&in, (uint32_t)n);
	if (vmbus_ring_publish_read(&in))
		fd_kick(bell);
	return d.trans_id;
}

static void say(uint32_t op, uint16_t version)
{
	struct vstor_packet p = {.operation = op, .flags = 1, .version = {version, 0}};

	put(1, &p, 0, 0);
	take();
}

/* Up to 16 requests at a time, each with a page and blocks of its own; some are left unanswered. */
static void *guest(void *arg)
{
	struct vstor_packet p = {.operation = VSTOR_EXECUTE_SRB, .flags = 1};
	uint32_t busy = 0;

	say(VSTOR_BEGIN_INITIALIZATION, 0);
	say(VSTOR_QUERY_PROTOCOL_VERSION, VSTOR_V6_2);
	say(VSTOR_QUERY_PROPERTIES, 0);
	say(VSTOR_END_INITIALIZATION, 0);
	for (uint32_t i = 0; i < REQUESTS; i++) {
		uint32_t slot = (uint32_t)__builtin_ctz(~busy);
		uint8_t cdb[10] = {i % 3 ? 0x28 : 0x2A, [5] = (uint8_t)(slot * 8), [8] = 8};

		p.srb.cdb_length = sizeof(cdb);
		p.srb.sense_info_length = 20;
		p.srb.data_transfer_length = 4096;
		memcpy(p.srb.cdb, cdb, sizeof(cdb));
		put(slot, &p, 4096, 64 + slot);
		busy |= 1u << slot;
		if (busy == 0xFFFF)
			busy &= ~(1u << take());
	}
	return NULL;
}

/* ---- ctl ------------------------------------------------------------------------------------ */

static void life(struct vsp *v)
{
	static struct vsp_status st;
	uint8_t *page[2 * PAGES];
	struct vmbus_local_open o = {
		.relid = 1, .split = PAGES, .nr_pages = 2 * PAGES, .page = page};
	pthread_t t;

	for (uint32_t i = 0; i < 2 * PAGES; i++) {
		page[i] = ram[i * 5 % (2 * PAGES)];
		memset(page[i], 0, 4096);
	}
	vmbus_ring_init_pages(&out, page, PAGES, 0);
	vmbus_ring_init_pages(&in, page + PAGES, PAGES, 0);
	check(!chan_ops->open(chan_ctx, &o));
	t = start(guest, NULL);
	for (uint32_t i = 0; i < 20; i++) {
		vsp_status(v, &st);
		chan_ops->retarget(chan_ctx, i % 2);
	}
	pthread_join(t, NULL);
	chan_ops->close(chan_ctx);
	memset(ram, 0x55, sizeof(ram)); /* races with whatever still touches it */
}

int main(void)
{
	char path[SCRATCH_PATH];
	struct vsp_disk_cfg disk = {path, false};
	struct gmem gm = {0};
	struct vsp_cfg cfg = {.name = "vm/tsan", .id = "tsan", .gm = &gm, .disk = &disk};
	struct vsp *v;
	int fd = scratch_file(path, "tsan");

	check(!ftruncate(fd, 1 << 20));
	close(fd);
	cfg.nr_disks = 1;
	bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	irq = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	check(!gmem_add(&gm, gpa(BASE), sizeof(ram), ram));
	check(!vsp_create(&v, &cfg, &ops, NULL));
	for (int i = 0; i < ROUNDS; i++)
		life(v);
	vsp_destroy(v);
	unlink(path);
	close(bell);
	close(irq);
	printf("%d lives of a channel, %u requests each\n", ROUNDS, REQUESTS);
	return 0;
}
