/* SPDX-License-Identifier: BSD-3-Clause */
/* Adapters on the control side: creation, offers, channels that open, close, and come back after a
 * restart of the switch. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "netvsp/priv.h"
#include "vswitch/vswitch.h"

/* ---- lcore -> ctl -------------------------------------------------------------------------- */

static void note_fault(struct netvsp_nic *nic, const struct netvsp_chan *ch, const char *why)
{
	snprintf(nic->last_fault, sizeof(nic->last_fault), "channel %u: %s", ch->info->relid, why);
	nic->faults++;
	log_warn(nic->cfg.name, "%s, closing the channel", nic->last_fault);
}

/* @arg: the channel's generation, so that a late event cannot hit a channel opened since. */
static void ctl_fault(void *ctx, uint64_t arg)
{
	struct netvsp_chan *ch = ctx;

	if (!ch->vch || !ch->is_faulted || ch->cs->generation != (uint32_t)arg)
		return;
	note_fault(ch->nic, ch, ch->fault);
	if (ch->q == 0)
		netvsp_vf_lost(ch->nic);
	vmbus_chan_fault(ch->vch, ch->fault);
	ch->vch = NULL;
}

void netvsp_fault(struct netvsp_chan *ch, const char *why)
{
	const char *none = NULL;

	atomic_compare_exchange_strong(&ch->fault, &none, why);
	atomic_store(&ch->is_faulted, true);
	if (atomic_exchange(&ch->is_reported, true))
		return;
	if (!vsw_event_post(ch->nic->nv->sw, ctl_fault, ch, ch->cs->generation))
		atomic_store(&ch->is_reported, false); /* the next poll or delivery tries again */
}

static void offer_subs(struct netvsp_nic *nic)
{
	struct vmbus_chan_cfg cfg = {.if_type = VMBUS_CLASS_NIC,
				     .if_instance = nic->instance,
				     .wants_monitor = nic->cfg.wants_monitor};
	uint32_t i;

	for (i = 1; i <= nic->st->nr_subs && i < NETVSP_CHANNELS_MAX; i++) {
		struct netvsp_chan *ch = &nic->chan[i];
		int rc;

		if (ch->vch)
			continue;
		cfg.sub_index = (uint16_t)i;
		cfg.ctx = ch;
		rc = vmbus_peer_offer(nic->peer, &cfg, &ch->vch);
		if (rc)
			log_err(nic->cfg.name, "sub-channel %u not offered: %s", i, err_text());
	}
}

static void ctl_offer_subs(void *ctx, uint64_t arg)
{
	struct netvsp_nic *nic = ctx;

	if (nic->st && nic->peer && nic->chan[0].cs->generation == (uint32_t)arg)
		offer_subs(nic);
}

bool netvsp_want_subs(struct netvsp_nic *nic)
{
	return vsw_event_post(nic->nv->sw, ctl_offer_subs, nic, nic->chan[0].cs->generation);
}

/* Whoever has the lock from now on sees that nothing is to be delivered. */
static void writers_wait(struct netvsp_nic *nic)
{
	unsigned int i;

	for (i = 0; i < NETVSP_CHANNELS_MAX; i++) {
		rte_spinlock_lock(&nic->chan[i].lock);
		rte_spinlock_unlock(&nic->chan[i].lock);
	}
}

void netvsp_update_rx_on(struct netvsp_nic *nic)
{
	const struct netvsp_state *st = nic->st;
	bool down = __atomic_load_n(&nic->cfg.link_down, __ATOMIC_RELAXED);
	uint32_t on = st->rndis_ready && !down ? st->packet_filter : 0;
	unsigned int refuses = down ? VSW_DROP_link_down : VSW_DROP_none;

	atomic_store_explicit(&nic->refuses, st->rndis_ready ? refuses : VSW_DROP_src_not_ready,
			      memory_order_relaxed);
	if (atomic_exchange(&nic->rx_on, on) && !on)
		writers_wait(nic);
}

