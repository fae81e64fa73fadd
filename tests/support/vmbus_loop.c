/* SPDX-License-Identifier: BSD-3-Clause */
/* Server and backend in one process; see the header. */
#include "tests/support/vmbus_loop.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "vmbus/backend_priv.h"

#define OFFERS_MAX 128
#define POSTS_MAX  4096

struct loop_msg {
	size_t len;
	uint32_t vp;
	uint8_t data[VMBUS_MSG_PAYLOAD_MAX];
};

struct loop {
	struct vmbus_server *server;
	struct vmbus_backend *backend;
	bool owns_backend;
	struct vmbus_server_cfg cfg;
	uint8_t *mem;
	struct gmem gm;
	uint64_t next_pfn;
	uint64_t end_pfn;
	struct loop_msg msg[POSTS_MAX]; /* a ring */
	unsigned int head, tail;
	uint32_t msg_vp; /* of the last one taken */
	bool is_blocked;
	struct vmbus_msg_offer offer[OFFERS_MAX];
	unsigned int nr_offers;
	uint32_t version;
	uint64_t interrupts[VMBUS_VPS_MAX];
	unsigned int kills;
	int deadfd; /* eventfd that plays the switch's pidfd */
	struct loop_mock mock;
	struct loop_worker worker;
};

#define must(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "vmbus_loop: %s:%d: %s failed (%s)\n", __func__, __LINE__, \
				#cond, err_text());                                                \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* ---- Mock provider ------------------------------------------------------------------------ */

static int mock_up(void *ctx, struct vmbus_peer *peer)
{
	struct vmbus_chan_cfg cfg = {.if_type = VMBUS_CLASS_NIC, .if_instance = {.data1 = 1}};
	struct loop_mock *m = ctx;

	peer->dev = m;
	m->peer = peer;
	m->nr_up++;
	cfg.ctx = m;
	cfg.wants_monitor = m->wants_monitor;
	return vmbus_peer_offer(peer, &cfg, &m->primary);
}

static void mock_forget(struct loop_mock *m)
{
	m->peer = NULL;
	m->primary = NULL;
	memset(m->sub, 0, sizeof(m->sub));
}

static void mock_down(void *ctx, struct vmbus_peer *peer)
{
	struct loop_mock *m = ctx;

	m->nr_down += peer == m->peer;
	mock_forget(m);
}

static int mock_open(struct vmbus_chan *ch, enum vmbus_open_how how)
{
	struct loop_mock *m = vmbus_chan_info(ch)->ctx;

	if (m->open_rc)
		return err_set(m->open_rc, "the mock refuses");
	m->nr_fresh += how == VMBUS_OPEN_FRESH;
	m->nr_resumed += how == VMBUS_OPEN_RESUME;
	return 0;
}

static void mock_close(struct vmbus_chan *ch)
{
	struct loop_mock *m = vmbus_chan_info(ch)->ctx;
	unsigned int i;

	m->nr_closed++;
	for (i = 0; ch == m->primary && i < 8; i++) {
		if (m->sub[i])
			vmbus_chan_rescind(m->sub[i]);
		m->sub[i] = NULL;
	}
}

static void mock_gpadl_gone(struct vmbus_chan *ch, const struct vmbus_gpadl *g)
{
	struct loop_mock *m = vmbus_chan_info(ch)->ctx;

	m->nr_gpadls_gone++;
	m->last_gone = g->handle;
}

static void mock_quiesce(void *ctx)
{
	struct loop_mock *m = ctx;

	m->nr_quiesced++;
}

static void mock_reset(void *ctx, struct vmbus_peer *peer)
{
	struct loop_mock *m = ctx;

	must(peer == m->peer);
	m->nr_reset++;
}

static int mock_vf(struct vmbus_chan *ch, uint32_t serial, bool is_allocated)
{
	struct loop_mock *m = vmbus_chan_info(ch)->ctx;

	m->nr_vf++;
	m->vf_serial = serial;
	m->is_vf_allocated = is_allocated;
	return m->vf_rc ? err_set(m->vf_rc, "the mock takes no VF") : 0;
}

