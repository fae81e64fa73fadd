/* SPDX-License-Identifier: BSD-3-Clause */
/* Who gets through the abstract sockets of an instance: root and its own user, nobody else, also
 * where the instance is root's. */
#include "mgmt/control.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/err.h"

#define NOBODY 65534
#define OTHER  65533

TestSuite(mgmt_control, .timeout = 30);

static socklen_t address(struct sockaddr_un *sa, uid_t uid)
{
	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   (size_t)snprintf(sa->sun_path + 1, sizeof(sa->sun_path) - 1,
					    "nethv/%u/control-test", uid));
}

/* In a child: as @uid, either connects to root's instance or poses as one of user @named. */
static pid_t play(uid_t uid, uid_t named, bool listens, int tell)
{
	struct sockaddr_un sa;
	socklen_t len = address(&sa, named);
	pid_t pid = fork();
	int fd;

	if (pid)
		return pid;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		_exit(1);
	if (listens && (bind(fd, (struct sockaddr *)&sa, len) || listen(fd, 1)))
		_exit(2);
	if (!listens && connect(fd, (struct sockaddr *)&sa, len))
		_exit(3);
	if (write(tell, "x", 1) != 1)
		_exit(4);
	pause();
	_exit(0);
}

static bool is_let_in(uid_t uid)
{
	int fd = control_listen("control-test"), p[2], c;
	pid_t pid, seen = 0;
	bool ok;

	cr_assert(fd >= 0, "%s", err_text());
	cr_assert_eq(pipe(p), 0);
	pid = play(uid, 0, false, p[1]);
	cr_assert_eq(read(p[0], &(char){0}, 1), 1);
	c = accept(fd, NULL, NULL);
	ok = control_peer_ok(c, &seen);
	cr_assert_eq(seen, pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(c);
	close(fd);
	return ok;
}

Test(mgmt_control, an_instance_of_root_lets_root_in_and_no_other_user)
{
	if (geteuid() != 0)
		cr_skip_test("needs root to be somebody else");
	cr_expect(is_let_in(0));
	cr_expect_not(is_let_in(NOBODY));
}

/* What control_connect() says of an instance that @uid runs under the name of user @named. */
static int connects(uid_t uid, uid_t named)
{
	int p[2], fd;
	pid_t pid;

	cr_assert_eq(pipe(p), 0);
	pid = play(uid, named, true, p[1]);
	cr_assert_eq(read(p[0], &(char){0}, 1), 1);
	fd = control_connect(named, "control-test");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (fd >= 0)
		close(fd);
	return fd >= 0 ? 0 : fd;
}

Test(mgmt_control, root_reaches_an_instance_of_a_user_but_not_one_that_borrows_a_name)
{
	if (geteuid() != 0)
		cr_skip_test("needs root to be somebody else");
	cr_expect_eq(connects(NOBODY, NOBODY), 0);
	cr_expect_eq(connects(NOBODY, OTHER), -EPERM);
	cr_expect_eq(connects(NOBODY, 0), -EPERM);
}
