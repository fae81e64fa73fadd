/* SPDX-License-Identifier: BSD-3-Clause */
/* The long way of a vector, rule by rule: tests are named after the IDs of docs/conformance.md. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/extbed.h"
#include "vswitch/priv.h"

TestSuite(vsw_stages, .init = bed_suite_up, .fini = bed_suite_down);

/* What hooks note. */
static char order[256];

static void note(const char *what)
{
	if (strlen(order) + strlen(what) < sizeof(order))
		strcat(order, what);
}

struct seen {
	struct hooks k;
	const char *name;
	unsigned int in, out; /* packets */
	uint16_t drop;	      /* ingress: verdict for all, 0: pass */
	int rc[16];
};

static void see_in(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;
	char what[16];

	snprintf(what, sizeof(what), "%s< ", s->name);
	note(what);
	s->in += b->n;
	for (uint16_t i = 0; s->drop && i < b->n; i++)
		b->verdict[i] = s->drop;
}

static void see_out(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;
	char what[16];

	snprintf(what, sizeof(what), "%s> ", s->name);
	note(what);
	s->out += b->n;
}

#define SEEN(var, called) \
	static struct seen var = {.k = {.ingress = see_in, .egress = see_out}, .name = called}

SEEN(cap, "c");
SEEN(fil, "f");
SEEN(fil2, "g");
SEEN(fwd, "w");

/* ---- EXT ----------------------------------------------------------------------------------- */

static void capture_writes(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;
	uint32_t handle;

	s->rc[0] = b->host->edit(b, 0, 0, "x", 1);
	s->rc[1] = b->host->clone(b, 0);
	s->rc[2] = b->host->set_vlan(b, 0, 5);
	s->rc[3] = b->host->set_source(b, 0, 1);
	s->rc[4] = b->host->hold(b, 0, &handle);
	s->rc[5] = b->host->set_mark(b, 0, 7);
	s->rc[6] = b->host->set_head(b, 0, 0, "x", 1);
	s->in += b->n;
}

Test(vsw_stages, ext_1_capture_reads_only)
{
	bed_hook(&bed, "hook-capture", "", &cap.k);
	cap.k.ingress = capture_writes;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	for (int i = 0; i < 7; i++)
		cr_expect_eq(cap.rc[i], NETHV_EPERM, "%d", i);
	cr_assert_eq(cap.in, 1);
	cr_assert_eq(bed.p[1]->nr_out, 1);
	cr_assert_eq(memcmp(bed.p[1]->out[0].bytes, bed.p[0]->in[0].bytes, 200), 0);
	cr_assert_eq(bed_status(&bed, "hook-capture").sum.broken, 7);
	cr_assert_str_eq(bed_status(&bed, "hook-capture").last_broken_id, "EXT-1");
}

static void capture_drops(struct hooks *k, struct nethv_burst *b)
{
	b->verdict[0] = 1;
}

Test(vsw_stages, ext_1_a_capture_that_drops_is_detached_and_the_packet_arrives)
{
	bed_hook(&bed, "hook-capture", "", &cap.k);
	cap.k.ingress = capture_drops;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_eq(bed.p[1]->nr_out, 1);
	cr_assert_eq(bed_status(&bed, "hook-capture").state, VSW_EXT_FAULTED);
	cr_assert(strstr(bed_status(&bed, "hook-capture").report, "read only"));
}

static void writes_packet(struct hooks *k, struct nethv_burst *b)
{
	((uint8_t *)(uintptr_t)nethv_bytes(b->pkt[0]))[0] = 0xFF;
}

Test(vsw_stages, ext_1_nobody_can_write_to_a_packet)
{
	bed_hook(&bed, "hook-filter", "", &fil.k);
	fil.k.ingress = writes_packet;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_eq(bed_status(&bed, "hook-filter").state, VSW_EXT_FAULTED);
	cr_assert_eq(memcmp(bed.p[1]->out[0].bytes, bed.p[0]->in[0].bytes, 200), 0);
}

static void originates(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;
	struct fake_frame f;

	fake_build(&f, BED_MAC(2), BED_MAC(0), 100, 9);
	s->rc[s->in++] = b->host->originate(b, 0, f.bytes, f.len);
}

