/* SPDX-License-Identifier: BSD-3-Clause */
/* A few threads that run what blocks. Jobs are started in the order they came; each is handed back
 * on the done list, whose owner is woken by an eventfd. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#define POOL_THREADS_MAX 8u

struct pool_job {
	struct pool_job *next;
	void (*run)(struct pool_job *job); /* on a thread of the pool */
};

struct pool_list {
	struct pool_job *first, *last;
};

struct pool {
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct pool_list todo, done;
	bool is_stopping;
	int wake_fd; /* borrowed */
	pthread_t thread[POOL_THREADS_MAX];
	unsigned int nr_threads;
};

/* ctl.  0 or -errno (text set). Every start is to be paired with a stop, a failed one too. */
int pool_start(struct pool *p, unsigned int nr_threads, int wake_fd);
void pool_stop(struct pool *p); /* ctl.  Nothing is queued any more */

/* any.  @job belongs to the pool until pool_take() returns it. */
void pool_put(struct pool *p, struct pool_job *job);
/* any.  A job that was run, or NULL. */
struct pool_job *pool_take(struct pool *p);
