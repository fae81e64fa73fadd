/* SPDX-License-Identifier: BSD-3-Clause */
/* The worker's life with a switch: HELLO, requests and their acknowledgements, loss, death, and
 * the hand-over to the next one.
 *
 *   DOWN --link_up--> CONNECTING --WELCOME--> UP --socket closed--> LOST --pidfd--> DOWN
 *                          |                   `--pidfd, or ERROR of relid 0--------^
 *                          `--socket closed--> DOWN (it never had a channel)
 *
 * Acknowledgements come in the order of the requests. Once the switch is dead, what it owes is
 * either done (it touches nothing any more) or stays in the channel for the next switch. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/err.h"
#include "base/fd.h"
#include "vmbus/backend.h"
#include "vmbus/server_priv.h"

#define RECV_BURST 512u /* messages a turn: a switch that never stops must not hold us */

/* ---- Requests ----------------------------------------------------------------------------- */

static bool is_stalling(enum vmbus_link_type type)
{
	return type != VMBUS_LINK_HELLO && type != VMBUS_LINK_PING && type != VMBUS_LINK_VF;
}

static void ask_kill(struct vmbus_server *s, const char *why)
{
	if (s->is_kill_asked)
		return;
	s->is_kill_asked = true;
	srv_event(s, "switch: %s", why);
	s->ops->need_kill(s->ctx, why);
}

static struct srv_request *pend(struct vmbus_server *s, const struct vmbus_link_msg *m,
				const struct srv_chan *ch)
{
	struct srv_request *rq = calloc(1, sizeof(*rq));

	if (!rq)
		return NULL;
	rq->type = m->type;
	rq->relid = ch ? ch->relid : 0;
	rq->serial = ch ? ch->serial : 0;
	if (m->type == VMBUS_LINK_GPADL_ADD)
		rq->handle = m->gpadl_add.handle;
	else if (m->type == VMBUS_LINK_GPADL_DEL)
		rq->handle = m->gpadl_del.handle;
	else if (m->type == VMBUS_LINK_RETARGET)
		rq->target_vp = m->retarget.target_vp;
	else if (m->type == VMBUS_LINK_OPEN)
		rq->how = m->open.how;
	if (!s->pending)
		s->heard_ms = srv_now_ms();
	*s->pending_tail = rq;
	s->pending_tail = &rq->next;
	s->nr_stalling += is_stalling(rq->type);
	return rq;
}

static struct srv_request *unpend(struct vmbus_server *s)
{
	struct srv_request *rq = s->pending;

	s->pending = rq->next;
	if (!s->pending)
		s->pending_tail = &s->pending;
	s->nr_stalling -= is_stalling(rq->type);
	return rq;
}

/* A request that cannot be sent stays pending: the link is broken then, and the death of the switch
 * settles it. */
static void request_fds(struct vmbus_server *s, struct vmbus_link_msg *m, const struct srv_chan *ch,
			const int *fds)
{
	struct srv_request *rq = pend(s, m, ch);

	if (!rq || vmbus_link_send(&s->link, m, fds, vmbus_link_nr_fds(m)) == -ENOBUFS)
		ask_kill(s, rq ? err_text() : "no memory to talk to it");
	if (rq)
		rq->id = m->id;
}

void srv_request(struct vmbus_server *s, struct vmbus_link_msg *m, const struct srv_chan *ch)
{
	request_fds(s, m, ch, NULL);
}

/* ---- Acknowledgements --------------------------------------------------------------------- */

