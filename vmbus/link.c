/* SPDX-License-Identifier: BSD-3-Clause */
/* The worker-switch protocol: the wire form of each message, and a socket that carries them. One
 * description of each message serves both directions, so that they cannot disagree. */
#include "vmbus/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"

#define LINK_MAGIC     0x4b4c564eu /* "NVLK" */
#define QUEUE_MSGS_MAX 8192u
#define QUEUE_MAX      (16u << 20) /* bytes */

/* ---- Wire form ---------------------------------------------------------------------------- */

enum dir { READ, WRITE };

struct cursor {
	uint8_t *p;
	size_t left;
	enum dir dir;
	bool is_bad;
};

static void bytes(struct cursor *c, void *v, size_t n)
{
	if (n > c->left) {
		c->is_bad = true;
		return;
	}
	if (c->dir == READ)
		memcpy(v, c->p, n);
	else
		memcpy(c->p, v, n);
	c->p += n;
	c->left -= n;
}

static void u32(struct cursor *c, uint32_t *v)
{
	bytes(c, v, sizeof(*v));
}

static void u64(struct cursor *c, uint64_t *v)
{
	bytes(c, v, sizeof(*v));
}

/* What must hold, on both ends. */
static void require(struct cursor *c, bool what)
{
	if (!what)
		c->is_bad = true;
}

/* A text ends within its field and is printable. */
static void text(struct cursor *c, char *s, size_t size)
{
	size_t i, len = 0;

	bytes(c, s, size);
	if (c->is_bad)
		return;
	len = strnlen(s, size);
	require(c, len < size);
	for (i = 0; i < len; i++)
		require(c, s[i] >= ' ' && s[i] != 0x7f);
}

static void region(struct cursor *c, struct vmbus_link_region *r)
{
	u64(c, &r->gpa);
	u64(c, &r->len);
	u64(c, &r->fd_offset);
	if (c->is_bad)
		return;
	require(c, r->len && !((r->gpa | r->len | r->fd_offset) % GMEM_PAGE_SIZE));
	require(c,
		r->len <= (1ull << 52) && r->gpa <= (1ull << 52) && r->fd_offset <= (1ull << 52));
}

static void hello(struct cursor *c, struct vmbus_link_hello *h)
{
	uint32_t i;

	text(c, h->name, sizeof(h->name));
	u32(c, &h->is_resumed);
	u32(c, &h->nr_vps);
	u32(c, &h->nr_regions);
	if (c->is_bad)
		return;
	require(c, h->name[0] && h->is_resumed <= 1);
	require(c, h->nr_vps >= 1 && h->nr_vps <= VMBUS_VPS_MAX);
	require(c, h->nr_regions >= 1 && h->nr_regions <= GMEM_REGIONS_MAX);
	for (i = 0; !c->is_bad && i < h->nr_regions; i++)
		region(c, &h->region[i]);
}

static void gpadl_add(struct cursor *c, struct vmbus_link_gpadl_add *g)
{
	u32(c, &g->relid);
	u32(c, &g->handle);
	u32(c, &g->byte_offset);
	u32(c, &g->byte_count);
	u32(c, &g->nr_pages);
	if (c->is_bad)
		return;
	require(c, g->byte_offset < GMEM_PAGE_SIZE && g->byte_count);
	require(c, g->nr_pages >= 1 && g->nr_pages <= VMBUS_GPADL_PAGES_MAX);
	require(c,
		((uint64_t)g->byte_offset + g->byte_count + GMEM_PAGE_SIZE - 1) / GMEM_PAGE_SIZE ==
			g->nr_pages);
	require(c, c->left >= g->nr_pages * sizeof(uint64_t));
	if (c->is_bad)
		return;
	if (c->dir == WRITE)
		memcpy(c->p, g->pfns, g->nr_pages * sizeof(uint64_t));
	else
		g->pfns = c->p;
	c->p += g->nr_pages * sizeof(uint64_t);
	c->left -= g->nr_pages * sizeof(uint64_t);
}

static void open_chan(struct cursor *c, struct vmbus_link_open *o)
{
	u32(c, &o->relid);
	u32(c, &o->ring);
	u32(c, &o->split);
	u32(c, &o->target_vp);
	u32(c, &o->how);
	u32(c, &o->monitor_id);
	u64(c, &o->monitor_page);
	require(c, !c->is_bad && o->how <= 1);
	require(c, o->monitor_id < VMBUS_MONITORS_MAX && o->monitor_page % GMEM_PAGE_SIZE == 0);
	require(c, o->monitor_page || !o->monitor_id);
}

