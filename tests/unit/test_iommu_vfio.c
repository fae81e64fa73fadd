/* SPDX-License-Identifier: BSD-3-Clause */
/* VFIO in both ways on a kernel that is played: what is mapped, what is refused and why, and that every
 * failure at every call leaves nothing behind. */
#include "iommu/vfio.h"

#include <errno.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "iommu/iommufd_abi.h"
#include "iommu/why.h"
#include "tests/support/fakesys.h"
#include "tests/support/fakevfio.h"

#define VF   "0000:01:10.0"
#define VF2  "0000:01:10.1"
#define MIB  (1ull << 20)
#define RAM1 ((void *)0x7f0000000000ull) /* never touched */
#define RAM2 ((void *)0x7f8000001000ull) /* aligned for small pages only */

static const char *root;
static struct fakevfio k;
static struct vfio_ctx *c;
static struct vfio_dev *d;
static bool is_cdev;

static void begin(void)
{
	root = fakesys_begin();
	fakesys_good_host();
	fakevfio_init(&k);
}

static void end(void)
{
	vfio_close(c);
	c = NULL;
	cr_expect_not(k.is_broken, "%s", k.how);
	cr_expect_eq(k.nr_open, 0, "%u left open", k.nr_open);
	fakesys_end();
}

TestSuite(iommu_vfio, .init = begin, .fini = end);

static void open_as(enum vfio_backend_kind kind)
{
	struct vfio_cfg cfg = {
		.name = "vm0", .root = root, .backend = kind, .ops = &fakevfio_ops, .sys = &k};

	vfio_close(c);
	cr_assert_eq(vfio_open(&c, &cfg), 0);
}

/* A new kernel and a new context, on the same files. */
static void again(void)
{
	vfio_close(c);
	c = NULL;
	fakevfio_init(&k);
	open_as(is_cdev ? VFIO_BACKEND_CDEV : VFIO_BACKEND_GROUP);
}

/* Both ways, one after the other. */
static void way(int i)
{
	is_cdev = i == 1;
	fakevfio_files(is_cdev);
	again();
}

static void map_ram(void)
{
	cr_assert_eq(vfio_map(c, 0, RAM1, 64 * MIB, VFIO_READ_WRITE), 0, "%s", err_text());
	cr_assert_eq(vfio_map(c, 1ull << 32, RAM2, 16 * MIB, VFIO_READ_ONLY), 0, "%s", err_text());
}

static void refused(enum iommu_why why, const char *detail)
{
	int rc = vfio_attach(c, VF, &d);

	cr_expect_eq(rc, iommu_why_row(why)->code, "%d: %s", rc, err_text());
	cr_expect_eq(iommu_refused(), why, "%s", err_text());
	cr_expect(strstr(err_text(), detail), "no `%s` in: %s", detail, err_text());
	cr_expect_eq(k.nr_open, 0, "%u left open", k.nr_open);
	cr_expect_eq(k.nr_maps, 0);
}

Test(iommu_vfio, maps_memory_once_for_all_devices_and_lets_go_of_all)
{
	for (int i = 0; i < 2; i++) {
		struct vfio_dev *d2;
		struct vfio_status st;

		way(i);
		map_ram();
		cr_expect_eq(k.nr_maps, 0, "nothing is locked while there is no device");
		cr_assert_eq(vfio_attach(c, VF, &d), 0, "%s", err_text());
		cr_assert_eq(vfio_attach(c, VF2, &d2), 0, "%s", err_text());
		cr_expect_eq(k.nr_map_calls, 2, "one call for each region, however large");
		cr_expect(k.map[0].is_writable && !k.map[1].is_writable);
		cr_expect_eq(k.map[1].hva, RAM2);
		vfio_status(c, &st);
		cr_expect_str_eq(st.backend, is_cdev ? "cdev" : "group");
		cr_expect_eq(st.nr_devs, 2);
		cr_expect_eq(st.bytes, 80 * MIB);
		cr_expect_eq(st.page_bytes, 4096, "the second region is not aligned");
		cr_expect_eq(st.nr_ranges, 2);
		cr_expect_gt(st.map_ns, 0);
		cr_expect_str_eq(vfio_dev_name(d2), VF2);
		cr_expect_neq(vfio_dev_fd(d), vfio_dev_fd(d2));
		cr_expect_eq(vfio_dev_kvm_fd(d) == vfio_dev_fd(d), is_cdev);
		cr_expect_eq(vfio_detach(d), 0);
		cr_expect_eq(k.nr_maps, 2, "the other device still has its memory");
		cr_expect_eq(vfio_detach(d2), 0);
	}
}

