/* SPDX-License-Identifier: BSD-3-Clause */
/* Queues of uplinks that belong to adapters: from the configuration, and for show. */
#include "mgmt/switch.h"

#include <stdio.h>
#include <string.h>

#include <rte_common.h>

#include "base/err.h"
#include "base/log.h"
#include "vswitch/direct.h"
#include "vswitch/port.h"

#define PLAN_MAX 16u

static void each_second(void *ctx, uint64_t arg)
{
	struct sw *sw = ctx;

	for (unsigned int i = 0; i < MGMT_UPLINKS_MAX; i++)
		if (sw->vmq[i])
			vmq_tick(sw->vmq[i]);
}

static void offered(void *ctx, struct vsw_port *p, const struct vsw_rxbuf *b)
{
	struct sw *sw = ctx;

	for (unsigned int i = 0; i < MGMT_UPLINKS_MAX; i++)
		if (sw->vmq[i])
			vmq_direct_offered(sw->vmq[i], p);
}

static void withdrawn(void *ctx, struct vsw_port *p)
{
	struct sw *sw = ctx;

	for (unsigned int i = 0; i < MGMT_UPLINKS_MAX; i++)
		if (sw->vmq[i])
			vmq_direct_withdrawn(sw->vmq[i], p);
}

static void judged(void *ctx, struct vsw_port *p, bool is_judged)
{
	struct sw *sw = ctx;

	for (unsigned int i = 0; i < MGMT_UPLINKS_MAX; i++)
		if (sw->vmq[i])
			vmq_direct_judged(sw->vmq[i], p, is_judged);
}

static const struct vsw_direct_user user = {offered, withdrawn, judged};

/* With the first one. */
static void listen_once(struct sw *sw)
{
	for (unsigned int i = 0; i < MGMT_UPLINKS_MAX; i++)
		if (sw->vmq[i])
			return;
	vsw_each_second(sw->vsw, each_second, sw);
	vsw_direct_set_user(sw->vsw, &user, sw);
}

int sw_vmq_begin(struct sw *sw, uint32_t i, struct vsw_uplink_cfg *up)
{
	const struct mgmt_vmq *c = sw->child.cfg->uplinks[i].vmq;
	struct vmq_cfg cfg = {.sw = sw->vsw};
	struct vmq *v;
	int rc;

	if (!c)
		return 0;
	snprintf(cfg.name, sizeof(cfg.name), "%s", up->name);
	cfg.provider = c->provider;
	cfg.nr_queues = (uint16_t)c->queues;
	cfg.is_direct_off = c->no_direct;
	rc = vmq_create(&v, &cfg);
	if (rc)
		return rc;
	listen_once(sw);
	sw->vmq[i] = v;
	up->steer = vmq_steer(v);
	return 0;
}

void sw_vmq_attach(struct sw *sw, uint32_t i)
{
	struct vmq_info info;

	if (!sw->vmq[i])
		return;
	vmq_attach(sw->vmq[i], sw->uplink[i]);
	vmq_info_get(sw->vmq[i], &info);
	log_info(info.name, "vmq: %u queues, sorted by %s%s%s", info.nr_queues, info.provider,
		 info.why[0] ? "; not " : "", info.why);
}

void sw_vmq_destroy(struct sw *sw)
{
	if (sw->vsw) {
		vsw_each_second_end(sw->vsw, sw);
		vsw_direct_set_user(sw->vsw, NULL, NULL);
	}
	for (unsigned int i = 0; i < MGMT_UPLINKS_MAX; i++) {
		if (sw->vmq[i])
			vmq_detach(sw->vmq[i]);
		vsw_uplink_destroy(sw->uplink[i]);
		vmq_destroy(sw->vmq[i]);
		sw->uplink[i] = NULL;
		sw->vmq[i] = NULL;
	}
}

/* The lcore that polls on that CPU, or none: the status shows that it is not there. */
static uint16_t lcore_on(const struct sw *sw, const char *name, const uint32_t *cpu)
{
	for (unsigned int i = 0; cpu && i < sw->nr_lcores; i++)
		if (sw->cpu[i] == *cpu)
			return (uint16_t)i;
	if (cpu)
		log_warn(name,
			 "vmq.lcore: no lcore polls on CPU %u (switch.lcores); its queue goes "
			 "where it is best",
			 *cpu);
	return VMQ_CPU_ANY;
}

