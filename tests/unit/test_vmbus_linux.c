/* SPDX-License-Identifier: BSD-3-Clause */
/* The control server as Linux 6.1 and 6.12 use it: the order, the sizes and the connection ids of
 * their messages, for each protocol version; devices that come and go; panic and kexec. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "tests/support/vmbus_guest.h"

TestSuite(vmbus_linux, .fini = stop, .timeout = 60);

/* Linux's order. */
static const uint32_t tried[] = {VMBUS_V5_3, VMBUS_V5_2, VMBUS_V5_1, VMBUS_V5_0,
				 VMBUS_V4_1, VMBUS_V4_0, VMBUS_V3_0, VMBUS_V2_4};
#define NR_TRIED (sizeof(tried) / sizeof(tried[0]))

static uint32_t conn;

static int post_at(uint32_t vp, const void *m, size_t len)
{
	return vmbus_server_post(loop_server(l), vp, conn, VMBUS_MSG_TYPE_CHANNEL, m, len);
}

static void post(const void *m, size_t len)
{
	cr_assert_eq(post_at(0, m, len), VMBUS_POST_OK);
}

static void post_bare(uint32_t vp, enum vmbus_msgtype type)
{
	struct vmbus_msg_hdr m = {.msgtype = type};

	cr_assert_eq(post_at(vp, &m, sizeof(m)), VMBUS_POST_OK);
}

static void hear(enum vmbus_msgtype type, size_t len, uint32_t vp)
{
	cr_assert_eq(loop_next_msg(l, buf), len, "message %u", (unsigned int)type);
	cr_assert_eq(*(uint32_t *)(void *)buf, (uint32_t)type);
	cr_assert_eq(loop_msg_vp(l), vp);
}

/* INITIATE_CONTACT, as the CPU with @vp sends it. True when this version is spoken. */
static bool contact(uint32_t version, uint32_t vp)
{
	struct vmbus_msg_initiate_contact m = {.hdr.msgtype = VMBUS_MSG_INITIATE_CONTACT,
					       .version = version,
					       .target_vp = version >= VMBUS_V3_0 ? vp : 0,
					       .monitor_page1 = 3 * 4096,
					       .monitor_page2 = 4 * 4096};
	struct vmbus_msg_version_response r;
	int rc;

	if (version >= VMBUS_V5_0)
		m.msg_sint = VMBUS_SINT;
	else
		m.interrupt_page = 5 * 4096;
	conn = version >= VMBUS_V5_0 ? VMBUS_MSG_CONN_ID_V5 : VMBUS_MSG_CONN_ID;
	rc = post_at(vp, &m, sizeof(m));
	if (rc == VMBUS_POST_BAD_CONNECTION)
		return false; /* the only status after which it tries the next at once */
	cr_assert_eq(rc, VMBUS_POST_OK);
	hear(VMBUS_MSG_VERSION_RESPONSE, 16, version >= VMBUS_V3_0 ? vp : 0);
	memcpy(&r, buf, sizeof(r));
	if (version >= VMBUS_V5_0 && r.version_supported)
		conn = r.msg_conn_id;
	return r.version_supported;
}

static uint32_t negotiate(uint32_t vp)
{
	size_t i = 0;

	while (i < NR_TRIED && !contact(tried[i], vp))
		i++;
	cr_assert_lt(i, NR_TRIED);
	return tried[i];
}

/* The netvsc ring: 256 pages, so 26 PFNs in the header and 28 in each body. */
static void make_gpadl(uint32_t relid, uint32_t handle, uint64_t pfn, uint32_t pages, uint32_t vp)
{
	struct vmbus_msg_gpadl_created r;

	loop_gpadl_post(l, relid, handle, NULL, pfn, pages);
	hear(VMBUS_MSG_GPADL_CREATED, 20, vp);
	memcpy(&r, buf, sizeof(r));
	cr_assert_eq(r.child_relid, relid);
	cr_assert_eq(r.gpadl, handle);
	cr_assert_eq(r.status, 0);
}

