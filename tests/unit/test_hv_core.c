/* SPDX-License-Identifier: BSD-3-Clause */
/* MSRs, SynIC, hypercalls, timers and exits of libhv, above the scripted engine. */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "hv/priv.h"
#include "hv/scripted.h"

#define PAGE(n) (NETHV_IMAGE_BASE + (n)*4096ull)
#define SIMP	PAGE(1)
#define SIEFP	PAGE(2)
#define INPUT	PAGE(3)
#define CODE	PAGE(4)
#define VECTOR	0xf3u
#define SINT2	(HV_MSR_SINT0 + 2)

static struct hv_script script;
static struct hv_partition *p;

static struct {
	unsigned int nr_messages, nr_siefp, nr_stopped, nr_lines;
	uint32_t connection, type, status;
	size_t len;
	uint8_t payload[HV_MESSAGE_PAYLOAD_MAX];
	uint64_t siefp;
	enum hv_stop_reason reason;
	char text[512], line[300];
} up;

static int on_message(void *ctx, unsigned int vp, uint32_t connection, uint32_t type,
		      const void *payload, size_t len)
{
	up.nr_messages++;
	up.connection = connection;
	up.type = type;
	up.len = len;
	memcpy(up.payload, payload, len);
	return connection == 1 ? HV_STATUS_SUCCESS : HV_STATUS_INVALID_CONNECTION_ID;
}

static void on_siefp(void *ctx, unsigned int vp, uint64_t siefp)
{
	up.nr_siefp++;
	up.siefp = siefp;
}

static void on_stopped(void *ctx, enum hv_stop_reason reason, uint32_t status, const char *text)
{
	up.nr_stopped++;
	up.reason = reason;
	up.status = status;
	snprintf(up.text, sizeof(up.text), "%s", text);
}

static void on_console(void *ctx, const char *line, size_t n)
{
	up.nr_lines++;
	snprintf(up.line, sizeof(up.line), "%.*s", (int)n, line);
}

static const struct hv_partition_ops ops = {on_message, on_siefp, on_stopped, on_console};

static void setup(void)
{
	cr_assert_eq(hv_scripted_create(&p, &script, 3, &ops, NULL), 0, "%s", err_text());
}

static void teardown(void)
{
	hv_partition_destroy(p);
}

TestSuite(hv_core, .init = setup, .fini = teardown);

static struct hv_stop stop;

static enum hv_verdict wr_on(unsigned int vp, uint32_t msr, uint64_t v)
{
	const struct hv_exit ex = {.kind = HV_EXIT_WRMSR, .msr = msr, .value = v};
	uint64_t ignored;

	return hv_dispatch(&p->vp[vp], &ex, &ignored, &stop);
}

static void wr(uint32_t msr, uint64_t v)
{
	cr_assert_eq(wr_on(0, msr, v), HV_GO_ON, "%#x: %s", msr, stop.text);
}

static uint64_t rd(uint32_t msr)
{
	const struct hv_exit ex = {.kind = HV_EXIT_RDMSR, .msr = msr};
	uint64_t v = 0;

	cr_assert_eq(hv_dispatch(&p->vp[0], &ex, &v, &stop), HV_GO_ON, "%#x: %s", msr, stop.text);
	return v;
}

static uint64_t call(uint64_t control, uint64_t in, uint64_t out)
{
	const struct hv_exit ex = {.kind = HV_EXIT_HYPERCALL, .rcx = control, .rdx = in, .r8 = out};
	uint64_t v = ~0ull;

	cr_assert_eq(hv_dispatch(&p->vp[0], &ex, &v, &stop), HV_GO_ON);
	return v;
}

static void *mem(uint64_t at)
{
	return gmem_page(&p->gm, at >> 12);
}

static struct hv_message *slot(unsigned int sint)
{
	return (struct hv_message *)mem(SIMP) + sint;
}

static void synic_on(void)
{
	wr(HV_MSR_SIMP, SIMP | 1);
	wr(HV_MSR_SIEFP, SIEFP | 1);
	wr(SINT2, VECTOR);
	wr(HV_MSR_SCONTROL, 1);
}

/* --- MSRs ---------------------------------------------------------------------------------------- */

Test(hv_core, registers_have_their_reset_values)
{
	unsigned int i;

	cr_assert_eq(rd(HV_MSR_SCONTROL), 0);
	cr_assert_eq(rd(HV_MSR_SIMP), 0);
	cr_assert_eq(rd(HV_MSR_SIEFP), 0);
	cr_assert_eq(rd(HV_MSR_SVERSION), 1);
	cr_assert_eq(rd(HV_MSR_EOM), 0);
	cr_assert_eq(rd(HV_MSR_GUEST_OS_ID), 0);
	cr_assert_eq(rd(HV_MSR_HYPERCALL), 0);
	for (i = 0; i < HV_NR_SINTS; i++)
		cr_assert_eq(rd(HV_MSR_SINT0 + i), HV_SINT_MASKED);
	for (i = 0; i < 2 * HV_NR_STIMERS; i++)
		cr_assert_eq(rd(HV_MSR_STIMER0_CONFIG + i), 0);
}

