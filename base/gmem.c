/* SPDX-License-Identifier: BSD-3-Clause */
/* Guest memory map. */
#include "base/gmem.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

static bool overlaps(const struct gmem_region *r, uint64_t at, uint64_t len)
{
	return at < r->gpa + r->len && r->gpa < at + len;
}

int gmem_add(struct gmem *gm, gpa_t at, uint64_t len, void *hva)
{
	unsigned int i;

	if (len == 0 || (at.v | len | (uintptr_t)hva) % GMEM_PAGE_SIZE || at.v + len < at.v)
		return err_set(-EINVAL, "guest memory at %#llx, %llu bytes: not whole pages",
			       (unsigned long long)at.v, (unsigned long long)len);
	if (gm->nr_regions == GMEM_REGIONS_MAX)
		return err_set(-ENOSPC, "guest memory at %#llx: more than %d regions",
			       (unsigned long long)at.v, GMEM_REGIONS_MAX);
	for (i = 0; i < gm->nr_regions; i++) {
		if (overlaps(&gm->region[i], at.v, len))
			return err_set(-EINVAL, "guest memory at %#llx overlaps that at %#llx",
				       (unsigned long long)at.v,
				       (unsigned long long)gm->region[i].gpa);
	}
	gm->region[gm->nr_regions++] = (struct gmem_region){at.v, len, hva};
	return 0;
}

void *gmem_map(const struct gmem *gm, gpa_t at, uint64_t len)
{
	unsigned int i;

	for (i = 0; i < gm->nr_regions; i++) {
		const struct gmem_region *r = &gm->region[i];

		/* Compare lengths before adding: neither difference can wrap. */
		if (at.v >= r->gpa && at.v - r->gpa < r->len)
			return len && len <= r->len - (at.v - r->gpa) ? r->hva + (at.v - r->gpa)
								      : NULL;
	}
	return NULL;
}

int gmem_read(const struct gmem *gm, gpa_t at, void *dst, size_t len)
{
	const void *p = gmem_map(gm, at, len);

	if (!p)
		return -EFAULT;
	memcpy(dst, p, len);
	return 0;
}

int gmem_write(const struct gmem *gm, gpa_t at, const void *src, size_t len)
{
	void *p = gmem_map(gm, at, len);

	if (!p)
		return -EFAULT;
	memcpy(p, src, len);
	return 0;
}