Test(vsw_stages, ext_1_capture_may_originate_on_ingress_only)
{
	bed_hook(&bed, "hook-capture", "", &cap.k);
	cap.k.ingress = originates;
	cap.k.egress = originates;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_eq(cap.rc[0], NETHV_OK);
	cr_assert_eq(cap.rc[1], NETHV_EPERM);
	cr_assert_eq(bed.p[1]->nr_out, 1);
	cr_assert_eq(bed.p[2]->nr_out, 1);
	cr_assert_eq(bed.p[2]->out[0].len, 100);
	cr_assert_eq(bed_status(&bed, "hook-capture").sum.originated, 1);
}

static void has_no_destinations(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;

	s->in += b->n;
	s->rc[0] = b->dst != NULL || b->route != NULL || b->exclude != NULL || b->pkt[0]->ndst;
	s->rc[1] = b->pkt[0]->src_port;
	b->verdict[0] = 2;
}

Test(vsw_stages, ext_2_filter_drops_on_ingress_and_sees_no_destinations)
{
	bed_hook(&bed, "hook-filter", "", &fil.k);
	fil.k.ingress = has_no_destinations;
	bed_send(&bed, 0, 1);
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_eq(fil.rc[0], 0);
	cr_assert_eq(fil.rc[1], vsw_port_id(bed.p[0]->port));
	cr_assert_eq(bed.p[1]->nr_out, 1);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_filtered), 1);
	cr_assert_eq(bed_status(&bed, "hook-filter").sum.drops[1], 1);
}

static void changes_on_egress(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;

	s->rc[0] = b->host->edit(b, 0, 0, "x", 1);
	s->rc[1] = b->host->set_vlan(b, 0, 5);
	s->rc[2] = b->host->set_source(b, 0, 1);
}

Test(vsw_stages, ext_2_filter_changes_nothing_on_egress)
{
	bed_hook(&bed, "hook-filter", "", &fil.k);
	fil.k.egress = changes_on_egress;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(fil.rc[i], NETHV_EPERM);
	cr_assert_eq(memcmp(bed.p[1]->out[0].bytes, bed.p[0]->in[0].bytes, 200), 0);
	cr_assert_str_eq(bed_status(&bed, "hook-filter").last_broken_id, "EXT-2");
}

static void routes_to_2(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;

	s->in += b->n;
	for (uint16_t i = 0; i < b->n; i++)
		nethv_route_add(b, i, vsw_port_id(bed.p[2]->port), 0);
}

Test(vsw_stages, ext_3_a_forwarder_chooses_and_there_is_only_one)
{
	struct vsw_ext_cfg cfg = {.path = bed_path("hook-forward"), .name = "second"};
	struct vsw_ext *second, *first = bed_hook(&bed, "hook-forward", "", &fwd.k);
	char config[64];

	fwd.k.ingress = routes_to_2;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_eq(bed.p[1]->nr_out, 0);
	cr_assert_eq(bed.p[2]->nr_out, 1);
	snprintf(config, sizeof(config), "{\"hooks\": %llu}",
		 (unsigned long long)(uintptr_t)&fil.k);
	cfg.config = config;
	cr_assert_eq(vsw_ext_load(&second, bed.sw, &cfg), -EBUSY);
	cr_assert(strstr(err_text(), "EXT-3"));
	cfg.is_disabled = true;
	cr_assert_eq(vsw_ext_load(&second, bed.sw, &cfg), 0);
	cr_assert_eq(vsw_ext_enable(second), -EBUSY);
	cr_assert_eq(vsw_ext_disable(first), 0);
	cr_assert_eq(vsw_ext_enable(second), 0);
}

static void routes_across_vlans(struct hooks *k, struct nethv_burst *b)
{
	nethv_route_add(b, 0, vsw_port_id(bed.p[4]->port), 0);
}

Test(vsw_stages, ext_3_vlans_stay_enforced_unless_the_forwarder_does_it)
{
	struct vsw_port_cfg other = {.name = "other", .pvid = 5};
	struct vsw_ext *e;

	bed_port(&bed, 4, other);
	e = bed_hook(&bed, "hook-forward", "", &fwd.k);
	fwd.k.ingress = routes_across_vlans;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_eq(bed.p[4]->nr_out, 0);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_vlan_denied), 1);
	vsw_ext_unload(e);
	bed_hook(&bed, "hook-forward-vlan", "", &fwd.k);
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_eq(bed.p[4]->nr_out, 1);
}

static void picks_member(struct hooks *k, struct nethv_burst *b)
{
	nethv_route_add(b, 0, vsw_port_id(bed.p[2]->port), 3);
}

static void sees_member(struct hooks *k, struct nethv_burst *b)
{
	((struct seen *)k)->rc[0] = b->dst[b->pkt[0]->dst_first].nic;
}