Test(hv_core, plain_registers_read_back_what_was_written)
{
	static const uint32_t msr[] = {
		HV_MSR_GUEST_OS_ID,  HV_MSR_VP_ASSIST, HV_MSR_SCONTROL,	     HV_MSR_CRASH_P0,
		HV_MSR_CRASH_P0 + 1, HV_MSR_CRASH_P4,  HV_MSR_TSC_INVARIANT,
	};
	unsigned int i;

	for (i = 0; i < sizeof(msr) / sizeof(msr[0]); i++) {
		wr(msr[i], 1);
		cr_assert_eq(rd(msr[i]), 1, "%#x", msr[i]);
		wr(msr[i], 0);
		cr_assert_eq(rd(msr[i]), 0, "%#x", msr[i]);
	}
}

Test(hv_core, unknown_and_read_only_registers_end_a_partition_that_cannot_take_gp)
{
	static const struct {
		uint32_t msr;
		const char *words;
	} row[] = {
		{HV_MSR_VP_INDEX, "read-only"},	      {HV_MSR_SVERSION, "read-only"},
		{HV_MSR_TIME_REF_COUNT, "read-only"}, {HV_MSR_TSC_FREQUENCY, "read-only"},
		{0x400000c0, "no such register"},     {0x40000001 - 0x100, "no such register"},
		{0xc0000080, "no such register"},     {HV_MSR_SINT15 + 1, "no such register"},
	};
	const struct hv_exit ex = {.kind = HV_EXIT_RDMSR, .msr = 0x400000c0, .rip = 0x1234};
	unsigned int i;
	uint64_t v;

	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		cr_assert_eq(wr_on(0, row[i].msr, 1), HV_STOP, "%#x", row[i].msr);
		cr_assert(strstr(stop.text, row[i].words), "%s", stop.text);
	}
	cr_assert_eq(hv_dispatch(&p->vp[0], &ex, &v, &stop), HV_STOP);
	cr_assert(strstr(stop.text, "VP 0: RDMSR 0x400000c0"), "%s", stop.text);
	cr_assert(strstr(stop.text, "RIP 0x1234"), "%s", stop.text);
}

Test(hv_core, values_out_of_range_are_refused)
{
	static const struct {
		uint32_t msr;
		uint64_t value;
	} row[] = {
		{HV_MSR_SIMP, (1ull << 40) | 1},
		{HV_MSR_SIMP, ~0ull},
		{HV_MSR_SIEFP, 1}, /* page 0 is no RAM */
		{SINT2, 15},
		{SINT2, 0},
		{HV_MSR_STIMER0_CONFIG, 1ull << 20},
		{HV_MSR_STIMER0_CONFIG, 1ull << 13},
		{HV_MSR_STIMER0_CONFIG, HV_STIMER_DIRECT | HV_STIMER_ENABLE},
		{HV_MSR_REFERENCE_TSC, (1ull << 50) | 1},
		{HV_MSR_TSC_INVARIANT, 2},
	};
	unsigned int i;

	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		cr_assert_eq(wr_on(0, row[i].msr, row[i].value), HV_STOP, "row %u", i);
		cr_assert(strstr(stop.text, "is not valid"), "%s", stop.text);
	}
	cr_assert_eq(rd(HV_MSR_SIMP), 0);
}

Test(hv_core, hypercall_page_needs_an_os_id_and_obeys_the_lock)
{
	const uint8_t *code = mem(CODE);

	wr(HV_MSR_HYPERCALL, CODE | 1);
	cr_assert_eq(rd(HV_MSR_HYPERCALL), CODE, "no OS id: stays off");
	cr_assert_eq(code[0], 0);
	wr(HV_MSR_GUEST_OS_ID, 5);
	wr(HV_MSR_HYPERCALL, CODE | 1);
	cr_assert_eq(rd(HV_MSR_HYPERCALL), CODE | 1);
	cr_assert_eq(code[0], 0xc3);
	wr(HV_MSR_GUEST_OS_ID, 0);
	cr_assert_eq(rd(HV_MSR_HYPERCALL) & 1, 0);
	wr(HV_MSR_GUEST_OS_ID, 5);
	wr(HV_MSR_HYPERCALL, CODE | 3);
	wr(HV_MSR_HYPERCALL, 0);
	cr_assert_eq(rd(HV_MSR_HYPERCALL), CODE | 3, "locked");
}

Test(hv_core, clock_register_and_tsc_page_agree)
{
	const struct hv_reference_tsc *page = mem(CODE);
	uint64_t before, now, after;

	wr(HV_MSR_REFERENCE_TSC, CODE | 1);
	cr_assert_eq(page->sequence, p->clock.is_tsc ? 1 : 0);
	before = rd(HV_MSR_TIME_REF_COUNT);
	now = (uint64_t)((unsigned __int128)__builtin_ia32_rdtsc() * page->scale >> 64) +
	      (uint64_t)page->offset;
	after = rd(HV_MSR_TIME_REF_COUNT);
	if (page->sequence)
		cr_assert(before <= now && now <= after);
	cr_assert_eq(rd(HV_MSR_TSC_FREQUENCY), p->clock.tsc_hz);
	cr_assert_eq(rd(HV_MSR_APIC_FREQUENCY), 1000000000);
}

