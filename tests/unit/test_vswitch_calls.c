/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls of extensions in odd orders, too often and too late: packets end in one place, the books balance. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/extbed.h"
#include "vswitch/ext/priv.h"
#include "vswitch/priv.h"

TestSuite(vsw_calls, .init = bed_suite_up, .fini = bed_suite_down, .timeout = 60);

static struct hooks fil, fil2, fwd;
static uint32_t handle[400];
static unsigned int nr_handles, seen, flushes, notified;
static int rc[16];

static uint16_t id(unsigned int i)
{
	return vsw_port_id(bed.p[i]->port);
}

static void send_some(unsigned int n, unsigned int to)
{
	while (n--)
		bed_send(&bed, 0, to);
	bed_poll(&bed);
}

static uint64_t broken(const char *name)
{
	return bed_status(&bed, name).sum.broken;
}

static void holds_all(struct hooks *k, struct nethv_burst *b)
{
	for (uint16_t i = 0; i < b->n && nr_handles < 400; i++)
		nr_handles += b->host->hold(b, i, &handle[nr_handles]) == NETHV_OK;
	seen += b->n;
}

/* As many as there is room for. */
static void releases_some(struct hooks *k, struct nethv_burst *b)
{
	unsigned int i, left = 0;

	for (i = 0; i < nr_handles; i++)
		if (b->host->release(b, handle[i]) == NETHV_ENOROOM)
			handle[left++] = handle[i];
	nr_handles = left;
}

/* ---- Holding ------------------------------------------------------------------------------- */

static void holds_twice(struct hooks *k, struct nethv_burst *b)
{
	rc[0] = b->host->hold(b, 0, &handle[nr_handles++]);
	rc[1] = b->host->hold(b, 0, &handle[1]);
	rc[2] = b->host->edit(b, 0, 0, "x", 1);
	rc[3] = b->host->set_source(b, 0, id(2));
	rc[4] = b->host->clone(b, 0);
	rc[5] = b->host->set_mark(b, 0, 1);
}

Test(vsw_calls, a_held_packet_is_not_there_any_more)
{
	bed_hook(&bed, "hook-holder", "", &fil);
	fil.ingress = holds_twice;
	fil.poll = releases_some;
	send_some(1, 1);
	bed_poll(&bed);
	cr_assert_eq(rc[0], NETHV_OK);
	for (int i = 1; i < 6; i++)
		cr_expect_eq(rc[i], NETHV_ERANGE, "%d", i);
	cr_assert_eq(bed.p[1]->nr_out, 1);
}

static void edits_and_holds(struct hooks *k, struct nethv_burst *b)
{
	b->host->edit(b, 0, 60, "edited", 6);
	b->host->set_vlan(b, 0, 0x2000);
	rc[0] = b->host->hold(b, 0, &handle[nr_handles++]);
}

Test(vsw_calls, what_was_changed_before_it_was_held_stays_changed)
{
	bed_hook(&bed, "hook-holder", "", &fil);
	fil.ingress = edits_and_holds;
	fil.poll = releases_some;
	send_some(1, 1);
	bed_poll(&bed);
	cr_assert_eq(rc[0], NETHV_OK);
	cr_assert_eq(bed.p[1]->nr_out, 1);
	cr_assert_eq(memcmp(bed.p[1]->out[0].bytes + 60, "edited", 6), 0);
}

static void moves_and_holds(struct hooks *k, struct nethv_burst *b)
{
	if (b->src_port != id(0))
		return;
	rc[0] = b->host->set_source(b, 0, id(2));
	rc[1] = b->host->hold(b, 0, &handle[0]);
	rc[2] = b->host->edit(b, 0, 0, "x", 1);
}

