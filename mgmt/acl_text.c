/* SPDX-License-Identifier: BSD-3-Clause */
/* An ACL rule of the configuration taken apart: texts into the numbers that the switch matches. Pure; the
 * text of a mistake says what was found and what is allowed. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "mgmt/config.h"

struct word {
	const char *name;
	uint16_t value;
};

static const struct word protos[] = {
	{"tcp", 6},   {"udp", 17}, {"icmp", 1}, {"icmpv6", 58}, {"sctp", 132}, {"udplite", 136},
	{"dccp", 33}, {"gre", 47}, {"esp", 50}, {"ah", 51},	{"igmp", 2},   {NULL, 0},
};

static const struct word ether_types[] = {
	{"arp", 0x0806},  {"rarp", 0x8035},  {"ipv4", 0x0800}, {"ipv6", 0x86dd},
	{"lldp", 0x88cc}, {"eapol", 0x888e}, {NULL, 0},
};

static int bad(const char *found, const char *allowed)
{
	return err_set(-EINVAL, "found \"%.64s\"; allowed: %s", found, allowed);
}

/* A number without a sign or spaces; false: it is none. */
static bool number(const char *text, int base, long min, long max, long *out)
{
	char *end;

	if (!strchr("0123456789abcdefABCDEF", text[0]) || !text[0])
		return false;
	errno = 0;
	*out = strtol(text, &end, base);
	return !*end && !errno && *out >= min && *out <= max;
}

static const struct word *word_of(const struct word *list, const char *text)
{
	while (list->name && strcmp(list->name, text) != 0)
		list++;
	return list->name ? list : NULL;
}

static int parse_proto(const char *text, uint8_t *out)
{
	const struct word *w = word_of(protos, text);
	long v;

	if (!w && !number(text, 10, 1, 255, &v))
		return bad(
			text,
			"tcp, udp, icmp, icmpv6, sctp, udplite, dccp, gre, esp, ah, igmp, 1..255");
	*out = (uint8_t)(w ? w->value : v);
	return 0;
}

static int parse_ether_type(const char *text, uint16_t *out)
{
	const struct word *w = word_of(ether_types, text);
	bool is_hex = !strncmp(text, "0x", 2);
	long v;

	if (!w && !number(is_hex ? text + 2 : text, is_hex ? 16 : 10, 0x600, 0xffff, &v))
		return bad(text, "arp, rarp, ipv4, ipv6, lldp, eapol, 0x0600..0xffff");
	*out = (uint16_t)(w ? w->value : v);
	return 0;
}

static int parse_ports(const char *text, struct vsw_acl_range *out)
{
	char buf[20];
	char *dash;
	long first, last;

	snprintf(buf, sizeof(buf), "%s", text);
	dash = strchr(buf, '-');
	if (dash)
		*dash = 0;
	if (!number(buf, 10, 1, 65535, &first) ||
	    !number(dash ? dash + 1 : buf, 10, 1, 65535, &last) || first > last)
		return bad(text, "a port or FIRST-LAST, 1..65535");
	out->first = (uint16_t)first;
	out->last = (uint16_t)last;
	return 0;
}

static bool has_bits_behind(const struct vsw_acl_prefix *p, unsigned int bits)
{
	for (unsigned int i = p->len; i < bits; i++)
		if (p->addr[i / 8] >> (7 - i % 8) & 1)
			return true;
	return false;
}

/* Returns 4 or 6, or -EINVAL. */
static int parse_prefix(const char *text, struct vsw_acl_prefix *out)
{
	bool is_6 = strchr(text, ':');
	unsigned int bits = is_6 ? 128 : 32;
	long len = bits;
	char buf[72];
	char *slash;

	snprintf(buf, sizeof(buf), "%s", text);
	slash = strchr(buf, '/');
	if (slash)
		*slash = 0;
	if (inet_pton(is_6 ? AF_INET6 : AF_INET, buf, out->addr) != 1 ||
	    (slash && !number(slash + 1, 10, 0, bits, &len)))
		return bad(text, "an address or ADDRESS/BITS, such as 10.0.0.0/8 or fd00::/8");
	out->len = (uint8_t)len;
	if (has_bits_behind(out, bits))
		return bad(text, "no bits in the address behind those that /BITS names");
	return is_6 ? 6 : 4;
}

bool mgmt_mac(const char *text, uint8_t mac[6])
{
	unsigned int v[6];
	char end;

	if (strspn(text, "0123456789abcdefABCDEF:") != strlen(text) ||
	    sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
		   &end) != 6)
		return false;
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)v[i];
	return true;
}

static int parse_mac(const char *text, struct vsw_acl_mac *out)
{
	char buf[48];
	char *slash;

	snprintf(buf, sizeof(buf), "%s", text);
	slash = strchr(buf, '/');
	if (slash)
		*slash = 0;
	memset(out->mask, 0xff, sizeof(out->mask));
	if (!mgmt_mac(buf, out->addr) || (slash && !mgmt_mac(slash + 1, out->mask)))
		return bad(text, "six bytes such as 02:4e:00:00:00:01, or with /MASK");
	for (int i = 0; i < 6; i++)
		if (out->addr[i] & ~out->mask[i])
			return bad(text, "no bits in the address that the mask does not have");
	return 0;
}

