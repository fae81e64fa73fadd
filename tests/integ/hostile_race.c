/* SPDX-License-Identifier: BSD-3-Clause */
/* Two virtual processors of one guest: the first sends, the second rewrites what is being sent, as
 * fast as it can. Each rewritten word is aligned, so that both its values are consistent; the
 * watcher must never see a frame that mixes them, and none with a source that is not the sender's. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "tests/integ/hostile.h"

#define ARRAY(a)   (sizeof(a) / sizeof((a)[0]))
#define WORDS_MAX  256u
#define SECTIONS   8u
#define MESSAGES   16u
#define MSG_LEN	   240u
#define ROUNDS	   20u		     /* at least */
#define PACKETS	   200u		     /* of one round: all lie in the ring when the switch is told */
#define MAC_FORGED 0x010a00000002ull /* the victim's */
#define MAC_OWN	   0x021400000002ull
#define FAR_PPIS   5u

static struct {
	uint64_t *at[WORDS_MAX];
	uint64_t value[WORDS_MAX][2];
	unsigned int n;
	bool is_over; /* relaxed */
	uint64_t rounds;
} words;

static void *rewriter(void *arg)
{
	unsigned int i, v = 0;

	while (!__atomic_load_n(&words.is_over, __ATOMIC_RELAXED)) {
		v ^= 1;
		for (i = 0; i < words.n; i++)
			__atomic_store_n(words.at[i], words.value[i][v], __ATOMIC_RELAXED);
		__atomic_add_fetch(&words.rounds, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* The word at @at is from now on either as it is, or with @len bytes at @off replaced. */
static void rewrite(uint8_t *at, const void *bytes, uint32_t off, uint32_t len)
{
	uint64_t *value = words.value[words.n];

	must((uintptr_t)at % 8 == 0 && off + len <= 8 && words.n < WORDS_MAX, "word");
	memcpy(&value[0], at, 8);
	value[1] = value[0];
	memcpy((uint8_t *)&value[1] + off, bytes, len);
	words.at[words.n++] = (uint64_t *)(void *)at;
}

/* ---- What is rewritten: a message at @at of MSG_LEN bytes -------------------------------------------- */

static void source_mac(uint8_t *at)
{
	const uint64_t mac = MAC_FORGED;

	rndis_marked(at, MSG_LEN - 44, -1);
	rewrite(at + 48, &mac, 2, 6);
}

/* Per-packet information moves the frame out of the first 128 bytes. */
static void far_source_mac(uint8_t *at)
{
	const struct rndis_ppi ppi = {16, 77, 12};
	const uint32_t head = 44 + FAR_PPIS * 16;
	const struct rndis_packet h = {.hdr = {RNDIS_MSG_PACKET, MSG_LEN},
				       .data_offset = head - RNDIS_REL,
				       .data_len = MSG_LEN - head,
				       .ppi_offset = 44 - RNDIS_REL,
				       .ppi_len = FAR_PPIS * 16};
	const uint64_t mac = MAC_FORGED;
	unsigned int i;

	memset(at, 0, MSG_LEN);
	memcpy(at, &h, sizeof(h));
	for (i = 0; i < FAR_PPIS; i++)
		memcpy(at + 44 + i * 16, &ppi, sizeof(ppi));
	frame_marked(at + head, MSG_LEN - head, mac_watch, mac_evil);
	rewrite(at + 128, &mac, 2, 6);
}

/* Where the frame lies and how long it is: one of two frames that both say how long they are. */
static void offset_and_length(uint8_t *at)
{
	const uint32_t other[2] = {36 + 64, MSG_LEN - 44 - 64};

	rndis_marked(at, MSG_LEN - 44, -1);
	frame_marked(at + 44 + 64, other[1], mac_watch, mac_evil);
	rewrite(at + 8, other, 0, 8);
}

static void message_length(uint8_t *at)
{
	const uint32_t longer = 4000;

	rndis_marked(at, MSG_LEN - 44, -1);
	rewrite(at, &longer, 4, 4);
}

/* The victims' VLAN instead of our own. */
static void vlan(uint8_t *at)
{
	const uint32_t value = rndis_vlan_from_tci(10);

	rndis_marked(at, MSG_LEN - 60, 20);
	rewrite(at + 56, &value, 0, 4);
}

static void ppi_size(uint8_t *at)
{
	const uint32_t size = 0;

	rndis_marked(at, MSG_LEN - 60, 20);
	rewrite(at + 40, &size, 4, 4);
}

/* ---- How it is sent ------------------------------------------------------------------------------------ */

static uint8_t *section(unsigned int i)
{
	return evil.nic.tx + (size_t)i * PAGE;
}

static void send_sections(unsigned int i)
{
	struct pkt p;

	pkt_section(&p, i % SECTIONS, MESSAGES * MSG_LEN);
	evil_put(0, p.b, p.len);
}

/* Each message in a range of its own, from the same pages. */
static void send_ranges(unsigned int i)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT,
				   .rndis_pkt = {NVSP_CHANNEL_DATA, NVSP_SECTION_NONE, 0}};
	uint64_t pfn = part_pfn(&evil.part, section(i % SECTIONS));
	uint32_t head[2] = {0, MESSAGES}, range[2] = {MSG_LEN, 0};
	struct pkt p;
	unsigned int k;

	pkt_begin(&p, VMBUS_PKT_GPA_DIRECT, ++evil.next_id);
	pkt_add(&p, head, sizeof(head));
	for (k = 0; k < MESSAGES; k++) {
		range[1] = k * MSG_LEN;
		pkt_add(&p, range, sizeof(range));
		pkt_add(&p, &pfn, sizeof(pfn));
	}
	pkt_end(&p, &m, NVSP_MSG_SIZE);
	evil_put(0, p.b, p.len);
}

/* Each message in two pieces, cut inside the RNDIS header: the switch must put it together. */
static void send_pieces(unsigned int i)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT,
				   .rndis_pkt = {NVSP_CHANNEL_DATA, NVSP_SECTION_NONE, 0}};
	uint64_t pfn = part_pfn(&evil.part, section(i % SECTIONS));
	uint32_t head[2] = {0, MESSAGES}, range[2];
	struct pkt p;
	unsigned int k;

	pkt_begin(&p, VMBUS_PKT_GPA_DIRECT, ++evil.next_id);
	pkt_add(&p, head, sizeof(head));
	for (k = 0; k < MESSAGES; k++) {
		range[0] = k % 2 ? MSG_LEN - 16 : 16;
		range[1] = k / 2 * MSG_LEN + (k % 2 ? 16 : 0);
		pkt_add(&p, range, sizeof(range));
		pkt_add(&p, &pfn, sizeof(pfn));
	}
	pkt_end(&p, &m, NVSP_MSG_SIZE);
	evil_put(0, p.b, p.len);
}

