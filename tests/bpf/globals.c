/* SPDX-License-Identifier: BSD-3-Clause */
/* Variables of all kinds: zero, initialised, constant, counted by an atomic addition. */
#include "testext.h"

NV_EXTENSION{FILTER("globals")};

static nv_u64 packets;
nv_u32 limits[4] = {0, 0, 3, 0};
static nv_u16 last;
const volatile nv_u32 step = 1;

NV_SEC("ingress") int in(const struct nv_ctx *c)
{
	__sync_fetch_and_add(&packets, step);
	last = c->l4_dst_port;
	if (last == 99)
		limits[2] += 2;
	return packets > limits[2] ? NV_DROP(0) : NV_PASS;
}
