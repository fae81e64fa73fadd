/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands in a kernel's header, where it and its initrd go, and what it is told: pure functions. */
#include <criterion/criterion.h>

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "hv/linux/bzimage.h"
#include "hv/linux/pvh.h"

#define MIB		  (1ull << 20)
#define GIB		  (1ull << 30)
#define BZ_FILE_LEN	  (4 * 512 + 0x1000)
#define HEADER_LENGTH_AT  0x201
#define HEADER_LENGTH_NOW 0x6a /* protocol 2.15: ends at 0x26c */

struct bz {
	uint8_t head[HV_BZIMAGE_HEAD];
	size_t len;
	uint64_t file_len;
};

static struct setup_header *hdr(struct bz *b)
{
	return (struct setup_header *)(b->head + 0x1f1);
}

static struct bz good_bz(void)
{
	struct bz b = {.len = sizeof(b.head), .file_len = BZ_FILE_LEN};

	*hdr(&b) = (struct setup_header){
		.setup_sects = 3,
		.syssize = 0x1000 / 16,
		.boot_flag = 0xaa55,
		.header = 0x53726448,
		.version = 0x020f,
		.type_of_loader = 7,
		.loadflags = LOADED_HIGH | CAN_USE_HEAP,
		.heap_end_ptr = 0x5555,
		.initrd_addr_max = 0x7fffffff,
		.kernel_alignment = 0x200000,
		.xloadflags = XLF_KERNEL_64 | XLF_CAN_BE_LOADED_ABOVE_4G,
		.cmdline_size = 2047,
		.setup_data = 0x1234,
		.pref_address = 16 * MIB,
		.init_size = 32 * MIB,
		.handover_offset = 0x190,
		.kernel_info_offset = 0x77,
	};
	b.head[HEADER_LENGTH_AT] = HEADER_LENGTH_NOW;
	return b;
}

static int bz_parse(const struct bz *b, struct hv_bzimage *out)
{
	return hv_bzimage_parse(b->head, b->len, b->file_len, out);
}

Test(hv_bzimage, good_header_gives_sizes)
{
	struct bz b = good_bz();
	struct hv_bzimage out;

	cr_assert_eq(bz_parse(&b, &out), 0, "%s", err_text());
	cr_expect_eq(out.file_off, 4 * 512);
	cr_expect_eq(out.file_len, 0x1000);
	cr_expect_eq(out.init_size, 32 * MIB);
	cr_expect_eq(out.hdr.pref_address, 16 * MIB);
	cr_expect_eq(out.hdr.kernel_info_offset, 0x77);
}

Test(hv_bzimage, no_sectors_means_four)
{
	struct bz b = good_bz();
	struct hv_bzimage out;

	hdr(&b)->setup_sects = 0;
	b.file_len += 512;
	cr_assert_eq(bz_parse(&b, &out), 0, "%s", err_text());
	cr_expect_eq(out.file_off, 5 * 512);
}

Test(hv_bzimage, what_an_older_header_does_not_have_is_zero)
{
	struct bz b = good_bz();
	struct hv_bzimage out;

	hdr(&b)->version = 0x020c;
	b.head[HEADER_LENGTH_AT] = 0x66; /* ends at 0x268 */
	cr_assert_eq(bz_parse(&b, &out), 0, "%s", err_text());
	cr_expect_eq(out.hdr.handover_offset, 0x190);
	cr_expect_eq(out.hdr.kernel_info_offset, 0);
}

Test(hv_bzimage, longer_header_of_the_future_is_fine)
{
	struct bz b = good_bz();
	struct hv_bzimage out;

	b.head[HEADER_LENGTH_AT] = 0xff;
	cr_assert_eq(bz_parse(&b, &out), 0, "%s", err_text());
	cr_expect_eq(out.hdr.kernel_info_offset, 0x77);
}

static void expect_bad_bz(const struct bz *b, const char *words)
{
	struct hv_bzimage out;

	cr_expect_eq(bz_parse(b, &out), -ENOEXEC, "%s", words);
	cr_expect(strstr(err_text(), words), "%s, want: %s", err_text(), words);
}

#define BAD_BZ(field, value, words)       \
	do {                              \
		struct bz b = good_bz();  \
		field = (value);          \
		expect_bad_bz(&b, words); \
	} while (0)

