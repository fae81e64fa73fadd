/* SPDX-License-Identifier: BSD-3-Clause */
/* A kernel as an ELF file with a PVH note (vmlinux), and the start info that its entry wants. Pure
 * functions over private bytes (the ABI is Xen's x86/HVM direct boot). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "hv/elf.h"
#include "hv/linux/layout.h"

#define HV_PVH_HEAD	  4096u /* that many bytes of the file hold ELF and program headers */
#define HV_PVH_NOTES_MAX  4u
#define HV_PVH_NOTE_BYTES 65536u /* more of a note segment is not looked at */

struct hv_pvh_notes {
	uint64_t file_off;
	uint64_t len;
};

struct hv_pvh {
	struct hv_elf_map map;
	unsigned int nr_notes;
	struct hv_pvh_notes notes[HV_PVH_NOTES_MAX];
};

#define HV_PVH_START_MAGIC   0x336ec578u
#define HV_PVH_START_VERSION 1u

struct hv_pvh_module {
	uint64_t gpa, len, cmdline, reserved;
};

struct hv_pvh_range {
	uint64_t base, len;
	uint32_t type, reserved;
};

struct hv_pvh_start {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modules, cmdline, rsdp, ranges;
	uint32_t nr_ranges, reserved;
	/* Found by the addresses above; here, since they must lie somewhere. */
	struct hv_pvh_module module[1];
	struct hv_pvh_range range[HV_LINUX_RANGES_MAX];
};

_Static_assert(offsetof(struct hv_pvh_start, module) == 56, "hvm_start_info of version 1");
_Static_assert(sizeof(struct hv_pvh_module) == 32, "hvm_modlist_entry");
_Static_assert(sizeof(struct hv_pvh_range) == 24, "hvm_memmap_table_entry");

/* any.  @head: the file's first @len bytes (HV_PVH_HEAD, or all of a shorter file); @file_len: the
 * whole file's length. Segments lie in the file, above 1 MiB and apart from each other.
 * 0 or -ENOEXEC (text set: which field, found and wanted). */
int hv_pvh_parse(const uint8_t *head, size_t len, uint64_t file_len, struct hv_pvh *out);

/* any.  Looks for the entry in the bytes of a note segment. 0, -ENOENT (no such note here) or -ENOEXEC
 * (text set). */
int hv_pvh_note(const uint8_t *buf, size_t len, uint64_t *entry);

/* any.  0, or -ENOEXEC when @entry lies in no segment's bytes (text set). */
int hv_pvh_check_entry(const struct hv_pvh *k, uint64_t entry);

/* any.  Fills @si, which will lie at GPA @at, with the command line at HV_PC_CMDLINE. */
void hv_pvh_start_info(const struct hv_linux_plan *plan, uint64_t at, struct hv_pvh_start *si);
