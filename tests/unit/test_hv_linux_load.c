/* SPDX-License-Identifier: BSD-3-Clause */
/* A kernel, an initrd and a command line as files, and what lies in a new partition's memory then. */
#include <criterion/criterion.h>

#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "hv/linux/machine.h"
#include "hv/linux/pvh.h"
#include "hv/priv.h"
#include "hv/scripted.h"
#include "tests/support/scratch.h"

#define MIB	  (1ull << 20)
#define SETUP_LEN 1024u /* one sector and the first */
#define CODE_LEN  8192u
#define LOAD_AT	  (2 * MIB)
#define INIT_SIZE (1 * MIB)

static const struct hv_partition_ops no_ops;
static struct hv_script script;
static struct hv_partition *p;
static char dir[SCRATCH_PATH], kernel[SCRATCH_PATH + 16], initrd[SCRATCH_PATH + 16];
static uint8_t image[SETUP_LEN + CODE_LEN];

static struct setup_header *hdr(void)
{
	return (struct setup_header *)(image + 0x1f1);
}

static void file_write(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, data, len), (ssize_t)len);
	close(fd);
}

static void setup(void)
{
	unsigned int i;

	scratch_dir(dir, "linux");
	snprintf(kernel, sizeof(kernel), "%s/kernel", dir);
	snprintf(initrd, sizeof(initrd), "%s/initrd", dir);
	for (i = 0; i < CODE_LEN; i++)
		image[SETUP_LEN + i] = (uint8_t)(i * 7 + 1);
	*hdr() = (struct setup_header){
		.setup_sects = 1,
		.syssize = CODE_LEN / 16,
		.boot_flag = 0xaa55,
		.header = 0x53726448,
		.version = 0x020f,
		.loadflags = LOADED_HIGH,
		.initrd_addr_max = 0x7fffffff,
		.xloadflags = XLF_KERNEL_64,
		.cmdline_size = 100,
		.pref_address = LOAD_AT,
		.init_size = INIT_SIZE,
	};
	image[0x201] = 0x6a;
	file_write(kernel, image, sizeof(image));
}

static void teardown(void)
{
	hv_partition_destroy(p);
	unlink(kernel);
	unlink(initrd);
	rmdir(dir);
}

TestSuite(hv_linux_load, .init = setup, .fini = teardown);

static struct hv_cfg cfg_of(void)
{
	return (struct hv_cfg){.name = "linux",
			       .nr_vps = 3,
			       .mem_bytes = 8 * MIB,
			       .numa_node = -1,
			       .kernel_path = kernel,
			       .flags = HV_CFG_NO_HUGE};
}

static int create(const struct hv_cfg *cfg)
{
	return hv_scripted_create_cfg(&p, &script, cfg, &no_ops, NULL);
}

static const uint8_t *mem(uint64_t at)
{
	const uint8_t *m = gmem_map(hv_gmem(p), gpa(at), 4096);

	cr_assert_not_null(m, "%#llx", (unsigned long long)at);
	return m;
}

Test(hv_linux_load, kernel_initrd_and_command_line_are_in_memory)
{
	struct hv_cfg cfg = cfg_of();
	const struct boot_params *bp;
	uint8_t disk[5000];

	memset(disk, 0x5a, sizeof(disk));
	file_write(initrd, disk, sizeof(disk));
	cfg.initrd_path = initrd;
	cfg.cmdline = "console=ttyS0 quiet";
	cr_assert_eq(create(&cfg), 0, "%s", err_text());

	bp = (const void *)mem(HV_PC_BOOT_PARAMS);
	cr_expect_eq(memcmp(mem(LOAD_AT), image + SETUP_LEN, CODE_LEN), 0);
	cr_expect_eq(mem(LOAD_AT + CODE_LEN)[0], 0);
	cr_expect_str_eq((const char *)mem(HV_PC_CMDLINE), "console=ttyS0 quiet");
	cr_expect_eq(bp->hdr.cmd_line_ptr, HV_PC_CMDLINE);
	cr_expect_eq(bp->hdr.ramdisk_size, sizeof(disk));
	cr_expect_eq(bp->hdr.ramdisk_image, 8 * MIB - 8192);
	cr_expect_eq(memcmp(mem(8 * MIB - 8192), disk, 4096), 0);
	cr_expect_eq(mem(8 * MIB - 4096)[sizeof(disk) - 4096], 0, "nothing behind it");
	cr_expect_eq(bp->acpi_rsdp_addr, HV_PC_ACPI);
	cr_expect_eq(memcmp(mem(HV_PC_ACPI), "RSD PTR ", 8), 0);
}

Test(hv_linux_load, first_vp_starts_in_the_kernel_and_the_others_wait)
{
	struct hv_cfg cfg = cfg_of();

	cr_assert_eq(create(&cfg), 0, "%s", err_text());
	cr_expect_eq(script.start[0].kind, HV_START_LINUX);
	cr_expect_eq(script.start[0].entry, LOAD_AT + 0x200);
	cr_expect_eq(script.start[0].boot_gpa, HV_PC_BOOT_PARAMS);
	cr_expect_eq(script.start[0].area_gpa, HV_PC_SCRATCH);
	cr_expect_eq(script.start[1].kind, HV_START_SIPI);
	cr_expect_eq(script.start[2].kind, HV_START_SIPI);
	cr_expect_str_eq((const char *)mem(HV_PC_CMDLINE), "", "no command line is an empty one");
}