Test(hv_bzimage, each_wrong_field_is_named)
{
	BAD_BZ(hdr(&b)->boot_flag, 0, "neither a bzImage (boot flag 0");
	BAD_BZ(hdr(&b)->header, 0x12345678, "magic 0x12345678");
	BAD_BZ(hdr(&b)->version, 0x020b, "boot protocol 2.11, want 2.12");
	BAD_BZ(hdr(&b)->version, 0, "boot protocol 0.0");
	BAD_BZ(hdr(&b)->loadflags, CAN_USE_HEAP, "a zImage");
	BAD_BZ(hdr(&b)->xloadflags, XLF_CAN_BE_LOADED_ABOVE_4G, "32-bit kernel");
	BAD_BZ(hdr(&b)->syssize, 0, "0 bytes of code");
	BAD_BZ(hdr(&b)->syssize, 0x200 / 16, "512 bytes of code, the entry lies at byte 512");
	BAD_BZ(hdr(&b)->syssize, 0x1000 / 16 + 1, "truncated");
	BAD_BZ(hdr(&b)->syssize, UINT32_MAX, "truncated");
	BAD_BZ(hdr(&b)->setup_sects, 4, "truncated");
	BAD_BZ(hdr(&b)->init_size, 0xfff, "init_size of 4095 bytes is less");
	BAD_BZ(b.head[HEADER_LENGTH_AT], 0x65, "header ends at byte 615");
	BAD_BZ(b.head[HEADER_LENGTH_AT], 0, "header ends at byte 514");
	BAD_BZ(b.file_len, 0, "the file has 0");
	BAD_BZ(b.file_len, BZ_FILE_LEN - 1, "truncated");
	BAD_BZ(b.len, 0x267, "a file of 615 bytes");
	BAD_BZ(b.len, 0, "a file of 0 bytes");
	BAD_BZ(b.len, 0x26b, "header ends at byte 620");
}

static struct hv_linux_plan plan_of(uint64_t mem)
{
	return (struct hv_linux_plan){.mem_bytes = mem};
}

Test(hv_linux_layout, kernel_must_fit_into_low_memory)
{
	struct hv_linux_plan p = plan_of(48 * MIB);

	cr_assert_eq(hv_linux_place_kernel(&p, 16 * MIB, 32 * MIB), 0, "%s", err_text());
	cr_expect_eq(p.kernel, 16 * MIB);
	cr_expect_eq(p.kernel_end, 48 * MIB);
	cr_expect_eq(hv_linux_place_kernel(&p, 16 * MIB, 32 * MIB + 1), -ENOMEM);
	cr_expect(strstr(err_text(), "33 MiB of memory at 0x1000000"), "%s", err_text());
	cr_expect_eq(hv_linux_place_kernel(&p, 0, MIB), -ENOMEM);
	cr_expect_eq(hv_linux_place_kernel(&p, UINT64_MAX, MIB), -ENOMEM);
	p.mem_bytes = 8 * GIB;
	cr_expect_eq(hv_linux_place_kernel(&p, 3 * GIB - MIB, MIB), 0);
	cr_expect_eq(hv_linux_place_kernel(&p, 3 * GIB - MIB, MIB + 1), -ENOMEM);
	cr_expect_eq(hv_linux_place_kernel(&p, 4 * GIB, MIB), -ENOMEM);
}

static struct hv_linux_plan placed(uint64_t mem, uint64_t len, uint64_t max)
{
	struct hv_linux_plan p = plan_of(mem);

	p.kernel = 16 * MIB;
	p.kernel_end = 32 * MIB;
	cr_assert_eq(hv_linux_place_initrd(&p, len, max), 0, "%s", err_text());
	return p;
}

Test(hv_linux_layout, initrd_goes_as_high_as_it_may)
{
	cr_expect_eq(placed(64 * MIB, MIB, 0x7fffffff).initrd, 63 * MIB);
	cr_expect_eq(placed(64 * MIB, MIB + 1, 0x7fffffff).initrd, 63 * MIB - 4096);
	cr_expect_eq(placed(64 * MIB, 1, 0x7fffffff).initrd, 64 * MIB - 4096);
	cr_expect_eq(placed(4 * GIB, MIB, 0x7fffffff).initrd, 2 * GIB - MIB);
	cr_expect_eq(placed(4 * GIB, MIB, 0x7ffffffe).initrd, 2 * GIB - MIB - 4096);
	cr_expect_eq(placed(16 * GIB, MIB, UINT32_MAX).initrd, 3 * GIB - MIB);
	cr_expect_eq(placed(64 * MIB, 32 * MIB, 0x7fffffff).initrd, 32 * MIB);
	cr_expect_eq(placed(64 * MIB, MIB, 0x7fffffff).initrd_len, MIB);
	cr_expect_eq(placed(64 * MIB, 0, 0).initrd, 0, "none is none");
}

