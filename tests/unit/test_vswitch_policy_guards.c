/* SPDX-License-Identifier: BSD-3-Clause */
/* DHCP guard and router guard, and what tries to get around them. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/eal.h"
#include "tests/support/polbed.h"

TestSuite(vsw_guards, .init = eal_up);

static struct polbed bed;

static struct vsw_policy *make(bool dhcp, bool router)
{
	struct vsw_policy_cfg cfg = {.dhcp_guard = dhcp, .router_guard = router};
	struct vsw_policy *pol = NULL;

	polbed_init(&bed);
	cr_assert_eq(vsw_policy_create(&pol, &cfg, 1, NULL), 0, "%s", err_text());
	return pol;
}

static struct polbed_pkt udp(bool is_v6, uint16_t sport, uint16_t dport, const uint8_t *kind)
{
	return (struct polbed_pkt){.is_v6 = is_v6,
				   .proto = 17,
				   .sport = sport,
				   .dport = dport,
				   .tail = kind,
				   .tail_len = kind ? 20 : 0};
}

static struct polbed_pkt icmp6(uint8_t type)
{
	return (struct polbed_pkt){
		.is_v6 = true, .is_local = true, .proto = 58, .icmp = {type}, .dst = 1};
}

#define assert_is(pol, p, reason) \
	cr_assert_eq(polbed_one(&bed, pol, VSW_POLICY_INGRESS, &(p)), VSW_DROP_##reason)

Test(vsw_guards, dhcp_messages_of_servers_are_dropped_and_those_of_clients_and_relays_pass)
{
	static const uint8_t kinds[256][20] = {{0}, {1}, {2}};
	static const struct {
		bool is_v6;
		uint16_t sport, dport;
		uint8_t kind;
		bool is_dropped;
	} row[] = {
		{false, 67, 68, 2, true},    {false, 67, 68, 1, true},
		{false, 4000, 68, 2, true},  {false, 67, 67, 2, true},
		{false, 67, 67, 1, false},   {false, 4000, 67, 2, true},
		{false, 68, 67, 1, false},   {false, 67, 67, 0, true},
		{false, 68, 69, 2, false},   {false, 53, 5353, 2, false},
		{false, 547, 546, 2, false},
	};
	struct vsw_policy *pol = make(true, false);
	struct vsw_policy_status st;
	unsigned int i;

	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		struct polbed_pkt p =
			udp(row[i].is_v6, row[i].sport, row[i].dport, kinds[row[i].kind]);

		cr_assert_eq(polbed_one(&bed, pol, VSW_POLICY_INGRESS, &p),
			     row[i].is_dropped ? VSW_DROP_dhcp_guard : 0, "row %u", i);
	}
	vsw_policy_status(pol, 0, &st);
	cr_assert_eq(st.drops[VSW_POLICY_DROP_dhcp_server], 6);
	vsw_policy_destroy(pol);
}

Test(vsw_guards, dhcpv6_messages_of_servers_are_dropped_by_their_type)
{
	struct vsw_policy *pol = make(true, false);
	uint8_t type[20] = {0};
	struct polbed_pkt p;

	p = udp(true, 547, 546, type);
	assert_is(pol, p, dhcp_guard);
	p = udp(true, 9, 546, type);
	assert_is(pol, p, dhcp_guard);
	for (type[0] = 1; type[0] <= 13; type[0]++) {
		bool is_server = type[0] == 2 || type[0] == 7 || type[0] == 10 || type[0] == 13;

		p = udp(true, 547, 547, type);
		cr_assert_eq(polbed_one(&bed, pol, VSW_POLICY_INGRESS, &p),
			     is_server ? VSW_DROP_dhcp_guard : 0, "type %u", type[0]);
		p = udp(true, 546, 547, type);
		cr_assert_eq(polbed_one(&bed, pol, VSW_POLICY_INGRESS, &p),
			     is_server ? VSW_DROP_dhcp_guard : 0, "type %u", type[0]);
	}
	vsw_policy_destroy(pol);
}

Test(vsw_guards, what_only_routers_send_is_dropped)
{
	struct vsw_policy *pol = make(false, true);
	struct polbed_pkt p;
	unsigned int type;

	for (type = 0; type < 256; type++) {
		p = icmp6((uint8_t)type);
		cr_assert_eq(polbed_one(&bed, pol, VSW_POLICY_INGRESS, &p),
			     type == 134 || type == 137 ? VSW_DROP_router_guard : 0, "type %u",
			     type);
		p = (struct polbed_pkt){.proto = 1, .icmp = {(uint8_t)type}};
		cr_assert_eq(polbed_one(&bed, pol, VSW_POLICY_INGRESS, &p),
			     type == 9 || type == 5 ? VSW_DROP_router_guard : 0, "type %u", type);
	}
	vsw_policy_destroy(pol);
}

Test(vsw_guards, egress_is_not_guarded)
{
	struct vsw_policy *pol = make(true, true);

	cr_assert(vsw_policy_has(pol, VSW_POLICY_INGRESS));
	cr_assert(!vsw_policy_has(pol, VSW_POLICY_EGRESS));
	vsw_policy_destroy(pol);
}

Test(vsw_guards, extension_headers_do_not_hide_an_advertisement)
{
	static const uint8_t ext[] = {0, 43, 60, 51, 135, 139, 140};
	struct vsw_policy *pol = make(false, true);
	struct polbed_pkt p = icmp6(134);
	unsigned int i, len;

	for (i = 0; i < sizeof(ext); i++) {
		for (len = 1; len <= 8; len++) {
			memset(p.ext, 0, sizeof(p.ext));
			p.ext_first = ext[i];
			p.ext[0] = 58;
			p.ext[1] = (uint8_t)(ext[i] == 51 ? len * 2 - 2 : len - 1);
			p.ext_len = (uint8_t)(len * 8);
			p.hdr_len = 64;
			assert_is(pol, p, router_guard);
		}
	}
	p.ext[1] = 0; /* no RA behind */
	p.ext_len = 8;
	p.ext_first = 60;
	p.icmp[0] = 128;
	assert_is(pol, p, none);
	vsw_policy_destroy(pol);
}

