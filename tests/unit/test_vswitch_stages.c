/* SPDX-License-Identifier: BSD-3-Clause */
/* The long way of a vector, rule by rule: the data path, exclusion, sources. Tests are named after the IDs
 * of docs/conformance.md. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/extbed.h"
#include "tests/support/seen.h"
#include "vswitch/priv.h"

TestSuite(vsw_stages, .init = bed_suite_up, .fini = bed_suite_down);

SEEN(cap, "c");
SEEN(fil, "f");
SEEN(fil2, "g");
SEEN(fwd, "w");

/* ---- DP ------------------------------------------------------------------------------------ */

Test(vsw_stages, dp_1_four_stations_each_once)
{
	bed_hook(&bed, "hook-capture", "", &cap.k);
	bed_hook(&bed, "hook-filter", "", &fil.k);
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_str_eq(seen_order, "c< f< f> c> ");
	cr_assert_eq(bed.p[1]->nr_out, 1);
	cr_assert_eq(bed.p[0]->nr_rx_done, 1, "and then its sender gets it back");
}

Test(vsw_stages, dp_2_each_packet_from_any_port_takes_the_whole_way)
{
	struct vsw_port_cfg up_cfg = {.name = "up", .kind = VSW_PORT_UPLINK};
	unsigned int i;

	bed_port(&bed, 4, up_cfg);
	bed_hook(&bed, "hook-capture", "", &cap.k);
	bed_hook(&bed, "hook-filter", "", &fil.k);
	for (i = 0; i < 5; i++)
		bed_send(&bed, i, i ? 0 : 1);
	cr_assert_eq(bed_poll(&bed), 5);
	cr_assert_eq(cap.in, 5);
	cr_assert_eq(fil.in, 5);
	cr_assert_eq(fil.out, 5);
	cr_assert_eq(cap.out, 5);
	cr_assert_eq(bed.p[0]->nr_out, 4);
}

static void reads_context(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;
	const struct nethv_pkt *p = b->pkt[0];

	s->rc[0] = p->src_port;
	s->rc[1] = p->flags;
	s->rc[2] = p->vlan;
	s->rc[3] = p->ether_type;
	s->rc[4] = p->hdr_len;
	s->rc[5] = nethv_bytes(p)[0];
	s->rc[6] = p->src_nic;
}

Test(vsw_stages, dp_3_the_context_is_out_of_band)
{
	bed_hook(&bed, "hook-filter", "", &fil.k);
	fil.k.ingress = reads_context;
	bed_send(&bed, 3, 1);
	bed_poll(&bed);
	cr_assert_eq(fil.rc[0], vsw_port_id(bed.p[3]->port));
	cr_assert_eq(fil.rc[1], NETHV_PKT_PARSED);
	cr_assert_eq(fil.rc[2], 0);
	cr_assert_eq(fil.rc[3], 0x88B5);
	cr_assert_geq(fil.rc[4], 64);
	cr_assert_eq(fil.rc[5], 2);
	cr_assert_eq(fil.rc[6], 0);
}

static void routes_wrongly(struct hooks *k, struct nethv_burst *b)
{
	nethv_route_add(b, 0, 200, 0);	  /* no such port */
	nethv_route_add(b, 0, 0xFFFF, 0); /* nor this */
	nethv_route_add(b, 0, vsw_port_id(bed.p[1]->port), 0);
	b->route[0].dst[2].flags = 0xFF;
	b->route[0].n = 200;
}

static void sees_flags(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;

	s->rc[0] = b->pkt[0]->ndst;
	s->rc[1] = b->dst[b->pkt[0]->dst_first].flags;
}

Test(vsw_stages, dp_4_destinations_are_connected_ports_with_flags_of_ours)
{
	bed_hook(&bed, "hook-forward", "", &fwd.k);
	bed_hook(&bed, "hook-filter", "", &fil.k);
	fwd.k.ingress = routes_wrongly;
	fil.k.egress = sees_flags;
	bed_send(&bed, 0, 3);
	bed_poll(&bed);
	cr_assert_eq(bed.p[1]->nr_out, 1, "once, though the tail of the array names port 0");
	cr_assert_geq(bed_status(&bed, "hook-forward").sum.broken, 2);
	cr_assert_str_eq(bed_status(&bed, "hook-forward").last_broken_id, "DP-4");
	cr_assert_eq(fil.rc[1] & NETHV_DST_EXCLUDED, 0);
}

