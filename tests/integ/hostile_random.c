/* SPDX-License-Identifier: BSD-3-Clause */
/* Random lives: good traffic, mutated packets, and random bytes in every page that guest and switch
 * share, in any order. What becomes of the attacker is left open; all others must not notice. */
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "tests/integ/hostile.h"

#define RING_BYTES (31u * PAGE)

static unsigned int some_queue(struct prng *r)
{
	unsigned int q = prng_below(r, 4);

	return evil.out[q].ctrl ? q : 0;
}

static void good_frame(struct prng *r)
{
	uint32_t len = 60 + prng_below(r, 1400);
	struct pkt p;

	if (prng_below(r, 2))
		pkt_section(&p, 5, rndis_marked(evil.nic.tx + 5 * PAGE, len, -1));
	else
		pkt_gpa(&p, evil.page + 4000, rndis_marked(evil.page + 4000, len, 20),
			NVSP_CHANNEL_DATA);
	if (vmbus_ring_space(&evil.out[0]) >= (int32_t)p.len)
		evil_push(0, p.b, p.len);
}

static void scribble(struct prng *r, uint8_t *at, uint32_t size)
{
	uint32_t off = prng_below(r, size), n = 1 + prng_below(r, 64);

	while (n-- > 0 && off < size)
		at[off++] = (uint8_t)prng_next(r);
}

static void scribble_ring(struct prng *r)
{
	struct vmbus_ring *ring = prng_below(r, 2) ? evil.in : evil.out;

	ring += some_queue(r);
	scribble(r, ring->data, RING_BYTES);
}

static void scribble_ctrl(struct prng *r)
{
	struct vmbus_ring *ring = prng_below(r, 2) ? evil.in : evil.out;
	uint32_t value = (uint32_t)prng_next(r);

	ring += some_queue(r);
	if (prng_below(r, 2))
		value = prng_below(r, RING_BYTES) & ~7u;
	memcpy((uint8_t *)ring->ctrl + 4 * prng_below(r, 17), &value, 4);
}

/* The write index runs ahead over whatever lies there. */
static void jump(struct prng *r)
{
	unsigned int q = some_queue(r);
	struct vmbus_ring *ring = &evil.out[q];

	ring->own = vmbus_ring_wrap(ring, ring->own + 8 * prng_below(r, 512));
	evil_publish(q, ring->own);
}

static void random_packet(struct prng *r)
{
	unsigned int q = some_queue(r);
	struct vmbus_pkt_desc d;
	struct pkt p;
	uint32_t i;

	p.len = 16 + 8 * (1 + prng_below(r, 40));
	for (i = 0; i < p.len; i++)
		p.b[i] = (uint8_t)prng_next(r);
	d = (struct vmbus_pkt_desc){.type = (uint16_t[]){6, 9, 11, 7}[prng_below(r, 4)],
				    .offset8 = (uint16_t)(2 + prng_below(r, 8)),
				    .len8 = (uint16_t)((p.len - 8) / 8),
				    .flags = (uint16_t)prng_below(r, 2),
				    .trans_id = prng_below(r, 300)};
	memcpy(p.b, &d, sizeof(d));
	if (vmbus_ring_space(&evil.out[q]) >= (int32_t)p.len)
		evil_push(q, p.b, p.len);
}

static void random_nvsp(struct prng *r)
{
	static const uint32_t type[] = {1, 100, 101, 103, 104, 106, 125, 129, 133, 107, 108, 128};
	struct nvsp_msg m = {.type = type[prng_below(r, sizeof(type) / sizeof(type[0]))]};
	uint32_t word[3] = {prng_below(r, 3) ? 0x10001 + prng_below(r, 5) : (uint32_t)prng_next(r),
			    prng_below(r, 2) ? NVSP_RECV_BUF_ID : (uint32_t)prng_next(r),
			    (uint32_t)prng_next(r)};
	struct pkt p;

	memcpy((uint8_t *)&m + 4, word, sizeof(word));
	pkt_nvsp(&p, &m);
	if (vmbus_ring_space(&evil.out[0]) >= (int32_t)p.len)
		evil_push(0, p.b, p.len);
}

static void give_some_back(struct prng *r)
{
	unsigned int q = prng_below(r, 8) ? 0 : some_queue(r);

	if (evil.nr_held && prng_below(r, 4))
		evil_give_back(q, evil.held[--evil.nr_held].id);
	else if (prng_below(r, 4) == 0)
		evil_give_back(q, prng_below(r, 300));
}

static void one_step(struct prng *r)
{
	switch (prng_below(r, 24)) {
	case 0: scribble_ring(r); break;
	case 1: scribble_ctrl(r); break;
	case 2: jump(r); break;
	case 3: random_packet(r); break;
	case 4: random_nvsp(r); break;
	case 5: bus_random(r); break;
	case 6: scribble(r, evil.nic.tx, 32 * PAGE); break;
	case 7: scribble(r, evil.nic.rx, 128 * PAGE); break;
	case 8:
	case 9: data_random(r, some_queue(r)); break;
	case 10: give_some_back(r); break;
	case 11: fd_kick(evil.part.bell_fd[1 + prng_below(r, 63)]); break;
	case 12:
	case 13: part_pump(&evil.part); break;
	default: good_frame(r); break;
	}
}

/* Takes what came, as far as it can still be understood. */
static void glance(struct prng *r)
{
	struct vmbus_ring *ring = &evil.in[0];
	int32_t avail = vmbus_ring_avail(ring), total;
	struct vmbus_pkt_desc d;

	while (avail > 0 && prng_below(r, 64)) {
		total = vmbus_ring_peek(ring, (uint32_t)avail, &d);
		if (total < 0)
			return;
		if (d.type == VMBUS_PKT_XFER_PAGES && evil.nr_held < 512)
			evil.held[evil.nr_held++].id = d.trans_id;
		vmbus_ring_skip(ring, (uint32_t)total);
		avail -= total;
	}
	vmbus_ring_publish_read(ring);
}

void attacks_random(struct prng *r, unsigned int lives, unsigned int steps)
{
	const char *why;
	char name[64];
	unsigned int i, k;

	for (i = 0; i < lives; i++) {
		struct prng mine = {prng_next(r)};

		snprintf(name, sizeof(name), "life %u", i);
		attack_begin("random", name, i % 4 ? EVIL_UP : EVIL_QUEUES);
		crowd_noise(i % 3 ? 0 : 60 + prng_below(&mine, 1400), mac_evil);
		for (k = 0; k < steps; k++) {
			one_step(&mine);
			if (k % 8 == 0)
				glance(&mine);
		}
		why = NULL;
		if (evil_is_closed(0, &why) && why)
			evil_must_be_closed(0, " ");
		attack_end(WANT_NOTHING);
	}
}
