/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the layers of a frame begin, seen through the private bytes only. */
#include <criterion/criterion.h>
#include <string.h>

#include "vswitch/parse.h"
#include "vswitch/stages.h"

static struct vsw_slot slot;

/* A frame of @len bytes with @type, of which @hdr_len are private; all else zero. */
static uint8_t *frame(uint16_t type, uint16_t len, uint16_t hdr_len)
{
	memset(&slot, 0xEE, sizeof(slot));
	memset(&slot.pkt, 0, sizeof(slot.pkt));
	memset(slot.snap, 0, hdr_len);
	slot.pkt.hdr_off = VSW_SNAP_OFF;
	slot.pkt.len = len;
	slot.pkt.hdr_len = hdr_len;
	slot.snap[12] = (uint8_t)(type >> 8);
	slot.snap[13] = (uint8_t)type;
	return slot.snap;
}

static uint8_t *frame4(uint8_t words, uint8_t proto, uint16_t frag)
{
	uint8_t *f = frame(0x0800, 128, 128);

	f[14] = 0x40 | words;
	f[14 + 6] = (uint8_t)(frag >> 8);
	f[14 + 7] = (uint8_t)frag;
	f[14 + 9] = proto;
	return f;
}

static uint8_t *frame6(uint8_t next)
{
	uint8_t *f = frame(0x86DD, 128, 128);

	f[14] = 0x60;
	f[14 + 6] = next;
	return f;
}

#define assert_parsed(l3, l4, proto, version, fragment)                                  \
	do {                                                                             \
		vsw_parse(&slot.pkt);                                                    \
		cr_assert(slot.pkt.flags &NETHV_PKT_PARSED);                             \
		cr_assert_eq(slot.pkt.l3_off, (l3), "l3_off %u", slot.pkt.l3_off);       \
		cr_assert_eq(slot.pkt.l4_off, (l4), "l4_off %u", slot.pkt.l4_off);       \
		cr_assert_eq(slot.pkt.l4_proto, (proto), "proto %u", slot.pkt.l4_proto); \
		cr_assert_eq(slot.pkt.l3_version, (version));                            \
		cr_assert_eq(!!(slot.pkt.flags & NETHV_PKT_FRAGMENT), (fragment));       \
	} while (0)

Test(vsw_parse, finds_the_layers_of_ipv4_behind_options)
{
	frame4(5, 6, 0);
	assert_parsed(14, 34, 6, 4, false);
	frame4(15, 17, 0);
	assert_parsed(14, 74, 17, 4, false);
	cr_assert_eq(slot.pkt.ether_type, 0x0800);
}

Test(vsw_parse, an_ipv4_header_that_cannot_be_is_none)
{
	frame4(4, 6, 0);
	assert_parsed(0, 0, 0, 0, false);
	frame4(5, 6, 0)[14] = 0x65;
	assert_parsed(0, 0, 0, 0, false);
	frame4(5, 6, 0);
	slot.pkt.hdr_len = slot.pkt.len = 33;
	assert_parsed(0, 0, 0, 0, false);
}

Test(vsw_parse, first_fragments_have_an_l4_header_and_later_ones_none)
{
	frame4(5, 17, 0x2000);
	assert_parsed(14, 34, 17, 4, false);
	frame4(5, 17, 0x2001);
	assert_parsed(14, 0, 17, 4, true);
	frame4(5, 17, 0x1FFF);
	assert_parsed(14, 0, 17, 4, true);
	frame4(5, 17, 0x4000); /* may not be fragmented */
	assert_parsed(14, 34, 17, 4, false);
}

Test(vsw_parse, an_l4_header_counts_when_8_bytes_of_it_are_private)
{
	frame4(5, 17, 0);
	slot.pkt.hdr_len = 41;
	assert_parsed(14, 0, 17, 4, false);
	frame4(5, 17, 0);
	slot.pkt.hdr_len = 42;
	assert_parsed(14, 34, 17, 4, false);
}

Test(vsw_parse, walks_each_extension_header_of_ipv6)
{
	static const uint8_t eights[] = {0, 43, 60, 135, 139, 140};
	unsigned int i;
	uint8_t *f;

	frame6(58);
	assert_parsed(14, 54, 58, 6, false);
	for (i = 0; i < sizeof(eights); i++) {
		f = frame6(eights[i]);
		f[54] = 17;
		f[55] = 1; /* 16 bytes */
		assert_parsed(14, 70, 17, 6, false);
	}
	f = frame6(51);
	f[54] = 6;
	f[55] = 4; /* (4 + 2) * 4 */
	assert_parsed(14, 78, 6, 6, false);
	f = frame6(51);
	f[54] = 6; /* 0: 8 bytes */
	assert_parsed(14, 62, 6, 6, false);
}

