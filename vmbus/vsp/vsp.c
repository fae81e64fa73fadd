/* SPDX-License-Identifier: BSD-3-Clause */
/* The vsp thread, and how ctl reaches it: ctl leaves a call and waits. So all state of channels and
 * devices has one owner, and close() is over when the thread says so. */
#include "vmbus/vsp/vsp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "vmbus/vsp/priv.h"

#define EVENTS_MAX 16

int64_t vsp_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void vsp_tell_ctl(struct vsp *v)
{
	fd_kick(v->ctl_fd);
}

/* ---- The thread ----------------------------------------------------------------------------- */

/* Returns whether the thread is to end. */
static bool run_call(struct vsp *v)
{
	struct vsp_call *call;
	bool is_over;

	pthread_mutex_lock(&v->lock);
	call = v->call;
	is_over = v->is_stopping;
	pthread_mutex_unlock(&v->lock);
	if (!call)
		return is_over;
	call->rc = call->fn(call);
	if (call->rc == -EINPROGRESS)
		return is_over;
	pthread_mutex_lock(&v->lock);
	v->call = NULL;
	call->is_done = true;
	pthread_cond_signal(&v->called);
	pthread_mutex_unlock(&v->lock);
	return is_over;
}

static void take_jobs(struct vsp *v)
{
	struct pool_job *job;

	while (v->has_pool && (job = pool_take(&v->pool)))
		vsp_chan_job_done((struct vsp_job *)job);
}

/* Milliseconds to sleep: 0 when a channel has more to do. */
static int sleep_ms(const struct vsp *v, int64_t now)
{
	int64_t until = VSP_NEVER;

	for (uint32_t i = 0; i < v->nr_chans; i++) {
		const struct vsp_chan *ch = &v->chan[i];

		if (ch->state != VSP_CHAN_OPEN)
			continue;
		if (ch->is_ready)
			return 0;
		if (ch->is_short && now + VSP_RETRY_MS < until)
			until = now + VSP_RETRY_MS;
		if (ch->deadline_ms < until)
			until = ch->deadline_ms;
	}
	if (until == VSP_NEVER)
		return -1;
	return until <= now ? 0 : (until - now > 60000 ? 60000 : (int)(until - now));
}

static void turn(struct vsp *v)
{
	int64_t now = vsp_now_ms();

	for (uint32_t i = 0; i < v->nr_chans; i++) {
		struct vsp_chan *ch = &v->chan[i];

		vsp_chan_timer(ch, now);
		if (ch->is_ready || ch->is_short)
			vsp_chan_poll(ch, now);
	}
}

static void *thread_main(void *arg)
{
	struct epoll_event ev[EVENTS_MAX];
	struct vsp *v = arg;
	int n;

	for (;;) {
		n = epoll_wait(v->epfd, ev, EVENTS_MAX, sleep_ms(v, vsp_now_ms()));
		for (int i = 0; i < n; i++) {
			struct vsp_chan *ch = ev[i].data.ptr;

			fd_drain(ch ? ch->doorbell : v->wake_fd);
			if (ch)
				vsp_chan_wake(ch);
		}
		take_jobs(v);
		if (run_call(v))
			return NULL;
		turn(v);
	}
}

int vsp_run(struct vsp *v, struct vsp_call *call)
{
	call->v = v;
	call->is_done = false;
	pthread_mutex_lock(&v->lock);
	v->call = call;
	fd_kick(v->wake_fd);
	while (!call->is_done)
		pthread_cond_wait(&v->called, &v->lock);
	pthread_mutex_unlock(&v->lock);
	return call->rc;
}

/* ---- What the bus asks of a channel (ctl) --------------------------------------------------- */

struct chan_call {
	struct vsp_call call;
	struct vsp_chan *ch;
	const struct vmbus_local_open *o;
	uint32_t target_vp;
	int doorbell;
	char text[VSP_WHY_MAX]; /* of the vsp thread's error */
};

