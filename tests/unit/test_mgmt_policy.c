/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch's part of policies and mirrors: from the configuration to what is given to each port. The
 * policies themselves are played by the test, which looks at what they are made from. */
#include "mgmt/switch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "vswitch/mirror.h"
#include "vswitch/policy/policy.h"
#include "vswitch/vswitch.h"

/* What a policy was made from, with copies of what is borrowed. */
struct made {
	struct vsw_policy_cfg cfg;
	struct vsw_acl_rule rule[8];
	struct vsw_pvlan role[VSW_PORTS_MAX];
	uint64_t min_kbps[VSW_PORTS_MAX];
};

struct vsw_port {
	const char *name;
	uint16_t id;
};

static struct sw sw;
static struct made *at_port[VSW_PORTS_MAX];
static struct vsw_mirror_cfg mirror[VSW_MIRRORS_MAX];
static uint32_t nr_mirrors;
static int refuse;

enum { U = 9, P0 = 3, P1 = 70 }; /* numbers of ports */
static struct vsw_port ports[] = {{"u", U}, {"p/0", P0}, {"p/1", P1}};

struct vsw_port *vsw_port_find(const struct vsw *s, const char *name)
{
	for (int i = 0; i < 3; i++)
		if (!strcmp(ports[i].name, name))
			return &ports[i];
	return NULL;
}

uint16_t vsw_port_id(const struct vsw_port *p)
{
	return p->id;
}

int vsw_port_set_policy(struct vsw_port *port, const struct vsw_policy_cfg *cfg)
{
	struct made *p = calloc(1, sizeof(*p));

	if (refuse && !--refuse) {
		free(p);
		return err_set(-EINVAL, "refused");
	}
	free(at_port[port->id]);
	at_port[port->id] = cfg ? p : NULL;
	if (!cfg) {
		free(p);
		return 0;
	}
	p->cfg = *cfg;
	cr_assert_leq(cfg->nr_rules, 8);
	memcpy(p->rule, cfg->rules, cfg->nr_rules * sizeof(p->rule[0]));
	if (cfg->pvlan_of)
		memcpy(p->role, cfg->pvlan_of, sizeof(p->role));
	if (cfg->share.min_kbps)
		memcpy(p->min_kbps, cfg->share.min_kbps, sizeof(p->min_kbps));
	return 0;
}

int vsw_set_mirrors(struct vsw *s, const struct vsw_mirror_cfg *cfg, uint32_t nr)
{
	memcpy(mirror, cfg, nr * sizeof(*cfg));
	nr_mirrors = nr;
	return 0;
}

static struct mgmt_cfg *load(const char *text)
{
	static const struct mgmt_host host = {.default_image = "/dev/null", .no_files = true};
	struct mgmt_cfg *cfg;

	cr_assert_eq(mgmt_config_load(&cfg, "f", text, strlen(text), &host), 0, "%s", err_text());
	return cfg;
}

static void use(const char *text)
{
	mgmt_config_free(sw.child.cfg);
	sw.child.cfg = load(text);
}

static void teardown(void)
{
	for (int i = 0; i < (int)VSW_PORTS_MAX; i++)
		free(at_port[i]);
	mgmt_config_free(sw.child.cfg);
}

TestSuite(mgmt_policy, .fini = teardown);

#define C(more, up, nics)                                       \
	"uplinks: [{name: u, devargs: net_null0" up "}]\n" more \
	"partitions: [{name: p, nics: [" nics "]}]\n"

Test(mgmt_policy, hands_on_each_key)
{
	const struct vsw_policy_cfg *c;

	use(C("", "",
	      "{acl: [{name: w, way: in, action: permit, proto: tcp, dport: 80, stateful: true}, {way: out, action: "
	      "deny, src: 10.0.0.0/8}], acl_default: {in: deny, other_out: deny}, acl_connections: {max: 99, "
	      "when_full: refuse, tcp_s: 1, tcp_new_s: 2, tcp_end_s: 3, other_s: 4, other_new_s: 5}, guards: "
	      "[router], limit: {in_mbps: 6, out_mbps: 7, burst_kb: 128, in_pps: 8, out_pps: 9}, storm: "
	      "{broadcast_pps: 10, multicast_pps: 11}}, {guards: [dhcp]}"));
	cr_assert_eq(sw_policies_make(&sw), 0, "%s", err_text());
	cr_expect_null(at_port[U]);
	cr_assert_not_null(at_port[P0]);
	c = &at_port[P0]->cfg;
	cr_assert_eq(c->nr_rules, 3);
	cr_expect_str_eq(at_port[P0]->rule[0].name, "w");
	cr_expect_eq(at_port[P0]->rule[0].layer, VSW_ACL_IP4);
	cr_expect_eq(at_port[P0]->rule[1].layer, VSW_ACL_IP6);
	cr_expect_eq(at_port[P0]->rule[1].dst_port.last, 80);
	cr_expect_eq(at_port[P0]->rule[2].src.len, 8);
	cr_expect(c->default_ip[VSW_POLICY_INGRESS] == VSW_ACL_DENY &&
		  c->default_ip[VSW_POLICY_EGRESS] == VSW_ACL_PERMIT);
	cr_expect(c->default_ether[VSW_POLICY_INGRESS] == VSW_ACL_PERMIT &&
		  c->default_ether[VSW_POLICY_EGRESS] == VSW_ACL_DENY);
	cr_expect(c->max_connections == 99 && c->must_refuse);
	cr_expect(c->idle.tcp == 1 && c->idle.tcp_new == 2 && c->idle.tcp_end == 3 &&
		  c->idle.other == 4 && c->idle.other_new == 5);
	cr_expect(c->router_guard && !c->dhcp_guard);
	cr_expect(c->rate[0].max_kbps == 6000 && c->rate[1].max_kbps == 7000);
	cr_expect(c->rate[0].max_pps == 8 && c->rate[1].max_pps == 9);
	cr_expect(c->rate[0].burst_bytes == 131072 && c->rate[1].burst_bytes == 131072);
	cr_expect(c->broadcast_pps == 10 && c->multicast_pps == 11);
	cr_expect_null(c->pvlan_of);
	cr_expect_null(c->share.min_kbps);
	cr_expect(at_port[P1]->cfg.dhcp_guard && !at_port[P1]->cfg.router_guard);
}

