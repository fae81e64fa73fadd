/* SPDX-License-Identifier: BSD-3-Clause */
/* The I/O APIC against a naive model that knows its pins only as structs of bools: random lines,
 * masks, triggers, vectors and EOIs. MSIs come in the same number and order, and all entries read
 * the same after each step. */
#include <criterion/criterion.h>

#include <string.h>

#include "hv/ioapic.h"
#include "tests/support/prng.h"

#define PINS	4u /* of 24: so that vectors meet */
#define VECTORS 3u
#define MSIS	16u

struct naive_pin {
	bool line, is_low, is_level, is_masked, is_logical, is_lowest, waits_eoi;
	uint8_t vector, dest;
};

static struct naive_pin np[PINS];
static struct hv_bus bus;
static struct hv_ioapic io;
static uint64_t got[MSIS], want[MSIS];
static unsigned int nr_got, nr_want;

static void on_msi(void *ctx, uint64_t address, uint32_t data)
{
	cr_assert_lt(nr_got, MSIS);
	got[nr_got++] = address << 32 | data;
}

static void naive_send(struct naive_pin *n)
{
	uint32_t address = 0xfee00000 + n->dest * 4096u + (n->is_logical ? 4 : 0);
	uint32_t data = n->vector + (n->is_lowest ? 256 : 0) + 16384 + (n->is_level ? 32768 : 0);

	cr_assert_lt(nr_want, MSIS);
	want[nr_want++] = (uint64_t)address << 32 | data;
}

static bool is_on(const struct naive_pin *n)
{
	return n->is_low ? !n->line : n->line;
}

static void naive_level(struct naive_pin *n)
{
	if (!n->is_level || n->is_masked || n->waits_eoi || !is_on(n))
		return;
	n->waits_eoi = true;
	naive_send(n);
}

static void naive_line(struct naive_pin *n, bool line)
{
	bool was = is_on(n);

	n->line = line;
	if (n->is_level)
		naive_level(n);
	else if (!was && is_on(n) && !n->is_masked)
		naive_send(n);
}

static void naive_eoi(uint8_t vector)
{
	for (unsigned int i = 0; i < PINS; i++) {
		if (!np[i].waits_eoi || np[i].vector != vector)
			continue;
		np[i].waits_eoi = false;
		naive_level(&np[i]);
	}
}

static uint32_t naive_lo(const struct naive_pin *n)
{
	return n->vector | n->is_lowest << 8 | n->is_logical << 11 | n->is_low << 13 |
	       n->waits_eoi << 14 | n->is_level << 15 | n->is_masked << 16;
}

static void wr(uint64_t off, uint32_t v)
{
	struct hv_access a = {
		.space = HV_SPACE_MMIO, .at = HV_PC_IOAPIC + off, .size = 4, .value = v};
	struct hv_stop stop;

	hv_bus_write(&bus, &a, &stop);
}

static uint32_t rd(uint32_t index)
{
	struct hv_access a = {.space = HV_SPACE_MMIO, .at = HV_PC_IOAPIC + 0x10, .size = 4};

	wr(0, index);
	hv_bus_read(&bus, &a);
	return (uint32_t)a.value;
}

static void do_entry(struct prng *r, unsigned int pin)
{
	struct naive_pin *n = &np[pin];
	uint32_t lo;

	n->is_low = prng_below(r, 4) == 0;
	n->is_level = prng_below(r, 2);
	n->is_masked = prng_below(r, 3) == 0;
	n->is_logical = prng_below(r, 2);
	n->is_lowest = prng_below(r, 2);
	n->vector = (uint8_t)(0x30 + prng_below(r, VECTORS));
	n->waits_eoi &= n->is_level;
	lo = naive_lo(n) ^ (prng_below(r, 2) ? 1u << 14 : 0); /* read-only */
	naive_level(n);
	wr(0, 0x10 + 2 * pin);
	wr(0x10, lo);
}

static void do_dest(struct prng *r, unsigned int pin)
{
	np[pin].dest = (uint8_t)prng_next(r);
	wr(0, 0x11 + 2 * pin);
	wr(0x10, (uint32_t)np[pin].dest << 24);
}

static void step(struct prng *r)
{
	unsigned int pin = prng_below(r, PINS);
	uint8_t vector = (uint8_t)(0x30 + prng_below(r, VECTORS));
	bool line = prng_below(r, 2);

	switch (prng_below(r, 8)) {
	case 0: do_entry(r, pin); break;
	case 1: do_dest(r, pin); break;
	case 2:
		naive_eoi(vector);
		hv_ioapic_eoi(&io, vector);
		break;
	case 3:
		naive_eoi(vector);
		wr(0x40, vector);
		break;
	default:
		naive_line(&np[pin], line);
		hv_ioapic_set(&io, pin, line);
		break;
	}
}

Test(hv_ioapic, agrees_with_a_naive_model)
{
	unsigned int i, k, steps = prng_steps(200000);
	uint64_t total = 0;
	struct prng r;

	prng_init(&r);
	cr_assert_eq(hv_ioapic_init(&io, &bus, on_msi, NULL), 0);
	for (i = 0; i < PINS; i++)
		np[i].is_masked = true;
	for (i = 0; i < steps; i++) {
		nr_got = nr_want = 0;
		step(&r);
		cr_assert_eq(nr_got, nr_want, "step %u", i);
		cr_assert(!memcmp(got, want, nr_got * sizeof(got[0])), "step %u", i);
		total += nr_got;
		for (k = 0; k < PINS; k++) {
			cr_assert_eq(rd(0x10 + 2 * k), naive_lo(&np[k]), "step %u pin %u", i, k);
			cr_assert_eq(rd(0x11 + 2 * k), (uint32_t)np[k].dest << 24);
		}
	}
	cr_assert_eq(io.sent, total);
	cr_assert_gt(total, steps / 50, "the test does something");
	hv_ioapic_fini(&io);
}
