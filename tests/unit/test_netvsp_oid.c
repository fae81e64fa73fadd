/* SPDX-License-Identifier: BSD-3-Clause */
/* OIDs: every answer has the exact size that drivers expect, no answer is longer than its room, and
 * what a guest sets is taken or refused as a whole. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "netvsp/priv.h"

#define ROOM 488u /* what a query's answer has */

static struct netvsp_nic *nic;

static void setup(void)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};

	nic = aligned_alloc(64, (sizeof(*nic) + 63) & ~63ul);
	memset(nic, 0, sizeof(*nic));
	nic->st = calloc(1, sizeof(*nic->st));
	nic->cfg.mtu = 1500;
	nic->cfg.max_channels = 8;
	nic->cfg.link_mbps = 100000;
	strcpy(nic->cfg.name, "vm/0");
	memcpy(nic->cfg.mac, mac, 6);
	memcpy(nic->mac, mac, 6);
	nic->st->packet_filter = 0x0D;
}

static void teardown(void)
{
	free(nic->st);
	free(nic);
}

TestSuite(netvsp_oid, .init = setup, .fini = teardown);

/* The sizes and values of the table that Linux and DPDK are written against. */
static const struct {
	uint32_t oid;
	int32_t len;
	uint64_t value; /* of answers up to 4 bytes */
} known[] = {
	{OID_GEN_HARDWARE_STATUS, 4, 0},
	{OID_GEN_MEDIA_SUPPORTED, 4, 0},
	{OID_GEN_MEDIA_IN_USE, 4, 0},
	{OID_GEN_MAXIMUM_FRAME_SIZE, 4, 1500},
	{OID_GEN_LINK_SPEED, 4, 1000000000},
	{OID_GEN_TRANSMIT_BLOCK_SIZE, 4, 1514},
	{OID_GEN_RECEIVE_BLOCK_SIZE, 4, 1514},
	{OID_GEN_VENDOR_ID, 4, 0x00FFFFFF},
	{OID_GEN_CURRENT_PACKET_FILTER, 4, 0x0D},
	{OID_GEN_DRIVER_VERSION, 4, 0x061E},
	{OID_GEN_MAXIMUM_TOTAL_SIZE, 4, 1514},
	{OID_GEN_MAC_OPTIONS, 4, 9},
	{OID_GEN_MEDIA_CONNECT_STATUS, 4, 0},
	{OID_GEN_MAXIMUM_SEND_PACKETS, 4, 32},
	{OID_802_3_MAXIMUM_LIST_SIZE, 4, 32},
	{OID_802_3_PERMANENT_ADDRESS, 6, 0},
	{OID_802_3_CURRENT_ADDRESS, 6, 0},
	{OID_GEN_VENDOR_DESCRIPTION, 24, 0},
	{OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES, 156, 0},
	{OID_TCP_OFFLOAD_CURRENT_CONFIG, 156, 0},
	{OID_GEN_RECEIVE_SCALE_CAPABILITIES, 18, 0},
	{OID_GEN_FRIENDLY_NAME, 8, 0},
	{OID_GEN_SUPPORTED_LIST, 92, 0},
};

#define NR_KNOWN (sizeof(known) / sizeof(known[0]))

static int32_t query(uint32_t oid, const void *in, uint32_t in_len, uint8_t *buf, uint32_t room)
{
	return netvsp_oid_query(nic, oid, in, in_len, buf, room);
}

Test(netvsp_oid, every_answer_has_its_exact_size_and_value)
{
	unsigned int i;

	for (i = 0; i < NR_KNOWN; i++) {
		uint8_t buf[ROOM];
		uint32_t v;

		cr_expect_eq(query(known[i].oid, NULL, 0, buf, ROOM), known[i].len, "%08x",
			     known[i].oid);
		memcpy(&v, buf, 4);
		if (known[i].len == 4)
			cr_expect_eq(v, known[i].value, "%08x: %u", known[i].oid, v);
	}
}

