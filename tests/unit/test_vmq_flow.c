/* SPDX-License-Identifier: BSD-3-Clause */
/* Sorting by flow rules, on a device that the test plays: it keeps rules, goes through them for a frame, and can
 * lack what devices lack. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ethdev.h>

#include "base/err.h"
#include "vmq/flow.h"

#define QUEUES	  4u
#define DEV	  7u
#define RULES_MAX 64u
#define UNTAGGED  0xFFFFu /* instead of a VLAN */

struct dev_rule {
	bool is_used;
	bool wants_mac, wants_untagged, wants_vlan;
	uint8_t mac[6];
	uint16_t vlan, q;
	uint32_t priority;
};

static struct {
	struct dev_rule rule[RULES_MAX];
	uint32_t nr_rules;
	/* What it lacks. */
	uint32_t room; /* rules */
	bool has_one_priority, refuses_twice, refuses_untagged, refuses_vlan, refuses_rest;
	bool keeps_rules; /* does not give them up */
	bool is_silent;	  /* gives no words */
	/* Called after each change. */
	void (*looks)(void);
} dev;

static const struct vmq_provider_ops *const ops = &vmq_flow;
static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 0xA}, mac_b[6] = {2, 0, 0, 0, 0, 0xB};
static void *pv;

/* ---- The device ---------------------------------------------------------------------------- */

static int refuse(struct rte_flow_error *e, int code, const char *words)
{
	if (!dev.is_silent)
		e->message = words;
	return code;
}

static void parse_eth(struct dev_rule *r, const struct rte_flow_item *item)
{
	const struct rte_flow_item_eth *spec = item->spec, *mask = item->mask;
	static const uint8_t ones[6] = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};

	cr_assert_eq(item->type, RTE_FLOW_ITEM_TYPE_ETH);
	r->wants_mac = spec != NULL;
	if (!spec)
		return;
	cr_assert_eq(memcmp(mask->dst.addr_bytes, ones, 6), 0);
	cr_assert_eq(mask->type, 0);
	memcpy(r->mac, spec->dst.addr_bytes, 6);
	r->wants_untagged = mask->has_vlan && !spec->has_vlan;
}

static void parse(struct dev_rule *r, const struct rte_flow_attr *attr,
		  const struct rte_flow_item pattern[], const struct rte_flow_action actions[])
{
	memset(r, 0, sizeof(*r));
	cr_assert(attr->ingress && !attr->egress && !attr->transfer && attr->group == 0);
	parse_eth(r, &pattern[0]);
	if (pattern[1].type == RTE_FLOW_ITEM_TYPE_VLAN) {
		const struct rte_flow_item_vlan *spec = pattern[1].spec, *mask = pattern[1].mask;

		cr_assert_eq(mask->tci, rte_cpu_to_be_16(0xFFF));
		r->wants_vlan = true;
		r->vlan = rte_be_to_cpu_16(spec->tci);
	}
	cr_assert_eq(pattern[1 + r->wants_vlan].type, RTE_FLOW_ITEM_TYPE_END);
	cr_assert_eq(actions[0].type, RTE_FLOW_ACTION_TYPE_QUEUE);
	cr_assert_eq(actions[1].type, RTE_FLOW_ACTION_TYPE_END);
	r->q = ((const struct rte_flow_action_queue *)actions[0].conf)->index;
	r->priority = attr->priority;
	r->is_used = true;
}

static bool is_same(const struct dev_rule *a, const struct dev_rule *b)
{
	return a->wants_mac == b->wants_mac && !memcmp(a->mac, b->mac, 6) &&
	       a->wants_untagged == b->wants_untagged && a->wants_vlan == b->wants_vlan &&
	       a->vlan == b->vlan && a->priority == b->priority;
}

static int judge(const struct dev_rule *r, struct rte_flow_error *e)
{
	uint32_t i;

	if (r->q >= QUEUES)
		return refuse(e, -EINVAL, "no such queue");
	if (r->wants_untagged && dev.refuses_untagged)
		return refuse(e, -ENOTSUP, "has_vlan is not looked at");
	if (r->wants_vlan && dev.refuses_vlan)
		return refuse(e, -ENOTSUP, "no VLAN item");
	if (!r->wants_mac && dev.refuses_rest)
		return refuse(e, -EINVAL, "an empty item");
	if (r->priority && dev.has_one_priority)
		return refuse(e, -ENOTSUP, "no priorities");
	for (i = 0; i < RULES_MAX; i++) {
		if (dev.refuses_twice && dev.rule[i].is_used && is_same(&dev.rule[i], r))
			return refuse(e, -EEXIST, "that rule is there");
	}
	return 0;
}

