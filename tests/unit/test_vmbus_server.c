/* SPDX-License-Identifier: BSD-3-Clause */
/* The control server, as a guest sees it: contact, channels, GPADLs, and what it is refused. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "tests/support/vmbus_guest.h"

TestSuite(vmbus_server, .fini = stop, .timeout = 60);

static uint32_t try_version(uint32_t version, uint32_t target_vp)
{
	struct vmbus_msg_initiate_contact m = {.hdr.msgtype = VMBUS_MSG_INITIATE_CONTACT,
					       .version = version,
					       .target_vp = target_vp};
	struct vmbus_msg_version_response r;

	loop_post(l, &m, sizeof(m));
	loop_expect(l, VMBUS_MSG_VERSION_RESPONSE, buf);
	memcpy(&r, buf, sizeof(r));
	return r.version_supported ? r.msg_conn_id : 0;
}

/* ---- Contact ------------------------------------------------------------------------------ */

Test(vmbus_server, speaks_2_4_to_5_3_and_refuses_the_rest)
{
	static const uint32_t known[] = {VMBUS_V2_4, VMBUS_V3_0, VMBUS_V4_0, VMBUS_V4_1,
					 VMBUS_V5_0, VMBUS_V5_1, VMBUS_V5_2, VMBUS_V5_3};
	static const uint32_t strange[] = {0, 0x0000000d, 0x00010001, 0x00060000, 0xffffffff};
	size_t i;

	start((struct loop_cfg){0});
	for (i = 0; i < 8; i++)
		cr_assert_eq(try_version(known[i], 0),
			     known[i] >= VMBUS_V5_0 ? VMBUS_MSG_CONN_ID_V5 : known[i]);
	for (i = 0; i < 5; i++)
		cr_assert_eq(try_version(strange[i], 0), 0, "0x%x", strange[i]);
}

Test(vmbus_server, refuses_what_the_configuration_does_not_allow)
{
	start((struct loop_cfg){.max_version = VMBUS_V4_1});
	cr_assert_eq(try_version(VMBUS_V4_1, 0), VMBUS_V4_1);
	cr_assert_eq(try_version(VMBUS_V5_0, 0), 0);
	cr_assert_eq(vmbus_server_post(loop_server(l), 0, 4, 1, buf, 40),
		     VMBUS_POST_BAD_CONNECTION);
}

Test(vmbus_server, refuses_a_message_target_that_is_no_vp)
{
	start((struct loop_cfg){.nr_vps = 2});
	cr_assert_eq(try_version(VMBUS_V5_3, 2), 0);
	cr_assert_eq(try_version(VMBUS_V5_3, 1), 4);
}

Test(vmbus_server, refuses_monitor_pages_that_are_not_memory)
{
	struct vmbus_msg_initiate_contact m = {.hdr.msgtype = VMBUS_MSG_INITIATE_CONTACT,
					       .version = VMBUS_V5_3,
					       .monitor_page1 = 0x1000,
					       .monitor_page2 = 1ull << 50};
	struct vmbus_msg_version_response r;

	start((struct loop_cfg){0});
	loop_post(l, &m, sizeof(m));
	loop_expect(l, VMBUS_MSG_VERSION_RESPONSE, buf);
	memcpy(&r, buf, sizeof(r));
	cr_assert_eq(r.version_supported, 0);
}

Test(vmbus_server, hypercall_status_tells_what_is_wrong_with_a_post)
{
	struct vmbus_server *s;
	int i;

	start((struct loop_cfg){0});
	s = loop_server(l);
	cr_assert_eq(vmbus_server_post(s, 0, 7, 1, buf, 40), VMBUS_POST_BAD_CONNECTION);
	cr_assert_eq(vmbus_server_post(s, 0, 1, 2, buf, 40), VMBUS_POST_BAD_PARAMETER);
	cr_assert_eq(vmbus_server_post(s, 0, 1, 1, buf, 241), VMBUS_POST_BAD_PARAMETER);
	cr_assert_eq(vmbus_server_post(s, 0, 1, 1, buf, 7), VMBUS_POST_BAD_PARAMETER);
	cr_assert_eq(vmbus_server_post(s, 9, 1, 1, buf, 40), VMBUS_POST_BAD_PARAMETER);
	for (i = 0; i < 256; i++)
		cr_assert_eq(vmbus_server_post(s, 0, 1, 1, buf, 40), VMBUS_POST_OK);
	cr_assert_eq(vmbus_server_post(s, 0, 1, 1, buf, 40), VMBUS_POST_NO_BUFFERS);
	cr_assert_eq(counters().posts_refused, 1);
	loop_pump(l);
	cr_assert_eq(counters().messages, 256);
	cr_assert_eq(counters().unknown, 256, "type 0 is nobody's");
}

