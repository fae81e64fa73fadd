/* SPDX-License-Identifier: BSD-3-Clause */
/* The provider by VMDq pools. DPDK configures the device and keeps the list of addresses; what goes to which pool is
 * written by igb.c. A stop of the device ends all filters. */
#include "vmq/vmdq.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_ethdev.h>

#include "base/err.h"

#define FRAME_EXTRA 22u /* Ethernet header, tag, FCS */

struct vmdq {
	const struct vmdq_calls *calls;
	struct vmq_provider_cfg cfg;
	char bdf[VMDQ_BDF_MAX];
	uint8_t own[6]; /* DPDK does not let go of it */
	bool is_started, is_told;
	uint64_t heard[64];
	struct igb dev;
	struct igb_window window;
	struct igb_table now;
	struct igb_rules rules;
};

/* A change of tables: more frames, or fewer, for pools. Each frame meets one of the two, never both and never none, if
 * what is compared last is written last when they get more, and first when they get fewer. */
enum order { GROW, SHRINK };

static const uint16_t tried[] = {0x10c9, 0x10e6, 0x10e7, 0x10e8, 0x1526, 0x150a, 0x1518, 0x150d};

static bool is_82576(int64_t id)
{
	for (size_t i = 0; i < sizeof(tried) / sizeof(tried[0]); i++)
		if (id == (0x8086ll << 16 | tried[i]))
			return true;
	return false;
}

/* What is not there now would be missing when the device is started, too late for another provider. */
static int try_window(const struct vmdq_calls *calls, const char *bdf)
{
	struct igb_window w = {.fd = -1};

	if (calls->window_open(&w, bdf)) {
		err_prefix("VMDq needs the registers of the device, by VFIO (else use the provider "
			   "software or flow)");
		return -ENOTSUP;
	}
	calls->window_close(&w);
	return 0;
}

static int try_device(const struct vmdq_calls *calls, const char *bdf)
{
	int64_t id = calls->pci_id(bdf);

	if (id < 0)
		return (int)id;
	if (!is_82576(id))
		return err_set(-ENOTSUP,
			       "%s (%08" PRIx64
			       ") is no 82576, and VMDq of no other was tried: use "
			       "the provider software or flow",
			       bdf, (uint64_t)id);
	return try_window(calls, bdf);
}

int vmdq_probe_by(const struct vmdq_calls *calls, const struct rte_eth_dev_info *info)
{
	int rc;

	if (info->max_vmdq_pools < 2)
		return err_set(-ENOTSUP, "%s has no VMDq: use the provider software or flow",
			       info->driver_name);
	if (strcmp(info->driver_name, "net_e1000_igb"))
		return err_set(
			-ENOTSUP,
			"whether VMDq of %s compares addresses and VLANs was not tried: use the "
			"provider software or flow",
			info->driver_name);
	rc = try_device(calls, calls->bdf(info->device));
	return rc ? rc : (int)RTE_MIN(info->max_vmdq_pools, IGB_POOLS);
}

/* No pool takes anything on its own account (rx_mode), unknown unicast goes to pool 0. */
static int vmdq_configure(void *pv, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	struct vmdq *v = pv;
	int nr = vmdq_probe_by(v->calls, info);

	if (nr < 0)
		return nr;
	if (v->cfg.nr_queues > nr)
		return err_set(-EINVAL, "%s: %u queues, the device has %d pools", v->cfg.name,
			       v->cfg.nr_queues, nr);
	snprintf(v->bdf, sizeof(v->bdf), "%s", v->calls->bdf(info->device));
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_VMDQ_ONLY;
	conf->rx_adv_conf.vmdq_rx_conf = (struct rte_eth_vmdq_rx_conf){
		.nb_queue_pools = RTE_ETH_8_POOLS,
		.enable_default_pool = 1,
		.default_pool = 0,
	};
	return v->cfg.nr_queues;
}

static bool is_own(const struct vmdq *v, const uint8_t *addr)
{
	return !memcmp(v->own, addr, 6);
}

