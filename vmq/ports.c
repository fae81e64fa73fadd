/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports get queues of their own, and give them back, under traffic: nothing is lost, and nothing overtakes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "vmq/priv.h"
#include "vswitch/uplink.h"
#include "vswitch/vswitch.h"

/* What can lie in a queue: the device's ring, or one of ours, which are of one size. Under a flood, when a queue is never
 * seen empty, so many are waited for. */
#define QUEUE_ROOM VSW_UPLINK_RX_DESC
#define VLANS_END  4095u

struct vmq_port *vmq_port_of(struct vmq *v, const struct vsw_port *p)
{
	struct vmq_port *vp = &v->port[vsw_port_id(p)];

	return vp->p == p ? vp : NULL;
}

/* ---- From one queue to another ---------------------------------------------------------------- */

/* When it returns nobody is taking frames from @q. */
static void hold(struct vmq *v, uint16_t q)
{
	__atomic_or_fetch(&v->to[q], VMQ_HELD, __ATOMIC_RELAXED);
	vsw_quiesce(v->cfg.sw);
}

static void release(struct vmq *v, uint16_t q)
{
	__atomic_and_fetch(&v->to[q], ~VMQ_HELD, __ATOMIC_RELAXED);
	vsw_wake(v->cfg.sw);
}

void vmq_over_begin(struct vmq_over *o, struct vmq *v, uint16_t from, uint16_t to)
{
	*o = (struct vmq_over){v, from, to};
	hold(v, to);
}

/* What came before the change is delivered before anything that came after it. */
void vmq_over_end(struct vmq_over *o)
{
	vsw_port_queue_drain(o->v->up, o->from, QUEUE_ROOM);
	release(o->v, o->to);
}

/* ---- One lcore for all ------------------------------------------------------------------------- */

void vmq_one_off(struct vmq *v)
{
	if (!v->is_one)
		return;
	hold(v, VMQ_DEFAULT);
	v->ops->one_lcore(v->pv, false);
	v->is_one = false;
	release(v, VMQ_DEFAULT);
}

static bool is_one_lcore(const struct vmq *v)
{
	const int lcore = vsw_port_queue_lcore(v->up, VMQ_DEFAULT);

	for (uint16_t q = 1; q < vmq_nic_queues(v->nic); q++)
		if (vsw_port_queue_is_on(v->up, q) && vsw_port_queue_lcore(v->up, q) != lcore)
			return false;
	return true;
}

void vmq_one_try(struct vmq *v)
{
	if (v->is_one || !v->ops->one_lcore || !is_one_lcore(v))
		return;
	hold(v, VMQ_DEFAULT);
	for (uint16_t q = 1; q < vmq_nic_queues(v->nic); q++)
		vsw_port_queue_drain(v->up, q, QUEUE_ROOM);
	v->is_one = v->ops->one_lcore(v->pv, true);
	release(v, VMQ_DEFAULT);
}

int vmq_queue_move(struct vmq *v, uint16_t q, uint16_t lcore)
{
	int rc;

	vmq_one_off(v);
	rc = vsw_port_queue_move(v->up, q, lcore);
	vmq_one_try(v);
	return rc;
}

/* ---- Which frames are a port's ----------------------------------------------------------------- */

/* As frames of VLAN @vid come by the uplink's wire. False: they do not. */
static bool filter_for(const struct vmq *v, const struct vsw_port *p, uint16_t vid,
		       struct vmq_filter *f)
{
	if (!vsw_port_is_member(p, vid) || !vsw_port_is_member(v->up, vid))
		return false;
	*f = (struct vmq_filter){.vlan_test = VMQ_VLAN_UNTAGGED};
	memcpy(f->mac, vsw_port_cfg(p)->mac, sizeof(f->mac));
	if (vid == vsw_port_cfg(v->up)->pvid)
		return true;
	f->vlan_test = VMQ_VLAN_IS;
	f->vlan = vid;
	return true;
}

static void hear_port(const struct vmq *v, const struct vsw_port *p, uint64_t vlans[64])
{
	struct vmq_filter f;

	for (uint16_t vid = 0; vid < VLANS_END; vid++)
		if (filter_for(v, p, vid, &f))
			vlans[f.vlan >> 6] |= 1ull << (f.vlan & 63);
}

/* Adapters with or without a queue, and other uplinks. Adapters that were not added, or are gone, are none. */
static bool is_heard(const struct vmq *v, const struct vsw_port *p)
{
	if (!p || p == v->up)
		return false;
	return vsw_port_cfg(p)->kind == VSW_PORT_UPLINK || v->port[vsw_port_id(p)].p == p;
}

