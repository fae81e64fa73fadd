/* SPDX-License-Identifier: BSD-3-Clause */
/* Config space and BARs of a vPCI function, access by access. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/vpcispace.h"

TestSuite(sriov_vpci_space, .init = space_setup, .fini = space_teardown, .timeout = 30);

/* ---- Header --------------------------------------------------------------------------------- */

Test(sriov_vpci_space, iov_11_the_header_is_the_functions)
{
	cr_assert_eq(space_rd(0, 2), 0x8086);
	cr_assert_eq(space_rd(2, 2), 0x10CA);
	cr_assert_eq(space_rd(8, 4), 0x02000001);
	cr_assert_eq(space_rd(0x0B, 1), 2);
	cr_assert_eq(space_rd(0x0E, 1), 0, "header type");
	cr_assert_eq(space_rd(0x2C, 4), 0xA03C8086);
	cr_assert_eq(space_rd(0x30, 4), 0, "no ROM");
	cr_assert_eq(space_rd(0x3C, 4), 0, "no pin");
	cr_assert_eq(space_rd(0x06, 2), 0x10, "capabilities");
	space_wr(0, 4, 0x12345678);
	space_wr(0x30, 4, ~0u);
	cr_assert_eq(space_rd(0, 4), 0x10CA8086);
	cr_assert_eq(space_rd(0x30, 4), 0);
}

Test(sriov_vpci_space, accesses_are_1_2_or_4_bytes_of_a_dword)
{
	static const struct {
		uint32_t off;
		unsigned int size;
	} bad[] = {{3, 2}, {1, 4}, {2, 4}, {3, 4}, {7, 2}, {0xFFF, 2}, {0, 8}, {8, 8}};

	for (uint32_t i = 0; i < 4; i++)
		cr_assert_eq(space_rd(i, 1), (0x10CA8086 >> 8 * i & 0xFF));
	cr_assert_eq(space_rd(1, 2), 0xCA80);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t gpa = CORE_WIN + VPCI_WINDOW_PAGE + bad[i].off;
		uint64_t want = bad[i].size == 2 ? 0xFFFF : bad[i].size == 4 ? 0xFFFFFFFF : ~0ull;

		if (bad[i].off + bad[i].size > 0x1000)
			continue; /* nobody's */
		cr_assert_eq(space_mem(gpa, bad[i].size), want);
		fakevf_write(&space.vf, gpa, bad[i].size, ~0ull);
	}
	cr_assert_eq(space.v.bad_accesses, 14);
	cr_assert_eq(space_rd(4, 2), 0);
	cr_assert_eq(vpci_space_read(&space.v, 0, 3), ~0u);
}

Test(sriov_vpci_space, only_slot_0_is_there)
{
	cr_assert_eq(space_mem(CORE_WIN, 4), 0);
	fakevf_write(&space.vf, CORE_WIN, 4, 0x20);
	cr_assert_eq(space_mem(CORE_WIN, 4), 0x20);
	cr_assert_eq(space_rd(0, 2), 0xFFFF);
	cr_assert_eq(space_rd(4, 4), ~0u);
	space_wr(4, 2, 6);
	fakevf_write(&space.vf, CORE_WIN, 2, 0);
	fakevf_write(&space.vf, CORE_WIN + 4, 4, 0);
	cr_assert_eq(space_rd(0, 2), 0xFFFF, "the slot is selected by a dword at 0");
	fakevf_write(&space.vf, CORE_WIN, 4, 0);
	cr_assert_eq(space_rd(4, 2), 0);
	cr_assert_eq(space_mem(CORE_WIN + 8, 4), 0xFFFFFFFF);
}

Test(sriov_vpci_space, mastery_is_the_functions_and_reserved_bits_stay_0)
{
	space_wr(4, 2, 0xFFFF);
	cr_assert_eq(space_rd(4, 2), 0x0546);
	cr_assert_eq(fakevf_reg(&space.vf, 4, 2), 0x0546);
	space_wr(4, 1, 0);
	cr_assert_eq(space_rd(4, 2), 0x0500, "a byte changes a byte");
	cr_assert_eq(fakevf_reg(&space.vf, 4, 2), 0x0500);
	space.vf.cfg[7] = 0xF9; /* errors seen */
	cr_assert_eq(space_rd(6, 2), 0xF910);
	space_wr(7, 1, 0x20);
	cr_assert_eq(fakevf_reg(&space.vf, 6, 2), 0x2000, "written as it is: ones clear");
}

