/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/err.h"
#include "base/fd.h"

int loop_init(struct loop *l)
{
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	return l->epfd < 0 ? err_sys(-errno, "epoll_create1") : 0;
}

void loop_fini(struct loop *l)
{
	fd_close(&l->epfd);
}

int loop_add(struct loop *l, struct loop_src *src, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = src};

	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev))
		return err_sys(-errno, "epoll: cannot watch fd %d", fd);
	src->fd = fd;
	return 0;
}

void loop_mod(struct loop *l, struct loop_src *src, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = src};

	epoll_ctl(l->epfd, EPOLL_CTL_MOD, src->fd, &ev);
}

void loop_del(struct loop *l, struct loop_src *src)
{
	if (src->fd < 0)
		return;
	epoll_ctl(l->epfd, EPOLL_CTL_DEL, src->fd, NULL);
	src->fd = -1;
}

int loop_once(struct loop *l, int timeout_ms)
{
	struct epoll_event ev;
	struct loop_src *src;
	int n = epoll_wait(l->epfd, &ev, 1, timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : err_sys(-errno, "epoll_wait");
	if (!n)
		return 0;
	src = ev.data.ptr;
	src->fn(src->ctx, ev.events);
	return 1;
}

int64_t loop_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
