/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports whose frames come by a VF: what goes where, on the short way and on the long one, and that no
 * packet comes twice. p0 .. p3 are adapters, of which p0 has the VF; p4 is the uplink. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/extbed.h"
#include "tests/support/prng.h"
#include "vswitch/ext/priv.h"
#include "vswitch/mirror.h"
#include "vswitch/policy/config.h"
#include "vswitch/policy/policy.h"
#include "vswitch/priv.h"

#define UP    4u
#define OTHER 0x770000000002ull /* an address somewhere on the wire */

static void up(void)
{
	struct vsw_port_cfg pc = {.name = "up", .kind = VSW_PORT_UPLINK};

	eal_up();
	bed_up(&bed, 1, 4);
	bed_port(&bed, UP, pc);
}

static void down(void)
{
	cr_expect(bed_is_balanced(&bed));
	cr_expect(fake_is_balanced(bed.sw));
	bed_down(&bed);
}

TestSuite(vsw_vf, .init = up, .fini = down);

static void vf(unsigned int port, enum vsw_vf_path path)
{
	cr_assert_eq(vsw_port_vf_path_set(bed.p[port]->port, path, NULL), 0, "%s", err_text());
}

static void clear(void)
{
	unsigned int i;

	for (i = 0; i < BED_PORTS; i++)
		if (bed.p[i])
			fake_clear(bed.p[i]);
}

static struct fake_frame *send_to(unsigned int from, uint64_t dst)
{
	return fake_send(bed.p[from], dst, from == UP ? OTHER : BED_MAC(from));
}

/* Sends one frame; which ports get it: bit per port. Twice to one fails. */
static unsigned int reaches(unsigned int from, uint64_t dst)
{
	unsigned int i, mask = 0;

	clear();
	send_to(from, dst);
	bed_poll(&bed);
	for (i = 0; i <= UP; i++) {
		cr_expect_leq(bed.p[i]->nr_out, 1, "p%u got it %u times", i, bed.p[i]->nr_out);
		mask |= (bed.p[i]->nr_out > 0) << i;
	}
	return mask;
}

/* A tap, policies and the like make the way the long one. */
static struct vsw_acl_rule nothing = {
	.name = "none", .layer = VSW_ACL_ETHER, .ways = VSW_ACL_INGRESS, .ether_type = 0x1234};
static const struct vsw_policy_cfg passes = {.rules = &nothing, .nr_rules = 1};

static void check_way(void)
{
	cr_assert_eq(reaches(1, BED_MAC(0)), 1u << 0);
	vf(0, VSW_VF_PATH_ON);
	cr_assert(vsw_port_vf_path(bed.p[0]->port));
	cr_assert_eq(reaches(1, BED_MAC(0)), 1u << UP, "a partition without VF to one with");
	cr_assert_eq(reaches(UP, BED_MAC(0)), 0, "the device delivered it");
	cr_assert_eq(bed_drops(&bed, UP, VSW_DROP_vf_path), 1);
	cr_assert_eq(reaches(1, BED_BCAST), 1u << 2 | 1u << 3 | 1u << UP);
	cr_assert_eq(reaches(UP, BED_BCAST), 1u << 1 | 1u << 2 | 1u << 3);
	cr_assert_eq(reaches(1, 0x550000000001ull), 1u << 2 | 1u << 3 | 1u << UP, "multicast");
	cr_assert_eq(reaches(1, 0x660000000002ull), 1u << 2 | 1u << 3 | 1u << UP, "unknown");
	cr_assert_eq(reaches(0, BED_MAC(1)), 1u << 1, "what the adapter itself sends");
	cr_assert_eq(reaches(0, BED_BCAST), 1u << 1 | 1u << 2 | 1u << 3 | 1u << UP);
	cr_assert_eq(reaches(0, BED_MAC(0)), 0);
	cr_assert_eq(bed_drops(&bed, 0, VSW_DROP_same_port), 1);
	vf(2, VSW_VF_PATH_ON);
	cr_assert_eq(reaches(0, BED_MAC(2)), 1u << UP,
		     "from one with VF, that sends here, to another");
	cr_assert_eq(reaches(1, BED_BCAST), 1u << 3 | 1u << UP);
	vf(2, VSW_VF_PATH_OFF);
	vf(0, VSW_VF_PATH_OFF);
	cr_assert_not(vsw_port_vf_path(bed.p[0]->port));
	cr_assert_eq(reaches(1, BED_MAC(0)), 1u << 0);
	cr_assert_eq(reaches(UP, BED_MAC(0)), 1u << 0);
	cr_assert_eq(reaches(1, BED_BCAST), 1u << 0 | 1u << 2 | 1u << 3 | 1u << UP);
}

