/* SPDX-License-Identifier: BSD-3-Clause */
/* Queues of ports on an uplink that is a ring, sorted in software: what reaches whom by which queue, and that
 * nothing is lost or overtakes while queues come, move and go. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/fakeport.h"
#include "vmq/vmq.h"
#include "vswitch/policy/config.h"
#include "vswitch/policy/policy.h"
#include "vswitch/priv.h"
#include "vswitch/uplink.h"

TestSuite(vmq_ports, .init = eal_up);

#define MAC_A 0x0a0000000002ull
#define MAC_B 0x0b0000000002ull
#define MAC_R 0x0f0000000002ull
#define BCAST 0xFFFFFFFFFFFFull

static struct vsw *sw;
static struct vsw_uplink *up;
static struct vmq *vmq;
static struct rte_mempool *pool;

static void bed_up(uint16_t nr_queues, unsigned int nr_lcores)
{
	struct vsw_cfg cfg = {.nr_lcores = nr_lcores, .lcore_id = {1, 2}, .poll = VSW_POLL_SHARED};
	struct vmq_cfg qc = {.name = "up", .nr_queues = nr_queues, .provider = VMQ_PROVIDER_AUTO};
	struct vsw_uplink_cfg uc = {
		.name = "up", .devargs = "net_ring0", .vlan_mode = VSW_VLAN_TRUNK};

	uc.allowed[0] = 1ull << 10 | 1ull << 20;
	cr_assert_eq(vsw_create(&sw, &cfg), 0, "%s", err_text());
	qc.sw = sw;
	cr_assert_eq(vmq_create(&vmq, &qc), 0, "%s", err_text());
	uc.steer = vmq_steer(vmq);
	cr_assert_eq(vsw_uplink_create(&up, sw, &uc), 0, "%s", err_text());
	vmq_attach(vmq, up);
	pool = rte_pktmbuf_pool_create("wire", 4095, 0, 0, 2048, SOCKET_ID_ANY);
	cr_assert_not_null(pool);
}

static void bed_down(void)
{
	vsw_stop(sw);
	vmq_detach(vmq);
	vsw_uplink_destroy(up);
	vmq_destroy(vmq);
	cr_assert(fake_is_balanced(sw));
	vsw_destroy(sw);
	cr_assert(rte_mempool_full(pool));
}

static struct fake_port *nic(const char *name, uint64_t mac, uint16_t pvid)
{
	struct vsw_port_cfg c = {.pvid = pvid};

	strcpy(c.name, name);
	memcpy(c.mac, &mac, 6);
	return fake_port_new(sw, &c);
}

/* And the rest with them; those that are not there are NULL. */
static void ports_down(struct fake_port *a, struct fake_port *b, struct fake_port *c)
{
	vmq_detach(vmq);
	fake_port_free(a);
	fake_port_free(b);
	fake_port_free(c);
	bed_down();
}

static const struct vmq_port_cfg plain = {.lcore = VMQ_CPU_ANY, .node = VMQ_NODE_ANY};

static void give_queue(struct fake_port *f)
{
	cr_assert_eq(vmq_port_add(vmq, f->port, &plain), 0, "%s", err_text());
}

static struct rte_mbuf *frame(uint64_t dst, uint64_t src, int vlan, uint32_t number)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *at = m ? (uint8_t *)rte_pktmbuf_append(m, 64) : NULL;

	if (!at)
		return NULL;
	memset(at, 0, 64);
	memcpy(at, &dst, 6);
	memcpy(at + 6, &src, 6);
	at[12] = 0x88;
	at[13] = 0xB5;
	if (vlan >= 0) {
		at[12] = 0x81;
		at[13] = 0;
		at[14] = (uint8_t)(vlan >> 8);
		at[15] = (uint8_t)vlan;
		at[16] = 0x88;
		at[17] = 0xB5;
	}
	memcpy(at + 32, &number, sizeof(number));
	return m;
}

/* Comes by the wire. */
static void comes(uint64_t dst, uint64_t src, int vlan)
{
	struct rte_mbuf *m = frame(dst, src, vlan, 0);

	cr_assert_eq(rte_eth_tx_burst(vsw_uplink_dev(up), 0, &m, 1), 1);
}

