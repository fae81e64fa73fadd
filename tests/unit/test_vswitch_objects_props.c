// SPDX-License-Identifier: BSD-3-Clause
/* Properties of ports and of the switch, and the status of features. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/objsbed.h"

static struct bed b;

static void up(void)
{
	bed_up(&b);
	bed_port(&b, 7, NETHV_NIC_CONNECTED);
}

static void down(void)
{
	bed_down(&b);
}

TestSuite(vsw_objects, .init = up, .fini = down);

#define SWITCH NETHV_PORT_DEFAULT

static const struct nethv_guid no_instance;

static const char *text_of(uint16_t port, uint8_t id)
{
	static struct nethv_property p;
	struct nethv_guid g = bed_guid(id);

	return vsw_objs_property(b.o, port, &g, 0, &p) ? p.data : NULL;
}

Test(vsw_objects, pol_1_built_in_policies_are_never_sent_to_extensions)
{
	struct nethv_property p = bed_prop(NETHV_PROP_PROFILE + 1, 1, 0, "acl");

	cr_assert_eq(vsw_objs_property_add(b.o, 7, &p), -EINVAL);
	cr_assert(strstr(err_text(), "built-in policies are the switch's own"));
	cr_assert_str_eq(bed_log(&b), "");
}

Test(vsw_objects, pol_2_a_forwarder_that_ignores_vlans_can_veto_the_vlan_property)
{
	struct nethv_property p = bed_prop(NETHV_PROP_VLAN, 1, 0, "5");

	bed_ext(&b, "fwd")->answer[NETHV_EV_PORT_PROPERTY_ADD] = NETHV_EV_VETO;
	bed_ext(&b, "fwd")->why = "it knows no VLANs";
	cr_assert_eq(vsw_objs_property_add(b.o, 7, &p), -EACCES);
	cr_assert_str_eq(err_text(), "port p7: refused by extension fwd: it knows no VLANs");
	cr_assert_null(text_of(7, 1));
	cr_assert_eq(b.nr_broken, 0);
}

Test(vsw_objects, pol_2_all_three_standard_policies_go_through_the_whole_stack)
{
	unsigned int kind;

	for (kind = NETHV_PROP_SECURITY; kind <= NETHV_PROP_PROFILE; kind++) {
		struct nethv_property p = bed_prop(kind, (uint8_t)kind, 0, "x");

		cr_assert_eq(vsw_objs_property_add(b.o, 7, &p), 0, "%s", err_text());
		cr_assert_str_eq(bed_log(&b), "cap:PORT_PROPERTY_ADD f1:PORT_PROPERTY_ADD "
					      "f2:PORT_PROPERTY_ADD fwd:PORT_PROPERTY_ADD");
	}
}

static struct nethv_property seen;
static char seen_data[64];

static int note_prop(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	seen = *ev->prop;
	snprintf(seen_data, sizeof(seen_data), "%.*s", (int)seen.data_len, (const char *)seen.data);
	return NETHV_EV_PASS;
}

Test(vsw_objects, pol_3_a_custom_property_carries_id_extension_version_and_instance)
{
	struct nethv_property p = bed_prop(NETHV_PROP_CUSTOM, 9, 3, "{\"rate\": 5}");
	struct nethv_property got;

	p.version = 0x0102;
	p.instance = bed_guid(77);
	bed_ext(&b, "f2")->event = note_prop;
	cr_assert_eq(vsw_objs_property_add(b.o, 7, &p), 0);
	cr_assert_arr_eq(&seen.id, &p.id, sizeof(p.id));
	cr_assert_arr_eq(&seen.ext, &p.ext, sizeof(p.ext));
	cr_assert_arr_eq(&seen.instance, &p.instance, sizeof(p.instance));
	cr_assert_eq(seen.version, 0x0102);
	cr_assert_eq(seen.size, sizeof(seen));
	cr_assert_str_eq(seen_data, "{\"rate\": 5}");
	cr_assert(vsw_objs_property(b.o, 7, NULL, 0, &got));
	cr_assert_arr_eq(&got.instance, &p.instance, sizeof(p.instance));
}

Test(vsw_objects, pol_3_a_custom_property_has_an_owner_and_a_standard_one_none)
{
	struct nethv_property p = bed_prop(NETHV_PROP_CUSTOM, 9, 0, "x");

	cr_assert_eq(vsw_objs_property_add(b.o, 7, &p), -EINVAL);
	p = bed_prop(NETHV_PROP_VLAN, 9, 3, "x");
	cr_assert_eq(vsw_objs_property_add(b.o, 7, &p), -EINVAL);
	p = bed_prop(NETHV_PROP_VLAN, 9, 0, "x");
	cr_assert_eq(vsw_objs_property_add(b.o, SWITCH, &p), -EINVAL, "a port's policy");
	p.data_len = VSW_PROP_DATA_MAX + 1;
	cr_assert_eq(vsw_objs_property_add(b.o, 7, &p), -EINVAL);
	cr_assert_str_eq(bed_log(&b), "");
}

Test(vsw_objects, pol_4_forwarder_completes_a_custom_property_itself)
{
	struct nethv_property p = bed_prop(NETHV_PROP_CUSTOM, 9, 4, "x");

	bed_ext(&b, "fwd")->answer[NETHV_EV_PORT_PROPERTY_ADD] = NETHV_EV_DONE;
	cr_assert_eq(vsw_objs_property_add(b.o, 7, &p), 0);
	cr_assert_eq(b.nr_broken, 0);
	cr_assert_str_eq(text_of(7, 9), "x");
}

Test(vsw_objects, pol_4_filter_and_capture_pass_a_custom_property_on)
{
	struct nethv_property p = bed_prop(NETHV_PROP_CUSTOM, 9, 2, "x");

	bed_ext(&b, "f1")->answer[NETHV_EV_PORT_PROPERTY_ADD] = NETHV_EV_DONE;
	bed_ext(&b, "cap")->answer[NETHV_EV_PORT_PROPERTY_ADD] = NETHV_EV_DONE;
	cr_assert_eq(vsw_objs_property_add(b.o, 7, &p), 0);
	cr_assert_str_eq(bed_broken(&b), "POL-4 f1: keeps from those below PORT_PROPERTY_ADD");
	cr_assert_eq(b.nr_broken, 2);
	cr_assert(strstr(bed_log(&b), "fwd:PORT_PROPERTY_ADD"));
}

Test(vsw_objects, pol_4_a_standard_property_is_always_passed_on)
{
	struct nethv_property p = bed_prop(NETHV_PROP_SECURITY, 9, 0, "x");

	bed_ext(&b, "fwd")->answer[NETHV_EV_PORT_PROPERTY_ADD] = NETHV_EV_DONE;
	bed_add(&b, NETHV_FORWARD, "low"); /* there is only one; to see that it would get there */
	cr_assert_eq(vsw_objs_property_add(b.o, 7, &p), 0);
	cr_assert_str_eq(bed_broken(&b), "POL-4 fwd: keeps from those below PORT_PROPERTY_ADD");
	cr_assert(strstr(bed_log(&b), "low:PORT_PROPERTY_ADD"));
}