/* @status as the switch said; of a dead switch 0 for all that gives something back. */
static void settle(struct vmbus_server *s, const struct srv_request *rq, int status,
		   const char *why)
{
	struct srv_chan *ch = &s->chan[rq->relid];

	if (rq->type == VMBUS_LINK_RETARGET) {
		srv_chan_modified(s, rq, status);
		return;
	}
	if (rq->type == VMBUS_LINK_RESET) {
		srv_reset_done(s);
		return;
	}
	if (rq->type == VMBUS_LINK_PING)
		s->is_ping_pending = false;
	if (rq->relid == 0 || ch->serial != rq->serial)
		return;
	if (rq->type == VMBUS_LINK_GPADL_ADD)
		srv_gpadl_added(s, rq, status, why);
	else if (rq->type == VMBUS_LINK_GPADL_DEL)
		srv_gpadl_deleted(s, rq);
	else if (rq->type == VMBUS_LINK_OPEN)
		srv_chan_opened(s, ch, status, rq->how, why);
	else if (rq->type == VMBUS_LINK_CLOSE)
		srv_chan_closed(s, ch);
	else if (rq->type == VMBUS_LINK_VF && status)
		srv_event(s, "channel %u: the switch takes no VF: %s", ch->relid, why);
}

/* What a dead switch cannot do any more and the next one will: it stays in the channel. */
static bool outlives(const struct srv_request *rq)
{
	return rq->type == VMBUS_LINK_GPADL_ADD || rq->type == VMBUS_LINK_OPEN;
}

static void settle_all(struct vmbus_server *s)
{
	while (s->pending) {
		struct srv_request *rq = unpend(s);

		if (!outlives(rq))
			settle(s, rq, 0, "");
		free(rq);
	}
	s->is_ping_pending = false;
}

static int on_ack(struct vmbus_server *s, const struct vmbus_link_msg *m)
{
	struct srv_request *rq;

	if (!s->pending || s->pending->id != m->id || s->pending->type == VMBUS_LINK_HELLO)
		return err_set(-EPROTO, "acknowledges request %u out of order", m->id);
	rq = unpend(s);
	settle(s, rq, m->ack.status, m->ack.text);
	free(rq);
	return 0;
}

/* ---- Coming up ---------------------------------------------------------------------------- */

static void watch_link(struct vmbus_server *s)
{
	uint32_t want = EPOLLIN | (s->link.head ? EPOLLOUT : 0);
	struct epoll_event ev = {.events = want, .data = {.fd = s->link.fd}};

	if (s->link.fd < 0 || s->poll_events == want)
		return;
	epoll_ctl(s->epfd, s->poll_events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, s->link.fd, &ev);
	s->poll_events = want;
}

static void send_hello(struct vmbus_server *s)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_HELLO};
	const struct vmbus_server_cfg *cfg = &s->cfg;
	int fds[VMBUS_LINK_FDS_MAX];
	uint32_t i, nr = 0;

	memcpy(m.hello.name, s->name, sizeof(m.hello.name));
	m.hello.is_resumed = s->counters.switches > 0;
	m.hello.nr_vps = cfg->nr_vps;
	m.hello.nr_regions = cfg->nr_regions;
	for (i = 0; i < cfg->nr_regions; i++) {
		m.hello.region[i] = (struct vmbus_link_region){
			cfg->region[i].gpa, cfg->region[i].len, cfg->region[i].fd_offset};
		fds[nr++] = cfg->region[i].fd;
	}
	for (i = 0; i < cfg->nr_vps; i++)
		fds[nr++] = cfg->sint_fd[i];
	for (i = 1; i < VMBUS_CHANS_MAX; i++)
		fds[nr++] = cfg->doorbell_fd[i];
	fds[nr++] = cfg->state_fd;
	request_fds(s, &m, NULL, fds);
}

static int connect_link(struct vmbus_server *s, int fd)
{
	int rc = vmbus_link_init(&s->link, fd);

	if (rc)
		return rc;
	s->link_state = LINK_CONNECTING;
	s->is_kill_asked = false;
	s->poll_events = 0;
	send_hello(s);
	watch_link(s);
	vmbus_server_wake(s);
	return 0;
}

