/* SPDX-License-Identifier: BSD-3-Clause */
/* The next version of maps.c: one counter is new and one gone, one map has another size. */
#include "testext.h"

struct pair {
	nv_u64 sum;
	nv_u32 len, odd;
};

NV_EXTENSION{FILTER("maps"), .counters = {"fresh", "ports"}};

NV_MAP(table, nv_u16, struct pair, 16);
NV_MAP(other, nv_u32, nv_u32, 100);

NV_SEC("ingress") int in(const struct nv_ctx *c)
{
	struct pair v = {0};
	nv_u16 key = c->l4_src_port;
	nv_u32 k = 1, w = 1;

	nv_map_lookup(&other, &k, &w);
	return nv_map_lookup(&table, &key, &v) == 1 && v.odd == 5 ? NV_DROP(1) : NV_PASS;
}
