// SPDX-License-Identifier: BSD-3-Clause
/* Ports and adapters: states, events, vetoes, references, validation ports. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/objsbed.h"

static struct bed b;

static void up(void)
{
	bed_up(&b);
}

static void down(void)
{
	bed_down(&b);
}

TestSuite(vsw_objects, .init = up, .fini = down);

#define REF(owner)	 vsw_objs_ref(b.o, owner, 7, VSW_NIC_NONE)
#define UNREF(owner)	 vsw_objs_unref(b.o, owner, 7, VSW_NIC_NONE)
#define NIC_REF(owner)	 vsw_objs_ref(b.o, owner, 7, 0)
#define NIC_UNREF(owner) vsw_objs_unref(b.o, owner, 7, 0)

/* One row of the table: what state @s allows. */
struct row {
	bool create, nic_create, connect, updated, disconnect, nic_delete, teardown, delete,
		port_oid, nic_oid, ext_port_oid, ext_nic_oid, pass, send, ref, nic_ref;
};

static bool begin_in(enum nethv_port_state s)
{
	bed_down(&b);
	bed_up(&b);
	bed_port(&b, 7, s);
	return true;
}

/* Does @call in a fresh bed whose port 7 is in state @s. */
#define IN_STATE(s, call) (begin_in(s) ? (call) : -1)

static int ext_request(void)
{
	struct nethv_port_info info = {.port = 7};
	struct nethv_event ev = {
		.kind = NETHV_EV_NIC_REQUEST, .port = &info, .request = NETHV_REQ_VF_ALLOCATE};

	return vsw_objs_request(b.o, 4, &ev);
}

static int switch_request(void)
{
	struct nethv_port_info info = {.port = 7};
	struct nethv_event ev = {.port = &info, .request = NETHV_REQ_VF_ALLOCATE};

	return vsw_objs_nic_request(b.o, &ev);
}

static bool ext_sees_property(void)
{
	struct nethv_property p = bed_prop(NETHV_PROP_VLAN, 1, 0, "5"), out;

	vsw_objs_property_add(b.o, 7, &p);
	return vsw_objs_property(b.o, 7, &p.id, 0, &out);
}

static int add_property(void)
{
	struct nethv_property p = bed_prop(NETHV_PROP_VLAN, 1, 0, "5");

	return vsw_objs_property_add(b.o, 7, &p);
}

static int create(void)
{
	struct nethv_port_info info = bed_info(7, NETHV_PORT_SYNTHETIC);

	return vsw_objs_port_create(b.o, &info);
}

static int updated(void)
{
	struct nethv_port_info info = bed_info(7, NETHV_PORT_SYNTHETIC);

	return vsw_objs_nic_updated(b.o, 7, 0, &info);
}

/* Legal exactly when @want says so, and the refusal names state and event. */
static void legal(int rc, bool want, const char *event)
{
	cr_assert_eq(rc, want ? 0 : -EPROTO, "%s: %d %s", event, rc, err_text());
	if (!want)
		cr_assert(strstr(err_text(), event), "%s", err_text());
}

static void check_row(enum nethv_port_state s, const struct row *r)
{
	legal(IN_STATE(s, create()), r->create, "PORT_CREATE");
	legal(IN_STATE(s, vsw_objs_nic_create(b.o, 7, 0)), r->nic_create, "NIC_CREATE");
	legal(IN_STATE(s, vsw_objs_nic_connect(b.o, 7, 0)), r->connect, "NIC_CONNECT");
	legal(IN_STATE(s, updated()), r->updated, "NIC_UPDATED");
	legal(IN_STATE(s, vsw_objs_nic_disconnect(b.o, 7, 0)), r->disconnect, "NIC_DISCONNECT");
	legal(IN_STATE(s, vsw_objs_nic_delete(b.o, 7, 0)), r->nic_delete, "NIC_DELETE");
	legal(IN_STATE(s, vsw_objs_port_teardown(b.o, 7)), r->teardown, "PORT_TEARDOWN");
	legal(IN_STATE(s, vsw_objs_port_delete(b.o, 7)), r->delete, "PORT_DELETE");
	legal(IN_STATE(s, add_property()), r->port_oid, "PORT_PROPERTY_ADD");
	legal(IN_STATE(s, vsw_objs_port_updated(b.o, 7, "x")), r->port_oid, "PORT_UPDATED");
	legal(IN_STATE(s, switch_request()), r->nic_oid, "NIC_REQUEST");
	cr_assert_eq(IN_STATE(s, ext_sees_property()), r->ext_port_oid);
	cr_assert_eq(IN_STATE(s, ext_request()), r->ext_nic_oid ? NETHV_OK : NETHV_EPERM);
	cr_assert_eq(IN_STATE(s, REF(1)), r->ref ? NETHV_OK : NETHV_EPERM);
	cr_assert_eq(IN_STATE(s, NIC_REF(1)), r->nic_ref ? NETHV_OK : NETHV_EPERM);
	begin_in(s);
	cr_assert_eq(vsw_objs_states(b.o)[7], s);
	cr_assert_eq(vsw_objs_may_pass(vsw_objs_states(b.o), 7), r->pass);
	cr_assert_eq(vsw_objs_may_target(vsw_objs_states(b.o), 7), r->send);
	cr_assert_eq(vsw_objs_may_originate(vsw_objs_states(b.o), 7), r->send);
}

