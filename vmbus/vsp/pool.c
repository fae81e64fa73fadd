/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads for what blocks. */
#include "vmbus/vsp/pool.h"

#include <stddef.h>

#include "base/err.h"
#include "base/fd.h"

static void push(struct pool_list *l, struct pool_job *job)
{
	job->next = NULL;
	if (l->last)
		l->last->next = job;
	else
		l->first = job;
	l->last = job;
}

static struct pool_job *pop(struct pool_list *l)
{
	struct pool_job *job = l->first;

	if (job) {
		l->first = job->next;
		if (!l->first)
			l->last = NULL;
	}
	return job;
}

static void *work(void *arg)
{
	struct pool *p = arg;
	struct pool_job *job;

	pthread_mutex_lock(&p->lock);
	while (!p->is_stopping) {
		job = pop(&p->todo);
		if (!job) {
			pthread_cond_wait(&p->work, &p->lock);
			continue;
		}
		pthread_mutex_unlock(&p->lock);
		job->run(job);
		pthread_mutex_lock(&p->lock);
		push(&p->done, job);
		fd_kick(p->wake_fd);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

int pool_start(struct pool *p, unsigned int nr_threads, int wake_fd)
{
	int rc;

	*p = (struct pool){.wake_fd = wake_fd};
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	while (p->nr_threads < nr_threads && p->nr_threads < POOL_THREADS_MAX) {
		rc = -pthread_create(&p->thread[p->nr_threads], NULL, work, p);
		if (rc)
			return err_sys(rc, "cannot start a thread for the disks");
		pthread_setname_np(p->thread[p->nr_threads++], "vsp-io");
	}
	return 0;
}

void pool_stop(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->is_stopping = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned int i = 0; i < p->nr_threads; i++)
		pthread_join(p->thread[i], NULL);
	p->nr_threads = 0;
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
}

void pool_put(struct pool *p, struct pool_job *job)
{
	pthread_mutex_lock(&p->lock);
	push(&p->todo, job);
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
}

struct pool_job *pool_take(struct pool *p)
{
	struct pool_job *job;

	pthread_mutex_lock(&p->lock);
	job = pop(&p->done);
	pthread_mutex_unlock(&p->lock);
	return job;
}
