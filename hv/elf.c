/* SPDX-License-Identifier: BSD-3-Clause */
/* ELF headers and segments. */
#include "hv/elf.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

#define BAD(...) err_set(-ENOEXEC, __VA_ARGS__)

typedef unsigned long long ull;

int hv_elf_header(const char *what, const uint8_t *buf, size_t len, Elf64_Ehdr *eh)
{
	if (len < sizeof(*eh) || memcmp(buf, ELFMAG, SELFMAG))
		return BAD("%s: no ELF file", what);
	memcpy(eh, buf, sizeof(*eh));
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB)
		return BAD("%s: ELF class %u, data %u: want 64-bit little-endian", what,
			   eh->e_ident[EI_CLASS], eh->e_ident[EI_DATA]);
	if (eh->e_ident[EI_VERSION] != EV_CURRENT || eh->e_version != EV_CURRENT)
		return BAD("%s: ELF version %u, want %u", what, eh->e_version, EV_CURRENT);
	if (eh->e_machine != EM_X86_64)
		return BAD("%s: ELF machine %u, want %u (x86-64)", what, eh->e_machine, EM_X86_64);
	if (eh->e_phentsize != sizeof(Elf64_Phdr))
		return BAD("%s: program header of %u bytes, want %zu", what, eh->e_phentsize,
			   sizeof(Elf64_Phdr));
	if (eh->e_phnum == 0 || eh->e_phoff > len ||
	    eh->e_phnum > (len - eh->e_phoff) / sizeof(Elf64_Phdr))
		return BAD("%s: %u program headers at %#llx do not lie in its first %zu bytes",
			   what, eh->e_phnum, (ull)eh->e_phoff, len);
	return 0;
}

Elf64_Phdr hv_elf_phdr(const uint8_t *buf, const Elf64_Ehdr *eh, unsigned int i)
{
	Elf64_Phdr ph;

	memcpy(&ph, buf + eh->e_phoff + i * sizeof(ph), sizeof(ph));
	return ph;
}

int hv_elf_check_file(const char *what, unsigned int i, const Elf64_Phdr *ph, uint64_t file_len)
{
	if (ph->p_offset > file_len || ph->p_filesz > file_len - ph->p_offset)
		return BAD("%s: truncated: segment %u has %llu bytes at offset %#llx, the file "
			   "has %llu",
			   what, i, (ull)ph->p_filesz, (ull)ph->p_offset, (ull)file_len);
	return 0;
}

static bool overlaps(const struct hv_elf_map *map, const Elf64_Phdr *ph)
{
	unsigned int i;

	for (i = 0; i < map->nr_segments; i++) {
		const struct hv_elf_segment *s = &map->segment[i];

		if (ph->p_paddr < s->gpa + s->mem_len && s->gpa < ph->p_paddr + ph->p_memsz)
			return true;
	}
	return false;
}

static int segment_check(const struct hv_elf_map *map, const char *what, unsigned int i,
			 const Elf64_Phdr *ph, uint64_t min, uint64_t max)
{
	if (ph->p_filesz > ph->p_memsz)
		return BAD("%s: segment %u: %llu bytes in the file, %llu in memory", what, i,
			   (ull)ph->p_filesz, (ull)ph->p_memsz);
	if (ph->p_paddr < min || ph->p_paddr >= max || ph->p_memsz > max - ph->p_paddr)
		return BAD("%s: segment %u: %llu bytes at %#llx, want them within %#llx-%#llx "
			   "(more memory, or another link address)",
			   what, i, (ull)ph->p_memsz, (ull)ph->p_paddr, (ull)min, (ull)max);
	if (map->nr_segments == HV_ELF_SEGMENTS_MAX)
		return BAD("%s: more than %u segments to load", what, HV_ELF_SEGMENTS_MAX);
	if (overlaps(map, ph))
		return BAD("%s: segment %u overlaps another one", what, i);
	return 0;
}

int hv_elf_map_add(struct hv_elf_map *map, const char *what, unsigned int i, const Elf64_Phdr *ph,
		   uint64_t file_len, uint64_t min, uint64_t max)
{
	int rc = hv_elf_check_file(what, i, ph, file_len);

	if (!rc)
		rc = segment_check(map, what, i, ph, min, max);
	if (rc)
		return rc;
	if (!map->nr_segments || ph->p_paddr < map->low)
		map->low = ph->p_paddr;
	if (ph->p_paddr + ph->p_memsz > map->high)
		map->high = ph->p_paddr + ph->p_memsz;
	map->segment[map->nr_segments++] = (struct hv_elf_segment){
		.gpa = ph->p_paddr,
		.file_off = ph->p_offset,
		.file_len = ph->p_filesz,
		.mem_len = ph->p_memsz,
	};
	return 0;
}

bool hv_elf_map_has(const struct hv_elf_map *map, uint64_t gpa)
{
	unsigned int i;

	for (i = 0; i < map->nr_segments; i++) {
		const struct hv_elf_segment *s = &map->segment[i];

		if (gpa >= s->gpa && gpa - s->gpa < s->file_len)
			return true;
	}
	return false;
}
