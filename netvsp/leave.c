/* SPDX-License-Identifier: BSD-3-Clause */
/* An adapter that is taken away while its guest talks with it. Linux waits without a limit for the answer
 * to whatever it asked (netvsc_init_buf(), rndis_filter_query_device()…), and a rescind does not end that
 * wait: the probing thread would hang, and every later removal behind it. So the dialogue comes to its end
 * first. Frames stop at once; who asks nothing any more, or talks for too long, loses the adapter. */
#include <string.h>

#include <rte_cycles.h>

#include "netvsp/priv.h"

#define QUIET_MS 500u  /* between two questions of a guest that sets its adapter up, at most */
#define LIMIT_MS 5000u /* for the whole dialogue */

static bool is_in_dialogue(const struct netvsp_nic *nic)
{
	if (!nic->st)
		return false;
	if (atomic_load(&nic->vf.ask))
		return true;
	if (!__atomic_load_n(&nic->st->rndis_ready, __ATOMIC_RELAXED))
		return true; /* it opened the channel, so more is to come */
	return rte_rdtsc() - atomic_load_explicit(&nic->control_tsc, memory_order_relaxed) <
	       rte_get_tsc_hz() / 1000 * QUIET_MS;
}

void netvsp_nic_remove(struct netvsp_nic *nic)
{
	if (!is_in_dialogue(nic)) {
		netvsp_nic_destroy(nic);
		return;
	}
	nic->leave_until_ms = netvsp_now_ms() + LIMIT_MS;
	netvsp_link_cut(nic);
}

static struct netvsp_nic *due(const struct netvsp *nv, uint64_t now_ms)
{
	struct netvsp_nic *nic;

	for (nic = nv->nics; nic; nic = nic->next)
		if (nic->leave_until_ms && (now_ms >= nic->leave_until_ms || !is_in_dialogue(nic)))
			return nic;
	return NULL;
}

void netvsp_leave_check(struct netvsp *nv, uint64_t now_ms)
{
	struct netvsp_nic *nic;

	while ((nic = due(nv, now_ms)))
		netvsp_nic_destroy(nic);
}

static bool is_in_the_way(const struct netvsp_nic *nic, const struct netvsp_nic_cfg *cfg)
{
	return nic->leave_until_ms && (!memcmp(nic->cfg.mac, cfg->mac, sizeof(cfg->mac)) ||
				       netvsp_is_same_number(&nic->cfg, cfg));
}

/* What identifies it for guest and switch is wanted again. */
void netvsp_leave_now(struct netvsp *nv, const struct netvsp_nic_cfg *cfg)
{
	struct netvsp_nic *nic = nv->nics, *next;

	for (; nic; nic = next) {
		next = nic->next;
		if (is_in_the_way(nic, cfg))
			netvsp_nic_destroy(nic);
	}
}
