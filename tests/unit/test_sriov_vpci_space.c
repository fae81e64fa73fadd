/* SPDX-License-Identifier: BSD-3-Clause */
/* Config space and BARs of a vPCI function, access by access. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/vpcicore.h"

#define BAR0_GPA 0x1000000000ull
#define BAR2_GPA 0xF8100000ull
#define BAR3_GPA 0xF8200000ull
#define BAR4_GPA 0x1000100000ull

static struct pcicore c;

static void setup(void)
{
	struct vpci_cfg cfg;

	fakevf_init(&c.vf);
	cfg = fakevf_cfg(&c.vf);
	cr_assert_eq(pcicore_init(&c, &cfg), 0, "%s", err_text());
	cr_assert_eq(pcicore_start(&c), 0);
}

static void teardown(void)
{
	vpci_proto_closed(&c.v);
	pcicore_fini(&c);
	fakevf_fini(&c.vf);
}

TestSuite(sriov_vpci_space, .init = setup, .fini = teardown, .timeout = 30);

static uint32_t rd(uint32_t off, unsigned int size)
{
	return pcicore_rd(&c, off, size);
}

static void wr(uint32_t off, unsigned int size, uint32_t value)
{
	pcicore_wr(&c, off, size, value);
}

static uint64_t mem(uint64_t gpa, unsigned int size)
{
	return fakevf_read(&c.vf, gpa, size);
}

static void place(void)
{
	wr(0x10, 4, (uint32_t)BAR0_GPA);
	wr(0x14, 4, (uint32_t)(BAR0_GPA >> 32));
	wr(0x18, 4, (uint32_t)BAR2_GPA);
	wr(0x1C, 4, (uint32_t)BAR3_GPA);
	wr(0x20, 4, (uint32_t)BAR4_GPA);
	wr(0x24, 4, (uint32_t)(BAR4_GPA >> 32));
}

/* ---- Header --------------------------------------------------------------------------------- */

Test(sriov_vpci_space, iov_11_the_header_is_the_functions)
{
	cr_assert_eq(rd(0, 2), 0x8086);
	cr_assert_eq(rd(2, 2), 0x10CA);
	cr_assert_eq(rd(8, 4), 0x02000001);
	cr_assert_eq(rd(0x0B, 1), 2);
	cr_assert_eq(rd(0x0E, 1), 0, "header type");
	cr_assert_eq(rd(0x2C, 4), 0xA03C8086);
	cr_assert_eq(rd(0x30, 4), 0, "no ROM");
	cr_assert_eq(rd(0x3C, 4), 0, "no pin");
	cr_assert_eq(rd(0x06, 2), 0x10, "capabilities");
	wr(0, 4, 0x12345678);
	wr(0x30, 4, ~0u);
	cr_assert_eq(rd(0, 4), 0x10CA8086);
	cr_assert_eq(rd(0x30, 4), 0);
}

Test(sriov_vpci_space, accesses_are_1_2_or_4_bytes_of_a_dword)
{
	static const struct {
		uint32_t off;
		unsigned int size;
	} bad[] = {{3, 2}, {1, 4}, {2, 4}, {3, 4}, {7, 2}, {0xFFF, 2}, {0, 8}, {8, 8}};

	for (uint32_t i = 0; i < 4; i++)
		cr_assert_eq(rd(i, 1), (0x10CA8086 >> 8 * i & 0xFF));
	cr_assert_eq(rd(1, 2), 0xCA80);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t gpa = CORE_WIN + VPCI_WINDOW_PAGE + bad[i].off;
		uint64_t want = bad[i].size == 2 ? 0xFFFF : bad[i].size == 4 ? 0xFFFFFFFF : ~0ull;

		if (bad[i].off + bad[i].size > 0x1000)
			continue; /* nobody's */
		cr_assert_eq(mem(gpa, bad[i].size), want);
		fakevf_write(&c.vf, gpa, bad[i].size, ~0ull);
	}
	cr_assert_eq(c.v.bad_accesses, 14);
	cr_assert_eq(rd(4, 2), 0);
	cr_assert_eq(vpci_space_read(&c.v, 0, 3), ~0u);
}

