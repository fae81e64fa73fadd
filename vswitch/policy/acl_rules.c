/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules as rte_acl wants them: a trie for each way and layer, and for IP a second one for packets
 * without ports. rte_acl reads keys in network order and rules in host order. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_memory.h>

#include "base/err.h"
#include "vswitch/policy/acl.h"

#define FIELDS_MAX 11u

#define AT(n, kind, bytes, group, where)                                                \
	{                                                                               \
		.type = RTE_ACL_FIELD_TYPE_##kind, .size = (bytes), .field_index = (n), \
		.input_index = (group), .offset = (uint32_t)(where)                     \
	}
#define V4(member) offsetof(union pol_key, v4.member)
#define V6(member) offsetof(union pol_key, v6.member)
#define E(member)  offsetof(struct acl_ether_key, member)

/* A first field of one byte, then groups of four. */
static const struct rte_acl_field_def defs_v4[] = {
	AT(0, BITMASK, 1, 0, offsetof(union pol_key, proto)),
	AT(1, MASK, 4, 1, V4(src)),
	AT(2, MASK, 4, 2, V4(dst)),
	AT(3, RANGE, 2, 3, V4(sport)),
	AT(4, RANGE, 2, 3, V4(dport)),
};

static const struct rte_acl_field_def defs_v6[] = {
	AT(0, BITMASK, 1, 0, offsetof(union pol_key, proto)),
	AT(1, MASK, 4, 1, V6(src)),
	AT(2, MASK, 4, 2, V6(src) + 4),
	AT(3, MASK, 4, 3, V6(src) + 8),
	AT(4, MASK, 4, 4, V6(src) + 12),
	AT(5, MASK, 4, 5, V6(dst)),
	AT(6, MASK, 4, 6, V6(dst) + 4),
	AT(7, MASK, 4, 7, V6(dst) + 8),
	AT(8, MASK, 4, 8, V6(dst) + 12),
	AT(9, RANGE, 2, 9, V6(sport)),
	AT(10, RANGE, 2, 9, V6(dport)),
};

static const struct rte_acl_field_def defs_ether[] = {
	AT(0, BITMASK, 1, 0, E(zero)),	  AT(1, BITMASK, 4, 1, E(dst)),
	AT(2, BITMASK, 2, 2, E(dst) + 4), AT(3, BITMASK, 2, 2, E(src)),
	AT(4, BITMASK, 4, 3, E(src) + 2), AT(5, BITMASK, 2, 4, E(type)),
	AT(6, BITMASK, 2, 4, E(pad)),
};

struct layout {
	const struct rte_acl_field_def *defs;
	uint32_t nr_defs;
};

static const struct layout layouts[] = {
	[VSW_ACL_ETHER] = {defs_ether, RTE_DIM(defs_ether)},
	[VSW_ACL_IP4] = {defs_v4, RTE_DIM(defs_v4)},
	[VSW_ACL_IP6] = {defs_v6, RTE_DIM(defs_v6)},
};

/* ---- One rule ------------------------------------------------------------------------------- */

static struct rte_acl_field exact8(uint8_t value, bool is_any)
{
	return (struct rte_acl_field){.value.u8 = is_any ? 0 : value,
				      .mask_range.u8 = is_any ? 0 : 0xFF};
}

static struct rte_acl_field range(uint16_t first, uint16_t last)
{
	return (struct rte_acl_field){.value.u16 = first, .mask_range.u16 = last};
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)vsw_get16(p) << 16 | vsw_get16(p + 2);
}

/* Four bytes of an address a field. */
static void put_prefix(struct rte_acl_field *f, const struct vsw_acl_prefix *p, unsigned int words)
{
	unsigned int i, len = p->len;

	for (i = 0; i < words; i++) {
		f[i].value.u32 = get32(p->addr + 4 * i);
		f[i].mask_range.u32 = len < 32 ? len : 32;
		len -= f[i].mask_range.u32;
	}
}

static struct rte_acl_field ports(const struct vsw_acl_range *r)
{
	return r->first || r->last ? range(r->first, r->last) : range(0, UINT16_MAX);
}

