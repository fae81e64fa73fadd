/* SPDX-License-Identifier: BSD-3-Clause */
/* The switch's part of policies and mirrors: from the configuration to what is given to each port. The
 * policies themselves are played by the test, which looks at what they are made from. */
#include "mgmt/switch.h"

#include <errno.h>
#include <stdio.h>
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

/* What the overlay was made from, in words. */
static char overlay[1000];

static void say_ip(const struct vsw_overlay_ip *ip)
{
	sprintf(overlay + strlen(overlay), " %u:%u.%u", ip->version, ip->b[0], ip->b[3]);
}

static void say_subnet(const struct vsw_overlay_subnet *s)
{
	sprintf(overlay + strlen(overlay), "\n%u%s%s ports", s->vsid,
		s->is_learning ? " learns" : "", s->is_external ? " external" : "");
	for (uint32_t i = 0; i < s->nr_ports; i++)
		sprintf(overlay + strlen(overlay), " %u/%02x", s->ports[i].port,
			s->ports[i].mac[5]);
	for (uint32_t i = 0; i < s->nr_remotes; i++) {
		say_ip(&s->remotes[i].vtep);
		sprintf(overlay + strlen(overlay), " via %02x macs %u",
			s->remotes[i].next_hop_mac[5], s->remotes[i].nr_macs);
		for (uint32_t k = 0; k < s->remotes[i].nr_macs; k++)
			sprintf(overlay + strlen(overlay), " %02x", s->remotes[i].macs[k][5]);
	}
}

int vsw_set_overlay(struct vsw *s, const struct vsw_overlay_cfg *cfg)
{
	strcpy(overlay, "none");
	if (!cfg)
		return 0;
	sprintf(overlay, "%u %u %u %u %u/%u %u %u %u %02x", cfg->encap, cfg->udp_port, cfg->uplink,
		cfg->vlan, cfg->mtu, cfg->prefix_len, cfg->has_zero_csum6, cfg->nr_macs_max,
		cfg->ageing_s, cfg->mac[5]);
	say_ip(&cfg->local);
	say_ip(&cfg->gateway);
	for (uint32_t i = 0; i < cfg->nr_subnets; i++)
		say_subnet(&cfg->subnets[i]);
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

Test(mgmt_policy, hands_on_the_overlay)
{
	struct mgmt_change c = {.kind = MGMT_OVERLAY};
	struct mgmt_cfg *none = load(C("", "", "{}, {}"));

	use(C("switch: {overlay: {uplink: u, local: 192.0.2.1/24, gateway: 192.0.2.254, mac: 02:00:00:00:00:55, "
	      "encap: geneve, vlan: 5, mtu: 1600, udp_port: 99, zero_csum6: on, macs_max: 10, ageing_s: 20, "
	      "subnets: [{vsid: 7, ports: [p/1, p/0], remotes: [{vtep: 192.0.2.9, next_hop_mac: "
	      "02:00:00:00:00:09, macs: [02:00:00:00:00:0a, 02:00:00:00:00:0b]}, {vtep: 192.0.2.8, macs: "
	      "[02:00:00:00:00:0c]}]}, {vsid: 8, external: true}, {vsid: 9, learning: false}]}}\n",
	      "", "{mac: 02:00:00:00:00:01}, {mac: 02:00:00:00:00:02}"));
	cr_assert_eq(sw_policies_make(&sw), 0, "%s", err_text());
	cr_expect_str_eq(
		overlay,
		"1 99 9 5 1600/24 1 10 20 55 4:192.1 4:192.254\n"
		"7 learns ports 70/02 3/01 4:192.9 via 09 macs 2 0a 0b 4:192.8 via 00 macs 1 0c\n"
		"8 learns external ports\n"
		"9 ports");
	cr_assert_eq(sw_policy_apply(&sw, &c, none), 0);
	cr_expect_str_eq(overlay, "none");
	mgmt_config_free(none);
}