Test(hv_linux_load, image_starts_all_vps_alike)
{
	struct hv_cfg cfg = cfg_of();

	cfg.kernel_path = NULL;
	cr_assert_eq(create(&cfg), 0, "%s", err_text());
	cr_expect_eq(script.start[2].kind, HV_START_IMAGE);
	cr_expect_eq(script.start[2].entry, NETHV_IMAGE_BASE);
	cr_expect_eq(script.start[2].area_gpa, NETHV_IMAGE_BASE + 8 * MIB - NETHV_VP_AREA);
	cr_expect_eq(script.start[0].area_gpa, NETHV_IMAGE_BASE + 8 * MIB - 3 * NETHV_VP_AREA);
}

Test(hv_linux_load, memory_is_one_region_from_zero)
{
	struct hv_cfg cfg = cfg_of();
	uint64_t at, len;
	int fd;

	cr_assert_eq(create(&cfg), 0, "%s", err_text());
	cr_assert_eq(hv_memory(p, 0, &fd, &at, &len), 0);
	cr_expect_eq(at, 0);
	cr_expect_eq(len, 8 * MIB);
	cr_expect_eq(hv_memory(p, 1, &fd, &at, &len), -ENOENT);
}

Test(hv_linux_load, reset_vector_writes_the_reset_port)
{
	static const uint8_t code[] = {0xba, 0x04, 0x06, 0xb0, 0x01, 0xee};
	struct hv_cfg cfg = cfg_of();

	cr_assert_eq(create(&cfg), 0, "%s", err_text());
	cr_expect_eq(memcmp(gmem_map(hv_gmem(p), gpa(0xffff0), 16), code, sizeof(code)), 0);
}

Test(hv_linux_load, our_control_and_report_pages_are_not_in_a_kernels_memory)
{
	struct nethv_report report, fake = {.magic = NETHV_REPORT_MAGIC};
	struct hv_cfg cfg = cfg_of();
	uint32_t seq;

	cr_assert_eq(create(&cfg), 0, "%s", err_text());
	hv_request_stop(p);
	cr_expect_eq(hv_order(p, "x", &seq), -EOPNOTSUPP);
	cr_expect_eq(mem(NETHV_RAM_BASE + 0x11000)[0], 0);
	cr_expect_eq(script.nr_irqs[0], 0);
	gmem_write(hv_gmem(p), gpa(NETHV_RAM_BASE + 0x10000), &fake, sizeof(fake));
	cr_expect_eq(hv_report_read(p, &report), -ENODATA);
}

static void expect_refused(const struct hv_cfg *cfg, int code, const char *words)
{
	int rc = create(cfg);

	cr_expect_eq(rc, code, "%d: %s", rc, words);
	cr_expect(strstr(err_text(), words), "%s, want: %s", err_text(), words);
	if (!rc)
		hv_partition_destroy(p);
	p = NULL;
}

Test(hv_linux_load, command_line_is_limited_by_the_kernel_and_by_us)
{
	char line[HV_LINUX_CMDLINE_MAX + 2];
	struct hv_cfg cfg = cfg_of();

	cfg.cmdline = line;
	memset(line, 'x', sizeof(line));
	line[101] = '\0';
	expect_refused(&cfg, -EINVAL, "command line of 101 bytes, this kernel takes at most 100");
	line[100] = '\0';
	expect_refused(&cfg, 0, "");
	hdr()->cmdline_size = HV_LINUX_CMDLINE_MAX;
	file_write(kernel, image, sizeof(image));
	memset(line, 'x', sizeof(line));
	line[HV_LINUX_CMDLINE_MAX] = '\0';
	expect_refused(&cfg, 0, "");
	line[HV_LINUX_CMDLINE_MAX] = 'x';
	line[HV_LINUX_CMDLINE_MAX + 1] = '\0';
	expect_refused(&cfg, -EINVAL, "command line of 2048 bytes, want at most 2047");
	cfg.kernel_path = NULL;
	expect_refused(&cfg, -EINVAL, "want at most 1024");
}

Test(hv_linux_load, files_that_do_not_fit_are_refused)
{
	struct hv_cfg cfg = cfg_of();

	cfg.initrd_path = initrd;
	file_write(initrd, image, sizeof(image));
	cr_assert_eq(truncate(initrd, 5 * MIB + 1), 0);
	expect_refused(&cfg, -ENOMEM, "initrd: 6 MiB do not fit between the kernel's end at 3 MiB");
	cr_assert_eq(truncate(initrd, 5 * MIB), 0);
	expect_refused(&cfg, 0, "");
	cfg.initrd_path = NULL;
	hdr()->init_size = 6 * MIB + 1;
	file_write(kernel, image, sizeof(image));
	expect_refused(&cfg, -ENOMEM, "wants 7 MiB of memory at 0x200000");
}