/* ---- Open and close ------------------------------------------------------------------------ */

static void state_fresh(struct netvsp_nic *nic)
{
	struct netvsp_state *st = nic->st;

	st->magic = NETVSP_STATE_MAGIC;
	st->mtu = nic->cfg.mtu;
	/* Linux opens the channel anew for a change of the MTU, of queues or buffers, and keeps the
	 * address that it set before without saying so again. */
	st->has_mac = memcmp(nic->mac, nic->cfg.mac, 6) != 0;
	memcpy(st->mac, nic->mac, 6);
	netvsp_update_rx_on(nic);
}

/* A channel that was open when an earlier switch died. Completes a control answer whose two
 * commits were torn apart, then starts from the committed slots. */
static int chan_resume(struct netvsp_chan *ch)
{
	const struct vmbus_h2g_slot *h = vmbus_state_h2g(ch->cs);
	const struct vmbus_g2h_slot *next = vmbus_state_g2h_next(ch->cs);
	const struct vmbus_g2h_slot *g;

	if (h->burst_done != 0 && next->burst == h->burst_done &&
	    vmbus_state_g2h(ch->cs)->burst + 1 == next->burst)
		vmbus_state_g2h_commit(ch->cs);
	g = vmbus_state_g2h(ch->cs);
	if (vmbus_chan_rings(ch->vch, g->read_index, h->write_index, &ch->in, &ch->out))
		return -EPROTO;
	ch->burst = g->burst;
	ch->burst_done = h->burst_done;
	ch->rx_seq = h->rx_seq;
	/* Taken, perhaps delivered, never completed: completed now, counted as drop `restart`. */
	ch->nr_pending =
		g->burst > h->burst_done && g->nr_taken <= VMBUS_BURST_MAX ? g->nr_taken : 0;
	memset(ch->status, NVSP_STATUS_SUCCESS, sizeof(ch->status));
	__atomic_store_n(&ch->out.ctrl->write_index, ch->out.own, __ATOMIC_RELEASE);
	__atomic_store_n(&ch->in.ctrl->read_index, ch->in.own, __ATOMIC_RELEASE);
	return 0;
}

static int chan_fresh(struct netvsp_chan *ch)
{
	ch->burst = 0;
	ch->burst_done = 0;
	ch->rx_seq = 0;
	ch->nr_pending = 0;
	return vmbus_chan_rings(ch->vch, 0, 0, &ch->in, &ch->out);
}

static bool is_state_ours(const struct netvsp_nic *nic)
{
	const struct netvsp_state *st = nic->st;
	uint32_t i;

	if (st->magic != NETVSP_STATE_MAGIC || st->mtu > nic->cfg.mtu ||
	    st->nr_sections > NETVSP_SECTIONS_MAX || st->nr_subs >= NETVSP_CHANNELS_MAX ||
	    st->rss_entries > NDIS_RSS_TABLE_MAX)
		return false;
	for (i = 0; i < st->rss_entries; i++) {
		if (st->rss_table[i] >= NETVSP_CHANNELS_MAX)
			return false;
	}
	return true;
}

/* The guest may have given the handle to other pages since: less than all sections is no buffer. */
static const struct vmbus_gpadl *resumed_recv(const struct netvsp_nic *nic,
					      const struct netvsp_chan *ch)
{
	const struct netvsp_state *st = nic->st;
	const struct vmbus_gpadl *g = vmbus_chan_gpadl(ch->vch, st->recv_gpadl);

	return g && (uint64_t)st->nr_sections * st->section_size <= g->len ? g : NULL;
}

