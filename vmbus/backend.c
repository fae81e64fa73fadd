/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch's end of the link: peers come, say HELLO, are served and go. A worker is the less
 * trusted side: what it sends is checked here and in link.c, and a peer that breaks a rule is
 * taken down alone. */
#include "vmbus/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "vmbus/backend_priv.h"

#define EVENTS_MAX 16
#define RECV_BURST 256u /* messages a turn and peer: one worker cannot hold the others */

/* ---- Sending ------------------------------------------------------------------------------ */

static void watch(struct be_peer *p)
{
	uint32_t want = EPOLLIN | (p->link.head ? EPOLLOUT : 0);
	struct epoll_event ev = {.events = want, .data = {.ptr = p}};

	if (p->link.fd < 0 || p->poll_events == want)
		return;
	epoll_ctl(p->be->epfd, p->poll_events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, p->link.fd, &ev);
	p->poll_events = want;
}

/* Ended peers are reaped in process(): wake it even if their socket stays silent. */
int be_peer_end(struct be_peer *p, int rc)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data = {.ptr = p}};

	if (p->is_ended)
		return rc;
	p->is_ended = true;
	if (rc != -EPIPE)
		vmbus_link_text(p->why, err_text());
	if (p->link.fd >= 0 && p->poll_events)
		epoll_ctl(p->be->epfd, EPOLL_CTL_MOD, p->link.fd, &ev);
	return rc;
}

/* -EPIPE is left to the receiver: what the worker said before it went still counts. */
static void check_sent(struct be_peer *p, int rc)
{
	if (rc < 0 && rc != -EPIPE)
		be_peer_end(p, rc);
	else
		watch(p);
}

static void send_fds(struct be_peer *p, struct vmbus_link_msg *m, const int *fds, uint32_t nr_fds)
{
	if (!p->be->is_muted)
		check_sent(p, vmbus_link_send(&p->link, m, fds, nr_fds));
}

void be_send(struct be_peer *p, struct vmbus_link_msg *m)
{
	send_fds(p, m, NULL, 0);
}

/* ---- HELLO -------------------------------------------------------------------------------- */

/* A memfd that cannot shrink under us: a truncated one would be a SIGBUS. */
static int check_memfd(int fd, uint64_t end, const char *what)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return err_set(-EPROTO, "%s: not a memfd sealed against shrinking", what);
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < end)
		return err_set(-EPROTO, "%s: smaller than %llu bytes", what,
			       (unsigned long long)end);
	return 0;
}

static int map_region(struct be_peer *p, const struct vmbus_link_region *r, int fd)
{
	struct be_region *to = &p->region[p->nr_regions];
	int rc = check_memfd(fd, r->fd_offset + r->len, "guest memory");

	if (!rc)
		rc = fd_map(fd, r->fd_offset, r->len, &to->hva);
	if (rc)
		return rc;
	to->len = r->len;
	p->nr_regions++;
	return gmem_add(&p->pub.gm, gpa(r->gpa), r->len, to->hva);
}

static int map_state(struct be_peer *p, uint32_t nr_vps, int fd)
{
	void *at = NULL;
	int rc = check_memfd(fd, sizeof(struct vmbus_state), "channel state");

	if (!rc)
		rc = fd_map(fd, 0, sizeof(struct vmbus_state), &at);
	if (rc)
		return rc;
	p->pub.state = at;
	rc = vmbus_state_check(p->pub.state, sizeof(struct vmbus_state));
	if (!rc && p->pub.state->nr_vps != nr_vps)
		rc = err_set(-EPROTO, "channel state: not of %u VPs", nr_vps);
	return rc;
}

/* Takes the fd out of @fds: it is ours now. */
static int keep_fd(int *fds, uint32_t i, int *to)
{
	*to = fds[i];
	fds[i] = -1;
	return fd_nonblock(*to);
}

static int take_fds(struct be_peer *p, const struct vmbus_link_hello *h, int *fds)
{
	uint32_t i, n = 0;
	int rc = 0;

	for (i = 0; !rc && i < h->nr_regions; i++)
		rc = map_region(p, &h->region[i], fds[n++]);
	for (i = 0; !rc && i < h->nr_vps; i++)
		rc = keep_fd(fds, n++, &p->pub.sint_fd[i]);
	for (i = 1; !rc && i < VMBUS_CHANS_MAX; i++)
		rc = keep_fd(fds, n++, &p->pub.doorbell_fd[i]);
	return rc ? rc : map_state(p, h->nr_vps, fds[n]);
}