Test(hv_core, clock_without_a_trusted_tsc_gives_sequence_zero_and_goes_on)
{
	struct hv_reference_tsc page;
	struct hv_clock c;
	uint64_t a;

	hv_clock_init(&c, HV_CLOCK_NO_TSC);
	hv_clock_tsc_page(&c, &page);
	cr_assert_eq(page.sequence, 0);
	a = hv_clock_now(&c);
	usleep(2000);
	cr_assert_geq(hv_clock_now(&c), a + 20000);
}

Test(hv_core, crash_register_ends_the_partition_with_the_guests_text)
{
	strcpy(mem(INPUT), "kernel\npanic");
	wr(HV_MSR_CRASH_P0, 0xdead);
	wr(HV_MSR_CRASH_P0 + 3, INPUT);
	wr(HV_MSR_CRASH_P4, 1ull << 60);
	cr_assert_eq(wr_on(0, HV_MSR_CRASH_CTL, HV_CRASH_NOTIFY | HV_CRASH_MSG), HV_STOP);
	cr_assert_eq(stop.reason, HV_STOP_GUEST_CRASH);
	cr_assert(strstr(stop.text, "0xdead"), "%s", stop.text);
	cr_assert(strstr(stop.text, "kernel panic"), "%s", stop.text);
	wr(HV_MSR_CRASH_P0 + 3, ~0ull); /* not RAM: no text, no harm */
	cr_assert_eq(wr_on(0, HV_MSR_CRASH_CTL, HV_CRASH_NOTIFY | HV_CRASH_MSG), HV_STOP);
	cr_assert(rd(HV_MSR_CRASH_CTL) & HV_CRASH_NOTIFY);
}

/* Linux sends the last 4 KiB of its log, in which the line that says why is not the first. */
Test(hv_core, crash_text_begins_where_the_panic_is_told)
{
	char *log = mem(INPUT);
	size_t i;

	for (i = 0; i < HV_CRASH_MSG_MAX; i += 16)
		memcpy(log + i, "<6>[ 1.0] quiet\n", 16);
	memcpy(log + 3000, "<0>[ 2.0] Kernel panic - not syncing: out of milk\n", 50);
	wr(HV_MSR_CRASH_P0 + 3, INPUT);
	wr(HV_MSR_CRASH_P4, HV_CRASH_MSG_MAX);
	cr_assert_eq(wr_on(0, HV_MSR_CRASH_CTL, HV_CRASH_NOTIFY | HV_CRASH_MSG), HV_STOP);
	cr_assert(strstr(stop.text, ": Kernel panic - not syncing: out of milk"), "%s", stop.text);
	memset(log + 3000, '.', 50);
	memcpy(log + HV_CRASH_MSG_MAX - 8, "the end\n", 8);
	cr_assert_eq(wr_on(0, HV_MSR_CRASH_CTL, HV_CRASH_NOTIFY | HV_CRASH_MSG), HV_STOP);
	cr_assert(strstr(stop.text, "the end"), "%s", stop.text);
}

/* --- SynIC --------------------------------------------------------------------------------------- */

static uint32_t post(uint32_t n)
{
	return (uint32_t)hv_post_to_guest(p, 0, 2, 1, &n, sizeof(n));
}

static uint32_t slot_number(void)
{
	uint32_t n;

	memcpy(&n, slot(2)->payload, sizeof(n));
	return n;
}

Test(hv_core, message_waits_until_everything_is_enabled)
{
	post(1);
	wr(HV_MSR_SIMP, SIMP | 1);
	cr_assert_eq(slot(2)->type, 0);
	wr(HV_MSR_SCONTROL, 1);
	cr_assert_eq(slot(2)->type, 0);
	cr_assert_eq(script.nr_irqs[0], 0);
	wr(SINT2, VECTOR);
	cr_assert_eq(slot(2)->type, 1);
	cr_assert_eq(slot(2)->payload_size, 4);
	cr_assert_eq(script.nr_irqs[0], 1);
	cr_assert_eq(script.last_vector[0], VECTOR);
	cr_assert_eq(script.sint_vector[0][2], VECTOR);
}

Test(hv_core, message_pages_start_as_zeros)
{
	memset(mem(SIMP), 0xff, 4096);
	memset(mem(SIEFP), 0xff, 4096);
	synic_on();
	cr_assert_eq(slot(2)->type, 0);
	cr_assert_eq(*(uint64_t *)mem(SIEFP), 0);
	slot(2)->type = 9;
	wr(HV_MSR_SIMP, SIMP | 1); /* the same value again: nothing happens */
	cr_assert_eq(slot(2)->type, 9);
}