/* A container forgets its mappings with its last group: they must be made again. */
Test(iommu_vfio, a_device_that_comes_back_finds_all_memory)
{
	for (int i = 0; i < 2; i++) {
		way(i);
		map_ram();
		for (int n = 0; n < 3; n++) {
			cr_assert_eq(vfio_attach(c, VF, &d), 0, "%s", err_text());
			cr_expect_eq(k.nr_maps, 2);
			cr_expect_eq(vfio_detach(d), 0, "%s", err_text());
		}
		cr_expect_eq(vfio_unmap(c, 1ull << 32, 16 * MIB), 0, "%s", err_text());
		cr_assert_eq(vfio_attach(c, VF, &d), 0, "%s", err_text());
		cr_expect_eq(k.nr_maps, 1);
		cr_expect_eq(vfio_detach(d), 0);
	}
}

Test(iommu_vfio, memory_changes_under_a_device)
{
	for (int i = 0; i < 2; i++) {
		way(i);
		map_ram();
		cr_assert_eq(vfio_attach(c, VF, &d), 0, "%s", err_text());
		cr_expect_eq(vfio_map(c, 1ull << 33, RAM1, 4096, VFIO_READ_WRITE), 0);
		cr_expect_eq(k.nr_maps, 3);
		cr_expect_eq(vfio_unmap(c, 0, 64 * MIB), 0);
		cr_expect_eq(k.nr_maps, 2);
		cr_expect_eq(vfio_unmap(c, 0, 64 * MIB), -ENOENT);
		cr_expect_eq(vfio_unmap(c, 1ull << 33, 8192), -ENOENT,
			     "only what was mapped, whole");
	}
}

Test(iommu_vfio, memory_that_the_kernel_did_not_unmap_is_not_given_back)
{
	for (int i = 0; i < 2; i++) {
		way(i);
		map_ram();
		cr_assert_eq(vfio_attach(c, VF, &d), 0);
		k.nr_maps = 0; /* it finds nothing to unmap */
		cr_expect_eq(vfio_unmap(c, 0, 64 * MIB), -EIO);
		cr_expect(strstr(err_text(), "did not unmap 0x0-0x3ffffff"), "%s", err_text());
		cr_expect_eq(vfio_map(c, 0, RAM1, 64 * MIB, VFIO_READ_WRITE), -EEXIST,
			     "it is still ours");
	}
}

