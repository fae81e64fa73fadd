/* SPDX-License-Identifier: BSD-3-Clause */
/* An adapter and its VF over a real ring and a real link: what guest, worker and port see of a switch of
 * the data path. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "tests/support/eal.h"
#include "tests/support/vfbed.h"
#include "vswitch/policy/config.h"
#include "vswitch/policy/policy.h"
#include "vswitch/vswitch.h"

static struct bed bed;
static struct vfbed v;
static struct vmbus_gpadl *recv_buf;

static void setup(void)
{
	static const struct netvsp_nic_cfg cfg = {
		.mtu = 1500, .max_channels = 4, .vf_switches_max = 2};

	eal_up();
	bed_create(&bed, &cfg, NULL, 64);
	recv_buf = bed_gpadl(&bed, 0x10, NULL, bed_alloc(&bed, 24), 24);
	bed_open(&bed, 0);
	vfbed_up(&v, &bed);
}

static void teardown(void)
{
	vfbed_down(&v);
	bed_destroy(&bed);
}

TestSuite(netvsp_vf, .init = setup, .fini = teardown);

static void ready(uint64_t caps)
{
	bed_ready(&bed, recv_buf, NULL);
	bed.nic->st->ndis_caps = caps;
	netvsp_vf_greet(bed.nic);
}

static struct netvsp_nic_status status(void)
{
	static struct netvsp_nic_status st;

	netvsp_nic_status(bed.nic, &st);
	return st;
}

static bool port_is_on_vf(void)
{
	return vsw_port_vf_path(bed.nic->port);
}

/* What the guest reads. */
struct got {
	uint32_t len;
	struct vmbus_pkt_desc d;
	struct nvsp_msg m;
};

static struct got next(void)
{
	uint8_t buf[512] = {0};
	struct got g = {.len = bed_recv(&bed, 0, buf, sizeof(buf))};

	memcpy(&g.d, buf, sizeof(g.d));
	memcpy(&g.m, buf + g.d.offset8 * 8u, sizeof(g.m));
	return g;
}

static void expect_association(uint32_t allocated, uint32_t serial)
{
	struct got g = next();

	cr_assert_eq(g.d.type, VMBUS_PKT_INBAND);
	cr_assert_eq(g.m.type, NVSP_MSG_VF_ASSOCIATION);
	cr_assert_eq(g.m.vf_association.allocated, allocated);
	cr_assert_eq(g.m.vf_association.serial, serial);
	cr_assert_eq(g.d.flags & VMBUS_PKT_FLAG_COMPLETION_REQUESTED, 0);
}

static void expect_nothing(void)
{
	cr_assert_eq(next().len, 0);
}

static void expect_answer(uint64_t trans_id)
{
	struct got g = next();

	cr_assert_eq(g.len, 16, "without payload, by which Linux knows it");
	cr_assert_eq(g.d.type, VMBUS_PKT_COMPLETION);
	cr_assert_eq(g.d.trans_id, trans_id);
	expect_nothing();
}

static void turns(void)
{
	vfbed_turn(&v);
	vfbed_turn(&v);
}

/* The guest knows VF 7. */
static void with_vf(void)
{
	ready(NVSP_NDIS_CAP_SRIOV);
	vfbed_vf(&v, 7, true);
	turns();
	expect_association(1, 7);
}

static void on_vf(void)
{
	with_vf();
	vfbed_ask(&v, true, true, 1);
	turns();
	vfbed_answer(&v, 0, NULL);
	turns();
	expect_answer(1);
	cr_assert(port_is_on_vf());
}

/* ---- Association --------------------------------------------------------------------------- */

Test(netvsp_vf, a_guest_hears_of_its_vf_when_it_can_use_one)
{
	vfbed_vf(&v, 7, true);
	turns();
	expect_nothing();
	ready(0);
	vfbed_vf(&v, 8, true);
	turns();
	expect_nothing();
	cr_assert_str_eq(status().why_not_vf, "guest");
	bed.nic->st->ndis_caps = NVSP_NDIS_CAP_SRIOV;
	bed.nic->st->nvsp_version = NVSP_V2;
	vfbed_vf(&v, 9, true);
	turns();
	expect_nothing();
	bed.nic->st->nvsp_version = NVSP_V4;
	vfbed_vf(&v, 10, true);
	turns();
	expect_association(1, 10);
	turns();
	expect_nothing();
	vfbed_vf(&v, 10, true);
	turns();
	expect_nothing();
	vfbed_vf(&v, 10, false);
	turns();
	expect_association(0, 10);
}

