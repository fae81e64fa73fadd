/* SPDX-License-Identifier: BSD-3-Clause */
/* What the ACL looks at in a packet: addresses, protocol, ports, or how much of it cannot be known. */
#include <string.h>

#include <rte_branch_prediction.h>

#include "vswitch/policy/acl.h"

#define TCP_FLAGS     13u
#define ICMP_ECHO     8u
#define ICMP_ECHO_RE  0u
#define ICMP6_ECHO    128u
#define ICMP6_ECHO_RE 129u
#define ICMP_HDR      8u

static void put_ports(union pol_key *k, uint16_t sport, uint16_t dport)
{
	if (k->version == 4) {
		k->v4.sport = sport;
		k->v4.dport = dport;
	} else {
		k->v6.sport = sport;
		k->v6.dport = dport;
	}
}

/* Of a zeroed key. */
static void put_addresses(union pol_key *k, const uint8_t *ip, bool is_v6)
{
	k->version = is_v6 ? 6 : 4;
	if (is_v6)
		memcpy(k->v6.src, ip + 8, 32);
	else
		memcpy(&k->v4.src, ip + 12, 8);
}

static uint16_t load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static bool is_icmp(const struct acl_pkt *p)
{
	return p->key.proto == (p->is_v6 ? IP_PROTO_ICMP6 : IP_PROTO_ICMP);
}

/* Type and code stand where a rule's source port is looked for. */
static void read_icmp(struct acl_pkt *p, const uint8_t *icmp)
{
	put_ports(&p->key, load16(icmp), 0);
	p->is_echo = icmp[0] == (p->is_v6 ? ICMP6_ECHO : ICMP_ECHO);
	p->is_reply = icmp[0] == (p->is_v6 ? ICMP6_ECHO_RE : ICMP_ECHO_RE);
	p->echo = load16(icmp + 4);
	p->is_error = p->is_v6 ? icmp[0] >= 1 && icmp[0] <= 4
			       : icmp[0] == 3 || icmp[0] == 11 || icmp[0] == 12;
}

static void read_l4(struct pol_burst *b, struct acl_pkt *p, const struct nethv_pkt *pkt)
{
	const uint8_t *l4 = vsw_hdr(pkt) + pkt->l4_off;

	if (pol_has_ports(p->key.proto))
		put_ports(&p->key, load16(l4), load16(l4 + 2));
	else if (is_icmp(p))
		read_icmp(p, l4);
	if (p->key.proto != IP_PROTO_TCP)
		return;
	if (unlikely(pkt->l4_off + TCP_FLAGS >= pkt->hdr_len) &&
	    pol_pull(b, p->k, pkt->l4_off + TCP_FLAGS + 1) <= pkt->l4_off + TCP_FLAGS)
		return;
	p->tcp = vsw_hdr(pkt)[pkt->l4_off + TCP_FLAGS];
}

static void make_blind(struct acl_pkt *p, enum acl_unknown what)
{
	p->kind = ACL_BLIND;
	put_ports(&p->key, __builtin_bswap16((uint16_t)what), 0);
}

/* Fragments, and what has no L4 header that could be seen. Only the first fragment says what a later one
 * of IPv6 carries. */
static void read_rare(struct acl_pkt *p, const struct nethv_pkt *pkt)
{
	struct vsw_chain c;

	if (!vsw_ip_walk(vsw_hdr(pkt), pkt->hdr_len, pkt->l3_off, pkt->ether_type, &c)) {
		make_blind(p, ACL_PROTO_UNKNOWN);
		return;
	}
	p->is_fragment = c.is_fragment;
	p->is_later = c.is_later;
	p->datagram = c.id;
	if (c.is_cut || (c.is_later && p->is_v6))
		make_blind(p, ACL_PROTO_UNKNOWN);
	else if (!pkt->l4_off && (c.is_later || pol_has_ports(c.proto) || is_icmp(p)))
		make_blind(p, ACL_PORTS_UNKNOWN);
}

