/* SPDX-License-Identifier: BSD-3-Clause */
/* The bus, power management, and how exits of a Linux partition reach its devices. */
#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "hv/devices.h"
#include "hv/linux/machine.h"
#include "hv/priv.h"
#include "hv/scripted.h"

/* ---- The bus alone -------------------------------------------------------------------------- */

static struct {
	char text[256];
} seen;

static void note(const char *what, uint64_t off, unsigned int size, uint64_t v)
{
	size_t n = strlen(seen.text);

	snprintf(seen.text + n, sizeof(seen.text) - n, "%s%llx/%u=%llx ", what,
		 (unsigned long long)off, size, (unsigned long long)v);
}

/* Reads as its offset + 0x10 in each byte. */
static uint64_t dev_read(void *dev, uint64_t off, unsigned int size)
{
	uint64_t v = 0;
	unsigned int i;

	for (i = 0; i < size; i++)
		v |= (off + i + 0x10) << (8 * i);
	note("r", off, size, v);
	return v;
}

static enum hv_verdict dev_write(void *dev, uint64_t off, unsigned int size, uint64_t v,
				 struct hv_stop *stop)
{
	note("w", off, size, v);
	return v == 0xdd ? HV_STOP : HV_GO_ON;
}

static const struct hv_bus_ops dev_ops = {dev_read, dev_write};

static int add(struct hv_bus *bus, uint64_t first, uint64_t last, unsigned int width)
{
	const struct hv_bus_range r = {first, last, width, &dev_ops, NULL};

	return hv_bus_add(bus, HV_SPACE_PORT, &r);
}

static uint64_t rd_at(const struct hv_bus *bus, uint64_t at, unsigned int size)
{
	struct hv_access a = {.space = HV_SPACE_PORT, .at = at, .size = size};

	seen.text[0] = '\0';
	hv_bus_read(bus, &a);
	return a.value;
}

static enum hv_verdict wr_at(const struct hv_bus *bus, uint64_t at, unsigned int size, uint64_t v)
{
	struct hv_access a = {.space = HV_SPACE_PORT, .at = at, .size = size, .value = v};
	struct hv_stop s;

	seen.text[0] = '\0';
	return hv_bus_write(bus, &a, &s);
}

Test(hv_bus, overlaps_are_refused)
{
	static const struct {
		uint64_t first, last;
		int rc;
	} t[] = {
		{0x100, 0x107, 0},	 {0x110, 0x110, 0},	  {0x107, 0x108, -EEXIST},
		{0xf0, 0x100, -EEXIST},	 {0x102, 0x103, -EEXIST}, {0x80, 0x200, -EEXIST},
		{0x110, 0x110, -EEXIST}, {0x108, 0x10f, 0},	  {0, 0xff, 0},
		{0x111, ~0ull, 0},	 {0x50, 0x50, -EEXIST},	  {9, 8, -EINVAL},
	};
	struct hv_bus bus = {0};
	unsigned int i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		cr_expect_eq(add(&bus, t[i].first, t[i].last, 1), t[i].rc, "%u", i);
	for (i = 1; i < bus.nr[HV_SPACE_PORT]; i++)
		cr_expect_lt(bus.range[HV_SPACE_PORT][i - 1].last,
			     bus.range[HV_SPACE_PORT][i].first);
}

Test(hv_bus, the_two_spaces_are_apart)
{
	const struct hv_bus_range r = {0x100, 0x107, 1, &dev_ops, NULL};
	struct hv_bus bus = {0};

	cr_assert_eq(add(&bus, 0x100, 0x107, 1), 0);
	cr_assert_eq(hv_bus_add(&bus, HV_SPACE_MMIO, &r), 0);
}

Test(hv_bus, bad_width_and_a_full_table_are_refused)
{
	struct hv_bus bus = {0};
	unsigned int i;

	cr_assert_eq(add(&bus, 0, 9, 0), -EINVAL);
	cr_assert_eq(add(&bus, 0, 9, 3), -EINVAL);
	cr_assert_eq(add(&bus, 0, 9, 16), -EINVAL);
	for (i = 0; i < HV_BUS_RANGES_MAX; i++)
		cr_assert_eq(add(&bus, i, i, 1), 0);
	cr_assert_eq(add(&bus, i, i, 1), -ENOSPC);
}