Test(netvsp_oid, no_answer_is_longer_than_its_room)
{
	uint32_t room;
	unsigned int i;

	for (i = 0; i < NR_KNOWN; i++) {
		for (room = 0; room < (uint32_t)known[i].len; room++) {
			uint8_t *exact = malloc(room ? room : 1);

			cr_expect_eq((uint32_t)query(known[i].oid, NULL, 0, exact, room),
				     RNDIS_STATUS_BUFFER_SHORT, "%08x in %u", known[i].oid, room);
			free(exact);
		}
	}
}

Test(netvsp_oid, the_supported_list_names_what_is_answered)
{
	uint32_t list[23];
	uint8_t buf[ROOM];
	unsigned int i, k;

	cr_assert_eq(query(OID_GEN_SUPPORTED_LIST, NULL, 0, (uint8_t *)list, sizeof(list)), 92);
	for (i = 0; i < 23; i++) {
		cr_expect_gt(query(list[i], NULL, 0, buf, ROOM), 0, "%08x", list[i]);
		for (k = 0; k < NR_KNOWN && known[k].oid != list[i]; k++)
			;
		cr_expect_lt(k, NR_KNOWN, "%08x is new", list[i]);
		for (k = 0; k < i; k++)
			cr_expect_neq(list[i], list[k], "%08x twice", list[i]);
	}
}

Test(netvsp_oid, refuses_what_it_does_not_know)
{
	static const uint32_t oid[] = {0, OID_GEN_RNDIS_CONFIG_PARAMETER,
				       OID_TCP_OFFLOAD_PARAMETERS, 0x0101010A, UINT32_MAX};
	uint8_t buf[ROOM];
	unsigned int i;

	for (i = 0; i < sizeof(oid) / sizeof(oid[0]); i++)
		cr_expect_eq((uint32_t)query(oid[i], NULL, 0, buf, ROOM),
			     RNDIS_STATUS_NOT_SUPPORTED, "%08x", oid[i]);
	cr_assert_eq(netvsp_oid_set(nic, OID_802_3_PERMANENT_ADDRESS, buf, 6),
		     RNDIS_STATUS_NOT_SUPPORTED);
}

Test(netvsp_oid, a_link_faster_than_the_field_is_told_as_the_fastest)
{
	uint8_t buf[4];

	nic->cfg.link_mbps = 800000;
	cr_assert_eq(query(OID_GEN_LINK_SPEED, NULL, 0, buf, 4), 4);
	cr_assert_arr_eq(buf, "\xff\xff\xff\xff", 4);
}

Test(netvsp_oid, addresses_are_the_configured_and_the_current_one)
{
	const uint8_t now[6] = {2, 1, 2, 3, 4, 5};
	uint8_t buf[6];

	memcpy(nic->mac, now, 6);
	query(OID_802_3_PERMANENT_ADDRESS, NULL, 0, buf, 6);
	cr_assert_arr_eq(buf, nic->cfg.mac, 6);
	query(OID_802_3_CURRENT_ADDRESS, NULL, 0, buf, 6);
	cr_assert_arr_eq(buf, now, 6);
}

/* Header only: nothing is offered, so nothing may be set behind it. */
static void is_no_offload(const uint8_t *buf, uint8_t revision, uint16_t size)
{
	struct ndis_object_hdr h;
	uint32_t i;

	memcpy(&h, buf, sizeof(h));
	cr_expect_eq(h.type, 0xA7);
	cr_expect_eq(h.revision, revision);
	cr_expect_eq(h.size, size);
	for (i = sizeof(h); i < size; i++)
		cr_expect_eq(buf[i], 0, "byte %u", i);
}

Test(netvsp_oid, the_friendly_name_is_the_adapters)
{
	uint8_t buf[ROOM];

	cr_assert_eq(query(OID_GEN_FRIENDLY_NAME, NULL, 0, buf, ROOM), 8);
	cr_assert_arr_eq(buf, "v\0m\0/\0000\0", 8);
	memset(nic->cfg.name, 'x', sizeof(nic->cfg.name) - 1);
	cr_assert_eq(query(OID_GEN_FRIENDLY_NAME, NULL, 0, buf, ROOM), 62);
}

