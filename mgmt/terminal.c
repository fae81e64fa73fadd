/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"

#define PIECE	4096u /* a pipe that is ready takes as much without blocking */
#define GOES_ON (-EAGAIN)

struct terminal {
	int in, out, sock, sig;
	bool is_tty;
	bool in_is_over;
	struct termios saved;
	uint8_t typed[PIECE]; /* for the other side */
	size_t typed_len;
};

/* Signals come as a file, so that none can leave the terminal raw. */
static int signals_take(struct terminal *t, sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	t->sig = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (t->sig < 0)
		return err_sys(-errno, "signalfd");
	sigaddset(&set, SIGPIPE); /* comes as an error of write(2) */
	sigaddset(&set, SIGTSTP);
	sigprocmask(SIG_BLOCK, &set, old);
	return 0;
}

/* What has come meanwhile was meant for us: it must not strike when the mask is as before. */
static void signals_give_back(struct terminal *t, const sigset_t *old)
{
	const struct timespec none = {0};
	struct signalfd_siginfo si;
	sigset_t pipe_only;

	while (read(t->sig, &si, sizeof(si)) == sizeof(si))
		;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	while (!sigismember(old, SIGPIPE) && sigtimedwait(&pipe_only, NULL, &none) > 0)
		;
	sigprocmask(SIG_SETMASK, old, NULL);
	fd_close(&t->sig);
}

static int raw(struct terminal *t)
{
	struct termios tio;

	t->is_tty = isatty(t->in);
	if (!t->is_tty)
		return 0;
	if (tcgetattr(t->in, &t->saved))
		return err_sys(-errno, "terminal");
	tio = t->saved;
	cfmakeraw(&tio);
	return tcsetattr(t->in, TCSADRAIN, &tio) ? err_sys(-errno, "terminal") : 0;
}

/* Writes all of it, unless a signal comes first. */
static int print(const struct terminal *t, const uint8_t *buf, size_t n)
{
	while (n) {
		struct pollfd p[2] = {{.fd = t->out, .events = POLLOUT},
				      {.fd = t->sig, .events = POLLIN}};
		ssize_t done;

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents)
			return TERMINAL_SIGNAL;
		done = write(t->out, buf, n < PIECE ? n : PIECE);
		if (done < 0 && errno != EAGAIN && errno != EINTR)
			return err_sys(-errno, "output");
		if (done > 0) {
			buf += done;
			n -= (size_t)done;
		}
	}
	return GOES_ON;
}

static int from_sock(struct terminal *t)
{
	uint8_t buf[4 * PIECE];
	ssize_t n = recv(t->sock, buf, sizeof(buf), MSG_DONTWAIT);

	if (n > 0)
		return print(t, buf, (size_t)n);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return GOES_ON;
	return TERMINAL_CLOSED;
}

static int to_sock(struct terminal *t)
{
	ssize_t n = send(t->sock, t->typed, t->typed_len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n > 0) {
		memmove(t->typed, t->typed + n, t->typed_len - (size_t)n);
		t->typed_len -= (size_t)n;
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		t->typed_len = 0; /* gone; recv(2) tells when its last words are read */
	return GOES_ON;
}

/* A terminal is always read, so that Ctrl-] is seen also when the guest takes no input. */
static int from_in(struct terminal *t)
{
	size_t room = sizeof(t->typed) - t->typed_len;
	uint8_t buf[PIECE], *leave = NULL;
	ssize_t n = read(t->in, buf, t->is_tty ? sizeof(buf) : room);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return GOES_ON;
	if (n <= 0) {
		t->in_is_over = true;
		return t->is_tty ? TERMINAL_LEFT : GOES_ON;
	}
	if (t->is_tty)
		leave = memchr(buf, TERMINAL_LEAVE, (size_t)n);
	if (leave)
		n = leave - buf;
	n = (size_t)n < room ? n : (ssize_t)room;
	memcpy(t->typed + t->typed_len, buf, (size_t)n);
	t->typed_len += (size_t)n;
	to_sock(t);
	return leave ? TERMINAL_LEFT : GOES_ON;
}

static int step(struct terminal *t)
{
	bool reads_in = !t->in_is_over && (t->is_tty || t->typed_len < sizeof(t->typed));
	struct pollfd p[3] = {
		{.fd = t->sig, .events = POLLIN},
		{.fd = t->sock, .events = (short)(POLLIN | (t->typed_len ? POLLOUT : 0))},
		{.fd = reads_in ? t->in : -1, .events = POLLIN},
	};
	int rc = GOES_ON;

	if (poll(p, 3, -1) < 0)
		return GOES_ON;
	if (p[0].revents)
		return TERMINAL_SIGNAL;
	if (p[2].revents)
		rc = from_in(t);
	if (rc == GOES_ON && (p[1].revents & POLLOUT))
		rc = to_sock(t);
	if (rc == GOES_ON && (p[1].revents & (POLLIN | POLLHUP | POLLERR)))
		rc = from_sock(t);
	return rc;
}

int terminal_run(int in, int out, int sock)
{
	struct terminal t = {.in = in, .out = out, .sock = sock, .sig = -1};
	sigset_t old;
	int rc = signals_take(&t, &old);

	if (rc)
		return rc;
	rc = raw(&t);
	if (!rc)
		rc = GOES_ON;
	while (rc == GOES_ON)
		rc = step(&t);
	if (t.is_tty)
		tcsetattr(t.in, TCSADRAIN, &t.saved);
	signals_give_back(&t, &old);
	return rc;
}
