/* SPDX-License-Identifier: BSD-3-Clause */
/* An epoll loop for ctl threads. One event is handled at a time, so that a handler may remove or
 * free any source, its own included. */
#pragma once

#include <stdint.h>

struct loop {
	int epfd;
};

/* A source lives in its owner's struct; it must stay where it is while it is added. */
struct loop_src {
	int fd; /* borrowed; -1: not added */
	void (*fn)(void *ctx, uint32_t events);
	void *ctx;
};

/* ctl.  0 or -errno (text set). */
int loop_init(struct loop *l);
void loop_fini(struct loop *l);

/* ctl.  Watches @fd for @events (EPOLLIN, ...). 0 or -errno (text set). */
int loop_add(struct loop *l, struct loop_src *src, int fd, uint32_t events);
void loop_mod(struct loop *l, struct loop_src *src, uint32_t events);
void loop_del(struct loop *l, struct loop_src *src); /* not added: nothing */

/* ctl.  Waits at most @timeout_ms (-1: for ever) and handles at most one event. Returns 1 when one
 * was handled, 0 at the timeout or a signal, -errno (text set). */
int loop_once(struct loop *l, int timeout_ms);

/* any.  CLOCK_MONOTONIC in milliseconds. */
int64_t loop_now_ms(void);
