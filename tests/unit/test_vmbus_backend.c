/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch's end of the link, against workers that behave and workers that do not. The worker is
 * played by hand on a socket. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "vmbus/backend.h"
#include "vmbus/link.h"

#define PAGES 1024u /* of guest memory */

/* A provider that writes down what it is asked. */
static struct {
	struct vmbus_peer *peer;
	struct vmbus_chan *chan[4]; /* by sub index */
	unsigned int nr_up, nr_down, nr_open, nr_close, nr_gone, nr_quiesce;
	enum vmbus_open_how how;
	int up_rc, open_rc;
	bool faults_in_open, rescinds_subs_in_close;
	const struct vmbus_gpadl *found; /* an lcore holds it until its next quiescent point */
	const struct vmbus_gpadl *used;	 /* then it is in use, and gone() must hear of it */
	char order[64];			 /* c<sub> close, g gpadl_gone, q quiesce */
} pr;

static void note(char what)
{
	size_t n = strlen(pr.order);

	if (n < sizeof(pr.order) - 1)
		pr.order[n] = what;
}

static void offer(uint16_t sub)
{
	struct vmbus_chan_cfg cfg = {.if_type = VMBUS_CLASS_NIC, .sub_index = sub};

	cr_assert_eq(vmbus_peer_offer(pr.peer, &cfg, &pr.chan[sub]), 0);
}

static int up(void *ctx, struct vmbus_peer *peer)
{
	(void)ctx;
	pr.nr_up++;
	pr.peer = peer;
	if (pr.up_rc)
		return err_set(pr.up_rc, "no adapter for it");
	offer(0);
	return 0;
}

static void down(void *ctx, struct vmbus_peer *peer)
{
	(void)ctx;
	cr_assert_eq(peer, pr.peer);
	pr.nr_down++;
	pr.peer = NULL;
}

static int on_open(struct vmbus_chan *ch, enum vmbus_open_how how)
{
	pr.nr_open++;
	pr.how = how;
	if (pr.faults_in_open)
		vmbus_chan_fault(ch, "cannot be");
	return pr.open_rc ? err_set(pr.open_rc, "not now") : 0;
}

static void on_close(struct vmbus_chan *ch)
{
	uint16_t i, sub = vmbus_chan_info(ch)->sub_index;

	pr.nr_close++;
	cr_assert_not_null(vmbus_chan_info(ch)->ring, "the ring is there until close() returned");
	note((char)('0' + sub));
	for (i = 1; pr.rescinds_subs_in_close && sub == 0 && i < 4; i++) {
		if (pr.chan[i])
			vmbus_chan_rescind(pr.chan[i]);
		pr.chan[i] = NULL;
	}
}

static void gone(struct vmbus_chan *ch, const struct vmbus_gpadl *g)
{
	pr.nr_gone++;
	cr_assert_null(vmbus_chan_gpadl(ch, g->handle), "nobody can find it any more");
	if (pr.used == g)
		pr.used = NULL;
	note('g');
}

static void quiesce(void *ctx)
{
	(void)ctx;
	pr.nr_quiesce++;
	if (pr.found)
		pr.used = pr.found;
	pr.found = NULL;
	note('q');
}

static const struct vmbus_backend_ops ops = {.peer_up = up,
					     .peer_down = down,
					     .open = on_open,
					     .close = on_close,
					     .gpadl_gone = gone,
					     .quiesce = quiesce};

/* The worker that we play. */
static struct vmbus_backend *be;
static struct vmbus_link w = {.fd = -1};
static int memfd, statefd, lines[128];
static uint8_t *mem;
static struct vmbus_state *st;
static struct vmbus_link_msg got;

static void setup(void)
{
	void *at;
	int i;

	cr_assert_eq(vmbus_backend_create(&be, &ops, NULL), 0);
	memfd = fd_memfd("guest", PAGES * 4096, FD_HUGE_NO, NULL);
	fd_map(memfd, 0, PAGES * 4096, &at);
	mem = at;
	statefd = fd_memfd("state", sizeof(*st), FD_HUGE_NO, NULL);
	fd_map(statefd, 0, sizeof(*st), &at);
	st = at;
	vmbus_state_init(st, 2);
	for (i = 0; i < 128; i++)
		lines[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

static void teardown(void)
{
	vmbus_backend_destroy(be);
	vmbus_link_fini(&w);
}

TestSuite(vmbus_backend, .init = setup, .fini = teardown, .timeout = 60);

static void plug(void)
{
	int sv[2];

	vmbus_link_fini(&w);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv), 0);
	cr_assert_eq(vmbus_backend_accept(be, sv[0]), 0);
	cr_assert_eq(vmbus_link_init(&w, sv[1]), 0);
}

