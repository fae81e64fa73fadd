/* SPDX-License-Identifier: BSD-3-Clause */
/* MSI-X of a vPCI function, access by access; and which functions cannot be given to a guest. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/vpcispace.h"

#define TABLE (BAR2_GPA + VF_TABLE_OFF)

TestSuite(sriov_vpci_msix, .init = space_setup, .fini = space_teardown, .timeout = 30);

/* ---- MSI-X ---------------------------------------------------------------------------------- */

static void enable(void)
{
	space_place();
	space_wr(4, 2, 2);
	space_wr(VF_CAP_MSIX + 2, 2, 0x8000);
}

Test(sriov_vpci_msix, the_table_size_is_what_the_guest_gets)
{
	cr_assert_eq(space_rd(VF_CAP_MSIX + 2, 2), VF_VECTORS - 1);
	cr_assert_eq(space_rd(VF_CAP_MSIX + 4, 4), VF_TABLE_OFF | VF_TABLE_BAR);
	cr_assert_eq(space_rd(VF_CAP_MSIX + 8, 4), VF_PBA_OFF | VF_TABLE_BAR);
	space_wr(VF_CAP_MSIX + 4, 4, 0);
	space_wr(VF_CAP_MSIX + 2, 2, 0x3FFF);
	cr_assert_eq(space_rd(VF_CAP_MSIX + 2, 2), VF_VECTORS - 1);
	cr_assert_eq(space_rd(VF_CAP_MSIX + 4, 4), VF_TABLE_OFF | VF_TABLE_BAR);
}

Test(sriov_vpci_msix, interrupts_are_on_at_the_function_while_msix_is)
{
	space_wr(VF_CAP_MSIX + 2, 2, 0xC000);
	cr_assert(space.vf.has_irqs);
	space_wr(VF_CAP_MSIX + 2, 2, 0x8000);
	space_wr(VF_CAP_MSIX + 3, 1, 0xC0);
	cr_assert_eq(space.vf.nr_irqs_on, 1, "the mask switches nothing");
	cr_assert_eq(space_rd(VF_CAP_MSIX + 2, 2), 0xC000 | (VF_VECTORS - 1));
	space_wr(VF_CAP_MSIX, 4, 0);
	cr_assert(!space.vf.has_irqs);
	space.vf.fail_irqs_on = true;
	space_wr(VF_CAP_MSIX + 2, 2, 0x8000);
	cr_assert_eq(space_rd(VF_CAP_MSIX + 2, 2), VF_VECTORS - 1, "it reads what is");
	cr_assert_eq(space.v.function_fails, 1);
}

Test(sriov_vpci_msix, an_entry_is_masked_by_itself_by_all_and_by_msix_being_off)
{
	struct vf_entry *e = &space.vf.entry[1];

	space_place();
	space_wr(4, 2, 2);
	cr_assert_eq(space_mem(TABLE + 16 + 12, 4), 1, "masked after reset");
	fakevf_write(&space.vf, TABLE + 16, 8, 0xFEE00000);
	fakevf_write(&space.vf, TABLE + 16 + 8, 4, 42);
	fakevf_write(&space.vf, TABLE + 16 + 12, 4, 0);
	cr_assert_eq(e->address, 0xFEE00000);
	cr_assert_eq(e->data, 42);
	cr_assert(e->is_masked, "MSI-X is off");
	space_wr(VF_CAP_MSIX + 2, 2, 0xC000);
	cr_assert(e->is_masked);
	space_wr(VF_CAP_MSIX + 2, 2, 0x8000);
	cr_assert(!e->is_masked);
	cr_assert(space.vf.entry[0].is_masked && space.vf.entry[2].is_masked);
	fakevf_write(&space.vf, TABLE + 16 + 8, 8, 1ull << 32 | 43);
	cr_assert_eq(e->data, 43);
	cr_assert(e->is_masked);
	fakevf_write(&space.vf, TABLE + 16 + 12, 4, 0xFFFFFFFE);
	cr_assert(!e->is_masked);
	cr_assert_eq(space_mem(TABLE + 16 + 8, 8), 43, "reserved bits stay 0");
	space_wr(VF_CAP_MSIX + 2, 2, 0);
	cr_assert(e->is_masked);
	cr_assert_eq(space_mem(TABLE + 16, 8), 0xFEE00000, "but it is kept");
}

Test(sriov_vpci_msix, table_writes_are_aligned_dwords_and_qwords)
{
	enable();
	fakevf_write(&space.vf, TABLE, 8, 0x1122334455667700);
	fakevf_write(&space.vf, TABLE, 1, 0xFF);
	fakevf_write(&space.vf, TABLE + 2, 2, 0xFFFF);
	fakevf_write(&space.vf, TABLE + 2, 4, ~0u);
	fakevf_write(&space.vf, TABLE + 4, 8, ~0ull);
	fakevf_write(&space.vf, TABLE - 4, 8, ~0ull);
	cr_assert_eq(space_mem(TABLE, 8), 0x1122334455667700);
	cr_assert_eq(space_mem(TABLE + 3, 1), 0x55);
	cr_assert_eq(space_mem(TABLE + 2, 4), 0x33445566);
	cr_assert_eq(space.v.bad_accesses, 5);
	cr_assert_eq(space_mem(TABLE - 1, 2), (fakevf_byte(2, VF_TABLE_OFF - 1) | 0x0000));
}

