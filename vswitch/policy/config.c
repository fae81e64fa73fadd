/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether what an operator wants of a port's policies can be, in words that tell what to change. */
#include "vswitch/policy/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "vswitch/parse.h"
#include "vswitch/policy/priv.h"

#define KBPS_MAX  1000000000ull /* 1 Tbit/s */
#define PPS_MAX	  1000000000ull
#define BURST_MAX 1073741824ull
#define IDLE_MAX  2592000u /* 30 days */

/* "rule 3 (web)": what each text begins with. Numbers as people count. */
#define RULE_FMT     "rule %u (%.31s): "
#define RULE_ARGS(r) (unsigned int)((r)->nr), (r)->rule->name[0] ? (r)->rule->name : "no name"

struct checked {
	const struct vsw_acl_rule *rule;
	uint32_t nr;
};

static bool is_any_mac(const struct vsw_acl_mac *m)
{
	static const uint8_t none[6];

	return memcmp(m->mask, none, sizeof(none)) == 0;
}

static bool is_any_range(const struct vsw_acl_range *r)
{
	return r->first == 0 && r->last == 0;
}

static bool has_ip_part(const struct vsw_acl_rule *r)
{
	return r->proto || r->has_icmp_type || r->has_icmp_code || r->src.len || r->dst.len ||
	       !is_any_range(&r->src_port) || !is_any_range(&r->dst_port);
}

static bool has_ether_part(const struct vsw_acl_rule *r)
{
	return r->ether_type || !is_any_mac(&r->src_mac) || !is_any_mac(&r->dst_mac);
}

static int check_common(const struct checked *c)
{
	const struct vsw_acl_rule *r = c->rule;

	if (!memchr(r->name, '\0', sizeof(r->name)))
		return err_set(-EINVAL, RULE_FMT "the name is longer than 31 characters",
			       RULE_ARGS(c));
	if (r->layer > VSW_ACL_IP6)
		return err_set(-EINVAL,
			       RULE_FMT "layer %u, want Ethernet (0), IPv4 (1) or IPv6 (2)",
			       RULE_ARGS(c), r->layer);
	if (r->ways < VSW_ACL_INGRESS || r->ways > VSW_ACL_BOTH)
		return err_set(-EINVAL,
			       RULE_FMT "direction %u, want ingress (1), egress (2) or both (3)",
			       RULE_ARGS(c), r->ways);
	if (r->action > VSW_ACL_DENY)
		return err_set(-EINVAL, RULE_FMT "action %u, want permit (0) or deny (1)",
			       RULE_ARGS(c), r->action);
	if (r->is_stateful && (r->action != VSW_ACL_PERMIT || r->layer == VSW_ACL_ETHER))
		return err_set(-EINVAL,
			       RULE_FMT
			       "stateful, which only an IPv4 or IPv6 rule that permits can be",
			       RULE_ARGS(c));
	return 0;
}

static int check_mac(const struct checked *c, const struct vsw_acl_mac *m, const char *what)
{
	unsigned int i;

	for (i = 0; i < sizeof(m->addr); i++) {
		if (m->addr[i] & (uint8_t)~m->mask[i])
			return err_set(-EINVAL,
				       RULE_FMT "%s MAC has bits in byte %u that its mask "
						"(%02x) does not cover",
				       RULE_ARGS(c), what, i + 1, m->mask[i]);
	}
	return 0;
}

static int check_ether(const struct checked *c)
{
	const struct vsw_acl_rule *r = c->rule;
	int rc;

	if (has_ip_part(r))
		return err_set(-EINVAL,
			       RULE_FMT "an Ethernet rule with addresses, protocol or ports of IP; "
					"want Ethernet type and MACs only",
			       RULE_ARGS(c));
	if (r->ether_type && r->ether_type < 0x600)
		return err_set(-EINVAL,
			       RULE_FMT "Ethernet type 0x%04x, want 0x0600..0xffff or 0 (any)",
			       RULE_ARGS(c), r->ether_type);
	rc = check_mac(c, &r->src_mac, "source");
	return rc ? rc : check_mac(c, &r->dst_mac, "destination");
}

