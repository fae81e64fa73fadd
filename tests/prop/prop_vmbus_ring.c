/* SPDX-License-Identifier: BSD-3-Clause */
/* Rings against a naive model: a ring of bytes written one at a time, and a queue of the packets
 * that were put. Contiguous and shuffled pages, and the wrap at each place. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/prng.h"
#include "vmbus/ring.h"

#define PAGES	 5u /* control page and data */
#define SIZE	 ((PAGES - 1) * 4096u)
#define BODY_MAX 3000u

struct packet {
	uint64_t id;
	uint32_t len;
	uint8_t body[BODY_MAX];
};

struct model {
	uint8_t bytes[SIZE]; /* what the data area must hold */
	uint32_t w;
	struct packet *queue; /* a ring */
	uint32_t head, tail;
};

#define QUEUE 1024u

static _Alignas(4096) uint8_t mem[PAGES][4096];
static uint8_t *page[PAGES];
static struct model m;
static struct vmbus_ring wr, rd;

static void start(bool is_shuffled, uint32_t index)
{
	static const uint8_t order[PAGES] = {3, 1, 4, 0, 2};
	struct vmbus_ring_ctrl *c;
	uint32_t i;

	memset(mem, 0, sizeof(mem));
	for (i = 0; i < PAGES; i++)
		page[i] = mem[is_shuffled ? order[i] : i];
	c = (void *)page[0];
	c->read_index = c->write_index = index;
	vmbus_ring_init_pages(&wr, page, PAGES, index);
	vmbus_ring_init_pages(&rd, page, PAGES, index);
	cr_assert_eq(rd.data == NULL, is_shuffled);
	free(m.queue);
	memset(&m, 0, sizeof(m));
	m.queue = calloc(QUEUE, sizeof(*m.queue));
	m.w = index;
}

static void model_byte(uint8_t b)
{
	m.bytes[m.w] = b;
	m.w = (m.w + 1) % SIZE;
}

static void model_bytes(const void *v, uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++)
		model_byte(((const uint8_t *)v)[i]);
}

static void model_put(const struct vmbus_pkt_desc *d, const struct packet *p)
{
	uint32_t began = m.w, zero = 0, pad;

	model_bytes(d, sizeof(*d));
	model_bytes(p->body, p->len);
	for (pad = p->len; pad % 8; pad++)
		model_byte(0);
	model_bytes(&zero, 4);
	model_bytes(&began, 4);
	m.queue[m.tail++ % QUEUE] = *p;
}

/* Fills the ring by packets of random length until the next does not fit. */
static void produce(struct prng *rng, uint32_t max_body)
{
	struct packet p;
	uint32_t i;

	for (;;) {
		struct vmbus_pkt_desc d = {.type = VMBUS_PKT_INBAND, .offset8 = 2};

		p.len = prng_below(rng, max_body + 1);
		p.id = prng_next(rng);
		for (i = 0; i < p.len; i++)
			p.body[i] = (uint8_t)prng_next(rng);
		d.len8 = (uint16_t)((16 + p.len + 7) / 8);
		d.trans_id = p.id;
		if (vmbus_ring_space(&wr) < (int32_t)vmbus_ring_need(0, p.len) ||
		    m.tail - m.head == QUEUE || prng_below(rng, 8) == 0)
			break;
		cr_assert_eq(vmbus_ring_put(&wr, &d, NULL, 0, p.body, p.len),
			     vmbus_ring_need(0, p.len));
		model_put(&d, &p);
	}
	vmbus_ring_publish_write(&wr);
}

static void check_bytes(void)
{
	uint32_t i;

	for (i = 0; i < SIZE; i++)
		cr_assert_eq(page[1 + i / 4096][i % 4096], m.bytes[i], "byte %u", i);
	cr_assert_eq(wr.own, m.w);
}

static void consume(struct prng *rng)
{
	int32_t avail = vmbus_ring_avail(&rd), n;
	struct vmbus_pkt_desc d;
	uint8_t body[BODY_MAX];

	cr_assert_geq(avail, 0);
	while (avail && prng_below(rng, 16)) {
		const struct packet *want = &m.queue[m.head++ % QUEUE];

		cr_assert_neq(m.head - 1, m.tail, "a packet that nobody put");
		n = vmbus_ring_peek(&rd, (uint32_t)avail, &d);
		cr_assert_eq(n, (int32_t)vmbus_ring_need(0, want->len));
		cr_assert_eq(d.trans_id, want->id);
		vmbus_ring_read(&rd, vmbus_ring_wrap(&rd, rd.own + 16), body, want->len);
		cr_assert(memcmp(body, want->body, want->len) == 0);
		vmbus_ring_skip(&rd, (uint32_t)n);
		avail -= n;
	}
	cr_assert(avail || m.head == m.tail, "nothing is left behind");
	vmbus_ring_publish_read(&rd);
}

static void run(bool is_shuffled)
{
	unsigned int i, steps = prng_steps(2000);
	struct prng rng;

	prng_init(&rng);
	start(is_shuffled, prng_below(&rng, SIZE / 8) * 8);
	for (i = 0; i < steps; i++) {
		produce(&rng, i % 3 ? 200 : BODY_MAX);
		if (i % 16 == 0)
			check_bytes();
		consume(&rng);
	}
}

Test(prop_vmbus_ring, contiguous_pages_behave_like_a_ring_of_bytes)
{
	run(false);
}

Test(prop_vmbus_ring, shuffled_pages_behave_like_a_ring_of_bytes)
{
	run(true);
}

/* Each packet size at each distance from the end. */
Test(prop_vmbus_ring, every_size_wraps_at_every_place)
{
	struct packet p = {.id = 5};
	uint32_t i, at, shuffled;

	for (i = 0; i < BODY_MAX; i++)
		p.body[i] = (uint8_t)(i * 7 + 1);
	for (shuffled = 0; shuffled < 2; shuffled++) {
		start(shuffled, 0);
		for (p.len = 0; p.len <= 72; p.len++) {
			struct vmbus_pkt_desc d = {
				.type = 6, .offset8 = 2, .len8 = (uint16_t)((23 + p.len) / 8)};
			uint8_t got[BODY_MAX];

			for (at = SIZE - 112; at < SIZE; at += 8) {
				memset(m.bytes, 0, sizeof(m.bytes));
				memset(mem, 0, sizeof(mem));
				vmbus_ring_init_pages(&wr, page, PAGES, at);
				m.w = at;
				m.head = m.tail = 0;
				vmbus_ring_put(&wr, &d, NULL, 0, p.body, p.len);
				model_put(&d, &p);
				cr_assert_eq(wr.own, m.w);
				vmbus_ring_read(&wr, vmbus_ring_wrap(&wr, at + 16), got, p.len);
				cr_assert(memcmp(got, p.body, p.len) == 0);
				for (i = 0; i < 120; i++)
					cr_assert_eq(page[1 + (at + i) % SIZE / 4096]
							 [(at + i) % SIZE % 4096],
						     m.bytes[(at + i) % SIZE]);
			}
		}
	}
}