Test(vsw_parse, walks_a_chain_and_stops_where_it_is_cut)
{
	uint8_t *f = frame6(0);

	f[54] = 60;
	f[62] = 43;
	f[70] = 44;
	f[78] = 6;
	assert_parsed(14, 86, 6, 6, false);
	slot.pkt.flags = 0;
	slot.pkt.hdr_len = 85; /* the fragment header is not wholly there */
	assert_parsed(14, 0, 44, 6, false);
	slot.pkt.flags = 0;
	slot.pkt.hdr_len = 86; /* TCP is not there, but known */
	assert_parsed(14, 0, 6, 6, false);
	f[55] = 255; /* leads far behind the frame */
	slot.pkt.flags = 0;
	slot.pkt.hdr_len = 128;
	assert_parsed(14, 0, 60, 6, false);
}

Test(vsw_parse, no_next_header_and_esp_end_the_chain)
{
	frame6(59);
	assert_parsed(14, 0, 59, 6, false);
	frame6(50);
	assert_parsed(14, 54, 50, 6, false);
}

Test(vsw_parse, fragments_of_ipv6_are_told_apart)
{
	static const struct {
		uint16_t value;
		uint8_t l4;
		bool is_later, is_fragment;
	} row[] = {
		{0x0000, 62, false, false}, /* atomic */
		{0x0006, 62, false, false}, /* reserved bits */
		{0x0001, 62, false, true},  {0x0008, 0, true, true}, {0xFFF9, 0, true, true},
	};
	struct vsw_chain c;
	unsigned int i;

	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		uint8_t *f = frame6(44);

		f[54] = 17;
		f[56] = (uint8_t)(row[i].value >> 8);
		f[57] = (uint8_t)row[i].value;
		f[58] = 0xAB;
		f[61] = 0xCD;
		assert_parsed(14, row[i].l4, 17, 6, row[i].is_later);
		cr_assert(vsw_ip_walk(f, 128, 14, 0x86DD, &c));
		cr_assert_eq(c.is_fragment, row[i].is_fragment, "row %u", i);
		cr_assert_eq(c.id, 0xAB0000CD);
	}
}

Test(vsw_parse, sees_through_llc_snap)
{
	static const uint8_t llc[] = {0xAA, 0xAA, 3, 0, 0, 0, 0x86, 0xDD, 0x60};
	uint8_t *f = frame(100, 128, 128);

	memcpy(f + 14, llc, sizeof(llc));
	f[22 + 6] = 58;
	assert_parsed(22, 62, 58, 6, false);
	cr_assert_eq(slot.pkt.ether_type, 0x86DD);
	f[14 + 3] = 1; /* another organisation's */
	slot.pkt.flags = 0;
	assert_parsed(0, 0, 0, 0, false);
	cr_assert_eq(slot.pkt.ether_type, 100);
}

Test(vsw_parse, keeps_offsets_of_an_offload_and_parses_once)
{
	frame4(5, 6, 0);
	slot.pkt.flags = NETHV_PKT_LSO;
	slot.pkt.l3_off = 14;
	slot.pkt.l4_off = 34;
	slot.pkt.hdr_len = 40;
	assert_parsed(14, 34, 6, 4, false);
	slot.snap[12] = 0;
	slot.pkt.hdr_len = 60;
	assert_parsed(14, 34, 6, 4, false);
	cr_assert_eq(slot.pkt.ether_type, 0x0800);
}

/* Cut at each byte: never more than is there, and what is not IP says so. */
Test(vsw_parse, a_frame_cut_anywhere_is_parsed_within_its_bytes)
{
	uint16_t n;

	for (n = 0; n <= 128; n++) {
		uint8_t *f = frame6(0);

		f[54] = 17;
		slot.pkt.len = slot.pkt.hdr_len = n;
		memset(f + n, 0xFF, VSW_SNAP_SIZE - n);
		vsw_parse(&slot.pkt);
		cr_assert_eq(slot.pkt.l3_version, n >= 54 ? 6 : 0, "%u bytes", n);
		cr_assert_eq(slot.pkt.l4_off, n >= 70 ? 62 : 0, "%u bytes", n);
	}
}
