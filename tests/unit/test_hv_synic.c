/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages, event flags and the hypercalls that lead to them. */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/hvbed.h"

TestSuite(hv_synic, .init = bed_up, .fini = bed_down);

/* --- SynIC --------------------------------------------------------------------------------------- */

static uint32_t slot_number(void)
{
	uint32_t n;

	memcpy(&n, bed_slot(2)->payload, sizeof(n));
	return n;
}

Test(hv_synic, message_waits_until_everything_is_enabled)
{
	bed_post(1);
	bed_wrmsr(HV_MSR_SIMP, BED_SIMP | 1);
	cr_assert_eq(bed_slot(2)->type, 0);
	bed_wrmsr(HV_MSR_SCONTROL, 1);
	cr_assert_eq(bed_slot(2)->type, 0);
	cr_assert_eq(bed_script.nr_irqs[0], 0);
	bed_wrmsr(BED_SINT2, BED_VECTOR);
	cr_assert_eq(bed_slot(2)->type, 1);
	cr_assert_eq(bed_slot(2)->payload_size, 4);
	cr_assert_eq(bed_script.nr_irqs[0], 1);
	cr_assert_eq(bed_script.last_vector[0], BED_VECTOR);
	cr_assert_eq(bed_script.sint_vector[0][2], BED_VECTOR);
}

Test(hv_synic, message_pages_start_as_zeros)
{
	memset(bed_mem(BED_SIMP), 0xff, 4096);
	memset(bed_mem(BED_SIEFP), 0xff, 4096);
	bed_synic_on();
	cr_assert_eq(bed_slot(2)->type, 0);
	cr_assert_eq(*(uint64_t *)bed_mem(BED_SIEFP), 0);
	bed_slot(2)->type = 9;
	bed_wrmsr(HV_MSR_SIMP, BED_SIMP | 1); /* the same value again: nothing happens */
	cr_assert_eq(bed_slot(2)->type, 9);
}

Test(hv_synic, busy_slot_gets_the_pending_flag_and_eom_brings_the_next)
{
	bed_synic_on();
	bed_post(1);
	cr_assert_eq(bed_slot(2)->flags, 0);
	bed_post(2);
	cr_assert_eq(bed_slot(2)->flags, HV_MESSAGE_FLAG_PENDING);
	cr_assert_eq(slot_number(), 1);
	bed_wrmsr(HV_MSR_EOM, 0);
	cr_assert_eq(slot_number(), 1, "slot not freed: nothing moves");
	bed_slot(2)->type = 0;
	bed_wrmsr(HV_MSR_EOM, 0);
	cr_assert_eq(slot_number(), 2);
	cr_assert_eq(bed_slot(2)->flags, 0);
	cr_assert_eq(bed_script.nr_irqs[0], 2);
}

Test(hv_synic, queue_has_a_cap)
{
	unsigned int i;

	for (i = 0; i < HV_MSGQ_MAX; i++)
		cr_assert_eq(hv_post_to_guest(bed, 0, 2, 1, &i, 4), 0);
	cr_assert_eq(hv_post_to_guest(bed, 0, 2, 1, &i, 4), -EAGAIN);
	cr_assert_eq(hv_post_to_guest(bed, 0, 3, 1, &i, 4), 0, "another SINT has its own");
}

Test(hv_synic, wrong_messages_to_the_guest_are_refused)
{
	cr_assert_eq(hv_post_to_guest(bed, 3, 2, 1, "", 0), -EINVAL);
	cr_assert_eq(hv_post_to_guest(bed, 0, 16, 1, "", 0), -EINVAL);
	cr_assert_eq(hv_post_to_guest(bed, 0, 2, 0, "", 0), -EINVAL);
	cr_assert_eq(hv_post_to_guest(bed, 0, 2, 1, bed_heard.payload, 241), -EINVAL);
	cr_assert_eq(hv_signal_event_flag(bed, 0, 2, 2048), -EINVAL);
	cr_assert_eq(hv_signal_event_flag(bed, 3, 2, 0), -EINVAL);
	cr_assert_eq(hv_raise_vector(bed, 0, 15), -EINVAL);
	cr_assert_eq(hv_raise_vector(bed, 0, 256), -EINVAL);
}