static void poll_all(void)
{
	for (int i = 0; i < 4; i++)
		fake_switch_poll(sw);
}

struct look {
	const char *port;
	struct vmq_queue_status st;
	char why[VMQ_WHY_MAX];
};

static void look_queue(const struct vmq_queue_status *s, void *ctx)
{
	struct look *l = ctx;

	if (!strcmp(s->port, l->port))
		l->st = *s;
}

static void look_port(const struct vmq_port_status *s, void *ctx)
{
	struct look *l = ctx;

	if (!strcmp(s->port, l->port))
		snprintf(l->why, sizeof(l->why), "%s", s->why);
}

static struct look look(const char *port)
{
	struct look l = {.port = port};

	vmq_queue_walk(vmq, look_queue, &l);
	vmq_port_walk(vmq, look_port, &l);
	return l;
}

Test(vmq_ports, frames_for_an_adapter_come_by_its_queue_and_others_by_the_default_one)
{
	struct fake_port *a, *b;

	bed_up(4, 1);
	a = nic("a", MAC_A, 0);
	b = nic("b", MAC_B, 0);
	give_queue(a);
	comes(MAC_A, MAC_R, -1);
	comes(MAC_A, MAC_R, 0); /* a priority tag is none */
	comes(MAC_B, MAC_R, -1);
	comes(BCAST, MAC_R, -1);
	poll_all();
	cr_expect_eq(a->nr_out, 3);
	cr_expect_eq(b->nr_out, 2);
	cr_expect_eq(look("a").st.packets, 2);
	cr_expect_eq(look("a").st.nr_filters, 1);
	cr_expect_str_eq(look("a").st.state, "running");
	cr_expect_eq(look("").st.packets, 2);
	ports_down(b, a, NULL);
}

Test(vmq_ports, who_sends_by_a_queue_is_learned)
{
	struct fake_port *a, *b;

	bed_up(4, 1);
	a = nic("a", MAC_A, 0);
	b = nic("b", MAC_B, 0);
	give_queue(a);
	comes(MAC_A, MAC_R, -1);
	poll_all();
	fake_clear(b);
	fake_send(a, MAC_R, MAC_A);
	poll_all();
	cr_expect_eq(b->nr_out, 0, "known to be behind the uplink, so not flooded");
	ports_down(a, b, NULL);
}

Test(vmq_ports, each_vlan_that_uplink_and_adapter_share_has_a_filter)
{
	struct vsw_port_cfg c = {.name = "t", .vlan_mode = VSW_VLAN_TRUNK, .pvid = 10};
	const uint64_t mac = MAC_B;
	struct fake_port *a, *t;

	bed_up(4, 1);
	a = nic("a", MAC_A, 10);
	memcpy(c.mac, &mac, 6);
	c.allowed[0] = 1ull << 20 | 1ull << 30;
	t = fake_port_new(sw, &c);
	give_queue(a);
	give_queue(t);
	cr_expect_eq(look("a").st.nr_filters, 1);
	cr_expect_eq(look("a").st.filter[0].vlan, 10);
	cr_expect_eq(look("t").st.nr_filters, 2, "10 and 20; 30 does not come by the uplink");
	comes(MAC_A, MAC_R, 10);
	comes(MAC_A, MAC_R, 20); /* not its own VLAN: flooded there */
	comes(MAC_B, MAC_R, 20);
	comes(MAC_B, MAC_R, 10);
	poll_all();
	cr_expect_eq(a->nr_out, 1);
	cr_expect_eq(a->out[0].flags & NETHV_PKT_VLAN, 0);
	cr_expect_eq(t->nr_out, 3);
	cr_expect_eq(look("t").st.packets, 2);
	ports_down(a, t, NULL);
}

