/* SPDX-License-Identifier: BSD-3-Clause */
/* DHCP guard and router guard: what only servers and routers send does not enter at a guarded port.
 *
 * Later fragments pass: the first one was judged, and without it nothing comes of them. A first fragment
 * or a chain of extension headers that hides what it carries (RFC 6980, 7113, 7610) is dropped, unless its
 * addresses say that a host would not take it for what is guarded against. */
#include "vswitch/policy/priv.h"

#define DHCP_SERVER  67u
#define DHCP_CLIENT  68u
#define DHCP6_CLIENT 546u
#define DHCP6_SERVER 547u
#define BOOTREQUEST  1u
#define UDP_LEN	     8u

#define ICMP_REDIRECT	5u
#define ICMP_ROUTER_ADV 9u
#define ICMP6_RA	134u
#define ICMP6_REDIRECT	137u

/* What a frame may be that a guard looks for; NONE when it surely is not. */
enum found {
	FOUND_NONE,
	FOUND_DHCP,
	FOUND_DHCP6,
	FOUND_DHCP_HIDDEN,
	FOUND_ROUTER,
	FOUND_ROUTER6,
	FOUND_REDIRECT,
	FOUND_ROUTER_HIDDEN,
};

/* The L4 header of a packet, or NULL: it has none, or nobody can tell (pol_burst is prepared: what 128
 * bytes show was looked at). */
static const uint8_t *l4_of(const struct nethv_pkt *p)
{
	return p->l4_off ? vsw_hdr(p) + p->l4_off : NULL;
}

/* A chain that ends in an extension header ends nowhere. */
static bool is_hidden(const struct nethv_pkt *p)
{
	struct vsw_chain c;

	if (pol_is_tagged_inside(p))
		return true;
	if (p->l3_version != 6 || p->l4_off || p->flags & NETHV_PKT_FRAGMENT)
		return false;
	vsw_ip_walk(vsw_hdr(p), p->hdr_len, p->l3_off, p->ether_type, &c);
	return c.is_cut || (c.is_fragment && c.proto != IP_PROTO_NONE);
}

/* The first byte behind the UDP header; @none when the frame ends before. */
static uint8_t udp_byte(struct pol_burst *b, uint16_t k, uint8_t none)
{
	const struct nethv_pkt *p = &b->slot[k]->pkt;
	const uint32_t at = p->l4_off + UDP_LEN;

	if (pol_pull(b, k, at + 1) <= at)
		return none;
	return vsw_hdr(p)[at];
}

/* A client is spoken to at its port; what is said to a server or relay is told by its kind. */
static enum found find_dhcp4(struct pol_burst *b, uint16_t k, uint16_t sport, uint16_t dport)
{
	if (dport == DHCP_CLIENT)
		return FOUND_DHCP;
	if (sport != DHCP_SERVER && dport != DHCP_SERVER)
		return FOUND_NONE;
	return udp_byte(b, k, 0) == BOOTREQUEST ? FOUND_NONE : FOUND_DHCP;
}

static bool is_dhcp6_of_server(uint8_t type)
{
	return type == 2 || type == 7 || type == 10 || type == 13; /* advertise, reply, reconfigure,
								    * relay reply */
}

static enum found find_dhcp6(struct pol_burst *b, uint16_t k, uint16_t sport, uint16_t dport)
{
	if (dport == DHCP6_CLIENT)
		return FOUND_DHCP6;
	if (sport != DHCP6_SERVER && dport != DHCP6_SERVER)
		return FOUND_NONE;
	return is_dhcp6_of_server(udp_byte(b, k, 2)) ? FOUND_DHCP6 : FOUND_NONE;
}

static enum found find_dhcp(struct pol_burst *b, uint16_t k)
{
	const struct nethv_pkt *p = &b->slot[k]->pkt;
	const uint8_t *udp = l4_of(p);

	if (!udp)
		return is_hidden(p) ? FOUND_DHCP_HIDDEN : FOUND_NONE;
	if (p->l4_proto != IP_PROTO_UDP)
		return FOUND_NONE;
	return p->l3_version == 4 ? find_dhcp4(b, k, vsw_get16(udp), vsw_get16(udp + 2))
				  : find_dhcp6(b, k, vsw_get16(udp), vsw_get16(udp + 2));
}

/* Hosts take router advertisements and redirects from link-local addresses only. */
static bool is_from_link_local(const struct nethv_pkt *p)
{
	const uint8_t *src = vsw_hdr(p) + p->l3_off + 8;

	return p->l3_version != 6 || (src[0] == 0xFE && (src[1] & 0xC0) == 0x80);
}

static enum found find_router(const struct nethv_pkt *p)
{
	const uint8_t *icmp = l4_of(p);

	if (!icmp)
		return is_hidden(p) && is_from_link_local(p) ? FOUND_ROUTER_HIDDEN : FOUND_NONE;
	if (p->l3_version == 4 && p->l4_proto == IP_PROTO_ICMP) {
		if (icmp[0] == ICMP_ROUTER_ADV)
			return FOUND_ROUTER;
		return icmp[0] == ICMP_REDIRECT ? FOUND_REDIRECT : FOUND_NONE;
	}
	if (p->l3_version != 6 || p->l4_proto != IP_PROTO_ICMP6)
		return FOUND_NONE;
	if (icmp[0] == ICMP6_RA)
		return FOUND_ROUTER6;
	return icmp[0] == ICMP6_REDIRECT ? FOUND_REDIRECT : FOUND_NONE;
}

static const struct {
	enum vsw_drop why;
	enum vsw_policy_drop kind;
} verdict[] = {
	[FOUND_DHCP] = {VSW_DROP_dhcp_guard, VSW_POLICY_DROP_dhcp_server},
	[FOUND_DHCP6] = {VSW_DROP_dhcp_guard, VSW_POLICY_DROP_dhcp6_server},
	[FOUND_DHCP_HIDDEN] = {VSW_DROP_dhcp_guard, VSW_POLICY_DROP_dhcp_hidden},
	[FOUND_ROUTER] = {VSW_DROP_router_guard, VSW_POLICY_DROP_router_adv},
	[FOUND_ROUTER6] = {VSW_DROP_router_guard, VSW_POLICY_DROP_router6_adv},
	[FOUND_REDIRECT] = {VSW_DROP_router_guard, VSW_POLICY_DROP_redirect},
	[FOUND_ROUTER_HIDDEN] = {VSW_DROP_router_guard, VSW_POLICY_DROP_router_hidden},
};

void pol_guards_run(const struct vsw_policy *pol, struct pol_burst *b)
{
	uint16_t k;

	for (k = 0; k < b->n; k++) {
		enum found f = FOUND_NONE;

		if (pol->dhcp_guard)
			f = find_dhcp(b, k);
		if (f == FOUND_NONE && pol->router_guard)
			f = find_router(&b->slot[k]->pkt);
		if (f != FOUND_NONE)
			pol_drop(b, k, verdict[f].why, verdict[f].kind);
	}
}
