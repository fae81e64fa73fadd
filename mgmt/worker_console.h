/* SPDX-License-Identifier: BSD-3-Clause */
/* The console of a worker's partition: takes what the guest writes (lines of our own image, bytes of
 * a kernel's serial port) to the console, and to log, file or nowhere else. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "hv/hv.h"
#include "mgmt/config.h"
#include "mgmt/console.h"
#include "mgmt/lastline.h"
#include "mgmt/linelog.h"
#include "mgmt/serial.h"

#define WORKER_LINES_MAX 65536u

struct worker_console {
	int wake_fd; /* borrowed: to be kicked when there is work for ctl */
	struct hv_partition *hv;
	const char *name;

	pthread_mutex_t lock; /* of lines; held for copies only */
	char lines[WORKER_LINES_MAX];
	uint32_t lines_len;
	uint64_t lines_lost; /* bytes */
	_Atomic bool has_room;

	/* ctl */
	bool is_open;
	struct console console;
	struct linelog log;
	enum serial_kind kind;
	const char *path;
	struct serial_file file;
	uint64_t lost;	      /* bytes */
	uint64_t log_dropped; /* lines that were too many for the log */
	struct lastline last;
};

/* ctl.  Before the partition runs; @hv, @part and @wake_fd are borrowed. The lock was initialized by
 * its owner. 0 or -errno (text set). A console that nobody can reach by `nethv console` is only
 * warned of. */
int worker_console_open(struct worker_console *wc, struct loop *loop, const char *instance,
			const struct mgmt_partition *part, struct hv_partition *hv);
/* ctl.  Takes the last output first. Not open: nothing. */
void worker_console_close(struct worker_console *wc);

/* vcpu. */
void worker_console_line(struct worker_console *wc, const char *line, size_t n);
void worker_console_ready(struct worker_console *wc);
void worker_console_room(struct worker_console *wc);

void worker_console_process(struct worker_console *wc); /* ctl, after a kick */