Test(vmbus_server, a_second_contact_starts_anew)
{
	uint32_t relid = start_open();

	cr_assert_eq(loop_connect(l, VMBUS_V5_3), 1);
	cr_assert_eq(loop_mock(l)->nr_closed, 1);
	cr_assert_eq(loop_mock(l)->nr_gpadls_gone, 1);
	cr_assert_eq(chan(relid).open, VMBUS_CH_CLOSED);
	cr_assert_eq(chan(relid).nr_gpadls, 0);
	cr_assert_eq(counters().resets, 1);
	cr_assert_eq(loop_gpadl(l, relid, RING, NULL, loop_alloc(l, PAGES), PAGES), 0);
	cr_assert_eq(loop_open(l, relid, RING, PAGES / 2, 0), 0);
}

Test(vmbus_server, unload_is_answered_when_the_switch_let_go)
{
	start_open();
	post_relid(VMBUS_MSG_UNLOAD, 0);
	cr_assert_eq(next_type(), VMBUS_MSG_UNLOAD_RESPONSE);
	cr_assert_eq(loop_mock(l)->nr_closed, 1);
	post_relid(VMBUS_MSG_REQUEST_OFFERS, 0);
	cr_assert_eq(next_type(), 0, "not connected any more");
	cr_assert_eq(counters().malformed, 1);
	post_relid(VMBUS_MSG_UNLOAD, 0);
	cr_assert_eq(next_type(), VMBUS_MSG_UNLOAD_RESPONSE);
}

/* From two threads at once, while the server takes them out: all that was accepted is counted. */
#define POSTS 2000u

static void *poster(void *arg)
{
	uint32_t *accepted = arg, i;
	uint8_t m[8] = {99};

	for (i = 0; i < POSTS; i++)
		*accepted += loop_post(l, m, sizeof(m)) == VMBUS_POST_OK;
	return NULL;
}

