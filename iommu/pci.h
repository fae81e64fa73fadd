/* SPDX-License-Identifier: BSD-3-Clause */
/* What a function's configuration space says about isolation and assignment. A pure function over
 * bytes; capability lists that loop or leave the space end there. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IOMMU_PCI_CONFIG_MAX 4096u

/* Device/port types of the PCI Express capability (PCIe spec §7.5.3.2) */
enum iommu_pci_type {
	IOMMU_PCI_ENDPOINT = 0,
	IOMMU_PCI_LEGACY_ENDPOINT = 1,
	IOMMU_PCI_ROOT_PORT = 4,
	IOMMU_PCI_UPSTREAM = 5,
	IOMMU_PCI_DOWNSTREAM = 6,
	IOMMU_PCI_TO_PCI = 7,
	IOMMU_PCI_FROM_PCI = 8,
	IOMMU_PCI_RC_ENDPOINT = 9,
	IOMMU_PCI_CONVENTIONAL = 16, /* no such capability */
};

/* What keeps devices below a port from reaching each other: source validation, request and
 * completion redirect, upstream forwarding (PCIe spec §7.7.11.3). */
#define IOMMU_ACS_ISOLATION 0x1du

struct iommu_pci {
	bool has_caps;	   /* more than the header (only root can read them) */
	bool is_known;	   /* the first 64 bytes were there */
	bool has_extended; /* and more than 256 */
	bool is_bridge, is_multifunction;
	uint8_t secondary, subordinate; /* of a bridge */
	enum iommu_pci_type type;
	bool has_flr;
	bool has_msix;
	uint16_t nr_msix;
	bool has_acs;
	uint16_t acs_cap, acs_ctrl;
	bool has_ats;
	bool has_sriov;
	uint16_t total_vfs, num_vfs, vf_offset, vf_stride, vf_device;
};

/* any.  @len: how many bytes there are. */
void iommu_pci_parse(const uint8_t *cfg, size_t len, struct iommu_pci *out);

/* any.  A port below which devices can reach each other without passing the IOMMU: a root or
 * downstream port whose ACS is not there or not on, or a bridge to conventional PCI. A control that
 * the port does not have counts as on, as the kernel does it. False for what is no bridge, and when
 * extended space could not be read. */
bool iommu_pci_leaks(const struct iommu_pci *bridge);
