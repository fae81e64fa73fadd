/* SPDX-License-Identifier: BSD-3-Clause */
/* VMQ of an uplink: its life, the choice of who sorts, and the table behind which the uplink sees it. */
#include "vmq/vmq.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>
#include <rte_ethdev.h>

#include "base/err.h"
#include "base/log.h"
#include "vmq/priv.h"
#include "vswitch/uplink.h"
#include "vswitch/vswitch.h"

#define SECTION_SMALL 4096u
#define SECTION_LARGE 12288u

static const struct vmq_provider_ops *const providers[] = {&vmq_vmdq, &vmq_flow, &vmq_software};

static bool is_considered(const struct vmq *v, unsigned int i)
{
	if (v->rejected >> i & 1)
		return false;
	return v->cfg.provider == VMQ_PROVIDER_AUTO || v->cfg.provider == i + VMQ_PROVIDER_VMDQ;
}

/* With why, behind the reasons of those before. */
static void reject(struct vmq *v, unsigned int i)
{
	size_t at = strlen(v->why);

	v->rejected |= (uint8_t)(1u << i);
	snprintf(v->why + at, sizeof(v->why) - at, "%s%s: %s", at ? "; " : "", providers[i]->name,
		 err_text());
}

/* The first that can: how many queues it has there, or -ENOTSUP with all the reasons. */
static int choose(struct vmq *v, uint16_t dev, const struct rte_eth_dev_info *info)
{
	for (unsigned int i = 0; i < RTE_DIM(providers); i++) {
		int n = is_considered(v, i) ? providers[i]->probe(dev, info) : 0;

		if (n > 0) {
			v->ops = providers[i];
			v->choice = i;
			return n;
		}
		if (n < 0)
			reject(v, i);
	}
	return err_set(-ENOTSUP, "vmq: %s", v->why);
}

static uint16_t queues_of(const struct vmq *v, int n)
{
	uint32_t want = v->cfg.nr_queues;

	if (!want)
		want = v->ops == &vmq_software ? VMQ_SOFTWARE_QUEUES : VMQ_QUEUES_MAX - 1;
	return (uint16_t)RTE_MIN(want + 1, (uint32_t)n);
}

static void provider_drop(struct vmq *v)
{
	vmq_nic_destroy(v->nic);
	if (v->pv)
		v->ops->destroy(v->pv);
	v->nic = NULL;
	v->pv = NULL;
}

/* What lies in rings of ours: eight queues that nobody empties for a while, at most; then the device loses. */
static uint32_t bufs_of(const struct vmq *v, uint16_t nr_queues, uint16_t nr_desc)
{
	return v->ops == &vmq_software ? RTE_MIN(nr_queues - 1u, 8u) * nr_desc : 0;
}

static int on_configure(void *ctx, uint16_t dev, const struct rte_eth_dev_info *info,
			struct rte_eth_conf *conf)
{
	struct vmq *v = ctx;
	struct vmq_provider_cfg pc = {
		.name = v->cfg.name,
		.sw = v->cfg.sw,
		.dev = dev,
		.nr_desc = VSW_UPLINK_RX_DESC,
		.wants_direct = !v->cfg.is_direct_off,
	};
	int rc;

	provider_drop(v);
	rc = choose(v, dev, info);
	if (rc < 0)
		return rc;
	v->dev = dev;
	pc.nr_queues = queues_of(v, rc);
	rc = v->ops->create(&v->pv, &pc);
	if (!rc)
		rc = vmq_nic_create(&v->nic, pc.nr_queues, v->ops, v->pv);
	if (rc)
		return rc;
	v->steer.nr_queues = pc.nr_queues;
	v->steer.nr_bufs = bufs_of(v, pc.nr_queues, pc.nr_desc);
	return v->ops->configure(v->pv, info, conf);
}

/* Only queues of which the NIC itself says who they are for may lie in somebody's memory. */
static struct rte_mempool *on_pool(void *ctx, uint16_t q, uint16_t nr_desc, uint32_t buf_size)
{
	struct vmq *v = ctx;
	const bool is_test = v->cfg.iova != NULL;
	struct vmq_direct_cfg dc = {
		.sw = v->cfg.sw,
		.nr_bufs = nr_desc + 4 * VSW_VEC_SIZE,
		.buf_size = buf_size <= SECTION_SMALL ? SECTION_SMALL : SECTION_LARGE,
		.socket = rte_eth_dev_socket_id(v->dev),
		.iova = is_test ? v->cfg.iova : &vmq_iova_vfio,
		.iova_ctx = is_test ? v->cfg.iova_ctx : &v->vfio_fd,
	};
	char name[24];

