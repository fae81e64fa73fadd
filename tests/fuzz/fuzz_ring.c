/* SPDX-License-Identifier: BSD-3-Clause */
/* A ring whose control page and data a hostile guest wrote: the reader stays inside, always ends, and
 * moves on by whole packets. Input: write index (4), read index (4), pages shuffled or not (1), then
 * the data area. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmbus/ring.h"

#define PAGES 4u
#define SIZE  ((PAGES - 1) * 4096u)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void consume(struct vmbus_ring *r)
{
	int32_t avail = vmbus_ring_avail(r), n;
	static uint8_t copy[SIZE];
	struct vmbus_pkt_desc d;
	uint32_t turns = 0;

	while (avail > 0) {
		n = vmbus_ring_peek(r, (uint32_t)avail, &d);
		if (n < 0)
			break;
		if (n > avail || n % 8 || ++turns > SIZE / 24)
			abort();
		vmbus_ring_read(r, vmbus_ring_wrap(r, r->own + d.offset8 * 8u), copy,
				(d.len8 - d.offset8) * 8u);
		vmbus_ring_skip(r, (uint32_t)n);
		if (r->own >= r->size)
			abort();
		avail -= n;
	}
	vmbus_ring_publish_read(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t order[2][PAGES] = {{0, 1, 2, 3}, {2, 3, 0, 1}};
	static _Alignas(4096) uint8_t mem[PAGES][4096];
	struct vmbus_pkt_desc d = {.type = VMBUS_PKT_INBAND, .offset8 = 2, .len8 = 3};
	struct vmbus_ring_ctrl *c;
	uint8_t *page[PAGES];
	struct vmbus_ring r;
	uint32_t own, i;

	if (size < 9)
		return 0;
	for (i = 0; i < PAGES; i++)
		page[i] = mem[order[data[8] & 1][i]];
	memset(mem, 0, sizeof(mem));
	c = (void *)page[0];
	memcpy(&c->write_index, data, 4);
	memcpy(&own, data + 4, 4);
	c->pending_send_sz = own;
	for (i = 9; i < size && i - 9 < SIZE; i++)
		page[1 + (i - 9) / 4096][(i - 9) % 4096] = data[i];
	vmbus_ring_init_pages(&r, page, PAGES, own % SIZE & ~7u);
	consume(&r);
	memcpy(&c->read_index, data, 4);
	if (vmbus_ring_space(&r) >= 32)
		vmbus_ring_put(&r, &d, NULL, 0, data, 8);
	return 0;
}
