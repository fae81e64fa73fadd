/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports: their life, and which lcore polls which of their queues. */
#include "vswitch/port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/log.h"
#include "vswitch/ext/ports.h"
#include "vswitch/policy/policy.h"
#include "vswitch/priv.h"

#define DRAIN_NAP_NS 20000

static int cfg_check_vlan(const struct vsw_port_cfg *cfg)
{
	if (cfg->vlan_mode != VSW_VLAN_ACCESS && cfg->vlan_mode != VSW_VLAN_TRUNK)
		return err_set(-EINVAL, "port %s: VLAN mode %d, want access or trunk", cfg->name,
			       cfg->vlan_mode);
	if (cfg->pvid >= VLAN_NONE)
		return err_set(-EINVAL, "port %s: VLAN %u, want 0..4094", cfg->name, cfg->pvid);
	return 0;
}

static int cfg_check(const struct vsw_port_cfg *cfg, const struct vsw_port_ops *ops)
{
	static const uint8_t no_mac[6];

	if (cfg->name[0] == '\0' || !memchr(cfg->name, '\0', sizeof(cfg->name)))
		return err_set(-EINVAL, "port: name of 1..%zu characters wanted",
			       sizeof(cfg->name) - 1);
	if (cfg->nr_queues > VSW_QUEUES_MAX)
		return err_set(-EINVAL, "port %s: %u queues, want 0..%u", cfg->name, cfg->nr_queues,
			       VSW_QUEUES_MAX);
	if (cfg->mac[0] & 1)
		return err_set(-EINVAL, "port %s: its address %02x:.. is a group address",
			       cfg->name, cfg->mac[0]);
	if (cfg->is_spoof_guarded && memcmp(cfg->mac, no_mac, 6) == 0)
		return err_set(-EINVAL, "port %s: spoof guard without an own address", cfg->name);
	if (!ops->rx || !ops->rx_done || !ops->tx)
		return err_set(-EINVAL, "port %s: rx, rx_done and tx are needed", cfg->name);
	return cfg_check_vlan(cfg);
}

static int check_taken(const struct vsw *sw, const struct vsw_port_cfg *cfg)
{
	unsigned int i;

	for (i = 0; i < PORTS_REAL; i++) {
		const struct vsw_port *p = sw->port[i];

		if (!p)
			continue;
		if (strcmp(p->cfg.name, cfg->name) == 0)
			return err_set(-EEXIST, "port %s: the name is taken", cfg->name);
		if (p->mac && p->mac == vsw_mac_num(cfg->mac))
			return err_set(-EEXIST, "port %s: its address is port %s's own", cfg->name,
				       p->cfg.name);
	}
	return 0;
}

static struct vsw_port *port_new(const struct vsw_port_cfg *cfg)
{
	const size_t load_size = VSW_QUEUES_MAX * sizeof(struct vsw_queue_load);
	struct vsw_port *p = aligned_alloc(alignof(struct vsw_port), sizeof(*p));

	if (!p)
		return NULL;
	memset(p, 0, sizeof(*p));
	if (!cfg->has_load)
		return p;
	p->load = aligned_alloc(alignof(struct vsw_queue_load), load_size);
	if (!p->load) {
		free(p);
		return NULL;
	}
	memset(p->load, 0, load_size);
	return p;
}

static void port_free(struct vsw_port *p)
{
	free(p->load);
	free(p);
}

static void port_init(struct vsw_port *p, struct vsw *sw, const struct vsw_port_cfg *cfg,
		      uint16_t id)
{
	unsigned int q;

	p->sw = sw;
	p->cfg = *cfg;
	p->id = id;
	p->mac = vsw_mac_num(cfg->mac);
	p->pvid = cfg->pvid;
	p->is_trunk = cfg->vlan_mode == VSW_VLAN_TRUNK;
	p->is_guarded = cfg->is_spoof_guarded;
	p->stats = sw->stats->port[id].lcore;
	p->incarnation = sw->next_incarnation++;
	for (q = 0; q < VSW_QUEUES_MAX; q++)
		p->queue[q].event_fd = -1;
}

int vsw_port_create(struct vsw_port **out, struct vsw *sw, const struct vsw_port_cfg *cfg,
		    const struct vsw_port_ops *ops, void *be)
{
	struct vsw_port *p;
	int rc, id;

	rc = cfg_check(cfg, ops);
	if (!rc)
		rc = check_taken(sw, cfg);
	if (rc)
		return rc;
	p = port_new(cfg);
	if (!p)
		return err_set(-ENOMEM, "port %s: out of memory", cfg->name);
	id = vsw_stats_slot(sw, cfg->name);
	if (id < 0) {
		port_free(p);
		return id;
	}
	port_init(p, sw, cfg, (uint16_t)id);
	p->ops = ops;
	p->be = be;
	rc = vsw_ext_port_created(p);
	if (rc) {
		port_free(p);
		return rc;
	}
	sw->port[id] = p;
	*out = p;
	return 0;
}