Test(vsw_objects, st_0_port_not_created_allows_its_creation_only)
{
	check_row(NETHV_PORT_NONE, &(struct row){.create = true});
}

Test(vsw_objects, st_1_port_created_allows_port_events_and_port_references)
{
	check_row(NETHV_PORT_CREATED, &(struct row){.nic_create = true,
						    .teardown = true,
						    .port_oid = true,
						    .ext_port_oid = true,
						    .ref = true});
}

Test(vsw_objects, st_2_nic_created_passes_packets_of_the_switch_only)
{
	check_row(NETHV_NIC_CREATED, &(struct row){.connect = true,
						   .updated = true,
						   .disconnect = true,
						   .port_oid = true,
						   .nic_oid = true,
						   .ext_port_oid = true,
						   .pass = true,
						   .ref = true});
}

Test(vsw_objects, st_3_nic_connected_allows_everything_but_deletion)
{
	check_row(NETHV_NIC_CONNECTED, &(struct row){.updated = true,
						     .disconnect = true,
						     .port_oid = true,
						     .nic_oid = true,
						     .ext_port_oid = true,
						     .ext_nic_oid = true,
						     .pass = true,
						     .send = true,
						     .ref = true,
						     .nic_ref = true});
}

Test(vsw_objects, st_4_nic_disconnected_only_drains)
{
	check_row(NETHV_NIC_DISCONNECTED, &(struct row){.updated = true,
							.nic_delete = true,
							.port_oid = true,
							.nic_oid = true,
							.ext_port_oid = true,
							.pass = true,
							.ref = true});
}

Test(vsw_objects, st_5_nic_deleted_allows_another_adapter_or_the_end)
{
	check_row(NETHV_NIC_DELETED, &(struct row){.nic_create = true,
						   .teardown = true,
						   .port_oid = true,
						   .ext_port_oid = true,
						   .ref = true});
}

Test(vsw_objects, st_6_port_tearing_down_allows_nothing_to_extensions)
{
	check_row(NETHV_PORT_TEARDOWN, &(struct row){.delete = true, .port_oid = true});
}

Test(vsw_objects, st_refusals_name_the_state)
{
	bed_port(&b, 7, NETHV_NIC_CONNECTED);
	cr_assert_eq(vsw_objs_nic_delete(b.o, 7, 0), -EPROTO);
	cr_assert_str_eq(err_text(),
			 "port p7: NIC_DELETE of adapter 0 is out of order: the state is "
			 "\"NIC connected\"");
	cr_assert_eq(vsw_objs_nic_connect(b.o, 256, 0), -EINVAL);
	cr_assert_eq(vsw_objs_nic_connect(b.o, 7, 33), -EINVAL);
	cr_assert_str_eq(bed_log(&b), "", "nothing was sent");
}

Test(vsw_objects, st_references_in_a_state_without_break_the_rule_of_that_state)
{
	bed_port(&b, 7, NETHV_NIC_DISCONNECTED);
	cr_assert_eq(NIC_REF(3), NETHV_EPERM);
	cr_assert_str_eq(
		bed_broken(&b),
		"ST-4 f2: reference to the adapter of port 7 in state \"NIC disconnected\"");
	cr_assert_eq(vsw_objs_ref(b.o, 3, 300, 0), NETHV_ERANGE);
	cr_assert_eq(vsw_objs_ref(b.o, 99, 7, VSW_NIC_NONE), NETHV_EPERM, "nobody's");
}

