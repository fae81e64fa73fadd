/* SPDX-License-Identifier: BSD-3-Clause */
/* Where a partition's serial output goes besides its console: the configuration's key `serial`. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#define SERIAL_FILE_MAX (16u << 20) /* bytes; then PATH becomes PATH.1 and PATH begins anew */

enum serial_kind { SERIAL_LOG, SERIAL_FILE, SERIAL_SOCKET };

/* any.  @text: "log", "file PATH" or "socket PATH". *@path points into it, "" for log. 0 or -EINVAL
 * (no text set). */
int serial_parse(const char *text, enum serial_kind *kind, const char **path);

/* A file that a guest cannot fill the disk with. */
struct serial_file {
	const char *path; /* borrowed */
	int fd;
	uint64_t size;
	uint64_t max; /* SERIAL_FILE_MAX; tests have less */
};

/* ctl.  Opens or makes @path, a regular file, and appends. 0 or -errno (text set). */
int serial_file_open(struct serial_file *f, const char *path, uint64_t max);
/* ctl.  0 or -errno (text set; the file is closed, further writes do nothing). */
int serial_file_write(struct serial_file *f, const void *buf, size_t n);
void serial_file_close(struct serial_file *f);

/* ctl.  A listening stream socket at @path, mode 0600. One that is left from a dead process is
 * replaced, a live one is -EADDRINUSE. The fd (the caller owns it, and unlinks @path at the end), or
 * -errno (text set). */
int serial_listen(const char *path);