static int primary_resume(struct netvsp_nic *nic, struct netvsp_chan *ch)
{
	struct netvsp_state *st = nic->st;

	if (!is_state_ours(nic))
		return err_set(-EPROTO, "%s: state of channel %u is not one of ours", nic->cfg.name,
			       ch->info->relid);
	if (st->recv_gpadl)
		atomic_store(&nic->recv, resumed_recv(nic, ch));
	if (st->send_gpadl)
		atomic_store(&nic->send, vmbus_chan_gpadl(ch->vch, st->send_gpadl));
	if (st->has_mac)
		memcpy(nic->mac, st->mac, 6);
	nic->link_told_ms = netvsp_now_ms();   /* or later than it was */
	atomic_store(&nic->vf.has_news, true); /* perhaps */
	netvsp_pool_recover(nic);
	netvsp_update_rx_on(nic);
	return 0;
}

/* Host-owned fields of the shared pages are set here: a re-opened ring may hold stale ones. The
 * queue is polled from its start on, so signals are masked until the lcore sleeps. */
static void rings_ready(struct netvsp_chan *ch)
{
	uint32_t fit = ch->out.size / 256;

	ch->burst_max = (uint16_t)(fit < VMBUS_BURST_MAX ? fit : VMBUS_BURST_MAX);
	vmbus_ring_disarm(&ch->in);
	ch->in.ctrl->feature_bits = VMBUS_RING_FEATURE_PENDING_SEND;
	ch->out.ctrl->pending_send_sz = 0;
}

static int chan_init(struct netvsp_chan *ch, struct vmbus_chan *vch, enum vmbus_open_how how)
{
	struct netvsp_nic *nic = ch->nic;
	int rc;

	ch->vch = vch;
	ch->info = vmbus_chan_info(vch);
	ch->cs = ch->info->state;
	ch->q = ch->info->sub_index;
	ch->monitor = ch->info->monitor;
	ch->monitor_bit = ch->info->monitor_bit;
	ch->is_faulted = false;
	ch->is_reported = false;
	ch->fault = NULL;
	ch->need_room = 0;
	ch->waits_for_path = false;
	ch->may_repeat = how == VMBUS_OPEN_RESUME;
	memset(&ch->rx, 0, sizeof(ch->rx));
	memset(&ch->tx, 0, sizeof(ch->tx));
	rc = how == VMBUS_OPEN_RESUME ? chan_resume(ch) : chan_fresh(ch);
	if (rc)
		return rc;
	rings_ready(ch);
	if (ch->q == 0) {
		nic->st = (struct netvsp_state *)ch->cs->dev;
		if (how == VMBUS_OPEN_RESUME)
			rc = primary_resume(nic, ch);
		else
			state_fresh(nic);
	}
	return rc;
}

/* Nothing of a primary outlives its close, its sub-channels neither: the guest starts from zero. */
static void primary_closed(struct netvsp_nic *nic)
{
	unsigned int i;

	for (i = 1; i < NETVSP_CHANNELS_MAX; i++) {
		if (nic->chan[i].vch)
			vmbus_chan_rescind(nic->chan[i].vch);
		nic->chan[i].vch = NULL;
	}
	atomic_store(&nic->rx_on, 0);
	atomic_store(&nic->link_work, 0);
	atomic_store(&nic->wants_table, false);
	atomic_store(&nic->recv, NULL);
	atomic_store(&nic->send, NULL);
	nic->st = NULL;
	netvsp_vf_closed(nic);
}

/* When it returns no lcore polls the channel nor delivers to it. */
static void chan_retire(struct netvsp_chan *ch)
{
	struct netvsp_nic *nic = ch->nic;

	atomic_store_explicit(&nic->live[ch->q], NULL, memory_order_release);
	vsw_port_queue_stop(nic->port, ch->q);
	vsw_quiesce(nic->nv->sw);
	vsw_lend_settle(nic->nv->sw, &ch->lend);
	/* A report on its way to ctl is void: the state may be gone by then. */
	ch->is_faulted = false;
	if (ch->q == 0) {
		netvsp_direct_withdraw(nic);
		primary_closed(nic);
	} else if (nic->st) {
		netvsp_section_reclaim(nic, ch->info->relid);
		nic->st->relid[ch->q] = 0;
	}
}

/* The frames of a burst that the old switch took and did not complete; once, though the switch that
 * completes it may be killed before it does. */
