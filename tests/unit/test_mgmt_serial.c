/* SPDX-License-Identifier: BSD-3-Clause */
/* Where serial output goes: clean log lines with a limit, a file with a limit, a socket. */
#include "mgmt/serial.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "mgmt/linelog.h"
#include "tests/support/scratch.h"

/* ---- Lines ------------------------------------------------------------------------------------ */

static struct {
	unsigned int nr, nr_lost;
	char last[LINELOG_LINE + 1];
	uint64_t lost;
} seen;

static void on_line(void *ctx, const char *line, uint64_t lost)
{
	if (line) {
		seen.nr++;
		snprintf(seen.last, sizeof(seen.last), "%s", line);
		return;
	}
	seen.nr_lost++;
	seen.lost += lost;
}

static void feed(struct linelog *l, const char *s, int64_t now)
{
	linelog_feed(l, s, strlen(s), now);
}

Test(linelog, lines_are_clean)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{"plain\r\n", "plain"},
		{"\n", ""},
		{"\x1b[0;32m  OK  \x1b[0m done\n", "  OK   done"},
		{"\x1b"
		 "7saved\x1b[999;999H\x1b"
		 "8\n",
		 "saved"},
		{"a\tb\x01\xc3\xa9\x7f\n", "a.b...."},
		{"cut \x1b[12\nnext", "cut "},
		{"\x1b[?25lcursor\n", "nextcursor"},
		{"\x1b\x1b[mtwice\n", "twice"},
	};
	struct linelog l;

	linelog_init(&l, on_line, NULL, 0);
	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		feed(&l, t[i].in, 0);
		cr_expect_eq(seen.nr, i + 1, "%u", i);
		cr_expect_str_eq(seen.last, t[i].out, "%u", i);
	}
}

Test(linelog, an_escape_sequence_may_come_in_pieces)
{
	const char *s = "x\x1b[1;31my\n";
	struct linelog l;

	linelog_init(&l, on_line, NULL, 0);
	for (; *s; s++)
		linelog_feed(&l, s, 1, 0);
	cr_expect_str_eq(seen.last, "xy");
}

Test(linelog, a_line_without_end_is_cut_and_the_rest_comes_at_the_flush)
{
	struct linelog l;

	linelog_init(&l, on_line, NULL, 0);
	for (unsigned int i = 0; i < 2 * LINELOG_LINE; i++)
		feed(&l, "x", 0);
	cr_expect_eq(seen.nr, 2);
	cr_expect_eq(strlen(seen.last), LINELOG_LINE);
	feed(&l, "login: ", 0);
	cr_expect_eq(seen.nr, 2);
	linelog_flush(&l, 0);
	cr_expect_eq(seen.nr, 3);
	cr_expect_str_eq(seen.last, "login: ");
	linelog_flush(&l, 0);
	cr_expect_eq(seen.nr, 3);
}

Test(linelog, a_flood_is_limited_and_counted)
{
	struct linelog l;
	unsigned int i;

	linelog_init(&l, on_line, NULL, 1000);
	for (i = 0; i < LINELOG_BURST + 500; i++)
		feed(&l, "spam\n", 1000);
	cr_expect_eq(seen.nr, LINELOG_BURST);
	cr_expect_eq(seen.nr_lost, 0, "said when there is room");
	feed(&l, "later\n", 1000 + 2000 / LINELOG_PER_SEC);
	cr_expect_eq(seen.nr, LINELOG_BURST + 1);
	cr_expect_eq(seen.lost, 500);
	cr_expect_eq(seen.nr_lost, 1);
	for (i = 0; i < 10; i++)
		feed(&l, "spam\n", 1000 + 2000 / LINELOG_PER_SEC);
	cr_expect_eq(seen.nr, LINELOG_BURST + 2);
	linelog_flush(&l, 1000 + 2000 / LINELOG_PER_SEC);
	cr_expect_eq(seen.lost, 509);
	for (i = 0; i < 2 * LINELOG_BURST; i++)
		feed(&l, "spam\n", 1000000000);
	cr_expect_eq(seen.nr, 2 * LINELOG_BURST + 2, "a long silence is worth one burst");
}

/* ---- The key ------------------------------------------------------------------------------------ */

Test(serial, the_key_is_taken_apart)
{
	static const struct {
		const char *text;
		int rc;
		enum serial_kind kind;
		const char *path;
	} t[] = {
		{"log", 0, SERIAL_LOG, ""},
		{"file /tmp/x", 0, SERIAL_FILE, "/tmp/x"},
		{"file   a b", 0, SERIAL_FILE, "a b"},
		{"socket s", 0, SERIAL_SOCKET, "s"},
		{"", -EINVAL},
		{"file", -EINVAL},
		{"file ", -EINVAL},
		{"socket  ", -EINVAL},
		{"logs", -EINVAL},
		{"Log", -EINVAL},
		{"pipe x", -EINVAL},
	};

	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		enum serial_kind kind;
		const char *path;

		cr_expect_eq(serial_parse(t[i].text, &kind, &path), t[i].rc, "%s", t[i].text);
		if (t[i].rc)
			continue;
		cr_expect_eq(kind, t[i].kind, "%s", t[i].text);
		cr_expect_str_eq(path, t[i].path);
	}
}

