/* SPDX-License-Identifier: BSD-3-Clause */
/* RNDIS data messages: a pure parser over private bytes. No guest memory, no state. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <nethv/abi/rndis.h>

enum rndis_offload {
	RNDIS_OFFLOAD_CSUM = 1 << 0,
	RNDIS_OFFLOAD_LSO = 1 << 1,
};

struct rndis_frame {
	uint32_t msg_len;  /* of the whole message: the next one starts there */
	uint32_t data_off; /* of the frame from the start of the message */
	uint32_t data_len;
	uint32_t hash;
	uint16_t vlan_tci;
	bool has_vlan;
	uint8_t offloads; /* enum rndis_offload: what the guest asks for */
};

/* any.  Parses an RNDIS_PACKET. @head holds its first @head_len bytes (private), @avail is what the
 * message may take in all, @head_len <= @avail. Header and per-packet information must lie inside
 * @head. 0, or -EPROTO. [MS-RNDIS] 2.2.14 */
int rndis_parse_packet(const uint8_t *head, uint32_t head_len, uint32_t avail,
		       struct rndis_frame *out);
