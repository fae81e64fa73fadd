/* SPDX-License-Identifier: BSD-3-Clause */
/* An adapter whose switch is killed, and what may race with its control dialogue. The killing is
 * thorough: a copy of the process is stepped through a burst, and after each instruction a new
 * switch must be able to go on from guest memory and state as they are then. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/eal.h"
#include "tests/support/nvspbed.h"
#include "vswitch/priv.h"

#define RAM_PAGES  60u
#define RECV_PAGES 24u
#define RECV	   0x10u
#define SEND	   0x20u
#define FRAME	   100u
#define STATE_USED (offsetof(struct vmbus_state, chan) + 2 * sizeof(struct vmbus_chan_state))

static struct bed bed;
static struct vsw_vec vec, tx_vec;
static struct vmbus_gpadl *recv_buf, *send_buf;
static uint64_t send_pfn;

static void setup(void)
{
	static const struct netvsp_nic_cfg cfg = {.mtu = 1500, .max_channels = 4};

	eal_up();
	bed_create(&bed, &cfg, NULL, RAM_PAGES);
	recv_buf = bed_gpadl(&bed, RECV, NULL, bed_alloc(&bed, RECV_PAGES), RECV_PAGES);
	send_pfn = bed_alloc(&bed, 8);
	send_buf = bed_gpadl(&bed, SEND, NULL, send_pfn, 8);
	bed_open(&bed, 0);
}

static void teardown(void)
{
	bed_destroy(&bed);
}

TestSuite(netvsp_takeover, .init = setup, .fini = teardown, .timeout = 100);

static struct netvsp_chan *chan(void)
{
	return &bed.nic->chan[0];
}

/* And ctl, when a request for a data path waits for it. */
static uint16_t host(void)
{
	uint16_t n;

	if (chan()->waits_for_path)
		vsw_event_process(bed.sw);
	vec.n = 0;
	n = vec.n = netvsp_rx(bed.nic, 0, &vec);
	if (n)
		netvsp_rx_done(bed.nic, 0, &vec);
	return n;
}

/* ---- Kill and resume ----------------------------------------------------------------------- */

struct copy {
	alignas(4096) uint8_t ram[RAM_PAGES * VMBUS_PAGE_SIZE];
	uint8_t state[STATE_USED];
};

static void copy_take(struct copy *c)
{
	memcpy(c->ram, bed.ram, sizeof(c->ram));
	memcpy(c->state, bed.peer->pub.state, sizeof(c->state));
}

/* A new switch finds memory and state as in @c. */
static int resume(const struct copy *c)
{
	const struct vmbus_backend_ops *ops = netvsp_backend(bed.nv)->ops;

	ops->close(&bed.chan[0].vch);
	memcpy(bed.ram, c->ram, sizeof(c->ram));
	memcpy(bed.peer->pub.state, c->state, sizeof(c->state));
	return ops->open(&bed.chan[0].vch, VMBUS_OPEN_RESUME);
}

/* ---- A request that the old switch acted on but did not answer ------------------------------ */

static struct nvsp_msg answer(void)
{
	uint8_t buf[512] = {0};
	struct nvsp_msg m = {0};

	cr_assert_eq(bed_recv(&bed, 0, buf, sizeof(buf)), 16 + NVSP_MSG_SIZE);
	memcpy(&m, buf + 16, NVSP_MSG_SIZE);
	return m;
}

/* @m is handled, then the commits are undone: as if the switch was killed just before them. */
static struct nvsp_msg ask_twice(const struct nvsp_msg *m)
{
	static struct copy before, after;
	const size_t at = offsetof(struct vmbus_state, chan) + sizeof(struct vmbus_chan_state);

	bed.nic->st->nvsp_version = NVSP_V6_1;
	cr_assert(bed_send_nvsp(&bed, m, 7));
	copy_take(&before);
	host();
	answer();
	copy_take(&after);
	memcpy(after.ram, before.ram, sizeof(after.ram));
	memcpy(after.state + at, before.state + at, offsetof(struct vmbus_chan_state, dev));
	bed.chan[0].from_host.own = 0;
	cr_assert_eq(resume(&after), 0);
	host();
	return answer();
}