static int check_prefix(const struct checked *c, const struct vsw_acl_prefix *p, const char *what)
{
	const unsigned int bits = c->rule->layer == VSW_ACL_IP4 ? 32 : 128;
	unsigned int i;

	if (p->len > bits)
		return err_set(-EINVAL, RULE_FMT "%s prefix of %u bits, want 0..%u", RULE_ARGS(c),
			       what, p->len, bits);
	for (i = p->len; i < bits; i++) {
		if (p->addr[i / 8] >> (7 - i % 8) & 1)
			return err_set(-EINVAL,
				       RULE_FMT "%s address has bits behind its prefix of %u; "
						"want them 0",
				       RULE_ARGS(c), what, p->len);
	}
	return 0;
}

static int check_range(const struct checked *c, const struct vsw_acl_range *p, const char *what)
{
	if (is_any_range(p))
		return 0;
	if (!pol_has_ports(c->rule->proto))
		return err_set(-EINVAL,
			       RULE_FMT
			       "%s ports with protocol %u; want protocol 6 (TCP), 17 (UDP), "
			       "33 (DCCP), 132 (SCTP) or 136 (UDP-Lite)",
			       RULE_ARGS(c), what, c->rule->proto);
	if (p->first > p->last)
		return err_set(-EINVAL, RULE_FMT "%s ports %u-%u, want the smaller one first",
			       RULE_ARGS(c), what, p->first, p->last);
	return 0;
}

static int check_icmp(const struct checked *c)
{
	const struct vsw_acl_rule *r = c->rule;
	const uint8_t want = r->layer == VSW_ACL_IP4 ? IP_PROTO_ICMP : IP_PROTO_ICMP6;

	if ((r->has_icmp_type || r->has_icmp_code) && r->proto != want)
		return err_set(-EINVAL, RULE_FMT "ICMP type or code with protocol %u, want %u",
			       RULE_ARGS(c), r->proto, want);
	if (r->has_icmp_code && !r->has_icmp_type)
		return err_set(-EINVAL, RULE_FMT "ICMP code without type, want both or the type",
			       RULE_ARGS(c));
	return 0;
}

static int check_ip(const struct checked *c)
{
	const struct vsw_acl_rule *r = c->rule;
	int rc;

	if (has_ether_part(r))
		return err_set(-EINVAL,
			       RULE_FMT "an IP rule with Ethernet type or MACs; want these in an "
					"Ethernet rule",
			       RULE_ARGS(c));
	rc = check_prefix(c, &r->src, "source");
	rc = rc ? rc : check_prefix(c, &r->dst, "destination");
	rc = rc ? rc : check_range(c, &r->src_port, "source");
	rc = rc ? rc : check_range(c, &r->dst_port, "destination");
	return rc ? rc : check_icmp(c);
}

static int check_rules(const struct vsw_policy_cfg *cfg)
{
	struct checked c;
	uint32_t i;
	int rc;

	if (cfg->nr_rules > VSW_ACL_RULES_MAX)
		return err_set(-EINVAL, "%u ACL rules, want at most %u", cfg->nr_rules,
			       VSW_ACL_RULES_MAX);
	for (i = 0; i < cfg->nr_rules; i++) {
		c = (struct checked){&cfg->rules[i], i + 1};
		rc = check_common(&c);
		if (!rc)
			rc = c.rule->layer == VSW_ACL_ETHER ? check_ether(&c) : check_ip(&c);
		if (rc)
			return rc;
	}
	return 0;
}

static int check_limit(const char *what, const char *unit, uint64_t value, uint64_t min,
		       uint64_t max)
{
	if (value == 0 || (value >= min && value <= max))
		return 0;
	return err_set(-EINVAL,
		       "%s: %" PRIu64 " %s, want %" PRIu64 "..%" PRIu64 " or 0 (none given)", what,
		       value, unit, min, max);
}