Test(sriov_vpci_space, a_function_that_takes_no_command_maps_nothing)
{
	space_place();
	space.vf.fail_cfg_write = true;
	space_wr(4, 2, 6);
	cr_assert_eq(space_rd(4, 2), 0);
	cr_assert_eq(fakevf_nr_maps(&space.vf), 0);
	space.vf.fail_cfg_write = false;
	space_wr(4, 2, 6);
	cr_assert_gt(fakevf_nr_maps(&space.vf), 0);
	space.vf.fail_cfg_write = true;
	space_wr(4, 2, 4);
	cr_assert_eq(fakevf_nr_maps(&space.vf), 0);
	cr_assert_eq(space_rd(4, 2), 4, "what was unmapped is not said to be there");
	cr_assert_eq(space.v.function_fails, 2);
	space.vf.fail_cfg_write = false;
}

/* ---- Capabilities --------------------------------------------------------------------------- */

Test(sriov_vpci_space, the_guest_sees_pm_msix_and_pcie_only)
{
	unsigned int nr = 0;
	uint32_t at = space_rd(0x34, 1);
	uint8_t seen[3];

	for (; at && nr < 3; at = space_rd(at + 1, 1))
		seen[nr++] = (uint8_t)space_rd(at, 1);
	cr_assert_eq(at, 0);
	cr_assert_arr_eq(seen, ((uint8_t[]){0x01, 0x11, 0x10}), 3);
	cr_assert_eq(space_rd(0x50, 4), 0, "hidden");
	cr_assert_eq(space_rd(0x100, 4), 0, "no extended ones");
	space_wr(0x50, 4, ~0u);
	space_wr(0x100, 4, ~0u);
	cr_assert_eq(fakevf_reg(&space.vf, 0x100, 4), 0x00010001);
}

/* Twice the same one, and in the end back to the beginning. */
Test(sriov_vpci_space, a_capability_is_seen_once)
{
	struct vpci_cfg cfg = fakevf_cfg(&space.vf);
	struct pcicore other;

	memcpy(space.vf.cfg + 0x50, space.vf.cfg + VF_CAP_PM, 8);
	space.vf.cfg[0x51] = VF_CAP_MSIX;
	space.vf.cfg[VF_CAP_PCIE + 1] = VF_CAP_PM;
	cr_assert_eq(pcicore_init(&other, &cfg), 0, "%s", err_text());
	cr_assert_eq(other.v.caps.nr, 3);
	cr_assert_eq(other.v.caps.cap[0].at, VF_CAP_PM);
	cr_assert_eq(other.v.caps.cap[2].at, VF_CAP_PCIE);
	pcicore_fini(&other);
}

Test(sriov_vpci_space, a_guest_cannot_reset_the_function)
{
	cr_assert_eq(space_rd(VF_CAP_PCIE + 4, 4), 0x00008001, "no FLR");
	space_wr(VF_CAP_PCIE + 8, 2, 0xA000);
	cr_assert_eq(fakevf_reg(&space.vf, VF_CAP_PCIE + 8, 2), 0x2000);
	space_wr(VF_CAP_PCIE + 9, 1, 0x90);
	cr_assert_eq(fakevf_reg(&space.vf, VF_CAP_PCIE + 8, 2), 0x1000);
	space_wr(VF_CAP_PCIE + 0x28, 2, 0x0005);
	cr_assert_eq(fakevf_reg(&space.vf, VF_CAP_PCIE + 0x28, 2), 5);
	space_wr(VF_CAP_PCIE + 0x10, 2, 3);
	cr_assert_eq(fakevf_reg(&space.vf, VF_CAP_PCIE + 0x10, 2), 0, "the link is not its own");
}