static struct rte_acl_field icmp(const struct vsw_acl_rule *r)
{
	const uint16_t type = (uint16_t)(r->icmp_type << 8);

	return r->has_icmp_code ? range(type | r->icmp_code, type | r->icmp_code)
				: range(type, type | 0xFF);
}

static void put_ip(struct rte_acl_field *f, const struct vsw_acl_rule *r)
{
	const unsigned int words = r->layer == VSW_ACL_IP4 ? 1 : 4;

	f[0] = exact8(r->proto, r->proto == 0);
	put_prefix(f + 1, &r->src, words);
	put_prefix(f + 1 + words, &r->dst, words);
	f[1 + 2 * words] = r->has_icmp_type ? icmp(r) : ports(&r->src_port);
	f[2 + 2 * words] = ports(&r->dst_port);
}

static void put_bits(struct rte_acl_field *f, const uint8_t *value, const uint8_t *mask,
		     unsigned int bytes)
{
	f->value.u32 = bytes == 4 ? get32(value) : vsw_get16(value);
	f->mask_range.u32 = bytes == 4 ? get32(mask) : vsw_get16(mask);
}

static void put_ether(struct rte_acl_field *f, const struct vsw_acl_rule *r)
{
	f[0] = exact8(0, true);
	put_bits(f + 1, r->dst_mac.addr, r->dst_mac.mask, 4);
	put_bits(f + 2, r->dst_mac.addr + 4, r->dst_mac.mask + 4, 2);
	put_bits(f + 3, r->src_mac.addr, r->src_mac.mask, 2);
	put_bits(f + 4, r->src_mac.addr + 2, r->src_mac.mask + 2, 4);
	f[5].value.u16 = r->ether_type;
	f[5].mask_range.u16 = r->ether_type ? UINT16_MAX : 0;
	f[6] = (struct rte_acl_field){.value.u16 = 0, .mask_range.u16 = 0};
}

/* ---- A trie --------------------------------------------------------------------------------- */

/* What a trie is made for. */
struct goal {
	const struct vsw_policy_cfg *cfg;
	enum vsw_policy_way way;
	enum vsw_acl_layer layer;
	bool is_blind;
};

static bool is_for(const struct goal *g, const struct vsw_acl_rule *r)
{
	return r->layer == g->layer && r->ways & (1u << g->way);
}

static bool has_ports(const struct vsw_acl_rule *r)
{
	return r->has_icmp_type || r->src_port.last || r->dst_port.last;
}

static int add(struct rte_acl_ctx *ctx, struct rte_acl_rule *to, uint32_t i)
{
	to->data.category_mask = 1;
	to->data.priority = (int32_t)(RTE_ACL_MAX_PRIORITY - i);
	to->data.userdata = i + 1;
	return rte_acl_add_rules(ctx, to, 1);
}

/* Of a packet without ports, whose protocol may be unknown, too: a permission must be sure, a denial
 * need not. */
static int add_blind(struct rte_acl_ctx *ctx, struct rte_acl_rule *to, const struct vsw_acl_rule *r,
		     uint32_t i)
{
	struct rte_acl_field *class = &to->field[r->layer == VSW_ACL_IP4 ? 3 : 9];
	int rc;

	if (r->action == VSW_ACL_PERMIT && has_ports(r))
		return 0;
	class[1] = range(0, UINT16_MAX);
	if (r->action == VSW_ACL_PERMIT) {
		class[0] = range(ACL_PORTS_UNKNOWN, r->proto ? ACL_PORTS_UNKNOWN : UINT16_MAX);
		return add(ctx, to, i);
	}
	class[0] = range(ACL_PORTS_UNKNOWN, ACL_PORTS_UNKNOWN);
	rc = add(ctx, to, i);
	if (rc)
		return rc;
	to->field[0] = exact8(0, true);
	class[0] = range(ACL_PROTO_UNKNOWN, ACL_PROTO_UNKNOWN);
	return add(ctx, to, i);
}

