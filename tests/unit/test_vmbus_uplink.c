/* SPDX-License-Identifier: BSD-3-Clause */
/* The control server and switches that come, die, hang and lie. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/support/vmbus_guest.h"

TestSuite(vmbus_uplink, .fini = stop, .timeout = 60);

/* Waits for the server's timer, as long as it takes. */
static void pump_timer(void)
{
	struct pollfd p = {.fd = vmbus_server_fd(loop_server(l)), .events = POLLIN};

	poll(&p, 1, 10000);
	loop_pump(l);
}

/* ---- Switches that die -------------------------------------------------------------------- */

Test(vmbus_uplink, a_new_switch_takes_over_what_was_open)
{
	uint32_t relid = start_open(), vp;

	loop_interrupts(l, 1);
	loop_switch_kill(l);
	cr_assert_not(chan(relid).has_switch);
	cr_assert_eq(chan(relid).open, VMBUS_CH_OPEN);
	loop_switch_start(l, NULL, NULL, NULL);
	cr_assert(loop_mock(l)->peer->is_resumed);
	cr_assert_eq(loop_mock(l)->nr_resumed, 1);
	cr_assert_eq(loop_mock(l)->nr_fresh, 1);
	cr_assert_eq(vmbus_chan_info(loop_mock(l)->primary)->relid, relid);
	cr_assert_not_null(vmbus_chan_gpadl(loop_mock(l)->primary, RING));
	cr_assert_eq(next_type(), 0, "the guest hears nothing of it");
	for (vp = 0; vp < 2; vp++)
		cr_assert_eq(loop_interrupts(l, vp), vp == 1, "one interrupt where channels are");
	cr_assert_eq(loop_state(l)->chan[relid].generation, 1);
	cr_assert_eq(counters().switch_deaths, 1);
}

Test(vmbus_uplink, a_closed_socket_is_no_proof_of_death)
{
	uint32_t relid = start_open();

	loop_switch_unplug(l);
	cr_assert_not(vmbus_server_switch_dead(loop_server(l)));
	loop_close(l, relid);
	post_relid(VMBUS_MSG_UNLOAD, 0);
	cr_assert_eq(next_type(), 0, "it could still write");
	loop_switch_dies(l);
	cr_assert(vmbus_server_switch_dead(loop_server(l)));
	cr_assert_eq(next_type(), VMBUS_MSG_UNLOAD_RESPONSE);
}

Test(vmbus_uplink, a_socket_closed_by_a_living_switch_gets_it_killed)
{
	start((struct loop_cfg){.ack_timeout_ms = 20});
	loop_connect(l, VMBUS_V5_3);
	loop_switch_unplug(l);
	while (!loop_kills_wanted(l))
		pump_timer();
	cr_assert_not(vmbus_server_switch_dead(loop_server(l)));
	cr_assert_eq(loop_kills_wanted(l), 1);
}

Test(vmbus_uplink, the_next_switch_waits_for_the_death_of_the_last)
{
	uint32_t relid = start_open();
	struct vmbus_link_msg m;
	struct vmbus_link next;
	int fds[VMBUS_LINK_FDS_MAX];

	vmbus_link_init(&next, loop_raw_link(l));
	loop_switch_unplug(l);
	cr_assert_eq(vmbus_link_recv(&next, &m, fds), 0, "no HELLO yet");
	cr_assert(chan(relid).has_switch);
	loop_switch_dies(l);
	cr_assert_eq(vmbus_link_recv(&next, &m, fds), 1);
	cr_assert_eq(m.type, VMBUS_LINK_HELLO);
	cr_assert_eq(m.hello.is_resumed, 1);
	vmbus_link_fini(&next);
}

