/* SPDX-License-Identifier: BSD-3-Clause */
/* The ACL of a port: rules, connections, fragments, changes under traffic. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/polbed.h"
#include "vswitch/parse.h"

TestSuite(vsw_acl, .init = eal_up);

#define IN  VSW_POLICY_INGRESS
#define OUT VSW_POLICY_EGRESS
#define A   0x0A000001u /* 10.0.0.1, the port's own */
#define B   0x0A000002u
#define C   0xC0A80001u

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

static struct polbed bed;
static struct vsw_acl_rule rules[8];
static struct vsw_policy_cfg cfg = {.rules = rules};

static struct vsw_acl_rule *add(const char *name, uint8_t layer, uint8_t action)
{
	struct vsw_acl_rule *r = &rules[cfg.nr_rules++];

	*r = polbed_rule(name, layer);
	r->action = action;
	return r;
}

static struct vsw_policy *make(struct vsw_policy *old)
{
	struct vsw_policy *pol = NULL;

	cr_assert_eq(vsw_policy_create(&pol, &cfg, 2, old), 0, "%s", err_text());
	return pol;
}

static struct vsw_policy *start(void)
{
	polbed_init(&bed);
	return make(NULL);
}

static struct polbed_pkt udp(uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport)
{
	return (struct polbed_pkt){
		.proto = 17, .src = src, .dst = dst, .sport = sport, .dport = dport};
}

static struct polbed_pkt tcp(uint32_t src, uint16_t sport, uint32_t dst, uint16_t dport,
			     uint8_t flags)
{
	struct polbed_pkt p = udp(src, sport, dst, dport);

	p.proto = 6;
	p.tcp = flags;
	return p;
}

static struct polbed_pkt echo(uint32_t src, uint32_t dst, uint8_t type, uint8_t id)
{
	return (struct polbed_pkt){
		.proto = 1, .src = src, .dst = dst, .icmp = {type, 0, 0, 0, 0, id}};
}

static struct vsw_policy_status status_of(const struct vsw_policy *pol)
{
	struct vsw_policy_status st;

	vsw_policy_status(pol, bed.v.now_tsc, &st);
	return st;
}

static uint64_t hits(const struct vsw_policy *pol, uint32_t i)
{
	struct vsw_policy_rule r;

	cr_assert(vsw_policy_rule(pol, i, &r));
	return r.hits;
}

#define assert_passes(pol, way, p) cr_assert_eq(polbed_one(&bed, pol, way, &(p)), VSW_DROP_none)
#define assert_denied(pol, way, p) \
	cr_assert_eq(polbed_one(&bed, pol, way, &(p)), VSW_DROP_acl_denied)

/* ---- Rules ---------------------------------------------------------------------------------- */

Test(vsw_acl, the_first_rule_that_matches_decides)
{
	struct polbed_pkt p = udp(A, 1000, B, 53), q = udp(A, 1000, B, 54);
	struct vsw_policy *pol;

	add("dns", VSW_ACL_IP4, VSW_ACL_PERMIT)->proto = 17;
	rules[0].dst_port = (struct vsw_acl_range){53, 53};
	add("udp", VSW_ACL_IP4, VSW_ACL_DENY)->proto = 17;
	add("all", VSW_ACL_IP4, VSW_ACL_PERMIT);
	pol = start();
	assert_passes(pol, IN, p);
	assert_denied(pol, IN, q);
	q.proto = 6;
	assert_passes(pol, IN, q);
	cr_assert_eq(hits(pol, 0), 1);
	cr_assert_eq(hits(pol, 1), 1);
	cr_assert_eq(hits(pol, 2), 1);
	cr_assert_eq(status_of(pol).drops[VSW_POLICY_DROP_acl_rule], 1);
	vsw_policy_destroy(pol);
}