Test(hv_core, busy_slot_gets_the_pending_flag_and_eom_brings_the_next)
{
	synic_on();
	post(1);
	cr_assert_eq(slot(2)->flags, 0);
	post(2);
	cr_assert_eq(slot(2)->flags, HV_MESSAGE_FLAG_PENDING);
	cr_assert_eq(slot_number(), 1);
	wr(HV_MSR_EOM, 0);
	cr_assert_eq(slot_number(), 1, "slot not freed: nothing moves");
	slot(2)->type = 0;
	wr(HV_MSR_EOM, 0);
	cr_assert_eq(slot_number(), 2);
	cr_assert_eq(slot(2)->flags, 0);
	cr_assert_eq(script.nr_irqs[0], 2);
}

Test(hv_core, queue_has_a_cap)
{
	unsigned int i;

	for (i = 0; i < HV_MSGQ_MAX; i++)
		cr_assert_eq(hv_post_to_guest(p, 0, 2, 1, &i, 4), 0);
	cr_assert_eq(hv_post_to_guest(p, 0, 2, 1, &i, 4), -EAGAIN);
	cr_assert_eq(hv_post_to_guest(p, 0, 3, 1, &i, 4), 0, "another SINT has its own");
}

Test(hv_core, wrong_messages_to_the_guest_are_refused)
{
	cr_assert_eq(hv_post_to_guest(p, 3, 2, 1, "", 0), -EINVAL);
	cr_assert_eq(hv_post_to_guest(p, 0, 16, 1, "", 0), -EINVAL);
	cr_assert_eq(hv_post_to_guest(p, 0, 2, 0, "", 0), -EINVAL);
	cr_assert_eq(hv_post_to_guest(p, 0, 2, 1, up.payload, 241), -EINVAL);
	cr_assert_eq(hv_signal_event_flag(p, 0, 2, 2048), -EINVAL);
	cr_assert_eq(hv_signal_event_flag(p, 3, 2, 0), -EINVAL);
	cr_assert_eq(hv_raise_vector(p, 0, 15), -EINVAL);
	cr_assert_eq(hv_raise_vector(p, 0, 256), -EINVAL);
}

Test(hv_core, event_flag_raises_on_the_first_set_only)
{
	synic_on();
	hv_signal_event_flag(p, 0, 2, 11);
	hv_signal_event_flag(p, 0, 2, 11);
	cr_assert_eq(script.nr_irqs[0], 1);
	cr_assert_eq(((uint8_t *)mem(SIEFP))[2 * 256 + 1], 1 << 3);
	((uint8_t *)mem(SIEFP))[2 * 256 + 1] = 0;
	hv_signal_event_flag(p, 0, 2, 11);
	cr_assert_eq(script.nr_irqs[0], 2);
}

Test(hv_core, flags_wanted_while_the_page_is_off_come_at_enable)
{
	hv_signal_event_flag(p, 0, 2, 2047);
	wr(SINT2, VECTOR);
	wr(HV_MSR_SCONTROL, 1);
	cr_assert_eq(script.nr_irqs[0], 0);
	wr(HV_MSR_SIEFP, SIEFP | 1);
	cr_assert_eq(((uint8_t *)mem(SIEFP))[2 * 256 + 255], 0x80);
	cr_assert_eq(script.nr_irqs[0], 1);
	wr(HV_MSR_SIEFP, 0);
	wr(HV_MSR_SIEFP, SIEFP | 1);
	cr_assert_eq(((uint8_t *)mem(SIEFP))[2 * 256 + 255], 0, "merged once");
}

Test(hv_core, unmasking_raises_again_when_something_waits)
{
	synic_on();
	wr(SINT2, VECTOR | HV_SINT_MASKED);
	cr_assert_eq(script.sint_vector[0][2], 0);
	hv_signal_event_flag(p, 0, 2, 5);
	cr_assert_eq(script.nr_irqs[0], 0);
	wr(SINT2, VECTOR + 1);
	cr_assert_eq(script.nr_irqs[0], 1);
	cr_assert_eq(script.last_vector[0], VECTOR + 1);
	wr(HV_MSR_SCONTROL, 0);
	cr_assert_eq(script.sint_vector[0][2], 0);
	wr(HV_MSR_SCONTROL, 1);
	cr_assert_eq(script.nr_irqs[0], 2);
}

Test(hv_core, polling_sint_gets_flags_and_messages_without_interrupt)
{
	synic_on();
	wr(SINT2, VECTOR | HV_SINT_POLLING);
	hv_signal_event_flag(p, 0, 2, 5);
	post(1);
	cr_assert_eq(script.nr_irqs[0], 0);
	cr_assert_eq(slot(2)->type, 1);
	cr_assert_eq(((uint8_t *)mem(SIEFP))[2 * 256], 1 << 5);
}

Test(hv_core, changes_of_the_flags_page_are_announced)
{
	wr(HV_MSR_SIEFP, SIEFP | 1);
	cr_assert_eq(up.nr_siefp, 1);
	cr_assert_eq(up.siefp, SIEFP | 1);
	wr(HV_MSR_SIEFP, SIEFP | 1);
	cr_assert_eq(up.nr_siefp, 1, "no change");
	wr(HV_MSR_SIEFP, SIEFP);
	cr_assert_eq(up.nr_siefp, 2);
	cr_assert_eq(up.siefp, 0);
	cr_assert_eq(hv_siefp(p, 0), 0);
}