Test(hv_bus, wide_accesses_are_cut_to_the_devices_width)
{
	struct hv_bus bus = {0};

	cr_assert_eq(add(&bus, 0x100, 0x107, 1), 0);
	cr_assert_eq(add(&bus, 0x200, 0x20f, 4), 0);
	cr_expect_eq(rd_at(&bus, 0x102, 1), 0x12);
	cr_expect_eq(rd_at(&bus, 0x102, 2), 0x1312);
	cr_expect_str_eq(seen.text, "r2/1=12 r3/1=13 ");
	cr_expect_eq(rd_at(&bus, 0x204, 8), 0x1b1a191817161514);
	cr_expect_str_eq(seen.text, "r4/4=17161514 r8/4=1b1a1918 ");
	cr_expect_eq(rd_at(&bus, 0x200, 3), 0x121110);
	cr_expect_eq(wr_at(&bus, 0x104, 4, 0x44332211), HV_GO_ON);
	cr_expect_str_eq(seen.text, "w4/1=11 w5/1=22 w6/1=33 w7/1=44 ");
}

Test(hv_bus, what_reaches_beyond_the_end_is_nobodys)
{
	struct hv_bus bus = {0};

	cr_assert_eq(add(&bus, 0x100, 0x107, 4), 0);
	cr_assert_eq(add(&bus, 0x108, 0x10f, 1), 0);
	cr_expect_eq(rd_at(&bus, 0x106, 4), 0xffff1716);
	cr_expect_str_eq(seen.text, "r6/2=1716 ");
	cr_expect_eq(wr_at(&bus, 0x107, 2, 0xabcd), HV_GO_ON);
	cr_expect_str_eq(seen.text, "w7/1=cd ");
	cr_assert_eq(add(&bus, ~0ull - 3, ~0ull, 8), 0);
	cr_expect_eq(rd_at(&bus, ~0ull, 8), 0xffffffffffffff13, "the end of the address space");
}

Test(hv_bus, a_device_behind_the_first_byte_does_not_answer)
{
	struct hv_bus bus = {0};

	cr_assert_eq(add(&bus, 0xcf9, 0xcf9, 1), 0);
	cr_expect_eq(rd_at(&bus, 0xcf8, 4), 0xffffffff);
	cr_expect_eq(wr_at(&bus, 0xcf8, 4, 0xdddddddd), HV_GO_ON);
	cr_expect_str_eq(seen.text, "");
}

Test(hv_bus, forged_sizes_reach_nobody)
{
	struct hv_bus bus = {0};

	cr_assert_eq(add(&bus, 0, 0xffff, 1), 0);
	cr_expect_eq(rd_at(&bus, 0, 0), 0);
	cr_expect_eq(rd_at(&bus, 0, 9), ~0ull);
	cr_expect_eq(rd_at(&bus, 0, 255), ~0ull);
	wr_at(&bus, 0, 200, 1);
	cr_expect_str_eq(seen.text, "");
}

Test(hv_bus, a_stop_ends_the_rest_of_a_write)
{
	struct hv_bus bus = {0};

	cr_assert_eq(add(&bus, 0, 7, 1), 0);
	cr_expect_eq(wr_at(&bus, 0, 4, 0x11dd22), HV_STOP);
	cr_expect_str_eq(seen.text, "w0/1=22 w1/1=dd ");
}

/* ---- A Linux partition ----------------------------------------------------------------------- */

static struct hv_script script = {.is_linux = true};
static struct hv_partition *p;
static struct hv_stop stop;

static struct {
	unsigned int nr_ready, nr_room, nr_stopped;
	enum hv_stop_reason reason;
	char text[400];
} up;

static void on_ready(void *ctx)
{
	up.nr_ready++;
}

static void on_room(void *ctx)
{
	up.nr_room++;
}

static void on_stopped(void *ctx, enum hv_stop_reason reason, uint32_t status, const char *text)
{
	up.nr_stopped++;
	up.reason = reason;
	snprintf(up.text, sizeof(up.text), "%s", text);
}

static const struct hv_partition_ops ops = {
	.stopped = on_stopped, .serial_ready = on_ready, .serial_room = on_room};

static void setup(void)
{
	cr_assert_eq(hv_scripted_create(&p, &script, 2, &ops, NULL), 0, "%s", err_text());
}

static void teardown(void)
{
	hv_partition_destroy(p);
}

TestSuite(hv_pc, .init = setup, .fini = teardown);

static enum hv_verdict go(struct hv_exit ex, uint64_t *v)
{
	return hv_dispatch(&p->vp[1], &ex, v, &stop);
}

static enum hv_verdict out(uint16_t port, uint64_t v)
{
	uint64_t ignored;

	return go(
		(struct hv_exit){
			.kind = HV_EXIT_IO, .port = port, .size = 1, .is_out = 1, .value = v},
		&ignored);
}

static uint64_t in(uint16_t port, uint8_t size)
{
	uint64_t v = 0;

	cr_assert_eq(go((struct hv_exit){.kind = HV_EXIT_IO, .port = port, .size = size}, &v),
		     HV_GO_ON);
	return v;
}

