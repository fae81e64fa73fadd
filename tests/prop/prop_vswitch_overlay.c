/* SPDX-License-Identifier: BSD-3-Clause */
/* Switches joined by their uplinks: what a port of a subnet sends arrives exactly at the ports
 * that it is for in that subnet, on every switch, and nowhere else, whatever the encapsulation,
 * the way frames lie in memory, what was learned before, and what else is sent to the tunnels. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/err.h"
#include "tests/support/ovnet.h"
#include "tests/support/prng.h"

#define SWITCHES 3u
#define PORTS	 9u /* 0..8; 9 is the uplink */
#define SUBNETS	 3u
#define MACS	 4u /* of a port: the first is its own, the others it may have learned for it */
#define QUEUE	 64u

static const uint32_t vsids[SUBNETS] = {1, 4097, VSW_OVERLAY_VSID_MAX};

struct node {
	struct vsw_overlay_cfg cfg;
	struct vsw_overlay_subnet subnet[SUBNETS];
	struct vsw_overlay_port port[SUBNETS][PORTS];
	struct vsw_overlay_remote remote[SUBNETS][SWITCHES];
	uint8_t macs[SUBNETS][SWITCHES][PORTS][6];
	int subnet_of[PORTS]; /* the model's; -1: none */
	struct ovbed bed;
};

static struct node node[SWITCHES];

/* Frames on the underlay, and what arrived at ports. */
static struct {
	uint32_t len;
	unsigned int from;
	uint8_t b[OVBED_FRAME_MAX];
} wire[QUEUE];
static unsigned int nr_wire;
static bool is_carrying;
static unsigned int got[SWITCHES][PORTS];
static const uint8_t *sent;
static uint32_t sent_len;

static void mac_of(uint8_t mac[6], unsigned int sw, unsigned int port, unsigned int n)
{
	/* The same ones in all subnets: ports 0, 1, ... of a subnet share addresses with
	 * others'. */
	memcpy(mac, (const uint8_t[6]){2, 0, 0, (uint8_t)n, (uint8_t)sw, (uint8_t)port}, 6);
}

/* A port's number among those of its subnet. */
static unsigned int rank_of(unsigned int sw, unsigned int port)
{
	unsigned int i, n = 0;

	for (i = 0; i < port; i++)
		n += node[sw].subnet_of[i] == node[sw].subnet_of[port];
	return n;
}

static void take(void *ctx, uint16_t port, uint16_t vlan, const uint8_t *frame, uint32_t len)
{
	unsigned int sw = (unsigned int)((struct node *)ctx - node);

	cr_assert_eq(vlan, 0);
	if (port != OVBED_UPLINK) {
		cr_assert_lt(port, PORTS);
		cr_assert_eq(len, sent_len);
		cr_assert_arr_eq(frame, sent, len);
		got[sw][port]++;
		return;
	}
	/* What the underlay brings is answered at most, never sent on. */
	cr_assert(!is_carrying || (frame[12] == 0x08 && frame[13] == 0x06) ||
		  (frame[12] == 0x86 && frame[20] == 58));
	cr_assert_lt(nr_wire, QUEUE);
	wire[nr_wire].len = len;
	wire[nr_wire].from = sw;
	memcpy(wire[nr_wire++].b, frame, len);
}

/* The underlay: a hub. Who is not addressed must leave a frame alone. */
static void carry(void)
{
	static uint8_t copy[OVBED_FRAME_MAX];
	unsigned int i, sw, len;

	is_carrying = true;
	for (i = 0; i < nr_wire; i++) {
		len = wire[i].len;
		memcpy(copy, wire[i].b, len);
		for (sw = 0; sw < SWITCHES; sw++) {
			if (sw != wire[i].from)
				ovbed_send(&node[sw].bed, OVBED_UPLINK, -1, 0, copy, len);
		}
	}
	nr_wire = 0;
	is_carrying = false;
}

static void subnet_up(struct prng *p, unsigned int sw, unsigned int n)
{
	struct node *nd = &node[sw];
	struct vsw_overlay_subnet *sn = &nd->subnet[n];
	unsigned int i;

	*sn = (struct vsw_overlay_subnet){.vsid = vsids[n],
					  .is_learning = true,
					  .ports = nd->port[n],
					  .remotes = nd->remote[n]};
	for (i = 0; i < PORTS; i++) {
		if (nd->subnet_of[i] != (int)n)
			continue;
		nd->port[n][sn->nr_ports].port = (uint16_t)i;
		if (prng_below(p, 4)) /* else it is to be learned */
			mac_of(nd->port[n][sn->nr_ports].mac, sw, rank_of(sw, i), 0);
		sn->nr_ports++;
	}
	for (i = 0; i < SWITCHES; i++) {
		if (i != sw)
			nd->remote[n][sn->nr_remotes++].vtep =
				ovnet_ip(nd->cfg.local.version == 6, (uint8_t)(i + 1));
	}
}

