/* SPDX-License-Identifier: BSD-3-Clause */
/* The provider for devices with flow rules: a filter is a rule that leads to one of the device's own receive
 * queues.
 *
 * What no rule wants is to come to queue 0. Without RSS devices do so by themselves, and a rule of the lowest
 * priority says it to those that take one. Where the queues are filled by somebody else it is not so, and frames
 * for queues that nobody polls would be lost: net_tap, which has rules, too, is not considered.
 *
 * Whether rules are kept by a device is seen when it is started, and not before: many drivers look at nothing else
 * than the form of a rule until then. */
#include "vmq/flow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ethdev.h>

#include "base/err.h"
#include "base/log.h"
#include "vmq/queue.h"

#define RULES	      2u /* of a filter: untagged and VLAN 0 are two */
#define PRIORITY_MOVE 1u /* of a filter's rules: 0, and this one after every other move */
#define PRIORITY_REST 2u

/* Whether there is a tag, and in which VLAN. */
enum tag { TAG_ANY, TAG_NONE, TAG_VLAN };

struct entry {
	struct vmq_filter f;
	uint16_t q;
	uint32_t priority;
	uint32_t nr;
	struct rte_flow *rule[RULES];
};

struct flow {
	uint16_t dev, nr_queues;
	const struct vmq_flow_calls *calls;
	const char *name;
	struct rte_flow *rest; /* NULL: none */
	uint32_t nr;
	struct entry entry[VMQ_FILTERS_MAX];
};

/* ---- One rule ------------------------------------------------------------------------------ */

/* A rule in ethdev's words; points into itself. */
struct words {
	struct rte_flow_attr attr;
	struct rte_flow_item_eth eth, eth_mask;
	struct rte_flow_item_vlan vlan, vlan_mask;
	struct rte_flow_action_queue queue;
	struct rte_flow_item pattern[3];
	struct rte_flow_action actions[2];
};

/* @mac: NULL: any, groups among them. */
static void words_make(struct words *w, const uint8_t *mac, enum tag tag, uint16_t vlan, uint16_t q)
{
	memset(w, 0, sizeof(*w));
	w->attr.ingress = 1;
	w->queue.index = q;
	w->actions[0] = (struct rte_flow_action){RTE_FLOW_ACTION_TYPE_QUEUE, &w->queue};
	w->pattern[0].type = RTE_FLOW_ITEM_TYPE_ETH;
	if (!mac)
		return;
	memcpy(w->eth.dst.addr_bytes, mac, 6);
	memset(w->eth_mask.dst.addr_bytes, 0xFF, 6);
	w->eth_mask.has_vlan = tag == TAG_NONE;
	w->pattern[0].spec = &w->eth;
	w->pattern[0].mask = &w->eth_mask;
	if (tag != TAG_VLAN)
		return;
	w->vlan.tci = rte_cpu_to_be_16(vlan);
	w->vlan_mask.tci = RTE_BE16(0x0FFF);
	w->pattern[1] =
		(struct rte_flow_item){RTE_FLOW_ITEM_TYPE_VLAN, &w->vlan, NULL, &w->vlan_mask};
}

/* What the device says of why not; many say nothing. */
static const char *words_of(const struct rte_flow_error *e, int rc)
{
	return e->message ? e->message : strerror(-rc);
}

static int create(struct flow *fl, struct rte_flow **out, struct words *w, uint32_t priority,
		  struct rte_flow_error *e)
{
	w->attr.priority = priority;
	rte_errno = EIO; /* of a driver that does not set it */
	*out = fl->calls->create(fl->dev, &w->attr, w->pattern, w->actions, e);
	return *out ? 0 : -rte_errno;
}

static int rule_create(struct flow *fl, struct rte_flow **out, struct words *w, uint32_t priority)
{
	struct rte_flow_error e = {0};
	int rc = create(fl, out, w, priority, &e);

	if (!rc)
		return 0;
	return err_set(rc == -ENOSPC ? rc : -EIO, "uplink %s: device refuses a flow rule: %s",
		       fl->name, words_of(&e, rc));
}

static int rule_destroy(struct flow *fl, struct rte_flow *rule)
{
	struct rte_flow_error e = {0};
	int rc = fl->calls->destroy(fl->dev, rule, &e);

	if (!rc)
		return 0;
	return err_set(-EIO, "uplink %s: device does not give up a flow rule: %s", fl->name,
		       words_of(&e, rc));
}

/* ---- A filter's rules ---------------------------------------------------------------------- */

/* All of them, or with an error as many as are left. */
static int entry_remove(struct flow *fl, struct entry *e)
{
	int rc = 0;

	while (!rc && e->nr) {
		rc = rule_destroy(fl, e->rule[e->nr - 1]);
		if (!rc)
			e->nr--;
	}
	return rc;
}

