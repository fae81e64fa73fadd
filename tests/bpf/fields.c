/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes all that it is told of a packet into a map, by number. */
#include "testext.h"

NV_EXTENSION{FILTER("fields")};

NV_MAP(told, nv_u32, nv_u64, 64);

static inline __attribute__((always_inline)) void tell(nv_u32 what, nv_u64 value)
{
	nv_map_update(&told, &what, &value);
}

static inline __attribute__((always_inline)) nv_u64 high(const nv_u8 *p)
{
	return (nv_u64)nv_get32(p) << 32 | nv_get32(p + 4);
}

NV_SEC("ingress") int in(const struct nv_ctx *c)
{
	nv_u8 mac[6] = {0};

	tell(0, c->len);
	tell(1, c->nr_bytes);
	tell(2, c->flags);
	tell(3, c->vlan_tci);
	tell(4, c->src_port | (nv_u32)c->src_nic << 16);
	tell(5, c->dst_port | (nv_u32)c->ndst << 16);
	tell(6, c->ether_type);
	tell(7, c->l3_off | (nv_u32)c->l4_off << 8 | (nv_u32)c->l4_proto << 16 |
			(nv_u32)c->l3_version << 24);
	tell(8, c->l4_src_port);
	tell(9, c->l4_dst_port);
	tell(10, c->tcp_flags);
	tell(11, high(c->ip_src));
	tell(12, high(c->ip_dst + 8));
	tell(13, c->bytes[127]);
	tell(14, c->hash);
	tell(15, c->mark);
	tell(16, c->now_ns);
	tell(17, (nv_u64)nv_load(c, c->l4_off + 4, 2)); /* UDP length */
	tell(18, (nv_u64)nv_load(c, c->len - 4, 4));	/* the last bytes, not private */
	tell(19, (nv_u64)nv_load(c, c->len - 3, 4));	/* one too far */
	tell(20, (nv_u64)nv_load(c, (nv_u64)-2, 4));
	tell(21, (nv_u64)nv_load(c, 0, 7));
	tell(22, (nv_u64)nv_copy(c, 6, mac, sizeof(mac)));
	tell(23, (nv_u64)mac[0] << 40 | (nv_u64)mac[5]);
	return c->bytes[13] == 6 ? NV_DROP(1) : NV_PASS;
}