Test(vsw_vf, vf_1_between_a_vf_and_others_the_way_goes_by_the_uplink)
{
	check_way();
}

Test(vsw_vf, vf_1_is_the_same_on_the_long_way)
{
	cr_assert_eq(vsw_port_set_policy(bed.p[3]->port, &passes), 0, "%s", err_text());
	cr_assert(bed.sw->snap->is_long);
	check_way();
}

static void looks(struct hooks *k, struct nethv_burst *b)
{
}

Test(vsw_vf, vf_1_is_the_same_when_extensions_look)
{
	static struct hooks k = {.ingress = looks, .egress = looks};

	bed_hook(&bed, "hook-filter", "", &k);
	cr_assert(bed.sw->snap->is_quick);
	check_way();
}

/* A VF's frames come in at the uplink with the address of a port of ours. */
Test(vsw_vf, vf_1_what_the_vf_sends_enters_at_the_uplink)
{
	struct vsw_fdb_stats before, after;

	vf(0, VSW_VF_PATH_ON);
	vsw_fdb_stats_get(bed.sw, &before);
	fake_send(bed.p[UP], BED_MAC(1), BED_MAC(0));
	fake_send(bed.p[UP], BED_BCAST, BED_MAC(0));
	bed_poll(&bed);
	cr_assert_eq(bed.p[1]->nr_out, 2);
	cr_assert_eq(bed.p[2]->nr_out, 1);
	cr_assert_eq(bed.p[0]->nr_out, 0);
	vsw_fdb_stats_get(bed.sw, &after);
	cr_assert_eq(after.refused, before.refused, "it is where it belongs");
	cr_assert_eq(after.learned, before.learned);
	cr_assert_eq(reaches(1, BED_MAC(0)), 1u << UP);
	vf(0, VSW_VF_PATH_OFF);
	cr_assert_eq(reaches(1, BED_MAC(0)), 1u << 0,
		     "nothing was learned that would be wrong now");
}

static void find(const struct vsw_fdb_entry *e, void *ctx)
{
	uint64_t mac = BED_MAC(0);

	if (!memcmp(e->mac, &mac, 6))
		*(uint16_t *)ctx = e->port;
}

Test(vsw_vf, its_address_is_shown_at_the_uplink)
{
	uint16_t at = VSW_PORT_NONE;

	vsw_fdb_walk(bed.sw, find, &at);
	cr_assert_eq(at, vsw_port_id(bed.p[0]->port));
	vf(0, VSW_VF_PATH_ON);
	vsw_fdb_walk(bed.sw, find, &at);
	cr_assert_eq(at, vsw_port_id(bed.p[UP]->port));
}

Test(vsw_vf, without_its_uplink_it_gets_nothing_and_with_it_again_all)
{
	struct vsw_port_cfg pc = {.name = "up", .kind = VSW_PORT_UPLINK};

	vf(0, VSW_VF_PATH_ON);
	fake_port_free(bed.p[UP]);
	bed.p[UP] = NULL;
	bed_send(&bed, 1, 0);
	bed_poll(&bed);
	cr_assert_eq(bed_drops(&bed, 1, VSW_DROP_vf_path), 1);
	cr_assert_eq(bed.p[0]->nr_out, 0);
	bed_port(&bed, UP, pc);
	cr_assert_eq(reaches(1, BED_MAC(0)), 1u << UP);
}

Test(vsw_vf, the_uplink_is_the_one_that_was_named)
{
	struct vsw_port_cfg pc = {.name = "second", .kind = VSW_PORT_UPLINK};

	bed_port(&bed, 5, pc);
	cr_assert_eq(vsw_port_vf_path_set(bed.p[0]->port, VSW_VF_PATH_ON, "second"), 0);
	bed_send(&bed, 1, 0);
	bed_poll(&bed);
	cr_assert_eq(bed.p[5]->nr_out, 1);
	cr_assert_eq(bed.p[UP]->nr_out, 0);
	fake_send(bed.p[UP], BED_MAC(0), OTHER);
	bed_poll(&bed);
	cr_assert_eq(bed.p[5]->nr_out, 2, "from another uplink it has not been there yet");
	cr_assert_eq(vsw_port_vf_path_set(bed.p[0]->port, VSW_VF_PATH_ON, "third"), 0);
	bed_send(&bed, 1, 0);
	bed_poll(&bed);
	cr_assert_eq(bed_drops(&bed, 1, VSW_DROP_vf_path), 1);
}