/* ---- Add, update, delete ---------------------------------------------------------------------- */

Test(vsw_objects, ev_5_port_properties_are_added_updated_deleted_and_enumerated)
{
	struct nethv_property p = bed_prop(NETHV_PROP_VLAN, 1, 0, "5"), got;
	struct nethv_property q = bed_prop(NETHV_PROP_CUSTOM, 2, 3, "q");

	cr_assert_eq(vsw_objs_property_add(b.o, 7, &p), 0);
	cr_assert_eq(vsw_objs_property_add(b.o, 7, &p), -EEXIST);
	cr_assert_eq(vsw_objs_property_add(b.o, 7, &q), 0);
	q.instance = bed_guid(1);
	cr_assert_eq(vsw_objs_property_add(b.o, 7, &q), 0, "another instance");
	cr_assert(vsw_objs_property(b.o, 7, &q.id, 1, &got));
	cr_assert_not(vsw_objs_property(b.o, 7, &q.id, 2, &got));
	cr_assert(vsw_objs_property(b.o, 7, NULL, 2, &got));
	bed_log(&b);
	p.data = "66";
	p.data_len = 2;
	cr_assert_eq(vsw_objs_property_update(b.o, 7, &p), 0);
	cr_assert_str_eq(text_of(7, 1), "66");
	cr_assert_eq(vsw_objs_property_delete(b.o, 7, &p.id, &p.instance), 0);
	cr_assert_null(text_of(7, 1));
	cr_assert_eq(vsw_objs_property_delete(b.o, 7, &p.id, &p.instance), -ENOENT);
	cr_assert_eq(vsw_objs_property_update(b.o, 7, &p), -ENOENT);
	cr_assert_str_eq(
		bed_log(&b),
		"cap:PORT_PROPERTY_UPDATE f1:PORT_PROPERTY_UPDATE f2:PORT_PROPERTY_UPDATE "
		"fwd:PORT_PROPERTY_UPDATE cap:PORT_PROPERTY_DELETE f1:PORT_PROPERTY_DELETE "
		"f2:PORT_PROPERTY_DELETE fwd:PORT_PROPERTY_DELETE");
	cr_assert_str_eq(text_of(7, 2), "q", "the others stay");
}