static bool is_rare(const struct nethv_pkt *pkt, const uint8_t *ip)
{
	if (!pkt->l4_off)
		return true;
	return pkt->l3_version == 4 ? (vsw_get16(ip + 6) & 0x3FFF) != 0 : ip[6] != pkt->l4_proto;
}

void acl_key_read(struct pol_burst *b, struct acl_pkt *p)
{
	const struct nethv_pkt *pkt = &b->slot[p->k]->pkt;
	const uint8_t *ip = vsw_hdr(pkt) + pkt->l3_off;
	const bool is_v6 = pkt->l3_version == 6;

	*p = (struct acl_pkt){.k = p->k, .is_v6 = is_v6};
	put_addresses(&p->key, ip, is_v6);
	p->key.proto = pkt->l4_proto;
	p->key.vlan = pkt->vlan;
	if (likely(pkt->l4_off))
		read_l4(b, p, pkt);
	if (unlikely(is_rare(pkt, vsw_hdr(pkt) + pkt->l3_off)))
		read_rare(p, pkt);
}

static void turn(union pol_key *k)
{
	union pol_key o = *k;

	if (k->version == 4) {
		k->v4.src = o.v4.dst;
		k->v4.dst = o.v4.src;
		k->v4.sport = o.v4.dport;
		k->v4.dport = o.v4.sport;
		return;
	}
	memcpy(k->v6.src, o.v6.dst, 16);
	memcpy(k->v6.dst, o.v6.src, 16);
	k->v6.sport = o.v6.dport;
	k->v6.dport = o.v6.sport;
}

void acl_conn_key(const struct acl_pkt *p, uint8_t way, union pol_key *out)
{
	*out = p->key;
	if (p->is_echo || p->is_reply)
		put_ports(out, p->echo, p->echo);
	if (way == VSW_POLICY_EGRESS)
		turn(out);
}

void acl_opening_key(const union pol_key *conn, uint8_t bits, union pol_key *out)
{
	*out = *conn;
	if (bits & POL_CONN_EGRESS)
		turn(out);
	if (bits & POL_CONN_ECHO) /* code 0 */
		put_ports(out, conn->version == 4 ? ICMP_ECHO : ICMP6_ECHO, 0);
}

/* The packet inside was sent by who gets the error now. */
static bool is_addressee(const union pol_key *inner, const union pol_key *outer)
{
	if (outer->version == 4)
		return inner->v4.src == outer->v4.dst;
	return memcmp(inner->v6.src, outer->v6.dst, 16) == 0;
}

/* Ports or identifier of the packet inside. */
static bool inner_ports(struct acl_pkt *in, const uint8_t *l4)
{
	if (pol_has_ports(in->key.proto)) {
		put_ports(&in->key, load16(l4), load16(l4 + 2));
		return true;
	}
	if (!is_icmp(in))
		return true;
	read_icmp(in, l4);
	return in->is_echo;
}

bool acl_error_key(struct pol_burst *b, const struct acl_pkt *p, union pol_key *out)
{
	const struct nethv_pkt *pkt = &b->slot[p->k]->pkt;
	const uint32_t len = pol_pull(b, p->k, VSW_SNAP_SIZE), at = pkt->l4_off + ICMP_HDR;
	struct acl_pkt in = {.is_v6 = p->is_v6};
	struct vsw_chain c;

	if (!vsw_ip_walk(vsw_hdr(pkt), len, at, pkt->ether_type, &c) || c.is_cut || c.is_later ||
	    c.l4 + VSW_L4_MIN > len)
		return false;
	put_addresses(&in.key, vsw_hdr(pkt) + at, p->is_v6);
	in.key.proto = c.proto;
	in.key.vlan = p->key.vlan;
	if (!is_addressee(&in.key, &p->key) || !inner_ports(&in, vsw_hdr(pkt) + c.l4))
		return false;
	acl_conn_key(&in, !b->way, out);
	return true;
}
