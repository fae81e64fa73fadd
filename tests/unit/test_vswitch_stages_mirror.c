/* SPDX-License-Identifier: BSD-3-Clause */
/* Mirrors on a packet's long way (DP-16): what the monitor port gets, and that nothing else changes. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/naive.h"
#include "tests/support/ovsw.h"
#include "vswitch/mirror.h"
#include "vswitch/policy/config.h"
#include "vswitch/priv.h"

#define MON 3u

static void down(void)
{
	cr_expect(fake_is_balanced(bed.sw));
	cr_expect_eq(bed.sw->lcore[0]->mirror_lost, 0);
	bed_suite_down();
}

/* p0 to p2, and p3: the monitor. */
TestSuite(vsw_stages, .init = bed_suite_up, .fini = down);

static void clear(void)
{
	unsigned int i;

	for (i = 0; i < BED_PORTS; i++)
		if (bed.p[i])
			fake_clear(bed.p[i]);
}

static struct vsw_mirror_cfg session(unsigned int port, uint8_t way, uint8_t what, uint16_t snap)
{
	struct vsw_mirror_cfg c = {.way = way, .what = what, .snap_len = snap};
	uint16_t id = vsw_port_id(bed.p[port]->port);

	c.to = vsw_port_id(bed.p[MON]->port);
	c.sources[id / 64] |= 1ull << (id % 64);
	return c;
}

static void mirror(unsigned int port, uint8_t way, uint8_t what, uint16_t snap)
{
	struct vsw_mirror_cfg c = session(port, way, what, snap);

	cr_assert_eq(vsw_set_mirrors(bed.sw, &c, 1), 0, "%s", err_text());
}

static void expect_nr_out(unsigned int p0, unsigned int p1, unsigned int p2, unsigned int mon)
{
	cr_expect_eq(bed.p[0]->nr_out, p0, "p0: %u", bed.p[0]->nr_out);
	cr_expect_eq(bed.p[1]->nr_out, p1, "p1: %u", bed.p[1]->nr_out);
	cr_expect_eq(bed.p[2]->nr_out, p2, "p2: %u", bed.p[2]->nr_out);
	cr_expect_eq(bed.p[MON]->nr_out, mon, "monitor: %u", bed.p[MON]->nr_out);
}

/* Copy @k is the first @len bytes of @fr. */
static void expect_copy(unsigned int k, const struct fake_frame *fr, uint32_t len)
{
	const struct fake_frame *c = &bed.p[MON]->out[k];

	cr_assert_lt(k, bed.p[MON]->nr_out);
	cr_assert_eq(c->len, len, "%u instead of %u", c->len, len);
	cr_assert_eq(memcmp(c->bytes, fr->bytes, len), 0);
}

static void one_each_way(void)
{
	clear();
	bed_send(&bed, 0, 1);
	bed_send(&bed, 1, 0);
	bed_poll(&bed);
}

Test(vsw_stages, dp_16_in_out_and_both)
{
	mirror(0, VSW_MIRROR_IN, VSW_MIRROR_FORWARDED, 0);
	one_each_way();
	expect_nr_out(1, 1, 0, 1);
	expect_copy(0, &bed.p[0]->in[0], 200);
	mirror(0, VSW_MIRROR_OUT, VSW_MIRROR_FORWARDED, 0);
	one_each_way();
	expect_nr_out(1, 1, 0, 1);
	expect_copy(0, &bed.p[1]->in[0], 200);
	mirror(0, VSW_MIRROR_BOTH, VSW_MIRROR_FORWARDED, 0);
	one_each_way();
	expect_nr_out(1, 1, 0, 2);
	cr_assert_eq(vsw_set_mirrors(bed.sw, NULL, 0), 0);
	one_each_way();
	expect_nr_out(1, 1, 0, 0);
}

Test(vsw_stages, dp_16_a_port_between_is_copied_once_when_both_ends_are_watched)
{
	struct vsw_mirror_cfg c[2];

	c[0] = session(0, VSW_MIRROR_IN, VSW_MIRROR_FORWARDED, 0);
	c[1] = session(1, VSW_MIRROR_OUT, VSW_MIRROR_FORWARDED, 100);
	cr_assert_eq(vsw_set_mirrors(bed.sw, c, 2), 0);
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	expect_nr_out(0, 1, 0, 1);
	expect_copy(0, &bed.p[0]->in[0], 200);
}

