/* SPDX-License-Identifier: BSD-3-Clause */
/* Channels that the worker serves itself, with and without a switch. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/vmbus_guest.h"
#include "vmbus/local.h"

TestSuite(vmbus_local, .fini = stop, .timeout = 60);

static const struct vmbus_guid disk_class = {.data1 = 0xba6163d9};

/* A provider that notes what it was asked. */
struct device {
	uint32_t relid;
	uint32_t nr_opens, nr_closes;
	struct vmbus_local_open at;
	uint8_t *page[PAGES];
	int open_rc;
	bool faults_in_open, faults_in_close;
};

static struct device dev;

static int dev_open(void *ctx, const struct vmbus_local_open *o)
{
	struct device *d = ctx;

	if (d->faults_in_open)
		vmbus_server_fault_local(loop_server(l), d->relid, "early");
	if (d->open_rc)
		return err_set(d->open_rc, "the disk is not there");
	d->nr_opens++;
	d->at = *o;
	cr_assert_leq(o->nr_pages, PAGES);
	if (!d->faults_in_open)
		memcpy(d->page, o->page, o->nr_pages * sizeof(d->page[0]));
	return 0;
}

static void dev_close(void *ctx)
{
	struct device *d = ctx;

	d->nr_closes++;
	if (d->faults_in_close)
		vmbus_server_fault_local(loop_server(l), d->relid, "late");
}

static void dev_retarget(void *ctx, uint32_t target_vp)
{
	((struct device *)ctx)->at.target_vp = target_vp;
}

static const struct vmbus_local_ops dev_ops = {
	.open = dev_open, .close = dev_close, .retarget = dev_retarget};

static int offer_dev(uint32_t instance)
{
	struct vmbus_local_cfg cfg = {.if_type = disk_class,
				      .if_instance = {.data1 = instance},
				      .flags = 0x10,
				      .pipe_mode = 4};

	return vmbus_server_offer_local(loop_server(l), &cfg, &dev_ops, &dev);
}

static void start_offered(struct loop_cfg cfg)
{
	int relid;

	start(cfg);
	relid = offer_dev(7);
	cr_assert_gt(relid, 0);
	dev.relid = (uint32_t)relid;
}

static uint64_t ring_pfn;

/* No switch; connected, the channel open. */
static void open_dev(void)
{
	ring_pfn = loop_alloc(l, PAGES);
	cr_assert_eq(loop_gpadl(l, dev.relid, RING, NULL, ring_pfn, PAGES), 0);
	cr_assert_eq(loop_open(l, dev.relid, RING, PAGES / 2, 1), 0);
}

static void start_open_alone(void)
{
	start_offered((struct loop_cfg){.is_alone = true});
	cr_assert_eq(loop_connect(l, VMBUS_V5_3), 1);
	open_dev();
}

Test(vmbus_local, an_offer_says_flags_and_pipe_mode)
{
	const struct vmbus_msg_offer *o;
	uint32_t mode;

	start_offered((struct loop_cfg){0});
	cr_assert_eq(loop_connect(l, VMBUS_V5_3), 2, "the switch's, too");
	o = loop_offer(l, &disk_class, 0);
	cr_assert_eq(o->child_relid, dev.relid);
	cr_assert_neq(o->child_relid, loop_offer(l, NIC, 0)->child_relid);
	memcpy(&mode, o->user_defined, sizeof(mode));
	cr_assert_eq(mode, 4);
	cr_assert_eq(o->flags, 0x10);
	cr_assert_eq(o->connection_id, VMBUS_EVENT_CONN_BASE | dev.relid);
	cr_assert_str_eq(chan(dev.relid).server, "worker");
	cr_assert_str_eq(chan(loop_offer(l, NIC, 0)->child_relid).server, "switch");
}

Test(vmbus_local, one_device_is_offered_once)
{
	start_offered((struct loop_cfg){.is_alone = true});
	cr_assert_eq(offer_dev(7), -EEXIST);
	cr_assert_gt(offer_dev(8), 0);
}

Test(vmbus_local, relids_end)
{
	uint32_t i;

	start_offered((struct loop_cfg){.is_alone = true});
	for (i = 2; i < VMBUS_CHANS_MAX; i++)
		cr_assert_gt(offer_dev(100 + i), 0);
	cr_assert_eq(offer_dev(99), -ENOSPC);
}

