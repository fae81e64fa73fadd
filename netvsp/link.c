/* SPDX-License-Identifier: BSD-3-Clause */
/* An adapter's link. ctl says whether it is up; the primary's reader applies that, because all that
 * decides about delivery is written by it, and tells the guest.
 *
 * Linux works one change off every two seconds, in order, and watchers of the carrier are slower still:
 * changes are told five seconds apart at least, and what changed back in between is not told. A guest
 * whose filter is 0 hears nothing; it asks for the state before it opens the adapter. */
#include <time.h>

#include "netvsp/priv.h"
#include "vswitch/vswitch.h"

#define SPACING_MS 5000u

static bool is_down(const struct netvsp_nic *nic)
{
	return __atomic_load_n(&nic->cfg.link_down, __ATOMIC_RELAXED);
}

uint64_t netvsp_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Work that waits is done by the next poll, which a sleeping lcore is woken for. */
static void order(struct netvsp_nic *nic, unsigned int work)
{
	atomic_fetch_or(&nic->link_work, work);
	vsw_wake(nic->nv->sw);
}

static bool is_listening(const struct netvsp_state *st)
{
	return __atomic_load_n(&st->rndis_ready, __ATOMIC_RELAXED) &&
	       __atomic_load_n(&st->packet_filter, __ATOMIC_RELAXED);
}

void netvsp_link_check(struct netvsp_nic *nic, uint64_t now_ms)
{
	const struct netvsp_state *st = nic->st;

	if (atomic_load(&nic->link_work)) {
		vsw_wake(nic->nv->sw); /* there was no room, and nothing else may wake it */
		return;
	}
	if (!st || !is_listening(st) ||
	    __atomic_load_n(&st->link_told_down, __ATOMIC_RELAXED) == is_down(nic))
		return;
	if (nic->link_told_ms && now_ms - nic->link_told_ms < SPACING_MS)
		return;
	nic->link_told_ms = now_ms;
	order(nic, NETVSP_LINK_TELL);
}

void netvsp_nic_set_link(struct netvsp_nic *nic, bool is_up)
{
	__atomic_store_n(&nic->cfg.link_down, !is_up, __ATOMIC_RELAXED);
	netvsp_link_check(nic, netvsp_now_ms());
	order(nic, NETVSP_LINK_APPLY);
}

void netvsp_link_cut(struct netvsp_nic *nic)
{
	__atomic_store_n(&nic->cfg.link_down, true, __ATOMIC_RELAXED);
	order(nic, NETVSP_LINK_APPLY);
}

/* ---- lcore --------------------------------------------------------------------------------- */

uint32_t netvsp_link_media(const struct netvsp_nic *nic)
{
	uint32_t down = is_down(nic);

	__atomic_store_n(&nic->st->link_told_down, down, __ATOMIC_RELAXED);
	return down; /* 0: connected */
}

/* False: there is no room now. */
static bool tell(struct netvsp_chan *ch, unsigned int lcore, bool down)
{
	const struct rndis_indicate m = {
		.hdr = {RNDIS_MSG_INDICATE, sizeof(m)},
		.status = down ? RNDIS_STATUS_MEDIA_DISCONN : RNDIS_STATUS_MEDIA_CONNECT,
		.status_offset = sizeof(m) - RNDIS_REL,
	};
	bool is_done, wanted = false;

	rte_spinlock_lock(&ch->lock);
	is_done = vmbus_ring_space(&ch->out) >=
			  (int32_t)(netvsp_out_reserve(ch) + NETVSP_ANSWER_ROOM) &&
		  netvsp_put_rndis(ch, &m, sizeof(m));
	if (is_done) {
		__atomic_store_n(&ch->nic->st->link_told_down, down, __ATOMIC_RELAXED);
		vmbus_state_h2g_commit(ch->cs, ch->out.own, ch->rx_seq, ch->burst_done);
		wanted = vmbus_ring_publish_write(&ch->out);
	}
	rte_spinlock_unlock(&ch->lock);
	netvsp_signal(ch, lcore, wanted);
	return is_done;
}

void netvsp_link_work(struct netvsp_chan *ch, unsigned int lcore)
{
	struct netvsp_nic *nic = ch->nic;
	unsigned int work = atomic_exchange(&nic->link_work, 0);
	bool down = is_down(nic);

	if (work & NETVSP_LINK_APPLY)
		netvsp_update_rx_on(nic);
	if (!(work & NETVSP_LINK_TELL) || !is_listening(nic->st) || nic->st->link_told_down == down)
		return;
	if (!tell(ch, lcore, down))
		atomic_fetch_or(&nic->link_work, NETVSP_LINK_TELL);
}
