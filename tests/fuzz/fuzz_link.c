/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of a hostile worker. Input: {length (2, little-endian), message} again and again. Each is
 * decoded, and must be the same when encoded again; then the whole input goes to a backend that has
 * welcomed its sender. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "vmbus/backend.h"
#include "vmbus/link.h"

#define MEM (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vmbus_chan *chan;

static int up(void *ctx, struct vmbus_peer *peer)
{
	struct vmbus_chan_cfg cfg = {.if_type = VMBUS_CLASS_NIC};

	(void)ctx;
	return vmbus_peer_offer(peer, &cfg, &chan);
}

static void down(void *ctx, struct vmbus_peer *peer)
{
	(void)ctx;
	(void)peer;
}

static int open_chan(struct vmbus_chan *ch, enum vmbus_open_how how)
{
	struct vmbus_ring in, out;

	(void)how;
	return vmbus_chan_rings(ch, 0, 0, &in, &out);
}

static void close_chan(struct vmbus_chan *ch)
{
	(void)ch;
}

static void gone(struct vmbus_chan *ch, const struct vmbus_gpadl *g)
{
	if (vmbus_chan_gpadl(ch, g->handle))
		abort();
}

static void quiesce(void *ctx)
{
	(void)ctx;
}

static unsigned int asked;

static int vf(struct vmbus_chan *ch, uint32_t serial, bool is_allocated)
{
	if (is_allocated && !serial)
		abort();
	asked = 1;
	return vmbus_chan_path(ch, is_allocated ? VMBUS_PATH_VF : VMBUS_PATH_SYNTHETIC);
}

static void path_done(struct vmbus_chan *ch, int status, const char *why)
{
	(void)ch;
	if (status > 0 || !why || !asked)
		abort();
	asked = 0;
}

static const struct vmbus_backend_ops ops = {.peer_up = up,
					     .peer_down = down,
					     .open = open_chan,
					     .close = close_chan,
					     .gpadl_gone = gone,
					     .quiesce = quiesce,
					     .vf = vf,
					     .path_done = path_done};

static struct vmbus_backend *be;
static int memfd, statefd, line;

static void start(void)
{
	void *st = NULL;

	memfd = fd_memfd("fuzz", MEM, FD_HUGE_NO, NULL);
	statefd = fd_memfd("fuzz-state", sizeof(struct vmbus_state), FD_HUGE_NO, NULL);
	line = eventfd(0, EFD_NONBLOCK);
	if (vmbus_backend_create(&be, &ops, NULL) ||
	    fd_map(statefd, 0, sizeof(struct vmbus_state), &st))
		abort();
	vmbus_state_init(st, 1);
}

/* A worker that has said HELLO and has given the channel relid 1. */
static int greet(void)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_HELLO};
	int sv[2], fds[VMBUS_LINK_FDS_MAX];
	struct vmbus_link w;
	uint32_t i, n;

	m.hello.name[0] = 'f';
	m.hello.nr_vps = 1;
	m.hello.nr_regions = 1;
	m.hello.region[0].len = MEM;
	n = vmbus_link_nr_fds(&m);
	for (i = 0; i < n; i++)
		fds[i] = i == 0 ? memfd : i == n - 1 ? statefd : line;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv) || vmbus_backend_accept(be, sv[0]) ||
	    vmbus_link_init(&w, dup(sv[1])) || vmbus_link_send(&w, &m, fds, n))
		abort();
	vmbus_backend_process(be);
	vmbus_link_ack(&w, 1, 0, 1, NULL); /* OFFER is the backend's first request */
	vmbus_backend_process(be);
	vmbus_link_fini(&w);
	return sv[1];
}

static void check_decode(const uint8_t *msg, size_t len)
{
	static uint8_t again[VMBUS_LINK_MSG_MAX];
	struct vmbus_link_msg m;

	if (vmbus_link_decode(msg, len, &m))
		return;
	if (vmbus_link_encode(&m, again, sizeof(again)) != (int)len || memcmp(again, msg, len))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = 0, len;
	int fd;

	if (!be)
		start();
	asked = 0;
	fd = greet();
	while (at + 2 <= size) {
		len = data[at] | (size_t)data[at + 1] << 8;
		at += 2;
		len = len < size - at ? len : size - at;
		check_decode(data + at, len);
		if (len && send(fd, data + at, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			vmbus_backend_process(be);
		vmbus_backend_process(be);
		at += len;
	}
	close(fd);
	vmbus_backend_process(be);
	return 0;
}