static void mock_path_done(struct vmbus_chan *ch, int status, const char *why)
{
	struct loop_mock *m = vmbus_chan_info(ch)->ctx;

	m->nr_path_done++;
	m->path_status = status;
	snprintf(m->path_why, sizeof(m->path_why), "%s", why);
}

static const struct vmbus_backend_ops mock_ops = {.peer_up = mock_up,
						  .peer_down = mock_down,
						  .open = mock_open,
						  .close = mock_close,
						  .gpadl_gone = mock_gpadl_gone,
						  .quiesce = mock_quiesce,
						  .reset = mock_reset,
						  .vf = mock_vf,
						  .path_done = mock_path_done};

struct loop_mock *loop_mock(struct loop *l)
{
	return &l->mock;
}

void loop_mock_offer_sub(struct loop *l, uint16_t sub_index)
{
	struct vmbus_chan_cfg cfg = {.if_type = VMBUS_CLASS_NIC,
				     .if_instance = {.data1 = 1},
				     .sub_index = sub_index,
				     .wants_monitor = l->mock.wants_monitor,
				     .ctx = &l->mock};

	must(vmbus_peer_offer(l->mock.peer, &cfg, &l->mock.sub[sub_index]) == 0);
}

/* ---- The server's ops --------------------------------------------------------------------- */

static int guest_post(void *ctx, uint32_t vp, const void *msg, size_t len)
{
	struct loop *l = ctx;
	struct loop_msg *m = &l->msg[l->tail % POSTS_MAX];

	must(vp < l->cfg.nr_vps && len <= sizeof(m->data));
	if (l->is_blocked || l->tail - l->head == POSTS_MAX)
		return -EAGAIN;
	m->len = len;
	m->vp = vp;
	memcpy(m->data, msg, len);
	l->tail++;
	return 0;
}

static void guest_interrupt(void *ctx, uint32_t vp)
{
	struct loop *l = ctx;

	l->interrupts[vp]++;
}

static void need_kill(void *ctx, const char *why)
{
	struct loop *l = ctx;

	(void)why;
	l->kills++;
}

static void worker_offered(void *ctx, uint32_t relid)
{
	struct loop *l = ctx;

	l->worker.nr_offered++;
	l->worker.relid = relid;
}

static void worker_path(void *ctx, uint32_t relid, bool is_vf, uint32_t ticket)
{
	struct loop *l = ctx;

	l->worker.nr_path++;
	l->worker.relid = relid;
	l->worker.is_vf = is_vf;
	l->worker.ticket = ticket;
}

static void worker_vf_remove(void *ctx, uint32_t relid, const char *why)
{
	struct loop *l = ctx;

	l->worker.nr_remove++;
	l->worker.relid = relid;
	snprintf(l->worker.why, sizeof(l->worker.why), "%s", why);
}

static const struct vmbus_server_ops server_ops = {.post = guest_post,
						   .vp_interrupt = guest_interrupt,
						   .need_kill = need_kill,
						   .offered = worker_offered,
						   .path = worker_path,
						   .vf_remove = worker_vf_remove};

struct loop_worker *loop_worker(struct loop *l)
{
	return &l->worker;
}

/* ---- Set-up ------------------------------------------------------------------------------- */

static int event(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	must(fd >= 0);
	return fd;
}

static void make_memory(struct loop *l, uint64_t bytes)
{
	struct vmbus_server_cfg *cfg = &l->cfg;
	void *at = NULL;
	int fd = fd_memfd("loop", bytes, FD_HUGE_NO, NULL);

	must(fd >= 0 && fd_map(fd, 0, bytes, &at) == 0);
	l->mem = at;
	must(gmem_add(&l->gm, gpa(0), bytes, at) == 0);
	cfg->gm = &l->gm;
	cfg->nr_regions = 1;
	cfg->region[0] = (struct vmbus_server_region){.len = bytes, .fd = fd};
	l->next_pfn = 16;
	l->end_pfn = bytes / GMEM_PAGE_SIZE - cfg->nr_vps; /* the last pages: event flags */
}

static bool never_dead(void *ctx)
{
	(void)ctx;
	return true;
}

