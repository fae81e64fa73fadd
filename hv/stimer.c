/* SPDX-License-Identifier: BSD-3-Clause */
/* Synthetic timers, TLFS 12.3: four per VP, one-shot or periodic, by SynIC message or straight to a
 * vector. One thread per partition waits on a timerfd for the earliest of all. */
#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "hv/priv.h"

#define NEVER		 UINT64_MAX
#define NS_PER_TICK	 100ull
#define TICKS_PER_SECOND 10000000ull
#define PERIOD_MIN	 1000ull /* 100 us: a guest cannot keep the timer thread spinning */
#define DELTA_MAX	 (TICKS_PER_SECOND * 3600)

static void timerfd_in(int fd, uint64_t ticks)
{
	struct itimerspec it = {0};

	it.it_value.tv_sec = (time_t)(ticks / TICKS_PER_SECOND);
	it.it_value.tv_nsec = (long)(ticks % TICKS_PER_SECOND * NS_PER_TICK);
	if (ticks == 0)
		it.it_value.tv_nsec = 1;
	timerfd_settime(fd, 0, &it, NULL);
}

/* Moves the timerfd forward to @due if that is earlier than where it stands. */
static void timers_arm(struct hv_partition *p, uint64_t due)
{
	struct hv_timers *t = &p->timers;
	uint64_t now = hv_clock_now(&p->clock), delta;

	delta = due > now ? due - now : 0;
	if (delta > DELTA_MAX)
		delta = DELTA_MAX;
	pthread_mutex_lock(&t->lock);
	if (due < t->armed && !t->is_ending) {
		t->armed = due;
		timerfd_in(t->fd, delta);
	}
	pthread_mutex_unlock(&t->lock);
}

static void expire(struct hv_vp *vp, struct hv_stimer *t, uint64_t now)
{
	uint64_t period = t->count > PERIOD_MIN ? t->count : PERIOD_MIN;

	t->expired_at = t->due;
	if (t->config & HV_STIMER_PERIODIC) {
		t->due += period;
		if (t->due <= now)
			t->due = now + period; /* missed ones are dropped */
	} else {
		t->due = 0;
		t->config &= ~HV_STIMER_ENABLE;
	}
	if (t->config & HV_STIMER_DIRECT) {
		hv_vp_raise(vp, HV_STIMER_VECTOR(t->config));
		return;
	}
	t->has_message = true;
	hv_synic_deliver(vp, HV_STIMER_SINT(t->config));
}

uint64_t hv_stimers_fire(struct hv_vp *vp, uint64_t now)
{
	uint64_t next = NEVER;
	unsigned int i;

	for (i = 0; i < HV_NR_STIMERS; i++) {
		struct hv_stimer *t = &vp->stimer[i];

		if (t->due && t->due <= now)
			expire(vp, t, now);
		if (t->due && t->due < next)
			next = t->due;
	}
	return next;
}

/* Lock held.  The timer's registers have changed: forget what was due, begin anew if enabled. */
static uint64_t restart(struct hv_vp *vp, struct hv_stimer *t)
{
	uint64_t now = hv_clock_now(&vp->p->clock);

	t->has_message = false;
	t->due = 0;
	if ((t->config & HV_STIMER_ENABLE) && t->count)
		t->due = t->config & HV_STIMER_PERIODIC ? now + t->count : t->count;
	if (t->due < now && (t->config & HV_STIMER_PERIODIC) && t->due)
		t->due = NEVER - 1; /* a period that overflows never comes */
	return hv_stimers_fire(vp, now);
}

int hv_stimer_set_config(struct hv_vp *vp, unsigned int i, uint64_t v)
{
	struct hv_stimer *t = &vp->stimer[i];
	uint64_t next;

	if (v & ~HV_STIMER_CONFIG_MASK)
		return -EINVAL;
	if ((v & HV_STIMER_DIRECT) && (v & HV_STIMER_ENABLE) && HV_STIMER_VECTOR(v) < 16)
		return -EINVAL;
	if (!(v & HV_STIMER_DIRECT) && HV_STIMER_SINT(v) == 0)
		v &= ~HV_STIMER_ENABLE; /* TLFS: SINT 0 is not for timers */
	pthread_mutex_lock(&vp->lock);
	t->config = v;
	next = restart(vp, t);
	pthread_mutex_unlock(&vp->lock);
	timers_arm(vp->p, next);
	return 0;
}