Test(vsw_stages, ext_4_a_teaming_provider_picks_the_member)
{
	bed_hook(&bed, "hook-forward", "", &fwd.k);
	bed_hook(&bed, "hook-filter", "", &fil.k);
	fwd.k.ingress = picks_member;
	fil.k.egress = sees_member;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_eq(fil.rc[0], 3);
}

static void load_one_of_each(void)
{
	bed_hook(&bed, "hook-forward", "", &fwd.k);
	bed_hook(&bed, "hook-filter", "f", &fil.k);
	bed_hook(&bed, "hook-capture", "", &cap.k);
}

Test(vsw_stages, ext_5_ingress_goes_down_capture_filter_forward)
{
	load_one_of_each();
	fil.drop = 1;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_str_eq(order, "c< f< ", "and what is dropped goes no further");
	order[0] = 0;
	fil.drop = 0;
	fwd.k.egress = NULL;
	fil.k.egress = NULL;
	cap.k.egress = NULL;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_str_eq(order, "c< f< w< ");
}

Test(vsw_stages, ext_6_egress_comes_up_forward_filter_capture)
{
	load_one_of_each();
	fwd.k.ingress = routes_to_2;
	fil.k.ingress = NULL;
	cap.k.ingress = NULL;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_str_eq(order, "w> f> c> ");
}

Test(vsw_stages, ext_7_last_installed_is_on_top_and_order_changes_inside_a_class)
{
	struct vsw_ext *f = bed_hook(&bed, "hook-filter", "f", &fil.k), *c;

	bed_hook(&bed, "hook-plain", "g", &fil2.k);
	c = bed_hook(&bed, "hook-capture", "", &cap.k);
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_str_eq(order, "c< g< f< f> g> c> ");
	order[0] = 0;
	cr_assert_eq(vsw_ext_move(f, 0), 0);
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_str_eq(order, "c< f< g< g> f> c> ");
	cr_assert_eq(vsw_ext_move(c, 1), -EINVAL);
	cr_assert(strstr(err_text(), "class"));
}

Test(vsw_stages, ext_8_installed_is_not_enabled)
{
	struct vsw_ext *e = bed_hook(&bed, "hook-filter", "", &fil.k);

	cr_assert_eq(vsw_ext_disable(e), 0);
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_eq(fil.in, 0);
	cr_assert_eq(vsw_ext_enable(e), 0);
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_eq(fil.in, 1);
}

Test(vsw_stages, ext_10_without_a_forwarder_the_switch_learns_and_forwards)
{
	bed_hook(&bed, "hook-capture", "", &cap.k);
	bed_send(&bed, 0, 3);
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	cr_assert_eq(bed.p[3]->nr_out, 2);
	cr_assert_eq(bed.p[1]->nr_out, 1);
	cr_assert_eq(bed.p[2]->nr_out, 1);
	cr_assert_eq(cap.out, 2);
}

Test(vsw_stages, ext_11_every_drop_has_a_reason_of_the_extension)
{
	bed_hook(&bed, "hook-filter", "", &fil.k);
	fil.drop = 1;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	fil.drop = 99; /* no such reason */
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_filtered), 2);
	cr_assert_eq(bed_status(&bed, "hook-filter").sum.drops[0], 1);
	cr_assert_eq(bed_status(&bed, "hook-filter").sum.dropped, 2);
	cr_assert_str_eq(bed_status(&bed, "hook-filter").last_broken_id, "EXT-11");
}

/* ---- DP ------------------------------------------------------------------------------------ */