Test(vsw_acl, each_way_has_its_rules_and_its_default)
{
	struct polbed_pkt p = udp(A, 1, B, 2);
	struct vsw_policy *pol;

	add("out", VSW_ACL_IP4, VSW_ACL_DENY)->ways = VSW_ACL_EGRESS;
	rules[0].dst_port = (struct vsw_acl_range){2, 2};
	rules[0].proto = 17;
	pol = start();
	assert_passes(pol, IN, p);
	assert_denied(pol, OUT, p);
	vsw_policy_destroy(pol);
	cfg.default_ip[IN] = VSW_ACL_DENY;
	pol = start();
	assert_denied(pol, IN, p);
	p.dport = 3;
	assert_passes(pol, OUT, p);
	cr_assert_eq(status_of(pol).default_permits, 1);
	cr_assert_eq(status_of(pol).drops[VSW_POLICY_DROP_acl_default], 1);
	vsw_policy_destroy(pol);
}

Test(vsw_acl, prefixes_ranges_and_icmp_types_are_exact_at_their_edges)
{
	struct polbed_pkt p = udp(A, 1, 0xC0A800FF, 100), e = echo(A, B, 8, 1);
	struct vsw_policy *pol;

	add("net", VSW_ACL_IP4, VSW_ACL_DENY)->dst =
		(struct vsw_acl_prefix){.addr = {192, 168, 0, 0}, .len = 24};
	add("ports", VSW_ACL_IP4, VSW_ACL_DENY)->proto = 17;
	rules[1].dst_port = (struct vsw_acl_range){1000, 1999};
	add("ping", VSW_ACL_IP4, VSW_ACL_DENY)->proto = 1;
	rules[2].has_icmp_type = true;
	rules[2].icmp_type = 8;
	pol = start();
	assert_denied(pol, IN, p);
	p.dst = 0xC0A80100;
	assert_passes(pol, IN, p);
	p.dport = 999;
	assert_passes(pol, IN, p);
	p.dport = 1000;
	assert_denied(pol, IN, p);
	p.dport = 1999;
	assert_denied(pol, IN, p);
	p.dport = 2000;
	assert_passes(pol, IN, p);
	assert_denied(pol, IN, e);
	e.icmp[0] = 0;
	assert_passes(pol, IN, e);
	vsw_policy_destroy(pol);
}

Test(vsw_acl, ipv6_prefixes_of_any_length_match)
{
	static const uint8_t lens[] = {1, 8, 16, 31, 32, 33, 64, 96, 127, 128};
	struct polbed_pkt p = udp(0, 1, 7, 2);
	struct vsw_policy *pol;
	unsigned int i;

	p.is_v6 = true;
	for (i = 0; i < sizeof(lens); i++) {
		cfg.nr_rules = 0;
		add("a", VSW_ACL_IP6, VSW_ACL_DENY)->dst =
			(struct vsw_acl_prefix){.addr = {0xFD}, .len = lens[i]};
		rules[0].dst.addr[15] = lens[i] == 128 ? 7 : lens[i] == 127 ? 6 : 0;
		if (lens[i] == 1)
			rules[0].dst.addr[0] = 0x80;
		pol = start();
		assert_denied(pol, IN, p);
		p.dst = 5; /* differs in the last two bits */
		if (lens[i] > 126)
			assert_passes(pol, IN, p);
		else
			assert_denied(pol, IN, p);
		p.dst = 7;
		vsw_policy_destroy(pol);
	}
}

Test(vsw_acl, ethernet_rules_come_first_and_what_is_not_ip_ends_there)
{
	static const uint8_t arp[60] = {[5] = 2, [11] = 1, [12] = 8, [13] = 6};
	struct polbed_pkt p = udp(A, 1, B, 2);
	struct vsw_policy *pol;

	add("arp", VSW_ACL_ETHER, VSW_ACL_PERMIT)->ether_type = ETH_TYPE_ARP;
	add("mac", VSW_ACL_ETHER, VSW_ACL_DENY)->dst_mac =
		(struct vsw_acl_mac){.addr = {0, 0, 0, 0, 0, 2}, .mask = {0, 0, 0, 0, 0, 0xFE}};
	cfg.default_ether[IN] = VSW_ACL_DENY;
	pol = start();
	polbed_put_raw(&bed, arp, 60, 60);
	cr_assert_eq(polbed_run(&bed, pol, IN), 1);
	polbed_put_raw(&bed, arp, 60, 60);
	bed.v.slot[0].pkt.ether_type = 0x9999;
	cr_assert_eq(polbed_run(&bed, pol, IN), 0);
	assert_denied(pol, IN, p);
	cr_assert_eq(hits(pol, 0), 1);
	cr_assert_eq(hits(pol, 1), 2, "the ARP rule came first, the others were for this MAC");
	vsw_policy_destroy(pol);
}