Test(iommu_vfio, refuses_ranges_that_are_none)
{
	static const uint64_t bad[][3] = {
		/* iova, hva, len */
		{0, 0, 0},
		{1, 0, 4096},
		{0, 1, 4096},
		{0, 0, 4095},
		{~0ull - 4095, 0, 8192},
		{1ull << 63, 0, 1ull << 63 | 4096},
	};

	way(0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(vfio_map(c, bad[i][0], (void *)(uintptr_t)bad[i][1], bad[i][2],
				      VFIO_READ_WRITE),
			     -EINVAL, "row %zu", i);
	map_ram();
	cr_expect_eq(vfio_map(c, 64 * MIB - 4096, RAM1, 8192, VFIO_READ_WRITE), -EEXIST);
	cr_expect_eq(vfio_map(c, 64 * MIB, RAM1, 4096, VFIO_READ_WRITE), 0);
	for (uint64_t n = 3; n < VFIO_MAPS_MAX; n++)
		cr_assert_eq(vfio_map(c, n << 34, RAM1, 4096, VFIO_READ_WRITE), 0);
	cr_expect_eq(vfio_map(c, 1ull << 45, RAM1, 4096, VFIO_READ_WRITE), -ENOSPC);
}

Test(iommu_vfio, a_hole_in_the_hardware_is_told_with_its_address)
{
	for (int i = 0; i < 2; i++) {
		way(i);
		cr_assert_eq(vfio_map(c, 0, RAM1, 4096 * MIB, VFIO_READ_WRITE), 0);
		refused(IOMMU_WHY_RESERVED_RANGE, "0xfee00000 of RAM 0x0-0xffffffff");
		cr_expect_eq(vfio_unmap(c, 0, 4096 * MIB), 0);
		cr_assert_eq(vfio_attach(c, VF, &d), 0, "%s", err_text());
		cr_expect_lt(vfio_map(c, 1ull << 39, RAM1, 4096, VFIO_READ_WRITE), 0);
		cr_expect_eq(iommu_refused(), IOMMU_WHY_RESERVED_RANGE);
		cr_expect_eq(vfio_map(c, 0xfef00000, RAM1, 4096, VFIO_READ_WRITE), 0,
			     "right behind the hole");
	}
}

Test(iommu_vfio, a_kernel_that_tells_no_ranges_decides_itself)
{
	way(0);
	k.nr_ranges = 0;
	cr_assert_eq(vfio_map(c, 0, RAM1, 4096 * MIB, VFIO_READ_WRITE), 0);
	cr_expect_eq(vfio_attach(c, VF, &d), 0, "%s", err_text());
}

Test(iommu_vfio, locked_memory_is_raised_or_refused_with_figures)
{
	for (int i = 0; i < 2; i++) {
		way(i);
		k.taken = 1;
		map_ram();
		cr_expect_geq(k.memlock, 80 * MIB, "raised");
		cr_assert_eq(vfio_attach(c, VF, &d), 0, "%s", err_text());
		vfio_detach(d);
		vfio_close(c);
		c = NULL;
		way(i);
		k.taken = 1;
		k.memlock_max = 70 * MIB;
		map_ram();
		refused(IOMMU_WHY_MEMLOCK, "the limit is 70 MiB, 80 MiB are needed");
	}
}

Test(iommu_vfio, short_kernel_memory_is_not_blamed_on_the_limit)
{
	way(0);
	map_ram();
	k.fail_request = VFIO_IOMMU_MAP_DMA;
	k.fail_rc = -ENOMEM;
	refused(IOMMU_WHY_MAP_FAILED, "Cannot allocate memory");
}

Test(iommu_vfio, a_failed_mapping_names_its_cause_and_undoes_the_others)
{
	static const struct {
		int rc;
		enum iommu_why why;
		const char *detail;
	} rows[] = {
		{-ENOSPC, IOMMU_WHY_MAPS_FULL, "mapping 2 of 2"},
		{-EFAULT, IOMMU_WHY_MAP_FAILED, "0x100000000-0x100ffffff: Bad address"},
		{-EADDRINUSE, IOMMU_WHY_RESERVED_RANGE, "0x100000000"},
		{-EPERM, IOMMU_WHY_MAP_FAILED, "not permitted"},
	};

	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		way(i % 2);
		map_ram();
		k.fail_request = is_cdev ? IFD_IOAS_MAP : VFIO_IOMMU_MAP_DMA;
		k.fail_skip = 1;
		k.fail_rc = rows[i / 2].rc;
		refused(rows[i / 2].why, rows[i / 2].detail);
	}
}

/* Whatever fails, and when: a refusal with a text, and nothing left open or mapped. */
Test(iommu_vfio, a_failure_at_any_call_leaves_nothing_behind)
{
	static const int errors[] = {-EIO, -EPERM, -EBUSY, -ENODEV};

	for (size_t e = 0; e < 2 * sizeof(errors) / sizeof(errors[0]); e++) {
		unsigned int n = 0;
		int rc;

		way(e % 2);
		do {
			again();
			map_ram();
			k.fail_at = ++n;
			k.fail_rc = errors[e / 2];
			rc = vfio_attach(c, VF, &d);
			if (rc)
				cr_expect(k.nr_open == 0 && err_text()[0] && rc < 0,
					  "call %u, %d: %u left open, %d %s", n, errors[e / 2],
					  k.nr_open, rc, err_text());
			cr_assert_lt(n, 100);
		} while (k.nr_calls >= n);
		cr_expect_gt(n, 15, "it made some calls");
	}
}

