/* SPDX-License-Identifier: BSD-3-Clause */
/* An overlay on a switch of tests/support/extbed.h, host @self of 10.0.0.0/24:
 *
 *   subnet 5000  ports 0, 1; the others' VTEPs
 *   subnet 6000  port 2; the others' VTEPs
 *   port 3       none: an ordinary port
 *   port 4       the uplink; VTEP 10.0.0.@self, MAC 02:00:00:00:00:@self
 *   subnet 7000  external, port 5 (when there is one) */
#pragma once

#include <string.h>

#include "tests/support/extbed.h"
#include "tests/support/naive_tunnel.h"
#include "vswitch/overlay/overlay.h"

#define OVSW_UPLINK 4u

struct ovsw {
	struct vsw_overlay_cfg cfg;
	struct vsw_overlay_subnet subnet[3];
	struct vsw_overlay_port port5000[2], port6000[1], port7000[1];
	struct vsw_overlay_remote remote[2];
	uint8_t self;
};

static inline struct vsw_overlay_ip ovsw_ip(uint8_t host)
{
	return (struct vsw_overlay_ip){.version = 4, .b = {10, 0, 0, host}};
}

static inline void ovsw_mac(uint8_t mac[6], uint8_t host)
{
	memcpy(mac, (const uint8_t[6]){2, 0, 0, 0, 0, host}, 6);
}

static inline uint16_t ovsw_port(const struct extbed *b, unsigned int i)
{
	return b->p[i] ? vsw_port_id(b->p[i]->port) : VSW_PORT_NONE - 1;
}

/* Of a bed whose ports are there; may be changed before vsw_set_overlay(). Next hops are given. */
static inline void ovsw_init(struct ovsw *o, const struct extbed *b, uint8_t self,
			     uint8_t nr_remotes)
{
	uint8_t i;

	memset(o, 0, sizeof(*o));
	o->self = self;
	o->cfg.uplink = ovsw_port(b, OVSW_UPLINK);
	o->cfg.local = ovsw_ip(self);
	ovsw_mac(o->cfg.mac, self);
	for (i = 0; i < nr_remotes; i++) {
		uint8_t host = (uint8_t)(self == 1 ? i + 2 : i == 0 ? 1 : 3);

		o->remote[i].vtep = ovsw_ip(host);
		ovsw_mac(o->remote[i].next_hop_mac, host);
	}
	o->port5000[0].port = ovsw_port(b, 0);
	o->port5000[1].port = ovsw_port(b, 1);
	o->port6000[0].port = ovsw_port(b, 2);
	o->subnet[0] = (struct vsw_overlay_subnet){5000, true,	    false,     o->port5000,
						   2,	 o->remote, nr_remotes};
	o->subnet[1] = (struct vsw_overlay_subnet){6000, true,	    false,     o->port6000,
						   1,	 o->remote, nr_remotes};
	o->cfg.subnets = o->subnet;
	o->cfg.nr_subnets = 2;
	if (!b->p[5])
		return;
	o->port7000[0].port = ovsw_port(b, 5);
	o->subnet[2] = (struct vsw_overlay_subnet){7000, false, true, o->port7000, 1, NULL, 0};
	o->cfg.nr_subnets = 3;
}

/* Queues what remote .@host sends to the VTEP. */
static inline struct fake_frame *ovsw_tunnel(struct extbed *b, const struct ovsw *o, uint8_t host,
					     uint32_t vni, const uint8_t *inner, uint32_t len)
{
	struct naive_tunnel t = {.sport = 50000, .dport = 4789, .vni = vni, .ttl = 9};
	struct fake_frame *fr = fake_send(b->p[OVSW_UPLINK], 0, 0);
	uint8_t out[NAIVE_TUNNEL_MAX];

	t.inner = inner;
	t.inner_len = len;
	memcpy(t.eth_dst, o->cfg.mac, 6);
	ovsw_mac(t.eth_src, host);
	memcpy(t.src, ovsw_ip(host).b, 4);
	memcpy(t.dst, o->cfg.local.b, 4);
	fr->len = naive_tunnel_make(&t, out);
	memcpy(fr->bytes, out, fr->len);
	return fr;
}
