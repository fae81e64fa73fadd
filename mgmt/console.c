/* SPDX-License-Identifier: BSD-3-Clause */
#include "mgmt/console.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/fd.h"
#include "mgmt/control.h"

static void client_drop(struct console_client *cl)
{
	loop_del(cl->c->loop, &cl->src);
	fd_close(&cl->fd);
}

static bool has_output(const struct console_client *cl)
{
	return cl->note_len || cl->pos != cl->c->head;
}

/* Hanging up is always told, so a client that has done so is not watched at all. */
static void watch(struct console_client *cl)
{
	uint32_t events = 0;

	if (cl->fd < 0 || cl->is_gone)
		return;
	if (!cl->in_len && !cl->is_eof)
		events |= EPOLLIN;
	if (has_output(cl))
		events |= EPOLLOUT;
	loop_mod(cl->c->loop, &cl->src, events);
}

static size_t lost_text(char *buf, size_t size, uint64_t n)
{
	return (size_t)snprintf(buf, size, "\r\n[nethv: %llu bytes of output lost]\r\n",
				(unsigned long long)n);
}

/* Where its next bytes have been overwritten, a note takes their place; one that was not begun yet
 * counts on. */
static void skip_lost(struct console_client *cl)
{
	uint64_t behind = cl->c->head - cl->pos;

	if (behind <= CONSOLE_KEEP || cl->note_at)
		return;
	cl->lost += behind - CONSOLE_KEEP;
	cl->note_len = lost_text(cl->note, sizeof(cl->note), cl->lost);
	cl->pos = cl->c->head - CONSOLE_KEEP;
}

/* What to send next: the note, or output up to the ring's edge. */
static size_t next_piece(const struct console_client *cl, const void **at)
{
	uint64_t behind = cl->c->head - cl->pos, in_ring = cl->pos % CONSOLE_KEEP;

	if (cl->note_len) {
		*at = cl->note + cl->note_at;
		return cl->note_len - cl->note_at;
	}
	*at = cl->c->keep + in_ring;
	return (size_t)(behind < CONSOLE_KEEP - in_ring ? behind : CONSOLE_KEEP - in_ring);
}

static void sent(struct console_client *cl, size_t n)
{
	if (!cl->note_len) {
		cl->pos += n;
		return;
	}
	cl->note_at += n;
	if (cl->note_at < cl->note_len)
		return;
	cl->note_len = cl->note_at = 0;
	cl->lost = 0;
}

/* It reads no more. Its end, if it comes to that, is told by epoll. */
static void discard_output(struct console_client *cl)
{
	cl->pos = cl->c->head;
	cl->note_len = cl->note_at = 0;
	cl->lost = 0;
}

