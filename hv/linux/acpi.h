/* SPDX-License-Identifier: BSD-3-Clause */
/* The ACPI tables of a partition that runs an unmodified kernel: RSDP, XSDT, FADT (reduced hardware),
 * MADT, and the DSDT that iasl made of dsdt.asl. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct hv_acpi_cfg {
	unsigned int nr_vps; /* a local APIC each, its ID is the VP index */
	uint64_t mmio_high;  /* begin of the MMIO window above RAM */
};

/* any.  Writes the tables, which will lie at GPA @at, into @buf; the RSDP comes first. 0, -ENOSPC (@size
 * is too small) or -EINVAL (the DSDT of this build is not as it should be); text set. *@len is what
 * was used. */
int hv_acpi_build(const struct hv_acpi_cfg *cfg, uint64_t at, uint8_t *buf, size_t size,
		  size_t *len);

/* any.  As hv_acpi_build() does it: puts the window in, in place, and corrects the checksum. -EINVAL
 * (text set) unless @aml has exactly one placeholder. */
int hv_acpi_patch_dsdt(uint8_t *aml, size_t len, uint64_t mmio_high);