/* --- hypercalls ---------------------------------------------------------------------------------- */

static struct hv_post_message_input *input(void)
{
	struct hv_post_message_input *m = mem(INPUT);

	*m = (struct hv_post_message_input){.connection_id = 1, .message_type = 1};
	m->payload_size = 3;
	memcpy(m->payload, "abc", 3);
	return m;
}

Test(hv_core, post_message_reaches_the_owner_with_its_payload)
{
	input();
	cr_assert_eq(call(HV_CALL_POST_MESSAGE, INPUT, 0), HV_STATUS_SUCCESS);
	cr_assert_eq(up.nr_messages, 1);
	cr_assert_eq(up.len, 3);
	cr_assert_eq(memcmp(up.payload, "abc", 3), 0);
	input()->connection_id = 2;
	cr_assert_eq(call(HV_CALL_POST_MESSAGE, INPUT, 0), HV_STATUS_INVALID_CONNECTION_ID);
}

Test(hv_core, post_message_refuses_each_wrong_field)
{
	input()->reserved = 1;
	cr_assert_eq(call(HV_CALL_POST_MESSAGE, INPUT, 0), HV_STATUS_INVALID_PARAMETER);
	input()->message_type = 0x80000001;
	cr_assert_eq(call(HV_CALL_POST_MESSAGE, INPUT, 0), HV_STATUS_INVALID_PARAMETER);
	input()->message_type = 0;
	cr_assert_eq(call(HV_CALL_POST_MESSAGE, INPUT, 0), HV_STATUS_INVALID_PARAMETER);
	input()->payload_size = 241;
	cr_assert_eq(call(HV_CALL_POST_MESSAGE, INPUT, 0), HV_STATUS_INVALID_PARAMETER);
	input()->connection_id = 0x01000001;
	cr_assert_eq(call(HV_CALL_POST_MESSAGE, INPUT, 0), HV_STATUS_INVALID_CONNECTION_ID);
	cr_assert_eq(up.nr_messages, 0);
}

Test(hv_core, control_word_and_addresses_are_checked)
{
	static const struct {
		uint64_t control, in;
		unsigned int status;
	} row[] = {
		{HV_CALL_POST_MESSAGE, INPUT + 1, HV_STATUS_INVALID_ALIGNMENT},
		{HV_CALL_POST_MESSAGE, INPUT + 4, HV_STATUS_INVALID_ALIGNMENT},
		{HV_CALL_POST_MESSAGE, INPUT + 4096 - 248, HV_STATUS_INVALID_HYPERCALL_INPUT},
		{HV_CALL_POST_MESSAGE, 0, HV_STATUS_INVALID_PARAMETER},
		{HV_CALL_POST_MESSAGE, ~0xffull, HV_STATUS_INVALID_PARAMETER},
		{HV_CALL_POST_MESSAGE | HV_CALL_FAST, INPUT, HV_STATUS_INVALID_HYPERCALL_INPUT},
		{HV_CALL_POST_MESSAGE | 1ull << 17, INPUT, HV_STATUS_INVALID_HYPERCALL_INPUT},
		{HV_CALL_POST_MESSAGE | 1ull << 27, INPUT, HV_STATUS_INVALID_HYPERCALL_INPUT},
		{HV_CALL_POST_MESSAGE | 1ull << 31, INPUT, HV_STATUS_INVALID_HYPERCALL_INPUT},
		{HV_CALL_POST_MESSAGE | 1ull << 32, INPUT, HV_STATUS_INVALID_HYPERCALL_INPUT},
		{HV_CALL_POST_MESSAGE | 1ull << 44, INPUT, HV_STATUS_INVALID_HYPERCALL_INPUT},
		{HV_CALL_POST_MESSAGE | 1ull << 48, INPUT, HV_STATUS_INVALID_HYPERCALL_INPUT},
		{HV_CALL_POST_MESSAGE | 1ull << 63, INPUT, HV_STATUS_INVALID_HYPERCALL_INPUT},
		{0x0002, INPUT, HV_STATUS_INVALID_HYPERCALL_CODE},
		{0x8001, INPUT, HV_STATUS_INVALID_HYPERCALL_CODE},
		{0xffff, INPUT, HV_STATUS_INVALID_HYPERCALL_CODE},
		{HV_CALL_POST_MESSAGE, INPUT + 4096 - 256, HV_STATUS_INVALID_PARAMETER},
	};
	unsigned int i;

	input();
	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		cr_assert_eq(call(row[i].control, row[i].in, 0), row[i].status, "row %u", i);
	cr_assert_eq(up.nr_messages, 0);
}

static uint64_t doorbell(unsigned int relid)
{
	uint64_t n = 0;

	return read(hv_doorbell_fd(p, relid), &n, sizeof(n)) == 8 ? n : 0;
}

