/* SPDX-License-Identifier: BSD-3-Clause */
/* The RNDIS data parser: a valid message, then each field one too small and one too large, and the
 * message cut at every byte. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netvsp/rndis.h"

#define FRAME 60u

struct msg {
	struct rndis_packet h;
	uint8_t rest[128];
};

static struct msg plain(void)
{
	struct msg m = {.h = {.hdr = {RNDIS_MSG_PACKET, sizeof(struct rndis_packet) + FRAME},
			      .data_offset = 36,
			      .data_len = FRAME}};

	return m;
}

/* VLAN 5 priority 3, hash 0xabcd. */
static struct msg with_ppis(void)
{
	static const struct {
		struct rndis_ppi p1;
		uint32_t v1;
		struct rndis_ppi p2;
		uint32_t v2;
	} ppis = {{16, RNDIS_PPI_HASH, 12}, 0xabcd, {16, RNDIS_PPI_VLAN, 12}, 5u << 4 | 3};
	struct msg m = plain();

	memcpy(m.rest, &ppis, sizeof(ppis));
	m.h.hdr.len += 32;
	m.h.data_offset += 32;
	m.h.ppi_offset = 36;
	m.h.ppi_len = 32;
	return m;
}

static int parse(const struct msg *m, uint32_t avail, struct rndis_frame *f)
{
	return rndis_parse_packet((const uint8_t *)m, avail < 128 ? avail : 128, avail, f);
}

Test(rndis_packet, tells_where_the_frame_lies)
{
	struct msg m = plain();
	struct rndis_frame f;

	cr_assert_eq(parse(&m, m.h.hdr.len, &f), 0);
	cr_assert_eq(f.data_off, 44);
	cr_assert_eq(f.data_len, FRAME);
	cr_assert_eq(f.msg_len, 104);
	cr_assert(!f.has_vlan && !f.offloads);
}

Test(rndis_packet, takes_vlan_and_hash)
{
	struct msg m = with_ppis();
	struct rndis_frame f;

	cr_assert_eq(parse(&m, m.h.hdr.len, &f), 0);
	cr_assert_eq(f.data_off, 76);
	cr_assert(f.has_vlan);
	cr_assert_eq(f.vlan_tci, 3u << 13 | 5);
	cr_assert_eq(f.hash, 0xabcd);
}

Test(rndis_packet, names_offloads_that_are_asked_for)
{
	struct msg m = with_ppis();
	struct rndis_frame f;
	uint32_t type = RNDIS_PPI_LSO;

	memcpy(m.rest + 4, &type, 4);
	cr_assert_eq(parse(&m, m.h.hdr.len, &f), 0);
	cr_assert_eq(f.offloads, RNDIS_OFFLOAD_LSO);
	cr_assert_eq(f.lso, 0xabcd);
	type = RNDIS_PPI_CSUM;
	memcpy(m.rest + 4, &type, 4);
	cr_assert_eq(parse(&m, m.h.hdr.len, &f), 0);
	cr_assert_eq(f.offloads, RNDIS_OFFLOAD_CSUM);
	cr_assert_eq(f.csum, 0xabcd);
}

struct row {
	const char *what;
	size_t off; /* of the field in struct msg */
	uint32_t value;
};

#define H(f) offsetof(struct rndis_packet, f)
#define P(n) (sizeof(struct rndis_packet) + (n))

static const struct row bad[] = {
	{"type 0", H(hdr.type), 0},
	{"type 2", H(hdr.type), 2},
	{"length below the header", H(hdr.len), 43},
	{"length 0", H(hdr.len), 0},
	{"length one beyond what is there", H(hdr.len), 137},
	{"length all ones", H(hdr.len), UINT32_MAX},
	{"data inside the header", H(data_offset), 35},
	{"data beyond the message", H(data_offset), 129},
	{"data offset that wraps", H(data_offset), UINT32_MAX - 7},
	{"data offset 0", H(data_offset), 0},
	{"data one too long", H(data_len), FRAME + 1},
	{"data length that wraps", H(data_len), UINT32_MAX - 75},
	{"PPIs inside the header", H(ppi_offset), 35},
	{"PPIs behind the data", H(ppi_offset), 69},
	{"PPI offset that wraps", H(ppi_offset), UINT32_MAX - 3},
	{"PPIs into the data", H(ppi_len), 33},
	{"PPIs cut short", H(ppi_len), 11},
	{"PPI length that wraps", H(ppi_len), UINT32_MAX - 40},
	{"PPI of size 0", P(0), 0},
	{"PPI smaller than its header", P(0), 8},
	{"PPI larger than what is left", P(0), 36},
	{"PPI size not a multiple of 4", P(0), 14},
	{"second PPI larger than what is left", P(16), 20},
	{"PPI data inside its header", P(8), 8},
	{"PPI data beyond the PPI", P(8), 20},
	{"PPI without room for its value", P(8), 16},
};

Test(rndis_packet, refuses_each_wrong_field)
{
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct msg m = with_ppis();
		struct rndis_frame f;
		uint32_t avail = m.h.hdr.len;

		memcpy((uint8_t *)&m + bad[i].off, &bad[i].value, 4);
		cr_expect_eq(parse(&m, avail, &f), -EPROTO, "%s", bad[i].what);
	}
}

Test(rndis_packet, refuses_a_message_cut_at_any_byte)
{
	struct msg m = with_ppis();
	uint32_t n;

	for (n = 0; n < m.h.hdr.len; n++) {
		uint8_t *exact = malloc(n ? n : 1); /* a sanitizer sees one byte too many */
		struct rndis_frame f;

		memcpy(exact, &m, n);
		cr_expect_eq(rndis_parse_packet(exact, n < 128 ? n : 128, n, &f), -EPROTO, "%u", n);
		free(exact);
	}
}

Test(rndis_packet, refuses_ppis_outside_of_the_private_head)
{
	struct msg m = with_ppis();
	struct rndis_frame f;

	cr_assert_eq(rndis_parse_packet((uint8_t *)&m, 75, m.h.hdr.len, &f), -EPROTO);
	cr_assert_eq(rndis_parse_packet((uint8_t *)&m, 76, m.h.hdr.len, &f), 0);
}
