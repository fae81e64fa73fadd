/* SPDX-License-Identifier: BSD-3-Clause */
/* What queues cost, on which lcores, and moving them: numbers for vmq/place.c. */
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>

#include "base/err.h"
#include "base/log.h"
#include "vmq/priv.h"
#include "vswitch/vswitch.h"

uint16_t vmq_lcores(const struct vmq *v, struct vmq_lcore *out)
{
	uint16_t n = (uint16_t)RTE_MIN(vsw_nr_lcores(v->cfg.sw), VMQ_LCORES_MAX);

	for (uint16_t i = 0; i < n; i++)
		out[i] = (struct vmq_lcore){
			.index = i,
			.node = (int16_t)rte_lcore_to_socket_id(vsw_lcore_eal_id(v->cfg.sw, i)),
			.busy = v->lcore_load[i],
		};
	return n;
}

static int16_t nic_node(const struct vmq *v)
{
	int node = rte_eth_dev_socket_id(v->dev);

	return node < 0 ? VMQ_NODE_ANY : (int16_t)node;
}

uint16_t vmq_loads(const struct vmq *v, struct vmq_load *out)
{
	uint16_t n = 0;

	for (unsigned int i = 0; i < VSW_PORTS_MAX; i++) {
		const struct vmq_port *vp = &v->port[i];

		for (uint16_t k = 0; vp->p && k < vp->nr_q; k++) {
			const uint16_t q = vp->q[k];
			int lcore = vsw_port_queue_lcore(v->up, q);

			out[n++] = (struct vmq_load){
				.q = q,
				.lcore = lcore < 0 ? VMQ_CPU_ANY : (uint16_t)lcore,
				.is_pinned = vp->cfg.lcore != VMQ_CPU_ANY,
				.nic_node = nic_node(v),
				.part_node = vp->cfg.node,
				.load = v->meter[q].load,
				.settled = v->meter[q].settled,
			};
		}
	}
	return n;
}

uint16_t vmq_lcore_for(const struct vmq *v, const struct vmq_port *vp)
{
	struct vmq_lcore l[VMQ_LCORES_MAX];
	struct vmq_load q[VMQ_QUEUES_MAX];
	uint16_t nr_l = vmq_lcores(v, l), nr_q = vmq_loads(v, q);

	if (vp->cfg.lcore < nr_l)
		return vp->cfg.lcore;
	return vmq_place_new(l, nr_l, q, nr_q, nic_node(v), vp->cfg.node);
}

uint16_t vmq_plan(const struct vmq *v, struct vmq_move *out, uint16_t room)
{
	struct vmq_lcore l[VMQ_LCORES_MAX];
	struct vmq_load q[VMQ_QUEUES_MAX];
	uint16_t nr_l = vmq_lcores(v, l), nr_q = vmq_loads(v, q);

	return vmq_place_plan(&v->placer, l, nr_l, q, nr_q, out, room);
}

static uint32_t permille(uint64_t part, uint64_t all)
{
	uint64_t n = all ? part * 1000 / all : 0;

	return n > 1000 ? 1000 : (uint32_t)n;
}

static void measure_lcores(struct vmq *v)
{
	unsigned int i, n = RTE_MIN(vsw_nr_lcores(v->cfg.sw), VMQ_LCORES_MAX);

	for (i = 0; i < n; i++) {
		struct vsw_lcore_stats s;
		uint64_t all;

		vsw_lcore_stats_get(v->cfg.sw, i, &s);
		all = s.tsc_busy + s.tsc_idle + s.tsc_asleep;
		v->lcore_load[i] = permille(s.tsc_busy - v->lcore_busy[i], all - v->lcore_all[i]);
		v->lcore_busy[i] = s.tsc_busy;
		v->lcore_all[i] = all;
	}
}

static void measure_queues(struct vmq *v, uint64_t tsc)
{
	for (uint16_t q = 0; q < vmq_nic_queues(v->nic); q++) {
		struct vsw_queue_load l;

		vsw_port_queue_load(v->up, q, &l);
		v->meter[q].load = permille(l.tsc - v->meter[q].tsc, tsc);
		v->meter[q].tsc = l.tsc;
		v->meter[q].settled++;
	}
}

void vmq_meter_reset(struct vmq *v, uint16_t q)
{
	struct vsw_queue_load l;

	vsw_port_queue_load(v->up, q, &l);
	v->meter[q] = (struct vmq_meter){.tsc = l.tsc, .packets = l.packets};
}

static void move(struct vmq *v, const struct vmq_move *m)
{
	if (vmq_queue_move(v, m->q, m->to)) {
		log_err(v->cfg.name, "queue %u: %s", m->q, err_text());
		return;
	}
	v->meter[m->q].settled = 0;
	log_info(v->cfg.name, "queue %u moved from lcore %u to %u: %s", m->q, m->from, m->to,
		 m->why);
}

void vmq_tick(struct vmq *v)
{
	struct vmq_lcore l[VMQ_LCORES_MAX];
	struct vmq_load q[VMQ_QUEUES_MAX];
	struct vmq_move m[8];
	uint64_t now = rte_rdtsc();
	uint16_t n;

	if (!v->up)
		return;
	measure_queues(v, now - v->measured_tsc);
	measure_lcores(v);
	v->measured_tsc = now;
	vmq_one_try(v);
	n = vmq_place_round(&v->placer, l, vmq_lcores(v, l), q, vmq_loads(v, q), m, RTE_DIM(m));
	for (uint16_t i = 0; i < n; i++)
		move(v, &m[i]);
}