static void ends(enum hv_verdict v, enum hv_stop_reason reason, const char *text)
{
	cr_expect_eq(v, HV_STOP);
	cr_expect_eq(stop.reason, reason, "%s", stop.text);
	cr_expect(strstr(stop.text, text), "%s", stop.text);
	cr_expect(!strncmp(stop.text, "VP 1: ", 6), "%s", stop.text);
}

Test(hv_pc, acpi_power_off_and_nothing_else_is_a_sleep)
{
	cr_expect_eq(out(HV_PORT_SLEEP_CONTROL, 5 << 2), HV_GO_ON, "not enabled");
	cr_expect_eq(out(HV_PORT_SLEEP_CONTROL, 3 << 2 | 0x20), HV_GO_ON, "S3");
	cr_expect_eq(out(HV_PORT_SLEEP_STATUS, 0x80), HV_GO_ON);
	cr_expect_eq(in(HV_PORT_RESET, 1), 0);
	cr_expect_eq(in(HV_PORT_SLEEP_CONTROL, 1), 0);
	cr_expect_eq(in(HV_PORT_SLEEP_STATUS, 1), 0);
	ends(out(HV_PORT_SLEEP_CONTROL, 5 << 2 | 0x20), HV_STOP_GUEST_OFF, "S5");
}

Test(hv_pc, the_ways_to_reset)
{
	uint64_t v;

	cr_expect_eq(out(HV_PORT_RESET, 0), HV_GO_ON);
	ends(out(HV_PORT_RESET, 1), HV_STOP_GUEST_RESET, "ACPI");
	cr_expect_eq(in(0x64, 1), 0xff);
	cr_expect_eq(out(0x64, 0xd1), HV_GO_ON);
	ends(out(0x64, 0xfe), HV_STOP_GUEST_RESET, "keyboard");
	v = in(0xcf9, 1) & ~0x0e;
	cr_expect_eq(out(0xcf9, v | 2), HV_GO_ON);
	ends(out(0xcf9, v | 0x0e), HV_STOP_GUEST_RESET, "0xcf9");
	cr_expect_eq(out(0xcf9, 0x0e), HV_GO_ON, "no edge");
	ends(go((struct hv_exit){.kind = HV_EXIT_WRMSR, .msr = HV_MSR_RESET, .value = 1}, &v),
	     HV_STOP_GUEST_RESET, "MSR");
	cr_expect_eq(go((struct hv_exit){.kind = HV_EXIT_WRMSR, .msr = HV_MSR_RESET}, &v),
		     HV_GO_ON);
	cr_expect_eq(go((struct hv_exit){.kind = HV_EXIT_RDMSR, .msr = HV_MSR_RESET}, &v),
		     HV_GO_ON);
	cr_expect_eq(v, 0);
}

Test(hv_pc, a_probe_for_pci_finds_none_and_resets_nothing)
{
	static const struct hv_exit probe = {
		.kind = HV_EXIT_IO, .port = 0xcf8, .size = 4, .is_out = 1, .value = 0x80000400};
	uint64_t v;

	cr_expect_eq(out(0xcfb, 1), HV_GO_ON);
	cr_expect_eq(go(probe, &v), HV_GO_ON);
	cr_expect_eq(in(0xcf8, 4), 0xffffffff);
	cr_expect_eq(in(0xcfc, 4), 0xffffffff);
	cr_expect_eq(in(0xcfc, 2), 0xffff);
	cr_expect_eq(in(0xcfa, 1), 0xff);
}

Test(hv_pc, nobodys_accesses_are_counted_where_they_happened)
{
	struct hv_exit mmio = {.kind = HV_EXIT_MMIO, .gpa = 0xfed00000, .size = 8};
	struct hv_vp_stats st;
	uint64_t v = 0;

	in(0x61, 1);
	out(0x80, 0);
	in(HV_PC_COM1, 1);
	cr_expect_eq(go(mmio, &v), HV_GO_ON);
	cr_expect_eq(v, ~0ull);
	mmio.size = 4;
	mmio.gpa = HV_PC_IOAPIC;
	cr_expect_eq(go(mmio, &v), HV_GO_ON);
	cr_expect_eq(v, 0);
	hv_vp_stats(p, 1, &st);
	cr_expect_eq(st.nobodys_io, 2);
	cr_expect_eq(st.nobodys_mmio, 1);
	hv_vp_stats(p, 0, &st);
	cr_expect_eq(st.nobodys_io, 0);
}

Test(hv_pc, a_triple_fault_is_a_crash)
{
	uint64_t v;

	ends(go((struct hv_exit){.kind = HV_EXIT_SHUTDOWN}, &v), HV_STOP_GUEST_CRASH,
	     "triple fault");
	ends(go((struct hv_exit){.kind = HV_EXIT_SHUTDOWN, .rip = 0x1234}, &v), HV_STOP_GUEST_CRASH,
	     "0x1234");
}