static char history[128]; /* values that f1 was told */

static int note_value(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	size_t n = strlen(history);

	if (ev->prop)
		snprintf(history + n, sizeof(history) - n, "%s%s", n ? " " : "",
			 (const char *)ev->prop->data);
	return NETHV_EV_PASS;
}

Test(vsw_objects, ev_5_a_vetoed_update_is_taken_back_from_those_above)
{
	struct nethv_property p = bed_prop(NETHV_PROP_VLAN, 1, 0, "old");

	bed_ext(&b, "f1")->event = note_value;
	cr_assert_eq(vsw_objs_property_add(b.o, 7, &p), 0);
	bed_log(&b);
	bed_ext(&b, "fwd")->answer[NETHV_EV_PORT_PROPERTY_UPDATE] = NETHV_EV_VETO;
	p.data = "new";
	cr_assert_eq(vsw_objs_property_update(b.o, 7, &p), -EACCES);
	cr_assert_str_eq(history, "old new old");
	cr_assert_str_eq(text_of(7, 1), "old");
	cr_assert(strstr(bed_log(&b), "fwd:PORT_PROPERTY_UPDATE f2:PORT_PROPERTY_UPDATE "
				      "f1:PORT_PROPERTY_UPDATE cap:PORT_PROPERTY_UPDATE"));
}

Test(vsw_objects, ev_5_a_vetoed_add_is_deleted_above)
{
	struct nethv_property p = bed_prop(NETHV_PROP_VLAN, 1, 0, "5");

	bed_ext(&b, "f2")->answer[NETHV_EV_PORT_PROPERTY_ADD] = NETHV_EV_VETO;
	cr_assert_eq(vsw_objs_property_add(b.o, 7, &p), -EACCES);
	cr_assert_str_eq(bed_log(&b),
			 "cap:PORT_PROPERTY_ADD f1:PORT_PROPERTY_ADD f2:PORT_PROPERTY_ADD "
			 "f1:PORT_PROPERTY_DELETE cap:PORT_PROPERTY_DELETE");
}

