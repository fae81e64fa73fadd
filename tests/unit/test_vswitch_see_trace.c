/* SPDX-License-Identifier: BSD-3-Clause */
/* Traces and remembered drops: what is told of one packet's way, and of those that found none. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/seebed.h"

static const struct seebed_form plain = {.tci = -1};

static struct seebed *b;

static void setup(void)
{
	b = seebed_new(2, 0);
}

static void teardown(void)
{
	seebed_free(b);
}

TestSuite(vsw_see_trace, .init = setup, .fini = teardown);

static const uint8_t arp[60] = "\xff\xff\xff\xff\xff\xff\2\0\0\0\0\1\x08\x06"
			       "\0\1\x08\0\6\4\0\1\2\0\0\0\0\1\x0a\0\0\1\0\0\0\0\0\0\x0a\0\0\2";
static const uint8_t other[60] = "\2\0\0\0\0\2\2\0\0\0\0\1\x88\xb5";

static uint32_t trace(const char *filter, uint32_t count)
{
	uint32_t id = 0;

	cr_assert_eq(vsw_see_trace_add(b->see, filter, count, &id), 0, "%s", err_text());
	return id;
}

static json_t *packet(json_t *trace_json, size_t i)
{
	return json_array_get(json_object_get(trace_json, "packets"), i);
}

/* Cycles and nanoseconds are whatever they are. */
Test(vsw_see_trace, tells_a_packets_way_in_words)
{
	struct vsw_slot *s = seebed_put(b, arp, sizeof(arp), plain);
	uint32_t id = trace("arp", 5);
	char *text;
	json_t *j;

	seebed_enter(b);
	cr_assert_eq(s->pkt.trace_id, 1);
	seebed_at(b, VSW_AT_in);
	seebed_ext(b, VSW_AT_filter_in, "acl", 0);
	seebed_at(b, VSW_AT_filter_in);
	seebed_to(b, s, 1, 0);
	seebed_to(b, s, 2, 0);
	seebed_at(b, VSW_AT_forward);
	b->dst[1].flags = NETHV_DST_EXCLUDED;
	seebed_drop(b, 0, (struct vsw_tap_drop){.port = 2, .reason = VSW_DROP_storm});
	seebed_at(b, VSW_AT_policy_out);
	vsw_see_poll(b->see);
	j = vsw_see_trace_json(b->see, id);
	text = vsw_see_trace_text(packet(j, 0));
	cr_assert_str_eq(text,
			 "packet 1: ARP who-has 10.0.0.2 tell 10.0.0.1 from p0, 60 bytes\n"
			 "  in            p0, VLAN 0\n"
			 "  ext acl       passed                       41 cycles\n"
			 "  filter_in     passed\n"
			 "  forward       -> p1, p2\n"
			 "  drop          storm: over the port's storm limit, towards p2\n"
			 "  policy_out    -> p1, p2 (excluded)\n"
			 "  (on its way)\n",
			 "%s", text);
	free(text);
	json_decref(j);
	seebed_at(b, VSW_AT_out);
	vsw_see_poll(b->see);
	j = vsw_see_trace_json(b->see, id);
	cr_assert(json_is_true(json_object_get(packet(j, 0), "done")));
	cr_assert_eq(json_array_size(json_object_get(packet(j, 0), "steps")), 7);
	json_decref(j);
}

Test(vsw_see_trace, tells_which_extension_dropped_it_and_why)
{
	uint32_t id = trace("", 1);
	char *text;
	json_t *j;

	seebed_put(b, other, sizeof(other), plain);
	seebed_enter(b);
	seebed_ext(b, VSW_AT_filter_in, "acl", 3);
	seebed_drop(b, 0,
		    (struct vsw_tap_drop){.port = VSW_PORT_NONE,
					  .reason = VSW_DROP_filtered,
					  .ext = "acl",
					  .ext_reason = "rule: a rule denies it"});
	vsw_see_poll(b->see);
	j = vsw_see_trace_json(b->see, id);
	text = vsw_see_trace_text(packet(j, 0));
	cr_assert_str_eq(text,
			 "packet 1: type 0x88b5 02:00:00:00:00:01 > 02:00:00:00:00:02 from "
			 "p0, 60 bytes\n"
			 "  ext acl       dropped                      41 cycles\n"
			 "  drop          filtered: an extension dropped it (acl: rule: a rule "
			 "denies it)\n");
	free(text);
	json_decref(j);
}

