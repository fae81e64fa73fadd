/* SPDX-License-Identifier: BSD-3-Clause */
/* The firmware's DMAR table (VT-d spec §8): which remapping units there are, which devices they
 * serve, and which memory the firmware keeps for DMA of its own. A pure function over bytes that are
 * not trusted; it resolves nothing, since bus numbers behind bridges are the kernel's affair. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IOMMU_DMAR_BYTES_MAX  65536u
#define IOMMU_DMAR_ITEMS_MAX  256u
#define IOMMU_DMAR_SCOPES_MAX 1024u
#define IOMMU_DMAR_HOPS_MAX   8u

enum iommu_dmar_type { /* VT-d spec §8.2 */
		       IOMMU_DMAR_DRHD = 0,
		       IOMMU_DMAR_RMRR = 1,
		       IOMMU_DMAR_ATSR = 2,
		       IOMMU_DMAR_RHSA = 3,
		       IOMMU_DMAR_ANDD = 4,
		       IOMMU_DMAR_SATC = 5,
};

enum iommu_scope_type { /* VT-d spec §8.3.1 */
			IOMMU_SCOPE_ENDPOINT = 1,
			IOMMU_SCOPE_BRIDGE = 2, /* and all that is below it */
			IOMMU_SCOPE_IOAPIC = 3,
			IOMMU_SCOPE_HPET = 4,
			IOMMU_SCOPE_NAMESPACE = 5,
};

/* A device by its way from a start bus: each hop but the last is a bridge. */
struct iommu_scope {
	uint8_t type; /* enum iommu_scope_type, or one that is newer */
	uint8_t enumeration_id;
	uint8_t start_bus;
	uint8_t nr_hops;
	struct {
		uint8_t dev, fn;
	} hop[IOMMU_DMAR_HOPS_MAX];
};

struct iommu_dmar_item {
	enum iommu_dmar_type type;
	bool is_all; /* DRHD: all other devices of the segment. ATSR: all ports. SATC: ATC required */
	uint16_t segment; /* DRHD, RMRR, ATSR, SATC */
	uint64_t base;	  /* DRHD, RHSA: registers. RMRR: first byte */
	uint64_t last;	  /* RMRR: last byte */
	uint32_t domain;  /* RHSA: proximity domain. ANDD: device number */
	char name[32];	  /* ANDD: ACPI object, cut; bytes that cannot be printed are '?' */
	uint16_t scope;	  /* index of its first scope */
	uint16_t nr_scopes;
};

struct iommu_dmar {
	unsigned int address_bits; /* of the host's DMA */
	bool has_intr_remap;	   /* INTR_REMAP: the firmware says that it is supported */
	bool has_x2apic_opt_out;
	bool has_dma_opt_in;
	unsigned int nr_items, nr_scopes,
		nr_unknown; /* unknown: structures of a newer spec, left out */
	struct iommu_dmar_item item[IOMMU_DMAR_ITEMS_MAX];
	struct iommu_scope scopes[IOMMU_DMAR_SCOPES_MAX];
};

/* any.  Parses @len bytes of a whole table, ACPI header and all, into @out. 0 or -EBADMSG (text set: what
 * is wrong, and where); @out is then not to be used. */
int iommu_dmar_parse(const uint8_t *buf, size_t len, struct iommu_dmar *out);