static void run(void)
{
	struct pollfd p = {.fd = vmbus_backend_fd(be), .events = POLLIN};

	while (poll(&p, 1, 0) == 1)
		vmbus_backend_process(be);
}

static struct vmbus_link_msg hello_msg(void)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_HELLO};

	strcpy(m.hello.name, "web");
	m.hello.nr_vps = 2;
	m.hello.nr_regions = 1;
	m.hello.region[0].len = PAGES * 4096;
	return m;
}

static void send_hello(struct vmbus_link_msg m, int region_fd, int state_fd)
{
	int fds[VMBUS_LINK_FDS_MAX];
	uint32_t i, n = vmbus_link_nr_fds(&m);

	for (i = 0; i < n; i++)
		fds[i] = i < m.hello.nr_regions ? region_fd : lines[i % 128];
	fds[n - 1] = state_fd;
	cr_assert_eq(vmbus_link_send(&w, &m, fds, n), 0);
	run();
}

/* The next message, into got. 0: none, -EPIPE: we were dropped. */
static int hear(void)
{
	int fds[VMBUS_LINK_FDS_MAX], rc;
	uint32_t i;

	run();
	rc = vmbus_link_recv(&w, &got, fds);
	for (i = 0; rc == 1 && i < vmbus_link_nr_fds(&got); i++)
		close(fds[i]);
	return rc == 1 ? (int)got.type : rc;
}

static void greet(void)
{
	plug();
	send_hello(hello_msg(), memfd, statefd);
	cr_assert_eq(hear(), VMBUS_LINK_WELCOME);
	cr_assert_eq(hear(), VMBUS_LINK_OFFER);
	vmbus_link_ack(&w, got.id, 0, 1, NULL);
	cr_assert_eq(hear(), VMBUS_LINK_OFFERS_DONE);
	vmbus_link_ack(&w, got.id, 0, 0, NULL);
	run();
}

/* Sends a request; the status of its acknowledgement. */
static int ask(struct vmbus_link_msg m)
{
	m.id = 0;
	cr_assert_eq(vmbus_link_send(&w, &m, NULL, 0), 0);
	do {
		cr_assert_gt(hear(), 0, "no answer");
	} while (got.type != VMBUS_LINK_ACK);
	return got.ack.status;
}

static int add(uint32_t relid, uint32_t handle, const uint64_t *pfns, uint32_t n)
{
	static uint64_t seq[PAGES];
	struct vmbus_link_msg m = {.type = VMBUS_LINK_GPADL_ADD};
	uint32_t i;

	for (i = 0; i < n; i++)
		seq[i] = pfns ? pfns[i] : i;
	m.gpadl_add = (struct vmbus_link_gpadl_add){.relid = relid,
						    .handle = handle,
						    .byte_count = n * 4096,
						    .nr_pages = n,
						    .pfns = seq};
	return ask(m);
}

static int del(uint32_t relid, uint32_t handle)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_GPADL_DEL};

	m.gpadl_del.relid = relid;
	m.gpadl_del.handle = handle;
	return ask(m);
}

static int open_chan(uint32_t relid, uint32_t ring, uint32_t split, enum vmbus_open_how how)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_OPEN};

	m.open = (struct vmbus_link_open){relid, ring, split, 1, how};
	return ask(m);
}

static int on_chan(enum vmbus_link_type type, uint32_t relid)
{
	struct vmbus_link_msg m = {.type = type};

	m.chan.relid = relid;
	return ask(m);
}

/* The backend says why and lets go. */
static void expect_dropped(const char *why)
{
	int type;

	do {
		type = hear();
	} while (type > 0 && type != VMBUS_LINK_ERROR);
	cr_assert_eq(type, VMBUS_LINK_ERROR);
	cr_assert_eq(got.error.relid, 0);
	cr_assert_not_null(strstr(got.error.text, why), "%s", got.error.text);
	cr_assert_eq(hear(), -EPIPE);
}

