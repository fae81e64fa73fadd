/* SPDX-License-Identifier: BSD-3-Clause */
/* The underlay and subnets that tests of the overlay start from:
 *
 *   VTEP 10.0.0.1 (fd00::1), MAC 02:00:00:00:00:01, gateway .254 (::fe)
 *   subnet 5000  ports 1, 2 (MACs 02:00:00:00:aa:01, :02), 3 (none);
 *                remotes .2 (has 02:..:bb:01), .3
 *   subnet 6000  port 4 (MAC 02:..:aa:01, too); remote .2
 *   subnet 7000  external, port 5 */
#pragma once

#include <string.h>

#include "tests/support/naive_tunnel.h"
#include "tests/support/ovbed.h"

struct ovnet {
	struct vsw_overlay_cfg cfg;
	struct vsw_overlay_subnet subnet[3];
	struct vsw_overlay_port port5000[3], port6000[1], port7000[1];
	struct vsw_overlay_remote remote5000[2], remote6000[1];
	uint8_t macs[1][6];
};

static inline struct vsw_overlay_ip ovnet_ip(bool is_v6, uint8_t host)
{
	struct vsw_overlay_ip ip = {.version = 4, .b = {10, 0, 0, host}};

	if (is_v6)
		ip = (struct vsw_overlay_ip){.version = 6, .b = {0xFD, [15] = host}};
	return ip;
}

static inline void ovnet_mac(uint8_t mac[6], uint8_t group, uint8_t n)
{
	memcpy(mac, (const uint8_t[6]){2, 0, 0, 0, group, n}, 6);
}

static inline void ovnet_init(struct ovnet *o, enum vsw_overlay_encap encap, bool is_v6)
{
	memset(o, 0, sizeof(*o));
	o->cfg.encap = encap;
	o->cfg.uplink = OVBED_UPLINK;
	o->cfg.prefix_len = is_v6 ? 64 : 24;
	o->cfg.local = ovnet_ip(is_v6, 1);
	o->cfg.gateway = ovnet_ip(is_v6, 254);
	ovnet_mac(o->cfg.mac, 0, 1);
	for (uint8_t i = 0; i < 3; i++)
		o->port5000[i].port = i + 1;
	ovnet_mac(o->port5000[0].mac, 0xAA, 1);
	ovnet_mac(o->port5000[1].mac, 0xAA, 2);
	o->port6000[0].port = 4;
	ovnet_mac(o->port6000[0].mac, 0xAA, 1);
	o->port7000[0].port = 5;
	ovnet_mac(o->macs[0], 0xBB, 1);
	o->remote5000[0].vtep = ovnet_ip(is_v6, 2);
	o->remote5000[0].macs = (const uint8_t(*)[6])o->macs;
	o->remote5000[0].nr_macs = 1;
	o->remote5000[1].vtep = ovnet_ip(is_v6, 3);
	o->remote6000[0].vtep = ovnet_ip(is_v6, 2);
	o->subnet[0] =
		(struct vsw_overlay_subnet){5000, true, false, o->port5000, 3, o->remote5000, 2};
	o->subnet[1] =
		(struct vsw_overlay_subnet){6000, true, false, o->port6000, 1, o->remote6000, 1};
	o->subnet[2] = (struct vsw_overlay_subnet){7000, false, true, o->port7000, 1, NULL, 0};
	o->cfg.subnets = o->subnet;
	o->cfg.nr_subnets = 3;
}

/* What remote .@host sends to the VTEP. */
static inline struct naive_tunnel ovnet_tunnel(const struct ovnet *o, uint8_t host, uint32_t vni,
					       const uint8_t *inner, uint32_t len)
{
	struct naive_tunnel t = {
		.is_v6 = o->cfg.local.version == 6,
		.is_geneve = o->cfg.encap == VSW_OVERLAY_GENEVE,
		.sport = 50000,
		.vni = vni,
		.ttl = 9,
		.has_csum = o->cfg.local.version == 6,
		.inner = inner,
		.inner_len = len,
	};

	t.dport = t.is_geneve ? 6081 : 4789;
	memcpy(t.eth_dst, o->cfg.mac, 6);
	ovnet_mac(t.eth_src, 0, host);
	memcpy(t.src, ovnet_ip(t.is_v6, host).b, 16);
	memcpy(t.dst, o->cfg.local.b, 16);
	return t;
}