static int mac_enter(struct vmdq *v, const struct igb_mac *m)
{
	struct rte_ether_addr a;
	int rc = 0;

	memcpy(a.addr_bytes, m->addr, 6);
	if (!is_own(v, m->addr))
		rc = v->calls->mac_add(v->cfg.dev, &a, (uint32_t)__builtin_ctz(m->pools));
	if (rc)
		return err_sys(rc == -ENOSPC ? -ENOSPC : -EIO,
			       "%s: the device does not take the address", v->cfg.name);
	return igb_mac_pools(&v->dev, m->addr, m->pools);
}

/* DPDK takes the address out in two writes, between which another address would stand there. */
static int mac_leave(struct vmdq *v, const uint8_t *addr)
{
	struct rte_ether_addr a;
	int rc = igb_mac_pools(&v->dev, addr, 0);

	if (rc || is_own(v, addr))
		return rc;
	memcpy(a.addr_bytes, addr, 6);
	rc = v->calls->mac_remove(v->cfg.dev, &a);
	return rc ? err_sys(-EIO, "%s: the device keeps the address", v->cfg.name) : 0;
}

/* All that can leave do; the first failure. */
static int macs_leave(struct vmdq *v, const struct igb_table *from, const struct igb_table *to)
{
	int rc = 0;

	for (unsigned int i = 0; i < IGB_MACS; i++) {
		if (from->mac[i].pools && igb_table_mac(to, from->mac[i].addr) < 0) {
			int one = mac_leave(v, from->mac[i].addr);

			rc = rc ? rc : one;
		}
	}
	return rc;
}

static int macs_enter(struct vmdq *v, const struct igb_table *from, const struct igb_table *to)
{
	int rc = 0;

	for (unsigned int i = 0; i < IGB_MACS && !rc; i++) {
		const struct igb_mac *m = &to->mac[i];
		int k = m->pools ? igb_table_mac(from, m->addr) : -1;

		if (m->pools && k < 0)
			rc = mac_enter(v, m);
		else if (m->pools && from->mac[k].pools != m->pools)
			rc = igb_mac_pools(&v->dev, m->addr, m->pools);
	}
	return rc;
}

static int macs_apply(struct vmdq *v, const struct igb_table *from, const struct igb_table *to)
{
	int rc = macs_leave(v, from, to);

	return rc ? rc : macs_enter(v, from, to);
}

static int apply(struct vmdq *v, const struct igb_table *from, const struct igb_table *to,
		 enum order order)
{
	int rc = order == GROW ? igb_vlans(&v->dev, from, to) : macs_apply(v, from, to);

	if (rc)
		return rc;
	return order == GROW ? macs_apply(v, from, to) : igb_vlans(&v->dev, from, to);
}

/* What failed says why; a device that takes nothing back either is lost anyway. */
static void undo(struct vmdq *v, const struct igb_table *half)
{
	char why[256];

	snprintf(why, sizeof(why), "%s", err_text());
	(void)macs_leave(v, half, &v->now);
	(void)macs_enter(v, half, &v->now);
	(void)igb_vlans(&v->dev, half, &v->now);
	err_set(0, "%s", why);
}

static int plan(const struct vmdq *v, struct igb_table *to, const struct igb_rules *rules)
{
	int rc = igb_table_build(to, &v->now, rules, v->heard);

	if (!rc && to->has_vlans && !v->is_told)
		rc = err_set(-ENOTSUP, "an 82576 that compares VLANs hears groups' frames of few: "
				       "which ones are needed was not said");
	if (!rc)
		rc = igb_table_check(to, rules);
	if (rc)
		err_prefix("%s", v->cfg.name);
	return rc;
}

static int change(struct vmdq *v, const struct igb_rules *rules, enum order order)
{
	struct igb_table to;
	int rc = plan(v, &to, rules);

	if (rc)
		return rc;
	rc = apply(v, &v->now, &to, order);
	if (rc) {
		undo(v, &to);
		return rc;
	}
	v->now = to;
	v->rules = *rules;
	return 0;
}