Test(iommu_vfio, a_group_that_is_not_viable_names_who_is_in_it)
{
	fakesys_dev(&(struct fakesys_dev){
		.bdf = "0000:01:00.1", .above = "0000:00:01.0", .driver = "nvme", .group = 11});
	way(0);
	k.is_viable = false;
	refused(IOMMU_WHY_GROUP_NOT_VIABLE, "group 11: 0000:01:00.1 has nvme");
	way(1);
	k.fail_request = IFD_VFIO_BIND_IOMMUFD;
	k.fail_rc = -EPERM;
	refused(IOMMU_WHY_GROUP_NOT_VIABLE, "group 11: 0000:01:00.1 has nvme");
}

Test(iommu_vfio, a_device_that_someone_else_has_is_busy)
{
	way(0);
	k.is_in_other_container = true;
	refused(IOMMU_WHY_BUSY, "another container");
	way(0);
	k.fail_open = "/dev/vfio/11";
	k.fail_rc = -EBUSY;
	refused(IOMMU_WHY_BUSY, "/dev/vfio/11");
	way(1);
	k.fail_request = IFD_VFIO_BIND_IOMMUFD;
	k.fail_rc = -EBUSY;
	refused(IOMMU_WHY_BUSY, "of its group");
	way(1);
	k.fail_open = "/vfio3";
	k.fail_rc = -EBUSY;
	refused(IOMMU_WHY_BUSY, "/dev/vfio/devices/vfio3");
}

Test(iommu_vfio, files_that_may_not_be_opened_or_are_not_there)
{
	way(0);
	k.fail_open = "/dev/vfio/vfio";
	k.fail_rc = -EACCES;
	refused(IOMMU_WHY_NO_VFIO_ACCESS, "/dev/vfio/vfio: Permission denied");
	k.fail_open = "/dev/vfio/11";
	refused(IOMMU_WHY_NO_VFIO_ACCESS, "/dev/vfio/11: Permission denied");
	k.fail_rc = -ENOENT;
	refused(IOMMU_WHY_NO_VFIO_ACCESS, "no /dev/vfio/11");
	fakesys_link("sys/devices/pci0000:00/0000:00:01.0/" VF "/driver", "x/igbvf");
	refused(IOMMU_WHY_WRONG_DRIVER, "igbvf");
	fakesys_remove("sys/devices/pci0000:00/0000:00:01.0/" VF "/driver");
	refused(IOMMU_WHY_WRONG_DRIVER, "no driver yet");
	fakesys_remove("sys/bus/pci/drivers/vfio-pci/bind");
	fakesys_remove("sys/bus/pci/drivers/vfio-pci");
	refused(IOMMU_WHY_NO_VFIO_MODULE, "/dev/vfio/11");
	way(1);
	k.fail_open = "/dev/iommu";
	k.fail_rc = -EACCES;
	refused(IOMMU_WHY_NO_VFIO_ACCESS, "/dev/iommu: Permission denied");
}

Test(iommu_vfio, devices_that_are_none)
{
	way(0);
	cr_expect_eq(vfio_attach(c, "eth0", &d), -EINVAL);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_NOT_A_FUNCTION);
	cr_expect_eq(vfio_attach(c, "0000:05:00.0", &d), -ENODEV);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_NO_DEVICE);
	cr_expect_eq(k.nr_calls, 0);
}