static int dev_validate(uint16_t id, const struct rte_flow_attr *attr,
			const struct rte_flow_item pattern[],
			const struct rte_flow_action actions[], struct rte_flow_error *e)
{
	struct dev_rule r;

	cr_assert_eq(id, DEV);
	parse(&r, attr, pattern, actions);
	return judge(&r, e);
}

static struct rte_flow *dev_create(uint16_t id, const struct rte_flow_attr *attr,
				   const struct rte_flow_item pattern[],
				   const struct rte_flow_action actions[], struct rte_flow_error *e)
{
	struct dev_rule r, *to = dev.rule;
	int rc = dev_validate(id, attr, pattern, actions, e);

	parse(&r, attr, pattern, actions);
	if (!rc && dev.nr_rules >= dev.room)
		rc = refuse(e, -ENOSPC, "the table is full");
	if (rc) {
		rte_errno = -rc;
		return NULL;
	}
	while (to->is_used)
		to++;
	*to = r;
	dev.nr_rules++;
	if (dev.looks)
		dev.looks();
	return (struct rte_flow *)to;
}

static int dev_destroy(uint16_t id, struct rte_flow *rule, struct rte_flow_error *e)
{
	struct dev_rule *r = (struct dev_rule *)rule;

	cr_assert(id == DEV && r->is_used);
	if (dev.keeps_rules)
		return refuse(e, -EBUSY, "it is in use");
	r->is_used = false;
	dev.nr_rules--;
	if (dev.looks)
		dev.looks();
	return 0;
}

static const struct vmq_flow_calls calls = {dev_validate, dev_create, dev_destroy};

/* The queues (a bit each) that a frame may come to: more than one where rules of one priority disagree. */
static uint32_t queues_of(const uint8_t *mac, uint16_t vlan)
{
	uint32_t best = UINT32_MAX, set = 1, i;

	for (i = 0; i < RULES_MAX; i++) {
		const struct dev_rule *r = &dev.rule[i];

		if (!r->is_used || (r->wants_mac && memcmp(r->mac, mac, 6)) ||
		    (r->wants_untagged && vlan != UNTAGGED) ||
		    (r->wants_vlan && (vlan == UNTAGGED || vlan != r->vlan)) || r->priority > best)
			continue;
		set = (r->priority < best ? 0 : set) | 1u << r->q;
		best = r->priority;
	}
	return set;
}

static void up(void)
{
	const struct vmq_provider_cfg c = {.name = "up", .dev = DEV, .nr_queues = QUEUES};

	dev.room = RULES_MAX;
	cr_assert_eq(vmq_flow_create_with(&pv, &c, &calls), 0, "%s", err_text());
}

static void start(void)
{
	up();
	cr_assert_eq(ops->started(pv), 0, "%s", err_text());
}

static void down(void)
{
	ops->stopping(pv);
	cr_assert_eq(dev.nr_rules, 0);
	ops->destroy(pv);
}

static struct vmq_filter filter(const uint8_t *mac, enum vmq_vlan_test test, uint16_t vlan)
{
	struct vmq_filter f = {.vlan_test = (uint8_t)test, .vlan = vlan};

	memcpy(f.mac, mac, 6);
	return f;
}

/* ---- Tests --------------------------------------------------------------------------------- */

