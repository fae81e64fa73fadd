/* SPDX-License-Identifier: BSD-3-Clause */
/* File descriptors and memfds. An empty field is -1; everything is opened with CLOEXEC. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum fd_huge { FD_HUGE_NO, FD_HUGE_TRY };

/* any.  Closes *@fd unless it is -1, and sets it to -1. Keeps errno. */
void fd_close(int *fd);

/* any.  0 or -errno (text set). */
int fd_nonblock(int fd);

/* ctl.  A memfd of @size bytes, fully allocated and sealed against shrinking, growing and further
 * seals. FD_HUGE_TRY: backed by 2 MiB pages where enough are free (@size must be a multiple),
 * else by small pages; *@is_huge (may be NULL) tells. Returns the fd (the caller owns it) or
 * -errno (text set; -ENOMEM says how much was wanted). */
int fd_memfd(const char *name, size_t size, enum fd_huge huge, int *is_huge);

/* any.  Maps @len bytes of @fd from @off read-write and shared into *@out. 0 or -errno (text set). */
int fd_map(int fd, uint64_t off, size_t len, void **out);

/* any.  Adds one to an eventfd, or writes 8 bytes to a pipe. Full is fine: the wake-up is already
 * due. Never blocks on a non-blocking fd. */
void fd_kick(int fd);

/* any.  Empties a non-blocking eventfd or pipe. */
void fd_drain(int fd);
