/* SPDX-License-Identifier: BSD-3-Clause */
/* Random config writes against a naive model: which byte of which BAR lies where, if any. The model has
 * the registers as a list of bytes and asks for each address anew; the fake partition aborts on memory
 * over RAM, over other memory, or beyond a BAR. */
#include <criterion/criterion.h>
#include <string.h>

#include "tests/support/prng.h"
#include "tests/support/vpcicore.h"

#define PLACES 12u

static struct pcicore c;

/* Few places, so that BARs meet: RAM, config window, each other, the end of everything. */
static const uint64_t places[PLACES] = {
	0,
	0x00100000,
	VF_RAM - 0x8000,
	VF_RAM,
	CORE_WIN,
	CORE_WIN - 0x8000,
	0xF8100000,
	0xF8108000,
	0x1000000000ull,
	0x1000010000,
	0x1000100000ull,
	0xFFFFFFFFFFF00000ull,
};

static struct naive {
	uint8_t bar[24]; /* as written, masked */
	uint16_t command;
	bool is_asleep;
	uint64_t at[VPCI_BARS]; /* where it is; 0: nowhere */
} n;

/* ---- The model ------------------------------------------------------------------------------ */

static uint64_t naive_address(unsigned int i)
{
	uint64_t lo = 0, hi = 0;

	memcpy(&lo, n.bar + 4 * i, 4);
	if (c.vf.bar[i].is_64)
		memcpy(&hi, n.bar + 4 * i + 4, 4);
	return c.vf.bar[i].size ? lo | hi << 32 : 0;
}

static bool naive_has(uint64_t at, uint64_t len, uint64_t byte)
{
	return byte >= at && byte - at < len;
}

/* Ranges meet when one has the other's first byte. */
static bool naive_meet(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return naive_has(a, a_len, b) || naive_has(b, b_len, a);
}

static bool naive_may(unsigned int i)
{
	uint64_t at = naive_address(i), len = c.vf.bar[i].size;

	if (!at || naive_meet(at, len, 0, VF_RAM) || at + len == 0 ||
	    naive_meet(at, len, CORE_WIN, VPCI_WINDOW_BYTES))
		return false;
	for (unsigned int k = 0; k < VPCI_BARS; k++) {
		if (n.at[k] && naive_meet(at, len, n.at[k], c.vf.bar[k].size))
			return false;
	}
	return true;
}

static void naive_decode(void)
{
	bool is_on = (n.command & 2) && !n.is_asleep;

	for (unsigned int i = 0; i < VPCI_BARS; i++) {
		if (!is_on)
			n.at[i] = 0;
		else if (!n.at[i] && naive_may(i))
			n.at[i] = naive_address(i);
	}
}

/* Bit by bit: those below the size are wired to 0. */
static void naive_bar_byte(unsigned int at, uint8_t value)
{
	unsigned int i = at / 4, upper = i && c.vf.bar[i - 1].is_64, k = i - upper;
	uint64_t size = c.vf.bar[k].size;

	for (unsigned int bit = 0; bit < 8; bit++) {
		unsigned int pos = at % 4 * 8 + bit + 32 * upper;

		if (!size || 1ull << pos < size)
			value &= (uint8_t) ~(1u << bit);
	}
	n.bar[at] = value;
}

static void naive_write(uint32_t off, unsigned int size, uint32_t value)
{
	uint16_t command = n.command;

	for (unsigned int k = 0; k < size; k++) {
		uint32_t at = off + k;
		uint8_t byte = (uint8_t)(value >> 8 * k);

		if (at >= 0x10 && at < 0x28 && !(n.command & 2))
			naive_bar_byte(at - 0x10, byte);
		if (at == 4)
			command = (command & 0xFF00) | (byte & 0x46);
		if (at == 5)
			command = (uint16_t)((command & 0x00FF) | (byte & 5) << 8);
		if (at == VF_CAP_PM + 4 && ((byte & 3) == 0 || (byte & 3) == 3))
			n.is_asleep = (byte & 3) == 3;
	}
	n.command = command;
	naive_decode();
}

/* ---- Steps ---------------------------------------------------------------------------------- */

static uint64_t some_place(struct prng *p)
{
	uint64_t at = places[prng_below(p, PLACES)];

	return prng_below(p, 4) ? at : at + (prng_next(p) & 0x1FFFF);
}