static uint32_t open_chan(uint32_t relid, uint32_t handle, uint32_t split, uint32_t vp)
{
	struct vmbus_msg_open m = {.hdr.msgtype = VMBUS_MSG_OPEN,
				   .child_relid = relid,
				   .openid = relid,
				   .ring_gpadl = handle,
				   .target_vp = 1,
				   .downstream_offset = split};
	struct vmbus_msg_open_result r;

	post(&m, sizeof(m));
	hear(VMBUS_MSG_OPEN_RESULT, 20, vp);
	memcpy(&r, buf, sizeof(r));
	cr_assert_eq(r.openid, relid);
	return r.status;
}

static void teardown(uint32_t relid, uint32_t handle)
{
	struct vmbus_msg_gpadl_teardown m = {
		.hdr.msgtype = VMBUS_MSG_GPADL_TEARDOWN, .child_relid = relid, .gpadl = handle};

	post(&m, sizeof(m));
}

static void modify(uint32_t relid, uint32_t target)
{
	struct vmbus_msg_modify m = {
		.hdr.msgtype = VMBUS_MSG_MODIFY, .child_relid = relid, .target_vp = target};

	post(&m, sizeof(m));
}

static void close_chan(uint32_t relid)
{
	struct vmbus_msg_relid m = {.hdr.msgtype = VMBUS_MSG_CLOSE, .child_relid = relid};

	post(&m, sizeof(m));
}

static uint32_t take_offers(uint32_t vp)
{
	struct vmbus_msg_offer o;

	post_bare(vp, VMBUS_MSG_REQUEST_OFFERS);
	hear(VMBUS_MSG_OFFER, 196, vp);
	memcpy(&o, buf, sizeof(o));
	cr_assert_eq(o.is_dedicated_interrupt, 1, "the interrupt page is not used");
	cr_assert_eq(o.connection_id, VMBUS_EVENT_CONN_BASE | o.child_relid);
	hear(VMBUS_MSG_ALL_OFFERS_DELIVERED, 8, vp);
	return o.child_relid;
}

/* The order of the whole life; messages go to VP 1 from version 3.0 on. */
static void live(uint32_t version)
{
	const uint32_t vp = version >= VMBUS_V3_0 ? 1 : 0;
	const uint64_t ring = loop_alloc(l, 256), recv = loop_alloc(l, 4096);
	uint32_t relid = take_offers(vp);

	make_gpadl(relid, 0xe1e10, ring, 256, vp);
	cr_assert_eq(open_chan(relid, 0xe1e10, 128, vp), 0);
	make_gpadl(relid, 0xe1e11, recv, 4096, vp);
	if (version >= VMBUS_V4_1)
		modify(relid, 0);
	if (version >= VMBUS_V5_3)
		hear(VMBUS_MSG_MODIFY_RESPONSE, 16, vp);
	loop_pump(l);
	cr_assert_eq(chan(relid).target_vp, version >= VMBUS_V4_1 ? 0 : 1);
	if (version < VMBUS_V4_0) { /* before the close */
		teardown(relid, 0xe1e11);
		hear(VMBUS_MSG_GPADL_TORNDOWN, 12, vp);
	}
	close_chan(relid);
	teardown(relid, 0xe1e10);
	hear(VMBUS_MSG_GPADL_TORNDOWN, 12, vp);
	if (version >= VMBUS_V4_0) {
		teardown(relid, 0xe1e11);
		hear(VMBUS_MSG_GPADL_TORNDOWN, 12, vp);
	}
	cr_assert_eq(chan(relid).nr_gpadls, 0);
	if (version >= VMBUS_V3_0) {
		post_bare(0, VMBUS_MSG_UNLOAD);
		hear(VMBUS_MSG_UNLOAD_RESPONSE, 8, vp);
	}
	cr_assert_eq(counters().faults, 0, "%s", vmbus_version_text(version));
	cr_assert_eq(next_type(), 0);
}

Test(vmbus_linux, each_version_from_contact_to_unload)
{
	size_t i;

	for (i = 0; i < NR_TRIED; i++) {
		start((struct loop_cfg){.max_version = (enum vmbus_version)tried[i]});
		cr_assert_eq(negotiate(1), tried[i]);
		live(tried[i]);
		stop();
	}
	l = NULL;
}