static int on_welcome(struct vmbus_server *s, const struct vmbus_link_msg *m, int *pidfd)
{
	struct epoll_event ev = {.events = EPOLLIN};

	if (s->link_state != LINK_CONNECTING || !s->pending || s->pending->id != m->id)
		return err_set(-EPROTO, "welcomes us out of order");
	free(unpend(s));
	s->pidfd = *pidfd;
	*pidfd = -1;
	ev.data.fd = s->pidfd;
	if (epoll_ctl(s->epfd, EPOLL_CTL_ADD, s->pidfd, &ev) < 0)
		return err_sys(-errno, "its pidfd cannot be watched");
	s->link_state = LINK_UP;
	s->counters.switches++;
	/* seq_cst: from here on VP threads must wait for its lcores, which get to know channels only
	 * by what we send after this. */
	__atomic_store_n(&s->is_switch_dead, false, __ATOMIC_SEQ_CST);
	return 0;
}

/* ---- What the switch wants ---------------------------------------------------------------- */

void srv_answer(struct vmbus_server *s, uint32_t id, int status, uint32_t relid, const char *why)
{
	if (vmbus_link_ack(&s->link, id, status, relid, why) == -ENOBUFS)
		ask_kill(s, err_text());
}

static void answer(struct vmbus_server *s, uint32_t id, int status, uint32_t relid)
{
	srv_answer(s, id, status, relid, status ? err_text() : NULL);
}

static void on_offer(struct vmbus_server *s, const struct vmbus_link_msg *m)
{
	int relid = srv_chan_offer(s, &m->offer);

	if (relid < 0) {
		srv_event(s, "switch: %s", err_text());
		answer(s, m->id, relid, 0);
		return;
	}
	answer(s, m->id, 0, (uint32_t)relid);
	srv_chan_replay(s, &s->chan[relid]);
	if (s->ops->offered)
		s->ops->offered(s->ctx, (uint32_t)relid);
}

static void on_path(struct vmbus_server *s, const struct vmbus_link_msg *m)
{
	int rc = srv_vf_path(s, m);

	if (rc <= 0)
		answer(s, m->id, rc, 0);
}

static void withdraw_missing(struct vmbus_server *s, bool (*is_late)(const struct srv_chan *ch))
{
	uint32_t i;

	for (i = 1; i < VMBUS_CHANS_MAX; i++) {
		struct srv_chan *ch = &s->chan[i];

		if (ch->state != CHAN_OFFERED || ch->has_switch || srv_is_local(ch) || !is_late(ch))
			continue;
		srv_event(s, "channel %u: the new switch does not offer it", i);
		srv_chan_gone(s, ch);
	}
}

static bool is_primary(const struct srv_chan *ch)
{
	return ch->offer.sub_index == 0;
}

static bool is_any(const struct srv_chan *ch)
{
	return ch->state == CHAN_OFFERED;
}

/* Sub-channels are offered when the device has taken over its primary: so they get some time. */
static void on_offers_done(struct vmbus_server *s, const struct vmbus_link_msg *m)
{
	answer(s, m->id, 0, 0);
	withdraw_missing(s, is_primary);
	s->subs_deadline_ms = srv_now_ms() + s->cfg.ack_timeout_ms;
}

static void on_rescind(struct vmbus_server *s, uint32_t relid, const char *why)
{
	struct srv_chan *ch = relid && relid < VMBUS_CHANS_MAX ? &s->chan[relid] : NULL;

	if (!ch || ch->state == CHAN_FREE || !ch->has_switch)
		return;
	if (why)
		srv_fault(s, ch, "%s", why);
	srv_chan_gone(s, ch);
}