/* ---- Files ---------------------------------------------------------------------------------- */

static char dir[SCRATCH_PATH], path[SCRATCH_PATH + 8], old[SCRATCH_PATH + 8];

static void make_dir(void)
{
	scratch_dir(dir, "serial");
	snprintf(path, sizeof(path), "%s/f", dir);
	snprintf(old, sizeof(old), "%s/f.1", dir);
}

static void remove_dir(void)
{
	unlink(path);
	unlink(old);
	rmdir(dir);
}

TestSuite(serial_at, .init = make_dir, .fini = remove_dir);

static void holds(const char *file, const char *want)
{
	char buf[256] = "";
	FILE *f = fopen(file, "r");

	cr_assert(f, "%s", file);
	cr_assert(fread(buf, 1, sizeof(buf) - 1, f) < sizeof(buf) - 1);
	fclose(f);
	cr_expect_str_eq(buf, want);
}

Test(serial_at, a_file_is_appended_to_and_private)
{
	struct serial_file f;
	struct stat st;

	cr_assert_eq(serial_file_open(&f, path, 1000), 0, "%s", err_text());
	cr_assert_eq(serial_file_write(&f, "one\n", 4), 0);
	serial_file_close(&f);
	cr_assert_eq(serial_file_open(&f, path, 1000), 0);
	cr_assert_eq(serial_file_write(&f, "two\n", 4), 0);
	serial_file_close(&f);
	holds(path, "one\ntwo\n");
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
}

Test(serial_at, a_file_does_not_grow_without_end)
{
	struct serial_file f;

	cr_assert_eq(serial_file_open(&f, path, 10), 0);
	cr_assert_eq(serial_file_write(&f, "0123456", 7), 0);
	cr_assert_eq(serial_file_write(&f, "789abc", 6), 0);
	holds(old, "0123456789");
	holds(path, "abc");
	cr_assert_eq(serial_file_write(&f, "defghijklmnopqrstuvwxyz", 23), 0);
	holds(old, "klmnopqrst");
	holds(path, "uvwxyz");
	serial_file_close(&f);
	cr_assert_eq(serial_file_open(&f, path, 5), 0, "fuller than allowed");
	cr_assert_eq(serial_file_write(&f, "!", 1), 0);
	holds(old, "uvwxyz");
	holds(path, "!");
	serial_file_close(&f);
}

Test(serial_at, what_is_no_file_is_refused)
{
	struct serial_file f;

	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_assert_eq(serial_file_open(&f, path, 10), -ENXIO, "a pipe that nobody reads");
	cr_assert_eq(serial_file_open(&f, "/dev/null", 10), -EINVAL);
	cr_expect(strstr(err_text(), "not a regular file"));
	cr_assert_eq(serial_file_open(&f, "/nonexistent/f", 10), -ENOENT);
	cr_assert_eq(serial_file_write(&f, "x", 1), 0, "closed: nothing");
}

Test(serial_at, a_write_error_is_told_once)
{
	struct serial_file f = {.path = "/dev/full", .fd = -1, .max = 100};
	FILE *full = fopen("/dev/full", "w");

	cr_assert(full);
	f.fd = dup(fileno(full));
	fclose(full);
	cr_assert_eq(serial_file_write(&f, "x", 1), -ENOSPC);
	cr_assert_eq(serial_file_write(&f, "x", 1), 0);
}

/* ---- Sockets -------------------------------------------------------------------------------- */

static int connect_to(const char *where)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(sa.sun_path, where);
	return connect(fd, (struct sockaddr *)&sa, sizeof(sa)) ? -errno : fd;
}

Test(serial_at, a_socket_is_private_and_a_dead_ones_place_is_taken)
{
	int fd = serial_listen(path), again;
	struct stat st;

	cr_assert(fd >= 0, "%s", err_text());
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
	cr_assert(connect_to(path) >= 0);
	cr_assert_eq(serial_listen(path), -EADDRINUSE, "somebody listens there");
	close(fd);
	again = serial_listen(path);
	cr_assert(again >= 0, "%s", err_text());
	cr_assert(connect_to(path) >= 0);
	close(again);
}

Test(serial_at, a_socket_replaces_no_file)
{
	FILE *f = fopen(path, "w");
	char longer[200];

	fputs("precious", f);
	fclose(f);
	cr_assert_eq(serial_listen(path), -EADDRINUSE);
	holds(path, "precious");
	memset(longer, 'x', sizeof(longer));
	longer[108] = '\0';
	cr_assert_eq(serial_listen(longer), -ENAMETOOLONG);
	cr_assert_eq(serial_listen("/nonexistent/s"), -ENOENT);
}