Test(hv_linux_load, mmio_window_must_be_within_the_processors_addresses)
{
	struct hv_cfg cfg = cfg_of();

	script.address_bits = 36;
	expect_refused(&cfg, -EINVAL, "end at 0x2000000000, the processors have 36 address bits");
	script.address_bits = 37;
	expect_refused(&cfg, 0, "");
}

Test(hv_linux_load, files_that_are_none_are_refused)
{
	struct hv_cfg cfg = cfg_of();

	cfg.kernel_path = dir;
	expect_refused(&cfg, -ENOEXEC, "want a file of 1 byte");
	cfg.kernel_path = "/nonexistent/vmlinuz";
	expect_refused(&cfg, -ENOENT, "kernel /nonexistent/vmlinuz");
	cfg.kernel_path = kernel;
	cfg.initrd_path = "/nonexistent/initrd";
	expect_refused(&cfg, -ENOENT, "initrd /nonexistent/initrd");
	cfg.initrd_path = "/dev/null";
	expect_refused(&cfg, -ENOEXEC, "initrd /dev/null");
	cfg.initrd_path = NULL;
	file_write(kernel, image, sizeof(image) - 1);
	expect_refused(&cfg, -ENOEXEC, "truncated");
	file_write(kernel, "#!/bin/sh\n", 10);
	expect_refused(&cfg, -ENOEXEC, "a file of 10 bytes");
}

Test(hv_linux_load, kernel_and_image_or_initrd_alone_are_mistakes)
{
	struct hv_cfg cfg = cfg_of();

	cfg.image_path = kernel;
	expect_refused(&cfg, -EINVAL, "both a kernel and an image");
	cfg.image_path = NULL;
	cfg.kernel_path = NULL;
	cfg.initrd_path = initrd;
	expect_refused(&cfg, -EINVAL, "an initrd without a kernel");
}

struct elf {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[2];
	Elf64_Nhdr nh;
	char name[4];
	uint32_t entry;
	uint8_t code[256];
};

static struct elf vmlinux(void)
{
	const size_t note = offsetof(struct elf, nh), note_len = offsetof(struct elf, code) - note;
	struct elf f = {
		.eh = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
		       .e_type = ET_EXEC,
		       .e_machine = EM_X86_64,
		       .e_version = EV_CURRENT,
		       .e_phoff = offsetof(struct elf, ph),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = 2},
		.ph = {{PT_LOAD, PF_X, offsetof(struct elf, code), 0, LOAD_AT, 256, 8192, 4096},
		       {PT_NOTE, 0, note, 0, 0, note_len, note_len, 4}},
		.nh = {4, 4, 18},
		.name = "Xen",
		.entry = LOAD_AT + 16,
	};

	memset(f.code, 0xc3, sizeof(f.code));
	return f;
}

Test(hv_linux_load, elf_kernel_starts_by_its_pvh_note)
{
	const struct hv_pvh_start *si;
	struct hv_cfg cfg = cfg_of();
	struct elf f = vmlinux();

	file_write(kernel, &f, sizeof(f));
	file_write(initrd, "disk", 4);
	cfg.initrd_path = initrd;
	cfg.cmdline = "pvh";
	cr_assert_eq(create(&cfg), 0, "%s", err_text());
	si = (const void *)mem(HV_PC_BOOT_PARAMS);
	cr_expect_eq(script.start[0].kind, HV_START_PVH);
	cr_expect_eq(script.start[0].entry, LOAD_AT + 16);
	cr_expect_eq(script.start[0].boot_gpa, HV_PC_BOOT_PARAMS);
	cr_expect_eq(script.start[1].kind, HV_START_SIPI);
	cr_expect_eq(memcmp(mem(LOAD_AT), f.code, sizeof(f.code)), 0);
	cr_expect_eq(si->magic, HV_PVH_START_MAGIC);
	cr_expect_eq(si->module[0].gpa, 8 * MIB - 4096);
	cr_expect_eq(memcmp(mem(8 * MIB - 4096), "disk", 5), 0);
	cr_expect_str_eq((const char *)mem(si->cmdline), "pvh");
}

Test(hv_linux_load, elf_kernel_without_entry_is_refused)
{
	struct hv_cfg cfg = cfg_of();
	struct elf f = vmlinux();

	f.nh.n_type = 1;
	file_write(kernel, &f, sizeof(f));
	expect_refused(&cfg, -ENOEXEC, "without a PVH note");
	f = vmlinux();
	f.entry = 0x1234;
	file_write(kernel, &f, sizeof(f));
	expect_refused(&cfg, -ENOEXEC, "entry 0x1234 lies in no segment");
	f = vmlinux();
	f.ph[0].p_memsz = 6 * MIB + 1;
	file_write(kernel, &f, sizeof(f));
	expect_refused(&cfg, -ENOMEM, "give the partition more");
}
