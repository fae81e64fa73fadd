/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"

/* In the child, between fork and exec. The parent has one thread, so anything may be called. */
static void child(const struct spawn *s, pid_t parent)
{
	static const int ignored[] = {SIGINT, SIGTERM, SIGQUIT, SIGHUP, SIGPIPE};
	sigset_t none;
	int null;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	null = open("/dev/null", O_RDONLY);
	if (null > 0) {
		dup2(null, 0);
		close(null);
	}
	for (unsigned int i = 0; i < s->nr_fds; i++)
		fcntl(s->fds[i], F_SETFD, 0);
	if (s->may)
		sched_setaffinity(0, sizeof(*s->may), s->may);
	execv(s->path, s->argv);
	fprintf(stderr, "nethv: cannot execute %s: %s\n", s->path, strerror(errno));
	_exit(127);
}

int spawn_child(const struct spawn *s, pid_t *pid, int *pidfd)
{
	pid_t parent = getpid();
	int rc;

	*pid = fork();
	if (*pid < 0)
		return err_sys(-errno, "fork for %s", s->path);
	if (!*pid)
		child(s, parent);
	*pidfd = pidfd_open(*pid, 0);
	if (*pidfd >= 0)
		return 0;
	rc = -errno;
	kill(*pid, SIGKILL);
	spawn_reap(*pid);
	return err_sys(rc, "pidfd_open");
}

void spawn_signal(int pidfd, int sig)
{
	pidfd_send_signal(pidfd, sig, NULL, 0);
}

int spawn_reap(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}
