/* SPDX-License-Identifier: BSD-3-Clause */
/* The loader's ELF parser: a good image, each field wrong, cut at every byte. */
#include <criterion/criterion.h>

#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "hv/image.h"

#define MIN 0x200000ull
#define MAX 0x600000ull

struct file {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[3];
	uint8_t data[512];
};

static struct file good(void)
{
	struct file f = {
		.eh =
			{
				.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB,
					    EV_CURRENT},
				.e_type = ET_EXEC,
				.e_machine = EM_X86_64,
				.e_version = EV_CURRENT,
				.e_entry = 0x201010,
				.e_phoff = offsetof(struct file, ph),
				.e_phentsize = sizeof(Elf64_Phdr),
				.e_phnum = 3,
			},
		.ph =
			{
				{PT_LOAD, PF_X, offsetof(struct file, data), 0x201000, 0x201000,
				 256, 256, 4096},
				{PT_LOAD, PF_W, offsetof(struct file, data) + 256, 0x300000,
				 0x300000, 16, 8192, 4096},
				{PT_GNU_STACK, 0, 0, 0, 0, 0, 0, 16},
			},
	};

	return f;
}

static int parse(const struct file *f, size_t len, struct hv_image *e)
{
	return hv_image_parse((const uint8_t *)f, len, MIN, MAX, e);
}

Test(hv_image, good_image_gives_its_segments)
{
	struct file f = good();
	struct hv_image e;

	cr_assert_eq(parse(&f, sizeof(f), &e), 0, "%s", err_text());
	cr_assert_eq(e.map.nr_segments, 2);
	cr_assert_eq(e.entry, 0x201010);
	cr_assert_eq(e.map.low, 0x201000);
	cr_assert_eq(e.map.high, 0x302000);
	cr_assert_eq(e.map.segment[1].file_len, 16);
	cr_assert_eq(e.map.segment[1].mem_len, 8192);
}

static void expect_bad(const struct file *f, const char *words)
{
	struct hv_image e;

	cr_assert_eq(parse(f, sizeof(*f), &e), -ENOEXEC, "%s", words);
	cr_assert(strstr(err_text(), words), "%s, want: %s", err_text(), words);
}

#define BAD(field, value, words)        \
	do {                            \
		struct file f = good(); \
		f.field = (value);      \
		expect_bad(&f, words);  \
	} while (0)

Test(hv_image, each_wrong_header_field_is_named)
{
	BAD(eh.e_ident[0], 0, "no ELF file");
	BAD(eh.e_ident[EI_CLASS], ELFCLASS32, "class 1");
	BAD(eh.e_ident[EI_DATA], ELFDATA2MSB, "data 2");
	BAD(eh.e_ident[EI_VERSION], 0, "version");
	BAD(eh.e_version, 2, "version 2");
	BAD(eh.e_machine, EM_AARCH64, "machine 183");
	BAD(eh.e_type, ET_DYN, "without -pie");
	BAD(eh.e_phentsize, 32, "header of 32 bytes");
	BAD(eh.e_phnum, 0, "0 program headers");
	BAD(eh.e_phnum, 0xffff, "65535 program headers");
	BAD(eh.e_phoff, UINT64_MAX, "do not lie in");
	BAD(eh.e_phoff, sizeof(struct file) - 8, "do not lie in");
	BAD(eh.e_entry, 0, "entry point");
	BAD(eh.e_entry, 0x201100, "entry point 0x201100");
}

Test(hv_image, each_wrong_segment_field_is_named)
{
	BAD(ph[0].p_offset, sizeof(struct file) + 1, "segment 0");
	BAD(ph[0].p_offset, UINT64_MAX, "segment 0");
	BAD(ph[0].p_filesz, UINT64_MAX, "segment 0");
	BAD(ph[0].p_filesz, 257, "257 bytes in the file, 256 in memory");
	BAD(ph[0].p_paddr, 0x202000, "want the same");
	BAD(ph[1].p_memsz, UINT64_MAX, "segment 1");
	BAD(ph[1].p_memsz, MAX - 0x300000 + 1, "more memory");
	BAD(ph[2].p_type, PT_INTERP, "dynamic linker");
	BAD(ph[2].p_type, PT_DYNAMIC, "-static");
}

static void at_address(uint64_t at, const char *words)
{
	struct file f = good();

	f.ph[1].p_vaddr = f.ph[1].p_paddr = at;
	expect_bad(&f, words);
}

Test(hv_image, segments_outside_memory_or_over_another_are_refused)
{
	at_address(0, "want them within");
	at_address(MIN - 1, "want them within");
	at_address(MAX, "want them within");
	at_address(UINT64_MAX - 4096, "want them within");
	at_address(0x2010ff, "overlaps");
	at_address(0x200000, "overlaps");
}

Test(hv_image, too_many_segments_are_refused)
{
	enum { N = HV_ELF_SEGMENTS_MAX + 1 };
	struct {
		Elf64_Ehdr eh;
		Elf64_Phdr ph[N];
	} f = {.eh = good().eh};
	struct hv_image e;
	unsigned int i;

	f.eh.e_phnum = N;
	for (i = 0; i < N; i++) {
		f.ph[i] = (Elf64_Phdr){.p_type = PT_LOAD, .p_memsz = 4096};
		f.ph[i].p_vaddr = f.ph[i].p_paddr = MIN + i * 8192;
	}
	cr_assert_eq(hv_image_parse((void *)&f, sizeof(f), MIN, MAX, &e), -ENOEXEC);
	cr_assert(strstr(err_text(), "more than 16"));
}

Test(hv_image, image_cut_at_any_byte_is_refused)
{
	struct file f = good();
	struct hv_image e;
	size_t len, need = offsetof(struct file, data) + 256 + 16;

	for (len = 0; len < need; len++) {
		uint8_t *exact = malloc(len ? len : 1); /* so that ASan sees the end */

		memcpy(exact, &f, len);
		cr_assert_eq(hv_image_parse(exact, len, MIN, MAX, &e), -ENOEXEC, "%zu bytes", len);
		free(exact);
	}
	cr_assert_eq(parse(&f, need, &e), 0);
}