static int on_message(struct vmbus_server *s, const struct vmbus_link_msg *m, int *fds)
{
	if (m->type == VMBUS_LINK_WELCOME)
		return on_welcome(s, m, fds);
	if (s->link_state == LINK_CONNECTING) {
		if (m->type == VMBUS_LINK_ACK)
			return err_set(-EPROTO, "refuses us: %s", m->ack.text);
		return err_set(-EPROTO, "sends message %d before WELCOME", m->type);
	}
	switch (m->type) {
	case VMBUS_LINK_ACK: return on_ack(s, m);
	case VMBUS_LINK_OFFER: on_offer(s, m); return 0;
	case VMBUS_LINK_OFFERS_DONE: on_offers_done(s, m); return 0;
	case VMBUS_LINK_RESCIND:
		answer(s, m->id, 0, 0);
		on_rescind(s, m->chan.relid, NULL);
		return 0;
	case VMBUS_LINK_PATH: on_path(s, m); return 0;
	case VMBUS_LINK_VF_REMOVE: answer(s, m->id, srv_vf_remove(s, m), 0); return 0;
	case VMBUS_LINK_ERROR:
		answer(s, m->id, 0, 0);
		if (m->error.relid == 0)
			return err_set(-ESHUTDOWN, "let us go: %s", m->error.text);
		on_rescind(s, m->error.relid, m->error.text);
		return 0;
	default: return err_set(-EPROTO, "sends message %d", m->type);
	}
}

/* ---- Going down --------------------------------------------------------------------------- */

static void close_pidfd(struct vmbus_server *s)
{
	if (s->pidfd >= 0)
		epoll_ctl(s->epfd, EPOLL_CTL_DEL, s->pidfd, NULL);
	fd_close(&s->pidfd);
}

static void try_next(struct vmbus_server *s)
{
	int fd = s->next_fd;

	s->next_fd = -1;
	if (fd >= 0 && connect_link(s, fd))
		srv_event(s, "switch: %s", err_text());
}

/* Nothing of the switch touches the partition any more. */
static void gone(struct vmbus_server *s)
{
	uint32_t i;

	vmbus_link_fini(&s->link);
	close_pidfd(s);
	s->link_state = LINK_DOWN;
	s->subs_deadline_ms = 0;
	srv_vf_link_gone(s);
	for (i = 0; i < VMBUS_LCORES_MAX; i++)
		__atomic_store_n(&s->cfg.state->lcore[i].signalling, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&s->is_switch_dead, true, __ATOMIC_SEQ_CST);
	for (i = 1; i < VMBUS_CHANS_MAX; i++) {
		struct srv_gpadl *g;

		s->chan[i].has_switch = false;
		for (g = s->chan[i].gpadls; g; g = g->next)
			g->is_on_switch = false;
	}
	settle_all(s);
	for (i = 1; i < VMBUS_CHANS_MAX; i++) {
		if (s->chan[i].state == CHAN_RESCINDED)
			srv_gpadl_gone(s, &s->chan[i]); /* no next switch will take these over */
		srv_chan_try_free(s, &s->chan[i]);
	}
	try_next(s);
}

/* The socket is of no use any more. A switch that was never welcome has no channel of ours. */
static void lost(struct vmbus_server *s)
{
	vmbus_link_fini(&s->link);
	if (s->link_state == LINK_CONNECTING) {
		gone(s);
		return;
	}
	s->link_state = LINK_LOST;
	s->heard_ms = srv_now_ms();
}

/* -ESHUTDOWN: the switch itself said that it touches nothing of ours any more; as good as death. */
static void end_link(struct vmbus_server *s, int rc)
{
	if (rc != -EPIPE) {
		err_prefix("switch");
		srv_event(s, "%s", err_text());
		strncpy(s->reason, err_text(), sizeof(s->reason) - 1);
	}
	if (rc == -ESHUTDOWN) {
		gone(s);
		return;
	}
	if (rc != -EPIPE && s->link_state == LINK_UP)
		ask_kill(s, err_text());
	lost(s);
}

static void receive_all(struct vmbus_server *s)
{
	int fds[VMBUS_LINK_FDS_MAX];
	struct vmbus_link_msg m;
	uint32_t n, i;
	int rc = 1;

	for (n = 0; rc > 0 && n < RECV_BURST; n++) {
		rc = vmbus_link_recv(&s->link, &m, fds);
		if (rc <= 0)
			break;
		s->heard_ms = srv_now_ms();
		rc = on_message(s, &m, fds);
		for (i = 0; i < vmbus_link_nr_fds(&m); i++)
			fd_close(&fds[i]);
		rc = rc ? rc : 1;
	}
	if (rc == 1)
		vmbus_server_wake(s);
	if (rc < 0)
		end_link(s, rc);
}

