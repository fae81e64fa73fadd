/* SPDX-License-Identifier: BSD-3-Clause */
/* The I/O APIC, register by register, and the MSIs that it makes. */
#include <criterion/criterion.h>

#include <string.h>

#include "hv/ioapic.h"

#define MASKED 0x10000u
#define LEVEL  0x8000u
#define IRR    0x4000u
#define LOW    0x2000u
#define NR     24u

static struct hv_bus bus;
static struct hv_ioapic io;

static struct {
	unsigned int nr;
	uint64_t address;
	uint32_t data;
} msi;

static void on_msi(void *ctx, uint64_t address, uint32_t data)
{
	cr_assert_eq(ctx, &msi);
	msi.nr++;
	msi.address = address;
	msi.data = data;
}

static void setup(void)
{
	cr_assert_eq(hv_ioapic_init(&io, &bus, on_msi, &msi), 0);
}

static void teardown(void)
{
	hv_ioapic_fini(&io);
}

TestSuite(hv_ioapic, .init = setup, .fini = teardown);

static void wr_size(uint64_t off, uint64_t v, unsigned int size)
{
	struct hv_access a = {
		.space = HV_SPACE_MMIO, .at = HV_PC_IOAPIC + off, .size = size, .value = v};
	struct hv_stop stop;

	cr_assert_eq(hv_bus_write(&bus, &a, &stop), HV_GO_ON);
}

static uint32_t rd_raw(uint64_t off)
{
	struct hv_access a = {.space = HV_SPACE_MMIO, .at = HV_PC_IOAPIC + off, .size = 4};

	hv_bus_read(&bus, &a);
	return (uint32_t)a.value;
}

static void wr(uint8_t index, uint32_t v)
{
	wr_size(0, index, 4);
	wr_size(0x10, v, 4);
}

static uint32_t rd(uint8_t index)
{
	wr_size(0, index, 4);
	return rd_raw(0x10);
}

static void rte(unsigned int pin, uint32_t lo, uint8_t dest)
{
	wr((uint8_t)(0x11 + 2 * pin), (uint32_t)dest << 24);
	wr((uint8_t)(0x10 + 2 * pin), lo);
}

static void pulse(unsigned int pin)
{
	hv_ioapic_set(&io, pin, true);
	hv_ioapic_set(&io, pin, false);
}

Test(hv_ioapic, registers_after_power_on)
{
	unsigned int i;

	cr_expect_eq(rd(0), HV_PC_IOAPIC_ID << 24);
	cr_expect_eq(rd(1), 0x170020, "24 entries, version 0x20");
	cr_expect_eq(rd(2), HV_PC_IOAPIC_ID << 24);
	for (i = 0; i < NR; i++) {
		cr_expect_eq(rd((uint8_t)(0x10 + 2 * i)), MASKED);
		cr_expect_eq(rd((uint8_t)(0x11 + 2 * i)), 0);
	}
}

Test(hv_ioapic, read_only_bits_stay)
{
	wr(0, 0xffffffff);
	cr_expect_eq(rd(0), 0x0f000000);
	wr(1, 0xffffffff);
	cr_expect_eq(rd(1), 0x170020);
	wr(0x10, 0xffffffff);
	cr_expect_eq(rd(0x10), 0x1afff, "no delivery status, no remote IRR");
	wr(0x11, 0xffffffff);
	cr_expect_eq(rd(0x11), 0xff000000);
	wr(0x3f, 0xffffffff);
	cr_expect_eq(rd(0x3f), 0xff000000, "the last entry");
}

Test(hv_ioapic, what_is_not_there_reads_as_zero)
{
	static const uint8_t index[] = {3, 0xf, 0x40, 0x41, 0xff};
	unsigned int i;

	for (i = 0; i < sizeof(index); i++) {
		wr(index[i], 0xffffffff);
		cr_expect_eq(rd(index[i]), 0, "%#x", index[i]);
	}
	cr_expect_eq(rd_raw(0x20), 0);
	cr_expect_eq(rd_raw(0xffc), 0);
}

Test(hv_ioapic, the_select_register_is_a_byte_and_the_window_a_word)
{
	wr_size(0, 0xabcd1201, 4);
	cr_expect_eq(rd_raw(0), 1);
	cr_expect_eq(rd_raw(0x10), 0x170020);
	wr_size(0, 0, 1);
	wr_size(0x10, 0xff, 1);
	wr_size(0x10, 0xffff, 2);
	cr_expect_eq(rd(0), HV_PC_IOAPIC_ID << 24);
	wr_size(0, 0x500000000ull, 8);
	cr_expect_eq(rd_raw(0), 0, "the upper half is another register");
}

Test(hv_ioapic, each_field_of_an_entry_is_in_the_msi)
{
	static const struct {
		uint32_t lo;
		uint8_t dest;
		uint64_t address;
		uint32_t data;
	} t[] = {
		{0x30, 0, 0xfee00000, 0x4030},
		{0xfe, 0, 0xfee00000, 0x40fe},
		{0x30, 3, 0xfee03000, 0x4030},
		{0x30, 0xff, 0xfeeff000, 0x4030},
		{0x30 | 1 << 11, 1, 0xfee01004, 0x4030},
		{0x30 | 1 << 8, 1, 0xfee01000, 0x4130},
		{0x30 | 1 << 11 | 1 << 8, 0xff, 0xfeeff004, 0x4130},
		{0x30 | LEVEL, 2, 0xfee02000, 0xc030},
	};
	unsigned int i;

	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		rte(i, t[i].lo, t[i].dest);
		pulse(i);
		cr_expect_eq(msi.nr, i + 1);
		cr_expect_eq(msi.address, t[i].address, "%u: %#lx", i, msi.address);
		cr_expect_eq(msi.data, t[i].data, "%u: %#x", i, msi.data);
	}
}