/* For where nothing can be done about it. */
static void entry_drop(struct flow *fl, struct entry *e)
{
	if (entry_remove(fl, e))
		log_warn(fl->name, "%s", err_text());
}

/* All of them, or none. */
static int entry_install(struct flow *fl, struct entry *e)
{
	static const enum tag tags[][RULES] = {
		[VMQ_VLAN_ANY] = {TAG_ANY},
		[VMQ_VLAN_IS] = {TAG_VLAN},
		[VMQ_VLAN_UNTAGGED] = {TAG_NONE, TAG_VLAN}, /* f.vlan is 0 */
	};
	const uint32_t nr = e->f.vlan_test == VMQ_VLAN_UNTAGGED ? 2 : 1;
	struct words w;
	int rc = 0;

	for (e->nr = 0; e->nr < nr; e->nr++) {
		words_make(&w, e->f.mac, tags[e->f.vlan_test][e->nr], e->f.vlan, e->q);
		rc = rule_create(fl, &e->rule[e->nr], &w, e->priority);
		if (rc) {
			entry_drop(fl, e);
			break;
		}
	}
	return rc;
}

static struct entry *entry_find(struct flow *fl, const struct vmq_filter *f)
{
	uint32_t i;

	for (i = 0; i < fl->nr; i++)
		if (vmq_filter_is_same(&fl->entry[i].f, f))
			return &fl->entry[i];
	return NULL;
}

static int flow_filter_set(void *pv, uint16_t q, const struct vmq_filter *f)
{
	struct flow *fl = pv;
	struct entry *e = &fl->entry[fl->nr];
	int rc;

	if (q == VMQ_DEFAULT)
		return 0;
	if (fl->nr == VMQ_FILTERS_MAX)
		return err_set(-ENOSPC, "uplink %s: more than %u receive filters", fl->name,
			       VMQ_FILTERS_MAX);
	*e = (struct entry){.f = *f, .q = q};
	rc = entry_install(fl, e);
	fl->nr += !rc;
	return rc;
}

static int flow_filter_clear(void *pv, uint16_t q, const struct vmq_filter *f)
{
	struct flow *fl = pv;
	struct entry *e = q == VMQ_DEFAULT ? NULL : entry_find(fl, f);
	int rc = e ? entry_remove(fl, e) : 0;

	if (e && !rc)
		*e = fl->entry[--fl->nr];
	return rc;
}

/* New rules beside the old ones: a frame that both want is taken by one of them. With another priority, because some
 * devices refuse the same pattern twice; or with the same, because some have but one. */
static int install_beside(struct flow *fl, const struct entry *old, struct entry *now, uint16_t to)
{
	int rc;

	*now = *old;
	now->q = to;
	now->priority = old->priority ? 0 : PRIORITY_MOVE;
	rc = entry_install(fl, now);
	if (rc) {
		now->priority = old->priority;
		rc = entry_install(fl, now);
	}
	return rc;
}

/* For a device that does not take both. In between its frames come to the default queue, where the switch looks
 * them up: none is lost, but some may be overtaken. If it takes neither any more it stays like that. */
static int move_apart(struct flow *fl, struct entry *e, uint16_t to)
{
	struct entry now = *e;
	int rc = entry_remove(fl, e);

	if (rc)
		return rc;
	now.q = to;
	rc = entry_install(fl, &now);
	if (!rc)
		*e = now;
	else if (entry_install(fl, e))
		*e = fl->entry[--fl->nr];
	return rc;
}

static int flow_filter_move(void *pv, uint16_t from, uint16_t to, const struct vmq_filter *f)
{
	struct flow *fl = pv;
	struct entry *e = entry_find(fl, f), now;
	int rc;

	if (to == VMQ_DEFAULT)
		return flow_filter_clear(fl, from, f);
	if (!e)
		return flow_filter_set(fl, to, f);
	if (install_beside(fl, e, &now, to))
		return move_apart(fl, e, to);
	rc = entry_remove(fl, e);
	if (rc) /* it stays there; what was given back of it leads to the default queue from now on */
		entry_drop(fl, &now);
	else
		*e = now;
	return rc;
}

/* ---- Life ---------------------------------------------------------------------------------- */

/* Nobody's address. */
static const uint8_t sample[6] = {0x02, 0x00, 0x00, 0x00, 0x00, 0x00};

