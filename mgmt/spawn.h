/* SPDX-License-Identifier: BSD-3-Clause */
/* Starts a child program that dies with us, with a few inherited fds. */
#pragma once

#include <sched.h>
#include <sys/types.h>

#define SPAWN_FDS_MAX 8u

struct spawn {
	const char *path;
	char *const *argv;	/* ends with NULL */
	int fds[SPAWN_FDS_MAX]; /* stay open in the child under the same numbers */
	unsigned int nr_fds;
	const cpu_set_t *may; /* where it may run; NULL: where we may */
};

/* ctl, the main thread only (the child gets SIGKILL when the forking thread ends).  0 and *@pid and
 * *@pidfd (owned by the caller), or -errno (text set). The child ignores the signals of the
 * terminal: it is told to end by its parent. */
int spawn_child(const struct spawn *s, pid_t *pid, int *pidfd);

/* ctl.  Sends @sig to the process behind @pidfd; gone already is fine. */
void spawn_signal(int pidfd, int sig);

/* ctl.  Reaps @pid, which must have ended. Returns the wait status. */
int spawn_reap(pid_t pid);