Test(vmq_flow, rules_say_what_filters_say)
{
	const struct vmq_filter f[] = {
		filter(mac_a, VMQ_VLAN_IS, 7),
		filter(mac_a, VMQ_VLAN_UNTAGGED, 0),
		filter(mac_b, VMQ_VLAN_ANY, 0),
	};
	const uint16_t vlan[] = {UNTAGGED, 0, 1, 7, 4094, 4095};
	uint32_t i, k;

	start();
	for (i = 0; i < 3; i++)
		cr_assert_eq(ops->filter_set(pv, (uint16_t)(1 + i), &f[i]), 0, "%s", err_text());
	for (i = 0; i < 6; i++) {
		const uint16_t v = vlan[i] == UNTAGGED ? 0 : vlan[i];
		uint32_t a = 1, b = 1;

		for (k = 0; k < 3; k++) {
			a = vmq_filter_passes(&f[k], mac_a, v) ? 2u << k : a;
			b = vmq_filter_passes(&f[k], mac_b, v) ? 2u << k : b;
		}
		cr_assert_eq(queues_of(mac_a, vlan[i]), a, "VLAN %u", vlan[i]);
		cr_assert_eq(queues_of(mac_b, vlan[i]), b, "VLAN %u", vlan[i]);
	}
	cr_assert_eq(queues_of((const uint8_t *)"\xFF\xFF\xFF\xFF\xFF\xFF", UNTAGGED), 1);
	for (i = 0; i < 3; i++)
		cr_assert_eq(ops->filter_clear(pv, (uint16_t)(1 + i), &f[i]), 0);
	cr_assert_eq(dev.nr_rules, 1, "that for the rest");
	cr_assert_eq(ops->filter_clear(pv, 1, &f[0]), 0, "twice is no harm");
	cr_assert_eq(ops->filter_set(pv, 0, &f[0]), 0);
	cr_assert_eq(dev.nr_rules, 1);
	down();
}

static uint32_t may_be; /* queues */
static uint32_t were;

static void on_each_change(void)
{
	const uint32_t u = queues_of(mac_a, UNTAGGED), v = queues_of(mac_a, 0);

	were |= u | v;
	cr_assert_eq((u | v) & ~may_be, 0, "a frame may come to %x, not to %x", u | v, may_be);
	cr_assert_eq(queues_of(mac_b, UNTAGGED), 1u << 3);
}

/* Moves a filter of two rules about while another stays. */
static void move_about(bool is_apart)
{
	const struct vmq_filter a = filter(mac_a, VMQ_VLAN_UNTAGGED, 0);
	const struct vmq_filter b = filter(mac_b, VMQ_VLAN_ANY, 0);
	static const uint16_t q[] = {1, 2, 3, 1, 2};
	uint32_t i;

	start();
	cr_assert_eq(ops->filter_set(pv, 1, &a), 0);
	cr_assert_eq(ops->filter_set(pv, 3, &b), 0);
	if (is_apart)
		dev.room = dev.nr_rules + 1;
	dev.looks = on_each_change;
	for (i = 1; i < sizeof(q) / sizeof(q[0]); i++) {
		may_be = 1u << q[i - 1] | 1u << q[i] | is_apart;
		were = 0;
		cr_assert_eq(ops->filter_move(pv, q[i - 1], q[i], &a), 0, "%s", err_text());
		cr_assert_eq(were & 1, is_apart, "%s", is_apart ? "by the default queue" : "");
		cr_assert_eq(queues_of(mac_a, UNTAGGED), 1u << q[i]);
		cr_assert_eq(queues_of(mac_a, 0), 1u << q[i]);
		cr_assert_eq(dev.nr_rules, 3u + !dev.refuses_rest);
	}
	dev.looks = NULL;
	cr_assert_eq(ops->filter_move(pv, 2, 0, &a), 0);
	cr_assert_eq(queues_of(mac_a, 0), 1);
	cr_assert_eq(ops->filter_move(pv, 0, 2, &a), 0);
	cr_assert_eq(queues_of(mac_a, 0), 1u << 2);
	down();
}

Test(vmq_flow, a_frame_has_a_queue_at_each_instant_of_a_move)
{
	move_about(false);
	dev.refuses_twice = true;
	move_about(false);
	dev.refuses_twice = false;
	dev.has_one_priority = dev.refuses_rest = true;
	move_about(false);
}

Test(vmq_flow, where_both_do_not_fit_a_move_goes_by_the_default_queue)
{
	move_about(true);
	dev.room = RULES_MAX;
	dev.has_one_priority = dev.refuses_twice = dev.refuses_rest = true;
	move_about(true);
}

/* The one that is there is what matters, not the one that is wanted. */
Test(vmq_flow, a_filter_that_cannot_move_stays)
{
	const struct vmq_filter a = filter(mac_a, VMQ_VLAN_UNTAGGED, 0);

	start();
	cr_assert_eq(ops->filter_set(pv, 1, &a), 0);
	cr_assert_eq(ops->filter_move(pv, 1, QUEUES, &a), -EIO);
	cr_assert(strstr(err_text(), "uplink up: device refuses a flow rule: no such queue"), "%s",
		  err_text());
	cr_assert_eq(queues_of(mac_a, UNTAGGED), 2);
	cr_assert_eq(queues_of(mac_a, 0), 2);
	dev.keeps_rules = true;
	cr_assert_eq(ops->filter_move(pv, 1, 2, &a), -EIO);
	cr_assert(strstr(err_text(), "does not give up a flow rule: it is in use"), "%s",
		  err_text());
	cr_assert_eq(ops->filter_clear(pv, 1, &a), -EIO);
	dev.keeps_rules = false;
	dev.rule[3].is_used = dev.rule[4].is_used = false; /* the new ones */
	dev.nr_rules = 3;
	down();
}