static int do_open(struct vsp_call *call)
{
	struct chan_call *c = (struct chan_call *)call;
	int rc = vsp_chan_open(c->ch, c->o, c->doorbell, vsp_now_ms());

	if (rc)
		snprintf(c->text, sizeof(c->text), "%s", err_text());
	return rc;
}

static int on_open(void *ctx, const struct vmbus_local_open *o)
{
	struct vsp_chan *ch = ctx;
	struct chan_call c = {.call.fn = do_open, .ch = ch, .o = o};
	int rc;

	c.doorbell = ch->v->ops->doorbell_fd(ch->v->ctx, o->relid);
	if (c.doorbell < 0)
		return c.doorbell;
	rc = vsp_run(ch->v, &c.call);
	return rc ? err_set(rc, "%s", c.text) : 0;
}

static int do_close(struct vsp_call *call)
{
	struct vsp_chan *ch = ((struct chan_call *)call)->ch;

	if (ch->state == VSP_CHAN_OPEN) {
		vsp_chan_unhook(ch);
		ch->dev->closed(ch);
	}
	ch->state = VSP_CHAN_CLOSING;
	if (ch->nr_jobs)
		return -EINPROGRESS;
	ch->state = VSP_CHAN_CLOSED;
	ch->is_ready = ch->is_short = false;
	ch->deadline_ms = VSP_NEVER;
	return 0;
}

static void on_close(void *ctx)
{
	struct vsp_chan *ch = ctx;
	struct chan_call c = {.call.fn = do_close, .ch = ch};

	vsp_run(ch->v, &c.call);
}

static int do_retarget(struct vsp_call *call)
{
	struct chan_call *c = (struct chan_call *)call;

	c->ch->target_vp = c->target_vp;
	return 0;
}

static void on_retarget(void *ctx, uint32_t target_vp)
{
	struct vsp_chan *ch = ctx;
	struct chan_call c = {.call.fn = do_retarget, .ch = ch, .target_vp = target_vp};

	vsp_run(ch->v, &c.call);
}

static const struct vmbus_local_ops local_ops = {
	.open = on_open,
	.close = on_close,
	.retarget = on_retarget,
};

/* ---- Faults (ctl) --------------------------------------------------------------------------- */

/* Finds a fault that ctl has not seen. */
static int do_collect(struct vsp_call *call)
{
	struct chan_call *c = (struct chan_call *)call;
	struct vsp *v = call->v;

	c->ch = NULL;
	for (uint32_t i = 0; i < v->nr_chans && !c->ch; i++) {
		struct vsp_chan *ch = &v->chan[i];

		if (ch->state != VSP_CHAN_FAULTED || ch->is_told)
			continue;
		ch->is_told = true;
		memcpy(c->text, ch->why, sizeof(c->text));
		c->ch = ch;
	}
	return 0;
}

int vsp_fd(const struct vsp *v)
{
	return v->ctl_fd;
}

void vsp_process(struct vsp *v)
{
	struct chan_call c = {.call.fn = do_collect};

	fd_drain(v->ctl_fd);
	while (!vsp_run(v, &c.call) && c.ch) {
		uint32_t relid = c.ch->relid;

		c.ch->relid = 0;
		v->ops->fault(v->ctx, relid, c.text);
	}
}

/* ---- Life ----------------------------------------------------------------------------------- */

struct vsp_chan *vsp_add(struct vsp *v, const char *name, const struct vsp_dev *dev, void *self)
{
	struct vsp_chan *ch = &v->chan[v->nr_chans++];

	*ch = (struct vsp_chan){.v = v,
				.dev = dev,
				.self = self,
				.name = name,
				.doorbell = -1,
				.deadline_ms = VSP_NEVER};
	return ch;
}