Test(netvsp_takeover, a_receive_buffer_taken_but_not_answered_is_taken_again)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_RECV_BUF, .buf = {RECV, NVSP_RECV_BUF_ID}};
	struct nvsp_msg a = ask_twice(&m);

	cr_assert_eq(a.type, NVSP_MSG_RECV_BUF_COMPLETE);
	cr_assert_eq(a.recv_buf_complete.status, NVSP_STATUS_SUCCESS);
	cr_assert_eq(bed.nic->pool.nr, RECV_PAGES * 2);
	cr_assert(bed_send_nvsp(&bed, &m, 8));
	host();
	cr_assert_eq(answer().recv_buf_complete.status, NVSP_STATUS_FAIL, "a second one is not");
}

Test(netvsp_takeover, a_send_buffer_taken_but_not_answered_is_taken_again)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_SEND_BUF, .buf = {SEND, 0}};
	struct nvsp_msg a = ask_twice(&m);

	cr_assert_eq(a.type, NVSP_MSG_SEND_BUF_COMPLETE);
	cr_assert_eq(a.send_buf_complete.status, NVSP_STATUS_SUCCESS);
}

Test(netvsp_takeover, sub_channels_granted_but_not_answered_are_granted_again)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_SUBCHANNEL, .subchannel = {1, 2}};
	struct nvsp_msg a;

	bed.peer->is_ended = true; /* offers go nowhere here */
	a = ask_twice(&m);
	cr_assert_eq(a.type, NVSP_MSG_SUBCHANNEL);
	cr_assert_eq(a.subchannel_complete.status, NVSP_STATUS_SUCCESS);
	cr_assert_eq(a.subchannel_complete.num, 2);
}

/* ---- State and memory that do not fit ------------------------------------------------------- */

Test(netvsp_takeover, a_receive_buffer_whose_handle_names_fewer_pages_now_is_not_written_to)
{
	static struct copy c;
	uint8_t reason[1] = {0};
	uint16_t idx[1] = {0};

	bed_ready(&bed, recv_buf, send_buf);
	copy_take(&c);
	recv_buf->len = 4 * VMBUS_PAGE_SIZE; /* torn down, created anew */
	recv_buf->nr_pages = 4;
	cr_assert_eq(resume(&c), 0);
	cr_assert_null(atomic_load(&bed.nic->recv));
	tx_vec.slot[0].pkt = (struct nethv_pkt){.hdr_off = VSW_SNAP_OFF, .len = 60, .hdr_len = 60};
	cr_assert_eq(netvsp_tx(bed.nic, &tx_vec, idx, 1, reason), 0);
	cr_assert_eq(reason[0], VSW_DROP_port_down);
}

Test(netvsp_takeover, a_state_that_is_not_ours_is_refused)
{
	static struct copy c;
	const size_t at = offsetof(struct vmbus_state, chan) + sizeof(struct vmbus_chan_state);
	struct netvsp_state *st = (void *)(c.state + at + offsetof(struct vmbus_chan_state, dev));

	bed_ready(&bed, recv_buf, send_buf);
	copy_take(&c);
	st->mtu = 9000;
	cr_assert_eq(resume(&c), -EPROTO);
	st->mtu = 1500;
	st->rss_entries = 4;
	st->rss_table[3] = NETVSP_CHANNELS_MAX;
	cr_assert_eq(resume(&c), -EPROTO);
	st->rss_table[3] = 0;
	st->nr_sections = NETVSP_SECTIONS_MAX + 1;
	cr_assert_eq(resume(&c), -EPROTO);
	st->nr_sections = RECV_PAGES * 2;
	cr_assert_eq(resume(&c), 0);
}

/* ---- Control against what runs beside it ---------------------------------------------------- */

static bool has_taken; /* atomic */

/* Another lcore, in the middle of a packet to the guest. */
static void *writer(void *arg)
{
	struct netvsp_chan *ch = arg;
	uint16_t sec[32];
	uint32_t n;

	rte_spinlock_lock(&ch->lock);
	n = netvsp_pool_take(bed.nic, sec, 32, 0);
	__atomic_store_n(&has_taken, true, __ATOMIC_RELEASE);
	usleep(50000);
	netvsp_pool_give(bed.nic, sec, n);
	rte_spinlock_unlock(&ch->lock);
	return NULL;
}