Test(sriov_vpci_space, asleep_it_has_no_memory_and_no_mastery)
{
	space_place();
	space_wr(4, 2, 6);
	cr_assert_eq(space_rd(VF_CAP_PM + 2, 2), 3, "version, and nothing else");
	cr_assert_eq(space_rd(VF_CAP_PM + 4, 2), 8);
	space_wr(VF_CAP_PM + 4, 2, 1);
	cr_assert_eq(space_rd(VF_CAP_PM + 4, 2), 8, "there is no D1");
	space_wr(VF_CAP_PM, 1, 3);
	cr_assert_eq(space_rd(VF_CAP_PM + 4, 2), 8, "that is the id");
	space_wr(VF_CAP_PM + 4, 2, 0x8103);
	cr_assert_eq(space_rd(VF_CAP_PM + 4, 2), 0xB);
	cr_assert_eq(fakevf_nr_maps(&space.vf), 0);
	cr_assert_eq(fakevf_reg(&space.vf, 4, 2), 2);
	cr_assert_eq(space_rd(4, 2), 6);
	space_wr(4, 2, 4);
	space_wr(4, 2, 6);
	cr_assert_eq(fakevf_nr_maps(&space.vf), 0);
	space_wr(VF_CAP_PM + 4, 1, 0);
	cr_assert_gt(fakevf_nr_maps(&space.vf), 0);
	cr_assert_eq(fakevf_reg(&space.vf, 4, 2), 6);
	cr_assert_eq(fakevf_reg(&space.vf, VF_CAP_PM + 4, 2), 0x100, "the function knows nothing");
}

/* ---- BARs ----------------------------------------------------------------------------------- */

Test(sriov_vpci_space, bars_are_sized_while_decoding_is_off_and_stand_still_while_it_is_on)
{
	space_wr(0x10, 4, ~0u);
	space_wr(0x14, 4, ~0u);
	cr_assert_eq(space_rd(0x10, 4), 0xFFFF000C);
	cr_assert_eq(space_rd(0x14, 4), 0xFFFFFFFF);
	space_place();
	space_wr(0x1A, 2, 0xF830);
	cr_assert_eq(space_rd(0x18, 4), 0xF8300000);
	space_wr(0x1A, 2, 0xF810);
	space_wr(4, 2, 2);
	space_wr(0x10, 4, ~0u);
	space_wr(0x18, 4, 0);
	cr_assert_eq(space_rd(0x10, 4), (uint32_t)BAR0_GPA | 0xC);
	cr_assert_eq(space_rd(0x18, 4), (uint32_t)BAR2_GPA);
	cr_assert_eq(space_mem(BAR2_GPA, 1), fakevf_byte(2, 0));
}

Test(sriov_vpci_space, bars_are_there_while_decoding_is_on)
{
	space_place();
	cr_assert_eq(space_mem(BAR0_GPA, 4), 0xFFFFFFFF);
	space_wr(4, 2, 2);
	cr_assert_eq(space_mem(BAR0_GPA, 1), fakevf_byte(0, 0));
	cr_assert_eq(space_mem(BAR0_GPA + 0xFFFF, 1), fakevf_byte(0, 0xFFFF));
	cr_assert_eq(space_mem(BAR0_GPA + 0x10000, 1), 0xFF);
	cr_assert_eq(space_mem(BAR4_GPA + 0x1FFF, 1), fakevf_byte(4, 0x1FFF));
	cr_assert_eq(space.vf.nr_bar_reads, 0, "straight");
	cr_assert_eq(space_mem(BAR4_GPA + 0x2000, 1), fakevf_byte(4, 0x2000));
	cr_assert_eq(space_mem(BAR4_GPA + 0x2FFF, 1), fakevf_byte(4, 0x2FFF));
	cr_assert_eq(space_mem(BAR3_GPA + 0xFF, 1), fakevf_byte(3, 0xFF));
	cr_assert_eq(space.vf.nr_bar_reads, 3, "the host does not map it");
	cr_assert_eq(space_mem(BAR4_GPA + 0x3000, 1), fakevf_byte(4, 0x3000));
	fakevf_write(&space.vf, BAR3_GPA + 8, 8, 0x1122334455667788);
	cr_assert_eq(space_mem(BAR3_GPA + 8, 8), 0x1122334455667788);
	cr_assert_eq(space.vf.nr_bar_writes, 1);
	space_wr(4, 2, 0);
	cr_assert_eq(fakevf_nr_maps(&space.vf) + fakevf_nr_windows(&space.vf), 0);
	cr_assert_eq(space_mem(BAR3_GPA, 1), 0xFF);
}