Test(vsw_calls, a_packet_with_another_source_is_not_held_besides)
{
	bed_hook(&bed, "hook-holder", "", &fil);
	fil.ingress = moves_and_holds;
	send_some(1, 1);
	cr_assert_eq(rc[0], NETHV_OK);
	cr_assert_eq(rc[1], NETHV_ERANGE);
	cr_assert_eq(rc[2], NETHV_ERANGE);
	cr_assert_eq(bed.p[1]->nr_out, 1);
	cr_assert_eq(bed_status(&bed, "hook-holder").sum.held, 0);
}

static void counts(struct hooks *k, struct nethv_burst *b)
{
	seen += b->n;
}

typedef void hook_fn(struct hooks *k, struct nethv_burst *b);

/* A holder that keeps, @when it is called, what p0 sends to p1. */
static struct vsw_ext *hold_one(hook_fn **when)
{
	struct vsw_ext *e = bed_hook(&bed, "hook-holder", "", &fil);

	*when = holds_all;
	send_some(1, 1);
	return e;
}

/* Releases it below another extension, which counts @when it is called. */
static void release_below(hook_fn **when)
{
	bed_hook(&bed, "hook-plain", "above", &fil2);
	*when = counts;
	fil.poll = releases_some;
	bed_poll(&bed);
	cr_assert_eq(bed.p[1]->nr_out, 1);
}

Test(vsw_calls, a_released_packet_goes_on_below_its_holder_wherever_that_is_now)
{
	struct vsw_ext *e = hold_one(&fil.ingress);

	cr_assert_eq(seen, 1);
	release_below(&fil2.ingress);
	cr_assert_eq(seen, 1, "neither its holder nor who is above sees it again");
	fil.poll = NULL;
	send_some(1, 1);
	cr_assert_eq(seen, 3);
	cr_assert_eq(vsw_ext_move(e, 0), 0);
	fil.poll = releases_some;
	bed_poll(&bed);
	cr_assert_eq(seen, 4, "who is below now does");
	cr_assert_eq(bed.p[1]->nr_out, 2);
}

Test(vsw_calls, the_same_on_egress)
{
	hold_one(&fil.egress);
	release_below(&fil2.egress);
	cr_assert_eq(seen, 2, "on egress those above come later");
}

static void releases_old_handle(struct hooks *k, struct nethv_burst *b)
{
	rc[0] = b->host->release(b, handle[0]);
}

Test(vsw_calls, a_handle_is_not_the_next_packets)
{
	hold_one(&fil.ingress);
	fil.poll = releases_old_handle;
	bed_poll(&bed);
	cr_assert_eq(rc[0], NETHV_OK);
	fil.poll = NULL;
	send_some(1, 1);
	fil.poll = releases_old_handle;
	bed_poll(&bed);
	cr_assert_eq(rc[0], NETHV_ERANGE);
	cr_assert_eq(broken("hook-holder"), 1);
	cr_assert_eq(bed.p[1]->nr_out, 1, "the second one is still held");
}

Test(vsw_calls, who_releases_more_than_there_is_room_for_is_told_and_tries_again)
{
	struct vsw_ext_status st;
	unsigned int i;

	bed_hook(&bed, "hook-holder", "", &fil);
	fil.ingress = holds_all;
	for (i = 0; i < 6; i++) {
		fake_clear(bed.p[0]);
		send_some(60, 1);
	}
	cr_assert_eq(nr_handles, 360);
	fil.poll = releases_some;
	bed_poll(&bed);
	cr_assert_gt(nr_handles, 0, "not all at once");
	fake_clear(bed.p[1]);
	while (nr_handles)
		bed_poll(&bed);
	st = bed_status(&bed, "hook-holder");
	cr_assert_eq(st.sum.held, 360);
	cr_assert_eq(st.sum.released, 360);
	cr_assert_eq(st.sum.broken, 0);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_no_room), 0);
}

static void counts_flush(struct hooks *k, struct nethv_burst *b)
{
	flushes++;
}

