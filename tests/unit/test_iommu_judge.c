/* SPDX-License-Identifier: BSD-3-Clause */
/* Each cause that can be seen beforehand, on a good host with one thing wrong. */
#include "iommu/judge.h"

#include <errno.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/err.h"
#include "tests/support/dmarmake.h"
#include "tests/support/fakesys.h"

#define VF "0000:01:10.0"
#define PF "0000:01:00.0"

static const char *root;
static struct iommu_topology *t;
static struct iommu_verdict v;

static void begin(void)
{
	root = fakesys_begin();
	fakesys_good_host();
}

static void end(void)
{
	iommu_topology_destroy(t);
	t = NULL;
	fakesys_end();
}

TestSuite(iommu_judge, .init = begin, .fini = end);

static void judge(const char *bdf, const struct iommu_wish *wish)
{
	iommu_topology_destroy(t);
	cr_assert_eq(iommu_topology_create(&t, root), 0);
	iommu_judge(t, bdf, wish, &v);
}

static const struct iommu_finding *found(enum iommu_why why)
{
	for (unsigned int i = 0; i < v.nr; i++)
		if (v.finding[i].why == why)
			return &v.finding[i];
	return NULL;
}

/* @why, alone among what blocks, with @detail in its detail. */
static void only(enum iommu_why why, const char *detail)
{
	const struct iommu_finding *f = found(why);

	cr_assert_not_null(f, "%s is not among %u", iommu_why_row(why)->id, v.nr);
	cr_expect(strstr(f->detail, detail), "no `%s` in: %s", detail, f->detail);
	cr_expect_eq(v.is_assignable, f->weight != IOMMU_BLOCKS);
	for (unsigned int i = 0; i < v.nr; i++)
		cr_expect(v.finding[i].why == why || v.finding[i].weight != IOMMU_BLOCKS, "%s: %s",
			  iommu_why_row(v.finding[i].why)->id, v.finding[i].detail);
	if (f->weight == IOMMU_BLOCKS) {
		cr_expect_eq(iommu_verdict_refuse(&v), iommu_why_row(why)->code);
		cr_expect(strstr(err_text(), iommu_why_row(why)->step));
	} else {
		cr_expect_eq(iommu_verdict_refuse(&v), 0);
	}
}

Test(iommu_judge, finds_nothing_against_a_vf_on_a_good_host)
{
	judge(VF, NULL);
	cr_expect(v.is_assignable);
	cr_expect_eq(v.nr, 0, "%s", v.nr ? v.finding[0].detail : "");
	judge("01:10.0", NULL);
	cr_expect_str_eq(v.subject, VF);
	cr_expect(v.is_assignable);
}

Test(iommu_judge, what_is_no_address_no_device_or_a_bridge_is_refused)
{
	judge("eth0", NULL);
	only(IOMMU_WHY_NOT_A_FUNCTION, "no PCI address");
	judge("../../../etc/passwd", NULL);
	only(IOMMU_WHY_NOT_A_FUNCTION, "no PCI address");
	judge("0000:05:00.0", NULL);
	only(IOMMU_WHY_NO_DEVICE, "of 3");
	judge("0000:00:01.0", NULL);
	only(IOMMU_WHY_NOT_A_FUNCTION, "bridge");
}

