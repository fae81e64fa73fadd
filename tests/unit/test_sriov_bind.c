/* SPDX-License-Identifier: BSD-3-Clause */
/* Drivers of VFs: given, taken back, refused; and a VF made fit for its next owner. */
#include "sriov/bind.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "iommu/why.h"
#include "sriov/pf.h"
#include "tests/support/fakepf.h"

static struct fake_host h;
static struct fake_pf *fake;
static char vf[SRIOV_BDF_MAX], former[SRIOV_NAME_MAX];

static void setup(void)
{
	fake_host_init(&h);
	fake = fake_pf_add(&h, "pf0", 8);
	cr_assert_eq(
		sriov_sys_write(&h.sys, "2", "/sys/bus/pci/devices/%s/sriov_numvfs", fake->bdf), 0);
	fake_vf_bdf(&h, fake, 1, vf); /* igbvf has taken it */
}

static void teardown(void)
{
	fake_host_fini(&h);
}

TestSuite(sriov_bind, .init = setup, .fini = teardown, .timeout = 60);

static void expect_driver(const char *want)
{
	char now[SRIOV_NAME_MAX];

	cr_assert_eq(sriov_driver(&h.sys, vf, now), 0);
	cr_expect_str_eq(now, want);
}

static void expect_override(const char *want)
{
	char now[SRIOV_NAME_MAX];

	cr_assert_eq(sriov_sys_read(&h.sys, now, sizeof(now),
				    "/sys/bus/pci/devices/%s/driver_override", vf),
		     0);
	cr_expect_str_eq(now, want);
}

Test(sriov_bind, gives_a_vf_to_vfio_and_back)
{
	cr_assert_eq(sriov_bind(&h.sys, vf, "vfio-pci", former), 0, "%s", err_text());
	cr_expect_str_eq(former, "igbvf");
	expect_driver("vfio-pci");
	expect_override("vfio-pci");
	cr_assert_eq(sriov_unbind(&h.sys, vf, former), 0, "%s", err_text());
	expect_driver("igbvf");
	expect_override("(null)");
}

Test(sriov_bind, leaves_a_vf_without_driver_as_it_was)
{
	cr_assert_eq(sriov_unbind(&h.sys, vf, ""), 0, "%s", err_text());
	expect_driver("");
	cr_assert_eq(sriov_bind(&h.sys, vf, "vfio-pci", former), 0, "%s", err_text());
	cr_expect_str_eq(former, "");
	cr_assert_eq(sriov_unbind(&h.sys, vf, former), 0, "%s", err_text());
	expect_driver("");
	expect_override("(null)");
}

Test(sriov_bind, does_nothing_to_one_that_has_the_driver)
{
	unsigned int writes;

	cr_assert_eq(sriov_bind(&h.sys, vf, "vfio-pci", former), 0);
	writes = h.nr_writes;
	cr_assert_eq(sriov_bind(&h.sys, vf, "vfio-pci", former), 0);
	cr_expect_str_eq(former, "vfio-pci");
	cr_expect_eq(h.nr_writes, writes);
}

Test(sriov_bind, puts_all_back_and_names_the_cause_when_a_step_does_not_take)
{
	static const struct {
		const char *end;
		enum fake_fault kind;
		int rc;
		enum iommu_why why;
		const char *part;
	} row[] = {
		{"/driver_override", FAKE_FAIL, -EINVAL, IOMMU_WHY_VFIO_FAILED, "driver_override"},
		{"/driver_override", FAKE_IGNORE, 0, IOMMU_WHY_VFIO_FAILED,
		 "expected vfio-pci, found none"},
		{"/unbind", FAKE_FAIL, -EBUSY, IOMMU_WHY_UNBIND_FAILED, "unbind from igbvf"},
		{"/unbind", FAKE_FAIL, -ETIMEDOUT, IOMMU_WHY_UNBIND_FAILED, "still not done"},
		{"/unbind", FAKE_IGNORE, 0, IOMMU_WHY_UNBIND_FAILED,
		 "expected no driver, found igbvf"},
		{"/drivers_probe", FAKE_FAIL, -ETIMEDOUT, IOMMU_WHY_PF_TIMEOUT, "still not done"},
		{"/drivers_probe", FAKE_FAIL, -EINVAL, IOMMU_WHY_VFIO_FAILED, "probe"},
		{"/drivers_probe", FAKE_IGNORE, 0, IOMMU_WHY_VFIO_FAILED,
		 "expected driver vfio-pci, found none"},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		fake_fail_write(&h, row[i].end, row[i].kind, row[i].rc, 1);
		cr_expect_lt(sriov_bind(&h.sys, vf, "vfio-pci", former), 0, "row %zu", i);
		cr_expect_eq(iommu_refused(), row[i].why, "row %zu: %s", i, err_text());
		cr_expect(strstr(err_text(), row[i].part), "row %zu: %s", i, err_text());
		expect_driver("igbvf");
		expect_override("(null)");
		h.nr_faults = 0;
	}
	cr_expect_eq(sriov_bind(&h.sys, vf, "vfio-pci", former), 0, "%s", err_text());
}