Test(vsw_calls, who_is_enabled_again_is_not_flushed)
{
	struct vsw_ext *e = bed_hook(&bed, "hook-holder", "", &fil);

	fil.flush = counts_flush;
	cr_assert_eq(vsw_ext_disable(e), 0);
	cr_assert_eq(flushes, 1);
	cr_assert_eq(vsw_ext_enable(e), 0);
	fil.ingress = holds_all;
	send_some(3, 1);
	bed_poll(&bed);
	cr_assert_eq(flushes, 1);
	cr_assert_eq(bed.p[1]->nr_out, 0, "they are held");
	cr_assert_eq(bed_status(&bed, "hook-holder").sum.held, 3);
}

/* ---- Books --------------------------------------------------------------------------------- */

static void drops_and_excludes(struct hooks *k, struct nethv_burst *b)
{
	for (uint16_t i = 0; i < b->n; i++) {
		nethv_drop(b, i, 0);
		for (uint32_t d = 0; d < b->pkt[i]->ndst; d++)
			nethv_exclude(b, b->pkt[i]->dst_first + d);
	}
}

Test(vsw_calls, what_is_dropped_and_excluded_is_counted_once)
{
	bed_hook(&bed, "hook-filter", "", &fil);
	fil.egress = drops_and_excludes;
	send_some(2, UINT32_MAX);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_filtered), 6);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_excluded), 0);
}

static void holds_and_excludes(struct hooks *k, struct nethv_burst *b)
{
	holds_all(k, b);
	nethv_exclude(b, b->pkt[0]->dst_first);
}

Test(vsw_calls, a_held_packet_keeps_its_destinations)
{
	bed_hook(&bed, "hook-holder", "", &fil);
	fil.egress = holds_and_excludes;
	send_some(1, UINT32_MAX);
	fil.poll = releases_some;
	bed_poll(&bed);
	cr_assert_eq(bed.p[1]->nr_out + bed.p[2]->nr_out + bed.p[3]->nr_out, 3);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_excluded), 0);
}

static void excludes_first(struct hooks *k, struct nethv_burst *b)
{
	for (uint16_t i = 0; i < b->n; i++)
		nethv_exclude(b, b->pkt[i]->dst_first);
}

static void clones_unless_clone(struct hooks *k, struct nethv_burst *b)
{
	for (uint16_t i = 0; i < b->n; i++)
		if (!(b->pkt[i]->flags & NETHV_PKT_CLONE))
			nethv_clone(b, i);
}

Test(vsw_calls, a_clone_takes_no_excluded_destination_along)
{
	bed_hook(&bed, "hook-plain", "above", &fil2);
	bed_hook(&bed, "hook-filter", "", &fil);
	cr_assert_eq(vsw_ext_move(vsw_ext_find(bed.sw, "above"), 0), 0);
	fil.egress = excludes_first;
	fil2.egress = clones_unless_clone;
	send_some(1, UINT32_MAX);
	cr_assert_eq(bed.p[1]->nr_out + bed.p[2]->nr_out + bed.p[3]->nr_out, 4);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_excluded), 1);
}

static void discards_all(struct hooks *k, struct nethv_burst *b)
{
	while (nr_handles)
		b->host->discard(b, handle[--nr_handles], 0);
}

Test(vsw_calls, a_discarded_packet_counts_the_destinations_that_were_left)
{
	bed_hook(&bed, "hook-holder", "above", &fil2);
	bed_hook(&bed, "hook-filter", "", &fil);
	cr_assert_eq(vsw_ext_move(vsw_ext_find(bed.sw, "above"), 0), 0);
	fil.egress = excludes_first;
	fil2.egress = holds_all;
	send_some(1, UINT32_MAX);
	fil2.poll = discards_all;
	bed_poll(&bed);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_excluded), 1);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_filtered), 2);
}

static void routes_twice(struct hooks *k, struct nethv_burst *b)
{
	for (uint16_t i = 0; i < b->n; i++) {
		nethv_route_add(b, i, id(1), 0);
		nethv_route_add(b, i, id(1), 0);
	}
}

