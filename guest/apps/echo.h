/* SPDX-License-Identifier: BSD-3-Clause */
/* Application `echo`: answers ARP, ICMP echo and UDP port 7 for one IPv4 address, in place. */
#pragma once

#include "guest/netvsc/nvsc.h"

#define ECHO_UDP_PORT 7u

struct echo {
	uint8_t mac[6];
	uint16_t tci; /* VID that is answered, if has_vlan */
	bool has_vlan;
	uint32_t ip; /* host order */
	uint64_t rx_packets;
	uint64_t arp_replies;
	uint64_t icmp_replies;
	uint64_t udp_replies;
	uint64_t ignored;      /* not for us */
	uint64_t bad_checksum; /* for us, but broken */
};

/* Turns the frame into its answer. False: there is none. Never touches bytes behind @len. */
bool echo_reply(struct echo *e, uint8_t *frame, uint32_t len);

/* One round of work on @q. Returns how many frames came. */
unsigned int echo_poll(struct echo *e, struct nvsc_queue *q);
