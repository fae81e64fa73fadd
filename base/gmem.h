/* SPDX-License-Identifier: BSD-3-Clause */
/* Guest memory map: which guest-physical ranges exist, and where they lie in this process.
 * It owns nothing: regions are added by whoever mapped them. Host pointers obtained here live as
 * long as the region. Guest memory changes under our feet: copy first, then look. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GMEM_REGIONS_MAX 8
#define GMEM_PAGE_SHIFT	 12
#define GMEM_PAGE_SIZE	 4096u

/* A guest-physical address: one member, so that no arithmetic happens by accident. */
typedef struct {
	uint64_t v;
} gpa_t;

static inline gpa_t gpa(uint64_t v)
{
	return (gpa_t){v};
}

struct gmem_region {
	uint64_t gpa;
	uint64_t len;
	uint8_t *hva;
};

struct gmem {
	struct gmem_region region[GMEM_REGIONS_MAX];
	unsigned int nr_regions;
};

/* ctl.  Adds a page-aligned, non-overlapping region. 0, -EINVAL or -ENOSPC (text set). */
int gmem_add(struct gmem *gm, gpa_t at, uint64_t len, void *hva);

/* any.  Host address of [@at, @at + @len), or NULL when any byte of it is not guest RAM.
 * @len 0 is refused. */
void *gmem_map(const struct gmem *gm, gpa_t at, uint64_t len);

/* any.  The region that has the 4 KiB page @pfn, or NULL. Regions are whole pages. */
static inline const struct gmem_region *gmem_region_of(const struct gmem *gm, uint64_t pfn)
{
	unsigned int i;

	for (i = 0; i < gm->nr_regions; i++) {
		const struct gmem_region *r = &gm->region[i];
		uint64_t off = pfn - (r->gpa >>
				      GMEM_PAGE_SHIFT); /* wraps below it: then it is too large */

		if (__builtin_expect(off < r->len >> GMEM_PAGE_SHIFT, 1))
			return r;
	}
	return NULL;
}

/* any.  Host address of the page, or NULL. */
static inline void *gmem_page(const struct gmem *gm, uint64_t pfn)
{
	const struct gmem_region *r = gmem_region_of(gm, pfn);

	return r ? r->hva + ((pfn << GMEM_PAGE_SHIFT) - r->gpa) : NULL;
}

/* any.  0, or -EFAULT when the range is not wholly guest RAM (nothing copied then). */
int gmem_read(const struct gmem *gm, gpa_t at, void *dst, size_t len);
int gmem_write(const struct gmem *gm, gpa_t at, const void *src, size_t len);
