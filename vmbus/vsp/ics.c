/* SPDX-License-Identifier: BSD-3-Clause */
/* Puts the integration components on channels. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/err.h"
#include "vmbus/vsp/priv.h"
#include "vmbus/vsp/services.h"

struct ics {
	struct heartbeat heartbeat;
	struct shutdown shutdown;
	struct timesync timesync;
	struct kvp kvp;
	struct ic *ic[VSP_IC_NR];
	struct vsp_chan *ch[VSP_IC_NR];
};

/* ---- A component as a device ---------------------------------------------------------------- */

static int io_send(void *ctx, const void *payload, uint32_t len)
{
	return vsp_chan_send(ctx, VMBUS_PKT_INBAND, 0, 0, payload, len);
}

static uint64_t io_ref_time(void *ctx)
{
	struct vsp *v = ((struct vsp_chan *)ctx)->v;

	return v->ops->ref_time(v->ctx);
}

static uint64_t io_utc(void *ctx)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 10000000u + (uint64_t)ts.tv_nsec / 100u;
}

static void dev_offer_cfg(const struct vsp_chan *ch, struct vmbus_local_cfg *out)
{
	const struct ic *ic = ch->self;

	*out = (struct vmbus_local_cfg){
		.if_type = ic->svc->if_type,
		.if_instance = ic->svc->if_instance,
		.flags = IC_OFFER_FLAGS,
		.pipe_mode = IC_PIPE_MODE,
	};
}

static int dev_opened(struct vsp_chan *ch, int64_t now_ms)
{
	return ic_open(ch->self);
}

static void dev_closed(struct vsp_chan *ch)
{
	ic_close(ch->self);
}

static enum vsp_take dev_may_take(struct vsp_chan *ch)
{
	return VSP_TAKE_YES; /* what it sends for it has time */
}

static int dev_packet(struct vsp_chan *ch, const struct vmbus_pkt_desc *d, const uint8_t *pkt,
		      int64_t now_ms)
{
	struct ic *ic = ch->self;
	int rc = ic_packet(ic, d, pkt, now_ms);

	ch->deadline_ms = ic->deadline_ms;
	return rc;
}

static int dev_timer(struct vsp_chan *ch, int64_t now_ms)
{
	struct ic *ic = ch->self;
	int rc = ic_timer(ic, now_ms);

	ch->deadline_ms = ic->deadline_ms;
	return rc;
}

static const struct vsp_dev ic_dev = {
	.offer_cfg = dev_offer_cfg,
	.opened = dev_opened,
	.closed = dev_closed,
	.may_take = dev_may_take,
	.packet = dev_packet,
	.timer = dev_timer,
};

/* ---- Life ----------------------------------------------------------------------------------- */

static void on_answer(struct shutdown *s)
{
	vsp_tell_ctl(s->ctx);
}

int ics_create(struct ics **out, struct vsp *v)
{
	static const struct ic_service *const service[VSP_IC_NR] = {
		[VSP_IC_HEARTBEAT] = &heartbeat_service,
		[VSP_IC_SHUTDOWN] = &shutdown_service,
		[VSP_IC_TIMESYNC] = &timesync_service,
		[VSP_IC_KVP] = &kvp_service,
	};
	struct ics *s = calloc(1, sizeof(*s));

	*out = s;
	if (!s)
		return err_sys(-ENOMEM, "integration components");
	s->ic[VSP_IC_HEARTBEAT] = &s->heartbeat.ic;
	s->ic[VSP_IC_SHUTDOWN] = &s->shutdown.ic;
	s->ic[VSP_IC_TIMESYNC] = &s->timesync.ic;
	s->ic[VSP_IC_KVP] = &s->kvp.ic;
	s->shutdown.changed = on_answer;
	s->shutdown.ctx = v;
	for (int i = 0; i < VSP_IC_NR; i++) {
		struct ic_io io = {io_send, io_ref_time, io_utc, NULL};

		io.ctx = s->ch[i] = vsp_add(v, service[i]->name, &ic_dev, s->ic[i]);
		ic_init(s->ic[i], service[i], &io);
	}
	return 0;
}

void ics_destroy(struct ics *s)
{
	free(s);
}

/* ---- Shutdown (ctl) ------------------------------------------------------------------------- */

struct shutdown_call {
	struct vsp_call call;
	enum vsp_shutdown what;
	enum vsp_answer answer;
	char text[VSP_WHY_MAX];
};

static int do_shutdown(struct vsp_call *call)
{
	struct shutdown_call *c = (struct shutdown_call *)call;
	struct ics *s = call->v->ics;
	int rc = shutdown_request(&s->shutdown, c->what);

	if (rc)
		snprintf(c->text, sizeof(c->text), "%s", err_text());
	else
		vsp_chan_flush(s->ch[VSP_IC_SHUTDOWN]);
	return rc;
}

int vsp_shutdown(struct vsp *v, enum vsp_shutdown what)
{
	struct shutdown_call c = {.call.fn = do_shutdown, .what = what};
	int rc;

	if (!v->ics)
		return err_set(-ENOTCONN, "the partition has no integration components");
	rc = vsp_run(v, &c.call);
	return rc ? err_set(rc, "%s", c.text) : 0;
}

static int do_answer(struct vsp_call *call)
{
	((struct shutdown_call *)call)->answer = call->v->ics->shutdown.answer;
	return 0;
}

enum vsp_answer vsp_shutdown_answer(struct vsp *v)
{
	struct shutdown_call c = {.call.fn = do_answer};

	if (!v->ics)
		return VSP_ANSWER_NONE;
	vsp_run(v, &c.call);
	return c.answer;
}

/* ---- Status --------------------------------------------------------------------------------- */

void ics_status(const struct ics *s, struct vsp_status *out, int64_t now_ms)
{
	out->has_integration = true;
	for (int i = 0; i < VSP_IC_NR; i++) {
		const struct ic *ic = s->ic[i];
		bool is_faulted = s->ch[i]->state == VSP_CHAN_FAULTED;

		out->ic[i] = (struct vsp_ic_status){
			.name = ic->svc->name,
			.state = is_faulted ? "faulted" : ic_state_text(ic),
			.fw_major = ic->framework.major,
			.fw_minor = ic->framework.minor,
			.msg_major = ic->message.major,
			.msg_minor = ic->message.minor,
			.answers = ic->answers,
		};
	}
	if (s->heartbeat.seen_ms >= 0)
		out->heartbeat_ago_ms = now_ms - s->heartbeat.seen_ms;
	out->heartbeat_app_state = s->heartbeat.app_state;
	if (s->kvp.seen_ms >= 0)
		out->kvp_ago_ms = now_ms - s->kvp.seen_ms;
	out->nr_kvp = s->kvp.nr;
	for (uint32_t i = 0; i < s->kvp.nr; i++)
		out->kvp[i] = s->kvp.pair[i];
}
