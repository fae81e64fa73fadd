/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames in memory, as the offline bench reads and writes them: pcap and pcapng in, by libpcap; text with
 * hexadecimal digits in; pcap and pcapng with an interface for each port out. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAMES_MAX	 4000000u
#define FRAMES_BYTES_MAX (1ull << 30)
#define FRAME_LEN_MAX	 65553u /* an IP packet of 64 KiB behind an Ethernet header and a tag */

struct frame {
	size_t at;    /* in frames.bytes */
	uint32_t len; /* as captured */
	uint32_t wire_len;
	uint64_t ts_ns; /* since 1970 */
	uint16_t port;	/* of the caller's */
};

struct frames {
	struct frame *frame;
	uint32_t n, room;
	uint8_t *bytes;
	size_t nr_bytes, bytes_room;
	uint32_t nr_cut; /* frames of which the capture kept less than there was */
};

static inline const uint8_t *frames_bytes(const struct frames *f, uint32_t i)
{
	return f->bytes + f->frame[i].at;
}

void frames_fini(struct frames *f); /* @f may be zero */

/* Appends a copy of a frame; its bytes move when others are added. 0, -EFBIG or -ENOMEM (text set). */
int frames_add(struct frames *f, const void *bytes, uint32_t len, uint64_t ts_ns, uint16_t port);

/* The same, with an 802.1Q tag put behind the addresses; @tci: -1 for none. */
int frames_add_tagged(struct frames *f, const uint8_t *bytes, uint32_t len, int32_t tci,
		      uint64_t ts_ns, uint16_t port);

/* Appends the frames of a pcap or pcapng file, for @port. 0 or -errno (text set: file, packet, cause). */
int frames_read(struct frames *f, const char *path, uint16_t port);

/* Appends the frames of @text: hexadecimal digits; a frame begins in the first column and goes on in
 * lines that are indented; what follows '#' is a comment. 0 or -EINVAL (text set: @name, line, cause). */
int frames_from_hex(struct frames *f, const char *text, const char *name);

/* By time; frames of the same time stay in their order. */
void frames_sort(struct frames *f);

/* A file being written. Its kind is that of its name: ".pcapng", else pcap with nanoseconds. */
struct frames_out;

/* @port: names of the ports, for pcapng's interfaces. 0 or -errno (text set). */
int frames_out_open(struct frames_out **out, const char *path, const char *const *port,
		    uint32_t nr_ports);
/* Failures are kept for the close. */
void frames_out_put(struct frames_out *o, uint32_t port, uint64_t ts_ns, const uint8_t *bytes,
		    uint32_t len);
/* 0 or -errno (text set): the file is whole, or is not. NULL is fine. */
int frames_out_close(struct frames_out *o);
