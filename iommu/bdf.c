/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/bdf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 1..@max hex digits. Returns how many, 0: none. */
static size_t scan_hex(const char *s, size_t len, size_t max, unsigned int *v)
{
	size_t n = 0, skip = len >= 2 && s[0] == '0' && s[1] == 'x' ? 2 : 0;

	*v = 0;
	while (skip + n < len && n < max && hex_digit(s[skip + n]) >= 0)
		*v = *v << 4 | (unsigned int)hex_digit(s[skip + n++]);
	return n ? skip + n : 0;
}

size_t iommu_bdf_scan(const char *s, size_t len, struct iommu_bdf *out)
{
	static const char sep[] = "::.";
	unsigned int part[4] = {0};
	size_t at = 0, n;

	/* With a segment there are two colons before the dot, without it one. */
	const char *dot = memchr(s, '.', len < 24 ? len : 24);
	const char *colon = memchr(s, ':', len < 8 ? len : 8);
	unsigned int first;

	if (!dot || !colon || dot < colon)
		return 0;
	first = memchr(colon + 1, ':', (size_t)(dot - colon - 1)) ? 0 : 1;
	for (unsigned int i = first; i < 4; i++) {
		n = scan_hex(s + at, len - at, i == 0 ? 4 : i == 3 ? 1 : 2, &part[i]);
		if (!n)
			return 0;
		at += n;
		if (i < 3 && (at >= len || s[at++] != sep[i]))
			return 0;
	}
	if (part[2] > 31 || part[3] > 7)
		return 0;
	*out = (struct iommu_bdf){.segment = (uint16_t)part[0],
				  .bus = (uint8_t)part[1],
				  .dev = (uint8_t)part[2],
				  .fn = (uint8_t)part[3]};
	return at;
}

int iommu_bdf_parse(const char *text, struct iommu_bdf *out)
{
	size_t len = strlen(text);

	if (len && iommu_bdf_scan(text, len, out) == len)
		return 0;
	return err_set(-EINVAL,
		       "\"%.40s\" is not the address of a PCI function, such as "
		       "0000:01:10.0",
		       text);
}

char *iommu_bdf_text(struct iommu_bdf bdf, char buf[IOMMU_BDF_TEXT])
{
	snprintf(buf, IOMMU_BDF_TEXT, "%04x:%02x:%02x.%x", bdf.segment, bdf.bus, bdf.dev & 0x1fu,
		 bdf.fn & 7u);
	return buf;
}
