/* SPDX-License-Identifier: BSD-3-Clause */
/* What the configuration says of the overlay, as written. config.h includes it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vswitch/overlay/overlay.h"

#define MGMT_REMOTE_MACS_MAX 1024u

struct mgmt_remote {
	char *vtep;
	char *next_hop_mac; /* NULL: asked for */
	char **macs;
	uint32_t macs_count;
};

struct mgmt_subnet {
	uint32_t vsid;
	bool no_learning; /* key "learning", negated */
	bool external;
	char **ports;
	uint32_t ports_count;
	struct mgmt_remote *remotes;
	uint32_t remotes_count;
};

struct mgmt_overlay {
	enum vsw_overlay_encap encap;
	char *uplink;
	char *local; /* "192.0.2.1/24" */
	char *gateway;
	char *mac; /* always set after load */
	uint16_t vlan;
	uint16_t mtu;	   /* 0: 1500 */
	uint16_t udp_port; /* 0: the encapsulation's own */
	bool zero_csum6;
	uint32_t macs_max, ageing_s; /* 0: as usual */
	struct mgmt_subnet *subnets;
	uint32_t subnets_count;
};
