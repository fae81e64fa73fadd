/* SPDX-License-Identifier: BSD-3-Clause */
/* Says to its map what the UDP destination port of each packet asks for; the key is the source port. */
#include "testext.h"

#define UPDATE 1
#define LOOKUP 2
#define DELETE 3
#define ADD    4

struct pair {
	nv_u64 sum;
	nv_u32 len, odd;
};

NV_EXTENSION{FILTER("maps"), .counters = {"ports", "ok", "found", "missing", "no_room"}};

NV_MAP(other, nv_u32, nv_u16, 100); /* not the first one, so that indices matter */
NV_MAP(table, nv_u16, struct pair, 64);

NV_SEC("ingress") int in(const struct nv_ctx *c)
{
	struct pair v = {c->len, c->len, 5};
	nv_u16 key = c->l4_src_port;
	nv_s64 rc = 0;

	if (c->l4_dst_port == UPDATE)
		rc = nv_map_update(&table, &key, &v);
	else if (c->l4_dst_port == LOOKUP)
		rc = nv_map_lookup(&table, &key, &v);
	else if (c->l4_dst_port == DELETE)
		rc = nv_map_delete(&table, &key);
	else if (c->l4_dst_port == ADD)
		rc = nv_map_add(&table, &key, c->len);
	nv_count(c, 0, 1);
	if (rc == NV_ENOENT)
		nv_count(c, 3, 1);
	else if (rc == NV_ENOROOM)
		nv_count(c, 4, 1);
	else
		nv_count(c, rc ? 2 : 1, 1);
	if (c->l4_dst_port == LOOKUP && rc == 1 && v.odd == 5)
		return NV_DROP(v.sum == v.len ? 0 : 1);
	return NV_PASS;
}