static const struct {
	const char *name;
	void (*fill)(uint8_t *at);
	void (*send)(unsigned int i);
	bool must_mix; /* both values are judged differently, and both must occur */
} races[] = {
	{"race: source MAC in the send buffer", source_mac, send_sections, true},
	{"race: source MAC in pages", source_mac, send_ranges, true},
	{"race: source MAC in pieces", source_mac, send_pieces, true},
	{"race: source MAC behind much PPI", far_source_mac, send_sections, true},
	{"race: source MAC behind much PPI, in pages", far_source_mac, send_ranges, true},
	{"race: offset and length", offset_and_length, send_sections, false},
	{"race: offset and length in pieces", offset_and_length, send_pieces, false},
	{"race: message length", message_length, send_sections, true},
	{"race: VLAN", vlan, send_sections, true},
	{"race: PPI size", ppi_size, send_ranges, true},
};

/* The rewriter has another CPU each round, one that the switch does not work on among them. */
static void move(pthread_t t, unsigned int round)
{
	cpu_set_t mine, all;
	unsigned int cpu, skip;

	if (sched_getaffinity(0, sizeof(all), &all))
		return;
	skip = round % (unsigned int)CPU_COUNT(&all);
	for (cpu = 0; !CPU_ISSET(cpu, &all) || skip-- > 0;)
		cpu++;
	CPU_ZERO(&mine);
	CPU_SET(cpu, &mine);
	pthread_setaffinity_np(t, sizeof(mine), &mine);
}

static void race(void (*fill)(uint8_t *at), void (*send)(unsigned int i), bool must_mix)
{
	struct vsw_port_stats before, s = {0};
	uint64_t until = now_ms() + PATIENCE_MS;
	unsigned int i = 0, k;
	pthread_t t;

	memset(&words, 0, sizeof(words));
	for (k = 0; k < SECTIONS * MESSAGES; k++)
		fill(section(k / MESSAGES) + (size_t)(k % MESSAGES) * MSG_LEN);
	switch_port("evil/0", &before);
	must(!pthread_create(&t, NULL, rewriter, NULL), "no thread");
	do {
		must(now_ms() < until, "delivered %lu, dropped %lu in %u rounds",
		     s.delivered - before.delivered, drops_of(&s) - drops_of(&before), i);
		move(t, i);
		for (k = 0; k < PACKETS; k++)
			send(k);
		evil_publish(0, evil.out[0].own);
		nap_us(500); /* the processor is the rewriter's */
		evil_await(evil.next_id);
		switch_port("evil/0", &s);
	} while (++i < ROUNDS || (must_mix && (s.delivered < before.delivered + 100 ||
					       drops_of(&s) < drops_of(&before) + 100)));
	__atomic_store_n(&words.is_over, true, __ATOMIC_RELAXED);
	pthread_join(t, NULL);
	evil_must_work();
}

void attacks_race(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY(races); i++) {
		attack_begin("race", races[i].name, EVIL_UP);
		race(races[i].fill, races[i].send, races[i].must_mix);
		attack_end(WANT_NOTHING);
	}
}
