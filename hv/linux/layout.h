/* SPDX-License-Identifier: BSD-3-Clause */
/* Where things lie in an unmodified kernel's memory. Pure functions over sizes. */
#pragma once

#include <stdint.h>

#include "hv/linux/machine.h"

#define HV_LINUX_RANGES_MAX 8u

/* As e820 and PVH number them. */
enum hv_range_type { HV_RANGE_RAM = 1, HV_RANGE_RESERVED = 2, HV_RANGE_ACPI = 3 };

struct hv_linux_range {
	uint64_t base;
	uint64_t len;
	uint32_t type; /* enum hv_range_type */
};

/* Everything that a way of booting needs to know, all GPAs. */
struct hv_linux_plan {
	uint64_t mem_bytes;
	uint64_t kernel,
		kernel_end; /* with the room that it wants before it reads the memory map */
	uint64_t initrd, initrd_len; /* 0, 0: none */
	uint64_t rsdp;
};

/* any.  End of the RAM below 4 GiB, and of all RAM, for @mem_bytes of memory. */
uint64_t hv_linux_low_end(uint64_t mem_bytes);
uint64_t hv_linux_ram_end(uint64_t mem_bytes);
/* any.  Begin of the MMIO window above RAM; HV_PC_MMIO_HIGH_SIZE bytes. */
uint64_t hv_linux_mmio_high(uint64_t mem_bytes);

/* any.  The memory map, ascending. Count, at most HV_LINUX_RANGES_MAX. */
unsigned int hv_linux_ranges(uint64_t mem_bytes, struct hv_linux_range *out);

/* any.  Kernel: fits into low RAM above 1 MiB. 0 or -ENOMEM (text set). */
int hv_linux_place_kernel(struct hv_linux_plan *plan, uint64_t at, uint64_t len);
/* any.  Initrd of @len bytes (0: none): as high as low RAM and the kernel's @max (highest address
 * of its last byte) allow, above the kernel. 0 or -ENOMEM (text set). */
int hv_linux_place_initrd(struct hv_linux_plan *plan, uint64_t len, uint64_t max);