/* ---- Events ---------------------------------------------------------------------------------- */

static int state_in_event[NETHV_EV_NIC_STATUS + 1];

static int note_state(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	cr_assert_eq(ev->size, sizeof(*ev));
	cr_assert_eq(ev->port->size, sizeof(*ev->port));
	state_in_event[ev->kind] = ev->port->state;
	return NETHV_EV_PASS;
}

Test(vsw_objects, ev_2_port_events_reach_everybody_from_the_top)
{
	cr_assert_eq(create(), 0);
	cr_assert_str_eq(bed_log(&b),
			 "cap:PORT_CREATE f1:PORT_CREATE f2:PORT_CREATE fwd:PORT_CREATE");
	cr_assert_eq(vsw_objs_port_updated(b.o, 7, "new"), 0);
	cr_assert_eq(vsw_objs_port_find(b.o, "new"), 7);
	cr_assert_eq(vsw_objs_port_teardown(b.o, 7), 0);
	cr_assert_eq(vsw_objs_port_delete(b.o, 7), 0);
	cr_assert_str_eq(bed_log(&b),
			 "cap:PORT_UPDATED f1:PORT_UPDATED f2:PORT_UPDATED fwd:PORT_UPDATED "
			 "cap:PORT_TEARDOWN f1:PORT_TEARDOWN f2:PORT_TEARDOWN fwd:PORT_TEARDOWN "
			 "cap:PORT_DELETE f1:PORT_DELETE f2:PORT_DELETE fwd:PORT_DELETE");
	cr_assert_eq(vsw_objs_port_find(b.o, "new"), NETHV_PORT_DEFAULT);
}

Test(vsw_objects, ev_2_a_vetoed_port_does_not_exist_and_those_above_learn_of_it)
{
	bed_ext(&b, "f2")->answer[NETHV_EV_PORT_CREATE] = NETHV_EV_VETO;
	bed_ext(&b, "f2")->why = "no licence for\nmore ports";
	cr_assert_eq(create(), -EACCES);
	cr_assert_str_eq(err_text(), "port p7: refused by extension f2: no licence for?more ports");
	cr_assert_str_eq(
		bed_log(&b),
		"cap:PORT_CREATE f1:PORT_CREATE f2:PORT_CREATE f1:PORT_DELETE cap:PORT_DELETE");
	cr_assert_eq(vsw_objs_state(b.o, 7, 0), NETHV_PORT_NONE);
	cr_assert_eq(vsw_objs_states(b.o)[7], NETHV_PORT_NONE);
	bed_ext(&b, "f2")->answer[NETHV_EV_PORT_CREATE] = NETHV_EV_PASS;
	cr_assert_eq(create(), 0, "the number is free: %s", err_text());
}

Test(vsw_objects, ev_3_nic_events_reach_everybody_and_show_the_state)
{
	bed_ext(&b, "f1")->event = note_state;
	bed_port(&b, 7, NETHV_NIC_DELETED);
	cr_assert_eq(state_in_event[NETHV_EV_PORT_CREATE], NETHV_PORT_NONE);
	cr_assert_eq(state_in_event[NETHV_EV_NIC_CREATE], NETHV_PORT_CREATED);
	cr_assert_eq(state_in_event[NETHV_EV_NIC_CONNECT], NETHV_NIC_CONNECTED);
	cr_assert_eq(state_in_event[NETHV_EV_NIC_DISCONNECT], NETHV_NIC_DISCONNECTED);
	cr_assert_eq(state_in_event[NETHV_EV_NIC_DELETE], NETHV_NIC_DELETED);
	cr_assert_eq(vsw_objs_nic_create(b.o, 7, 0), 0, "another adapter on the same port");
	cr_assert_eq(vsw_objs_nic_connect(b.o, 7, 0), 0);
	cr_assert_str_eq(bed_log(&b),
			 "cap:NIC_CREATE f1:NIC_CREATE f2:NIC_CREATE fwd:NIC_CREATE "
			 "cap:NIC_CONNECT f1:NIC_CONNECT f2:NIC_CONNECT fwd:NIC_CONNECT");
}

