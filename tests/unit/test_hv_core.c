/* SPDX-License-Identifier: BSD-3-Clause */
/* Registers, clock, crashes, ports and exits of libhv, above the scripted engine. */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/hvbed.h"

TestSuite(hv_core, .init = bed_up, .fini = bed_down);

/* --- MSRs ---------------------------------------------------------------------------------------- */

Test(hv_core, registers_have_their_reset_values)
{
	unsigned int i;

	cr_assert_eq(bed_rdmsr(HV_MSR_SCONTROL), 0);
	cr_assert_eq(bed_rdmsr(HV_MSR_SIMP), 0);
	cr_assert_eq(bed_rdmsr(HV_MSR_SIEFP), 0);
	cr_assert_eq(bed_rdmsr(HV_MSR_SVERSION), 1);
	cr_assert_eq(bed_rdmsr(HV_MSR_EOM), 0);
	cr_assert_eq(bed_rdmsr(HV_MSR_GUEST_OS_ID), 0);
	cr_assert_eq(bed_rdmsr(HV_MSR_HYPERCALL), 0);
	for (i = 0; i < HV_NR_SINTS; i++)
		cr_assert_eq(bed_rdmsr(HV_MSR_SINT0 + i), HV_SINT_MASKED);
	for (i = 0; i < 2 * HV_NR_STIMERS; i++)
		cr_assert_eq(bed_rdmsr(HV_MSR_STIMER0_CONFIG + i), 0);
}

Test(hv_core, plain_registers_read_back_what_was_written)
{
	static const uint32_t msr[] = {
		HV_MSR_GUEST_OS_ID,  HV_MSR_VP_ASSIST, HV_MSR_SCONTROL,	     HV_MSR_CRASH_P0,
		HV_MSR_CRASH_P0 + 1, HV_MSR_CRASH_P4,  HV_MSR_TSC_INVARIANT,
	};
	unsigned int i;

	for (i = 0; i < sizeof(msr) / sizeof(msr[0]); i++) {
		bed_wrmsr(msr[i], 1);
		cr_assert_eq(bed_rdmsr(msr[i]), 1, "%#x", msr[i]);
		bed_wrmsr(msr[i], 0);
		cr_assert_eq(bed_rdmsr(msr[i]), 0, "%#x", msr[i]);
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
		cr_assert_eq(bed_wrmsr_on(0, row[i].msr, 1), HV_STOP, "%#x", row[i].msr);
		cr_assert(strstr(bed_stop.text, row[i].words), "%s", bed_stop.text);
	}
	cr_assert_eq(hv_dispatch(&bed->vp[0], &ex, &v, &bed_stop), HV_STOP);
	cr_assert(strstr(bed_stop.text, "VP 0: RDMSR 0x400000c0"), "%s", bed_stop.text);
	cr_assert(strstr(bed_stop.text, "RIP 0x1234"), "%s", bed_stop.text);
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
		{BED_SINT2, 15},
		{BED_SINT2, 0},
		{HV_MSR_STIMER0_CONFIG, 1ull << 20},
		{HV_MSR_STIMER0_CONFIG, 1ull << 13},
		{HV_MSR_STIMER0_CONFIG, HV_STIMER_DIRECT | HV_STIMER_ENABLE},
		{HV_MSR_REFERENCE_TSC, (1ull << 50) | 1},
		{HV_MSR_TSC_INVARIANT, 2},
	};
	unsigned int i;

	for (i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		cr_assert_eq(bed_wrmsr_on(0, row[i].msr, row[i].value), HV_STOP, "row %u", i);
		cr_assert(strstr(bed_stop.text, "is not valid"), "%s", bed_stop.text);
	}
	cr_assert_eq(bed_rdmsr(HV_MSR_SIMP), 0);
}