Test(vsw_stages, dp_1_four_stations_each_once)
{
	bed_hook(&bed, "hook-capture", "", &cap.k);
	bed_hook(&bed, "hook-filter", "", &fil.k);
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_str_eq(order, "c< f< f> c> ");
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
	fwd.k.ingress = routes_to_2;
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

/* TCP over IPv4 with what an offload needs. */
static void make_tcp(struct fake_frame *f, uint16_t flags, uint16_t mss)
{
	f->bytes[12] = 8;
	f->bytes[13] = 0;
	f->bytes[14] = 0x45;
	f->bytes[16] = (uint8_t)((f->len - 14) >> 8);
	f->bytes[17] = (uint8_t)(f->len - 14);
	f->bytes[20] = f->bytes[21] = 0;
	f->bytes[23] = 6;
	f->bytes[34 + 12] = 0x50;
	f->bytes[34 + 13] = 0x10;
	f->l3_off = 14;
	f->l4_off = 34;
	f->csum = NETHV_CSUM_TCP | NETHV_CSUM_IP4;
	f->flags = flags;
	f->lso_mss = mss;
}

Test(vsw_stages, dp_17_offload_metadata_is_that_of_its_source_all_the_way)
{
	bed_hook(&bed, "hook-filter", "f", &fil.k);
	fil.k.ingress = notes_csum;
	fil.k.egress = notes_csum;
	make_tcp(bed_send(&bed, 0, 1), NETHV_PKT_CSUM, 0);
	bed_poll(&bed);
	cr_assert_eq(fil.rc[0], NETHV_PKT_CSUM);
	cr_assert_eq(fil.rc[1], NETHV_PKT_CSUM);
	make_tcp(bed_send(&bed, 1, 0), NETHV_PKT_CSUM_OK, 0);
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

/* ---- What the SDK adds --------------------------------------------------------------------- */

static void encapsulates(struct hooks *k, struct nethv_burst *b)
{
	uint8_t head[64];

	for (uint16_t i = 0; i < b->n; i++) {
		memcpy(head, nethv_bytes(b->pkt[i]), 12);
		memset(head + 12, 0xEE, 52);
		((struct seen *)k)->rc[0] = b->host->set_head(b, i, 0, head, 64);
	}
}

static void decapsulates(struct hooks *k, struct nethv_burst *b)
{
	((struct seen *)k)->rc[0] = b->host->set_head(b, 0, 64, NULL, 0);
}

Test(vsw_stages, a_head_is_put_on_and_taken_off_whatever_lies_behind)
{
	unsigned int scattered, hdr_len;

	bed_hook(&bed, "hook-plain", "", &fil.k);
	for (scattered = 0; scattered < 2; scattered++) {
		for (hdr_len = 64; hdr_len <= 128; hdr_len += 64) {
			struct fake_frame *f;

			fil.k.ingress = encapsulates;
			bed.p[0]->is_scattered = scattered;
			bed.p[0]->hdr_len = (uint16_t)hdr_len;
			f = bed_send(&bed, 0, 1);
			f->len = 1400;
			memset(f->bytes + 200, 0x5A, 1200);
			bed_poll(&bed);
			cr_assert_eq(fil.rc[0], NETHV_OK);
			cr_assert_eq(bed.p[1]->out[0].len, 1464);
			cr_assert_eq(memcmp(bed.p[1]->out[0].bytes + 64, f->bytes, 1400), 0,
				     "%u %u", scattered, hdr_len);
			bed.p[2]->in[0] = bed.p[1]->out[0];
			bed.p[2]->nr_in = 1;
			bed.p[2]->nr_taken = 0;
			fil.k.ingress = decapsulates;
			bed_poll(&bed);
			cr_assert_eq(fil.rc[0], NETHV_OK);
			cr_assert_eq(bed.p[1]->nr_out, 2, "to the inner address");
			cr_assert_eq(bed.p[1]->out[1].len, 1400);
			cr_assert_eq(memcmp(bed.p[1]->out[1].bytes, f->bytes, 1400), 0);
			fake_clear(bed.p[1]);
		}
	}
}

static void counts_lengths(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;

	for (uint16_t i = 0; i < b->n; i++)
		s->rc[s->in++ & 15] = (int)b->pkt[i]->len << 8 |
				      (b->pkt[i]->flags & (NETHV_PKT_CSUM | NETHV_PKT_LSO));
}

Test(vsw_stages, who_wants_plain_packets_gets_segments_in_order_with_checksums)
{
	struct fake_frame *f;

	bed_hook(&bed, "hook-plain", "", &fil.k);
	fil.k.ingress = counts_lengths;
	bed_send(&bed, 0, 1)->len = 70;
	f = bed_send(&bed, 0, 1);
	f->len = 54 + 250;
	make_tcp(f, NETHV_PKT_LSO, 100);
	make_tcp(bed_send(&bed, 0, 1), NETHV_PKT_CSUM, 0);
	bed_poll(&bed);
	cr_assert_eq(fil.in, 5);
	cr_assert_eq(fil.rc[0], 70 << 8);
	cr_assert_eq(fil.rc[1], 154 << 8);
	cr_assert_eq(fil.rc[2], 154 << 8);
	cr_assert_eq(fil.rc[3], 104 << 8);
	cr_assert_eq(fil.rc[4], 200 << 8);
	cr_assert_eq(bed.p[1]->nr_out, 5);
}

static void retags(struct hooks *k, struct nethv_burst *b)
{
	struct seen *s = (struct seen *)k;

	s->rc[0] = b->host->set_vlan(b, 0, 0x6005);
	s->rc[1] = b->host->set_vlan(b, 0, 0xFFF);
	s->rc[2] = b->host->set_mark(b, 0, 0xC0FFEE);
}

static void sees_mark(struct hooks *k, struct nethv_burst *b)
{
	((struct seen *)k)->rc[0] = (int)b->pkt[0]->mark;
}

Test(vsw_stages, a_packet_moves_to_another_vlan_and_is_marked)
{
	struct vsw_port_cfg other = {.name = "other", .pvid = 5};

	bed_port(&bed, 4, other);
	bed_hook(&bed, "hook-plain", "below", &fil2.k);
	bed_hook(&bed, "hook-filter", "f", &fil.k);
	fil.k.ingress = retags;
	fil2.k.ingress = sees_mark;
	bed_send(&bed, 0, UINT32_MAX);
	bed_poll(&bed);
	cr_assert_eq(fil.rc[0], NETHV_OK);
	cr_assert_eq(fil.rc[1], NETHV_ERANGE);
	cr_assert_eq(fil2.rc[0], 0xC0FFEE);
	cr_assert_eq(bed.p[4]->nr_out, 1);
	cr_assert_eq(bed.p[1]->nr_out, 0);
}

/* ---- Holding ------------------------------------------------------------------------------- */

static struct {
	uint32_t handle[64];
	unsigned int n;
} kept;

static void holds(struct hooks *k, struct nethv_burst *b)
{
	for (uint16_t i = 0; i < b->n; i++)
		if (b->host->hold(b, i, &kept.handle[kept.n]) == NETHV_OK)
			kept.n++;
}

static void releases(struct hooks *k, struct nethv_burst *b)
{
	unsigned int i;

	for (i = 0; i < kept.n; i++)
		b->host->release(b, kept.handle[i]);
	if (kept.n) {
		b->host->release(b, kept.handle[0]); /* twice */
		b->host->release(b, 100000);
	}
	kept.n = 0;
}

Test(vsw_stages, a_held_packet_comes_back_where_it_left_even_when_its_sender_rewrote_it)
{
	struct fake_frame before;

	bed_hook(&bed, "hook-holder", "", &fil.k);
	bed_hook(&bed, "hook-plain", "above", &fil2.k);
	fil.k.ingress = holds;
	bed_send(&bed, 0, 1)->len = 2000;
	bed_send(&bed, 0, 1);
	bed.p[0]->in[0].bytes[1999] = 0x77;
	before = bed.p[0]->in[0];
	bed_poll(&bed);
	cr_assert_eq(bed.p[1]->nr_out, 0);
	cr_assert_eq(bed_status(&bed, "hook-holder").sum.held, 2);
	memset(bed.p[0]->in[0].bytes, 0, 2000);
	fil.k.ingress = NULL;
	fil.k.poll = releases;
	bed_poll(&bed);
	cr_assert_eq(bed.p[1]->nr_out, 2);
	cr_assert_eq(bed.p[1]->out[0].len, 2000);
	cr_assert_eq(memcmp(bed.p[1]->out[0].bytes, before.bytes, 2000), 0);
	cr_assert_eq(fil2.in, 2, "not again through those above");
	cr_assert_eq(bed_status(&bed, "hook-holder").sum.released, 2);
	cr_assert_eq(bed_status(&bed, "hook-holder").sum.broken, 1);
}

static void discards(struct hooks *k, struct nethv_burst *b)
{
	while (kept.n)
		b->host->discard(b, kept.handle[--kept.n], 1);
}

Test(vsw_stages, a_discarded_packet_is_a_drop_with_a_reason)
{
	bed_hook(&bed, "hook-holder", "", &fil.k);
	fil.k.egress = holds;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	fil.k.poll = discards;
	bed_poll(&bed);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_filtered), 1);
	cr_assert_eq(bed_status(&bed, "hook-holder").sum.drops[1], 1);
}

Test(vsw_stages, what_an_unloaded_holder_forgets_is_delivered_in_order)
{
	struct vsw_ext *e = bed_hook(&bed, "hook-holder", "", &fil.k);
	unsigned int i;

	fil.k.ingress = holds;
	for (i = 0; i < 10; i++)
		bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_eq(bed.p[1]->nr_out, 0);
	vsw_ext_unload(e);
	cr_assert_eq(bed.p[1]->nr_out, 10);
	for (i = 0; i < 10; i++)
		cr_assert_eq(memcmp(bed.p[1]->out[i].bytes, bed.p[0]->in[i].bytes, 200), 0);
}
