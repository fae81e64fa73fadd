/* SPDX-License-Identifier: BSD-3-Clause */
/* The machine that an unmodified Linux finds: memory map, interrupt lines and ports. The loader tells
 * the kernel (e820, ACPI), the engine and the devices behave so. hv/linux/dsdt.asl repeats the few
 * numbers that it needs; a test compares them. */
#pragma once

/* RAM lies at 0..3 GiB and, what is more than that, from 4 GiB up. */
#define HV_PC_LOW_RAM_MAX 0xc0000000ull
#define HV_PC_HIGH_RAM	  0x100000000ull

/* Below 1 MiB, all of it RAM: what e820 calls usable ends at HV_PC_SCRATCH. */
#define HV_PC_BOOT_PARAMS 0x10000ull /* struct boot_params, or PVH's start info */
#define HV_PC_CMDLINE	  0x20000ull /* at most HV_LINUX_CMDLINE_MAX bytes and a NUL */
#define HV_PC_SCRATCH	  0x97000ull /* HV_LINUX_START_BYTES: VP 0's first page tables and GDT */
#define HV_PC_LOW_END	  0xa0000ull
#define HV_PC_ACPI	  0xe0000ull /* RSDP, then the other tables */
#define HV_PC_ACPI_END	  0xf0000ull
#define HV_PC_RESET	  0xffff0ull /* F000:FFF0, where a PC's firmware begins; see below */
#define HV_PC_LOW_1M	  0x100000ull

/* MMIO windows that the VMBus device owns (vPCI takes from them). The high one has this size, and
 * begins above RAM at a multiple of it. */
#define HV_PC_MMIO_LOW	     0xf8000000ull
#define HV_PC_MMIO_LOW_END   0xfec00000ull
#define HV_PC_MMIO_HIGH_SIZE 0x1000000000ull /* 64 GiB */

#define HV_PC_IOAPIC	  0xfec00000ull
#define HV_PC_IOAPIC_ID	  0u /* as its ID register says */
#define HV_PC_IOAPIC_GSIS 24u
#define HV_PC_LAPIC	  0xfee00000ull

#define HV_PC_COM1     0x3f8u /* 8 ports, a 16550 */
#define HV_PC_COM1_GSI 4u     /* edge, active high */

/* ACPI on reduced hardware: three ports of one byte each.
 * Reset: a write of HV_RESET_VALUE; reads 0.
 * Linux on reduced hardware asks EFI for its reset, and without one jumps to HV_PC_RESET in real mode;
 * the loader puts code there that writes the reset port.
 * Sleep control: a write with HV_SLEEP_ENABLE set and type HV_SLEEP_TYPE_S5 is power off; reads 0.
 * Sleep status: reads 0 (bit 7, woken up, is never set as nothing sleeps); writes do nothing. */
#define HV_PORT_RESET	      0x604u
#define HV_PORT_SLEEP_CONTROL 0x605u
#define HV_PORT_SLEEP_STATUS  0x606u
#define HV_RESET_VALUE	      0x01u
#define HV_SLEEP_ENABLE	      0x20u
#define HV_SLEEP_TYPE(v)      (((v) >> 2) & 7u)
#define HV_SLEEP_TYPE_S5      5u