static int hear(struct vmq *v)
{
	uint64_t vlans[64] = {0};

	if (!v->ops->hear || !v->up)
		return 0;
	for (uint16_t i = 0; i < VSW_PORTS_MAX; i++) {
		const struct vsw_port *p = vsw_port_at(v->cfg.sw, i);

		if (is_heard(v, p))
			hear_port(v, p, vlans);
	}
	return v->ops->hear(v->pv, vlans);
}

/* A filter for each VLAN; or one for all, where that would be too many: the look-up that follows has the last word. How
 * many; 0: the port is in no VLAN of the uplink. */
static uint16_t filters_list(const struct vmq *v, const struct vsw_port *p,
			     struct vmq_filter f[VMQ_PORT_FILTERS_MAX])
{
	struct vmq_filter one;
	uint16_t n = 0;

	for (uint16_t vid = 0; vid < VLANS_END; vid++) {
		if (!filter_for(v, p, vid, &one))
			continue;
		if (n == VMQ_PORT_FILTERS_MAX) {
			f[0].vlan_test = VMQ_VLAN_ANY;
			f[0].vlan = 0;
			return 1;
		}
		f[n++] = one;
	}
	return n;
}

static int filters_set(struct vmq *v, struct vmq_port *vp, const struct vmq_filter *f, uint16_t n)
{
	const uint32_t owner = vsw_port_id(vp->p) + 1u;

	for (uint16_t i = 0; i < n; i++) {
		int64_t id = vmq_filter_set(v->nic, vp->q[0], owner, &f[i]);

		if (id < 0)
			return (int)id;
		vp->filter[vp->nr_filters++] = (uint32_t)id;
	}
	return 0;
}

static void filters_clear(struct vmq *v, struct vmq_port *vp)
{
	const uint32_t owner = vsw_port_id(vp->p) + 1u;

	while (vp->nr_filters)
		if (vmq_filter_clear(v->nic, vp->filter[--vp->nr_filters], owner))
			log_err(v->cfg.name, "%s: %s", vsw_port_cfg(vp->p)->name, err_text());
}

struct again {
	struct vmq *v;
	int rc;
};

static void filter_again(const struct vmq_filter_info *i, void *ctx)
{
	struct again *a = ctx;

	if (!a->rc && i->q != VMQ_DEFAULT)
		a->rc = a->v->ops->filter_set(a->v->pv, i->q, &i->f);
}

int vmq_filters_again(struct vmq *v)
{
	struct again a = {.v = v};

	vmq_filter_enum(v->nic, UINT16_MAX, filter_again, &a);
	return a.rc;
}

/* ---- Queues ---------------------------------------------------------------------------------- */

static void queues_free(struct vmq *v, struct vmq_port *vp)
{
	const uint32_t owner = vsw_port_id(vp->p) + 1u;

	for (uint16_t i = 0; i < vp->nr_q; i++) {
		const uint16_t q = vp->q[i];

		/* A port that was refused got as far as it got: what is not complete has nothing to stop. */
		vsw_port_queue_stop(v->up, q);
		__atomic_store_n(&v->to[q], VSW_PORT_NONE, __ATOMIC_RELAXED);
		vsw_quiesce(v->cfg.sw);
		if (vmq_queue_free(v->nic, q, owner) || vmq_queue_dma_stopped(v->nic, q) ||
		    vmq_queue_returned(v->nic, q))
			log_err(v->cfg.name, "queue %u: %s", q, err_text());
	}
	vp->nr_q = 0;
}

static int queues_allocate(struct vmq *v, struct vmq_port *vp)
{
	struct vmq_params prm = {
		.lcore = vp->cfg.lcore,
		.is_static = vp->cfg.lcore != VMQ_CPU_ANY,
		.may_direct = vp->cfg.wants_direct,
	};
	const uint16_t want = vp->cfg.nr_queues ? vp->cfg.nr_queues : 1;
	int q;

	snprintf(prm.name, sizeof(prm.name), "%s", vsw_port_cfg(vp->p)->name);
	while (vp->nr_q < want) {
		q = vmq_queue_allocate(v->nic, vsw_port_id(vp->p) + 1u, &prm);
		if (q < 0)
			return vp->nr_q ? 0 : q; /* fewer than asked for do, too */
		vp->q[vp->nr_q++] = (uint16_t)q;
		vmq_meter_reset(v, (uint16_t)q);
		__atomic_store_n(&v->to[q], vsw_port_id(vp->p), __ATOMIC_RELAXED);
	}
	return 0;
}

static int spread(struct vmq *v, struct vmq_port *vp)
{
	if (vp->nr_q == 1)
		return 0;
	if (!v->ops->spread)
		return err_set(-ENOTSUP, "%s has one queue for each port: leave vmq.queues away",
			       v->ops->name);
	return v->ops->spread(v->pv, vp->q[0], vp->q, vp->nr_q);
}