Test(hv_linux_layout, initrd_that_does_not_fit_is_refused)
{
	struct hv_linux_plan p = plan_of(64 * MIB);

	p.kernel_end = 32 * MIB;
	cr_expect_eq(hv_linux_place_initrd(&p, 32 * MIB + 1, 0x7fffffff), -ENOMEM);
	cr_expect(strstr(err_text(), "33 MiB do not fit"), "%s", err_text());
	cr_expect_eq(hv_linux_place_initrd(&p, 65 * MIB, 0x7fffffff), -ENOMEM);
	cr_expect_eq(hv_linux_place_initrd(&p, UINT64_MAX, 0x7fffffff), -ENOMEM);
	cr_expect_eq(hv_linux_place_initrd(&p, MIB, 32 * MIB), -ENOMEM, "kernel's own limit");
	cr_expect_eq(p.initrd_len, 0);
}

static const uint64_t sizes[] = {4 * MIB, 64 * MIB, 3 * GIB - 2 * MIB, 3 * GIB,	  3 * GIB + 2 * MIB,
				 4 * GIB, 63 * GIB, 64 * GIB,	       1024 * GIB};

Test(hv_linux_layout, memory_map_is_ordered_and_holds_all_memory)
{
	struct hv_linux_range r[HV_LINUX_RANGES_MAX];
	unsigned int i, s, n;

	for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		uint64_t end = 0, all = 0;

		n = hv_linux_ranges(sizes[s], r);
		cr_assert_leq(n, HV_LINUX_RANGES_MAX);
		for (i = 0; i < n; i++) {
			cr_expect_geq(r[i].base, end, "%u of %llu", i,
				      (unsigned long long)sizes[s]);
			cr_expect_gt(r[i].len, 0);
			cr_expect_eq(r[i].base % 4096 + r[i].len % 4096, 0);
			end = r[i].base + r[i].len;
			all += r[i].len;
		}
		cr_expect_eq(all, sizes[s], "nothing lost, nothing twice");
		cr_expect_eq(end, hv_linux_ram_end(sizes[s]));
	}
}

static uint32_t type_at(uint64_t mem, uint64_t at)
{
	struct hv_linux_range r[HV_LINUX_RANGES_MAX];
	unsigned int i, n = hv_linux_ranges(mem, r);

	for (i = 0; i < n; i++) {
		if (at >= r[i].base && at - r[i].base < r[i].len)
			return r[i].type;
	}
	return 0;
}

Test(hv_linux_layout, what_is_not_the_kernels_is_not_called_ram)
{
	uint64_t mem = 8 * GIB;

	cr_expect_eq(type_at(mem, HV_PC_BOOT_PARAMS), HV_RANGE_RAM);
	cr_expect_eq(type_at(mem, HV_PC_CMDLINE), HV_RANGE_RAM);
	cr_expect_eq(type_at(mem, HV_PC_SCRATCH - 1), HV_RANGE_RAM);
	cr_expect_eq(type_at(mem, HV_PC_SCRATCH), HV_RANGE_RESERVED);
	cr_expect_eq(type_at(mem, HV_PC_SCRATCH + 0x8000 - 1), HV_RANGE_RESERVED);
	cr_expect_eq(type_at(mem, 0x9fc00), HV_RANGE_RESERVED);
	cr_expect_eq(type_at(mem, 0xb8000), HV_RANGE_RESERVED);
	cr_expect_eq(type_at(mem, HV_PC_ACPI), HV_RANGE_ACPI);
	cr_expect_eq(type_at(mem, HV_PC_RESET), HV_RANGE_RESERVED);
	cr_expect_eq(type_at(mem, MIB), HV_RANGE_RAM);
	cr_expect_eq(type_at(mem, 3 * GIB - 1), HV_RANGE_RAM);
	cr_expect_eq(type_at(mem, 3 * GIB), 0);
	cr_expect_eq(type_at(mem, HV_PC_MMIO_LOW), 0);
	cr_expect_eq(type_at(mem, HV_PC_LAPIC), 0);
	cr_expect_eq(type_at(mem, 4 * GIB), HV_RANGE_RAM);
	cr_expect_eq(type_at(mem, 9 * GIB - 1), HV_RANGE_RAM);
	cr_expect_eq(type_at(mem, 9 * GIB), 0);
}