Test(hv_core, hypercall_page_needs_an_os_id_and_obeys_the_lock)
{
	const uint8_t *code = bed_mem(BED_CODE);

	bed_wrmsr(HV_MSR_HYPERCALL, BED_CODE | 1);
	cr_assert_eq(bed_rdmsr(HV_MSR_HYPERCALL), BED_CODE, "no OS id: stays off");
	cr_assert_eq(code[0], 0);
	bed_wrmsr(HV_MSR_GUEST_OS_ID, 5);
	bed_wrmsr(HV_MSR_HYPERCALL, BED_CODE | 1);
	cr_assert_eq(bed_rdmsr(HV_MSR_HYPERCALL), BED_CODE | 1);
	cr_assert_eq(code[0], 0xc3);
	bed_wrmsr(HV_MSR_GUEST_OS_ID, 0);
	cr_assert_eq(bed_rdmsr(HV_MSR_HYPERCALL) & 1, 0);
	bed_wrmsr(HV_MSR_GUEST_OS_ID, 5);
	bed_wrmsr(HV_MSR_HYPERCALL, BED_CODE | 3);
	bed_wrmsr(HV_MSR_HYPERCALL, 0);
	cr_assert_eq(bed_rdmsr(HV_MSR_HYPERCALL), BED_CODE | 3, "locked");
}

Test(hv_core, clock_register_and_tsc_page_agree)
{
	const struct hv_reference_tsc *page = bed_mem(BED_CODE);
	uint64_t before, now, after;

	bed_wrmsr(HV_MSR_REFERENCE_TSC, BED_CODE | 1);
	cr_assert_eq(page->sequence, bed->clock.is_tsc ? 1 : 0);
	before = bed_rdmsr(HV_MSR_TIME_REF_COUNT);
	now = (uint64_t)((unsigned __int128)__builtin_ia32_rdtsc() * page->scale >> 64) +
	      (uint64_t)page->offset;
	after = bed_rdmsr(HV_MSR_TIME_REF_COUNT);
	if (page->sequence)
		cr_assert(before <= now && now <= after);
	cr_assert_eq(bed_rdmsr(HV_MSR_TSC_FREQUENCY), bed->clock.tsc_hz);
	cr_assert_eq(bed_rdmsr(HV_MSR_APIC_FREQUENCY), 1000000000);
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
	strcpy(bed_mem(BED_INPUT), "kernel\npanic");
	bed_wrmsr(HV_MSR_CRASH_P0, 0xdead);
	bed_wrmsr(HV_MSR_CRASH_P0 + 3, BED_INPUT);
	bed_wrmsr(HV_MSR_CRASH_P4, 1ull << 60);
	cr_assert_eq(bed_wrmsr_on(0, HV_MSR_CRASH_CTL, HV_CRASH_NOTIFY | HV_CRASH_MSG), HV_STOP);
	cr_assert_eq(bed_stop.reason, HV_STOP_GUEST_CRASH);
	cr_assert(strstr(bed_stop.text, "0xdead"), "%s", bed_stop.text);
	cr_assert(strstr(bed_stop.text, "kernel panic"), "%s", bed_stop.text);
	bed_wrmsr(HV_MSR_CRASH_P0 + 3, ~0ull); /* not RAM: no text, no harm */
	cr_assert_eq(bed_wrmsr_on(0, HV_MSR_CRASH_CTL, HV_CRASH_NOTIFY | HV_CRASH_MSG), HV_STOP);
	cr_assert(bed_rdmsr(HV_MSR_CRASH_CTL) & HV_CRASH_NOTIFY);
}

/* Linux sends the last 4 KiB of its log, in which the line that says why is not the first. */
Test(hv_core, crash_text_begins_where_the_panic_is_told)
{
	char *log = bed_mem(BED_INPUT);
	size_t i;

	for (i = 0; i < HV_CRASH_MSG_MAX; i += 16)
		memcpy(log + i, "<6>[ 1.0] quiet\n", 16);
	memcpy(log + 3000, "<0>[ 2.0] Kernel panic - not syncing: out of milk\n", 50);
	bed_wrmsr(HV_MSR_CRASH_P0 + 3, BED_INPUT);
	bed_wrmsr(HV_MSR_CRASH_P4, HV_CRASH_MSG_MAX);
	cr_assert_eq(bed_wrmsr_on(0, HV_MSR_CRASH_CTL, HV_CRASH_NOTIFY | HV_CRASH_MSG), HV_STOP);
	cr_assert(strstr(bed_stop.text, ": Kernel panic - not syncing: out of milk"), "%s",
		  bed_stop.text);
	memset(log + 3000, '.', 50);
	memcpy(log + HV_CRASH_MSG_MAX - 8, "the end\n", 8);
	cr_assert_eq(bed_wrmsr_on(0, HV_MSR_CRASH_CTL, HV_CRASH_NOTIFY | HV_CRASH_MSG), HV_STOP);
	cr_assert(strstr(bed_stop.text, "the end"), "%s", bed_stop.text);
}