Test(vmq_ports, a_frame_in_the_queue_of_another_goes_where_it_belongs)
{
	struct fake_port *a, *b;

	bed_up(4, 1);
	a = nic("a", MAC_A, 0);
	b = nic("b", MAC_B, 0);
	give_queue(a);
	/* As if the filter had been moved while the frame lay there: the port of the queue is b's now. */
	comes(MAC_A, MAC_R, -1);
	fake_switch_poll(sw);
	comes(MAC_A, MAC_R, -1);
	vmq_port_remove(vmq, a->port);
	give_queue(b);
	poll_all();
	cr_expect_eq(a->nr_out, 2);
	cr_expect_eq(b->nr_out, 0);
	ports_down(a, b, NULL);
}

Test(vmq_ports, with_policies_frames_of_a_queue_go_the_long_way)
{
	struct vsw_policy_cfg *pc = calloc(1, sizeof(*pc));
	struct fake_port *a;

	bed_up(4, 1);
	a = nic("a", MAC_A, 0);
	give_queue(a);
	pc->dhcp_guard = true;
	cr_assert_eq(vsw_port_set_policy(a->port, pc), 0, "%s", err_text());
	comes(MAC_A, MAC_R, -1);
	poll_all();
	cr_expect_eq(a->nr_out, 1);
	free(pc);
	ports_down(a, NULL, NULL);
}

Test(vmq_ports, an_adapter_without_a_queue_is_told_why_and_served_all_the_same)
{
	struct vmq_port_cfg off = plain;
	struct fake_port *a, *b, *c;

	bed_up(1, 1);
	a = nic("a", MAC_A, 0);
	b = nic("b", MAC_B, 0);
	c = nic("c", 0x0c0000000002ull, 99);
	give_queue(a);
	give_queue(b);
	cr_expect(strstr(look("b").why, "queue"), "%s", look("b").why);
	comes(MAC_B, MAC_R, -1);
	poll_all();
	cr_expect_eq(b->nr_out, 1);
	off.is_off = true;
	cr_assert_eq(vmq_port_add(vmq, a->port, &off), 0);
	cr_expect(strstr(look("a").why, "switched off"), "%s", look("a").why);
	cr_expect_str_eq(look("b").st.state, "running", "it waited for one");
	vmq_port_remove(vmq, b->port);
	give_queue(c);
	cr_expect(strstr(look("c").why, "no VLAN"), "%s", look("c").why);
	ports_down(a, b, c);
}

Test(vmq_ports, says_which_providers_it_cannot_use_and_why)
{
	struct vmq_info info;

	bed_up(0, 1);
	vmq_info_get(vmq, &info);
	cr_expect_str_eq(info.provider, "software");
	cr_expect(strstr(info.why, "vmdq: ") && strstr(info.why, "flow: "), "%s", info.why);
	cr_expect_eq(info.nr_queues, 64);
	cr_expect_eq(info.nr_free, 64);
	bed_down();
}

Test(vmq_ports, a_provider_that_the_device_has_not_got_is_refused)
{
	struct vsw_cfg cfg = {.nr_lcores = 1, .lcore_id = {1}};
	struct vmq_cfg qc = {.name = "up", .provider = VMQ_PROVIDER_VMDQ};
	struct vsw_uplink_cfg uc = {.name = "up", .devargs = "net_ring0"};

	cr_assert_eq(vsw_create(&sw, &cfg), 0);
	qc.sw = sw;
	cr_assert_eq(vmq_create(&vmq, &qc), 0);
	uc.steer = vmq_steer(vmq);
	cr_expect_lt(vsw_uplink_create(&up, sw, &uc), 0);
	cr_expect(strstr(err_text(), "uplink up") && strstr(err_text(), "vmdq"), "%s", err_text());
	vmq_destroy(vmq);
	vsw_destroy(sw);
}

/* ---- Under traffic ---------------------------------------------------------------------------- */

#define FLOWS 16u

static uint16_t no_rx(void *be, uint16_t q, struct vsw_vec *v)
{
	return 0;
}

static void no_done(void *be, uint16_t q, struct vsw_vec *v)
{
}

/* Of each flow, who may be on any lcore, but on one at a time. */
struct flows {
	struct vsw_port *port;
	uint32_t next[FLOWS];
	uint32_t got, swapped; /* Atomic */
};