Test(vsw_acl, frames_that_are_not_ip_pass_a_denial_of_ip)
{
	static const uint8_t arp[60] = {[5] = 2, [11] = 1, [12] = 8, [13] = 6};
	struct vsw_policy *pol;

	cfg.default_ip[IN] = VSW_ACL_DENY;
	pol = start();
	polbed_put_raw(&bed, arp, 60, 60);
	cr_assert_eq(polbed_run(&bed, pol, IN), 1);
	vsw_policy_destroy(pol);
}

Test(vsw_acl, a_further_tag_does_not_hide_a_packet)
{
	static const uint8_t frame[60] = {[12] = 0x88, [13] = 0xA8, [16] = 8};
	struct vsw_policy *pol;

	cfg.default_ip[IN] = VSW_ACL_DENY;
	pol = start();
	polbed_put_raw(&bed, frame, 60, 60);
	cr_assert_eq(polbed_run(&bed, pol, IN), 0);
	cr_assert_eq(status_of(pol).drops[VSW_POLICY_DROP_acl_tagged], 1);
	vsw_policy_destroy(pol);
	add("q-in-q", VSW_ACL_ETHER, VSW_ACL_PERMIT)->ether_type = 0x88A8;
	pol = start();
	polbed_put_raw(&bed, frame, 60, 60);
	cr_assert_eq(polbed_run(&bed, pol, IN), 1);
	vsw_policy_destroy(pol);
}

Test(vsw_acl, a_burst_of_all_kinds_is_judged_packet_by_packet)
{
	struct vsw_policy *pol;
	struct polbed_pkt p;
	uint16_t i;

	add("odd", VSW_ACL_IP4, VSW_ACL_DENY)->proto = 17;
	rules[0].dst_port = (struct vsw_acl_range){7, 7};
	add("odd6", VSW_ACL_IP6, VSW_ACL_DENY)->proto = 6;
	rules[1].dst_port = (struct vsw_acl_range){7, 7};
	pol = start();
	for (i = 0; i < VSW_VEC_SIZE; i++) {
		p = udp(A, i / 7, B, i % 3 ? 7 : 8);
		p.is_v6 = i % 2;
		p.proto = i % 5 ? 17 : 6;
		polbed_put(&bed, &p);
	}
	polbed_run(&bed, pol, IN);
	for (i = 0; i < VSW_VEC_SIZE; i++)
		cr_assert_eq(bed.why[i] != 0, i % 3 && (i % 2 ? !(i % 5) : i % 5 != 0), "packet %u",
			     i);
	vsw_policy_destroy(pol);
}

/* ---- Connections ---------------------------------------------------------------------------- */

/* All that enters is permitted and stateful; nothing goes to the port else. */
static struct vsw_policy *stateful(void)
{
	cfg.default_ip[OUT] = VSW_ACL_DENY;
	add("any4", VSW_ACL_IP4, VSW_ACL_PERMIT)->is_stateful = true;
	rules[0].ways = VSW_ACL_INGRESS;
	add("any6", VSW_ACL_IP6, VSW_ACL_PERMIT)->is_stateful = true;
	rules[1].ways = VSW_ACL_INGRESS;
	return start();
}

Test(vsw_acl, the_reply_of_a_connection_passes_without_a_rule)
{
	struct polbed_pkt go = udp(A, 1000, B, 53), back = udp(B, 53, A, 1000);
	struct vsw_policy *pol = stateful();
	unsigned int v6;

	for (v6 = 0; v6 < 2; v6++) {
		go.is_v6 = back.is_v6 = v6;
		assert_denied(pol, OUT, back);
		assert_passes(pol, IN, go);
		assert_passes(pol, OUT, back);
		back.sport = 54;
		assert_denied(pol, OUT, back);
		back.sport = 53;
		back.src = C;
		assert_denied(pol, OUT, back);
		back.src = B;
		assert_passes(pol, OUT, back);
		cr_assert_eq(hits(pol, v6), 3, "with the replies");
	}
	cr_assert_eq(status_of(pol).connections, 2);
	cr_assert_eq(status_of(pol).connection_packets, 4);
	vsw_policy_destroy(pol);
}