Test(hv_core, signal_event_rings_its_doorbell_in_either_form)
{
	uint64_t *in = mem(INPUT);

	cr_assert_eq(call(HV_CALL_SIGNAL_EVENT | HV_CALL_FAST, 0x2007, 0), 0);
	*in = 0x2007;
	cr_assert_eq(call(HV_CALL_SIGNAL_EVENT, INPUT, 0), 0);
	cr_assert_eq(doorbell(7), 2);
	cr_assert_eq(doorbell(6), 0);
	cr_assert_eq(call(HV_CALL_SIGNAL_EVENT | HV_CALL_FAST, 0x2000 + HV_DOORBELLS_DEF, 0), 0);
}

Test(hv_core, signal_event_on_an_unknown_connection_is_18)
{
	static const uint32_t connection[] = {
		0, 1, 7, 0x2000, 0x2000 + HV_DOORBELLS_DEF + 1, 0x4007, 0x12007, 0xffffffff};
	unsigned int i;

	for (i = 0; i < sizeof(connection) / sizeof(connection[0]); i++)
		cr_assert_eq(call(HV_CALL_SIGNAL_EVENT | HV_CALL_FAST, connection[i], 0),
			     HV_STATUS_INVALID_CONNECTION_ID, "%#x", connection[i]);
	cr_assert_eq(call(HV_CALL_SIGNAL_EVENT | HV_CALL_FAST, 1ull << 48 | 0x2007, 0),
		     HV_STATUS_INVALID_PARAMETER);
}

Test(hv_core, ipi_reaches_the_vps_of_its_mask)
{
	cr_assert_eq(call(HV_CALL_SEND_IPI | HV_CALL_FAST, 0xf0, 6), 0);
	cr_assert_eq(script.nr_irqs[0], 0);
	cr_assert_eq(script.nr_irqs[1], 1);
	cr_assert_eq(script.last_vector[2], 0xf0);
	cr_assert_eq(call(HV_CALL_SEND_IPI | HV_CALL_FAST, 0xf0, 8), HV_STATUS_INVALID_PARAMETER);
	cr_assert_eq(call(HV_CALL_SEND_IPI | HV_CALL_FAST, 15, 1), HV_STATUS_INVALID_PARAMETER);
	cr_assert_eq(call(HV_CALL_SEND_IPI | HV_CALL_FAST, 256, 1), HV_STATUS_INVALID_PARAMETER);
	cr_assert_eq(call(HV_CALL_SEND_IPI | HV_CALL_FAST, 1ull << 32 | 0xf0, 1),
		     HV_STATUS_INVALID_PARAMETER);
}

/* --- timers: without the thread, time is given ----------------------------------------------------- */

#define T0_CONFIG HV_MSR_STIMER0_CONFIG
#define T0_COUNT  HV_MSR_STIMER0_COUNT
#define FAR	  (1ull << 60)

static uint64_t fire(uint64_t now)
{
	uint64_t next;

	pthread_mutex_lock(&p->vp[0].lock);
	next = hv_stimers_fire(&p->vp[0], now);
	pthread_mutex_unlock(&p->vp[0].lock);
	return next;
}

#define DIRECT (HV_STIMER_DIRECT | HV_STIMER_VECTOR_OF(0xed))

Test(hv_core, count_in_the_past_fires_at_once_and_once)
{
	wr(T0_CONFIG, DIRECT | HV_STIMER_AUTO_ENABLE);
	wr(T0_COUNT, 1);
	cr_assert_eq(script.nr_irqs[0], 1);
	cr_assert_eq(script.last_vector[0], 0xed);
	cr_assert_eq(rd(T0_CONFIG) & HV_STIMER_ENABLE, 0);
	cr_assert_eq(rd(T0_COUNT), 1);
	cr_assert_eq(fire(FAR), UINT64_MAX);
	cr_assert_eq(script.nr_irqs[0], 1);
}

Test(hv_core, one_shot_waits_for_its_time)
{
	wr(T0_CONFIG, DIRECT | HV_STIMER_AUTO_ENABLE);
	wr(T0_COUNT, FAR);
	cr_assert_eq(fire(FAR - 1), FAR);
	cr_assert_eq(script.nr_irqs[0], 0);
	cr_assert_eq(fire(FAR), UINT64_MAX);
	cr_assert_eq(script.nr_irqs[0], 1);
	wr(T0_COUNT, FAR);
	wr(T0_COUNT, 0);
	cr_assert_eq(fire(FAR), UINT64_MAX, "count 0 stops it");
	cr_assert_eq(script.nr_irqs[0], 1);
}

Test(hv_core, without_enable_or_auto_enable_nothing_fires)
{
	wr(T0_CONFIG, DIRECT);
	wr(T0_COUNT, 1);
	cr_assert_eq(fire(FAR), UINT64_MAX);
	cr_assert_eq(script.nr_irqs[0], 0);
	wr(T0_CONFIG, DIRECT | HV_STIMER_ENABLE);
	cr_assert_eq(script.nr_irqs[0], 1);
}

