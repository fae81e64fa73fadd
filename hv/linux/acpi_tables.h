/* SPDX-License-Identifier: BSD-3-Clause */
/* The ACPI tables that we fill by hand, as they lie in memory (ACPI 6.3, section 5.2). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ACPI_PACKED __attribute__((packed))

struct acpi_rsdp { /* 5.2.5.3 */
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t ext_checksum; /* of all */
	uint8_t reserved[3];
} ACPI_PACKED;

struct acpi_header { /* 5.2.6 */
	char signature[4];
	uint32_t length;
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} ACPI_PACKED;

#define ACPI_SPACE_IO	 1u
#define ACPI_ACCESS_BYTE 1u

struct acpi_gas { /* generic address, 5.2.3.2 */
	uint8_t space, bits, offset, access;
	uint64_t address;
} ACPI_PACKED;

#define ACPI_FADT_REVISION   6u
#define ACPI_FADT_MINOR	     3u
#define ACPI_FADT_WBINVD     (1u << 0)
#define ACPI_FADT_RESET_REG  (1u << 10)
#define ACPI_FADT_HW_REDUCED (1u << 20)
#define ACPI_PM_SERVER	     4u
#define ACPI_BOOT_NO_VGA     (1u << 2) /* IAPC_BOOT_ARCH; bit 1, an 8042, is not set */
#define ACPI_BOOT_NO_RTC     (1u << 5)

struct acpi_fadt { /* 5.2.9; on reduced hardware the blocks left out here are zero */
	struct acpi_header h;
	uint32_t facs, dsdt;
	uint8_t reserved1, pm_profile;
	uint16_t sci_irq;
	uint8_t legacy_blocks[61]; /* SMI_CMD (48) .. CENTURY (108) */
	uint16_t boot_arch;
	uint8_t reserved2;
	uint32_t flags;
	struct acpi_gas reset_reg;
	uint8_t reset_value;
	uint16_t arm_boot_arch;
	uint8_t minor;
	uint64_t x_facs, x_dsdt;
	struct acpi_gas legacy_x[8]; /* X_PM1a_EVT_BLK (148) .. X_GPE1_BLK (232) */
	struct acpi_gas sleep_control, sleep_status;
	uint64_t hypervisor;
} ACPI_PACKED;

struct acpi_madt { /* 5.2.12 */
	struct acpi_header h;
	uint32_t lapic;
	uint32_t flags; /* bit 0: has 8259s */
} ACPI_PACKED;

#define ACPI_MADT_LAPIC	  0u
#define ACPI_MADT_IOAPIC  1u
#define ACPI_MADT_ENABLED 1u

struct acpi_madt_lapic { /* 5.2.12.2 */
	uint8_t type, length, processor_uid, apic_id;
	uint32_t flags;
} ACPI_PACKED;

struct acpi_madt_ioapic { /* 5.2.12.3 */
	uint8_t type, length, id, reserved;
	uint32_t address, gsi_base;
} ACPI_PACKED;

_Static_assert(sizeof(struct acpi_rsdp) == 36, "RSDP");
_Static_assert(sizeof(struct acpi_header) == 36, "table header");
_Static_assert(sizeof(struct acpi_gas) == 12, "generic address");
_Static_assert(offsetof(struct acpi_fadt, boot_arch) == 109, "FADT");
_Static_assert(offsetof(struct acpi_fadt, flags) == 112, "FADT");
_Static_assert(offsetof(struct acpi_fadt, x_dsdt) == 140, "FADT");
_Static_assert(offsetof(struct acpi_fadt, sleep_control) == 244, "FADT");
_Static_assert(sizeof(struct acpi_fadt) == 276, "FADT");
_Static_assert(sizeof(struct acpi_madt) == 44, "MADT");
_Static_assert(sizeof(struct acpi_madt_lapic) == 8, "MADT");
_Static_assert(sizeof(struct acpi_madt_ioapic) == 12, "MADT");