Test(vsw_stages, dp_16_the_monitor_that_is_a_destination_gets_it_once)
{
	mirror(0, VSW_MIRROR_BOTH, VSW_MIRROR_ALL, 0);
	bed_send(&bed, 0, UINT32_MAX);
	bed_send(&bed, 0, MON);
	bed_send(&bed, MON, 0); /* and its own not at all */
	bed_poll(&bed);
	expect_nr_out(1, 1, 1, 2);
}

Test(vsw_stages, dp_16_many_floods_are_mirrored_behind_their_destinations)
{
	struct vsw_port_cfg cfg = {.name = "elsewhere", .pvid = 9};
	struct vsw_mirror_cfg c;
	unsigned int k;

	bed_port(&bed, 4, cfg);
	c = session(0, VSW_MIRROR_IN, VSW_MIRROR_FORWARDED, 0);
	c.to = vsw_port_id(bed.p[4]->port); /* in another VLAN, so in no flood */
	cr_assert_eq(vsw_set_mirrors(bed.sw, &c, 1), 0);
	for (k = 0; k < VSW_VEC_SIZE; k++)
		bed_send(&bed, 0, k % 2 ? 1 : UINT32_MAX);
	bed_poll(&bed);
	expect_nr_out(0, 64, 32, 32);
	cr_assert_eq(bed.p[4]->nr_out, 64);
	for (k = 0; k < VSW_VEC_SIZE; k++)
		cr_assert_eq(memcmp(bed.p[4]->out[k].bytes, bed.p[0]->in[k].bytes, 200), 0);
}

/* ---- With a forwarder ---------------------------------------------------------------------- */

struct doer {
	struct hooks k;
	uint16_t route_to, drop, exclude; /* port, verdict, port + 1 */
	bool twice, clones;
};

static void do_in(struct hooks *k, struct nethv_burst *b)
{
	struct doer *d = (struct doer *)k;
	uint16_t i;

	for (i = 0; i < b->n; i++) {
		if (b->route)
			nethv_route_add(b, i, d->route_to, 0);
		if (b->route && d->twice)
			nethv_route_add(b, i, d->route_to, 0);
	}
}

static void do_out(struct hooks *k, struct nethv_burst *b)
{
	struct doer *d = (struct doer *)k;
	uint32_t n;
	uint16_t i;

	for (i = 0; i < b->n; i++) {
		b->verdict[i] = d->drop;
		if (d->clones)
			nethv_clone(b, i);
		for (n = b->pkt[i]->dst_first; n < b->pkt[i]->dst_first + b->pkt[i]->ndst; n++)
			if (b->dst[n].port + 1 == d->exclude)
				nethv_exclude(b, n);
	}
	d->clones = false;
}

static struct doer fwd = {.k = {.ingress = do_in}}, fil = {.k = {.egress = do_out}};

Test(vsw_stages, dp_16_with_a_forwarder)
{
	bed_hook(&bed, "hook-forward", "", &fwd.k);
	fwd.route_to = vsw_port_id(bed.p[2]->port);
	mirror(2, VSW_MIRROR_OUT, VSW_MIRROR_FORWARDED, 0);
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	expect_nr_out(0, 0, 1, 1);
	expect_copy(0, &bed.p[0]->in[0], 200);
	mirror(0, VSW_MIRROR_IN, VSW_MIRROR_FORWARDED, 0);
	fwd.route_to = vsw_port_id(bed.p[MON]->port);
	clear();
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 1);
}

/* A vector of packets that name a port twice each, which would be 128 in its group. */
Test(vsw_stages, a_port_that_a_forwarder_names_twice_gets_a_packet_once)
{
	unsigned int k;

	bed_hook(&bed, "hook-forward", "", &fwd.k);
	fwd.route_to = vsw_port_id(bed.p[2]->port);
	fwd.twice = true;
	for (k = 0; k < VSW_VEC_SIZE; k++)
		bed_send(&bed, 0, 1);
	bed_poll(&bed);
	expect_nr_out(0, 0, VSW_VEC_SIZE, 0);
}

static void clones_out(struct hooks *k, struct nethv_burst *b)
{
	struct doer *d = (struct doer *)k;

	d->route_to++;
	nethv_clone(b, 0);
}

Test(vsw_stages, dp_12_a_forwarder_does_not_see_its_own_clone_on_egress_again)
{
	static struct doer d = {.k = {.ingress = do_in, .egress = clones_out}};

	bed_hook(&bed, "hook-forward", "", &d.k);
	d.route_to = vsw_port_id(bed.p[2]->port);
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	expect_nr_out(0, 0, 2, 0);
	cr_assert_eq(d.route_to, vsw_port_id(bed.p[2]->port) + 1); /* called once */
}