Test(vsw_objects, ev_3_a_vetoed_nic_leaves_the_port_as_it_was)
{
	bed_port(&b, 7, NETHV_PORT_CREATED);
	bed_ext(&b, "fwd")->answer[NETHV_EV_NIC_CREATE] = -22;
	cr_assert_eq(vsw_objs_nic_create(b.o, 7, 0), -EACCES);
	cr_assert_str_eq(err_text(), "port p7: refused by extension fwd: no reason given");
	cr_assert_str_eq(bed_log(&b), "cap:NIC_CREATE f1:NIC_CREATE f2:NIC_CREATE fwd:NIC_CREATE "
				      "f2:NIC_DELETE f1:NIC_DELETE cap:NIC_DELETE");
	cr_assert_eq(vsw_objs_state(b.o, 7, 0), NETHV_PORT_CREATED);
	cr_assert_eq(vsw_objs_port_teardown(b.o, 7), 0);
}

Test(vsw_objects, ev_3_updates_change_name_mtu_mac_and_vf_only)
{
	struct nethv_port_info now = bed_info(9, NETHV_PORT_EXTERNAL), got;

	bed_port(&b, 7, NETHV_NIC_CONNECTED);
	now.mtu = 9000;
	now.mac[5] = 1;
	now.pvid = 5;
	now.flags = NETHV_PORT_VF_ASSIGNED | NETHV_PORT_VALIDATION;
	cr_assert_eq(vsw_objs_nic_updated(b.o, 7, 0, &now), 0);
	cr_assert(vsw_objs_port_next(b.o, 0, &got));
	cr_assert_eq(got.port, 7);
	cr_assert_eq(got.type, NETHV_PORT_SYNTHETIC);
	cr_assert_eq(got.mtu, 9000);
	cr_assert_eq(got.mac[5], 1);
	cr_assert_eq(got.pvid, 0);
	cr_assert_eq(got.flags, NETHV_PORT_VF_ASSIGNED);
	cr_assert_str_eq(got.name, "p9");
	cr_assert_not(vsw_objs_port_next(b.o, 8, &got));
}

Test(vsw_objects, ev_what_cannot_be_refused_is_not_and_the_attempt_breaks_a_rule)
{
	bed_ext(&b, "f1")->answer[NETHV_EV_NIC_CONNECT] = NETHV_EV_VETO;
	bed_ext(&b, "f1")->answer[NETHV_EV_NIC_DISCONNECT] = NETHV_EV_DONE;
	bed_port(&b, 7, NETHV_NIC_CREATED);
	cr_assert_eq(vsw_objs_nic_connect(b.o, 7, 0), 0);
	cr_assert_str_eq(bed_broken(&b), "EV-3 f1: refuses NIC_CONNECT");
	cr_assert_eq(vsw_objs_nic_disconnect(b.o, 7, 0), 0);
	cr_assert_str_eq(bed_broken(&b), "EV-3 f1: keeps from those below NIC_DISCONNECT");
	cr_assert(strstr(bed_log(&b), "fwd:NIC_DISCONNECT"), "those below see it all the same");
}

Test(vsw_objects, ext_1_a_capture_can_refuse_nothing)
{
	bed_ext(&b, "cap")->answer[NETHV_EV_PORT_CREATE] = NETHV_EV_VETO;
	cr_assert_eq(create(), 0);
	cr_assert_str_eq(bed_broken(&b), "EXT-1 cap: refuses PORT_CREATE");
}

Test(vsw_objects, ext_2_a_filter_may_refuse_ports_and_nics)
{
	bed_ext(&b, "f1")->answer[NETHV_EV_PORT_CREATE] = NETHV_EV_VETO;
	cr_assert_eq(create(), -EACCES);
	bed_ext(&b, "f1")->answer[NETHV_EV_PORT_CREATE] = 0;
	bed_ext(&b, "f1")->answer[NETHV_EV_NIC_CREATE] = NETHV_EV_VETO;
	cr_assert_eq(create(), 0);
	cr_assert_eq(vsw_objs_nic_create(b.o, 7, 0), -EACCES);
	cr_assert_eq(b.nr_broken, 0);
}

