/* SPDX-License-Identifier: BSD-3-Clause */
/* A small reader of pcapng: strict, so that what it takes is well-formed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCAPREAD_MAX 20000u

struct pcapread_packet {
	uint32_t iface, cap, len, flags;
	uint64_t ns;
	const uint8_t *bytes;
	char comment[1024];
};

struct pcapread_iface {
	char name[64];
	uint32_t snaplen;
	bool has_stats;
	uint64_t received, dropped;
};

struct pcapread {
	unsigned int nr_packets, nr_ifaces;
	struct pcapread_packet packet[PCAPREAD_MAX];
	struct pcapread_iface iface[1100];
	const char *fault; /* what is wrong, when pcapread() said so */
};

/* Reads @n bytes, which the packets go on pointing into. False: not well-formed. */
bool pcapread(struct pcapread *r, const uint8_t *bytes, size_t n);