static void rndis_init(void)
{
	const struct rndis_init m = {.hdr = {RNDIS_MSG_INIT, sizeof(m)}, .req_id = 5, .major = 1};
	struct {
		struct vmbus_pkt_gpa_direct h;
		struct vmbus_gpa_range r;
		uint64_t pfn;
	} list = {{0, 1}, {sizeof(m), 0}, bed_alloc(&bed, 1)};
	const struct vmbus_pkt_desc d = {.type = VMBUS_PKT_GPA_DIRECT,
					 .offset8 = (sizeof(d) + sizeof(list)) / 8,
					 .len8 = (sizeof(d) + sizeof(list) + NVSP_MSG_SIZE) / 8,
					 .flags = VMBUS_PKT_FLAG_COMPLETION_REQUESTED,
					 .trans_id = 50};
	const struct nvsp_msg n = {.type = NVSP_MSG_RNDIS_PKT,
				   .rndis_pkt = {NVSP_CHANNEL_CONTROL, NVSP_SECTION_NONE, 0}};

	memcpy(bed_page(&bed, list.pfn), &m, sizeof(m));
	cr_assert(bed_send(&bed, 0, &d, &list, sizeof(list), &n, sizeof(n)));
	turns();
}

Test(netvsp_vf, it_hears_of_it_again_behind_the_answer_to_each_rndis_initialize)
{
	unsigned int i;

	with_vf();
	for (i = 0; i < 2; i++) {
		rndis_init();
		cr_assert_eq(next().d.type, VMBUS_PKT_COMPLETION);
		cr_assert_eq(next().d.type, VMBUS_PKT_XFER_PAGES, "the answer of RNDIS");
		expect_association(1, 7);
		expect_nothing();
	}
}

Test(netvsp_vf, a_guest_that_leaves_its_ring_full_hears_of_it_later)
{
	struct netvsp_chan *ch = &bed.nic->chan[0];

	ready(NVSP_NDIS_CAP_SRIOV);
	ch->burst_max = 200; /* the reserve is more than the ring */
	vfbed_vf(&v, 7, true);
	turns();
	expect_nothing();
	cr_assert(atomic_load(&bed.nic->vf.has_news));
	ch->burst_max = 8;
	turns();
	expect_association(1, 7);
}

/* ---- Switching ----------------------------------------------------------------------------- */

Test(netvsp_vf, to_the_vf_the_port_stops_then_the_worker_is_asked_then_the_guest_answered)
{
	with_vf();
	vfbed_ask(&v, true, true, 33);
	vfbed_turn(&v);
	cr_assert(port_is_on_vf());
	cr_assert_neq(v.path_id, 0);
	cr_assert(v.is_vf);
	turns();
	expect_nothing();
	cr_assert_not(netvsp_arm(bed.nic, 0), "an lcore sleeps meanwhile");
	netvsp_disarm(bed.nic, 0);
	cr_assert_str_eq(status().path, "synthetic");
	cr_assert_str_eq(status().why_not_vf, "moving");
	vfbed_answer(&v, 0, NULL);
	cr_assert(netvsp_arm(bed.nic, 0), "and has work now");
	netvsp_disarm(bed.nic, 0);
	turns();
	expect_answer(33);
	cr_assert_str_eq(status().path, "vf");
	cr_assert_eq(status().vf_serial, 7);
	cr_assert_eq(status().path_switches, 1);
	cr_assert_str_eq(status().why_not_vf, "");
}

Test(netvsp_vf,
     to_the_synthetic_path_the_worker_is_asked_then_the_port_starts_then_the_guest_answered)
{
	on_vf();
	vfbed_ask(&v, false, true, 34);
	turns();
	cr_assert(port_is_on_vf());
	cr_assert_not(v.is_vf);
	expect_nothing();
	vfbed_answer(&v, 0, NULL);
	cr_assert_not(port_is_on_vf());
	turns();
	expect_answer(34);
	cr_assert_str_eq(status().why_not_vf, "not_asked");
}

Test(netvsp_vf, a_request_without_completion_gets_none_and_the_next_its_own)
{
	with_vf();
	vfbed_ask(&v, true, false, 0);
	vfbed_ask(&v, false, false, 0);
	vfbed_ask(&v, true, true, 9);
	turns();
	cr_assert_eq(v.nr_asked, 1, "one after the other");
	vfbed_answer(&v, 0, NULL);
	turns();
	cr_assert_eq(v.nr_asked, 2);
	vfbed_answer(&v, 0, NULL);
	turns();
	cr_assert_eq(v.nr_asked, 3);
	expect_nothing();
	vfbed_answer(&v, 0, NULL);
	turns();
	expect_answer(9);
	cr_assert(port_is_on_vf());
}

Test(netvsp_vf, a_vf_that_is_not_there_is_answered_and_nothing_moves)
{
	ready(NVSP_NDIS_CAP_SRIOV);
	vfbed_ask(&v, true, true, 1);
	turns();
	expect_answer(1);
	cr_assert_eq(v.nr_asked, 0);
	cr_assert_not(port_is_on_vf());
	cr_assert_str_eq(status().why_not_vf, "no_vf");
}