/* The kernel only says EPERM. */
Test(iommu_vfio, a_host_without_interrupt_remapping_or_a_device_with_rmrr_is_told_so)
{
	for (int i = 0; i < 2; i++) {
		way(i);
		k.fail_request = is_cdev ? IFD_VFIO_ATTACH_PT : VFIO_SET_IOMMU;
		k.fail_rc = -EPERM;
		refused(IOMMU_WHY_VFIO_FAILED, "Operation not permitted");
		fakesys_group(11, "0x1000 0x1fff direct\n");
		refused(IOMMU_WHY_RMRR, "0x1000-0x1fff");
		fakesys_group(11, "");
		fakesys_put("proc/interrupts", " 0:  8  IO-APIC   2-edge      timer\n");
		refused(IOMMU_WHY_NO_INTR_REMAP, "none of an IR- chip");
		fakesys_put("proc/interrupts", " 0:  8  IR-IO-APIC   2-edge      timer\n");
	}
}

Test(iommu_vfio, a_kernel_that_was_told_to_close_its_eyes_is_not_enough)
{
	struct vfio_cfg cfg = {.name = "vm0",
			       .root = root,
			       .ops = &fakevfio_ops,
			       .sys = &k,
			       .is_unsafe_allowed = true};

	way(0);
	fakesys_put("proc/interrupts", " 0:  8  IO-APIC   2-edge      timer\n");
	fakesys_put("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n");
	refused(IOMMU_WHY_NO_INTR_REMAP, "none of an IR- chip");
	cr_expect_eq(k.nr_calls, 0);
	vfio_close(c);
	cr_assert_eq(vfio_open(&c, &cfg), 0);
	cr_expect_eq(vfio_attach(c, VF, &d), 0, "%s", err_text());
}

Test(iommu_vfio, iommufd_is_taken_where_the_device_has_a_file)
{
	struct vfio_status st;

	fakevfio_files(false);
	open_as(VFIO_BACKEND_AUTO);
	cr_assert_eq(vfio_attach(c, VF, &d), 0, "%s", err_text());
	vfio_status(c, &st);
	cr_expect_str_eq(st.backend, "group");
	vfio_detach(d);
	vfio_status(c, &st);
	cr_expect_str_eq(st.backend, "none yet");
	fakevfio_files(true);
	cr_assert_eq(vfio_attach(c, VF, &d), 0, "%s", err_text());
	vfio_status(c, &st);
	cr_expect_str_eq(st.backend, "cdev");
	vfio_detach(d);
	open_as(VFIO_BACKEND_AUTO);
	fakesys_remove("dev/iommu");
	cr_assert_eq(vfio_attach(c, VF, &d), 0, "%s", err_text());
	vfio_status(c, &st);
	cr_expect_str_eq(st.backend, "group");
}

Test(iommu_vfio, the_largest_pages_that_alignment_allows)
{
	struct vfio_status st;

	way(0);
	cr_assert_eq(vfio_map(c, 0, RAM1, 2048 * MIB, VFIO_READ_WRITE), 0);
	vfio_status(c, &st);
	cr_expect_eq(st.page_bytes, 1ull << 30, "hardware not known yet");
	cr_assert_eq(vfio_attach(c, VF, &d), 0);
	vfio_status(c, &st);
	cr_expect_eq(st.page_bytes, 2u << 20, "this hardware has no 1 GiB pages");
	cr_assert_eq(vfio_map(c, 1ull << 36, RAM1, MIB, VFIO_READ_WRITE), 0);
	vfio_status(c, &st);
	cr_expect_eq(st.page_bytes, 4096, "too short for more");
}

/* ---- the device ---- */

static void attach(void)
{
	cr_assert_eq(vfio_attach(c, VF, &d), 0, "%s", err_text());
}