/* DPDK would enter the addresses that it has again, for the pools that they were entered for at first. */
static void vmdq_stopping(void *pv)
{
	static const struct igb_table none;
	struct vmdq *v = pv;

	if (!v->is_started)
		return;
	(void)macs_leave(v, &v->now, &none);
	v->now = none;
	v->rules.nr = 0;
	v->calls->window_close(&v->window);
	v->is_started = false;
}

static int vmdq_started(void *pv)
{
	static const struct igb_table empty = {.untagged = 1};
	struct vmdq *v = pv;
	struct rte_ether_addr own;
	uint16_t mtu;
	int rc = v->calls->window_open(&v->window, v->bdf);

	if (rc) {
		err_prefix("%s: registers", v->cfg.name);
		return rc;
	}
	v->is_started = true;
	v->now = empty;
	v->dev.io = v->calls->window_io(&v->window);
	if (v->calls->mtu_get(v->cfg.dev, &mtu) || v->calls->mac_get(v->cfg.dev, &own))
		rc = err_set(-EIO, "%s: the device does not say its MTU or address", v->cfg.name);
	else
		rc = igb_setup(&v->dev, mtu + FRAME_EXTRA);
	if (rc)
		vmdq_stopping(v);
	else
		memcpy(v->own, own.addr_bytes, 6);
	return rc;
}

int vmdq_create_by(const struct vmdq_calls *calls, void **pv, const struct vmq_provider_cfg *cfg)
{
	struct vmdq *v;

	if (cfg->nr_queues < 2 || cfg->nr_queues > IGB_POOLS)
		return err_set(-EINVAL, "%s: %u queues, want 2..%u", cfg->name, cfg->nr_queues,
			       IGB_POOLS);
	v = calloc(1, sizeof(*v));
	if (!v)
		return err_set(-ENOMEM, "%s: VMDq", cfg->name);
	v->calls = calls;
	v->cfg = *cfg;
	v->window.fd = -1;
	v->dev.name = cfg->name;
	*pv = v;
	return 0;
}

static void vmdq_destroy(void *pv)
{
	if (!pv)
		return;
	vmdq_stopping(pv);
	free(pv);
}

static int filter_check(const struct vmdq *v, uint16_t q)
{
	if (!v->is_started)
		return err_set(-ENODEV, "%s: the device is not started", v->cfg.name);
	if (q >= v->cfg.nr_queues)
		return err_set(-EINVAL, "%s: queue %u, there are %u", v->cfg.name, q,
			       v->cfg.nr_queues);
	return 0;
}

static int rule_find(const struct igb_rules *rules, uint16_t q, const struct vmq_filter *f)
{
	for (uint32_t i = 0; i < rules->nr; i++)
		if (rules->r[i].q == q && vmq_filter_is_same(&rules->r[i].f, f))
			return (int)i;
	return -1;
}

static int vmdq_filter_set(void *pv, uint16_t q, const struct vmq_filter *f)
{
	struct vmdq *v = pv;
	struct igb_rules next = v->rules;
	int rc = filter_check(v, q);

	if (rc || q == 0)
		return rc;
	if (next.nr == IGB_RULES_MAX)
		return err_set(-ENOSPC, "%s: %u filters", v->cfg.name, IGB_RULES_MAX);
	next.r[next.nr++] = (struct igb_rule){*f, q};
	return change(v, &next, GROW);
}

static int vmdq_filter_clear(void *pv, uint16_t q, const struct vmq_filter *f)
{
	struct vmdq *v = pv;
	struct igb_rules next = v->rules;
	int i, rc = filter_check(v, q);

	if (rc || q == 0)
		return rc;
	i = rule_find(&next, q, f);
	if (i < 0)
		return err_set(-ENOENT, "%s: queue %u has no such filter", v->cfg.name, q);
	memmove(&next.r[i], &next.r[i + 1], (next.nr - i - 1) * sizeof(next.r[0]));
	next.nr--;
	return change(v, &next, SHRINK);
}

