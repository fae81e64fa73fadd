/* SPDX-License-Identifier: BSD-3-Clause */
/* The console server over socketpairs, with a guest that takes as much input as the test says; and
 * the terminal's side of it, on a pseudo-terminal and on pipes. */
#include "mgmt/console.h"

#include <errno.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "mgmt/control.h"
#include "mgmt/terminal.h"

static struct loop loop;
static struct console con;

static struct {
	char got[65536];
	size_t len, room;
} guest;

static size_t on_input(void *ctx, const void *buf, size_t n)
{
	n = n < guest.room ? n : guest.room;
	memcpy(guest.got + guest.len, buf, n);
	guest.len += n;
	guest.room -= n;
	return n;
}

static const struct console_ops ops = {on_input};

static void setup(void)
{
	cr_assert_eq(loop_init(&loop), 0);
	console_init(&con, &loop, &ops, NULL);
	guest.room = sizeof(guest.got);
}

static void teardown(void)
{
	console_fini(&con);
	loop_fini(&loop);
}

TestSuite(mgmt_console, .init = setup, .fini = teardown, .timeout = 60);

static void settle(void)
{
	for (int i = 0; i < 1000 && loop_once(&loop, 0) == 1; i++)
		;
	cr_assert_eq(loop_once(&loop, 0), 0, "the loop spins");
}

/* The client's end. */
static int attach(void)
{
	int sv[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	cr_assert_eq(console_attach(&con, sv[0]), 0, "%s", err_text());
	return sv[1];
}

static size_t hear(int fd, char *buf, size_t size)
{
	ssize_t n;
	size_t len = 0;

	do {
		n = recv(fd, buf + len, size - len, MSG_DONTWAIT);
		len += n > 0 ? (size_t)n : 0;
		settle();
	} while (n > 0 && len < size);
	return len;
}

static void expect(int fd, const char *want)
{
	char buf[512];
	size_t n = hear(fd, buf, sizeof(buf) - 1);

	buf[n] = '\0';
	cr_expect_str_eq(buf, want);
}

static void out(const char *s)
{
	console_output(&con, s, strlen(s));
}

static void say(int fd, const char *s)
{
	cr_assert_eq(send(fd, s, strlen(s), 0), (ssize_t)strlen(s));
	settle();
}

Test(mgmt_console, all_hear_and_all_may_speak)
{
	int a = attach(), b = attach();

	out("hello\r\n");
	expect(a, "hello\r\n");
	expect(b, "hello\r\n");
	say(a, "one ");
	say(b, "two");
	cr_expect(!memcmp(guest.got, "one two", 7));
	cr_expect_eq(guest.len, 7);
	cr_expect_eq(console_clients(&con), 2);
	close(a);
	settle();
	cr_expect_eq(console_clients(&con), 1);
	out("more");
	expect(b, "more");
}

Test(mgmt_console, who_comes_late_hears_what_was_before)
{
	int a;

	out("boot\r\n");
	out("login: ");
	a = attach();
	expect(a, "boot\r\nlogin: ");
	out("x");
	expect(a, "x");
}

static uint8_t pattern(uint64_t i)
{
	return (uint8_t)('!' + i % 89);
}

/* Output of @n bytes that continues the pattern. */
static void flood(size_t n)
{
	uint8_t buf[1000];

	while (n) {
		size_t piece = n < sizeof(buf) ? n : sizeof(buf);

		for (size_t i = 0; i < piece; i++)
			buf[i] = pattern(con.head + i);
		console_output(&con, buf, piece);
		n -= piece;
	}
}

Test(mgmt_console, scrollback_is_the_last_64_kib)
{
	static char buf[2 * CONSOLE_KEEP];
	size_t n;
	int a;

	flood(3 * CONSOLE_KEEP + 777);
	a = attach();
	n = hear(a, buf, sizeof(buf));
	cr_assert_eq(n, CONSOLE_KEEP);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq((uint8_t)buf[i], pattern(con.head - n + i), "%zu", i);
}

/* It reads nothing for so long that its socket is full; others are not held up. */
Test(mgmt_console, a_slow_client_loses_output_and_is_told)
{
	static char buf[4 << 20], note[80];
	int slow = attach(), quick = attach();
	uint64_t heard = 0, lost = 0;
	size_t n, at;
	char *found;

	for (int i = 0; i < 40; i++) {
		flood(30000);
		heard += hear(quick, buf, sizeof(buf));
	}
	cr_expect_eq(heard, con.head, "the quick one got all");
	n = hear(slow, buf, sizeof(buf) - 1);
	buf[n] = '\0';
	found = strstr(buf, "\r\n[nethv: ");
	cr_assert(found);
	cr_assert_eq(sscanf(found, " [nethv: %lu bytes of output lost]", &lost), 1);
	at = (size_t)(found - buf);
	for (size_t i = 0; i < at; i++)
		cr_assert_eq((uint8_t)buf[i], pattern(i));
	snprintf(note, sizeof(note), "\r\n[nethv: %lu bytes of output lost]\r\n", lost);
	cr_assert_eq(n - strlen(note) + lost, con.head, "the books balance");
	for (size_t i = at + strlen(note); i < n; i++)
		cr_assert_eq((uint8_t)buf[i], pattern(i - strlen(note) + lost), "%zu", i);
}

Test(mgmt_console, loss_before_us_is_in_the_stream)
{
	int a = attach();

	out("x");
	console_lost(&con, 12345);
	out("y");
	expect(a, "x\r\n[nethv: 12345 bytes of output lost]\r\ny");
}

Test(mgmt_console, input_waits_while_the_guest_takes_none)
{
	static char text[50000];
	int a = attach(), b;
	size_t sent = 0;
	ssize_t n;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)pattern(i);
	guest.room = 10;
	while ((n = send(a, text + sent, sizeof(text) - sent, MSG_DONTWAIT)) > 0) {
		sent += (size_t)n;
		settle();
	}
	cr_assert_eq(guest.len, 10);
	out("still alive");
	expect(a, "still alive");
	while (guest.len < sent) {
		guest.room = 16;
		console_room(&con);
		settle();
	}
	cr_assert(!memcmp(guest.got, text, sent));
	b = attach();
	guest.room = 100;
	say(b, "other");
	cr_assert(!memcmp(guest.got + sent, "other", 5));
}