Test(vsw_see_trace, takes_as_many_packets_as_were_asked_for)
{
	uint32_t id = trace("arp", 3);
	unsigned int i, traced = 0;
	json_t *j;

	for (i = 0; i < 10; i++)
		seebed_put(b, i & 1 ? other : arp, 60, plain);
	seebed_enter(b);
	seebed_at(b, VSW_AT_in);
	for (i = 0; i < 10; i++)
		traced += b->v.slot[i].pkt.trace_id != 0;
	cr_assert_eq(traced, 3);
	cr_assert_eq(b->v.slot[1].pkt.trace_id, 0);
	vsw_see_poll(b->see);
	j = vsw_see_trace_json(b->see, id);
	cr_assert_eq(json_integer_value(json_object_get(j, "matched")), 3);
	cr_assert_eq(json_integer_value(json_object_get(packet(j, 2), "packet")), 3);
	json_decref(j);
	cr_assert(vsw_see_is_busy(b->see));
	cr_assert_eq(vsw_see_trace_remove(b->see, id), 0);
	cr_assert_null(b->tap);
	cr_assert_null(vsw_see_trace_json(b->see, id));
	cr_assert_eq(vsw_see_trace_remove(b->see, id), -ENOENT);
}

Test(vsw_see_trace, forgets_what_a_slot_was_before)
{
	struct vsw_slot *s = seebed_put(b, other, sizeof(other), plain);

	trace("arp", 3);
	s->pkt.trace_id = 77;
	seebed_enter(b);
	cr_assert_eq(s->pkt.trace_id, 0);
}

Test(vsw_see_trace, tells_traces_apart)
{
	uint32_t x = trace("arp", 3), y = trace("ether proto 0x88b5", 3);
	json_t *j;

	seebed_put(b, other, sizeof(other), plain);
	seebed_put(b, arp, sizeof(arp), plain);
	b->v.lcore = 1;
	seebed_enter(b);
	seebed_at(b, VSW_AT_in);
	vsw_see_poll(b->see);
	j = vsw_see_trace_json(b->see, x);
	cr_assert_eq(json_integer_value(json_object_get(packet(j, 0), "packet")), 2);
	cr_assert_eq(json_array_size(json_object_get(packet(j, 0), "steps")), 1);
	json_decref(j);
	j = vsw_see_trace_json(b->see, y);
	cr_assert_eq(json_integer_value(json_object_get(packet(j, 0), "packet")), 1);
	json_decref(j);
}

Test(vsw_see_trace, marks_what_befell_a_clone)
{
	uint32_t id = trace("arp", 1);
	struct vsw_slot *s = seebed_put(b, arp, sizeof(arp), plain);
	char *text;
	json_t *j;

	seebed_enter(b);
	s->pkt.flags |= NETHV_PKT_CLONE;
	seebed_at(b, VSW_AT_out);
	vsw_see_poll(b->see);
	j = vsw_see_trace_json(b->see, id);
	text = vsw_see_trace_text(packet(j, 0));
	cr_assert(strstr(text, "  out           no destination (clone)\n  (on its way)\n"), "%s",
		  text);
	free(text);
	json_decref(j);
}

/* Of whom nothing is left nobody speaks any more: the switch does not call it dropped as a whole. */
Test(vsw_see_trace, knows_when_all_destinations_are_gone)
{
	uint32_t id = trace("arp", 1);
	struct vsw_slot *s = seebed_put(b, arp, sizeof(arp), plain);
	json_t *j;

	s->pkt.vlan = 0xFFFF;
	seebed_enter(b);
	seebed_at(b, VSW_AT_in);
	seebed_to(b, s, 1, 0);
	seebed_to(b, s, 2, 0);
	seebed_at(b, VSW_AT_forward);
	b->dst[0].flags = NETHV_DST_EXCLUDED;
	seebed_drop(b, 0, (struct vsw_tap_drop){.port = 1, .reason = VSW_DROP_storm});
	seebed_at(b, VSW_AT_policy_out);
	vsw_see_poll(b->see);
	j = vsw_see_trace_json(b->see, id);
	cr_assert(json_is_false(json_object_get(packet(j, 0), "done")));
	cr_assert_null(
		json_object_get(json_array_get(json_object_get(packet(j, 0), "steps"), 0), "vlan"));
	json_decref(j);
	seebed_drop(b, 0, (struct vsw_tap_drop){.port = 2, .reason = VSW_DROP_excluded});
	vsw_see_poll(b->see);
	j = vsw_see_trace_json(b->see, id);
	cr_assert(json_is_true(json_object_get(packet(j, 0), "done")));
	json_decref(j);
}

Test(vsw_see_trace, is_bounded_whatever_a_packet_does)
{
	uint32_t id = trace("arp", 1);
	unsigned int i;
	json_t *j;

	seebed_put(b, arp, sizeof(arp), plain);
	seebed_enter(b);
	for (i = 0; i < 3 * VSW_SEE_STEPS_MAX; i++)
		seebed_at(b, VSW_AT_filter_in);
	vsw_see_poll(b->see);
	j = vsw_see_trace_json(b->see, id);
	cr_assert_eq(json_array_size(json_object_get(packet(j, 0), "steps")), VSW_SEE_STEPS_MAX);
	json_decref(j);
	for (i = 0; i < 30000; i++)
		seebed_at(b, VSW_AT_filter_in);
	j = vsw_see_trace_json(b->see, id);
	cr_assert_gt(json_integer_value(json_object_get(j, "lost")), 0);
	json_decref(j);
}