void vsw_port_destroy(struct vsw_port *p)
{
	if (!p)
		return;
	if (p->is_attached)
		vsw_port_detach(p);
	vsw_ext_port_removed(p);
	p->sw->port[p->id] = NULL;
	vsw_policy_destroy(p->policy);
	port_free(p);
}

/* The lcore with the fewest queues. */
static uint8_t lcore_choose(const struct vsw *sw)
{
	unsigned int load[VSW_LCORES_MAX] = {0}, i, q, best = 0;

	for (i = 0; i < PORTS_REAL; i++) {
		for (q = 0; sw->port[i] && q < VSW_QUEUES_MAX; q++)
			load[sw->port[i]->queue[q].lcore] += sw->port[i]->queue[q].is_on;
	}
	for (i = 1; i < sw->nr_lcores; i++) {
		if (load[i] < load[best])
			best = i;
	}
	return (uint8_t)best;
}

static void queue_on(struct vsw_port *p, uint16_t q)
{
	struct port_queue *pq = &p->queue[q];

	if (!pq->has_lcore)
		pq->lcore = lcore_choose(p->sw);
	pq->event_fd = p->ops->event_fd && p->ops->arm ? p->ops->event_fd(p->be, q) : -1;
	if (pq->event_fd >= 0 && vsw_lcore_watch(p->sw->lcore[pq->lcore], pq->event_fd, p->id, q)) {
		log_warn(p->cfg.name, "queue %u: %s, polling it instead", q, err_text());
		pq->event_fd = -1;
	}
	pq->quiet = p->ops->quiet ? p->ops->quiet(p->be, q) : (struct vsw_quiet){NULL, NULL};
	pq->has_lcore = true;
	pq->is_on = true;
}

/* Before the snapshot without the queue. */
static void queue_off(struct vsw_port *p, uint16_t q)
{
	struct port_queue *pq = &p->queue[q];

	if (pq->event_fd >= 0)
		vsw_lcore_unwatch(p->sw->lcore[pq->lcore], pq->event_fd);
	pq->is_on = false;
	pq->event_fd = -1;
}

/* After the grace period: the lcore may have slept, and left the queue armed. */
static void queue_settle(struct vsw_port *p, uint16_t q)
{
	if (p->ops->arm && p->ops->disarm)
		p->ops->disarm(p->be, q);
}

int vsw_port_attach(struct vsw_port *p)
{
	uint16_t q;
	int rc;

	if (p->is_attached)
		return 0;
	rc = vsw_ext_port_connected(p);
	if (rc)
		return rc;
	rc = vsw_learn_port_joins(p->sw, p);
	for (q = 0; !rc && q < p->cfg.nr_queues; q++)
		queue_on(p, q);
	p->is_attached = true;
	if (!rc)
		rc = vsw_publish(p->sw);
	if (rc)
		vsw_port_detach(p);
	return rc;
}

/* unlink: no look-up leads here, no lcore polls it; quiesce: vsw_republish(); the caller frees. */
void vsw_port_detach(struct vsw_port *p)
{
	bool was_on[VSW_QUEUES_MAX];
	uint16_t q;

	if (!p->is_attached)
		return;
	vsw_ext_port_disconnected(p);
	vsw_learn_port_leaves(p->sw, p);
	for (q = 0; q < VSW_QUEUES_MAX; q++) {
		was_on[q] = p->queue[q].is_on;
		if (was_on[q])
			queue_off(p, q);
	}
	p->is_attached = false;
	vsw_republish(p->sw);
	vsw_hold_port_gone(p->sw, p->id);
	for (q = 0; q < VSW_QUEUES_MAX; q++) {
		if (was_on[q])
			queue_settle(p, q);
		p->queue[q].has_lcore = false;
	}
}

int vsw_port_queue_start(struct vsw_port *p, uint16_t q)
{
	int rc;

	if (!p->is_attached || q >= VSW_QUEUES_MAX)
		return err_set(-EINVAL, "port %s: queue %u cannot start: %s", p->cfg.name, q,
			       p->is_attached ? "no such queue" : "port not attached");
	vsw_port_queue_stop(p, q);
	queue_on(p, q);
	rc = vsw_publish(p->sw);
	if (rc)
		queue_off(p, q);
	return rc;
}

