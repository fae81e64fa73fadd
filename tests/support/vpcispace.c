/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/support/vpcispace.h"

#include <criterion/criterion.h>

#include "base/err.h"

struct pcicore space;

void space_setup(void)
{
	struct vpci_cfg cfg;

	fakevf_init(&space.vf);
	cfg = fakevf_cfg(&space.vf);
	cr_assert_eq(pcicore_init(&space, &cfg), 0, "%s", err_text());
	cr_assert_eq(pcicore_start(&space), 0);
}

void space_teardown(void)
{
	vpci_proto_closed(&space.v);
	pcicore_fini(&space);
	fakevf_fini(&space.vf);
}

uint32_t space_rd(uint32_t off, unsigned int size)
{
	return pcicore_rd(&space, off, size);
}

void space_wr(uint32_t off, unsigned int size, uint32_t value)
{
	pcicore_wr(&space, off, size, value);
}

uint64_t space_mem(uint64_t gpa, unsigned int size)
{
	return fakevf_read(&space.vf, gpa, size);
}

void space_place(void)
{
	space_wr(0x10, 4, (uint32_t)BAR0_GPA);
	space_wr(0x14, 4, (uint32_t)(BAR0_GPA >> 32));
	space_wr(0x18, 4, (uint32_t)BAR2_GPA);
	space_wr(0x1C, 4, (uint32_t)BAR3_GPA);
	space_wr(0x20, 4, (uint32_t)BAR4_GPA);
	space_wr(0x24, 4, (uint32_t)(BAR4_GPA >> 32));
}