static void count_restart(struct netvsp_chan *ch)
{
	uint64_t *counted = &ch->nic->st->counted[ch->q];

	if (ch->nr_pending == 0 || *counted == ch->burst)
		return;
	*counted = ch->burst;
	vsw_port_count_restart(ch->nic->port, vmbus_state_g2h(ch->cs)->nr_frames);
}

/* When the last granted sub-channel is open the guest is told how to spread its flows. */
static void table_when_complete(struct netvsp_nic *nic)
{
	uint32_t i;

	for (i = 1; i <= nic->st->nr_subs; i++) {
		if (!nic->st->relid[i])
			return;
	}
	atomic_store(&nic->wants_table, nic->st->nr_subs > 0);
}

static int on_open(struct vmbus_chan *vch, enum vmbus_open_how how)
{
	struct netvsp_chan *ch = vmbus_chan_info(vch)->ctx;
	struct netvsp_nic *nic = ch->nic;
	int rc;

	if (ch->q != 0 && !nic->st)
		return err_set(-EPROTO, "%s: sub-channel opened before its primary", nic->cfg.name);
	rc = chan_init(ch, vch, how);
	if (rc) {
		if (ch->q == 0)
			nic->st = NULL;
		return rc;
	}
	nic->st->relid[ch->q] = (uint16_t)ch->info->relid;
	count_restart(ch);
	if (ch->q != 0)
		table_when_complete(nic);
	atomic_store_explicit(&nic->live[ch->q], ch, memory_order_release);
	netvsp_direct_sync(nic); /* of a resumed channel; on a fresh one there is no buffer yet */
	rc = vsw_port_queue_start(nic->port, ch->q);
	if (rc) {
		chan_retire(ch);
		return rc;
	}
	if (how == VMBUS_OPEN_RESUME) {
		/* Whatever the old switch committed without getting to the signal. */
		netvsp_signal(ch, VMBUS_LCORE_CTL, true);
		if (ch->q == 0)
			offer_subs(nic);
	}
	return 0;
}

static void past_add(struct netvsp_chan_stats *to, const struct netvsp_chan_stats *s)
{
	to->ring_packets += s->ring_packets;
	to->interrupts += s->interrupts;
	to->control += s->control;
	to->copies += s->copies;
	to->direct += s->direct;
	to->armed += s->armed;
	to->monitored += s->monitored;
}

static void on_close(struct vmbus_chan *vch)
{
	struct netvsp_chan *ch = vmbus_chan_info(vch)->ctx;
	struct netvsp_nic *nic = ch->nic;

	chan_retire(ch);
	past_add(&nic->past, &ch->rx);
	past_add(&nic->past, &ch->tx);
	memset(&ch->rx, 0, sizeof(ch->rx));
	memset(&ch->tx, 0, sizeof(ch->tx));
}

static void on_gpadl_gone(struct vmbus_chan *vch, const struct vmbus_gpadl *g)
{
	struct netvsp_chan *ch = vmbus_chan_info(vch)->ctx;
	struct netvsp_nic *nic = ch->nic;
	bool used = false;

	if (atomic_load(&nic->recv) == g) {
		atomic_store(&nic->recv, NULL);
		used = true;
	}
	if (atomic_load(&nic->send) == g) {
		atomic_store(&nic->send, NULL);
		used = true;
	}
	netvsp_direct_gpadl_gone(nic, g);
	if (used)
		vsw_quiesce(nic->nv->sw);
}

/* ---- Peers --------------------------------------------------------------------------------- */

static int offer_primary(struct netvsp_nic *nic, struct vmbus_peer *peer)
{
	const struct vmbus_chan_cfg cfg = {.if_type = VMBUS_CLASS_NIC,
					   .if_instance = nic->instance,
					   .wants_monitor = nic->cfg.wants_monitor,
					   .ctx = &nic->chan[0]};

	nic->peer = peer;
	memcpy(nic->mac, nic->cfg.mac, 6); /* another guest, or one that started anew */
	return vmbus_peer_offer(peer, &cfg, &nic->chan[0].vch);
}