Test(vmbus_uplink, signalling_marks_of_a_dead_switch_are_wiped)
{
	start_open();
	loop_state(l)->lcore[2].signalling = 1;
	loop_switch_unplug(l);
	cr_assert_eq(loop_state(l)->lcore[2].signalling, 1);
	loop_switch_dies(l);
	cr_assert_eq(loop_state(l)->lcore[2].signalling, 0);
}

Test(vmbus_uplink, what_gives_memory_back_is_answered_without_a_switch)
{
	struct vmbus_msg_modify m = {.hdr.msgtype = VMBUS_MSG_MODIFY, .target_vp = 0};

	m.child_relid = start_open();
	loop_switch_kill(l);
	loop_post(l, &m, sizeof(m));
	cr_assert_eq(next_type(), VMBUS_MSG_MODIFY_RESPONSE);
	loop_close(l, m.child_relid);
	loop_teardown(l, m.child_relid, RING);
	cr_assert_eq(loop_connect(l, VMBUS_V5_3), 0, "no switch, no offers");
}

Test(vmbus_uplink, an_open_waits_for_the_next_switch)
{
	struct vmbus_msg_open m = {.hdr.msgtype = VMBUS_MSG_OPEN,
				   .openid = 77,
				   .ring_gpadl = RING,
				   .downstream_offset = PAGES / 2};
	struct vmbus_msg_open_result r;
	uint64_t pfn;

	start((struct loop_cfg){0});
	loop_connect(l, VMBUS_V5_3);
	m.child_relid = loop_offer(l, NIC, 0)->child_relid;
	pfn = loop_alloc(l, PAGES);
	cr_assert_eq(loop_gpadl(l, m.child_relid, RING, NULL, pfn, PAGES), 0);
	loop_switch_kill(l);
	loop_post(l, &m, sizeof(m));
	loop_gpadl_post(l, m.child_relid, RING + 1, NULL, pfn, PAGES);
	cr_assert_eq(next_type(), 0);
	loop_switch_start(l, NULL, NULL, NULL);
	loop_expect(l, VMBUS_MSG_GPADL_CREATED, buf);
	loop_expect(l, VMBUS_MSG_OPEN_RESULT, buf);
	memcpy(&r, buf, sizeof(r));
	cr_assert_eq(r.status, 0);
	cr_assert_eq(r.openid, 77);
	cr_assert_eq(loop_mock(l)->nr_fresh, 1);
	cr_assert_eq(loop_mock(l)->nr_resumed, 0);
}

static int nothing_up(void *ctx, struct vmbus_peer *peer)
{
	(void)ctx;
	(void)peer;
	return 0;
}

static void nothing_down(void *ctx, struct vmbus_peer *peer)
{
	(void)ctx;
	(void)peer;
}

static void nothing_quiesce(void *ctx)
{
	(void)ctx;
}

Test(vmbus_uplink, what_the_new_switch_does_not_offer_is_rescinded)
{
	static const struct vmbus_backend_ops none = {
		.peer_up = nothing_up, .peer_down = nothing_down, .quiesce = nothing_quiesce};
	uint32_t relid = start_open();

	loop_switch_kill(l);
	loop_switch_start(l, NULL, &none, NULL);
	cr_assert_eq(next_type(), VMBUS_MSG_RESCIND);
	cr_assert(chan(relid).is_rescinded);
	loop_release(l, relid);
	cr_assert_eq(chan(relid).relid, 0);
}

Test(vmbus_uplink, a_sub_channel_that_is_not_offered_again_is_rescinded_later)
{
	uint32_t sub;

	start((struct loop_cfg){.ack_timeout_ms = 20});
	loop_connect(l, VMBUS_V5_3);
	loop_mock_offer_sub(l, 1);
	sub = loop_offer(l, NIC, 1)->child_relid;
	while (next_type())
		;
	loop_switch_kill(l);
	loop_switch_start(l, NULL, NULL, NULL);
	while (!chan(sub).is_rescinded)
		pump_timer();
	cr_assert_eq(next_type(), VMBUS_MSG_RESCIND);
}