static void keeps_tag(struct hooks *k, struct nethv_burst *b)
{
	nethv_route_add(b, 0, vsw_port_id(bed.p[1]->port), 0);
	b->route[0].dst[0].flags = NETHV_DST_KEEP_VLAN;
	nethv_route_add(b, 0, vsw_port_id(bed.p[2]->port), 0);
	b->route[0].dst[1].flags = NETHV_DST_KEEP_PRIORITY;
	nethv_route_add(b, 0, vsw_port_id(bed.p[3]->port), 0);
}

Test(vsw_stages, dp_4_tag_and_priority_are_preserved_where_asked)
{
	struct fake_frame *f;

	bed_hook(&bed, "hook-forward-vlan", "", &fwd.k);
	fwd.k.ingress = keeps_tag;
	f = bed_send(&bed, 0, 1);
	f->flags = NETHV_PKT_VLAN;
	f->tci = 0xA000;
	bed_poll(&bed);
	cr_assert_eq(bed.p[1]->out[0].tci, 0xA000);
	cr_assert_eq(bed.p[2]->out[0].tci, 0xA000);
	cr_assert_eq(bed.p[3]->out[0].flags, 0);
}

static void calls_all(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;
	uint8_t bytes[200];

	if (b->pkt[0]->flags & NETHV_PKT_CLONE)
		return;
	s->rc[0] = b->host->copy(b, 0, 0, bytes, 200);
	s->rc[1] = bytes[199];
	s->rc[2] = b->host->copy(b, 0, 100, bytes, 101);
	s->rc[3] = b->host->copy(b, 9, 0, bytes, 1);
	s->rc[4] = b->host->pull(b, 0, 128);
	s->rc[5] = b->pkt[0]->hdr_len;
	s->rc[6] = b->host->pull(b, 0, 129);
	s->rc[7] = b->host->edit(b, 0, 20, "hello", 5);
	s->rc[8] = b->host->edit(b, 0, 126, "hello", 5);
	s->rc[9] = b->host->clone(b, 0);
	s->rc[10] = b->host->edit(b, 7, 0, "x", 1);
	s->rc[11] = b->host->set_head(b, 0, 0, "x", 1);
}

Test(vsw_stages, dp_5_the_handler_calls_do_what_they_say)
{
	bed_hook(&bed, "hook-filter", "", &fil.k);
	fil.k.ingress = calls_all;
	bed.p[0]->hdr_len = 64;
	bed.p[0]->is_scattered = true;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_eq(fil.rc[0], NETHV_OK);
	cr_assert_eq(fil.rc[1], bed.p[0]->in[0].bytes[199]);
	cr_assert_eq(fil.rc[2], NETHV_ERANGE);
	cr_assert_eq(fil.rc[3], NETHV_ERANGE);
	cr_assert_eq(fil.rc[4], NETHV_OK);
	cr_assert_eq(fil.rc[5], 128);
	cr_assert_eq(fil.rc[6], NETHV_ERANGE);
	cr_assert_eq(fil.rc[7], NETHV_OK);
	cr_assert_eq(fil.rc[8], NETHV_ERANGE);
	cr_assert_eq(fil.rc[9], NETHV_OK);
	cr_assert_eq(fil.rc[10], NETHV_ERANGE);
	cr_assert_eq(fil.rc[11], NETHV_EPERM, "not without NETHV_EXT_PLAIN");
	cr_assert_eq(bed.p[1]->nr_out, 2);
	cr_assert_eq(memcmp(bed.p[1]->out[0].bytes + 20, "hello", 5), 0);
	cr_assert_eq(memcmp(bed.p[1]->out[0].bytes + 25, bed.p[0]->in[0].bytes + 25, 175), 0);
	cr_assert_eq(memcmp(bed.p[1]->out[1].bytes + 20, "hello", 5), 0, "the clone came later");
}

static void excludes_second(struct hooks *k, struct nethv_burst *b)
{
	uint32_t d, first = b->pkt[0]->dst_first;

	for (d = first; d < first + b->pkt[0]->ndst; d++)
		if (b->dst[d].port == vsw_port_id(bed.p[2]->port))
			nethv_exclude(b, d);
}