static void without_units(void)
{
	static const char *const files[] = {
		"sys/class/iommu/dmar0/intel-iommu/address",
		"sys/class/iommu/dmar0/intel-iommu/cap",
		"sys/class/iommu/dmar0/intel-iommu/ecap",
		"sys/class/iommu/dmar0/intel-iommu/version",
		"sys/class/iommu/dmar0/intel-iommu",
		"sys/class/iommu/dmar0",
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		fakesys_remove(files[i]);
}

Test(iommu_judge, no_iommu_in_the_firmware)
{
	without_units();
	fakesys_remove("sys/firmware/acpi/tables/DMAR");
	judge(VF, NULL);
	only(IOMMU_WHY_NO_IOMMU, "no DMAR");
}

Test(iommu_judge, iommu_switched_off)
{
	without_units();
	fakesys_put("proc/cmdline", "quiet intel_iommu=off\n");
	judge(VF, NULL);
	only(IOMMU_WHY_IOMMU_OFF, "intel_iommu=off");
	fakesys_put("proc/cmdline", "quiet\n");
	judge(VF, NULL);
	only(IOMMU_WHY_IOMMU_OFF, "by default");
	fakesys_remove("sys/firmware/acpi/tables/DMAR");
	fakesys_put("sys/firmware/acpi/tables/IVRS", "IVRS");
	fakesys_put("proc/cmdline", "amd_iommu=off\n");
	judge(VF, NULL);
	only(IOMMU_WHY_IOMMU_OFF, "amd_iommu=off");
}

Test(iommu_judge, no_group)
{
	fakesys_remove("sys/devices/pci0000:00/0000:00:01.0/" VF "/iommu_group");
	judge(VF, NULL);
	only(IOMMU_WHY_NO_GROUP, "none for it");
}

/* Pain 20: never a shrug. */
Test(iommu_judge, no_interrupt_remapping_is_refused_unless_the_operator_takes_it)
{
	struct iommu_wish wish = {.is_unsafe_allowed = true};

	fakesys_put("proc/interrupts", " 0:  8  IO-APIC   2-edge      timer\n");
	judge(VF, NULL);
	only(IOMMU_WHY_NO_INTR_REMAP, "none of an IR- chip");
	judge(VF, &wish);
	cr_expect(v.is_assignable);
	cr_assert_not_null(found(IOMMU_WHY_NO_INTR_REMAP), "still told");
	cr_expect_eq(found(IOMMU_WHY_NO_INTR_REMAP)->weight, IOMMU_NOTE);
	fakesys_put("proc/interrupts", "\n");
	judge(VF, NULL);
	only(IOMMU_WHY_NO_INTR_REMAP, "tells nothing");
}

Test(iommu_judge, unsafe_interrupts_do_not_open_what_is_closed_and_are_told)
{
	fakesys_put("sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y\n");
	judge(VF, NULL);
	only(IOMMU_WHY_UNSAFE_INTERRUPTS, "is on");
	fakesys_put("proc/interrupts", " 0:  8  IO-APIC   2-edge      timer\n");
	judge(VF, NULL);
	cr_expect_not(v.is_assignable);
	cr_expect_not_null(found(IOMMU_WHY_UNSAFE_INTERRUPTS));
}

Test(iommu_judge, a_group_that_is_not_viable_names_the_others_and_their_drivers)
{
	fakesys_dev(&(struct fakesys_dev){
		.bdf = "0000:01:00.1", .above = "0000:00:01.0", .driver = "nvme", .group = 11});
	fakesys_dev(&(struct fakesys_dev){
		.bdf = "0000:01:00.2", .above = "0000:00:01.0", .driver = "vfio-pci", .group = 11});
	fakesys_dev(&(struct fakesys_dev){
		.bdf = "0000:01:00.3", .above = "0000:00:01.0", .driver = "ahci", .group = 11});
	judge(VF, NULL);
	only(IOMMU_WHY_GROUP_NOT_VIABLE, "group 11: 0000:01:00.1 has nvme, 0000:01:00.3 has ahci");
	cr_expect_null(strstr(found(IOMMU_WHY_GROUP_NOT_VIABLE)->detail, "0000:01:00.2"));
}

static void port_without_acs(void)
{
	uint8_t port[4096];

	fakesys_port(port, IOMMU_PCI_ROOT_PORT, 1, -1);
	fakesys_bytes("sys/devices/pci0000:00/0000:00:01.0/config", port, sizeof(port));
}

Test(iommu_judge, missing_acs_explains_a_shared_group)
{
	port_without_acs();
	judge(VF, NULL);
	cr_expect_eq(v.nr, 0, "a group of its own: the kernel knows that this port isolates");
	fakesys_dev(&(struct fakesys_dev){
		.bdf = "0000:01:00.1", .above = "0000:00:01.0", .driver = "vfio-pci", .group = 11});
	judge(VF, NULL);
	only(IOMMU_WHY_NO_ACS, "0000:00:01.0, so group 11 has 2 devices");
	cr_expect(v.is_assignable);
	fakesys_dev(&(struct fakesys_dev){
		.bdf = "0000:01:00.1", .above = "0000:00:01.0", .driver = "nvme", .group = 11});
	judge(VF, NULL);
	cr_expect_not_null(found(IOMMU_WHY_NO_ACS));
	cr_expect_eq(found(IOMMU_WHY_NO_ACS)->weight, IOMMU_BLOCKS);
	cr_expect_not_null(found(IOMMU_WHY_GROUP_NOT_VIABLE));
}

Test(iommu_judge, acs_that_is_only_pretended_is_refused)
{
	port_without_acs();
	fakesys_put("proc/cmdline", "pcie_acs_override=downstream,multifunction\n");
	judge(VF, NULL);
	only(IOMMU_WHY_NO_ACS, "pretend");
}

Test(iommu_judge, rmrr_of_the_device_by_the_kernel_or_by_the_table)
{
	static const uint8_t way[] = {1, 0, 0x10, 0};
	struct dmarmake m;

	fakesys_group(11, "0x000000007b000000 0x000000007f7fffff direct\n");
	judge(VF, NULL);
	only(IOMMU_WHY_RMRR, "0x7b000000-0x7f7fffff");
	fakesys_group(11, "0x000000007b000000 0x000000007f7fffff direct-relaxable\n");
	judge(VF, NULL);
	cr_expect(v.is_assignable);
	dmar_begin(&m, 39, 1);
	dmar_rmrr(&m, 0, 0x1000, 0x1fff);
	dmar_scope(&m, IOMMU_SCOPE_ENDPOINT, 0, 0, way, 2);
	dmar_end(&m);
	fakesys_bytes("sys/firmware/acpi/tables/DMAR", m.bytes, m.len);
	judge(VF, NULL);
	cr_expect_null(found(IOMMU_WHY_RMRR), "the kernel's word goes first");
	fakesys_remove("sys/devices/pci0000:00/0000:00:01.0/" VF "/iommu_group");
	judge(VF, NULL);
	cr_assert_not_null(found(IOMMU_WHY_RMRR));
	cr_expect(strstr(found(IOMMU_WHY_RMRR)->detail, "0x1000-0x1fff by the DMAR table"));
}

Test(iommu_judge, a_driver_of_the_host_is_ours_to_mend)
{
	fakesys_dev(&(struct fakesys_dev){.bdf = "0000:01:10.2",
					  .above = "0000:00:01.0",
					  .driver = "igbvf",
					  .netdev = "eth3",
					  .group = 10,
					  .pf = PF});
	fakesys_link("sys/devices/pci0000:00/0000:00:01.0/" PF "/driver", "../x/vfio-pci");
	judge("0000:01:10.2", NULL);
	only(IOMMU_WHY_WRONG_DRIVER, "igbvf, interface eth3");
	cr_expect_eq(found(IOMMU_WHY_WRONG_DRIVER)->weight, IOMMU_OURS);
	cr_expect(v.is_assignable);
}

Test(iommu_judge, a_pf_with_vfs_on_stays_with_the_host)
{
	judge(PF, NULL);
	only(IOMMU_WHY_PF_HAS_VFS, "2 of 8");
	cr_expect_not_null(found(IOMMU_WHY_WRONG_DRIVER));
}

Test(iommu_judge, vfio_missing_or_not_accessible)
{
	fakesys_remove("dev/vfio/vfio");
	judge(VF, NULL);
	only(IOMMU_WHY_NO_VFIO_ACCESS, "neither");
	fakesys_put("dev/iommu", "");
	judge(VF, NULL);
	cr_expect(v.is_assignable, "iommufd is enough");
	t->host.may_iommufd = false;
	iommu_judge(t, VF, NULL, &v);
	only(IOMMU_WHY_NO_VFIO_ACCESS, "/dev/iommu cannot be opened");
	fakesys_remove("sys/bus/pci/drivers/vfio-pci/bind");
	fakesys_remove("sys/bus/pci/drivers/vfio-pci");
	judge(VF, NULL);
	only(IOMMU_WHY_NO_VFIO_MODULE, "vfio-pci");
}

Test(iommu_judge, a_function_without_reset_or_msix)
{
	uint8_t cfg[4096];

	fakesys_endpoint(cfg, 0);
	cfg[0x47] = 0;
	fakesys_dev(&(struct fakesys_dev){.bdf = "0000:01:00.5",
					  .above = "0000:00:01.0",
					  .group = 9,
					  .no_reset = 1,
					  .config = cfg,
					  .config_len = sizeof(cfg)});
	judge("0000:01:00.5", NULL);
	cr_expect_not_null(found(IOMMU_WHY_NO_RESET));
	cr_expect_not_null(found(IOMMU_WHY_NO_MSIX));
	cr_expect_not(v.is_assignable);
	fakesys_dev(&(struct fakesys_dev){.bdf = "0000:01:00.5",
					  .above = "0000:00:01.0",
					  .group = 9,
					  .config = cfg,
					  .config_len = 64});
	judge("0000:01:00.5", NULL);
	cr_expect_null(found(IOMMU_WHY_NO_MSIX), "not root: it cannot be known");
}

Test(iommu_judge, guest_memory_over_reserved_ranges_or_beyond_reach)
{
	struct iommu_range ram[2] = {{.first = 0, .last = 0xbfffffff},
				     {.first = 0x100000000, .last = 0x13fffffff}};
	struct iommu_wish wish = {.ram = ram, .nr_ram = 2};

	fakesys_put("proc/self/limits", "Max locked memory   unlimited  unlimited  bytes\n");
	judge(VF, &wish);
	cr_expect(v.is_assignable);
	ram[0].last = 0xfee00000;
	judge(VF, &wish);
	only(IOMMU_WHY_RESERVED_RANGE, "0xfee00000-0xfeefffff (msi)");
	ram[0].last = 0xfedfffff;
	judge(VF, &wish);
	cr_expect(v.is_assignable, "next to it is not in it");
	ram[1].last = 1ull << 39;
	judge(VF, &wish);
	only(IOMMU_WHY_RESERVED_RANGE, "39 bits");
}

Test(iommu_judge, locked_memory_is_told_with_figures)
{
	struct iommu_range ram[1] = {{.first = 0, .last = (2ull << 30) - 1}};
	struct iommu_wish wish = {.ram = ram, .nr_ram = 1};

	judge(VF, &wish);
	cr_expect(v.is_assignable, "the hard limit is what may be had");
	ram[0].last++;
	ram[0].last += 1 << 20;
	judge(VF, &wish);
	only(IOMMU_WHY_MEMLOCK, "the limit is 2048 MiB, 2049 MiB are needed");
	fakesys_put("proc/self/status", "CapEff:\t0000000000004000\n");
	judge(VF, &wish);
	cr_expect(v.is_assignable, "the limit does not hold for it");
}
