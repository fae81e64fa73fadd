/* SPDX-License-Identifier: BSD-3-Clause */
/* Blocks of a pcapng file, put into a buffer. We write them ourselves because rte_pcapng of DPDK 22.11
 * knows neither comments on packets nor interfaces that are not DPDK's own devices. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct see_buf {
	uint8_t *mem;
	size_t size, len;
};

enum see_pcapng_dir { SEE_DIR_NONE = 0, SEE_DIR_IN = 1, SEE_DIR_OUT = 2 };

struct see_pcapng_packet {
	uint32_t iface; /* number of the interface, in the order they were put */
	enum see_pcapng_dir dir;
	uint64_t ns; /* since 1970 */
	const uint8_t *bytes;
	uint32_t cap, len; /* bytes here, bytes on the wire */
	const char *comment;
};

struct see_pcapng_stats {
	uint32_t iface;
	uint64_t start_ns, end_ns;
	uint64_t received, dropped;
};

/* any.  Append one block; false: no room, nothing was appended. Texts are cut at 4000 bytes. */
bool see_pcapng_head(struct see_buf *b, const char *program);
bool see_pcapng_iface(struct see_buf *b, const char *name, uint32_t snaplen);
bool see_pcapng_packet(struct see_buf *b, const struct see_pcapng_packet *p);
bool see_pcapng_stats(struct see_buf *b, const struct see_pcapng_stats *st);