Test(hv_synic, event_flag_raises_on_the_first_set_only)
{
	bed_synic_on();
	hv_signal_event_flag(bed, 0, 2, 11);
	hv_signal_event_flag(bed, 0, 2, 11);
	cr_assert_eq(bed_script.nr_irqs[0], 1);
	cr_assert_eq(((uint8_t *)bed_mem(BED_SIEFP))[2 * 256 + 1], 1 << 3);
	((uint8_t *)bed_mem(BED_SIEFP))[2 * 256 + 1] = 0;
	hv_signal_event_flag(bed, 0, 2, 11);
	cr_assert_eq(bed_script.nr_irqs[0], 2);
}

Test(hv_synic, flags_wanted_while_the_page_is_off_come_at_enable)
{
	hv_signal_event_flag(bed, 0, 2, 2047);
	bed_wrmsr(BED_SINT2, BED_VECTOR);
	bed_wrmsr(HV_MSR_SCONTROL, 1);
	cr_assert_eq(bed_script.nr_irqs[0], 0);
	bed_wrmsr(HV_MSR_SIEFP, BED_SIEFP | 1);
	cr_assert_eq(((uint8_t *)bed_mem(BED_SIEFP))[2 * 256 + 255], 0x80);
	cr_assert_eq(bed_script.nr_irqs[0], 1);
	bed_wrmsr(HV_MSR_SIEFP, 0);
	bed_wrmsr(HV_MSR_SIEFP, BED_SIEFP | 1);
	cr_assert_eq(((uint8_t *)bed_mem(BED_SIEFP))[2 * 256 + 255], 0, "merged once");
}

Test(hv_synic, unmasking_raises_again_when_something_waits)
{
	bed_synic_on();
	bed_wrmsr(BED_SINT2, BED_VECTOR | HV_SINT_MASKED);
	cr_assert_eq(bed_script.sint_vector[0][2], 0);
	hv_signal_event_flag(bed, 0, 2, 5);
	cr_assert_eq(bed_script.nr_irqs[0], 0);
	bed_wrmsr(BED_SINT2, BED_VECTOR + 1);
	cr_assert_eq(bed_script.nr_irqs[0], 1);
	cr_assert_eq(bed_script.last_vector[0], BED_VECTOR + 1);
	bed_wrmsr(HV_MSR_SCONTROL, 0);
	cr_assert_eq(bed_script.sint_vector[0][2], 0);
	bed_wrmsr(HV_MSR_SCONTROL, 1);
	cr_assert_eq(bed_script.nr_irqs[0], 2);
}

Test(hv_synic, polling_sint_gets_flags_and_messages_without_interrupt)
{
	bed_synic_on();
	bed_wrmsr(BED_SINT2, BED_VECTOR | HV_SINT_POLLING);
	hv_signal_event_flag(bed, 0, 2, 5);
	bed_post(1);
	cr_assert_eq(bed_script.nr_irqs[0], 0);
	cr_assert_eq(bed_slot(2)->type, 1);
	cr_assert_eq(((uint8_t *)bed_mem(BED_SIEFP))[2 * 256], 1 << 5);
}

Test(hv_synic, changes_of_the_flags_page_are_announced)
{
	bed_wrmsr(HV_MSR_SIEFP, BED_SIEFP | 1);
	cr_assert_eq(bed_heard.nr_siefp, 1);
	cr_assert_eq(bed_heard.siefp, BED_SIEFP | 1);
	bed_wrmsr(HV_MSR_SIEFP, BED_SIEFP | 1);
	cr_assert_eq(bed_heard.nr_siefp, 1, "no change");
	bed_wrmsr(HV_MSR_SIEFP, BED_SIEFP);
	cr_assert_eq(bed_heard.nr_siefp, 2);
	cr_assert_eq(bed_heard.siefp, 0);
	cr_assert_eq(hv_siefp(bed, 0), 0);
}

