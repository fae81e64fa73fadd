/* SPDX-License-Identifier: BSD-3-Clause */
/* The vPCI VSP as a whole: its channel on a vsp thread of its own, so that a function that is long in
 * its reset holds up no disk, and what ctl may ask. */
#include "sriov/vpci.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "sriov/vpci_priv.h"
#include "vmbus/vsp/dev.h"

/* ---- The channel (messages' thread) --------------------------------------------------------- */

static void offer_cfg(const struct vsp_chan *ch, struct vmbus_local_cfg *out)
{
	const struct vpci *v = ch->self;

	*out = (struct vmbus_local_cfg){.if_type = VPCI_CLASS, .if_instance = v->cfg.instance};
}

static int opened(struct vsp_chan *ch, int64_t now_ms)
{
	struct vpci *v = ch->self;

	v->chan = ch;
	vpci_proto_opened(v);
	return 0;
}

static void closed(struct vsp_chan *ch)
{
	struct vpci *v = ch->self;

	vpci_proto_closed(v);
	v->chan = NULL;
}

static enum vsp_take may_take(struct vsp_chan *ch)
{
	ch->want = VPCI_ANSWER_ROOM;
	return vsp_chan_room(ch) >= (int32_t)ch->want ? VSP_TAKE_YES : VSP_TAKE_NO_ROOM;
}

static int packet(struct vsp_chan *ch, const struct vmbus_pkt_desc *d, const uint8_t *pkt,
		  int64_t now_ms)
{
	if (d->type != VMBUS_PKT_INBAND)
		return err_set(-EPROTO, "packet of type %u", d->type);
	return vpci_proto_packet(ch->self, d->trans_id,
				 d->flags & VMBUS_PKT_FLAG_COMPLETION_REQUESTED,
				 pkt + d->offset8 * 8u, (d->len8 - d->offset8) * 8u);
}

/* Only an EJECT that found no room is waited for. */
static int timer(struct vsp_chan *ch, int64_t now_ms)
{
	int rc = vpci_proto_try_eject(ch->self);

	ch->deadline_ms = rc == -EAGAIN ? now_ms + VSP_RETRY_MS : VSP_NEVER;
	return rc == -EAGAIN ? 0 : rc;
}

static const struct vsp_dev dev = {
	.offer_cfg = offer_cfg,
	.opened = opened,
	.closed = closed,
	.may_take = may_take,
	.packet = packet,
	.timer = timer,
};

static int send(void *ctx, enum vmbus_pkttype type, uint64_t trans_id, const void *body,
		uint32_t len)
{
	return vsp_chan_send(((struct vpci *)ctx)->chan, type, 0, trans_id, body, len);
}

static void tell(void *ctx)
{
	vsp_tell_ctl(((struct vpci *)ctx)->bus);
}

/* ---- Life ----------------------------------------------------------------------------------- */

static int check(const struct vpci_cfg *cfg)
{
	if (!cfg->serial || !cfg->instance.data2)
		return err_set(-EINVAL,
			       "%s: serial number %u and PCI domain %u, want others than 0",
			       cfg->name, cfg->serial, cfg->instance.data2);
	if (!cfg->nr_vectors || cfg->nr_vectors > VPCI_VECTORS_MAX)
		return err_set(-EINVAL, "%s: %u vectors, want 1..%u", cfg->name, cfg->nr_vectors,
			       VPCI_VECTORS_MAX);
	if (cfg->numa_node > UINT16_MAX)
		return err_set(-EINVAL, "%s: NUMA node %d", cfg->name, cfg->numa_node);
	return 0;
}

int vpci_core_init(struct vpci *v, const struct vpci_cfg *cfg, const struct vpci_io *io)
{
	int rc = check(cfg);

	memset(v, 0, sizeof(*v));
	v->cfg = *cfg;
	v->io = *io;
	snprintf(v->name, sizeof(v->name), "%s", cfg->name);
	v->cfg.name = v->name;
	pthread_mutex_init(&v->cfg_lock, NULL);
	pthread_mutex_init(&v->msix_lock, NULL);
	if (!rc)
		rc = vpci_caps_read(v);
	if (!rc)
		rc = vpci_bar_init(v);
	return rc;
}

void vpci_core_fini(struct vpci *v)
{
	pthread_mutex_destroy(&v->cfg_lock);
	pthread_mutex_destroy(&v->msix_lock);
}

int vpci_create(struct vpci **out, const struct vpci_cfg *cfg)
{
	struct vpci *v = calloc(1, sizeof(*v));
	struct vpci_io io = {send, tell, v};
	struct vsp_cfg vsp = {.dev = &dev, .dev_self = v, .dev_name = "vpci"};
	int rc;

	*out = NULL;
	if (!v)
		return err_sys(-ENOMEM, "%s", cfg->name);
	rc = vpci_core_init(v, cfg, &io);
	vsp.name = v->name;
	if (!rc)
		rc = vsp_create(&v->bus, &vsp, cfg->bus, cfg->bus_ctx);
	if (rc) {
		vpci_destroy(v);
		return rc;
	}
	*out = v;
	return 0;
}