static uint16_t flows_tx(void *be, struct vsw_vec *v, const uint16_t *idx, uint16_t n,
			 uint8_t *reason)
{
	struct flows *f = be;

	for (uint16_t i = 0; i < n; i++) {
		uint32_t at[2]; /* flow and number */

		vsw_slot_copy(v, &v->slot[idx[i]], 48, at, sizeof(at));
		if (__atomic_exchange_n(&f->next[at[0]], at[1] + 1, __ATOMIC_RELAXED) != at[1])
			__atomic_add_fetch(&f->swapped, 1, __ATOMIC_RELAXED);
		__atomic_add_fetch(&f->got, 1, __ATOMIC_RELEASE);
	}
	return n;
}

static const struct vsw_port_ops flows_ops = {.rx = no_rx, .rx_done = no_done, .tx = flows_tx};

/* UDP from port 1000 and up. */
static struct rte_mbuf *frame_of_flow(uint32_t flow, uint32_t number)
{
	struct rte_mbuf *m = frame(MAC_A, MAC_R, -1, 0);
	uint8_t *at = m ? rte_pktmbuf_mtod(m, uint8_t *) : NULL;

	if (!at)
		return NULL;
	memcpy(at + 12, "\x08\0\x45\0\0\x32\0\0\0\0\x40\x11", 12);
	memcpy(at + 26, "\x0a\0\0\1\x0a\0\0\2\3", 9);
	at[35] = (uint8_t)(0xE8 + flow);
	memcpy(at + 48, &flow, sizeof(flow));
	memcpy(at + 52, &number, sizeof(number));
	return m;
}

struct flows_source {
	pthread_t thread;
	struct flows *to;
	uint32_t sent;
	bool is_over;
};

/* Never more on the way than all rings hold: what is lost was not lost for lack of room. */
static void *flows_main(void *arg)
{
	struct flows_source *s = arg;
	struct rte_mbuf *m;

	while (!__atomic_load_n(&s->is_over, __ATOMIC_ACQUIRE)) {
		if (s->sent - __atomic_load_n(&s->to->got, __ATOMIC_ACQUIRE) >= 256) {
			usleep(10);
			continue;
		}
		m = frame_of_flow(s->sent % FLOWS, s->sent / FLOWS);
		if (!m)
			continue;
		if (rte_eth_tx_burst(vsw_uplink_dev(up), 0, &m, 1) == 1)
			s->sent++;
		else
			rte_pktmbuf_free(m);
	}
	return NULL;
}

static void flows_wait(const struct flows *f, uint32_t n)
{
	for (int i = 0; i < 20000 && __atomic_load_n(&f->got, __ATOMIC_ACQUIRE) < n; i++)
		usleep(1000);
}

/* One of the four things that can happen to a queue. */
static void happens(struct flows *c, unsigned int i)
{
	struct vmq_port_cfg pinned = plain, off = plain;

	pinned.lcore = (uint16_t)(i / 4 % 2);
	off.is_off = true;
	switch (i % 4) {
	case 0: cr_assert_eq(vmq_port_add(vmq, c->port, &plain), 0); break;
	case 1: cr_assert_eq(vmq_port_add(vmq, c->port, &pinned), 0); break;
	case 2: cr_assert_eq(vmq_port_add(vmq, c->port, &off), 0); break;
	default: vmq_port_remove(vmq, c->port); break;
	}
}

/* ---- Several queues of one port --------------------------------------------------------------- */

static void flows_bed_up(struct flows *f)
{
	struct vsw_port_cfg pc = {.name = "a"};
	const uint64_t mac = MAC_A;

	bed_up(8, 2);
	memcpy(pc.mac, &mac, 6);
	cr_assert_eq(vsw_port_create(&f->port, sw, &pc, &flows_ops, f), 0);
	cr_assert_eq(vsw_port_attach(f->port), 0);
}

static void flows_bed_down(struct flows *f)
{
	vsw_stop(sw);
	vmq_detach(vmq);
	vmq_attach(vmq, up);
	vsw_port_destroy(f->port);
	bed_down();
}

