/* SPDX-License-Identifier: BSD-3-Clause */
/* A port's policies: life, the order of the stages, counters.
 *
 * Order: guards, ACL, isolation, storm limits, rates. What one stage drops costs no tokens of the next. */
#include "vswitch/policy/policy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_branch_prediction.h>

#include "base/err.h"
#include "vswitch/policy/priv.h"
#include "vswitch/stages.h"

/* ---- Life ----------------------------------------------------------------------------------- */

static int lanes_create(struct vsw_policy *pol, const struct vsw_policy_cfg *cfg,
			unsigned int nr_lcores)
{
	const size_t size = sizeof(struct pol_lane) + cfg->nr_rules * sizeof(uint64_t);
	uint32_t i;

	pol->nr_lcores = nr_lcores;
	pol->nr_rules = cfg->nr_rules;
	pol->lane_size = (size + 63) & ~(size_t)63;
	pol->lanes = aligned_alloc(64, (nr_lcores + 1) * pol->lane_size);
	pol->rule_name = calloc(cfg->nr_rules + 1, sizeof(*pol->rule_name));
	if (!pol->lanes || !pol->rule_name)
		return err_set(-ENOMEM, "counters of %u ACL rules: out of memory", cfg->nr_rules);
	memset(pol->lanes, 0, (nr_lcores + 1) * pol->lane_size);
	for (i = 0; i < cfg->nr_rules; i++)
		memcpy(pol->rule_name[i], cfg->rules[i].name, sizeof(pol->rule_name[i]));
	return 0;
}