Test(mgmt_console, input_of_one_who_hung_up_still_arrives)
{
	const char *line = "a command that is longer than the FIFO of a serial port\n";
	int a = attach();
	unsigned int i;

	guest.room = 16;
	cr_assert_eq(send(a, line, strlen(line), 0), (ssize_t)strlen(line));
	close(a);
	settle();
	cr_expect_eq(guest.len, 16);
	cr_expect_eq(console_clients(&con), 0);
	for (i = 0; i < 10; i++) {
		guest.room = 16;
		console_room(&con);
		settle();
	}
	cr_expect_eq(guest.len, strlen(line));
	cr_expect(!memcmp(guest.got, line, strlen(line)));
}

Test(mgmt_console, those_who_hung_up_give_their_places_away)
{
	int fd[CONSOLE_CLIENTS_MAX];
	unsigned int i;

	guest.room = 0;
	for (i = 0; i < CONSOLE_CLIENTS_MAX; i++) {
		fd[i] = attach();
		say(fd[i], "x");
		close(fd[i]);
	}
	settle();
	for (i = 0; i < CONSOLE_CLIENTS_MAX; i++)
		fd[i] = attach();
	out("hi");
	for (i = 0; i < CONSOLE_CLIENTS_MAX; i++)
		expect(fd[i], "hi");
}

Test(mgmt_console, there_is_a_limit)
{
	int sv[2];
	char c;

	for (unsigned int i = 0; i < CONSOLE_CLIENTS_MAX; i++)
		attach();
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	cr_assert_eq(console_attach(&con, sv[0]), -EBUSY);
	cr_assert_eq(recv(sv[1], &c, 1, 0), 0, "closed");
}

Test(mgmt_console, one_who_only_listens_may_shut_its_other_half)
{
	int a = attach();

	shutdown(a, SHUT_WR);
	settle();
	out("after");
	expect(a, "after");
}

Test(mgmt_console, one_who_only_speaks_does_not_make_us_spin)
{
	int a = attach();

	shutdown(a, SHUT_RD);
	out("nobody hears this");
	settle();
	say(a, "yes");
	cr_expect_eq(guest.len, 3);
}

Test(mgmt_console, people_reach_it_by_name)
{
	int fd = control_listen_console("unit-console", "vm"), a;

	cr_assert(fd >= 0, "%s", err_text());
	cr_assert_eq(control_listen_console("unit-console", "vm"), -EADDRINUSE);
	cr_expect(strstr(err_text(), "unit-console/console/vm"), "%s", err_text());
	cr_assert_eq(console_listen(&con, fd), 0);
	cr_assert_eq(control_connect_console(geteuid(), "unit-console", "other"), -ENOENT);
	cr_expect(strstr(err_text(), "no partition named other"), "%s", err_text());
	out("boot ");
	a = control_connect_console(geteuid(), "unit-console", "vm");
	cr_assert(a >= 0, "%s", err_text());
	settle();
	expect(a, "boot ");
	for (unsigned int i = 1; i < CONSOLE_CLIENTS_MAX; i++)
		attach();
	a = control_connect_console(geteuid(), "unit-console", "vm");
	settle();
	expect(a, "[nethv: too many are attached to this console]\r\n");
}

/* ---- The terminal --------------------------------------------------------------------------- */

struct talk {
	int sock; /* our end, as the console's */
	int in, out;
	pid_t pid;
	struct termios before;
	int tty;
};

/* Runs the terminal in a child; its exit status is how it ended, or 100. */
static void run_terminal(struct talk *t, int in, int out_fd)
{
	int sv[2], rc;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	t->sock = sv[1];
	t->pid = fork();
	if (t->pid)
		return;
	close(sv[1]);
	close(t->in);
	if (t->out != t->in)
		close(t->out);
	rc = terminal_run(in, out_fd, sv[0]);
	_exit(rc < 0 ? 100 : rc);
}