static void make_state(struct loop *l)
{
	struct vmbus_server_cfg *cfg = &l->cfg;
	void *at = NULL;
	uint32_t i;

	cfg->state_fd = fd_memfd("loop-state", sizeof(struct vmbus_state), FD_HUGE_NO, NULL);
	must(cfg->state_fd >= 0);
	must(fd_map(cfg->state_fd, 0, sizeof(struct vmbus_state), &at) == 0);
	cfg->state = at;
	vmbus_state_init(cfg->state, cfg->nr_vps);
	for (i = 0; i < cfg->nr_vps; i++)
		vmbus_state_set_siefp(cfg->state, &l->gm, i,
				      (l->end_pfn + i) << GMEM_PAGE_SHIFT | 1, never_dead, NULL);
}

struct loop *loop_create(const struct loop_cfg *cfg)
{
	struct loop *l = calloc(1, sizeof(*l));
	uint32_t i;

	must(l);
	l->deadfd = -1;
	l->mock.wants_monitor = cfg->wants_monitor;
	l->cfg.name = "loop";
	l->cfg.nr_vps = cfg->nr_vps ? cfg->nr_vps : LOOP_VPS_DEFAULT;
	l->cfg.max_version = cfg->max_version;
	l->cfg.ack_timeout_ms = cfg->ack_timeout_ms;
	l->cfg.gpadl_timeout_ms = cfg->gpadl_timeout_ms;
	l->cfg.gpadl_pages_max = cfg->gpadl_pages_max;
	make_memory(l, cfg->mem_bytes ? cfg->mem_bytes : LOOP_MEM_DEFAULT);
	make_state(l);
	for (i = 0; i < l->cfg.nr_vps; i++)
		l->cfg.sint_fd[i] = event();
	for (i = 1; i < VMBUS_CHANS_MAX; i++)
		l->cfg.doorbell_fd[i] = event();
	must(vmbus_server_create(&l->server, &l->cfg, &server_ops, l) == 0);
	if (!cfg->is_alone)
		loop_switch_start(l, cfg->backend, cfg->ops, cfg->ctx);
	return l;
}

static void drop_backend(struct loop *l)
{
	if (l->owns_backend)
		vmbus_backend_destroy(l->backend);
	l->backend = NULL;
	l->owns_backend = false;
}

void loop_destroy(struct loop *l)
{
	uint32_t i;

	vmbus_server_destroy(l->server);
	if (l->owns_backend && l->backend)
		vmbus_backend_process(l->backend);
	drop_backend(l);
	for (i = 0; i < l->cfg.nr_vps; i++)
		fd_close(&l->cfg.sint_fd[i]);
	for (i = 1; i < VMBUS_CHANS_MAX; i++)
		fd_close(&l->cfg.doorbell_fd[i]);
	munmap(l->mem, l->cfg.region[0].len);
	munmap(l->cfg.state, sizeof(struct vmbus_state));
	fd_close(&l->cfg.region[0].fd);
	fd_close(&l->cfg.state_fd);
	fd_close(&l->deadfd);
	free(l);
}

