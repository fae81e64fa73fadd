/* SPDX-License-Identifier: BSD-3-Clause */
/* Those who must not notice anything: a generator and a sink in a VLAN of their own, and a watcher
 * in the attacker's VLAN who sees all frames there. One thread serves the three. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "guest/apps/gen.h"
#include "guest/apps/sink.h"
#include "tests/integ/hostile.h"

#define CROWD_PAGES 2048u /* of each */
#define ROUND_US    100u

const uint8_t mac_gen[6] = {2, 0, 0, 0, 0x0a, 1}, mac_sink[6] = {2, 0, 0, 0, 0x0a, 2};
const uint8_t mac_watch[6] = {2, 0, 0, 0, 0x14, 1}, mac_evil[6] = {2, 0, 0, 0, 0x14, 2};

struct member {
	struct part part;
	struct nvsc_bus bus;
	struct nvsc_nic nic;
};

static struct member m_gen, m_sink, m_watch;
static struct gen gen;
static struct sink sink;
static pthread_t thread;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct crowd_news news; /* under the lock, as the next two */
static uint32_t noise_len;
static uint8_t noise_dst[6];
static bool is_ending; /* relaxed */

static void join(struct member *m, const char *name, uint16_t mtu, uint32_t filter)
{
	struct nvsc_cfg nc = {.mtu = mtu,
			      .filter = filter,
			      .nr_vps = EVIL_VPS,
			      .rx_bytes = 2u << 20,
			      .tx_bytes = 256u << 10};
	struct nvsc_bus_cfg bc = {.timeout = PATIENCE_MS * 10000ull};
	int rc;

	part_init(&m->part, name, CROWD_PAGES, 1);
	part_boot(&m->part);
	bc.transport = part_transport(&m->part);
	rc = nvsc_bus_connect(&m->bus, &bc);
	must(!rc, "%s: connect: %d", name, rc);
	rc = nvsc_open(&m->nic, &m->bus, nvsc_bus_nic(&m->bus, 0), &nc);
	must(!rc, "%s: open: %d", name, rc);
}

/* ---- The watcher ------------------------------------------------------------------------------ */

static void watch_one(const struct nvsc_frame *f)
{
	struct marked m;

	news.watched++;
	if (f->len < sizeof(m))
		return;
	memcpy(&m, f->data, sizeof(m));
	if (memcmp(m.src, mac_evil, 6) != 0) {
		news.forged++;
		memcpy(news.forged_src, m.src, 6);
	}
	if (m.type == MARK_TYPE && m.len && m.len != f->len) {
		news.torn++;
		news.torn_len = (uint16_t)f->len;
		news.torn_mark = m.len;
	}
}

static void watch(void)
{
	struct nvsc_queue *q = &m_watch.nic.queue[0];
	struct nvsc_frame f[NVSC_BURST];
	unsigned int n, i;
	uint8_t *p;

	while ((n = nvsc_rx_burst(q, f, NVSC_BURST))) {
		for (i = 0; i < n; i++)
			watch_one(&f[i]);
		nvsc_rx_drop(q, f, n);
	}
	for (i = 0; noise_len && i < 16; i++) {
		p = nvsc_tx_alloc(q, noise_len, 0, 0);
		if (!p)
			break;
		frame_marked(p, noise_len, noise_dst, mac_watch);
		news.noise++;
	}
	nvsc_flush(q);
}

/* ---- The thread -------------------------------------------------------------------------------- */

static void tell(void)
{
	const struct sink_flow *f = &sink.flow[0];

	news.passed = sink.rx_packets;
	news.lost = f->is_used ? seq_lost(&f->seq, 0) : 0;
	news.duplicated = f->seq.duplicated;
	news.reordered = f->seq.reordered;
	news.corrupted = sink.corrupted + gen.corrupted;
	news.strange = sink.strange + gen.strange;
	news.timeouts = gen.credits_timeouts;
}

static void one_round(void)
{
	unsigned int i;

	gen_poll(&gen, &m_gen.nic.queue[0], now_ms() * 1000);
	sink_poll(&sink, &m_sink.nic.queue[0]);
	pthread_mutex_lock(&lock);
	watch();
	tell();
	pthread_mutex_unlock(&lock);
	for (i = 0; i < 3; i++)
		part_pump(i == 0 ? &m_gen.part : i == 1 ? &m_sink.part : &m_watch.part);
}

static void *run(void *arg)
{
	while (!__atomic_load_n(&is_ending, __ATOMIC_RELAXED)) {
		one_round();
		nap_us(ROUND_US);
	}
	return NULL;
}

void crowd_start(void)
{
	struct gen_cfg gc = {.len = 300,
			     .id.epoch = 1,
			     .window = 256,
			     .burst = 32,
			     .rate = 50000,
			     .tsc_hz = 1000000};

	flow_init();
	join(&m_gen, "gen", 0, 0);
	join(&m_sink, "sink", 0, 0);
	join(&m_watch, "watch", NIC_MTU, NDIS_FILTER_PROMISCUOUS);
	memcpy(gc.id.src, mac_gen, 6);
	memcpy(gc.id.dst, mac_sink, 6);
	gen_init(&gen, &gc);
	sink_init(&sink);
	must(!pthread_create(&thread, NULL, run, NULL), "no thread");
}

void crowd_news(struct crowd_news *out)
{
	pthread_mutex_lock(&lock);
	*out = news;
	pthread_mutex_unlock(&lock);
}

void crowd_noise(uint32_t len, const uint8_t dst[6])
{
	pthread_mutex_lock(&lock);
	noise_len = len;
	if (len)
		memcpy(noise_dst, dst, 6);
	pthread_mutex_unlock(&lock);
}

static void leave(struct member *m)
{
	int rc = nvsc_close(&m->nic);

	must(!rc, "%s: close: %d", m->part.name, rc);
	must(!nvsc_bus_unload(&m->bus), "%s: unload", m->part.name);
	must(m->bus.bad_messages == 0, "%s: got %lu bad messages", m->part.name,
	     m->bus.bad_messages);
	part_kill(&m->part);
}

void crowd_finish(void)
{
	uint64_t until = now_ms() + PATIENCE_MS;

	__atomic_store_n(&is_ending, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	gen.is_stop_wanted = true;
	while (gen.state != GEN_DONE) {
		must(now_ms() < until, "the generator does not end");
		one_round();
		nap_us(ROUND_US);
	}
	must(gen.has_report && gen.report.unique == gen.seq,
	     "of %lu frames %lu arrived (report: %d)", gen.seq, gen.report.unique, gen.has_report);
	must(!gen.report.lost && !gen.report.duplicated && !gen.report.reordered &&
		     !gen.report.corrupted,
	     "lost %lu, duplicated %lu, reordered %lu, corrupted %lu", gen.report.lost,
	     gen.report.duplicated, gen.report.reordered, gen.report.corrupted);
	printf("victims: %lu frames sent, all arrived once, in order and whole\n", gen.seq);
	leave(&m_gen);
	leave(&m_sink);
	leave(&m_watch);
}
