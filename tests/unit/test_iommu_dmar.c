/* SPDX-License-Identifier: BSD-3-Clause */
/* The DMAR parser: all structures, and tables that lie about each length. */
#include "iommu/dmar.h"

#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "tests/support/dmarmake.h"

static const uint8_t hops[] = {0x1c, 0, 0, 1};
static const uint8_t many[2 * (IOMMU_DMAR_HOPS_MAX + 1)];
static struct iommu_dmar d;
static struct dmarmake m;

static int parse(void)
{
	return iommu_dmar_parse(m.bytes, m.len, &d);
}

static void refused(const char *why)
{
	dmar_end(&m);
	cr_expect_eq(parse(), -EBADMSG);
	cr_expect(strstr(err_text(), why), "no `%s` in: %s", why, err_text());
}

static void whole_table(void)
{
	dmar_begin(&m, 46, 0x05);
	dmar_drhd(&m, 0, 0, 0xfed90000);
	dmar_scope(&m, IOMMU_SCOPE_ENDPOINT, 0, 0, hops, 1);
	dmar_drhd(&m, 1, 0, 0xfed91000);
	dmar_scope(&m, IOMMU_SCOPE_IOAPIC, 2, 0xf0, hops, 1);
	dmar_scope(&m, IOMMU_SCOPE_HPET, 3, 0xf0, hops, 1);
	dmar_rmrr(&m, 1, 0x7b000000, 0x7f7fffff);
	dmar_scope(&m, IOMMU_SCOPE_ENDPOINT, 0, 0, hops, 2);
	dmar_atsr(&m, 1, 0);
	dmar_rhsa(&m, 0xfed91000, 7);
	dmar_andd(&m, 4, "\\_SB.PCI0.I2C\x01");
	dmar_satc(&m, 1, 0);
	dmar_scope(&m, IOMMU_SCOPE_BRIDGE, 0, 3, hops, 1);
	dmar_raw(&m, 77, "newer spec", 10);
	dmar_end(&m);
}

Test(iommu_dmar, reads_the_header_and_its_flags)
{
	whole_table();
	cr_assert_eq(parse(), 0, "%s", err_text());
	cr_expect_eq(d.address_bits, 46);
	cr_expect(d.has_intr_remap);
	cr_expect_not(d.has_x2apic_opt_out);
	cr_expect(d.has_dma_opt_in);
}

Test(iommu_dmar, reads_each_kind_of_structure_with_its_device_scopes)
{
	whole_table();
	cr_assert_eq(parse(), 0, "%s", err_text());
	cr_assert_eq(d.nr_items, 7);
	cr_expect_eq(d.nr_unknown, 1);
	cr_assert_eq(d.nr_scopes, 5);
	cr_expect_eq(d.item[0].base, 0xfed90000);
	cr_expect_not(d.item[0].is_all);
	cr_expect_eq(d.item[0].nr_scopes, 1);
	cr_expect_eq(d.scopes[0].hop[0].dev, 0x1c);
	cr_expect(d.item[1].is_all);
	cr_expect_eq(d.item[1].scope, 1);
	cr_expect_eq(d.item[1].nr_scopes, 2);
	cr_expect_eq(d.scopes[1].type, IOMMU_SCOPE_IOAPIC);
	cr_expect_eq(d.scopes[1].enumeration_id, 2);
	cr_expect_eq(d.scopes[1].start_bus, 0xf0);
	cr_expect_eq(d.item[2].type, IOMMU_DMAR_RMRR);
	cr_expect_eq(d.item[2].segment, 1);
	cr_expect_eq(d.item[2].last, 0x7f7fffff);
	cr_expect_eq(d.scopes[d.item[2].scope].nr_hops, 2);
	cr_expect_eq(d.scopes[d.item[2].scope].hop[1].fn, 1);
	cr_expect(d.item[3].is_all && d.item[3].type == IOMMU_DMAR_ATSR);
	cr_expect_eq(d.item[4].domain, 7);
	cr_expect_str_eq(d.item[5].name, "\\_SB.PCI0.I2C?");
	cr_expect_eq(d.item[5].domain, 4);
	cr_expect(d.item[6].is_all && d.item[6].type == IOMMU_DMAR_SATC);
	cr_expect_eq(d.scopes[d.item[6].scope].start_bus, 3);
}

Test(iommu_dmar, refuses_a_table_cut_at_any_byte)
{
	whole_table();
	for (size_t n = 0; n < m.len; n++)
		cr_expect_eq(iommu_dmar_parse(m.bytes, n, &d), -EBADMSG, "%zu bytes", n);
}