/* The function has more entries than the guest; they must not be reached either. */
Test(sriov_vpci_msix, entries_beyond_the_guests_read_0)
{
	enable();
	fakevf_write(&space.vf, TABLE + 16 * VF_VECTORS, 8, ~0ull);
	fakevf_write(&space.vf, TABLE + 16 * (VF_ENTRIES - 1) + 12, 4, ~0u);
	cr_assert_eq(space_mem(TABLE + 16 * VF_VECTORS, 8), 0);
	cr_assert_eq(space_mem(TABLE + 16 * VF_ENTRIES - 4, 4), 0);
	cr_assert_eq(space_mem(TABLE + 16 * VF_VECTORS - 4, 8), 1);
	cr_assert_eq(space.vf.nr_bar_reads + space.vf.nr_bar_writes, 0);
	for (unsigned int i = VF_VECTORS; i < VPCI_VECTORS_MAX; i++)
		cr_assert_eq(space.v.msix.entry[i].word[0] | space.v.msix.entry[i].word[1], 0);
	cr_assert_eq(space_mem(TABLE + 16 * VF_ENTRIES, 1),
		     fakevf_byte(2, VF_TABLE_OFF + 16 * VF_ENTRIES));
}

Test(sriov_vpci_msix, pending_bits_are_the_partitions)
{
	uint64_t pba = BAR2_GPA + VF_PBA_OFF;

	enable();
	space.vf.pending = 0x12;
	cr_assert_eq(space_mem(pba, 8), 0x12);
	cr_assert_eq(space_mem(pba, 1), 0x12);
	cr_assert_eq(space_mem(pba + 1, 1), 0);
	fakevf_write(&space.vf, pba, 8, 0);
	fakevf_write(&space.vf, pba + 4, 8, 0);
	cr_assert_eq(space_mem(pba, 4), 0x12, "read-only");
	cr_assert_eq(space.vf.nr_bar_writes, 0);
}

/* ---- What cannot be assigned ---------------------------------------------------------------- */

static int try_create(struct vpci_cfg *cfg)
{
	struct pcicore other = {.vf = space.vf};
	int rc = pcicore_init(&other, cfg);

	pcicore_fini(&other);
	return rc;
}

Test(sriov_vpci_msix, a_configuration_that_cannot_be_is_refused)
{
	static const struct vpci_bar bad[] = {
		{.size = 0x3000},
		{.size = 8},
		{.size = 1ull << 32},
		{.size = 4096, .is_64 = true},
		{.size = 4096, .map = (void *)0x1001},
		{.size = 4096, .trap_len = 0x2000},
		{.size = 8192, .trap_off = 0x1000, .trap_len = 0x1010},
	};
	struct vpci_cfg good = fakevf_cfg(&space.vf), cfg;

	for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cfg = good;
		cfg.bar[3] = bad[i];
		cr_assert_eq(try_create(&cfg), -EINVAL, "%u", i);
	}
	cfg = good;
	cfg.serial = 0;
	cr_assert_eq(try_create(&cfg), -EINVAL);
	cfg = good;
	cfg.instance.data2 = 0;
	cr_assert_eq(try_create(&cfg), -EINVAL);
	cfg = good;
	cfg.nr_vectors = VPCI_VECTORS_MAX + 1;
	cr_assert_eq(try_create(&cfg), -EINVAL);
	cfg.nr_vectors = VF_ENTRIES + 1;
	cr_assert_eq(try_create(&cfg), -ENODEV);
	cfg = good;
	cfg.bar[2].size = 0x1000;
	cr_assert_eq(try_create(&cfg), -ENODEV);
	cr_assert(strstr(err_text(), "outside of BARs"), "%s", err_text());
}

Test(sriov_vpci_msix, a_function_that_cannot_be_given_is_refused)
{
	struct vpci_cfg cfg = fakevf_cfg(&space.vf);

	space.vf.cfg[0x0E] = 0x81;
	cr_assert_eq(try_create(&cfg), -ENODEV);
	cr_assert(strstr(err_text(), "a bridge"), "%s", err_text());
	space.vf.cfg[0x0E] = 0x80;
	cr_assert_eq(try_create(&cfg), 0);
	space.vf.fail_cfg_read = true;
	cr_assert_eq(try_create(&cfg), -ENODEV);
	cr_assert(strstr(err_text(), "does not answer"), "%s", err_text());
	space.vf.fail_cfg_read = false;
	space.vf.cfg[VF_CAP_MSIX + 8] = VF_TABLE_BAR; /* PBA in the middle of the table */
	space.vf.cfg[VF_CAP_MSIX + 9] = VF_TABLE_OFF >> 8;
	cr_assert_eq(try_create(&cfg), -ENODEV);
	cr_assert(strstr(err_text(), "overlap"), "%s", err_text());
	space.vf.cfg[VF_CAP_MSIX] = 0x05;
	cr_assert_eq(try_create(&cfg), -ENODEV);
	cr_assert(strstr(err_text(), "no MSI-X"), "%s", err_text());
	space.vf.cfg[VF_CAP_PCIE + 1] = VF_CAP_PM; /* a loop */
	cr_assert_eq(try_create(&cfg), -ENODEV);
}