/* Before it is started a device says little of rules, but one without any says so. */
int vmq_flow_probe_with(uint16_t dev, const struct rte_eth_dev_info *info,
			const struct vmq_flow_calls *calls)
{
	struct rte_flow_error e = {0};
	struct words w;

	if (!strcmp(info->driver_name, "net_tap"))
		return err_set(-ENOTSUP, "the kernel fills net_tap's queues as it likes");
	if (info->max_rx_queues < 2)
		return err_set(-ENOTSUP, "%s has one receive queue", info->driver_name);
	words_make(&w, sample, TAG_ANY, 0, VMQ_DEFAULT);
	if (calls->validate(dev, &w.attr, w.pattern, w.actions, &e) == -ENOSYS)
		return err_set(-ENOTSUP, "%s has none", info->driver_name);
	return RTE_MIN(info->max_rx_queues, VMQ_QUEUES_MAX);
}

static int flow_configure(void *pv, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	const struct flow *fl = pv;

	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
	return fl->nr_queues;
}

/* Whether the last queue can be led to, and whether a rule is really kept: one that changes nothing. */
static int try_rule(struct flow *fl, enum tag tag, const char *what)
{
	struct rte_flow_error e = {0};
	struct rte_flow *rule;
	struct words w;
	int rc;

	words_make(&w, sample, tag, 1, fl->nr_queues - 1);
	rc = fl->calls->validate(fl->dev, &w.attr, w.pattern, w.actions, &e);
	words_make(&w, sample, tag, 1, VMQ_DEFAULT);
	if (!rc)
		rc = create(fl, &rule, &w, 0, &e);
	if (rc)
		return err_set(-ENOTSUP, "uplink %s: device has no flow rules for %s: %s", fl->name,
			       what, words_of(&e, rc));
	return rule_destroy(fl, rule) ? -ENOTSUP : 0;
}

static int flow_started(void *pv)
{
	struct flow *fl = pv;
	struct words w;
	int rc = try_rule(fl, TAG_ANY, "addresses");

	if (!rc)
		rc = try_rule(fl, TAG_VLAN, "addresses and VLANs");
	if (!rc)
		rc = try_rule(fl, TAG_NONE, "addresses without a tag");
	if (rc)
		return rc;
	words_make(&w, NULL, TAG_ANY, 0, VMQ_DEFAULT);
	rule_create(fl, &fl->rest, &w, PRIORITY_REST); /* or does so without */
	return 0;
}

static void flow_stopping(void *pv)
{
	struct flow *fl = pv;

	while (fl->nr)
		entry_drop(fl, &fl->entry[--fl->nr]);
	if (fl->rest && rule_destroy(fl, fl->rest))
		log_warn(fl->name, "%s", err_text());
	fl->rest = NULL;
}

static void flow_destroy(void *pv)
{
	free(pv);
}

int vmq_flow_create_with(void **pv, const struct vmq_provider_cfg *cfg,
			 const struct vmq_flow_calls *calls)
{
	struct flow *fl;

	if (cfg->nr_queues < 2 || cfg->nr_queues > VMQ_QUEUES_MAX)
		return err_set(-EINVAL, "uplink %s: %u queues, want 2..%u", cfg->name,
			       cfg->nr_queues, VMQ_QUEUES_MAX);
	fl = calloc(1, sizeof(*fl));
	if (!fl)
		return err_set(-ENOMEM, "uplink %s: out of memory", cfg->name);
	fl->calls = calls;
	fl->name = cfg->name;
	fl->dev = cfg->dev;
	fl->nr_queues = cfg->nr_queues;
	*pv = fl;
	return 0;
}

static const struct vmq_flow_calls ethdev = {rte_flow_validate, rte_flow_create, rte_flow_destroy};

static int flow_probe(uint16_t dev, const struct rte_eth_dev_info *info)
{
	return vmq_flow_probe_with(dev, info, &ethdev);
}

static int flow_create(void **pv, const struct vmq_provider_cfg *cfg)
{
	return vmq_flow_create_with(pv, cfg, &ethdev);
}

static uint16_t flow_rx(void *pv, uint16_t q, struct rte_mbuf **m, uint16_t n,
			struct vsw_steered *s)
{
	const struct flow *fl = pv;

	return rte_eth_rx_burst(fl->dev, q, m, n);
}

/* Devices count it, if at all, in ways of their own. */
static uint64_t flow_missed(void *pv, uint16_t q)
{
	return 0;
}

const struct vmq_provider_ops vmq_flow = {
	.name = "flow",
	.probe = flow_probe,
	.create = flow_create,
	.destroy = flow_destroy,
	.configure = flow_configure,
	.started = flow_started,
	.stopping = flow_stopping,
	.filter_set = flow_filter_set,
	.filter_clear = flow_filter_clear,
	.filter_move = flow_filter_move,
	.rx = flow_rx,
	.missed = flow_missed,
};
