/* SPDX-License-Identifier: BSD-3-Clause */
/* An adapter and its VF: what the worker says of the VF, what the guest asks, and what comes of both. The
 * decisions are path.c's; here they are carried out, kept in the state memfd, and told.
 *
 * A request of the guest stays at the head of its ring until it is answered: the lcore reads it again at
 * each poll, hands it to ctl the first time, and takes it when ctl says that it is done. So a switch that
 * is killed meanwhile leaves no debt: its successor reads the request, too, finds the path where it was
 * left, and answers. What the guest sends behind the request on that channel waits as long. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "netvsp/priv.h"
#include "vswitch/vswitch.h"

#define ANSWER_MS 10000u /* for the worker, and between two tries to set the NIC right */

/* nic->vf.ask: the request at the head of the ring, 1 for the VF, and what became of it. */
#define ASK_VF	     1u
#define ASK_IS_OPEN  2u
#define ASK_ANSWERED 4u

#define TOLD_ALLOCATED (1ull << 32) /* over the serial number */

/* ---- lcore --------------------------------------------------------------------------------- */

static bool is_capable(const struct netvsp_state *st)
{
	return st->nvsp_version >= NVSP_V4 && (st->ndis_caps & NVSP_NDIS_CAP_SRIOV);
}

enum netvsp_vf_asked netvsp_vf_ask(struct netvsp_chan *ch, bool is_vf)
{
	const unsigned int want = is_vf ? ASK_VF : 0;
	struct netvsp_nic *nic = ch->nic;
	unsigned int ask = atomic_load(&nic->vf.ask);

	if (ask == (want | ASK_ANSWERED)) {
		atomic_store(&nic->vf.ask, 0);
		return NETVSP_VF_ANSWERED;
	}
	ch->waits_for_path = true;
	if (ask == (want | ASK_IS_OPEN))
		return NETVSP_VF_WAITS;
	/* The first time; or another request is in its place, by a guest that rewrites its ring. */
	atomic_store(&nic->vf.ask, want | ASK_IS_OPEN);
	if (!vsw_event_post(nic->nv->sw, netvsp_ctl_path, nic,
			    (uint64_t)want << 32 | ch->cs->generation))
		atomic_store(&nic->vf.ask, 0);
	return NETVSP_VF_WAITS;
}

bool netvsp_vf_has_answer(const struct netvsp_nic *nic)
{
	return !(atomic_load(&nic->vf.ask) & ASK_IS_OPEN);
}

/* False: there is no room now. The state says that the guest was told when that is committed: killed in
 * between, a new switch tells it twice, which is better than never. */
static bool tell(struct netvsp_chan *ch, unsigned int lcore, uint64_t assoc)
{
	const struct nvsp_msg m = {
		.type = NVSP_MSG_VF_ASSOCIATION,
		.vf_association = {assoc & TOLD_ALLOCATED ? 1 : 0, (uint32_t)assoc}};
	const struct vmbus_pkt_desc d = {.type = VMBUS_PKT_INBAND,
					 .offset8 = sizeof(d) / 8,
					 .len8 = (sizeof(d) + sizeof(m)) / 8};
	bool is_done, wanted = false;

	rte_spinlock_lock(&ch->lock);
	is_done = vmbus_ring_space(&ch->out) >=
		  (int32_t)(netvsp_out_reserve(ch) + NETVSP_ANSWER_ROOM);
	if (is_done) {
		vmbus_ring_put(&ch->out, &d, NULL, 0, &m, sizeof(m));
		vmbus_state_h2g_commit(ch->cs, ch->out.own, ch->rx_seq, ch->burst_done);
		ch->nic->st->vf_told = assoc;
		wanted = vmbus_ring_publish_write(&ch->out);
	}
	rte_spinlock_unlock(&ch->lock);
	netvsp_signal(ch, lcore, wanted);
	return is_done;
}

void netvsp_vf_work(struct netvsp_chan *ch, unsigned int lcore)
{
	struct netvsp_nic *nic = ch->nic;
	const struct netvsp_state *st = nic->st;
	uint64_t assoc;

	atomic_store(&nic->vf.has_news, false); /* first: what comes later sets it again */
	assoc = atomic_load(&nic->vf.assoc);
	if (!st->rndis_ready || !is_capable(st) || assoc == st->vf_told ||
	    !((assoc | st->vf_told) & TOLD_ALLOCATED))
		return;
	if (!tell(ch, lcore, assoc))
		atomic_store(&nic->vf.has_news, true);
}