static int move_apply(struct vmdq *v, const struct igb_table via[2], const struct igb_table *to)
{
	int rc = apply(v, &v->now, &via[0], GROW);

	if (!rc)
		rc = apply(v, &via[0], &via[1], GROW);
	return rc ? rc : apply(v, &via[1], to, GROW);
}

static int move(struct vmdq *v, const struct igb_rules *next)
{
	struct igb_table to, via[2];
	int rc = plan(v, &to, next);

	if (rc)
		return rc;
	rc = igb_table_move(via, &v->now, &to, &v->rules, next);
	if (rc) {
		err_prefix("%s", v->cfg.name);
		return rc;
	}
	rc = move_apply(v, via, &to);
	if (rc) {
		undo(v, &to);
		return rc;
	}
	v->now = to;
	v->rules = *next;
	return 0;
}

/* From and to the default queue it is as set and clear: what no pool wants goes there. */
static int vmdq_filter_move(void *pv, uint16_t from, uint16_t to, const struct vmq_filter *f)
{
	struct vmdq *v = pv;
	struct igb_rules next = v->rules;
	int i, rc = filter_check(v, from > to ? from : to);

	if (rc || from == to)
		return rc;
	if (from == 0)
		return vmdq_filter_set(v, to, f);
	if (to == 0)
		return vmdq_filter_clear(v, from, f);
	i = rule_find(&next, from, f);
	if (i < 0)
		return err_set(-ENOENT, "%s: queue %u has no such filter", v->cfg.name, from);
	next.r[i].q = to;
	return move(v, &next);
}

static int vmdq_hear(void *pv, const uint64_t vlans[64])
{
	static const uint64_t none[64];
	struct vmdq *v = pv;
	uint64_t former[64];
	bool was_told = v->is_told;
	int rc = 0;

	memcpy(former, v->heard, sizeof(former));
	memcpy(v->heard, vlans ? vlans : none, sizeof(former));
	v->is_told = true;
	if (v->is_started)
		rc = change(v, &v->rules, GROW);
	if (rc) {
		memcpy(v->heard, former, sizeof(former));
		v->is_told = was_told;
	}
	return rc;
}

static int vmdq_prove(void *pv, uint16_t q)
{
	struct vmdq *v = pv;
	int rc = filter_check(v, q);

	if (rc)
		return rc;
	if (q == 0)
		return err_set(-ENOTSUP, "%s: the default queue gets what nothing was compared for",
			       v->cfg.name);
	return igb_prove(&v->dev, &v->now, q);
}

static uint16_t vmdq_rx(void *pv, uint16_t q, struct rte_mbuf **m, uint16_t n,
			struct vsw_steered *s)
{
	const struct vmdq *v = pv;

	return rte_eth_rx_burst(v->cfg.dev, q, m, n);
}

static uint64_t vmdq_missed(void *pv, uint16_t q)
{
	return 0; /* imissed of the device counts all queues together */
}

static int vmdq_probe(uint16_t dev, const struct rte_eth_dev_info *info)
{
	return vmdq_probe_by(&vmdq_sys_calls, info);
}

static int vmdq_create(void **pv, const struct vmq_provider_cfg *cfg)
{
	return vmdq_create_by(&vmdq_sys_calls, pv, cfg);
}

const struct vmq_provider_ops vmq_vmdq = {
	.name = "vmdq",
	.probe = vmdq_probe,
	.create = vmdq_create,
	.destroy = vmdq_destroy,
	.configure = vmdq_configure,
	.started = vmdq_started,
	.stopping = vmdq_stopping,
	.filter_set = vmdq_filter_set,
	.filter_clear = vmdq_filter_clear,
	.filter_move = vmdq_filter_move,
	.prove = vmdq_prove,
	.hear = vmdq_hear,
	.rx = vmdq_rx,
	.missed = vmdq_missed,
};
