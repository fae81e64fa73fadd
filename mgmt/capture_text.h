/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads a pcapng stream as it comes, for people: one call a packet. Knows what our captures write: interfaces
 * with names and nanoseconds, packets with comments; skips all else. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define CAPTURE_IFACES_MAX 512u
#define CAPTURE_BLOCK_MAX  (1u << 20)

struct capture_packet {
	const char *iface; /* its name, or "?" */
	uint64_t ns;	   /* since 1970 */
	const uint8_t *bytes;
	uint32_t cap, len;
	char comment[512]; /* or "" */
};

struct capture_reader {
	uint8_t *buf;
	size_t len, cap;
	char (*iface)[32];
	uint32_t nr_ifaces;
};

/* ctl.  0, or -EINVAL: not a stream of that kind, -ENOMEM (text set). Zero the reader before. */
int capture_feed(struct capture_reader *r, const void *data, size_t len,
		 void (*fn)(const struct capture_packet *p, void *ctx), void *ctx);
void capture_fini(struct capture_reader *r);