Test(vsw_stages, dp_6_after_the_commit_only_exclusion_changes_and_only_on_egress)
{
	bed_hook(&bed, "hook-filter", "", &fil.k);
	fil.k.egress = excludes_second;
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	cr_assert_eq(bed.p[1]->nr_out, 1);
	cr_assert_eq(bed.p[2]->nr_out, 0);
	cr_assert_eq(bed.p[3]->nr_out, 1);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_excluded), 1);
	cr_assert_eq(bed_status(&bed, "hook-filter").sum.excluded, 1);
}

static void detaches_nothing(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;

	s->rc[0] =
		bed.p[2]->port != NULL && bed.sw->snap->port[vsw_port_id(bed.p[2]->port)] != NULL;
	nethv_route_add(b, 0, vsw_port_id(bed.p[2]->port), 0);
}

Test(vsw_stages, dp_7_a_port_outlives_the_vectors_that_name_it)
{
	bed_hook(&bed, "hook-forward", "", &fwd.k);
	fwd.k.ingress = detaches_nothing;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_eq(fwd.rc[0], 1);
	cr_assert_eq(bed.p[2]->nr_out, 1);
	vsw_port_detach(bed.p[2]->port); /* returns after the grace period */
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_no_route), 1);
}

static void routes_nowhere(struct hooks *k, struct nethv_burst *b)
{
}

Test(vsw_stages, dp_8_no_destination_is_a_drop_with_a_reason)
{
	bed_hook(&bed, "hook-forward", "", &fwd.k);
	fwd.k.ingress = routes_nowhere;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_no_route), 1);
	cr_assert_eq(bed.p[1]->nr_out, 0);
}

static void originates_trusted(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;
	struct fake_frame f;

	if (s->in++)
		return;
	fake_build(&f, BED_MAC(2), 0x770000000002ull, 90, 1);
	s->rc[0] = b->host->originate(b, NETHV_PORT_DEFAULT, f.bytes, f.len);
	s->rc[1] = b->host->originate(b, vsw_port_id(bed.p[3]->port), f.bytes, f.len);
	s->rc[2] = b->host->originate(b, 250, f.bytes, f.len);
	s->rc[3] = b->host->originate(b, 0, f.bytes, 13);
}

Test(vsw_stages, dp_10_nobodys_packets_are_trusted_those_of_a_port_are_judged)
{
	struct vsw_port_cfg guarded = {.name = "guarded", .is_spoof_guarded = true};
	uint64_t mac = BED_MAC(4);

	memcpy(guarded.mac, &mac, 6);
	fake_port_free(bed.p[3]);
	bed_port(&bed, 3, guarded);
	bed_hook(&bed, "hook-filter", "", &fil.k);
	fil.k.ingress = originates_trusted;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_eq(fil.rc[0], NETHV_OK);
	cr_assert_eq(fil.rc[1], NETHV_OK);
	cr_assert_eq(fil.rc[2], NETHV_EPERM);
	cr_assert_eq(fil.rc[3], NETHV_ERANGE);
	cr_assert_eq(bed.p[2]->nr_out, 1, "the guard held the second one back");
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_spoofed_mac), 1, "in the books of who caused it");
}

static void clones_once(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;

	s->in += b->n;
	for (uint16_t i = 0; i < b->n; i++)
		if (!(b->pkt[i]->flags & NETHV_PKT_CLONE))
			s->rc[0] = b->host->clone(b, i);
}

Test(vsw_stages, dp_11_a_clone_goes_on_below_without_destinations)
{
	bed_hook(&bed, "hook-plain", "g", &fil2.k); /* below */
	bed_hook(&bed, "hook-filter", "f", &fil.k);
	fil.k.ingress = clones_once;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_eq(fil.in, 1, "not above or at its maker");
	cr_assert_eq(fil2.in, 2);
	cr_assert_eq(bed.p[1]->nr_out, 2);
	cr_assert_eq(memcmp(bed.p[1]->out[1].bytes, bed.p[0]->in[0].bytes, 200), 0);
	cr_assert_eq(bed_status(&bed, "f").sum.cloned, 1);
}

static void forwarder_clones(struct hooks *k, struct nethv_burst *b)
{
	for (uint16_t i = 0; i < b->n; i++) {
		bool is_clone = b->pkt[i]->flags & NETHV_PKT_CLONE;

		if (!is_clone)
			b->host->clone(b, i);
		nethv_route_add(b, i, vsw_port_id(bed.p[is_clone ? 2 : 1]->port), 0);
	}
}