static void lane_add(uint64_t *to, const uint64_t *from, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

#define LANE_COUNTERS (offsetof(struct pol_lane, hits) / sizeof(uint64_t))

static void lanes_sum(const struct vsw_policy *pol, struct pol_lane *sum)
{
	unsigned int l;

	memset(sum, 0, sizeof(*sum));
	for (l = 0; l <= pol->nr_lcores; l++)
		lane_add((uint64_t *)sum, (const uint64_t *)pol_lane(pol, l), LANE_COUNTERS);
}

static uint64_t rule_hits(const struct vsw_policy *pol, uint32_t i)
{
	uint64_t sum = 0;
	unsigned int l;

	for (l = 0; l <= pol->nr_lcores; l++)
		lane_add(&sum, &pol_lane(pol, l)->hits[i], 1);
	return sum;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Hits go on with the first old rule of the same name. Names are sorted first: there may be thousands. */
static int hits_take_over(struct vsw_policy *pol, const struct vsw_policy *old)
{
	char **names = calloc(old->nr_rules + 1, sizeof(*names));
	uint32_t i;

	if (!names)
		return err_set(-ENOMEM, "counters of %u ACL rules: out of memory", old->nr_rules);
	for (i = 0; i < old->nr_rules; i++)
		names[i] = old->rule_name[i];
	qsort(names, old->nr_rules, sizeof(*names), by_name);
	for (i = 0; i < pol->nr_rules; i++) {
		char *name = pol->rule_name[i], **was;

		was = bsearch(&name, names, old->nr_rules, sizeof(*names), by_name);
		if (was && name[0])
			pol_lane(pol, pol->nr_lcores)->hits[i] =
				rule_hits(old, (uint32_t)((char(*)[32]) * was - old->rule_name));
	}
	free(names);
	return 0;
}

static int counters_take_over(struct vsw_policy *pol, const struct vsw_policy *old)
{
	struct pol_lane sum;

	lanes_sum(old, &sum);
	memcpy(pol_lane(pol, pol->nr_lcores), &sum, LANE_COUNTERS * sizeof(uint64_t));
	return hits_take_over(pol, old);
}

static int stages_create(struct vsw_policy *pol, const struct vsw_policy_cfg *cfg,
			 const struct vsw_policy *old)
{
	int rc = pol_acl_create(&pol->acl, cfg, old ? old->acl : NULL);

	if (!rc)
		rc = pol_storm_init(pol, cfg, old);
	if (!rc)
		rc = pol_rate_init(pol, cfg, old);
	if (!rc)
		rc = pol_share_create(&pol->share, &cfg->share, old ? old->share : NULL);
	pol_isolate_init(pol, cfg);
	pol->dhcp_guard = cfg->dhcp_guard;
	pol->router_guard = cfg->router_guard;
	return rc;
}

static bool is_needed(const struct vsw_policy *pol, enum vsw_policy_way way)
{
	if (pol->has_acl[way] || pol->bytes[way].is_on || pol->packets[way].is_on)
		return true;
	if (way == VSW_POLICY_EGRESS)
		return pol->is_isolated || pol->share;
	return pol->dhcp_guard || pol->router_guard || pol->broadcast.is_on || pol->multicast.is_on;
}

int vsw_policy_create(struct vsw_policy **out, const struct vsw_policy_cfg *cfg,
		      unsigned int nr_lcores, struct vsw_policy *old)
{
	struct vsw_policy *pol;
	unsigned int way;
	int rc = vsw_policy_check(cfg);

	if (rc)
		return rc;
	pol = aligned_alloc(64, sizeof(*pol));
	if (!pol)
		return err_set(-ENOMEM, "port policies: out of memory");
	memset(pol, 0, sizeof(*pol));
	rc = lanes_create(pol, cfg, nr_lcores);
	if (!rc)
		rc = stages_create(pol, cfg, old);
	if (!rc && old)
		rc = counters_take_over(pol, old);
	if (rc) {
		vsw_policy_destroy(pol);
		return rc;
	}
	for (way = 0; way < 2; way++) {
		pol->has_acl[way] = pol_acl_has(pol->acl, way);
		pol->has[way] = is_needed(pol, way);
	}
	*out = pol;
	return 0;
}

void vsw_policy_destroy(struct vsw_policy *pol)
{
	if (!pol)
		return;
	pol_acl_destroy(pol->acl);
	pol_share_destroy(pol->share);
	free(pol->lanes);
	free(pol->rule_name);
	free(pol);
}

bool vsw_policy_has(const struct vsw_policy *pol, enum vsw_policy_way way)
{
	return pol && pol->has[way];
}

/* ---- A burst -------------------------------------------------------------------------------- */

uint32_t pol_pull(struct pol_burst *b, uint16_t k, uint32_t n)
{
	struct vsw_slot *s = b->slot[k];
	struct nethv_pkt *p = &s->pkt;
	uint32_t at = p->hdr_off - VSW_SNAP_OFF;

	n = n < p->len ? n : p->len;
	n = n < VSW_SNAP_SIZE ? n : VSW_SNAP_SIZE;
	if (n <= p->hdr_len || at > VSW_SNAP_SIZE)
		return p->hdr_len;
	if (at + n > VSW_SNAP_SIZE) { /* a tag's removal left room in front */
		memmove(s->snap, vsw_hdr(p), p->hdr_len);
		p->hdr_off = VSW_SNAP_OFF;
	}
	vsw_slot_copy_backing(b->v, s, p->hdr_len, vsw_hdr(p) + p->hdr_len, n - p->hdr_len);
	p->hdr_len = (uint16_t)n;
	return n;
}

/* Whether more private bytes may show an L4 header that is not seen now. */
static bool is_short(const struct nethv_pkt *p)
{
	return p->l3_version && !p->l4_off && !(p->flags & NETHV_PKT_FRAGMENT) &&
	       p->l4_proto != IP_PROTO_NONE && p->hdr_len < p->len;
}

static void prepare(struct pol_burst *b, const uint16_t *idx, uint16_t n)
{
	uint16_t k;

	for (k = 0; k < n; k++) {
		struct nethv_pkt *p = &b->v->slot[idx[k]].pkt;
		uint32_t had = p->hdr_len;

		b->at[k] = k;
		b->slot[k] = &b->v->slot[idx[k]];
		if (unlikely(is_short(p)) && pol_pull(b, k, VSW_SNAP_SIZE) > had) {
			p->flags &= (uint16_t)~NETHV_PKT_PARSED;
			vsw_parse(p);
		}
	}
	b->n = n;
}

/* Leaves out what was dropped. */
static void compact(struct pol_burst *b)
{
	uint16_t k, n = 0;

	for (k = 0; k < b->n; k++) {
		if (b->why[b->at[k]])
			continue;
		b->at[n] = b->at[k];
		b->slot[n++] = b->slot[k];
	}
	b->n = n;
}

static void run_in(struct vsw_policy *pol, struct pol_burst *b)
{
	if (pol->dhcp_guard || pol->router_guard) {
		pol_guards_run(pol, b);
		compact(b);
	}
	if (pol->has_acl[VSW_POLICY_INGRESS]) {
		pol_acl_run(pol, b);
		compact(b);
	}
	if (pol->broadcast.is_on || pol->multicast.is_on) {
		pol_storm_run(pol, b);
		compact(b);
	}
	pol_rate_run(pol, b);
}

static void run_out(struct vsw_policy *pol, struct pol_burst *b)
{
	if (pol->has_acl[VSW_POLICY_EGRESS]) {
		pol_acl_run(pol, b);
		compact(b);
	}
	if (pol->is_isolated) {
		pol_isolate_run(pol, b);
		compact(b);
	}
	pol_rate_run(pol, b);
	if (pol->share) {
		compact(b);
		pol_share_run(pol, b);
	}
}

void vsw_policy_run(struct vsw_policy *pol, enum vsw_policy_way way, struct vsw_vec *v,
		    const uint16_t *idx, uint16_t n, uint16_t *why)
{
	struct pol_burst b;

	b.v = v;
	b.why = why;
	b.lane = pol_lane(pol, v->lcore);
	b.way = (uint8_t)way;
	prepare(&b, idx, n);
	if (way == VSW_POLICY_INGRESS)
		run_in(pol, &b);
	else
		run_out(pol, &b);
}

/* ---- Status --------------------------------------------------------------------------------- */

static const char *const drop_names[] = {
#define X(name, text) #name,
	VSW_POLICY_DROPS(X)
#undef X
};

static const char *const drop_texts[] = {
#define X(name, text) text,
	VSW_POLICY_DROPS(X)
#undef X
};

const char *vsw_policy_drop_name(unsigned int kind)
{
	return kind < VSW_POLICY_DROP_COUNT ? drop_names[kind] : "?";
}

const char *vsw_policy_drop_text(unsigned int kind)
{
	return kind < VSW_POLICY_DROP_COUNT ? drop_texts[kind] : "?";
}

void vsw_policy_status(const struct vsw_policy *pol, uint64_t now_tsc,
		       struct vsw_policy_status *out)
{
	struct pol_lane sum;

	memset(out, 0, sizeof(*out));
	if (!pol)
		return;
	lanes_sum(pol, &sum);
	memcpy(out->drops, sum.drops, sizeof(out->drops));
	out->default_permits = sum.default_permits;
	out->connection_packets = sum.connection_packets;
	out->related = sum.related;
	out->fragments = sum.fragments;
	out->opened = sum.opened;
	out->replaced = sum.replaced;
	out->refused = sum.refused;
	out->revoked = sum.revoked;
	out->nr_rules = pol->nr_rules;
	pol_acl_status(pol->acl, now_tsc, out);
}

bool vsw_policy_rule(const struct vsw_policy *pol, uint32_t i, struct vsw_policy_rule *out)
{
	if (!pol || i >= pol->nr_rules)
		return false;
	memcpy(out->name, pol->rule_name[i], sizeof(out->name));
	out->hits = rule_hits(pol, i);
	return true;
}
