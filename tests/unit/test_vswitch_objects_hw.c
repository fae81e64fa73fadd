// SPDX-License-Identifier: BSD-3-Clause
/* Requests to uplinks through the stack, whose resources they are, and status on the way back. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/objsbed.h"

static struct bed b;

static void up(void)
{
	bed_up(&b);
	bed_port(&b, 7, NETHV_NIC_CONNECTED);
	bed_port(&b, 8, NETHV_NIC_CONNECTED);
}

static void down(void)
{
	bed_down(&b);
}

TestSuite(vsw_objects, .init = up, .fini = down);

static uint32_t number; /* of the last request */

/* Asks for @port: the switch (owner 0) or an extension. */
static int ask(uint32_t owner, uint16_t port, unsigned int request, uint32_t n)
{
	struct nethv_port_info info = {.port = port};
	struct nethv_event ev = {.kind = NETHV_EV_NIC_REQUEST,
				 .port = &info,
				 .request = (uint16_t)request,
				 .number = n};
	int rc = owner ? vsw_objs_request(b.o, owner, &ev) : vsw_objs_nic_request(b.o, &ev);

	number = ev.number;
	return rc;
}

#define FWD 4u

Test(vsw_objects, ev_4_a_request_goes_through_the_stack_to_the_uplink)
{
	cr_assert_eq(ask(0, 7, NETHV_REQ_VMQ_ALLOCATE, 0), 0, "%s", err_text());
	cr_assert_eq(number, 100);
	cr_assert_str_eq(bed_log(&b), "cap:VMQ_ALLOCATE f1:VMQ_ALLOCATE f2:VMQ_ALLOCATE "
				      "fwd:VMQ_ALLOCATE up:VMQ_ALLOCATE100");
	cr_assert_eq(ask(2, 7, NETHV_REQ_VMQ_ALLOCATE, 0), NETHV_OK, "an extension's own");
	cr_assert_str_eq(bed_log(&b), "f2:VMQ_ALLOCATE fwd:VMQ_ALLOCATE up:VMQ_ALLOCATE101",
			 "only those below");
}

Test(vsw_objects, ev_4_other_events_are_the_switch_s_to_send)
{
	struct nethv_port_info info = {.port = 7};
	struct nethv_event ev = {.kind = NETHV_EV_PORT_DELETE, .port = &info};

	cr_assert_eq(vsw_objs_request(b.o, FWD, &ev), NETHV_EPERM);
	cr_assert_str_eq(bed_broken(&b), "EV-4 fwd: sends an event that is the switch's to send");
	cr_assert_eq(ask(FWD, 7, 99, 0), NETHV_ERANGE);
	cr_assert_eq(ask(FWD, 700, NETHV_REQ_VF_ALLOCATE, 0), NETHV_ERANGE);
	cr_assert_eq(ask(0, 7, 99, 0), -EINVAL);
	cr_assert_eq(ask(1, 7, NETHV_REQ_VF_ALLOCATE, 0), NETHV_EPERM, "a capture");
	cr_assert_str_eq(bed_broken(&b), "EXT-1 cap: sends a request or status");
	cr_assert_str_eq(bed_log(&b), "");
}