void netvsp_vf_greet(struct netvsp_nic *nic)
{
	nic->st->vf_told = 0;
	atomic_store(&nic->vf.has_news, true);
}

/* ---- Doing what path.c says ----------------------------------------------------------------- */

static uint64_t real_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Where it is kept, or NULL while the adapter has no channel. */
static struct vmbus_path_state *kept(const struct netvsp_nic *nic)
{
	const struct vmbus_chan *vch = nic->chan[0].vch;
	const struct vmbus_chan_info *info = vch ? vmbus_chan_info(vch) : NULL;

	return info && info->relid ? &info->state->path : NULL;
}

/* Before anything is done: a successor does again what it finds begun. */
static void keep(const struct netvsp_nic *nic)
{
	const struct netvsp_path *p = &nic->vf.path;
	struct vmbus_path_state *k = kept(nic);

	if (!k)
		return;
	k->serial = p->is_allocated ? p->serial : 0;
	k->wants_vf = p->wants_vf;
	k->switches = p->switches;
	k->since_ms = nic->vf.since_ms;
	__atomic_store_n(&k->state, (uint32_t)p->state, __ATOMIC_RELEASE);
}

static void ask_worker(struct netvsp_nic *nic, enum vmbus_path path)
{
	nic->vf.asked_ms = netvsp_now_ms();
	/* With nobody there the end of the channel is on its way to us. */
	if (nic->chan[0].vch)
		(void)vmbus_chan_path(nic->chan[0].vch, path);
}

static void answer_guest(struct netvsp_nic *nic)
{
	unsigned int ask = atomic_load(&nic->vf.ask);

	/* An lcore that puts another request in its place has posted that, too. */
	if (ask & ASK_IS_OPEN)
		atomic_compare_exchange_strong(&nic->vf.ask, &ask, (ask & ASK_VF) | ASK_ANSWERED);
	vsw_wake(nic->nv->sw);
}

static void associate(struct netvsp_nic *nic)
{
	const struct netvsp_path *p = &nic->vf.path;

	atomic_store(&nic->vf.assoc, (p->is_associated ? TOLD_ALLOCATED : 0) | p->told_serial);
	atomic_store(&nic->vf.has_news, true);
	vsw_wake(nic->nv->sw);
}

static const char *removal_text(const struct netvsp_nic *nic)
{
	if (nic->vf.path.denied & NETVSP_PATH_BY_POLICY)
		return nic->vf.obstacle ? nic->vf.obstacle : "policy";
	return "a forwarding extension takes it away";
}

static void act(struct netvsp_nic *nic, unsigned int todo)
{
	keep(nic);
	if (todo & NETVSP_PATH_STOP)
		vsw_port_vf_path_set(nic->port, VSW_VF_PATH_ON, nic->cfg.vf_uplink);
	if (todo & NETVSP_PATH_ASK_VF)
		ask_worker(nic, VMBUS_PATH_VF);
	if (todo & NETVSP_PATH_ASK_SYNTHETIC)
		ask_worker(nic, VMBUS_PATH_SYNTHETIC);
	if (todo & NETVSP_PATH_START)
		vsw_port_vf_path_set(nic->port, VSW_VF_PATH_OFF, NULL);
	if (todo & NETVSP_PATH_COMPLETE)
		answer_guest(nic);
	if (todo & NETVSP_PATH_ASSOCIATE)
		associate(nic);
	if ((todo & NETVSP_PATH_REMOVE) && nic->chan[0].vch)
		(void)vmbus_chan_vf_remove(nic->chan[0].vch, removal_text(nic));
}

static bool is_on_vf(enum netvsp_path_state s)
{
	return s == NETVSP_PATH_VF || s == NETVSP_PATH_TO_SYNTHETIC;
}

static void step(struct netvsp_nic *nic, enum netvsp_path_event ev, uint32_t serial)
{
	bool was = is_on_vf(nic->vf.path.state);
	unsigned int todo = netvsp_path_step(&nic->vf.path, ev, serial, netvsp_now_ms());

	if (was != is_on_vf(nic->vf.path.state)) {
		nic->vf.since_ms = real_ms();
		log_info(nic->cfg.name, "data path: %s", was ? "synthetic" : "VF");
	}
	act(nic, todo);
}