Test(vsw_acl, vlans_have_connections_of_their_own)
{
	struct polbed_pkt go = udp(A, 1000, B, 53), back = udp(B, 53, A, 1000);
	struct vsw_policy *pol = stateful();

	go.vlan = 5;
	assert_passes(pol, IN, go);
	assert_denied(pol, OUT, back);
	back.vlan = 5;
	assert_passes(pol, OUT, back);
	vsw_policy_destroy(pol);
}

Test(vsw_acl, a_syn_of_the_other_side_is_no_reply)
{
	struct polbed_pkt go = tcp(A, 1000, B, 80, SYN), back = tcp(B, 80, A, 1000, SYN | ACK);
	struct vsw_policy *pol = stateful();

	assert_passes(pol, IN, go);
	assert_passes(pol, OUT, back);
	back.tcp = SYN;
	assert_denied(pol, OUT, back);
	back.tcp = ACK;
	assert_passes(pol, OUT, back);
	vsw_policy_destroy(pol);
}

Test(vsw_acl, a_connection_is_forgotten_after_its_idle_time_and_kept_by_traffic)
{
	struct polbed_pkt go = udp(A, 1000, B, 53), back = udp(B, 53, A, 1000);
	struct vsw_policy *pol;
	unsigned int i;

	cfg.idle.other = 10;
	cfg.idle.other_new = 3;
	pol = stateful();
	assert_passes(pol, IN, go);
	polbed_wait(&bed, 4000);
	assert_denied(pol, OUT, back);
	assert_passes(pol, IN, go);
	for (i = 0; i < 5; i++) {
		polbed_wait(&bed,
			    2500 + (i > 0) * 6000); /* answered: it may be silent for longer */
		assert_passes(pol, OUT, back);
	}
	cr_assert_eq(status_of(pol).connections, 1);
	polbed_wait(&bed, 12000);
	assert_denied(pol, OUT, back);
	cr_assert_eq(status_of(pol).connections, 0);
	vsw_policy_destroy(pol);
}

Test(vsw_acl, tcp_ends_with_both_fins_or_a_reset)
{
	struct polbed_pkt go = tcp(A, 1000, B, 80, SYN), back = tcp(B, 80, A, 1000, SYN | ACK);
	struct vsw_policy *pol;
	unsigned int i;

	cfg.idle.tcp = 100;
	cfg.idle.tcp_end = 5;
	pol = stateful();
	for (i = 0; i < 2; i++) {
		go.sport = back.dport = (uint16_t)(1000 + i);
		go.tcp = SYN;
		back.tcp = SYN | ACK;
		assert_passes(pol, IN, go);
		assert_passes(pol, OUT, back);
		go.tcp = ACK | (i ? RST : FIN);
		assert_passes(pol, IN, go);
		if (!i) {
			back.tcp = ACK;
			polbed_wait(&bed, 50000); /* half closed: goes on */
			assert_passes(pol, OUT, back);
			back.tcp = ACK | FIN;
			assert_passes(pol, OUT, back);
		}
		polbed_wait(&bed, 7000);
		assert_denied(pol, OUT, back);
	}
	vsw_policy_destroy(pol);
}

Test(vsw_acl, a_reset_opens_no_connection)
{
	struct polbed_pkt go = tcp(A, 1000, B, 80, RST), back = tcp(B, 80, A, 1000, ACK);
	struct vsw_policy *pol = stateful();

	assert_passes(pol, IN, go);
	assert_denied(pol, OUT, back);
	vsw_policy_destroy(pol);
}

Test(vsw_acl, tcp_flags_behind_the_private_bytes_are_seen)
{
	struct polbed_pkt go = tcp(A, 1000, B, 80, RST), back = tcp(B, 80, A, 1000, ACK);
	struct vsw_policy *pol = stateful();

	go.is_v6 = back.is_v6 = true;
	go.hdr_len = 64; /* flags are byte 67 */
	assert_passes(pol, IN, go);
	cr_assert_geq(bed.v.slot[0].pkt.hdr_len, 68, "what was judged is private");
	assert_denied(pol, OUT, back);
	vsw_policy_destroy(pol);
}