struct vmbus_peer *vmbus_backend_peer(const struct vmbus_backend *be, const char *name)
{
	struct be_peer *p;

	for (p = be->peers; p; p = p->next) {
		if (p->is_up && !p->is_ended && !strcmp(p->pub.name, name))
			return &p->pub;
	}
	return NULL;
}

/* A worker gets it, to see us die. Not before there is one: measuring tools do not know the system call. */
static int pidfd_find(struct vmbus_backend *be)
{
	if (be->pidfd < 0)
		be->pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	return be->pidfd < 0 ? err_sys(-errno, "VMBus backend: pidfd_open") : 0;
}

static int hello(struct be_peer *p, const struct vmbus_link_msg *m, int *fds)
{
	struct vmbus_link_msg done = {.type = VMBUS_LINK_OFFERS_DONE};
	struct vmbus_link_msg r = {.type = VMBUS_LINK_WELCOME, .id = m->id};
	int rc;

	if (p->is_up)
		return err_set(-EPROTO, "a second HELLO");
	if (vmbus_backend_peer(p->be, m->hello.name))
		return err_set(-EEXIST, "partition %s is connected already", m->hello.name);
	memcpy(p->pub.name, m->hello.name, sizeof(p->pub.name));
	p->pub.nr_vps = m->hello.nr_vps;
	p->pub.is_resumed = m->hello.is_resumed;
	rc = take_fds(p, &m->hello, fds);
	if (!rc)
		rc = pidfd_find(p->be);
	if (rc)
		return rc;
	send_fds(p, &r, &p->be->pidfd, 1);
	p->is_up = true;
	rc = p->be->ops->peer_up(p->be->ctx, &p->pub);
	if (!rc)
		be_send(p, &done);
	return rc;
}

/* ---- Serving ------------------------------------------------------------------------------ */

static void guest_reset(struct be_peer *p)
{
	be_chan_reset(p);
	if (p->be->ops->reset)
		p->be->ops->reset(p->be->ctx, &p->pub);
}

static int serve(struct be_peer *p, const struct vmbus_link_msg *m, int *fds)
{
	int rc = 0;

	if (m->type == VMBUS_LINK_HELLO)
		return hello(p, m, fds);
	if (!p->is_up)
		return err_set(-EPROTO, "message %d before HELLO", m->type);
	switch (m->type) {
	case VMBUS_LINK_ACK: return be_chan_answered(p, m);
	case VMBUS_LINK_PING: break;
	case VMBUS_LINK_RESET: guest_reset(p); break;
	case VMBUS_LINK_GPADL_ADD:
	case VMBUS_LINK_GPADL_DEL:
	case VMBUS_LINK_OPEN:
	case VMBUS_LINK_CLOSE:
	case VMBUS_LINK_VF:
	case VMBUS_LINK_RETARGET: rc = be_chan_request(p, m); break;
	default: return err_set(-EPROTO, "message %d from a worker", m->type);
	}
	check_sent(p, vmbus_link_ack(&p->link, m->id, rc, 0, rc ? err_text() : NULL));
	return 0;
}

static void receive(struct be_peer *p)
{
	int fds[VMBUS_LINK_FDS_MAX];
	struct vmbus_link_msg m;
	uint32_t n, i;
	int rc;

	for (n = 0; !p->is_ended && n < RECV_BURST; n++) {
		rc = vmbus_link_recv(&p->link, &m, fds);
		if (rc == 0)
			return;
		if (rc > 0) {
			rc = serve(p, &m, fds);
			for (i = 0; i < vmbus_link_nr_fds(&m); i++)
				fd_close(&fds[i]);
		}
		if (rc < 0)
			be_peer_end(p, rc);
	}
}

/* ---- The end of a peer -------------------------------------------------------------------- */

static void unmap_all(struct be_peer *p)
{
	uint32_t i;

	for (i = 0; i < p->nr_regions; i++)
		munmap(p->region[i].hva, p->region[i].len);
	if (p->pub.state)
		munmap(p->pub.state, sizeof(struct vmbus_state));
	for (i = 0; i < VMBUS_VPS_MAX; i++)
		fd_close(&p->pub.sint_fd[i]);
	for (i = 0; i < VMBUS_CHANS_MAX; i++)
		fd_close(&p->pub.doorbell_fd[i]);
}