static bool is_ready(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

void loop_pump(struct loop *l)
{
	unsigned int turns = 0;
	bool busy;

	do {
		busy = false;
		if (is_ready(vmbus_server_fd(l->server))) {
			vmbus_server_process(l->server);
			busy = true;
		}
		if (l->backend && is_ready(vmbus_backend_fd(l->backend))) {
			vmbus_backend_process(l->backend);
			busy = true;
		}
	} while (busy && ++turns < 100000);
	must(turns < 100000);
}

/* ---- Guest -------------------------------------------------------------------------------- */

int loop_post(struct loop *l, const void *msg, size_t len)
{
	uint32_t conn = l->version >= VMBUS_V5_0 ? VMBUS_MSG_CONN_ID_V5 : VMBUS_MSG_CONN_ID;

	return vmbus_server_post(l->server, 0, conn, VMBUS_MSG_TYPE_CHANNEL, msg, len);
}

static uint32_t type_of(const void *msg)
{
	struct vmbus_msg_hdr h;

	memcpy(&h, msg, sizeof(h));
	return h.msgtype;
}

/* The latest of each device and sub-channel. */
static void keep_offer(struct loop *l, const struct loop_msg *m)
{
	struct vmbus_msg_offer o;
	unsigned int i = 0;

	if (type_of(m->data) != VMBUS_MSG_OFFER)
		return;
	must(m->len == sizeof(o));
	memcpy(&o, m->data, sizeof(o));
	while (i < l->nr_offers && (memcmp(&l->offer[i].if_type, &o.if_type, 32) ||
				    l->offer[i].sub_channel_index != o.sub_channel_index))
		i++;
	must(i < OFFERS_MAX);
	l->offer[i] = o;
	l->nr_offers += i == l->nr_offers;
}

size_t loop_next_msg(struct loop *l, void *buf)
{
	struct loop_msg *m = &l->msg[l->head % POSTS_MAX];

	loop_pump(l);
	if (l->head == l->tail)
		return 0;
	l->head++;
	l->msg_vp = m->vp;
	keep_offer(l, m);
	memcpy(buf, m->data, m->len);
	return m->len;
}

uint32_t loop_msg_vp(const struct loop *l)
{
	return l->msg_vp;
}

void loop_block(struct loop *l, bool on)
{
	l->is_blocked = on;
	vmbus_server_wake(l->server);
	loop_pump(l);
}

size_t loop_expect(struct loop *l, enum vmbus_msgtype type, void *buf)
{
	size_t len;

	do {
		len = loop_next_msg(l, buf);
		must(len);
	} while (type_of(buf) != (uint32_t)type);
	return len;
}

/* Posts, making room when the queue is full. */
static void say(struct loop *l, const void *msg, size_t len)
{
	int rc = loop_post(l, msg, len);

	if (rc == VMBUS_POST_NO_BUFFERS) {
		loop_pump(l);
		rc = loop_post(l, msg, len);
	}
	must(rc == VMBUS_POST_OK);
}

unsigned int loop_connect(struct loop *l, enum vmbus_version version)
{
	struct vmbus_msg_initiate_contact c = {.hdr.msgtype = VMBUS_MSG_INITIATE_CONTACT,
					       .version = version};
	struct vmbus_msg_hdr ask = {.msgtype = VMBUS_MSG_REQUEST_OFFERS};
	struct vmbus_msg_version_response r;
	uint8_t buf[VMBUS_MSG_PAYLOAD_MAX];

	l->version = version;
	l->nr_offers = 0;
	loop_pump(l); /* let a switch that was just started offer its channels */
	say(l, &c, sizeof(c));
	must(loop_expect(l, VMBUS_MSG_VERSION_RESPONSE, buf) == sizeof(r));
	memcpy(&r, buf, sizeof(r));
	must(r.version_supported);
	say(l, &ask, sizeof(ask));
	loop_expect(l, VMBUS_MSG_ALL_OFFERS_DELIVERED, buf);
	return l->nr_offers;
}

const struct vmbus_msg_offer *loop_offer(struct loop *l, const struct vmbus_guid *if_type,
					 uint16_t sub_index)
{
	unsigned int i;

	loop_pump(l);
	for (i = l->head; i != l->tail; i++)
		keep_offer(l, &l->msg[i % POSTS_MAX]);
	for (i = l->nr_offers; i-- > 0;) {
		if (!memcmp(&l->offer[i].if_type, if_type, sizeof(*if_type)) &&
		    l->offer[i].sub_channel_index == sub_index)
			return &l->offer[i];
	}
	return NULL;
}

static uint32_t put_pfns(uint8_t *at, const uint64_t *pfns, uint64_t first, uint32_t from,
			 uint32_t n)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		uint64_t pfn = pfns ? pfns[from + i] : first + from + i;

		memcpy(at + i * 8, &pfn, 8);
	}
	return n;
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