/* --- exits --------------------------------------------------------------------------------------- */

static enum hv_verdict out(uint16_t port, uint64_t v)
{
	const struct hv_exit ex = {.kind = HV_EXIT_IO, .port = port, .is_out = 1, .value = v};
	uint64_t ignored;

	return hv_dispatch(&bed->vp[0], &ex, &ignored, &bed_stop);
}

Test(hv_core, console_comes_in_clean_lines)
{
	const char *s;
	unsigned int i;

	for (s = "he\x1b[llo\r\n"; *s; s++)
		cr_assert_eq(out(NETHV_PORT_SERIAL, (uint8_t)*s), HV_GO_ON);
	cr_assert_eq(bed_heard.nr_lines, 1);
	cr_assert_str_eq(bed_heard.line, "he.[llo");
	for (i = 0; i < 2 * HV_CONSOLE_LINE; i++)
		out(NETHV_PORT_SERIAL, 'x');
	cr_assert_eq(bed_heard.nr_lines, 3, "a line without end is cut");
}

Test(hv_core, exit_port_carries_the_status)
{
	cr_assert_eq(out(NETHV_PORT_EXIT, 7), HV_STOP);
	cr_assert_eq(bed_stop.reason, HV_STOP_GUEST_EXIT);
	cr_assert_eq(bed_stop.status, 7);
}

Test(hv_core, ports_without_device_read_as_ones)
{
	struct hv_exit ex = {.kind = HV_EXIT_IO, .port = 0x1234, .size = 4};
	uint64_t v = 0;

	cr_assert_eq(hv_dispatch(&bed->vp[0], &ex, &v, &bed_stop), HV_GO_ON);
	cr_assert_eq(v, 0xffffffff);
	cr_assert_eq(out(0x1234, 1), HV_GO_ON);
}

Test(hv_core, forged_exit_kind_ends_the_partition)
{
	struct hv_exit ex = {.kind = 0xdeadbeef};
	uint64_t v;

	cr_assert_eq(hv_dispatch(&bed->vp[0], &ex, &v, &bed_stop), HV_STOP);
	ex = (struct hv_exit){.kind = HV_EXIT_FAULT, .trap = 0xffffffff, .nr_bytes = 255};
	cr_assert_eq(hv_dispatch(&bed->vp[0], &ex, &v, &bed_stop), HV_STOP);
	cr_assert_eq(bed_stop.reason, HV_STOP_GUEST_CRASH);
}

Test(hv_core, report_is_made_safe_to_print)
{
	struct nethv_report *r = bed_mem(NETHV_RAM_BASE + 0x10000), got;

	cr_assert_eq(hv_report_read(bed, &got), -ENODATA);
	memset(r, 0xee, sizeof(*r));
	r->magic = NETHV_REPORT_MAGIC;
	cr_assert_eq(hv_report_read(bed, &got), 0);
	cr_assert_eq(got.nr, NETHV_REPORT_ENTRIES);
	cr_assert_eq(got.state, NETHV_STATE_FAILED);
	cr_assert_eq(strspn(got.message, "?"), NETHV_REPORT_MESSAGE - 1);
	cr_assert_eq(strspn(got.entry[111].name, "?"), NETHV_REPORT_NAME - 1);
	strcpy(r->entry[0].name, "rx.pkts-1_ok A");
	hv_report_read(bed, &got);
	cr_assert_str_eq(got.entry[0].name, "rx.pkts-1_ok??");
}

