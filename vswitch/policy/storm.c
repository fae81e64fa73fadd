/* SPDX-License-Identifier: BSD-3-Clause */
/* Storm control: broadcasts and multicasts a second that a port may send into the switch. Frames to
 * unknown addresses are not known here; the forwarder's flood is not limited by this. */
#include <string.h>

#include "vswitch/policy/priv.h"

#define BURST_MIN  8u
#define BURST_PART 10u /* of a second's worth: 100 ms */

static uint64_t burst_of(uint64_t pps)
{
	return pps / BURST_PART > BURST_MIN ? pps / BURST_PART : BURST_MIN;
}

int pol_storm_init(struct vsw_policy *pol, const struct vsw_policy_cfg *cfg,
		   const struct vsw_policy *old)
{
	int rc = pol_bucket_init(&pol->broadcast, "broadcasts", cfg->broadcast_pps,
				 burst_of(cfg->broadcast_pps), old ? &old->broadcast : NULL);

	return rc ? rc
		  : pol_bucket_init(&pol->multicast, "multicasts", cfg->multicast_pps,
				    burst_of(cfg->multicast_pps), old ? &old->multicast : NULL);
}

static bool is_broadcast(const uint8_t *mac)
{
	static const uint8_t all[6] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

	return memcmp(mac, all, sizeof(all)) == 0;
}

static void limit(struct pol_burst *b, struct pol_bucket *m, bool broadcasts,
		  enum vsw_policy_drop kind)
{
	uint16_t k;

	rte_spinlock_lock(&m->lock);
	for (k = 0; k < b->n; k++) {
		const uint8_t *mac = vsw_hdr(&b->slot[k]->pkt);

		if (mac[0] & 1 && is_broadcast(mac) == broadcasts &&
		    !pol_bucket_take(m, b->v->now_tsc, 1))
			pol_drop(b, k, VSW_DROP_storm, kind);
	}
	rte_spinlock_unlock(&m->lock);
}

/* Most bursts have no such frame and take no lock. */
static bool has_groups(const struct pol_burst *b)
{
	uint8_t any = 0;
	uint16_t k;

	for (k = 0; k < b->n; k++)
		any |= vsw_hdr(&b->slot[k]->pkt)[0];
	return any & 1;
}

void pol_storm_run(struct vsw_policy *pol, struct pol_burst *b)
{
	if (!has_groups(b))
		return;
	if (pol->broadcast.is_on)
		limit(b, &pol->broadcast, true, VSW_POLICY_DROP_broadcast);
	if (pol->multicast.is_on)
		limit(b, &pol->multicast, false, VSW_POLICY_DROP_multicast);
}
