/* SPDX-License-Identifier: BSD-3-Clause */
/* The console of a partition: a stream of bytes in both directions, with any number of people and
 * programs attached. Each gets the last CONSOLE_KEEP bytes first and then what comes; what any of
 * them sends goes to the guest. Nobody can hold up the guest or another: who reads too slowly loses
 * output and is told so in the stream; who sends too fast waits.
 *
 * All of it: ctl. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mgmt/loop.h"

#define CONSOLE_KEEP	    65536u
#define CONSOLE_CLIENTS_MAX 16u
#define CONSOLE_LISTEN_MAX  2u
#define CONSOLE_INPUT	    1024u /* bytes of a client that wait for the guest */
#define CONSOLE_NOTE	    80u

struct console;

struct console_ops {
	/* Gives the guest input and returns how many bytes it took; fewer than @n: console_room() is
	 * called later. */
	size_t (*input)(void *ctx, const void *buf, size_t n);
};

struct console_client {
	struct console *c;
	int fd; /* owned; -1: free */
	struct loop_src src;
	uint64_t pos;		 /* next byte of the output to send */
	uint64_t lost;		 /* that the note tells of */
	char note[CONSOLE_NOTE]; /* goes before it */
	size_t note_at, note_len;
	uint8_t in[CONSOLE_INPUT];
	size_t in_at, in_len;
	bool is_eof;  /* sends no more */
	bool is_gone; /* hung up, its last input still waits */
};

struct console_listener {
	struct console *c;
	int fd; /* owned; -1: none */
	struct loop_src src;
};

struct console {
	struct loop *loop;
	const struct console_ops *ops;
	void *ctx;
	uint8_t keep[CONSOLE_KEEP];
	uint64_t head; /* bytes of output so far */
	struct console_client client[CONSOLE_CLIENTS_MAX];
	struct console_listener listener[CONSOLE_LISTEN_MAX];
	unsigned int turn; /* whose input is next */
};

void console_init(struct console *c, struct loop *loop, const struct console_ops *ops, void *ctx);
void console_fini(struct console *c); /* closes all; twice is fine */

/* Consumes @fd, a stream socket, also on failure. 0, -EBUSY (CONSOLE_CLIENTS_MAX are attached) or
 * another -errno (text set). */
int console_attach(struct console *c, int fd);
/* Attaches who connects to @fd, if root or our own user. Consumes @fd, also on failure. 0 or -errno
 * (text set). */
int console_listen(struct console *c, int fd);

void console_output(struct console *c, const void *buf, size_t n);
/* Says in the stream that @n bytes are missing. */
void console_lost(struct console *c, uint64_t n);
void console_room(struct console *c);
unsigned int console_clients(const struct console *c);