/* ---- Events -------------------------------------------------------------------------------- */

void netvsp_ctl_path(void *ctx, uint64_t arg)
{
	struct netvsp_nic *nic = ctx;

	if (!nic->st || nic->chan[0].cs->generation != (uint32_t)arg)
		return;
	if (is_capable(nic->st))
		step(nic, arg >> 32 ? NETVSP_PATH_GUEST_VF : NETVSP_PATH_GUEST_SYNTHETIC, 0);
	else
		answer_guest(nic);
}

static void check_obstacle(struct netvsp_nic *nic)
{
	const char *now = vsw_port_vf_obstacle(nic->port);

	if (!now == !nic->vf.obstacle)
		return;
	nic->vf.obstacle = now;
	step(nic, now ? NETVSP_PATH_POLICY_ON : NETVSP_PATH_POLICY_OFF, 0);
}

/* The first word about the VF comes before the channel is opened or taken over. */
static void take_over(struct netvsp_nic *nic)
{
	const struct vmbus_path_state *k = kept(nic);
	struct netvsp_path *p = &nic->vf.path;

	if (nic->vf.is_known || !k)
		return;
	nic->vf.is_known = true;
	if (k->state >= NETVSP_PATH_STATES || (!k->serial && k->state == NETVSP_PATH_SYNTHETIC))
		return;
	p->state = (enum netvsp_path_state)k->state;
	p->serial = k->serial;
	p->is_allocated = k->serial != 0;
	p->wants_vf = k->wants_vf;
	p->switches = k->switches;
	nic->vf.since_ms = k->since_ms;
	if (p->state != NETVSP_PATH_SYNTHETIC) {
		p->is_associated = true; /* else it would not be on its way */
		p->told_serial = p->serial;
		associate(nic);
	}
	act(nic, netvsp_path_resume(p));
}

int netvsp_vf_set(struct vmbus_chan *vch, uint32_t serial, bool is_allocated)
{
	struct netvsp_chan *ch = vmbus_chan_info(vch)->ctx;
	struct netvsp_nic *nic = ch->nic;

	take_over(nic);
	check_obstacle(nic);
	step(nic, is_allocated ? NETVSP_PATH_VF_ADDED : NETVSP_PATH_VF_REMOVED, serial);
	vsw_port_vf_assigned_set(nic->port, is_allocated);
	log_info(nic->cfg.name, "VF %u %s", serial, is_allocated ? "is assigned" : "goes");
	return 0;
}

void netvsp_vf_path_done(struct vmbus_chan *vch, int status, const char *why)
{
	struct netvsp_chan *ch = vmbus_chan_info(vch)->ctx;
	struct netvsp_nic *nic = ch->nic;

	snprintf(nic->vf.why, sizeof(nic->vf.why), "%s", status ? why : "");
	if (status)
		log_warn(nic->cfg.name, "data path: the host could not set the NIC's filters: %s",
			 why);
	step(nic, status ? NETVSP_PATH_FAILED : NETVSP_PATH_DONE, 0);
}

void netvsp_vf_reset(void *ctx, struct vmbus_peer *peer)
{
	struct netvsp *nv = ctx;
	struct netvsp_nic *nic;

	for (nic = nv->nics; nic; nic = nic->next)
		if (nic->peer == peer)
			step(nic, NETVSP_PATH_GUEST_RESET, 0);
}

void netvsp_vf_closed(struct netvsp_nic *nic)
{
	atomic_store(&nic->vf.ask, 0);
	step(nic, NETVSP_PATH_GUEST_CLOSED, 0);
}

void netvsp_vf_lost(struct netvsp_nic *nic)
{
	if (nic->vf.path.state != NETVSP_PATH_SYNTHETIC)
		ask_worker(nic, VMBUS_PATH_SYNTHETIC);
	atomic_store(&nic->vf.ask, 0);
	step(nic, NETVSP_PATH_LOST, 0);
	vsw_port_vf_assigned_set(nic->port, false);
	nic->vf.is_known = false;
}