Test(vsw_objects, ev_5_a_deletion_cannot_be_vetoed)
{
	struct nethv_property p = bed_prop(NETHV_PROP_VLAN, 1, 0, "5");

	cr_assert_eq(vsw_objs_property_add(b.o, 7, &p), 0);
	bed_ext(&b, "f2")->answer[NETHV_EV_PORT_PROPERTY_DELETE] = NETHV_EV_VETO;
	cr_assert_eq(vsw_objs_property_delete(b.o, 7, &p.id, &no_instance), 0);
	cr_assert_str_eq(bed_broken(&b), "POL-4 f2: refuses PORT_PROPERTY_DELETE");
	cr_assert_null(text_of(7, 1));
}

Test(vsw_objects, ev_5_kind_and_owner_of_a_property_stay)
{
	struct nethv_property p = bed_prop(NETHV_PROP_CUSTOM, 1, 2, "5");

	cr_assert_eq(vsw_objs_property_add(b.o, 7, &p), 0);
	p.ext = bed_guid(3);
	cr_assert_eq(vsw_objs_property_update(b.o, 7, &p), -EINVAL);
	p = bed_prop(NETHV_PROP_VLAN, 1, 0, "5");
	cr_assert_eq(vsw_objs_property_update(b.o, 7, &p), -EINVAL);
}

Test(vsw_objects, ev_5_properties_are_bounded_and_leave_with_the_port)
{
	struct nethv_property p = bed_prop(NETHV_PROP_CUSTOM, 1, 2, "5");
	unsigned int i;

	for (i = 0; i < VSW_PROPS_MAX; i++) {
		p.instance.b[0] = (uint8_t)i;
		cr_assert_eq(vsw_objs_property_add(b.o, 7, &p), 0);
	}
	p.instance.b[1] = 1;
	cr_assert_eq(vsw_objs_property_add(b.o, 7, &p), -ENOSPC);
	cr_assert_eq(vsw_objs_port_remove(b.o, 7), 0);
	bed_port(&b, 7, NETHV_PORT_CREATED);
	cr_assert_null(text_of(7, 1));
}

Test(vsw_objects, ev_6_switch_properties_have_events_of_their_own)
{
	struct nethv_property p = bed_prop(NETHV_PROP_CUSTOM, 1, 2, "5");

	cr_assert_eq(vsw_objs_property_add(b.o, SWITCH, &p), 0);
	cr_assert_eq(vsw_objs_property_update(b.o, SWITCH, &p), 0);
	cr_assert_str_eq(text_of(SWITCH, 1), "5");
	cr_assert_null(text_of(7, 1));
	cr_assert_eq(vsw_objs_property_delete(b.o, SWITCH, &p.id, &no_instance), 0);
	cr_assert_str_eq(
		bed_log(&b),
		"cap:SWITCH_PROPERTY_ADD f1:SWITCH_PROPERTY_ADD f2:SWITCH_PROPERTY_ADD "
		"fwd:SWITCH_PROPERTY_ADD cap:SWITCH_PROPERTY_UPDATE f1:SWITCH_PROPERTY_UPDATE "
		"f2:SWITCH_PROPERTY_UPDATE fwd:SWITCH_PROPERTY_UPDATE cap:SWITCH_PROPERTY_DELETE "
		"f1:SWITCH_PROPERTY_DELETE f2:SWITCH_PROPERTY_DELETE fwd:SWITCH_PROPERTY_DELETE");
	bed_ext(&b, "f1")->answer[NETHV_EV_SWITCH_PROPERTY_ADD] = NETHV_EV_VETO;
	cr_assert_eq(vsw_objs_property_add(b.o, SWITCH, &p), -EACCES);
	cr_assert_str_eq(
		bed_log(&b),
		"cap:SWITCH_PROPERTY_ADD f1:SWITCH_PROPERTY_ADD cap:SWITCH_PROPERTY_DELETE");
}

/* ---- Ports are enumerated --------------------------------------------------------------------- */