static int check_acl(const struct vsw_policy_cfg *cfg)
{
	const struct vsw_acl_idle *t = &cfg->idle;
	unsigned int way;
	int rc;

	for (way = 0; way < 2; way++) {
		if (cfg->default_ip[way] > VSW_ACL_DENY || cfg->default_ether[way] > VSW_ACL_DENY)
			return err_set(-EINVAL,
				       "default action of the ACL's %s, want permit (0) or "
				       "deny (1)",
				       pol_way_name(way));
	}
	rc = check_limit("ACL", "connections", cfg->max_connections, 64, VSW_ACL_CONNS_MAX);
	rc = rc ? rc : check_limit("idle time of TCP", "s", t->tcp, 1, IDLE_MAX);
	rc = rc ? rc
		: check_limit("idle time of new TCP connections", "s", t->tcp_new, 1, IDLE_MAX);
	rc = rc ? rc
		: check_limit("idle time of ended TCP connections", "s", t->tcp_end, 1, IDLE_MAX);
	rc = rc ? rc : check_limit("idle time of UDP and others", "s", t->other, 1, IDLE_MAX);
	rc = rc ? rc
		: check_limit("idle time of new UDP and others", "s", t->other_new, 1, IDLE_MAX);
	return rc ? rc : check_rules(cfg);
}

static int check_rate(const struct vsw_rate_cfg *r, unsigned int way)
{
	const char *name = pol_way_name(way);
	int rc;

	rc = check_limit(name, "kbit/s as limit", r->max_kbps, 8, KBPS_MAX);
	rc = rc ? rc
		: check_limit(name, "bytes as burst", r->burst_bytes, VSW_RATE_BURST_MIN,
			      BURST_MAX);
	rc = rc ? rc : check_limit(name, "packets a second as limit", r->max_pps, 1, PPS_MAX);
	return rc ? rc : check_limit(name, "packets as burst", r->burst_packets, 1, BURST_MAX);
}

static int check_share(const struct vsw_share_cfg *s)
{
	uint64_t sum = 0;
	unsigned int i;
	int rc;

	rc = check_limit("shared rate", "kbit/s", s->total_kbps, 8, KBPS_MAX);
	rc = rc ? rc
		: check_limit("shared rate", "bytes as burst", s->burst_bytes, VSW_RATE_BURST_MIN,
			      BURST_MAX);
	for (i = 0; !rc && s->total_kbps && s->min_kbps && i < VSW_PORTS_MAX; i++) {
		rc = check_limit("minimum share", "kbit/s", s->min_kbps[i], 8, KBPS_MAX);
		sum += s->min_kbps[i];
	}
	if (!rc && sum > s->total_kbps)
		return err_set(-EINVAL,
			       "minimum shares: %" PRIu64 " kbit/s in sum, want at most the shared "
			       "rate of %" PRIu64,
			       sum, s->total_kbps);
	return rc;
}

static int check_pvlan(const struct vsw_pvlan *p, const char *whose)
{
	if (p->role > VSW_PVLAN_COMMUNITY)
		return err_set(-EINVAL,
			       "private VLAN: role %u of %s, want promiscuous (0), isolated (1) or "
			       "community (2)",
			       p->role, whose);
	if ((p->role == VSW_PVLAN_COMMUNITY) != (p->community != 0))
		return err_set(
			-EINVAL,
			"private VLAN: community %u of %s, want 1..65535 with role community, "
			"and 0 with the others",
			p->community, whose);
	return 0;
}

static int check_pvlans(const struct vsw_policy_cfg *cfg)
{
	int rc = check_pvlan(&cfg->pvlan, "the port itself");
	unsigned int i;
	char whose[16];

	for (i = 0; !rc && cfg->pvlan_of && i < VSW_PORTS_MAX; i++) {
		snprintf(whose, sizeof(whose), "port %u", i);
		rc = check_pvlan(&cfg->pvlan_of[i], whose);
	}
	return rc;
}

int vsw_policy_check(const struct vsw_policy_cfg *cfg)
{
	int rc = check_acl(cfg);
	unsigned int way;

	for (way = 0; !rc && way < 2; way++)
		rc = check_rate(&cfg->rate[way], way);
	rc = rc ? rc : check_share(&cfg->share);
	rc = rc ? rc
		: check_limit("storm limit", "broadcasts a second", cfg->broadcast_pps, 1, PPS_MAX);
	rc = rc ? rc
		: check_limit("storm limit", "multicasts a second", cfg->multicast_pps, 1, PPS_MAX);
	return rc ? rc : check_pvlans(cfg);
}