/* The real calls, as far as they go without a device. */
Test(iommu_vfio_sys, calls_return_minus_errno)
{
	const struct vfio_ops *o = &vfio_sys_ops;
	uint64_t have, now;
	char buf[4];
	void *at;
	int fd;

	cr_expect_eq(o->open(NULL, "/no/such/file"), -ENOENT);
	fd = o->eventfd(NULL);
	cr_assert_geq(fd, 0);
	cr_expect_eq(o->ioctl(NULL, fd, VFIO_GET_API_VERSION, NULL), -ENOTTY);
	cr_expect_eq(o->pread(NULL, fd, buf, sizeof(buf), 0), -ESPIPE);
	cr_expect_eq(o->pwrite(NULL, fd, buf, sizeof(buf), 0), -ESPIPE);
	cr_expect_eq(o->mmap(NULL, fd, 0, 4096, VFIO_READ_ONLY, &at), -ENODEV);
	o->close(NULL, fd);
	cr_expect_eq(o->ioctl(NULL, fd, VFIO_GET_API_VERSION, NULL), -EBADF);
	now = o->now_ns(NULL);
	o->nap(NULL, 1);
	cr_expect_gt(o->now_ns(NULL), now);
	cr_expect_eq(o->memlock(NULL, 0, &have), 0);
}

Test(iommu_vfio_sys, the_limit_is_raised_as_far_as_it_may_be)
{
	struct rlimit low = {.rlim_cur = 65536, .rlim_max = 1u << 20}, now;
	uint64_t have;
	int rc;

	cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &low), 0);
	cr_expect_eq(vfio_sys_ops.memlock(NULL, 1u << 19, &have), 0);
	cr_expect_eq(have, 1u << 19);
	rc = vfio_sys_ops.memlock(NULL, 1u << 21, &have);
	cr_assert_eq(getrlimit(RLIMIT_MEMLOCK, &now), 0);
	cr_expect_eq(have, now.rlim_cur);
	/* With the right to raise hard limits it is there; without, as far as the hard one went. */
	cr_expect_eq(have, rc ? 1u << 20 : 1u << 21);
}

Test(iommu_vfio, refuses_a_device_that_cannot_be_reset)
{
	for (int i = 0; i < 2; i++) {
		way(i);
		map_ram();
		k.can_reset = false;
		refused(IOMMU_WHY_NO_RESET, "cannot reset");
	}
}

Test(iommu_vfio, resets_before_the_first_and_after_the_last_use)
{
	for (int i = 0; i < 2; i++) {
		way(i);
		attach();
		cr_expect_eq(k.nr_resets, 1);
		k.config[4] |= 4; /* the guest has it do DMA */
		cr_expect_eq(vfio_detach(d), 0, "%s", err_text());
		cr_expect_eq(k.nr_resets, 2);
		cr_expect_eq(k.config[4] & 4, 0, "DMA is off before anything else is");
	}
}

/* IOV-7 */
Test(iommu_vfio, a_failed_reset_is_quarantine_for_good)
{
	int fds[2] = {1, 2};
	void *at;

	way(0);
	attach();
	k.fail_request = VFIO_DEVICE_RESET;
	k.fail_rc = -ENOTTY;
	cr_expect_eq(vfio_dev_reset(d), iommu_why_row(IOMMU_WHY_QUARANTINE)->code);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_QUARANTINE);
	cr_expect(vfio_dev_is_quarantined(d));
	k.fail_request = 0;
	cr_expect_lt(vfio_dev_reset(d), 0, "it stays so");
	cr_expect_lt(vfio_dev_irqs_set(d, VFIO_IRQ_MSIX, fds, 2), 0);
	cr_expect_lt(vfio_dev_mmap(d, 0, 0, 4096, &at), 0);
	cr_expect_lt(vfio_detach(d), 0, "whoever detaches it is told");
	cr_expect_eq(iommu_refused(), IOMMU_WHY_QUARANTINE);
	way(0);
	k.fail_request = VFIO_DEVICE_RESET;
	k.fail_rc = -ENOTTY;
	refused(IOMMU_WHY_QUARANTINE, "Inappropriate ioctl");
	k.fail_rc = -ENODEV;
	refused(IOMMU_WHY_GONE, "No such device");
}

Test(iommu_vfio, waits_for_a_reset_that_is_under_way_but_not_for_ever)
{
	way(0);
	attach();
	k.fail_request = VFIO_DEVICE_RESET;
	k.fail_rc = -EAGAIN;
	cr_expect_lt(vfio_dev_reset(d), 0);
	cr_expect_eq(k.nr_naps, 19);
	cr_expect(vfio_dev_is_quarantined(d));
}