static int on_peer_up(void *ctx, struct vmbus_peer *peer)
{
	struct netvsp *nv = ctx;
	struct netvsp_nic *nic;
	unsigned int i;
	int rc;

	for (nic = nv->nics; nic; nic = nic->next) {
		if (strcmp(nic->cfg.partition, peer->name) != 0)
			continue;
		if (nic->peer)
			return err_set(-EBUSY, "partition %s is connected already", peer->name);
		rc = offer_primary(nic, peer);
		if (rc)
			return rc;
	}
	for (i = 0; i < peer->gm.nr_regions; i++)
		vsw_memory_add(nv->sw, peer->gm.region[i].hva, peer->gm.region[i].len);
	return 0;
}

static void on_peer_down(void *ctx, struct vmbus_peer *peer)
{
	struct netvsp *nv = ctx;
	struct netvsp_nic *nic;
	unsigned int i;

	for (nic = nv->nics; nic; nic = nic->next) {
		if (nic->peer != peer)
			continue;
		netvsp_direct_withdraw(nic);
		nic->peer = NULL;
		for (i = 0; i < NETVSP_CHANNELS_MAX; i++)
			nic->chan[i].vch = NULL;
		/* Without the channel: a worker that comes back finds the path as it left it. */
		netvsp_vf_lost(nic);
	}
	for (i = 0; i < peer->gm.nr_regions; i++)
		vsw_memory_remove(nv->sw, peer->gm.region[i].hva);
}

static void on_quiesce(void *ctx)
{
	vsw_quiesce(((struct netvsp *)ctx)->sw);
}

static const struct vmbus_backend_ops backend_ops = {
	.peer_up = on_peer_up,
	.peer_down = on_peer_down,
	.open = on_open,
	.close = on_close,
	.gpadl_gone = on_gpadl_gone,
	.quiesce = on_quiesce,
	.reset = netvsp_vf_reset,
	.vf = netvsp_vf_set,
	.path_done = netvsp_vf_path_done,
};

/* ---- Life ---------------------------------------------------------------------------------- */

static int event_fd(void *be, uint16_t q)
{
	struct netvsp_nic *nic = be;
	struct netvsp_chan *ch = atomic_load_explicit(&nic->live[q], memory_order_acquire);

	return ch ? ch->info->peer->doorbell_fd[ch->info->relid] : -1;
}

static const struct vsw_port_ops port_ops = {
	.rx = netvsp_rx,
	.rx_done = netvsp_rx_done,
	.tx = netvsp_tx,
	.arm = netvsp_arm,
	.disarm = netvsp_disarm,
	.is_silent = netvsp_is_silent,
	.event_fd = event_fd,
	.quiet = netvsp_quiet,
};

static void each_second(void *ctx, uint64_t arg)
{
	struct netvsp *nv = ctx;
	struct netvsp_nic *nic;
	uint64_t now = netvsp_now_ms();

	for (nic = nv->nics; nic; nic = nic->next)
		if (!nic->leave_until_ms)
			netvsp_link_check(nic, now);
	for (nic = nv->nics; nic; nic = nic->next) {
		netvsp_vf_tick(nic, now);
		netvsp_direct_sync(nic);
	}
	netvsp_leave_check(nv, now);
}

int netvsp_create(struct netvsp **out, struct vsw *sw)
{
	struct netvsp *nv = calloc(1, sizeof(*nv));
	int rc;

	if (!nv)
		return err_set(-ENOMEM, "NetVSP");
	nv->sw = sw;
	rc = vmbus_backend_create(&nv->backend, &backend_ops, nv);
	if (rc) {
		free(nv);
		return rc;
	}
	vsw_each_second(sw, each_second, nv);
	vsw_on_vf_remove(sw, netvsp_vf_removed, nv);
	*out = nv;
	return 0;
}

