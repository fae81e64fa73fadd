/* SPDX-License-Identifier: BSD-3-Clause */
/* The pcapng writer: whatever names, comments and bytes it is given, in whatever room, a strict reader
 * takes what it wrote, and finds each block that the writer said it wrote. An operation is a byte that
 * says which, one that says how many bytes follow for it, and these. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/pcapread.h"
#include "vswitch/see/pcapng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pcapread in;
static struct {
	unsigned int ifaces, packets;
	size_t bytes;
} did;

static void iface(struct see_buf *b, const char *text)
{
	if (did.ifaces < 1000 && see_pcapng_iface(b, text, UINT32_MAX))
		did.ifaces++;
}

static void packet(struct see_buf *b, const char *text, const uint8_t *bytes, uint8_t n)
{
	struct see_pcapng_packet p = {.iface = did.ifaces - 1,
				      .dir = n % 3,
				      .ns = n * 0x123456789ull,
				      .bytes = bytes,
				      .cap = n,
				      .len = n + 5u,
				      .comment = text};

	if (did.ifaces && did.packets < PCAPREAD_MAX && see_pcapng_packet(b, &p)) {
		did.packets++;
		did.bytes += n;
	}
}

static void run(struct see_buf *b, const uint8_t *data, size_t size)
{
	size_t at = 0;

	while (at + 2 <= size) {
		uint8_t op = data[at], n = data[at + 1];
		char text[60] = "";

		at += 2;
		if (n > size - at)
			n = (uint8_t)(size - at);
		memcpy(text, data + at, n < 59 ? n : 59);
		if (op % 4 == 0)
			iface(b, text);
		else if (op % 4 == 3 && did.ifaces)
			see_pcapng_stats(b,
					 &(struct see_pcapng_stats){op % did.ifaces, op, n, n, op});
		else
			packet(b, op & 8 ? text : NULL, data + at, n);
		at += n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct see_buf b = {.mem = NULL};
	unsigned int i;
	size_t bytes = 0;

	if (size < 2)
		return 0;
	memset(&did, 0, sizeof(did));
	b.size = (size_t)(data[0] << 8 | data[1]);
	b.mem = malloc(b.size ? b.size : 1);
	if (!b.mem)
		abort();
	if (see_pcapng_head(&b, "fuzz"))
		run(&b, data + 2, size - 2);
	if (b.len > b.size || !pcapread(&in, b.mem, b.len))
		abort();
	for (i = 0; i < in.nr_packets; i++)
		bytes += in.packet[i].cap;
	if (in.nr_packets != did.packets || in.nr_ifaces != did.ifaces || bytes != did.bytes)
		abort();
	free(b.mem);
	return 0;
}