Test(sriov_vpci_space, only_pages_with_table_or_pba_trap)
{
	space_place();
	space_wr(4, 2, 2);
	space_mem(BAR2_GPA, 8);
	space_mem(BAR2_GPA + 0x2000, 8);
	space_mem(BAR2_GPA + 0x3FF8, 8);
	space_mem(BAR2_GPA + 0x5000, 8);
	cr_assert_eq(space.vf.nr_bar_reads, 0);
	cr_assert_eq(space_mem(BAR2_GPA + 0x1000, 1), fakevf_byte(2, 0x1000));
	cr_assert_eq(space_mem(BAR2_GPA + 0x4000, 1), fakevf_byte(2, 0x4000));
	cr_assert_eq(space.vf.nr_bar_reads, 2);
	fakevf_write(&space.vf, BAR2_GPA + 0x1000, 4, 0xABCD);
	cr_assert_eq(space_mem(BAR2_GPA + 0x1000, 4), 0xABCD, "beside the table is the function");
}

Test(sriov_vpci_space, bars_go_nowhere_they_must_not_be)
{
	space_wr(0x18, 4, 0x00100000); /* RAM */
	space_wr(0x1C, 4, (uint32_t)CORE_WIN + 0x1000);
	space_wr(0x10, 4, 0xFFFF0000);
	space_wr(0x14, 4, 0xFFFFFFFF); /* its end is beyond the end */
	space_wr(4, 2, 2);
	cr_assert_eq(fakevf_nr_maps(&space.vf) + fakevf_nr_windows(&space.vf), 0);
	cr_assert_eq(space.v.maps_refused, 3);
	cr_assert_eq(space_rd(0, 4), 0x10CA8086, "config space is untouched");
	space_wr(4, 2, 0);
	space_place();
	space_wr(0x18, 4, (uint32_t)BAR3_GPA);
	space_wr(4, 2, 2);
	cr_assert_eq(space.v.maps_refused, 4, "one over the other");
	cr_assert_eq(space_mem(BAR3_GPA, 1), fakevf_byte(2, 0));
}

Test(sriov_vpci_space, a_bar_is_there_with_all_its_pieces_or_not_at_all)
{
	space_place();
	space.vf.fail_window = true;
	space_wr(4, 2, 2);
	cr_assert_eq(space_mem(BAR2_GPA, 1), 0xFF);
	cr_assert_eq(space_mem(BAR4_GPA, 1), 0xFF);
	cr_assert_eq(space_mem(BAR0_GPA, 1), fakevf_byte(0, 0));
	space_wr(4, 2, 0);
	space.vf.fail_window = false;
	space.vf.fail_map = true;
	space_wr(4, 2, 2);
	cr_assert_eq(space_mem(BAR2_GPA + 0x1000, 1), 0xFF);
	cr_assert_eq(space_mem(BAR3_GPA, 1), fakevf_byte(3, 0));
	cr_assert_eq(space.v.maps_refused, 3 + 3);
	space.vf.fail_map = false;
}

Test(sriov_vpci_space, a_function_that_stops_answering_reads_ones)
{
	space.vf.fail_cfg_read = true;
	cr_assert_eq(space_rd(VF_CAP_PCIE + 8, 4), ~0u & ~0x8000u);
	cr_assert_eq(space_rd(6, 2), 0xFFFF);
	cr_assert_eq(space_rd(0, 2), 0x8086, "the guest waits for completions on this one");
	space.vf.fail_cfg_read = false;
}

/* ---- Surprise while the function is being given ---------------------------------------------- */

static void surprise(void)
{
	vpci_surprise(&space.v);
}

Test(sriov_vpci_space, iov_6_surprise_during_d0_entry_leaves_the_guest_nothing)
{
	uint32_t leave = VPCI_D0EXIT;

	vpci_proto_packet(&space.v, 1, true, (const uint8_t *)&leave, sizeof(leave));
	space.vf.in_window_set = surprise;
	cr_assert_eq(pcicore_start(&space), VPCI_STATUS_NO_SUCH_DEVICE);
	cr_assert(!space.v.space.is_on && !space.v.is_d0);
	cr_assert_eq(space.vf.window[0].len, 0);
}