Test(hv_linux_layout, mmio_windows_lie_apart_from_memory_and_interrupt_controllers)
{
	unsigned int i;

	cr_expect_leq(HV_PC_MMIO_LOW_END, HV_PC_IOAPIC);
	cr_expect_geq(HV_PC_MMIO_LOW, HV_PC_LOW_RAM_MAX);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint64_t at = hv_linux_mmio_high(sizes[i]);

		cr_expect_geq(at, hv_linux_ram_end(sizes[i]));
		cr_expect_geq(at, HV_PC_HIGH_RAM);
		cr_expect_eq(at % HV_PC_MMIO_HIGH_SIZE, 0);
	}
	cr_expect_eq(hv_linux_mmio_high(64 * MIB), 64 * GIB);
	cr_expect_eq(hv_linux_mmio_high(63 * GIB), 64 * GIB);
	cr_expect_eq(hv_linux_mmio_high(64 * GIB), 128 * GIB);
}

Test(hv_bzimage, boot_params_tell_what_the_kernel_needs)
{
	struct bz b = good_bz();
	struct hv_bzimage bz;
	struct boot_params bp;
	struct hv_linux_plan p = {.mem_bytes = 8 * GIB,
				  .kernel = 16 * MIB,
				  .initrd = 0x7ff00000,
				  .initrd_len = 0xfffff,
				  .rsdp = HV_PC_ACPI};

	cr_assert_eq(bz_parse(&b, &bz), 0);
	memset(&bp, 0xff, sizeof(bp));
	hv_bzimage_boot_params(&bz, &p, &bp);
	cr_expect_eq(bp.hdr.type_of_loader, 0xff);
	cr_expect_eq(bp.hdr.loadflags, LOADED_HIGH);
	cr_expect_eq(bp.hdr.code32_start, 16 * MIB);
	cr_expect_eq(bp.hdr.cmd_line_ptr, HV_PC_CMDLINE);
	cr_expect_eq(bp.hdr.ramdisk_image, 0x7ff00000);
	cr_expect_eq(bp.hdr.ramdisk_size, 0xfffff);
	cr_expect_eq(bp.hdr.setup_data, 0, "what the file says there is no address of ours");
	cr_expect_eq(bp.hdr.header, 0x53726448);
	cr_expect_eq(bp.hdr.init_size, 32 * MIB);
	cr_expect_eq(bp.acpi_rsdp_addr, HV_PC_ACPI);
	cr_expect_eq(bp.sentinel, 0, "else the kernel clears what we said");
	cr_expect_eq(bp.ext_ramdisk_image, 0);
	cr_expect_eq(bp.screen_info.orig_video_isVGA, 0);
	cr_assert_eq(bp.e820_entries, 6);
	cr_expect_eq(bp.e820_table[0].addr, 0);
	cr_expect_eq(bp.e820_table[0].type, HV_RANGE_RAM);
	cr_expect_eq(bp.e820_table[5].addr, 4 * GIB);
	cr_expect_eq(bp.e820_table[5].size, 5 * GIB);
}

/* ELF with a PVH note. */
struct elf {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[3];
	Elf64_Nhdr nh;
	char name[4];
	uint32_t entry;
	uint8_t code[256];
};

#define ELF_NOTE_OFF offsetof(struct elf, nh)
#define ELF_NOTE_LEN (offsetof(struct elf, code) - ELF_NOTE_OFF)

static struct elf good_elf(void)
{
	struct elf f = {
		.eh = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		       .e_type = ET_EXEC,
		       .e_machine = EM_X86_64,
		       .e_version = EV_CURRENT,
		       .e_phoff = offsetof(struct elf, ph),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = 3},
		.ph = {{PT_LOAD, PF_X, offsetof(struct elf, code), 0xffffffff81000000, 0x1000000,
			256, 256, 4096},
		       {PT_LOAD, PF_W, offsetof(struct elf, code), 0, 0x2000000, 16, 8192, 4096},
		       {PT_NOTE, 0, ELF_NOTE_OFF, 0, 0, ELF_NOTE_LEN, ELF_NOTE_LEN, 4}},
		.nh = {4, 4, 18},
		.name = "Xen",
		.entry = 0x1000080,
	};

	return f;
}