void loop_gpadl_post(struct loop *l, uint32_t relid, uint32_t handle, const uint64_t *pfns,
		     uint64_t first_pfn, uint32_t nr_pages)
{
	struct vmbus_msg_gpadl_header h = {.hdr.msgtype = VMBUS_MSG_GPADL_HEADER,
					   .child_relid = relid,
					   .gpadl = handle,
					   .range_buflen = (uint16_t)(8 + 8 * nr_pages),
					   .rangecount = 1};
	struct vmbus_msg_gpadl_body b = {.hdr.msgtype = VMBUS_MSG_GPADL_BODY, .gpadl = handle};
	struct vmbus_gpa_range r = {.byte_count = nr_pages * GMEM_PAGE_SIZE};
	uint8_t buf[VMBUS_MSG_PAYLOAD_MAX];
	uint32_t n, done;

	memcpy(buf, &h, sizeof(h));
	memcpy(buf + sizeof(h), &r, sizeof(r));
	done = put_pfns(buf + 28, pfns, first_pfn, 0, least(nr_pages, VMBUS_GPADL_PFNS_HEADER));
	say(l, buf, 28 + 8 * done);
	while (done < nr_pages) {
		memcpy(buf, &b, sizeof(b));
		n = least(nr_pages - done, VMBUS_GPADL_PFNS_BODY);
		put_pfns(buf + sizeof(b), pfns, first_pfn, done, n);
		say(l, buf, sizeof(b) + 8 * n);
		done += n;
	}
}

uint32_t loop_gpadl(struct loop *l, uint32_t relid, uint32_t handle, const uint64_t *pfns,
		    uint64_t first_pfn, uint32_t nr_pages)
{
	struct vmbus_msg_gpadl_created r;
	uint8_t buf[VMBUS_MSG_PAYLOAD_MAX];

	loop_gpadl_post(l, relid, handle, pfns, first_pfn, nr_pages);
	must(loop_expect(l, VMBUS_MSG_GPADL_CREATED, buf) == sizeof(r));
	memcpy(&r, buf, sizeof(r));
	must(r.child_relid == relid && r.gpadl == handle);
	return r.status;
}

/* The control pages are found by the addresses that the switch has, so that tests need not keep
 * the list of pages; a GPADL that is not there leaves the refusal to the code under test. */
static void zero_rings(struct loop *l, uint32_t relid, uint32_t handle, uint32_t split)
{
	struct vmbus_ring_ctrl zero = {.feature_bits = VMBUS_RING_FEATURE_PENDING_SEND};
	struct be_peer *p;

	if (!l->backend || relid >= VMBUS_CHANS_MAX)
		return;
	for (p = l->backend->peers; p; p = p->next) {
		struct vmbus_gpadl *g =
			p->by_relid[relid] ? be_gpadl_find(p->by_relid[relid], handle) : NULL;

		if (!g || split >= g->nr_pages)
			continue;
		memcpy(g->page[0], &zero, sizeof(zero));
		memcpy(g->page[split], &zero, sizeof(zero));
	}
}

uint32_t loop_open(struct loop *l, uint32_t relid, uint32_t ring_gpadl, uint32_t split,
		   uint32_t target_vp)
{
	struct vmbus_msg_open m = {.hdr.msgtype = VMBUS_MSG_OPEN,
				   .child_relid = relid,
				   .openid = relid,
				   .ring_gpadl = ring_gpadl,
				   .target_vp = target_vp,
				   .downstream_offset = split};
	struct vmbus_msg_open_result r;
	uint8_t buf[VMBUS_MSG_PAYLOAD_MAX];

	zero_rings(l, relid, ring_gpadl, split);
	say(l, &m, sizeof(m));
	must(loop_expect(l, VMBUS_MSG_OPEN_RESULT, buf) == sizeof(r));
	memcpy(&r, buf, sizeof(r));
	must(r.child_relid == relid && r.openid == relid);
	return r.status;
}

static void send_relid(struct loop *l, enum vmbus_msgtype type, uint32_t relid)
{
	struct vmbus_msg_relid m = {.hdr.msgtype = type, .child_relid = relid};

	say(l, &m, sizeof(m));
	loop_pump(l);
}

void loop_close(struct loop *l, uint32_t relid)
{
	send_relid(l, VMBUS_MSG_CLOSE, relid);
}

void loop_release(struct loop *l, uint32_t relid)
{
	send_relid(l, VMBUS_MSG_RELID_RELEASED, relid);
}

