/* SPDX-License-Identifier: BSD-3-Clause */
/* Both ends of a channel, a thread each: either produces and consumes, arms, looks again and sleeps on
 * a real eventfd, for packets and for room. No packet is lost or torn, and nobody sleeps for ever. */
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/support/prng.h"
#include "tests/tsan/tsan.h"
#include "vmbus/ring.h"

#define DATA	  VMBUS_PAGE_SIZE /* small, so that it is full often */
#define BODY_MAX  1500u
#define LOST_MS	  20000 /* a wake-up that does not come in this time was lost */
#define NEED_MOST (BODY_MAX + 64u)

struct ring_mem {
	_Alignas(4096) uint8_t ctrl[VMBUS_PAGE_SIZE];
	uint8_t data[DATA];
};

struct end {
	struct vmbus_ring in, out;
	int wake, peer;
	uint64_t seed;
	uint32_t total, sent, got, sleeps;
};

static struct ring_mem mem[2];

static uint32_t body_len(uint32_t seq)
{
	return 8 + seq * 2654435761u % (BODY_MAX - 8);
}

static bool send_one(struct end *e)
{
	uint32_t len = body_len(e->sent), padded = (len + 7) & ~7u;
	const struct vmbus_pkt_desc d = {.type = VMBUS_PKT_INBAND,
					 .offset8 = 2,
					 .len8 = (uint16_t)(2 + padded / 8),
					 .trans_id = e->sent};
	uint8_t body[BODY_MAX];
	int32_t space = vmbus_ring_space(&e->out);

	check(space >= 0);
	if (e->sent == e->total || space < (int32_t)vmbus_ring_need(0, len))
		return false;
	memset(body, (int)e->sent, len);
	vmbus_ring_put(&e->out, &d, NULL, 0, body, len);
	e->sent++;
	return true;
}

static bool take_one(struct end *e)
{
	int32_t avail = vmbus_ring_avail(&e->in), total;
	uint8_t body[BODY_MAX];
	struct vmbus_pkt_desc d;
	uint32_t len = body_len(e->got), i;

	check(avail >= 0);
	if (avail == 0)
		return false;
	total = vmbus_ring_peek(&e->in, (uint32_t)avail, &d);
	check(total == (int32_t)vmbus_ring_need(0, len));
	check(d.trans_id == e->got);
	vmbus_ring_read(&e->in, vmbus_ring_wrap(&e->in, e->in.own + 16), body, len);
	for (i = 0; i < len; i++)
		check(body[i] == (uint8_t)e->got);
	vmbus_ring_skip(&e->in, (uint32_t)total);
	e->got++;
	return true;
}

/* Returns true when something was done. */
static bool turn(struct end *e, uint32_t burst)
{
	uint32_t n, m;

	for (n = 0; n < burst && send_one(e); n++)
		;
	if (n && vmbus_ring_publish_write(&e->out))
		fd_kick(e->peer);
	for (m = 0; m < burst && take_one(e); m++)
		;
	if (m && vmbus_ring_publish_read(&e->in))
		fd_kick(e->peer);
	return n || m;
}

static bool has_room(struct end *e)
{
	return e->sent < e->total && vmbus_ring_space(&e->out) > (int32_t)NEED_MOST;
}

/* Arms both ways, looks again, sleeps. */
static void nap(struct end *e)
{
	struct pollfd p = {.fd = e->wake, .events = POLLIN};
	bool work;

	if (e->sent < e->total)
		__atomic_store_n(&e->out.ctrl->pending_send_sz, NEED_MOST, __ATOMIC_RELAXED);
	work = vmbus_ring_arm(&e->in); /* its fence orders pending_send_sz, too */
	if (!work && !has_room(e)) {
		check(poll(&p, 1, LOST_MS) == 1);
		e->sleeps++;
	}
	fd_drain(e->wake);
	vmbus_ring_disarm(&e->in);
	__atomic_store_n(&e->out.ctrl->pending_send_sz, 0, __ATOMIC_RELAXED);
}

static void *run(void *arg)
{
	struct end *e = arg;
	struct prng p = {e->seed};

	while (e->sent < e->total || e->got < e->total) {
		if (!turn(e, 1 + prng_below(&p, 8)))
			nap(e);
		if (prng_below(&p, 64) == 0)
			usleep(prng_below(&p, 50));
	}
	return NULL;
}

int main(void)
{
	struct end e[2];
	pthread_t t[2];
	unsigned int i, total = prng_steps(200000);
	struct prng p;

	prng_init(&p);
	memset(e, 0, sizeof(e));
	for (i = 0; i < 2; i++) {
		vmbus_ring_init(&e[i].out, mem[i].ctrl, mem[i].data, DATA, 0);
		vmbus_ring_init(&e[i].in, mem[!i].ctrl, mem[!i].data, DATA, 0);
		e[i].wake = eventfd(0, EFD_NONBLOCK);
		e[i].total = total;
		e[i].seed = prng_next(&p);
	}
	e[0].peer = e[1].wake;
	e[1].peer = e[0].wake;
	for (i = 0; i < 2; i++)
		t[i] = start(run, &e[i]);
	for (i = 0; i < 2; i++)
		check(pthread_join(t[i], NULL) == 0);
	printf("%u packets each way, slept %u and %u times\n", total, e[0].sleeps, e[1].sleeps);
	check(e[0].sleeps + e[1].sleeps > 0);
	return 0;
}