static bool is_dead(const struct vmbus_server *s)
{
	struct pollfd p = {.fd = s->pidfd, .events = POLLIN};

	return s->pidfd >= 0 && poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

static void check_silence(struct vmbus_server *s)
{
	bool waits = s->pending || s->link_state == LINK_LOST;

	if (!waits || s->link_state == LINK_DOWN ||
	    srv_now_ms() < s->heard_ms + s->cfg.ack_timeout_ms)
		return;
	ask_kill(s, s->link_state == LINK_LOST ? "closed its link but did not end"
					       : "does not answer");
	if (s->link_state == LINK_CONNECTING)
		lost(s);
}

static void check_subs(struct vmbus_server *s)
{
	if (!s->subs_deadline_ms || s->pending || srv_now_ms() < s->subs_deadline_ms)
		return;
	s->subs_deadline_ms = 0;
	withdraw_missing(s, is_any);
}

static void ping_if_wanted(struct vmbus_server *s)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_PING};

	if (!__atomic_exchange_n(&s->wants_ping, false, __ATOMIC_RELAXED))
		return;
	if (s->link_state == LINK_UP && !s->is_ping_pending) {
		s->is_ping_pending = true;
		srv_request(s, &m, NULL);
	}
}

/* After all was taken over: a flag that the old switch set without raising the line is seen now. */
static void kick_vps(struct vmbus_server *s)
{
	uint32_t vp;

	if (s->pending)
		return;
	for (vp = 0; vp < s->cfg.nr_vps; vp++) {
		if (s->vps_to_kick & (1u << vp))
			s->ops->vp_interrupt(s->ctx, vp);
	}
	s->vps_to_kick = 0;
}

void srv_link_process(struct vmbus_server *s)
{
	bool dead = is_dead(s);

	/* All that a dead switch has said before still counts, so death is looked at first. */
	if (s->link.fd >= 0)
		receive_all(s);
	if (dead) {
		s->counters.switch_deaths++;
		srv_event(s, "switch: ended");
		gone(s);
	}
	ping_if_wanted(s);
	check_silence(s);
	check_subs(s);
	kick_vps(s);
}

void srv_link_flush(struct vmbus_server *s)
{
	if (s->link.fd >= 0 && vmbus_link_flush(&s->link) == 0)
		watch_link(s);
}

uint64_t srv_link_deadline(const struct vmbus_server *s)
{
	uint64_t at = UINT64_MAX;

	if ((s->pending || s->link_state == LINK_LOST) && !s->is_kill_asked)
		at = s->heard_ms + s->cfg.ack_timeout_ms;
	if (s->subs_deadline_ms && !s->pending && s->subs_deadline_ms < at)
		at = s->subs_deadline_ms;
	return at;
}

bool srv_link_stalls(const struct vmbus_server *s)
{
	return s->link_state == LINK_LOST || s->nr_stalling;
}

int vmbus_server_link_up(struct vmbus_server *s, int fd)
{
	if (is_dead(s))
		srv_link_process(s);
	if (s->link_state == LINK_DOWN)
		return connect_link(s, fd);
	fd_close(&s->next_fd);
	s->next_fd = fd;
	return 0;
}

void srv_link_fini(struct vmbus_server *s)
{
	while (s->pending)
		free(unpend(s));
	vmbus_link_fini(&s->link);
	close_pidfd(s);
	fd_close(&s->next_fd);
}

bool vmbus_server_switch_dead(void *server)
{
	struct vmbus_server *s = server;

	if (__atomic_load_n(&s->is_switch_dead, __ATOMIC_SEQ_CST))
		return true;
	if (!__atomic_exchange_n(&s->wants_ping, true, __ATOMIC_RELAXED))
		vmbus_server_wake(s);
	return false;
}