Test(iommu_vfio, regions_are_what_the_device_has)
{
	const struct vfio_region *r;

	way(0);
	attach();
	cr_expect_null(vfio_dev_region(d, 1));
	cr_expect_null(vfio_dev_region(d, 8), "no VGA");
	cr_expect_null(vfio_dev_region(d, 9));
	cr_expect_null(vfio_dev_region(d, ~0u));
	r = vfio_dev_region(d, 0);
	cr_assert_not_null(r);
	cr_expect_eq(r->size, 0x8000);
	cr_expect_eq(r->nr_areas, 1);
	cr_expect_eq(r->area[0].last, 0x7fff);
	r = vfio_dev_region(d, VFIO_REGION_CONFIG);
	cr_assert_not_null(r);
	cr_expect_eq(r->nr_areas, 0, "never mapped");
}

Test(iommu_vfio, only_areas_that_may_be_mapped_are)
{
	const struct vfio_region *r;
	void *at;

	way(0);
	k.has_sparse = true;
	k.has_msix_mappable = true;
	attach();
	r = vfio_dev_region(d, 3);
	cr_assert_eq(r->nr_areas, 2);
	cr_expect(r->is_msix_mappable);
	cr_expect_eq(r->area[1].first, 0x4000);
	cr_expect_eq(r->area[1].last, 0x4fff);
	cr_expect_eq(vfio_dev_mmap(d, 3, 0x1000, 0x1000, &at), 0, "%s", err_text());
	cr_expect_eq(k.last_mmap, r->offset + 0x1000);
	vfio_dev_munmap(d, at, 0x1000);
	cr_expect_eq(vfio_dev_mmap(d, 3, 0x1000, 0x2000, &at), -EINVAL, "over its end");
	cr_expect_eq(vfio_dev_mmap(d, 3, 0x2000, 0x1000, &at), -EINVAL, "between areas");
	cr_expect_eq(vfio_dev_mmap(d, 3, 0, 0x5000, &at), -EINVAL, "over both");
	cr_expect_eq(vfio_dev_mmap(d, 3, 0x800, 0x1000, &at), -EINVAL);
	cr_expect_eq(vfio_dev_mmap(d, 3, 0, 0, &at), -EINVAL);
	cr_expect_eq(vfio_dev_mmap(d, 3, ~0xfffull, 0x2000, &at), -EINVAL);
	cr_expect_eq(vfio_dev_mmap(d, 1, 0, 0x1000, &at), -EINVAL);
	cr_expect_eq(vfio_dev_mmap(d, VFIO_REGION_CONFIG, 0, 0x1000, &at), -EINVAL);
	cr_expect_eq(k.nr_mmaps, 0);
}

/* What the kernel says about areas and is not understood: everything traps, nothing is mapped. */
Test(iommu_vfio, areas_that_are_not_understood_trap)
{
	way(0);
	k.has_sparse = true;
	k.has_many_areas = true;
	attach();
	cr_expect_eq(vfio_dev_region(d, 3)->nr_areas, 0);
	vfio_detach(d);
	way(0);
	k.has_cut_caps = true;
	attach();
	cr_expect_eq(vfio_dev_region(d, 3)->nr_areas, 0);
}