/* ---- Excluded, dropped --------------------------------------------------------------------- */

Test(vsw_stages, dp_16_a_filter_may_exclude_the_copy)
{
	bed_hook(&bed, "hook-filter", "", &fil.k);
	fil.exclude = vsw_port_id(bed.p[MON]->port) + 1;
	mirror(0, VSW_MIRROR_IN, VSW_MIRROR_ALL, 0);
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	expect_nr_out(0, 1, 0, 0);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_excluded), 1);
}

Test(vsw_stages, dp_16_an_excluded_destination_is_a_drop_towards_it)
{
	bed_hook(&bed, "hook-filter", "", &fil.k);
	fil.exclude = vsw_port_id(bed.p[1]->port) + 1;
	mirror(1, VSW_MIRROR_OUT, VSW_MIRROR_DROPS, 0);
	bed_send(&bed, 0, UINT32_MAX);
	bed_send(&bed, 0, 2);
	bed_poll(&bed);
	expect_nr_out(0, 0, 2, 2);
	expect_copy(1, &bed.p[0]->in[0], 200);
	clear();
	mirror(1, VSW_MIRROR_OUT, VSW_MIRROR_ALL, 0); /* has the copy of what was forwarded */
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 1);
}

/* The copy is a destination of the packet: it would go with it. */
Test(vsw_stages, dp_16_a_packet_dropped_on_egress_takes_its_copy_along)
{
	bed_hook(&bed, "hook-filter", "", &fil.k);
	fil.drop = 1;
	mirror(0, VSW_MIRROR_IN, VSW_MIRROR_FORWARDED, 0);
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 0);
	fil.k.egress = NULL;
	mirror(0, VSW_MIRROR_IN, VSW_MIRROR_ALL, 0);
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	expect_nr_out(0, 1, 0, 1);
}

static void drop_unless_mirrored(struct hooks *k, struct nethv_burst *b)
{
	uint16_t i;

	for (i = 0; i < b->n; i++)
		if (!(b->dst[b->pkt[i]->dst_first].flags & NETHV_DST_MIRROR))
			b->verdict[i] = 1;
}

Test(vsw_stages, dp_16_the_copy_of_a_packet_dropped_on_egress_is_made_anew)
{
	static const uint8_t whats[] = {VSW_MIRROR_ALL, VSW_MIRROR_DROPS};
	static const uint8_t ways[] = {VSW_MIRROR_IN, VSW_MIRROR_OUT};
	unsigned int k;

	bed_hook(&bed, "hook-filter", "", &fil.k);
	fil.k.egress = drop_unless_mirrored;
	for (k = 0; k < 8; k++) {
		uint16_t snap = k & 4 ? 60 : 0;

		mirror(k & 1, ways[k & 1], whats[k >> 1 & 1], snap);
		clear();
		bed_send(&bed, 0, 1);
		bed_poll(&bed);
		expect_nr_out(0, 0, 0, 1);
		expect_copy(0, &bed.p[0]->in[0], snap ? snap : 200);
	}
}

static void drop_all(struct hooks *k, struct nethv_burst *b)
{
	uint16_t i;

	for (i = 0; i < b->n; i++)
		b->verdict[i] = 1;
}

Test(vsw_stages, dp_16_what_a_filter_drops_on_ingress)
{
	bed_hook(&bed, "hook-filter", "", &fil.k);
	fil.k.ingress = drop_all;
	fil.k.egress = NULL;
	mirror(0, VSW_MIRROR_IN, VSW_MIRROR_DROPS, 0);
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 1);
	expect_copy(0, &bed.p[0]->in[0], 200);
	mirror(0, VSW_MIRROR_IN, VSW_MIRROR_FORWARDED, 0);
	clear();
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 0);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_filtered), 2);
}