Test(hv_pc, our_images_exit_port_is_nobodys)
{
	cr_expect_eq(out(NETHV_PORT_EXIT, 0), HV_GO_ON);
}

static void mmio_wr(uint64_t at, uint32_t v)
{
	uint64_t ignored;

	cr_assert_eq(go((struct hv_exit){.kind = HV_EXIT_MMIO,
					 .gpa = at,
					 .size = 4,
					 .is_out = 1,
					 .value = v},
			&ignored),
		     HV_GO_ON);
}

/* From the port to the engine: what a driver does that waits for input. */
Test(hv_pc, serial_input_becomes_an_msi)
{
	unsigned int index = 0x10 + 2 * HV_PC_COM1_GSI;

	mmio_wr(HV_PC_IOAPIC, index + 1);
	mmio_wr(HV_PC_IOAPIC + 0x10, 1u << 24);
	mmio_wr(HV_PC_IOAPIC, index);
	mmio_wr(HV_PC_IOAPIC + 0x10, 0x24);
	out(HV_PC_COM1 + 4, 0x0b);
	out(HV_PC_COM1 + 1, 0x01);
	cr_assert_eq(script.nr_msis, 0);
	cr_assert_eq(hv_serial_write(p, "ab", 2), 1, "no FIFO yet");
	cr_assert_eq(script.nr_msis, 1);
	cr_assert_eq(script.msi_address, 0xfee01000);
	cr_assert_eq(script.msi_data, 0x4024);
	cr_assert_eq(up.nr_room, 0);
	cr_assert_eq(in(HV_PC_COM1, 1), 'a');
	cr_assert_eq(up.nr_room, 1);
	cr_assert_eq(hv_serial_write(p, "b", 1), 1);
	cr_assert_eq(script.nr_msis, 2);
}

Test(hv_pc, serial_output_comes_out_whole)
{
	const char *s = "\x1b[1mhello\r\n";
	uint64_t lost = 1;
	char buf[32];
	size_t i;

	for (i = 0; s[i]; i++)
		out(HV_PC_COM1, (uint8_t)s[i]);
	cr_assert_eq(up.nr_ready, 1, "told once");
	cr_assert_eq(hv_serial_read(p, buf, sizeof(buf), &lost), strlen(s));
	cr_assert_eq(lost, 0);
	cr_assert(!memcmp(buf, s, strlen(s)));
	cr_assert_eq(hv_serial_read(p, buf, sizeof(buf), &lost), 0);
	out(HV_PC_COM1, 'x');
	cr_assert_eq(up.nr_ready, 2);
}

Test(hv_pc, power_off_stops_all_vps_and_is_told)
{
	const struct hv_exit off = {.kind = HV_EXIT_IO,
				    .port = HV_PORT_SLEEP_CONTROL,
				    .size = 1,
				    .is_out = 1,
				    .value = 0x34};

	script.exit = &off;
	script.nr_exits = 1;
	script.is_run = true;
	cr_assert_eq(hv_partition_start(p), 0);
	while (!__atomic_load_n(&up.nr_stopped, __ATOMIC_ACQUIRE))
		;
	hv_partition_stop(p);
	cr_assert_eq(up.reason, HV_STOP_GUEST_OFF);
	cr_assert_str_eq(up.text, "VP 0: powered off by ACPI (S5)");
}

/* ---- Our own image ---------------------------------------------------------------------------- */

Test(hv_bus, our_own_image_has_no_devices)
{
	static struct hv_script own;
	struct hv_partition *q;
	struct hv_exit ex = {.kind = HV_EXIT_MMIO, .gpa = HV_PC_IOAPIC, .size = 4, .rip = 0x200123};
	struct hv_stop s;
	uint64_t v;
	char c;

	cr_assert_eq(hv_scripted_create(&q, &own, 1, &ops, NULL), 0);
	cr_expect_eq(hv_dispatch(&q->vp[0], &ex, &v, &s), HV_STOP);
	cr_expect_eq(s.reason, HV_STOP_GUEST_CRASH);
	cr_expect(strstr(s.text, "read of address 0xfec00000"), "%s", s.text);
	ex = (struct hv_exit){
		.kind = HV_EXIT_IO, .port = HV_PORT_RESET, .size = 1, .is_out = 1, .value = 1};
	cr_expect_eq(hv_dispatch(&q->vp[0], &ex, &v, &s), HV_GO_ON);
	cr_expect_eq(hv_serial_read(q, &c, 1, NULL), 0);
	cr_expect_eq(hv_serial_write(q, "abc", 3), 3);
	hv_partition_destroy(q);
}