static void ctl_removed(void *ctx, uint64_t arg)
{
	struct netvsp_nic *nic = ctx;

	if (!nic->vf.is_taken_away)
		return;
	nic->vf.is_taken_away = false;
	step(nic, NETVSP_PATH_EXTENSION, 0);
}

/* Inside of the extension's callback: what follows takes longer than that may. With the queue full, the next
 * second does it. */
void netvsp_vf_removed(void *ctx, struct vsw_port *port)
{
	struct netvsp *nv = ctx;
	struct netvsp_nic *nic;

	for (nic = nv->nics; nic; nic = nic->next) {
		if (nic->port != port)
			continue;
		nic->vf.is_taken_away = true;
		vsw_event_post(nv->sw, ctl_removed, nic, 0);
	}
}

void netvsp_vf_tick(struct netvsp_nic *nic, uint64_t now_ms)
{
	const struct netvsp_path *p = &nic->vf.path;
	bool is_late = now_ms - nic->vf.asked_ms >= ANSWER_MS;

	if (is_late && (p->state == NETVSP_PATH_TO_VF || p->state == NETVSP_PATH_TO_SYNTHETIC)) {
		snprintf(nic->vf.why, sizeof(nic->vf.why), "no answer within %u s",
			 ANSWER_MS / 1000);
		log_warn(nic->cfg.name, "data path: %s", nic->vf.why);
		step(nic, NETVSP_PATH_FAILED, 0);
	}
	check_obstacle(nic);
	ctl_removed(nic, 0);
	if ((p->denied & NETVSP_PATH_BY_FLAPPING) || (p->is_dirty && is_late))
		step(nic, NETVSP_PATH_TICK, 0);
	if (atomic_load(&nic->vf.has_news))
		vsw_wake(nic->nv->sw); /* there was no room, and nothing else may wake it */
}

void netvsp_vf_init(struct netvsp_nic *nic)
{
	const struct netvsp_nic_cfg *c = &nic->cfg;

	netvsp_path_init(&nic->vf.path, c->vf_switches_max, c->vf_window_ms, c->vf_quiet_ms);
	nic->vf.since_ms = real_ms();
}

/* ---- Status -------------------------------------------------------------------------------- */

static const struct {
	uint8_t denied;
	const char *word, *text;
} denials[] = {
	{NETVSP_PATH_BY_POLICY, "policy", "the port has policies or is in a mirror"},
	{NETVSP_PATH_BY_EXTENSION, "extension", "a forwarding extension takes the VF away"},
	{NETVSP_PATH_BY_FLAPPING, "flapping",
	 "the guest switched too often; it is left in peace first"},
	{NETVSP_PATH_BY_FAILURE, "failed", NULL},
};

static void why_not(const struct netvsp_nic *nic, struct netvsp_nic_status *out)
{
	const struct netvsp_path *p = &nic->vf.path;
	const char *word = "", *text = "";
	unsigned int i, n = sizeof(denials) / sizeof(denials[0]);

	for (i = 0; i < n && !(p->denied & denials[i].denied); i++)
		;
	if (p->state == NETVSP_PATH_VF)
		;
	else if (i < n)
		word = denials[i].word, text = denials[i].text ? denials[i].text : nic->vf.why;
	else if (p->state != NETVSP_PATH_SYNTHETIC)
		word = "moving", text = "the NIC's filters are being set";
	else if (!p->is_allocated)
		word = "no_vf", text = "no VF is assigned";
	else if (!nic->st || !__atomic_load_n(&nic->st->rndis_ready, __ATOMIC_RELAXED))
		word = "not_ready", text = "the guest has not initialised the adapter";
	else if (!is_capable(nic->st))
		word = "guest", text = "the guest's driver does not take VFs";
	else
		word = "not_asked", text = "the guest has not switched to its VF";
	out->why_not_vf = word;
	snprintf(out->why_not_vf_text, sizeof(out->why_not_vf_text), "%s", text);
}

void netvsp_vf_status(const struct netvsp_nic *nic, struct netvsp_nic_status *out)
{
	const struct netvsp_path *p = &nic->vf.path;

	out->path = is_on_vf(p->state) ? "vf" : "synthetic";
	out->path_state = netvsp_path_word(p->state);
	out->path_since_ms = nic->vf.since_ms;
	out->vf_serial = p->is_allocated ? p->serial : 0;
	out->path_switches = p->switches;
	why_not(nic, out);
}