Test(vsw_stages, dp_16_what_a_policy_drops)
{
	struct vsw_acl_rule deny = {.name = "x",
				    .layer = VSW_ACL_ETHER,
				    .ways = VSW_ACL_EGRESS,
				    .action = VSW_ACL_DENY,
				    .ether_type = 0x88B5};
	struct vsw_policy_cfg cfg = {.rules = &deny, .nr_rules = 1};

	cr_assert_eq(vsw_port_set_policy(bed.p[1]->port, &cfg), 0, "%s", err_text());
	mirror(1, VSW_MIRROR_OUT, VSW_MIRROR_DROPS, 50);
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	expect_nr_out(0, 0, 1, 2); /* the flood's, and the copy */
	expect_copy(1, &bed.p[0]->in[0], 50);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_acl_denied), 1);
	deny.ways = VSW_ACL_INGRESS;
	cr_assert_eq(vsw_port_set_policy(bed.p[1]->port, NULL), 0);
	cr_assert_eq(vsw_port_set_policy(bed.p[0]->port, &cfg), 0, "%s", err_text());
	mirror(0, VSW_MIRROR_IN, VSW_MIRROR_DROPS, 0);
	clear();
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 1);
	expect_copy(0, &bed.p[0]->in[0], 200);
}

Test(vsw_stages, dp_16_what_the_switch_drops)
{
	mirror(0, VSW_MIRROR_IN, VSW_MIRROR_DROPS, 0);
	bed_send(&bed, 0, 0); /* same port */
	bed_send(&bed, 0, 1); /* no drop */
	bed_poll(&bed);
	expect_nr_out(0, 1, 0, 1);
	expect_copy(0, &bed.p[0]->in[0], 200);
}

/* Shown with the tags that it came with, in band and out of band. */
Test(vsw_stages, dp_16_a_denied_tag_is_seen)
{
	struct fake_frame *fr;

	mirror(0, VSW_MIRROR_IN, VSW_MIRROR_DROPS, 0);
	fr = bed_send(&bed, 0, 1);
	fr->flags = NETHV_PKT_VLAN;
	fr->tci = 0x6123;
	fr = bed_send(&bed, 0, 1);
	memcpy(fr->bytes + 12, (const uint8_t[]){0x81, 0, 0, 5, 0x81, 0, 0, 6}, 8);
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 2);
	expect_copy(0, &bed.p[0]->in[1], 200); /* dropped at the entry */
	cr_assert_eq(bed.p[MON]->out[0].flags, 0);
	expect_copy(1, &bed.p[0]->in[0], 200);
	cr_assert_eq(bed.p[MON]->out[1].flags, NETHV_PKT_VLAN);
	cr_assert_eq(bed.p[MON]->out[1].tci, 0x6123);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_vlan_denied), 2);
}

/* Of what was lost before it came nobody knows how much is there. */
Test(vsw_stages, dp_16_what_was_lost_before_it_came_is_not_shown)
{
	struct fake_frame *fr;

	mirror(0, VSW_MIRROR_IN, VSW_MIRROR_ALL, 0);
	fr = bed_send(&bed, 0, 1);
	fr->drop_reason = VSW_DROP_bad_offload;
	fr->flags = NETHV_PKT_LSO;
	fr->l4_off = 250;
	fr = bed_send(&bed, 0, 1);
	fr->len = 13;
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 0);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_bad_offload), 1);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_runt), 1);
}

/* ---- What a copy looks like ---------------------------------------------------------------- */

Test(vsw_stages, dp_16_copies_are_cut_to_any_length)
{
	static const uint16_t snaps[] = {14, 15, 63, 64, 65, 127, 128, 129, 199, 200, 300};
	unsigned int k, scattered;

	for (scattered = 0; scattered < 2; scattered++) {
		bed.p[0]->is_scattered = scattered;
		for (k = 0; k < sizeof(snaps) / sizeof(snaps[0]); k++) {
			mirror(0, VSW_MIRROR_IN, VSW_MIRROR_FORWARDED, snaps[k]);
			clear();
			bed_send(&bed, 0, 1);
			bed_poll(&bed);
			expect_nr_out(0, 1, 0, 1);
			cr_assert_eq(bed.p[1]->out[0].len, 200);
			expect_copy(0, &bed.p[0]->in[0], snaps[k] < 200 ? snaps[k] : 200);
		}
	}
}

static void expect_whole(struct hooks *k, struct nethv_burst *b)
{
	struct doer *d = (struct doer *)k;
	uint16_t i;

	for (i = 0; i < b->n; i++) {
		const struct nethv_pkt *p = b->pkt[i];

		d->twice |= p->l4_off > p->hdr_len || p->hdr_len > p->len ||
			    (p->l3_off && p->l3_off + 20u > p->hdr_len);
	}
}