static int add_rules(struct rte_acl_ctx *ctx, const struct goal *g)
{
	union {
		struct rte_acl_rule rule;
		uint8_t room[RTE_ACL_RULE_SZ(FIELDS_MAX)];
	} to;
	uint32_t i;
	int rc = 0;

	for (i = 0; i < g->cfg->nr_rules && !rc; i++) {
		const struct vsw_acl_rule *r = &g->cfg->rules[i];

		if (!is_for(g, r))
			continue;
		memset(&to, 0, sizeof(to));
		if (g->layer == VSW_ACL_ETHER)
			put_ether(to.rule.field, r);
		else
			put_ip(to.rule.field, r);
		rc = g->is_blind ? add_blind(ctx, &to.rule, r, i) : add(ctx, &to.rule, i);
	}
	return rc;
}

static struct rte_acl_ctx *ctx_create(const struct goal *g, uint32_t nr)
{
	static uint64_t serial; /* names are unique in a process */
	const struct layout *l = &layouts[g->layer];
	char name[RTE_ACL_NAMESIZE];
	struct rte_acl_param par = {
		.name = name,
		.socket_id = SOCKET_ID_ANY,
		.rule_size = (uint32_t)RTE_ACL_RULE_SZ(l->nr_defs),
		.max_rule_num = nr,
	};

	snprintf(name, sizeof(name), "pol%llx",
		 (unsigned long long)__atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED));
	return rte_acl_create(&par);
}

static int ctx_build(struct rte_acl_ctx *ctx, const struct goal *g)
{
	const struct layout *l = &layouts[g->layer];
	struct rte_acl_config conf = {.num_categories = 1, .num_fields = l->nr_defs};
	int rc;

	memcpy(conf.defs, l->defs, l->nr_defs * sizeof(*l->defs));
	rc = add_rules(ctx, g);
	return rc ? rc : rte_acl_build(ctx, &conf);
}

static uint32_t count(const struct goal *g)
{
	uint32_t i, n = 0;

	for (i = 0; i < g->cfg->nr_rules; i++) {
		const struct vsw_acl_rule *r = &g->cfg->rules[i];

		if (!is_for(g, r))
			continue;
		n++;
		if (g->is_blind) /* a denial is two; a permission with ports is none */
			n += r->action == VSW_ACL_DENY ? 1 : has_ports(r) ? -1 : 0;
	}
	return n;
}

static int trie(struct rte_acl_ctx **out, const struct goal *g)
{
	uint32_t n = count(g);
	int rc;

	if (n == 0)
		return 0;
	*out = ctx_create(g, n);
	if (!*out)
		return err_set(-ENOMEM, "%u ACL rules for %s: out of memory", n,
			       pol_way_name(g->way));
	rc = ctx_build(*out, g);
	if (rc)
		return err_sys(rc, "%u ACL rules for %s cannot be compiled", n,
			       pol_way_name(g->way));
	return 0;
}

int acl_set_build(struct acl_set *s, const struct vsw_policy_cfg *cfg, enum vsw_policy_way way)
{
	struct goal g = {.cfg = cfg, .way = way, .layer = VSW_ACL_ETHER};
	unsigned int v6;
	int rc = trie(&s->ether, &g);

	s->default_ip = cfg->default_ip[way];
	s->default_ether = cfg->default_ether[way];
	for (v6 = 0; v6 < 2 && !rc; v6++) {
		g.layer = v6 ? VSW_ACL_IP6 : VSW_ACL_IP4;
		g.is_blind = false;
		rc = trie(&s->full[v6], &g);
		g.is_blind = true;
		rc = rc ? rc : trie(&s->blind[v6], &g);
	}
	s->is_strict = s->full[0] || s->full[1] || s->default_ip == VSW_ACL_DENY;
	return rc;
}

void acl_set_free(struct acl_set *s)
{
	unsigned int v6;

	rte_acl_free(s->ether);
	for (v6 = 0; v6 < 2; v6++) {
		rte_acl_free(s->full[v6]);
		rte_acl_free(s->blind[v6]);
	}
}
