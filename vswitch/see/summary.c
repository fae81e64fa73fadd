/* SPDX-License-Identifier: BSD-3-Clause */
/* A frame in one line. It may be cut anywhere and say anything: each header is looked at only when all of
 * it is there, and what comes out is printable. */
#include <arpa/inet.h>
#include <string.h>

#include "vswitch/see/priv.h"

#define EXT_HEADERS_MAX 8u
#define TAGS_MAX	2u

enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ICMP6 = 58 };

/* The frame, and how far we are. */
struct look {
	const uint8_t *p;
	uint32_t n, at;
	struct see_say y;
};

struct word {
	uint8_t type;
	const char *text;
};

static const struct word icmp4_words[] = {
	{0, "echo reply"},   {3, "unreachable"},   {4, "source quench"},  {5, "redirect"},
	{8, "echo request"}, {9, "router advert"}, {11, "time exceeded"}, {12, "bad parameter"},
};

static const struct word icmp6_words[] = {
	{1, "unreachable"},	  {2, "packet too big"},    {3, "time exceeded"},
	{4, "bad parameter"},	  {128, "echo request"},    {129, "echo reply"},
	{130, "listener query"},  {131, "listener report"}, {132, "listener done"},
	{133, "router solicit"},  {134, "router advert"},   {135, "neighbor solicit"},
	{136, "neighbor advert"}, {137, "redirect"},	    {143, "listener report v2"},
};

static bool has(const struct look *k, uint32_t n)
{
	return k->at <= k->n && n <= k->n - k->at;
}

static const uint8_t *here(const struct look *k)
{
	return k->p + k->at;
}

static void say_mac(struct look *k, const uint8_t *m)
{
	see_say(&k->y, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static void say_ip(struct look *k, int family, const uint8_t *a)
{
	char text[INET6_ADDRSTRLEN];

	see_say(&k->y, "%s", inet_ntop(family, a, text, sizeof(text)));
}

static void say_end_points(struct look *k, int family, const uint8_t *src, const uint8_t *dst,
			   bool has_ports)
{
	bool is_bracketed = has_ports && family == AF_INET6;
	const uint8_t *l4 = here(k);

	see_say(&k->y, is_bracketed ? " [" : " ");
	say_ip(k, family, src);
	if (has_ports)
		see_say(&k->y, is_bracketed ? "]:%u" : ":%u", nethv_get16(l4));
	see_say(&k->y, is_bracketed ? " > [" : " > ");
	say_ip(k, family, dst);
	if (has_ports)
		see_say(&k->y, is_bracketed ? "]:%u" : ":%u", nethv_get16(l4 + 2));
}

static void say_tcp_flags(struct look *k)
{
	static const char letters[] = "FSRP.UEW";
	uint8_t flags = here(k)[13];
	unsigned int i;

	see_say(&k->y, " [");
	for (i = 0; i < 8; i++) {
		if (flags >> i & 1)
			see_say(&k->y, "%c", letters[i]);
	}
	see_say(&k->y, "]");
}

static const char *word_of(const struct word *w, unsigned int n, uint8_t type)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (w[i].type == type)
			return w[i].text;
	}
	return NULL;
}

static void say_icmp(struct look *k, int family)
{
	const uint8_t *b = here(k);
	bool is_v4 = family == AF_INET;
	const char *word =
		is_v4 ? word_of(icmp4_words, sizeof(icmp4_words) / sizeof(icmp4_words[0]), b[0])
		      : word_of(icmp6_words, sizeof(icmp6_words) / sizeof(icmp6_words[0]), b[0]);
	bool is_echo = is_v4 ? b[0] == 0 || b[0] == 8 : b[0] == 128 || b[0] == 129;

	if (word)
		see_say(&k->y, " %s", word);
	else
		see_say(&k->y, " type %u code %u", b[0], b[1]);
	if (is_echo)
		see_say(&k->y, " id %u seq %u", nethv_get16(b + 4), nethv_get16(b + 6));
	if (!is_v4 && (b[0] == 135 || b[0] == 136) && has(k, 24)) {
		see_say(&k->y, " for ");
		say_ip(k, AF_INET6, b + 8);
	}
}

/* Behind the IP headers. */
static void say_l4(struct look *k, int family, uint8_t proto, const uint8_t *src,
		   const uint8_t *dst)
{
	bool is_icmp = proto == (family == AF_INET ? PROTO_ICMP : PROTO_ICMP6);
	bool has_ports = (proto == PROTO_TCP || proto == PROTO_UDP) && has(k, 4);

	if (proto == PROTO_TCP || proto == PROTO_UDP)
		see_say(&k->y, proto == PROTO_TCP ? " TCP" : " UDP");
	else if (is_icmp)
		see_say(&k->y, family == AF_INET ? " ICMP" : " ICMPv6");
	else
		see_say(&k->y, " proto %u", proto);
	say_end_points(k, family, src, dst, has_ports);
	if (is_icmp && has(k, 8))
		say_icmp(k, family);
	else if (proto == PROTO_TCP && has(k, 14))
		say_tcp_flags(k);
	else if (is_icmp || proto == PROTO_TCP || (proto == PROTO_UDP && !has_ports))
		see_say(&k->y, " (cut)");
}