/* ---- Connections -------------------------------------------------------------------------- */

Test(vmbus_backend, a_worker_is_welcomed_and_gets_its_offers)
{
	greet();
	cr_assert_eq(pr.nr_up, 1);
	cr_assert_str_eq(pr.peer->name, "web");
	cr_assert_eq(pr.peer->nr_vps, 2);
	cr_assert_not(pr.peer->is_resumed);
	cr_assert_eq(vmbus_chan_info(pr.chan[0])->relid, 1);
	mem[5000] = 77;
	cr_assert_eq(*(uint8_t *)gmem_map(&pr.peer->gm, gpa(5000), 1), 77, "the same memory");
	cr_assert_eq(hear(), 0);
}

Test(vmbus_backend, all_of_a_worker_that_goes_is_cleaned_up)
{
	greet();
	cr_assert_eq(add(1, 5, NULL, 64), 0);
	cr_assert_eq(open_chan(1, 5, 32, VMBUS_OPEN_FRESH), 0);
	cr_assert_eq(vmbus_backend_peer(be, "web"), pr.peer);
	cr_assert_null(vmbus_backend_peer(be, "we"));
	vmbus_link_fini(&w);
	run();
	cr_assert_null(vmbus_backend_peer(be, "web"));
	cr_assert_eq(pr.nr_close, 1);
	cr_assert_eq(pr.nr_gone, 1);
	cr_assert_eq(pr.nr_down, 1);
	cr_assert_str_eq(pr.order, "0qgq");
	greet();
	cr_assert_eq(pr.nr_up, 2, "and it may come back");
}

Test(vmbus_backend, memory_that_could_shrink_is_refused)
{
	int fd = memfd_create("open", MFD_CLOEXEC);

	cr_assert_eq(ftruncate(fd, PAGES * 4096), 0);
	plug();
	send_hello(hello_msg(), fd, statefd);
	expect_dropped("sealed");
	cr_assert_eq(pr.nr_up, 0);
}

Test(vmbus_backend, memory_smaller_than_said_is_refused)
{
	struct vmbus_link_msg m = hello_msg();

	m.hello.region[0].len += 4096;
	plug();
	send_hello(m, memfd, statefd);
	expect_dropped("smaller");
	m = hello_msg();
	m.hello.region[0].fd_offset = 4096;
	plug();
	send_hello(m, memfd, statefd);
	expect_dropped("smaller");
}

Test(vmbus_backend, memory_that_is_no_memfd_is_refused)
{
	plug();
	send_hello(hello_msg(), lines[0], statefd);
	expect_dropped("memfd");
}

Test(vmbus_backend, regions_that_overlap_are_refused)
{
	struct vmbus_link_msg m = hello_msg();

	m.hello.nr_regions = 2;
	m.hello.region[1].gpa = 4096;
	m.hello.region[1].len = 4096;
	plug();
	send_hello(m, memfd, statefd);
	expect_dropped("");
	cr_assert_eq(pr.nr_up, 0);
}

Test(vmbus_backend, a_state_of_another_version_is_refused)
{
	st->version++;
	plug();
	send_hello(hello_msg(), memfd, statefd);
	expect_dropped("version");
}

Test(vmbus_backend, a_state_too_small_is_refused)
{
	plug();
	send_hello(hello_msg(), memfd, memfd);
	expect_dropped("smaller");
}

Test(vmbus_backend, a_name_is_connected_once)
{
	struct vmbus_link first;

	greet();
	first = w;
	w = (struct vmbus_link){.fd = -1};
	plug();
	send_hello(hello_msg(), memfd, statefd);
	expect_dropped("connected already");
	vmbus_link_fini(&w);
	w = first;
	cr_assert_eq(pr.nr_down, 0);
	cr_assert_eq(add(1, 5, NULL, 4), 0, "the first one lives on");
}

Test(vmbus_backend, a_partition_that_the_provider_refuses_is_told_why)
{
	pr.up_rc = -ENOENT;
	plug();
	send_hello(hello_msg(), memfd, statefd);
	expect_dropped("no adapter for it");
	cr_assert_eq(pr.nr_down, 1);
}