Test(vsw_calls, a_port_that_is_named_twice_gets_a_packet_once)
{
	bed_hook(&bed, "hook-forward", "", &fwd);
	fwd.ingress = routes_twice;
	send_some(64, 1);
	cr_assert_eq(bed.p[1]->nr_out, 64);
}

/* ---- What would never end ------------------------------------------------------------------ */

static void moves_to_and_fro(struct hooks *k, struct nethv_burst *b)
{
	for (uint16_t i = 0; i < b->n; i++) {
		b->host->set_source(b, i, b->src_port == id(0) ? id(2) : id(0));
		nethv_route_normal(b, i);
	}
	seen += b->n;
}

Test(vsw_calls, a_forwarder_that_changes_the_source_for_ever_is_stopped)
{
	bed_hook(&bed, "hook-forward", "", &fwd);
	fwd.ingress = moves_to_and_fro;
	send_some(10, 1);
	cr_assert_leq(seen, 10 + 2 * VSW_INJECT_MAX);
	cr_assert_gt(bed_status(&bed, "hook-forward").sum.refused, 0);
}

static void same_source(struct hooks *k, struct nethv_burst *b)
{
	for (uint16_t i = 0; i < b->n; i++) {
		rc[0] = b->host->set_source(b, i, b->src_port);
		nethv_route_normal(b, i);
	}
	seen += b->n;
}

Test(vsw_calls, the_source_that_a_packet_has_is_no_change)
{
	bed_hook(&bed, "hook-forward", "", &fwd);
	fwd.ingress = same_source;
	send_some(10, 1);
	cr_assert_eq(rc[0], NETHV_OK);
	cr_assert_eq(seen, 10);
	cr_assert_eq(bed.p[1]->nr_out, 10);
}

static void routes_normal(struct hooks *k, struct nethv_burst *b)
{
	for (uint16_t i = 0; i < b->n; i++)
		nethv_route_normal(b, i);
}

static void clones_on_egress(struct hooks *k, struct nethv_burst *b)
{
	for (uint16_t i = 0; i < b->n; i++)
		nethv_clone(b, i);
	seen += b->n;
}

Test(vsw_calls, a_forwarders_clone_on_egress_does_not_come_to_it_again)
{
	bed_hook(&bed, "hook-forward", "", &fwd);
	fwd.ingress = routes_normal;
	fwd.egress = clones_on_egress;
	send_some(1, 1);
	cr_assert_eq(seen, 1);
	cr_assert_eq(bed.p[1]->nr_out, 2);
}

static void posts_many(struct hooks *k, struct nethv_burst *b)
{
	for (unsigned int i = 0; i < 5000; i++)
		rc[b->host->post(b, i) == NETHV_OK]++;
}

static void is_notified(struct hooks *k, uint64_t arg)
{
	notified++;
}

Test(vsw_calls, who_posts_too_much_leaves_room_for_others)
{
	bed_hook(&bed, "hook-filter", "", &fil);
	fil.ingress = posts_many;
	fil.notify = is_notified;
	send_some(1, 1);
	cr_assert_lt(rc[1], 1000);
	cr_assert_gt(rc[1], 0);
	while (notified < (unsigned int)rc[1])
		vsw_event_process(bed.sw);
	rc[1] = 0;
	send_some(1, 1);
	cr_assert_gt(rc[1], 0, "again");
}

/* ---- Heads --------------------------------------------------------------------------------- */

static void shrinks_and_edits(struct hooks *k, struct nethv_burst *b)
{
	static const uint8_t head[14] = {2, 0, 0, 0, 0, 11, 2, 0, 0, 0, 0, 10, 0x88, 0xB5};

	nethv_pull(b, 0, 100);
	rc[0] = b->host->set_head(b, 0, 90, head, 14);
	rc[1] = b->host->edit(b, 0, 40, "far", 3);
}