int vpci_destroy(struct vpci *v)
{
	int rc = 0;

	if (!v)
		return 0;
	vsp_destroy(v->bus);
	if (vpci_has_failed(v))
		rc = err_set(-EIO, "%s: %s", v->name, v->why);
	vpci_core_fini(v);
	free(v);
	return rc;
}

/* ---- What ctl asks -------------------------------------------------------------------------- */

int vpci_fd(const struct vpci *v)
{
	return vsp_fd(v->bus);
}

void vpci_process(struct vpci *v)
{
	const struct vpci_up_ops *up = v->cfg.up;
	bool is_d0;

	vsp_process(v->bus);
	is_d0 = vpci_is(&v->is_d0);
	if (is_d0 != v->told_d0) {
		v->told_d0 = is_d0;
		up->d0_changed(v->cfg.up_ctx, is_d0);
	}
	if (vpci_has_failed(v) && !v->told_failure) {
		v->told_failure = true;
		up->failed(v->cfg.up_ctx, v->why);
	}
	if (__atomic_exchange_n(&v->is_ejected, false, __ATOMIC_ACQ_REL))
		up->ejected(v->cfg.up_ctx);
}

struct eject_call {
	struct vsp_call call;
	struct vpci *v;
	char text[VPCI_WHY_MAX];
};

static int do_eject(struct vsp_call *call)
{
	struct eject_call *c = (struct eject_call *)call;
	int rc = vpci_proto_eject(c->v);

	if (rc)
		snprintf(c->text, sizeof(c->text), "%s", err_text());
	else if (c->v->chan)
		c->v->chan->deadline_ms = 0; /* the turn that follows sends it */
	return rc;
}

int vpci_eject(struct vpci *v)
{
	struct eject_call c = {.call.fn = do_eject, .v = v};
	int rc = vsp_run(v->bus, &c.call);

	return rc ? err_set(rc, "%s", c.text) : 0;
}

/* In this order: who sees the mark gives nothing away any more, and who did not, holds the lock that
 * vpci_func_stop() waits for. */
void vpci_surprise(struct vpci *v)
{
	__atomic_store_n(&v->is_gone, true, __ATOMIC_RELEASE);
	vpci_func_stop(v);
}

/* ---- Status (ctl) --------------------------------------------------------------------------- */

static const char *state_text(const struct vpci *v)
{
	static const char *const phase[] = {
		[VPCI_PHASE_CLOSED] = "closed",
		[VPCI_PHASE_OPEN] = "opened",
		[VPCI_PHASE_READY] = "ready",
	};

	if (vpci_has_failed(v))
		return "failed";
	if (vpci_is(&v->is_gone))
		return "gone";
	if (v->proto.ejection == VPCI_EJECT_DONE)
		return "ejected";
	if (v->proto.ejection != VPCI_EJECT_NO)
		return "ejecting";
	return vpci_is(&v->is_d0) ? "d0" : phase[v->proto.phase];
}

static void space_status(struct vpci *v, struct vpci_status *out)
{
	pthread_mutex_lock(&v->cfg_lock);
	out->has_decode = v->space.command & 0x2;
	out->is_master = v->space.command & 0x4;
	out->has_msix = v->space.has_irqs;
	out->is_asleep = v->space.is_asleep;
	for (unsigned int i = 0; i < VPCI_BARS; i++)
		out->bar[i] = (struct vpci_bar_status){vpci_bar_address(v, i), v->cfg.bar[i].size,
						       v->space.map[i].is_mapped};
	pthread_mutex_unlock(&v->cfg_lock);
}

struct status_call {
	struct vsp_call call;
	struct vpci *v;
	struct vpci_status *out;
};

static int do_status(struct vsp_call *call)
{
	struct status_call *c = (struct status_call *)call;
	const struct vpci_proto *p = &c->v->proto;
	struct vpci_status *out = c->out;

	out->state = state_text(c->v);
	out->version = p->version;
	out->is_assigned = p->is_assigned;
	out->nr_irqs = p->nr_irqs;
	out->messages = p->messages;
	out->refused = p->refused;
	out->unknown = p->unknown;
	return 0;
}

void vpci_status(struct vpci *v, struct vpci_status *out)
{
	struct status_call c = {.call.fn = do_status, .v = v, .out = out};

	memset(out, 0, sizeof(*out));
	out->vendor = v->ids.vendor;
	out->device = v->ids.device;
	out->serial = v->cfg.serial;
	out->nr_vectors = v->cfg.nr_vectors;
	vsp_run(v->bus, &c.call);
	space_status(v, out);
	out->nr_unmasked = vpci_msix_unmasked(v);
	out->bad_accesses = __atomic_load_n(&v->bad_accesses, __ATOMIC_RELAXED);
	out->maps_refused = __atomic_load_n(&v->maps_refused, __ATOMIC_RELAXED);
	out->function_fails = __atomic_load_n(&v->function_fails, __ATOMIC_RELAXED);
}