Test(vmbus_backend, a_worker_out_of_turn_is_dropped)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_PING};

	plug();
	vmbus_link_send(&w, &m, NULL, 0);
	expect_dropped("before HELLO");
	greet();
	send_hello(hello_msg(), memfd, statefd);
	expect_dropped("second HELLO");
	greet();
	m = (struct vmbus_link_msg){.type = VMBUS_LINK_OFFERS_DONE};
	vmbus_link_send(&w, &m, NULL, 0);
	expect_dropped("from a worker");
	cr_assert_eq(pr.nr_up, pr.nr_down);
}

Test(vmbus_backend, rubbish_ends_only_who_sent_it)
{
	greet();
	cr_assert_eq(send(w.fd, "rubbish", 7, 0), 7);
	expect_dropped("malformed");
	cr_assert_eq(pr.nr_down, 1);
}

Test(vmbus_backend, a_relid_out_of_place_ends_the_worker)
{
	static const uint32_t bad[] = {0, VMBUS_CHANS_MAX, 0xffffffff};
	size_t i;

	for (i = 0; i < 3; i++) {
		plug();
		send_hello(hello_msg(), memfd, statefd);
		while (hear() != VMBUS_LINK_OFFER)
			;
		vmbus_link_ack(&w, got.id, 0, bad[i], NULL);
		expect_dropped("relid");
	}
}

Test(vmbus_backend, a_relid_given_twice_ends_the_worker)
{
	greet();
	offer(1);
	cr_assert_eq(hear(), VMBUS_LINK_OFFER);
	vmbus_link_ack(&w, got.id, 0, 1, NULL);
	expect_dropped("relid");
}

Test(vmbus_backend, a_worker_that_does_not_read_is_dropped)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_PING};
	unsigned int i;

	greet();
	for (i = 0; i < 20000 && !pr.nr_down; i++) {
		m.id = 0;
		if (vmbus_link_send(&w, &m, NULL, 0))
			break;
		run();
	}
	cr_assert_eq(pr.nr_down, 1);
}

Test(vmbus_backend, a_switch_that_stops_says_so_and_lets_go)
{
	greet();
	cr_assert_eq(add(1, 5, NULL, 64), 0);
	cr_assert_eq(open_chan(1, 5, 32, VMBUS_OPEN_FRESH), 0);
	vmbus_backend_destroy(be);
	cr_assert_eq(pr.nr_close, 1);
	cr_assert_eq(pr.nr_down, 1);
	cr_assert_eq(vmbus_backend_create(&be, &ops, NULL), 0);
	expect_dropped("stops");
}

/* ---- Channels ----------------------------------------------------------------------------- */

Test(vmbus_backend, a_fresh_open_clears_what_an_earlier_one_left)
{
	struct vmbus_ring_ctrl *in = (void *)mem, *out = (void *)(mem + 32 * 4096);

	greet();
	in->interrupt_mask = 1;
	out->pending_send_sz = 100;
	st->chan[1].dev[0] = 9;
	cr_assert_eq(add(1, 5, NULL, 64), 0);
	cr_assert_eq(open_chan(1, 5, 32, VMBUS_OPEN_FRESH), 0);
	cr_assert_eq(pr.how, VMBUS_OPEN_FRESH);
	cr_assert_eq(in->interrupt_mask, 0);
	cr_assert_eq(out->pending_send_sz, 0);
	cr_assert_eq(st->chan[1].dev[0], 0);
	cr_assert_eq(st->chan[1].generation, 1);
}

Test(vmbus_backend, a_resumed_open_leaves_all_as_it_is)
{
	struct vmbus_ring_ctrl *in = (void *)mem;

	greet();
	in->interrupt_mask = 1;
	in->read_index = 4711; /* the guest may have put anything there */
	st->chan[1].dev[0] = 9;
	cr_assert_eq(add(1, 5, NULL, 64), 0);
	cr_assert_eq(open_chan(1, 5, 32, VMBUS_OPEN_RESUME), 0);
	cr_assert_eq(pr.how, VMBUS_OPEN_RESUME);
	cr_assert_eq(in->interrupt_mask, 1);
	cr_assert_eq(st->chan[1].dev[0], 9);
	cr_assert_eq(st->chan[1].generation, 0);
}