static void give_queues(struct flows *f, uint16_t n)
{
	struct vmq_port_cfg cfg = plain;

	cfg.nr_queues = n;
	cr_assert_eq(vmq_port_add(vmq, f->port, &cfg), 0, "%s", err_text());
}

/* Of the port's queues. */
struct members {
	uint16_t nr, nr_running, nr_leading, nr_busy, shares;
	uint32_t lcores; /* bit for each */
};

static void look_member(const struct vmq_queue_status *s, void *ctx)
{
	struct members *m = ctx;

	if (!s->port[0])
		return;
	m->nr++;
	m->nr_running += !strcmp(s->state, "running");
	m->nr_leading += !s->shares && s->nr_filters == 1;
	m->nr_busy += s->packets > 0;
	m->shares = s->shares ? s->shares : m->shares;
	m->lcores |= 1u << s->lcore;
}

static struct members members(void)
{
	struct members m = {0};

	vmq_queue_walk(vmq, look_member, &m);
	return m;
}

Test(vmq_ports, several_queues_of_an_adapter_share_its_filters_and_its_frames)
{
	struct flows f = {0};
	struct members m;

	flows_bed_up(&f);
	give_queues(&f, 3);
	cr_assert_eq(vsw_start(sw), 0, "%s", err_text());
	for (uint32_t i = 0; i < 10 * FLOWS; i++) {
		struct rte_mbuf *b = frame_of_flow(i % FLOWS, i / FLOWS);

		cr_assert_eq(rte_eth_tx_burst(vsw_uplink_dev(up), 0, &b, 1), 1);
	}
	flows_wait(&f, 10 * FLOWS);
	m = members();
	cr_expect_eq(m.nr, 3);
	cr_expect_eq(m.nr_running, 3);
	cr_expect_eq(m.nr_leading, 1);
	cr_expect_eq(m.nr_busy, 3);
	cr_expect_eq(m.shares, 1);
	cr_expect_eq(m.lcores, 3, "on both lcores");
	cr_expect_eq(f.got, 10 * FLOWS);
	cr_expect_eq(f.swapped, 0);
	give_queues(&f, 1);
	m = members();
	cr_expect_eq(m.nr, 1);
	cr_expect_eq(m.nr_leading, 1);
	give_queues(&f, 16);
	m = members();
	cr_expect_eq(m.nr, 8, "fewer than asked for do");
	cr_expect_eq(m.nr_running, 8);
	flows_bed_down(&f);
}

Test(vmq_ports, mmq_2_queues_of_a_port_grow_and_shrink_100_times_and_no_flow_loses_or_swaps,
     .timeout = 100)
{
	static const uint16_t counts[] = {3, 2, 1, 3, 8, 3, 1, 2};
	struct flows f = {0};
	struct flows_source s = {.to = &f};
	uint32_t busy = 0;

	flows_bed_up(&f);
	give_queues(&f, 3);
	cr_assert_eq(members().lcores, 3, "on both lcores");
	cr_assert_eq(vsw_start(sw), 0, "%s", err_text());
	pthread_create(&s.thread, NULL, flows_main, &s);
	for (unsigned int i = 0; i < 100; i++) {
		uint32_t seen;

		give_queues(&f, counts[i % 8]);
		cr_assert_eq(members().nr, counts[i % 8]);
		seen = __atomic_load_n(&f.got, __ATOMIC_ACQUIRE);
		flows_wait(&f, seen + 16 * FLOWS);
		cr_assert_geq(f.got, seen + 16 * FLOWS, "it stands still in step %u", i);
		busy += members().nr_busy > 1;
	}
	__atomic_store_n(&s.is_over, true, __ATOMIC_RELEASE);
	pthread_join(s.thread, NULL);
	flows_wait(&f, s.sent);
	cr_expect_eq(f.got, s.sent);
	cr_expect_eq(f.swapped, 0);
	cr_expect_geq(busy, 70, "%u of 75 times several had frames", busy);
	flows_bed_down(&f);
}