static int elf_parse(const struct elf *f, size_t len, uint64_t file_len, struct hv_pvh *k)
{
	return hv_pvh_parse((const uint8_t *)f, len, file_len, k);
}

Test(hv_pvh, good_kernel_gives_segments_and_notes)
{
	struct elf f = good_elf();
	struct hv_pvh k;

	cr_assert_eq(elf_parse(&f, sizeof(f), sizeof(f), &k), 0, "%s", err_text());
	cr_assert_eq(k.map.nr_segments, 2);
	cr_expect_eq(k.map.low, 0x1000000);
	cr_expect_eq(k.map.high, 0x2002000);
	cr_expect_eq(k.map.segment[1].gpa, 0x2000000);
	cr_expect_eq(k.map.segment[1].file_len, 16);
	cr_assert_eq(k.nr_notes, 1);
	cr_expect_eq(k.notes[0].file_off, ELF_NOTE_OFF);
	cr_expect_eq(k.notes[0].len, ELF_NOTE_LEN);
}

static void expect_bad_elf(const struct elf *f, const char *words)
{
	struct hv_pvh k;

	cr_expect_eq(elf_parse(f, sizeof(*f), sizeof(*f), &k), -ENOEXEC, "%s", words);
	cr_expect(strstr(err_text(), words), "%s, want: %s", err_text(), words);
}

#define BAD_ELF(field, value, words)       \
	do {                               \
		struct elf f = good_elf(); \
		f.field = (value);         \
		expect_bad_elf(&f, words); \
	} while (0)

Test(hv_pvh, each_wrong_field_is_named)
{
	BAD_ELF(eh.e_ident[0], 0, "no ELF file");
	BAD_ELF(eh.e_ident[EI_CLASS], ELFCLASS32, "class 1");
	BAD_ELF(eh.e_ident[EI_DATA], ELFDATA2MSB, "data 2");
	BAD_ELF(eh.e_machine, EM_386, "machine 3");
	BAD_ELF(eh.e_type, ET_REL, "type 1");
	BAD_ELF(eh.e_phentsize, 32, "header of 32 bytes");
	BAD_ELF(eh.e_phnum, 0, "0 program headers");
	BAD_ELF(eh.e_phnum, 0xffff, "65535 program headers");
	BAD_ELF(eh.e_phoff, UINT64_MAX, "do not lie in");
	BAD_ELF(ph[0].p_offset, sizeof(struct elf), "truncated: segment 0");
	BAD_ELF(ph[0].p_filesz, UINT64_MAX, "truncated: segment 0");
}

Test(hv_pvh, segments_lie_in_the_file_and_in_memory)
{
	BAD_ELF(ph[0].p_memsz, 255, "256 bytes in the file, 255 in memory");
	BAD_ELF(ph[0].p_paddr, 0xff000, "want them within 0x100000-0x100000000");
	BAD_ELF(ph[0].p_paddr, 0x100000000, "want them within 0x100000-0x100000000");
	BAD_ELF(ph[1].p_memsz, UINT64_MAX, "segment 1");
	BAD_ELF(ph[1].p_paddr, 0x10000ff, "segment 1 overlaps");
	BAD_ELF(ph[2].p_offset, UINT64_MAX, "truncated: segment 2");
	BAD_ELF(ph[2].p_filesz, sizeof(struct elf), "truncated: segment 2");
}

Test(hv_pvh, kernel_without_segments_is_refused)
{
	struct elf f = good_elf();

	f.ph[0].p_type = f.ph[1].p_type = PT_NULL;
	expect_bad_elf(&f, "nothing to load");
}

Test(hv_pvh, any_truncation_is_refused_or_parsed)
{
	struct elf f = good_elf();
	struct hv_pvh k;
	size_t n;

	for (n = 0; n < offsetof(struct elf, nh); n++)
		cr_expect_eq(elf_parse(&f, n, n, &k), -ENOEXEC, "%zu", n);
}

static int note(const struct elf *f, size_t len, uint64_t *entry)
{
	return hv_pvh_note((const uint8_t *)f + ELF_NOTE_OFF, len, entry);
}

Test(hv_pvh, note_has_the_entry)
{
	struct elf f = good_elf();
	uint64_t entry = 0;

	cr_assert_eq(note(&f, ELF_NOTE_LEN, &entry), 0, "%s", err_text());
	cr_expect_eq(entry, 0x1000080);
	f.nh.n_descsz = 8;
	memset(f.code, 0, sizeof(f.code));
	cr_assert_eq(note(&f, ELF_NOTE_LEN + 4, &entry), 0, "%s", err_text());
	cr_expect_eq(entry, 0x1000080, "of 8 bytes too");
}