/* --- hypercalls ---------------------------------------------------------------------------------- */

static struct hv_post_message_input *input(void)
{
	struct hv_post_message_input *m = bed_mem(BED_INPUT);

	*m = (struct hv_post_message_input){.connection_id = 1, .message_type = 1};
	m->payload_size = 3;
	memcpy(m->payload, "abc", 3);
	return m;
}

Test(hv_synic, post_message_reaches_the_owner_with_its_payload)
{
	input();
	cr_assert_eq(bed_hypercall(HV_CALL_POST_MESSAGE, BED_INPUT, 0), HV_STATUS_SUCCESS);
	cr_assert_eq(bed_heard.nr_messages, 1);
	cr_assert_eq(bed_heard.len, 3);
	cr_assert_eq(memcmp(bed_heard.payload, "abc", 3), 0);
	input()->connection_id = 2;
	cr_assert_eq(bed_hypercall(HV_CALL_POST_MESSAGE, BED_INPUT, 0),
		     HV_STATUS_INVALID_CONNECTION_ID);
}

Test(hv_synic, post_message_refuses_each_wrong_field)
{
	input()->reserved = 1;
	cr_assert_eq(bed_hypercall(HV_CALL_POST_MESSAGE, BED_INPUT, 0),
		     HV_STATUS_INVALID_PARAMETER);
	input()->message_type = 0x80000001;
	cr_assert_eq(bed_hypercall(HV_CALL_POST_MESSAGE, BED_INPUT, 0),
		     HV_STATUS_INVALID_PARAMETER);
	input()->message_type = 0;
	cr_assert_eq(bed_hypercall(HV_CALL_POST_MESSAGE, BED_INPUT, 0),
		     HV_STATUS_INVALID_PARAMETER);
	input()->payload_size = 241;
	cr_assert_eq(bed_hypercall(HV_CALL_POST_MESSAGE, BED_INPUT, 0),
		     HV_STATUS_INVALID_PARAMETER);
	input()->connection_id = 0x01000001;
	cr_assert_eq(bed_hypercall(HV_CALL_POST_MESSAGE, BED_INPUT, 0),
		     HV_STATUS_INVALID_CONNECTION_ID);
	cr_assert_eq(bed_heard.nr_messages, 0);
}

Test(hv_synic, control_word_and_addresses_are_checked)
{
	static const struct {
		uint64_t control, in;
		unsigned int status;
	} row[] = {
		{HV_CALL_POST_MESSAGE, BED_INPUT + 1, HV_STATUS_INVALID_ALIGNMENT},
		{HV_CALL_POST_MESSAGE, BED_INPUT + 4, HV_STATUS_INVALID_ALIGNMENT},
		{HV_CALL_POST_MESSAGE, BED_INPUT + 4096 - 248, HV_STATUS_INVALID_HYPERCALL_INPUT},
		{HV_CALL_POST_MESSAGE, 0, HV_STATUS_INVALID_PARAMETER},
		{HV_CALL_POST_MESSAGE, ~0xffull, HV_STATUS_INVALID_PARAMETER},
		{HV_CALL_POST_MESSAGE | HV_CALL_FAST, BED_INPUT, HV_STATUS_INVALID_HYPERCALL_INPUT},
		{HV_CALL_POST_MESSAGE | 1ull << 17, BED_INPUT, HV_STATUS_INVALID_HYPERCALL_INPUT},
		{HV_CALL_POST_MESSAGE | 1ull << 27, BED_INPUT, HV_STATUS_INVALID_HYPERCALL_INPUT},
		{HV_CALL_POST_MESSAGE | 1ull << 31, BED_INPUT, HV_STATUS_INVALID_HYPERCALL_INPUT},
		{HV_CALL_POST_MESSAGE | 1ull << 32, BED_INPUT, HV_STATUS_INVALID_HYPERCALL_INPUT},
		{HV_CALL_POST_MESSAGE | 1ull << 44, BED_INPUT, HV_STATUS_INVALID_HYPERCALL_INPUT},
		{HV_CALL_POST_MESSAGE | 1ull << 48, BED_INPUT, HV_STATUS_INVALID_HYPERCALL_INPUT},
		{HV_CALL_POST_MESSAGE | 1ull << 63, BED_INPUT, HV_STATUS_INVALID_HYPERCALL_INPUT},
		{0x0002, BED_INPUT, HV_STATUS_INVALID_HYPERCALL_CODE},
		{0x8001, BED_INPUT, HV_STATUS_INVALID_HYPERCALL_CODE},
		{0xffff, BED_INPUT, HV_STATUS_INVALID_HYPERCALL_CODE},
		{HV_CALL_POST_MESSAGE, BED_INPUT + 4096 - 256, HV_STATUS_INVALID_PARAMETER},
	};
	unsigned int i;

	input();
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		cr_assert_eq(bed_hypercall(row[i].control, row[i].in, 0), row[i].status, "row %u",
			     i);
	cr_assert_eq(bed_heard.nr_messages, 0);
}

