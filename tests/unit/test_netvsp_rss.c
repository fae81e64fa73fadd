/* SPDX-License-Identifier: BSD-3-Clause */
/* Receive side scaling: the hash is the published one, the table is what the guest said, and no entry
 * names a channel that is not there. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "netvsp/priv.h"

/* The key of the published verification suite. */
static const uint8_t key[NDIS_RSS_KEY_SIZE] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
	0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
	0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

static struct netvsp_nic *nic;
static struct vsw_slot slot;

static void setup(void)
{
	nic = aligned_alloc(64, (sizeof(*nic) + 63) & ~63ul);
	memset(nic, 0, sizeof(*nic));
	nic->st = calloc(1, sizeof(*nic->st));
	nic->st->nr_subs = 7;
	slot.pkt.hdr_off = VSW_SNAP_OFF;
}

static void teardown(void)
{
	free(nic->st);
	free(nic);
}

TestSuite(netvsp_rss, .init = setup, .fini = teardown);

/* ---- Frames -------------------------------------------------------------------------------- */

#define TCP 6u
#define UDP 17u

struct flow {
	uint8_t src[16], dst[16];
	uint16_t sport, dport;
	uint32_t with_ports, without;
};

static void put16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void frame_v4(const struct flow *f, uint8_t proto, uint8_t ihl)
{
	uint8_t *p = slot.snap;

	memset(p, 0, sizeof(slot.snap));
	put16(p + 12, 0x0800);
	p[14] = (uint8_t)(0x40 | ihl / 4);
	p[23] = proto;
	memcpy(p + 26, f->src, 4);
	memcpy(p + 30, f->dst, 4);
	put16(p + 14 + ihl, f->sport);
	put16(p + 16 + ihl, f->dport);
	slot.pkt.len = slot.pkt.hdr_len = 84;
}

static void frame_v6(const struct flow *f, uint8_t proto)
{
	uint8_t *p = slot.snap;

	memset(p, 0, sizeof(slot.snap));
	put16(p + 12, 0x86DD);
	p[14] = 0x60;
	p[20] = proto;
	memcpy(p + 22, f->src, 16);
	memcpy(p + 38, f->dst, 16);
	put16(p + 54, f->sport);
	put16(p + 56, f->dport);
	slot.pkt.len = slot.pkt.hdr_len = 84;
}

static uint8_t queue(void)
{
	uint32_t hash;

	return netvsp_rss_hash(nic, &slot.pkt, &hash) ? netvsp_rss_queue(nic, hash) : 0;
}

/* The hash, read back a bit at a time through a table of 128 entries. */
static uint32_t low_bits_of_hash(void)
{
	uint32_t v = 0, bit, i;

	memcpy(nic->st->rss_key, key, sizeof(key));
	nic->st->rss_entries = 128;
	for (bit = 0; bit < 7; bit++) {
		for (i = 0; i < 128; i++)
			nic->st->rss_table[i] = i >> bit & 1;
		v |= (uint32_t)queue() << bit;
	}
	return v;
}

/* ---- Published vectors ---------------------------------------------------------------------- */

static const struct flow v4[] = {
	{{66, 9, 149, 187}, {161, 142, 100, 80}, 2794, 1766, 0x51ccc178, 0x323e8fc2},
	{{199, 92, 111, 2}, {65, 69, 140, 83}, 14230, 4739, 0xc626b0ea, 0xd718262a},
	{{24, 19, 198, 95}, {12, 22, 207, 184}, 12898, 38024, 0x5c2b394a, 0xd2d0a5de},
	{{38, 27, 205, 30}, {209, 142, 163, 6}, 48228, 2217, 0xafc7327f, 0x82989176},
	{{153, 39, 163, 191}, {202, 188, 127, 2}, 44251, 1303, 0x10e828a2, 0x5d1809c5},
};

