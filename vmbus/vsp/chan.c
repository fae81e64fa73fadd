/* SPDX-License-Identifier: BSD-3-Clause */
/* A channel's rings, whatever device is behind it: packets in, answers out, signals both ways, and
 * what a guest may do wrong. All on the vsp thread. */
#include "vmbus/vsp/priv.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "base/err.h"
#include "base/log.h"

static int hook(struct vsp_chan *ch, int doorbell)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = ch};

	if (epoll_ctl(ch->v->epfd, EPOLL_CTL_ADD, doorbell, &ev))
		return err_sys(-errno, "%s: cannot wait for its doorbell", ch->name);
	ch->doorbell = doorbell;
	return 0;
}

void vsp_chan_unhook(struct vsp_chan *ch)
{
	if (ch->doorbell >= 0)
		epoll_ctl(ch->v->epfd, EPOLL_CTL_DEL, ch->doorbell, NULL);
	ch->doorbell = -1;
}

static void signal_guest(struct vsp_chan *ch)
{
	if (ch->target_vp != VMBUS_VP_NONE)
		ch->v->ops->signal(ch->v->ctx, ch->target_vp, ch->relid);
}

/* The page list is ctl's to free once the channel is closed, the rings are not touched after this.
 * A host's own failure is no reason to say so: only the guest's reaches here. */
void vsp_chan_fault(struct vsp_chan *ch)
{
	if (ch->state != VSP_CHAN_OPEN)
		return;
	snprintf(ch->why, sizeof(ch->why), "%s", err_text());
	log_warn(ch->v->name, "%s: the guest broke the protocol, closing the channel: %s", ch->name,
		 ch->why);
	ch->state = VSP_CHAN_FAULTED;
	ch->deadline_ms = VSP_NEVER;
	ch->is_ready = ch->is_short = false;
	vsp_chan_unhook(ch);
	ch->dev->closed(ch);
	vsp_tell_ctl(ch->v);
}

int32_t vsp_chan_room(struct vsp_chan *ch)
{
	int32_t room = vmbus_ring_space(&ch->out);

	return room >= 0 ? room : err_set(-EPROTO, "read index outside of the ring");
}

int vsp_chan_send(struct vsp_chan *ch, enum vmbus_pkttype type, uint16_t flags, uint64_t trans_id,
		  const void *body, uint32_t len)
{
	struct vmbus_pkt_desc d = {
		.type = (uint16_t)type,
		.offset8 = sizeof(d) / 8,
		.len8 = (uint16_t)((sizeof(d) + len + 7) / 8),
		.flags = flags,
		.trans_id = trans_id,
	};
	int32_t room = vsp_chan_room(ch);

	if (room < 0)
		return -EPROTO;
	if ((uint32_t)room < vmbus_ring_need(0, len))
		return -EAGAIN;
	vmbus_ring_put(&ch->out, &d, NULL, 0, body, len);
	ch->is_dirty = true;
	return 0;
}

void vsp_chan_flush(struct vsp_chan *ch)
{
	if (!ch->is_dirty)
		return;
	ch->is_dirty = false;
	if (vmbus_ring_publish_write(&ch->out))
		signal_guest(ch);
}

int vsp_chan_open(struct vsp_chan *ch, const struct vmbus_local_open *o, int doorbell,
		  int64_t now_ms)
{
	int rc;

	if (o->split < 2 || o->split >= o->nr_pages || o->nr_pages - o->split < 2)
		return err_set(-EINVAL, "%s: rings of %u and %u pages, want at least 2 each",
			       ch->name, o->split, o->nr_pages - o->split);
	rc = hook(ch, doorbell);
	if (rc)
		return rc;
	vmbus_ring_init_pages(&ch->in, o->page, o->split, 0);
	vmbus_ring_init_pages(&ch->out, o->page + o->split, o->nr_pages - o->split, 0);
	ch->in.ctrl->feature_bits = VMBUS_RING_FEATURE_PENDING_SEND;
	ch->out.ctrl->pending_send_sz = 0;
	ch->target_vp = o->target_vp;
	ch->is_ready = true;
	ch->is_dirty = ch->is_short = ch->is_told = false;
	ch->deadline_ms = VSP_NEVER;
	ch->state = VSP_CHAN_OPEN;
	if (ch->dev->opened(ch, now_ms))
		vsp_chan_fault(ch);
	else
		vsp_chan_flush(ch);
	return 0;
}