Test(hv_core, periodic_timer_goes_on_and_drops_what_it_missed)
{
	uint64_t next, period = 1ull << 40;

	wr(T0_CONFIG, DIRECT | HV_STIMER_ENABLE | HV_STIMER_PERIODIC);
	wr(T0_COUNT, period);
	next = fire(1);
	cr_assert_eq(fire(next), next + period);
	cr_assert_eq(script.nr_irqs[0], 1);
	cr_assert_eq(fire(next + 10 * period), next + 11 * period);
	cr_assert_eq(script.nr_irqs[0], 2);
}

Test(hv_core, tiny_periods_are_slowed_down)
{
	uint64_t now;

	wr(T0_CONFIG, DIRECT | HV_STIMER_ENABLE | HV_STIMER_PERIODIC);
	wr(T0_COUNT, 1);
	now = FAR;
	cr_assert_eq(fire(now), now + 1000);
}

Test(hv_core, timer_message_goes_into_the_slot_of_its_sint)
{
	struct hv_timer_message tm;

	synic_on();
	post(7);
	wr(T0_CONFIG + 2, HV_STIMER_AUTO_ENABLE | HV_STIMER_SINT_OF(2));
	wr(T0_COUNT + 2, 5);
	cr_assert_eq(slot(2)->type, 1);
	cr_assert_eq(slot(2)->flags, HV_MESSAGE_FLAG_PENDING, "the slot was busy");
	slot(2)->type = 0;
	wr(HV_MSR_EOM, 0);
	cr_assert_eq(slot(2)->type, HV_MESSAGE_TIMER_EXPIRED);
	cr_assert_eq(slot(2)->payload_size, 24);
	memcpy(&tm, slot(2)->payload, sizeof(tm));
	cr_assert_eq(tm.timer_index, 1);
	cr_assert_eq(tm.expiration_time, 5);
	cr_assert_geq(tm.delivery_time, 5);
}

Test(hv_core, message_timer_on_sint_zero_is_not_enabled)
{
	wr(T0_CONFIG, HV_STIMER_ENABLE);
	cr_assert_eq(rd(T0_CONFIG), 0);
}

Test(hv_core, timer_thread_fires_without_anybody_asking)
{
	int i;

	cr_assert_eq(hv_timers_start(p), 0);
	wr(T0_CONFIG, DIRECT | HV_STIMER_AUTO_ENABLE);
	wr(T0_COUNT, hv_ref_time(p) + 50000);
	for (i = 0; i < 10000 && !__atomic_load_n(&script.nr_irqs[0], __ATOMIC_RELAXED); i++)
		usleep(1000);
	cr_assert_eq(script.nr_irqs[0], 1);
}

/* --- exits --------------------------------------------------------------------------------------- */

static enum hv_verdict out(uint16_t port, uint64_t v)
{
	const struct hv_exit ex = {.kind = HV_EXIT_IO, .port = port, .is_out = 1, .value = v};
	uint64_t ignored;

	return hv_dispatch(&p->vp[0], &ex, &ignored, &stop);
}

Test(hv_core, console_comes_in_clean_lines)
{
	const char *s;
	unsigned int i;

	for (s = "he\x1b[llo\r\n"; *s; s++)
		cr_assert_eq(out(NETHV_PORT_SERIAL, (uint8_t)*s), HV_GO_ON);
	cr_assert_eq(up.nr_lines, 1);
	cr_assert_str_eq(up.line, "he.[llo");
	for (i = 0; i < 2 * HV_CONSOLE_LINE; i++)
		out(NETHV_PORT_SERIAL, 'x');
	cr_assert_eq(up.nr_lines, 3, "a line without end is cut");
}

Test(hv_core, exit_port_carries_the_status)
{
	cr_assert_eq(out(NETHV_PORT_EXIT, 7), HV_STOP);
	cr_assert_eq(stop.reason, HV_STOP_GUEST_EXIT);
	cr_assert_eq(stop.status, 7);
}

Test(hv_core, ports_without_device_read_as_ones)
{
	struct hv_exit ex = {.kind = HV_EXIT_IO, .port = 0x1234, .size = 4};
	uint64_t v = 0;

	cr_assert_eq(hv_dispatch(&p->vp[0], &ex, &v, &stop), HV_GO_ON);
	cr_assert_eq(v, 0xffffffff);
	cr_assert_eq(out(0x1234, 1), HV_GO_ON);
}

Test(hv_core, forged_exit_kind_ends_the_partition)
{
	struct hv_exit ex = {.kind = 0xdeadbeef};
	uint64_t v;

	cr_assert_eq(hv_dispatch(&p->vp[0], &ex, &v, &stop), HV_STOP);
	ex = (struct hv_exit){.kind = HV_EXIT_FAULT, .trap = 0xffffffff, .nr_bytes = 255};
	cr_assert_eq(hv_dispatch(&p->vp[0], &ex, &v, &stop), HV_STOP);
	cr_assert_eq(stop.reason, HV_STOP_GUEST_CRASH);
}

