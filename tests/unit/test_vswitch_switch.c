/* SPDX-License-Identifier: BSD-3-Clause */
/* The whole switch with its lcores running: attach and detach under traffic, sleep and wake-up,
 * events, ageing, and books that balance also after a kill. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "tests/support/eal.h"
#include "tests/support/fakeport.h"
#include "vswitch/priv.h"

TestSuite(vsw_switch, .init = eal_up);

static struct vsw *switch_of(unsigned int nr_lcores, enum vsw_poll_mode mode)
{
	struct vsw_cfg cfg = {.nr_lcores = nr_lcores, .lcore_id = {1, 2, 3}, .poll = mode};
	struct vsw *sw;

	cr_assert_eq(vsw_create(&sw, &cfg), 0, "%s", err_text());
	return sw;
}

/* A port without end: receives frames for one address as long as it is on, counts what it is sent.
 * Its memory is poisoned when it is freed. */
struct spring {
	struct vsw_port *port;
	uint64_t dst, src;
	bool is_on;
	uint64_t nr_out;
	uint32_t alive;
	uint8_t frame[64];
};

#define ALIVE 0x11FE11FEu

static uint16_t spring_rx(void *be, uint16_t q, struct vsw_vec *v)
{
	struct spring *s = be;
	uint16_t i;

	if (s->alive != ALIVE)
		abort();
	if (!__atomic_load_n(&s->is_on, __ATOMIC_RELAXED))
		return 0;
	for (i = 0; i < 16; i++) {
		struct vsw_slot *sl = &v->slot[i];

		memset(&sl->pkt, 0, sizeof(sl->pkt));
		memcpy(sl->snap, s->frame, 64);
		sl->pkt.hdr_off = VSW_SNAP_OFF;
		sl->pkt.len = sl->pkt.hdr_len = 64;
		sl->data = s->frame;
	}
	return 16;
}

static void spring_rx_done(void *be, uint16_t q, struct vsw_vec *v)
{
	const struct spring *s = be;

	if (s->alive != ALIVE)
		abort();
}

static uint16_t spring_tx(void *be, struct vsw_vec *v, const uint16_t *idx, uint16_t n,
			  uint8_t *reason)
{
	struct spring *s = be;

	if (s->alive != ALIVE)
		abort();
	__atomic_fetch_add(&s->nr_out, n, __ATOMIC_RELAXED);
	return n;
}

static const struct vsw_port_ops spring_ops = {
	.rx = spring_rx, .rx_done = spring_rx_done, .tx = spring_tx};

static struct spring *spring_new(struct vsw *sw, unsigned int no, uint64_t dst)
{
	struct vsw_port_cfg cfg = {.nr_queues = 1, .mac = {2, 0, 0, 0, 0, (uint8_t)no}};
	struct spring *s = calloc(1, sizeof(*s));

	snprintf(cfg.name, sizeof(cfg.name), "s%u", no);
	s->alive = ALIVE;
	s->is_on = true;
	memcpy(s->frame, &dst, 6);
	memcpy(s->frame + 6, cfg.mac, 6);
	cr_assert_eq(vsw_port_create(&s->port, sw, &cfg, &spring_ops, s), 0, "%s", err_text());
	cr_assert_eq(vsw_port_attach(s->port), 0, "%s", err_text());
	return s;
}

static void spring_free(struct spring *s)
{
	vsw_port_detach(s->port);
	vsw_port_destroy(s->port);
	memset(s, 0x5A, sizeof(*s));
	free(s);
}

static uint64_t spring_mac(unsigned int no)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, (uint8_t)no};

	return vsw_mac_num(mac);
}

static uint64_t out_of(const struct spring *s)
{
	return __atomic_load_n(&s->nr_out, __ATOMIC_RELAXED);
}

/* Waits until @s was sent more; gives up after ten seconds. */
static bool moves(struct vsw *sw, const struct spring *s)
{
	uint64_t before = out_of(s);
	unsigned int i;

	for (i = 0; i < 10000 && out_of(s) == before; i++) {
		vsw_event_process(sw);
		usleep(1000);
	}
	return out_of(s) != before;
}