/* Asks to be rung when there is more room than the next answer needs, and looks again: the guest
 * rings only when it passes that mark. Returns whether there is room by now. */
static bool wait_for_room(struct vsp_chan *ch)
{
	uint32_t want = ch->want < ch->out.size - 16 ? ch->want : ch->out.size - 16;

	__atomic_store_n(&ch->out.ctrl->pending_send_sz, want, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	ch->is_short = true;
	return vsp_chan_room(ch) >= (int32_t)ch->want;
}

static void stop_waiting(struct vsp_chan *ch)
{
	if (ch->is_short)
		__atomic_store_n(&ch->out.ctrl->pending_send_sz, 0, __ATOMIC_RELAXED);
	ch->is_short = false;
}

/* One packet of the @avail bytes that wait. 0 or -EPROTO. */
static int take(struct vsp_chan *ch, uint32_t *avail, int64_t now_ms)
{
	uint8_t pkt[VSP_PKT_MAX] __attribute__((aligned(8)));
	struct vmbus_pkt_desc d = {0};
	int32_t total;
	uint32_t len;

	total = vmbus_ring_peek(&ch->in, *avail, &d);
	if (total < 0)
		return err_set(-EPROTO, "packet of %u bytes, payload at %u, %u bytes in the ring",
			       d.len8 * 8, d.offset8 * 8, *avail);
	len = (uint32_t)total - VMBUS_PKT_TRAILER;
	if (len > sizeof(pkt))
		return err_set(-EPROTO, "packet of %u bytes, at most %zu are allowed", len,
			       sizeof(pkt));
	vmbus_ring_read(&ch->in, ch->in.own, pkt, len);
	vmbus_ring_skip(&ch->in, (uint32_t)total);
	*avail -= (uint32_t)total;
	return ch->dev->packet(ch, &d, pkt, now_ms);
}

/* Takes up to a turn's packets. Returns enum vsp_take: whether the device goes on taking, or -EPROTO. */
static int drain(struct vsp_chan *ch, uint32_t *nr, int64_t now_ms)
{
	int32_t avail = vmbus_ring_avail(&ch->in);
	enum vsp_take may = VSP_TAKE_YES;
	uint32_t left;
	int rc;

	if (avail < 0)
		return err_set(-EPROTO, "write index outside of the ring");
	for (left = (uint32_t)avail; left && *nr < VSP_BUDGET; (*nr)++) {
		may = ch->dev->may_take(ch);
		if (may == VSP_TAKE_NO_ROOM && vsp_chan_room(ch) < 0)
			return -EPROTO;
		if (may == VSP_TAKE_NO_ROOM && wait_for_room(ch))
			may = VSP_TAKE_YES;
		if (may != VSP_TAKE_YES)
			return may;
		stop_waiting(ch);
		rc = take(ch, &left, now_ms);
		if (rc)
			return rc;
	}
	return VSP_TAKE_YES;
}

void vsp_chan_poll(struct vsp_chan *ch, int64_t now_ms)
{
	uint32_t nr = 0;
	int rc;

	if (ch->state != VSP_CHAN_OPEN)
		return;
	ch->is_ready = false;
	vmbus_ring_disarm(&ch->in);
	rc = drain(ch, &nr, now_ms);
	if (rc < 0) {
		vsp_chan_fault(ch);
		return;
	}
	if (nr && vmbus_ring_publish_read(&ch->in))
		signal_guest(ch);
	vsp_chan_flush(ch);
	if (nr == VSP_BUDGET)
		ch->is_ready = true;
	else if (rc == VSP_TAKE_YES)
		ch->is_ready = vmbus_ring_arm(&ch->in);
}

void vsp_chan_timer(struct vsp_chan *ch, int64_t now_ms)
{
	if (ch->state != VSP_CHAN_OPEN || now_ms < ch->deadline_ms)
		return;
	if (ch->dev->timer(ch, now_ms))
		vsp_chan_fault(ch);
	else
		vsp_chan_flush(ch);
}

void vsp_chan_submit(struct vsp_job *job)
{
	job->ch->nr_jobs++;
	pool_put(&job->ch->v->pool, &job->job);
}

void vsp_chan_job_done(struct vsp_job *job)
{
	struct vsp_chan *ch = job->ch;

	ch->nr_jobs--;
	if (ch->state == VSP_CHAN_OPEN && job->done(job))
		vsp_chan_fault(ch);
	job->release(job);
	if (ch->state == VSP_CHAN_OPEN)
		vsp_chan_wake(ch);
}