Test(netvsp_takeover, a_new_receive_buffer_waits_for_writers_to_the_old_one)
{
	const struct nvsp_msg revoke = {.type = NVSP_MSG_REVOKE_RECV_BUF};
	const struct nvsp_msg set = {.type = NVSP_MSG_RECV_BUF, .buf = {RECV, NVSP_RECV_BUF_ID}};
	pthread_t t;

	bed_ready(&bed, recv_buf, send_buf);
	cr_assert_eq(pthread_create(&t, NULL, writer, &bed.nic->chan[1]), 0);
	while (!__atomic_load_n(&has_taken, __ATOMIC_ACQUIRE))
		;
	cr_assert(bed_send_nvsp(&bed, &revoke, 1));
	cr_assert(bed_send_nvsp(&bed, &set, 2));
	host();
	host();
	pthread_join(t, NULL);
	cr_assert_eq(bed.nic->pool.nr, bed.nic->st->nr_sections, "%u of %u", bed.nic->pool.nr,
		     bed.nic->st->nr_sections);
}

/* ---- Data ---------------------------------------------------------------------------------- */

static bool send_frames(uint32_t section, uint32_t nr, uint64_t trans_id)
{
	const struct rndis_packet h = {.hdr = {RNDIS_MSG_PACKET, sizeof(h) + FRAME},
				       .data_offset = sizeof(h) - RNDIS_REL,
				       .data_len = FRAME};
	const struct nvsp_msg m = {
		.type = NVSP_MSG_RNDIS_PKT,
		.rndis_pkt = {NVSP_CHANNEL_DATA, section, nr * (uint32_t)(sizeof(h) + FRAME)}};
	uint8_t *to = bed_page(&bed, send_pfn + section);
	uint32_t i;

	for (i = 0; i < nr; i++, to += sizeof(h) + FRAME)
		memcpy(to, &h, sizeof(h));
	return bed_send_nvsp(&bed, &m, trans_id);
}

/* Takes 3 frames, is killed before their completion; its successor is killed before it, too. */
Test(netvsp_takeover, frames_of_one_burst_are_counted_as_restart_once)
{
	static struct copy taken, again;
	struct vsw_totals t;

	bed_ready(&bed, recv_buf, send_buf);
	cr_assert(send_frames(0, 3, 11));
	vec.n = 0;
	cr_assert_eq(netvsp_rx(bed.nic, 0, &vec), 3);
	copy_take(&taken);
	cr_assert_eq(resume(&taken), 0);
	copy_take(&again);
	cr_assert_eq(resume(&again), 0);
	vsw_totals_get(bed.sw, &t);
	cr_assert_eq(t.by_reason[VSW_DROP_restart], 3);
	cr_assert_eq(t.in, t.out + t.drops);
}

Test(netvsp_takeover, control_waits_while_the_guest_leaves_its_ring_full)
{
	const struct nvsp_msg m = {.type = NVSP_MSG_NDIS_VER, .ndis_ver = {6, 30}};
	const struct nvsp_msg path = {.type = NVSP_MSG_SWITCH_DATA_PATH};
	uint32_t sent = 0, got, i;
	uint8_t buf[512];

	bed_ready(&bed, recv_buf, send_buf);
	while (vmbus_ring_space(&chan()->out) >= 128) {
		cr_assert(send_frames(0, 1, sent));
		sent += host();
	}
	cr_assert(bed_send_nvsp(&bed, &path, 1000));
	for (i = 0; i < 3; i++)
		host();
	cr_assert_not(chan()->is_faulted);
	cr_assert_not(netvsp_arm(bed.nic, 0), "sleeps until there is room");
	cr_assert_gt(chan()->out.ctrl->pending_send_sz, 0);
	netvsp_disarm(bed.nic, 0);
	cr_assert_eq(bed_recv(&bed, 0, buf, sizeof(buf)), 16 + NVSP_MSG_SIZE);
	for (got = 1; got < sent; got++)
		cr_assert_eq(bed_recv(&bed, 0, buf, sizeof(buf)), 16 + NVSP_MSG_SIZE);
	host();
	cr_assert_not(netvsp_arm(bed.nic, 0), "sleeps until ctl has answered");
	cr_assert_eq(chan()->out.ctrl->pending_send_sz, 0);
	netvsp_disarm(bed.nic, 0);
	host();
	cr_assert_eq(bed_recv(&bed, 0, buf, sizeof(buf)), 16, "the bare completion");
	cr_assert(bed_send_nvsp(&bed, &m, 1001));
	host();
	cr_assert_eq(netvsp_arm(bed.nic, 0), false);
	cr_assert_eq(chan()->out.ctrl->pending_send_sz, 0);
}

