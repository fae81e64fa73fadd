/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/dmar.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "iommu/le.h"

#define ACPI_HEADER_BYTES 36u
#define DMAR_HEADER_BYTES 48u /* with host address width, flags and 10 reserved bytes */
#define STRUCT_BYTES_MIN  4u
#define SCOPE_BYTES_MIN	  6u
#define HOP_BYTES	  2u

#define DMAR_INTR_REMAP	    0x01
#define DMAR_X2APIC_OPT_OUT 0x02
#define DMAR_DMA_OPT_IN	    0x04

/* How long the fixed part of each structure is, and whether device scopes follow it. */
static const struct shape {
	uint8_t bytes;
	bool has_scopes;
} shapes[] = {
	[IOMMU_DMAR_DRHD] = {16, true}, [IOMMU_DMAR_RMRR] = {24, true},
	[IOMMU_DMAR_ATSR] = {8, true},	[IOMMU_DMAR_RHSA] = {20, false},
	[IOMMU_DMAR_ANDD] = {8, false}, [IOMMU_DMAR_SATC] = {8, true},
};

#define NR_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static int bad(const char *what, size_t at)
{
	return err_set(-EBADMSG, "DMAR table: %s at byte %zu", what, at);
}

static int parse_header(const uint8_t *buf, size_t len, struct iommu_dmar *out)
{
	uint8_t sum = 0;

	if (len < DMAR_HEADER_BYTES)
		return bad("cut short", len);
	if (memcmp(buf, "DMAR", 4) != 0)
		return bad("no signature", 0);
	if (len > IOMMU_DMAR_BYTES_MAX || le32_at(buf + 4) != len)
		return bad("length is not that of the file", 4);
	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + buf[i]);
	if (sum)
		return bad("wrong checksum", 9);
	out->address_bits = buf[36] + 1u;
	out->has_intr_remap = buf[37] & DMAR_INTR_REMAP;
	out->has_x2apic_opt_out = buf[37] & DMAR_X2APIC_OPT_OUT;
	out->has_dma_opt_in = buf[37] & DMAR_DMA_OPT_IN;
	return 0;
}

/* One scope at @p, of which @left bytes are there. Returns its length, or -EBADMSG. */
static int parse_scope(const uint8_t *p, size_t left, size_t at, struct iommu_dmar *out)
{
	struct iommu_scope *s = &out->scopes[out->nr_scopes];
	size_t len, hops;

	if (left < SCOPE_BYTES_MIN)
		return bad("device scope is cut short", at);
	len = p[1];
	if (len < SCOPE_BYTES_MIN || len > left || len % HOP_BYTES)
		return bad("device scope has a wrong length", at);
	hops = (len - SCOPE_BYTES_MIN) / HOP_BYTES;
	if (hops > IOMMU_DMAR_HOPS_MAX)
		return bad("device scope has too many hops", at);
	if (out->nr_scopes == IOMMU_DMAR_SCOPES_MAX)
		return bad("too many device scopes", at);
	s->type = p[0];
	s->enumeration_id = p[4];
	s->start_bus = p[5];
	s->nr_hops = (uint8_t)hops;
	for (size_t i = 0; i < hops; i++) {
		s->hop[i].dev = p[SCOPE_BYTES_MIN + HOP_BYTES * i] & 0x1f;
		s->hop[i].fn = p[SCOPE_BYTES_MIN + HOP_BYTES * i + 1] & 0x07;
	}
	out->nr_scopes++;
	return (int)len;
}

static int parse_scopes(const uint8_t *p, size_t len, size_t at, struct iommu_dmar *out,
			struct iommu_dmar_item *item)
{
	item->scope = (uint16_t)out->nr_scopes;
	for (size_t off = 0; off < len;) {
		int n = parse_scope(p + off, len - off, at + off, out);

		if (n < 0)
			return n;
		off += (size_t)n;
		item->nr_scopes++;
	}
	return 0;
}

static void copy_name(char *dst, size_t size, const uint8_t *src, size_t len)
{
	size_t n = 0;

	while (n < len && n < size - 1 && src[n]) {
		dst[n] = src[n] > 0x20 && src[n] < 0x7f ? (char)src[n] : '?';
		n++;
	}
	dst[n] = 0;
}

/* The fixed part; @p holds it wholly. */
static int parse_fixed(const uint8_t *p, size_t len, size_t at, struct iommu_dmar_item *item)
{
	switch (item->type) {
	case IOMMU_DMAR_DRHD:
		item->base = le64_at(p + 8);
		if (!item->base || item->base & 0xfff)
			return bad("remapping unit without proper registers", at);
		break;
	case IOMMU_DMAR_RMRR:
		item->base = le64_at(p + 8);
		item->last = le64_at(p + 16);
		if (item->last < item->base)
			return bad("reserved memory ends before it begins", at);
		return 0;
	case IOMMU_DMAR_RHSA:
		item->base = le64_at(p + 8);
		item->domain = le32_at(p + 16);
		return 0;
	case IOMMU_DMAR_ANDD:
		item->domain = p[7];
		copy_name(item->name, sizeof(item->name), p + 8, len - 8);
		return 0;
	case IOMMU_DMAR_ATSR:
	case IOMMU_DMAR_SATC: break;
	}
	item->is_all = p[4] & 1;
	return 0;
}

static int parse_struct(const uint8_t *p, size_t len, size_t at, struct iommu_dmar *out)
{
	uint16_t type = le16_at(p);
	struct iommu_dmar_item *item = &out->item[out->nr_items];
	int rc;

	if (type >= NR_SHAPES) {
		out->nr_unknown++;
		return 0;
	}
	if (len < shapes[type].bytes)
		return bad("structure is too short for its type", at);
	if (out->nr_items == IOMMU_DMAR_ITEMS_MAX)
		return bad("too many structures", at);
	item->type = (enum iommu_dmar_type)type;
	item->segment = shapes[type].has_scopes ? le16_at(p + 6) : 0;
	rc = parse_fixed(p, len, at, item);
	if (rc == 0 && shapes[type].has_scopes)
		rc = parse_scopes(p + shapes[type].bytes, len - shapes[type].bytes,
				  at + shapes[type].bytes, out, item);
	out->nr_items++;
	return rc;
}

int iommu_dmar_parse(const uint8_t *buf, size_t len, struct iommu_dmar *out)
{
	int rc;

	memset(out, 0, sizeof(*out));
	rc = parse_header(buf, len, out);
	for (size_t at = DMAR_HEADER_BYTES; rc == 0 && at < len;) {
		size_t n;

		if (len - at < STRUCT_BYTES_MIN)
			return bad("structure is cut short", at);
		n = le16_at(buf + at + 2);
		if (n < STRUCT_BYTES_MIN || n > len - at)
			return bad("structure has a wrong length", at);
		rc = parse_struct(buf + at, n, at, out);
		at += n;
	}
	return rc;
}
