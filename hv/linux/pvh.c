/* SPDX-License-Identifier: BSD-3-Clause */
/* A kernel as an ELF file with a PVH note. */
#include "hv/linux/pvh.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"

#define BAD(...) err_set(-ENOEXEC, __VA_ARGS__)

#define NOTE_NAME  "Xen"
#define NOTE_ENTRY 18u /* XEN_ELFNOTE_PHYS32_ENTRY */
#define LOAD_MIN   0x100000ull
#define LOAD_MAX   0x100000000ull /* the entry is 32-bit */

typedef unsigned long long ull;

static int header_check(const Elf64_Ehdr *eh, size_t len)
{
	if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB)
		return BAD("kernel: ELF class %u, data %u: want 64-bit little-endian",
			   eh->e_ident[EI_CLASS], eh->e_ident[EI_DATA]);
	if (eh->e_machine != EM_X86_64)
		return BAD("kernel: ELF machine %u, want %u (x86-64)", eh->e_machine, EM_X86_64);
	if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
		return BAD("kernel: ELF type %u, want %u (a vmlinux)", eh->e_type, ET_EXEC);
	if (eh->e_phentsize != sizeof(Elf64_Phdr))
		return BAD("kernel: program header of %u bytes, want %zu", eh->e_phentsize,
			   sizeof(Elf64_Phdr));
	if (eh->e_phnum == 0 || eh->e_phoff > len ||
	    eh->e_phnum > (len - eh->e_phoff) / sizeof(Elf64_Phdr))
		return BAD("kernel: %u program headers at %#llx do not lie in its first %zu bytes",
			   eh->e_phnum, (ull)eh->e_phoff, len);
	return 0;
}

static bool overlaps(const struct hv_pvh *k, const Elf64_Phdr *ph)
{
	unsigned int i;

	for (i = 0; i < k->nr_segments; i++) {
		const struct hv_pvh_segment *s = &k->segment[i];

		if (ph->p_paddr < s->gpa + s->mem_len && s->gpa < ph->p_paddr + ph->p_memsz)
			return true;
	}
	return false;
}

static int segment_add(struct hv_pvh *k, const Elf64_Phdr *ph, unsigned int i)
{
	if (ph->p_filesz > ph->p_memsz)
		return BAD("kernel: segment %u: %llu bytes in the file, %llu in memory", i,
			   (ull)ph->p_filesz, (ull)ph->p_memsz);
	if (ph->p_paddr < LOAD_MIN || ph->p_paddr >= LOAD_MAX ||
	    ph->p_memsz > LOAD_MAX - ph->p_paddr)
		return BAD("kernel: segment %u: %llu bytes at %#llx, want them within 1 MiB to "
			   "4 GiB",
			   i, (ull)ph->p_memsz, (ull)ph->p_paddr);
	if (k->nr_segments == HV_PVH_SEGMENTS_MAX)
		return BAD("kernel: more than %u segments to load", HV_PVH_SEGMENTS_MAX);
	if (overlaps(k, ph))
		return BAD("kernel: segment %u overlaps another one", i);
	k->segment[k->nr_segments++] = (struct hv_pvh_segment){
		.gpa = ph->p_paddr,
		.file_off = ph->p_offset,
		.file_len = ph->p_filesz,
		.mem_len = ph->p_memsz,
	};
	if (ph->p_paddr < k->low)
		k->low = ph->p_paddr;
	if (ph->p_paddr + ph->p_memsz > k->high)
		k->high = ph->p_paddr + ph->p_memsz;
	return 0;
}

static int header_add(struct hv_pvh *k, const Elf64_Phdr *ph, unsigned int i, uint64_t file_len)
{
	if (ph->p_type != PT_LOAD && ph->p_type != PT_NOTE)
		return 0;
	if (ph->p_offset > file_len || ph->p_filesz > file_len - ph->p_offset)
		return BAD("kernel: truncated: segment %u has %llu bytes at offset %#llx, the file "
			   "has %llu",
			   i, (ull)ph->p_filesz, (ull)ph->p_offset, (ull)file_len);
	if (ph->p_type == PT_LOAD)
		return ph->p_memsz ? segment_add(k, ph, i) : 0;
	if (k->nr_notes < HV_PVH_NOTES_MAX)
		k->notes[k->nr_notes++] = (struct hv_pvh_notes){ph->p_offset, ph->p_filesz};
	return 0;
}