static void say_fragment(struct look *k, int family, uint8_t proto, uint32_t offset,
			 const uint8_t *src, const uint8_t *dst)
{
	see_say(&k->y, " fragment at %u, proto %u,", offset, proto);
	say_end_points(k, family, src, dst, false);
}

static void say_ip4(struct look *k)
{
	const uint8_t *h = here(k);
	uint32_t ihl, frag;

	see_say(&k->y, "IPv4");
	if (!has(k, 20)) {
		see_say(&k->y, " (cut)");
		return;
	}
	ihl = (h[0] & 15u) * 4;
	frag = nethv_get16(h + 6);
	k->at += ihl;
	if (h[0] >> 4 != 4 || ihl < 20)
		see_say(&k->y, " bad header");
	else if (frag & 0x1FFF)
		say_fragment(k, AF_INET, h[9], (frag & 0x1FFF) * 8, h + 12, h + 16);
	else
		say_l4(k, AF_INET, h[9], h + 12, h + 16);
}

static bool is_ext_header(uint8_t proto)
{
	return proto == 0 || proto == 43 || proto == 44 || proto == 51 || proto == 60;
}

/* Steps over extension headers that are there. False: a later fragment; its offset is in *@offset. */
static bool skip_ext_headers(struct look *k, uint8_t *proto, uint32_t *offset)
{
	unsigned int i;

	for (i = 0; i < EXT_HEADERS_MAX && is_ext_header(*proto) && has(k, 8); i++) {
		const uint8_t *b = here(k);
		uint32_t len = *proto == 44 ? 8 : *proto == 51 ? (b[1] + 2u) * 4 : (b[1] + 1u) * 8;

		*offset = *proto == 44 ? nethv_get16(b + 2) & 0xFFF8u : 0;
		*proto = b[0];
		k->at += len;
		if (*offset)
			return false;
	}
	return true;
}

static void say_ip6(struct look *k)
{
	const uint8_t *h = here(k);
	uint32_t offset = 0;
	uint8_t proto;

	see_say(&k->y, "IPv6");
	if (!has(k, 40)) {
		see_say(&k->y, " (cut)");
		return;
	}
	if (h[0] >> 4 != 6) {
		see_say(&k->y, " bad header");
		return;
	}
	proto = h[6];
	k->at += 40;
	if (skip_ext_headers(k, &proto, &offset))
		say_l4(k, AF_INET6, proto, h + 8, h + 24);
	else
		say_fragment(k, AF_INET6, proto, offset, h + 8, h + 24);
}

static void say_arp(struct look *k)
{
	const uint8_t *b = here(k);
	uint16_t op;

	see_say(&k->y, "ARP");
	if (!has(k, 28)) {
		see_say(&k->y, " (cut)");
		return;
	}
	op = nethv_get16(b + 6);
	if (nethv_get16(b + 2) != 0x0800 || b[4] != 6 || b[5] != 4 || (op != 1 && op != 2)) {
		see_say(&k->y, " op %u", op);
		return;
	}
	see_say(&k->y, op == 1 ? " who-has " : " ");
	say_ip(k, AF_INET, op == 1 ? b + 24 : b + 14);
	see_say(&k->y, op == 1 ? " tell " : " is-at ");
	if (op == 1)
		say_ip(k, AF_INET, b + 14);
	else
		say_mac(k, b + 8);
}

static void say_other(struct look *k, uint16_t type)
{
	if (type < 0x600)
		see_say(&k->y, "LLC ");
	else
		see_say(&k->y, "type 0x%04x ", type);
	say_mac(k, k->p + 6);
	see_say(&k->y, " > ");
	say_mac(k, k->p);
}

static bool is_tag(uint16_t type)
{
	return type == 0x8100 || type == 0x88A8;
}

unsigned int vsw_see_summary(const uint8_t *bytes, uint32_t n, uint32_t len, char *out, size_t size)
{
	struct look k = {.p = bytes, .n = n < len ? n : len, .at = 14, .y = {out, size, 0}};
	uint16_t type, i;

	if (size)
		out[0] = 0;
	if (k.n < 14) {
		see_say(&k.y, len < 14 ? "runt" : "frame of unknown content");
		return (unsigned int)k.y.len;
	}
	type = nethv_get16(bytes + 12);
	for (i = 0; i < TAGS_MAX && is_tag(type) && has(&k, 4); i++) {
		see_say(&k.y, "VLAN %u ", nethv_get16(here(&k)) & 0xFFFu);
		type = nethv_get16(here(&k) + 2);
		k.at += 4;
	}
	if (type == 0x0800)
		say_ip4(&k);
	else if (type == 0x86DD)
		say_ip6(&k);
	else if (type == 0x0806)
		say_arp(&k);
	else
		say_other(&k, type);
	return (unsigned int)k.y.len;
}