Test(vsw_switch, refuses_lcores_that_cannot_poll)
{
	struct vsw_cfg cfg = {.nr_lcores = 0};
	struct vsw *sw;

	cr_assert_eq(vsw_create(&sw, &cfg), -EINVAL);
	cr_assert(strstr(err_text(), "want 1..16"));
	cfg.nr_lcores = 1;
	cr_assert_eq(vsw_create(&sw, &cfg), 0);
	cr_assert_eq(vsw_start(sw), -EINVAL);
	cr_assert(strstr(err_text(), "main lcore"));
	vsw_destroy(sw);
	cfg = (struct vsw_cfg){.nr_lcores = 2, .lcore_id = {1, 99}};
	cr_assert_eq(vsw_create(&sw, &cfg), 0);
	cr_assert_eq(vsw_start(sw), -EINVAL);
	cr_assert(strstr(err_text(), "not enabled"));
	vsw_destroy(sw);
	vsw_destroy(NULL);
}

Test(vsw_switch, ports_come_and_go_under_traffic_and_no_lcore_sees_a_dead_one, .timeout = 100)
{
	struct vsw *sw = switch_of(2, VSW_POLL_SHARED);
	struct spring *a = spring_new(sw, 1, spring_mac(2)), *b, *c;
	unsigned int i;

	cr_assert_eq(vsw_start(sw), 0, "%s", err_text());
	for (i = 0; i < 200; i++) {
		b = spring_new(sw, 2, spring_mac(1));
		c = spring_new(sw, 3, ~0ull);
		if (i % 20 == 0)
			cr_assert(moves(sw, b));
		vsw_port_queue_stop(b->port, 0);
		cr_assert_eq(vsw_port_queue_start(b->port, 0), 0);
		vsw_event_process(sw);
		spring_free(i & 1 ? b : c);
		spring_free(i & 1 ? c : b);
	}
	__atomic_store_n(&a->is_on, false, __ATOMIC_RELAXED);
	vsw_quiesce(sw);
	cr_assert(fake_is_balanced(sw));
	spring_free(a);
	vsw_stop(sw);
	cr_assert(fake_is_balanced(sw));
	vsw_destroy(sw);
}

Test(vsw_switch, starts_again_after_stop)
{
	struct vsw *sw = switch_of(1, VSW_POLL_BUSY);
	struct spring *a = spring_new(sw, 1, spring_mac(2)), *b = spring_new(sw, 2, 0);
	unsigned int i;

	for (i = 0; i < 3; i++) {
		cr_assert_eq(vsw_start(sw), 0);
		cr_assert(moves(sw, b));
		vsw_stop(sw);
	}
	cr_assert(fake_is_balanced(sw));
	spring_free(a);
	spring_free(b);
	vsw_destroy(sw);
}

/* A doorbell: rx() finds what was rung; arm() as a ring with an interrupt mask would do it. */
struct bell {
	int fd;
	bool is_armed;
	bool is_mute;
	uint64_t rung, seen;
};

static uint16_t bell_rx(void *be, uint16_t q, struct vsw_vec *v)
{
	struct bell *b = be;
	struct vsw_slot *s = &v->slot[0];

	if (__atomic_load_n(&b->rung, __ATOMIC_ACQUIRE) == b->seen)
		return 0;
	__atomic_store_n(&b->seen, b->seen + 1, __ATOMIC_RELEASE);
	memset(&s->pkt, 0, sizeof(s->pkt));
	s->pkt.hdr_off = VSW_SNAP_OFF;
	return 1; /* a runt */
}

static bool bell_arm(void *be, uint16_t q)
{
	struct bell *b = be;

	__atomic_store_n(&b->is_armed, true, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&b->rung, __ATOMIC_SEQ_CST) != b->seen;
}

static void bell_disarm(void *be, uint16_t q)
{
	struct bell *b = be;

	__atomic_store_n(&b->is_armed, false, __ATOMIC_SEQ_CST);
}

static int bell_fd(void *be, uint16_t q)
{
	struct bell *b = be;

	return b->fd;
}

static void bell_rx_done(void *be, uint16_t q, struct vsw_vec *v)
{
}

static const struct vsw_port_ops bell_ops = {
	.rx = bell_rx,
	.rx_done = bell_rx_done,
	.tx = spring_tx,
	.arm = bell_arm,
	.disarm = bell_disarm,
	.event_fd = bell_fd,
};