Test(mgmt_policy, tells_every_port_of_all_roles)
{
	use(C("", "", "{isolation: isolated}, {isolation: community 5}"));
	cr_assert_eq(sw_policies_make(&sw), 0, "%s", err_text());
	for (int i = 0; i < 3; i++) {
		const struct made *p = at_port[(const int[]){U, P0, P1}[i]];

		cr_assert_not_null(p);
		cr_expect_eq(p->role[P0].role, VSW_PVLAN_ISOLATED);
		cr_expect_eq(p->role[P1].role, VSW_PVLAN_COMMUNITY);
		cr_expect_eq(p->role[P1].community, 5);
		cr_expect_eq(p->role[U].role, VSW_PVLAN_PROMISCUOUS);
	}
	cr_expect_eq(at_port[P1]->cfg.pvlan.community, 5);
	cr_expect_eq(at_port[U]->cfg.pvlan.role, VSW_PVLAN_PROMISCUOUS);
}

Test(mgmt_policy, tells_a_shared_port_the_minima_of_the_others)
{
	use(C("", ", share_mbps: 100, min_mbps: 1", "{min_mbps: 30}, {min_mbps: 40}"));
	cr_assert_eq(sw_policies_make(&sw), 0, "%s", err_text());
	cr_assert_not_null(at_port[U]);
	cr_expect_null(at_port[P0], "a minimum is nothing to be enforced where it is");
	cr_expect_eq(at_port[U]->cfg.share.total_kbps, 100000);
	cr_expect_eq(at_port[U]->min_kbps[P0], 30000);
	cr_expect_eq(at_port[U]->min_kbps[P1], 40000);
	cr_expect_eq(at_port[U]->min_kbps[U], 0);
}

static int change(const char *port, const struct mgmt_cfg *next)
{
	struct mgmt_change c = {.kind = MGMT_POLICY};

	strcpy(c.port, port);
	return sw_policy_apply(&sw, &c, next);
}

Test(mgmt_policy, sets_and_takes_away)
{
	struct mgmt_cfg *next = load(C("", "", "{guards: [dhcp, router]}")),
			*none = load(C("", "", "{}"));

	use(C("", "", "{guards: [dhcp]}"));
	cr_assert_eq(sw_policies_make(&sw), 0);
	cr_assert_eq(change("p/0", next), 0, "%s", err_text());
	cr_expect(at_port[P0]->cfg.router_guard);
	cr_assert_eq(change("p/0", none), 0);
	cr_expect_null(at_port[P0]);
	cr_assert_eq(change("p/0", next), 0);
	cr_expect_eq(change("p/9", next), -ENOENT);
	cr_expect(strstr(err_text(), "p/9"));
	/* A port that the configuration does not know any more, when a change is taken back. */
	cr_assert_eq(change("p/1", next), 0);
	cr_expect_null(at_port[P1]);
	mgmt_config_free(next);
	mgmt_config_free(none);
}

Test(mgmt_policy, says_why_the_switch_cannot)
{
	use(C("", "", "{guards: [dhcp]}, {guards: [router]}"));
	refuse = 2;
	cr_expect_eq(sw_policies_make(&sw), -EINVAL);
	cr_expect_str_eq(err_text(), "refused");
}

Test(mgmt_policy, hands_on_mirrors_by_number)
{
	use(C("switch: {mirrors: [{from: [p/1, u], to: p/0, way: out, drops: true, snap_len: 64}]}\n",
	      "", "{}, {}"));
	cr_assert_eq(sw_policies_make(&sw), 0, "%s", err_text());
	cr_assert_eq(nr_mirrors, 1);
	cr_expect_eq(mirror[0].sources[0], 1u << U);
	cr_expect_eq(mirror[0].sources[1], 1u << (P1 - 64));
	cr_expect_eq(mirror[0].to, P0);
	cr_expect_eq(mirror[0].way, VSW_MIRROR_OUT);
	cr_expect_eq(mirror[0].what, VSW_MIRROR_ALL);
	cr_expect_eq(mirror[0].snap_len, 64);
}