Test(netvsp_vf, filters_that_cannot_be_set_are_told_of_and_the_guest_is_answered)
{
	with_vf();
	vfbed_ask(&v, true, true, 1);
	turns();
	vfbed_answer(&v, -ENOSPC, "all 21 filters are taken");
	cr_assert_not(port_is_on_vf());
	cr_assert_not(v.is_vf, "what was half done is undone");
	turns();
	expect_answer(1);
	cr_assert_str_eq(status().why_not_vf, "failed");
	cr_assert_str_eq(status().why_not_vf_text, "all 21 filters are taken");
}

Test(netvsp_vf, a_worker_that_never_answers_holds_no_guest_for_ever)
{
	uint32_t late;

	with_vf();
	vfbed_ask(&v, true, true, 1);
	turns();
	late = v.path_id;
	netvsp_vf_tick(bed.nic, bed.nic->vf.asked_ms + 9999);
	turns();
	expect_nothing();
	netvsp_vf_tick(bed.nic, bed.nic->vf.asked_ms + 10000);
	turns();
	expect_answer(1);
	cr_assert_not(port_is_on_vf());
	cr_assert_str_eq(status().why_not_vf, "failed");
	vfbed_answer_to(&v, late, 0, NULL);
	turns();
	expect_nothing();
	cr_assert_not(port_is_on_vf(), "too late");
}

/* ---- What ends it -------------------------------------------------------------------------- */

Test(netvsp_vf, a_vf_that_goes_is_left_first_and_the_guest_told_afterwards)
{
	on_vf();
	vfbed_vf(&v, 7, false);
	turns();
	cr_assert(port_is_on_vf());
	cr_assert_not(v.is_vf);
	expect_nothing();
	vfbed_answer(&v, 0, NULL);
	cr_assert_not(port_is_on_vf());
	turns();
	expect_association(0, 7);
	vfbed_ask(&v, false, true, 5);
	turns();
	expect_answer(5);
}

Test(netvsp_vf, who_takes_a_vf_away_is_always_asked_once_more)
{
	with_vf();
	cr_assert_eq(v.nr_asked, 0);
	vfbed_vf(&v, 7, false);
	cr_assert_eq(v.nr_asked, 1);
	cr_assert_not(v.is_vf);
}

Test(netvsp_vf, the_path_survives_a_close_and_an_open_of_the_channel)
{
	on_vf();
	bed_close(&bed, 0);
	cr_assert(port_is_on_vf());
	cr_assert_str_eq(status().path, "vf");
	bed.nic->chan[0].vch = &bed.chan[0].vch; /* the backend keeps it */
	bed_open(&bed, 0);
	ready(NVSP_NDIS_CAP_SRIOV);
	cr_assert(port_is_on_vf());
	cr_assert_eq(v.nr_asked, 1, "nobody was asked anything");
	vfbed_ask(&v, true, true, 6);
	turns();
	expect_association(1, 7);
	expect_answer(6);
}

Test(netvsp_vf, a_close_in_the_middle_of_a_switch_leaves_no_debt)
{
	with_vf();
	vfbed_ask(&v, true, true, 1);
	turns();
	bed_close(&bed, 0);
	bed.nic->chan[0].vch = &bed.chan[0].vch;
	bed_open(&bed, 0);
	ready(NVSP_NDIS_CAP_SRIOV);
	vfbed_answer(&v, 0, NULL);
	turns();
	expect_association(1, 7);
	expect_nothing();
	cr_assert(port_is_on_vf());
}

Test(netvsp_vf, a_reset_of_the_guest_ends_on_the_synthetic_path)
{
	on_vf();
	bed_close(&bed, 0);
	bed.nic->chan[0].vch = &bed.chan[0].vch;
	vfbed_reset(&v);
	cr_assert_not(v.is_vf);
	cr_assert(port_is_on_vf(), "until the NIC is right");
	vfbed_answer(&v, 0, NULL);
	cr_assert_not(port_is_on_vf());
	cr_assert_eq(status().vf_serial, 7, "it is assigned still");
}

Test(netvsp_vf, an_adapter_that_goes_asks_for_the_synthetic_path_first)
{
	on_vf();
	netvsp_vf_lost(bed.nic);
	vfbed_hear(&v);
	cr_assert_eq(v.nr_asked, 2);
	cr_assert_not(v.is_vf);
	cr_assert_not(port_is_on_vf());
}

/* ---- Restart ------------------------------------------------------------------------------- */

/* As a new process: nothing of the adapter's own memory is known any more. */
static void forget(void)
{
	vsw_port_vf_path_set(bed.nic->port, VSW_VF_PATH_OFF, NULL);
	memset(&bed.nic->vf, 0, sizeof(bed.nic->vf));
	netvsp_vf_init(bed.nic);
	bed.chan[0].vch.path_id = 0;
}