static int start(struct vsp *v)
{
	struct epoll_event ev = {.events = EPOLLIN};
	int rc;

	v->epfd = epoll_create1(EPOLL_CLOEXEC);
	v->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	v->ctl_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (v->epfd < 0 || v->wake_fd < 0 || v->ctl_fd < 0 ||
	    epoll_ctl(v->epfd, EPOLL_CTL_ADD, v->wake_fd, &ev))
		return err_sys(-errno, "cannot wait for doorbells");
	if (v->stor) {
		v->has_pool = true;
		rc = pool_start(&v->pool, VSP_IO_THREADS, v->wake_fd);
		if (rc)
			return rc;
	}
	rc = -pthread_create(&v->thread, NULL, thread_main, v);
	if (rc)
		return err_sys(rc, "cannot start the vsp thread");
	v->has_thread = true;
	pthread_setname_np(v->thread, "vsp");
	return 0;
}

static int offer_all(struct vsp *v)
{
	for (uint32_t i = 0; i < v->nr_chans; i++) {
		struct vsp_chan *ch = &v->chan[i];
		struct vmbus_local_cfg cfg = {0};
		int rc;

		ch->dev->offer_cfg(ch, &cfg);
		rc = v->ops->offer(v->ctx, &cfg, &local_ops, ch);
		if (rc < 0)
			return rc;
		ch->relid = (uint32_t)rc;
	}
	return 0;
}

int vsp_create(struct vsp **out, const struct vsp_cfg *cfg, const struct vsp_ops *ops, void *ctx)
{
	struct vsp *v = calloc(1, sizeof(*v));
	int rc = 0;

	*out = NULL;
	if (!v)
		return err_sys(-ENOMEM, "%s", cfg->name);
	v->epfd = v->wake_fd = v->ctl_fd = -1;
	snprintf(v->name, sizeof(v->name), "%s", cfg->name);
	v->gm = cfg->gm;
	v->ops = ops;
	v->ctx = ctx;
	pthread_mutex_init(&v->lock, NULL);
	pthread_cond_init(&v->called, NULL);
	if (cfg->nr_disks)
		rc = stor_create(&v->stor, v, cfg);
	if (!rc && cfg->has_integration)
		rc = ics_create(&v->ics, v);
	if (!rc && cfg->dev)
		vsp_add(v, cfg->dev_name, cfg->dev, cfg->dev_self);
	if (!rc)
		rc = start(v);
	if (!rc)
		rc = offer_all(v);
	if (rc) {
		vsp_destroy(v);
		return rc;
	}
	*out = v;
	return 0;
}

static void stop(struct vsp *v)
{
	pthread_mutex_lock(&v->lock);
	v->is_stopping = true;
	pthread_mutex_unlock(&v->lock);
	fd_kick(v->wake_fd);
	pthread_join(v->thread, NULL);
}

void vsp_destroy(struct vsp *v)
{
	if (!v)
		return;
	for (uint32_t i = v->nr_chans; i > 0; i--) {
		struct vsp_chan *ch = &v->chan[i - 1];

		if (ch->relid)
			v->ops->rescind(v->ctx, ch->relid);
		ch->relid = 0;
	}
	if (v->has_thread)
		stop(v);
	if (v->has_pool)
		pool_stop(&v->pool);
	stor_destroy(v->stor);
	ics_destroy(v->ics);
	fd_close(&v->epfd);
	fd_close(&v->wake_fd);
	fd_close(&v->ctl_fd);
	pthread_cond_destroy(&v->called);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

/* ---- Status (ctl) --------------------------------------------------------------------------- */

struct status_call {
	struct vsp_call call;
	struct vsp_status *out;
};

static int do_status(struct vsp_call *call)
{
	struct vsp_status *out = ((struct status_call *)call)->out;
	struct vsp *v = call->v;

	if (v->stor)
		stor_status(v->stor, out);
	if (v->ics)
		ics_status(v->ics, out, vsp_now_ms());
	return 0;
}

void vsp_status(struct vsp *v, struct vsp_status *out)
{
	struct status_call c = {.call.fn = do_status, .out = out};

	memset(out, 0, sizeof(*out));
	out->scsi_state = "none";
	out->heartbeat_ago_ms = out->kvp_ago_ms = -1;
	vsp_run(v, &c.call);
}