static int scribble(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	struct nethv_port_info *info = (struct nethv_port_info *)ev->port;

	info->port = 9;
	info->name[0] = '!';
	ev->kind = NETHV_EV_PORT_DELETE;
	ev->port = NULL;
	return NETHV_EV_PASS;
}

Test(vsw_objects, ev_what_an_extension_writes_into_an_event_reaches_nobody)
{
	bed_ext(&b, "cap")->event = scribble;
	bed_ext(&b, "fwd")->answer[NETHV_EV_PORT_CREATE] = NETHV_EV_VETO;
	cr_assert_eq(create(), -EACCES);
	cr_assert(strstr(err_text(), "port p7: refused"));
	cr_assert(strstr(bed_log(&b),
			 "f1:PORT_CREATE f2:PORT_CREATE fwd:PORT_CREATE f2:PORT_DELETE"));
}

/* ---- The stack changes ------------------------------------------------------------------------ */

static int swap_stack(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	bed_ext(bed, "f1")->is_loaded = false;
	vsw_objs_owner_gone(bed->o, 2);
	if (bed->n == 4)
		bed_add(bed, NETHV_FILTER, "f3");
	return NETHV_EV_PASS;
}

Test(vsw_objects, ext_8_a_stack_that_changes_loses_no_pending_event)
{
	bed_port(&b, 7, NETHV_NIC_CREATED);
	bed_ext(&b, "cap")->event = swap_stack;
	cr_assert_eq(vsw_objs_nic_connect(b.o, 7, 0), 0);
	cr_assert_str_eq(bed_log(&b), "cap:NIC_CONNECT f2:NIC_CONNECT fwd:NIC_CONNECT");
	cr_assert_eq(vsw_objs_nic_disconnect(b.o, 7, 0), 0);
	cr_assert_str_eq(
		bed_log(&b),
		"cap:NIC_DISCONNECT f2:NIC_DISCONNECT fwd:NIC_DISCONNECT f3:NIC_DISCONNECT");
}

Test(vsw_objects, ext_8_an_extension_that_left_is_not_told_of_the_rollback)
{
	bed_ext(&b, "f2")->event = swap_stack;
	bed_ext(&b, "fwd")->answer[NETHV_EV_PORT_CREATE] = NETHV_EV_VETO;
	cr_assert_eq(create(), -EACCES);
	cr_assert_str_eq(bed_log(&b),
			 "cap:PORT_CREATE f1:PORT_CREATE f2:PORT_CREATE fwd:PORT_CREATE "
			 "f2:PORT_DELETE cap:PORT_DELETE");
}

/* ---- Disconnecting ---------------------------------------------------------------------------- */

static int try_target(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	if (ev->kind == NETHV_EV_NIC_DISCONNECT) {
		cr_assert_not(vsw_objs_may_target(vsw_objs_states(bed->o), 7));
		cr_assert_not(vsw_objs_may_originate(vsw_objs_states(bed->o), 7));
		cr_assert(vsw_objs_may_pass(vsw_objs_states(bed->o), 7),
			  "what is under way drains");
		cr_assert_eq(NIC_REF(e->x.owner), NETHV_EPERM);
	}
	return NETHV_EV_PASS;
}

Test(vsw_objects, dp_9_nobody_can_target_a_nic_from_its_disconnect_event_on)
{
	bed_port(&b, 7, NETHV_NIC_CONNECTED);
	bed_ext(&b, "cap")->event = try_target;
	cr_assert(vsw_objs_may_target(vsw_objs_states(b.o), 7));
	cr_assert_eq(vsw_objs_nic_disconnect(b.o, 7, 0), 0);
	cr_assert_str_eq(
		bed_broken(&b),
		"ST-4 cap: reference to the adapter of port 7 in state \"NIC disconnected\"");
	cr_assert_not(vsw_objs_may_target(vsw_objs_states(b.o), 7));
}