Test(vmbus_uplink, a_sub_channel_offered_again_keeps_its_relid)
{
	uint32_t sub;

	start_open();
	loop_mock_offer_sub(l, 1);
	sub = loop_offer(l, NIC, 1)->child_relid;
	loop_gpadl(l, sub, RING + 1, NULL, loop_alloc(l, PAGES), PAGES);
	loop_open(l, sub, RING + 1, PAGES / 2, 0);
	loop_switch_kill(l);
	loop_switch_start(l, NULL, NULL, NULL);
	loop_mock_offer_sub(l, 1);
	loop_pump(l);
	cr_assert_eq(loop_mock(l)->nr_resumed, 2);
	cr_assert_eq(vmbus_chan_info(loop_mock(l)->sub[1])->relid, sub);
	cr_assert_eq(next_type(), 0);
}

Test(vmbus_uplink, a_channel_that_cannot_be_taken_over_is_rescinded)
{
	uint32_t relid = start_open();

	loop_switch_kill(l);
	loop_mock(l)->open_rc = -EPROTO;
	loop_switch_start(l, NULL, NULL, NULL);
	cr_assert_eq(next_type(), VMBUS_MSG_RESCIND);
	cr_assert_str_eq(chan(relid).reason, "the mock refuses");
	loop_mock(l)->open_rc = 0;
	loop_release(l, relid);
	cr_assert_eq(loop_connect(l, VMBUS_V5_3), 1, "a new connection may try again");
}

/* ---- Switches that we play ourselves ------------------------------------------------------- */

static struct vmbus_link sw;
static int deadfd;

static struct vmbus_link_msg hear(enum vmbus_link_type type)
{
	int fds[VMBUS_LINK_FDS_MAX];
	struct vmbus_link_msg m;
	uint32_t i;

	loop_pump(l);
	cr_assert_eq(vmbus_link_recv(&sw, &m, fds), 1, "message %d should have come", type);
	for (i = 0; i < vmbus_link_nr_fds(&m); i++)
		close(fds[i]);
	cr_assert_eq(m.type, type);
	return m;
}

static void hear_nothing(void)
{
	int fds[VMBUS_LINK_FDS_MAX];
	struct vmbus_link_msg m;

	loop_pump(l);
	cr_assert_eq(vmbus_link_recv(&sw, &m, fds), 0);
}

static void ack(struct vmbus_link_msg m, int status)
{
	vmbus_link_ack(&sw, m.id, status, 0, status ? "no" : NULL);
	loop_pump(l);
}

/* A switch that offered one channel; the guest is connected. */
static void play_switch(uint32_t ack_timeout_ms)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_WELCOME};

	start((struct loop_cfg){.is_alone = true, .ack_timeout_ms = ack_timeout_ms});
	vmbus_link_init(&sw, loop_raw_link(l));
	deadfd = eventfd(0, EFD_NONBLOCK);
	m.id = hear(VMBUS_LINK_HELLO).id;
	vmbus_link_send(&sw, &m, &deadfd, 1);
	m = (struct vmbus_link_msg){.type = VMBUS_LINK_OFFER};
	m.offer.if_type = VMBUS_CLASS_NIC;
	vmbus_link_send(&sw, &m, NULL, 0);
	cr_assert_eq(hear(VMBUS_LINK_ACK).ack.relid, 1);
	cr_assert_eq(loop_connect(l, VMBUS_V5_3), 1);
}

static void play_open(void)
{
	struct vmbus_msg_open m = {.hdr.msgtype = VMBUS_MSG_OPEN,
				   .child_relid = 1,
				   .ring_gpadl = RING,
				   .downstream_offset = PAGES / 2};

	loop_gpadl_post(l, 1, RING, NULL, loop_alloc(l, PAGES), PAGES);
	ack(hear(VMBUS_LINK_GPADL_ADD), 0);
	loop_post(l, &m, sizeof(m));
	ack(hear(VMBUS_LINK_OPEN), 0);
	loop_expect(l, VMBUS_MSG_OPEN_RESULT, buf);
}