Test(vsw_objects, ev_1_ports_and_adapters_can_be_enumerated)
{
	struct nethv_port_info info;

	bed_port(&b, 3, NETHV_PORT_CREATED);
	cr_assert(vsw_objs_port_next(b.o, 0, &info));
	cr_assert_eq(info.port, 3);
	cr_assert_eq(info.state, NETHV_PORT_CREATED);
	cr_assert(vsw_objs_port_next(b.o, 4, &info));
	cr_assert_eq(info.port, 7);
	cr_assert_eq(info.state, NETHV_NIC_CONNECTED);
	cr_assert_not(vsw_objs_port_next(b.o, 8, &info));
	cr_assert_not(vsw_objs_port_next(b.o, 0xFFFF, &info));
	cr_assert_eq(vsw_objs_port_find(b.o, "p3"), 3);
	cr_assert_eq(vsw_objs_port_find(b.o, "p4"), NETHV_PORT_DEFAULT);
}

/* ---- Feature status --------------------------------------------------------------------------- */

static size_t answer_len;
static unsigned int nr_asked;

static int answer_feature(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	struct nethv_guid mine = bed_guid(40);

	if (memcmp(&ev->prop->id, &mine, sizeof(mine)) != 0)
		return NETHV_EV_PASS;
	nr_asked++;
	ev->out_len = answer_len;
	if (ev->out_len <= ev->out_max)
		memset(ev->out, 'a', ev->out_len);
	return NETHV_EV_DONE;
}

static int grow_for_ever(struct bed *bed, struct bed_ext *e, struct nethv_event *ev)
{
	nr_asked++;
	ev->out_len = ev->out_max + 1;
	return NETHV_EV_DONE;
}

Test(vsw_objects, pol_5_feature_status_is_answered_by_whoever_knows_the_guid)
{
	struct nethv_guid id = bed_guid(40);
	void *out;
	size_t len;

	answer_len = 3;
	bed_ext(&b, "f1")->event = answer_feature;
	cr_assert_eq(vsw_objs_feature_status(b.o, 7, &id, &out, &len), 0);
	cr_assert_eq(len, 3);
	cr_assert_str_eq(out, "aaa");
	free(out);
	cr_assert_str_eq(bed_log(&b), "cap:PORT_FEATURE_STATUS f1:PORT_FEATURE_STATUS");
	id = bed_guid(41);
	cr_assert_eq(vsw_objs_feature_status(b.o, SWITCH, &id, &out, &len), -ENOENT);
	cr_assert(strstr(bed_log(&b), "fwd:SWITCH_FEATURE_STATUS"));
	cr_assert_eq(vsw_objs_feature_status(b.o, 8, &id, &out, &len), -EPROTO);
}

Test(vsw_objects, ev_7_an_answer_that_does_not_fit_is_asked_for_again_with_room)
{
	struct nethv_guid id = bed_guid(40);
	void *out;
	size_t len;

	answer_len = 300000;
	bed_ext(&b, "f1")->event = answer_feature;
	cr_assert_eq(vsw_objs_feature_status(b.o, SWITCH, &id, &out, &len), 0, "%s", err_text());
	cr_assert_eq(len, 300000);
	cr_assert_eq(((char *)out)[299999], 'a');
	cr_assert_eq(nr_asked, 2);
	free(out);
}

Test(vsw_objects, ev_7_an_answer_without_end_is_given_up)
{
	struct nethv_guid id = bed_guid(40);
	void *out;
	size_t len;

	bed_ext(&b, "f1")->event = grow_for_ever;
	cr_assert_eq(vsw_objs_feature_status(b.o, 7, &id, &out, &len), -EMSGSIZE);
	cr_assert_leq(nr_asked, 4);
	cr_assert(strstr(err_text(), "extension f1"));
	nr_asked = 0;
	answer_len = VSW_ANSWER_MAX + 1;
	bed_ext(&b, "f1")->event = answer_feature;
	cr_assert_eq(vsw_objs_feature_status(b.o, 7, &id, &out, &len), -EMSGSIZE);
	cr_assert_eq(nr_asked, 1);
}