Test(vmbus_local, a_channel_opens_without_any_switch)
{
	uint64_t pfns[8] = {0};
	uint8_t *page[8];
	uint32_t i;

	start_offered((struct loop_cfg){.is_alone = true});
	cr_assert_eq(loop_connect(l, VMBUS_V5_3), 1);
	for (i = 0; i < 8; i++)
		pfns[i] = loop_alloc(l, 1) + 64 - 2 * i;
	loop_pages(l, pfns, 0, 8, page);
	((struct vmbus_ring_ctrl *)(void *)page[0])->interrupt_mask = 9;
	((struct vmbus_ring_ctrl *)(void *)page[5])->pending_send_sz = 9;
	cr_assert_eq(loop_gpadl(l, dev.relid, RING, pfns, 0, 8), 0);
	cr_assert_eq(loop_open(l, dev.relid, RING, 5, 1), 0);
	cr_assert_eq(dev.nr_opens, 1);
	cr_assert_eq(dev.at.relid, dev.relid);
	cr_assert_eq(dev.at.split, 5);
	cr_assert_eq(dev.at.nr_pages, 8);
	cr_assert_eq(dev.at.target_vp, 1);
	cr_assert_arr_eq(dev.page, page, sizeof(page));
	cr_assert_eq(((struct vmbus_ring_ctrl *)(void *)page[0])->interrupt_mask, 0);
	cr_assert_eq(((struct vmbus_ring_ctrl *)(void *)page[5])->pending_send_sz, 0);
	cr_assert_str_eq(chan(dev.relid).word, "open");
}

Test(vmbus_local, a_provider_may_refuse_and_the_guest_try_again)
{
	start_offered((struct loop_cfg){.is_alone = true});
	loop_connect(l, VMBUS_V5_3);
	cr_assert_eq(loop_gpadl(l, dev.relid, RING, NULL, loop_alloc(l, PAGES), PAGES), 0);
	dev.open_rc = -ENODEV;
	cr_assert_neq(loop_open(l, dev.relid, RING, PAGES / 2, 0), 0);
	cr_assert_str_eq(chan(dev.relid).reason, "the disk is not there");
	dev.open_rc = 0;
	cr_assert_eq(loop_open(l, dev.relid, RING, PAGES / 2, 0), 0);
	cr_assert_eq(dev.nr_closes, 0, "a refused open has nothing to close");
}

Test(vmbus_local, rings_with_indices_of_ours_are_refused)
{
	struct vmbus_ring_ctrl *c;

	start_open_alone();
	loop_close(l, dev.relid);
	c = loop_mem(l, (ring_pfn + PAGES / 2) * 4096);
	c->write_index = 8;
	cr_assert_neq(loop_open(l, dev.relid, RING, PAGES / 2, 0), 0);
	c->write_index = 0;
	cr_assert_eq(loop_open(l, dev.relid, RING, PAGES / 2, 0), 0);
	cr_assert_eq(dev.nr_opens, 2);
}

Test(vmbus_local, close_and_teardown_give_the_pages_back)
{
	struct vmbus_msg_gpadl_teardown m = {.hdr.msgtype = VMBUS_MSG_GPADL_TEARDOWN,
					     .gpadl = RING};

	start_open_alone();
	m.child_relid = dev.relid;
	loop_post(l, &m, sizeof(m));
	cr_assert_eq(next_type(), 0, "the ring is in use");
	loop_close(l, dev.relid);
	cr_assert_eq(next_type(), VMBUS_MSG_GPADL_TORNDOWN);
	cr_assert_eq(dev.nr_closes, 1);
	cr_assert_eq(chan(dev.relid).nr_gpadls, 0);
	open_dev();
	cr_assert_eq(dev.nr_opens, 2);
}

Test(vmbus_local, other_gpadls_are_lists_of_their_own)
{
	start_open_alone();
	cr_assert_eq(loop_gpadl(l, dev.relid, 5, NULL, 16, 3), 0);
	cr_assert_eq(loop_gpadl(l, dev.relid, 6, NULL, 16, 300), 0);
	cr_assert_eq(chan(dev.relid).nr_gpadls, 3);
	loop_teardown(l, dev.relid, 5);
	cr_assert_eq(chan(dev.relid).nr_gpadls, 2);
	cr_assert_eq(dev.nr_closes, 0);
}

Test(vmbus_local, modify_moves_the_interrupt)
{
	struct vmbus_msg_modify m = {.hdr.msgtype = VMBUS_MSG_MODIFY, .target_vp = 0};

	start_open_alone();
	m.child_relid = dev.relid;
	loop_post(l, &m, sizeof(m));
	cr_assert_eq(next_type(), VMBUS_MSG_MODIFY_RESPONSE);
	cr_assert_eq(dev.at.target_vp, 0);
	cr_assert_eq(chan(dev.relid).target_vp, 0);
}

Test(vmbus_local, a_reset_closes_and_offers_anew)
{
	start_open_alone();
	cr_assert_eq(loop_connect(l, VMBUS_V4_0), 1);
	cr_assert_eq(dev.nr_closes, 1);
	cr_assert_eq(loop_offer(l, &disk_class, 0)->child_relid, dev.relid);
	open_dev();
	post_relid(VMBUS_MSG_UNLOAD, 0);
	cr_assert_eq(next_type(), VMBUS_MSG_UNLOAD_RESPONSE);
	cr_assert_eq(dev.nr_closes, 2);
	cr_assert_eq(loop_connect(l, VMBUS_V5_3), 1);
}