/* A guest that begins with an older version (another system, an older kernel) gets that one. */
Test(vmbus_linux, each_version_of_a_host_that_speaks_all)
{
	size_t i;

	for (i = 0; i < NR_TRIED; i++) {
		start((struct loop_cfg){0});
		cr_assert(contact(tried[i], 1));
		live(tried[i]);
		stop();
	}
	l = NULL;
}

Test(vmbus_linux, a_modify_before_4_1_is_nothing)
{
	uint32_t relid;

	start((struct loop_cfg){.max_version = VMBUS_V4_0});
	negotiate(0);
	relid = take_offers(0);
	make_gpadl(relid, RING, loop_alloc(l, PAGES), PAGES, 0);
	cr_assert_eq(open_chan(relid, RING, PAGES / 2, 0), 0);
	modify(relid, 0);
	cr_assert_eq(next_type(), 0);
	cr_assert_eq(chan(relid).target_vp, 1);
	cr_assert_eq(counters().faults, 1);
}

/* ---- Devices that come and go ------------------------------------------------------------- */

static uint32_t start_linux(void)
{
	uint32_t relid;

	start((struct loop_cfg){0});
	negotiate(0);
	relid = take_offers(0);
	make_gpadl(relid, RING, loop_alloc(l, PAGES), PAGES, 0);
	cr_assert_eq(open_chan(relid, RING, PAGES / 2, 0), 0);
	return relid;
}

static uint32_t open_sub(uint16_t index)
{
	struct vmbus_msg_offer o;

	loop_mock_offer_sub(l, index);
	hear(VMBUS_MSG_OFFER, 196, 0);
	memcpy(&o, buf, sizeof(o));
	cr_assert_eq(o.sub_channel_index, index);
	make_gpadl(o.child_relid, RING + index, loop_alloc(l, PAGES), PAGES, 0);
	cr_assert_eq(open_chan(o.child_relid, RING + index, PAGES / 2, 0), 0);
	return o.child_relid;
}

static void hear_rescind(uint32_t relid)
{
	struct vmbus_msg_relid m;

	hear(VMBUS_MSG_RESCIND, 12, 0);
	memcpy(&m, buf, sizeof(m));
	cr_assert_eq(m.child_relid, relid);
}

static void release(uint32_t relid)
{
	struct vmbus_msg_relid m = {.hdr.msgtype = VMBUS_MSG_RELID_RELEASED, .child_relid = relid};

	post(&m, sizeof(m));
	loop_pump(l);
}

Test(vmbus_linux, a_removed_nic_goes_after_its_sub_channels)
{
	uint32_t relid = start_linux(), sub1 = open_sub(1), sub2 = open_sub(2);

	vmbus_chan_rescind(loop_mock(l)->primary);
	hear_rescind(sub1);
	hear_rescind(sub2);
	hear_rescind(relid);
	cr_assert_eq(loop_mock(l)->nr_closed, 3, "closed before the guest was told");
	close_chan(sub1);
	release(sub1);
	cr_assert_eq(chan(sub1).relid, 0);
	close_chan(sub2);
	release(sub2);
	close_chan(relid);
	release(relid);
	cr_assert_eq(chan(relid).relid, 0);
	cr_assert_eq(next_type(), 0);
	cr_assert_eq(counters().faults, 0);
}

/* As a provider does it: what is withdrawn is forgotten. */
static void withdraw_sub(struct loop_mock *m, unsigned int i)
{
	struct vmbus_chan *ch = m->sub[i];

	m->sub[i] = NULL;
	vmbus_chan_rescind(ch);
}

/* Offers, opens, rescinds, again and again; the relids never run out. */
Test(vmbus_linux, a_hundred_times_plugged_in_and_out)
{
	int i;

	start_linux();
	for (i = 0; i < 100; i++) {
		uint32_t sub = open_sub(1);

		withdraw_sub(loop_mock(l), 1);
		hear_rescind(sub);
		close_chan(sub);
		release(sub);
	}
	cr_assert_eq(counters().faults, 0);
	cr_assert_eq(loop_mock(l)->nr_closed, 100);
}