static void up(struct prng *p)
{
	bool is_v6 = prng_below(p, 2), is_geneve = prng_below(p, 2);
	unsigned int sw, i;

	memset(node, 0, sizeof(node));
	for (sw = 0; sw < SWITCHES; sw++) {
		struct node *nd = &node[sw];

		for (i = 0; i < PORTS; i++)
			nd->subnet_of[i] = (int)prng_below(p, SUBNETS + 1) - 1;
		nd->cfg.encap = is_geneve ? VSW_OVERLAY_GENEVE : VSW_OVERLAY_VXLAN;
		nd->cfg.uplink = OVBED_UPLINK;
		nd->cfg.local = ovnet_ip(is_v6, (uint8_t)(sw + 1));
		nd->cfg.nr_macs_max = prng_below(p, 2) ? 16 : 0; /* too few for all */
		ovnet_mac(nd->cfg.mac, 0xEE, (uint8_t)(sw + 1));
		for (i = 0; i < SUBNETS; i++)
			subnet_up(p, sw, i);
		nd->cfg.subnets = nd->subnet;
		nd->cfg.nr_subnets = SUBNETS;
		cr_assert_eq(vsw_overlay_create(&nd->bed.ov, &nd->cfg, 1, NULL), 0, "%s",
			     err_text());
		nd->bed.sink = take;
		nd->bed.ctx = nd;
		nd->bed.privates = 128;
	}
	for (sw = 0; sw < SWITCHES; sw++) /* next hops become known to each other */
		ovbed_tick(&node[sw].bed);
	carry();
}

static void down(void)
{
	for (unsigned int sw = 0; sw < SWITCHES; sw++)
		vsw_overlay_destroy(node[sw].bed.ov);
}

/* Now and then a switch gets the same configuration anew, and goes on with what it knew. */
static void renew(struct node *nd)
{
	struct vsw_overlay *old = nd->bed.ov;

	cr_assert_eq(vsw_overlay_create(&nd->bed.ov, &nd->cfg, 1, old), 0, "%s", err_text());
	vsw_overlay_adopt(nd->bed.ov, old);
	vsw_overlay_destroy(old);
}

static const char *is_at(unsigned int sw, unsigned int port)
{
	static char text[64];

	snprintf(text, sizeof(text), "switch %u, port %u: %u times", sw, port, got[sw][port]);
	return text;
}

/* What a port sends to the address of another (or a group, or nobody's) must come to that one;
 * and, while nobody knows better, may come to others of the subnet, but once at most. */
static void sends(struct prng *p, uint8_t *frame)
{
	unsigned int sw = prng_below(p, SWITCHES), port = prng_below(p, PORTS);
	unsigned int to_sw = prng_below(p, SWITCHES), to = prng_below(p, PORTS), i, k;
	int n = node[sw].subnet_of[port];
	bool is_group = prng_below(p, 4) == 0, is_for;

	sent_len = 14 + prng_below(p, 1400);
	for (i = 12; i < sent_len; i++)
		frame[i] = (uint8_t)prng_next(p);
	frame[12] = 0x08; /* no tag */
	mac_of(frame, to_sw, n < 0 || node[to_sw].subnet_of[to] != n ? 77 : rank_of(to_sw, to), 0);
	if (is_group)
		frame[0] |= 1;
	mac_of(frame + 6, sw, rank_of(sw, port), 0);
	sent = frame;
	memset(got, 0, sizeof(got));
	node[sw].bed.piece = prng_below(p, 2) ? 1 + prng_below(p, 300) + sent_len / 1000 * 2 : 0;
	node[to_sw].bed.piece = prng_below(p, 2) ? 10 + prng_below(p, 300) : 0;
	ovbed_send(&node[sw].bed, (uint16_t)port, -1, 0, frame, sent_len);
	carry();
	for (i = 0; i < SWITCHES; i++) {
		for (k = 0; k < PORTS; k++) {
			bool is_self = i == sw && k == port;

			is_for = n >= 0 && !is_self && node[i].subnet_of[k] == n;
			cr_assert(is_for || got[i][k] == 0, "%s", is_at(i, k));
			cr_assert_leq(got[i][k], 1, "%s", is_at(i, k));
			if (is_for && (is_group || (i == to_sw && k == to)))
				cr_assert_eq(got[i][k], 1, "%s", is_at(i, k));
		}
	}
}

/* Somebody on the underlay who is no remote sends into the tunnels. */
static void intrudes(struct prng *p, uint8_t *frame)
{
	unsigned int sw = prng_below(p, SWITCHES);
	struct naive_tunnel t;
	static uint8_t b[NAIVE_TUNNEL_MAX];
	struct ovnet o = {.cfg = node[sw].cfg};
	uint32_t len;

	memset(got, 0, sizeof(got));
	t = ovnet_tunnel(&o, 99, vsids[prng_below(p, SUBNETS)], frame, 100);
	if (prng_below(p, 2)) { /* a remote, to a subnet that there is not */
		t.src[o.cfg.local.version == 6 ? 15 : 3] = (uint8_t)((sw + 1) % SWITCHES + 1);
		t.vni = 1 + vsids[prng_below(p, SUBNETS)];
	}
	len = naive_tunnel_make(&t, b);
	ovbed_send(&node[sw].bed, OVBED_UPLINK, -1, 0, b, len);
	for (unsigned int k = 0; k < PORTS; k++)
		cr_assert_eq(got[sw][k], 0, "%s", is_at(sw, k));
}

/* A second passes everywhere. */
static void ages(void)
{
	for (unsigned int sw = 0; sw < SWITCHES; sw++)
		ovbed_tick(&node[sw].bed);
	carry();
}

Test(vsw_overlay, frames_reach_their_subnet_and_nothing_else)
{
	static uint8_t frame[2000];
	unsigned int step, steps = prng_steps(10000);
	struct prng p;

	prng_init(&p);
	for (step = 0; step < steps; step++) {
		if (step % 500 == 0) {
			if (step)
				down();
			up(&p);
		}
		switch (prng_below(&p, 16)) {
		case 0: ages(); break;
		case 1: intrudes(&p, frame); break;
		case 2: renew(&node[prng_below(&p, SWITCHES)]); break;
		default: sends(&p, frame); break;
		}
	}
	down();
}