/* A whole address, as guests write it, or any bytes of any register. */
static void write_bar(struct prng *p)
{
	unsigned int i = prng_below(p, VPCI_BARS), size = 1u << prng_below(p, 3);
	uint64_t at = some_place(p);
	uint32_t off = 0x10 + prng_below(p, 24) / size * size;

	if (prng_below(p, 4)) {
		naive_write(0x10 + 4 * i, 4, (uint32_t)at);
		pcicore_wr(&c, 0x10 + 4 * i, 4, (uint32_t)at);
		if (!c.vf.bar[i].is_64)
			return;
		naive_write(0x14 + 4 * i, 4, (uint32_t)(at >> 32));
		pcicore_wr(&c, 0x14 + 4 * i, 4, (uint32_t)(at >> 32));
		return;
	}
	naive_write(off, size, (uint32_t)at);
	pcicore_wr(&c, off, size, (uint32_t)at);
}

static void write_any(struct prng *p, uint32_t off, unsigned int size)
{
	uint32_t value = (uint32_t)prng_next(p);

	naive_write(off, size, value);
	pcicore_wr(&c, off, size, value);
}

static void step(struct prng *p)
{
	switch (prng_below(p, 8)) {
	case 0:
	case 1:
	case 2:
	case 3: write_bar(p); break;
	case 4: write_any(p, 4, 2); break;
	case 5: write_any(p, 4 + prng_below(p, 2), 1); break;
	case 6: write_any(p, VF_CAP_PM + 4, 1u << prng_below(p, 3)); break;
	default: /* anything at all, but for what is modelled */
		write_any(p, VF_CAP_MSIX + 4 * prng_below(p, 36), 4);
		break;
	}
}

static bool is_msix(unsigned int bar, uint64_t off)
{
	return bar == VF_TABLE_BAR &&
	       (naive_has(VF_TABLE_OFF, 16 * VF_ENTRIES, off) || naive_has(VF_PBA_OFF, 8, off));
}

static void check_byte(uint64_t gpa)
{
	uint8_t want = 0xFF, got = (uint8_t)fakevf_read(&c.vf, gpa, 1);

	if (naive_has(CORE_WIN, VPCI_WINDOW_BYTES, gpa))
		return;
	for (unsigned int i = 0; i < VPCI_BARS; i++) {
		if (!n.at[i] || !naive_has(n.at[i], c.vf.bar[i].size, gpa))
			continue;
		if (is_msix(i, gpa - n.at[i]))
			return;
		want = fakevf_byte(i, gpa - n.at[i]);
	}
	cr_assert_eq(got, want, "at 0x%llx: 0x%02x, want 0x%02x", (unsigned long long)gpa, got,
		     want);
}

/* First and last bytes, and those beside them, and some between. */
static void check(struct prng *p)
{
	for (unsigned int i = 0; i < VPCI_BARS; i++) {
		uint64_t at = naive_address(i), len = c.vf.bar[i].size;

		cr_assert_eq(pcicore_rd(&c, 0x10 + 4 * i, 4) & ~(len ? 0xFu : 0),
			     (uint32_t)n.bar[4 * i] | n.bar[4 * i + 1] << 8 |
				     n.bar[4 * i + 2] << 16 | (uint32_t)n.bar[4 * i + 3] << 24);
		if (!len)
			continue;
		check_byte(at);
		check_byte(at - 1);
		check_byte(at + len - 1);
		check_byte(at + len);
		for (unsigned int k = 0; k < 4; k++)
			check_byte(at + prng_next(p) % len);
	}
	check_byte(some_place(p));
	cr_assert_eq(pcicore_rd(&c, 4, 2), n.command);
}

Test(prop_sriov_vpci, a_byte_is_there_if_decoding_is_on_and_its_bar_may_be_there, .timeout = 200)
{
	unsigned int steps = prng_steps(20000), nr_mapped = 0;
	struct vpci_cfg cfg;
	struct prng p;

	prng_init(&p);
	fakevf_init(&c.vf);
	cfg = fakevf_cfg(&c.vf);
	cr_assert_eq(pcicore_init(&c, &cfg), 0);
	cr_assert_eq(pcicore_start(&c), 0);
	for (unsigned int i = 0; i < steps; i++) {
		step(&p);
		check(&p);
		for (unsigned int k = 0; k < VPCI_BARS; k++)
			nr_mapped += n.at[k] != 0;
	}
	cr_assert_gt(nr_mapped, steps / 10, "the property was looked at");
	vpci_proto_closed(&c.v);
	cr_assert_eq(fakevf_nr_maps(&c.vf) + fakevf_nr_windows(&c.vf), 0);
	pcicore_fini(&c);
	fakevf_fini(&c.vf);
}