Test(vsw_guards, a_chain_longer_than_what_can_be_seen_is_dropped_from_link_local_only)
{
	struct vsw_policy *pol = make(false, true), *dhcp = make(true, false);
	struct polbed_pkt p = icmp6(134);

	p.ext_first = 60;
	p.ext[0] = 60;
	p.ext[1] = 9;
	p.ext[80] = 58;
	p.ext_len = 88;
	assert_is(pol, p, router_guard);
	assert_is(dhcp, p, dhcp_guard);
	p.is_local = false; /* hosts do not take it */
	assert_is(pol, p, none);
	assert_is(dhcp, p, dhcp_guard);
	vsw_policy_destroy(pol);
	vsw_policy_destroy(dhcp);
}

Test(vsw_guards, fragments_do_not_hide_an_advertisement)
{
	struct vsw_policy *pol = make(false, true);
	struct polbed_pkt p = icmp6(134);

	p.is_fragment = true;
	assert_is(pol, p, router_guard); /* atomic */
	p.frag = 1;
	assert_is(pol, p, router_guard);
	p.icmp[0] = 128;
	assert_is(pol, p, none);
	p.icmp[0] = 134;
	p.frag = 8 | 1;
	assert_is(pol, p, none); /* nothing comes of it without a first one */
	p.frag = 1;
	p.proto = 60; /* options behind the fragment header that do not end within it */
	assert_is(pol, p, router_guard);
	vsw_policy_destroy(pol);
}

/* The first fragment ends within its extension headers. */
Test(vsw_guards, a_first_fragment_without_its_upper_header_is_dropped)
{
	static uint8_t frame[70] = {[12] = 0x86, [13] = 0xDD, [14] = 0x60, [20] = 44, [22] = 0xFE,
				    [23] = 0x80, [54] = 60,   [57] = 1,	   [62] = 58};
	struct vsw_policy *pol = make(false, true);

	polbed_put_raw(&bed, frame, 70, 70);
	cr_assert_eq(polbed_run(&bed, pol, VSW_POLICY_INGRESS), 0);
	frame[57] = 0; /* not a fragment: nothing will follow */
	polbed_put_raw(&bed, frame, 70, 70);
	cr_assert_eq(polbed_run(&bed, pol, VSW_POLICY_INGRESS), 1);
	vsw_policy_destroy(pol);
}

Test(vsw_guards, snap_and_further_tags_do_not_hide_an_advertisement)
{
	static const uint16_t tags[] = {0x88A8, 0x9100, 0x9200, 0x8100};
	struct vsw_policy *pol = make(false, true);
	struct polbed_pkt p = icmp6(134);
	static const uint8_t llc[] = {0, 70, 0xAA, 0xAA, 3, 0, 0, 0, 0x86, 0xDD};
	uint8_t frame[100] = {0};
	unsigned int i;

	memcpy(frame, polbed_put(&bed, &p), 62);
	bed.v.n = 0;
	memmove(frame + 22, frame + 14, 62);
	memcpy(frame + 12, llc, sizeof(llc));
	polbed_put_raw(&bed, frame, 90, 90);
	cr_assert_eq(polbed_run(&bed, pol, VSW_POLICY_INGRESS), 0);
	for (i = 0; i < 4; i++) {
		frame[12] = (uint8_t)(tags[i] >> 8);
		frame[13] = (uint8_t)tags[i];
		polbed_put_raw(&bed, frame, 90, 90);
		cr_assert_eq(polbed_run(&bed, pol, VSW_POLICY_INGRESS), 0, "%#x", tags[i]);
	}
	frame[12] = 0x88; /* LLDP */
	frame[13] = 0xCC;
	polbed_put_raw(&bed, frame, 90, 90);
	cr_assert_eq(polbed_run(&bed, pol, VSW_POLICY_INGRESS), 1);
	vsw_policy_destroy(pol);
}

Test(vsw_guards, the_kind_behind_the_private_bytes_is_fetched_and_becomes_private)
{
	static const uint8_t reply[20] = {2};
	struct vsw_policy *pol = make(true, false);
	struct polbed_pkt p = udp(false, 67, 67, reply);

	p.hdr_len = 42;
	assert_is(pol, p, dhcp_guard);
	cr_assert_geq(bed.v.slot[0].pkt.hdr_len, 43);
	vsw_policy_destroy(pol);
}
