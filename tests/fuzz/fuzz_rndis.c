/* SPDX-License-Identifier: BSD-3-Clause */
/* RNDIS data messages: whatever is accepted lies inside what was given. */
#include <stdint.h>
#include <stdlib.h>

#include "netvsp/rndis.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t head = size < 128 ? (uint32_t)size : 128;
	struct rndis_frame f;

	if (size > UINT32_MAX)
		return 0;
	if (rndis_parse_packet(data, head, (uint32_t)size, &f))
		return 0;
	if (f.msg_len < 44 || f.msg_len > size || f.data_off < 44 || f.data_off > f.msg_len ||
	    f.data_len > f.msg_len - f.data_off)
		abort();
	return 0;
}
