/* SPDX-License-Identifier: BSD-3-Clause */
#include "iommu/pci.h"

#include <string.h>

#include "iommu/le.h"

#define CAP_LIST_STATUS 0x10
#define CAPS_MAX	48  /* as many as fit 192 bytes */
#define EXT_CAPS_MAX	960 /* as many as fit 3840 bytes */

static void parse_pcie(const uint8_t *cap, struct iommu_pci *out)
{
	out->type = (enum iommu_pci_type)(le16_at(cap + 2) >> 4 & 0xf);
	if (le32_at(cap + 4) >> 28 & 1)
		out->has_flr = true;
}

static void parse_cap(const uint8_t *cap, size_t left, struct iommu_pci *out)
{
	switch (cap[0]) {
	case 0x10:
		if (left >= 8)
			parse_pcie(cap, out);
		break;
	case 0x11: /* MSI-X */
		if (left >= 4) {
			out->has_msix = true;
			out->nr_msix = (uint16_t)((le16_at(cap + 2) & 0x7ff) + 1);
		}
		break;
	case 0x13: /* advanced features, of conventional functions */
		if (left >= 4 && cap[3] & 0x02)
			out->has_flr = true;
		break;
	default: break;
	}
}

static void parse_caps(const uint8_t *cfg, size_t len, struct iommu_pci *out)
{
	size_t at = cfg[0x34] & 0xfc;

	if (len > 256)
		len = 256;
	for (int i = 0; i < CAPS_MAX && at >= 0x40 && at + 2 <= len; i++) {
		parse_cap(cfg + at, len - at, out);
		at = cfg[at + 1] & 0xfc;
	}
}

static void parse_ext_cap(const uint8_t *cap, size_t left, struct iommu_pci *out)
{
	switch (le16_at(cap)) {
	case 0x000d:
		if (left < 8)
			return;
		out->has_acs = true;
		out->acs_cap = le16_at(cap + 4);
		out->acs_ctrl = le16_at(cap + 6);
		break;
	case 0x000f: out->has_ats = true; break;
	case 0x0010:
		if (left < 0x1c)
			return;
		out->has_sriov = true;
		out->total_vfs = le16_at(cap + 0x0e);
		out->num_vfs = le16_at(cap + 0x10);
		out->vf_offset = le16_at(cap + 0x14);
		out->vf_stride = le16_at(cap + 0x16);
		out->vf_device = le16_at(cap + 0x1a);
		break;
	default: break;
	}
}

static void parse_ext_caps(const uint8_t *cfg, size_t len, struct iommu_pci *out)
{
	size_t at = 256;

	if (len > IOMMU_PCI_CONFIG_MAX)
		len = IOMMU_PCI_CONFIG_MAX;
	for (int i = 0; i < EXT_CAPS_MAX && at >= 256 && at + 4 <= len; i++) {
		uint32_t head = le32_at(cfg + at);

		if (head == 0 || head == 0xffffffff)
			return;
		parse_ext_cap(cfg + at, len - at, out);
		at = head >> 20 & 0xffc;
	}
}

void iommu_pci_parse(const uint8_t *cfg, size_t len, struct iommu_pci *out)
{
	memset(out, 0, sizeof(*out));
	out->type = IOMMU_PCI_CONVENTIONAL;
	/* All ones: it is gone. A VF has them for its ids, which are its PF's (PCIe spec §9.3.4.1). */
	if (len < 64 || cfg[0x0e] == 0xff)
		return;
	out->is_known = true;
	out->is_bridge = (cfg[0x0e] & 0x7f) == 1;
	out->is_multifunction = cfg[0x0e] & 0x80;
	if (out->is_bridge) {
		out->secondary = cfg[0x19];
		out->subordinate = cfg[0x1a];
	}
	out->has_caps = len > 64;
	if (le16_at(cfg + 6) & CAP_LIST_STATUS)
		parse_caps(cfg, len, out);
	if (len > 256) {
		out->has_extended = true;
		parse_ext_caps(cfg, len, out);
	}
}

bool iommu_pci_leaks(const struct iommu_pci *bridge)
{
	if (!bridge->is_bridge)
		return false;
	switch (bridge->type) {
	case IOMMU_PCI_ROOT_PORT:
	case IOMMU_PCI_DOWNSTREAM:
		if (!bridge->has_extended)
			return false;
		return !bridge->has_acs ||
		       (IOMMU_ACS_ISOLATION & bridge->acs_cap & ~bridge->acs_ctrl) != 0;
	case IOMMU_PCI_TO_PCI:
	case IOMMU_PCI_FROM_PCI:
	case IOMMU_PCI_CONVENTIONAL: return true;
	default: return false;
	}
}
