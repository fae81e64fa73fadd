/* SPDX-License-Identifier: BSD-3-Clause */
/* The control server's loop: what VP threads queued, what the switch says, what the guest is told,
 * and one timer for all that is waited for. */
#include "vmbus/server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>

#include "base/err.h"
#include "base/fd.h"
#include "vmbus/server_priv.h"

#define GPADL_PAGES_DEFAULT   (1u << 18)
#define ACK_TIMEOUT_DEFAULT   2000u
#define GPADL_TIMEOUT_DEFAULT 30000u
#define EVENTS_PER_SECOND     8u

uint64_t srv_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- Telling people ----------------------------------------------------------------------- */

static void event_text(struct vmbus_server *s, const char *text)
{
	uint64_t now = srv_now_ms();

	if (now - s->event_window_ms >= 1000) {
		s->event_window_ms = now;
		s->events_in_window = 0;
	}
	if (s->ops->event && s->events_in_window++ < EVENTS_PER_SECOND)
		s->ops->event(s->ctx, text);
}

void srv_event(struct vmbus_server *s, const char *fmt, ...)
{
	char text[SRV_REASON_MAX + 64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	event_text(s, text);
}

void srv_fault(struct vmbus_server *s, struct srv_chan *ch, const char *fmt, ...)
{
	char *to = ch ? ch->reason : s->reason;
	char text[SRV_REASON_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	memcpy(to, text, sizeof(text));
	s->counters.faults++;
	if (ch)
		srv_event(s, "channel %u: %s", ch->relid, text);
	else
		event_text(s, text);
}

/* ---- From VP threads ---------------------------------------------------------------------- */

int vmbus_server_post(struct vmbus_server *s, uint32_t vp, uint32_t conn_id, uint32_t type,
		      const void *payload, size_t len)
{
	struct srv_inbound *in;
	bool is_full;

	if (conn_id != VMBUS_MSG_CONN_ID &&
	    (conn_id != VMBUS_MSG_CONN_ID_V5 || s->cfg.max_version < VMBUS_V5_0))
		return VMBUS_POST_BAD_CONNECTION;
	if (type != VMBUS_MSG_TYPE_CHANNEL || len < sizeof(struct vmbus_msg_hdr) ||
	    len > VMBUS_MSG_PAYLOAD_MAX || vp >= s->cfg.nr_vps)
		return VMBUS_POST_BAD_PARAMETER;
	pthread_mutex_lock(&s->lock);
	is_full = s->queue_len == SRV_QUEUE_MAX;
	if (!is_full) {
		in = &s->queue[(s->queue_head + s->queue_len++) % SRV_QUEUE_MAX];
		in->len = (uint32_t)len;
		memcpy(in->payload, payload, len);
		memset(in->payload + len, 0, sizeof(in->payload) - len);
	}
	pthread_mutex_unlock(&s->lock);
	if (is_full) {
		__atomic_fetch_add(&s->posts_refused, 1, __ATOMIC_RELAXED);
		return VMBUS_POST_NO_BUFFERS;
	}
	vmbus_server_wake(s);
	return VMBUS_POST_OK;
}

static bool take(struct vmbus_server *s, struct srv_inbound *in)
{
	bool any;

	pthread_mutex_lock(&s->lock);
	any = s->queue_len > 0;
	if (any) {
		*in = s->queue[s->queue_head];
		s->queue_head = (s->queue_head + 1) % SRV_QUEUE_MAX;
		s->queue_len--;
	}
	pthread_mutex_unlock(&s->lock);
	return any;
}

void vmbus_server_wake(struct vmbus_server *s)
{
	fd_kick(s->wakefd);
}

/* ---- Loop --------------------------------------------------------------------------------- */

static bool may_serve_guest(const struct vmbus_server *s)
{
	return s->reset == RESET_NONE && !srv_link_stalls(s) && s->nr_out < SRV_OUTBOX_STALL;
}

/* At most one full queue a turn: the guest cannot keep us from the switch. */
static void serve_guest(struct vmbus_server *s)
{
	struct srv_inbound in;
	uint32_t n = 0;

	while (may_serve_guest(s) && n < SRV_QUEUE_MAX && take(s, &in)) {
		srv_dispatch(s, &in);
		n++;
	}
	if (n == SRV_QUEUE_MAX)
		vmbus_server_wake(s);
}

static void arm_timer(struct vmbus_server *s)
{
	uint64_t now = srv_now_ms(), at = srv_link_deadline(s), d;
	struct itimerspec its = {0};

	d = vmbus_gpadl_deadline(&s->builds);
	at = d < at ? d : at;
	if (s->is_out_blocked && now + SRV_RETRY_MS < at)
		at = now + SRV_RETRY_MS;
	if (at != UINT64_MAX) {
		d = at > now ? at - now : 1;
		its.it_value.tv_sec = (time_t)(d / 1000);
		its.it_value.tv_nsec = (long)(d % 1000) * 1000000;
	}
	timerfd_settime(s->timerfd, 0, &its, NULL);
}

void vmbus_server_process(struct vmbus_server *s)
{
	bool was_stalled;

	fd_drain(s->wakefd);
	fd_drain(s->timerfd);
	srv_link_process(s);
	srv_gpadl_late(s);
	srv_outbox_flush(s);
	serve_guest(s);
	was_stalled = s->nr_out >= SRV_OUTBOX_STALL;
	srv_outbox_flush(s);
	if (was_stalled && s->nr_out < SRV_OUTBOX_STALL)
		vmbus_server_wake(s);
	srv_link_flush(s);
	arm_timer(s);
}

int vmbus_server_fd(const struct vmbus_server *s)
{
	return s->epfd;
}

/* ---- Life --------------------------------------------------------------------------------- */

static int watch(struct vmbus_server *s, int fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data = {.fd = fd}};

	if (fd < 0 || epoll_ctl(s->epfd, EPOLL_CTL_ADD, fd, &ev) < 0)
		return err_sys(-errno, "VMBus server: cannot watch fd %d", fd);
	return 0;
}

static int open_fds(struct vmbus_server *s)
{
	int rc;

	s->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (s->epfd < 0)
		return err_sys(-errno, "VMBus server: epoll");
	s->wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->timerfd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	rc = watch(s, s->wakefd);
	return rc ? rc : watch(s, s->timerfd);
}

static int check_cfg(const struct vmbus_server_cfg *cfg)
{
	if (!cfg->name || !cfg->name[0] || strlen(cfg->name) >= VMBUS_LINK_NAME_MAX)
		return err_set(-EINVAL, "VMBus server: a partition name has 1..%u characters",
			       VMBUS_LINK_NAME_MAX - 1);
	if (cfg->nr_vps == 0 || cfg->nr_vps > VMBUS_VPS_MAX)
		return err_set(-EINVAL, "VMBus server: %u VPs, want 1..%u", cfg->nr_vps,
			       VMBUS_VPS_MAX);
	if (cfg->nr_regions == 0 || cfg->nr_regions > GMEM_REGIONS_MAX)
		return err_set(-EINVAL, "VMBus server: %u memory regions, want 1..%u",
			       cfg->nr_regions, GMEM_REGIONS_MAX);
	return 0;
}

static void set_defaults(struct vmbus_server_cfg *cfg)
{
	if (!cfg->max_version)
		cfg->max_version = VMBUS_V5_3;
	if (!cfg->gpadl_pages_max)
		cfg->gpadl_pages_max = GPADL_PAGES_DEFAULT;
	if (!cfg->ack_timeout_ms)
		cfg->ack_timeout_ms = ACK_TIMEOUT_DEFAULT;
	if (!cfg->gpadl_timeout_ms)
		cfg->gpadl_timeout_ms = GPADL_TIMEOUT_DEFAULT;
}

int vmbus_server_create(struct vmbus_server **out, const struct vmbus_server_cfg *cfg,
			const struct vmbus_server_ops *ops, void *ctx)
{
	struct vmbus_server *s;
	int rc = check_cfg(cfg);

	if (rc)
		return rc;
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(-ENOMEM, "VMBus server: no memory");
	pthread_mutex_init(&s->lock, NULL);
	s->cfg = *cfg;
	set_defaults(&s->cfg);
	strncpy(s->name, cfg->name, sizeof(s->name) - 1);
	s->ops = ops;
	s->ctx = ctx;
	s->epfd = s->wakefd = s->timerfd = s->pidfd = s->next_fd = s->link.fd = -1;
	s->out_tail = &s->out;
	s->pending_tail = &s->pending;
	s->is_switch_dead = true;
	rc = open_fds(s);
	if (rc) {
		vmbus_server_destroy(s);
		return rc;
	}
	*out = s;
	return 0;
}

void vmbus_server_destroy(struct vmbus_server *s)
{
	uint32_t i;

	if (!s)
		return;
	srv_local_stop_all(s);
	srv_link_fini(s);
	srv_outbox_drop(s);
	vmbus_gpadl_drop(&s->builds);
	for (i = 1; i < VMBUS_CHANS_MAX; i++)
		srv_gpadl_drop(s, &s->chan[i]);
	fd_close(&s->timerfd);
	fd_close(&s->wakefd);
	fd_close(&s->epfd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* ---- Status ------------------------------------------------------------------------------- */

void vmbus_server_status(const struct vmbus_server *s, struct vmbus_server_status *out)
{
	static const char *const link[] = {"down", "connecting", "up", "lost"};

	*out = (struct vmbus_server_status){.version = s->version,
					    .link = link[s->link_state],
					    .reason = s->reason,
					    .is_settled = !s->pending,
					    .counters = s->counters};
	out->counters.posts_refused = __atomic_load_n(&s->posts_refused, __ATOMIC_RELAXED);
}

static const char *chan_word(const struct srv_chan *ch)
{
	static const char *const word[] = {"closed", "opening", "open", "closing"};

	if (ch->state == CHAN_RESCINDED)
		return "rescinded";
	if (!ch->has_switch && !srv_is_local(ch))
		return "waits for a switch";
	return word[ch->open];
}

static const char *server_word(const struct srv_chan *ch)
{
	if (srv_is_local(ch))
		return "worker";
	return ch->has_switch ? "switch" : "none";
}

bool vmbus_server_chan_next(const struct vmbus_server *s, uint32_t after,
			    struct vmbus_server_chan_status *out)
{
	const struct srv_chan *ch;
	uint32_t i = after + 1;

	while (i < VMBUS_CHANS_MAX && s->chan[i].state == CHAN_FREE)
		i++;
	if (i >= VMBUS_CHANS_MAX)
		return false;
	ch = &s->chan[i];
	*out = (struct vmbus_server_chan_status){.relid = i,
						 .if_type = ch->offer.if_type,
						 .if_instance = ch->offer.if_instance,
						 .sub_index = ch->offer.sub_index,
						 .open = ch->open,
						 .is_rescinded = ch->state == CHAN_RESCINDED,
						 .has_switch = ch->has_switch,
						 .server = server_word(ch),
						 .word = chan_word(ch),
						 .target_vp = ch->target_vp,
						 .nr_gpadls = ch->nr_gpadls,
						 .reason = ch->reason};
	return true;
}

const char *vmbus_version_text(uint32_t version)
{
	switch (version) {
	case 0: return "none";
	case VMBUS_V2_4: return "2.4";
	case VMBUS_V3_0: return "3.0";
	case VMBUS_V4_0: return "4.0";
	case VMBUS_V4_1: return "4.1";
	case VMBUS_V5_0: return "5.0";
	case VMBUS_V5_1: return "5.1";
	case VMBUS_V5_2: return "5.2";
	case VMBUS_V5_3: return "5.3";
	default: return "unknown";
	}
}