Test(iommu_vfio, reads_and_writes_stay_inside_of_regions)
{
	uint64_t v = 0;

	way(0);
	attach();
	cr_expect_eq(vfio_dev_write(d, VFIO_REGION_CONFIG, 0x10, 4, 0x11223344), 0);
	cr_expect_eq(vfio_dev_read(d, VFIO_REGION_CONFIG, 0x11, 2, &v), 0);
	cr_expect_eq(v, 0x2233);
	cr_expect_eq(vfio_dev_read(d, VFIO_REGION_CONFIG, 252, 4, &v), 0);
	cr_expect_eq(vfio_dev_read(d, VFIO_REGION_CONFIG, 253, 4, &v), -EINVAL);
	cr_expect_eq(v, UINT64_MAX);
	cr_expect_eq(vfio_dev_read(d, VFIO_REGION_CONFIG, ~0ull, 1, &v), -EINVAL);
	cr_expect_eq(vfio_dev_read(d, VFIO_REGION_CONFIG, 0, 3, &v), -EINVAL);
	cr_expect_eq(vfio_dev_write(d, 1, 0, 4, 0), -EINVAL);
	k.fail_at = k.nr_calls + 1;
	k.fail_rc = -EIO;
	v = 0;
	cr_expect_eq(vfio_dev_read(d, VFIO_REGION_CONFIG, 0, 4, &v), -EIO);
	cr_expect_eq(v, UINT64_MAX, "all ones, as from a device that is gone");
	k.fail_at = k.nr_calls + 1;
	cr_expect_eq(vfio_dev_write(d, VFIO_REGION_CONFIG, 0, 4, 0), -EIO);
	cr_expect_eq(vfio_dev_read(d, 0, 0, 4, &v), -EIO, "cut short");
}

Test(iommu_vfio, interrupts_go_to_the_fds_that_were_given)
{
	int fds[10] = {31, -1, 33, 34, 35, 36, 37, 38, 39, 40};

	way(0);
	attach();
	cr_expect_eq(vfio_dev_irq_count(d, VFIO_IRQ_MSIX), 10);
	cr_expect_eq(vfio_dev_irq_count(d, VFIO_IRQ_MSI), 0);
	cr_expect_eq(vfio_dev_irqs_set(d, VFIO_IRQ_MSIX, fds, 3), 0, "%s", err_text());
	cr_expect_eq(k.nr_irq[VFIO_IRQ_MSIX], 3);
	cr_expect_eq(k.irq_fd[VFIO_IRQ_MSIX][1], -1);
	cr_expect_eq(vfio_dev_irqs_set(d, VFIO_IRQ_MSIX, fds, 10), 0, "other ones, over the first");
	cr_expect_eq(k.irq_fd[VFIO_IRQ_MSIX][9], 40);
	vfio_dev_irqs_off(d, VFIO_IRQ_MSIX);
	cr_expect_eq(k.nr_irq[VFIO_IRQ_MSIX], 0);
	cr_expect_eq(vfio_dev_irqs_set(d, VFIO_IRQ_MSIX, fds, 11), -EINVAL);
	cr_expect(strstr(err_text(), "want 1..10"));
	cr_expect_eq(vfio_dev_irqs_set(d, VFIO_IRQ_MSIX, fds, 0), -EINVAL);
	cr_expect_eq(vfio_dev_irqs_set(d, VFIO_IRQ_MSI, fds, 1), -EINVAL);
}

Test(iommu_vfio, a_host_that_is_short_of_interrupts_says_how_many_it_has)
{
	int fds[4] = {31, 32, 33, 34};

	way(0);
	attach();
	k.irqs_answer = 2;
	cr_expect_eq(vfio_dev_irqs_set(d, VFIO_IRQ_MSIX, fds, 4), -ENOSPC);
	cr_expect(strstr(err_text(), "2 interrupts left, 4 were wanted"), "%s", err_text());
	cr_expect_eq(k.nr_irq[VFIO_IRQ_MSIX], 0);
	k.irqs_answer = -EINVAL;
	cr_expect_eq(vfio_dev_irqs_set(d, VFIO_IRQ_MSIX, fds, 4), -EINVAL);
}

Test(iommu_vfio, errors_and_requests_of_the_host_have_their_own_events)
{
	for (int i = 0; i < 2; i++) {
		way(i);
		attach();
		cr_expect_geq(vfio_dev_err_fd(d), 0);
		cr_expect_neq(vfio_dev_err_fd(d), vfio_dev_req_fd(d));
		cr_expect_eq(k.irq_fd[VFIO_IRQ_ERR][0], vfio_dev_err_fd(d));
		cr_expect_eq(k.irq_fd[VFIO_IRQ_REQ][0], vfio_dev_req_fd(d));
	}
	vfio_close(NULL);
	cr_expect_eq(vfio_detach(NULL), 0);
}