/* Untagged at an uplink of another network it would be somebody else's frame. */
Test(vsw_vf, an_uplink_that_is_not_in_the_vlan_is_no_way)
{
	struct vsw_port_cfg a = {.name = "a", .pvid = 7}, b = {.name = "b", .pvid = 7};
	uint64_t mac = 0x220000000002ull;

	memcpy(a.mac, &mac, 6);
	bed_port(&bed, 5, a);
	bed_port(&bed, 6, b);
	vf(5, VSW_VF_PATH_ON);
	fake_send(bed.p[6], mac, OTHER);
	bed_poll(&bed);
	cr_assert_eq(bed.p[UP]->nr_out, 0);
	cr_assert_eq(bed.p[5]->nr_out, 0);
	cr_assert_eq(bed_drops(&bed, 6, VSW_DROP_vf_path), 1);
}

Test(vsw_vf, only_an_adapters_port_that_is_attached_can_be_on_a_vf)
{
	cr_assert_eq(vsw_port_vf_path_set(bed.p[UP]->port, VSW_VF_PATH_ON, NULL), -EINVAL);
	cr_assert(strstr(err_text(), "adapter"));
	vsw_port_detach(bed.p[1]->port);
	cr_assert_eq(vsw_port_vf_path_set(bed.p[1]->port, VSW_VF_PATH_ON, NULL), -EINVAL);
	cr_assert_eq(vsw_port_vf_path_set(bed.p[1]->port, VSW_VF_PATH_OFF, NULL), 0);
}

Test(vsw_vf, others_have_no_cost_but_a_word)
{
	unsigned int i;

	cr_assert_not(bed.sw->snap->has_via);
	for (i = 0; i <= VSW_PORTS_MAX; i++)
		cr_assert_eq(bed.sw->snap->via[i], i);
	vf(0, VSW_VF_PATH_ON);
	cr_assert(bed.sw->snap->has_via);
	cr_assert_not(bed.sw->snap->is_long, "the short way stays");
	cr_assert_str_eq(vsw_drop_name(VSW_DROP_vf_path), "vf_path");
}

/* ---- Extensions, mirrors ------------------------------------------------------------------- */

static unsigned int route[3], nr_route;

static void routes(struct hooks *k, struct nethv_burst *b)
{
	uint16_t i;
	unsigned int d;

	for (i = 0; i < b->n; i++)
		for (d = 0; d < nr_route; d++)
			nethv_route_add(b, i, vsw_port_id(bed.p[route[d]]->port), 0);
}

Test(vsw_vf, what_a_forwarder_sends_to_it_takes_the_same_way)
{
	static struct hooks k = {.ingress = routes};

	bed_hook(&bed, "hook-forward", "", &k);
	vf(0, VSW_VF_PATH_ON);
	nr_route = 2;
	route[0] = 0;
	route[1] = 2;
	cr_assert_eq(reaches(1, OTHER), 1u << 2 | 1u << UP);
	route[1] = UP;
	cr_assert_eq(reaches(1, OTHER), 1u << UP, "once, though chosen twice");
	cr_assert_eq(bed_drops(&bed, 1, VSW_DROP_vf_path), 1);
	route[1] = 2;
	cr_assert_eq(reaches(UP, OTHER), 1u << 2, "never back to where it came from");
	cr_assert_eq(bed_drops(&bed, UP, VSW_DROP_vf_path), 1);
}

Test(vsw_vf, copies_for_a_monitor_port_never_go_by_a_wire)
{
	struct vsw_mirror_cfg m = {.way = VSW_MIRROR_BOTH, .what = VSW_MIRROR_FORWARDED};
	uint16_t id = vsw_port_id(bed.p[1]->port);

	m.to = vsw_port_id(bed.p[0]->port);
	m.sources[id / 64] |= 1ull << (id % 64);
	cr_assert_eq(vsw_set_mirrors(bed.sw, &m, 1), 0, "%s", err_text());
	cr_assert_eq(reaches(1, BED_MAC(2)), 1u << 2 | 1u << 0);
	cr_assert_str_eq(vsw_port_vf_obstacle(bed.p[0]->port), "mirror");
	cr_assert_str_eq(vsw_port_vf_obstacle(bed.p[1]->port), "mirror");
	cr_assert_null(vsw_port_vf_obstacle(bed.p[2]->port));
	vf(0, VSW_VF_PATH_ON);
	cr_assert_eq(reaches(1, BED_MAC(2)), 1u << 2);
	cr_assert_eq(bed_drops(&bed, 1, VSW_DROP_vf_path), 1);
}

