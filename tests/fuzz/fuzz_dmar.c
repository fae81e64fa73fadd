/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as the structures of a DMAR table (header made right, so that the fuzzer gets past the
 * checksum) and as a whole table: refused with a text, or indices that hold. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "iommu/dmar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const uint8_t *bytes, size_t len)
{
	static struct iommu_dmar d;
	int rc = iommu_dmar_parse(bytes, len, &d);

	if (rc) {
		if (!err_text()[0])
			abort();
		return;
	}
	if (d.nr_items > IOMMU_DMAR_ITEMS_MAX || d.nr_scopes > IOMMU_DMAR_SCOPES_MAX)
		abort();
	for (unsigned int i = 0; i < d.nr_items; i++) {
		const struct iommu_dmar_item *it = &d.item[i];

		if (it->scope + it->nr_scopes > d.nr_scopes)
			abort();
		if (it->type == IOMMU_DMAR_RMRR && it->last < it->base)
			abort();
		if (strlen(it->name) >= sizeof(it->name))
			abort();
		for (unsigned int k = 0; k < it->nr_scopes; k++)
			if (d.scopes[it->scope + k].nr_hops > IOMMU_DMAR_HOPS_MAX)
				abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[48 + 8192];
	size_t len = 48 + size;
	uint8_t sum = 0;

	look(data, size);
	if (size > 8192)
		return 0;
	memset(buf, 0, 48);
	memcpy(buf, "DMAR", 4);
	buf[4] = (uint8_t)len;
	buf[5] = (uint8_t)(len >> 8);
	memcpy(buf + 48, data, size);
	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + buf[i]);
	buf[9] = (uint8_t)(0x100 - sum);
	look(buf, len);
	return 0;
}