Test(vsw_acl, echo_replies_pass_and_requests_of_the_other_side_do_not)
{
	struct polbed_pkt go = echo(A, B, 8, 7), back = echo(B, A, 0, 7), other = echo(B, A, 8, 7);
	struct vsw_policy *pol = stateful();

	assert_denied(pol, OUT, back);
	assert_passes(pol, IN, go);
	assert_passes(pol, OUT, back);
	assert_denied(pol, OUT, other);
	back.icmp[5] = 8;
	assert_denied(pol, OUT, back);
	go.is_v6 = back.is_v6 = true;
	go.proto = back.proto = 58;
	go.icmp[0] = 128;
	back.icmp[0] = 129;
	back.icmp[5] = 7;
	assert_denied(pol, OUT, back);
	assert_passes(pol, IN, go);
	assert_passes(pol, OUT, back);
	vsw_policy_destroy(pol);
}

/* An ICMP error to @to about @about, which @to sent. */
static struct polbed_pkt error_about(uint32_t from, uint32_t to, const struct polbed_pkt *about)
{
	struct polbed_pkt e = {.proto = about->is_v6 ? 58 : 1,
			       .is_v6 = about->is_v6,
			       .src = from,
			       .dst = to,
			       .icmp = {about->is_v6 ? 1 : 3}};
	static uint8_t tail[128];

	bed.v.n = 0;
	e.tail_len = about->is_v6 ? 48 : 28;
	memcpy(tail, polbed_put(&bed, about) + 14, e.tail_len);
	bed.v.n = 0;
	e.tail = tail;
	e.hdr_len = 64; /* the rest is fetched */
	return e;
}

Test(vsw_acl, icmp_errors_about_a_connection_pass_and_others_do_not)
{
	struct polbed_pkt go = udp(A, 1000, B, 53), e;
	struct vsw_policy *pol = stateful();
	unsigned int v6;

	for (v6 = 0; v6 < 2; v6++) {
		go.is_v6 = v6;
		go.sport = 1000;
		e = error_about(C, A, &go);
		assert_denied(pol, OUT, e);
		assert_passes(pol, IN, go);
		assert_passes(pol, OUT, e);
		e.dst = C; /* not who sent it */
		assert_denied(pol, OUT, e);
		go.sport = 1001;
		e = error_about(C, A, &go);
		assert_denied(pol, OUT, e);
	}
	cr_assert_eq(status_of(pol).related, 2);
	vsw_policy_destroy(pol);
}

Test(vsw_acl, a_change_keeps_connections_that_the_new_rules_permit_and_ends_the_others)
{
	struct polbed_pkt dns = udp(A, 1000, B, 53), dns_back = udp(B, 53, A, 1000);
	struct polbed_pkt web = tcp(A, 1001, B, 80, SYN), web_back = tcp(B, 80, A, 1001, ACK);
	struct polbed_pkt ping = echo(A, B, 8, 7), ping_back = echo(B, A, 0, 7);
	struct vsw_policy *old = stateful(), *pol;

	assert_passes(old, IN, dns);
	assert_passes(old, IN, web);
	assert_passes(old, IN, ping);
	cfg.nr_rules = 0;
	add("web", VSW_ACL_IP4, VSW_ACL_DENY)->proto = 6;
	add("any4", VSW_ACL_IP4, VSW_ACL_PERMIT)->is_stateful = true;
	rules[1].ways = VSW_ACL_INGRESS;
	pol = make(old);
	assert_passes(old, OUT, web_back); /* the old one goes on until it is replaced */
	assert_passes(pol, OUT, dns_back);
	assert_passes(pol, OUT, ping_back);
	assert_denied(pol, OUT, web_back);
	cr_assert_eq(status_of(pol).revoked, 1);
	dns.sport = dns_back.dport = 1005; /* opened while the change is under way */
	assert_passes(old, IN, dns);
	assert_passes(pol, OUT, dns_back);
	vsw_policy_destroy(old);
	assert_passes(pol, OUT, dns_back);
	vsw_policy_destroy(pol);
}