Test(vmbus_linux, what_crossed_the_rescind_is_answered_and_no_fault)
{
	uint32_t relid = start_linux();
	struct vmbus_msg_modify_response r;

	vmbus_chan_rescind(loop_mock(l)->primary);
	loop_pump(l);
	loop_gpadl_post(l, relid, RING + 1, NULL, 16, 300);
	hear_rescind(relid);
	hear(VMBUS_MSG_GPADL_CREATED, 20, 0);
	cr_assert_eq(((struct vmbus_msg_gpadl_created *)(void *)buf)->status, 0);
	modify(relid, 0);
	hear(VMBUS_MSG_MODIFY_RESPONSE, 16, 0);
	memcpy(&r, buf, sizeof(r));
	cr_assert_neq(r.status, 0);
	cr_assert_neq(open_chan(relid, RING, PAGES / 2, 0), 0);
	teardown(relid, RING);
	hear(VMBUS_MSG_GPADL_TORNDOWN, 12, 0);
	cr_assert_eq(chan(relid).nr_gpadls, 1);
	release(relid);
	cr_assert_eq(chan(relid).relid, 0);
	cr_assert_eq(counters().faults, 0);
}

Test(vmbus_linux, a_gpadl_whose_bodies_come_after_the_rescind_is_created)
{
	struct vmbus_msg_gpadl_header h = {.hdr.msgtype = VMBUS_MSG_GPADL_HEADER,
					   .gpadl = 5,
					   .range_buflen = 8 + 8 * 27,
					   .rangecount = 1};
	struct vmbus_msg_gpadl_body b = {.hdr.msgtype = VMBUS_MSG_GPADL_BODY, .gpadl = 5};
	struct vmbus_gpa_range r = {.byte_count = 27 * 4096};
	uint8_t m[236] = {0};

	h.child_relid = start_linux();
	memcpy(m, &h, sizeof(h));
	memcpy(m + sizeof(h), &r, sizeof(r));
	post(m, sizeof(m));
	loop_pump(l);
	vmbus_chan_rescind(loop_mock(l)->primary);
	hear_rescind(h.child_relid);
	memset(m, 0, sizeof(m));
	memcpy(m, &b, sizeof(b));
	post(m, sizeof(b) + 8);
	hear(VMBUS_MSG_GPADL_CREATED, 20, 0);
	cr_assert_eq(((struct vmbus_msg_gpadl_created *)(void *)buf)->status, 0);
	cr_assert_eq(counters().faults, 0);
}

/* Linux does this with an offer that it cannot make a device of; it never releases it again. */
Test(vmbus_linux, an_offer_released_unasked_does_not_hold_its_relid)
{
	uint32_t relid;

	start_linux();
	loop_mock_offer_sub(l, 1);
	relid = loop_offer(l, NIC, 1)->child_relid;
	hear(VMBUS_MSG_OFFER, 196, 0);
	release(relid);
	withdraw_sub(loop_mock(l), 1);
	cr_assert_eq(next_type(), 0, "it would not know what is rescinded");
	cr_assert_eq(chan(relid).relid, 0);
}

/* ---- Panic and kexec ---------------------------------------------------------------------- */

Test(vmbus_linux, unload_may_come_from_any_vp_and_is_answered_where_messages_go)
{
	start((struct loop_cfg){.nr_vps = 4});
	negotiate(2);
	take_offers(2);
	post_bare(3, VMBUS_MSG_UNLOAD);
	hear(VMBUS_MSG_UNLOAD_RESPONSE, 8, 2);
}

