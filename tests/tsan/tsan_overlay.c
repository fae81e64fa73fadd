/* SPDX-License-Identifier: BSD-3-Clause */
/* Lcores on one overlay: addresses move between ports and remotes, next hops answer and fall
 * silent, while ctl reads everything and makes the next overlay of this one. Whatever a packet
 * is told, it is told of its subnet. */
#include <pthread.h>
#include <string.h>

#include "tests/support/ovnet.h"
#include "tests/tsan/tsan.h"

#define LCORES 3u
#define ROUNDS 4000u

static struct ovnet net;
static struct vsw_overlay *ov;
static bool should_stop;

struct lcore {
	struct vsw_vec vec;
	uint16_t index;
};
static struct lcore lcore[LCORES];

/* A frame of one of a few addresses at @port of 5000, or from remote .3, to another of them. */
static void put(struct lcore *l, uint16_t i, uint32_t r)
{
	struct vsw_slot *s = &l->vec.slot[i];
	uint8_t b[60] = {[12] = 0x88, [13] = 0xB5}, pkt[NAIVE_TUNNEL_MAX];
	struct naive_tunnel t;
	uint32_t len = 60;

	ovnet_mac(b, 0xCC, (uint8_t)(r % 7));
	ovnet_mac(b + 6, 0xCC, (uint8_t)(r / 7 % 7));
	memcpy(pkt, b, 60);
	if (r & 1024) {
		t = ovnet_tunnel(&net, 3, 5000, b, 60);
		len = naive_tunnel_make(&t, pkt);
	}
	s->pkt = (struct nethv_pkt){.len = len,
				    .hdr_len = (uint16_t)len,
				    .hdr_off = VSW_SNAP_OFF,
				    .src_port = r & 1024 ? OVBED_UPLINK : 1 + r % 3};
	memcpy(s->snap, pkt, len);
	s->data = s->snap;
}

/* An ARP answer of remote .2 or .3. */
static void put_arp(struct lcore *l, uint16_t i, uint8_t from)
{
	static const uint8_t head[] = {8, 6, 0, 1, 8, 0, 6, 4, 0, 2};
	struct vsw_slot *s = &l->vec.slot[i];

	memset(s->snap, 0, 60);
	memcpy(s->snap, net.cfg.mac, 6);
	memcpy(s->snap + 12, head, sizeof(head));
	ovnet_mac(s->snap + 22, 0, from);
	memcpy(s->snap + 28, ovnet_ip(false, from).b, 4);
	memcpy(s->snap + 38, net.cfg.local.b, 4);
	s->pkt = (struct nethv_pkt){
		.len = 60, .hdr_len = 60, .hdr_off = VSW_SNAP_OFF, .src_port = OVBED_UPLINK};
}

static void forward(struct lcore *l, uint16_t i, const struct vsw_overlay_io *io)
{
	struct vsw_overlay_route r;
	struct vsw_overlay_head h;
	uint16_t k;

	vsw_overlay_route(ov, &l->vec, i, io, &r);
	for (k = 0; k < r.nr_ports; k++)
		check(r.port[k] >= 1 && r.port[k] <= 3);
	for (k = 0; k < r.nr_vteps; k++) {
		struct vsw_overlay_to to = {io->vsid[i], io->now_s, r.vtep[k]};

		if (!vsw_overlay_head(ov, &l->vec, i, &to, &h))
			check(h.len == 50 && h.b[5] == h.b[33]);
	}
}

static void *lcore_main(void *arg)
{
	static const uint16_t idx[4] = {0, 1, 2, 3};
	struct lcore *l = arg;
	uint32_t round, r = l->index, vsid[VSW_VEC_SIZE];
	uint8_t frame[VSW_OVERLAY_FRAME_MAX];
	uint16_t why[4], i;

	l->vec.lcore = l->index;
	for (round = 0; round < ROUNDS; round++) {
		struct vsw_overlay_io io = {round / 10, vsid, why};

		memset(why, 0, sizeof(why));
		for (i = 0; i < 3; i++)
			put(l, i, (r = r * 1103515245u + 12345u) >> 8);
		put_arp(l, 3, 2 + round % 400 / 200);
		vsw_overlay_ingress(ov, &l->vec, idx, 4, &io);
		for (i = 0; i < 4; i++) {
			if (!why[i] && vsid[i])
				forward(l, i, &io);
		}
		if (l->index == 0)
			vsw_overlay_tick(ov, 0, io.now_s);
		while (vsw_overlay_next_frame(ov, l->index, frame))
			check(frame[12] == 8 && frame[13] == 6);
	}
	return NULL;
}

static void seen(const struct vsw_overlay_mac_info *m, void *ctx)
{
	check(m->vsid == 5000);
	check(m->port == VSW_PORT_NONE ? m->vtep.b[3] == 3 : m->port >= 1 && m->port <= 3);
}

static void *ctl_main(void *arg)
{
	while (!__atomic_load_n(&should_stop, __ATOMIC_ACQUIRE)) {
		struct vsw_overlay_subnet_info si;
		struct vsw_overlay_vtep_info vi;
		struct vsw_overlay *next;

		check(vsw_overlay_create(&next, &net.cfg, LCORES, ov) == 0);
		vsw_overlay_adopt(next, ov);
		vsw_overlay_macs_walk(ov, 1, seen, NULL);
		check(vsw_overlay_subnet_get(next, 0, &si));
		check(vsw_overlay_vtep_get(ov, 1, 1, &vi));
		vsw_overlay_destroy(next);
	}
	return NULL;
}

int main(void)
{
	pthread_t t[LCORES], ctl;
	uint16_t i;

	ovnet_init(&net, VSW_OVERLAY_VXLAN, false);
	net.cfg.nr_macs_max = 16;
	check(vsw_overlay_create(&ov, &net.cfg, LCORES, NULL) == 0);
	check(pthread_create(&ctl, NULL, ctl_main, NULL) == 0);
	for (i = 0; i < LCORES; i++) {
		lcore[i].index = i;
		check(pthread_create(&t[i], NULL, lcore_main, &lcore[i]) == 0);
	}
	for (i = 0; i < LCORES; i++)
		check(pthread_join(t[i], NULL) == 0);
	__atomic_store_n(&should_stop, true, __ATOMIC_RELEASE);
	check(pthread_join(ctl, NULL) == 0);
	vsw_overlay_destroy(ov);
	return 0;
}