/* With length and checksum made right again, a cut is seen only by the structures' own lengths. */
Test(iommu_dmar, refuses_a_cut_inside_a_structure_even_with_a_right_header)
{
	size_t whole, nr_good = 0;

	whole_table();
	whole = m.len;
	for (m.len = 48; m.len < whole; m.len++) {
		dmar_end(&m);
		nr_good += parse() == 0;
	}
	cr_expect_eq(nr_good, 8, "only between structures, of which there are 8");
}

Test(iommu_dmar, refuses_a_flipped_bit_anywhere)
{
	whole_table();
	for (size_t bit = 0; bit < 8 * m.len; bit++) {
		m.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		cr_expect_eq(parse(), -EBADMSG, "bit %zu", bit);
		m.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	cr_expect_eq(parse(), 0);
}

Test(iommu_dmar, refuses_a_length_that_is_not_the_files)
{
	whole_table();
	m.bytes[m.len] = 0; /* one byte behind the table */
	cr_expect_eq(iommu_dmar_parse(m.bytes, m.len + 1, &d), -EBADMSG);
	cr_expect(strstr(err_text(), "length"));
}

Test(iommu_dmar, refuses_structures_with_wrong_lengths)
{
	static const uint8_t lens[] = {0, 1, 3, 15, 17, 200};

	for (size_t i = 0; i < sizeof(lens); i++) {
		dmar_begin(&m, 39, 1);
		dmar_drhd(&m, 0, 0, 0xfed90000);
		m.bytes[48 + 2] = lens[i];
		dmar_end(&m);
		cr_expect_eq(parse(), -EBADMSG, "length %u", lens[i]);
	}
}

Test(iommu_dmar, refuses_device_scopes_with_wrong_lengths)
{
	static const uint8_t lens[] = {0, 1, 5, 7, 10, 255};

	for (size_t i = 0; i < sizeof(lens); i++) {
		dmar_begin(&m, 39, 1);
		dmar_drhd(&m, 0, 0, 0xfed90000);
		dmar_scope(&m, IOMMU_SCOPE_ENDPOINT, 0, 0, hops, 1);
		m.bytes[48 + 16 + 1] = lens[i];
		refused("device scope");
	}
}

Test(iommu_dmar, refuses_a_scope_with_more_hops_than_bridges_can_be_stacked)
{
	dmar_begin(&m, 39, 1);
	dmar_drhd(&m, 0, 0, 0xfed90000);
	dmar_scope(&m, IOMMU_SCOPE_ENDPOINT, 0, 0, many, IOMMU_DMAR_HOPS_MAX);
	dmar_end(&m);
	cr_expect_eq(parse(), 0);
	dmar_scope(&m, IOMMU_SCOPE_ENDPOINT, 0, 0, many, IOMMU_DMAR_HOPS_MAX + 1);
	refused("too many hops");
}

Test(iommu_dmar, refuses_registers_and_memory_that_cannot_be)
{
	dmar_begin(&m, 39, 1);
	dmar_drhd(&m, 0, 0, 0);
	refused("registers");
	dmar_begin(&m, 39, 1);
	dmar_drhd(&m, 0, 0, 0xfed90800);
	refused("registers");
	dmar_begin(&m, 39, 1);
	dmar_rmrr(&m, 0, 0x2000, 0x1fff);
	refused("ends before");
}

Test(iommu_dmar, refuses_more_structures_than_it_has_room_for)
{
	static struct {
		uint8_t bytes[48 + 8 * (IOMMU_DMAR_ITEMS_MAX + 1)];
	} big;
	uint8_t sum = 0;

	dmar_begin(&m, 39, 1);
	memcpy(big.bytes, m.bytes, 48);
	for (size_t i = 0; i <= IOMMU_DMAR_ITEMS_MAX; i++)
		memcpy(big.bytes + 48 + 8 * i, "\2\0\10\0\0\0\0\0", 8);
	big.bytes[4] = (uint8_t)sizeof(big);
	big.bytes[5] = (uint8_t)(sizeof(big) >> 8);
	for (size_t i = 0; i < sizeof(big); i++)
		sum = (uint8_t)(sum + big.bytes[i]);
	big.bytes[9] = (uint8_t)(big.bytes[9] - sum);
	cr_expect_eq(iommu_dmar_parse(big.bytes, sizeof(big), &d), -EBADMSG);
	cr_expect(strstr(err_text(), "too many structures"), "%s", err_text());
}

Test(iommu_dmar, refuses_what_is_not_a_dmar_table)
{
	dmar_begin(&m, 39, 1);
	memcpy(m.bytes, "APIC", 4);
	refused("signature");
}