/* The queue is somebody else's next. */
static void spread_end(struct vmq *v, const struct vmq_port *vp)
{
	if (vp->nr_q > 1 && v->ops->spread && v->ops->spread(v->pv, vp->q[0], vp->q, 1))
		log_err(v->cfg.name, "%s: %s", vsw_port_cfg(vp->p)->name, err_text());
}

static int queues_start(struct vmq *v, struct vmq_port *vp)
{
	int rc = 0;

	for (uint16_t i = 0; i < vp->nr_q && !rc; i++) {
		rc = vsw_port_queue_move(v->up, vp->q[i], vmq_lcore_for(v, vp));
		if (!rc)
			rc = vsw_port_queue_start(v->up, vp->q[i]);
	}
	return rc;
}

/* The default queue is drained before the new ones are polled. */
static int serve(struct vmq *v, struct vmq_port *vp)
{
	struct vmq_filter f[VMQ_PORT_FILTERS_MAX];
	const uint16_t nr = filters_list(v, vp->p, f);
	struct vmq_over o;
	int rc;

	if (!nr)
		return err_set(-ENOENT, "it is in no VLAN of the uplink");
	rc = queues_allocate(v, vp);
	if (rc)
		return rc;
	vmq_over_begin(&o, v, VMQ_DEFAULT, vp->q[0]);
	rc = filters_set(v, vp, f, nr);
	if (!rc)
		rc = spread(v, vp);
	if (!rc)
		rc = vmq_allocation_complete(v->nic, vp->q, vp->nr_q);
	vmq_over_end(&o);
	if (rc)
		return rc;
	vmq_one_off(v);
	rc = queues_start(v, vp);
	vmq_one_try(v);
	return rc;
}

/* Nothing goes to its queues any more; what is in any of them comes before what the default queue gets now. */
static void unserve(struct vmq *v, struct vmq_port *vp)
{
	struct vmq_over o;

	if (!vp->nr_q)
		return;
	vmq_over_begin(&o, v, vp->q[0], VMQ_DEFAULT);
	filters_clear(v, vp);
	spread_end(v, vp);
	for (uint16_t i = 1; i < vp->nr_q; i++)
		vsw_port_queue_drain(v->up, vp->q[i], QUEUE_ROOM);
	vmq_over_end(&o);
	queues_free(v, vp);
}

static void unserve_all(struct vmq *v)
{
	for (unsigned int i = 0; i < VSW_PORTS_MAX; i++) {
		struct vmq_port *vp = &v->port[i];

		if (!vp->nr_q)
			continue;
		vmq_direct_stop(v, vp);
		unserve(v, vp);
		vp->is_short = true;
	}
}

static int try(struct vmq *v, struct vmq_port *vp)
{
	int rc = serve(v, vp);

	vp->is_short = rc == -ENOSPC;
	if (!rc) {
		vp->why[0] = '\0';
		vmq_direct_try(v, vp);
		return 0;
	}
	snprintf(vp->why, sizeof(vp->why), "%s", err_text());
	unserve(v, vp);
	return rc == -ENOMEM ? rc : 0;
}

/* Ports without a queue for lack of one may get one now. */
static void retry(struct vmq *v)
{
	for (unsigned int i = 0; i < VSW_PORTS_MAX; i++)
		if (v->port[i].p && v->port[i].is_short)
			try(v, &v->port[i]);
}

/* When the device cannot hear them all while it compares VLANs for the filters that it has, these go: a filter that is
 * refused is told, a frame that is not heard is not. */
void vmq_hear(struct vmq *v)
{
	if (!hear(v))
		return;
	unserve_all(v);
	if (hear(v))
		log_err(v->cfg.name, "%s", err_text());
	retry(v);
}

int vmq_port_add(struct vmq *v, struct vsw_port *p, const struct vmq_port_cfg *cfg)
{
	struct vmq_port *vp = &v->port[vsw_port_id(p)];

	if (vp->p == p)
		vmq_port_remove(v, p);
	*vp = (struct vmq_port){.p = p, .cfg = *cfg};
	vmq_hear(v);
	if (!cfg->is_off)
		return try(v, vp);
	snprintf(vp->why, sizeof(vp->why), "switched off (vmq.enabled)");
	return 0;
}

void vmq_port_remove(struct vmq *v, struct vsw_port *p)
{
	struct vmq_port *vp = vmq_port_of(v, p);

	if (!vp)
		return;
	vmq_direct_stop(v, vp);
	unserve(v, vp);
	*vp = (struct vmq_port){0};
	vmq_hear(v);
	retry(v);
}