Test(vmbus_backend, a_fresh_open_with_indices_not_at_zero_is_refused)
{
	struct vmbus_ring_ctrl *in = (void *)mem, *out = (void *)(mem + 32 * 4096);

	greet();
	cr_assert_eq(add(1, 5, NULL, 64), 0);
	in->read_index = 8;
	cr_assert_eq(open_chan(1, 5, 32, VMBUS_OPEN_FRESH), -EPROTO);
	in->read_index = 0;
	out->write_index = 8;
	cr_assert_eq(open_chan(1, 5, 32, VMBUS_OPEN_FRESH), -EPROTO);
	cr_assert_eq(pr.nr_open, 0);
	cr_assert_null(vmbus_chan_info(pr.chan[0])->ring);
}

Test(vmbus_backend, an_open_that_cannot_be_is_refused)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_OPEN};

	greet();
	cr_assert_eq(open_chan(1, 5, 32, VMBUS_OPEN_FRESH), -EINVAL, "no such GPADL");
	cr_assert_eq(add(1, 5, NULL, 64), 0);
	cr_assert_eq(open_chan(2, 5, 32, VMBUS_OPEN_FRESH), -ENOENT);
	cr_assert_eq(open_chan(99, 5, 32, VMBUS_OPEN_FRESH), -ENOENT);
	cr_assert_eq(open_chan(1, 5, 1, VMBUS_OPEN_FRESH), -EINVAL);
	cr_assert_eq(open_chan(1, 5, 63, VMBUS_OPEN_FRESH), -EINVAL);
	cr_assert_eq(open_chan(1, 5, 0xffffffff, VMBUS_OPEN_FRESH), -EINVAL);
	m.open = (struct vmbus_link_open){1, 5, 32, 2, VMBUS_OPEN_FRESH};
	cr_assert_eq(ask(m), -EINVAL, "no such VP");
	pr.open_rc = -EBUSY;
	cr_assert_eq(open_chan(1, 5, 32, VMBUS_OPEN_FRESH), -EBUSY);
	cr_assert_str_eq(got.ack.text, "not now");
	pr.open_rc = 0;
	cr_assert_eq(open_chan(1, 5, 32, VMBUS_OPEN_FRESH), 0);
	cr_assert_eq(open_chan(1, 5, 32, VMBUS_OPEN_FRESH), -EBUSY, "open already");
	cr_assert_eq(pr.nr_close, 0);
}

Test(vmbus_backend, a_monitored_channel_has_its_bit_while_it_is_open)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_OPEN};
	const struct vmbus_chan_info *info;
	uint32_t *pending = (uint32_t *)(void *)(mem + 70 * 4096 + 8 + 2 * 8);

	greet();
	info = vmbus_chan_info(pr.chan[0]);
	cr_assert_eq(add(1, 5, NULL, 64), 0);
	m.open = (struct vmbus_link_open){1, 5, 32, 1, VMBUS_OPEN_FRESH, 69, 1ull << 44};
	cr_assert_eq(ask(m), -EFAULT, "no such page");
	cr_assert_null(info->monitor);
	m.open.monitor_page = 70 * 4096;
	cr_assert_eq(ask(m), 0);
	*pending = 0xffffffff;
	cr_assert(vmbus_monitor_take(info->monitor, info->monitor_bit));
	cr_assert_eq(*pending, ~(1u << 5),
		     "bit 69 is the third word's, and nobody else's is taken");
	cr_assert_not(vmbus_monitor_take(info->monitor, info->monitor_bit));
	cr_assert_eq(on_chan(VMBUS_LINK_CLOSE, 1), 0);
	cr_assert_null(info->monitor);
	cr_assert_eq(open_chan(1, 5, 32, VMBUS_OPEN_FRESH), 0);
	cr_assert_null(info->monitor);
}

Test(vmbus_backend, a_fault_within_open_is_survived)
{
	greet();
	pr.faults_in_open = true;
	cr_assert_eq(add(1, 5, NULL, 64), 0);
	cr_assert_eq(open_chan(1, 5, 32, VMBUS_OPEN_FRESH), -ENODEV);
	cr_assert_eq(pr.nr_close, 1);
	cr_assert_eq(pr.nr_gone, 1);
	cr_assert_eq(add(1, 5, NULL, 64), -ENOENT, "the channel is gone");
}