Test(vsw_acl, a_change_of_the_size_takes_connections_over)
{
	struct polbed_pkt go = udp(A, 0, B, 53), back = udp(B, 53, A, 0);
	struct vsw_policy *old = stateful(), *pol;
	uint16_t i;

	for (i = 0; i < 500; i++) {
		go.sport = i;
		go.is_v6 = i & 1;
		assert_passes(old, IN, go);
	}
	cfg.max_connections = 1000;
	pol = make(old);
	vsw_policy_destroy(old);
	cr_assert_eq(status_of(pol).connections, 500);
	for (i = 0; i < 500; i++) {
		back.dport = i;
		back.is_v6 = i & 1;
		assert_passes(pol, OUT, back);
	}
	vsw_policy_destroy(pol);
}

Test(vsw_acl, hits_go_on_under_a_rule_s_name)
{
	struct polbed_pkt p = udp(A, 1, B, 2);
	struct vsw_policy *old, *pol;

	add("a", VSW_ACL_IP4, VSW_ACL_DENY)->proto = 6;
	add("b", VSW_ACL_IP4, VSW_ACL_PERMIT);
	old = start();
	assert_passes(old, IN, p);
	assert_passes(old, IN, p);
	cfg.nr_rules = 0;
	add("b", VSW_ACL_IP4, VSW_ACL_PERMIT);
	add("c", VSW_ACL_IP4, VSW_ACL_PERMIT);
	pol = make(old);
	vsw_policy_destroy(old);
	assert_passes(pol, IN, p);
	cr_assert_eq(hits(pol, 0), 3);
	cr_assert_eq(hits(pol, 1), 0);
	vsw_policy_destroy(pol);
}

/* ---- Fragments and what hides ports ---------------------------------------------------------- */

static struct polbed_pkt later(const struct polbed_pkt *first)
{
	struct polbed_pkt p = *first;

	p.frag = first->is_v6 ? 0x0010 : 0x0002;
	p.sport = 0x3132; /* payload */
	p.dport = 80;
	return p;
}

static struct polbed_pkt first_of(uint32_t src, uint16_t dport, uint16_t id, bool is_v6)
{
	struct polbed_pkt p = udp(src, 1000, B, dport);

	p.id = id;
	p.is_v6 = p.is_fragment = is_v6;
	p.frag = is_v6 ? 1 : 0x2000;
	return p;
}

Test(vsw_acl, later_fragments_follow_their_first_one)
{
	struct vsw_policy *pol;
	struct polbed_pkt f, l;
	unsigned int v6;

	add("no22", VSW_ACL_IP4, VSW_ACL_DENY)->proto = 17;
	rules[0].dst_port = (struct vsw_acl_range){22, 22};
	add("no22", VSW_ACL_IP6, VSW_ACL_DENY)->proto = 17;
	rules[1].dst_port = (struct vsw_acl_range){22, 22};
	pol = start();
	for (v6 = 0; v6 < 2; v6++) {
		f = first_of(A, 80, 5, v6);
		l = later(&f);
		assert_denied(pol, IN, l); /* what it belongs to is not known */
		assert_passes(pol, IN, f);
		assert_passes(pol, IN, l);
		assert_passes(pol, IN, l);
		assert_denied(pol, OUT, l);
		l.id = 6;
		assert_denied(pol, IN, l);
		l.id = 5;
		l.src = C;
		assert_denied(pol, IN, l);
		l.src = A;
		polbed_wait(&bed, 30000);
		assert_denied(pol, IN, l);
		f = first_of(A, 22, 7, v6);
		l = later(&f);
		assert_denied(pol, IN, f);
		assert_denied(pol, IN, l);
	}
	cr_assert_eq(status_of(pol).fragments, 4);
	cr_assert_eq(status_of(pol).drops[VSW_POLICY_DROP_acl_fragment], 12);
	vsw_policy_destroy(pol);
}

Test(vsw_acl, fragments_in_one_burst_are_judged_in_their_order)
{
	struct polbed_pkt f = first_of(A, 80, 5, false), l = later(&f);
	struct vsw_policy *pol;

	add("web", VSW_ACL_IP4, VSW_ACL_PERMIT)->proto = 17;
	rules[0].dst_port = (struct vsw_acl_range){80, 80};
	cfg.default_ip[IN] = VSW_ACL_DENY;
	pol = start();
	polbed_put(&bed, &l);
	polbed_put(&bed, &f);
	polbed_put(&bed, &l);
	cr_assert_eq(polbed_run(&bed, pol, IN), 2);
	cr_assert_eq(bed.why[0], VSW_DROP_acl_denied);
	vsw_policy_destroy(pol);
}