static void send_output(struct console_client *cl)
{
	const void *at;
	ssize_t n = 1;

	while (n > 0 && cl->fd >= 0 && !cl->is_gone && has_output(cl)) {
		size_t len;

		skip_lost(cl);
		len = next_piece(cl, &at);
		n = send(cl->fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			sent(cl, (size_t)n);
		else if (errno != EAGAIN && errno != EINTR)
			discard_output(cl);
	}
}

/* True when the guest has taken all. */
static bool give_input(struct console_client *cl)
{
	struct console *c = cl->c;

	cl->in_at += c->ops->input(c->ctx, cl->in + cl->in_at, cl->in_len - cl->in_at);
	if (cl->in_at < cl->in_len)
		return false;
	cl->in_at = cl->in_len = 0;
	return true;
}

/* Reads once, or as long as the guest takes it when nobody will send more. */
static void take_input(struct console_client *cl)
{
	ssize_t n;

	do {
		n = recv(cl->fd, cl->in, sizeof(cl->in), MSG_DONTWAIT);
		if (n > 0)
			cl->in_len = (size_t)n;
	} while (n > 0 && give_input(cl) && cl->is_gone);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;
	cl->is_eof = true;
}

static void on_client(void *ctx, uint32_t events)
{
	struct console_client *cl = ctx;

	if (events & (EPOLLHUP | EPOLLERR)) {
		cl->is_gone = true;
		loop_del(cl->c->loop, &cl->src);
	}
	if (!cl->in_len && !cl->is_eof && (cl->is_gone || (events & EPOLLIN)))
		take_input(cl);
	if (cl->is_gone && !cl->in_len) {
		client_drop(cl);
		return;
	}
	if (events & EPOLLOUT)
		send_output(cl);
	watch(cl);
}

/* One that has hung up gives its place to one who comes. */
static struct console_client *slot(struct console *c)
{
	struct console_client *gone = NULL;

	for (unsigned int i = 0; i < CONSOLE_CLIENTS_MAX; i++) {
		if (c->client[i].fd < 0)
			return &c->client[i];
		if (c->client[i].is_gone)
			gone = &c->client[i];
	}
	if (gone)
		client_drop(gone);
	return gone;
}

int console_attach(struct console *c, int fd)
{
	struct console_client *cl = slot(c);
	int rc = fd_nonblock(fd);

	if (!cl)
		rc = err_set(-EBUSY, "%u are attached to this console already",
			     CONSOLE_CLIENTS_MAX);
	if (rc) {
		fd_close(&fd);
		return rc;
	}
	*cl = (struct console_client){.c = c, .fd = fd, .src = {-1, on_client, cl}};
	cl->pos = c->head > CONSOLE_KEEP ? c->head - CONSOLE_KEEP : 0;
	rc = loop_add(c->loop, &cl->src, fd, EPOLLIN);
	if (rc) {
		fd_close(&cl->fd);
		return rc;
	}
	send_output(cl);
	watch(cl);
	return 0;
}

static void on_connect(void *ctx, uint32_t events)
{
	struct console_listener *l = ctx;
	static const char full[] = "[nethv: too many are attached to this console]\r\n";
	int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (!control_peer_ok(fd, NULL)) {
		fd_close(&fd);
		return;
	}
	if (console_clients(l->c) == CONSOLE_CLIENTS_MAX)
		send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	console_attach(l->c, fd);
}

int console_listen(struct console *c, int fd)
{
	struct console_listener *l = NULL;
	int rc;

	for (unsigned int i = 0; i < CONSOLE_LISTEN_MAX && !l; i++)
		if (c->listener[i].fd < 0)
			l = &c->listener[i];
	if (!l) {
		fd_close(&fd);
		return err_set(-EBUSY, "console: more than %u sockets", CONSOLE_LISTEN_MAX);
	}
	*l = (struct console_listener){.c = c, .fd = fd, .src = {-1, on_connect, l}};
	rc = fd_nonblock(fd);
	if (!rc)
		rc = loop_add(c->loop, &l->src, fd, EPOLLIN);
	if (rc)
		fd_close(&l->fd);
	return rc;
}

/* Clients first, while what is overwritten is still there: those who keep up lose nothing. */
void console_output(struct console *c, const void *buf, size_t n)
{
	const uint8_t *from = buf;

	while (n) {
		size_t at = c->head % CONSOLE_KEEP, piece = CONSOLE_KEEP - at;

		piece = n < piece ? n : piece;
		memcpy(c->keep + at, from, piece);
		c->head += piece;
		from += piece;
		n -= piece;
		for (unsigned int i = 0; i < CONSOLE_CLIENTS_MAX; i++)
			send_output(&c->client[i]);
	}
	for (unsigned int i = 0; i < CONSOLE_CLIENTS_MAX; i++)
		watch(&c->client[i]);
}

void console_lost(struct console *c, uint64_t n)
{
	char note[CONSOLE_NOTE];

	console_output(c, note, lost_text(note, sizeof(note), n));
}

/* In turns, beginning with who was refused last, until the guest is full again. */
void console_room(struct console *c)
{
	for (unsigned int i = 0; i < CONSOLE_CLIENTS_MAX; i++) {
		struct console_client *cl = &c->client[c->turn % CONSOLE_CLIENTS_MAX];

		if (cl->fd >= 0 && cl->in_len && !give_input(cl))
			return;
		if (cl->fd >= 0 && cl->is_gone)
			take_input(cl);
		if (cl->fd >= 0 && cl->is_gone && cl->in_len)
			return;
		if (cl->is_gone && cl->fd >= 0)
			client_drop(cl);
		watch(cl);
		c->turn++;
	}
}

unsigned int console_clients(const struct console *c)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < CONSOLE_CLIENTS_MAX; i++)
		n += c->client[i].fd >= 0 && !c->client[i].is_gone;
	return n;
}

void console_init(struct console *c, struct loop *loop, const struct console_ops *ops, void *ctx)
{
	memset(c, 0, sizeof(*c));
	c->loop = loop;
	c->ops = ops;
	c->ctx = ctx;
	for (unsigned int i = 0; i < CONSOLE_CLIENTS_MAX; i++)
		c->client[i].fd = -1;
	for (unsigned int i = 0; i < CONSOLE_LISTEN_MAX; i++)
		c->listener[i].fd = -1;
}

void console_fini(struct console *c)
{
	if (!c->loop)
		return;
	for (unsigned int i = 0; i < CONSOLE_CLIENTS_MAX; i++)
		if (c->client[i].fd >= 0)
			client_drop(&c->client[i]);
	for (unsigned int i = 0; i < CONSOLE_LISTEN_MAX; i++) {
		if (c->listener[i].fd >= 0)
			loop_del(c->loop, &c->listener[i].src);
		fd_close(&c->listener[i].fd);
	}
}