Test(vsw_stages, dp_11_a_forwarder_gives_its_clones_destinations)
{
	bed_hook(&bed, "hook-forward", "", &fwd.k);
	fwd.k.ingress = forwarder_clones;
	bed_send(&bed, 0, 3);
	bed_poll(&bed);
	cr_assert_eq(bed.p[1]->nr_out, 1);
	cr_assert_eq(bed.p[2]->nr_out, 1);
	cr_assert_eq(bed.p[3]->nr_out, 0);
}

static void forwarder_clones_for_ever(struct hooks *k, struct nethv_burst *b)
{
	for (uint16_t i = 0; i < b->n; i++) {
		b->host->clone(b, i);
		nethv_route_add(b, i, vsw_port_id(bed.p[1]->port), 0);
	}
}

Test(vsw_stages, dp_11_clones_of_clones_are_bounded)
{
	bed_hook(&bed, "hook-forward", "", &fwd.k);
	fwd.k.ingress = forwarder_clones_for_ever;
	bed_send(&bed, 0, 3);
	bed_poll(&bed);
	cr_assert_leq(bed.p[1]->nr_out, 1 + VSW_INJECT_MAX);
	cr_assert_geq(bed_status(&bed, "hook-forward").sum.refused, 1);
}

static void clones_on_egress(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;

	s->out += b->n;
	if (!(b->pkt[0]->flags & NETHV_PKT_CLONE))
		s->rc[0] = b->host->clone(b, 0);
}

Test(vsw_stages, dp_12_a_clone_on_egress_keeps_its_destinations)
{
	bed_hook(&bed, "hook-filter", "f", &fil.k);
	fil.k.egress = clones_on_egress;
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	cr_assert_eq(fil.rc[0], NETHV_OK);
	cr_assert_eq(fil.out, 1);
	for (unsigned int i = 1; i < 4; i++)
		cr_assert_eq(bed.p[i]->nr_out, 2);
}

/* The textbook: one of several destinations gets another packet. */
static void special_out(struct hooks *k, struct nethv_burst *b)
{
	if (!(b->pkt[0]->flags & NETHV_PKT_MADE))
		excludes_second(k, b);
}

static void special_in(struct hooks *k, struct nethv_burst *b)
{
	struct fake_frame f;

	fake_build(&f, BED_MAC(2), BED_MAC(0), 80, 5);
	b->host->originate(b, vsw_port_id(bed.p[0]->port), f.bytes, f.len);
}

Test(vsw_stages, dp_13_one_of_several_destinations_can_be_served_apart)
{
	bed_hook(&bed, "hook-filter", "", &fil.k);
	fil.k.ingress = special_in;
	fil.k.egress = special_out;
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	cr_assert_eq(bed.p[1]->out[0].len, 200);
	cr_assert_eq(bed.p[2]->nr_out, 1);
	cr_assert_eq(bed.p[2]->out[0].len, 80);
	cr_assert_eq(bed.p[3]->out[0].len, 200);
}

static void notes_safe(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;

	s->rc[s->in++ & 7] = !!(b->pkt[0]->flags & NETHV_PKT_SAFE);
}

Test(vsw_stages, dp_14_bytes_of_a_guest_are_not_safe_those_of_the_switch_are)
{
	struct vsw_port_cfg up_cfg = {.name = "up", .kind = VSW_PORT_UPLINK};

	bed_port(&bed, 4, up_cfg);
	bed_hook(&bed, "hook-plain", "below", &fil2.k);
	bed_hook(&bed, "hook-filter", "f", &fil.k);
	fil.k.ingress = notes_safe;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	bed_send(&bed, 4, 1);
	bed_poll(&bed);
	cr_assert_eq(fil.rc[0], 0);
	cr_assert_eq(fil.rc[1], 1);
	fil.k.ingress = special_in;
	fil2.k.ingress = notes_safe;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_eq(fil2.rc[(fil2.in - 1) & 7], 1, "what was originated is");
}

static void notes_flags(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;

	s->rc[s->in++ & 7] = b->n << 8 | (int)b->flags;
}