void loop_teardown(struct loop *l, uint32_t relid, uint32_t handle)
{
	struct vmbus_msg_gpadl_teardown m = {
		.hdr.msgtype = VMBUS_MSG_GPADL_TEARDOWN, .child_relid = relid, .gpadl = handle};
	struct vmbus_msg_gpadl_torndown r;
	uint8_t buf[VMBUS_MSG_PAYLOAD_MAX];

	say(l, &m, sizeof(m));
	must(loop_expect(l, VMBUS_MSG_GPADL_TORNDOWN, buf) == sizeof(r));
	memcpy(&r, buf, sizeof(r));
	must(r.gpadl == handle);
}

void *loop_mem(struct loop *l, uint64_t at)
{
	void *p = gmem_map(&l->gm, gpa(at), 1);

	must(p);
	return p;
}

const struct gmem *loop_gmem(const struct loop *l)
{
	return &l->gm;
}

uint64_t loop_alloc(struct loop *l, uint32_t nr_pages)
{
	uint64_t pfn = l->next_pfn;

	must(nr_pages <= l->end_pfn - pfn);
	l->next_pfn += nr_pages;
	return pfn;
}

void loop_pages(struct loop *l, const uint64_t *pfns, uint64_t first_pfn, uint32_t nr_pages,
		uint8_t **page)
{
	uint32_t i;

	for (i = 0; i < nr_pages; i++)
		page[i] = loop_mem(l, (pfns ? pfns[i] : first_pfn + i) << GMEM_PAGE_SHIFT);
}

void loop_doorbell(struct loop *l, uint32_t relid)
{
	must(relid && relid < VMBUS_CHANS_MAX);
	fd_kick(l->cfg.doorbell_fd[relid]);
}

bool loop_flag(struct loop *l, uint32_t vp, uint32_t relid)
{
	uint64_t page = (l->end_pfn + vp) << GMEM_PAGE_SHIFT;
	uint64_t *word = loop_mem(l, page + VMBUS_SINT * 256u + relid / 64 * 8);
	uint64_t bit = 1ull << (relid % 64);

	return __atomic_fetch_and(word, ~bit, __ATOMIC_ACQ_REL) & bit;
}

uint64_t loop_interrupts(struct loop *l, uint32_t vp)
{
	uint64_t n = 0, sum = l->interrupts[vp];

	if (read(l->cfg.sint_fd[vp], &n, sizeof(n)) == (ssize_t)sizeof(n))
		sum += n;
	l->interrupts[vp] = 0;
	return sum;
}

/* ---- Host --------------------------------------------------------------------------------- */

struct vmbus_server *loop_server(struct loop *l)
{
	return l->server;
}

struct vmbus_backend *loop_backend(struct loop *l)
{
	return l->backend;
}

struct vmbus_state *loop_state(struct loop *l)
{
	return l->cfg.state;
}

void loop_switch_unplug(struct loop *l)
{
	vmbus_backend_vanish(l->backend);
	drop_backend(l);
	mock_forget(&l->mock);
	loop_pump(l);
}

void loop_switch_dies(struct loop *l)
{
	fd_kick(l->deadfd);
	loop_pump(l);
}

void loop_switch_kill(struct loop *l)
{
	fd_kick(l->deadfd);
	loop_switch_unplug(l);
}

void loop_switch_start(struct loop *l, struct vmbus_backend *be,
		       const struct vmbus_backend_ops *ops, void *ctx)
{
	int sv[2], fd;

	must(!l->backend);
	l->owns_backend = !be;
	if (!be && !ops)
		must(vmbus_backend_create(&be, &mock_ops, &l->mock) == 0);
	else if (!be)
		must(vmbus_backend_create(&be, ops, ctx) == 0);
	l->backend = be;
	fd_close(&l->deadfd);
	l->deadfd = event();
	fd = dup(l->deadfd);
	must(fd >= 0);
	vmbus_backend_set_pidfd(be, fd);
	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == 0);
	must(vmbus_backend_accept(be, sv[0]) == 0);
	must(vmbus_server_link_up(l->server, sv[1]) == 0);
	loop_pump(l);
}

int loop_raw_link(struct loop *l)
{
	int sv[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv) == 0);
	must(vmbus_server_link_up(l->server, sv[1]) == 0);
	loop_pump(l);
	return sv[0];
}

unsigned int loop_kills_wanted(const struct loop *l)
{
	return l->kills;
}