void sw_vmq_nic(struct sw *sw, const struct mgmt_partition *part, const struct mgmt_nic *nic)
{
	struct vmq_port_cfg cfg = {
		.is_off = nic->vmq.is_off,
		.nr_queues = nic->vmq.queues,
		.wants_direct = !nic->vmq.no_direct,
		.node = part->numa_node ? (int16_t)*part->numa_node : VMQ_NODE_ANY,
	};
	struct vsw_port *p;
	char name[32];

	sw_nic_name(name, part, nic);
	p = vsw_port_find(sw->vsw, name);
	cfg.lcore = lcore_on(sw, name, nic->vmq.lcore);
	for (unsigned int i = 0; p && i < MGMT_UPLINKS_MAX; i++)
		if (sw->vmq[i] && vmq_port_add(sw->vmq[i], p, &cfg))
			log_warn(name, "%s", err_text());
}

void sw_vmq_nic_gone(struct sw *sw, const struct mgmt_partition *part, const struct mgmt_nic *nic)
{
	struct vsw_port *p;
	char name[32];

	sw_nic_name(name, part, nic);
	p = vsw_port_find(sw->vsw, name);
	for (unsigned int i = 0; p && i < MGMT_UPLINKS_MAX; i++)
		if (sw->vmq[i])
			vmq_port_remove(sw->vmq[i], p);
}

/* ---- For show ------------------------------------------------------------------------------- */

struct show {
	const struct sw *sw;
	json_t *list;
};

static json_t *filters_json(const struct vmq_queue_status *s)
{
	json_t *list = json_array();
	char text[VMQ_FILTER_TEXT];

	for (uint16_t i = 0; i < s->nr_filters && i < RTE_DIM(s->filter); i++)
		json_array_append_new(list, json_string(vmq_filter_text(&s->filter[i], text)));
	return list;
}

static void add_queue(const struct vmq_queue_status *s, void *ctx)
{
	struct show *w = ctx;
	json_t *o = json_pack("{s:i, s:s, s:s, s:o, s:i, s:b, s:i, s:I, s:I, s:b, s:s, s:I, s:I, "
			      "s:o}",
			      "queue", s->q, "state", s->state, "port", s->port, "cpu",
			      s->lcore < 0 ? json_null() : json_integer(w->sw->cpu[s->lcore]),
			      "filters", s->nr_filters, "pinned", s->is_pinned, "load",
			      (int)s->load, "packets", (json_int_t)s->packets, "missed",
			      (json_int_t)s->missed, "direct", s->is_direct, "why_copied",
			      s->why_copied, "sections", (json_int_t)s->sections, "own_buffers",
			      (json_int_t)s->own, "filter", filters_json(s));

	json_object_set_new(o, "shares", s->shares ? json_integer(s->shares) : json_null());
	json_array_append_new(w->list, o);
}

static void add_port(const struct vmq_port_status *s, void *ctx)
{
	json_array_append_new(ctx, json_pack("{s:s, s:s}", "port", s->port, "why", s->why));
}

static json_t *plan_json(const struct sw *sw, const struct vmq *v)
{
	struct vmq_move m[PLAN_MAX];
	uint16_t n = vmq_plan(v, m, PLAN_MAX);
	json_t *list = json_array();

	for (uint16_t i = 0; i < n; i++)
		json_array_append_new(list, json_pack("{s:i, s:i, s:i, s:s}", "queue", m[i].q,
						      "from", (int)sw->cpu[m[i].from], "to",
						      (int)sw->cpu[m[i].to], "why", m[i].why));
	return list;
}

static json_t *one_json(const struct sw *sw, const struct vmq *v)
{
	struct show w = {.sw = sw, .list = json_array()};
	json_t *ports = json_array();
	struct vmq_info info;

	vmq_info_get(v, &info);
	vmq_queue_walk(v, add_queue, &w);
	vmq_port_walk(v, add_port, ports);
	return json_pack("{s:s, s:s, s:s, s:i, s:i, s:o, s:o, s:o}", "uplink", info.name,
			 "provider", info.provider, "why", info.why, "queues_max", info.nr_queues,
			 "queues_free", info.nr_free, "queues", w.list, "without", ports, "plan",
			 plan_json(sw, v));
}

json_t *sw_vmq_json(const struct sw *sw)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < MGMT_UPLINKS_MAX; i++)
		if (sw->vmq[i])
			json_array_append_new(list, one_json(sw, sw->vmq[i]));
	return list;
}
