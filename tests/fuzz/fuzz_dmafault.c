/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as a line of the kernel's log: not a fault, or one whose text can be printed. */
#include <stdlib.h>
#include <string.h>

#include "iommu/fault.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iommu_fault f;
	char line[160];

	if (!iommu_fault_parse((const char *)data, size, &f))
		return 0;
	if (f.bdf.dev > 31 || f.bdf.fn > 7 || strlen(f.text) >= sizeof(f.text))
		abort();
	iommu_fault_line(&f, line, sizeof(line));
	for (const char *p = line; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			abort();
	return 0;
}