Test(vmq_flow, of_two_rules_that_do_not_fit_none_is_left)
{
	const struct vmq_filter a = filter(mac_a, VMQ_VLAN_UNTAGGED, 0);

	start();
	dev.room = dev.nr_rules + 1;
	cr_assert_eq(ops->filter_set(pv, 1, &a), -ENOSPC);
	cr_assert(strstr(err_text(), "the table is full"), "%s", err_text());
	cr_assert_eq(dev.nr_rules, 1);
	dev.is_silent = true;
	cr_assert_eq(ops->filter_set(pv, 1, &a), -ENOSPC);
	cr_assert(strstr(err_text(), "No space left"), "%s", err_text());
	dev.room++;
	cr_assert_eq(ops->filter_set(pv, 1, &a), 0);
	down();
}

static void refuses_to_start(const char *text)
{
	up();
	cr_assert_eq(ops->started(pv), -ENOTSUP);
	cr_assert(strstr(err_text(), text), "%s", err_text());
	down();
}

Test(vmq_flow, a_device_that_lacks_a_kind_of_rule_is_refused_in_its_own_words)
{
	dev.refuses_untagged = true;
	refuses_to_start("uplink up: device has no flow rules for addresses without a tag: "
			 "has_vlan is not looked at");
	dev.refuses_untagged = false;
	dev.refuses_vlan = true;
	refuses_to_start("for addresses and VLANs: no VLAN item");
	dev.refuses_vlan = false;
	up();
	dev.room = 0;
	cr_assert_eq(ops->started(pv), -ENOTSUP, "it said yes, but keeps none");
	cr_assert(strstr(err_text(), "for addresses: the table is full"), "%s", err_text());
	down();
	dev.refuses_rest = true;
	start();
	down();
}

static int not_yet(uint16_t id, const struct rte_flow_attr *attr,
		   const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
		   struct rte_flow_error *e)
{
	return -EINVAL;
}

static int never(uint16_t id, const struct rte_flow_attr *attr,
		 const struct rte_flow_item pattern[], const struct rte_flow_action actions[],
		 struct rte_flow_error *e)
{
	return -ENOSYS;
}

Test(vmq_flow, is_offered_for_devices_that_may_have_rules)
{
	const struct vmq_flow_calls may = {not_yet, NULL, NULL}, has_none = {never, NULL, NULL};
	struct rte_eth_dev_info info = {.driver_name = "net_x", .max_rx_queues = 1};

	cr_assert_eq(vmq_flow_probe_with(DEV, &info, &may), -ENOTSUP);
	cr_assert(strstr(err_text(), "net_x has one receive queue"), "%s", err_text());
	info.max_rx_queues = 16;
	cr_assert_eq(vmq_flow_probe_with(DEV, &info, &may), 16);
	info.max_rx_queues = 1024;
	cr_assert_eq(vmq_flow_probe_with(DEV, &info, &may), 128);
	cr_assert_eq(vmq_flow_probe_with(DEV, &info, &has_none), -ENOTSUP);
	cr_assert(strstr(err_text(), "net_x has none"), "%s", err_text());
	info.driver_name = "net_tap";
	cr_assert_eq(vmq_flow_probe_with(DEV, &info, &may), -ENOTSUP,
		     "its queues are the kernel's");
}

Test(vmq_flow, asks_for_queues_without_rss)
{
	struct rte_eth_dev_info info = {.driver_name = "net_x"};
	struct rte_eth_conf conf = {.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS};
	const struct vmq_provider_cfg c = {.name = "up", .nr_queues = 1};

	up();
	cr_assert_eq(ops->configure(pv, &info, &conf), QUEUES);
	cr_assert_eq(conf.rxmode.mq_mode, RTE_ETH_MQ_RX_NONE);
	down();
	cr_assert_eq(vmq_flow_create_with(&pv, &c, &calls), -EINVAL);
	ops->destroy(NULL);
}