Test(hv_core, report_is_made_safe_to_print)
{
	struct nethv_report *r = mem(NETHV_RAM_BASE + 0x10000), got;

	cr_assert_eq(hv_report_read(p, &got), -ENODATA);
	memset(r, 0xee, sizeof(*r));
	r->magic = NETHV_REPORT_MAGIC;
	cr_assert_eq(hv_report_read(p, &got), 0);
	cr_assert_eq(got.nr, NETHV_REPORT_ENTRIES);
	cr_assert_eq(got.state, NETHV_STATE_FAILED);
	cr_assert_eq(strspn(got.message, "?"), NETHV_REPORT_MESSAGE - 1);
	cr_assert_eq(strspn(got.entry[111].name, "?"), NETHV_REPORT_NAME - 1);
	strcpy(r->entry[0].name, "rx.pkts-1_ok A");
	hv_report_read(p, &got);
	cr_assert_str_eq(got.entry[0].name, "rx.pkts-1_ok??");
}

Test(hv_core, stop_request_sets_the_word_and_wakes_every_vp)
{
	const struct nethv_control *c = mem(NETHV_RAM_BASE + 0x11000);

	hv_request_stop(p);
	cr_assert_eq(c->stop, 1);
	cr_assert_eq(script.nr_irqs[0] + script.nr_irqs[1] + script.nr_irqs[2], 3);
	cr_assert_eq(script.last_vector[2], NETHV_VECTOR_WAKE);
}

Test(hv_core, boot_record_describes_memory_and_hypervisor)
{
	const struct nethv_boot *b = mem(NETHV_RAM_BASE);
	uint64_t at = NETHV_RAM_BASE;
	unsigned int i, found = 0;

	cr_assert_eq(b->magic, NETHV_BOOT_MAGIC);
	cr_assert_eq(b->nr_vps, 3);
	for (i = 0; i < b->nr_mem; at += b->mem[i].len, i++)
		cr_assert_eq(b->mem[i].base, at, "regions follow each other");
	cr_assert_eq(at, NETHV_IMAGE_BASE + (4 << 20));
	cr_assert_eq(b->vp_area_base + 3 * NETHV_VP_AREA, at);
	for (i = 0; i < b->nr_cpuid; i++)
		found += b->cpuid[i].leaf == HV_CPUID_VENDOR && b->cpuid[i].ebx == HV_VENDOR_EBX;
	cr_assert_eq(found, 1);
}

/* --- the loop, with a script ----------------------------------------------------------------------- */

static void wait_for(const unsigned int *n, unsigned int want)
{
	int i;

	for (i = 0; i < 10000 && __atomic_load_n(n, __ATOMIC_ACQUIRE) < want; i++)
		usleep(1000);
	cr_assert_geq(*n, want);
}

Test(hv_loop, replayed_exits_are_completed_and_the_guests_end_is_reported_once)
{
	static const struct hv_exit exits[] = {
		{.kind = HV_EXIT_RDMSR, .msr = HV_MSR_SVERSION},
		{.kind = HV_EXIT_HYPERCALL, .rcx = 0x7777},
		{.kind = HV_EXIT_IO, .port = NETHV_PORT_EXIT, .is_out = 1, .value = 3},
	};
	struct hv_vp_stats st;

	script = (struct hv_script){.is_run = true, .exit = exits, .nr_exits = 3};
	setup();
	cr_assert_eq(hv_partition_start(p), 0);
	cr_assert_eq(hv_partition_start(p), -EALREADY);
	wait_for(&up.nr_stopped, 1);
	hv_partition_stop(p);
	cr_assert_eq(up.nr_stopped, 1);
	cr_assert_eq(up.status, 3);
	cr_assert_eq(script.nr_completed, 2);
	cr_assert_eq(script.value[0], 1);
	cr_assert_eq(script.value[1], HV_STATUS_INVALID_HYPERCALL_CODE);
	hv_vp_stats(p, 0, &st);
	cr_assert_eq(st.exits[HV_EXIT_RDMSR], 1);
	cr_assert_eq(st.exits[HV_EXIT_IO], 1);
	teardown();
}

Test(hv_loop, engine_that_can_inject_gets_gp_for_a_bad_msr)
{
	static const struct hv_exit exits[] = {
		{.kind = HV_EXIT_RDMSR, .msr = 0x400000c0},
		{.kind = HV_EXIT_IO, .port = NETHV_PORT_EXIT, .is_out = 1},
	};

	script = (struct hv_script){.is_run = true, .exit = exits, .nr_exits = 2, .can_gp = true};
	setup();
	cr_assert_eq(hv_partition_start(p), 0);
	wait_for(&up.nr_stopped, 1);
	cr_assert(script.was_gp[0]);
	cr_assert_eq(up.reason, HV_STOP_GUEST_EXIT);
	teardown();
}

Test(hv_loop, stop_without_an_end_of_the_guest_makes_no_upcall)
{
	script = (struct hv_script){0};
	setup();
	cr_assert_eq(hv_partition_start(p), 0);
	hv_partition_stop(p);
	cr_assert_eq(up.nr_stopped, 0);
	teardown();
}