static void restart(uint32_t serial, bool is_allocated)
{
	static struct netvsp_state st;

	st = *bed.nic->st;
	cr_assert_eq(st.vf_told, 1ull << 32 | 7);
	forget();
	v.path_id = 0;
	vfbed_vf(&v, serial, is_allocated);
}

Test(netvsp_vf, a_new_switch_finds_the_path_where_it_was)
{
	on_vf();
	restart(7, true);
	cr_assert(port_is_on_vf());
	cr_assert_eq(v.path_id, 0, "nothing to ask");
	cr_assert_str_eq(status().path, "vf");
	cr_assert_eq(status().path_switches, 1);
	turns();
	expect_nothing();
}

Test(netvsp_vf, a_new_switch_ends_what_the_old_one_began)
{
	with_vf();
	vfbed_ask(&v, true, true, 1);
	turns();
	restart(7, true);
	cr_assert(port_is_on_vf());
	cr_assert(v.path_id && v.is_vf);
	turns(); /* reads the request again */
	vfbed_answer(&v, 0, NULL);
	turns();
	expect_answer(1);
}

/* Filters that could not be set back, and the one who knew is dead. */
Test(netvsp_vf, a_new_switch_has_the_filters_set_on_the_synthetic_path_too)
{
	on_vf();
	vfbed_ask(&v, false, true, 2);
	turns();
	vfbed_answer(&v, -EIO, "made up");
	turns();
	expect_answer(2);
	cr_assert_eq(v.path_id, 0);
	restart(7, true);
	cr_assert_not(port_is_on_vf());
	cr_assert(v.path_id && !v.is_vf);
	vfbed_answer(&v, 0, NULL);
	cr_assert_not(bed.nic->vf.path.is_dirty);
}

Test(netvsp_vf, a_vf_that_went_without_a_switch_is_left_by_the_next)
{
	on_vf();
	restart(7, false);
	cr_assert(port_is_on_vf());
	cr_assert(v.path_id && !v.is_vf);
	vfbed_answer(&v, 0, NULL);
	cr_assert_not(port_is_on_vf());
	turns();
	expect_association(0, 7);
}

/* ---- What denies it ------------------------------------------------------------------------ */

static struct vsw_acl_rule rule = {
	.name = "r", .layer = VSW_ACL_ETHER, .ways = VSW_ACL_INGRESS, .ether_type = 0x1234};
static const struct vsw_policy_cfg policy = {.rules = &rule, .nr_rules = 1};

Test(netvsp_vf, iov_9_a_port_with_policies_loses_its_vf)
{
	on_vf();
	cr_assert_eq(vsw_port_set_policy(bed.nic->port, &policy), 0);
	netvsp_vf_tick(bed.nic, netvsp_now_ms());
	vfbed_hear(&v);
	cr_assert_eq(v.nr_removes, 1);
	cr_assert_str_eq(v.why, "policy");
	cr_assert_not(v.is_vf);
	vfbed_answer(&v, 0, NULL);
	turns();
	expect_association(0, 7);
	cr_assert_str_eq(status().why_not_vf, "policy");
	vfbed_vf(&v, 7, false);
	vfbed_answer(&v, 0, NULL);
	cr_assert_str_eq(status().why_not_vf, "policy", "and gets none");
	cr_assert_eq(vsw_port_set_policy(bed.nic->port, NULL), 0);
	netvsp_vf_tick(bed.nic, netvsp_now_ms());
	cr_assert_str_eq(status().why_not_vf, "no_vf");
}

Test(netvsp_vf, iov_9_an_extension_takes_the_vf_away)
{
	on_vf();
	netvsp_vf_removed(bed.nv, bed.nic->port);
	cr_assert_eq(v.nr_removes, 0, "not from inside of its callback");
	turns();
	cr_assert_eq(v.nr_removes, 1);
	cr_assert_str_eq(status().why_not_vf, "extension");
	vfbed_answer(&v, 0, NULL);
	turns();
	expect_association(0, 7);
	vfbed_vf(&v, 7, false);
	vfbed_answer(&v, 0, NULL);
	vfbed_vf(&v, 8, true);
	turns();
	expect_association(1, 8);
}

Test(netvsp_vf, a_vf_that_flaps_says_so)
{
	unsigned int i;

	with_vf();
	for (i = 0; i < 4; i++) {
		vfbed_ask(&v, i % 2 == 0, true, i);
		turns();
		vfbed_answer(&v, 0, NULL);
		turns();
		expect_answer(i);
	}
	vfbed_ask(&v, true, true, 9);
	turns();
	expect_answer(9);
	cr_assert_not(port_is_on_vf());
	cr_assert_str_eq(status().why_not_vf, "flapping");
	cr_assert_eq(status().path_switches, 2);
}
