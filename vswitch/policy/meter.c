/* SPDX-License-Identifier: BSD-3-Clause */
/* Rates. A bucket is one of rte_meter's, shared by the lcores under a lock that is taken once a burst
 * and that ctl never takes. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/err.h"
#include "vswitch/offload.h"
#include "vswitch/policy/priv.h"

#define BYTES_A_KBPS	  125u /* a second */
#define BURST_PACKETS_MIN 256u
#define BURST_PART	  100u /* of a second's worth: 10 ms */

static uint64_t burst_of(uint64_t given, uint64_t per_s, uint64_t least)
{
	uint64_t usual = per_s / BURST_PART;

	if (given)
		return given;
	return usual > least ? usual : least;
}

/* What the old bucket has left, read while lcores may be at it: a stale number does no harm. */
__attribute__((no_sanitize("thread"))) static uint64_t left_in(const struct rte_meter_srtcm *m,
							       uint64_t max)
{
	uint64_t tc = *(const volatile uint64_t *)&m->tc;

	return tc < max ? tc : max;
}

static int meter_init(struct rte_meter_srtcm *m, struct rte_meter_srtcm_profile *p,
		      const char *what, uint64_t per_s, uint64_t burst)
{
	struct rte_meter_srtcm_params par = {.cir = per_s, .cbs = burst, .ebs = 0};

	if (rte_meter_srtcm_profile_config(p, &par) || rte_meter_srtcm_config(m, p))
		return err_set(-EINVAL,
			       "%s: a rate of %" PRIu64 " a second with a burst of %" PRIu64
			       " cannot be metered",
			       what, per_s, burst);
	return 0;
}

int pol_bucket_init(struct pol_bucket *b, const char *what, uint64_t per_s, uint64_t burst,
		    const struct pol_bucket *old)
{
	int rc;

	rte_spinlock_init(&b->lock);
	if (!per_s)
		return 0;
	rc = meter_init(&b->meter, &b->profile, what, per_s, burst);
	b->is_on = rc == 0;
	if (b->is_on && old && old->is_on)
		b->meter.tc = left_in(&old->meter, burst);
	return rc;
}

/* Lcores read their clocks at different moments; going back would fill the bucket. */
static bool meter_take(struct rte_meter_srtcm *m, struct rte_meter_srtcm_profile *p, uint64_t now,
		       uint64_t cost)
{
	if (cost > p->cbs)
		cost = p->cbs;
	return rte_meter_srtcm_color_blind_check(m, p, now > m->time ? now : m->time,
						 (uint32_t)cost) == RTE_COLOR_GREEN;
}

bool pol_bucket_take(struct pol_bucket *b, uint64_t now_tsc, uint64_t cost)
{
	return meter_take(&b->meter, &b->profile, now_tsc, cost);
}

/* ---- Rate limits ---------------------------------------------------------------------------- */

static uint64_t packets_of(const struct nethv_pkt *p)
{
	return p->flags & NETHV_PKT_LSO ? vsw_lso_segments(p) : 1;
}

/* On the wire: each segment has the headers. */
static uint64_t bytes_of(const struct nethv_pkt *p)
{
	if (!(p->flags & NETHV_PKT_LSO))
		return p->len;
	return p->len + (vsw_lso_segments(p) - 1) * (uint64_t)vsw_lso_hdr_len(p);
}

int pol_rate_init(struct vsw_policy *pol, const struct vsw_policy_cfg *cfg,
		  const struct vsw_policy *old)
{
	unsigned int way;
	int rc = 0;

	for (way = 0; way < 2 && !rc; way++) {
		const struct vsw_rate_cfg *r = &cfg->rate[way];
		const uint64_t bps = r->max_kbps * BYTES_A_KBPS;

		rc = pol_bucket_init(&pol->bytes[way], pol_way_name(way), bps,
				     burst_of(r->burst_bytes, bps, VSW_RATE_BURST_MIN),
				     old ? &old->bytes[way] : NULL);
		if (!rc)
			rc = pol_bucket_init(
				&pol->packets[way], pol_way_name(way), r->max_pps,
				burst_of(r->burst_packets, r->max_pps, BURST_PACKETS_MIN),
				old ? &old->packets[way] : NULL);
	}
	return rc;
}

static void limit(struct pol_burst *b, struct pol_bucket *m,
		  uint64_t (*cost)(const struct nethv_pkt *))
{
	const enum vsw_policy_drop kind =
		b->way == VSW_POLICY_INGRESS ? VSW_POLICY_DROP_rate_in : VSW_POLICY_DROP_rate_out;
	uint16_t k;

	rte_spinlock_lock(&m->lock);
	for (k = 0; k < b->n; k++) {
		if (!b->why[b->at[k]] && !pol_bucket_take(m, b->v->now_tsc, cost(&b->slot[k]->pkt)))
			pol_drop(b, k, VSW_DROP_rate_limited, kind);
	}
	rte_spinlock_unlock(&m->lock);
}

