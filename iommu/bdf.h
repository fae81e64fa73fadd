/* SPDX-License-Identifier: BSD-3-Clause */
/* The address of a PCI function, as people write it: 0000:01:10.0. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IOMMU_BDF_TEXT \
	13u /* with the zero at the end; segments of more than 16 bits (VMD) are longer */

struct iommu_bdf {
	uint16_t segment;
	uint8_t bus;
	uint8_t dev; /* 0..31 */
	uint8_t fn;  /* 0..7 */
};

static inline bool iommu_bdf_equal(struct iommu_bdf a, struct iommu_bdf b)
{
	return a.segment == b.segment && a.bus == b.bus && a.dev == b.dev && a.fn == b.fn;
}

/* any.  Reads "SSSS:BB:DD.F" or "BB:DD.F" (segment 0), the whole text. 0 or -EINVAL (text set). */
int iommu_bdf_parse(const char *text, struct iommu_bdf *out);

/* any.  As far as it goes: returns how many characters of [@s, @s + @len) are an address, 0: none.
 * Takes the form 0xBB:0xDD.F of some kernels' logs, too. */
size_t iommu_bdf_scan(const char *s, size_t len, struct iommu_bdf *out);

/* any.  Returns @buf. */
char *iommu_bdf_text(struct iommu_bdf bdf, char buf[IOMMU_BDF_TEXT]);