Test(vmbus_linux, a_crash_kernel_on_another_vp_starts_from_nothing)
{
	struct vmbus_msg_initiate_contact m = {
		.hdr.msgtype = VMBUS_MSG_INITIATE_CONTACT, .version = VMBUS_V5_3, .target_vp = 3};
	uint32_t relid;

	start((struct loop_cfg){.nr_vps = 4});
	negotiate(0);
	relid = take_offers(0);
	make_gpadl(relid, RING, loop_alloc(l, PAGES), PAGES, 0);
	cr_assert_eq(open_chan(relid, RING, PAGES / 2, 0), 0);
	loop_mock_offer_sub(l, 1);
	loop_pump(l);
	loop_next_msg(l, buf);
	loop_block(l, true); /* the old kernel takes nothing any more */
	loop_gpadl_post(l, relid, 7, NULL, 16, 100);
	withdraw_sub(loop_mock(l), 1);
	loop_mock(l)->sub[1] = NULL;
	loop_pump(l);
	cr_assert_eq(post_at(3, &m, sizeof(m)), VMBUS_POST_OK);
	loop_pump(l);
	loop_block(l, false);
	hear(VMBUS_MSG_VERSION_RESPONSE, 16, 3);
	cr_assert_eq(chan(relid).open, VMBUS_CH_CLOSED);
	cr_assert_eq(chan(relid).nr_gpadls, 0);
	cr_assert_eq(loop_mock(l)->nr_closed, 1);
	cr_assert_eq(take_offers(3), relid);
	cr_assert_eq(next_type(), 0);
}

Test(vmbus_linux, a_contact_ends_a_gpadl_that_was_half_sent)
{
	struct vmbus_msg_gpadl_header h = {.hdr.msgtype = VMBUS_MSG_GPADL_HEADER,
					   .gpadl = 5,
					   .range_buflen = 8 + 8 * 30,
					   .rangecount = 1};
	struct vmbus_gpa_range r = {.byte_count = 30 * 4096};
	uint8_t m[28];

	h.child_relid = start_linux();
	memcpy(m, &h, sizeof(h));
	memcpy(m + sizeof(h), &r, sizeof(r));
	post(m, sizeof(m));
	cr_assert(contact(VMBUS_V5_3, 1));
	cr_assert_eq(take_offers(1), h.child_relid);
	make_gpadl(h.child_relid, 5, 16, 30, 1);
}

/* ---- Monitor pages ------------------------------------------------------------------------ */

#define MONITOR_PFN 4u

static struct vmbus_monitor_page *page2(void)
{
	return loop_mem(l, MONITOR_PFN * 4096);
}

static const struct vmbus_chan_info *info(void)
{
	return vmbus_chan_info(loop_mock(l)->primary);
}

/* As uio_hv_generic wants it. Returns the relid. */
static uint32_t start_monitored(uint32_t target_vp)
{
	struct vmbus_msg_open m = {.hdr.msgtype = VMBUS_MSG_OPEN,
				   .ring_gpadl = RING,
				   .target_vp = target_vp,
				   .downstream_offset = PAGES / 2};
	struct vmbus_msg_offer o;

	start((struct loop_cfg){.wants_monitor = true});
	negotiate(0);
	post_bare(0, VMBUS_MSG_REQUEST_OFFERS);
	hear(VMBUS_MSG_OFFER, 196, 0);
	memcpy(&o, buf, sizeof(o));
	hear(VMBUS_MSG_ALL_OFFERS_DELIVERED, 8, 0);
	cr_assert_eq(o.monitor_allocated, 1);
	cr_assert_lt(o.monitor_id, VMBUS_MONITORS_MAX);
	make_gpadl(o.child_relid, RING, loop_alloc(l, PAGES), PAGES, 0);
	m.child_relid = o.child_relid;
	post(&m, sizeof(m));
	hear(VMBUS_MSG_OPEN_RESULT, 20, 0);
	cr_assert_eq(((struct vmbus_msg_open_result *)(void *)buf)->status, 0);
	return o.child_relid;
}

