/* SPDX-License-Identifier: BSD-3-Clause */
/* A terminal, or a pair of pipes, joined with a stream socket. */
#pragma once

#define TERMINAL_LEAVE 0x1d /* Ctrl-] */

enum terminal_end {
	TERMINAL_LEFT,	 /* Ctrl-], or the terminal is gone */
	TERMINAL_CLOSED, /* the other side ended */
	TERMINAL_SIGNAL, /* SIGINT, SIGTERM, SIGHUP or SIGQUIT, from outside */
};

/* ctl, with no other thread.  If @in is a terminal it is raw meanwhile and as it was afterwards, and
 * Ctrl-] leaves; what is typed while the other side takes nothing is lost. If it is none, all its
 * bytes are passed, and after its end output goes on. The three fds are borrowed; their flags stay as
 * they are. Returns how it ended, or -errno (text set). */
int terminal_run(int in, int out, int sock);