void pol_rate_run(struct vsw_policy *pol, struct pol_burst *b)
{
	if (pol->packets[b->way].is_on)
		limit(b, &pol->packets[b->way], packets_of);
	if (pol->bytes[b->way].is_on)
		limit(b, &pol->bytes[b->way], bytes_of);
}

/* ---- Minimum shares ------------------------------------------------------------------------- */

struct source {
	bool has_min;
	struct rte_meter_srtcm meter;
	struct rte_meter_srtcm_profile profile;
};

/* The total's bucket may go below zero: what is within a minimum is not asked, and the others wait until
 * it is paid back. The minima in sum are no more than the total, so it is. */
struct pol_share {
	alignas(64) rte_spinlock_t lock;
	int64_t left;
	uint64_t time;
	struct rte_meter_srtcm_profile profile;
	struct source source[VSW_PORTS_MAX];
};

static int source_init(struct source *s, uint64_t kbps)
{
	const uint64_t bps = kbps * BYTES_A_KBPS;

	s->has_min = kbps != 0;
	if (!s->has_min)
		return 0;
	return meter_init(&s->meter, &s->profile, "minimum share", bps,
			  burst_of(0, bps, VSW_RATE_BURST_MIN));
}

__attribute__((no_sanitize("thread"))) static void share_take_over(struct pol_share *s,
								   const struct pol_share *old)
{
	unsigned int i;

	if (*(const volatile int64_t *)&old->left < s->left)
		s->left = *(const volatile int64_t *)&old->left;
	for (i = 0; i < VSW_PORTS_MAX; i++) {
		if (s->source[i].has_min && old->source[i].has_min)
			s->source[i].meter.tc =
				left_in(&old->source[i].meter, s->source[i].profile.cbs);
	}
}

int pol_share_create(struct pol_share **out, const struct vsw_share_cfg *cfg,
		     const struct pol_share *old)
{
	const uint64_t bps = cfg->total_kbps * BYTES_A_KBPS;
	struct rte_meter_srtcm m;
	struct pol_share *s;
	unsigned int i;
	int rc;

	if (!bps)
		return 0;
	s = aligned_alloc(64, sizeof(*s));
	if (!s)
		return err_set(-ENOMEM, "minimum shares: out of memory");
	*s = (struct pol_share){.left = 0};
	rte_spinlock_init(&s->lock);
	rc = meter_init(&m, &s->profile, "shared rate", bps,
			burst_of(cfg->burst_bytes, bps, VSW_RATE_BURST_MIN));
	for (i = 0; i < VSW_PORTS_MAX && !rc; i++)
		rc = source_init(&s->source[i], cfg->min_kbps ? cfg->min_kbps[i] : 0);
	if (rc) {
		pol_share_destroy(s);
		return rc;
	}
	s->left = (int64_t)s->profile.cbs;
	s->time = m.time;
	if (old)
		share_take_over(s, old);
	*out = s;
	return 0;
}

void pol_share_destroy(struct pol_share *s)
{
	free(s);
}

static void refill(struct pol_share *s, uint64_t now)
{
	uint64_t periods = now > s->time ? (now - s->time) / s->profile.cir_period : 0;
	const int64_t max = (int64_t)s->profile.cbs;
	const uint64_t enough = (uint64_t)(max - s->left) / s->profile.cir_bytes_per_period + 1;

	s->time += periods * s->profile.cir_period;
	if (periods >= enough)
		s->left = max;
	else
		s->left += (int64_t)(periods * s->profile.cir_bytes_per_period);
}

static bool share_take(struct pol_share *s, const struct nethv_pkt *p, uint64_t now)
{
	struct source *src = p->src_port < VSW_PORTS_MAX ? &s->source[p->src_port] : NULL;
	const int64_t max = (int64_t)s->profile.cbs;
	int64_t cost = (int64_t)bytes_of(p);

	if (cost > max)
		cost = max;
	if (!(src && src->has_min && meter_take(&src->meter, &src->profile, now, (uint64_t)cost)) &&
	    s->left < cost)
		return false;
	s->left -= cost;
	return true;
}

void pol_share_run(struct vsw_policy *pol, struct pol_burst *b)
{
	struct pol_share *s = pol->share;
	uint16_t k;

	rte_spinlock_lock(&s->lock);
	refill(s, b->v->now_tsc);
	for (k = 0; k < b->n; k++) {
		if (!share_take(s, &b->slot[k]->pkt, b->v->now_tsc))
			pol_drop(b, k, VSW_DROP_rate_limited, VSW_POLICY_DROP_share);
	}
	rte_spinlock_unlock(&s->lock);
}