Test(hv_ioapic, only_ordinary_interrupts_leave)
{
	unsigned int mode;

	for (mode = 2; mode < 8; mode++) {
		rte(0, 0x30 | mode << 8, 0);
		pulse(0);
	}
	rte(0, 0x0f, 0);
	pulse(0);
	cr_expect_eq(msi.nr, 0);
	cr_expect_eq(io.refused, 7);
	rte(0, 0x10, 0);
	pulse(0);
	cr_expect_eq(msi.nr, 1);
}

Test(hv_ioapic, edges_are_sent_once_and_lost_while_masked)
{
	rte(4, 0x30, 0);
	hv_ioapic_set(&io, 4, true);
	hv_ioapic_set(&io, 4, true);
	cr_expect_eq(msi.nr, 1, "no edge, no interrupt");
	hv_ioapic_set(&io, 4, false);
	cr_expect_eq(msi.nr, 1, "the falling edge is none");
	hv_ioapic_set(&io, 4, true);
	cr_expect_eq(msi.nr, 2);
	hv_ioapic_set(&io, 4, false);
	rte(4, 0x30 | MASKED, 0);
	hv_ioapic_set(&io, 4, true);
	rte(4, 0x30, 0);
	cr_expect_eq(msi.nr, 2, "masked edges are gone");
	cr_expect_eq(rd(0x10 + 8), 0x30, "an edge needs no EOI");
}

Test(hv_ioapic, active_low_pins_fall)
{
	hv_ioapic_set(&io, 5, true);
	rte(5, 0x30 | LOW, 0);
	hv_ioapic_set(&io, 5, false);
	cr_expect_eq(msi.nr, 1);
	hv_ioapic_set(&io, 5, true);
	cr_expect_eq(msi.nr, 1);
	rte(5, 0x30 | LOW | LEVEL, 0);
	cr_expect_eq(msi.nr, 1);
	hv_ioapic_set(&io, 5, false);
	cr_expect_eq(msi.nr, 2);
}

Test(hv_ioapic, a_level_is_sent_again_after_each_eoi_while_it_lasts)
{
	rte(9, 0x41 | LEVEL, 0);
	hv_ioapic_set(&io, 9, true);
	hv_ioapic_set(&io, 9, true);
	cr_expect_eq(msi.nr, 1);
	cr_expect_eq(rd(0x10 + 18), 0x41 | LEVEL | IRR);
	hv_ioapic_eoi(&io, 0x42);
	cr_expect_eq(msi.nr, 1, "another vector");
	hv_ioapic_eoi(&io, 0x41);
	cr_expect_eq(msi.nr, 2, "the line is still up");
	hv_ioapic_set(&io, 9, false);
	cr_expect_eq(rd(0x10 + 18), 0x41 | LEVEL | IRR);
	wr_size(0x40, 0x41, 4);
	cr_expect_eq(msi.nr, 2);
	cr_expect_eq(rd(0x10 + 18), 0x41 | LEVEL);
	hv_ioapic_set(&io, 9, true);
	cr_expect_eq(msi.nr, 3);
}

Test(hv_ioapic, one_eoi_serves_all_pins_of_a_vector)
{
	rte(1, 0x41 | LEVEL, 0);
	rte(2, 0x41 | LEVEL, 0);
	hv_ioapic_set(&io, 1, true);
	hv_ioapic_set(&io, 2, true);
	cr_expect_eq(msi.nr, 2);
	hv_ioapic_set(&io, 1, false);
	hv_ioapic_eoi(&io, 0x41);
	cr_expect_eq(msi.nr, 3, "pin 2 only");
	cr_expect_eq(rd(0x12), 0x41 | LEVEL);
	cr_expect_eq(rd(0x14), 0x41 | LEVEL | IRR);
}

Test(hv_ioapic, a_masked_level_waits_for_the_unmask)
{
	rte(3, 0x41 | LEVEL | MASKED, 0);
	hv_ioapic_set(&io, 3, true);
	cr_expect_eq(msi.nr, 0);
	rte(3, 0x41 | LEVEL, 0);
	cr_expect_eq(msi.nr, 1);
	rte(3, 0x41 | LEVEL | MASKED, 0);
	cr_expect_eq(rd(0x16), 0x41 | LEVEL | MASKED | IRR, "the mask keeps remote IRR");
	hv_ioapic_eoi(&io, 0x41);
	cr_expect_eq(msi.nr, 1);
	cr_expect_eq(rd(0x16), 0x41 | LEVEL | MASKED);
}

Test(hv_ioapic, becoming_edge_triggered_forgets_the_eoi)
{
	rte(3, 0x41 | LEVEL, 0);
	hv_ioapic_set(&io, 3, true);
	hv_ioapic_set(&io, 3, false);
	cr_expect_eq(rd(0x16), 0x41 | LEVEL | IRR);
	rte(3, 0x41 | MASKED, 0);
	rte(3, 0x41 | LEVEL, 0);
	cr_expect_eq(rd(0x16), 0x41 | LEVEL);
}

Test(hv_ioapic, a_level_that_is_not_delivered_waits_for_no_eoi)
{
	rte(3, 0x41 | LEVEL | 4 << 8, 0);
	hv_ioapic_set(&io, 3, true);
	cr_expect_eq(rd(0x16), 0x41 | LEVEL | 4 << 8);
	rte(3, 0x41 | LEVEL, 0);
	cr_expect_eq(msi.nr, 1);
}
