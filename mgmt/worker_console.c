/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/worker_console.h"

#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "mgmt/control.h"

void worker_console_line(struct worker_console *wc, const char *line, size_t n)
{
	pthread_mutex_lock(&wc->lock);
	if (wc->lines_len + n + 2 <= sizeof(wc->lines)) {
		memcpy(wc->lines + wc->lines_len, line, n);
		memcpy(wc->lines + wc->lines_len + n, "\r\n", 2);
		wc->lines_len += (uint32_t)n + 2;
	} else {
		wc->lines_lost += n;
	}
	pthread_mutex_unlock(&wc->lock);
	fd_kick(wc->wake_fd);
}

void worker_console_ready(struct worker_console *wc)
{
	fd_kick(wc->wake_fd);
}

void worker_console_room(struct worker_console *wc)
{
	atomic_store(&wc->has_room, true);
	fd_kick(wc->wake_fd);
}

static void on_log(void *ctx, const char *line, uint64_t lost)
{
	struct worker_console *wc = ctx;

	wc->log_dropped += lost;
	if (line)
		log_info(wc->name, "| %s", line);
	else
		log_warn(wc->name, "| (%llu console lines dropped)", (unsigned long long)lost);
}

static void distribute(struct worker_console *wc, const void *buf, size_t n, uint64_t lost)
{
	wc->lost += lost;
	lastline_feed(&wc->last, buf, n);
	if (lost)
		console_lost(&wc->console, lost);
	console_output(&wc->console, buf, n);
	if (wc->kind == SERIAL_LOG)
		linelog_feed(&wc->log, buf, n, loop_now_ms());
	if (wc->kind == SERIAL_FILE && serial_file_write(&wc->file, buf, n))
		log_warn(wc->name, "%s; no more is written to it", err_text());
}

static void take_lines(struct worker_console *wc)
{
	static char text[WORKER_LINES_MAX];
	uint64_t lost;
	size_t n;

	pthread_mutex_lock(&wc->lock);
	n = wc->lines_len;
	lost = wc->lines_lost;
	memcpy(text, wc->lines, n);
	wc->lines_len = 0;
	wc->lines_lost = 0;
	pthread_mutex_unlock(&wc->lock);
	if (n || lost)
		distribute(wc, text, n, lost);
}

/* At most one buffer full at a time: there is other work. */
static void take_serial(struct worker_console *wc)
{
	static char buf[16384];
	uint64_t lost;
	size_t n = hv_serial_read(wc->hv, buf, sizeof(buf), &lost);

	if (n)
		distribute(wc, buf, n, lost);
	if (n == sizeof(buf))
		fd_kick(wc->wake_fd);
}

void worker_console_process(struct worker_console *wc)
{
	if (!wc->is_open)
		return;
	take_lines(wc);
	take_serial(wc);
	if (atomic_exchange(&wc->has_room, false))
		console_room(&wc->console);
}

static size_t on_input(void *ctx, const void *buf, size_t n)
{
	const struct worker_console *wc = ctx;

	return hv_serial_write(wc->hv, buf, n);
}

static const struct console_ops ops = {.input = on_input};

/* Whoever sits on the name must not keep the partition from running. */
static void listen_for_people(struct worker_console *wc, const char *instance)
{
	int fd = control_listen_console(instance, wc->name);

	if (fd < 0 || console_listen(&wc->console, fd))
		log_warn(wc->name, "no `nethv console`: %s", err_text());
}

static int open_sink(struct worker_console *wc)
{
	int fd, rc;

	if (wc->kind == SERIAL_FILE)
		return serial_file_open(&wc->file, wc->path, SERIAL_FILE_MAX);
	if (wc->kind != SERIAL_SOCKET)
		return 0;
	fd = serial_listen(wc->path);
	if (fd < 0)
		return fd;
	rc = console_listen(&wc->console, fd);
	if (rc)
		unlink(wc->path);
	return rc;
}

int worker_console_open(struct worker_console *wc, struct loop *loop, const char *instance,
			const struct mgmt_partition *part, struct hv_partition *hv)
{
	int rc = serial_parse(part->serial, &wc->kind, &wc->path);

	if (rc)
		return err_set(rc, "%s: serial: %s", part->name, part->serial);
	wc->hv = hv;
	wc->name = part->name;
	wc->file.fd = -1;
	console_init(&wc->console, loop, &ops, wc);
	linelog_init(&wc->log, on_log, wc, loop_now_ms());
	rc = open_sink(wc);
	if (rc)
		return rc;
	wc->is_open = true;
	listen_for_people(wc, instance);
	return 0;
}

/* No VP runs any more, so that the rest of the output is bounded. */
void worker_console_close(struct worker_console *wc)
{
	if (!wc->is_open)
		return;
	for (unsigned int i = 0; i < 8; i++)
		worker_console_process(wc);
	linelog_flush(&wc->log, loop_now_ms());
	console_fini(&wc->console);
	serial_file_close(&wc->file);
	if (wc->kind == SERIAL_SOCKET)
		unlink(wc->path);
	wc->is_open = false;
}