Test(vmbus_linux, a_monitor_is_described_in_its_page_and_the_switch_gets_its_bit)
{
	uint32_t id = start_monitored(1);

	cr_assert_eq(page2()->latency[id], 2000, "200 us");
	cr_assert_eq(page2()->parameter[id].connection_id, VMBUS_EVENT_CONN_BASE | id);
	cr_assert_eq(page2()->trigger_state, 1);
	cr_assert_eq(page2()->group[0].pending, 0);
	cr_assert_not_null(info()->monitor);
	__atomic_fetch_or(&page2()->group[id / 32].pending, 1u << (id % 32), __ATOMIC_SEQ_CST);
	cr_assert(vmbus_monitor_take(info()->monitor, info()->monitor_bit));
	cr_assert_eq(page2()->group[0].pending, 0);
}

Test(vmbus_linux, each_channel_has_a_monitor_of_its_own)
{
	struct vmbus_msg_offer o;
	uint32_t relid = start_monitored(1);

	loop_mock_offer_sub(l, 1);
	hear(VMBUS_MSG_OFFER, 196, 0);
	memcpy(&o, buf, sizeof(o));
	cr_assert_eq(o.monitor_allocated, 1);
	cr_assert_neq(o.monitor_id, relid);
	cr_assert_eq(page2()->latency[o.monitor_id], 2000);
}

Test(vmbus_linux, a_channel_without_interrupts_is_not_monitored)
{
	start_monitored(VMBUS_VP_NONE);
	cr_assert_null(info()->monitor);
}

Test(vmbus_linux, no_monitor_pages_no_monitor)
{
	struct vmbus_msg_initiate_contact m = {.hdr.msgtype = VMBUS_MSG_INITIATE_CONTACT,
					       .version = VMBUS_V5_3};
	struct vmbus_msg_offer o;

	start((struct loop_cfg){.wants_monitor = true});
	conn = VMBUS_MSG_CONN_ID_V5;
	post(&m, sizeof(m));
	hear(VMBUS_MSG_VERSION_RESPONSE, 16, 0);
	post_bare(0, VMBUS_MSG_REQUEST_OFFERS);
	hear(VMBUS_MSG_OFFER, 196, 0);
	memcpy(&o, buf, sizeof(o));
	cr_assert_eq(o.monitor_allocated, 0);
	cr_assert_eq(o.monitor_id, 0);
}

Test(vmbus_linux, half_a_pair_of_monitor_pages_is_refused)
{
	struct vmbus_msg_initiate_contact m = {.hdr.msgtype = VMBUS_MSG_INITIATE_CONTACT,
					       .version = VMBUS_V5_3};
	static const uint64_t bad[][2] = {{4096, 0}, {0, 4096}, {4096, 4100}, {4096, 1ull << 44}};
	unsigned int i;

	start((struct loop_cfg){0});
	conn = VMBUS_MSG_CONN_ID_V5;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		m.monitor_page1 = bad[i][0];
		m.monitor_page2 = bad[i][1];
		post(&m, sizeof(m));
		hear(VMBUS_MSG_VERSION_RESPONSE, 16, 0);
		cr_assert_eq(((struct vmbus_msg_version_response *)(void *)buf)->version_supported,
			     0, "%u", i);
	}
}

/* The guest uses the pages for something else as soon as it is answered. */
Test(vmbus_linux, after_unload_nobody_touches_the_monitor_page)
{
	uint8_t zero[4096] = {0};

	start_monitored(1);
	post_bare(0, VMBUS_MSG_UNLOAD);
	hear(VMBUS_MSG_UNLOAD_RESPONSE, 8, 0);
	cr_assert_null(info()->monitor);
	memset(page2(), 0, 4096);
	vmbus_chan_rescind(loop_mock(l)->primary);
	loop_pump(l);
	cr_assert_arr_eq(page2(), zero, sizeof(zero));
}

Test(vmbus_linux, a_monitor_outlives_the_switch)
{
	uint32_t id = start_monitored(1);

	loop_switch_kill(l);
	__atomic_fetch_or(&page2()->group[id / 32].pending, 1u << (id % 32), __ATOMIC_SEQ_CST);
	loop_switch_start(l, NULL, NULL, NULL);
	cr_assert_eq(loop_mock(l)->nr_resumed, 1);
	cr_assert_not_null(info()->monitor);
	cr_assert(vmbus_monitor_take(info()->monitor, info()->monitor_bit));
}