void netvsp_destroy(struct netvsp *nv)
{
	if (!nv)
		return;
	vsw_each_second_end(nv->sw, nv);
	vsw_on_vf_remove(nv->sw, NULL, NULL);
	while (nv->nics)
		netvsp_nic_destroy(nv->nics);
	vmbus_backend_destroy(nv->backend);
	free(nv);
}

struct vmbus_backend *netvsp_backend(struct netvsp *nv)
{
	return nv->backend;
}

bool netvsp_is_same_number(const struct netvsp_nic_cfg *a, const struct netvsp_nic_cfg *b)
{
	return a->index == b->index && !strcmp(a->partition, b->partition);
}

static int cfg_check(const struct netvsp *nv, const struct netvsp_nic_cfg *cfg)
{
	const struct netvsp_nic *nic;

	if (cfg->mtu > NETVSP_MTU_MAX || (cfg->mtu && cfg->mtu < 68))
		return err_set(-EINVAL, "adapter %s: MTU %u, want 68..%u", cfg->name, cfg->mtu,
			       NETVSP_MTU_MAX);
	if (cfg->max_channels > NETVSP_CHANNELS_MAX)
		return err_set(-EINVAL, "adapter %s: %u channels, want 1..%u", cfg->name,
			       cfg->max_channels, NETVSP_CHANNELS_MAX);
	for (nic = nv->nics; nic; nic = nic->next) {
		if (netvsp_is_same_number(&nic->cfg, cfg))
			return err_set(-EEXIST, "adapter %s: number %u of partition %s is %s",
				       cfg->name, cfg->index, cfg->partition, nic->cfg.name);
	}
	return 0;
}

/* Stable over restarts: the adapter's MAC and number. */
static struct vmbus_guid instance_of(const struct netvsp_nic_cfg *cfg)
{
	struct vmbus_guid g = {.data1 = 0x6e657468, .data2 = 0x7600, .data3 = 0x4000};

	g.data2 |= cfg->index;
	g.data4[0] = 0x80;
	memcpy(g.data4 + 2, cfg->mac, 6);
	return g;
}

static int port_make(struct netvsp_nic *nic)
{
	struct vsw_port_cfg pc = {.kind = VSW_PORT_NIC,
				  .vlan_mode = nic->cfg.vlan_mode,
				  .pvid = nic->cfg.pvid,
				  .nr_queues = 0,
				  .is_spoof_guarded = !nic->cfg.allow_spoofing};
	int rc;

	memcpy(pc.name, nic->cfg.name, sizeof(pc.name));
	memcpy(pc.allowed, nic->cfg.allowed, sizeof(pc.allowed));
	memcpy(pc.mac, nic->cfg.mac, 6);
	rc = vsw_port_create(&nic->port, nic->nv->sw, &pc, &port_ops, nic);
	return rc ? rc : vsw_port_attach(nic->port);
}

int netvsp_nic_create(struct netvsp_nic **out, struct netvsp *nv, const struct netvsp_nic_cfg *cfg)
{
	struct vmbus_peer *peer = vmbus_backend_peer(nv->backend, cfg->partition);
	struct netvsp_nic *nic;
	unsigned int i;
	int rc;

	netvsp_leave_now(nv, cfg);
	rc = cfg_check(nv, cfg);
	if (rc)
		return rc;
	nic = aligned_alloc(64, (sizeof(*nic) + 63) & ~63ul);
	if (!nic)
		return err_set(-ENOMEM, "adapter %s", cfg->name);
	memset(nic, 0, sizeof(*nic));
	nic->nv = nv;
	nic->cfg = *cfg;
	nic->cfg.mtu = cfg->mtu ? cfg->mtu : NETVSP_MTU_DEFAULT;
	nic->cfg.max_channels = cfg->max_channels ? cfg->max_channels : 8;
	nic->cfg.link_mbps = cfg->link_mbps ? cfg->link_mbps : 100000;
	nic->instance = instance_of(cfg);
	rte_spinlock_init(&nic->pool.lock);
	memcpy(nic->mac, cfg->mac, 6);
	for (i = 0; i < NETVSP_CHANNELS_MAX; i++) {
		nic->chan[i].nic = nic;
		nic->chan[i].q = (uint16_t)i;
		rte_spinlock_init(&nic->chan[i].lock);
	}
	rc = port_make(nic);
	if (rc) {
		vsw_port_destroy(nic->port);
		free(nic);
		return rc;
	}
	netvsp_vf_init(nic);
	nic->next = nv->nics;
	nv->nics = nic;
	rc = peer ? offer_primary(nic, peer) : 0;
	if (rc) {
		netvsp_nic_destroy(nic);
		return rc;
	}
	*out = nic;
	return 0;
}

