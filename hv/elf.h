/* SPDX-License-Identifier: BSD-3-Clause */
/* ELF, 64-bit, x86-64: what guest images and kernels have in common. Pure functions over private
 * bytes; @what is the first word of every error ("image", "kernel"). */
#pragma once

#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HV_ELF_SEGMENTS_MAX 16u

struct hv_elf_segment {
	uint64_t gpa;
	uint64_t file_off;
	uint64_t file_len;
	uint64_t mem_len; /* >= file_len; the rest is zero */
};

/* What is to be loaded; zeroed, it holds nothing. */
struct hv_elf_map {
	uint64_t low, high; /* of all segments: [low, high) */
	unsigned int nr_segments;
	struct hv_elf_segment segment[HV_ELF_SEGMENTS_MAX];
};

/* any.  The header, and that the program headers lie in the @len bytes at @buf; e_type is the caller's to
 * judge. 0 or -ENOEXEC (text set: which field, found and wanted). */
int hv_elf_header(const char *what, const uint8_t *buf, size_t len, Elf64_Ehdr *eh);

/* any.  Program header @i of a file that hv_elf_header() found good. */
Elf64_Phdr hv_elf_phdr(const uint8_t *buf, const Elf64_Ehdr *eh, unsigned int i);

/* any.  Adds segment @ph, number @i of the file, to be loaded at its physical address: it must lie in
 * the file of @file_len bytes, in [@min, @max), and apart from the others. 0 or -ENOEXEC (text set). */
int hv_elf_map_add(struct hv_elf_map *map, const char *what, unsigned int i, const Elf64_Phdr *ph,
		   uint64_t file_len, uint64_t min, uint64_t max);

/* any.  0 or -ENOEXEC (text set). */
int hv_elf_check_file(const char *what, unsigned int i, const Elf64_Phdr *ph, uint64_t file_len);

/* any.  Whether bytes of the file, not zeroes, come to lie at @gpa. */
bool hv_elf_map_has(const struct hv_elf_map *map, uint64_t gpa);