static void on_tty(struct talk *t)
{
	int pty;

	cr_assert_eq(openpty(&pty, &t->tty, NULL, NULL, NULL), 0);
	cr_assert_eq(tcgetattr(t->tty, &t->before), 0);
	t->in = t->out = pty;
	run_terminal(t, t->tty, t->tty);
	for (int i = 0; i < 10000; i++) { /* until it is raw */
		struct termios now;

		tcgetattr(t->tty, &now);
		if (!(now.c_lflag & ICANON))
			return;
		usleep(1000);
	}
	cr_assert_fail("the terminal was not made raw");
}

static int ended(struct talk *t)
{
	int status;

	cr_assert_eq(waitpid(t->pid, &status, 0), t->pid);
	cr_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void is_restored(const struct talk *t)
{
	struct termios now;

	cr_assert_eq(tcgetattr(t->tty, &now), 0);
	cr_expect_eq(now.c_lflag, t->before.c_lflag);
	cr_expect_eq(now.c_iflag, t->before.c_iflag);
	cr_expect_eq(now.c_oflag, t->before.c_oflag);
}

static void reads(int fd, const char *want)
{
	char buf[256] = "";
	size_t len = 0;
	ssize_t n = 1;

	while (n > 0 && len < strlen(want)) {
		n = read(fd, buf + len, sizeof(buf) - 1 - len);
		len += n > 0 ? (size_t)n : 0;
	}
	cr_expect_str_eq(buf, want);
}

static void writes(int fd, const char *s)
{
	cr_assert_eq(write(fd, s, strlen(s)), (ssize_t)strlen(s));
}

Test(terminal, is_raw_until_the_key_is_pressed, .timeout = 60)
{
	struct talk t;

	on_tty(&t);
	writes(t.sock, "login: \r\n");
	reads(t.out, "login: \r\n");
	writes(t.in, "ro\x03\x1a\r");
	reads(t.sock, "ro\x03\x1a\r");
	writes(t.in, "last\x1d"
		     "not sent");
	reads(t.sock, "last");
	cr_expect_eq(ended(&t), TERMINAL_LEFT);
	is_restored(&t);
}

Test(terminal, is_restored_after_each_signal, .timeout = 60)
{
	static const int sig[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
	struct talk t;

	for (unsigned int i = 0; i < 4; i++) {
		on_tty(&t);
		kill(t.pid, sig[i]);
		cr_expect_eq(ended(&t), TERMINAL_SIGNAL);
		is_restored(&t);
	}
}

Test(terminal, is_restored_when_the_partition_ends, .timeout = 60)
{
	struct talk t;

	on_tty(&t);
	writes(t.sock, "bye");
	close(t.sock);
	reads(t.out, "bye");
	cr_expect_eq(ended(&t), TERMINAL_CLOSED);
	is_restored(&t);
}

/* Nobody takes what is typed, and still the key is seen. */
Test(terminal, can_be_left_while_the_guest_hangs, .timeout = 60)
{
	char junk[1024];
	struct talk t;

	memset(junk, 'j', sizeof(junk));
	on_tty(&t);
	for (int i = 0; i < 1000; i++)
		cr_assert_eq(write(t.in, junk, sizeof(junk)), sizeof(junk));
	writes(t.in, "\x1d");
	cr_expect_eq(ended(&t), TERMINAL_LEFT);
	is_restored(&t);
}

static void on_pipes(struct talk *t)
{
	int in[2], o[2];

	cr_assert_eq(pipe(in), 0);
	cr_assert_eq(pipe(o), 0);
	t->in = in[1];
	t->out = o[0];
	run_terminal(t, in[0], o[1]);
	close(in[0]);
	close(o[1]);
}

Test(terminal, pipes_carry_all_bytes_and_output_goes_on_after_the_input, .timeout = 60)
{
	struct talk t;

	on_pipes(&t);
	writes(t.in, "a\x1d\x03z");
	reads(t.sock, "a\x1d\x03z");
	close(t.in);
	writes(t.sock, "answer");
	reads(t.out, "answer");
	writes(t.sock, " and more");
	reads(t.out, " and more");
	close(t.sock);
	cr_expect_eq(ended(&t), TERMINAL_CLOSED);
}

Test(terminal, an_output_that_nobody_reads_does_not_hold_a_signal_up, .timeout = 60)
{
	char junk[4096] = {0};
	struct talk t;

	on_pipes(&t);
	for (int i = 0; i < 40; i++)
		cr_assert_eq(write(t.sock, junk, sizeof(junk)), sizeof(junk));
	cr_assert_eq(read(t.out, junk, 1), 1);
	kill(t.pid, SIGINT);
	cr_expect_eq(ended(&t), TERMINAL_SIGNAL);
}

Test(terminal, an_output_that_is_gone_is_an_error, .timeout = 60)
{
	struct talk t;

	on_pipes(&t);
	close(t.out);
	writes(t.sock, "x");
	cr_expect_eq(ended(&t), 100);
}