Test(sriov_vpci_space, only_slot_0_is_there)
{
	cr_assert_eq(mem(CORE_WIN, 4), 0);
	fakevf_write(&c.vf, CORE_WIN, 4, 0x20);
	cr_assert_eq(mem(CORE_WIN, 4), 0x20);
	cr_assert_eq(rd(0, 2), 0xFFFF);
	cr_assert_eq(rd(4, 4), ~0u);
	wr(4, 2, 6);
	fakevf_write(&c.vf, CORE_WIN, 2, 0);
	fakevf_write(&c.vf, CORE_WIN + 4, 4, 0);
	cr_assert_eq(rd(0, 2), 0xFFFF, "the slot is selected by a dword at 0");
	fakevf_write(&c.vf, CORE_WIN, 4, 0);
	cr_assert_eq(rd(4, 2), 0);
	cr_assert_eq(mem(CORE_WIN + 8, 4), 0xFFFFFFFF);
}

Test(sriov_vpci_space, mastery_is_the_functions_and_reserved_bits_stay_0)
{
	wr(4, 2, 0xFFFF);
	cr_assert_eq(rd(4, 2), 0x0546);
	cr_assert_eq(fakevf_reg(&c.vf, 4, 2), 0x0546);
	wr(4, 1, 0);
	cr_assert_eq(rd(4, 2), 0x0500, "a byte changes a byte");
	cr_assert_eq(fakevf_reg(&c.vf, 4, 2), 0x0500);
	c.vf.cfg[7] = 0xF9; /* errors seen */
	cr_assert_eq(rd(6, 2), 0xF910);
	wr(7, 1, 0x20);
	cr_assert_eq(fakevf_reg(&c.vf, 6, 2), 0x2000, "written as it is: ones clear");
}

Test(sriov_vpci_space, a_function_that_takes_no_command_maps_nothing)
{
	place();
	c.vf.fail_cfg_write = true;
	wr(4, 2, 6);
	cr_assert_eq(rd(4, 2), 0);
	cr_assert_eq(fakevf_nr_maps(&c.vf), 0);
	c.vf.fail_cfg_write = false;
	wr(4, 2, 6);
	cr_assert_gt(fakevf_nr_maps(&c.vf), 0);
	c.vf.fail_cfg_write = true;
	wr(4, 2, 4);
	cr_assert_eq(fakevf_nr_maps(&c.vf), 0);
	cr_assert_eq(rd(4, 2), 4, "what was unmapped is not said to be there");
	cr_assert_eq(c.v.function_fails, 2);
	c.vf.fail_cfg_write = false;
}

/* ---- Capabilities --------------------------------------------------------------------------- */

Test(sriov_vpci_space, the_guest_sees_pm_msix_and_pcie_only)
{
	unsigned int nr = 0;
	uint32_t at = rd(0x34, 1);
	uint8_t seen[3];

	for (; at && nr < 3; at = rd(at + 1, 1))
		seen[nr++] = (uint8_t)rd(at, 1);
	cr_assert_eq(at, 0);
	cr_assert_arr_eq(seen, ((uint8_t[]){0x01, 0x11, 0x10}), 3);
	cr_assert_eq(rd(0x50, 4), 0, "hidden");
	cr_assert_eq(rd(0x100, 4), 0, "no extended ones");
	wr(0x50, 4, ~0u);
	wr(0x100, 4, ~0u);
	cr_assert_eq(fakevf_reg(&c.vf, 0x100, 4), 0x00010001);
}

/* Twice the same one, and in the end back to the beginning. */
Test(sriov_vpci_space, a_capability_is_seen_once)
{
	struct vpci_cfg cfg = fakevf_cfg(&c.vf);
	struct pcicore other;

	memcpy(c.vf.cfg + 0x50, c.vf.cfg + VF_CAP_PM, 8);
	c.vf.cfg[0x51] = VF_CAP_MSIX;
	c.vf.cfg[VF_CAP_PCIE + 1] = VF_CAP_PM;
	cr_assert_eq(pcicore_init(&other, &cfg), 0, "%s", err_text());
	cr_assert_eq(other.v.caps.nr, 3);
	cr_assert_eq(other.v.caps.cap[0].at, VF_CAP_PM);
	cr_assert_eq(other.v.caps.cap[2].at, VF_CAP_PCIE);
	pcicore_fini(&other);
}