int hv_pvh_parse(const uint8_t *head, size_t len, uint64_t file_len, struct hv_pvh *out)
{
	Elf64_Ehdr eh;
	Elf64_Phdr ph;
	unsigned int i;
	int rc;

	memset(out, 0, sizeof(*out));
	out->low = UINT64_MAX;
	if (len < sizeof(eh) || memcmp(head, ELFMAG, SELFMAG))
		return BAD("kernel: no ELF file");
	memcpy(&eh, head, sizeof(eh));
	rc = header_check(&eh, len);
	for (i = 0; !rc && i < eh.e_phnum; i++) {
		memcpy(&ph, head + eh.e_phoff + i * sizeof(ph), sizeof(ph));
		rc = header_add(out, &ph, i, file_len);
	}
	if (rc)
		return rc;
	if (!out->nr_segments)
		return BAD("kernel: nothing to load in it");
	return 0;
}

static size_t align4(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

static int entry_read(const uint8_t *desc, size_t len, uint64_t *entry)
{
	if (len != 4 && len != 8)
		return BAD("kernel: PVH entry of %zu bytes, want 4 or 8", len);
	*entry = 0;
	memcpy(entry, desc, len);
	return 0;
}

int hv_pvh_note(const uint8_t *buf, size_t len, uint64_t *entry)
{
	Elf64_Nhdr nh;
	size_t at = 0, name, desc;

	while (len - at >= sizeof(nh)) {
		memcpy(&nh, buf + at, sizeof(nh));
		name = at + sizeof(nh);
		if (nh.n_namesz > len - name || align4(nh.n_namesz) > len - name)
			return BAD("kernel: note at byte %zu: a name of %u bytes, %zu are left", at,
				   nh.n_namesz, len - name);
		desc = name + align4(nh.n_namesz);
		if (nh.n_descsz > len - desc)
			return BAD("kernel: note at byte %zu: %u bytes, %zu are left", at,
				   nh.n_descsz, len - desc);
		if (nh.n_type == NOTE_ENTRY && nh.n_namesz == sizeof(NOTE_NAME) &&
		    !memcmp(buf + name, NOTE_NAME, sizeof(NOTE_NAME)))
			return entry_read(buf + desc, nh.n_descsz, entry);
		if (align4(nh.n_descsz) > len - desc)
			break;
		at = desc + align4(nh.n_descsz);
	}
	return -ENOENT;
}

int hv_pvh_check_entry(const struct hv_pvh *k, uint64_t entry)
{
	unsigned int i;

	for (i = 0; i < k->nr_segments; i++) {
		const struct hv_pvh_segment *s = &k->segment[i];

		if (entry >= s->gpa && entry - s->gpa < s->file_len)
			return 0;
	}
	return BAD("kernel: PVH entry %#llx lies in no segment", (ull)entry);
}

void hv_pvh_start_info(const struct hv_linux_plan *plan, uint64_t at, struct hv_pvh_start *si)
{
	struct hv_linux_range r[HV_LINUX_RANGES_MAX];
	unsigned int i, n = hv_linux_ranges(plan->mem_bytes, r);

	*si = (struct hv_pvh_start){
		.magic = HV_PVH_START_MAGIC,
		.version = HV_PVH_START_VERSION,
		.cmdline = HV_PC_CMDLINE,
		.rsdp = plan->rsdp,
		.ranges = at + offsetof(struct hv_pvh_start, range),
		.nr_ranges = n,
	};
	for (i = 0; i < n; i++)
		si->range[i] = (struct hv_pvh_range){r[i].base, r[i].len, r[i].type, 0};
	if (plan->initrd_len) {
		si->nr_modules = 1;
		si->modules = at + offsetof(struct hv_pvh_start, module);
		si->module[0] =
			(struct hv_pvh_module){.gpa = plan->initrd, .len = plan->initrd_len};
	}
}