Test(hv_pvh, other_notes_are_passed_over)
{
	struct {
		Elf64_Nhdr nh;
		char name[8];
		uint8_t desc[8];
		Elf64_Nhdr nh2;
		char name2[4];
		uint32_t entry;
	} n = {{6, 5, 18}, "Linux", {0}, {4, 4, 18}, "Xen", 0x100000};
	uint64_t entry = 0;

	cr_assert_eq(hv_pvh_note((uint8_t *)&n, sizeof(n), &entry), 0, "%s", err_text());
	cr_expect_eq(entry, 0x100000);
	n.nh2.n_type = 17;
	cr_expect_eq(hv_pvh_note((uint8_t *)&n, sizeof(n), &entry), -ENOENT);
	n.nh2.n_type = 18;
	n.name2[0] = 'X' + 1;
	cr_expect_eq(hv_pvh_note((uint8_t *)&n, sizeof(n), &entry), -ENOENT);
}

Test(hv_pvh, broken_notes_are_refused)
{
	struct elf f = good_elf();
	uint64_t entry;

	f.nh.n_descsz = 2;
	cr_expect_eq(note(&f, ELF_NOTE_LEN, &entry), -ENOEXEC);
	cr_expect(strstr(err_text(), "entry of 2 bytes"), "%s", err_text());
	f.nh.n_descsz = UINT32_MAX;
	cr_expect_eq(note(&f, ELF_NOTE_LEN, &entry), -ENOEXEC);
	f = good_elf();
	f.nh.n_namesz = UINT32_MAX;
	cr_expect_eq(note(&f, ELF_NOTE_LEN, &entry), -ENOEXEC);
	f.nh.n_namesz = ELF_NOTE_LEN - sizeof(Elf64_Nhdr) + 1;
	cr_expect_eq(note(&f, ELF_NOTE_LEN, &entry), -ENOEXEC);
	f = good_elf();
	cr_expect_eq(note(&f, ELF_NOTE_LEN - 1, &entry), -ENOEXEC, "cut");
	cr_expect_eq(note(&f, sizeof(Elf64_Nhdr) - 1, &entry), -ENOENT);
	cr_expect_eq(note(&f, 0, &entry), -ENOENT);
}

Test(hv_pvh, entry_must_lie_in_what_is_loaded)
{
	struct elf f = good_elf();
	struct hv_pvh k;

	cr_assert_eq(elf_parse(&f, sizeof(f), sizeof(f), &k), 0);
	cr_expect_eq(hv_pvh_check_entry(&k, 0x10000ff), 0);
	cr_expect_eq(hv_pvh_check_entry(&k, 0x1000100), -ENOEXEC);
	cr_expect_eq(hv_pvh_check_entry(&k, 0x2000010), -ENOEXEC, "zeroes are no code");
	cr_expect_eq(hv_pvh_check_entry(&k, 0), -ENOEXEC);
}

Test(hv_pvh, start_info_leads_to_everything)
{
	struct hv_linux_plan p = {
		.mem_bytes = 64 * MIB, .initrd = 0x3000000, .initrd_len = 5, .rsdp = HV_PC_ACPI};
	struct hv_pvh_start si;

	hv_pvh_start_info(&p, 0x10000, &si);
	cr_expect_eq(si.magic, HV_PVH_START_MAGIC);
	cr_expect_eq(si.version, 1);
	cr_expect_eq(si.cmdline, HV_PC_CMDLINE);
	cr_expect_eq(si.rsdp, HV_PC_ACPI);
	cr_expect_eq(si.nr_modules, 1);
	cr_expect_eq(si.modules, 0x10000 + 56);
	cr_expect_eq(si.module[0].gpa, 0x3000000);
	cr_expect_eq(si.module[0].len, 5);
	cr_expect_eq(si.ranges, 0x10000 + 88);
	cr_assert_eq(si.nr_ranges, 5);
	cr_expect_eq(si.range[4].base, MIB);
	cr_expect_eq(si.range[4].len, 63 * MIB);
	cr_expect_eq(si.range[4].type, HV_RANGE_RAM);
	p.initrd_len = 0;
	hv_pvh_start_info(&p, 0x10000, &si);
	cr_expect_eq(si.nr_modules, 0);
}