static void send_tcp(struct naive_frame *f, bool is_long)
{
	static const uint8_t to[6] = {2, 0, 0, 0, 0, 0x0B}, from[6] = {2, 0, 0, 0, 0, 0x0A};
	struct naive_kind kind = {.is_tcp = true, .payload = is_long ? 1900 : 333};
	struct fake_frame *fr = fake_send(bed.p[0], 0, 0);
	static struct naive_frame cut;

	naive_make(f, &kind, to, from, 3);
	cut = *f;
	naive_unfinish(&cut, is_long);
	memcpy(fr->bytes, cut.bytes, cut.len);
	fr->len = cut.len;
	fr->flags = is_long ? NETHV_PKT_LSO : NETHV_PKT_CSUM;
	fr->csum = NETHV_CSUM_TCP | NETHV_CSUM_IP4;
	fr->l3_off = (uint8_t)cut.l3;
	fr->l4_off = (uint8_t)cut.l4;
	fr->lso_mss = 500;
}

Test(vsw_stages, dp_16_offloads_are_done_for_whole_copies)
{
	static struct naive_frame f, seg;
	uint32_t k;

	mirror(0, VSW_MIRROR_IN, VSW_MIRROR_FORWARDED, 0);
	send_tcp(&f, false);
	bed_poll(&bed);
	expect_nr_out(0, 1, 0, 1);
	cr_assert_eq(bed.p[MON]->out[0].len, f.len);
	cr_assert_eq(memcmp(bed.p[MON]->out[0].bytes, f.bytes, f.len), 0);
	clear();
	send_tcp(&f, true);
	bed_poll(&bed);
	expect_nr_out(0, 4, 0, 4);
	for (k = 0; naive_cut(&f, 500, k, &seg); k++) {
		cr_assert_eq(memcmp(bed.p[MON]->out[k].bytes, seg.bytes, seg.len), 0);
		cr_assert_eq(memcmp(bed.p[1]->out[k].bytes, seg.bytes, seg.len), 0);
	}
}

Test(vsw_stages, dp_16_short_copies_of_offloaded_frames_are_taken_as_they_came)
{
	static const uint16_t snaps[] = {14, 20, 40, 54, 60, 300};
	static struct naive_frame f;
	static struct doer d = {.k = {.egress = expect_whole}};
	unsigned int k, is_long;

	bed_hook(&bed, "hook-filter", "", &d.k);
	for (k = 0; k < 6; k++) {
		for (is_long = 0; is_long < 2; is_long++) {
			mirror(0, VSW_MIRROR_IN, VSW_MIRROR_FORWARDED, snaps[k]);
			clear();
			send_tcp(&f, is_long);
			bed_poll(&bed);
			expect_nr_out(0, is_long ? 4 : 1, 0, 1);
			expect_copy(0, &bed.p[0]->in[0], snaps[k]);
		}
	}
	cr_assert(!d.twice, "headers behind the end of a copy");
}

Test(vsw_stages, dp_16_a_lot_of_short_copies_of_segments)
{
	static struct naive_frame f;
	static struct doer d;
	unsigned int k;

	bed_hook(&bed, "hook-plain", "", &d.k);
	mirror(0, VSW_MIRROR_IN, VSW_MIRROR_FORWARDED, 60);
	for (k = 0; k < VSW_VEC_SIZE; k++) {
		send_tcp(&f, true);
		bed.p[0]->in[k].lso_mss = 100;
	}
	bed_poll(&bed);
	expect_nr_out(0, 64 * 19, 0, 64 * 19);
}

Test(vsw_stages, dp_16_the_copy_carries_its_vlans_tag)
{
	struct vsw_port_cfg cfg = {.name = "v0", .pvid = 7}, cfg2 = {.name = "v1", .pvid = 7};
	struct fake_frame *fr;

	bed_port(&bed, 5, cfg);
	bed_port(&bed, 6, cfg2);
	mirror(5, VSW_MIRROR_IN, VSW_MIRROR_FORWARDED, 0);
	fr = fake_send(bed.p[5], BED_BCAST, BED_MAC(5));
	fr->flags = NETHV_PKT_VLAN;
	fr->tci = 0xA000; /* a priority tag */
	bed_poll(&bed);
	cr_assert_eq(bed.p[6]->nr_out, 1);
	cr_assert_eq(bed.p[6]->out[0].flags, 0);
	expect_nr_out(0, 0, 0, 1);
	cr_assert_eq(bed.p[MON]->out[0].flags, NETHV_PKT_VLAN);
	cr_assert_eq(bed.p[MON]->out[0].tci, 0xA007);
	expect_copy(0, fr, 200);
	mirror(5, VSW_MIRROR_IN, VSW_MIRROR_FORWARDED, 80);
	clear();
	fake_send(bed.p[5], BED_BCAST, BED_MAC(5));
	bed_poll(&bed);
	cr_assert_eq(bed.p[MON]->out[0].tci, 7);
	cr_assert_eq(bed.p[MON]->out[0].len, 80);
}