Test(netvsp_takeover, a_closed_adapter_is_down_and_its_late_fault_report_void)
{
	static struct vmbus_chan next;

	bed_ready(&bed, recv_buf, send_buf);
	bed.chan[0].to_host.ctrl->write_index = 4;
	host();
	cr_assert(chan()->is_faulted);
	netvsp_backend(bed.nv)->ops->close(&bed.chan[0].vch);
	bed.chan[0].vch.is_open = false;
	cr_assert_eq(atomic_load(&bed.nic->rx_on), 0);
	chan()->vch = &next; /* the next worker's: offered, not open */
	chan()->cs = NULL;   /* the old one's state is unmapped */
	vsw_event_process(bed.sw);
	cr_assert_eq(chan()->vch, &next);
	chan()->vch = NULL;
}

/* ---- Killed after each instruction ---------------------------------------------------------- */

#define IDS 8u

/* What the stepped process got to. In its memory; read by the other one. */
static struct {
	bool has_received; /* netvsp_rx() returned the frames: they may have been delivered */
} progress;

static uint16_t tx_frames(uint16_t n)
{
	static uint8_t bytes[VSW_VEC_SIZE][FRAME];
	uint8_t reason[VSW_VEC_SIZE] = {0};
	uint16_t idx[VSW_VEC_SIZE], i;

	for (i = 0; i < n; i++) {
		tx_vec.slot[i].pkt =
			(struct nethv_pkt){.hdr_off = VSW_SNAP_OFF, .len = FRAME, .hdr_len = FRAME};
		memcpy(tx_vec.slot[i].snap, bytes[i], FRAME);
		idx[i] = i;
	}
	return netvsp_tx(bed.nic, &tx_vec, idx, n, reason);
}

static bool give_back(uint64_t id)
{
	const struct vmbus_pkt_desc d = {
		.type = VMBUS_PKT_COMPLETION, .offset8 = 2, .len8 = 7, .trans_id = id};
	const struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT_COMPLETE};

	return bed_send(&bed, 0, &d, NULL, 0, &m, NVSP_MSG_SIZE);
}

/* Everything that a burst can be: frames to the guest, frames and completions from it, control. */
static void life(void)
{
	tx_frames(40);
	vec.n = 0;
	vec.n = netvsp_rx(bed.nic, 0, &vec);
	progress.has_received = true;
	netvsp_rx_done(bed.nic, 0, &vec);
	host();
	host();
	host();
}

/* The guest takes what came: ids that were completed, packets that it holds now. */
struct seen {
	unsigned int completed[IDS];
	unsigned int nr_packets, nr_frames, nr_answers;
	uint64_t packet[64];
};

static void look(struct seen *s)
{
	struct vmbus_pkt_desc d;
	struct vmbus_pkt_xfer x;
	uint8_t buf[1024];
	struct nvsp_msg m;

	while (bed_recv(&bed, 0, buf, sizeof(buf))) {
		memcpy(&d, buf, sizeof(d));
		if (d.type == VMBUS_PKT_COMPLETION) {
			s->completed[d.trans_id % IDS]++;
			continue;
		}
		memcpy(&x, buf + sizeof(d), sizeof(x));
		memcpy(&m, buf + d.offset8 * 8, 8);
		if (m.rndis_pkt.channel_type == NVSP_CHANNEL_CONTROL)
			s->nr_answers++;
		else
			s->nr_frames += x.range_count;
		s->packet[s->nr_packets++] = d.trans_id;
	}
}

static struct seen held; /* before the burst: the guest gives packets 0 and 1 back in it */

static const char *judge(const struct seen *s, unsigned int again, bool has_received)
{
	unsigned int i;

	if (chan()->is_faulted)
		return chan()->fault;
	if (again && has_received)
		return "frames were received twice";
	for (i = 0; i < 5; i++) {
		if (s->completed[i] != 1)
			return s->completed[i] ? "completed twice" : "never completed";
	}
	if (s->nr_answers != 1)
		return "not one RNDIS answer";
	return s->nr_frames == 0 || s->nr_frames == 40 ? NULL : "half a burst to the guest";
}

/* The next switch goes on; a quick guest has seen what was published before. What is wrong, or
 * NULL. */