Test(vmbus_local, a_reset_stops_local_channels_at_once_whatever_the_switch_does)
{
	start_offered((struct loop_cfg){0});
	loop_connect(l, VMBUS_V5_3);
	open_dev();
	vmbus_backend_process(loop_backend(l));
	post_relid(VMBUS_MSG_UNLOAD, 0);
	vmbus_server_process(loop_server(l));
	cr_assert_eq(dev.nr_closes, 1, "the switch has not even read it");
	cr_assert_eq(next_type(), VMBUS_MSG_UNLOAD_RESPONSE);
}

Test(vmbus_local, a_rescind_closes_first_and_reserves_the_relid)
{
	uint32_t old;

	start_open_alone();
	old = dev.relid;
	vmbus_server_rescind_local(loop_server(l), dev.relid);
	cr_assert_eq(dev.nr_closes, 1);
	cr_assert_eq(next_type(), VMBUS_MSG_RESCIND);
	cr_assert_eq(next_type(), 0);
	dev.relid = (uint32_t)offer_dev(7);
	cr_assert_neq(dev.relid, old);
	cr_assert_eq(next_type(), VMBUS_MSG_OFFER, "a hot offer");
	loop_close(l, old);
	loop_teardown(l, old, RING);
	cr_assert_eq(loop_gpadl(l, dev.relid, RING, NULL, ring_pfn, PAGES), 0);
	loop_release(l, old);
	cr_assert_eq(chan(old).relid, 0);
	cr_assert_eq(counters().faults, 0);
	cr_assert_eq(loop_open(l, dev.relid, RING, PAGES / 2, 1), 0);
	vmbus_server_rescind_local(loop_server(l), old);
	vmbus_server_rescind_local(loop_server(l), 0);
	vmbus_server_rescind_local(loop_server(l), VMBUS_CHANS_MAX);
	cr_assert_eq(dev.nr_closes, 1);
}

Test(vmbus_local, a_rescind_nobody_heard_of_frees_the_relid)
{
	start_offered((struct loop_cfg){.is_alone = true});
	vmbus_server_rescind_local(loop_server(l), dev.relid);
	cr_assert_eq(chan(dev.relid).relid, 0);
	cr_assert_eq(loop_connect(l, VMBUS_V5_3), 0);
}

Test(vmbus_local, a_rescinded_channel_is_not_offered_after_a_reset)
{
	start_open_alone();
	vmbus_server_rescind_local(loop_server(l), dev.relid);
	cr_assert_eq(loop_connect(l, VMBUS_V5_3), 0);
	cr_assert_eq(chan(dev.relid).relid, 0);
}

Test(vmbus_local, a_fault_ends_the_channel_with_its_reason)
{
	start_open_alone();
	vmbus_server_fault_local(loop_server(l), dev.relid, "a packet of 3 bytes");
	cr_assert_eq(dev.nr_closes, 1);
	cr_assert_eq(next_type(), VMBUS_MSG_RESCIND);
	cr_assert_str_eq(chan(dev.relid).reason, "a packet of 3 bytes");
	cr_assert_str_eq(chan(dev.relid).word, "rescinded");
	cr_assert_eq(counters().faults, 1);
}

Test(vmbus_local, a_provider_may_fault_within_its_callbacks)
{
	start_offered((struct loop_cfg){.is_alone = true});
	loop_connect(l, VMBUS_V5_3);
	cr_assert_eq(loop_gpadl(l, dev.relid, RING, NULL, loop_alloc(l, PAGES), PAGES), 0);
	dev.faults_in_open = true;
	cr_assert_neq(loop_open(l, dev.relid, RING, PAGES / 2, 0), 0);
	cr_assert_eq(dev.nr_closes, 1);
	cr_assert_eq(next_type(), VMBUS_MSG_RESCIND);
	loop_release(l, dev.relid);
	dev.faults_in_open = false;
	dev.faults_in_close = true;
	dev.relid = (uint32_t)offer_dev(7);
	loop_pump(l);
	open_dev();
	loop_close(l, dev.relid);
	cr_assert_eq(dev.nr_closes, 2);
	loop_expect(l, VMBUS_MSG_RESCIND, buf);
	cr_assert(chan(dev.relid).is_rescinded);
}

Test(vmbus_local, the_death_of_a_switch_is_nothing_to_a_local_channel)
{
	start_offered((struct loop_cfg){0});
	loop_connect(l, VMBUS_V5_3);
	open_dev();
	loop_switch_kill(l);
	cr_assert_eq(chan(dev.relid).open, VMBUS_CH_OPEN);
	loop_close(l, dev.relid);
	cr_assert_eq(loop_open(l, dev.relid, RING, PAGES / 2, 1), 0);
	loop_switch_start(l, NULL, NULL, NULL);
	cr_assert_eq(next_type(), 0, "neither rescind nor offer");
	cr_assert_eq(dev.nr_opens, 2);
	cr_assert_eq(dev.nr_closes, 1);
	cr_assert_eq(loop_mock(l)->nr_fresh + loop_mock(l)->nr_resumed, 0);
}

Test(vmbus_local, destroying_the_server_closes)
{
	start_open_alone();
	stop();
	l = NULL;
	cr_assert_eq(dev.nr_closes, 1);
}