/* Members too, and the sorter's short ways come and go with it. */
Test(vmq_ports, queues_of_a_port_move_between_lcores_and_no_flow_loses_or_swaps, .timeout = 100)
{
	struct flows f = {0};
	struct flows_source s = {.to = &f};

	flows_bed_up(&f);
	give_queues(&f, 3);
	cr_assert_eq(vsw_start(sw), 0, "%s", err_text());
	pthread_create(&s.thread, NULL, flows_main, &s);
	for (uint16_t i = 0; i < 90; i++) {
		uint32_t seen = __atomic_load_n(&f.got, __ATOMIC_ACQUIRE);

		cr_assert_eq(vmq_queue_move(vmq, 1 + i % 3, i / 3 % 2), 0);
		flows_wait(&f, seen + 4 * FLOWS);
	}
	__atomic_store_n(&s.is_over, true, __ATOMIC_RELEASE);
	pthread_join(s.thread, NULL);
	flows_wait(&f, s.sent);
	cr_expect_eq(f.got, s.sent);
	cr_expect_eq(f.swapped, 0);
	flows_bed_down(&f);
}

/* ---- One queue of a port ---------------------------------------------------------------------- */

Test(vmq_ports, vmq_6_queues_come_move_and_go_200_times_and_nothing_is_lost_or_swapped)
{
	struct vsw_port_cfg pc = {.name = "a"};
	struct flows c = {0};
	struct flows_source s = {.to = &c};
	const uint64_t mac = MAC_A;
	uint32_t seen;

	bed_up(4, 2);
	memcpy(pc.mac, &mac, 6);
	cr_assert_eq(vsw_port_create(&c.port, sw, &pc, &flows_ops, &c), 0);
	cr_assert_eq(vsw_port_attach(c.port), 0);
	cr_assert_eq(vsw_start(sw), 0, "%s", err_text());
	pthread_create(&s.thread, NULL, flows_main, &s);
	for (unsigned int i = 0; i < 200; i++) {
		happens(&c, i);
		seen = __atomic_load_n(&c.got, __ATOMIC_ACQUIRE);
		flows_wait(&c, seen + 64);
		cr_assert_geq(c.got, seen + 64, "it stands still in step %u", i);
	}
	__atomic_store_n(&s.is_over, true, __ATOMIC_RELEASE);
	pthread_join(s.thread, NULL);
	flows_wait(&c, s.sent);
	cr_expect_eq(c.got, s.sent);
	cr_expect_eq(c.swapped, 0);
	vsw_stop(sw);
	vmq_detach(vmq);
	vmq_attach(vmq, up);
	vsw_port_destroy(c.port);
	bed_down();
}

Test(vmq_ports, vmq_10_a_queue_moves_between_lcores_under_traffic_without_swapping)
{
	struct vsw_port_cfg pc = {.name = "a"};
	struct flows c = {0};
	struct flows_source s = {.to = &c};
	const uint64_t mac = MAC_A;
	uint16_t q;

	bed_up(4, 2);
	memcpy(pc.mac, &mac, 6);
	cr_assert_eq(vsw_port_create(&c.port, sw, &pc, &flows_ops, &c), 0);
	cr_assert_eq(vsw_port_attach(c.port), 0);
	cr_assert_eq(vmq_port_add(vmq, c.port, &plain), 0);
	q = look("a").st.q;
	cr_assert_eq(vsw_start(sw), 0, "%s", err_text());
	pthread_create(&s.thread, NULL, flows_main, &s);
	for (uint16_t i = 0; i < 200; i++) {
		uint32_t seen = __atomic_load_n(&c.got, __ATOMIC_ACQUIRE);

		cr_assert_eq(vmq_queue_move(vmq, q, i % 2), 0);
		flows_wait(&c, seen + 64);
	}
	__atomic_store_n(&s.is_over, true, __ATOMIC_RELEASE);
	pthread_join(s.thread, NULL);
	flows_wait(&c, s.sent);
	cr_expect_eq(c.got, s.sent);
	cr_expect_eq(c.swapped, 0);
	cr_expect_geq(look("a").st.packets, 200 * 64);
	vsw_stop(sw);
	vmq_port_remove(vmq, c.port);
	vsw_port_destroy(c.port);
	bed_down();
}
