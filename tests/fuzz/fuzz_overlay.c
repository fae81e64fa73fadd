/* SPDX-License-Identifier: BSD-3-Clause */
/* What the overlay takes from the underlay. The first byte chooses encapsulation, address
 * family, private bytes and how the frame lies in memory; addresses and VSID may be put right,
 * so that the parsers behind them are reached, and checksums be given as verified. Whatever is
 * opened lies inside what was given, is the frame's end, and is delivered inside its subnet. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/ovnet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define check(cond)              \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

enum choice {
	GENEVE = 1 << 0,
	V6 = 1 << 1,
	SHORT = 1 << 2,
	PIECES = 1 << 3,
	TO_VTEP = 1 << 4,
	FROM_REMOTE = 1 << 5,
	VERIFIED = 1 << 6,
	PORT = 1 << 7, /* it comes from a port of a subnet */
};

static struct ovnet net;
static struct ovbed bed;
static const uint8_t *given;
static uint32_t given_len;

static void take(void *ctx, uint16_t port, uint16_t vlan, const uint8_t *frame, uint32_t len)
{
	check(len >= VSW_FRAME_MIN && vlan == 0);
	if (port == OVBED_UPLINK)
		return;
	check(bed.vsid == 5000 ? port >= 1 && port <= 3 : bed.vsid == 6000 && port == 4);
	check(len <= given_len);
	for (uint32_t at = 0; at + len <= given_len; at++) {
		if (!memcmp(given + at, frame, len))
			return;
	}
	abort();
}

/* Puts addresses right where the frame has room for them. */
static void aim(uint8_t *b, uint32_t len, uint8_t choice)
{
	bool is_v6 = choice & V6;
	uint32_t src = is_v6 ? 22 : 26, n = is_v6 ? 16 : 4;

	if (len < 14)
		return;
	if (choice & TO_VTEP) {
		memcpy(b, net.cfg.mac, 6);
		b[12] = is_v6 ? 0x86 : 0x08;
		b[13] = is_v6 ? 0xDD : 0x00;
	}
	if (len >= src + 2 * n && choice & TO_VTEP)
		memcpy(b + src + n, net.cfg.local.b, n);
	if (len >= src + 2 * n && choice & FROM_REMOTE)
		memcpy(b + src, ovnet_ip(is_v6, 2).b, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t choice, *b;

	if (size < 1 + VSW_FRAME_MIN || size > OVBED_FRAME_MAX)
		return 0;
	choice = data[0];
	ovnet_init(&net, choice & GENEVE ? VSW_OVERLAY_GENEVE : VSW_OVERLAY_VXLAN, choice & V6);
	net.cfg.nr_macs_max = 64;
	ovnet_mac(net.remote6000[0].next_hop_mac, 0, 2);
	ovnet_mac(net.remote5000[0].next_hop_mac, 0, 2);
	check(vsw_overlay_create(&bed.ov, &net.cfg, 1, NULL) == 0);
	bed.now_s = 1;
	bed.sink = take;
	bed.privates = choice & SHORT ? 64 : 128;
	bed.piece = choice & PIECES ? 1 + data[1] % 200 : 0;
	if (bed.piece && size / bed.piece >= VSW_SG_MAX)
		bed.piece = 64;
	bed.in_flags = choice & VERIFIED ? NETHV_PKT_CSUM_OK : 0;
	bed.in_csum = choice & VERIFIED ? NETHV_CSUM_UDP : 0;
	b = malloc(size - 1);
	check(b);
	memcpy(b, data + 1, size - 1);
	aim(b, (uint32_t)size - 1, choice);
	given = b;
	given_len = (uint32_t)size - 1;
	ovbed_send(&bed, choice & PORT ? 3 : OVBED_UPLINK, -1, 0, b, given_len);
	check(bed.why < VSW_DROP_COUNT);
	check(bed.pkt.len <= given_len && bed.pkt.hdr_len <= bed.pkt.len);
	vsw_overlay_destroy(bed.ov);
	free(b);
	return 0;
}