static void offer(struct cursor *c, struct vmbus_link_offer *o)
{
	bytes(c, &o->if_type, sizeof(o->if_type));
	bytes(c, &o->if_instance, sizeof(o->if_instance));
	u32(c, &o->sub_index);
	u32(c, &o->wants_monitor);
	require(c, !c->is_bad && o->sub_index <= UINT16_MAX && o->wants_monitor <= 1);
}

/* A VF that is there has a number, by which the guest finds it. */
static void vf(struct cursor *c, struct vmbus_link_msg *m)
{
	u32(c, &m->vf.relid);
	u32(c, &m->vf.serial);
	u32(c, &m->vf.is_allocated);
	require(c, !c->is_bad && m->vf.is_allocated <= 1 && (m->vf.serial || !m->vf.is_allocated));
}

static void path(struct cursor *c, struct vmbus_link_msg *m)
{
	u32(c, &m->path.relid);
	u32(c, &m->path.is_vf);
	require(c, !c->is_bad && m->path.is_vf <= 1);
}

static void ack(struct cursor *c, struct vmbus_link_msg *m)
{
	bytes(c, &m->ack.status, sizeof(m->ack.status));
	u32(c, &m->ack.relid);
	text(c, m->ack.text, sizeof(m->ack.text));
	require(c, !c->is_bad && m->ack.status <= 0 && m->ack.status > -4096);
}

static void body(struct cursor *c, struct vmbus_link_msg *m)
{
	switch (m->type) {
	case VMBUS_LINK_ACK: ack(c, m); return;
	case VMBUS_LINK_HELLO: hello(c, &m->hello); return;
	case VMBUS_LINK_GPADL_ADD: gpadl_add(c, &m->gpadl_add); return;
	case VMBUS_LINK_GPADL_DEL:
		u32(c, &m->gpadl_del.relid);
		u32(c, &m->gpadl_del.handle);
		return;
	case VMBUS_LINK_OPEN: open_chan(c, &m->open); return;
	case VMBUS_LINK_RETARGET:
		u32(c, &m->retarget.relid);
		u32(c, &m->retarget.target_vp);
		return;
	case VMBUS_LINK_CLOSE:
	case VMBUS_LINK_RESCIND: u32(c, &m->chan.relid); return;
	case VMBUS_LINK_OFFER: offer(c, &m->offer); return;
	case VMBUS_LINK_VF: vf(c, m); return;
	case VMBUS_LINK_PATH: path(c, m); return;
	case VMBUS_LINK_ERROR:
	case VMBUS_LINK_VF_REMOVE:
		u32(c, &m->error.relid);
		text(c, m->error.text, sizeof(m->error.text));
		return;
	case VMBUS_LINK_RESET:
	case VMBUS_LINK_PING:
	case VMBUS_LINK_WELCOME:
	case VMBUS_LINK_OFFERS_DONE: return;
	case VMBUS_LINK_NONE: break;
	}
	c->is_bad = true;
}

/* {magic, version, type, id}, then the body. */
static void message(struct cursor *c, struct vmbus_link_msg *m)
{
	uint32_t magic = LINK_MAGIC, version = VMBUS_LINK_VERSION, type = m->type;

	u32(c, &magic);
	u32(c, &version);
	u32(c, &type);
	u32(c, &m->id);
	require(c, !c->is_bad && magic == LINK_MAGIC && version == VMBUS_LINK_VERSION && m->id);
	if (c->is_bad)
		return;
	m->type = (enum vmbus_link_type)type;
	body(c, m);
}

int vmbus_link_encode(const struct vmbus_link_msg *m, void *buf, size_t cap)
{
	struct cursor c = {.p = buf, .left = cap, .dir = WRITE};
	struct vmbus_link_msg copy = *m;

	message(&c, &copy);
	if (c.is_bad)
		return err_set(-EINVAL, "link: message %d does not fit its rules", m->type);
	return (int)(cap - c.left);
}

int vmbus_link_decode(const void *buf, size_t len, struct vmbus_link_msg *out)
{
	/* Only read from: the direction says so. */
	struct cursor c = {.p = (uint8_t *)(uintptr_t)buf, .left = len, .dir = READ};

	memset(out, 0, sizeof(*out));
	message(&c, out);
	if (c.is_bad || c.left)
		return err_set(-EPROTO, "link: malformed message of %zu bytes, type %d", len,
			       out->type);
	return 0;
}