Test(sriov_bind, never_unbinds_what_a_program_has_open)
{
	cr_assert_eq(sriov_bind(&h.sys, vf, "vfio-pci", former), 0);
	h.is_group_open[1] = true;
	cr_expect_eq(sriov_is_open(&h.sys, vf), 1);
	cr_expect_eq(sriov_unbind(&h.sys, vf, "igbvf"), -EBUSY);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_BUSY);
	expect_driver("vfio-pci");
	h.is_group_open[1] = false;
	cr_expect_eq(sriov_unbind(&h.sys, vf, "igbvf"), 0, "%s", err_text());
}

Test(sriov_bind, says_when_there_is_no_such_driver)
{
	cr_expect_eq(sriov_bind(&h.sys, vf, "vfio-xyz", former), -ENOENT);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_NO_VFIO_MODULE);
	expect_driver("igbvf");
	expect_override("(null)");
}

Test(sriov_bind, says_when_the_vf_is_gone)
{
	cr_expect_eq(sriov_bind(&h.sys, "0000:09:00.0", "vfio-pci", former), -ENODEV);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_GONE);
	cr_expect_eq(sriov_clean(&h.sys, "0000:09:00.0"), -ENODEV);
	cr_expect_eq(sriov_is_open(&h.sys, "0000:09:00.0"), 0);
}

Test(sriov_bind, iov_7_resets_that_vf_between_owners)
{
	char other[SRIOV_BDF_MAX];
	uint8_t command;

	fake_vf_bdf(&h, fake, 0, other);
	fake_master(&h, vf);
	fake_master(&h, other);
	cr_expect_eq(sriov_clean(&h.sys, vf), 0, "%s", err_text());
	cr_assert_eq(sriov_sys_bytes(&h.sys, &command, 1, 4, "/sys/bus/pci/devices/%s/config", vf),
		     0);
	cr_expect_eq(command & 4, 0);
	cr_assert_eq(
		sriov_sys_bytes(&h.sys, &command, 1, 4, "/sys/bus/pci/devices/%s/config", other),
		0);
	cr_expect_eq(command & 4, 4, "its neighbour was reset, too");
}

Test(sriov_bind, cleans_nothing_that_may_still_be_at_work)
{
	fake_master(&h, vf);
	h.is_group_open[1] = true;
	cr_expect_eq(sriov_clean(&h.sys, vf), -EBUSY);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_BUSY);
	h.is_group_open[1] = false;
	fake_fail_write(&h, "/reset", FAKE_FAIL, -EIO, 1);
	cr_expect_eq(sriov_clean(&h.sys, vf), -EIO);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_QUARANTINE);
	h.keeps_mastering = true;
	cr_expect_eq(sriov_clean(&h.sys, vf), -EIO);
	cr_expect(strstr(err_text(), "bus mastering: expected off, found on"), "%s", err_text());
	h.keeps_mastering = false;
	cr_expect_eq(sriov_clean(&h.sys, vf), 0, "%s", err_text());
}

Test(sriov_bind, refuses_a_vf_that_cannot_be_reset)
{
	char path[300];

	fake_fail_write(&h, "/reset", FAKE_FAIL, -ENOTTY, 1);
	cr_expect_eq(sriov_clean(&h.sys, vf), -ENOTSUP);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_NO_RESET, "%s", err_text());
	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s/reset", h.root, vf);
	cr_assert_eq(unlink(path), 0);
	cr_expect_eq(sriov_clean(&h.sys, vf), -ENOTSUP);
	cr_expect_eq(iommu_refused(), IOMMU_WHY_NO_RESET);
}

/* ---- This host's way of writing ------------------------------------------------------------- */

static int write_here(const char *path, const char *text, int timeout_ms)
{
	struct sriov_sys s = sriov_sys_host();

	return s.ops->write(s.ctx, path, text, timeout_ms);
}

Test(sriov_bind, writes_files_of_this_host)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), "%s/file", h.root);
	cr_expect_eq(write_here(path, "x", 1000), -ENOENT);
	cr_assert_eq(mknod(path, S_IFREG | 0600, 0), 0);
	cr_expect_eq(write_here(path, "vfio-pci", 10000), 0);
	cr_expect_eq(sriov_sys_read(&h.sys, text, sizeof(text), "/file"), 0);
	cr_expect_str_eq(text, "vfio-pci");
	cr_expect_eq(write_here("/dev/full", "x", 10000), -ENOSPC);
}

/* A FIFO that nobody reads hangs like a driver that does not let go. */
Test(sriov_bind, gives_up_a_write_that_does_not_come_back)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/fifo", h.root);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_expect_eq(write_here(path, "x", 20), -ETIMEDOUT);
}
