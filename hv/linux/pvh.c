/* SPDX-License-Identifier: BSD-3-Clause */
/* A kernel as an ELF file with a PVH note. */
#include "hv/linux/pvh.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

#define BAD(...) err_set(-ENOEXEC, __VA_ARGS__)
#define WHAT	 "kernel"

#define NOTE_NAME  "Xen"
#define NOTE_ENTRY 18u /* XEN_ELFNOTE_PHYS32_ENTRY */
#define LOAD_MIN   0x100000ull
#define LOAD_MAX   0x100000000ull /* the entry is 32-bit */

static int header_add(struct hv_pvh *k, const Elf64_Phdr *ph, unsigned int i, uint64_t file_len)
{
	int rc;

	if (ph->p_type == PT_LOAD && ph->p_memsz)
		return hv_elf_map_add(&k->map, WHAT, i, ph, file_len, LOAD_MIN, LOAD_MAX);
	if (ph->p_type != PT_NOTE)
		return 0;
	rc = hv_elf_check_file(WHAT, i, ph, file_len);
	if (!rc && k->nr_notes < HV_PVH_NOTES_MAX)
		k->notes[k->nr_notes++] = (struct hv_pvh_notes){ph->p_offset, ph->p_filesz};
	return rc;
}

int hv_pvh_parse(const uint8_t *head, size_t len, uint64_t file_len, struct hv_pvh *out)
{
	unsigned int i;
	Elf64_Ehdr eh;
	int rc;

	memset(out, 0, sizeof(*out));
	rc = hv_elf_header(WHAT, head, len, &eh);
	if (rc)
		return rc;
	if (eh.e_type != ET_EXEC && eh.e_type != ET_DYN)
		return BAD(WHAT ": ELF type %u, want %u (a vmlinux)", eh.e_type, ET_EXEC);
	for (i = 0; !rc && i < eh.e_phnum; i++) {
		Elf64_Phdr ph = hv_elf_phdr(head, &eh, i);

		rc = header_add(out, &ph, i, file_len);
	}
	if (rc)
		return rc;
	if (!out->map.nr_segments)
		return BAD(WHAT ": nothing to load in it");
	return 0;
}

static size_t align4(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

static int entry_read(const uint8_t *desc, size_t len, uint64_t *entry)
{
	if (len != 4 && len != 8)
		return BAD(WHAT ": PVH entry of %zu bytes, want 4 or 8", len);
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
			return BAD(WHAT ": note at byte %zu: a name of %u bytes, %zu are left", at,
				   nh.n_namesz, len - name);
		desc = name + align4(nh.n_namesz);
		if (nh.n_descsz > len - desc)
			return BAD(WHAT ": note at byte %zu: %u bytes, %zu are left", at,
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
	if (hv_elf_map_has(&k->map, entry))
		return 0;
	return BAD(WHAT ": PVH entry %#llx lies in no segment", (unsigned long long)entry);
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