/* The other side: rings, and signals only when asked to. A lost wake-up would hang for ever, since
 * nothing else wakes the lcore. */
static bool ring_and_wait(struct bell *b)
{
	uint64_t n = __atomic_add_fetch(&b->rung, 1, __ATOMIC_SEQ_CST);
	unsigned int i;

	if (!b->is_mute && __atomic_load_n(&b->is_armed, __ATOMIC_SEQ_CST))
		fd_kick(b->fd);
	for (i = 0; i < 100000 && __atomic_load_n(&b->seen, __ATOMIC_ACQUIRE) != n; i++) {
		if (i > 100)
			usleep(100);
	}
	return i < 100000;
}

Test(vsw_switch, loses_no_wake_up_between_arming_and_sleeping, .timeout = 100)
{
	struct vsw *sw = switch_of(1, VSW_POLL_SHARED);
	struct vsw_port_cfg cfg = {.name = "bell", .nr_queues = 1};
	struct bell b = {.fd = eventfd(0, EFD_NONBLOCK)};
	struct vsw_lcore_stats st;
	struct vsw_port *p;
	unsigned int i;

	cr_assert_eq(vsw_port_create(&p, sw, &cfg, &bell_ops, &b), 0);
	cr_assert_eq(vsw_port_attach(p), 0);
	cr_assert_eq(vsw_start(sw), 0);
	for (i = 0; i < 3000; i++) {
		cr_assert(ring_and_wait(&b), "ring %u", i);
		if (i % 3 == 0)
			usleep(i % 120); /* around the 50 us after which it sleeps */
	}
	usleep(20000);
	vsw_lcore_stats_get(sw, 0, &st);
	cr_assert_gt(st.sleeps, 10);
	cr_assert_gt(st.tsc_asleep, 0);
	vsw_port_detach(p);
	vsw_port_destroy(p);
	vsw_destroy(sw);
	close(b.fd);
}

static bool bell_is_silent(void *be, uint16_t q)
{
	return true;
}

static const struct vsw_port_ops silent_ops = {
	.rx = bell_rx,
	.rx_done = bell_rx_done,
	.tx = spring_tx,
	.arm = bell_arm,
	.disarm = bell_disarm,
	.event_fd = bell_fd,
	.is_silent = bell_is_silent,
};

/* Nobody writes the fd. */
Test(vsw_switch, a_queue_that_is_silent_is_looked_at_between_short_sleeps, .timeout = 100)
{
	struct vsw *sw = switch_of(1, VSW_POLL_SHARED);
	struct vsw_port_cfg cfg = {.name = "mute", .nr_queues = 1};
	struct bell b = {.fd = eventfd(0, EFD_NONBLOCK), .is_mute = true};
	struct vsw_lcore_stats st;
	struct vsw_port *p;
	unsigned int i;

	cr_assert_eq(vsw_port_create(&p, sw, &cfg, &silent_ops, &b), 0);
	cr_assert_eq(vsw_port_attach(p), 0);
	cr_assert_eq(vsw_start(sw), 0);
	for (i = 0; i < 50; i++) {
		while (!__atomic_load_n(&b.is_armed, __ATOMIC_SEQ_CST))
			usleep(10);
		cr_assert(ring_and_wait(&b), "ring %u", i);
	}
	vsw_lcore_stats_get(sw, 0, &st);
	cr_assert_gt(st.sleeps, 10);
	vsw_port_detach(p);
	vsw_port_destroy(p);
	vsw_destroy(sw);
	close(b.fd);
}

Test(vsw_switch, a_sleeping_lcore_sees_new_ports_and_stop)
{
	struct vsw *sw = switch_of(1, VSW_POLL_SHARED);
	struct spring *a, *b;

	cr_assert_eq(vsw_start(sw), 0);
	usleep(20000); /* no queue at all: it sleeps without limit */
	a = spring_new(sw, 1, spring_mac(2));
	b = spring_new(sw, 2, spring_mac(1));
	cr_assert(moves(sw, b));
	spring_free(a);
	spring_free(b);
	usleep(20000);
	vsw_stop(sw);
	vsw_destroy(sw);
}

static void note(void *ctx, uint64_t arg)
{
	*(uint64_t *)ctx += arg;
}