uint32_t vmbus_link_nr_fds(const struct vmbus_link_msg *m)
{
	if (m->type == VMBUS_LINK_HELLO)
		return m->hello.nr_regions + m->hello.nr_vps + VMBUS_LINK_DOORBELLS + 1;
	return m->type == VMBUS_LINK_WELCOME ? 1 : 0;
}

/* ---- Socket ------------------------------------------------------------------------------- */

struct vmbus_link_out {
	struct vmbus_link_out *next;
	uint32_t len;
	uint32_t nr_fds;
	int *fds; /* duplicates, behind the data */
	uint8_t data[];
};

int vmbus_link_init(struct vmbus_link *l, int fd)
{
	int rc;

	*l = (struct vmbus_link){.fd = fd, .next_id = 1};
	l->tail = &l->head;
	l->buf = malloc(2 * VMBUS_LINK_MSG_MAX); /* received | to send */
	rc = l->buf ? fd_nonblock(fd) : err_set(-ENOMEM, "link: no memory for its buffers");
	if (rc)
		vmbus_link_fini(l);
	return rc;
}

static void out_free(struct vmbus_link_out *o)
{
	uint32_t i;

	for (i = 0; i < o->nr_fds; i++)
		fd_close(&o->fds[i]);
	free(o->fds);
	free(o);
}

static void out_pop(struct vmbus_link *l)
{
	struct vmbus_link_out *o = l->head;

	l->head = o->next;
	if (!l->head)
		l->tail = &l->head;
	l->nr_queued--;
	l->bytes_queued -= o->len;
	out_free(o);
}

void vmbus_link_fini(struct vmbus_link *l)
{
	while (l->head)
		out_pop(l);
	free(l->buf);
	l->buf = NULL;
	fd_close(&l->fd);
}

/* 0, -EAGAIN, -EPIPE. */
static int send_now(int fd, const void *data, size_t len, const int *fds, uint32_t nr_fds)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(VMBUS_LINK_FDS_MAX * sizeof(int))];
	} ctl;
	struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	struct msghdr mh = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *cm;
	ssize_t n;

	if (nr_fds) {
		memset(&ctl, 0, sizeof(ctl));
		mh.msg_control = ctl.room;
		mh.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		cm = CMSG_FIRSTHDR(&mh);
		cm->cmsg_level = SOL_SOCKET;
		cm->cmsg_type = SCM_RIGHTS;
		cm->cmsg_len = CMSG_LEN(nr_fds * sizeof(int));
		memcpy(CMSG_DATA(cm), fds, nr_fds * sizeof(int));
	}
	do {
		n = sendmsg(fd, &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM)
		return -EAGAIN;
	return err_sys(-EPIPE, "link: cannot send %zu bytes and %u fds (errno %d)", len, nr_fds,
		       errno);
}

static int dup_fds(struct vmbus_link_out *o, const int *fds, uint32_t nr_fds)
{
	o->fds = nr_fds ? malloc(nr_fds * sizeof(int)) : NULL;
	if (nr_fds && !o->fds)
		return -ENOMEM;
	for (; o->nr_fds < nr_fds; o->nr_fds++) {
		o->fds[o->nr_fds] = fcntl(fds[o->nr_fds], F_DUPFD_CLOEXEC, 0);
		if (o->fds[o->nr_fds] < 0)
			return -errno;
	}
	return 0;
}

static int enqueue(struct vmbus_link *l, const void *data, size_t len, const int *fds,
		   uint32_t nr_fds)
{
	struct vmbus_link_out *o;

	if (l->nr_queued >= QUEUE_MSGS_MAX || l->bytes_queued + len > QUEUE_MAX)
		return err_set(-ENOBUFS, "link: the peer left %u messages unread", l->nr_queued);
	o = calloc(1, sizeof(*o) + len);
	if (!o)
		return err_set(-ENOBUFS, "link: no memory for a message of %zu bytes", len);
	if (dup_fds(o, fds, nr_fds)) {
		out_free(o);
		return err_set(-ENOBUFS, "link: cannot keep %u fds for later", nr_fds);
	}
	o->len = (uint32_t)len;
	memcpy(o->data, data, len);
	*l->tail = o;
	l->tail = &o->next;
	l->nr_queued++;
	l->bytes_queued += len;
	return 0;
}

