/* SPDX-License-Identifier: BSD-3-Clause */
/* Where things lie in an unmodified kernel's memory. */
#include "hv/linux/layout.h"

#include <errno.h>

#include "base/err.h"

#define MIB	   (1ull << 20)
#define PAGE_MASK  0xfffull
#define KERNEL_MIN MIB

typedef unsigned long long ull;

uint64_t hv_linux_low_end(uint64_t mem_bytes)
{
	return mem_bytes < HV_PC_LOW_RAM_MAX ? mem_bytes : HV_PC_LOW_RAM_MAX;
}

uint64_t hv_linux_ram_end(uint64_t mem_bytes)
{
	return mem_bytes <= HV_PC_LOW_RAM_MAX ? mem_bytes
					      : mem_bytes - HV_PC_LOW_RAM_MAX + HV_PC_HIGH_RAM;
}

uint64_t hv_linux_mmio_high(uint64_t mem_bytes)
{
	uint64_t from = hv_linux_ram_end(mem_bytes);

	if (from < HV_PC_HIGH_RAM)
		from = HV_PC_HIGH_RAM;
	return (from + HV_PC_MMIO_HIGH_SIZE - 1) & ~(HV_PC_MMIO_HIGH_SIZE - 1);
}

static unsigned int range_add(struct hv_linux_range *out, unsigned int n, uint64_t from,
			      uint64_t to, enum hv_range_type type)
{
	if (from >= to)
		return n;
	out[n] = (struct hv_linux_range){.base = from, .len = to - from, .type = type};
	return n + 1;
}

unsigned int hv_linux_ranges(uint64_t mem_bytes, struct hv_linux_range *out)
{
	unsigned int n = 0;

	n = range_add(out, n, 0, HV_PC_SCRATCH, HV_RANGE_RAM);
	n = range_add(out, n, HV_PC_SCRATCH, HV_PC_ACPI, HV_RANGE_RESERVED);
	n = range_add(out, n, HV_PC_ACPI, HV_PC_ACPI_END, HV_RANGE_ACPI);
	n = range_add(out, n, HV_PC_ACPI_END, HV_PC_LOW_1M, HV_RANGE_RESERVED);
	n = range_add(out, n, HV_PC_LOW_1M, hv_linux_low_end(mem_bytes), HV_RANGE_RAM);
	return range_add(out, n, HV_PC_HIGH_RAM, hv_linux_ram_end(mem_bytes), HV_RANGE_RAM);
}

int hv_linux_place_kernel(struct hv_linux_plan *plan, uint64_t at, uint64_t len)
{
	uint64_t end = hv_linux_low_end(plan->mem_bytes);

	if (at < KERNEL_MIN || at > end || len > end - at)
		return err_set(-ENOMEM,
			       "kernel: wants %llu MiB of memory at %#llx, RAM there is from 1 MiB "
			       "to %llu MiB: give the partition more",
			       (ull)((len + MIB - 1) / MIB), (ull)at, (ull)(end / MIB));
	plan->kernel = at;
	plan->kernel_end = at + len;
	return 0;
}

int hv_linux_place_initrd(struct hv_linux_plan *plan, uint64_t len, uint64_t max)
{
	uint64_t end = hv_linux_low_end(plan->mem_bytes);

	if (!len)
		return 0;
	if (max < end)
		end = max + 1;
	if (len > end || ((end - len) & ~PAGE_MASK) < plan->kernel_end)
		return err_set(
			-ENOMEM,
			"initrd: %llu MiB do not fit between the kernel's end at %llu MiB and "
			"%llu MiB: give the partition more memory",
			(ull)((len + MIB - 1) / MIB), (ull)((plan->kernel_end + MIB - 1) / MIB),
			(ull)(end / MIB));
	plan->initrd = (end - len) & ~PAGE_MASK;
	plan->initrd_len = len;
	return 0;
}