/* The worker may still be there: it is told when nothing of it is touched any more. */
static void say_end(struct be_peer *p)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_ERROR};

	if (!p->why[0] || p->be->is_muted)
		return;
	log_warn(p->pub.name[0] ? p->pub.name : "worker", "disconnected: %s", p->why);
	memcpy(m.error.text, p->why, sizeof(m.error.text));
	vmbus_link_send(&p->link, &m, NULL, 0);
}

static void peer_destroy(struct be_peer *p)
{
	struct vmbus_backend *be = p->be;

	p->is_ended = true;
	if (p->is_up) {
		be_chan_reset(p);
		if (!be->is_muted)
			be->ops->peer_down(be->ctx, &p->pub);
		be_chan_free_all(p);
	}
	be_graveyard_free(be);
	unmap_all(p);
	say_end(p);
	vmbus_link_fini(&p->link);
	free(p);
}

static void reap(struct vmbus_backend *be)
{
	struct be_peer **pp = &be->peers, *p;

	while (*pp) {
		p = *pp;
		if (!p->is_ended) {
			pp = &p->next;
			continue;
		}
		*pp = p->next;
		peer_destroy(p);
	}
	be_graveyard_free(be);
}

/* ---- Life --------------------------------------------------------------------------------- */

int vmbus_backend_fd(const struct vmbus_backend *be)
{
	return be->epfd;
}

void vmbus_backend_process(struct vmbus_backend *be)
{
	struct epoll_event ev[EVENTS_MAX];
	struct be_peer *p;
	int i, n;

	if (be->is_muted)
		return;
	n = epoll_wait(be->epfd, ev, EVENTS_MAX, 0);
	for (i = 0; i < n; i++) {
		p = ev[i].data.ptr;
		receive(p);
		if (vmbus_link_flush(&p->link) == 0 && !p->is_ended)
			watch(p);
	}
	reap(be);
}

int vmbus_backend_accept(struct vmbus_backend *be, int fd)
{
	struct be_peer *p = calloc(1, sizeof(*p));
	int rc;

	if (!p) {
		fd_close(&fd);
		return err_set(-ENOMEM, "no memory for another partition");
	}
	memset(p->pub.sint_fd, 0xff, sizeof(p->pub.sint_fd));
	memset(p->pub.doorbell_fd, 0xff, sizeof(p->pub.doorbell_fd));
	p->be = be;
	rc = vmbus_link_init(&p->link, fd);
	if (rc) {
		free(p);
		return rc;
	}
	p->next = be->peers;
	be->peers = p;
	watch(p);
	return 0;
}

int vmbus_backend_create(struct vmbus_backend **out, const struct vmbus_backend_ops *ops, void *ctx)
{
	struct vmbus_backend *be = calloc(1, sizeof(*be));
	int rc;

	if (!be)
		return err_set(-ENOMEM, "VMBus backend: no memory");
	be->ops = ops;
	be->ctx = ctx;
	be->epfd = epoll_create1(EPOLL_CLOEXEC);
	be->pidfd = -1;
	if (be->epfd < 0) {
		rc = err_sys(-errno, "VMBus backend: epoll");
		vmbus_backend_destroy(be);
		return rc;
	}
	*out = be;
	return 0;
}

void vmbus_backend_destroy(struct vmbus_backend *be)
{
	struct be_peer *p;

	if (!be)
		return;
	for (p = be->peers; p; p = p->next) {
		err_set(-ESHUTDOWN, "the switch stops");
		be_peer_end(p, -ESHUTDOWN);
	}
	reap(be);
	fd_close(&be->pidfd);
	fd_close(&be->epfd);
	free(be);
}

void vmbus_backend_set_pidfd(struct vmbus_backend *be, int fd)
{
	fd_close(&be->pidfd);
	be->pidfd = fd;
}

void vmbus_backend_vanish(struct vmbus_backend *be)
{
	struct be_peer *p;

	be->is_muted = true;
	for (p = be->peers; p; p = p->next)
		vmbus_link_fini(&p->link);
}
