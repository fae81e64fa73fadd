/* SPDX-License-Identifier: BSD-3-Clause */
/* A packet to the SCSI controller, as it lies in the ring: whatever it says, the buffer lies in guest
 * memory and is no longer than what was announced, and the command runs. Input: the packet, descriptor
 * first. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmbus/vsp/stor_req.h"

#define PKT_MAX 4096u
#define PAGES	16u
#define BASE	0x100000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static _Alignas(4096) uint8_t ram[PAGES * 4096];

static void check(const struct stor_req *r)
{
	uint64_t sum = 0;

	if (r->nr_iov > STOR_PFNS_MAX || r->len > STOR_MAX_TRANSFER)
		abort();
	for (unsigned int i = 0; i < r->nr_iov; i++) {
		const uint8_t *at = r->iov[i].iov_base;

		if (!r->iov[i].iov_len || at < ram || r->iov[i].iov_len > sizeof(ram) ||
		    at - ram > (ptrdiff_t)(sizeof(ram) - r->iov[i].iov_len))
			abort();
		sum += r->iov[i].iov_len;
	}
	if (sum != r->len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct scsi_target target = {.max_transfer = STOR_MAX_TRANSFER};
	static uint8_t pkt[PKT_MAX];
	struct vmbus_pkt_desc d;
	struct gmem gm = {0};
	struct stor_req r;

	if (size < sizeof(d) || size > PKT_MAX || gmem_add(&gm, gpa(BASE), sizeof(ram), ram))
		return 0;
	memcpy(pkt, data, size);
	memcpy(&d, pkt, sizeof(d));
	/* What vmbus_ring_peek() lets pass. */
	if (d.len8 * 8u > size || d.offset8 * 8u < sizeof(d) || d.offset8 > d.len8)
		return 0;
	if (stor_req_parse(&r, &gm, &d, pkt))
		return 0;
	check(&r);
	if (r.pkt.operation != VSTOR_EXECUTE_SRB)
		return 0;
	stor_req_execute(&r, &target);
	if (r.pkt.srb.data_transfer_length > STOR_MAX_TRANSFER ||
	    r.pkt.srb.sense_info_length > VSTOR_SENSE_MAX)
		abort();
	return 0;
}