Test(vsw_objects, dp_9_a_reference_holds_the_deletion_until_work_in_flight_ended)
{
	bed_port(&b, 7, NETHV_NIC_CONNECTED);
	cr_assert_eq(NIC_REF(4), NETHV_OK);
	cr_assert_eq(vsw_objs_nic_disconnect(b.o, 7, 0), 0);
	bed_log(&b);
	cr_assert_eq(vsw_objs_nic_delete(b.o, 7, 0), 1);
	cr_assert_eq(vsw_objs_nic_delete(b.o, 7, 0), 1, "asking again changes nothing");
	cr_assert_str_eq(bed_log(&b), "");
	cr_assert_eq(vsw_objs_state(b.o, 7, 0), NETHV_NIC_DISCONNECTED);
	cr_assert_eq(vsw_objs_nic_create(b.o, 7, 0), -EPROTO);
	cr_assert_eq(NIC_UNREF(4), NETHV_OK);
	cr_assert_str_eq(bed_log(&b), "cap:NIC_DELETE f1:NIC_DELETE f2:NIC_DELETE fwd:NIC_DELETE");
	cr_assert_str_eq(bed_gone(&b), "7/0");
	cr_assert_eq(vsw_objs_state(b.o, 7, 0), NETHV_NIC_DELETED);
}

Test(vsw_objects, dp_10_the_default_port_may_always_be_a_source_and_never_a_target)
{
	cr_assert(vsw_objs_may_originate(vsw_objs_states(b.o), NETHV_PORT_DEFAULT));
	cr_assert_not(vsw_objs_may_target(vsw_objs_states(b.o), NETHV_PORT_DEFAULT));
	cr_assert_not(vsw_objs_may_originate(vsw_objs_states(b.o), 256));
	cr_assert_not(vsw_objs_may_pass(vsw_objs_states(b.o), 256));
}

/* ---- References ------------------------------------------------------------------------------- */

Test(vsw_objects, ref_keeps_a_port_and_its_number_until_the_last_is_dropped)
{
	bed_port(&b, 7, NETHV_PORT_CREATED);
	cr_assert_eq(REF(1), NETHV_OK);
	cr_assert_eq(REF(1), NETHV_OK);
	cr_assert_eq(REF(4), NETHV_OK);
	cr_assert_eq(vsw_objs_refs(b.o, VSW_OWNER_SWITCH, 7, VSW_NIC_NONE), 3);
	cr_assert_eq(vsw_objs_refs(b.o, 1, 7, VSW_NIC_NONE), 2);
	cr_assert_eq(vsw_objs_port_teardown(b.o, 7), 0);
	cr_assert_eq(vsw_objs_port_delete(b.o, 7), 1);
	cr_assert_eq(create(), -EPROTO, "the number is taken");
	cr_assert_eq(REF(4), NETHV_EPERM, "no new ones");
	cr_assert_eq(UNREF(1), NETHV_OK);
	cr_assert_eq(UNREF(1), NETHV_OK);
	cr_assert_eq(UNREF(1), NETHV_ERANGE, "it has none any more");
	bed_log(&b);
	cr_assert_eq(UNREF(4), NETHV_OK);
	cr_assert_str_eq(bed_log(&b),
			 "cap:PORT_DELETE f1:PORT_DELETE f2:PORT_DELETE fwd:PORT_DELETE");
	cr_assert_str_eq(bed_gone(&b), "7");
	cr_assert_eq(create(), 0);
}

Test(vsw_objects, ref_of_a_detached_extension_is_dropped)
{
	bed_port(&b, 7, NETHV_NIC_CONNECTED);
	REF(2);
	NIC_REF(2);
	cr_assert_eq(vsw_objs_nic_disconnect(b.o, 7, 0), 0);
	cr_assert_eq(vsw_objs_port_remove(b.o, 7), 1);
	cr_assert_str_eq(bed_gone(&b), "");
	bed_ext(&b, "f1")->is_loaded = false;
	bed_log(&b);
	vsw_objs_owner_gone(b.o, 2);
	cr_assert_str_eq(bed_log(&b), "cap:NIC_DELETE f2:NIC_DELETE fwd:NIC_DELETE "
				      "cap:PORT_TEARDOWN f2:PORT_TEARDOWN fwd:PORT_TEARDOWN "
				      "cap:PORT_DELETE f2:PORT_DELETE fwd:PORT_DELETE");
	cr_assert_str_eq(bed_gone(&b), "7/0 7");
	cr_assert_eq(vsw_objs_refs(b.o, VSW_OWNER_SWITCH, 7, VSW_NIC_NONE), 0);
}