static void post_teardown(void)
{
	struct vmbus_msg_gpadl_teardown m = {
		.hdr.msgtype = VMBUS_MSG_GPADL_TEARDOWN, .child_relid = 1, .gpadl = RING};

	loop_post(l, &m, sizeof(m));
}

Test(vmbus_uplink, the_guest_is_answered_only_after_the_switch)
{
	struct vmbus_link_msg m;

	play_switch(0);
	play_open();
	post_relid(VMBUS_MSG_CLOSE, 1);
	post_teardown();
	m = hear(VMBUS_LINK_CLOSE);
	hear_nothing();
	ack(m, 0);
	m = hear(VMBUS_LINK_GPADL_DEL);
	cr_assert_eq(next_type(), 0);
	ack(m, 0);
	cr_assert_eq(next_type(), VMBUS_MSG_GPADL_TORNDOWN);
	post_relid(VMBUS_MSG_UNLOAD, 0);
	m = hear(VMBUS_LINK_RESET);
	cr_assert_eq(next_type(), 0);
	ack(m, 0);
	cr_assert_eq(next_type(), VMBUS_MSG_UNLOAD_RESPONSE);
}

Test(vmbus_uplink, a_vp_never_waits_for_a_silent_switch)
{
	int i;

	play_switch(0);
	play_open();
	post_relid(VMBUS_MSG_CLOSE, 1);
	hear(VMBUS_LINK_CLOSE);
	for (i = 0; i < 256; i++)
		post_relid(VMBUS_MSG_CLOSE, 1);
	cr_assert_eq(loop_post(l, buf, 8), VMBUS_POST_NO_BUFFERS);
}

Test(vmbus_uplink, a_silent_switch_is_to_be_killed_and_then_its_debts_are_paid)
{
	play_switch(20);
	play_open();
	post_relid(VMBUS_MSG_CLOSE, 1);
	post_teardown();
	hear(VMBUS_LINK_CLOSE);
	while (!loop_kills_wanted(l))
		pump_timer();
	cr_assert_eq(next_type(), 0, "it is not dead yet");
	vmbus_link_fini(&sw);
	loop_pump(l);
	cr_assert_eq(next_type(), 0, "still not");
	eventfd_write(deadfd, 1);
	cr_assert_eq(next_type(), VMBUS_MSG_GPADL_TORNDOWN);
	cr_assert_eq(loop_kills_wanted(l), 1);
}

Test(vmbus_uplink, what_a_switch_said_before_its_death_counts)
{
	struct vmbus_link_msg m;

	play_switch(0);
	loop_gpadl_post(l, 1, RING, NULL, loop_alloc(l, PAGES), PAGES);
	m = hear(VMBUS_LINK_GPADL_ADD);
	vmbus_link_ack(&sw, m.id, 0, 0, NULL);
	eventfd_write(deadfd, 1);
	vmbus_link_fini(&sw);
	cr_assert_eq(next_type(), VMBUS_MSG_GPADL_CREATED);
}

Test(vmbus_uplink, a_switch_that_answers_out_of_order_is_to_be_killed)
{
	play_switch(0);
	loop_gpadl_post(l, 1, RING, NULL, loop_alloc(l, PAGES), PAGES);
	hear(VMBUS_LINK_GPADL_ADD);
	vmbus_link_ack(&sw, 4711, 0, 0, NULL);
	loop_pump(l);
	cr_assert_eq(loop_kills_wanted(l), 1);
	cr_assert_not(vmbus_server_switch_dead(loop_server(l)));
}

