/* SPDX-License-Identifier: BSD-3-Clause */
/* ELF program headers of a guest image. */
#include "hv/image.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"

#define BAD(...) err_set(-ENOEXEC, __VA_ARGS__)

static int header_check(const Elf64_Ehdr *eh, size_t len)
{
	if (memcmp(eh->e_ident, ELFMAG, SELFMAG))
		return BAD("image: no ELF file");
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB)
		return BAD("image: ELF class %u, data %u: want 64-bit little-endian",
			   eh->e_ident[EI_CLASS], eh->e_ident[EI_DATA]);
	if (eh->e_ident[EI_VERSION] != EV_CURRENT || eh->e_version != EV_CURRENT)
		return BAD("image: ELF version %u, want %u", eh->e_version, EV_CURRENT);
	if (eh->e_machine != EM_X86_64)
		return BAD("image: ELF machine %u, want %u (x86-64)", eh->e_machine, EM_X86_64);
	if (eh->e_type != ET_EXEC)
		return BAD("image: ELF type %u, want %u (linked without -pie)", eh->e_type,
			   ET_EXEC);
	if (eh->e_phentsize != sizeof(Elf64_Phdr))
		return BAD("image: program header of %u bytes, want %zu", eh->e_phentsize,
			   sizeof(Elf64_Phdr));
	if (eh->e_phnum == 0 || eh->e_phoff > len ||
	    eh->e_phnum > (len - eh->e_phoff) / sizeof(Elf64_Phdr))
		return BAD("image: %u program headers at %#llx do not lie in its %zu bytes",
			   eh->e_phnum, (unsigned long long)eh->e_phoff, len);
	return 0;
}

static int segment_check(const Elf64_Phdr *ph, unsigned int i, size_t len, uint64_t min,
			 uint64_t max)
{
	if (ph->p_offset > len || ph->p_filesz > len - ph->p_offset)
		return BAD("image: segment %u: %llu bytes at offset %#llx, the file has %zu", i,
			   (unsigned long long)ph->p_filesz, (unsigned long long)ph->p_offset, len);
	if (ph->p_filesz > ph->p_memsz)
		return BAD("image: segment %u: %llu bytes in the file, %llu in memory", i,
			   (unsigned long long)ph->p_filesz, (unsigned long long)ph->p_memsz);
	if (ph->p_vaddr != ph->p_paddr)
		return BAD("image: segment %u: address %#llx, load address %#llx: want the same", i,
			   (unsigned long long)ph->p_vaddr, (unsigned long long)ph->p_paddr);
	if (ph->p_vaddr < min || ph->p_vaddr >= max || ph->p_memsz > max - ph->p_vaddr)
		return BAD("image: segment %u: %llu bytes at %#llx, want them within %#llx-%#llx "
			   "(more memory, or another link address)",
			   i, (unsigned long long)ph->p_memsz, (unsigned long long)ph->p_vaddr,
			   (unsigned long long)min, (unsigned long long)max);
	return 0;
}

static bool overlaps(const struct hv_elf *e, const Elf64_Phdr *ph)
{
	unsigned int i;

	for (i = 0; i < e->nr_segments; i++) {
		const struct hv_elf_segment *s = &e->segment[i];

		if (ph->p_vaddr < s->gpa + s->mem_len && s->gpa < ph->p_vaddr + ph->p_memsz)
			return true;
	}
	return false;
}

static int segment_add(struct hv_elf *e, const Elf64_Phdr *ph, unsigned int i)
{
	if (e->nr_segments == HV_ELF_SEGMENTS_MAX)
		return BAD("image: more than %u segments to load", HV_ELF_SEGMENTS_MAX);
	if (overlaps(e, ph))
		return BAD("image: segment %u overlaps another one", i);
	e->segment[e->nr_segments++] = (struct hv_elf_segment){
		.gpa = ph->p_vaddr,
		.file_off = ph->p_offset,
		.file_len = ph->p_filesz,
		.mem_len = ph->p_memsz,
	};
	if (ph->p_vaddr < e->low)
		e->low = ph->p_vaddr;
	if (ph->p_vaddr + ph->p_memsz > e->high)
		e->high = ph->p_vaddr + ph->p_memsz;
	return 0;
}

static bool has_entry(const struct hv_elf *e)
{
	unsigned int i;

	for (i = 0; i < e->nr_segments; i++) {
		const struct hv_elf_segment *s = &e->segment[i];

		if (e->entry >= s->gpa && e->entry - s->gpa < s->file_len)
			return true;
	}
	return false;
}

static int program_header(struct hv_elf *e, const Elf64_Phdr *ph, unsigned int i, size_t len,
			  uint64_t min, uint64_t max)
{
	int rc;

	if (ph->p_type == PT_INTERP || ph->p_type == PT_DYNAMIC)
		return BAD("image: segment %u is for a dynamic linker: link with -static", i);
	if (ph->p_type != PT_LOAD || ph->p_memsz == 0)
		return 0;
	rc = segment_check(ph, i, len, min, max);
	if (rc)
		return rc;
	return segment_add(e, ph, i);
}

int hv_elf_parse(const uint8_t *buf, size_t len, uint64_t min, uint64_t max, struct hv_elf *out)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	unsigned int i;
	int rc;

	memset(out, 0, sizeof(*out));
	out->low = UINT64_MAX;
	if (len < sizeof(eh))
		return BAD("image: %zu bytes, too short for an ELF header", len);
	memcpy(&eh, buf, sizeof(eh));
	rc = header_check(&eh, len);
	if (rc)
		return rc;
	for (i = 0; i < eh.e_phnum; i++) {
		memcpy(&ph, buf + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		rc = program_header(out, &ph, i, len, min, max);
		if (rc)
			return rc;
	}
	out->entry = eh.e_entry;
	if (!has_entry(out))
		return BAD("image: entry point %#llx lies in no segment",
			   (unsigned long long)out->entry);
	return 0;
}