int hv_stimer_set_count(struct hv_vp *vp, unsigned int i, uint64_t v)
{
	struct hv_stimer *t = &vp->stimer[i];
	uint64_t next;

	pthread_mutex_lock(&vp->lock);
	t->count = v;
	if (v == 0)
		t->config &= ~HV_STIMER_ENABLE;
	else if (t->config & HV_STIMER_AUTO_ENABLE)
		t->config |= HV_STIMER_ENABLE;
	next = restart(vp, t);
	pthread_mutex_unlock(&vp->lock);
	timers_arm(vp->p, next);
	return 0;
}

bool hv_stimer_has_message(const struct hv_vp *vp, unsigned int sint)
{
	unsigned int i;

	for (i = 0; i < HV_NR_STIMERS; i++) {
		if (vp->stimer[i].has_message && HV_STIMER_SINT(vp->stimer[i].config) == sint)
			return true;
	}
	return false;
}

bool hv_stimer_take_message(struct hv_vp *vp, unsigned int sint, struct hv_message *out)
{
	struct hv_timer_message tm = {0};
	unsigned int i;

	for (i = 0; i < HV_NR_STIMERS; i++) {
		struct hv_stimer *t = &vp->stimer[i];

		if (!t->has_message || HV_STIMER_SINT(t->config) != sint)
			continue;
		t->has_message = false;
		tm.timer_index = i;
		tm.expiration_time = t->expired_at;
		tm.delivery_time = hv_clock_now(&vp->p->clock);
		memset(out, 0, sizeof(*out));
		out->type = HV_MESSAGE_TIMER_EXPIRED;
		out->payload_size = sizeof(tm);
		memcpy(out->payload, &tm, sizeof(tm));
		return true;
	}
	return false;
}

static void fire_all(struct hv_partition *p)
{
	uint64_t next = NEVER, n;
	unsigned int i;

	for (i = 0; i < p->nr_vps; i++) {
		struct hv_vp *vp = &p->vp[i];

		pthread_mutex_lock(&vp->lock);
		n = hv_stimers_fire(vp, hv_clock_now(&p->clock));
		pthread_mutex_unlock(&vp->lock);
		if (n < next)
			next = n;
	}
	if (next != NEVER)
		timers_arm(p, next);
}

static void *timer_thread(void *arg)
{
	struct hv_partition *p = arg;
	uint64_t n;

	pthread_setname_np(pthread_self(), "hv-timer");
	while (!p->timers.is_ending) {
		if (read(p->timers.fd, &n, sizeof(n)) < 0 && errno != EINTR)
			break;
		/* Disarmed before the look: a timer set from now on arms the fd again. */
		pthread_mutex_lock(&p->timers.lock);
		p->timers.armed = NEVER;
		pthread_mutex_unlock(&p->timers.lock);
		fire_all(p);
	}
	return NULL;
}

int hv_timers_create(struct hv_partition *p)
{
	pthread_mutex_init(&p->timers.lock, NULL);
	p->timers.armed = NEVER;
	p->timers.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (p->timers.fd < 0)
		return err_sys(-errno, "%s: timerfd", p->name);
	return 0;
}

int hv_timers_start(struct hv_partition *p)
{
	int rc = pthread_create(&p->timers.thread, NULL, timer_thread, p);

	if (rc)
		return err_sys(-rc, "%s: timer thread", p->name);
	p->timers.has_thread = true;
	return 0;
}

void hv_timers_stop(struct hv_partition *p)
{
	if (!p->timers.has_thread)
		return;
	pthread_mutex_lock(&p->timers.lock);
	p->timers.is_ending = true;
	timerfd_in(p->timers.fd, 0);
	pthread_mutex_unlock(&p->timers.lock);
	pthread_join(p->timers.thread, NULL);
	p->timers.has_thread = false;
}

void hv_timers_destroy(struct hv_partition *p)
{
	hv_timers_stop(p);
	fd_close(&p->timers.fd);
}