static int ether_rule(const struct mgmt_acl_rule *r, struct vsw_acl_rule *out, const char **key)
{
	int rc = 0;

	out->layer = VSW_ACL_ETHER;
	*key = "ether_type";
	if (r->ether_type)
		rc = parse_ether_type(r->ether_type, &out->ether_type);
	if (!rc && r->src_mac) {
		*key = "src_mac";
		rc = parse_mac(r->src_mac, &out->src_mac);
	}
	if (!rc && r->dst_mac) {
		*key = "dst_mac";
		rc = parse_mac(r->dst_mac, &out->dst_mac);
	}
	if (!rc && r->stateful) {
		*key = "stateful";
		rc = bad("true", "in rules of IP only");
	}
	return rc ? rc : 1;
}

/* Sets *@version: 4, 6, or 0 when the rule does not say. */
static int parse_addresses(const struct mgmt_acl_rule *r, struct vsw_acl_rule *out, int *version,
			   const char **key)
{
	int src = 0, dst = 0;

	*key = "src";
	if (r->src)
		src = parse_prefix(r->src, &out->src);
	if (src < 0)
		return src;
	*key = "dst";
	if (r->dst)
		dst = parse_prefix(r->dst, &out->dst);
	if (dst < 0)
		return dst;
	if (src && dst && src != dst)
		return bad(r->dst, "IPv4 or IPv6 as in src");
	*version = src ? src : dst;
	return 0;
}

static bool has_ports(uint8_t proto)
{
	return proto == 6 || proto == 17 || proto == 33 || proto == 132 || proto == 136;
}

static int parse_l4(const struct mgmt_acl_rule *r, struct vsw_acl_rule *out, const char **key)
{
	int rc = 0;

	*key = "proto";
	if (r->proto)
		rc = parse_proto(r->proto, &out->proto);
	if (rc)
		return rc;
	*key = r->sport ? "sport" : "dport";
	if ((r->sport || r->dport) && !has_ports(out->proto))
		return bad(r->sport ? r->sport : r->dport,
			   "with proto tcp, udp, sctp, udplite or dccp only");
	if (r->sport)
		rc = parse_ports(r->sport, &out->src_port);
	*key = rc ? *key : "dport";
	if (!rc && r->dport)
		rc = parse_ports(r->dport, &out->dst_port);
	return rc;
}

/* ICMP says which version it is of. */
static int parse_icmp(const struct mgmt_acl_rule *r, struct vsw_acl_rule *out, int *version,
		      const char **key)
{
	int of = out->proto == 1 ? 4 : out->proto == 58 ? 6 : 0;
	char text[8];

	*key = "proto";
	if (of && *version && of != *version)
		return bad(r->proto, *version == 4 ? "icmp with IPv4" : "icmpv6 with IPv6");
	*version = of ? of : *version;
	out->has_icmp_type = r->icmp_type;
	out->has_icmp_code = r->icmp_code;
	out->icmp_type = r->icmp_type ? *r->icmp_type : 0;
	out->icmp_code = r->icmp_code ? *r->icmp_code : 0;
	snprintf(text, sizeof(text), "%u", r->icmp_type ? out->icmp_type : out->icmp_code);
	*key = r->icmp_type ? "icmp_type" : "icmp_code";
	if ((r->icmp_type || r->icmp_code) && !of)
		return bad(text, "with proto icmp or icmpv6 only");
	if (r->icmp_code && !r->icmp_type)
		return bad(text, "together with icmp_type");
	return 0;
}

static int ip_rules(const struct mgmt_acl_rule *r, struct vsw_acl_rule out[2], const char **key)
{
	int version = 0, rc = parse_addresses(r, out, &version, key);

	if (!rc)
		rc = parse_l4(r, out, key);
	if (!rc)
		rc = parse_icmp(r, out, &version, key);
	*key = rc ? *key : "stateful";
	if (!rc && r->stateful && r->action != VSW_ACL_PERMIT)
		rc = bad("true", "with action permit only");
	if (rc)
		return rc;
	out->is_stateful = r->stateful;
	out->layer = version == 6 ? VSW_ACL_IP6 : VSW_ACL_IP4;
	if (version)
		return 1;
	out[1] = out[0];
	out[1].layer = VSW_ACL_IP6;
	return 2;
}

int mgmt_acl_rule(const struct mgmt_acl_rule *r, struct vsw_acl_rule out[2], const char **key)
{
	bool is_ether = r->ether_type || r->src_mac || r->dst_mac;
	bool is_ip = r->proto || r->src || r->dst || r->sport || r->dport || r->icmp_type ||
		     r->icmp_code;

	memset(out, 0, 2 * sizeof(*out));
	snprintf(out->name, sizeof(out->name), "%s", r->name ? r->name : "");
	out->ways = r->way;
	out->action = r->action;
	if (!is_ether)
		return ip_rules(r, out, key);
	*key = r->ether_type ? "ether_type" : r->src_mac ? "src_mac" : "dst_mac";
	if (is_ip)
		return bad(r->ether_type ? r->ether_type
			   : r->src_mac	 ? r->src_mac
					 : r->dst_mac,
			   "in a rule without keys of IP; Ethernet and IP have rules of their own");
	return ether_rule(r, out, key);
}