/* ---- Clones and exclusion in the books ------------------------------------------------------ */

Test(vsw_stages, dp_12_a_clone_has_the_destinations_that_are_left)
{
	static struct doer upper = {.k = {.egress = do_out}}, lower = {.k = {.egress = do_out}};

	bed_hook(&bed, "hook-filter", "lower", &lower.k); /* called first on egress */
	bed_hook(&bed, "hook-plain", "upper", &upper.k);
	lower.exclude = vsw_port_id(bed.p[1]->port) + 1;
	upper.clones = true;
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	expect_nr_out(0, 0, 2, 2);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_excluded), 1);
	cr_assert(fake_is_balanced(bed.sw));
}

Test(vsw_stages, ex_1_a_packet_dropped_and_excluded_at_once_is_counted_once)
{
	bed_hook(&bed, "hook-filter", "", &fil.k);
	fil.exclude = vsw_port_id(bed.p[1]->port) + 1;
	fil.drop = 1;
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 0);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_filtered), 3);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_excluded), 0);
}

/* ---- Tunnels ------------------------------------------------------------------------------- */

static struct ovsw net;

static void overlay_up(void)
{
	struct vsw_port_cfg cfg = {.name = "up", .kind = VSW_PORT_UPLINK};

	bed_port(&bed, OVSW_UPLINK, cfg);
	ovsw_init(&net, &bed, 1, 2);
	cr_assert_eq(vsw_set_overlay(bed.sw, &net.cfg), 0, "%s", err_text());
	bed.sw->lcore[0]->overlay_s = UINT32_MAX; /* announced now, and not later */
	bed_poll(&bed);
	clear();
}

Test(vsw_stages, dp_16_what_enters_is_copied_though_all_of_it_goes_into_tunnels)
{
	overlay_up();
	mirror(2, VSW_MIRROR_IN, VSW_MIRROR_FORWARDED, 0); /* alone in its subnet here */
	bed_send(&bed, 2, UINT32_MAX);
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 1);
	expect_copy(0, &bed.p[2]->in[0], 200);
	cr_assert_eq(bed.p[OVSW_UPLINK]->nr_out, 2);
	mirror(0, VSW_MIRROR_IN, VSW_MIRROR_FORWARDED, 0); /* not alone */
	clear();
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	expect_nr_out(0, 1, 0, 1);
	expect_copy(0, &bed.p[0]->in[0], 200);
}

Test(vsw_stages, dp_16_what_leaves_by_the_uplink_is_copied_with_its_outer_headers)
{
	struct naive_tunnel t;
	unsigned int k;

	overlay_up();
	mirror(OVSW_UPLINK, VSW_MIRROR_OUT, VSW_MIRROR_FORWARDED, 0);
	bed_send(&bed, 2, UINT32_MAX);
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 2);
	for (k = 0; k < 2; k++) {
		expect_copy(k, &bed.p[OVSW_UPLINK]->out[k], 250);
		cr_assert_null(naive_tunnel_open(bed.p[MON]->out[k].bytes, 250, &t));
		cr_assert_eq(t.dst[3], k + 2);
	}
	mirror(OVSW_UPLINK, VSW_MIRROR_OUT, VSW_MIRROR_FORWARDED, 60);
	clear();
	bed_send(&bed, 2, UINT32_MAX);
	bed_poll(&bed);
	expect_nr_out(0, 0, 0, 2);
	expect_copy(1, &bed.p[OVSW_UPLINK]->out[1], 60);
}

Test(vsw_stages, dp_16_what_came_out_of_a_tunnel_entered_at_the_uplink)
{
	static const uint8_t inner[64] = {2, 0, 0, 0, 0, 0x0A, 2, 0, 0, 0, 0, 0x77, 0x88, 0xB5};

	overlay_up();
	mirror(OVSW_UPLINK, VSW_MIRROR_IN, VSW_MIRROR_ALL, 0);
	ovsw_tunnel(&bed, &net, 2, 5000, inner, 64);
	ovsw_tunnel(&bed, &net, 9, 5000, inner, 64); /* a stranger's */
	bed_poll(&bed);
	expect_nr_out(1, 1, 0, 2);
	cr_assert_eq(bed.p[MON]->out[0].len, 64);
	cr_assert_eq(bed.p[MON]->out[1].len, 114);
}