void vsw_port_queue_stop(struct vsw_port *p, uint16_t q)
{
	if (!p->is_attached || q >= VSW_QUEUES_MAX || !p->queue[q].is_on)
		return;
	queue_off(p, q);
	vsw_republish(p->sw);
	queue_settle(p, q);
}

int vsw_port_queue_move(struct vsw_port *p, uint16_t q, uint16_t lcore)
{
	struct port_queue *pq = &p->queue[q < VSW_QUEUES_MAX ? q : 0];
	bool was_on = pq->is_on;

	if (q >= VSW_QUEUES_MAX || lcore >= p->sw->nr_lcores)
		return err_set(-EINVAL, "port %s: queue %u cannot move to lcore %u: no such %s",
			       p->cfg.name, q, lcore, q < VSW_QUEUES_MAX ? "lcore" : "queue");
	if (pq->has_lcore && pq->lcore == lcore)
		return 0;
	vsw_port_queue_stop(p, q); /* after a grace period: what the old lcore took is delivered */
	pq->lcore = (uint8_t)lcore;
	pq->has_lcore = true;
	return was_on ? vsw_port_queue_start(p, q) : 0;
}

bool vsw_port_queue_is_on(const struct vsw_port *p, uint16_t q)
{
	return q < VSW_QUEUES_MAX && p->queue[q].is_on;
}

int vsw_port_queue_lcore(const struct vsw_port *p, uint16_t q)
{
	return q < VSW_QUEUES_MAX && p->queue[q].has_lcore ? p->queue[q].lcore : -1;
}

void vsw_port_queue_load(const struct vsw_port *p, uint16_t q, struct vsw_queue_load *out)
{
	const struct vsw_queue_load *l = p->load && q < VSW_QUEUES_MAX ? &p->load[q] : NULL;

	memset(out, 0, sizeof(*out));
	if (!l)
		return;
	out->tsc = stat_get(&l->tsc);
	out->packets = stat_get(&l->packets);
	out->bursts = stat_get(&l->bursts);
	out->empties = stat_get(&l->empties);
}

/* The poll at hand may have begun before we were called: the second one that leaves nothing counts. */
bool vsw_port_queue_drain(struct vsw_port *p, uint16_t q, uint32_t room)
{
	const struct timespec nap = {0, DRAIN_NAP_NS};
	struct vsw_queue_load from, now;

	if (!p->load || q >= VSW_QUEUES_MAX || !p->queue[q].is_on || !p->sw->is_started ||
	    p->sw->is_parking)
		return false;
	vsw_port_queue_load(p, q, &from);
	do {
		vsw_wake(p->sw); /* an lcore that sleeps does not look */
		nanosleep(&nap, NULL);
		vsw_port_queue_load(p, q, &now);
	} while (now.empties - from.empties < 2 &&
		 now.packets - from.packets < (uint64_t)room + VSW_VEC_SIZE);
	return true;
}

struct vsw_port *vsw_port_find(const struct vsw *sw, const char *name)
{
	for (unsigned int i = 0; i < VSW_PORTS_MAX; i++)
		if (sw->port[i] && !strcmp(sw->port[i]->cfg.name, name))
			return sw->port[i];
	return NULL;
}

struct vsw_port *vsw_port_at(const struct vsw *sw, uint16_t id)
{
	return id < VSW_PORTS_MAX ? sw->port[id] : NULL;
}

uint16_t vsw_port_id(const struct vsw_port *p)
{
	return p->id;
}

const struct vsw_port_cfg *vsw_port_cfg(const struct vsw_port *p)
{
	return &p->cfg;
}

bool vsw_port_is_member(const struct vsw_port *p, uint16_t vid)
{
	return vsw_port_in_vlan(p, vid);
}

int vsw_port_set_policy(struct vsw_port *p, const struct vsw_policy_cfg *cfg)
{
	struct vsw_policy *old = p->policy, *pol = NULL;
	int rc = cfg ? vsw_policy_create(&pol, cfg, p->sw->nr_lcores, old) : 0;

	if (rc)
		return err_prefix("port %s", p->cfg.name), rc;
	p->policy = pol;
	if (p->is_attached)
		rc = vsw_publish(p->sw);
	if (rc) {
		p->policy = old;
		old = pol;
	}
	vsw_policy_destroy(old);
	return rc;
}

struct vsw_policy *vsw_port_policy(const struct vsw_port *p)
{
	return p->policy;
}
