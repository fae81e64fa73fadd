/* SPDX-License-Identifier: BSD-3-Clause */
/* What a hostile guest says to vPCI: cut, long, out of order, of other slots and versions, unknown. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/vpcibed.h"

static struct pcibed b;

static void setup(void)
{
	pcibed_init(&b);
	pcibed_open(&b);
}

static void teardown(void)
{
	pcibed_fini(&b);
}

TestSuite(sriov_vpci_hostile, .init = setup, .fini = teardown, .timeout = 60);

struct sized {
	uint32_t type, len;
};

static const struct sized requests[] = {
	{VPCI_QUERY_RESOURCE_REQS, sizeof(struct vpci_slot_msg)},
	{VPCI_D0ENTRY, sizeof(struct vpci_d0_entry)},
	{VPCI_READ_BLOCK, sizeof(struct vpci_read_block)},
	{VPCI_WRITE_BLOCK, offsetof(struct vpci_write_block, data)},
	{VPCI_EJECTION_COMPLETE, sizeof(struct vpci_ejection_complete)},
	{VPCI_RESOURCES_ASSIGNED, VPCI_RESOURCES_BYTES},
	{VPCI_RESOURCES_ASSIGNED2, VPCI_RESOURCES2_BYTES},
	{VPCI_RESOURCES_RELEASED, sizeof(struct vpci_slot_msg)},
	{VPCI_QUERY_PROTOCOL_VERSION, sizeof(struct vpci_version_query)},
	{VPCI_CREATE_INTERRUPT, sizeof(struct vpci_create_interrupt)},
	{VPCI_CREATE_INTERRUPT2, sizeof(struct vpci_create_interrupt2)},
	{VPCI_CREATE_INTERRUPT3, sizeof(struct vpci_create_interrupt3)},
	{VPCI_DELETE_INTERRUPT, sizeof(struct vpci_delete_interrupt)},
	{VPCI_POWER_STATE_CHANGE, sizeof(struct vpci_slot_msg)},
};

#define NR_REQUESTS (sizeof(requests) / sizeof(requests[0]))

Test(sriov_vpci_hostile, messages_that_are_cut_end_the_channel)
{
	for (unsigned int i = 0; i < NR_REQUESTS; i++) {
		uint8_t msg[256] = {0};

		memcpy(msg, &requests[i].type, 4);
		pcibed_start(&b, VPCI_V1_4);
		pcibed_send(&b, msg, (requests[i].len - 1) / 8 * 8);
		cr_assert(strstr(pcibed_fault(&b), "bytes"), "%s", b.ch->why);
		pcibed_taken_back(&b);
		teardown();
		setup();
	}
}

Test(sriov_vpci_hostile, a_message_without_a_type_ends_the_channel)
{
	pcibed_send(&b, NULL, 0);
	cr_assert(strstr(pcibed_fault(&b), "message of 0 bytes"), "%s", b.ch->why);
}

Test(sriov_vpci_hostile, messages_that_are_too_long_end_the_channel)
{
	uint8_t msg[264] = {0};
	uint32_t type = VPCI_QUERY_RESOURCE_REQS;

	memcpy(msg, &type, 4);
	pcibed_start(&b, VPCI_V1_4);
	cr_assert_eq(pcibed_ask(&b, msg, 256, NULL, 0), 0);
	pcibed_send(&b, msg, sizeof(msg));
	cr_assert(strstr(pcibed_fault(&b), "264 bytes"), "%s", b.ch->why);
	pcibed_taken_back(&b);
	cr_assert_eq(b.vf.nr_resets, 1);
}

Test(sriov_vpci_hostile, packets_of_other_types_end_the_channel)
{
	uint32_t type = VPCI_QUERY_BUS_RELATIONS;

	pcibed_agree(&b, VPCI_V1_4);
	bed_send(b.ch, VMBUS_PKT_COMPLETION, 0, 0, NULL, 0, &type, sizeof(type));
	cr_assert(strstr(pcibed_fault(&b), "packet of type 11"), "%s", b.ch->why);
}

Test(sriov_vpci_hostile, a_wrong_slot_is_no_such_device)
{
	static const uint32_t slots[] = {1, 0x20, 0x100, ~0u};
	uint64_t before;

	pcibed_start(&b, VPCI_V1_4);
	before = pcibed_status(&b).refused;
	for (unsigned int i = 0; i < 4; i++) {
		cr_assert_eq(pcibed_ask_slot(&b, VPCI_QUERY_RESOURCE_REQS, slots[i]),
			     VPCI_STATUS_NO_SUCH_DEVICE);
		cr_assert_eq(pcibed_assign(&b, slots[i]), VPCI_STATUS_NO_SUCH_DEVICE);
		cr_assert_eq(pcibed_irq(&b, slots[i], 1, NULL), VPCI_STATUS_NO_SUCH_DEVICE);
		cr_assert_eq(pcibed_ask_slot(&b, VPCI_RESOURCES_RELEASED, slots[i]),
			     VPCI_STATUS_NO_SUCH_DEVICE);
		fakevf_write(&b.vf, WIN_GPA, 4, slots[i]);
		cr_assert_eq(fakevf_read(&b.vf, WIN_GPA, 4), slots[i]);
		cr_assert_eq(pcibed_rd(&b, 0, 4), ~0u);
		pcibed_wr(&b, 4, 2, 0);
	}
	cr_assert_eq(pcibed_status(&b).refused, before + 16);
	fakevf_write(&b.vf, WIN_GPA, 4, 0);
	cr_assert_eq(pcibed_rd(&b, 4, 2), 6);
}

Test(sriov_vpci_hostile, nothing_is_to_be_had_before_a_version_or_d0)
{
	for (unsigned int i = 0; i < NR_REQUESTS; i++) {
		uint8_t msg[256] = {0};

		memcpy(msg, &requests[i].type, 4);
		if (requests[i].type != VPCI_QUERY_PROTOCOL_VERSION)
			cr_assert_eq(pcibed_ask(&b, msg, requests[i].len, NULL, 0),
				     VPCI_STATUS_INVALID_DEVICE_STATE, "0x%x", requests[i].type);
	}
	cr_assert_eq(b.vf.window[0].len, 0);
	pcibed_agree(&b, VPCI_V1_4);
	cr_assert_eq(pcibed_irq(&b, 0, 1, NULL), VPCI_STATUS_INVALID_DEVICE_STATE);
	cr_assert_eq(pcibed_assign(&b, 0), VPCI_STATUS_INVALID_DEVICE_STATE);
	cr_assert_eq(b.vf.nr_irqs, 0);
}

Test(sriov_vpci_hostile, messages_of_later_versions_are_not_supported)
{
	struct vpci_create_interrupt3 c3 = {VPCI_CREATE_INTERRUPT3, 0, 0, 0, 0, 1, 1, {0}};
	struct vpci_create_interrupt2 c2 = {VPCI_CREATE_INTERRUPT2, 0, 0, 0, 1, 1, {0}};

	pcibed_agree(&b, VPCI_V1_3);
	pcibed_d0(&b, WIN_GPA);
	cr_assert_eq(pcibed_ask(&b, &c3, sizeof(c3), NULL, 0), VPCI_STATUS_NOT_SUPPORTED);
	cr_assert_eq(pcibed_ask(&b, &c2, sizeof(c2), NULL, 0), 0);
	bed_close(b.ch);
	pcibed_open(&b);
	pcibed_agree(&b, VPCI_V1_1);
	pcibed_d0(&b, WIN_GPA);
	cr_assert_eq(pcibed_ask(&b, &c2, sizeof(c2), NULL, 0), VPCI_STATUS_NOT_SUPPORTED);
}

Test(sriov_vpci_hostile, iov_8_config_blocks_are_not_supported)
{
	struct vpci_write_block wr = {VPCI_WRITE_BLOCK, 1, 0, 128, {0}};
	struct vpci_read_block rd = {VPCI_READ_BLOCK, 1, 0, 128};

	pcibed_start(&b, VPCI_V1_4);
	cr_assert_eq(pcibed_ask(&b, &rd, sizeof(rd), NULL, 0), 0xC00000BB);
	cr_assert_eq(pcibed_ask(&b, &wr, sizeof(wr), NULL, 0), 0xC00000BB);
}

Test(sriov_vpci_hostile, unknown_messages_are_counted_and_completed)
{
	static const uint32_t types[] = {0, 0x42490000, 0x42490002, 0x4249001A, 0x4249001C, ~0u};
	struct vpci_status st;

	pcibed_start(&b, VPCI_V1_4);
	for (unsigned int i = 0; i < 6; i++) {
		cr_assert_eq(pcibed_ask_slot(&b, types[i], 0), VPCI_STATUS_NOT_SUPPORTED);
		pcibed_send(&b, &types[i], 4);
	}
	cr_assert_eq(pcibed_ask_slot(&b, VPCI_POWER_STATE_CHANGE, 0), 0);
	cr_assert_eq(pcibed_ask_slot(&b, 0x42490006, 0), VPCI_STATUS_NOT_SUPPORTED);
	st = pcibed_status(&b);
	cr_assert_eq(st.unknown, 12);
	cr_assert_eq(st.refused, 13);
}