Test(vmbus_uplink, a_switch_that_lets_us_go_is_as_good_as_dead)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_ERROR};

	play_switch(0);
	play_open();
	strcpy(m.error.text, "the switch stops");
	vmbus_link_send(&sw, &m, NULL, 0);
	loop_pump(l);
	cr_assert(vmbus_server_switch_dead(loop_server(l)));
	cr_assert_eq(loop_kills_wanted(l), 0);
	cr_assert_eq(chan(1).open, VMBUS_CH_OPEN, "it waits for the next switch");
}

Test(vmbus_uplink, a_switch_lost_before_its_welcome_harms_nobody)
{
	start((struct loop_cfg){.is_alone = true});
	close(loop_raw_link(l));
	loop_pump(l);
	cr_assert(vmbus_server_switch_dead(loop_server(l)));
	cr_assert_eq(loop_connect(l, VMBUS_V5_3), 0);
	loop_switch_start(l, NULL, NULL, NULL);
	cr_assert_not_null(loop_offer(l, NIC, 0), "offered as soon as there is a switch");
}

Test(vmbus_uplink, a_vp_that_waits_makes_the_switch_give_a_sign_of_life)
{
	play_switch(0);
	hear_nothing();
	cr_assert_not(vmbus_server_switch_dead(loop_server(l)));
	ack(hear(VMBUS_LINK_PING), 0);
	hear_nothing();
	eventfd_write(deadfd, 1);
	loop_pump(l);
	cr_assert(vmbus_server_switch_dead(loop_server(l)));
}

Test(vmbus_uplink, offers_that_make_no_sense_are_refused)
{
	struct vmbus_link_msg m = {.type = VMBUS_LINK_OFFER};
	uint32_t i;

	play_switch(0);
	m.offer.if_type = VMBUS_CLASS_NIC;
	vmbus_link_send(&sw, &m, NULL, 0);
	cr_assert_eq(hear(VMBUS_LINK_ACK).ack.status, -EEXIST);
	m.offer.sub_index = 1;
	m.offer.if_instance.data1 = 99;
	m.id = 0;
	vmbus_link_send(&sw, &m, NULL, 0);
	cr_assert_eq(hear(VMBUS_LINK_ACK).ack.status, -EINVAL, "a sub-channel of nothing");
	m.offer.sub_index = 0;
	for (i = 2; i < 64; i++, m.offer.if_instance.data1++) {
		m.id = 0;
		vmbus_link_send(&sw, &m, NULL, 0);
		cr_assert_eq(hear(VMBUS_LINK_ACK).ack.relid, i);
	}
	m.id = 0;
	vmbus_link_send(&sw, &m, NULL, 0);
	cr_assert_eq(hear(VMBUS_LINK_ACK).ack.status, -ENOSPC);
}

Test(vmbus_uplink, a_rescind_in_flight_with_an_open_ends_both)
{
	struct vmbus_msg_open o = {.hdr.msgtype = VMBUS_MSG_OPEN,
				   .child_relid = 1,
				   .ring_gpadl = RING,
				   .downstream_offset = PAGES / 2};
	struct vmbus_link_msg m, r = {.type = VMBUS_LINK_RESCIND, .chan = {.relid = 1}};

	play_switch(0);
	loop_gpadl_post(l, 1, RING, NULL, loop_alloc(l, PAGES), PAGES);
	ack(hear(VMBUS_LINK_GPADL_ADD), 0);
	loop_expect(l, VMBUS_MSG_GPADL_CREATED, buf);
	loop_post(l, &o, sizeof(o));
	m = hear(VMBUS_LINK_OPEN);
	vmbus_link_send(&sw, &r, NULL, 0);
	hear(VMBUS_LINK_ACK);
	ack(m, -ENOENT);
	cr_assert_eq(next_type(), VMBUS_MSG_OPEN_RESULT);
	cr_assert_eq(next_type(), VMBUS_MSG_RESCIND);
	cr_assert_eq(next_type(), 0);
	loop_release(l, 1);
	cr_assert_eq(chan(1).relid, 0);
}
