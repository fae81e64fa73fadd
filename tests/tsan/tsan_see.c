/* SPDX-License-Identifier: BSD-3-Clause */
/* Two lcores at work while ctl adds and removes captures, traces and the watch over drops, empties the
 * rings and reads the drops that are being written over. No record is torn, none comes twice or out of
 * its lcore's order, and what is freed is not used any more. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/support/pcapread.h"
#include "tests/support/prng.h"
#include "tests/tsan/tsan.h"
#include "vswitch/see/priv.h"

#define LCORES 2u
#define BURST  8u
#define LEN    300u

struct lcore {
	pthread_t thread;
	uint64_t loops; /* quiescent points passed */
	uint32_t seq;
	struct vsw_vec v;
	uint8_t frame[BURST][LEN];
};

static struct lcore *lcores;
static struct vsw_tap *published;
static bool should_stop;
static struct pcapread in;
static uint8_t file[8 << 20];

static void fill(struct lcore *lc)
{
	uint16_t i;

	lc->v.n = BURST;
	for (i = 0; i < BURST; i++) {
		struct vsw_slot *s = &lc->v.slot[i];
		uint8_t *f = lc->frame[i];

		memset(f, (uint8_t)lc->seq, LEN);
		memcpy(f + 20, &lc->v.lcore, 2);
		memcpy(f + 24, &lc->seq, 4);
		memset(&s->pkt, 0, sizeof(s->pkt));
		s->pkt.hdr_off = VSW_SNAP_OFF;
		s->pkt.hdr_len = 64;
		s->pkt.vlan = lc->seq % 4000;
		s->pkt.len = 100 + lc->seq % 200;
		memcpy(s->snap, f, 64);
		s->data = f;
		lc->seq++;
	}
}

static void look(struct lcore *lc, struct vsw_tap *t)
{
	static const uint16_t idx[BURST] = {0, 1, 2, 3, 4, 5, 6, 7}, verdict[BURST] = {0};
	struct vsw_tap_at at = {.v = &lc->v, .station = VSW_AT_in, .idx = idx, .n = BURST};
	struct vsw_tap_drop d = {.v = &lc->v, .port = VSW_PORT_NONE, .reason = VSW_DROP_filtered};

	vsw_tap_enter(t, &lc->v, idx, BURST);
	vsw_tap_station(t, &at);
	vsw_tap_ext(t, &at, "ext", verdict, 1000);
	for (d.i = 0; d.i < BURST; d.i++)
		vsw_tap_drop(t, &d);
}

static void *lcore_main(void *arg)
{
	struct lcore *lc = arg;

	while (!__atomic_load_n(&should_stop, __ATOMIC_RELAXED)) {
		struct vsw_tap *t = __atomic_load_n(&published, __ATOMIC_ACQUIRE);

		fill(lc);
		if (t)
			look(lc, t);
		__atomic_store_n(&lc->loops, lc->loops + 1, __ATOMIC_RELEASE);
		if (lc->loops % 512 == 0)
			usleep(50);
	}
	return NULL;
}

static void publish(void *ctx, struct vsw_tap *tap)
{
	unsigned int i;

	__atomic_store_n(&published, tap, __ATOMIC_RELEASE);
	for (i = 0; i < LCORES; i++) {
		uint64_t at = __atomic_load_n(&lcores[i].loops, __ATOMIC_ACQUIRE);

		while (__atomic_load_n(&lcores[i].loops, __ATOMIC_ACQUIRE) < at + 2)
			usleep(20);
	}
}

static const char *port_name(void *ctx, uint16_t port)
{
	return "p";
}

static const struct vsw_see_ops ops = {.publish = publish, .port_name = port_name};

static void check_packet(const struct pcapread_packet *p, int64_t *last)
{
	uint32_t seq, i;
	uint16_t lcore;

	check(p->cap == p->len && p->cap >= 100 && p->cap < LEN);
	memcpy(&lcore, p->bytes + 20, 2);
	memcpy(&seq, p->bytes + 24, 4);
	check(lcore < LCORES && (int64_t)seq > last[lcore] && p->len == 100 + seq % 200);
	for (i = 28; i < p->cap; i++)
		check(p->bytes[i] == (uint8_t)seq);
	last[lcore] = seq;
}

static unsigned int check_file(int fd, uint64_t packets)
{
	int64_t last[LCORES] = {-1, -1};
	ssize_t n = pread(fd, file, sizeof(file), 0);
	unsigned int i;

	check(n > 0 && pcapread(&in, file, (size_t)n));
	check(in.nr_packets == packets);
	for (i = 0; i < in.nr_packets; i++)
		check_packet(&in.packet[i], last);
	return in.nr_packets;
}

static unsigned int check_drops(struct vsw_see *see)
{
	json_t *j = NULL, *d;
	size_t i, n;

	check(vsw_see_drops_json(see, "ether[0] < 255", 0, &j) == 0);
	n = json_array_size(j);
	check(n <= LCORES * VSW_SEE_DROPS);
	json_array_foreach(j, i, d)
	{
		json_int_t vlan = json_integer_value(json_object_get(d, "vlan"));

		check(json_integer_value(json_object_get(d, "len")) == 100 + vlan % 200);
	}
	json_decref(j);
	return (unsigned int)n;
}

static unsigned int round_of(struct vsw_see *see, struct prng *p)
{
	struct vsw_see_capture_cfg cfg = {.stations = 1 << VSW_AT_in, .filter = "len > 110"};
	struct vsw_see_capture_status st;
	int fd = memfd_create("capture", MFD_CLOEXEC);
	unsigned int n = 0, i;
	uint32_t id, tr;

	cfg.max_packets = 1 + prng_below(p, 3000);
	cfg.fd = dup(fd);
	check(fd >= 0 && vsw_see_capture_add(see, &cfg, &id) == 0);
	check(vsw_see_trace_add(see, "len > 200", 5, &tr) == 0);
	check(vsw_see_drops_watch(see, prng_below(p, 2) ? "" : "len < 250") == 0);
	for (i = 0; i < 1 + prng_below(p, 10); i++) {
		usleep(200);
		vsw_see_poll(see);
		n += check_drops(see);
	}
	json_decref(vsw_see_trace_json(see, tr));
	check(vsw_see_trace_remove(see, tr) == 0);
	check(vsw_see_capture_remove(see, id, &st) == 0);
	check(st.packets <= cfg.max_packets && st.state == VSW_SEE_DONE);
	n += check_file(fd, st.packets);
	close(fd);
	return n;
}

int main(void)
{
	struct vsw_see_cfg cfg = {.nr_lcores = LCORES, .tsc_hz = 2000000000, .ring_size = 1 << 18};
	struct vsw_see *see;
	unsigned int i, n = 0;
	struct prng p;

	prng_init(&p);
	lcores = aligned_alloc(64, LCORES * sizeof(*lcores));
	check(lcores != NULL);
	memset(lcores, 0, LCORES * sizeof(*lcores));
	for (i = 0; i < LCORES; i++) {
		lcores[i].v.lcore = (uint16_t)i;
		check(pthread_create(&lcores[i].thread, NULL, lcore_main, &lcores[i]) == 0);
	}
	check(vsw_see_create(&see, &cfg, &ops, NULL) == 0);
	for (i = 0; i < prng_steps(60); i++)
		n += round_of(see, &p);
	vsw_see_destroy(see);
	__atomic_store_n(&should_stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < LCORES; i++)
		pthread_join(lcores[i].thread, NULL);
	free(lcores);
	check(n > 1000);
	printf("%u packets and drops\n", n);
	return 0;
}