static int unref_on_teardown(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	if (ev->kind == NETHV_EV_NIC_DISCONNECT)
		cr_assert_eq(NIC_UNREF(e->x.owner), NETHV_OK);
	if (ev->kind == NETHV_EV_PORT_TEARDOWN)
		cr_assert_eq(UNREF(e->x.owner), NETHV_OK);
	return NETHV_EV_PASS;
}

Test(vsw_objects, ref_dropped_inside_the_event_that_announces_the_end_delays_nothing)
{
	bed_port(&b, 7, NETHV_NIC_CONNECTED);
	bed_ext(&b, "fwd")->event = unref_on_teardown;
	REF(4);
	NIC_REF(4);
	cr_assert_eq(vsw_objs_port_remove(b.o, 7), 0, "%s", err_text());
	cr_assert_eq(vsw_objs_state(b.o, 7, 0), NETHV_PORT_NONE);
	cr_assert_str_eq(bed_gone(&b), "", "the caller knows already");
}

Test(vsw_objects, dp_7_a_port_leaves_step_by_step_and_drains_in_between)
{
	bed_port(&b, 7, NETHV_NIC_CONNECTED);
	cr_assert_eq(vsw_objs_nic_disconnect(b.o, 7, 0), 0);
	cr_assert(vsw_objs_may_pass(vsw_objs_states(b.o), 7), "committed destinations are served");
	cr_assert_eq(vsw_objs_port_teardown(b.o, 7), -EPROTO);
	cr_assert_eq(vsw_objs_port_remove(b.o, 7), 0);
	cr_assert_not(vsw_objs_may_pass(vsw_objs_states(b.o), 7));
}

/* ---- Members of a team ------------------------------------------------------------------------ */

Test(vsw_objects, ext_4_members_of_a_team_live_between_creation_and_deletion_of_adapter_0)
{
	struct nethv_port_info info = bed_info(7, NETHV_PORT_EXTERNAL);

	info.nr_nics = 2;
	cr_assert_eq(vsw_objs_port_create(b.o, &info), 0);
	cr_assert_eq(vsw_objs_nic_create(b.o, 7, 1), -EPROTO, "not before adapter 0");
	cr_assert_eq(vsw_objs_nic_create(b.o, 7, 0), 0);
	cr_assert_eq(vsw_objs_nic_create(b.o, 7, 1), 0);
	cr_assert_eq(vsw_objs_nic_connect(b.o, 7, 1), 0);
	cr_assert_eq(vsw_objs_state(b.o, 7, 1), NETHV_NIC_CONNECTED);
	cr_assert_eq(vsw_objs_state(b.o, 7, 2), NETHV_PORT_CREATED);
	cr_assert_eq(vsw_objs_ref(b.o, 4, 7, 1), NETHV_OK);
	cr_assert_eq(vsw_objs_ref(b.o, 4, 7, 0), NETHV_EPERM);
	cr_assert_eq(vsw_objs_nic_disconnect(b.o, 7, 0), 0);
	cr_assert_eq(vsw_objs_nic_delete(b.o, 7, 0), -EPROTO, "not before its members");
	cr_assert_eq(vsw_objs_port_remove(b.o, 7), 1, "member 1 is referenced");
	cr_assert_eq(vsw_objs_unref(b.o, 4, 7, 1), NETHV_OK);
	cr_assert_str_eq(bed_gone(&b), "7/1 7");
	cr_assert_eq(vsw_objs_state(b.o, 7, 0), NETHV_PORT_NONE);
}

Test(vsw_objects, ext_4_only_external_ports_have_members)
{
	bed_port(&b, 7, NETHV_NIC_CONNECTED);
	cr_assert_eq(vsw_objs_nic_create(b.o, 7, 1), -EINVAL);
	cr_assert(strstr(err_text(), "only external ports have members"));
}

/* ---- Validation ports ------------------------------------------------------------------------- */

static unsigned int nr_validation;

static int count_validation(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	nr_validation += (ev->port->flags & NETHV_PORT_VALIDATION) != 0;
	if (ev->kind == NETHV_EV_PORT_PROPERTY_ADD)
		cr_assert_eq(vsw_objs_ref(bed->o, e->x.owner, ev->port->port, VSW_NIC_NONE),
			     NETHV_EPERM);
	return NETHV_EV_PASS;
}