static uint64_t doorbell(unsigned int relid)
{
	uint64_t n = 0;

	return read(hv_doorbell_fd(bed, relid), &n, sizeof(n)) == 8 ? n : 0;
}

Test(hv_synic, signal_event_rings_its_doorbell_in_either_form)
{
	uint64_t *in = bed_mem(BED_INPUT);

	cr_assert_eq(bed_hypercall(HV_CALL_SIGNAL_EVENT | HV_CALL_FAST, 0x2007, 0), 0);
	*in = 0x2007;
	cr_assert_eq(bed_hypercall(HV_CALL_SIGNAL_EVENT, BED_INPUT, 0), 0);
	cr_assert_eq(doorbell(7), 2);
	cr_assert_eq(doorbell(6), 0);
	cr_assert_eq(
		bed_hypercall(HV_CALL_SIGNAL_EVENT | HV_CALL_FAST, 0x2000 + HV_DOORBELLS_DEF, 0),
		0);
}

Test(hv_synic, signal_event_on_an_unknown_connection_is_18)
{
	static const uint32_t connection[] = {
		0, 1, 7, 0x2000, 0x2000 + HV_DOORBELLS_DEF + 1, 0x4007, 0x12007, 0xffffffff};
	unsigned int i;

	for (i = 0; i < sizeof(connection) / sizeof(connection[0]); i++)
		cr_assert_eq(bed_hypercall(HV_CALL_SIGNAL_EVENT | HV_CALL_FAST, connection[i], 0),
			     HV_STATUS_INVALID_CONNECTION_ID, "%#x", connection[i]);
	cr_assert_eq(bed_hypercall(HV_CALL_SIGNAL_EVENT | HV_CALL_FAST, 1ull << 48 | 0x2007, 0),
		     HV_STATUS_INVALID_PARAMETER);
}

Test(hv_synic, ipi_reaches_the_vps_of_its_mask)
{
	cr_assert_eq(bed_hypercall(HV_CALL_SEND_IPI | HV_CALL_FAST, 0xf0, 6), 0);
	cr_assert_eq(bed_script.nr_irqs[0], 0);
	cr_assert_eq(bed_script.nr_irqs[1], 1);
	cr_assert_eq(bed_script.last_vector[2], 0xf0);
	cr_assert_eq(bed_hypercall(HV_CALL_SEND_IPI | HV_CALL_FAST, 0xf0, 8),
		     HV_STATUS_INVALID_PARAMETER);
	cr_assert_eq(bed_hypercall(HV_CALL_SEND_IPI | HV_CALL_FAST, 15, 1),
		     HV_STATUS_INVALID_PARAMETER);
	cr_assert_eq(bed_hypercall(HV_CALL_SEND_IPI | HV_CALL_FAST, 256, 1),
		     HV_STATUS_INVALID_PARAMETER);
	cr_assert_eq(bed_hypercall(HV_CALL_SEND_IPI | HV_CALL_FAST, 1ull << 32 | 0xf0, 1),
		     HV_STATUS_INVALID_PARAMETER);
}