void netvsp_nic_destroy(struct netvsp_nic *nic)
{
	struct netvsp_nic **at;
	int i;

	if (!nic)
		return;
	netvsp_vf_lost(nic);
	for (i = NETVSP_CHANNELS_MAX - 1; i >= 0; i--) {
		if (nic->chan[i].vch)
			vmbus_chan_rescind(nic->chan[i].vch);
		nic->chan[i].vch = NULL;
	}
	netvsp_direct_withdraw(nic);
	for (at = &nic->nv->nics; *at != nic; at = &(*at)->next)
		;
	*at = nic->next;
	vsw_port_detach(nic->port);
	/* No lcore posts events of this adapter any more; those on their way find no channel. */
	vsw_event_process(nic->nv->sw);
	vsw_port_destroy(nic->port);
	free(nic);
}

struct netvsp_nic *netvsp_nic_find(const struct netvsp *nv, const char *name)
{
	struct netvsp_nic *nic = nv->nics;

	while (nic && (nic->leave_until_ms || strcmp(nic->cfg.name, name) != 0))
		nic = nic->next;
	return nic;
}

/* ---- Status -------------------------------------------------------------------------------- */

void netvsp_nic_status(const struct netvsp_nic *nic, struct netvsp_nic_status *out)
{
	struct netvsp_chan_stats rx = {0}, tx = {0};
	unsigned int i;

	*out = (struct netvsp_nic_status){.cfg = &nic->cfg, .port = vsw_port_id(nic->port)};
	out->is_offered = nic->chan[0].vch != NULL;
	out->is_link_down = nic->cfg.link_down;
	out->is_up = atomic_load(&nic->rx_on) != 0;
	if (nic->st) {
		out->nvsp_version = nic->st->nvsp_version;
		out->mtu = nic->st->mtu;
		out->packet_filter = nic->st->packet_filter;
		out->nr_sections = nic->st->nr_sections;
		out->nr_sections_free = nic->pool.nr;
	}
	for (i = 0; i < NETVSP_CHANNELS_MAX; i++) {
		out->nr_channels += atomic_load(&nic->live[i]) != NULL;
		past_add(&rx, &nic->chan[i].rx);
		past_add(&tx, &nic->chan[i].tx);
	}
	out->rx_vmbus_packets = rx.ring_packets;
	out->tx_vmbus_packets = tx.ring_packets;
	out->rndis_control = rx.control + nic->past.control;
	out->interrupts = tx.interrupts + nic->past.interrupts;
	out->doorbells_armed = rx.armed + nic->past.armed;
	out->monitored = rx.monitored + nic->past.monitored;
	out->copies = tx.copies + nic->past.copies;
	out->direct = tx.direct + nic->past.direct;
	out->faults = nic->faults;
	memcpy(out->last_fault, nic->last_fault, sizeof(out->last_fault));
	netvsp_vf_status(nic, out);
}

void netvsp_nic_walk(const struct netvsp *nv, void (*fn)(const struct netvsp_nic *nic, void *ctx),
		     void *ctx)
{
	const struct netvsp_nic *nic;

	for (nic = nv->nics; nic; nic = nic->next)
		if (!nic->leave_until_ms)
			fn(nic, ctx);
}