Test(netvsp_oid, offers_no_offload_in_the_revision_that_was_asked_for)
{
	const struct ndis_object_hdr rev3 = {0xA7, 3, 156}, rev1 = {0xA7, 1, 112},
				     rev2 = {0xA7, 2, 144}, tiny = {0xA7, 1, 111},
				     huge = {0xA7, 4, 0xFFFF};
	const uint32_t oid = OID_TCP_OFFLOAD_HARDWARE_CAPABILITIES;
	uint8_t buf[ROOM];

	nic->cfg.no_offload = true;
	memset(buf, 0x55, sizeof(buf));
	cr_assert_eq(query(oid, &rev3, 4, buf, ROOM), 156);
	is_no_offload(buf, 3, 156);
	cr_assert_eq(query(oid, &rev1, 4, buf, ROOM), 112);
	is_no_offload(buf, 1, 112);
	cr_assert_eq(query(oid, &rev2, 4, buf, ROOM), 144);
	is_no_offload(buf, 2, 144);
	cr_assert_eq(query(oid, &tiny, 4, buf, ROOM), 156);
	cr_assert_eq(query(oid, &huge, 4, buf, ROOM), 156);
	cr_assert_eq(query(oid, &rev1, 3, buf, ROOM), 156, "a header cut short says nothing");
}

Test(netvsp_oid, scaling_capabilities_tell_the_number_of_channels)
{
	uint8_t buf[18];
	uint32_t v;
	uint16_t entries;

	cr_assert_eq(query(OID_GEN_RECEIVE_SCALE_CAPABILITIES, NULL, 0, buf, 18), 18);
	cr_assert_arr_eq(buf, ((uint8_t[4]){0x88, 2, 18, 0}), 4);
	memcpy(&v, buf + 4, 4);
	cr_assert_eq(v, 0x301);
	memcpy(&v, buf + 12, 4);
	cr_assert_eq(v, 8);
	memcpy(&entries, buf + 16, 2);
	cr_assert_eq(entries, 128);
}

/* ---- Set ----------------------------------------------------------------------------------- */

Test(netvsp_oid, the_filter_turns_delivery_on_and_off)
{
	uint32_t f = 0x0D;

	nic->st->rndis_ready = 1;
	cr_assert_eq(netvsp_oid_set(nic, OID_GEN_CURRENT_PACKET_FILTER, (uint8_t *)&f, 3),
		     RNDIS_STATUS_INVALID_LENGTH);
	cr_assert_eq(netvsp_oid_set(nic, OID_GEN_CURRENT_PACKET_FILTER, (uint8_t *)&f, 4), 0);
	cr_assert_eq(atomic_load(&nic->rx_on), 0x0D);
	f = 0;
	cr_assert_eq(netvsp_oid_set(nic, OID_GEN_CURRENT_PACKET_FILTER, (uint8_t *)&f, 4), 0);
	cr_assert_eq(atomic_load(&nic->rx_on), 0);
}

Test(netvsp_oid, known_offload_requests_succeed_and_others_do_not)
{
	uint8_t p[28] = {0x80, 3, 28, 0, 1, 4, 4, 4, 4};

	cr_expect_eq(netvsp_oid_set(nic, OID_TCP_OFFLOAD_PARAMETERS, p, 28), 0);
	cr_expect_eq(netvsp_oid_set(nic, OID_TCP_OFFLOAD_PARAMETERS, p, 22), 0);
	cr_expect_eq(netvsp_oid_set(nic, OID_TCP_OFFLOAD_PARAMETERS, p, 3),
		     RNDIS_STATUS_INVALID_LENGTH);
	p[0] = 0x81;
	cr_expect_eq(netvsp_oid_set(nic, OID_TCP_OFFLOAD_PARAMETERS, p, 28),
		     RNDIS_STATUS_INVALID_DATA);
}