Test(vsw_see_trace, refuses_counts_and_filters_that_are_none)
{
	uint32_t id;

	cr_assert_eq(vsw_see_trace_add(b->see, "", 0, &id), -EINVAL);
	cr_assert_eq(vsw_see_trace_add(b->see, "", VSW_SEE_TRACED_MAX + 1, &id), -EINVAL);
	cr_assert_eq(vsw_see_trace_add(b->see, "host", 1, &id), -EINVAL);
	cr_assert_null(b->tap);
}

Test(vsw_see_trace, has_no_text_for_what_is_no_packet)
{
	json_t *j = json_pack("{s:s}", "steps", "none");

	cr_assert_null(vsw_see_trace_text(j));
	cr_assert_null(vsw_see_trace_text(NULL));
	cr_assert_null(vsw_see_drop_text(j));
	json_decref(j);
}

/* ---- Drops ----------------------------------------------------------------------------------------- */

static json_t *drops(const char *filter, unsigned int max)
{
	json_t *j = NULL;

	cr_assert_eq(vsw_see_drops_json(b->see, filter, max, &j), 0, "%s", err_text());
	return j;
}

static void drop_many(unsigned int n)
{
	struct vsw_slot *s;
	unsigned int i;

	for (i = 0; i < n; i++) {
		seebed_clear(b);
		s = seebed_put(b, i & 1 ? other : arp, 60, plain);
		s->pkt.vlan = i % 4000;
		seebed_drop(b, 0,
			    (struct vsw_tap_drop){.port = VSW_PORT_NONE,
						  .reason = VSW_DROP_acl_denied});
	}
}

Test(vsw_see_trace, remembers_the_last_drops_latest_first)
{
	json_t *j;
	size_t i;

	cr_assert_eq(vsw_see_drops_watch(b->see, ""), 0);
	cr_assert(vsw_see_drops_is_watched(b->see));
	cr_assert_not(vsw_tap_wants_packets(b->tap));
	drop_many(700);
	j = drops("", 0);
	cr_assert_eq(json_array_size(j), VSW_SEE_DROPS);
	for (i = 0; i < VSW_SEE_DROPS; i++)
		cr_assert_eq(json_integer_value(json_object_get(json_array_get(j, i), "vlan")),
			     699 - i);
	json_decref(j);
	j = drops("arp", 10);
	cr_assert_eq(json_array_size(j), 10);
	cr_assert_eq(json_integer_value(json_object_get(json_array_get(j, 1), "vlan")), 696);
	json_decref(j);
}

Test(vsw_see_trace, remembers_only_drops_that_match_and_only_while_asked_to)
{
	json_t *j;

	drop_many(10);
	cr_assert_eq(vsw_see_drops_watch(b->see, "arp"), 0);
	drop_many(10);
	cr_assert_eq(vsw_see_drops_watch(b->see, "nonsense here"), -EINVAL);
	drop_many(2);
	cr_assert_eq(vsw_see_drops_watch(b->see, NULL), 0);
	cr_assert_null(b->tap);
	drop_many(10);
	j = drops(NULL, 0);
	cr_assert_eq(json_array_size(j), 6);
	json_decref(j);
	cr_assert_eq(vsw_see_drops_json(b->see, "nonsense here", 0, &j), -EINVAL);
}

Test(vsw_see_trace, tells_a_drop_in_words)
{
	char *text;
	json_t *j;

	cr_assert_eq(vsw_see_drops_watch(b->see, ""), 0);
	b->v.lcore = 1;
	seebed_put(b, arp, 60, (struct seebed_form){.tci = 7});
	seebed_drop(b, 0,
		    (struct vsw_tap_drop){.port = 3,
					  .reason = VSW_DROP_excluded,
					  .ext = "a-name-that-is-longer-than-thirty-two-bytes",
					  .ext_reason = "caf\xe9: odd bytes"});
	j = drops("vlan 7", 0);
	cr_assert_eq(json_array_size(j), 1);
	text = vsw_see_drop_text(json_array_get(j, 0));
	cr_assert(strstr(text, " s ago  VLAN 7 ARP who-has 10.0.0.2 tell 10.0.0.1 from p0, VLAN 7, "
			       "64 bytes  excluded: an extension excluded the destination "
			       "(a-name-that-is-longer-than-thir: caf?: odd bytes), towards p3"),
		  "%s", text);
	cr_assert_gt(json_real_value(json_object_get(json_array_get(j, 0), "time")), 1.6e9);
	free(text);
	json_decref(j);
}