Test(sriov_vpci_space, a_guest_cannot_reset_the_function)
{
	cr_assert_eq(rd(VF_CAP_PCIE + 4, 4), 0x00008001, "no FLR");
	wr(VF_CAP_PCIE + 8, 2, 0xA000);
	cr_assert_eq(fakevf_reg(&c.vf, VF_CAP_PCIE + 8, 2), 0x2000);
	wr(VF_CAP_PCIE + 9, 1, 0x90);
	cr_assert_eq(fakevf_reg(&c.vf, VF_CAP_PCIE + 8, 2), 0x1000);
	wr(VF_CAP_PCIE + 0x28, 2, 0x0005);
	cr_assert_eq(fakevf_reg(&c.vf, VF_CAP_PCIE + 0x28, 2), 5);
	wr(VF_CAP_PCIE + 0x10, 2, 3);
	cr_assert_eq(fakevf_reg(&c.vf, VF_CAP_PCIE + 0x10, 2), 0, "the link is not its own");
}

Test(sriov_vpci_space, asleep_it_has_no_memory_and_no_mastery)
{
	place();
	wr(4, 2, 6);
	cr_assert_eq(rd(VF_CAP_PM + 2, 2), 3, "version, and nothing else");
	cr_assert_eq(rd(VF_CAP_PM + 4, 2), 8);
	wr(VF_CAP_PM + 4, 2, 1);
	cr_assert_eq(rd(VF_CAP_PM + 4, 2), 8, "there is no D1");
	wr(VF_CAP_PM, 1, 3);
	cr_assert_eq(rd(VF_CAP_PM + 4, 2), 8, "that is the id");
	wr(VF_CAP_PM + 4, 2, 0x8103);
	cr_assert_eq(rd(VF_CAP_PM + 4, 2), 0xB);
	cr_assert_eq(fakevf_nr_maps(&c.vf), 0);
	cr_assert_eq(fakevf_reg(&c.vf, 4, 2), 2);
	cr_assert_eq(rd(4, 2), 6);
	wr(4, 2, 4);
	wr(4, 2, 6);
	cr_assert_eq(fakevf_nr_maps(&c.vf), 0);
	wr(VF_CAP_PM + 4, 1, 0);
	cr_assert_gt(fakevf_nr_maps(&c.vf), 0);
	cr_assert_eq(fakevf_reg(&c.vf, 4, 2), 6);
	cr_assert_eq(fakevf_reg(&c.vf, VF_CAP_PM + 4, 2), 0x100, "the function knows nothing");
}

/* ---- BARs ----------------------------------------------------------------------------------- */

Test(sriov_vpci_space, bars_are_sized_while_decoding_is_off_and_stand_still_while_it_is_on)
{
	wr(0x10, 4, ~0u);
	wr(0x14, 4, ~0u);
	cr_assert_eq(rd(0x10, 4), 0xFFFF000C);
	cr_assert_eq(rd(0x14, 4), 0xFFFFFFFF);
	place();
	wr(0x1A, 2, 0xF830);
	cr_assert_eq(rd(0x18, 4), 0xF8300000);
	wr(0x1A, 2, 0xF810);
	wr(4, 2, 2);
	wr(0x10, 4, ~0u);
	wr(0x18, 4, 0);
	cr_assert_eq(rd(0x10, 4), (uint32_t)BAR0_GPA | 0xC);
	cr_assert_eq(rd(0x18, 4), (uint32_t)BAR2_GPA);
	cr_assert_eq(mem(BAR2_GPA, 1), fakevf_byte(2, 0));
}

Test(sriov_vpci_space, bars_are_there_while_decoding_is_on)
{
	place();
	cr_assert_eq(mem(BAR0_GPA, 4), 0xFFFFFFFF);
	wr(4, 2, 2);
	cr_assert_eq(mem(BAR0_GPA, 1), fakevf_byte(0, 0));
	cr_assert_eq(mem(BAR0_GPA + 0xFFFF, 1), fakevf_byte(0, 0xFFFF));
	cr_assert_eq(mem(BAR0_GPA + 0x10000, 1), 0xFF);
	cr_assert_eq(mem(BAR4_GPA + 0x1FFF, 1), fakevf_byte(4, 0x1FFF));
	cr_assert_eq(c.vf.nr_bar_reads, 0, "straight");
	cr_assert_eq(mem(BAR4_GPA + 0x2000, 1), fakevf_byte(4, 0x2000));
	cr_assert_eq(mem(BAR4_GPA + 0x2FFF, 1), fakevf_byte(4, 0x2FFF));
	cr_assert_eq(mem(BAR3_GPA + 0xFF, 1), fakevf_byte(3, 0xFF));
	cr_assert_eq(c.vf.nr_bar_reads, 3, "the host does not map it");
	cr_assert_eq(mem(BAR4_GPA + 0x3000, 1), fakevf_byte(4, 0x3000));
	fakevf_write(&c.vf, BAR3_GPA + 8, 8, 0x1122334455667788);
	cr_assert_eq(mem(BAR3_GPA + 8, 8), 0x1122334455667788);
	cr_assert_eq(c.vf.nr_bar_writes, 1);
	wr(4, 2, 0);
	cr_assert_eq(fakevf_nr_maps(&c.vf) + fakevf_nr_windows(&c.vf), 0);
	cr_assert_eq(mem(BAR3_GPA, 1), 0xFF);
}