static const char *go_on(struct copy *c, bool has_received, bool is_quick)
{
	static struct seen s;
	const char *wrong;
	unsigned int i, again = 0;

	if (is_quick) {
		memcpy(bed.ram, c->ram, sizeof(c->ram));
		look(&s);
		memcpy(c->ram, bed.ram, sizeof(c->ram));
	}
	if (resume(c))
		return "not resumed";
	for (i = 0; i < 6; i++) {
		again += host();
		look(&s);
	}
	wrong = judge(&s, again, has_received);
	for (i = 0; i < s.nr_packets; i++)
		give_back(s.packet[i]);
	for (i = 2; i < held.nr_packets; i++)
		give_back(held.packet[i]);
	for (i = 0; i < 6; i++)
		host();
	if (wrong)
		return wrong;
	if (chan()->is_faulted)
		return chan()->fault;
	if (bed.nic->pool.nr != bed.nic->st->nr_sections)
		return "a section is lost, or owned twice";
	return NULL;
}

static bool send_keepalive(uint64_t trans_id)
{
	const uint32_t keepalive[3] = {RNDIS_MSG_KEEPALIVE, 12, 99};
	const struct nvsp_msg m = {.type = NVSP_MSG_RNDIS_PKT,
				   .rndis_pkt = {NVSP_CHANNEL_CONTROL, 4, sizeof(keepalive)}};

	memcpy(bed_page(&bed, send_pfn + 4), keepalive, sizeof(keepalive));
	return bed_send_nvsp(&bed, &m, trans_id);
}

static void prepare(void)
{
	const struct nvsp_msg path = {.type = NVSP_MSG_SWITCH_DATA_PATH};
	const struct itimerspec never = {0};
	unsigned int i;

	/* What ctl does each second (ageing all addresses) is not the matter: instruction by instruction it
	 * takes minutes, and whether a second passes is chance. */
	cr_assert_eq(timerfd_settime(bed.sw->timer_fd, 0, &never, NULL), 0);
	bed_ready(&bed, recv_buf, send_buf);
	for (i = 0; i < 4; i++) {
		cr_assert_eq(tx_frames(1), 1);
		look(&held);
	}
	cr_assert_eq(held.nr_packets, 4);
	cr_assert(give_back(held.packet[0]) && send_frames(0, 3, 0) && send_frames(1, 2, 1) &&
		  give_back(held.packet[1]) && send_frames(2, 2, 2));
	cr_assert(bed_send_nvsp(&bed, &path, 3) && send_keepalive(4));
}

static void peek(pid_t pid, void *to, const void *at, size_t len)
{
	struct iovec l = {to, len}, r = {(void *)(uintptr_t)at, len};

	cr_assert_eq(process_vm_readv(pid, &l, 1, &r, 1, 0), (ssize_t)len);
}

static void check(struct copy *c, bool has_received, bool is_quick, unsigned long step)
{
	const char *wrong;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		wrong = go_on(c, has_received, is_quick);
		if (wrong)
			fprintf(stderr, "killed after instruction %lu: %s\n", step, wrong);
		_exit(wrong != NULL);
	}
	waitpid(pid, &status, 0);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "step %lu: status %#x", step,
		  status);
}

static pid_t stepped(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(77);
		raise(SIGSTOP);
		life();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		cr_skip_test("ptrace is not allowed here");
	return pid;
}

/* Memory that both sides of the kill see: only when it has changed is there anything new to try. */
Test(netvsp_takeover, a_switch_killed_after_any_instruction_is_succeeded, .timeout = 400)
{
	static struct copy now, last;
	unsigned long step = 0, tried = 0;
	bool has_received, had = false;
	int status;
	pid_t pid;

	prepare();
	pid = stepped();
	for (;; step++) {
		peek(pid, now.ram, bed.ram, sizeof(now.ram));
		peek(pid, now.state, bed.peer->pub.state, sizeof(now.state));
		peek(pid, &has_received, &progress.has_received, 1);
		if (has_received != had || memcmp(&now, &last, sizeof(now)) != 0) {
			check(&now, has_received, false, step);
			check(&now, has_received, true, step);
			tried++;
		}
		last = now;
		had = has_received;
		ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
		waitpid(pid, &status, 0);
		if (!WIFSTOPPED(status))
			break;
	}
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	cr_log_info("%lu instructions, %lu states tried", step, tried);
	cr_assert_gt(tried, 100);
}