Test(vsw_vf, iov_9_a_port_with_policies_has_a_reason_not_to_be_on_a_vf)
{
	cr_assert_null(vsw_port_vf_obstacle(bed.p[0]->port));
	cr_assert_eq(vsw_port_set_policy(bed.p[0]->port, &passes), 0, "%s", err_text());
	cr_assert_str_eq(vsw_port_vf_obstacle(bed.p[0]->port), "policy");
	cr_assert_eq(vsw_port_set_policy(bed.p[0]->port, NULL), 0);
	cr_assert_null(vsw_port_vf_obstacle(bed.p[0]->port));
}

static struct {
	struct hooks k;
	unsigned int nr_updated;
	uint32_t flags;
	int rc;
} fwd;
static struct vsw_port *removed;

static int on_event(struct hooks *k, struct nethv_event *e)
{
	if (e->kind == NETHV_EV_NIC_UPDATED) {
		fwd.nr_updated++;
		fwd.flags = e->port->flags;
	}
	return NETHV_EV_PASS;
}

static void on_tick(struct hooks *k)
{
	fwd.rc = k->host->remove_vf(k->host, vsw_port_id(bed.p[0]->port));
}

static void on_remove(void *ctx, struct vsw_port *port)
{
	cr_assert_eq(ctx, &bed);
	removed = port;
}

Test(vsw_vf, iov_9_a_forwarder_sees_the_vf_and_takes_it_away)
{
	fwd.k.event = on_event;
	fwd.k.tick = on_tick;
	vsw_on_vf_remove(bed.sw, on_remove, &bed);
	bed_hook(&bed, "hook-forward", "", &fwd.k);
	vsw_exts_tick(bed.sw);
	cr_assert_eq(fwd.rc, NETHV_ERANGE, "it has none");
	cr_assert_null(removed);
	vsw_port_vf_assigned_set(bed.p[0]->port, true);
	cr_assert_eq(fwd.nr_updated, 1);
	cr_assert(fwd.flags & NETHV_PORT_VF_ASSIGNED);
	vsw_port_vf_assigned_set(bed.p[0]->port, true);
	cr_assert_eq(fwd.nr_updated, 1, "no news");
	vsw_exts_tick(bed.sw);
	cr_assert_eq(fwd.rc, NETHV_OK);
	cr_assert_eq(removed, bed.p[0]->port);
	vsw_port_vf_assigned_set(bed.p[0]->port, false);
	cr_assert_eq(fwd.nr_updated, 2);
	cr_assert_not(fwd.flags & NETHV_PORT_VF_ASSIGNED);
}

/* ---- Random traffic ------------------------------------------------------------------------ */

/* How often port @to gets a frame of @from to @dst, the stupid way. @dst: a port, or -1 for all. */
static unsigned int naive(const bool *on, unsigned int from, int dst, unsigned int to)
{
	if (to == from || (to < UP && on[to]))
		return 0;
	if (dst < 0)
		return 1;
	if (dst == (int)from)
		return 0;
	return dst < (int)UP && on[dst] ? to == UP : (int)to == dst;
}

Test(vsw_vf, random_traffic_over_changing_paths_goes_where_the_model_says)
{
	unsigned int i, to, from, want[UP + 1], step;
	bool on[UP] = {false};
	struct prng rng;
	int dst;

	prng_init(&rng);
	for (step = 0; step < 300; step++) {
		if (prng_below(&rng, 4) == 0) {
			i = (unsigned int)prng_below(&rng, UP);
			on[i] = !on[i];
			vf(i, on[i] ? VSW_VF_PATH_ON : VSW_VF_PATH_OFF);
		}
		if (prng_below(&rng, 40) == 0)
			cr_assert_eq(vsw_port_set_policy(bed.p[3]->port, step % 2 ? &passes : NULL),
				     0);
		clear();
		memset(want, 0, sizeof(want));
		for (i = 0; i < 8; i++) {
			from = (unsigned int)prng_below(&rng, UP + 1);
			dst = (int)prng_below(&rng, UP + 1) - 1;
			send_to(from, dst < 0 ? BED_BCAST : BED_MAC((unsigned int)dst));
			for (to = 0; to <= UP; to++)
				want[to] += naive(on, from, dst, to);
		}
		bed_poll(&bed);
		for (to = 0; to <= UP; to++)
			cr_assert_eq(bed.p[to]->nr_out, want[to], "step %u, port %u: %u, want %u",
				     step, to, bed.p[to]->nr_out, want[to]);
	}
}