Test(vsw_stages, dp_15_a_burst_has_one_source)
{
	bed_hook(&bed, "hook-filter", "f", &fil.k);
	fil.k.ingress = notes_flags;
	bed_send(&bed, 0, 1);
	bed_send(&bed, 0, 2);
	bed_send(&bed, 1, 2);
	bed_poll(&bed);
	cr_assert_eq(fil.in, 2);
	cr_assert_eq(fil.rc[0], 2 << 8 | NETHV_BURST_SINGLE_SOURCE);
	cr_assert_eq(fil.rc[1], 1 << 8 | NETHV_BURST_SINGLE_SOURCE);
}

static void notes_csum(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;

	s->rc[s->in++ & 7] = b->pkt[0]->flags & (NETHV_PKT_CSUM | NETHV_PKT_CSUM_OK);
}

Test(vsw_stages, dp_17_offload_metadata_is_that_of_its_source_all_the_way)
{
	bed_hook(&bed, "hook-filter", "f", &fil.k);
	fil.k.ingress = notes_csum;
	fil.k.egress = notes_csum;
	fake_tcp(bed_send(&bed, 0, 1), NETHV_PKT_CSUM, 0);
	bed_poll(&bed);
	cr_assert_eq(fil.rc[0], NETHV_PKT_CSUM);
	cr_assert_eq(fil.rc[1], NETHV_PKT_CSUM);
	fake_tcp(bed_send(&bed, 1, 0), NETHV_PKT_CSUM_OK, 0);
	bed_poll(&bed);
	cr_assert_eq(fil.rc[2], NETHV_PKT_CSUM_OK);
	cr_assert_eq(fil.rc[3], NETHV_PKT_CSUM_OK);
}

/* ---- EX, SRC ------------------------------------------------------------------------------- */

static void clears_exclusion(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;

	s->rc[0] = b->dst[b->pkt[0]->dst_first].flags;
	memset(b->exclude, 0, b->pkt[0]->ndst);
}

static void excludes_all(struct hooks *k, struct nethv_burst *b)
{
	memset(b->exclude + b->pkt[0]->dst_first, 1, b->pkt[0]->ndst);
}

Test(vsw_stages, ex_1_exclusion_is_sticky_and_with_none_left_the_packet_is_dropped)
{
	bed_hook(&bed, "hook-filter", "below", &fil.k);
	bed_hook(&bed, "hook-plain", "above", &fil2.k);
	fil.k.egress = excludes_second;
	fil2.k.egress = clears_exclusion;
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	cr_assert_eq(bed.p[2]->nr_out, 0);
	fil.k.egress = excludes_all;
	fil2.rc[0] = 77;
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	cr_assert_eq(fil2.rc[0], 77, "nobody above sees it");
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_excluded), 4);
	cr_assert_eq(bed.p[1]->nr_out, 1);
}

static void adds_not(struct hooks *k, struct nethv_burst *b)
{
	nethv_route_add(b, 0, vsw_port_id(bed.p[1]->port), 0);
	nethv_route_add(b, 0, vsw_port_id(bed.p[3]->port), 0);
}

Test(vsw_stages, ex_2_on_ingress_a_forwarder_excludes_by_not_adding)
{
	bed_hook(&bed, "hook-forward", "", &fwd.k);
	fwd.k.ingress = adds_not;
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	cr_assert_eq(bed.p[1]->nr_out, 1);
	cr_assert_eq(bed.p[2]->nr_out, 0);
	cr_assert_eq(bed.p[3]->nr_out, 1);
}

static void sets_source(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;

	s->rc[0] = b->host->set_source(b, 0, vsw_port_id(bed.p[3]->port));
	s->rc[1] = b->host->set_source(b, 0, 250);
}

static void sees_source(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;

	s->rc[2] = b->src_port;
	s->rc[3] = b->pkt[0]->src_port;
	s->out += b->n;
}

Test(vsw_stages, src_1_the_source_changes_by_its_call_only)
{
	bed_hook(&bed, "hook-plain", "below", &fil2.k);
	bed_hook(&bed, "hook-filter", "f", &fil.k);
	fil.k.ingress = sets_source;
	fil2.k.ingress = sees_source;
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	cr_assert_eq(fil.rc[0], NETHV_OK);
	cr_assert_eq(fil.rc[1], NETHV_ERANGE);
	cr_assert_eq(fil2.rc[2], vsw_port_id(bed.p[3]->port));
	cr_assert_eq(fil2.rc[3], vsw_port_id(bed.p[3]->port));
	cr_assert_eq(bed.p[3]->nr_out, 0, "it is the source now");
	cr_assert_eq(bed.p[0]->nr_out, 1);
}