Test(hv_core, stop_request_sets_the_word_and_wakes_every_vp)
{
	const struct nethv_control *c = bed_mem(NETHV_RAM_BASE + 0x11000);

	hv_request_stop(bed);
	cr_assert_eq(c->stop, 1);
	cr_assert_eq(bed_script.nr_irqs[0] + bed_script.nr_irqs[1] + bed_script.nr_irqs[2], 3);
	cr_assert_eq(bed_script.last_vector[2], NETHV_VECTOR_WAKE);
}

Test(hv_core, an_order_lies_in_the_control_page_whole_with_an_even_number)
{
	const struct nethv_control *c = bed_mem(NETHV_RAM_BASE + 0x11000);
	char longest[NETHV_ORDER_MAX + 2];
	uint32_t seq = 0;

	cr_assert_eq(hv_order(bed, "trial rate=7", &seq), 0);
	cr_assert_eq(seq, 2);
	cr_assert_eq(c->order_seq, 2);
	cr_assert_str_eq(c->order, "trial rate=7");
	cr_assert_eq(bed_script.nr_irqs[0] + bed_script.nr_irqs[1] + bed_script.nr_irqs[2], 3);
	memset(longest, 'x', sizeof(longest));
	longest[NETHV_ORDER_MAX + 1] = '\0';
	cr_assert_eq(hv_order(bed, longest, &seq), -EINVAL, "one byte too many");
	cr_assert_eq(hv_order(bed, "", &seq), -EINVAL);
	cr_assert_str_eq(c->order, "trial rate=7", "a refused order changes nothing");
	longest[NETHV_ORDER_MAX] = '\0';
	cr_assert_eq(hv_order(bed, longest, &seq), 0);
	cr_assert_eq(seq, 4);
	cr_assert_str_eq(c->order, longest);
}

Test(hv_core, boot_record_describes_memory_and_hypervisor)
{
	const struct nethv_boot *b = bed_mem(NETHV_RAM_BASE);
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

/* --- the loop, with a bed_script ----------------------------------------------------------------------- */

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

	bed_script = (struct hv_script){.is_run = true, .exit = exits, .nr_exits = 3};
	bed_up();
	cr_assert_eq(hv_partition_start(bed), 0);
	cr_assert_eq(hv_partition_start(bed), -EALREADY);
	wait_for(&bed_heard.nr_stopped, 1);
	hv_partition_stop(bed);
	cr_assert_eq(bed_heard.nr_stopped, 1);
	cr_assert_eq(bed_heard.status, 3);
	cr_assert_eq(bed_script.nr_completed, 2);
	cr_assert_eq(bed_script.value[0], 1);
	cr_assert_eq(bed_script.value[1], HV_STATUS_INVALID_HYPERCALL_CODE);
	hv_vp_stats(bed, 0, &st);
	cr_assert_eq(st.exits[HV_EXIT_RDMSR], 1);
	cr_assert_eq(st.exits[HV_EXIT_IO], 1);
	bed_down();
}

Test(hv_loop, engine_that_can_inject_gets_gp_for_a_bad_msr)
{
	static const struct hv_exit exits[] = {
		{.kind = HV_EXIT_RDMSR, .msr = 0x400000c0},
		{.kind = HV_EXIT_IO, .port = NETHV_PORT_EXIT, .is_out = 1},
	};

	bed_script =
		(struct hv_script){.is_run = true, .exit = exits, .nr_exits = 2, .can_gp = true};
	bed_up();
	cr_assert_eq(hv_partition_start(bed), 0);
	wait_for(&bed_heard.nr_stopped, 1);
	cr_assert(bed_script.was_gp[0]);
	cr_assert_eq(bed_heard.reason, HV_STOP_GUEST_EXIT);
	bed_down();
}

Test(hv_loop, stop_without_an_end_of_the_guest_makes_no_upcall)
{
	bed_script = (struct hv_script){0};
	bed_up();
	cr_assert_eq(hv_partition_start(bed), 0);
	hv_partition_stop(bed);
	cr_assert_eq(bed_heard.nr_stopped, 0);
	bed_down();
}