static const struct flow v6[] = {
	{{0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0x1f, 0xff, 0, 0, 0, 0, 0, 0, 0, 7},
	 {0x3f, 0xfe, 0x25, 0x01, 0x02, 0x00, 0, 0x03, 0, 0, 0, 0, 0, 0, 0, 1},
	 2794,
	 1766,
	 0x40207d3d,
	 0x2cc18cd5},
	{{0x3f, 0xfe, 0x05, 0x01, 0x00, 0x08, 0, 0, 0x02, 0x60, 0x97, 0xff, 0xfe, 0x40, 0xef, 0xab},
	 {0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
	 14230,
	 4739,
	 0xdde51bbf,
	 0x0f0c461c},
	{{0x3f, 0xfe, 0x19, 0x00, 0x45, 0x45, 0x00, 0x03, 0x02, 0x00, 0xf8, 0xff, 0xfe, 0x21, 0x67,
	  0xcf},
	 {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0x02, 0x00, 0xf8, 0xff, 0xfe, 0x21, 0x67, 0xcf},
	 44251,
	 38024,
	 0x02d1feef,
	 0x4b61e985},
};

Test(netvsp_rss, hashes_ipv4_as_published)
{
	unsigned int i;

	for (i = 0; i < 5; i++) {
		frame_v4(&v4[i], TCP, 20);
		cr_expect_eq(low_bits_of_hash(), v4[i].with_ports & 127, "TCP %u", i);
		frame_v4(&v4[i], UDP, 20);
		cr_expect_eq(low_bits_of_hash(), v4[i].with_ports & 127, "UDP %u", i);
		frame_v4(&v4[i], 1, 20);
		cr_expect_eq(low_bits_of_hash(), v4[i].without & 127, "ICMP %u", i);
	}
}

Test(netvsp_rss, hashes_ipv6_as_published)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		frame_v6(&v6[i], TCP);
		cr_expect_eq(low_bits_of_hash(), v6[i].with_ports & 127, "TCP %u", i);
		frame_v6(&v6[i], 58);
		cr_expect_eq(low_bits_of_hash(), v6[i].without & 127, "ICMPv6 %u", i);
	}
}

Test(netvsp_rss, finds_the_ports_behind_ipv4_options)
{
	frame_v4(&v4[0], TCP, 60);
	cr_assert_eq(low_bits_of_hash(), v4[0].with_ports & 127);
}

Test(netvsp_rss, fragments_of_one_packet_go_one_way)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		frame_v4(&v4[0], TCP, 20);
		slot.snap[20 + i] = i ? 1 : 0x20; /* more follow, or an offset */
		cr_expect_eq(low_bits_of_hash(), v4[0].without & 127, "%u", i);
	}
}

Test(netvsp_rss, a_frame_cut_before_its_ports_is_hashed_by_addresses)
{
	frame_v4(&v4[1], TCP, 20);
	slot.pkt.hdr_len = 37;
	cr_expect_eq(low_bits_of_hash(), v4[1].without & 127);
	slot.pkt.hdr_len = 38;
	cr_expect_eq(low_bits_of_hash(), v4[1].with_ports & 127);
	slot.pkt.hdr_len = 33;
	cr_expect_eq(low_bits_of_hash(), 0);
}

Test(netvsp_rss, what_is_not_ip_goes_to_the_primary)
{
	frame_v4(&v4[0], TCP, 20);
	memset(nic->st->rss_table, 5, sizeof(nic->st->rss_table));
	nic->st->rss_entries = 128;
	cr_expect_eq(queue(), 5);
	put16(slot.snap + 12, 0x0806);
	cr_expect_eq(queue(), 0);
	slot.pkt.hdr_len = slot.pkt.len = 14;
	put16(slot.snap + 12, 0x0800);
	cr_expect_eq(queue(), 0);
	put16(slot.snap + 12, 0x86DD);
	cr_expect_eq(queue(), 0);
}

/* ---- RECEIVE_SCALE_PARAMETERS --------------------------------------------------------------- */

struct params {
	struct ndis_rss_params p;
	uint32_t table[128];
	uint8_t key[NDIS_RSS_KEY_SIZE];
};

static struct params params(void)
{
	struct params p = {.p = {.hdr = {NDIS_OBJECT_RSS_PARAMS, 2, 40},
				 .hash_info = 0x1701,
				 .table_size = 512,
				 .table_offset = 40,
				 .key_size = 40,
				 .key_offset = 40 + 512}};
	unsigned int i;

	for (i = 0; i < 128; i++)
		p.table[i] = i % 8;
	memcpy(p.key, key, sizeof(key));
	return p;
}

static uint32_t set(const struct params *p, uint32_t len)
{
	uint8_t *exact = malloc(len ? len : 1); /* a sanitizer sees one byte too many */
	uint32_t status;

	memcpy(exact, p, len);
	status = netvsp_rss_set(nic, exact, len);
	free(exact);
	return status;
}

Test(netvsp_rss, takes_table_and_key)
{
	struct params p = params();
	unsigned int i;

	cr_assert_eq(set(&p, sizeof(p)), RNDIS_STATUS_SUCCESS);
	cr_assert_eq(nic->st->rss_on, 1);
	cr_assert_eq(nic->st->rss_entries, 128);
	cr_assert_eq(nic->st->rss_hash_info, 0x1701);
	for (i = 0; i < 128; i++)
		cr_assert_eq(nic->st->rss_table[i], i % 8);
	cr_assert_arr_eq(nic->st->rss_key, key, sizeof(key));
}

Test(netvsp_rss, entries_that_name_no_channel_fall_to_the_primary)
{
	struct params p = params();
	const uint32_t bad[] = {8, 255, 256, 0x10001, UINT32_MAX};
	unsigned int i;

	for (i = 0; i < 5; i++)
		p.table[i] = bad[i];
	cr_assert_eq(set(&p, sizeof(p)), RNDIS_STATUS_SUCCESS);
	for (i = 0; i < 5; i++)
		cr_expect_eq(nic->st->rss_table[i], 0, "%u", bad[i]);
	cr_assert_eq(nic->st->rss_table[7], 7);
}