Test(vsw_calls, an_edit_behind_a_shorter_frame_is_a_broken_rule)
{
	bed_hook(&bed, "hook-plain", "", &fil);
	fil.ingress = shrinks_and_edits;
	bed_send(&bed, 0, 1)->len = 100;
	bed_poll(&bed);
	cr_assert_eq(rc[0], NETHV_OK);
	cr_assert_eq(rc[1], NETHV_OK, "it was in range when it was asked for");
	cr_assert_eq(broken("hook-plain"), 1);
}

static void grows_for_ever(struct hooks *k, struct nethv_burst *b)
{
	static const uint8_t more[128] = {2};

	for (unsigned int i = 0; i < 200; i++)
		b->host->set_head(b, 0, 0, more, sizeof(more));
}

Test(vsw_calls, a_frame_does_not_grow_beyond_what_a_frame_may_be)
{
	bed_hook(&bed, "hook-plain", "", &fil);
	fil.ingress = grows_for_ever;
	send_some(1, 1);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_too_big) + bed_drops(&bed, 0, VSW_DROP_no_room),
		     1);
	cr_assert_eq(bed.p[1]->nr_out, 0);
}

static void writes_a_tag(struct hooks *k, struct nethv_burst *b)
{
	static const uint8_t tag[4] = {0x81, 0, 0xE0, 0};

	rc[0] = b->host->edit(b, 0, 12, tag, 4);
}

Test(vsw_calls, a_tag_that_an_extension_writes_into_the_frame_goes_out_of_band)
{
	bed_hook(&bed, "hook-filter", "", &fil);
	fil.ingress = writes_a_tag;
	send_some(1, 1);
	cr_assert_eq(rc[0], NETHV_OK);
	cr_assert_eq(bed.p[1]->nr_out, 1);
	cr_assert_eq(bed.p[1]->out[0].len, 196);
	cr_assert_neq(nethv_get16(bed.p[1]->out[0].bytes + 12), 0x8100);
}

/* ---- Ports that go ------------------------------------------------------------------------- */

static void remove_port(unsigned int i)
{
	fake_port_free(bed.p[i]);
	bed.p[i] = NULL;
}

static void releases_after(struct hooks *k, struct nethv_burst *b)
{
	for (unsigned int i = 0; i < nr_handles; i++)
		rc[i] = b->host->release(b, handle[i]);
}

Test(vsw_calls, held_packets_of_a_port_that_goes_are_counted_then)
{
	struct vsw_ext_status st;

	bed_hook(&bed, "hook-holder", "", &fil);
	fil.ingress = holds_all;
	send_some(2, 1);
	remove_port(0);
	cr_assert(bed_is_balanced(&bed));
	st = bed_status(&bed, "hook-holder");
	cr_assert_eq(st.sum.held - st.sum.released, 0);
	fil.poll = releases_after;
	bed_poll(&bed);
	cr_assert_eq(rc[0], NETHV_OK, "its holder did not know");
	cr_assert_eq(broken("hook-holder"), 0);
	cr_assert_eq(bed.p[1]->nr_out, 0);
	bed_poll(&bed);
	cr_assert_eq(rc[0], NETHV_ERANGE);
}

Test(vsw_calls, held_packets_lose_the_destination_that_goes)
{
	struct vsw_port_cfg next = {.name = "next", .pvid = 7};

	bed_hook(&bed, "hook-holder", "", &fil);
	fil.egress = holds_all;
	send_some(1, UINT32_MAX);
	send_some(1, 2);
	remove_port(2);
	bed_port(&bed, 2, next);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_port_down), 2);
	fil.poll = releases_after;
	bed_poll(&bed);
	cr_assert_eq(bed.p[1]->nr_out, 1);
	cr_assert_eq(bed.p[3]->nr_out, 1);
	cr_assert_eq(bed.p[2]->nr_out, 0);
}
