/* SPDX-License-Identifier: BSD-3-Clause */
/* What worker and switch say to each other of VFs, both ends at once: tickets, switches that die with
 * tickets open, guests that are reset. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/vmbus_guest.h"
#include "vmbus/backend_priv.h"

TestSuite(vmbus_vf, .fini = stop, .timeout = 60);

#define SERIAL 7u

static struct vmbus_chan *primary(void)
{
	return loop_mock(l)->primary;
}

static void vf_set(uint32_t relid, uint32_t serial, bool is_allocated)
{
	cr_assert_eq(vmbus_server_vf_set(loop_server(l), relid, serial, is_allocated), 0, "%s",
		     err_text());
	loop_pump(l);
}

static uint32_t ask(enum vmbus_path path)
{
	unsigned int before = loop_worker(l)->nr_path;

	cr_assert_eq(vmbus_chan_path(primary(), path), 0);
	loop_pump(l);
	cr_assert_eq(loop_worker(l)->nr_path, before + 1);
	return loop_worker(l)->ticket;
}

static void answer(uint32_t ticket, int status, const char *text)
{
	vmbus_server_path_done(loop_server(l), ticket, status, text);
	loop_pump(l);
}

Test(vmbus_vf, the_worker_hears_of_each_offer_and_the_switch_of_each_vf)
{
	uint32_t relid = start_open();

	cr_assert_eq(loop_worker(l)->nr_offered, 1);
	cr_assert_eq(loop_worker(l)->relid, relid);
	cr_assert_eq(loop_mock(l)->nr_vf, 0);
	vf_set(relid, SERIAL, true);
	cr_assert_eq(loop_mock(l)->nr_vf, 1);
	cr_assert_eq(loop_mock(l)->vf_serial, SERIAL);
	cr_assert(loop_mock(l)->is_vf_allocated);
	vf_set(relid, SERIAL, false);
	cr_assert_eq(loop_mock(l)->nr_vf, 2);
	cr_assert_not(loop_mock(l)->is_vf_allocated);
	cr_assert_eq(next_type(), 0, "the guest hears nothing of it here");
}

Test(vmbus_vf, what_is_no_adapter_of_the_switch_gets_no_vf)
{
	uint32_t relid = start_open();

	cr_assert_eq(vmbus_server_vf_set(loop_server(l), 0, SERIAL, true), -ENOENT);
	cr_assert_eq(vmbus_server_vf_set(loop_server(l), 64, SERIAL, true), -ENOENT);
	cr_assert_eq(vmbus_server_vf_set(loop_server(l), relid + 1, SERIAL, true), -ENOENT);
	cr_assert_eq(vmbus_server_vf_set(loop_server(l), relid, 0, true), -EINVAL);
	loop_mock_offer_sub(l, 1);
	loop_pump(l);
	cr_assert_eq(vmbus_server_vf_set(loop_server(l), relid + 1, SERIAL, true), -ENOENT,
		     "a sub-channel");
	cr_assert_eq(loop_mock(l)->nr_vf, 0);
}

Test(vmbus_vf, a_vf_that_the_switch_refuses_harms_nobody)
{
	uint32_t relid = start_open();

	loop_mock(l)->vf_rc = -ENOSPC;
	vf_set(relid, SERIAL, true);
	cr_assert_eq(loop_mock(l)->nr_vf, 1);
	cr_assert_eq(chan(relid).open, VMBUS_CH_OPEN);
	cr_assert_eq(loop_kills_wanted(l), 0);
}

Test(vmbus_vf, a_path_is_answered_when_it_is_done_and_the_guest_goes_on_meanwhile)
{
	struct vmbus_msg_modify m = {.hdr.msgtype = VMBUS_MSG_MODIFY, .target_vp = 0};
	uint32_t ticket;

	m.child_relid = start_open();
	vf_set(m.child_relid, SERIAL, true);
	ticket = ask(VMBUS_PATH_VF);
	cr_assert_neq(ticket, 0);
	cr_assert(loop_worker(l)->is_vf);
	cr_assert_eq(loop_worker(l)->relid, m.child_relid);
	loop_post(l, &m, sizeof(m));
	cr_assert_eq(next_type(), VMBUS_MSG_MODIFY_RESPONSE, "nothing waits for the ticket");
	cr_assert_eq(loop_mock(l)->nr_path_done, 0);
	answer(ticket, 0, NULL);
	cr_assert_eq(loop_mock(l)->nr_path_done, 1);
	cr_assert_eq(loop_mock(l)->path_status, 0);
	answer(ticket, 0, NULL);
	answer(0, 0, NULL);
	answer(ticket + 1, 0, NULL);
	cr_assert_eq(loop_mock(l)->nr_path_done, 1, "once");
	cr_assert_eq(loop_kills_wanted(l), 0);
}

Test(vmbus_vf, a_path_that_cannot_be_says_why)
{
	uint32_t relid = start_open();

	vf_set(relid, SERIAL, true);
	answer(ask(VMBUS_PATH_VF), -ENOSPC, "all filters of the NIC are taken");
	cr_assert_eq(loop_mock(l)->path_status, -ENOSPC);
	cr_assert_str_eq(loop_mock(l)->path_why, "all filters of the NIC are taken");
}

Test(vmbus_vf, a_path_to_a_vf_that_is_not_there_is_refused_at_once)
{
	start_open();
	cr_assert_eq(vmbus_chan_path(primary(), VMBUS_PATH_VF), 0);
	loop_pump(l);
	cr_assert_eq(loop_worker(l)->nr_path, 0);
	cr_assert_eq(loop_mock(l)->nr_path_done, 1);
	cr_assert_eq(loop_mock(l)->path_status, -ENODEV);
}

Test(vmbus_vf, of_two_requests_the_last_one_counts)
{
	uint32_t relid = start_open(), first, second;

	vf_set(relid, SERIAL, true);
	first = ask(VMBUS_PATH_VF);
	second = ask(VMBUS_PATH_SYNTHETIC);
	cr_assert_neq(first, second);
	answer(first, 0, NULL);
	cr_assert_eq(loop_mock(l)->nr_path_done, 0, "of the first nobody wants to hear");
	answer(second, -EIO, "x");
	cr_assert_eq(loop_mock(l)->nr_path_done, 1);
	cr_assert_eq(loop_mock(l)->path_status, -EIO);
}

Test(vmbus_vf, more_requests_than_anybody_needs_are_refused)
{
	uint32_t relid = start_open(), i, n = 2 * VMBUS_CHANS_MAX;

	vf_set(relid, SERIAL, true);
	for (i = 0; i < n; i++)
		ask(VMBUS_PATH_VF);
	cr_assert_eq(vmbus_chan_path(primary(), VMBUS_PATH_VF), 0);
	loop_pump(l);
	cr_assert_eq(loop_worker(l)->nr_path, n);
	cr_assert_eq(loop_mock(l)->path_status, -EBUSY);
	answer(loop_worker(l)->ticket, 0, NULL);
	ask(VMBUS_PATH_VF);
}

Test(vmbus_vf, a_switch_that_dies_with_tickets_open_takes_them_along)
{
	uint32_t relid = start_open(), old, fresh;

	vf_set(relid, SERIAL, true);
	old = ask(VMBUS_PATH_VF);
	loop_switch_kill(l);
	answer(old, 0, NULL);
	loop_switch_start(l, NULL, NULL, NULL);
	cr_assert_eq(loop_mock(l)->nr_vf, 2, "told again");
	cr_assert_eq(loop_mock(l)->vf_serial, SERIAL);
	cr_assert_eq(loop_worker(l)->nr_offered, 2);
	fresh = ask(VMBUS_PATH_VF);
	cr_assert_neq(fresh, old);
	answer(old, 0, NULL);
	cr_assert_eq(loop_mock(l)->nr_path_done, 0);
	answer(fresh, 0, NULL);
	cr_assert_eq(loop_mock(l)->nr_path_done, 1);
}

Test(vmbus_vf, what_changed_without_a_switch_is_told_to_the_next)
{
	uint32_t relid = start_open();

	vf_set(relid, SERIAL, true);
	loop_switch_kill(l);
	vf_set(relid, SERIAL, false);
	cr_assert_eq(loop_mock(l)->nr_vf, 1);
	loop_switch_start(l, NULL, NULL, NULL);
	cr_assert_eq(loop_mock(l)->nr_vf, 2);
	cr_assert_not(loop_mock(l)->is_vf_allocated);
}

Test(vmbus_vf, the_path_outlives_an_open_and_a_switch_but_no_guest)
{
	struct vmbus_path_state *path;
	uint32_t relid = start_open();

	vf_set(relid, SERIAL, true);
	path = &loop_state(l)->chan[relid].path;
	path->state = 2;
	loop_close(l, relid);
	cr_assert_eq(loop_open(l, relid, RING, PAGES / 2, 1), 0);
	cr_assert_eq(path->state, 2, "closed and opened again");
	loop_switch_kill(l);
	loop_switch_start(l, NULL, NULL, NULL);
	cr_assert_eq(path->state, 2);
	cr_assert_eq(loop_mock(l)->nr_reset, 0);
	loop_connect(l, VMBUS_V5_3);
	cr_assert_eq(loop_mock(l)->nr_reset, 1);
	cr_assert_eq(path->state, 2, "it is the switch's own");
	cr_assert_eq(loop_worker(l)->nr_path, 0);
}

Test(vmbus_vf, a_guest_reset_without_a_switch_is_back_on_the_synthetic_path)
{
	uint32_t relid = start_open();

	vf_set(relid, SERIAL, true);
	loop_state(l)->chan[relid].path.state = 2;
	loop_switch_kill(l);
	post_relid(VMBUS_MSG_UNLOAD, 0);
	cr_assert_eq(next_type(), VMBUS_MSG_UNLOAD_RESPONSE);
	cr_assert_eq(loop_state(l)->chan[relid].path.state, 0);
	cr_assert_eq(loop_worker(l)->nr_path, 1);
	cr_assert_not(loop_worker(l)->is_vf);
	cr_assert_eq(loop_worker(l)->ticket, 0, "nobody waits");
	loop_switch_start(l, NULL, NULL, NULL);
	cr_assert_eq(loop_mock(l)->nr_vf, 1, "a new channel, without a VF until it is given one");
	cr_assert_eq(loop_worker(l)->nr_offered, 2);
	vf_set(loop_worker(l)->relid, SERIAL, true);
	cr_assert_eq(loop_mock(l)->nr_vf, 2);
}

Test(vmbus_vf, a_switch_that_dies_over_a_reset_leaves_the_worker_to_say_so)
{
	struct vmbus_link_msg m;
	uint32_t relid = start_open();

	vf_set(relid, SERIAL, true);
	loop_state(l)->chan[relid].path.state = 2;
	loop_switch_unplug(l);
	post_relid(VMBUS_MSG_UNLOAD, 0);
	cr_assert_eq(next_type(), 0);
	memset(&m, 0, sizeof(m));
	loop_switch_dies(l);
	cr_assert_eq(next_type(), VMBUS_MSG_UNLOAD_RESPONSE);
	cr_assert_eq(loop_state(l)->chan[relid].path.state, 0);
	cr_assert_eq(loop_worker(l)->nr_path, 1);
}

Test(vmbus_vf, a_relid_that_is_given_anew_has_no_past)
{
	uint32_t relid = start_open();

	vf_set(relid, SERIAL, true);
	loop_state(l)->chan[relid].path.state = 2;
	vmbus_chan_rescind(primary());
	loop_pump(l);
	loop_release(l, relid);
	cr_assert_eq(vmbus_server_vf_set(loop_server(l), relid, SERIAL, true), -ENOENT);
	cr_assert_eq(vmbus_peer_offer(loop_mock(l)->peer,
				      &(struct vmbus_chan_cfg){.if_type = VMBUS_CLASS_NIC,
							       .if_instance = {.data1 = 9},
							       .ctx = loop_mock(l)},
				      &loop_mock(l)->primary),
		     0);
	loop_pump(l);
	cr_assert_eq(loop_worker(l)->relid, relid);
	cr_assert_eq(loop_state(l)->chan[relid].path.state, 0);
	cr_assert_eq(loop_mock(l)->nr_vf, 1, "and no VF");
}

Test(vmbus_vf, an_answer_for_a_channel_that_went_is_nobodys)
{
	uint32_t relid = start_open(), ticket;

	vf_set(relid, SERIAL, true);
	ticket = ask(VMBUS_PATH_VF);
	vmbus_chan_fault(primary(), "made up");
	loop_pump(l);
	answer(ticket, 0, NULL);
	cr_assert_eq(loop_mock(l)->nr_path_done, 0);
	cr_assert_eq(loop_kills_wanted(l), 0);
}

Test(vmbus_vf, iov_9_the_worker_is_told_to_take_a_vf_away_and_why)
{
	uint32_t relid = start_open();

	cr_assert_eq(vmbus_chan_vf_remove(primary(), "policy"), 0);
	loop_pump(l);
	cr_assert_eq(loop_worker(l)->nr_remove, 1);
	cr_assert_eq(loop_worker(l)->relid, relid);
	cr_assert_str_eq(loop_worker(l)->why, "policy");
}