Test(netvsp_rss, a_guest_without_sub_channels_is_not_spread)
{
	struct params p = params();
	unsigned int i;

	nic->st->nr_subs = 0;
	cr_assert_eq(set(&p, sizeof(p)), RNDIS_STATUS_SUCCESS);
	cr_assert_eq(nic->st->rss_on, 0);
	for (i = 0; i < 128; i++)
		cr_assert_eq(nic->st->rss_table[i], 0);
}

Test(netvsp_rss, what_is_unchanged_stays)
{
	struct params p = params();

	cr_assert_eq(set(&p, sizeof(p)), RNDIS_STATUS_SUCCESS);
	memset(p.table, 0, sizeof(p.table));
	memset(p.key, 0, sizeof(p.key));
	p.p.flags = NDIS_RSS_TABLE_UNCHANGED | NDIS_RSS_KEY_UNCHANGED;
	p.p.table_size = 0;
	p.p.key_size = 0;
	cr_assert_eq(set(&p, 40), RNDIS_STATUS_SUCCESS);
	cr_assert_eq(nic->st->rss_table[7], 7);
	cr_assert_arr_eq(nic->st->rss_key, key, sizeof(key));
}

Test(netvsp_rss, disabling_wins_over_everything_else)
{
	struct params p = params();

	cr_assert_eq(set(&p, sizeof(p)), RNDIS_STATUS_SUCCESS);
	p.p.flags = NDIS_RSS_DISABLE;
	p.p.table_offset = UINT32_MAX;
	cr_assert_eq(set(&p, 40), RNDIS_STATUS_SUCCESS);
	cr_assert_eq(nic->st->rss_on, 0);
	cr_assert_eq(nic->st->rss_entries, 128);
}

static const struct {
	const char *what;
	size_t off;
	uint32_t value;
	uint32_t bytes;
} bad_fields[] = {
	{"table of no entry", offsetof(struct ndis_rss_params, table_size), 0, 2},
	{"table of a cut entry", offsetof(struct ndis_rss_params, table_size), 510, 2},
	{"table larger than told", offsetof(struct ndis_rss_params, table_size), 516, 2},
	{"table beyond the end", offsetof(struct ndis_rss_params, table_offset), 81, 4},
	{"table far beyond", offsetof(struct ndis_rss_params, table_offset), 593, 4},
	{"table that wraps", offsetof(struct ndis_rss_params, table_offset), UINT32_MAX - 3, 4},
	{"key too short", offsetof(struct ndis_rss_params, key_size), 39, 2},
	{"key too long", offsetof(struct ndis_rss_params, key_size), 41, 2},
	{"key beyond the end", offsetof(struct ndis_rss_params, key_offset), 553, 4},
	{"key far beyond", offsetof(struct ndis_rss_params, key_offset), 593, 4},
	{"key that wraps", offsetof(struct ndis_rss_params, key_offset), UINT32_MAX - 3, 4},
};

Test(netvsp_rss, each_wrong_field_is_refused)
{
	unsigned int i;

	for (i = 0; i < sizeof(bad_fields) / sizeof(bad_fields[0]); i++) {
		struct params p = params();

		memcpy((uint8_t *)&p + bad_fields[i].off, &bad_fields[i].value,
		       bad_fields[i].bytes);
		cr_expect_eq(set(&p, sizeof(p)), RNDIS_STATUS_INVALID_LENGTH, "%s",
			     bad_fields[i].what);
		cr_expect_eq(nic->st->rss_on, 0, "%s", bad_fields[i].what);
	}
}

/* A refused request changes nothing: half of one would be a table for another key. */
Test(netvsp_rss, a_wrong_key_leaves_the_table_as_it_was)
{
	struct params p = params(), before;
	unsigned int i;

	cr_assert_eq(set(&p, sizeof(p)), RNDIS_STATUS_SUCCESS);
	before = p;
	memset(p.table, 0, sizeof(p.table));
	p.p.key_size = 39;
	cr_assert_eq(set(&p, sizeof(p)), RNDIS_STATUS_INVALID_LENGTH);
	for (i = 0; i < 128; i++)
		cr_assert_eq(nic->st->rss_table[i], before.table[i]);
}

Test(netvsp_rss, a_request_cut_at_any_byte_is_refused)
{
	struct params p = params();
	uint32_t len;

	for (len = 0; len < sizeof(p); len++)
		cr_expect_eq(set(&p, len), RNDIS_STATUS_INVALID_LENGTH, "%u", len);
	p.p.hdr.type = NDIS_OBJECT_RSS_CAPS;
	cr_expect_eq(set(&p, sizeof(p)), RNDIS_STATUS_INVALID_DATA);
}