Test(vmbus_backend, a_fault_tells_the_worker_the_cause)
{
	greet();
	cr_assert_eq(add(1, 5, NULL, 64), 0);
	cr_assert_eq(open_chan(1, 5, 32, VMBUS_OPEN_FRESH), 0);
	vmbus_chan_fault(pr.chan[0], "bad index\n");
	cr_assert_eq(pr.nr_close, 1);
	cr_assert_eq(hear(), VMBUS_LINK_ERROR);
	cr_assert_eq(got.error.relid, 1);
	cr_assert_str_eq(got.error.text, "bad index?");
}

Test(vmbus_backend, a_rescind_before_the_offer_was_answered_waits_for_it)
{
	greet();
	offer(1);
	vmbus_chan_rescind(pr.chan[1]);
	pr.chan[1] = NULL;
	cr_assert_eq(hear(), VMBUS_LINK_OFFER);
	cr_assert_eq(hear(), 0, "nobody knows its relid yet");
	vmbus_link_ack(&w, got.id, 0, 2, NULL);
	cr_assert_eq(hear(), VMBUS_LINK_RESCIND);
	cr_assert_eq(got.chan.relid, 2);
}

Test(vmbus_backend, sub_channels_are_closed_before_their_primary)
{
	uint32_t i;

	greet();
	for (i = 1; i < 3; i++) {
		offer((uint16_t)i);
		cr_assert_eq(hear(), VMBUS_LINK_OFFER);
		vmbus_link_ack(&w, got.id, 0, 1 + i, NULL);
		run();
	}
	for (i = 1; i < 4; i++) {
		cr_assert_eq(add(i, 5, NULL, 64), 0);
		memset(mem, 0, 64 * 4096);
		cr_assert_eq(open_chan(i, 5, 32, VMBUS_OPEN_FRESH), 0);
	}
	pr.rescinds_subs_in_close = true;
	cr_assert_eq(on_chan(VMBUS_LINK_RESET, 0), 0);
	cr_assert_eq(pr.nr_close, 3);
	cr_assert_eq(pr.nr_gone, 3);
	cr_assert_eq(strchr(pr.order, '0') > strchr(pr.order, '1'), 1);
	cr_assert_eq(strchr(pr.order, '0') > strchr(pr.order, '2'), 1);
	cr_assert_eq(add(1, 5, NULL, 64), 0, "the primary is still offered");
	cr_assert_eq(add(2, 5, NULL, 64), -ENOENT);
}

Test(vmbus_backend, retarget_takes_effect_before_it_is_acknowledged)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_RETARGET};

	greet();
	m.retarget.relid = 1;
	cr_assert_eq(ask(m), -EINVAL, "not open");
	cr_assert_eq(add(1, 5, NULL, 64), 0);
	cr_assert_eq(open_chan(1, 5, 32, VMBUS_OPEN_FRESH), 0);
	cr_assert_eq(vmbus_chan_info(pr.chan[0])->target_vp, 1);
	pr.nr_quiesce = 0;
	cr_assert_eq(ask(m), 0);
	cr_assert_eq(vmbus_chan_info(pr.chan[0])->target_vp, 0);
	cr_assert_eq(pr.nr_quiesce, 1);
	m.retarget.target_vp = 2;
	cr_assert_eq(ask(m), -EINVAL);
}

/* ---- GPADLs ------------------------------------------------------------------------------- */

Test(vmbus_backend, contiguous_pages_are_flat_and_shuffled_ones_are_not)
{
	static const uint64_t shuffled[4] = {9, 3, 100, 4};
	const struct vmbus_gpadl *g;
	uint8_t *base;
	uint32_t i;

	greet();
	base = gmem_page(&pr.peer->gm, 0);
	cr_assert_eq(add(1, 5, NULL, 64), 0);
	g = vmbus_chan_gpadl(pr.chan[0], 5);
	cr_assert_eq(g->flat, base);
	cr_assert_eq(g->len, 64 * 4096);
	cr_assert_eq(add(1, 6, shuffled, 4), 0);
	g = vmbus_chan_gpadl(pr.chan[0], 6);
	cr_assert_null(g->flat);
	for (i = 0; i < 4; i++)
		cr_assert_eq(g->page[i], base + shuffled[i] * 4096);
	cr_assert_null(vmbus_chan_gpadl(pr.chan[0], 7));
}