Test(vmbus_server, several_vps_may_post_at_once)
{
	uint32_t accepted[2] = {0};
	pthread_t t[2];
	int i;

	start((struct loop_cfg){0});
	for (i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, poster, &accepted[i]);
	while (counters().messages + counters().posts_refused < 2 * POSTS)
		loop_pump(l);
	for (i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	loop_pump(l);
	cr_assert_eq(counters().messages, accepted[0] + accepted[1]);
	cr_assert_eq(counters().unknown, counters().messages);
}

/* ---- Channels ----------------------------------------------------------------------------- */

Test(vmbus_server, an_offer_says_what_the_guest_needs)
{
	const struct vmbus_msg_offer *o;

	start((struct loop_cfg){0});
	loop_connect(l, VMBUS_V5_3);
	o = loop_offer(l, NIC, 0);
	cr_assert_eq(o->child_relid, 1);
	cr_assert_eq(o->connection_id, 0x2001);
	cr_assert_eq(o->is_dedicated_interrupt, 1);
	cr_assert_eq(o->monitor_allocated, 0);
	cr_assert_eq(o->flags, 0);
}

Test(vmbus_server, asking_for_offers_again_gets_only_the_end_mark)
{
	start((struct loop_cfg){0});
	loop_connect(l, VMBUS_V5_3);
	post_relid(VMBUS_MSG_REQUEST_OFFERS, 0);
	cr_assert_eq(next_type(), VMBUS_MSG_ALL_OFFERS_DELIVERED);
	cr_assert_eq(next_type(), 0);
}

Test(vmbus_server, an_open_that_cannot_be_is_refused)
{
	uint32_t relid, odd = 7;

	start((struct loop_cfg){0});
	loop_connect(l, VMBUS_V5_3);
	relid = loop_offer(l, NIC, 0)->child_relid;
	cr_assert_neq(loop_open(l, relid, RING, 32, 0), 0, "no GPADL");
	cr_assert_eq(loop_gpadl(l, relid, RING, NULL, loop_alloc(l, PAGES), PAGES), 0);
	cr_assert_eq(loop_gpadl(l, relid, odd, NULL, loop_alloc(l, 3), 3), 0);
	cr_assert_neq(loop_open(l, relid, RING, 0, 0), 0, "no ring to the host");
	cr_assert_neq(loop_open(l, relid, RING, 1, 0), 0, "control page only");
	cr_assert_neq(loop_open(l, relid, RING, PAGES, 0), 0, "no ring to the guest");
	cr_assert_neq(loop_open(l, relid, RING, PAGES - 1, 0), 0);
	cr_assert_neq(loop_open(l, relid, RING, 0xffffffff, 0), 0);
	cr_assert_neq(loop_open(l, relid, odd, 2, 0), 0);
	cr_assert_neq(loop_open(l, relid, RING, 32, 2), 0, "no such VP");
	cr_assert_neq(loop_open(l, relid + 1, RING, 32, 0), 0, "no such channel");
	cr_assert_neq(loop_open(l, 0, RING, 32, 0), 0);
	cr_assert_neq(loop_open(l, 0xffffffff, RING, 32, 0), 0);
	cr_assert_eq(loop_mock(l)->nr_fresh, 0);
	cr_assert_eq(loop_open(l, relid, RING, 32, VMBUS_VP_NONE), 0);
	cr_assert_neq(loop_open(l, relid, RING, 32, 0), 0, "it is open");
	cr_assert_gt(strlen(chan(relid).reason), 0);
}

Test(vmbus_server, an_open_that_the_device_refuses_can_be_tried_again)
{
	uint32_t relid;

	start((struct loop_cfg){0});
	loop_connect(l, VMBUS_V5_3);
	relid = loop_offer(l, NIC, 0)->child_relid;
	loop_gpadl(l, relid, RING, NULL, loop_alloc(l, PAGES), PAGES);
	loop_mock(l)->open_rc = -ENOMEM;
	cr_assert_neq(loop_open(l, relid, RING, 32, 0), 0);
	cr_assert_str_eq(chan(relid).reason, "the mock refuses");
	loop_mock(l)->open_rc = 0;
	cr_assert_eq(loop_open(l, relid, RING, 32, 0), 0);
	cr_assert_str_eq(chan(relid).reason, "");
}

Test(vmbus_server, a_ring_is_torn_down_only_after_the_close)
{
	struct vmbus_msg_gpadl_teardown m = {.hdr.msgtype = VMBUS_MSG_GPADL_TEARDOWN,
					     .gpadl = RING};
	uint32_t relid = start_open();

	m.child_relid = relid;
	loop_post(l, &m, sizeof(m));
	cr_assert_eq(next_type(), 0);
	loop_post(l, &m, sizeof(m));
	cr_assert_eq(next_type(), 0, "once is enough");
	loop_close(l, relid);
	cr_assert_eq(next_type(), VMBUS_MSG_GPADL_TORNDOWN);
	cr_assert_eq(next_type(), 0);
	cr_assert_eq(loop_mock(l)->nr_closed, 1);
	cr_assert_eq(loop_mock(l)->last_gone, RING);
}

Test(vmbus_server, a_teardown_of_nothing_is_answered)
{
	start((struct loop_cfg){0});
	loop_connect(l, VMBUS_V5_3);
	loop_teardown(l, 1, 0x1234);
	loop_teardown(l, 50, 0x1234);
	cr_assert_eq(counters().faults, 2);
}

Test(vmbus_server, a_close_and_an_open_without_teardown_reuse_the_ring)
{
	uint32_t relid = start_open(), i;

	for (i = 0; i < 5; i++) {
		loop_close(l, relid);
		cr_assert_eq(loop_open(l, relid, RING, PAGES / 2, 0), 0);
	}
	cr_assert_eq(loop_mock(l)->nr_fresh, 6);
	cr_assert_eq(loop_mock(l)->nr_closed, 5);
	cr_assert_eq(loop_state(l)->chan[relid].generation, 6);
}

Test(vmbus_server, modify_moves_the_interrupt_and_is_answered_from_5_3_on)
{
	struct vmbus_msg_modify m = {.hdr.msgtype = VMBUS_MSG_MODIFY, .target_vp = 0};
	struct vmbus_msg_modify_response r;
	unsigned int quiesced;

	m.child_relid = start_open();
	quiesced = loop_mock(l)->nr_quiesced;
	loop_post(l, &m, sizeof(m));
	loop_expect(l, VMBUS_MSG_MODIFY_RESPONSE, buf);
	memcpy(&r, buf, sizeof(r));
	cr_assert_eq(r.status, 0);
	cr_assert_eq(chan(m.child_relid).target_vp, 0);
	cr_assert_eq(vmbus_chan_info(loop_mock(l)->primary)->target_vp, 0);
	cr_assert_gt(loop_mock(l)->nr_quiesced, quiesced);
	m.target_vp = 9;
	loop_post(l, &m, sizeof(m));
	loop_expect(l, VMBUS_MSG_MODIFY_RESPONSE, buf);
	memcpy(&r, buf, sizeof(r));
	cr_assert_neq(r.status, 0);
	cr_assert_eq(chan(m.child_relid).target_vp, 0);
}

Test(vmbus_server, modify_before_5_3_has_no_answer)
{
	struct vmbus_msg_modify m = {.hdr.msgtype = VMBUS_MSG_MODIFY, .target_vp = 1};

	start((struct loop_cfg){0});
	loop_connect(l, VMBUS_V4_1);
	m.child_relid = loop_offer(l, NIC, 0)->child_relid;
	loop_gpadl(l, m.child_relid, RING, NULL, loop_alloc(l, PAGES), PAGES);
	loop_open(l, m.child_relid, RING, 32, 0);
	loop_post(l, &m, sizeof(m));
	cr_assert_eq(next_type(), 0);
	cr_assert_eq(chan(m.child_relid).target_vp, 1);
}

Test(vmbus_server, sub_channels_end_with_their_primary)
{
	uint32_t relid = start_open(), sub;

	loop_mock_offer_sub(l, 1);
	sub = loop_offer(l, NIC, 1)->child_relid;
	cr_assert_neq(sub, relid);
	cr_assert_eq(loop_gpadl(l, sub, RING + 1, NULL, loop_alloc(l, PAGES), PAGES), 0);
	cr_assert_eq(loop_open(l, sub, RING + 1, PAGES / 2, 0), 0);
	loop_close(l, relid);
	loop_expect(l, VMBUS_MSG_RESCIND, buf);
	cr_assert_eq(loop_mock(l)->nr_closed, 2);
	cr_assert(chan(sub).is_rescinded);
	loop_close(l, sub);
	loop_release(l, sub);
	cr_assert_eq(chan(sub).relid, 0, "the relid is free again");
	cr_assert_eq(counters().faults, 0);
}

Test(vmbus_server, a_relid_stays_reserved_until_the_guest_released_it)
{
	uint32_t first, second;

	start_open();
	loop_mock_offer_sub(l, 1);
	first = loop_offer(l, NIC, 1)->child_relid;
	vmbus_chan_rescind(loop_mock(l)->sub[1]);
	loop_pump(l);
	loop_mock_offer_sub(l, 1);
	second = loop_offer(l, NIC, 1)->child_relid;
	cr_assert_neq(first, second);
	loop_release(l, first);
	vmbus_chan_rescind(loop_mock(l)->sub[1]);
	loop_pump(l);
	loop_mock_offer_sub(l, 1);
	cr_assert_eq(loop_offer(l, NIC, 1)->child_relid, first);
	loop_release(l, first);
	cr_assert_eq(counters().faults, 1, "it is in use, so there was nothing to release");
}

Test(vmbus_server, a_rescinded_channel_owes_nothing)
{
	struct vmbus_msg_gpadl_teardown m = {.hdr.msgtype = VMBUS_MSG_GPADL_TEARDOWN,
					     .gpadl = RING};
	uint32_t relid = start_open();

	m.child_relid = relid;
	loop_post(l, &m, sizeof(m));
	loop_pump(l);
	vmbus_chan_rescind(loop_mock(l)->primary);
	cr_assert_eq(next_type(), VMBUS_MSG_GPADL_TORNDOWN, "before the rescind");
	cr_assert_eq(next_type(), VMBUS_MSG_RESCIND);
	cr_assert_eq(loop_mock(l)->nr_closed, 1);
	loop_close(l, relid);
	loop_teardown(l, relid, RING);
	cr_assert_neq(loop_open(l, relid, RING, 32, 0), 0);
	loop_release(l, relid);
	cr_assert_eq(chan(relid).relid, 0);
	cr_assert_neq(loop_gpadl(l, relid, RING, NULL, loop_alloc(l, 4), 4), 0);
	cr_assert_eq(counters().faults, 1, "only what came after the release");
}

Test(vmbus_server, a_channel_that_broke_the_ring_protocol_goes_with_a_reason)
{
	uint32_t relid = start_open();

	vmbus_chan_fault(loop_mock(l)->primary, "write index 12 is no place in the ring");
	cr_assert_eq(next_type(), VMBUS_MSG_RESCIND);
	cr_assert(chan(relid).is_rescinded);
	cr_assert_str_eq(chan(relid).reason, "write index 12 is no place in the ring");
	cr_assert_eq(counters().faults, 1);
}

Test(vmbus_server, messages_too_short_or_unknown_are_counted_only)
{
	uint32_t type;

	start((struct loop_cfg){0});
	loop_connect(l, VMBUS_V5_3);
	for (type = 0; type < 40; type++) {
		memset(buf, 0, sizeof(buf));
		memcpy(buf, &type, 4);
		if (type != VMBUS_MSG_REQUEST_OFFERS && type != VMBUS_MSG_UNLOAD &&
		    type != VMBUS_MSG_INITIATE_CONTACT)
			loop_post(l, buf, 8);
	}
	cr_assert_eq(next_type(), 0);
	cr_assert_eq(counters().malformed, 7);
	cr_assert_eq(counters().unknown, 40 - 3 - 7);
}

/* ---- GPADLs ------------------------------------------------------------------------------- */

Test(vmbus_server, two_gpadls_of_16_mib_may_come_one_after_the_other_unanswered)
{
	uint32_t relid, i;
	uint64_t a, b;

	start((struct loop_cfg){0});
	loop_connect(l, VMBUS_V5_3);
	relid = loop_offer(l, NIC, 0)->child_relid;
	a = loop_alloc(l, 4096);
	b = loop_alloc(l, 4096);
	loop_gpadl_post(l, relid, 1, NULL, a, 4096);
	loop_gpadl_post(l, relid, 2, NULL, b, 4096);
	for (i = 0; i < 2; i++) {
		struct vmbus_msg_gpadl_created r;

		loop_expect(l, VMBUS_MSG_GPADL_CREATED, buf);
		memcpy(&r, buf, sizeof(r));
		cr_assert_eq(r.status, 0);
	}
	loop_teardown(l, relid, 1);
	loop_teardown(l, relid, 2);
	cr_assert_eq(loop_mock(l)->nr_gpadls_gone, 2);
}

Test(vmbus_server, a_gpadl_outside_of_memory_is_refused)
{
	uint64_t pfns[3] = {20, 21, 0xfffffffffffffull};
	uint32_t relid;

	start((struct loop_cfg){0});
	loop_connect(l, VMBUS_V5_3);
	relid = loop_offer(l, NIC, 0)->child_relid;
	cr_assert_neq(loop_gpadl(l, relid, 5, pfns, 0, 3), 0);
	pfns[2] = LOOP_MEM_DEFAULT / 4096;
	cr_assert_neq(loop_gpadl(l, relid, 5, pfns, 0, 3), 0);
	pfns[2]--;
	cr_assert_eq(loop_gpadl(l, relid, 5, pfns, 0, 3), 0);
	cr_assert_neq(loop_gpadl(l, relid, 5, pfns, 0, 3), 0, "the handle is in use");
}

Test(vmbus_server, the_pages_of_all_gpadls_are_bounded)
{
	uint32_t relid;

	start((struct loop_cfg){.gpadl_pages_max = 100});
	loop_connect(l, VMBUS_V5_3);
	relid = loop_offer(l, NIC, 0)->child_relid;
	cr_assert_eq(loop_gpadl(l, relid, 1, NULL, 16, 60), 0);
	cr_assert_neq(loop_gpadl(l, relid, 2, NULL, 16, 41), 0);
	cr_assert_eq(loop_gpadl(l, relid, 3, NULL, 16, 40), 0);
	loop_teardown(l, relid, 1);
	cr_assert_eq(loop_gpadl(l, relid, 2, NULL, 16, 41), 0);
}

Test(vmbus_server, the_number_of_gpadls_is_bounded)
{
	uint32_t relid, h;

	start((struct loop_cfg){0});
	loop_connect(l, VMBUS_V5_3);
	relid = loop_offer(l, NIC, 0)->child_relid;
	for (h = 1; h <= 64; h++)
		cr_assert_eq(loop_gpadl(l, relid, h, NULL, 16, 1), 0);
	cr_assert_neq(loop_gpadl(l, relid, h, NULL, 16, 1), 0);
}

Test(vmbus_server, a_gpadl_that_is_never_finished_is_refused_in_the_end)
{
	struct vmbus_msg_gpadl_header h = {.hdr.msgtype = VMBUS_MSG_GPADL_HEADER,
					   .child_relid = 1,
					   .gpadl = 5,
					   .range_buflen = 8 + 8 * 30,
					   .rangecount = 1};
	struct vmbus_gpa_range r = {.byte_count = 30 * 4096};
	struct pollfd p = {.events = POLLIN};

	start((struct loop_cfg){.gpadl_timeout_ms = 20});
	loop_connect(l, VMBUS_V5_3);
	memcpy(buf, &h, sizeof(h));
	memcpy(buf + sizeof(h), &r, sizeof(r));
	loop_post(l, buf, 28);
	loop_pump(l);
	p.fd = vmbus_server_fd(loop_server(l));
	cr_assert_eq(poll(&p, 1, 10000), 1, "the server has a timer for it");
	cr_assert_eq(next_type(), VMBUS_MSG_GPADL_CREATED);
	cr_assert_eq(counters().faults, 1);
}
