/* SPDX-License-Identifier: BSD-3-Clause */
/* Extensions on a vector's long way: what each class may do and in which order they come. Tests are named
 * after the EXT rules of docs/conformance.md. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/extbed.h"
#include "tests/support/seen.h"

TestSuite(vsw_stages, .init = bed_suite_up, .fini = bed_suite_down);

SEEN(cap, "c");
SEEN(fil, "f");
SEEN(fil2, "g");
SEEN(fwd, "w");

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
	cr_assert_str_eq(seen_order, "c< f< ", "and what is dropped goes no further");
	seen_order[0] = 0;
	fil.drop = 0;
	fwd.k.egress = NULL;
	fil.k.egress = NULL;
	cap.k.egress = NULL;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_str_eq(seen_order, "c< f< w< ");
}

Test(vsw_stages, ext_6_egress_comes_up_forward_filter_capture)
{
	load_one_of_each();
	fwd.k.ingress = routes_to_2;
	fil.k.ingress = NULL;
	cap.k.ingress = NULL;
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_str_eq(seen_order, "w> f> c> ");
}

Test(vsw_stages, ext_7_last_installed_is_on_top_and_order_changes_inside_a_class)
{
	struct vsw_ext *f = bed_hook(&bed, "hook-filter", "f", &fil.k), *c;

	bed_hook(&bed, "hook-plain", "g", &fil2.k);
	c = bed_hook(&bed, "hook-capture", "", &cap.k);
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_str_eq(seen_order, "c< g< f< f> g> c> ");
	seen_order[0] = 0;
	cr_assert_eq(vsw_ext_move(f, 0), 0);
	bed_send(&bed, 0, 1);
	bed_poll(&bed);
	cr_assert_str_eq(seen_order, "c< f< g< g> f> c> ");
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