Test(vsw_objects, hwo_1_every_request_travels_wrapped_and_comes_back)
{
	static const uint16_t order[] = {NETHV_REQ_VMQ_ALLOCATE, NETHV_REQ_VMQ_SET_FILTER,
					 NETHV_REQ_VMQ_COMPLETE, NETHV_REQ_VMQ_CLEAR_FILTER,
					 NETHV_REQ_VMQ_FREE,	 NETHV_REQ_VF_ALLOCATE,
					 NETHV_REQ_VF_FREE,	 NETHV_REQ_VPORT_CREATE,
					 NETHV_REQ_FILTER_MOVE,	 NETHV_REQ_VPORT_DELETE};
	unsigned int i;

	for (i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		cr_assert_eq(ask(0, 7, order[i], number), 0, "%u: %s", order[i], err_text());
	cr_assert_str_eq(strstr(bed_log(&b), "fwd:VPORT_DELETE"),
			 "fwd:VPORT_DELETE up:VPORT_DELETE102");
	cr_assert_eq(b.nr_broken, 0);
}

static int veto_all(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	return nethv_veto(ev, "not here");
}

static int done_all(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	ev->number = 500;
	return NETHV_EV_DONE;
}

Test(vsw_objects, hwo_2_the_forwarder_may_veto_what_allocates_and_sets)
{
	static const uint16_t may[] = {NETHV_REQ_VMQ_ALLOCATE, NETHV_REQ_VMQ_SET_FILTER,
				       NETHV_REQ_VF_ALLOCATE, NETHV_REQ_VPORT_CREATE};
	unsigned int i;

	cr_assert_eq(ask(0, 7, NETHV_REQ_VMQ_ALLOCATE, 0), 0);
	bed_ext(&b, "fwd")->event = veto_all;
	for (i = 0; i < 4; i++) {
		bed_log(&b);
		cr_assert_eq(ask(0, 7, may[i], 100), -EACCES);
		cr_assert(strstr(err_text(), "p7: refused by extension fwd: not here"));
		cr_assert_null(strstr(bed_log(&b), "up:"), "the uplink is not asked");
	}
	cr_assert_eq(b.nr_broken, 0);
}

Test(vsw_objects, hwo_2_what_clears_frees_and_completes_cannot_be_vetoed_or_kept)
{
	static const uint16_t may_not[] = {NETHV_REQ_VMQ_COMPLETE, NETHV_REQ_VMQ_CLEAR_FILTER,
					   NETHV_REQ_VMQ_FREE};
	unsigned int i;

	for (i = 0; i < 6; i++) {
		bed_ext(&b, "fwd")->event = NULL;
		cr_assert_eq(ask(0, 7, NETHV_REQ_VMQ_ALLOCATE, 0), 0);
		bed_ext(&b, "fwd")->event = i < 3 ? veto_all : done_all;
		bed_log(&b);
		cr_assert_eq(ask(0, 7, may_not[i % 3], number), 0);
		cr_assert(strstr(bed_broken(&b), "HWO-2 fwd: "));
		cr_assert(strstr(bed_log(&b), "up:"), "it reaches the uplink");
	}
	bed_ext(&b, "fwd")->event = veto_all;
	cr_assert_eq(ask(0, 7, NETHV_REQ_FILTER_MOVE, 0), 0);
	cr_assert_str_eq(bed_broken(&b), "HWO-2 fwd: refuses FILTER_MOVE");
}

Test(vsw_objects, hwo_2_only_the_forwarder_may_veto_a_request)
{
	bed_ext(&b, "f1")->answer[NETHV_EV_NIC_REQUEST] = NETHV_EV_VETO;
	cr_assert_eq(ask(0, 7, NETHV_REQ_VMQ_ALLOCATE, 0), 0);
	cr_assert_str_eq(bed_broken(&b), "HWO-2 f1: refuses VMQ_ALLOCATE");
}

Test(vsw_objects, hwo_2_those_above_learn_of_a_refusal)
{
	bed_ext(&b, "fwd")->event = veto_all;
	cr_assert_eq(ask(0, 7, NETHV_REQ_VF_ALLOCATE, 0), -EACCES);
	cr_assert_str_eq(bed_log(&b),
			 "cap:VF_ALLOCATE f1:VF_ALLOCATE f2:VF_ALLOCATE fwd:VF_ALLOCATE "
			 "f2:VF_FREE f1:VF_FREE cap:VF_FREE");
	bed_ext(&b, "fwd")->event = NULL;
	b.uplink_rc = -ENOSPC;
	cr_assert_eq(ask(0, 7, NETHV_REQ_VF_ALLOCATE, 0), -ENOSPC);
	cr_assert_str_eq(err_text(), "the uplink is full");
	cr_assert(strstr(bed_log(&b),
			 "up:VF_ALLOCATE100 fwd:VF_FREE f2:VF_FREE f1:VF_FREE cap:VF_FREE"));
	cr_assert_eq(number, 0);
}

Test(vsw_objects, hwo_2_a_forwarder_may_give_a_resource_of_its_own)
{
	bed_ext(&b, "fwd")->event = done_all;
	cr_assert_eq(ask(0, 7, NETHV_REQ_VMQ_ALLOCATE, 0), 0);
	cr_assert_eq(number, 500);
	bed_log(&b);
	cr_assert_eq(ask(0, 7, NETHV_REQ_VMQ_COMPLETE, 500), 0);
	cr_assert_eq(ask(0, 7, NETHV_REQ_VMQ_FREE, 500), 0, "%s", err_text());
	cr_assert_null(strstr(bed_log(&b), "up:"), "the uplink does not know it");
	cr_assert_eq(b.nr_broken, 0, "%s", b.broken);
	cr_assert_eq(ask(0, 7, NETHV_REQ_VMQ_FREE, 500), -EINVAL, "it is gone");
}

/* A teaming provider: takes the switch's allocation and makes its own. */
static int redirect(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	struct nethv_event mine = *ev;

	if (ev->request != NETHV_REQ_VMQ_ALLOCATE)
		return NETHV_EV_PASS;
	mine.nic = 2;
	if (vsw_objs_request(bed->o, e->x.owner, &mine) != NETHV_OK)
		return NETHV_EV_VETO;
	ev->number = mine.number;
	return NETHV_EV_DONE;
}

Test(vsw_objects, ext_4_a_teaming_provider_forwards_a_request_to_one_member)
{
	bed_ext(&b, "fwd")->event = redirect;
	cr_assert_eq(ask(0, 7, NETHV_REQ_VMQ_ALLOCATE, 0), 0, "%s", err_text());
	cr_assert_eq(number, 100);
	cr_assert(strstr(bed_log(&b), "fwd:VMQ_ALLOCATE up:VMQ_ALLOCATE100"));
	b.uplink_rc = -ENOSPC;
	cr_assert_eq(ask(0, 8, NETHV_REQ_VMQ_ALLOCATE, 0), -EACCES);
}

Test(vsw_objects, hwo_3_an_extension_frees_only_what_it_allocated)
{
	cr_assert_eq(ask(0, 7, NETHV_REQ_VMQ_ALLOCATE, 0), 0);
	cr_assert_eq(ask(3, 7, NETHV_REQ_VMQ_ALLOCATE, 0), NETHV_OK);
	cr_assert_eq(ask(FWD, 7, NETHV_REQ_VMQ_FREE, 100), NETHV_EPERM, "the switch's");
	cr_assert_str_eq(bed_broken(&b), "HWO-3 fwd: frees or changes what it did not allocate");
	cr_assert_eq(ask(FWD, 7, NETHV_REQ_VMQ_FREE, 101), NETHV_EPERM, "another extension's");
	cr_assert_eq(ask(FWD, 7, NETHV_REQ_VMQ_CLEAR_FILTER, 101), NETHV_EPERM);
	cr_assert_eq(ask(0, 7, NETHV_REQ_VMQ_FREE, 101), -EINVAL);
	cr_assert_eq(ask(3, 7, NETHV_REQ_VMQ_FREE, 101), NETHV_OK);
	cr_assert_eq(ask(3, 7, NETHV_REQ_VMQ_FREE, 101), NETHV_EPERM, "only once");
}

Test(vsw_objects, hwo_3_a_resource_belongs_to_the_port_it_was_allocated_for)
{
	cr_assert_eq(ask(FWD, 7, NETHV_REQ_VF_ALLOCATE, 0), NETHV_OK);
	cr_assert_eq(ask(FWD, 8, NETHV_REQ_VF_FREE, 100), NETHV_EPERM);
	cr_assert_eq(ask(FWD, 7, NETHV_REQ_VPORT_DELETE, 100), NETHV_EPERM, "it is a VF");
	cr_assert_eq(ask(FWD, 7, NETHV_REQ_VF_FREE, 100), NETHV_OK);
}

Test(vsw_objects, hwo_3_what_a_detached_extension_had_is_given_back)
{
	cr_assert_eq(ask(2, 7, NETHV_REQ_VF_ALLOCATE, 0), NETHV_OK);
	cr_assert_eq(ask(2, 7, NETHV_REQ_VPORT_CREATE, 0), NETHV_OK);
	cr_assert_eq(ask(FWD, 7, NETHV_REQ_VMQ_ALLOCATE, 0), NETHV_OK);
	bed_log(&b);
	bed_ext(&b, "f1")->is_loaded = false;
	vsw_objs_owner_gone(b.o, 2);
	cr_assert_str_eq(bed_log(&b), "fwd:VPORT_DELETE f2:VPORT_DELETE up:VPORT_DELETE101 "
				      "fwd:VF_FREE f2:VF_FREE up:VF_FREE100");
	cr_assert_eq(ask(FWD, 7, NETHV_REQ_VMQ_FREE, 102), NETHV_OK, "the others' stay");
}

Test(vsw_objects, hwo_3_what_a_port_still_has_is_given_back_with_it)
{
	cr_assert_eq(ask(FWD, 7, NETHV_REQ_VMQ_ALLOCATE, 0), NETHV_OK);
	cr_assert_eq(ask(0, 7, NETHV_REQ_VF_ALLOCATE, 0), 0);
	cr_assert_eq(ask(0, 8, NETHV_REQ_VF_ALLOCATE, 0), 0);
	cr_assert_eq(vsw_objs_nic_disconnect(b.o, 7, 0), 0);
	bed_log(&b);
	cr_assert_eq(vsw_objs_nic_delete(b.o, 7, 0), 0);
	cr_assert_str_eq(bed_log(&b), "fwd:VF_FREE f2:VF_FREE f1:VF_FREE cap:VF_FREE up:VF_FREE101 "
				      "up:VMQ_FREE100 "
				      "cap:NIC_DELETE f1:NIC_DELETE f2:NIC_DELETE fwd:NIC_DELETE");
	cr_assert_eq(ask(0, 8, NETHV_REQ_VF_FREE, 102), 0, "port 8 keeps its own");
}

/* ---- Status ----------------------------------------------------------------------------------- */

static void status(void)
{
	struct nethv_port_info info = {.port = 7};
	struct nethv_event ev = {.port = &info};

	vsw_objs_nic_status(b.o, &ev);
}

Test(vsw_objects, ev_9_status_goes_up_the_stack_to_the_switch)
{
	status();
	cr_assert_str_eq(bed_log(&b), "fwd:NIC_STATUS f2:NIC_STATUS f1:NIC_STATUS cap:NIC_STATUS "
				      "switch:NIC_STATUS");
	cr_assert_eq(vsw_objs_port_remove(b.o, 7), 0);
	bed_log(&b);
	status();
	cr_assert_str_eq(bed_log(&b), "", "too late");
}

static int rewrite(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	struct nethv_event mine = *ev;

	cr_assert_eq(vsw_objs_request(bed->o, e->x.owner, &mine), NETHV_OK);
	return NETHV_EV_DONE;
}

Test(vsw_objects, ev_9_a_forwarder_may_rewrite_a_status_and_a_filter_may_not)
{
	bed_ext(&b, "fwd")->event = rewrite;
	bed_ext(&b, "f2")->answer[NETHV_EV_NIC_STATUS] = NETHV_EV_DONE;
	status();
	cr_assert_str_eq(bed_log(&b), "fwd:NIC_STATUS f2:NIC_STATUS f1:NIC_STATUS cap:NIC_STATUS "
				      "switch:NIC_STATUS");
	cr_assert_str_eq(bed_broken(&b), "EV-9 f2: keeps from those below NIC_STATUS");
}

static int ping_pong(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	struct nethv_event next = *ev;

	next.kind = ev->kind == NETHV_EV_NIC_STATUS ? NETHV_EV_NIC_REQUEST : NETHV_EV_NIC_STATUS;
	next.request = NETHV_REQ_VMQ_ALLOCATE;
	vsw_objs_request(bed->o, e->x.owner, &next);
	return NETHV_EV_PASS;
}

Test(vsw_objects, ev_9_extensions_that_answer_each_other_for_ever_come_to_an_end)
{
	bed_ext(&b, "f1")->event = ping_pong;
	bed_ext(&b, "f2")->event = ping_pong;
	status();
	cr_assert(strstr(bed_log(&b), "switch:NIC_STATUS"));
}

Test(vsw_objects, iov_9_only_a_forwarder_takes_a_vf_away)
{
	struct nethv_port_info info = bed_info(7, NETHV_PORT_SYNTHETIC);

	cr_assert_eq(vsw_objs_remove_vf(b.o, FWD, 7), NETHV_ERANGE, "there is none");
	info.flags = NETHV_PORT_VF_ASSIGNED;
	cr_assert_eq(vsw_objs_nic_updated(b.o, 7, 0, &info), 0);
	cr_assert_eq(vsw_objs_remove_vf(b.o, 2, 7), NETHV_EPERM);
	cr_assert_str_eq(bed_broken(&b), "IOV-9 f1: takes a VF away, which only a forwarder may");
	cr_assert_eq(vsw_objs_remove_vf(b.o, FWD, 7), NETHV_OK);
	cr_assert_eq(b.vf_removed, 1);
}