int vmbus_link_send(struct vmbus_link *l, struct vmbus_link_msg *m, const int *fds, uint32_t nr_fds)
{
	uint8_t *data;
	int rc, len;

	if (l->fd < 0)
		return err_set(-EPIPE, "link: closed");
	if (nr_fds != vmbus_link_nr_fds(m) || nr_fds > VMBUS_LINK_FDS_MAX)
		return err_set(-EINVAL, "link: message %d with %u fds", m->type, nr_fds);
	if (m->id == 0) {
		m->id = l->next_id++;
		l->next_id += l->next_id == 0;
	}
	data = l->buf + VMBUS_LINK_MSG_MAX;
	len = vmbus_link_encode(m, data, VMBUS_LINK_MSG_MAX);
	if (len < 0)
		return len;
	rc = l->head ? -EAGAIN : send_now(l->fd, data, len, fds, nr_fds);
	return rc == -EAGAIN ? enqueue(l, data, len, fds, nr_fds) : rc;
}

int vmbus_link_ack(struct vmbus_link *l, uint32_t id, int status, uint32_t relid, const char *why)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_ACK, .id = id};

	m.ack.status = status;
	m.ack.relid = relid;
	vmbus_link_text(m.ack.text, why);
	return vmbus_link_send(l, &m, NULL, 0);
}

void vmbus_link_text(char dst[VMBUS_LINK_TEXT_MAX], const char *src)
{
	size_t i;

	memset(dst, 0, VMBUS_LINK_TEXT_MAX);
	for (i = 0; src && src[i] && i < VMBUS_LINK_TEXT_MAX - 1; i++)
		dst[i] = src[i] >= ' ' && src[i] != 0x7f ? src[i] : '?';
}

int vmbus_link_flush(struct vmbus_link *l)
{
	int rc = 0;

	while (l->head && !rc) {
		rc = send_now(l->fd, l->head->data, l->head->len, l->head->fds, l->head->nr_fds);
		if (!rc)
			out_pop(l);
	}
	return rc == -EAGAIN ? 0 : rc;
}

/* Collects all passed fds; those beyond @max are closed. Returns how many came, in all. */
static uint32_t take_fds(struct msghdr *mh, int *fds, uint32_t max)
{
	struct cmsghdr *cm;
	uint32_t i, n, nr = 0;
	int fd;

	for (cm = CMSG_FIRSTHDR(mh); cm; cm = CMSG_NXTHDR(mh, cm)) {
		if (cm->cmsg_level != SOL_SOCKET || cm->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++, nr++) {
			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int), sizeof(fd));
			if (nr < max)
				fds[nr] = fd;
			else
				fd_close(&fd);
		}
	}
	return nr;
}

/* A peer that closed with our messages unread makes the first receive fail; what it sent before is
 * still there and counts: so ask once more. */
static ssize_t receive(int fd, struct msghdr *mh)
{
	int tries = 0;
	ssize_t n;

	do {
		n = recvmsg(fd, mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && (errno == EINTR || (errno == ECONNRESET && tries++ == 0)));
	return n < 0 ? -errno : n;
}

static void drop_fds(int *fds, uint32_t nr)
{
	uint32_t i;

	for (i = 0; i < nr && i < VMBUS_LINK_FDS_MAX; i++)
		fd_close(&fds[i]);
}

int vmbus_link_recv(struct vmbus_link *l, struct vmbus_link_msg *out, int *fds)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(VMBUS_LINK_FDS_MAX * sizeof(int))];
	} ctl;
	struct iovec iov = {.iov_base = l->buf, .iov_len = VMBUS_LINK_MSG_MAX};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = ctl.room,
			    .msg_controllen = sizeof(ctl.room)};
	uint32_t nr;
	ssize_t n;
	int rc;

	if (l->fd < 0)
		return -EPIPE;
	n = receive(l->fd, &mh);
	if (n == -EAGAIN)
		return 0;
	if (n < 0)
		return -EPIPE;
	nr = take_fds(&mh, fds, VMBUS_LINK_FDS_MAX);
	if (n == 0) {
		drop_fds(fds, nr);
		return -EPIPE;
	}
	if (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
		rc = err_set(-EPROTO, "link: message longer than %u bytes", VMBUS_LINK_MSG_MAX);
	else
		rc = vmbus_link_decode(l->buf, (size_t)n, out);
	if (!rc && nr != vmbus_link_nr_fds(out))
		rc = err_set(-EPROTO, "link: message %d with %u fds, want %u", out->type, nr,
			     vmbus_link_nr_fds(out));
	if (rc)
		drop_fds(fds, nr);
	return rc ? rc : 1;
}
