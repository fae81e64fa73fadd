/* SPDX-License-Identifier: BSD-3-Clause */
/* Branches that compilers like to make one of: loads from different places, calls with different maps. */
#include "testext.h"

NV_EXTENSION{FILTER("merge"), .counters = {"one", "other"}};

NV_MAP(first, nv_u8[16], nv_u64, 64);
NV_MAP(second, nv_u8[16], nv_u64, 64);

NV_SEC("ingress") int in(const struct nv_ctx *c)
{
	nv_u32 len = c->vlan ? c->bytes[3] : c->bytes[90];
	nv_u64 before;

	if (c->l4_dst_port == 1) {
		nv_count(c, 0, 1);
		before = (nv_u64)nv_map_add(&first, c->ip_src, 1);
	} else {
		nv_count(c, 1, len);
		before = (nv_u64)nv_map_add(&second, c->ip_dst, 1);
	}
	/* The compiler may keep a pointer that goes one way or the other. */
	asm volatile("%0 = %1\nif %2 > 1 goto +1\n%0 += 2\n%0 = *(u16 *)(%0 + 0)"
		     : "=&r"(before)
		     : "r"(&c->l4_src_port), "r"(before));
	return before == 7 ? NV_DROP(0) : NV_PASS;
}