Test(sriov_vpci_space, only_pages_with_table_or_pba_trap)
{
	place();
	wr(4, 2, 2);
	mem(BAR2_GPA, 8);
	mem(BAR2_GPA + 0x2000, 8);
	mem(BAR2_GPA + 0x3FF8, 8);
	mem(BAR2_GPA + 0x5000, 8);
	cr_assert_eq(c.vf.nr_bar_reads, 0);
	cr_assert_eq(mem(BAR2_GPA + 0x1000, 1), fakevf_byte(2, 0x1000));
	cr_assert_eq(mem(BAR2_GPA + 0x4000, 1), fakevf_byte(2, 0x4000));
	cr_assert_eq(c.vf.nr_bar_reads, 2);
	fakevf_write(&c.vf, BAR2_GPA + 0x1000, 4, 0xABCD);
	cr_assert_eq(mem(BAR2_GPA + 0x1000, 4), 0xABCD, "beside the table is the function");
}

Test(sriov_vpci_space, bars_go_nowhere_they_must_not_be)
{
	wr(0x18, 4, 0x00100000); /* RAM */
	wr(0x1C, 4, (uint32_t)CORE_WIN + 0x1000);
	wr(0x10, 4, 0xFFFF0000);
	wr(0x14, 4, 0xFFFFFFFF); /* its end is beyond the end */
	wr(4, 2, 2);
	cr_assert_eq(fakevf_nr_maps(&c.vf) + fakevf_nr_windows(&c.vf), 0);
	cr_assert_eq(c.v.maps_refused, 3);
	cr_assert_eq(rd(0, 4), 0x10CA8086, "config space is untouched");
	wr(4, 2, 0);
	place();
	wr(0x18, 4, (uint32_t)BAR3_GPA);
	wr(4, 2, 2);
	cr_assert_eq(c.v.maps_refused, 4, "one over the other");
	cr_assert_eq(mem(BAR3_GPA, 1), fakevf_byte(2, 0));
}

Test(sriov_vpci_space, a_bar_is_there_with_all_its_pieces_or_not_at_all)
{
	place();
	c.vf.fail_window = true;
	wr(4, 2, 2);
	cr_assert_eq(mem(BAR2_GPA, 1), 0xFF);
	cr_assert_eq(mem(BAR4_GPA, 1), 0xFF);
	cr_assert_eq(mem(BAR0_GPA, 1), fakevf_byte(0, 0));
	wr(4, 2, 0);
	c.vf.fail_window = false;
	c.vf.fail_map = true;
	wr(4, 2, 2);
	cr_assert_eq(mem(BAR2_GPA + 0x1000, 1), 0xFF);
	cr_assert_eq(mem(BAR3_GPA, 1), fakevf_byte(3, 0));
	cr_assert_eq(c.v.maps_refused, 3 + 3);
	c.vf.fail_map = false;
}

Test(sriov_vpci_space, a_function_that_stops_answering_reads_ones)
{
	c.vf.fail_cfg_read = true;
	cr_assert_eq(rd(VF_CAP_PCIE + 8, 4), ~0u & ~0x8000u);
	cr_assert_eq(rd(6, 2), 0xFFFF);
	cr_assert_eq(rd(0, 2), 0x8086, "the guest waits for completions on this one");
	c.vf.fail_cfg_read = false;
}

/* ---- Surprise while the function is being given ---------------------------------------------- */

static void surprise(void)
{
	vpci_surprise(&c.v);
}

Test(sriov_vpci_space, iov_6_surprise_during_d0_entry_leaves_the_guest_nothing)
{
	uint32_t leave = VPCI_D0EXIT;

	vpci_proto_packet(&c.v, 1, true, (const uint8_t *)&leave, sizeof(leave));
	c.vf.in_window_set = surprise;
	cr_assert_eq(pcicore_start(&c), VPCI_STATUS_NO_SUCH_DEVICE);
	cr_assert(!c.v.space.is_on && !c.v.is_d0);
	cr_assert_eq(c.vf.window[0].len, 0);
}