Test(netvsp_oid, a_multicast_list_is_whole_addresses)
{
	uint8_t list[12] = {0};

	cr_expect_eq(netvsp_oid_set(nic, OID_802_3_MULTICAST_LIST, list, 12), 0);
	cr_expect_eq(netvsp_oid_set(nic, OID_802_3_MULTICAST_LIST, list, 0), 0);
	cr_expect_eq(netvsp_oid_set(nic, OID_802_3_MULTICAST_LIST, list, 11),
		     RNDIS_STATUS_INVALID_LENGTH);
}

/* `ip link set address`: a name and a string of digits, both UTF-16. */
struct config {
	uint32_t name_offset, name_len, type, value_offset, value_len;
	uint8_t name[28];
	uint8_t value[24];
};

static struct config address(const char *digits)
{
	static const char name[] = "NetworkAddress";
	struct config c = {20, 28, 2, 48, 24};
	unsigned int i;

	for (i = 0; i < 14; i++)
		c.name[i * 2] = (uint8_t)name[i];
	for (i = 0; i < 12; i++)
		c.value[i * 2] = (uint8_t)digits[i];
	return c;
}

static uint32_t set_address(const struct config *c, uint32_t len)
{
	uint8_t *exact = malloc(len ? len : 1);
	uint32_t status;

	memcpy(exact, c, len);
	status = netvsp_oid_set(nic, OID_GEN_RNDIS_CONFIG_PARAMETER, exact, len);
	free(exact);
	return status;
}

Test(netvsp_oid, a_guest_that_may_spoof_sets_its_address)
{
	struct config c = address("02AbCdEf0123");

	nic->cfg.allow_spoofing = true;
	cr_assert_eq(set_address(&c, sizeof(c)), 0);
	cr_assert_arr_eq(nic->mac, "\x02\xab\xcd\xef\x01\x23", 6);
	cr_assert(nic->st->has_mac);
	cr_assert_arr_eq(nic->st->mac, nic->mac, 6);
}

Test(netvsp_oid, a_guarded_guest_may_only_set_the_address_it_has)
{
	struct config own = address("020000000001"), other = address("020000000002");

	cr_assert_eq(set_address(&own, sizeof(own)), 0);
	cr_assert_eq(set_address(&other, sizeof(other)), RNDIS_STATUS_INVALID_DATA);
	cr_assert_arr_eq(nic->mac, nic->cfg.mac, 6);
}

Test(netvsp_oid, an_address_that_is_none_is_refused)
{
	static const char *const bad[] = {"03AbCdEf0123", "02AbCdEf012G", "02AbCdEf012 ",
					  "02:bCdEf0123", "02AbCdEf01@3"};
	struct config c;
	unsigned int i;

	nic->cfg.allow_spoofing = true;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		c = address(bad[i]);
		cr_expect_eq(set_address(&c, sizeof(c)), RNDIS_STATUS_INVALID_DATA, "%s", bad[i]);
	}
	c = address("02AbCdEf0123");
	c.value[1] = 1; /* not a digit: the high half of a UTF-16 unit */
	cr_expect_eq(set_address(&c, sizeof(c)), RNDIS_STATUS_INVALID_DATA);
	cr_expect_arr_eq(nic->mac, nic->cfg.mac, 6);
}

Test(netvsp_oid, each_wrong_field_of_an_address_request_is_refused)
{
	static const struct {
		size_t off;
		uint32_t value;
	} bad[] = {{0, 73},	    {0, UINT32_MAX}, {0, 21},	      {4, 27},	{4, 29},
		   {4, UINT32_MAX}, {8, 0},	     {8, 1},	      {12, 49}, {12, UINT32_MAX},
		   {16, 23},	    {16, 25},	     {16, UINT32_MAX}};
	struct config c;
	uint32_t len;
	unsigned int i;

	nic->cfg.allow_spoofing = true;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		c = address("02AbCdEf0123");
		memcpy((uint8_t *)&c + bad[i].off, &bad[i].value, 4);
		cr_expect_neq(set_address(&c, sizeof(c)), 0, "%u at %zu", bad[i].value, bad[i].off);
	}
	c = address("02AbCdEf0123");
	for (len = 0; len < sizeof(c); len++)
		cr_expect_eq(set_address(&c, len), RNDIS_STATUS_INVALID_LENGTH, "%u", len);
}