Test(vsw_acl, a_permission_with_ports_is_not_for_later_fragments)
{
	struct polbed_pkt f = first_of(A, 80, 5, false), l = later(&f);
	struct vsw_policy *pol;

	add("web", VSW_ACL_IP4, VSW_ACL_PERMIT)->proto = 17;
	rules[0].dst_port = (struct vsw_acl_range){80, 80};
	cfg.default_ip[IN] = VSW_ACL_DENY;
	pol = start();
	assert_denied(pol, IN, l);
	assert_passes(pol, IN, f);
	assert_passes(pol, IN, l);
	vsw_policy_destroy(pol);
}

Test(vsw_acl, rules_without_ports_are_for_later_fragments_too)
{
	struct polbed_pkt f = first_of(A, 80, 5, false), l = later(&f);
	struct vsw_policy *pol;

	add("from", VSW_ACL_IP4, VSW_ACL_PERMIT)->proto = 17;
	rules[0].src = (struct vsw_acl_prefix){.addr = {10, 0, 0, 1}, .len = 32};
	add("rest", VSW_ACL_IP4, VSW_ACL_DENY);
	pol = start();
	assert_passes(pol, IN, l);
	l.src = C;
	assert_denied(pol, IN, l);
	vsw_policy_destroy(pol);
}

Test(vsw_acl, fragments_of_a_reply_pass_with_its_connection)
{
	struct polbed_pkt go = udp(A, 1000, B, 53), f = first_of(B, 1000, 9, false), l;
	struct vsw_policy *pol = stateful();

	f.dst = A;
	f.sport = 53;
	l = later(&f);
	assert_passes(pol, IN, go);
	assert_denied(pol, OUT, l);
	assert_passes(pol, OUT, f);
	assert_passes(pol, OUT, l);
	vsw_policy_destroy(pol);
}

Test(vsw_acl, a_chain_behind_the_private_bytes_is_fetched)
{
	struct polbed_pkt p = udp(A, 1000, B, 22);
	struct vsw_policy *pol;

	p.is_v6 = true;
	p.ext_first = 60;
	p.ext_len = 40;
	p.ext[0] = 17;
	p.ext[1] = 4;
	p.hdr_len = 64;
	add("no22", VSW_ACL_IP6, VSW_ACL_DENY)->proto = 17;
	rules[0].dst_port = (struct vsw_acl_range){22, 22};
	pol = start();
	assert_denied(pol, IN, p);
	p.dport = 23;
	assert_passes(pol, IN, p);
	vsw_policy_destroy(pol);
}

Test(vsw_acl, a_chain_that_does_not_end_bypasses_no_denial)
{
	struct polbed_pkt p = udp(A, 1000, B, 22);
	struct vsw_policy *pol;

	p.is_v6 = true;
	p.ext_first = 60;
	p.ext_len = 88;
	p.ext[0] = 60;
	p.ext[1] = 9;
	p.ext[80] = 17; /* byte 134 of the frame */
	add("no22", VSW_ACL_IP6, VSW_ACL_DENY)->proto = 17;
	rules[0].dst_port = (struct vsw_acl_range){22, 22};
	rules[0].src = (struct vsw_acl_prefix){.addr = {0xFD}, .len = 8};
	add("udp", VSW_ACL_IP6, VSW_ACL_PERMIT)->proto = 17;
	pol = start();
	assert_denied(pol, IN, p);
	cr_assert_eq(status_of(pol).drops[VSW_POLICY_DROP_acl_chain], 1);
	rules[0].src.addr[0] =
		0xFC; /* another network: then it may only be what the default says */
	vsw_policy_destroy(pol);
	pol = start();
	assert_passes(pol, IN, p);
	cr_assert_eq(hits(pol, 1), 0, "whether it is UDP is not known");
	vsw_policy_destroy(pol);
}