Test(vmbus_backend, pages_outside_of_memory_are_refused)
{
	uint64_t pfns[2] = {0, PAGES};

	greet();
	cr_assert_eq(add(1, 5, pfns, 2), -EFAULT);
	pfns[1] = 1ull << 52;
	cr_assert_eq(add(1, 5, pfns, 2), -EFAULT);
	pfns[1] = UINT64_MAX;
	cr_assert_eq(add(1, 5, pfns, 2), -EFAULT);
	pfns[1] = PAGES - 1;
	cr_assert_eq(add(1, 5, pfns, 2), 0);
	cr_assert_eq(add(1, 5, pfns, 2), -EEXIST);
}

Test(vmbus_backend, number_and_pages_of_gpadls_are_bounded)
{
	uint32_t i;

	greet();
	for (i = 1; i <= 64; i++)
		cr_assert_eq(add(1, i, NULL, 1), 0);
	cr_assert_eq(add(1, i, NULL, 1), -ENOSPC);
	cr_assert_eq(del(1, 1), 0);
	cr_assert_eq(add(1, i, NULL, 1), 0);
}

Test(vmbus_backend, removal_is_unlink_then_quiesce_then_gone_then_quiesce)
{
	greet();
	cr_assert_eq(add(1, 5, NULL, 4), 0);
	cr_assert_eq(del(1, 5), 0);
	cr_assert_str_eq(pr.order, "qgq");
	cr_assert_eq(del(1, 5), -ENOENT);
}

Test(vmbus_backend, a_gpadl_found_just_before_its_removal_is_not_used_after_it)
{
	greet();
	cr_assert_eq(add(1, 5, NULL, 4), 0);
	pr.found = vmbus_chan_gpadl(pr.chan[0], 5);
	cr_assert_not_null(pr.found);
	cr_assert_eq(del(1, 5), 0);
	cr_assert_null(pr.used, "it is freed");
}

Test(vmbus_backend, deleting_a_ring_in_use_closes_its_channel)
{
	greet();
	cr_assert_eq(add(1, 5, NULL, 64), 0);
	cr_assert_eq(open_chan(1, 5, 32, VMBUS_OPEN_FRESH), 0);
	cr_assert_eq(del(1, 5), 0);
	cr_assert_str_eq(pr.order, "0qgq");
	cr_assert_null(vmbus_chan_info(pr.chan[0])->ring);
	cr_assert_eq(on_chan(VMBUS_LINK_CLOSE, 1), 0, "closing again harms nobody");
	cr_assert_eq(pr.nr_close, 1);
}

Test(vmbus_backend, both_rings_are_views_of_the_gpadl)
{
	struct vmbus_ring in, out;
	uint8_t *base;

	greet();
	cr_assert_eq(vmbus_chan_rings(pr.chan[0], 0, 0, &in, &out), -EPROTO, "not open");
	cr_assert_eq(add(1, 5, NULL, 64), 0);
	cr_assert_eq(open_chan(1, 5, 24, VMBUS_OPEN_FRESH), 0);
	base = gmem_page(&pr.peer->gm, 0);
	cr_assert_eq(vmbus_chan_rings(pr.chan[0], 8, 16, &in, &out), 0);
	cr_assert_eq((uint8_t *)in.ctrl, base);
	cr_assert_eq(in.data, base + 4096);
	cr_assert_eq(in.size, 23 * 4096);
	cr_assert_eq(in.own, 8);
	cr_assert_eq((uint8_t *)out.ctrl, base + 24 * 4096);
	cr_assert_eq(out.size, 39 * 4096);
	cr_assert_eq(out.own, 16);
	cr_assert_eq(vmbus_chan_rings(pr.chan[0], 23 * 4096, 0, &in, &out), -EPROTO);
	cr_assert_eq(vmbus_chan_rings(pr.chan[0], 0, 39 * 4096, &in, &out), -EPROTO);
	cr_assert_eq(vmbus_chan_rings(pr.chan[0], 4, 0, &in, &out), -EPROTO);
}