Test(vsw_switch, events_run_on_the_control_thread_and_make_its_fd_readable)
{
	struct vsw *sw = switch_of(1, VSW_POLL_SHARED);
	struct epoll_event ev;
	uint64_t sum = 0, i, posted = 0;
	int ep = epoll_create1(0);

	ev = (struct epoll_event){.events = EPOLLIN};
	cr_assert_eq(epoll_ctl(ep, EPOLL_CTL_ADD, vsw_event_fd(sw), &ev), 0);
	vsw_event_process(sw);
	cr_assert(vsw_event_post(sw, note, &sum, 7));
	cr_assert_eq(epoll_wait(ep, &ev, 1, 5000), 1);
	vsw_event_process(sw);
	cr_assert_eq(sum, 7);
	for (sum = 0, i = 0; i < 10000; i++)
		posted += vsw_event_post(sw, note, &sum, 1);
	cr_assert_lt(posted, 10000, "full is said, not waited for");
	vsw_event_process(sw);
	vsw_event_process(sw);
	cr_assert_eq(sum, posted);
	vsw_destroy(sw);
	close(ep);
}

static void count(const struct vsw_fdb_entry *e, void *ctx)
{
	*(unsigned int *)ctx += !e->is_static;
}

static unsigned int nr_learned(const struct vsw *sw)
{
	unsigned int n = 0;

	vsw_fdb_walk(sw, count, &n);
	return n;
}

Test(vsw_switch, forgets_addresses_that_are_silent_and_keeps_those_that_talk, .timeout = 60)
{
	struct vsw_cfg cfg = {.nr_lcores = 1, .lcore_id = {1}, .ageing_s = 1};
	struct vsw_port_cfg pc = {.name = "p"};
	struct fake_port *f;
	struct vsw *sw;
	unsigned int i;

	cr_assert_eq(vsw_create(&sw, &cfg), 0);
	f = fake_port_new(sw, &pc);
	fake_send(f, ~0ull >> 16, 0x1100);
	fake_send(f, ~0ull >> 16, 0x2200);
	fake_switch_poll(sw);
	cr_assert_eq(nr_learned(sw), 2);
	for (i = 0; i < 300 && nr_learned(sw) == 2; i++) {
		usleep(100000);
		fake_send(f, ~0ull >> 16, 0x1100);
		fake_switch_poll(sw);
	}
	cr_assert_eq(nr_learned(sw), 1);
	fake_port_free(f);
	vsw_destroy(sw);
}

Test(vsw_switch, closes_the_books_of_a_killed_switch)
{
	struct vsw_stats *st = aligned_alloc(64, sizeof(*st));
	struct vsw_cfg cfg = {.nr_lcores = 1, .lcore_id = {1}, .stats = st};
	struct vsw_port_cfg ca = {.name = "a"}, cb = {.name = "b"};
	struct fake_port *a, *b;
	struct vsw_totals t;
	struct vsw *sw;

	memset(st, 0, sizeof(*st));
	cr_assert_eq(vsw_stats_close_restart(st), 0, "fresh memory");
	cr_assert_eq(vsw_create(&sw, &cfg), 0);
	a = fake_port_new(sw, &ca), b = fake_port_new(sw, &cb);
	fake_send(a, 0x1200, 0x1300);
	fake_switch_poll(sw);
	/* as a kill leaves it: 8 came in, 2 copies, 3 left of which 1 is not in delivered yet */
	a->port->stats[0].in_packets += 8;
	a->port->stats[0].copies += 2;
	a->port->stats[0].delivered += 2;
	b->port->stats[0].out_packets += 3;
	a->port->stats[0].drops[VSW_DROP_runt] += 1;
	cr_assert_not(fake_is_balanced(sw));
	cr_assert_eq(vsw_stats_close_restart(st), 6);
	cr_assert(fake_is_balanced(sw));
	vsw_totals_get(sw, &t);
	cr_assert_eq(t.by_reason[VSW_DROP_restart], 6);
	cr_assert_eq(st->restarts, 1);
	fake_port_free(a), fake_port_free(b);
	vsw_destroy(sw);
	st->magic++;
	cr_assert_eq(vsw_create(&sw, &cfg), -EINVAL);
	cr_assert(strstr(err_text(), "another version"));
	free(st);
}