Test(vsw_objects, vp_1_a_validation_port_is_made_asked_and_deleted)
{
	struct nethv_port_info info = bed_info(0, NETHV_PORT_SYNTHETIC), got;
	struct nethv_property p = bed_prop(NETHV_PROP_VLAN, 1, 0, "5");

	bed_ext(&b, "fwd")->event = count_validation;
	cr_assert_eq(vsw_objs_validate(b.o, &info, &p, 1), 0, "%s", err_text());
	cr_assert_eq(nr_validation, 4);
	cr_assert_str_eq(
		bed_log(&b),
		"cap:PORT_CREATE f1:PORT_CREATE f2:PORT_CREATE fwd:PORT_CREATE "
		"cap:PORT_PROPERTY_ADD f1:PORT_PROPERTY_ADD f2:PORT_PROPERTY_ADD fwd:PORT_PROPERTY_ADD "
		"cap:PORT_TEARDOWN f1:PORT_TEARDOWN f2:PORT_TEARDOWN fwd:PORT_TEARDOWN "
		"cap:PORT_DELETE f1:PORT_DELETE f2:PORT_DELETE fwd:PORT_DELETE");
	cr_assert_not(vsw_objs_port_next(b.o, 0, &got), "nothing stays");
}

Test(vsw_objects, vp_1_the_first_refusal_is_the_result)
{
	struct nethv_port_info info = bed_info(0, NETHV_PORT_SYNTHETIC), got;
	struct nethv_property p[2] = {bed_prop(NETHV_PROP_VLAN, 1, 0, "5"),
				      bed_prop(NETHV_PROP_SECURITY, 2, 0, "x")};

	bed_ext(&b, "f2")->answer[NETHV_EV_PORT_PROPERTY_ADD] = NETHV_EV_VETO;
	bed_ext(&b, "f2")->why = "VLAN 5 is not ours";
	cr_assert_eq(vsw_objs_validate(b.o, &info, p, 2), -EACCES);
	cr_assert_str_eq(err_text(), "port p0: refused by extension f2: VLAN 5 is not ours");
	cr_assert_not(vsw_objs_port_next(b.o, 0, &got));
}

Test(vsw_objects, vp_2_a_validation_port_cannot_be_referenced_or_used)
{
	struct nethv_port_info info = bed_info(0, NETHV_PORT_SYNTHETIC);
	struct nethv_property p = bed_prop(NETHV_PROP_VLAN, 1, 0, "5");

	bed_ext(&b, "f1")->event = count_validation;
	cr_assert_eq(vsw_objs_validate(b.o, &info, &p, 1), 0);
	cr_assert_str_eq(bed_broken(&b), "VP-2 f1: reference to a validation port");
	info.flags = NETHV_PORT_VALIDATION;
	cr_assert_eq(vsw_objs_port_create(b.o, &info), 0);
	cr_assert_eq(vsw_objs_nic_create(b.o, 0, 0), -EPROTO, "no packets, no hardware");
}

Test(vsw_objects, create_checks_names_types_and_members)
{
	struct nethv_port_info info = bed_info(7, NETHV_PORT_SYNTHETIC);

	info.name[0] = '\0';
	cr_assert_eq(vsw_objs_port_create(b.o, &info), -EINVAL);
	memset(info.name, 'x', sizeof(info.name));
	cr_assert_eq(vsw_objs_port_create(b.o, &info), -EINVAL);
	info = bed_info(7, 4);
	cr_assert_eq(vsw_objs_port_create(b.o, &info), -EINVAL);
	info = bed_info(7, NETHV_PORT_EXTERNAL);
	info.nr_nics = 33;
	cr_assert_eq(vsw_objs_port_create(b.o, &info), -EINVAL);
	info = bed_info(256, NETHV_PORT_EXTERNAL);
	cr_assert_eq(vsw_objs_port_create(b.o, &info), -EINVAL);
	bed_port(&b, 7, NETHV_PORT_CREATED);
	info = bed_info(7, NETHV_PORT_EXTERNAL);
	info.port = 8;
	cr_assert_eq(vsw_objs_port_create(b.o, &info), -EINVAL);
	cr_assert(strstr(err_text(), "the name is taken"));
}