	if (q == VMQ_DEFAULT || v->cfg.is_direct_off || !v->ops->prove)
		return NULL;
	snprintf(name, sizeof(name), "vmq_%u_%u", v->dev, q);
	dc.name = name;
	if ((!is_test && vmq_vfio_container(&v->vfio_fd)) ||
	    vmq_direct_create(&v->direct[q], &dc)) {
		log_warn(v->cfg.name, "queue %u: %s; its frames are copied", q, err_text());
		return NULL;
	}
	return vmq_direct_pool(v->direct[q]);
}

static int on_started(void *ctx)
{
	struct vmq *v = ctx;
	int rc = v->ops->started(v->pv);

	if (rc == -ENOTSUP && v->cfg.provider == VMQ_PROVIDER_AUTO) {
		reject(v, v->choice);
		return -EAGAIN;
	}
	if (rc)
		return rc;
	vmq_hear(v);
	return vmq_filters_again(v);
}

static void on_stopping(void *ctx)
{
	struct vmq *v = ctx;

	v->ops->stopping(v->pv);
	v->is_one = false;
}

static void on_closed(void *ctx)
{
	struct vmq *v = ctx;

	for (unsigned int q = 0; q < VMQ_QUEUES_MAX; q++) {
		vmq_direct_destroy(v->direct[q]);
		v->direct[q] = NULL;
	}
}

static uint16_t on_rx(void *ctx, uint16_t q, struct rte_mbuf **m, uint16_t n, struct vsw_steered *s)
{
	struct vmq *v = ctx;

	if (unlikely(__atomic_load_n(&v->to[q], __ATOMIC_RELAXED) & VMQ_HELD))
		return 0;
	n = v->ops->rx(v->pv, q, m, n, s);
	s->to = (uint16_t)__atomic_load_n(&v->to[s->q], __ATOMIC_RELAXED);
	return n;
}

static bool on_arm(void *ctx, uint16_t q)
{
	struct vmq *v = ctx;

	return v->ops->arm && v->ops->arm(v->pv, q);
}

static void on_disarm(void *ctx, uint16_t q)
{
	struct vmq *v = ctx;

	if (v->ops->disarm)
		v->ops->disarm(v->pv, q);
}

static int on_event_fd(void *ctx, uint16_t q)
{
	struct vmq *v = ctx;

	return v->ops->event_fd ? v->ops->event_fd(v->pv, q) : -1;
}

static struct vsw_quiet on_quiet(void *ctx, uint16_t q)
{
	struct vmq *v = ctx;

	return v->ops->quiet ? v->ops->quiet(v->pv, q) : (struct vsw_quiet){NULL, NULL};
}

static const struct vsw_steer_ops steer_ops = {
	.configure = on_configure,
	.pool = on_pool,
	.started = on_started,
	.stopping = on_stopping,
	.closed = on_closed,
	.rx = on_rx,
	.arm = on_arm,
	.disarm = on_disarm,
	.event_fd = on_event_fd,
	.quiet = on_quiet,
};

int vmq_create(struct vmq **out, const struct vmq_cfg *cfg)
{
	struct vmq *v;

	if (cfg->nr_queues >= VMQ_QUEUES_MAX)
		return err_set(-EINVAL, "vmq of %s: %u queues, want 1..%u", cfg->name,
			       cfg->nr_queues, VMQ_QUEUES_MAX - 1);
	v = calloc(1, sizeof(*v));
	if (!v)
		return err_set(-ENOMEM, "vmq of %s: out of memory", cfg->name);
	v->cfg = *cfg;
	v->steer = (struct vsw_steer){.ops = &steer_ops, .ctx = v};
	for (unsigned int q = 0; q < VMQ_QUEUES_MAX; q++)
		v->to[q] = VSW_PORT_NONE;
	vmq_placer_init(&v->placer, &cfg->place);
	*out = v;
	return 0;
}

void vmq_destroy(struct vmq *v)
{
	if (!v)
		return;
	provider_drop(v);
	free(v);
}

const struct vsw_steer *vmq_steer(const struct vmq *v)
{
	return &v->steer;
}

void vmq_attach(struct vmq *v, struct vsw_uplink *u)
{
	v->up = vsw_uplink_port(u);
}

void vmq_detach(struct vmq *v)
{
	for (unsigned int i = 0; i < VSW_PORTS_MAX; i++)
		v->port[i].is_short = false;
	for (unsigned int i = 0; i < VSW_PORTS_MAX; i++)
		if (v->port[i].p)
			vmq_port_remove(v, v->port[i].p);
	v->up = NULL;
}
