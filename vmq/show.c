/* SPDX-License-Identifier: BSD-3-Clause */
/* What an operator sees of an uplink's VMQ. */
#include <stdio.h>

#include <rte_common.h>

#include "vmq/priv.h"

static void count_free(const struct vmq_queue_info *i, void *ctx)
{
	uint16_t *nr_used = ctx;

	*nr_used += i->q != VMQ_DEFAULT;
}

void vmq_info_get(const struct vmq *v, struct vmq_info *out)
{
	uint16_t nr_used = 0;

	vmq_queue_enum(v->nic, count_free, &nr_used);
	*out = (struct vmq_info){
		.name = v->cfg.name,
		.provider = v->ops->name,
		.nr_queues = vmq_nic_queues(v->nic) - 1,
	};
	out->nr_free = out->nr_queues - nr_used;
	snprintf(out->why, sizeof(out->why), "%s", v->why);
}

struct walk {
	const struct vmq *v;
	void (*fn)(const struct vmq_queue_status *s, void *ctx);
	void *ctx;
};

static const struct vmq_port *port_with(const struct vmq *v, uint32_t owner)
{
	return owner == VMQ_NOBODY ? NULL : &v->port[owner - 1];
}

static void add_filter(const struct vmq_filter_info *i, void *ctx)
{
	struct vmq_queue_status *s = ctx;

	if (s->nr_filters < RTE_DIM(s->filter))
		s->filter[s->nr_filters] = i->f;
	s->nr_filters++;
}

/* VMMQ: the queue whose filters lead to this one, too. */
static uint16_t shares_of(const struct vmq_port *vp, uint16_t q)
{
	return vp && vp->nr_q > 1 && vp->q[0] != q ? vp->q[0] : 0;
}

/* Without filters of its own it is paused for vmq/queue.c. What it does is what the one with the filters does. */
static const char *state_text(const struct vmq *v, const struct vmq_queue_info *i, uint16_t shares)
{
	const bool is_led = shares && i->state == VMQ_PAUSED;

	return vmq_state_name(is_led ? vmq_queue_state(v->nic, shares) : i->state);
}

static void walk_queue(const struct vmq_queue_info *i, void *ctx)
{
	struct walk *w = ctx;
	const struct vmq_port *vp = port_with(w->v, i->owner);
	const uint16_t shares = shares_of(vp, i->q);
	struct vmq_queue_status s = {
		.q = i->q,
		.shares = shares,
		.state = state_text(w->v, i, shares),
		.port = vp && vp->p ? vsw_port_cfg(vp->p)->name : "",
		.lcore = vsw_port_queue_is_on(w->v->up, i->q) ? vsw_port_queue_lcore(w->v->up, i->q)
							      : -1,
		.is_pinned = i->params.is_static,
		.load = w->v->meter[i->q].load,
		.missed = w->v->ops->missed ? w->v->ops->missed(w->v->pv, i->q) : 0,
		.is_direct = vp && vp->is_direct,
		.why_copied = vp ? vp->why_copied : "",
	};
	struct vmq_direct_stats d = {0};
	struct vsw_queue_load l;

	vsw_port_queue_load(w->v->up, i->q, &l);
	s.packets = l.packets - w->v->meter[i->q].packets;
	if (w->v->direct[i->q])
		vmq_direct_stats(w->v->direct[i->q], &d);
	s.sections = d.sections;
	s.own = d.own;
	vmq_filter_enum(w->v->nic, i->q, add_filter, &s);
	w->fn(&s, w->ctx);
}

void vmq_queue_walk(const struct vmq *v, void (*fn)(const struct vmq_queue_status *s, void *ctx),
		    void *ctx)
{
	struct walk w = {.v = v, .fn = fn, .ctx = ctx};

	vmq_queue_enum(v->nic, walk_queue, &w);
}

void vmq_port_walk(const struct vmq *v, void (*fn)(const struct vmq_port_status *s, void *ctx),
		   void *ctx)
{
	for (unsigned int i = 0; i < VSW_PORTS_MAX; i++) {
		const struct vmq_port *vp = &v->port[i];
		struct vmq_port_status s = {.why = vp->why};

		if (!vp->p || vp->nr_q)
			continue;
		s.port = vsw_port_cfg(vp->p)->name;
		fn(&s, ctx);
	}
}
