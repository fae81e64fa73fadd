/* SPDX-License-Identifier: BSD-3-Clause */
/* A capture that looks at one packet of every N. An lcore may not allocate or print, so it writes the
 * sample into a ring of its own, tells ctl by post(), and ctl keeps the last ones for status(). */
#include <nethv/extension.h>

#include "../text.h"

#define RING	   64u /* samples that may wait; a power of two */
#define KEEP_MAX   32u
#define SAMPLE_MAX 128u

struct sample {
	uint64_t at_ns;
	uint32_t len; /* of the frame; how many bytes of it are here */
	uint16_t src_port, vlan, ether_type, kept;
	uint8_t bytes[SAMPLE_MAX];
};

/* One lcore writes, ctl reads: head is the lcore's, tail is ctl's, and each is published after the
 * sample was written or read. */
struct lane {
	uint64_t seen, lost;
	uint32_t until; /* packets until the next sample */
	uint32_t head;
	uint32_t tail __attribute__((aligned(64)));
	struct sample ring[RING];
};

struct sampler {
	const struct nethv_host *h;
	uint32_t every, snap; /* read by lcores, changed by configure() */
	/* ctl: */
	uint32_t keep;
	uint64_t taken;
	struct sample last[KEEP_MAX]; /* taken % keep is the next to be overwritten */
};

static const struct nethv_key keys[] = {
	{"every", NETHV_KEY_INT, 0, "1000", "one packet of so many is sampled", 1, 1e9},
	{"bytes", NETHV_KEY_INT, 0, "64", "how much of a frame is kept, in bytes", 14, SAMPLE_MAX},
	{"keep", NETHV_KEY_INT, 0, "16", "how many samples status shows", 1, KEEP_MAX},
	{NULL, 0, 0, NULL, NULL, 0, 0},
};

static int configure(void *inst)
{
	struct sampler *s = (struct sampler *)inst;

	__atomic_store_n(&s->every, (uint32_t)s->h->cfg_int(s->h, "every"), __ATOMIC_RELAXED);
	__atomic_store_n(&s->snap, (uint32_t)s->h->cfg_int(s->h, "bytes"), __ATOMIC_RELAXED);
	s->keep = (uint32_t)s->h->cfg_int(s->h, "keep");
	s->taken = 0; /* the old ones lie in another order */
	return 0;
}

static int create(const struct nethv_host *h, void **inst)
{
	struct sampler *s = (struct sampler *)h->alloc(h, sizeof(*s));

	if (!s)
		return h->fail(h, "no memory");
	s->h = h;
	*inst = s;
	return configure(s);
}

/* lcore.  Puts packet @i into the ring, or counts it as lost. */
static void take(struct sampler *s, struct lane *l, struct nethv_burst *b, uint16_t i)
{
	const struct nethv_pkt *p = b->pkt[i];
	struct sample *to = &l->ring[l->head % RING];
	uint32_t snap = __atomic_load_n(&s->snap, __ATOMIC_RELAXED);

	if (l->head - __atomic_load_n(&l->tail, __ATOMIC_ACQUIRE) == RING) {
		l->lost++;
		return;
	}
	to->at_ns = b->now_ns;
	to->len = p->len;
	to->src_port = p->src_port;
	to->vlan = p->vlan;
	to->ether_type = p->ether_type;
	to->kept = (uint16_t)(p->len < snap ? p->len : snap);
	if (nethv_copy(b, i, 0, to->bytes, to->kept) < 0)
		to->kept = 0;
	__atomic_store_n(&l->head, l->head + 1, __ATOMIC_RELEASE);
}

static void ingress(void *inst, struct nethv_burst *b)
{
	struct sampler *s = (struct sampler *)inst;
	struct lane *l = (struct lane *)b->lcore_data;
	uint32_t every = __atomic_load_n(&s->every, __ATOMIC_RELAXED);
	uint32_t before = l->head;
	uint32_t i = l->until < every ? l->until : every - 1; /* of a smaller N from now on */

	for (; i < b->n; i += every)
		take(s, l, b, (uint16_t)i);
	l->until = i - b->n;
	l->seen += b->n;
	/* No room is no harm: tick() comes by. */
	if (l->head != before)
		(void)b->host->post(b, b->lcore);
}

/* ctl.  Moves what waits in an lcore's ring into the list of the last ones. */
static void collect(struct sampler *s, uint16_t lcore)
{
	struct lane *l = (struct lane *)s->h->lcore_data(s->h, lcore);
	uint32_t head = __atomic_load_n(&l->head, __ATOMIC_ACQUIRE);
	uint32_t tail = l->tail;

	for (; tail != head; tail++, s->taken++)
		s->last[s->taken % s->keep] = l->ring[tail % RING];
	__atomic_store_n(&l->tail, tail, __ATOMIC_RELEASE);
}

static void notify(void *inst, uint64_t arg)
{
	collect((struct sampler *)inst, (uint16_t)arg);
}

static void tick(void *inst)
{
	struct sampler *s = (struct sampler *)inst;

	for (uint16_t lc = 0; lc < s->h->nr_lcores; lc++)
		collect(s, lc);
}

static int status(void *inst, char *json, size_t size)
{
	struct sampler *s = (struct sampler *)inst;
	uint64_t n = s->taken < s->keep ? s->taken : s->keep;
	unsigned long long seen = 0, lost = 0;
	int at = 0;

	for (uint16_t lc = 0; lc < s->h->nr_lcores; lc++) {
		const struct lane *l = (const struct lane *)s->h->lcore_data(s->h, lc);

		seen += l->seen;
		lost += l->lost;
	}
	TEXT_PUT(at, json, size, "{\"seen\":%llu,\"lost\":%llu,\"samples\":[", seen, lost);
	for (uint64_t k = s->taken - n; k < s->taken; k++) {
		const struct sample *p = &s->last[k % s->keep];

		TEXT_PUT(at, json, size,
			 "%s{\"at_ns\":%llu,\"port\":%u,\"vlan\":%u,\"len\":%u,\"ether_type\":%u,"
			 "\"bytes\":\"",
			 k > s->taken - n ? "," : "", (unsigned long long)p->at_ns, p->src_port,
			 p->vlan, p->len, p->ether_type);
		for (uint16_t i = 0; i < p->kept; i++)
			TEXT_PUT(at, json, size, "%02x", p->bytes[i]);
		TEXT_PUT(at, json, size, "\"}");
	}
	TEXT_PUT(at, json, size, "]}");
	return at;
}

NETHV_EXTENSION{
	NETHV_EXT_HEAD,
	.guid = {{0x3d, 0x0a, 0x5c, 0x11, 0x7e, 0x42, 0x4b, 0x0e, 0x9a, 0x61, 0x52, 0x10, 0x8b,
		  0x6f, 0xd2, 0x02}},
	.name = "sampler",
	.version = "1.0",
	.summary = "Keeps one packet of every N to look at",
	.cls = NETHV_CAPTURE,
	.lcore_size = sizeof(struct lane),
	.keys = keys,
	.create = create,
	.configure = configure,
	.status = status,
	.notify = notify,
	.tick = tick,
	.ingress = ingress,
};
